#include "engine/jinja/builtins.h"
#include "engine/jinja/nodes.h"
#include "engine/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hearth::engine::jinja {

int64_t wholeArgument(const Args& args, size_t index, std::string_view name, int64_t fallback) {
    const Value* v = args.get(index, name);
    if (!v || v->isNone() || v->isUndefined())
        return fallback;
    if (!v->isWhole())
        throw Failure("'" + std::string(name) + "' must be a whole number, not a " + v->typeName());
    return v->whole();
}

bool flagArgument(const Args& args, size_t index, std::string_view name, bool fallback) {
    const Value* v = args.get(index, name);
    return v ? truthy(*v) : fallback;
}

TaggedText textArgument(Run&, const Args& args, size_t index, std::string_view name, std::string_view fallback) {
    const Value* v = args.get(index, name);
    if (!v || v->isNone() || v->isUndefined())
        return trusted(fallback);
    if (!v->isString())
        throw Failure("'" + std::string(name) + "' must be a text, not a " + v->typeName());
    return v->text();
}

std::optional<std::string> charsArgument(const Args& args) {
    const Value* v = args.get(0, "chars");
    if (!v || v->isNone())
        return std::nullopt;
    if (!v->isString())
        throw Failure(std::string("what to strip must be a text, not a ") + v->typeName());
    return v->text().text;
}

int64_t widthArgument(const Args& args, size_t index, std::string_view name, int64_t fallback) {
    const int64_t n = wholeArgument(args, index, name, fallback);
    if (n > kWidest)
        throw Failure("'" + std::string(name) + "' is too large");
    return n;
}

bool parseWhole(std::string_view text, int base, int64_t& out) {
    std::string s(strip(trusted(text), Side::Both).text);
    std::erase(s, '_');
    const bool negative = s.starts_with('-');
    if (negative || s.starts_with('+'))
        s.erase(0, 1);
    for (const auto& [prefix, b] : {std::pair("0x", 16), std::pair("0o", 8), std::pair("0b", 2)})
        if (base == b && s.size() > 2 && s[0] == '0' && (s[1] | 0x20) == prefix[1])
            s.erase(0, 2);
    if (s.empty() || s[0] == '-' || s[0] == '+')
        return false;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out, base);
    if (error != std::errc() || end != s.data() + s.size())
        return false;
    out = negative ? -out : out;
    return true;
}

