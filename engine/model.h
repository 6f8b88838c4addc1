#pragma once

#include "engine/checkpoint.h"
#include "engine/numerics.h"
#include "kernels/backend.h"
#include "kernels/operation.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// What mixes the tokens of a layer.
enum class Mixer : uint8_t { Attention, Latent, ShortConv, DeltaNet };

/// What may differ from layer to layer.
struct LayerConfig {
    Mixer mixer = Mixer::Attention;
    int nHeads = 0;
    int nKvHeads = 0;
    int ffnDim = 0; // hidden width of the dense feed-forward block
    int window = 0; // tokens a layer looks back, its own position included; 0: all
    int rope = 0;   // index into ModelConfig::ropes; -1: no rope
    bool experts = false;

    // How the file stores it.
    bool fusedQkv = false;     // q, k and v are the rows of one tensor
    bool fusedGateUp = false;  // so are gate and up
    bool splitExperts = false; // each expert's matrices are tensors of their own
};

/// One kind of rotation.
struct RopeConfig {
    int dims = 0; // columns of each head that are turned
    float theta = 10000.0f;
    std::vector<float> factors; // (sets, dims / 2) divides each frequency; empty: all 1
    float attentionFactor = 1.0f;
    int border = 0; // sequences of more tokens than this turn by the second set of factors; 0: there is one set
};

/// Mixture of experts; count 0: the model has none.
struct ExpertConfig {
    int count = 0;
    int used = 0;            // by each token
    int ffnDim = 0;          // hidden width of one expert
    int sharedFfnDim = 0;    // hidden width of what every token passes; 0: none
    bool sharedGate = false; // the shared expert has a gate of its own
    kernels::GateKind gate = kernels::GateKind::Softmax;
    int groups = 1, topGroups = 1;
    kernels::GroupScore groupScore = kernels::GroupScore::Best;
    bool normalize = false;
    float scale = 1.0f;
};

/// Multi-head latent attention (DeepSeek-V2, section 2.1). Query heads are [nope | rope].
struct LatentConfig {
    int qRank = 0;  // of the compressed query; 0: it is not compressed
    int kvRank = 0; // of the latent; 0: the model has no such layers
    int nopeDim = 0, ropeDim = 0, vDim = 0;
    bool joint = false; // the file has k_b and v_b in one tensor
};

/// Gated delta net; valueHeads 0: the model has no such layers.
struct DeltaConfig {
    int keyHeads = 0, valueHeads = 0;
    int keyDim = 0, valueDim = 0;
    int kernel = 0;     // of the convolution before it
    bool tiled = false; // value head h reads key head h % keyHeads instead of h / (valueHeads / keyHeads)
    bool joint = false; // the file has beta and alpha in one tensor, by key head
};

enum class QkNorm : uint8_t { None, Head, EachHead, Row }; // over each head (with weights of its own), or all together

/// How a layer's two blocks meet the residual stream.
enum class Residual : uint8_t {
    Serial,   // x += attention(x); x += ffn(x)
    Parallel, // x += attention(x) + ffn(x)
};

/// What a family calls the norms that others call otherwise.
struct NormNames {
    std::string_view attn = "attn_norm";               // before attention
    std::string_view ffn = "ffn_norm";                 // before the feed-forward block
    std::string_view attnPost = "post_attention_norm"; // of what attention adds
    std::string_view ffnPost = "post_ffw_norm";        // of what the feed-forward block adds
    std::string_view attnOut = "attn_output_norm";     // of the residual stream after attention
    std::string_view ffnOut = "layer_output_norm";     // and after the feed-forward block
    std::string_view output = "output_norm";
};

/// What a model is, as data. A family is a short function from metadata to this (engine/models/).
struct ModelConfig {
    std::string family;
    int nVocab = 0; // rows of the embedding; the tokenizer may know fewer
    int dModel = 0;
    int headDim = 0;  // of queries and keys
    int vHeadDim = 0; // of values
    int trainedContext = 0;
    int mostContext = 0; // tokens that a load may have at most; 0: any number
    std::vector<LayerConfig> layers;
    int nextnLayers = 0; // further layers of the file that only guess tokens ahead and take no part
    ExpertConfig experts;
    LatentConfig latent;
    DeltaConfig delta;
    int shortConv = 0; // kernel of the ShortConv layers

    kernels::NormKind norm = kernels::NormKind::Rms;
    float normEps = 1e-5f;
    NormNames names;
    bool preNorm = true;     // before each block
    bool postNorm = false;   // after each block, before it is added
    bool streamNorm = false; // of the residual stream after each block (post-norm of the first transformers)
    bool outputNorm = true;  // before the head
    bool embeddingNorm = false;
    Residual residual = Residual::Serial;
    bool sharedNorm = false; // Parallel: both blocks read the same normed stream
    QkNorm qkNorm = QkNorm::None;
    bool qkNormAfterRope = false;

    kernels::RopeOrder ropeOrder = kernels::RopeOrder::Neox;
    std::vector<RopeConfig> ropes; // kinds that layers name; empty: none turns
    int learnedPositions = 0;      // rows of a table that is added to the embedding; 0: none
    int tokenTypes = 0;            // rows of a table of token types, whose row 0 is added too; 0: none

    float attentionScale = 0.0f;
    float attentionSoftCap = 0.0f; // 0: none
    bool attentionGate = false;    // attention's output is multiplied by sigmoid of a gate that q carries
    bool sinks = false;            // a learned logit a head that takes part in the softmax only
    bool causal = true;            // false: an encoder

