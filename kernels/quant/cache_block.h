#pragma once

#include "kernels/quant/half.h"

// Blocks of weight formats as a KV cache has them.
namespace hearth::kernels::quant {
namespace {

/// The codes of a block lie behind its scale in a file, by themselves in a cache.
template <typename Format>
constexpr int kCodeBytes = Format::kBytes - 2;

/// Encodes the next block of a row of which `left` numbers are to come; zeros fill it up. What is no number makes the
/// block's scale NaN, so that it is seen in the result: the encoders, made for weights, pass over it.
template <typename Format>
inline void storeBlock(const float* in, int64_t left, uint8_t* codes, uint8_t* scale) {
    uint8_t block[Format::kBytes];
    float x[Format::kBlock], none = 0;
    for (int i = 0; i < Format::kBlock; ++i) {
        x[i] = i < left ? in[i] : 0.0f;
        none += x[i] * 0.0f; // NaN for infinities too
    }
    Format::encode(x, block);
    if (none != none)
        storeU16(block, 0x7e00);
    for (int i = 0; i < 2; ++i)
        scale[i] = block[i];
    for (int i = 0; i < kCodeBytes<Format>; ++i)
        codes[i] = block[2 + i];
}

/// The numbers of a block.
template <typename Format>
inline void loadBlock(const uint8_t* codes, const uint8_t* scale, float* out) {
    uint8_t block[Format::kBytes];
    for (int i = 0; i < 2; ++i)
        block[i] = scale[i];
    for (int i = 0; i < kCodeBytes<Format>; ++i)
        block[2 + i] = codes[i];
    Format::decode(block, out);
}

} // namespace
} // namespace hearth::kernels::quant
