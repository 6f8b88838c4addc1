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

    Statement& bind(int index, int value) { return bind(index, static_cast<int64_t>(value)); }

    Statement& bind(int index, double);
    Statement& bind(int index, std::string_view); // copied
    Statement& bindNull(int index);
    bool step(); // true: a row is there
    void run();  // steps to the end, then resets
    void reset();

    int64_t integer(int column) const;
    double number(int column) const;
    std::string text(int column) const;
    bool isNull(int column) const;

private:
    sqlite3_stmt* statement_ = nullptr;
};

/// One connection, used by one thread. The writer: WAL, synchronous=FULL, foreign keys, secure_delete, no mmap.
/// A reader: opened read-only, query_only, no checkpoints. A database of a newer schema is refused, untouched; an older
/// one is backed up beside itself and migrated (a reader refuses it). A missing or empty file becomes a new database,
/// readable by its owner alone. Throws Error.
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

    int walPages() const { return walPages_; } // pages in the log after the last commit

    /// Moves the log into the file when it holds at least `pages`. Only the writing connection does so, and never
    /// SQLite by itself: a step of a growing reply must not pay for it.
    void checkpoint(int pages);

private:
    void configure(Mode);
    void openForWriting(uintmax_t size); // bytes of the file; 0: new
    void openForReading(uintmax_t size);

    std::filesystem::path path_;
    sqlite3* db_ = nullptr;
    int walPages_ = 0;
};

/// BEGIN IMMEDIATE ... COMMIT; rolled back by its destructor unless committed. Does not nest.
class Transaction {
public:
    /// Small: a step that must stay small leaves the checkpoint to the next commit that is not.
    enum class Size { Normal, Small };
    explicit Transaction(Database&, Size size = Size::Normal);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit();

private:
    Database& db_;
    Size size_;
    bool open_ = true;
};

/// Holds `<database>.lock` for the life of the object: one writing program at a time. Taken by the kernel (flock), so a
/// crash releases it. `tryTake` gives null when another program holds it, and throws when the lock cannot be made.
class InstanceLock {
public:
    static std::unique_ptr<InstanceLock> tryTake(const std::filesystem::path& database);
    ~InstanceLock();
    InstanceLock(const InstanceLock&) = delete;
    InstanceLock& operator=(const InstanceLock&) = delete;

private:
    explicit InstanceLock(int fd) : fd_(fd) {}

    int fd_ = -1;
};

} // namespace hearth::storage
