#pragma once

#include "kernels/quant/fit.h"
#include "kernels/quant/half.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 210 bytes: 128 bytes of low nibbles; 64 bytes of upper two bits; 16 signed scales, one for each 16
/// numbers; f16 d. Of each half (128 numbers), 64 bytes of nibbles and 32 of upper bits: numbers 0..63 are low
/// nibbles, 64..127 high ones; the upper bits of number 32j + i are bits 2j of byte i. y = d * scale * (q - 32).
struct Q6_K {
    static constexpr int kBlock = 256, kBytes = 210, kGroup = 16, kOffset = 32;

    static inline void unpack(const uint8_t* b, uint8_t* q) {
        for (int half = 0; half < 2; ++half)
            for (int j = 0; j < 4; ++j)
                for (int i = 0; i < 32; ++i) {
                    const int low = (b[half * 64 + j % 2 * 32 + i] >> (j / 2 * 4)) & 15;
                    const int high = (b[128 + half * 32 + i] >> (2 * j)) & 3;
                    q[half * 128 + j * 32 + i] = uint8_t(low | high << 4);
                }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        unpack(b, q);
        const float d = loadF16(b + 208);
        for (int g = 0; g < 16; ++g) {
            scale[g] = d * float(int8_t(b[192 + g]));
            min[g] = -float(kOffset) * scale[g];
        }
    }

    static inline void decode(const uint8_t* b, float* y) {
        uint8_t q[256];
        unpack(b, q);
        const float d = loadF16(b + 208);
        for (int i = 0; i < 256; ++i)
            y[i] = d * float(int8_t(b[192 + i / 16])) * float(int(q[i]) - 32);
    }

    static inline void encode(const float* x, uint8_t* b) {
        ScaledBlock<16> block;
        encodeScaled(x, -32, 31, -128, block);
        for (int half = 0; half < 2; ++half)
            for (int i = 0; i < 64; ++i) {
                const auto code = [&](int at) { return block.q[half * 128 + at] + 32; };
                b[half * 64 + i] = uint8_t((code(i) & 15) | (code(64 + i) & 15) << 4);
                if (i < 32)
                    b[128 + half * 32 + i] = uint8_t(code(i) >> 4 | (code(32 + i) >> 4) << 2 |
                                                     (code(64 + i) >> 4) << 4 | (code(96 + i) >> 4) << 6);
            }
        std::memcpy(b + 192, block.scale, 16);
        storeU16(b + 208, block.d);
    }
};

} // namespace
} // namespace hearth::kernels::quant
