#pragma once

#include "kernels/quant/iq4_nl.h"
#include "kernels/quant/round.h"

namespace hearth::kernels::quant {
namespace {

/// Twice what a 4-bit float (1 sign, 2 exponent, 1 mantissa bit) stands for, as whole numbers.
static constexpr int8_t kFp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// 32 numbers in 17 bytes: an exponent e; 16 bytes of nibbles (low: 0..15, high: 16..31). y = 2^(e-128) *
/// kFp4Values[q].
struct MXFP4 {
    static constexpr int kBlock = 32, kBytes = 17, kGroup = 32, kOffset = 12;

    /// 2^(e-128); exact, the smallest two are subnormal.
    static inline float halfPower(uint8_t e) { return floatOf(e < 2 ? 0x00200000u << e : uint32_t(e - 1) << 23); }

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        tableCodes(b + 1, kFp4Values, q);
        scale[0] = halfPower(b[0]);
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<MXFP4>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<MXFP4>(b, y); }

    /// The exponent brings the largest number to 4..8, where the format ends at 6: what lies above is cut.
    static inline void encode(const float* x, uint8_t* b) {
        const int exponent = int(bitsOf(extremeOf32(x)) >> 23 & 255) - 2;
        b[0] = uint8_t(exponent > 0 ? exponent : 0);
        const float d = halfPower(b[0]);
        for (int i = 0; i < 16; ++i)
            b[1 + i] = uint8_t(nearestOf16(kFp4Values, d, x[i]) | nearestOf16(kFp4Values, d, x[i + 16]) << 4);
    }
};

} // namespace
} // namespace hearth::kernels::quant
