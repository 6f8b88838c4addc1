#pragma once

// Attention of generated tokens over caches of 8- and 4-bit codes in tiles of whole numbers: as in code_attention.h,
// queries and weights are of 16 bits and meet the codes as two bytes each, so every sum is exact. Keys are rows of the
// first product and meet the queries of up to four heads at once; of the second product those heads' weights are rows,
// and the values of four tokens lie beside each other. Two blocks of a row, 64 numbers, at a time. Included after
// code_attention.h and pair_attention.h. Internal linkage on purpose.

#include "kernels/cpu/amx_tiles.h"

namespace hearth::kernels::cpu {
namespace {

constexpr int kTiledCodes = 2 * kCodes;                  // of a row at once: its blocks are even or odd ones
constexpr int kCodeTokens = kAttendTokens / kAttendRuns; // of a run; as many tokens are in a tile of weights
constexpr int kCodeGroups = kLatentHeads / kAttendHeads; // of heads, of a call
constexpr int kCodePairs = kTiledCodeDims / kTiledCodes; // of blocks
constexpr int kRunRows = kTileRows;                      // tokens of a run that a tile of keys has
constexpr int kQuads = kTileRows;                        // fours of tokens in a tile of values
constexpr int kQuadTokens = 4;
static_assert(kCodeTokens == kTileBytes / kTileRows && 2 * 2 * kAttendHeads == kTileRows);

/// The scales of 16 tokens, from number t on, in a block. Scores and weights lie in an order of their own, so that
/// these are neighbours in their run and their scales one load: the first kRunRows tokens of every run, one run's after
/// the other's, then the next ones.
inline Vec scalesAt(const CodeRows& rows, int block, int t) {
    static_assert(kRunRows == kLanes && kCodeTokens == kRunRows * kAttendRuns);
    return loadAs<Type::F16>(rows.scalesOf(t / kRunRows % kAttendRuns, block, t / kCodeTokens * kRunRows));
}

/// Where a call keeps its numbers.
struct alignas(64) CodeTiles {
    // Of each pair of blocks: (fours of its codes, 16, 4). Columns are high bytes of the even block's heads and the odd
    // one's, then the low ones; each is zero where the other block's codes are.
    int8_t queries[kCodeGroups][kCodePairs][kTileBytes];
    float queryScale[kLatentHeads];

    // Two of each: tiles wait for what was just stored, so values are multiplied, and scores read, a step later.
    union {
        int8_t keys[kTileRows][kTiledCodes];
        int8_t values[2][4][kQuads][kTiledCodes]; // column tiles: (fours of tokens, 16, 4)
    };

    int32_t sums[2][4][kTileRows][kTileRows];
    // (16, tokens) for so many tokens each: high bytes of the even block's heads, low ones, and the odd block's.
    int8_t weights[kAttendTokens / kCodeTokens][kTileRows][kCodeTokens];
    float weightScale[2][kAttendHeads];
};

static_assert(sizeof(CodeTiles) <= kAttendScratchBytes);

/// Up to kAttendHeads heads of a call.
struct CodeHeads {
    const Attend& a;
    CodeTiles& s;
    int head; // the first

    inline int group() const { return head / kAttendHeads; }
};

inline int codePairs(int dims) {
    return (dims + kTiledCodes - 1) / kTiledCodes;
}

// --- Queries ---------------------------------------------------------------------------------------------------------

/// Eight whole numbers of up to kTop16 as fours of bytes, a line from the next: the high ones, rounded, and the low
/// ones.
inline void putBytes(const int16_t* q, int8_t* high, int8_t* low) {
    const __m128i whole = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q));
    const __m128i tops = _mm_srai_epi16(_mm_add_epi16(whole, _mm_set1_epi16(128)), 8);
    const auto put = [](int8_t* to, __m128i words) {
        const uint64_t bytes = uint64_t(_mm_cvtsi128_si64(words));
        const uint32_t first = uint32_t(bytes), second = uint32_t(bytes >> 32);
        std::memcpy(to, &first, 4);
        std::memcpy(to + 64, &second, 4);
    };
    put(high, _mm_packs_epi16(tops, tops));
    const __m128i rest = _mm_and_si128(whole, _mm_set1_epi16(0xff));
    put(low, _mm_packus_epi16(rest, rest));
}

