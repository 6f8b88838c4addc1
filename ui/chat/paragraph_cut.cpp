#include "ui/chat/paragraph_cut.h"

#include <algorithm>
#include <vector>

namespace hearth::ui {
namespace {

/// Marks where an inline span may be open while a paragraph is read from its start: emphasis, code, brackets. An
/// approximation of the inline rules by one look at each character; a span taken for open only moves a cut.
class OpenSpans {
public:
    explicit OpenSpans(QStringView text) : text_(text) {}

    bool any() const { return !open_.empty() || brackets_ > 0; }

    /// Reads what begins at `at`; returns where the next thing begins.
    qsizetype read(qsizetype at) {
        const QChar c = text_[at];
        if (c == u'\\')
            return at + 2;
        if (c == u'[' || c == u']') {
            brackets_ = std::max(0, brackets_ + (c == u'[' ? 1 : -1));
            // The address of a link belongs to it.
            if (c == u']' && at + 1 < text_.size() && text_[at + 1] == u'(')
                open_.push_back(u'(');
            return at + (c == u']' && at + 1 < text_.size() && text_[at + 1] == u'(' ? 2 : 1);
        }
        if (c == u')' && !open_.empty() && open_.back() == u'(')
            open_.pop_back();
        if (c != u'*' && c != u'_' && c != u'~' && c != u'`')
            return at + 1;
        qsizetype end = at;
        while (end < text_.size() && text_[end] == c)
            ++end;
        if (c == u'`')
            return afterCode(at, end);
        readDelimiters(c, at, end);
        return end;
    }

private:
    /// Code ends at a run of as many backticks; one that never comes opens nothing before the cut.
    qsizetype afterCode(qsizetype at, qsizetype end) {
        const qsizetype length = end - at;
        for (qsizetype i = text_.indexOf(u'`', end); i >= 0; i = text_.indexOf(u'`', i)) {
            const qsizetype start = i;
            while (i < text_.size() && text_[i] == u'`')
                ++i;
            if (i - start == length)
                return i;
        }
        open_.push_back(u'`');
        return text_.size();
    }

    void readDelimiters(QChar c, qsizetype at, qsizetype end) {
        const bool spaceBefore = at == 0 || text_[at - 1].isSpace();
        const bool spaceAfter = end >= text_.size() || text_[end].isSpace();
        if (c == u'_' && at > 0 && end < text_.size() && text_[at - 1].isLetterOrNumber() &&
            text_[end].isLetterOrNumber())
            return; // inside a word
        qsizetype left = end - at;
        while (!spaceBefore && left > 0 && closes(c))
            --left;
        for (; !spaceAfter && left > 0 && open_.size() < kMost; --left)
            open_.push_back(c);
    }

    bool closes(QChar c) {
        const auto it = std::find(open_.rbegin(), open_.rend(), c);
        if (it == open_.rend())
            return false;
        open_.erase(std::next(it).base(), open_.end());
        return true;
    }

    static constexpr size_t kMost = 64; // open at once; more than that is no emphasis
    QStringView text_;
    std::vector<QChar> open_;
    int brackets_ = 0;
};

/// Of one UTF-16 unit: whether the character may be shown as a picture. Box drawing may not.
bool mayBeEmoji(QChar unit) {
    const char16_t c = unit.unicode();
    return (c >= 0xD83C && c <= 0xD83E) || // the first half of U+1F000 to U+1FBFF
           (c >= 0x231A && c <= 0x23FF) || (c >= 0x25FB && c <= 0x27BF) || (c >= 0x2B05 && c <= 0x2B55) ||
           c == 0xFE0F; // the selector that makes any sign a picture
}

/// The cut at `at`, moved to before a picture that is joined there of several characters. What is longer is parted.
qsizetype beforePicture(QStringView text, qsizetype at) {
    constexpr qsizetype kLongest = 16;
    const auto joins = [&](qsizetype i) {
        return i > 0 && (text[i] == QChar(0xFE0F) || text[i] == QChar(0x200D) || text[i - 1] == QChar(0x200D) ||
                         (text[i].isLowSurrogate() && text[i - 1].isHighSurrogate()));
    };
    qsizetype from = at;
    while (joins(from) && at - from < kLongest)
        --from;
    return from > 0 && !joins(from) ? from : at;
}

} // namespace

bool hasEmoji(QStringView text) {
    return std::any_of(text.begin(), text.end(), mayBeEmoji);
}

qsizetype affordablePrefix(QStringView text, qsizetype most) {
    constexpr int kMostEmoji = 200; // measured: 70 us each, letters 1 to 3
    if (text.size() <= std::min<qsizetype>(most, kMostEmoji))
        return text.size();
    int emoji = 0;
    for (qsizetype i = 0; i < text.size();) {
        const bool pair = text[i].isHighSurrogate() && i + 1 < text.size() && text[i + 1].isLowSurrogate();
        const qsizetype next = i + (pair ? 2 : 1);
        emoji += mayBeEmoji(text[i]) ? 1 : 0;
        if (next > most || emoji > kMostEmoji)
            return beforePicture(text, i);
        i = next;
    }
    return text.size();
}

qsizetype cutPosition(QStringView head) {
    enum Rank { Anywhere, Space, Sentence, Line };

    constexpr int kRanks = 4;
    const qsizetype least = head.size() / 2;
    qsizetype best[2][kRanks]; // inside and outside of spans
    std::fill(&best[0][0], &best[0][0] + 2 * kRanks, qsizetype(-1));
    OpenSpans spans(head);
    for (qsizetype next = 0, i = 1; i < head.size(); ++i) {
        while (next < i)
            next = spans.read(next);
        const char16_t c = head[i - 1].unicode();
        if (i <= least || head[i] == u' ' || head[i].isLowSurrogate() || next > i)
            continue;
        const char16_t before = i > 1 ? head[i - 2].unicode() : u' ';
        const Rank rank = c == u'\n'                                                          ? Line
                          : c == u'。' || c == u'！' || c == u'？'                            ? Sentence
                          : c == u' ' && (before == u'.' || before == u'!' || before == u'?') ? Sentence
                          : c == u' ' || c == u'，' || c == u'；'                             ? Space
                                                                                              : Anywhere;
        best[spans.any() ? 0 : 1][rank] = i;
    }
    for (const int outside : {1, 0})
        for (const Rank rank : {Line, Sentence, Space})
            if (best[outside][rank] > 0)
                return best[outside][rank];
    return head.size();
}

} // namespace hearth::ui
