#pragma once

// The smaller fields of the formats' blocks (scales, signs) in 128- and 256-bit vectors, for every file of an x86
// instruction set: AVX2 is all it needs. Internal linkage on purpose.

#include "kernels/quant/formats.h"

#include <cstring>

#include <immintrin.h>

namespace hearth::kernels::cpu {
namespace {

inline __m128i load128(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

inline __m128i load64(const uint8_t* p) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}

inline __m256i load256(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

inline int load16(const uint8_t* p) {
    uint16_t v;
    std::memcpy(&v, p, 2);
    return v;
}

inline int load32(const uint8_t* p) {
    int32_t v;
    std::memcpy(&v, p, 4);
    return v;
}

inline float halfAt(const uint8_t* p) {
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(load16(p))));
}

/// 16 nibbles of 8 bytes in order, each a byte: the low one of a byte first.
inline __m128i nibblesOf8(__m128i bytes) {
    const __m128i mask = _mm_set1_epi8(15);
    return _mm_unpacklo_epi8(_mm_and_si128(bytes, mask), _mm_and_si128(_mm_srli_epi16(bytes, 4), mask));
}

/// The 16 scales of Q3_K at their 12 bytes, as signed bytes.
inline __m128i scalesOfQ3_K(const uint8_t* p) {
    const __m128i low = load64(p), mask = _mm_set1_epi8(15);
    const __m128i nibbles = _mm_unpacklo_epi64(_mm_and_si128(low, mask), _mm_and_si128(_mm_srli_epi16(low, 4), mask));
    const __m128i spread = _mm_srlv_epi32(_mm_set1_epi32(load32(p + 8)), _mm_set_epi32(6, 4, 2, 0));
    const __m128i high = _mm_slli_epi16(_mm_and_si128(spread, _mm_set1_epi8(3)), 4);
    return _mm_sub_epi8(_mm_or_si128(nibbles, high), _mm_set1_epi8(32));
}

/// The eight scales of IQ4_XS.
inline __m256i scalesOfIQ4_XS(const uint8_t* b) {
    const __m256i step = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    const __m256i low = _mm256_and_si256(
        _mm256_srlv_epi32(_mm256_set1_epi32(load32(b + 4)), _mm256_slli_epi32(step, 2)), _mm256_set1_epi32(15));
    const __m256i high = _mm256_and_si256(
        _mm256_srlv_epi32(_mm256_set1_epi32(load16(b + 2)), _mm256_slli_epi32(step, 1)), _mm256_set1_epi32(3));
    return _mm256_sub_epi32(_mm256_or_si256(low, _mm256_slli_epi32(high, 4)), _mm256_set1_epi32(32));
}

/// 2^(e-128) of eight exponents: MXFP4's scales.
inline __m256 halfPowers(__m256i e) {
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    const __m256i isNormal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1));
    return _mm256_castsi256_ps(_mm256_blendv_epi8(subnormal, normal, isNormal));
}

/// Bytes of seven signs each get their eighth (quant::evenSigns).
inline __m256i evenSigns(__m256i sevens) {
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256i odd = _mm256_broadcastsi128_si256(
        _mm_set_epi8(0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0)); // of a nibble
    const __m256i low = _mm256_shuffle_epi8(odd, _mm256_and_si256(sevens, mask));
    const __m256i high = _mm256_shuffle_epi8(odd, _mm256_and_si256(_mm256_srli_epi16(sevens, 4), mask));
    return _mm256_xor_si256(sevens, _mm256_xor_si256(low, high));
}

/// The signs of 32 points from eight words of four times seven bits.
inline __m256i signsOfWords(__m256i words) {
    const __m256i seven = _mm256_set1_epi32(127);
    __m256i signs = _mm256_and_si256(words, seven);
    signs = _mm256_or_si256(signs, _mm256_and_si256(_mm256_slli_epi32(words, 1), _mm256_slli_epi32(seven, 8)));
    signs = _mm256_or_si256(signs, _mm256_and_si256(_mm256_slli_epi32(words, 2), _mm256_slli_epi32(seven, 16)));
    signs = _mm256_or_si256(signs, _mm256_and_si256(_mm256_slli_epi32(words, 3), _mm256_slli_epi32(seven, 24)));
    return evenSigns(signs);
}

/// d * (0.5 + scale) * factor of eight words whose upper four bits are the scale.
inline __m256 scalesOfWords(__m256i words, float d, float factor) {
    const __m256 scale = _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(words, 28)), _mm256_set1_ps(0.5f));
    return _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(d), scale), _mm256_set1_ps(factor));
}

/// The words of IQ2_XXS that hold signs and scales.
inline __m256i wordsOfIQ2_XXS(const uint8_t* b) {
    const __m256 first = _mm256_castsi256_ps(load256(b + 2)), second = _mm256_castsi256_ps(load256(b + 34));
    return _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xdd)), 0xd8);
}

/// The signs of IQ2_XS, the upper seven bits of 32 words.
inline __m256i signsOfIQ2_XS(const uint8_t* b) {
    const __m256i first = _mm256_srli_epi16(load256(b + 2), 9), second = _mm256_srli_epi16(load256(b + 34), 9);
    return evenSigns(_mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), 0xd8));
}

/// d * (1 + 2 * scale) / 8 of IQ1_S.
inline __m256 scalesOfIQ1_S(const uint8_t* b) {
    const __m256i words = _mm256_cvtepu16_epi32(load128(b + 34));
    const __m256i twice = _mm256_and_si256(_mm256_srli_epi32(words, 11), _mm256_set1_epi32(14));
    const __m256 odd = _mm256_cvtepi32_ps(_mm256_add_epi32(twice, _mm256_set1_epi32(1)));
    return _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(halfAt(b)), odd), _mm256_set1_ps(0.125f));
}

/// Values of a table of 16, moved up by `offset`, for shuffles.
inline __m128i movedTable(const int8_t (&table)[16], int offset) {
    return _mm_add_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)), _mm_set1_epi8(char(offset)));
}

} // namespace
} // namespace hearth::kernels::cpu
