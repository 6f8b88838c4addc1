#pragma once

// Float kernels for any vector width: written in the words of simd_<isa>.h, which is included before. Internal linkage
// on purpose: each instruction set has its own copy.

#include "kernels/cpu/kernel_table.h"
#include "kernels/kinds.h"
#include "kernels/quant/formats.h"

namespace hearth::kernels::cpu {
namespace {

template <Type kType>
constexpr int kBytesOf = kType == Type::F32 ? 4 : 2;

inline float lesser(float a, float b) {
    return b < a ? b : a;
}

constexpr int lesser(int a, int b) {
    return b < a ? b : a;
}

/// f<kFrom>(), ..., f<kTo - 1>(): a loop that is unrolled whatever the compiler thinks of it.
template <int kFrom, int kTo, typename F>
[[gnu::always_inline]] inline void eachOf(const F& f) {
    if constexpr (kFrom < kTo) {
        f.template operator()<kFrom>();
        eachOf<kFrom + 1, kTo>(f);
    }
}

/// Brings `bytes` from p on nearer, which need not be there. Pages of the cache and rows of weights are pieces of a few
/// KiB, too short for the processor's own readers of streams. Into the second-level cache: the first waits for so few
/// lines at a time that asking it stops the loop (Zen 4: half the rate).
inline void prefetch(const std::byte* p, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += 64)
        _mm_prefetch(reinterpret_cast<const char*>(p + at), _MM_HINT_T1);
}

/// What is read next comes nearer, a line (of each run) at a time, in the midst of the work before: so memory is never
/// idle.
struct Ahead {
    const std::byte* runs[kAttendRuns];
    int count = 1;
    int owed = 0;         // what linesOfAll() has not brought yet, in lines of one run
    uint64_t at = 0, end; // of each run

    inline Ahead(const std::byte* from, uint64_t bytes) : runs{from}, end(from ? bytes : 0) {}

    inline Ahead(const std::byte* from, const std::byte* const (&more)[kAttendRuns - 1], uint64_t bytes)
        : Ahead(from, bytes) {
        if (more[0])
            for (; count < kAttendRuns; ++count)
                runs[count] = more[count - 1];
    }

    inline int left() const { return int((end - at + 63) / 64); }

    inline void line() {
        if (at >= end)
            return;
        for (int r = 0; r < count; ++r)
            prefetch(runs[r] + at, 1);
        at += 64;
    }

    inline void lines(int n) {
        for (int i = 0; i < n; ++i)
            line();
    }

    /// n lines of all runs together, on average.
    inline void linesOfAll(int n) {
        for (owed += n; owed >= count; owed -= count)
            line();
    }

    inline void rest() {
        while (at < end)
            line();
    }

    /// What lines() is to bring each time so that all are there after so many times.
    inline int share(int times) const { return (left() + times - 1) / times; }
};

/// Where the keys or the values of a call lie.
struct RowsOfRuns {
    const std::byte* runs[kAttendRuns];
    uint64_t stride;
    int shift = 0; // 1 << shift runs

    inline RowsOfRuns(const std::byte* first, const std::byte* const (&more)[kAttendRuns - 1], uint64_t apart)
        : runs{first}, stride(apart) {
        static_assert(kAttendRuns == 4 && kRunTurn == 4);
        if (!more[0])
            return;
        shift = 2;
        for (int r = 1; r < kAttendRuns; ++r)
            runs[r] = more[r - 1];
    }

    inline int count() const { return 1 << shift; }

    /// The first of four rows that lie `stride` apart; i: a multiple of four.
    inline const std::byte* four(int i) const {
        const unsigned turn = unsigned(i) / kRunTurn;
        return runs[turn & unsigned(count() - 1)] + uint64_t(turn >> shift) * kRunTurn * stride;
    }

