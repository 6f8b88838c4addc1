#pragma once

#include <QByteArray>
#include <QString>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace hearth::app {

class ChunkMap;

/// Reads a part file back in its order as chunks arrive, from the system's cache as a rule: compares each chunk with
/// what was received, and takes the SHA-256 of all. In a thread of its own; the functions given are called there.
class FileHasher {
public:
    struct Calls {
        std::function<void(qint64 chunk)> bad; // the disk gives another chunk than was written; it has been dropped
        std::function<void(const QByteArray& sha256)> done; // all of the file; it is on the disk
        std::function<void(const QString& sentence)> failed;
    };

    /// The file is open for reading and stays so; the map outlives this.
    FileHasher(int file, ChunkMap&, Calls);
    ~FileHasher(); // stops

    void wake(); // more chunks may be there

    qint64 hashedBytes() const { return hashed_.load(std::memory_order_relaxed); }

private:
    void run();
    bool waitFor(qint64 chunk);

    int file_;
    ChunkMap& map_;
    Calls calls_;
    std::mutex mutex_;
    std::condition_variable wakeUp_;
    bool stop_ = false;
    std::atomic<qint64> hashed_ = 0;
    std::thread thread_; // last: it begins when all else is there
};

/// This thread gives way to the window's.
void stepBack();

/// SHA-256 of a whole file, as 64 lower-case digits; empty: it cannot be read, or `stop` said so.
QByteArray sha256OfFile(const QString& path, const std::function<bool()>& stop = {});

} // namespace hearth::app
