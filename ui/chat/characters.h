#pragma once

#include <QStringView>

namespace hearth::ui {

// What CommonMark calls a character to be: its classes of characters, by UTF-16 unit where ASCII is meant.

inline bool isBlankChar(QChar c) {
    return c == u' ' || c == u'\t';
}

inline bool isAsciiDigit(QChar c) {
    return c >= u'0' && c <= u'9';
}

inline bool isAsciiLetter(QChar c) {
    return (c.unicode() | 32) >= 'a' && (c.unicode() | 32) <= 'z';
}

inline bool isAsciiAlnum(QChar c) {
    return isAsciiLetter(c) || isAsciiDigit(c);
}

inline bool isAsciiPunctuation(char32_t c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/// Unicode whitespace.
bool isSpace(char32_t);
/// Unicode punctuation: the categories P and S, as the standard has it since 0.31.
bool isPunctuation(char32_t);

bool isBlank(QStringView);
/// Without the spaces and tabs at its ends; other space, such as an ideographic one, is content.
QStringView trimmedBlanks(QStringView);
/// Past spaces, tabs and line ends.
qsizetype skipSpaces(QStringView, qsizetype at);

/// The whole character before or at a place; a space where there is none, as the standard has it.
char32_t codeBefore(QStringView, qsizetype at);
char32_t codeAt(QStringView, qsizetype at);

} // namespace hearth::ui
