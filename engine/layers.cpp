#include "engine/layers.h"

#include <algorithm>
#include <initializer_list>

namespace hearth::engine {

namespace {

using kernels::Activations;
using kernels::Tensor;
using kernels::Type;

/// Gives out places in one memory, 64-byte aligned.
class Arena {
public:
    Arena(kernels::MemoryId memory, int rows) : memory_(memory), rows_(rows) {}

    Tensor add(int64_t cols, Type type = Type::F32) {
        const uint64_t stride = (kernels::rowBytes(type, cols) + 63) / 64 * 64;
        const Tensor tensor{
            .memory = memory_, .type = type, .offset = at_, .rows = rows_, .cols = cols, .stride = stride};
        at_ += stride * static_cast<uint64_t>(rows_);
        end_ = std::max(end_, at_);
        return tensor;
    }

    Activations addActivations(int64_t cols) { return {.f32 = add(cols), .q8 = add(cols, Type::A8)}; }

    uint64_t at() const { return at_; }

    void back(uint64_t to) { at_ = to; }

    void setRows(int rows) { rows_ = rows; }

    uint64_t end() const { return end_; }

private:
    kernels::MemoryId memory_;
    int64_t rows_;
    uint64_t at_ = 0, end_ = 0;
};

/// A buffer that is wide enough for every layer, seen at the width of one.
Tensor narrowed(Tensor tensor, int64_t cols) {
    tensor.cols = cols;
    return tensor;
}

/// The forms of an input that products with these weights read: 8-bit for quantized weights in fast numerics, floats
/// otherwise.
Activations forProducts(const Activations& all, int64_t cols, Numerics numerics,
                        std::initializer_list<const Tensor*> weights) {
    Activations out;
    for (const Tensor* weight : weights) {
        if (!weight->present())
            continue;
        const bool floats = weight->type == Type::F32 || weight->type == Type::F16 || weight->type == Type::BF16;
        if (floats || numerics == Numerics::Exact)
            out.f32 = narrowed(all.f32, cols);
        else
            out.q8 = narrowed(all.q8, cols);
    }
    return out;
}

struct Widths {
    int64_t q = 0, k = 0, v = 0, mixed = 0, ffn = 0; // widest of all layers
};

Widths widest(const ModelConfig& c) {
    Widths w;
    for (const LayerConfig& layer : c.layers) {
        w.q = std::max(w.q, int64_t{layer.nHeads} * c.headDim);
        w.k = std::max(w.k, int64_t{layer.nKvHeads} * c.headDim);
        w.v = std::max(w.v, int64_t{layer.nKvHeads} * c.vHeadDim);
        w.mixed = std::max(w.mixed, int64_t{layer.nHeads} * c.vHeadDim);
        w.ffn = std::max(w.ffn, int64_t{layer.ffnDim});
    }
    return w;
}

/// Adds what a block gave to the residual stream, where the product could not do it in place.
void addDelta(kernels::OperationList& list, const ForwardParts& p, const Tensor& postNorm) {
    const ForwardBuffers& b = p.buffers;
    if (postNorm.present())
        list.operations.push_back(kernels::Norm{
            .kind = p.config.norm, .eps = p.config.normEps, .x = b.delta, .weight = postNorm, .out = {.f32 = b.delta}});
    list.operations.push_back(kernels::Add{.a = b.x, .b = b.delta, .out = b.x, .scale = p.config.residualScale});
}

/// The product at the end of a block: straight onto the residual stream where nothing comes between.
void addOutput(kernels::OperationList& list, const ForwardParts& p, const Activations& in, const Tensor& weight,
               const Tensor& bias, const Tensor& postNorm) {
    const bool direct = !p.config.postNorm && p.config.residualScale == 1.0f;
    const Tensor& out = direct ? p.buffers.x : p.buffers.delta;
    list.operations.push_back(
        kernels::MatMul{.x = in, .parts = {{.weight = weight, .bias = bias, .out = out, .accumulate = direct}}});
    if (!direct)
        addDelta(list, p, postNorm);
}

/// The input of a block: the residual stream, normed where the family norms before.
Activations addInput(kernels::OperationList& list, const ForwardParts& p, const Tensor& norm, const Tensor& bias,
                     std::initializer_list<const Tensor*> consumers) {
    if (!p.config.preNorm)
        return {.f32 = p.buffers.x};
    const Activations out = forProducts(p.buffers.normed, p.config.dModel, p.numerics, consumers);
    list.operations.push_back(kernels::Norm{
        .kind = p.config.norm, .eps = p.config.normEps, .x = p.buffers.x, .weight = norm, .bias = bias, .out = out});
    return out;
}

void addRope(kernels::OperationList& list, const ForwardParts& p, const Tensor& x, int heads) {
    const ModelConfig& c = p.config;
    list.operations.push_back(kernels::Rope{.x = x,
                                            .heads = heads,
                                            .headDim = c.headDim,
                                            .dims = c.ropeDims,
                                            .order = c.ropeOrder,
                                            .theta = c.ropeTheta,
                                            .factors = p.weights.ropeFactors,
                                            .attentionFactor = c.ropeAttentionFactor});
}

void addQkNorm(kernels::OperationList& list, const ForwardParts& p, const Tensor& x, const Tensor& weight) {
    list.operations.push_back(kernels::Norm{.kind = p.config.norm,
                                            .eps = p.config.normEps,
                                            .groupCols = p.config.qkNorm == QkNorm::Head ? p.config.headDim : 0,
                                            .x = x,
                                            .weight = weight,
                                            .out = {.f32 = x}});
}

} // namespace

ForwardBuffers layoutForward(const ModelConfig& c, int rows, int logitRows, kernels::MemoryId memory) {
    const Widths w = widest(c);
    Arena arena(memory, rows);
    ForwardBuffers b;
    b.x = arena.add(c.dModel);
    b.normed = arena.addActivations(c.dModel);
    if (c.postNorm || c.residualScale != 1.0f)
        b.delta = arena.add(c.dModel);
    // The two blocks of a layer and the head run one after the other in the same place.
    const uint64_t block = arena.at();
    b.q = arena.add(w.q);
    b.k = arena.add(w.k);
    b.v = arena.add(w.v);
    b.mixed = arena.addActivations(w.mixed);
    arena.back(block);
    b.gate = arena.add(w.ffn);
    b.up = arena.add(w.ffn);
    b.hidden = arena.addActivations(w.ffn);
    arena.back(block);
    b.picked = arena.add(c.dModel);
    if (logitRows > 0) {
        arena.setRows(logitRows);
        b.logits = arena.add(c.nVocab);
    }
    b.bytes = arena.end();
    return b;
}

void addEmbedding(kernels::OperationList& list, const ForwardParts& p) {
    list.operations.push_back(
        kernels::Gather{.table = p.weights.embedding, .out = p.buffers.x, .scale = p.config.embeddingScale});
}

void addAttention(kernels::OperationList& list, const ForwardParts& p, int index) {
    const ModelConfig& c = p.config;
    const LayerConfig& layer = c.layers[static_cast<size_t>(index)];
    const LayerWeights& w = p.weights.layers[static_cast<size_t>(index)];
    const ForwardBuffers& b = p.buffers;
    const int64_t qCols = int64_t{layer.nHeads} * c.headDim;
    const int64_t mixedCols = int64_t{layer.nHeads} * c.vHeadDim;
    const Tensor q = narrowed(b.q, qCols);
    const Tensor k = narrowed(b.k, int64_t{layer.nKvHeads} * c.headDim);
    const Tensor v = narrowed(b.v, int64_t{layer.nKvHeads} * c.vHeadDim);

    const Activations in = addInput(list, p, w.attnNorm, w.attnNormBias, {&w.q, &w.k, &w.v});
    list.operations.push_back(kernels::MatMul{.x = in,
                                              .parts = {{.weight = w.q, .bias = w.qBias, .out = q},
                                                        {.weight = w.k, .bias = w.kBias, .out = k},
                                                        {.weight = w.v, .bias = w.vBias, .out = v}}});
    if (c.qkNorm != QkNorm::None) {
        addQkNorm(list, p, q, w.qNorm);
        addQkNorm(list, p, k, w.kNorm);
    }
    if (layer.rope && c.ropeDims > 0) {
        addRope(list, p, q, layer.nHeads);
        addRope(list, p, k, layer.nKvHeads);
    }
    const kernels::KvView& kv = p.kv[static_cast<size_t>(index)];
    list.operations.push_back(kernels::StoreKv{.k = k, .v = v, .kv = kv});
    const Activations mixed = forProducts(b.mixed, mixedCols, p.numerics, {&w.o});
    list.operations.push_back(kernels::Attention{.q = q,
                                                 .out = mixed,
                                                 .kv = kv,
                                                 .heads = layer.nHeads,
                                                 .scale = c.attentionScale,
                                                 .softCap = c.attentionSoftCap,
                                                 .window = layer.window,
                                                 .sinks = w.sinks});
    addOutput(list, p, mixed, w.o, w.oBias, w.attnPostNorm);
}

void addFeedForward(kernels::OperationList& list, const ForwardParts& p, int index) {
    const ModelConfig& c = p.config;
    const LayerConfig& layer = c.layers[static_cast<size_t>(index)];
    const LayerWeights& w = p.weights.layers[static_cast<size_t>(index)];
    const ForwardBuffers& b = p.buffers;
    const Tensor gate = narrowed(b.gate, layer.ffnDim);
    const Tensor up = narrowed(b.up, layer.ffnDim);

    const Activations in = addInput(list, p, w.ffnNorm, w.ffnNormBias, {&w.gate, &w.up});
    kernels::MatMul products{.x = in};
    if (c.gated)
        products.parts.push_back({.weight = w.gate, .bias = w.gateBias, .out = gate});
    products.parts.push_back({.weight = w.up, .bias = w.upBias, .out = up});
    list.operations.push_back(std::move(products));
    const Activations hidden = forProducts(b.hidden, layer.ffnDim, p.numerics, {&w.down});
    list.operations.push_back(kernels::Activate{
        .kind = c.activation, .gate = c.gated ? gate : up, .up = c.gated ? up : Tensor{}, .out = hidden});
    addOutput(list, p, hidden, w.down, w.downBias, w.ffnPostNorm);
}

void addPick(kernels::OperationList& list, const ForwardParts& p) {
    list.operations.push_back(kernels::PickRows{.x = p.buffers.x, .out = p.buffers.picked});
}

void addHead(kernels::OperationList& list, const ForwardParts& p, const Tensor& from) {
    const ModelConfig& c = p.config;
    const ModelWeights& w = p.weights;
    Activations in = forProducts(p.buffers.normed, c.dModel, p.numerics, {&w.head});
    in.f32.rows = from.rows;
    in.q8.rows = from.rows;
    list.operations.push_back(kernels::Norm{
        .kind = c.norm, .eps = c.normEps, .x = from, .weight = w.outputNorm, .bias = w.outputNormBias, .out = in});
    list.operations.push_back(
        kernels::MatMul{.x = in, .parts = {{.weight = w.head, .bias = w.headBias, .out = p.buffers.logits}}});
}

} // namespace hearth::engine
