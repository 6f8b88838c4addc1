#include "app/load_mark.h"

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

namespace hearth::app {
namespace {

constexpr size_t kLongestMark = 16384; // bytes; a path is at most 4096
constexpr std::string_view kHead = "hearth-load 1\n";
constexpr std::array<std::string_view, 3> kStages = {"loading", "loaded", "answering"};

bool writeAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n <= 0)
            return false;
        bytes.remove_prefix(size_t(n));
    }
    return true;
}

// The name is on the disk only when its folder is.
void syncFolder(const std::filesystem::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    ::fsync(fd);
    ::close(fd);
}

} // namespace

std::optional<LoadMark::Entry> LoadMark::read() const {
    const int fd = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return std::nullopt;
    std::string text(kLongestMark, '\0');
    const ssize_t n = ::read(fd, text.data(), text.size());
    ::close(fd);
    text.resize(n > 0 ? size_t(n) : 0);
    if (!text.starts_with(kHead))
        return std::nullopt;
    const size_t lineEnd = text.find('\n', kHead.size());
    if (lineEnd == std::string::npos)
        return std::nullopt;
    const std::string_view stage = std::string_view(text).substr(kHead.size(), lineEnd - kHead.size());
    for (size_t i = 0; i < kStages.size(); ++i) {
        if (stage == kStages[i] && lineEnd + 1 < text.size())
            return Entry{text.substr(lineEnd + 1), Stage(i)};
    }
    return std::nullopt;
}

bool LoadMark::write(const Entry& entry) const {
    if (file_.empty())
        return false; // no place was given; the working folder is none
    std::filesystem::path fresh = file_;
    fresh += ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    std::string text(kHead);
    text += kStages[size_t(entry.stage)];
    text += '\n';
    text += entry.path;
    const bool written = writeAll(fd, text) && ::fsync(fd) == 0;
    ::close(fd);
    if (!written || ::rename(fresh.c_str(), file_.c_str()) != 0)
        return false;
    syncFolder(file_.parent_path());
    return true;
}

void LoadMark::clear() const {
    if (::unlink(file_.c_str()) == 0)
        syncFolder(file_.parent_path());
}

} // namespace hearth::app
