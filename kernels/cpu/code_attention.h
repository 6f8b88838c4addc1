#pragma once

// Attention of generated tokens over a cache of 8- and 4-bit codes, which are read as they lie: keys meet queries of 16
// bits, values meet weights of 16 bits, and the sums are whole numbers up to the scale of a block (keys) or to the end
// of a run of tokens (values). Included after float_kernels.h and block_fields.h. Internal linkage on purpose.

#include "kernels/quant/cache_block.h"

namespace hearth::kernels::cpu {
namespace {

using quant::kCodeBytes;

constexpr int kCodes = 32;          // a block
constexpr float kTop16 = 127 * 256; // whose high byte, rounded, still is a signed byte

constexpr int kQueryBlocks = kAttendHeads * kAttendDims / kCodes;

/// Where a call keeps its numbers. Those of queries serve all calls for the same heads: see Attend::sameQueries.
struct CodeScratch {
    uint16_t scales[kAttendDims / kCodes][kAttendTokens]; // of the keys, then of the values
    int16_t weights16[kAttendHeads][kAttendTokens + kCodes];
    float queryScale[kQueryBlocks];
    int16_t query[kQueryBlocks * kCodes];
    int8_t queryHigh[kQueryBlocks][kCodes], queryLow[kQueryBlocks][kCodes]; // its bytes
    int32_t querySums[kQueryBlocks]; // of a block; these three for who wants them
};

static_assert(sizeof(CodeScratch) <= kAttendScratchBytes);

/// Some heads' queries: where their numbers lie in the scratch.
struct CodeQueries {
    CodeScratch& s;
    int first, blocks; // the first head's first block, and those of each head

    inline int at(int head, int block) const { return first + head * blocks + block; }

    inline float scale(int head) const { return s.queryScale[at(head, 0)]; }
};

/// What the cached formats hold in the codes of a block: 32 signed bytes.
template <typename Format>
inline __m256i codesOf(const std::byte* block);

template <>
inline __m256i codesOf<quant::Q8_0>(const std::byte* block) {
    return load256(reinterpret_cast<const uint8_t*>(block));
}

template <>
inline __m256i codesOf<quant::Q4_0>(const std::byte* block) {
    const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block)), low = _mm_set1_epi8(15);
    const __m256i nibbles = _mm256_set_m128i(_mm_and_si128(_mm_srli_epi16(both, 4), low), _mm_and_si128(both, low));
    return _mm256_sub_epi8(nibbles, _mm256_set1_epi8(8));
}

/// The same, widened.
template <typename Format>
inline Wide wideCodesOf(const std::byte* block) {
    return widen(codesOf<Format>(block));
}

template <>
inline Wide wideCodesOf<quant::Q8_0>(const std::byte* block) {
    return widen32(reinterpret_cast<const uint8_t*>(block));
}

inline uint32_t magnitudeOf(float f) {
    uint32_t bits;
    std::memcpy(&bits, &f, 4);
    return bits & 0x7fffffffu;
}

/// The scale of numbers up to `largest` as whole ones of 16 bits, and what they are to be multiplied by; 0: all are 0.
/// What is no number makes the scale NaN or infinite.
inline float wholeNumbers(float largest, float* scale) {
    *scale = largest / kTop16;
    return *scale >= 0x1p-100f && *scale <= 0x1p110f ? 1.0f / *scale : 0.0f;
}

/// x as scale * whole numbers of 16 bits; returns the scale. `out` has room for whole vectors.
inline float toInt16(const float* x, int n, int16_t* out) {
    uint32_t bits = 0; // NaN is larger than all
    for (int i = 0; i < n; ++i)
        bits = magnitudeOf(x[i]) > bits ? magnitudeOf(x[i]) : bits;
    float largest, scale;
    std::memcpy(&largest, &bits, 4);
    const float inverse = wholeNumbers(largest, &scale);
    for (int i = 0; i < n; i += kLanes) {
        const Vec v = loadPart(x + i, lesser(kLanes, n - i));
        storeInt16(out + i, inverse != 0 ? mul(v, splat(inverse)) : zero());
    }
    return scale;
}

/// The keys or values of a call: rows of codes, and where their scales begin in each run.
struct CodeRows : RowsOfRuns {
    int64_t scales;
    uint64_t scaleStride;

    inline CodeRows(const RowsOfRuns& rows, int64_t at, uint64_t apart)
        : RowsOfRuns(rows), scales(at), scaleStride(apart) {}

