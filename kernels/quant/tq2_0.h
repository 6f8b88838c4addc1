#pragma once

#include "kernels/quant/round.h"
#include "kernels/quant/signed_codes.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 66 bytes: 64 bytes of 2-bit codes as in Q2_K; f16 d. y = d * (q - 1).
struct TQ2_0 {
    static constexpr int kBlock = 256, kBytes = 66, kGroup = 32, kOffset = 1;

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        for (int i = 0; i < 256; ++i)
            q[i] = int8_t(((b[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2)) & 3) - 1);
        for (int g = 0; g < 8; ++g)
            scale[g] = loadF16(b + 64);
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<TQ2_0>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<TQ2_0>(b, y); }

    static inline void encode(const float* x, uint8_t* b) {
        uint8_t q[256];
        storeU16(b + 64, f32ToF16(ternaryCodes(x, q)));
        packTwoBits(q, b);
    }
};

} // namespace
} // namespace hearth::kernels::quant