namespace {

// --- numbers

Value filterAbs(Run&, const Value& in, Args&) {
    if (!in.isNumber())
        throw Failure(std::string("a ") + in.typeName() + " has no absolute value");
    if (in.isFloat())
        return std::abs(in.number());
    if (in.whole() == INT64_MIN)
        throw Failure("a number is too large");
    return std::abs(in.whole());
}

bool parseReal(std::string_view text, double& out) {
    std::string s = strip(trusted(text), Side::Both).text;
    std::erase(s, '_');
    if (s.starts_with('+'))
        s.erase(0, 1);
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
    return !s.empty() && error == std::errc() && end == s.data() + s.size();
}

Value filterInt(Run&, const Value& in, Args& args) {
    args.only("int", {"default", "base"});
    const Value* given = args.get(0, "default");
    const Value fallback = given ? *given : Value(int64_t(0));
    const int64_t base = wholeArgument(args, 1, "base", 10);
    if (in.isWhole())
        return in.whole();
    double real;
    int64_t whole;
    if (in.isString() && base >= 2 && base <= 36 && parseWhole(in.text().text, static_cast<int>(base), whole))
        return whole;
    if (in.isFloat())
        real = in.number();
    else if (!in.isString() || !parseReal(in.text().text, real))
        return fallback;
    return std::abs(real) < 9.2e18 ? Value(static_cast<int64_t>(real)) : fallback;
}

Value filterFloat(Run&, const Value& in, Args& args) {
    const Value* given = args.get(0, "default");
    double real;
    if (in.isNumber())
        return in.number();
    if (in.isString() && parseReal(in.text().text, real))
        return real;
    return given ? *given : Value(0.0);
}

Value filterRound(Run&, const Value& in, Args& args) {
    args.only("round", {"precision", "method"});
    if (!in.isNumber())
        throw Failure(std::string("a ") + in.typeName() + " cannot be rounded");
    const int64_t precision = wholeArgument(args, 0, "precision", 0);
    const Value* method = args.get(1, "method");
    const std::string how = method && method->isString() ? method->text().text : "common";
    if (how != "common" && how != "ceil" && how != "floor")
        throw Failure("round knows common, ceil and floor");
    if (how == "common" && in.isWhole() && precision >= 0)
        return in.whole();
    if (precision > 22 || !std::isfinite(in.number()))
        return in.number();
    if (precision < -300)
        return 0.0;
    const double scale = std::pow(10.0, static_cast<double>(precision));
    if (how != "common")
        return (how == "ceil" ? std::ceil(in.number() * scale) : std::floor(in.number() * scale)) / scale;
    if (precision < 0) {
        const double rounded = std::nearbyint(in.number() * scale) / scale;
        return in.isWhole() ? Value(static_cast<int64_t>(rounded)) : Value(rounded);
    }
    char digits[400]; // Python rounds the decimal digits, not the product
    const char* end = std::to_chars(digits, digits + sizeof digits, in.number(), std::chars_format::fixed,
                                    static_cast<int>(precision))
                          .ptr;
    double rounded = 0;
    std::from_chars(digits, end, rounded);
    return rounded;
}

// --- attributes of items: "a.b.0"

Value dig(Run& run, const Value& v, const TaggedText& path) {
    Value out = v;
    for (const TaggedText& part : split(path, ".")) {
        run.step();
        if (out.isUndefined())
            return out;
        int64_t index;
        const bool isIndex =
            !part.text.empty() && part.text[0] >= '0' && part.text[0] <= '9' && parseWhole(part.text, 10, index);
        out = isIndex ? itemOf(run, out, index) : itemOf(run, out, run.text(part));
    }
    return out;
}

Value attributeArgument(Run& run, const Value& item, const Value& attribute) {
    if (attribute.isWhole())
        return itemOf(run, item, attribute);
    if (!attribute.isString())
        throw Failure("an attribute must be a text");
    return dig(run, item, attribute.text());
}

Value lowered(Run& run, const Value& v, bool caseSensitive) {
    return v.isString() && !caseSensitive ? run.text(mapCase(v.text(), Case::Lower)) : v;
}

/// Sorts by a key for each item; equal ones keep their order.
void sortBy(Run& run, std::vector<Value>& items, bool descending, const auto& keyOf) {
    std::vector<std::pair<Value, Value>> keyed;
    keyed.reserve(items.size());
    for (const Value& v : items)
        keyed.emplace_back(keyOf(v), v);
    std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
        return descending ? compare(run, b.first, a.first) < 0 : compare(run, a.first, b.first) < 0;
    });
    for (size_t i = 0; i < items.size(); i++)
        items[i] = keyed[i].second;
}

// --- lists

Value filterLength(Run& run, const Value& in, Args&) {
    return lengthOf(run, in);
}

Value filterList(Run& run, const Value& in, Args&) {
    return run.list(iterate(run, in));
}

Value filterFirst(Run& run, const Value& in, Args&) {
    const std::vector<Value> items = iterate(run, in);
    return items.empty() ? Value() : items.front();
}

Value filterLast(Run& run, const Value& in, Args&) {
    const std::vector<Value> items = iterate(run, in);
    return items.empty() ? Value() : items.back();
}

/// One of the items: the same in every run, so that a prompt can be made again.
Value filterRandom(Run& run, const Value& in, Args&) {
    const std::vector<Value> items = iterate(run, in);
    return items.empty() ? Value() : items[items.size() / 2];
}

Value filterJoin(Run& run, const Value& in, Args& args) {
    args.only("join", {"d", "attribute"});
    const Value *separator = args.get(0, "d"), *attribute = args.get(1, "attribute");
    const TaggedText between = separator ? toText(run, *separator) : TaggedText();
    TaggedText out;
    bool first = true;
    for (const Value& item : iterate(run, in)) {
        run.step();
        if (!first)
            append(out, between);
        first = false;
        appendText(run, out, attribute && !attribute->isNone() ? attributeArgument(run, item, *attribute) : item);
        run.checkText(out);
        run.work(between.text.size());
    }
    return run.text(std::move(out));
}

