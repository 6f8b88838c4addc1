#pragma once

// Attention of generated tokens over latents, which are keys and values at once and serve many heads: on whole numbers
// of 16 bits, which AVX-512 VNNI multiplies in pairs. A token's latent becomes codes once for all heads. Sums of a
// block of tokens are exact, so every head has the bits that it has in any other group of kFewLatentHeads and more.
// Included after pair_attention.h, whose limits keep the scores' sums below 2^31. Internal linkage on purpose.

namespace hearth::kernels::cpu {
namespace {

constexpr int kLatentTokens = 64; // that become codes at once: they stay in the second-level cache
constexpr int kTogether = 8;      // heads that share a read of the values

/// Where a call keeps its numbers.
struct alignas(64) LatentScratch {
    float scores[kLatentHeads][kLatentTokens];
    int16_t weights[kLatentHeads][kLatentTokens];
    float scales[kLatentTokens]; // of the latents
    float weightScales[kLatentHeads], queryScales[kLatentHeads];

    int16_t* queries() { return reinterpret_cast<int16_t*>(this + 1); } // (kLatentHeads, codedRow(kDim))

    int16_t* latents(int kDim) { return queries() + kLatentHeads * codedRow(kDim); } // (kLatentTokens, codedRow(kDim))
};

static_assert(sizeof(LatentScratch) + (kLatentHeads + kLatentTokens) * kLatentDims * sizeof(int16_t) <=
              kAttendScratchBytes);

/// Some tokens of a run: a.k, a.next and a.tokens are theirs.
struct LatentBlock {
    const Attend& a;
    LatentScratch& s;
    int stride; // codes of a row
    int16_t* latents;

