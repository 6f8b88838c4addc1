#include "engine/tokenizer/splitters.h"

#include "engine/unicode.h"

#include <cstdint>

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

/// `\s*[\r\n]+|\s+(?!\S)|\s+`: a run of blanks up to its last line break, if it has one.
size_t blankLinesEnd(std::string_view text, size_t begin, size_t end) {
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

/// `[\r\n]*`, with '/' as well in some.
template <bool slash>
size_t lineBreaksEnd(std::string_view text, size_t at, size_t end) {
    while (at < end && (text[at] == '\r' || text[at] == '\n' || (slash && text[at] == '/')))
        at++;
    return at;
}

/// Llama 3 and its relatives: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[word]+|\p{N}{1,digits}|
///  ?[^\s word \p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`, where a word is \p{L} or [\p{L}\p{M}].
template <int digits, uint8_t word>
size_t splitLlama3(std::string_view text, size_t begin, size_t end) {
    if (const size_t e = contractionEnd<true>(text, begin, end); e != begin)
        return e;
    constexpr uint8_t noMark = kSpace | kNumber | word;
    const Char c = charAt(text, begin);
    if (c.bits & word)
        return runEnd<word, 0>(text, c.end, end);
    if (c.bits & kNumber)
        return runEnd<kNumber, 0>(text, c.end, end, digits - 1);
    Char mark = c;
    if (c.end < end && c.value != '\r' && c.value != '\n') {
        const Char following = charAt(text, c.end);
        if (following.bits & word)
            return runEnd<word, 0>(text, following.end, end);
        if (c.value == ' ')
            mark = following;
    }
    if (!(mark.bits & noMark))
        return lineBreaksEnd<false>(text, runEnd<0, noMark>(text, mark.end, end), end);
    return blankLinesEnd(text, begin, end);
}

constexpr size_t kNone = SIZE_MAX;

/// `[upper-like]*[lower-like]+`: of a run of upper-like letters the greedy part gives back up to its last one that is
/// lower-like too, unless lower-like ones follow.
size_t casedWordEnd(std::string_view text, size_t at, size_t end) {
    size_t afterBoth = kNone; // behind the last character of the run that is upper-like and lower-like
    while (at < end) {
        const Char c = charAt(text, at);
        if (!(c.bits & kUpperLike))
            return c.bits & kLowerLike ? runEnd<kLowerLike, 0>(text, c.end, end) : afterBoth;
        at = c.end;
        if (c.bits & kLowerLike)
            afterBoth = at;
    }
    return afterBoth;
}

/// `[upper-like]+[lower-like]*`, asked where casedWordEnd() found nothing: so no lower-like one follows.
size_t capitalsEnd(std::string_view text, size_t at, size_t end) {
    const size_t e = runEnd<kUpperLike, 0>(text, at, end);
    return e > at ? e : kNone;
}

/// GPT-4o (o200k): words are cut where lower case turns to upper case. `contractions` belong to their word.
template <int digits, bool contractions>
size_t splitGpt4o(std::string_view text, size_t begin, size_t end) {
    const Char c = charAt(text, begin);
    const bool lead = !(c.bits & (kLetter | kNumber)) && c.value != '\r' && c.value != '\n' && c.end < end;
    for (const auto wordEnd : {casedWordEnd, capitalsEnd}) {
        size_t e = lead ? wordEnd(text, c.end, end) : kNone;
        if (e == kNone)
            e = wordEnd(text, begin, end);
        if (e != kNone)
            return contractions && e < end ? contractionEnd<true>(text, e, end) : e;
    }
    if (c.bits & kNumber)
        return runEnd<kNumber, 0>(text, c.end, end, digits - 1);
    Char mark = c;
    if (c.value == ' ' && c.end < end)
        mark = charAt(text, c.end);
    if (!(mark.bits & kWordBits))
        return lineBreaksEnd<true>(text, runEnd<0, kWordBits>(text, mark.end, end), end);
    return blankLinesEnd(text, begin, end);
}

bool isAsciiLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// The end of a match of DeepSeek V3's last expression that begins here, or kNone.
size_t deepSeek3Match(std::string_view text, size_t begin, size_t end) {
    constexpr uint8_t word = kLetter | kMark, mark = kPunctuation | kSymbol;
    const Char c = charAt(text, begin);
    if (c.value < 128 && (c.bits & mark) && c.end < end && isAsciiLetter(text[c.end])) {
        size_t at = c.end;
        while (at < end && isAsciiLetter(text[at]))
            at++;
        return at;
    }
    if (c.bits & word)
        return runEnd<word, 0>(text, c.end, end);
    Char sign = c;
    if (c.end < end && c.value != '\r' && c.value != '\n' && !(c.bits & mark)) {
        const Char following = charAt(text, c.end);
        if (following.bits & word)
            return runEnd<word, 0>(text, following.end, end);
        if (c.value == ' ')
            sign = following;
    }
    if (sign.bits & mark)
        return lineBreaksEnd<false>(text, runEnd<mark, 0>(text, sign.end, end), end);
    return c.bits & kSpace ? blankLinesEnd(text, begin, end) : kNone;
}

size_t splitDeepSeek3(std::string_view text, size_t begin, size_t end) {
    if (const size_t e = deepSeek3Match(text, begin, end); e != kNone)
        return e;
    size_t at = charAt(text, begin).end; // what nothing matches: up to the next match
    while (at < end && deepSeek3Match(text, at, end) == kNone)
        at = charAt(text, at).end;
    return at;
}

/// Numbers in groups of at most `digits`, everything between numbers together.
template <int digits>
size_t splitNumbers(std::string_view text, size_t begin, size_t end) {
    const Char c = charAt(text, begin);
    return c.bits & kNumber ? runEnd<kNumber, 0>(text, c.end, end, digits - 1) : runEnd<0, kNumber>(text, c.end, end);
}

bool isHanOrKana(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF);
}

size_t splitHanKana(std::string_view text, size_t begin, size_t end) {
    Char c = charAt(text, begin);
    const bool inside = isHanOrKana(c.value);
    while (c.end < end) {
        const Char following = charAt(text, c.end);
        if (isHanOrKana(following.value) != inside)
            break;
        c = following;
    }
    return c.end;
}

constexpr KnownPattern kKnownPatterns[] = {
    {patterns::kGpt2, splitGpt2},
    {patterns::kLlama3, splitLlama3<3, kLetter>},
    {patterns::kQwen2, splitLlama3<1, kLetter>},
    {patterns::kQwen35, splitLlama3<1, kLetter | kMark>},
    {patterns::kGpt4o, splitGpt4o<3, true>},
    {patterns::kTekken, splitGpt4o<1, false>},
    {patterns::kDeepSeek3, splitDeepSeek3},
    {patterns::kNumber, splitNumbers<1>},
    {patterns::kNumbers3, splitNumbers<3>},
    {patterns::kHanKana, splitHanKana},
};

} // namespace

const KnownPattern* findKnownPattern(std::string_view pattern) {
    for (const KnownPattern& known : kKnownPatterns)
        if (known.pattern == pattern)
            return &known;
    return nullptr;
}

} // namespace hearth::engine
