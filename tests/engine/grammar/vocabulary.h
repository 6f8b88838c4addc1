#pragma once

#include "engine/grammar/matcher.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine::test {

/// A vocabulary of given texts, for tests of what comes after tokenizing.
class ListTokenizer : public Tokenizer {
public:
    explicit ListTokenizer(std::vector<std::string> texts, std::vector<TokenId> stops = {}) : texts_(std::move(texts)) {
        stopIds_ = std::move(stops);
    }

    void appendBytes(TokenId id, std::string& out, bool) const override {
        if (id >= 0 && id < size() && kind(id) != TokenKind::Control)
            out += texts_[static_cast<size_t>(id)];
    }

    int size() const override { return static_cast<int>(texts_.size()); }

    TokenKind kind(TokenId id) const override {
        return std::binary_search(stopIds_.begin(), stopIds_.end(), id) ? TokenKind::Control : TokenKind::Normal;
    }

    std::string_view tokenText(TokenId id) const override { return texts_[static_cast<size_t>(id)]; }

    TokenId find(std::string_view text) const override {
        for (size_t i = 0; i < texts_.size(); ++i)
            if (texts_[i] == text)
                return static_cast<TokenId>(i);
        return -1;
    }

protected:
    void encodeInto(std::string_view, std::span<const TaggedText::Range>, Untrusted,
                    std::vector<TokenId>&) const override {}

private:
    std::vector<std::string> texts_;
};

/// All 256 bytes (ids 0 to 255), the end (256), pieces of JSON, words, and characters cut in the middle.
inline ListTokenizer smallVocabulary() {
    std::vector<std::string> texts;
    for (int b = 0; b < 256; ++b)
        texts.push_back(std::string(1, static_cast<char>(b)));
    texts.push_back("<end>");
    for (const char* piece : {"{\"",
                              "\":",
                              "\": \"",
                              "\",",
                              "\", \"",
                              "},",
                              "}]",
                              "]}",
                              "[]",
                              "{}",
                              "[{\"",
                              "\"}",
                              "\"]",
                              "],",
                              "null",
                              "true",
                              "false",
                              "12",
                              "00",
                              ".5",
                              "e1",
                              "-1",
                              "  ",
                              "\n  ",
                              "\n",
                              "name",
                              "age",
                              "id",
                              "ab",
                              "abc",
                              "bc",
                              "ca",
                              "aab",
                              "hello",
                              " world",
                              "\\n",
                              "\\u",
                              "\\\"",
                              "é",
                              "ß",
                              "中文",
                              "\xE4\xB8",
                              "\xAD\xE6",
                              "\x96\x87",
                              "\xF0\x9F",
                              "\x98\x80",
                              "\xF0\x9F\x98\x80",
                              "2025-",
                              "-01",
                              ":30",
                              "@",
                              ".com",
                              "a1b2",
                              "\"name\"",
                              "\"age\":",
                              "a\"",
                              "1,",
                              ", ",
                              ": ",
                              "yes",
                              "no"})
        texts.push_back(piece);
    return ListTokenizer(std::move(texts), {256});
}

/// A vocabulary of n tokens that looks like one of a large model: words, words with a blank, numbers, punctuation,
/// pieces of other scripts; all bytes, and one end.
inline ListTokenizer largeVocabulary(int n) {
    std::vector<std::string> texts;
    for (int b = 0; b < 256; ++b)
        texts.push_back(std::string(1, static_cast<char>(b)));
    texts.push_back("<end>");
    uint64_t state = 42;
    const auto draw = [&](uint64_t below) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (state >> 33) % below;
    };
    constexpr std::string_view kLetters = "etaoinshrdlucmfwypvbgkjqxz";
    constexpr std::string_view kSigns = "{}[]\":,.\\/-_()<>=+*'!?#\n\t ";
    std::map<std::string, bool> known;
    while (static_cast<int>(texts.size()) < n) {
        std::string t;
        const uint64_t kind = draw(20);
        if (kind < 8)
            t = " ";
        if (kind < 14)
            for (uint64_t i = 0, length = 2 + draw(8); i < length; ++i)
                t += kLetters[std::min(draw(26), draw(26))];
        else if (kind < 17)
            for (uint64_t i = 0, length = 1 + draw(3); i < length; ++i) {
                const uint64_t c = 0x4E00 + draw(0x5000);
                t += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
                      static_cast<char>(0x80 | (c & 63))};
            }
        else if (kind < 19)
            for (uint64_t i = 0, length = 2 + draw(3); i < length; ++i)
                t += kSigns[draw(kSigns.size())];
        else
            for (uint64_t i = 0, length = 2 + draw(2); i < length; ++i)
                t += static_cast<char>('0' + draw(10));
        if (known.emplace(t, true).second)
            texts.push_back(t);
    }
    return ListTokenizer(std::move(texts), {256});
}

/// Whether a grammar takes a text, byte by byte.
inline bool takes(const Grammar& grammar, std::string_view text) {
    grammar::ConfigTable table(grammar.automaton());
    return table.canEnd(table.run(table.start(), text));
}

/// Whether a text is the beginning of one that it takes.
inline bool takesBeginning(const Grammar& grammar, std::string_view text) {
    grammar::ConfigTable table(grammar.automaton());
    return table.run(table.start(), text) != grammar::ConfigTable::kDead;
}

} // namespace hearth::engine::test
