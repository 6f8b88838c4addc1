#pragma once

// Weight rows as codes in 256-bit vectors, 256 numbers at once, with scales and mins. Included after simd_avx2.h and
// float_kernels.h. Internal linkage on purpose.

#include "kernels/cpu/block_fields.h"

namespace hearth::kernels::cpu {
namespace {

/// 256 numbers of a weight row: codes in quarters (see inQuarters), scales and mins of groups of 32 or 16 numbers.
/// Vector number i holds eight number i / 2 of each of four groups, the even ones (i even) or the odd ones: sums over a
/// group stay in one lane of 64 bits, and those of four groups are scaled together.
struct Codes {
    __m256i q[8];
    float scale[16], min[16];
};

/// Where each of a row's blocks of kBytes begins.
template <int kBytes>
struct Blocks {
    const uint8_t* begin;

    inline const uint8_t* operator()(int i) const { return begin + i * kBytes; }
};

/// The same at a row's end, where they are fewer than 256 numbers take: those that are not there are the last one,
/// which meets activations of zero.
template <int kBytes>
struct LastBlocks {
    const uint8_t* begin;
    int count;

    inline const uint8_t* operator()(int i) const { return begin + (i < count ? i : count - 1) * kBytes; }
};

/// Twice 16 bytes.
inline __m256i loadTwo(const uint8_t* a, const uint8_t* b) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load128(a)), load128(b), 1);
}

/// Of four times 16 bytes, their first eights and their second ones.
struct Eights {
    __m256i first, second;

    inline Eights(const uint8_t* a, const uint8_t* b, const uint8_t* c, const uint8_t* d) {
        const __m256i even = loadTwo(a, c), odd = loadTwo(b, d);
        first = _mm256_unpacklo_epi64(even, odd);
        second = _mm256_unpackhi_epi64(even, odd);
    }
};

/// Of each four bytes that belong to a group (byte e to its eight number e) those of vector number kI, each eight
/// times.
template <int kI>
inline __m256i spread(__m256i bytes) {
    constexpr int64_t kEach = 0x0101010101010101, kFirst = kI % 2 * 4 + kI / 2;
    return _mm256_shuffle_epi8(
        bytes, _mm256_set_epi64x(kEach * (kFirst + 8), kEach * kFirst, kEach * (kFirst + 8), kEach * kFirst));
}

/// The bits of all numbers, 32 of each group, as vector number kI wants them: all bits set in each byte whose bit is.
template <int kI>
inline __m256i bytesOfBits(__m256i bits) {
    const __m256i select = _mm256_set1_epi64x(int64_t(0x8040201008040201u));
    return _mm256_cmpeq_epi8(_mm256_and_si256(spread<kI>(bits), select), select);
}

