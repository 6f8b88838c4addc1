#include "ui/chat/characters.h"

#include <algorithm>

namespace hearth::ui {

bool isSpace(char32_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v') || c == 0xA0 || c == 0x3000 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x1680;
}

bool isPunctuation(char32_t c) {
    return c < 128 ? isAsciiPunctuation(c) : QChar::isPunct(c) || QChar::isSymbol(c);
}

bool isBlank(QStringView s) {
    return std::all_of(s.begin(), s.end(), isBlankChar);
}

QStringView trimmedBlanks(QStringView s) {
    while (!s.isEmpty() && isBlankChar(s.front()))
        s = s.mid(1);
    while (!s.isEmpty() && isBlankChar(s.back()))
        s.chop(1);
    return s;
}

qsizetype skipSpaces(QStringView s, qsizetype at) {
    while (at < s.size() && (isBlankChar(s[at]) || s[at] == u'\n'))
        ++at;
    return at;
}

char32_t codeBefore(QStringView s, qsizetype at) {
    if (at <= 0)
        return ' ';
    if (s[at - 1].isLowSurrogate() && at >= 2 && s[at - 2].isHighSurrogate())
        return QChar::surrogateToUcs4(s[at - 2], s[at - 1]);
    return s[at - 1].unicode();
}

char32_t codeAt(QStringView s, qsizetype at) {
    if (at >= s.size())
        return ' ';
    if (s[at].isHighSurrogate() && at + 1 < s.size() && s[at + 1].isLowSurrogate())
        return QChar::surrogateToUcs4(s[at], s[at + 1]);
    return s[at].unicode();
}

} // namespace hearth::ui
