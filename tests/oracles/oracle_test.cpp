// Tiny random models with reference outputs. `exact` numerics must give the reference's arithmetic whatever the pieces
// that the prompt is cut into, `fast` must stay within what is known to come from 8-bit activations and a
// half-precision cache.

#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>

using namespace hearth::engine;
using namespace hearth::test;
using nlohmann::json;

namespace {

/// A folder of reference data.
struct OracleCase {
    const char* folder;
    std::vector<std::pair<std::string, std::string>> overrides;
};

// mistral_swa's file does not carry the window; with it the result is the reference's.
const OracleCase kOracles[] = {
    {"oracles/llama", {}},
    {"oracles/llama_bias_tied", {}},
    {"oracles/mistral", {}},
    {"oracles/mistral_swa", {{"llama.attention.sliding_window", "8"}}},
};

const char* const kQuantModels[] = {
    "quant_models/Q4_0",   "quant_models/Q8_0",       "quant_models/Q4_K_M",   "quant_models/Q5_K_S",
    "quant_models/Q6_K",   "quant_models/gqa-Q4_K_M", "quant_models/gqa-Q8_0", "quant_models/IQ4_XS",
    "quant_models/Q3_K_M", "quant_models/gqa-IQ4_XS",
};

/// Ids and what is expected at their positions.
struct Prompt {
    std::vector<TokenId> ids;
    std::vector<int> argmax; // (ids)
    json top5;               // (ids)(5) [token, logit]; may be null
    std::vector<TokenId> greedy;
    std::vector<float> lastLogits; // of the last positions; may be empty
};

Prompt promptFrom(const json& j, std::vector<float> lastLogits) {
    return {.ids = j.at("ids").get<std::vector<TokenId>>(),
            .argmax = j.at("argmax").get<std::vector<int>>(),
            .top5 = j.value("top5", json()),
            .greedy = j.value("greedy", std::vector<TokenId>()),
            .lastLogits = std::move(lastLogits)};
}

struct Tolerance {
    double atol = 0, rtol = 0;
};

void expectTop5(const json& top5, const std::vector<float>& logits, size_t nVocab, Tolerance t) {
    for (size_t i = 0; i < top5.size(); ++i)
        for (const json& pair : top5[i]) {
            const float want = pair[1].get<float>();
            EXPECT_NEAR(logits[i * nVocab + pair[0].get<size_t>()], want, t.atol + t.rtol * std::abs(want))
                << "position " << i;
        }
}

void expectExact(Engine& engine, ModelId model, const Prompt& p, Tolerance t, const Engine::EvalOptions& options) {
    const auto nVocab = static_cast<size_t>(engine.info(model).nVocab);
    const std::vector<float> logits = engine.eval(model, p.ids, options);
    ASSERT_EQ(logits.size(), p.ids.size() * nVocab);
    for (size_t i = 0; i < p.ids.size(); ++i)
        EXPECT_EQ(argmax(&logits[i * nVocab], nVocab), p.argmax[i]) << "position " << i;
    expectTop5(p.top5, logits, nVocab, t);
    const size_t n = p.lastLogits.size();
    ASSERT_LE(n, logits.size());
    EXPECT_LE(distance(logits.data() + logits.size() - n, p.lastLogits.data(), n, t.atol, t.rtol).excess, 0);
}

/// The logits of all positions must be the exact ones but for a distance.
Distance fastDistance(Engine& engine, ModelId model, const Prompt& p, const std::vector<float>& exact) {
    const std::vector<float> logits = engine.eval(model, p.ids, {});
    EXPECT_EQ(logits.size(), exact.size());
    return distance(logits.data(), exact.data(), std::min(logits.size(), exact.size()));
}

class Oracles : public testing::Test {
protected:
    /// Runs the whole comparison of one model in exact numerics under one instruction set; gives the exact logits.
    std::vector<float> exact(const std::string& isa, const LoadOptions& options, const std::vector<Prompt>& prompts,
                             Tolerance t) {
        const auto engine = engineWith(isa);
        LoadOptions load = options;
        load.numerics = Numerics::Exact;
        const ModelId model = engine->load(load);
        for (const Prompt& p : prompts) {
            for (const Engine::EvalOptions& pieces : std::initializer_list<Engine::EvalOptions>{
                     {}, {.chunk = 1}, {.chunk = 7}, {.restoreAt = 3}, {.chunk = 7, .restoreAt = 20}})
                expectExact(*engine, model, p, t, pieces);
            if (!p.greedy.empty()) {
                EXPECT_EQ(greedy(*engine, model, p.ids, static_cast<int>(p.greedy.size())), p.greedy);
            }
        }
        return engine->eval(model, prompts.front().ids, {});
    }

