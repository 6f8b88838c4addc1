// Nothing is allocated for a generated token but what grows with a text: its tokens, and an entry for each page.

#include "engine/engine.h"
#include "tests/bench/engine/allocations.h"
#include "tests/engine/core/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

using namespace hearth::engine;

namespace {

constexpr double kMostPerToken = 0.1;
constexpr int kTokens = 500; // so many that what a reply allocates once, for its first guess say, does not count

struct Case {
    const char* name;
    SamplerSettings sampling;
    bool guessAhead = false;
    int sequences = 1;
};

const Case kCases[] = {
    {"greedy", {.temperature = 0}},
    {"sampled", {.temperature = 1, .topK = 40, .topP = 0.9f, .minP = 0.05f, .seed = 3}},
    {"greedy, guessing", {.temperature = 0}, true},
    {"four at once", {.temperature = 1, .seed = 3}, false, 4},
};

class AllocationTest : public testing::Test {
protected:
    void SetUp() override {
        if (!hearth::bench::allocationsAreCounted())
            GTEST_SKIP() << "this build cannot count allocations";
        model = engine.load({.path = folder.write("tiny.gguf", hearth::test::tinyLlama({.context = 1024}).bytes()),
                             .contextTokens = 1024,
                             .timeSteps = false});
    }

    /// Allocations between the third and the last but one token of replies, for a token.
    double perToken(const Case& c, int salt) {
        std::vector<int> given(static_cast<size_t>(c.sequences), 0);
        for (int i = 0; i < c.sequences; ++i) {
            GenerationRequest request;
            for (int t = 0; t < 20; ++t)
                request.prompt.push_back(3 + (salt * 31 + i * 7 + t) % 250);
            request.sampling = c.sampling;
            request.maxTokens = kTokens;
            request.stopAtEnd = false;
            request.guessAhead = c.guessAhead;
            request.onToken = [&given, i](const TokenOut& token) { given[static_cast<size_t>(i)] += token.id >= 0; };
            engine.start(model, std::move(request));
        }
        const auto sum = [&] { return std::accumulate(given.begin(), given.end(), 0); };
        while (*std::min_element(given.begin(), given.end()) < 3 && engine.step()) {
        }
        const uint64_t before = hearth::bench::allocations();
        const int from = sum();
        while (*std::max_element(given.begin(), given.end()) < kTokens - 20 && engine.step()) {
        }
        const double allocated = static_cast<double>(hearth::bench::allocations() - before);
        const double tokens = sum() - from;
        while (engine.step()) {
        }
        return allocated / tokens;
    }

    hearth::test::TemporaryFolder folder;
    Engine engine{{.threads = 2}};
    ModelId model = 0;
};

TEST_F(AllocationTest, NoneForAToken) {
    for (const Case& c : kCases) {
        perToken(c, 1); // the first reply sets up what later ones use
        // How many tokens are guessed at a time depends on the text: the first step of so many rows sets up its plan.
        // What is allocated for a token is so in every run.
        double least = perToken(c, 2);
        for (int again = 3; again < 6 && least >= kMostPerToken; ++again)
            least = std::min(least, perToken(c, again));
        EXPECT_LT(least, kMostPerToken) << c.name;
    }
}

TEST_F(AllocationTest, TheyAreCounted) {
    const uint64_t before = hearth::bench::allocations();
    std::vector<int> numbers(1000);
    numbers.push_back(1);
    EXPECT_GE(hearth::bench::allocations(), before + 2);
}

} // namespace
