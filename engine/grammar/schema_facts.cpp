#include "engine/grammar/schema_facts.h"

#include "engine/error.h"
#include "engine/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace hearth::engine::grammar {

namespace {

constexpr int kMaxAlternatives = 2000; // of all anyOf and oneOf together
constexpr int kMaxPairs = 20'000;      // of branches of oneOf that are compared
constexpr size_t kMaxConjunction = 200;
constexpr int kMaxExclusiveDepth = 8;

struct TypeName {
    std::string_view name;
    uint8_t bits;
};

constexpr TypeName kTypeNames[] = {{"null", kNull},     {"boolean", kBoolean}, {"integer", kInteger},
                                   {"number", kNumber}, {"string", kString},   {"array", kArray},
                                   {"object", kObject}};

bool contains(const std::vector<std::string>& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

void addOnce(std::vector<std::string>& list, const std::string& name) {
    if (!contains(list, name))
        list.push_back(name);
}

void addOnce(Conjunction& list, const Json* schema) {
    if (std::find(list.begin(), list.end(), schema) == list.end())
        list.push_back(schema);
}

/// The fragment of a URI without its %XX; nothing: malformed.
std::optional<std::string> withoutPercent(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned value = 0;
        const char* begin = text.data() + i + 1;
        const auto [stop, error] = std::from_chars(begin, text.data() + std::min(i + 3, text.size()), value, 16);
        if (error != std::errc() || stop != begin + 2)
            return std::nullopt;
        out += static_cast<char>(value);
        i += 2;
    }
    return out;
}

/// A part of a JSON pointer (RFC 6901) without its ~0 and ~1.
std::optional<std::string> withoutTilde(std::string_view part) {
    std::string out;
    for (size_t i = 0; i < part.size(); ++i)
        if (part[i] != '~')
            out += part[i];
        else if (i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1'))
            out += part[++i] == '0' ? '~' : '/';
        else
            return std::nullopt;
    return out;
}

/// What a part of a pointer names; null: nothing.
const Json* childOf(const Json& parent, const std::string& name) {
    if (parent.is_object()) {
        const auto it = parent.find(name);
        return it == parent.end() ? nullptr : &*it;
    }
    size_t index = 0;
    const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    const bool found =
        parent.is_array() && error == std::errc() && stop == name.data() + name.size() && index < parent.size();
    return found ? &parent[index] : nullptr;
}

std::string escaped(std::string_view name) {
    std::string out;
    for (const char c : name)
        out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return out;
}

bool findPath(const Json& from, const Json* place, std::string& path) {
    if (&from == place)
        return true;
    if (!from.is_structured())
        return false;
    size_t index = 0;
    const size_t length = path.size();
    for (auto it = from.begin(); it != from.end(); ++it, ++index) {
        path += '/';
        path += from.is_object() ? escaped(it.key()) : std::to_string(index);
        if (findPath(*it, place, path))
            return true;
        path.resize(length);
    }
    return false;
}

} // namespace

// ---- facts

std::vector<std::string> Facts::properties() const {
    std::vector<std::string> names;
    for (const ObjectPart& part : objects)
        if (part.properties)
            for (const auto& [name, schema] : part.properties->items())
                addOnce(names, name);
    for (const std::string& name : required)
        addOnce(names, name);
    return names;
}

bool Facts::isRequired(std::string_view name) const {
    return contains(required, name);
}

Conjunction Facts::ofProperty(std::string_view name) const {
    Conjunction out;
    for (const ObjectPart& part : objects) {
        const Json* schema = part.additional;
        if (part.properties)
            if (const auto it = part.properties->find(name); it != part.properties->end())
                schema = &*it;
        if (schema)
            addOnce(out, schema);
    }
    return out;
}

Conjunction Facts::ofAdditional() const {
    Conjunction out;
    for (const ObjectPart& part : objects)
        if (part.additional)
            addOnce(out, part.additional);
    return out;
}

bool Facts::allowsAdditional() const {
    bool named = !required.empty(), asked = false;
    for (const ObjectPart& part : objects) {
        if (part.additional && *part.additional == Json(false))
            return false;
        named = named || part.properties;
        asked = asked || part.additional;
    }
    return asked || !named; // a schema that names properties and says no more means these
}

size_t Facts::prefixLength() const {
    size_t n = 0;
    for (const ArrayPart& part : arrays)
        n = std::max(n, part.prefix ? part.prefix->size() : 0);
    return n;
}

Conjunction Facts::ofElement(size_t index) const {
    Conjunction out;
    for (const ArrayPart& part : arrays) {
        const bool inPrefix = part.prefix && index < part.prefix->size();
        const Json* schema = inPrefix ? &(*part.prefix)[index] : part.rest;
        if (schema)
            addOnce(out, schema);
    }
    return out;
}

// ---- keywords

/// What is read from one schema, and where it goes.
struct SchemaReader::Keyword {
    std::string_view name;
    uint8_t hint; // types that it speaks of
    void (*read)(const SchemaReader&, const Json& schema, const Json& value, Facts&);
};

struct Keywords {
    using Keyword = SchemaReader::Keyword;
    using R = SchemaReader;

