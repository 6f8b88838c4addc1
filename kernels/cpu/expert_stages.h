#pragma once

#include "kernels/cpu/stages.h"

#include <vector>

namespace hearth::kernels::cpu {

/// A checked Routing. Numbers that are read from it are bent into their range, so that none reads out of bounds.
struct RoutingRows {
    Rows experts, weights, order, places, begins;
    int rowSlots = 0;
    int64_t count = 0; // experts

    int64_t live(const StepView& step, int64_t capacity) const; // sorted places of this run

    struct Range {
        int64_t begin, end;
    };

    Range placesOf(int64_t expert, int64_t live) const;
    int64_t expertAt(int64_t place) const;
    int64_t rowAt(int64_t place) const;
};

/// Where Route keeps one row's numbers.
uint64_t routeScratchBytes(int64_t experts, int64_t groups);

/// Two stages: each row chooses, then one tile sorts.
StagePtr makeRoute(const StepView&, const Route&, Rows logits, const float* choiceBias, const RoutingRows&,
                   int64_t capacity);
StagePtr makeSortByExpert(const StepView&, const RoutingRows&, int64_t capacity);
StagePtr makeDispatch(const StepView&, ActivationRows x, const RoutingRows&, ActivationRows out, int64_t capacity);

struct ExpertPart {
    std::vector<Rows> weights; // by expert, of one shape
    Rows bias;                 // (E, N) F32, may be absent
    Rows out;                  // (R*S, N) F32
    int64_t rounded = 0;       // as in ProductPart
};

struct ExpertProduct {
    ActivationRows x; // (R*S, K)
    RoutingRows routing;
    std::vector<ExpertPart> parts;
    RoundedInputs rounded;
    int64_t capacity = 0; // sorted places that all tensors have
};

StagePtr makeExpertMatVec(const StepView&, ExpertProduct, int threads);
StagePtr makeExpertGemm(const StepView&, ExpertProduct);
StagePtr makeCombine(const StepView&, const Combine&, Rows y, const RoutingRows&, Rows shared, Rows sharedGate,
                     Rows out);

} // namespace hearth::kernels::cpu
