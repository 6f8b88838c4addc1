// What published files of the families do that the oracles' files do not: stale keys, missing keys, keys of another
// meaning, and a stop in the middle of a recurrent model's prompt.

#include "engine/error.h"
#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

using namespace hearth::engine;
using namespace hearth::test;
using nlohmann::json;

namespace {

using Overrides = std::vector<std::pair<std::string, std::string>>;

class Families : public testing::Test {
protected:
    /// Logits of the long prompt with some keys changed; empty where the folder is absent.
    std::vector<float> logits(const std::string& family, const Overrides& overrides) {
        const std::string folder = findData("oracles/" + family);
        if (folder.empty())
            return {};
        const UnpackedFile file(folder + "/model.gguf");
        const auto ids = readJson(folder + "/expected.json")["prompts"]["long"]["ids"].get<std::vector<TokenId>>();
        const ModelId model = engine_->load({.path = file.path(), .numerics = Numerics::Exact, .overrides = overrides});
        return engine_->eval(model, ids, {});
    }

    std::string refusal(const std::string& family, const Overrides& overrides) {
        try {
            logits(family, overrides);
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    }

    std::unique_ptr<Engine> engine_ = engineWith(isas().back());
};

TEST_F(Families, StableLmIsParallelByItsTensorsNotByItsKey) {
    if (findData("oracles/stablelm").empty())
        GTEST_SKIP() << "the shared reference data is absent";
    EXPECT_EQ(logits("stablelm", {{"stablelm.use_parallel_residual", "true"}}), logits("stablelm", {}));
}

TEST_F(Families, OlmosMagnitudeIsWhole) {
    if (findData("oracles/olmo3").empty())
        GTEST_SKIP() << "the shared reference data is absent";
    Overrides yarn = {{"olmo2.rope.scaling.type", "yarn"},
                      {"olmo2.rope.scaling.factor", "8.0"},
                      {"olmo2.rope.scaling.original_context_length", "64"}};
    const std::vector<float> usual = logits("olmo3", yarn);
    EXPECT_NE(usual, logits("olmo3", {}));
    yarn.emplace_back("olmo2.rope.scaling.attn_factor", "1.2079441541679836"); // 0.1 ln 8 + 1
    const std::vector<float> said = logits("olmo3", yarn);
    EXPECT_LT(distance(said.data(), usual.data(), usual.size()).max, 1e-4);
}

TEST_F(Families, KeysThatMakeNoSenseAreRefused) {
    EXPECT_NE(refusal("gemma3", {{"gemma3.rope.dimension_count", "0"}}).find("rope.dimension_count"),
              std::string::npos);
    EXPECT_NE(refusal("llama", {{"llama.block_count", "1"}}).find("blk.1."), std::string::npos)
        << "a layer that nothing computes";
    EXPECT_NE(refusal("qwen3_next", {{"qwen3next.ssm.group_count", "3"}}).find("key heads"), std::string::npos);
    EXPECT_NE(refusal("deepseek_v3", {{"deepseek2.rope.dimension_count", "32"}}).find("nothing is left"),
              std::string::npos);
}

/// A prompt of its own for each attempt: nothing of one is found by another.
std::vector<TokenId> longPrompt(int n, int attempt) {
    std::vector<TokenId> ids;
    for (int i = 0; i < n; ++i)
        ids.push_back((i * 7 + i / 11 + 13 * attempt) % 300);
    return ids;
}

/// Prefills until stopped after some milliseconds; returns how many tokens were taken in whole chunks.
int stoppedPrefill(Engine& engine, ModelId model, const std::vector<TokenId>& ids, int milliseconds) {
    GenerationRequest request;
    request.prompt = ids;
    request.maxTokens = 1;
    request.cancel = std::make_shared<std::atomic<bool>>(false);
    int taken = 0;
    request.onFinish = [&](const GenerationSummary& summary) {
        taken = summary.stop == StopReason::Cancelled ? summary.prefilledTokens : 0;
    };
    std::thread presser([cancel = request.cancel, milliseconds] {
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
        cancel->store(true);
    });
    engine.start(model, std::move(request));
    while (engine.step()) {
    }
    presser.join();
    return taken;
}

/// A stop inside a chunk leaves recurrent states that belong to no position: nobody may find them again.
TEST_F(Families, AStoppedStateIsNotFoundAgain) {
    const UnpackedFile file(findData("oracles/qwen3_next") + "/model.gguf");
    const LoadOptions options{.path = file.path(), .contextTokens = 8192, .numerics = Numerics::Exact, .overrides = {}};
    const ModelId model = engine_->load(options);
    const auto other = engineWith(isas().back());
    const ModelId plain = other->load(options);
#ifdef __SANITIZE_ADDRESS__
    constexpr int kSlower = 10, kEnough = 2;
#else
    constexpr int kSlower = 1, kEnough = 8;
#endif
    int stopped = 0;
    for (int attempt = 0; attempt < 40 && stopped < kEnough; ++attempt) {
        const std::vector<TokenId> ids = longPrompt(8000, attempt);
        const int taken = stoppedPrefill(*engine_, model, ids, kSlower * (5 + 3 * attempt));
        if (taken == 0)
            continue; // too early, or too late
        ++stopped;
        const std::vector<TokenId> part(ids.begin(), ids.begin() + taken + 3);
        ASSERT_EQ(greedy(*engine_, model, part, 6), greedy(*other, plain, part, 6)) << taken << " tokens";
    }
    EXPECT_GE(stopped, 1);
}

} // namespace