    static uint64_t count(const R& r, const Json& schema, const Json& value, const char* name) {
        if (value.is_number_unsigned())
            return value.get<uint64_t>();
        const double x = value.is_number_float() ? value.get<double>() : -1;
        if (x < 0 || x != std::floor(x) || x > 1e15)
            r.fail(&schema, name, "a whole number of at least 0 is expected");
        return static_cast<uint64_t>(x);
    }

    template <auto Member, bool lower>
    static void limit(const R& r, const Json& s, const Json& v, Facts& f) {
        const uint64_t n = count(r, s, v, "");
        f.*Member = lower ? std::max(f.*Member, n) : std::min(f.*Member, n);
    }

    static const Json& object(const R& r, const Json& schema, const Json& value, const char* name) {
        if (!value.is_object())
            r.fail(&schema, name, "an object is expected");
        return value;
    }

    static void nothing(const R&, const Json&, const Json&, Facts&) {}

    static void type(const R& r, const Json& schema, const Json& value, Facts& f) {
        uint8_t bits = 0;
        const auto add = [&](const Json& name) {
            const auto* row =
                name.is_string()
                    ? std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                                   [&](const TypeName& t) { return t.name == name.get_ref<const std::string&>(); })
                    : std::end(kTypeNames);
            if (row == std::end(kTypeNames))
                r.fail(&schema, "type", "there is no such type");
            bits |= row->bits;
        };
        if (value.is_array())
            std::for_each(value.begin(), value.end(), add);
        else
            add(value);
        f.types &= bits;
    }

    static void values(Facts& f, std::vector<Json> given) {
        if (f.values)
            std::erase_if(given, [&](const Json& v) {
                return std::find(f.values->begin(), f.values->end(), v) == f.values->end();
            });
        f.values = std::move(given);
    }

    static void enumeration(const R& r, const Json& schema, const Json& value, Facts& f) {
        if (!value.is_array())
            r.fail(&schema, "enum", "a list is expected");
        values(f, value.get<std::vector<Json>>());
    }

    static void constant(const R&, const Json&, const Json& value, Facts& f) { values(f, {value}); }

    // ---- numbers

    static Decimal decimal(const R& r, const Json& schema, const Json& value, const char* name) {
        if (!value.is_number())
            r.fail(&schema, name, "a number is expected");
        const double x = value.get<double>();
        if (!(std::abs(x) <= static_cast<double>(kLargestBound)))
            r.fail(&schema, name, "the bound is too large to be kept");
        if (value.is_number_integer()) {
            const auto whole = value.get<int64_t>();
            return {.negative = whole < 0, .whole = whole < 0 ? -whole : whole};
        }
        std::string text = value.dump();
        if (text.find('e') != text.npos) {
            char buffer[64];
            std::snprintf(buffer, sizeof buffer, "%.20f", x);
            text = buffer;
        }
        if (std::strtod(text.c_str(), nullptr) != x)
            r.fail(&schema, name, "the bound has too many digits to be kept");
        const bool negative = text.starts_with('-');
        const size_t point = std::min(text.find('.'), text.size());
        std::string fraction = point < text.size() ? text.substr(point + 1) : "";
        fraction.erase(fraction.find_last_not_of('0') + 1);
        return {.negative = negative, .whole = std::llabs(std::atoll(text.c_str())), .fraction = std::move(fraction)};
    }

