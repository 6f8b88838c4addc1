#pragma once

#include "engine/checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// The numbers that types of metadata values have in the file.
enum class GgufValue : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, Text, Array, U64, I64, F64, Count };

/// The header of one GGUF file, version 2 or 3, little-endian.
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
struct GgufPart {
    uint32_t version = 0;
    Metadata metadata;
    std::vector<TensorEntry> tensors; // in the file's order; offsets from the start of the file
};

/// Reads a header. Every number is checked against `file` before it is used; `name` stands in the errors.
/// Takes memory in proportion to the header, at most 64 MB more than twice its bytes. Throws Error.
GgufPart parseGguf(std::span<const std::byte> file, std::string_view name);

/// The same of a file of which only the first bytes are here. Nothing: its header is longer than they are.
std::optional<GgufPart> parseGgufBeginning(std::span<const std::byte> beginning, uint64_t fileBytes,
                                           std::string_view name);

/// Position of a file in a split checkpoint, from its name: "x-00002-of-00003.gguf".
struct SplitName {
    std::string prefix; // "x"
    int number = 0;     // from 1
    int count = 0;
};

/// False: the name is not that of a part.
bool parseSplitName(std::string_view path, SplitName& out);
std::string splitPath(const SplitName&, int number);

} // namespace hearth::engine
