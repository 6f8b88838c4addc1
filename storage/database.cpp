#include "storage/database.h"

#include "storage/fts_tokenizer.h"
#include "storage/migrations.h"

#include <sqlite3.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace hearth::storage {

namespace fs = std::filesystem;

namespace {

constexpr int kBusyMs = 5000;
constexpr int kCheckpointPages = 2000;   // 4 MB of log: about 400 messages
constexpr int kOverduePages = 32 * 1024; // 64 MB: even a small step pays now
constexpr int kPageBytes = 2048;         // with 4096, splitting a tree of chunks would write more than 16 KB
constexpr int kHeaderBytes = 100;

void check(sqlite3* db, int code) {
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE)
        fail(db, code);
}

std::string sentence(const fs::path& path, const char* rest) {
    return "The database " + path.string() + " " + rest;
}

/// The real place of a database, so that two links to one file share one lock.
fs::path resolved(const fs::path& path) {
    std::error_code error;
    const fs::path real = fs::weakly_canonical(fs::absolute(path, error), error);
    if (error)
        throw Error(sentence(path, "cannot be opened: ") + error.message() + ". Choose another place for it.");
    return real;
}

/// Checks what can be checked before SQLite touches the file. Returns its size; 0: missing or empty.
uintmax_t inspectFile(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found)
        return 0;
    if (error)
        throw Error(sentence(path, "cannot be opened: ") + error.message() + ". Check its permissions.");
    if (status.type() == fs::file_type::directory)
        throw Error(sentence(path, "is a folder, not a file. Choose another place for it."));
    if (status.type() != fs::file_type::regular)
        throw Error(sentence(path, "is not an ordinary file. Choose another place for it."));
    const uintmax_t size = fs::file_size(path, error);
    if (error)
        throw Error(sentence(path, "cannot be opened: ") + error.message() + ".");
    return size;
}

/// Checks the first 100 bytes, as SQLite's file format gives them. Read through the connection: closing a file of our
/// own would drop the locks that this process holds on it for other connections.
void inspectHeader(sqlite3* db, const fs::path& path, uintmax_t size) {
    std::array<unsigned char, kHeaderBytes> header{}; // a short file leaves zeros
    sqlite3_file* file = nullptr;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (!file || !file->pMethods)
        throw Error(sentence(path, "cannot be read. Check its permissions."), SQLITE_CANTOPEN);
    const int code = file->pMethods->xRead(file, header.data(), kHeaderBytes, 0);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
        fail(db, code);
    if (std::memcmp(header.data(), "SQLite format 3", 16) != 0)
        throw Error(sentence(path, "is not a Hearth database. It was left as it is; choose another file."),
                    SQLITE_NOTADB);
    const unsigned pageField = header[16] << 8 | header[17];
    const unsigned pageBytes = pageField == 1 ? 65536 : pageField;
    if (pageBytes < 512 || !std::has_single_bit(pageBytes) || size < pageBytes)
        throw Error(sentence(path, "is damaged in its header. It was left as it is; restore a backup."),
                    SQLITE_CORRUPT);
}

/// A log beside an empty file would be thrown away by SQLite, with everything in it.
void refuseOrphanLog(const fs::path& path) {
    std::error_code error;
    const fs::path log = path.string() + "-wal";
    const uintmax_t size = fs::file_size(log, error);
    if (!error && size > 0)
        throw Error(sentence(path, "is empty, but its log ") + log.string() +
                    " still holds data. Both were left as they are; restore a backup, or move the log away to begin "
                    "anew.");
}

void createPrivately(const fs::path& path) {
    std::error_code error;
    if (path.has_parent_path())
        fs::create_directories(path.parent_path(), error);
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        throw Error(
            sentence(path, "cannot be created: ") + std::strerror(errno) +
                (errno == ENOSPC ? ". Free some space and try again." : ". Check the permissions of its folder."),
            errno == ENOSPC ? SQLITE_FULL : SQLITE_CANTOPEN);
    ::close(fd);
}

/// For a folder that cannot be written: no log can be opened there, so the file is read as one that nobody changes.
std::string immutableUri(const fs::path& path) {
    std::string uri = "file:";
    for (const unsigned char c : path.string()) {
        static const char* digits = "0123456789ABCDEF";
        if (std::isalnum(c) || c == '/' || c == '.' || c == '_' || c == '-')
            uri += static_cast<char>(c);
        else
            (uri += '%') += {digits[c >> 4], digits[c & 15]};
    }
    return uri + "?immutable=1";
}

