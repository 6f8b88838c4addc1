#pragma once

// Attention of generated tokens over latents, which are keys and values at once and serve many heads, in tiles of bf16:
// a page's latents are rounded where they are multiplied, as rows for the scores and in pairs of tokens for the sums,
// for all heads. A head is a column of the first product and a row of the second: it has the bits that it has among any
// other heads. Included after pair_attention.h. Internal linkage on purpose.

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/bf16_512.h"

namespace hearth::kernels::cpu {
namespace {

constexpr int kTiledTokens = 64; // at once
static_assert(kLatentHeads == kTileRows);

/// Where a call keeps its numbers.
struct alignas(64) TiledLatents {
    static constexpr int kSteps = kLatentDims / int(kTileInputs);
    static constexpr int kHalf = kTiledTokens / 2;

    uint16_t queries[kSteps][kTileBytes / 2]; // (pairs of dims, heads, 2) of each step

    // Half a block's tokens, some dims: (tokens, dims), or two column tiles of (pairs of tokens, columns, 2). One is
    // written while the other is multiplied. No more than a page of memory for both: loads wait for stores that lie
    // whole pages away.
    union {
        uint16_t rows[2][kHalf][kTileInputs];
        uint16_t values[2][2][kTileBytes / 2];
    };

    float scores[kTiledTokens][kLatentHeads];
    uint16_t weights[kLatentHeads][kTiledTokens];
};

static_assert(sizeof(TiledLatents) <= kAttendScratchBytes);

inline int tileSteps(int n) {
    return (n + int(kTileInputs) - 1) / int(kTileInputs);
}

/// Two rows of 32 numbers side by side: pairs of the first 16 columns, then of the others. The rows' pieces of four
/// numbers lie as piecesApart() puts them.
inline void storePairs(uint16_t* first, uint16_t* second, __m512i a, __m512i b) {
    _mm512_storeu_si512(first, _mm512_unpacklo_epi16(a, b));
    _mm512_storeu_si512(second, _mm512_unpackhi_epi16(a, b));
}

/// Pieces of four numbers in the order 0, 4, 1, 5, ...: so unpacking finds the first 16 columns in lower halves.
inline __m512i piecesApart(__m512i numbers) {
    return _mm512_permutexvar_epi64(_mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0), numbers);
}

/// Numbers of a cache of kType as bf16, 32 at once.
template <Type kType>
struct TiledNumbers;

/// As they lie.
template <>
struct TiledNumbers<Type::BF16> {
    static constexpr float kQueries = 1.0f, kScores = 1.0f, kWeights = 1.0f;

    static inline __m512i of(__m512i numbers) { return numbers; }

    static inline __m512i ofAny(__m512i numbers) { return numbers; }

    static inline __m512i watch(__m512i top, __m512i) { return top; }

    static inline bool finite(__m512i) { return true; }
};

/// A half's exponent becomes bf16's as it is: two instructions instead of three conversions of two steps each, for
/// numbers 2^-112 times as large. Queries and weights are as many times larger, and what is left of that is taken from
/// the scores. Ties go away from zero. Below the normal numbers of 16 bits, 6e-5, there is zero.
template <>
struct TiledNumbers<Type::F16> {
    static constexpr float kQueries = 0x1p64f, kScores = 0x1p48f, kWeights = 0x1p112f;

    static inline __m512i of(__m512i numbers) {
        // Halves are signs and magnitudes: as whole numbers, negative ones are -32768 + magnitude, whose eighth has the
        // sign's bit three times more.
        return _mm512_and_si512(_mm512_mulhrs_epi16(numbers, _mm512_set1_epi16(1 << 12)),
                                _mm512_set1_epi16(int16_t(0x8fff)));
    }

    /// Also of what is no number.
    static inline __m512i ofAny(__m512i numbers) {
        const auto half = [&](__m256i h) { return mul(_mm512_cvtph_ps(h), splat(0x1p-112f)); };
        return rounded(half(_mm512_castsi512_si256(numbers)), half(_mm512_extracti64x4_epi64(numbers, 1)));
    }

    /// The largest magnitudes so far, twice.
    static inline __m512i watch(__m512i top, __m512i numbers) {
        return _mm512_max_epu16(top, _mm512_add_epi16(numbers, numbers));
    }

