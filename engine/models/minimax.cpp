#include "engine/models/family.h"

namespace hearth::engine {

/// MiniMax-M2: q and k normed over all heads together, partial rope, experts with a bias for the choice.
ModelConfig minimaxConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.qkNorm = QkNorm::Row;
    c.experts.normalize = true;
    return c;
}

} // namespace hearth::engine
