#include "ui/text/code_highlighter.h"

#include <QSet>
#include <QString>
#include <QStringList>

#include <array>
#include <iterator>

namespace hearth::ui {

/// A language as data. Lists are separated by spaces.
struct CodeLanguage {
    const char* names;
    const char* keywords;
    const char* types;
    const char* lineComment; // empty: none
    const char* blockOpen;   // empty: none
    const char* blockClose;
    const char* quotes; // each begins and ends a string of one line
    bool triple;        // three quotes open a string of many lines
    bool backtick;      // a backtick does
};

namespace {

constexpr CodeLanguage kLanguages[] = {
    {"c cpp c++ cc cxx h hpp cuda",
     "alignas auto break case catch class concept const constexpr consteval continue co_await co_return co_yield "
     "decltype default "
     "delete do else enum explicit export extern false final for friend goto if import inline module mutable namespace "
     "new noexcept "
     "nullptr operator override private protected public register requires return sizeof static static_assert struct "
     "switch template "
     "this throw true try typedef typename union using virtual volatile while #include #define #if #ifdef #ifndef "
     "#else #endif #pragma",
     "bool char char8_t char16_t char32_t double float int int8_t int16_t int32_t int64_t long short signed size_t "
     "string uint8_t "
     "uint16_t uint32_t uint64_t unsigned vector void wchar_t",
     "//", "/*", "*/", "\"'", false, false},
    {"python py python3",
     "and as assert async await break class continue def del elif else except False finally for from global if import "
     "in is lambda "
     "match case None nonlocal not or pass raise return True try while with yield",
     "bool bytes dict float int list object set str tuple type", "#", "", "", "\"'", true, false},
    {"javascript js jsx mjs node typescript ts tsx",
     "abstract as async await break case catch class const continue debugger declare default delete do else enum "
     "export extends false "
     "finally for from function get if implements import in instanceof interface let new null of private protected "
     "public readonly "
     "return set static super switch this throw true try type typeof undefined var void while with yield",
     "any Array boolean Date Error Map never number object Promise Record Set string symbol unknown", "//", "/*", "*/",
     "\"'", false, true},
    {"json json5 jsonc", "true false null", "", "//", "/*", "*/", "\"", false, false},
    {"sh bash shell zsh console",
     "case do done elif else esac exit export fi for function if in local read return set shift then until unset while",
     "", "#", "", "", "\"'", false, false},
};

struct Words {
    QSet<QString> keywords;
    QSet<QString> types;
};

const Words& wordsOf(const CodeLanguage& language) {
    static const auto all = [] {
        std::array<Words, std::size(kLanguages)> words;
        for (size_t i = 0; i < words.size(); ++i) {
            for (const QString& w : QString::fromLatin1(kLanguages[i].keywords).split(u' ', Qt::SkipEmptyParts))
                words[i].keywords.insert(w);
            for (const QString& w : QString::fromLatin1(kLanguages[i].types).split(u' ', Qt::SkipEmptyParts))
                words[i].types.insert(w);
        }
        return words;
    }();
    return all[size_t(&language - kLanguages)];
}

bool startsWord(QChar c) {
    return c.isLetter() || c == u'_' || c == u'#' || c == u'$';
}

bool inWord(QChar c) {
    return c.isLetterOrNumber() || c == u'_';
}

bool opens(QStringView line, qsizetype at, const char* mark) {
    const QLatin1String m(mark);
    return !m.isEmpty() && line.mid(at).startsWith(m);
}

/// The text that closes a state; null for Normal.
const char* closer(const CodeLanguage& language, CodeState state) {
    switch (state) {
    case CodeState::BlockComment:
        return language.blockClose;
    case CodeState::TripleDouble:
        return "\"\"\"";
    case CodeState::TripleSingle:
        return "'''";
    case CodeState::Backtick:
        return "`";
    case CodeState::Normal:
        break;
    }
    return nullptr;
}

qsizetype stringEnd(QStringView line, qsizetype at) {
    const QChar quote = line[at];
    for (qsizetype i = at + 1; i < line.size(); ++i) {
        if (line[i] == u'\\')
            ++i;
        else if (line[i] == quote)
            return i + 1;
    }
    return line.size();
}

CodeState opened(const CodeLanguage& language, QStringView line, qsizetype at) {
    if (opens(line, at, language.blockOpen))
        return CodeState::BlockComment;
    if (language.triple && opens(line, at, "\"\"\""))
        return CodeState::TripleDouble;
    if (language.triple && opens(line, at, "'''"))
        return CodeState::TripleSingle;
    if (language.backtick && line[at] == u'`')
        return CodeState::Backtick;
    return CodeState::Normal;
}

} // namespace

const CodeLanguage* codeLanguage(QStringView name) {
    const QString wanted = name.toString().toLower();
    for (const CodeLanguage& language : kLanguages)
        if (QString::fromLatin1(language.names).split(u' ').contains(wanted))
            return &language;
    return nullptr;
}

CodeState highlightLine(const CodeLanguage& language, QStringView line, CodeState state, QVector<CodeRun>* runs) {
    const Words& words = wordsOf(language);
    const auto add = [&](qsizetype from, qsizetype to, Token token) {
        if (runs && to > from)
            runs->append({int(from), int(to - from), token});
    };
    qsizetype at = 0;
    // What is open goes on until its end.
    const auto finish = [&](qsizetype from, qsizetype search) {
        const QLatin1String close(closer(language, state));
        const qsizetype found = line.indexOf(close, search);
        at = found < 0 ? line.size() : found + close.size();
        add(from, at, state == CodeState::BlockComment ? Token::Comment : Token::String);
        if (found >= 0)
            state = CodeState::Normal;
    };
    if (state != CodeState::Normal)
        finish(0, 0);
    while (at < line.size()) {
        const QChar c = line[at];
        if (opens(line, at, language.lineComment) &&
            (language.lineComment[0] != '#' || at == 0 || line[at - 1].isSpace())) {
            add(at, line.size(), Token::Comment);
            break;
        }
        if (const CodeState next = opened(language, line, at); next != CodeState::Normal) {
            state = next;
            finish(at, at + qsizetype(next == CodeState::BlockComment ? 2 : next == CodeState::Backtick ? 1 : 3));
        } else if (QLatin1String(language.quotes).contains(c)) {
            const qsizetype end = stringEnd(line, at);
            add(at, end, Token::String);
            at = end;
        } else if (c.isDigit()) {
            const qsizetype from = at;
            while (at < line.size() && (inWord(line[at]) || line[at] == u'.'))
                ++at;
            add(from, at, Token::Number);
        } else if (startsWord(c)) {
            const qsizetype from = at++;
            while (at < line.size() && inWord(line[at]))
                ++at;
            const QString word = line.mid(from, at - from).toString();
            if (words.keywords.contains(word))
                add(from, at, Token::Keyword);
            else if (words.types.contains(word))
                add(from, at, Token::TypeName);
            else if (at < line.size() && line[at] == u'(')
                add(from, at, Token::Function);
        } else {
            ++at;
        }
    }
    return state;
}

CodeState stateAfter(const CodeLanguage& language, QStringView lines, CodeState state) {
    for (const QStringView line : lines.split(u'\n'))
        state = highlightLine(language, line, state, nullptr);
    return state;
}

} // namespace hearth::ui
