#include "storage/check.h"
#include "storage/conversations.h"
#include "storage/messages.h"
#include "storage/search.h"
#include "temp_folder.h"

#include <sqlite3.h>

namespace hearth::storage {

class MessagesTest : public StorageTest {
protected:
    Conversations conversations{db};
    Messages messages{db};
    ConversationId chat = conversations.create("chat", "");

    MessageId say(MessageId parent, const std::string& text, MessageState state = MessageState::Complete) {
        return messages.append({.conversation = chat, .parent = parent, .state = state, .text = text});
    }

    static std::vector<std::string> texts(const std::vector<Message>& all) {
        std::vector<std::string> out;
        for (const Message& m : all)
            out.push_back(m.text);
        return out;
    }
};

TEST_F(MessagesTest, appendKeepsEveryFieldAndMovesTheLeaf) {
    const MessageId first = say({}, "question");
    const MessageId second = messages.append({.conversation = chat,
                                              .parent = first,
                                              .role = Role::Assistant,
                                              .state = MessageState::Failed,
                                              .text = "answer \xf0\x9f\x98\x80",
                                              .thoughts = "hm",
                                              .thoughtSeconds = 1.5,
                                              .model = "m",
                                              .note = "why",
                                              .receipt = "{\"seed\":1}",
                                              .createdAt = 77});
    const Message m = messages.find(second).value();
    EXPECT_EQ(m.id, second);
    EXPECT_EQ(m.conversation, chat);
    EXPECT_EQ(m.parent, first);
    EXPECT_EQ(m.role, Role::Assistant);
    EXPECT_EQ(m.state, MessageState::Failed);
    EXPECT_EQ(m.text, "answer \xf0\x9f\x98\x80");
    EXPECT_EQ(m.thoughts, "hm");
    EXPECT_EQ(m.thoughtSeconds, 1.5);
    EXPECT_EQ(m.model, "m");
    EXPECT_EQ(m.note, "why");
    EXPECT_EQ(m.receipt, "{\"seed\":1}");
    EXPECT_EQ(m.createdAt, 77);
    EXPECT_GT(m.sequence, messages.find(first)->sequence);
    EXPECT_EQ(conversations.find(chat)->activeLeaf, second);
    EXPECT_EQ(conversations.find(chat)->activity, m.sequence);
    EXPECT_FALSE(messages.find({999}));
}

TEST_F(MessagesTest, appendIsSeenByAnotherConnectionAtOnce) {
    const MessageId id = say({}, "on the disk");
    Database reader(db.path(), Database::Mode::Read);
    EXPECT_EQ(Messages(reader).find(id)->text, "on the disk");
}

TEST_F(MessagesTest, appendRefusesAParentOfAnotherChat) {
    const ConversationId other = conversations.create("", "");
    const MessageId there = messages.append({.conversation = other, .text = "x"});
    EXPECT_FALSE(errorOf([&] { say(there, "y"); }).empty());
    EXPECT_FALSE(errorOf([&] { messages.append({.conversation = {77}, .text = "y"}); }).empty());
    EXPECT_TRUE(messages.roots(chat).empty()); // rolled back whole
}

TEST_F(MessagesTest, theTreeHasBranchesSiblingsAndLeaves) {
    const MessageId root = say({}, "q");
    const MessageId one = say(root, "a1");
    const MessageId two = say(root, "a2");
    const MessageId under = say(one, "q2");
    EXPECT_EQ(texts(messages.branch(under)), (std::vector<std::string>{"q", "a1", "q2"}));
    EXPECT_EQ(texts(messages.branch(two)), (std::vector<std::string>{"q", "a2"}));
    EXPECT_EQ(texts(messages.children(root)), (std::vector<std::string>{"a1", "a2"}));
    EXPECT_EQ(messages.siblings(two), (std::vector<MessageId>{one, two}));
    EXPECT_EQ(messages.latestLeaf(root), two);
    EXPECT_EQ(messages.latestLeaf(one), under);
    const MessageId edited = say({}, "q, better");
    EXPECT_EQ(messages.siblings(root), (std::vector<MessageId>{root, edited}));
    EXPECT_EQ(texts(messages.roots(chat)), (std::vector<std::string>{"q", "q, better"}));
    EXPECT_TRUE(messages.branch({}).empty());
    EXPECT_TRUE(messages.siblings({999}).empty());
}

TEST_F(MessagesTest, theTrashOfSingleMessages) {
    const MessageId root = say({}, "q");
    const MessageId answer =
        messages.append({.conversation = chat, .parent = root, .role = Role::Assistant, .text = "apple"});
    const MessageId other =
        messages.append({.conversation = chat, .parent = root, .role = Role::Assistant, .text = "pear"});
    const MessageId after = say(answer, "q2");
    conversations.setActiveLeaf(chat, after);
    messages.moveToTrash(answer);
    messages.moveToTrash(answer); // twice is once
    EXPECT_EQ(texts(messages.branch(after)), (std::vector<std::string>{"q", "q2"}));
    EXPECT_EQ(messages.siblings(other), std::vector<MessageId>{other});
    EXPECT_EQ(messages.versions(chat).at(other.value), std::pair(0, 1));
    EXPECT_TRUE(Search(db).searchMessages("apple", 5).empty());
    EXPECT_EQ(messages.latestLeaf(answer), after); // what follows it is still found
    messages.moveToTrash(other);
    EXPECT_EQ(messages.latestLeaf(root), after); // not the newer one, which is in the trash
    messages.moveToTrash(after);
    EXPECT_EQ(messages.latestLeaf(root), root); // nothing living follows
    messages.restore(after);
    messages.restore(other);
    messages.restore(answer);
    EXPECT_EQ(texts(messages.branch(after)), (std::vector<std::string>{"q", "apple", "q2"}));
    EXPECT_EQ(messages.siblings(other), (std::vector<MessageId>{answer, other}));
    EXPECT_EQ(messages.versions(chat).at(other.value), std::pair(1, 2));
    EXPECT_EQ(messages.versions(chat).size(), 4u);
    EXPECT_EQ(Search(db).searchMessages("apple", 5).size(), 1u);
    EXPECT_FALSE(errorOf([&] { messages.moveToTrash({999}); }).empty());

    messages.moveToTrash(answer);
    messages.moveToTrash(after);
    EXPECT_EQ(messages.emptyTrash(30), 0);
    EXPECT_EQ(messages.emptyTrash(-1), 2);
    EXPECT_FALSE(messages.find(answer));
    EXPECT_EQ(conversations.find(chat)->activeLeaf, root); // the leaf went, what stood before it is the leaf
    EXPECT_TRUE(check(db.path()).problems.empty());
}

TEST_F(MessagesTest, whatFollowedAnErasedMessageHangsOnWhatCameBefore) {
    const MessageId root = say({}, "q");
    const MessageId answer =
        messages.append({.conversation = chat, .parent = root, .role = Role::Assistant, .text = "a"});
    const MessageId after = say(answer, "q2");
    const MessageId other =
        messages.append({.conversation = chat, .parent = root, .role = Role::Assistant, .text = "b"});
    messages.moveToTrash(answer);
    EXPECT_EQ(messages.emptyTrash(-1), 1);
    EXPECT_EQ(texts(messages.branch(after)), (std::vector<std::string>{"q", "q2"}));
    EXPECT_EQ(messages.siblings(after), std::vector<MessageId>{after}); // an answer is no version of a question
    EXPECT_EQ(messages.siblings(other), std::vector<MessageId>{other});
}

TEST_F(MessagesTest, rootsOfOtherChatsAreNoSiblings) {
    const MessageId here = say({}, "here");
    messages.append({.conversation = conversations.create("", ""), .text = "there"});
    EXPECT_EQ(messages.siblings(here), std::vector<MessageId>{here});
}

TEST_F(MessagesTest, aReplyGrowsJoinsAndEnds) {
    const MessageId question = say({}, "q");
    const MessageId reply = messages.beginReply(chat, question, "smol");
    EXPECT_EQ(messages.find(reply)->state, MessageState::Growing);
    EXPECT_EQ(messages.find(reply)->model, "smol");
    EXPECT_EQ(conversations.find(chat)->activeLeaf, reply);
    std::string text;
    std::string thoughts;
    for (int i = 0; i < 500; ++i) {
        const std::string part = "part " + std::to_string(i) + " 围炉\n";
        messages.growReply(reply, i % 3 ? part.substr(0, 4) : part, i < 100 ? part : "");
        text += i % 3 ? part.substr(0, 4) : part;
        thoughts += i < 100 ? part : "";
        if (i % 97 == 0) {
            ASSERT_EQ(messages.find(reply)->text, text);
            ASSERT_EQ(messages.find(reply)->thoughts, thoughts);
        }
    }
    messages.growReply(reply, "", "");
    EXPECT_EQ(messages.branch(reply).back().text, text);
    EXPECT_TRUE(Search(db).searchMessages("part", 10).empty()); // not before it ends
    messages.finishReply(reply, MessageState::Complete, 2.5, "stopped", "{}");
    const Message done = messages.find(reply).value();
    EXPECT_EQ(done.text, text);
    EXPECT_EQ(done.thoughts, thoughts);
    EXPECT_EQ(done.state, MessageState::Complete);
    EXPECT_EQ(done.thoughtSeconds, 2.5);
    EXPECT_EQ(done.note, "stopped");
    EXPECT_EQ(done.receipt, "{}");
    EXPECT_EQ(Search(db).searchMessages("part", 10).size(), 1u);
    Statement left = db.prepare("SELECT (SELECT count(*) FROM message_chunks) + (SELECT count(*) FROM message_tails)");
    left.step();
    EXPECT_EQ(left.integer(0), 0);
}

TEST_F(MessagesTest, aCharacterCutBetweenTwoStepsIsWholeAgain) {
    const MessageId reply = messages.beginReply(chat, {}, "");
    const std::string text = "\xf0\x9f\x98\x80\xe5\x9b\xb4";
    for (const char c : text)
        messages.growReply(reply, std::string_view(&c, 1), "");
    messages.finishReply(reply, MessageState::Complete, 0, "", "");
    EXPECT_EQ(messages.find(reply)->text, text);
}

TEST_F(MessagesTest, severalRepliesGrowAtOnce) {
    std::vector<MessageId> replies;
    std::vector<std::string> expected(4);
    for (int i = 0; i < 4; ++i)
        replies.push_back(messages.beginReply(chat, {}, "m" + std::to_string(i)));
    for (int step = 0; step < 300; ++step)
        for (int i = 0; i < 4; ++i) {
            const std::string part(static_cast<size_t>(20 + 30 * i), static_cast<char>('a' + (step + i) % 26));
            messages.growReply(replies[i], part, "");
            expected[i] += part;
        }
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(messages.find(replies[i])->text, expected[i]);
        messages.finishReply(replies[i], MessageState::Complete, 0, "", "");
        EXPECT_EQ(messages.find(replies[i])->text, expected[i]);
    }
}

