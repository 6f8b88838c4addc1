#pragma once

#include "kernels/cpu/activation_block.h"
#include "kernels/tensor.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

// The vector words that float_kernels.h is written in, for AVX2 with FMA and F16C. Internal linkage on purpose.
namespace hearth::kernels::cpu {
namespace {

constexpr int kLanes = 8;
using Vec = __m256;

/// A sum as it is so far. GCC 12 adds up at the end where it can, and until then keeps all that is to be added, on the
/// stack: without this the products of prompts took up to 1.6 times as long.
inline void keep(__m256i& sum) {
    __asm__("" : "+x"(sum));
}

/// All bits set in lanes [0, n).
inline __m256i firstLanes(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}

inline __m256 lanesBetween(int begin, int end) {
    const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane),
                                                _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(begin - 1))));
}

inline Vec zero() {
    return _mm256_setzero_ps();
}

inline Vec splat(float f) {
    return _mm256_set1_ps(f);
}

inline Vec load(const float* p) {
    return _mm256_loadu_ps(p);
}

/// The first n lanes; zeros in the others, whose memory is not touched.
inline Vec loadPart(const float* p, int n) {
    return n == kLanes ? load(p) : _mm256_maskload_ps(p, firstLanes(n));
}

inline void store(float* p, Vec v) {
    _mm256_storeu_ps(p, v);
}

inline void storePart(float* p, Vec v, int n) {
    if (n == kLanes)
        store(p, v);
    else
        _mm256_maskstore_ps(p, firstLanes(n), v);
}

inline Vec add(Vec a, Vec b) {
    return _mm256_add_ps(a, b);
}

inline Vec sub(Vec a, Vec b) {
    return _mm256_sub_ps(a, b);
}

inline Vec mul(Vec a, Vec b) {
    return _mm256_mul_ps(a, b);
}

inline Vec div(Vec a, Vec b) {
    return _mm256_div_ps(a, b);
}

inline Vec fma(Vec a, Vec b, Vec c) {
    return _mm256_fmadd_ps(a, b, c);
}

// NaN in b comes through.
inline Vec maximum(Vec a, Vec b) {
    return _mm256_max_ps(a, b);
}

inline Vec minimum(Vec a, Vec b) {
    return _mm256_min_ps(a, b);
}

