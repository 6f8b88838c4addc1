#pragma once

#include "kernels/quant/signed_codes.h"

namespace hearth::kernels::quant {

/// What the nibbles of IQ4_NL and IQ4_XS stand for.
static constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// 16 bytes of nibbles (low: 0..15, high: 16..31) through a table of 16 values.
static inline void tableCodes(const uint8_t* nibbles, const int8_t* table, int8_t* q) {
    for (int i = 0; i < 16; ++i) {
        q[i] = table[nibbles[i] & 15];
        q[i + 16] = table[nibbles[i] >> 4];
    }
}

/// 32 numbers in 18 bytes: f16 d; 16 bytes of nibbles (low: 0..15, high: 16..31). y = d * kIq4Values[q].
struct IQ4_NL {
    static constexpr int kBlock = 32, kBytes = 18, kGroup = 32, kOffset = 128;

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        tableCodes(b + 2, kIq4Values, q);
        scale[0] = loadF16(b);
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<IQ4_NL>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<IQ4_NL>(b, y); }
};

} // namespace hearth::kernels::quant
