#pragma once

// Vectors of bf16, with AVX512_BF16. Included after float_kernels.h. Internal linkage on purpose.

namespace hearth::kernels::cpu {
namespace {

/// 16 numbers of a row of n from number i on, zeros behind the last.
template <Type kType>
inline Vec floatsFrom(const void* row, int64_t i, int64_t n) {
    const std::byte* at = static_cast<const std::byte*>(row) + i * kBytesOf<kType>;
    return n - i >= kLanes ? loadAs<kType>(at) : n > i ? loadPartAs<kType>(at, int(n - i)) : zero();
}

/// bf16 of 16 numbers, then of 16 more, to nearest even; what is below the normal numbers becomes zero.
inline __m512i rounded(Vec first, Vec second) {
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
}

/// What rounding has taken from the numbers; 0 of those that became infinite.
inline void takeAway(__m512i high, Vec& first, Vec& second) {
    first = sub(first, widenBf16(_mm512_castsi512_si256(high)));
    second = sub(second, widenBf16(_mm512_extracti64x4_epi64(high, 1)));
    first = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(absolute(first), splat(0x1p127f), _CMP_LT_OQ), first);
    second = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(absolute(second), splat(0x1p127f), _CMP_LT_OQ), second);
}

/// 32 words: those of 16 outputs' first inputs, then of their second ones. Puts each output's two side by side.
inline __m512i pairs(__m512i words) {
    const __m512i each = _mm512_set1_epi32(0x00100000); // lane n: words n and 16 + n
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i order = _mm512_add_epi32(each, _mm512_or_si512(lanes, _mm512_slli_epi32(lanes, 16)));
    return _mm512_permutexvar_epi16(order, words);
}

/// See CpuKernels::roundFloats.
void roundFloats(const float* x, int64_t n, const RoundedRow& to) {
    std::byte *out = to.out, *low = to.low;
    for (int64_t i = 0; i < n; i += kTileInputs, out += to.step) {
        Vec first = floatsFrom<Type::F32>(x, i, n), second = floatsFrom<Type::F32>(x, i + kLanes, n);
        const __m512i high = rounded(first, second);
        _mm512_storeu_si512(out, high);
        if (!low)
            continue;
        takeAway(high, first, second);
        _mm512_storeu_si512(low, rounded(first, second));
        low += to.step;
    }
}

} // namespace
} // namespace hearth::kernels::cpu
