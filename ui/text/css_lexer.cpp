#include "ui/text/document_lexers.h"

#include <algorithm>

namespace hearth::ui {
namespace {

/// CodeState::what of style sheets, in this order at most once each.
enum Open : quint8 { kBraces = 80, kValue, kComment };

bool isName(QChar c) {
    return c.isLetterOrNumber() || c == u'_' || c == u'-';
}

bool isDigit(QChar c) {
    return c >= u'0' && c <= u'9';
}

class CssLexer {
public:
    CssLexer(CodeLine& line, int base, qsizetype from, qsizetype to)
        : line_(line), state_(line.state), base_(base), at_(from), end_(to) {}

    void run();

private:
    QChar charAt(qsizetype at) const { return at < end_ ? line_.text[at] : QChar(); }

    quint8 top() const { return state_.size > base_ ? state_.what[size_t(state_.size - 1)] : quint8(0); }

    qsizetype nameEnd(qsizetype at) const {
        while (at < end_ && isName(line_.text[at]))
            ++at;
        return at;
    }

    bool commentOrString();
    void openBrace();
    void closeBrace();
    void rule();
    void segment();
    void selector();
    void value();
    void endLine();

    CodeLine& line_;
    CodeState& state_;
    const int base_;
    qsizetype at_;
    const qsizetype end_;
    qsizetype selectorTo_ = 0; // where the selector ends that a string or a comment stands in
    bool prelude_ = false;     // between an at-rule's name and its { or ;
};

void CssLexer::run() {
    while (at_ < end_) {
        if (line_.text[at_].isSpace())
            ++at_;
        else if (commentOrString())
            continue;
        else if (at_ < selectorTo_)
            selector();
        else if (top() == kValue || prelude_)
            value();
        else
            rule();
    }
    endLine();
}

bool CssLexer::commentOrString() {
    const QStringView text = line_.text.left(end_);
    const QChar c = text[at_];
    if (top() == kComment || (c == u'/' && charAt(at_ + 1) == u'*' && state_.push(kComment))) {
        const qsizetype close = text.indexOf(u"*/", at_ + (c == u'/' ? 2 : 0));
        const qsizetype to = close < 0 ? end_ : close + 2;
        line_.add(at_, to, Token::Comment);
        at_ = to;
        if (close >= 0)
            state_.pop();
        return true;
    }
    if (c == u'/' && charAt(at_ + 1) == u'/' && (at_ == 0 || text[at_ - 1].isSpace())) {
        line_.add(at_, end_, Token::Comment);
        at_ = end_;
        return true;
    }
    if (c != u'"' && c != u'\'')
        return false;
    const qsizetype from = at_++;
    while (at_ < end_ && text[at_] != c)
        at_ += text[at_] == u'\\' ? 2 : 1;
    at_ = std::min(at_ + 1, end_);
    line_.add(from, at_, Token::String);
    return true;
}

void CssLexer::openBrace() {
    if (top() == kValue)
        state_.pop();
    if (top() != kBraces)
        state_.push(kBraces, 1);
    else
        state_.depth[size_t(state_.size - 1)] = quint8(std::min(255, state_.depth[size_t(state_.size - 1)] + 1));
    prelude_ = false;
    ++at_;
}

void CssLexer::closeBrace() {
    if (top() == kValue)
        state_.pop();
    if (top() == kBraces && --state_.depth[size_t(state_.size - 1)] == 0)
        state_.pop();
    prelude_ = false;
    ++at_;
}

/// Where a rule, a declaration or a selector begins.
void CssLexer::rule() {
    switch (line_.text[at_].unicode()) {
    case u'{':
        openBrace();
        break;
    case u'}':
        closeBrace();
        break;
    case u';':
    case u',':
    case u')':
        ++at_;
        break;
    case u'@': {
        const qsizetype to = nameEnd(at_ + 1);
        line_.add(at_, to, Token::Keyword);
        prelude_ = true;
        at_ = std::max(to, at_ + 1);
        break;
    }
    default:
        segment();
    }
}

/// Up to the next brace or semicolon of the line: a selector, or a declaration's name.
void CssLexer::segment() {
    qsizetype to = at_;
    qsizetype colon = -1;
    while (to < end_ && line_.text[to] != u';' && line_.text[to] != u'}' &&
           (line_.text[to] != u'{' || line_.text[to - (to > 0 ? 1 : 0)] == u'#')) {
        if (line_.text[to] == u':' && colon < 0)
            colon = to;
        ++to;
    }
    const bool inside = top() == kBraces;
    // The last line of a list of selectors, or of values? `a:hover,` or `margin: 0,`.
    const bool listed = line_.text[std::max<qsizetype>(at_, to - 1)] == u',' && !charAt(colon + 1).isSpace();
    const bool variable = line_.text[at_] == u'$' || line_.text[at_] == u'-';
    const bool declares = colon >= 0 && charAt(to) != u'{' && (inside || variable) && (to < end_ || !listed);
    if (!declares) {
        selectorTo_ = to;
        selector();
        return;
    }
    qsizetype last = colon;
    while (last > at_ && line_.text[last - 1].isSpace())
        --last;
    line_.add(at_, last, Token::Function);
    at_ = colon + 1;
    state_.push(kValue);
}

/// Up to a string or a comment in it, or to its end.
void CssLexer::selector() {
    while (at_ < selectorTo_) {
        const QChar c = line_.text[at_];
        const qsizetype from = at_;
        if (c == u'"' || c == u'\'' || (c == u'/' && charAt(at_ + 1) == u'*'))
            return;
        if (c == u'.' || c == u'#') {
            at_ = nameEnd(at_ + 1);
            line_.add(from, at_, at_ > from + 1 ? Token::TypeName : Token::Text);
        } else if (c == u':') {
            at_ = std::max(nameEnd(at_ + (charAt(at_ + 1) == u':' ? 2 : 1)), at_ + 1);
        } else if (isName(c)) {
            at_ = nameEnd(at_);
            line_.add(from, at_, isDigit(c) ? Token::Number : Token::Keyword);
            if (isDigit(c) && charAt(at_) == u'%')
                line_.add(at_, at_ + 1, Token::Number);
        } else if (c == u'[') {
            at_ = nameEnd(at_ + 1);
            line_.add(from + 1, at_, Token::Function);
        } else {
            ++at_;
        }
    }
}

void CssLexer::value() {
    const QChar c = line_.text[at_];
    const qsizetype from = at_;
    if (c == u';') {
        if (top() == kValue)
            state_.pop();
        prelude_ = false;
        ++at_;
    } else if (c == u'{') {
        openBrace();
    } else if (c == u'}') {
        closeBrace();
    } else if (isDigit(c) || (c == u'.' && isDigit(charAt(at_ + 1)))) {
        for (++at_; at_ < end_ && (isName(line_.text[at_]) || line_.text[at_] == u'.' || line_.text[at_] == u'%');
             ++at_)
            ;
        line_.add(from, at_, Token::Number);
    } else if (c == u'#' && isName(charAt(at_ + 1))) {
        at_ = nameEnd(at_ + 1);
        line_.add(from, at_, Token::Number);
    } else if (c == u'!') {
        at_ = nameEnd(at_ + 1);
        line_.add(from, at_, Token::Keyword);
    } else if (isName(c) || c == u'$' || c == u'@') {
        at_ = std::max(nameEnd(at_), at_ + 1);
        const bool called = charAt(at_) == u'(';
        line_.add(from, at_, called ? Token::Function : Token::Text);
        const QChar next = charAt(at_ + 1);
        if (called && line_.text.mid(from, at_ - from) == u"url" && next != u'"' && next != u'\'') {
            const qsizetype close = line_.text.left(end_).indexOf(u')', at_);
            const qsizetype to = close < 0 ? end_ : close;
            line_.add(at_ + 1, to, Token::String);
            at_ = to;
        }
    } else {
        ++at_;
    }
}

/// A value goes on in the next line only where this one's end says so: what lacks its semicolon does no harm.
void CssLexer::endLine() {
    const QStringView rest = line_.text.left(end_).trimmed();
    if (top() == kValue && !rest.endsWith(u',') && !rest.endsWith(u'(') && !rest.endsWith(u':'))
        state_.pop();
}

} // namespace

void lexCss(CodeLine& line, int base, qsizetype from, qsizetype to) {
    CssLexer(line, base, from, to).run();
}

} // namespace hearth::ui
