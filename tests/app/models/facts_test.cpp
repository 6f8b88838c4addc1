#include "app/models/files/fit.h"
#include "app/models/files/model_defaults.h"
#include "app/models/files/model_facts.h"
#include "app/models/files/model_stores.h"
#include "tests/app/models/model_tree.h"
#include "tests/engine/core/gguf_writer.h"

#include <chrono>
#include <cstdio>

using namespace hearth::app;
namespace engine = hearth::engine;

namespace {

using W = hearth::test::GgufWriter;

constexpr const char* kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

engine::PlacementInput need(uint64_t weights, uint64_t experts = 0) {
    return {.tensors = {{.name = "weights", .bytes = weights, .bytesPerToken = weights},
                        {.name = "experts", .bytes = experts, .bytesPerToken = experts / 8, .expert = true}},
            .contextTokens = 10000,
            .kvBytesPerToken = 100'000,
            .scratchBytes = 10'000'000};
}

} // namespace

TEST(ModelFacts, OfAHeader) {
    TempTree tree;
    W w = hearth::test::tinyLlama();
    w.setText("general.license", "apache-2.0");
    w.setText("general.license.link", "https://x/LICENSE");
    w.setTexts("general.languages", {"en", "zh"});
    w.setText("general.organization", "Org");
    w.setF32("general.sampling.temp", 0.5f);
    w.setU32("general.sampling.top_k", 20);
    w.setText("general.sampling.top_p", "many"); // of a wrong type: as if it were not there
    w.setText("tokenizer.chat_template", std::string(kChatMl) + "{# <think> </think> #}");
    const ModelFacts facts = readModelFacts(tree.write("m.gguf", w.bytes()));
    EXPECT_EQ(facts.problem + facts.cannotRun, "");
    EXPECT_EQ(facts.name, "Tiny");
    EXPECT_EQ(facts.family, "llama");
    EXPECT_EQ(facts.quant, "F32");
    EXPECT_EQ(facts.author, "Org");
    EXPECT_EQ(facts.license, "apache-2.0");
    EXPECT_EQ(facts.licenseLink, "https://x/LICENSE");
    EXPECT_EQ(facts.languages, (std::vector<std::string>{"en", "zh"}));
    EXPECT_EQ(facts.trainedContext, 2048);
    EXPECT_EQ(facts.layers, 2);
    EXPECT_GT(facts.parameters, 1000u);
    EXPECT_TRUE(facts.hasTemplate);
    EXPECT_EQ(facts.chatFamily, "ChatML");
    EXPECT_TRUE(facts.templateDiffers);
    EXPECT_TRUE(facts.thinks);
    EXPECT_FALSE(facts.choosesThinking); // it is not asked
    ASSERT_EQ(facts.sampling.size(), 2u);
    EXPECT_EQ(facts.sampling[0], (std::pair<std::string, double>{"temperature", 0.5}));
    EXPECT_EQ(facts.sampling[1], (std::pair<std::string, double>{"topK", 20}));
    EXPECT_EQ(facts.placement.contextTokens, 2048);
    EXPECT_EQ(facts.placement.tensors.size(), 2u);
    // Joined tensors say the same as all of them.
    const engine::Inspection whole = engine::inspectFile({.path = tree.path("m.gguf"), .overrides = {}});
    EXPECT_EQ(engine::planPlacement(facts.placement).totalBytes, whole.totalBytes);
}

TEST(ModelFacts, WhatItsCacheCanBe) {
    TempTree tree;
    W w = hearth::test::tinyLlama();
    w.setText("tokenizer.chat_template", std::string(kChatMl) + "{% if enable_thinking %}<think>{% endif %}");
    const std::string path = tree.write("m.gguf", w.bytes());
    const ModelFacts facts = readModelFacts(path);
    EXPECT_TRUE(facts.choosesThinking);
    ASSERT_EQ(facts.caches.size(), kvTypeNames().size());
    for (const auto& [name, size] : facts.caches) {
        const engine::Inspection whole = engine::inspectFile({.path = path, .kv = *kvTypeNamed(name), .overrides = {}});
        EXPECT_EQ(size.bytesPerToken, whole.info.kvBytesPerToken) << name;
        engine::PlacementInput in = facts.placement;
        in.kvBytesPerToken = size.bytesPerToken;
        in.kvWindowBytes = size.windowBytes;
        EXPECT_EQ(engine::planPlacement(in).totalBytes, whole.totalBytes) << name;
    }
    EXPECT_FALSE(kvTypeNamed("q5_0") || kvTypeNamed(""));
}

