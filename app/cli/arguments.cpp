#include "app/cli/arguments.h"

#include "engine/error.h"

#include <charconv>
#include <cmath>

namespace hearth::cli {

namespace {

const Option* findOption(std::string_view name, std::span<const Option> own, std::span<const Option> common) {
    for (const auto& options : {own, common})
        for (const Option& o : options)
            if (o.name == name)
                return &o;
    return nullptr;
}

} // namespace

Arguments::Arguments(std::span<const std::string> words, std::span<const Option> own, std::span<const Option> common,
                     size_t operands) {
    bool onlyOperands = false;
    for (size_t i = 0; i < words.size(); i++) {
        const std::string& word = words[i];
        if (onlyOperands || word.size() < 2 || word[0] != '-') {
            operands_.push_back(word);
            continue;
        }
        if (word == "--") {
            onlyOperands = true;
            continue;
        }
        const size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
        const std::string name = word.substr(0, equals);
        const Option* option = findOption(name, own, common);
        if (!option)
            throw UsageError("There is no option " + engine::printable(name) + " here.");
        auto& values = values_[name];
        if (!values.empty() && !option->repeats)
            throw UsageError("The option " + name + " stands twice.");
        if (option->value.empty()) {
            if (equals != std::string::npos)
                throw UsageError("The option " + name + " takes no value.");
            values.emplace_back();
        } else if (equals != std::string::npos) {
            values.push_back(word.substr(equals + 1));
        } else {
            if (i + 1 >= words.size())
                throw UsageError("The option " + name + " needs a value.");
            values.push_back(words[++i]);
        }
    }
    for (const auto& options : {own, common})
        for (const Option& o : options)
            if (o.required && !has(o.name))
                throw UsageError("The option " + std::string(o.name) + " is missing.");
    if (operands_.size() > operands)
        throw UsageError("The word " + engine::printable(operands_[operands]) + " is one too many.");
    if (operands_.size() < operands)
        throw UsageError("An argument is missing.");
}

std::string Arguments::text(std::string_view name, std::string_view fallback) const {
    const auto it = values_.find(name);
    return it == values_.end() ? std::string(fallback) : it->second.back();
}

std::vector<std::string> Arguments::all(std::string_view name) const {
    const auto it = values_.find(name);
    return it == values_.end() ? std::vector<std::string>() : it->second;
}

int64_t Arguments::whole(std::string_view name, int64_t fallback, int64_t low, int64_t high) const {
    if (!has(name))
        return fallback;
    const std::string s = text(name);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (error != std::errc() || end != s.data() + s.size() || value < low || value > high)
        throw UsageError("The option " + std::string(name) + " needs a whole number from " + std::to_string(low) +
                         " to " + std::to_string(high) + ", not " + engine::printable(s) + ".");
    return value;
}

double Arguments::number(std::string_view name, double fallback, double low, double high) const {
    if (!has(name))
        return fallback;
    const std::string s = text(name);
    double value = 0;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (error != std::errc() || end != s.data() + s.size() || !(value >= low && value <= high))
        throw UsageError("The option " + std::string(name) + " needs a number, not " + engine::printable(s) + ".");
    return value;
}

size_t Arguments::choice(std::string_view name, std::span<const std::string_view> allowed, size_t fallback) const {
    if (!has(name))
        return fallback;
    const std::string s = text(name);
    std::string list;
    for (size_t i = 0; i < allowed.size(); i++) {
        if (allowed[i] == s)
            return i;
        list += (i > 0 ? ", " : "") + std::string(allowed[i]);
    }
    throw UsageError("The option " + std::string(name) + " knows " + list + ", not " + engine::printable(s) + ".");
}

} // namespace hearth::cli
