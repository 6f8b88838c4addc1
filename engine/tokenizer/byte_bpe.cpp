#include "engine/error.h"
#include "engine/tokenizer/pre_tokenizer.h"
#include "engine/tokenizer/vocabulary_tokenizer.h"
#include "engine/unicode.h"

#include <array>

namespace hearth::engine {

namespace {

/// GPT-2 writes bytes as characters: printable ones as themselves, the others from U+0100 on (Radford et al. 2019,
/// encoder.py).
struct ByteAlphabet {
    std::array<char32_t, 256> character{};
    std::array<int16_t, 512> byte{}; // by character; -1: none

    ByteAlphabet() {
        byte.fill(-1);
        char32_t next = 256;
        for (int b = 0; b < 256; b++) {
            const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            character[b] = printable ? static_cast<char32_t>(b) : next++;
            byte[character[b]] = static_cast<int16_t>(b);
        }
    }
};

const ByteAlphabet& byteAlphabet() {
    static const ByteAlphabet alphabet;
    return alphabet;
}

/// The bytes that a token's text stands for. A character outside the alphabet stands for itself.
void appendTokenBytes(std::string_view text, std::string& out) {
    const ByteAlphabet& alphabet = byteAlphabet();
    for (size_t i = 0; i < text.size();) {
        const CodePoint c = decodeUtf8(text.substr(i));
        if (c.valid && c.value < alphabet.byte.size() && alphabet.byte[c.value] >= 0)
            out += static_cast<char>(alphabet.byte[c.value]);
        else
            out.append(text.substr(i, c.length));
        i += c.length;
    }
}

/// (left id, right id) -> rank and merged id. Open addressing, at most half full.
class MergeTable {
public:
    void reserve(size_t merges) {
        size_t slots = 16;
        while (slots < 2 * merges)
            slots *= 2;
        slots_.assign(slots, Slot{});
    }

    /// The first rank of a pair counts.
    void add(TokenId left, TokenId right, uint32_t rank, TokenId merged) {
        Slot& slot = slots_[find(keyOf(left, right))];
        if (slot.merged < 0)
            slot = {keyOf(left, right), rank, merged};
    }

    MergeCandidate operator()(const Symbol& left, const Symbol& right) const {
        const Slot& slot = slots_[find(keyOf(left.id, right.id))];
        return slot.merged < 0 ? MergeCandidate{} : MergeCandidate{slot.rank, slot.merged};
    }

private:
    struct Slot {
        uint64_t key = 0;
        uint32_t rank = 0;
        TokenId merged = -1; // -1: empty
    };

    static uint64_t keyOf(TokenId left, TokenId right) {
        return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
    }

    size_t find(uint64_t key) const {
        const size_t mask = slots_.size() - 1;
        const uint64_t h = (key ^ key >> 29) * 0x9E3779B97F4A7C15;
        size_t at = (h >> 32) & mask;
        while (slots_[at].merged >= 0 && slots_[at].key != key)
            at = (at + 1) & mask;
        return at;
    }

    std::vector<Slot> slots_;
};

constexpr size_t kLongestWord = 1 << 20; // bytes; a longer one is cut, which bounds the memory of merging

/// Byte-level BPE (Radford et al. 2019; Sennrich et al. 2016 for the merges).
class ByteBpe final : public VocabularyTokenizer {
public:
    explicit ByteBpe(const Metadata& m)
        : VocabularyTokenizer(m, addsBosByDefault(m)), preTokenizer_(preTokenizerOf(m)) {
        fillBytes();
        fillMerges(m);
    }

    void appendBytes(TokenId id, std::string& out, bool showControl) const override {
        if (!vocabulary_.contains(id))
            return;
        const TokenKind k = vocabulary_.kind(id);
        if (k == TokenKind::Control || k == TokenKind::Unknown) {
            if (showControl)
                out.append(vocabulary_.text(id));
            return;
        }
        out.append(bytes_.text(id));
    }

protected:
    void encodeFragment(std::string_view text, bool, WordCache& cache, std::vector<TokenId>& out) const override {
        std::vector<Symbol> symbols;
        split(text, 0, text.size(), preTokenizer_.stages, [&](std::string_view word) {
            if (cache.reuse(word, out))
                return;
            encodeWord(word, symbols, out);
            cache.done(out);
        });
    }

private:
    static const PreTokenizer& preTokenizerOf(const Metadata& m) {
        const std::string name = m.text("tokenizer.ggml.pre", "default");
        const PreTokenizer* p = findPreTokenizer(name);
        if (!p)
            throw Error("The model cuts text by a rule that this version does not know: tokenizer.ggml.pre is \"" +
                        printable(name) + "\".");
        return *p;
    }