    inline const std::byte* row(int i) const { return four(i / 4 * 4) + uint64_t(i % 4) * stride; }
};

/// The keys after those of this call, and its values.
inline Ahead nextKeys(const Attend& a) {
    return {a.next, a.moreNext, uint64_t(a.nextTokens) * a.kStride};
}

inline Ahead valuesAhead(const Attend& a) {
    return {a.v, a.moreValues, uint64_t(a.moreValues[0] ? a.tokens / kAttendRuns : a.tokens) * a.vStride};
}

/// Values of so many tokens from t on, a multiple of four, come nearer; the first heads' walk brings them for all.
/// Latents are near, the keys themselves bring them.
inline void bringValues(const Attend& a, const RowsOfRuns& values, int head, int t, int tokens) {
    if (head != 0 || a.v == a.k)
        return;
    for (int i = 0; i < tokens; i += 4)
        prefetch(values.four(t + i), uint64_t(lesser(4, tokens - i)) * a.vStride);
}

inline RowsOfRuns keysOf(const Attend& a) {
    return {a.k, a.moreKeys, a.kStride};
}

inline RowsOfRuns valuesOf(const Attend& a) {
    return {a.v, a.moreValues, a.vStride};
}

inline void finish(const MatVec& a, int row, int64_t n, float sum) {
    float* out = a.out + row * a.outStride + n;
    if (a.bias)
        sum += a.bias[n];
    *out = a.accumulate ? *out + sum : sum;
}

/// kW weight rows n, n + step, ... x kR activation rows. Each product has two sums of its own, so its bits do not
/// depend on kW or kR. What the rows hold further on, which may be the next row's, or nothing, comes nearer.
template <Type kType, int kW, int kR>
void dotFloats(const MatVec& a, int64_t n, int64_t step, int row) {
    constexpr int kAhead = 2048, kStepBytes = 2 * kLanes * kBytesOf<kType>;
    const std::byte* w[kW];
    for (int i = 0; i < kW; ++i)
        w[i] = a.weights + uint64_t(n + i * step) * a.weightStride;
    const std::byte* x = a.x + uint64_t(row) * a.xStride;
    Vec sums[2][kW][kR];
    for (int u = 0; u < 2; ++u)
        for (int i = 0; i < kW; ++i)
            for (int r = 0; r < kR; ++r)
                sums[u][i][r] = zero();
    int64_t k = 0;
    for (; k + 2 * kLanes <= a.k; k += 2 * kLanes) {
        for (int i = 0; i < kW; ++i)
            prefetch(w[i] + k * kBytesOf<kType> + kAhead, kStepBytes);
        for (int u = 0; u < 2; ++u) {
            const int64_t at = k + u * kLanes;
            Vec xs[kR];
            for (int r = 0; r < kR; ++r)
                xs[r] = loadAs<Type::F32>(x + uint64_t(r) * a.xStride + at * 4);
            for (int i = 0; i < kW; ++i) {
                const Vec ws = loadAs<kType>(w[i] + at * kBytesOf<kType>);
                for (int r = 0; r < kR; ++r)
                    sums[u][i][r] = fma(ws, xs[r], sums[u][i][r]);
            }
        }
    }
    for (int u = 0; k < a.k; k += kLanes, ++u) {
        const int part = a.k - k < kLanes ? int(a.k - k) : kLanes;
        for (int i = 0; i < kW; ++i) {
            const Vec ws = loadPartAs<kType>(w[i] + k * kBytesOf<kType>, part);
            for (int r = 0; r < kR; ++r)
                sums[u][i][r] =
                    fma(ws, loadPartAs<Type::F32>(x + uint64_t(r) * a.xStride + k * 4, part), sums[u][i][r]);
        }
    }
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r)
            finish(a, row + r, n + i * step, sumLanes(add(sums[0][i][r], sums[1][i][r])));
}

template <Type kType, int kW>
void dotFloatRows(const MatVec& a, int64_t n, int64_t step) {
    int r = 0;
    for (; r + 4 <= a.rows; r += 4)
        dotFloats<kType, kW, 4>(a, n, step, r);
    for (; r < a.rows; ++r)
        dotFloats<kType, kW, 1>(a, n, step, r);
}

/// Four weight rows at once, a quarter of the rows apart: long streams are read faster from memory than rows of a few
/// KiB beside each other.
template <Type kType>
void matvecFloats(const MatVec& a) {
    const int64_t part = a.outputs / 4;
    for (int64_t n = 0; n < part; ++n)
        dotFloatRows<kType, 4>(a, n, part);
    for (int64_t n = 4 * part; n < a.outputs; ++n)
        dotFloatRows<kType, 1>(a, n, 0);
}

/// Quantized weights x f32, for exact numerics: 256 numbers at a time as floats.
template <typename Format>
void matvecDecoded(const MatVec& a) {
    float w[256];
    for (int64_t n = 0; n < a.outputs; ++n) {
        const auto* blocks = reinterpret_cast<const uint8_t*>(a.weights + uint64_t(n) * a.weightStride);
        Vec sums[16];
        for (Vec& s : sums)
            s = zero();
        for (int64_t k = 0; k < a.k; k += 256) {
            const int cols = a.k - k < 256 ? int(a.k - k) : 256;
            for (int i = 0; i < cols; i += Format::kBlock, blocks += Format::kBytes)
                Format::decode(blocks, w + i);
            for (int r = 0; r < a.rows; ++r)
                for (int i = 0; i < cols; i += kLanes)
                    sums[r] = fma(load(w + i), loadAs<Type::F32>(a.x + uint64_t(r) * a.xStride + (k + i) * 4), sums[r]);
        }
        for (int r = 0; r < a.rows; ++r)
            finish(a, r, n, sumLanes(sums[r]));
    }
}