    kernels::ActivationKind activation = kernels::ActivationKind::Silu;
    bool gated = true; // act(gate) * up, else act(up)

    float embeddingScale = 1.0f;
    float residualScale = 1.0f;
    float logitScale = 1.0f;
    float logitSoftCap = 0.0f; // 0: none

    bool firstNormAbsent = false; // layer 0 reads the stream as it is (ModernBERT)
};

/// A vector or matrix that a family needs, by the name it has in the file.
struct TensorSpec {
    std::string name;
    int64_t rows = 1; // outputs
    int64_t cols = 0; // inputs
    bool required = true;
    bool vector = false; // read as f32
};

/// A product's matrix as blocks of rows, in the order of the outputs: mostly one, several where the file mixes them
/// with others'. Each has its part of the bias.
struct Linear {
    struct Piece {
        kernels::Tensor weight; // (rows of the block, inputs)
        kernels::Tensor bias;   // (1, rows of the block), may be absent
    };

    std::vector<Piece> pieces;

    bool present() const { return !pieces.empty() && pieces.front().weight.present(); }
};

/// The matrices of all experts for one product.
struct ExpertLinear {
    std::vector<kernels::Tensor> weights; // (count) of (outputs, inputs)
    kernels::Tensor bias;                 // (count, outputs), may be absent
};

/// Views of the weights, in the backend's memory. Absent ones are not present().
struct LayerWeights {
    kernels::Tensor attnNorm, attnNormBias;    // (1, dModel)
    Linear q, k, v, o;                         // (nHeads*headDim | nKvHeads*headDim | nKvHeads*vHeadDim, dModel), back
    kernels::Tensor qNorm, kNorm;              // by QkNorm
    Linear attnGate;                           // (nHeads*vHeadDim, dModel)
    kernels::Tensor sinks;                     // (1, nHeads)
    kernels::Tensor attnPostNorm, ffnPostNorm; // (1, dModel)
    kernels::Tensor attnOutNorm, attnOutNormBias; // (1, dModel)
    kernels::Tensor ffnOutNorm, ffnOutNormBias;   // (1, dModel)
    kernels::Tensor ffnNorm, ffnNormBias;         // (1, dModel)
    Linear gate, up;                              // (ffnDim, dModel)
    Linear down;                                  // (dModel, ffnDim)

    // Experts.
    kernels::Tensor router, routerBias, choiceBias; // (count, dModel), (1, count), (1, count)
    ExpertLinear expertGate, expertUp, expertDown;
    Linear sharedGate, sharedUp, sharedDown; // of the shared expert
    kernels::Tensor sharedRouter;            // (1, dModel)

    // Latent attention; q is what meets the latent, head by head.
    Linear qRope;                    // (nHeads*ropeDim, qRank or dModel)
    Linear qA;                       // (qRank, dModel)
    kernels::Tensor qANorm;          // (1, qRank)
    Linear kvA;                      // (kvRank, dModel)
    Linear kRope;                    // (ropeDim, dModel)
    kernels::Tensor kvANorm;         // (1, kvRank)
    std::vector<kernels::Tensor> kB; // (nHeads) of (kvRank, nopeDim)
    std::vector<kernels::Tensor> vB; // (nHeads) of (vDim, kvRank)

    // Recurrent mixers. ShortConv: x * b, convolved, * c.
    Linear convB, convC, convX;    // (dModel, dModel)
    kernels::Tensor conv;          // (channels, kernel)
    Linear z;                      // (valueHeads*valueDim, dModel): the gate of the output
    Linear alpha, beta;            // (valueHeads, dModel)
    kernels::Tensor decay, dtBias; // (1, valueHeads)
    kernels::Tensor mixerNorm;     // (1, valueDim)
};

struct ModelWeights {
    kernels::Tensor embedding;                        // (nVocab, dModel)
    kernels::Tensor positions;                        // (learnedPositions, dModel)
    kernels::Tensor tokenTypes;                       // (types, dModel)
    kernels::Tensor embeddingNorm, embeddingNormBias; // (1, dModel)
    kernels::Tensor outputNorm, outputNormBias;       // (1, dModel)
    kernels::Tensor head, headBias;                   // (nVocab, dModel); the embedding where the head is tied
    std::vector<kernels::Tensor> ropeFactors;         // (ropes) of (sets, dims / 2)
    std::vector<LayerWeights> layers;
};

/// Finds the family, reads its configuration, checks that every tensor is there in the right shape and of a type that
/// can be read. Throws Error that names what is wrong, and what the file is.
ModelConfig readModelConfig(const Checkpoint&);

/// Bytes of what is made of the file's tensors because no kernel can read it as it lies: k_b of latent attention where
/// the file has it joined with v_b.
uint64_t derivedBytes(const ModelConfig&, Numerics);

/// Makes a checked checkpoint's tensors usable by the backend, where they lie. Small vectors that are not stored as f32
/// are converted. The checkpoint must outlive the result; `memories` must be released by the owner.
ModelWeights bindWeights(const Checkpoint&, const ModelConfig&, Numerics, kernels::Backend&,
                         std::vector<kernels::MemoryId>& memories);

/// One line on what a file is, for errors: "a llama model of 135 M parameters in Q4_1".
std::string describe(const Checkpoint&);

uint64_t parameterCount(const Checkpoint&);
/// The type that holds most of the weights' numbers: "Q4_K".
std::string mainType(const Checkpoint&);

} // namespace hearth::engine
