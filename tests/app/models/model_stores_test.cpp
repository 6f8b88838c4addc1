#include "app/models/files/model_stores.h"
#include "tests/app/models/model_tree.h"
#include "tests/processor_time.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

using namespace hearth::app;

namespace {

std::string hash(char digit) {
    return std::string(64, digit);
}

std::string manifest(const std::string& digest, const std::string& type = "application/vnd.ollama.image.model") {
    const nlohmann::json license = {
        {"mediaType", "application/vnd.ollama.image.license"}, {"digest", "sha256:" + hash('f')}, {"size", 4}};
    return nlohmann::json{{"schemaVersion", 2},
                          {"layers", {license, {{"mediaType", type}, {"digest", digest}, {"size", 72}}}}}
        .dump();
}

StoreEnvironment environment(const std::string& home, const std::map<std::string, std::string>& variables = {}) {
    return {.home = home, .variable = [variables](const char* name) {
                const auto it = variables.find(name);
                return it == variables.end() ? std::string() : it->second;
            }};
}

/// A home in which all five programs keep models, `each` a store.
std::set<std::string> fillHome(const TempTree& tree, int each) {
    std::set<std::string> names;
    uint64_t salt = 0;
    const auto name = [](int i) { return "m" + std::to_string(1000 + i); };
    for (int i = 0; i < each; ++i) {
        char digest[65];
        std::snprintf(digest, sizeof digest, "%064x", i + 1);
        tree.write(".ollama/models/blobs/sha256-" + std::string(digest), tinyGguf(++salt));
        tree.write(".ollama/models/manifests/registry.ollama.ai/library/" + name(i) + "/latest",
                   manifest("sha256:" + std::string(digest)));
        names.insert("ollama " + name(i) + ":latest");

        const std::string repo = ".cache/huggingface/hub/models--org--" + name(i);
        tree.write(repo + "/blobs/" + std::string(digest), tinyGguf(++salt));
        tree.write(repo + "/refs/main", std::string(40, 'a'));
        tree.link("../../blobs/" + std::string(digest), repo + "/snapshots/" + std::string(40, 'a') + "/q4.gguf");
        names.insert("huggingface org/" + name(i));

        tree.write(".lmstudio/models/pub/" + name(i) + "/q4.gguf", tinyGguf(++salt));
        names.insert("lmstudio pub/" + name(i));
        tree.write(".cache/llama.cpp/org_" + name(i) + "_q4.gguf", tinyGguf(++salt));
        tree.write(".cache/llama.cpp/org_" + name(i) + "_q4.gguf.json",
                   R"({"etag":"\"x\"","lastModified":"","url":"https://hub/org/)" + name(i) + R"(/q4.gguf"})");
        names.insert("llamacpp https://hub/org/" + name(i) + "/q4.gguf");
        tree.write(".local/share/nomic.ai/GPT4All/" + name(i) + ".gguf", tinyGguf(++salt));
        names.insert("gpt4all " + tree.path(".local/share/nomic.ai/GPT4All/" + name(i) + ".gguf"));
    }
    return names;
}

std::set<std::string> told(const StoreScan& scan) {
    std::set<std::string> names;
    for (const FoundModel& model : scan.models) {
        const std::string says = !model.name.empty()   ? model.name
                                 : !model.repo.empty() ? model.repo
                                 : !model.url.empty()  ? model.url
                                                       : model.path;
        names.insert(std::string(storeKey(model.store)) + " " + says);
    }
    return names;
}

StoreScan scanHome(const TempTree& tree) {
    return scanStores(foreignRoots(environment(tree.path())));
}

} // namespace

TEST(ModelStores, FindsAllFiveAndTouchesNothing) {
    TempTree tree;
    const std::set<std::string> wanted = fillHome(tree, 3);
    tree.lock(true);
    const std::string before = tree.listing();
    const StoreScan scan = scanHome(tree);
    EXPECT_EQ(told(scan), wanted);
    EXPECT_EQ(tree.listing(), before);
    EXPECT_FALSE(scan.cut);
    for (const FoundModel& model : scan.models) {
        EXPECT_EQ(model.bytes, 64u) << model.path;
        EXPECT_EQ(readBytes(model.path).substr(0, 4), "GGUF");
        if (model.store == StoreKind::Ollama || model.store == StoreKind::HuggingFace) {
            EXPECT_EQ(model.sha256.size(), 64u);
        }
        if (model.store == StoreKind::HuggingFace) {
            EXPECT_EQ(model.revision, std::string(40, 'a'));
        }
    }
}