    template <bool lower>
    static void bound(Facts& f, Decimal d, bool excluded) {
        auto& now = lower ? f.number.low : f.number.high;
        auto& nowExcluded = lower ? f.number.lowExcluded : f.number.highExcluded;
        const int order = now ? compare(d, *now) : lower ? 1 : -1;
        if (order == 0)
            nowExcluded = nowExcluded || excluded;
        if (lower ? order <= 0 : order >= 0)
            return;
        now = std::move(d);
        nowExcluded = excluded;
    }

    /// The oldest schemas say `"exclusiveMinimum": true` beside `minimum`.
    template <bool lower>
    static void inclusive(const R& r, const Json& schema, const Json& value, Facts& f) {
        const auto beside = schema.find(lower ? "exclusiveMinimum" : "exclusiveMaximum");
        const bool excluded = beside != schema.end() && beside->is_boolean() && beside->get<bool>();
        bound<lower>(f, decimal(r, schema, value, lower ? "minimum" : "maximum"), excluded);
    }

    template <bool lower>
    static void exclusive(const R& r, const Json& schema, const Json& value, Facts& f) {
        if (!value.is_boolean())
            bound<lower>(f, decimal(r, schema, value, lower ? "exclusiveMinimum" : "exclusiveMaximum"), true);
    }

    static void multipleOf(const R& r, const Json& schema, const Json& value, Facts& f) {
        if (!value.is_number() || value.get<double>() != 1)
            r.fail(&schema, "multipleOf", "this keyword is supported for 1 only");
        f.types &= static_cast<uint8_t>(~kFraction);
    }

    // ---- strings

    static void addPattern(const R& r, const Json& schema, const char* name, const std::string& pattern, Facts& f) {
        addOnce(f.patterns, pattern);
        f.patternPlace = r.pointerTo(&schema) + "/" + name;
    }

    static void pattern(const R& r, const Json& schema, const Json& value, Facts& f) {
        if (!value.is_string())
            r.fail(&schema, "pattern", "a text is expected");
        addPattern(r, schema, "pattern", value.get<std::string>(), f);
    }

    static void format(const R& r, const Json& schema, const Json& value, Facts& f) {
        if (!value.is_string())
            r.fail(&schema, "format", "a text is expected");
        const std::string name = value.get<std::string>();
        constexpr std::string_view kOfNumbers[] = {"int32", "int64", "float", "double"}; // say nothing of the text
        if (std::find(std::begin(kOfNumbers), std::end(kOfNumbers), name) != std::end(kOfNumbers))
            return;
        const std::string_view known = patternOfFormat(name);
        if (known.empty())
            r.fail(&schema, "format", "the format " + printable(name) + " is not supported");
        f.hinted |= kString;
        addPattern(r, schema, "format", std::string(known), f);
    }

    // ---- arrays and objects: what belongs together is read at once, by part()

    static void unique(const R& r, const Json& schema, const Json& value, Facts& f) {
        if (!value.is_boolean())
            r.fail(&schema, "uniqueItems", "true or false is expected");
        f.uniqueItems = f.uniqueItems || value.get<bool>();
    }

    static void required(const R& r, const Json& schema, const Json& value, Facts& f) {
        const bool texts = value.is_array() &&
                           std::all_of(value.begin(), value.end(), [](const Json& name) { return name.is_string(); });
        if (!texts)
            r.fail(&schema, "required", "a list of names is expected");
        for (const Json& name : value)
            addOnce(f.required, name.get<std::string>());
    }

    static void patternProperties(const R& r, const Json& schema, const Json& value, Facts&) {
        if (!object(r, schema, value, "patternProperties").empty())
            r.fail(&schema, "patternProperties", "this keyword is not supported");
    }

    /// Keywords whose meaning depends on each other.
    static void part(const R& r, const Json& schema, Facts& f) {
        const auto find = [&](const char* name) {
            const auto it = schema.find(name);
            return it == schema.end() ? nullptr : &*it;
        };
        const Json* properties = find("properties");
        const Json* additional = find("additionalProperties");
        if (properties)
            object(r, schema, *properties, "properties");
        if (properties || additional)
            f.objects.push_back({.properties = properties, .additional = additional});
        const Json* prefix = find("prefixItems");
        const Json* rest = find("items");
        if (rest && rest->is_array()) { // the older form
            prefix = rest;
            rest = find("additionalItems");
        }
        if (prefix && !prefix->is_array())
            r.fail(&schema, "prefixItems", "a list is expected");
        if (prefix || rest)
            f.arrays.push_back({.prefix = prefix, .rest = rest});
    }