inline __m256i lowNibbles(__m256i bytes) {
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

inline __m256i highNibbles(__m256i bytes) {
    return lowNibbles(_mm256_srli_epi16(bytes, 4));
}

/// Of 16 bytes of each group, at at(g): their low nibbles, then their high ones.
template <typename At>
inline void nibblesInQuarters(const At& at, Codes& c) {
    eachOf<0, 2>([&]<int odd>() __attribute__((always_inline)) {
        const Eights of(at(odd), at(2 + odd), at(4 + odd), at(6 + odd));
        c.q[odd] = lowNibbles(of.first);
        c.q[2 + odd] = lowNibbles(of.second);
        c.q[4 + odd] = highNibbles(of.first);
        c.q[6 + odd] = highNibbles(of.second);
    });
}

/// A half-precision number of each group, at at(g).
template <typename At>
inline Vec halvesOf(const At& at) {
    __m128i all = _mm_cvtsi32_si128(load16(at(0)));
    eachOf<1, 8>([&]<int g>() __attribute__((always_inline)) { all = _mm_insert_epi16(all, load16(at(g)), g); });
    return _mm256_cvtph_ps(all);
}

/// What lies `offset` bytes behind each block's begin.
template <typename At>
inline auto behind(const At& at, int offset) {
    return [=](int i) { return at(i) + offset; };
}

/// Of blocks that begin with both as halves.
template <typename At>
inline void loadScaleAndMin(const At& at, Codes& c) {
    const auto four = [&](int g) {
        const auto both = [&](int i) { return _mm_cvtsi32_si128(load32(at(g + i))); };
        const __m128i pairs =
            _mm_unpacklo_epi64(_mm_unpacklo_epi32(both(0), both(1)), _mm_unpacklo_epi32(both(2), both(3)));
        return _mm_shuffle_epi8(pairs, _mm_set_epi8(15, 14, 11, 10, 7, 6, 3, 2, 13, 12, 9, 8, 5, 4, 1, 0));
    };
    const __m128i first = four(0), second = four(4);
    store(c.scale, _mm256_cvtph_ps(_mm_unpacklo_epi64(first, second)));
    store(c.min, _mm256_cvtph_ps(_mm_unpackhi_epi64(first, second)));
}

/// Mins of a format with signed codes that are moved up by `offset`: of `scales` groups.
inline void offsetMins(Codes& c, int scales, int offset) {
    for (int i = 0; i < scales; i += 8)
        store(c.min + i, mul(load(c.scale + i), splat(float(-offset))));
}

struct CodesQ4_0 : quant::Q4_0 {
    static constexpr int kTop = 15; // largest code; less than zero: they are signed, and mins are zeros

    template <typename At>
    static inline void load(const At& at, Codes& c) {
        nibblesInQuarters(behind(at, 2), c);
        store(c.scale, halvesOf(at));
        offsetMins(c, 8, 8);
    }
};

struct CodesQ4_1 : quant::Q4_1 {
    static constexpr int kTop = 15;

    template <typename At>
    static inline void load(const At& at, Codes& c) {
        nibblesInQuarters(behind(at, 4), c);
        loadScaleAndMin(at, c);
    }
};

/// The fifth bits of the groups, 32 at at(g). 12 bytes more are read of each.
template <typename At>
inline void addFifthBits(const At& at, Codes& c) {
    const auto two = [&](int g) { return loadTwo(at(g), at(g + 4)); };
    const __m256i bits =
        _mm256_unpacklo_epi64(_mm256_unpacklo_epi32(two(0), two(1)), _mm256_unpacklo_epi32(two(2), two(3)));
    eachOf<0, 8>([&]<int i>() __attribute__((always_inline)) {
        c.q[i] = _mm256_or_si256(c.q[i], _mm256_and_si256(bytesOfBits<i>(bits), _mm256_set1_epi8(16)));
    });
}

struct CodesQ5_0 : quant::Q5_0 {
    static constexpr int kTop = 31;

    template <typename At>
    static inline void load(const At& at, Codes& c) {
        nibblesInQuarters(behind(at, 6), c);
        addFifthBits(behind(at, 2), c);
        store(c.scale, halvesOf(at));
        offsetMins(c, 8, 16);
    }
};

struct CodesQ5_1 : quant::Q5_1 {
    static constexpr int kTop = 31;

    template <typename At>
    static inline void load(const At& at, Codes& c) {
        nibblesInQuarters(behind(at, 8), c);
        addFifthBits(behind(at, 4), c);
        loadScaleAndMin(at, c);
    }
};

/// Signed codes stay signed: unsigned ones of 8 bits would overflow AVX2's sums of pairs.
struct CodesQ8_0 : quant::Q8_0 {
    static constexpr int kTop = -128;

    template <typename At>
    static inline void load(const At& at, Codes& c) {
        eachOf<0, 4>([&]<int i>() __attribute__((always_inline)) {
            const auto bytes = behind(at, 2 + i % 2 * 16);
            const Eights of(bytes(i / 2), bytes(2 + i / 2), bytes(4 + i / 2), bytes(6 + i / 2));
            c.q[i % 2 * 4 + i / 2] = of.first;
            c.q[i % 2 * 4 + i / 2 + 2] = of.second;
        });
        store(c.scale, halvesOf(at));
        store(c.min, zero());
    }
};

/// See k_scales.h; four of the 6-bit numbers in each word: the scales' two, the mins' two.
inline void loadKScales(const uint8_t* b, Codes& c) {
    const __m128i words = load128(b); // of which the first has the two factors
    const __m128i low =
        _mm_and_si128(_mm_srlv_epi32(_mm_shuffle_epi32(words, _MM_SHUFFLE(3, 2, 3, 1)), _mm_set_epi32(4, 0, 0, 0)),
                      _mm_set_epi32(0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f));
    const __m128i high = _mm_and_si128(_mm_srli_epi32(_mm_shuffle_epi32(words, _MM_SHUFFLE(2, 2, 1, 1)), 2),
                                       _mm_set_epi32(0x30303030, 0, 0x30303030, 0));
    const __m128i all = _mm_or_si128(low, high);
    const __m128 factors = _mm_xor_ps(_mm_cvtph_ps(words), _mm_set_ps(0, 0, -0.0f, 0));
    const auto store8 = [](float* to, __m128i bytes, __m128 factor) {
        store(to, mul(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), _mm256_broadcastss_ps(factor)));
    };
    store8(c.scale, all, factors);
    store8(c.min, _mm_srli_si128(all, 8), _mm_movehdup_ps(factors));
}

