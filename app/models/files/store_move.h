#pragma once

#include "app/models/files/file_hash.h"
#include "app/models/files/words.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hearth::app {

struct StoreMove {
    bool stopped = false;                                   // what was moved so far is there; called again it goes on
    std::optional<Words> problem;                           // the same, because it could not go on
    std::vector<std::pair<std::string, std::string>> moved; // of each file the old path and the new one
    uint64_t bytes = 0;                                     // of these
};

/// Moves all of a models' folder, its trash too, to another one. File by file, each by one rename or, to another disk,
/// by a copy that is whole on the disk before the file goes: at any moment every model is whole in one of the two. A
/// file that the end of the program has left in both is taken as moved when its bytes are the same; another one of the
/// same name stays beside it. Throws ModelError where not one file was moved, and before the first byte where it sees
/// that it cannot be done.
StoreMove moveStore(const std::string& from, const std::string& to, const FileProgress& progress = {});

} // namespace hearth::app
