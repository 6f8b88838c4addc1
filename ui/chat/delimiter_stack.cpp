#include "ui/chat/inline_pieces.h"

#include <array>

namespace hearth::ui {

void DelimiterStack::push(char16_t mark, int length, bool opens, bool closes) {
    Delimiter d;
    d.piece = int(pieces_.size()) - 1;
    d.mark = mark;
    d.length = length;
    d.opens = opens;
    d.closes = closes;
    d.previous = last_;
    const int index = int(delimiters_.size());
    (last_ >= 0 ? delimiters_[size_t(last_)].next : first_) = index;
    delimiters_.push_back(d);
    last_ = index;
}

void DelimiterStack::unlink(int index) {
    const Delimiter& d = delimiters_[size_t(index)];
    (d.previous >= 0 ? delimiters_[size_t(d.previous)].next : first_) = d.next;
    (d.next >= 0 ? delimiters_[size_t(d.next)].previous : last_) = d.previous;
}

int DelimiterStack::floorKey(const Delimiter& d) {
    const int mark = d.mark == '*' ? 0 : d.mark == '_' ? 1 : 2;
    return mark * 6 + (d.opens ? 3 : 0) + d.length % 3;
}

bool DelimiterStack::matches(const Delimiter& opener, const Delimiter& closer) {
    if (opener.mark != closer.mark || !opener.opens)
        return false;
    if (opener.mark == '~')
        return opener.length == closer.length;
    // The standard's rule of three.
    const bool odd =
        (opener.closes || closer.opens) && closer.length % 3 != 0 && (opener.length + closer.length) % 3 == 0;
    return !odd;
}

void DelimiterStack::process(int bottom) {
    std::array<int, 18> floor; // below it no opener fits a closer of that key
    floor.fill(bottom);
    int closer = bottom >= 0 ? delimiters_[size_t(bottom)].next : first_;
    while (closer >= 0) {
        Delimiter& c = delimiters_[size_t(closer)];
        if (!c.closes) {
            closer = c.next;
            continue;
        }
        int opener = c.previous;
        int& lowest = floor[size_t(floorKey(c))];
        while (opener > lowest && !matches(delimiters_[size_t(opener)], c))
            opener = delimiters_[size_t(opener)].previous;
        if (opener <= lowest) {
            lowest = c.previous;
            const int next = c.next;
            if (!c.opens)
                unlink(closer);
            closer = next;
            continue;
        }
        closer = applyPair(opener, closer);
    }
    while (last_ != bottom && last_ >= 0)
        unlink(last_);
}

/// Uses up one pair of delimiters; returns the closer to go on with.
int DelimiterStack::applyPair(int opener, int closer) {
    Delimiter& o = delimiters_[size_t(opener)];
    Delimiter& c = delimiters_[size_t(closer)];
    int& left = pieces_[size_t(o.piece)].count;
    int& right = pieces_[size_t(c.piece)].count;
    const int use = c.mark == '~' ? c.length : left >= 2 && right >= 2 ? 2 : 1;
    const quint16 style = c.mark == '~' ? StyleStrike : use == 2 ? StyleStrong : StyleEmphasis;
    ranges_.push_back({o.piece + 1, c.piece, style, -1});
    // What stands between them can match nothing any more.
    o.next = closer;
    c.previous = opener;
    left -= use;
    right -= use;
    int next = closer;
    if (left == 0)
        unlink(opener);
    if (right == 0) {
        next = c.next;
        unlink(closer);
    }
    return next;
}

} // namespace hearth::ui