/// Two vectors of inputs from k on, the first `part` numbers of them. A factor is 2^8 of the scale: below 2^120 that
/// is exact, so each weight is rounded once.
template <int kW, int kR>
inline void addE4M3(const MatVec& a, const std::byte* w, const std::byte* x, int64_t k, int part,
                    const Vec (&factors)[kW], Vec (&sums)[kW][kR]) {
    Vec ws[kW][2];
    for (int i = 0; i < kW; ++i)
        loadE4M3(w + uint64_t(i) * a.weightStride + k, part, ws[i]);
    for (int u = 0; u < 2; ++u) {
        const int live = part == 2 * kLanes ? kLanes : part - u * kLanes < 0 ? 0 : lesser(kLanes, part - u * kLanes);
        for (int i = 0; i < kW; ++i)
            ws[i][u] = mul(ws[i][u], factors[i]);
        for (int r = 0; r < kR; ++r) {
            const std::byte* at = x + uint64_t(r) * a.xStride + (k + u * kLanes) * 4;
            const Vec xs = live == kLanes ? loadAs<Type::F32>(at) : loadPartAs<Type::F32>(at, live);
            for (int i = 0; i < kW; ++i)
                sums[i][r] = fma(ws[i][u], xs, sums[i][r]);
        }
    }
}

/// kW weight rows x kR activation rows, block of columns by block. Each product has one sum, so its bits do not depend
/// on kW or kR.
template <int kW, int kR>
void dotE4M3(const MatVec& a, int64_t n, int row) {
    const std::byte* w = a.weights + uint64_t(n) * a.weightStride;
    const std::byte* x = a.x + uint64_t(row) * a.xStride;
    Vec sums[kW][kR];
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r)
            sums[i][r] = zero();
    const std::byte* scales[kW];
    for (int i = 0; i < kW; ++i)
        scales[i] = scalesOfRow(a.scales, n + i);
    int64_t k = 0;
    for (int64_t block = 0; k < a.k; ++block) {
        Vec factors[kW];
        for (int i = 0; i < kW; ++i)
            factors[i] = splat(256.0f * scaleAt(a.scales, scales[i], block));
        const int64_t end = blockEnd(a.scales, block, a.k);
        for (; k + 2 * kLanes <= end; k += 2 * kLanes)
            addE4M3(a, w, x, k, 2 * kLanes, factors, sums);
        if (k < end)
            addE4M3(a, w, x, k, int(end - k), factors, sums);
        k = end;
    }
    for (int i = 0; i < kW; ++i)
        for (int r = 0; r < kR; ++r)
            finish(a, row + r, n + i, sumLanes(sums[i][r]));
}

/// Decoding costs more than the products: one activation row takes four weight rows beside each other, eight share the
/// numbers of one.
template <int kW>
void dotE4M3Rows(const MatVec& a, int64_t n) {
    int r = 0;
    for (; r + 8 <= a.rows; r += 8)
        for (int i = 0; i < kW; ++i)
            dotE4M3<1, 8>(a, n + i, r);
    for (; r + 2 <= a.rows; r += 2)
        dotE4M3<kW, 2>(a, n, r);
    if (r < a.rows)
        dotE4M3<kW, 1>(a, n, r);
}

void matvecE4M3(const MatVec& a) {
    int64_t n = 0;
    for (; n + 4 <= a.outputs; n += 4)
        dotE4M3Rows<4>(a, n);
    for (; n < a.outputs; ++n)
        dotE4M3Rows<1>(a, n);
}

/// Panels of floats are (cols, kPanelOutputs). Here kLanes weight rows from the column `c` on, `cols` of them.
inline void storeColumns(Vec (&rows)[kLanes], float* panel, int cols) {
    transpose(rows);
    for (int c = 0; c < cols; ++c)
        store(panel + c * kPanelOutputs, rows[c]);
}

template <Type kType>
void unpackFloats(const Unpack& a) {
    for (int n = 0; n < kPanelOutputs; n += kLanes)
        for (int64_t c = 0; c < a.cols; c += kLanes) {
            const int cols = a.cols - c < kLanes ? int(a.cols - c) : kLanes;
            Vec rows[kLanes];
            for (int i = 0; i < kLanes; ++i) {
                const std::byte* w = a.weights + uint64_t(n + i) * a.stride + c * kBytesOf<kType>;
                rows[i] = n + i >= a.outputs ? zero() : cols < kLanes ? loadPartAs<kType>(w, cols) : loadAs<kType>(w);
            }
            storeColumns(rows, static_cast<float*>(a.panel) + c * kPanelOutputs + n, cols);
        }
}

/// kLanes weight rows from n on, two vectors of columns from c on, the first `part` of them.
inline void unpackE4M3Columns(const Unpack& a, int n, int64_t c, int part, const float (&factors)[kLanes]) {
    Vec rows[2][kLanes];
    for (int i = 0; i < kLanes; ++i) {
        Vec v[2] = {zero(), zero()};
        if (n + i < a.outputs)
            loadE4M3(a.weights + uint64_t(n + i) * a.stride + c, part, v);
        for (int u = 0; u < 2; ++u)
            rows[u][i] = mul(v[u], splat(factors[i]));
    }
    for (int u = 0; u < 2 && u * kLanes < part; ++u)
        storeColumns(rows[u], static_cast<float*>(a.panel) + (c + u * kLanes) * kPanelOutputs + n,
                     lesser(kLanes, part - u * kLanes));
}

