// eval, generate, perplexity: token ids through a model.

#include "app/cli/commands.h"
#include "app/cli/common.h"
#include "app/cli/npy.h"
#include "engine/error.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <sstream>

namespace hearth::cli {

using engine::Error;
using engine::Numerics;

int runEval(const Arguments& a) {
    const auto chunk = static_cast<int>(a.whole("--chunk", 0, 1, 1 << 20));
    LoadedModel model(a, Numerics::Exact);
    const int nVocab = model.engine.info(model.id).nVocab;
    const std::vector<engine::TokenId> tokens = tokensArgument(a, nVocab);
    const auto n = static_cast<int64_t>(tokens.size());
    const int64_t rows = a.whole("--last", n, 1, n);
    const engine::Engine::EvalOptions options = {
        .last = 0,
        .chunk = chunk,
        .restoreAt = static_cast<int>(a.whole("--restore-at", 0, 1, n - 1)),
    };
    std::vector<float> kept; // (rows, nVocab)
    std::vector<int64_t> argmax;
    model.engine.eval(model.id, tokens, options, [&](int position, std::span<const float> logits) {
        argmax.push_back(std::max_element(logits.begin(), logits.end()) - logits.begin());
        if (position >= n - rows)
            kept.insert(kept.end(), logits.begin(), logits.end());
    });
    const size_t shape[] = {static_cast<size_t>(rows), static_cast<size_t>(nVocab)};
    writeNpy(a.text("--logits"), kept, shape);
    printJson({{"argmax", argmax}});
    return 0;
}

int runGenerate(const Arguments& a) {
    const auto count = static_cast<int>(a.whole("-n", 16, 1, 1 << 24));
    LoadedModel model(a, Numerics::Exact);
    std::vector<engine::TokenId> out;
    engine::GenerationSummary summary;
    engine::GenerationRequest request;
    request.prompt = tokensArgument(a, model.engine.info(model.id).nVocab);
    request.sampling.temperature = 0;
    request.maxTokens = count;
    request.stopAtEnd = false;
    request.onToken = [&](const engine::TokenOut& token) {
        if (token.id >= 0) // else it is text that was held back
            out.push_back(token.id);
    };
    request.onFinish = [&](const engine::GenerationSummary& s) { summary = s; };
    model.engine.start(model.id, std::move(request));
    while (model.engine.step()) {
    }
    if (summary.stop == engine::StopReason::Error)
        throw Error(summary.error);
    printJson({{"tokens", out}});
    return 0;
}

namespace {

/// A text's ids with the marks around them that its model expects, cut to what the model can read.
std::vector<engine::TokenId> encodedForEmbedding(const engine::Tokenizer& tokenizer, std::string_view text, int most) {
    std::vector<engine::TokenId> ids = tokenizer.encode(text);
    if (tokenizer.addBos() && tokenizer.bos() >= 0)
        ids.insert(ids.begin(), tokenizer.bos());
    const bool marked = tokenizer.addEos() && tokenizer.eos() >= 0;
    const auto room = static_cast<size_t>(std::max(1, most - (marked ? 1 : 0)));
    if (ids.size() > room) {
        std::fprintf(stderr, "A text of %zu tokens was cut to the %zu that the model reads.\n", ids.size(), room);
        ids.resize(room);
    }
    if (marked)
        ids.push_back(tokenizer.eos());
    return ids;
}

nlohmann::ordered_json vectorsAsJson(const std::vector<float>& numbers, size_t width) {
    if (numbers.size() == width)
        return numbers;
    auto rows = nlohmann::ordered_json::array();
    for (size_t i = 0; i < numbers.size(); i += width)
        rows.push_back(std::vector<float>(numbers.begin() + static_cast<std::ptrdiff_t>(i),
                                          numbers.begin() + static_cast<std::ptrdiff_t>(i + width)));
    return rows;
}

} // namespace

int runEmbed(const Arguments& a) {
    const engine::Pooling* asked = a.has("--pooling") ? engine::findPooling(a.text("--pooling")) : nullptr;
    if (a.has("--pooling") && !asked)
        throw UsageError("The option --pooling needs none, mean or cls.");
    LoadedModel model(a, Numerics::Exact);
    const engine::ModelInfo& info = model.engine.info(model.id);
    if (!info.embeds)
        throw Error("The model " + info.name + " writes text and gives no vectors for texts.");
    const engine::Pooling pooling = asked ? *asked : model.engine.pooling(model.id);
    const auto print = [&](const std::vector<engine::TokenId>& ids) {
        nlohmann::ordered_json json =
            vectorsAsJson(model.engine.embed(model.id, ids, pooling), static_cast<size_t>(info.embeddingSize));
        if (pooling == engine::Pooling::None && ids.size() == 1)
            json = nlohmann::ordered_json::array({json});
        printJson(json);
    };
    if (a.has("--tokens")) {
        print(tokensArgument(a, info.nVocab));
        return 0;
    }
    for (std::string line; std::getline(std::cin, line);)
        print(encodedForEmbedding(*model.engine.text(model.id)->tokenizer, line, info.contextTokens));
    return 0;
}

namespace {

/// -log softmax(logits)[token], in double.
double negativeLogLikelihood(std::span<const float> logits, engine::TokenId token) {
    const double top = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits)
        sum += std::exp(x - top);
    return std::log(sum) + top - logits[static_cast<size_t>(token)];
}

} // namespace

int runPerplexity(const Arguments& a) {
    const std::string text = readWholeFile(a.text("--text"));
    const auto window = static_cast<size_t>(a.whole("--context", 1024, 2, 1 << 24));
    LoadedModel model(a, Numerics::Exact);
    const std::vector<engine::TokenId> tokens = model.engine.text(model.id)->tokenizer->encode(text);
    if (tokens.size() < window)
        throw Error("The text has " + std::to_string(tokens.size()) + " tokens, fewer than one window of " +
                    std::to_string(window) + ".");
    double total = 0;
    int64_t scored = 0;
    for (size_t begin = 0; begin + window <= tokens.size(); begin += window) {
        const std::span part = std::span(tokens).subspan(begin, window);
        model.engine.eval(model.id, part, {}, [&](int position, std::span<const float> logits) {
            const auto next = static_cast<size_t>(position) + 1;
            if (next >= part.size())
                return;
            total += negativeLogLikelihood(logits, part[next]);
            scored++;
        });
    }
    printJson({{"perplexity", std::exp(total / static_cast<double>(scored))}, {"tokens", scored}});
    return 0;
}

} // namespace hearth::cli
