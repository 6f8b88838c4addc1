#pragma once

#include "kernels/quant/iq_grids.h"
#include "kernels/quant/signed_codes.h"

// What the IQ2 and IQ3 formats share.
namespace hearth::kernels::quant {

static inline uint32_t loadU32(const uint8_t* p) {
    uint32_t v;
    std::memcpy(&v, p, 4);
    return v;
}

/// Seven signs and an eighth that makes their number even.
static inline int evenSigns(uint32_t seven) {
    return int((seven & 127) | uint32_t(__builtin_parity(seven & 127)) << 7);
}

/// The eight coordinates of a point, negative where a bit of `signs` is set.
static inline void signedPoint(uint64_t point, int signs, int8_t* q) {
    for (int i = 0; i < 8; ++i) {
        const int magnitude = int(point >> (8 * i) & 255);
        q[i] = int8_t((signs >> i) & 1 ? -magnitude : magnitude);
    }
}

static inline uint64_t joined(uint32_t low, uint32_t high) {
    return uint64_t(high) << 32 | low;
}

} // namespace hearth::kernels::quant