template <int kH>
inline void codeTiledQueries(const CodeHeads& c) {
    const int dims = c.a.kDim, whole = (dims + 7) / 8 * 8;
    int16_t query[kTiledCodeDims];
    std::memset(c.s.queries[c.group()], 0, size_t(codePairs(dims)) * kTileBytes);
    for (int h = 0; h < kH; ++h) {
        c.s.queryScale[c.head + h] = toInt16(c.a.q + (c.head + h) * dims, dims, query); // zeros behind
        for (int i = 0; i < whole; i += 8) {
            const int at = i % kTiledCodes, odd = at / kCodes;
            int8_t* fours = c.s.queries[c.group()][i / kTiledCodes] + at / 4 * 64 + (odd * kAttendHeads + h) * 4;
            putBytes(query + i, fours, fours + 2 * kAttendHeads * 4);
        }
    }
}

// --- Scores ----------------------------------------------------------------------------------------------------------

/// Two blocks of a row from the first's codes on; kOdd: the odd one is there.
template <typename Format, bool kOdd>
inline __m512i twoBlocks(const std::byte* codes) {
    if constexpr (kOdd && kCodeBytes<Format> == kCodes)
        return _mm512_loadu_si512(codes);
    const __m512i even = _mm512_zextsi256_si512(codesOf<Format>(codes));
    return kOdd ? _mm512_inserti64x4(even, codesOf<Format>(codes + kCodeBytes<Format>), 1) : even;
}

/// Tile 4: kRunRows keys.
template <typename Format, bool kOdd>
inline void loadKeys(CodeTiles& s, const std::byte* codes, uint64_t stride) {
    if constexpr (kOdd && kCodeBytes<Format> == kCodes) {
        Tiles::load<4>(codes, int64_t(stride));
        return;
    }
    for (int i = 0; i < kRunRows; ++i) {
        const __m512i row = twoBlocks<Format, kOdd>(codes + uint64_t(i) * stride);
        _mm512_storeu_si512(s.keys[i], row);
    }
    Tiles::load<4>(s.keys, kTiledCodes);
}

/// kRunRows keys of each run from the token `first` of each on, with the heads' queries.
template <typename Format, bool kOdd>
inline void meetKeys(const CodeHeads& c, int pair, int first, int32_t (&sums)[4][kTileRows][kTileRows]) {
    const RowsOfRuns rows = keysOf(c.a);
    const uint64_t at = uint64_t(first) * rows.stride + uint64_t(pair) * 2 * kCodeBytes<Format>;
    eachOf<0, kAttendRuns>([&]<int run>() __attribute__((always_inline)) {
        Tiles::clear<run>();
        loadKeys<Format, kOdd>(c.s, rows.runs[run] + at, rows.stride);
        Tiles::addInts<run, 4, 5>();
        Tiles::store<run>(sums[run], sizeof sums[run][0]);
    });
}

/// Of two rows of sums side by side the low bytes', and 256 times the high bytes'.
inline __m512i wholeSums(const int32_t* first, const int32_t* second) {
    const auto both = [&](int at) {
        const auto eight = [](const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); };
        return _mm512_inserti64x4(_mm512_castsi256_si512(eight(first + at)), eight(second + at), 1);
    };
    return _mm512_add_epi32(_mm512_slli_epi32(both(0), 8), both(8));
}

/// columns[block][head]: those of a tile's 16 tokens.
inline void turnSums(const int32_t (&sums)[kTileRows][kTileRows], __m512i (&columns)[2][kAttendHeads]) {
    constexpr int kPart = kTileRows / 4;
    __m512i tokens[2][kPart]; // numbers i of each four, a four in each 128-bit part: an even and an odd block's heads
    for (int i = 0; i < kPart; ++i) {
        const __m512i first = wholeSums(sums[i], sums[kPart + i]),
                      second = wholeSums(sums[2 * kPart + i], sums[3 * kPart + i]);
        tokens[0][i] = _mm512_shuffle_i32x4(first, second, 0x88);
        tokens[1][i] = _mm512_shuffle_i32x4(first, second, 0xdd);
    }
    for (int b = 0; b < 2; ++b) {
        const __m512i *t = tokens[b], low[] = {_mm512_unpacklo_epi32(t[0], t[1]), _mm512_unpacklo_epi32(t[2], t[3])},
                      high[] = {_mm512_unpackhi_epi32(t[0], t[1]), _mm512_unpackhi_epi32(t[2], t[3])};
        columns[b][0] = _mm512_unpacklo_epi64(low[0], low[1]);
        columns[b][1] = _mm512_unpackhi_epi64(low[0], low[1]);
        columns[b][2] = _mm512_unpacklo_epi64(high[0], high[1]);
        columns[b][3] = _mm512_unpackhi_epi64(high[0], high[1]);
    }
}

