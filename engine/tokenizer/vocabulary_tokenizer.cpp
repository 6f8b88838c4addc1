#include "engine/tokenizer/vocabulary_tokenizer.h"

#include "engine/unicode.h"

#include <algorithm>

namespace hearth::engine {

VocabularyTokenizer::VocabularyTokenizer(const Metadata& m, bool addBosByDefault)
    : vocabulary_(m), specials_(vocabulary_) {
    bos_ = tokenIdOf(m, "tokenizer.ggml.bos_token_id", size());
    eos_ = tokenIdOf(m, "tokenizer.ggml.eos_token_id", size());
    addBos_ = bos_ >= 0 && m.boolean("tokenizer.ggml.add_bos_token", addBosByDefault);
    addEos_ = eos_ >= 0 && m.boolean("tokenizer.ggml.add_eos_token", false);
    stopIds_ = vocabulary_.endsOfTurn(m);
}

void VocabularyTokenizer::encodeInto(std::string_view text, std::span<const TaggedText::Range> untrusted,
                                     Untrusted tags, std::vector<TokenId>& out) const {
    out.reserve(out.size() + text.size() / 4);
    WordCache cache(text.size());
    size_t fragment = 0; // where the ordinary text before `at` begins
    bool opens = true;   // nothing but control tokens so far, or just behind one
    size_t range = 0;
    for (size_t at = 0; at < text.size();) {
        if (!specials_.mayBegin(text[at])) {
            at++;
            continue;
        }
        while (range < untrusted.size() && untrusted[range].end <= at)
            range++;
        const bool inside = range < untrusted.size() && untrusted[range].begin <= at;
        const size_t trustedEnd = inside ? at : range < untrusted.size() ? untrusted[range].begin : text.size();
        const SpecialTokens::Match match = specials_.at(text, at, trustedEnd - at, tags == Untrusted::TagsCount);
        if (match.id < 0) {
            at++;
            continue;
        }
        if (fragment < at)
            encodeFragment(text.substr(fragment, at - fragment), opens, cache, out);
        out.push_back(match.id);
        at += match.length;
        fragment = at;
        opens = vocabulary_.kind(match.id) != TokenKind::UserDefined;
    }
    if (fragment < text.size())
        encodeFragment(text.substr(fragment), opens, cache, out);
}

int byteOfToken(std::string_view t) {
    const auto digit = [](char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                      : -1;
    };
    if (t.size() != 6 || !t.starts_with("<0x") || t[5] != '>' || digit(t[3]) < 0 || digit(t[4]) < 0)
        return -1;
    return digit(t[3]) * 16 + digit(t[4]);
}

std::string_view upToWholeCharacter(std::string_view text, size_t most) {
    if (text.size() <= most)
        return text;
    size_t cut = most;
    while (cut > most - std::min<size_t>(most, 3) && isUtf8Continuation(text[cut]))
        cut--;
    return text.substr(0, cut > 0 ? cut : most);
}

} // namespace hearth::engine
