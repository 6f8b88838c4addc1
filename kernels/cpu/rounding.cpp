// The inputs of products of prompts as bf16, once for all weights that they meet.

#include "kernels/backend.h"
#include "kernels/cpu/stages.h"

#include <algorithm>

namespace hearth::kernels::cpu {
namespace {

constexpr int64_t kLine = 64; // bytes

/// From one step of so many rows to the next: an odd number of cache lines, so that the steps do not fall into the same
/// few sets of a cache.
uint64_t strideOf(uint64_t rows) {
    return (rows | 1) * kLine;
}

class RoundStage : public RowStage {
public:
    RoundStage(const StepView& step, ActivationRows x, const RoundedInputs& rounded, int64_t capacity, bool outputsOnly,
               int rowSlots)
        : RowStage(step, capacity, rounded.columns.back().to + rounded.columns.back().cols, outputsOnly, rowSlots),
          x_(x), rounded_(rounded) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        for (const RoundedColumns& c : rounded_.columns) {
            std::byte* out = step_.rounded + r * kLine + rounded_.bytesTo(c.to);
            const RoundedRow to{.out = out,
                                .step = rounded_.stride,
                                .low = rounded_.rounding == Rounding::Split ? out + rounded_.low : nullptr};
            if (c.floats)
                kernels().roundFloats(x_.f32.f32(r) + c.group * c.cols, c.cols, to);
            else
                kernels().roundCodes(x_.q8.a8(r) + c.group * blocksOf(c.cols), c.cols, to);
        }
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
    const int64_t to = columns.empty() ? 0 : columns.back().to + codedRow(columns.back().cols);
    columns.push_back({cols, group, to, x.f32 && x.f32.cols >= (group + 1) * cols});
    stride = strideOf(uint64_t(rows));
    low = rounding == Rounding::Split ? bytesTo(to + codedRow(cols)) : 0;
    return to;
}

uint64_t RoundedInputs::bytesTo(int64_t column) const {
    return uint64_t(column / kTileInputs) * stride;
}

void readRounded(const StepView& step, const RoundedInputs& rounded, int64_t first, int64_t column, PanelProduct& p) {
    p.form = rounded.rounding == Rounding::Split ? PanelForm::SplitBf16 : PanelForm::Bf16;
    p.x = step.rounded + first * kLine + rounded.bytesTo(column);
    p.xStride = rounded.stride;
    p.low = rounded.low;
}

StagePtr makeRoundInputs(const StepView& step, ActivationRows x, const RoundedInputs& rounded, int64_t capacity,
                         bool outputsOnly, int rowSlots) {
    return std::make_unique<RoundStage>(step, x, rounded, capacity, outputsOnly, rowSlots);
}

uint64_t RoundedInputs::bytes() const {
    const RoundedColumns& last = columns.back();
    return bytesTo(last.to + codedRow(last.cols)) * (rounding == Rounding::Split ? 2 : 1) +
           kLine; // room to begin at a cache line
}

} // namespace hearth::kernels::cpu

namespace hearth::kernels {

uint64_t cpuRoundedBytes(uint64_t rows, uint64_t cols, Rounding rounding) {
    if (rounding == Rounding::None)
        return 0;
    const uint64_t steps = uint64_t(cpu::codedRow(int64_t(cols)) / cpu::kTileInputs);
    return steps * cpu::strideOf(rows) * (rounding == Rounding::Split ? 2 : 1) + cpu::kLine;
}

} // namespace hearth::kernels
