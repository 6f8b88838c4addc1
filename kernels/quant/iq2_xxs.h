#pragma once

#include "kernels/quant/iq_codes.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 66 bytes: f16 d; for each 32 numbers four points of kIq2XxsGrid (a byte each) and 32 bits: seven
/// signs of each point, then a scale of four bits. y = d * (0.5 + scale) / 4 * point.
struct IQ2_XXS {
    static constexpr int kBlock = 256, kBytes = 66, kGroup = 32, kOffset = 43;

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        const float d = loadF16(b);
        for (int g = 0; g < 8; ++g) {
            const uint8_t* points = b + 2 + 8 * g;
            const uint32_t bits = loadU32(points + 4);
            scale[g] = d * (0.5f + float(bits >> 28)) * 0.25f;
            for (int i = 0; i < 4; ++i)
                signedPoint(kIq2XxsGrid.point[points[i]], evenSigns(bits >> (7 * i)), q + 32 * g + 8 * i);
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ2_XXS>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ2_XXS>(b, y); }
};

} // namespace
} // namespace hearth::kernels::quant