void unpackE4M3(const Unpack& a) {
    for (int n = 0; n < kPanelOutputs; n += kLanes) {
        int64_t c = 0;
        for (int64_t block = 0; c < a.cols; ++block) {
            float factors[kLanes];
            for (int i = 0; i < kLanes; ++i)
                factors[i] = n + i < a.outputs ? 256.0f * scaleAt(a.scales, scalesOfRow(a.scales, n + i), block) : 0.0f;
            const int64_t end = blockEnd(a.scales, block, a.cols);
            for (; c < end; c += 2 * kLanes)
                unpackE4M3Columns(a, n, c, end - c < 2 * kLanes ? int(end - c) : 2 * kLanes, factors);
            c = end;
        }
    }
}

template <Type kType>
void unpackValueRows(const Unpack& a) {
    for (int64_t t = 0; t < a.cols; ++t)
        for (int n = 0; n < kPanelOutputs; n += kLanes) {
            const int part = a.outputs - n < 0 ? 0 : a.outputs - n > kLanes ? kLanes : a.outputs - n;
            const std::byte* v = a.weights + uint64_t(t) * a.stride + n * kBytesOf<kType>;
            store(static_cast<float*>(a.panel) + t * kPanelOutputs + n,
                  part == kLanes ? loadAs<kType>(v) : loadPartAs<kType>(v, part));
        }
}

/// kR rows x a panel's outputs, each sum in one register from first to last input.
template <int kR>
void gemmRows(const Gemm& a, int row) {
    constexpr int kV = kPanelOutputs / kLanes;
    const auto* panel = static_cast<const float*>(a.panel);
    const std::byte* x = a.x + uint64_t(row) * a.xStride;
    Vec acc[kR][kV];
    for (int r = 0; r < kR; ++r) {
        const float* before = sumsBefore(a.sums, row + r);
        for (int v = 0; v < kV; ++v)
            acc[r][v] = before ? load(before + v * kLanes) : zero();
    }
    for (int64_t k = 0; k < a.cols; ++k) {
        Vec w[kV];
        for (int v = 0; v < kV; ++v)
            w[v] = load(panel + k * kPanelOutputs + v * kLanes);
        for (int r = 0; r < kR; ++r) {
            const Vec xs = splat(*reinterpret_cast<const float*>(x + uint64_t(r) * a.xStride + k * 4));
            for (int v = 0; v < kV; ++v)
                acc[r][v] = fma(xs, w[v], acc[r][v]);
        }
    }
    for (int r = 0; r < kR; ++r)
        for (int v = 0; v < kV; ++v)
            store(sumsAfter(a.sums, row + r) + v * kLanes, acc[r][v]);
}

void gemmFloats(const Gemm& a) {
    constexpr int kR = kLanes == 16 ? 8 : 3; // as many as the registers hold
    int r = 0;
    for (; r + kR <= a.rows; r += kR)
        gemmRows<kR>(a, r);
    for (; r + 2 <= a.rows; r += 2)
        gemmRows<2>(a, r);
    for (; r < a.rows; ++r)
        gemmRows<1>(a, r);
}

/// e^x within about 2 units of the last place (Cody and Waite's reduction, Cephes' polynomial); below -87.3 it stays
/// at 1e-38, above 88.3 at 2e38. NaN stays NaN.
inline Vec exponential(Vec x) {
    x = minimum(splat(88.37f), maximum(splat(-87.33f), x));
    const Vec n = roundNearest(mul(x, splat(1.44269504088896341f)));
    Vec r = fma(n, splat(-0.693359375f), x);
    r = fma(n, splat(2.12194440e-4f), r);
    Vec p = splat(1.9875691500e-4f);
    p = fma(p, r, splat(1.3981999507e-3f));
    p = fma(p, r, splat(8.3334519073e-3f));
    p = fma(p, r, splat(4.1665795894e-2f));
    p = fma(p, r, splat(1.6666665459e-1f));
    p = fma(p, r, splat(5.0000001201e-1f));
    p = fma(mul(p, r), r, add(r, splat(1.0f)));
    return scaleByPower(p, n);
}

/// tanh by e^2x, within about 1e-7 (absolute).
inline Vec hyperbolicTangent(Vec x) {
    const Vec e = exponential(mul(splat(2.0f), x));
    return sub(splat(1.0f), div(splat(2.0f), add(e, splat(1.0f))));
}

inline Vec capScores(Vec s, float softCap) {
    return softCap > 0 ? mul(splat(softCap), hyperbolicTangent(mul(s, splat(1.0f / softCap)))) : s;
}

inline float oneExponential(float x) {
    float out[kLanes];
    store(out, exponential(splat(x)));
    return out[0];
}

constexpr float kLowest = -3.4028235e38f;

/// A vector of four keys' numbers from i on, the first `part` of them, times those of kH queries.
template <Type kType, int kH>
inline void addProducts(const std::byte* const (&keys)[4], const float* q, int kDim, int i, int part,
                        Vec (&sums)[kH][4]) {
    Vec k[4];
    for (int j = 0; j < 4; ++j) {
        const std::byte* at = keys[j] + i * kBytesOf<kType>;
        k[j] = part == kLanes ? loadAs<kType>(at) : loadPartAs<kType>(at, part);
    }
    for (int h = 0; h < kH; ++h) {
        const Vec qs = part == kLanes ? load(q + h * kDim + i) : loadPart(q + h * kDim + i, part);
        for (int j = 0; j < 4; ++j)
            sums[h][j] = fma(qs, k[j], sums[h][j]);
    }
}

