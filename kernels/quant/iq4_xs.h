#pragma once

#include "kernels/quant/iq4_nl.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 136 bytes: f16 d; 16 bits, two for each 32 numbers: upper bits of the scales; 4 bytes of nibbles:
/// their lower bits; 128 bytes of nibbles, 16 for each 32 numbers as in IQ4_NL. y = d * (scale - 32) * kIq4Values[q].
struct IQ4_XS {
    static constexpr int kBlock = 256, kBytes = 136, kGroup = 32, kOffset = 128;

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        const float d = loadF16(b);
        const int high = loadU16(b + 2);
        for (int g = 0; g < 8; ++g) {
            const int sc = ((b[4 + g / 2] >> (g % 2 * 4)) & 15) | ((high >> (2 * g)) & 3) << 4;
            scale[g] = d * float(sc - 32);
            tableCodes(b + 8 + 16 * g, kIq4Values, q + 32 * g);
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ4_XS>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ4_XS>(b, y); }

    static inline void encode(const float* x, uint8_t* b) {
        float scales[8], extreme = 0;
        for (int g = 0; g < 8; ++g) {
            scales[g] = fitIq4(x + 32 * g);
            extreme = __builtin_fabsf(scales[g]) > __builtin_fabsf(extreme) ? scales[g] : extreme;
        }
        std::memset(b, 0, 8);
        storeU16(b, unitOf(extreme, -32));
        const float d = loadF16(b), perScale = inverseOrZero(d);
        int high = 0;
        for (int g = 0; g < 8; ++g) {
            const int scale = nearestCode(scales[g] * perScale, -32, 31);
            b[4 + g / 2] |= uint8_t(((scale + 32) & 15) << (g % 2 * 4));
            high |= (scale + 32) >> 4 << (2 * g);
            packIq4(x + 32 * g, inverseOrZero(d * float(scale)), b + 8 + 16 * g);
        }
        storeU16(b + 2, uint16_t(high));
    }
};

} // namespace
} // namespace hearth::kernels::quant
