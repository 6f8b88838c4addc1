#pragma once

// AVX-512 intrinsics in plain C++, as Intel's guide describes them: those of our kernels that SIMDe 0.7.4 has not, or
// not right. Included by emulated/immintrin.h. Internal linkage on purpose: other files are compiled with the real
// ones.

#include <cstdint>

namespace hearth::emulated {
namespace {

/// A vector's lanes.
template <class T, class V>
struct Lanes {
    static constexpr int kCount = sizeof(V) / sizeof(T);

    T at[kCount];

    static Lanes of(V v) {
        Lanes lanes;
        __builtin_memcpy(&lanes, &v, sizeof v);
        return lanes;
    }

    V vector() const {
        V v;
        __builtin_memcpy(&v, this, sizeof v);
        return v;
    }
};

inline bool isSet(uint64_t mask, int lane) {
    return (mask >> lane & 1) != 0;
}

/// Lanes that the mask leaves out are not touched in memory, and zero.
template <class T, class V>
inline V loadMasked(uint64_t mask, const void* p) {
    Lanes<T, V> v = {};
    for (int i = 0; i < v.kCount; ++i)
        if (isSet(mask, i))
            __builtin_memcpy(&v.at[i], static_cast<const char*>(p) + i * sizeof(T), sizeof(T));
    return v.vector();
}

/// Numbers, `offset` times kScale bytes behind p each; lanes that the mask leaves out stay as they are.
template <class T, int kScale>
inline __m512i gathered(__m512i as, uint64_t mask, __m512i offsets, const void* p) {
    auto v = Lanes<T, __m512i>::of(as);
    const auto offset = Lanes<T, __m512i>::of(offsets);
    for (int i = 0; i < v.kCount; ++i)
        if (isSet(mask, i))
            __builtin_memcpy(&v.at[i], static_cast<const char*>(p) + int64_t(offset.at[i]) * kScale, sizeof(T));
    return v.vector();
}

template <class T, class V>
inline void storeMasked(void* p, uint64_t mask, V vector) {
    const auto v = Lanes<T, V>::of(vector);
    for (int i = 0; i < v.kCount; ++i)
        if (isSet(mask, i))
            __builtin_memcpy(static_cast<char*>(p) + i * sizeof(T), &v.at[i], sizeof(T));
}

/// Each number of the first as To: cut off, extended or converted, as C++ does it.
template <class From, class To, class Result, class V>
inline Result convert(V vector) {
    const auto from = Lanes<From, V>::of(vector);
    Lanes<To, Result> to;
    for (int i = 0; i < to.kCount; ++i)
        to.at[i] = static_cast<To>(from.at[i]);
    return to.vector();
}

/// f of the lower and the upper half.
template <class Result, class Half, class V, class F>
inline Result inHalves(V vector, const F& f) {
    const auto halves = Lanes<Half, V>::of(vector);
    const auto low = f(halves.at[0]), high = f(halves.at[1]);
    Lanes<decltype(f(halves.at[0])), Result> both;
    both.at[0] = low, both.at[1] = high;
    return both.vector();
}

inline __m512 fromHalfFloats(__m256i v) {
    return inHalves<__m512, __m128i>(v, [](__m128i h) { return _mm256_cvtph_ps(h); });
}

inline __m256i toHalfFloats(__m512 v) {
    return inHalves<__m256i, __m256>(v, [](__m256 h) { return _mm256_cvtps_ph(h, 0); }); // to nearest
}

inline __m512i toWholeNumbers(__m512 v) {
    return inHalves<__m512i, __m256>(v, [](__m256 h) { return _mm256_cvtps_epi32(h); });
}

inline __m512i toWholeNumbersMasked(uint64_t mask, __m512 vector) {
    auto v = Lanes<int32_t, __m512i>::of(toWholeNumbers(vector));
    for (int i = 0; i < v.kCount; ++i)
        v.at[i] = isSet(mask, i) ? v.at[i] : 0;
    return v.vector();
}

/// Of each two lanes the first (0) or the second (1), twice.
template <int kWhich>
inline __m512 duplicated(__m512 vector) {
    auto v = Lanes<float, __m512>::of(vector);
    for (int i = 0; i < v.kCount; i += 2)
        v.at[i] = v.at[i + 1] = v.at[i + kWhich];
    return v.vector();
}

inline __m512 multipliedAndSubtractedAdded(__m512 a, __m512 b, __m512 c) {
    const auto x = Lanes<__m256, __m512>::of(a), y = Lanes<__m256, __m512>::of(b), z = Lanes<__m256, __m512>::of(c);
    Lanes<__m256, __m512> out;
    for (int i = 0; i < 2; ++i)
        out.at[i] = _mm256_fmaddsub_ps(x.at[i], y.at[i], z.at[i]);
    return out.vector();
}

/// The sign bit goes, of zero and of what is no number, too.
inline __m512 magnitudes(__m512 vector) {
    auto v = Lanes<uint32_t, __m512>::of(vector);
    for (uint32_t& bits : v.at)
        bits &= 0x7fffffffu;
    return v.vector();
}

inline __m512 permutedInFours(__m512 vector, int order) {
    const auto from = Lanes<float, __m512>::of(vector);
    auto to = from;
    for (int i = 0; i < to.kCount; ++i)
        to.at[i] = from.at[(i & ~3) + (order >> (2 * (i & 3)) & 3)];
    return to.vector();
}

/// Two quarters of each.
template <class Quarter, class V>
inline V quartersOf(V x, V y, int order) {
    const auto a = Lanes<Quarter, V>::of(x), b = Lanes<Quarter, V>::of(y);
    Lanes<Quarter, V> out;
    for (int i = 0; i < 4; ++i)
        out.at[i] = (i < 2 ? a : b).at[order >> (2 * i) & 3];
    return out.vector();
}

inline __m256 halfOf(__m512 v, int half) {
    return Lanes<__m256, __m512>::of(v).at[half];
}

inline __m512 withHalf(__m512 vector, __m256 half, int at) {
    auto v = Lanes<__m256, __m512>::of(vector);
    v.at[at] = half;
    return v.vector();
}

template <class V>
inline __m512i extendedByZeros(V first) {
    Lanes<V, __m512i> v = {};
    v.at[0] = first;
    return v.vector();
}

inline int sumOf(__m512i vector) {
    uint32_t sum = 0;
    for (const uint32_t lane : Lanes<uint32_t, __m512i>::of(vector).at)
        sum += lane;
    return static_cast<int>(sum);
}

inline uint32_t largestOf(__m512i vector) {
    uint32_t largest = 0;
    for (const uint32_t lane : Lanes<uint32_t, __m512i>::of(vector).at)
        largest = lane > largest ? lane : largest;
    return largest;
}

/// To nearest, ties to even; denormal numbers are zeros, what is no number stays so.
inline uint16_t toBf16(uint32_t bits) {
    const uint32_t magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
    if (magnitude > 0x7f800000u)
        return static_cast<uint16_t>(bits >> 16 | 0x40u);
    if (magnitude < 0x00800000u)
        return static_cast<uint16_t>(sign);
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/// The first's numbers are the upper ones.
inline __m512i toBf16(__m512 upper, __m512 lower) {
    const auto high = Lanes<uint32_t, __m512>::of(upper), low = Lanes<uint32_t, __m512>::of(lower);
    Lanes<uint16_t, __m512i> out;
    for (int i = 0; i < 16; ++i)
        out.at[i] = toBf16(low.at[i]), out.at[16 + i] = toBf16(high.at[i]);
    return out.vector();
}

} // namespace
} // namespace hearth::emulated

// clang-format off
#undef _mm512_abs_ps
#undef _mm512_castsi256_si512
#undef _mm512_insertf32x8

#define _mm256_cvtepi32_epi16(...) hearth::emulated::convert<int32_t, int16_t, __m128i>(__VA_ARGS__)
#define _mm256_mask_storeu_epi16(...) hearth::emulated::storeMasked<int16_t, __m256i>(__VA_ARGS__)
#define _mm256_maskz_loadu_epi16(...) hearth::emulated::loadMasked<int16_t, __m256i>(__VA_ARGS__)
#define _mm256_maskz_loadu_epi8(...) hearth::emulated::loadMasked<int8_t, __m256i>(__VA_ARGS__)
#define _mm512_abs_ps(...) hearth::emulated::magnitudes(__VA_ARGS__)
#define _mm512_castsi256_si512(...) simde_mm512_castsi256_si512((__VA_ARGS__)) // SIMDe's takes no template's comma
#define _mm512_cvtepi32_epi16(...) hearth::emulated::convert<int32_t, int16_t, __m256i>(__VA_ARGS__)
#define _mm512_cvtepi32_epi8(...) hearth::emulated::convert<int32_t, int8_t, __m128i>(__VA_ARGS__)
#define _mm512_cvtepi32_ps(...) hearth::emulated::convert<int32_t, float, __m512>(__VA_ARGS__)
#define _mm512_cvtepi64_epi16(...) hearth::emulated::convert<int64_t, int16_t, __m128i>(__VA_ARGS__)
#define _mm512_cvtepi8_epi32(...) hearth::emulated::convert<int8_t, int32_t, __m512i>(__VA_ARGS__)
#define _mm512_cvtepu16_epi32(...) hearth::emulated::convert<uint16_t, uint32_t, __m512i>(__VA_ARGS__)
#define _mm512_cvtepu16_epi64(...) hearth::emulated::convert<uint16_t, uint64_t, __m512i>(__VA_ARGS__)
#define _mm512_cvtepu32_epi64(...) hearth::emulated::convert<uint32_t, uint64_t, __m512i>(__VA_ARGS__)
#define _mm512_cvtepu8_epi16(...) hearth::emulated::convert<uint8_t, uint16_t, __m512i>(__VA_ARGS__)
#define _mm512_cvtepu8_epi32(...) hearth::emulated::convert<uint8_t, uint32_t, __m512i>(__VA_ARGS__)
#define _mm512_cvtepu8_epi64(...) hearth::emulated::convert<uint8_t, uint64_t, __m512i>(__VA_ARGS__)
#define _mm512_cvtne2ps_pbh(...) hearth::emulated::toBf16(__VA_ARGS__)
#define _mm512_cvtph_ps(...) hearth::emulated::fromHalfFloats(__VA_ARGS__)
#define _mm512_cvtps_epi32(...) hearth::emulated::toWholeNumbers(__VA_ARGS__)
#define _mm512_cvtps_ph(v, rounding) hearth::emulated::toHalfFloats(v)
#define _mm512_cvtss_f32(...) hearth::emulated::Lanes<float, __m512>::of(__VA_ARGS__).at[0]
#define _mm512_extractf32x8_ps(...) hearth::emulated::halfOf(__VA_ARGS__)
#define _mm512_fmaddsub_ps(...) hearth::emulated::multipliedAndSubtractedAdded(__VA_ARGS__)
#define _mm512_i32gather_epi32(offsets, p, scale) _mm512_mask_i32gather_epi32(__m512i(), 0xffff, offsets, p, scale)
#define _mm512_i64gather_epi64(offsets, p, scale) hearth::emulated::gathered<int64_t, scale>(__m512i(), 0xff, offsets, p)
#define _mm512_insertf32x8(...) hearth::emulated::withHalf(__VA_ARGS__)
#define _mm512_mask_i32gather_epi32(as, mask, offsets, p, scale) hearth::emulated::gathered<int32_t, scale>(as, mask, offsets, p)
#define _mm512_mask_storeu_ps(...) hearth::emulated::storeMasked<float, __m512>(__VA_ARGS__)
#define _mm512_maskz_cvtps_epi32(...) hearth::emulated::toWholeNumbersMasked(__VA_ARGS__)
#define _mm512_maskz_loadu_epi16(...) hearth::emulated::loadMasked<int16_t, __m512i>(__VA_ARGS__)
#define _mm512_maskz_loadu_epi64(...) hearth::emulated::loadMasked<int64_t, __m512i>(__VA_ARGS__)
#define _mm512_maskz_loadu_ps(...) hearth::emulated::loadMasked<float, __m512>(__VA_ARGS__)
#define _mm512_movehdup_ps(...) hearth::emulated::duplicated<1>(__VA_ARGS__)
#define _mm512_moveldup_ps(...) hearth::emulated::duplicated<0>(__VA_ARGS__)
#define _mm512_permute_ps(...) hearth::emulated::permutedInFours(__VA_ARGS__)
#define _mm512_reduce_add_epi32(...) hearth::emulated::sumOf(__VA_ARGS__)
#define _mm512_reduce_max_epu32(...) hearth::emulated::largestOf(__VA_ARGS__)
#define _mm512_shuffle_f32x4(...) hearth::emulated::quartersOf<__m128>(__VA_ARGS__)
#define _mm512_shuffle_i64x2(...) hearth::emulated::quartersOf<__m128i>(__VA_ARGS__)
#define _mm512_zextsi128_si512(...) hearth::emulated::extendedByZeros(__VA_ARGS__)
#define _mm512_zextsi256_si512(...) hearth::emulated::extendedByZeros(__VA_ARGS__)
// clang-format on
