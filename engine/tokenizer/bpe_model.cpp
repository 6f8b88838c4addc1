#include "engine/tokenizer/word_model.h"
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

/// (left id, right id) -> rank and merged id. Open addressing, at most half full.
class MergeTable {
public:
    void reserve(size_t merges) {
        size_t slots = 16;
        while (slots < 2 * merges)
            slots *= 2;
        slots_.assign(slots, Slot{});
    }

    void add(TokenId left, TokenId right, uint32_t rank, TokenId merged, bool replace) {
        Slot& slot = slots_[find(keyOf(left, right))];
        if (slot.merged < 0 || replace)
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

class BpeModel final : public WordModel {
public:
    BpeModel(const Vocabulary& v, const MergeRules& rules, const BpeOptions& options)
        : options_(options), unknown_(v.unknown()) {
        fillTokens(v);
        fillMerges(v, rules);
    }

    /// No token holds U+2581 behind another character: then words can be merged, and remembered, one by one.
    size_t partEnd(std::string_view text) const override {
        if (!wordsAreApart_)
            return text.size();
        size_t start = 0;
        while (text.substr(start).starts_with(kBlank))
            start += kBlank.size();
        return std::min(text.find(kBlank, start), text.size());
    }

    void encode(std::string_view word, ModelScratch& scratch, std::vector<TokenId>& out) const override {
        if (options_.ignoreMerges && word.size() <= tokens_.longest())
            if (const TokenId whole = tokens_.find(word); whole >= 0) {
                out.push_back(whole);
                return;
            }
        std::vector<Symbol>& symbols = scratch.symbols;
        while (!word.empty()) {
            const std::string_view part = upToWholeCharacter(word, kLongestWord);
            word.remove_prefix(part.size());
            symbols.clear();
            if (options_.byteAlphabet)
                addBytes(part, symbols);
            else
                addCharacters(part, symbols);
            Merger<MergeTable>(merges_).run(symbols);
            for (const Symbol& s : symbols)
                out.push_back(s.id);
        }
    }

private:
    void fillTokens(const Vocabulary& v) {
        std::string one;
        wordsAreApart_ = !options_.byteAlphabet && options_.suffix.empty() && v.find(kBlank) >= 0;
        for (TokenId id = 0; id < v.size(); id++) {
            const std::string_view text = v.text(id);
            const int byte = byteOfToken(text);
            one.clear();
            if (options_.byteAlphabet && byte >= 0 && v.kind(id) == TokenKind::Byte)
                one += static_cast<char>(byte);
            else if (options_.byteAlphabet && v.kind(id) == TokenKind::Normal)
                appendTokenBytes(text, false, one);
            else
                one = text;
            tokens_.add(one);
            if (isOrdinary(v, id))
                for (size_t at = text.find(kBlank); at != text.npos; at = text.find(kBlank, at + kBlank.size()))
                    wordsAreApart_ &= at == 0 || text.substr(0, at).ends_with(kBlank);
        }
        // Only these may come out of ordinary text; control tokens never.
        tokens_.index([&](TokenId id) { return isOrdinary(v, id); });
        for (int b = 0; b < 256; b++) {
            constexpr char digits[] = "0123456789ABCDEF";
            const char name[] = {'<', '0', 'x', digits[b >> 4], digits[b & 15], '>'};
            const char byte = static_cast<char>(b);
            byteIds_[b] = options_.byteAlphabet ? tokens_.find({&byte, 1}) : tokens_.find({name, sizeof name});
        }
    }

    void fillMerges(const Vocabulary& v, const MergeRules& rules) {
        merges_.reserve(rules.size());
        std::string text;
        for (size_t rank = 0; rank < rules.size(); rank++) {
            const std::string_view left = rules.side(2 * rank), right = rules.side(2 * rank + 1);
            const TokenId a = ordinary(v, left), b = ordinary(v, right);
            text.assign(left).append(right.substr(right.starts_with(options_.prefix) ? options_.prefix.size() : 0));
            const TokenId merged = ordinary(v, text);
            if (a >= 0 && b >= 0 && merged >= 0)
                merges_.add(a, b, static_cast<uint32_t>(rank), merged, options_.lastRankCounts);
        }
    }

    /// A token that ordinary text may become, by the file's spelling; -1: none.
    TokenId ordinary(const Vocabulary& v, std::string_view spelling) const {
        const TokenId id = v.find(spelling);
        if (id >= 0 && isOrdinary(v, id))
            return id;
        if (!options_.byteAlphabet)
            return -1;
        std::string bytes;
        appendTokenBytes(spelling, false, bytes);
        return tokens_.find(bytes);
    }

    void addUnknown(uint32_t at, uint32_t length, std::vector<Symbol>& symbols) const {
        if (unknown_ < 0)
            return;
        if (options_.fuseUnknown && !symbols.empty() && symbols.back().id == unknown_)
            return;
        symbols.push_back({unknown_, at, length});
    }

    void addBytes(std::string_view text, std::vector<Symbol>& symbols) const {
        for (uint32_t at = 0; at < text.size(); at++) {
            const TokenId id = byteIds_[static_cast<unsigned char>(text[at])];
            if (id >= 0)
                symbols.push_back({id, at, 1});
            else
                addUnknown(at, 1, symbols);
        }
    }

    void addCharacters(std::string_view text, std::vector<Symbol>& symbols) const {
        const bool plain = options_.prefix.empty() && options_.suffix.empty();
        std::string spelled;
        for (uint32_t at = 0; at < text.size();) {
            const uint32_t length = decodeUtf8(text.substr(at)).length;
            const std::string_view character = text.substr(at, length);
            TokenId id;
            if (plain) {
                id = tokens_.find(character);
            } else {
                spelled.assign(at == 0 ? std::string_view() : std::string_view(options_.prefix)).append(character);
                if (at + length == text.size())
                    spelled.append(options_.suffix);
                id = tokens_.find(spelled);
            }
            if (id >= 0)
                symbols.push_back({id, at, length});
            else if (!options_.byteFallback || !addFallback(character, at, symbols))
                addUnknown(at, length, symbols);
            at += length;
        }
    }

    bool addFallback(std::string_view character, uint32_t at, std::vector<Symbol>& symbols) const {
        for (const char c : character)
            if (byteIds_[static_cast<unsigned char>(c)] < 0)
                return false;
        for (const char c : character)
            symbols.push_back({byteIds_[static_cast<unsigned char>(c)], at++, 1});
        return true;
    }

    const BpeOptions options_;
    const TokenId unknown_;
    bool wordsAreApart_ = false;
    TextTable tokens_;                   // what each token stands for
    std::array<TokenId, 256> byteIds_{}; // -1: none
    MergeTable merges_;
};

} // namespace

bool isOrdinary(const Vocabulary& v, TokenId id) {
    const TokenKind k = v.kind(id);
    return k != TokenKind::Control && k != TokenKind::Unknown &&
           !(k == TokenKind::UserDefined && looksLikeTag(v.text(id)));
}

void appendTokenBytes(std::string_view text, bool whole, std::string& out) {
    const ByteAlphabet& alphabet = byteAlphabet();
    const size_t before = out.size();
    for (size_t i = 0; i < text.size();) {
        const CodePoint c = decodeUtf8(text.substr(i));
        if (c.valid && c.value < alphabet.byte.size() && alphabet.byte[c.value] >= 0) {
            out += static_cast<char>(alphabet.byte[c.value]);
        } else if (whole) {
            out.replace(before, out.npos, text);
            return;
        } else {
            out.append(text.substr(i, c.length));
        }
        i += c.length;
    }
}

void appendByteCharacter(char byte, std::string& out) {
    appendUtf8(out, byteAlphabet().character[static_cast<unsigned char>(byte)]);
}

void MergeRules::add(std::string_view left, std::string_view right) {
    bytes.append(left);
    ends.push_back(static_cast<uint32_t>(bytes.size()));
    bytes.append(right);
    ends.push_back(static_cast<uint32_t>(bytes.size()));
}

std::unique_ptr<WordModel> makeBpeModel(const Vocabulary& v, const MergeRules& rules, const BpeOptions& options) {
    return std::make_unique<BpeModel>(v, rules, options);
}

} // namespace hearth::engine
