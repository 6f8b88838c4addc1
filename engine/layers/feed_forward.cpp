#include "engine/layers/block.h"

namespace hearth::engine {

using kernels::Activations;
using kernels::Tensor;

void readFeedForward(Forms& forms, const LayerConfig& layer, const LayerWeights& w) {
    if (layer.experts)
        forms.read(w.router)
            .read(w.expertGate.weights)
            .read(w.expertUp.weights)
            .read(w.sharedGate)
            .read(w.sharedUp)
            .read(w.sharedRouter);
    else
        forms.read(w.gate).read(w.up);
}

namespace {

/// act(gate) * up, or act(up), of one input.
void addGated(const Block& b, const Activations& in, const Linear& gate, const Linear& up, const FeedForwardBuffers& a,
              const Activations& hidden) {
    const bool gated = gate.present();
    kernels::MatMul products{.x = in};
    if (gated)
        Block::addParts(products, gate, a.gate);
    Block::addParts(products, up, a.up);
    b.add(std::move(products));
    b.add(kernels::Activate{
        .kind = b.p.config.activation, .gate = gated ? a.gate : a.up, .up = gated ? a.up : Tensor{}, .out = hidden});
}

void addDense(const Block& b, const Activations& in) {
    const FeedForwardBuffers& all = b.p.buffers.ffn;
    const int64_t cols = b.layer.ffnDim;
    const Activations hidden = Forms(b.p.numerics).read(b.w.down).of(all.hidden, cols);
    addGated(b, in, b.w.gate, b.w.up, {.gate = narrowed(all.gate, cols), .up = narrowed(all.up, cols), .hidden = {}},
             hidden);
    b.addOutput(hidden, b.w.down, b.w.ffnPostNorm);
}

/// The expert that every token passes.
void addShared(const Block& b, const Activations& in) {
    const ExpertBuffers& a = b.p.buffers.experts;
    const Activations hidden =
        Forms(b.p.numerics).read(b.w.sharedDown).of(a.shared.hidden, b.p.config.experts.sharedFfnDim);
    addGated(b, in, b.w.sharedGate, b.w.sharedUp, a.shared, hidden);
    b.addProduct(hidden, b.w.sharedDown, a.sharedOut);
    if (b.w.sharedRouter.present())
        b.add(kernels::MatMul{.x = in, .parts = {{.weight = b.w.sharedRouter, .out = a.sharedGate}}});
}

void addRoute(const Block& b, const Activations& in) {
    const ExpertConfig& e = b.p.config.experts;
    const ExpertBuffers& a = b.p.buffers.experts;
    b.add(kernels::MatMul{.x = in, .parts = {{.weight = b.w.router, .bias = b.w.routerBias, .out = a.logits}}});
    b.add(kernels::Route{.logits = a.logits,
                         .choiceBias = b.w.choiceBias,
                         .gate = e.gate,
                         .rowSlots = e.used,
                         .groups = e.groups,
                         .topGroups = e.topGroups,
                         .groupScore = e.groupScore,
                         .normalize = e.normalize,
                         .scale = e.scale,
                         .out = a.routing});
}

void addExperts(const Block& b, const Activations& in) {
    const ModelConfig& c = b.p.config;
    const ExpertBuffers& a = b.p.buffers.experts;
    addRoute(b, in);
    const Forms inForms = Forms(b.p.numerics).read(b.w.expertGate.weights).read(b.w.expertUp.weights);
    const Activations sorted = inForms.of(a.in, c.dModel);
    b.add(kernels::Dispatch{.x = inForms.of(in, c.dModel), .routing = a.routing, .out = sorted});
    b.add(
        kernels::ExpertMatMul{.x = sorted,
                              .routing = a.routing,
                              .parts = {{.weights = b.w.expertGate.weights, .bias = b.w.expertGate.bias, .out = a.gate},
                                        {.weights = b.w.expertUp.weights, .bias = b.w.expertUp.bias, .out = a.up}}});
    const Activations hidden = Forms(b.p.numerics).read(b.w.expertDown.weights).of(a.hidden, c.experts.ffnDim);
    b.add(
        kernels::Activate{.kind = c.activation, .gate = a.gate, .up = a.up, .out = hidden, .rowSlots = c.experts.used});
    b.add(kernels::ExpertMatMul{
        .x = hidden,
        .routing = a.routing,
        .parts = {{.weights = b.w.expertDown.weights, .bias = b.w.expertDown.bias, .out = a.out}}});
    const bool shared = c.experts.sharedFfnDim > 0;
    if (shared)
        addShared(b, in);
    b.add(kernels::Combine{.y = a.out,
                           .routing = a.routing,
                           .shared = shared ? a.sharedOut : Tensor{},
                           .sharedGate = shared && b.w.sharedRouter.present() ? a.sharedGate : Tensor{},
                           .out = b.direct() ? b.p.buffers.x : b.p.buffers.delta,
                           .accumulate = b.direct()});
    if (!b.direct())
        b.addDelta(b.w.ffnPostNorm);
}

} // namespace

void addFeedForward(const Block& b, const Activations& in) {
    if (b.layer.experts)
        addExperts(b, in);
    else
        addDense(b, in);
}

} // namespace hearth::engine
