#include "storage/conversations.h"
#include "storage/database.h"
#include "storage/messages.h"
#include "storage/migrations.h"
#include "temp_folder.h"

#include <sqlite3.h>

#include <random>

#include <sys/stat.h>
#include <unistd.h>

namespace hearth::storage {

namespace fs = std::filesystem;

class OpeningTest : public ::testing::Test {
protected:
    TempFolder folder;
    fs::path file = folder / "hearth.sqlite";

    std::string refusal(const fs::path& path) {
        return errorOf([&] { Database(path, Database::Mode::Write); });
    }

    /// The file is refused with a sentence that has `word`, and not a byte of it changes.
    void expectRefused(const std::string& content, const std::string& word) {
        writeFile(file, content);
        const std::string sentence = refusal(file);
        EXPECT_NE(sentence.find(word), std::string::npos) << sentence;
        EXPECT_NE(sentence.find(file.string()), std::string::npos) << sentence;
        EXPECT_EQ(contentOf(file), content);
        EXPECT_FALSE(errorOf([&] { Database(file, Database::Mode::Read); }).empty());
        EXPECT_EQ(contentOf(file), content);
    }

    ConversationId fill(const fs::path& path) {
        Database db(path, Database::Mode::Write);
        const ConversationId chat = Conversations(db).create("chat", "");
        Messages(db).append({.conversation = chat, .text = "hello"});
        return chat;
    }
};

TEST_F(OpeningTest, anEmptyFileIsANewDatabase) {
    writeFile(file, "");
    fill(file);
    Database again(file, Database::Mode::Write);
    EXPECT_EQ(Conversations(again).list().size(), 1u);
}

TEST_F(OpeningTest, foldersAreMadeAndOthersCannotRead) {
    const fs::path deep = folder / "a/b/c.sqlite";
    Database db(deep, Database::Mode::Write);
    Conversations(db).create("", "");
    for (const char* suffix : {"", "-wal"}) {
        struct stat status {};

        ASSERT_EQ(::stat((deep.string() + suffix).c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0600u) << suffix;
    }
}

TEST_F(OpeningTest, whatItPromisesAboutSafetyHolds) {
    Database db(file, Database::Mode::Write);
    const auto value = [&](const char* pragma) {
        Statement statement = db.prepare(pragma);
        return statement.step() ? statement.text(0) : "";
    };
    EXPECT_EQ(value("PRAGMA journal_mode"), "wal");
    EXPECT_EQ(value("PRAGMA synchronous"), "2");
    EXPECT_EQ(value("PRAGMA foreign_keys"), "1");
    EXPECT_EQ(value("PRAGMA secure_delete"), "1");
    EXPECT_EQ(value("PRAGMA mmap_size"), "0");
    EXPECT_EQ(value("PRAGMA wal_autocheckpoint"), "0");
    EXPECT_EQ(value("PRAGMA page_size"), "2048");
}

TEST_F(OpeningTest, refusesTextGarbageAndShortFiles) {
    expectRefused("Dear diary, this is a text file.\n" + std::string(5000, 'x'), "not a Hearth database");
    expectRefused("x", "not a Hearth database");
    expectRefused(std::string(4096, '\0'), "not a Hearth database");
    expectRefused(std::string("SQLite format 3", 16), "header");
    expectRefused(std::string("SQLite format 3", 16) + std::string(4080, '\0'), "header");
    expectRefused(std::string("SQLite format 3", 16) + std::string(4080, '\xff'), "header");
}

TEST_F(OpeningTest, refusesWhatIsNoFile) {
    EXPECT_NE(refusal(folder.path()).find("folder"), std::string::npos);
    fs::create_symlink("loop", folder / "loop");
    EXPECT_NE(refusal(folder / "loop").find("loop"), std::string::npos);
    ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
    EXPECT_NE(refusal(folder / "fifo").find("not an ordinary file"), std::string::npos);
    EXPECT_NE(refusal("/dev/null").find("not an ordinary file"), std::string::npos);
    EXPECT_NE(refusal("/proc/nowhere/x.sqlite").find("/proc/nowhere"), std::string::npos);
    writeFile(folder / "plain", "x");
    EXPECT_FALSE(refusal(folder / "plain" / "under.sqlite").empty());
}

TEST_F(OpeningTest, refusesAnotherProgramsDatabase) {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &other), SQLITE_OK);
    sqlite3_exec(other, "CREATE TABLE messages(a); PRAGMA user_version = 1", nullptr, nullptr, nullptr);
    sqlite3_close(other);
    expectRefused(contentOf(file), "another program");
}