/// What a pair of blocks adds to the scores of 16 tokens from t on, of which these are the sums; kFirst: it begins
/// them.
template <int kH, bool kFirst, bool kOdd>
inline void addScores(const CodeHeads& c, int pair, const int32_t (&sums)[kTileRows][kTileRows], int t) {
    __m512i columns[2][kAttendHeads];
    turnSums(sums, columns);
    const CodeRows keys = codedKeysOf(c.a);
    const Vec even = scalesAt(keys, 2 * pair, t), odd = kOdd ? scalesAt(keys, 2 * pair + 1, t) : zero();
    for (int h = 0; h < kH; ++h) {
        float* scores = c.a.scores + h * kAttendTokens + t;
        Vec sum = mul(_mm512_cvtepi32_ps(columns[0][h]), even);
        if constexpr (kOdd)
            sum = fma(_mm512_cvtepi32_ps(columns[1][h]), odd, sum);
        store(scores, kFirst ? sum : add(load(scores), sum));
    }
}

template <typename Format, int kH, bool kFirst, bool kOdd>
inline void scorePair(const CodeHeads& c, int pair, Ahead& ahead, int lines) {
    Tiles::load<5>(c.s.queries[c.group()][pair], 64);
    const auto sumsOf = [&](int first) -> auto& {
        return c.s.sums[first / kRunRows % 2];
    };
    meetKeys<Format, kOdd>(c, pair, 0, sumsOf(0));
    for (int first = 0; first < kCodeTokens; first += kRunRows) {
        if (const int next = first + kRunRows; next < kCodeTokens)
            meetKeys<Format, kOdd>(c, pair, next, sumsOf(next));
        for (int run = 0; run < kAttendRuns; ++run) {
            ahead.lines(lines);
            addScores<kH, kFirst, kOdd>(c, pair, sumsOf(first)[run], first * kAttendRuns + run * kRunRows);
        }
    }
}

/// Scores but for the queries' scales, while the values come nearer.
template <typename Format, int kH>
inline void scoreCodes(const CodeHeads& c) {
    const int blocks = (c.a.kDim + kCodes - 1) / kCodes, pairs = codePairs(c.a.kDim);
    Ahead values = c.head == 0 ? valuesAhead(c.a) : Ahead(nullptr, 0);
    const int lines = values.share(pairs * kAttendTokens / kRunRows);
    for (int pair = 0; pair < pairs; ++pair) {
        const bool first = pair == 0, odd = 2 * pair + 1 < blocks;
        (first ? odd ? scorePair<Format, kH, true, true> : scorePair<Format, kH, true, false>
         : odd ? scorePair<Format, kH, false, true>
               : scorePair<Format, kH, false, false>)(c, pair, values, lines);
    }
}

// --- Weights ---------------------------------------------------------------------------------------------------------

/// Scores become weights, and the states go on. Meanwhile two lines of the next keys for every 16 tokens.
template <int kH>
inline void weighCodes(const CodeHeads& c, Ahead& ahead) {
    const auto last = [](int i) { return lesser(i, kH - 1); };
    float* scores[4];
    SoftmaxState* states[4];
    Vec scale[4], top[4], sum[4];
    for (int h = 0; h < 4; ++h) {
        scores[h] = c.a.scores + last(h) * kAttendTokens;
        states[h] = c.a.state + c.head + last(h);
        scale[h] = splat(c.a.scale * c.s.queryScale[c.head + last(h)]);
        top[h] = splat(states[h]->max);
        sum[h] = zero();
    }
    for (int t = 0; t < kAttendTokens; t += kLanes) {
        ahead.linesOfAll(2);
        for (int h = 0; h < kH; ++h) {
            const Vec s = capScores(mul(load(scores[h] + t), scale[h]), c.a.softCap);
            store(scores[h] + t, s);
            top[h] = maximum(s, top[h]);
        }
    }
    const auto exponentiate = [&](__m128 max) {
        Vec tops[kH];
        for (int h = 0; h < kH; ++h)
            tops[h] = splatLane(max, h);
        for (int t = 0; t < kAttendTokens; t += kLanes) {
            ahead.linesOfAll(2);
            for (int h = 0; h < kH; ++h) {
                const Vec w = weightOf(sub(load(scores[h] + t), tops[h]));
                store(scores[h] + t, w);
                sum[h] = add(sum[h], w);
            }
        }
        return sumLanes4(sum[0], sum[last(1)], sum[last(2)], sum[last(3)]);
    };
    const __m128 max = maxLanes4({top[0], top[last(1)], top[last(2)], top[last(3)]});
    float corrections[4];
    _mm_storeu_ps(corrections, advanceStates<kH>(states, max, exponentiate));
    for (int h = 0; h < kH; ++h)
        correctSum(c.a, c.head + h, corrections[h]);
}

