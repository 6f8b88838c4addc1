#pragma once

// Weight rows as unsigned codes in 512-bit vectors, with scales and mins. Included after simd_avx512.h. Internal
// linkage on purpose.

#include "kernels/cpu/block_fields.h"

namespace hearth::kernels::cpu {
namespace {

/// kPairs x 64 codes, and the scales and mins of groups of 32 (8 numbers) or 16 (16 numbers); 0 beyond kPairs. The
/// codes lie in eights (see inEights): piece g of q[i], 64 bits, holds numbers 8i .. 8i+7 of group g. So a lane's
/// products over all four are of one group, and one multiplication scales them. What counts are codes times scales: of
/// Q4_K the odd groups' codes are 16 times the format's, their scales a sixteenth.
struct Codes {
    __m512i q[4];
    __m512 scaleMin; // groups of 32: scales 0..7, then mins 0..7
    __m512 scale16;  // groups of 16
    __m512 min16;    // of formats with mins; those of centred ones are -kOffset times their scales
};

inline __m512i nibbleMask() {
    return _mm512_set1_epi8(15);
}

inline __m512i load512(const uint8_t* p) {
    return _mm512_loadu_si512(p);
}

/// The first n pieces of 64 bits, then zeros; none if there are none.
inline __m512i loadPieces(const uint8_t* p, int n) {
    return n <= 0 ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi64(__mmask8(n >= 8 ? 255 : (1 << n) - 1), p);
}

/// Of two vectors of pieces one after the other.
inline __m512i evenPieces() {
    return _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
}

inline __m512i oddPieces() {
    return _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
}

/// The first eight bytes of up to eight blocks that lie kBytes apart.
template <int kBlocks, int kBytes>
inline __m512i piecesOf(const uint8_t* p) {
    __m512i v = _mm512_zextsi128_si512(load64(p));
    eachOf<1, kBlocks>([&]<int i>() __attribute__((always_inline)) {
        v = _mm512_mask_broadcastq_epi64(v, 1 << i, load64(p + i * kBytes));
    });
    return v;
}

inline __m512 join(__m256 low, __m256 high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

inline __m512i join(__m256i low, __m256i high) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/// 16-bit fields of 2 * kPairs blocks that lie kBytes apart, as floats. Put together in the integer units: those of
/// vectors have enough to do.
template <int kPairs, int kBytes>
inline __m256 halvesOf(const uint8_t* p) {
    const auto half = [&](int n) { return n < 2 * kPairs ? uint64_t(uint32_t(load16(p + n * kBytes))) : uint64_t(0); };
    const uint64_t low = half(0) | half(1) << 16 | half(2) << 32 | half(3) << 48;
    const uint64_t high = half(4) | half(5) << 16 | half(6) << 32 | half(7) << 48;
    return _mm256_cvtph_ps(_mm_unpacklo_epi64(_mm_cvtsi64_si128(int64_t(low)), _mm_cvtsi64_si128(int64_t(high))));
}

/// 32-bit fields of 2 * kPairs blocks that lie kBytes apart, then zeros. One by one: _mm256_set_epi32() of memory makes
/// GCC 12 write them to the stack and wait until it can read them there.
template <int kPairs, int kBytes>
inline __m256i wordsOf(const uint8_t* p) {
    __m128i low = _mm_cvtsi32_si128(load32(p)), high = _mm_setzero_si128();
    low = _mm_insert_epi32(low, load32(p + kBytes), 1);
    if constexpr (kPairs > 1) {
        low = _mm_insert_epi32(low, load32(p + 2 * kBytes), 2);
        low = _mm_insert_epi32(low, load32(p + 3 * kBytes), 3);
    }
    if constexpr (kPairs > 2) {
        high = _mm_cvtsi32_si128(load32(p + 4 * kBytes));
        high = _mm_insert_epi32(high, load32(p + 5 * kBytes), 1);
    }
    if constexpr (kPairs > 3) {
        high = _mm_insert_epi32(high, load32(p + 6 * kBytes), 2);
        high = _mm_insert_epi32(high, load32(p + 7 * kBytes), 3);
    }
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/// Pairs of halves (d, m) of 2 * kPairs blocks kBytes apart: the d as floats, then the m.
template <int kPairs, int kBytes>
inline __m512 halfPairsOf(const uint8_t* p) {
    const __m256i pairs = wordsOf<kPairs, kBytes>(p);
    const __m128i d = _mm256_cvtepi32_epi16(pairs), m = _mm256_cvtepi32_epi16(_mm256_srli_epi32(pairs, 16));
    return _mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(d), m, 1));
}

/// Puts vectors of two groups each, in their order, into eights.
template <int kPairs>
inline void arrange(Codes& c) {
    for (int i = kPairs; i < 4; ++i)
        c.q[i] = _mm512_setzero_si512();
    const __m512i lower = _mm512_set_epi64(13, 9, 5, 1, 12, 8, 4, 0),
                  upper = _mm512_add_epi64(lower, _mm512_set1_epi64(2));
    const __m512i first[] = {_mm512_permutex2var_epi64(c.q[0], lower, c.q[1]),
                             _mm512_permutex2var_epi64(c.q[0], upper, c.q[1])};
    const __m512i second[] = {_mm512_permutex2var_epi64(c.q[2], lower, c.q[3]),
                              _mm512_permutex2var_epi64(c.q[2], upper, c.q[3])};
    for (int i = 0; i < 2; ++i) {
        c.q[2 * i] = _mm512_shuffle_i64x2(first[i], second[i], 0x44);
        c.q[2 * i + 1] = _mm512_shuffle_i64x2(first[i], second[i], 0xee);
    }
}

/// 16 bytes of up to four blocks, kBytes apart.
template <int kBlocks, int kBytes>
inline __m512i sixteens(const uint8_t* p) {
    if constexpr (kBlocks <= 0)
        return _mm512_setzero_si512();
    if constexpr (kBlocks >= 4 && kBytes == 16)
        return load512(p);
    __m512i v = _mm512_zextsi128_si512(load128(p));
    if constexpr (kBlocks > 1)
        v = _mm512_inserti32x4(v, load128(p + kBytes), 1);
    if constexpr (kBlocks > 2)
        v = _mm512_inserti32x4(v, load128(p + 2 * kBytes), 2);
    if constexpr (kBlocks > 3)
        v = _mm512_inserti32x4(v, load128(p + 3 * kBytes), 3);
    return v;
}

/// Pieces of eight bytes: the first and the second of blocks of 16.
struct Halves {
    __m512i first, second;
};

/// The first and the second eight bytes of 2 * kPairs blocks of 16 that lie kBytes apart.
template <int kPairs, int kBytes>
inline Halves halvesOfSixteens(const uint8_t* p) {
    const __m512i low = sixteens<2 * kPairs, kBytes>(p);
    if constexpr (kPairs == 1) {
        const __m128i a = _mm512_castsi512_si128(low), b = _mm512_extracti32x4_epi32(low, 1);
        return {_mm512_zextsi128_si512(_mm_unpacklo_epi64(a, b)), _mm512_zextsi128_si512(_mm_unpackhi_epi64(a, b))};
    } else {
        const __m512i high = sixteens<2 * kPairs - 4, kBytes>(p + 4 * kBytes);
        return {_mm512_permutex2var_epi64(low, evenPieces(), high), _mm512_permutex2var_epi64(low, oddPieces(), high)};
    }
}

/// Nibbles of 2 * kPairs blocks of 16 bytes that lie kBytes apart: the low ones are a group's first half.
template <int kPairs, int kBytes>
inline void nibblesOfBlocks(const uint8_t* p, Codes& c) {
    const Halves halves = halvesOfSixteens<kPairs, kBytes>(p);
    c.q[0] = _mm512_and_si512(halves.first, nibbleMask());
    c.q[1] = _mm512_and_si512(halves.second, nibbleMask());
    c.q[2] = _mm512_and_si512(_mm512_srli_epi16(halves.first, 4), nibbleMask());
    c.q[3] = _mm512_and_si512(_mm512_srli_epi16(halves.second, 4), nibbleMask());
}

inline __m512 scalesWithOffset(__m256 scale, float offset) {
    return join(scale, _mm256_mul_ps(scale, _mm256_set1_ps(offset)));
}

struct CodesQ4_0 : quant::Q4_0 {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        nibblesOfBlocks<kPairs, kBytes>(b + 2, c);
        c.scaleMin = scalesWithOffset(halvesOf<kPairs, kBytes>(b), -float(kOffset));
        return c;
    }
};

struct CodesQ4_1 : quant::Q4_1 {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        nibblesOfBlocks<kPairs, kBytes>(b + 4, c);
        c.scaleMin = halfPairsOf<kPairs, kBytes>(b);
        return c;
    }
};

