#include "app/models/files/store_move.h"

#include "app/models/files/importer.h"
#include "app/models/files/words.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace hearth::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnfinished = ".moving-"; // a copy that is not whole
constexpr uint64_t kSpare = uint64_t{64} << 20;

struct Item {
    std::string below; // path in both folders
    uint64_t bytes = 0;
    bool link = false;
};

[[noreturn]] void cannotMove(const std::string& path, int why) {
    throw ModelError(
        {QT_TRANSLATE_NOOP("Models", "%1 cannot be moved: %2."), {engine::printable(path, 400), std::strerror(why)}});
}

/// Everything but folders, links not followed, and what unfinished imports have left.
std::vector<Item> itemsOf(const std::string& from) {
    std::vector<Item> items;
    std::error_code error;
    fs::recursive_directory_iterator it(from, fs::directory_options::skip_permission_denied, error), end;
    for (; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (name.starts_with(".import-") || name.starts_with(kUnfinished)) {
            it.disable_recursion_pending();
            continue;
        }
        std::error_code ignored;
        if (it->is_symlink(ignored))
            items.push_back({.below = it->path().lexically_relative(from).string(), .link = true});
        else if (it->is_regular_file(ignored))
            items.push_back({.below = it->path().lexically_relative(from).string(),
                             .bytes = static_cast<uint64_t>(it->file_size(ignored))});
    }
    if (error)
        cannotMove(from, error.value());
    std::sort(items.begin(), items.end(), [](const Item& x, const Item& y) { return x.below < y.below; });
    return items;
}

bool equalFiles(const std::string& x, const std::string& y) {
    HashCache none;
    return sameBytes({x}, {y}, none).value_or(false);
}

std::string absolute(const std::string& path) {
    fs::path full = fs::absolute(path).lexically_normal();
    return full.has_filename() || full == full.root_path() ? full.string() : full.parent_path().string();
}

void checkFolders(const std::string& from, const std::string& to) {
    const auto within = [](const std::string& inner, const std::string& outer) {
        return inner == outer || inner.starts_with(outer + "/");
    };
    if (within(to, from) || within(from, to))
        throw ModelError({QT_TRANSLATE_NOOP("Models", "%1 and %2 lie in one another. Choose another folder."),
                          {engine::printable(from, 400), engine::printable(to, 400)}});
    std::error_code error;
    fs::create_directories(to, error);
    if (error)
        throw ModelError({QT_TRANSLATE_NOOP("Models", "The folder %1 cannot be made: %2."),
                          {engine::printable(to, 400), std::strerror(error.value())}});
    // A file is really made: permissions and disks that can only be read answer here, and by the right name.
    std::string probe = to + "/.moving-XXXXXX";
    const int file = mkstemp(probe.data());
    if (file < 0)
        throw ModelError({QT_TRANSLATE_NOOP("Models", "Nothing can be written into the folder %1: %2."),
                          {engine::printable(to, 400), std::strerror(errno)}});
    close(file);
    unlink(probe.c_str());
}

/// A move in progress.
struct Mover {
    const std::string& from;
    const std::string& to;
    bool sameDisk;
    StoreMove out;

    /// False: stopped.
    bool move(const Item&, const FileProgress&);
    bool copyOver(const Item&, const std::string& source, const std::string& target, const FileProgress&);
};

bool Mover::copyOver(const Item& item, const std::string& source, const std::string& target,
                     const FileProgress& progress) {
    const std::string unfinished = fs::path(target).parent_path().string() + "/" + kUnfinished + "copy";
    unlink(unfinished.c_str()); // of a move that ended with the program
    if (item.link) {
        std::error_code error;
        fs::copy_symlink(source, unfinished, error);
        if (error)
            cannotMove(source, error.value());
    } else if (!copyFile(source, unfinished, progress)) {
        return false;
    }
    if (!renameNew(unfinished, target)) {
        const int why = errno;
        unlink(unfinished.c_str());
        cannotMove(target, why);
    }
    syncFolder(fs::path(target).parent_path().string());
    if (unlink(source.c_str()) != 0)
        cannotMove(source, errno);
    return true;
}

bool Mover::move(const Item& item, const FileProgress& progress) {
    const std::string source = from + "/" + item.below;
    std::string target = to + "/" + item.below;
    const fs::path folder = fs::path(target).parent_path();
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
        cannotMove(source, error.value());

    struct stat status {};

    if (lstat(target.c_str(), &status) == 0) {
        const bool moved = !item.link && S_ISREG(status.st_mode) && equalFiles(source, target);
        if (moved && unlink(source.c_str()) == 0) {
            out.moved.emplace_back(source, target);
            return true;
        }
        target = freeName(folder.string(), fs::path(target).filename().string());
    }
    if (sameDisk) {
        if (!renameNew(source, target) && errno != EXDEV) // another disk may be mounted inside
            cannotMove(source, errno);
        if (lstat(source.c_str(), &status) == 0 && !copyOver(item, source, target, progress))
            return false;
    } else if (!copyOver(item, source, target, progress)) {
        return false;
    }
    out.moved.emplace_back(source, target);
    out.bytes += item.bytes;
    return true;
}

} // namespace

StoreMove moveStore(const std::string& givenFrom, const std::string& givenTo, const FileProgress& progress) {
    const std::string from = absolute(givenFrom), to = absolute(givenTo);
    checkFolders(from, to);
    const std::vector<Item> items = itemsOf(from);
    uint64_t total = 0;
    for (const Item& item : items)
        total += item.bytes;
    Mover mover{.from = from, .to = to, .sameDisk = onOneDisk(from, to)};
    if (const uint64_t free = freeBytesAt(to); !mover.sameDisk && total + kSpare > free)
        throw ModelError(
            {QT_TRANSLATE_NOOP("Models", "%1 are needed in %2, and %3 are free there."),
             {engine::readableBytes(total + kSpare), engine::printable(to, 400), engine::readableBytes(free)}});
    uint64_t before = 0;
    for (const Item& item : items) {
        const FileProgress within = [&](uint64_t done, uint64_t) {
            return !progress || progress(before + done, total);
        };
        try {
            mover.out.stopped = !within(0, 0) || !mover.move(item, within);
        } catch (const ModelError& e) {
            if (mover.out.moved.empty())
                throw;
            mover.out.problem = e.words();
        }
        if (mover.out.stopped || mover.out.problem)
            return mover.out;
        before += item.bytes;
    }
    // Folders that are empty now, the deepest first; the models' folder itself may be a mount and stays.
    std::vector<std::string> folders;
    std::error_code error;
    for (fs::recursive_directory_iterator it(from, error), end; !error && it != end; it.increment(error))
        if (!it->is_symlink(error) && it->is_directory(error))
            folders.push_back(it->path().string());
    for (auto it = folders.rbegin(); it != folders.rend(); ++it)
        rmdir(it->c_str());
    if (progress)
        progress(total, total);
    return mover.out;
}

} // namespace hearth::app
