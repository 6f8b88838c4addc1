#include "app/models/download/file_fetch.h"

#include "app/models/net/sentences.h"
#include "engine/crc32c.h"

#include <QFile>
#include <QFileInfo>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace hearth::app {
namespace {

using Kind = HttpError::Kind;

constexpr qint64 kChunk = ChunkMap::kChunkBytes;
constexpr qint64 kFewestChunksAtOnce = 2; // times four connections: 8 MiB under way
constexpr qint64 kMostChunksAtOnce = 8;   // Qt may ask again for what broke off, into nowhere: no more than 8 MiB
constexpr qint64 kFarMs = 40;             // a server that takes longer to answer is far
constexpr int kMostBad = 3;               // times that the disk may give back another chunk than was written
constexpr int kMostRounds = 2;            // in which everything is fetched once more
constexpr qint64 kProgress = 64 << 10;    // bytes after which a failure is forgotten
constexpr int kMostRestarts = 3;
constexpr int kLimitTickMs = 20;

QString systemError() {
    return QString::fromLocal8Bit(std::strerror(errno));
}

bool writeAt(int file, const char* bytes, qint64 n, qint64 at) {
    while (n > 0) {
        const ssize_t written = ::pwrite(file, bytes, size_t(n), off_t(at));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        at += written;
        n -= written;
    }
    return true;
}

bool isStrong(const QByteArray& etag) {
    return etag.startsWith('"');
}

} // namespace

void RateLimit::set(qint64 bytesPerSecond) {
    bytesPerSecond_ = std::max<qint64>(0, bytesPerSecond);
    left_ = 0;
    clock_.start();
}

qint64 RateLimit::take(qint64 wanted) {
    if (bytesPerSecond_ <= 0)
        return wanted;
    const double rate = double(bytesPerSecond_);
    left_ = std::min(left_ + rate * double(clock_.nsecsElapsed()) / 1e9, rate / 10); // never saves up more than 0.1 s
    clock_.start();
    const auto n = std::clamp<qint64>(qint64(left_), 0, wanted);
    left_ -= double(n);
    return n;
}

qint64 RateLimit::takeAnyway(qint64 wanted) {
    left_ -= double(wanted);
    return wanted;
}

FileFetch::FileFetch(HttpClient& client, RateLimit& rate, const DownloadLimits& limits, FetchPlan plan, QObject* parent)
    : QObject(parent), client_(client), rate_(rate), limits_(limits), plan_(std::move(plan)), buffer_(512 << 10) {
    limitTimer_.setInterval(kLimitTickMs);
    connect(&limitTimer_, &QTimer::timeout, this, [this] {
        for (size_t i = 0; i < lanes_.size() && !finished_; ++i)
            if (lanes_[i]->call)
                pump(*lanes_[i], false);
    });
}

FileFetch::~FileFetch() {
    finished_ = true;
    releaseAll();
    hasher_.reset();
    if (part_ >= 0)
        ::close(part_);
}

QString FileFetch::host() const {
    return (direct_.isEmpty() ? plan_.url : direct_).host();
}

