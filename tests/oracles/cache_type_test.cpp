// What a cache of 8- and 4-bit blocks does to whole models: how far their logits move, and that nothing else changes.

#include "engine/error.h"
#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace hearth::engine;
using namespace hearth::test;

namespace {

/// Root mean square distance of the logits from those of an f32 cache, as a part of their own spread, at most. Nothing
/// but the cache differs. The heads of these models have 8 to 64 numbers.
struct Case {
    const char* folder;
    double q8, q4;
};

const Case kCases[] = {
    // measured: 0.0133 and 0.197, 0.0135 and 0.212, 0.0096 and 0.164, 0.0310 and 0.414, 0.0014 and 0.024
    {"oracles/llama", 0.017, 0.25},         {"oracles/gemma3", 0.017, 0.27},     {"oracles/mistral", 0.013, 0.21},
    {"oracles/gpt_oss_mxfp4", 0.040, 0.52}, {"oracles/qwen3_next", 0.002, 0.03},
};

/// Distance of rows of logits from others', each row about its own mean, in parts of the others' deviation.
double moved(const std::vector<float>& got, const std::vector<float>& want, size_t nVocab) {
    double error = 0, spread = 0;
    for (size_t at = 0; at < want.size(); at += nVocab) {
        double mean = 0, shift = 0;
        for (size_t i = at; i < at + nVocab; ++i)
            mean += double(want[i]), shift += double(got[i]) - double(want[i]);
        mean /= double(nVocab), shift /= double(nVocab);
        for (size_t i = at; i < at + nVocab; ++i) {
            error += std::pow(double(got[i]) - double(want[i]) - shift, 2);
            spread += std::pow(double(want[i]) - mean, 2);
        }
    }
    return std::sqrt(error / spread);
}

class CacheTypes : public testing::TestWithParam<Case> {
protected:
    std::vector<TokenId> ids() const {
        return readJson(findData(GetParam().folder) + "/expected.json")["prompts"]["long"]["ids"];
    }

    LoadOptions options(KvType type) const {
        LoadOptions o{.path = file_.path(), .kv = type};
        o.floatPrompts = true;
        return o;
    }

    UnpackedFile file_{findData(GetParam().folder) + "/model.gguf"};
};

INSTANTIATE_TEST_SUITE_P(Models, CacheTypes, testing::ValuesIn(kCases), [](const auto& info) {
    std::string name = info.param.folder;
    return name.substr(name.find('/') + 1);
});

TEST_P(CacheTypes, LogitsMoveOnlySoFar) {
    for (const std::string& isa : isas()) {
        const auto engine = engineWith(isa);
        const auto logits = [&](KvType type) { return engine->eval(engine->load(options(type)), ids(), {}); };
        const std::vector<float> want = logits(KvType::F32);
        const size_t nVocab = want.size() / ids().size();
        const double q8 = moved(logits(KvType::Q8_0), want, nVocab), q4 = moved(logits(KvType::Q4_0), want, nVocab);
        EXPECT_GT(q8, 0) << isa;
        EXPECT_LE(q8, GetParam().q8) << isa;
        EXPECT_GT(q4, q8) << isa;
        EXPECT_LE(q4, GetParam().q4) << isa;
    }
}

TEST_P(CacheTypes, CutsAndThreadsChangeNoBits) {
    for (const std::string& isa : isas())
        for (const KvType type : {KvType::Q8_0, KvType::Q4_0}) {
            const auto one = engineWith(isa, 1), two = engineWith(isa, 2);
            const ModelId first = one->load(options(type)), second = two->load(options(type));
            const std::vector<float> want = one->eval(first, ids(), {});
            EXPECT_EQ(two->eval(second, ids(), {.chunk = 7}), want) << isa;
            EXPECT_EQ(two->eval(second, ids(), {.restoreAt = 20}), want) << isa;
        }
}

/// Generated tokens read the cache by kernels of their own: what they choose is what a prompt's logits say.
TEST_P(CacheTypes, RepliesFollowThePromptsLogits) {
    for (const std::string& isa : isas())
        for (const KvType type : {KvType::Q8_0, KvType::Q4_0}) {
            const auto engine = engineWith(isa);
            const ModelId model = engine->load(options(type));
            std::vector<TokenId> text = ids();
            const std::vector<TokenId> said = greedy(*engine, model, text, 12);
            ASSERT_EQ(said.size(), 12u);
            const size_t before = text.size();
            text.insert(text.end(), said.begin(), said.end());
            const std::vector<float> logits = engine->eval(model, text, {});
            const size_t nVocab = logits.size() / text.size();
            for (size_t i = 0; i < said.size(); ++i) {
                const float* row = &logits[(before - 1 + i) * nVocab];
                const float best = *std::max_element(row, row + nVocab);
                EXPECT_GE(row[said[i]], best - 0.05f * std::abs(best)) << isa << ", token " << i;
            }
        }
}

TEST(CacheTypes, LatentsMustFillBlocks) {
    const UnpackedFile file(findData("oracles/deepseek_v3") + "/model.gguf");
    const LoadOptions q8{.path = file.path(), .kv = KvType::Q8_0}, f16{.path = file.path()};
    const std::string said = inspectFile(q8).problem;
    EXPECT_NE(said.find("latents of 40 numbers do not fill"), std::string::npos) << said;
    EXPECT_EQ(inspectFile(f16).problem, "");
    EXPECT_THROW(engineWith(isas().back())->load(q8), hearth::engine::Error);
}

} // namespace
