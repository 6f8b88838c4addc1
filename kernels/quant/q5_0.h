#pragma once

#include "kernels/quant/round.h"

namespace hearth::kernels::quant {
namespace {

/// 32 numbers in 22 bytes: f16 d; 32 fifth bits; 16 bytes of nibbles (low: 0..15, high: 16..31). y = d * (q - 16).
struct Q5_0 {
    static constexpr int kBlock = 32, kBytes = 22, kGroup = 32, kOffset = 16;

    static inline void unpack(const uint8_t* b, uint8_t* q) {
        uint32_t high;
        std::memcpy(&high, b + 2, 4);
        for (int i = 0; i < 16; ++i) {
            q[i] = uint8_t((b[6 + i] & 15) | ((high >> i) & 1) << 4);
            q[i + 16] = uint8_t((b[6 + i] >> 4) | ((high >> (i + 16)) & 1) << 4);
        }
    }

    static inline void decode(const uint8_t* b, float* y) {
        const float d = loadF16(b);
        uint8_t q[32];
        unpack(b, q);
        for (int i = 0; i < 32; ++i)
            y[i] = float(int(q[i]) - 16) * d;
    }

    /// The same as y = scale * q + min with unsigned codes, for the integer products.
    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        unpack(b, q);
        scale[0] = loadF16(b);
        min[0] = -float(kOffset) * scale[0];
    }

    static inline void encode(const float* x, uint8_t* b) {
        const float d = extremeOf32(x) / -16.0f;
        const float inverse = inverseOrZero(d);
        storeU16(b, f32ToF16(d));
        uint32_t high = 0;
        for (int i = 0; i < 16; ++i) {
            const int low = codeOf(x[i] * inverse + 16.5f, 31), up = codeOf(x[i + 16] * inverse + 16.5f, 31);
            b[6 + i] = uint8_t((low & 15) | (up & 15) << 4);
            high |= uint32_t(low >> 4) << i | uint32_t(up >> 4) << (i + 16);
        }
        std::memcpy(b + 2, &high, 4);
    }
};

} // namespace
} // namespace hearth::kernels::quant