/// 64 whole numbers of 16 bits, that is words in the order of two packs, as bytes: fours of them lie in the order
/// 0, 4, 8, 12, 1, 5, ...
inline void storeBytes(int8_t* high, int8_t* low, __m512i first, __m512i second) {
    const __m512i byte = _mm512_set1_epi16(0xff), round = _mm512_set1_epi16(128); // x / 256 to nearest
    _mm512_storeu_si512(high,
                        _mm512_packs_epi16(_mm512_mulhrs_epi16(first, round), _mm512_mulhrs_epi16(second, round)));
    _mm512_storeu_si512(low, _mm512_packus_epi16(_mm512_and_si512(first, byte), _mm512_and_si512(second, byte)));
}

/// The weights of kH heads times the scales of a block of the values, as scale * two bytes each.
template <int kH>
inline void codeTiledWeights(const CodeHeads& c, int block) {
    const CodeRows values = codedValuesOf(c.a);
    const auto scales = [&](int t) { return scalesAt(values, block, t); };
    __m512i top[4] = {};
    for (int t = 0; t < kAttendTokens; t += kLanes) {
        const Vec magnitudes = absolute(scales(t));
        for (int h = 0; h < kH; ++h) // NaN is larger than all
            top[h] = _mm512_max_epu32(_mm512_castps_si512(mul(load(c.a.scores + h * kAttendTokens + t), magnitudes)),
                                      top[h]);
    }
    float largest[4];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(largest), mostLanes4(top));
    for (int h = 0; h < kH; ++h) {
        const float inverse = wholeNumbers(largest[h], &c.s.weightScale[block % 2][h]);
        const auto words = [&](int t) {
            const auto whole = [&](int at) {
                const Vec w = mul(load(c.a.scores + h * kAttendTokens + at), scales(at));
                return _mm512_cvtps_epi32(inverse != 0 ? mul(w, splat(inverse)) : zero());
            };
            return _mm512_packs_epi32(whole(t), whole(t + kLanes));
        };
        for (int t = 0; t < kAttendTokens; t += kCodeTokens) {
            auto& rows = c.s.weights[t / kCodeTokens];
            const int row = block % 2 * 2 * kAttendHeads + h;
            storeBytes(rows[row], rows[row + kAttendHeads], words(t), words(t + 2 * kLanes));
        }
    }
}

// --- Sums ------------------------------------------------------------------------------------------------------------

/// Four tokens' 64 codes as parts of the four column tiles: column 4 i + j of tile t is number 16 i + 4 t + j.
template <typename Format, bool kOdd>
inline void turnValues(int8_t (&tiles)[4][kQuads][kTiledCodes], int quad, const std::byte* codes, uint64_t stride) {
    const auto row = [&](int i) { return twoBlocks<Format, kOdd>(codes + uint64_t(i) * stride); };
    const __m512i a = row(0), b = row(1), c = row(2), d = row(3);
    const __m512i low[] = {_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d)};
    const __m512i high[] = {_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d)};
    _mm512_storeu_si512(tiles[0][quad], _mm512_unpacklo_epi16(low[0], low[1]));
    _mm512_storeu_si512(tiles[1][quad], _mm512_unpackhi_epi16(low[0], low[1]));
    _mm512_storeu_si512(tiles[2][quad], _mm512_unpacklo_epi16(high[0], high[1]));
    _mm512_storeu_si512(tiles[3][quad], _mm512_unpackhi_epi16(high[0], high[1]));
}

/// Tiles 0 to 3: sums of a pair of blocks of all values. Weights and values of 64 tokens have their fours in the same
/// order: four of each run in turn.
template <typename Format, bool kOdd>
inline void sumValues(const CodeHeads& c, int pair, Ahead& ahead, int lines) {
    const RowsOfRuns rows = valuesOf(c.a);
    const uint64_t at = uint64_t(pair) * 2 * kCodeBytes<Format>;
    const auto turn = [&](int part) {
        for (int quad = 0; quad < kQuads; ++quad) {
            const int first = part * kRunRows + quad / kAttendRuns * kQuadTokens;
            ahead.linesOfAll(lines);
            turnValues<Format, kOdd>(c.s.values[part % 2], quad,
                                     rows.runs[quad % kAttendRuns] + uint64_t(first) * rows.stride + at, rows.stride);
        }
    };
    const auto add = [&](int part) {
        Tiles::load<4>(c.s.weights[part], kCodeTokens);
        eachOf<0, 4>([&]<int tile>() __attribute__((always_inline)) {
            Tiles::load<5>(c.s.values[part % 2][tile], kTiledCodes);
            Tiles::addInts<tile, 4, 5>();
        });
    };
    constexpr int kParts = kAttendTokens / kCodeTokens;
    eachOf<0, 4>([&]<int tile>() { Tiles::clear<tile>(); });
    turn(0);
    for (int part = 1; part < kParts; ++part) {
        turn(part);
        add(part - 1);
    }
    add(kParts - 1);
    eachOf<0, 4>([&]<int tile>() { Tiles::store<tile>(c.s.sums[0][tile], sizeof c.s.sums[0][tile][0]); });
}