inline Vec roundNearest(Vec v) {
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/// v * 2^n for whole n in -126..127.
inline Vec scaleByPower(Vec v, Vec n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}

/// a for lanes in [begin, end), 0 elsewhere.
inline Vec keepLanes(Vec a, int begin, int end) {
    return _mm256_and_ps(a, lanesBetween(begin, end));
}

inline Vec lanesOr(Vec a, int begin, int end, Vec other) {
    return _mm256_blendv_ps(other, a, lanesBetween(begin, end));
}

inline float sumLanes(Vec v) {
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

inline float maxLane(Vec v) {
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/// The sums of four vectors.
inline __m128 sumLanes4(Vec a, Vec b, Vec c, Vec d) {
    const Vec ab = _mm256_hadd_ps(a, b), cd = _mm256_hadd_ps(c, d);
    const Vec all = _mm256_hadd_ps(ab, cd);
    return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

/// For each row of vectors the sums of its four.
template <int kRows>
inline void sumLanesOf(const Vec (&v)[kRows][4], __m128 (&sums)[kRows]) {
    for (int i = 0; i < kRows; ++i)
        sums[i] = sumLanes4(v[i][0], v[i][1], v[i][2], v[i][3]);
}

inline Vec widenF16(__m128i h) {
    return _mm256_cvtph_ps(h);
}

inline Vec widenBf16(__m128i h) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

template <Type kType>
inline Vec loadAs(const std::byte* p) {
    if constexpr (kType == Type::F32)
        return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
    else if constexpr (kType == Type::F16)
        return widenF16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    else
        return widenBf16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

template <Type kType>
inline Vec loadPartAs(const std::byte* p, int n) {
    if constexpr (kType == Type::F32)
        return loadPart(reinterpret_cast<const float*>(p), n);
    if (n == kLanes)
        return loadAs<kType>(p);
    uint16_t half[8] = {};
    std::memcpy(half, p, size_t(n) * 2);
    return loadAs<kType>(reinterpret_cast<const std::byte*>(half));
}

/// Codes of F8_E4M3, widened to 16 bits: 2^-8 of their numbers. As halves their exponents begin 8 lower; what makes NaN
/// is the one code that carries into the next bit.
inline void widenE4M3(__m256i codes, Vec (&v)[2]) {
    const __m256i h = _mm256_and_si256(_mm256_slli_epi16(codes, 7), _mm256_set1_epi16(short(0xbf80)));
    const __m256i carried = _mm256_add_epi16(h, _mm256_set1_epi16(0x80));
    const __m256i halves = _mm256_or_si256(h, _mm256_and_si256(carried, _mm256_set1_epi16(0x4000)));
    v[0] = widenF16(_mm256_castsi256_si128(halves));
    v[1] = widenF16(_mm256_extracti128_si256(halves, 1));
}

/// The first n of two vectors of such codes; zeros in the others.
inline void loadE4M3(const std::byte* p, int n, Vec (&v)[2]) {
    std::byte part[16] = {};
    if (n < 2 * kLanes) {
        std::memcpy(part, p, size_t(n));
        p = part;
    }
    widenE4M3(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), v);
}

inline __m128i narrowF16(Vec v) {
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/// To nearest even; NaN stays NaN.
inline __m128i narrowBf16(Vec v) {
    const __m256i x = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(x, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(x, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(x, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i kept = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(kept), _mm256_extracti128_si256(kept, 1));
}

template <Type kType>
inline void storePartAs(std::byte* p, Vec v, int n) {
    if constexpr (kType == Type::F32) {
        storePart(reinterpret_cast<float*>(p), v, n);
    } else {
        const __m128i half = kType == Type::F16 ? narrowF16(v) : narrowBf16(v);
        if (n == kLanes) {
            _mm_storeu_si128(reinterpret_cast<__m128i*>(p), half);
        } else {
            uint16_t out[8];
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out), half);
            std::memcpy(p, out, size_t(n) * 2);
        }
    }
}

/// Rows of 8 numbers of 32 bits become columns.
inline void transpose(Vec (&r)[8]) {
    Vec t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    Vec u[8];
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
        r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}

inline void transpose(__m256i (&v)[8]) {
    Vec r[8];
    for (int i = 0; i < 8; ++i)
        r[i] = _mm256_castsi256_ps(v[i]);
    transpose(r);
    for (int i = 0; i < 8; ++i)
        v[i] = _mm256_castps_si256(r[i]);
}

/// Half a vector of numbers, each twice: a0 a0 a1 a1 ...
inline Vec loadTwice(const float* p) {
    const __m256i index = _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0);
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), index);
}

/// Pairs (x, y) times (cosine, sine): x*c - y*s, y*c + x*s.
inline Vec rotatePairs(Vec xy, Vec cosine, Vec sine) {
    return _mm256_fmaddsub_ps(xy, cosine, _mm256_mul_ps(_mm256_permute_ps(xy, 0xb1), sine));
}

inline int sumLanesInt(__m256i v) {
    __m128i q = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    q = _mm_add_epi32(q, _mm_shuffle_epi32(q, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(q, _mm_shuffle_epi32(q, 0xb1)));
}

/// 32 numbers to a group of A8: see quantize() of the reference, which gives the same numbers. The codes lie in
/// quarters.
inline void quantizeGroup(const Vec (&v)[4], A8Block& to, int group) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i top = _mm256_setzero_si256();
    for (const Vec& part : v)
        top = _mm256_max_epu32(top, _mm256_and_si256(_mm256_castps_si256(part), magnitude));
    __m128i most = _mm_max_epu32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
    most = _mm_max_epu32(most, _mm_shuffle_epi32(most, 0x4e));
    most = _mm_max_epu32(most, _mm_shuffle_epi32(most, 0xb1));
    const float scale = _mm_cvtss_f32(_mm_castsi128_ps(most)) / 127.0f;
    const float inverse = scale >= 0x1p-100f && scale <= 0x1p120f ? 1.0f / scale : 0.0f;
    __m256i codes[4];
    for (int i = 0; i < 4; ++i)
        codes[i] = inverse != 0 ? _mm256_cvtps_epi32(mul(v[i], splat(inverse))) : _mm256_setzero_si256();
    const __m256i packed =
        _mm256_packs_epi16(_mm256_packs_epi32(codes[0], codes[1]), _mm256_packs_epi32(codes[2], codes[3]));
    const __m256i order = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0);
    const __m256i ordered = _mm256_permutevar8x32_epi32(packed, order);
    const __m128i low = _mm256_castsi256_si128(ordered), high = _mm256_extracti128_si256(ordered, 1);
    int8_t* q = to.q + inQuarters(32 * group);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(q), low);
    _mm_storeh_pd(reinterpret_cast<double*>(q + inQuarters(8)), _mm_castsi128_pd(low));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(q + inQuarters(16)), high);
    _mm_storeh_pd(reinterpret_cast<double*>(q + inQuarters(24)), _mm_castsi128_pd(high));
    const int sumA = sumLanesInt(_mm256_add_epi32(codes[0], codes[1]));
    const int sumB = sumLanesInt(_mm256_add_epi32(codes[2], codes[3]));
    to.scale[group] = scale;
    to.sum16[2 * group] = scale * float(sumA);
    to.sum16[2 * group + 1] = scale * float(sumB);
    to.sum32[group] = scale * float(sumA + sumB);
    to.offset16[2 * group] = -128 * sumA;
    to.offset16[2 * group + 1] = -128 * sumB;
}

/// 32 whole numbers of 16 bits.
struct Wide {
    __m256i v[2];
};

inline Wide widen(__m256i bytes) {
    return {{_mm256_cvtepi8_epi16(_mm256_castsi256_si128(bytes)),
             _mm256_cvtepi8_epi16(_mm256_extracti128_si256(bytes, 1))}};
}

/// The 32 bytes at p, without a vector of all of them before.
inline Wide widen32(const uint8_t* p) {
    return {{_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
             _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16)))}};
}

