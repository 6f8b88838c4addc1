#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

using namespace hearth::engine;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::nanf("");

SamplerSettings plain(float temperature) {
    return {.temperature = temperature, .topK = 0, .topP = 1, .minP = 0, .seed = 42};
}

/// How often each id comes in n draws at different positions.
std::map<int, double> frequencies(const SamplerSettings& settings, const std::vector<float>& logits, int n = 20000) {
    Sampler sampler(settings);
    std::map<int, double> counts;
    for (int i = 0; i < n; ++i) {
        std::vector<float> copy = logits;
        counts[sampler.sample(copy, {}, static_cast<uint64_t>(i))] += 1.0 / n;
    }
    return counts;
}

std::vector<float> logs(std::vector<float> probabilities) {
    for (float& p : probabilities)
        p = std::log(p);
    return probabilities;
}

int one(const SamplerSettings& settings, std::vector<float> logits, std::vector<int32_t> history = {}) {
    return Sampler(settings).sample(logits, history, 1);
}

TEST(Sampler, GreedyTakesTheBestAndTheLowestOfEquals) {
    EXPECT_EQ(one(plain(0), {1, 3, 2}), 1);
    EXPECT_EQ(one(plain(0), {1, 3, 3}), 1);
}

TEST(Sampler, FollowsTheDistribution) {
    const auto f = frequencies(plain(1), logs({0.5f, 0.3f, 0.2f}));
    EXPECT_NEAR(f.at(0), 0.5, 0.015);
    EXPECT_NEAR(f.at(1), 0.3, 0.015);
    EXPECT_NEAR(f.at(2), 0.2, 0.015);
}

TEST(Sampler, TemperatureSharpens) {
    // p^2 / sum: 0.25, 0.09, 0.04
    const auto f = frequencies(plain(0.5f), logs({0.5f, 0.3f, 0.2f}));
    EXPECT_NEAR(f.at(0), 0.25 / 0.38, 0.015);
    EXPECT_NEAR(f.at(2), 0.04 / 0.38, 0.015);
}

TEST(Sampler, TopKKeepsK) {
    SamplerSettings s = plain(1);
    s.topK = 2;
    const auto f = frequencies(s, logs({0.2f, 0.5f, 0.3f}));
    EXPECT_EQ(f.count(0), 0u);
    EXPECT_NEAR(f.at(1), 0.5 / 0.8, 0.015);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
    SamplerSettings s = plain(1);
    s.topP = 0.75f;
    const auto f = frequencies(s, logs({0.15f, 0.5f, 0.3f, 0.05f}));
    EXPECT_EQ(f.count(0), 0u);
    EXPECT_EQ(f.count(3), 0u);
    EXPECT_NEAR(f.at(2), 0.3 / 0.8, 0.015);
    s.topP = 0;
    EXPECT_EQ(frequencies(s, logs({0.4f, 0.6f}), 100).size(), 1u);
}

TEST(Sampler, TopPOverALargeVocabulary) {
    std::vector<float> flat(150000, 0.0f);
    SamplerSettings s = plain(1);
    s.topP = 0.5f;
    const auto f = frequencies(s, flat, 50);
    for (const auto& [id, share] : f)
        EXPECT_LT(id, 75010) << "equal ones are taken by their ids";
    EXPECT_GT(f.size(), 40u);
}

TEST(Sampler, MinPIsAShareOfTheBest) {
    SamplerSettings s = plain(1);
    s.minP = 0.5f;
    const auto f = frequencies(s, logs({0.5f, 0.3f, 0.2f}));
    EXPECT_EQ(f.count(2), 0u);
    EXPECT_NEAR(f.at(1), 0.3 / 0.8, 0.015);
}

TEST(Sampler, PenaltiesLookAtTheWindow) {
    SamplerSettings s = plain(0);
    s.repetitionPenalty = 2;
    EXPECT_EQ(one(s, {3, 2}, {0}), 1);
    EXPECT_EQ(one(s, {-1, -1.5f}, {0}), 1); // negative ones move away from zero
    s = plain(0);
    s.frequencyPenalty = 0.5f;
    EXPECT_EQ(one(s, {3, 2}, {0, 0}), 0);
    EXPECT_EQ(one(s, {3, 2}, {0, 0, 0}), 1);
    s.penaltyWindow = 1;
    EXPECT_EQ(one(s, {3, 2}, {0, 0, 0}), 0);
    s = plain(0);
    s.presencePenalty = 1.5f;
    EXPECT_EQ(one(s, {3, 2}, {0, 0, 0}), 1);
    s.penaltyWindow = 0;
    EXPECT_EQ(one(s, {3, 2}, {0}), 0);
    EXPECT_EQ(one(s, {3, 2}, {-7, 99}), 0); // ids that are none
}

TEST(Sampler, TheSameSeedAndPositionGiveTheSameToken) {
    const std::vector<float> logits(1000, 0.0f);
    Sampler a(plain(1)), b(plain(1));
    std::map<int, int> seen;
    for (uint64_t position = 0; position < 50; ++position) {
        std::vector<float> x = logits, y = logits;
        const int token = a.sample(x, {}, position);
        ++seen[token];
        EXPECT_EQ(token, b.sample(y, {}, position));
    }
    EXPECT_GT(seen.size(), 40u);
    SamplerSettings other = plain(1);
    other.seed = 43;
    int differ = 0;
    for (uint64_t position = 0; position < 50; ++position) {
        std::vector<float> x = logits, y = logits;
        differ += Sampler(other).sample(x, {}, position) != Sampler(plain(1)).sample(y, {}, position);
    }
    EXPECT_GT(differ, 40);
}

TEST(Sampler, NoSeedIsOneFromTheClock) {
    SamplerSettings s = plain(1);
    s.seed = 0;
    EXPECT_NE(Sampler(s).seed(), 0u);
}

TEST(Sampler, WhatIsNotANumber) {
    for (const float temperature : {0.0f, 1.0f}) {
        const SamplerSettings s = plain(temperature);
        EXPECT_EQ(one(s, {kNan, 1, kNan}), 1);
        EXPECT_EQ(one(s, {-kInf, 1, -kInf}), 1);
        EXPECT_EQ(one(s, {1, kInf, 2}), 1);
        EXPECT_EQ(one(s, {kNan, kNan}), 0);
        EXPECT_EQ(one(s, {kNan, -kInf, -kInf}), 1);
        EXPECT_EQ(one(s, {-kInf, -kInf}), 0);
        EXPECT_EQ(one(s, {}), 0);
        EXPECT_EQ(one(s, {5}), 0);
    }
    const int any = one(plain(1), std::vector<float>(100, 3e38f));
    EXPECT_TRUE(any >= 0 && any < 100);
}

TEST(Sampler, HostileSettingsAreClamped) {
    const std::vector<float> hostile = {kNan, kInf, -kInf, -1, 0, 1e30f, -1e30f, 1e-30f};
    for (const float x : hostile)
        for (const int k : {-1, 0, 1, 4, 5, 2000000000, -2000000000}) {
            const SamplerSettings s{.temperature = x,
                                    .topK = k,
                                    .topP = x,
                                    .minP = x,
                                    .repetitionPenalty = x,
                                    .frequencyPenalty = x,
                                    .presencePenalty = x,
                                    .penaltyWindow = k,
                                    .seed = 1};
            const int token = one(s, {1, 2, 3, 2}, {0, 1, 2, 2, 2});
            EXPECT_TRUE(token >= 0 && token < 4) << x << " " << k;
        }
    EXPECT_EQ(plain(kNan).validated().temperature, 0.0f);
}

} // namespace
