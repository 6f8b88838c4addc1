#include "storage/backup.h"
#include "storage/check.h"
#include "storage/conversations.h"
#include "storage/messages.h"
#include "storage/search.h"
#include "temp_folder.h"

#include <sqlite3.h>

namespace hearth::storage {

class CheckTest : public StorageTest {
protected:
    ConversationId chat = Conversations(db).create("茶 and coffee", "");
    Messages messages{db};

    void SetUp() override {
        MessageId last;
        for (int i = 0; i < 50; ++i)
            last = messages.append(
                {.conversation = chat, .parent = last, .text = "number " + std::to_string(i) + " 咖啡价格"});
        const MessageId reply = messages.beginReply(chat, last, "");
        messages.growReply(reply, "still growing", "");
    }

    void expectProblem(const std::string& word) {
        const CheckReport report = check(db.path());
        ASSERT_FALSE(report.ok());
        EXPECT_NE(report.problems[0].find(word), std::string::npos) << report.problems[0];
    }
};

TEST_F(CheckTest, aSoundDatabaseIsSoundAndCounted) {
    const CheckReport report = check(db.path());
    EXPECT_TRUE(report.ok()) << report.problems[0];
    EXPECT_EQ(report.conversations, 1);
    EXPECT_EQ(report.messages, 51);
}

TEST_F(CheckTest, seesAnIndexThatMissesAMessage) {
    removeFromIndex(db, SearchIndex::Messages, 7, messages.find({7})->text);
    expectProblem("messages");
}

TEST_F(CheckTest, seesAnIndexWithOtherWords) {
    db.execute("UPDATE messages SET text = replace(text, 'number', 'nomber') WHERE id = 3");
    expectProblem("messages");
}

TEST_F(CheckTest, seesATitleThatIsNotIndexed) {
    db.execute("UPDATE conversations SET title = 'tea'");
    expectProblem("titles");
}

TEST_F(CheckTest, seesLostParents) {
    db.execute("PRAGMA foreign_keys = OFF");
    db.execute("UPDATE messages SET parent_id = 777 WHERE id = 9");
    expectProblem("Message 9");
}

TEST_F(CheckTest, seesADamagedPage) {
    Statement root = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'messages_by_conversation'");
    root.step();
    const auto at = static_cast<size_t>(root.integer(0) - 1) * 2048;
    backup(db, folder / "copy.sqlite");
    std::string bytes = contentOf(folder / "copy.sqlite");
    ASSERT_TRUE(check(folder / "copy.sqlite").ok());
    bytes.replace(at + 3, 2, std::string(2, '\0')); // an index that claims to be empty
    writeFile(folder / "copy.sqlite", bytes);
    const CheckReport report = check(folder / "copy.sqlite");
    ASSERT_FALSE(report.ok());
    EXPECT_NE(report.problems[0].find("damaged"), std::string::npos) << report.problems[0];
    EXPECT_EQ(report.messages, 51);
}

TEST_F(CheckTest, changesNothing) {
    const std::string before = contentOf(db.path());
    const std::string log = contentOf(db.path().string() + "-wal");
    check(db.path());
    EXPECT_EQ(contentOf(db.path()), before);
    EXPECT_EQ(contentOf(db.path().string() + "-wal"), log);
    EXPECT_FALSE(errorOf([&] { check(folder / "nothing.sqlite"); }).empty());
    EXPECT_FALSE(std::filesystem::exists(folder / "nothing.sqlite"));
}

class DamagedIndexTest : public CheckTest, public ::testing::WithParamInterface<const char*> {};

// The index is damaged while the program does not run; the next message finds it out.
TEST_P(DamagedIndexTest, costsNoMessageAndIsBuiltAnew) {
    sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_DEFENSIVE, 0, nullptr);
    db.execute(GetParam());
    Database later(db.path(), Database::Mode::Write);
    EXPECT_FALSE(check(later.path()).ok());
    Messages afterwards(later);
    const MessageId id = afterwards.append({.conversation = chat, .text = "after the damage"});
    EXPECT_EQ(afterwards.find(id)->text, "after the damage");
    EXPECT_EQ(Search(later).searchMessages("damage", 5).size(), 1u);
    EXPECT_EQ(Search(later).searchMessages("咖啡", 100).size(), 50u);
    EXPECT_TRUE(check(later.path()).ok());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, DamagedIndexTest,
    ::testing::Values("UPDATE message_index_data SET block = zeroblob(8) WHERE id >= 10",
                      "UPDATE message_index_data SET block = x'ffffffffffffffffffff' WHERE id = 10",
                      "DELETE FROM message_index_data WHERE id >= 10"));

} // namespace hearth::storage
