#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hearth::engine {

/// A sentence a person can read: what happened, where, and what can be done. Thrown on cold paths only.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Text from a file, fit to stand in a sentence: valid UTF-8 without control characters, cut at `limit` bytes.
std::string printable(std::string_view text, size_t limit = 80);

/// "4.6 GB", "312 MB": decimal units, as file managers show them.
std::string readableBytes(uint64_t bytes);

} // namespace hearth::engine
