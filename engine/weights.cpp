#include "engine/weights.h"

#include "engine/error.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <unordered_set>
#include <utility>

namespace hearth::engine {

namespace {

/// A block of rows inside a tensor.
struct Block {
    int64_t first = 0, count = 0;
};

/// Builds the list of bindings, layer by layer.
class BindingList {
public:
    std::vector<Binding> take() { return std::move(list_); }

    void enter(size_t layer) { prefix_ = "blk." + std::to_string(layer) + "."; }

    void leave() { prefix_.clear(); }

    void matrix(std::string_view name, int64_t rows, int64_t cols, kernels::Tensor& to, bool required = true) {
        list_.push_back(
            {.spec = {.name = full(name, ".weight"), .rows = rows, .cols = cols, .required = required}, .slot = &to});
    }

    void vector(std::string_view name, std::string_view suffix, int64_t cols, kernels::Tensor& to,
                bool required = true) {
        list_.push_back({.spec = {.name = full(name, suffix), .cols = cols, .required = required, .vector = true},
                         .kind = Binding::Kind::Vector,
                         .slot = &to});
    }

    void floatMatrix(std::string_view name, std::string_view suffix, int64_t rows, int64_t cols, kernels::Tensor& to,
                     bool required = true) {
        list_.push_back({.spec = {.name = full(name, suffix), .rows = rows, .cols = cols, .required = required},
                         .kind = Binding::Kind::FloatMatrix,
                         .slot = &to});
    }

    void norm(std::string_view name, int64_t cols, kernels::Tensor& weight, kernels::Tensor* bias) {
        vector(name, ".weight", cols, weight);
        if (bias)
            vector(name, ".bias", cols, *bias, false);
    }

    /// A whole tensor with its bias.
    void linear(std::string_view name, int64_t rows, int64_t cols, Linear& to) {
        blocks(name, rows, cols, {{0, rows}}, to);
    }

    /// Blocks of rows of a tensor of `rows` rows, with their parts of its bias.
    void blocks(std::string_view name, int64_t rows, int64_t cols, const std::vector<Block>& blocks, Linear& to) {
        to.pieces.resize(blocks.size());
        for (size_t i = 0; i < blocks.size(); ++i) {
            matrix(name, rows, cols, to.pieces[i].weight);
            narrow(blocks[i]);
            vector(name, ".bias", rows, to.pieces[i].bias, false);
            narrow(blocks[i]);
        }
    }

    /// One view for each block of rows of a tensor of `rows` rows.
    void views(std::string_view name, int64_t rows, int64_t cols, const std::vector<Block>& blocks,
               std::vector<kernels::Tensor>& to) {
        to.resize(blocks.size());
        for (size_t i = 0; i < blocks.size(); ++i) {
            matrix(name, rows, cols, to[i]);
            narrow(blocks[i]);
        }
    }

    /// One view for each of `count` equal matrices that lie one after the other in a tensor.
    void stack(std::string_view name, int64_t count, int64_t rows, int64_t cols, std::vector<kernels::Tensor>& to) {
        std::vector<Block> blocks;
        for (int64_t i = 0; i < count; ++i)
            blocks.push_back({i * rows, rows});
        views(name, count * rows, cols, blocks, to);
    }

    /// The same where each has a tensor of its own: "ffn_gate.7.weight".
    void separate(std::string_view name, int64_t count, int64_t rows, int64_t cols, std::vector<kernels::Tensor>& to) {
        to.resize(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i)
            matrix(std::string(name) + "." + std::to_string(i), rows, cols, to[static_cast<size_t>(i)]);
    }

private:
    std::string full(std::string_view name, std::string_view suffix) const {
        return prefix_ + std::string(name) + std::string(suffix);
    }

    void narrow(const Block& block) {
        list_.back().first = block.first;
        list_.back().count = block.count;
    }

