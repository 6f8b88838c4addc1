#pragma once

#include "engine/grammar/rules.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace hearth::engine::grammar {

/// Bytes first to last at each of `length` places: together the UTF-8 of a run of characters.
struct ByteSequence {
    struct Range {
        uint8_t first = 0, last = 0;
    };

    std::array<Range, 4> bytes{};
    int length = 0;
};

/// The UTF-8 of all characters of tidy ranges, as few sequences as the encoding allows.
std::vector<ByteSequence> utf8Sequences(std::span<const CharRange>);

} // namespace hearth::engine::grammar