/// 128 bytes of nibbles: 32 of them hold a group in their low ones, the next in their high ones.
inline void kNibblesInQuarters(const uint8_t* b, Codes& c) {
    eachOf<0, 2>([&]<int second>() __attribute__((always_inline)) {
        const uint8_t* from = b + 16 * second;
        const Eights of(from, from + 32, from + 64, from + 96);
        c.q[4 * second] = lowNibbles(of.first);
        c.q[4 * second + 1] = highNibbles(of.first);
        c.q[4 * second + 2] = lowNibbles(of.second);
        c.q[4 * second + 3] = highNibbles(of.second);
    });
}

struct CodesQ4_K : quant::Q4_K {
    static constexpr int kTop = 15;

    static inline void load(const uint8_t* b, Codes& c) {
        kNibblesInQuarters(b + 16, c);
        loadKScales(b, c);
    }
};

/// Bit g of byte number i has the fifth of number i of group g.
struct CodesQ5_K : quant::Q5_K {
    static constexpr int kTop = 31;

    static inline void load(const uint8_t* b, Codes& c) {
        kNibblesInQuarters(b + 48, c);
        const __m256i sixteen = _mm256_set1_epi8(16), groups = _mm256_set_epi64x(6, 4, 2, 0);
        eachOf<0, 4>([&]<int e>() __attribute__((always_inline)) {
            const __m256i bits = _mm256_srlv_epi64(_mm256_broadcastq_epi64(load64(b + 16 + 8 * e)), groups);
            __m256i* q = c.q + 2 * e;
            q[0] = _mm256_or_si256(q[0], _mm256_and_si256(_mm256_slli_epi16(bits, 4), sixteen));
            q[1] = _mm256_or_si256(q[1], _mm256_and_si256(_mm256_slli_epi16(bits, 3), sixteen));
        });
        loadKScales(b, c);
    }
};

/// Codes of groups g and g + 4 side by side, 16 numbers of each (the first or the second ones), g = 0 .. 3, into their
/// quarters.
inline void storeQuarters(Codes& c, int second, const __m256i (&of)[4]) {
    for (int odd = 0; odd < 2; ++odd) {
        c.q[4 * second + odd] = _mm256_unpacklo_epi64(of[odd], of[odd + 2]);
        c.q[4 * second + odd + 2] = _mm256_unpackhi_epi64(of[odd], of[odd + 2]);
    }
}

/// 256 codes in their order, a group a vector, into quarters.
inline void toQuarters(Codes& c) {
    __m256i of[2][4];
    for (int g = 0; g < 4; ++g) {
        of[0][g] = _mm256_permute2x128_si256(c.q[g], c.q[g + 4], 0x20);
        of[1][g] = _mm256_permute2x128_si256(c.q[g], c.q[g + 4], 0x31);
    }
    storeQuarters(c, 0, of[0]);
    storeQuarters(c, 1, of[1]);
}

struct CodesQ6_K : quant::Q6_K {
    static constexpr int kTop = 63;

    static inline void load(const uint8_t* b, Codes& c) {
        const __m256i top = _mm256_set1_epi8(0x30);
        eachOf<0, 2>([&]<int second>() __attribute__((always_inline)) {
            const __m256i low0 = loadTwo(b + 16 * second, b + 64 + 16 * second),
                          low1 = loadTwo(b + 32 + 16 * second, b + 96 + 16 * second);
            const __m256i bits = loadTwo(b + 128 + 16 * second, b + 160 + 16 * second);
            storeQuarters(c, second,
                          {_mm256_or_si256(lowNibbles(low0), _mm256_and_si256(_mm256_slli_epi16(bits, 4), top)),
                           _mm256_or_si256(lowNibbles(low1), _mm256_and_si256(_mm256_slli_epi16(bits, 2), top)),
                           _mm256_or_si256(highNibbles(low0), _mm256_and_si256(bits, top)),
                           _mm256_or_si256(highNibbles(low1), _mm256_and_si256(_mm256_srli_epi16(bits, 2), top))});
        });
        const Vec d = splat(halfAt(b + 208));
        for (int i = 0; i < 16; i += 8) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b + 192 + i));
            const Vec scale = mul(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), d);
            store(c.scale + i, scale);
            store(c.min + i, mul(scale, splat(-32.0f)));
        }
    }
};

