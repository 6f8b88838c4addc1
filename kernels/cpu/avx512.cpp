// AVX-512 (F, BW, DQ, VL, VNNI, VBMI: Ice Lake, Zen 4 and later). Compiled with those flags: nothing with inline
// library code may be included here.

#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/float_kernels.h"

#include "kernels/cpu/head_lanes_512.h"

#include "kernels/cpu/codes_512.h"

#include "kernels/cpu/code_attention.h"

#include "kernels/cpu/pair_attention.h"

#include "kernels/cpu/latent_attention.h"

#include "kernels/cpu/pair_product.h"

#include "kernels/cpu/code_panel.h"

namespace hearth::kernels::cpu {
namespace {

// --- Generated tokens: dot products of weight rows and A8 rows -----------------------------------------------------

/// Weight rows that are met at once.
template <typename Format>
constexpr int kRowsOfDot = Format::kGroup == 32 ? 2 : 1;

/// The running sums of an activation row and one weight row, or two: the first in the lower eight lanes, the second in
/// the upper ones.
struct Dot {
    __m512 sum, odd; // `odd`: of formats with groups of 16, the second halves of 32
    __m512 mins;
};

/// The first 16 * kPairs bytes of vectors: those of kPairs pairs of groups, whole registers of 16, 32 or 64 bytes;
/// whole(): with zeros behind them.
template <int kPairs>
struct Width;

template <>
struct Width<1> {
    using Int = __m128i;
    using Float = __m128;

    static inline Int codes(__m512i q) { return _mm512_castsi512_si128(q); }

    static inline Int load(const int8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

    static inline Int none() { return _mm_setzero_si128(); }

    static inline Int dot(Int sum, Int w, Int x) { return _mm_dpbusd_epi32(sum, w, x); }

    static inline Float part(__m512 v) { return _mm512_castps512_ps128(v); }

    static inline Float add(Int dots, Float factors, Float sum) {
        return _mm_fmadd_ps(_mm_cvtepi32_ps(dots), factors, sum);
    }

    static inline __m512 putInto(__m512 v, Float first) { return _mm512_insertf32x4(v, first, 0); }

    static inline __m512i whole(Int v) { return _mm512_zextsi128_si512(v); }
};

template <>
struct Width<2> {
    using Int = __m256i;
    using Float = __m256;

    static inline Int codes(__m512i q) { return _mm512_castsi512_si256(q); }

    static inline Int load(const int8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

    static inline Int none() { return _mm256_setzero_si256(); }

    static inline Int dot(Int sum, Int w, Int x) { return _mm256_dpbusd_epi32(sum, w, x); }

    static inline Float part(__m512 v) { return _mm512_castps512_ps256(v); }

    static inline Float add(Int dots, Float factors, Float sum) {
        return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), factors, sum);
    }

    static inline __m512 putInto(__m512 v, Float first) { return _mm512_insertf32x8(v, first, 0); }

    static inline __m512i whole(Int v) { return _mm512_zextsi256_si512(v); }
};

template <>
struct Width<4> {
    using Int = __m512i;
    using Float = __m512;

    static inline Int codes(__m512i q) { return q; }

    static inline Int load(const int8_t* p) { return _mm512_loadu_si512(p); }

    static inline Int none() { return _mm512_setzero_si512(); }

    static inline Int dot(Int sum, Int w, Int x) { return _mm512_dpbusd_epi32(sum, w, x); }

    static inline Float part(__m512 v) { return v; }

    static inline Float add(Int dots, Float factors, Float sum) {
        return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), factors, sum);
    }

    static inline __m512 putInto(__m512, Float first) { return first; }

    static inline __m512i whole(Int v) { return v; }
};

/// Eights [first, last) of w times x, added up in each lane; two lanes belong to a group.
template <int kPairs>
inline typename Width<kPairs>::Int codeProducts(const Codes& w, const A8Block& x, int first, int last) {
    using W = Width<kPairs>;
    typename W::Int dots = W::none();
    for (int i = first; i < last; ++i)
        dots = W::dot(dots, W::codes(w.q[i]), W::load(x.q + 64 * i));
    return dots;
}

