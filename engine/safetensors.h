#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// One tensor of a safetensors file, checked against the file.
struct StoredTensor {
    std::string name;
    std::string type;           // as the file says: "BF16", "F8_E4M3"; may be one that nobody knows
    std::vector<int64_t> shape; // outermost first; empty: one number
    int file = 0;               // of a sharded model
    uint64_t offset = 0;        // bytes from the start of the file
    uint64_t bytes = 0;
};

/// Bytes of one number; 0: unknown, or less than one.
int storedTypeBytes(std::string_view type);

/// Reads the header of one file. Every number is checked against `file` before it is used; `name` stands in the errors.
/// As the format demands, the tensors fill the bytes behind the header without holes and overlaps. Takes memory in
/// proportion to the header, at most 64 MB more than twice its bytes. Throws Error.
/// https://github.com/huggingface/safetensors#format
std::vector<StoredTensor> parseSafetensors(std::span<const std::byte> file, std::string_view name);

/// What model.safetensors.index.json says: which tensor is in which file.
struct SafetensorsIndex {
    struct Entry {
        std::string tensor;
        int file = 0; // index into files
    };

    std::vector<std::string> files; // plain names, in the order of their names
    std::vector<Entry> tensors;
};

/// Throws Error; a file named by the index is always a plain name, never a path.
SafetensorsIndex parseSafetensorsIndex(std::string_view text, std::string_view name);

} // namespace hearth::engine
