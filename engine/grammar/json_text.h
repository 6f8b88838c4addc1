#pragma once

#include "engine/grammar/rules.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine::grammar {

/// A bound of a number as decimal digits: no digit is lost on the way.
struct Decimal {
    bool negative = false;
    int64_t whole = 0;    // of the magnitude
    std::string fraction; // digits behind the point, no zeros at the end
};

/// -1, 0, 1
int compare(const Decimal&, const Decimal&);

struct NumberBounds {
    std::optional<Decimal> low, high;
    bool lowExcluded = false, highExcluded = false;
};

inline constexpr int64_t kLargestBound = 999'999'999'999; // of a number; larger ones are refused

/// The pieces of JSON text. What is unbounded in JSON but means nothing (white space, digits) is bounded here, so that
/// no model can fill a reply with it.
class JsonText {
public:
    explicit JsonText(Rules& rules) : rules_(rules) {}

    ExprId blank();     // optional white space: a blank, or a line break and an indent
    ExprId character(); // of a string: any, as itself or escaped; one code point
    ExprId string(uint32_t min, uint32_t max);
    /// Characters of the ranges as they stand in a string, only the necessary ones escaped.
    ExprId characters(const std::vector<CharRange>&);
    /// A string in quotes that is none of these: what it shares with them is spelled without escapes.
    ExprId stringExcept(const std::vector<std::string>& names);
    ExprId literal(std::string_view text); // in quotes, escaped

    ExprId integer(const NumberBounds&);
    ExprId number(const NumberBounds&);
    ExprId value(); // any JSON

private:
    ExprId except(const std::vector<std::u32string_view>& names, size_t depth);
    ExprId digits(int64_t low, int64_t high);
    ExprId sameLength(std::string_view low, std::string_view high);
    ExprId anyDigits(uint32_t min, uint32_t max);
    ExprId magnitudes(const Decimal& low, bool lowExcluded, const Decimal& high, bool highExcluded);

    Rules& rules_;
    std::optional<RuleId> blank_, character_, plainRest_, value_;
};

/// A regular expression (ECMA 262, what of it is regular) as the strings in which it finds a match, escaped as in JSON,
/// without the quotes. Throws Error that says what is not supported; `where` is the place for the sentence.
struct Pattern {
    ExprId text = 0;
    uint64_t minLength = 0, maxLength = 0; // code points; kUnbounded: no limit
};

Pattern compilePattern(Rules&, JsonText&, std::string_view pattern, const std::string& where);

/// The pattern of a string format that can be kept; empty: the format is not known.
std::string_view patternOfFormat(std::string_view format);

} // namespace hearth::engine::grammar
