#include "kernels/cpu/tile_check.h"

#include <cstddef>
#include <vector>

namespace hearth::kernels::cpu {
namespace {

constexpr int kRows = 53, kInputs = 2 * kTileInputs; // rows of whole tiles, of a part of one, and of both

/// -8 .. 8, another pattern for each seed.
std::vector<float> wholeNumbers(int64_t n, uint32_t seed) {
    std::vector<float> numbers;
    for (int64_t i = 0; i < n; ++i) {
        seed = seed * 1664525 + 1013904223; // Numerical Recipes, section 7.1
        numbers.push_back(float(int(seed >> 24) % 17 - 8));
    }
    return numbers;
}

} // namespace

bool multipliesRight(const CpuKernels& kernels) {
    const std::vector<float> x = wholeNumbers(kRows * kInputs, 1), w = wholeNumbers(kInputs * kPanelOutputs, 2);
    std::vector<uint16_t> rows(x.size()), panel(w.size());
    constexpr uint64_t kLine = kTileInputs * sizeof(uint16_t);
    for (int r = 0; r < kRows; ++r)
        kernels.roundFloats(
            x.data() + r * kInputs, kInputs,
            {.out = reinterpret_cast<std::byte*>(rows.data()) + uint64_t(r) * kLine, .step = kRows * kLine});
    kernels.roundPanel[size_t(Type::F32)]({.panel = w.data(), .cols = kInputs, .out = panel.data(), .low = nullptr});
    std::vector<float> acc(size_t(kRows * kPanelOutputs));
    for (const bool first : {true, false})
        kernels.gemmBf16({.panel = panel.data(),
                          .cols = kInputs,
                          .x = reinterpret_cast<const std::byte*>(rows.data()),
                          .xStride = kRows * kLine,
                          .rows = kRows,
                          .sums = {.acc = acc.data(), .accStride = kPanelOutputs, .first = first}});
    for (int r = 0; r < kRows; ++r)
        for (int n = 0; n < kPanelOutputs; ++n) {
            float sum = 0;
            for (int i = 0; i < kInputs; ++i)
                sum += x[size_t(r * kInputs + i)] * w[size_t(i * kPanelOutputs + n)];
            if (acc[size_t(r * kPanelOutputs + n)] != 2 * sum)
                return false;
        }
    return true;
}

} // namespace hearth::kernels::cpu
