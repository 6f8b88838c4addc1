#pragma once

#include "engine/tokenizer/pre_tokenizer.h"
#include "engine/tokenizer/word_model.h"

namespace hearth::engine {

/// What one encode() needs.
struct EncodeScratch {
    explicit EncodeScratch(size_t textBytes) : cache(textBytes) {}

    WordCache cache;
    ModelScratch model;
    PreTokenizer::Scratch words;
    std::string normalized;
};

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
    /// Text with its provenance, and the part of it between two special tokens.
    struct Fragment {
        std::string_view whole;
        size_t begin = 0, end = 0;
        bool opens = true;                            // it begins the text or follows a control token
        bool first = true;                            // the whole begins the input
        std::span<const TaggedText::Range> untrusted; // of the whole
        Untrusted tags = Untrusted::TagsCount;

        std::string_view text() const { return whole.substr(begin, end - begin); }
    };

    virtual void encodeFragment(const Fragment&, EncodeScratch&, std::vector<TokenId>& out) const = 0;

    /// Those that are looked for in the raw text. `mixed`: a part of it is not trusted.
    virtual const SpecialTokens& specials(bool mixed) const = 0;

    void encodeInto(std::string_view text, std::span<const TaggedText::Range> untrusted, Untrusted,
                    std::vector<TokenId>& out) const override;

    /// onFragment(const Fragment&) for what lies between the tokens, onToken(id) for the tokens, in order.
    template <class OnFragment, class OnToken>
    void cut(const Fragment&, const SpecialTokens&, const OnFragment&, const OnToken&) const;

    /// Control and user-defined tokens as the file spells them.
    static SpecialTokens specialsOf(const Vocabulary&);

    const Vocabulary vocabulary_;
};

std::unique_ptr<Tokenizer> makeByteBpe(const Metadata&);
std::unique_ptr<Tokenizer> makeSentencePieceBpe(const Metadata&);
std::unique_ptr<Tokenizer> makeUnigram(const Metadata&);
std::unique_ptr<Tokenizer> makeWordPiece(const Metadata&);

bool wordGoesOnBefore(std::string_view text, size_t at);
bool wordGoesOnBehind(std::string_view text, size_t at);
size_t blanksBefore(std::string_view text, size_t least, size_t at); // where they begin
size_t blanksBehind(std::string_view text, size_t at, size_t most);  // where they end

template <class OnFragment, class OnToken>
void VocabularyTokenizer::cut(const Fragment& f, const SpecialTokens& tokens, const OnFragment& onFragment,
                              const OnToken& onToken) const {
    const std::string_view text = f.whole.substr(0, f.end);
    Fragment rest = f; // the ordinary text before `at`
    size_t range = 0;
    const auto give = [&](size_t end) {
        rest.end = end;
        if (rest.begin < rest.end)
            onFragment(rest);
    };
    for (size_t at = f.begin; at < f.end;) {
        if (!tokens.mayBegin(text[at])) {
            at++;
            continue;
        }
        while (range < f.untrusted.size() && f.untrusted[range].end <= at)
            range++;
        const bool inside = range < f.untrusted.size() && f.untrusted[range].begin <= at;
        const size_t trustedEnd = inside ? at : range < f.untrusted.size() ? f.untrusted[range].begin : f.end;
        const SpecialTokens::Match match =
            tokens.at(text, at, std::min(trustedEnd, f.end) - at, f.tags == Untrusted::TagsCount);
        const size_t behind = at + std::max<size_t>(match.length, 1);
        const bool inWord = match.rule.wholeWord && (wordGoesOnBefore(text, at) || wordGoesOnBehind(text, behind));
        if (match.id < 0 || inWord) {
            at = behind;
            continue;
        }
        give(match.rule.takesBlanksBefore ? blanksBefore(text, rest.begin, at) : at);
        onToken(match.id);
        at = match.rule.takesBlanksBehind ? blanksBehind(text, behind, f.end) : behind;
        rest.begin = at;
        rest.opens = vocabulary_.kind(match.id) != TokenKind::UserDefined;
    }
    give(f.end);
}

} // namespace hearth::engine
