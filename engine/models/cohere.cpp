#include "engine/models/family.h"

namespace hearth::engine {

/// Command R: layer norms without bias, both blocks side by side behind one norm. The largest norms q and k by head.
ModelConfig cohereConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.ropeOrder = kernels::RopeOrder::Interleaved;
    c.residual = Residual::Parallel;
    c.sharedNorm = true;
    c.qkNorm = file.hasTensor("blk.0.attn_q_norm.weight") ? QkNorm::EachHead : QkNorm::None;
    c.logitScale = file.number("logit_scale", 1e-6, 1e6, 1.0);
    return c;
}

/// Command R7B and A: three layers with a window and rope, then one that sees all and turns nothing.
ModelConfig cohere2Config(const FamilyFile& file) {
    ModelConfig c = cohereConfig(file);
    alternateWindows(file, c, 4);
    for (LayerConfig& layer : c.layers)
        layer.rope = layer.window > 0 ? 0 : -1;
    return c;
}

} // namespace hearth::engine
