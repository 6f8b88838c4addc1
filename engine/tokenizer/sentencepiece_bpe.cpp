#include "engine/error.h"
#include "engine/tokenizer/normalizer.h"
#include "engine/tokenizer/vocabulary_tokenizer.h"
#include "engine/unicode.h"

#include <array>
#include <bit>
#include <cmath>

namespace hearth::engine {

namespace {

/// Order of merging: the highest score first. A float's bits, turned so that they sort as the numbers do.
uint32_t orderOf(double score) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(-score));
    const uint32_t sortable = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return std::min(sortable, MergeCandidate::kNone - 1);
}

/// Two neighbours merge when their text is a token; its score says when.
class ScoredMerges {
public:
    ScoredMerges(const TextTable& tokens, const std::vector<uint32_t>& orders) : tokens_(tokens), orders_(orders) {}

    void setText(std::string_view text) { text_ = text; }

    MergeCandidate operator()(const Symbol& left, const Symbol& right) const {
        const size_t length = left.length + right.length;
        if (length > tokens_.longest())
            return {};
        const TokenId id = tokens_.find(text_.substr(left.begin, length));
        return id < 0 ? MergeCandidate{} : MergeCandidate{orders_[id], id};
    }

private:
    const TextTable& tokens_;
    const std::vector<uint32_t>& orders_; // [nVocab]
    std::string_view text_;
};

/// SentencePiece's BPE with byte fallback (Kudo & Richardson 2018): Llama 2, Mistral, Gemma.
class SentencePieceBpe final : public VocabularyTokenizer {
public:
    explicit SentencePieceBpe(const Metadata& m)
        : VocabularyTokenizer(m, true), specials_(specialsOf(vocabulary_)),
          addSpacePrefix_(m.boolean("tokenizer.ggml.add_space_prefix", true)) {
        // Published models change nothing but blanks; where a file says more, it is done.
        std::string charsMap;
        for (const int64_t byte : m.integers("tokenizer.ggml.precompiled_charsmap"))
            charsMap += static_cast<char>(byte);
        if (!charsMap.empty())
            normalizer_.addCharsMap(charsMap, false);
        if (m.boolean("tokenizer.ggml.remove_extra_whitespaces", false))
            normalizer_.addBlanks({.removeExtra = true});
        fillOrders(m);
        fillTokens();
    }

    void appendBytes(TokenId id, std::string& out, bool showControl) const override {
        if (!vocabulary_.contains(id))
            return;
        const std::string_view text = vocabulary_.text(id);
        const TokenKind k = vocabulary_.kind(id);
        if (k == TokenKind::Control || k == TokenKind::Unknown) {
            if (showControl)
                out.append(text);
        } else if (const int byte = byteOfToken(text); k == TokenKind::Byte && byte >= 0) {
            out += static_cast<char>(byte);
        } else {
            appendWithBlanks(text, out);
        }
    }

protected:
    int leadingBlanks() const override { return addSpacePrefix_ ? 1 : 0; }

    const SpecialTokens& specials(bool) const override { return specials_; }

    void encodeFragment(const Fragment& f, EncodeScratch& scratch, std::vector<TokenId>& out) const override {
        std::vector<Symbol>& symbols = scratch.model.symbols;
        std::string& spelled = scratch.normalized;
        std::string normalized;
        std::string_view text = normalizer_.run(f.text(), f.opens, normalized);
        bool prefix = f.opens && addSpacePrefix_;
        while (!text.empty()) {
            const std::string_view word = upToWholeCharacter(text.substr(0, wordEnd(text)), kLongestWord);
            text.remove_prefix(word.size());
            if (!prefix && scratch.cache.reuse(word, out))
                continue;
            spelled.assign(prefix ? kBlank : std::string_view());
            for (const char c : word) {
                if (c == ' ')
                    spelled.append(kBlank);
                else
                    spelled += c;
            }
            encodeSpelled(spelled, symbols, out);
            if (!prefix)
                scratch.cache.done(out);
            prefix = false;
        }
    }

private:
    static void appendWithBlanks(std::string_view text, std::string& out) {
        for (size_t at = 0; at < text.size();) {
            const size_t blank = std::min(text.find(kBlank, at), text.size());
            out.append(text.substr(at, blank - at));
            if (blank < text.size())
                out += ' ';
            at = blank + kBlank.size();
        }
    }

