#include "ui/text/document_lexers.h"

#include <algorithm>

namespace hearth::ui {
namespace {

/// CodeState::what of markup. From kScript on: another language inside, whose frames stand above.
enum Open : quint8 { kMarkup = 90, kComment, kCdata, kTag, kDoubleValue, kSingleValue, kScript = 128, kStyle, kPhp };

/// CodeState::depth of a tag: 0, what its text is, or this for `<!…`.
constexpr quint8 kDeclaration = 1;
constexpr qsizetype kLongestEntity = 32;

bool isNameStart(QChar c) {
    return c.isLetter() || c == u'_';
}

bool isNameInner(QChar c) {
    return c.isLetterOrNumber() || (c.unicode() < 128 && QStringView(u"_-.:@#").contains(c));
}

const CodeLanguage& embedded(quint8 what) {
    static const CodeLanguage* const script = codeLanguage(u"javascript");
    static const CodeLanguage* const php = codeLanguage(u"php");
    return what == kPhp ? *php : *script;
}

class MarkupLexer {
public:
    MarkupLexer(CodeLine& line, bool php) : line_(line), state_(line.state), php_(php) {}

    void run();

private:
    QChar charAt(qsizetype at) const { return at < line_.text.size() ? line_.text[at] : QChar(); }

    bool startsWith(QStringView mark) const { return line_.text.mid(at_).startsWith(mark, Qt::CaseInsensitive); }

    void begin();
    bool embeddedCode();
    void text();
    void tagBegins();
    void tag();
    void value();
    void until(QStringView close, Token);

    bool phpFollows() const { return startsWith(u"<?php") || startsWith(u"<?="); }

    bool phpBegins();
    void entity();

