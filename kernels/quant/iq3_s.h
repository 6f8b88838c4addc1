#pragma once

#include "kernels/quant/iq_codes.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 110 bytes: f16 d; 64 points of kIq3SGrid (four numbers each), lower 8 bits; 8 bytes: the ninth bits
/// of eight points each; 32 bytes of signs; 4 bytes of 4-bit scales, one for each 32 numbers. y = d * (1 + 2 * scale) *
/// point.
struct IQ3_S {
    static constexpr int kBlock = 256, kBytes = 110, kGroup = 32, kOffset = 15;

    static inline uint32_t point(const uint8_t* b, int i) {
        return kIq3SGrid.point[b[2 + i] | ((b[66 + i / 8] >> (i % 8)) & 1) << 8];
    }

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        const float d = loadF16(b);
        for (int g = 0; g < 8; ++g)
            scale[g] = d * float(1 + 2 * ((b[106 + g / 2] >> (g % 2 * 4)) & 15));
        for (int i = 0; i < 32; ++i)
            signedPoint(joined(point(b, 2 * i), point(b, 2 * i + 1)), b[74 + i], q + 8 * i);
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ3_S>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ3_S>(b, y); }
};

} // namespace
} // namespace hearth::kernels::quant
