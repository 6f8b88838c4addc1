#pragma once

#include "kernels/quant/fit.h"
#include "kernels/quant/signed_codes.h"

namespace hearth::kernels::quant {
namespace {

/// What the nibbles of IQ4_NL and IQ4_XS stand for.
static constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// The nearest of kIq4Values to whole halves from -128 on: where one ends and the next begins is a whole half too.
struct NearestIq4 {
    uint8_t code[512];
};

constexpr NearestIq4 makeNearestIq4() {
    NearestIq4 nearest = {};
    for (int i = 0; i < 512; ++i)
        for (int q = 1; q < 16; ++q)
            nearest.code[i] = uint8_t(nearest.code[i] + (i - 256 >= kIq4Values[q - 1] + kIq4Values[q]));
    return nearest;
}

constexpr NearestIq4 kNearestIq4 = makeNearestIq4();

/// The nearest of kIq4Values; NaN gives the lowest.
inline int nearestIq4(float v) {
    return kNearestIq4.code[codeOf((v + 128.0f) * 2.0f, 511)];
}

/// The best scale of 32 numbers as y = scale * value: the one of largest magnitude takes about the lowest value or the
/// highest.
inline float fitIq4(const float* x) {
    float extreme = 0;
    for (int i = 0; i < 32; ++i)
        extreme = __builtin_fabsf(x[i]) > __builtin_fabsf(extreme) ? x[i] : extreme;
    const float perExtreme = inverseOrZero(extreme);
    ScaleFit best;
    const auto take = [&](float inverse) {
        float squares = 0, sum = 0;
        for (int i = 0; i < 32; ++i) {
            const auto value = float(kIq4Values[nearestIq4(x[i] * inverse)]);
            squares += value * value;
            sum += value * x[i];
        }
        const bool better = squares > 0 && sum * sum / squares > best.gain;
        if (better)
            best = {sum / squares, sum * sum / squares};
        return better;
    };
    constexpr int kSteps = 5;
    for (int step = -kSteps; step <= kSteps; ++step) {
        take((-127.0f + 4.0f * float(step)) * perExtreme);
        take((113.0f + 4.0f * float(step)) * perExtreme);
    }
    for (int again = 0; again < 4 && best.scale != 0; ++again)
        if (!take(inverseOrZero(best.scale)))
            break;
    return best.scale;
}

inline void packIq4(const float* x, float inverse, uint8_t* nibbles) {
    for (int i = 0; i < 16; ++i)
        nibbles[i] = uint8_t(nearestIq4(x[i] * inverse) | nearestIq4(x[i + 16] * inverse) << 4);
}

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

    static inline void encode(const float* x, uint8_t* b) {
        storeU16(b, f32ToF16(fitIq4(x)));
        packIq4(x, inverseOrZero(loadF16(b)), b + 2);
    }
};

} // namespace
} // namespace hearth::kernels::quant
