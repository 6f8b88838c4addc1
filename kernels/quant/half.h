#pragma once

#include <cstdint>
#include <cstring>

// Internal linkage on purpose, here and in every header of this folder: files built for one instruction set include
// them, and no such code may be picked by the linker for the others.
namespace hearth::kernels::quant {

static inline uint32_t bitsOf(float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    return u;
}

static inline float floatOf(uint32_t u) {
    float f;
    std::memcpy(&f, &u, 4);
    return f;
}

/// IEEE 754 half to single; exact.
static inline float f16ToF32(uint16_t h) {
    const uint32_t sign = uint32_t(h & 0x8000u) << 16;
    const uint32_t exponent = (h >> 10) & 31u;
    const uint32_t mantissa = h & 0x3ffu;
    if (exponent == 31)
        return floatOf(sign | 0x7f800000u | (mantissa << 13));
    if (exponent != 0)
        return floatOf(sign | ((exponent + 112) << 23) | (mantissa << 13));
    return floatOf(sign | bitsOf(float(mantissa) * 0x1p-24f));
}

/// Single to half, to nearest even; too large becomes infinite, NaN stays NaN.
static inline uint16_t f32ToF16(float f) {
    const uint32_t sign = (bitsOf(f) >> 16) & 0x8000u;
    uint32_t x = bitsOf(f) & 0x7fffffffu;
    if (x >= 0x47800000u) // 65536 and more
        return uint16_t(sign | (x > 0x7f800000u ? 0x7e00u : 0x7c00u));
    if (x < 0x38800000u) // below 2^-14: one unit of 0.5's last place is one unit of a half's subnormals
        return uint16_t(sign | (bitsOf(floatOf(x) + 0.5f) - 0x3f000000u));
    x += 0xc8000fffu + ((x >> 13) & 1u);
    return uint16_t(sign | (x >> 13));
}

static inline float bf16ToF32(uint16_t h) {
    return floatOf(uint32_t(h) << 16);
}

/// Single to bfloat16, to nearest even; NaN stays NaN.
static inline uint16_t f32ToBf16(float f) {
    const uint32_t x = bitsOf(f);
    if ((x & 0x7fffffffu) > 0x7f800000u)
        return uint16_t((x >> 16) | 0x40u);
    return uint16_t((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
}

static inline uint16_t loadU16(const uint8_t* p) {
    uint16_t v;
    std::memcpy(&v, p, 2);
    return v;
}

static inline void storeU16(uint8_t* p, uint16_t v) {
    std::memcpy(p, &v, 2);
}

static inline float loadF16(const uint8_t* p) {
    return f16ToF32(loadU16(p));
}

} // namespace hearth::kernels::quant
