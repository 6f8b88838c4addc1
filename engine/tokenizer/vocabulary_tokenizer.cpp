#include "engine/tokenizer/vocabulary_tokenizer.h"

#include "engine/unicode.h"

#include <algorithm>

namespace hearth::engine {

VocabularyTokenizer::VocabularyTokenizer(const Metadata& m, bool addBosByDefault) : vocabulary_(m) {
    bos_ = tokenIdOf(m, "tokenizer.ggml.bos_token_id", size());
    eos_ = tokenIdOf(m, "tokenizer.ggml.eos_token_id", size());
    addBos_ = bos_ >= 0 && m.boolean("tokenizer.ggml.add_bos_token", addBosByDefault);
    addEos_ = eos_ >= 0 && m.boolean("tokenizer.ggml.add_eos_token", false);
    stopIds_ = vocabulary_.endsOfTurn(m);
}

SpecialTokens VocabularyTokenizer::specialsOf(const Vocabulary& v) {
    SpecialTokens out;
    for (TokenId id = 0; id < v.size(); id++)
        if (const TokenKind k = v.kind(id);
            k == TokenKind::Control || k == TokenKind::UserDefined || k == TokenKind::Unknown)
            out.add(v.text(id), id, k);
    out.finish(false);
    return out;
}

void VocabularyTokenizer::encodeInto(std::string_view text, std::span<const TaggedText::Range> untrusted,
                                     Untrusted tags, std::vector<TokenId>& out) const {
    out.reserve(out.size() + text.size() / 4);
    EncodeScratch scratch(text.size());
    const Fragment all{.whole = text, .end = text.size(), .untrusted = untrusted, .tags = tags};
    cut(
        all, specials(!untrusted.empty()), [&](const Fragment& f) { encodeFragment(f, scratch, out); },
        [&](TokenId id) { out.push_back(id); });
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

namespace {

/// The character that ends at `at`, which is not 0.
CodePoint characterBefore(std::string_view text, size_t at) {
    size_t start = at - 1;
    while (start > 0 && at - start < 4 && isUtf8Continuation(text[start]))
        start--;
    const CodePoint c = decodeUtf8(text.substr(start, at - start));
    return start + c.length == at ? c : CodePoint{};
}

bool isWord(const CodePoint& c) {
    return c.valid && (c.value == '_' || (charClass(c.value) & (kLetter | kMark | kNumber)));
}

bool isBlank(const CodePoint& c) {
    return c.valid && (charClass(c.value) & kSpace);
}

} // namespace

bool wordGoesOnBefore(std::string_view text, size_t at) {
    return at > 0 && isWord(characterBefore(text, at));
}

bool wordGoesOnBehind(std::string_view text, size_t at) {
    return at < text.size() && isWord(decodeUtf8(text.substr(at)));
}

size_t blanksBefore(std::string_view text, size_t least, size_t at) {
    while (at > least) {
        const CodePoint c = characterBefore(text, at);
        if (!isBlank(c))
            break;
        at -= c.length;
    }
    return at;
}

size_t blanksBehind(std::string_view text, size_t at, size_t most) {
    while (at < most) {
        const CodePoint c = decodeUtf8(text.substr(at, most - at));
        if (!isBlank(c))
            break;
        at += c.length;
    }
    return at;
}

} // namespace hearth::engine
