#pragma once

#include "kernels/quant/iq_codes.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 74 bytes: f16 d; 32 points of kIq2XsGrid with their signs (9 and 7 bits); 8 bytes of 4-bit scales,
/// one for each 16 numbers. y = d * (0.5 + scale) / 4 * point.
struct IQ2_XS {
    static constexpr int kBlock = 256, kBytes = 74, kGroup = 16, kOffset = 43;

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        const float d = loadF16(b);
        for (int g = 0; g < 16; ++g)
            scale[g] = d * (0.5f + float((b[66 + g / 2] >> (g % 2 * 4)) & 15)) * 0.25f;
        for (int i = 0; i < 32; ++i) {
            const uint32_t bits = loadU16(b + 2 + 2 * i);
            signedPoint(kIq2XsGrid.point[bits & 511], evenSigns(bits >> 9), q + 8 * i);
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ2_XS>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ2_XS>(b, y); }
};

} // namespace
} // namespace hearth::kernels::quant
