#pragma once

// Products of quantized weights and A8 activations in 256-bit vectors, for AVX2 and AVX-VNNI: they differ in `Dots`,
// the one step from bytes to sums, which is a template parameter. Included after simd_avx2.h and float_kernels.h.
// Internal linkage on purpose.

#include "kernels/cpu/codes_256.h"

namespace hearth::kernels::cpu {
namespace {

inline __m256i loadCodes(const int8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

/// 256 numbers, or fewer at a row's end.
template <typename Format>
inline void loadChunk(const uint8_t* b, int64_t numbers, Codes& c) {
    if constexpr (Format::kBlock == 256)
        Format::load(b, c);
    else if (numbers == 256)
        Format::load(Blocks<Format::kBytes>{b}, c);
    else
        Format::load(LastBlocks<Format::kBytes>{b, int(numbers) / Format::kBlock}, c);
}

/// What a block adds to the sum of a (weight row, activation row): lanes 2i and 2i + 1 have what groups 2i and 2i + 1
/// (the even ones and the odd ones) give.
template <typename Format, typename Dots>
inline Vec addBlock(Vec sum, const Codes& w, const A8Block& x) {
    if constexpr (Format::kGroup == 32) {
        if constexpr (Format::kTop >= 0)
            sum = fma(load(w.min), load(x.sum32), sum);
        const Vec factors = mul(load(w.scale), load(x.scale));
        const Vec even = _mm256_cvtepi32_ps(Dots::template dotQuarters<Format::kTop, 4>(w.q, x.q));
        const Vec odd = _mm256_cvtepi32_ps(Dots::template dotQuarters<Format::kTop, 4>(w.q + 1, x.q + 32));
        return fma(odd, _mm256_movehdup_ps(factors), fma(even, _mm256_moveldup_ps(factors), sum));
    } else {
        const Vec scales[2] = {load(w.scale), load(w.scale + 8)};
        const Vec a = _mm256_permute2f128_ps(scales[0], scales[1], 0x20); // of groups 0 and 1, 4 and 5
        const Vec b = _mm256_permute2f128_ps(scales[0], scales[1], 0x31); // of groups 2 and 3, 6 and 7
        if constexpr (Format::kTop >= 0)
            for (int i = 0; i < 16; i += 8)
                sum = fma(load(w.min + i), load(x.sum16 + i), sum);
        const Vec scale = load(x.scale);
        eachOf<0, 2>([&]<int odd>() __attribute__((always_inline)) {
            const __m256i first = Dots::template dotQuarters<Format::kTop, 2>(w.q + odd, x.q + 32 * odd);
            const __m256i second = Dots::template dotQuarters<Format::kTop, 2>(w.q + 4 + odd, x.q + 128 + 32 * odd);
            const Vec one = mul(_mm256_cvtepi32_ps(first), _mm256_shuffle_ps(a, b, odd == 0 ? 0x00 : 0xaa));
            const Vec both = fma(_mm256_cvtepi32_ps(second), _mm256_shuffle_ps(a, b, odd == 0 ? 0x55 : 0xff), one);
            sum = fma(both, odd == 0 ? _mm256_moveldup_ps(scale) : _mm256_movehdup_ps(scale), sum);
        });
        return sum;
    }
}

constexpr int kWeightRows = 4; // that meet activations at once, two of each stream
constexpr int kAhead = 1024;   // bytes of a stream that are asked for before they are wanted

/// kR activation rows: chunks of 256 numbers, and an end of fewer. An end of 64 or 128 numbers, as rows of 576 and
/// heads have it, would waste most of a block's work: `share` weight rows' ends make one block.
template <int kR>
struct RowsInChunks {
    const A8Block* blocks[kR];
    int64_t chunks, end;
    int share;        // 1, 2 or 4
    A8Block ends[kR]; // each end `share` times, where share > 1
};

/// The first 8 / share groups of a block, again and again.
inline void repeatGroups(const A8Block& x, int share, A8Block& to) {
    for (int g = 0; g < 8; ++g) {
        const int from = g % (8 / share);
        to.scale[g] = x.scale[from];
        to.sum32[g] = x.sum32[from];
        for (int eight = 0; eight < 32; eight += 8)
            std::memcpy(to.q + inQuarters(32 * g + eight), x.q + inQuarters(32 * from + eight), 8);
    }
}

/// Of formats whose groups are blocks.
template <typename Format>
constexpr bool kSharesEnds = Format::kBlock == 32;

template <bool kShares, int kR>
inline void beginRows(const MatVec& a, int row, RowsInChunks<kR>& x) {
    x.chunks = a.k / 256;
    x.end = a.k % 256;
    x.share = kShares && x.end == 64 ? 4 : kShares && x.end == 128 ? 2 : 1;
    for (int r = 0; r < kR; ++r) {
        x.blocks[r] = reinterpret_cast<const A8Block*>(a.x + uint64_t(row + r) * a.xStride);
        if (x.share > 1)
            repeatGroups(x.blocks[r][x.chunks], x.share, x.ends[r]);
    }
}

/// The blocks of kShare weight rows' ends as those of 256 numbers.
template <typename Format, int kShare>
struct SharedEnds {
    static constexpr int kEach = 256 / kShare / Format::kBlock;

    const uint8_t* const* ends;

    inline const uint8_t* operator()(int i) const { return ends[i / kEach] + i % kEach * Format::kBytes; }
};

/// Of a vector that four rows share, or two that two rows share each: the rows' sums.
inline __m128 sumsOfEnds(const Vec (&v)[1]) {
    const Vec sums = _mm256_hadd_ps(v[0], v[0]);
    return _mm_movelh_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

inline __m128 sumsOfEnds(const Vec (&v)[2]) {
    const Vec pairs = _mm256_hadd_ps(v[0], v[1]), sums = _mm256_hadd_ps(pairs, pairs);
    return _mm_unpacklo_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

/// Adds what the ends of kWeightRows weight rows give, kShare of them in a block (see addBlock: each keeps lanes of its
/// own).
template <typename Format, typename Dots, int kShare, int kR>
[[gnu::flatten, gnu::noinline]] void addEnds(__m128 (&sums)[kR], const uint8_t* const (&ends)[kWeightRows],
                                             const RowsInChunks<kR>& x) {
    static_assert(Format::kGroup == 32); // see repeatGroups
    Vec products[kR][kWeightRows / kShare];
    for (int i = 0; i < kWeightRows / kShare; ++i) {
        Codes codes;
        Format::load(SharedEnds<Format, kShare>{ends + i * kShare}, codes);
        for (int r = 0; r < kR; ++r)
            products[r][i] = addBlock<Format, Dots>(zero(), codes, x.ends[r]);
    }
    for (int r = 0; r < kR; ++r)
        sums[r] = _mm_add_ps(sums[r], sumsOfEnds(products[r]));
}

/// A weight row's numbers from w on, and those of kR activation rows that belong to them.
template <typename Format, typename Dots, int kR>
inline void addChunk(Vec (&sums)[kR], const uint8_t* w, const RowsInChunks<kR>& x, int64_t chunk, int64_t numbers) {
    Codes codes;
    loadChunk<Format>(w, numbers, codes);
    for (int r = 0; r < kR; ++r)
        sums[r] = addBlock<Format, Dots>(sums[r], codes, x.blocks[r][chunk]);
}

/// The weight rows at *at[i] x kR activation rows, each with a vector of sums; *at[i] moves on to the row's end.
template <typename Format, typename Dots, int kW, int kR>
inline void dotRows(Vec* const (&out)[kW], const uint8_t** const (&at)[kW], const RowsInChunks<kR>& x) {
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes;
    const uint8_t* w[kW];
    for (int i = 0; i < kW; ++i)
        w[i] = *at[i];
    Vec sums[kW][kR];
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r)
            sums[i][r] = zero();
    for (int64_t c = 0; c < x.chunks; ++c)
        for (int i = 0; i < kW; ++i) {
            addChunk<Format, Dots>(sums[i], w[i], x, c, 256);
            // What the row holds further on, which may be the next row's, or nothing.
            prefetch(reinterpret_cast<const std::byte*>(w[i]) + kAhead, kChunkBytes);
            w[i] += kChunkBytes;
        }
    if constexpr (Format::kBlock < 256)
        if (x.end != 0 && x.share == 1)
            for (int i = 0; i < kW; ++i)
                addChunk<Format, Dots>(sums[i], w[i], x, x.chunks, x.end);
    for (int i = 0; i < kW; ++i) {
        *at[i] = w[i];
        for (int r = 0; r < kR; ++r)
            out[i][r] = sums[i][r];
    }
}

/// The products of kR activation rows with the four weight rows w, which move on to the rows' ends. Flattened: the
/// compiler leaves parts of it in calls otherwise, through memory.
template <typename Format, typename Dots, int kR>
[[gnu::flatten]] void dotFour(__m128 (&sums)[kR], const uint8_t* (&w)[kWeightRows], const RowsInChunks<kR>& x) {
    Vec of[kWeightRows][kR];
    if constexpr (kR == 1) // there are registers for two weight rows at once, one of each stream
        for (int i = 0; i < 2; ++i)
            dotRows<Format, Dots, 2, kR>({of[i], of[i + 2]}, {&w[i], &w[i + 2]}, x);
    else
        for (int i = 0; i < kWeightRows; ++i)
            dotRows<Format, Dots, 1, kR>({of[i]}, {&w[i]}, x);
    for (int r = 0; r < kR; ++r)
        sums[r] = sumLanes4(of[0][r], of[1][r], of[2][r], of[3][r]);
    if constexpr (kSharesEnds<Format>) {
        if (x.share == 4)
            addEnds<Format, Dots, 4>(sums, w, x);
        else if (x.share == 2)
            addEnds<Format, Dots, 2>(sums, w, x);
    }
}

/// Two numbers at p, and two so many numbers further on.
inline __m128 loadPairs(const float* p, int64_t apart) {
    const __m128 low = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return _mm_loadh_pi(low, reinterpret_cast<const __m64*>(p + apart));
}

/// Four outputs of a row: n, n + 1, and two so many further on.
inline void finishPairs(const MatVec& a, float* out, int64_t n, int64_t apart, __m128 sums) {
    if (a.bias)
        sums = _mm_add_ps(sums, loadPairs(a.bias + n, apart));
    if (a.accumulate)
        sums = _mm_add_ps(loadPairs(out + n, apart), sums);
    _mm_storel_pi(reinterpret_cast<__m64*>(out + n), sums);
    _mm_storeh_pi(reinterpret_cast<__m64*>(out + n + apart), sums);
}

/// Two streams of weight rows, for they read faster from memory than one.
template <typename Format, typename Dots, int kR>
void matvecRows(const MatVec& a, int row) {
    RowsInChunks<kR> x;
    beginRows<kSharesEnds<Format>>(a, row, x);
    const auto* rows = reinterpret_cast<const uint8_t*>(a.weights);
    const uint64_t stride = a.weightStride;
    const int64_t part = a.outputs / kWeightRows * (kWeightRows / 2); // outputs of a stream
    prefetch(a.weights, kAhead); // processors read ahead only after some lines of a stream
    prefetch(a.weights + uint64_t(part) * stride, kAhead);
    __m128 sums[kR];
    float* out[kR];
    for (int r = 0; r < kR; ++r)
        out[r] = a.out + (row + r) * a.outStride;
    for (int64_t n = 0; n < part; n += 2) {
        const uint8_t* first = rows + uint64_t(n) * stride;
        const uint8_t* second = first + uint64_t(part) * stride;
        const uint8_t* w[kWeightRows] = {first, first + stride, second, second + stride};
        dotFour<Format, Dots>(sums, w, x);
        for (int r = 0; r < kR; ++r)
            finishPairs(a, out[r], n, part, sums[r]);
    }
    const int64_t rest = 2 * part, last = a.outputs - 1; // three at most
    if (rest > last)
        return;
    const uint8_t* w[kWeightRows];
    for (int i = 0; i < kWeightRows; ++i)
        w[i] = rows + uint64_t(rest + i < last ? rest + i : last) * stride;
    dotFour<Format, Dots>(sums, w, x);
    for (int r = 0; r < kR; ++r) {
        float products[kWeightRows];
        _mm_storeu_ps(products, sums[r]);
        for (int64_t n = rest; n <= last; ++n)
            finish(a, row + r, n, products[n - rest]);
    }
}

/// Activation rows that meet the weights as they are read and decoded once; more would find no registers. Under the
/// sanitizer, for which each number takes a minute a file to compile, as few as show how several go.
#if defined(__SANITIZE_ADDRESS__)
constexpr int kMostAtOnce = 2;
#else
constexpr int kMostAtOnce = 6;
#endif

template <typename Format, typename Dots>
void matvecCodes(const MatVec& a) {
    constexpr int kOfMany = kMostAtOnce / 2 + 1; // so that what is left are many, too
    int r = 0;
    for (; a.rows - r > kMostAtOnce; r += kOfMany)
        matvecRows<Format, Dots, kOfMany>(a, r);
    eachOf<1, kMostAtOnce + 1>([&]<int kR>() {
        if (a.rows - r == kR)
            matvecRows<Format, Dots, kR>(a, r);
    });
}

/// Times 8 outputs that a product computes at once: an activation, once spread, meets all of them, for reading is what
/// bounds it.
constexpr int kSlices = 2;

/// 32 inputs of 8 outputs: four inputs of an output side by side.
template <int kGroup>
struct PanelGroup {
    uint8_t q[8][8][4];
    float scale[32 / kGroup][8];
    float min[32 / kGroup][8];
};

/// Up to 256 numbers of an output's weight row from input `from` on, a multiple of 256; of an output that is not there,
/// zeros. The next panel's part of the row, kPanelInputs further on, is asked for: no reader of streams foresees it,
/// and past the end nothing is read.
template <typename Format, int64_t kPanelInputs>
inline void loadOutput(const Unpack& a, int output, int64_t from, int64_t numbers, Codes& c) {
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes;
    if (output >= a.outputs) {
        c = {};
        return;
    }
    const std::byte* row = a.weights + uint64_t(output) * a.stride + from / 256 * kChunkBytes;
    prefetch(row + kPanelInputs / 256 * kChunkBytes, kChunkBytes + 63);
    loadChunk<Format>(reinterpret_cast<const uint8_t*>(row), numbers, c);
}

template <typename Format>
void unpackCodes(const Unpack& a) {
    using Group = PanelGroup<Format::kGroup>;
    constexpr int kParts = 32 / Format::kGroup;
    const int64_t groups = a.cols / 32;
    for (int slice = 0; slice < kPanelOutputs / 8; ++slice) {
        Group* to = static_cast<Group*>(a.panel) + slice * groups;
        for (int64_t first = 0; first < groups; first += 8) {
            const int live = groups - first < 8 ? int(groups - first) : 8;
            __m256i q[8][8]; // by vector of codes, by output
            for (int n = 0; n < 8; ++n) {
                Codes codes;
                loadOutput<Format, kPanelInputsInt8>(a, slice * 8 + n, 32 * first, 32 * live, codes);
                for (int i = 0; i < 8; ++i)
                    q[i][n] = codes.q[i];
                for (int g = 0; g < live; ++g)
                    for (int part = 0; part < kParts; ++part) {
                        to[first + g].scale[part][n] = codes.scale[g * kParts + part];
                        to[first + g].min[part][n] = codes.min[g * kParts + part];
                    }
            }
            eachOf<0, 8>([&]<int i>() __attribute__((always_inline)) {
                transpose(q[i]); // to two steps of four inputs for each of four groups
                eachOf<0, 4>([&]<int k>() __attribute__((always_inline)) {
                    constexpr int kAt = 2 * k + i % 2;
                    if (kAt < live)
                        for (int step = 0; step < 2; ++step)
                            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to[first + kAt].q[i / 2 * 2 + step]),
                                                q[i][2 * k + step]);
                });
            });
        }
    }
}

/// Panels of floats, from codes.
template <typename Format>
void unpackToFloats(const Unpack& a) {
    Codes codes[kLanes];
    for (int n = 0; n < kPanelOutputs; n += kLanes)
        for (int64_t c = 0; c < a.cols; c += 256) {
            const int cols = a.cols - c < 256 ? int(a.cols - c) : 256;
            for (int i = 0; i < kLanes; ++i)
                loadOutput<Format, kPanelInputsF32>(a, n + i, c, cols, codes[i]);
            for (int k = 0; k < cols; k += kLanes) {
                const int group = k / Format::kGroup;
                Vec rows[kLanes];
                for (int i = 0; i < kLanes; ++i) {
                    const __m128i eight = load64(reinterpret_cast<const uint8_t*>(codes[i].q) + inQuarters(k));
                    const __m256i q = Format::kTop < 0 ? _mm256_cvtepi8_epi32(eight) : _mm256_cvtepu8_epi32(eight);
                    rows[i] = fma(_mm256_cvtepi32_ps(q), splat(codes[i].scale[group]), splat(codes[i].min[group]));
                }
                storeColumns(rows, static_cast<float*>(a.panel) + (c + k) * kPanelOutputs + n, kLanes);
            }
        }
}

/// Group number `at` of the blocks x[r] times a group of kSlices times 8 outputs, those of the slices `apart` groups
/// apart. Scales come before mins.
template <typename Format, typename Dots, int kR>
inline void addGroup(Vec (&sums)[kSlices][kR], const PanelGroup<Format::kGroup>* w, int64_t apart,
                     const A8Block* const (&x)[kR], int at) {
    constexpr int kParts = 32 / Format::kGroup, kSteps = Format::kGroup / 4;
    constexpr bool kSigned = Format::kTop < 0; // whose mins are zeros
    Vec both[kSlices][kR];                     // halves of a group, by the weights' scales
    const int begin = inQuarters(32 * at);
    eachOf<0, kParts>([&]<int part>() __attribute__((always_inline)) {
        const int8_t* q[kR];
        for (int r = 0; r < kR; ++r)
            q[r] = x[r]->q + begin + inQuarters(part * Format::kGroup);
        const uint8_t* codes[kSlices];
        for (int s = 0; s < kSlices; ++s)
            codes[s] = w[s * apart].q[part * kSteps][0];
        __m256i dots[kSlices][kR];
        Dots::template dotPanel<Format::kTop, kSteps>(codes, q, dots);
        for (int s = 0; s < kSlices; ++s) {
            const Vec scale = load(w[s * apart].scale[part]);
            for (int r = 0; r < kR; ++r) {
                const Vec products = _mm256_cvtepi32_ps(dots[s][r]);
                both[s][r] = part == 0 ? mul(products, scale) : fma(products, scale, both[s][r]);
            }
        }
    });
    for (int r = 0; r < kR; ++r) {
        const Vec scale = splat(x[r]->scale[at]);
        for (int s = 0; s < kSlices; ++s)
            sums[s][r] = fma(both[s][r], scale, sums[s][r]);
        for (int part = 0; part < kParts && !kSigned; ++part) {
            const Vec sum = splat(kParts == 1 ? x[r]->sum32[at] : x[r]->sum16[2 * at + part]);
            for (int s = 0; s < kSlices; ++s)
                sums[s][r] = fma(load(w[s * apart].min[part]), sum, sums[s][r]);
        }
    }
}

/// kR rows x kSlices times 8 outputs from n on; each sum goes group by group.
template <typename Format, typename Dots, int kR>
void gemmCodeRows(const Gemm& a, const PanelGroup<Format::kGroup>* w, int row, int n) {
    Vec sums[kSlices][kR];
    const A8Block* x[kR];
    for (int r = 0; r < kR; ++r) {
        x[r] = reinterpret_cast<const A8Block*>(a.x + uint64_t(row + r) * a.xStride);
        const float* before = sumsBefore(a.sums, row + r);
        for (int s = 0; s < kSlices; ++s)
            sums[s][r] = before ? load(before + n + 8 * s) : zero();
    }
    const int64_t groups = a.cols / 32;
    for (int64_t first = 0; first < groups; first += 8) {
        const int live = groups - first < 8 ? int(groups - first) : 8;
        for (int g = 0; g < live; ++g)
            addGroup<Format, Dots, kR>(sums, w + first + g, groups, x, g);
        for (int r = 0; r < kR; ++r)
            ++x[r];
    }
    for (int s = 0; s < kSlices; ++s)
        for (int r = 0; r < kR; ++r)
            store(sumsAfter(a.sums, row + r) + n + 8 * s, sums[s][r]);
}

template <typename Format, typename Dots>
void gemmCodes(const Gemm& a) {
    constexpr int kRows = Dots::template kRows<Format::kTop, Format::kGroup / 4>;
    const auto* panel = static_cast<const PanelGroup<Format::kGroup>*>(a.panel);
    const auto someRows = [&](auto gemm, int r) {
        for (int slice = 0; slice < kPanelOutputs / 8; slice += kSlices)
            gemm(a, panel + slice * (a.cols / 32), r, slice * 8);
    };
    int r = 0;
    for (; r + kRows <= a.rows; r += kRows) // the whole panel lies in the first-level cache, the rows do not
        someRows(gemmCodeRows<Format, Dots, kRows>, r);
    for (; r < a.rows; ++r)
        someRows(gemmCodeRows<Format, Dots, 1>, r);
}

template <typename Format, typename Dots>
void overrideCodes(CpuKernels& k, Type type) {
    k.matvecInt8[size_t(type)] = matvecCodes<Format, Dots>;
    k.unpackInt8[size_t(type)] = unpackCodes<Format>;
    k.unpackF32[size_t(type)] = unpackToFloats<Format>;
    k.gemmInt8[size_t(type)] = gemmCodes<Format, Dots>;
}

template <typename Dots>
void overrideAllCodes(CpuKernels& k) {
    k.codeAt = inQuarters;
    forEachCodes([&]<typename Format>(Type type) { overrideCodes<Format, Dots>(k, type); });
}

} // namespace
} // namespace hearth::kernels::cpu
