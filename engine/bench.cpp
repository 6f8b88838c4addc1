#include "engine/bench.h"

#include "engine/clock.h"
#include "engine/engine.h"
#include "engine/error.h"
#include "engine/kv_cache.h"

#include <algorithm>
#include <cstdio>

#include <sys/resource.h>

namespace hearth::engine {

std::vector<TokenId> madeUpTokens(int n, int nVocab, uint64_t salt) {
    Hash128 state;
    state.mix(salt + 1);
    std::vector<TokenId> tokens;
    for (int i = 0; i < n; ++i) {
        state.mix(static_cast<uint64_t>(i));
        tokens.push_back(static_cast<TokenId>(state.a % static_cast<uint64_t>(nVocab)));
    }
    return tokens;
}

namespace {

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
}

/// What one repetition measured.
struct Round {
    double prefillSeconds = 0;
    double firstTokenSeconds = 0;
    double decodeSeconds = 0; // of decodeSteps steps in which every sequence got a token
    int decodeSteps = 0;
    double readBandwidth = 0;
};

class Bench {
public:
    Bench(Engine& engine, ModelId model, const BenchOptions& options) : engine_(engine), model_(model), o_(options) {
        const ModelInfo& info = engine.info(model);
        if (o_.prompt < 0 || o_.generate < 0 || o_.prompt + o_.generate < 1 || o_.depth < 0 || o_.sequences < 1 ||
            o_.sequences > 16 || o_.repeat < 1)
            throw Error("A benchmark needs a prompt, something to generate, 1 to 16 sequences and a repetition.");
        if (int64_t{o_.depth} + std::max(o_.prompt, o_.generate + 64) > info.contextTokens)
            throw Error("The benchmark needs more than the " + std::to_string(info.contextTokens) +
                        " tokens of context that this model was loaded with.");
    }

    Round round(int number) {
        Round r;
        const auto salt = static_cast<uint64_t>(number) * 1000;
        r.readBandwidth = engine_.readBandwidth(model_);
        if (o_.prompt > 0)
            timePrompt(salt, r);
        if (o_.generate > 0)
            timeDecode(salt + 1, r);
        r.readBandwidth = 0.5 * (r.readBandwidth + engine_.readBandwidth(model_));
        return r;
    }

private:
    GenerationRequest request(std::vector<TokenId> prompt, int maxTokens) const {
        GenerationRequest request;
        request.prompt = std::move(prompt);
        request.sampling.temperature = 0;
        request.sampling.seed = 1;
        request.maxTokens = maxTokens;
        request.stopAtEnd = false;
        request.guessAhead = false;
        return request;
    }

    void finishAll() {
        while (engine_.step()) {
        }
        if (!error_.empty())
            throw Error(error_);
    }

    void watch(GenerationRequest& request) {
        request.onFinish = [this](const GenerationSummary& summary) {
            if (summary.stop == StopReason::Error)
                error_ = summary.error;
        };
    }

    /// The prompt on top of `depth` tokens that are in the cache already.
    void timePrompt(uint64_t salt, Round& r) {
        std::vector<TokenId> tokens = madeUpTokens(o_.depth + o_.prompt, engine_.info(model_).nVocab, salt);
        if (o_.depth > 0) {
            GenerationRequest past = request({tokens.begin(), tokens.begin() + o_.depth}, 0);
            watch(past);
            engine_.start(model_, std::move(past));
            finishAll();
        }
        GenerationRequest timed = request(std::move(tokens), 1);
        const auto begin = Clock::now();
        timed.onPrefill = [&](int done, int total) {
            if (done == total)
                r.prefillSeconds = secondsSince(begin);
        };
        watch(timed);
        engine_.start(model_, std::move(timed));
        finishAll();
        r.firstTokenSeconds = secondsSince(begin);
    }

    void timeDecode(uint64_t salt, Round& r) {
        std::vector<int> given(static_cast<size_t>(o_.sequences), 0);
        for (int i = 0; i < o_.sequences; ++i) {
            const int past = std::max(1, o_.depth);
            GenerationRequest one =
                request(madeUpTokens(past, engine_.info(model_).nVocab, salt * 100 + static_cast<uint64_t>(i)),
                        o_.generate + 1);
            one.onToken = [&given, i](const TokenOut& token) { given[static_cast<size_t>(i)] += token.id >= 0; };
            watch(one);
            engine_.start(model_, std::move(one));
        }
        const auto all = [&](auto condition) { return std::all_of(given.begin(), given.end(), condition); };
        while (!all([](int n) { return n > 0; }) && engine_.step()) {
        }
        // Sequences that came earlier are ahead: the steps that count are those in which all take part.
        const int least = *std::min_element(given.begin(), given.end());
        const int most = *std::max_element(given.begin(), given.end());
        const auto begin = Clock::now();
        const int steps = std::max(0, o_.generate + 1 - most);
        while (*std::min_element(given.begin(), given.end()) < least + steps && engine_.step()) {
        }
        r.decodeSeconds = secondsSince(begin);
        r.decodeSteps = steps;
        finishAll();
    }

    Engine& engine_;
    ModelId model_;
    BenchOptions o_;
    std::string error_;
};

/// Same file, same rows, same hash: speed and correctness in one place.
std::string logitsHash(Engine& engine, ModelId model) {
    const ModelInfo& info = engine.info(model);
    const std::vector<TokenId> tokens = madeUpTokens(std::min(64, info.contextTokens), info.nVocab, 7);
    const std::vector<float> logits = engine.eval(model, tokens, {.last = 1});
    Hash128 hash;
    hash.mix(std::string_view(reinterpret_cast<const char*>(logits.data()), logits.size() * sizeof(float)));
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash.a));
    return text;
}

} // namespace

BenchResult Engine::bench(ModelId model, const BenchOptions& options) {
    Bench bench(*this, model, options);
    std::vector<double> prefill, decode, read, first;
    for (int i = 0; i < options.repeat; ++i) {
        const Round r = bench.round(i);
        if (r.prefillSeconds > 0)
            prefill.push_back(options.prompt / r.prefillSeconds);
        if (r.decodeSteps > 0)
            decode.push_back(r.decodeSteps / r.decodeSeconds);
        read.push_back(r.readBandwidth);
        first.push_back(r.firstTokenSeconds);
    }
    const ModelInfo& of = info(model);
    const double depth = std::max(1, options.depth) + options.generate / 2.0;
    const double bytesPerStep =
        static_cast<double>(of.bytesPerToken) + static_cast<double>(of.kvBytesPerToken) * depth * options.sequences;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return {.prefillTokensPerSecond = median(prefill),
            .decodeTokensPerSecond = median(decode) * options.sequences,
            .decodeGBPerSecond = median(decode) * bytesPerStep / 1e9,
            .readGBPerSecond = median(read) / 1e9,
            .firstTokenSeconds = median(first),
            .loadSeconds = of.loadSeconds,
            .peakBytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024,
            .logitsHash = logitsHash(*this, model),
            .isa = isa()};
}

} // namespace hearth::engine
