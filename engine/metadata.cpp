#include "engine/metadata.h"

#include "engine/error.h"

#include <array>
#include <cmath>
#include <utility>

namespace hearth::engine {

namespace {

std::string_view kindName(const Value& value) {
    static constexpr std::array<std::string_view, std::variant_size_v<Value>> kNames = {
        "an integer",           "a number",
        "true or false",        "text",
        "an array of integers", "an array of numbers",
        "an array of booleans", "an array of texts"};
    return kNames[value.index()];
}

[[noreturn]] void wrongType(std::string_view key, const Value& found, std::string_view wanted) {
    throw Error("The metadata key " + printable(key) + " is " + std::string(kindName(found)) + ", but " +
                std::string(wanted) + " is needed.");
}

} // namespace

bool Metadata::contains(std::string_view key) const {
    return values_.find(key) != values_.end();
}

const Value* Metadata::find(std::string_view key) const {
    const auto it = values_.find(key);
    return it == values_.end() ? nullptr : &it->second;
}

void Metadata::set(std::string key, Value value) {
    values_.insert_or_assign(std::move(key), std::move(value));
}

int64_t Metadata::integer(std::string_view key, int64_t fallback) const {
    const Value* value = find(key);
    if (!value)
        return fallback;
    if (const auto* i = std::get_if<int64_t>(value))
        return *i;
    wrongType(key, *value, "an integer");
}

double Metadata::number(std::string_view key, double fallback) const {
    const Value* value = find(key);
    if (!value)
        return fallback;
    if (const auto* d = std::get_if<double>(value))
        return *d;
    if (const auto* i = std::get_if<int64_t>(value))
        return static_cast<double>(*i);
    wrongType(key, *value, "a number");
}

bool Metadata::boolean(std::string_view key, bool fallback) const {
    const Value* value = find(key);
    if (!value)
        return fallback;
    if (const auto* b = std::get_if<bool>(value))
        return *b;
    wrongType(key, *value, "true or false");
}

std::string Metadata::text(std::string_view key, std::string_view fallback) const {
    const Value* value = find(key);
    if (!value)
        return std::string(fallback);
    if (const auto* s = std::get_if<std::string>(value))
        return *s;
    wrongType(key, *value, "text");
}

const std::vector<std::string>* Metadata::texts(std::string_view key) const {
    const Value* value = find(key);
    if (!value)
        return nullptr;
    if (const auto* v = std::get_if<std::vector<std::string>>(value))
        return v;
    wrongType(key, *value, "an array of texts");
}

std::vector<int64_t> Metadata::integers(std::string_view key) const {
    const Value* value = find(key);
    if (!value)
        return {};
    if (const auto* v = std::get_if<std::vector<int64_t>>(value))
        return *v;
    if (const auto* i = std::get_if<int64_t>(value))
        return {*i};
    if (const auto* b = std::get_if<std::vector<bool>>(value))
        return {b->begin(), b->end()};
    wrongType(key, *value, "an array of integers");
}

std::vector<double> Metadata::numbers(std::string_view key) const {
    const Value* value = find(key);
    if (!value)
        return {};
    if (const auto* v = std::get_if<std::vector<double>>(value))
        return *v;
    if (const auto* d = std::get_if<double>(value))
        return {*d};
    if (std::holds_alternative<std::vector<int64_t>>(*value) || std::holds_alternative<int64_t>(*value)) {
        const std::vector<int64_t> whole = integers(key);
        return {whole.begin(), whole.end()};
    }
    wrongType(key, *value, "an array of numbers");
}

int64_t Metadata::requireInteger(std::string_view key, int64_t low, int64_t high) const {
    const Value* value = find(key);
    if (!value)
        throw Error("The metadata key " + printable(key) + " is missing.");
    const int64_t i = integer(key, 0);
    if (i < low || i > high)
        throw Error("The metadata key " + printable(key) + " is " + std::to_string(i) + ", but only " +
                    std::to_string(low) + " to " + std::to_string(high) + " make sense.");
    return i;
}

double Metadata::requireNumber(std::string_view key) const {
    if (!contains(key))
        throw Error("The metadata key " + printable(key) + " is missing.");
    const double d = number(key, 0);
    if (!std::isfinite(d))
        throw Error("The metadata key " + printable(key) + " is not a finite number.");
    return d;
}

} // namespace hearth::engine