// --- 2 and 3 bits ---------------------------------------------------------------------------------------------------

/// Codes of two bits from 64 bytes, as Q2_K has them: those of groups g and g + 4 (see storeQuarters).
inline void twoBits(const uint8_t* p, int second, __m256i (&of)[4]) {
    const __m256i mask = _mm256_set1_epi8(3), bytes = loadTwo(p + 16 * second, p + 32 + 16 * second);
    of[0] = _mm256_and_si256(bytes, mask);
    of[1] = _mm256_and_si256(_mm256_srli_epi16(bytes, 2), mask);
    of[2] = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
    of[3] = _mm256_and_si256(_mm256_srli_epi16(bytes, 6), mask);
}

inline void loadTwoBits(const uint8_t* p, Codes& c) {
    eachOf<0, 2>([&]<int second>() __attribute__((always_inline)) {
        __m256i of[4];
        twoBits(p, second, of);
        storeQuarters(c, second, of);
    });
}

/// d times 16 signed bytes.
inline void storeScaled(float* to, __m128i bytes, float d) {
    store(to, mul(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), splat(d)));
    store(to + 8, mul(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))), splat(d)));
}

struct CodesQ2_K : quant::Q2_K {
    static constexpr int kTop = 3;

    static inline void load(const uint8_t* b, Codes& c) {
        loadTwoBits(b + 16, c);
        const __m128i both = load128(b), mask = _mm_set1_epi8(15);
        storeScaled(c.scale, _mm_and_si128(both, mask), halfAt(b + 80));
        storeScaled(c.min, _mm_and_si128(_mm_srli_epi16(both, 4), mask), -halfAt(b + 82));
    }
};

struct CodesQ3_K : quant::Q3_K {
    static constexpr int kTop = 7;

    /// Bit g of byte number i has the third of number i of group g.
    static inline void load(const uint8_t* b, Codes& c) {
        const __m256i four = _mm256_set1_epi8(4), groups = _mm256_set_epi64x(4, 4, 0, 0);
        eachOf<0, 2>([&]<int second>() __attribute__((always_inline)) {
            const __m256i bits = _mm256_srlv_epi64(_mm256_broadcastsi128_si256(load128(b + 16 * second)), groups);
            __m256i of[4];
            twoBits(b + 32, second, of);
            of[0] = _mm256_or_si256(of[0], _mm256_and_si256(_mm256_slli_epi16(bits, 2), four));
            of[1] = _mm256_or_si256(of[1], _mm256_and_si256(_mm256_slli_epi16(bits, 1), four));
            of[2] = _mm256_or_si256(of[2], _mm256_and_si256(bits, four));
            of[3] = _mm256_or_si256(of[3], _mm256_and_si256(_mm256_srli_epi16(bits, 1), four));
            storeQuarters(c, second, of);
        });
        storeScaled(c.scale, scalesOfQ3_K(b + 96), halfAt(b + 108));
        offsetMins(c, 16, kOffset);
    }
};

struct CodesTQ2_0 : quant::TQ2_0 {
    static constexpr int kTop = 3;

    static inline void load(const uint8_t* b, Codes& c) {
        loadTwoBits(b, c);
        store(c.scale, splat(halfAt(b + 64)));
        offsetMins(c, 8, kOffset);
    }
};

struct CodesTQ1_0 : quant::TQ1_0 {
    static constexpr int kTop = 2;

    /// The ternary digits on top of the bytes: a third and two thirds of 256 are the limits.
    static inline __m256i digits(__m256i v) {
        const __m256i one = _mm256_set1_epi8(1);
        const __m256i some = _mm256_min_epu8(_mm256_subs_epu8(v, _mm256_set1_epi8(85)), one);
        const __m256i most = _mm256_min_epu8(_mm256_subs_epu8(v, _mm256_set1_epi8(char(170))), one);
        return _mm256_add_epi8(some, most);
    }

    /// Three times each byte, modulo 256: the next digit comes to the top.
    static inline __m256i tripled(__m256i v) { return _mm256_add_epi8(v, _mm256_add_epi8(v, v)); }

