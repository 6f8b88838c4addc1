#pragma once

// Products of quantized weights and A8 activations in 256-bit vectors, for AVX2 and AVX-VNNI: they differ in `Dots`,
// the one step from bytes to sums, which is a template parameter. Included after simd_avx2.h and float_kernels.h.
// Internal linkage on purpose.

namespace hearth::kernels::cpu {
namespace {

inline __m256i load256(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

inline __m128i load128(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

inline float halfAt(const uint8_t* p) {
    uint16_t h;
    std::memcpy(&h, p, 2);
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}

/// Up to 256 numbers of a weight row: codes in their order, scales and mins of groups of 32 or 16 numbers.
struct Codes {
    __m256i q[8];
    float scale[16], min[16];
};

inline __m256i nibblesOf16(const uint8_t* p) {
    const __m128i both = load128(p);
    const __m256i pair = _mm256_inserti128_si256(_mm256_castsi128_si256(both), _mm_srli_epi16(both, 4), 1);
    return _mm256_and_si256(pair, _mm256_set1_epi8(15));
}

/// 16 in each byte whose bit is set.
inline __m256i fifthBits(const uint8_t* p) {
    int32_t bits;
    std::memcpy(&bits, p, 4);
    const __m256i spread = _mm256_shuffle_epi8(
        _mm256_set1_epi32(bits), _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0));
    const __m256i select = _mm256_set1_epi64x(int64_t(0x8040201008040201u));
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, select), select);
    return _mm256_and_si256(set, _mm256_set1_epi8(16));
}

struct CodesQ4_0 : quant::Q4_0 {
    static constexpr int kTop = 15; // largest code

    static inline void load(const uint8_t* b, int groups, Codes& c) {
        for (int g = 0; g < groups; ++g, b += kBytes) {
            c.q[g] = nibblesOf16(b + 2);
            c.scale[g] = halfAt(b);
            c.min[g] = -8.0f * c.scale[g];
        }
    }
};

struct CodesQ4_1 : quant::Q4_1 {
    static constexpr int kTop = 15;

    static inline void load(const uint8_t* b, int groups, Codes& c) {
        for (int g = 0; g < groups; ++g, b += kBytes) {
            c.q[g] = nibblesOf16(b + 4);
            c.scale[g] = halfAt(b);
            c.min[g] = halfAt(b + 2);
        }
    }
};

struct CodesQ5_0 : quant::Q5_0 {
    static constexpr int kTop = 31;

    static inline void load(const uint8_t* b, int groups, Codes& c) {
        for (int g = 0; g < groups; ++g, b += kBytes) {
            c.q[g] = _mm256_or_si256(nibblesOf16(b + 6), fifthBits(b + 2));
            c.scale[g] = halfAt(b);
            c.min[g] = -16.0f * c.scale[g];
        }
    }
};

struct CodesQ5_1 : quant::Q5_1 {
    static constexpr int kTop = 31;

    static inline void load(const uint8_t* b, int groups, Codes& c) {
        for (int g = 0; g < groups; ++g, b += kBytes) {
            c.q[g] = _mm256_or_si256(nibblesOf16(b + 8), fifthBits(b + 4));
            c.scale[g] = halfAt(b);
            c.min[g] = halfAt(b + 2);
        }
    }
};

/// Signed codes stay signed: unsigned ones of 8 bits would overflow AVX2's sums of pairs.
struct CodesQ8_0 : quant::Q8_0 {
    static constexpr int kTop = -128;