/// o += weights x the 32 values of a block, from the sums of its pair.
template <int kH>
inline void addBlock(const CodeHeads& c, int block) {
    const int odd = block % 2, column = block * kCodes;
    for (int h = 0; h < kH; ++h) {
        const int row = odd * 2 * kAttendHeads + h;
        const auto eights = [&](int tile) { // of this tile and the next
            const auto both = [&](int at) {
                const auto eight = [&](int t) {
                    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c.s.sums[0][t][at] + 8 * odd));
                };
                return _mm512_inserti64x4(_mm512_castsi256_si512(eight(tile)), eight(tile + 1), 1);
            };
            return _mm512_add_epi32(_mm512_slli_epi32(both(row), 8), both(row + kAttendHeads));
        };
        const __m512i first = eights(0), second = eights(2);
        const Vec scale = splat(c.s.weightScale[odd][h]);
        const auto put = [&](int i, __m512i sums) {
            float* o = c.a.o + (c.head + h) * c.a.vDim + column + i;
            if (const int live = lesser(kLanes, c.a.vDim - column - i); live > 0)
                storePart(o, fma(_mm512_cvtepi32_ps(sums), scale, loadPart(o, live)), live);
        };
        put(0, _mm512_shuffle_i32x4(first, second, 0x88));
        put(kLanes, _mm512_shuffle_i32x4(first, second, 0xdd));
    }
}

/// o += weights x values, while the rest of the next keys comes nearer.
template <typename Format, int kH>
inline void addCodePairs(const CodeHeads& c, Ahead& ahead) {
    constexpr int kPause = 4; // lines of each run while a block's weights become codes
    const int blocks = (c.a.vDim + kCodes - 1) / kCodes, pairs = codePairs(c.a.vDim);
    const int steps = pairs * kAttendTokens / kQuadTokens,
              lines = lesser(ahead.count, (ahead.left() * ahead.count + steps - 1) / steps);
    for (int pair = 0; pair < pairs; ++pair) {
        const bool odd = 2 * pair + 1 < blocks;
        codeTiledWeights<kH>(c, 2 * pair);
        ahead.lines(kPause);
        if (odd) {
            codeTiledWeights<kH>(c, 2 * pair + 1);
            ahead.lines(kPause);
        }
        (odd ? sumValues<Format, true> : sumValues<Format, false>)(c, pair, ahead, lines);
        addBlock<kH>(c, 2 * pair);
        if (odd)
            addBlock<kH>(c, 2 * pair + 1);
    }
    ahead.rest();
}

template <typename Format, int kH>
void attendTiledHeads(const Attend& a, int head) {
    const CodeHeads c{a, *reinterpret_cast<CodeTiles*>(a.scratch), head};
    if (!a.sameQueries)
        codeTiledQueries<kH>(c);
    if (head == 0)
        bringScales(a);
    scoreCodes<Format, kH>(c);
    Ahead ahead = head == 0 ? nextKeys(a) : Ahead(nullptr, 0);
    weighCodes<kH>(c, ahead);
    addCodePairs<Format, kH>(c, ahead);
}

/// See CpuKernels::attendTiles.
template <typename Format>
void attendCodeTiles(const Attend& a) {
    constexpr int kAll = kTileRows;
    configureRows({kAll, kAll, kAll, kAll, kAll, kAll, 0, 0});
    eachHeads<kAttendHeads>(a.heads, [&]<int kH>(int head) { attendTiledHeads<Format, kH>(a, head); });
    Tiles::release();
}

inline void overrideCodeTiles(CpuKernels& k) {
    k.attendTiles[size_t(Type::Q8_0)] = attendCodeTiles<quant::Q8_0>;
    k.attendTiles[size_t(Type::Q4_0)] = attendCodeTiles<quant::Q4_0>;
}

} // namespace
} // namespace hearth::kernels::cpu
