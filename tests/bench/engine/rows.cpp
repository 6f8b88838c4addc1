#include "tests/bench/engine/rows.h"

#include "engine/error.h"
#include "engine/kv_cache.h"

#include <algorithm>
#include <chrono>

namespace hearth::bench {

using namespace engine;

namespace {

using Clock = std::chrono::steady_clock;

Json withFigure(Json row, double value, const char* goal, double limit, bool met) {
    row["value"] = value;
    row[goal] = limit;
    row["met"] = met;
    return row;
}

} // namespace

Loaded::Loaded(const std::string& path, int threads, int contextTokens, KvType kv)
    : engine({.backend = "cpu", .threads = threads}),
      id(engine.load({.path = path, .contextTokens = contextTokens, .kv = kv})) {}

GenerationRequest greedy(std::vector<TokenId> prompt, int maxTokens) {
    GenerationRequest request;
    request.prompt = std::move(prompt);
    request.sampling.temperature = 0;
    request.maxTokens = maxTokens;
    request.stopAtEnd = false;
    request.guessAhead = false;
    return request;
}

Outcome finish(Loaded& model, GenerationRequest request) {
    Outcome outcome;
    const auto begin = Clock::now();
    request.onToken = [&](const TokenOut& token) {
        if (outcome.tokens.empty())
            outcome.firstTokenSeconds = std::chrono::duration<double>(Clock::now() - begin).count();
        if (token.id >= 0)
            outcome.tokens.push_back(token.id);
    };
    request.onFinish = [&](const GenerationSummary& summary) { outcome.summary = summary; };
    model.engine.start(model.id, std::move(request));
    while (model.engine.step()) {
    }
    if (outcome.summary.stop == StopReason::Error)
        throw Error(outcome.summary.error);
    return outcome;
}

Json withGoal(Json row, double value, double atLeast) {
    return withFigure(std::move(row), value, "atLeast", atLeast, value >= atLeast);
}

Json withBound(Json row, double value, double atMost) {
    return withFigure(std::move(row), value, "atMost", atMost, value <= atMost);
}

Json skipped(const std::string& why) {
    return {{"skipped", why}};
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
}

} // namespace hearth::bench
