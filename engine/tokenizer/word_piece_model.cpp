#include "engine/tokenizer/word_model.h"
#include "engine/unicode.h"

namespace hearth::engine {

namespace {

class WordPieceModel final : public WordModel {
public:
    WordPieceModel(const Vocabulary& v, WordPieceOptions options)
        : unknown_(v.unknown()), options_(std::move(options)) {
        // Two tables, spelled without their marks. A token without a mark is of both kinds where the mark is empty.
        for (TokenId id = 0; id < v.size(); id++) {
            const std::string_view text = v.text(id);
            const bool continuing = !options_.continuing.empty() && text.starts_with(options_.continuing);
            const bool first = !continuing && text.starts_with(options_.first);
            add(first_, first && isOrdinary(v, id), text, options_.first.size());
            add(continuing_, continuing || (options_.continuing.empty() && !first), text, options_.continuing.size());
        }
        first_.index([&](TokenId id) { return !first_.text(id).empty(); });
        continuing_.index([&](TokenId id) { return !continuing_.text(id).empty() && isOrdinary(v, id); });
    }

    void encode(std::string_view word, ModelScratch&, std::vector<TokenId>& out) const override {
        const size_t before = out.size();
        if (word.size() > options_.longestWord && countCodePoints(word) > options_.longestWord) {
            addUnknown(out);
            return;
        }
        for (size_t at = 0; at < word.size();) {
            const TextTable& table = at == 0 ? first_ : continuing_;
            size_t length = std::min(word.size() - at, table.longest());
            TokenId id = -1;
            for (; length > 0 && id < 0; length -= id < 0)
                if (at + length == word.size() || !isUtf8Continuation(word[at + length]))
                    id = table.find(word.substr(at, length));
            if (id < 0) { // one piece is missing: the whole word is unknown
                out.resize(before);
                addUnknown(out);
                return;
            }
            out.push_back(id);
            at += length;
        }
    }

private:
    static void add(TextTable& table, bool wanted, std::string_view text, size_t mark) {
        table.add(wanted ? text.substr(mark) : std::string_view());
    }

    void addUnknown(std::vector<TokenId>& out) const {
        if (unknown_ >= 0)
            out.push_back(unknown_);
    }

    const TokenId unknown_;
    const WordPieceOptions options_;
    TextTable first_, continuing_; // by id; empty: not of this kind
};

} // namespace

std::unique_ptr<WordModel> makeWordPieceModel(const Vocabulary& v, WordPieceOptions options) {
    return std::make_unique<WordPieceModel>(v, std::move(options));
}

} // namespace hearth::engine
