#include "app/prefix_folder.h"
#include "tests/app/models/model_tree.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

using hearth::app::PrefixFolder;
using hearth::app::TempTree;
namespace fs = std::filesystem;

namespace {

constexpr const char* kKey = "0123456789abcdef";

} // namespace

TEST(PrefixFolder, WithoutAFolderNothingIsKept) {
    PrefixFolder none;
    EXPECT_FALSE(none.isOpen());
    EXPECT_EQ(none.file(7, kKey), "");
    EXPECT_FALSE(none.firstTime(""));
    none.remove([](const std::string&) { return true; });
    none.prune(0);
}

TEST(PrefixFolder, AFileForEachConversationAndModel) {
    const TempTree tree;
    PrefixFolder folder;
    folder.open(tree.path("below/prefixes"));
    EXPECT_TRUE(folder.isOpen());
    EXPECT_EQ(folder.file(0, kKey), ""); // of no conversation
    EXPECT_FALSE(fs::exists(tree.path("below")));
    EXPECT_EQ(folder.file(7, kKey), tree.path("below/prefixes/7-0123456789abcdef.kv"));
    EXPECT_NE(folder.file(7, kKey), folder.file(7, "another"));
    EXPECT_NE(folder.file(7, kKey), folder.file(8, kKey));
    EXPECT_EQ(fs::status(tree.path("below/prefixes")).permissions(), fs::perms::owner_all);
}

TEST(PrefixFolder, WhatWasReadIsReadOnce) {
    const TempTree tree;
    PrefixFolder folder;
    folder.open(tree.path("prefixes"));
    const std::string seven = folder.file(7, kKey), eight = folder.file(8, kKey);
    EXPECT_TRUE(folder.firstTime(seven));
    EXPECT_FALSE(folder.firstTime(seven));
    EXPECT_TRUE(folder.firstTime(eight));
    folder.remove(PrefixFolder::filesOf([](int64_t id) { return id == 7; }));
    EXPECT_TRUE(folder.firstTime(seven)); // a new one
    EXPECT_FALSE(folder.firstTime(eight));
    folder.forgetRead();
    EXPECT_TRUE(folder.firstTime(eight));
}

TEST(PrefixFolder, RemovesFilesOfConversationsAndNothingElse) {
    const TempTree tree;
    PrefixFolder folder;
    folder.open(tree.path("prefixes"));
    const std::string seven = tree.write("prefixes/7-a.kv", "x"), other = tree.write("prefixes/7-b.kv", "x");
    const std::string seventy = tree.write("prefixes/70-a.kv", "x");
    const std::vector<std::string> strangers = {
        tree.write("prefixes/notes.kv", "x"), tree.write("prefixes/7.kv", "x"), tree.write("prefixes/7-a.txt", "x"),
        tree.write("prefixes/-7-a.kv", "x"), tree.write("prefixes/99999999999999999999-a.kv", "x")};
    folder.remove(PrefixFolder::filesOf([](int64_t id) { return id == 7; }));
    EXPECT_FALSE(fs::exists(seven) || fs::exists(other));
    EXPECT_TRUE(fs::exists(seventy));
    folder.remove(PrefixFolder::filesOf([](int64_t) { return true; }));
    EXPECT_FALSE(fs::exists(seventy));
    for (const std::string& stranger : strangers)
        EXPECT_TRUE(fs::exists(stranger)) << stranger;
}

TEST(PrefixFolder, PrunesTheOldest) {
    const TempTree tree;
    PrefixFolder folder;
    folder.open(tree.path("prefixes"));
    const std::string old = tree.write("prefixes/1-a.kv", std::string(5000, 'x'));
    const std::string young = tree.write("prefixes/2-a.kv", std::string(5000, 'x'));
    fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(5));
    folder.prune(1 << 20);
    EXPECT_TRUE(fs::exists(old));
    folder.prune(9000);
    EXPECT_FALSE(fs::exists(old));
    EXPECT_TRUE(fs::exists(young));
}

TEST(PrefixFolder, AnyThreadForgets) {
    PrefixFolder folder;
    std::thread other([&] { folder.forget(3); });
    other.join();
    folder.forget(4);
    EXPECT_EQ(folder.takeForgotten(), (std::vector<int64_t>{3, 4}));
    EXPECT_TRUE(folder.takeForgotten().empty());
}
