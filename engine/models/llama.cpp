#include "engine/error.h"
#include "engine/model.h"

#include <cmath>

namespace hearth::engine {

/// Llama 2 and 3, Mistral, SmolLM2 and whatever else is stored as family "llama": RMS norms before the blocks, grouped
/// query attention with rope, SwiGLU. Biases and an untied head count where the file has them.
ModelConfig llamaConfig(const Checkpoint& checkpoint) {
    const FamilyKeys keys(checkpoint.metadata(), "llama");
    if (keys.optional("expert_count", 0, 4096, 0) > 0)
        throw Error("It is a mixture of experts, which this version cannot run.");

    ModelConfig c;
    c.family = "llama";
    c.dModel = keys.required("embedding_length", 1, 1 << 17);
    c.trainedContext = keys.optional("context_length", 1, 1 << 27, 4096);
    c.norm = kernels::NormKind::Rms;
    c.normEps = keys.number("attention.layer_norm_rms_epsilon", 0, 1, 1e-5);

    const int nLayers = keys.required("block_count", 1, 512);
    const std::vector<int> nHeads = keys.perLayer("attention.head_count", nLayers, 1, 4096);
    const std::vector<int> ffnDim = keys.perLayer("feed_forward_length", nLayers, 1, 1 << 20);
    const std::vector<int> window = keys.perLayer("attention.sliding_window", nLayers, 0, 1 << 30, 0);
    for (int i = 0; i < nLayers; ++i) {
        const auto l = static_cast<size_t>(i);
        c.layers.push_back({.nHeads = nHeads[l], .ffnDim = ffnDim[l], .window = window[l]});
    }
    // Without grouped queries the key may be missing: as many as query heads.
    const std::vector<int> nKvHeads = keys.perLayer("attention.head_count_kv", nLayers, 1, 4096, nHeads[0]);
    for (int i = 0; i < nLayers; ++i)
        c.layers[static_cast<size_t>(i)].nKvHeads = nKvHeads[static_cast<size_t>(i)];

    c.headDim = keys.optional("attention.key_length", 1, 1024, c.dModel / nHeads[0]);
    c.vHeadDim = keys.optional("attention.value_length", 1, 1024, c.headDim);
    c.attentionScale = 1.0f / std::sqrt(static_cast<float>(c.headDim));

    // A GGUF's converter permuted the rows of q and k, so that rope turns neighbours; a folder has them as trained.
    c.ropeOrder = checkpoint.metadata().boolean("llama.rope.halves", false) ? kernels::RopeOrder::Neox
                                                                            : kernels::RopeOrder::Interleaved;
    c.ropeDims = keys.optional("rope.dimension_count", 0, 1024, c.headDim);
    c.ropeTheta = keys.number("rope.freq_base", 1, 1e12, 10000.0);
    readRopeScaling(checkpoint, keys, c);
    return c;
}

} // namespace hearth::engine
