#pragma once

#include "engine/checkpoint.h"
#include "kernels/backend.h"
#include "kernels/operation.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// What may differ from layer to layer.
struct LayerConfig {
    int nHeads = 0;
    int nKvHeads = 0;
    int ffnDim = 0; // hidden width of the feed-forward block
    int window = 0; // tokens a layer looks back, its own position included; 0: all
    bool rope = true;
};

enum class QkNorm : uint8_t { None, Head, Row }; // over each head, or over all heads together

/// What a model is, as data. A family is a short function from metadata to this (engine/models/).
struct ModelConfig {
    std::string family;
    int nVocab = 0; // rows of the embedding; the tokenizer may know fewer
    int dModel = 0;
    int headDim = 0;  // of queries and keys
    int vHeadDim = 0; // of values
    int trainedContext = 0;
    std::vector<LayerConfig> layers;

    kernels::NormKind norm = kernels::NormKind::Rms;
    float normEps = 1e-5f;
    bool preNorm = true;   // before each block
    bool postNorm = false; // after each block, before it is added
    QkNorm qkNorm = QkNorm::None;

    kernels::RopeOrder ropeOrder = kernels::RopeOrder::Interleaved;
    int ropeDims = 0; // the first dims of each head; 0: no rope
    float ropeTheta = 10000.0f;
    std::vector<float> ropeFactors; // (ropeDims / 2) divides each frequency; empty: all 1
    float ropeAttentionFactor = 1.0f;

    float attentionScale = 0.0f;
    float attentionSoftCap = 0.0f; // 0: none
    bool sinks = false;            // a learned logit a head that takes part in the softmax only

    kernels::ActivationKind activation = kernels::ActivationKind::Silu;
    bool gated = true; // act(gate) * up, else act(up)

    float embeddingScale = 1.0f;
    float residualScale = 1.0f;
    float logitScale = 1.0f;
    float logitSoftCap = 0.0f; // 0: none
};

/// A vector or matrix that a family needs, by the name it has in the file.
struct TensorSpec {
    std::string name;
    int64_t rows = 1; // outputs
    int64_t cols = 0; // inputs
    bool required = true;
    bool vector = false; // read as f32
};

/// Views of the weights, in the backend's memory. Absent ones are not present().
struct LayerWeights {
    kernels::Tensor attnNorm, attnNormBias;     // (1, dModel)
    kernels::Tensor q, qBias, qNorm;            // (nHeads*headDim, dModel)
    kernels::Tensor k, kBias, kNorm;            // (nKvHeads*headDim, dModel)
    kernels::Tensor v, vBias;                   // (nKvHeads*vHeadDim, dModel)
    kernels::Tensor o, oBias;                   // (dModel, nHeads*vHeadDim)
    kernels::Tensor sinks;                      // (1, nHeads)
    kernels::Tensor attnPostNorm, ffnPostNorm;  // (1, dModel)
    kernels::Tensor ffnNorm, ffnNormBias;       // (1, dModel)
    kernels::Tensor gate, gateBias, up, upBias; // (ffnDim, dModel)
    kernels::Tensor down, downBias;             // (dModel, ffnDim)
};

struct ModelWeights {
    kernels::Tensor embedding;                  // (nVocab, dModel)
    kernels::Tensor outputNorm, outputNormBias; // (1, dModel)
    kernels::Tensor head, headBias;             // (nVocab, dModel); the embedding where the head is tied
    kernels::Tensor ropeFactors;                // (1, ropeDims / 2)
    std::vector<LayerWeights> layers;
};

/// One family: how its metadata becomes a ModelConfig.
struct Architecture {
    std::string_view name; // general.architecture
    ModelConfig (*config)(const Checkpoint&);
};

std::span<const Architecture> architectures();

/// Finds the family, reads its configuration, checks that every tensor is there in the right shape and of a type that
/// can be read. Throws Error that names what is wrong, and what the file is.
ModelConfig readModelConfig(const Checkpoint&);

/// Every tensor of a model by name, shape and need, for checks and placement.
std::vector<TensorSpec> tensorSpecs(const ModelConfig&);

/// Makes a checked checkpoint's tensors usable by the backend, where they lie. Small vectors that are not stored as f32
/// are converted. The checkpoint must outlive the result; `memories` must be released by the owner.
ModelWeights bindWeights(const Checkpoint&, const ModelConfig&, kernels::Backend&,
                         std::vector<kernels::MemoryId>& memories);

/// One line on what a file is, for errors: "a llama model of 135 M parameters in Q4_1".
std::string describe(const Checkpoint&);

uint64_t parameterCount(const Checkpoint&);
/// The type that holds most of the weights' numbers: "Q4_K".
std::string mainType(const Checkpoint&);

// ---- helpers of the families

/// Reads keys under the family's prefix: key("block_count") is "llama.block_count".
class FamilyKeys {
public:
    FamilyKeys(const Metadata& metadata, std::string family) : metadata_(metadata), family_(std::move(family)) {}

    std::string name(std::string_view key) const { return family_ + "." + std::string(key); }

    int required(std::string_view key, int low, int high) const;
    int optional(std::string_view key, int low, int high, int fallback) const;
    float number(std::string_view key, double low, double high, double fallback) const;
    /// One value a layer, from a scalar or an array.
    std::vector<int> perLayer(std::string_view key, int nLayers, int low, int high, int fallback = -1) const;

private:
    const Metadata& metadata_;
    std::string family_;
};

/// Llama 3's scaling (transformers: rope_type "llama3"): long waves are stretched by `factor`, short ones stay, between
/// them a ramp. (dims / 2) divisors of the frequencies.
std::vector<float> llama3RopeFactors(int dims, float theta, float factor, float lowFrequencyFactor,
                                     float highFrequencyFactor, int originalContext);

/// Rope scaling of the keys `rope.scaling.*` and the tensor `rope_freqs.weight`, written into the config.
void readRopeScaling(const Checkpoint&, const FamilyKeys&, ModelConfig&);

ModelConfig llamaConfig(const Checkpoint&); // models/llama.cpp

} // namespace hearth::engine