TEST(ModelStores, AThousandFilesTakeHalfASecondAtMost) {
    TempTree tree;
    const std::set<std::string> wanted = fillHome(tree, 1000);
    tree.lock(true);
    const std::string before = tree.listing();
    const double start = hearth::processorSeconds();
    const StoreScan scan = scanHome(tree);
    const double seconds = hearth::processorSeconds() - start;
    const double files = double(scan.entries);
    std::printf("%zu models, %.0f names: %.1f ms of processor time, %.1f ms for 1,000 names\n", scan.models.size(),
                files, seconds * 1e3, seconds / files * 1e6);
    EXPECT_EQ(told(scan), wanted);
    EXPECT_GT(files, 5000);
    EXPECT_LT(seconds / double(scan.models.size()) * 1000, 0.5);
    EXPECT_EQ(tree.listing(), before);
}

TEST(ModelStores, TimesOfAccessStay) {
    TempTree tree;
    fillHome(tree, 1);
    std::vector<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(tree.path()))
        if (!entry.is_symlink())
            paths.push_back(entry.path());
    // Older than a day, so that a file system that notes the first access of a day would note it.
    const timespec old[2] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
    for (const fs::path& path : paths)
        utimensat(AT_FDCWD, path.c_str(), old, 0);
    EXPECT_EQ(scanHome(tree).models.size(), 5u);
    for (const fs::path& path : paths) {
        struct stat status {};

        stat(path.c_str(), &status);
        EXPECT_EQ(status.st_atim.tv_sec, 1'500'000'000) << path;
    }
}

TEST(ModelStores, FollowsWhatTheProgramsAreToldElsewhere) {
    TempTree tree;
    tree.write("o/blobs/sha256-" + hash('1'), tinyGguf(1));
    tree.write("o/manifests/hf.co/org/name/Q4_K_M", manifest("sha256:" + hash('1')));
    tree.write("h/hub/models--solo/snapshots/r/model-00001-of-00002.safetensors", "one");
    tree.write("h/hub/models--solo/snapshots/r/model-00002-of-00002.safetensors", "two!");
    tree.write("h/hub/models--solo/snapshots/r/config.json", "{}");
    tree.write("other/models/p/r/x-00001-of-00002.gguf", tinyGguf(2));
    tree.write("other/models/p/r/x-00002-of-00002.gguf", tinyGguf(3));
    tree.write(".lmstudio-home-pointer", tree.path("home") + "\n");
    tree.write("home/settings.json", R"({"downloadsFolder":")" + tree.path("other/models") + R"("})");
    tree.write("g \\ all/a.gguf", tinyGguf(4));
    tree.write(".config/nomic.ai/GPT4All.ini", "[General]\nx=1\nmodelPath=\"" + tree.path() + "/g \\\\ all\"\n");
    const StoreScan scan = scanStores(foreignRoots(environment(
        tree.path(), {{"OLLAMA_MODELS", tree.path("o")}, {"HF_HOME", tree.path("h")}, {"LLAMA_CACHE", "relative"}})));
    EXPECT_EQ(told(scan), (std::set<std::string>{"ollama hf.co/org/name:Q4_K_M", "huggingface solo", "lmstudio p/r",
                                                 "gpt4all " + tree.path("g \\ all/a.gguf")}));
    for (const FoundModel& model : scan.models) {
        if (model.store == StoreKind::HuggingFace) {
            EXPECT_EQ(model.path, tree.path("h/hub/models--solo/snapshots/r"));
            EXPECT_EQ(model.bytes, 7u);
        }
        if (model.store == StoreKind::LmStudio) {
            EXPECT_EQ(model.files.size(), 2u);
        }
        if (model.store == StoreKind::Ollama) {
            EXPECT_EQ(model.repo, "org/name");
        }
    }
}

TEST(ModelStores, OneFileUnderTwoNamesIsOneModel) {
    TempTree tree;
    const std::string repo = ".cache/huggingface/hub/models--org--name";
    tree.write(repo + "/blobs/" + hash('1'), tinyGguf());
    tree.write(repo + "/refs/main", "new\n");
    for (const char* revision : {"old", "new", "older"})
        tree.link("../../blobs/" + hash('1'), repo + "/snapshots/" + revision + "/q4.gguf");
    fs::create_directories(tree.path("mine"));
    fs::create_hard_link(tree.path(repo + "/blobs/" + hash('1')), tree.path("mine/linked.gguf"));
    std::vector<StoreRoot> roots = foreignRoots(environment(tree.path()));
    StoreScan scan = scanStores(roots);
    ASSERT_EQ(scan.models.size(), 1u);
    EXPECT_EQ(scan.models[0].revision, "new");
    EXPECT_EQ(scan.models[0].sha256, hash('1'));
    roots.insert(roots.begin(), {StoreKind::Own, tree.path("mine")});
    scan = scanStores(roots);
    ASSERT_EQ(scan.models.size(), 1u);
    EXPECT_EQ(scan.models[0].store, StoreKind::Own);
}

