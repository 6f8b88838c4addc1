// Regular expressions of JSON schemas, compiled to what stands in a JSON string.

#include "engine/grammar/json_text.h"

#include "engine/error.h"
#include "engine/unicode.h"

#include <algorithm>

namespace hearth::engine::grammar {

namespace {

constexpr size_t kMaxPattern = 20'000; // bytes
const std::vector<CharRange> kDigits = {{'0', '9'}};
const std::vector<CharRange> kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const std::vector<CharRange> kSpaces = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                                        {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                        {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const std::vector<CharRange> kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

struct ControlEscape {
    char name;
    char32_t value;
};

constexpr ControlEscape kControlEscapes[] = {{'t', '\t'}, {'n', '\n'}, {'r', '\r'}, {'f', '\f'}, {'v', '\v'}, {'0', 0}};

uint64_t times(uint64_t a, uint64_t b) {
    return a == 0 || b == 0                     ? 0
           : a >= kUnbounded || b >= kUnbounded ? kUnbounded
                                                : std::min<uint64_t>(a * b, kUnbounded);
}

uint64_t plus(uint64_t a, uint64_t b) {
    return std::min<uint64_t>(a + b, kUnbounded);
}

class PatternParser {
public:
    PatternParser(Rules& rules, JsonText& json, std::string_view text, const std::string& where)
        : rules_(rules), json_(json), text_(text), where_(where) {}

    Pattern parse() {
        if (text_.size() > kMaxPattern)
            fail("the pattern is too long");
        const Pattern all = alternatives(0);
        if (at_ < text_.size())
            fail("a bracket closes what was not opened");
        return all;
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Error("The JSON schema cannot be used: " + where_ + ": in the pattern " + printable(text_) + ", " + what +
                    ".");
    }

    bool skip(std::string_view wanted) {
        if (!text_.substr(at_).starts_with(wanted))
            return false;
        at_ += wanted.size();
        return true;
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    Pattern alternatives(int depth) {
        if (depth > kMaxDepth)
            fail("the brackets are nested too deeply");
        std::vector<ExprId> parts;
        Pattern all{.minLength = kUnbounded, .maxLength = 0};
        do {
            const Pattern one = depth == 0 ? searched() : sequence(depth);
            parts.push_back(one.text);
            all.minLength = std::min(all.minLength, one.minLength);
            all.maxLength = std::max(all.maxLength, one.maxLength);
        } while (skip("|"));
        all.text = rules_.choice(std::move(parts));
        return all;
    }

    /// A pattern matches anywhere in the text unless it is tied to its ends.
    Pattern searched() {
        const bool fromStart = skip("^");
        Pattern p = sequence(0);
        const bool toEnd = skip("$");
        if (toEnd && at_ < text_.size() && peek() != '|' && peek() != ')')
            fail("$ stands before more");
        const ExprId anything = rules_.repeat(json_.character(), 0, kUnbounded);
        std::vector<ExprId> parts = {p.text};
        if (!fromStart)
            parts.insert(parts.begin(), anything);
        if (!toEnd)
            parts.push_back(anything);
        p.text = rules_.sequence(std::move(parts));
        if (!fromStart || !toEnd)
            p.maxLength = kUnbounded;
        return p;
    }

    Pattern sequence(int depth) {
        Pattern all;
        std::vector<ExprId> parts;
        while (at_ < text_.size() && peek() != '|' && peek() != ')' && peek() != '$') {
            const Pattern one = repeated(element(depth));
            parts.push_back(one.text);
            all.minLength = plus(all.minLength, one.minLength);
            all.maxLength = plus(all.maxLength, one.maxLength);
        }
        if (peek() == '$' && depth > 0)
            fail("$ inside brackets is not supported");
        all.text = parts.empty() ? rules_.empty() : rules_.sequence(std::move(parts));
        return all;
    }

    Pattern element(int depth) {
        if (skip("("))
            return group(depth);
        if (skip("["))
            return oneOf(charClass());
        if (skip("."))
            return oneOf(complement(kLineEnds));
        if (skip("\\"))
            return oneOf(escaped());
        if (peek() == '^' || peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{')
            fail(std::string(1, peek()) + " cannot stand here");
        const char32_t c = character();
        return oneOf({{c, c}});
    }

    Pattern oneOf(const std::vector<CharRange>& ranges) {
        return {.text = json_.characters(tidyRanges(ranges)), .minLength = 1, .maxLength = 1};
    }

    Pattern group(int depth) {
        if (skip("?")) {
            if (skip("<") && peek() != '=' && peek() != '!') {
                const size_t end = text_.find('>', at_);
                if (end == text_.npos)
                    fail("the name of a group is not closed");
                at_ = end + 1;
            } else if (!skip(":")) {
                fail("looking ahead or behind is not supported");
            }
        }
        const Pattern inner = alternatives(depth + 1);
        if (!skip(")"))
            fail("a bracket is not closed");
        return inner;
    }

    char32_t character() {
        const CodePoint c = decodeUtf8(text_.substr(at_));
        at_ += c.length;
        return c.value;
    }

    std::vector<CharRange> charClass() {
        const bool negated = skip("^");
        std::vector<CharRange> ranges;
        while (!skip("]")) {
            if (at_ >= text_.size())
                fail("a class is not closed");
            const std::vector<CharRange> first = classMember();
            const bool single = first.size() == 1 && first[0].first == first[0].last;
            if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']' && single) {
                ++at_;
                const std::vector<CharRange> last = classMember();
                if (last.size() != 1 || last[0].first != last[0].last || last[0].first < first[0].first)
                    fail("a range ends before it begins");
                ranges.push_back({first[0].first, last[0].first});
            } else {
                ranges.insert(ranges.end(), first.begin(), first.end());
            }
        }
        return negated ? complement(std::move(ranges)) : tidyRanges(std::move(ranges));
    }

    std::vector<CharRange> classMember() {
        if (skip("\\b"))
            return {{'\b', '\b'}};
        if (skip("\\"))
            return escaped();
        const char32_t c = character();
        return {{c, c}};
    }

    /// What stands behind a backslash.
    std::vector<CharRange> escaped() {
        if (at_ >= text_.size())
            fail("it ends with a backslash");
        const char c = text_[at_++];
        switch (c) {
        case 'd':
            return kDigits;
        case 'D':
            return complement(kDigits);
        case 'w':
            return kWord;
        case 'W':
            return complement(kWord);
        case 's':
            return kSpaces;
        case 'S':
            return complement(kSpaces);
        case 'x':
            return hex(2);
        case 'u':
            return skip("{") ? braced() : hex(4);
        default:
            break;
        }
        for (const ControlEscape& e : kControlEscapes)
            if (e.name == c)
                return {{e.value, e.value}};
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            fail("the escape \\" + printable(std::string(1, c)) + " is not supported");
        return {{byte, byte}};
    }

    char32_t hexDigits(size_t n) {
        char32_t value = 0;
        for (size_t i = 0; i < n; ++i, ++at_) {
            const std::string_view digits = "0123456789abcdefABCDEF";
            const size_t v = peek() == '\0' ? digits.npos : digits.find(peek());
            if (v == digits.npos)
                fail("an escape lacks hexadecimal digits");
            value = value << 4 | static_cast<char32_t>(v < 16 ? v : v - 6);
        }
        return value;
    }

    std::vector<CharRange> hex(size_t n) {
        const char32_t c = hexDigits(n);
        return {{c, c}};
    }

    std::vector<CharRange> braced() {
        const size_t end = text_.find('}', at_);
        if (end == text_.npos || end == at_ || end - at_ > 6)
            fail("an escape is not closed");
        const char32_t c = hexDigits(end - at_);
        ++at_;
        return {{c, c}};
    }

    Pattern repeated(Pattern p) {
        uint32_t min = 0, max = kUnbounded;
        if (skip("*"))
            min = 0;
        else if (skip("+"))
            min = 1;
        else if (skip("?"))
            max = 1;
        else if (skip("{"))
            counts(min, max);
        else
            return p;
        skip("?"); // lazy or greedy: the same strings
        if (peek() == '*' || peek() == '+' || peek() == '{')
            fail("a repetition is repeated");
        return {.text = rules_.repeat(p.text, min, max),
                .minLength = times(p.minLength, min),
                .maxLength = times(p.maxLength, max)};
    }

    void counts(uint32_t& min, uint32_t& max) {
        min = max = number();
        if (skip(","))
            max = peek() == '}' ? kUnbounded : number();
        if (!skip("}") || max < min)
            fail("a repetition is {m}, {m,} or {m,n}");
    }

    uint32_t number() {
        uint32_t value = 0;
        const size_t begin = at_;
        for (; peek() >= '0' && peek() <= '9'; ++at_)
            value = std::min(value * 10 + static_cast<uint32_t>(peek() - '0'), kMaxRepeat + 1);
        if (at_ == begin || value > kMaxRepeat)
            fail("a repetition is {m}, {m,} or {m,n}, of at most " + std::to_string(kMaxRepeat));
        return value;
    }

    Rules& rules_;
    JsonText& json_;
    std::string_view text_;
    const std::string& where_;
    size_t at_ = 0;
};

struct Format {
    std::string_view name, pattern;
};

// RFC 3339, 4122, 5321 in the forms that every reader takes: no leap days and seconds, plain mail addresses, URIs of
// the web.
#define HEARTH_DATE                                                                                                    \
    "[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-"  \
    "9]|1[0-9]|2[0-8]))"
#define HEARTH_TIME                                                                                                    \
    "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define HEARTH_HOST "[a-z0-9]{1,30}(?:-[a-z0-9]{1,30})?(?:\\.[a-z0-9]{1,30}(?:-[a-z0-9]{1,30})?){0,3}"
constexpr Format kFormats[] = {
    {"date", "^" HEARTH_DATE "$"},
    {"time", "^" HEARTH_TIME "$"},
    {"date-time", "^" HEARTH_DATE "T" HEARTH_TIME "$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    {"email", "^[A-Za-z0-9_+-]{1,30}(?:\\.[A-Za-z0-9_+-]{1,30}){0,1}@" HEARTH_HOST "\\.[a-z]{2,20}$"},
    {"hostname", "^" HEARTH_HOST "$"},
    {"ipv4", "^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$"},
    {"uri", "^https?://" HEARTH_HOST "\\.[a-z]{2,20}(?:/[A-Za-z0-9._~-]{0,80}){0,8}(?:\\?[A-Za-z0-9._~=&-]{0,200})?$"},
};
#undef HEARTH_DATE
#undef HEARTH_TIME
#undef HEARTH_HOST

} // namespace

Pattern compilePattern(Rules& rules, JsonText& json, std::string_view pattern, const std::string& where) {
    return PatternParser(rules, json, pattern, where).parse();
}

std::string_view patternOfFormat(std::string_view format) {
    for (const Format& f : kFormats)
        if (f.name == format)
            return f.pattern;
    return {};
}

} // namespace hearth::engine::grammar
