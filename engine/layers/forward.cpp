#include "engine/layers/forward.h"

#include "engine/layers/block.h"
#include "kernels/quant_types.h"

#include <algorithm>

namespace hearth::engine {

namespace {

using kernels::Activations;
using kernels::Tensor;
using kernels::Type;

/// Gives out places in one memory, 64-byte aligned.
class Arena {
public:
    Arena(kernels::MemoryId memory, int64_t rows, bool floats) : memory_(memory), rows_(rows), floats_(floats) {}

    Tensor add(int64_t cols, Type type = Type::F32) { return add(rows_, cols, type); }

    Tensor add(int64_t rows, int64_t cols, Type type) {
        cols = std::max<int64_t>(cols, 1);
        const uint64_t stride = (kernels::rowBytes(type, cols) + 63) / 64 * 64;
        const Tensor tensor{
            .memory = memory_, .type = type, .offset = at_, .rows = rows, .cols = cols, .stride = stride};
        at_ += stride * static_cast<uint64_t>(rows);
        end_ = std::max(end_, at_);
        return tensor;
    }

    Activations addActivations(int64_t cols) { return addGrouped(1, cols); }

    /// With the 8-bit form in groups that begin blocks of their own.
    Activations addGrouped(int64_t groups, int64_t cols) {
        const auto rows = static_cast<uint64_t>(rows_), all = static_cast<uint64_t>(groups * ((cols + 31) / 32 * 32));
        if (rows * all > inputRows_ * inputCols_)
            inputRows_ = rows, inputCols_ = all;
        Activations out{.f32 = add(groups * cols), .q8 = {}};
        if (!floats_)
            out.q8 = add(groups * ((cols + 255) / 256 * 256), Type::A8);
        return out;
    }

    uint64_t at() const { return at_; }

    void back(uint64_t to) { at_ = to; }

    int64_t rows() const { return rows_; }

    void setRows(int64_t rows) { rows_ = rows; }

    uint64_t end() const { return end_; }

    // Of the largest activations.
    uint64_t inputRows() const { return inputRows_; }

