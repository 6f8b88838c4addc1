#include "ui/chat/bare_address.h"

#include "ui/chat/characters.h"
#include "ui/text/script_runs.h"

#include <algorithm>

namespace hearth::ui {
namespace {

bool mayPrecede(QStringView s, qsizetype at) {
    const char32_t c = codeBefore(s, at);
    return isSpace(c) || (c < 128 && QStringView(u"*_~(").contains(QChar(char16_t(c)))) ||
           charClass(c) == CharClass::Han || charClass(c) == CharClass::CjkMark ||
           charClass(c) == CharClass::SharedMark;
}

bool endsAddress(char32_t c) {
    const CharClass kind = charClass(c);
    return isSpace(c) || c < ' ' || c == '<' || kind == CharClass::CjkMark || kind == CharClass::SharedMark;
}

/// A name has 253 characters at most (RFC 1035, 2.3.4, less the length bytes at its ends). Looking no further keeps a
/// text of many names that turn out to be none linear.
constexpr qsizetype kLongestHost = 253;

/// The end of a host's name: labels parted by dots. A name that begins in Latin ends where Han begins.
qsizetype scanHost(QStringView s, qsizetype at) {
    const bool han = at < s.size() && charClass(codeAt(s, at)) == CharClass::Han;
    qsizetype end = at;
    const auto tooLong = [&] { return end - at > kLongestHost && s[end - 1] != u'.'; }; // dots may end it
    while (end < s.size() && !tooLong()) {
        const QChar c = s[end];
        const bool ofHost = isAsciiAlnum(c) || c == u'-' || c == u'_' || c == u'.' ||
                            (c.unicode() >= 0x80 && !endsAddress(codeAt(s, end)) &&
                             (han || charClass(codeAt(s, end)) != CharClass::Han));
        if (!ofHost)
            break;
        ++end;
    }
    return end;
}

/// A dot within, no label empty, and no underscore in the last two.
bool isHost(QStringView host) {
    while (host.endsWith(u'.'))
        host.chop(1);
    if (host.size() > kLongestHost || host.startsWith(u'.') || host.contains(QStringView(u"..")))
        return false;
    const qsizetype last = host.lastIndexOf(u'.');
    if (last < 0)
        return host == u"localhost";
    return !host.mid(host.lastIndexOf(u'.', last - 1) + 1).contains(u'_');
}

/// `&name;` at the end is a character reference, no part of an address.
qsizetype withoutEntity(QStringView s, qsizetype at, qsizetype end) {
    qsizetype i = end - 1;
    while (i > at && isAsciiAlnum(s[i - 1]))
        --i;
    return i > at && i < end - 1 && s[i - 1] == u'&' ? i - 1 : end - 1;
}

/// Without the marks that belong to the sentence around it.
qsizetype trimmedEnd(QStringView s, qsizetype at, qsizetype end) {
    qsizetype open = s.mid(at, end - at).count(u'(');
    qsizetype close = s.mid(at, end - at).count(u')');
    while (end > at) {
        const QChar c = s[end - 1];
        if (c == u';') {
            end = withoutEntity(s, at, end);
        } else if (c == u')' && close > open) {
            --close;
            --end;
        } else if (QStringView(u"?!.,:*_~'\"").contains(c)) {
            --end;
        } else {
            break;
        }
    }
    return end;
}

} // namespace

BareAddress scanBareAddress(QStringView s, qsizetype at) {
    QStringView scheme;
    for (const QStringView known : {QStringView(u"https://"), QStringView(u"http://"), QStringView(u"www.")})
        if (scheme.isEmpty() && s.mid(at, known.size()).compare(known, Qt::CaseInsensitive) == 0)
            scheme = known;
    if (scheme.isEmpty() || !mayPrecede(s, at))
        return {};
    const bool www = scheme == u"www.";
    const qsizetype host = www ? at : at + scheme.size();
    const qsizetype hostEnd = scanHost(s, host);
    if (!isHost(s.mid(host, hostEnd - host)))
        return {};
    qsizetype end = hostEnd;
    if (end < s.size() && QStringView(u"/?#:").contains(s[end]))
        while (end < s.size() && !endsAddress(codeAt(s, end)))
            ++end;
    end = trimmedEnd(s, at, end);
    return {at, end, www ? QStringView(u"http://") : QStringView()};
}

BareAddress scanBareMail(QStringView s, qsizetype at, qsizetype from) {
    qsizetype start = at;
    while (start > from && (isAsciiAlnum(s[start - 1]) || QStringView(u".-_+").contains(s[start - 1])))
        --start;
    qsizetype end = at + 1;
    while (end < s.size() && (isAsciiAlnum(s[end]) || QStringView(u".-_").contains(s[end])))
        ++end;
    while (end > at + 1 && s[end - 1] == u'.')
        --end;
    const QStringView host = s.mid(at + 1, end - at - 1);
    const bool fits = start < at && host.contains(u'.') && isAsciiAlnum(host.front()) && isAsciiAlnum(host.back()) &&
                      !host.contains(u"..");
    if (!fits)
        return {};
    return {start, end, u"mailto:"};
}

} // namespace hearth::ui
