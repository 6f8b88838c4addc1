#pragma once

#include "kernels/cpu/stages.h"

#include <vector>

namespace hearth::kernels::cpu {

/// Attention over latents that are expanded on the way, checked.
struct ExpandedSpec {
    Rows q;               // (R, H*(nope+rope)) F32
    Rows out;             // (R, H*vDim) F32
    KvPages kv;           // latent, one head: kDim is rank + rope, vDim the rank
    std::vector<Rows> kB; // (H) of (rank, nope)
    std::vector<Rows> vB; // (H) of (vDim, rank)
    float scale = 1;
    SoftmaxState* states = nullptr; // (R, H) of rows that have not seen all their keys
    bool coded = false;             // OperationList::codedAttention
    bool rounded = false;           // OperationList::rounding

    int64_t heads() const { return int64_t(kB.size()); }

    int64_t rank() const { return kv.vDim; }

    int64_t rope() const { return kv.kDim - kv.vDim; }

    int64_t nope() const { return kB.front().cols; }

    int64_t vDim() const { return vB.front().rows; }
};

/// Keys that one stage looks at lie in a span of so many positions, at its multiples; a multiple of the page size.
int64_t expandedSpan(const KvPages&);
/// Scratch of a worker, for plans of so many rows.
uint64_t expandedScratchBytes(int64_t rank, int64_t rope, int64_t nope, int64_t vDim, int64_t rows);
/// The stage of span `span`. All of a sequence's spans run in ascending order. The spec must outlive the stage.
StagePtr makeExpandedAttention(const StepView&, const ExpandedSpec&, int64_t span, int64_t capacity);

} // namespace hearth::kernels::cpu