/// Nibbles in pieces of eight bytes, `first` of numbers 0..7 and 16..23 of a group, `second` of the others, and a fifth
/// bit of each: number i's is bit kBit + i of the group's piece of `bits`.
template <int kBit>
inline void fiveBits(__m512i first, __m512i second, __m512i bits, Codes& c) {
    constexpr int64_t kInOrder = 0x0706050403020100, kEight = 0x0808080808080808; // a bit further for each number
    const __m512i nibbles[] = {first, second, _mm512_srli_epi16(first, 4), _mm512_srli_epi16(second, 4)};
    for (int i = 0; i < 4; ++i) {
        const __m512i at = _mm512_set1_epi64(kInOrder + i * kEight + (kBit - 4) * (kEight / 8)); // to bit 4 of a byte
        const __m512i either =
            _mm512_ternarylogic_epi64(nibbleMask(), nibbles[i], _mm512_multishift_epi64_epi8(at, bits), 0xca);
        c.q[i] = _mm512_and_si512(either, _mm512_set1_epi8(31));
    }
}

struct CodesQ5_0 : quant::Q5_0 {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        const __m512i heads = piecesOf<2 * kPairs, kBytes>(b); // f16 d, 32 fifth bits, and two bytes of nibbles
        const auto [first, second] = halvesOfSixteens<kPairs, kBytes>(b + 6);
        fiveBits<16>(first, second, heads, c);
        const __m256 scale = _mm256_cvtph_ps(_mm512_cvtepi64_epi16(heads));
        c.scaleMin = scalesWithOffset(scale, -float(kOffset));
        return c;
    }
};

