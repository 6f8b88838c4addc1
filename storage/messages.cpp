#include "storage/messages.h"

#include "storage/clock.h"
#include "storage/database.h"
#include "storage/search.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>

namespace hearth::storage {

namespace {

// A tail has its page (2 KB) for itself, whatever it holds: padding keeps the row's size, so that writing it again
// changes that page and no other. A chunk is padded over what fits a page, so that most of it lies in an overflow page
// and the tree above stays two levels deep up to replies of 4 MB. With these, a step writes at most 7 pages.
constexpr size_t kTailBytes = 1800;
constexpr size_t kChunkBytes = 2200;

constexpr const char* kRoles[] = {"system", "user", "assistant"};
constexpr const char* kStates[] = {"complete", "queued", "growing", "interrupted", "failed"};

constexpr const char* kDamaged = "This message is damaged in the database file and cannot be read whole.";

const char* nameOf(Role role) {
    return kRoles[static_cast<int>(role)];
}

const char* nameOf(MessageState state) {
    return kStates[static_cast<int>(state)];
}

/// Names of a later version mean the nearest that this one knows: a text to read.
Role roleOf(const std::string& name) {
    for (int i = 0; i < static_cast<int>(std::size(kRoles)); ++i)
        if (name == kRoles[i])
            return static_cast<Role>(i);
    return Role::Assistant;
}

MessageState stateOf(const std::string& name) {
    for (int i = 0; i < static_cast<int>(std::size(kStates)); ++i)
        if (name == kStates[i])
            return static_cast<MessageState>(i);
    return MessageState::Complete;
}

// The one place that knows the order of the columns. The long texts are read by `readTexts`, so that damage in one of
// them cannot take the row with it.
constexpr const char* kColumns = "SELECT m.id, m.conversation_id, m.parent_id, m.sequence, m.role, m.state, "
                                 "m.created_at, m.thought_seconds, m.model, m.note, m.remote FROM messages m ";

Message readRow(const Statement& row) {
    Message m;
    m.id = {row.integer(0)};
    m.conversation = {row.integer(1)};
    m.parent = {row.integer(2)};
    m.sequence = row.integer(3);
    m.role = roleOf(row.text(4));
    m.state = stateOf(row.text(5));
    m.createdAt = row.integer(6);
    m.thoughtSeconds = row.number(7);
    m.model = row.text(8);
    m.note = row.text(9);
    m.remote = row.text(10);
    return m;
}

constexpr const char* kNotInTrash = "NOT EXISTS (SELECT 1 FROM message_trash t WHERE t.message_id = m.id) ";

constexpr const char* kTexts = "SELECT text, thoughts, receipt FROM messages WHERE id = ?1";

/// `texts` is kTexts, prepared once for a whole branch.
void readTexts(Database& db, Statement& texts, Message& m) {
    try {
        texts.reset();
        if (texts.bind(1, m.id.value).step()) {
            m.text = texts.text(0);
            m.thoughts = texts.text(1);
            m.receipt = texts.text(2);
        }
        if (m.state != MessageState::Growing)
            return;
        // The table holds only what is growing now: a handful of replies.
        for (const char* sql : {"SELECT text, thoughts FROM message_chunks WHERE message_id = ?1 ORDER BY id",
                                "SELECT text, thoughts FROM message_tails WHERE message_id = ?1"}) {
            Statement parts = db.prepare(sql);
            parts.bind(1, m.id.value);
            while (parts.step()) {
                m.text += parts.text(0);
                m.thoughts += parts.text(1);
            }
        }
    } catch (const Error& error) {
        if (!error.isDamage())
            throw;
        m.note = kDamaged;
    }
}

std::optional<Message> readOne(Database& db, Statement& select) {
    if (!select.step())
        return std::nullopt;
    Message m = readRow(select);
    Statement texts = db.prepare(kTexts);
    readTexts(db, texts, m);
    return m;
}

std::vector<Message> readAll(Database& db, Statement& select) {
    std::vector<Message> all;
    while (select.step())
        all.push_back(readRow(select));
    Statement texts = db.prepare(kTexts);
    for (Message& m : all)
        readTexts(db, texts, m);
    return all;
}

[[noreturn]] void failMissing(MessageId id) {
    throw Error("The message " + std::to_string(id.value) + " is not in the database any more.");
}

void requireParent(Database& db, ConversationId conversation, MessageId parent) {
    Statement alive = db.prepare("SELECT 1 FROM conversations WHERE id = ?1");
    if (!alive.bind(1, conversation.value).step())
        throw Error("The conversation " + std::to_string(conversation.value) + " is not in the database any more.");
    if (!parent)
        return;
    Statement select = db.prepare("SELECT 1 FROM messages WHERE id = ?1 AND conversation_id = ?2");
    if (!select.bind(1, parent.value).bind(2, conversation.value).step())
        failMissing(parent);
}

void writeTail(Database& db, MessageId id, std::string_view text, std::string_view thoughts) {
    const size_t used = text.size() + thoughts.size();
    Statement update =
        db.prepare("UPDATE message_tails SET text = ?2, thoughts = ?3, padding = zeroblob(?4) WHERE message_id = ?1");
    update.bind(1, id.value).bind(2, text).bind(3, thoughts);
    update.bind(4, static_cast<int64_t>(kTailBytes - std::min(used, kTailBytes))).run();
}

void createTail(Database& db, MessageId id) {
    Statement insert = db.prepare("INSERT OR REPLACE INTO message_tails(message_id, text, thoughts, padding) "
                                  "VALUES(?1, '', '', zeroblob(?2))");
    insert.bind(1, id.value).bind(2, static_cast<int64_t>(kTailBytes)).run();
}

void addChunk(Database& db, MessageId id, std::string_view text, std::string_view thoughts) {
    const size_t used = text.size() + thoughts.size();
    Statement insert = db.prepare("INSERT INTO message_chunks(message_id, text, thoughts, padding) "
                                  "VALUES(?1, ?2, ?3, zeroblob(?4))");
    insert.bind(1, id.value).bind(2, text).bind(3, thoughts);
    insert.bind(4, static_cast<int64_t>(kChunkBytes - std::min(used, kChunkBytes))).run();
}

} // namespace

std::string withHost(const std::string& hosts, const std::string& host) {
    const std::string between = ", ";
    if (hosts.empty() || host.empty())
        return hosts + host;
    const bool known = (between + hosts + between).find(between + host + between) != std::string::npos;
    return known ? hosts : hosts + between + host;
}

MessageId Messages::insert(const Message& message, MessageState state) {
    requireParent(db_, message.conversation, message.parent);
    const int64_t sequence = db_.nextSequence();
    const int64_t now = nowMs();
    Statement insert = db_.prepare(
        "INSERT INTO messages(conversation_id, parent_id, sequence, role, state, created_at, thought_seconds, model, "
        "note, text, thoughts, receipt, remote) VALUES(?1, nullif(?2, 0), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
        "?13)");
    insert.bind(1, message.conversation.value).bind(2, message.parent.value).bind(3, sequence);
    insert.bind(4, nameOf(message.role)).bind(5, nameOf(state));
    insert.bind(6, message.createdAt ? message.createdAt : now).bind(7, message.thoughtSeconds);
    insert.bind(8, message.model).bind(9, message.note).bind(10, message.text).bind(11, message.thoughts);
    insert.bind(12, message.receipt).bind(13, message.remote).run();
    const int64_t id = db_.lastInsertId();
    db_.prepare("UPDATE conversations SET active_leaf_id = ?2, activity = ?3, updated_at = ?4 WHERE id = ?1")
        .bind(1, message.conversation.value)
        .bind(2, id)
        .bind(3, sequence)
        .bind(4, now)
        .run();
    addToIndex(db_, SearchIndex::Messages, id, message.text);
    if (state == MessageState::Growing)
        createTail(db_, {id});
    return {id};
}

MessageId Messages::append(const Message& message) {
    Transaction transaction(db_);
    const MessageId id = insert(message, message.state);
    transaction.commit();
    return id;
}

MessageId Messages::beginReply(ConversationId conversation, MessageId parent, const std::string& model,
                               const std::string& remote) {
    Message reply;
    reply.conversation = conversation;
    reply.parent = parent;
    reply.role = Role::Assistant;
    reply.model = model;
    reply.remote = remote;
    Transaction transaction(db_);
    const MessageId id = insert(reply, MessageState::Growing);
    transaction.commit();
    return id;
}

void Messages::growReply(MessageId id, std::string_view text, std::string_view thoughts) {
    if (text.empty() && thoughts.empty())
        return;
    Transaction transaction(db_, Transaction::Size::Small);
    std::string allText;
    std::string allThoughts;
    {
        Statement tail = db_.prepare("SELECT text, thoughts FROM message_tails WHERE message_id = ?1");
        if (!tail.bind(1, id.value).step())
            throw Error("The message " + std::to_string(id.value) + " is not being written.");
        allText = tail.text(0).append(text);
        allThoughts = tail.text(1).append(thoughts);
    }
    if (allText.size() + allThoughts.size() <= kTailBytes) {
        writeTail(db_, id, allText, allThoughts);
    } else {
        addChunk(db_, id, allText, allThoughts);
        writeTail(db_, id, {}, {});
    }
    transaction.commit();
}

/// In the caller's transaction. `joined` is the message as `find` gives it.
void Messages::endGrowth(const Message& joined, MessageState state, double thoughtSeconds, const std::string& note,
                         const std::string& receipt) {
    std::string before; // what the row holds, and the index knows
    {
        Statement select = db_.prepare("SELECT text FROM messages WHERE id = ?1");
        if (!select.bind(1, joined.id.value).step())
            failMissing(joined.id);
        before = select.text(0);
    }
    removeFromIndex(db_, SearchIndex::Messages, joined.id.value, before);
    Statement update = db_.prepare("UPDATE messages SET text = ?2, thoughts = ?3, state = ?4, thought_seconds = ?5, "
                                   "note = ?6, receipt = ?7 WHERE id = ?1");
    update.bind(1, joined.id.value).bind(2, joined.text).bind(3, joined.thoughts).bind(4, nameOf(state));
    update.bind(5, thoughtSeconds == thoughtSeconds ? thoughtSeconds : 0.0).bind(6, note).bind(7, receipt).run();
    addToIndex(db_, SearchIndex::Messages, joined.id.value, joined.text);
    for (const char* sql :
         {"DELETE FROM message_chunks WHERE message_id = ?1", "DELETE FROM message_tails WHERE message_id = ?1"})
        db_.prepare(sql).bind(1, joined.id.value).run();
}

void Messages::finishReply(MessageId id, MessageState state, double thoughtSeconds, const std::string& note,
                           const std::string& receipt) {
    Transaction transaction(db_);
    const std::optional<Message> joined = find(id);
    if (!joined)
        failMissing(id);
    if (joined->state != MessageState::Growing)
        throw Error("The message " + std::to_string(id.value) + " is not being written.");
    endGrowth(*joined, state, thoughtSeconds, note, receipt);
    transaction.commit();
}

void Messages::reopenReply(MessageId id) {
    Transaction transaction(db_);
    Statement update = db_.prepare("UPDATE messages SET state = 'growing', note = '' WHERE id = ?1 AND role = "
                                   "'assistant' AND state <> 'growing'");
    update.bind(1, id.value).run();
    if (db_.changes() != 1)
        throw Error("The message " + std::to_string(id.value) + " is not a reply that can be continued.");
    createTail(db_, id);
    transaction.commit();
}

void Messages::addRemote(MessageId id, const std::string& host) {
    Transaction transaction(db_);
    std::string hosts;
    {
        Statement select = db_.prepare("SELECT remote FROM messages WHERE id = ?1");
        if (!select.bind(1, id.value).step())
            failMissing(id);
        hosts = withHost(select.text(0), host);
    }
    db_.prepare("UPDATE messages SET remote = ?2 WHERE id = ?1").bind(1, id.value).bind(2, hosts).run();
    transaction.commit();
}

std::vector<MessageId> Messages::recover() {
    std::vector<Message> growing;
    {
        Statement select = db_.prepare(std::string(kColumns) + "WHERE m.state = 'growing' ORDER BY m.sequence");
        growing = readAll(db_, select);
    }
    std::vector<MessageId> recovered;
    for (const Message& m : growing) {
        try {
            Transaction transaction(db_);
            endGrowth(m, MessageState::Interrupted, m.thoughtSeconds, m.note, m.receipt);
            transaction.commit();
            recovered.push_back(m.id);
        } catch (const Error& error) {
            if (!error.isDamage()) // one damaged reply must not keep the others from being there
                throw;
        }
    }
    return recovered;
}

std::optional<Message> Messages::find(MessageId id) const {
    Statement select = db_.prepare(std::string(kColumns) + "WHERE m.id = ?1");
    return readOne(db_, select.bind(1, id.value));
}

std::vector<Message> Messages::branch(MessageId leaf) const {
    std::vector<Message> rows;
    std::unordered_set<int64_t> seen;
    Statement select = db_.prepare(std::string(kColumns) + "WHERE m.id = ?1");
    for (MessageId at = leaf; at && seen.insert(at.value).second;) {
        select.reset();
        if (!select.bind(1, at.value).step())
            break;
        rows.push_back(readRow(select));
        at = rows.back().parent;
    }
    std::reverse(rows.begin(), rows.end());
    Statement trashed = db_.prepare("SELECT 1 FROM message_trash WHERE message_id = ?1");
    std::erase_if(rows, [&](const Message& m) {
        trashed.reset();
        return trashed.bind(1, m.id.value).step();
    });
    Statement texts = db_.prepare(kTexts);
    for (Message& m : rows)
        readTexts(db_, texts, m);
    return rows;
}

std::vector<Message> Messages::children(MessageId parent) const {
    Statement select = db_.prepare(std::string(kColumns) + "WHERE m.parent_id = ?1 ORDER BY m.sequence");
    return readAll(db_, select.bind(1, parent.value));
}

std::vector<Message> Messages::roots(ConversationId conversation) const {
    Statement select =
        db_.prepare(std::string(kColumns) + "WHERE m.conversation_id = ?1 AND m.parent_id IS NULL ORDER BY m.sequence");
    return readAll(db_, select.bind(1, conversation.value));
}

std::vector<MessageId> Messages::siblings(MessageId id) const {
    Statement select = db_.prepare(
        "SELECT s.id FROM messages m JOIN messages s ON s.conversation_id = m.conversation_id AND s.parent_id "
        "IS m.parent_id AND s.role = m.role WHERE m.id = ?1 AND (s.id = m.id OR NOT EXISTS (SELECT 1 FROM "
        "message_trash t WHERE t.message_id = s.id)) ORDER BY s.sequence");
    select.bind(1, id.value);
    std::vector<MessageId> ids;
    while (select.step())
        ids.push_back({select.integer(0)});
    return ids;
}

std::unordered_map<int64_t, std::pair<int, int>> Messages::versions(ConversationId conversation) const {
    std::map<std::pair<int64_t, std::string>, std::vector<int64_t>> groups; // by parent and role, in order
    Statement select = db_.prepare(std::string("SELECT m.id, m.parent_id, m.role FROM messages m "
                                               "WHERE m.conversation_id = ?1 AND ") +
                                   kNotInTrash + "ORDER BY m.sequence");
    select.bind(1, conversation.value);
    while (select.step())
        groups[{select.integer(1), select.text(2)}].push_back(select.integer(0));
    std::unordered_map<int64_t, std::pair<int, int>> places;
    for (const auto& [key, ids] : groups)
        for (size_t i = 0; i < ids.size(); ++i)
            places[ids[i]] = {static_cast<int>(i), static_cast<int>(ids.size())};
    return places;
}

void Messages::setState(MessageId id, MessageState state, const std::string& note) {
    db_.prepare("UPDATE messages SET state = ?2, note = ?3 WHERE id = ?1")
        .bind(1, id.value)
        .bind(2, nameOf(state))
        .bind(3, note)
        .run();
}

std::vector<Message> Messages::queued() const {
    Statement select = db_.prepare(std::string(kColumns) +
                                   "JOIN conversations c ON c.id = m.conversation_id "
                                   "WHERE m.state = 'queued' AND c.deleted_at = 0 AND " +
                                   kNotInTrash + "ORDER BY m.sequence");
    return readAll(db_, select);
}

MessageId Messages::latestLeaf(MessageId id) const {
    std::unordered_set<int64_t> seen;
    // A deleted message leads on only where something that is not deleted follows it.
    Statement select = db_.prepare(
        "SELECT c.id FROM messages c WHERE c.parent_id = ?1 AND EXISTS (WITH RECURSIVE below(id) AS (SELECT c.id UNION "
        "SELECT b.id FROM messages b JOIN below ON b.parent_id = below.id) SELECT 1 FROM below WHERE NOT EXISTS "
        "(SELECT 1 FROM message_trash t WHERE t.message_id = below.id)) ORDER BY c.sequence DESC LIMIT 1");
    for (MessageId at = id; seen.insert(at.value).second;) {
        select.reset();
        if (!select.bind(1, at.value).step())
            return at;
        at = {select.integer(0)};
    }
    return id; // a circle of parents
}

void Messages::moveToTrash(MessageId id) {
    if (!find(id))
        failMissing(id);
    db_.prepare("INSERT OR IGNORE INTO message_trash(message_id, deleted_at) VALUES(?1, ?2)")
        .bind(1, id.value)
        .bind(2, nowMs())
        .run();
}

void Messages::restore(MessageId id) {
    db_.prepare("DELETE FROM message_trash WHERE message_id = ?1").bind(1, id.value).run();
}

void Messages::erase(MessageId id) {
    Transaction transaction(db_);
    Statement text = db_.prepare("SELECT text FROM messages WHERE id = ?1");
    if (text.bind(1, id.value).step())
        removeFromIndex(db_, SearchIndex::Messages, id.value, text.text(0));
    text.reset();
    for (const char* sql :
         {"UPDATE conversations SET active_leaf_id = (SELECT parent_id FROM messages WHERE id = ?1) "
          "WHERE active_leaf_id = ?1",
          "UPDATE messages SET parent_id = (SELECT parent_id FROM messages WHERE id = ?1) WHERE parent_id = ?1",
          "DELETE FROM message_chunks WHERE message_id = ?1", "DELETE FROM message_tails WHERE message_id = ?1",
          "DELETE FROM message_trash WHERE message_id = ?1", "DELETE FROM messages WHERE id = ?1"})
        db_.prepare(sql).bind(1, id.value).run();
    transaction.commit();
}

int Messages::emptyTrash(int days) {
    constexpr int64_t dayMs = 24LL * 60 * 60 * 1000;
    std::vector<MessageId> old;
    {
        Statement select = db_.prepare("SELECT message_id FROM message_trash WHERE deleted_at < ?1");
        select.bind(1, nowMs() - days * dayMs);
        while (select.step())
            old.push_back({select.integer(0)});
    }
    for (const MessageId id : old)
        erase(id);
    return static_cast<int>(old.size());
}

} // namespace hearth::storage
