#include "app/models/library.h"

#include "engine/checkpoint.h"
#include "engine/gguf.h"

#include <QCoreApplication>
#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QFileInfo>
#include <QLocale>
#include <QPointer>

#include <algorithm>
#include <cmath>
#include <map>

namespace hearth::app {
namespace {

constexpr qint64 kStarterBytes = 98362432;
constexpr int kMostFiles = 2000; // listed; a folder with more is not a folder of models

// "135 M", "1.1 B": three digits are enough to tell models apart.
QString parameterText(double count) {
    const double billions = count / 1e9, millions = count / 1e6;
    if (billions >= 0.9995)
        return QStringLiteral("%1 B").arg(billions, 0, 'f', billions < 9.95 ? 1 : 0);
    if (millions >= 0.5)
        return QStringLiteral("%1 M").arg(std::lround(millions));
    return {};
}

/// The type that holds most of the bytes.
QString mainType(const std::vector<engine::TensorEntry>& tensors) {
    std::map<std::string, uint64_t> bytes;
    for (const engine::TensorEntry& tensor : tensors)
        bytes[tensor.typeName()] += tensor.bytes;
    const auto most =
        std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == bytes.end() ? QString() : QString::fromStdString(most->first);
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

ModelFile describeModelFile(const QString& path) {
    const QFileInfo info(path);
    ModelFile file;
    file.path = path;
    file.name = info.completeBaseName();
    file.bytes = info.size();
    if (!info.isFile()) {
        file.missing = true;
        file.readable = false;
        return file;
    }
    try {
        const engine::Checkpoint checkpoint = engine::Checkpoint::open(QFile::encodeName(path).toStdString());
        file.bytes = qint64(checkpoint.fileBytes());
        const QString name = QString::fromStdString(checkpoint.metadata().text("general.name", "")).simplified();
        if (!name.isEmpty())
            file.name = name.left(80);
        double parameters = 0;
        for (const engine::TensorEntry& tensor : checkpoint.tensors())
            parameters += double(tensor.cols()) * double(tensor.rows());
        QStringList parts = {parameterText(parameters), mainType(checkpoint.tensors()),
                             QLocale().formattedDataSize(file.bytes, 0, QLocale::DataSizeSIFormat)};
        parts.removeAll(QString());
        file.detail = parts.join(QStringLiteral(" · "));
    } catch (const std::exception& e) {
        file.readable = false;
        file.detail = QString::fromUtf8(e.what());
    }
    file.starter = isStarterFile(path, file.bytes);
    if (file.starter)
        file.name = QStringLiteral("SmolLM2 135M Instruct"); // its header names a training run
    return file;
}

QStringList findModelFiles(const QString& folder) {
    QStringList found;
    const auto look = [&found](const QString& where) {
        const QFileInfoList infos =
            QDir(where).entryInfoList({QStringLiteral("*.gguf")}, QDir::Files | QDir::Readable, QDir::Name);
        for (const QFileInfo& info : infos) {
            engine::SplitName split;
            if (engine::parseSplitName(QFile::encodeName(info.filePath()).toStdString(), split) && split.number != 1)
                continue;
            if (found.size() < kMostFiles)
                found.append(info.absoluteFilePath());
        }
    };
    if (folder.isEmpty() || !QFileInfo(folder).isDir())
        return found;
    look(folder);
    const QStringList below = QDir(folder).entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name);
    for (const QString& name : below)
        look(folder + QLatin1Char('/') + name);
    return found;
}

Library::Library(QObject* parent) : QObject(parent) {
    pool_.setMaxThreadCount(1);
    settle_.setSingleShot(true);
    settle_.setInterval(500); // a file that is being copied changes all the time
    connect(&settle_, &QTimer::timeout, this, &Library::rescan);
    connect(&watcher_, &QFileSystemWatcher::directoryChanged, &settle_, qOverload<>(&QTimer::start));
}

Library::~Library() {
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

void Library::addFile(const QString& path) {
    if (!path.isEmpty() && !extra_.contains(path))
        extra_.append(path);
}

const ModelFile* Library::find(const QString& path) const {
    const auto it = std::find_if(files_.begin(), files_.end(), [&](const ModelFile& f) { return f.path == path; });
    return it == files_.end() ? nullptr : &*it;
}

void Library::rescan() {
    if (scanning_) {
        again_ = true;
        return;
    }
    scanning_ = true;
    if (watcher_.directories().isEmpty() && QFileInfo(folder_).isDir())
        watcher_.addPath(folder_);
    // The thread ends before this object does: see the destructor.
    pool_.start([this, folder = folder_, extra = extra_, cache = cache_] {
        QStringList paths = findModelFiles(folder);
        for (const QString& path : extra) {
            if (!paths.contains(path))
                paths.append(path);
        }
        QVector<ModelFile> files;
        QHash<QString, Cached> fresh;
        for (const QString& path : paths) {
            const QFileInfo info(path);
            const auto known = cache.find(path);
            const bool same = known != cache.end() && info.isFile() && known->bytes == info.size() &&
                              known->modified == info.lastModified();
            const ModelFile file = same ? known->file : describeModelFile(path);
            files.append(file);
            if (!file.missing)
                fresh.insert(path, {info.size(), info.lastModified(), file});
        }
        std::stable_sort(files.begin(), files.end(),
                         [](const ModelFile& a, const ModelFile& b) { return a.name.localeAwareCompare(b.name) < 0; });
        QMetaObject::invokeMethod(
            this, [this, files, fresh] { take(files, fresh); }, Qt::QueuedConnection);
    });
}

void Library::take(const QVector<ModelFile>& files, const QHash<QString, Cached>& cache) {
    files_ = files;
    cache_ = cache;
    scanned_ = true;
    scanning_ = false;
    emit changed();
    if (std::exchange(again_, false))
        rescan();
}

} // namespace hearth::app