struct CodesQ5_1 : quant::Q5_1 {
    /// Blocks are three pieces of eight bytes each, of which the nth of eight blocks is wanted.
    template <int kNth>
    static inline __m512i thirds(const __m512i (&b)[3]) {
        constexpr auto kAt = [](int g) { return 3 * g + kNth; };
        const __m512i at =
            _mm512_set_epi64(kAt(7), kAt(6), kAt(5), kAt(4), kAt(3), kAt(2), kAt(1), kAt(0)); // modulo 16, or 8
        constexpr __mmask8 kOfLast = kNth == 0 ? 0xc0 : 0xe0;
        return _mm512_mask_permutexvar_epi64(_mm512_permutex2var_epi64(b[0], at, b[1]), kOfLast, at, b[2]);
    }

    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        __m512i pieces[3];
        for (int i = 0; i < 3; ++i)
            pieces[i] = loadPieces(b + 64 * i, 6 * kPairs - 8 * i);
        const __m512i heads = thirds<0>(pieces); // f16 d, f16 m, 32 fifth bits
        fiveBits<32>(thirds<1>(pieces), thirds<2>(pieces), heads, c);
        const __m128i d = _mm512_cvtepi64_epi16(heads), m = _mm512_cvtepi64_epi16(_mm512_srli_epi64(heads, 16));
        c.scaleMin = _mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(d), m, 1));
        return c;
    }
};

struct CodesQ8_0 : quant::Q8_0 {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        for (int i = 0; i < kPairs; ++i) {
            const uint8_t* p = b + 2 * i * kBytes + 2;
            const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(load256(p)), load256(p + kBytes), 1);
            c.q[i] = _mm512_xor_si512(both, _mm512_set1_epi8(-128));
        }
        arrange<kPairs>(c);
        c.scaleMin = scalesWithOffset(halvesOf<kPairs, kBytes>(b), -float(kOffset));
        return c;
    }
};

/// d * scales, then -dmin * mins, of a block that begins with f16 d, f16 dmin and the 12 bytes of k_scales.h. kShifted:
/// the odd groups' codes are 16 times too large, so their scales are a sixteenth.
template <bool kShifted>
inline __m512 kScaleMins(const uint8_t* b) {
    uint64_t low;
    std::memcpy(&low, b + 4, 8); // the low six bits of scales 0..3, mins 0..3, and two bits of those that follow
    const uint64_t rest = uint64_t(uint32_t(load32(b + 12))), nibbles = rest | rest << 28;
    const uint64_t high = (nibbles & 0x0f0f0f0f0f0f0f0f) | (low >> 2 & 0x3030303030303030);
    const __m128i bytes =
        _mm_unpacklo_epi32(_mm_cvtsi64_si128(int64_t(low & 0x3f3f3f3f3f3f3f3f)), _mm_cvtsi64_si128(int64_t(high)));
    const __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128(load32(b))); // d, dmin
    const __m128 d = _mm_mul_ps(_mm_permute_ps(both, 0x04), _mm_set_ps(0, kShifted ? 1.0f / 16 : 1.0f, -1.0f, 1.0f));
    const __m512i lanes = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 2, 0, 2, 0, 2, 0, 2, 0);
    const __m512 factors = _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(d));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)), factors);
}

/// Nibbles of four times 32 bytes: the low ones are the even groups. kShifted: the high ones stay where they are, as
/// numbers that are 16 times too large.
template <bool kShifted>
inline void nibblesOfGroups(const uint8_t* p, Codes& c) {
    const __m512i low = load512(p), high = load512(p + 64);
    const __m512i pieces = _mm512_set_epi64(12, 12, 8, 8, 4, 4, 0, 0),
                  shifts = _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0);
    for (int i = 0; i < 4; ++i) {
        const __m512i both = _mm512_permutex2var_epi64(low, _mm512_add_epi64(pieces, _mm512_set1_epi64(i)), high);
        c.q[i] = kShifted ? _mm512_and_si512(both, _mm512_sllv_epi64(nibbleMask(), shifts))
                          : _mm512_and_si512(_mm512_srlv_epi64(both, shifts), nibbleMask());
    }
}

/// Adds a value where bit g of a group's byte is set: 32 bytes that all eight groups share.
inline void addSharedBits(const uint8_t* p, int value, Codes& c) {
    constexpr int64_t kBit = 0x0101010101010101;
    const __m512i bits = _mm512_set_epi64(int64_t(uint64_t(kBit) << 7), kBit << 6, kBit << 5, kBit << 4, kBit << 3,
                                          kBit << 2, kBit << 1, kBit);
    for (int i = 0; i < 4; ++i) {
        const __m512i eight = _mm512_broadcastq_epi64(load64(p + 8 * i));
        c.q[i] =
            _mm512_mask_add_epi8(c.q[i], _mm512_test_epi8_mask(eight, bits), c.q[i], _mm512_set1_epi8(char(value)));
    }
}

