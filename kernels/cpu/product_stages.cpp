#include "kernels/cpu/stages.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <bit>

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
        uint64_t left = 0;
        for (const ProductPart& part : p_.parts)
            left += part.weight.stride * uint64_t(part.weight.rows);
        for (size_t i = 0; i < p_.parts.size(); ++i) {
            const Rows& weight = p_.parts[i].weight;
            for (int64_t first = 0; first < weight.rows; first += tiles_.back().outputs) {
                // Long at first, for processors read ahead only after some lines of a stream, then shorter and shorter,
                // so that all workers end together: so long that a worker half as fast as the others needs for it what
                // all together need for what is left (after "Guided self-scheduling", Polychronopoulos and Kuck 1987,
                // whose tiles are a worker's whole share).
                const int64_t outputs = outputsOfTile(left / uint64_t(2 * threads - 1), weight.stride);
                tiles_.push_back({i, first, std::min(outputs, weight.rows - first)});
                left -= weight.stride * uint64_t(tiles_.back().outputs);
            }
        }
    }

    int64_t tiles() const override { return liveRows(step_, p_) > 0 ? int64_t(tiles_.size()) : 0; }

    void run(int64_t tile, std::byte*) const override {
        const Tile& t = tiles_[size_t(tile)];
        runPart(p_.parts[t.part], t.first, t.outputs);
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
                      .outputs = outputs,
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

    struct Tile {
        size_t part;
        int64_t first, outputs;
    };

    Product p_;
    std::vector<Tile> tiles_;
};

/// Prompt tokens: a tile unpacks kPanelOutputs weight rows, or some times as many, panel by panel, and multiplies a
/// block of rows by them.
class GemmStage : public PlanStage {
public:
    GemmStage(const StepView& step, Product product, int threads)
        : PlanStage(step), p_(std::move(product)), threads_(threads) {
        for (const ProductPart& part : p_.parts) {
            outputs_ += part.weight.rows;
            k_ = std::max(k_, part.weight.cols);
        }
        // By what the product is alone, so that no row's bits depend on how many there are.
        coded_ = p_.coded && kernels().coded && !p_.rounded && !p_.outputsOnly &&
                 std::ranges::none_of(p_.parts, [&](const ProductPart& part) {
                     return usesInt8(p_.x, part.weight.type) || part.weight.type == Type::F32;
                 });
    }

    int64_t tiles() const override {
        const TileShape most = shape();
        return blocks(most) * groups(most);
    }

    /// Neighbouring tiles use the same rows, which then lie in the second-level cache.
    void run(int64_t tile, std::byte* scratch) const override {
        const TileShape most = shape();
        const int64_t rows = liveRows(step_, p_), count = blocks(most), all = groups(most);
        const int64_t block = tile / all;
        const int64_t first = rows * block / count, end = rows * (block + 1) / count;
        int64_t group = tile % all;
        for (const ProductPart& part : p_.parts) {
            if (group < groupsOf(part, most)) {
                runGroup(part, group * most.outputs, most.outputs, first, end, scratch);
                return;
            }
            group -= groupsOf(part, most);
        }
    }

private:
    static int64_t groupsOf(const ProductPart& part, const TileShape& most) {
        return (part.weight.rows + most.outputs - 1) / most.outputs;
    }

    int64_t groups(const TileShape& most) const {
        int64_t sum = 0;
        for (const ProductPart& part : p_.parts)
            sum += groupsOf(part, most);
        return sum;
    }

    int64_t blocks(const TileShape& most) const { return (liveRows(step_, p_) + most.rows - 1) / most.rows; }

    /// For the longest rows of all parts.
    TileShape shape() const {
        const Rounding rounding = p_.rounded.rounding;
        const PanelForm form = coded_                        ? PanelForm::Coded
                               : rounding == Rounding::None  ? PanelForm::F32
                               : rounding == Rounding::Split ? PanelForm::SplitBf16
                                                             : PanelForm::Bf16;
        return tileShape(form, k_, liveRows(step_, p_), outputs_, threads_);
    }

