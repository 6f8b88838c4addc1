#pragma once

#include "kernels/quant/half.h"

// Formats without blocks.
namespace hearth::kernels::quant {
namespace {

struct F32 {
    static constexpr int kBlock = 1, kBytes = 4;

    static inline void decode(const uint8_t* in, float* out) { std::memcpy(out, in, 4); }

    static inline void encode(const float* in, uint8_t* out) { std::memcpy(out, in, 4); }
};

struct F16 {
    static constexpr int kBlock = 1, kBytes = 2;

    static inline void decode(const uint8_t* in, float* out) { *out = loadF16(in); }

    static inline void encode(const float* in, uint8_t* out) { storeU16(out, f32ToF16(*in)); }
};

struct BF16 {
    static constexpr int kBlock = 1, kBytes = 2;

    static inline void decode(const uint8_t* in, float* out) { *out = bf16ToF32(loadU16(in)); }

    static inline void encode(const float* in, uint8_t* out) { storeU16(out, f32ToBf16(*in)); }
};

/// OCP 8-bit floating point, section 5: no infinity, NaN at 0x7F and 0xFF. Its scales lie apart (see BlockScales).
struct F8_E4M3 {
    static constexpr int kBlock = 1, kBytes = 1;

    /// The code's fields in their places of a half, whose exponents begin 8 lower.
    static inline void decode(const uint8_t* in, float* out) {
        const uint32_t size = *in & 0x7fu, nan = size == 0x7f ? 0x4000u : 0u;
        *out = f16ToF32(uint16_t((*in & 0x80u) << 8 | size << 7 | nan)) * 256.0f;
    }
};

} // namespace
} // namespace hearth::kernels::quant
