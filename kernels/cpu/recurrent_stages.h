#pragma once

#include "kernels/cpu/stages.h"

namespace hearth::kernels::cpu {

/// One layer's states, checked: every page number below `pages` lies inside the memory.
struct StatePages {
    std::byte* data = nullptr; // the first page's state
    uint64_t pageBytes = 0;
    int64_t pages = 0;
    Rows table; // (nSequences, 1) I32

    /// State of a sequence; numbers out of range are bent into it.
    float* state(int32_t sequence) const;
};

inline constexpr int kMostConvInputs = 64; // `kernel` of CausalConv

StagePtr makeCausalConv(const StepView&, const CausalConv&, Rows x, Rows weight, const float* bias, Rows out,
                        const StatePages&);

struct DeltaNetSpec {
    Rows q, k, v, alpha, beta, out;
    const float* a = nullptr;      // (Hv)
    const float* dtBias = nullptr; // (Hv)
    int keyHeads = 0, valueHeads = 0;
    int kDim = 0, vDim = 0;
    bool tiled = false;
    StatePages state;
};

StagePtr makeDeltaNet(const StepView&, const DeltaNetSpec&, int64_t capacity);

} // namespace hearth::kernels::cpu
