#include "storage/conversations.h"
#include "storage/messages.h"
#include "storage/search.h"
#include "temp_folder.h"

#include <limits>

namespace hearth::storage {

class ConversationsTest : public StorageTest {
protected:
    Conversations conversations{db};
    Messages messages{db};

    MessageId say(ConversationId conversation, MessageId parent, const std::string& text) {
        return messages.append({.conversation = conversation, .parent = parent, .text = text});
    }

    std::vector<int64_t> listed() {
        std::vector<int64_t> ids;
        for (const Conversation& c : conversations.list())
            ids.push_back(c.id.value);
        return ids;
    }

    int64_t count(const std::string& table) {
        Statement select = db.prepare("SELECT count(*) FROM " + table);
        select.step();
        return select.integer(0);
    }
};

TEST_F(ConversationsTest, keepsEveryField) {
    const ConversationId id = conversations.create("复诊", "/models/a.gguf");
    const Conversation fresh = conversations.find(id).value();
    EXPECT_EQ(fresh.title, "复诊");
    EXPECT_EQ(fresh.model, "/models/a.gguf");
    EXPECT_FALSE(fresh.activeLeaf);
    EXPECT_EQ(fresh.draft, "");
    EXPECT_EQ(fresh.scroll, -1);
    EXPECT_FALSE(fresh.unread);
    EXPECT_GT(fresh.createdAt, 1'600'000'000'000);
    EXPECT_EQ(fresh.deletedAt, 0);

    conversations.rename(id, "Follow-up");
    conversations.setModel(id, "/models/b.gguf");
    conversations.setDraft(id, "half a sen");
    conversations.setScroll(id, 12.25);
    conversations.setUnread(id, true);
    const Conversation changed = conversations.find(id).value();
    EXPECT_EQ(changed.title, "Follow-up");
    EXPECT_EQ(changed.model, "/models/b.gguf");
    EXPECT_EQ(changed.draft, "half a sen");
    EXPECT_EQ(changed.scroll, 12.25);
    EXPECT_TRUE(changed.unread);
    conversations.setScroll(id, std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(conversations.find(id)->scroll, -1);
}

TEST_F(ConversationsTest, listsByLastActivityNotByTheClock) {
    const ConversationId a = conversations.create("a", "");
    const ConversationId b = conversations.create("b", "");
    const ConversationId c = conversations.create("c", "");
    EXPECT_EQ(listed(), (std::vector<int64_t>{c.value, b.value, a.value}));
    db.execute("UPDATE conversations SET created_at = 99999999999999, updated_at = 99999999999999 WHERE id = " +
               std::to_string(c.value)); // a clock that was wrong
    say(a, {}, "hello");
    EXPECT_EQ(listed(), (std::vector<int64_t>{a.value, c.value, b.value}));
}

TEST_F(ConversationsTest, trashHidesRestoresAndEmpties) {
    const ConversationId kept = conversations.create("kept", "");
    const ConversationId gone = conversations.create("gone", "");
    const MessageId first = say(gone, {}, "secret words");
    say(gone, first, "more words");
    conversations.moveToTrash(gone);
    EXPECT_EQ(listed(), std::vector<int64_t>{kept.value});
    ASSERT_EQ(conversations.trash().size(), 1u);
    EXPECT_TRUE(conversations.find(gone));
    EXPECT_TRUE(Search(db).searchMessages("secret", 10).empty());
    conversations.restore(gone);
    EXPECT_EQ(listed().size(), 2u);
    EXPECT_EQ(Search(db).searchMessages("secret", 10).size(), 1u);

    conversations.moveToTrash(gone);
    EXPECT_EQ(conversations.emptyTrash(30), 0); // not long enough there
    db.execute("UPDATE conversations SET deleted_at = deleted_at - 31 * 86400000 WHERE deleted_at <> 0");
    EXPECT_EQ(conversations.emptyTrash(30), 1);
    EXPECT_FALSE(conversations.find(gone));
    EXPECT_EQ(count("messages"), 0);
    EXPECT_EQ(count("message_index_docsize"), 0);
    EXPECT_EQ(count("title_index_docsize"), 1);
}

TEST_F(ConversationsTest, deletingTwiceKeepsTheFirstDay) {
    const ConversationId id = conversations.create("", "");
    conversations.moveToTrash(id);
    db.execute("UPDATE conversations SET deleted_at = 5");
    conversations.moveToTrash(id);
    EXPECT_EQ(conversations.find(id)->deletedAt, 5);
}

TEST_F(ConversationsTest, erasesALongChainAndAReplyThatGrows) {
    const ConversationId id = conversations.create("", "");
    MessageId last;
    for (int i = 0; i < 3000; ++i) { // deeper than SQLite's limit on recursive triggers
        db.execute("BEGIN");
        db.execute("INSERT INTO messages(conversation_id, parent_id, sequence, role, state, created_at) VALUES(" +
                   std::to_string(id.value) + ", nullif(" + std::to_string(last.value) +
                   ", 0), 1, 'user', 'complete', 0)");
        last = {db.lastInsertId()};
        addToIndex(db, SearchIndex::Messages, last.value, "");
        db.execute("COMMIT");
    }
    const MessageId reply = messages.beginReply(id, last, "m");
    messages.growReply(reply, std::string(5000, 'x'), "");
    conversations.erase(id);
    for (const char* table : {"conversations", "messages", "message_chunks", "message_tails", "message_index_docsize"})
        EXPECT_EQ(count(table), 0) << table;
}

TEST_F(ConversationsTest, aBadLeafShowsTheLastMessage) {
    const ConversationId a = conversations.create("a", "");
    const ConversationId b = conversations.create("b", "");
    const MessageId inA = say(a, {}, "one");
    const MessageId inB = say(b, {}, "two");
    conversations.setActiveLeaf(a, {999});
    EXPECT_EQ(conversations.find(a)->activeLeaf, inA);
    conversations.setActiveLeaf(a, inB);
    EXPECT_EQ(conversations.find(a)->activeLeaf, inA);
    conversations.setActiveLeaf(a, {});
    EXPECT_EQ(conversations.list().back().activeLeaf, inA);
}

TEST_F(ConversationsTest, renamingWhatIsNotThereSaysSo) {
    EXPECT_NE(errorOf([&] { conversations.rename({42}, "x"); }).find("42"), std::string::npos);
    EXPECT_NE(errorOf([&] { conversations.erase({42}); }).find("42"), std::string::npos);
}

} // namespace hearth::storage