    static inline void load(const uint8_t* b, Codes& c) {
        __m256i first = load256(b);
        __m256i second = _mm256_inserti128_si256(_mm256_castsi128_si256(load128(b + 32)),
                                                 _mm_cvtsi32_si128(load32(b + 48)), 1); // the last 4 bytes above
        __m256i seconds[5];
        for (int n = 0; n < 5; ++n) {
            c.q[n] = digits(first);
            seconds[n] = digits(second);
            first = tripled(first);
            second = tripled(second);
        }
        c.q[5] = _mm256_permute2x128_si256(seconds[0], seconds[1], 0x20);
        c.q[6] = _mm256_permute2x128_si256(seconds[2], seconds[3], 0x20);
        const __m256i end = _mm256_unpacklo_epi64(_mm256_unpacklo_epi32(seconds[0], seconds[1]),
                                                  _mm256_unpacklo_epi32(seconds[2], seconds[3]));
        c.q[7] = _mm256_permute2x128_si256(seconds[4], end, 0x30);
        toQuarters(c);
        store(c.scale, splat(halfAt(b + 52)));
        offsetMins(c, 8, kOffset);
    }
};

// --- Tables of 16 values ---------------------------------------------------------------------------------------------

inline __m256i lookUp(const int8_t (&table)[16], int offset, __m256i nibbles) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(movedTable(table, offset)), nibbles);
}

/// Nibbles become values.
inline void lookUpAll(const int8_t (&table)[16], int offset, Codes& c) {
    for (int i = 0; i < 8; ++i)
        c.q[i] = lookUp(table, offset, c.q[i]);
}

/// As with Q8_0, moved up these codes would be too large for AVX2's sums of pairs.
struct CodesIQ4_NL : quant::IQ4_NL {
    static constexpr int kTop = -127;

    template <typename At>
    static inline void load(const At& at, Codes& c) {
        nibblesInQuarters(behind(at, 2), c);
        lookUpAll(quant::kIq4Values, 0, c);
        store(c.scale, halvesOf(at));
        store(c.min, zero());
    }
};

struct CodesIQ4_XS : quant::IQ4_XS {
    static constexpr int kTop = -127;

    static inline void load(const uint8_t* b, Codes& c) {
        nibblesInQuarters(Blocks<16>{b + 8}, c);
        lookUpAll(quant::kIq4Values, 0, c);
        store(c.scale, mul(_mm256_cvtepi32_ps(scalesOfIQ4_XS(b)), splat(halfAt(b))));
        store(c.min, zero());
    }
};

struct CodesMXFP4 : quant::MXFP4 {
    static constexpr int kTop = 24;

    template <typename At>
    static inline void load(const At& at, Codes& c) {
        nibblesInQuarters(behind(at, 1), c);
        lookUpAll(quant::kFp4Values, kOffset, c);
        uint64_t exponents = 0;
        for (int g = 0; g < 8; ++g)
            exponents |= uint64_t(*at(g)) << (8 * g);
        store(c.scale, halfPowers(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(int64_t(exponents)))));
        offsetMins(c, 8, kOffset);
    }
};

/// A group's eights: low nibbles of eight bytes, their high ones, both of the next eight.
/// NVFP4's scales of eight groups, as NVFP4::halfScale gives them.
inline __m256 halfScales(__m128i bytes) {
    const __m256i e = _mm256_and_si256(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(0x7f));
    const __m256i isNormal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(7));
    const __m256i normal = _mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(119 << 3)), 20);
    const __m256 subnormal = _mm256_mul_ps(_mm256_cvtepi32_ps(e), _mm256_set1_ps(0x1p-10f));
    const __m256i scale = _mm256_blendv_epi8(_mm256_castps_si256(subnormal), normal, isNormal);
    return _mm256_castsi256_ps(
        _mm256_andnot_si256(_mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(0x7f)), scale));
}

struct CodesNVFP4 : quant::NVFP4 {
    static constexpr int kTop = 24;

    template <typename At>
    static inline void load(const At& at, Codes& c) {
        eachOf<0, 2>([&]<int odd>() __attribute__((always_inline)) {
            const auto bytes = behind(at, 4 + 16 * odd);
            const Eights of(bytes(0), bytes(1), bytes(2), bytes(3));
            c.q[odd] = lowNibbles(of.first);
            c.q[2 + odd] = highNibbles(of.first);
            c.q[4 + odd] = lowNibbles(of.second);
            c.q[6 + odd] = highNibbles(of.second);
        });
        lookUpAll(quant::kFp4Values, kOffset, c);
        const __m128i scales = _mm_set_epi32(load32(at(3)), load32(at(2)), load32(at(1)), load32(at(0)));
        store(c.scale, halfScales(scales));
        store(c.scale + 8, halfScales(_mm_srli_si128(scales, 8)));
        offsetMins(c, 16, kOffset);
    }
};

// --- Grids -----------------------------------------------------------------------------------------------------------

