#pragma once

#include "kernels/quant/iq1_s.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 56 bytes: 32 points of kIq1Grid, lower 8 bits; 16 bytes, a nibble for each point: its upper three
/// bits and whether it is moved down; four times 16 bits: four scales of three bits, one for each 16 numbers, and above
/// them a quarter of f16 d. y = d * (1 + 2 * scale) / 8 * point.
struct IQ1_M {
    static constexpr int kBlock = 256, kBytes = 56, kGroup = 16, kOffset = 9;

    static inline float unit(const uint8_t* b) {
        return f16ToF32(uint16_t(b[49] >> 4 | (b[51] >> 4) << 4 | (b[53] >> 4) << 8 | (b[55] >> 4) << 12));
    }

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        const float d = unit(b);
        for (int g = 0; g < 16; ++g)
            scale[g] = d * float(1 + 2 * (loadU16(b + 48 + g / 4 * 2) >> (g % 4 * 3) & 7)) * 0.125f;
        for (int i = 0; i < 32; ++i) {
            const int nibble = b[32 + i / 2] >> (i % 2 * 4) & 15;
            movedPoint(kIq1Grid.point[b[i] | (nibble & 7) << 8], nibble & 8, q + 8 * i);
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ1_M>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ1_M>(b, y); }
};

} // namespace
} // namespace hearth::kernels::quant