/// sum + factors * (eights [first, last) of w times x), lane by lane.
template <int kPairs>
inline __m512 addCodeProducts(__m512 sum, const Codes& w, const A8Block& x, int first, int last, __m512 factors) {
    using W = Width<kPairs>;
    return W::putInto(sum, W::add(codeProducts<kPairs>(w, x, first, last), W::part(factors), W::part(sum)));
}

/// Groups of 16.
template <typename Format, int kPairs>
inline void addBlock(Dot& dot, const Codes& w, const A8Block& x) {
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    const __m512 spread = _mm512_permutexvar_ps(twice, _mm512_loadu_ps(x.scale));
    dot.mins = _mm512_fmadd_ps(kIsCentred<Format> ? w.scale16 : w.min16, _mm512_loadu_ps(x.sum16), dot.mins);
    const __m512 even = _mm512_mul_ps(_mm512_moveldup_ps(w.scale16), spread);
    const __m512 odd = _mm512_mul_ps(_mm512_movehdup_ps(w.scale16), spread);
    dot.sum = addCodeProducts<kPairs>(dot.sum, w, x, 0, 2, even);
    dot.odd = addCodeProducts<kPairs>(dot.odd, w, x, 2, 4, odd);
}

/// Groups of 32 of two weight rows.
struct TwoRows {
    const Codes &first, &second;
    __m512 scales, mins; // eight of each row

    inline TwoRows(const Codes& a, const Codes& b)
        : first(a), second(b), scales(_mm512_shuffle_f32x4(a.scaleMin, b.scaleMin, 0x44)),
          mins(_mm512_shuffle_f32x4(a.scaleMin, b.scaleMin, 0xee)) {}

    /// kBoth: else there is no second row.
    template <int kPairs, bool kBoth>
    inline void addTo(Dot& dot, const A8Block& x) const {
        using W = Width<kPairs>;
        const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        const __m512i a = W::whole(codeProducts<kPairs>(first, x, 0, 4));
        const __m512i b = kBoth ? W::whole(codeProducts<kPairs>(second, x, 0, 4)) : _mm512_setzero_si512();
        const __m512i groups =
            _mm512_add_epi32(_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b));
        const auto twice = [](const float* eight) { return _mm512_broadcast_f32x8(_mm256_loadu_ps(eight)); };
        dot.sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(groups), _mm512_mul_ps(scales, twice(x.scale)), dot.sum);
        dot.mins = _mm512_fmadd_ps(mins, twice(x.sum32), dot.mins);
    }
};

/// One vector whose lanes add up to the product.
template <typename Format>
inline Vec lanesOf(const Dot& dot) {
    if constexpr (Format::kGroup == 16) {
        const Vec products = add(dot.sum, dot.odd);
        if constexpr (kIsCentred<Format>)
            return fma(dot.mins, splat(-float(Format::kOffset)), products);
        return add(products, dot.mins);
    }
    return add(dot.sum, dot.mins);
}

/// Those that kW weight rows have with an activation row, and with kR of them.
template <typename Format, int kW>
constexpr int kDots = (kW + kRowsOfDot<Format> - 1) / kRowsOfDot<Format>;
template <typename Format, int kW, int kR>
using Dots = Dot[kDots<Format, kW>][kR];

