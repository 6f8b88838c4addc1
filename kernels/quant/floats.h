#pragma once

#include "kernels/quant/half.h"

// F32, F16 and BF16: formats without blocks.
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

} // namespace
} // namespace hearth::kernels::quant
