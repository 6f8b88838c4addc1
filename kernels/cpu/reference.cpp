#include "kernels/cpu/kernel_table.h"
#include "kernels/kinds.h"
#include "kernels/quant/cache_block.h"
#include "kernels/quant/formats.h"

#include <algorithm>
#include <cmath>
#include <limits>

// Always right, never fast: plain C++, every sum in the order of its inputs.
namespace hearth::kernels::cpu {
namespace {

using namespace quant;

float loadFloat(const std::byte* p) {
    float f;
    std::memcpy(&f, p, 4);
    return f;
}

void finish(const MatVec& a, int row, int64_t n, float sum) {
    float* out = a.out + row * a.outStride + n;
    if (a.bias)
        sum += a.bias[n];
    *out = a.accumulate ? *out + sum : sum;
}

/// One block of weights (codes, scales, mins) times the same inputs of an A8 row. `block` counts blocks of the format.
template <typename Format>
float dotBlock(const uint8_t* q, const float* scale, const float* min, const A8Block* x, int64_t block, float sum) {
    constexpr int kGroups = Format::kBlock / Format::kGroup;
    for (int g = 0; g < kGroups; ++g) {
        const int64_t first = block * Format::kBlock + g * Format::kGroup;
        const A8Block& xb = x[first / 256];
        const int at = int(first % 256);
        int32_t dot = 0;
        for (int i = 0; i < Format::kGroup; ++i)
            dot += int(q[g * Format::kGroup + i]) * xb.q[at + i];
        sum += scale[g] * xb.scale[at / 32] * float(dot);
        sum += min[g] * (Format::kGroup == 16 ? xb.sum16[at / 16] : xb.sum32[at / 32]);
    }
    return sum;
}

template <typename Format>
void matvecInt8(const MatVec& a) {
    uint8_t q[Format::kBlock];
    float scale[Format::kBlock / Format::kGroup], min[Format::kBlock / Format::kGroup];
    for (int64_t n = 0; n < a.outputs; ++n) {
        const auto* w = reinterpret_cast<const uint8_t*>(a.weights + n * a.weightStride);
        for (int r = 0; r < a.rows; ++r) {
            const auto* x = reinterpret_cast<const A8Block*>(a.x + r * a.xStride);
            float sum = 0;
            for (int64_t b = 0; b < a.k / Format::kBlock; ++b) {
                Format::codes(w + b * Format::kBytes, q, scale, min);
                sum = dotBlock<Format>(q, scale, min, x, b, sum);
            }
            finish(a, r, n, sum);
        }
    }
}

template <typename Format>
void matvecF32(const MatVec& a) {
    float w[Format::kBlock];
    for (int64_t n = 0; n < a.outputs; ++n) {
        const auto* blocks = reinterpret_cast<const uint8_t*>(a.weights + n * a.weightStride);
        for (int r = 0; r < a.rows; ++r) {
            const std::byte* x = a.x + r * a.xStride;
            float sum = 0;
            for (int64_t b = 0; b < a.k / Format::kBlock; ++b) {
                Format::decode(blocks + b * Format::kBytes, w);
                for (int i = 0; i < Format::kBlock; ++i)
                    sum += w[i] * loadFloat(x + (b * Format::kBlock + i) * 4);
            }
            finish(a, r, n, sum);
        }
    }
}

/// The reference's panel: 32 outputs one after the other, each whole rows of blocks as they lie in the file, decoded
/// by the gemm through the table below.
struct CodeGroup {
    uint8_t q[32];
    float scale[2], min[2]; // equal for formats with groups of 32
};

template <typename Format>
void unpackInt8(const Unpack& a) {
    auto* panel = static_cast<CodeGroup*>(a.panel);
    const int64_t groups = a.cols / 32;
    uint8_t q[Format::kBlock];
    float scale[Format::kBlock / Format::kGroup], min[Format::kBlock / Format::kGroup];
    std::memset(a.panel, 0, size_t(kPanelOutputs * groups) * sizeof(CodeGroup));
    for (int n = 0; n < a.outputs; ++n) {
        const auto* w = reinterpret_cast<const uint8_t*>(a.weights + n * a.stride);
        for (int64_t b = 0; b < a.cols / Format::kBlock; ++b) {
            Format::codes(w + b * Format::kBytes, q, scale, min);
            for (int g = 0; g < Format::kBlock / 32; ++g) {
                CodeGroup& to = panel[n * groups + b * (Format::kBlock / 32) + g];
                std::memcpy(to.q, q + g * 32, 32);
                for (int h = 0; h < 2; ++h) {
                    to.scale[h] = scale[(g * 32 + h * 16) / Format::kGroup];
                    to.min[h] = min[(g * 32 + h * 16) / Format::kGroup];
                }
            }
        }
    }
}

void gemmInt8(const Gemm& a) {
    const auto* panel = static_cast<const CodeGroup*>(a.panel);
    const int64_t groups = a.cols / 32;
    for (int r = 0; r < a.rows; ++r) {
        const auto* x = reinterpret_cast<const A8Block*>(a.x + r * a.xStride);
        const float* before = sumsBefore(a.sums, r);
        for (int n = 0; n < kPanelOutputs; ++n) {
            float sum = before ? before[n] : 0.0f;
            for (int64_t g = 0; g < groups; ++g) {
                const CodeGroup& w = panel[n * groups + g];
                const A8Block& xb = x[g / 8];
                const int at = int(g % 8);
                for (int h = 0; h < 2; ++h) {
                    int32_t dot = 0;
                    for (int i = 0; i < 16; ++i)
                        dot += int(w.q[h * 16 + i]) * xb.q[at * 32 + h * 16 + i];
                    sum += w.scale[h] * xb.scale[at] * float(dot);
                    sum += w.min[h] * xb.sum16[at * 2 + h];
                }
            }
            sumsAfter(a.sums, r)[n] = sum;
        }
    }
}

/// F32 panels are (cols, kPanelOutputs).
template <typename Format>
void unpackF32(const Unpack& a) {
    auto* panel = static_cast<float*>(a.panel);
    float w[Format::kBlock];
    std::memset(a.panel, 0, size_t(a.cols) * kPanelOutputs * 4);
    for (int n = 0; n < a.outputs; ++n) {
        const auto* blocks = reinterpret_cast<const uint8_t*>(a.weights + n * a.stride);
        for (int64_t b = 0; b < a.cols / Format::kBlock; ++b) {
            Format::decode(blocks + b * Format::kBytes, w);
            for (int i = 0; i < Format::kBlock; ++i)
                panel[(b * Format::kBlock + i) * kPanelOutputs + n] = w[i];
        }
    }
}

/// Calls f(column, number) for the numbers of row n of weights in F8_E4M3.
template <typename F>
void forEachE4M3(const std::byte* weights, const WeightScales& scales, int64_t n, int64_t cols, const F& f) {
    for (int64_t i = 0, block = 0; i < cols; ++block) {
        const float scale = scaleAt(scales, scalesOfRow(scales, n), block);
        for (const int64_t end = blockEnd(scales, block, cols); i < end; ++i) {
            float w;
            F8_E4M3::decode(reinterpret_cast<const uint8_t*>(weights) + i, &w);
            f(i, w * scale);
        }
    }
}

void matvecE4M3(const MatVec& a) {
    for (int64_t n = 0; n < a.outputs; ++n)
        for (int r = 0; r < a.rows; ++r) {
            const std::byte* x = a.x + r * a.xStride;
            float sum = 0;
            forEachE4M3(a.weights + n * a.weightStride, a.scales, n, a.k,
                        [&](int64_t i, float w) { sum += w * loadFloat(x + i * 4); });
            finish(a, r, n, sum);
        }
}

void unpackE4M3(const Unpack& a) {
    auto* panel = static_cast<float*>(a.panel);
    std::memset(a.panel, 0, size_t(a.cols) * kPanelOutputs * 4);
    for (int n = 0; n < a.outputs; ++n)
        forEachE4M3(a.weights + n * a.stride, a.scales, n, a.cols,
                    [&](int64_t i, float w) { panel[i * kPanelOutputs + n] = w; });
}

/// Calls f(column, number) for the first n numbers of a cached row; `scale`: that of its first block, if there are any.
template <typename Format, typename F>
void forEachCached(const std::byte* row, const std::byte* scale, uint64_t scaleStride, int n, const F& f) {
    const auto *codes = reinterpret_cast<const uint8_t*>(row), *at = reinterpret_cast<const uint8_t*>(scale);
    float x[Format::kBlock];
    for (int i = 0; i < n; i += Format::kBlock) {
        if constexpr (Format::kBlock == 1) {
            Format::decode(codes, x);
            codes += Format::kBytes;
        } else {
            loadBlock<Format>(codes, at, x);
            codes += kCodeBytes<Format>, at += scaleStride;
        }
        for (int j = 0; j < Format::kBlock && i + j < n; ++j)
            f(i + j, x[j]);
    }
}

/// Row `i` of some that lie beside each other.
template <typename Format, typename F>
void forEachCached(const Unpack& a, int64_t i, int n, const F& f) {
    const std::byte* scale = a.cached.first ? a.cached.first + i * int64_t(CacheArea::kScaleBytes) : nullptr;
    forEachCached<Format>(a.weights + i * a.stride, scale, a.cached.stride, n, f);
}

template <typename Format>
void unpackKeys(const Unpack& a) {
    auto* panel = static_cast<float*>(a.panel);
    std::memset(a.panel, 0, size_t(a.cols) * kPanelOutputs * 4);
    for (int t = 0; t < a.outputs; ++t)
        forEachCached<Format>(a, t, int(a.cols), [&](int i, float key) { panel[i * kPanelOutputs + t] = key; });
}

template <typename Format>
void unpackValues(const Unpack& a) {
    auto* panel = static_cast<float*>(a.panel);
    std::memset(a.panel, 0, size_t(a.cols) * kPanelOutputs * 4);
    for (int64_t t = 0; t < a.cols; ++t)
        forEachCached<Format>(a, t, a.outputs, [&](int n, float value) { panel[t * kPanelOutputs + n] = value; });
}

void gemmF32(const Gemm& a) {
    const auto* panel = static_cast<const float*>(a.panel);
    for (int r = 0; r < a.rows; ++r) {
        float sums[kPanelOutputs] = {};
        if (const float* before = sumsBefore(a.sums, r))
            std::copy_n(before, kPanelOutputs, sums);
        for (int64_t i = 0; i < a.cols; ++i) {
            const float x = loadFloat(a.x + r * a.xStride + i * 4);
            for (int n = 0; n < kPanelOutputs; ++n)
                sums[n] += x * panel[i * kPanelOutputs + n];
        }
        std::copy_n(sums, kPanelOutputs, sumsAfter(a.sums, r));
    }
}

float capped(float score, float softCap) {
    return softCap > 0 ? softCap * std::tanh(score / softCap) : score;
}

/// Calls f(column, number) for the first n numbers of token i of the runs that begin at `first` and `more`; `scales`:
/// where a run's scales begin.
template <typename Format, typename F>
void forEachOfRuns(const Attend& a, const std::byte* first, const std::byte* const (&more)[kAttendRuns - 1],
                   uint64_t stride, int64_t scales, int i, int n, const F& f) {
    const int run = more[0] ? i / kRunTurn % kAttendRuns : 0;
    const int token = more[0] ? i / (kRunTurn * kAttendRuns) * kRunTurn + i % kRunTurn : i;
    const std::byte* rows = run == 0 ? first : more[run - 1];
    forEachCached<Format>(rows + uint64_t(token) * stride, rows + scales + token * int64_t(CacheArea::kScaleBytes),
                          a.scaleStride, n, f);
}

template <typename Format>
void attend(const Attend& a) {
    for (int h = 0; h < a.heads; ++h) {
        SoftmaxState& state = a.state[h];
        float* o = a.o + h * a.vDim;
        float max = state.max;
        for (int t = 0; t < a.tokens; ++t) {
            float dot = 0;
            forEachOfRuns<Format>(a, a.k, a.moreKeys, a.kStride, a.kScales, t, a.kDim,
                                  [&](int i, float value) { dot += a.q[h * a.kDim + i] * value; });
            a.scores[t] = capped(dot * a.scale, a.softCap);
            max = std::max(max, a.scores[t]);
        }
        const float correction = state.max == max ? 1.0f : std::exp(state.max - max);
        float sum = 0;
        for (int i = 0; i < a.vDim; ++i)
            o[i] *= correction;
        for (int t = 0; t < a.tokens; ++t) {
            const float p = std::exp(a.scores[t] - max);
            sum += p;
            forEachOfRuns<Format>(a, a.v, a.moreValues, a.vStride, a.vScales, t, a.vDim,
                                  [&](int i, float value) { o[i] += p * value; });
        }
        state = {max, state.sum * correction + sum};
    }
}

void softmaxBlock(const SoftmaxBlock& a) {
    for (int r = 0; r < a.rows; ++r) {
        float* s = a.s + r * kKeyBlock;
        a.correction[r] = 1.0f;
        if (a.begin[r] >= a.end[r]) {
            std::fill_n(s, a.width, 0.0f);
            continue;
        }
        float max = a.state[r].max, sum = 0;
        for (int t = a.begin[r]; t < a.end[r]; ++t) {
            s[t] = capped(s[t] * a.scale, a.softCap);
            max = std::max(max, s[t]);
        }
        for (int t = 0; t < a.width; ++t) {
            s[t] = t >= a.begin[r] && t < a.end[r] ? std::exp(s[t] - max) : 0.0f;
            sum += s[t];
        }
        if (a.state[r].max != max)
            a.correction[r] = std::exp(a.state[r].max - max);
        a.state[r] = {max, a.state[r].sum * a.correction[r] + sum};
    }
}

template <typename Format>
void store(const float* in, const CacheRow& out, int64_t n) {
    auto *to = reinterpret_cast<uint8_t*>(out.row), *scale = reinterpret_cast<uint8_t*>(out.scales.first);
    for (int64_t i = 0; i < n; i += Format::kBlock)
        if constexpr (Format::kBlock == 1) {
            Format::encode(in + i, to);
            to += Format::kBytes;
        } else {
            storeBlock<Format>(in + i, n - i, to, scale);
            to += kCodeBytes<Format>, scale += out.scales.stride;
        }
}

/// A value beyond what 127 * scale can tell (infinity, NaN) makes the group's scale NaN or infinite, so that it is seen
/// in the result instead of looking like a number.
void quantize(const float* x, int64_t n, A8Block* out) {
    for (int64_t group = 0; group < blocksOf(n) * 8; ++group) {
        A8Block& block = out[group / 8];
        const int at = int(group % 8);
        const int64_t first = group * 32;
        const int live = int(std::clamp<int64_t>(n - first, 0, 32));
        uint32_t largest = 0; // of magnitudes, as bits: NaN is larger than all
        for (int i = 0; i < live; ++i)
            largest = std::max(largest, bitsOf(x[first + i]) & 0x7fffffffu);
        const float scale = floatOf(largest) / 127.0f;
        const float inverse = scale >= 0x1p-100f && scale <= 0x1p120f ? 1.0f / scale : 0.0f;
        int sums[2] = {0, 0};
        for (int i = 0; i < 32; ++i) {
            const int q = i < live && inverse != 0 ? int(std::nearbyintf(x[first + i] * inverse)) : 0;
            block.q[at * 32 + i] = int8_t(q);
            sums[i / 16] += q;
        }
        block.scale[at] = scale;
        block.sum32[at] = scale * float(sums[0] + sums[1]);
        block.sum16[at * 2] = scale * float(sums[0]);
        block.sum16[at * 2 + 1] = scale * float(sums[1]);
        block.offset16[at * 2] = -128 * sums[0];
        block.offset16[at * 2 + 1] = -128 * sums[1];
    }
}

double sumOf(const float* x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i)
        sum += double(x[i]);
    return sum;
}

double sumOfSquares(const float* x, int64_t n, float mean) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
        const double d = double(x[i]) - double(mean);
        sum += d * d;
    }
    return sum;
}

