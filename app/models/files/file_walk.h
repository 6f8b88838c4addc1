#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::app {

/// Which file a name leads to, and whether it is still the one that was looked at. No Qt; any thread.
struct FileStamp {
    uint64_t device = 0, inode = 0;
    uint64_t bytes = 0;
    int64_t modifiedNs = 0; // since 1970

    friend bool operator==(const FileStamp&, const FileStamp&) = default;

    bool sameFile(const FileStamp& other) const { return device == other.device && inode == other.inode; }
};

/// Of the regular file that a path leads to; nothing: there is none.
std::optional<FileStamp> stampOf(const std::string& path);
bool isFolder(const std::string& path);

/// A descriptor that closes itself.
class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}

    Descriptor(Descriptor&&) noexcept;
    Descriptor& operator=(Descriptor&&) noexcept;
    ~Descriptor();

    int fd() const { return fd_; }

    explicit operator bool() const { return fd_ >= 0; }

    bool close(); // false: what was written did not all arrive

private:
    int fd_ = -1;
};

/// Opens a regular file for reading and leaves no trace: its time of access stays where the system allows that. Never
/// waits (FIFOs, devices). Not open: it is none, or it cannot be read; errno tells.
Descriptor openQuietly(const std::string& path);

/// All of a small file; nothing where it is larger than `most`, not a regular one or not readable.
std::optional<std::string> readSmallFile(const std::string& path, size_t most);

/// The first bytes say GGUF.
bool beginsAsGguf(const std::string& path);

struct WalkEntry {
    const std::string& path; // below the root's path
    std::string_view name;   // its last part
    int depth = 0;           // 0: in the root itself
    bool folder = false;     // of what it leads to
};

/// A folder's entries, links followed, no folder twice. Stops at so many entries, so that a mistaken root (/, a network
/// share) ends too.
class FolderWalk {
public:
    struct Limits {
        int depth = 8;
        size_t entries = 200000;
    };

    explicit FolderWalk(Limits limits) : limits_(limits) {}

    FolderWalk() : FolderWalk(Limits{}) {}

    /// `enter` is asked for every folder, `file` told of every name that is not a folder's (its type is not looked up).
    void run(const std::string& root, const std::function<bool(const WalkEntry&)>& enter,
             const std::function<void(const WalkEntry&)>& file);

    size_t entries() const { return entries_; }

    bool cut() const { return entries_ >= limits_.entries; }

private:
    void walk(const std::string& folder, int depth, const std::function<bool(const WalkEntry&)>& enter,
              const std::function<void(const WalkEntry&)>& file);

    Limits limits_;
    size_t entries_ = 0;
    std::vector<FileStamp> seen_; // folders, sorted
};

/// The names in a folder, sorted, "." and ".." not; empty where it cannot be read.
std::vector<std::string> namesIn(const std::string& folder, size_t most = 100000);

} // namespace hearth::app
