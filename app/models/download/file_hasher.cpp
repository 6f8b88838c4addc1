#include "app/models/download/file_hasher.h"

#include "app/models/download/chunk_map.h"
#include "app/models/net/sentences.h"
#include "engine/crc32c.h"

#include <QFile>

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace hearth::app {
namespace {

constexpr qint64 kWriteBackEvery = 32 << 20; // bytes after which the disk is told to begin

/// SHA-256 by OpenSSL, which uses the processor's own instructions where it has them.
class Sha256 {
public:
    Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }

    void add(const char* bytes, size_t n) { EVP_DigestUpdate(context_.get(), bytes, n); }

    QByteArray digits() {
        QByteArray digest(32, '\0');
        EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
        return digest.toHex();
    }

private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

bool readAll(int file, char* to, qint64 n, qint64 at) {
    while (n > 0) {
        const ssize_t got = ::pread(file, to, size_t(n), off_t(at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        at += got;
        n -= got;
    }
    return true;
}

} // namespace

void stepBack() {
    constexpr int kNice = 10;
    if (getpriority(PRIO_PROCESS, 0) < kNice) // on Linux: of this thread
        setpriority(PRIO_PROCESS, 0, kNice);
}

FileHasher::FileHasher(int file, ChunkMap& map, Calls calls)
    : file_(file), map_(map), calls_(std::move(calls)), thread_([this] { run(); }) {}

FileHasher::~FileHasher() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wakeUp_.notify_all();
    thread_.join();
}

void FileHasher::wake() {
    const std::lock_guard lock(mutex_);
    wakeUp_.notify_all();
}

bool FileHasher::waitFor(qint64 chunk) {
    std::unique_lock lock(mutex_);
    wakeUp_.wait(lock, [&] { return stop_ || map_.has(chunk); });
    return !stop_;
}

void FileHasher::run() {
    stepBack();
    Sha256 sha;
    std::vector<char> buffer(static_cast<size_t>(ChunkMap::kChunkBytes)); // otherwise Clang sees a function
    for (qint64 chunk = 0; chunk < map_.count();) {
        if (!waitFor(chunk))
            return;
        const qint64 n = map_.bytesOf(chunk), at = chunk * ChunkMap::kChunkBytes;
        const bool whole = readAll(file_, buffer.data(), n, at);
        if (!whole || engine::crc32c(std::as_bytes(std::span(buffer.data(), size_t(n)))) != map_.crc(chunk)) {
            map_.drop(chunk);
            calls_.bad(chunk);
            continue;
        }
        sha.add(buffer.data(), size_t(n));
        hashed_.store(at + n, std::memory_order_relaxed);
        if ((at + n) % kWriteBackEvery == 0)
            sync_file_range(file_, at + n - kWriteBackEvery, kWriteBackEvery, SYNC_FILE_RANGE_WRITE);
        ++chunk;
    }
    if (::fdatasync(file_) != 0) {
        calls_.failed(Network::tr("The disk cannot keep the file: %1.").arg(QString::fromLocal8Bit(strerror(errno))));
        return;
    }
    calls_.done(sha.digits());
}

QByteArray sha256OfFile(const QString& path, const std::function<bool()>& stop) {
    const int file = ::open(QFile::encodeName(path).constData(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return {};
    Sha256 sha;
    std::vector<char> buffer(1 << 20);
    ssize_t n = 0;
    while ((n = ::read(file, buffer.data(), buffer.size())) > 0 && !(stop && stop()))
        sha.add(buffer.data(), size_t(n));
    ::close(file);
    return n == 0 ? sha.digits() : QByteArray();
}

} // namespace hearth::app
