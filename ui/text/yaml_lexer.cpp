#include "ui/text/document_lexers.h"

#include <algorithm>

namespace hearth::ui {
namespace {

/// CodeState::what of YAML; depth of a block scalar: the least indent of its lines.
enum Open : quint8 { kBlockScalar = 90, kDoubleQuoted, kSingleQuoted };

constexpr qsizetype kMostIndent = 254;
constexpr qsizetype kLongestNumber = 40;

class YamlLexer {
public:
    YamlLexer(const CodeLanguage& language, CodeLine& line)
        : language_(language), line_(line), text_(line.text), state_(line.state) {}

    void run();

private:
    QChar charAt(qsizetype at) const { return at < text_.size() ? text_[at] : QChar(); }

    bool isApart(qsizetype at) const { return at >= text_.size() || text_[at].isSpace(); }

    qsizetype skipSpaces(qsizetype at) const {
        while (at < text_.size() && text_[at].isSpace())
            ++at;
        return at;
    }

    bool goesOn();
    bool marker();
    void dashes();
    void node();
    bool key();
    bool blockScalar();
    void quoted(bool opening);
    void plain();

    const CodeLanguage& language_;
    CodeLine& line_;
    const QStringView text_;
    CodeState& state_;
    qsizetype at_ = 0;
    qsizetype column_ = 0; // of the node that a block scalar belongs to
    int flow_ = 0;         // brackets open in this line
    bool mayKey_ = true;
};

void YamlLexer::run() {
    if (goesOn() || marker())
        return;
    if (at_ == 0)
        dashes();
    while (at_ < text_.size())
        node();
}

/// What the line before left open; true: the whole line is part of it.
bool YamlLexer::goesOn() {
    if (state_.size == 0)
        return false;
    if (state_.what[0] != kBlockScalar) {
        quoted(false);
        mayKey_ = false;
        return at_ >= text_.size();
    }
    const qsizetype indent = skipSpaces(0);
    if (indent == text_.size())
        return true;
    if (indent >= state_.depth[0]) {
        line_.add(indent, text_.size(), Token::String);
        return true;
    }
    state_.pop();
    return false;
}

bool YamlLexer::marker() {
    if (at_ == 0 && text_.startsWith(u'%')) {
        line_.add(0, text_.size(), Token::Keyword);
        return true;
    }
    if (at_ == 0 && (text_.startsWith(u"---") || text_.startsWith(u"...")) && isApart(3)) {
        line_.add(0, 3, Token::Keyword);
        at_ = 3;
        mayKey_ = false;
    }
    return false;
}

void YamlLexer::dashes() {
    at_ = skipSpaces(0);
    column_ = at_ + 1;
    while ((charAt(at_) == u'-' || charAt(at_) == u'?') && isApart(at_ + 1)) {
        column_ = at_ + 1;
        at_ = skipSpaces(at_ + 1);
    }
}

void YamlLexer::node() {
    const QChar c = text_[at_];
    if (c.isSpace()) {
        ++at_;
    } else if (c == u'#' && (at_ == 0 || text_[at_ - 1].isSpace())) {
        line_.add(at_, text_.size(), Token::Comment);
        at_ = text_.size();
    } else if (mayKey_ && key()) {
        mayKey_ = false;
    } else if (c == u'"' || c == u'\'') {
        quoted(true);
        mayKey_ = false;
    } else if (c == u'{' || c == u'[' || c == u'}' || c == u']' || c == u',') {
        flow_ += c == u'{' || c == u'[' ? 1 : c == u',' ? 0 : -1;
        mayKey_ = c != u'}' && c != u']' && flow_ > 0;
        ++at_;
    } else if ((c == u'&' || c == u'*' || c == u'!') && !isApart(at_ + 1)) {
        const qsizetype from = at_;
        while (at_ < text_.size() && !text_[at_].isSpace() && text_[at_] != u',' && text_[at_] != u']' &&
               text_[at_] != u'}')
            ++at_;
        line_.add(from, at_, Token::TypeName);
    } else if (!((c == u'|' || c == u'>') && blockScalar())) {
        plain();
        mayKey_ = false;
    }
}

/// `name:`, up to the next sign of a flow where one is open.
bool YamlLexer::key() {
    qsizetype to = at_;
    const QChar quote = text_[at_];
    if (quote == u'"' || quote == u'\'') {
        for (++to; to < text_.size() && text_[to] != quote; ++to)
            to += quote == u'"' && text_[to] == u'\\' ? 1 : 0;
        to = skipSpaces(std::min(to + 1, text_.size()));
    } else if (QStringView(u"{}[],&*!|>%@`").contains(quote)) {
        return false;
    } else {
        while (to < text_.size() && !(text_[to] == u':' && isApart(to + 1)) &&
               !(text_[to] == u'#' && text_[to - 1].isSpace()) &&
               !(flow_ > 0 && QStringView(u",{}[]").contains(text_[to])))
            ++to;
    }
    if (charAt(to) != u':' || (flow_ == 0 && !isApart(to + 1)))
        return false;
    column_ = flow_ > 0 ? column_ : at_ + 1;
    line_.add(at_, to, Token::Function);
    at_ = to + 1;
    return true;
}

/// `|`, `>-`, `|2+` as the last thing in a line.
bool YamlLexer::blockScalar() {
    qsizetype to = at_ + 1;
    while (to < text_.size() && QStringView(u"+-123456789").contains(text_[to]))
        ++to;
    const qsizetype rest = skipSpaces(to);
    if (flow_ > 0 || (rest < text_.size() && text_[rest] != u'#') || (rest < text_.size() && rest == to))
        return false;
    line_.add(at_, to, Token::Keyword);
    at_ = to;
    state_.push(kBlockScalar, quint8(std::min(column_, kMostIndent)));
    return true;
}

void YamlLexer::quoted(bool opening) {
    const qsizetype from = at_;
    if (opening)
        state_.push(text_[at_] == u'"' ? kDoubleQuoted : kSingleQuoted);
    const bool isDouble = state_.what[0] == kDoubleQuoted;
    const QChar quote = isDouble ? u'"' : u'\'';
    for (at_ += opening ? 1 : 0; at_ < text_.size(); ++at_) {
        if (isDouble && text_[at_] == u'\\') {
            ++at_;
        } else if (text_[at_] == quote) {
            if (isDouble || charAt(at_ + 1) != quote)
                break;
            ++at_;
        }
    }
    if (at_ < text_.size())
        state_.pop();
    at_ = std::min(at_ + 1, text_.size());
    line_.add(from, at_, Token::String);
}

/// A scalar without quotes: a number or a constant has a colour, if it is nothing else.
void YamlLexer::plain() {
    const qsizetype from = at_;
    for (++at_; at_ < text_.size(); ++at_) {
        const QChar c = text_[at_];
        if ((c == u'#' && text_[at_ - 1].isSpace()) || (flow_ > 0 && QStringView(u",{}[]").contains(c)))
            break;
    }
    const QStringView word = text_.mid(from, at_ - from).trimmed();
    const bool digits = word.size() <= kLongestNumber &&
                        std::any_of(word.begin(), word.end(), [](QChar c) { return c >= u'0' && c <= u'9'; }) &&
                        std::all_of(word.begin(), word.end(), [](QChar c) {
                            return c.unicode() < 128 && QStringView(u"0123456789+-._:xeETZ").contains(c);
                        });
    if (digits || word == u"~" || listedWord(language_, word).token == Token::Number)
        line_.add(from, from + word.size(), Token::Number);
}

} // namespace

void lexYaml(const CodeLanguage& language, CodeLine& line) {
    YamlLexer(language, line).run();
}

} // namespace hearth::ui
