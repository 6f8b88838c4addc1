// The public surface over tiny models: what a reply is, what the cache saves, how it ends.

#include "engine/engine.h"
#include "engine/error.h"
#include "engine/model.h"
#include "engine/models/family.h"
#include "tests/engine/core/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <sys/resource.h>
#include <unistd.h>

using namespace hearth::engine;
using hearth::test::TemporaryFolder;
using hearth::test::tinyLlama;
using hearth::test::TinyShape;

namespace {

std::vector<TokenId> prompt(int n, int salt = 0) {
    std::vector<TokenId> tokens = {1};
    for (int i = 1; i < n; ++i)
        tokens.push_back(3 + (i * 37 + salt * 101 + i * i) % 256);
    return tokens;
}

/// What became of one request.
struct Result {
    std::vector<TokenId> tokens;
    std::string text;
    GenerationSummary summary;
    bool finished = false;
};

GenerationRequest request(std::vector<TokenId> tokens, int maxTokens, Result& result) {
    GenerationRequest r;
    r.prompt = std::move(tokens);
    r.sampling = {.temperature = 1, .topK = 0, .topP = 1, .minP = 0, .seed = 5};
    r.maxTokens = maxTokens;
    r.stopAtEnd = false;
    r.onToken = [&result](const TokenOut& token) {
        if (token.id >= 0)
            result.tokens.push_back(token.id);
        result.text += token.text;
    };
    r.onFinish = [&result](const GenerationSummary& summary) {
        result.summary = summary;
        EXPECT_FALSE(result.finished);
        result.finished = true;
    };
    return r;
}

class EngineTest : public testing::Test {
protected:
    /// Unless `options` say otherwise, which guesses are tried is the same everywhere.
    ModelId load(const TinyShape& shape = {}, LoadOptions options = {.timeSteps = false}) {
        options.path = folder.write("tiny.gguf", tinyLlama(shape).bytes());
        return engine.load(options);
    }

    /// One of several at a time: a file of its own.
    ModelId loadBeside(const TinyShape& shape = {}, bool timeSteps = false) {
        const std::string name = "beside" + std::to_string(++besides) + ".gguf";
        return engine.load({.path = folder.write(name, tinyLlama(shape).bytes()), .timeSteps = timeSteps});
    }

    void runAll() {
        for (int i = 0; engine.step(); ++i)
            ASSERT_LT(i, 100000) << "the engine does not come to an end";
    }

    Result run(ModelId model, std::vector<TokenId> tokens, int maxTokens) {
        Result result;
        engine.start(model, request(std::move(tokens), maxTokens, result));
        runAll();
        EXPECT_TRUE(result.finished);
        return result;
    }