TEST(ModelDefaults, StandInPlaceOfTheModelsOwnSampling) {
    const engine::SamplerSettings own{
        .temperature = 0.5f, .topK = 7, .topP = 0.8f, .minP = 0.1f, .repetitionPenalty = 1.2f, .presencePenalty = 1};
    const engine::SamplerSettings same = withOwn(own, {});
    EXPECT_EQ(same.temperature, 0.5f);
    EXPECT_EQ(same.topK, 7);
    const engine::SamplerSettings some = withOwn(own, {{"topK", 20}, {"temperature", 0}});
    EXPECT_EQ(some.topK, 20);
    EXPECT_EQ(some.temperature, 0);
    EXPECT_EQ(some.topP, 0.8f); // as the model has it
    EXPECT_EQ(some.presencePenalty, 1);
    const engine::SamplerSettings odd = withOwn(own, {{"topP", 1e9}, {"topK", -1e9}, {"unknown", 3}, {"minP", -5}});
    EXPECT_LE(odd.topP, 1);
    EXPECT_GE(odd.topK, 0);
    EXPECT_GE(odd.minP, 0);
    for (const SamplingKey& key : samplingKeys()) { // each of them goes somewhere
        const engine::SamplerSettings set = withOwn({}, {{std::string(key.name), 0.3}});
        const engine::SamplerSettings none;
        EXPECT_TRUE(set.temperature != none.temperature || set.topK != none.topK || set.topP != none.topP ||
                    set.minP != none.minP || set.repetitionPenalty != none.repetitionPenalty)
            << key.name;
    }
}

TEST(Fit, WithoutAGpuNoneIsPromised) {
    for (const uint64_t weights : {uint64_t{1} << 20, uint64_t{4} << 30, uint64_t{100} << 30})
        for (const uint64_t experts : {uint64_t{0}, uint64_t{8} << 30})
            for (const uint64_t free : {uint64_t{0}, uint64_t{8} << 30, uint64_t{1} << 40}) {
                const Fit fit = judgeFit(need(weights, experts), {.freeBytes = free, .readBandwidth = 1e10});
                EXPECT_TRUE(fit.verdict != FitVerdict::Gpu && fit.verdict != FitVerdict::GpuAndMemory);
                EXPECT_EQ(pillWords(fit.verdict).english().find("GPU"), std::string::npos);
                EXPECT_EQ(fitWords(fit).english().find("GPU"), std::string::npos);
            }
}

TEST(ModelFacts, WhatCannotBeRunOrReadSaysWhy) {
    TempTree tree;
    W w = hearth::test::tinyLlama();
    w.setText("general.architecture", "mamba99");
    const ModelFacts unknown = readModelFacts(tree.write("unknown.gguf", w.bytes()));
    EXPECT_EQ(unknown.problem, "");
    EXPECT_NE(unknown.cannotRun.find("mamba99"), std::string::npos) << unknown.cannotRun;
    EXPECT_NE(readModelFacts(tree.write("broken.gguf", "GGUF")).problem, "");
    EXPECT_NE(readModelFacts(tree.path("gone.gguf")).problem, "");
    EXPECT_NE(readModelFacts("/dev/zero").problem, "");
    W adapter = hearth::test::tinyLlama();
    adapter.setText("general.type", "adapter");
    EXPECT_TRUE(readModelFacts(tree.write("adapter.gguf", adapter.bytes())).adapter);
}

