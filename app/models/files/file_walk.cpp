#include "app/models/files/file_walk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hearth::app {
namespace {

FileStamp stamp(const struct stat& status) {
    return {.device = static_cast<uint64_t>(status.st_dev),
            .inode = static_cast<uint64_t>(status.st_ino),
            .bytes = static_cast<uint64_t>(std::max<off_t>(0, status.st_size)),
            .modifiedNs = static_cast<int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec};
}

bool before(const FileStamp& x, const FileStamp& y) {
    return std::pair(x.device, x.inode) < std::pair(y.device, y.inode);
}

struct CloseFolder {
    void operator()(DIR* folder) const { closedir(folder); }
};

using Folder = std::unique_ptr<DIR, CloseFolder>;

Folder openFolder(const std::string& path) {
    if (path.find('\0') != std::string::npos)
        return nullptr;
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int fd = open(path.c_str(), kFlags | O_NOATIME);
    if (fd < 0 && errno == EPERM) // somebody else's
        fd = open(path.c_str(), kFlags);
    if (fd < 0)
        return nullptr;
    DIR* folder = fdopendir(fd);
    if (!folder)
        close(fd);
    return Folder(folder);
}

bool isDots(const char* name) {
    return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

/// Whether an entry leads to a folder. A link is followed; one that leads nowhere is a file that cannot be opened.
bool leadsToFolder(int folder, const dirent& entry) {
    if (entry.d_type == DT_DIR)
        return true;
    if (entry.d_type != DT_LNK && entry.d_type != DT_UNKNOWN)
        return false;

    struct stat status {};

    return fstatat(folder, entry.d_name, &status, 0) == 0 && S_ISDIR(status.st_mode);
}

} // namespace

std::optional<FileStamp> stampOf(const std::string& path) {
    struct stat status {};

    if (path.find('\0') != std::string::npos || stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
        return std::nullopt;
    return stamp(status);
}

bool isFolder(const std::string& path) {
    struct stat status {};

    return path.find('\0') == std::string::npos && stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

Descriptor::~Descriptor() {
    close();
}

bool Descriptor::close() {
    const int fd = std::exchange(fd_, -1);
    return fd < 0 || ::close(fd) == 0;
}

Descriptor openQuietly(const std::string& path) {
    if (path.find('\0') != std::string::npos) {
        errno = EINVAL;
        return Descriptor();
    }
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(path.c_str(), kFlags | O_NOATIME);
    if (fd < 0 && errno == EPERM) // only a file's owner may ask for that
        fd = open(path.c_str(), kFlags);
    Descriptor file(fd);

    struct stat status {};

    if (!file || fstat(fd, &status) != 0)
        return Descriptor();
    if (!S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return Descriptor();
    }
    return file;
}

std::optional<std::string> readSmallFile(const std::string& path, size_t most) {
    const Descriptor file = openQuietly(path);

    struct stat status {};

    if (!file || fstat(file.fd(), &status) != 0 || static_cast<uint64_t>(status.st_size) > most)
        return std::nullopt;
    std::string text(static_cast<size_t>(status.st_size), '\0');
    size_t have = 0;
    while (have < text.size()) {
        const ssize_t n = read(file.fd(), text.data() + have, text.size() - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += static_cast<size_t>(n);
    }
    text.resize(have);
    return text;
}

bool beginsAsGguf(const std::string& path) {
    const Descriptor file = openQuietly(path);
    char magic[4] = {};
    return file && read(file.fd(), magic, sizeof magic) == sizeof magic && std::memcmp(magic, "GGUF", 4) == 0;
}

void FolderWalk::run(const std::string& root, const std::function<bool(const WalkEntry&)>& enter,
                     const std::function<void(const WalkEntry&)>& file) {
    walk(root, 0, enter, file);
}

void FolderWalk::walk(const std::string& path, int depth, const std::function<bool(const WalkEntry&)>& enter,
                      const std::function<void(const WalkEntry&)>& file) {
    std::vector<std::string> folders;
    {
        const Folder folder = openFolder(path);

        struct stat status {};

        if (!folder || fstat(dirfd(folder.get()), &status) != 0)
            return;
        const FileStamp self = stamp(status);
        const auto at = std::lower_bound(seen_.begin(), seen_.end(), self, before);
        if (at != seen_.end() && at->sameFile(self))
            return; // a link led back
        seen_.insert(at, self);
        std::string below;
        while (const dirent* entry = readdir(folder.get())) {
            if (isDots(entry->d_name))
                continue;
            if (cut())
                return;
            ++entries_;
            below.assign(path).append(path.ends_with('/') ? "" : "/").append(entry->d_name);
            WalkEntry told{.path = below, .name = entry->d_name, .depth = depth};
            told.folder = leadsToFolder(dirfd(folder.get()), *entry);
            if (!told.folder)
                file(told);
            else if (depth < limits_.depth && enter(told))
                folders.push_back(below);
        }
    } // one descriptor at a time, however deep
    std::sort(folders.begin(), folders.end());
    for (const std::string& below : folders)
        walk(below, depth + 1, enter, file);
}

std::vector<std::string> namesIn(const std::string& path, size_t most) {
    std::vector<std::string> names;
    const Folder folder = openFolder(path);
    while (const dirent* entry = folder ? readdir(folder.get()) : nullptr) {
        if (isDots(entry->d_name))
            continue;
        if (names.size() == most)
            break;
        names.emplace_back(entry->d_name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace hearth::app