/// The first n of four.
inline void storeSome(float* to, __m128 v, int n) {
    if (n == 4) {
        _mm_storeu_ps(to, v);
        return;
    }
    if (n == 2) {
        _mm_storel_pi(reinterpret_cast<__m64*>(to), v);
        return;
    }
    float some[4];
    _mm_storeu_ps(some, v);
    for (int i = 0; i < n; ++i)
        to[i] = some[i];
}

/// kH heads at once, so that keys and values are read and widened once for all of them. Every head's sums are its own.
/// `scores`: (kH, tokens).
template <Type kType, int kH>
void scoreKeys(const Attend& a, int head, float* scores) {
    const float* q = a.q + head * a.kDim;
    const auto rows = keysOf(a), values = valuesOf(a);
    for (int t = 0; t < a.tokens; t += 4) {
        const int live = lesser(4, a.tokens - t);
        bringValues(a, values, head, t, live);
        const std::byte* keys[4];
        for (int j = 0; j < 4; ++j)
            keys[j] = rows.four(t) + uint64_t(j < live ? j : 0) * a.kStride;
        Vec sums[kH][4];
        for (int h = 0; h < kH; ++h)
            for (int j = 0; j < 4; ++j)
                sums[h][j] = zero();
        int i = 0;
        for (; i + kLanes <= a.kDim; i += kLanes)
            addProducts<kType, kH>(keys, q, a.kDim, i, kLanes, sums);
        if (i < a.kDim)
            addProducts<kType, kH>(keys, q, a.kDim, i, a.kDim - i, sums);
        __m128 dots[kH];
        sumLanesOf(sums, dots);
        for (int h = 0; h < kH; ++h)
            storeSome(scores + h * a.tokens + t, dots[h], live);
    }
}

constexpr int kHeadsAtOnce = 4; // that keys and values are widened for at once
static_assert(kHeadsAtOnce <= kAttendHeads);

/// How kHeadsAtOnce heads' scores are made: what instruction sets may do in ways of their own.
struct PlainScores {
    /// False: not in a way of its own.
    template <Type kType>
    static inline bool run(const Attend&, int) {
        return false;
    }
};

/// o += weights x values, for kH heads and kV vectors of the values; `part` numbers of a single vector. `lines` of the
/// next keys for every four tokens.
template <Type kType, int kH, int kV>
void addWeighted(const Attend& a, int head, int column, int part, Ahead& ahead, int lines) {
    float* o = a.o + head * a.vDim + column;
    Vec sums[kH][kV];
    for (int h = 0; h < kH; ++h)
        for (int v = 0; v < kV; ++v)
            sums[h][v] = kV > 1 ? load(o + h * a.vDim + v * kLanes) : loadPart(o + h * a.vDim, part);
    const auto addRow = [&](int t, const std::byte* values) __attribute__((always_inline)) {
        Vec row[kV];
        for (int v = 0; v < kV; ++v)
            row[v] = kV > 1 || part == kLanes ? loadAs<kType>(values + v * kLanes * kBytesOf<kType>)
                                              : loadPartAs<kType>(values, part);
        for (int h = 0; h < kH; ++h) {
            const Vec p = splat(a.scores[h * a.tokens + t]);
            for (int v = 0; v < kV; ++v)
                sums[h][v] = fma(p, row[v], sums[h][v]);
        }
    };
    const auto rows = valuesOf(a);
    int t = 0;
    for (; t + 4 <= a.tokens; t += 4) {
        ahead.lines(lines);
        const std::byte* four = rows.four(t) + column * kBytesOf<kType>;
        for (int j = 0; j < 4; ++j)
            addRow(t + j, four + uint64_t(j) * a.vStride);
    }
    for (; t < a.tokens; ++t)
        addRow(t, rows.row(t) + column * kBytesOf<kType>);
    for (int h = 0; h < kH; ++h)
        for (int v = 0; v < kV; ++v) {
            if (kV > 1)
                store(o + h * a.vDim + v * kLanes, sums[h][v]);
            else
                storePart(o + h * a.vDim, sums[h][v], part);
        }
}

/// Scales, caps and exponentiates the scores in place; returns their sum, and the new maximum through `max`.
inline float weigh(const Attend& a, float* scores, float* max) {
    Vec top = splat(*max);
    for (int t = 0; t < a.tokens; t += kLanes) {
        const int part = lesser(kLanes, a.tokens - t);
        const Vec s = capScores(mul(loadPart(scores + t, part), splat(a.scale)), a.softCap);
        storePart(scores + t, s, part);
        top = maximum(lanesOr(s, 0, part, splat(*max)), top);
    }
    *max = maxLane(top);
    Vec sum = zero();
    for (int t = 0; t < a.tokens; t += kLanes) {
        const int part = lesser(kLanes, a.tokens - t);
        const Vec p = keepLanes(exponential(sub(loadPart(scores + t, part), splat(*max))), 0, part);
        storePart(scores + t, p, part);
        sum = add(sum, p);
    }
    return sumLanes(sum);
}

