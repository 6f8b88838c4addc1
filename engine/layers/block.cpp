#include "engine/layers/block.h"

#include "kernels/quant_types.h"

namespace hearth::engine {

using kernels::Activations;
using kernels::Tensor;

Forms& Forms::read(const Tensor& weight) {
    if (!weight.present())
        return *this;
    const bool floats = kernels::quantType(weight.type).block == 1;
    (floats || numerics_ == Numerics::Exact ? f32_ : q8_) = true;
    return *this;
}

Forms& Forms::read(const Linear& linear) {
    for (const Linear::Piece& piece : linear.pieces)
        read(piece.weight);
    return *this;
}

Forms& Forms::read(const std::vector<Tensor>& weights) {
    for (const Tensor& weight : weights)
        read(weight);
    return *this;
}

Activations Forms::of(const Activations& all, int64_t cols) const {
    return {.f32 = f32_ ? narrowed(all.f32, cols) : Tensor{}, .q8 = q8_ ? narrowed(all.q8, cols) : Tensor{}};
}

void Block::addParts(kernels::MatMul& product, const Linear& linear, const Tensor& out, bool accumulate) {
    int64_t first = 0;
    for (const Linear::Piece& piece : linear.pieces) {
        product.parts.push_back({.weight = piece.weight,
                                 .bias = piece.bias,
                                 .out = columns(out, first, piece.weight.rows),
                                 .accumulate = accumulate});
        first += piece.weight.rows;
    }
}

void Block::addProduct(const Activations& x, const Linear& linear, const Tensor& out) const {
    kernels::MatMul product{.x = x};
    addParts(product, linear, out);
    add(std::move(product));
}

void Block::addRope(const Tensor& x, int heads, int headDim, int first) const {
    if (layer.rope < 0)
        return;
    const auto which = static_cast<size_t>(layer.rope);
    const RopeConfig& rope = p.config.ropes[which];
    add(kernels::Rope{.x = x,
                      .heads = heads,
                      .headDim = headDim,
                      .first = first,
                      .dims = rope.dims,
                      .order = p.config.ropeOrder,
                      .theta = rope.theta,
                      .factors = p.weights.ropeFactors[which],
                      .attentionFactor = rope.attentionFactor});
}

void Block::addNorm(const Tensor& x, const Tensor& weight, int64_t groupCols) const {
    add(kernels::Norm{.kind = p.config.norm,
                      .eps = p.config.normEps,
                      .groupCols = groupCols,
                      .x = x,
                      .weight = weight,
                      .out = {.f32 = x}});
}

void Block::addDelta(const Tensor& postNorm) const {
    const ForwardBuffers& b = p.buffers;
    if (postNorm.present())
        addNorm(b.delta, postNorm, 0);
    add(kernels::Add{.a = b.x, .b = b.delta, .out = b.x, .scale = p.config.residualScale});
}

void Block::addOutput(const Activations& in, const Linear& linear, const Tensor& postNorm) const {
    kernels::MatMul product{.x = in};
    addParts(product, linear, direct() ? p.buffers.x : p.buffers.delta, direct());
    add(std::move(product));
    if (!direct())
        addDelta(postNorm);
}

void readMixer(Forms& forms, const LayerConfig& layer, const LayerWeights& w) {
    switch (layer.mixer) {
    case Mixer::Attention:
        forms.read(w.q).read(w.attnGate).read(w.k).read(w.v);
        break;
    case Mixer::Latent:
        forms.read(w.qA.present() ? w.qA : w.q).read(w.kvA).read(w.kRope);
        break;
    case Mixer::ShortConv:
        forms.read(w.convB).read(w.convC).read(w.convX);
        break;
    case Mixer::DeltaNet:
        forms.read(w.q).read(w.z).read(w.alpha).read(w.beta);
        break;
    }
}

} // namespace hearth::engine
