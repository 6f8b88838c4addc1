#include "engine/models/family.h"

namespace hearth::engine {

/// Phi-1.5 and Phi-2: layer norms, both blocks side by side behind one norm, a plain feed-forward block, biases.
ModelConfig phi2Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.residual = Residual::Parallel;
    c.sharedNorm = true;
    c.activation = kernels::ActivationKind::GeluTanh;
    c.gated = false;
    return c;
}

/// Phi-3 and Phi-4: as Llama, with joined tensors, LongRoPE, and in some a window.
ModelConfig phi3Config(const FamilyFile& file) {
    return commonConfig(file);
}

} // namespace hearth::engine