TEST(ModelFacts, OfAModelCard) {
    const CardFacts card =
        readCardFacts("---\r\nlicense: other\r\nlicense_name: \"qwen-research\"\r\nlanguage:\r\n- en\r\n"
                      "- zh\r\ntags:\r\n- chat\r\nbase_model: x/y\r\n---\r\nlicense: mit\n");
    EXPECT_EQ(card.license, "other");
    EXPECT_EQ(card.licenseName, "qwen-research");
    EXPECT_EQ(card.languages, (std::vector<std::string>{"en", "zh"}));
    EXPECT_EQ(readCardFacts("---\nlanguage: [en, 'zh' ]\nlicense: mit").languages,
              (std::vector<std::string>{"en", "zh"}));
    for (const char* none : {"", "---", "---\n", "# A card\nlicense: mit\n", "---\n:\n---\n", "---\nlicense\n"})
        EXPECT_EQ(readCardFacts(none).license, "") << none;
    std::string many = "---\nlanguage:\n";
    for (int i = 0; i < 100000; ++i)
        many += "- l\n";
    EXPECT_LE(readCardFacts(many).languages.size(), 64u);
}

TEST(ModelFacts, OfAFolder) {
    const char* shared = std::getenv("HEARTH_SHARED");
    std::string found;
    for (const std::string& place :
         {std::string(HEARTH_TEST_DATA), std::string(shared ? shared : HEARTH_SOURCE_DIR "/../shared") + "/data"})
        if (found.empty() && modelAt(place + "/oracles/llama/hf"))
            found = place + "/oracles/llama/hf";
    if (found.empty())
        GTEST_SKIP() << "no folder of safetensors here";
    const ModelFacts facts = readModelFacts(found);
    EXPECT_EQ(facts.problem + facts.cannotRun, "") << found;
    EXPECT_GT(facts.parameters, 0u);
    EXPECT_NE(facts.format.find("safetensors"), std::string::npos);
}

TEST(Fit, EveryVerdict) {
    constexpr uint64_t kGB = 1'000'000'000;
    // 2 GB of weights, 1 GB of cache.
    EXPECT_EQ(judgeFit(need(2 * kGB), {.freeBytes = 8 * kGB, .readBandwidth = 30e9}).verdict, FitVerdict::Memory);
    EXPECT_EQ(judgeFit(need(2 * kGB), {.freeBytes = 8 * kGB}).verdict, FitVerdict::Memory); // its speed is not known
    EXPECT_EQ(judgeFit(need(2 * kGB), {.freeBytes = 8 * kGB, .readBandwidth = 10e9}).verdict, FitVerdict::Slow);
    EXPECT_EQ(judgeFit(need(2 * kGB), {.freeBytes = 3 * kGB, .readBandwidth = 30e9}).verdict, FitVerdict::WillNotFit);
    EXPECT_EQ(judgeFit(need(2 * kGB), {.freeBytes = 3 * kGB, .givenBackBytes = kGB, .readBandwidth = 30e9}).verdict,
              FitVerdict::Memory);
    EXPECT_EQ(judgeFit(need(2 * kGB), {.freeBytes = 8 * kGB, .readBandwidth = 30e9, .gpuFreeBytes = 4 * kGB}).verdict,
              FitVerdict::Gpu);
    EXPECT_EQ(judgeFit(need(2 * kGB), {.freeBytes = 8 * kGB, .readBandwidth = 30e9, .gpuFreeBytes = 2 * kGB}).verdict,
              FitVerdict::Memory);
    const MachineMemory both{
        .freeBytes = 40 * kGB, .readBandwidth = 30e9, .gpuFreeBytes = 4 * kGB, .gpuBandwidth = 1e12};
    const Fit split = judgeFit(need(2 * kGB, 30 * kGB), both);
    EXPECT_EQ(split.verdict, FitVerdict::GpuAndMemory);
    // 2.5 GB at 1 TB/s, 3.75 GB at 30 GB/s.
    EXPECT_NEAR(split.tokensPerSecond, 1 / (2.5e9 / 1e12 + 3.75e9 / 30e9), 0.01);
    EXPECT_EQ(judgeFit(need(2 * kGB, 50 * kGB), both).verdict, FitVerdict::WillNotFit);
}

