#include "engine/grammar/json_text.h"

#include "engine/unicode.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

namespace hearth::engine::grammar {

namespace {

constexpr uint32_t kMaxIndent = 16; // blanks behind a line break
constexpr int kMaxIntegerDigits = 18;
constexpr int64_t kMaxInteger = 999'999'999'999'999'999; // 18 digits: fits 64 bits
constexpr int kExactDigits = 15;                         // decimal digits that a double keeps apart
constexpr int64_t kUsualLargest = 999'999'999;           // of a number that is bounded on one side only

/// Characters that JSON strings hold only escaped; the other controls are left out.
struct ShortEscape {
    char32_t character;
    std::string_view text;
};

constexpr ShortEscape kShortEscapes[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"},
                                         {'\n', "\\n"}, {'\r', "\\r"},  {'\t', "\\t"}};

constexpr size_t kMaxExceptDepth = 200;

const std::vector<CharRange> kPlain = complement({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
const std::vector<CharRange> kHex = {{'0', '9'}, {'A', 'F'}, {'a', 'f'}};

bool isPlain(char32_t c) {
    return c >= 0x20 && c != '"' && c != '\\';
}

std::u32string toUtf32(std::string_view text) {
    std::u32string out;
    while (!text.empty()) {
        const CodePoint c = decodeUtf8(text);
        out.push_back(c.value);
        text.remove_prefix(c.length);
    }
    return out;
}

Decimal decimalOf(int64_t whole) {
    return {.negative = whole < 0, .whole = whole < 0 ? -whole : whole};
}

} // namespace

int compare(const Decimal& a, const Decimal& b) {
    const bool aZero = a.whole == 0 && a.fraction.empty(), bZero = b.whole == 0 && b.fraction.empty();
    if (aZero && bZero)
        return 0;
    const bool aNegative = a.negative && !aZero, bNegative = b.negative && !bZero;
    if (aNegative != bNegative)
        return aNegative ? -1 : 1;
    const int sign = aNegative ? -1 : 1;
    if (a.whole != b.whole)
        return a.whole < b.whole ? -sign : sign;
    const int fraction = a.fraction.compare(b.fraction);
    return fraction == 0 ? 0 : fraction < 0 ? -sign : sign;
}

// ---- strings

ExprId JsonText::blank() {
    if (!blank_) {
        const ExprId indent = rules_.repeat(rules_.charClass({{' ', ' '}, {'\t', '\t'}}), 0, kMaxIndent);
        blank_ = rules_.rule();
        rules_.define(*blank_,
                      rules_.optional(rules_.choice({rules_.text(" "), rules_.sequence({rules_.text("\n"), indent})})));
    }
    return rules_.ref(*blank_);
}

ExprId JsonText::character() {
    if (character_)
        return rules_.ref(*character_);
    character_ = rules_.rule();
    const ExprId hex = rules_.charClass(kHex);
    const auto twoHex = [&] { return rules_.sequence({hex, hex}); };
    // Half a surrogate pair is no text.
    const ExprId notD = rules_.charClass({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}});
    const ExprId d = rules_.charClass({{'D', 'D'}, {'d', 'd'}});
    const ExprId high = rules_.sequence({d, rules_.charClass({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}), twoHex()});
    const ExprId low = rules_.sequence({d, rules_.charClass({{'C', 'F'}, {'c', 'f'}}), twoHex()});
    const ExprId code = rules_.choice({rules_.sequence({notD, hex, twoHex()}),
                                       rules_.sequence({d, rules_.charClass({{'0', '7'}}), twoHex()}),
                                       rules_.sequence({high, rules_.text("\\u"), low})});
    const ExprId escape = rules_.choice(
        {rules_.charClass(
             {{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}}),
         rules_.sequence({rules_.text("u"), code})});
    const ExprId plain = rules_.charClass(kPlain);
    rules_.define(*character_, rules_.choice({plain, rules_.sequence({rules_.text("\\"), escape})}));
    return rules_.ref(*character_);
}

ExprId JsonText::string(uint32_t min, uint32_t max) {
    return rules_.sequence({rules_.text("\""), rules_.repeat(character(), min, max), rules_.text("\"")});
}

ExprId JsonText::characters(const std::vector<CharRange>& ranges) {
    std::vector<CharRange> special = complement(ranges), plain;
    special.insert(special.end(), {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
    plain = complement(std::move(special));
    std::vector<ExprId> parts;
    if (!plain.empty())
        parts.push_back(rules_.charClass(std::move(plain)));
    for (const ShortEscape& e : kShortEscapes)
        if (std::any_of(ranges.begin(), ranges.end(),
                        [&](const CharRange& r) { return r.first <= e.character && e.character <= r.last; }))
            parts.push_back(rules_.text(e.text));
    return parts.empty() ? rules_.nothing() : rules_.choice(std::move(parts));
}

ExprId JsonText::literal(std::string_view text) {
    return rules_.text(nlohmann::json(text).dump());
}

ExprId JsonText::stringExcept(const std::vector<std::string>& names) {
    std::vector<std::u32string> wide;
    for (const std::string& name : names)
        wide.push_back(toUtf32(name));
    std::sort(wide.begin(), wide.end());
    wide.erase(std::unique(wide.begin(), wide.end()), wide.end());
    const std::vector<std::u32string_view> views(wide.begin(), wide.end());
    return rules_.sequence({rules_.text("\""), except(views, 0), rules_.text("\"")});
}

/// `names`: sorted, equal in their first `depth` characters, which have been written.
ExprId JsonText::except(const std::vector<std::u32string_view>& names, size_t depth) {
    if (depth >= kMaxExceptDepth)
        return rules_.nothing(); // what begins like a very long name is left out
    if (!plainRest_) {
        plainRest_ = rules_.rule();
        rules_.define(*plainRest_, rules_.repeat(rules_.charClass(kPlain), 0, kUnbounded));
    }
    std::vector<ExprId> parts;
    std::vector<CharRange> others = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
    bool ends = false; // a name ends here
    for (size_t begin = 0; begin < names.size();) {
        if (names[begin].size() == depth) {
            ends = true;
            ++begin;
            continue;
        }
        const char32_t c = names[begin][depth];
        size_t end = begin;
        while (end < names.size() && names[end].size() > depth && names[end][depth] == c)
            ++end;
        others.push_back({c, c});
        if (isPlain(c)) {
            std::string text;
            appendUtf8(text, c);
            const std::vector<std::u32string_view> same(names.begin() + static_cast<std::ptrdiff_t>(begin),
                                                        names.begin() + static_cast<std::ptrdiff_t>(end));
            parts.push_back(rules_.sequence({rules_.text(text), except(same, depth + 1)}));
        }
        begin = end;
    }
    parts.push_back(rules_.sequence({rules_.charClass(complement(std::move(others))), rules_.ref(*plainRest_)}));
    if (!ends)
        parts.push_back(rules_.empty());
    return rules_.asRule(rules_.choice(std::move(parts)));
}

// ---- numbers

ExprId JsonText::anyDigits(uint32_t min, uint32_t max) {
    return rules_.repeat(rules_.charClass({{'0', '9'}}), min, max);
}

/// All numbers of as many digits from low to high.
ExprId JsonText::sameLength(std::string_view low, std::string_view high) {
    const auto n = static_cast<uint32_t>(low.size());
    if (low.find_first_not_of('0') == low.npos && high.find_first_not_of('9') == high.npos)
        return anyDigits(n, n);
    const auto digit = [&](char first, char last) {
        return rules_.charClass({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
    };
    const char a = low[0], b = high[0];
    if (a == b)
        return rules_.sequence({digit(a, a), sameLength(low.substr(1), high.substr(1))});
    const std::string zeros(n - 1, '0'), nines(n - 1, '9');
    std::vector<ExprId> parts = {rules_.sequence({digit(a, a), sameLength(low.substr(1), nines)}),
                                 rules_.sequence({digit(b, b), sameLength(zeros, high.substr(1))})};
    if (a + 1 < b)
        parts.push_back(
            rules_.sequence({digit(static_cast<char>(a + 1), static_cast<char>(b - 1)), anyDigits(n - 1, n - 1)}));
    return rules_.choice(std::move(parts));
}

/// All integers from low to high, 0 <= low, without leading zeros.
ExprId JsonText::digits(int64_t low, int64_t high) {
    std::vector<ExprId> parts;
    int64_t last = 9; // of this length
    for (int length = 1; length <= kMaxIntegerDigits && low <= high; ++length) {
        if (low <= last) {
            parts.push_back(sameLength(std::to_string(low), std::to_string(std::min(high, last))));
            low = last + 1;
        }
        last = length < kMaxIntegerDigits ? 10 * last + 9 : last;
    }
    return parts.empty() ? rules_.nothing() : rules_.choice(std::move(parts));
}

ExprId JsonText::integer(const NumberBounds& b) {
    int64_t low = -kMaxInteger, high = kMaxInteger;
    if (b.low) {
        const bool whole = b.low->fraction.empty();
        const int64_t magnitude = b.low->whole;
        low = b.low->negative ? -magnitude : magnitude + (whole ? 0 : 1);
        low += b.lowExcluded && whole ? 1 : 0;
    }
    if (b.high) {
        const bool whole = b.high->fraction.empty();
        const int64_t magnitude = b.high->whole;
        high = b.high->negative ? -magnitude - (whole ? 0 : 1) : magnitude;
        high -= b.highExcluded && whole ? 1 : 0;
    }
    std::vector<ExprId> parts;
    if (low < 0)
        parts.push_back(rules_.sequence({rules_.text("-"), digits(std::max<int64_t>(1, -high), -low)}));
    parts.push_back(digits(std::max<int64_t>(0, low), high));
    return rules_.choice(std::move(parts));
}

namespace {

/// Digits behind the point, so that the number lies between two bounds that agree in what stands before. A bound that
/// is absent never binds.
class FractionRange {
public:
    struct Bound {
        std::string digits;
        bool excluded = false;
    };

    FractionRange(Rules& rules, std::optional<Bound> low, std::optional<Bound> high, size_t most)
        : rules_(rules), low_(std::move(low)), high_(std::move(high)), most_(most) {}

    /// With the point, or nothing at all.
    ExprId expr() {
        std::vector<ExprId> parts;
        const bool low = low_.has_value(), high = high_.has_value();
        if (mayStop(0, low, high))
            parts.push_back(rules_.empty());
        if (most_ > 0)
            parts.push_back(rules_.sequence({rules_.text("."), digitAt(0, low, high)}));
        return parts.empty() ? rules_.nothing() : rules_.choice(std::move(parts));
    }

private:
    static char digitOf(const std::string& digits, size_t i) { return i < digits.size() ? digits[i] : '0'; }

    static bool restIsZero(const std::string& digits, size_t i) {
        return digits.find_first_not_of('0', i) == digits.npos;
    }

    /// `low`, `high`: so far the digits are those of the bound.
    bool mayStop(size_t i, bool low, bool high) const {
        if (low && (!restIsZero(low_->digits, std::min(i, low_->digits.size())) || low_->excluded))
            return false;
        return !high || !high_->excluded || !restIsZero(high_->digits, std::min(i, high_->digits.size()));
    }

    ExprId afterDigit(size_t i, bool low, bool high) {
        std::vector<ExprId> parts;
        if (mayStop(i, low, high))
            parts.push_back(rules_.empty());
        if (i < most_)
            parts.push_back(digitAt(i, low, high));
        return parts.empty() ? rules_.nothing() : rules_.choice(std::move(parts));
    }

    /// One digit at least.
    ExprId digitAt(size_t i, bool low, bool high) {
        if (!low && !high)
            return rules_.repeat(rules_.charClass({{'0', '9'}}), 1, static_cast<uint32_t>(most_ - i));
        const auto [it, isNew] = known_.try_emplace({i, low, high}, 0);
        if (!isNew)
            return rules_.ref(it->second);
        const RuleId rule = it->second = rules_.rule();
        const char first = low ? digitOf(low_->digits, i) : '0', last = high ? digitOf(high_->digits, i) : '9';
        std::vector<ExprId> parts;
        for (char d = first; d <= last; ++d)
            parts.push_back(rules_.sequence(
                {rules_.text(std::string(1, d)), afterDigit(i + 1, low && d == first, high && d == last)}));
        rules_.define(rule, parts.empty() ? rules_.nothing() : rules_.choice(std::move(parts)));
        return rules_.ref(rule);
    }

    Rules& rules_;
    std::optional<Bound> low_, high_;
    size_t most_;
    std::map<std::tuple<size_t, bool, bool>, RuleId> known_;
};

} // namespace

/// Numbers without a sign from low to high, 0 <= low.
ExprId JsonText::magnitudes(const Decimal& low, bool lowExcluded, const Decimal& high, bool highExcluded) {
    if (compare(low, high) > 0)
        return rules_.nothing();
    const size_t wholeDigits = std::to_string(high.whole).size();
    const size_t most = std::max(
        {kExactDigits - std::min<size_t>(wholeDigits, kExactDigits), low.fraction.size(), high.fraction.size()});
    using Bound = FractionRange::Bound;
    const Bound above{low.fraction, lowExcluded}, below{high.fraction, highExcluded};
    const ExprId first = rules_.text(std::to_string(low.whole)), last = rules_.text(std::to_string(high.whole));
    if (low.whole == high.whole)
        return rules_.sequence({first, FractionRange(rules_, above, below, most).expr()});
    std::vector<ExprId> parts = {
        rules_.sequence({first, FractionRange(rules_, above, std::nullopt, most).expr()}),
        rules_.sequence({last, FractionRange(rules_, std::nullopt, below, most).expr()}),
    };
    if (low.whole + 1 < high.whole)
        parts.push_back(rules_.sequence(
            {digits(low.whole + 1, high.whole - 1), FractionRange(rules_, std::nullopt, std::nullopt, most).expr()}));
    return rules_.choice(std::move(parts));
}

ExprId JsonText::number(const NumberBounds& b) {
    if (!b.low && !b.high) {
        const ExprId whole = rules_.choice(
            {rules_.text("0"), rules_.sequence({rules_.charClass({{'1', '9'}}), anyDigits(0, kExactDigits)})});
        const ExprId fraction = rules_.optional(rules_.sequence({rules_.text("."), anyDigits(1, kExactDigits)}));
        const ExprId sign = rules_.optional(rules_.charClass({{'+', '+'}, {'-', '-'}}));
        const ExprId exponent =
            rules_.optional(rules_.sequence({rules_.charClass({{'e', 'e'}, {'E', 'E'}}), sign, anyDigits(1, 2)}));
        return rules_.sequence({rules_.optional(rules_.text("-")), whole, fraction, exponent});
    }
    const int64_t largest = std::max({kUsualLargest, b.low ? 10 * b.low->whole : 0, b.high ? 10 * b.high->whole : 0});
    const Decimal low = b.low.value_or(decimalOf(-largest)), high = b.high.value_or(decimalOf(largest));
    const Decimal zero;
    std::vector<ExprId> parts;
    if (compare(low, zero) < 0) { // below zero: the magnitudes run the other way
        const bool onlyBelow = compare(high, zero) < 0;
        Decimal from = onlyBelow ? high : zero, to = low;
        from.negative = to.negative = false;
        parts.push_back(rules_.sequence(
            {rules_.text("-"), magnitudes(from, onlyBelow ? b.highExcluded : true, to, b.lowExcluded)}));
    }
    if (compare(high, zero) >= 0) {
        const bool alsoBelow = compare(low, zero) < 0;
        parts.push_back(magnitudes(alsoBelow ? zero : low, alsoBelow ? false : b.lowExcluded, high, b.highExcluded));
    }
    return parts.empty() ? rules_.nothing() : rules_.choice(std::move(parts));
}

// ---- anything

ExprId JsonText::value() {
    if (value_)
        return rules_.ref(*value_);
    value_ = rules_.rule();
    const ExprId comma = rules_.sequence({blank(), rules_.text(","), blank()});
    const ExprId member = rules_.asRule(
        rules_.sequence({string(0, kUnbounded), blank(), rules_.text(":"), blank(), rules_.ref(*value_)}));
    const auto list = [&](std::string_view open, ExprId element, std::string_view close) {
        const ExprId more = rules_.repeat(rules_.sequence({comma, element}), 0, kUnbounded);
        return rules_.sequence({rules_.text(open), blank(), rules_.optional(rules_.sequence({element, more, blank()})),
                                rules_.text(close)});
    };
    rules_.define(*value_, rules_.choice({string(0, kUnbounded), number({}), list("{", member, "}"),
                                          list("[", rules_.ref(*value_), "]"), rules_.text("true"),
                                          rules_.text("false"), rules_.text("null")}));
    return rules_.ref(*value_);
}

} // namespace hearth::engine::grammar