    LatentBlock(const Attend& part, LatentScratch& scratch)
        : a(part), s(scratch), stride(int(codedRow(part.kDim))), latents(scratch.latents(part.kDim)) {}
};

/// The largest magnitude of a row of 16-bit floats, whose bits order them. NaN may be lost here: the sum of squares has
/// it.
template <Type kType>
inline float largestOf(const std::byte* row, int dims) {
    const __m512i magnitude = _mm512_set1_epi16(0x7fff);
    __m512i top = _mm512_setzero_si512();
    for (int i = 0; i < dims; i += 32) {
        const __mmask32 live = dims - i >= 32 ? ~__mmask32(0) : (__mmask32(1) << (dims - i)) - 1;
        top = _mm512_max_epu16(top, _mm512_and_si512(_mm512_maskz_loadu_epi16(live, row + 2 * i), magnitude));
    }
    const __m256i most = _mm256_max_epu16(_mm512_castsi512_si256(top), _mm512_extracti64x4_epi64(top, 1));
    return maxLane(kType == Type::F16 ? widenF16(most) : widenBf16(most));
}

/// 32 numbers times a factor as codes: 0-3, 16-19, 4-7, 20-23 and so on, so that pairs of rows have the columns in
/// their order.
inline void storeCodes32(int16_t* out, Vec x, Vec y, Vec by) {
    const __m512i order = _mm512_set_epi16(62, 60, 58, 56, 30, 28, 26, 24, 54, 52, 50, 48, 22, 20, 18, 16, 46, 44, 42,
                                           40, 14, 12, 10, 8, 38, 36, 34, 32, 6, 4, 2, 0);
    _mm512_storeu_si512(out, codesOf32(x, y, by, order));
}

/// The sum of squares of a latent.
template <Type kType>
inline float squaresOf(const std::byte* row, int dims) {
    Vec sums[4] = {zero(), zero(), zero(), zero()};
    int i = 0;
    for (; i + 4 * kLanes <= dims; i += 4 * kLanes)
        for (int j = 0; j < 4; ++j) {
            const Vec v = loadAs<kType>(row + (i + j * kLanes) * kBytesOf<kType>);
            sums[j] = fma(v, v, sums[j]);
        }
    for (; i < dims; i += kLanes) {
        const Vec v = loadPartAs<kType>(row + i * kBytesOf<kType>, lesser(kLanes, dims - i));
        sums[0] = fma(v, v, sums[0]);
    }
    return sumLanes(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

template <Type kType>
inline void codeLatent(const std::byte* row, int dims, float inverse, int16_t* out) {
    const Vec by = splat(inverse);
    int i = 0;
    for (; i + 2 * kLanes <= dims; i += 2 * kLanes)
        storeCodes32(out + i, loadAs<kType>(row + i * kBytesOf<kType>),
                     loadAs<kType>(row + (i + kLanes) * kBytesOf<kType>), by);
    if (i < dims) {
        const int first = lesser(kLanes, dims - i), second = dims - i - first;
        storeCodes32(out + i, loadPartAs<kType>(row + i * kBytesOf<kType>, first),
                     loadPartAs<kType>(row + (i + kLanes) * kBytesOf<kType>, second), by);
    }
}

/// Up to four latents from a token on as codes. Returns the largest of them.
template <Type kType>
inline float codeLatents(const LatentBlock& b, int token) {
    const int live = lesser(4, b.a.tokens - token), dims = b.a.kDim;
    const std::byte* row = b.a.k + uint64_t(token) * b.a.kStride;
    float squares[4] = {}, largest[4] = {}, inverses[4];
    for (int i = 0; i < live; ++i) {
        squares[i] = squaresOf<kType>(row + uint64_t(i) * b.a.kStride, dims);
        largest[i] = largestOf<kType>(row + uint64_t(i) * b.a.kStride, dims);
    }
    const Vec tops = _mm512_broadcast_f32x4(_mm_loadu_ps(largest));
    const Vec scales = scalesOfRows(_mm512_broadcast_f32x4(_mm_loadu_ps(squares)), tops, dims);
    const Vec by = inversesOf(scales);
    _mm_storeu_ps(b.s.scales + token, _mm512_castps512_ps128(scales));
    _mm_storeu_ps(inverses, _mm512_castps512_ps128(by));
    for (int i = 0; i < live; ++i)
        codeLatent<kType>(row + uint64_t(i) * b.a.kStride, dims, inverses[i], b.latents + (token + i) * b.stride);
    return maxLane(mul(tops, by));
}

/// A query as codes, in the order of the latents'.
inline void codeQuery(const LatentBlock& b, int head) {
    const float* q = b.a.q + int64_t(head) * b.a.kDim;
    const auto at = [&](int i) { return loadPart(q + i, b.a.kDim - i < 0 ? 0 : lesser(kLanes, b.a.kDim - i)); };
    Vec squares = zero(), top = zero();
    for (int i = 0; i < b.a.kDim; i += kLanes) {
        squares = fma(at(i), at(i), squares);
        top = maximum(absolute(at(i)), top);
    }
    const Vec scale = scalesOfRows(splat(sumLanes(squares)), splat(maxLane(top)), b.a.kDim),
              inverse = inversesOf(scale);
    b.s.queryScales[head] = _mm512_cvtss_f32(scale);
    for (int i = 0; i < b.stride; i += 2 * kLanes)
        storeCodes32(b.s.queries() + head * b.stride + i, at(i), at(i + kLanes), inverse);
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

/// Lane 4 * i + j: the sum of v[i][j].
inline __m512i sumsOf(const Ints (&v)[4][4]) {
    const __m512i a = quarterSums(v[0][0], v[0][1], v[0][2], v[0][3]);
    const __m512i b = quarterSums(v[1][0], v[1][1], v[1][2], v[1][3]);
    const __m512i c = quarterSums(v[2][0], v[2][1], v[2][2], v[2][3]);
    const __m512i d = quarterSums(v[3][0], v[3][1], v[3][2], v[3][3]);
    const __m512i ab = _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
    const __m512i cd = _mm512_add_epi32(_mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xee));
    return _mm512_add_epi32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xdd));
}

/// Scores of four tokens and up to four heads; what there is not repeats the last. Meanwhile `lines` times a row's
/// cache lines from `later` on come nearer, a few at a time: asked for at once, they would stop the loop.
inline void scoreLatents(const LatentBlock& b, int head, int token, const std::byte* later, int lines) {
    const int16_t *q[4], *k[4];
    for (int i = 0; i < 4; ++i) {
        q[i] = b.s.queries() + lesser(head + i, b.a.heads - 1) * b.stride;
        k[i] = b.latents + lesser(token + i, b.a.tokens - 1) * b.stride;
    }
    Ints sums[4][4] = {};
    for (int i = 0; i < b.stride; i += 32) {
        __m512i ks[4];
        for (int j = 0; j < 4; ++j)
            ks[j] = _mm512_loadu_si512(k[j] + i);
        prefetch(later + i * lines * 2, uint64_t(64 * lines));
        for (int h = 0; h < 4; ++h) {
            const __m512i qs = _mm512_loadu_si512(q[h] + i);
            for (int j = 0; j < 4; ++j)
                sums[h][j] = addPairs(sums[h][j], qs, ks[j]);
        }
    }
    const Vec scales = _mm512_broadcast_f32x4(_mm_loadu_ps(b.s.scales + token));
    const Vec scores = mul(_mm512_cvtepi32_ps(sumsOf(sums)), scales);
    const __m128 rows[4] = {_mm512_castps512_ps128(scores), _mm512_extractf32x4_ps(scores, 1),
                            _mm512_extractf32x4_ps(scores, 2), _mm512_extractf32x4_ps(scores, 3)};
    const __mmask8 live = __mmask8((1u << lesser(4, b.a.tokens - token)) - 1);
    for (int h = 0; h < 4 && head + h < b.a.heads; ++h)
        _mm_mask_storeu_ps(b.a.scores + (head + h) * b.a.tokens + token, live,
                           _mm_mul_ps(rows[h], _mm_set1_ps(b.s.queryScales[head + h])));
}

/// A head's weights times the latents' scales, as codes. `largest` is that of the latents' codes.
inline void codeWeights(const LatentBlock& b, int head, float largest) {
    Vec w[kLatentTokens / kLanes], sum = zero(), top = zero();
    for (int i = 0; i < kLatentTokens / kLanes; ++i) {
        const int live = b.a.tokens - i * kLanes < 0 ? 0 : lesser(kLanes, b.a.tokens - i * kLanes);
        w[i] =
            mul(loadPart(b.a.scores + head * b.a.tokens + i * kLanes, live), loadPart(b.s.scales + i * kLanes, live));
        sum = add(sum, w[i]);
        top = maximum(w[i], top);
    }
    // Weights of no more than 32767, and (sum + half a unit each) * (largest + 1/2) < 2^31.
    const float most = 0x1p31f * 0.999f / (largest + 1.0f) - kLatentTokens;
    const float bySum = sumLanes(sum) / most, byTop = maxLane(top) * (1.0f / kMostPair);
    const float scale = byTop > bySum ? byTop : bySum; // NaN of the sum stays
    const Vec inverse = inversesOf(splat(scale));
    b.s.weightScales[head] = scale;
    for (int i = 0; i < kLatentTokens / kLanes; ++i)
        storeInt16(b.s.weights[head] + i * kLanes, mul(w[i], inverse));
}

/// o += weights x 32 columns of the latents, for kH heads.
template <int kH>
inline void addLatents(const LatentBlock& b, int head, int column) {
    const Attend& a = b.a;
    PairSums sums[kH];
    for (PairSums& sum : sums)
        sum.clear();
    const int16_t* latents = b.latents + column;
    const auto rowAt = [&](int t) { return Wide{{_mm512_loadu_si512(latents + t * b.stride)}}; };
    for (int t = 0; t < a.tokens; t += 2) { // an odd last row meets itself with no weight
        const RowPair pair(rowAt(t), rowAt(lesser(t + 1, a.tokens - 1)));
        for (int h = 0; h < kH; ++h)
            pair.addTo(sums[h], b.s.weights[head + h] + t);
    }
    for (int h = 0; h < kH; ++h) {
        const Vec v[2] = {toFloats(sums[h].low), toFloats(sums[h].high)};
        float* o = a.o + (head + h) * a.vDim + column;
        for (int i = 0; i < 2 && column + i * kLanes < a.vDim; ++i, o += kLanes) {
            const int part = lesser(kLanes, a.vDim - column - i * kLanes);
            storePart(o, fma(v[i], splat(b.s.weightScales[head + h]), loadPart(o, part)), part);
        }
    }
}

/// Four latents that will be read some time after those from `token` on; null: nobody knows.
inline const std::byte* laterThan(const LatentBlock& b, int token) {
    constexpr int kAhead = 16; // 18 KiB of what fits into the second-level cache beside the codes
    const int later = token + kAhead - b.a.tokens;
    if (later <= -4)
        return b.a.k + uint64_t(token + kAhead) * b.a.kStride;
    return b.a.next ? b.a.next + uint64_t(later < 0 ? 0 : later) * b.a.kStride : nullptr;
}

template <Type kType>
void attendLatentBlock(const LatentBlock& b) {
    const Attend& a = b.a;
    const int rows = a.heads > 12 ? 1 : 2; // of four that are read later, while four heads get their scores
    float largest = 0;
    for (int t = 0; t < a.tokens; t += 4) {
        const float code = codeLatents<kType>(b, t);
        largest = code > largest ? code : largest;
        const std::byte* later = laterThan(b, t);
        for (int h = 0; h < a.heads; h += 4)
            scoreLatents(b, h, t, later ? later + uint64_t(h / 4 * rows) * a.kStride : nullptr, later ? rows : 0);
    }
    weighAllHeads(a);
    for (int h = 0; h < a.heads; ++h)
        codeWeights(b, h, largest);
    for (int column = 0; column < a.vDim; column += 32) {
        int h = 0;
        for (; h + kTogether <= a.heads; h += kTogether)
            addLatents<kTogether>(b, h, column);
        for (; h < a.heads; ++h)
            addLatents<1>(b, h, column);
    }
}

template <Type kType>
void attendLatents(const Attend& a) {
    if (a.k != a.v || a.heads < kFewLatentHeads || a.heads > kLatentHeads || a.kDim > kLatentDims) {
        attendTokens<kType>(a);
        return;
    }
    LatentScratch& s = *reinterpret_cast<LatentScratch*>(a.scratch);
    if (!a.sameQueries)
        for (int h = 0; h < a.heads; ++h)
            codeQuery(LatentBlock(a, s), h);
    for (int t = 0; t < a.tokens; t += kLatentTokens) {
        Attend part = a;
        part.tokens = lesser(kLatentTokens, a.tokens - t);
        part.k = part.v = a.k + uint64_t(t) * a.kStride;
        part.next = t + part.tokens < a.tokens ? part.k + uint64_t(part.tokens) * a.kStride : a.next;
        part.scores = s.scores[0];
        attendLatentBlock<kType>(LatentBlock(part, s));
    }
}

inline void overrideLatentAttention(CpuKernels& k) {
    k.attend[size_t(Type::F16)] = attendLatents<Type::F16>;
    k.attend[size_t(Type::BF16)] = attendLatents<Type::BF16>;
}

} // namespace
} // namespace hearth::kernels::cpu