    void fillOrders(const Metadata& m) {
        const std::vector<double> scores = m.numbers("tokenizer.ggml.scores");
        if (scores.size() < static_cast<size_t>(size()))
            throw Error("tokenizer.ggml.scores has " + std::to_string(scores.size()) + " entries for " +
                        std::to_string(size()) + " tokens.");
        orders_.resize(size());
        for (int i = 0; i < size(); i++)
            orders_[i] = orderOf(std::isnan(scores[i]) ? -INFINITY : scores[i]);
    }

    void fillTokens() {
        for (TokenId id = 0; id < size(); id++)
            tokens_.add(vocabulary_.text(id));
        tokens_.index([this](TokenId id) { return vocabulary_.kind(id) == TokenKind::Normal; });
        byteIds_.fill(-1);
        for (TokenId id = 0; id < size(); id++) {
            const std::string_view text = vocabulary_.text(id);
            if (const int byte = byteOfToken(text); byte >= 0 && vocabulary_.kind(id) == TokenKind::Byte)
                byteIds_[byte] = id;
            // A token with a blank behind something else may join two words.
            if (vocabulary_.kind(id) == TokenKind::Normal)
                for (size_t at = text.find(kBlank); at != text.npos; at = text.find(kBlank, at + kBlank.size()))
                    wordsAreApart_ &= at == 0 || text.substr(0, at).ends_with(kBlank);
        }
    }

    /// Merging never crosses the end of a word when no token holds a blank behind another character: so words can be
    /// merged, and remembered, one by one. A word is a run of blanks and what follows it.
    size_t wordEnd(std::string_view text) const {
        if (!wordsAreApart_)
            return text.size();
        const size_t start = std::min(text.find_first_not_of(' '), text.size());
        return std::min(text.find(' ', start), text.size());
    }

    void encodeSpelled(std::string_view text, std::vector<Symbol>& symbols, std::vector<TokenId>& out) const {
        symbols.clear();
        for (size_t at = 0; at < text.size();) {
            const uint32_t length = decodeUtf8(text.substr(at)).length;
            symbols.push_back({tokens_.find(text.substr(at, length)), static_cast<uint32_t>(at), length});
            at += length;
        }
        ScoredMerges merges(tokens_, orders_);
        merges.setText(text);
        Merger<ScoredMerges>(merges).run(symbols);
        for (const Symbol& s : symbols) {
            if (s.id >= 0)
                out.push_back(s.id);
            else
                fallBackToBytes(text.substr(s.begin, s.length), out);
        }
    }

    void fallBackToBytes(std::string_view character, std::vector<TokenId>& out) const {
        bool missing = false;
        for (const char c : character)
            missing |= byteIds_[static_cast<unsigned char>(c)] < 0;
        if (!missing)
            for (const char c : character)
                out.push_back(byteIds_[static_cast<unsigned char>(c)]);
        else if (vocabulary_.unknown() >= 0)
            out.push_back(vocabulary_.unknown());
    }

    const SpecialTokens specials_;
    Normalizer normalizer_;
    const bool addSpacePrefix_;
    bool wordsAreApart_ = true;
    TextTable tokens_;             // those that merging may give
    std::vector<uint32_t> orders_; // [nVocab]
    std::array<TokenId, 256> byteIds_{};
};

} // namespace

std::unique_ptr<Tokenizer> makeSentencePieceBpe(const Metadata& m) {
    return std::make_unique<SentencePieceBpe>(m);
}

} // namespace hearth::engine