    static bool addsBosByDefault(const Metadata& m) {
        return m.text("tokenizer.ggml.pre", "default").starts_with("llama");
    }

    void fillBytes() {
        size_t total = 0;
        for (TokenId id = 0; id < size(); id++)
            total += vocabulary_.text(id).size();
        bytes_.reserve(size(), total);
        std::string one;
        for (TokenId id = 0; id < size(); id++) {
            const std::string_view text = vocabulary_.text(id);
            one.clear();
            if (const int byte = byteOfToken(text); byte >= 0 && vocabulary_.kind(id) == TokenKind::Byte)
                one += static_cast<char>(byte);
            else if (vocabulary_.kind(id) == TokenKind::Normal)
                appendTokenBytes(text, one);
            else
                one = text;
            bytes_.add(one);
        }
        // Only these may come out of ordinary text; control tokens never.
        bytes_.index([this](TokenId id) {
            return vocabulary_.kind(id) == TokenKind::Normal || vocabulary_.kind(id) == TokenKind::Byte;
        });
        for (int b = 0; b < 256; b++) {
            const char byte = static_cast<char>(b);
            byteIds_[b] = bytes_.find({&byte, 1});
        }
    }

    void fillMerges(const Metadata& m) {
        const std::vector<std::string>* merges = m.texts("tokenizer.ggml.merges");
        if (!merges)
            throw Error("The file has no merge rules: tokenizer.ggml.merges is missing.");
        merges_.reserve(merges->size());
        std::string text;
        uint32_t rank = 0;
        for (const std::string& rule : *merges) {
            const uint32_t thisRank = rank++;
            const size_t blank = rule.find(' ', 1);
            if (blank == std::string::npos)
                continue;
            const std::string_view left = std::string_view(rule).substr(0, blank);
            const std::string_view right = std::string_view(rule).substr(blank + 1);
            const TokenId a = ordinary(left), b = ordinary(right);
            text.assign(left).append(right);
            const TokenId merged = ordinary(text);
            if (a >= 0 && b >= 0 && merged >= 0)
                merges_.add(a, b, thisRank, merged);
        }
    }

    /// A token that ordinary text may become, by the file's spelling; -1: none.
    TokenId ordinary(std::string_view spelling) const {
        const TokenId id = vocabulary_.find(spelling);
        if (id >= 0 && vocabulary_.kind(id) != TokenKind::Control && vocabulary_.kind(id) != TokenKind::Unknown)
            return id;
        std::string bytes;
        appendTokenBytes(spelling, bytes);
        return bytes_.find(bytes);
    }

    template <class OnWord>
    static void split(std::string_view text, size_t begin, size_t end, std::span<const Splitter> stages,
                      const OnWord& onWord) {
        while (begin < end) {
            const size_t pieceEnd = stages[0](text, begin, end);
            if (stages.size() > 1)
                split(text, begin, pieceEnd, stages.subspan(1), onWord);
            else
                onWord(text.substr(begin, pieceEnd - begin));
            begin = pieceEnd;
        }
    }

    void encodeWord(std::string_view word, std::vector<Symbol>& symbols, std::vector<TokenId>& out) const {
        if (preTokenizer_.ignoreMerges && word.size() <= bytes_.longest())
            if (const TokenId whole = bytes_.find(word); whole >= 0) {
                out.push_back(whole);
                return;
            }
        while (!word.empty()) {
            const std::string_view part = upToWholeCharacter(word, kLongestWord);
            word.remove_prefix(part.size());
            symbols.clear();
            for (const char c : part) {
                const TokenId id = byteIds_[static_cast<unsigned char>(c)];
                if (id >= 0)
                    symbols.push_back({id, static_cast<uint32_t>(symbols.size()), 1});
                else if (vocabulary_.unknown() >= 0 && (symbols.empty() || symbols.back().id != vocabulary_.unknown()))
                    symbols.push_back({vocabulary_.unknown(), static_cast<uint32_t>(symbols.size()), 1});
            }
            Merger<MergeTable>(merges_).run(symbols);
            for (const Symbol& s : symbols)
                out.push_back(s.id);
        }
    }

    const PreTokenizer& preTokenizer_;
    TextTable bytes_; // what each token stands for
    std::array<TokenId, 256> byteIds_{};
    MergeTable merges_;
};

} // namespace

std::unique_ptr<Tokenizer> makeByteBpe(const Metadata& m) {
    return std::make_unique<ByteBpe>(m);
}

} // namespace hearth::engine
