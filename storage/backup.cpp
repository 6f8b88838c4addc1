#include "storage/backup.h"

#include "storage/database.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace hearth::storage {

namespace fs = std::filesystem;

namespace {

using Connection = std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)>;

[[noreturn]] void failFile(const fs::path& path, int cause) {
    throw Error("The backup " + path.string() + " could not be written: " + std::strerror(cause) +
                    (cause == ENOSPC ? ". Free some space and try again." : ". Choose another folder for it."),
                cause == ENOSPC ? SQLITE_FULL : SQLITE_CANTOPEN);
}

void createPrivately(const fs::path& path) {
    std::error_code ignored;
    fs::remove(path, ignored); // what an earlier, unfinished backup left
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        failFile(path, errno);
    ::close(fd);
}

void flush(const fs::path& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
    if (fd < 0)
        failFile(path, errno);
    const int code = ::fsync(fd);
    const int cause = errno;
    ::close(fd);
    if (code != 0 && cause != EINVAL) // some file systems cannot flush a folder
        failFile(path, cause);
}

Connection openCopy(const fs::path& path) {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Connection copy(raw, sqlite3_close_v2);
    if (code != SQLITE_OK)
        fail(raw, code);
    sqlite3_extended_result_codes(raw, 1);
    return copy;
}

void copyPages(sqlite3* from, sqlite3* to) {
    sqlite3_backup* job = sqlite3_backup_init(to, "main", from, "main");
    if (!job)
        fail(to, sqlite3_extended_errcode(to));
    const int code = sqlite3_backup_step(job, -1);
    const int end = sqlite3_backup_finish(job);
    if (code == SQLITE_DONE && end == SQLITE_OK)
        return;
    const int cause = code == SQLITE_DONE ? end : code;
    // Which of the two files failed is not told; a full disk can only be the copy's.
    fail((cause & 0xff) == SQLITE_CORRUPT ? from : to, cause);
}

void verify(sqlite3* copy, const fs::path& destination) {
    Statement(copy, "PRAGMA journal_mode = DELETE").run(); // one file, no log beside it
    Statement integrity(copy, "PRAGMA integrity_check(1)");
    if (!integrity.step() || integrity.text(0) != "ok")
        throw Error("The backup " + destination.string() + " was not made, for the database itself is damaged: " +
                        integrity.text(0) + ". The database was left as it is; keep it, and restore an earlier backup.",
                    SQLITE_CORRUPT);
}

} // namespace

void backup(const Database& db, const fs::path& destination) {
    std::error_code error;
    const fs::path target = fs::absolute(destination, error);
    if (error)
        failFile(destination, error.value());
    if (fs::equivalent(target, db.path(), error) && !error)
        throw Error("A backup cannot have the name of the database itself. Choose another name.");
    const fs::path part = target.string() + ".part";
    createPrivately(part);
    try {
        {
            const Connection copy = openCopy(part);
            copyPages(db.handle(), copy.get());
            verify(copy.get(), target);
        }
        flush(part, O_RDWR);
        if (::rename(part.c_str(), target.c_str()) != 0)
            failFile(target, errno);
        flush(target.parent_path(), O_RDONLY | O_DIRECTORY);
    } catch (...) {
        for (const char* suffix : {"", "-journal", "-wal", "-shm"})
            fs::remove(part.string() + suffix, error);
        throw;
    }
}

} // namespace hearth::storage
