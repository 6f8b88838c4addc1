#pragma once

// Products of prompts with float activations in whole numbers of 16 bits, for AVX-512 VNNI, which multiplies 32 pairs
// of those in the time of 16 floats. Each row's and each output's numbers of a panel have a scale of their own, and
// their sum is exact. Included after pair_attention.h. Internal linkage on purpose.

namespace hearth::kernels::cpu {
namespace {

/// A row's codes have a norm of at most 32750, an output's of at most 46300: with half a unit of rounding each, of a
/// panel's inputs, sums stay below 2^31.
constexpr float kMostRowNorm = 32750;
static_assert(kPanelInputsF32 <= 256);

/// Up to four rows of a panel's inputs as codes.
inline void codeFewInputs(const CodeQueryRows& a, int row) {
    const int dims = a.dims, rows = lesser(4, a.rows - row);
    const float* x[4];
    for (int i = 0; i < 4; ++i)
        x[i] = a.x + (row + lesser(i, rows - 1)) * a.xStride;
    Vec squares[4] = {zero(), zero(), zero(), zero()};
    int at = 0;
    for (; at + kLanes <= dims; at += kLanes)
        for (int i = 0; i < 4; ++i) {
            const Vec v = load(x[i] + at);
            squares[i] = fma(v, v, squares[i]);
        }
    if (at < dims)
        for (int i = 0; i < 4; ++i) {
            const Vec v = loadPart(x[i] + at, dims - at);
            squares[i] = fma(v, v, squares[i]);
        }
    const __m128 sums = sumLanes4(squares[0], squares[1], squares[2], squares[3]);
    const __m128 scale = _mm_mul_ps(_mm_sqrt_ps(sums), _mm_set1_ps(1.0f / kMostRowNorm));
    const __m128 inverse = _mm512_castps512_ps128(inversesOf(_mm512_castps128_ps512(scale)));
    const int odd =
        _mm_movemask_ps(_mm_or_ps(_mm_cmpnge_ps(sums, _mm_set1_ps(1e-25f)), _mm_cmpnle_ps(sums, _mm_set1_ps(1e37f))));
    float all[4];
    _mm_storeu_ps(all, scale);
    const __m512i order = _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26,
                                           24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    for (int i = 0; i < rows; ++i) {
        a.scales[row + i] = all[i];
        int16_t* out = a.codes + (row + i) * a.codeStride;
        const Vec by = splatLane(inverse, i);
        const auto put = [&](int to, Vec v, Vec w) { _mm512_storeu_si512(out + to, codesOf32(v, w, by, order)); };
        int n = 0;
        for (; n + 2 * kLanes <= dims; n += 2 * kLanes)
            put(n, load(x[i] + n), load(x[i] + n + kLanes));
        if (n < dims) {
            const int first = lesser(kLanes, dims - n);
            put(n, loadPart(x[i] + n, first), loadPart(x[i] + n + kLanes, dims - n - first));
        }
        if ((odd >> i & 1) != 0) // of no, very small or very large numbers, or of what is none
            codeQueryRows({.x = x[i],
                           .xStride = 0,
                           .rows = 1,
                           .dims = dims,
                           .codes = out,
                           .codeStride = a.codeStride,
                           .scales = a.scales + row + i});
    }
}

void codeInputRows(const CodeQueryRows& a) {
    for (int r = 0; r < a.rows; r += 4)
        codeFewInputs(a, r);
}

template <int kR>
inline void multiplyCodeRows(const MultiplyCodes& a, int row) {
    Ints sums[kR][2];
    multiplyPairs<kR>(a.x + row * a.xStride, a.xStride, a.panel, (a.cols + 1) / 2, sums);
    for (int r = 0; r < kR; ++r) {
        const float* before = sumsBefore(a.sums, row + r);
        float* after = sumsAfter(a.sums, row + r);
        for (int v = 0; v < 2; ++v) {
            const Vec by = mul(load(a.panelScales + v * kLanes), splat(a.xScales[row + r]));
            store(after + v * kLanes, fma(toFloats(sums[r][v]), by, before ? load(before + v * kLanes) : zero()));
        }
    }
}

void multiplyCodePanel(const MultiplyCodes& a) {
    constexpr int kR = 8;
    int r = 0;
    for (; r + kR <= a.rows; r += kR)
        multiplyCodeRows<kR>(a, r);
    for (; r < a.rows; ++r)
        multiplyCodeRows<1>(a, r);
}

inline void overrideCodedProducts(CpuKernels& k) {
    k.coded.inputs = codeInputRows;
    k.coded.multiply = multiplyCodePanel;
}

} // namespace
} // namespace hearth::kernels::cpu