    TemporaryFolder folder;
    Engine engine{{.threads = 2}};
    int besides = 0;
};

const TinyShape kRecurrent{.layers = 3, .convLayers = 2, .seed = 9}; // a reply runs in circles soon

/// What must hold whatever the cache is made of.
class AnyCache : public EngineTest, public testing::WithParamInterface<KvType> {
protected:
    ModelId loadCached(const TinyShape& shape = {}) { return load(shape, {.kv = GetParam(), .timeSteps = false}); }
};

INSTANTIATE_TEST_SUITE_P(Caches, AnyCache, testing::Values(KvType::F16, KvType::Q8_0, KvType::Q4_0));

TEST_F(EngineTest, KnowsItsModel) {
    const ModelId model = load();
    const ModelInfo& info = engine.info(model);
    EXPECT_EQ(info.name, "Tiny");
    EXPECT_EQ(info.family, "llama");
    EXPECT_EQ(info.quant, "F32");
    EXPECT_EQ(info.nVocab, 263);
    EXPECT_EQ(info.contextTokens, 2048);
    EXPECT_EQ(info.kvBytesPerToken, 2u * 2 * 16 * 2);
    EXPECT_EQ(engine.text(model)->contextTokens, 2048);
    EXPECT_THROW(engine.info(model + 1), Error);
}

TEST_F(EngineTest, GeneratesAsManyAsAsked) {
    const ModelId model = load();
    const Result result = run(model, prompt(20), 30);
    EXPECT_EQ(result.tokens.size(), 30u);
    EXPECT_EQ(result.summary.stop, StopReason::MaxTokens);
    EXPECT_EQ(result.summary.promptTokens, 20);
    EXPECT_EQ(result.summary.prefilledTokens, 20);
    EXPECT_EQ(result.summary.generatedTokens, 30);
    EXPECT_EQ(run(model, prompt(20), 30).tokens, result.tokens);
    EXPECT_EQ(run(model, prompt(20), 0).tokens.size(), 0u);
}

/// A prompt that says the same again and again, so that a reply does, too.
std::vector<TokenId> repeating(int n) {
    std::vector<TokenId> tokens = {1};
    for (int i = 1; i < n; ++i)
        tokens.push_back(3 + i % 11);
    return tokens;
}

TEST_P(AnyCache, GuessesChangeNothing) {
    for (const TinyShape& shape : {TinyShape{}, TinyShape{.window = 70}, kRecurrent}) {
        const ModelId model = loadCached(shape);
        for (const float temperature : {0.0f, 0.05f, 1.0f}) {
            std::vector<Result> results(2);
            for (const bool ahead : {false, true}) {
                GenerationRequest r = request(repeating(150), 400, results[ahead]);
                r.sampling.temperature = temperature;
                r.guessAhead = ahead;
                engine.start(model, std::move(r));
                runAll();
            }
            EXPECT_EQ(results[0].tokens, results[1].tokens) << temperature;
            EXPECT_EQ(results[0].text, results[1].text);
            EXPECT_EQ(results[1].summary.generatedTokens, 400);
            EXPECT_EQ(results[0].summary.guessedTokens, 0);
            EXPECT_LE(results[1].summary.rightGuesses, results[1].summary.guessedTokens);
            if (temperature == 0) {
                EXPECT_GT(results[1].summary.rightGuesses, 100) << "a greedy reply of a tiny model runs in circles";
            }
        }
        engine.unload(model);
    }
}

/// A conversation is gone on with in another session: nothing of it is read again.
TEST_P(AnyCache, AStoredPrefixSavesTheReading) {
    const std::string path = folder.write("tiny.gguf", tinyLlama({.window = 70}).bytes());
    const std::string kept = folder.path("chat.kv");
    std::vector<TokenId> tokens = prompt(500);
    std::vector<Result> results(3); // the first turn; the second with the file and without
    for (int session = 0; session < 3; ++session) {
        Engine engine{{.threads = 2}};
        const ModelId model = engine.load({.path = path, .kv = GetParam()});
        GenerationRequest r = request(tokens, 50, results[static_cast<size_t>(session)]);
        r.prefixFile = session < 2 ? kept : "";
        engine.start(model, std::move(r));
        while (engine.step()) {
        }
        int written = 0;
        while (engine.tidy())
            ++written;
        EXPECT_EQ(engine.tidy(), false);
        if (session == 0) {
            EXPECT_GE(written, 8); // full pages, and the started one
            tokens.insert(tokens.end(), results[0].tokens.begin(), results[0].tokens.end());
            tokens.insert(tokens.end(), {5, 6, 7});
        }
    }
    EXPECT_LE(results[1].summary.prefilledTokens, 5);
    EXPECT_EQ(results[2].summary.prefilledTokens, 553);
    EXPECT_EQ(results[1].tokens, results[2].tokens);
    // A cache of another type does not take the pages for its own.
    Engine other{{.threads = 2}};
    Result fresh;
    GenerationRequest r = request(tokens, 5, fresh);
    r.prefixFile = kept;
    other.start(other.load({.path = path, .kv = KvType::BF16}), std::move(r));
    while (other.step()) {
    }
    EXPECT_EQ(fresh.summary.prefilledTokens, 553);
}

TEST_F(EngineTest, CachesTakeWhatTheyShould) {
    const std::string path = folder.write("tiny.gguf", tinyLlama({.dModel = 512, .nHeads = 4}).bytes());
    const std::pair<KvType, uint64_t> kBytes[] = {// of 128 numbers
                                                  {KvType::F32, 512},
                                                  {KvType::F16, 256},
                                                  {KvType::BF16, 256},
                                                  {KvType::Q8_0, 136},
                                                  {KvType::Q4_0, 72}};
    for (const auto& [type, bytes] : kBytes) {
        const uint64_t perToken = 2 * 2 * 2 * bytes; // layers, heads, k and v
        EXPECT_EQ(inspectFile({.path = path, .kv = type}).info.kvBytesPerToken, perToken);
        EXPECT_EQ(engine.info(engine.load({.path = path, .kv = type})).kvBytesPerToken, perToken);
    }
    const Inspection exact = inspectFile({.path = path, .numerics = Numerics::Exact, .kv = KvType::Q8_0});
    EXPECT_EQ(exact.info.kvBytesPerToken, 8u * 512);
}

TEST_F(EngineTest, AnotherModelMayGuess) {
    const ModelId model = load(), same = loadBeside();
    const ModelId other = loadBeside({.seed = 7}); // thinks otherwise
    int right = 0, wrong = 0;
    for (const float temperature : {0.0f, 1.0f}) {
        std::map<ModelId, Result> results;
        for (const ModelId draft : {ModelId{0}, same, other}) {
            GenerationRequest r = request(prompt(500), 200, results[draft]);
            r.sampling.temperature = temperature;
            r.guessAhead = draft != 0;
            r.draft = draft;
            engine.start(model, std::move(r));
            runAll();
            EXPECT_EQ(results[draft].tokens, results[0].tokens);
        }
        right += results[same].summary.rightGuesses;
        wrong += results[other].summary.guessedTokens - results[other].summary.rightGuesses;
    }
    EXPECT_GT(right, 0);
    EXPECT_GT(wrong, 0);
}

/// Whether a guess is tried by what steps took is the machine's affair; the reply is not.
TEST_F(EngineTest, GuessesByTheTimeOfStepsChangeNothing) {
    const ModelId model = load({}, {.timeSteps = true}), draft = loadBeside({.seed = 7}, true);
    for (const float temperature : {0.0f, 1.0f}) {
        std::vector<Result> results(2);
        for (const bool ahead : {false, true}) {
            GenerationRequest r = request(prompt(100), 600, results[ahead]);
            r.sampling.temperature = temperature;
            r.guessAhead = ahead;
            r.draft = ahead ? draft : ModelId{0};
            engine.start(model, std::move(r));
            runAll();
        }
        EXPECT_EQ(results[0].tokens, results[1].tokens) << temperature;
        EXPECT_EQ(results[1].summary.generatedTokens, 600);
    }
}

TEST_F(EngineTest, WhoGuessesMustKnowTheSameWords) {
    const ModelId model = load();
    Result result;
    GenerationRequest r = request(prompt(5), 5, result);
    r.draft = loadBeside({.lastWord = "c"});
    EXPECT_THROW(engine.start(model, std::move(r)), Error);
    GenerationRequest gone = request(prompt(5), 5, result);
    gone.draft = 77;
    EXPECT_THROW(engine.start(model, std::move(gone)), Error);
}

TEST_F(EngineTest, TheGuessingModelMayLeave) {
    const ModelId model = load(), draft = loadBeside();
    Result result;
    GenerationRequest r = request(prompt(100), 100, result);
    r.draft = draft;
    int tokens = 0;
    r.onToken = [&](const TokenOut&) {
        if (++tokens == 20)
            engine.unload(draft);
    };
    engine.start(model, std::move(r));
    runAll();
    EXPECT_EQ(tokens, 100);
    EXPECT_EQ(result.summary.stop, StopReason::MaxTokens);
}

TEST_F(EngineTest, GuessesEndWithTheReply) {
    const ModelId model = load({}, {.contextTokens = 512});
    for (const int most : {1, 2, 5, 17}) {
        Result result;
        GenerationRequest r = request(repeating(200), most, result);
        r.sampling.temperature = 0;
        engine.start(model, std::move(r));
        runAll();
        EXPECT_EQ(result.tokens.size(), static_cast<size_t>(most));
        EXPECT_EQ(result.summary.stop, StopReason::MaxTokens);
    }
    Result full;
    GenerationRequest r = request(repeating(200), -1, full);
    r.sampling.temperature = 0;
    engine.start(model, std::move(r));
    runAll();
    EXPECT_EQ(full.summary.stop, StopReason::ContextFull);
    EXPECT_EQ(full.tokens.size(), 313u); // the last one needs no place
}

/// What a reply left in the cache is what it says, not what was guessed.
TEST_F(EngineTest, WrongGuessesLeaveNothingInTheCache) {
    for (const TinyShape& shape : {TinyShape{}, kRecurrent}) {
        const ModelId model = load(shape), wrongly = loadBeside({.seed = 7});
        int wrong = 0;
        for (int length = 180; length < 200; ++length) { // ends of all kinds: inside a guess, behind it, at a wrong one
            std::vector<TokenId> tokens = repeating(150);
            Result first;
            GenerationRequest r = request(tokens, length, first);
            r.sampling.temperature = 0.1f;
            r.draft = wrongly;
            engine.start(model, std::move(r));
            runAll();
            wrong += first.summary.guessedTokens - first.summary.rightGuesses;
            tokens.insert(tokens.end(), first.tokens.begin(), first.tokens.end());
            const Result reused = run(model, tokens, 20);
            EXPECT_LE(reused.summary.prefilledTokens, 64);
            Engine other{{.threads = 1}};
            Result fresh;
            other.start(other.load({.path = folder.write("fresh.gguf", tinyLlama(shape).bytes())}),
                        request(tokens, 20, fresh));
            while (other.step()) {
            }
            EXPECT_EQ(reused.tokens, fresh.tokens) << shape.convLayers << " " << length;
        }
        EXPECT_GT(wrong, 0);
    }
}

/// Replies that come and go while one guesses: its states may have to read tokens again when it is no longer alone.
TEST_F(EngineTest, AGuessingReplyIsJoined) {
    const ModelId model = load(kRecurrent), wrongly = loadBeside({.seed = 7}); // asked now and then, whatever it costs
    const auto start = [&](int i, bool ahead, Result& result) {
        GenerationRequest r = request(repeating(100 + 17 * i), 150, result);
        r.sampling.temperature = 0.1f;
        r.guessAhead = ahead;
        r.draft = ahead ? wrongly : ModelId{0};
        engine.start(model, std::move(r));
    };
    int wrong = 0;
    for (int delay = 1; delay < 40; delay += 3) {
        Result alone[3], together[3];
        for (int i = 0; i < 3; ++i) {
            start(i, false, alone[i]);
            runAll();
        }
        for (int i = 0; i < 3; ++i) {
            start(i, true, together[i]);
            for (int step = 0; step < delay; ++step)
                engine.step();
        }
        runAll();
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(together[i].tokens, alone[i].tokens) << delay << " " << i;
            wrong += together[i].summary.guessedTokens - together[i].summary.rightGuesses;
        }
    }
    EXPECT_GT(wrong, 0);
}

