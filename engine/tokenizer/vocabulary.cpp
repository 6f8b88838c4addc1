#include "engine/tokenizer/vocabulary.h"

#include "engine/error.h"

#include <algorithm>
#include <string>

namespace hearth::engine {

namespace {

constexpr size_t kMostTokens = 1 << 24;
constexpr size_t kLongestSpecial = 256; // bytes; bounds the work at each position of a text

/// Texts that end a turn in published models. Files often name only one of theirs as eos.
constexpr std::string_view kEndsOfTurn[] = {
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|endofturn|>",
    "[|endofturn|]",
    "<|end_of_msg|>",
    "<|end_of_sentence|>",
    "<|assistant_end|>",
    "<seed:eos>",
    "[e~[",
    "<｜hy_place▁holder▁no▁2｜>",
    "<end_of_turn>",
    "<turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|role_end|>",
    "<|end_of_role_text|>",
    "<end_of_utterance>",
    "</s>",
    "<eos>",
    "[EOS]",
    "<EOT>",
    "_<EOT>",
    "[/EOT]",
    "<｜end▁of▁sentence｜>",
    "<|end▁of▁sentence|>",
    "<end▁of▁sentence>",
};

/// "</s>" and the like are words of web text too: vocabularies of files that mark their own control tokens have them.
bool isPlainMarkup(std::string_view endOfTurn) {
    return endOfTurn == "</s>" || endOfTurn == "<eos>" || endOfTurn == "[EOS]";
}

TokenKind kindOf(int64_t fileValue) {
    // tokenizer.ggml.token_type: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte.
    constexpr TokenKind kinds[] = {TokenKind::Normal,      TokenKind::Normal, TokenKind::Unknown, TokenKind::Control,
                                   TokenKind::UserDefined, TokenKind::Unused, TokenKind::Byte};
    return fileValue >= 0 && fileValue < static_cast<int64_t>(std::size(kinds)) ? kinds[fileValue] : TokenKind::Normal;
}

/// "<unk>", "[UNK]", "<unknown>"
bool isCalledUnknown(std::string_view text) {
    return text.find("unk") != text.npos || text.find("UNK") != text.npos;
}

} // namespace

bool looksLikeTag(std::string_view t) {
    if (t.size() < 3)
        return false;
    const auto ends = [&](std::string_view open, std::string_view close) {
        return t.starts_with(open) && t.ends_with(close);
    };
    return ends("<", ">") || ends("[", "]") || ends("<", "|") || ends("|", ">") || ends("｜", "｜") || ends("_<", ">");
}

TokenId tokenIdOf(const Metadata& m, std::string_view key, int size) {
    const int64_t id = m.integer(key, -1);
    return id >= 0 && id < size ? static_cast<TokenId>(id) : -1;
}

Vocabulary::Vocabulary(const Metadata& m, bool kindsAreKnown) {
    const std::vector<std::string>* tokens = m.texts("tokenizer.ggml.tokens");
    if (!tokens || tokens->empty())
        throw Error("The file has no vocabulary: tokenizer.ggml.tokens is missing or empty.");
    if (tokens->size() > kMostTokens)
        throw Error("tokenizer.ggml.tokens has " + std::to_string(tokens->size()) + " entries, which is too many.");
    size_t bytes = 0;
    for (const std::string& t : *tokens)
        bytes += t.size();
    texts_.reserve(tokens->size(), bytes);
    for (const std::string& t : *tokens)
        texts_.add(t);

    // Fewer kinds than tokens: the others are normal; more: the rest means nothing.
    const std::vector<int64_t> types = m.integers("tokenizer.ggml.token_type");
    kinds_.assign(tokens->size(), TokenKind::Normal);
    for (size_t i = 0; i < std::min(types.size(), kinds_.size()); i++)
        kinds_[i] = kindOf(types[i]);
    // The index comes first: marking looks texts up.
    texts_.index([](TokenId) { return true; });
    markControls(m, kindsAreKnown);
    unknown_ = tokenIdOf(m, "tokenizer.ggml.unknown_token_id", size());
    if (unknown_ < 0)
        for (TokenId id = 0; id < size() && unknown_ < 0; id++)
            unknown_ = kinds_[id] == TokenKind::Unknown ? id : -1;
    if (unknown_ >= 0 && kinds_[unknown_] == TokenKind::Control && !isCalledUnknown(text(unknown_)))
        unknown_ = -1; // an odd character of a user must not end a turn
}

/// Some files call their turn marks normal words, or have no kinds at all; then a user could write them. What the file
/// names as bos, eos and the like, and what ends a turn, is control whatever its kind says.
void Vocabulary::markControls(const Metadata& m, bool kindsAreKnown) {
    const auto mark = [&](TokenId id) {
        if (id >= 0 && kinds_[id] != TokenKind::Byte && looksLikeTag(texts_.text(id)))
            kinds_[id] = TokenKind::Control;
    };
    for (const char* key : {"bos", "eos", "eot", "eom", "padding", "seperator", "separator", "mask", "cls"})
        mark(tokenIdOf(m, std::string("tokenizer.ggml.") + key + "_token_id", size()));
    const bool someAre = std::find(kinds_.begin(), kinds_.end(), TokenKind::Control) != kinds_.end();
    for (const std::string_view text : kEndsOfTurn)
        if (const TokenId id = texts_.find(text); id >= 0 && kinds_[id] == TokenKind::Normal && !kindsAreKnown)
            if (!someAre || !isPlainMarkup(text))
                mark(id);
    if (!m.contains("tokenizer.ggml.token_type"))
        for (TokenId id = 0; id < size(); id++) {
            const std::string_view t = texts_.text(id);
            if (t.size() > 4 && t.starts_with("<|") && t.ends_with("|>"))
                kinds_[id] = TokenKind::Control;
        }
    // Of equal texts, the one that means something is found.
    bool shadowed = false;
    for (TokenId id = 0; id < size() && !shadowed; id++)
        shadowed = kinds_[id] == TokenKind::Control && kinds_[texts_.find(texts_.text(id))] != TokenKind::Control;
    if (!shadowed)
        return;
    texts_.index([&](TokenId id) { return kinds_[id] == TokenKind::Control; });
    texts_.indexAlso([&](TokenId id) { return kinds_[id] != TokenKind::Control; });
}

std::vector<TokenId> Vocabulary::endsOfTurn(const Metadata& m) const {
    std::vector<TokenId> ids;
    for (const char* key : {"eos", "eot", "eom"})
        if (const TokenId id = tokenIdOf(m, std::string("tokenizer.ggml.") + key + "_token_id", size()); id >= 0)
            ids.push_back(id);
    // In the channel format of gpt-oss, <|end|> closes a part of a turn, not the turn.
    const bool channels = find("<|return|>") >= 0 && find("<|call|>") >= 0;
    for (const std::string_view text : kEndsOfTurn) {
        const TokenId id = find(text);
        if (id >= 0 && kinds_[id] == TokenKind::Control && !(channels && text == "<|end|>"))
            ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

void SpecialTokens::add(std::string_view text, TokenId id, TokenKind kind, SpecialRule rule) {
    if (text.empty() || text.size() > kLongestSpecial)
        return;
    const bool user = kind != TokenKind::Control && kind != TokenKind::Unknown;
    texts_.add(text);
    entries_.push_back({id, !user ? Who::TrustedOnly : looksLikeTag(text) ? Who::Tag : Who::Everywhere, rule});
    std::vector<size_t>& lengths = lengths_[static_cast<unsigned char>(text[0])];
    if (std::find(lengths.begin(), lengths.end(), text.size()) == lengths.end())
        lengths.push_back(text.size());
}

void SpecialTokens::finish(bool refusedStay) {
    refusedStay_ = refusedStay;
    for (auto& lengths : lengths_)
        std::sort(lengths.rbegin(), lengths.rend());
    texts_.index([](TokenId) { return true; });
}

SpecialTokens::Match SpecialTokens::at(std::string_view text, size_t at, size_t trusted, bool tagsCount) const {
    for (const size_t length : lengths_[static_cast<unsigned char>(text[at])]) {
        if (length > text.size() - at)
            continue;
        const TokenId found = texts_.find(text.substr(at, length));
        if (found < 0)
            continue;
        const Entry& e = entries_[found];
        if (e.who == Who::Everywhere || (e.who == Who::Tag && tagsCount) || length <= trusted)
            return {e.id, length, e.rule};
        if (refusedStay_ && tagsCount)
            return {-1, length, {}};
    }
    return {};
}

} // namespace hearth::engine