    static inline void load(const uint8_t* b, int groups, Codes& c) {
        for (int g = 0; g < groups; ++g, b += kBytes) {
            c.q[g] = load256(b + 2);
            c.scale[g] = halfAt(b);
            c.min[g] = 0.0f;
        }
    }
};

inline uint32_t wordAt(const uint8_t* p) {
    uint32_t v;
    std::memcpy(&v, p, 4);
    return v;
}

/// See k_scales.h; four of the 6-bit numbers in each word.
inline void loadKScales(const uint8_t* b, Codes& c) {
    const uint32_t s0 = wordAt(b + 4), s1 = wordAt(b + 8), s2 = wordAt(b + 12);
    const uint32_t scaleLow = s0 & 0x3f3f3f3fu, minLow = s1 & 0x3f3f3f3fu;
    const uint32_t scaleHigh = (s2 & 0x0f0f0f0fu) | ((s0 >> 6) & 0x03030303u) << 4;
    const uint32_t minHigh = ((s2 >> 4) & 0x0f0f0f0fu) | ((s1 >> 6) & 0x03030303u) << 4;
    const __m128i scales = _mm_cvtsi64_si128(int64_t(uint64_t(scaleHigh) << 32 | scaleLow));
    const __m128i mins = _mm_cvtsi64_si128(int64_t(uint64_t(minHigh) << 32 | minLow));
    store(c.scale, mul(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(scales)), splat(halfAt(b))));
    store(c.min, mul(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(mins)), splat(-halfAt(b + 2))));
}

struct CodesQ4_K : quant::Q4_K {
    static constexpr int kTop = 15;

    static inline void load(const uint8_t* b, int, Codes& c) {
        const __m256i mask = _mm256_set1_epi8(15);
        for (int i = 0; i < 4; ++i) {
            const __m256i both = load256(b + 16 + 32 * i);
            c.q[2 * i] = _mm256_and_si256(both, mask);
            c.q[2 * i + 1] = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);
        }
        loadKScales(b, c);
    }
};

struct CodesQ5_K : quant::Q5_K {
    static constexpr int kTop = 31;

    static inline void load(const uint8_t* b, int, Codes& c) {
        const __m256i mask = _mm256_set1_epi8(15), sixteen = _mm256_set1_epi8(16);
        const __m256i high = load256(b + 16);
        for (int i = 0; i < 4; ++i) {
            const __m256i both = load256(b + 48 + 32 * i);
            const __m256i low = _mm256_and_si256(both, mask), up = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);
            const __m128i first = _mm_cvtsi32_si128(2 * i), second = _mm_cvtsi32_si128(2 * i + 1);
            const __m256i one = _mm256_set1_epi8(1);
            const __m256i lowBit = _mm256_and_si256(_mm256_srl_epi16(high, first), one);
            const __m256i upBit = _mm256_and_si256(_mm256_srl_epi16(high, second), one);
            c.q[2 * i] = _mm256_or_si256(low, _mm256_and_si256(_mm256_slli_epi16(lowBit, 4), sixteen));
            c.q[2 * i + 1] = _mm256_or_si256(up, _mm256_and_si256(_mm256_slli_epi16(upBit, 4), sixteen));
        }
        loadKScales(b, c);
    }
};

struct CodesQ6_K : quant::Q6_K {
    static constexpr int kTop = 63;

    static inline void load(const uint8_t* b, int, Codes& c) {
        const __m256i mask = _mm256_set1_epi8(15), top = _mm256_set1_epi8(0x30);
        for (int half = 0; half < 2; ++half) {
            const __m256i low0 = load256(b + 64 * half), low1 = load256(b + 64 * half + 32);
            const __m256i bits = load256(b + 128 + 32 * half);
            __m256i* q = c.q + 4 * half;
            q[0] = _mm256_or_si256(_mm256_and_si256(low0, mask), _mm256_and_si256(_mm256_slli_epi16(bits, 4), top));
            q[1] = _mm256_or_si256(_mm256_and_si256(low1, mask), _mm256_and_si256(_mm256_slli_epi16(bits, 2), top));
            q[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(low0, 4), mask), _mm256_and_si256(bits, top));
            q[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(low1, 4), mask),
                                   _mm256_and_si256(_mm256_srli_epi16(bits, 2), top));
        }
        const Vec d = splat(halfAt(b + 208));
        for (int i = 0; i < 16; i += 8) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b + 192 + i));
            const Vec scale = mul(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), d);
            store(c.scale + i, scale);
            store(c.min + i, mul(scale, splat(-32.0f)));
        }
    }
};

