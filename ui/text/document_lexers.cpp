#include "ui/text/document_lexers.h"

#include <algorithm>

namespace hearth::ui {
namespace {

// LaTeX

/// CodeState::what of LaTeX; depth of mathematics: how it was begun; of text as it is: which environment.
enum Open : quint8 { kMath = 90, kVerbatim };

enum Math : quint8 { kDollar = 1, kTwoDollars, kSquare, kRound };

/// Commands that build the document rather than say something in it.
constexpr char kStructure[] = "begin end documentclass usepackage newcommand renewcommand providecommand "
                              "newenvironment def let input include includegraphics title author date maketitle "
                              "tableofcontents part chapter section subsection subsubsection paragraph appendix "
                              "bibliography bibliographystyle label ref cite eqref pageref item newtheorem if else fi";
constexpr const char* kAsItIs[] = {"verbatim", "lstlisting", "minted", "Verbatim", "comment"};

class LatexLexer {
public:
    explicit LatexLexer(CodeLine& line) : line_(line), text_(line.text), state_(line.state) {}

    void run();

private:
    QChar charAt(qsizetype at) const { return at < text_.size() ? text_[at] : QChar(); }

    bool inMath() const { return state_.size > 0 && state_.what[0] == kMath; }

    bool verbatim();
    void command();
    void environment(bool begins);
    void dollar();
    void openMath(Math, qsizetype length);
    bool closeMath(Math, qsizetype length);

    CodeLine& line_;
    const QStringView text_;
    CodeState& state_;
    qsizetype at_ = 0;
};

void LatexLexer::run() {
    if (verbatim())
        return;
    if (inMath() && state_.depth[0] == kDollar && text_.trimmed().isEmpty())
        state_.pop();                         // a paragraph's end: a lone $ was money
    if (at_ == 0 && text_.startsWith(u'@')) { // an entry of a bibliography
        for (at_ = 1; at_ < text_.size() && text_[at_].isLetter(); ++at_)
            ;
        line_.add(0, at_, Token::Keyword);
    }
    while (at_ < text_.size()) {
        const QChar c = text_[at_];
        if (c == u'%') {
            line_.add(at_, text_.size(), Token::Comment);
            return;
        }
        if (c == u'\\') {
            command();
        } else if (c == u'$') {
            dollar();
        } else {
            line_.add(at_, at_ + 1, inMath() && !c.isSpace() ? Token::String : Token::Text);
            ++at_;
        }
    }
}

/// Text of an environment that is taken as it is; true: the whole line.
bool LatexLexer::verbatim() {
    if (state_.size == 0 || state_.what[0] != kVerbatim)
        return false;
    const QString end = QStringLiteral("\\end{%1").arg(QLatin1String(kAsItIs[state_.depth[0] - 1]));
    const qsizetype found = text_.indexOf(end);
    if (found >= 0)
        state_.pop();
    line_.add(0, found < 0 ? text_.size() : found, Token::String);
    at_ = found;
    return found < 0;
}

void LatexLexer::command() {
    qsizetype to = at_ + 1;
    while (to < text_.size() && (text_[to].isLetter() || text_[to] == u'@'))
        ++to;
    if (to == at_ + 1) { // \\, \%, \[
        const QChar c = charAt(to);
        if (c == u'[' || c == u'(')
            openMath(c == u'[' ? kSquare : kRound, 2);
        else if ((c == u']' || c == u')') && closeMath(c == u']' ? kSquare : kRound, 2))
            return;
        else
            at_ = std::min(at_ + 2, text_.size());
        return;
    }
    const QStringView name = text_.mid(at_ + 1, to - at_ - 1);
    line_.add(at_, to, hasWord(kStructure, name) ? Token::Keyword : Token::Function);
    at_ = to;
    if (name == u"begin" || name == u"end")
        environment(name == u"begin");
}

/// {name} after \begin and \end.
void LatexLexer::environment(bool begins) {
    qsizetype to = at_ + 1;
    while (to < text_.size() && (text_[to].isLetter() || text_[to] == u'*'))
        ++to;
    if (charAt(at_) != u'{' || charAt(to) != u'}')
        return;
    const QStringView name = text_.mid(at_ + 1, to - at_ - 1);
    line_.add(at_ + 1, to, Token::TypeName);
    at_ = to + 1;
    for (size_t i = 0; begins && i < std::size(kAsItIs); ++i)
        if (name == QLatin1String(kAsItIs[i])) {
            state_.truncate(0);
            state_.push(kVerbatim, quint8(i + 1));
            line_.add(at_, text_.size(), Token::String);
            at_ = text_.size();
        }
}

void LatexLexer::dollar() {
    const Math kind = charAt(at_ + 1) == u'$' ? kTwoDollars : kDollar;
    if (inMath() && state_.depth[0] == kDollar)
        closeMath(kDollar, 1);
    else if (!closeMath(kind, kind))
        openMath(kind, kind);
}

void LatexLexer::openMath(Math kind, qsizetype length) {
    if (!inMath())
        state_.push(kMath, kind);
    line_.add(at_, at_ + length, Token::String);
    at_ += length;
}

bool LatexLexer::closeMath(Math kind, qsizetype length) {
    if (!inMath() || state_.depth[0] != kind)
        return false;
    line_.add(at_, at_ + length, Token::String);
    at_ += length;
    state_.pop();
    return true;
}

} // namespace

void lexLatex(CodeLine& line) {
    LatexLexer(line).run();
}

// Differences

namespace {

struct DiffLine {
    QLatin1String start;
    Token token;
    bool inHunk; // whether it may stand among the lines of one, too
};

/// Longer starts before shorter ones.
const DiffLine kDiffLines[] = {
    {QLatin1String("diff "), Token::Keyword, true},
    {QLatin1String("--- a/"), Token::TypeName, true},
    {QLatin1String("--- /dev/null"), Token::TypeName, true},
    {QLatin1String("+++ b/"), Token::TypeName, true},
    {QLatin1String("+++ /dev/null"), Token::TypeName, true},
    {QLatin1String("--- "), Token::TypeName, false},
    {QLatin1String("+++ "), Token::TypeName, false},
    {QLatin1String("index "), Token::Comment, false},
    {QLatin1String("new file"), Token::Comment, false},
    {QLatin1String("deleted file"), Token::Comment, false},
    {QLatin1String("old mode"), Token::Comment, false},
    {QLatin1String("new mode"), Token::Comment, false},
    {QLatin1String("similarity "), Token::Comment, false},
    {QLatin1String("rename "), Token::Comment, false},
    {QLatin1String("Binary "), Token::Comment, false},
    {QLatin1String("\\ "), Token::Comment, true},
    {QLatin1String("+"), Token::Added, true},
    {QLatin1String("-"), Token::Removed, true},
    {QLatin1String("> "), Token::Added, true},
    {QLatin1String("< "), Token::Removed, true},
};

} // namespace

/// flags: 1 inside a hunk, where a line "--- x" is one that was removed.
void lexDiff(CodeLine& line) {
    if (line.text.startsWith(u"@@")) {
        const qsizetype close = line.text.indexOf(u"@@", 2);
        line.add(0, close < 0 ? line.text.size() : close + 2, Token::Function);
        line.state.flags = 1;
        return;
    }
    for (const DiffLine& kind : kDiffLines) {
        if (!line.text.startsWith(kind.start) || (line.state.flags != 0 && !kind.inHunk))
            continue;
        line.add(0, line.text.size(), kind.token);
        if (kind.token == Token::Keyword || kind.token == Token::TypeName)
            line.state.flags = 0;
        return;
    }
}

} // namespace hearth::ui
