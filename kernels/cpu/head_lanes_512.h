#pragma once

// Scores of generated tokens with AVX-512, for caches of floats. Included after float_kernels.h. Internal linkage on
// purpose.

namespace hearth::kernels::cpu {
namespace {

constexpr int kHeadsInLanes = kLanes / 4;
constexpr int kDimsInLanes = 256; // of a key at most: its heads' queries lie on the stack
static_assert(kHeadsInLanes == kHeadsAtOnce);

/// Those of eight tokens from t on, of which `live` are there.
template <Type kType, bool kWhole>
inline void scoreEightInLanes(const Attend& a, const RowsOfRuns& keys, const float (*queries)[kLanes], int t,
                              int live) {
    constexpr int kKeys = 8, kDims = 64; // at a time
    alignas(64) float wide[kKeys][kDims];
    const std::byte* rows[kKeys];
    const std::byte *first = keys.four(t), *second = keys.four(kWhole || live > 4 ? t + 4 : t);
    for (int j = 0; j < kKeys; ++j)
        rows[j] = (j < 4 ? first : second) + (kWhole || j < live ? uint64_t(j % 4) * a.kStride : 0);
    Vec sums[kKeys];
    for (int j = 0; j < kKeys; ++j)
        sums[j] = zero();
    for (int c = 0; c < a.kDim; c += kDims, queries += kDims / 4) {
        eachOf<0, kKeys>([&]<int j>() __attribute__((always_inline)) {
            for (int i = 0; i < kDims; i += kLanes)
                store(wide[j] + i, loadAs<kType>(rows[j] + i * kBytesOf<kType>));
            rows[j] += kDims * kBytesOf<kType>;
        });
        asm("" : "+m"(wide)); // else GCC takes parts out of registers, which costs what loads give for nothing
        eachOf<0, kDims / 4>([&]<int i>() __attribute__((always_inline)) {
            const Vec q = load(queries[i]);
            for (int j = 0; j < kKeys; ++j)
                sums[j] = fma(q, splatFour(wide[j] + 4 * i), sums[j]);
        });
    }
    for (int j = 0; j < kKeys && (kWhole || j < live); j += 4) {
        __m128 dots[kHeadsInLanes];
        splitFours(foursOf(sums[j], sums[j + 1], sums[j + 2], sums[j + 3]), dots);
        for (int h = 0; h < kHeadsInLanes; ++h)
            storeSome(a.scores + h * a.tokens + t + j, dots[h], kWhole ? 4 : lesser(4, live - j));
    }
}

/// Four heads lie in a vector, four numbers of each: a key's numbers are spread to all of them, and what has to be
/// added up across lanes is a quarter of what scoreKeys() has. The bits are others than scoreKeys()', so callers must
/// keep the same heads together always.
struct ScoresInLanes {
    template <Type kType>
    static inline bool run(const Attend& a, int head) {
        if (a.kDim % 64 != 0 || a.kDim > kDimsInLanes)
            return false;
        alignas(64) float queries[kDimsInLanes / 4][kLanes];
        for (int i = 0; i < a.kDim; i += 4)
            for (int h = 0; h < kHeadsInLanes; ++h)
                std::memcpy(queries[i / 4] + 4 * h, a.q + (head + h) * a.kDim + i, 4 * sizeof(float));
        const RowsOfRuns keys = keysOf(a), values = valuesOf(a);
        int t = 0;
        for (; t + 8 <= a.tokens; t += 8) {
            bringValues(a, values, head, t, 8);
            scoreEightInLanes<kType, true>(a, keys, queries, t, 8);
        }
        if (t < a.tokens) {
            bringValues(a, values, head, t, a.tokens - t);
            scoreEightInLanes<kType, false>(a, keys, queries, t, a.tokens - t);
        }
        return true;
    }
};

} // namespace
} // namespace hearth::kernels::cpu
