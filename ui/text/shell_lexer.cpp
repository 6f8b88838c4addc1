// What shells, Dockerfiles and transcripts of terminals need beside the table: a word is a command by its place.
#include "ui/text/code_lexer.h"

#include <QString>

#include <algorithm>

namespace hearth::ui {
namespace {

constexpr qsizetype kLongestPrompt = 60;
/// Keywords that a command follows.
constexpr char kBeforeCommands[] = "if then else elif do while until time";
/// Instructions of a Dockerfile that run something.
constexpr char kRunning[] = "run cmd entrypoint healthcheck";

bool endsWord(QChar c) {
    return c.isSpace() || (c.unicode() < 128 && QStringView(u";|&()<>\"'`$").contains(c));
}

/// Where the command begins in a line of a transcript; -1: the line was printed, not typed.
qsizetype afterPrompt(QStringView line) {
    for (const QStringView mark : {u"$ ", u"# ", u"% ", u"> "})
        if (line.startsWith(mark))
            return 1;
    const QStringView head = line.left(kLongestPrompt);
    const qsizetype user = head.indexOf(u"$ ");
    const qsizetype found = user > 0 ? user : head.indexOf(u"# ");
    return found > 0 && head.left(found).contains(u'@') && !head.left(found).trimmed().contains(u' ') ? found + 1 : -1;
}

} // namespace

void CodeLexer::shellHead() {
    command_ = line_.state.flags == 0;
    assigned_ = false;
    if (line_.state.size != base_ || at_ != 0 || end_ == 0)
        return;
    const bool goesOn = line_.state.flags != 0;
    if (has(Transcript) && !goesOn && afterPrompt(line_.text) < 0) {
        at_ = end_;
    } else if (const qsizetype prompt = afterPrompt(line_.text);
               has(Transcript) ? prompt > 0 && !goesOn : prompt == 1 && line_.text[0] == u'$') {
        line_.add(0, prompt, Token::Comment);
        at_ = prompt;
    } else if (has(Instructions) && !goesOn) {
        const qsizetype to = wordEnd(0);
        const QString word = line_.text.left(to).toString().toLower();
        if (!hasWord(language_.lineWords, word))
            return;
        line_.add(0, to, Token::Keyword);
        at_ = to;
        command_ = hasWord(kRunning, word);
    }
}

/// A word, a variable or an operator; false: a character that means nothing.
bool CodeLexer::shellCode() {
    const QChar c = line_.text[at_];
    if (c == u'$') {
        shellVariable();
        return true;
    }
    if (shellSeparator())
        return true;
    if (endsWord(c) || c == u'{' || c == u'}' || c == u'!') {
        command_ = command_ || c == u'`' || (c == u'{' && charAt(at_ + 1) == u' ');
        return false;
    }
    shellWord();
    return true;
}

void CodeLexer::shellVariable() {
    const QChar next = charAt(at_ + 1);
    if (next == u'(') { // a command inside: its brackets are counted as any others
        ++at_;
        command_ = false;
        return;
    }
    command_ = false;
    if (next == u'{') {
        int depth = 0;
        for (++at_; at_ < end_; ++at_) {
            depth += line_.text[at_] == u'{' ? 1 : line_.text[at_] == u'}' ? -1 : 0;
            if (depth == 0)
                break;
        }
        at_ = std::min(at_ + 1, end_);
    } else {
        const qsizetype to = wordEnd(at_ + 1);
        at_ = to > at_ + 1 ? to : std::min(at_ + 2, end_);
    }
}

/// What ends a command: the next word may be one.
bool CodeLexer::shellSeparator() {
    const QChar c = line_.text[at_];
    const QChar before = at_ > 0 ? line_.text[at_ - 1] : QChar();
    switch (c.unicode()) {
    case u';':
    case u'|':
        command_ = true;
        break;
    case u'&':
        command_ = command_ || (before != u'>' && charAt(at_ + 1) != u'>');
        break;
    case u'(':
        ++parens_;
        command_ = before != u'(' && charAt(at_ + 1) != u'('; // arithmetic has none
        break;
    case u')': // one that nothing opened ends the pattern of a case
        command_ = parens_ == 0;
        parens_ = std::max(0, parens_ - 1);
        break;
    case u'<':
    case u'>': // the file's name is no command
        command_ = false;
        break;
    default:
        return false;
    }
    ++at_;
    return true;
}

void CodeLexer::shellWord() {
    const qsizetype from = at_;
    while (at_ < end_ && !endsWord(line_.text[at_]) && line_.text[at_] != u'}')
        at_ += line_.text[at_] == u'\\' ? 2 : 1;
    at_ = std::min(at_, end_);
    const QStringView word = line_.text.mid(from, at_ - from);
    const qsizetype name = wordEnd(from) - from;
    const bool digits = std::all_of(word.begin(), word.end(), [](QChar c) { return c >= u'0' && c <= u'9'; });
    if (listedWord(language_, word).token == Token::Keyword && (command_ || (loopLine_ && word == u"in"))) {
        line_.add(from, at_, Token::Keyword);
        loopLine_ = hasWord("for case select", word);
        command_ = hasWord(kBeforeCommands, word);
        expected_ = word == u"function" ? Token::Function : Token::Text;
    } else if (has(Instructions) && word.compare(u"as", Qt::CaseInsensitive) == 0 && !command_) {
        line_.add(from, at_, Token::Keyword);
    } else if (digits) {
        line_.add(from, at_, Token::Number);
    } else if (expected_ == Token::Function || (charAt(at_) == u'(' && charAt(at_ + 1) == u')')) {
        line_.add(from, at_, Token::Function);
        expected_ = Token::Text;
        command_ = false;
    } else if (command_ && name > 0 && name < word.size() && QStringView(u"=+[").contains(word[name]) &&
               word.contains(u'=')) {
        at_ = from + word.indexOf(u'=') + 1; // an assignment: a command may follow its value
        command_ = false;
        assigned_ = true;
    } else if (command_ && parens_ == 0 && top() == 0 &&
               (charAt(at_) == u')' || (charAt(at_) == u'|' && skipSpaces(0) == from))) {
        command_ = false; // a pattern of a case
    } else if (command_ && word[0] != u'-' && word[0] != u'[' && word[0] != u'\\') {
        line_.add(from, at_, Token::Function);
        command_ = false;
    } else {
        command_ = false;
    }
}

} // namespace hearth::ui
