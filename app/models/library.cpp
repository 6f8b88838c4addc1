#include "app/models/library.h"

#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QLocale>

#include <algorithm>
#include <cmath>

namespace hearth::app {
namespace {

constexpr qint64 kStarterBytes = 98362432;

// "135 M", "1.1 B": three digits are enough to tell models apart.
QString parameterText(double count) {
    const double billions = count / 1e9, millions = count / 1e6;
    if (billions >= 0.9995)
        return QStringLiteral("%1 B").arg(billions, 0, 'f', billions < 9.95 ? 1 : 0);
    if (millions >= 0.5)
        return QStringLiteral("%1 M").arg(std::lround(millions));
    return {};
}

constexpr int kTellAfter = 64; // headers to read: so many take a while, and names are told before

QString pathText(const std::string& path) {
    return QFile::decodeName(path.c_str());
}

std::string pathBytes(const QString& path) {
    return QFile::encodeName(path).toStdString();
}

void sortByName(QVector<ModelFile>& files) {
    std::stable_sort(files.begin(), files.end(),
                     [](const ModelFile& a, const ModelFile& b) { return a.name.localeAwareCompare(b.name) < 0; });
}

/// Several files of one model have one name in their headers: a reply that names its model has to say which.
void tellApart(QVector<ModelFile>& files) {
    QHash<QString, int> named, quantized;
    const auto quant = [](const ModelFile& f) { return f.facts ? QString::fromStdString(f.facts->quant) : QString(); };
    const auto both = [&](const ModelFile& f) { return f.name + QStringLiteral(" \u00B7 ") + quant(f); };
    for (const ModelFile& file : std::as_const(files)) {
        ++named[file.name];
        ++quantized[both(file)];
    }
    for (ModelFile& file : files) {
        if (named.value(file.name) < 2)
            continue;
        const QFileInfo at(file.path);
        file.name = quantized.value(both(file)) == 1 && !quant(file).isEmpty()
                        ? both(file)
                        : file.name + QStringLiteral(" \u00B7 ") + at.dir().dirName().left(80) + QLatin1Char('/') +
                              at.fileName().left(80);
    }
}

/// What is known before the header is read.
ModelFile namedModel(const FoundModel& found) {
    ModelFile file;
    file.path = pathText(found.path);
    file.found = found;
    file.bytes = qint64(found.bytes);
    file.name = found.name.empty() ? QFileInfo(file.path).completeBaseName() : QString::fromStdString(found.name);
    file.starter = isStarterFile(file.path, file.bytes);
    if (file.starter)
        file.name = QStringLiteral("SmolLM2 135M Instruct"); // its header names a training run
    return file;
}

ModelFile missingModel(const QString& path) {
    ModelFile file;
    file.path = path;
    file.name = QFileInfo(path).completeBaseName();
    file.found.path = pathBytes(path);
    file.missing = true;
    file.readable = false;
    file.chats = false;
    return file;
}

} // namespace

bool isStarterFile(const QString& path, qint64 bytes) {
    return bytes == kStarterBytes && QFileInfo(path).fileName().startsWith(QLatin1String("SmolLM2-135M-Instruct"));
}

QString modelFolder(const QString& setting, const QString& dataFolder) {
    const QString variable = qEnvironmentVariable("HEARTH_MODELS");
    if (!variable.isEmpty())
        return QDir(variable).absolutePath();
    return setting.isEmpty() ? dataFolder + QStringLiteral("/models") : QDir(setting).absolutePath();
}

ModelFile describeModel(const FoundModel& found) {
    ModelFile file = namedModel(found);
    auto facts = std::make_shared<ModelFacts>(readModelFacts(found.path));
    file.readable = facts->problem.empty();
    file.chats = file.readable && facts->cannotRun.empty() && !facts->embeds && !facts->adapter;
    if (!file.readable) {
        file.detail = QString::fromStdString(facts->problem);
    } else {
        const QString name = QString::fromStdString(facts->name).simplified();
        if (found.name.empty() && !file.starter && !name.isEmpty())
            file.name = name.left(80);
        QStringList parts = {parameterText(double(facts->parameters)), QString::fromStdString(facts->quant),
                             QLocale().formattedDataSize(file.bytes, 0, QLocale::DataSizeSIFormat)};
        parts.removeAll(QString());
        file.detail = parts.join(QStringLiteral(" · "));
    }
    file.facts = std::move(facts);
    return file;
}

Library::Library(QObject* parent) : QObject(parent) {
    pool_.setMaxThreadCount(1);
    settle_.setSingleShot(true);
    settle_.setInterval(500); // a file that is being copied changes all the time
    connect(&settle_, &QTimer::timeout, this, &Library::rescan);
    connect(&watcher_, &QFileSystemWatcher::directoryChanged, &settle_, qOverload<>(&QTimer::start));
}

Library::~Library() {
    ending_ = true;
    pool_.clear();
    pool_.waitForDone();
}

void Library::setFolder(const QString& folder) {
    if (folder == folder_)
        return;
    folder_ = folder;
    if (!watcher_.directories().isEmpty())
        watcher_.removePaths(watcher_.directories());
}

void Library::setPlaces(const QStringList& addedFolders, bool otherStores) {
    added_ = addedFolders;
    otherStores_ = otherStores;
    if (!watcher_.directories().isEmpty())
        watcher_.removePaths(watcher_.directories());
}

void Library::addFile(const QString& path) {
    if (!path.isEmpty() && !extra_.contains(path))
        extra_.append(path);
}

void Library::dropFile(const QString& path) {
    extra_.removeAll(path);
}

const ModelFile* Library::find(const QString& path) const {
    const auto it = std::find_if(files_.begin(), files_.end(), [&](const ModelFile& f) { return f.path == path; });
    return it == files_.end() ? nullptr : &*it;
}

std::vector<StoreRoot> Library::roots() const {
    ModelPlaces places{.folder = pathBytes(folder_), .otherStores = otherStores_};
    for (const QString& folder : added_)
        places.added.push_back(pathBytes(folder));
    return places.roots(StoreEnvironment::ofProcess());
}

void Library::rescan() {
    if (scanning_) {
        again_ = true;
        return;
    }
    scanning_ = true;
    if (watcher_.directories().isEmpty()) {
        for (const QString& folder : QStringList{folder_} + added_) {
            if (QFileInfo(folder).isDir())
                watcher_.addPath(folder);
        }
    }
    // The thread ends before this object does: see the destructor.
    pool_.start([this, roots = roots(), extra = extra_, cache = cache_] { scan(roots, extra, cache); });
}

/// In the thread of its own.
void Library::scan(const std::vector<StoreRoot>& roots, const QStringList& extra, Cache known) {
    std::vector<FoundModel> models = scanStores(roots, &ending_).models;
    QVector<ModelFile> files, gone;
    for (const QString& path : extra) {
        const std::string bytes = pathBytes(path);
        const auto listed =
            std::find_if(models.begin(), models.end(), [&](const FoundModel& m) { return m.path == bytes; });
        if (listed != models.end())
            continue;
        if (const std::optional<FileStamp> stamp = stampOf(bytes))
            models.push_back(modelAt(bytes).value_or(FoundModel{
                .path = bytes, .store = StoreKind::Folder, .files = {bytes}, .bytes = stamp->bytes, .stamp = *stamp}));
        else if (std::optional<FoundModel> folder = modelAt(bytes))
            models.push_back(*std::move(folder));
        else
            gone.append(missingModel(path));
    }
    const auto tell = [this](QVector<ModelFile> told, const Cache& fresh, bool whole) {
        tellApart(told);
        sortByName(told);
        QMetaObject::invokeMethod(
            this, [this, told, fresh, whole] { take(told, fresh, whole); }, Qt::QueuedConnection);
    };
    const auto knownOf = [&](const FoundModel& model) -> const ModelFile* {
        const auto it = known.constFind(pathText(model.path));
        return it != known.constEnd() && it->stamp == model.stamp && it->file.bytes == qint64(model.bytes) ? &it->file
                                                                                                           : nullptr;
    };
    const auto unread = std::count_if(models.begin(), models.end(), [&](const auto& m) { return !knownOf(m); });
    if (unread > kTellAfter) {
        QVector<ModelFile> named = gone;
        for (const FoundModel& model : models)
            named.append(knownOf(model) ? *knownOf(model) : namedModel(model));
        tell(named, known, false);
    }
    Cache fresh;
    files = gone;
    for (const FoundModel& model : models) {
        if (ending_)
            return;
        ModelFile file = knownOf(model) ? *knownOf(model) : describeModel(model);
        file.found = model; // the same bytes may belong to somebody else now
        files.append(file);
        fresh.insert(file.path, {model.stamp, file});
    }
    tell(files, fresh, true);
}

void Library::take(const QVector<ModelFile>& files, const Cache& cache, bool whole) {
    files_ = files;
    if (whole) {
        cache_ = cache;
        scanned_ = true;
        scanning_ = false;
    }
    emit changed();
    if (whole && std::exchange(again_, false))
        rescan();
}

} // namespace hearth::app