void normalize(const float* x, int64_t n, float mean, float inverse, const float* weight, const float* bias,
               float* out) {
    for (int64_t i = 0; i < n; ++i) {
        const float y = (x[i] - mean) * inverse * (weight ? weight[i] : 1.0f);
        out[i] = bias ? y + bias[i] : y;
    }
}

float silu(float x) {
    return x / (1.0f + std::exp(-x));
}

float geluErf(float x) {
    return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f));
}

float geluTanh(float x) {
    return 0.5f * x * (1.0f + std::tanh(0.79788456080286536f * (x + 0.044715f * x * x * x)));
}

float relu2(float x) {
    return x > 0 ? x * x : 0.0f;
}

float sigmoid(float x) {
    return 1.0f / (1.0f + std::exp(-x));
}

float identity(float x) {
    return x;
}

void clampedSwiglu(const float* gate, const float* up, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const float g = gate[i] > 7.0f ? 7.0f : gate[i]; // NaN stays
        const float u = up[i] > 7.0f ? 7.0f : up[i] < -7.0f ? -7.0f : up[i];
        out[i] = g * sigmoid(1.702f * g) * (u + 1.0f);
    }
}

template <float (*F)(float)>
void activate(const float* gate, const float* up, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        out[i] = up ? F(gate[i]) * up[i] : F(gate[i]);
}

