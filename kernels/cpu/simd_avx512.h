#pragma once

#include "kernels/cpu/activation_block.h"
#include "kernels/tensor.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

// The vector words that float_kernels.h is written in, for AVX-512. Internal linkage on purpose.
namespace hearth::kernels::cpu {
namespace {

constexpr int kLanes = 16;
using Vec = __m512;

inline __mmask16 firstLanes(int n) {
    return __mmask16((1u << n) - 1);
}

inline Vec zero() {
    return _mm512_setzero_ps();
}

inline Vec splat(float f) {
    return _mm512_set1_ps(f);
}

inline Vec load(const float* p) {
    return _mm512_loadu_ps(p);
}

/// The first n lanes; zeros in the others, whose memory is not touched.
inline Vec loadPart(const float* p, int n) {
    return _mm512_maskz_loadu_ps(firstLanes(n), p);
}

inline void store(float* p, Vec v) {
    _mm512_storeu_ps(p, v);
}

inline void storePart(float* p, Vec v, int n) {
    _mm512_mask_storeu_ps(p, firstLanes(n), v);
}

inline Vec add(Vec a, Vec b) {
    return _mm512_add_ps(a, b);
}

inline Vec sub(Vec a, Vec b) {
    return _mm512_sub_ps(a, b);
}

inline Vec mul(Vec a, Vec b) {
    return _mm512_mul_ps(a, b);
}

inline Vec div(Vec a, Vec b) {
    return _mm512_div_ps(a, b);
}

inline Vec fma(Vec a, Vec b, Vec c) {
    return _mm512_fmadd_ps(a, b, c);
}

// NaN in b comes through.
inline Vec maximum(Vec a, Vec b) {
    return _mm512_max_ps(a, b);
}

inline Vec minimum(Vec a, Vec b) {
    return _mm512_min_ps(a, b);
}

inline Vec roundNearest(Vec v) {
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/// v * 2^n for whole n.
inline Vec scaleByPower(Vec v, Vec n) {
    return _mm512_scalef_ps(v, n);
}

inline Vec absolute(Vec v) {
    return _mm512_abs_ps(v);
}

/// a for lanes in [begin, end), 0 elsewhere.
inline Vec keepLanes(Vec a, int begin, int end) {
    const int from = begin < 0 ? 0 : begin > kLanes ? kLanes : begin, to = end < 0 ? 0 : end > kLanes ? kLanes : end;
    const uint32_t mask = to > from ? ((1u << to) - 1) & ~((1u << from) - 1) : 0u;
    return _mm512_maskz_mov_ps(__mmask16(mask), a);
}

inline Vec lanesOr(Vec a, int begin, int end, Vec other) {
    const int from = begin < 0 ? 0 : begin > kLanes ? kLanes : begin, to = end < 0 ? 0 : end > kLanes ? kLanes : end;
    const uint32_t mask = to > from ? ((1u << to) - 1) & ~((1u << from) - 1) : 0u;
    return _mm512_mask_mov_ps(other, __mmask16(mask), a);
}

inline float sumLanes(Vec v) {
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

inline float maxLane(Vec v) {
    __m256 h = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/// Of four vectors' lanes, in each four lanes: the sum of a's four, of b's, c's and d's.
inline Vec foursOf(Vec a, Vec b, Vec c, Vec d) {
    const Vec ab = add(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const Vec cd = add(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    return add(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
}

/// A vector's lanes in fours.
inline void splitFours(Vec v, __m128 (&fours)[4]) {
    fours[0] = _mm512_castps512_ps128(v);
    fours[1] = _mm512_extractf32x4_ps(v, 1);
    fours[2] = _mm512_extractf32x4_ps(v, 2);
    fours[3] = _mm512_extractf32x4_ps(v, 3);
}

/// Four numbers in each four lanes.
inline Vec splatFour(const float* p) {
    return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
}

/// The sums of four vectors.
inline __m128 sumLanes4(Vec a, Vec b, Vec c, Vec d) {
    const Vec all = foursOf(a, b, c, d);
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

/// The sums of the lower eight lanes of each, and those of the upper ones, in the same order.
inline void sumHalves4(Vec a, Vec b, Vec c, Vec d, __m128 (&halves)[2]) {
    const Vec all = foursOf(a, b, c, d);
    const __m256 low = _mm512_castps512_ps256(all), high = _mm512_extractf32x8_ps(all, 1);
    halves[0] = _mm_add_ps(_mm256_castps256_ps128(low), _mm256_extractf128_ps(low, 1));
    halves[1] = _mm_add_ps(_mm256_castps256_ps128(high), _mm256_extractf128_ps(high, 1));
}

/// For each row of vectors the sums of its four, with the bits of sumLanes4.
template <int kRows>
inline void sumLanesOf(const Vec (&v)[kRows][4], __m128 (&sums)[kRows]) {
    if constexpr (kRows == 4) {
        Vec quarters[4];
        for (int i = 0; i < 4; ++i)
            quarters[i] = foursOf(v[i][0], v[i][1], v[i][2], v[i][3]);
        Vec halves[2];
        for (int i = 0; i < 2; ++i)
            halves[i] = add(_mm512_shuffle_f32x4(quarters[2 * i], quarters[2 * i + 1], 0x44),
                            _mm512_shuffle_f32x4(quarters[2 * i], quarters[2 * i + 1], 0xee));
        const Vec all =
            add(_mm512_shuffle_f32x4(halves[0], halves[1], 0x88), _mm512_shuffle_f32x4(halves[0], halves[1], 0xdd));
        splitFours(all, sums);
    } else {
        for (int i = 0; i < kRows; ++i)
            sums[i] = sumLanes4(v[i][0], v[i][1], v[i][2], v[i][3]);
    }
}

inline Vec widenF16(__m256i h) {
    return _mm512_cvtph_ps(h);
}

inline Vec widenBf16(__m256i h) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

template <Type kType>
inline Vec loadAs(const std::byte* p) {
    if constexpr (kType == Type::F32)
        return _mm512_loadu_ps(p);
    else if constexpr (kType == Type::F16)
        return widenF16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    else
        return widenBf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

template <Type kType>
inline Vec loadPartAs(const std::byte* p, int n) {
    if constexpr (kType == Type::F32)
        return _mm512_maskz_loadu_ps(firstLanes(n), p);
    else if constexpr (kType == Type::F16)
        return widenF16(_mm256_maskz_loadu_epi16(firstLanes(n), p));
    else
        return widenBf16(_mm256_maskz_loadu_epi16(firstLanes(n), p));
}

/// Codes of F8_E4M3, widened to 16 bits: 2^-8 of their numbers. As halves their exponents begin 8 lower; what makes NaN
/// is the one code that carries into the next bit.
inline void widenE4M3(__m512i codes, Vec (&v)[2]) {
    const __m512i h = _mm512_and_si512(_mm512_slli_epi16(codes, 7), _mm512_set1_epi16(short(0xbf80)));
    const __m512i carried = _mm512_add_epi16(h, _mm512_set1_epi16(0x80));
    const __m512i halves = _mm512_ternarylogic_epi64(h, carried, _mm512_set1_epi16(0x4000), 0xf8); // h | carried & bit
    v[0] = widenF16(_mm512_castsi512_si256(halves));
    v[1] = widenF16(_mm512_extracti64x4_epi64(halves, 1));
}

/// The first n of two vectors of such codes; zeros in the others.
inline void loadE4M3(const std::byte* p, int n, Vec (&v)[2]) {
    const __m256i codes = n == 2 * kLanes ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                                          : _mm256_maskz_loadu_epi8(__mmask32((1u << n) - 1), p);
    widenE4M3(_mm512_cvtepi8_epi16(codes), v);
}

inline __m256i narrowF16(Vec v) {
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/// To nearest even; NaN stays NaN.
inline __m256i narrowBf16(Vec v) {
    const __m512i x = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i kept = _mm512_mask_or_epi32(rounded, nan, x, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}

template <Type kType>
inline void storePartAs(std::byte* p, Vec v, int n) {
    if constexpr (kType == Type::F32)
        _mm512_mask_storeu_ps(p, firstLanes(n), v);
    else if constexpr (kType == Type::F16)
        _mm256_mask_storeu_epi16(p, firstLanes(n), narrowF16(v));
    else
        _mm256_mask_storeu_epi16(p, firstLanes(n), narrowBf16(v));
}

/// Rows of 16 numbers of 32 bits become columns.
inline void transpose(__m512i (&r)[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    // r[4g + c] holds in its 128-bit part p column 4p + c of rows 4g..4g+3: now a 4 x 4 transpose of such parts.
    for (int c = 0; c < 4; ++c) {
        const __m512i low01 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x44),
                      high01 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xee);
        const __m512i low23 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x44);
        const __m512i high23 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xee);
        t[c] = _mm512_shuffle_i32x4(low01, low23, 0x88);
        t[4 + c] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
        t[8 + c] = _mm512_shuffle_i32x4(high01, high23, 0x88);
        t[12 + c] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
    }
    for (int i = 0; i < 16; ++i)
        r[i] = t[i];
}

inline void transpose(Vec (&v)[16]) {
    __m512i r[16];
    for (int i = 0; i < 16; ++i)
        r[i] = _mm512_castps_si512(v[i]);
    transpose(r);
    for (int i = 0; i < 16; ++i)
        v[i] = _mm512_castsi512_ps(r[i]);
}

/// Half a vector of numbers, each twice: a0 a0 a1 a1 ...
inline Vec loadTwice(const float* p) {
    const __m512i index = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    return _mm512_permutexvar_ps(index, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
}

/// Pairs (x, y) times (cosine, sine): x*c - y*s, y*c + x*s.
inline Vec rotatePairs(Vec xy, Vec cosine, Vec sine) {
    return _mm512_fmaddsub_ps(xy, cosine, _mm512_mul_ps(_mm512_permute_ps(xy, 0xb1), sine));
}

/// 32 numbers to a group of A8: see quantize() of the reference, which gives the same numbers. The codes lie in eights.
inline void quantizeGroup(const Vec (&v)[2], A8Block& to, int group) {
    const Vec a = v[0], b = v[1];
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    const __m512i top = _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                                         _mm512_and_si512(_mm512_castps_si512(b), magnitude));
    const uint32_t largest = _mm512_reduce_max_epu32(top);
    const float scale = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(int(largest)))) / 127.0f;
    const float inverse = scale >= 0x1p-100f && scale <= 0x1p120f ? 1.0f / scale : 0.0f;
    const __mmask16 use = inverse != 0 ? __mmask16(0xffff) : __mmask16(0);
    const __m512i qa = _mm512_maskz_cvtps_epi32(use, mul(a, splat(inverse)));
    const __m512i qb = _mm512_maskz_cvtps_epi32(use, mul(b, splat(inverse)));
    const __m128i low = _mm512_cvtepi32_epi8(qa), high = _mm512_cvtepi32_epi8(qb);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to.q + inEights(32 * group)), low);
    _mm_storeh_pd(reinterpret_cast<double*>(to.q + inEights(32 * group + 8)), _mm_castsi128_pd(low));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to.q + inEights(32 * group + 16)), high);
    _mm_storeh_pd(reinterpret_cast<double*>(to.q + inEights(32 * group + 24)), _mm_castsi128_pd(high));
    const int sumA = _mm512_reduce_add_epi32(qa), sumB = _mm512_reduce_add_epi32(qb);
    to.scale[group] = scale;
    to.sum16[2 * group] = scale * float(sumA);
    to.sum16[2 * group + 1] = scale * float(sumB);
    to.sum32[group] = scale * float(sumA + sumB);
    to.offset16[2 * group] = -128 * sumA;
    to.offset16[2 * group + 1] = -128 * sumB;
}

/// 32 whole numbers of 16 bits.
struct Wide {
    __m512i v[1];
};

inline Wide widen(__m256i bytes) {
    return {{_mm512_cvtepi8_epi16(bytes)}};
}

/// The 32 bytes at p.
inline Wide widen32(const uint8_t* p) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

inline void toFloats(__m256i bytes, Vec (&v)[2]) {
    v[0] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(bytes)));
    v[1] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_extracti128_si256(bytes, 1)));
}

