-- version 5
CREATE INDEX messages_by_conversation ON messages(conversation_id, sequence);
CREATE INDEX messages_by_parent ON messages(parent_id);
CREATE INDEX messages_unfinished ON messages(state, sequence) WHERE state IN ('queued', 'growing');
CREATE TABLE conversations(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    activity INTEGER NOT NULL,
    active_leaf_id INTEGER,
    persona_id INTEGER,
    unread INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL DEFAULT 0,
    scroll REAL NOT NULL DEFAULT -1,
    title TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    draft TEXT NOT NULL DEFAULT '');
CREATE TABLE file_hashes(
    path TEXT PRIMARY KEY,
    inode INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    sampled TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE message_chunks(
    id INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    thoughts TEXT NOT NULL,
    padding BLOB NOT NULL);
CREATE VIRTUAL TABLE message_index USING fts5(text, content='messages', content_rowid='id', tokenize='hearth');
CREATE TABLE 'message_index_config'(k PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE 'message_index_data'(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE 'message_index_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
CREATE TABLE 'message_index_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE message_tails(
    message_id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    thoughts TEXT NOT NULL,
    padding BLOB NOT NULL);
CREATE TABLE message_trash(
    message_id INTEGER PRIMARY KEY,
    deleted_at INTEGER NOT NULL);
CREATE TABLE messages(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations(id),
    parent_id INTEGER REFERENCES messages(id),
    sequence INTEGER NOT NULL,
    role TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    thought_seconds REAL NOT NULL DEFAULT 0,
    model TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT '',
    thoughts TEXT NOT NULL DEFAULT '',
    receipt TEXT NOT NULL DEFAULT '', remote TEXT NOT NULL DEFAULT '');
CREATE TABLE models(
    path TEXT PRIMARY KEY,
    hidden INTEGER NOT NULL DEFAULT 0,
    last_used_at INTEGER NOT NULL DEFAULT 0,
    measured_at INTEGER NOT NULL DEFAULT 0,
    decode_speed REAL NOT NULL DEFAULT 0,
    prefill_speed REAL NOT NULL DEFAULT 0,
    trashed_at INTEGER NOT NULL DEFAULT 0,
    trash_path TEXT NOT NULL DEFAULT '',
    source TEXT NOT NULL DEFAULT '',
    repo TEXT NOT NULL DEFAULT '',
    revision TEXT NOT NULL DEFAULT '',
    url TEXT NOT NULL DEFAULT '',
    license TEXT NOT NULL DEFAULT '',
    defaults TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE remotes(
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    base TEXT NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL DEFAULT '',
    context_tokens INTEGER NOT NULL DEFAULT 0,
    is_on INTEGER NOT NULL DEFAULT 0,
    has_key INTEGER NOT NULL DEFAULT 0,
    plain_allowed INTEGER NOT NULL DEFAULT 0,
    context_given INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE sequence(
    id INTEGER PRIMARY KEY CHECK(id = 1),
    value INTEGER NOT NULL);
CREATE TABLE settings(
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sqlite_sequence(name,seq);
CREATE VIRTUAL TABLE title_index USING fts5(title, content='conversations', content_rowid='id', tokenize='hearth');
CREATE TABLE 'title_index_config'(k PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE 'title_index_data'(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE 'title_index_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
CREATE TABLE 'title_index_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
