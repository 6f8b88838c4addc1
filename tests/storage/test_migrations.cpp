#include "storage/conversations.h"
#include "storage/messages.h"
#include "storage/migrations.h"
#include "storage/search.h"
#include "temp_folder.h"

#include <sqlite3.h>

namespace hearth::storage {

namespace fs = std::filesystem;

namespace {

// Steps that have been released, by version. A step never changes after it is here; a new step adds a row.
constexpr uint64_t kReleasedSteps[] = {0xf90b5df88f1a7162, 0xcc85d26142565d75, 0x59292cbe071d3ad4, 0x3d1f994198b8e3d5,
                                       0x6dbe340651d9ca0f};

uint64_t fnv(std::string_view text) {
    uint64_t h = 0xcbf29ce484222325u;
    for (const char c : text)
        h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return h;
}

/// A database as version `version` left it.
void makeOld(const fs::path& path, int version) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    std::string sql = "PRAGMA journal_mode = WAL;";
    for (int i = 0; i < version; ++i)
        sql += migrations()[i].sql;
    sql += "PRAGMA application_id = " + std::to_string(kApplicationId) +
           "; PRAGMA user_version = " + std::to_string(version) + ";";
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
}

void insertOld(const fs::path& path) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(
        sqlite3_exec(db, contentOf(HEARTH_TEST_DATA "/storage/version1_rows.sql").c_str(), nullptr, nullptr, nullptr),
        SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
}

} // namespace

TEST(Migrations, releasedStepsDoNotChange) {
    ASSERT_EQ(migrations().size(), std::size(kReleasedSteps)) << "a new step needs its hash in this test";
    for (size_t i = 0; i < migrations().size(); ++i)
        EXPECT_EQ(fnv(migrations()[i].sql), kReleasedSteps[i]) << "step " << i + 1 << " was changed after its release";
}

TEST(Migrations, giveTheGoldenSchema) {
    TempFolder folder;
    Database db(folder / "d.sqlite", Database::Mode::Write);
    Statement schema = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name");
    std::string dump = "-- version " + std::to_string(newestSchema()) + "\n";
    while (schema.step())
        dump += schema.text(0) + ";\n";
    const fs::path golden = HEARTH_TEST_DATA "/storage/schema.sql";
    if (std::getenv("UPDATE_GOLDEN"))
        writeFile(golden, dump);
    EXPECT_EQ(dump, contentOf(golden));
}

TEST(Migrations, fromVersionOneKeepEverythingAndMakeItSearchable) {
    TempFolder folder;
    const fs::path file = folder / "d.sqlite";
    makeOld(file, 1);
    insertOld(file);
    {
        Database db(file, Database::Mode::Write);
        EXPECT_EQ(schemaVersion(db), newestSchema());
        Conversations conversations(db);
        ASSERT_EQ(conversations.list().size(), 2u);
        EXPECT_EQ(conversations.list().at(0).title, "价格表");
        Messages messages(db);
        const std::vector<Message> branch = messages.branch(conversations.list().at(1).activeLeaf);
        ASSERT_EQ(branch.size(), 2u);
        EXPECT_EQ(branch[0].text, "我想喝咖啡");
        EXPECT_EQ(branch[1].state, MessageState::Growing);
        EXPECT_EQ(branch[1].text, "Coffee is made of beans");
        Search search(db);
        EXPECT_EQ(search.searchMessages("咖啡", 5).size(), 1u);
        EXPECT_EQ(search.searchTitles("价格", 5).size(), 1u);
        EXPECT_EQ(messages.recover().size(), 1u);
        EXPECT_EQ(search.searchMessages("beans", 5).size(), 1u);
    }
    // The copy beside it is the old one, whole.
    sqlite3* copy = nullptr;
    ASSERT_EQ(sqlite3_open_v2((file.string() + ".v1.backup").c_str(), &copy, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    Statement version(copy, "PRAGMA user_version");
    version.step();
    EXPECT_EQ(version.integer(0), 1);
    Statement rows(copy, "SELECT count(*) FROM messages");
    rows.step();
    EXPECT_EQ(rows.integer(0), 3);
    version.reset();
    rows.reset();
    sqlite3_close_v2(copy);
}

TEST(Migrations, aReaderLeavesAnOldDatabaseAlone) {
    TempFolder folder;
    makeOld(folder / "d.sqlite", 1);
    const std::string before = contentOf(folder / "d.sqlite");
    const std::string sentence = errorOf([&] { Database(folder / "d.sqlite", Database::Mode::Read); });
    EXPECT_NE(sentence.find("older"), std::string::npos) << sentence;
    EXPECT_EQ(contentOf(folder / "d.sqlite"), before);
}

TEST(Migrations, aNewDatabaseNeedsNoBackup) {
    TempFolder folder;
    { Database db(folder / "d.sqlite", Database::Mode::Write); }
    { Database db(folder / "d.sqlite", Database::Mode::Write); }
    for (const auto& entry : fs::directory_iterator(folder.path()))
        EXPECT_EQ(entry.path().filename(), "d.sqlite");
}

TEST(Migrations, aDamagedOldDatabaseIsNotMigrated) {
    TempFolder folder;
    const fs::path file = folder / "d.sqlite";
    makeOld(file, 1);
    insertOld(file);
    std::string bytes = contentOf(file);
    // The root page of `messages`, found by a text that only it holds.
    const size_t at = bytes.find("Coffee is");
    ASSERT_NE(at, std::string::npos);
    const size_t page = at - at % 4096;
    bytes.replace(page, 100, std::string(100, '\x55'));
    writeFile(file, bytes);
    const std::string sentence = errorOf([&] { Database(file, Database::Mode::Write); });
    EXPECT_NE(sentence.find("damaged"), std::string::npos) << sentence;
    EXPECT_EQ(contentOf(file), bytes);
    EXPECT_FALSE(fs::exists(file.string() + ".v1.backup"));
    EXPECT_FALSE(fs::exists(file.string() + ".v1.backup.part"));
}

} // namespace hearth::storage
