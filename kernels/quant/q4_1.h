#pragma once

#include "kernels/quant/round.h"

namespace hearth::kernels::quant {
namespace {

/// 32 numbers in 20 bytes: f16 d; f16 m; 16 bytes of nibbles (low: 0..15, high: 16..31). y = d * q + m.
struct Q4_1 {
    static constexpr int kBlock = 32, kBytes = 20, kGroup = 32;

    static inline void decode(const uint8_t* b, float* y) {
        const float d = loadF16(b), m = loadF16(b + 2);
        for (int i = 0; i < 16; ++i) {
            y[i] = float(b[4 + i] & 15) * d + m;
            y[i + 16] = float(b[4 + i] >> 4) * d + m;
        }
    }

    /// The same as y = scale * q + min, for the integer products.
    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        for (int i = 0; i < 16; ++i) {
            q[i] = b[4 + i] & 15;
            q[i + 16] = b[4 + i] >> 4;
        }
        scale[0] = loadF16(b);
        min[0] = loadF16(b + 2);
    }

    static inline void encode(const float* x, uint8_t* b) {
        const Range32 r = rangeOf32(x);
        const float d = (r.high - r.low) / 15.0f;
        const float inverse = inverseOrZero(d);
        storeU16(b, f32ToF16(d));
        storeU16(b + 2, f32ToF16(r.low));
        for (int i = 0; i < 16; ++i)
            b[4 + i] = uint8_t(codeOf((x[i] - r.low) * inverse + 0.5f, 15) |
                               codeOf((x[i + 16] - r.low) * inverse + 0.5f, 15) << 4);
    }
};

} // namespace
} // namespace hearth::kernels::quant
