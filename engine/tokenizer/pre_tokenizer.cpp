#include "engine/tokenizer/pre_tokenizer.h"

#include "engine/unicode.h"

namespace hearth::engine {

namespace {

struct Char {
    char32_t value;
    uint8_t bits;
    size_t end; // where the next one begins
};

inline Char charAt(std::string_view text, size_t at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80)
        return {byte, charClass(byte), at + 1};
    const CodePoint c = decodeUtf8(text.substr(at));
    return {c.value, c.valid ? charClass(c.value) : uint8_t(0), at + c.length};
}

/// The end of the run of characters that have all of `with` (any bit) and none of `without`.
template <uint8_t with, uint8_t without>
inline size_t runEnd(std::string_view text, size_t at, size_t end, int most = -1) {
    while (at < end && most != 0) {
        const Char c = charAt(text, at);
        if ((with && !(c.bits & with)) || (c.bits & without))
            break;
        at = c.end;
        most--;
    }
    return at;
}

constexpr uint8_t kWordBits = kSpace | kLetter | kNumber;

/// `\s+(?!\S)|\s+`: a run of blanks leaves its last one to the word that follows.
size_t blanksEnd(std::string_view text, size_t begin, size_t end) {
    size_t last = begin, at = begin;
    while (at < end) {
        const Char c = charAt(text, at);
        if (!(c.bits & kSpace))
            break;
        last = at;
        at = c.end;
    }
    return at == end || last == begin ? at : last;
}

/// `'s|'t|'re|'ve|'m|'ll|'d`: the end, or `begin` when there is none. Folding case, U+017F counts as s.
template <bool foldCase>
size_t contractionEnd(std::string_view text, size_t begin, size_t end) {
    if (text[begin] != '\'' || begin + 1 >= end)
        return begin;
    const auto lower = [&](size_t i) {
        const char c = i < end ? text[i] : '\0';
        return foldCase && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    const char a = lower(begin + 1), b = lower(begin + 2);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return begin + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return begin + 3;
    if (foldCase && a == '\xC5' && b == '\xBF')
        return begin + 3;
    return begin;
}

/// GPT-2 (Radford et al. 2019): `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
size_t splitGpt2(std::string_view text, size_t begin, size_t end) {
    if (const size_t e = contractionEnd<false>(text, begin, end); e != begin)
        return e;
    size_t at = begin;
    Char c = charAt(text, at);
    if (c.value == ' ' && c.end < end) {
        const Char following = charAt(text, c.end);
        if (!(following.bits & kSpace)) {
            at = c.end;
            c = following;
        }
    }
    if (c.bits & kLetter)
        return runEnd<kLetter, 0>(text, c.end, end);
    if (c.bits & kNumber)
        return runEnd<kNumber, 0>(text, c.end, end);
    if (!(c.bits & kSpace))
        return runEnd<0, kWordBits>(text, c.end, end);
    return blanksEnd(text, begin, end);
}

/// Llama 3 and its relatives: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}|
///  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
template <int digits>
size_t splitLlama3(std::string_view text, size_t begin, size_t end) {
    if (const size_t e = contractionEnd<true>(text, begin, end); e != begin)
        return e;
    const Char c = charAt(text, begin);
    if (c.bits & kLetter)
        return runEnd<kLetter, 0>(text, c.end, end);
    if (c.bits & kNumber)
        return runEnd<kNumber, 0>(text, c.end, end, digits - 1);
    Char mark = c;
    if (c.end < end && c.value != '\r' && c.value != '\n') {
        const Char following = charAt(text, c.end);
        if (following.bits & kLetter)
            return runEnd<kLetter, 0>(text, following.end, end);
        if (c.value == ' ')
            mark = following;
    }
    if (!(mark.bits & kWordBits)) {
        size_t at = runEnd<0, kWordBits>(text, mark.end, end);
        while (at < end && (text[at] == '\r' || text[at] == '\n'))
            at++;
        return at;
    }
    // A run of blanks: up to its last line break, if it has one.
    size_t afterBreak = begin, at = begin;
    while (at < end) {
        const Char blank = charAt(text, at);
        if (!(blank.bits & kSpace))
            break;
        at = blank.end;
        if (blank.value == '\r' || blank.value == '\n')
            afterBreak = at;
    }
    return afterBreak != begin ? afterBreak : blanksEnd(text, begin, end);
}

/// Every digit alone, everything between digits together: `\p{N}`.
size_t splitDigits(std::string_view text, size_t begin, size_t end) {
    const Char c = charAt(text, begin);
    return c.bits & kNumber ? c.end : runEnd<0, kNumber>(text, c.end, end);
}

constexpr Splitter kGpt2[] = {splitGpt2};
constexpr Splitter kDigitsGpt2[] = {splitDigits, splitGpt2};
constexpr Splitter kLlama3[] = {splitLlama3<3>};
constexpr Splitter kQwen2[] = {splitLlama3<1>};

constexpr PreTokenizer kPreTokenizers[] = {
    // name, stages, ignore merges
    {"gpt-2", kGpt2},
    {"gpt2", kGpt2},
    {"default", kGpt2},
    {"phi-2", kGpt2},
    {"mpt", kGpt2},
    {"olmo", kGpt2},
    {"jais", kGpt2},
    {"roberta-bpe", kGpt2},
    {"modern-bert", kGpt2},
    {"smollm", kDigitsGpt2},
    {"starcoder", kDigitsGpt2},
    {"refact", kDigitsGpt2},
    {"command-r", kDigitsGpt2},
    {"codeshell", kDigitsGpt2},
    {"exaone", kDigitsGpt2},
    {"minerva-7b", kDigitsGpt2},
    {"llama-bpe", kLlama3, true},
    {"llama3", kLlama3, true},
    {"llama-v3", kLlama3, true},
    {"falcon3", kLlama3, true},
    {"pixtral", kLlama3, true},
    {"smaug-bpe", kLlama3},
    {"dbrx", kLlama3},
    {"qwen2", kQwen2},
    {"stablelm2", kQwen2},
    {"deepseek-r1-qwen", kQwen2},
    {"megrez", kQwen2},
};

} // namespace

const PreTokenizer* findPreTokenizer(std::string_view name) {
    for (const PreTokenizer& p : kPreTokenizers)
        if (p.name == name)
            return &p;
    return nullptr;
}

} // namespace hearth::engine