TEST_F(MessagesTest, onlyAGrowingReplyGrowsAndEnds) {
    const MessageId question = say({}, "q");
    EXPECT_FALSE(errorOf([&] { messages.growReply(question, "x", ""); }).empty());
    EXPECT_FALSE(errorOf([&] { messages.finishReply(question, MessageState::Complete, 0, "", ""); }).empty());
    EXPECT_FALSE(errorOf([&] { messages.finishReply({99}, MessageState::Complete, 0, "", ""); }).empty());
    EXPECT_FALSE(errorOf([&] { messages.reopenReply(question); }).empty());
    const MessageId reply = messages.beginReply(chat, question, "");
    EXPECT_FALSE(errorOf([&] { messages.reopenReply(reply); }).empty());
    messages.finishReply(reply, MessageState::Complete, 0, "", "");
    EXPECT_FALSE(errorOf([&] { messages.growReply(reply, "x", ""); }).empty());
    EXPECT_EQ(messages.find(question)->text, "q");
}

TEST_F(MessagesTest, anInterruptedReplyGoesOn) {
    const MessageId reply = messages.beginReply(chat, {}, "");
    messages.growReply(reply, "coffee ", "deep ");
    messages.finishReply(reply, MessageState::Interrupted, 1, "stopped", "");
    messages.reopenReply(reply);
    EXPECT_EQ(messages.find(reply)->state, MessageState::Growing);
    EXPECT_EQ(messages.find(reply)->text, "coffee ");
    messages.growReply(reply, "and tea", "thought");
    EXPECT_EQ(messages.find(reply)->text, "coffee and tea");
    messages.finishReply(reply, MessageState::Complete, 2, "", "");
    EXPECT_EQ(messages.find(reply)->text, "coffee and tea");
    EXPECT_EQ(messages.find(reply)->thoughts, "deep thought");
    EXPECT_EQ(Search(db).searchMessages("coffee", 9).size(), 1u);
    EXPECT_EQ(Search(db).searchMessages("tea", 9).size(), 1u);
}

