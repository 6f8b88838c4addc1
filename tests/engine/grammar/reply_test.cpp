// Replies under a grammar: what is thought is free, what is answered is held, and the reply ends when it is whole.

#include "engine/reply.h"
#include "tests/engine/core/gguf_writer.h"
#include "tests/engine/grammar/schema_validator.h"
#include "tests/engine/grammar/vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hearth::engine {
namespace {

struct Said {
    std::string thoughts, answer;
    GenerationSummary summary;
};

class GrammarReply : public testing::Test {
protected:
    std::vector<std::string> vocabulary = {"<end>", "</think>", "a",  "b", "ab",     "yes",
                                           "no",    "hm",       "\n", "{", "<think>"};

    /// Says texts, token by token, as greedily as the grammar lets it. What the reply says when nothing more is wanted
    /// is its end token.
    Said say(const char* gbnf, const std::vector<std::string>& wanted, const std::string& promptText = {}) {
        auto text = std::make_shared<ModelText>();
        text->tokenizer = std::make_unique<test::ListTokenizer>(vocabulary, std::vector<TokenId>{0});
        text->chatTemplate = ChatTemplate::fromSource("{{ '<think></think>' }}", "", "");
        text->contextTokens = 100;
        Said said;
        GenerationRequest request;
        request.prompt = {2};
        request.promptText = promptText;
        request.sampling.temperature = 0;
        request.maxTokens = 30;
        request.grammar = Grammar::fromGbnf(gbnf);
        request.onToken = [&](const TokenOut& t) { (t.thought ? said.thoughts : said.answer) += t.text; };
        request.onFinish = [&](const GenerationSummary& s) { said.summary = s; };
        const int n = text->tokenizer->size();
        Reply reply(1, 1, std::move(request), text, n);
        for (size_t i = 0;; ++i) {
            std::vector<float> logits(static_cast<size_t>(n));
            for (size_t t = 0; t < logits.size(); ++t)
                logits[t] = -static_cast<float>(t); // the end is the likeliest, then the closing tag
            if (i < wanted.size())
                logits[static_cast<size_t>(text->tokenizer->find(wanted[i]))] = 10;
            if (const auto stop = reply.accept(logits)) {
                reply.finish(*stop);
                return said;
            }
        }
    }
};

TEST_F(GrammarReply, EndsWhenTheTextIsWhole) {
    const Said said = say("root ::= \"a\" \"yes\"", {"hm", "no", "b"});
    EXPECT_EQ(said.answer, "ayes");
    EXPECT_EQ(said.summary.stop, StopReason::EndOfTurn);
    EXPECT_EQ(said.summary.generatedTokens, 2); // none of them is the end token
}

TEST_F(GrammarReply, TheModelEndsItWhereItMay) {
    EXPECT_EQ(say("root ::= \"a\"{2,}", {}).answer, "aa");
    EXPECT_EQ(say("root ::= \"a\"{2,}", {"a", "a", "a", "a"}).answer, "aaaa");
    EXPECT_EQ(say("root ::= \"a\"{2,}", {}).summary.stop, StopReason::EndOfTurn);
}

TEST_F(GrammarReply, ThoughtsAreFree) {
    Said said = say("root ::= \"ab\"", {"<think>", "hm", "no", "</think>", "yes"});
    EXPECT_EQ(said.thoughts, "hmno");
    EXPECT_EQ(said.answer, "ab");
    // Begun by the prompt; its end cannot be the reply's.
    said = say("root ::= \"ab\"", {"hm", "<end>", "{", "</think>"}, "assistant\n<think>\n");
    EXPECT_EQ(said.thoughts, "hm"); // instead of the end comes what is likeliest then: the closing tag
    EXPECT_EQ(said.answer, "ab");
    EXPECT_EQ(said.summary.stop, StopReason::EndOfTurn);
}

/// Where the mark is ordinary text, the token that ends it may go on with what no grammar has allowed.
TEST_F(GrammarReply, WhatEndsAThoughtSaysNothingOfTheAnswer) {
    vocabulary = {"<end>", "</thi", "nk>yes", "nk>", "\n<an", "nk>\n<an", "a", "b", "hm", "</answer>"};
    for (const char* end : {"nk>yes", "nk>", "nk>\n<an"}) {
        const Said said = say("root ::= \"ab\"", {"hm", "</thi", end, "a", "b"}, "assistant\n<think>\n");
        EXPECT_EQ(said.thoughts, "hm") << end;
        EXPECT_EQ(said.answer, "ab") << end;
        EXPECT_EQ(said.summary.stop, StopReason::EndOfTurn) << end;
    }
}

TEST_F(GrammarReply, LineBreaksThatTheGrammarWantsAreShown) {
    for (const std::vector<std::string>& thought : std::vector<std::vector<std::string>>{{}, {"<think>", "</think>"}}) {
        std::vector<std::string> wanted = thought;
        for (const char* token : {"\n", "\n", "a", "\n"})
            wanted.emplace_back(token);
        EXPECT_EQ(say("root ::= \"\\n\\na\\n\"", wanted).answer, "\n\na\n");
    }
}

TEST_F(GrammarReply, OneThoughtBeforeTheAnswerAndNoneInside) {
    Said said = say("root ::= [ab]{3}", {"<think>", "</think>", "<think>", "a", "<think>", "b"});
    EXPECT_EQ(said.thoughts, "");
    EXPECT_EQ(said.answer.size(), 3u);
    // Tags are never part of the text, whatever the grammar says: nobody would see them.
    said = say("root ::= \"a\" (\"<think>\" | \"b\")", {"a", "<think>"});
    EXPECT_EQ(said.answer, "ab");
}

TEST_F(GrammarReply, NothingToGoOnWithIsAnError) {
    const Said said = say("root ::= \"a\" [x-z]", {"a"});
    EXPECT_EQ(said.answer, "a");
    EXPECT_EQ(said.summary.stop, StopReason::Error);
    EXPECT_NE(said.summary.error.find("no"), std::string::npos);
    EXPECT_FALSE(said.summary.error.empty());
}

TEST(GrammarEngine, RandomModelsWriteWhatIsAllowed) {
    const hearth::test::TemporaryFolder folder;
    Engine engine{{.threads = 1}};
    const ModelId model = engine.load({.path = folder.write("tiny.gguf", hearth::test::tinyLlama().bytes())});
    const std::string text = R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 12},
        "n": {"type": "integer", "minimum": -5, "maximum": 500}, "list": {"type": "array", "items": {"enum": ["x", null]},
        "maxItems": 3}}, "required": ["name", "n"], "additionalProperties": false})";
    const auto schema = Grammar::fromJsonSchema(text);
    const test::SchemaJson parsed = test::SchemaJson::parse(text);
    int finished = 0;
    for (uint64_t seed = 1; seed <= 30; ++seed) {
        const auto answer = std::make_shared<std::string>();
        GenerationRequest request;
        request.prompt = {1, 50, 60};
        request.sampling = {.temperature = seed % 3 == 0 ? 0.0f : 1.5f, .topK = seed % 2 ? 40 : 0, .seed = seed};
        request.maxTokens = 600;
        request.grammar = schema;
        request.onToken = [answer](const TokenOut& t) { *answer += t.text; };
        request.onFinish = [&, answer](const GenerationSummary& s) {
            finished += s.stop == StopReason::EndOfTurn;
            if (s.stop == StopReason::EndOfTurn) {
                const auto document = test::SchemaJson::parse(*answer, nullptr, false);
                EXPECT_FALSE(document.is_discarded()) << *answer;
                EXPECT_TRUE(test::SchemaValidator(parsed).valid(document)) << *answer;
            }
        };
        engine.start(model, std::move(request));
    }
    while (engine.step()) {
    }
    EXPECT_EQ(finished, 30);
}

} // namespace
} // namespace hearth::engine