/// To nearest, within 16 bits.
inline void storeInt16(int16_t* p, Vec v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v)));
}

/// v where low <= x <= high, else 0; 0 also where x is no number.
inline Vec keepWithin(Vec v, Vec x, float low, float high) {
    return _mm512_maskz_mov_ps(
        _mm512_cmp_ps_mask(x, splat(low), _CMP_GE_OQ) & _mm512_cmp_ps_mask(x, splat(high), _CMP_LE_OQ), v);
}

/// `other` where x < low or x > high, else v; v also where x is no number.
inline Vec withinOr(Vec v, Vec x, float low, float high, Vec other) {
    return _mm512_mask_mov_ps(
        v, _mm512_cmp_ps_mask(x, splat(low), _CMP_LT_OQ) | _mm512_cmp_ps_mask(x, splat(high), _CMP_GT_OQ), other);
}

inline Vec squareRoot(Vec v) {
    return _mm512_sqrt_ps(v);
}

/// kWords words of 16 bits.
using Words = __m512i;
constexpr int kWords = 2 * kLanes;

/// The first n words at p; zeros in the others, whose memory is not touched.
inline Words loadWords(const void* p, int n) {
    if (n >= kWords)
        return _mm512_loadu_si512(p);
    return _mm512_maskz_loadu_epi16((__mmask32(1) << n) - 1, p);
}

