#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::kernels {

/// Element types of tensors. The storage formats of weights are rows of `kQuantTypes` (quant_types.h); `I32` is for
/// ids, positions and tables; `A8` is the engine's own form of activations for integer products.
enum class Type : uint8_t {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ1_S,
    IQ1_M,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ3_XXS,
    IQ3_S,
    IQ4_NL,
    IQ4_XS,
    TQ1_0,
    TQ2_0,
    MXFP4,
    NVFP4,
    F8_E4M3,
    I32,
    A8,
    Count
};

/// A memory of one backend: a mapped file, the activations of a plan, a KV cache. Given out by `Backend`.
using MemoryId = uint32_t;
inline constexpr MemoryId kNoMemory = ~MemoryId{0};

/// What the codes of a weight of type F8_E4M3 are multiplied by: one scale for each started block of rows and columns
/// (DeepSeek-V3, section 3.3.2), for each row, or for all. They lie where the file has them, of any alignment.
struct BlockScales {
    MemoryId memory = kNoMemory; // absent: the codes are the numbers
    Type type = Type::F32;       // F32, F16, BF16
    uint64_t offset = 0;         // bytes from the start of the memory: of the first block
    uint64_t stride = 0;         // bytes from one row of blocks to the next
    int64_t blockRows = 1;
    int64_t blockCols = 1;
    int64_t firstRow = 0; // where in its block the view's first row lies

    bool present() const { return memory != kNoMemory; }
};

/// A typed view of rows x cols into a backend's memory. Owns nothing, is copied freely, holds no pointer: the same plan
/// runs wherever its memories lie. Columns of a row are contiguous.
struct Tensor {
    MemoryId memory = kNoMemory;
    Type type = Type::F32;
    uint64_t offset = 0; // bytes from the start of the memory
    int64_t rows = 0;
    int64_t cols = 0;
    uint64_t stride = 0;     // bytes from one row to the next
    BlockScales scales = {}; // of F8_E4M3 only

    bool present() const { return memory != kNoMemory; }
};

/// How a page of a KV cache keeps the keys or values of a head: a row of numbers for each token; of blocks the rows are
/// their codes, and behind all rows lie the scales, (blocks of a row, tokens) in f16. So rows of codes fill cache
/// lines, and the scales of neighbouring tokens are read as they lie.
struct CacheArea {
    static constexpr uint64_t kScaleBytes = 2;

    uint64_t rowBytes = 0; // from one row to the next
    uint64_t blocks = 0;   // of a row, each with a scale; 0: numbers

    /// Of a page of so many tokens: cacheRowBytes() for each.
    constexpr uint64_t bytes(uint64_t tokens) const { return tokens * (rowBytes + blocks * kScaleBytes); }

    /// Where a token's scale of a block lies in a page of so many tokens.
    constexpr uint64_t scaleAt(uint64_t block, uint64_t token, uint64_t tokens) const {
        return tokens * rowBytes + (block * tokens + token) * kScaleBytes;
    }
};

} // namespace hearth::kernels