/// 64, 128 or 192 numbers at the end of a row of a 32- or 64-number format, or 256 in the middle.
template <typename Format, int kPairs, int kW, int kR>
inline void addChunk(Dots<Format, kW, kR>& dots, const uint8_t* const (&w)[kW], const A8Block* const (&x)[kR],
                     int64_t chunk) {
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes, kWide = kPairs == 3 ? 4 : kPairs;
    const auto load = [&](int i) { return Format::template load<kPairs>(w[i] + chunk * kChunkBytes); };
    if constexpr (kRowsOfDot<Format> == 2) {
        constexpr int kPairsOfRows = kDots<Format, kW>;
        eachOf<0, kPairsOfRows>([&]<int i>() __attribute__((always_inline)) {
            constexpr bool kBoth = 2 * i + 1 < kW;
            const Codes first = load(2 * i), second = kBoth ? load(2 * i + 1) : first;
            const TwoRows rows(first, second);
            for (int r = 0; r < kR; ++r)
                rows.template addTo<kWide, kBoth>(dots[i][r], x[r][chunk]);
        });
    } else {
        for (int i = 0; i < kW; ++i) {
            const Codes codes = load(i);
            for (int r = 0; r < kR; ++r)
                addBlock<Format, kWide>(dots[i][r], codes, x[r][chunk]);
        }
    }
}

/// What is left of a row of a 32- or 64-number format after whole chunks, in blocks of 32: an odd last block is seen
/// with zeros beside it.
template <typename Format, int kW, int kR>
inline void addTail(Dots<Format, kW, kR>& dots, const uint8_t* const (&w)[kW], const A8Block* const (&x)[kR],
                    int64_t chunk, int blocks) {
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes;
    if (Format::kBlock == 32 && blocks % 2 == 1) {
        uint8_t padded[kW][kChunkBytes + 64] = {};
        const uint8_t* rows[kW];
        const A8Block* last[kR];
        for (int i = 0; i < kW; ++i) {
            std::memcpy(padded[i], w[i] + chunk * kChunkBytes, size_t(blocks * Format::kBytes));
            rows[i] = padded[i];
        }
        for (int r = 0; r < kR; ++r)
            last[r] = x[r] + chunk;
        addChunk<Format, 4, kW, kR>(dots, rows, last, 0);
    } else if (blocks == 2) {
        addChunk<Format, 1, kW, kR>(dots, w, x, chunk);
    } else if (blocks == 4) {
        addChunk<Format, 2, kW, kR>(dots, w, x, chunk);
    } else if (blocks == 6) {
        addChunk<Format, 3, kW, kR>(dots, w, x, chunk);
    }
}

/// What the rows hold further on, which may be the next row's, or nothing. The processor's own readers of streams
/// follow one or two streams with work between the reads too slowly (4 to 8 % at four activation rows); four need less
/// of it.
template <typename Format, int kW, int kR>
inline void prefetchAhead(const uint8_t* const (&w)[kW], int64_t chunk) {
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes, kAhead = kR > 1 ? 2048 : 1024;
    for (int i = 0; i < kW; ++i)
        for (int at = 0; at < kChunkBytes; at += 64) {
            const auto* next = reinterpret_cast<const char*>(w[i]) + chunk * kChunkBytes + kAhead + at;
            if constexpr (kR > 1)
                _mm_prefetch(next, _MM_HINT_T0);
            else
                _mm_prefetch(next, _MM_HINT_T1);
        }
}

