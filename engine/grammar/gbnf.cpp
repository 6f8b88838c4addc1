// GBNF: the notation of grammars that people who run open-weight models write.
//
//     root   ::= answer ("," " "? answer){0,3}   # a comment
//     answer ::= "yes" | "no" | [0-9]+ | [^\n"]* | .

#include "engine/grammar/rules.h"

#include "engine/error.h"
#include "engine/unicode.h"

#include <string>

namespace hearth::engine::grammar {

namespace {

constexpr size_t kMaxBytes = 2'000'000;
constexpr int kMaxPostfixes = 8; // on one element

bool isNameChar(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/// What stands behind a backslash, and the character it means.
struct Escape {
    char name;
    char32_t value;
};

constexpr Escape kEscapes[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'"', '"'}, {'\\', '\\'}, {'[', '['},
                               {']', ']'},  {'-', '-'},  {'^', '^'},  {'/', '/'}, {'\'', '\''}, {'.', '.'}};

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    Rules parse() {
        if (text_.size() > kMaxBytes)
            throw Error("The grammar is too large: it has more than " + readableBytes(kMaxBytes) + ".");
        if (text_.starts_with("\xEF\xBB\xBF"))
            at_ = 3;
        rules_.rule("root");
        skipBlanks(true);
        while (at_ < text_.size()) {
            parseRule();
            skipBlanks(true);
        }
        checkDefined();
        return std::move(rules_);
    }

private:
    [[noreturn]] void fail(const std::string& what) const { failAt(at_, what); }

    [[noreturn]] void failAt(size_t at, const std::string& what) const {
        throw Error("The grammar cannot be read: " + placeOf(at) + ": " + what + ".");
    }

    std::string placeOf(size_t at) const {
        size_t line = 1, begin = 0;
        for (size_t i = 0; i < at && i < text_.size(); ++i)
            if (text_[i] == '\n') {
                ++line;
                begin = i + 1;
            }
        return "line " + std::to_string(line) + ", column " +
               std::to_string(countCodePoints(text_.substr(begin, at - begin)) + 1);
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    bool skip(std::string_view wanted) {
        if (!text_.substr(at_).starts_with(wanted))
            return false;
        at_ += wanted.size();
        return true;
    }

    void skipBlanks(bool lines) {
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '#')
                while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n')
                    ++at_;
            else if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r')))
                return;
        }
    }

    std::string_view name() {
        const size_t begin = at_;
        while (at_ < text_.size() && isNameChar(text_[at_]))
            ++at_;
        return text_.substr(begin, at_ - begin);
    }

    void parseRule() {
        const size_t begin = at_;
        const std::string_view ruleName = name();
        if (ruleName.empty())
            fail("the name of a rule is expected");
        skipBlanks(false);
        if (!skip("::="))
            fail("::= is expected behind the name of a rule");
        const RuleId rule = rules_.rule(ruleName, begin);
        if (rules_.rules()[rule].defined)
            failAt(begin, "the rule " + printable(ruleName) + " is defined twice");
        skipBlanks(true);
        rules_.define(rule, alternatives(0));
        if (at_ < text_.size() && peek() != '\n' && peek() != '\r')
            fail("this cannot stand here");
    }

    ExprId alternatives(int depth) {
        if (depth > kMaxDepth)
            fail("the brackets are nested too deeply");
        std::vector<ExprId> parts = {sequence(depth)};
        for (;;) {
            // A bar may begin the next line.
            const size_t before = at_;
            skipBlanks(true);
            if (!skip("|")) {
                at_ = depth > 0 ? at_ : before;
                return rules_.choice(std::move(parts));
            }
            skipBlanks(true);
            parts.push_back(sequence(depth));
        }
    }

    ExprId sequence(int depth) {
        std::vector<ExprId> parts;
        for (;;) {
            skipBlanks(depth > 0);
            const char c = peek();
            if (at_ >= text_.size() || c == '|' || c == ')' || c == '\n' || c == '\r')
                break;
            parts.push_back(repeated(element(depth)));
        }
        return parts.empty() ? rules_.empty() : rules_.sequence(std::move(parts));
    }

    ExprId element(int depth) {
        if (skip("\""))
            return literal();
        if (skip("["))
            return charClass();
        if (skip("."))
            return rules_.charClass({{0, kLastChar}});
        if (skip("("))
            return group(depth);
        const size_t begin = at_;
        if (const std::string_view ruleName = name(); !ruleName.empty())
            return rules_.ref(rules_.rule(ruleName, begin));
        if (peek() == '<' || peek() == '!')
            fail("references to tokens are not supported; write their text");
        fail("this cannot stand here");
    }

