#include "ui/chat/math_span.h"

#include "ui/chat/characters.h"

namespace hearth::ui {
namespace {

/// The place of `closer` from `from` on that no backslash takes away; -1: none.
qsizetype findCloser(QStringView s, QStringView closer, qsizetype from) {
    for (qsizetype i = from; i + closer.size() <= s.size(); ++i) {
        if (s.mid(i, closer.size()) == closer)
            return i;
        if (s[i] == u'\\')
            ++i;
    }
    return -1;
}

} // namespace

qsizetype MathScanner::scan(qsizetype at) {
    if (text_[at] == u'$')
        return dollars(at);
    const QChar open = at + 1 < text_.size() ? text_[at + 1] : QChar();
    if (open == u'(')
        return closed(u"\\)", at + 2, &none_[0]);
    if (open == u'[')
        return closed(u"\\]", at + 2, &none_[1]);
    return -1;
}

qsizetype MathScanner::closed(QStringView closer, qsizetype from, qsizetype* none) const {
    if (*none >= 0 && from >= *none)
        return -1;
    const qsizetype found = findCloser(text_, closer, from);
    if (found < 0)
        *none = from;
    return found < 0 || isBlank(text_.mid(from, found - from)) ? -1 : found + closer.size();
}

/// A price is no formula: `$5 and $6`, `US$5 or CA$6`. A closing mark stands after no space and before no digit, an
/// opening one before no space and after no letter; single marks hold their line.
qsizetype MathScanner::dollars(qsizetype at) {
    const QStringView s = text_;
    if (at + 1 < s.size() && s[at + 1] == u'$')
        return closed(u"$$", at + 2, &none_[2]);
    if (at + 1 >= s.size() || isSpace(s[at + 1].unicode()) || (at > 0 && isAsciiLetter(s[at - 1])))
        return -1;
    for (qsizetype i = at + 1; i < s.size() && s[i] != u'\n'; ++i) {
        if (s[i] == u'\\') {
            ++i;
        } else if (s[i] == u'$') {
            const bool closes = !isSpace(s[i - 1].unicode()) && !(i + 1 < s.size() && s[i + 1].isDigit());
            return closes ? i + 1 : -1;
        }
    }
    return -1;
}

QStringView mathBlockCloser(QStringView line) {
    if (line.startsWith(u"$$"))
        return u"$$";
    if (line.startsWith(u"\\["))
        return u"\\]";
    return {};
}

MathLine readMathLine(QStringView line, QStringView closer, qsizetype from) {
    const qsizetype found = findCloser(line, closer, from);
    if (found < 0)
        return MathLine::Inside;
    // A sentence's mark may follow the formula that ends it.
    QStringView rest = trimmedBlanks(line.mid(found + closer.size()));
    if (!rest.isEmpty() && QStringView(u".,;:!?。，；：！？、").contains(rest.front()))
        rest = rest.mid(1);
    return rest.isEmpty() ? MathLine::Last : MathLine::Broken;
}

} // namespace hearth::ui
