#include "engine/scheduler.h"

#include "engine/kv_cache.h"
#include "engine/placement.h"
#include "engine/step.h"

#include <gtest/gtest.h>

#include <set>

using namespace hearth::engine;

namespace {

const ChunkPace kUnknownPace;

Schedule next(Scheduler& scheduler, const std::vector<Candidate>& candidates) {
    return scheduler.next(candidates, [](ModelId) -> const ChunkPace& { return kUnknownPace; });
}

TEST(ChunkPace, ChunksEndAtPagesOrWithThePrompt) {
    ChunkPace pace;
    EXPECT_EQ(pace.chunk(0, 1000, 0.1), 128);
    EXPECT_EQ(pace.chunk(0, 10, 0.1), 10);
    pace.measured(128, 0.128); // 1 ms a token
    for (const double target : {0.0, 0.1, 1.0, 100.0})
        for (int position = 0; position < 300; ++position) {
            const int n = pace.chunk(position, 100000, target);
            EXPECT_GT(n, 0);
            EXPECT_LE(n, kChunkRows);
            EXPECT_EQ((position + n) % kPageTokens, 0);
        }
    EXPECT_EQ(pace.chunk(0, 1000, 0.1), 64);
    EXPECT_EQ(pace.chunk(0, 1000, 0.2), 192);
    EXPECT_EQ(pace.chunk(0, 1000, 9), 512);
    EXPECT_EQ(pace.chunk(30, 1000, 0.01), 34);
}

TEST(ChunkPace, ChunksThatPauseFillTilesInEqualParts) {
    ChunkPace pace;
    const auto chunk = [&](int position, int pending) { return pace.chunk(position, pending, 0.1, Chunking::Pausing); };
    EXPECT_EQ(chunk(0, 1000), 256);
    EXPECT_EQ(chunk(0, 10), 10);
    pace.measured(256, 2.56); // 10 ms a token: two seconds would be fewer rows than a tile
    EXPECT_EQ(chunk(0, 512), 256);
    EXPECT_EQ(chunk(0, 300), 192) << "150, and on to the page";
    pace = {};
    pace.measured(400, 2.0); // 5 ms: 400 rows
    EXPECT_EQ(chunk(0, 512), 256) << "not 400 and a rest of 112";
    EXPECT_EQ(chunk(30, 5000), 418) << "13 parts of 385, and on to the page";
    pace = {};
    pace.measured(512, 0.1);
    EXPECT_EQ(chunk(0, 5000), 512) << "ten parts of 500";
}

TEST(ChunkPace, LearnsAndIgnoresWhatIsTooShort) {
    ChunkPace pace;
    pace.measured(1, 5.0);
    EXPECT_EQ(pace.secondsPerToken(), 0);
    pace.measured(64, 0.064);
    pace.measured(64, 0.064 * 3);
    EXPECT_NEAR(pace.secondsPerToken(), 0.002, 1e-9);
}

TEST(Scheduler, NothingToDo) {
    Scheduler s;
    EXPECT_TRUE(next(s, {}).empty());
}

TEST(Scheduler, GeneratedTokensRunTogetherAndPromptsInTurn) {
    Scheduler s;
    const Schedule now = next(s, {{.id = 1, .model = 1, .decoding = true, .position = 9, .pending = 1},
                                  {.id = 2, .model = 1, .pending = 500},
                                  {.id = 3, .model = 1, .decoding = true, .position = 5, .pending = 1},
                                  {.id = 4, .model = 1, .pending = 5}});
    EXPECT_EQ(now.decode, (std::vector<SequenceId>{1, 3}));
    EXPECT_EQ(now.prefill, 2u);
    EXPECT_EQ(now.prefillTokens, 128);
}

TEST(Scheduler, AChatGoesBeforeABackgroundJob) {
    Scheduler s;
    const Candidate job{.id = 1, .model = 1, .priority = Priority::Background, .pending = 500};
    const Candidate chat{.id = 2, .model = 1, .decoding = true, .position = 5, .pending = 1};
    Schedule now = next(s, {job, chat});
    EXPECT_EQ(now.decode, (std::vector<SequenceId>{2}));
    EXPECT_EQ(now.prefill, 0u);
    now = next(s, {job});
    EXPECT_EQ(now.prefill, 1u);
}

TEST(Scheduler, ModelsTakeTurns) {
    Scheduler s;
    const std::vector<Candidate> both = {{.id = 1, .model = 3, .pending = 5}, {.id = 2, .model = 7, .pending = 5}};
    std::vector<ModelId> order;
    for (int i = 0; i < 4; ++i)
        order.push_back(next(s, both).model);
    EXPECT_EQ(order, (std::vector<ModelId>{3, 7, 3, 7}));
}

TEST(Scheduler, MoreSequencesThanRowsAllGetTheirTurn) {
    Scheduler s;
    std::vector<Candidate> many;
    for (SequenceId id = 1; id <= 40; ++id)
        many.push_back({.id = id, .model = 1, .decoding = true, .position = 3, .pending = 1});
    std::set<SequenceId> served;
    for (int i = 0; i < 5; ++i) {
        const Schedule now = next(s, many);
        EXPECT_EQ(now.decode.size(), static_cast<size_t>(kDecodeRows));
        served.insert(now.decode.begin(), now.decode.end());
    }
    EXPECT_EQ(served.size(), 40u);
}

PlacementInput input() {
    return {.tensors = {{.name = "a", .bytes = 1'000'000'000, .bytesPerToken = 1'000'000'000},
                        {.name = "embedding", .bytes = 500'000'000, .bytesPerToken = 1000}},
            .contextTokens = 10000,
            .kvBytesPerToken = 100'000,
            .scratchBytes = 10'000'000,
            .devices = {{.freeBytes = 4'000'000'000, .readBandwidth = 15e9}}};
}

TEST(Placement, AddsUpAndPredicts) {
    const Placement p = planPlacement(input());
    EXPECT_EQ(p.weightBytes, 1'500'000'000u);
    EXPECT_EQ(p.kvBytes, 1'000'000'000u);
    EXPECT_TRUE(p.fits);
    EXPECT_EQ(p.largestContext, 10000);
    EXPECT_NEAR(p.predictedTokensPerSecond, 15e9 / (1'000'001'000 + 500'000'000), 0.01);
}

TEST(Placement, SaysWhatWouldFit) {
    PlacementInput in = input();
    in.devices[0].freeBytes = 2'000'000'000;
    Placement p = planPlacement(in);
    EXPECT_FALSE(p.fits);
    EXPECT_GT(p.largestContext, 4000);
    EXPECT_LT(p.largestContext, 5000);
    const std::string sentence = doesNotFit(p, "Model X", in.contextTokens);
    for (const char* part : {"Model X", "2.5 GB", "1.5 GB", "10000", "1.9 GB", "would fit"})
        EXPECT_NE(sentence.find(part), std::string::npos) << sentence;
    in.contextTokens = p.largestContext;
    EXPECT_TRUE(planPlacement(in).fits);
    in.contextTokens = p.largestContext + 1;
    EXPECT_FALSE(planPlacement(in).fits);
    in.devices[0].freeBytes = 1'000'000;
    p = planPlacement(in);
    EXPECT_EQ(p.largestContext, 0);
    EXPECT_NE(doesNotFit(p, "X", 1).find("smaller model"), std::string::npos);
}

TEST(Placement, HugeNumbersDoNotWrap) {
    PlacementInput in = input();
    for (int i = 0; i < 5; ++i)
        in.tensors.push_back({.name = "huge", .bytes = UINT64_MAX / 2, .bytesPerToken = UINT64_MAX / 2});
    in.kvBytesPerToken = UINT64_MAX / 3;
    EXPECT_FALSE(planPlacement(in).fits);
}

TEST(Placement, FilesInMemoryAreNoUseOfALimit) {
    EXPECT_EQ(freeOfLimit(8000, 7000, "anon 500\ninactive_file 4000\nactive_file 2000\n"), 7000u);
    EXPECT_EQ(freeOfLimit(8000, 7000, ""), 1000u);
    EXPECT_EQ(freeOfLimit(8000, 7000, "active_file 99999999999999999999 inactive_file x"), 1000u);
    EXPECT_EQ(freeOfLimit(8000, 9000, "active_file 100"), 0u);
}

TEST(Placement, WhatLoadedModelsWillTakeIsNotFree) {
    // Files of 100 that the system calls free, 50 of their own of which 10 are touched.
    const ResidentMemory one{.fileBytes = 100, .ownBytes = 50}, none;
    EXPECT_EQ(freeBeside(none, none, 1000, 777), 1000u);
    EXPECT_EQ(freeBeside(one, none, 1000, 10), 1000u - 100 - 40);
    EXPECT_EQ(freeBeside(one, none, 1000, 999), 1000u - 100); // all of it is touched
    EXPECT_EQ(freeBeside(none, one, 1000, 10), 1000u + 10);
    EXPECT_EQ(freeBeside(one, one, 1000, 50), 1000u - 100 - 25 + 25);
    EXPECT_EQ(freeBeside(one, none, 90, 10), 0u);
    const ResidentMemory huge{.fileBytes = UINT64_MAX, .ownBytes = UINT64_MAX};
    EXPECT_EQ(freeBeside(huge, huge, UINT64_MAX, UINT64_MAX), 0u);
}

TEST(Placement, FreeMemoryIsKnown) {
    EXPECT_GT(freeSystemMemory(), uint64_t{1} << 20);
    EXPECT_LT(freeSystemMemory(), uint64_t{1} << 50);
}

} // namespace