TEST(ModelStores, HostileTreesGiveNothingAndEnd) {
    TempTree tree;
    const std::string manifests = ".ollama/models/manifests/registry.ollama.ai/library/";
    tree.write("outside.gguf", tinyGguf());
    for (const std::string& digest :
         {std::string("sha256:../../../outside.gguf"), "sha256:" + tree.path("outside.gguf"), std::string("sha256:"),
          std::string("../../../outside.gguf"), "sha256:" + hash('A'), "sha256:" + hash('1') + "/../../x",
          "sha256:" + std::string(64, '\0'), std::string(1 << 18, 'a')})
        tree.write(manifests + "bad" + std::to_string(std::hash<std::string>()(digest)) + "/latest", manifest(digest));
    tree.write(manifests + "deep/latest", std::string(100000, '['));
    tree.write(manifests + "huge/latest", "{\"layers\":[" + std::string(2 << 20, ' ') + "]}");
    tree.write(manifests + "types/latest", R"({"layers":[1,null,[],{"mediaType":7,"digest":{}}]})");
    tree.write(manifests + "object/latest", R"({"layers":{"a":1}})");
    tree.write(manifests + "bytes/latest", std::string("\xff\xfe\0{", 4));
    mkfifo(tree.path(manifests + "bytes/fifo").c_str(), 0600);
    fs::create_directories(tree.path(".ollama/models/blobs"));
    tree.link("/dev/zero", ".ollama/models/blobs/sha256-" + hash('2'));
    tree.write(manifests + "device/latest", manifest("sha256:" + hash('2')));
    tree.link("../library", manifests + "loop");
    tree.link(".", ".lmstudio/models/self/again");
    tree.link("b", ".lmstudio/models/a");
    tree.link("a", ".lmstudio/models/b");
    tree.link(tree.path(".lmstudio/models"), ".lmstudio/models/up/and/up");
    tree.write(".lmstudio/models/x/notes.gguf", "no gguf at all");
    tree.write(".lmstudio/models/x/empty.gguf", "");
    mkfifo(tree.path(".lmstudio/models/x/fifo.gguf").c_str(), 0600);
    tree.write(".lmstudio/models/x/mmproj-x.gguf", tinyGguf());
    tree.write(".lmstudio/models/x/y-00001-of-00003.gguf", tinyGguf());
    tree.write(".lmstudio/settings.json", std::string(100000, '{'));
    tree.link("../../../../../../etc/passwd", ".cache/huggingface/hub/models--a--b/snapshots/r/x.gguf");
    tree.link("snapshots", ".cache/huggingface/hub/models--a--b/snapshots/loop");
    tree.write(".cache/huggingface/hub/models--a--b/refs/main", std::string(1000, 'x'));
    tree.write(".cache/llama.cpp/part.gguf.downloadInProgress", tinyGguf());
    tree.write(".config/nomic.ai/GPT4All.ini", "modelPath=" + std::string(100000, '/') + "\n");
    const double start = hearth::processorSeconds();
    const StoreScan scan = scanHome(tree);
    EXPECT_LT(hearth::processorSeconds() - start, 2);
    EXPECT_EQ(told(scan), std::set<std::string>());
    EXPECT_EQ(scan.incomplete, 2u);
}

TEST(ModelStores, AMistakenRootEnds) {
    TempTree tree;
    for (int i = 0; i < 60; ++i)
        for (int j = 0; j < 10; ++j)
            tree.write("d" + std::to_string(i) + "/f" + std::to_string(j), "");
    size_t told = 0;
    FolderWalk walk({.depth = 3, .entries = 100});
    walk.run(
        tree.path(), [](const WalkEntry&) { return true; }, [&](const WalkEntry&) { ++told; });
    EXPECT_TRUE(walk.cut());
    EXPECT_LE(told, 100u);
}

TEST(ModelStores, ModelAtAPath) {
    TempTree tree;
    const std::string single = tree.write("a.gguf", tinyGguf());
    tree.write("s/b-00001-of-00002.gguf", tinyGguf());
    const std::string second = tree.write("s/b-00002-of-00002.gguf", tinyGguf(1));
    tree.write("hf/config.json", "{}");
    const std::string weights = tree.write("hf/model.safetensors", "w");
    EXPECT_EQ(modelAt(single)->path, single);
    EXPECT_EQ(modelAt(second)->path, tree.path("s/b-00001-of-00002.gguf"));
    EXPECT_EQ(modelAt(tree.path("s/"))->files.size(), 2u);
    EXPECT_EQ(modelAt(weights)->path, tree.path("hf"));
    EXPECT_EQ(modelAt(tree.path("hf/"))->files, std::vector<std::string>{weights});
    EXPECT_FALSE(modelAt(tree.path()) && modelAt(tree.path())->path != single);
    EXPECT_FALSE(modelAt(tree.write("text.gguf", "hello")));
    EXPECT_FALSE(modelAt(tree.path("gone")));
    EXPECT_FALSE(modelAt("/dev/zero"));
    EXPECT_FALSE(modelAt(""));
}
