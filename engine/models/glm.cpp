#include "engine/models/family.h"

namespace hearth::engine {

/// GLM-4 (0414): norms before and after each block, rope over half of the head.
ModelConfig glm4Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.ropeOrder = kernels::RopeOrder::Interleaved;
    c.postNorm = true;
    return c;
}

/// GLM-4.5 and 4.6: DeepSeek-V3's experts, attention with biases and, in some sizes, normed q and k.
ModelConfig glm4MoeConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.names.ffn = "post_attention_norm";
    c.qkNorm = file.hasTensor("blk.0.attn_q_norm.weight") ? QkNorm::Head : QkNorm::None;
    if (!file.hasKey("expert_gating_func"))
        c.experts.gate = kernels::GateKind::Sigmoid;
    c.experts.groupScore = kernels::GroupScore::TwoBest;
    return c;
}

} // namespace hearth::engine
