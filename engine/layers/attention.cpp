#include "engine/layers/block.h"

namespace hearth::engine {

using kernels::Activations;
using kernels::Tensor;

namespace {

/// Norms on q or k: over each head with shared weights, over each with its own, or over all together.
void addQkNorm(const Block& b, const Tensor& x, Tensor weight) {
    const ModelConfig& c = b.p.config;
    if (c.qkNorm == QkNorm::None)
        return;
    if (c.qkNorm == QkNorm::EachHead)
        weight = {.memory = weight.memory,
                  .type = weight.type,
                  .offset = weight.offset,
                  .rows = 1,
                  .cols = weight.rows * weight.cols,
                  .stride = weight.stride * static_cast<uint64_t>(weight.rows)};
    b.addNorm(x, weight, c.qkNorm == QkNorm::Row ? 0 : c.headDim);
}

} // namespace

void addAttention(const Block& b, const Activations& in) {
    const ModelConfig& c = b.p.config;
    const LayerConfig& layer = b.layer;
    const AttentionBuffers& a = b.p.buffers.attention;
    const int64_t mixedCols = int64_t{layer.nHeads} * c.vHeadDim;
    const Tensor q = narrowed(a.q, int64_t{layer.nHeads} * c.headDim);
    const Tensor k = narrowed(a.k, int64_t{layer.nKvHeads} * c.headDim);
    const Tensor v = narrowed(a.v, int64_t{layer.nKvHeads} * c.vHeadDim);

    kernels::MatMul products{.x = in};
    Block::addParts(products, b.w.q, q);
    if (c.attentionGate)
        Block::addParts(products, b.w.attnGate, narrowed(a.gate, mixedCols));
    Block::addParts(products, b.w.k, k);
    Block::addParts(products, b.w.v, v);
    b.add(std::move(products));
    if (!c.qkNormAfterRope) {
        addQkNorm(b, q, b.w.qNorm);
        addQkNorm(b, k, b.w.kNorm);
    }
    b.addRope(q, layer.nHeads, c.headDim, 0);
    b.addRope(k, layer.nKvHeads, c.headDim, 0);
    if (c.qkNormAfterRope) {
        addQkNorm(b, q, b.w.qNorm);
        addQkNorm(b, k, b.w.kNorm);
    }
    b.add(kernels::StoreKv{.k = k, .v = v, .kv = b.memory.kv});

    const Activations mixed = Forms(b.p.numerics).read(b.w.o).of(a.mixed, mixedCols);
    b.add(kernels::Attention{.q = q,
                             .out = c.attentionGate ? Activations{.f32 = narrowed(a.attended, mixedCols)} : mixed,
                             .kv = b.memory.kv,
                             .heads = layer.nHeads,
                             .scale = c.attentionScale,
                             .softCap = c.attentionSoftCap,
                             .window = layer.window,
                             .causal = c.causal,
                             .sinks = b.w.sinks});
    if (c.attentionGate)
        b.add(kernels::Activate{.kind = kernels::ActivationKind::Sigmoid,
                                .gate = narrowed(a.gate, mixedCols),
                                .up = narrowed(a.attended, mixedCols),
                                .out = mixed});
    b.addOutput(mixed, b.w.o, b.w.attnPostNorm);
}

} // namespace hearth::engine
