#include "engine/tokenizer/token_decoder.h"

#include "engine/tokenizer/normalizer.h"
#include "engine/tokenizer/word_model.h"

#include <memory>

namespace hearth::engine {

namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (size_t at = text.find(from); at != text.npos && !from.empty(); at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

// What WordPiece's decoder tidies up in a token, in this order.
constexpr std::pair<std::string_view, std::string_view> kCleanups[] = {
    {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
    {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

} // namespace

void TokenDecoder::addByteLevel() {
    steps_.push_back([](std::string s) {
        std::string out;
        appendTokenBytes(s, true, out);
        return out;
    });
}

void TokenDecoder::addByteFallback() {
    steps_.push_back([](std::string s) {
        const int byte = byteOfToken(s);
        return byte >= 0 ? std::string(1, static_cast<char>(byte)) : s;
    });
}

void TokenDecoder::addMetaspace(std::string blank, bool blankAtFront) {
    steps_.push_back([blank = std::move(blank)](std::string s) { return replaced(std::move(s), blank, " "); });
    leadingBlanks_ |= blankAtFront;
}

void TokenDecoder::addReplace(std::string_view pattern, bool isRegex, std::string content) {
    auto step = std::make_shared<Normalizer>();
    step->addReplace(pattern, isRegex, std::move(content));
    steps_.push_back([step](std::string s) {
        std::string scratch;
        return std::string(step->run(s, false, scratch));
    });
}

void TokenDecoder::addStrip(std::string content, size_t start, size_t stop) {
    if (fused_) {
        leadingBlanks_ |= content == " " && start > 0;
        return;
    }
    steps_.push_back([content = std::move(content), start, stop](std::string s) {
        for (size_t i = 0; i < start && !content.empty() && s.starts_with(content); i++)
            s.erase(0, content.size());
        for (size_t i = 0; i < stop && !content.empty() && s.ends_with(content); i++)
            s.resize(s.size() - content.size());
        return s;
    });
}

void TokenDecoder::addWordPiece(std::string prefix, bool cleanup) {
    steps_.push_back([prefix = std::move(prefix), cleanup](std::string s) {
        if (!prefix.empty() && s.starts_with(prefix))
            s.erase(0, prefix.size());
        else
            s.insert(0, 1, ' ');
        for (const auto& [from, to] : kCleanups)
            if (cleanup)
                s = replaced(std::move(s), from, to);
        return s;
    });
    leadingBlanks_ = 1;
}

void TokenDecoder::addJoin() {
    steps_.push_back([](std::string s) { return s.insert(0, 1, ' '); });
    leadingBlanks_ = 1;
}

std::string TokenDecoder::bytes(std::string_view token) const {
    std::string s(token);
    for (const auto& step : steps_)
        s = step(std::move(s));
    return s;
}

} // namespace hearth::engine
