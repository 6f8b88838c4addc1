// The inputs of products of prompts as bf16, once for all weights that they meet.

#include "kernels/backend.h"
#include "kernels/cpu/stages.h"

#include <algorithm>

namespace hearth::kernels::cpu {
namespace {

constexpr int64_t kLine = 64; // bytes

int64_t filledUp(int64_t cols) {
    return (cols + kTileInputs - 1) / kTileInputs * kTileInputs;
}

/// An odd number of cache lines, so that rows below each other do not fall into the same few sets of a cache.
uint64_t strideOf(int64_t cols) {
    return uint64_t(cols * 2 / kLine | 1) * kLine;
}

class RoundStage : public RowStage {
public:
    RoundStage(const StepView& step, ActivationRows x, const RoundedInputs& rounded, int64_t capacity, bool outputsOnly,
               int rowSlots)
        : RowStage(step, capacity, int64_t(rounded.stride / 2), outputsOnly, rowSlots), x_(x), rounded_(rounded) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        auto* row = reinterpret_cast<uint16_t*>(step_.rounded + uint64_t(r) * rounded_.stride);
        for (const RoundedColumns& c : rounded_.columns)
            if (c.floats)
                kernels().roundFloats(x_.f32.f32(r) + c.group * c.cols, c.cols, row + c.to,
                                      rounded_.rounding == Rounding::Split ? row + c.to + rounded_.low : nullptr);
            else
                kernels().roundCodes(x_.q8.a8(r) + c.group * blocksOf(c.cols), c.cols, row + c.to);
    }

    ActivationRows x_;
    RoundedInputs rounded_;
};

} // namespace

int64_t RoundedInputs::add(const ActivationRows& x, int64_t cols, int64_t group) {
    const auto there = std::find_if(columns.begin(), columns.end(),
                                    [&](const RoundedColumns& c) { return c.cols == cols && c.group == group; });
    if (there != columns.end())
        return there->to;
    const int64_t to = columns.empty() ? 0 : columns.back().to + filledUp(columns.back().cols);
    columns.push_back({cols, group, to, x.f32 && x.f32.cols >= (group + 1) * cols});
    const int64_t all = to + filledUp(cols);
    low = rounding == Rounding::Split ? all : 0;
    stride = strideOf(all + low);
    return to;
}

void readRounded(const StepView& step, const RoundedInputs& rounded, int64_t first, int64_t column, PanelProduct& p) {
    p.form = rounded.rounding == Rounding::Split ? PanelForm::SplitBf16 : PanelForm::Bf16;
    p.x = step.rounded + uint64_t(first) * rounded.stride + column * 2;
    p.xStride = rounded.stride;
    p.low = rounded.low * 2;
}

StagePtr makeRoundInputs(const StepView& step, ActivationRows x, const RoundedInputs& rounded, int64_t capacity,
                         bool outputsOnly, int rowSlots) {
    return std::make_unique<RoundStage>(step, x, rounded, capacity, outputsOnly, rowSlots);
}

uint64_t RoundedInputs::bytes(uint64_t rows) const {
    return rows * stride + kLine; // room to begin at a cache line
}

} // namespace hearth::kernels::cpu

namespace hearth::kernels {

uint64_t cpuRoundedBytes(uint64_t rows, uint64_t cols, Rounding rounding) {
    if (rounding == Rounding::None)
        return 0;
    return rows * cpu::strideOf(cpu::filledUp(int64_t(cols)) * (rounding == Rounding::Split ? 2 : 1)) + cpu::kLine;
}

} // namespace hearth::kernels
