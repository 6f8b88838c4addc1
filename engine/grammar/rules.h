#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hearth::engine::grammar {

/// Code points first to last, both included.
struct CharRange {
    char32_t first = 0, last = 0;
};

inline constexpr char32_t kLastChar = 0x10FFFF;
inline constexpr uint32_t kUnbounded = std::numeric_limits<uint32_t>::max();
inline constexpr uint32_t kMaxRepeat = 1'000'000; // the largest count that a grammar may name
inline constexpr int kMaxDepth = 200;             // of brackets, in every notation

using ExprId = uint32_t;
using RuleId = uint32_t;

/// A piece of a rule.
struct Expr {
    // Nothing matches no text at all, not even the empty one.
    enum class Kind : uint8_t { Text, Class, Sequence, Choice, Repeat, Rule, Nothing };

    Kind kind = Kind::Nothing;
    uint32_t min = 0, max = 0;     // Repeat
    RuleId rule = 0;               // Rule
    std::string text;              // Text: UTF-8
    std::vector<CharRange> ranges; // Class: sorted, apart
    std::vector<ExprId> parts;     // Sequence, Choice; Repeat: one
};

struct Rule {
    std::string name; // as a person knows it: in errors
    size_t place = 0; // byte of the text where it is named first
    ExprId body = 0;
    bool defined = false;
};

/// A context-free grammar as a tree of expressions a rule: what GBNF and JSON schemas are read into, and what the
/// automaton is built from. Rule 0 is the root. Throws Error when it grows beyond what is sensible.
class Rules {
public:
    ExprId nothing();
    ExprId empty();
    ExprId text(std::string_view bytes);
    ExprId charClass(std::vector<CharRange> ranges); // in any order, may overlap
    ExprId sequence(std::vector<ExprId> parts);
    ExprId choice(std::vector<ExprId> parts);
    ExprId repeat(ExprId, uint32_t min, uint32_t max);

    ExprId optional(ExprId e) { return repeat(e, 0, 1); }

    ExprId ref(RuleId);

    /// The rule of this name, new if need be.
    RuleId rule(std::string_view name, size_t place = 0);
    /// A rule that nobody can name.
    RuleId rule();
    void define(RuleId, ExprId body);
    ExprId asRule(ExprId body); // a reference to a new rule

    const std::vector<Expr>& exprs() const { return exprs_; }

    const std::vector<Rule>& rules() const { return rules_; }

private:
    ExprId add(Expr);

    std::vector<Expr> exprs_;
    std::vector<Rule> rules_;
    std::unordered_map<std::string, RuleId> byName_;
};

/// Sorted, without overlaps, without surrogates.
std::vector<CharRange> tidyRanges(std::vector<CharRange>);
/// All characters that are in none of the ranges.
std::vector<CharRange> complement(std::vector<CharRange>);

/// A grammar in GBNF. Throws Error with line and column.
Rules parseGbnf(std::string_view text);
/// The JSON documents that a schema allows. Throws Error that names the place in the schema.
Rules rulesOfSchema(std::string_view json);

} // namespace hearth::engine::grammar
