#include "app/models/files/importer.h"

#include "engine/gguf.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <linux/fs.h>
#include <set>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hearth::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = size_t{4} << 20;
constexpr uint64_t kSpare = uint64_t{64} << 20; // left free on a disk
constexpr const char* kStagePrefix = ".import-";
constexpr size_t kMostName = 200; // bytes; file systems take 255, and numbers may follow

constexpr std::string_view kHow[] = {"copy", "move", "hardlink", "symlink"};

[[noreturn]] void cannotWrite(const std::string& path) {
    throw ModelError({QT_TRANSLATE_NOOP("Models", "The file %1 cannot be written: %2."),
                      {engine::printable(path, 400), std::strerror(errno)}});
}

std::string lastPart(const std::string& path) {
    return path.substr(path.find_last_of('/') + 1);
}

std::string folderOf(const std::string& path) {
    const size_t slash = path.find_last_of('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

bool isThere(const std::string& path) { // a link that leads nowhere is something too

    struct stat status {};

    return lstat(path.c_str(), &status) == 0;
}

uint64_t deviceOf(const std::string& path) {
    struct stat status {};

    return stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_dev) : 0;
}

/// The folder itself, or the first one above it that is there.
std::string existingFolder(std::string path) {
    while (!isFolder(path) && path.size() > 1)
        path = folderOf(path);
    return path;
}

/// All ordinary files of a folder of safetensors: weights, configuration, tokenizer.
std::vector<std::string> filesOf(const std::string& folder) {
    std::vector<std::string> files;
    for (const std::string& name : namesIn(folder))
        if (!name.starts_with('.') && stampOf(folder + "/" + name))
            files.push_back(folder + "/" + name);
    return files;
}

/// The name without ".gguf", as that of a split model without the number of its part.
std::string baseName(const ImportRequest& request) {
    const FoundModel& source = request.source;
    std::string name = request.name;
    if (name.empty()) {
        name = lastPart(source.path);
        engine::SplitName split;
        if (engine::parseSplitName(source.path, split))
            name = lastPart(split.prefix);
        const bool isHash = name.starts_with("sha256-") || (name.size() == 40 && source.path != source.files.front());
        if (isHash && !source.name.empty()) // a store names its files so
            name = source.repo.empty() ? source.name : lastPart(source.repo);
    }
    if (name.size() > 5 && name.ends_with(".gguf"))
        name.resize(name.size() - 5);
    return safeFileName(name);
}

std::string partName(const std::string& base, size_t number, size_t count) {
    char ending[48];
    std::snprintf(ending, sizeof ending, "-%05zu-of-%05zu.gguf", number, count);
    return base + ending;
}

void planItems(ImportPlan& plan) {
    const ImportRequest& request = plan.request;
    const FoundModel& source = request.source;
    const std::string base = baseName(request);
    const bool isFolderModel = isFolder(source.path);
    plan.ownFolder = isFolderModel || source.files.size() > 1;
    plan.entry = freeName(request.folder, plan.ownFolder ? base : base + ".gguf");
    const auto add = [&](const std::string& from, const std::string& to) {
        const std::optional<FileStamp> stamp = stampOf(from);
        plan.items.push_back({.source = from, .target = to, .bytes = stamp ? stamp->bytes : 0});
    };
    if (isFolderModel && request.how == ImportHow::SymbolicLink) {
        plan.ownFolder = false; // the link is the folder
        plan.items.push_back({.source = source.path, .target = plan.entry, .bytes = source.bytes});
    } else if (isFolderModel) {
        for (const std::string& file : filesOf(source.path))
            add(file, plan.entry + "/" + lastPart(file));
    } else if (plan.ownFolder) {
        for (size_t i = 0; i < source.files.size(); ++i)
            add(source.files[i], plan.entry + "/" + partName(base, i + 1, source.files.size()));
    } else {
        add(source.path, plan.entry);
    }
    plan.target = plan.ownFolder && !isFolderModel ? plan.items.front().target : plan.entry;
}

Words problemOf(const ImportPlan& plan) {
    const ImportRequest& request = plan.request;
    const bool sameDisk = onOneDisk(request.source.files.front(), existingFolder(request.folder));
    const bool foreign = request.source.store != StoreKind::Own && request.source.store != StoreKind::Folder;
    if (request.how == ImportHow::Move && foreign)
        return {
            QT_TRANSLATE_NOOP("Models", "%1 belongs to %2, so it is not moved from there. Copy or link it instead."),
            {engine::printable(request.source.path, 400), std::string(storeName(request.source.store))}};
    if (request.how == ImportHow::HardLink && !sameDisk)
        return {QT_TRANSLATE_NOOP("Models", "%1 lies on another disk, where no hard link can lead. Copy it, or use a "
                                            "symbolic link."),
                {engine::printable(request.source.path, 400)}};
    if (plan.writtenBytes > 0 && (plan.freeBytes < kSpare || plan.writtenBytes > plan.freeBytes - kSpare))
        return {QT_TRANSLATE_NOOP("Models", "%1 are needed in %2, and %3 are free there."),
                {engine::readableBytes(plan.writtenBytes + kSpare), engine::printable(request.folder, 400),
                 engine::readableBytes(plan.freeBytes)}};
    return {};
}

/// A hidden folder in the models' folder, gone with what is left in it.
class Stage {
public:
    explicit Stage(const std::string& folder) {
        std::error_code error;
        fs::create_directories(folder, error);
        path_ = folder + "/" + kStagePrefix + "XXXXXX";
        if (!mkdtemp(path_.data()))
            cannotWrite(folder);
    }

    ~Stage() {
        std::error_code error;
        fs::remove_all(path_, error);
    }

    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

/// A second name for the same bytes. False: the file system has no such links, or it is another one.
bool hardLink(const std::string& from, const std::string& to) {
    if (linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0)
        return true;
    if (errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK || errno == EACCES)
        return false;
    cannotWrite(to);
}

/// Puts one file into the stage. False: stopped.
bool stageItem(const ImportPlan::Item& item, const std::string& to, ImportHow how, HashCache& cache,
               const FileProgress& progress) {
    if (how == ImportHow::SymbolicLink) {
        if (symlink(fs::absolute(item.source).c_str(), to.c_str()) != 0)
            cannotWrite(to);
        return true;
    }
    if (how != ImportHow::Copy && hardLink(item.source, to))
        return true;
    if (how == ImportHow::HardLink)
        throw ModelError(
            {QT_TRANSLATE_NOOP("Models", "No hard link can lead to %1 from here. Copy it, or use a symbolic "
                                         "link."),
             {engine::printable(item.source, 400)}});
    const std::optional<std::string> hash = copyFile(item.source, to, progress);
    if (hash)
        if (const std::optional<FileStamp> stamp = stampOf(to))
            cache.put(item.target, *stamp, {.sha256 = *hash});
    return hash.has_value();
}

/// The sources of a move, whose bytes the library has now. The note: what could not be removed.
Words removeSources(const ImportPlan& plan) {
    Words note;
    std::set<std::string> folders;
    for (const ImportPlan::Item& item : plan.items) {
        if (unlink(item.source.c_str()) != 0)
            note = {QT_TRANSLATE_NOOP("Models", "The model is in the library, but %1 could not be removed: %2."),
                    {engine::printable(item.source, 400), std::strerror(errno)}};
        folders.insert(folderOf(item.source));
    }
    if (plan.ownFolder)
        for (const std::string& folder : folders)
            rmdir(folder.c_str()); // if nothing else is in it
    return note;
}

} // namespace

std::string_view importName(ImportHow how) {
    return kHow[static_cast<size_t>(how)];
}

std::string safeFileName(std::string_view name) {
    std::string out;
    for (const char c : engine::printable(name, 4 * kMostName))
        out += static_cast<unsigned char>(c) < 32 || std::strchr("/\\:*?\"<>|\x7f", c) ? '-' : c;
    if (out.size() > kMostName) {
        size_t end = kMostName;
        while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80)
            --end;
        out.resize(end);
    }
    out.erase(0, out.find_first_not_of(". ") == std::string::npos ? out.size() : out.find_first_not_of(". "));
    while (out.ends_with(' ') || out.ends_with('.'))
        out.pop_back();
    return out.empty() ? "model" : out;
}

