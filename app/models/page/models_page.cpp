#include "app/models/page/models_page.h"

#include "app/models/page/rows.h"
#include "storage/clock.h"
#include "ui/models/model_words.h"
#include "ui/text_line.h"

#include <QDir>
#include <QEvent>
#include <QFile>
#include <QFileInfo>
#include <QLocale>
#include <QThread>
#include <QUrl>

#include <algorithm>

namespace hearth::app {
namespace {

// Keys of the table `settings`.
constexpr const char* kNetwork = "network.models"; // "on", "off"; absent: not asked yet
constexpr const char* kRateLimit = "downloads.limit";
constexpr const char* kFirstRun = "start.first";         // "done"
const QString kAddress = QStringLiteral("hub.address."); // and the hub's id

const QString kModelUndo = QStringLiteral("model:");
const QString kDownloadUndo = QStringLiteral("download:");
const QString kForgetUndo = QStringLiteral("model-listed:");

constexpr int kSuggestions = 3;

std::string pathBytes(const QString& path) {
    return QFile::encodeName(path).toStdString();
}

/// The one model that a path means; a folder that files of models lie in is none.
std::optional<FoundModel> oneModelAt(const QString& path) {
    std::optional<FoundModel> one = modelAt(pathBytes(path));
    if (one && QFileInfo(path).isDir() && one->path != pathBytes(path))
        return std::nullopt;
    return one;
}

bool chinese() {
    return QLocale().language() == QLocale::Chinese;
}

} // namespace

struct ModelsPage::Remembered {
    std::string network, limit, firstRun;
    QHash<QString, QString> addresses; // by hub
};

ModelsPage::ModelsPage(Services services, std::unique_ptr<Secrets> secrets, DownloadLimits limits, QObject* parent)
    : QObject(parent), with_(services), secrets_(secrets ? std::move(secrets) : std::make_unique<SystemSecrets>()),
      limits_(std::move(limits)) {
    discover_ = std::make_unique<DiscoverDesk>(DiscoverDesk::Surroundings{
        .panel = with_.window.modelsPanel(),
        .gate = gate_,
        .secrets = *secrets_,
        .memory = [this] { return memory(); },
        .folder = [this] { return with_.library.folder(); },
        .inLibrary =
            [this](const HubGroup& group) {
                for (const ModelFile& file : with_.library.files())
                    if (!file.missing && file.bytes == group.bytes &&
                        QFileInfo(file.path).fileName() == group.files.value(0).path.section(QLatin1Char('/'), -1))
                        return file.path;
                return QString();
            },
        .isQueued =
            [this](const QString& id) {
                if (!downloader_)
                    return false;
                const auto& rows = downloader_->rows();
                return std::any_of(rows.begin(), rows.end(), [&](const DownloadStatus& r) {
                    return r.id == id && r.state != DownloadStatus::State::Finished && !cancelled_.contains(id);
                });
            },
        .isChinese = [] { return chinese(); }});
    with_.window.modelsPanel().installEventFilter(this);
    connect(discover_.get(), &DiscoverDesk::networkChosen, this, &ModelsPage::allowNetwork);
    connect(discover_.get(), &DiscoverDesk::addressChanged, this, [this](const QString& hub, const QString& address) {
        setText((kAddress + hub).toLatin1().constData(), address);
    });
    connect(discover_.get(), &DiscoverDesk::downloadWanted, this,
            [this](const DownloadRequest& request) { wantDownload(request); });
    connect(&gate_, &NetworkGate::changed, discover_.get(), &DiscoverDesk::refreshNetwork);
    remotes_ = std::make_unique<Remotes>(with_.storage, with_.pipe, gate_, *secrets_);
    remoteDesk_ = std::make_unique<RemoteDesk>(RemoteDesk::Surroundings{with_.window, *remotes_, gate_, with_.manager});
    connect(remoteDesk_.get(), &RemoteDesk::networkChosen, this, &ModelsPage::allowNetwork);
    pool_.setMaxThreadCount(1);
    connectLibrary();
    connectDownloads();
    connectImports();
    discover_->refreshCatalog();
}

ModelsPage::~ModelsPage() {
    ending_ = true;
    pool_.clear();
    pool_.waitForDone();
}

void ModelsPage::setText(const char* key, const QString& value) {
    with_.storage.post(
        [key = std::string(key), text = value.toStdString()](Store& store) { store.settings.set(key, text); });
}

// ---- Start

void ModelsPage::open(const QString& dataFolder, bool fresh) {
    dataFolder_ = dataFolder;
    with_.storage.call(
        this,
        [](Store& store) {
            Remembered all;
            all.network = store.settings.find(kNetwork).value_or("");
            all.limit = store.settings.find(kRateLimit).value_or("");
            all.firstRun = store.settings.find(kFirstRun).value_or("");
            for (const char* hub : {"huggingface", "modelscope"})
                all.addresses.insert(
                    QString::fromLatin1(hub),
                    QString::fromStdString(
                        store.settings.find((kAddress + QLatin1String(hub)).toStdString()).value_or("")));
            return all;
        },
        [this, fresh](const Remembered& all) {
            take(all);
            first_ = fresh && all.firstRun.empty();
            if (first_)
                showFirstRun();
        });
}

void ModelsPage::take(const Remembered& all) {
    gate_.set(all.network == "on"    ? NetworkGate::State::On
              : all.network == "off" ? NetworkGate::State::Off
                                     : NetworkGate::State::NotAsked);
    for (auto it = all.addresses.begin(); it != all.addresses.end(); ++it)
        if (!it.value().isEmpty())
            discover_->setAddress(it.key(), it.value());
    rateLimit_ = std::max<qint64>(0, QString::fromStdString(all.limit).toLongLong());
    with_.window.modelsPanel().setRateLimit(rateLimit_);
    opened_ = true;
    remotes_->read();
    discover_->refreshNetwork();
    if (!unfinishedFolders().isEmpty())
        downloads(); // lists them, paused
}

// Where downloads that have not ended lie: in a folder that is read in place too, after a move of the store that ended
// half way.
QStringList ModelsPage::unfinishedFolders() const {
    QStringList folders = with_.manager.addedFolders();
    folders.prepend(with_.library.folder());
    folders.removeIf([](const QString& folder) { return workFolders(folder).isEmpty(); });
    return folders;
}

bool ModelsPage::eventFilter(QObject* object, QEvent* event) {
    if (event->type() == QEvent::Show)
        QMetaObject::invokeMethod(this, &ModelsPage::shown, Qt::QueuedConnection);
    return QObject::eventFilter(object, event);
}

// The page is looked at: now what takes time, such as measuring the memory once.
void ModelsPage::shown() {
    with_.manager.calibrate();
    with_.manager.readTrash();
    discover_->refreshCatalog();
    refreshDetails();
    refreshStores();
}

void ModelsPage::retranslate() {
    remoteDesk_->refresh();
    discover_->refreshCatalog();
    discover_->refreshFiles();
    refreshDetails();
    refreshStores();
    suggested_.clear(); // others are good at that language
    if (first_)
        showFirstRun();
}

MachineMemory ModelsPage::memory() const {
    MachineMemory machine{.freeBytes = engine::freeSystemMemory(), .readBandwidth = with_.manager.bandwidth()};
    for (const ModelFile& file : with_.library.files()) // a mapped file counts as free already
        if (const LoadedModel* model = with_.desk.resident(file.path))
            machine.givenBackBytes += model->info.kvBytesPerToken * uint64_t(std::max(0, model->info.contextTokens));
    return machine;
}

// ---- Library

void ModelsPage::connectLibrary() {
    using ui::ModelsPanel;
    ModelsPanel& panel = with_.window.modelsPanel();
    ModelManager& manager = with_.manager;
    const auto refresh = [this] {
        if (!with_.window.modelsPanel().isVisible())
            return;
        refreshDetails();
        refreshStores();
        discover_->refreshFiles();
    };
    connect(&with_.desk, &ModelDesk::changed, this, refresh);
    connect(&with_.desk, &ModelDesk::ready, &manager, &ModelManager::refresh);
    connect(&with_.library, &Library::changed, this, [this] { // which may have found the starter model
        if (first_)
            showFirstRun();
    });
    connect(&manager, &ModelManager::opened, this, refresh);
    connect(&manager, &ModelManager::calibrated, this, [this, refresh] {
        discover_->refreshCatalog();
        refresh();
        if (first_)
            showFirstRun();
    });
    connect(&manager, &ModelManager::trashRead, this, [this](const QVector<TrashedModel>& entries) {
        QVector<ui::TrashRow> rows;
        removed_.clear();
        const qint64 now = storage::nowMs();
        for (const TrashedModel& entry : entries) {
            const QString id = kModelUndo + QString::fromStdString(entry.id);
            removed_.insert(id, entry);
            const qint64 days = (now - entry.trashedAtMs) / 86'400'000;
            rows.append({id, QFileInfo(QFile::decodeName(entry.path.c_str())).completeBaseName(), qint64(entry.bytes),
                         QDateTime::fromMSecsSinceEpoch(entry.trashedAtMs),
                         int(std::clamp<qint64>(kModelTrashDays - days, 0, kModelTrashDays))});
        }
        with_.window.modelsPanel().setTrash(rows);
    });
    connect(&manager, &ModelManager::removed, this, [this](const TrashedModel& entry) {
        const QString id = kModelUndo + QString::fromStdString(entry.id);
        with_.window.showUndo(tr("“%1” was deleted.").arg(QFileInfo(QFile::decodeName(entry.path.c_str())).fileName()),
                              id);
        with_.manager.readTrash();
        removed_.insert(id, entry);
    });
    connect(&manager, &ModelManager::restored, &manager, &ModelManager::readTrash);
    connect(&manager, &ModelManager::failed, this, [this](const QString& sentence) { showJob(sentence); });

    connect(&panel, &ModelsPanel::defaultsChanged, this, [this](const QString& path, const ui::ModelDefaultsRow& row) {
        with_.manager.setDefaults(path, defaultsOf(row));
    });
    connect(&panel, &ModelsPanel::unloadRequested, &with_.engine, &EngineWorker::unload);
    connect(&panel, &ModelsPanel::deleteRequested, this, [this](const QString& path) {
        if (with_.desk.resident(path))
            with_.engine.unload(path);
        with_.manager.remove(path);
    });
    connect(&panel, &ModelsPanel::forgetRequested, this, [this](const QString& path) {
        with_.manager.forget(path);
        with_.window.showUndo(tr("“%1” is off the list. Its file was not touched.").arg(with_.desk.nameOf(path)),
                              kForgetUndo + path);
    });
    connect(&panel, &ModelsPanel::restoreRequested, this, &ModelsPage::undo);
    connect(&panel, &ModelsPanel::storeMoveRequested, this, &ModelsPage::beginMove);
    connect(&panel, &ModelsPanel::jobCancelled, &manager, &ModelManager::cancelJob);
    connect(&panel, &ModelsPanel::jobDismissed, this, [this] { showJob(); });
    connect(&panel, &ModelsPanel::otherStoresChanged, this, [this](bool on) {
        with_.manager.setOtherStores(on);
        refreshStores();
    });
    connect(&panel, &ModelsPanel::folderDropped, this, [this](const QString& folder) {
        with_.manager.dropFolder(folder);
        refreshStores();
    });
    connect(&with_.window, &ui::MainWindow::undoEnded, this, &ModelsPage::endUndo);
    connect(&with_.window, &ui::MainWindow::firstRunFinished, this, &ModelsPage::endFirstRun);
}

void ModelsPage::refreshDetails() {
    const int threads = std::max(1, QThread::idealThreadCount());
    for (const ModelFile& file : with_.library.files())
        with_.window.modelsPanel().setDetails(detailsRow(file, with_.manager.record(file.path),
                                                         with_.manager.fit(file, 0, memory().givenBackBytes), threads));
}

void ModelsPage::refreshStores() {
    const bool others = with_.manager.otherStores();
    with_.window.modelsPanel().setStores(
        storeRows(with_.library.files(),
                  others ? foreignRoots(StoreEnvironment::ofProcess()) : std::vector<StoreRoot>(),
                  with_.manager.addedFolders()),
        others);
}

bool ModelsPage::undo(const QString& id) {
    if (remoteDesk_->undo(id))
        return true;
    if (id.startsWith(kForgetUndo)) {
        with_.manager.unforget(id.mid(kForgetUndo.size()));
        emit fileBrought(id.mid(kForgetUndo.size()));
        return true;
    }
    if (id.startsWith(kDownloadUndo)) {
        const QString download = id.mid(kDownloadUndo.size());
        if (cancelled_.take(download))
            downloads().resume(download);
        refreshDownloads();
        return true;
    }
    const auto entry = removed_.constFind(id);
    if (entry == removed_.constEnd())
        return false;
    with_.manager.restore(TrashedModel(*entry));
    return true;
}

// ---- Network and downloads

void ModelsPage::allowNetwork(bool on) {
    setText(kNetwork, on ? QStringLiteral("on") : QStringLiteral("off"));
    gate_.set(on ? NetworkGate::State::On : NetworkGate::State::Off);
    if (!on && downloader_)
        for (const DownloadStatus& row : QVector<DownloadStatus>(downloader_->rows()))
            downloader_->pause(row.id);
    discover_->refreshNetwork();
}

Downloader& ModelsPage::downloads() {
    if (!downloader_) {
        downloader_ = std::make_unique<Downloader>(gate_, limits_);
        downloader_->setRateLimit(rateLimit_);
        connect(downloader_.get(), &Downloader::rowsChanged, this, &ModelsPage::refreshDownloads);
        connect(downloader_.get(), &Downloader::rowChanged, this, [this](const DownloadStatus& status) {
            if (!cancelled_.contains(status.id))
                with_.window.modelsPanel().updateDownload(downloadRow(status, DiscoverDesk::hubId(status.hub)));
        });
        connect(downloader_.get(), &Downloader::finished, this, &ModelsPage::onFinished);
        downloader_->setTokenSource([this](const QString& name, const Downloader::Token& done) {
            discover_->token(name, downloader_.get(), done);
        });
        for (const QString& folder : unfinishedFolders())
            downloader_->restore(folder);
    }
    return *downloader_;
}

void ModelsPage::connectDownloads() {
    using ui::ModelsPanel;
    ModelsPanel& panel = with_.window.modelsPanel();
    connect(&panel, &ModelsPanel::downloadPaused, this, [this](const QString& id) { downloads().pause(id); });
    connect(&panel, &ModelsPanel::downloadResumed, this, [this](const QString& id) { downloads().resume(id); });
    connect(&panel, &ModelsPanel::downloadRemoved, this, &ModelsPage::cancelDownload);
    connect(&panel, &ModelsPanel::downloadMoved, this,
            [this](const QString& id, int position) { downloads().move(id, position); });
    connect(&panel, &ModelsPanel::rateLimitChanged, this, [this](qint64 limit) {
        rateLimit_ = limit;
        setText(kRateLimit, QString::number(limit));
        if (downloader_)
            downloader_->setRateLimit(limit);
    });
}

void ModelsPage::refreshDownloads() {
    QVector<ui::DownloadRow> rows;
    const QVector<DownloadStatus> all = downloader_ ? downloader_->rows() : QVector<DownloadStatus>();
    for (const DownloadStatus& status : all)
        if (!cancelled_.contains(status.id))
            rows.append(downloadRow(status, DiscoverDesk::hubId(status.hub)));
    with_.window.modelsPanel().setDownloads(rows);
    discover_->refreshFiles();
    discover_->refreshNetwork();
}

// What has arrived may have taken a night: it is deleted when it can no longer be taken back. Whoever ends the program
// before finds it paused.
void ModelsPage::cancelDownload(const QString& id) {
    using State = DownloadStatus::State;
    for (const DownloadStatus& row : QVector<DownloadStatus>(downloads().rows())) {
        if (row.id != id)
            continue;
        if (row.state == State::Finished) {
            downloads().remove(id);
            return;
        }
        const bool onItsWay = row.state != State::Paused && row.state != State::Failed;
        cancelled_.insert(id, onItsWay);
        if (onItsWay)
            downloads().pause(id);
        refreshDownloads();
        with_.window.showUndo(row.bytes > 0 ? tr("The download of %1 is cancelled. %2 that have arrived are deleted.")
                                                  .arg(row.title, ui::bytesWords(row.bytes))
                                            : tr("The download of %1 is cancelled.").arg(row.title),
                              kDownloadUndo + id);
    }
}

void ModelsPage::endUndo(const QString& undoId) {
    const QString id = undoId.mid(kDownloadUndo.size());
    if (undoId.startsWith(kDownloadUndo) && cancelled_.remove(id) > 0)
        downloads().remove(id);
}

void ModelsPage::wantDownload(const DownloadRequest& request) {
    if (cancelled_.remove(request.id()) > 0) {
        with_.window.hideUndo(kDownloadUndo + request.id());
        refreshDownloads();
    }
    if (moving_)
        afterMove_.append(request);
    else
        downloads().add(request);
}

// What is not finished lies in the models' folder and moves with it: nobody writes there meanwhile.
void ModelsPage::beginMove(const QString& folder) {
    if (!with_.manager.isBusy()) {
        for (auto it = cancelled_.cbegin(); it != cancelled_.cend(); ++it)
            QMetaObject::invokeMethod(
                this, [this, id = kDownloadUndo + it.key()] { with_.window.hideUndo(id); }, Qt::QueuedConnection);
        cancelled_.clear(); // and are listed afterwards: nothing was deleted yet
        moving_ = true;
        downloader_.reset();
        refreshDownloads();
        jobTitle_ = tr("Moving the models to %1").arg(folder);
        jobProgress_ = 0;
        showJob();
    }
    with_.manager.moveStore(folder);
}

// Empty: all models lie together.
QString ModelsPage::partedWords() const {
    return parted_.isEmpty() ? QString()
                             : tr("Some models lie in %1 now and are used there. Move all models again to go on.")
                                   .arg(ui::oneLine(parted_, 300));
}

void ModelsPage::endMove() {
    if (with_.manager.isBusy() || !std::exchange(moving_, false))
        return;
    if (!unfinishedFolders().isEmpty())
        downloads();
    parted_.clear();
    for (DownloadRequest& request : std::exchange(afterMove_, {})) {
        request.folder = with_.library.folder();
        downloads().add(request);
    }
}

void ModelsPage::onFinished(const QString& id, const QString& path) {
    for (const DownloadStatus& status : downloader_->rows()) {
        if (status.id != id)
            continue;
        const storage::ModelOrigin origin{.source = DiscoverDesk::hubId(status.hub).toStdString(),
                                          .repo = status.model.toStdString(),
                                          .license = status.license.toStdString()};
        with_.storage.post([path = pathBytes(path), origin](Store& store) { store.models.setOrigin(path, origin); });
        with_.manager.refresh();
    }
    with_.library.rescan();
    refreshDownloads();
}

// ---- Bring your own

void ModelsPage::connectImports() {
    using ui::ModelsPanel;
    ModelsPanel& panel = with_.window.modelsPanel();
    ModelManager& manager = with_.manager;
    connect(&panel, &ModelsPanel::importRequested, this, &ModelsPage::ask);
    connect(&panel, &ModelsPanel::importConfirmed, this, &ModelsPage::confirm);
    connect(&panel, &ModelsPanel::importDismissed, this, [this] {
        ++bringing_.number;
        bringing_.path.clear();
        if (jobTitle_.isEmpty()) // not what was agreed to before
            with_.manager.cancelJob();
        showPlan({});
    });
    connect(&manager, &ModelManager::importPlanned, this, [this](const ImportPlan& plan) {
        ui::ImportPlanRow row = planRow(plan);
        if (bringing_.path.isEmpty() || row.how != bringing_.how)
            return;
        row.path = bringing_.path;
        bringing_.plan = plan;
        showPlan(row);
    });
    connect(&manager, &ModelManager::jobProgress, this, [this](double part) {
        if (jobTitle_.isEmpty())
            return;
        jobProgress_ = part;
        showJob();
    });
    connect(&manager, &ModelManager::imported, this, [this](const QString&, const QString& note) {
        jobTitle_.clear();
        showJob(note);
    });
    const auto done = [this] {
        jobTitle_.clear();
        showJob(partedWords());
        endMove();
    };
    connect(&manager, &ModelManager::storeParted, this, [this](const QString& to) { parted_ = to; });
    connect(&manager, &ModelManager::storeMoved, this, done);
    connect(&manager, &ModelManager::jobStopped, this, done);
    connect(&manager, &ModelManager::jobFailed, this, [this](const QString& sentence) {
        const bool refused = with_.manager.isBusy();                         // another one runs, and goes on
        if ((refused || jobTitle_.isEmpty()) && !bringing_.path.isEmpty()) { // of the plan
            ui::ImportPlanRow row;
            row.path = bringing_.path;
            row.how = bringing_.how;
            row.problem = sentence;
            showPlan(row);
            return;
        }
        if (!refused)
            jobTitle_.clear();
        showJob(refused ? sentence : ui::sentences({sentence, partedWords()}));
        endMove();
    });
}

void ModelsPage::showJob(const QString& problem) {
    ui::JobRow row;
    row.running = !jobTitle_.isEmpty();
    row.title = row.running ? jobTitle_ : tr("What was done with the models");
    row.progress = jobProgress_;
    row.problem = problem;
    with_.window.modelsPanel().setJob(row);
}

void ModelsPage::ask(const QString& path, ui::ImportHow how) {
    ++bringing_.number;
    bringing_.path = path;
    bringing_.how = how;
    bringing_.plan.reset();
    ui::ImportPlanRow row;
    row.path = path;
    row.how = how;
    row.state = ui::LoadState::Loading;
    showPlan(row);
    if (how == ui::ImportHow::InPlace)
        askInPlace();
    else
        with_.manager.planImport(path, importHow(how));
}

// A folder may hold thousands of files: it is looked through elsewhere.
void ModelsPage::askInPlace() {
    pool_.start([this, number = bringing_.number, path = bringing_.path] {
        ui::ImportPlanRow row;
        row.path = path;
        row.how = ui::ImportHow::InPlace;
        row.files = 0;
        if (const std::optional<FoundModel> one = oneModelAt(path)) {
            row.files = int(one->files.size());
            row.bytes = qint64(one->bytes);
            row.name = QFileInfo(path).completeBaseName();
        } else if (QFileInfo(path).isDir()) {
            row.folder = true;
            for (const FoundModel& model : scanStores({{StoreKind::Folder, pathBytes(path)}}, &ending_).models) {
                ++row.files;
                row.bytes += qint64(model.bytes);
            }
        }
        QMetaObject::invokeMethod(
            this,
            [this, number, row]() mutable {
                if (number != bringing_.number)
                    return;
                if (row.files == 0)
                    row.problem = tr("There is no model here: neither a GGUF file nor a folder of safetensors.");
                showPlan(row);
            },
            Qt::QueuedConnection);
    });
}

void ModelsPage::showPlan(const ui::ImportPlanRow& row) {
    with_.window.modelsPanel().setImportPlan(row);
}

void ModelsPage::confirm() {
    const Bringing now = std::exchange(bringing_, {.number = bringing_.number + 1});
    showPlan({});
    if (now.path.isEmpty())
        return;
    if (now.how == ui::ImportHow::InPlace) {
        if (QFileInfo(now.path).isDir() && !oneModelAt(now.path))
            with_.manager.addFolder(now.path);
        else
            emit fileBrought(now.path);
        refreshStores();
        return;
    }
    if (!now.plan)
        return;
    if (!with_.manager.isBusy()) {
        jobTitle_ = tr("Bringing %1").arg(QFileInfo(now.path).fileName());
        jobProgress_ = 0;
        showJob();
    }
    with_.manager.import(*now.plan);
}

// ---- First start

void ModelsPage::showFirstRun() {
    const MachineMemory machine = memory();
    ui::FirstRunRow row;
    row.active = true;
    row.language = chinese() ? QStringLiteral("zh_CN") : QStringLiteral("en");
    if (suggested_.isEmpty()) // later only their words change: somebody may be reading, or about to choose
        suggested_ =
            suggestions(discover_->catalog().models, machine.freeBytes, machine.readBandwidth, chinese(), kSuggestions);
    for (const CatalogModel& model : std::as_const(suggested_)) {
        ui::CatalogRow suggested = model.row(chinese());
        suggested.fit = roughFitRow(model, machine.freeBytes, machine.readBandwidth);
        row.suggestions.append(suggested);
    }
    if (machine.freeBytes > 0)
        row.machine = tr("%1 of memory are free on this computer.").arg(ui::bytesWords(qint64(machine.freeBytes)));
    const auto& files = with_.library.files();
    row.starter = std::any_of(files.begin(), files.end(), [](const ModelFile& f) { return f.starter; });
    row.modelFolder = with_.library.folder();
    row.dataFolder = dataFolder_;
    with_.window.setFirstRun(row);
}

void ModelsPage::endFirstRun() {
    if (!std::exchange(first_, false))
        return;
    with_.window.setFirstRun({});
    setText(kFirstRun, QStringLiteral("done"));
}

} // namespace hearth::app