Value filterDefault(Run& run, const Value& in, Args& args) {
    args.only("default", {"default_value", "boolean"});
    const Value* fallback = args.get(0, "default_value");
    if (in.isUndefined() || (flagArgument(args, 1, "boolean", false) && !truthy(in)))
        return fallback ? *fallback : run.text(std::string_view());
    return in;
}

Value filterItems(Run& run, const Value& in, Args&) {
    if (in.isUndefined())
        return run.list({});
    if (!in.isDict())
        throw Failure(std::string("a ") + in.typeName() + " has no items");
    std::vector<Value> out;
    for (const auto& [k, v] : static_cast<const Dict*>(in.object())->entries)
        out.push_back(run.tuple({k, v}));
    return run.list(std::move(out));
}

Value filterDictsort(Run& run, const Value& in, Args& args) {
    args.only("dictsort", {"case_sensitive", "by", "reverse"});
    const bool caseSensitive = flagArgument(args, 0, "case_sensitive", false);
    const Value* by = args.get(1, "by");
    const size_t place = by && by->isString() && by->text().text == "value" ? 1 : 0;
    Args none;
    const Value pairs = filterItems(run, in, none);
    std::vector<Value> items = static_cast<const List*>(pairs.object())->items;
    sortBy(run, items, flagArgument(args, 2, "reverse", false), [&](const Value& pair) {
        return lowered(run, static_cast<const List*>(pair.object())->items[place], caseSensitive);
    });
    return run.list(std::move(items));
}

Value keyOfItem(Run& run, const Value& item, const Value* attribute, bool caseSensitive) {
    if (!attribute || attribute->isNone())
        return lowered(run, item, caseSensitive);
    if (attribute->isString() && attribute->text().text.find(',') != std::string::npos) {
        std::vector<Value> keys;
        for (const TaggedText& part : split(attribute->text(), ","))
            keys.push_back(lowered(run, dig(run, item, part), caseSensitive));
        return run.tuple(std::move(keys));
    }
    return lowered(run, attributeArgument(run, item, *attribute), caseSensitive);
}

Value filterSort(Run& run, const Value& in, Args& args) {
    args.only("sort", {"reverse", "case_sensitive", "attribute"});
    std::vector<Value> items = iterate(run, in);
    const bool caseSensitive = flagArgument(args, 1, "case_sensitive", false);
    const Value* attribute = args.get(2, "attribute");
    sortBy(run, items, flagArgument(args, 0, "reverse", false),
           [&](const Value& v) { return keyOfItem(run, v, attribute, caseSensitive); });
    return run.list(std::move(items));
}

Value filterUnique(Run& run, const Value& in, Args& args) {
    args.only("unique", {"case_sensitive", "attribute"});
    const bool caseSensitive = flagArgument(args, 0, "case_sensitive", false);
    const Value* attribute = args.get(1, "attribute");
    auto* seen = run.make<Dict>();
    std::vector<Value> out;
    for (const Value& item : iterate(run, in)) {
        const Value key = keyOfItem(run, item, attribute, caseSensitive);
        if (seen->find(run, key))
            continue;
        seen->set(run, key, true);
        out.push_back(item);
    }
    return run.list(std::move(out));
}

template <int sign>
Value filterExtreme(Run& run, const Value& in, Args& args) {
    args.only("min and max", {"case_sensitive", "attribute"});
    const bool caseSensitive = flagArgument(args, 0, "case_sensitive", false);
    const Value* attribute = args.get(1, "attribute");
    Value best, bestKey;
    bool begun = false;
    for (const Value& item : iterate(run, in)) {
        const Value key = keyOfItem(run, item, attribute, caseSensitive);
        if (!begun || sign * compare(run, key, bestKey) > 0) {
            best = item;
            bestKey = key;
        }
        begun = true;
    }
    return best;
}

Value filterSum(Run& run, const Value& in, Args& args) {
    args.only("sum", {"attribute", "start"});
    const Value *attribute = args.get(0, "attribute"), *start = args.get(1, "start");
    Value total = start ? *start : Value(int64_t(0));
    for (const Value& item : iterate(run, in))
        total = binary(run, BinaryOperator::Add, total,
                       attribute && !attribute->isNone() ? attributeArgument(run, item, *attribute) : item);
    return total;
}

