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
        c.ropes.push_back(
            {.dims = c.ropes.front().dims, .theta = file.number("rope.freq_base_swa", 1, 1e12, c.ropes.front().theta)});
        for (LayerConfig& layer : c.layers)
            layer.rope = layer.window > 0 ? 1 : 0;
    }
    return c;
}

/// OLMoE: norms before the blocks, experts whose weights are not normalized.
ModelConfig olmoeConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.qkNorm = QkNorm::Row;
    return c;
}

} // namespace hearth::engine