    uint64_t inputCols() const { return inputCols_; }

private:
    kernels::MemoryId memory_;
    int64_t rows_;
    bool floats_; // nothing has an 8-bit form
    uint64_t at_ = 0, end_ = 0, inputRows_ = 0, inputCols_ = 0;
};

/// Most heads, widths, and so on of all layers of one kind; 0 where there is none.
template <typename Value>
int64_t widest(const ModelConfig& c, Mixer mixer, Value value) {
    int64_t most = 0;
    for (const LayerConfig& layer : c.layers)
        if (layer.mixer == mixer)
            most = std::max(most, int64_t{value(layer)});
    return most;
}

bool has(const ModelConfig& c, Mixer mixer) {
    return std::any_of(c.layers.begin(), c.layers.end(), [&](const auto& layer) { return layer.mixer == mixer; });
}

void layoutAttention(const ModelConfig& c, Arena& arena, AttentionBuffers& b) {
    const int64_t heads = widest(c, Mixer::Attention, [](const auto& l) { return l.nHeads; });
    const int64_t kvHeads = widest(c, Mixer::Attention, [](const auto& l) { return l.nKvHeads; });
    b.q = arena.add(heads * c.headDim);
    b.k = arena.add(kvHeads * c.headDim);
    b.v = arena.add(kvHeads * c.vHeadDim);
    if (c.attentionGate) {
        b.gate = arena.add(heads * c.vHeadDim);
        b.attended = arena.add(heads * c.vHeadDim);
    }
    b.mixed = arena.addActivations(heads * c.vHeadDim);
}

void layoutLatent(const ModelConfig& c, Arena& arena, LatentBuffers& b) {
    const LatentConfig& m = c.latent;
    const int64_t heads = widest(c, Mixer::Latent, [](const auto& l) { return l.nHeads; });
    if (m.qRank > 0) {
        b.qA = arena.add(m.qRank);
        b.qNormed = arena.addActivations(m.qRank);
    }
    b.nope = arena.addGrouped(heads, m.nopeDim);
    b.q = arena.add(heads * (std::max(m.kvRank, m.nopeDim) + m.ropeDim));
    b.k = arena.add(m.kvRank + m.ropeDim);
    b.summed = arena.addGrouped(heads, m.kvRank);
    b.mixed = arena.addActivations(heads * m.vDim);
}

void layoutConv(const ModelConfig& c, Arena& arena, ConvBuffers& b) {
    for (Tensor* tensor : {&b.b, &b.c, &b.x, &b.in, &b.out})
        *tensor = arena.add(c.dModel);
    b.mixed = arena.addActivations(c.dModel);
}

void layoutDelta(const ModelConfig& c, Arena& arena, DeltaBuffers& b) {
    const DeltaConfig& n = c.delta;
    const int64_t values = int64_t{n.valueHeads} * n.valueDim;
    const int64_t channels = 2 * int64_t{n.keyHeads} * n.keyDim + values;
    b.qkv = arena.add(channels);
    b.conv = arena.add(channels);
    b.z = arena.add(values);
    b.alpha = arena.add(n.valueHeads);
    b.beta = arena.add(n.valueHeads);
    b.out = arena.add(values);
    b.mixed = arena.addActivations(values);
}

FeedForwardBuffers layoutFeedForward(Arena& arena, int64_t cols) {
    FeedForwardBuffers b;
    b.gate = arena.add(cols);
    b.up = arena.add(cols);
    b.hidden = arena.addActivations(cols);
    return b;
}

void layoutExperts(const ModelConfig& c, Arena& arena, ExpertBuffers& b) {
    const ExpertConfig& e = c.experts;
    const int64_t rows = arena.rows(), places = rows * e.used;
    b.logits = arena.add(e.count);
    b.routing = {.experts = arena.add(e.used, Type::I32),
                 .weights = arena.add(e.used),
                 .order = arena.add(1, places, Type::I32),
                 .places = arena.add(e.used, Type::I32),
                 .begins = arena.add(1, e.count + 1, Type::I32)};
    if (e.sharedFfnDim > 0) {
        b.shared = layoutFeedForward(arena, e.sharedFfnDim);
        b.sharedOut = arena.add(c.dModel);
        b.sharedGate = arena.add(1);
    }
    arena.setRows(places);
    b.in = arena.addActivations(c.dModel);
    b.gate = arena.add(e.ffnDim);
    b.up = arena.add(e.ffnDim);
    b.hidden = arena.addActivations(e.ffnDim);
    b.out = arena.add(c.dModel);
    arena.setRows(rows);
}

/// The input of a block: the residual stream, normed where the family norms before.
Activations addInput(const Block& b, const Activations& buffer, const Forms& forms, const Tensor& norm,
                     const Tensor& bias) {
    const ModelConfig& c = b.p.config;
    Activations out = forms.of(buffer, c.dModel);
    if (norm.present()) {
        b.add(kernels::Norm{
            .kind = c.norm, .eps = c.normEps, .x = b.p.buffers.x, .weight = norm, .bias = bias, .out = out});
        return out;
    }
    // The stream itself. It changes while the blocks run only where they run one after the other.
    if (out.f32.present())
        out.f32 = b.p.buffers.x;
    if (out.q8.present())
        b.add(kernels::Quantize{.x = b.p.buffers.x, .out = out.q8});
    return out;
}

void addMixer(const Block& b, const Activations& in) {
    switch (b.layer.mixer) {
    case Mixer::Attention:
        addAttention(b, in);
        break;
    case Mixer::Latent:
        addLatent(b, in);
        break;
    case Mixer::ShortConv:
        addShortConv(b, in);
        break;
    case Mixer::DeltaNet:
        addDeltaNet(b, in);
        break;
    }
}

void addStreamNorm(const Block& b, const Tensor& weight, const Tensor& bias) {
    const Tensor& x = b.p.buffers.x;
    if (b.p.config.streamNorm)
        b.add(kernels::Norm{.kind = b.p.config.norm,
                            .eps = b.p.config.normEps,
                            .x = x,
                            .weight = weight,
                            .bias = bias,
                            .out = {.f32 = x}});
}

/// x += mixer(norm(x)) + ffn(norm(x)): the feed-forward block reads the stream before the mixer adds to it.
void addParallel(const Block& b) {
    const ForwardBuffers& buffers = b.p.buffers;
    Forms forms(b.p.numerics), ffnForms(b.p.numerics);
    readMixer(forms, b.layer, b.w);
    readFeedForward(b.p.config.sharedNorm ? forms : ffnForms, b.layer, b.w);
    const Activations in = addInput(b, buffers.normed, forms, b.w.attnNorm, b.w.attnNormBias);
    const Activations ffnIn =
        b.p.config.sharedNorm ? in : addInput(b, buffers.ffnNormed, ffnForms, b.w.ffnNorm, b.w.ffnNormBias);
    addMixer(b, in);
    addFeedForward(b, ffnIn);
}

} // namespace

ForwardBuffers layoutForward(const ModelConfig& c, int rows, int logitRows, kernels::MemoryId memory, bool floats) {
    Arena arena(memory, rows, floats);
    ForwardBuffers b;
    b.x = arena.add(c.dModel);
    b.normed = arena.addActivations(c.dModel);
    if (c.residual == Residual::Parallel && !c.sharedNorm)
        b.ffnNormed = arena.addActivations(c.dModel);
    if (c.postNorm || c.residualScale != 1.0f)
        b.delta = arena.add(c.dModel);
    // The blocks of all layers and the head run one after the other in the same place.
    const uint64_t block = arena.at();
    const auto overlapping = [&](bool needed, auto layout) {
        if (needed)
            layout();
        arena.back(block);
    };
    overlapping(has(c, Mixer::Attention), [&] { layoutAttention(c, arena, b.attention); });
    overlapping(has(c, Mixer::Latent), [&] { layoutLatent(c, arena, b.latent); });
    overlapping(has(c, Mixer::ShortConv), [&] { layoutConv(c, arena, b.conv); });
    overlapping(has(c, Mixer::DeltaNet), [&] { layoutDelta(c, arena, b.deltaNet); });
    int64_t ffn = 0;
    for (const LayerConfig& layer : c.layers)
        ffn = std::max(ffn, layer.experts ? 0 : int64_t{layer.ffnDim});
    overlapping(ffn > 0, [&] { b.ffn = layoutFeedForward(arena, ffn); });
    overlapping(c.experts.count > 0, [&] { layoutExperts(c, arena, b.experts); });
    b.picked = arena.add(c.dModel);
    if (logitRows > 0) {
        arena.setRows(logitRows);
        b.logits = arena.add(c.nVocab);
    }
    b.bytes = arena.end();
    b.inputRows = arena.inputRows(), b.inputCols = arena.inputCols();
    return b;
}

void addEmbedding(kernels::OperationList& list, const ForwardParts& p) {
    const Tensor& x = p.buffers.x;
    const auto gather = [&](const Tensor& table, kernels::RowIndex index, float scale, bool accumulate) {
        list.operations.push_back(
            kernels::Gather{.table = table, .out = x, .scale = scale, .index = index, .accumulate = accumulate});
    };
    gather(p.weights.embedding, kernels::RowIndex::Token, p.config.embeddingScale, false);
    if (p.weights.positions.present())
        gather(p.weights.positions, kernels::RowIndex::Position, 1, true);
    if (p.weights.tokenTypes.present())
        gather(p.weights.tokenTypes, kernels::RowIndex::First, 1, true);
    if (p.config.embeddingNorm)
        list.operations.push_back(kernels::Norm{.kind = p.config.norm,
                                                .eps = p.config.normEps,
                                                .x = x,
                                                .weight = p.weights.embeddingNorm,
                                                .bias = p.weights.embeddingNormBias,
                                                .out = {.f32 = x}});
}

void addLayer(kernels::OperationList& list, const ForwardParts& p, int index) {
    const auto i = static_cast<size_t>(index);
    const Block b{.list = list, .p = p, .layer = p.config.layers[i], .w = p.weights.layers[i], .memory = p.memory[i]};
    if (p.config.residual == Residual::Parallel)
        return addParallel(b);
    Forms forms(p.numerics), ffnForms(p.numerics);
    readMixer(forms, b.layer, b.w);
    readFeedForward(ffnForms, b.layer, b.w);
    addMixer(b, addInput(b, p.buffers.normed, forms, b.w.attnNorm, b.w.attnNormBias));
    addStreamNorm(b, b.w.attnOutNorm, b.w.attnOutNormBias);
    addFeedForward(b, addInput(b, p.buffers.normed, ffnForms, b.w.ffnNorm, b.w.ffnNormBias));
    addStreamNorm(b, b.w.ffnOutNorm, b.w.ffnOutNormBias);
}

void addPick(kernels::OperationList& list, const ForwardParts& p) {
    list.operations.push_back(kernels::PickRows{.x = p.buffers.x, .out = p.buffers.picked});
}

namespace {

void addLastNorm(kernels::OperationList& list, const ForwardParts& p, const Tensor& from, const Activations& out) {
    list.operations.push_back(kernels::Norm{.kind = p.config.norm,
                                            .eps = p.config.normEps,
                                            .x = from,
                                            .weight = p.weights.outputNorm,
                                            .bias = p.weights.outputNormBias,
                                            .out = out});
}

} // namespace

void addHead(kernels::OperationList& list, const ForwardParts& p, const Tensor& from) {
    const ModelWeights& w = p.weights;
    Activations in = Forms(p.numerics).read(w.head).of(p.buffers.normed, p.config.dModel);
    in.f32.rows = from.rows;
    in.q8.rows = from.rows;
    addLastNorm(list, p, from, in);
    list.operations.push_back(
        kernels::MatMul{.x = in, .parts = {{.weight = w.head, .bias = w.headBias, .out = p.buffers.logits}}});
}

void addFinalNorm(kernels::OperationList& list, const ForwardParts& p) {
    if (p.config.outputNorm)
        addLastNorm(list, p, p.buffers.x, {.f32 = p.buffers.x});
}

} // namespace hearth::engine
