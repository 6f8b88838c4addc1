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

template <typename Format, typename Dots, int kW, int kR>
inline void addChunk(Vec (&sums)[kW][kR], const uint8_t* const (&w)[kW], const A8Block* const (&x)[kR], int64_t chunk,
                     int64_t numbers) {
    for (int i = 0; i < kW; ++i) {
        Codes codes;
        loadChunk<Format>(w[i], numbers, codes);
        for (int r = 0; r < kR; ++r)
            sums[i][r] = addBlock<Format, Dots>(sums[i][r], codes, x[r][chunk]);
    }
}

/// kW weight rows n, n + step, ... x kR activation rows, each with sums of its own. Flattened: the compiler leaves
/// parts of it in calls otherwise, through memory.
template <typename Format, typename Dots, int kW, int kR>
[[gnu::flatten]] void dotRows(const MatVec& a, int64_t n, int64_t step, int row) {
    const uint8_t* w[kW];
    const A8Block* x[kR];
    Vec sums[kW][kR];
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes;
    for (int i = 0; i < kW; ++i)
        w[i] = reinterpret_cast<const uint8_t*>(a.weights + uint64_t(n + i * step) * a.weightStride);
    for (int r = 0; r < kR; ++r)
        x[r] = reinterpret_cast<const A8Block*>(a.x + uint64_t(row + r) * a.xStride);
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r)
            sums[i][r] = zero();
    const int64_t chunks = a.k / 256;
    for (int64_t c = 0; c < chunks; ++c) {
        addChunk<Format, Dots>(sums, w, x, c, 256);
        for (int i = 0; i < kW; ++i) {
            // What the row holds further on, which may be the next row's, or nothing.
            prefetch(reinterpret_cast<const std::byte*>(w[i]) + 1024, kChunkBytes);
            w[i] += kChunkBytes;
        }
    }
    if constexpr (Format::kBlock < 256)
        if (a.k % 256 != 0)
            addChunk<Format, Dots>(sums, w, x, chunks, a.k % 256);
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r)
            finish(a, row + r, n + i * step, sumLanes(sums[i][r]));
}

/// Single activation rows meet two weight rows at once, half the rows apart, because two streams read faster from
/// memory than one.
template <typename Format, typename Dots>
void matvecCodes(const MatVec& a) {
    int r = 0;
    for (; r + 4 <= a.rows; r += 4)
        for (int64_t n = 0; n < a.outputs; ++n)
            dotRows<Format, Dots, 1, 4>(a, n, 0, r);
    for (; r < a.rows; ++r) {
        constexpr int kStreams = 2;
        const int64_t part = a.outputs / kStreams;
        for (int64_t n = 0; n < part; ++n)
            dotRows<Format, Dots, kStreams, 1>(a, n, part, r);
        for (int64_t n = kStreams * part; n < a.outputs; ++n)
            dotRows<Format, Dots, 1, 1>(a, n, 0, r);
    }
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

template <typename Format>
void unpackCodes(const Unpack& a) {
    using Group = PanelGroup<Format::kGroup>;
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes, kParts = 32 / Format::kGroup;
    const int64_t groups = a.cols / 32;
    for (int slice = 0; slice < kPanelOutputs / 8; ++slice) {
        Group* to = static_cast<Group*>(a.panel) + slice * groups;
        for (int64_t first = 0; first < groups; first += 8) {
            const int live = groups - first < 8 ? int(groups - first) : 8;
            __m256i q[8][8]; // by vector of codes, by output
            for (int n = 0; n < 8; ++n) {
                const int output = slice * 8 + n;
                Codes codes;
                if (output < a.outputs) {
                    const std::byte* row = a.weights + uint64_t(output) * a.stride + first / 8 * kChunkBytes;
                    // The next panel's part of this row: no reader of streams foresees it. Past the end nothing is
                    // read.
                    prefetch(row + kPanelInputsInt8 / 256 * kChunkBytes, kChunkBytes + 63);
                    loadChunk<Format>(reinterpret_cast<const uint8_t*>(row), 32 * live, codes);
                } else {
                    codes = {};
                }
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

inline __m256i splat4(const int8_t* p) {
    int32_t v;
    std::memcpy(&v, p, 4);
    return _mm256_set1_epi32(v);
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
    k.gemmInt8[size_t(type)] = gemmCodes<Format, Dots>;
}

template <typename Dots>
void overrideAllCodes(CpuKernels& k) {
    k.codeAt = inQuarters;
    forEachCodes([&]<typename Format>(Type type) { overrideCodes<Format, Dots>(k, type); });
}

} // namespace
} // namespace hearth::kernels::cpu