/// States that are to read some tokens again let others wait for one step, not for as long as guesses are wrong.
TEST_F(EngineTest, NobodyWaitsForGuesses) {
    const ModelId model = load(kRecurrent), wrongly = loadBeside({.seed = 7});
    int waited = 0;
    for (int delay = 1; delay < 80; ++delay) {
        Result guessing, other;
        GenerationRequest r = request(repeating(100), 400, guessing);
        r.draft = wrongly;
        engine.start(model, std::move(r));
        for (int step = 0; step < delay; ++step)
            engine.step();
        engine.start(model, request(prompt(20), 40, other));
        while (other.tokens.empty())
            ASSERT_TRUE(engine.step());
        while (!other.finished) {
            const size_t before = other.tokens.size();
            engine.step();
            waited += other.tokens.size() == before && !other.finished;
            engine.step();
            EXPECT_TRUE(other.finished || other.tokens.size() > before) << delay;
        }
        runAll();
    }
    EXPECT_GT(waited, 0) << "nothing had to be read again";
}

TEST_F(EngineTest, StopsAtTheEndOfATurn) {
    const ModelId model = load();
    Result result;
    GenerationRequest r = request(prompt(20), 5000, result);
    r.stopAtEnd = true;
    r.sampling.temperature = 100; // every token is about as likely, the end too
    engine.start(model, std::move(r));
    runAll();
    EXPECT_EQ(result.summary.stop, StopReason::EndOfTurn);
    EXPECT_EQ(std::count(result.tokens.begin(), result.tokens.end(), 2), 0);
}

