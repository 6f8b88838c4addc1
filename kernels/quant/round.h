#pragma once

#include "kernels/quant/half.h"

// What the reference quantizers of the 32-number formats share.
namespace hearth::kernels::quant {

/// The number of largest magnitude, with its sign; the first of equals.
static inline float extremeOf32(const float* x) {
    float best = 0, value = 0;
    for (int i = 0; i < 32; ++i) {
        const float magnitude = x[i] < 0 ? -x[i] : x[i];
        if (magnitude > best) {
            best = magnitude;
            value = x[i];
        }
    }
    return value;
}

struct Range32 {
    float low, high;
};

static inline Range32 rangeOf32(const float* x) {
    Range32 r{x[0], x[0]};
    for (int i = 1; i < 32; ++i) {
        r.low = x[i] < r.low ? x[i] : r.low;
        r.high = x[i] > r.high ? x[i] : r.high;
    }
    return r;
}

/// 1/d, or 0 where that cannot be used: d = 0, or so small that 1/d is infinite.
static inline float inverseOrZero(float d) {
    const float inverse = d != 0 ? 1.0f / d : 0.0f;
    return inverse <= 0x1.fffffep+127f && inverse >= -0x1.fffffep+127f ? inverse : 0.0f;
}

/// Cuts towards zero into 0..top; NaN gives 0.
static inline int codeOf(float v, int top) {
    return v > 0 ? (v < float(top) ? int(v) : top) : 0;
}

/// The value of a table that comes nearest to x when multiplied by d; the first of equals, and for NaN.
static inline int nearestOf16(const int8_t* table, float d, float x) {
    int best = 0;
    float least = __builtin_inff();
    for (int i = 0; i < 16; ++i) {
        const float error = __builtin_fabsf(d * float(table[i]) - x);
        if (error < least) {
            least = error;
            best = i;
        }
    }
    return best;
}

/// 256 codes of two bits in 64 bytes: of each half, number 32j + i is bits 2j of byte i.
static inline void packTwoBits(const uint8_t* q, uint8_t* b) {
    for (int i = 0; i < 64; ++i) {
        const uint8_t* from = q + i / 32 * 128 + i % 32;
        b[i] = uint8_t(from[0] | from[32] << 2 | from[64] << 4 | from[96] << 6);
    }
}

/// 0, 1 or 2 for -d, 0 and d, of 256 numbers whose largest magnitude is d, which is returned.
static inline float ternaryCodes(const float* x, uint8_t* q) {
    float d = 0;
    for (int i = 0; i < 256; ++i) {
        const float magnitude = x[i] < 0 ? -x[i] : x[i];
        d = magnitude > d ? magnitude : d;
    }
    const float inverse = inverseOrZero(d);
    for (int i = 0; i < 256; ++i) {
        const float v = x[i] * inverse; // halves are rounded away from zero
        q[i] = uint8_t(v < 0 ? 1 - codeOf(0.5f - v, 1) : 1 + codeOf(v + 0.5f, 1));
    }
    return d;
}

} // namespace hearth::kernels::quant
