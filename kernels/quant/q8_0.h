#pragma once

#include "kernels/quant/round.h"

namespace hearth::kernels::quant {
namespace {

/// 32 numbers in 34 bytes: f16 d; 32 signed bytes. y = d * q.
struct Q8_0 {
    static constexpr int kBlock = 32, kBytes = 34, kGroup = 32, kOffset = 128;

    static inline void decode(const uint8_t* b, float* y) {
        const float d = loadF16(b);
        for (int i = 0; i < 32; ++i)
            y[i] = float(int8_t(b[2 + i])) * d;
    }

    /// The same as y = scale * q + min with unsigned codes, for the integer products.
    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        for (int i = 0; i < 32; ++i)
            q[i] = b[2 + i] ^ 0x80;
        scale[0] = loadF16(b);
        min[0] = -float(kOffset) * scale[0];
    }

    static inline void encode(const float* x, uint8_t* b) {
        const float extreme = extremeOf32(x);
        const float d = (extreme < 0 ? -extreme : extreme) / 127.0f;
        const float inverse = inverseOrZero(d);
        storeU16(b, f32ToF16(d));
        for (int i = 0; i < 32; ++i) {
            const float v = x[i] * inverse; // halves are rounded away from zero
            b[2 + i] = uint8_t(int8_t(v < 0 ? -codeOf(0.5f - v, 128) : codeOf(v + 0.5f, 127)));
        }
    }
};

} // namespace
} // namespace hearth::kernels::quant
