#include "engine/models/family.h"

namespace hearth::engine {

/// OLMo 2 and 3: norms after the blocks only, q and k normed over all heads together. OLMo 3 has windows on three of
/// four layers; its rope scaling is for the others.
ModelConfig olmo2Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.preNorm = false;
    c.postNorm = true;
    c.qkNorm = QkNorm::Row;
    if (file.hasKey("attention.sliding_window")) {
        alternateWindows(file, c, 4);
        addWindowRope(file, c, file.number("rope.freq_base", 1, 1e12, 10000.0));
    }
    // Files of OLMo 3 have the whole of YaRN's magnitude in this key, not what it is multiplied by.
    if (!c.ropes.empty() && file.text("rope.scaling.type", "") == "yarn" && file.hasKey("rope.scaling.attn_factor"))
        c.ropes.front().attentionFactor = file.number("rope.scaling.attn_factor", 1e-6, 1e6, 1.0);
    return c;
}

/// OLMoE: norms before the blocks, experts whose weights are not normalized.
ModelConfig olmoeConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.qkNorm = QkNorm::Row;
    return c;
}

} // namespace hearth::engine
