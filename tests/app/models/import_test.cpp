#include "app/models/files/importer.h"
#include "app/models/files/store_move.h"
#include "app/models/files/trash.h"
#include "tests/app/models/model_tree.h"

#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace hearth::app;

namespace {

constexpr ImportHow kAll[] = {ImportHow::Copy, ImportHow::Move, ImportHow::HardLink, ImportHow::SymbolicLink};

ImportPlan planOf(const std::string& source, const std::string& folder, ImportHow how,
                  const std::vector<FoundModel>& library = {}) {
    HashCache cache;
    return *planImport({.source = *modelAt(source), .folder = folder, .how = how}, library, cache);
}

ImportResult import(const std::string& source, const std::string& folder, ImportHow how) {
    HashCache cache;
    return runImport(planOf(source, folder, how), cache);
}

std::vector<FoundModel> libraryOf(const std::string& folder) {
    return scanStores({{StoreKind::Own, folder}}).models;
}

template <class F>
std::string errorOf(F&& f) {
    try {
        f();
    } catch (const hearth::engine::Error& error) {
        return error.what();
    }
    return {};
}

/// Another file system, where this machine has one.
std::string otherDisk(const TempTree& tree) {
    std::string name = "/dev/shm/hearth-models-XXXXXX";
    if (!mkdtemp(name.data()))
        return {};
    if (!onOneDisk(name, tree.path()))
        return name;
    fs::remove_all(name);
    return {};
}

} // namespace

