#pragma once

// Attention of generated tokens over latents, which are keys and values at once and serve many heads: on whole numbers
// of 16 bits, pairs of which are multiplied at once. A token's latent becomes codes once for all heads, in two orders:
// its numbers side by side, for scores, and beside those of the token after it, for values. Sums of a block of tokens
// are exact, so every head has the bits that it has in any other group of kFewLatentHeads and more. Written in the
// words of simd_<isa>.h; included after float_kernels.h. Internal linkage on purpose.

#include "kernels/cpu/code_scales.h"

namespace hearth::kernels::cpu {
namespace {

constexpr int kLatentTokens = 64; // that become codes at once: they stay in the second-level cache
// What the registers hold: heads with four tokens, and heads with so many vectors of the values.
constexpr int kScoredHeads = kLanes == 16 ? 4 : 3, kTogether = kLanes == 16 ? 8 : 3, kValueVectors = 32 / kLanes;
constexpr int kColumns = kValueVectors * kLanes; // of values that are summed at once; codes of two tokens lie together
constexpr int kBlockCodes = kColumns * kLatentTokens + 64; // some more than there are, or all want the same cache lines

/// Where a call keeps its numbers.
struct alignas(64) LatentScratch {
    float scores[kLatentHeads][kLatentTokens];
    int16_t weights[kLatentHeads * kLatentTokens];
    int16_t rows[4 * kLatentDims];                       // (4, codedRow(kDim)): the latents that meet the queries now
    int16_t queries[kLatentHeads * kLatentDims];         // (kLatentHeads, codedRow(kDim))
    int16_t values[kLatentDims / kColumns][kBlockCodes]; // of kColumns each: (kLatentTokens / 2, kColumns, 2)
    float scales[kLatentTokens];                         // of the latents
    float weightScales[kLatentHeads], queryScales[kLatentHeads];
};

static_assert(sizeof(LatentScratch) <= kAttendScratchBytes && kLatentDims % kColumns == 0);

/// Some tokens of a run: a.k, a.next and a.tokens are theirs.
struct LatentBlock {
    const Attend& a;
    LatentScratch& s;
    int stride; // codes of a row

    LatentBlock(const Attend& part, LatentScratch& scratch) : a(part), s(scratch), stride(int(codedRow(part.kDim))) {}