TEST_P(AnyCache, EveryPieceGivesTheSameBits) {
    for (const int window : {0, 70}) {
        const ModelId model = loadCached({.window = window});
        const std::vector<TokenId> tokens = prompt(300);
        const std::vector<float> whole = engine.eval(model, tokens, {});
        ASSERT_EQ(whole.size(), 300u * 263);
        for (const float x : whole)
            ASSERT_TRUE(std::isfinite(x));
        EXPECT_EQ(engine.eval(model, tokens, {.chunk = 1}), whole);
        EXPECT_EQ(engine.eval(model, tokens, {.chunk = 7}), whole);
        EXPECT_EQ(engine.eval(model, tokens, {.chunk = 64}), whole);
        EXPECT_EQ(engine.eval(model, tokens, {.restoreAt = 150}), whole);
        EXPECT_EQ(engine.eval(model, tokens, {.chunk = 7, .restoreAt = 64}), whole);
        const std::vector<float> last = engine.eval(model, tokens, {.last = 3, .chunk = 100});
        EXPECT_EQ(last, std::vector<float>(whole.end() - 3 * 263, whole.end()));
        engine.unload(model);
    }
}

TEST_F(EngineTest, AWindowLooksBackOnlySoFar) {
    const std::vector<TokenId> tokens = prompt(60);
    const std::vector<float> full = engine.eval(load(), tokens, {});
    const std::vector<float> wide = engine.eval(load({.window = 60}), tokens, {});
    EXPECT_EQ(full, wide);
    const std::vector<float> narrow = engine.eval(load({.window = 5}), tokens, {});
    EXPECT_EQ(std::vector<float>(narrow.begin(), narrow.begin() + 5 * 263),
              std::vector<float>(full.begin(), full.begin() + 5 * 263));
    EXPECT_NE(std::vector<float>(narrow.end() - 263, narrow.end()), std::vector<float>(full.end() - 263, full.end()));
}

TEST_P(AnyCache, TogetherAsAlone) {
    const ModelId model = loadCached();
    std::map<int, std::vector<TokenId>> alone;
    for (int i = 0; i < 16; ++i)
        alone[i] = run(model, prompt(10 + 9 * i, i), 40).tokens;
    for (const int n : {2, 3, 5, 16}) {
        std::vector<Result> results(static_cast<size_t>(n));
        for (int i = 0; i < n; ++i)
            engine.start(model, request(prompt(10 + 9 * i, i), 40, results[static_cast<size_t>(i)]));
        runAll();
        for (int i = 0; i < n; ++i)
            EXPECT_EQ(results[static_cast<size_t>(i)].tokens, alone[i]) << "sequence " << i << " of " << n;
    }
}