int64_t pragma(sqlite3* db, const char* sql) {
    Statement statement(db, sql);
    return statement.step() ? statement.integer(0) : 0;
}

} // namespace

Statement::Statement(sqlite3* db, std::string_view sql) {
    const int code = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
    check(db, code);
    if (!statement_)
        throw Error("An empty SQL statement was prepared.", SQLITE_MISUSE);
}

Statement::~Statement() {
    sqlite3_finalize(statement_);
}

Statement::Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::bind(int index, int64_t value) {
    check(sqlite3_db_handle(statement_), sqlite3_bind_int64(statement_, index, value));
    return *this;
}

Statement& Statement::bind(int index, double value) {
    check(sqlite3_db_handle(statement_), sqlite3_bind_double(statement_, index, value));
    return *this;
}

Statement& Statement::bind(int index, std::string_view value) {
    const char* data = value.data() ? value.data() : ""; // a null pointer would bind NULL
    check(sqlite3_db_handle(statement_),
          sqlite3_bind_text64(statement_, index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    return *this;
}

Statement& Statement::bindNull(int index) {
    check(sqlite3_db_handle(statement_), sqlite3_bind_null(statement_, index));
    return *this;
}

bool Statement::step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW)
        return true;
    if (code == SQLITE_DONE)
        return false;
    try {
        fail(sqlite3_db_handle(statement_), code);
    } catch (...) {
        sqlite3_reset(statement_);
        throw;
    }
}

void Statement::run() {
    while (step()) {
    }
    reset();
}

void Statement::reset() {
    sqlite3_reset(statement_);
}

int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

double Statement::number(int column) const {
    return sqlite3_column_double(statement_, column);
}

std::string Statement::text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    const int size = sqlite3_column_bytes(statement_, column);
    return data ? std::string(data, static_cast<size_t>(size)) : std::string();
}

bool Statement::isNull(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Database::Database(const fs::path& path, Mode mode) : path_(resolved(path)) {
    const uintmax_t size = inspectFile(path_);
    if (size == 0 && mode == Mode::Read)
        throw Error(sentence(path_, "is missing or empty, so there is nothing to read."), SQLITE_CANTOPEN);
    if (size == 0)
        refuseOrphanLog(path_);
    try {
        if (mode == Mode::Write)
            openForWriting(size);
        else
            openForReading(size);
    } catch (...) {
        sqlite3_close_v2(db_);
        throw;
    }
}

Database::~Database() {
    sqlite3_close_v2(db_);
}

/// What holds for every connection. Nothing here writes: whether this program may is not known yet.
void Database::configure(Mode mode) {
    sqlite3_extended_result_codes(db_, 1);
    sqlite3_busy_timeout(db_, kBusyMs);
    // Until the schema is known to be ours, closing must not move a log into the file.
    sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    // A file may come from a stranger: its schema runs nothing.
    sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
    sqlite3_wal_autocheckpoint(db_, 0);
    registerTokenizer(db_);
    execute("PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192");
    if (mode == Mode::Read)
        execute("PRAGMA query_only = ON");
}

void Database::openForWriting(uintmax_t size) {
    if (size == 0)
        createPrivately(path_);
    check(db_, sqlite3_open_v2(path_.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr));
    if (size > 0)
        inspectHeader(db_, path_, size);
    configure(Mode::Write);
    const int version = schemaVersion(*this);
    if (version == 0)
        execute("PRAGMA page_size = " + std::to_string(kPageBytes));
    {
        Statement mode(db_, "PRAGMA journal_mode = WAL");
        if (!mode.step() || mode.text(0) != "wal")
            throw Error(sentence(path_, "lies on a file system that cannot keep a write-ahead log. Choose a folder on "
                                        "a local disk."));
    }
    execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
            "PRAGMA journal_size_limit = 8388608");
    sqlite3_wal_hook(
        db_,
        [](void* pages, sqlite3*, const char*, int count) {
            *static_cast<int*>(pages) = count;
            return SQLITE_OK;
        },
        &walPages_);
    migrate(*this);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
}