struct CodesQ4_K : quant::Q4_K {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        nibblesOfGroups<true>(b + 16, c);
        c.scaleMin = kScaleMins<true>(b);
        return c;
    }
};

struct CodesQ5_K : quant::Q5_K {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        nibblesOfGroups<false>(b + 48, c);
        addSharedBits(b + 16, 16, c);
        c.scaleMin = kScaleMins<false>(b);
        return c;
    }
};

struct CodesQ6_K : quant::Q6_K {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        const __m512i first = load512(b), second = load512(b + 64);
        const __m512i pieces = _mm512_set_epi64(12, 8, 12, 8, 4, 0, 4, 0);
        const __m512i shifts = _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0),
                      turns = _mm512_set_epi64(62, 0, 2, 4, 62, 0, 2, 4);
        for (int i = 0; i < 4; ++i) {
            const __m512i both =
                _mm512_permutex2var_epi64(first, _mm512_add_epi64(pieces, _mm512_set1_epi64(i)), second);
            const __m512i four = _mm512_broadcastq_epi64(load64(b + 128 + 8 * i));
            const __m512i bits = _mm512_mask_broadcastq_epi64(four, 0xf0, load64(b + 160 + 8 * i));
            const __m512i either = _mm512_ternarylogic_epi64(nibbleMask(), _mm512_srlv_epi64(both, shifts),
                                                             _mm512_rolv_epi64(bits, turns), 0xca); // mask ? low : high
            c.q[i] = _mm512_and_si512(either, _mm512_set1_epi8(0x3f));
        }
        const __m512 scale = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load128(b + 192)));
        c.scale16 = _mm512_mul_ps(scale, splat(_mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(load16(b + 208))))));
        return c;
    }
};

// --- 2 and 3 bits ---------------------------------------------------------------------------------------------------

/// 256 codes of 2 bits from 64 bytes, as Q2_K has them: each 32 bytes hold four groups.
inline void loadTwoBits(const uint8_t* p, Codes& c) {
    const __m512i all = load512(p), pieces = _mm512_set_epi64(4, 4, 4, 4, 0, 0, 0, 0);
    const __m512i shifts = _mm512_set_epi64(6, 4, 2, 0, 6, 4, 2, 0);
    for (int i = 0; i < 4; ++i) {
        const __m512i four = _mm512_permutexvar_epi64(_mm512_add_epi64(pieces, _mm512_set1_epi64(i)), all);
        c.q[i] = _mm512_and_si512(_mm512_srlv_epi64(four, shifts), _mm512_set1_epi8(3));
    }
}

inline __m512 scaled(__m128i bytes, float d) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), splat(d));
}

struct CodesQ2_K : quant::Q2_K {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        loadTwoBits(b + 16, c);
        const __m128i both = load128(b), mask = _mm_set1_epi8(15);
        c.scale16 = scaled(_mm_and_si128(both, mask), halfAt(b + 80));
        c.min16 = scaled(_mm_and_si128(_mm_srli_epi16(both, 4), mask), -halfAt(b + 82));
        return c;
    }
};

struct CodesQ3_K : quant::Q3_K {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        loadTwoBits(b + 32, c);
        addSharedBits(b, 4, c);
        c.scale16 = scaled(scalesOfQ3_K(b + 96), halfAt(b + 108));
        return c;
    }
};

struct CodesTQ2_0 : quant::TQ2_0 {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        loadTwoBits(b, c);
        c.scaleMin = scalesWithOffset(_mm256_set1_ps(halfAt(b + 64)), -float(kOffset));
        return c;
    }
};

struct CodesTQ1_0 : quant::TQ1_0 {
    /// Three times each byte, modulo 256: the next ternary digit comes to the top.
    static inline __m256i tripled(__m256i v) { return _mm256_add_epi8(v, _mm256_add_epi8(v, v)); }

    /// The digits on top: a third and two thirds of 256 are the limits.
    static inline __m512i digits(__m512i v) {
        const __m512i one = _mm512_set1_epi8(1);
        const __m512i some = _mm512_maskz_mov_epi8(_mm512_cmpge_epu8_mask(v, _mm512_set1_epi8(86)), one);
        return _mm512_mask_add_epi8(some, _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8(char(171))), some, one);
    }

    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        __m256i first[5], second[5]; // bytes 0..31; 32..47 and, above them, the last four
        first[0] = load256(b);
        second[0] =
            _mm256_inserti128_si256(_mm256_castsi128_si256(load128(b + 32)), _mm_cvtsi32_si128(load32(b + 48)), 1);
        for (int n = 1; n < 5; ++n) {
            first[n] = tripled(first[n - 1]);
            second[n] = tripled(second[n - 1]);
        }
        const auto lower = [&](int n) { return _mm256_permute2x128_si256(second[n], second[n + 1], 0x20); };
        const __m256i end = _mm256_unpacklo_epi64(_mm256_unpacklo_epi32(second[0], second[1]),
                                                  _mm256_unpacklo_epi32(second[2], second[3]));
        Codes c;
        c.q[0] = digits(join(first[0], first[1]));
        c.q[1] = digits(join(first[2], first[3]));
        c.q[2] = digits(join(first[4], lower(0)));
        c.q[3] = digits(join(lower(2), _mm256_permute2x128_si256(second[4], end, 0x30)));
        arrange<4>(c);
        c.scaleMin = scalesWithOffset(_mm256_set1_ps(halfAt(b + 52)), -float(kOffset));
        return c;
    }
};