TEST_F(EngineTest, TenTurnsPrefillOnlyWhatIsNew) {
    const ModelId model = load();
    std::vector<TokenId> history = prompt(40);
    for (int turn = 1; turn <= 10; ++turn) {
        const std::vector<TokenId> message = prompt(25, turn);
        history.insert(history.end(), message.begin(), message.end());
        const Result result = run(model, history, 50);
        if (turn > 1) {
            EXPECT_LE(result.summary.prefilledTokens, 25 + 64) << "turn " << turn;
        }
        history.insert(history.end(), result.tokens.begin(), result.tokens.end());
    }
}

TEST_F(EngineTest, AReusedPrefixGivesTheSameReply) {
    const ModelId model = load({}, {.numerics = Numerics::Exact});
    const Result first = run(model, prompt(200), 30);
    const Result again = run(model, prompt(200), 30);
    EXPECT_EQ(again.tokens, first.tokens);
    EXPECT_LE(again.summary.prefilledTokens, 64);
}

TEST_F(EngineTest, WhatCannotBeServedEndsWithASentence) {
    const ModelId model = load({.context = 100});
    const auto refusal = [&](std::vector<TokenId> tokens) {
        const Result r = run(model, std::move(tokens), 5);
        EXPECT_EQ(r.summary.stop, StopReason::Error);
        EXPECT_TRUE(r.tokens.empty());
        return r.summary.error;
    };
    const std::string sentence = refusal(prompt(101));
    EXPECT_NE(sentence.find("101"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("100"), std::string::npos) << sentence;
    EXPECT_NE(refusal({}).find("empty"), std::string::npos);
    EXPECT_NE(refusal({1, 263}).find("263"), std::string::npos);
    EXPECT_NE(refusal({1, -1}).find("-1"), std::string::npos);
    EXPECT_THROW(engine.eval(model, prompt(101), {}), Error);
    EXPECT_THROW(engine.eval(model, std::vector<TokenId>{1, 263}, {}), Error);
    EXPECT_THROW(engine.eval(model, {}, {}), Error);
}

TEST_F(EngineTest, TheContextEndsTheReply) {
    const ModelId model = load({.context = 100});
    const Result result = run(model, prompt(90), -1);
    EXPECT_EQ(result.summary.stop, StopReason::ContextFull);
    EXPECT_EQ(result.tokens.size(), 11u); // the last one is shown but has no place any more
    EXPECT_EQ(run(model, prompt(100), -1).tokens.size(), 1u);
}

TEST_F(EngineTest, CancelIsSeen) {
    const ModelId model = load();
    const auto cancel = std::make_shared<std::atomic<bool>>(true);
    Result result;
    GenerationRequest r = request(prompt(20), 1000, result);
    r.cancel = cancel;
    engine.start(model, std::move(r));
    runAll();
    EXPECT_EQ(result.summary.stop, StopReason::Cancelled);
    EXPECT_TRUE(result.tokens.empty());

    cancel->store(false);
    Result later;
    r = request(prompt(20), 1000, later);
    r.cancel = cancel;
    const auto onToken = r.onToken;
    r.onToken = [&, onToken](const TokenOut& token) {
        onToken(token);
        if (later.tokens.size() == 3)
            cancel->store(true);
    };
    Result other;
    engine.start(model, std::move(r));
    engine.start(model, request(prompt(30, 2), 20, other));
    runAll();
    EXPECT_EQ(later.summary.stop, StopReason::Cancelled);
    EXPECT_EQ(later.tokens.size(), 3u);
    EXPECT_EQ(other.tokens.size(), 20u);

    cancel->store(false);
    Result early;
    r = request(prompt(2000, 3), 10, early);
    r.cancel = cancel;
    r.onPrefill = [&](int done, int total) {
        EXPECT_EQ(total, 2000);
        if (done > 0)
            cancel->store(true);
    };
    engine.start(model, std::move(r));
    runAll();
    EXPECT_EQ(early.summary.stop, StopReason::Cancelled);
    EXPECT_LT(early.summary.prefilledTokens, 2000);
    EXPECT_EQ(run(model, prompt(20), 30).tokens.size(), 30u); // all goes on
}

TEST_F(EngineTest, BackgroundJobsWaitForChats) {
    const ModelId model = load();
    Result job, chat;
    GenerationRequest r = request(prompt(600), 10, job);
    r.priority = Priority::Background;
    engine.start(model, std::move(r));
    engine.step();
    engine.start(model, request(prompt(50, 2), 20, chat));
    while (!chat.finished) {
        EXPECT_FALSE(job.finished);
        ASSERT_TRUE(engine.step());
    }
    runAll();
    EXPECT_EQ(job.tokens.size(), 10u);
}

TEST_F(EngineTest, MoreThanTheCacheHoldsStillComesToAnEnd) {
    const ModelId model = load({.context = 128});
    std::vector<Result> results(12);
    for (size_t i = 0; i < results.size(); ++i)
        engine.start(model, request(prompt(60, static_cast<int>(i)), 60, results[i]));
    runAll();
    for (const Result& result : results) {
        EXPECT_EQ(result.tokens.size(), 60u);
        EXPECT_EQ(result.summary.stop, StopReason::MaxTokens) << result.summary.error;
    }
}

TEST_F(EngineTest, RepliesThatDoNotFitTogetherDoNotComputeAgainAndAgain) {
    const ModelId model = load({.context = 1024});
    std::vector<Result> results(4); // two fit beside each other
    for (size_t i = 0; i < results.size(); ++i)
        engine.start(model, request(prompt(900, static_cast<int>(i)), 100, results[i]));
    runAll();
    for (const Result& result : results) {
        EXPECT_EQ(result.tokens.size(), 100u) << result.summary.error;
        EXPECT_LE(result.summary.prefilledTokens, 2 * 900);
    }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/// Whatever the system refuses, at loading or in the middle of a prompt: what fits still runs, and with more memory
/// all.
TEST_F(EngineTest, WhereMemoryRunsOutASmallerContextStillFits) {
    const ModelId old = load({.dModel = 256, .nKvHeads = 4, .context = 256});
    EXPECT_EQ(run(old, prompt(100, 1), 5).tokens.size(), 5u);
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
    uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    bool refused = false, grown = false;
    for (uint64_t megabytes = 0; megabytes < 64 && !grown; ++megabytes) {
        rlimit tight = before;
        tight.rlim_cur = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) + (megabytes << 20);
        ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
        ModelId model = 0;
        try {
            model = loadBeside({.dModel = 256, .nKvHeads = 4, .context = 8192}); // 2 KiB a token
        } catch (const Error& error) {
            refused = true;
            EXPECT_NE(std::string(error.what()).find("memory"), std::string::npos) << error.what();
        }
        const Result small = model ? run(model, prompt(100, 3), 5) : Result();
        const Result large = model ? run(model, prompt(5000, 2), 5) : Result();
        const Result others = run(old, prompt(100, 1), 5);
        ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
        EXPECT_EQ(others.tokens.size(), 5u) << others.summary.error; // the model that was there answers
        if (!model)
            continue;
        for (const Result* result : {&small, &large})
            if (result->summary.stop == StopReason::Error) {
                EXPECT_NE(result->summary.error.find("memory"), std::string::npos) << result->summary.error;
            }
        grown = small.tokens.size() == 5u && large.summary.stop == StopReason::Error;
        EXPECT_EQ(run(model, prompt(5000, 2), 5).tokens.size(), 5u);
        engine.unload(model);
    }
    EXPECT_TRUE(refused);
    EXPECT_TRUE(grown); // the cache grew as it was used, until it could not
}
#endif

TEST_F(EngineTest, CallbacksMayStartAndUnload) {
    const ModelId model = load();
    Result first, second;
    GenerationRequest r = request(prompt(20), 5, first);
    const auto onFinish = r.onFinish;
    r.onFinish = [&, onFinish](const GenerationSummary& summary) {
        onFinish(summary);
        engine.start(model, request(prompt(30), 5, second));
    };
    engine.start(model, std::move(r));
    runAll();
    EXPECT_EQ(second.tokens.size(), 5u);

    Result third, fourth;
    r = request(prompt(20), 50, third);
    r.onToken = [&](const TokenOut&) { engine.unload(model); };
    engine.start(model, std::move(r));
    engine.start(model, request(prompt(25), 50, fourth));
    runAll();
    EXPECT_EQ(third.summary.stop, StopReason::Cancelled);
    EXPECT_EQ(fourth.summary.stop, StopReason::Cancelled);
    EXPECT_THROW(engine.info(model), Error);
    EXPECT_FALSE(engine.step());
}

TEST_F(EngineTest, TwoModelsAtOnce) {
    const ModelId a = load({.seed = 1});
    LoadOptions options{.path = folder.write("other.gguf", tinyLlama({.seed = 2}).bytes())};
    const ModelId b = engine.load(options);
    const Result ra = run(a, prompt(20), 20), rb = run(b, prompt(20), 20);
    EXPECT_NE(ra.tokens, rb.tokens);
    Result x, y;
    engine.start(a, request(prompt(20), 20, x));
    engine.start(b, request(prompt(20), 20, y));
    runAll();
    EXPECT_EQ(x.tokens, ra.tokens);
    EXPECT_EQ(y.tokens, rb.tokens);
}

TEST_F(EngineTest, AFileCutShortEndsTheReply) {
    const ModelId model = load({.dModel = 128, .ffnDim = 512});
    Result result;
    engine.start(model, request(prompt(20), 1000, result));
    for (int i = 0; i < 5; ++i)
        engine.step();
    ASSERT_EQ(truncate(folder.path("tiny.gguf").c_str(), 8192), 0);
    runAll();
    EXPECT_EQ(result.summary.stop, StopReason::Error);
    EXPECT_NE(result.summary.error.find("changed while it was in use"), std::string::npos);
    EXPECT_THROW(engine.eval(model, prompt(5), {}), Error);
}

TEST_F(EngineTest, RefusesWhatDoesNotFit) {
    try {
        load({.layers = 200}, {.contextTokens = 1 << 24});
        FAIL() << "a cache of hundreds of gigabytes was accepted";
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("free"), std::string::npos) << error.what();
    }
}

