#include "app/prefix_folder.h"

#include "engine/prefix_file.h"

#include <charconv>
#include <system_error>
#include <utility>

namespace hearth::app {
namespace {

/// The conversation that a file's name tells; -1: it is none of ours.
int64_t conversationOf(const std::filesystem::path& file) {
    const std::string name = file.filename().string();
    int64_t id = 0;
    const auto [rest, problem] = std::from_chars(name.data(), name.data() + name.size(), id);
    const bool known = problem == std::errc() && rest != name.data() + name.size() && *rest == '-';
    return known && file.extension() == ".kv" ? id : -1;
}

} // namespace

void PrefixFolder::open(std::filesystem::path folder) {
    folder_ = std::move(folder);
}

std::string PrefixFolder::file(int64_t conversation, const std::string& cacheKey) {
    if (conversation == 0 || folder_.empty())
        return {};
    std::error_code error;
    if (std::filesystem::create_directories(folder_, error))
        std::filesystem::permissions(folder_, std::filesystem::perms::owner_all, error);
    return (folder_ / (std::to_string(conversation) + '-' + cacheKey + ".kv")).string();
}

bool PrefixFolder::firstTime(const std::string& file) {
    return !file.empty() && read_.insert(file).second;
}

void PrefixFolder::forget(int64_t conversation) {
    const std::lock_guard lock(mutex_);
    forgotten_.push_back(conversation);
}

std::vector<int64_t> PrefixFolder::takeForgotten() {
    const std::lock_guard lock(mutex_);
    return std::exchange(forgotten_, {});
}

PrefixFolder::Which PrefixFolder::filesOf(std::function<bool(int64_t)> goes) {
    return [goes = std::move(goes)](const std::string& path) {
        const int64_t id = conversationOf(path);
        return id >= 0 && goes(id);
    };
}

void PrefixFolder::remove(const Which& which) {
    if (folder_.empty())
        return;
    std::erase_if(read_, which);
    std::error_code error;
    std::vector<std::filesystem::path> gone;
    for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error))
        if (which(it->path().string()))
            gone.push_back(it->path());
    for (const std::filesystem::path& path : gone)
        std::filesystem::remove(path, error);
}

void PrefixFolder::prune(uint64_t mostBytes) const {
    if (!folder_.empty())
        engine::prunePrefixFiles(folder_.string(), mostBytes);
}

} // namespace hearth::app
