#include "app/models/download/downloader.h"

#include "app/models/download/download_worker.h"
#include "app/models/net/network_gate.h"

#include <QPointer>

#include <algorithm>

namespace hearth::app {
namespace {

bool sameRow(const DownloadStatus& a, const DownloadStatus& b) {
    return a.state == b.state && a.bytes == b.bytes && a.total == b.total && a.bytesPerSecond == b.bytesPerSecond &&
           a.checked == b.checked && a.notice == b.notice && a.path == b.path && a.gated == b.gated;
}

} // namespace

Downloader::Downloader(NetworkGate& gate, DownloadLimits limits, QObject* parent)
    : QObject(parent), worker_(new DownloadWorker(gate, std::move(limits), *this)) {
    thread_.setObjectName(QStringLiteral("downloads"));
    worker_->moveToThread(&thread_);
    thread_.start();
}

Downloader::~Downloader() {
    QMetaObject::invokeMethod(worker_, &DownloadWorker::stop, Qt::BlockingQueuedConnection);
    worker_->deleteLater();
    thread_.quit();
    thread_.wait();
}

void Downloader::add(const DownloadRequest& request) {
    QMetaObject::invokeMethod(worker_, [w = worker_, request] { w->add(request); });
}

void Downloader::restore(const QString& library) {
    QVector<DownloadRecord> records;
    const QStringList folders = workFolders(library);
    for (const QString& folder : folders)
        if (const auto record = DownloadRecord::load(folder))
            records.append(*record);
    std::stable_sort(records.begin(), records.end(),
                     [](const DownloadRecord& a, const DownloadRecord& b) { return a.position < b.position; });
    for (const DownloadRecord& record : records)
        QMetaObject::invokeMethod(worker_, [w = worker_, record] { w->addRestored(record); });
}

void Downloader::setTokenSource(TokenSource tokens) {
    tokens_ = std::move(tokens);
    QMetaObject::invokeMethod(worker_, [w = worker_] { w->setAsksTokens(true); });
}

void Downloader::askToken(const QString& id, const QString& tokenName) {
    // Whoever answers may do so long after this object is gone.
    tokens_(tokenName, [alive = QPointer<Downloader>(this), id](const QString& token) {
        if (alive)
            QMetaObject::invokeMethod(alive->worker_, [w = alive->worker_, id, token] { w->giveToken(id, token); });
    });
}

void Downloader::pause(const QString& id) {
    QMetaObject::invokeMethod(worker_, [w = worker_, id] { w->pause(id); });
}

void Downloader::resume(const QString& id) {
    QMetaObject::invokeMethod(worker_, [w = worker_, id] { w->resume(id); });
}

void Downloader::remove(const QString& id) {
    QMetaObject::invokeMethod(worker_, [w = worker_, id] { w->remove(id); });
}

void Downloader::move(const QString& id, int position) {
    QMetaObject::invokeMethod(worker_, [w = worker_, id, position] { w->move(id, position); });
}

void Downloader::setRateLimit(qint64 bytesPerSecond) {
    QMetaObject::invokeMethod(worker_, [w = worker_, bytesPerSecond] { w->setRateLimit(bytesPerSecond); });
}

void Downloader::take(const QVector<DownloadStatus>& rows, const QHash<QString, qint64>& received) {
    const QVector<DownloadStatus> before = std::exchange(rows_, rows);
    received_ = received;
    const bool same = std::equal(before.begin(), before.end(), rows.begin(), rows.end(),
                                 [](const DownloadStatus& a, const DownloadStatus& b) { return a.id == b.id; });
    if (!same)
        emit rowsChanged();
    for (int i = 0; i < rows.size(); ++i) {
        const DownloadStatus& row = rows[i];
        const auto was =
            std::find_if(before.begin(), before.end(), [&](const DownloadStatus& b) { return b.id == row.id; });
        if (was != before.end() && sameRow(*was, row))
            continue;
        emit rowChanged(row);
        const bool other = was == before.end() || was->state != row.state;
        if (other && row.state == DownloadStatus::State::Finished)
            emit finished(row.id, row.path);
        if (other && row.state == DownloadStatus::State::Failed)
            emit failed(row.id, row.notice);
    }
}

} // namespace hearth::app
