// Structured output with the starter model and its vocabulary. Needs the file in the models' folder; its absence skips.

#include "engine/checkpoint.h"
#include "engine/engine.h"
#include "tests/engine/grammar/schema_validator.h"
#include "tests/engine/grammar/vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <random>

namespace hearth::engine {
namespace {

using test::SchemaJson;

std::filesystem::path starterModel() {
    const char* folder = std::getenv("HEARTH_MODELS");
    const char* home = std::getenv("HOME");
    const std::filesystem::path models = folder
                                             ? std::filesystem::path(folder)
                                             : std::filesystem::path(home ? home : "/") / ".local/share/hearth/models";
    return models / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

constexpr const char* kPerson = R"({"type": "object", "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 40},
    "age": {"type": "integer", "minimum": 0, "maximum": 120},
    "height": {"type": "number", "minimum": 0.5, "maximum": 2.5},
    "born": {"type": "string", "format": "date"},
    "likes": {"type": "array", "items": {"enum": ["music", "sports", "food"]}, "minItems": 1, "maxItems": 3},
    "address": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30},
        "zip": {"type": "string", "pattern": "^[0-9]{5}$"}}, "required": ["city"], "additionalProperties": false}},
    "required": ["name", "age", "likes"], "additionalProperties": false})";

class StarterGrammar : public testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(starterModel()))
            GTEST_SKIP() << "no starter model at " << starterModel();
    }

    struct Answer {
        std::string text;
        GenerationSummary summary;
        double secondsPerToken = 0; // of processor time, prompt left out
    };

    Answer ask(Engine& engine, ModelId model, const std::string& question, std::shared_ptr<const Grammar> grammar,
               const SamplerSettings& sampling, int maxTokens) {
        const auto text = engine.text(model);
        TemplateInput input;
        input.messages = {{.role = "user", .content = question}};
        const TaggedText prompt = text->chatTemplate->render(input);
        Answer answer;
        std::clock_t begin = 0;
        GenerationRequest request;
        request.prompt = text->tokenizer->encode(prompt);
        request.promptText = prompt.text;
        request.sampling = sampling;
        request.maxTokens = maxTokens;
        request.grammar = std::move(grammar);
        request.onToken = [&](const TokenOut& t) {
            if (answer.text.empty())
                begin = std::clock();
            answer.text += t.text;
        };
        request.onFinish = [&](const GenerationSummary& s) { answer.summary = s; };
        engine.start(model, std::move(request));
        while (engine.step()) {
        }
        answer.secondsPerToken = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC /
                                 std::max(1, answer.summary.generatedTokens - 1);
        return answer;
    }
};

TEST_F(StarterGrammar, WritesADocument) {
    Engine engine{{.threads = 1}};
    const ModelId model = engine.load({.path = starterModel().string(), .contextTokens = 1024});
    const SchemaJson schema = SchemaJson::parse(kPerson);
    const auto grammar = Grammar::fromJsonSchema(kPerson);
    for (const float temperature : {0.0f, 0.7f, 1.2f}) {
        SamplerSettings sampling = engine.text(model)->defaultSampling;
        sampling.temperature = temperature;
        sampling.seed = 11;
        const Answer a =
            ask(engine, model, "Give me a JSON object describing a person named Anna.", grammar, sampling, 400);
        std::cout << a.text << "\n";
        ASSERT_EQ(a.summary.stop, StopReason::EndOfTurn);
        const SchemaJson document = SchemaJson::parse(a.text, nullptr, false);
        ASSERT_FALSE(document.is_discarded()) << a.text;
        EXPECT_TRUE(test::SchemaValidator(schema).valid(document)) << a.text;
    }
}

TEST_F(StarterGrammar, CostsLittleBesideAStep) {
    Engine engine{{.threads = 1}};
    const ModelId model = engine.load({.path = starterModel().string(), .contextTokens = 1024});
    const auto grammar = Grammar::fromJsonSchema(R"({"type": "object", "additionalProperties": {"type": "string"}})");
    SamplerSettings sampling = engine.text(model)->defaultSampling;
    sampling.seed = 2;
    double held = 1e9, free = 1e9;
    for (int i = 0; i < 3; ++i) {
        held = std::min(
            held, ask(engine, model, "Write a long JSON object about Paris.", grammar, sampling, 80).secondsPerToken);
        free =
            std::min(free, ask(engine, model, "Write a long text about Paris.", nullptr, sampling, 80).secondsPerToken);
    }
    std::cout << "a token takes " << free * 1e3 << " ms, under a grammar " << held * 1e3
              << " ms: " << 100 * (held / free - 1) << " % more\n";
    EXPECT_LT(held, 1.3 * free); // 1.05 is wanted; the rest is for busy machines
}

TEST_F(StarterGrammar, ItsVocabularyHasNoDeadEnds) {
    const Checkpoint checkpoint = Checkpoint::open(starterModel().string());
    const auto tokenizer = Tokenizer::fromMetadata(checkpoint.metadata());
    const grammar::TokenTrie trie(*tokenizer);
    const SchemaJson schema = SchemaJson::parse(kPerson);
    const auto grammar = Grammar::fromJsonSchema(kPerson);
    std::mt19937 random(4);
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> noise(static_cast<size_t>(tokenizer->size()) + 4096),
        logits(static_cast<size_t>(tokenizer->size()));
    for (float& x : noise)
        x = normal(random);
    for (int round = 0; round < 40; ++round) {
        GrammarMatcher m(grammar, trie);
        Sampler sampler(
            {.temperature = 1, .topK = round % 2 ? 0 : 40, .topP = 1, .minP = 0, .seed = 1 + random() % 100});
        std::string text;
        for (int step = 0; step < 600 && !m.isComplete(); ++step) {
            std::copy_n(noise.begin() + static_cast<std::ptrdiff_t>(random() % 4096), logits.size(), logits.begin());
            const TokenId id = sampler.sample(logits, {}, static_cast<uint64_t>(step), &m);
            ASSERT_GE(id, 0) << text;
            ASSERT_TRUE(m.accept(id));
            tokenizer->appendBytes(id, text);
        }
        ASSERT_TRUE(m.isComplete()) << text;
        EXPECT_TRUE(test::SchemaValidator(schema).valid(SchemaJson::parse(text))) << text;
    }
}

} // namespace
} // namespace hearth::engine
