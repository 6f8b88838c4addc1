#pragma once

#include "kernels/quant/fit.h"
#include "kernels/quant/half.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 84 bytes: 16 bytes, one for each 16 numbers (low nibble: scale, high: min); 64 bytes of 2-bit codes;
/// f16 d; f16 dmin. Of each half (128 numbers) 32 bytes: number 32j + i is bits 2j of byte i.
/// y = d * scale * q - dmin * min.
struct Q2_K {
    static constexpr int kBlock = 256, kBytes = 84, kGroup = 16;

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        const float d = loadF16(b + 80), dmin = loadF16(b + 82);
        for (int i = 0; i < 256; ++i)
            q[i] = (b[16 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2)) & 3;
        for (int g = 0; g < 16; ++g) {
            scale[g] = d * float(b[g] & 15);
            min[g] = -(dmin * float(b[g] >> 4));
        }
    }

    static inline void decode(const uint8_t* b, float* y) {
        uint8_t q[256];
        float scale[16], min[16];
        codes(b, q, scale, min);
        for (int i = 0; i < 256; ++i)
            y[i] = scale[i / 16] * float(q[i]) + min[i / 16];
    }

    static inline void encode(const float* x, uint8_t* b) {
        AffineBlock<16> block;
        encodeAffine(x, 3, 15, block);
        for (int g = 0; g < 16; ++g)
            b[g] = uint8_t(block.scale[g] | block.min[g] << 4);
        packTwoBits(block.q, b + 16);
        storeU16(b + 80, block.d);
        storeU16(b + 82, block.dmin);
    }
};

} // namespace
} // namespace hearth::kernels::quant
