#pragma once

#include "kernels/quant/half.h"

// Formats of the form y = scale * q with signed codes: they give `signedCodes`, the rest follows.
namespace hearth::kernels::quant {

template <typename Format>
static inline void decodeSigned(const uint8_t* b, float* y) {
    int8_t q[Format::kBlock];
    float scale[Format::kBlock / Format::kGroup];
    Format::signedCodes(b, q, scale);
    for (int i = 0; i < Format::kBlock; ++i)
        y[i] = scale[i / Format::kGroup] * float(q[i]);
}

/// The same as y = scale * q + min with unsigned codes, for the integer products.
template <typename Format>
static inline void offsetCodes(const uint8_t* b, uint8_t* q, float* scale, float* min) {
    int8_t s[Format::kBlock];
    Format::signedCodes(b, s, scale);
    for (int i = 0; i < Format::kBlock; ++i)
        q[i] = uint8_t(s[i] + Format::kOffset);
    for (int g = 0; g < Format::kBlock / Format::kGroup; ++g)
        min[g] = float(-Format::kOffset) * scale[g];
}

} // namespace hearth::kernels::quant