TEST_F(MessagesTest, recoverInterruptsWhatWasGrowing) {
    const MessageId whole = messages.beginReply(chat, {}, "");
    messages.finishReply(whole, MessageState::Complete, 0, "", "");
    const MessageId cut = messages.beginReply(chat, whole, "");
    messages.growReply(cut, std::string(5000, 'y') + " orchid", "t");
    const MessageId empty = messages.beginReply(chat, whole, "");
    EXPECT_EQ(messages.recover(), (std::vector<MessageId>{cut, empty}));
    EXPECT_EQ(messages.find(cut)->state, MessageState::Interrupted);
    EXPECT_EQ(messages.find(cut)->text, std::string(5000, 'y') + " orchid");
    EXPECT_EQ(messages.find(cut)->thoughts, "t");
    EXPECT_EQ(messages.find(empty)->state, MessageState::Interrupted);
    EXPECT_EQ(messages.find(whole)->state, MessageState::Complete);
    EXPECT_EQ(Search(db).searchMessages("orchid", 9).size(), 1u);
    EXPECT_TRUE(messages.recover().empty());
}

TEST_F(MessagesTest, queuedMessagesWaitInOrderAndNotInTheTrash) {
    const MessageId a = say({}, "first", MessageState::Queued);
    const ConversationId other = conversations.create("", "");
    messages.append({.conversation = other, .state = MessageState::Queued, .text = "elsewhere"});
    const MessageId c = say(a, "third", MessageState::Queued);
    EXPECT_EQ(texts(messages.queued()), (std::vector<std::string>{"first", "elsewhere", "third"}));
    conversations.moveToTrash(other);
    EXPECT_EQ(texts(messages.queued()), (std::vector<std::string>{"first", "third"}));
    messages.setState(a, MessageState::Complete, "");
    messages.setState(c, MessageState::Failed, "no model");
    EXPECT_TRUE(messages.queued().empty());
    EXPECT_EQ(messages.find(c)->note, "no model");
}

