#include "engine/error.h"
#include "engine/tokenizer/word_model.h"
#include "engine/unicode.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace hearth::engine {

namespace {

constexpr size_t kLongestPiece = 256;    // bytes; bounds the work at each place of a text
constexpr double kUnknownPenalty = 10.0; // below the worst piece (sentencepiece's kUnkPenalty)
constexpr uint32_t kNowhere = UINT32_MAX;

/// The pieces that a text may begin with, found byte by byte: a range of the sorted pieces that gets narrower.
class SortedPieces {
public:
    void build(const Vocabulary& v) {
        for (TokenId id = 0; id < v.size(); id++)
            if (isOrdinary(v, id) && !v.text(id).empty() && v.text(id).size() <= kLongestPiece)
                ids_.push_back(id);
        std::stable_sort(ids_.begin(), ids_.end(), [&](TokenId a, TokenId b) { return v.text(a) < v.text(b); });
        for (size_t b = 0; b < 256; b++)
            firsts_[b] = static_cast<uint32_t>(
                std::partition_point(ids_.begin(), ids_.end(),
                                     [&](TokenId id) { return static_cast<unsigned char>(v.text(id)[0]) < b; }) -
                ids_.begin());
        firsts_[256] = static_cast<uint32_t>(ids_.size());
    }

    /// onPiece(id, length), shortest first.
    template <class OnPiece>
    void forEachPrefix(const Vocabulary& v, std::string_view text, const OnPiece& onPiece) const {
        const auto first = static_cast<unsigned char>(text[0]);
        size_t low = firsts_[first], high = firsts_[first + 1];
        for (size_t length = 1; low < high; length++) {
            // All of [low, high) begin with the first `length` bytes of the text; the shortest stand first.
            if (v.text(ids_[low]).size() == length)
                onPiece(ids_[low], length);
            while (low < high && v.text(ids_[low]).size() == length)
                low++;
            if (length >= text.size())
                return;
            const auto next = static_cast<unsigned char>(text[length]);
            const auto byteAt = [&](TokenId id) { return static_cast<unsigned char>(v.text(id)[length]); };
            const auto begin = ids_.begin();
            low =
                std::partition_point(begin + low, begin + high, [&](TokenId id) { return byteAt(id) < next; }) - begin;
            high =
                std::partition_point(begin + low, begin + high, [&](TokenId id) { return byteAt(id) <= next; }) - begin;
        }
    }

private:
    std::vector<TokenId> ids_; // sorted by text
    std::array<uint32_t, 257> firsts_{};
};

class UnigramModel final : public WordModel {
public:
    UnigramModel(const Vocabulary& v, UnigramOptions options) : v_(v), options_(std::move(options)) {
        pieces_.build(v);
        double worst = std::numeric_limits<double>::infinity();
        for (TokenId id = 0; id < v.size(); id++) {
            double& score = options_.scores[id];
            score = std::isfinite(score) ? score : -1e6;
            if (isOrdinary(v, id) && v.kind(id) != TokenKind::Byte)
                worst = std::min(worst, score);
        }
        unknownScore_ = (std::isfinite(worst) ? worst : 0) - kUnknownPenalty;
        constexpr char digits[] = "0123456789ABCDEF";
        for (int b = 0; b < 256; b++) {
            const char name[] = {'<', '0', 'x', digits[b >> 4], digits[b & 15], '>'};
            byteIds_[b] = v.find({name, sizeof name});
        }
        for (TokenId id = 0; id < v.size(); id++)
            for (size_t at = v.text(id).find(kBlank); at != std::string_view::npos && isOrdinary(v, id);
                 at = v.text(id).find(kBlank, at + kBlank.size()))
                wordsAreApart_ &= at == 0 || v.text(id).substr(0, at).ends_with(kBlank);
        wordsAreApart_ &= v.find(kBlank) >= 0;
    }

    /// No piece holds U+2581 behind another character: then the best sequence is made of those of the words.
    size_t partEnd(std::string_view text) const override {
        if (!wordsAreApart_)
            return text.size();
        size_t start = 0;
        while (text.substr(start).starts_with(kBlank))
            start += kBlank.size();
        return std::min(text.find(kBlank, start), text.size());
    }

    void encode(std::string_view word, ModelScratch& scratch, std::vector<TokenId>& out) const override {
        while (!word.empty()) {
            const std::string_view part = upToWholeCharacter(word, kLongestWord);
            word.remove_prefix(part.size());
            encodePart(part, scratch, out);
        }
    }

private:
    /// scores[i], starts[i], ids[i]: the best sequence that ends at byte i, and its last piece.
    void encodePart(std::string_view text, ModelScratch& s, std::vector<TokenId>& out) const {
        s.scores.assign(text.size() + 1, 0);
        s.starts.assign(text.size() + 1, kNowhere);
        s.ids.assign(text.size() + 1, -1);
        const auto offer = [&](size_t from, size_t length, TokenId id, double score) {
            const size_t to = from + length;
            if (s.starts[to] != kNowhere && s.scores[from] + score <= s.scores[to])
                return;
            s.scores[to] = s.scores[from] + score;
            s.starts[to] = static_cast<uint32_t>(from);
            s.ids[to] = id;
        };
        for (size_t at = 0; at < text.size();) {
            const size_t character = decodeUtf8(text.substr(at)).length;
            bool single = false; // the character itself is a piece
            pieces_.forEachPrefix(v_, text.substr(at), [&](TokenId id, size_t length) {
                offer(at, length, id, options_.scores[id]);
                single |= length == character;
            });
            if (!single)
                offer(at, character, -1, unknownScore_);
            at += character;
        }
        writeBest(text, s, out);
    }

    void writeBest(std::string_view text, ModelScratch& s, std::vector<TokenId>& out) const {
        std::vector<Symbol>& path = s.symbols;
        path.clear();
        for (size_t at = text.size(); at > 0; at = s.starts[at])
            path.push_back({s.ids[at], s.starts[at], static_cast<uint32_t>(at - s.starts[at])});
        bool fused = false; // the piece before was unknown, and this one may join it
        for (auto piece = path.rbegin(); piece != path.rend(); ++piece) {
            if (piece->id >= 0)
                out.push_back(piece->id);
            else if (!addFallback(text.substr(piece->begin, piece->length), out) && v_.unknown() >= 0 &&
                     !(fused && options_.fuseUnknown))
                out.push_back(v_.unknown());
            fused = piece->id < 0;
        }
    }

    bool addFallback(std::string_view bytes, std::vector<TokenId>& out) const {
        if (!options_.byteFallback)
            return false;
        for (const char c : bytes)
            if (byteIds_[static_cast<unsigned char>(c)] < 0)
                return false;
        for (const char c : bytes)
            out.push_back(byteIds_[static_cast<unsigned char>(c)]);
        return true;
    }

    const Vocabulary& v_;
    UnigramOptions options_;
    SortedPieces pieces_;
    double unknownScore_ = 0;
    std::array<TokenId, 256> byteIds_{}; // -1: none
    bool wordsAreApart_ = true;
};

} // namespace

std::unique_ptr<WordModel> makeUnigramModel(const Vocabulary& v, UnigramOptions options) {
    if (options.scores.size() < static_cast<size_t>(v.size()))
        throw Error("The tokenizer's vocabulary has " + std::to_string(options.scores.size()) + " scores for " +
                    std::to_string(v.size()) + " tokens.");
    return std::make_unique<UnigramModel>(v, std::move(options));
}

} // namespace hearth::engine
