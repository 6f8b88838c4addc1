#include "storage/error.h"

#include <sqlite3.h>

#include <cerrno>

namespace hearth::storage {

namespace {

int primary(int code) {
    return code & 0xff;
}

bool outOfSpace(sqlite3* connection, int code) {
    if (primary(code) == SQLITE_FULL)
        return true;
    if (primary(code) != SQLITE_IOERR || !connection)
        return false;
    const int cause = sqlite3_system_errno(connection);
    return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
}

/// What a person can do about each kind of failure; the first part of the sentence says where.
const char* advice(int code) {
    switch (primary(code)) {
    case SQLITE_CORRUPT:
        return "is damaged. It was left as it is; restore a backup, or run hearth-cli check.";
    case SQLITE_NOTADB:
        return "is not a Hearth database, or its header is damaged. It was left as it is.";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "is in use by another program. Close that program and try again.";
    case SQLITE_READONLY:
        return "cannot be written. Check the permissions of the file and of its folder.";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return "cannot be opened. Check that the file and its folder exist and can be read and written.";
    case SQLITE_NOMEM:
        return "needs more memory than there is. Close other programs and try again.";
    case SQLITE_IOERR:
        return "cannot be read or written: the disk reports an error. Check the disk; what was saved before is kept.";
    case SQLITE_TOOBIG:
        return "cannot hold a text this large.";
    default:
        return "could not do this.";
    }
}

} // namespace

bool Error::isDiskFull() const {
    return primary(code_) == SQLITE_FULL;
}

bool Error::isDamage() const {
    return primary(code_) == SQLITE_CORRUPT || primary(code_) == SQLITE_NOTADB;
}

void fail(sqlite3* connection, int code) {
    const char* file = connection ? sqlite3_db_filename(connection, "main") : nullptr;
    const std::string where = file && *file ? std::string("The database ") + file : std::string("The database");
    if (outOfSpace(connection, code))
        throw Error(where + " could not be saved: the disk is full. Free some space and try again; what was saved "
                            "before is safe.",
                    SQLITE_FULL);
    std::string sentence = where + " " + advice(code);
    const char* detail = connection ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
    if (detail)
        sentence += std::string(" (SQLite: ") + detail + ")";
    throw Error(sentence, code);
}

} // namespace hearth::storage
