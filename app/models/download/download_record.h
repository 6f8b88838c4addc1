#pragma once

#include "app/models/download/file_fetch.h"

#include <QDateTime>
#include <QString>
#include <QUrl>
#include <QVector>

#include <optional>

namespace hearth::app {

/// A file as it is wanted.
struct WantedFile {
    QUrl url;          // of the hub, such as Hub::fileUrl()
    QString name;      // as the hub calls it; never used as a path
    qint64 bytes = -1; // must be known
    QByteArray sha256; // empty: not told
};

/// One thing to download: a file, or files that enter the library together as a folder.
struct DownloadRequest {
    QString title;  // "Qwen2.5-0.5B-Instruct-GGUF Q4_K_M"
    QString folder; // of the library, where it will lie
    QVector<WantedFile> files;
    QString group;               // the folder's name, where there are several files
    QString token;               // goes to the first file's origin only, and is never written down
    QString tokenName;           // under which Secrets has it, for the time after a restart
    QString license, hub, model; // for the library's facts

    /// The same files from the same addresses are the same download, whoever asks for them.
    QString id() const;
};

/// What is written down of a download, in a folder of its own beside the models, so that it goes on after a restart:
///   <library>/.hearth-<id>/state.json, 0.part, 0.chunks, 1.part, …
struct DownloadRecord {
    DownloadRequest request;
    QVector<Validator> validators; // of each file
    QVector<bool> whole;           // of each file: its SHA-256 was compared
    QVector<QByteArray> sha256;    // of each file, as computed
    qint64 position = 0;           // in the queue
    QString enters;                // the name under which it is about to enter the library; empty: not yet

    QString workFolder() const;
    QString partPath(int file) const;
    QString journalPath(int file) const;
    QString statePath() const;

    bool save() const; // whole or not at all
    static std::optional<DownloadRecord> load(const QString& workFolder);
};

/// Work folders of a library.
QStringList workFolders(const QString& library);

/// Takes the lock that keeps two programs from one download; -1: another one has it. Closing gives it back.
int lockWorkFolder(const QString& workFolder);

/// Moves finished parts into the library by one rename that replaces nothing, and removes the work folder. Gives the
/// path of the model there: a file, or the first file of a folder. Throws engine::Error with a sentence.
QString enterLibrary(DownloadRecord&);

/// True: a file with these bytes lies under its name in the library already. Reads it. Empty: it does not.
QString alreadyThere(const DownloadRequest&, const std::function<bool()>& stop);

void removeWorkFolder(const QString& workFolder);

} // namespace hearth::app