/// Scores of heads become weights, and what their sums held before is corrected by the new maximum.
inline void weighHeads(const Attend& a, int head, int heads) {
    for (int h = 0; h < heads; ++h) {
        SoftmaxState& state = a.state[head + h];
        float* o = a.o + (head + h) * a.vDim;
        float max = state.max;
        const float sum = weigh(a, a.scores + h * a.tokens, &max);
        const float correction = state.max == max ? 1.0f : oneExponential(state.max - max);
        if (correction != 1.0f)
            for (int i = 0; i < a.vDim; ++i)
                o[i] *= correction;
        state = {max, state.sum * correction + sum};
    }
}

/// Of all heads at once: scores are (heads, tokens).
inline void weighEveryHead(const Attend& a) {
    weighHeads(a, 0, a.heads);
}

template <Type kType, typename Scores, int kH>
void attendHeads(const Attend& a, int head) {
    // What the registers hold: kScored heads with four keys, kH with kV vectors of values.
    constexpr int kScored = kLanes == 16 || kH < 4 ? kH : 2, kV = kLanes == 16 || kH < 3 ? 4 : 3;
    static_assert(kH % kScored == 0);
    if (kH != kHeadsAtOnce || !Scores::template run<kType>(a, head))
        for (int h = 0; h < kH; h += kScored)
            scoreKeys<kType, kScored>(a, head + h, a.scores + h * a.tokens);
    weighHeads(a, head, kH);
    Ahead ahead = head == 0 ? nextKeys(a) : Ahead(nullptr, 0);
    const int turns = (a.vDim + kV * kLanes - 1) / (kV * kLanes) * ((a.tokens + 3) / 4);
    const int lines = ahead.share(turns);
    int column = 0;
    for (; column + kV * kLanes <= a.vDim; column += kV * kLanes)
        addWeighted<kType, kH, kV>(a, head, column, kLanes, ahead, lines);
    if constexpr (kV == 3)
        if (column + 2 * kLanes <= a.vDim) {
            addWeighted<kType, kH, 2>(a, head, column, kLanes, ahead, lines);
            column += 2 * kLanes;
        }
    for (; column < a.vDim; column += kLanes)
        addWeighted<kType, kH, 1>(a, head, column, lesser(kLanes, a.vDim - column), ahead, lines);
    ahead.rest();
}

/// Calls f<kH>(first) for heads, kMost at a time, and for the rest at once.
template <int kMost, typename F>
inline void eachHeads(int heads, const F& f) {
    int h = 0;
    for (; h + kMost <= heads; h += kMost)
        f.template operator()<kMost>(h);
    eachOf<1, kMost>([&]<int kLeft>() __attribute__((always_inline)) {
        if (heads - h == kLeft)
            f.template operator()<kLeft>(h);
    });
}

template <Type kType, typename Scores>
void attendTokens(const Attend& a) {
    eachHeads<kHeadsAtOnce>(a.heads, [&]<int kH>(int head) { attendHeads<kType, Scores, kH>(a, head); });
}

void softmaxKeys(const SoftmaxBlock& a) {
    for (int r = 0; r < a.rows; ++r) {
        float* s = a.s + r * kKeyBlock;
        a.correction[r] = 1.0f;
        const bool empty = a.begin[r] >= a.end[r];
        const float before = a.state[r].max;
        Vec top = splat(before), v[kKeyBlock / kLanes];
        for (int i = 0; i < kKeyBlock / kLanes; ++i) { // what lies past the width is masked away
            v[i] = capScores(mul(load(s + i * kLanes), splat(a.scale)), a.softCap);
            top = maximum(lanesOr(v[i], a.begin[r] - i * kLanes, a.end[r] - i * kLanes, splat(before)), top);
        }
        const float max = maxLane(top);
        Vec sum = zero();
        for (int i = 0; i < kKeyBlock / kLanes; ++i) {
            const Vec p =
                empty ? zero()
                      : keepLanes(exponential(sub(v[i], splat(max))), a.begin[r] - i * kLanes, a.end[r] - i * kLanes);
            store(s + i * kLanes, p);
            sum = add(sum, p);
        }
        if (empty)
            continue;
        if (before != max)
            a.correction[r] = oneExponential(before - max);
        a.state[r] = {max, a.state[r].sum * a.correction[r] + sumLanes(sum)};
    }
}

template <Type kType>
void storeAs(const float* in, const CacheRow& out, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) {
        const int part = n - i < kLanes ? int(n - i) : kLanes;
        storePartAs<kType>(out.row + i * kBytesOf<kType>, loadPart(in + i, part), part);
    }
}

