#include "app/models/files/model_places.h"

#include <algorithm>
#include <sstream>

namespace hearth::app {

std::vector<StoreRoot> ModelPlaces::roots(const StoreEnvironment& environment) const {
    std::vector<StoreRoot> roots;
    if (!folder.empty())
        roots.push_back({StoreKind::Own, folder});
    for (const std::string& path : added)
        roots.push_back({StoreKind::Folder, path});
    if (otherStores)
        for (StoreRoot& root : foreignRoots(environment))
            roots.push_back(std::move(root));
    return roots;
}

ModelPlaces readModelPlaces(const storage::Settings& settings, const std::string& fallback) {
    ModelPlaces places;
    places.folder = settings.find(kModelFolderSetting).value_or("");
    if (places.folder.empty())
        places.folder = fallback;
    std::istringstream lines(settings.find(kAddedFoldersSetting).value_or(""));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with('/') && std::find(places.added.begin(), places.added.end(), line) == places.added.end())
            places.added.push_back(line);
    places.otherStores = settings.find(kForeignStoresSetting).value_or("1") != "0";
    return places;
}

std::string addedFoldersText(const std::vector<std::string>& folders) {
    std::string text;
    for (const std::string& folder : folders)
        if (folder.find('\n') == std::string::npos) // a name like this cannot be kept
            text += (text.empty() ? "" : "\n") + folder;
    return text;
}

HashCache loadHashes(const storage::Models& models) {
    HashCache cache;
    for (const auto& [file, hashes] : models.allHashes())
        cache.load(file.path,
                   {.inode = static_cast<uint64_t>(file.inode),
                    .bytes = static_cast<uint64_t>(file.bytes),
                    .modifiedNs = file.modifiedNs},
                   {.sampled = hashes.sampled, .sha256 = hashes.sha256});
    return cache;
}

void storeHashes(storage::Models& models, const HashCache& cache) {
    for (const auto& [path, entry] : cache.entries())
        if (entry.fresh)
            models.setHashes({.path = path,
                              .inode = static_cast<int64_t>(entry.stamp.inode),
                              .bytes = static_cast<int64_t>(entry.stamp.bytes),
                              .modifiedNs = entry.stamp.modifiedNs},
                             {.sampled = entry.hashes.sampled, .sha256 = entry.hashes.sha256});
}

} // namespace hearth::app
