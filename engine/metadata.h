#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hearth::engine {

/// One metadata value of a checkpoint. Integers keep their sign in int64_t (a uint64 above 2^63-1 is refused by the
/// reader), floats are double. Arrays are homogeneous.
using Value = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>,
                           std::vector<bool>, std::vector<std::string>>;

/// The metadata of a checkpoint: what both a GGUF and a Hugging Face folder give, under the names GGUF uses.
/// The `require` functions throw Error that names the key and what was found. Immutable once loaded; any thread.
class Metadata {
public:
    bool contains(std::string_view key) const;
    const Value* find(std::string_view key) const; // null: absent
    void set(std::string key, Value value);        // `--set`, and the readers

    const std::map<std::string, Value, std::less<>>& all() const { return values_; }

    // Absent: the fallback. Present with another type: Error. Integers are accepted where a float is wanted.
    int64_t integer(std::string_view key, int64_t fallback) const;
    double number(std::string_view key, double fallback) const;
    bool boolean(std::string_view key, bool fallback) const;
    std::string text(std::string_view key, std::string_view fallback) const;
    // Null: absent. Another type: Error.
    const std::vector<std::string>* texts(std::string_view key) const;
    std::vector<int64_t> integers(std::string_view key) const; // a scalar counts as one value; absent: empty
    std::vector<double> numbers(std::string_view key) const;

    int64_t requireInteger(std::string_view key, int64_t low, int64_t high) const;
    double requireNumber(std::string_view key) const;

private:
    std::map<std::string, Value, std::less<>> values_;
};

} // namespace hearth::engine
