#include "ui/text/script_runs.h"

#include <QChar>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <iterator>

namespace hearth::ui {
namespace {

struct Range {
    char32_t first;
    char32_t last;
    CharClass kind;
};

// Sorted; what stands between the rows is CharClass::Other or a letter.
constexpr Range kRanges[] = {
    {0x00B7, 0x00B7, CharClass::SharedMark}, // ·
    {0x1100, 0x11FF, CharClass::Han},        // hangul jamo
    {0x2014, 0x2015, CharClass::SharedMark}, // — ―
    {0x2018, 0x2019, CharClass::SharedMark}, // ‘ ’
    {0x201C, 0x201D, CharClass::SharedMark}, // “ ”
    {0x2025, 0x2026, CharClass::SharedMark}, // ‥ …
    {0x2E80, 0x2FFF, CharClass::Han},        // radicals, description characters
    {0x3000, 0x3004, CharClass::CjkMark},    // ideographic space, comma, full stop
    {0x3005, 0x3007, CharClass::Han},        // 々〆〇
    {0x3008, 0x3020, CharClass::CjkMark},    // brackets
    {0x3021, 0x3029, CharClass::Han},        // Hangzhou numerals
    {0x302A, 0x3030, CharClass::CjkMark},    //
    {0x3031, 0x303C, CharClass::Han},        //
    {0x303D, 0x303F, CharClass::CjkMark},    //
    {0x3040, 0x30FA, CharClass::Han},        // kana
    {0x30FB, 0x30FB, CharClass::CjkMark},    // ・
    {0x30FC, 0x33FF, CharClass::Han},        // bopomofo, hangul jamo, enclosed, squared
    {0x3400, 0x4DBF, CharClass::Han},        // extension A
    {0x4E00, 0x9FFF, CharClass::Han},        // unified ideographs
    {0xA000, 0xA4CF, CharClass::Han},        // Yi
    {0xA960, 0xA97F, CharClass::Han},        // hangul jamo extended A
    {0xAC00, 0xD7FF, CharClass::Han},        // hangul
    {0xF900, 0xFAFF, CharClass::Han},        // compatibility ideographs
    {0xFE10, 0xFE1F, CharClass::CjkMark},    // vertical forms
    {0xFE30, 0xFE6F, CharClass::CjkMark},    // compatibility and small forms
    {0xFF01, 0xFF0F, CharClass::CjkMark},    // ！ to ／
    {0xFF10, 0xFF19, CharClass::Han},        // full-width digits
    {0xFF1A, 0xFF20, CharClass::CjkMark},    //
    {0xFF21, 0xFF3A, CharClass::Han},        // full-width capitals
    {0xFF3B, 0xFF40, CharClass::CjkMark},    //
    {0xFF41, 0xFF5A, CharClass::Han},        //
    {0xFF5B, 0xFF65, CharClass::CjkMark},    //
    {0xFF66, 0xFFDC, CharClass::Han},        // half-width kana and hangul
    {0xFFE0, 0xFFEE, CharClass::CjkMark},    //
    {0x1B000, 0x1B16F, CharClass::Han},      // kana supplement
    {0x20000, 0x3FFFD, CharClass::Han},      // extensions B and later
};

static_assert(std::is_sorted(std::begin(kRanges), std::end(kRanges),
                             [](const Range& a, const Range& b) { return a.last < b.first; }));

struct Classified {
    char32_t code;
    int units; // UTF-16
    CharClass kind;
};

Classified classify(QStringView text, qsizetype at) {
    const QChar c = text[at];
    if (c.isHighSurrogate() && at + 1 < text.size() && text[at + 1].isLowSurrogate()) {
        const char32_t code = QChar::surrogateToUcs4(c, text[at + 1]);
        return {code, 2, charClass(code)};
    }
    return {c.unicode(), 1, charClass(c.unicode())};
}

} // namespace

CharClass charClass(char32_t c) {
    if (c < 0xB7)
        return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ? CharClass::SpacedLatin
                                                                              : CharClass::Other;
    const auto row = std::lower_bound(std::begin(kRanges), std::end(kRanges), c,
                                      [](const Range& range, char32_t code) { return range.last < code; });
    if (row != std::end(kRanges) && c >= row->first)
        return row->kind;
    return c < 0x250 || (c >= 0x370 && c < 0x530) ? CharClass::SpacedLatin : CharClass::Other;
}

bool isCjk(char32_t c) {
    if (c < 0x1100) // nothing below is
        return false;
    const int width = u_getIntPropertyValue(UChar32(c), UCHAR_EAST_ASIAN_WIDTH);
    if (width == U_EA_WIDE || width == U_EA_FULLWIDTH || width == U_EA_HALFWIDTH)
        return !u_hasBinaryProperty(UChar32(c), UCHAR_EMOJI_PRESENTATION);
    return u_getIntPropertyValue(UChar32(c), UCHAR_SCRIPT) == USCRIPT_HANGUL;
}

QVector<ScriptRun> scriptRuns(QStringView text) {
    QVector<ScriptRun> runs;
    CharClass before = CharClass::Other; // the class of the last character that is no shared mark
    qsizetype at = 0;
    while (at < text.size()) {
        const Classified c = classify(text, at);
        bool cjk = c.kind == CharClass::Han || c.kind == CharClass::CjkMark;
        if (c.kind == CharClass::SharedMark) {
            // Beside Han: the nearest neighbour on either side that is no shared mark itself decides.
            qsizetype next = at + 1;
            while (next < text.size() && next < at + 4 && classify(text, next).kind == CharClass::SharedMark)
                ++next;
            const CharClass after = next < text.size() ? classify(text, next).kind : CharClass::Other;
            cjk = before == CharClass::Han || before == CharClass::CjkMark || after == CharClass::Han ||
                  after == CharClass::CjkMark;
        }
        const bool gap = (before == CharClass::Han && c.kind == CharClass::SpacedLatin) ||
                         (before == CharClass::SpacedLatin && c.kind == CharClass::Han);
        if (gap && !runs.isEmpty())
            runs.last().spaceAfter = true;
        if (runs.isEmpty() || runs.last().cjk != cjk)
            runs.append({int(at), c.units, cjk, false});
        else
            runs.last().length += c.units;
        // A shared mark between two characters keeps them apart: no extra space there.
        before = c.kind == CharClass::SharedMark ? (cjk ? CharClass::CjkMark : CharClass::Other) : c.kind;
        at += c.units;
    }
    return runs;
}

} // namespace hearth::ui
