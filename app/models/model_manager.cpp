#include "app/models/model_manager.h"

#include "app/models/files/store_move.h"
#include "app/models/net/engine_words.h"
#include "storage/clock.h"

#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QFileInfo>

#include <algorithm>
#include <chrono>

namespace hearth::app {
namespace {

QString pathText(const std::string& path) {
    return QFile::decodeName(path.c_str());
}

std::string pathBytes(const QString& path) {
    return QFile::encodeName(path).toStdString();
}

QString sentenceOf(const std::exception& e) {
    if (const auto* words = dynamic_cast<const ModelError*>(&e))
        return told(words->words());
    return toldByEngine(e);
}

} // namespace

QString told(const Words& words) {
    return QString::fromStdString(words.filled(QCoreApplication::translate("Models", words.sentence).toStdString()));
}

ModelManager::ModelManager(StorageWorker& storage, Library& library, QObject* parent)
    : QObject(parent), storage_(storage), library_(library) {
    pool_.setMaxThreadCount(1);
    connect(&rest_, &QTimer::timeout, this, [this] {
        if (bandwidth() > 0)
            rest_.stop();
        else if (!busy_ && !busyElsewhere_())
            calibrate();
    });
}

ModelManager::~ModelManager() {
    ending_ = true;
    cancelJob();
    pool_.clear();
    pool_.waitForDone();
}

// ---- what is remembered

void ModelManager::open(const QString& folder) {
    folder_ = folder;
    library_.setFolder(folder);

    struct Remembered {
        ModelPlaces places;
        std::vector<storage::ModelRecord> records;
        std::string bandwidth;
    };

    storage_.call(
        this,
        [](Store& store) {
            return Remembered{readModelPlaces(store.settings, {}), store.models.all(),
                              store.settings.find(kBandwidthSetting).value_or("")};
        },
        [this](Remembered all) {
            added_.clear();
            for (const std::string& path : all.places.added)
                added_.append(pathText(path));
            otherStores_ = all.places.otherStores;
            for (storage::ModelRecord& record : all.records)
                records_.insert(pathText(record.path), std::move(record));
            if (const auto bandwidth = Bandwidth::fromText(all.bandwidth); bandwidth && bandwidth->holdsHere())
                bandwidth_ = *bandwidth;
            placesChanged();
            emit opened();
        },
        [this](const QString&) { // failed() of the storage has said why; the models are there all the same
            placesChanged();
            emit opened();
        });
    pool_.start([folder = pathBytes(folder)] {
        removeImportLeftovers(folder);
        emptyTrash(folder, storage::nowMs());
    });
}

void ModelManager::refresh() {
    storage_.call(
        this, [](Store& store) { return store.models.all(); },
        [this](std::vector<storage::ModelRecord> records) {
            records_.clear();
            for (storage::ModelRecord& record : records)
                records_.insert(pathText(record.path), std::move(record));
            emit changed({});
        });
}

const storage::ModelRecord* ModelManager::record(const QString& path) const {
    const auto it = records_.constFind(path);
    return it == records_.constEnd() ? nullptr : &*it;
}

bool ModelManager::isListed(const ModelFile& file) const {
    const storage::ModelRecord* known = record(file.path);
    return !known || !known->hidden;
}

/// In memory at once, in the database behind it.
void ModelManager::remember(const QString& path, std::function<void(storage::ModelRecord&)> inMemory,
                            std::function<void(storage::Models&)> stored) {
    storage::ModelRecord& record = records_[path];
    record.path = pathBytes(path);
    inMemory(record);
    storage_.post([stored = std::move(stored)](Store& store) { stored(store.models); });
    emit changed(path);
}

/// The same model lies elsewhere now.
void ModelManager::follow(const QString& from, const QString& to) {
    if (records_.contains(from))
        records_.insert(to, records_.take(from));
    storage_.post([from = pathBytes(from), to = pathBytes(to)](Store& store) {
        store.models.moved(from, to);
        store.conversations.moveModel(from, to);
    });
    emit modelMoved(from, to);
}

ModelDefaults ModelManager::defaults(const QString& path) const {
    const storage::ModelRecord* known = record(path);
    return known ? ModelDefaults::fromJson(known->defaults) : ModelDefaults{};
}

void ModelManager::setDefaults(const QString& path, const ModelDefaults& defaults) {
    const std::string json = defaults.toJson();
    remember(
        path, [&](storage::ModelRecord& record) { record.defaults = json; },
        [path = pathBytes(path), json](storage::Models& models) { models.setDefaults(path, json); });
}

// ---- places

void ModelManager::placesChanged() {
    library_.setPlaces(added_, otherStores_);
    library_.rescan();
}

void ModelManager::addFolder(const QString& given) {
    const QString folder = QDir(given).absolutePath();
    if (added_.contains(folder) || folder == folder_)
        return;
    added_.append(folder);
    std::vector<std::string> folders;
    for (const QString& one : std::as_const(added_))
        folders.push_back(pathBytes(one));
    storage_.post([text = addedFoldersText(folders)](Store& store) { store.settings.set(kAddedFoldersSetting, text); });
    placesChanged();
}

void ModelManager::dropFolder(const QString& folder) {
    if (added_.removeAll(folder) == 0)
        return;
    std::vector<std::string> folders;
    for (const QString& one : std::as_const(added_))
        folders.push_back(pathBytes(one));
    storage_.post([text = addedFoldersText(folders)](Store& store) { store.settings.set(kAddedFoldersSetting, text); });
    placesChanged();
}

void ModelManager::setOtherStores(bool on) {
    if (on == otherStores_)
        return;
    otherStores_ = on;
    storage_.post([on](Store& store) { store.settings.set(kForeignStoresSetting, on ? "1" : "0"); });
    placesChanged();
}

// ---- judgement

std::optional<Fit> ModelManager::fit(const ModelFile& file, int contextTokens, quint64 givenBack) const {
    if (!file.facts || !file.facts->problem.empty() || !file.facts->cannotRun.empty())
        return std::nullopt;
    engine::PlacementInput in = file.facts->placement;
    const ModelDefaults own = defaults(file.path);
    if (contextTokens == 0)
        contextTokens = own.contextTokens.value_or(in.contextTokens);
    for (const auto& [kv, size] : file.facts->caches)
        if (kv == own.kv) {
            in.kvBytesPerToken = size.bytesPerToken;
            in.kvWindowBytes = size.windowBytes;
        }
    in.contextTokens = contextTokens;
    return judgeFit(
        in, {.freeBytes = engine::freeSystemMemory(), .givenBackBytes = givenBack, .readBandwidth = bandwidth()},
        file.facts->trainedContext);
}

void ModelManager::calibrate() {
    const bool known = bandwidth_.bytesPerSecond > 0;
    if (calibrating_ || calibratedNow_ || (known && bandwidth_.times >= kBandwidthTimes))
        return;
    calibrating_ = true;
    stopMeasuring_ = std::make_shared<std::atomic<bool>>(false);
    pool_.start([this, stop = stopMeasuring_] {
        Bandwidth measured;
        try {
            measured = measureBandwidth(storage::nowMs(), [&] { return ending_ || stop->load(); });
        } catch (const std::exception&) { // no speed is predicted
        }
        QMetaObject::invokeMethod(
            this,
            [this, measured] {
                calibrating_ = false;
                if (measured.bytesPerSecond <= 0)
                    return;
                calibratedNow_ = true;
                const int times = bandwidth_.bytesPerSecond > 0 ? bandwidth_.times + 1 : 1;
                if (measured.bytesPerSecond > bandwidth_.bytesPerSecond)
                    bandwidth_ = measured;
                bandwidth_.times = times;
                storage_.post(
                    [text = bandwidth_.toText()](Store& store) { store.settings.set(kBandwidthSetting, text); });
                emit calibrated();
            },
            Qt::QueuedConnection);
    });
}

void ModelManager::calibrateWhenIdle(std::function<bool()> busy, std::chrono::milliseconds rest) {
    busyElsewhere_ = std::move(busy);
    if (bandwidth() <= 0)
        rest_.start(rest);
}

void ModelManager::postponeCalibration() {
    if (!rest_.isActive())
        return;
    rest_.start();
    if (stopMeasuring_)
        stopMeasuring_->store(true);
}

// ---- jobs

void ModelManager::cancelJob() {
    if (cancel_)
        cancel_->store(true);
}

/// Runs a job in the thread of its own and tells of its end here.
void ModelManager::run(Job job) {
    if (busy_) {
        emit jobFailed(tr("Another model is being brought or moved. Wait until that is done, or stop it."));
        return;
    }
    busy_ = true;
    cancel_ = std::make_shared<std::atomic<bool>>(false);
    pool_.start([this, job = std::move(job), cancel = cancel_] {
        using Clock = std::chrono::steady_clock;
        Clock::time_point last{};
        const FileProgress progress = [&](uint64_t done, uint64_t total) {
            if (Clock::now() - last >= std::chrono::milliseconds(50)) {
                last = Clock::now();
                emit jobProgress(total > 0 ? double(done) / double(total) : 1); // from this thread: queued
            }
            return !cancel->load() && !ending_;
        };
        Outcome outcome;
        try {
            outcome = job(progress);
        } catch (const std::exception& e) {
            outcome.error = sentenceOf(e);
        }
        QMetaObject::invokeMethod(
            this,
            [this, outcome] {
                busy_ = false;
                cancel_.reset();
                if (outcome.always)
                    outcome.always();
                if (!outcome.error.isEmpty())
                    emit jobFailed(outcome.error);
                else if (outcome.stopped)
                    emit jobStopped();
                else if (outcome.then)
                    outcome.then();
            },
            Qt::QueuedConnection);
    });
}

/// The hashes of earlier sessions go along, and new ones are kept.
void ModelManager::runWithHashes(std::function<Outcome(HashCache&, const FileProgress&)> job) {
    storage_.call(
        this, [](Store& store) { return loadHashes(store.models); },
        [this, job = std::move(job)](const HashCache& known) {
            run([this, job, known](const FileProgress& progress) {
                auto cache = std::make_shared<HashCache>(known);
                Outcome outcome;
                try {
                    outcome = job(*cache, progress);
                } catch (const std::exception& e) { // what was hashed so far is kept
                    outcome.error = sentenceOf(e);
                }
                outcome.always = [this, cache] {
                    storage_.post([cache](Store& store) { storeHashes(store.models, *cache); });
                };
                return outcome;
            });
        },
        [this](const QString& sentence) { emit jobFailed(sentence); });
}

void ModelManager::planImport(const QString& path, ImportHow how, const QString& name) {
    std::vector<FoundModel> own;
    std::optional<FoundModel> known;
    for (const ModelFile& file : library_.files()) {
        if (file.found.store == StoreKind::Own && !file.missing)
            own.push_back(file.found);
        if (file.path == path && !file.missing)
            known = file.found;
    }
    runWithHashes([this, path, how, name, own, known, folder = pathBytes(folder_)](HashCache& cache,
                                                                                   const FileProgress& progress) {
        const std::optional<FoundModel> source = known ? known : modelAt(pathBytes(path));
        if (!source)
            throw ModelError(
                {QT_TRANSLATE_NOOP("Models", "%1 is no model: neither a GGUF file nor a folder of safetensors."),
                 {engine::printable(pathBytes(path), 400)}});
        const std::optional<ImportPlan> plan = app::planImport(
            {.source = *source, .folder = folder, .how = how, .name = name.toStdString()}, own, cache, progress);
        Outcome outcome{.stopped = !plan};
        if (plan)
            outcome.then = [this, plan = *plan] { emit importPlanned(plan); };
        return outcome;
    });
}

void ModelManager::import(const ImportPlan& plan) {
    runWithHashes([this, plan](HashCache& cache, const FileProgress& progress) {
        const ImportResult result = runImport(plan, cache, progress);
        Outcome outcome{.stopped = result.stopped};
        outcome.then = [this, result, source = plan.request.source] {
            const QString path = pathText(result.path);
            const storage::ModelOrigin origin{.source = std::string(storeKey(source.store)),
                                              .repo = source.repo,
                                              .revision = source.revision,
                                              .url = source.url};
            remember(
                path, [&](storage::ModelRecord& record) { record.origin = origin; },
                [bytes = result.path, origin](storage::Models& models) { models.setOrigin(bytes, origin); });
            library_.rescan();
            emit imported(path, result.note.empty() ? QString() : told(result.note));
        };
        return outcome;
    });
}

void ModelManager::moveStore(const QString& given) {
    const QString folder = QDir(given).absolutePath();
    const bool known = busy_ || added_.contains(folder);
    if (!known && QFileInfo(folder).isDir())
        addFolder(folder);
    run([this, known, from = pathBytes(folder_), to = pathBytes(folder)](const FileProgress& progress) {
        StoreMove moved;
        Outcome outcome;
        try {
            moved = app::moveStore(from, to, progress);
        } catch (const ModelError& e) {
            moved.problem = e.words();
        }
        outcome.stopped = moved.stopped;
        if (moved.problem)
            outcome.error = told(*moved.problem);
        const bool whole = !moved.stopped && !moved.problem;
        outcome.always = [this, known, whole, from, to, files = moved.moved] {
            if (whole || (files.empty() && !known))
                dropFolder(pathText(to));
            else if (!files.empty())
                addFolder(pathText(to));
            storage_.post([files](Store& store) {
                for (const auto& [old, now] : files)
                    store.models.moved(old, now);
            });
            // Folders are remembered too, of which only the files were moved.
            for (const ModelFile& file : library_.files()) {
                const std::string& old = file.found.path;
                const std::string now = old.starts_with(from + "/") ? to + old.substr(from.size()) : old;
                if (now != old && (isFolder(now) || stampOf(now)) && !isFolder(old) && !stampOf(old))
                    follow(pathText(old), pathText(now));
            }
            if (!whole && !files.empty()) {
                library_.rescan();
                emit storeParted(pathText(to));
            }
        };
        outcome.then = [this, to] {
            folder_ = pathText(to);
            library_.setFolder(folder_);
            library_.rescan();
            refresh();
            emit storeMoved(folder_);
        };
        return outcome;
    });
}

// ---- the trash: renames, which take no time

void ModelManager::remove(const QString& path) {
    const ModelFile* file = library_.find(path);
    if (!file)
        return;
    try {
        const TrashedModel entry = trashModel(pathBytes(folder_), file->found, storage::nowMs());
        const QString at = pathText(entry.path);
        remember(
            at,
            [&](storage::ModelRecord& record) {
                record.trashPath = entry.id;
                record.trashedAt = entry.trashedAtMs;
            },
            [entry](storage::Models& models) { models.trash(entry.path, entry.id, entry.trashedAtMs); });
        library_.rescan();
        emit removed(entry);
    } catch (const std::exception& e) {
        emit failed(sentenceOf(e));
    }
}

void ModelManager::restore(const TrashedModel& entry) {
    try {
        const std::string path = restoreModel(pathBytes(folder_), entry);
        if (path != entry.path)
            follow(pathText(entry.path), pathText(path));
        remember(
            pathText(path),
            [](storage::ModelRecord& record) {
                record.trashPath.clear();
                record.trashedAt = 0;
            },
            [path](storage::Models& models) { models.untrash(path); });
        library_.rescan();
        emit restored(pathText(path));
    } catch (const std::exception& e) {
        emit failed(sentenceOf(e));
    }
}

void ModelManager::forget(const QString& path) {
    library_.dropFile(path);
    remember(
        path, [](storage::ModelRecord& record) { record.hidden = true; },
        [path = pathBytes(path)](storage::Models& models) { models.hide(path, true); });
}

void ModelManager::unforget(const QString& path) {
    remember(
        path, [](storage::ModelRecord& record) { record.hidden = false; },
        [path = pathBytes(path)](storage::Models& models) { models.hide(path, false); });
}

void ModelManager::readTrash() {
    const std::vector<TrashedModel> entries = trashedModels(pathBytes(folder_));
    emit trashRead({entries.begin(), entries.end()});
}

} // namespace hearth::app
