#pragma once

#include "kernels/quant/iq_codes.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 82 bytes: f16 d; 32 points of kIq2SGrid, lower 8 bits; 32 bytes of signs; 8 bytes: upper two bits of
/// four points each; 8 bytes of 4-bit scales, one for each 16 numbers. y = d * (0.5 + scale) / 4 * point.
struct IQ2_S {
    static constexpr int kBlock = 256, kBytes = 82, kGroup = 16, kOffset = 43;

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        const float d = loadF16(b);
        for (int g = 0; g < 16; ++g)
            scale[g] = d * (0.5f + float((b[74 + g / 2] >> (g % 2 * 4)) & 15)) * 0.25f;
        for (int i = 0; i < 32; ++i) {
            const int point = b[2 + i] | ((b[66 + i / 4] >> (i % 4 * 2)) & 3) << 8;
            signedPoint(kIq2SGrid.point[point], b[34 + i], q + 8 * i);
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ2_S>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ2_S>(b, y); }
};

} // namespace
} // namespace hearth::kernels::quant
