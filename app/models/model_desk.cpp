#include "app/models/model_desk.h"

#include "app/timings.h"

#include <QFile>
#include <QFileInfo>

namespace hearth::app {
namespace {

constexpr int kSmallerContext = 2048; // tokens

const QString kSuspectKey = QStringLiteral("model-suspect");
const QString kFailedKey = QStringLiteral("model-failed");
const QString kMissingKey = QStringLiteral("model-missing");
const QString kRenewedKey = QStringLiteral("model-renewed");

} // namespace

ModelDesk::ModelDesk(EngineWorker& engine, Library& library, LoadMark mark, QObject* parent)
    : QObject(parent), engine_(engine), library_(library) {
    if (const std::optional<LoadMark::Entry> entry = mark.read()) {
        const QString path = QFile::decodeName(entry->path.c_str());
        if (QFileInfo::exists(path)) {
            suspect_ = path;
            suspectStage_ = entry->stage;
        } else {
            mark.clear();
        }
    }
    connect(&engine_, &EngineWorker::loaded, this, &ModelDesk::onLoaded);
    connect(&engine_, &EngineWorker::loadEnded, this, &ModelDesk::onEnded);
    connect(&engine_, &EngineWorker::loadProgress, this, [this](const QString& path, double progress) {
        if (path != loadingPath_)
            return;
        progress_ = progress;
        tellRow(path);
        emit progressed();
    });
    connect(&engine_, &EngineWorker::unloaded, this, [this](const QString& path) {
        resident_.remove(path);
        if (path == loadedPath_) {
            loadedPath_.clear();
            loaded_.reset();
        }
        tellRow(path);
        emit progressed();
    });
    connect(&library_, &Library::changed, this, &ModelDesk::changed);
}

void ModelDesk::setEngineOptions(const engine::EngineOptions& options) {
    options_ = options;
    engine_.configure(options);
}

ui::ModelRow ModelDesk::rowOf(const ModelFile& file) const {
    ui::ModelRow row;
    row.path = file.path;
    row.name = file.name;
    row.detail = file.detail;
    row.starter = file.starter;
    if (file.missing) {
        row.state = ui::ModelState::Missing;
    } else if (file.path == loadingPath_) {
        row.state = ui::ModelState::Loading;
        row.progress = progress_;
    } else if (resident_.contains(file.path)) {
        row.state = ui::ModelState::Loaded;
    }
    return row;
}

QVector<ui::ModelRow> ModelDesk::rows() const {
    QVector<ui::ModelRow> rows;
    for (const ModelFile& file : library_.files()) {
        if (!listed_ || listed_(file))
            rows.append(rowOf(file));
    }
    return rows;
}

void ModelDesk::tellRow(const QString& path) {
    if (const ModelFile* file = library_.find(path))
        emit rowChanged(rowOf(*file));
}

std::optional<QString> ModelDesk::loadedName(const QString& path) const {
    if (path.isEmpty() || !resident_.contains(path))
        return std::nullopt;
    return nameOf(path);
}

const LoadedModel* ModelDesk::resident(const QString& path) const {
    const auto it = resident_.constFind(path);
    return it == resident_.constEnd() ? nullptr : &*it;
}

QString ModelDesk::nameOf(const QString& path) const {
    const ModelFile* file = library_.find(path);
    return file ? file->name : QFileInfo(path).completeBaseName();
}

bool ModelDesk::isStarter(const QString& path) const {
    return !path.isEmpty() && isStarterFile(path, QFileInfo(path).size());
}

void ModelDesk::want(const QString& path) {
    if (path.isEmpty() || path == loadingPath_)
        return;
    if (path == loadedPath_ && loadingPath_.isEmpty()) {
        emit ready(path);
        return;
    }
    if (isSuspect(path)) {
        showSuspect();
        return;
    }
    if (!QFileInfo::exists(path)) {
        missingPath_ = path;
        showMissing();
        return;
    }
    load(path);
}

void ModelDesk::pick(const QString& path) {
    if (isSuspect(path)) {
        suspect_.clear();
        emit noticeOver(kSuspectKey);
    }
    want(path);
}

void ModelDesk::load(const QString& path, int contextTokens) {
    const QString before = std::exchange(loadingPath_, path);
    progress_ = 0;
    emit noticeOver(kFailedKey);
    emit noticeOver(kMissingKey);
    if (!before.isEmpty() && before != path)
        tellRow(before);
    tellRow(path);
    emit progressed();
    LoadRequest request = requestOf_ ? requestOf_(path) : LoadRequest{.path = path};
    asked_.insert(path, request);
    if (contextTokens > 0)
        request.contextTokens = contextTokens;
    engine_.load(request);
}

/// It lies in memory, and was asked for otherwise than it would be now.
bool ModelDesk::isOutdated(const QString& path) const {
    const auto asked = asked_.constFind(path);
    return requestOf_ && resident_.contains(path) && asked != asked_.constEnd() && *asked != requestOf_(path);
}

void ModelDesk::renew() {
    if (!loadingPath_.isEmpty())
        return; // onLoaded() and onEnded() come back here
    if (!renewedPath_.isEmpty() && !isOutdated(renewedPath_)) {
        renewedPath_.clear();
        emit noticeOver(kRenewedKey);
    }
    const QStringList resident = resident_.keys();
    for (const QString& path : resident) {
        if (!isOutdated(path))
            continue;
        const bool busy = inUse_ && inUse_(path);
        if (path != loadedPath_) {
            if (!busy) {
                engine_.unload(path);
                resident_.remove(path); // at once: what is said next is not to count on it
                tellRow(path);
            }
            continue;
        }
        const bool told = std::exchange(renewedPath_, path) == path;
        if (!told || !busy)
            showRenewed();
        if (!busy)
            load(path);
    }
}

void ModelDesk::cancel(const QString& path) {
    if (path == loadingPath_)
        engine_.cancelLoad();
}

void ModelDesk::onLoaded(const QString& path, const LoadedModel& model) {
    const QString before = std::exchange(loadedPath_, path);
    loaded_ = model;
    resident_.insert(path, model);
    if (path == loadingPath_)
        loadingPath_.clear();
    if (before != path)
        tellRow(before);
    tellRow(path);
    emit progressed();
    emit ready(path);
    renew();
}

void ModelDesk::onEnded(const QString& path, const QString& error) {
    if (path == loadingPath_)
        loadingPath_.clear();
    tellRow(path);
    emit progressed();
    emit loadFailed(path, error); // another one may be loaded instead: the notice comes after that
    if (!error.isEmpty()) {
        failedPath_ = path;
        failure_ = error;
        showFailed();
    }
    renew();
}

void ModelDesk::showMissing() {
    emit notice(
        {kMissingKey,
         tr("The model %1 is not where it was. Bring it back, or choose another one.").arg(nameOf(missingPath_)),
         {{QStringLiteral("choose"), tr("Open a model file…")}},
         true});
}

void ModelDesk::showRenewed() {
    const QString text =
        inUse_ && inUse_(renewedPath_)
            ? tr("%1 is loaded again when its reply has ended: its context, or the memory of it, was changed.")
            : tr("%1 is loaded again: its context, or the memory of it, was changed.");
    emit notice({kRenewedKey, text.arg(nameOf(renewedPath_)), {}, false});
}

void ModelDesk::showFailed() {
    emit notice(
        {kFailedKey,
         failure_,
         {{QStringLiteral("again"), tr("Try again")}, {QStringLiteral("choose"), tr("Open another model file…")}},
         true});
}

QStringList ModelDesk::noticeKeys() {
    return {kSuspectKey, kFailedKey, kMissingKey, kRenewedKey};
}

void ModelDesk::tellAgain(const QString& noticeKey) {
    if (noticeKey == kSuspectKey && !suspect_.isEmpty())
        showSuspect();
    else if (noticeKey == kFailedKey)
        showFailed();
    else if (noticeKey == kMissingKey)
        showMissing();
    else if (noticeKey == kRenewedKey)
        showRenewed();
}

void ModelDesk::showSuspect() {
    timings::mark("model suspected");
    const QString text =
        suspectStage_ == LoadMark::Stage::Loading
            ? tr("Hearth ended while it was loading %1, so the model has not been loaded this time.")
            : tr("Hearth ended before %1 had written its first word, so the model has not been loaded this time.");
    emit notice({kSuspectKey,
                 text.arg(nameOf(suspect_)),
                 {{QStringLiteral("cpu"), tr("Load on the CPU")},
                  {QStringLiteral("smaller"), tr("Smaller context")},
                  {QStringLiteral("again"), tr("Try again")}},
                 true});
}

bool ModelDesk::act(const QString& noticeKey, const QString& actionId) {
    if (noticeKey == kSuspectKey) {
        const QString path = std::exchange(suspect_, QString());
        emit noticeOver(kSuspectKey);
        if (path.isEmpty())
            return true;
        if (actionId == QLatin1String("cpu")) {
            engine::EngineOptions options = options_;
            options.backend = "cpu";
            engine_.configure(options);
        }
        load(path, actionId == QLatin1String("smaller") ? kSmallerContext : 0);
        return true;
    }
    if (noticeKey != kFailedKey && noticeKey != kMissingKey)
        return false;
    emit noticeOver(noticeKey);
    if (actionId == QLatin1String("again")) {
        want(failedPath_);
        emit retried(failedPath_);
    } else if (actionId == QLatin1String("choose")) {
        emit fileWanted();
    }
    return true;
}

} // namespace hearth::app
