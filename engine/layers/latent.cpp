#include "engine/layers/block.h"

namespace hearth::engine {

using kernels::Activations;
using kernels::Tensor;

namespace {

/// One product a head: columns of `x` that belong to the head times its matrix, beside each other in `out` with
/// `stride` columns between them.
void addHeadProducts(const Block& b, const Activations& x, const std::vector<Tensor>& weights, const Tensor& out,
                     int64_t stride) {
    kernels::MatMul products{.x = x};
    for (size_t h = 0; h < weights.size(); ++h)
        products.parts.push_back({.weight = weights[h],
                                  .out = columns(out, static_cast<int64_t>(h) * stride, weights[h].rows),
                                  .group = static_cast<int64_t>(h)});
    b.add(std::move(products));
}

/// Floats as the products of the heads want them, quantized head by head.
Activations byHead(const Block& b, const Activations& all, int64_t heads, int64_t headCols,
                   const std::vector<Tensor>& weights) {
    const Forms forms = Forms(b.p.numerics).read(weights);
    Activations out = {.f32 = narrowed(all.f32, heads * headCols)};
    if (forms.q8()) {
        out.q8 = narrowed(all.q8, heads * ((headCols + 255) / 256 * 256));
        b.add(kernels::Quantize{.x = out.f32, .groupCols = headCols, .out = out.q8});
    }
    return out;
}

/// The query: [nope | rope] of each head, nope in `nope`, rope at the end of each head of `q`.
void addQuery(const Block& b, const Activations& in, int64_t heads) {
    const LatentConfig& m = b.p.config.latent;
    const LatentBuffers& a = b.p.buffers.latent;
    Activations x = in;
    if (m.qRank > 0) {
        b.addProduct(in, b.w.qA, a.qA);
        x = Forms(b.p.numerics).read(b.w.q).read(b.w.qRope).of(a.qNormed, m.qRank);
        b.add(kernels::Norm{
            .kind = b.p.config.norm, .eps = b.p.config.normEps, .x = a.qA, .weight = b.w.qANorm, .out = x});
    }
    kernels::MatMul products{.x = x};
    Block::addParts(products, b.w.q, narrowed(a.nope.f32, heads * m.nopeDim));
    for (size_t h = 0; h < b.w.qRope.pieces.size(); ++h) {
        const Linear::Piece& piece = b.w.qRope.pieces[h];
        products.parts.push_back(
            {.weight = piece.weight,
             .bias = piece.bias,
             .out = columns(a.q, static_cast<int64_t>(h) * (m.kvRank + m.ropeDim) + m.kvRank, m.ropeDim)});
    }
    b.add(std::move(products));
}

} // namespace

/// Multi-head latent attention in its absorbed form (DeepSeek-V2, section 2.1.2): the queries take up k_b, so that they
/// meet the cached latents as one key-value head, and v_b turns the weighted latents into values.
void addLatent(const Block& b, const Activations& in) {
    const ModelConfig& c = b.p.config;
    const LatentConfig& m = c.latent;
    const LatentBuffers& a = b.p.buffers.latent;
    const int heads = b.layer.nHeads, width = m.kvRank + m.ropeDim;

    addQuery(b, in, heads);
    kernels::MatMul compress{.x = in};
    Block::addParts(compress, b.w.kvA, columns(a.k, 0, m.kvRank));
    Block::addParts(compress, b.w.kRope, columns(a.k, m.kvRank, m.ropeDim));
    b.add(std::move(compress));
    b.addNorm(columns(a.k, 0, m.kvRank), b.w.kvANorm, 0);
    b.addRope(a.k, 1, width, m.kvRank);
    b.add(kernels::StoreKv{.k = a.k, .kv = b.memory.kv});

    const Tensor q = narrowed(a.q, int64_t{heads} * width);
    addHeadProducts(b, byHead(b, a.nope, heads, m.nopeDim, b.w.kB), b.w.kB, q, width);
    b.addRope(q, heads, width, m.kvRank);
    const Tensor summed = narrowed(a.summed.f32, int64_t{heads} * m.kvRank);
    b.add(kernels::Attention{
        .q = q, .out = {.f32 = summed}, .kv = b.memory.kv, .heads = heads, .scale = c.attentionScale});
    const Tensor mixed = narrowed(a.mixed.f32, int64_t{heads} * m.vDim);
    addHeadProducts(b, byHead(b, a.summed, heads, m.kvRank, b.w.vB), b.w.vB, mixed, m.vDim);

    Activations out = Forms(b.p.numerics).read(b.w.o).of(a.mixed, int64_t{heads} * m.vDim);
    if (out.q8.present())
        b.add(kernels::Quantize{.x = mixed, .out = out.q8});
    b.addOutput(out, b.w.o, b.w.attnPostNorm);
}

} // namespace hearth::engine
