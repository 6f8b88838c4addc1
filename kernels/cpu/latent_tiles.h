#pragma once

// Attention of generated tokens over latents, which are keys and values at once and serve many heads, in tiles of bf16:
// a page's latents are rounded once, in the two orders that the two products read, and meet all heads. A head is a
// column of the first product and a row of the second: it has the bits that it has among any other heads. Included
// after pair_attention.h. Internal linkage on purpose.

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/bf16_512.h"

namespace hearth::kernels::cpu {
namespace {

constexpr int kTiledTokens = 64; // at once
static_assert(kLatentHeads == kTileRows);

/// Where a call keeps its numbers.
struct alignas(64) TiledLatents {
    static constexpr int kSteps = kLatentDims / int(kTileInputs), kValueTiles = kLatentDims / 16;
    static constexpr int kTokenSteps = kTiledTokens / int(kTileInputs);
    static constexpr int kRowsAtOnce = 2 * kTileRows; // tokens: more do not fit into the first-level cache

    uint16_t queries[kSteps][kTileBytes / 2]; // (pairs of dims, heads, 2) of each step
    uint16_t rows[kRowsAtOnce][kLatentDims];
    // (pairs of tokens, 16 dims, 2) of each step of tokens; a line more, so that they do not fall into the same sets of
    // a cache.
    uint16_t values[kValueTiles][kTokenSteps * kTileBytes / 2 + 32];
    float sums[kRowsAtOnce][kLatentHeads]; // scores as they come
    float scores[kLatentHeads * kTiledTokens];
    uint16_t weights[kLatentHeads][kTiledTokens];
};

static_assert(sizeof(TiledLatents) <= kAttendScratchBytes);

inline int tileSteps(int n) {
    return (n + int(kTileInputs) - 1) / int(kTileInputs);
}

/// Two rows of 32 numbers side by side: pairs of the first 16 columns, then of the others.
inline void storePairs(uint16_t* first, uint16_t* second, __m512i a, __m512i b) {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i low = _mm512_or_si512(_mm512_add_epi32(lanes, _mm512_set1_epi32(0x00200000)),
                                        _mm512_slli_epi32(lanes, 16)); // words n of a and n of b, of 32 each
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(0x00100010));
    _mm512_storeu_si512(first, _mm512_permutex2var_epi16(a, low, b));
    if (second)
        _mm512_storeu_si512(second, _mm512_permutex2var_epi16(a, high, b));
}

/// Queries of all heads; those that there are not are zeros.
inline void roundQueries(const Attend& a, TiledLatents& s) {
    for (int step = 0; step < tileSteps(a.kDim); ++step) {
        __m512i heads[kLatentHeads];
        for (int h = 0; h < kLatentHeads; ++h) {
            const int at = step * int(kTileInputs), dims = h < a.heads ? a.kDim : 0;
            const float* q = a.q + int64_t(h) * dims;
            heads[h] = rounded(floatsFrom<Type::F32>(q, at, dims), floatsFrom<Type::F32>(q, at + kLanes, dims));
        }
        transpose(heads);
        for (int pair = 0; pair < 16; ++pair)
            _mm512_storeu_si512(s.queries[step] + 32 * pair, heads[pair]);
    }
}

/// Latents `token` and the next as rows and as values; zeros behind the last. Meanwhile two that are read some time
/// after them come nearer.
template <Type kType>
inline void roundLatents(const Attend& a, TiledLatents& s, int token) {
    constexpr int kAhead = 16; // tokens: 18 KiB
    const std::byte* row = a.k + uint64_t(token) * a.kStride;
    const int live = a.tokens - token, later = token + kAhead - a.tokens;
    const std::byte* ahead = later <= -2 ? row + kAhead * a.kStride
                             : a.next    ? a.next + uint64_t(later < 0 ? 0 : later) * a.kStride
                                         : nullptr;
    uint16_t *first = s.rows[token % s.kRowsAtOnce], *second = s.rows[token % s.kRowsAtOnce + 1];
    const int pair = token / 2 * 32;
    for (int i = 0; i < a.kDim; i += int(kTileInputs)) {
        const auto at = [&](int r) {
            return r < live ? rounded(floatsFrom<kType>(row + uint64_t(r) * a.kStride, i, a.kDim),
                                      floatsFrom<kType>(row + uint64_t(r) * a.kStride, i + kLanes, a.kDim))
                            : _mm512_setzero_si512();
        };
        const __m512i x = at(0), y = at(1);
        if (ahead) {
            prefetch(ahead + i * kBytesOf<kType>, 1);
            prefetch(ahead + a.kStride + i * kBytesOf<kType>, 1);
        }
        _mm512_storeu_si512(first + i, x);
        _mm512_storeu_si512(second + i, y);
        if (i < a.vDim)
            storePairs(s.values[i / 16] + pair, i + 16 < a.vDim ? s.values[i / 16 + 1] + pair : nullptr, x, y);
    }
}

/// Scores of the rows' tokens, the first of which is `token`.
inline void scoreTiled(const Attend& a, TiledLatents& s, int token) {
    Tiles::clear<0>(), Tiles::clear<1>();
    constexpr int64_t kStride = sizeof s.rows[0];
    for (int step = 0; step < tileSteps(a.kDim); ++step) {
        Tiles::load<6>(s.queries[step], 64);
        Tiles::load<4>(s.rows[0] + step * kTileInputs, kStride);
        Tiles::load<5>(s.rows[kTileRows] + step * kTileInputs, kStride);
        Tiles::addProduct<0, 4, 6>(), Tiles::addProduct<1, 5, 6>();
    }
    Tiles::store<0>(s.sums[0], 64), Tiles::store<1>(s.sums[kTileRows], 64);
    for (int t = token; t < token + s.kRowsAtOnce && t < a.tokens; t += kTileRows) {
        Vec scores[kTileRows];
        for (int i = 0; i < kTileRows; ++i)
            scores[i] = load(s.sums[t - token + i]);
        transpose(scores);
        for (int h = 0; h < a.heads; ++h)
            storePart(s.scores + h * a.tokens + t, scores[h], lesser(kTileRows, a.tokens - t));
    }
}

inline void weighTiled(const Attend& a, TiledLatents& s) {
    Attend all = a;
    all.scores = s.scores;
    weighAllHeads(all);
    for (int h = 0; h < a.heads; ++h)
        for (int i = 0; i < kTiledTokens; i += int(kTileInputs)) {
            const float* w = s.scores + h * a.tokens;
            _mm512_storeu_si512(s.weights[h] + i, rounded(floatsFrom<Type::F32>(w, i, a.tokens),
                                                          floatsFrom<Type::F32>(w, i + kLanes, a.tokens)));
        }
}

/// 16 columns of all heads' sums, which pass through tile kSums.
template <int kSums, int kB>
inline void addTiled(const Attend& a, TiledLatents& s, int column) {
    const int64_t stride = a.vDim * 4;
    Tiles::load<kSums>(a.o + column, stride), Tiles::load<kB>(s.values[column / 16], 64);
    Tiles::addProduct<kSums, 4, kB>();
    if (a.tokens > kTileInputs) {
        Tiles::load<kB>(s.values[column / 16] + kTileBytes / 2, 64);
        Tiles::addProduct<kSums, 5, kB>();
    }
    Tiles::store<kSums>(a.o + column, stride);
}

template <Type kType>
void attendTiledBlock(const Attend& a, TiledLatents& s) {
    constexpr int kAll = kTileRows;
    configureRows({kAll, kAll, kAll, kAll, kAll, kAll, kAll, kAll});
    for (int token = 0; token < a.tokens; token += s.kRowsAtOnce) {
        for (int t = token; t < token + s.kRowsAtOnce; t += 2)
            roundLatents<kType>(a, s, t);
        scoreTiled(a, s, token);
    }
    weighTiled(a, s);
    const int heads = a.heads; // rows of sums and of weights
    configureRows({heads, heads, heads, heads, heads, heads, kAll, kAll});
    Tiles::load<4>(s.weights[0], sizeof s.weights[0]);
    Tiles::load<5>(s.weights[0] + kTileInputs, sizeof s.weights[0]);
    int column = 0;
    for (; column + 32 <= a.vDim; column += 32)
        addTiled<0, 6>(a, s, column), addTiled<1, 7>(a, s, column + 16);
    if (column < a.vDim)
        addTiled<0, 6>(a, s, column);
    Tiles::release();
}

template <Type kType>
void attendTiledLatents(const Attend& a) {
    TiledLatents& s = *reinterpret_cast<TiledLatents*>(a.scratch);
    if (!a.sameQueries)
        roundQueries(a, s);
    for (int t = 0; t < a.tokens; t += kTiledTokens) {
        Attend part = a;
        part.tokens = lesser(kTiledTokens, a.tokens - t);
        part.k = part.v = a.k + uint64_t(t) * a.kStride;
        part.next = t + part.tokens < a.tokens ? part.k + uint64_t(part.tokens) * a.kStride : a.next;
        attendTiledBlock<kType>(part, s);
    }
}

inline void overrideLatentTiles(CpuKernels& k) {
    k.attendRounded[size_t(Type::F16)] = attendTiledLatents<Type::F16>;
    k.attendRounded[size_t(Type::BF16)] = attendTiledLatents<Type::BF16>;
}

} // namespace
} // namespace hearth::kernels::cpu