    std::string prefix_;
    std::vector<Binding> list_;
};

void bindNorms(BindingList& list, const ModelConfig& c, size_t layer, LayerWeights& l) {
    const int64_t d = c.dModel;
    if (c.preNorm) {
        if (!c.firstNormAbsent || layer > 0)
            list.norm(c.names.attn, d, l.attnNorm, &l.attnNormBias);
        if (!c.sharedNorm)
            list.norm(c.names.ffn, d, l.ffnNorm, &l.ffnNormBias);
    }
    if (c.postNorm) {
        list.norm(c.names.attnPost, d, l.attnPostNorm, nullptr);
        list.norm(c.names.ffnPost, d, l.ffnPostNorm, nullptr);
    }
    if (c.streamNorm) {
        list.norm(c.names.attnOut, d, l.attnOutNorm, &l.attnOutNormBias);
        list.norm(c.names.ffnOut, d, l.ffnOutNorm, &l.ffnOutNormBias);
    }
}

/// q, and where attention has a gate its gate, which the file has head by head beside q.
void bindQueries(BindingList& list, const ModelConfig& c, int64_t heads, LayerWeights& l) {
    const int64_t cols = heads * c.headDim;
    if (!c.attentionGate)
        return list.linear("attn_q", cols, c.dModel, l.q);
    std::vector<Block> q, gate;
    for (int64_t h = 0; h < heads; ++h) {
        q.push_back({2 * h * c.headDim, c.headDim});
        gate.push_back({(2 * h + 1) * c.headDim, c.headDim});
    }
    list.blocks("attn_q", 2 * cols, c.dModel, q, l.q);
    list.blocks("attn_q", 2 * cols, c.dModel, gate, l.attnGate);
}

void bindAttention(BindingList& list, const ModelConfig& c, const LayerConfig& layer, LayerWeights& l) {
    const int64_t d = c.dModel, heads = layer.nHeads, kvHeads = layer.nKvHeads;
    const int64_t q = heads * c.headDim, k = kvHeads * c.headDim, v = kvHeads * c.vHeadDim;
    if (layer.fusedQkv) {
        list.blocks("attn_qkv", q + k + v, d, {{0, q}}, l.q);
        list.blocks("attn_qkv", q + k + v, d, {{q, k}}, l.k);
        list.blocks("attn_qkv", q + k + v, d, {{q + k, v}}, l.v);
    } else {
        bindQueries(list, c, heads, l);
        list.linear("attn_k", k, d, l.k);
        list.linear("attn_v", v, d, l.v);
    }
    list.linear("attn_output", d, heads * c.vHeadDim, l.o);
    if (c.qkNorm == QkNorm::EachHead) {
        list.floatMatrix("attn_q_norm", ".weight", heads, c.headDim, l.qNorm);
        list.floatMatrix("attn_k_norm", ".weight", kvHeads, c.headDim, l.kNorm);
    } else if (c.qkNorm != QkNorm::None) {
        list.norm("attn_q_norm", c.qkNorm == QkNorm::Head ? c.headDim : q, l.qNorm, nullptr);
        list.norm("attn_k_norm", c.qkNorm == QkNorm::Head ? c.headDim : k, l.kNorm, nullptr);
    }
    if (c.sinks)
        list.vector("attn_sinks", ".weight", heads, l.sinks);
}

void bindLatent(BindingList& list, const ModelConfig& c, const LayerConfig& layer, LayerWeights& l) {
    const LatentConfig& m = c.latent;
    const int64_t d = c.dModel, heads = layer.nHeads, headDim = m.nopeDim + m.ropeDim;
    const int64_t qCols = m.qRank > 0 ? m.qRank : d;
    if (m.qRank > 0) {
        list.linear("attn_q_a", m.qRank, d, l.qA);
        list.norm("attn_q_a_norm", m.qRank, l.qANorm, nullptr);
    }
    std::vector<Block> nope, rope;
    for (int64_t h = 0; h < heads; ++h) {
        nope.push_back({h * headDim, m.nopeDim});
        rope.push_back({h * headDim + m.nopeDim, m.ropeDim});
    }
    const char* q = m.qRank > 0 ? "attn_q_b" : "attn_q";
    list.blocks(q, heads * headDim, qCols, nope, l.q);
    list.blocks(q, heads * headDim, qCols, rope, l.qRope);
    const int64_t kvCols = m.kvRank + m.ropeDim;
    list.blocks("attn_kv_a_mqa", kvCols, d, {{0, m.kvRank}}, l.kvA);
    list.blocks("attn_kv_a_mqa", kvCols, d, {{m.kvRank, m.ropeDim}}, l.kRope);
    list.norm("attn_kv_a_norm", m.kvRank, l.kvANorm, nullptr);
    if (!m.joint) {
        list.stack("attn_k_b", heads, m.kvRank, m.nopeDim, l.kB);
        list.stack("attn_v_b", heads, m.vDim, m.kvRank, l.vB);
    } else { // head by head [nope | v]; k_b is made from it, turned
        std::vector<Block> values;
        const int64_t each = m.nopeDim + m.vDim;
        for (int64_t h = 0; h < heads; ++h)
            values.push_back({h * each + m.nopeDim, m.vDim});
        list.views("attn_kv_b", heads * each, m.kvRank, values, l.vB);
        l.kB.resize(static_cast<size_t>(heads));
    }
    list.linear("attn_output", d, heads * m.vDim, l.o);
}

void bindShortConv(BindingList& list, const ModelConfig& c, LayerWeights& l) {
    const int64_t d = c.dModel;
    list.blocks("shortconv.in_proj", 3 * d, d, {{0, d}}, l.convB);
    list.blocks("shortconv.in_proj", 3 * d, d, {{d, d}}, l.convC);
    list.blocks("shortconv.in_proj", 3 * d, d, {{2 * d, d}}, l.convX);
    list.floatMatrix("shortconv.conv", ".weight", d, c.shortConv, l.conv);
    list.linear("shortconv.out_proj", d, d, l.o);
}

/// Where each key head has its own [beta, alpha].
void bindJointGates(BindingList& list, const ModelConfig& c, LayerWeights& l) {
    const int64_t each = c.delta.valueHeads / c.delta.keyHeads, rows = 2 * int64_t{c.delta.valueHeads};
    std::vector<Block> beta, alpha;
    for (int64_t h = 0; h < c.delta.keyHeads; ++h) {
        beta.push_back({2 * h * each, each});
        alpha.push_back({(2 * h + 1) * each, each});
    }
    list.blocks("ssm_ba", rows, c.dModel, beta, l.beta);
    list.blocks("ssm_ba", rows, c.dModel, alpha, l.alpha);
}

void bindDeltaNet(BindingList& list, const ModelConfig& c, LayerWeights& l) {
    const DeltaConfig& n = c.delta;
    const int64_t d = c.dModel, heads = n.valueHeads;
    const int64_t keys = int64_t{n.keyHeads} * n.keyDim, values = heads * n.valueDim, channels = 2 * keys + values;
    list.linear("attn_qkv", channels, d, l.q);
    list.linear("attn_gate", values, d, l.z);
    if (n.joint) {
        bindJointGates(list, c, l);
    } else {
        list.linear("ssm_beta", heads, d, l.beta);
        list.linear("ssm_alpha", heads, d, l.alpha);
    }
    list.floatMatrix("ssm_conv1d", ".weight", channels, n.kernel, l.conv);
    list.vector("ssm_a", "", heads, l.decay);
    list.vector("ssm_dt", ".bias", heads, l.dtBias);
    list.norm("ssm_norm", n.valueDim, l.mixerNorm, nullptr);
    list.linear("ssm_out", d, values, l.o);
}

void bindExperts(BindingList& list, const ModelConfig& c, const LayerConfig& layer, LayerWeights& l) {
    const ExpertConfig& e = c.experts;
    const int64_t d = c.dModel, n = e.count;
    list.matrix("ffn_gate_inp", n, d, l.router);
    list.vector("ffn_gate_inp", ".bias", n, l.routerBias, false);
    list.vector("exp_probs_b", ".bias", n, l.choiceBias, false);
    const auto experts = [&](const char* name, int64_t rows, int64_t cols, ExpertLinear& to) {
        if (layer.splitExperts)
            return list.separate(name, n, rows, cols, to.weights);
        const std::string stacked = std::string(name) + "_exps";
        list.stack(stacked, n, rows, cols, to.weights);
        list.floatMatrix(stacked, ".bias", n, rows, to.bias, false);
    };
    experts("ffn_gate", e.ffnDim, d, l.expertGate);
    experts("ffn_up", e.ffnDim, d, l.expertUp);
    experts("ffn_down", d, e.ffnDim, l.expertDown);
    if (e.sharedFfnDim > 0) {
        list.linear("ffn_gate_shexp", e.sharedFfnDim, d, l.sharedGate);
        list.linear("ffn_up_shexp", e.sharedFfnDim, d, l.sharedUp);
        list.linear("ffn_down_shexp", d, e.sharedFfnDim, l.sharedDown);
        if (e.sharedGate)
            list.matrix("ffn_gate_inp_shexp", 1, d, l.sharedRouter);
    }
}

void bindFeedForward(BindingList& list, const ModelConfig& c, const LayerConfig& layer, LayerWeights& l) {
    const int64_t d = c.dModel, ffn = layer.ffnDim;
    if (layer.fusedGateUp) {
        list.blocks("ffn_up", 2 * ffn, d, {{0, ffn}}, l.gate);
        list.blocks("ffn_up", 2 * ffn, d, {{ffn, ffn}}, l.up);
    } else {
        if (c.gated)
            list.linear("ffn_gate", ffn, d, l.gate);
        list.linear("ffn_up", ffn, d, l.up);
    }
    list.linear("ffn_down", d, ffn, l.down);
}

void bindLayer(BindingList& list, const ModelConfig& c, size_t index, LayerWeights& l) {
    const LayerConfig& layer = c.layers[index];
    list.enter(index);
    bindNorms(list, c, index, l);
    switch (layer.mixer) {
    case Mixer::Attention:
        bindAttention(list, c, layer, l);
        break;
    case Mixer::Latent:
        bindLatent(list, c, layer, l);
        break;
    case Mixer::ShortConv:
        bindShortConv(list, c, l);
        break;
    case Mixer::DeltaNet:
        bindDeltaNet(list, c, l);
        break;
    }
    if (layer.experts)
        bindExperts(list, c, layer, l);
    else
        bindFeedForward(list, c, layer, l);
}

bool isFloat(kernels::Type type) {
    return kernels::quantType(type).block == 1;
}

/// Says what does not fit about a tensor of the file; empty: it fits.
std::string misfit(const TensorEntry& tensor, const TensorSpec& spec, bool floats) {
    const bool vector = spec.vector && tensor.cols() * tensor.rows() == spec.cols; // a row or a column
    if (!vector && (tensor.cols() != spec.cols || tensor.rows() != spec.rows))
        return "is " + tensor.shapeText() + ", but " + std::to_string(spec.cols) +
               (spec.vector ? "" : " x " + std::to_string(spec.rows)) + " is needed";
    if (!tensor.type)
        return "is stored as " + tensor.typeName() + ", which this version cannot read";
    if (floats && !isFloat(tensor.type->type))
        return "is stored as " + tensor.typeName() + ", but floating-point numbers are needed";
    return {};
}

/// Tensors that may be there and take no part: rope factors are read with the configuration, further layers and what
/// belongs to them only guess tokens ahead, a classifier's head is not asked for.
bool takesNoPart(const ModelConfig& c, const std::string& name) {
    constexpr std::string_view kNames[] = {"rope_freqs.weight", "rope_factors_long.weight",
                                           "rope_factors_short.weight"};
    constexpr std::string_view kParts[] = {".nextn.", ".attn_rot_embd.", ".rope_freqs."};
    const int layer = layerOf(name), nLayers = static_cast<int>(c.layers.size());
    const auto has = [&](std::string_view part) { return name.find(part) != std::string::npos; };
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
           std::any_of(std::begin(kParts), std::end(kParts), has) ||
           (layer >= nLayers && layer < nLayers + c.nextnLayers) ||
           (!c.causal && (name.rfind("cls.", 0) == 0 || name.rfind("cls_", 0) == 0 || name.rfind("pooler.", 0) == 0));
}

void checkTensor(const Checkpoint& checkpoint, const Binding& binding) {
    const TensorSpec& spec = binding.spec;
    const TensorEntry* tensor = checkpoint.find(spec.name);
    if (!tensor && spec.required)
        throw Error("The tensor " + spec.name + " is missing.");
    if (!tensor)
        return;
    const std::string what = misfit(*tensor, spec, binding.kind != Binding::Kind::Matrix);
    if (!what.empty())
        throw Error(tensor->type ? Reason{} : Reason{Trouble::UnknownQuant, {spec.name}},
                    "The tensor " + spec.name + " " + what + ".");
}

} // namespace

int layerOf(std::string_view name) {
    int layer = -1;
    if (name.substr(0, 4) == "blk.")
        std::from_chars(name.data() + 4, name.data() + name.size(), layer);
    return layer;
}

std::vector<Binding> bindings(const ModelConfig& c, size_t part, ModelWeights& w) {
    BindingList list;
    w.layers.resize(c.layers.size());
    if (part > 0) {
        bindLayer(list, c, part - 1, w.layers[part - 1]);
        return list.take();
    }
    const int64_t d = c.dModel;
    list.matrix("token_embd", c.nVocab, d, w.embedding);
    if (c.learnedPositions > 0)
        list.matrix("position_embd", c.learnedPositions, d, w.positions);
    if (c.tokenTypes > 0)
        list.matrix("token_types", c.tokenTypes, d, w.tokenTypes);
    if (c.embeddingNorm)
        list.norm("token_embd_norm", d, w.embeddingNorm, &w.embeddingNormBias);
    if (c.outputNorm)
        list.norm(c.names.output, d, w.outputNorm, &w.outputNormBias);
    if (c.causal) {
        list.matrix("output", c.nVocab, d, w.head, false);
        list.vector("output", ".bias", c.nVocab, w.headBias, false);
    }
    return list.take();
}

void checkTensors(const Checkpoint& checkpoint, const ModelConfig& config) {
    ModelWeights unused;
    std::unordered_set<std::string> known;
    // Part by part, so that a file that claims more than it has is refused before the list of all of it is made.
    for (size_t part = 0; part <= config.layers.size(); ++part) {
        for (const Binding& binding : bindings(config, part, unused))
            if (known.insert(binding.spec.name).second)
                checkTensor(checkpoint, binding);
        if (part > 0)
            unused.layers[part - 1] = {};
    }
    for (const TensorEntry& tensor : checkpoint.tensors())
        if (!known.contains(tensor.name) && !takesNoPart(config, tensor.name))
            throw Error("The tensor " + printable(tensor.name) + " is not one that this version knows of the family " +
                        config.family + ", and without it every answer could be a little wrong.");
}

std::vector<float> readVector(const Checkpoint& checkpoint, const TensorEntry& tensor, int64_t length) {
    const std::string what = misfit(tensor, {.name = tensor.name, .cols = length, .vector = true}, true);
    if (!what.empty())
        throw Error("The tensor " + printable(tensor.name) + " " + what + ".");
    std::vector<float> values(static_cast<size_t>(length));
    const std::span<const std::byte> bytes = checkpoint.bytes(tensor);
    if (bytes.size() == tensor.bytes && !bytes.empty())
        checkpoint.decode(tensor, bytes, 0, tensor.rows(), values.data());
    else
        std::fill(values.begin(), values.end(), 1.0f); // a header without its file
    return values;
}

} // namespace hearth::engine
