#include "engine/models/family.h"

namespace hearth::engine {

/// ERNIE 4.5, dense and with experts (whose bias counts for the choice only).
ModelConfig ernieConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.ropeOrder = kernels::RopeOrder::Interleaved;
    c.experts.normalize = true;
    return c;
}

} // namespace hearth::engine
