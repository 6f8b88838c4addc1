#pragma once

#include "kernels/quant/fit.h"
#include "kernels/quant/signed_codes.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 110 bytes: 32 bytes whose bit j is the third bit of number 32j + i (set: 0, clear: -4); 64 bytes of
/// 2-bit codes as in Q2_K; 12 bytes of 6-bit scales, one for each 16 numbers, 32 more than they mean; f16 d.
/// y = d * scale * q.
struct Q3_K {
    static constexpr int kBlock = 256, kBytes = 110, kGroup = 16, kOffset = 4;

    /// Low nibbles of scale g and g + 8 in byte g % 8, upper two bits of scale g in bits 2 * (g / 4) of byte 8 + g % 4.
    static inline void unpackScales(const uint8_t* s, int8_t* scale) {
        for (int g = 0; g < 16; ++g)
            scale[g] = int8_t((((s[g % 8] >> (g / 8 * 4)) & 15) | ((s[8 + g % 4] >> (g / 4 * 2)) & 3) << 4) - 32);
    }

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        int8_t sc[16];
        unpackScales(b + 96, sc);
        const float d = loadF16(b + 108);
        for (int g = 0; g < 16; ++g)
            scale[g] = d * float(sc[g]);
        for (int i = 0; i < 256; ++i) {
            const int low = (b[32 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2)) & 3;
            q[i] = int8_t(low + ((b[i % 32] >> (i / 32)) & 1) * 4 - 4);
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<Q3_K>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<Q3_K>(b, y); }

    static inline void encode(const float* x, uint8_t* b) {
        ScaledBlock<16> block;
        encodeScaled(x, -4, 3, -32, block);
        uint8_t low[256];
        std::memset(b, 0, kBytes);
        for (int i = 0; i < 256; ++i) {
            const int code = block.q[i] + 4;
            low[i] = code & 3;
            b[i % 32] |= uint8_t((code >> 2) << (i / 32));
        }
        packTwoBits(low, b + 32);
        for (int g = 0; g < 16; ++g) {
            const int scale = block.scale[g] + 32;
            b[96 + g % 8] |= uint8_t((scale & 15) << (g / 8 * 4));
            b[104 + g % 4] |= uint8_t((scale >> 4) << (g / 4 * 2));
        }
        storeU16(b + 108, block.d);
    }
};

} // namespace
} // namespace hearth::kernels::quant
