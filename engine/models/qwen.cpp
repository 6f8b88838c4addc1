#include "engine/models/family.h"

#include "engine/error.h"

namespace hearth::engine {

/// Qwen 2 and 2.5, dense and with experts: biases on q, k, v; the shared expert has a gate.
ModelConfig qwen2Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.experts.sharedGate = file.hasTensor("blk.0.ffn_gate_inp_shexp.weight");
    return c;
}

/// Qwen 3, dense and with experts: a norm on each head of q and k.
ModelConfig qwen3Config(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.qkNorm = QkNorm::Head;
    c.experts.normalize = file.flag("expert_weights_norm", true);
    return c;
}

/// Qwen3-Next and Qwen 3.5, dense and with experts: three of four layers are gated delta nets, the others gated
/// attention with partial rope.
ModelConfig qwen3NextConfig(const FamilyFile& file) {
    ModelConfig c = qwen3Config(file);
    c.names.ffn = "post_attention_norm";
    c.attentionGate = true;
    c.experts.sharedGate = c.experts.sharedFfnDim > 0;

    c.delta.keyHeads = file.required("ssm.group_count", 1, 4096);
    c.delta.valueHeads = file.required("ssm.time_step_rank", 1, 4096);
    c.delta.keyDim = file.required("ssm.state_size", 1, 1024);
    c.delta.kernel = file.required("ssm.conv_kernel", 2, 64);
    const int inner = file.required("ssm.inner_size", 1, 1 << 20);
    c.delta.valueDim = inner / c.delta.valueHeads;
    if (c.delta.valueDim * c.delta.valueHeads != inner || c.delta.valueHeads % c.delta.keyHeads != 0)
        throw Error("Its recurrent layers have " + std::to_string(c.delta.valueHeads) + " heads, which " +
                    std::to_string(inner) + " numbers and " + std::to_string(c.delta.keyHeads) +
                    " key heads do not divide evenly.");
    // A GGUF of Qwen 3.5 has the value heads in another order than its makers, so that they take key heads in turn.
    c.delta.tiled = file.flag("ssm.value_heads_tiled", file.family() != "qwen3next");
    c.delta.joint = file.hasTensor("blk.0.ssm_ba.weight");

    const int interval = file.optional("full_attention_interval", 1, 512, 4);
    const Value* which = file.checkpoint().metadata().find(file.name("attention.recurrent_layers"));
    const auto* flags = which ? std::get_if<std::vector<bool>>(which) : nullptr;
    if (flags && flags->size() < c.layers.size())
        throw Error("The metadata key " + file.name("attention.recurrent_layers") + " has too few values.");
    for (size_t i = 0; i < c.layers.size(); ++i)
        if (flags ? (*flags)[i] : (i + 1) % static_cast<size_t>(interval) != 0)
            c.layers[i].mixer = Mixer::DeltaNet;
    return c;
}

} // namespace hearth::engine