/// Numbers of points: they go through memory from the vectors that make them to the loads that use them.
struct Points {
    alignas(32) uint16_t at[64];

    void store8(int first, __m128i v) { _mm_store_si128(reinterpret_cast<__m128i*>(at + first), v); }

    void store16(int first, __m256i v) { _mm256_store_si256(reinterpret_cast<__m256i*>(at + first), v); }

    /// Where they lie. Read from there: compilers would rather take each out of its vector, in twice the steps.
    const uint16_t* stored() {
        asm("" : "+m"(at));
        return at;
    }
};

/// Of a grid with points of eight numbers: at[kApart * g + e] tells the one of group g's eight number e.
template <int kApart = 4, int kPoints, typename Index>
inline void loadPoints(const quant::Grid<uint64_t, kPoints>& grid, const Index* at, Codes& c) {
    eachOf<0, 8>([&]<int i>() __attribute__((always_inline)) {
        const auto point = [&](int k) { return int64_t(grid.point[at[(2 * k + i % 2) * kApart + i / 2]]); };
        c.q[i] = _mm256_set_epi64x(point(3), point(2), point(1), point(0));
    });
}

/// Of a grid with points of four numbers, eight for each group.
template <int kPoints, typename Index>
inline void loadPoints(const quant::Grid<uint32_t, kPoints>& grid, const Index* at, Codes& c) {
    eachOf<0, 8>([&]<int i>() __attribute__((always_inline)) {
        const auto point = [&](int k) { return int(grid.point[at[k / 2 * 16 + i % 2 * 8 + i / 2 * 2 + k % 2]]); };
        c.q[i] = _mm256_set_epi32(point(7), point(6), point(5), point(4), point(3), point(2), point(1), point(0));
    });
}

/// kOffset + or - magnitudes, as the 32 bits of each group say.
template <int kOffset>
inline void applySigns(Codes& c, __m256i signs) {
    eachOf<0, 8>([&]<int i>() __attribute__((always_inline)) {
        const __m256i negative = bytesOfBits<i>(signs);
        const __m256i turned = _mm256_sub_epi8(_mm256_xor_si256(c.q[i], negative), negative);
        c.q[i] = _mm256_add_epi8(turned, _mm256_set1_epi8(kOffset));
    });
}

struct CodesIQ2_XXS : quant::IQ2_XXS {
    static constexpr int kTop = 2 * kOffset;

    static inline void load(const uint8_t* b, Codes& c) {
        loadPoints<8>(quant::kIq2XxsGrid, b + 2, c);
        const __m256i words = wordsOfIQ2_XXS(b);
        applySigns<kOffset>(c, signsOfWords(words));
        store(c.scale, scalesOfWords(words, halfAt(b), 0.25f));
        offsetMins(c, 8, kOffset);
    }
};

/// d * (0.5 + scale) / 4 of 16 nibbles.
inline void storeQuarterScales(float* to, const uint8_t* nibbles, float d) {
    const __m128i bytes = nibblesOf8(load64(nibbles));
    for (int half = 0; half < 2; ++half) {
        const Vec scale = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(half == 0 ? bytes : _mm_srli_si128(bytes, 8)));
        store(to + 8 * half, mul(mul(splat(d), add(scale, splat(0.5f))), splat(0.25f)));
    }
}

struct CodesIQ2_XS : quant::IQ2_XS {
    static constexpr int kTop = 2 * kOffset;

    static inline void load(const uint8_t* b, Codes& c) {
        Points points;
        for (int half = 0; half < 2; ++half)
            points.store16(16 * half, _mm256_and_si256(load256(b + 2 + 32 * half), _mm256_set1_epi16(511)));
        loadPoints(quant::kIq2XsGrid, points.stored(), c);
        applySigns<kOffset>(c, signsOfIQ2_XS(b));
        storeQuarterScales(c.scale, b + 66, halfAt(b));
        offsetMins(c, 16, kOffset);
    }
};

/// Each of four words to four 16-bit lanes.
inline __m256i eachFourTimes(__m128i words) {
    const __m256i both = _mm256_broadcastsi128_si256(words);
    return _mm256_shuffle_epi8(
        both, _mm256_set_epi64x(0x0706070607060706, 0x0504050405040504, 0x0302030203020302, 0x0100010001000100));
}

