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

} // namespace hearth::kernels::quant
