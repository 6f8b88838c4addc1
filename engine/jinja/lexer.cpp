#include "engine/jinja/lexer.h"

#include "engine/jinja/text_ops.h"
#include "engine/unicode.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace hearth::engine::jinja {

namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

bool isNameStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

std::string_view withoutBlanksBehind(std::string_view text) {
    while (!text.empty()) {
        size_t start = text.size() - 1;
        while (start > 0 && text.size() - start < 4 && isUtf8Continuation(text[start]))
            start--;
        const CodePoint c = decodeUtf8(text.substr(start));
        if (!c.valid || start + c.length != text.size() || !isBlank(c.value))
            break;
        text = text.substr(0, start);
    }
    return text;
}

} // namespace

std::string normalizedSource(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (size_t i = 0; i < source.size(); i++) {
        if (source[i] != '\r') {
            out += source[i];
        } else {
            out += '\n';
            if (i + 1 < source.size() && source[i + 1] == '\n')
                i++;
        }
    }
    if (!out.empty() && out.back() == '\n')
        out.pop_back();
    return out;
}

size_t Lexer::skipBlanks(size_t at) const {
    while (at < source_.size()) {
        const CodePoint c = decodeUtf8(source_.substr(at));
        if (!c.valid || !isBlank(c.value))
            break;
        at += c.length;
    }
    return at;
}

/// What is left of the text before a tag: `sign` is the '-' or '+' of the tag, `block` whether it is a block or a
/// comment, which also take the blanks before them on their own line.
std::string_view Lexer::stripped(std::string_view text, char sign, bool block) const {
    if (sign == '-')
        return withoutBlanksBehind(text);
    if (sign == '+' || !block)
        return text;
    const size_t line = text.rfind('\n') + 1; // npos + 1 is 0
    if ((line > 0 || lineStarts_) && withoutBlanksBehind(text.substr(line)).empty())
        return text.substr(0, line);
    return text;
}

bool Lexer::rawBegin(size_t at, size_t& bodyBegin) const {
    size_t p = at + 2;
    if (p < source_.size() && (source_[p] == '-' || source_[p] == '+'))
        p++;
    p = skipBlanks(p);
    if (source_.substr(p, 3) != "raw")
        return false;
    p = skipBlanks(p + 3);
    if (source_.substr(p, 2) == "%}")
        bodyBegin = p + 2;
    else if (source_.substr(p, 3) == "-%}")
        bodyBegin = skipBlanks(p + 3);
    else
        return false;
    return true;
}

void Lexer::lexRaw(size_t bodyBegin, Token& token) {
    const bool lineStarted = source_[bodyBegin - 1] == '\n';
    for (size_t hit = source_.find("{%", bodyBegin); hit != source_.npos; hit = source_.find("{%", hit + 2)) {
        size_t p = hit + 2;
        const char sign = p < source_.size() && (source_[p] == '-' || source_[p] == '+') ? source_[p++] : '\0';
        p = skipBlanks(p);
        if (source_.substr(p, 6) != "endraw")
            continue;
        p = skipBlanks(p + 6);
        size_t after;
        if (source_.substr(p, 3) == "+%}")
            after = p + 3;
        else if (source_.substr(p, 3) == "-%}")
            after = skipBlanks(p + 3);
        else if (source_.substr(p, 2) == "%}")
            after = p + 2 + (source_.substr(p + 2, 1) == "\n");
        else
            continue;
        lineStarts_ = lineStarted;
        token.kind = Token::Kind::Data;
        token.position = bodyBegin;
        token.text = stripped(source_.substr(bodyBegin, hit - bodyBegin), sign, true);
        at_ = after;
        lineStarts_ = source_[after - 1] == '\n';
        return;
    }
    throw SyntaxError("{% raw %} has no {% endraw %}", bodyBegin);
}

void Lexer::skipComment(size_t begin) {
    size_t p = begin + 2;
    if (p < source_.size() && (source_[p] == '-' || source_[p] == '+'))
        p++;
    const size_t end = source_.find("#}", p);
    if (end == source_.npos)
        throw SyntaxError("a comment is not closed", begin);
    const char sign = end > p ? source_[end - 1] : '\0';
    at_ = end + 2;
    if (sign == '-')
        at_ = skipBlanks(at_);
    else if (sign != '+' && at_ < source_.size() && source_[at_] == '\n')
        at_++;
    lineStarts_ = source_[at_ - 1] == '\n';
}

