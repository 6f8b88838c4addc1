#pragma once

#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/vocabulary.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// What a model needs while it works: not shared between threads.
struct ModelScratch {
    std::vector<Symbol> symbols;
    std::vector<double> scores;   // Unigram: best score up to each place
    std::vector<uint32_t> starts; // Unigram: where its last piece begins
    std::vector<TokenId> ids;
};

/// Words to ids: the last step of a tokenizer. Immutable; any thread.
class WordModel {
public:
    virtual ~WordModel() = default;

    /// How much of `text` is worth a call of its own, from its beginning: merging never crosses the end of a part.
    virtual size_t partEnd(std::string_view text) const { return text.size(); }

    virtual void encode(std::string_view word, ModelScratch&, std::vector<TokenId>& out) const = 0;
};

/// Merge rules in the order of their ranks; the two sides as the file spells them.
struct MergeRules {
    std::string bytes;
    std::vector<uint32_t> ends; // [2 rules]: of the left side, of the right side

    void add(std::string_view left, std::string_view right);

    size_t size() const { return ends.size() / 2; }

    std::string_view side(size_t i) const {
        const uint32_t begin = i == 0 ? 0 : ends[i - 1];
        return std::string_view(bytes).substr(begin, ends[i] - begin);
    }
};

struct BpeOptions {
    bool byteAlphabet = false;   // tokens are spelled in GPT-2's alphabet of bytes
    bool ignoreMerges = false;   // a word that is a token is that token, whatever the merges say
    bool byteFallback = false;   // an unknown character becomes the tokens <0x..> of its bytes
    bool fuseUnknown = false;    // unknown neighbours become one token
    bool lastRankCounts = false; // of a rule that stands twice
    std::string prefix;          // of pieces that do not begin a word ("##")
    std::string suffix;          // of the piece that ends a word ("</w>")
};

/// Byte pair encoding (Sennrich et al. 2016), over bytes (Radford et al. 2019) or characters.
std::unique_ptr<WordModel> makeBpeModel(const Vocabulary&, const MergeRules&, const BpeOptions&);

struct UnigramOptions {
    std::vector<double> scores; // [nVocab], logarithms
    bool byteFallback = false;
    bool fuseUnknown = true;
};

/// The likeliest sequence of pieces (Kudo 2018), by Viterbi's algorithm.
std::unique_ptr<WordModel> makeUnigramModel(const Vocabulary&, UnigramOptions);

struct WordPieceOptions {
    std::string first;             // of pieces that begin a word: "" or U+2581
    std::string continuing = "##"; // of pieces that do not: "##" or ""
    size_t longestWord = 100;      // characters; a longer word is unknown
};

/// Longest piece first (Devlin et al. 2019).
std::unique_ptr<WordModel> makeWordPieceModel(const Vocabulary&, WordPieceOptions);

/// The bytes that a text in GPT-2's alphabet stands for. `whole`: a text with any other character stands for itself;
/// otherwise only that character does.
void appendTokenBytes(std::string_view text, bool whole, std::string& out);

void appendByteCharacter(char byte, std::string& out); // its character in that alphabet

/// The value of a byte token's text "<0xAB>"; -1 for another text.
int byteOfToken(std::string_view text);

/// A token that ordinary text may become: never a control token, nor a tag.
bool isOrdinary(const Vocabulary&, TokenId);

inline constexpr std::string_view kBlank = "\xE2\x96\x81"; // U+2581, how SentencePiece writes a blank
inline constexpr size_t kLongestWord = 1 << 20; // bytes; a longer one is cut, which bounds the memory of merging

/// The part of `text` before `most` bytes that does not cut a character in two; all of it when it is shorter.
std::string_view upToWholeCharacter(std::string_view text, size_t most);

} // namespace hearth::engine
