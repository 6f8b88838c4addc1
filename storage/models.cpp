#include "storage/models.h"

#include "storage/database.h"

#include <initializer_list>
#include <string_view>

namespace hearth::storage {

namespace {

constexpr const char* kSelect = "SELECT path, source, repo, revision, url, license, last_used_at, decode_speed, "
                                "prefill_speed, measured_at, defaults, hidden, trash_path, trashed_at FROM models";

ModelRecord read(const Statement& row) {
    ModelRecord m;
    m.path = row.text(0);
    m.origin = {row.text(1), row.text(2), row.text(3), row.text(4), row.text(5)};
    m.lastUsedAt = row.integer(6);
    m.decodeSpeed = row.number(7);
    m.prefillSpeed = row.number(8);
    m.measuredAt = row.integer(9);
    m.defaults = row.text(10);
    m.hidden = row.integer(11) != 0;
    m.trashPath = row.text(12);
    m.trashedAt = row.integer(13);
    return m;
}

/// `INSERT ... ON CONFLICT UPDATE` of the columns that `assignments` names with ?2 and on; ?1 is the path.
Statement upsert(Database& db, std::string_view columns, std::string_view values, std::string_view assignments) {
    return db.prepare("INSERT INTO models(path, " + std::string(columns) + ") VALUES(?1, " + std::string(values) +
                      ") ON CONFLICT(path) DO UPDATE SET " + std::string(assignments));
}

} // namespace

std::optional<ModelRecord> Models::find(const std::string& path) const {
    Statement select = db_.prepare(std::string(kSelect) + " WHERE path = ?1");
    if (!select.bind(1, path).step())
        return std::nullopt;
    return read(select);
}

std::vector<ModelRecord> Models::all() const {
    std::vector<ModelRecord> out;
    Statement select = db_.prepare(std::string(kSelect) + " ORDER BY path");
    while (select.step())
        out.push_back(read(select));
    return out;
}

void Models::setOrigin(const std::string& path, const ModelOrigin& origin) {
    upsert(db_, "source, repo, revision, url, license", "?2, ?3, ?4, ?5, ?6",
           "source = ?2, repo = ?3, revision = ?4, url = ?5, license = ?6")
        .bind(1, path)
        .bind(2, origin.source)
        .bind(3, origin.repo)
        .bind(4, origin.revision)
        .bind(5, origin.url)
        .bind(6, origin.license)
        .run();
}

void Models::used(const std::string& path, int64_t atMs) {
    upsert(db_, "last_used_at", "?2", "last_used_at = ?2").bind(1, path).bind(2, atMs).run();
}

void Models::measured(const std::string& path, double decodeSpeed, double prefillSpeed, int64_t atMs) {
    if (decodeSpeed <= 0 && prefillSpeed <= 0)
        return;
    upsert(db_, "decode_speed, prefill_speed, measured_at", "?2, ?3, ?4",
           "decode_speed = CASE WHEN ?2 > 0 THEN ?2 ELSE decode_speed END, "
           "prefill_speed = CASE WHEN ?3 > 0 THEN ?3 ELSE prefill_speed END, measured_at = ?4")
        .bind(1, path)
        .bind(2, decodeSpeed)
        .bind(3, prefillSpeed)
        .bind(4, atMs)
        .run();
}

void Models::setDefaults(const std::string& path, const std::string& json) {
    upsert(db_, "defaults", "?2", "defaults = ?2").bind(1, path).bind(2, json).run();
}

void Models::hide(const std::string& path, bool hidden) {
    upsert(db_, "hidden", "?2", "hidden = ?2").bind(1, path).bind(2, hidden ? 1 : 0).run();
}

void Models::trash(const std::string& path, const std::string& trashPath, int64_t atMs) {
    upsert(db_, "trash_path, trashed_at", "?2, ?3", "trash_path = ?2, trashed_at = ?3")
        .bind(1, path)
        .bind(2, trashPath)
        .bind(3, atMs)
        .run();
}

void Models::untrash(const std::string& path) {
    db_.prepare("UPDATE models SET trash_path = '', trashed_at = 0 WHERE path = ?1").bind(1, path).run();
}

void Models::moved(const std::string& from, const std::string& to) {
    if (from == to)
        return;
    Transaction transaction(db_);
    for (const char* table : {"models", "file_hashes"}) {
        const std::string name = table;
        db_.prepare("DELETE FROM " + name + " WHERE path = ?2 AND EXISTS(SELECT 1 FROM " + name + " WHERE path = ?1)")
            .bind(1, from)
            .bind(2, to)
            .run();
        db_.prepare("UPDATE " + name + " SET path = ?2 WHERE path = ?1").bind(1, from).bind(2, to).run();
    }
    transaction.commit();
}

void Models::forget(const std::string& path) {
    Transaction transaction(db_);
    for (const char* sql : {"DELETE FROM models WHERE path = ?1", "DELETE FROM file_hashes WHERE path = ?1"})
        db_.prepare(sql).bind(1, path).run();
    transaction.commit();
}

std::vector<std::pair<HashedFile, FileHashes>> Models::allHashes() const {
    std::vector<std::pair<HashedFile, FileHashes>> out;
    Statement select =
        db_.prepare("SELECT path, inode, bytes, modified_ns, sampled, sha256 FROM file_hashes ORDER BY path");
    while (select.step())
        out.emplace_back(HashedFile{select.text(0), select.integer(1), select.integer(2), select.integer(3)},
                         FileHashes{select.text(4), select.text(5)});
    return out;
}

FileHashes Models::hashes(const HashedFile& file) const {
    Statement select = db_.prepare("SELECT sampled, sha256 FROM file_hashes WHERE path = ?1 AND inode = ?2 AND "
                                   "bytes = ?3 AND modified_ns = ?4");
    select.bind(1, file.path).bind(2, file.inode).bind(3, file.bytes).bind(4, file.modifiedNs);
    if (!select.step())
        return {};
    return {.sampled = select.text(0), .sha256 = select.text(1)};
}

void Models::setHashes(const HashedFile& file, const FileHashes& hashes) {
    Transaction transaction(db_);
    const FileHashes known = this->hashes(file);
    db_.prepare("INSERT OR REPLACE INTO file_hashes(path, inode, bytes, modified_ns, sampled, sha256) "
                "VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
        .bind(1, file.path)
        .bind(2, file.inode)
        .bind(3, file.bytes)
        .bind(4, file.modifiedNs)
        .bind(5, hashes.sampled.empty() ? known.sampled : hashes.sampled)
        .bind(6, hashes.sha256.empty() ? known.sha256 : hashes.sha256)
        .run();
    transaction.commit();
}

} // namespace hearth::storage
