#include "kernels/cpu/stages.h"
#include "kernels/quant_types.h"

#include <algorithm>

namespace hearth::kernels::cpu {
namespace {

/// The first of the columns that a part reads, in row r.
const std::byte* inputsOf(const Product& p, const ProductPart& part, bool int8, int64_t r) {
    const int64_t k = part.weight.cols;
    return int8 ? p.x.q8.row(r) + part.group * blocksOf(k) * int64_t(sizeof(A8Block))
                : p.x.f32.row(r) + part.group * k * 4;
}

int64_t liveRows(const StepView& step, const Product& p) {
    return std::min<int64_t>(p.capacity, p.outputsOnly ? step.live.outputs : step.live.rows);
}

/// Generated tokens: tiles are groups of weight rows, each read once for all activation rows.
class MatVecStage : public PlanStage {
public:
    MatVecStage(const StepView& step, Product product, int threads) : PlanStage(step), p_(std::move(product)) {
        uint64_t total = 0;
        for (const ProductPart& part : p_.parts)
            total += part.weight.stride * uint64_t(part.weight.rows);
        // Large enough that claiming a tile costs nothing, small enough that all workers end together.
        const uint64_t tileBytes = std::clamp<uint64_t>(total / uint64_t(16 * threads), 16 << 10, 256 << 10);
        for (const ProductPart& part : p_.parts) {
            const int64_t fit = int64_t(tileBytes / std::max<uint64_t>(part.weight.stride, 1));
            outputsPerTile_.push_back(std::max<int64_t>(8, fit / 8 * 8));
            tileCount_ += (part.weight.rows + outputsPerTile_.back() - 1) / outputsPerTile_.back();
        }
    }

    int64_t tiles() const override { return liveRows(step_, p_) > 0 ? tileCount_ : 0; }

    void run(int64_t tile, std::byte*) const override {
        for (size_t i = 0; i < p_.parts.size(); ++i) {
            const int64_t count = (p_.parts[i].weight.rows + outputsPerTile_[i] - 1) / outputsPerTile_[i];
            if (tile < count) {
                runPart(p_.parts[i], tile * outputsPerTile_[i], outputsPerTile_[i]);
                return;
            }
            tile -= count;
        }
    }

private:
    void runPart(const ProductPart& part, int64_t first, int64_t outputs) const {
        const bool int8 = usesInt8(p_.x, part.weight.type);
        const size_t type = size_t(part.weight.type);
        const auto function = int8 ? kernels().matvecInt8[type] : kernels().matvecF32[type];
        const int64_t rows = liveRows(step_, p_);
        for (int64_t r = 0; r < rows; r += kMatVecRows)
            function({.weights = part.weight.row(first),
                      .weightStride = part.weight.stride,
                      .outputs = std::min(outputs, part.weight.rows - first),
                      .k = part.weight.cols,
                      .x = inputsOf(p_, part, int8, r),
                      .xStride = int8 ? p_.x.q8.stride : p_.x.f32.stride,
                      .rows = int(std::min<int64_t>(kMatVecRows, rows - r)),
                      .out = part.out.f32(r) + first,
                      .outStride = int64_t(part.out.stride / 4),
                      .bias = part.bias ? part.bias + first : nullptr,
                      .accumulate = part.accumulate,
                      .scales = scalesFrom(part.weight.scales, first, 0)});
    }

    Product p_;
    std::vector<int64_t> outputsPerTile_; // by part
    int64_t tileCount_ = 0;
};

/// Prompt tokens: a tile unpacks kPanelOutputs weight rows, panel by panel, and multiplies a block of rows by them.
class GemmStage : public PlanStage {
public:
    GemmStage(const StepView& step, Product product) : PlanStage(step), p_(std::move(product)) {
        int64_t k = 0;
        for (const ProductPart& part : p_.parts) {
            panels_ += panelsOf(part);
            k = std::max(k, part.weight.cols);
        }
        blockRows_ = panelRows(k);
    }

    int64_t tiles() const override { return blocks() * panels_; }

    /// Neighbouring tiles use the same rows, which then lie in the second-level cache.
    void run(int64_t tile, std::byte* scratch) const override {
        const int64_t rows = liveRows(step_, p_), count = blocks();
        const int64_t block = tile / panels_;
        const int64_t first = rows * block / count, end = rows * (block + 1) / count;
        int64_t panel = tile % panels_;
        for (const ProductPart& part : p_.parts) {
            if (panel < panelsOf(part)) {
                runPanel(part, panel * kPanelOutputs, first, end, scratch);
                return;
            }
            panel -= panelsOf(part);
        }
    }

private:
    static int64_t panelsOf(const ProductPart& part) { return (part.weight.rows + kPanelOutputs - 1) / kPanelOutputs; }

    int64_t blocks() const { return (liveRows(step_, p_) + blockRows_ - 1) / blockRows_; }

