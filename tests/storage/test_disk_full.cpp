#include "storage/backup.h"
#include "storage/check.h"
#include "storage/conversations.h"
#include "storage/messages.h"
#include "temp_folder.h"

#include <csignal>

#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

namespace hearth::storage {

namespace fs = std::filesystem;

namespace {

/// Writes until it fails; returns the sentence. `kept` counts what was acknowledged.
std::string fillUp(Messages& messages, ConversationId chat, std::vector<MessageId>& kept) {
    for (int i = 0; i < 100'000; ++i)
        try {
            kept.push_back(messages.append({.conversation = chat, .text = std::string(3000, 'f')}));
        } catch (const Error& error) {
            return error.what();
        }
    return "the disk was never full";
}

void expectAllKept(Messages& messages, const std::vector<MessageId>& kept) {
    EXPECT_GT(kept.size(), 5u);
    for (const MessageId id : kept)
        ASSERT_EQ(messages.find(id).value().text, std::string(3000, 'f'));
}

/// Forbids this process to write any file beyond `bytes`; EFBIG then comes from the system itself.
class SizeLimit {
public:
    explicit SizeLimit(rlim_t bytes) {
        ::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }

    ~SizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

private:
    rlimit before_{};
};

} // namespace

// The system refuses the write itself, with a cause that SQLite does not know as a full disk.
TEST(DiskFull, aRefusedWriteLosesNothing) {
    TempFolder folder;
    std::vector<MessageId> kept;
    ConversationId chat;
    {
        Database db(folder / "d.sqlite", Database::Mode::Write);
        Messages messages(db);
        chat = Conversations(db).create("", "");
        const MessageId reply = messages.beginReply(chat, {}, "");
        messages.growReply(reply, "half an answer", "");
        {
            const SizeLimit limit(400'000);
            const std::string sentence = fillUp(messages, chat, kept);
            EXPECT_NE(sentence.find("disk"), std::string::npos) << sentence;
            EXPECT_FALSE(errorOf([&] { messages.growReply(reply, std::string(500'000, 'x'), ""); }).empty());
            EXPECT_EQ(messages.find(reply)->text, "half an answer");
            expectAllKept(messages, kept);
        }
        // There is space again: the same calls work.
        messages.growReply(reply, " and the rest", "");
        messages.finishReply(reply, MessageState::Complete, 0, "", "");
        EXPECT_EQ(messages.find(reply)->text, "half an answer and the rest");
        kept.push_back(messages.append({.conversation = chat, .text = std::string(3000, 'f')}));
    }
    Database db(folder / "d.sqlite", Database::Mode::Write);
    Messages messages(db);
    expectAllKept(messages, kept);
    EXPECT_TRUE(check(db.path()).ok());
}

TEST(DiskFull, ofTheDatabaseItself) {
    TempFolder folder;
    Database db(folder / "d.sqlite", Database::Mode::Write);
    Messages messages(db);
    const ConversationId chat = Conversations(db).create("", "");
    db.execute("PRAGMA max_page_count = 200");
    std::vector<MessageId> kept;
    const std::string sentence = fillUp(messages, chat, kept);
    EXPECT_NE(sentence.find("disk is full"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("Free some space"), std::string::npos) << sentence;
    expectAllKept(messages, kept);
    EXPECT_TRUE(check(db.path()).ok());
    db.execute("PRAGMA max_page_count = 100000");
    EXPECT_TRUE(messages.append({.conversation = chat, .text = "space again"}));
}

TEST(DiskFull, onARealFileSystemOf1MB) {
    TempFolder folder;
    const fs::path mounted = folder / "small";
    fs::create_directory(mounted);
    if (::mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=1m") != 0)
        GTEST_SKIP() << "needs the right to mount a file system";
    {
        Database db(mounted / "d.sqlite", Database::Mode::Write);
        Messages messages(db);
        const ConversationId chat = Conversations(db).create("", "");
        std::vector<MessageId> kept;
        const MessageId reply = messages.beginReply(chat, {}, "");
        messages.growReply(reply, "half an answer", "");
        const std::string sentence = fillUp(messages, chat, kept);
        EXPECT_NE(sentence.find("disk is full"), std::string::npos) << sentence;
        EXPECT_NE(sentence.find("Free some space"), std::string::npos) << sentence;
        expectAllKept(messages, kept);
        EXPECT_FALSE(errorOf([&] { messages.growReply(reply, std::string(500'000, 'x'), ""); }).empty());
        EXPECT_EQ(messages.find(reply)->text, "half an answer");
        EXPECT_NE(errorOf([&] { backup(db, mounted / "b.sqlite"); }).find("full"), std::string::npos);
        EXPECT_FALSE(fs::exists(mounted / "b.sqlite"));
        EXPECT_FALSE(fs::exists(mounted / "b.sqlite.part"));
    }
    {
        Database db(mounted / "d.sqlite", Database::Mode::Write); // opens again, still full
        EXPECT_EQ(Conversations(db).list().size(), 1u);
    }
    EXPECT_EQ(::umount(mounted.c_str()), 0);
}

} // namespace hearth::storage
