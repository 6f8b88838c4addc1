#include "engine/models/family.h"

namespace hearth::engine {

/// GPT-2: layer norms, learned positions, a plain feed-forward block, biases everywhere.
ModelConfig gpt2Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.ropes.clear();
    c.learnedPositions = c.trainedContext;
    c.mostContext = c.trainedContext;
    c.activation = kernels::ActivationKind::GeluTanh;
    c.gated = false;
    return c;
}

/// GPT-NeoX and Pythia: layer norms, partial rope, both blocks side by side (mostly), each behind a norm of its own.
ModelConfig gptNeoxConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.residual = file.flag("use_parallel_residual", true) ? Residual::Parallel : Residual::Serial;
    c.activation = kernels::ActivationKind::GeluErf;
    c.gated = false;
    return c;
}

/// StarCoder 2: layer norms, grouped queries, a plain feed-forward block, biases everywhere.
ModelConfig starcoder2Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.activation = kernels::ActivationKind::GeluTanh;
    c.gated = false;
    return c;
}

} // namespace hearth::engine
