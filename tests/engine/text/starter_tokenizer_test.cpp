// The starter model's own tokenizer, against the reference ids.

#include "engine/chat_template.h"
#include "engine/chat_template_families.h"
#include "engine/checkpoint.h"
#include "tests/engine/text/vocabulary_files.h"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

namespace hearth::engine {
namespace {

using test::readJson;
using test::sharedFolder;

std::filesystem::path starterModel() {
    const char* folder = std::getenv("HEARTH_MODELS");
    const char* home = std::getenv("HOME");
    const std::filesystem::path models = folder
                                             ? std::filesystem::path(folder)
                                             : std::filesystem::path(home ? home : "/") / ".local/share/hearth/models";
    return models / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

class StarterTokenizer : public testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(starterModel()))
            GTEST_SKIP() << "no starter model at " << starterModel();
        checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::open(starterModel().string()));
        tokenizer_ = Tokenizer::fromMetadata(checkpoint_->metadata());
    }

    std::unique_ptr<Checkpoint> checkpoint_;
    std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(StarterTokenizer, HasNothingToTellOfItsTemplate) {
    EXPECT_EQ(inspectTemplate(checkpoint_->metadata()), std::vector<std::string>());
}

TEST_F(StarterTokenizer, GivesTheReferenceIdsOfPrompts) {
    const auto file = sharedFolder() / "data/starter/cases.json";
    if (!std::filesystem::exists(file))
        GTEST_SKIP() << "no reference prompts at " << file;
    const auto chatTemplate = ChatTemplate::fromMetadata(checkpoint_->metadata());
    const auto reference = readJson(file);
    for (const auto& c : reference["cases"]) {
        EXPECT_EQ(tokenizer_->encodeSpecial(c["prompt"].get<std::string>()), c["ids"].get<std::vector<TokenId>>());
        // The same through the model's own template, with provenance.
        TemplateInput input;
        for (const auto& m : c["messages"])
            input.messages.push_back({.role = m["role"], .content = m["content"]});
        const TaggedText prompt = chatTemplate->render(input);
        EXPECT_EQ(prompt.text, c["prompt"].get<std::string>());
        EXPECT_EQ(tokenizer_->encode(prompt), c["ids"].get<std::vector<TokenId>>());
    }
}

TEST_F(StarterTokenizer, GivesTheReferenceIdsOfALongText) {
    const auto folder = sharedFolder() / "data/starter";
    if (!std::filesystem::exists(folder / "perplexity.json"))
        GTEST_SKIP() << "no reference text in " << folder;
    const auto want = readJson(folder / "perplexity.json")["ids"].get<std::vector<TokenId>>();
    const std::string text = test::readFile(folder / "perplexity.txt");
    auto ids = tokenizer_->encode(text);
    EXPECT_EQ(tokenizer_->decode(ids), text);
    ids.resize(std::min(ids.size(), want.size()));
    EXPECT_EQ(ids, want);
}

TEST_F(StarterTokenizer, IsFast) {
    const std::string text = test::readFile(HEARTH_SOURCE_DIR "/engine/tokenizer/bpe_model.cpp");
    std::string ascii;
    while (ascii.size() < 4'000'000)
        ascii += text;
    const auto start = std::chrono::steady_clock::now();
    const size_t ids = tokenizer_->encode(ascii).size();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double rate = static_cast<double>(ascii.size()) / seconds / 1e6;
    std::cout << "tokenizer: " << rate << " MB/s, " << ids << " tokens\n";
    EXPECT_GT(rate, 2.0); // far below what it does (over 40), so that a busy machine does not fail the test
}

} // namespace
} // namespace hearth::engine
