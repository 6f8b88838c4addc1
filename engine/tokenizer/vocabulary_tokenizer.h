#pragma once

#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/vocabulary.h"

namespace hearth::engine {

/// What all tokenizers share: the vocabulary, and cutting a text at its special tokens. A kind of tokenizer adds
/// encodeFragment().
class VocabularyTokenizer : public Tokenizer {
public:
    explicit VocabularyTokenizer(const Metadata&, bool addBosByDefault);

    int size() const override { return vocabulary_.size(); }

    TokenKind kind(TokenId id) const override { return vocabulary_.kind(id); }

    std::string_view tokenText(TokenId id) const override { return vocabulary_.text(id); }

    TokenId find(std::string_view text) const override { return vocabulary_.find(text); }

protected:
    /// Ordinary text between special tokens. `opens`: it begins the text or follows a control token.
    virtual void encodeFragment(std::string_view text, bool opens, WordCache&, std::vector<TokenId>& out) const = 0;

    void encodeInto(std::string_view text, std::span<const TaggedText::Range> untrusted, Untrusted,
                    std::vector<TokenId>& out) const override;

    const Vocabulary vocabulary_;

private:
    const SpecialTokens specials_;
};

/// The value of a byte token's text "<0xAB>"; -1 for another text.
int byteOfToken(std::string_view text);

/// The part of `text` before `most` bytes that does not cut a character in two; all of it when it is shorter.
std::string_view upToWholeCharacter(std::string_view text, size_t most);

std::unique_ptr<Tokenizer> makeByteBpe(const Metadata&);
std::unique_ptr<Tokenizer> makeSentencePieceBpe(const Metadata&);

} // namespace hearth::engine