/// kW weight rows n, n + step, ... x kR activation rows. Every product is computed and added up in the same way, so its
/// bits do not depend on kW or kR.
template <typename Format, int kW, int kR>
[[gnu::flatten]] void dotRows(const MatVec& a, int64_t n, int64_t step, int row) {
    const uint8_t* w[kW];
    const A8Block* x[kR];
    constexpr int kEach = kDots<Format, kW>;
    Dots<Format, kW, kR> dots;
    for (int i = 0; i < kW; ++i)
        w[i] = reinterpret_cast<const uint8_t*>(a.weights + uint64_t(n + i * step) * a.weightStride);
    for (int r = 0; r < kR; ++r)
        x[r] = reinterpret_cast<const A8Block*>(a.x + uint64_t(row + r) * a.xStride);
    for (int i = 0; i < kEach; ++i)
        for (int r = 0; r < kR; ++r)
            dots[i][r] = {zero(), zero(), zero()};
    const int64_t chunks = a.k / 256;
    for (int64_t c = 0; c < chunks; ++c) {
        prefetchAhead<Format, kW, kR>(w, c);
        addChunk<Format, 4, kW, kR>(dots, w, x, c);
    }
    if constexpr (Format::kBlock < 256)
        if (a.k % 256 != 0)
            addTail<Format, kW, kR>(dots, w, x, chunks, int(a.k % 256) / 32);
    constexpr int kSums = (kEach * kR + 3) / 4 * 4; // four are added up at once
    Vec lanes[kSums];
    for (int i = 0; i < kSums; ++i)
        lanes[i] = i < kEach * kR ? lanesOf<Format>(dots[i / kR % kEach][i % kR]) : zero();
    constexpr int kOfDot = kRowsOfDot<Format>;
    float sums[kOfDot][kSums];
    for (int i = 0; i < kSums; i += 4) {
        __m128 halves[2];
        if constexpr (kOfDot == 2)
            sumHalves4(lanes[i], lanes[i + 1], lanes[i + 2], lanes[i + 3], halves);
        else
            halves[0] = sumLanes4(lanes[i], lanes[i + 1], lanes[i + 2], lanes[i + 3]);
        for (int h = 0; h < kOfDot; ++h)
            _mm_storeu_ps(sums[h] + i, halves[h]);
    }
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r)
            finish(a, row + r, n + i * step, sums[i % kOfDot][i / kOfDot * kR + r]);
}

/// Two or more activation rows with two weight rows, as many at once as the registers hold, in parts that differ by one
/// at most: single rows cost as much as a pair.
template <typename Format>
void dotAllRows(const MatVec& a, int64_t n, int64_t step) {
    constexpr int kMost = kRowsOfDot<Format> == 2 ? 6 : 4;
    for (int r = 0; r < a.rows;) {
        const int left = a.rows - r, parts = (left + kMost - 1) / kMost, now = (left + parts - 1) / parts;
        eachOf<2, kMost + 1>([&]<int kR>() {
            if (now == kR)
                dotRows<Format, 2, kR>(a, n, step, r);
        });
        r += now;
    }
}

/// One activation row: four weight rows at once, a quarter of the rows apart, because four streams read faster from
/// memory than one. Several: two weight rows, once read, meet all of them, and each activation serves both.
template <typename Format>
void matvecCodes(const MatVec& a) {
    const int64_t streams = a.rows == 1 ? 4 : 2, part = a.outputs / streams;
    for (int64_t n = 0; n < part; ++n)
        if (a.rows == 1)
            dotRows<Format, 4, 1>(a, n, part, 0);
        else
            dotAllRows<Format>(a, n, part);
    for (int64_t n = streams * part; n < a.outputs; ++n) // three at most
        for (int r = 0; r < a.rows; ++r)
            dotRows<Format, 1, 1>(a, n, 0, r);
}

// --- Prompt tokens: panels of 16 outputs -----------------------------------------------------------------------------

template <typename Format>
void unpackCodes(const Unpack& a) {
    using Group = PanelGroup<Format::kGroup>;
    constexpr int kParts = 32 / Format::kGroup;
    const int64_t groups = a.cols / 32;
    for (int first = 0; first < kPanelOutputs; first += 16)
        for (int64_t g = 0; g < groups; g += 8) {
            const int live = groups - g < 8 ? int(groups - g) : 8;
            Group* to = static_cast<Group*>(a.panel) + g;
            const TurnedRows<Format> turned(a, first, g / 8, live);
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 2 * live; ++j)
                    _mm512_storeu_si512(to[j / 2].q[2 * i + j % 2][first], turned.rows.q[i][j]);
            for (int j = 0; j < live * kParts; ++j) {
                store(to[j / kParts].scale[j % kParts] + first, turned.scale[j]);
                store(to[j / kParts].min[j % kParts] + first, turned.min[j]);
            }
        }
}

