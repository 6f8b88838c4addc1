#pragma once

#include "kernels/quant/iq_codes.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 98 bytes: f16 d; 64 points of kIq3XxsGrid (four numbers each); for each 32 numbers 32 bits: four
/// times seven signs, then a scale of four bits. y = d * (0.5 + scale) / 2 * point.
struct IQ3_XXS {
    static constexpr int kBlock = 256, kBytes = 98, kGroup = 32, kOffset = 62;

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        const float d = loadF16(b);
        for (int g = 0; g < 8; ++g) {
            const uint32_t bits = loadU32(b + 66 + 4 * g);
            scale[g] = d * (0.5f + float(bits >> 28)) * 0.5f;
            for (int i = 0; i < 4; ++i) {
                const uint8_t* points = b + 2 + 8 * g + 2 * i;
                signedPoint(joined(kIq3XxsGrid.point[points[0]], kIq3XxsGrid.point[points[1]]),
                            evenSigns(bits >> (7 * i)), q + 32 * g + 8 * i);
            }
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ3_XXS>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ3_XXS>(b, y); }
};

} // namespace
} // namespace hearth::kernels::quant
