#pragma once

#include "kernels/quant/round.h"

namespace hearth::kernels::quant {
namespace {

/// 32 numbers in 18 bytes: f16 d; 16 bytes of nibbles (low: 0..15, high: 16..31). y = d * (q - 8).
struct Q4_0 {
    static constexpr int kBlock = 32, kBytes = 18, kGroup = 32, kOffset = 8;

    static inline void decode(const uint8_t* b, float* y) {
        const float d = loadF16(b);
        for (int i = 0; i < 16; ++i) {
            y[i] = float(int(b[2 + i] & 15) - 8) * d;
            y[i + 16] = float(int(b[2 + i] >> 4) - 8) * d;
        }
    }

    /// The same as y = scale * q + min with unsigned codes, for the integer products.
    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        for (int i = 0; i < 16; ++i) {
            q[i] = b[2 + i] & 15;
            q[i + 16] = b[2 + i] >> 4;
        }
        scale[0] = loadF16(b);
        min[0] = -float(kOffset) * scale[0];
    }

    static inline void encode(const float* x, uint8_t* b) {
        const float d = extremeOf32(x) / -8.0f;
        const float inverse = inverseOrZero(d);
        storeU16(b, f32ToF16(d));
        for (int i = 0; i < 16; ++i)
            b[2 + i] = uint8_t(codeOf(x[i] * inverse + 8.5f, 15) | codeOf(x[i + 16] * inverse + 8.5f, 15) << 4);
    }
};

} // namespace
} // namespace hearth::kernels::quant
