#pragma once

#include "app/models/files/model_stores.h"
#include "app/models/files/words.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hearth::app {

/// A model that was removed and can come back: it lies in ".trash" of the models' folder, so nothing is copied.
struct TrashedModel {
    std::string id;   // its folder in the trash
    std::string path; // what the engine opened, and will again
    uint64_t bytes = 0;
    int64_t trashedAtMs = 0; // since 1970
};

inline constexpr int64_t kModelTrashDays = 30;

/// Takes a model out of the models' folder. Files of other programs, and any that lie elsewhere, are refused: the list
/// may forget them, and nothing more. Of a link the link goes, not what it leads to. Throws ModelError; then everything
/// is where it was.
TrashedModel trashModel(const std::string& folder, const FoundModel&, int64_t nowMs);

/// What lies in the trash, newest first. Entries that make no sense are left out.
std::vector<TrashedModel> trashedModels(const std::string& folder);

/// Brings it back, beside what has taken its place since. The path of the model. Throws ModelError.
std::string restoreModel(const std::string& folder, const TrashedModel&);

/// Deletes what has lain there for so long, for good. How many models.
int emptyTrash(const std::string& folder, int64_t nowMs, int64_t olderThanDays = kModelTrashDays);

} // namespace hearth::app
