#include "engine/models/family.h"

namespace hearth::engine {

/// LFM2, dense and with experts: short convolutions, and attention in the layers that have key-value heads.
ModelConfig lfm2Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.qkNorm = QkNorm::Head;
    // Files before 2025-10 call the last norm as if it were the embedding's.
    if (!file.hasTensor("output_norm.weight"))
        c.names.output = "token_embd_norm";
    c.shortConv = file.required("shortconv.l_cache", 2, 64);
    c.experts.normalize = file.flag("expert_weights_norm", true);
    for (LayerConfig& layer : c.layers)
        if (layer.nKvHeads == 0)
            layer.mixer = Mixer::ShortConv;
    return c;
}

} // namespace hearth::engine