Value filterBatch(Run& run, const Value& in, Args& args) {
    args.only("batch", {"linecount", "fill_with"});
    const int64_t n = wholeArgument(args, 0, "linecount", 0);
    if (n < 1)
        throw Failure("batch needs a count of at least 1");
    const Value* fill = args.get(1, "fill_with");
    std::vector<Value> out, row;
    for (Value& item : iterate(run, in)) {
        if (static_cast<int64_t>(row.size()) == n)
            out.push_back(run.list(std::exchange(row, {})));
        row.push_back(std::move(item));
    }
    if (!row.empty()) {
        if (fill && !fill->isNone() && n > kWidest)
            throw Failure("batch would fill too many places");
        while (fill && !fill->isNone() && static_cast<int64_t>(row.size()) < n)
            row.push_back(*fill);
        out.push_back(run.list(std::move(row)));
    }
    return run.list(std::move(out));
}

Value filterSlice(Run& run, const Value& in, Args& args) {
    args.only("slice", {"slices", "fill_with"});
    const int64_t n = wholeArgument(args, 0, "slices", 0);
    if (n < 1 || n > kWidest)
        throw Failure("slice needs a count of at least 1");
    const Value* fill = args.get(1, "fill_with");
    const std::vector<Value> items = iterate(run, in);
    const auto count = static_cast<int64_t>(items.size());
    const int64_t each = count / n, more = count % n;
    std::vector<Value> out;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t take = each + (i < more);
        std::vector<Value> row(items.begin() + at, items.begin() + at + take);
        at += take;
        if (fill && !fill->isNone() && i >= more)
            row.push_back(*fill);
        out.push_back(run.list(std::move(row)));
    }
    return run.list(std::move(out));
}

Value filterGroupby(Run& run, const Value& in, Args& args) {
    args.only("groupby", {"attribute", "default", "case_sensitive"});
    const Value *attribute = args.get(0, "attribute"), *fallback = args.get(1, "default");
    if (!attribute)
        throw Failure("groupby needs an attribute");
    const bool caseSensitive = flagArgument(args, 2, "case_sensitive", false);
    const auto keyOf = [&](const Value& item) {
        const Value v = attributeArgument(run, item, *attribute);
        return v.isUndefined() && fallback ? *fallback : v;
    };
    std::vector<Value> items = iterate(run, in);
    sortBy(run, items, false, [&](const Value& v) { return lowered(run, keyOf(v), caseSensitive); });
    std::vector<Value> out;
    for (size_t i = 0; i < items.size();) {
        const Value key = keyOf(items[i]);
        std::vector<Value> group;
        for (; i < items.size() &&
               equal(run, lowered(run, keyOf(items[i]), caseSensitive), lowered(run, key, caseSensitive));
             i++)
            group.push_back(items[i]);
        const Value row = run.tuple({key, run.list(std::move(group))});
        static constexpr std::string_view names[] = {"grouper", "list"};
        static_cast<List*>(row.object())->names = names;
        out.push_back(row);
    }
    return run.list(std::move(out));
}

Value filterMap(Run& run, const Value& in, Args& args) {
    std::vector<Value> out;
    if (!truthy(in))
        return run.list(std::move(out));
    const Value* attribute = args.positional.empty() ? args.get(9, "attribute") : nullptr;
    if (attribute) {
        const Value* fallback = args.get(9, "default");
        for (const Value& item : iterate(run, in)) {
            const Value v = attributeArgument(run, item, *attribute);
            out.push_back(v.isUndefined() && fallback ? *fallback : v);
        }
        return run.list(std::move(out));
    }
    if (args.positional.empty() || !args.positional[0].isString())
        throw Failure("map needs a filter's name or an attribute");
    const std::string& name = args.positional[0].text().text;
    const Filter filter = findFilter(name);
    if (!filter)
        throw Failure("there is no filter called '" + name + "'");
    Args rest;
    rest.positional.assign(args.positional.begin() + 1, args.positional.end());
    rest.named = args.named;
    for (const Value& item : iterate(run, in)) {
        run.step();
        out.push_back(filter(run, item, rest));
    }
    return run.list(std::move(out));
}