inline void toFloats(__m256i bytes, Vec (&v)[4]) {
    const __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
    v[0] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low));
    v[1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)));
    v[2] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
    v[3] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)));
}

/// To nearest, within 16 bits.
inline void storeInt16(int16_t* p, Vec v) {
    const __m256i whole = _mm256_cvtps_epi32(v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1)));
}

/// v where low <= x <= high, else 0; 0 also where x is no number.
inline Vec keepWithin(Vec v, Vec x, float low, float high) {
    return _mm256_and_ps(
        v, _mm256_and_ps(_mm256_cmp_ps(x, splat(low), _CMP_GE_OQ), _mm256_cmp_ps(x, splat(high), _CMP_LE_OQ)));
}

/// `other` where x < low or x > high, else v; v also where x is no number.
inline Vec withinOr(Vec v, Vec x, float low, float high, Vec other) {
    return _mm256_blendv_ps(
        v, other, _mm256_or_ps(_mm256_cmp_ps(x, splat(low), _CMP_LT_OQ), _mm256_cmp_ps(x, splat(high), _CMP_GT_OQ)));
}

inline Vec squareRoot(Vec v) {
    return _mm256_sqrt_ps(v);
}

inline Vec absolute(Vec v) {
    return _mm256_andnot_ps(splat(-0.0f), v);
}

/// kWords words of 16 bits.
using Words = __m256i;
constexpr int kWords = 2 * kLanes;

/// The first n words at p; zeros in the others, whose memory is not touched.
inline Words loadWords(const void* p, int n) {
    if (n >= kWords)
        return _mm256_loadu_si256(static_cast<const __m256i*>(p));
    int16_t part[kWords] = {};
    std::memcpy(part, p, size_t(n) * 2);
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(part));
}

inline Words largerWords(Words a, Words b) {
    return _mm256_max_epu16(a, b);
}

/// Those of numbers of 16 bits, as long as they are numbers.
inline Words magnitudesOf(Words floats) {
    return _mm256_and_si256(floats, _mm256_set1_epi16(0x7fff));
}

inline void storeWords(void* p, Words v) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

/// v times a factor, to nearest, as words of 16 bits, of which the even ones count. What is added leaves a whole number
/// in a float's lowest bits.
inline Words codesOf32(Vec v, Vec by) {
    return _mm256_castps_si256(fma(v, by, splat(0x1.8p23f)));
}

/// The even words of both: x's in the even places.
inline Words sideBySide(Words x, Words y) {
    return _mm256_blend_epi16(x, _mm256_slli_epi32(y, 16), 0xaa);
}

/// Words of two rows side by side: the first half of each eight, the second.
inline Words lowPairs(Words x, Words y) {
    return _mm256_unpacklo_epi16(x, y);
}

inline Words highPairs(Words x, Words y) {
    return _mm256_unpackhi_epi16(x, y);
}

/// Four bytes, or two words, again and again.
inline Words splat4(const void* p) {
    int32_t v;
    std::memcpy(&v, p, 4);
    return _mm256_set1_epi32(v);
}

/// Eight whole numbers of 32 bits.
using Ints = int __attribute__((vector_size(32)));

/// sums + x * y, pairs of neighbours of 16 bits each.
inline Ints addPairs(Ints sums, Words x, Words y) {
    auto sum = reinterpret_cast<__m256i>(sums);
#if defined(HEARTH_TEST_EVEX_VNNI) // see avxvnni.cpp
    sum = _mm256_dpwssd_epi32(sum, x, y);
#elif defined(__AVXVNNI__)
    sum = _mm256_dpwssd_avx_epi32(sum, x, y);
#else
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
#endif
    keep(sum);
    return reinterpret_cast<Ints>(sum);
}

inline Vec toFloats(Ints v) {
    return _mm256_cvtepi32_ps(reinterpret_cast<__m256i>(v));
}

/// Sums of lowPairs() and highPairs() of rows whose words lie in their order: column by column.
inline void columnsOf(Ints low, Ints high, Vec (&v)[2]) {
    const auto a = reinterpret_cast<__m256i>(low), b = reinterpret_cast<__m256i>(high);
    v[0] = _mm256_cvtepi32_ps(_mm256_permute2x128_si256(a, b, 0x20));
    v[1] = _mm256_cvtepi32_ps(_mm256_permute2x128_si256(a, b, 0x31));
}

/// For each row of vectors the sums of its four, exact until they become floats.
template <int kRows>
inline void sumLanesOf(const Ints (&v)[kRows][4], __m128 (&sums)[kRows]) {
    const auto fold = [](Ints x, Ints y) {
        return reinterpret_cast<Ints>(_mm256_hadd_epi32(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(y)));
    };
#pragma GCC unroll 4 // or the compiler keeps v in memory
    for (int i = 0; i < kRows; ++i) {
        const auto all = reinterpret_cast<__m256i>(fold(fold(v[i][0], v[i][1]), fold(v[i][2], v[i][3])));
        sums[i] = _mm_cvtepi32_ps(_mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
    }
}

} // namespace
} // namespace hearth::kernels::cpu