inline Vec splatAt(const std::byte* p) {
    float f;
    std::memcpy(&f, p, 4);
    return splat(f);
}

constexpr int64_t kSum32At = offsetof(A8Block, sum32), kSum16At = offsetof(A8Block, sum16),
                  kOffset16At = offsetof(A8Block, offset16), kCodesAt = offsetof(A8Block, q);

/// Outputs that are met at once, 16 each, and rows: what the registers hold. Of groups of 16 both halves' sums are
/// live.
template <int kGroup>
constexpr int kVectors = kGroup / 16;
template <int kGroup>
constexpr int kGemmRows = kGroup == 32 ? 6 : 5;

/// Number `part` of the 32 / kGroup of a group, from output n on, times number `at` of the blocks x[r]. Of centred
/// codes the sums begin with what kCentre too much adds, which so costs no multiplication.
template <int kGroup, bool kCentred, int kR, int kV>
inline void multiplyCodes(const PanelGroup<kGroup>& w, int n, const std::byte* const (&x)[kR], int64_t at, int part,
                          __m512i (&dots)[kR][kV]) {
    for (int r = 0; r < kR; ++r) {
        const std::byte* offsets = x[r] + kOffset16At + at * 8 + part * 4;
        __m512i begin = _mm512_setzero_si512();
        if constexpr (kCentred)
            begin = kGroup == 32 ? _mm512_add_epi32(splat4(offsets), splat4(offsets + 4)) : splat4(offsets);
        for (int v = 0; v < kV; ++v)
            dots[r][v] = begin;
    }
    for (int k = 0; k < kGroup / 4; ++k) {
        __m512i codes[kV];
        for (int v = 0; v < kV; ++v)
            codes[v] = _mm512_loadu_si512(w.q[part * (kGroup / 4) + k][n + 16 * v]);
        for (int r = 0; r < kR; ++r) {
            const __m512i xs = splat4(x[r] + kCodesAt + at * 8 + inEights(part * kGroup + 4 * k));
            for (int v = 0; v < kV; ++v)
                dots[r][v] = _mm512_dpbusd_epi32(dots[r][v], codes[v], xs);
        }
    }
}

/// One group of 32 inputs. Weights' scales for 16 inputs come before the activations' one for 32.
template <int kGroup, bool kCentred, int kR, int kV>
inline void addGroup(const PanelGroup<kGroup>& w, int n, const std::byte* const (&x)[kR], int64_t at,
                     Vec (&sums)[kR][kV]) {
    constexpr int kParts = 32 / kGroup;
    Vec both[kR][kV];
    for (int part = 0; part < kParts; ++part) {
        __m512i dots[kR][kV];
        multiplyCodes<kGroup, kCentred>(w, n, x, at, part, dots);
        for (int v = 0; v < kV; ++v) {
            const Vec scale = load(w.scale[part] + n + 16 * v);
            for (int r = 0; r < kR; ++r) {
                const Vec products = _mm512_cvtepi32_ps(dots[r][v]);
                both[r][v] = part == 0 ? mul(products, scale) : fma(products, scale, both[r][v]);
            }
        }
    }
    for (int v = 0; v < kV; ++v)
        for (int r = 0; r < kR; ++r) {
            sums[r][v] = fma(both[r][v], splatAt(x[r] + at * 4), sums[r][v]);
            for (int part = 0; part < kParts && !kCentred; ++part)
                sums[r][v] = fma(load(w.min[part] + n + 16 * v),
                                 splatAt(kParts == 1 ? x[r] + kSum32At + at * 4 : x[r] + kSum16At + at * 8 + part * 4),
                                 sums[r][v]);
        }
}

