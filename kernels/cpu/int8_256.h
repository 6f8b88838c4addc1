#pragma once

// Products of quantized weights and A8 activations in 256-bit vectors, for AVX2 and AVX-VNNI: they differ in `Dots`,
// the one step from bytes to sums, which is a template parameter. Included after simd_avx2.h and float_kernels.h.
// Internal linkage on purpose.

#include "kernels/cpu/codes_256.h"

namespace hearth::kernels::cpu {
namespace {

/// The running sums of one (weight row, activation row).
struct Dot {
    Vec even, odd; // by groups
    Vec mins;
};

inline __m256i loadCodes(const int8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

/// What the products of each group are multiplied by, of groups of 32.
template <int kGroup>
struct Factors {
    float of[8];

    inline Factors(const Codes& w, const A8Block& x, int groups) {
        store(of, mul(loadPart(w.scale, groups), load(x.scale)));
    }

    template <int kG>
    inline Vec at() const {
        return _mm256_broadcast_ss(of + kG);
    }
};

/// Of groups of 16: the products of the first 16 numbers of 32 lie in the lower half. So do the factors here, those of
/// four times 32 side by side.
template <>
struct Factors<16> {
    Vec of[2];

    inline Factors(const Codes& w, const A8Block& x, int) {
        const __m256i order = _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0);
        for (int i = 0; i < 2; ++i)
            of[i] = mul(_mm256_permutevar8x32_ps(load(w.scale + 8 * i), order),
                        _mm256_broadcast_ps(reinterpret_cast<const __m128*>(x.scale + 4 * i)));
    }

    template <int kG>
    inline Vec at() const {
        return _mm256_permute_ps(of[kG / 4], kG % 4 * 0x55);
    }
};

template <typename Format, typename Dots>
inline void addBlock(Dot& dot, const Codes& w, const A8Block& x, int groups) {
    const Factors<Format::kGroup> factors(w, x, groups);
    if constexpr (Format::kTop >= 0 && Format::kGroup == 32)
        dot.mins = fma(loadPart(w.min, groups), load(x.sum32), dot.mins);
    else if constexpr (Format::kTop >= 0)
        for (int i = 0; i < 16; i += 8)
            dot.mins = fma(load(w.min + i), load(x.sum16 + i), dot.mins);
    eachOf<0, 8>([&]<int g>() __attribute__((always_inline)) {
        if (g >= groups)
            return;
        const Vec product = _mm256_cvtepi32_ps(Dots::template dot32<Format::kTop>(w.q[g], loadCodes(x.q + 32 * g)));
        Vec& sum = g % 2 == 0 ? dot.even : dot.odd;
        sum = fma(product, factors.template at<g>(), sum);
    });
}

template <typename Format, typename Dots, int kW, int kR>
inline void addChunk(Dot (&dots)[kW][kR], const uint8_t* const (&w)[kW], const A8Block* const (&x)[kR], int64_t chunk,
                     int groups) {
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes;
    for (int i = 0; i < kW; ++i) {
        // What the row holds further on, which may be the next row's, or nothing.
        prefetch(reinterpret_cast<const std::byte*>(w[i]) + chunk * kChunkBytes + 1024, kChunkBytes);
        Codes codes;
        Format::load(w[i] + chunk * kChunkBytes, groups, codes);
        for (int r = 0; r < kR; ++r)
            addBlock<Format, Dots>(dots[i][r], codes, x[r][chunk], groups);
    }
}

/// kW weight rows n, n + step, ... x kR activation rows, each with sums of its own. Flattened: the compiler leaves
/// parts of it in calls otherwise, through memory.
template <typename Format, typename Dots, int kW, int kR>
[[gnu::flatten]] void dotRows(const MatVec& a, int64_t n, int64_t step, int row) {
    const uint8_t* w[kW];
    const A8Block* x[kR];
    Dot dots[kW][kR];
    for (int i = 0; i < kW; ++i)
        w[i] = reinterpret_cast<const uint8_t*>(a.weights + uint64_t(n + i * step) * a.weightStride);
    for (int r = 0; r < kR; ++r)
        x[r] = reinterpret_cast<const A8Block*>(a.x + uint64_t(row + r) * a.xStride);
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r)
            dots[i][r] = {zero(), zero(), zero()};
    const int64_t chunks = a.k / 256;
    for (int64_t c = 0; c < chunks; ++c)
        addChunk<Format, Dots>(dots, w, x, c, 8);
    if constexpr (Format::kBlock < 256)
        if (a.k % 256 != 0)
            addChunk<Format, Dots>(dots, w, x, chunks, int(a.k % 256) / 32);
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r) {
            const Dot& dot = dots[i][r];
            finish(a, row + r, n + i * step, sumLanes(add(add(dot.even, dot.odd), dot.mins)));
        }
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
            __m256i q[8][8]; // by group, by output
            for (int n = 0; n < 8; ++n) {
                const int output = slice * 8 + n;
                Codes codes;
                if (output < a.outputs) {
                    const std::byte* row = a.weights + uint64_t(output) * a.stride + first / 8 * kChunkBytes;
                    // The next panel's part of this row: no reader of streams foresees it. Past the end nothing is
                    // read.
                    prefetch(row + kPanelInputsInt8 / 256 * kChunkBytes, kChunkBytes + 63);
                    Format::load(reinterpret_cast<const uint8_t*>(row), live, codes);
                }
                for (int g = 0; g < live; ++g) {
                    q[g][n] = output < a.outputs ? codes.q[g] : _mm256_setzero_si256();
                    for (int part = 0; part < kParts; ++part) {
                        to[first + g].scale[part][n] = output < a.outputs ? codes.scale[g * kParts + part] : 0.0f;
                        to[first + g].min[part][n] = output < a.outputs ? codes.min[g * kParts + part] : 0.0f;
                    }
                }
            }
            for (int g = 0; g < live; ++g) {
                transpose(q[g]);
                for (int k = 0; k < 8; ++k)
                    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to[first + g].q[k]), q[g][k]);
            }
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
    eachOf<0, kParts>([&]<int part>() __attribute__((always_inline)) {
        const int8_t* q[kR];
        for (int r = 0; r < kR; ++r)
            q[r] = x[r]->q + at * 32 + part * Format::kGroup;
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
    forEachCodes([&]<typename Format>(Type type) { overrideCodes<Format, Dots>(k, type); });
}

} // namespace
} // namespace hearth::kernels::cpu
