#include "engine/layers/block.h"

namespace hearth::engine {

using kernels::Activations;
using kernels::Tensor;

namespace {

kernels::StateView at(kernels::StateView state, uint64_t offset) {
    state.offset += offset;
    return state;
}

uint64_t convBytes(int64_t channels, int64_t kernel) {
    return static_cast<uint64_t>((kernel - 1) * channels) * sizeof(float);
}

int64_t deltaChannels(const DeltaConfig& n) {
    return 2 * int64_t{n.keyHeads} * n.keyDim + int64_t{n.valueHeads} * n.valueDim;
}

} // namespace

uint64_t stateBytes(const ModelConfig& c, const LayerConfig& layer) {
    const DeltaConfig& n = c.delta;
    switch (layer.mixer) {
    case Mixer::ShortConv:
        return convBytes(c.dModel, c.shortConv);
    case Mixer::DeltaNet:
        return convBytes(deltaChannels(n), n.kernel) + static_cast<uint64_t>(n.valueHeads) *
                                                           static_cast<uint64_t>(n.keyDim) *
                                                           static_cast<uint64_t>(n.valueDim) * sizeof(float);
    case Mixer::Attention:
    case Mixer::Latent:
        break;
    }
    return 0;
}

/// LFM2's mixer: [b, c, x] of the input; c * conv(b * x).
void addShortConv(const Block& b, const Activations& in) {
    const ConvBuffers& a = b.p.buffers.conv;
    kernels::MatMul products{.x = in};
    Block::addParts(products, b.w.convB, a.b);
    Block::addParts(products, b.w.convC, a.c);
    Block::addParts(products, b.w.convX, a.x);
    b.add(std::move(products));
    const auto multiply = [&](const Tensor& x, const Tensor& y, const Activations& out) {
        b.add(kernels::Activate{.kind = kernels::ActivationKind::Identity, .gate = x, .up = y, .out = out});
    };
    multiply(a.b, a.x, {.f32 = a.in});
    b.add(kernels::CausalConv{.x = a.in, .weight = b.w.conv, .out = a.out, .state = b.memory.state});
    const Activations mixed = Forms(b.p.numerics).read(b.w.o).of(a.mixed, b.p.config.dModel);
    multiply(a.c, a.out, mixed);
    b.addOutput(mixed, b.w.o, b.w.attnPostNorm);
}

/// Gated delta net: q, k and v pass a convolution, the recurrence mixes them, its output is normed by head and gated.
void addDeltaNet(const Block& b, const Activations& in) {
    const ModelConfig& c = b.p.config;
    const DeltaConfig& n = c.delta;
    const DeltaBuffers& a = b.p.buffers.deltaNet;
    const int64_t keys = int64_t{n.keyHeads} * n.keyDim, values = int64_t{n.valueHeads} * n.valueDim;

    kernels::MatMul products{.x = in};
    Block::addParts(products, b.w.q, a.qkv);
    Block::addParts(products, b.w.z, a.z);
    Block::addParts(products, b.w.alpha, a.alpha);
    Block::addParts(products, b.w.beta, a.beta);
    b.add(std::move(products));
    b.add(kernels::CausalConv{.x = a.qkv, .weight = b.w.conv, .out = a.conv, .silu = true, .state = b.memory.state});
    b.add(kernels::DeltaNet{.q = columns(a.conv, 0, keys),
                            .k = columns(a.conv, keys, keys),
                            .v = columns(a.conv, 2 * keys, values),
                            .alpha = a.alpha,
                            .beta = a.beta,
                            .a = b.w.decay,
                            .dtBias = b.w.dtBias,
                            .out = a.out,
                            .keyHeads = n.keyHeads,
                            .valueHeads = n.valueHeads,
                            .tiled = n.tiled,
                            .state = at(b.memory.state, convBytes(deltaChannels(n), n.kernel))});
    b.addNorm(a.out, b.w.mixerNorm, n.valueDim);
    const Activations mixed = Forms(b.p.numerics).read(b.w.o).of(a.mixed, values);
    b.add(kernels::Activate{.kind = kernels::ActivationKind::Silu, .gate = a.z, .up = a.out, .out = mixed});
    b.addOutput(mixed, b.w.o, b.w.attnPostNorm);
}

} // namespace hearth::engine