/// The running sums of one (weight row, activation row).
struct Dot {
    Vec even, odd; // by groups
    Vec mins;
};

inline __m256i loadCodes(const int8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

template <typename Format, typename Dots>
inline void addBlock(Dot& dot, const Codes& w, const A8Block& x, int groups) {
    float scales[16];
    if constexpr (Format::kGroup == 32) {
        store(scales, mul(loadPart(w.scale, groups), load(x.scale)));
        dot.mins = fma(loadPart(w.min, groups), load(x.sum32), dot.mins);
    } else {
        store(scales, mul(load(w.scale), loadTwice(x.scale)));
        store(scales + 8, mul(load(w.scale + 8), loadTwice(x.scale + 4)));
        dot.mins = fma(load(w.min), load(x.sum16), dot.mins);
        dot.mins = fma(load(w.min + 8), load(x.sum16 + 8), dot.mins);
    }
    for (int g = 0; g < groups; ++g) {
        const Vec product = _mm256_cvtepi32_ps(Dots::template dot32<Format::kTop>(w.q[g], loadCodes(x.q + 32 * g)));
        // With groups of 16 the products of the first 16 numbers lie in the lower half.
        const Vec factor = Format::kGroup == 32 ? _mm256_broadcast_ss(scales + g)
                                                : _mm256_set_m128(_mm_broadcast_ss(scales + 2 * g + 1),
                                                                  _mm_broadcast_ss(scales + 2 * g));
        Vec& sum = g % 2 == 0 ? dot.even : dot.odd;
        sum = fma(product, factor, sum);
    }
}

template <typename Format, typename Dots, int kR>
inline void addChunk(Dot (&dots)[kR], const uint8_t* w, const A8Block* const (&x)[kR], int64_t chunk, int groups) {
    Codes codes;
    Format::load(w, groups, codes);
    for (int r = 0; r < kR; ++r)
        addBlock<Format, Dots>(dots[r], codes, x[r][chunk], groups);
}

/// One weight row x kR activation rows, each with sums of its own.
template <typename Format, typename Dots, int kR>
void dotRows(const MatVec& a, int64_t n, int row) {
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes;
    const auto* w = reinterpret_cast<const uint8_t*>(a.weights + uint64_t(n) * a.weightStride);
    const A8Block* x[kR];
    Dot dots[kR];
    for (int r = 0; r < kR; ++r) {
        x[r] = reinterpret_cast<const A8Block*>(a.x + uint64_t(row + r) * a.xStride);
        dots[r] = {zero(), zero(), zero()};
    }
    const int64_t chunks = a.k / 256;
    for (int64_t c = 0; c < chunks; ++c)
        addChunk<Format, Dots>(dots, w + c * kChunkBytes, x, c, 8);
    if constexpr (Format::kBlock == 32)
        if (a.k % 256 != 0)
            addChunk<Format, Dots>(dots, w + chunks * kChunkBytes, x, chunks, int(a.k % 256) / 32);
    for (int r = 0; r < kR; ++r)
        finish(a, row + r, n, sumLanes(add(add(dots[r].even, dots[r].odd), dots[r].mins)));
}

template <typename Format, typename Dots>
void matvecCodes(const MatVec& a) {
    for (int64_t n = 0; n < a.outputs; ++n) {
        int r = 0;
        for (; r + 4 <= a.rows; r += 4)
            dotRows<Format, Dots, 4>(a, n, r);
        for (; r < a.rows; ++r)
            dotRows<Format, Dots, 1>(a, n, r);
    }
}

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
                if (output < a.outputs)
                    Format::load(reinterpret_cast<const uint8_t*>(a.weights + uint64_t(output) * a.stride) +
                                     first / 8 * kChunkBytes,
                                 live, codes);
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

/// kR rows x 8 outputs; each sum goes group by group, scale before min.
template <typename Format, typename Dots, int kR>
void gemmCodeRows(const Gemm& a, const PanelGroup<Format::kGroup>* w, int row, float* acc) {
    constexpr int kParts = 32 / Format::kGroup, kSteps = Format::kGroup / 4;
    const std::byte* x = a.x + uint64_t(row) * a.xStride;
    Vec sums[kR];
    for (int r = 0; r < kR; ++r)
        sums[r] = a.first ? zero() : load(acc + r * a.accStride);
    const int64_t groups = a.cols / 32;
    for (int64_t g = 0; g < groups; ++g, ++w) {
        const int at = int(g % 8);
        const A8Block* block[kR];
        for (int r = 0; r < kR; ++r)
            block[r] = reinterpret_cast<const A8Block*>(x + uint64_t(r) * a.xStride) + g / 8;
        for (int part = 0; part < kParts; ++part) {
            __m256i dots[kR];
            const int8_t* q[kR];
            for (int r = 0; r < kR; ++r)
                q[r] = block[r]->q + at * 32 + part * Format::kGroup;
            Dots::template dotPanel<Format::kTop, kSteps, kR>(w->q[part * kSteps], q, dots);
            const Vec scale = load(w->scale[part]), min = load(w->min[part]);
            for (int r = 0; r < kR; ++r) {
                const float sum = Format::kGroup == 32 ? block[r]->sum32[at] : block[r]->sum16[2 * at + part];
                sums[r] = fma(_mm256_cvtepi32_ps(dots[r]), mul(scale, splat(block[r]->scale[at])), sums[r]);
                sums[r] = fma(min, splat(sum), sums[r]);
            }
        }
    }
    for (int r = 0; r < kR; ++r)
        store(acc + r * a.accStride, sums[r]);
}

template <typename Format, typename Dots>
void gemmCodes(const Gemm& a) {
    const int64_t groups = a.cols / 32;
    for (int slice = 0; slice < kPanelOutputs / 8; ++slice) {
        const auto* w = static_cast<const PanelGroup<Format::kGroup>*>(a.panel) + slice * groups;
        float* acc = a.acc + slice * 8;
        int r = 0;
        for (; r + 4 <= a.rows; r += 4)
            gemmCodeRows<Format, Dots, 4>(a, w, r, acc + r * a.accStride);
        for (; r < a.rows; ++r)
            gemmCodeRows<Format, Dots, 1>(a, w, r, acc + r * a.accStride);
    }
}

template <typename Format, typename Dots>
void overrideCodes(CpuKernels& k, Type type) {
    k.matvecInt8[size_t(type)] = matvecCodes<Format, Dots>;
    k.unpackInt8[size_t(type)] = unpackCodes<Format>;
    k.gemmInt8[size_t(type)] = gemmCodes<Format, Dots>;
}

template <typename Dots>
void overrideAllCodes(CpuKernels& k) {
    overrideCodes<CodesQ4_0, Dots>(k, Type::Q4_0);
    overrideCodes<CodesQ4_1, Dots>(k, Type::Q4_1);
    overrideCodes<CodesQ5_0, Dots>(k, Type::Q5_0);
    overrideCodes<CodesQ5_1, Dots>(k, Type::Q5_1);
    overrideCodes<CodesQ8_0, Dots>(k, Type::Q8_0);
    overrideCodes<CodesQ4_K, Dots>(k, Type::Q4_K);
    overrideCodes<CodesQ5_K, Dots>(k, Type::Q5_K);
    overrideCodes<CodesQ6_K, Dots>(k, Type::Q6_K);
}

} // namespace
} // namespace hearth::kernels::cpu
