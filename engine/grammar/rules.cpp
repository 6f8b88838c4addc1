#include "engine/grammar/rules.h"

#include "engine/error.h"

#include <algorithm>
#include <utility>

namespace hearth::engine::grammar {

namespace {

constexpr size_t kMaxExprs = 200'000;
constexpr size_t kMaxRules = 50'000;

} // namespace

ExprId Rules::add(Expr e) {
    if (exprs_.size() >= kMaxExprs)
        throw Error("The grammar is too large: it has more than " + std::to_string(kMaxExprs) + " parts.");
    exprs_.push_back(std::move(e));
    return static_cast<ExprId>(exprs_.size() - 1);
}

ExprId Rules::nothing() {
    return add({.kind = Expr::Kind::Nothing});
}

ExprId Rules::empty() {
    return text({});
}

ExprId Rules::text(std::string_view bytes) {
    return add({.kind = Expr::Kind::Text, .text = std::string(bytes)});
}

ExprId Rules::charClass(std::vector<CharRange> ranges) {
    return add({.kind = Expr::Kind::Class, .ranges = tidyRanges(std::move(ranges))});
}

ExprId Rules::sequence(std::vector<ExprId> parts) {
    return parts.size() == 1 ? parts[0] : add({.kind = Expr::Kind::Sequence, .parts = std::move(parts)});
}

ExprId Rules::choice(std::vector<ExprId> parts) {
    return parts.size() == 1 ? parts[0] : add({.kind = Expr::Kind::Choice, .parts = std::move(parts)});
}

ExprId Rules::repeat(ExprId e, uint32_t min, uint32_t max) {
    return add({.kind = Expr::Kind::Repeat, .min = min, .max = max, .parts = {e}});
}

ExprId Rules::ref(RuleId rule) {
    return add({.kind = Expr::Kind::Rule, .rule = rule});
}

RuleId Rules::rule(std::string_view name, size_t place) {
    if (const auto it = byName_.find(std::string(name)); it != byName_.end())
        return it->second;
    const RuleId id = rule();
    rules_[id].name = name;
    rules_[id].place = place;
    byName_.emplace(name, id);
    return id;
}

RuleId Rules::rule() {
    if (rules_.size() >= kMaxRules)
        throw Error("The grammar is too large: it has more than " + std::to_string(kMaxRules) + " rules.");
    rules_.push_back({});
    return static_cast<RuleId>(rules_.size() - 1);
}

void Rules::define(RuleId id, ExprId body) {
    rules_[id].body = body;
    rules_[id].defined = true;
}

ExprId Rules::asRule(ExprId body) {
    const RuleId id = rule();
    define(id, body);
    return ref(id);
}

std::vector<CharRange> tidyRanges(std::vector<CharRange> ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<CharRange> joined;
    for (CharRange r : ranges) {
        r.last = std::min(r.last, kLastChar);
        if (r.first > r.last)
            continue;
        if (!joined.empty() && r.first <= joined.back().last + 1)
            joined.back().last = std::max(joined.back().last, r.last);
        else
            joined.push_back(r);
    }
    std::vector<CharRange> out; // surrogates have no UTF-8
    for (const CharRange& r : joined) {
        if (r.first < 0xD800)
            out.push_back({r.first, std::min<char32_t>(r.last, 0xD7FF)});
        if (r.last > 0xDFFF)
            out.push_back({std::max<char32_t>(r.first, 0xE000), r.last});
    }
    return out;
}

std::vector<CharRange> complement(std::vector<CharRange> ranges) {
    std::vector<CharRange> out;
    char32_t next = 0;
    for (const CharRange& r : tidyRanges(std::move(ranges))) {
        if (r.first > next)
            out.push_back({next, r.first - 1});
        next = r.last + 1;
    }
    if (next <= kLastChar)
        out.push_back({next, kLastChar});
    return tidyRanges(std::move(out));
}

} // namespace hearth::engine::grammar
