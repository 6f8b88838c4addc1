// AVX2 with FMA and F16C (Haswell, Zen and later). Compiled with those flags: nothing with inline library code may be
// included here.

#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/float_kernels.h"

#include "kernels/cpu/int8_256.h"

#include "kernels/cpu/code_attention.h"

namespace hearth::kernels::cpu {
namespace {

/// Bytes to sums through pairs of 16 bits. kTop, the largest code, says how many pairs fit into 16 bits; negative:
/// the codes are signed, and their signs move to the activations.
struct PairDots {
    template <int kTop>
    static inline __m256i pairs(__m256i w, __m256i x) {
        if constexpr (kTop < 0)
            return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
        else
            return _mm256_maddubs_epi16(w, x);
    }

    static inline __m256i widen(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

    template <int kTop>
    static inline __m256i dot32(__m256i w, __m256i x) {
        return widen(pairs<kTop>(w, x));
    }

    /// kSteps x 4 inputs of kS times 8 outputs with kR rows.
    template <int kTop, int kSteps, int kR, int kS>
    static inline void dotPanel(const uint8_t* const (&w)[kS], const int8_t* const (&x)[kR], __m256i (&dots)[kS][kR]) {
        constexpr int kMagnitude = kTop < 0 ? -kTop : kTop;
        constexpr int kFit = 32767 / (2 * 127 * kMagnitude) < kSteps ? 32767 / (2 * 127 * kMagnitude) : kSteps;
        static_assert(kFit >= 1);
        for (int s = 0; s < kS; ++s)
            for (int r = 0; r < kR; ++r)
                dots[s][r] = _mm256_setzero_si256();
        for (int first = 0; first < kSteps; first += kFit) {
            __m256i narrow[kS][kR];
            const auto eachPair = [&](int k, auto take) {
                for (int r = 0; r < kR; ++r) {
                    const __m256i four = splat4(x[r] + 4 * k);
                    for (int s = 0; s < kS; ++s)
                        take(narrow[s][r], pairs<kTop>(load256(w[s] + 32 * k), four));
                }
            };
            eachPair(first, [](__m256i& sums, __m256i p) { sums = p; });
            for (int k = first + 1; k < first + kFit && k < kSteps; ++k)
                eachPair(k, [](__m256i& sums, __m256i p) { sums = _mm256_add_epi16(sums, p); });
            for (int s = 0; s < kS; ++s)
                for (int r = 0; r < kR; ++r)
                    dots[s][r] = _mm256_add_epi32(dots[s][r], widen(narrow[s][r]));
        }
    }
};

/// Four keys at once, block by block: pairs of 16 bits, then floats.
struct KeyScores : PlainWeights {
    static inline void prepare(CodeScratch&, int) {}

    template <typename Format, int kH>
    static inline void run(const Attend& a, const CodeQueries& q) {
        for (int t = 0; t < a.tokens; t += 4) {
            const int live = lesser(4, a.tokens - t);
            fourKeys<Format, kH>(a, q, t, live);
        }
    }

    template <typename Format, int kH>
    static inline void fourKeys(const Attend& a, const CodeQueries& q, int t, int live) {
        const std::byte* k = a.k + uint64_t(t) * a.kStride;
        Vec sums[kH][4];
        for (int h = 0; h < kH; ++h)
            for (int j = 0; j < 4; ++j)
                sums[h][j] = zero();
        const uint64_t part = uint64_t(live) * a.vStride * kCodes / uint64_t(a.kDim); // of the values, which come next
        for (int b = 0; b * kCodes < a.kDim; ++b) {
            prefetch(a.v + uint64_t(t) * a.vStride + uint64_t(b) * part, part);
            for (int j = 0; j < 4; ++j) {
                const int at = j < live ? j : 0;
                const Wide key = widen(codesOf<Format>(k + uint64_t(at) * a.kStride + b * Format::kBytes));
                const Vec scale = splatF16(q.s.scales[b] + t + at);
                for (int h = 0; h < kH; ++h) {
                    const auto* query = reinterpret_cast<const uint8_t*>(q.s.query + q.at(h, b) * kCodes);
                    const __m256i dots = _mm256_add_epi32(_mm256_madd_epi16(key.v[0], load256(query)),
                                                          _mm256_madd_epi16(key.v[1], load256(query + 32)));
                    sums[h][j] = fma(_mm256_cvtepi32_ps(dots), scale, sums[h][j]);
                }
            }
        }
        __m128 dots[kH];
        sumLanesOf(sums, dots);
        for (int h = 0; h < kH; ++h) {
            float some[4], *to = a.scores + h * a.tokens + t;
            _mm_storeu_ps(some, _mm_mul_ps(dots[h], _mm_set1_ps(q.scale(h))));
            for (int j = 0; j < live; ++j)
                to[j] = some[j];
        }
    }
};

} // namespace

CpuKernels avx2Kernels() {
    CpuKernels k = referenceKernels();
    overrideFloatKernels(k);
    overrideAllCodes<PairDots>(k);
    overrideCaches<KeyScores>(k);
    return k;
}

} // namespace hearth::kernels::cpu
