#include "kernels/cpu/tile_check.h"

#include "kernels/quant_types.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
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

constexpr int kHeads = 3, kDims = 64, kOfRun = kAttendTokens / kAttendRuns;
constexpr Type kCodes = Type::Q8_0;

/// Rows of a run in a cache.
std::vector<std::byte> cachedRun(const CpuKernels& kernels, uint32_t seed) {
    const CacheArea area = cacheArea(kCodes, kDims);
    const std::vector<float> numbers = wholeNumbers(kOfRun * kDims, seed);
    std::vector<std::byte> rows(area.bytes(kOfRun));
    for (uint64_t t = 0; t < kOfRun; ++t)
        kernels.store[size_t(kCodes)](
            numbers.data() + t * kDims,
            {.row = rows.data() + t * area.rowBytes,
             .scales = {.first = rows.data() + area.scaleAt(0, t, kOfRun), .stride = kOfRun * CacheArea::kScaleBytes}},
            kDims);
    return rows;
}

/// What a function makes of some heads' queries; not yet divided by the sums of weights, which are at least 1.
std::array<float, kHeads * kDims> attended(const CpuKernels& kernels, void (*attend)(const Attend&)) {
    std::vector<std::vector<std::byte>> runs;
    for (uint32_t seed = 3; seed < 3 + 2 * kAttendRuns; ++seed)
        runs.push_back(cachedRun(kernels, seed));
    const CacheArea area = cacheArea(kCodes, kDims);
    const std::vector<float> q = wholeNumbers(kHeads * kDims, 11);
    std::vector<float> scores(kAttendHeads * kAttendTokens);
    std::array<SoftmaxState, kHeads> states;
    states.fill({0.0f, 0.0f});
    std::array<float, kHeads * kDims> o{};
    std::vector<std::byte> scratch(kAttendScratchBytes + 64);
    void* line = scratch.data();
    size_t room = scratch.size();
    const auto scalesAt = int64_t(area.scaleAt(0, 0, kOfRun));
    Attend call{.q = q.data(),
                .k = runs[0].data(),
                .v = runs[kAttendRuns].data(),
                .kScales = scalesAt,
                .vScales = scalesAt,
                .scaleStride = kOfRun * CacheArea::kScaleBytes,
                .heads = kHeads,
                .kDim = kDims,
                .vDim = kDims,
                .kStride = area.rowBytes,
                .vStride = area.rowBytes,
                .tokens = kAttendTokens,
                .scale = 0x1p-8f,
                .softCap = 0,
                .state = states.data(),
                .o = o.data(),
                .scores = scores.data(),
                .scratch = static_cast<std::byte*>(std::align(64, kAttendScratchBytes, line, room))};
    for (size_t run = 1; run < kAttendRuns; ++run) {
        call.moreKeys[run - 1] = runs[run].data();
        call.moreValues[run - 1] = runs[kAttendRuns + run].data();
    }
    attend(call);
    return o;
}

bool attendsRight(const CpuKernels& kernels) {
    const auto want = attended(kernels, kernels.attend[size_t(kCodes)]),
               got = attended(kernels, kernels.attendTiles[size_t(kCodes)]);
    float largest = 0;
    for (const float f : want)
        largest = std::max(largest, std::fabs(f));
    for (size_t i = 0; i < want.size(); ++i)
        if (!(std::fabs(got[i] - want[i]) <= 1e-3f * largest)) // not of NaN
            return false;
    return true;
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
    return attendsRight(kernels);
}

} // namespace hearth::kernels::cpu
