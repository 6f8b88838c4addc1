#pragma once

// What the blocks of a layer share. Internal to engine/layers.

#include "engine/layers/forward.h"

namespace hearth::engine {

/// A buffer that is wide enough for every layer, seen at the width of one.
inline kernels::Tensor narrowed(kernels::Tensor tensor, int64_t cols) {
    tensor.cols = cols;
    return tensor;
}

/// Columns [first, first + cols) of f32 rows.
inline kernels::Tensor columns(kernels::Tensor tensor, int64_t first, int64_t cols) {
    tensor.offset += static_cast<uint64_t>(first) * sizeof(float);
    tensor.cols = cols;
    return tensor;
}

/// The forms of an input that its products read: 8-bit for quantized weights in fast numerics, floats otherwise.
class Forms {
public:
    explicit Forms(Numerics numerics) : numerics_(numerics) {}

    Forms& read(const kernels::Tensor& weight);
    Forms& read(const Linear&);
    Forms& read(const std::vector<kernels::Tensor>&);

    bool f32() const { return f32_; }

    bool q8() const { return q8_; }

    /// Those of `all` that are read, `cols` wide.
    kernels::Activations of(const kernels::Activations& all, int64_t cols) const;

private:
    Numerics numerics_;
    bool f32_ = false, q8_ = false;
};

/// A place in the list of one layer.
struct Block {
    kernels::OperationList& list;
    const ForwardParts& p;
    const LayerConfig& layer;
    const LayerWeights& w;
    const LayerMemory& memory;

    void add(kernels::Operation operation) const { list.operations.push_back(std::move(operation)); }

    /// Parts of a product whose outputs lie one after the other in `out`.
    static void addParts(kernels::MatMul&, const Linear&, const kernels::Tensor& out, bool accumulate = false);
    /// One product alone.
    void addProduct(const kernels::Activations& x, const Linear&, const kernels::Tensor& out) const;
    void addRope(const kernels::Tensor& x, int heads, int headDim, int first) const;
    /// Norms `x` in place, in groups (0: the whole row), with the family's kind of norm.
    void addNorm(const kernels::Tensor& x, const kernels::Tensor& weight, int64_t groupCols) const;
    /// The product at the end of a block: straight onto the residual stream where nothing comes between.
    void addOutput(const kernels::Activations& in, const Linear&, const kernels::Tensor& postNorm) const;

    /// Whether what a block gives is added to the stream as it is.
    bool direct() const { return !p.config.postNorm && p.config.residualScale == 1.0f; }

    /// Adds `ForwardBuffers::delta` to the stream, normed and scaled as the family has it.
    void addDelta(const kernels::Tensor& postNorm) const;
};

void readFeedForward(Forms&, const LayerConfig&, const LayerWeights&);
void readMixer(Forms&, const LayerConfig&, const LayerWeights&);

// The mixers and the feed-forward block, from the normed stream to the residual stream.
void addAttention(const Block&, const kernels::Activations& in);
void addLatent(const Block&, const kernels::Activations& in);
void addShortConv(const Block&, const kernels::Activations& in);
void addDeltaNet(const Block&, const kernels::Activations& in);
void addFeedForward(const Block&, const kernels::Activations& in);

} // namespace hearth::engine