std::string freeName(const std::string& folder, const std::string& name) {
    const std::string ending = name.ends_with(".gguf") ? ".gguf" : "";
    const std::string base = name.substr(0, name.size() - ending.size());
    std::string path = folder + "/" + name;
    for (int number = 2; isThere(path) && number < 10000; ++number)
        path = folder + "/" + base + " (" + std::to_string(number) + ")" + ending;
    return path;
}

void syncFolder(const std::string& folder) {
    const Descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (opened)
        fsync(opened.fd());
}

uint64_t freeBytesAt(const std::string& folder) {
    struct statvfs status {};

    if (statvfs(existingFolder(folder).c_str(), &status) != 0)
        return 0;
    return static_cast<uint64_t>(status.f_bavail) * static_cast<uint64_t>(status.f_frsize);
}

bool onOneDisk(const std::string& x, const std::string& y) {
    const uint64_t a = deviceOf(x);
    return a != 0 && a == deviceOf(y);
}

bool renameNew(const std::string& from, const std::string& to) {
    if (syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    if (isThere(to)) { // a file system that cannot say "unless": look first
        errno = EEXIST;
        return false;
    }
    return rename(from.c_str(), to.c_str()) == 0;
}

std::optional<std::string> copyFile(const std::string& from, const std::string& to, const FileProgress& progress) {
    Descriptor in = openQuietly(from);
    const std::optional<FileStamp> stamp = stampOf(from);
    if (!in || !stamp)
        throw ModelError({QT_TRANSLATE_NOOP("Models", "The file %1 cannot be read: %2."),
                          {engine::printable(from, 400), std::strerror(errno)}});
    Descriptor out(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!out)
        cannotWrite(to);

    struct Remove { // unless the copy is whole
        const std::string* path;

        ~Remove() {
            if (path)
                unlink(path->c_str());
        }
    } remove{&to};

    posix_fadvise(in.fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
    Sha256 hash;
    std::vector<std::byte> buffer(kBlock);
    uint64_t done = 0;
    for (;;) {
        if (progress && !progress(done, stamp->bytes))
            return std::nullopt;
        const ssize_t n = read(in.fd(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            throw ModelError({QT_TRANSLATE_NOOP("Models", "The file %1 cannot be read: %2."),
                              {engine::printable(from, 400), std::strerror(errno)}});
        if (n == 0)
            break;
        const std::span<const std::byte> bytes = std::span(buffer).first(static_cast<size_t>(n));
        hash.add(bytes);
        for (size_t at = 0; at < bytes.size();) {
            const ssize_t written = write(out.fd(), bytes.data() + at, bytes.size() - at);
            if (written < 0 && errno != EINTR)
                cannotWrite(to);
            at += written > 0 ? static_cast<size_t>(written) : 0;
        }
        done += bytes.size();
    }
    if (done != stamp->bytes || stampOf(from) != stamp)
        throw ModelError(
            {QT_TRANSLATE_NOOP("Models", "The file %1 changed while it was read."), {engine::printable(from, 400)}});
    const timespec times[2] = {
        {0, UTIME_OMIT},
        {static_cast<time_t>(stamp->modifiedNs / 1'000'000'000), static_cast<long>(stamp->modifiedNs % 1'000'000'000)}};
    futimens(out.fd(), times);
    if (fsync(out.fd()) != 0 || !out.close())
        cannotWrite(to);
    remove.path = nullptr;
    return hash.hex();
}

std::optional<ImportPlan> planImport(const ImportRequest& request, const std::vector<FoundModel>& library,
                                     HashCache& cache, const FileProgress& progress) {
    ImportPlan plan{.request = request};
    plan.request.folder = fs::absolute(request.folder).lexically_normal().string();
    while (plan.request.folder.size() > 1 && plan.request.folder.ends_with('/'))
        plan.request.folder.pop_back();
    planItems(plan);
    plan.freeBytes = freeBytesAt(plan.request.folder);
    const bool links = request.how == ImportHow::HardLink || request.how == ImportHow::SymbolicLink ||
                       (request.how == ImportHow::Move &&
                        onOneDisk(request.source.files.front(), existingFolder(plan.request.folder)));
    for (const ImportPlan::Item& item : plan.items)
        plan.writtenBytes += links ? 0 : item.bytes;
    plan.problem = problemOf(plan);
    for (const FoundModel& known : library) {
        if (known.bytes != request.source.bytes || known.files.size() != request.source.files.size())
            continue;
        const bool itself = known.path == request.source.path && known.store != StoreKind::Own;
        if (itself)
            continue; // seen where it lies; it is to be had in the library
        std::optional<bool> same;
        try {
            same = sameBytes(request.source.files, known.files, cache, progress);
        } catch (const ModelError&) { // one that cannot be read is no reason not to bring another
            same = false;
        }
        if (!same)
            return std::nullopt;
        if (*same) {
            plan.duplicateOf = known.path;
            break;
        }
    }
    return plan;
}

ImportResult runImport(const ImportPlan& plan, HashCache& cache, const FileProgress& progress) {
    if (!plan.problem.empty())
        throw ModelError(plan.problem);
    const std::string& folder = plan.request.folder;
    const ImportHow how = plan.request.how;
    ImportResult result;
    if (progress && !progress(0, plan.writtenBytes)) {
        result.stopped = true;
        return result;
    }
    // One file on the same disk: the rename is all, on file systems without hard links too.
    if (how == ImportHow::Move && !plan.ownFolder && onOneDisk(plan.items.front().source, existingFolder(folder))) {
        std::error_code error;
        fs::create_directories(folder, error);
        if (!renameNew(plan.items.front().source, plan.entry))
            cannotWrite(plan.entry);
        syncFolder(folder);
        result.path = plan.target;
        return result;
    }
    const Stage stage(folder);
    const std::string whole = stage.path() + "/" + lastPart(plan.entry);
    if (plan.ownFolder && mkdir(whole.c_str(), 0755) != 0)
        cannotWrite(whole);
    uint64_t before = 0;
    for (const ImportPlan::Item& item : plan.items) {
        const std::string to = plan.ownFolder ? whole + "/" + lastPart(item.target) : whole;
        const FileProgress within = [&](uint64_t done, uint64_t) {
            return !progress || progress(before + done, plan.writtenBytes);
        };
        if (!stageItem(item, to, how, cache, within)) {
            result.stopped = true;
            return result;
        }
        before += plan.writtenBytes > 0 ? item.bytes : 0;
    }
    if (plan.ownFolder)
        syncFolder(whole);
    if (progress && !progress(plan.writtenBytes, plan.writtenBytes)) {
        result.stopped = true;
        return result;
    }
    if (!renameNew(whole, plan.entry))
        cannotWrite(plan.entry);
    syncFolder(folder);
    result.path = plan.target;
    if (how == ImportHow::Move)
        result.note = removeSources(plan);
    return result;
}

void removeImportLeftovers(const std::string& folder) {
    std::error_code error;
    for (const std::string& name : namesIn(folder))
        if (name.starts_with(kStagePrefix) && isFolder(folder + "/" + name))
            fs::remove_all(folder + "/" + name, error);
}

} // namespace hearth::app