    /// A run's scales of a block, from its token t on.
    inline const std::byte* scalesOf(int run, int block, int t) const {
        return runs[run] + scales + uint64_t(block) * scaleStride + uint64_t(t) * CacheArea::kScaleBytes;
    }

    /// The scales of so many tokens come nearer.
    inline void prefetchScales(int tokens, int dims) const {
        for (int r = 0; r < count(); ++r)
            for (int b = 0; b * kCodes < dims; ++b)
                prefetch(scalesOf(r, b, 0), uint64_t(tokens / count()) * CacheArea::kScaleBytes);
    }
};

inline CodeRows codedKeysOf(const Attend& a) {
    return {keysOf(a), a.kScales, a.scaleStride};
}

inline CodeRows codedValuesOf(const Attend& a) {
    return {valuesOf(a), a.vScales, a.scaleStride};
}

/// 16 scales.
inline __m256i loadScales(const std::byte* from) {
    return load256(reinterpret_cast<const uint8_t*>(from));
}

inline void storeScales(uint16_t* to, __m256i scales) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), scales);
}

/// 16 scales of each of four runs in the order of a call's tokens.
inline void interleaveScales(const std::byte* const (&runs)[kAttendRuns], uint16_t* to) {
    const __m256i a = loadScales(runs[0]), b = loadScales(runs[1]), c = loadScales(runs[2]), d = loadScales(runs[3]);
    const __m256i even[] = {_mm256_unpacklo_epi64(a, b), _mm256_unpacklo_epi64(c, d)};
    const __m256i odd[] = {_mm256_unpackhi_epi64(a, b), _mm256_unpackhi_epi64(c, d)};
    storeScales(to, _mm256_permute2x128_si256(even[0], even[1], 0x20));
    storeScales(to + 16, _mm256_permute2x128_si256(odd[0], odd[1], 0x20));
    storeScales(to + 32, _mm256_permute2x128_si256(even[0], even[1], 0x31));
    storeScales(to + 48, _mm256_permute2x128_si256(odd[0], odd[1], 0x31));
}

/// The scales of so many tokens and dims, in the order of the tokens; zeros up to the next 16 of them.
inline void takeScales(const CodeRows& rows, int tokens, int dims, uint16_t (*to)[kAttendTokens]) {
    static_assert(kAttendRuns == 4 && kRunTurn == 4 && kRunStep % 16 == 0);
    for (int b = 0; b * kCodes < dims; ++b) {
        if (rows.count() == kAttendRuns) {
            for (int t = 0; t < tokens; t += 16 * kAttendRuns) {
                const int at = t / kAttendRuns;
                interleaveScales({rows.scalesOf(0, b, at), rows.scalesOf(1, b, at), rows.scalesOf(2, b, at),
                                  rows.scalesOf(3, b, at)},
                                 to[b] + t);
            }
            continue;
        }
        int t = 0;
        for (; t + 16 <= tokens; t += 16)
            storeScales(to[b] + t, loadScales(rows.scalesOf(0, b, t)));
        if (t < tokens) {
            std::byte some[32] = {};
            std::memcpy(some, rows.scalesOf(0, b, t), uint64_t(tokens - t) * CacheArea::kScaleBytes);
            storeScales(to[b] + t, loadScales(some));
        }
    }
}

/// Those of tokens from t on, in a block.
inline Vec scalesAt(const uint16_t (*scales)[kAttendTokens], int block, int t) {
    return loadAs<Type::F16>(reinterpret_cast<const std::byte*>(scales[block] + t));
}

/// The weights of kH heads times a block's scales, as scale * whole numbers of 16 bits.
template <int kH>
inline void weightsOf(const Attend& a, int block, CodeScratch& s, float (&scale)[kH]) {
    uint16_t largest = 0; // as bits: NaN is larger than all
    for (int t = 0; t < a.tokens; ++t) {
        const uint16_t magnitude = s.scales[block][t] & 0x7fff;
        largest = magnitude > largest ? magnitude : largest;
    }
    const bool finite = largest < 0x7c00;
    Vec top[kH];
    for (int h = 0; h < kH; ++h)
        top[h] = zero();
    for (int t = 0; t < a.tokens; t += kLanes) {
        const Vec scales = scalesAt(s.scales, block, t), magnitudes = absolute(scales);
        for (int h = 0; h < kH; ++h)
            top[h] =
                maximum(mul(loadPart(a.scores + h * a.tokens + t, lesser(kLanes, a.tokens - t)), magnitudes), top[h]);
    }
    float inverse[kH];
    for (int h = 0; h < kH; ++h)
        inverse[h] = wholeNumbers(finite ? maxLane(top[h]) : __builtin_inff(), &scale[h]);
    for (int t = 0; t < a.tokens; t += kLanes) {
        const Vec scales = scalesAt(s.scales, block, t);
        for (int h = 0; h < kH; ++h) {
            const Vec weights = mul(loadPart(a.scores + h * a.tokens + t, lesser(kLanes, a.tokens - t)), scales);
            storeInt16(s.weights16[h] + t, inverse[h] != 0 ? mul(weights, splat(inverse[h])) : zero());
        }
    }
    for (int h = 0; h < kH; ++h)
        s.weights16[h][a.tokens] = 0; // an odd last row meets itself with no weight
}