    static constexpr Keyword kTable[] = {
        {"type", 0, type},
        {"enum", 0, enumeration},
        {"const", 0, constant},
        {"minimum", kNumber, inclusive<true>},
        {"maximum", kNumber, inclusive<false>},
        {"exclusiveMinimum", kNumber, exclusive<true>},
        {"exclusiveMaximum", kNumber, exclusive<false>},
        {"multipleOf", kNumber, multipleOf},
        {"minLength", kString, limit<&Facts::minLength, true>},
        {"maxLength", kString, limit<&Facts::maxLength, false>},
        {"pattern", kString, pattern},
        {"format", 0, format},
        {"items", kArray, nothing},
        {"prefixItems", kArray, nothing},
        {"additionalItems", kArray, nothing},
        {"minItems", kArray, limit<&Facts::minItems, true>},
        {"maxItems", kArray, limit<&Facts::maxItems, false>},
        {"uniqueItems", kArray, unique},
        {"properties", kObject, nothing},
        {"additionalProperties", kObject, nothing},
        {"patternProperties", kObject, patternProperties},
        {"required", kObject, required},
        {"minProperties", kObject, limit<&Facts::minProperties, true>},
        {"maxProperties", kObject, limit<&Facts::maxProperties, false>},
        // Followed elsewhere.
        {"$ref", 0, nothing},
        {"allOf", 0, nothing},
        {"anyOf", 0, nothing},
        {"oneOf", 0, nothing},
        // These assert nothing.
        {"$defs", 0, nothing},
        {"definitions", 0, nothing},
        {"$schema", 0, nothing},
        {"$id", 0, nothing},
        {"id", 0, nothing},
        {"$comment", 0, nothing},
        {"$vocabulary", 0, nothing},
        {"title", 0, nothing},
        {"description", 0, nothing},
        {"default", 0, nothing},
        {"example", 0, nothing},
        {"examples", 0, nothing},
        {"deprecated", 0, nothing},
        {"readOnly", 0, nothing},
        {"writeOnly", 0, nothing},
        {"contentEncoding", 0, nothing},
        {"contentMediaType", 0, nothing},
        {"contentSchema", 0, nothing},
    };
};

Facts SchemaReader::facts(const Conjunction& flat) {
    Facts f;
    for (const Json* schema : flat) {
        if (schema->is_boolean()) {
            f.types = schema->get<bool>() ? f.types : uint8_t{0};
            continue;
        }
        for (const auto& [name, value] : schema->items()) {
            const auto* row = std::find_if(std::begin(Keywords::kTable), std::end(Keywords::kTable),
                                           [&name = name](const Keyword& k) { return k.name == name; });
            if (row != std::end(Keywords::kTable)) {
                f.hinted |= row->hint;
                row->read(*this, *schema, value, f);
            } else if (!name.starts_with("x-")) {
                fail(schema, name, "this keyword is not supported");
            }
        }
        Keywords::part(*this, *schema, f);
    }
    return f;
}

// ---- references and alternatives

void SchemaReader::fail(const Json* place, const std::string& keyword, const std::string& what) const {
    throw Error("The JSON schema cannot be used: " + pointerTo(place) +
                (keyword.empty() ? "" : "/" + printable(escaped(keyword))) + ": " + what + ".");
}

std::string SchemaReader::pointerTo(const Json* place) const {
    std::string path = "#";
    findPath(root_, place, path);
    return printable(path, 400);
}

const Json& SchemaReader::resolve(const Json& schema, const std::string& ref) const {
    if (ref != "#" && !ref.starts_with("#/"))
        fail(&schema, "$ref", "only references inside the schema (#/...) can be followed, not " + printable(ref));
    const std::optional<std::string> pointer = withoutPercent(ref);
    const Json* at = pointer ? &root_ : nullptr;
    for (size_t begin = 2; at && begin <= pointer->size();) {
        const size_t end = std::min(pointer->find('/', begin), pointer->size());
        const std::optional<std::string> name = withoutTilde(std::string_view(*pointer).substr(begin, end - begin));
        at = name ? childOf(*at, *name) : nullptr;
        begin = end + 1;
    }
    if (!at)
        fail(&schema, "$ref", "there is nothing at " + printable(ref));
    return *at;
}

