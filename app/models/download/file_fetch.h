#pragma once

#include "app/models/download/chunk_map.h"
#include "app/models/download/download_limits.h"
#include "app/models/download/file_hasher.h"
#include "app/models/net/http_client.h"

#include <QObject>
#include <QTimer>

#include <memory>
#include <vector>

namespace hearth::app {

/// What a server said of a file when its first bytes came; later bytes must be of the same.
struct Validator {
    QString origin; // whose words these are
    QByteArray etag, lastModified;
};

struct FetchPlan {
    QUrl url; // of the hub; may lead to another server for a while
    QString token;
    QString partPath, journalPath;
    QString name;      // as the hub calls it, for sentences
    qint64 bytes = 0;  // as the hub says
    QByteArray sha256; // empty: not told
    Validator validator;
};

/// One file over several connections, chunk by chunk, into a part file that already exists; ends when its SHA-256 was
/// compared and it is on the disk. In the downloads' thread.
///
/// When the whole's SHA-256 is not the announced one: the disk was compared with what came in already, chunk by chunk,
/// so something else came in than the hub meant. All chunks are then asked for once more, on new connections; those
/// that come as before are kept, others replaced. If that changes nothing, the server is wrong, and the download fails.
class FileFetch : public QObject {
    Q_OBJECT

public:
    FileFetch(HttpClient&, RateLimit&, const DownloadLimits&, FetchPlan, QObject* parent = nullptr);
    ~FileFetch() override;

    void start();

    qint64 arrivedBytes() const;

    qint64 receivedBytes() const { return received_; } // over the line, in this session, repeated ones too

    bool checking() const;  // all is there; it is read back
    double checked() const; // 0 to 1

    const HttpError& error() const { return error_; } // after done()

    const QByteArray& sha256() const { return sha256_; } // as computed

    const Validator& validator() const { return plan_.validator; }

    qint64 bytes() const { return plan_.bytes; } // a server may know better than the hub

signals:
    void validatorChanged();
    void restarted(const QString& why);
    void done();

private:
    /// A connection and what it was asked for.
    struct Lane {
        HttpCall* call = nullptr;
        qint64 first = 0, at = 0, end = 0; // bytes of the file: of the request, next to come, after the last
        uint32_t crc = 0;                  // of the chunk that is coming in
        bool direct = false;               // asked where the hub sends us, not the hub
        bool whole = false;                // the server gives all or nothing
        bool wrong = false;                // it gave another part than was asked for
        bool waits = false;                // for its next attempt
        int failures = 0;                  // in a row, since the progress of so many
        qint64 progress = 0;
        std::vector<char> again; // second round: the chunk that is coming in
        QElapsedTimer clock;     // since the request
        QTimer timer;
    };

    bool openFiles();
    void startHasher();
    void fill();
    bool claim(Lane&);
    void request(Lane&);
    void onHead(Lane&);
    bool acceptPart(Lane&, const HttpHead&);
    bool acceptWhole(Lane&, const HttpHead&);
    bool sameFile(const HttpHead&, qint64 total);
    void pump(Lane&, bool all);
    bool take(Lane&, const char* bytes, qint64 n);
    bool chunkArrived(Lane&, qint64 chunk);
    void onDone(Lane&);
    void retry(Lane&, const HttpError&);
    bool compareAgain(const Lane&, qint64 chunk, uint32_t crc);
    void release(Lane&);
    void releaseAll();
    void restart(const QString& why);
    void onBadChunk(qint64 chunk);
    void onHashed(const QByteArray& sha256);
    void refetchAll();
    void fail(HttpError);
    void finish();
    void tune(const Lane&, qint64 headMs);
    QString host() const;

    HttpClient& client_;
    RateLimit& rate_;
    const DownloadLimits& limits_;
    FetchPlan plan_;
    ChunkMap map_;
    int part_ = -1;
    std::vector<std::unique_ptr<Lane>> lanes_;
    std::vector<bool> claimed_;  // chunks that a lane is at
    std::vector<bool> compared_; // in the second round: came again
    std::vector<uint8_t> bad_;   // times that the disk gave back something else
    std::unique_ptr<FileHasher> hasher_;
    QTimer limitTimer_; // while the line is limited
    QUrl direct_;       // where the hub sent us
    std::vector<char> buffer_;
    HttpError error_;
    QByteArray sha256_;
    qint64 received_ = 0, sinceProgress_ = 0, progress_ = 0, replaced_ = 0;
    qint64 cursor_ = 0;       // no chunk before it is missing
    qint64 chunksAtOnce_ = 2; // of one request
    int allowedLanes_ = 1, restarts_ = 0, hasherRound_ = 0, rounds_ = 0;
    bool known_ = false; // the server's word on the file was compared in this session
    bool secondRound_ = false, finished_ = false;
};

} // namespace hearth::app