// --- Tables of 16 values ---------------------------------------------------------------------------------------------

inline void lookUp(const int8_t (&table)[16], int offset, Codes& c) {
    for (__m512i& q : c.q)
        q = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(movedTable(table, offset)), q);
}

struct CodesIQ4_NL : quant::IQ4_NL {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        nibblesOfBlocks<kPairs, kBytes>(b + 2, c);
        lookUp(quant::kIq4Values, kOffset, c);
        c.scaleMin = scalesWithOffset(halvesOf<kPairs, kBytes>(b), -float(kOffset));
        return c;
    }
};

struct CodesIQ4_XS : quant::IQ4_XS {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        nibblesOfBlocks<4, 16>(b + 8, c);
        lookUp(quant::kIq4Values, kOffset, c);
        const __m256 scale = _mm256_mul_ps(_mm256_cvtepi32_ps(scalesOfIQ4_XS(b)), _mm256_set1_ps(halfAt(b)));
        c.scaleMin = scalesWithOffset(scale, -float(kOffset));
        return c;
    }
};

struct CodesMXFP4 : quant::MXFP4 {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        uint64_t exponents = 0;
        for (int i = 0; i < 2 * kPairs; ++i)
            exponents |= uint64_t(b[i * kBytes]) << (8 * i);
        nibblesOfBlocks<kPairs, kBytes>(b + 1, c);
        lookUp(quant::kFp4Values, kOffset, c);
        const __m256i e = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(int64_t(exponents)));
        c.scaleMin = scalesWithOffset(halfPowers(e), -float(kOffset));
        return c;
    }
};

/// NVFP4's scales of 16 groups, as NVFP4::halfScale gives them.
inline __m512 halfScalesOf16(__m128i bytes) {
    const __m512i all = _mm512_cvtepu8_epi32(bytes), e = _mm512_and_si512(all, _mm512_set1_epi32(0x7f));
    const __m512i normal = _mm512_slli_epi32(_mm512_add_epi32(e, _mm512_set1_epi32(119 << 3)), 20);
    const __m512 subnormal = _mm512_mul_ps(_mm512_cvtepi32_ps(e), splat(0x1p-10f));
    const __mmask16 isNormal = _mm512_cmpgt_epi32_mask(e, _mm512_set1_epi32(7)),
                    isNone = _mm512_cmpeq_epi32_mask(all, _mm512_set1_epi32(0x7f));
    return _mm512_maskz_mov_ps(__mmask16(~isNone),
                               _mm512_mask_mov_ps(subnormal, isNormal, _mm512_castsi512_ps(normal)));
}

struct CodesNVFP4 : quant::NVFP4 {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        __m128i scales = _mm_setzero_si128();
        scales = _mm_insert_epi32(scales, load32(b), 0);
        if constexpr (kPairs > 1)
            scales = _mm_insert_epi32(scales, load32(b + kBytes), 1);
        if constexpr (kPairs > 2)
            scales = _mm_insert_epi32(scales, load32(b + 2 * kBytes), 2);
        if constexpr (kPairs > 3)
            scales = _mm_insert_epi32(scales, load32(b + 3 * kBytes), 3);
        // Eight bytes are 16 numbers, of whose eights the second is the high nibbles.
        const auto block = [&](int i) { return i < kPairs ? load256(b + i * kBytes + 4) : _mm256_setzero_si256(); };
        const __m512i low = join(block(0), block(1)), high = join(block(2), block(3));
        const __m512i first = _mm512_permutex2var_epi64(low, evenPieces(), high),
                      second = _mm512_permutex2var_epi64(low, oddPieces(), high);
        c.q[0] = _mm512_and_si512(first, nibbleMask());
        c.q[1] = _mm512_and_si512(_mm512_srli_epi16(first, 4), nibbleMask());
        c.q[2] = _mm512_and_si512(second, nibbleMask());
        c.q[3] = _mm512_and_si512(_mm512_srli_epi16(second, 4), nibbleMask());
        lookUp(quant::kFp4Values, kOffset, c);
        c.scale16 = halfScalesOf16(scales);
        return c;
    }
};

// --- Grids -----------------------------------------------------------------------------------------------------------

/// The points that 32 words name, by levels. A lookup finds 64 at once; bits beyond those choose among several.
template <int kPoints>
inline __m512i levelsAt(const uint16_t* points, __m512i at) {
    const auto* table = reinterpret_cast<const uint8_t*>(points);
    if constexpr (kPoints == 64) {
        return _mm512_permutex2var_epi16(load512(table), at, load512(table + 64));
    } else {
        constexpr int kHalf = kPoints / 2;
        const __mmask32 upper = _mm512_test_epi16_mask(at, _mm512_set1_epi16(kHalf));
        const __m512i first = levelsAt<kHalf>(points, at), second = levelsAt<kHalf>(points + kHalf, at);
        return _mm512_mask_mov_epi16(first, upper, second);
    }
}

