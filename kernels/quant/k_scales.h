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