void quantizeRow(const float* x, int64_t n, A8Block* out) {
    for (int64_t group = 0; group < blocksOf(n) * 8; ++group) {
        A8Block& to = out[group / 8];
        const int at = int(group % 8);
        Vec v[32 / kLanes];
        for (int i = 0; i < 32 / kLanes; ++i) {
            const int64_t first = group * 32 + i * kLanes;
            const int part = n - first <= 0 ? 0 : n - first < kLanes ? int(n - first) : kLanes;
            v[i] = part == kLanes ? load(x + first) : part > 0 ? loadPart(x + first, part) : zero();
        }
        quantizeGroup(v, to, at);
    }
}

double sumOfNumbers(const float* x, int64_t n) {
    Vec sums[2] = {zero(), zero()};
    for (int64_t i = 0; i < n; i += kLanes)
        sums[i / kLanes % 2] = add(sums[i / kLanes % 2], loadPart(x + i, n - i < kLanes ? int(n - i) : kLanes));
    return double(sumLanes(sums[0])) + double(sumLanes(sums[1]));
}

double sumOfSquaredNumbers(const float* x, int64_t n, float mean) {
    Vec sums[2] = {zero(), zero()};
    for (int64_t i = 0; i < n; i += kLanes) {
        const int part = n - i < kLanes ? int(n - i) : kLanes;
        const Vec d = keepLanes(sub(loadPart(x + i, part), splat(mean)), 0, part);
        sums[i / kLanes % 2] = fma(d, d, sums[i / kLanes % 2]);
    }
    return double(sumLanes(sums[0])) + double(sumLanes(sums[1]));
}

void normalizeNumbers(const float* x, int64_t n, float mean, float inverse, const float* weight, const float* bias,
                      float* out) {
    for (int64_t i = 0; i < n; i += kLanes) {
        const int part = n - i < kLanes ? int(n - i) : kLanes;
        Vec y = mul(sub(loadPart(x + i, part), splat(mean)), splat(inverse));
        if (weight)
            y = mul(y, loadPart(weight + i, part));
        if (bias)
            y = add(y, loadPart(bias + i, part));
        storePart(out + i, y, part);
    }
}

inline Vec siluOf(Vec x) {
    return div(x, add(splat(1.0f), exponential(sub(zero(), x))));
}

inline Vec geluTanhOf(Vec x) {
    const Vec cubic = fma(mul(mul(x, x), x), splat(0.044715f), x);
    return mul(mul(splat(0.5f), x), add(splat(1.0f), hyperbolicTangent(mul(splat(0.79788456080286536f), cubic))));
}

/// erfc by Abramowitz and Stegun 7.1.26 (1.5e-7): x P(t) e^(-z^2) is what a positive x loses and a negative one keeps.
inline Vec geluErfOf(Vec x) {
    const Vec size = minimum(splat(100.0f), absolute(x));
    const Vec z = mul(size, splat(0.70710678118654752f));
    const Vec t = div(splat(1.0f), fma(splat(0.3275911f), z, splat(1.0f)));
    Vec p = splat(1.061405429f);
    p = fma(p, t, splat(-1.453152027f));
    p = fma(p, t, splat(1.421413741f));
    p = fma(p, t, splat(-0.284496736f));
    p = fma(p, t, splat(0.254829592f));
    const Vec tail = mul(mul(p, t), exponential(sub(zero(), mul(z, z))));
    return sub(maximum(zero(), x), mul(mul(splat(0.5f), size), tail));
}

inline Vec sigmoidOf(Vec x) {
    return div(splat(1.0f), add(splat(1.0f), exponential(sub(zero(), x))));
}

inline Vec identityOf(Vec x) {
    return x;
}

inline Vec relu2Of(Vec x) {
    const Vec positive = maximum(zero(), x);
    return mul(positive, positive);
}

template <Vec (*F)(Vec)>
void activateNumbers(const float* gate, const float* up, float* out, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) {
        const int part = n - i < kLanes ? int(n - i) : kLanes;
        const Vec y = F(loadPart(gate + i, part));
        storePart(out + i, up ? mul(y, loadPart(up + i, part)) : y, part);
    }
}

void clampedSwigluNumbers(const float* gate, const float* up, float* out, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) {
        const int part = n - i < kLanes ? int(n - i) : kLanes;
        const Vec g = minimum(splat(7.0f), loadPart(gate + i, part));
        const Vec u = minimum(splat(7.0f), maximum(splat(-7.0f), loadPart(up + i, part)));
        storePart(out + i, mul(mul(g, sigmoidOf(mul(splat(1.702f), g))), add(u, splat(1.0f))), part);
    }
}

void addNumbers(const float* a, const float* b, float scale, float* out, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) {
        const int part = n - i < kLanes ? int(n - i) : kLanes;
        storePart(out + i, add(loadPart(a + i, part), mul(loadPart(b + i, part), splat(scale))), part);
    }
}

