#include "engine/models/family.h"

namespace hearth::engine {

/// StableLM 1.6B, 3B and 12B: layer norms, partial rope; the largest has both blocks side by side and norms q and k by
/// head.
ModelConfig stablelmConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    // Not the key use_parallel_residual: published files of the smaller models have it true and mean nothing by it.
    if (!file.hasTensor("blk.0.ffn_norm.weight")) {
        c.residual = Residual::Parallel;
        c.sharedNorm = true;
    }
    c.qkNorm = file.hasTensor("blk.0.attn_q_norm.weight") ? QkNorm::EachHead : QkNorm::None;
    return c;
}

} // namespace hearth::engine
