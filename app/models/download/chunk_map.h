#pragma once

#include <QString>

#include <cstdint>
#include <mutex>
#include <vector>

namespace hearth::app {

/// Which chunks of a file have arrived, with the check sum of each as it was received. Kept beside the part file in a
/// journal that is only appended to, a record for each chunk after its bytes were written, so that a process killed at
/// any instant loses at most the chunks in flight. The journal may promise too much after a power cut: whoever reads
/// the part file back compares, and drops what does not match. Any thread.
class ChunkMap {
public:
    static constexpr qint64 kChunkBytes = 1 << 20; // of eight connections together 8 MiB are in flight at most

    ChunkMap() = default;
    ~ChunkMap();
    ChunkMap(const ChunkMap&) = delete;
    ChunkMap& operator=(const ChunkMap&) = delete;

    /// Reads the journal as far as it makes sense, or begins one. False: it cannot be written.
    bool open(const QString& path, qint64 fileBytes);
    /// Nothing has arrived; false: the journal cannot be written.
    bool clear();
    bool put(qint64 chunk, uint32_t crc); // its bytes are in the part file; false: the journal cannot be written
    bool drop(qint64 chunk);              // they are not, or not right

    qint64 count() const { return qint64(have_.size()); }

    qint64 fileBytes() const { return fileBytes_; }

    qint64 bytesOf(qint64 chunk) const;
    bool has(qint64 chunk) const;
    uint32_t crc(qint64 chunk) const;
    qint64 arrivedBytes() const;
    bool complete() const;

private:
    bool begin();
    bool append(qint64 chunk, uint32_t crc, bool has);
    bool replay();

    mutable std::mutex mutex_;
    int file_ = -1;
    qint64 fileBytes_ = 0, arrived_ = 0, nHave_ = 0;
    std::vector<uint32_t> crcs_;
    std::vector<bool> have_;
};

} // namespace hearth::app
