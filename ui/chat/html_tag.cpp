#include "ui/chat/html_tag.h"

#include "ui/chat/characters.h"

#include <QList>

#include <algorithm>

namespace hearth::ui {
namespace {

bool isNameChar(QChar c) {
    return isAsciiAlnum(c) || c == u'-';
}

qsizetype scanWhile(QStringView s, qsizetype at, bool (*fits)(QChar)) {
    while (at < s.size() && fits(s[at]))
        ++at;
    return at;
}

/// `= value` at `at`, after optional space; `at` itself when there is no `=`; -1: a value is missing or not closed.
qsizetype scanValue(QStringView s, qsizetype at) {
    const qsizetype equals = skipSpaces(s, at);
    if (equals >= s.size() || s[equals] != u'=')
        return at;
    const qsizetype value = skipSpaces(s, equals + 1);
    if (value >= s.size())
        return -1;
    if (s[value] == u'"' || s[value] == u'\'') {
        const qsizetype close = s.indexOf(s[value], value + 1);
        return close < 0 ? -1 : close + 1;
    }
    const qsizetype end = scanWhile(s, value, [](QChar c) { return c > u' ' && !QStringView(u"\"'=<>`").contains(c); });
    return end > value ? end : -1;
}

qsizetype scanOpeningTag(QStringView s, qsizetype at) {
    for (;;) {
        const qsizetype next = skipSpaces(s, at);
        if (next >= s.size())
            return -1;
        if (s[next] == u'>')
            return next + 1;
        if (s[next] == u'/')
            return next + 1 < s.size() && s[next + 1] == u'>' ? next + 2 : -1;
        const bool starts = isAsciiLetter(s[next]) || s[next] == u'_' || s[next] == u':';
        if (next == at || !starts) // an attribute needs space before it
            return -1;
        at = scanWhile(s, next, [](QChar c) { return isAsciiAlnum(c) || QStringView(u"_.:-").contains(c); });
        at = scanValue(s, at);
        if (at < 0)
            return -1;
    }
}

bool isMail(QStringView s) {
    const qsizetype at = s.indexOf(u'@');
    const auto ofName = [](QChar c) { return isAsciiAlnum(c) || QStringView(u".!#$%&'*+/=?^_`{|}~-").contains(c); };
    if (at < 1 || !std::all_of(s.begin(), s.begin() + at, ofName))
        return false;
    for (const QStringView label : s.mid(at + 1).split(u'.'))
        if (label.isEmpty() || label.size() > 63 || label.front() == u'-' || label.back() == u'-' ||
            !std::all_of(label.begin(), label.end(), isNameChar))
            return false;
    return true;
}

} // namespace

qsizetype scanTag(QStringView s, qsizetype at) {
    const bool closing = at + 1 < s.size() && s[at + 1] == u'/';
    const qsizetype name = at + (closing ? 2 : 1);
    if (name >= s.size() || !isAsciiLetter(s[name]))
        return -1;
    const qsizetype end = scanWhile(s, name, isNameChar);
    if (!closing)
        return scanOpeningTag(s, end);
    const qsizetype close = skipSpaces(s, end);
    return close < s.size() && s[close] == u'>' ? close + 1 : -1;
}

qsizetype HtmlScanner::endOf(QStringView closer, qsizetype from, qsizetype* none) const {
    if (*none >= 0 && from >= *none)
        return -1;
    const qsizetype found = text_.indexOf(closer, from);
    if (found < 0)
        *none = from;
    return found < 0 ? -1 : found + closer.size();
}

qsizetype HtmlScanner::scan(qsizetype at) {
    const QStringView s = text_.mid(at, 9);
    if (s.startsWith(u"<!-->") || s.startsWith(u"<!--->"))
        return at + (s[4] == u'>' ? 5 : 6);
    if (s.startsWith(u"<!--"))
        return endOf(u"-->", at + 4, &none_[0]);
    if (s.startsWith(u"<?"))
        return endOf(u"?>", at + 2, &none_[1]);
    if (s.startsWith(u"<![CDATA["))
        return endOf(u"]]>", at + 9, &none_[2]);
    if (s.startsWith(u"<!") && s.size() > 2 && isAsciiLetter(s[2]))
        return endOf(u">", at + 2, &none_[3]);
    return scanTag(text_, at);
}

qsizetype scanAngleAddress(QStringView s, qsizetype at, bool* mail) {
    const qsizetype close = scanWhile(s, at + 1, [](QChar c) { return c > u' ' && c != u'<' && c != u'>'; });
    if (close >= s.size() || s[close] != u'>')
        return -1;
    const QStringView inside = s.mid(at + 1, close - at - 1);
    qsizetype scheme = 0;
    while (scheme < inside.size() && scheme <= 32 &&
           (isAsciiAlnum(inside[scheme]) || QStringView(u"+.-").contains(inside[scheme])))
        ++scheme;
    const bool uri =
        scheme >= 2 && scheme <= 32 && scheme < inside.size() && inside[scheme] == u':' && isAsciiLetter(inside[0]);
    *mail = !uri;
    return uri || isMail(inside) ? close + 1 : -1;
}

} // namespace hearth::ui
