#pragma once

#include "kernels/quant/half.h"

namespace hearth::kernels::quant {

/// Q4_K and Q5_K keep eight pairs of 6-bit numbers (scale, min) in 12 bytes: bytes 0..3 scales 0..3, bytes 4..7 mins
/// 0..3, their upper two bits and the nibbles of bytes 8..11 the pairs 4..7.
static inline void unpackKScales(const uint8_t* s, uint8_t* scale, uint8_t* min) {
    for (int i = 0; i < 4; ++i) {
        scale[i] = s[i] & 63;
        min[i] = s[i + 4] & 63;
        scale[i + 4] = uint8_t((s[i + 8] & 15) | (s[i] >> 6) << 4);
        min[i + 4] = uint8_t((s[i + 8] >> 4) | (s[i + 4] >> 6) << 4);
    }
}

static inline void packKScales(const uint8_t* scale, const uint8_t* min, uint8_t* s) {
    for (int i = 0; i < 4; ++i) {
        s[i] = uint8_t(scale[i] | (scale[i + 4] >> 4) << 6);
        s[i + 4] = uint8_t(min[i] | (min[i + 4] >> 4) << 6);
        s[i + 8] = uint8_t((scale[i + 4] & 15) | (min[i + 4] & 15) << 4);
    }
}

/// The lower nibbles of 256 codes: of each 32 bytes the low nibbles are one group of 32, the high ones the next.
static inline void packNibblePairs(const uint8_t* q, uint8_t* b) {
    for (int i = 0; i < 128; ++i) {
        const uint8_t* from = q + i / 32 * 64 + i % 32;
        b[i] = uint8_t((from[0] & 15) | (from[32] & 15) << 4);
    }
}

/// Scales and (negative) mins of the eight groups of a block that starts with f16 d, f16 dmin and these 12 bytes.
static inline void floatKScales(const uint8_t* b, float* scale, float* min) {
    const float d = loadF16(b), dmin = loadF16(b + 2);
    uint8_t sc[8], m[8];
    unpackKScales(b + 4, sc, m);
    for (int i = 0; i < 8; ++i) {
        scale[i] = d * float(sc[i]);
        min[i] = -(dmin * float(m[i]));
    }
}

} // namespace hearth::kernels::quant