void add(const float* a, const float* b, float scale, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        out[i] = a[i] + b[i] * scale;
}

void rotate(float& a, float& b, float cosine, float sine) {
    const float x = a, y = b;
    a = x * cosine - y * sine;
    b = x * sine + y * cosine;
}

void ropeInterleaved(float* x, const float* table, int half) {
    for (int i = 0; i < half; ++i)
        rotate(x[2 * i], x[2 * i + 1], table[i], table[half + i]);
}

void ropeNeox(float* x, const float* table, int half) {
    for (int i = 0; i < half; ++i)
        rotate(x[i], x[half + i], table[i], table[half + i]);
}

void deltaStep(const DeltaStep& a) {
    for (int c = 0; c < a.columns; ++c) {
        float* s = a.state + c;
        float seen = 0, out = 0;
        for (int i = 0; i < a.dk; ++i)
            seen += s[i * a.stateStride] * a.k[i];
        const float change = a.beta * (a.v[c] - a.decay * seen);
        for (int i = 0; i < a.dk; ++i) {
            s[i * a.stateStride] = s[i * a.stateStride] * a.decay + a.k[i] * change;
            out += s[i * a.stateStride] * a.q[i];
        }
        a.out[c] = out;
    }
}

template <typename Format>
void quantRows(CpuKernels& k, Type type) {
    k.matvecInt8[size_t(type)] = matvecInt8<Format>;
    k.matvecF32[size_t(type)] = matvecF32<Format>;
    k.unpackInt8[size_t(type)] = unpackInt8<Format>;
    k.gemmInt8[size_t(type)] = gemmInt8;
    k.unpackF32[size_t(type)] = unpackF32<Format>;
}