inline Words largerWords(Words a, Words b) {
    return _mm512_max_epu16(a, b);
}

/// Those of numbers of 16 bits, as long as they are numbers.
inline Words magnitudesOf(Words floats) {
    return _mm512_and_si512(floats, _mm512_set1_epi16(0x7fff));
}

inline void storeWords(void* p, Words v) {
    _mm512_storeu_si512(p, v);
}

/// v times a factor, to nearest, as words of 16 bits, of which the even ones count. What is added leaves a whole number
/// in a float's lowest bits.
inline Words codesOf32(Vec v, Vec by) {
    return _mm512_castps_si512(fma(v, by, splat(0x1.8p23f)));
}

/// Of two vectors: the even words in the places that `order` gives of all 64.
inline Words codesOf32(Vec x, Vec y, Vec by, __m512i order) {
    return _mm512_permutex2var_epi16(codesOf32(x, by), order, codesOf32(y, by));
}

/// The even words of both: x's in the even places.
inline Words sideBySide(Words x, Words y) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, x, _mm512_slli_epi32(y, 16));
}

/// Words of two rows side by side: the first half of each eight, the second.
inline Words lowPairs(Words x, Words y) {
    return _mm512_unpacklo_epi16(x, y);
}

inline Words highPairs(Words x, Words y) {
    return _mm512_unpackhi_epi16(x, y);
}

