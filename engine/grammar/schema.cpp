// JSON schemas as grammars: for each conjunction of schemas a rule whose text is a document that fits all of them.

#include "engine/grammar/schema_facts.h"

#include "engine/error.h"

#include <algorithm>
#include <deque>
#include <map>

namespace hearth::engine::grammar {

namespace {

constexpr size_t kMaxSchemaBytes = 1'000'000;
constexpr int kMaxSchemaDepth = 100;
constexpr size_t kMaxConjunctions = 20'000;

class SchemaCompiler {
public:
    explicit SchemaCompiler(const Json& root) : reader_(root), json_(rules_) {}

    Rules compile(const Json& root) {
        const RuleId rule = rules_.rule(); // the root is rule 0
        rules_.define(rule, ref({&root}));
        // Schemas are found while others are compiled: no recursion, however deep they lie in each other.
        while (!pending_.empty()) {
            const auto [id, schemas] = std::move(pending_.front());
            pending_.pop_front();
            rules_.define(id, document(schemas));
        }
        return std::move(rules_);
    }

private:
    ExprId ref(const Conjunction& schemas) {
        Conjunction flat = reader_.flattened(schemas);
        Conjunction key = flat;
        std::sort(key.begin(), key.end());
        const auto [it, isNew] = known_.try_emplace(std::move(key), 0);
        if (isNew) {
            if (known_.size() > kMaxConjunctions)
                reader_.fail(flat.empty() ? nullptr : flat[0], "", "the schema unfolds to too much");
            it->second = rules_.rule();
            pending_.emplace_back(it->second, std::move(flat));
        }
        return rules_.ref(it->second);
    }

    ExprId document(const Conjunction& flat) {
        std::vector<ExprId> parts;
        for (const Conjunction& one : reader_.alternatives(flat))
            parts.push_back(plain(one, one.empty() ? nullptr : one[0]));
        return parts.empty() ? json_.value() : rules_.choice(std::move(parts));
    }

    /// Without alternatives.
    ExprId plain(const Conjunction& flat, const Json* place) {
        const Facts f = reader_.facts(flat);
        std::vector<ExprId> parts = {rules_.nothing()};
        if (f.values) {
            for (const Json& value : *f.values)
                if (fits(value, f, reader_, place))
                    parts.push_back(rules_.text(value.dump()));
            return rules_.choice(std::move(parts));
        }
        const uint8_t types = f.emittedTypes();
        if (types == kAllTypes)
            return json_.value();
        if (types & kNull)
            parts.push_back(rules_.text("null"));
        if (types & kBoolean)
            parts.push_back(rules_.choice({rules_.text("true"), rules_.text("false")}));
        if (types & kFraction)
            parts.push_back(json_.number(f.number));
        else if (types & kInteger)
            parts.push_back(json_.integer(f.number));
        if (types & kString)
            parts.push_back(string(f, place));
        if (types & kArray)
            parts.push_back(array(f, place));
        if (types & kObject)
            parts.push_back(object(f, place));
        return rules_.choice(std::move(parts));
    }

    uint32_t least(uint64_t count, const Json* place, const char* keyword) const {
        if (count > kMaxRepeat)
            reader_.fail(place, keyword, "more than " + std::to_string(kMaxRepeat) + " cannot be asked for");
        return static_cast<uint32_t>(count);
    }

    static uint32_t most(uint64_t count) {
        return count >= kUnbounded ? kUnbounded : static_cast<uint32_t>(std::min<uint64_t>(count, kMaxRepeat));
    }

    ExprId string(const Facts& f, const Json* place) {
        if (f.minLength > f.maxLength)
            return rules_.nothing();
        if (f.patterns.empty())
            return json_.string(least(f.minLength, place, "minLength"), most(f.maxLength));
        if (f.patterns.size() > 1)
            reader_.fail(place, "", "two patterns or formats for one text are not supported");
        const Pattern p = compilePattern(rules_, json_, f.patterns[0], f.patternPlace);
        if (p.minLength < f.minLength || p.maxLength > f.maxLength)
            reader_.fail(place, f.minLength > p.minLength ? "minLength" : "maxLength",
                         "the length of a text with a pattern or a format is not supported where these allow others");
        return rules_.sequence({rules_.text("\""), p.text, rules_.text("\"")});
    }

    // ---- arrays

    ExprId comma() { return rules_.sequence({rules_.text(","), json_.blank()}); }

