#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::cli {

/// The command was called wrongly: exit status 2.
class UsageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct Option {
    std::string_view name;  // "--model"; "-n" too
    std::string_view value; // "M" in the help; empty: a flag
    std::string_view help;
    bool required = false;
    bool repeats = false;
};

/// What stood behind a command. Throws UsageError for everything that does not fit.
class Arguments {
public:
    Arguments(std::span<const std::string> words, std::span<const Option> own, std::span<const Option> common,
              size_t operands);

    bool has(std::string_view name) const { return values_.contains(name); }

    std::string text(std::string_view name, std::string_view fallback = {}) const; // the last one given
    std::vector<std::string> all(std::string_view name) const;
    int64_t whole(std::string_view name, int64_t fallback, int64_t low, int64_t high) const;
    double number(std::string_view name, double fallback, double low, double high) const;
    /// One of a row's names; its index.
    size_t choice(std::string_view name, std::span<const std::string_view> allowed, size_t fallback) const;

    const std::vector<std::string>& operands() const { return operands_; }

private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
    std::vector<std::string> operands_;
};

} // namespace hearth::cli
