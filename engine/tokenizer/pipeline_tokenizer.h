#pragma once

#include "engine/tokenizer/normalizer.h"
#include "engine/tokenizer/vocabulary_tokenizer.h"

#include <functional>

namespace hearth::engine {

/// Normalizer -> special tokens of the normalized text -> pre-tokenizer -> model: every tokenizer that is not
/// SentencePiece's BPE from a GGUF. Filled by those that read a file, then immutable.
class PipelineTokenizer final : public VocabularyTokenizer {
public:
    PipelineTokenizer(const Metadata& m, bool addBosByDefault) : VocabularyTokenizer(m, addBosByDefault) {}

    struct Parts {
        Normalizer normalizer;
        PreTokenizer preTokenizer;
        std::unique_ptr<WordModel> model;
        SpecialTokens raw;        // looked for in the text as it is
        SpecialTokens mixed;      // ... where a part of it is not trusted
        SpecialTokens normalized; // looked for in the normalized text
        TextTable bytes;          // what each token gives when decoded, [nVocab]
        int leadingBlanks = 0;
        bool shownControlsBegin = false; // a control token that is shown begins the text: no blank is dropped behind it
        std::vector<TokenId> stopIds;    // further ones
    };

    const Vocabulary& vocabulary() const { return vocabulary_; }

    void setParts(Parts);
    void setBos(TokenId id, bool added);
    void setEos(TokenId id, bool added);
    /// For files that say nothing of it: the texts of the vocabulary, decoded by `decode`.
    void fillBytes(Parts&, const std::function<void(TokenId, std::string& out)>& decode) const;

    SpecialTokens ownSpecials() const { return specialsOf(vocabulary_); }

    void appendBytes(TokenId id, std::string& out, bool showControl) const override;

protected:
    int leadingBlanks() const override { return parts_.leadingBlanks; }

    bool shownControlsBegin() const override { return parts_.shownControlsBegin; }

    const SpecialTokens& specials(bool mixed) const override { return mixed ? parts_.mixed : parts_.raw; }

    void encodeFragment(const Fragment&, EncodeScratch&, std::vector<TokenId>& out) const override;

private:
    void encodeText(const Fragment&, EncodeScratch&, std::vector<TokenId>& out) const;

    Parts parts_;
};

} // namespace hearth::engine
