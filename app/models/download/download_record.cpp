#include "app/models/download/download_record.h"

#include "app/models/hub/safe_name.h"
#include "app/models/net/sentences.h"
#include "engine/error.h"

#include <nlohmann/json.hpp>

#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QSaveFile>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hearth::app {

using nlohmann::json;

namespace {

constexpr int kVersion = 1;
constexpr qint64 kLargestState = 16 << 20;
constexpr int kMostFiles = 10'000;
const QString kPrefix = QStringLiteral(".hearth-");

json textOf(const QString& text) {
    return text.toStdString();
}

json textOf(const QByteArray& bytes) {
    return QString::fromLatin1(bytes).toStdString();
}

QString text(const json& object, const char* name) {
    const auto it = object.find(name);
    return it != object.end() && it->is_string() ? QString::fromStdString(it->get_ref<const std::string&>())
                                                 : QString();
}

qint64 number(const json& object, const char* name, qint64 fallback) {
    const auto it = object.find(name);
    return it != object.end() && it->is_number_integer() ? it->get<qint64>() : fallback;
}

[[noreturn]] void refuse(const QString& sentence) {
    throw engine::Error(sentence.toStdString());
}

/// Renames unless something has the new name already, a link to nowhere included. False: something has.
bool renameWithoutReplacing(const QString& from, const QString& to) {
    const QByteArray a = QFile::encodeName(from), b = QFile::encodeName(to);
    if (::renameat2(AT_FDCWD, a.constData(), AT_FDCWD, b.constData(), RENAME_NOREPLACE) == 0)
        return true;
    if (errno == EEXIST)
        return false;
    if (errno != EINVAL && errno != ENOSYS)
        refuse(Network::tr("%1 cannot be put into the library: %2.")
                   .arg(shown(to, 300), QString::fromLocal8Bit(std::strerror(errno))));

    // A file system without that: a file can be linked, which replaces nothing either; a folder's name can be claimed.
    struct stat info {};

    const bool folder = ::lstat(a.constData(), &info) == 0 && S_ISDIR(info.st_mode);
    if (folder ? ::mkdir(b.constData(), 0755) == 0 && ::rename(a.constData(), b.constData()) == 0
               : ::link(a.constData(), b.constData()) == 0 && ::unlink(a.constData()) == 0)
        return true;
    if (errno == EEXIST)
        return false;
    // Neither (some memory cards know no links): the name is claimed, then replaced by what belongs there.
    const int claim = folder ? -1 : ::open(b.constData(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (claim >= 0) {
        ::close(claim);
        if (::rename(a.constData(), b.constData()) == 0)
            return true;
    } else if (errno == EEXIST) {
        return false;
    }
    refuse(Network::tr("%1 cannot be put into the library: %2.")
               .arg(shown(to, 300), QString::fromLocal8Bit(std::strerror(errno))));
}

/// Makes what happened to a folder's names last.
void syncFolder(const QString& folder) {
    const int file = ::open(QFile::encodeName(folder).constData(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        ::fsync(file);
        ::close(file);
    }
}

QVector<QString> localNames(const DownloadRequest& request) {
    QVector<QString> names;
    for (const WantedFile& file : request.files) {
        QString name = safeFileName(file.name);
        for (int n = 2;
             std::any_of(names.begin(), names.end(),
                         [&](const QString& other) { return other.compare(name, Qt::CaseInsensitive) == 0; });
             ++n)
            name = QStringLiteral("%1-%2").arg(n).arg(safeFileName(file.name));
        names.append(name);
    }
    return names;
}

} // namespace

QString DownloadRequest::id() const {
    QCryptographicHash hash(QCryptographicHash::Sha256);
    for (const WantedFile& file : files)
        hash.addData(file.url.toEncoded() + '\n');
    return QString::fromLatin1(hash.result().toHex().left(16));
}

QString DownloadRecord::workFolder() const {
    return request.folder + QLatin1Char('/') + kPrefix + request.id();
}

QString DownloadRecord::partPath(int file) const {
    return workFolder() + QStringLiteral("/%1.part").arg(file);
}

QString DownloadRecord::journalPath(int file) const {
    return workFolder() + QStringLiteral("/%1.chunks").arg(file);
}

QString DownloadRecord::statePath() const {
    return workFolder() + QStringLiteral("/state.json");
}

bool DownloadRecord::save() const {
    json files = json::array();
    for (int i = 0; i < request.files.size(); ++i) {
        const WantedFile& f = request.files[i];
        files.push_back({{"url", textOf(f.url.toEncoded())},
                         {"name", textOf(f.name)},
                         {"bytes", f.bytes},
                         {"sha256", textOf(f.sha256)},
                         {"origin", textOf(validators[i].origin)},
                         {"etag", textOf(validators[i].etag)},
                         {"lastModified", textOf(validators[i].lastModified)},
                         {"whole", bool(whole[i])},
                         {"computed", textOf(sha256[i])}});
    }
    const json state = {{"version", kVersion},
                        {"title", textOf(request.title)},
                        {"group", textOf(request.group)},
                        {"tokenName", textOf(request.tokenName)},
                        {"license", textOf(request.license)},
                        {"hub", textOf(request.hub)},
                        {"model", textOf(request.model)},
                        {"position", position},
                        {"enters", textOf(enters)},
                        {"files", std::move(files)}};
    const std::string bytes = state.dump(1, ' ', false, json::error_handler_t::replace);
    QSaveFile file(statePath());
    return file.open(QIODevice::WriteOnly) && file.write(bytes.data(), qint64(bytes.size())) == qint64(bytes.size()) &&
           file.commit();
}

std::optional<DownloadRecord> DownloadRecord::load(const QString& workFolder) {
    QFile file(workFolder + QStringLiteral("/state.json"));
    if (!file.open(QIODevice::ReadOnly) || file.size() > kLargestState)
        return std::nullopt;
    const json state = json::parse(file.readAll().toStdString(), nullptr, false);
    if (!state.is_object() || number(state, "version", 0) != kVersion || !state.contains("files") ||
        !state["files"].is_array() || state["files"].empty() || state["files"].size() > kMostFiles)
        return std::nullopt;
    DownloadRecord record;
    DownloadRequest& request = record.request;
    request.folder = QFileInfo(workFolder).path();
    request.title = text(state, "title");
    request.group = text(state, "group");
    request.tokenName = text(state, "tokenName");
    request.license = text(state, "license");
    request.hub = text(state, "hub");
    request.model = text(state, "model");
    record.position = number(state, "position", 0);
    record.enters = text(state, "enters");
    for (const json& f : state["files"]) {
        request.files.append({.url = QUrl::fromEncoded(text(f, "url").toLatin1()),
                              .name = text(f, "name"),
                              .bytes = number(f, "bytes", -1),
                              .sha256 = text(f, "sha256").toLatin1()});
        record.validators.append({text(f, "origin"), text(f, "etag").toLatin1(), text(f, "lastModified").toLatin1()});
        record.whole.append(f.is_object() && f.value("whole", json()) == true);
        record.sha256.append(text(f, "computed").toLatin1());
    }
    // A folder that was renamed, or whose state was changed by hand, is somebody else's.
    return record.workFolder() == workFolder ? std::optional(record) : std::nullopt;
}

QStringList workFolders(const QString& library) {
    QStringList found;
    const QStringList names =
        QDir(library).entryList({kPrefix + QLatin1Char('*')}, QDir::Dirs | QDir::Hidden | QDir::NoSymLinks);
    for (const QString& name : names)
        found.append(library + QLatin1Char('/') + name);
    return found;
}

int lockWorkFolder(const QString& workFolder) {
    const int file = ::open(QFile::encodeName(workFolder).constData(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (file >= 0 && ::flock(file, LOCK_EX | LOCK_NB) != 0) {
        ::close(file);
        return -1;
    }
    return file;
}

void removeWorkFolder(const QString& workFolder) {
    if (QFileInfo(workFolder).fileName().startsWith(kPrefix))
        QDir(workFolder).removeRecursively();
}

QString enterLibrary(DownloadRecord& record) {
    const DownloadRequest& request = record.request;
    const QVector<QString> names = localNames(request);
    const bool several = names.size() > 1;
    // Several: the folder is made ready beside the parts, and enters as one.
    const QString ready = several ? record.workFolder() + QStringLiteral("/ready") : record.partPath(0);
    if (several) {
        QDir().mkpath(ready);
        for (int i = 0; i < names.size(); ++i)
            if (QFileInfo::exists(record.partPath(i)) &&
                !renameWithoutReplacing(record.partPath(i), ready + QLatin1Char('/') + names[i]))
                refuse(Network::tr("%1 is there twice.").arg(shown(names[i])));
        syncFolder(ready);
    }
    const QString wanted = several ? safeFileName(request.group) : names[0];
    const auto pathOf = [&](const QString& name) {
        const QString path = request.folder + QLatin1Char('/') + name;
        return several ? path + QLatin1Char('/') + names[0] : path;
    };
    if (!QFileInfo::exists(ready) && !record.enters.isEmpty() && QFileInfo::exists(pathOf(record.enters))) {
        removeWorkFolder(record.workFolder()); // killed between the rename and this line
        return pathOf(record.enters);
    }
    for (int attempt = 0; attempt < 1000; ++attempt) {
        record.enters = unusedName(request.folder, wanted);
        if (!record.save())
            refuse(Network::tr("The state of the download cannot be written."));
        if (!renameWithoutReplacing(ready, request.folder + QLatin1Char('/') + record.enters))
            continue; // somebody was faster
        syncFolder(request.folder);
        removeWorkFolder(record.workFolder());
        return pathOf(record.enters);
    }
    refuse(Network::tr("There is no free name for %1 in the library.").arg(shown(wanted)));
}

QString alreadyThere(const DownloadRequest& request, const std::function<bool()>& stop) {
    const QVector<QString> names = localNames(request);
    const QString folder =
        names.size() > 1 ? request.folder + QLatin1Char('/') + safeFileName(request.group) : request.folder;
    for (int i = 0; i < names.size(); ++i) {
        const QFileInfo info(folder + QLatin1Char('/') + names[i]);
        if (request.files[i].sha256.isEmpty() || !info.isFile() || info.size() != request.files[i].bytes)
            return {};
    }
    for (int i = 0; i < names.size(); ++i)
        if (sha256OfFile(folder + QLatin1Char('/') + names[i], stop) != request.files[i].sha256)
            return {};
    return folder + QLatin1Char('/') + names[0];
}

} // namespace hearth::app
