#pragma once

#include "kernels/quant/mxfp4.h"

namespace hearth::kernels::quant {
namespace {

/// 64 numbers in 36 bytes: four scales (8-bit floats without sign: 4 exponent, 3 mantissa bits); of each 16 numbers 8
/// bytes of nibbles (low: 0..7, high: 8..15). y = scale / 2 * kFp4Values[q].
struct NVFP4 {
    static constexpr int kBlock = 64, kBytes = 36, kGroup = 16, kOffset = 12;

    /// Half of the scale, 0 for the pattern that is no number; exact. The sign bit does not count.
    static inline float halfScale(uint8_t e) {
        const int exponent = (e >> 3) & 15, mantissa = e & 7;
        if (e == 0x7f)
            return 0.0f;
        return exponent == 0 ? float(mantissa) * 0x1p-10f
                             : floatOf(uint32_t(exponent + 119) << 23 | uint32_t(mantissa) << 20);
    }

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        for (int g = 0; g < 4; ++g) {
            scale[g] = halfScale(b[g]);
            for (int i = 0; i < 8; ++i) {
                q[16 * g + i] = kFp4Values[b[4 + 8 * g + i] & 15];
                q[16 * g + i + 8] = kFp4Values[b[4 + 8 * g + i] >> 4];
            }
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<NVFP4>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<NVFP4>(b, y); }
};

} // namespace
} // namespace hearth::kernels::quant
