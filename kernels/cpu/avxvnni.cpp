// AVX-VNNI (Alder Lake and later processors without AVX-512): AVX2's table with the products of bytes, and those of
// latents' words, in one step.
// Compiled with those flags: nothing with inline library code may be included here.

#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/float_kernels.h"

#include "kernels/cpu/int8_256.h"

#include "kernels/cpu/latent_attention.h"

namespace hearth::kernels::cpu {
namespace {

// The same instruction in AVX-512's encoding, so that the tests can run this file on processors that have only that.
#if defined(HEARTH_TEST_EVEX_VNNI)
inline __m256i dotBytes(__m256i sums, __m256i w, __m256i x) {
    return _mm256_dpbusd_epi32(sums, w, x);
}
#else
inline __m256i dotBytes(__m256i sums, __m256i w, __m256i x) {
    return _mm256_dpbusd_avx_epi32(sums, w, x);
}
#endif

/// Signed codes (kTop < 0): their signs move to the activations.
struct VnniDots {
    template <int kTop>
    static inline __m256i step(__m256i sums, __m256i w, __m256i x) {
        if constexpr (kTop < 0)
            return dotBytes(sums, _mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
        else
            return dotBytes(sums, w, x);
    }

    template <int kTop, int kCount>
    static inline __m256i dotQuarters(const __m256i* w, const int8_t* x) {
        __m256i sum = _mm256_setzero_si256();
        for (int e = 0; e < kCount; ++e)
            sum = step<kTop>(sum, w[2 * e], loadCodes(x + 64 * e));
        return sum;
    }

    template <int kTop, int kSteps>
    static constexpr int kRows = 3;

    template <int kTop, int kSteps, int kR, int kS>
    static inline void dotPanel(const uint8_t* const (&w)[kS], const int8_t* const (&x)[kR], __m256i (&dots)[kS][kR]) {
        for (int s = 0; s < kS; ++s)
            for (int r = 0; r < kR; ++r)
                dots[s][r] = _mm256_setzero_si256();
        for (int k = 0; k < kSteps; ++k)
            for (int r = 0; r < kR; ++r) {
                const __m256i four = splat4(x[r] + inQuarters(4 * k));
                for (int s = 0; s < kS; ++s)
                    dots[s][r] = step<kTop>(dots[s][r], load256(w[s] + 32 * k), four);
            }
    }
};

} // namespace

#if defined(HEARTH_TEST_EVEX_VNNI)
CpuKernels avxVnniKernelsForTests() {
#else
CpuKernels avxVnniKernels() {
#endif
    CpuKernels k = avx2Kernels();
    overrideAllCodes<VnniDots>(k);
    overrideFloatCaches<PlainScores, weighEveryHead>(k);
    return k;
}

} // namespace hearth::kernels::cpu
