#pragma once

#include "engine/engine.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "kernels/operation.h"

#include <cstdint>
#include <vector>

namespace hearth::engine {

/// The buffers of one forward of R rows. Offsets into one memory; what is never alive together overlaps.
struct ForwardBuffers {
    kernels::Tensor x;           // (R, dModel) f32: the residual stream
    kernels::Activations normed; // (R, dModel): input of the products
    kernels::Tensor q;           // (R, nHeads*headDim) f32
    kernels::Tensor k;           // (R, nKvHeads*headDim) f32
    kernels::Tensor v;           // (R, nKvHeads*vHeadDim) f32
    kernels::Activations mixed;  // (R, nHeads*vHeadDim): what attention gives
    kernels::Tensor gate, up;    // (R, ffnDim) f32
    kernels::Activations hidden; // (R, ffnDim)
    kernels::Tensor delta;       // (R, dModel) f32: what a block adds, where it is normed or scaled first
    kernels::Tensor picked;      // (R, dModel) f32: rows whose logits are wanted
    kernels::Tensor logits;      // (R of the head, nVocab) f32
    uint64_t bytes = 0;
};

/// Pure: where the buffers of a forward lie in `memory`. `logitRows`: rows of the head, 0 for a forward without one.
ForwardBuffers layoutForward(const ModelConfig&, int rows, int logitRows, kernels::MemoryId memory);

/// Everything that the operations of a forward refer to.
struct ForwardParts {
    const ModelConfig& config;
    const ModelWeights& weights;
    Numerics numerics;
    ForwardBuffers buffers;
    std::vector<kernels::KvView> kv; // (nLayers)
};

// Each appends its operations to the list, which names them in the order of the computation.
void addEmbedding(kernels::OperationList&, const ForwardParts&);
void addAttention(kernels::OperationList&, const ForwardParts&, int layer);
void addFeedForward(kernels::OperationList&, const ForwardParts&, int layer);
void addPick(kernels::OperationList&, const ForwardParts&);
/// Final norm and head over the rows of `from`, (R, dModel).
void addHead(kernels::OperationList&, const ForwardParts&, const kernels::Tensor& from);

} // namespace hearth::engine
