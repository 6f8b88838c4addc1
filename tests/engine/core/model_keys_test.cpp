// What a family assumes where a file does not say it, and numbers of heads that no model has.

#include "engine/error.h"
#include "engine/gguf.h"
#include "engine/models/family.h"
#include "tests/engine/core/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace hearth::engine;
using hearth::test::asBytes;
using hearth::test::GgufWriter;

namespace {

/// A header with the keys that every family needs.
GgufWriter keysOf(const std::string& family, uint32_t layers = 4, uint32_t dModel = 256) {
    GgufWriter w;
    w.setText("general.architecture", family);
    w.setU32(family + ".block_count", layers);
    w.setU32(family + ".embedding_length", dModel);
    w.setU32(family + ".feed_forward_length", 64);
    w.setU32(family + ".attention.head_count", 4);
    w.setF32(family + ".attention.layer_norm_rms_epsilon", 1e-5f);
    return w;
}

ModelConfig read(const GgufWriter& w, ModelConfig (*config)(const FamilyFile&), const std::string& family) {
    const Checkpoint checkpoint = Checkpoint::fromPart(parseGguf(asBytes(w.bytes()), "input"));
    return config(FamilyFile(checkpoint, family));
}

GgufWriter deepseek(uint32_t experts, uint32_t gate) {
    GgufWriter w = keysOf("deepseek2");
    w.setU32("deepseek2.attention.kv_lora_rank", 32);
    w.setU32("deepseek2.rope.dimension_count", 16);
    w.setU32("deepseek2.attention.key_length", 48);
    w.setU32("deepseek2.attention.value_length", 32);
    w.setU32("deepseek2.expert_count", experts);
    w.setU32("deepseek2.expert_used_count", 6);
    w.setU32("deepseek2.expert_feed_forward_length", 32);
    w.setU32("deepseek2.expert_gating_func", gate);
    return w;
}

TEST(ModelKeys, DeepSeeksGroupsWhereTheFileIsOlderThanTheKeys) {
    constexpr uint32_t kSoftmax = 1, kSigmoid = 2;

    constexpr struct {
        uint32_t experts, gate;
        int groups, topGroups;
    } kFiles[] = {
        {256, kSigmoid, 8, 4}, // V3, R1
        {160, kSoftmax, 8, 3}, // V2
        {64, kSoftmax, 1, 1},  // V2 Lite
        {256, kSoftmax, 1, 1}, // others of the architecture
        {160, kSigmoid, 1, 1},
    };

    for (const auto& f : kFiles) {
        const ModelConfig c = read(deepseek(f.experts, f.gate), deepseekConfig, "deepseek2");
        EXPECT_EQ(c.experts.groups, f.groups) << f.experts;
        EXPECT_EQ(c.experts.topGroups, f.topGroups) << f.experts;
    }
    // What the file says counts.
    GgufWriter said = deepseek(256, kSigmoid);
    said.setU32("deepseek2.expert_group_count", 1);
    said.setU32("deepseek2.expert_group_used_count", 1);
    EXPECT_EQ(read(said, deepseekConfig, "deepseek2").experts.groups, 1);
}

TEST(ModelKeys, MiniCpmsScalesWhereTheFileHasNone) {
    GgufWriter w = keysOf("minicpm", 40, 2304);
    ModelConfig c = read(w, minicpmConfig, "minicpm");
    EXPECT_FLOAT_EQ(c.embeddingScale, 12.0f);
    EXPECT_FLOAT_EQ(c.residualScale, 1.4f / std::sqrt(40.0f));
    EXPECT_FLOAT_EQ(c.logitScale, 256.0f / 2304.0f);
    w.setF32("minicpm.embedding_scale", 2.0f);
    w.setF32("minicpm.residual_scale", 0.5f);
    w.setF32("minicpm.logit_scale", 4.0f);
    c = read(w, minicpmConfig, "minicpm");
    EXPECT_FLOAT_EQ(c.embeddingScale, 2.0f);
    EXPECT_FLOAT_EQ(c.residualScale, 0.5f);
    EXPECT_FLOAT_EQ(c.logitScale, 0.25f);
}

TEST(ModelKeys, Gemma2sWindowAndCapsWhereTheFileHasNone) {
    GgufWriter w = keysOf("gemma2");
    ModelConfig c = read(w, gemma2Config, "gemma2");
    EXPECT_FLOAT_EQ(c.attentionSoftCap, 50.0f);
    EXPECT_FLOAT_EQ(c.logitSoftCap, 30.0f);
    for (size_t i = 0; i < c.layers.size(); ++i)
        EXPECT_EQ(c.layers[i].window, i % 2 == 0 ? 4096 : 0) << i;
    w.setU32("gemma2.attention.sliding_window", 8);
    w.setF32("gemma2.attn_logit_softcapping", 7.0f);
    w.setF32("gemma2.final_logit_softcapping", 9.0f);
    c = read(w, gemma2Config, "gemma2");
    EXPECT_EQ(c.layers[0].window, 8);
    EXPECT_EQ(c.layers[1].window, 0);
    EXPECT_FLOAT_EQ(c.attentionSoftCap, 7.0f);
    EXPECT_FLOAT_EQ(c.logitSoftCap, 9.0f);
}

/// What some families cannot do without.
void addOwnKeys(GgufWriter& w, const std::string& f) {
    constexpr std::pair<const char*, uint32_t> kKeys[] = {
        {".attention.kv_lora_rank", 32}, {".attention.key_length", 48}, {".attention.value_length", 48},
        {".rope.dimension_count", 16},   {".shortconv.l_cache", 3},     {".ssm.group_count", 2},
        {".ssm.time_step_rank", 4},      {".ssm.inner_size", 64},       {".ssm.state_size", 16},
        {".ssm.conv_kernel", 4}};
    for (const auto& [key, value] : kKeys)
        w.setU32(f + key, value);
}

using W = GgufWriter;

struct HeadCase {
    const char* name;
    void (*change)(GgufWriter&, const std::string& family);
    bool anyMixer = true; // else of layers that attend; others have no such heads, or read the number otherwise
};

const HeadCase kHeadCases[] = {
    {"2^32-1 heads", [](W& w, const std::string& f) { w.setU32(f + ".attention.head_count", ~0u); }},
    {"5000 heads", [](W& w, const std::string& f) { w.setU32(f + ".attention.head_count", 5000); }},
    {"-1 heads", [](W& w, const std::string& f) { w.set(f + ".attention.head_count", W::I32, W::raw(int32_t{-1})); }},
    {"2^63 heads",
     [](W& w, const std::string& f) { w.set(f + ".attention.head_count", W::U64, W::raw(uint64_t{1} << 63)); }},
    {"heads as text", [](W& w, const std::string& f) { w.setText(f + ".attention.head_count", "4"); }},
    {"2^31 key heads", [](W& w, const std::string& f) { w.setU32(f + ".attention.head_count_kv", 1u << 31); }},
    {"heads of no number", [](W& w, const std::string& f) { w.setU32(f + ".attention.key_length", 0); }},
    {"heads of 2^20 numbers", [](W& w, const std::string& f) { w.setU32(f + ".attention.key_length", 1 << 20); }},
    {"values of no number", [](W& w, const std::string& f) { w.setU32(f + ".attention.value_length", 0); }},
    {"no heads", [](W& w, const std::string& f) { w.setU32(f + ".attention.head_count", 0); }, false},
    {"no heads in one layer",
     [](W& w, const std::string& f) {
         w.setArray(f + ".attention.head_count", W::I32, std::vector<int32_t>{4, 0, 4, 4});
     },
     false},
    {"no key heads", [](W& w, const std::string& f) { w.setU32(f + ".attention.head_count_kv", 0); }, false},
    {"3 key heads", [](W& w, const std::string& f) { w.setU32(f + ".attention.head_count_kv", 3); }, false},
    {"8 key heads", [](W& w, const std::string& f) { w.setU32(f + ".attention.head_count_kv", 8); }, false},
};

/// In every family: a sentence about the heads, before anything is divided by them or given that size.
TEST(ModelKeys, HeadsThatNoModelHasAreRefused) {
    for (const Architecture& a : architectures()) {
        const std::string family(a.name);
        GgufWriter good = keysOf(family);
        addOwnKeys(good, family);
        good.addF32("token_embd.weight", {256, 8}, std::vector<float>(256 * 8));
        GgufWriter without = good; // LFM2's layers without key heads are convolutions
        without.setU32(family + ".attention.head_count_kv", 0);
        const ModelConfig config = read(without, a.config, family);
        const bool attends = std::all_of(config.layers.begin(), config.layers.end(),
                                         [](const LayerConfig& l) { return l.mixer == Mixer::Attention; });
        for (const HeadCase& c : kHeadCases) {
            if (!c.anyMixer && !attends)
                continue;
            SCOPED_TRACE(family + ", " + c.name);
            GgufWriter w = good;
            c.change(w, family);
            try {
                readModelConfig(Checkpoint::fromPart(parseGguf(asBytes(w.bytes()), "input")));
                ADD_FAILURE() << "it was read";
            } catch (const Error& error) { // not: that a tensor is missing, as it is here
                EXPECT_EQ(std::string(error.what()).find("missing"), std::string::npos) << error.what();
            }
        }
    }
    GgufWriter latent = deepseek(0, 1);
    latent.addF32("token_embd.weight", {256, 8}, std::vector<float>(256 * 8));
    latent.setU32("deepseek2.attention.head_count", 0);
    try {
        readModelConfig(Checkpoint::fromPart(parseGguf(asBytes(latent.bytes()), "input")));
        ADD_FAILURE() << "it was read";
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("has no heads"), std::string::npos) << error.what();
    }
}

} // namespace
