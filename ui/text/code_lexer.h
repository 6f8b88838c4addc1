#pragma once

#include "ui/text/code_languages.h"

namespace hearth::ui {

/// The line that is being read, and what it becomes.
struct CodeLine {
    QStringView text;
    CodeState& state;
    QVector<CodeRun>* runs; // null: only the state is wanted

    /// In order; what touches the run before and has its colour joins it.
    void add(qsizetype from, qsizetype to, Token) const;
};

/// Reads code by a row of the table. Frames of the state below `base` belong to the language around it.
class CodeLexer {
public:
    CodeLexer(const CodeLanguage&, CodeLine&, int base = 0);

    /// Reads [from, to), or up to `stop` where that stands in code or in a comment of one line; returns where it ended.
    qsizetype run(qsizetype from, qsizetype to, QLatin1String stop = {});
    /// Closes what does not go on in the next line.
    void endLine();

private:
    enum class Before : quint8 { Operator, Value }; // what stands before: a value may come next, or not

    static constexpr quint8 kBraceHole = 64, kRoundHole = 65; // in CodeState::what; less: 1 + index of a span

    bool startsWith(qsizetype at, const char* mark) const;

    QChar charAt(qsizetype at) const { return at < end_ ? line_.text[at] : QChar(); }

    bool has(unsigned trait) const { return language_.traits & trait; }

    bool startsName(QChar sign, QChar next) const;
    qsizetype wordEnd(qsizetype at) const;
    qsizetype skipSpaces(qsizetype at) const;

    quint8 top() const { return line_.state.size > base_ ? line_.state.what[size_t(line_.state.size - 1)] : 0; }

    quint8& depth() { return line_.state.depth[size_t(line_.state.size - 1)]; }

    void truncate(int size);

    // Spans
    bool open(qsizetype from);
    bool openPrefixed(qsizetype from, QStringView word);
    qsizetype openingLength(const CodeSpan&, quint8* depth, quint32* tag) const;
    bool openHereDoc(const CodeSpan&, int index);
    bool hereDocEnds();
    qsizetype closingLength(const CodeSpan&) const;
    void span(const CodeSpan&);
    bool openHole(const CodeSpan&);
    bool skipName(const CodeSpan&);
    void closeSpan(const CodeSpan&);

    // Code
    void lineHead();
    bool preprocessor(qsizetype at);
    bool section(qsizetype at);
    bool keyWord(qsizetype at);
    void code();
    bool lineComment();
    bool punctuation();
    void passed(QChar);
    bool hole();
    void number();
    void word();
    Token wordToken(qsizetype from, QStringView word, const ListedWord&) const;
    bool isName(const ListedWord&) const;
    bool annotation();
    bool hashMark();
    bool lifetime();
    bool symbol();
    bool dollarQuote();
    bool regex();

    // Tags amid code
    bool tag();
    bool tagPart();
    void tagText();

    // Shells
    void shellHead();
    bool shellCode();
    void shellVariable();
    void shellWord();
    bool shellSeparator();

    const CodeLanguage& language_;
    CodeLine& line_;
    const int base_;
    QLatin1String stop_;
    qsizetype at_ = 0;
    qsizetype end_ = 0;
    qsizetype spanFrom_ = 0; // of the open span: what is not yet coloured
    bool stopped_ = false;
    bool continued_ = false; // the line's last character takes the meaning of its end
    bool noRegex_ = false;   // none that began in this line ends in it
    Before before_ = Before::Operator;
    Token expected_ = Token::Text; // of the next word: what is declared
    int pending_ = 0;              // 1 + index of the here-document that begins after this line
    quint8 pendingDepth_ = 0;
    quint32 pendingTag_ = 0;
    bool tagOpen_ = false;
    int tagBraces_ = 0;
    int textBraces_ = 0;  // > 0: code in braces inside a tag's text
    bool command_ = true; // shells: the next word is a command
    bool assigned_ = false;
    bool loopLine_ = false; // shells: "in" is a keyword
    int parens_ = 0;
};

} // namespace hearth::ui