    void runGroup(const ProductPart& part, int64_t n, int64_t outputs, int64_t first, int64_t end,
                  std::byte* scratch) const {
        const bool int8 = !p_.rounded && usesInt8(p_.x, part.weight.type);
        PanelProduct product{.weight = part.weight,
                             .output = n,
                             .outputs = outputs,
                             .form = int8     ? PanelForm::Int8
                                     : coded_ ? PanelForm::Coded
                                              : PanelForm::F32,
                             .x = nullptr,
                             .xStride = int8 ? p_.x.q8.stride : p_.x.f32.stride,
                             .low = 0,
                             .rows = end - first,
                             .bias = part.bias,
                             .out = part.out.row(first),
                             .outStride = part.out.stride,
                             .accumulate = part.accumulate};
        if (p_.rounded)
            readRounded(step_, p_.rounded, first, part.rounded, product);
        else
            product.x = inputsOf(p_, part, int8, first);
        multiplyPanels(kernels(), product, scratch);
    }

    Product p_;
    int64_t outputs_ = 0, k_ = 0;
    int threads_;
    bool coded_ = false;
};

constexpr int64_t kMostPanelRows = 512, kMostPanels = 8; // of a tile

/// How a worker's scratch is used: sums of each panel (kMostPanelRows, kPanelOutputs), the panel as the format's kernel
/// makes it, and, in bf16, a panel of rounded weights and what rounding has taken from them.
constexpr size_t kPanelSums = size_t(kMostPanelRows) * kPanelOutputs;
constexpr size_t kPanelAt = kMostPanels * kPanelSums * sizeof(float);
constexpr size_t kRoundedAt = kPanelAt + size_t(kPanelInputsBf16) * kPanelOutputs * sizeof(float);
constexpr size_t kLowAt = kRoundedAt + size_t(kPanelInputsBf16) * kPanelOutputs * sizeof(uint16_t);
static_assert(kLowAt + (kLowAt - kRoundedAt) <= kScratchBytes);

/// Codes take the place of half the sums; their scales lie where nothing is taken by rounding.
constexpr int64_t kMostCodedPanels = kMostPanels / 2;
constexpr size_t kCodesAt = kMostCodedPanels * kPanelSums * sizeof(float);
static_assert(kCodesAt + size_t(kMostPanelRows) * kPanelInputsF32 * sizeof(int16_t) <= kPanelAt);
static_assert(size_t(kMostPanelRows + kPanelOutputs) * sizeof(float) <= kLowAt - kRoundedAt);
static_assert(kPanelInputsF32 * kPanelOutputs * sizeof(int16_t) <= kLowAt - kRoundedAt);

float* outOf(const PanelProduct& p, int64_t r) {
    return reinterpret_cast<float*>(p.out + uint64_t(r) * p.outStride) + p.output;
}

/// The rows that will be written lie far apart: a panel's part of them, from output n on, comes nearer while its last
/// inputs are multiplied.
void prefetchRows(const PanelProduct& p, int64_t n, int64_t outputs) {
    for (int64_t r = 0; r < p.rows; ++r)
        for (int64_t i = 0; i < outputs; i += 16)
            __builtin_prefetch(outOf(p, r) + (n - p.output) + i, 1, 2);
}