TEST_F(MessagesTest, rowsOfALaterVersionAreShownAsText) {
    const MessageId id = say({}, "what it said");
    db.execute("UPDATE messages SET role = 'tool', state = 'pondering', created_at = 'yesterday', receipt = x'00ff'");
    const Message m = messages.branch(id).at(0);
    EXPECT_EQ(m.text, "what it said");
    EXPECT_EQ(m.role, Role::Assistant);
    EXPECT_EQ(m.state, MessageState::Complete);
}

TEST_F(MessagesTest, aMissingOrCircularParentShowsTheRest) {
    const MessageId a = say({}, "a");
    const MessageId b = say(a, "b");
    const MessageId c = say(b, "c");
    db.execute("PRAGMA foreign_keys = OFF");
    db.execute("UPDATE messages SET parent_id = 12345 WHERE text = 'b'");
    EXPECT_EQ(texts(messages.branch(c)), (std::vector<std::string>{"b", "c"}));
    db.execute("UPDATE messages SET parent_id = " + std::to_string(c.value) + " WHERE text = 'a'");
    db.execute("UPDATE messages SET parent_id = " + std::to_string(a.value) + " WHERE text = 'b'");
    EXPECT_EQ(messages.branch(c).size(), 3u);
    EXPECT_EQ(messages.latestLeaf(a), a);
}

/// Breaks the chain of pages that holds a long text of Q.
static void damageLongText(const std::filesystem::path& file) {
    std::string bytes = contentOf(file);
    const size_t inside = bytes.find(std::string(2044, 'Q')); // a whole overflow page; its link stands before
    ASSERT_NE(inside, std::string::npos);
    for (size_t at = inside - inside % 2048; at + 2048 <= bytes.size() && bytes[at + 100] == 'Q'; at += 2048)
        bytes.replace(at, 4, "\xff\xff\xff\xff");
    writeFile(file, bytes);
}