/// The bytes of a table that 64 numbers name: their lower eight bits are in `at`, the ninth in `upper`.
template <int kPoints>
inline __m512i bytesAt(const uint8_t* table, __m512i at, [[maybe_unused]] __mmask64 upper) {
    static_assert(kPoints <= 512);
    if constexpr (kPoints == 128) {
        return _mm512_permutex2var_epi8(load512(table), at, load512(table + 64));
    } else {
        constexpr int kHalf = kPoints / 2;
        const __mmask64 eighth = _mm512_movepi8_mask(at), second = kPoints == 512 ? upper : eighth;
        return _mm512_mask_mov_epi8(bytesAt<kHalf>(table, at, upper), second, bytesAt<kHalf>(table + kHalf, at, upper));
    }
}

/// Levels of magnitudes: kOffset + each, then kOffset - each, again and again, so that a lookup by 6 bits needs no more
/// than the lowest 2 or 3, and above them the sign.
template <int kOffset, size_t kLevels>
inline __m512i signedLevels(const int8_t (&levels)[kLevels]) {
    constexpr int kHalf = kLevels <= 4 ? 4 : 8;
    uint64_t plus = 0, minus = 0;
    for (size_t i = 0; i < kLevels; ++i) {
        plus |= uint64_t(uint8_t(kOffset + levels[i])) << (8 * i);
        minus |= uint64_t(uint8_t(kOffset - levels[i])) << (8 * i);
    }
    return kHalf == 4 ? _mm512_set1_epi64(int64_t(minus << 32 | plus))
                      : _mm512_broadcast_i32x4(_mm_set_epi64x(int64_t(minus), int64_t(plus)));
}

/// Eight numbers' codes in each piece of 64 bits. Their levels of kBits begin at bit kFirst of the same piece of
/// `points`, their signs at bit kSigns of that of `signs`.
template <int kBits, int kFirst, int kSigns>
inline __m512i eightNumbers(__m512i points, __m512i signs, __m512i table) {
    // A point of eight numbers is a word of 16 bits; one of four numbers has two in each byte.
    constexpr auto kLevel = [](int i) {
        return uint64_t(kFirst + (kBits == 2 ? 2 * i : i / 2 * 8 + i % 2 * 3)) << (8 * i);
    };
    constexpr auto kSign = [](int i) { return uint64_t((kSigns + i - kBits) & 63) << (8 * i); }; // above the level
    constexpr auto kAll = [](auto at) {
        return int64_t(at(0) | at(1) | at(2) | at(3) | at(4) | at(5) | at(6) | at(7));
    };
    const __m512i level = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(kAll(kLevel)), points);
    const __m512i sign = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(kAll(kSign)), signs);
    const __m512i both = _mm512_ternarylogic_epi64(_mm512_set1_epi8((1 << kBits) - 1), level, sign, 0xca);
    return _mm512_permutexvar_epi8(both, table);
}

/// Codes in eights of 32 points of eight numbers, four words to a group, which a piece holds. `signs` has 32 bits of
/// each group.
inline void eightsOf(Codes& c, __m512i points, __m256i signs, __m512i table) {
    const __m512i pieces = _mm512_cvtepu32_epi64(signs);
    c.q[0] = eightNumbers<2, 0, 0>(points, pieces, table);
    c.q[1] = eightNumbers<2, 16, 8>(points, pieces, table);
    c.q[2] = eightNumbers<2, 32, 16>(points, pieces, table);
    c.q[3] = eightNumbers<2, 48, 24>(points, pieces, table);
}

/// Codes in eights of 64 points of four numbers, eight to a group: the number of each, and which are 256 more.
template <int kPoints>
inline void eightsOf(Codes& c, const quant::LevelPairGrid<kPoints>& grid, __m512i at, __mmask64 upper, __m256i signs,
                     __m512i table) {
    const __m512i first = bytesAt<kPoints>(grid.first, at, upper), second = bytesAt<kPoints>(grid.second, at, upper);
    const __m512i even = _mm512_unpacklo_epi8(first, second), odd = _mm512_unpackhi_epi8(first, second); // groups
    const __m512i low = _mm512_unpacklo_epi64(even, odd), high = _mm512_unpackhi_epi64(even, odd);
    const __m512i pieces = _mm512_cvtepu32_epi64(signs);
    c.q[0] = eightNumbers<3, 0, 0>(low, pieces, table);
    c.q[1] = eightNumbers<3, 32, 8>(low, pieces, table);
    c.q[2] = eightNumbers<3, 0, 16>(high, pieces, table);
    c.q[3] = eightNumbers<3, 32, 24>(high, pieces, table);
}

/// How points of eight numbers are looked up: 32 words, four to a group, name those of 256 weights.
struct WithoutGathers {
    template <int kPoints>
    static inline __m512i levels(const quant::LevelGrid<kPoints>& grid, __m512i at) {
        return levelsAt<kPoints>(grid.point, at);
    }

