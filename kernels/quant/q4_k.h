#pragma once

#include "kernels/quant/fit.h"
#include "kernels/quant/k_scales.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 144 bytes: f16 d; f16 dmin; 12 bytes of 6-bit pairs; 128 bytes of nibbles: of each 32 bytes the low
/// nibbles are one group of 32, the high ones the next. y = d * scale * q - dmin * min.
struct Q4_K {
    static constexpr int kBlock = 256, kBytes = 144, kGroup = 32;

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        floatKScales(b, scale, min);
        for (int g = 0; g < 8; ++g)
            for (int i = 0; i < 32; ++i)
                q[g * 32 + i] = (b[16 + g / 2 * 32 + i] >> (g % 2 * 4)) & 15;
    }

    static inline void decode(const uint8_t* b, float* y) {
        uint8_t q[256];
        float scale[8], min[8];
        codes(b, q, scale, min);
        for (int i = 0; i < 256; ++i)
            y[i] = scale[i / 32] * float(q[i]) + min[i / 32];
    }

    static inline void encode(const float* x, uint8_t* b) {
        AffineBlock<32> block;
        encodeAffine(x, 15, 63, block);
        storeU16(b, block.d);
        storeU16(b + 2, block.dmin);
        packKScales(block.scale, block.min, b + 4);
        packNibblePairs(block.q, b + 16);
    }
};

} // namespace
} // namespace hearth::kernels::quant