    ExprId group(int depth) {
        const size_t begin = at_ - 1;
        const ExprId inner = alternatives(depth + 1);
        skipBlanks(true);
        if (!skip(")"))
            failAt(begin, "this bracket is not closed");
        return inner;
    }

    ExprId literal() {
        const size_t begin = at_ - 1;
        std::string bytes;
        while (!skip("\"")) {
            if (at_ >= text_.size() || peek() == '\n')
                failAt(begin, "this text is not closed");
            appendUtf8(bytes, character());
        }
        return rules_.text(bytes);
    }

    ExprId charClass() {
        const size_t begin = at_ - 1;
        const bool negated = skip("^");
        std::vector<CharRange> ranges;
        while (!skip("]")) {
            if (at_ >= text_.size() || peek() == '\n')
                failAt(begin, "this class is not closed");
            const size_t from = at_;
            CharRange r;
            r.first = r.last = character();
            if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
                ++at_;
                r.last = character();
            }
            if (r.first > r.last)
                failAt(from, "the range ends before it begins");
            ranges.push_back(r);
        }
        if (ranges.empty() && !negated)
            failAt(begin, "this class is empty");
        return rules_.charClass(negated ? complement(std::move(ranges)) : std::move(ranges));
    }

    char32_t character() {
        if (skip("\\"))
            return escaped();
        if (at_ >= text_.size())
            fail("a character is missing at the end");
        const CodePoint c = decodeUtf8(text_.substr(at_));
        if (!c.valid)
            fail("this byte is not UTF-8");
        at_ += c.length;
        return c.value;
    }

    char32_t escaped() {
        const size_t begin = at_ - 1;
        const char c = peek();
        if (at_ < text_.size())
            ++at_;
        for (const Escape& e : kEscapes)
            if (e.name == c)
                return e.value;
        const int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (digits == 0)
            failAt(begin, "this escape is not known");
        char32_t value = 0;
        for (int i = 0; i < digits; ++i, ++at_) {
            const std::string_view hex = "0123456789abcdef";
            const char digit = peek() >= 'A' && peek() <= 'F' ? static_cast<char>(peek() - 'A' + 'a') : peek();
            const size_t v = digit == '\0' ? hex.npos : hex.find(digit);
            if (v == hex.npos)
                failAt(begin, "this escape needs " + std::to_string(digits) + " hexadecimal digits");
            value = value << 4 | static_cast<char32_t>(v);
        }
        if (value > kLastChar || (value >= 0xD800 && value <= 0xDFFF))
            failAt(begin, "this escape is no character");
        return value;
    }

    /// Any number of * + ? {m} {m,} {m,n} behind an element.
    ExprId repeated(ExprId e) {
        for (int n = 0;; ++n) {
            skipBlanks(false);
            const size_t begin = at_;
            if (skip("*"))
                e = rules_.repeat(e, 0, kUnbounded);
            else if (skip("+"))
                e = rules_.repeat(e, 1, kUnbounded);
            else if (skip("?"))
                e = rules_.repeat(e, 0, 1);
            else if (skip("{"))
                e = counted(e, begin);
            else
                return e;
            if (n >= kMaxPostfixes)
                failAt(begin, "there are too many repetitions of one element");
        }
    }

    ExprId counted(ExprId e, size_t begin) {
        skipBlanks(false);
        const uint32_t min = number(begin);
        uint32_t max = min;
        skipBlanks(false);
        if (skip(",")) {
            skipBlanks(false);
            max = peek() == '}' ? kUnbounded : number(begin);
            skipBlanks(false);
        }
        if (!skip("}"))
            failAt(begin, "a repetition is {m}, {m,} or {m,n}");
        if (max < min)
            failAt(begin, "the repetition ends before it begins");
        return rules_.repeat(e, min, max);
    }

    uint32_t number(size_t begin) {
        uint32_t value = 0;
        const size_t first = at_;
        for (; peek() >= '0' && peek() <= '9'; ++at_) {
            value = value * 10 + static_cast<uint32_t>(peek() - '0');
            if (value > kMaxRepeat)
                failAt(begin, "more than " + std::to_string(kMaxRepeat) + " repetitions");
        }
        if (at_ == first)
            failAt(begin, "a repetition is {m}, {m,} or {m,n}");
        return value;
    }

    void checkDefined() const {
        if (!rules_.rules()[0].defined)
            throw Error("The grammar cannot be read: it has no rule named root.");
        for (const Rule& rule : rules_.rules())
            if (!rule.defined)
                throw Error("The grammar cannot be read: " + placeOf(rule.place) + ": the rule " +
                            printable(rule.name) + " is not defined.");
    }

    std::string_view text_;
    size_t at_ = 0;
    Rules rules_;
};

} // namespace

Rules parseGbnf(std::string_view text) {
    return Parser(text).parse();
}

} // namespace hearth::engine::grammar