template <int kGroup, bool kCentred, int kR>
void gemmCodeRows(const Gemm& a, int row) {
    constexpr int kV = kVectors<kGroup>;
    for (int n = 0; n < kPanelOutputs; n += 16 * kV) {
        const auto* w = static_cast<const PanelGroup<kGroup>*>(a.panel);
        const std::byte* x[kR];
        Vec sums[kR][kV];
        for (int r = 0; r < kR; ++r) {
            x[r] = a.x + uint64_t(row + r) * a.xStride;
            const float* before = sumsBefore(a.sums, row + r);
            for (int v = 0; v < kV; ++v)
                sums[r][v] = before ? load(before + n + 16 * v) : zero();
        }
        for (int64_t left = a.cols / 32; left > 0; left -= 8) {
            const int64_t groups = left < 8 ? left : 8;
            for (int64_t at = 0; at < groups; ++at, ++w)
                addGroup<kGroup, kCentred>(*w, n, x, at, sums);
            for (int r = 0; r < kR; ++r)
                x[r] += sizeof(A8Block);
        }
        for (int r = 0; r < kR; ++r)
            for (int v = 0; v < kV; ++v)
                store(sumsAfter(a.sums, row + r) + n + 16 * v, sums[r][v]);
    }
}

/// As many rows at a time as the registers hold, the last in two halves: single rows would leave the processor waiting.
template <int kGroup, bool kCentred>
void gemmCodes(const Gemm& a) {
    constexpr int kMost = kGemmRows<kGroup>;
    static constexpr void (*kRows[])(const Gemm&, int) = {
        gemmCodeRows<kGroup, kCentred, 1>, gemmCodeRows<kGroup, kCentred, 2>, gemmCodeRows<kGroup, kCentred, 3>,
        gemmCodeRows<kGroup, kCentred, 4>, gemmCodeRows<kGroup, kCentred, 5>, gemmCodeRows<kGroup, kCentred, 6>};
    for (int r = 0; r < a.rows;) {
        const int left = a.rows - r;
        const int now = left >= 2 * kMost || left == kMost ? kMost : left > kMost ? (left + 1) / 2 : left;
        kRows[now - 1](a, r);
        r += now;
    }
}

/// Panels of floats, by each format's plain decoder.
template <typename Format>
void unpackDecoded(const Unpack& a) {
    constexpr int kCols = Format::kBlock; // a multiple of 32
    float w[kLanes][kCols];
    for (int n = 0; n < kPanelOutputs; n += kLanes)
        for (int64_t c = 0; c < a.cols; c += kCols) {
            for (int i = 0; i < kLanes && n + i < a.outputs; ++i)
                Format::decode(reinterpret_cast<const uint8_t*>(a.weights + uint64_t(n + i) * a.stride) +
                                   c / kCols * Format::kBytes,
                               w[i]);
            for (int k = 0; k < kCols; k += kLanes) {
                Vec rows[kLanes];
                for (int i = 0; i < kLanes; ++i)
                    rows[i] = n + i < a.outputs ? load(w[i] + k) : zero();
                storeColumns(rows, static_cast<float*>(a.panel) + (c + k) * kPanelOutputs + n, kLanes);
            }
        }
}

template <typename Format>
void overrideCodes(CpuKernels& k, Type type) {
    k.matvecInt8[size_t(type)] = matvecCodes<Format>;
    k.unpackInt8[size_t(type)] = unpackCodes<Format>;
    k.unpackF32[size_t(type)] = unpackDecoded<Format>;
    k.gemmInt8[size_t(type)] = gemmCodes<Format::kGroup, kIsCentred<Format>>;
}

// --- Generated tokens: keys of 8- and 4-bit codes --------------------------------------------------------------------

/// 16 keys at once, a lane each: a block of them is turned, so that four numbers of all 16 lie in a vector, and meets
/// the high and the low bytes of the queries.
struct KeyScores : PlainWeights {
    static constexpr int kKeys = 16;

    static inline void prepare(CodeScratch& s, int block) {
        int sum = 0;
        for (int i = 0; i < kCodes; ++i) {
            const int q = s.query[block * kCodes + i], high = (q + 128) >> 8;
            s.queryHigh[block][i] = int8_t(high);
            s.queryLow[block][i] = int8_t(q - 256 * high);
            sum += q;
        }
        s.querySums[block] = sum;
    }