    static inline bool finite(__m512i top) {
        return _mm512_cmpge_epu16_mask(top, _mm512_set1_epi16(int16_t(0xf800))) == 0;
    }
};

/// Queries of all heads; those that there are not are zeros.
template <Type kType>
inline void roundQueries(const Attend& a, TiledLatents& s) {
    for (int step = 0; step < tileSteps(a.kDim); ++step) {
        __m512i heads[kLatentHeads];
        for (int h = 0; h < kLatentHeads; ++h) {
            const int dims = h < a.heads ? a.kDim : 0;
            const float* q = a.q + int64_t(h) * dims;
            const auto at = [&](int i) {
                return mul(floatsFrom<Type::F32>(q, i, dims), splat(TiledNumbers<kType>::kQueries));
            };
            heads[h] = rounded(at(step * int(kTileInputs)), at(step * int(kTileInputs) + kLanes));
        }
        transpose(heads);
        for (int pair = 0; pair < 16; ++pair)
            _mm512_storeu_si512(s.queries[step] + 32 * pair, heads[pair]);
    }
}

/// Dims of a step of half a block's tokens: f(t, those of token t, those of the next) for every other token t of the
/// half; zeros behind the last of either. kWhole: there are kTiledTokens tokens, and steps are whole.
template <bool kWhole, typename F>
inline void eachPairOfTokens(const Attend& a, int half, int step, int dims, Ahead& ahead, const F& f) {
    const int first = step * int(kTileInputs), left = dims - first, tokens = a.tokens - half * TiledLatents::kHalf;
    const __mmask32 live = left >= kTileInputs ? ~__mmask32(0) : (__mmask32(1) << left) - 1;
    const uint64_t stride = a.kStride;
    const std::byte* from = a.k + uint64_t(half * TiledLatents::kHalf) * stride + first * 2;
    for (int t = 0; t < TiledLatents::kHalf; t += 2, from += 2 * stride) {
        const auto at = [&](int r) {
            const std::byte* row = from + uint64_t(r) * stride;
            return kWhole ? _mm512_loadu_si512(row) : _mm512_maskz_loadu_epi16(t + r < tokens ? live : 0, row);
        };
        f(t, at(0), at(1));
        ahead.line();
    }
}

template <Type kType, bool kAnyNumbers>
inline __m512i tiledNumbers(__m512i numbers) {
    return kAnyNumbers ? TiledNumbers<kType>::ofAny(numbers) : TiledNumbers<kType>::of(numbers);
}

/// Adds a step's dims to the scores of half the tokens and all heads, which are tiles 0 and 1 or 2 and 3.
template <int kHalf>
inline void scoreStep(TiledLatents& s, int step) {
    constexpr int64_t kRow = sizeof s.rows[0][0];
    if constexpr (kHalf == 0)
        Tiles::load<6>(s.queries[step], 64);
    Tiles::load<4>(s.rows[kHalf][0], kRow), Tiles::addProduct<2 * kHalf, 4, 6>();
    Tiles::load<5>(s.rows[kHalf][kTileRows], kRow), Tiles::addProduct<2 * kHalf + 1, 5, 6>();
}

/// All steps: while some dims are rounded those before are multiplied. False: some are no numbers.
template <Type kType, bool kWhole, bool kAnyNumbers>
bool scoreTiled(const Attend& a, TiledLatents& s, Ahead& ahead) {
    using Numbers = TiledNumbers<kType>;
    Tiles::clear<0>(), Tiles::clear<1>(), Tiles::clear<2>(), Tiles::clear<3>();
    const int steps = tileSteps(a.kDim);
    __m512i top = _mm512_setzero_si512();
    const auto round = [&](int half, int step) {
        eachPairOfTokens<kWhole>(a, half, step, a.kDim, ahead, [&](int t, __m512i x, __m512i y) {
            top = Numbers::watch(Numbers::watch(top, x), y);
            const __m512i first = tiledNumbers<kType, kAnyNumbers>(x), second = tiledNumbers<kType, kAnyNumbers>(y);
            _mm512_storeu_si512(s.rows[half][t], first);
            _mm512_storeu_si512(s.rows[half][t + 1], second);
        });
    };
    for (int step = 0; step < steps; ++step) {
        round(0, step);
        if (step > 0)
            scoreStep<1>(s, step - 1);
        round(1, step);
        scoreStep<0>(s, step);
    }
    scoreStep<1>(s, steps - 1);
    return Numbers::finite(top);
}

/// The states of all heads, a head in each lane.
struct HeadLanes {
    Vec max, sum;

