// The two forms of latent attention as the engine uses them: which a request takes, that a chunk may pause, and what
// running takes of memory.

#include "engine/latent_form.h"
#include "engine/loaded_model.h"
#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace hearth::engine;
using namespace hearth::test;
using hearth::kernels::RunEnd;

namespace {

constexpr LatentConfig kDeepSeek{.kvRank = 512, .nopeDim = 128, .ropeDim = 64, .vDim = 128};

TEST(LatentForm, IsChosenByNewAndCachedTokens) {
    const struct {
        int newTokens, cached;
        bool expands;
    } kCases[] = {
        {1, 0, false},    {64, 0, false},       {128, 0, true},      {512, 0, true},
        {4096, 0, true},  {1, 4096, false},     {64, 4096, false},   {1000, 4096, true},
        {4096, 64, true}, {150, 100000, false}, {512, 100032, true},
    };

    for (const auto& c : kCases)
        EXPECT_EQ(expandsLatents(kDeepSeek, c.newTokens, c.cached), c.expands) << c.newTokens << " after " << c.cached;
    EXPECT_TRUE(canExpandLatents(kDeepSeek));
    EXPECT_FALSE(canExpandLatents({})) << "no latents at all";
    EXPECT_LT(expansionBytes(kDeepSeek, 64), expansionBytes(kDeepSeek, kChunkRows)) << "of a short context";
    EXPECT_FALSE(canExpandLatents({.kvRank = 4096, .nopeDim = 512, .ropeDim = 64, .vDim = 512})) << "beyond 8 MiB";
}

TEST(LatentForm, ChunksThatExpandAreLongHoweverSlowTheMachine) {
    ChunkPace pace;
    pace.measured(64, 60); // about a second a token
    EXPECT_EQ(pace.chunk(0, 4000, 0.1), 64);
    EXPECT_EQ(pace.chunk(0, 4000, 0.1, Chunking::Whole), 512);
    EXPECT_EQ(pace.chunk(30, 4000, 0.1, Chunking::Whole), 482);
    EXPECT_EQ(pace.chunk(512, 40, 0.1, Chunking::Whole), 40);
}

std::vector<TokenId> madeUp(int n, int salt = 0) {
    std::vector<TokenId> ids;
    for (int i = 0; i < n; ++i)
        ids.push_back((i * 7 + i / 11 + 13 * salt) % 300);
    return ids;
}

class Latents : public testing::Test {
protected:
    LoadOptions options(LatentForm form, Numerics numerics = Numerics::Fast) const {
        LoadOptions o{.path = file_.path(), .contextTokens = 2048, .numerics = numerics};
        o.latentForm = form;
        return o;
    }

    UnpackedFile file_{findData("oracles/deepseek_v3") + "/model.gguf"};
};

TEST_F(Latents, AutoIsOneOfTheTwoForms) {
    const auto engine = engineWith(isas().back());
    const ModelId either = engine->load(options(LatentForm::Auto)),
                  absorbed = engine->load(options(LatentForm::Absorbed)),
                  expanded = engine->load(options(LatentForm::Expanded));
    const std::vector<TokenId> ids = madeUp(600), few = madeUp(5);
    const std::vector<float> want = engine->eval(expanded, ids, {.last = 4});
    EXPECT_NE(engine->eval(absorbed, ids, {.last = 4}), want) << "both take the same path";
    for (const int chunk : {0, 7, 64, 100}) // the form is the request's, whatever its chunks
        EXPECT_EQ(engine->eval(either, ids, {.last = 4, .chunk = chunk}), want) << chunk;
    EXPECT_EQ(engine->eval(either, few, {}), engine->eval(absorbed, few, {}));
    EXPECT_NE(engine->eval(either, few, {}), engine->eval(expanded, few, {}));
}

TEST_F(Latents, RepliesSayTheSameInBothForms) {
    const auto engine = engineWith(isas().back());
    const std::vector<TokenId> ids = madeUp(1300);
    std::vector<std::vector<TokenId>> said;
    for (const LatentForm form : {LatentForm::Auto, LatentForm::Absorbed, LatentForm::Expanded})
        said.push_back(greedy(*engine, engine->load(options(form, Numerics::Exact)), ids, 8));
    EXPECT_EQ(said[0], said[2]);
    EXPECT_EQ(said[1], said[2]);
}

/// A model without the engine's schedule.
class Runner {
public:
    Runner(const LoadOptions& options, int threads)
        : backend_(hearth::kernels::makeCpuBackend({.threads = threads})),
          model(LoadedModel::load(*backend_, options, {})) {}

    /// A sequence of its own with room for so many tokens.
    std::vector<StepRow> rows(const std::vector<TokenId>& ids, int first, int count, KvSequence sequence) {
        EXPECT_TRUE(model->prepare(sequence, count));
        std::vector<StepRow> rows;
        for (int i = first; i < first + count; ++i)
            rows.push_back({.id = ids[static_cast<size_t>(i)], .position = i, .sequence = sequence});
        return rows;
    }