    CodeLine& line_;
    CodeState& state_;
    const bool php_;
    qsizetype at_ = 0;
    bool afterEquals_ = false;
};

/// PHP without its opening tag is what people paste; a page begins with a tag.
void MarkupLexer::begin() {
    const QStringView head = line_.text.trimmed();
    if (!php_ || state_.size > 0 || head.isEmpty())
        return;
    state_.push(head.startsWith(u'<') ? quint8(kMarkup) : quint8(kPhp));
}

void MarkupLexer::run() {
    begin();
    while (at_ < line_.text.size()) {
        if (embeddedCode())
            continue;
        switch (state_.size > 0 ? state_.what[size_t(state_.size - 1)] : quint8(kMarkup)) {
        case kComment:
            until(u"-->", Token::Comment);
            break;
        case kCdata:
            until(u"]]>", Token::String);
            break;
        case kTag:
            tag();
            break;
        case kDoubleValue:
        case kSingleValue:
            value();
            break;
        default:
            text();
        }
    }
}

/// Reads code of another language up to its end; false: there is none here.
bool MarkupLexer::embeddedCode() {
    int index = 0;
    while (index < state_.size && state_.what[size_t(index)] < kScript)
        ++index;
    if (index == state_.size)
        return false;
    const quint8 what = state_.what[size_t(index)];
    const qsizetype size = line_.text.size();
    qsizetype end = size;
    if (what == kPhp) {
        CodeLexer lexer(embedded(what), line_, index + 1);
        end = lexer.run(at_, size, QLatin1String("?>"));
        if (end == size)
            lexer.endLine();
        else
            line_.add(end, end + 2, Token::Keyword);
    } else {
        const qsizetype close =
            line_.text.indexOf(what == kScript ? u"</script" : u"</style", at_, Qt::CaseInsensitive);
        end = close < 0 ? size : close;
        if (what == kStyle) {
            lexCss(line_, index + 1, at_, end);
        } else {
            CodeLexer lexer(embedded(what), line_, index + 1);
            lexer.run(at_, end);
            lexer.endLine();
        }
    }
    at_ = end;
    if (end < size) {
        at_ += what == kPhp ? 2 : 0;
        state_.truncate(index);
        state_.tag = 0;
        if (php_ && state_.size == 0)
            state_.push(kMarkup);
    }
    return true;
}

bool MarkupLexer::phpBegins() {
    if (!phpFollows() || !state_.push(kPhp))
        return false;
    const qsizetype length = charAt(at_ + 2) == u'=' ? 3 : 5;
    line_.add(at_, at_ + length, Token::Keyword);
    at_ += length;
    return true;
}

void MarkupLexer::text() {
    const QChar c = line_.text[at_];
    if (c == u'&')
        entity();
    else if (c == u'<')
        tagBegins();
    else
        ++at_;
}

void MarkupLexer::entity() {
    qsizetype to = at_ + 1;
    while (to < line_.text.size() && to - at_ < kLongestEntity &&
           (line_.text[to].isLetterOrNumber() || line_.text[to] == u'#'))
        ++to;
    if (charAt(to) == u';') {
        line_.add(at_, to + 1, Token::Number);
        at_ = to;
    }
    ++at_;
}

void MarkupLexer::tagBegins() {
    if (phpBegins())
        return;
    if (startsWith(u"<!--") && state_.push(kComment)) {
        until(u"-->", Token::Comment);
        return;
    }
    if (startsWith(u"<![CDATA[") && state_.push(kCdata)) {
        line_.add(at_, at_ + 9, Token::Keyword);
        at_ += 9;
        return;
    }
    qsizetype from = at_ + 1;
    if (charAt(from) == u'/' || charAt(from) == u'!' || charAt(from) == u'?')
        ++from;
    qsizetype to = from;
    while (to < line_.text.size() && isNameInner(line_.text[to]))
        ++to;
    if (to == from || !isNameStart(line_.text[from])) {
        ++at_;
        return;
    }
    const QStringView name = line_.text.mid(from, to - from);
    const bool opening = from == at_ + 1;
    quint8 inside = charAt(at_ + 1) == u'!' ? quint8(kDeclaration) : quint8(0);
    if (opening && name.compare(u"script", Qt::CaseInsensitive) == 0)
        inside = kScript;
    else if (opening && name.compare(u"style", Qt::CaseInsensitive) == 0)
        inside = kStyle;
    at_ = state_.push(kTag, inside) ? to : at_ + 1;
    line_.add(from, at_, Token::Keyword);
    afterEquals_ = false;
}

void MarkupLexer::tag() {
    const QChar c = line_.text[at_];
    if (c == u'<' && phpBegins())
        return;
    const quint8 inside = state_.depth[size_t(state_.size - 1)];
    if (c == u'[' && inside == kDeclaration) { // more declarations stand in the brackets
        state_.pop();
        ++at_;
    } else if (c == u'>') {
        state_.pop();
        if (inside >= kScript && (at_ == 0 || line_.text[at_ - 1] != u'/'))
            state_.push(inside);
        ++at_;
    } else if (c == u'"' || c == u'\'') {
        if (state_.push(c == u'"' ? kDoubleValue : kSingleValue)) {
            line_.add(at_, at_ + 1, Token::String);
        }
        ++at_;
        afterEquals_ = false;
    } else if (isNameInner(c)) {
        const qsizetype from = at_;
        while (at_ < line_.text.size() && (isNameInner(line_.text[at_]) ||
                                           (afterEquals_ && !line_.text[at_].isSpace() && line_.text[at_] != u'>')))
            ++at_;
        line_.add(from, at_, afterEquals_ ? Token::String : Token::Function);
        afterEquals_ = false;
    } else {
        afterEquals_ = c == u'=' || (afterEquals_ && c.isSpace());
        ++at_;
    }
}

void MarkupLexer::value() {
    const qsizetype from = at_;
    const QChar quote = state_.what[size_t(state_.size - 1)] == kDoubleValue ? u'"' : u'\'';
    for (; at_ < line_.text.size(); ++at_) {
        const QChar c = line_.text[at_];
        if (c == u'<' && charAt(at_ + 1) == u'?' && phpFollows() && !state_.isFull()) {
            line_.add(from, at_, Token::String);
            phpBegins();
            return;
        }
        if (c == quote) {
            ++at_;
            state_.pop();
            break;
        }
    }
    line_.add(from, at_, Token::String);
}

/// The rest of the line, or up to what closes the innermost frame.
void MarkupLexer::until(QStringView close, Token token) {
    const qsizetype found = line_.text.indexOf(close, at_);
    const qsizetype to = found < 0 ? line_.text.size() : found + close.size();
    line_.add(at_, to, token);
    at_ = to;
    if (found >= 0)
        state_.pop();
}

} // namespace

void lexMarkup(CodeLine& line, bool php) {
    MarkupLexer(line, php).run();
}

} // namespace hearth::ui