template <typename Format>
void cacheRows(CpuKernels& k, Type type) {
    k.unpackKeys[size_t(type)] = unpackKeys<Format>;
    k.unpackValues[size_t(type)] = unpackValues<Format>;
    k.attend[size_t(type)] = attend<Format>;
    k.store[size_t(type)] = store<Format>;
}

template <typename Format>
void floatRows(CpuKernels& k, Type type) {
    k.matvecF32[size_t(type)] = matvecF32<Format>;
    k.unpackF32[size_t(type)] = unpackF32<Format>;
    cacheRows<Format>(k, type);
}

} // namespace

CpuKernels referenceKernels() {
    CpuKernels k{};
    floatRows<F32>(k, Type::F32);
    floatRows<F16>(k, Type::F16);
    floatRows<BF16>(k, Type::BF16);
    forEachFormat([&]<typename Format>(Type type) { quantRows<Format>(k, type); });
    cacheRows<Q8_0>(k, Type::Q8_0);
    cacheRows<Q4_0>(k, Type::Q4_0);
    k.matvecF32[size_t(Type::F8_E4M3)] = matvecE4M3;
    k.unpackF32[size_t(Type::F8_E4M3)] = unpackE4M3;
    k.gemmF32 = gemmF32;
    k.softmaxBlock = softmaxBlock;
    k.quantize = quantize;
    k.codeAt = inOrder;
    k.sumOf = sumOf;
    k.sumOfSquares = sumOfSquares;
    k.normalize = normalize;
    k.activate[size_t(ActivationKind::Silu)] = activate<silu>;
    k.activate[size_t(ActivationKind::GeluErf)] = activate<geluErf>;
    k.activate[size_t(ActivationKind::GeluTanh)] = activate<geluTanh>;
    k.activate[size_t(ActivationKind::Relu2)] = activate<relu2>;
    k.activate[size_t(ActivationKind::Sigmoid)] = activate<sigmoid>;
    k.activate[size_t(ActivationKind::Identity)] = activate<identity>;
    k.activate[size_t(ActivationKind::ClampedSwiglu)] = clampedSwiglu;
    k.add = add;
    k.rope[size_t(RopeOrder::Interleaved)] = ropeInterleaved;
    k.rope[size_t(RopeOrder::Neox)] = ropeNeox;
    k.deltaStep = deltaStep;
    return k;
}

} // namespace hearth::kernels::cpu
