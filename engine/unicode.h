#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::engine {

/// What the pre-tokenizers ask of a character: one bit each.
enum CharClass : uint8_t {
    kLetter = 1,       // \p{L}
    kNumber = 2,       // \p{N}
    kSpace = 4,        // \s: White_Space
    kMark = 8,         // \p{M}
    kUpperLike = 16,   // \p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}
    kLowerLike = 32,   // \p{Ll}\p{Lm}\p{Lo}\p{M}
    kPunctuation = 64, // \p{P}
    kSymbol = 128,     // \p{S}
};

struct CodePoint {
    char32_t value = 0xFFFD; // U+FFFD for an invalid byte
    uint8_t length = 1;      // bytes; an invalid byte counts as one
    bool valid = false;
};

/// The character that begins at `text[0]`; `text` is not empty. Overlong forms, surrogates and values above U+10FFFF
/// are invalid.
CodePoint decodeUtf8(std::string_view text);
void appendUtf8(std::string& out, char32_t);
bool isUtf8Continuation(char byte);
/// The text with every invalid byte replaced by U+FFFD.
std::string toValidUtf8(std::string_view text);
size_t countCodePoints(std::string_view text);

/// Bits of CharClass. Constant time; ASCII by table.
uint8_t charClass(char32_t);

} // namespace hearth::engine
