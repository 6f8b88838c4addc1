#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::engine {

/// What a person meets often enough when a model is opened that it is said in their language, and not only in English.
enum class Trouble {
    Other,
    CannotOpen,      // file
    Damaged,         // file
    Changed,         // file
    UnknownFamily,   // family
    Unfit,           // family: its tensors or settings are not those that this version knows of it
    UnknownQuant,    // tensor
    TooLarge,        // model, bytes needed, bytes free
    ContextTooLarge, // the same, and the context that would fit
    NoMemory,        // file
};

struct Reason {
    Trouble trouble = Trouble::Other;
    std::vector<std::string> values; // as named above
};

/// A sentence a person can read: what happened, where, and what can be done. Thrown on cold paths only.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;

    Error(Reason reason, const std::string& sentence) : std::runtime_error(sentence), reason_(std::move(reason)) {}

    const Reason& reason() const { return reason_; }

private:
    Reason reason_;
};

/// Text from a file, fit to stand in a sentence: valid UTF-8 without control characters, cut at `limit` bytes.
std::string printable(std::string_view text, size_t limit = 80);

/// "4.6 GB", "312 MB": decimal units, as file managers show them.
std::string readableBytes(uint64_t bytes);

} // namespace hearth::engine
