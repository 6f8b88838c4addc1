#include "ui/chat/flanking.h"

#include "ui/chat/characters.h"
#include "ui/text/script_runs.h"

namespace hearth::ui {
namespace {

/// One side of a run, in the words of the amendments.
struct Neighbour {
    bool space = false;
    bool punctuation = false; // of any kind
    bool cjk = false;         // a CJK character or sequence, or an ideographic variation selector (before a run)

    bool foreignPunctuation() const { return punctuation && !cjk; }
};

Neighbour neighbour(char32_t c) {
    return {isSpace(c), isPunctuation(c), isCjk(c)};
}

bool isVariationSelector(char32_t c) { // for general use, but for the one that makes an emoji
    return c >= 0xFE00 && c <= 0xFE0E;
}

bool isIdeographicSelector(char32_t c) {
    return c >= 0xE0100 && c <= 0xE01EF;
}

bool isQuotationMark(char32_t c) { // those that have a full-width form, by U+FE01
    return c == 0x2018 || c == 0x2019 || c == 0x201C || c == 0x201D;
}

/// What stands before a run: a selector belongs to the character before it.
Neighbour before(QStringView s, qsizetype at) {
    const char32_t c = codeBefore(s, at);
    if (isIdeographicSelector(c))
        return {.cjk = true};
    if (!isVariationSelector(c))
        return neighbour(c);
    const char32_t base = codeBefore(s, at - 1);
    Neighbour n = neighbour(base);
    n.space = false;
    if (c == 0xFE01 && isQuotationMark(base))
        n.cjk = true;
    return n;
}

} // namespace

Flanking flanking(QStringView s, qsizetype from, qsizetype to, bool inWords) {
    const Neighbour b = before(s, from);
    const Neighbour a = neighbour(codeAt(s, to));
    const bool left = !a.space && (!a.foreignPunctuation() || b.space || b.foreignPunctuation() || b.cjk);
    const bool right = !b.space && (!b.foreignPunctuation() || a.space || a.foreignPunctuation() || a.cjk);
    if (inWords)
        return {left, right};
    return {left && (!right || b.punctuation), right && (!left || a.punctuation)};
}

} // namespace hearth::ui
