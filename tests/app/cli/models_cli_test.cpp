// hearth-cli models list|import|remove|fit, as a script runs them, in a home of the test's own.

#include "storage/database.h"
#include "storage/models.h"
#include "storage/settings.h"
#include "tests/app/models/model_tree.h"
#include "tests/engine/core/gguf_writer.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <sys/wait.h>

using namespace hearth;
using namespace hearth::app;
using nlohmann::json;

namespace {

struct Result {
    int status = -1;
    std::string out;
};

class ModelsCli : public testing::Test {
protected:
    ModelsCli() {
        for (const char* name : {"HEARTH_MODELS", "HEARTH_DATA", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
                                 "OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "LLAMA_CACHE"})
            unsetenv(name);
        setenv("HOME", tree.path().c_str(), 1);
        fs::create_directories(tree.path(kData));
    }

    static Result run(const std::string& words) {
        FILE* pipe = popen((HEARTH_CLI " models " + words + " 2>&1").c_str(), "r");
        Result result;
        char buffer[4096];
        for (size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
            result.out.append(buffer, n);
        const int status = pclose(pipe);
        result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
        return result;
    }

    static json runJson(const std::string& words) {
        const Result result = run(words + " --json");
        EXPECT_EQ(result.status, 0) << words << ": " << result.out;
        return json::parse(result.out, nullptr, false);
    }

    std::string tiny(const std::string& below, uint64_t seed = 1) const {
        return tree.write(below, test::tinyLlama({.seed = seed}).bytes());
    }

    void makeDatabase() const { storage::Database(tree.path(kData + "/hearth.db"), storage::Database::Mode::Write); }

    const std::string kData = ".local/share/hearth";
    TempTree tree;
};

} // namespace

TEST_F(ModelsCli, ListsAllThatIsHere) {
    EXPECT_EQ(runJson("list")["models"].size(), 0u);
    tiny(kData + "/models/mine.gguf", 1);
    tiny(".lmstudio/models/pub/repo/theirs.gguf", 2);
    tiny("added/more.gguf", 3);
    tiny("not/looked/at.gguf", 4);
    makeDatabase();
    {
        storage::Database db(tree.path(kData + "/hearth.db"), storage::Database::Mode::Write);
        storage::Settings(db).set("models.folders", tree.path("added"));
        storage::Models(db).used(tree.path("added/more.gguf"), 123);
        storage::Models(db).measured(tree.path("added/more.gguf"), 12.5, 100, 456);
    }
    const json models = runJson("list --facts")["models"];
    ASSERT_EQ(models.size(), 3u);
    EXPECT_EQ(models[0]["store"], "own");
    EXPECT_EQ(models[0]["family"], "llama");
    EXPECT_EQ(models[0]["problem"], "");
    EXPECT_EQ(models[1]["store"], "folder");
    EXPECT_EQ(models[1]["lastUsedAt"], 123);
    EXPECT_EQ(models[1]["decodeTokensPerSecond"], 12.5);
    EXPECT_EQ(models[2]["store"], "lmstudio");
    EXPECT_EQ(models[2]["repo"], "pub/repo");
    EXPECT_EQ(runJson("list --own")["models"].size(), 1u);
    const Result text = run("list");
    EXPECT_NE(text.out.find("theirs"), std::string::npos);
    {
        storage::Database db(tree.path(kData + "/hearth.db"), storage::Database::Mode::Write);
        storage::Settings(db).set("models.otherStores", "0");
        storage::Models(db).hide(tree.path("added/more.gguf"), true);
    }
    EXPECT_EQ(runJson("list")["models"].size(), 1u);
}

TEST_F(ModelsCli, ImportsOnceAndSaysBefore) {
    makeDatabase();
    const std::string source = tiny("down loads/m.gguf");
    const std::string target = tree.path(kData + "/models/m.gguf");
    const std::string before = tree.listing("down loads");
    const json plan = runJson("import --dry-run '" + source + "'");
    EXPECT_EQ(plan["done"], false);
    EXPECT_EQ(plan["path"], target);
    EXPECT_EQ(plan["writtenBytes"], fs::file_size(source));
    EXPECT_EQ(plan["files"].size(), 1u);
    EXPECT_EQ(tree.listing("down loads"), before);
    EXPECT_FALSE(fs::exists(tree.path(kData + "/models")));
    EXPECT_NE(run("import --dry-run '" + source + "'").out.find("would be written"), std::string::npos);
    EXPECT_EQ(run("import '" + source + "'").out, target + "\n");
    EXPECT_EQ(readBytes(target), readBytes(source));
    // Its hash is kept, and the same bytes do not come again.
    {
        storage::Database db(tree.path(kData + "/hearth.db"), storage::Database::Mode::Read);
        const auto hashes = storage::Models(db).allHashes();
        ASSERT_EQ(hashes.size(), 1u);
        EXPECT_EQ(hashes[0].second.sha256.size(), 64u);
    }
    fs::copy_file(source, tree.path("again.gguf"));
    const json again = runJson("import " + tree.path("again.gguf"));
    EXPECT_EQ(again["duplicateOf"], target);
    EXPECT_EQ(again["done"], false);
    EXPECT_EQ(runJson("import --duplicate --how hardlink --name other " + tree.path("again.gguf"))["path"],
              tree.path(kData + "/models/other.gguf"));
    EXPECT_EQ(runJson("list --own")["models"].size(), 2u);
}

TEST_F(ModelsCli, OtherProgramsKeepTheirs) {
    tiny(".lmstudio/models/pub/repo/theirs.gguf");
    const std::string before = tree.listing(".lmstudio");
    const Result moved = run("import --how move theirs");
    EXPECT_EQ(moved.status, 1);
    EXPECT_NE(moved.out.find("LM Studio"), std::string::npos) << moved.out;
    EXPECT_EQ(run("remove theirs").status, 1);
    EXPECT_EQ(tree.listing(".lmstudio"), before);
    EXPECT_EQ(runJson("import --how symlink theirs")["done"], true);
    EXPECT_EQ(tree.listing(".lmstudio"), before);
}

TEST_F(ModelsCli, RemovesWithAWayBack) {
    makeDatabase();
    const std::string path = tiny(kData + "/models/m.gguf");
    EXPECT_EQ(runJson("remove m")["path"], path);
    EXPECT_FALSE(fs::exists(path));
    EXPECT_EQ(runJson("list")["models"].size(), 0u);
    EXPECT_EQ(run("remove m").status, 1);
    EXPECT_EQ(run("remove --restore m").out, path + "\n");
    EXPECT_TRUE(fs::exists(path));
    EXPECT_EQ(run("remove --restore m").status, 1);
}

TEST_F(ModelsCli, FitSaysSoInNumbers) {
    const std::string path = tiny(kData + "/models/m.gguf");
    const json fit = runJson("fit m");
    EXPECT_EQ(fit["path"], path);
    EXPECT_EQ(fit["verdict"], "memory");
    EXPECT_GT(fit["usableBytes"], fit["neededBytes"]);
    EXPECT_EQ(fit["contextTokens"], 2048);
    EXPECT_GT(fit["predictedTokensPerSecond"], 0);
    EXPECT_EQ(runJson("fit m --context 100")["contextTokens"], 100);
    EXPECT_NE(run("fit " + path).out.find("Fits memory. Needs"), std::string::npos);
    EXPECT_EQ(run("fit nothing").status, 1);
    EXPECT_EQ(run("fit").status, 2);
}

TEST_F(ModelsCli, WhileHearthIsOpenNothingIsChanged) {
    makeDatabase();
    const std::string path = tiny(kData + "/models/m.gguf");
    const auto lock = storage::InstanceLock::tryTake(tree.path(kData + "/hearth.db"));
    ASSERT_TRUE(lock);
    for (const char* words : {"remove m", "import m", "remove --restore m"}) {
        const Result result = run(words);
        EXPECT_EQ(result.status, 1);
        EXPECT_NE(result.out.find("Hearth is open"), std::string::npos) << result.out;
    }
    EXPECT_TRUE(fs::exists(path));
    EXPECT_EQ(runJson("list")["models"].size(), 1u);
    EXPECT_EQ(runJson("import --dry-run m")["duplicateOf"], path);
}

TEST_F(ModelsCli, HelpKnowsThem) {
    for (const char* command : {"list", "import", "remove", "fit"}) {
        const Result help = run(std::string(command) + " --help");
        EXPECT_EQ(help.status, 0);
        EXPECT_NE(help.out.find("usage: hearth-cli models " + std::string(command)), std::string::npos) << help.out;
    }
    EXPECT_EQ(run("").status, 2);
    EXPECT_EQ(run("nonsense").status, 2);
    EXPECT_EQ(run("import --how teleport x").status, 2);
}
