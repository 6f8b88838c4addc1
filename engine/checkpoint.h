#pragma once

#include "engine/mapped_file.h"
#include "engine/metadata.h"
#include "kernels/quant_types.h"

#include <algorithm>
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

/// Where bytes lie.
struct BytePlace {
    int file = 0;        // index into Checkpoint::memories
    uint64_t offset = 0; // bytes from its start
};

using Memories = std::span<const std::span<const std::byte>>;

/// How a tensor that no file holds as it is needed is made.
struct Derivation {
    /// `files` are the checkpoint's first memories.
    std::function<void(Memories files, std::span<std::byte> out)> compute;
    bool readsFiles = true; // false: made when the checkpoint is opened
};

/// What the codes of F8_E4M3 are multiplied by: one scale for each started block of rows and columns, for each row, or
/// for all (see kernels::BlockScales). Checked against the file.
struct TensorScales {
    const kernels::QuantType* type = nullptr; // F32, F16, BF16; of any alignment
    BytePlace place;                          // of the first number's block
    int64_t blockRows = 1, blockCols = 1;
    int64_t blocks = 1;   // in a row
    int64_t firstRow = 0; // where in its block the first row lies

    /// Those of the rows from one on.
    TensorScales from(int64_t row) const;

    uint64_t rowBytes() const { return static_cast<uint64_t>(blocks) * static_cast<uint64_t>(type->bytes); }

    /// Multiplies numbers of the first row.
    void apply(Memories, std::span<float> row) const;
};

/// One named tensor of a checkpoint: where its bytes lie, checked against the file.
struct TensorEntry {
    std::string name;
    const kernels::QuantType* type = nullptr; // null: a type this engine cannot read
    uint32_t ggmlId = 0;                      // the type as the file numbers it
    int nDims = 1;
    std::array<int64_t, 4> dims = {1, 1, 1, 1}; // innermost first, as GGUF has them
    int file = 0;                               // index into Checkpoint::memories
    uint64_t offset = 0;                        // bytes from its start
    uint64_t bytes = 0;                         // 0 where the type is unknown
    /// Equal parts that do not lie one behind the other, such as the matrices of experts; file and offset then mean
    /// nothing.
    std::vector<BytePlace> parts;
    /// Not null: neither offset nor parts mean anything before Checkpoint::derive.
    std::shared_ptr<const Derivation> derivation;
    /// Of F8_E4M3: those of each of so many equal runs of rows, which are the parts where there are any.
    std::vector<TensorScales> scales;
    std::string foreignType; // as a folder names it, where it is read as another type or cannot be read

    int64_t cols() const { return dims[0]; }

    int64_t rows() const { return dims[1] * dims[2] * dims[3]; }

    int64_t rowsOfRun() const { return rows() / std::max<int64_t>(1, static_cast<int64_t>(scales.size())); }

    /// Of the rows from one on, to the end of its run; there must be scales.
    TensorScales scalesFrom(int64_t row) const;

    uint64_t storedBytes() const; // with its scales

    std::string typeName() const;  // "Q4_K", or "type 99"
    std::string shapeText() const; // "576 x 1536"
};

struct GgufPart;

/// What a GGUF file (single or split) or a Hugging Face folder gives, whatever its form: metadata under the names GGUF
/// uses and named tensor views over mapped files. Immutable after construction but for derive(); any thread.
class Checkpoint {
public:
    /// What a folder gives: AsItLies, tensors are views of its files wherever they can be, and keys say in which order
    /// their rows lie; Converted, all is as a GGUF of the same model has it, its tokenizer too.
    enum class Form : uint8_t { AsItLies, Converted };

    /// A file, a folder, or a file of a folder. Overrides are applied to the metadata before anything else reads it.
    /// Throws Error.
    static Checkpoint open(const std::string& path, std::span<const std::pair<std::string, std::string>> overrides = {},
                           Form = Form::AsItLies);
    /// Header only, no bytes of tensors behind it.
    static Checkpoint fromPart(GgufPart);
    /// The same of a split model, all its parts in their order. Throws Error where they do not belong together.
    static Checkpoint fromParts(std::vector<GgufPart>);

    const Metadata& metadata() const { return metadata_; }

    const std::vector<TensorEntry>& tensors() const { return tensors_; }

    const TensorEntry* find(std::string_view name) const; // null: absent

    /// Empty for a tensor in parts, and for one to derive before derive().
    std::span<const std::byte> bytes(const TensorEntry&) const;

    /// Writes a tensor's bytes into `out`, which has as many: copied, gathered or computed.
    void read(const TensorEntry&, std::span<std::byte> out) const;

    /// Numbers of rows [first, first + count) of a tensor whose bytes are all in `bytes`.
    void decode(const TensorEntry&, std::span<const std::byte> bytes, int64_t first, int64_t count, float* out) const;

    /// What tensors lie in: the mapped files first, then memory of the checkpoint's own.
    Memories memories() const { return memories_; }

    enum class Parts : uint8_t { Keep, Gather };

    /// Bytes that derive() will take.
    uint64_t derivedBytes(Parts = Parts::Gather) const;

    /// Computes what no file holds as it is needed, and puts the parts of a tensor one behind the other where `Gather`
    /// asks for it, in memory of its own. `progress` (0 to 1) returns false to stop: then false, and nothing is
    /// changed.
    bool derive(const std::function<bool(double)>& progress = {}, Parts = Parts::Gather);

    const std::vector<std::unique_ptr<MappedFile>>& files() const { return files_; }

    uint64_t fileBytes() const; // all parts together

    std::string_view format() const { return format_; } // "GGUF v3", "safetensors, 4 files"

    /// Of a Hugging Face folder: its path. Empty: a GGUF.
    const std::string& folder() const { return folder_; }

    /// A file was cut short since it was mapped: what was computed from it is worthless.
    bool changed() const;

    /// Brings the files into memory in steps. `progress` (0 to 1) returns false to stop: then false.
    bool prefault(const std::function<bool(double)>& progress) const;

private:
    static Checkpoint openFolder(const std::string& path, Form);
    static Checkpoint openGguf(const std::string& path);
    void addFile(std::unique_ptr<MappedFile>);
    void add(std::vector<TensorEntry>);
    bool deriveIf(const std::function<bool(const TensorEntry&)>& which, const std::function<bool(double)>& progress);
    void apply(std::span<const std::pair<std::string, std::string>> overrides);

    Metadata metadata_;
    std::vector<TensorEntry> tensors_;
    std::unordered_map<std::string, size_t> byName_;
    std::vector<std::unique_ptr<MappedFile>> files_;
    std::vector<std::unique_ptr<std::byte[]>> owned_;
    std::vector<std::span<const std::byte>> memories_;
    std::string format_;
    std::string folder_;
};

/// Sets a metadata value from text, as `--set key=value` does: in the type that the key has already, else as the text
/// looks (integer, number, true/false, text). Arrays are written with commas.
void setFromText(Metadata&, const std::string& key, const std::string& text);

} // namespace hearth::engine
