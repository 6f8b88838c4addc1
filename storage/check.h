#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hearth::storage {

struct CheckReport {
    std::vector<std::string> problems; // a sentence each; empty: the database is sound
    int64_t conversations = 0;         // the trash included
    int64_t messages = 0;

    bool ok() const { return problems.empty(); }
};

/// Reads the whole file, read-only: SQLite's integrity check, rows whose parent or conversation is missing, and whether
/// the search index holds exactly the words of the rows. Throws Error when the file cannot be opened at all.
CheckReport check(const std::filesystem::path&);

} // namespace hearth::storage
