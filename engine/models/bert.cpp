#include "engine/models/family.h"

#include <algorithm>

namespace hearth::engine {

namespace {

/// Rows of the table of token types; a text alone has type 0 throughout.
int tokenTypes(const FamilyFile& file) {
    const TensorEntry* table = file.checkpoint().find("token_types.weight");
    return table ? static_cast<int>(std::min<int64_t>(table->rows(), 1 << 16)) : 0;
}

} // namespace

/// BERT: an encoder with learned positions; the stream is normed after each block.
ModelConfig bertConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.causal = false;
    c.ropes.clear();
    c.learnedPositions = c.trainedContext;
    c.mostContext = c.trainedContext;
    c.tokenTypes = tokenTypes(file);
    c.embeddingNorm = true;
    c.preNorm = false;
    c.streamNorm = true;
    c.outputNorm = false;
    c.activation = kernels::ActivationKind::GeluErf;
    c.gated = false;
    return c;
}

/// Nomic-BERT: BERT with rope and SwiGLU.
ModelConfig nomicBertConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.causal = false;
    c.tokenTypes = tokenTypes(file);
    c.embeddingNorm = true;
    c.preNorm = false;
    c.streamNorm = true;
    c.outputNorm = false;
    return c;
}

/// ModernBERT: norms before the blocks (but none before the first), windows to both sides on two of three layers, each
/// kind with a rope of its own, GeGLU.
ModelConfig modernBertConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.norm = kernels::NormKind::Layer;
    c.normEps = file.number("attention.layer_norm_epsilon", 0, 1, 1e-5);
    c.causal = false;
    c.embeddingNorm = true;
    c.firstNormAbsent = true;
    c.activation = kernels::ActivationKind::GeluErf;
    alternateWindows(file, c, 3, 0, true);
    addWindowRope(file, c, 10000.0);
    return c;
}

} // namespace hearth::engine
