#pragma once

#include "kernels/backend.h"
#include "kernels/cpu/latent_stages.h"
#include "kernels/cpu/memories.h"
#include "kernels/cpu/stages.h"

#include <deque>
#include <vector>

namespace hearth::kernels::cpu {

/// An OperationList whose every tensor was checked, as stages. Holds what the stages point to.
class CpuPlan : public Plan {
public:
    StepView step;
    Rows rowCount, outputCount; // (1, 1) I32; absent: no rows
    int rows = 0;               // capacity
    std::vector<StagePtr> stages;
    std::vector<Pool::Work> work; // one a stage; tiles are filled in before each run
    bool paused = false;
    Pool::Place place; // where a paused run goes on
    std::deque<std::vector<float>> ropeTables;
    std::deque<ExpandedSpec> expanded; // one an operation
    // Shared by all layers, for one attention at a time; not initialised, so that only what is used takes memory.
    std::unique_ptr<std::byte[]> partials;      // of splits
    std::unique_ptr<std::byte[]> attentionRows; // (rows, H*vDim) F32 where nobody but the quantizer wants floats
    std::unique_ptr<std::byte[]> states;        // (rows, H) SoftmaxState of expanded attention
    std::unique_ptr<std::byte[]> rounded;       // inputs of products of prompts as bf16
    uint64_t partialBytes = 0, attentionRowBytes = 0, stateBytes = 0, roundedBytes = 0;
    uint64_t scratchBytes = 0; // that each worker must have

    uint64_t bytes() const override;

    void restart() override { paused = false; }
};

/// Throws BackendError that names the operation and what does not fit.
std::unique_ptr<CpuPlan> compilePlan(const OperationList&, const Memories&, const CpuKernels&, int threads);

} // namespace hearth::kernels::cpu
