#pragma once

#include "engine/tokenizer.h"
#include "engine/tokenizer/text_table.h"

#include <array>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// The tokens of a checkpoint: texts as the file spells them, and kinds. Immutable.
class Vocabulary {
public:
    /// Throws Error that names the key.
    explicit Vocabulary(const Metadata&);

    int size() const { return static_cast<int>(kinds_.size()); }

    bool contains(TokenId id) const { return id >= 0 && id < size(); }

    std::string_view text(TokenId id) const { return contains(id) ? texts_.text(id) : std::string_view(); }

    TokenKind kind(TokenId id) const { return contains(id) ? kinds_[id] : TokenKind::Unused; }

    TokenId find(std::string_view text) const { return texts_.find(text); }

    TokenId unknown() const { return unknown_; } // -1: none

    /// The ids that end a turn: what the file names, and the well-known texts.
    std::vector<TokenId> endsOfTurn(const Metadata&) const;

private:
    void markControls(const Metadata&);

    TextTable texts_;
    std::vector<TokenKind> kinds_;
    TokenId unknown_ = -1;
};

/// An id key of the metadata; -1 when it is absent or names no token (files with such ids are common).
TokenId tokenIdOf(const Metadata&, std::string_view key, int vocabularySize);

/// `<...>`, `[...]` and the like: a text that a template uses as a mark.
bool looksLikeTag(std::string_view text);

/// How a token that stands in the text as written is found.
struct SpecialRule {
    bool takesBlanksBefore = false, takesBlanksBehind = false; // blanks beside it belong to it
    bool wholeWord = false;                                    // only where no word goes on beside it
};

/// Finds the texts of control and user-defined tokens inside a text. Immutable after finish().
class SpecialTokens {
public:
    void add(std::string_view text, TokenId, TokenKind, SpecialRule = {});
    /// `refusedStay`: where the longest token may not be formed, a shorter one inside it is not looked for either.
    void finish(bool refusedStay);

    struct Match {
        TokenId id = -1;
        size_t length = 0; // without an id: so many bytes are text
        SpecialRule rule;
    };

    /// The longest token at text[at] whose kind is allowed: tags only within the first `trusted` bytes from there,
    /// plain user-defined tokens (and their tags, when `tagsCount`) anywhere.
    Match at(std::string_view text, size_t at, size_t trusted, bool tagsCount) const;

    bool mayBegin(char byte) const { return !lengths_[static_cast<unsigned char>(byte)].empty(); }

    bool empty() const { return entries_.empty(); }

private:
    enum class Who : uint8_t { TrustedOnly, Tag, Everywhere };

    struct Entry {
        TokenId id;
        Who who;
        SpecialRule rule;
    };

    TextTable texts_;
    std::vector<Entry> entries_;                   // [texts]
    std::array<std::vector<size_t>, 256> lengths_; // by first byte: the lengths there are, longest first
    bool refusedStay_ = false;
};

} // namespace hearth::engine
