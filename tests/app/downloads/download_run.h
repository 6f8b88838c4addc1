#pragma once

#include "app/models/download/downloader.h"
#include "app/models/net/network_gate.h"
#include "tests/app/downloads/faulty_server.h"

#include <QCryptographicHash>
#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QTemporaryDir>
#include <QtTest>

namespace hearth::tests {

inline QByteArray sha256Of(const std::string& bytes) {
    return QCryptographicHash::hash(QByteArray::fromStdString(bytes), QCryptographicHash::Sha256).toHex();
}

inline app::DownloadLimits quickLimits() {
    app::DownloadLimits limits;
    limits.http = {.headMs = 3000, .stallMs = 3000, .slowMs = 4000, .slowBytesPerSecond = 512};
    limits.backoffMs = 5;
    limits.longestBackoffMs = 40;
    limits.spaceMargin = 0;
    return limits;
}

inline app::WantedFile wanted(const FaultyServer& server, const std::string& path, const Content& content) {
    return {.url = QUrl(QString::fromStdString(server.base() + path)),
            .name = QString::fromStdString(path),
            .bytes = qint64(content->size()),
            .sha256 = sha256Of(*content)};
}

/// A library in a folder that goes away, and a downloader that runs one request to its end.
struct DownloadRun {
    explicit DownloadRun(app::DownloadLimits limits = quickLimits())
        : limits(std::move(limits)), gate(app::NetworkGate::State::On) {}

    app::DownloadRequest request(const QVector<app::WantedFile>& files, const QString& group = {}) const {
        app::DownloadRequest r{.title = QStringLiteral("a model"), .folder = library(), .files = files, .group = group};
        return r;
    }

    QString library() const { return dir.path() + QStringLiteral("/models"); }

    /// Until it is finished, failed or paused; false after a time that no case needs.
    bool run(const app::DownloadRequest& r) {
        if (!downloader)
            downloader = std::make_unique<app::Downloader>(gate, limits);
        downloader->add(r);
        return settle(r.id());
    }

    bool settle(const QString& id) {
        QElapsedTimer clock;
        clock.start();
        last = {};
        int settled = 0;
        while (clock.elapsed() < 150'000) {
            QTest::qWait(5);
            for (const app::DownloadStatus& row : downloader->rows())
                if (row.id == id)
                    last = row;
            using State = app::DownloadStatus::State;
            const bool over =
                last.state == State::Finished || last.state == State::Failed || last.state == State::Paused;
            settled = over ? settled + 1 : 0;
            if (settled > 3 && last.id == id)
                return true;
        }
        return false;
    }

    bool finished() const { return last.state == app::DownloadStatus::State::Finished; }

    bool failed() const { return last.state == app::DownloadStatus::State::Failed; }

    /// What the program that lists models would find: everything but hidden folders.
    QStringList visible() const {
        QStringList found;
        QDirIterator it(library(), QDir::Files | QDir::NoDotAndDotDot | QDir::System, QDirIterator::Subdirectories);
        while (it.hasNext())
            found.append(QDir(library()).relativeFilePath(it.next()));
        found.removeIf([](const QString& path) { return path.startsWith(QLatin1Char('.')); });
        found.sort();
        return found;
    }

    static QByteArray bytesOf(const QString& path) {
        QFile file(path);
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }

    bool holds(const QString& name, const Content& content) const {
        return bytesOf(library() + QLatin1Char('/') + name) == QByteArray::fromStdString(*content);
    }

    QTemporaryDir dir;
    app::DownloadLimits limits;
    app::NetworkGate gate;
    std::unique_ptr<app::Downloader> downloader;
    app::DownloadStatus last;
};

} // namespace hearth::tests