bool FileFetch::openFiles() {
    part_ = ::open(QFile::encodeName(plan_.partPath).constData(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    // The journal of a part file that is gone, or shorter than it was made, promises nothing.
    const bool fresh = part_ >= 0 && QFileInfo(plan_.partPath).size() != plan_.bytes;
    const bool open = part_ >= 0 && ::ftruncate(part_, off_t(plan_.bytes)) == 0 &&
                      map_.open(plan_.journalPath, plan_.bytes) && (!fresh || map_.clear());
    if (!open)
        fail({.kind = Kind::Content,
              .sentence =
                  Network::tr("The part file of %1 cannot be written: %2.").arg(shown(plan_.name), systemError())});
    else
        ::posix_fadvise(part_, 0, 0, POSIX_FADV_SEQUENTIAL);
    return open;
}

void FileFetch::start() {
    if (!openFiles())
        return;
    claimed_.assign(size_t(map_.count()), false);
    bad_.assign(size_t(map_.count()), 0);
    startHasher();
    fill();
}

void FileFetch::startHasher() {
    const int round = ++hasherRound_; // what an earlier one still says is not heard
    const auto here = [this, round](auto what) {
        QMetaObject::invokeMethod(
            this,
            [this, round, what] {
                if (round == hasherRound_ && !finished_)
                    what();
            },
            Qt::QueuedConnection);
    };
    hasher_.reset();
    hasher_ = std::make_unique<FileHasher>(
        part_, map_,
        FileHasher::Calls{.bad = [this, here](qint64 chunk) { here([this, chunk] { onBadChunk(chunk); }); },
                          .done = [this, here](const QByteArray& sha) { here([this, sha] { onHashed(sha); }); },
                          .failed =
                              [this, here](const QString& why) {
                                  here([this, why] { fail({.kind = Kind::Content, .sentence = why}); });
                              }});
}

qint64 FileFetch::arrivedBytes() const {
    qint64 bytes = map_.arrivedBytes();
    if (!secondRound_)
        for (const auto& lane : lanes_)
            if (lane->call)
                bytes += lane->at % kChunk;
    return std::min(bytes, plan_.bytes);
}

bool FileFetch::checking() const {
    return !finished_ && (secondRound_ || map_.complete());
}

double FileFetch::checked() const {
    return plan_.bytes > 0 && hasher_ ? double(hasher_->hashedBytes()) / double(plan_.bytes) : 0;
}

/// Gives every free lane something to do.
void FileFetch::fill() {
    if (finished_)
        return;
    const int most = known_ ? allowedLanes_ : 1; // the first answer says whether there may be more
    while (int(lanes_.size()) < most)
        lanes_.push_back(std::make_unique<Lane>());
    for (int i = 0; i < most && !finished_; ++i) {
        Lane& lane = *lanes_[size_t(i)];
        if (!lane.call && !lane.waits && claim(lane))
            request(lane);
    }
}

/// The next chunks that nobody has or fetches.
bool FileFetch::claim(Lane& lane) {
    const auto wanted = [&](qint64 chunk) {
        return !claimed_[size_t(chunk)] && (secondRound_ ? !compared_[size_t(chunk)] : !map_.has(chunk));
    };
    const auto settled = [&](qint64 chunk) { return secondRound_ ? compared_[size_t(chunk)] : map_.has(chunk); };
    while (cursor_ < map_.count() && settled(cursor_))
        ++cursor_;
    qint64 first = cursor_;
    while (first < map_.count() && !wanted(first))
        ++first;
    if (first >= map_.count())
        return false;
    qint64 last = first;
    while (last + 1 < map_.count() && last + 1 - first < chunksAtOnce_ && wanted(last + 1))
        ++last;
    for (qint64 chunk = first; chunk <= last; ++chunk)
        claimed_[size_t(chunk)] = true;
    lane.first = lane.at = first * kChunk;
    lane.end = std::min((last + 1) * kChunk, plan_.bytes);
    lane.again.clear();
    lane.crc = 0;
    return true;
}

void FileFetch::request(Lane& lane) {
    lane.direct = !direct_.isEmpty();
    lane.whole = lane.wrong = false;
    lane.first = lane.at;
    lane.clock.start();
    HttpRequest request{.url = lane.direct ? direct_ : plan_.url, .rangeFirst = lane.at, .rangeLast = lane.end - 1};
    if (sameOrigin(request.url, plan_.url))
        request.token = plan_.token;
    if (plan_.validator.origin == originText(request.url) && map_.arrivedBytes() > 0)
        request.ifRange = isStrong(plan_.validator.etag) ? plan_.validator.etag : plan_.validator.lastModified;
    lane.call = client_.start(request);
    Lane* at = &lane;
    connect(lane.call, &HttpCall::headArrived, this, [this, at] { onHead(*at); });
    connect(lane.call, &HttpCall::readable, this, [this, at] { pump(*at, false); });
    connect(lane.call, &HttpCall::done, this, [this, at] { onDone(*at); });
}

/// Stops a lane; what it had claimed is free again.
void FileFetch::release(Lane& lane) {
    lane.timer.stop();
    lane.timer.disconnect(this);
    lane.waits = false;
    if (HttpCall* call = std::exchange(lane.call, nullptr)) {
        call->disconnect(this);
        call->cancel();
    }
    for (qint64 chunk = lane.at / kChunk; chunk * kChunk < lane.end; ++chunk)
        claimed_[size_t(chunk)] = false;
    lane.end = lane.at = 0;
}

void FileFetch::releaseAll() {
    for (auto& lane : lanes_)
        release(*lane);
}

void FileFetch::onHead(Lane& lane) {
    const HttpHead head = lane.call->head();
    const bool accepted = head.status == 206 ? acceptPart(lane, head) : acceptWhole(lane, head);
    if (!accepted || finished_)
        return;
    if (!sameOrigin(head.url, plan_.url))
        direct_ = head.url;
    if (!known_) {
        known_ = true;
        allowedLanes_ = lane.whole ? 1 : limits_.connections;
        QTimer::singleShot(0, this, &FileFetch::fill);
    }
}

/// Long waits for short requests: ask for more at once. On a near server a request stays small, so that little is lost
/// when the program is killed; on a far one the line is what is slow, and little of a large one is under way.
void FileFetch::tune(const Lane& lane, qint64 headMs) {
    const qint64 bodyMs = lane.clock.elapsed() - headMs;
    if (!rate_.limited() && headMs > kFarMs && headMs > bodyMs / 4)
        chunksAtOnce_ = std::min(kMostChunksAtOnce, 2 * chunksAtOnce_);
    else if (headMs < kFarMs / 2 || rate_.limited())
        chunksAtOnce_ = std::max(kFewestChunksAtOnce, chunksAtOnce_ / 2);
}

/// Compares what the server says of the file with what it said before. False: restarted, or failed.
bool FileFetch::sameFile(const HttpHead& head, qint64 total) {
    if (total != plan_.bytes && plan_.sha256.isEmpty() && total > 0) {
        plan_.bytes = total;
        plan_.validator = {};
        restart(Network::tr("The file changed at %1 while it was being downloaded. It begins anew.").arg(host()));
        return false;
    }
    if (total != plan_.bytes) {
        fail(
            {.kind = Kind::Content,
             .sentence =
                 Network::tr("%1 has another file than the one that was announced: its size is another.").arg(host())});
        return false;
    }
    Validator& before = plan_.validator;
    const QString origin = originText(head.url);
    const bool comparable = before.origin == origin;
    const bool changed = comparable && ((!before.etag.isEmpty() && !head.etag.isEmpty() && before.etag != head.etag) ||
                                        (before.etag.isEmpty() && !before.lastModified.isEmpty() &&
                                         !head.lastModified.isEmpty() && before.lastModified != head.lastModified));
    if (!comparable || changed || before.etag != head.etag) {
        before = {origin, head.etag, head.lastModified};
        emit validatorChanged();
    }
    if (!changed || map_.arrivedBytes() == 0)
        return true;
    restart(Network::tr("The file changed at %1 while it was being downloaded. It begins anew.").arg(host()));
    return false;
}

bool FileFetch::acceptPart(Lane& lane, const HttpHead& head) {
    const auto range = parseContentRange(head.contentRange);
    const bool fits = range && range->first == lane.first && (range->total < 0 || range->last < range->total) &&
                      (head.contentLength < 0 || head.contentLength == range->last - range->first + 1);
    if (!fits) {
        lane.wrong = true;
        lane.call->cancel(
            {.kind = Kind::Cut,
             .sentence = Network::tr("%1 sends other parts of the file than those that were asked for.").arg(host())});
        return false;
    }
    if (!sameFile(head, range->total < 0 ? plan_.bytes : range->total))
        return false;
    return true;
}

/// All of the file, where a part was asked for: it is another file now, or the server knows no parts.
bool FileFetch::acceptWhole(Lane& lane, const HttpHead& head) {
    if (head.contentLength != plan_.bytes &&
        (head.contentLength < 0 || head.contentLength < 64 << 10 || looksLikeNoModel(head.contentType, {}))) {
        // Its first bytes say what it is.
        lane.whole = true;
        lane.first = lane.at = 0;
        lane.end = 0;
        return false;
    }
    if (!sameFile(head, head.contentLength))
        return false;
    Lane* keep = &lane;
    for (auto& other : lanes_)
        if (other.get() != keep)
            release(*other);
    allowedLanes_ = 1;
    lane.whole = true;
    lane.first = lane.at = 0;
    lane.end = plan_.bytes;
    lane.crc = 0;
    std::fill(claimed_.begin(), claimed_.end(), true);
    return true;
}

/// Takes what has come in. `all`: the call is over, nothing comes later.
void FileFetch::pump(Lane& lane, bool all) {
    while (!finished_ && lane.call && lane.call->available() > 0) {
        if (lane.whole && lane.end == 0) {
            if (all || lane.call->available() >= 512) {
                const auto n = lane.call->read(buffer_.data(), 1024);
                fail(contentError(host(), lane.call->head().contentType, QByteArray(buffer_.data(), n)));
            }
            return;
        }
        const qint64 wanted = std::min(qint64(buffer_.size()), lane.call->available());
        const qint64 allowed = all ? rate_.takeAnyway(wanted) : rate_.take(wanted);
        if (allowed <= 0) {
            if (!limitTimer_.isActive())
                limitTimer_.start();
            return;
        }
        const qint64 n = lane.call->read(buffer_.data(), allowed);
        if (n <= 0 || !take(lane, buffer_.data(), n))
            return;
    }
}

/// Writes bytes where they belong. False: the lane was stopped.
bool FileFetch::take(Lane& lane, const char* bytes, qint64 n) {
    received_ += n;
    sinceProgress_ += n;
    if (sinceProgress_ >= kProgress) {
        ++progress_;
        sinceProgress_ = 0;
    }
    n = std::min(n, lane.end - lane.at); // more than was asked for is nobody's
    if (lane.at == 0 && n > 0 && looksLikeNoModel({}, QByteArray::fromRawData(bytes, n)) &&
        plan_.name.endsWith(QLatin1String(".gguf"), Qt::CaseInsensitive)) {
        fail(contentError(host(), lane.call->head().contentType, QByteArray(bytes, std::min<qint64>(n, 1024))));
        return false;
    }
    if (!secondRound_ && !writeAt(part_, bytes, n, lane.at)) {
        fail({.kind = Kind::Content,
              .sentence = errno == ENOSPC ? Network::tr("The disk is full.")
                                          : Network::tr("The disk cannot be written: %1.").arg(systemError())});
        return false;
    }
    while (n > 0) {
        const qint64 chunk = lane.at / kChunk;
        const qint64 chunkEnd = chunk * kChunk + map_.bytesOf(chunk);
        const qint64 part = std::min(n, chunkEnd - lane.at);
        lane.crc = engine::crc32c(std::as_bytes(std::span(bytes, size_t(part))), lane.crc);
        if (secondRound_)
            lane.again.insert(lane.again.end(), bytes, bytes + part);
        lane.at += part;
        bytes += part;
        n -= part;
        if (lane.at == chunkEnd && !chunkArrived(lane, chunk))
            return false;
    }
    if (lane.at >= lane.end && lane.call->head().contentLength != lane.end - lane.first) {
        lane.call->cancel(); // it would go on
        return false;
    }
    return true;
}

bool FileFetch::chunkArrived(Lane& lane, qint64 chunk) {
    const uint32_t crc = std::exchange(lane.crc, 0);
    claimed_[size_t(chunk)] = false;
    const bool kept = secondRound_ ? compareAgain(lane, chunk, crc) : map_.put(chunk, crc);
    lane.again.clear();
    if (!kept)
        fail({.kind = Kind::Content, .sentence = Network::tr("The disk cannot be written: %1.").arg(systemError())});
    else if (!secondRound_)
        hasher_->wake();
    return kept;
}

/// Which of two forms of a chunk is right, only the sum of the whole file can say: the later one is tried.
bool FileFetch::compareAgain(const Lane& lane, qint64 chunk, uint32_t crc) {
    compared_[size_t(chunk)] = true;
    if (crc == map_.crc(chunk))
        return true;
    ++replaced_;
    return writeAt(part_, lane.again.data(), qint64(lane.again.size()), chunk * kChunk) && map_.put(chunk, crc);
}

void FileFetch::onDone(Lane& lane) {
    pump(lane, true);
    if (finished_ || !lane.call)
        return;
    HttpCall* call = std::exchange(lane.call, nullptr);
    const HttpError error = call->error();
    if (lane.whole && lane.end == 0) { // an answer without a byte, where a file was asked for
        fail(contentError(call->head().url.host(), call->head().contentType, {}));
        return;
    }
    if (lane.at >= lane.end) {
        tune(lane, call->headMs());
        finish();
        fill();
        return;
    }
    const bool elsewhere = lane.direct || !sameOrigin(call->head().url, plan_.url);
    const bool expired = error.kind == Kind::Status && elsewhere &&
                         (error.status == 400 || error.status == 401 || error.status == 403 || error.status == 404 ||
                          error.status == 410);
    if (expired)
        direct_.clear(); // links of storage servers hold for an hour or so: the hub gives another
    if (expired || !error || error.passing())
        retry(lane, error);
    else
        fail(error);
}

void FileFetch::retry(Lane& lane, const HttpError& error) {
    HttpError why = error;
    if (!why)
        why = {.kind = Kind::Cut, .sentence = Network::tr("%1 closed the connection too early.").arg(host())};
    if (lane.progress != progress_)
        lane.failures = 0;
    lane.progress = progress_;
    lane.failures += lane.wrong ? 3 : why.kind == Kind::Stalled ? 2 : 1; // waits are long already
    if (why.retryAfter > limits_.longestRetryAfter || lane.failures >= limits_.attempts) {
        fail(why);
        return;
    }
    const bool crowded = why.status == 429 || why.status == 503;
    if (crowded && allowedLanes_ > 1)
        --allowedLanes_; // perhaps it only wants fewer at once
    if (lane.whole) {
        known_ = false; // it may know parts now
        release(lane);
        std::fill(claimed_.begin(), claimed_.end(), false);
    }
    const int doubled = limits_.backoffMs << std::min(lane.failures - 1, 12);
    const qint64 backoff = lane.failures == 1 ? 0 : std::min(doubled, limits_.longestBackoffMs);
    lane.waits = true;
    lane.timer.setSingleShot(true);
    lane.timer.disconnect(this);
    Lane* at = &lane;
    connect(&lane.timer, &QTimer::timeout, this, [this, at] {
        at->waits = false;
        at->end > at->at ? request(*at) : fill();
    });
    lane.timer.start(int(std::max(backoff, 1000 * why.retryAfter)));
}

void FileFetch::restart(const QString& why) {
    releaseAll();
    hasher_.reset();
    if (map_.fileBytes() != plan_.bytes) { // another size: begin with other files
        ::close(std::exchange(part_, -1));
        if (!openFiles())
            return;
    }
    claimed_.assign(size_t(map_.count()), false);
    bad_.assign(size_t(map_.count()), 0);
    if (++restarts_ > kMostRestarts) {
        fail({.kind = Kind::Content, .sentence = Network::tr("The file at %1 changes again and again.").arg(host())});
        return;
    }
    if (!map_.clear()) {
        fail({.kind = Kind::Content, .sentence = Network::tr("The disk cannot be written: %1.").arg(systemError())});
        return;
    }
    known_ = secondRound_ = false;
    cursor_ = 0;
    allowedLanes_ = 1;
    emit validatorChanged();
    emit restarted(why);
    startHasher();
    QTimer::singleShot(0, this, &FileFetch::fill);
}

void FileFetch::onBadChunk(qint64 chunk) {
    if (++bad_[size_t(chunk)] > kMostBad) {
        fail({.kind = Kind::Content,
              .sentence = Network::tr("The disk gives back other bytes than were written. Is it failing?")});
        return;
    }
    cursor_ = std::min(cursor_, chunk);
    fill();
}

void FileFetch::onHashed(const QByteArray& sha256) {
    sha256_ = sha256;
    if (!plan_.sha256.isEmpty() && sha256 != plan_.sha256) {
        if (++rounds_ > kMostRounds)
            fail({.kind = Kind::Content,
                  .sentence =
                      Network::tr("%1 sends another file than the one that was announced: its SHA-256 is another.")
                          .arg(host())});
        else
            refetchAll();
        return;
    }
    finished_ = true;
    releaseAll();
    emit done();
}

void FileFetch::refetchAll() {
    releaseAll();
    secondRound_ = true;
    replaced_ = 0;
    compared_.assign(size_t(map_.count()), false);
    cursor_ = 0;
    direct_.clear(); // from the hub on, on other connections
    known_ = false;
    allowedLanes_ = 1;
    fill();
}

/// The end of the second round: what came otherwise is fetched, and all is read again.
void FileFetch::finish() {
    if (finished_ || !secondRound_ || !std::all_of(compared_.begin(), compared_.end(), [](bool is) { return is; }))
        return;
    secondRound_ = false;
    if (replaced_ == 0) {
        fail({.kind = Kind::Content,
              .sentence = Network::tr("%1 sends another file than the one that was announced: its SHA-256 is another.")
                              .arg(host())});
        return;
    }
    cursor_ = 0;
    startHasher();
    fill();
}

void FileFetch::fail(HttpError error) {
    if (finished_)
        return;
    finished_ = true;
    error_ = std::move(error);
    releaseAll();
    limitTimer_.stop();
    QTimer::singleShot(0, this, &FileFetch::done);
}

} // namespace hearth::app