/// Four bytes, or two words, again and again.
inline Words splat4(const void* p) {
    int32_t v;
    std::memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

/// sums, each plus four bytes of x, unsigned, times the four signed ones. Own words for it: the compiler reads those
/// with an instruction of its own (GCC 12).
inline __m512i addFours(__m512i sums, __m512i x, const int8_t* fours) {
#if defined(HEARTH_TEST_EMULATED)
    return _mm512_dpbusd_epi32(sums, x, splat4(fours));
#else
    using Bytes = int8_t[4];
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sums) : "v"(x), "m"(*reinterpret_cast<const Bytes*>(fours)));
    return sums;
#endif
}

/// 16 whole numbers of 32 bits, for sums that a loop carries: those of type __m512i, which are 8 of 64 bits to the
/// compiler, it copies at every addition (GCC 12).
using Ints = int __attribute__((vector_size(64)));

/// sums + x * y, pairs of neighbours of 16 bits each.
inline Ints addPairs(Ints sums, Words x, Words y) {
    return reinterpret_cast<Ints>(_mm512_dpwssd_epi32(reinterpret_cast<__m512i>(sums), x, y));
}

inline Vec toFloats(Ints v) {
    return _mm512_cvtepi32_ps(reinterpret_cast<__m512i>(v));
}

/// Sums of lowPairs() and highPairs() of rows whose words lie in their order: column by column.
inline void columnsOf(Ints low, Ints high, Vec (&v)[2]) {
    const __m512i first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    const auto a = reinterpret_cast<__m512i>(low), b = reinterpret_cast<__m512i>(high);
    v[0] = _mm512_cvtepi32_ps(_mm512_permutex2var_epi64(a, first, b));
    v[1] = _mm512_cvtepi32_ps(_mm512_permutex2var_epi64(a, second, b));
}

/// Each four lanes: parts of the sums of a, b, c and d.
inline __m512i quarterSums(Ints a, Ints b, Ints c, Ints d) {
    const auto fold = [](Ints x, Ints y) {
        const auto p = reinterpret_cast<__m512i>(x), q = reinterpret_cast<__m512i>(y);
        return _mm512_add_epi32(_mm512_unpacklo_epi32(p, q), _mm512_unpackhi_epi32(p, q));
    };
    const __m512i ab = fold(a, b), cd = fold(c, d);
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/// For each row of vectors the sums of its four, exact until they become floats.
inline void sumLanesOf(const Ints (&v)[4][4], __m128 (&sums)[4]) {
    const __m512i a = quarterSums(v[0][0], v[0][1], v[0][2], v[0][3]);
    const __m512i b = quarterSums(v[1][0], v[1][1], v[1][2], v[1][3]);
    const __m512i c = quarterSums(v[2][0], v[2][1], v[2][2], v[2][3]);
    const __m512i d = quarterSums(v[3][0], v[3][1], v[3][2], v[3][3]);
    const __m512i ab = _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
    const __m512i cd = _mm512_add_epi32(_mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xee));
    const Vec all =
        _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xdd)));
    splitFours(all, sums);
}

} // namespace
} // namespace hearth::kernels::cpu