void ropePairs(float* x, const float* table, int half) {
    constexpr int kPairs = kLanes / 2;
    int i = 0;
    for (; i + kPairs <= half; i += kPairs)
        store(x + 2 * i, rotatePairs(load(x + 2 * i), loadTwice(table + i), loadTwice(table + half + i)));
    for (; i < half; ++i) {
        const float a = x[2 * i], b = x[2 * i + 1], c = table[i], s = table[half + i];
        x[2 * i] = __builtin_fmaf(a, c, -(b * s));
        x[2 * i + 1] = __builtin_fmaf(b, c, a * s);
    }
}

void ropeHalves(float* x, const float* table, int half) {
    for (int i = 0; i < half; i += kLanes) {
        const int part = lesser(kLanes, half - i);
        const Vec a = loadPart(x + i, part), b = loadPart(x + half + i, part);
        const Vec c = loadPart(table + i, part), s = loadPart(table + half + i, part);
        storePart(x + i, sub(mul(a, c), mul(b, s)), part);
        storePart(x + half + i, add(mul(a, s), mul(b, c)), part);
    }
}

/// kV vectors of columns; `part` columns of a single one.
template <int kV>
inline void deltaColumns(const DeltaStep& a, int column, int part) {
    const auto read = [part](const float* p, int v) { return kV > 1 ? load(p + v * kLanes) : loadPart(p, part); };
    const auto write = [part](float* p, int v, Vec x) {
        if (kV > 1)
            store(p + v * kLanes, x);
        else
            storePart(p, x, part);
    };
    Vec sums[kV], changes[kV];
    for (int v = 0; v < kV; ++v)
        sums[v] = zero();
    const float* state = a.state + column;
    for (int i = 0; i < a.dk; ++i)
        for (int v = 0; v < kV; ++v)
            sums[v] = fma(read(state + i * a.stateStride, v), splat(a.k[i]), sums[v]);
    for (int v = 0; v < kV; ++v) {
        changes[v] = mul(splat(a.beta), fma(splat(-a.decay), sums[v], read(a.v + column, v)));
        sums[v] = zero();
    }
    for (int i = 0; i < a.dk; ++i)
        for (int v = 0; v < kV; ++v) {
            float* at = a.state + column + i * a.stateStride;
            const Vec s = fma(splat(a.k[i]), changes[v], mul(read(at, v), splat(a.decay)));
            write(at, v, s);
            sums[v] = fma(s, splat(a.q[i]), sums[v]);
        }
    for (int v = 0; v < kV; ++v)
        write(a.out + column, v, sums[v]);
}

void deltaStepColumns(const DeltaStep& a) {
    int column = 0;
    for (; column + 4 * kLanes <= a.columns; column += 4 * kLanes)
        deltaColumns<4>(a, column, kLanes);
    for (; column < a.columns; column += kLanes)
        deltaColumns<1>(a, column, lesser(kLanes, a.columns - column));
}

template <Type kType>
void overrideFloatType(CpuKernels& k) {
    constexpr size_t kIndex = size_t(kType);
    k.matvecF32[kIndex] = matvecFloats<kType>;
    k.unpackF32[kIndex] = k.unpackKeys[kIndex] = unpackFloats<kType>;
    k.unpackValues[kIndex] = unpackValueRows<kType>;
    k.store[kIndex] = storeAs<kType>;
}

template <typename Format>
void overrideDecodedType(CpuKernels& k, Type type) {
    k.matvecF32[size_t(type)] = matvecDecoded<Format>;
}

inline void overrideFloatKernels(CpuKernels& k) {
    overrideFloatType<Type::F32>(k);
    overrideFloatType<Type::F16>(k);
    overrideFloatType<Type::BF16>(k);
    quant::forEachFormat([&]<typename Format>(Type type) { overrideDecodedType<Format>(k, type); });
    k.matvecF32[size_t(Type::F8_E4M3)] = matvecE4M3;
    k.unpackF32[size_t(Type::F8_E4M3)] = unpackE4M3;
    k.gemmF32 = gemmFloats;
    k.softmaxBlock = softmaxKeys;
    k.quantize = quantizeRow;
    k.sumOf = sumOfNumbers;
    k.sumOfSquares = sumOfSquaredNumbers;
    k.normalize = normalizeNumbers;
    k.activate[size_t(ActivationKind::Silu)] = activateNumbers<siluOf>;
    k.activate[size_t(ActivationKind::GeluErf)] = activateNumbers<geluErfOf>;
    k.activate[size_t(ActivationKind::GeluTanh)] = activateNumbers<geluTanhOf>;
    k.activate[size_t(ActivationKind::Relu2)] = activateNumbers<relu2Of>;
    k.activate[size_t(ActivationKind::Sigmoid)] = activateNumbers<sigmoidOf>;
    k.activate[size_t(ActivationKind::Identity)] = activateNumbers<identityOf>;
    k.activate[size_t(ActivationKind::ClampedSwiglu)] = clampedSwigluNumbers;
    k.add = addNumbers;
    k.rope[size_t(RopeOrder::Interleaved)] = ropePairs;
    k.rope[size_t(RopeOrder::Neox)] = ropeHalves;
    k.deltaStep = deltaStepColumns;
}

} // namespace
} // namespace hearth::kernels::cpu