TEST(Import, KnownHashes) {
    TempTree tree;
    HashCache cache;
    EXPECT_EQ(sha256Of(tree.write("empty", ""), cache),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(sha256Of(tree.write("abc", "abc"), cache),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // One block of the reader and a little more, against the same in one piece.
    const std::string big((size_t{4} << 20) + 17, 'q');
    Sha256 whole;
    whole.add(std::as_bytes(std::span(big)));
    EXPECT_EQ(sha256Of(tree.write("big", big), cache), whole.hex());
}

TEST(Import, SamplesTellFilesApart) {
    TempTree tree;
    HashCache cache;
    std::string bytes(size_t{3} << 20, 'a');
    const std::string one = tree.write("1", bytes), same = tree.write("2", bytes);
    bytes.back() = 'b';
    const std::string end = tree.write("3", bytes);
    bytes.back() = 'a';
    bytes[200000] = 'b'; // between two samples: only the whole hash tells
    const std::string between = tree.write("4", bytes);
    EXPECT_EQ(sampledId(one, cache), sampledId(same, cache));
    EXPECT_NE(sampledId(one, cache), sampledId(end, cache));
    EXPECT_EQ(sampledId(one, cache), sampledId(between, cache));
    EXPECT_EQ(sameBytes({one}, {same}, cache), true);
    EXPECT_EQ(sameBytes({one}, {end}, cache), false);
    EXPECT_EQ(sameBytes({one}, {between}, cache), false);
    EXPECT_EQ(sameBytes({one}, {one, same}, cache), false);
    EXPECT_EQ(sameBytes({one}, {same}, cache, [](uint64_t, uint64_t) { return false; }), true); // all known by now
    HashCache fresh;
    EXPECT_EQ(sameBytes({one}, {same}, fresh, [](uint64_t, uint64_t) { return false; }), std::nullopt);
}

TEST(Import, AChangedFileIsHashedAgain) {
    TempTree tree;
    HashCache cache;
    const std::string path = tree.write("a", "abc");
    const std::string first = *sha256Of(path, cache);
    tree.write("a", "abd!");
    EXPECT_NE(*sha256Of(path, cache), first);
    EXPECT_NE(errorOf([&] { sha256Of(tree.path("gone"), cache); }), "");
}

TEST(Import, EachWayBringsTheModel) {
    for (const ImportHow how : kAll) {
        SCOPED_TRACE(importName(how));
        TempTree tree;
        const std::string source = tree.write("from/my model.gguf", tinyGguf(7));
        const std::string folder = tree.path("models");
        const std::string before = tree.listing();
        const ImportPlan plan = planOf(source, folder, how);
        EXPECT_EQ(tree.listing(), before); // a plan changes nothing
        EXPECT_EQ(plan.target, folder + "/my model.gguf");
        EXPECT_EQ(plan.writtenBytes, how == ImportHow::Copy ? 64u : 0u);
        EXPECT_TRUE(plan.problem.empty());
        HashCache cache;
        const ImportResult result = runImport(plan, cache);
        EXPECT_EQ(result.path, plan.target);
        EXPECT_EQ(readBytes(result.path), tinyGguf(7));
        EXPECT_EQ(fs::exists(source), how != ImportHow::Move);
        EXPECT_EQ(fs::is_symlink(result.path), how == ImportHow::SymbolicLink);
        EXPECT_EQ(fs::hard_link_count(result.path), how == ImportHow::HardLink ? 2u : 1u);
        EXPECT_EQ(namesIn(folder), std::vector<std::string>{"my model.gguf"}); // nothing is left over
        if (how == ImportHow::Copy) {
            EXPECT_EQ(cache.entries().count(result.path), 1u); // hashed while it was copied
        }
        // The same name again, other bytes: beside it.
        const std::string another = tree.write("more/my model.gguf", tinyGguf(8));
        EXPECT_EQ(import(another, folder, how).path, folder + "/my model (2).gguf");
        EXPECT_EQ(readBytes(folder + "/my model.gguf"), tinyGguf(7));
    }
}

TEST(Import, SplitModelsAndFoldersComeWhole) {
    for (const ImportHow how : kAll) {
        SCOPED_TRACE(importName(how));
        TempTree tree;
        tree.write("from/big-00001-of-00002.gguf", tinyGguf(1));
        tree.write("from/big-00002-of-00002.gguf", tinyGguf(2));
        tree.write("hf/config.json", "{}");
        tree.write("hf/tokenizer.json", "{}");
        tree.write("hf/model.safetensors", "weights");
        const std::string folder = tree.path("models");
        const ImportResult split = import(tree.path("from/big-00002-of-00002.gguf"), folder, how);
        EXPECT_EQ(split.path, folder + "/big/big-00001-of-00002.gguf");
        EXPECT_EQ(readBytes(folder + "/big/big-00002-of-00002.gguf"), tinyGguf(2));
        EXPECT_EQ(fs::exists(tree.path("from")), how != ImportHow::Move);
        const ImportResult whole = import(tree.path("hf"), folder, how);
        EXPECT_EQ(whole.path, folder + "/hf");
        EXPECT_EQ(readBytes(folder + "/hf/tokenizer.json"), "{}");
        EXPECT_EQ(fs::exists(tree.path("hf")), how != ImportHow::Move);
        EXPECT_EQ(libraryOf(folder).size(), 2u);
    }
}

TEST(Import, DuplicatesAreTold) {
    TempTree tree;
    tree.write("models/have.gguf", tinyGguf(1, 300000));
    tree.write("models/other.gguf", tinyGguf(2, 300000));
    const std::vector<FoundModel> library = libraryOf(tree.path("models"));
    const std::string same = tree.write("new/renamed.gguf", tinyGguf(1, 300000));
    EXPECT_EQ(planOf(same, tree.path("models"), ImportHow::Copy, library).duplicateOf, tree.path("models/have.gguf"));
    const std::string unlike = tree.write("new/unlike.gguf", tinyGguf(3, 300000));
    EXPECT_EQ(planOf(unlike, tree.path("models"), ImportHow::Copy, library).duplicateOf, "");
    EXPECT_EQ(planOf(tree.path("models/have.gguf"), tree.path("models"), ImportHow::Copy, library).duplicateOf,
              tree.path("models/have.gguf"));
    HashCache cache;
    EXPECT_FALSE(planImport({.source = *modelAt(same), .folder = tree.path("models")}, library, cache,
                            [](uint64_t, uint64_t) { return false; }));
}

TEST(Import, StoreNamesBecomeFileNames) {
    TempTree tree;
    const std::string blob = tree.write("blobs/sha256-" + std::string(64, '1'), tinyGguf());
    FoundModel model = *modelAt(blob);
    model.store = StoreKind::Ollama;
    model.name = "llama3.2:1b";
    HashCache cache;
    const ImportRequest request{.source = model, .folder = tree.path("models"), .how = ImportHow::HardLink};
    EXPECT_EQ(planImport(request, {}, cache)->target, tree.path("models/llama3.2-1b.gguf"));
    ImportRequest move = request;
    move.how = ImportHow::Move; // of other programs nothing is taken
    EXPECT_NE(planImport(move, {}, cache)->problem.english().find("Ollama"), std::string::npos);
    EXPECT_NE(errorOf([&] { runImport(*planImport(move, {}, cache), cache); }), "");
    EXPECT_TRUE(fs::exists(blob));
}

TEST(Import, NamesAreNeverPaths) {
    const std::pair<const char*, const char*> kNames[] = {
        {"../../x", "-..-x"},
        {"/etc/passwd", "-etc-passwd"},
        {"a:b", "a-b"},
        {"  . ", "model"},
        {"", "model"},
        {"..", "model"},
        {".hidden", "hidden"},
        {"x. ", "x"},
        {"a\u202egpj.exe", "a-gpj.exe"},
        {"围炉", "围炉"},
        {"C:\\x", "C--x"},
    };
    for (const auto& [name, wanted] : kNames)
        EXPECT_EQ(safeFileName(name), wanted) << name;
    EXPECT_EQ(safeFileName(std::string("a\0b\nc", 5)).find_first_of(std::string("\0\n", 2)), std::string::npos);
    std::string longName;
    for (int i = 0; i < 200; ++i)
        longName += "围";
    EXPECT_EQ(safeFileName(longName).size(), 198u); // whole letters
    EXPECT_EQ(safeFileName("\xff\xfe/\x80").find('/'), std::string::npos);
}

TEST(Import, AStopAtAnyMomentLeavesNothing) {
    for (const ImportHow how : kAll) {
        SCOPED_TRACE(importName(how));
        TempTree tree;
        const std::string one = tree.write("from/big-00001-of-00002.gguf", tinyGguf(1, 5 << 20));
        tree.write("from/big-00002-of-00002.gguf", tinyGguf(2, 5 << 20));
        fs::create_directories(tree.path("models"));
        const std::string folder = tree.path("models");
        for (int after = 0; after < 12; ++after) {
            int asked = 0;
            HashCache cache;
            const ImportResult result =
                runImport(planOf(one, folder, how), cache, [&](uint64_t, uint64_t) { return asked++ < after; });
            if (!result.stopped)
                break;
            EXPECT_TRUE(namesIn(folder).empty());
            EXPECT_EQ(namesIn(tree.path("from")).size(), 2u);
        }
    }
}

TEST(Import, KilledAnywhereNoHalfModelIsSeenAndNoneIsLost) {
    TempTree tree;
    const std::string folder = tree.path("models");
    fs::create_directories(folder);
    const std::string first = tinyGguf(1, 9 << 20), second = tinyGguf(2, 9 << 20);
    for (int round = 0; round < 12; ++round) {
        const ImportHow how = round % 2 ? ImportHow::Move : ImportHow::Copy;
        const std::string one = tree.write("from/big-00001-of-00002.gguf", first);
        tree.write("from/big-00002-of-00002.gguf", second);
        const pid_t child = fork();
        if (child == 0) {
            int asked = 0;
            HashCache cache;
            runImport(planOf(one, folder, how), cache, [&](uint64_t, uint64_t) {
                if (asked++ == round)
                    raise(SIGKILL);
                return true;
            });
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        removeImportLeftovers(folder);
        for (const FoundModel& model : libraryOf(folder)) {
            EXPECT_EQ(readBytes(model.files.at(0)), first);
            EXPECT_EQ(readBytes(model.files.at(1)), second);
        }
        const bool sourceWhole = fs::exists(one) && fs::exists(tree.path("from/big-00002-of-00002.gguf"));
        EXPECT_TRUE(sourceWhole || !libraryOf(folder).empty());
        fs::remove_all(folder);
        fs::create_directories(folder);
    }
}

TEST(Import, AFullDiskIsSeenBefore) {
    TempTree tree;
    // A sparse file larger than any disk here.
    const std::string source = tree.write("huge.gguf", tinyGguf());
    const uint64_t free = freeBytesAt(tree.path());
    if (truncate(source.c_str(), static_cast<off_t>(free + (uint64_t{1} << 30))) != 0)
        GTEST_SKIP() << "no sparse files here";
    const ImportPlan plan = planOf(source, tree.path("models"), ImportHow::Copy);
    EXPECT_NE(plan.problem.english().find("free there"), std::string::npos) << plan.problem.english();
    EXPECT_TRUE(planOf(source, tree.path("models"), ImportHow::HardLink).problem.empty());
    HashCache cache;
    EXPECT_NE(errorOf([&] { runImport(plan, cache); }), "");
    EXPECT_FALSE(fs::exists(tree.path("models")));
}

TEST(Import, ADiskThatFillsMeanwhileLeavesNothing) {
    TempTree tree;
    const std::string source = tree.write("a.gguf", tinyGguf(0, 2 << 20));
    fs::create_directories(tree.path("models"));
    const ImportPlan plan = planOf(source, tree.path("models"), ImportHow::Copy);
    const pid_t child = fork();
    if (child == 0) {
        const rlimit limit{1 << 20, 1 << 20}; // of a file's size: the write fails as on a full disk
        setrlimit(RLIMIT_FSIZE, &limit);
        signal(SIGXFSZ, SIG_IGN);
        HashCache cache;
        _exit(errorOf([&] { runImport(plan, cache); }).empty() ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(namesIn(tree.path("models")).empty());
}

TEST(Import, ToAnotherDisk) {
    TempTree tree;
    const std::string other = otherDisk(tree);
    if (other.empty())
        GTEST_SKIP() << "one disk only";
    const std::string source = tree.write("a.gguf", tinyGguf(5));
    EXPECT_NE(planOf(source, other, ImportHow::HardLink).problem.english(), "");
    const ImportPlan plan = planOf(source, other, ImportHow::Move);
    EXPECT_EQ(plan.writtenBytes, 64u);
    HashCache cache;
    EXPECT_EQ(readBytes(runImport(plan, cache).path), tinyGguf(5));
    EXPECT_FALSE(fs::exists(source));
    fs::remove_all(other);
}

TEST(Trash, GivesBackWhatItTook) {
    TempTree tree;
    const std::string folder = tree.path("models");
    tree.write("models/a.gguf", tinyGguf(1));
    tree.write("models/sub/s-00001-of-00002.gguf", tinyGguf(2));
    tree.write("models/sub/s-00002-of-00002.gguf", tinyGguf(3));
    tree.write("models/hf/config.json", "{}");
    tree.write("models/hf/model.safetensors", "w");
    tree.write("elsewhere.gguf", tinyGguf(4));
    tree.link(tree.path("elsewhere.gguf"), "models/link.gguf");
    const std::vector<FoundModel> before = libraryOf(folder);
    ASSERT_EQ(before.size(), 4u);
    int64_t now = 1'000'000;
    for (const FoundModel& model : before)
        trashModel(folder, model, ++now);
    EXPECT_TRUE(libraryOf(folder).empty());
    EXPECT_TRUE(fs::exists(tree.path("elsewhere.gguf")));
    const std::vector<TrashedModel> trashed = trashedModels(folder);
    ASSERT_EQ(trashed.size(), 4u);
    for (const TrashedModel& entry : trashed)
        EXPECT_EQ(restoreModel(folder, entry), entry.path);
    EXPECT_EQ(libraryOf(folder).size(), 4u);
    EXPECT_EQ(readBytes(folder + "/sub/s-00002-of-00002.gguf"), tinyGguf(3));
    EXPECT_TRUE(trashedModels(folder).empty());
    EXPECT_NE(errorOf([&] { restoreModel(folder, trashed[0]); }), "");
}

TEST(Trash, WhatHasTakenThePlaceStays) {
    TempTree tree;
    const std::string folder = tree.path("models");
    tree.write("models/a.gguf", tinyGguf(1));
    const TrashedModel entry = trashModel(folder, libraryOf(folder).at(0), 5);
    tree.write("models/a.gguf", tinyGguf(2));
    EXPECT_EQ(restoreModel(folder, entry), folder + "/a (2).gguf");
    EXPECT_EQ(readBytes(folder + "/a.gguf"), tinyGguf(2));
    EXPECT_EQ(readBytes(folder + "/a (2).gguf"), tinyGguf(1));
}

TEST(Trash, TakesNothingThatIsNotInTheFolder) {
    TempTree tree;
    const std::string folder = tree.path("models");
    fs::create_directories(folder);
    FoundModel outside = *modelAt(tree.write("outside.gguf", tinyGguf()));
    EXPECT_NE(errorOf([&] { trashModel(folder, outside, 1); }), "");
    tree.link(tree.path(), "models/up");
    outside.path = folder + "/up/outside.gguf"; // by way of a link in the folder
    outside.files = {outside.path};
    EXPECT_NE(errorOf([&] { trashModel(folder, outside, 1); }), "");
    FoundModel foreign = *modelAt(tree.write("models/in.gguf", tinyGguf()));
    foreign.store = StoreKind::LmStudio;
    EXPECT_NE(errorOf([&] { trashModel(folder, foreign, 1); }), "");
    EXPECT_TRUE(fs::exists(tree.path("outside.gguf")));
    EXPECT_TRUE(fs::exists(folder + "/in.gguf"));
}

TEST(Trash, IsEmptiedAfterThirtyDays) {
    TempTree tree;
    const std::string folder = tree.path("models");
    constexpr int64_t kDay = 24LL * 3600 * 1000;
    tree.write("models/a.gguf", tinyGguf(1));
    trashModel(folder, libraryOf(folder).at(0), 100 * kDay);
    tree.write("models/b.gguf", tinyGguf(2));
    trashModel(folder, libraryOf(folder).at(0), 110 * kDay);
    EXPECT_EQ(emptyTrash(folder, 129 * kDay), 0);
    EXPECT_EQ(emptyTrash(folder, 130 * kDay), 1);
    ASSERT_EQ(trashedModels(folder).size(), 1u);
    EXPECT_EQ(trashedModels(folder).at(0).path, folder + "/b.gguf");
}

TEST(Trash, ATrashThatSomebodyWroteLeadsNowhere) {
    TempTree tree;
    const std::string folder = tree.path("models");
    for (const char* origin :
         {"", "[", "{}", R"({"path":1})", R"({"path":"../x","bytes":1,"trashedAt":1,"entries":["../x"]})",
          R"({"path":"/etc/x","bytes":1,"trashedAt":1,"entries":["/etc/x"]})",
          R"({"path":"x","bytes":1,"trashedAt":1,"entries":[]})",
          R"({"path":"x","bytes":1,"trashedAt":1,"entries":["a/../../x"]})",
          R"({"path":"x","bytes":-1e300,"trashedAt":"s","entries":{}})"})
        tree.write("models/.trash/" + std::to_string(std::hash<std::string>()(origin)) + "/origin.json", origin);
    EXPECT_TRUE(trashedModels(folder).empty());
    EXPECT_NE(errorOf([&] { restoreModel(folder, {.id = "../.."}); }), "");
}

TEST(StoreMove, TakesEverythingAlong) {
    TempTree tree;
    const std::string other = otherDisk(tree);
    for (const std::string& target : {tree.path("new/place"), other}) {
        if (target.empty())
            continue;
        SCOPED_TRACE(target);
        const std::string from = tree.path("models");
        tree.write("models/a.gguf", tinyGguf(1));
        tree.write("models/sub/b.gguf", tinyGguf(2));
        tree.write("models/.import-dead/half", "x");
        tree.link("/nowhere", "models/link.gguf");
        trashModel(from, *modelAt(tree.write("models/gone.gguf", tinyGguf(3))), 5);
        const StoreMove moved = moveStore(from, target);
        EXPECT_FALSE(moved.stopped);
        EXPECT_EQ(moved.moved.size(), 5u);
        EXPECT_EQ(readBytes(target + "/sub/b.gguf"), tinyGguf(2));
        EXPECT_EQ(fs::read_symlink(target + "/link.gguf"), "/nowhere");
        EXPECT_EQ(trashedModels(target).size(), 1u);
        EXPECT_TRUE(scanStores({{StoreKind::Own, from}}).models.empty());
        EXPECT_FALSE(fs::exists(target + "/.import-dead"));
        fs::remove_all(from);
    }
    if (!other.empty())
        fs::remove_all(other);
}

TEST(StoreMove, GoesOnWhereItWasStopped) {
    TempTree tree;
    const std::string other = otherDisk(tree);
    if (other.empty())
        GTEST_SKIP() << "one disk only";
    for (int i = 0; i < 5; ++i)
        tree.write("models/m" + std::to_string(i) + ".gguf", tinyGguf(uint64_t(i), 5 << 20));
    const auto everyModelIsWhole = [&] {
        for (int i = 0; i < 5; ++i) {
            const std::string name = "/m" + std::to_string(i) + ".gguf", bytes = tinyGguf(uint64_t(i), 5 << 20);
            EXPECT_TRUE(readBytes(tree.path("models") + name) == bytes || readBytes(other + name) == bytes) << name;
        }
    };
    for (int round = 3; round < 20; round += 4) { // killed
        const pid_t child = fork();
        if (child == 0) {
            int asked = 0;
            moveStore(tree.path("models"), other, [&](uint64_t, uint64_t) {
                if (asked++ == round)
                    raise(SIGKILL);
                return true;
            });
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        everyModelIsWhole();
    }
    int asked = 0; // stopped
    EXPECT_TRUE(moveStore(tree.path("models"), other, [&](uint64_t, uint64_t) { return asked++ < 1; }).stopped ||
                namesIn(tree.path("models")).empty());
    everyModelIsWhole();
    // Killed between the rename and the removal: in both.
    tree.write("models/m0.gguf", tinyGguf(0, 5 << 20));
    tree.write("models/other.gguf", tinyGguf(9));
    tree.write("clash", "");
    fs::copy_file(tree.path("clash"), other + "/other.gguf");
    const StoreMove moved = moveStore(tree.path("models"), other);
    EXPECT_FALSE(moved.stopped);
    EXPECT_TRUE(namesIn(tree.path("models")).empty());
    EXPECT_EQ(readBytes(other + "/other (2).gguf"), tinyGguf(9));
    EXPECT_FALSE(fs::exists(other + "/m0 (2).gguf"));
    fs::remove_all(other);
}

// What was moved before it could not go on is told, so that it is found there.
TEST(StoreMove, TellsWhatWasMovedBeforeItFailed) {
    TempTree tree;
    tree.write("models/a.gguf", tinyGguf());
    tree.write("models/b/c.gguf", tinyGguf());
    tree.write("there/b", "a file where a folder must be");
    const StoreMove moved = moveStore(tree.path("models"), tree.path("there"));
    ASSERT_TRUE(moved.problem);
    EXPECT_NE(moved.problem->english().find("cannot be moved"), std::string::npos);
    EXPECT_FALSE(moved.stopped);
    ASSERT_EQ(moved.moved.size(), 1u);
    EXPECT_EQ(moved.moved[0].second, tree.path("there/a.gguf"));
    EXPECT_TRUE(fs::exists(tree.path("models/b/c.gguf")));
}

TEST(StoreMove, RefusesWhatCannotBe) {
    TempTree tree;
    tree.write("models/a.gguf", tinyGguf());
    const std::string error = errorOf([&] { moveStore(tree.path("models"), "/sys/kernel"); });
    EXPECT_NE(error.find("into the folder /sys/kernel"), std::string::npos) << error; // not the model's fault
    EXPECT_NE(errorOf([&] { moveStore(tree.path("models"), tree.path("models")); }), "");
    EXPECT_NE(errorOf([&] { moveStore(tree.path("models"), tree.path("models/below")); }), "");
    EXPECT_NE(errorOf([&] { moveStore(tree.path("models"), tree.path()); }), "");
    EXPECT_NE(errorOf([&] { moveStore(tree.path("models"), "/proc/nowhere"); }), "");
    EXPECT_TRUE(fs::exists(tree.path("models/a.gguf")));
}