inline void pointsOfIQ2_S(const uint8_t* b, Points& points) {
    const __m256i places = _mm256_set1_epi64x(int64_t{4} << 48 | int64_t{16} << 32 | 64 << 16 | 256);
    for (int half = 0; half < 2; ++half) {
        const __m128i bytes = _mm_cvtepu8_epi16(_mm_cvtsi32_si128(load32(b + 66 + 4 * half)));
        const __m256i high =
            _mm256_and_si256(_mm256_mullo_epi16(eachFourTimes(bytes), places), _mm256_set1_epi16(0x300));
        points.store16(16 * half, _mm256_or_si256(high, _mm256_cvtepu8_epi16(load128(b + 2 + 16 * half))));
    }
}

inline void pointsOfIQ3_S(const uint8_t* b, Points& points) {
    const __m128i select = _mm_set1_epi64x(int64_t(0x8040201008040201u)), one = _mm_set1_epi8(1);
    for (int i = 0; i < 4; ++i) {
        const __m128i bits =
            _mm_shuffle_epi8(_mm_cvtsi32_si128(load16(b + 66 + 2 * i)), _mm_set_epi64x(0x0101010101010101, 0));
        const __m128i ninth = _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(bits, select), select), one);
        const __m128i low = load128(b + 2 + 16 * i);
        points.store8(16 * i, _mm_unpacklo_epi8(low, ninth));
        points.store8(16 * i + 8, _mm_unpackhi_epi8(low, ninth));
    }
}

struct CodesIQ2_S : quant::IQ2_S {
    static constexpr int kTop = 2 * kOffset;

    static inline void load(const uint8_t* b, Codes& c) {
        Points points;
        pointsOfIQ2_S(b, points);
        loadPoints(quant::kIq2SGrid, points.stored(), c);
        applySigns<kOffset>(c, load256(b + 34));
        storeQuarterScales(c.scale, b + 74, halfAt(b));
        offsetMins(c, 16, kOffset);
    }
};

struct CodesIQ3_XXS : quant::IQ3_XXS {
    static constexpr int kTop = 2 * kOffset;

    static inline void load(const uint8_t* b, Codes& c) {
        loadPoints(quant::kIq3XxsGrid, b + 2, c);
        const __m256i words = load256(b + 66);
        applySigns<kOffset>(c, signsOfWords(words));
        store(c.scale, scalesOfWords(words, halfAt(b), 0.5f));
        offsetMins(c, 8, kOffset);
    }
};

struct CodesIQ3_S : quant::IQ3_S {
    static constexpr int kTop = 2 * kOffset;

    static inline void load(const uint8_t* b, Codes& c) {
        Points points;
        pointsOfIQ3_S(b, points);
        loadPoints(quant::kIq3SGrid, points.stored(), c);
        applySigns<kOffset>(c, load256(b + 74));
        const Vec scale = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(nibblesOf8(_mm_cvtsi32_si128(load32(b + 106)))));
        store(c.scale, mul(add(add(scale, scale), splat(1.0f)), splat(halfAt(b))));
        offsetMins(c, 8, kOffset);
    }
};

/// kOffset + 1 to all codes, less what `down` has for a group's eights.
template <int kOffset>
inline void addMoves(Codes& c, __m256i down) {
    eachOf<0, 8>([&]<int i>() __attribute__((always_inline)) {
        c.q[i] = _mm256_add_epi8(c.q[i], _mm256_sub_epi8(_mm256_set1_epi8(kOffset + 1), spread<i>(down)));
    });
}

inline void pointsOfIQ1_S(const uint8_t* b, Points& points) {
    const __m256i places = _mm256_set1_epi64x(int64_t{4} << 32 | 32 << 16 | 256);
    const __m256i high = _mm256_set1_epi16(0x700), last = _mm256_set1_epi64x(int64_t{0x700} << 48);
    for (int half = 0; half < 2; ++half) {
        const __m256i words = eachFourTimes(load64(b + 34 + 8 * half));
        const __m256i upper = _mm256_or_si256(_mm256_and_si256(_mm256_mullo_epi16(words, places), high),
                                              _mm256_and_si256(_mm256_srli_epi16(words, 1), last));
        points.store16(16 * half, _mm256_or_si256(upper, _mm256_cvtepu8_epi16(load128(b + 2 + 16 * half))));
    }
}

/// The nibbles of IQ1_M's points, 16 of them: three bits of the number, and whether the point is moved down.
inline __m128i nibblesOfIQ1_M(const uint8_t* b, int half) {
    return nibblesOf8(load64(b + 32 + 8 * half));
}

