#pragma once

#include "kernels/quant/iq_grids.h"
#include "kernels/quant/signed_codes.h"

namespace hearth::kernels::quant {
namespace {

/// Eight times a point whose coordinates were moved by an eighth, up or down.
static inline void movedPoint(uint64_t point, bool down, int8_t* q) {
    for (int i = 0; i < 8; ++i)
        q[i] = int8_t(int8_t(point >> (8 * i)) + (down ? -1 : 1));
}

/// 256 numbers in 50 bytes: f16 d; 32 points of kIq1Grid, lower 8 bits; for each 32 numbers 16 bits: the upper three
/// bits of four points, a scale of three bits, and whether the points are moved down. y = d * (1 + 2 * scale) / 8 *
/// point.
struct IQ1_S {
    static constexpr int kBlock = 256, kBytes = 50, kGroup = 32, kOffset = 9;

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        const float d = loadF16(b);
        for (int g = 0; g < 8; ++g) {
            const int bits = loadU16(b + 34 + 2 * g);
            scale[g] = d * float(1 + 2 * (bits >> 12 & 7)) * 0.125f;
            for (int i = 0; i < 4; ++i)
                movedPoint(kIq1Grid.point[b[2 + 4 * g + i] | (bits >> (3 * i) & 7) << 8], bits & 0x8000,
                           q + 32 * g + 8 * i);
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ1_S>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ1_S>(b, y); }
};

} // namespace
} // namespace hearth::kernels::quant
