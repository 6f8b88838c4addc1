#include "engine/models/family.h"

#include "engine/error.h"

#include <cmath>

namespace hearth::engine {

/// DeepSeek V2, V3 and R1, and what shares their architecture: multi-head latent attention, the first layers dense, the
/// others with shared and routed experts. The "Lite" form has no compressed query.
ModelConfig deepseekConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.ropeOrder = kernels::RopeOrder::Interleaved;

    LatentConfig& l = c.latent;
    l.qRank = file.hasTensor("blk.0.attn_q_a.weight") ? file.required("attention.q_lora_rank", 1, 1 << 16) : 0;
    l.kvRank = file.required("attention.kv_lora_rank", 1, 3072);
    l.ropeDim = file.required("rope.dimension_count", 2, 1024);
    // Files before the split of kv_b have the heads' own widths under the plain keys.
    const bool split = file.hasKey("attention.key_length_mla");
    const int headDim = file.required(split ? "attention.key_length_mla" : "attention.key_length", 1, 1024);
    l.vDim = file.required(split ? "attention.value_length_mla" : "attention.value_length", 1, 1024);
    l.nopeDim = headDim - l.ropeDim;
    l.joint = !file.hasTensor("blk.0.attn_k_b.weight");
    if (l.nopeDim < 1)
        throw Error("Its heads have " + std::to_string(headDim) + " numbers, of which " + std::to_string(l.ropeDim) +
                    " turn: nothing is left.");
    c.headDim = headDim;
    c.vHeadDim = l.vDim;
    for (LayerConfig& layer : c.layers)
        layer.mixer = Mixer::Latent;

    // YaRN's magnitude is in the scale of the scores, not in sine and cosine (their code: mscale, mscale_all_dim).
    double scale = 1.0 / std::sqrt(static_cast<double>(headDim));
    if (file.text("rope.scaling.type", "") == "yarn" && file.hasKey("rope.scaling.yarn_log_multiplier")) {
        const float factor = file.number("rope.scaling.factor", 1, 1e6, 1);
        const float magnitude = yarnMagnitude(factor, 10 * file.number("rope.scaling.yarn_log_multiplier", 0, 1e3, 0));
        scale *= static_cast<double>(magnitude) * static_cast<double>(magnitude);
        c.ropes.front().attentionFactor = file.number("rope.scaling.attn_factor", 1e-6, 1e6, 1.0);
    }
    c.attentionScale = static_cast<float>(scale);

    // V3 chooses groups by their two best experts, V2 by the best one.
    const bool sigmoid = c.experts.gate == kernels::GateKind::Sigmoid;
    if (sigmoid)
        c.experts.groupScore = kernels::GroupScore::TwoBest;
    // Older files do not say how the experts of their makers' large models are grouped.
    if (!file.hasKey("expert_group_count") && c.experts.count == (sigmoid ? 256 : 160)) {
        c.experts.groups = 8;
        c.experts.topGroups = sigmoid ? 4 : 3;
    }
    return c;
}

/// dots.llm1: DeepSeek-V3's experts with ordinary attention.
ModelConfig dotsConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.qkNorm = QkNorm::Head;
    c.experts.groupScore = kernels::GroupScore::TwoBest;
    return c;
}

} // namespace hearth::engine
