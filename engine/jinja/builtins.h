#pragma once

#include "engine/jinja/value.h"

#include <nlohmann/json_fwd.hpp>

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::engine::jinja {

using Filter = Value (*)(Run&, const Value& in, Args&);
using Test = bool (*)(Run&, const Value& in, Args&);
using Method = Value (*)(Run&, const Value& self, Args&);

struct FilterRow {
    std::string_view name;
    Filter filter;
};

// Tables of what the language brings. Null: unknown.
Filter findFilter(std::string_view name);
Filter findTextFilter(std::string_view name); // a part of findFilter()'s
Test findTest(std::string_view name);
Method findMethod(const Value& self, std::string_view name);
/// A function or constant of the language by name; undefined when there is none.
Value makeGlobal(Run&, const std::string& name);

/// Python's `"..." % x` and `"...".format(...)`.
Value formatPercent(Run&, const TaggedText& pattern, const Value& arguments);
Value formatBraces(Run&, const TaggedText& pattern, Args&);

struct JsonStyle {
    bool ensureAscii = false, sortKeys = false;
    bool pretty = false; // line breaks
    TaggedText indent;   // of one level
    TaggedText itemSeparator, keySeparator;
};

void appendJson(Run&, TaggedText& out, const Value&, const JsonStyle&, int depth = 0);
/// `untrusted` marks every text in it.
Value valueFromJson(Run&, const nlohmann::ordered_json&, bool untrusted, int depth = 0);
Value parseJson(Run&, const TaggedText&);

/// strftime in English, whatever the locale.
std::string formatTime(std::string_view pattern, const std::tm&);

/// Python's int(text, base). False: it is none.
bool parseWhole(std::string_view text, int base, int64_t& out);

// For filters that take their options from Args.
int64_t wholeArgument(const Args&, size_t index, std::string_view name, int64_t fallback);
constexpr int64_t kWidest = 1 << 16; // of indentation, padding and the like
/// A whole number of at most kWidest.
int64_t widthArgument(const Args&, size_t index, std::string_view name, int64_t fallback);
bool flagArgument(const Args&, size_t index, std::string_view name, bool fallback);
/// The text of an argument; throws Failure when it is not a text. `fallback` when absent or none.
TaggedText textArgument(Run&, const Args&, size_t index, std::string_view name, std::string_view fallback);
/// The characters to strip; none: blanks.
std::optional<std::string> charsArgument(const Args&);

Value method(Run&, const Value& self, std::string_view name); // a bound method; undefined when there is none
/// Calls it. Texts that a method of Markup gives are Markup, those that it is given are escaped.
Value callMethod(Run&, const Value& self, Method, Args&);
/// The texts in a value, escaped: one, or those of a list, tuple or dict.
Value escapedTexts(Run&, const Value&);

} // namespace hearth::engine::jinja
