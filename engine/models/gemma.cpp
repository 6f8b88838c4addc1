#include "engine/models/family.h"

#include <cmath>

namespace hearth::engine {

namespace {

/// The published models with heads of 128 (the 27B ones) scale queries by dModel / nHeads instead of the head's width;
/// no key of a GGUF says so, but `attention.scale` would.
float gemmaScale(const FamilyFile& file, const ModelConfig& c) {
    const double perHead = c.headDim == 128 ? static_cast<double>(c.dModel) / c.layers.front().nHeads : c.headDim;
    return file.number("attention.scale", 1e-6, 1e6, 1.0 / std::sqrt(perHead));
}

} // namespace

/// Gemma 1: RMS norms (the file's weights have the 1 added), GeGLU, embeddings times sqrt(dModel).
ModelConfig gemmaConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.activation = kernels::ActivationKind::GeluTanh;
    c.embeddingScale = std::sqrt(static_cast<float>(c.dModel));
    return c;
}

/// Gemma 2: norms before and after each block, every second layer looks back over a window, soft caps.
ModelConfig gemma2Config(const FamilyFile& file) {
    ModelConfig c = gemmaConfig(file);
    c.postNorm = true;
    c.attentionScale = gemmaScale(file, c);
    c.attentionSoftCap = file.number("attn_logit_softcapping", 0, 1e6, 50.0);
    c.logitSoftCap = file.number("final_logit_softcapping", 0, 1e6, 30.0);
    alternateWindows(file, c, 2, 4096);
    return c;
}

/// Gemma 3: five layers with a window and a rope of their own, then one that sees all, its rope scaled; q and k normed.
ModelConfig gemma3Config(const FamilyFile& file) {
    ModelConfig c = gemmaConfig(file);
    c.postNorm = true;
    c.qkNorm = QkNorm::Head;
    c.attentionScale = gemmaScale(file, c);
    c.attentionSoftCap = file.number("attn_logit_softcapping", 0, 1e6, 0);
    c.logitSoftCap = file.number("final_logit_softcapping", 0, 1e6, 0);
    alternateWindows(file, c, 6);
    addWindowRope(file, c, 10000.0);
    return c;
}

} // namespace hearth::engine