TEST_F(EngineTest, LoadingCanBeCancelled) {
    LoadOptions options{.path = folder.write("tiny.gguf", tinyLlama().bytes())};
    double last = -1;
    EXPECT_NE(engine.load(options,
                          [&](double done) {
                              EXPECT_GE(done, last);
                              last = done;
                              return true;
                          }),
              0u);
    EXPECT_EQ(last, 1.0);
    for (const double at : {0.0, 0.05, 0.1, 0.5, 1.0})
        EXPECT_EQ(engine.load(options, [&](double done) { return done < at; }), 0u) << at;
    EXPECT_THROW(engine.load({.path = folder.path("nothing")}), Error);
    EXPECT_THROW(Engine({.backend = "quantum"}), Error);
}

TEST_F(EngineTest, HostileSamplingStillGivesTokens) {
    const ModelId model = load();
    const float nan = std::nanf("");
    Result result;
    GenerationRequest r = request(prompt(20), 10, result);
    r.sampling = {.temperature = nan,
                  .topK = -5,
                  .topP = nan,
                  .minP = INFINITY,
                  .repetitionPenalty = 0,
                  .frequencyPenalty = -INFINITY,
                  .presencePenalty = nan,
                  .penaltyWindow = -100};
    engine.start(model, std::move(r));
    runAll();
    EXPECT_EQ(result.tokens.size(), 10u);
}