Conjunction SchemaReader::flattened(const Conjunction& given) {
    Conjunction out, work(given.rbegin(), given.rend());
    while (!work.empty()) {
        const Json* schema = work.back();
        work.pop_back();
        if (std::find(out.begin(), out.end(), schema) != out.end())
            continue;
        if (!schema->is_object() && !schema->is_boolean())
            fail(schema, "", "a schema is an object, true or false");
        if (out.size() >= kMaxConjunction)
            fail(schema, "", "too many schemas have to hold together");
        out.push_back(schema);
        if (!schema->is_object())
            continue;
        if (const auto it = schema->find("allOf"); it != schema->end()) {
            if (!it->is_array())
                fail(schema, "allOf", "a list is expected");
            for (size_t i = it->size(); i-- > 0;)
                work.push_back(&(*it)[i]);
        }
        if (const auto it = schema->find("$ref"); it != schema->end()) {
            if (!it->is_string())
                fail(schema, "$ref", "a text is expected");
            work.push_back(&resolve(*schema, it->get<std::string>()));
        }
    }
    return out;
}

std::vector<Conjunction> SchemaReader::alternatives(const Conjunction& flat) {
    std::vector<Conjunction> done;

    struct Open {
        Conjunction flat;
        size_t next = 0;       // schema whose branches are to be taken
        bool anyTaken = false; // its anyOf is done, its oneOf may follow
    };

    std::vector<Open> work = {{.flat = flat}};
    while (!work.empty()) {
        Open open = std::move(work.back());
        work.pop_back();
        if (open.next == open.flat.size()) {
            done.push_back(std::move(open.flat));
            continue;
        }
        const Json& schema = *open.flat[open.next];
        const char* name = open.anyTaken ? "oneOf" : "anyOf";
        const auto it = schema.is_object() ? schema.find(name) : schema.end();
        open.next += open.anyTaken ? 1 : 0;
        open.anyTaken = !open.anyTaken;
        if (!schema.is_object() || it == schema.end()) {
            work.push_back(std::move(open));
            continue;
        }
        if (!it->is_array() || it->empty())
            fail(&schema, name, "a list of schemas is expected");
        if (it.key() == "oneOf")
            checkExclusive(schema, open.flat, *it);
        for (size_t i = it->size(); i-- > 0;) {
            if (++alternativesMade_ > kMaxAlternatives)
                fail(&schema, name, "the alternatives multiply to too many");
            Open with = open;
            with.flat.push_back(&(*it)[i]);
            with.flat = flattened(with.flat); // those so far keep their places
            work.push_back(std::move(with));
        }
    }
    return done;
}

// ---- exclusive alternatives

/// oneOf forbids what fits two branches. That is kept by proving that no document does.
void SchemaReader::checkExclusive(const Json& schema, const Conjunction& rest, const Json& branches) {
    for (size_t i = 0; i < branches.size(); ++i)
        for (size_t j = 0; j < branches.size(); ++j) {
            Conjunction emitted = rest;
            emitted.push_back(&branches[i]);
            if (++pairsCompared_ > kMaxPairs)
                fail(&schema, "oneOf", "there are too many branches to compare");
            if (i != j && !neverBoth(emitted, {&branches[j]}, 0))
                fail(&schema, "oneOf",
                     "the branches " + std::to_string(std::min(i, j)) + " and " + std::to_string(std::max(i, j)) +
                         " may fit the same document; where that does no harm, write anyOf");
        }
}

bool SchemaReader::numbersApart(const Facts& a, const Facts& b) const {
    const auto below = [](const NumberBounds& x, const NumberBounds& y) {
        if (!x.high || !y.low)
            return false;
        const int order = compare(*x.high, *y.low);
        return order < 0 || (order == 0 && (x.highExcluded || y.lowExcluded));
    };
    return below(a.number, b.number) || below(b.number, a.number);
}