/// o += weights x a block of the values, for kH heads.
template <typename Format, typename Weights, int kH>
inline void addCodes(const Attend& a, int head, int column, CodeScratch& s, Ahead& ahead) {
    const auto rows = valuesOf(a);
    const int block = column / kCodes * kCodeBytes<Format>;
    float scale[kH];
    Weights::template code<kH>(a, column / kCodes, s, scale);
    constexpr int kParts = kCodes / kWords; // each with sums of its own: more would not fit into the registers
    eachOf<0, kParts>([&]<int part>() {
        const int first = column + part * kWords;
        if (first >= a.vDim)
            return;
        Ints sums[kH][2] = {};
        const auto addPair = [&](int t, const std::byte* row, const std::byte* after) __attribute__((always_inline)) {
            const Words x = wideCodesOf<Format>(row).v[part], y = wideCodesOf<Format>(after).v[part];
            const Words low = lowPairs(x, y), high = highPairs(x, y);
            eachOf<0, kH>([&]<int h>() __attribute__((always_inline)) {
                const Words weights = splat4(s.weights16[h] + t);
                sums[h][0] = addPairs(sums[h][0], low, weights);
                sums[h][1] = addPairs(sums[h][1], high, weights);
            });
        };
        int t = 0;
        for (; t + 4 <= a.tokens; t += 4) {
            const std::byte* four = rows.four(t) + block;
            for (int i = 0; i < 4; i += 2) {
                ahead.linesOfAll(2 / kParts);
                addPair(t + i, four + uint64_t(i) * a.vStride, four + uint64_t(i + 1) * a.vStride);
            }
        }
        for (; t < a.tokens; t += 2) // an odd last row meets itself
            addPair(t, rows.row(t) + block, rows.row(lesser(t + 1, a.tokens - 1)) + block);
        for (int h = 0; h < kH; ++h) {
            Vec v[2];
            columnsOf(sums[h][0], sums[h][1], v);
            float* o = a.o + (head + h) * a.vDim + first;
            for (int i = 0; i < 2 && first + i * kLanes < a.vDim; ++i, o += kLanes) {
                const int live = lesser(kLanes, a.vDim - first - i * kLanes);
                storePart(o, fma(v[i], splat(scale[h]), loadPart(o, live)), live);
            }
        }
    });
}

/// How scores become weights, and those times a block's scales codes: what instruction sets may do in ways of their
/// own.
struct PlainWeights {
    template <int kH>
    static inline void weigh(const Attend& a, int head) {
        weighHeads(a, head, kH);
    }

    template <int kH>
    static inline void code(const Attend& a, int block, CodeScratch& s, float (&scale)[kH]) {
        weightsOf(a, block, s, scale);
    }
};

/// The scales of the values, and of the next keys.
inline void bringScales(const Attend& a) {
    if (a.v != a.k)
        codedValuesOf(a).prefetchScales(a.tokens, a.vDim);
    if (a.next) {
        const RowsOfRuns next(a.next, a.moreNext, a.kStride);
        CodeRows(next, a.nextScales, a.scaleStride).prefetchScales(a.nextTokens * next.count(), a.kDim);
    }
}

