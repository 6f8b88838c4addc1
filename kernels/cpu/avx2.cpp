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

/// Sixteen bytes of eight rows, transposed: four bytes of each in a vector.
inline void loadFours(const std::byte* const (&rows)[kLanes], int at, __m256i (&fours)[4]) {
    const auto two = [&](int i) {
        return loadTwo(reinterpret_cast<const uint8_t*>(rows[i]) + at,
                       reinterpret_cast<const uint8_t*>(rows[i + 4]) + at);
    };
    const __m256i r[4] = {two(0), two(1), two(2), two(3)};
    const __m256i low[2] = {_mm256_unpacklo_epi32(r[0], r[1]), _mm256_unpacklo_epi32(r[2], r[3])};
    const __m256i high[2] = {_mm256_unpackhi_epi32(r[0], r[1]), _mm256_unpackhi_epi32(r[2], r[3])};
    fours[0] = _mm256_unpacklo_epi64(low[0], low[1]);
    fours[1] = _mm256_unpackhi_epi64(low[0], low[1]);
    fours[2] = _mm256_unpacklo_epi64(high[0], high[1]);
    fours[3] = _mm256_unpackhi_epi64(high[0], high[1]);
}

/// A block of eight keys, each in a lane of its own. pair() gives numbers 16 half + 4 i + odd and the next but one as
/// 16 bits, with kOffset too much.
template <typename Format>
struct KeyBlock;

template <>
struct KeyBlock<quant::Q8_0> {
    static constexpr int kOffset = 0;

    __m256i fours[4];

    template <int half>
    inline void load(const std::byte* const (&blocks)[kLanes]) {
        loadFours(blocks, 16 * half, fours);
    }

    template <int half, int i, int odd>
    inline __m256i pair() const {
        return _mm256_srai_epi16(odd != 0 ? fours[i] : _mm256_slli_epi16(fours[i], 8), 8);
    }
};

template <>
struct KeyBlock<quant::Q4_0> {
    static constexpr int kOffset = 8;

    __m256i fours[4]; // of both halves

    template <int half>
    inline void load(const std::byte* const (&blocks)[kLanes]) {
        if constexpr (half == 0)
            loadFours(blocks, 0, fours);
    }

    template <int half, int i, int odd>
    inline __m256i pair() const {
        return _mm256_and_si256(_mm256_srli_epi16(fours[i], 8 * odd + 4 * half), _mm256_set1_epi16(15));
    }
};

/// Eight keys at once: a block's products add up within a key's lane, as whole numbers.
struct KeyScores : PlainWeights {
    /// The order in which KeyBlock has a query's numbers (0, 2, 1, 3 of each four), and their sum.
    static inline void prepare(CodeScratch& s, int block) {
        __m256i sum = _mm256_setzero_si256();
        for (int i = 0; i < kCodes; i += 16) {
            auto* query = reinterpret_cast<__m256i*>(s.query + block * kCodes + i);
            const __m256i q = _mm256_loadu_si256(query);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(q, _mm256_set1_epi16(1)));
            _mm256_storeu_si256(query, _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(q, 0xd8), 0xd8));
        }
        s.querySums[block] = sumLanesInt(sum);
    }

    template <typename Format, int kH>
    static inline void run(const Attend& a, const CodeQueries& q) {
        Ahead values = valuesAhead(a); // which come next
        const int lines = values.share((a.tokens + kLanes - 1) / kLanes * ((a.kDim + kCodes - 1) / kCodes));
        for (int t = 0; t < a.tokens; t += kLanes)
            eightKeys<Format, kH>(a, q, t, values, lines);
    }

    template <typename Format, int kH>
    static inline void eightKeys(const Attend& a, const CodeQueries& q, int t, Ahead& values, int lines) {
        const int live = lesser(kLanes, a.tokens - t);
        const RowsOfRuns rows = keysOf(a);
        const std::byte* blocks[kLanes];
        for (int j = 0; j < kLanes; ++j)
            blocks[j] = rows.row(j < live ? t + j : t);
        Vec sums[kH];
        for (int h = 0; h < kH; ++h)
            sums[h] = zero();
        for (int b = 0; b * kCodes < a.kDim; ++b) {
            values.lines(lines);
            __m256i dots[kH];
            const int16_t* queries[kH];
            for (int h = 0; h < kH; ++h) {
                queries[h] = q.s.query + q.at(h, b) * kCodes;
                dots[h] = _mm256_set1_epi32(-KeyBlock<Format>::kOffset * q.s.querySums[q.at(h, b)]);
            }
            addBlocks<Format, kH>(blocks, queries, dots);
            const Vec scale = scalesAt(q.s.scales, b, t);
            for (int h = 0; h < kH; ++h)
                sums[h] = fma(_mm256_cvtepi32_ps(dots[h]), scale, sums[h]);
        }
        for (int h = 0; h < kH; ++h)
            storePart(a.scores + h * a.tokens + t, mul(sums[h], splat(q.scale(h))), live);
    }

    /// Eight keys' blocks, which move on, times those of kH queries.
    template <typename Format, int kH>
    static inline void addBlocks(const std::byte* (&blocks)[kLanes], const int16_t* const (&queries)[kH],
                                 __m256i (&dots)[kH]) {
        KeyBlock<Format> keys;
        eachOf<0, 2>([&]<int half>() __attribute__((always_inline)) {
            keys.template load<half>(blocks);
            eachOf<0, 4>([&]<int i>() __attribute__((always_inline)) {
                const __m256i even = keys.template pair<half, i, 0>(), odd = keys.template pair<half, i, 1>();
                for (int h = 0; h < kH; ++h) {
                    const int16_t* query = queries[h] + 16 * half + 4 * i;
                    const __m256i one = _mm256_madd_epi16(even, splat4(query)),
                                  other = _mm256_madd_epi16(odd, splat4(query + 2));
                    dots[h] = _mm256_add_epi32(_mm256_add_epi32(dots[h], one), other);
                    keep(dots[h]);
                }
            });
        });
        for (int j = 0; j < kLanes; ++j)
            blocks[j] += kCodeBytes<Format>;
    }
};

} // namespace

CpuKernels avx2Kernels() {
    CpuKernels k = referenceKernels();
    overrideFloatKernels(k);
    overrideAllCodes<PairDots>(k);
    overrideCaches<KeyScores>(k);
    overrideFloatCaches<PlainScores, weighEveryHead>(k);
    return k;
}

} // namespace hearth::kernels::cpu