    inline explicit HeadLanes(const Attend& a) {
        static_assert(sizeof(SoftmaxState) == 2 * sizeof(float));
        const auto* floats = reinterpret_cast<const float*>(a.state);
        const Vec x = loadPart(floats, lesser(kLanes, 2 * a.heads));
        const Vec y = a.heads > 8 ? loadPart(floats + kLanes, 2 * a.heads - kLanes) : zero();
        max = _mm512_permutex2var_ps(x, evenLanes(), y);
        sum = _mm512_permutex2var_ps(x, _mm512_add_epi32(evenLanes(), _mm512_set1_epi32(1)), y);
    }

    inline void save(const Attend& a) const {
        float tops[kLanes], sums[kLanes];
        store(tops, max), store(sums, sum);
        for (int h = 0; h < a.heads; ++h)
            a.state[h] = {tops[h], sums[h]};
    }

private:
    static inline __m512i evenLanes() {
        return _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    }
};

/// What was summed before is scaled.
inline void correctSums(const Attend& a, Vec correction, Vec sumsBefore) {
    const __mmask16 fallen =
        _mm512_cmp_ps_mask(correction, splat(1.0f), _CMP_NEQ_UQ) & _mm512_cmp_ps_mask(sumsBefore, zero(), _CMP_NEQ_UQ);
    float factors[kLanes];
    store(factors, correction);
    for (int h = 0; h < a.heads; ++h)
        if (fallen >> h & 1)
            for (int i = 0; i < a.vDim; i += kLanes) { // vDim is a multiple of 16
                float* o = a.o + h * a.vDim + i;
                store(o, mul(load(o), splat(factors[h])));
            }
}

/// The scores in tiles 0 to 3 become weights in bf16, (heads, tokens), and the states go on. Heads are lanes until the
/// weights are made: nothing is searched for or summed across lanes, and half as many numbers are turned as floats
/// would be.
template <Type kType>
inline void weighTiled(const Attend& a, TiledLatents& s) {
    using Numbers = TiledNumbers<kType>;
    Tiles::store<0>(s.scores[0], 64), Tiles::store<1>(s.scores[kTileRows], 64);
    Tiles::store<2>(s.scores[2 * kTileRows], 64), Tiles::store<3>(s.scores[3 * kTileRows], 64);
    HeadLanes state(a);
    const Vec before = state.max, scale = splat(a.scale * Numbers::kScores);
    for (int t = 0; t < a.tokens; ++t) {
        const Vec score = capScores(mul(load(s.scores[t]), scale), a.softCap);
        store(s.scores[t], score);
        state.max = maximum(score, state.max);
    }
    const Vec fallen = weightOf(sub(before, state.max));
    const Vec correction = _mm512_mask_mov_ps(splat(1.0f), _mm512_cmp_ps_mask(before, state.max, _CMP_NEQ_UQ), fallen);
    correctSums(a, correction, state.sum);
    Vec sum = mul(state.sum, correction);
    const auto weight = [&](int t) { return t < a.tokens ? weightOf(sub(load(s.scores[t]), state.max)) : zero(); };
    for (int first = 0; first < kTiledTokens; first += 2 * kLanes) {
        __m512i turned[kLanes];
        for (int i = 0; i < kLanes; ++i) {
            const Vec x = weight(first + 2 * i), y = weight(first + 2 * i + 1), factor = splat(Numbers::kWeights);
            sum = add(sum, add(x, y));
            turned[i] = pairs(rounded(mul(x, factor), mul(y, factor)));
        }
        transpose(turned);
        for (int h = 0; h < kLatentHeads; ++h)
            _mm512_storeu_si512(s.weights[h] + first, turned[h]);
    }
    state.sum = sum;
    state.save(a);
}

/// Half the tokens' part of a step's columns of all heads' sums, which are tiles 0 and 1 meanwhile.
template <int kHalf>
inline void addStep(const Attend& a, TiledLatents& s, int step) {
    const int64_t stride = a.vDim * 4;
    float* o = a.o + step * kTileInputs;
    const bool both = step * int(kTileInputs) + 16 < a.vDim;
    if constexpr (kHalf == 0) {
        Tiles::load<0>(o, stride);
        if (both)
            Tiles::load<1>(o + 16, stride);
    }
    Tiles::load<6>(s.values[kHalf][0], 64), Tiles::addProduct<0, 4 + kHalf, 6>();
    if (both)
        Tiles::load<7>(s.values[kHalf][1], 64), Tiles::addProduct<1, 4 + kHalf, 7>();
    if constexpr (kHalf == 1) {
        Tiles::store<0>(o, stride);
        if (both)
            Tiles::store<1>(o + 16, stride);
    }
}

template <Type kType, bool kWhole, bool kAnyNumbers>
void addTiled(const Attend& a, TiledLatents& s, Ahead& ahead) {
    Tiles::load<4>(s.weights[0], sizeof s.weights[0]);
    Tiles::load<5>(s.weights[0] + kTileInputs, sizeof s.weights[0]);
    const auto round = [&](int half, int step) {
        eachPairOfTokens<kWhole>(a, half, step, a.vDim, ahead, [&](int t, __m512i x, __m512i y) {
            storePairs(s.values[half][0] + t * 16, s.values[half][1] + t * 16,
                       tiledNumbers<kType, kAnyNumbers>(piecesApart(x)),
                       tiledNumbers<kType, kAnyNumbers>(piecesApart(y)));
        });
    };
    const int steps = tileSteps(a.vDim);
    for (int step = 0; step < steps; ++step) {
        round(0, step);
        if (step > 0)
            addStep<1>(a, s, step - 1);
        round(1, step);
        addStep<0>(a, s, step);
    }
    addStep<1>(a, s, steps - 1);
    ahead.rest();
}

template <Type kType>
void attendTiledBlock(const Attend& a, TiledLatents& s) {
    constexpr int kAll = kTileRows;
    Ahead ahead(a.next, lesser(kTiledTokens, a.nextTokens) * a.kStride);
    configureRows({kAll, kAll, kAll, kAll, kAll, kAll, kAll, kAll});
    const bool whole = a.tokens == kTiledTokens && a.kDim % kTileInputs == 0 && a.vDim % kTileInputs == 0;
    const bool finite = (whole ? scoreTiled<kType, true, false> : scoreTiled<kType, false, false>)(a, s, ahead);
    if (!finite)
        scoreTiled<kType, false, true>(a, s, ahead);
    weighTiled<kType>(a, s);
    const int heads = a.heads; // rows of sums and of weights
    if (heads < kAll)
        configureRows({heads, heads, heads, heads, heads, heads, kAll, kAll});
    (!finite ? addTiled<kType, false, true>
     : whole ? addTiled<kType, true, false>
             : addTiled<kType, false, false>)(a, s, ahead);
    Tiles::release();
}

template <Type kType>
void attendTiledLatents(const Attend& a) {
    TiledLatents& s = *reinterpret_cast<TiledLatents*>(a.scratch);
    if (!a.sameQueries) {
        // The call before has mostly asked for some others, or there was none.
        Ahead(a.k, lesser(kTiledTokens, a.tokens) * a.kStride).rest();
        roundQueries<kType>(a, s);
    }
    for (int t = 0; t < a.tokens; t += kTiledTokens) {
        Attend part = a;
        part.tokens = lesser(kTiledTokens, a.tokens - t);
        part.k = part.v = a.k + uint64_t(t) * a.kStride;
        if (t + part.tokens < a.tokens) {
            part.next = part.k + uint64_t(part.tokens) * a.kStride;
            part.nextTokens = a.tokens - t - part.tokens;
        }
        attendTiledBlock<kType>(part, s);
    }
}

inline void overrideLatentTiles(CpuKernels& k) {
    k.attendRounded[size_t(Type::F16)] = attendTiledLatents<Type::F16>;
    k.attendRounded[size_t(Type::BF16)] = attendTiledLatents<Type::BF16>;
}

} // namespace
} // namespace hearth::kernels::cpu