/// `Scores` meets the queries of kH heads with the keys, likewise; it is PlainWeights, too.
template <typename Format, typename Scores, int kH>
void attendCodeHeads(const Attend& a, int head) {
    CodeScratch& s = *reinterpret_cast<CodeScratch*>(a.scratch);
    const int blocks = (a.kDim + kCodes - 1) / kCodes;
    const bool keeps = a.heads * blocks <= kQueryBlocks; // else the next heads' queries take the place
    const CodeQueries queries{s, keeps ? head * blocks : 0, blocks};
    if (!keeps || !a.sameQueries)
        for (int h = 0; h < kH; ++h) {
            const int at = queries.at(h, 0);
            int16_t* query = s.query + at * kCodes;
            s.queryScale[at] = toInt16(a.q + (head + h) * a.kDim, a.kDim, query);
            for (int i = a.kDim; i < blocks * kCodes; ++i)
                query[i] = 0;
            for (int b = 0; b < blocks; ++b)
                Scores::prepare(s, at + b);
        }
    if (head == 0)
        bringScales(a);
    takeScales(codedKeysOf(a), a.tokens, a.kDim, s.scales);
    Scores::template run<Format, kH>(a, queries);
    // A third of the next keys while weights are made, the others over the first of the values, two lines for a pair of
    // tokens: what comes later is not there in time.
    Ahead ahead = head == 0 ? nextKeys(a) : Ahead(nullptr, 0);
    constexpr int kPauses = 3;
    const int some = ahead.left() / 3 / kPauses;
    ahead.lines(some);
    Scores::template weigh<kH>(a, head);
    ahead.lines(some);
    takeScales(codedValuesOf(a), a.tokens, a.vDim, s.scales);
    ahead.lines(some);
    for (int column = 0; column < a.vDim; column += kCodes)
        addCodes<Format, Scores, kH>(a, head, column, s, ahead);
    ahead.rest();
}

template <typename Format, typename Scores>
void attendCodes(const Attend& a) {
    eachHeads<kHeadsAtOnce>(a.heads, [&]<int kH>(int head) { attendCodeHeads<Format, Scores, kH>(a, head); });
}

/// The numbers of a token's block.
template <typename Format>
inline void unpackBlock(const Unpack& a, int64_t token, int64_t block, Vec (&v)[kCodes / kLanes]) {
    const std::byte* scale = a.cached.first + uint64_t(block) * a.cached.stride + token * CacheArea::kScaleBytes;
    toFloats(codesOf<Format>(a.weights + uint64_t(token) * a.stride + block * kCodeBytes<Format>), v);
    const Vec factor = splat(quant::loadF16(reinterpret_cast<const uint8_t*>(scale)));
    for (Vec& numbers : v)
        numbers = mul(numbers, factor);
}

template <typename Format>
void unpackCodeKeys(const Unpack& a) {
    constexpr int kVectors = kCodes / kLanes;
    for (int n = 0; n < kPanelOutputs; n += kLanes)
        for (int64_t b = 0; b * kCodes < a.cols; ++b) {
            Vec rows[kVectors][kLanes];
            for (int i = 0; i < kLanes; ++i) {
                Vec v[kVectors];
                for (Vec& none : v)
                    none = zero();
                if (n + i < a.outputs)
                    unpackBlock<Format>(a, n + i, b, v);
                for (int j = 0; j < kVectors; ++j)
                    rows[j][i] = v[j];
            }
            for (int j = 0; j < kVectors; ++j)
                storeColumns(rows[j], static_cast<float*>(a.panel) + (b * kCodes + j * kLanes) * kPanelOutputs + n,
                             kLanes);
        }
}

template <typename Format>
void unpackCodeValues(const Unpack& a) {
    for (int64_t t = 0; t < a.cols; ++t) {
        Vec v[kCodes / kLanes];
        unpackBlock<Format>(a, t, 0, v);
        for (int i = 0; i < kCodes / kLanes; ++i)
            store(static_cast<float*>(a.panel) + t * kPanelOutputs + i * kLanes,
                  keepLanes(v[i], 0, a.outputs - i * kLanes));
    }
}

template <typename Format>
void storeCodes(const float* in, const CacheRow& out, int64_t n) {
    auto *codes = reinterpret_cast<uint8_t*>(out.row), *scale = reinterpret_cast<uint8_t*>(out.scales.first);
    for (int64_t i = 0; i < n; i += kCodes, codes += kCodeBytes<Format>, scale += out.scales.stride)
        quant::storeBlock<Format>(in + i, n - i, codes, scale);
}

template <typename Format, typename Scores>
void overrideCache(CpuKernels& k, Type type) {
    k.attend[size_t(type)] = attendCodes<Format, Scores>;
    k.unpackKeys[size_t(type)] = unpackCodeKeys<Format>;
    k.unpackValues[size_t(type)] = unpackCodeValues<Format>;
    k.store[size_t(type)] = storeCodes<Format>;
}

template <typename Scores>
inline void overrideCaches(CpuKernels& k) {
    overrideCache<quant::Q8_0, Scores>(k, Type::Q8_0);
    overrideCache<quant::Q4_0, Scores>(k, Type::Q4_0);
}

} // namespace
} // namespace hearth::kernels::cpu
