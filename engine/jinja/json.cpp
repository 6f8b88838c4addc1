#include "engine/jinja/builtins.h"
#include "engine/jinja/run.h"
#include "engine/unicode.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace hearth::engine::jinja {

namespace {

constexpr int kDeepest = 100;

void appendEscapedUnit(TaggedText& out, unsigned unit, bool untrusted) {
    char buffer[12];
    std::snprintf(buffer, sizeof buffer, "\\u%04x", unit);
    append(out, buffer, untrusted);
}

void appendJsonText(TaggedText& out, const TaggedText& t, bool ensureAscii) {
    append(out, "\"");
    size_t plain = 0; // where the characters that need no escape begin
    for (size_t i = 0; i < t.text.size();) {
        const auto byte = static_cast<unsigned char>(t.text[i]);
        const bool special = byte < 0x20 || byte == '"' || byte == '\\' || (byte >= 0x80 && ensureAscii);
        if (!special) {
            i++;
            continue;
        }
        append(out, t, plain, i);
        const bool untrusted = untrustedAt(t, i);
        constexpr std::string_view named = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
        if (const size_t n = named.find(static_cast<char>(byte)); n != named.npos) {
            const char escape[] = {'\\', letters[n]};
            append(out, {escape, 2}, untrusted);
            i++;
        } else {
            const CodePoint c = decodeUtf8(std::string_view(t.text).substr(i));
            if (c.value >= 0x10000) {
                appendEscapedUnit(out, 0xD800 + ((c.value - 0x10000) >> 10), untrusted);
                appendEscapedUnit(out, 0xDC00 + ((c.value - 0x10000) & 0x3FF), untrusted);
            } else {
                appendEscapedUnit(out, c.value, untrusted);
            }
            i += c.length;
        }
        plain = i;
    }
    append(out, t, plain, t.text.size());
    append(out, "\"");
}

void appendKey(Run& run, TaggedText& out, const Value& key, const JsonStyle& style) {
    if (key.isString()) {
        appendJsonText(out, key.text(), style.ensureAscii);
    } else if (key.isNumber() || key.isNone()) {
        append(out, "\"");
        appendJson(run, out, key, style);
        append(out, "\"");
    } else {
        throw Failure(std::string("a ") + key.typeName() + " cannot be a key in JSON");
    }
}

void appendBreak(TaggedText& out, const JsonStyle& style, int depth) {
    if (!style.pretty)
        return;
    append(out, "\n");
    for (int i = 0; i < depth; i++)
        append(out, style.indent);
}

void appendJsonList(Run& run, TaggedText& out, const std::vector<Value>& items, const JsonStyle& style, int depth) {
    append(out, "[");
    for (size_t i = 0; i < items.size(); i++) {
        if (i > 0)
            append(out, style.itemSeparator);
        appendBreak(out, style, depth + 1);
        appendJson(run, out, items[i], style, depth + 1);
    }
    if (!items.empty())
        appendBreak(out, style, depth);
    append(out, "]");
}

void appendJsonDict(Run& run, TaggedText& out, const Dict& dict, const JsonStyle& style, int depth) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& e : dict.entries)
        entries.push_back(&e);
    if (style.sortKeys)
        std::stable_sort(entries.begin(), entries.end(),
                         [&](const auto* a, const auto* b) { return compare(run, a->first, b->first) < 0; });
    append(out, "{");
    for (size_t i = 0; i < entries.size(); i++) {
        if (i > 0)
            append(out, style.itemSeparator);
        appendBreak(out, style, depth + 1);
        appendKey(run, out, entries[i]->first, style);
        append(out, style.keySeparator);
        appendJson(run, out, entries[i]->second, style, depth + 1);
    }
    if (!entries.empty())
        appendBreak(out, style, depth);
    append(out, "}");
}

} // namespace

void appendJson(Run& run, TaggedText& out, const Value& v, const JsonStyle& style, int depth) {
    run.step();
    run.checkText(out);
    if (depth > kDeepest)
        throw Failure("data for JSON is nested more than 100 levels deep");
    if (v.isString()) {
        run.work(4 * v.text().text.size());
        appendJsonText(out, v.text(), style.ensureAscii);
    } else if (v.isNone()) {
        append(out, "null");
    } else if (v.isBool()) {
        append(out, v.boolean() ? "true" : "false");
    } else if (v.isInt()) {
        append(out, std::to_string(v.whole()));
    } else if (v.isFloat()) {
        const double d = v.number();
        append(out, std::isnan(d) ? "NaN" : std::isinf(d) ? (d > 0 ? "Infinity" : "-Infinity") : floatText(d));
    } else if (v.isSequence()) {
        appendJsonList(run, out, static_cast<const List*>(v.object())->items, style, depth);
    } else if (v.isDict()) {
        appendJsonDict(run, out, *static_cast<const Dict*>(v.object()), style, depth);
    } else {
        throw Failure(std::string("a ") + v.typeName() + " cannot be written as JSON");
    }
}

Value valueFromJson(Run& run, const nlohmann::ordered_json& j, bool untrusted, int depth) {
    run.step();
    if (depth > kDeepest)
        throw Failure("JSON is nested more than 100 levels deep");
    const auto text = [&](const std::string& s) {
        TaggedText t;
        append(t, s, untrusted);
        return run.text(std::move(t));
    };
    switch (j.type()) {
    case nlohmann::json::value_t::string:
        return text(j.get_ref<const std::string&>());
    case nlohmann::json::value_t::boolean:
        return j.get<bool>();
    case nlohmann::json::value_t::number_integer:
        return j.get<int64_t>();
    case nlohmann::json::value_t::number_unsigned:
        return j.get<uint64_t>() <= INT64_MAX ? Value(j.get<int64_t>()) : Value(j.get<double>());
    case nlohmann::json::value_t::number_float:
        return j.get<double>();
    case nlohmann::json::value_t::array: {
        std::vector<Value> items;
        items.reserve(j.size());
        for (const auto& item : j)
            items.push_back(valueFromJson(run, item, untrusted, depth + 1));
        return run.list(std::move(items));
    }
    case nlohmann::json::value_t::object: {
        auto* dict = run.make<Dict>();
        for (const auto& [key, item] : j.items())
            dict->set(run, text(key), valueFromJson(run, item, untrusted, depth + 1));
        return dict;
    }
    default:
        return None{};
    }
}

Value parseJson(Run& run, const TaggedText& t) {
    run.work(8 * t.text.size());
    run.checkSize(t.text.size() * 4); // a parsed document is larger than its text
    const auto j = nlohmann::ordered_json::parse(t.text, nullptr, false);
    if (j.is_discarded())
        throw Failure("a text is not JSON");
    return valueFromJson(run, j, !t.untrusted.empty());
}

} // namespace hearth::engine::jinja