void Database::openForReading(uintmax_t size) {
    const auto attempt = [this, size](const std::string& name, int flags) {
        check(db_, sqlite3_open_v2(name.c_str(), &db_, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | flags, nullptr));
        inspectHeader(db_, path_, size);
        configure(Mode::Read);
        return schemaVersion(*this);
    };
    int version = 0;
    try {
        version = attempt(path_.string(), 0);
    } catch (const Error& error) {
        std::error_code ignored;
        const bool noLog = fs::file_size(path_.string() + "-wal", ignored) == 0 || ignored;
        if ((error.code() & 0xff) != SQLITE_CANTOPEN || !noLog)
            throw;
        sqlite3_close_v2(std::exchange(db_, nullptr));
        version = attempt(immutableUri(path_), SQLITE_OPEN_URI);
    }
    if (version < newestSchema())
        throw Error(sentence(path_, "was written by an older Hearth. Start Hearth once to bring it up to date."));
}

Statement Database::prepare(std::string_view sql) const {
    return Statement(db_, sql);
}

void Database::execute(std::string_view sql) {
    const std::string text(sql);
    check(db_, sqlite3_exec(db_, text.c_str(), nullptr, nullptr, nullptr));
}

int64_t Database::lastInsertId() const {
    return sqlite3_last_insert_rowid(db_);
}

int Database::changes() const {
    return sqlite3_changes(db_);
}

int64_t Database::nextSequence() {
    Statement next(db_, "INSERT INTO sequence(id, value) VALUES(1, 1) "
                        "ON CONFLICT(id) DO UPDATE SET value = value + 1 RETURNING value");
    next.step();
    const int64_t value = next.integer(0);
    next.run(); // the change counts only when the statement has ended
    return value;
}

void Database::checkpoint(int pages) {
    if (walPages_ < pages || walPages_ == 0)
        return;
    int left = 0;
    int moved = 0;
    // A failure loses nothing: the log stays, and the next commit tries again.
    if (sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, &left, &moved) == SQLITE_OK && left == moved)
        walPages_ = 0;
}

int schemaVersion(const Database& db) {
    const auto version = static_cast<int>(pragma(db.handle(), "PRAGMA user_version"));
    const int64_t owner = pragma(db.handle(), "PRAGMA application_id");
    const int64_t objects = pragma(db.handle(), "SELECT count(*) FROM sqlite_schema");
    if (owner == kApplicationId && version > newestSchema())
        throw Error(sentence(db.path(), "was written by a newer Hearth (its schema is ") + std::to_string(version) +
                    ", this one knows " + std::to_string(newestSchema()) +
                    "). Nothing was changed; start the newer Hearth.");
    const bool fresh = version == 0 && owner == 0 && objects == 0;
    if (!fresh && (owner != kApplicationId || version < 1))
        throw Error(sentence(db.path(), "belongs to another program. It was left as it is; choose another file."));
    return version;
}

Transaction::Transaction(Database& db, Size size) : db_(db), size_(size) {
    db_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
    // After some failures SQLite has rolled back by itself.
    if (open_ && !sqlite3_get_autocommit(db_.handle()))
        sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
    db_.execute("COMMIT");
    open_ = false;
    db_.checkpoint(size_ == Size::Small ? kOverduePages : kCheckpointPages);
}

std::unique_ptr<InstanceLock> InstanceLock::tryTake(const fs::path& database) {
    const fs::path path = resolved(database).string() + ".lock";
    std::error_code ignored;
    fs::create_directories(path.parent_path(), ignored);
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        throw Error("The lock " + path.string() + " cannot be made: " + std::strerror(errno) +
                    ". Check the permissions of its folder.");
    int taken = 0;
    do {
        taken = ::flock(fd, LOCK_EX | LOCK_NB);
    } while (taken != 0 && errno == EINTR);
    if (taken == 0)
        return std::unique_ptr<InstanceLock>(new InstanceLock(fd));
    const int cause = errno;
    ::close(fd);
    if (cause == EWOULDBLOCK)
        return nullptr;
    throw Error("The lock " + path.string() + " cannot be taken: " + std::strerror(cause) +
                ". Choose a folder on a local disk.");
}

InstanceLock::~InstanceLock() {
    ::close(fd_);
}

} // namespace hearth::storage