/// True: no document that is written for `emitted` fits `other`. False: not known. Alternatives inside are not looked
/// at: without them more fits, so what is proved holds.
bool SchemaReader::neverBoth(const Conjunction& emitted, const Conjunction& other, int depth) {
    const Facts a = facts(flattened(emitted)), b = facts(flattened(other));
    const auto typesOf = [](const Facts& f, uint8_t types) {
        uint8_t bits = 0;
        if (f.values)
            for (const Json& v : *f.values)
                bits |= typeOf(v);
        return f.values ? static_cast<uint8_t>(bits & types) : types;
    };
    const uint8_t common = typesOf(a, a.emittedTypes()) & typesOf(b, b.types);
    if (common == 0)
        return true;
    const auto refused = [&](const Facts& f, const Facts& by) { // every value of f is outside what `by` allows
        return f.values && std::all_of(f.values->begin(), f.values->end(), [&](const Json& v) {
                   if ((typeOf(v) & by.types) == 0)
                       return true;
                   if (by.values)
                       return std::find(by.values->begin(), by.values->end(), v) == by.values->end();
                   const uint64_t length = v.is_string() ? countCodePoints(v.get_ref<const std::string&>()) : 0;
                   return v.is_string() && (length < by.minLength || length > by.maxLength);
               });
    };
    if (refused(a, b) || refused(b, a))
        return true;
    if ((common & ~kNumber) == 0 && numbersApart(a, b))
        return true;
    if (common == kString && (a.maxLength < b.minLength || b.maxLength < a.minLength))
        return true;
    if (common == kArray && (a.maxItems < b.minItems || b.maxItems < a.minItems))
        return true;
    if (common != kObject || depth >= kMaxExclusiveDepth)
        return false;
    for (const std::string& name : a.properties()) {
        if (a.isRequired(name) && neverBoth(a.ofProperty(name), b.ofProperty(name), depth + 1))
            return true;
    }
    // What one must have, the other cannot write.
    const auto impossible = [&](const Facts& f, const std::string& name) {
        const Conjunction schema = f.ofProperty(name);
        return std::any_of(schema.begin(), schema.end(), [](const Json* s) { return *s == Json(false); });
    };
    const auto neverWritten = [&](const std::string& name) {
        return impossible(a, name) || (!contains(a.properties(), name) && !a.allowsAdditional());
    };
    return std::any_of(b.required.begin(), b.required.end(), neverWritten) ||
           std::any_of(a.required.begin(), a.required.end(), [&](const auto& name) { return impossible(b, name); });
}

uint8_t typeOf(const Json& v) {
    if (v.is_number_float())
        return v.get<double>() == std::floor(v.get<double>()) ? kInteger : kFraction;
    if (v.is_number())
        return kInteger;
    return v.is_null() ? kNull : v.is_boolean() ? kBoolean : v.is_string() ? kString : v.is_array() ? kArray : kObject;
}

bool fits(const Json& value, const Facts& f, const SchemaReader& reader, const Json* place) {
    const uint8_t type = typeOf(value);
    if ((type & f.types) == 0)
        return false;
    if (value.is_string()) {
        if (!f.patterns.empty())
            reader.fail(place, "", "an enumeration together with a pattern or a format is not supported");
        const uint64_t length = countCodePoints(value.get_ref<const std::string&>());
        return f.minLength <= length && length <= f.maxLength;
    }
    if (value.is_number() && (f.number.low || f.number.high)) {
        const double x = value.get<double>();
        const auto of = [](const Decimal& d) {
            return std::strtod(((d.negative ? "-" : "") + std::to_string(d.whole) + "." + d.fraction + "0").c_str(),
                               nullptr);
        };
        const double low = f.number.low ? of(*f.number.low) : -HUGE_VAL;
        const double high = f.number.high ? of(*f.number.high) : HUGE_VAL;
        return (f.number.lowExcluded ? x > low : x >= low) && (f.number.highExcluded ? x < high : x <= high);
    }
    if (value.is_structured()) {
        const bool array = value.is_array();
        const bool more =
            array ? !f.arrays.empty() || f.minItems > 0 || f.maxItems < kUnbounded || f.uniqueItems
                  : !f.objects.empty() || !f.required.empty() || f.minProperties > 0 || f.maxProperties < kUnbounded;
        if (more)
            reader.fail(place, "", "an enumeration of lists or objects together with other keywords is not supported");
    }
    return true;
}

} // namespace hearth::engine::grammar
