#include "engine/models/family.h"

namespace hearth::engine {

/// gpt-oss: every second layer looks back over a window, sinks, biases, experts with a clamped SwiGLU. Its makers never
/// round the range of YaRN's ramp.
ModelConfig gptOssConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.names.ffn = "post_attention_norm";
    if (!c.ropes.empty())
        scaleRope(file, c.ropes.front(), false);
    c.sinks = true;
    c.activation = kernels::ActivationKind::ClampedSwiglu;
    c.experts.gate = kernels::GateKind::SoftmaxOfChosen;
    alternateWindows(file, c, 2);
    return c;
}

} // namespace hearth::engine
