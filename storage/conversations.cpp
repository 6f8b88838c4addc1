#include "storage/conversations.h"

#include "storage/clock.h"
#include "storage/database.h"
#include "storage/search.h"

namespace hearth::storage {

namespace {

constexpr int64_t kDayMs = 24LL * 60 * 60 * 1000;

/// The one place that knows the order of the columns. A leaf that is missing, or of another conversation, must not hide
/// the chat: its last message stands in. `draft` may be '' where the stored one cannot be read.
std::string selectWith(const std::string& draft, const std::string& rest) {
    return "SELECT c.id, c.title, c.persona_id, c.model, "
           "coalesce((SELECT m.id FROM messages m WHERE m.id = c.active_leaf_id AND m.conversation_id = c.id), "
           "(SELECT m.id FROM messages m WHERE m.conversation_id = c.id ORDER BY m.sequence DESC LIMIT 1)), " +
           draft + ", c.scroll, c.unread, c.created_at, c.updated_at, c.activity, c.deleted_at FROM conversations c " +
           rest;
}

Conversation read(const Statement& row) {
    Conversation c;
    c.id = {row.integer(0)};
    c.title = row.text(1);
    c.persona = {row.integer(2)};
    c.model = row.text(3);
    c.activeLeaf = {row.integer(4)};
    c.draft = row.text(5);
    c.scroll = row.number(6);
    c.unread = row.integer(7) != 0;
    c.createdAt = row.integer(8);
    c.updatedAt = row.integer(9);
    c.activity = row.integer(10);
    c.deletedAt = row.integer(11);
    return c;
}

std::vector<Conversation> readAll(Database& db, const std::string& rest) {
    // The draft is the last column and the one that can be long: its damage must not take the list with it.
    for (const char* draft : {"c.draft", "''"})
        try {
            std::vector<Conversation> all;
            Statement select = db.prepare(selectWith(draft, rest));
            while (select.step())
                all.push_back(read(select));
            return all;
        } catch (const Error& error) {
            if (!error.isDamage() || draft[0] == '\'')
                throw;
        }
    return {};
}

[[noreturn]] void failMissing(ConversationId id) {
    throw Error("The conversation " + std::to_string(id.value) + " is not in the database any more.");
}

} // namespace

ConversationId Conversations::create(const std::string& title, const std::string& model) {
    Transaction transaction(db_);
    const int64_t now = nowMs();
    db_.prepare("INSERT INTO conversations(activity, created_at, updated_at, title, model) VALUES(?1, ?2, ?2, ?3, ?4)")
        .bind(1, db_.nextSequence())
        .bind(2, now)
        .bind(3, title)
        .bind(4, model)
        .run();
    const ConversationId id{db_.lastInsertId()};
    addToIndex(db_, SearchIndex::Titles, id.value, title);
    transaction.commit();
    return id;
}

std::optional<Conversation> Conversations::find(ConversationId id) const {
    const std::vector<Conversation> found = readAll(db_, "WHERE c.id = " + std::to_string(id.value));
    return found.empty() ? std::nullopt : std::optional(found.front());
}

std::vector<Conversation> Conversations::list() const {
    return readAll(db_, "WHERE c.deleted_at = 0 ORDER BY c.activity DESC, c.id DESC");
}

std::vector<Conversation> Conversations::trash() const {
    return readAll(db_, "WHERE c.deleted_at <> 0 ORDER BY c.activity DESC, c.id DESC");
}

void Conversations::rename(ConversationId id, const std::string& title) {
    Transaction transaction(db_);
    const std::optional<Conversation> before = find(id);
    if (!before)
        failMissing(id);
    removeFromIndex(db_, SearchIndex::Titles, id.value, before->title);
    db_.prepare("UPDATE conversations SET title = ?2 WHERE id = ?1").bind(1, id.value).bind(2, title).run();
    addToIndex(db_, SearchIndex::Titles, id.value, title);
    transaction.commit();
}

void Conversations::setModel(ConversationId id, const std::string& model) {
    db_.prepare("UPDATE conversations SET model = ?2 WHERE id = ?1").bind(1, id.value).bind(2, model).run();
}

void Conversations::moveModel(const std::string& from, const std::string& to) {
    db_.prepare("UPDATE conversations SET model = ?2 WHERE model = ?1").bind(1, from).bind(2, to).run();
}

void Conversations::setDraft(ConversationId id, const std::string& draft) {
    db_.prepare("UPDATE conversations SET draft = ?2 WHERE id = ?1").bind(1, id.value).bind(2, draft).run();
}

void Conversations::setScroll(ConversationId id, double scroll) {
    db_.prepare("UPDATE conversations SET scroll = ?2 WHERE id = ?1")
        .bind(1, id.value)
        .bind(2, scroll == scroll ? scroll : -1) // SQLite keeps no NaN
        .run();
}

void Conversations::setUnread(ConversationId id, bool unread) {
    db_.prepare("UPDATE conversations SET unread = ?2 WHERE id = ?1").bind(1, id.value).bind(2, unread ? 1 : 0).run();
}

void Conversations::setActiveLeaf(ConversationId id, MessageId leaf) {
    Statement update = db_.prepare("UPDATE conversations SET active_leaf_id = nullif(?2, 0) WHERE id = ?1");
    update.bind(1, id.value).bind(2, leaf.value).run();
}

void Conversations::moveToTrash(ConversationId id) {
    db_.prepare("UPDATE conversations SET deleted_at = ?2 WHERE id = ?1 AND deleted_at = 0")
        .bind(1, id.value)
        .bind(2, nowMs())
        .run();
}

void Conversations::restore(ConversationId id) {
    db_.prepare("UPDATE conversations SET deleted_at = 0 WHERE id = ?1").bind(1, id.value).run();
}

void Conversations::erase(ConversationId id) {
    Transaction transaction(db_);
    const std::optional<Conversation> conversation = find(id);
    if (!conversation)
        failMissing(id);
    Statement texts = db_.prepare("SELECT id, text FROM messages WHERE conversation_id = ?1");
    texts.bind(1, id.value);
    while (texts.step())
        removeFromIndex(db_, SearchIndex::Messages, texts.integer(0), texts.text(1));
    removeFromIndex(db_, SearchIndex::Titles, id.value, conversation->title);
    for (const char* sql :
         {"DELETE FROM message_chunks WHERE message_id IN (SELECT id FROM messages WHERE conversation_id = ?1)",
          "DELETE FROM message_tails WHERE message_id IN (SELECT id FROM messages WHERE conversation_id = ?1)",
          "DELETE FROM message_trash WHERE message_id IN (SELECT id FROM messages WHERE conversation_id = ?1)",
          "DELETE FROM messages WHERE conversation_id = ?1", "DELETE FROM conversations WHERE id = ?1"})
        db_.prepare(sql).bind(1, id.value).run();
    transaction.commit();
}

int Conversations::emptyTrash(int days) {
    std::vector<ConversationId> old;
    {
        Statement select = db_.prepare("SELECT id FROM conversations WHERE deleted_at > 0 AND deleted_at < ?1");
        select.bind(1, nowMs() - days * kDayMs);
        while (select.step())
            old.push_back({select.integer(0)});
    }
    for (const ConversationId id : old)
        erase(id);
    return static_cast<int>(old.size());
}

} // namespace hearth::storage
