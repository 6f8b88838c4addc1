#pragma once

#include "engine/checkpoint.h"
#include "engine/metadata.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hearth::engine {

/// A tensor that a GGUF file will hold.
struct GgufTensor {
    std::string name;
    const kernels::QuantType* type = nullptr;
    int nDims = 1;
    std::array<int64_t, 4> dims = {1, 1, 1, 1}; // innermost first

    uint64_t bytes() const; // its rows fill whole blocks
};

/// Writes a GGUF file (version 3) beside its place and moves it there when it is whole: what stood there before stays
/// until then, and stays when anything fails. One thread. Everything throws Error.
class GgufWriter {
public:
    /// Integers are written in 32 bits where they fit, numbers as float32 where nothing is lost.
    GgufWriter(const std::string& path, const Metadata&, std::span<const GgufTensor>);
    ~GgufWriter();
    GgufWriter(const GgufWriter&) = delete;
    GgufWriter& operator=(const GgufWriter&) = delete;

    /// The next bytes of the tensors, one tensor after the other without gaps between calls.
    void write(std::span<const std::byte>);
    /// Every byte of every tensor has been written.
    void finish();

    uint64_t fileBytes() const { return total_; }

private:
    void put(const void* bytes, size_t size);
    void pad();

    std::string path_, temporary_;
    int file_ = -1;
    std::vector<uint64_t> sizes_; // bytes of the tensors
    size_t tensor_ = 0;           // the one being written
    uint64_t inTensor_ = 0;       // bytes of it so far
    uint64_t position_ = 0;
    uint64_t total_ = 0; // bytes of the whole file
};

} // namespace hearth::engine
