#pragma once

#include <cstdint>
#include <span>

namespace hearth::storage {

class Database;

/// Marks the file as Hearth's own ("Hrth").
inline constexpr int64_t kApplicationId = 0x48727468;

/// One step of the schema. The list only grows: a step that was released never changes, and its row's place is the
/// version it leads to (the first row leads to 1).
struct Migration {
    const char* what;
    const char* sql;
};

std::span<const Migration> migrations();
int newestSchema();

/// The version a file has, 0 for an empty one. Refuses another program's file and a newer Hearth's. Changes nothing.
int schemaVersion(const Database&);

/// Brings the schema up to date, each step in one transaction. A database that holds something is first copied beside
/// itself, to `<file>.v<version>.backup`. Throws Error; the steps that were done stay.
void migrate(Database&);

} // namespace hearth::storage
