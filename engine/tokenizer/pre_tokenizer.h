#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace hearth::engine {

/// The end of the piece that begins at `begin`; looks no further than `end`. Every splitter is linear in its input.
using Splitter = size_t (*)(std::string_view text, size_t begin, size_t end);

/// One published way to cut a text into words before byte-level BPE. Stages run one inside the other: the second one
/// sees each piece of the first as a whole text.
struct PreTokenizer {
    std::string_view name; // as `tokenizer.ggml.pre` spells it
    std::span<const Splitter> stages;
    bool ignoreMerges = false; // a word that is a token is that token, whatever the merges say
};

/// Null: unknown.
const PreTokenizer* findPreTokenizer(std::string_view name);

} // namespace hearth::engine
