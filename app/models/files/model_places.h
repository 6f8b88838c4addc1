#pragma once

#include "app/models/files/file_hash.h"
#include "app/models/files/model_stores.h"
#include "storage/models.h"
#include "storage/settings.h"

#include <string>
#include <vector>

namespace hearth::app {

// Keys of the table `settings`.
inline constexpr const char* kModelFolderSetting = "models.folder";        // empty: "models" in the data folder
inline constexpr const char* kAddedFoldersSetting = "models.folders";      // read in place, one a line
inline constexpr const char* kForeignStoresSetting = "models.otherStores"; // "0": those of other programs are not read

/// Where the models of a person lie.
struct ModelPlaces {
    std::string folder;             // the library's own
    std::vector<std::string> added; // folders that are read in place
    bool otherStores = true;        // those of other programs

    /// All of it, the own folder first.
    std::vector<StoreRoot> roots(const StoreEnvironment&) const;
};

/// Storage thread. `fallback`: the models' folder where the settings name none.
ModelPlaces readModelPlaces(const storage::Settings&, const std::string& fallback);
std::string addedFoldersText(const std::vector<std::string>&); // for kAddedFoldersSetting

/// What earlier sessions hashed, and what this one did. Storage thread.
HashCache loadHashes(const storage::Models&);
void storeHashes(storage::Models&, const HashCache&);

} // namespace hearth::app