    /// Two tokens' codes of a column and those after it.
    int16_t* valuesOf(int token, int column) const {
        return s.values[column / kColumns] + token * kColumns + column % kColumns * 2;
    }
};

/// The largest magnitude of a row of 16-bit floats, whose bits order them. NaN may be lost here: the sum of squares has
/// it.
template <Type kType>
inline float largestOf(const std::byte* row, int dims) {
    Words top = {};
    for (int i = 0; i < dims; i += kWords)
        top = largerWords(top, magnitudesOf(loadWords(row + 2 * i, lesser(kWords, dims - i))));
    std::byte halves[sizeof(Words)];
    std::memcpy(halves, &top, sizeof top);
    return maxLane(maximum(loadAs<kType>(halves), loadAs<kType>(halves + sizeof(Words) / 2)));
}

/// The sum of squares of a latent.
template <Type kType>
inline float squaresOf(const std::byte* row, int dims) {
    Vec sums[4] = {zero(), zero(), zero(), zero()};
    int i = 0;
    for (; i + 4 * kLanes <= dims; i += 4 * kLanes)
        for (int j = 0; j < 4; ++j) {
            const Vec v = loadAs<kType>(row + (i + j * kLanes) * kBytesOf<kType>);
            sums[j] = fma(v, v, sums[j]);
        }
    for (; i < dims; i += kLanes) {
        const Vec v = loadPartAs<kType>(row + i * kBytesOf<kType>, lesser(kLanes, dims - i));
        sums[0] = fma(v, v, sums[0]);
    }
    return sumLanes(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

/// Two latents as codes: the rows, and the values of the pair.
template <Type kType>
inline void codePair(const LatentBlock& b, int token, const std::byte* first, const std::byte* second, Vec byFirst,
                     Vec bySecond) {
    const int dims = b.a.kDim;
    int16_t* rows = b.s.rows + token % 4 * b.stride;
    const auto put = [&](int i, const auto& load) __attribute__((always_inline)) {
        const Words one = codesOf32(load(first, i), byFirst), other = codesOf32(load(second, i), bySecond);
        const Words oneNext = codesOf32(load(first, i + kLanes), byFirst),
                    otherNext = codesOf32(load(second, i + kLanes), bySecond);
        storeWords(rows + i, sideBySide(one, oneNext));
        storeWords(rows + b.stride + i, sideBySide(other, otherNext));
        int16_t* values = b.valuesOf(token, i);
        storeWords(values, sideBySide(one, other));
        storeWords(values + kWords, sideBySide(oneNext, otherNext));
    };
    int i = 0;
    for (; i + kWords <= dims; i += kWords)
        put(i, [](const std::byte* row, int at) { return loadAs<kType>(row + at * kBytesOf<kType>); });
    for (; i < b.stride; i += kWords)
        put(i, [&](const std::byte* row, int at) {
            return loadPartAs<kType>(row + at * kBytesOf<kType>, at > dims ? 0 : lesser(kLanes, dims - at));
        });
}

/// Up to four latents from a token on as codes. Returns the largest of them.
template <Type kType>
inline float codeLatents(const LatentBlock& b, int token) {
    const int live = lesser(4, b.a.tokens - token), dims = b.a.kDim;
    const std::byte* row = b.a.k + uint64_t(token) * b.a.kStride;
    float squares[kLanes] = {}, largest[kLanes] = {}, inverses[kLanes];
    for (int i = 0; i < live; ++i) {
        squares[i] = squaresOf<kType>(row + uint64_t(i) * b.a.kStride, dims);
        largest[i] = largestOf<kType>(row + uint64_t(i) * b.a.kStride, dims);
    }
    const Vec tops = load(largest), scales = scalesOfRows(load(squares), tops, dims), by = inversesOf(scales);
    storePart(b.s.scales + token, scales, 4);
    store(inverses, by);
    for (int i = 0; i < live; i += 2) {
        const int other = lesser(i + 1, live - 1); // an odd one meets itself, with no weight
        codePair<kType>(b, token + i, row + uint64_t(i) * b.a.kStride, row + uint64_t(other) * b.a.kStride,
                        splat(inverses[i]), splat(inverses[other]));
    }
    return maxLane(mul(tops, by));
}

/// A query as codes, in the order of the latents' rows.
inline void codeQuery(const LatentBlock& b, int head) {
    const float* q = b.a.q + int64_t(head) * b.a.kDim;
    const auto at = [&](int i) { return loadPart(q + i, b.a.kDim - i < 0 ? 0 : lesser(kLanes, b.a.kDim - i)); };
    Vec squares = zero(), top = zero();
    for (int i = 0; i < b.a.kDim; i += kLanes) {
        squares = fma(at(i), at(i), squares);
        top = maximum(absolute(at(i)), top);
    }
    const Vec scale = scalesOfRows(splat(sumLanes(squares)), splat(maxLane(top)), b.a.kDim),
              inverse = inversesOf(scale);
    b.s.queryScales[head] = maxLane(scale); // of lanes that are alike
    for (int i = 0; i < b.stride; i += kWords)
        storeWords(b.s.queries + head * b.stride + i,
                   sideBySide(codesOf32(at(i), inverse), codesOf32(at(i + kLanes), inverse)));
}

/// The same address, of which the compiler does not know that: where registers are few it is to read memory again.
template <class T>
inline const T* again(const T* p) {
    if constexpr (kLanes < 16)
        __asm__("" : "+r"(p));
    return p;
}

/// Scores of four tokens and kH heads; behind the last token lie rows of before, whose scores go nowhere. Meanwhile
/// `lines` times a row's cache lines from `later` on come nearer, a few at a time: asked for at once, they would stop
/// the loop.
template <int kH>
[[gnu::noinline]] void scoreLatents(const LatentBlock& b, int head, int token, const std::byte* later, int lines) {
    const int16_t* q = b.s.queries + head * b.stride;
    Ints sums[kScoredHeads][4] = {};
    for (int i = 0; i < b.stride; i += 32) {
        prefetch(later + i * lines * 2, uint64_t(64 * lines));
        eachOf<0, 32 / kWords>([&]<int part>() __attribute__((always_inline)) {
            const int at = i + part * kWords;
            eachOf<0, 4>([&]<int j>() __attribute__((always_inline)) {
                const Words k = loadWords(b.s.rows + j * b.stride + at, kWords);
                q = again(q);
                eachOf<0, kH>([&]<int h>() __attribute__((always_inline)) {
                    sums[h][j] = addPairs(sums[h][j], k, loadWords(q + h * b.stride + at, kWords));
                });
            });
        });
    }
    __m128 rows[kScoredHeads];
    sumLanesOf(sums, rows);
    const __m128 scales = _mm_loadu_ps(b.s.scales + token);
    for (int h = 0; h < kH; ++h)
        storeSome(b.a.scores + (head + h) * b.a.tokens + token,
                  _mm_mul_ps(_mm_mul_ps(rows[h], scales), _mm_set1_ps(b.s.queryScales[head + h])),
                  lesser(4, b.a.tokens - token));
}

/// A head's weights times the latents' scales, as codes. `largest` is that of the latents' codes.
inline void codeWeights(const LatentBlock& b, int head, float largest) {
    Vec w[kLatentTokens / kLanes], sum = zero(), top = zero();
    for (int i = 0; i < kLatentTokens / kLanes; ++i) {
        const int live = b.a.tokens - i * kLanes < 0 ? 0 : lesser(kLanes, b.a.tokens - i * kLanes);
        w[i] =
            mul(loadPart(b.a.scores + head * b.a.tokens + i * kLanes, live), loadPart(b.s.scales + i * kLanes, live));
        sum = add(sum, w[i]);
        top = maximum(w[i], top);
    }
    // Weights of no more than 32767, and (sum + half a unit each) * (largest + 1/2) < 2^31.
    const float most = 0x1p31f * 0.999f / (largest + 1.0f) - kLatentTokens;
    const float bySum = sumLanes(sum) / most, byTop = maxLane(top) * (1.0f / kMostPair);
    const float scale = byTop > bySum ? byTop : bySum; // NaN of the sum stays
    const Vec inverse = inversesOf(splat(scale));
    b.s.weightScales[head] = scale;
    for (int i = 0; i < kLatentTokens / kLanes; ++i)
        storeInt16(b.s.weights + head * kLatentTokens + i * kLanes, mul(w[i], inverse));
}

/// o += weights x kColumns columns of the latents, for kH heads.
template <int kH>
[[gnu::noinline]] void addLatents(const LatentBlock& b, int head, int column) {
    const Attend& a = b.a;
    Ints sums[kH][kValueVectors] = {};
    const int16_t *x = b.valuesOf(0, column), *weights = b.s.weights + head * kLatentTokens;
    for (int t = 0; t < a.tokens; t += 2, x += 2 * kColumns) // an odd one's other has no weight
        eachOf<0, kH>([&]<int h>() __attribute__((always_inline)) {
            const Words both = splat4(weights + h * kLatentTokens + t);
            x = again(x);
            eachOf<0, kValueVectors>([&]<int v>() __attribute__((always_inline)) {
                sums[h][v] = addPairs(sums[h][v], both, loadWords(x + v * kWords, kWords));
            });
        });
    eachOf<0, kH>([&]<int h>() __attribute__((always_inline)) {
        float* o = a.o + (head + h) * a.vDim + column;
        eachOf<0, kValueVectors>([&]<int v>() __attribute__((always_inline)) {
            if (const int live = lesser(kLanes, a.vDim - column - v * kLanes); live > 0) {
                const Vec sum = toFloats(sums[h][v]);
                storePart(o + v * kLanes, fma(sum, splat(b.s.weightScales[head + h]), loadPart(o + v * kLanes, live)),
                          live);
            }
        });
    });
}

/// Four latents that will be read some time after those from `token` on; null: nobody knows.
inline const std::byte* laterThan(const LatentBlock& b, int token) {
    constexpr int kTokensAhead = 16; // 18 KiB of what fits into the second-level cache beside the codes
    const int later = token + kTokensAhead - b.a.tokens;
    if (later <= -4)
        return b.a.k + uint64_t(token + kTokensAhead) * b.a.kStride;
    return b.a.next ? b.a.next + uint64_t(later < 0 ? 0 : later) * b.a.kStride : nullptr;
}

/// kWeigh: weighHeads() for all heads.
template <Type kType, void (*kWeigh)(const Attend&)>
void attendLatentBlock(const LatentBlock& b) {
    const Attend& a = b.a;
    // That score four tokens, while four of those that are read later come nearer.
    const int calls = (a.heads + kScoredHeads - 1) / kScoredHeads;
    float largest = 0;
    for (int t = 0; t < a.tokens; t += 4) {
        const float code = codeLatents<kType>(b, t);
        largest = code > largest ? code : largest;
        const std::byte* later = laterThan(b, t);
        eachHeads<kScoredHeads>(a.heads, [&]<int kH>(int h) {
            const int i = h / kScoredHeads, first = 4 * i / calls, rows = later ? 4 * (i + 1) / calls - first : 0;
            scoreLatents<kH>(b, h, t, later ? later + uint64_t(first) * a.kStride : nullptr, rows);
        });
    }
    kWeigh(a);
    for (int h = 0; h < a.heads; ++h)
        codeWeights(b, h, largest);
    for (int column = 0; column < a.vDim; column += kColumns)
        eachHeads<kTogether>(a.heads, [&]<int kH>(int h) { addLatents<kH>(b, h, column); });
}

/// Scores: of what are no latents.
template <Type kType, typename Scores, void (*kWeigh)(const Attend&)>
void attendLatents(const Attend& a) {
    if (a.k != a.v || a.heads < kFewLatentHeads || a.heads > kLatentHeads || a.kDim > kLatentDims) {
        attendTokens<kType, Scores>(a);
        return;
    }
    LatentScratch& s = *reinterpret_cast<LatentScratch*>(a.scratch);
    if (!a.sameQueries)
        for (int h = 0; h < a.heads; ++h)
            codeQuery(LatentBlock(a, s), h);
    for (int t = 0; t < a.tokens; t += kLatentTokens) {
        Attend part = a;
        part.tokens = lesser(kLatentTokens, a.tokens - t);
        part.k = part.v = a.k + uint64_t(t) * a.kStride;
        part.next = t + part.tokens < a.tokens ? part.k + uint64_t(part.tokens) * a.kStride : a.next;
        part.scores = s.scores[0];
        attendLatentBlock<kType, kWeigh>(LatentBlock(part, s));
    }
}

/// Caches of floats, latents or not.
template <typename Scores, void (*kWeigh)(const Attend&)>
void overrideFloatCaches(CpuKernels& k) {
    k.attend[size_t(Type::F32)] = attendTokens<Type::F32, Scores>;
    k.attend[size_t(Type::F16)] = attendLatents<Type::F16, Scores, kWeigh>;
    k.attend[size_t(Type::BF16)] = attendLatents<Type::BF16, Scores, kWeigh>;
}

} // namespace
} // namespace hearth::kernels::cpu