    /// Runs a chunk in parts as short as can be; `between` after each pause. Gives the last row's logits.
    std::vector<float> inParts(const StepRunner::Chunk& chunk, int& pauses, const std::function<void(int)>& between) {
        std::vector<float> logits;
        for (pauses = 0;; ++pauses) {
            const RunEnd end = model->runner().prefill(
                chunk, nullptr, [&](size_t, std::span<float> given) { logits.assign(given.begin(), given.end()); });
            if (end != RunEnd::Paused || pauses > 100000)
                return logits;
            between(pauses);
        }
    }

private:
    std::unique_ptr<hearth::kernels::Backend> backend_;

public:
    std::unique_ptr<LoadedModel> model;
};

TEST_F(Latents, AChunkThatPausesGoesOnWithTheSameBits) {
    const std::vector<TokenId> ids = madeUp(512), others = madeUp(64, 3);
    const std::vector<int> wanted = {511};
    for (const int threads : {1, 2}) {
        Runner r(options(LatentForm::Expanded), threads);
        const KvSequence mine = r.model->cache().open(0), other = r.model->cache().open(0);
        const std::vector<StepRow> rows = r.rows(ids, 0, 512, mine), decoded = r.rows(others, 0, 1, other);
        StepRunner::Chunk chunk{.rows = rows, .wanted = wanted, .expanded = true};
        int pauses = 0;
        const std::vector<float> want = r.inParts(chunk, pauses, {});
        EXPECT_EQ(pauses, 0);
        ASSERT_FALSE(want.empty());
        chunk.seconds = 1e-5, chunk.ticket = 1;
        // Tokens of another sequence come between.
        const auto decode = [&](int i) {
            if (i % 5 == 0) {
                EXPECT_TRUE(r.model->runner().decode(decoded, nullptr, [](size_t, std::span<float>) {}));
            }
        };
        EXPECT_EQ(r.inParts(chunk, pauses, decode), want);
        EXPECT_GT(pauses, 10);
        // Another chunk comes between once: the first begins anew.
        const std::vector<StepRow> more = r.rows(others, 0, 64, other);
        const auto prefill = [&](int i) {
            if (i == 7) {
                EXPECT_EQ(r.model->runner().prefill({.rows = more, .expanded = true}, nullptr, {}), RunEnd::Done);
            }
        };
        EXPECT_EQ(r.inParts(chunk, pauses, prefill), want);
        // So it does where its sequence left the cache meanwhile.
        EXPECT_EQ(r.inParts(chunk, pauses, [&](int i) { chunk.ticket += i == 5; }), want);
    }
}

/// What `inspect` says a model's runs take is what they take.
void expectEstimate(const LoadOptions& options, bool latent) {
    Runner r(options, 2);
    const ModelConfig& config = r.model->config();
    const std::vector<TokenId> ids = madeUp(64);
    std::vector<StepRow> batch;
    for (int i = 0; i < kDecodeRows; ++i)
        batch.push_back(r.rows(ids, 0, 1, r.model->cache().open(0)).front());
    for (size_t n = 1; n <= batch.size(); n *= 2)
        EXPECT_TRUE(r.model->runner().decode(std::span(batch).first(n), nullptr, [](size_t, std::span<float>) {}));
    const std::vector<int> wanted = {9};
    const KvSequence sequence = r.model->cache().open(0);
    const std::vector<StepRow> prompt = r.rows(ids, 0, 10, sequence);
    for (const bool expanded : {false, true})
        if (latent || !expanded) {
            EXPECT_EQ(r.model->runner().prefill({.rows = prompt, .wanted = wanted, .expanded = expanded}, nullptr,
                                                [](size_t, std::span<float>) {}),
                      RunEnd::Done);
        }
    const uint64_t workers = latent ? expansionBytes(config.latent, kChunkRows) : 0;
    const uint64_t estimate = placementInput(r.model->checkpoint(), config, options).scratchBytes;
    EXPECT_EQ(estimate, inspectFile(options).scratchBytes);
    EXPECT_GE(estimate, r.model->runner().bytes() + workers);
    // Rounded inputs are estimated by the largest product of all, which the plan that expands need not have: 0.2 MB
    // here.
    EXPECT_LE(static_cast<double>(estimate), 1.05 * static_cast<double>(r.model->runner().bytes() + workers));
}

TEST_F(Latents, TheEstimateIsWhatIsAllocated) {
    for (const int context : {2048, 100000}) {
        SCOPED_TRACE(context);
        LoadOptions o = options(LatentForm::Auto);
        o.contextTokens = context;
        expectEstimate(o, true);
    }
    const UnpackedFile llama(findData("quant_models/Q4_0") + "/model.gguf");
    for (const Numerics numerics : {Numerics::Fast, Numerics::Exact})
        expectEstimate({.path = llama.path(), .contextTokens = 4096, .numerics = numerics, .floatPrompts = false},
                       false);
}

/// Where prompts are multiplied in bf16, their inputs are there once more.
TEST_F(Latents, TheEstimateIsWhatIsAllocatedWithTiles) {
    const std::vector<std::string> all = isas(true);
    if (all.back() != "amx-emulated")
        GTEST_SKIP() << "no AVX-512 for the emulated tiles";
    const auto estimates = [&] {
        expectEstimate(options(LatentForm::Auto), true);
        const UnpackedFile llama(findData("quant_models/Q4_0") + "/model.gguf");
        LoadOptions o{.path = llama.path(), .contextTokens = 4096, .floatPrompts = false};
        expectEstimate(o, false);
        return inspectFile(o).scratchBytes;
    };
    setenv("HEARTH_ISA", "avx512", 1); // the machine may have tiles itself
    const uint64_t without = estimates();
    setenv("HEARTH_ISA", "amx-emulated", 1);
    const uint64_t with = estimates();
    unsetenv("HEARTH_ISA");
    EXPECT_NE(with, without); // the rounded inputs come, floats that only the quantizer wanted go
}

} // namespace
