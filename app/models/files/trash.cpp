#include "app/models/files/trash.h"

#include "app/models/files/importer.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace hearth::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kTrash = ".trash";
constexpr const char* kOrigin = "origin.json";
constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;

std::string trashOf(const std::string& folder) {
    return folder + "/" + kTrash;
}

/// Path below the folder; empty: it lies elsewhere, by whatever links.
std::string below(const std::string& folder, const std::string& path) {
    std::error_code error;
    const fs::path root = fs::canonical(folder, error);
    const fs::path parent = error ? fs::path() : fs::canonical(fs::path(path).parent_path(), error);
    if (error)
        return {};
    const fs::path relative = (parent / fs::path(path).filename()).lexically_relative(root);
    return relative.empty() || *relative.begin() == ".." || relative == "." ? std::string() : relative.string();
}

/// As it was written: relative, and downwards only.
bool isBelow(const std::string& relative) {
    const fs::path path(relative);
    if (relative.empty() || path.is_absolute() || relative.find('\0') != std::string::npos)
        return false;
    return std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".." || part == "."; });
}

/// The entries of the models' folder that a model consists of: its file, its folder, or its parts.
std::vector<std::string> entriesOf(const FoundModel& model) {
    if (isFolder(model.path))
        return {model.path};
    return model.files;
}

struct Moved {
    std::string from, to;
};

void putBack(const std::vector<Moved>& moved) {
    for (auto it = moved.rbegin(); it != moved.rend(); ++it)
        renameNew(it->to, it->from);
}

[[noreturn]] void cannotMove(const std::string& path, int why) {
    throw ModelError(
        {QT_TRANSLATE_NOOP("Models", "%1 cannot be moved: %2."), {engine::printable(path, 400), std::strerror(why)}});
}

void makeFolders(const std::string& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error)
        cannotMove(path, error.value());
}

/// Renames all or nothing.
void moveAll(const std::vector<Moved>& wanted) {
    std::vector<Moved> done;
    for (const Moved& move : wanted) {
        if (!renameNew(move.from, move.to)) {
            const int why = errno;
            putBack(done);
            cannotMove(move.from, why);
        }
        done.push_back(move);
    }
}

std::optional<TrashedModel> readEntry(const std::string& folder, const std::string& id,
                                      std::vector<std::string>* names) {
    const std::string place = trashOf(folder) + "/" + id;
    const json origin = json::parse(readSmallFile(place + "/" + kOrigin, 1 << 20).value_or(""), nullptr, false);
    if (!origin.is_object())
        return std::nullopt;
    try {
        TrashedModel entry{.id = id};
        const std::string relative = origin.at("path").get<std::string>();
        entry.bytes = origin.at("bytes").get<uint64_t>();
        entry.trashedAtMs = origin.at("trashedAt").get<int64_t>();
        const std::vector<std::string> entries = origin.at("entries").get<std::vector<std::string>>();
        if (!isBelow(relative) || entries.empty() || !std::all_of(entries.begin(), entries.end(), isBelow))
            return std::nullopt;
        entry.path = folder + "/" + relative;
        if (names)
            *names = entries;
        return entry;
    } catch (const json::exception&) { // of other types than ours
        return std::nullopt;
    }
}

} // namespace

TrashedModel trashModel(const std::string& folder, const FoundModel& model, int64_t nowMs) {
    const std::string relative = below(folder, model.path);
    const bool foreign = model.store != StoreKind::Own && model.store != StoreKind::Folder;
    if (foreign || relative.empty())
        throw ModelError(
            {QT_TRANSLATE_NOOP("Models", "%1 does not lie in the models’ folder, so Hearth does not delete it."),
             {engine::printable(model.path, 400)}});
    makeFolders(trashOf(folder));
    std::string place = trashOf(folder) + "/" + std::to_string(nowMs) + "-XXXXXX";
    if (!mkdtemp(place.data()))
        cannotMove(model.path, errno);
    TrashedModel entry{.id = place.substr(place.find_last_of('/') + 1),
                       .path = folder + "/" + relative,
                       .bytes = model.bytes,
                       .trashedAtMs = nowMs};
    json names = json::array();
    std::vector<Moved> moves;
    for (const std::string& path : entriesOf(model)) {
        const std::string name = below(folder, path);
        if (name.empty())
            cannotMove(path, EXDEV);
        names.push_back(name);
        moves.push_back({.from = folder + "/" + name, .to = place + "/" + std::to_string(moves.size())});
    }
    const json origin = {{"path", relative}, {"bytes", model.bytes}, {"trashedAt", nowMs}, {"entries", names}};
    try {
        std::ofstream out(place + "/" + kOrigin);
        out << origin.dump(-1, ' ', false, json::error_handler_t::replace);
        out.close();
        if (!out)
            cannotMove(model.path, ENOSPC);
        moveAll(moves);
    } catch (const ModelError&) {
        std::error_code error;
        fs::remove_all(place, error);
        throw;
    }
    syncFolder(place);
    syncFolder(folder);
    return entry;
}

std::vector<TrashedModel> trashedModels(const std::string& folder) {
    std::vector<TrashedModel> out;
    for (const std::string& id : namesIn(trashOf(folder)))
        if (std::optional<TrashedModel> entry = readEntry(folder, id, nullptr))
            out.push_back(*std::move(entry));
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& x, const auto& y) { return x.trashedAtMs > y.trashedAtMs; });
    return out;
}

std::string restoreModel(const std::string& folder, const TrashedModel& wanted) {
    std::vector<std::string> names;
    const bool plainId = !wanted.id.empty() && wanted.id.find('/') == std::string::npos && wanted.id != "..";
    const std::optional<TrashedModel> entry = plainId ? readEntry(folder, wanted.id, &names) : std::nullopt;
    if (!entry)
        throw ModelError(
            {QT_TRANSLATE_NOOP("Models", "%1 is not in the trash any more."), {engine::printable(wanted.path, 400)}});
    const std::string place = trashOf(folder) + "/" + entry->id;
    std::vector<Moved> moves;
    std::string path = entry->path;
    for (size_t i = 0; i < names.size(); ++i) {
        const fs::path to = fs::path(folder) / names[i];
        makeFolders(to.parent_path().string());
        // Parts of a split model keep their names: they mean something.
        const std::string free =
            names.size() == 1 ? freeName(to.parent_path().string(), to.filename().string()) : to.string();
        if (to.string() == entry->path)
            path = free;
        moves.push_back({.from = place + "/" + std::to_string(i), .to = free});
    }
    moveAll(moves);
    std::error_code error;
    fs::remove_all(place, error);
    syncFolder(folder);
    return path;
}

int emptyTrash(const std::string& folder, int64_t nowMs, int64_t olderThanDays) {
    int gone = 0;
    for (const TrashedModel& entry : trashedModels(folder)) {
        if (entry.trashedAtMs > nowMs - olderThanDays * kDayMs)
            continue;
        std::error_code error;
        gone += fs::remove_all(trashOf(folder) + "/" + entry.id, error) > 0 && !error;
    }
    return gone;
}

} // namespace hearth::app