TEST(DamagedDraft, doesNotHideTheChats) {
    TempFolder folder;
    ConversationId chat;
    {
        Database db(folder / "d.sqlite", Database::Mode::Write);
        Conversations(db).create("other", "");
        chat = Conversations(db).create("chat", "m");
        Conversations(db).setDraft(chat, std::string(60000, 'Q'));
    }
    damageLongText(folder / "d.sqlite");
    Database db(folder / "d.sqlite", Database::Mode::Write);
    Conversations conversations(db);
    ASSERT_EQ(conversations.list().size(), 2u);
    EXPECT_EQ(conversations.list().at(0).title, "chat");
    EXPECT_EQ(conversations.find(chat)->model, "m");
}

// The pages of a long text are overwritten in the file; the others of the conversation must still be there.
TEST(DamagedMessage, doesNotHideTheOthers) {
    TempFolder folder;
    MessageId last;
    ConversationId chat;
    {
        Database db(folder / "d.sqlite", Database::Mode::Write);
        chat = Conversations(db).create("chat", "");
        Messages messages(db);
        const MessageId first = messages.append({.conversation = chat, .text = "before"});
        const MessageId broken =
            messages.append({.conversation = chat, .parent = first, .text = std::string(60000, 'Q')});
        last = messages.append({.conversation = chat, .parent = broken, .text = "after"});
    }
    damageLongText(folder / "d.sqlite");

    Database db(folder / "d.sqlite", Database::Mode::Write);
    Messages messages(db);
    const std::vector<Message> branch = messages.branch(last);
    ASSERT_EQ(branch.size(), 3u);
    EXPECT_EQ(branch[0].text, "before");
    EXPECT_NE(branch[1].note.find("damaged"), std::string::npos);
    EXPECT_EQ(branch[2].text, "after");
    EXPECT_EQ(Conversations(db).list().size(), 1u);
    EXPECT_TRUE(messages.append({.conversation = chat, .parent = last, .text = "and on"}));
}

// A step of a growing reply writes at most 16 KB however long the reply is: all that the program writes is counted, and
// the log's growth.
TEST(Growth, aStepWritesAtMost16KB) {
    const auto writtenSoFar = [] {
        std::ifstream io("/proc/self/io");
        std::string key;
        int64_t value = 0;
        while (io >> key >> value)
            if (key == "wchar:")
                return value;
        return int64_t{-1};
    };
    TempFolder folder;
    Database db(folder / "d.sqlite", Database::Mode::Write);
    const ConversationId chat = Conversations(db).create("", "");
    Messages messages(db);
    // The first reply leaves free pages behind, which the second one uses again.
    for (const auto& [step, size] : {std::pair(100, 300'000), std::pair(230, 1'200'000), std::pair(1500, 1'200'000)}) {
        const MessageId reply = messages.beginReply(chat, {}, "");
        std::string expected;
        int64_t most = 0;
        int64_t total = 0;
        int64_t mostLog = 0;
        for (int i = 0; static_cast<int>(expected.size()) < size; ++i) {
            const std::string part(static_cast<size_t>(step), static_cast<char>('a' + i % 26));
            const int64_t before = writtenSoFar();
            const auto logBefore = static_cast<int64_t>(std::filesystem::file_size(folder / "d.sqlite-wal"));
            messages.growReply(reply, part, "");
            const int64_t written = writtenSoFar() - before;
            mostLog = std::max(mostLog,
                               static_cast<int64_t>(std::filesystem::file_size(folder / "d.sqlite-wal")) - logBefore);
            most = std::max(most, written);
            total += written;
            expected += part;
        }
        EXPECT_LE(most, 16 * 1024) << step;
        EXPECT_LE(mostLog, 16 * 1024) << step;
        EXPECT_GT(most, step) << "nothing was counted";
        printf("[   figure ] steps of %d bytes: at most %ld bytes a step, %.0f in the mean\n", step, long(most),
               double(total) * step / double(expected.size()));
        EXPECT_EQ(messages.find(reply)->text, expected);
        messages.finishReply(reply, MessageState::Complete, 0, "", "");
        EXPECT_EQ(messages.find(reply)->text, expected);
    }
}

} // namespace hearth::storage