bool inBf16(PanelForm form) {
    return form == PanelForm::Bf16 || form == PanelForm::SplitBf16;
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

int64_t outputsOfTile(uint64_t bytes, uint64_t stride) {
    const uint64_t within = std::clamp<uint64_t>(bytes, 16 << 10, 1 << 20);
    return std::max<int64_t>(8, int64_t(within / std::max<uint64_t>(stride, 1)) / 8 * 8);
}

bool usesInt8(const ActivationRows& x, Type weight) {
    return x.q8 && quantType(weight).block > 1;
}

/// Of a tile: a power of two, as numbers of outputs are multiples of, so that the last tile is as large as the others.
static int64_t panelsOf(int64_t wanted, int64_t most) {
    return int64_t(std::bit_floor(uint64_t(std::clamp<int64_t>(wanted, 1, most))));
}

TileShape tileShape(PanelForm form, int64_t k, int64_t liveRows, int64_t outputs, int threads) {
    const int64_t share = outputs / kPanelOutputs / (4 * threads); // every thread gets several tiles
    if (form == PanelForm::Coded) {
        // Codes of the inputs serve some panels, and those of a panel as many rows as there are.
        constexpr int64_t kTileProducts = 32 << 20, kFewestRows = 128;
        return {std::clamp<int64_t>(kTileProducts / (kPanelOutputs * k), kFewestRows, kMostPanelRows),
                panelsOf(share, kMostCodedPanels) * kPanelOutputs};
    }
    if (!inBf16(form)) {
        // Some panels share the rows' inputs of a step: those, 224 KiB in 8 bits, and 128 KiB of sums lie in the
        // second-level cache.
        constexpr int64_t kTileProducts = 1 << 28, kRows = 256, kMost = 4; // a tile lasts some milliseconds at most
        const int64_t fit = kTileProducts / (kPanelOutputs * k * kRows);
        return {kRows, panelsOf(std::min(fit, share), kMost) * kPanelOutputs};
    }
    // Tiles multiply so fast that unpacking counts, and so does bringing the rows near: many rows share a panel, and
    // some panels share what the second-level cache holds of the rows, as long as a tile lasts a few milliseconds at
    // most.
    constexpr int64_t kTileProducts = 1 << 30;
    const int64_t rows = std::clamp<int64_t>(liveRows, 1, kMostPanelRows);
    const int64_t times = form == PanelForm::SplitBf16 ? 3 : 1;
    const int64_t fit = kTileProducts / (kPanelOutputs * k * rows * times);
    return {kMostPanelRows, panelsOf(std::min(fit, share), kMostPanels) * kPanelOutputs};
}

namespace {

/// The functions and steps of one form.
struct PanelKernels {
    CpuKernels::UnpackFn unpack;
    void (*round)(const RoundPanel&);            // null: the product reads what `unpack` makes
    void (*unpackRounded)(const UnpackRounded&); // in place of both; may be null
    CpuKernels::GemmFn gemm;
    int64_t step; // inputs of a panel

    PanelKernels(const CpuKernels& k, PanelForm form, Type weight) {
        const auto type = size_t(weight);
        const bool rounded = inBf16(form), int8 = form == PanelForm::Int8;
        unpackRounded = rounded ? k.unpackRounded[type] : nullptr;
        unpack = unpackRounded ? nullptr : int8 ? k.unpackInt8[type] : k.unpackF32[type];
        round = rounded ? k.roundPanel[type] : nullptr;
        gemm = rounded ? k.gemmBf16 : int8 ? k.gemmInt8[type] : k.gemmF32;
        step = rounded ? kPanelInputsBf16 : int8 ? kPanelInputsInt8 : kPanelInputsF32;
    }
};

/// Bytes from a row's first input to its input `at`, a multiple of a panel's.
uint64_t inputBytes(const PanelProduct& p, int64_t at) {
    if (inBf16(p.form))
        return uint64_t(at / kTileInputs) * p.xStride;
    return p.form == PanelForm::Int8 ? uint64_t(at / 256) * sizeof(A8Block) : uint64_t(at) * sizeof(float);
}

/// What is unpacked after inputs from `at` on of outputs from n on, by this thread or another: pieces of rows far
/// apart, which no reader of streams foresees.
void prefetchNextPanel(const PanelProduct& p, const PanelKernels& kernels, int64_t n, int64_t at, int64_t end) {
    const int64_t k = p.weight.cols;
    n += kPanelOutputs;
    if (n >= end && at + kernels.step < k)
        n = p.output, at += kernels.step;
    else if (n >= end)
        at = 0;
    const QuantType& format = quantType(p.weight.type);
    const uint64_t first = uint64_t(at / format.block) * format.bytes,
                   bytes = uint64_t(std::min(kernels.step, k - at) / format.block) * format.bytes;
    for (const int64_t last = std::min(n + kPanelOutputs, p.weight.rows); n < last; ++n)
        for (uint64_t i = 0; i < bytes; i += 64)
            __builtin_prefetch(p.weight.row(n) + first + i, 0, 2);
}

/// All rows' inputs [at, at + cols) in bf16, which all panels multiply next, come out of the third-level cache bit by
/// bit: while panel `panel` of `panels` is multiplied, its part of the steps.
void prefetchInputs(const PanelProduct& p, int64_t at, int64_t cols, int64_t panel, int64_t panels) {
    const int64_t steps = (cols + kTileInputs - 1) / kTileInputs;
    for (int64_t s = steps * panel / panels; s < steps * (panel + 1) / panels; ++s)
        for (int64_t r = 0; r < p.rows; ++r)
            __builtin_prefetch(p.x + inputBytes(p, at + s * kTileInputs) + r * 64, 0, 2);
}

/// Inputs [at, at + cols) of the outputs from n on, in the order that the product reads.
const std::byte* panelOf(const PanelProduct& p, const PanelKernels& kernels, int64_t n, int64_t at, int64_t cols,
                         std::byte* scratch) {
    const QuantType& format = quantType(p.weight.type);
    const Unpack weights{.weights = p.weight.row(n) + at / format.block * format.bytes,
                         .stride = p.weight.stride,
                         .outputs = int(std::min<int64_t>(kPanelOutputs, p.weight.rows - n)),
                         .cols = cols,
                         .panel = scratch + kPanelAt,
                         .scales = scalesFrom(p.weight.scales, n, at)};
    auto* rounded = reinterpret_cast<uint16_t*>(scratch + kRoundedAt);
    auto* low = p.form == PanelForm::SplitBf16 ? reinterpret_cast<uint16_t*>(scratch + kLowAt) : nullptr;
    if (kernels.unpackRounded) {
        kernels.unpackRounded({.weights = weights, .out = rounded, .low = low});
        return scratch + kRoundedAt;
    }
    kernels.unpack(weights);
    if (!kernels.round)
        return scratch + kPanelAt;
    kernels.round({.panel = scratch + kPanelAt, .cols = cols, .out = rounded, .low = low});
    return scratch + kRoundedAt;
}

/// The rounded numbers were multiplied; now what rounding has taken from one side meets the other side's.
void addSmallParts(const PanelKernels& kernels, const PanelProduct& p, Gemm product, const std::byte* scratch) {
    product.sums.first = false;
    product.x += p.low;
    kernels.gemm(product);
    product.x -= p.low;
    product.panel = scratch + kLowAt;
    kernels.gemm(product);
}

/// All rows' inputs [at, at + cols) as codes.
void codeInputs(const CpuKernels& table, const PanelProduct& p, int64_t at, int64_t cols, std::byte* scratch) {
    table.coded.inputs({.x = reinterpret_cast<const float*>(p.x) + at,
                        .xStride = int64_t(p.xStride / sizeof(float)),
                        .rows = int(p.rows),
                        .dims = int(cols),
                        .codes = reinterpret_cast<int16_t*>(scratch + kCodesAt),
                        .codeStride = codedRow(cols),
                        .scales = reinterpret_cast<float*>(scratch + kLowAt)});
}

/// The panel becomes codes, too, and meets them.
void multiplyCodes(const CpuKernels& table, const Gemm& product, std::byte* scratch) {
    auto* codes = reinterpret_cast<int16_t*>(scratch + kRoundedAt);
    auto* scales = reinterpret_cast<float*>(scratch + kLowAt);
    table.coded.keys({.panel = static_cast<const float*>(product.panel),
                      .dims = int(product.cols),
                      .codes = codes,
                      .scales = scales + kMostPanelRows});
    table.coded.multiply({.x = reinterpret_cast<const int16_t*>(scratch + kCodesAt),
                          .xStride = codedRow(product.cols),
                          .xScales = scales,
                          .panel = codes,
                          .panelScales = scales + kMostPanelRows,
                          .cols = product.cols,
                          .rows = product.rows,
                          .sums = product.sums});
}

/// Whether a panel's sums begin with what is added to them and end where they belong. Not in three products for one,
/// the last two of which add to the first's.
bool goesInPlace(const PanelProduct& p, int64_t n) {
    return p.form != PanelForm::SplitBf16 && n + kPanelOutputs <= p.weight.rows && !(p.bias && p.accumulate);
}

void beginAndEndInPlace(const PanelProduct& p, int64_t n, bool last, PanelSums& sums) {
    float* out = outOf(p, 0) + (n - p.output);
    const auto stride = int64_t(p.outStride / sizeof(float));
    if (p.accumulate)
        sums.begin = out, sums.beginStride = stride;
    else if (p.bias)
        sums.begin = p.bias + n; // all rows with the same
    if (last)
        sums.out = out, sums.outStride = stride;
}

void writeRows(const PanelProduct& p, const float* acc, int64_t n) {
    static constexpr float kNoBias[kPanelOutputs] = {};
    const int outputs = int(std::min<int64_t>(kPanelOutputs, p.weight.rows - n));
    const auto write = outputs == kPanelOutputs ? writeRow<kPanelOutputs> : writeRow<0>;
    for (int64_t r = 0; r < p.rows; ++r)
        write(acc + r * kPanelOutputs, p.bias ? p.bias + n : kNoBias, outOf(p, r) + (n - p.output), outputs,
              p.accumulate);
}

} // namespace

void multiplyPanels(const CpuKernels& table, const PanelProduct& p, std::byte* scratch) {
    const PanelKernels kernels(table, p.form, p.weight.type);
    const int64_t k = p.weight.cols, end = std::min(p.output + p.outputs, p.weight.rows);
    const int64_t panels = (end - p.output + kPanelOutputs - 1) / kPanelOutputs;
    auto* acc = reinterpret_cast<float*>(scratch);
    for (int64_t at = 0; at < k; at += kernels.step) {
        const int64_t cols = std::min(kernels.step, k - at), next = at + cols;
        if (p.form == PanelForm::Coded)
            codeInputs(table, p, at, cols, scratch);
        for (int64_t n = p.output; n < end; n += kPanelOutputs) {
            const std::byte* panel = panelOf(p, kernels, n, at, cols, scratch);
            if (inBf16(p.form) && next < k)
                prefetchInputs(p, next, std::min(kernels.step, k - next), (n - p.output) / kPanelOutputs, panels);
            const bool inPlace = goesInPlace(p, n);
            if (next == k || (inPlace && p.accumulate && at == 0))
                prefetchRows(p, n, std::min<int64_t>(kPanelOutputs, end - n));
            if (panels > 1 || next == k) // else the next panel has the rows' next inputs, which `unpack` has asked for
                prefetchNextPanel(p, kernels, n, at, end);
            Gemm product{.panel = panel,
                         .cols = cols,
                         .x = p.x + inputBytes(p, at),
                         .xStride = p.xStride,
                         .rows = int(p.rows),
                         .sums = {.acc = acc + size_t((n - p.output) / kPanelOutputs) * kPanelSums,
                                  .accStride = kPanelOutputs,
                                  .first = at == 0}};
            if (inPlace)
                beginAndEndInPlace(p, n, next == k, product.sums);
            if (p.form == PanelForm::Coded)
                multiplyCodes(table, product, scratch);
            else
                kernels.gemm(product);
            if (p.form == PanelForm::SplitBf16)
                addSmallParts(kernels, p, product, scratch);
            if (next == k && !inPlace)
                writeRows(p, product.sums.acc, n);
        }
    }
}

StagePtr makeMatVec(const StepView& step, Product product, int threads) {
    return std::make_unique<MatVecStage>(step, std::move(product), threads);
}

StagePtr makeGemm(const StepView& step, Product product, int threads) {
    return std::make_unique<GemmStage>(step, std::move(product), threads);
}

} // namespace hearth::kernels::cpu
