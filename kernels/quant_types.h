#pragma once

#include "kernels/tensor.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace hearth::kernels {

/// Of a type that GGUF files do not have.
inline constexpr uint32_t kNoGgmlId = UINT32_MAX;

/// One storage format of weights. To add one: `kernels/quant/<format>.h`, its line in formats.h there, and its row in
/// `kQuantTypes` (quant_types.cpp).
struct QuantType {
    Type type;
    std::string_view name;                                     // as `--type` takes it and GGUF tools print it: "Q4_K"
    uint32_t ggmlId;                                           // the number that GGUF files use
    int block;                                                 // numbers a block
    int bytes;                                                 // bytes a block
    int group;                                                 // numbers that share one scale
    void (*decode)(const void* blocks, float* out, int64_t n); // n numbers, a multiple of block;
                                                               // F8_E4M3: before its scales
    void (*encode)(const float* in, void* blocks, int64_t n);  // the reference quantizer; may be null
};

std::span<const QuantType> quantTypes();               // every row: for listings, and for tests that loop over formats
const QuantType* findQuantType(uint32_t ggmlId);       // null: unknown; kNoGgmlId names none
const QuantType* findQuantType(std::string_view name); // null: unknown
const QuantType& quantType(Type);                      // weight types only (not I32, A8)

/// Bytes of one row of `cols` numbers; 0 where cols does not fill whole blocks. A8 and I32 too.
uint64_t rowBytes(Type, int64_t cols);

/// What a KV cache can be made of.
constexpr bool isCacheType(Type type) {
    return type == Type::F32 || type == Type::F16 || type == Type::BF16 || type == Type::Q8_0 || type == Type::Q4_0;
}

/// Bytes of one cached key or value: what `cols` leaves of its last block is filled up with zeros. 0 for no columns.
uint64_t cacheRowBytes(Type, int64_t cols);
/// Columns of whole blocks.
int64_t cacheRowCols(Type, int64_t cols);

/// That of rows of `cols` numbers; empty for no columns.
CacheArea cacheArea(Type, int64_t cols);

} // namespace hearth::kernels
