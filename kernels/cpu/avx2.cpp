// AVX2 with FMA and F16C (Haswell, Zen and later). Compiled with those flags: nothing with inline library code may be
// included here.

#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/float_kernels.h"

#include "kernels/cpu/int8_256.h"

#include "kernels/cpu/code_attention.h"

#include "kernels/cpu/latent_attention.h"

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

    /// kCount vectors of codes in quarters, every other one from w[0] on, with activations 64 bytes apart.
    template <int kTop, int kCount>
    static inline __m256i dotQuarters(const __m256i* w, const int8_t* x) {
        constexpr int kFits = kFit<kTop, kCount>;
        __m256i narrow, sum;
        eachOf<0, kCount>([&]<int e>() __attribute__((always_inline)) {
            const __m256i products = pairs<kTop>(w[2 * e], loadCodes(x + 64 * e));
            narrow = e % kFits == 0 ? products : _mm256_add_epi16(narrow, products);
            if constexpr (kTop >= 0) // one sum after another: side by side they would push the rows' out of registers
                keep(narrow);
            if constexpr (e + 1 == kCount || (e + 1) % kFits == 0)
                sum = e < kFits ? widen(narrow) : _mm256_add_epi32(sum, widen(narrow));
        });
        return sum;
    }

    /// Of kCount sums of pairs, how many add up within 16 bits.
    template <int kTop, int kCount>
    static constexpr int kFit = lesser(32767 / (2 * 127 * (kTop < 0 ? -kTop : kTop)), kCount);

    /// Rows that meet a panel at once, as many as the registers hold: fewer where narrow and wide sums are live at
    /// once.
    template <int kTop, int kSteps>
    static constexpr int kRows = kFit<kTop, kSteps> == kSteps ? 4 : 3;

    /// kSteps x 4 inputs of kS times 8 outputs with kR rows.
    template <int kTop, int kSteps, int kR, int kS>
    static inline void dotPanel(const uint8_t* const (&w)[kS], const int8_t* const (&x)[kR], __m256i (&dots)[kS][kR]) {
        constexpr int kFits = kFit<kTop, kSteps>;
        static_assert(kFits >= 1);
        __m256i narrow[kS][kR];
        eachOf<0, kSteps>([&]<int k>() __attribute__((always_inline)) {
            constexpr bool kBegins = k % kFits == 0, kEnds = k + 1 == kSteps || (k + 1) % kFits == 0;
            for (int r = 0; r < kR; ++r) {
                const __m256i four = splat4(x[r] + inQuarters(4 * k));
                for (int s = 0; s < kS; ++s) {
                    const __m256i products = pairs<kTop>(load256(w[s] + 32 * k), four);
                    narrow[s][r] = kBegins ? products : _mm256_add_epi16(narrow[s][r], products);
                    keep(narrow[s][r]);
                }
            }
            for (int r = 0; r < kR && kEnds; ++r)
                for (int s = 0; s < kS; ++s) {
                    const __m256i wide = widen(narrow[s][r]);
                    dots[s][r] = k < kFits ? wide : _mm256_add_epi32(dots[s][r], wide);
                    keep(dots[s][r]);
                }
        });
    }
};

/// Some keys at once, block by block: pairs of 16 bits, then floats.
struct KeyScores : PlainWeights {
    static inline void prepare(CodeScratch&, int) {}

    template <typename Format, int kH>
    static inline void run(const Attend& a, const CodeQueries& q) {
        constexpr int kKeys = kH == 4 ? 2 : 4; // as many as there are registers for
        alignas(32) float scales[kAttendDims / kCodes][kLanes];
        for (int t = 0; t < a.tokens; t += kLanes) {
            for (int b = 0; b * kCodes < a.kDim; ++b)
                store(scales[b], scalesAt(q.s, b, t));
            for (int i = 0; i < kLanes && t + i < a.tokens; i += kKeys)
                someKeys<Format, kH, kKeys>(a, q, t + i, scales, i);
        }
    }

    /// Keys from t on, whose scales are scales[block][first] and those beside it.
    template <typename Format, int kH, int kKeys>
    static inline void someKeys(const Attend& a, const CodeQueries& q, int t, const float (*scales)[kLanes],
                                int first) {
        const int live = lesser(kKeys, a.tokens - t);
        const std::byte* keys[kKeys];
        for (int j = 0; j < kKeys; ++j)
            keys[j] = a.k + uint64_t(j < live ? t + j : t) * a.kStride;
        const int16_t* queries = q.s.query + q.at(0, 0) * kCodes;
        const int64_t apart = int64_t(q.blocks) * kCodes; // one head's from the next one's
        Vec sums[kH][kKeys];
        for (int h = 0; h < kH; ++h)
            for (int j = 0; j < kKeys; ++j)
                sums[h][j] = zero();
        const uint64_t part = uint64_t(live) * a.vStride * kCodes / uint64_t(a.kDim); // of the values, which come next
        const std::byte* values = a.v + uint64_t(t) * a.vStride;
        for (int b = 0; b * kCodes < a.kDim; ++b, queries += kCodes, values += part) {
            prefetch(values, part);
            eachOf<0, kKeys>([&]<int j>() __attribute__((always_inline)) {
                const Wide key = wideCodesOf<Format>(keys[j]);
                keys[j] += Format::kBytes;
                const Vec scale = splat(scales[b][first + (j < live ? j : 0)]);
                eachOf<0, kH>([&]<int h>() __attribute__((always_inline)) {
                    const int16_t* query = queries + h * apart;
                    __m256i dots = _mm256_add_epi32(_mm256_madd_epi16(key.v[0], loadWords(query, kWords)),
                                                    _mm256_madd_epi16(key.v[1], loadWords(query + kWords, kWords)));
                    keep(dots);
                    sums[h][j] = fma(_mm256_cvtepi32_ps(dots), scale, sums[h][j]);
                });
            });
        }
        storeScores(a, q, t, live, sums);
    }

    template <int kH>
    static inline void storeScores(const Attend& a, const CodeQueries& q, int t, int live, const Vec (&sums)[kH][4]) {
        __m128 dots[kH];
        sumLanesOf(sums, dots);
        for (int h = 0; h < kH; ++h)
            storeSome(a.scores + h * a.tokens + t, _mm_mul_ps(dots[h], _mm_set1_ps(q.scale(h))), live);
    }

    template <int kH>
    static inline void storeScores(const Attend& a, const CodeQueries& q, int t, int live, const Vec (&sums)[kH][2]) {
        for (int h = 0; h < kH; h += 2) {
            const __m128 dots = sumLanes4(sums[h][0], sums[h][1], sums[h + 1][0], sums[h + 1][1]);
            const __m128 by = _mm_setr_ps(q.scale(h), q.scale(h), q.scale(h + 1), q.scale(h + 1));
            const __m128 scores = _mm_mul_ps(dots, by);
            storeSome(a.scores + h * a.tokens + t, scores, live);
            storeSome(a.scores + (h + 1) * a.tokens + t, _mm_movehl_ps(scores, scores), live);
        }
    }
};

} // namespace

CpuKernels avx2Kernels() {
    CpuKernels k = referenceKernels();
    overrideFloatKernels(k);
    overrideAllCodes<PairDots>(k);
    overrideCaches<KeyScores>(k);
    overrideLatentAttention<weighEveryHead>(k);
    return k;
}

} // namespace hearth::kernels::cpu
