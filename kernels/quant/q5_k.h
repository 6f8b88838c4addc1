#pragma once

#include "kernels/quant/k_scales.h"

namespace hearth::kernels::quant {

/// 256 numbers in 176 bytes: f16 d; f16 dmin; 12 bytes of 6-bit pairs; 32 bytes whose bit g is the fifth bit of group
/// g; 128 bytes of nibbles as in Q4_K. y = d * scale * q - dmin * min.
struct Q5_K {
    static constexpr int kBlock = 256, kBytes = 176, kGroup = 32;

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        floatKScales(b, scale, min);
        for (int g = 0; g < 8; ++g)
            for (int i = 0; i < 32; ++i)
                q[g * 32 + i] = uint8_t(((b[48 + g / 2 * 32 + i] >> (g % 2 * 4)) & 15) | ((b[16 + i] >> g) & 1) << 4);
    }

    static inline void decode(const uint8_t* b, float* y) {
        uint8_t q[256];
        float scale[8], min[8];
        codes(b, q, scale, min);
        for (int i = 0; i < 256; ++i)
            y[i] = scale[i / 32] * float(q[i]) + min[i / 32];
    }
};

} // namespace hearth::kernels::quant