    /// q[i]: the ith of each group's four points. One by one: the grid is too large for registers.
    static inline void points(const quant::Grid<uint64_t, 2048>& grid, __m512i at, __m512i (&q)[4]) {
        alignas(64) uint16_t numbers[32];
        _mm512_store_si512(numbers, at);
        asm("" : "+m"(numbers)); // read from there: compilers would rather take each out of its vector
        for (int i = 0; i < 4; ++i) {
            const auto point = [&](int g) { return int64_t(grid.point[numbers[4 * g + i]]); };
            q[i] = _mm512_set_epi64(point(7), point(6), point(5), point(4), point(3), point(2), point(1), point(0));
        }
    }
};

/// The same by gathers. On Emerald Rapids half the time with 1,024 points and more and 0.87 of it with 512, but not
/// less with 256; Zen 4 does better without, and Ice Lake's are slowed down.
struct ByGathers {
    template <int kPoints>
    static inline __m512i levels(const quant::LevelGrid<kPoints>& grid, __m512i at) {
        const __m512i sixteen = _mm512_set1_epi32(16); // of two points that are read together one is wanted
        const __m512i first = _mm512_i32gather_epi32(
            _mm512_and_si512(_mm512_srli_epi32(at, 1), _mm512_set1_epi32(0x7fff)), grid.point, 4);
        const __m512i second = _mm512_i32gather_epi32(_mm512_srli_epi32(at, 17), grid.point, 4);
        const __m512i even = _mm512_srlv_epi32(first, _mm512_and_si512(_mm512_slli_epi32(at, 4), sixteen));
        const __m512i odd = _mm512_sllv_epi32(second, _mm512_andnot_si512(_mm512_srli_epi32(at, 12), sixteen));
        return _mm512_mask_mov_epi16(even, 0xaaaaaaaa, odd);
    }

    static inline void points(const quant::Grid<uint64_t, 2048>& grid, __m512i at, __m512i (&q)[4]) {
        for (int i = 0; i < 4; ++i) {
            const __m512i number = _mm512_and_si512(_mm512_srli_epi64(at, unsigned(16 * i)), _mm512_set1_epi64(0xffff));
            q[i] = _mm512_i64gather_epi64(number, grid.point, 8);
        }
    }
};

inline __m512i widened(const uint8_t* bytes) {
    return _mm512_cvtepu8_epi16(load256(bytes));
}

struct CodesIQ2_XXS : quant::IQ2_XXS {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        const __m512i points = _mm512_cvtepu8_epi16(_mm512_cvtepi64_epi32(load512(b + 2)));
        const __m256i fields = wordsOfIQ2_XXS(b);
        eightsOf(c, WithoutGathers::levels(quant::kIq2XxsPoints, points), signsOfWords(fields),
                 signedLevels<kOffset>(quant::kIq2Levels));
        c.scaleMin = scalesWithOffset(scalesOfWords(fields, halfAt(b), 0.25f), -float(kOffset));
        return c;
    }
};

/// d * (0.5 + scale) / 4 of 16 nibbles.
inline __m512 quarterScales(const uint8_t* nibbles, float d) {
    const __m512 scale = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(nibblesOf8(load64(nibbles))));
    return _mm512_mul_ps(_mm512_mul_ps(splat(d), _mm512_add_ps(scale, splat(0.5f))), splat(0.25f));
}

template <typename Lookup>
struct CodesIQ2_XSBy : quant::IQ2_XS {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        const __m512i points = _mm512_and_si512(load512(b + 2), _mm512_set1_epi16(511));
        eightsOf(c, Lookup::levels(quant::kIq2XsPoints, points), signsOfIQ2_XS(b),
                 signedLevels<kOffset>(quant::kIq2Levels));
        c.scale16 = quarterScales(b + 66, halfAt(b));
        return c;
    }
};

template <typename Lookup>
struct CodesIQ2_SBy : quant::IQ2_S {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        // Each of eight bytes holds the upper bits of four points.
        const __m512i places = _mm512_set1_epi64(int64_t{4} << 48 | int64_t{16} << 32 | 64 << 16 | 256);
        const __m512i eight = _mm512_cvtepu8_epi64(load64(b + 66));
        const __m512i each = _mm512_shuffle_epi8(
            eight, _mm512_broadcast_i32x4(_mm_set_epi64x(int64_t(0x8008800880088008), int64_t(0x8000800080008000))));
        const __m512i high = _mm512_and_si512(_mm512_mullo_epi16(each, places), _mm512_set1_epi16(0x300));
        const __m512i points = _mm512_or_si512(high, widened(b + 2));
        eightsOf(c, Lookup::levels(quant::kIq2SPoints, points), load256(b + 34),
                 signedLevels<kOffset>(quant::kIq2Levels));
        c.scale16 = quarterScales(b + 74, halfAt(b));
        return c;
    }
};

struct CodesIQ3_XXS : quant::IQ3_XXS {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        const __m256i fields = load256(b + 66);
        eightsOf(c, quant::kIq3XxsPoints, load512(b + 2), 0, signsOfWords(fields),
                 signedLevels<kOffset>(quant::kIq3XxsLevels));
        c.scaleMin = scalesWithOffset(scalesOfWords(fields, halfAt(b), 0.5f), -float(kOffset));
        return c;
    }
};