    std::vector<std::string> isas_ = isas();
};

TEST_F(Oracles, ReferenceRowsAreThere) {
    ASSERT_FALSE(isas_.empty());
    EXPECT_EQ(isas_.front(), "reference");
}

TEST_F(Oracles, TinyModels) {
    for (const OracleCase& c : kOracles) {
        SCOPED_TRACE(c.folder);
        const std::string folder = findData(c.folder);
        if (folder.empty()) {
            ADD_FAILURE() << "the reference data is missing";
            continue;
        }
        const UnpackedFile file(folder + "/model.gguf");
        const json expected = readJson(folder + "/expected.json");
        const Tolerance t{expected["tolerance"]["atol"], expected["tolerance"]["rtol"]};
        const std::vector<Prompt> prompts = {
            promptFrom(expected["prompts"]["long"], readNpy(folder + "/logits.npy")),
            promptFrom(expected["prompts"]["short"], readNpy(folder + "/logits_short.npy"))};
        const LoadOptions options{.path = file.path(), .overrides = c.overrides};
        for (const std::string& isa : isas_) {
            SCOPED_TRACE(isa);
            const std::vector<float> reference = exact(isa, options, prompts, t);
            const auto engine = engineWith(isa);
            const Distance d = fastDistance(*engine, engine->load(options), prompts[0], reference);
            // Float weights: only the half-precision cache is left, and what it costs llama.cpp is known.
            const json known =
                expected["llama_cpp"]["agree"] == true ? expected["llama_cpp"]["max_abs_diff_f16_kv"] : json(0.01);
            EXPECT_LE(d.max, 2 * known.get<double>() + t.atol) << "fast numerics";
        }
    }
}

TEST_F(Oracles, QuantizedModels) {
    int compared = 0;
    for (const char* name : kQuantModels) {
        SCOPED_TRACE(name);
        const std::string folder = findData(name);
        if (folder.empty())
            continue; // the larger ones lie in the shared data only
        const UnpackedFile file(folder + "/model.gguf");
        const json expected = readJson(folder + "/expected.json");
        const Tolerance t{expected["tolerance"]["atol"], expected["tolerance"]["rtol"]};
        const std::vector<Prompt> prompts = {promptFrom(expected, readNpy(folder + "/logits.npy"))};
        const LoadOptions options{.path = file.path()};
        const json& known = expected["llama_cpp_quantized_activations"];
        for (const std::string& isa : isas_) {
            SCOPED_TRACE(isa);
            const std::vector<float> reference = exact(isa, options, prompts, t);
            const auto engine = engineWith(isa);
            const ModelId model = engine->load(options);
            const Distance d = fastDistance(*engine, model, prompts[0], reference);
            // Of the narrow models only llama.cpp's distance with a float cache is known.
            const bool wide = known.contains("f16_kv");
            EXPECT_LE(d.rms, 1.25 * (wide ? known["f16_kv"]["40_all"]["rms"] : known["rms_diff"]).get<double>());
            EXPECT_LE(d.max, 2 * (wide ? known["f16_kv"]["40_all"]["max"] : known["max_abs_diff_all"]).get<double>());
            RecordProperty(std::string(name).substr(13) + "_" + isa, std::to_string(d.rms));
            if (expected.contains("prompt_300")) {
                const auto ids = expected["prompt_300"]["ids"].get<std::vector<TokenId>>();
                const std::vector<float> want = readNpy(folder + "/logits_300.npy");
                const std::vector<float> got = engine->eval(model, ids, {.last = 1});
                EXPECT_LE(distance(got.data(), want.data(), want.size()).rms,
                          2 * known["f16_kv"]["300_all_rms"].get<double>());
            }
        }
        ++compared;
    }
    EXPECT_GE(compared, 3) << "the models that lie in tests/data at least";
}

} // namespace
