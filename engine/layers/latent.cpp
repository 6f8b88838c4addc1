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

/// Products of the blocks of heads, side by side in `out` from column `first` on, `stride` columns between them.
void addHeadParts(kernels::MatMul& product, const Linear& heads, const Tensor& out, int64_t first, int64_t stride) {
    for (size_t h = 0; h < heads.pieces.size(); ++h) {
        const Linear::Piece& piece = heads.pieces[h];
        product.parts.push_back({.weight = piece.weight,
                                 .bias = piece.bias,
                                 .out = columns(out, static_cast<int64_t>(h) * stride + first, piece.weight.rows)});
    }
}

/// The query: [nope | rope] of each head. Both in `q` where latents are expanded; else nope in `nope`, rope at the end
/// of each head of `q`.
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
    const int64_t before = b.p.expanded ? m.nopeDim : m.kvRank;
    if (b.p.expanded)
        addHeadParts(products, b.w.q, a.q, 0, before + m.ropeDim);
    else
        Block::addParts(products, b.w.q, narrowed(a.nope.f32, heads * m.nopeDim));
    addHeadParts(products, b.w.qRope, a.q, before, before + m.ropeDim);
    b.add(std::move(products));
}

/// Queries take up k_b, so that they meet the cached latents as one key-value head, and v_b turns the weighted latents
/// into values.
void addAbsorbed(const Block& b, const Tensor& mixed) {
    const LatentConfig& m = b.p.config.latent;
    const LatentBuffers& a = b.p.buffers.latent;
    const int heads = b.layer.nHeads, width = m.kvRank + m.ropeDim;
    const Tensor q = narrowed(a.q, int64_t{heads} * width);
    addHeadProducts(b, byHead(b, a.nope, heads, m.nopeDim, b.w.kB), b.w.kB, q, width);
    b.addRope(q, heads, width, m.kvRank);
    const Tensor summed = narrowed(a.summed.f32, int64_t{heads} * m.kvRank);
    b.add(kernels::Attention{
        .q = q, .out = {.f32 = summed}, .kv = b.memory.kv, .heads = heads, .scale = b.p.config.attentionScale});
    addHeadProducts(b, byHead(b, a.summed, heads, m.kvRank, b.w.vB), b.w.vB, mixed, m.vDim);
}

/// Latents become keys and values of every head.
void addExpanded(const Block& b, const Tensor& mixed) {
    const LatentConfig& m = b.p.config.latent;
    const int heads = b.layer.nHeads, width = m.nopeDim + m.ropeDim;
    const Tensor q = narrowed(b.p.buffers.latent.q, int64_t{heads} * width);
    b.addRope(q, heads, width, m.nopeDim);
    b.add(kernels::ExpandedAttention{
        .q = q, .out = mixed, .kv = b.memory.kv, .kB = b.w.kB, .vB = b.w.vB, .scale = b.p.config.attentionScale});
}

} // namespace

/// Multi-head latent attention (DeepSeek-V2, section 2.1.2), in one of its two forms.
void addLatent(const Block& b, const Activations& in) {
    const LatentConfig& m = b.p.config.latent;
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

    const Tensor mixed = narrowed(a.mixed.f32, int64_t{heads} * m.vDim);
    if (b.p.expanded)
        addExpanded(b, mixed);
    else
        addAbsorbed(b, mixed);

    Activations out = Forms(b.p.numerics).read(b.w.o).of(a.mixed, int64_t{heads} * m.vDim);
    if (out.q8.present())
        b.add(kernels::Quantize{.x = mixed, .out = out.q8});
    b.addOutput(out, b.w.o, b.w.attnPostNorm);
}

} // namespace hearth::engine
