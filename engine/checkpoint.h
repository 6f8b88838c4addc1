#pragma once

#include "engine/mapped_file.h"
#include "engine/metadata.h"
#include "kernels/quant_types.h"

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hearth::engine {

/// One named tensor of a checkpoint: where its bytes lie, checked against the file.
struct TensorEntry {
    std::string name;
    const kernels::QuantType* type = nullptr; // null: a type this engine cannot read
    uint32_t ggmlId = 0;                      // the type as the file numbers it
    int nDims = 1;
    std::array<int64_t, 4> dims = {1, 1, 1, 1}; // innermost first, as GGUF has them
    int file = 0;                               // index into Checkpoint::files
    uint64_t offset = 0;                        // bytes from the start of the file
    uint64_t bytes = 0;                         // 0 where the type is unknown

    int64_t cols() const { return dims[0]; }

    int64_t rows() const { return dims[1] * dims[2] * dims[3]; }

    std::string typeName() const;  // "Q4_K", or "type 99"
    std::string shapeText() const; // "576 x 1536"
};

struct GgufPart;

/// What a GGUF file (single or split) gives, whatever its form: metadata and named tensor views over mapped files.
/// Immutable after construction; any thread.
class Checkpoint {
public:
    /// Overrides are applied to the metadata before anything else reads it. Throws Error.
    static Checkpoint open(const std::string& path,
                           std::span<const std::pair<std::string, std::string>> overrides = {});
    /// Header only, no bytes of tensors behind it.
    static Checkpoint fromPart(GgufPart);

    const Metadata& metadata() const { return metadata_; }

    const std::vector<TensorEntry>& tensors() const { return tensors_; }

    const TensorEntry* find(std::string_view name) const; // null: absent

    std::span<const std::byte> bytes(const TensorEntry&) const;

    const std::vector<std::unique_ptr<MappedFile>>& files() const { return files_; }

    uint64_t fileBytes() const; // all parts together

    std::string_view format() const { return format_; } // "GGUF v3"

    /// A file was cut short since it was mapped: what was computed from it is worthless.
    bool changed() const;

    /// Brings the files into memory in steps. `progress` (0 to 1) returns false to stop: then false.
    bool prefault(const std::function<bool(double)>& progress) const;

private:
    void add(GgufPart, int file);
    void apply(std::span<const std::pair<std::string, std::string>> overrides);

    Metadata metadata_;
    std::vector<TensorEntry> tensors_;
    std::unordered_map<std::string, size_t> byName_;
    std::vector<std::unique_ptr<MappedFile>> files_;
    std::string format_;
};

/// Sets a metadata value from text, as `--set key=value` does: in the type that the key has already, else as the text
/// looks (integer, number, true/false, text). Arrays are written with commas.
void setFromText(Metadata&, const std::string& key, const std::string& text);

} // namespace hearth::engine