    template <int kH>
    static inline void weigh(const Attend& a, int head) {
        if (a.tokens <= kKeyBlock)
            weighFewHeads<kH>(a, head);
        else
            weighHeads(a, head, kH);
    }

    template <int kH>
    static inline void code(const Attend& a, int block, CodeScratch& s, float (&scale)[kH]) {
        if (a.tokens <= kKeyBlock)
            codeFewWeights(a, block, s, scale);
        else
            weightsOf(a, block, s, scale);
    }

    /// weightsOf() for up to four heads and kKeyBlock tokens: what is looked at twice stays in registers.
    template <int kH>
    static inline void codeFewWeights(const Attend& a, int block, CodeScratch& s, float (&scale)[kH]) {
        constexpr int kV = kKeyBlock / kLanes;
        Vec scales[kV], w[kH][kV];
        __m512i top[4] = {};
        for (int v = 0; v < kV; ++v) {
            const int live = a.tokens - v * kLanes < 0 ? 0 : lesser(kLanes, a.tokens - v * kLanes);
            scales[v] = keepLanes(scalesAt(s.scales, block, v * kLanes), 0, live);
            for (int h = 0; h < kH; ++h) {
                w[h][v] = mul(loadPart(a.scores + h * a.tokens + v * kLanes, live), scales[v]);
                top[h] = _mm512_max_epu32(_mm512_castps_si512(absolute(w[h][v])), top[h]); // NaN is larger than all
            }
        }
        float largest[4], inverses[4];
        _mm_storeu_si128(reinterpret_cast<__m128i*>(largest), mostLanes4(top));
        for (int h = 0; h < kH; ++h)
            inverses[h] = wholeNumbers(largest[h], &scale[h]);
        for (int h = 0; h < kH; ++h) {
            for (int v = 0; v < kV; ++v)
                storeInt16(s.weights16[h] + v * kLanes, inverses[h] != 0 ? mul(w[h][v], splat(inverses[h])) : zero());
            s.weights16[h][a.tokens] = 0; // an odd last row meets itself with no weight
        }
    }

    template <typename Format, int kH>
    static inline void run(const Attend& a, const CodeQueries& q) {
        int t = 0;
        Ahead values = valuesAhead(a); // which come next
        const int lines = values.share((a.tokens + kKeys - 1) / kKeys * ((a.kDim + kCodes - 1) / kCodes));
        for (; t + kKeys <= a.tokens; t += kKeys)
            keys<Format, kH, true>(a, q, t, values, lines);
        if (t < a.tokens)
            keys<Format, kH, false>(a, q, t, values, lines);
    }

