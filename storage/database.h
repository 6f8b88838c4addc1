#pragma once

#include "storage/error.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace hearth::storage {

/// A prepared statement. Binding and columns are by position, from 1 and from 0 as SQLite counts. Throws Error.
class Statement {
public:
    Statement(sqlite3*, std::string_view sql);
    ~Statement();
    Statement(Statement&&) noexcept;
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& bind(int index, int64_t);
    Statement& bind(int index, double);
    Statement& bind(int index, std::string_view); // copied
    Statement& bindNull(int index);
    bool step(); // true: a row is there
    void run();  // step to the end, then reset
    void reset();

    int64_t integer(int column) const;
    double number(int column) const;
    std::string text(int column) const;
    bool isNull(int column) const;

private:
    sqlite3_stmt* statement_ = nullptr;
};

/// One connection, used by one thread. The writer: WAL, synchronous=FULL, foreign keys, secure_delete, no mmap.
/// A reader: query_only, no checkpoints. A database of a newer schema is refused, untouched; an older one is backed up
/// beside itself and migrated. Throws Error.
class Database {
public:
    enum class Mode { Write, Read };
    Database(const std::filesystem::path&, Mode);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    Statement prepare(std::string_view sql) const;
    void execute(std::string_view sql);
    int64_t lastInsertId() const;
    int changes() const;

    sqlite3* handle() const { return db_; }

    const std::filesystem::path& path() const { return path_; }

    /// Next number of the one sequence that orders everything; inside the caller's transaction.
    int64_t nextSequence();

private:
    std::filesystem::path path_;
    sqlite3* db_ = nullptr;
};

/// BEGIN IMMEDIATE ... COMMIT; rolled back by its destructor unless committed. Does not nest.
class Transaction {
public:
    explicit Transaction(Database&);
    ~Transaction();
    void commit();

private:
    Database& db_;
    bool open_ = true;
};

/// Holds `<database>.lock` for the life of the object: one writing program at a time. Taken by the kernel (flock), so a
/// crash releases it. `tryTake` gives null when another program holds it.
class InstanceLock {
public:
    static std::unique_ptr<InstanceLock> tryTake(const std::filesystem::path& database);
    ~InstanceLock();

private:
    explicit InstanceLock(int fd) : fd_(fd) {}

    int fd_ = -1;
};

} // namespace hearth::storage
