#pragma once

// Attention of generated tokens over latents, which are keys and values at once and serve many heads: on whole numbers
// of 16 bits, pairs of which are multiplied at once. A token's latent becomes codes once for all heads. Sums of a block
// of tokens are exact, so every head has the bits that it has in any other group of kFewLatentHeads and more. Written
// in the words of simd_<isa>.h; included after float_kernels.h. Internal linkage on purpose.

#include "kernels/cpu/code_scales.h"

namespace hearth::kernels::cpu {
namespace {

constexpr int kLatentTokens = 64; // that become codes at once: they stay in the second-level cache
// What the registers hold: heads with four tokens, and heads with two vectors of the values.
constexpr int kScoredHeads = kLanes == 16 ? 4 : 2, kTogether = kLanes == 16 ? 8 : 4;

/// Where a call keeps its numbers.
struct alignas(64) LatentScratch {
    float scores[kLatentHeads][kLatentTokens];
    int16_t weights[kLatentHeads * kLatentTokens];
    float scales[kLatentTokens]; // of the latents
    float weightScales[kLatentHeads], queryScales[kLatentHeads];

    int16_t* queries() { return reinterpret_cast<int16_t*>(this + 1); } // (kLatentHeads, codedRow(kDim))

    int16_t* latents(int kDim) { return queries() + kLatentHeads * codedRow(kDim); } // (kLatentTokens, codedRow(kDim))
};

static_assert(sizeof(LatentScratch) + (kLatentHeads + kLatentTokens) * kLatentDims * sizeof(int16_t) <=
              kAttendScratchBytes);

/// Some tokens of a run: a.k, a.next and a.tokens are theirs.
struct LatentBlock {
    const Attend& a;
    LatentScratch& s;
    int stride; // codes of a row
    int16_t* latents;

    LatentBlock(const Attend& part, LatentScratch& scratch)
        : a(part), s(scratch), stride(int(codedRow(part.kDim))), latents(scratch.latents(part.kDim)) {}
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

template <Type kType>
inline void codeLatent(const std::byte* row, int dims, float inverse, int16_t* out) {
    const Vec by = splat(inverse);
    int i = 0;
    for (; i + kWords <= dims; i += kWords)
        storeRow(out + i, loadAs<kType>(row + i * kBytesOf<kType>), loadAs<kType>(row + (i + kLanes) * kBytesOf<kType>),
                 by);
    const auto at = [&](int j) {
        return loadPartAs<kType>(row + j * kBytesOf<kType>, j > dims ? 0 : lesser(kLanes, dims - j));
    };
    for (; i < codedRow(dims); i += kWords)
        storeRow(out + i, at(i), at(i + kLanes), by);
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
    for (int i = 0; i < live; ++i)
        codeLatent<kType>(row + uint64_t(i) * b.a.kStride, dims, inverses[i], b.latents + (token + i) * b.stride);
    return maxLane(mul(tops, by));
}

/// A query as codes, in the order of the latents'.
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
        storeRow(b.s.queries() + head * b.stride + i, at(i), at(i + kLanes), inverse);
}

/// Scores of four tokens and up to kScoredHeads heads; what there is not repeats the last. Meanwhile `lines` times a
/// row's cache lines from `later` on come nearer, a few at a time: asked for at once, they would stop the loop.
inline void scoreLatents(const LatentBlock& b, int head, int token, const std::byte* later, int lines) {
    const int16_t *q[kScoredHeads], *k[4];
    for (int h = 0; h < kScoredHeads; ++h)
        q[h] = b.s.queries() + lesser(head + h, b.a.heads - 1) * b.stride;
    for (int j = 0; j < 4; ++j)
        k[j] = b.latents + lesser(token + j, b.a.tokens - 1) * b.stride;
    Ints sums[kScoredHeads][4] = {};
    for (int i = 0; i < b.stride; i += 32) {
        prefetch(later + i * lines * 2, uint64_t(64 * lines));
        eachOf<0, 32 / kWords>([&]<int part>() __attribute__((always_inline)) {
            const int at = i + part * kWords;
            Words ks[4];
            for (int j = 0; j < 4; ++j)
                ks[j] = loadWords(k[j] + at, kWords);
            for (int h = 0; h < kScoredHeads; ++h) {
                const Words qs = loadWords(q[h] + at, kWords);
                for (int j = 0; j < 4; ++j)
                    sums[h][j] = addPairs(sums[h][j], qs, ks[j]);
            }
        });
    }
    __m128 rows[kScoredHeads];
    sumLanesOf(sums, rows);
    const __m128 scales = _mm_loadu_ps(b.s.scales + token);
    for (int h = 0; h < kScoredHeads && head + h < b.a.heads; ++h)
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

/// o += weights x kWords columns of the latents, for kH heads.
template <int kH>
inline void addLatents(const LatentBlock& b, int head, int column) {
    const Attend& a = b.a;
    Ints sums[kH][2] = {};
    const int16_t *x = b.latents + column, *weights = b.s.weights + head * kLatentTokens;
    const auto addRows = [&](const int16_t* y) __attribute__((always_inline)) {
        const Words first = loadWords(x, kWords), second = loadWords(y, kWords);
        const Words low = lowPairs(first, second), high = highPairs(first, second);
        eachOf<0, kH>([&]<int h>() __attribute__((always_inline)) {
            const Words both = splat4(weights + h * kLatentTokens);
            sums[h][0] = addPairs(sums[h][0], low, both);
            sums[h][1] = addPairs(sums[h][1], high, both);
        });
        x += 2 * b.stride;
        weights += 2;
    };
    for (int pairs = a.tokens / 2; pairs > 0; --pairs)
        addRows(x + b.stride);
    if (a.tokens % 2 != 0)
        addRows(x); // meets itself with no weight
    for (int h = 0; h < kH; ++h) {
        float* o = a.o + (head + h) * a.vDim + column;
        for (int i = 0; i < 2 && column + i * kLanes < a.vDim; ++i, o += kLanes) {
            const int part = lesser(kLanes, a.vDim - column - i * kLanes);
            const Vec v = toFloats(sums[h][i]);
            storePart(o, fma(v, splat(b.s.weightScales[head + h]), loadPart(o, part)), part);
        }
    }
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
        for (int i = 0; i < calls; ++i) {
            const int first = 4 * i / calls, rows = later ? 4 * (i + 1) / calls - first : 0;
            scoreLatents(b, i * kScoredHeads, t, later ? later + uint64_t(first) * a.kStride : nullptr, rows);
        }
    }
    kWeigh(a);
    for (int h = 0; h < a.heads; ++h)
        codeWeights(b, h, largest);
    for (int column = 0; column < a.vDim; column += kWords) {
        int h = 0;
        for (; h + kTogether <= a.heads; h += kTogether)
            addLatents<kTogether>(b, h, column);
        for (; h < a.heads; ++h)
            addLatents<1>(b, h, column);
    }
}

template <Type kType, void (*kWeigh)(const Attend&)>
void attendLatents(const Attend& a) {
    if (a.k != a.v || a.heads < kFewLatentHeads || a.heads > kLatentHeads || a.kDim > kLatentDims) {
        attendTokens<kType>(a);
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

template <void (*kWeigh)(const Attend&)>
void overrideLatentAttention(CpuKernels& k) {
    k.attend[size_t(Type::F16)] = attendLatents<Type::F16, kWeigh>;
    k.attend[size_t(Type::BF16)] = attendLatents<Type::BF16, kWeigh>;
}

} // namespace
} // namespace hearth::kernels::cpu