/// select, reject, selectattr, rejectattr.
template <bool keep, bool byAttribute>
Value filterSelect(Run& run, const Value& in, Args& args) {
    const size_t first = byAttribute ? 1 : 0;
    if (!truthy(in))
        return run.list({});
    if (byAttribute && args.positional.empty())
        throw Failure("selectattr needs an attribute");
    Test test = nullptr;
    if (args.positional.size() > first) {
        const Value& name = args.positional[first];
        test = name.isString() ? findTest(name.text().text) : nullptr;
        if (!test)
            throw Failure("there is no test called '" + toText(run, name).text + "'");
    }
    Args rest;
    if (test)
        rest.positional.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(first) + 1, args.positional.end());
    std::vector<Value> out;
    for (const Value& item : iterate(run, in)) {
        run.step();
        const Value v = byAttribute ? attributeArgument(run, item, args.positional[0]) : item;
        if ((test ? test(run, v, rest) : truthy(v)) == keep)
            out.push_back(item);
    }
    return run.list(std::move(out));
}

Value filterAttr(Run& run, const Value& in, Args& args) {
    const TaggedText name = textArgument(run, args, 0, "name", "");
    if (in.isDict() && !findMethod(in, name.text)) // unlike the dot, it does not look for items
        return {};
    return attributeOf(run, in, name.text, nullptr);
}

Value filterSafe(Run& run, const Value& in, Args&) {
    return in.isMarkup() ? in : run.text(toText(run, in), true);
}

Value filterPprint(Run& run, const Value& in, Args&) {
    TaggedText out;
    appendRepr(run, out, in);
    return run.text(std::move(out));
}

Value filterTojson(Run& run, const Value& in, Args& args) {
    args.only("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
    JsonStyle style;
    const Value* indent = args.get(1, "indent");
    style.ensureAscii = flagArgument(args, 0, "ensure_ascii", false);
    style.sortKeys = flagArgument(args, 3, "sort_keys", false);
    style.pretty = indent && !indent->isNone() && !indent->isUndefined();
    if (style.pretty && indent->isString()) {
        style.indent = indent->text();
    } else if (style.pretty) {
        const int64_t n = wholeArgument(args, 1, "indent", 0);
        if (n > kWidest)
            throw Failure("'indent' is too large");
        style.indent = trusted(std::string(std::max<int64_t>(n, 0), ' '));
    }
    style.itemSeparator = trusted(style.pretty ? "," : ", ");
    style.keySeparator = trusted(": ");
    if (const Value* separators = args.get(2, "separators"); separators && !separators->isNone()) {
        const std::vector<Value> both = iterate(run, *separators);
        if (both.size() != 2 || !both[0].isString() || !both[1].isString())
            throw Failure("'separators' must be two texts");
        style.itemSeparator = both[0].text();
        style.keySeparator = both[1].text();
    }
    TaggedText out;
    appendJson(run, out, in, style);
    return run.text(std::move(out));
}

Value filterFromJson(Run& run, const Value& in, Args&) {
    return parseJson(run, toText(run, in));
}

constexpr FilterRow kFilters[] = {
    {"abs", filterAbs},
    {"attr", filterAttr},
    {"batch", filterBatch},
    {"count", filterLength},
    {"d", filterDefault},
    {"default", filterDefault},
    {"dictsort", filterDictsort},
    {"first", filterFirst},
    {"float", filterFloat},
    {"from_json", filterFromJson},
    {"fromjson", filterFromJson},
    {"groupby", filterGroupby},
    {"int", filterInt},
    {"items", filterItems},
    {"join", filterJoin},
    {"last", filterLast},
    {"length", filterLength},
    {"list", filterList},
    {"map", filterMap},
    {"max", filterExtreme<1>},
    {"min", filterExtreme<-1>},
    {"pprint", filterPprint},
    {"random", filterRandom},
    {"reject", filterSelect<false, false>},
    {"rejectattr", filterSelect<false, true>},
    {"round", filterRound},
    {"safe", filterSafe},
    {"select", filterSelect<true, false>},
    {"selectattr", filterSelect<true, true>},
    {"slice", filterSlice},
    {"sort", filterSort},
    {"sum", filterSum},
    {"tojson", filterTojson},
    {"unique", filterUnique},
};

} // namespace

Filter findFilter(std::string_view name) {
    for (const FilterRow& row : kFilters)
        if (row.name == name)
            return row.filter;
    return findTextFilter(name);
}

} // namespace hearth::engine::jinja