    /// columns[c]: bytes 4c to 4c+3 of one block of 16 keys, unsigned; the keys in fours, for each on its own is more
    /// addresses than the registers hold.
    template <typename Format>
    static inline void turnBlocks(const std::byte* const (&fours)[4], uint64_t stride, __m512i (&columns)[8]) {
        const auto codes = [&](int t) { return codesOf<Format>(fours[t / 4] + uint64_t(t % 4) * stride); };
        const __m512i signs = _mm512_set1_epi8(char(0x80));
        for (int half = 0; half < 2; ++half) { // keys 8 * half + i | 8 * half + 4 + i
            __m512i r[4], p[4], *out = columns + 4 * half;
            for (int i = 0; i < 4; ++i)
                r[i] = _mm512_xor_si512(
                    signs, _mm512_inserti64x4(_mm512_castsi256_si512(codes(8 * half + i)), codes(8 * half + 4 + i), 1));
            for (int i = 0; i < 4; i += 2) {
                p[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
                p[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
            }
            out[0] = _mm512_unpacklo_epi64(p[0], p[2]);
            out[1] = _mm512_unpackhi_epi64(p[0], p[2]);
            out[2] = _mm512_unpacklo_epi64(p[1], p[3]);
            out[3] = _mm512_unpackhi_epi64(p[1], p[3]);
        }
        // columns[4 * half + c]: in its 128-bit parts columns c | 4 + c of four keys, then of the next four.
        for (int c = 0; c < 4; ++c) {
            const __m512i first = columns[c], second = columns[4 + c];
            columns[c] = _mm512_shuffle_i32x4(first, second, 0x88);
            columns[4 + c] = _mm512_shuffle_i32x4(first, second, 0xdd);
        }
    }

    static inline __m512i dots(const __m512i (&columns)[8], const int8_t* q, __m512i sums) {
        for (int c = 0; c < 8; ++c)
            sums = addFours(sums, columns[c], q + 4 * c);
        return sums;
    }

    /// The keys from t on; kWhole: all are there, else the first takes the place of others. `lines` of the values for
    /// every block. Not inline: with everything around it, it has too few registers.
    template <typename Format, int kH, bool kWhole>
    [[gnu::noinline]] static void keys(const Attend& a, const CodeQueries& q, int t, Ahead& values, int lines) {
        const CodeScratch& s = q.s;
        const int live = kWhole ? kKeys : a.tokens - t;
        const RowsOfRuns rows = keysOf(a);
        const std::byte* first[kKeys / 4];
        if constexpr (kWhole)
            for (int i = 0; i < kKeys / 4; ++i)
                first[i] = rows.four(t + 4 * i);
        Vec sums[kH];
        for (int h = 0; h < kH; ++h)
            sums[h] = zero();
        for (int b = 0; b * kCodes < a.kDim; ++b) {
            values.lines(lines);
            __m512i columns[8];
            const std::byte* fours[kKeys / 4];
            if constexpr (kWhole) {
                for (int i = 0; i < kKeys / 4; ++i)
                    fours[i] = first[i] + b * kCodeBytes<Format>;
                turnBlocks<Format>(fours, a.kStride, columns);
            } else {
                constexpr int kBytes = kCodeBytes<Format>;
                std::byte some[kKeys * kBytes];
                for (int i = 0; i < kKeys; ++i)
                    std::memcpy(some + i * kBytes, rows.row(i < live ? t + i : t) + b * kBytes, kBytes);
                for (int i = 0; i < kKeys / 4; ++i)
                    fours[i] = some + 4 * i * kBytes;
                turnBlocks<Format>(fours, kBytes, columns);
            }
            const Vec scale = scalesAt(s.scales, b, t);
            for (int h = 0; h < kH; ++h) {
                const int at = q.at(h, b);
                const __m512i high = dots(columns, s.queryHigh[at], _mm512_setzero_si512());
                const __m512i low = dots(columns, s.queryLow[at], _mm512_set1_epi32(-128 * s.querySums[at]));
                const __m512i whole = _mm512_add_epi32(_mm512_slli_epi32(high, 8), low);
                sums[h] = fma(_mm512_cvtepi32_ps(whole), scale, sums[h]);
            }
        }
        for (int h = 0; h < kH; ++h)
            storePart(a.scores + h * a.tokens + t, mul(sums[h], splat(q.scale(h))), live);
    }
};

} // namespace

void useGathers(CpuKernels& k) {
    forEachCodes<ByGathers>([&]<typename Format>(Type type) {
        k.matvecInt8[size_t(type)] = matvecCodes<Format>;
        k.unpackInt8[size_t(type)] = unpackCodes<Format>;
    });
}

CpuKernels avx512Kernels() {
    CpuKernels k = referenceKernels();
    overrideFloatKernels(k);
    k.codeAt = inEights;
    forEachCodes<WithoutGathers>([&]<typename Format>(Type type) { overrideCodes<Format>(k, type); });
    overrideCaches<KeyScores>(k);
    overrideCodedAttention(k);
    overrideFloatCaches<ScoresInLanes, weighAllHeads>(k);
    overrideCodedProducts(k);
    return k;
}

} // namespace hearth::kernels::cpu
