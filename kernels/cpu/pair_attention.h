#pragma once

// Attention of prompt tokens in whole numbers of 16 bits, for AVX-512 VNNI, which multiplies 32 pairs of those in the
// time of 16 floats. Every query, key, value and row of weights has a scale of its own, and sums of a block are exact:
// so nothing depends on which rows are looked at together. What generated tokens and products share with them is here,
// too: codes of rows, rows of weights. Included after float_kernels.h. Internal linkage on purpose.

#include "kernels/cpu/code_scales.h"

namespace hearth::kernels::cpu {
namespace {

/// |w . v| is at most the sum of the weights times the largest value. Each code of 64 weights is rounded by half a unit
/// at most, which is left free below the limit of 2^31.
constexpr float kMostValue = 11585;      // about as fine as 64 equal weights; (185300 + 32 + 1) * 11585 < 2^31
constexpr float kMostWeightSum = 185300; // of a row in a block
static_assert(kKeyBlock <= 64);

/// x and y, 16 whole numbers each, side by side.
inline __m512i pairsOf(Vec x, Vec y) {
    return sideBySide(_mm512_cvtps_epi32(x), _mm512_cvtps_epi32(y));
}

void codeQueryRows(const CodeQueryRows& a) {
    for (int r = 0; r < a.rows; ++r) {
        const float* x = a.x + r * a.xStride;
        Vec squares = zero(), largest = zero();
        for (int i = 0; i < a.dims; i += kLanes) {
            const Vec v = loadPart(x + i, lesser(kLanes, a.dims - i));
            squares = fma(v, v, squares);
            largest = maximum(absolute(v), largest);
        }
        const Vec scale = scalesOfRows(splat(sumLanes(squares)), splat(maxLane(largest)), a.dims);
        const Vec inverse = inversesOf(scale);
        a.scales[r] = _mm512_cvtss_f32(scale);
        int16_t* out = a.codes + r * a.codeStride;
        for (int i = 0; i < a.codeStride; i += kLanes) {
            const int part = a.dims - i < 0 ? 0 : lesser(kLanes, a.dims - i);
            storeInt16(out + i, mul(loadPart(x + i, part), inverse));
        }
    }
}

/// Half a panel: 16 keys, a lane each.
inline void codeKeyLanes(const CodeKeys& a, int n) {
    const float* panel = a.panel + n;
    Vec squares = zero(), largest = zero();
    for (int64_t k = 0; k < a.dims; ++k) {
        const Vec v = load(panel + k * kPanelOutputs);
        squares = fma(v, v, squares);
        largest = maximum(absolute(v), largest);
    }
    const Vec scale = scalesOfRows(squares, largest, a.dims), inverse = inversesOf(scale);
    store(a.scales + n, scale);
    int16_t* out = a.codes + 2 * n;
    for (int64_t k = 0; k < a.dims; k += 2) {
        const Vec x = mul(load(panel + k * kPanelOutputs), inverse);
        const Vec y = k + 1 < a.dims ? mul(load(panel + (k + 1) * kPanelOutputs), inverse) : zero();
        _mm512_storeu_si512(out + k * kPanelOutputs, pairsOf(x, y));
    }
}

void codeKeyPanel(const CodeKeys& a) {
    for (int n = 0; n < kPanelOutputs; n += kLanes)
        codeKeyLanes(a, n);
}

/// The bits of the largest of a token's values; bits are compared, so that NaN is larger than all.
inline uint32_t topOfValues(const CodeValues& a, int token) {
    __m512i top = _mm512_setzero_si512();
    for (int64_t slice = 0; slice < a.slices; ++slice)
        for (int n = 0; n < kPanelOutputs; n += kLanes) {
            const Vec v = load(a.panels + slice * a.panelStride + token * kPanelOutputs + n);
            top = _mm512_max_epu32(top, _mm512_castps_si512(absolute(v)));
        }
    return _mm512_reduce_max_epu32(top);
}

inline float scaleOfValues(const CodeValues& a, int token) {
    const uint32_t bits = topOfValues(a, token);
    float largest;
    std::memcpy(&largest, &bits, 4);
    return largest * (1.0f / kMostValue);
}

void codeValuePanels(const CodeValues& a) {
    for (int t = 0; t < a.tokens; t += 2) {
        const bool both = t + 1 < a.tokens;
        a.scales[t] = scaleOfValues(a, t);
        if (both)
            a.scales[t + 1] = scaleOfValues(a, t + 1);
        const Vec first = inversesOf(splat(a.scales[t])), second = both ? inversesOf(splat(a.scales[t + 1])) : zero();
        for (int64_t slice = 0; slice < a.slices; ++slice)
            for (int n = 0; n < kPanelOutputs; n += kLanes) {
                const float* v = a.panels + slice * a.panelStride + t * kPanelOutputs + n;
                const Vec x = mul(load(v), first), y = both ? mul(load(v + kPanelOutputs), second) : zero();
                _mm512_storeu_si512(a.codes + slice * a.codeStride + t * kPanelOutputs + 2 * n, pairsOf(x, y));
            }
    }
}

/// Sums of kR rows over `pairs` pairs of codes with the 32 columns of a panel.
template <int kR>
inline void multiplyPairs(const int16_t* x, int64_t xStride, const int16_t* panel, int64_t pairs, Ints (&sums)[kR][2]) {
    for (int r = 0; r < kR; ++r)
        sums[r][0] = sums[r][1] = Ints{};
    for (int64_t k = 0; k < pairs; ++k) {
        const __m512i low = _mm512_loadu_si512(panel + k * 2 * kPanelOutputs);
        const __m512i high = _mm512_loadu_si512(panel + k * 2 * kPanelOutputs + kPanelOutputs);
        for (int r = 0; r < kR; ++r) {
            const Words xs = splat4(x + r * xStride + 2 * k);
            sums[r][0] = addPairs(sums[r][0], low, xs);
            sums[r][1] = addPairs(sums[r][1], high, xs);
        }
    }
}

template <int kR>
void scoreRows(const AttendCodes& a, int row) {
    for (int n = 0; n < a.softmax.width; n += kPanelOutputs) {
        Ints sums[kR][2];
        multiplyPairs<kR>(a.q + row * a.qStride, a.qStride, a.keys + n * a.keyStride, (a.dims + 1) / 2, sums);
        for (int r = 0; r < kR; ++r)
            for (int v = 0; v < 2; ++v)
                store(a.softmax.s + (row + r) * kKeyBlock + n + v * kLanes,
                      mul(mul(toFloats(sums[r][v]), load(a.keyScales + n + v * kLanes)), splat(a.qScales[row + r])));
    }
}

/// e^x for x <= 0 within about 3e-7 of 1 near 0, where weights count; below -87 it stays at 1.4 * 2^-126. NaN stays
/// NaN. The polynomial is 2^r's for |r| <= 1/2, within 2e-7.
inline Vec weightOf(Vec x) {
    x = maximum(splat(-87.0f), x);
    const Vec n = roundNearest(mul(x, splat(1.44269504f)));
    const Vec r = _mm512_fmsub_ps(x, splat(1.44269504f), n);
    Vec p = splat(0.001327647203f);
    p = fma(p, r, splat(0.00967554148f));
    p = fma(p, r, splat(0.05550713275f));
    p = fma(p, r, splat(0.2402211972f));
    p = fma(p, r, splat(0.6931469671f));
    p = fma(p, r, splat(1.000000072f));
    return scaleByPower(p, n);
}

/// Largest lanes of four vectors without NaN.
inline __m128 maxLanes4(const Vec (&v)[4]) {
    const Vec ab = maximum(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
    const Vec cd = maximum(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
    const Vec all = maximum(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
    const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

/// The same of whole numbers.
inline __m128i mostLanes4(const __m512i (&v)[4]) {
    const auto fold = [](__m512i x, __m512i y) {
        return _mm512_max_epu32(_mm512_unpacklo_epi32(x, y), _mm512_unpackhi_epi32(x, y));
    };
    const __m512i ab = fold(v[0], v[1]), cd = fold(v[2], v[3]);
    const __m512i all = _mm512_max_epu32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i h = _mm256_max_epu32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_max_epu32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

inline Vec splatLane(__m128 v, int lane) {
    return _mm512_permutexvar_ps(_mm512_set1_epi32(lane), _mm512_castps128_ps512(v));
}

/// The largest scores of four rows so far; of fewer the last is repeated.
inline __m128 largestOf(SoftmaxState* const (&rows)[4]) {
    return _mm_setr_ps(rows[0]->max, rows[1]->max, rows[2]->max, rows[3]->max);
}

/// The states of kR rows go on: to the largest scores `max` and the sums of the new weights, which `exponentiate(max)`
/// makes. Returns the factors for what was summed before.
template <int kR, typename F>
inline __m128 advanceStates(SoftmaxState* const (&rows)[4], __m128 max, const F& exponentiate) {
    const __m128 before = largestOf(rows), sums = _mm_setr_ps(rows[0]->sum, rows[1]->sum, rows[2]->sum, rows[3]->sum);
    const Vec fallen = weightOf(_mm512_castps128_ps512(_mm_sub_ps(before, max)));
    const __m128 correction =
        _mm_mask_mov_ps(_mm_set1_ps(1.0f), _mm_cmp_ps_mask(before, max, _CMP_NEQ_UQ), _mm512_castps512_ps128(fallen));
    float tops[4], weights[4];
    _mm_storeu_ps(weights, _mm_fmadd_ps(sums, correction, exponentiate(max)));
    _mm_storeu_ps(tops, max);
    for (int i = 0; i < kR; ++i)
        *rows[i] = {tops[i], weights[i]};
    return correction;
}

/// What a head has summed before is scaled.
inline void correctSum(const Attend& a, int head, float correction) {
    float* o = a.o + head * a.vDim;
    if (correction != 1.0f)
        for (int i = 0; i < a.vDim; ++i)
            o[i] *= correction;
}

/// Up to four rows of weights beside each other, of up to kKeyBlock keys: one alone leaves the processor waiting. Each
/// has the bits that it has alone.
template <int kR>
struct WeightRows {
    static constexpr int kV = kKeyBlock / kLanes;

    const float* scores[kR];
    uint64_t seen[kR]; // keys of the block
    SoftmaxState* state[kR];
    Vec w[kR][kV];

    /// Row i: keys [begin, end) of the block are seen.
    inline void take(int i, const float* s, int begin, int end, SoftmaxState* of) {
        scores[i] = s;
        seen[i] = begin < end ? (~uint64_t(0) >> (64 - (end - begin))) << begin : 0;
        state[i] = of;
    }

    inline __mmask16 lanes(int i, int v) const { return __mmask16(seen[i] >> (v * kLanes)); }

    /// Scores become weights, and the states of the rows go on. Returns the factors for what was summed before.
    inline __m128 weigh(float scale, float softCap) {
        SoftmaxState* const rows[] = {state[0], state[lesser(1, kR - 1)], state[lesser(2, kR - 1)], state[kR - 1]};
        return advanceStates<kR>(rows, read(scale, softCap, largestOf(rows)),
                                 [&](__m128 max) { return exponentiate(max); });
    }

private:
    /// Scores; returns the largest of each row and `before`.
    inline __m128 read(float scale, float softCap, __m128 before) {
        Vec top[kR];
        for (int i = 0; i < kR; ++i) {
            const Vec none = top[i] = splatLane(before, i);
            for (int v = 0; v < kV; ++v) {
                const Vec s = _mm512_maskz_loadu_ps(lanes(i, v), scores[i] + v * kLanes);
                w[i][v] = capScores(mul(s, splat(scale)), softCap);
                top[i] = maximum(_mm512_mask_mov_ps(none, lanes(i, v), w[i][v]), top[i]);
            }
        }
        return maxLanes4({top[0], top[lesser(1, kR - 1)], top[lesser(2, kR - 1)], top[kR - 1]});
    }

    /// Weights; returns the sum of each row.
    inline __m128 exponentiate(__m128 max) {
        Vec sum[kR];
        for (int i = 0; i < kR; ++i) {
            const Vec top = splatLane(max, i);
            for (int v = 0; v < kV; ++v) {
                w[i][v] = _mm512_maskz_mov_ps(lanes(i, v), weightOf(sub(w[i][v], top)));
                sum[i] = v == 0 ? w[i][v] : add(sum[i], w[i][v]);
            }
        }
        return sumLanes4(sum[0], sum[lesser(1, kR - 1)], sum[lesser(2, kR - 1)], sum[kR - 1]);
    }
};

/// Weights times the values' scales as codes in place of the scores; returns the scale of each row.
inline __m128 codeWeightRows(WeightRows<4>& rows, const float* valueScales, int16_t* const (&out)[4]) {
    constexpr int kR = 4, kV = WeightRows<kR>::kV;
    Vec sum[kR], top[kR];
    for (int i = 0; i < kR; ++i)
        for (int v = 0; v < kV; ++v) {
            Vec& w = rows.w[i][v];
            w = _mm512_maskz_mul_ps(rows.lanes(i, v), w, load(valueScales + v * kLanes));
            sum[i] = v == 0 ? w : add(sum[i], w);
            top[i] = v == 0 ? w : maximum(w, top[i]);
        }
    const __m128 sums = _mm_mul_ps(sumLanes4(sum[0], sum[1], sum[2], sum[3]), _mm_set1_ps(1.0f / kMostWeightSum));
    const __m128 scale = _mm_max_ps(_mm_mul_ps(maxLanes4(top), _mm_set1_ps(1.0f / kMostPair)), sums); // NaN of sums
    const __m128 inverse = _mm512_castps512_ps128(inversesOf(_mm512_castps128_ps512(scale)));
    for (int i = 0; i < kR; ++i)
        for (int v = 0; v < kV; ++v)
            storeInt16(out[i] + v * kLanes, mul(rows.w[i][v], splatLane(inverse, i)));
    return scale;
}

/// Four rows of a block of scores, `end` one past the last: that one is repeated.
struct FourRows {
    WeightRows<4> rows;
    int row[4];
    float* scores[4];

    inline FourRows(const SoftmaxBlock& a, int first, int end) {
        for (int i = 0; i < 4; ++i) {
            row[i] = lesser(first + i, end - 1);
            scores[i] = a.s + row[i] * kKeyBlock;
            rows.take(i, scores[i], a.begin[row[i]], a.end[row[i]], a.state + row[i]);
        }
    }
};

/// Scores become codes of weights in their place, `scales` their rows' scales; and the states of the rows go on.
inline void weighRows(const AttendCodes& a, int first, float (&scales)[4]) {
    FourRows four(a.softmax, first, a.softmax.rows);
    int16_t* out[4];
    for (int i = 0; i < 4; ++i)
        out[i] = reinterpret_cast<int16_t*>(four.scores[i]);
    float corrections[4];
    _mm_storeu_ps(corrections, four.rows.weigh(a.softmax.scale, a.softmax.softCap));
    _mm_storeu_ps(scales, codeWeightRows(four.rows, a.valueScales, out));
    for (int i = 0; i < 4; ++i)
        a.softmax.correction[four.row[i]] = corrections[i];
}

/// weighHeads() for kH heads of generated tokens and up to kKeyBlock tokens.
template <int kH>
inline void weighFewHeads(const Attend& a, int head) {
    WeightRows<kH> rows;
    for (int h = 0; h < kH; ++h)
        rows.take(h, a.scores + h * a.tokens, 0, a.tokens, a.state + head + h);
    float corrections[4];
    _mm_storeu_ps(corrections, rows.weigh(a.scale, a.softCap));
    for (int h = 0; h < kH; ++h) {
        for (int v = 0; v < WeightRows<kH>::kV; ++v)
            _mm512_mask_storeu_ps(a.scores + h * a.tokens + v * kLanes, rows.lanes(h, v), rows.w[h][v]);
        correctSum(a, head + h, corrections[h]);
    }
}

/// weighHeads() for all heads and up to kKeyBlock tokens. Scores are (heads, tokens).
inline void weighAllHeads(const Attend& a) {
    for (int h = 0; h < a.heads;) {
        Attend few = a;
        few.scores += h * a.tokens;
        if (h + 4 <= a.heads) {
            weighFewHeads<4>(few, h);
            h += 4;
        } else {
            weighFewHeads<1>(few, h++);
        }
    }
}

template <int kR>
void addValueRows(const AttendCodes& a, int row) {
    const auto* weights = reinterpret_cast<const int16_t*>(a.softmax.s + row * kKeyBlock);
    for (int64_t slice = 0; slice < a.slices; ++slice) {
        Ints sums[kR][2];
        multiplyPairs<kR>(weights, 2 * kKeyBlock, a.values + slice * a.valueStride, (a.softmax.width + 1) / 2, sums);
        float* o = a.o + slice * a.oStride + row * kPanelOutputs;
        for (int r = 0; r < kR; ++r, o += kPanelOutputs)
            for (int v = 0; v < 2; ++v) {
                const Vec before = mul(load(o + v * kLanes), splat(a.softmax.correction[row + r]));
                store(o + v * kLanes, fma(toFloats(sums[r][v]), splat(a.weightScales[row + r]), before));
            }
    }
}

void attendCodedBlock(const AttendCodes& a) {
    constexpr int kR = 8;
    int r = 0;
    for (; r + kR <= a.softmax.rows; r += kR)
        scoreRows<kR>(a, r);
    for (; r < a.softmax.rows; ++r)
        scoreRows<1>(a, r);
    for (r = 0; r < a.softmax.rows; r += 4) {
        float scales[4];
        weighRows(a, r, scales);
        for (int i = 0; i < 4 && r + i < a.softmax.rows; ++i)
            a.weightScales[r + i] = scales[i];
    }
    for (r = 0; r + kR <= a.softmax.rows; r += kR)
        addValueRows<kR>(a, r);
    for (; r < a.softmax.rows; ++r)
        addValueRows<1>(a, r);
}

inline void overrideCodedAttention(CpuKernels& k) {
    k.coded.queries = codeQueryRows;
    k.coded.keys = codeKeyPanel;
    k.coded.values = codeValuePanels;
    k.coded.attend = attendCodedBlock;
}

} // namespace
} // namespace hearth::kernels::cpu