TEST_F(EngineTest, RecommendedSamplingThatMeansNothingIsIgnored) {
    auto file = tinyLlama();
    file.setF32("general.sampling.temp", NAN);
    file.setF32("general.sampling.top_k", NAN);
    file.setF32("general.sampling.penalty_last_n", INFINITY);
    file.setF32("general.sampling.top_p", 0.5f);
    const ModelId model = engine.load({.path = folder.write("odd.gguf", file.bytes())});
    const SamplerSettings got = engine.text(model)->defaultSampling, defaults;
    EXPECT_EQ(got.temperature, defaults.temperature);
    EXPECT_EQ(got.topK, defaults.topK);
    EXPECT_EQ(got.penaltyWindow, defaults.penaltyWindow);
    EXPECT_EQ(got.topP, 0.5f);
}

TEST_F(EngineTest, NumbersThatAreNoneDoNoHarm) {
    auto writer = tinyLlama();
    for (auto& tensor : writer.tensors)
        if (tensor.name == "blk.0.attn_q.weight" || tensor.name == "output_norm.weight")
            for (size_t i = 0; i + 3 < tensor.data.size(); i += 4) {
                const float nan = std::nanf("");
                std::memcpy(tensor.data.data() + i, &nan, 4);
            }
    const ModelId model = engine.load({.path = folder.write("nan.gguf", writer.bytes())});
    EXPECT_EQ(run(model, prompt(20), 10).tokens.size(), 10u);
}

TEST_F(EngineTest, InspectsWithoutLoading) {
    const std::string path = folder.write("tiny.gguf", tinyLlama().bytes());
    const Inspection fits = inspectFile({.path = path, .contextTokens = 512}, 10e9);
    EXPECT_EQ(fits.problem, "");
    EXPECT_TRUE(fits.fits);
    EXPECT_EQ(fits.info.contextTokens, 512);
    EXPECT_EQ(fits.kvBytes, 512 * fits.info.kvBytesPerToken);
    EXPECT_GT(fits.predictedTokensPerSecond, 1000);
    EXPECT_EQ(fits.tensors[0].device, "CPU");
    EXPECT_EQ(fits.bytesByType.front().first, "F32");
    auto writer = tinyLlama();
    writer.setText("general.architecture", "unheard");
    const Inspection unknown = inspectFile({.path = folder.write("other.gguf", writer.bytes())});
    EXPECT_NE(unknown.problem.find("unheard"), std::string::npos);
    EXPECT_EQ(unknown.tensors.size(), writer.tensors.size());
    EXPECT_THROW(inspectFile({.path = "/dev/zero"}), Error);
}

