// The starter model: what a stranger meets first. Needs the file in the models' folder; its absence skips.

#include "engine/error.h"
#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <unistd.h>

using namespace hearth::engine;
using namespace hearth::test;
using nlohmann::json;

namespace {

constexpr const char* kFile = "SmolLM2-135M-Instruct.Q4_1.gguf";

std::string starterPath() {
    const char* models = std::getenv("HEARTH_MODELS");
    const char* home = std::getenv("HOME");
    const std::string folder = models ? models : std::string(home ? home : "") + "/.local/share/hearth/models";
    const std::string path = folder + "/" + kFile;
    return std::filesystem::exists(path) ? path : std::string();
}

// What the reference data expects of fast numerics.
constexpr double kFastLogits = 0.5;

class Starter : public testing::Test {
protected:
    void SetUp() override {
        if (starterPath().empty())
            GTEST_SKIP() << kFile << " is not in the models' folder; installer/run brings it";
        data = findData("starter");
    }

    /// The cases, or none where the reference data is absent.
    json cases() const { return data.empty() ? json::array() : readJson(data + "/cases.json")["cases"]; }

    std::string data;
};

TEST_F(Starter, ExactNumericsGiveTheReference) {
    if (data.empty())
        GTEST_SKIP() << "the shared reference data is absent";
    const auto engine = engineWith("");
    const ModelId model = engine->load({.path = starterPath(), .numerics = Numerics::Exact});
    const std::vector<float> want = readNpy(data + "/logits.npy"); // (cases, nVocab)
    const auto nVocab = static_cast<size_t>(engine->info(model).nVocab);
    size_t number = 0;
    for (const json& c : cases()) {
        SCOPED_TRACE(number);
        const auto ids = c["ids"].get<std::vector<TokenId>>();
        const std::vector<float> logits = engine->eval(model, ids, {});
        for (size_t i = 0; i < ids.size(); ++i)
            EXPECT_EQ(argmax(&logits[i * nVocab], nVocab), c["argmax"][i].get<int>()) << "position " << i;
        EXPECT_LE(distance(&logits[(ids.size() - 1) * nVocab], &want[number * nVocab], nVocab).max, 2e-3);
        const auto reference = c["greedy"].get<std::vector<TokenId>>();
        EXPECT_EQ(greedy(*engine, model, ids, static_cast<int>(reference.size())), reference);
        ++number;
    }
    EXPECT_EQ(number, 4u);
}

TEST_F(Starter, FastNumericsStayNear) {
    if (data.empty())
        GTEST_SKIP() << "the shared reference data is absent";
    const std::vector<float> want = readNpy(data + "/logits.npy");
    for (const std::string& isa : isas()) {
        SCOPED_TRACE(isa);
        const auto engine = engineWith(isa);
        const ModelId model = engine->load({.path = starterPath()});
        const auto nVocab = static_cast<size_t>(engine->info(model).nVocab);
        size_t number = 0, equal = 0, positions = 0;
        for (const json& c : cases()) {
            const auto ids = c["ids"].get<std::vector<TokenId>>();
            const std::vector<float> logits = engine->eval(model, ids, {});
            for (size_t i = 0; i < ids.size(); ++i)
                equal += argmax(&logits[i * nVocab], nVocab) == c["argmax"][i].get<int>();
            positions += ids.size();
            const float* last = &logits[(ids.size() - 1) * nVocab];
            EXPECT_LE(distance(last, &want[number * nVocab], nVocab).max, kFastLogits) << "case " << number;
            // Ids are equal up to the first step that is nearly a tie.
            const auto reference = c["greedy"].get<std::vector<TokenId>>();
            const auto gaps = c["greedy_gaps"].get<std::vector<double>>();
            const std::vector<TokenId> got = greedy(*engine, model, ids, static_cast<int>(reference.size()));
            for (size_t i = 0; i < reference.size() && gaps[i] >= 0.5; ++i)
                EXPECT_EQ(got.at(i), reference[i]) << "case " << number << ", step " << i;
            ++number;
        }
        EXPECT_GE(static_cast<double>(equal), 0.95 * static_cast<double>(positions)) << equal << " of " << positions;
    }
}

TEST_F(Starter, AnswersAQuestion) {
    const auto engine = engineWith("");
    const ModelId model = engine->load({.path = starterPath(), .numerics = Numerics::Exact});
    const auto text = engine->text(model);
    TemplateInput input;
    input.messages = {{.role = "user", .content = "What is the capital of France?", .thoughts = {}}};
    GenerationRequest request;
    const TaggedText prompt = text->chatTemplate->render(input);
    request.prompt = text->tokenizer->encode(prompt);
    request.promptText = prompt.text;
    request.sampling.temperature = 0;
    request.maxTokens = 40;
    std::string answer;
    GenerationSummary summary;
    request.onToken = [&](const TokenOut& token) { answer += token.text; };
    request.onFinish = [&](const GenerationSummary& s) { summary = s; };
    engine->start(model, std::move(request));
    while (engine->step()) {
    }
    EXPECT_NE(answer.find("Paris"), std::string::npos) << answer;
    EXPECT_EQ(summary.stop, StopReason::EndOfTurn) << summary.error;
}

/// After Enter at most the new message and 64 tokens are prefilled.
TEST_F(Starter, TenTurnsOfChat) {
    const auto engine = engineWith("");
    const ModelId model = engine->load({.path = starterPath()});
    const auto text = engine->text(model);
    TemplateInput input;
    for (int turn = 1; turn <= 10; ++turn) {
        const std::string message = "Tell me one thing about the number " + std::to_string(turn) + ".";
        input.messages.push_back({.role = "user", .content = message, .thoughts = {}});
        GenerationRequest request;
        request.prompt = text->tokenizer->encode(text->chatTemplate->render(input));
        request.sampling.temperature = 0;
        request.maxTokens = 48;
        std::string answer;
        GenerationSummary summary;
        request.onToken = [&](const TokenOut& token) { answer += token.text; };
        request.onFinish = [&](const GenerationSummary& s) { summary = s; };
        engine->start(model, std::move(request));
        while (engine->step()) {
        }
        const auto messageTokens = static_cast<int>(text->tokenizer->encode(std::string_view(message)).size());
        if (turn > 1) {
            EXPECT_LE(summary.prefilledTokens, messageTokens + 64) << "turn " << turn;
        }
        input.messages.push_back({.role = "assistant", .content = answer, .thoughts = {}});
    }
}

TEST_F(Starter, StopIsSeenWithin100Milliseconds) {
    const auto engine = engineWith("");
    const ModelId model = engine->load({.path = starterPath()});
    const std::vector<TokenId> tokens(4096, 198);
    for (const int after : {30, 150, 300}) {
        GenerationRequest request;
        request.prompt = tokens;
        request.prompt[static_cast<size_t>(after)] = 200; // no shared prefix beyond that
        request.cancel = std::make_shared<std::atomic<bool>>(false);
        StopReason stop = StopReason::Error;
        request.onFinish = [&](const GenerationSummary& summary) { stop = summary.stop; };
        const auto cancel = request.cancel;
        std::chrono::steady_clock::time_point pressed;
        std::thread presser([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(after));
            pressed = std::chrono::steady_clock::now();
            cancel->store(true);
        });
        engine->start(model, std::move(request));
        while (engine->step()) {
        }
        const auto ended = std::chrono::steady_clock::now();
        presser.join();
        EXPECT_EQ(stop, StopReason::Cancelled);
#ifndef __SANITIZE_ADDRESS__
        EXPECT_LT(std::chrono::duration<double>(ended - pressed).count(), 0.1) << "pressed after " << after << " ms";
#else
        static_cast<void>(ended);
#endif
    }
}

#ifndef __SANITIZE_ADDRESS__
TEST_F(Starter, MemoryStaysNearTheModelsSize) {
    const auto resident = [] {
        std::ifstream in("/proc/self/statm");
        uint64_t total = 0, pages = 0;
        in >> total >> pages;
        return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    };
    const auto engine = engineWith("");
    const ModelId model = engine->load({.path = starterPath()});
    greedy(*engine, model, std::vector<TokenId>(980, 198), 20);
    EXPECT_LE(resident(), engine->info(model).fileBytes + 150'000'000) << "at 1,000 tokens of context";
}
#endif

} // namespace