/// Text up to the next tag. False: nothing of it is left (the tag or the end follows).
bool Lexer::lexData(Token& token) {
    const size_t begin = at_;
    size_t hit = begin;
    char kind = '\0';
    for (;; hit++) {
        hit = source_.find('{', hit);
        if (hit == source_.npos || hit + 1 >= source_.size()) {
            hit = source_.size();
            break;
        }
        kind = source_[hit + 1];
        if (kind == '{' || kind == '%' || kind == '#')
            break;
    }
    token.kind = Token::Kind::Data;
    token.position = begin;
    if (hit == source_.size()) {
        token.text = source_.substr(begin);
        at_ = hit;
        return !token.text.empty();
    }
    const char sign = hit + 2 < source_.size() ? source_[hit + 2] : '\0';
    token.text = stripped(source_.substr(begin, hit - begin), sign, kind != '{');
    lineStarts_ = false;
    size_t bodyBegin;
    if (kind == '#') {
        skipComment(hit);
    } else if (kind == '%' && rawBegin(hit, bodyBegin)) {
        if (!token.text.empty()) {
            at_ = hit; // first the text, then the raw part: its own text before it is empty then
            return true;
        }
        lexRaw(bodyBegin, token);
        return !token.text.empty();
    } else {
        pending_ = kind == '%' ? Token::Kind::BlockBegin : Token::Kind::VariableBegin;
        pendingBegin_ = hit;
        at_ = hit + 2 + (sign == '-' || sign == '+');
        state_ = kind == '%' ? State::Block : State::Variable;
    }
    return !token.text.empty();
}

bool Lexer::atEndMark(size_t& after) const {
    const std::string_view mark = state_ == State::Block ? "%}" : "}}";
    size_t p = at_;
    const char sign = source_[p];
    if (sign == '-' || (sign == '+' && state_ == State::Block))
        p++;
    if (source_.substr(p, 2) != mark)
        return false;
    after = p + 2;
    if (sign == '-')
        after = skipBlanks(after);
    else if (sign != '+' && state_ == State::Block && after < source_.size() && source_[after] == '\n')
        after++;
    return true;
}

Token Lexer::next() {
    Token token;
    while (state_ == State::Data) {
        if (at_ >= source_.size()) {
            token.position = source_.size();
            return token;
        }
        if (lexData(token))
            return token;
        token = Token();
    }
    if (pending_ != Token::Kind::End) {
        token.kind = pending_;
        token.position = pendingBegin_;
        pending_ = Token::Kind::End;
        open_.clear();
        return token;
    }
    return lexInside();
}

Token Lexer::lexInside() {
    at_ = skipBlanks(at_);
    if (at_ >= source_.size())
        throw SyntaxError("the template ends inside a tag", source_.size());
    Token token;
    token.position = at_;
    size_t after;
    if (open_.empty() && atEndMark(after)) {
        token.kind = state_ == State::Block ? Token::Kind::BlockEnd : Token::Kind::VariableEnd;
        at_ = after;
        lineStarts_ = source_[after - 1] == '\n';
        state_ = State::Data;
        return token;
    }
    const char c = source_[at_];
    if (isNameStart(c)) {
        size_t end = at_ + 1;
        while (end < source_.size() && (isNameStart(source_[end]) || isDigit(source_[end])))
            end++;
        token.kind = Token::Kind::Name;
        token.text = source_.substr(at_, end - at_);
        at_ = end;
        return token;
    }
    if (isDigit(c))
        return lexNumber();
    if (c == '\'' || c == '"')
        return lexString();
    return lexOperator();
}