TEST_F(EngineTest, MeasuresItself) {
    const ModelId model = load();
    const BenchResult r = engine.bench(model, {.prompt = 100, .generate = 8, .depth = 70, .sequences = 3, .repeat = 1});
    EXPECT_GT(r.prefillTokensPerSecond, 0);
    EXPECT_GT(r.decodeTokensPerSecond, 0);
    EXPECT_TRUE(std::isfinite(r.decodeGBPerSecond));
    EXPECT_GT(r.peakBytes, 1u << 20);
    EXPECT_EQ(r.logitsHash.size(), 16u);
    EXPECT_THROW(engine.bench(model, {.prompt = 100000}), Error);
    EXPECT_GT(engine.readBandwidth(), 1e6);
}

/// How often each thread of this process has gone to sleep or was sent there.
std::map<std::string, long> pauses() {
    std::map<std::string, long> of;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream status(task.path() / "status");
        for (std::string line; std::getline(status, line);)
            if (line.find("ctxt_switches:") != std::string::npos)
                of[task.path().filename()] += std::atol(line.c_str() + line.find(':') + 1);
    }
    of.erase(std::to_string(gettid()));
    return of;
}

TEST(Threads, AreAModelsOwn) {
    TemporaryFolder folder;
    const TinyShape shape{.layers = 6, .dModel = 256, .nHeads = 4, .nKvHeads = 4, .ffnDim = 512};
    const std::string path = folder.write("tiny.gguf", tinyLlama(shape).bytes());
    Engine engine({.threads = 2, .mostThreads = 4});
    const ModelId one = engine.load({.path = path}), other = engine.load({.path = path});
    const auto eval = [&](ModelId model) { return engine.eval(model, prompt(200), {.last = 3}); };
    const std::vector<float> expected = eval(one);
    /// Threads besides this one that take part: who sleeps all the time does not. On a busy machine one may come late.
    const auto helpers = [&](ModelId model, size_t wanted) {
        EXPECT_EQ(eval(model), expected); // who is no longer wanted goes to sleep
        const auto before = pauses();
        size_t seen = 0;
        for (int i = 0; i < 100 && (i < 3 || seen < wanted); ++i) {
            EXPECT_EQ(eval(model), expected);
            const auto now = pauses();
            seen = static_cast<size_t>(
                std::count_if(now.begin(), now.end(), [&](const auto& t) { return t.second > before.at(t.first); }));
        }
        return seen;
    };
    for (const auto& [threads, wanted] : {std::pair{1, 0u}, {3, 2u}, {4, 3u}, {100, 3u}, {0, 1u}}) {
        engine.setThreads(one, threads);
        EXPECT_EQ(helpers(one, wanted), wanted) << threads;
        EXPECT_EQ(helpers(other, 1), 1u) << "another model's do not change";
    }
    engine.setThreads(one, 1);
    Result result;
    engine.start(one, request(prompt(100), 20, result));
    while (engine.step()) {
    }
    EXPECT_EQ(result.tokens.size(), 20u);
}

TEST(Dequantize, ThereAndBack) {
    std::vector<float> x(64);
    for (size_t i = 0; i < x.size(); ++i)
        x[i] = static_cast<float>(i) - 31.5f;
    const std::vector<std::byte> blocks = quantize("Q8_0", x);
    ASSERT_EQ(blocks.size(), 68u);
    const std::vector<float> back = dequantize("Q8_0", blocks);
    for (size_t i = 0; i < x.size(); ++i)
        EXPECT_NEAR(back[i], x[i], 0.2f);
    EXPECT_THROW(dequantize("Q8_0", std::span(blocks).first(67)), Error);
    EXPECT_THROW(dequantize("nonsense", blocks), Error);
    EXPECT_THROW(quantize("Q8_0", std::span(x).first(63)), Error);
    EXPECT_TRUE(dequantize("Q8_0", {}).empty());
}

TEST(RopeScaling, Llama3FactorsAreTheConverters) {
    // transformers and llama.cpp's converter for dims 16, theta 10000, factor 4, low 1, high 4, original 64.
    const std::vector<float> f = llama3RopeFactors(16, 10000, 4, 1, 4, 64);
    ASSERT_EQ(f.size(), 8u);
    EXPECT_FLOAT_EQ(f[0], 1.0f);
    EXPECT_FLOAT_EQ(f[7], 4.0f);
    for (size_t i = 1; i < f.size(); ++i)
        EXPECT_GE(f[i], f[i - 1]);
}

} // namespace
