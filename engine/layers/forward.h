#pragma once

#include "engine/model.h"
#include "engine/numerics.h"
#include "kernels/operation.h"

#include <cstdint>
#include <vector>

namespace hearth::engine {

/// What attention needs beside the stream, for the widest layer. H heads, Hkv key-value heads.
struct AttentionBuffers {
    kernels::Tensor q;          // (R, H*headDim) f32
    kernels::Tensor k;          // (R, Hkv*headDim) f32
    kernels::Tensor v;          // (R, Hkv*vHeadDim) f32
    kernels::Tensor gate;       // (R, H*vHeadDim) f32, with ModelConfig::attentionGate
    kernels::Tensor attended;   // (R, H*vHeadDim) f32, before the gate
    kernels::Activations mixed; // (R, H*vHeadDim)
};

/// Latent attention. In the absorbed form queries meet the latent itself; in the expanded form q is
/// (R, H*(nopeDim+ropeDim)), and nope and summed are not used.
struct LatentBuffers {
    kernels::Tensor qA;           // (R, qRank) f32: the compressed query
    kernels::Activations qNormed; // (R, qRank)
    kernels::Activations nope;    // (R, H*nopeDim), q8 by head
    kernels::Tensor q;            // (R, H*(kvRank+ropeDim)) f32, or wider
    kernels::Tensor k;            // (R, kvRank+ropeDim) f32: [latent | rope]
    kernels::Activations summed;  // (R, H*kvRank): weighted latents, q8 by head
    kernels::Activations mixed;   // (R, H*vDim)
};

/// Short convolutions.
struct ConvBuffers {
    kernels::Tensor b, c, x;    // (R, dModel) f32
    kernels::Tensor in, out;    // (R, dModel) f32: of the convolution
    kernels::Activations mixed; // (R, dModel)
};

/// Gated delta nets.
struct DeltaBuffers {
    kernels::Tensor qkv, conv;   // (R, channels) f32, before and after the convolution
    kernels::Tensor z;           // (R, Hv*valueDim) f32
    kernels::Tensor alpha, beta; // (R, Hv) f32
    kernels::Tensor out;         // (R, Hv*valueDim) f32
    kernels::Activations mixed;  // (R, Hv*valueDim)
};

struct FeedForwardBuffers {
    kernels::Tensor gate, up;    // (R, ffnDim) f32
    kernels::Activations hidden; // (R, ffnDim)
};

/// Experts. S slots: what each row's experts compute lies sorted by expert.
struct ExpertBuffers {
    kernels::Tensor logits; // (R, count) f32
    kernels::Routing routing;
    kernels::Activations in;     // (R*S, dModel)
    kernels::Tensor gate, up;    // (R*S, expert ffnDim) f32
    kernels::Activations hidden; // (R*S, expert ffnDim)
    kernels::Tensor out;         // (R*S, dModel) f32
    FeedForwardBuffers shared;   // (R, sharedFfnDim)
    kernels::Tensor sharedOut;   // (R, dModel) f32
    kernels::Tensor sharedGate;  // (R, 1) f32
};

/// The buffers of one forward of R rows. Offsets into one memory; what is never alive together overlaps.
struct ForwardBuffers {
    kernels::Tensor x;              // (R, dModel) f32: the residual stream
    kernels::Activations normed;    // (R, dModel): input of a block's products
    kernels::Activations ffnNormed; // (R, dModel): of the feed-forward block, where it runs beside attention
    kernels::Tensor delta;          // (R, dModel) f32: what a block adds, where it is normed or scaled first
    AttentionBuffers attention;
    LatentBuffers latent;
    ConvBuffers conv;
    DeltaBuffers deltaNet;
    FeedForwardBuffers ffn;
    ExpertBuffers experts;
    kernels::Tensor picked; // (R, dModel) f32: rows whose logits are wanted
    kernels::Tensor logits; // (R of the head, nVocab) f32
    uint64_t bytes = 0;
    uint64_t inputRows = 0, inputCols = 0; // of the products' largest input
};

/// Pure: where the buffers of a forward lie in `memory`. `logitRows`: rows of the head, 0 for a forward without one.
/// `floats`: no product takes 8-bit activations, which then get no place.
ForwardBuffers layoutForward(const ModelConfig&, int rows, int logitRows, kernels::MemoryId memory,
                             bool floats = false);

/// What a layer remembers: keys and values, or a state.
struct LayerMemory {
    kernels::KvView kv;
    kernels::StateView state;
};

/// Everything that the operations of a forward refer to.
struct ForwardParts {
    const ModelConfig& config;
    const ModelWeights& weights;
    Numerics numerics;
    ForwardBuffers buffers;
    std::vector<LayerMemory> memory; // (nLayers)
    bool expanded = false;           // latents are expanded: prompt tokens only
};

/// Bytes of a layer's recurrent state; 0: it has none.
uint64_t stateBytes(const ModelConfig&, const LayerConfig&);

// Each appends its operations to the list, which names them in the order of the computation.
void addEmbedding(kernels::OperationList&, const ForwardParts&);
void addLayer(kernels::OperationList&, const ForwardParts&, int layer);
void addPick(kernels::OperationList&, const ForwardParts&);
/// Final norm and head over the rows of `from`, (R, dModel).
void addHead(kernels::OperationList&, const ForwardParts&, const kernels::Tensor& from);
/// Final norm alone, in place: what an encoder gives.
void addFinalNorm(kernels::OperationList&, const ForwardParts&);

} // namespace hearth::engine
