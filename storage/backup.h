#pragma once

#include <filesystem>

namespace hearth::storage {

class Database;

/// Copies the database, as it is now, into one file at `destination` (replaced at once or not at all), readable by its
/// owner alone. The copy is read back and checked before it takes the name. Called on the connection's thread. Throws
/// Error.
void backup(const Database&, const std::filesystem::path& destination);

} // namespace hearth::storage
