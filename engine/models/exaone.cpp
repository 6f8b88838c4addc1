#include "engine/models/family.h"

namespace hearth::engine {

/// EXAONE 4: norms after the blocks only, q and k normed by head. With a window, layers that see all turn nothing.
ModelConfig exaone4Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.preNorm = false;
    c.postNorm = true;
    c.qkNorm = QkNorm::Head;
    if (file.optional("attention.sliding_window", 0, 1 << 30, 0) > 0) {
        alternateWindows(file, c, 4);
        for (LayerConfig& layer : c.layers)
            layer.rope = layer.window > 0 ? 0 : -1;
    }
    return c;
}

} // namespace hearth::engine
