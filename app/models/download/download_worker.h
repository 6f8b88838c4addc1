#pragma once

#include "app/models/download/downloader.h"
#include "app/models/net/http_client.h"

#include <QElapsedTimer>
#include <QTimer>

#include <deque>
#include <memory>
#include <thread>
#include <vector>

namespace hearth::app {

/// The downloads' thread: the queue, and the one download that runs. Made by Downloader, which calls it by queued
/// calls.
class DownloadWorker : public QObject {
    Q_OBJECT

public:
    DownloadWorker(NetworkGate&, DownloadLimits, Downloader&);
    ~DownloadWorker() override;

    void add(const DownloadRequest&);
    void addRestored(const DownloadRecord&);

    void setAsksTokens(bool asks) { asksTokens_ = asks; }

    void giveToken(const QString& id, const QString& token); // as the owner was asked for it
    void pause(const QString& id);
    void resume(const QString& id);
    void remove(const QString& id);
    void move(const QString& id, int position);
    void setRateLimit(qint64 bytesPerSecond);
    void stop(); // everything; what has arrived is kept

private:
    using State = DownloadStatus::State;

    struct Sample {
        qint64 ms, bytes;
    };

    struct Job {
        DownloadRecord record;
        QString token;
        State state = State::Waiting;
        int lock = -1; // of the work folder, while it runs
        int file = -1; // that is fetched
        std::unique_ptr<FileFetch> fetch;
        std::thread reader; // looks whether the file is there already
        std::shared_ptr<std::atomic<bool>> stopReader;
        qint64 received = 0;      // of files before this one
        qint64 arrivedBefore = 0; // while nothing runs: what the journals say
        std::deque<Sample> speed;
        QString notice, path;
        bool gated = false;
        bool tokenAsked = false;    // since the person wanted it to go on
        bool waitsForToken = false; // it is not begun before
        QString refusal;            // what the hub said then
    };

    Job* find(const QString& id);
    void begin(); // the next of the queue, if none runs
    void lookForIt(Job&);
    void prepare(Job&);
    bool adopt(Job&);
    QString spaceProblem(const Job&) const;
    void nextFile(Job&);
    void onFetched(Job&);
    bool askToken(Job&, const QString& refusal);
    void enter(Job&);
    void halt(Job&, State, const QString& notice = {}, bool gated = false);
    void renumber();
    void tick();
    void tell();
    qint64 received(const Job&) const;
    qint64 arrived(const Job&) const;
    DownloadStatus status(Job&);

    NetworkGate& gate_;
    DownloadLimits limits_;
    Downloader& owner_;
    RateLimit rate_;
    bool asksTokens_ = false; // the owner knows whom to ask
    std::unique_ptr<HttpClient> client_;
    std::vector<std::unique_ptr<Job>> jobs_; // in the queue's order
    QTimer tick_;
    QElapsedTimer clock_;
};

} // namespace hearth::app