Token Lexer::lexNumber() {
    Token token;
    token.position = at_;
    const size_t begin = at_;
    int base = 10;
    if (source_[at_] == '0' && at_ + 1 < source_.size()) {
        const char x = static_cast<char>(source_[at_ + 1] | 0x20);
        base = x == 'x' ? 16 : x == 'o' ? 8 : x == 'b' ? 2 : 10;
        if (base != 10)
            at_ += 2;
    }
    std::string digits;
    const auto take = [&] {
        const auto fits = [&](char c) {
            return base == 16 ? isDigit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') : c >= '0' && c < '0' + base;
        };
        while (at_ < source_.size() &&
               (fits(source_[at_]) || (source_[at_] == '_' && at_ + 1 < source_.size() && fits(source_[at_ + 1])))) {
            if (source_[at_] != '_')
                digits += source_[at_];
            at_++;
        }
    };
    take();
    bool real = false;
    if (base == 10 && at_ + 1 < source_.size() && source_[at_] == '.' && isDigit(source_[at_ + 1])) {
        real = true;
        digits += '.';
        at_++;
        take();
    }
    if (base == 10 && at_ < source_.size() && (source_[at_] | 0x20) == 'e') {
        size_t p = at_ + 1;
        if (p < source_.size() && (source_[p] == '+' || source_[p] == '-'))
            p++;
        if (p < source_.size() && isDigit(source_[p])) {
            real = true;
            digits.append(source_.substr(at_, p - at_));
            at_ = p;
            take();
        }
    }
    const char* end = digits.data() + digits.size();
    const auto result = real ? std::from_chars(digits.data(), end, token.number)
                             : std::from_chars(digits.data(), end, token.integer, base);
    if (real && result.ec == std::errc::result_out_of_range) // too large, or too small to be other than 0
        token.number = digits.find("e-") != digits.npos || digits.find("E-") != digits.npos
                           ? 0.0
                           : std::numeric_limits<double>::infinity();
    else if (result.ec != std::errc() || result.ptr != end || digits.empty())
        throw SyntaxError("a number is too large", begin);
    token.kind = real ? Token::Kind::Float : Token::Kind::Integer;
    return token;
}

namespace {

/// Python's escapes; an unknown one stays as it is.
void appendEscape(std::string& out, std::string_view body, size_t& i) {
    const char c = body[i++];
    constexpr std::string_view names = "abfnrtv\\'\"", values = "\a\b\f\n\r\t\v\\'\"";
    if (const size_t known = names.find(c); known != names.npos) {
        out += values[known];
        return;
    }
    if (c == '\n')
        return;
    const auto digits = [&](size_t most, int base) {
        unsigned value = 0;
        size_t n = 0;
        while (n < most && i < body.size()) {
            unsigned digit;
            if (std::from_chars(&body[i], &body[i] + 1, digit, base).ec != std::errc())
                break;
            value = value * static_cast<unsigned>(base) + digit;
            n++;
            i++;
        }
        return std::pair(value, n);
    };
    if (c >= '0' && c <= '7') {
        i--;
        appendUtf8(out, digits(3, 8).first);
        return;
    }
    const size_t wanted = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    const size_t begin = i;
    if (wanted > 0) {
        const auto [value, n] = digits(wanted, 16);
        if (n == wanted) {
            appendUtf8(out, value);
            return;
        }
        i = begin;
    }
    out += '\\';
    out += c;
}

} // namespace

Token Lexer::lexString() {
    Token token;
    token.kind = Token::Kind::String;
    token.position = at_;
    const char quote = source_[at_];
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote)
        end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size())
        throw SyntaxError("a text is not closed", at_);
    const std::string_view body = source_.substr(at_ + 1, end - at_ - 1);
    for (size_t i = 0; i < body.size();) {
        if (body[i] != '\\' || i + 1 >= body.size()) {
            token.string += body[i++];
            continue;
        }
        i++;
        appendEscape(token.string, body, i);
    }
    at_ = end + 1;
    return token;
}

Token Lexer::lexOperator() {
    Token token;
    token.kind = Token::Kind::Operator;
    token.position = at_;
    constexpr std::string_view pairs[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view singles = "+-/*%~[](){}<>=.:|,;";
    size_t length = 0;
    for (const std::string_view p : pairs)
        if (source_.substr(at_, 2) == p)
            length = 2;
    if (length == 0 && singles.find(source_[at_]) != singles.npos)
        length = 1;
    if (length == 0)
        throw SyntaxError("an unexpected character", at_);
    token.text = source_.substr(at_, length);
    const char c = token.text[0];
    if (length == 1 && (c == '(' || c == '[' || c == '{')) {
        open_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (length == 1 && (c == ')' || c == ']' || c == '}')) {
        if (open_.empty() || open_.back() != c)
            throw SyntaxError(std::string("an unexpected '") + c + "'", at_);
        open_.pop_back();
    }
    at_ += length;
    return token;
}

} // namespace hearth::engine::jinja
