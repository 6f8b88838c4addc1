#include "app/models/download/chunk_map.h"

#include "engine/crc32c.h"

#include <QFile>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace hearth::app {
namespace {

struct Header {
    char magic[8];
    uint64_t fileBytes;
};

struct Record {
    uint32_t chunk;
    uint32_t crc; // of the chunk's bytes
    uint32_t has;
    uint32_t check; // of the three before: a record cut short, or of another time, is none
};

static_assert(sizeof(Header) == 16 && sizeof(Record) == 16);

constexpr char kMagic[8] = {'H', 'e', 'a', 'r', 't', 'h', 'C', '1'};

uint32_t checkOf(const Record& record) {
    return engine::crc32c(std::as_bytes(std::span(&record, 1)).first(offsetof(Record, check)));
}

bool writeAll(int file, const void* bytes, size_t n) {
    const auto* at = static_cast<const char*>(bytes);
    while (n > 0) {
        const ssize_t written = ::write(file, at, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        n -= size_t(written);
    }
    return true;
}

} // namespace

ChunkMap::~ChunkMap() {
    if (file_ >= 0)
        ::close(file_);
}

bool ChunkMap::open(const QString& path, qint64 fileBytes) {
    const std::lock_guard lock(mutex_);
    if (file_ >= 0)
        ::close(file_);
    fileBytes_ = fileBytes;
    const auto n = size_t((fileBytes + kChunkBytes - 1) / kChunkBytes);
    crcs_.assign(n, 0);
    have_.assign(n, false);
    arrived_ = nHave_ = 0;
    file_ = ::open(QFile::encodeName(path).constData(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file_ < 0)
        return false;
    Header header{};
    const bool known = ::pread(file_, &header, sizeof header, 0) == ssize_t(sizeof header) &&
                       std::memcmp(header.magic, kMagic, sizeof kMagic) == 0 && header.fileBytes == uint64_t(fileBytes);
    if (!known)
        return begin();
    return replay();
}

bool ChunkMap::begin() {
    Header header{};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.fileBytes = uint64_t(fileBytes_);
    return ::ftruncate(file_, 0) == 0 && writeAll(file_, &header, sizeof header);
}

/// The last record of a chunk counts. A record that is cut short ends the journal, and is cut off.
bool ChunkMap::replay() {
    std::vector<Record> records(4096);
    off_t at = sizeof(Header);
    for (;;) {
        const ssize_t n = ::pread(file_, records.data(), records.size() * sizeof(Record), at);
        const size_t whole = n > 0 ? size_t(n) / sizeof(Record) : 0;
        for (size_t i = 0; i < whole; ++i) {
            const Record& r = records[i];
            if (r.check != checkOf(r) || r.chunk >= have_.size())
                continue;
            if (have_[r.chunk] != (r.has != 0)) {
                nHave_ += r.has ? 1 : -1;
                arrived_ += (r.has ? 1 : -1) * bytesOf(r.chunk);
            }
            have_[r.chunk] = r.has != 0;
            crcs_[r.chunk] = r.crc;
        }
        at += off_t(whole * sizeof(Record));
        if (whole < records.size())
            break;
    }
    return ::ftruncate(file_, at) == 0; // a stump before new records would turn them into nonsense
}

bool ChunkMap::clear() {
    const std::lock_guard lock(mutex_);
    std::fill(have_.begin(), have_.end(), false);
    arrived_ = nHave_ = 0;
    return begin();
}

bool ChunkMap::append(qint64 chunk, uint32_t crc, bool has) {
    Record record{uint32_t(chunk), crc, has, 0};
    record.check = checkOf(record);
    return writeAll(file_, &record, sizeof record);
}

bool ChunkMap::put(qint64 chunk, uint32_t crc) {
    const std::lock_guard lock(mutex_);
    if (!have_[size_t(chunk)]) {
        ++nHave_;
        arrived_ += bytesOf(chunk);
    }
    have_[size_t(chunk)] = true;
    crcs_[size_t(chunk)] = crc;
    return append(chunk, crc, true);
}

bool ChunkMap::drop(qint64 chunk) {
    const std::lock_guard lock(mutex_);
    if (have_[size_t(chunk)]) {
        --nHave_;
        arrived_ -= bytesOf(chunk);
    }
    have_[size_t(chunk)] = false;
    return append(chunk, 0, false);
}

qint64 ChunkMap::bytesOf(qint64 chunk) const {
    return std::min(kChunkBytes, fileBytes_ - chunk * kChunkBytes);
}

bool ChunkMap::has(qint64 chunk) const {
    const std::lock_guard lock(mutex_);
    return have_[size_t(chunk)];
}

uint32_t ChunkMap::crc(qint64 chunk) const {
    const std::lock_guard lock(mutex_);
    return crcs_[size_t(chunk)];
}

qint64 ChunkMap::arrivedBytes() const {
    const std::lock_guard lock(mutex_);
    return arrived_;
}

bool ChunkMap::complete() const {
    const std::lock_guard lock(mutex_);
    return nHave_ == qint64(have_.size());
}

} // namespace hearth::app
