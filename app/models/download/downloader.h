#pragma once

#include "app/models/download/download_limits.h"
#include "app/models/download/download_record.h"

#include <QHash>
#include <QObject>
#include <QString>
#include <QThread>
#include <QVector>

#include <functional>

namespace hearth::app {

class NetworkGate;
class DownloadWorker;

/// A download as the window shows it.
struct DownloadStatus {
    enum class State : int { Waiting, Running, Checking, Paused, Failed, Finished };
    QString id; // DownloadRequest::id
    QString title, license, hub, model;
    State state = State::Waiting;
    qint64 bytes = 0, total = 0; // that are there, of all files
    double bytesPerSecond = 0;   // over the last seconds
    qint64 secondsLeft = -1;     // -1: unknown
    double checked = 0;          // 0 to 1, while Checking
    int files = 1;
    QString notice;     // a sentence: why it began anew, why it failed
    bool gated = false; // failed for want of an accepted licence or a token
    QString path;       // in the library, when Finished
};

/// Downloads models into a library, one after the other, in a thread of its own. Functions and signals: the thread it
/// was made in. What is not finished goes on after restore().
class Downloader : public QObject {
    Q_OBJECT

public:
    explicit Downloader(NetworkGate&, DownloadLimits = {}, QObject* parent = nullptr);
    ~Downloader() override; // stops; what has arrived is kept

    /// Adds to the end of the queue; one that is known already goes on.
    void add(const DownloadRequest&);
    /// Lists what was not finished in a library, paused.
    void restore(const QString& library);

    using Token = std::function<void(const QString& token)>; // empty: there is none
    using TokenSource = std::function<void(const QString& tokenName, Token)>;
    /// Whom to ask for a secret by its name when a hub refuses a download that has none, or an old one: such as the
    /// keyring, which may take its time. Called in this thread.
    void setTokenSource(TokenSource);
    void pause(const QString& id);
    void resume(const QString& id);
    void remove(const QString& id); // with what has arrived, unless it is finished
    void move(const QString& id, int position);
    void setRateLimit(qint64 bytesPerSecond); // 0: none

    /// In the queue's order, finished ones included until removed.
    const QVector<DownloadStatus>& rows() const { return rows_; }

    /// Bytes that came over the line for a download in this session, repeated ones included.
    qint64 receivedBytes(const QString& id) const { return received_.value(id); }

signals:
    void rowsChanged();                                    // other rows, or another order
    void rowChanged(const hearth::app::DownloadStatus&);   // at most ten times a second each
    void finished(const QString& id, const QString& path); // it is in the library
    void failed(const QString& id, const QString& sentence);

private:
    friend class DownloadWorker;
    void askToken(const QString& id, const QString& tokenName);
    void take(const QVector<DownloadStatus>&, const QHash<QString, qint64>& received);

    QThread thread_;
    DownloadWorker* worker_; // lives in thread_
    TokenSource tokens_;
    QVector<DownloadStatus> rows_;
    QHash<QString, qint64> received_;
};

} // namespace hearth::app

Q_DECLARE_METATYPE(hearth::app::DownloadStatus)
