#include "storage/models.h"
#include "temp_folder.h"

namespace hearth::storage {

using ModelsTest = StorageTest;

TEST_F(ModelsTest, rememberEachThingByItself) {
    Models models(db);
    EXPECT_EQ(models.find("/a.gguf"), std::nullopt);
    ModelRecord wanted{.path = "/a.gguf", .origin = {"huggingface", "org/name", "rev", "https://x", "apache-2.0"}};
    models.setOrigin("/a.gguf", wanted.origin);
    EXPECT_EQ(models.find("/a.gguf"), wanted);
    models.used("/a.gguf", 1000);
    models.measured("/a.gguf", 12.5, 300, 2000);
    models.setDefaults("/a.gguf", R"({"context":4096})");
    models.hide("/a.gguf", true);
    models.trash("/a.gguf", "/.trash/a.gguf", 3000);
    wanted.lastUsedAt = 1000;
    wanted.decodeSpeed = 12.5;
    wanted.prefillSpeed = 300;
    wanted.measuredAt = 2000;
    wanted.defaults = R"({"context":4096})";
    wanted.hidden = true;
    wanted.trashPath = "/.trash/a.gguf";
    wanted.trashedAt = 3000;
    EXPECT_EQ(models.find("/a.gguf"), wanted);
    models.untrash("/a.gguf");
    models.hide("/a.gguf", false);
    wanted.trashPath.clear();
    wanted.trashedAt = 0;
    wanted.hidden = false;
    EXPECT_EQ(models.all(), std::vector<ModelRecord>{wanted});
}

TEST_F(ModelsTest, aSpeedThatWasNotMeasuredStays) {
    Models models(db);
    models.measured("/a", 10, 0, 1);
    models.measured("/a", 0, 200, 2);
    models.measured("/a", 0, 0, 3);
    EXPECT_EQ(models.find("/a")->decodeSpeed, 10);
    EXPECT_EQ(models.find("/a")->prefillSpeed, 200);
    EXPECT_EQ(models.find("/a")->measuredAt, 2);
}

TEST_F(ModelsTest, hashesHoldForTheSameFileOnly) {
    Models models(db);
    const HashedFile file{"/a", 7, 100, 5};
    models.setHashes(file, {.sampled = "s"});
    models.setHashes(file, {.sha256 = "h"});
    EXPECT_EQ(models.hashes(file), (FileHashes{"s", "h"}));
    for (const HashedFile& other : {HashedFile{"/b", 7, 100, 5}, HashedFile{"/a", 8, 100, 5},
                                    HashedFile{"/a", 7, 101, 5}, HashedFile{"/a", 7, 100, 6}})
        EXPECT_EQ(models.hashes(other), FileHashes{});
    models.setHashes({"/a", 8, 100, 5}, {.sampled = "new"}); // another file in its place: nothing of the old one stays
    EXPECT_EQ(models.hashes({"/a", 8, 100, 5}), (FileHashes{"new", ""}));
    EXPECT_EQ(models.hashes(file), FileHashes{});
}

TEST_F(ModelsTest, moveTakesEverythingAlong) {
    Models models(db);
    models.setDefaults("/old", "{}");
    models.setHashes({"/old", 1, 2, 3}, {.sha256 = "h"});
    models.used("/new", 5);
    models.moved("/old", "/new");
    EXPECT_EQ(models.find("/old"), std::nullopt);
    EXPECT_EQ(models.find("/new")->defaults, "{}");
    EXPECT_EQ(models.find("/new")->lastUsedAt, 0);
    EXPECT_EQ(models.hashes({"/new", 1, 2, 3}).sha256, "h");
    models.moved("/unknown", "/new"); // nothing is known of it: what is there stays
    EXPECT_EQ(models.find("/new")->defaults, "{}");
    models.moved("/new", "/new");
    EXPECT_EQ(models.find("/new")->defaults, "{}");
    models.forget("/new");
    EXPECT_TRUE(models.all().empty());
    EXPECT_EQ(models.hashes({"/new", 1, 2, 3}), FileHashes{});
}

TEST_F(ModelsTest, pathsAreBytes) {
    Models models(db);
    const std::string path = "/\xff'\"; DROP TABLE models;--\n围";
    models.used(path, 1);
    EXPECT_EQ(models.all().at(0).path, path);
}

} // namespace hearth::storage