    void runPanel(const ProductPart& part, int64_t n, int64_t first, int64_t end, std::byte* scratch) const {
        const bool int8 = usesInt8(p_.x, part.weight.type);
        multiplyPanel(kernels(),
                      {.weight = part.weight,
                       .output = n,
                       .int8 = int8,
                       .x = inputsOf(p_, part, int8, first),
                       .xStride = int8 ? p_.x.q8.stride : p_.x.f32.stride,
                       .rows = end - first,
                       .bias = part.bias,
                       .out = part.out.row(first),
                       .outStride = part.out.stride,
                       .accumulate = part.accumulate},
                      scratch);
    }

    Product p_;
    int64_t panels_ = 0;
    int64_t blockRows_ = 0; // for the longest rows of all parts
};

constexpr int64_t kMostPanelRows = 512;
constexpr size_t kAccBytes = size_t(kMostPanelRows) * kPanelOutputs * 4; // start of scratch

float* outOf(const PanelProduct& p, int64_t r) {
    return reinterpret_cast<float*>(p.out + uint64_t(r) * p.outStride) + p.output;
}

/// The rows that will be written lie far apart: they come nearer while the last panel is multiplied.
void prefetchRows(const PanelProduct& p) {
    for (int64_t r = 0; r < p.rows; ++r)
        for (int i = 0; i < kPanelOutputs; i += 16)
            __builtin_prefetch(outOf(p, r) + i, 1, 2);
}

/// The first inputs of the next outputs, which this thread or another unpacks soon: rows far apart, which no reader of
/// streams foresees. Inside a panel the kernels look ahead themselves.
void prefetchNextPanel(const PanelProduct& p, uint64_t bytes) {
    const int64_t first = p.output + kPanelOutputs, end = std::min<int64_t>(first + kPanelOutputs, p.weight.rows);
    for (int64_t n = first; n < end; ++n)
        for (uint64_t at = 0; at < std::min(bytes, p.weight.stride); at += 64)
            __builtin_prefetch(p.weight.row(n) + at, 0, 2);
}

/// kCount 0: `outputs` of them. A known count and a bias that is always there let the compiler use vectors.
template <int kCount>
void writeRow(const float* __restrict acc, const float* __restrict bias, float* __restrict out, int outputs,
              bool accumulate) {
    const int count = kCount > 0 ? kCount : outputs;
    if (accumulate)
        for (int i = 0; i < count; ++i)
            out[i] += acc[i] + bias[i];
    else
        for (int i = 0; i < count; ++i)
            out[i] = acc[i] + bias[i];
}

} // namespace

bool usesInt8(const ActivationRows& x, Type weight) {
    return x.q8 && quantType(weight).block > 1;
}

int64_t panelRows(int64_t k) {
    constexpr int64_t kTileProducts = 16 << 20, kFewestRows = 128; // aim at about 100 µs
    return std::clamp<int64_t>(kTileProducts / (kPanelOutputs * k), kFewestRows, kMostPanelRows);
}

void multiplyPanel(const CpuKernels& kernels, const PanelProduct& p, std::byte* scratch) {
    const size_t type = size_t(p.weight.type);
    const QuantType& format = quantType(p.weight.type);
    const int64_t k = p.weight.cols, step = p.int8 ? kPanelInputsInt8 : kPanelInputsF32;
    const auto unpack = p.int8 ? kernels.unpackInt8[type] : kernels.unpackF32[type];
    const auto gemm = p.int8 ? kernels.gemmInt8[type] : kernels.gemmF32;
    auto* acc = reinterpret_cast<float*>(scratch);
    std::byte* panel = scratch + kAccBytes;
    const int outputs = int(std::min<int64_t>(kPanelOutputs, p.weight.rows - p.output));
    for (int64_t at = 0; at < k; at += step) {
        const int64_t cols = std::min(step, k - at);
        unpack({.weights = p.weight.row(p.output) + at / format.block * format.bytes,
                .stride = p.weight.stride,
                .outputs = outputs,
                .cols = cols,
                .panel = panel,
                .scales = scalesFrom(p.weight.scales, p.output, at)});
        if (at + cols == k) {
            prefetchRows(p);
            prefetchNextPanel(p, uint64_t(std::min(step, k) / format.block) * format.bytes);
        }
        gemm({.panel = panel,
              .cols = cols,
              .x = p.x + (p.int8 ? at / 256 * int64_t(sizeof(A8Block)) : at * 4),
              .xStride = p.xStride,
              .rows = int(p.rows),
              .acc = acc,
              .accStride = kPanelOutputs,
              .first = at == 0});
    }
    static constexpr float kNoBias[kPanelOutputs] = {};
    const auto write = outputs == kPanelOutputs ? writeRow<kPanelOutputs> : writeRow<0>;
    for (int64_t r = 0; r < p.rows; ++r)
        write(acc + r * kPanelOutputs, p.bias ? p.bias + p.output : kNoBias, outOf(p, r), outputs, p.accumulate);
}

StagePtr makeMatVec(const StepView& step, Product product, int threads) {
    return std::make_unique<MatVecStage>(step, std::move(product), threads);
}

StagePtr makeGemm(const StepView& step, Product product) {
    return std::make_unique<GemmStage>(step, std::move(product));
}

} // namespace hearth::kernels::cpu