struct CodesIQ3_S : quant::IQ3_S {
    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        __mmask64 ninths;
        std::memcpy(&ninths, b + 66, 8);
        eightsOf(c, quant::kIq3SPoints, load512(b + 2), ninths, load256(b + 74),
                 signedLevels<kOffset>(quant::kIq3SLevels));
        const __m256 scale = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(nibblesOf8(_mm_cvtsi32_si128(load32(b + 106)))));
        const __m256 odd = _mm256_add_ps(_mm256_add_ps(scale, scale), _mm256_set1_ps(1.0f));
        c.scaleMin = scalesWithOffset(_mm256_mul_ps(odd, _mm256_set1_ps(halfAt(b))), -float(kOffset));
        return c;
    }
};

/// What is added to eight times a grid's number: the offset, and an eighth up or down.
inline __m512i upOrDown(__mmask8 down) {
    return _mm512_mask_blend_epi64(down, _mm512_set1_epi8(quant::IQ1_S::kOffset + 1),
                                   _mm512_set1_epi8(quant::IQ1_S::kOffset - 1));
}

template <typename Lookup>
struct CodesIQ1_SBy : quant::IQ1_S {
    /// The numbers of the points: eight bits of each, and three more in its group's word.
    static inline __m512i points(const uint8_t* b) {
        const __m512i words =
            _mm512_shuffle_epi8(_mm512_cvtepu16_epi64(load128(b + 34)),
                                _mm512_broadcast_i32x4(_mm_set_epi64x(0x0908090809080908, 0x0100010001000100)));
        const __m512i places = _mm512_set1_epi64(int64_t{4} << 32 | 32 << 16 | 256),
                      last = _mm512_set1_epi64(int64_t{0x700} << 48);
        const __m512i high = _mm512_and_si512(_mm512_mullo_epi16(words, places), _mm512_set1_epi16(0x700));
        const __m512i all = _mm512_or_si512(high, _mm512_and_si512(_mm512_srli_epi16(words, 1), last));
        return _mm512_or_si512(all, widened(b + 2));
    }

    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        Lookup::points(quant::kIq1Grid, points(b), c.q);
        const __m512i moved = upOrDown(_mm_movepi16_mask(load128(b + 34))); // a piece is of one group
        for (__m512i& q : c.q)
            q = _mm512_add_epi8(q, moved);
        c.scaleMin = scalesWithOffset(scalesOfIQ1_S(b), -float(kOffset));
        return c;
    }
};

template <typename Lookup>
struct CodesIQ1_MBy : quant::IQ1_M {
    /// d * (1 + 2 * scale) / 8.
    static inline __m512 scales(const uint8_t* b) {
        const __m512i words = _mm512_cvtepu16_epi32(_mm256_castsi128_si256(load64(b + 48)));
        const __m512i fours =
            _mm512_permutexvar_epi32(_mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0), words);
        const __m512i scale = _mm512_and_si512(
            _mm512_srlv_epi32(fours, _mm512_broadcast_i32x4(_mm_set_epi32(9, 6, 3, 0))), _mm512_set1_epi32(7));
        const __m512i odd = _mm512_add_epi32(_mm512_add_epi32(scale, scale), _mm512_set1_epi32(1));
        return _mm512_mul_ps(_mm512_cvtepi32_ps(odd), splat(unit(b) * 0.125f));
    }

    template <int kPairs>
    static inline Codes load(const uint8_t* b) {
        Codes c;
        const __m512i bytes = _mm512_cvtepu8_epi32(load128(b + 32)), nibble = _mm512_set1_epi16(15);
        const __m512i nibbles = _mm512_and_si512(_mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 12)), nibble);
        const __m512i high = _mm512_and_si512(_mm512_slli_epi16(nibbles, 8), _mm512_set1_epi16(0x700));
        Lookup::points(quant::kIq1Grid, _mm512_or_si512(high, widened(b)), c.q);
        for (int i = 0; i < 4; ++i) {
            const __mmask8 down = _mm512_test_epi64_mask(nibbles, _mm512_set1_epi64(int64_t{8} << (16 * i)));
            c.q[i] = _mm512_add_epi8(c.q[i], upOrDown(down));
        }
        c.scale16 = scales(b);
        return c;
    }
};

/// Every quantized type with its codes: calls f.template operator()<CodesX>(Type::X). Lookup: WithoutGathers or
/// ByGathers.
template <typename Lookup, typename F>
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
    f.template operator()<CodesIQ1_SBy<Lookup>>(Type::IQ1_S);
    f.template operator()<CodesIQ1_MBy<Lookup>>(Type::IQ1_M);
    f.template operator()<CodesIQ2_XXS>(Type::IQ2_XXS);
    f.template operator()<CodesIQ2_XSBy<Lookup>>(Type::IQ2_XS);
    f.template operator()<CodesIQ2_SBy<Lookup>>(Type::IQ2_S);
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
