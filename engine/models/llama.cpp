#include "engine/models/family.h"

#include <cmath>

namespace hearth::engine {

/// Llama 2 and 3, Mistral, Mixtral, SmolLM2, InternLM3 and whatever else is stored as family "llama": RMS norms before
/// the blocks, grouped query attention with rope, SwiGLU, experts in Mixtral. Biases and an untied head count where the
/// file has them.
ModelConfig llamaConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    // A GGUF's converter permuted the rows of q and k, so that rope turns neighbours; a folder has them as trained.
    c.ropeOrder = file.flag("rope.halves", false) ? kernels::RopeOrder::Neox : kernels::RopeOrder::Interleaved;
    c.experts.normalize = true;
    return c;
}

/// SmolLM3: every fourth layer turns nothing, or those that a folder names.
ModelConfig smollm3Config(const FamilyFile& file) {
    ModelConfig c = llamaConfig(file);
    const int interval = file.optional("attention.no_rope_interval", 1, 512, 4);
    const Value* which = file.checkpoint().metadata().find(file.name("attention.rope_layers"));
    const auto* turned = which ? std::get_if<std::vector<bool>>(which) : nullptr;
    for (size_t i = 0; i < c.layers.size(); ++i)
        if (turned && i < turned->size() ? !(*turned)[i] : (i + 1) % static_cast<size_t>(interval) == 0)
            c.layers[i].rope = -1;
    return c;
}

/// MiniCPM 1 and 2 (Hu et al. 2024, section 4.1): embedding, blocks and logits have scales of their own.
ModelConfig minicpmConfig(const FamilyFile& file) {
    ModelConfig c = llamaConfig(file);
    // Files without the keys are of the first models, whose makers have these numbers.
    if (!file.hasKey("embedding_scale"))
        c.embeddingScale = 12.0f;
    if (!file.hasKey("residual_scale"))
        c.residualScale = 1.4f / std::sqrt(static_cast<float>(c.layers.size()));
    c.logitScale = 1.0f / file.number("logit_scale", 1e-6, 1e6, c.dModel / 256.0); // d_model / dim_model_base
    return c;
}

/// Granite 3, dense and with experts: scales everywhere, that of attention included.
ModelConfig graniteConfig(const FamilyFile& file) {
    ModelConfig c = llamaConfig(file);
    c.logitScale = 1.0f / file.number("logit_scale", 1e-6, 1e6, 1.0);
    c.experts.gate = kernels::GateKind::SoftmaxOfChosen;
    return c;
}

} // namespace hearth::engine