    ExprId array(const Facts& f, const Json* place) {
        if (f.uniqueItems && f.maxItems > 1)
            reader_.fail(place, "uniqueItems", "this keyword is not supported");
        const uint32_t min = least(f.minItems, place, "minItems"), max = most(f.maxItems);
        if (min > max)
            return rules_.nothing();
        const size_t prefix = f.prefixLength();
        const auto behind = [](uint64_t n, uint32_t bound) { // what is left of a bound behind n elements
            return bound == kUnbounded ? kUnbounded : static_cast<uint32_t>(bound > n ? bound - n : 0);
        };
        // From the back: what may follow when n elements are written.
        const uint64_t first = std::max<uint64_t>(1, prefix);
        const ExprId others = rules_.sequence({comma(), ref(f.ofElement(prefix))});
        ExprId tail = rules_.repeat(others, behind(first, min), behind(first, max));
        for (uint64_t n = first; n-- > 1;) {
            if (n >= max) {
                tail = rules_.empty();
                continue;
            }
            const ExprId more = rules_.sequence({comma(), ref(f.ofElement(n)), tail});
            tail = rules_.asRule(n >= min ? rules_.optional(more) : more);
        }
        std::vector<ExprId> parts;
        if (max > 0)
            parts.push_back(rules_.sequence({ref(f.ofElement(0)), tail, json_.blank()}));
        if (min == 0)
            parts.push_back(rules_.empty());
        return rules_.sequence({rules_.text("["), json_.blank(), rules_.choice(std::move(parts)), rules_.text("]")});
    }

    // ---- objects

    ExprId member(ExprId name, const Conjunction& schemas) {
        return rules_.sequence({name, rules_.text(":"), json_.blank(), ref(schemas)});
    }

    /// Members in the order of the schema. From the back: what may follow when a member has been written, and when none
    /// has.
    ExprId object(const Facts& f, const Json* place) {
        const std::vector<std::string> names = f.properties();
        checkMemberCount(f, names, place);
        ExprId after = rules_.empty(), fresh = rules_.empty();
        if (f.allowsAdditional()) {
            const ExprId extra = rules_.asRule(member(json_.stringExcept(names), f.ofAdditional()));
            const ExprId more = rules_.sequence({comma(), extra});
            after = rules_.asRule(rules_.repeat(more, 0, kUnbounded));
            fresh = rules_.asRule(rules_.optional(rules_.sequence({extra, after})));
        }
        for (size_t i = names.size(); i-- > 0;) {
            const ExprId one = rules_.asRule(member(json_.literal(names[i]), f.ofProperty(names[i])));
            std::vector<ExprId> ifAfter = {rules_.sequence({comma(), one, after})};
            std::vector<ExprId> ifFresh = {rules_.sequence({one, after})};
            if (!f.isRequired(names[i])) {
                ifAfter.push_back(after);
                ifFresh.push_back(fresh);
            }
            after = rules_.asRule(rules_.choice(std::move(ifAfter)));
            fresh = rules_.asRule(rules_.choice(std::move(ifFresh)));
        }
        return rules_.sequence({rules_.text("{"), json_.blank(), fresh, json_.blank(), rules_.text("}")});
    }

    /// The number of members is kept where the names keep it already.
    void checkMemberCount(const Facts& f, const std::vector<std::string>& names, const Json* place) const {
        if (f.minProperties > f.required.size())
            reader_.fail(place, "minProperties", "this keyword is supported only where `required` names as many");
        if (f.maxProperties < (f.allowsAdditional() ? kUnbounded : names.size()))
            reader_.fail(place, "maxProperties", "this keyword is supported only where `properties` names no more");
    }

    SchemaReader reader_;
    Rules rules_;
    JsonText json_;
    std::map<Conjunction, RuleId> known_; // by the sorted conjunction
    std::deque<std::pair<RuleId, Conjunction>> pending_;
};

Json parseSchema(std::string_view text) {
    if (text.size() > kMaxSchemaBytes)
        throw Error("The JSON schema is too large: it has more than " + readableBytes(kMaxSchemaBytes) + ".");
    bool tooDeep = false;
    const auto check = [&](int depth, Json::parse_event_t, Json&) {
        tooDeep = tooDeep || depth > kMaxSchemaDepth;
        return !tooDeep;
    };
    Json root;
    try {
        root = Json::parse(text, check);
    } catch (const Json::parse_error& error) {
        throw Error("The JSON schema is not JSON: byte " + std::to_string(error.byte) + ".");
    } catch (const Json::exception&) {
        throw Error("The JSON schema is not JSON that can be read.");
    }
    if (tooDeep)
        throw Error("The JSON schema is nested too deeply: more than " + std::to_string(kMaxSchemaDepth) + " levels.");
    return root;
}

} // namespace

Rules rulesOfSchema(std::string_view json) {
    const Json root = parseSchema(json);
    return SchemaCompiler(root).compile(root);
}

} // namespace hearth::engine::grammar
