#include "storage/backup.h"
#include "storage/check.h"
#include "storage/conversations.h"
#include "storage/messages.h"
#include "storage/search.h"
#include "temp_folder.h"

#include <sys/stat.h>

namespace hearth::storage {

namespace fs = std::filesystem;

class BackupTest : public StorageTest {
protected:
    ConversationId chat = Conversations(db).create("chat", "");
    MessageId message = Messages(db).append({.conversation = chat, .text = "to be kept"});

    size_t filesInFolder() {
        size_t count = 0;
        for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path()))
            ++count;
        return count;
    }
};

TEST_F(BackupTest, isOneFileThatOpensAndIsSound) {
    const MessageId growing = Messages(db).beginReply(chat, message, "");
    Messages(db).growReply(growing, "half", "");
    const size_t before = filesInFolder();
    backup(db, folder / "copy.sqlite");
    EXPECT_EQ(filesInFolder(), before + 1);

    struct stat status {};

    ASSERT_EQ(::stat((folder / "copy.sqlite").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);

    Messages(db).growReply(growing, " and half", ""); // the original goes on
    Database copy(folder / "copy.sqlite", Database::Mode::Write);
    EXPECT_EQ(Messages(copy).find(message)->text, "to be kept");
    EXPECT_EQ(Messages(copy).find(growing)->text, "half");
    EXPECT_EQ(Search(copy).searchMessages("kept", 5).size(), 1u);
    EXPECT_TRUE(check(folder / "copy.sqlite").ok());
}

TEST_F(BackupTest, replacesAnEarlierOneAtOnce) {
    writeFile(folder / "copy.sqlite", "an earlier backup");
    writeFile(folder / "copy.sqlite.part", "what a crash left");
    backup(db, folder / "copy.sqlite");
    EXPECT_TRUE(check(folder / "copy.sqlite").ok());
    EXPECT_FALSE(fs::exists(folder / "copy.sqlite.part"));
}

TEST_F(BackupTest, refusesItsOwnNameAndImpossiblePlaces) {
    EXPECT_FALSE(errorOf([&] { backup(db, db.path()); }).empty());
    EXPECT_NE(errorOf([&] { backup(db, folder / "no/such/folder.sqlite"); }).find("another folder"), std::string::npos);
    fs::create_directory(folder / "taken");
    writeFile(folder / "taken/x", "x");
    EXPECT_FALSE(errorOf([&] { backup(db, folder / "taken"); }).empty());
    EXPECT_FALSE(fs::exists(folder / "taken.part"));
    EXPECT_EQ(Messages(db).find(message)->text, "to be kept");
}

TEST_F(BackupTest, ofADamagedDatabaseKeepsTheEarlierOne) {
    backup(db, folder / "copy.sqlite");
    const std::string earlier = contentOf(folder / "copy.sqlite");
    db.execute("PRAGMA ignore_check_constraints = ON");
    db.execute("UPDATE sequence SET id = 5"); // breaks a constraint, which the integrity check sees
    EXPECT_NE(errorOf([&] { backup(db, folder / "copy.sqlite"); }).find("damaged"), std::string::npos);
    EXPECT_EQ(contentOf(folder / "copy.sqlite"), earlier);
    EXPECT_FALSE(fs::exists(folder / "copy.sqlite.part"));
}

} // namespace hearth::storage