TEST(Fit, NumbersAndWords) {
    constexpr uint64_t kGB = 1'000'000'000;
    const Fit fits = judgeFit(need(2 * kGB), {.freeBytes = 8 * kGB, .readBandwidth = 30e9}, 40000);
    EXPECT_EQ(fits.neededBytes, 3'010'000'000u);
    EXPECT_NEAR(fits.tokensPerSecond, 12, 0.01);
    EXPECT_EQ(fits.largestContext, 40000);
    const std::string words = fitWords(fits).english();
    for (const char* part : {"3.0 GB", "7.9 GB", "2.0 GB", "1.0 GB", "10000", "12 tokens a second"})
        EXPECT_NE(words.find(part), std::string::npos) << words;
    const Fit smaller = judgeFit(need(2 * kGB), {.freeBytes = 2'560'000'000}, 40000);
    EXPECT_EQ(smaller.verdict, FitVerdict::WillNotFit);
    EXPECT_EQ(smaller.largestContext, (2'560'000'000 - 50'331'648 - 2'010'000'000) / 100'000);
    EXPECT_NE(fitWords(smaller).english().find("4992 tokens would fit"), std::string::npos)
        << fitWords(smaller).english();
    const Fit none = judgeFit(need(2 * kGB), {.freeBytes = kGB});
    EXPECT_EQ(none.largestContext, 0);
    EXPECT_NE(fitWords(none).english().find("smaller model"), std::string::npos);
    for (const FitVerdict verdict :
         {FitVerdict::Gpu, FitVerdict::GpuAndMemory, FitVerdict::Memory, FitVerdict::Slow, FitVerdict::WillNotFit}) {
        EXPECT_FALSE(pillWords(verdict).empty());
        EXPECT_FALSE(verdictName(verdict).empty());
    }
}

TEST(Fit, HostileNumbersDoNotWrap) {
    engine::PlacementInput in = need(UINT64_MAX / 2, UINT64_MAX / 2);
    in.kvBytesPerToken = UINT64_MAX / 3;
    in.scratchBytes = UINT64_MAX;
    const Fit fit =
        judgeFit(in, {.freeBytes = UINT64_MAX, .givenBackBytes = UINT64_MAX, .readBandwidth = 1e9}, 1 << 24);
    EXPECT_EQ(fit.verdict, FitVerdict::WillNotFit);
    EXPECT_FALSE(fitWords(fit).english().empty());
    EXPECT_EQ(judgeFit({}, {}).verdict, FitVerdict::Memory); // nothing fits into nothing
}

TEST(Fit, TheBandwidthIsMeasuredOnce) {
    const auto begin = std::chrono::steady_clock::now();
    const Bandwidth measured = measureBandwidth(77);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("%s: %.1f GB/s in %.2f s\n", measured.processor.c_str(), measured.bytesPerSecond / 1e9, seconds);
    EXPECT_GT(measured.bytesPerSecond, 1e8);
    const std::optional<Bandwidth> again = Bandwidth::fromText(measured.toText());
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->holdsHere());
    EXPECT_DOUBLE_EQ(again->bytesPerSecond, measured.bytesPerSecond);
    EXPECT_EQ(again->measuredAtMs, 77);
    for (const char* text : {"", "[", "[]", "{}", R"({"processor":1,"bytesPerSecond":1e10})",
                             R"({"processor":"x","bytesPerSecond":"fast"})", R"({"processor":"x","bytesPerSecond":-1})",
                             R"({"processor":"x","bytesPerSecond":0})", R"({"processor":"x","bytesPerSecond":1e300})"})
        EXPECT_FALSE(Bandwidth::fromText(text)) << text;
    EXPECT_FALSE(Bandwidth::fromText(R"({"processor":"another","bytesPerSecond":1e10})")->holdsHere());
}