inline void pointsOfIQ1_M(const uint8_t* b, Points& points) {
    for (int half = 0; half < 2; ++half) {
        const __m128i low = load128(b + 16 * half);
        const __m128i high = _mm_and_si128(nibblesOfIQ1_M(b, half), _mm_set1_epi8(7));
        points.store8(16 * half, _mm_unpacklo_epi8(low, high));
        points.store8(16 * half + 8, _mm_unpackhi_epi8(low, high));
    }
}

struct CodesIQ1_S : quant::IQ1_S {
    static constexpr int kTop = 2 * kOffset;

    static inline void load(const uint8_t* b, Codes& c) {
        Points points;
        pointsOfIQ1_S(b, points);
        loadPoints(quant::kIq1Grid, points.stored(), c);
        // A word's top bit moves its group down; as bytes, one of four for each of a group's eights.
        const __m256i down = _mm256_srai_epi32(_mm256_cvtepi16_epi32(load128(b + 34)), 31);
        addMoves<kOffset>(c, _mm256_and_si256(down, _mm256_set1_epi8(2)));
        store(c.scale, scalesOfIQ1_S(b));
        offsetMins(c, 8, kOffset);
    }
};

/// d * (1 + 2 * scale) / 8 of eight groups.
inline __m256 scalesOfIQ1_M(const uint8_t* b, int half) {
    const __m256i words = _mm256_cvtepu16_epi32(_mm_shuffle_epi8(
        _mm_cvtsi32_si128(load32(b + 48 + 4 * half)), _mm_set_epi64x(0x0302030203020302, 0x0100010001000100)));
    const __m256i scale =
        _mm256_and_si256(_mm256_srlv_epi32(words, _mm256_set_epi32(9, 6, 3, 0, 9, 6, 3, 0)), _mm256_set1_epi32(7));
    const __m256 odd = _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(scale, 1), _mm256_set1_epi32(1)));
    return _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(quant::IQ1_M::unit(b)), odd), _mm256_set1_ps(0.125f));
}

struct CodesIQ1_M : quant::IQ1_M {
    static constexpr int kTop = 2 * kOffset;

    static inline void load(const uint8_t* b, Codes& c) {
        Points points;
        pointsOfIQ1_M(b, points);
        loadPoints(quant::kIq1Grid, points.stored(), c);
        const __m256i nibbles = _mm256_set_m128i(nibblesOfIQ1_M(b, 1), nibblesOfIQ1_M(b, 0)); // of all points; 8: down
        addMoves<kOffset>(c, _mm256_and_si256(_mm256_srli_epi16(nibbles, 2), _mm256_set1_epi8(2)));
        store(c.scale, scalesOfIQ1_M(b, 0));
        store(c.scale + 8, scalesOfIQ1_M(b, 1));
        offsetMins(c, 16, kOffset);
    }
};

/// Every quantized type with its codes: calls f.template operator()<CodesX>(Type::X).
template <typename F>
inline void forEachCodes(const F& f) {
    f.template operator()<CodesQ4_0>(Type::Q4_0);
    f.template operator()<CodesQ4_1>(Type::Q4_1);
    f.template operator()<CodesQ5_0>(Type::Q5_0);
    f.template operator()<CodesQ5_1>(Type::Q5_1);
    f.template operator()<CodesQ8_0>(Type::Q8_0);
    f.template operator()<CodesQ2_K>(Type::Q2_K);
    f.template operator()<CodesQ3_K>(Type::Q3_K);
    f.template operator()<CodesQ4_K>(Type::Q4_K);
    f.template operator()<CodesQ5_K>(Type::Q5_K);
    f.template operator()<CodesQ6_K>(Type::Q6_K);
    f.template operator()<CodesIQ1_S>(Type::IQ1_S);
    f.template operator()<CodesIQ1_M>(Type::IQ1_M);
    f.template operator()<CodesIQ2_XXS>(Type::IQ2_XXS);
    f.template operator()<CodesIQ2_XS>(Type::IQ2_XS);
    f.template operator()<CodesIQ2_S>(Type::IQ2_S);
    f.template operator()<CodesIQ3_XXS>(Type::IQ3_XXS);
    f.template operator()<CodesIQ3_S>(Type::IQ3_S);
    f.template operator()<CodesIQ4_NL>(Type::IQ4_NL);
    f.template operator()<CodesIQ4_XS>(Type::IQ4_XS);
    f.template operator()<CodesTQ1_0>(Type::TQ1_0);
    f.template operator()<CodesTQ2_0>(Type::TQ2_0);
    f.template operator()<CodesMXFP4>(Type::MXFP4);
    f.template operator()<CodesNVFP4>(Type::NVFP4);
}

} // namespace
} // namespace hearth::kernels::cpu
