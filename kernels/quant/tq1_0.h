#pragma once

#include "kernels/quant/round.h"
#include "kernels/quant/signed_codes.h"

namespace hearth::kernels::quant {
namespace {

/// 256 numbers in 54 bytes: 48 bytes of five ternary digits and 4 of four, as fractions of 256; f16 d.
/// Bytes 0..31 hold numbers 0..159 (digit n of byte i is number 32n + i), bytes 32..47 the next 80 (16n + i), bytes
/// 48..51 the last 16 (4n + i). y = d * (q - 1).
struct TQ1_0 {
    static constexpr int kBlock = 256, kBytes = 54, kGroup = 32, kOffset = 1;

    struct Part {
        int bytes, digits;
    };

    static constexpr Part kParts[] = {{32, 5}, {16, 5}, {4, 4}};

    static inline void signedCodes(const uint8_t* b, int8_t* q, float* scale) {
        for (int g = 0; g < 8; ++g)
            scale[g] = loadF16(b + 52);
        for (const Part& part : kParts) {
            uint8_t power = 1;
            for (int n = 0; n < part.digits; ++n, power = uint8_t(power * 3))
                for (int i = 0; i < part.bytes; ++i)
                    *q++ = int8_t((uint8_t(b[i] * power) * 3 >> 8) - 1);
            b += part.bytes;
        }
    }

    static inline void codes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
        offsetCodes<TQ1_0>(b, q, scale, min);
    }

    static inline void decode(const uint8_t* b, float* y) { decodeSigned<TQ1_0>(b, y); }

    static inline void encode(const float* x, uint8_t* b) {
        uint8_t codes[256];
        storeU16(b + 52, f32ToF16(ternaryCodes(x, codes)));
        const uint8_t* q = codes;
        for (const Part& part : kParts) {
            for (int i = 0; i < part.bytes; ++i) {
                int value = 0;
                for (int n = 0; n < 5; ++n)
                    value = value * 3 + (n < part.digits ? q[n * part.bytes + i] : 0);
                *b++ = uint8_t((value * 256 + 242) / 243); // rounded up: the digits come back by multiplying
            }
            q += part.bytes * part.digits;
        }
    }
};

} // namespace
} // namespace hearth::kernels::quant