// The newer one crashed and left a log: neither of the two files may change.
TEST_F(OpeningTest, refusesANewerSchemaUntouched) {
    fill(file);
    std::string bytes;
    std::string log;
    {
        Database db(file, Database::Mode::Write);
        db.execute("PRAGMA user_version = 99");
        bytes = contentOf(file);
        log = contentOf(file.string() + "-wal");
    }
    ASSERT_FALSE(log.empty());
    writeFile(file, bytes);
    writeFile(file.string() + "-wal", log);
    for (int attempt = 0; attempt < 2; ++attempt) {
        const std::string sentence = refusal(file);
        EXPECT_NE(sentence.find("newer Hearth"), std::string::npos) << sentence;
        EXPECT_EQ(contentOf(file), bytes);
        EXPECT_EQ(contentOf(file.string() + "-wal"), log);
    }
    EXPECT_NE(errorOf([&] { Database(file, Database::Mode::Read); }).find("newer"), std::string::npos);
    EXPECT_EQ(contentOf(file), bytes);
}

TEST_F(OpeningTest, aLogWithoutItsDatabaseIsNotThrownAway) {
    writeFile(file, "");
    writeFile(file.string() + "-wal", "everything that was said");
    EXPECT_NE(refusal(file).find("log"), std::string::npos);
    EXPECT_EQ(contentOf(file.string() + "-wal"), "everything that was said");
}

TEST_F(OpeningTest, aReaderNeedsADatabaseAndCannotWrite) {
    EXPECT_FALSE(errorOf([&] { Database(file, Database::Mode::Read); }).empty());
    EXPECT_FALSE(fs::exists(file));
    const ConversationId chat = fill(file);
    Database reader(file, Database::Mode::Read);
    EXPECT_EQ(Conversations(reader).list().size(), 1u);
    EXPECT_FALSE(errorOf([&] { Conversations(reader).rename(chat, "no"); }).empty());
    EXPECT_FALSE(errorOf([&] { reader.execute("DELETE FROM messages"); }).empty());
    EXPECT_EQ(Conversations(reader).list().at(0).title, "chat");
}

TEST_F(OpeningTest, aReaderReadsFromAFolderThatCannotBeWritten) {
    if (::geteuid() == 0)
        GTEST_SKIP() << "root may write everywhere";
    fill(file);
    fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
    Database reader(file, Database::Mode::Read);
    EXPECT_EQ(Conversations(reader).list().size(), 1u);
}

TEST_F(OpeningTest, twoLinksToOneFileShareItsLock) {
    fill(file);
    fs::create_symlink(file, folder / "link.sqlite");
    const auto held = InstanceLock::tryTake(folder / "link.sqlite");
    EXPECT_TRUE(held);
    EXPECT_FALSE(InstanceLock::tryTake(file));
    Database db(folder / "link.sqlite", Database::Mode::Write);
    EXPECT_EQ(db.path(), fs::canonical(file));
}

TEST_F(OpeningTest, triggersAndViewsOfAStrangerDoNotRun) {
    fill(file);
    sqlite3* stranger = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &stranger), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(stranger,
                           "CREATE TRIGGER t AFTER INSERT ON conversations BEGIN DELETE FROM messages; END;"
                           "CREATE VIEW v AS SELECT 1",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(stranger);
    Database db(file, Database::Mode::Write);
    Conversations(db).create("", "");
    Statement count = db.prepare("SELECT count(*) FROM messages");
    count.step();
    EXPECT_EQ(count.integer(0), 1);
    EXPECT_FALSE(errorOf([&] { db.prepare("SELECT * FROM v").step(); }).empty());
}

// Bits, pages and lengths gone wrong: an Error or a working database, never a signal.
TEST_F(OpeningTest, damagedFilesGiveSentencesOrWork) {
    const ConversationId chat = fill(file);
    {
        Database db(file, Database::Mode::Write);
        Messages messages(db);
        MessageId last = Conversations(db).find(chat)->activeLeaf;
        for (int i = 0; i < 60; ++i)
            last = messages.append({.conversation = chat, .parent = last, .text = std::string(300 + 97 * i, 'm')});
    }
    const std::string sound = contentOf(file);
    std::mt19937 random(20260101);
    int refused = 0;
    for (int i = 0; i < 500; ++i) {
        std::string bytes = sound;
        const size_t page = random() % (bytes.size() / 2048) * 2048;
        const size_t at = i % 3 == 0 ? random() % 400 : random() % bytes.size();
        if (i % 4 == 0)
            bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
        else if (i % 4 == 1)
            bytes.replace(page, 2048, std::string(2048, '\0'));
        else if (i % 4 == 2)
            std::swap_ranges(bytes.begin() + page, bytes.begin() + page + 2048,
                             bytes.begin() + random() % (bytes.size() / 2048) * 2048);
        else
            bytes.resize(random() % bytes.size());
        fs::remove(file.string() + "-wal");
        fs::remove(file.string() + "-shm");
        writeFile(file, bytes);
        try {
            Database db(file, Database::Mode::Write);
            Conversations conversations(db);
            Messages messages(db);
            for (const Conversation& c : conversations.list())
                messages.branch(c.activeLeaf);
            messages.recover();
            messages.append({.conversation = chat, .text = "still here"});
        } catch (const Error& error) {
            ++refused;
            EXPECT_GT(std::string(error.what()).size(), 20u);
        }
    }
    EXPECT_GT(refused, 50);
    EXPECT_LT(refused, 500);
}

} // namespace hearth::storage
