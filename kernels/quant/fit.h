#pragma once

#include "kernels/quant/round.h"

// How the encoders find scales: least squares over the codes that a few dozen candidates give, without weights.
namespace hearth::kernels::quant {
namespace {

using Four = float __attribute__((vector_size(16)));

inline Four loadFour(const float* p) {
    Four v;
    std::memcpy(&v, p, 16);
    return v;
}

inline Four splatFour(float f) {
    return Four{f, f, f, f};
}

inline float sumOfFour(Four v) {
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/// To the nearest whole number, halves to even; for magnitudes below 2^22. NaN stays NaN.
inline Four roundFour(Four v) {
    const Four shift = splatFour(0x1.8p23f);
    return (v + shift) - shift;
}

inline Four clampFour(Four v, float low, float high) {
    v = v < splatFour(low) ? splatFour(low) : v;
    return v > splatFour(high) ? splatFour(high) : v;
}

/// Nearest whole number in low..high; NaN gives low.
inline int nearestCode(float v, int low, int high) {
    return v > float(low) ? v < float(high) ? int(__builtin_rintf(v)) : high : low;
}

/// y = scale * q + min with codes 0..top; min is not above 0.
struct AffineFit {
    float scale = 0, min = 0;
    float gain = 0; // by how much the sum of squared errors falls below that of all zeros moved by the lowest number
};

/// What codes give: sums over them and over x - low.
struct AffineSums {
    float n, x;      // known before
    float q, qq, qx; // of the codes
};

inline AffineFit solveAffine(const AffineSums& s, float low) {
    const float determinant = s.n * s.qq - s.q * s.q;
    AffineFit fit;
    if (!(determinant > 0))
        return fit;
    fit.scale = (s.n * s.qx - s.x * s.q) / determinant;
    float min = (s.x - fit.scale * s.q) / s.n; // above low
    if (min > -low) {
        min = -low;
        fit.scale = (s.qx - min * s.q) / s.qq;
    }
    fit.gain = 2 * (fit.scale * s.qx + min * s.x) -
               (fit.scale * fit.scale * s.qq + 2 * fit.scale * min * s.q + s.n * min * min);
    fit.min = low + min;
    return fit;
}

/// The codes that `inverse` and `offset` give to kCount numbers above `low`, and the best line through them.
template <int kCount>
inline AffineFit tryAffine(const Four* above, AffineSums s, float low, float inverse, float offset, int top) {
    Four q{}, qq{}, qx{};
    for (int i = 0; i < kCount / 4; ++i) {
        const Four code = roundFour(clampFour((above[i] - splatFour(offset)) * splatFour(inverse), 0.0f, float(top)));
        q += code;
        qq += code * code;
        qx += code * above[i];
    }
    s.q = sumOfFour(q);
    s.qq = sumOfFour(qq);
    s.qx = sumOfFour(qx);
    return solveAffine(s, low);
}

template <int kCount>
inline AffineFit fitAffine(const float* x, int top) {
    float low = 0, high = x[0]; // the format's min is not above 0
    for (int i = 0; i < kCount; ++i) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    AffineFit best{.scale = 0, .min = low};
    if (!(high > low))
        return best;
    Four above[kCount / 4], sum{};
    for (int i = 0; i < kCount / 4; ++i) {
        above[i] = loadFour(x + 4 * i) - splatFour(low);
        sum += above[i];
    }
    const AffineSums sums{.n = kCount, .x = sumOfFour(sum)};
    const auto take = [&](float inverse, float offset) {
        const AffineFit fit = tryAffine<kCount>(above, sums, low, inverse, offset, top);
        const bool better = fit.gain > best.gain;
        if (better)
            best = fit;
        return better;
    };
    constexpr int kSteps = 10;
    for (int step = -kSteps; step <= kSteps; ++step)
        take((float(top) + 0.1f * float(step)) / (high - low), 0.0f);
    for (int again = 0; again < 4 && best.scale > 0; ++again)
        if (!take(1.0f / best.scale, best.min - low))
            break;
    return best;
}

/// A block of 256 numbers as y = d * scale * q - dmin * min, with one scale and min for each kGroup numbers.
template <int kGroup>
struct AffineBlock {
    uint16_t d, dmin; // f16
    uint8_t scale[256 / kGroup], min[256 / kGroup];
    uint8_t q[256];
};

/// The stored unit of numbers whose largest becomes `top`.
inline uint16_t unitOf(float largest, int top) {
    return f32ToF16(largest / float(top));
}

/// Codes 0..top, scales and mins 0..scaleTop.
template <int kGroup>
inline void encodeAffine(const float* x, int top, int scaleTop, AffineBlock<kGroup>& block) {
    constexpr int kGroups = 256 / kGroup;
    AffineFit fits[kGroups];
    float scale = 0, min = 0;
    for (int g = 0; g < kGroups; ++g) {
        fits[g] = fitAffine<kGroup>(x + g * kGroup, top);
        scale = fits[g].scale > scale ? fits[g].scale : scale;
        min = -fits[g].min > min ? -fits[g].min : min;
    }
    block.d = unitOf(scale, scaleTop);
    block.dmin = unitOf(min, scaleTop);
    const float d = f16ToF32(block.d), dmin = f16ToF32(block.dmin);
    const float perScale = inverseOrZero(d), perMin = inverseOrZero(dmin);
    for (int g = 0; g < kGroups; ++g) {
        block.scale[g] = uint8_t(nearestCode(fits[g].scale * perScale, 0, scaleTop));
        block.min[g] = uint8_t(nearestCode(-fits[g].min * perMin, 0, scaleTop));
        const float inverse = inverseOrZero(d * float(block.scale[g])), up = dmin * float(block.min[g]);
        for (int i = g * kGroup; i < (g + 1) * kGroup; ++i)
            block.q[i] = uint8_t(nearestCode((x[i] + up) * inverse, 0, top));
    }
}

/// y = scale * q with codes low..high around 0.
struct ScaleFit {
    float scale = 0;
    float gain = 0; // by how much the sum of squared errors falls below that of zeros
};

template <int kCount>
inline ScaleFit tryScale(const Four* x, float inverse, int low, int high) {
    Four qq{}, qx{};
    for (int i = 0; i < kCount / 4; ++i) {
        const Four code = roundFour(clampFour(x[i] * splatFour(inverse), float(low), float(high)));
        qq += code * code;
        qx += code * x[i];
    }
    const float sum = sumOfFour(qx), squares = sumOfFour(qq);
    return squares > 0 ? ScaleFit{sum / squares, sum * sum / squares} : ScaleFit{};
}

/// Scales of either sign: the number of largest magnitude takes about the lowest code or the highest.
template <int kCount>
inline float fitScale(const float* x, int low, int high) {
    float extreme = 0;
    for (int i = 0; i < kCount; ++i)
        extreme = __builtin_fabsf(x[i]) > __builtin_fabsf(extreme) ? x[i] : extreme;
    const float perExtreme = inverseOrZero(extreme);
    Four v[kCount / 4];
    for (int i = 0; i < kCount / 4; ++i)
        v[i] = loadFour(x + 4 * i);
    ScaleFit best;
    const auto take = [&](float inverse) {
        const ScaleFit fit = tryScale<kCount>(v, inverse, low, high);
        const bool better = fit.gain > best.gain;
        if (better)
            best = fit;
        return better;
    };
    constexpr int kSteps = 10;
    for (int step = -kSteps; step <= kSteps; ++step) {
        take((float(low) + 0.1f * float(step)) * perExtreme);
        take((float(high) + 0.1f * float(step)) * perExtreme);
    }
    for (int again = 0; again < 4 && best.scale != 0; ++again)
        if (!take(inverseOrZero(best.scale)))
            break;
    return best.scale;
}

/// A block of 256 numbers as y = d * scale * q, with one scale for each kGroup numbers.
template <int kGroup>
struct ScaledBlock {
    uint16_t d; // f16
    int8_t scale[256 / kGroup];
    int8_t q[256];
};

/// Codes low..high, scales scaleLow..-scaleLow-1: the scale of largest magnitude takes the lowest code.
template <int kGroup>
inline void encodeScaled(const float* x, int low, int high, int scaleLow, ScaledBlock<kGroup>& block) {
    constexpr int kGroups = 256 / kGroup;
    float scales[kGroups], extreme = 0;
    for (int g = 0; g < kGroups; ++g) {
        scales[g] = fitScale<kGroup>(x + g * kGroup, low, high);
        extreme = __builtin_fabsf(scales[g]) > __builtin_fabsf(extreme) ? scales[g] : extreme;
    }
    block.d = unitOf(extreme, scaleLow);
    const float d = f16ToF32(block.d), perScale = inverseOrZero(d);
    for (int g = 0; g < kGroups; ++g) {
        block.scale[g] = int8_t(nearestCode(scales[g] * perScale, scaleLow, -scaleLow - 1));
        const float inverse = inverseOrZero(d * float(block.scale[g]));
        for (int i = g * kGroup; i < (g + 1) * kGroup; ++i)
            block.q[i] = int8_t(nearestCode(x[i] * inverse, low, high));
    }
}

} // namespace
} // namespace hearth::kernels::quant
