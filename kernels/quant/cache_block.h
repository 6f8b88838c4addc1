#pragma once

#include "kernels/quant/half.h"

// Blocks of weight formats as a KV cache has them.
namespace hearth::kernels::quant {
namespace {

/// Encodes the next block of a row of which `left` numbers are to come; zeros fill it up. What is no number makes the
/// block's scale NaN, so that it is seen in the result: the encoders, made for weights, pass over it.
template <typename Format>
inline void storeBlock(const float* in, int64_t left, uint8_t* block) {
    float x[Format::kBlock], none = 0;
    for (int i = 0; i < Format::kBlock; ++i) {
        x[i] = i < left ? in[i] : 0.0f;
        none += x[i] * 0.0f; // NaN for infinities too
    }
    Format::encode(x, block);
    if (none != none)
        storeU16(block, 0x7e00);
}

} // namespace
} // namespace hearth::kernels::quant
