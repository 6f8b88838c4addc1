#include "engine/models/family.h"

namespace hearth::engine {

/// Hunyuan dense: q and k are normed after they were turned.
ModelConfig hunyuanConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.qkNorm = QkNorm::Head;
    c.qkNormAfterRope = true;
    return c;
}

} // namespace hearth::engine
