#pragma once

#include "ui/text/code_highlighter.h"

namespace hearth::ui {

/// How a string, a comment of many lines or another stretch with an end of its own is written.
struct CodeSpan {
    /// How its end is found.
    enum class End : quint8 {
        Fixed,   // `close` ends it
        Hashes,  // as many # before its quote as after the last one: Rust, Swift
        Levels,  // [==[ ]==]: Lua, CMake
        RawName, // R"name( )name": C++
        HereDoc, // a line with the word that stood after <<
    };

    const char* open = "";
    const char* close = "";
    unsigned traits = 0;
    const char* hole = "";     // begins an interpolation, which its last character's partner ends
    const char* prefixes = ""; // words one of which stands right before `open`, in small letters; empty: none does
    End end = End::Fixed;
    Token token = Token::String;
};

enum SpanTrait : unsigned {
    Backslash = 1 << 0,   // takes the next character's meaning
    Backtick = 1 << 1,    // does
    Doubled = 1 << 2,     // the closing quote twice is one of the text
    ManyLines = 1 << 3,   // goes on after the end of the line
    Nested = 1 << 4,      // as many closings as openings
    DollarNames = 1 << 5, // $name is an interpolation
    LineStart = 1 << 6,   // only as the first thing in a line
    Verbatim = 1 << 7,    // of a here-document: the one whose word is quoted
    TwoIsText = 1 << 8,   // the hole's character twice is text
};

enum class Lexer : quint8 { Code, Markup, Php, Css, Yaml, Latex, Diff };

enum LanguageTrait : unsigned {
    AnyCase = 1 << 0,        // keywords in capitals are keywords, too
    CapitalTypes = 1 << 1,   // Names like this are types,
    CapitalCalls = 1 << 2,   // but not before a bracket
    Preprocessor = 1 << 3,   // # and a word at the start of a line
    Annotations = 1 << 4,    // @Name
    HashWords = 1 << 5,      // #word is a keyword
    HashAttributes = 1 << 6, // #[name
    Regex = 1 << 7,          // /…/ where a value may stand
    Tags = 1 << 8,           // <Name> where a value may stand: JSX
    Lifetimes = 1 << 9,      // 'a that no quote ends
    BangCalls = 1 << 10,     // name!( is a call
    KeyStrings = 1 << 11,    // "name": names a value
    KeyWords = 1 << 12,      // name = at the start of a line does
    Sections = 1 << 13,      // [name] on a line of its own
    Shell = 1 << 14,         // words as a shell reads them
    Transcript = 1 << 15,    // only lines after a prompt are code
    Instructions = 1 << 16,  // Dockerfile: lineWords are keywords
    DashedCalls = 1 << 17,   // Verb-Noun is a call, [name] a type: PowerShell
    Symbols = 1 << 18,       // :name is a constant
    DollarQuotes = 1 << 19,  // $name$ around code: PostgreSQL
    LooseNumbers = 1 << 20,  // a digit group may hold ' between digits
};

/// A language as data. Lists are separated by spaces.
struct CodeLanguage {
    const char* label; // as people write it
    const char* names; // that fences use, small letters
    Lexer lexer = Lexer::Code;
    const char* keywords = "";
    const char* types = "";
    const char* constants = "";
    const char* lineComments = "";
    std::span<const CodeSpan> spans = {}; // longer openings before shorter ones
    unsigned traits = 0;
    const char* wordStart = ""; // that begin a word besides letters and _
    const char* wordInner = ""; // that stand in a word besides letters, digits and _
    const char* lineWords = ""; // keywords where a line begins, and only there
};

/// What a keyword of any language says of the words beside it.
enum WordRole : unsigned {
    NamesType = 1 << 0,   // the next word is a type's name
    NamesCall = 1 << 1,   // a function's
    AlsoName = 1 << 2,    // it is a name itself where what follows is as after a name
    BeforeColon = 1 << 3, // it stays what it is before a colon; any other is a label there: `move(for: x)`
    IsValue = 1 << 4,     // no value comes next, so / divides
};

struct ListedWord {
    Token token = Token::Text; // Text: the language's lists do not have it
    unsigned roles = 0;
};

ListedWord listedWord(const CodeLanguage&, QStringView word);
/// Whether an ASCII character may begin a comment, a string or anything else that punctuation can begin.
bool beginsSomething(const CodeLanguage&, QChar);
/// Whether a list of the table, separated by spaces, has a word.
bool hasWord(const char* list, QStringView word);

} // namespace hearth::ui
