#include "engine/models/family.h"

#include "engine/error.h"
#include "engine/weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hearth::engine {

// ---- keys

int FamilyFile::required(std::string_view key, int low, int high) const {
    return static_cast<int>(checkpoint_.metadata().requireInteger(name(key), low, high));
}

int FamilyFile::optional(std::string_view key, int low, int high, int fallback) const {
    return hasKey(key) ? required(key, low, high) : fallback;
}

float FamilyFile::number(std::string_view key, double low, double high, double fallback) const {
    if (!hasKey(key))
        return static_cast<float>(fallback);
    const double value = checkpoint_.metadata().requireNumber(name(key));
    if (!(value >= low && value <= high))
        throw Error("The metadata key " + name(key) + " is " + std::to_string(value) + ", which makes no sense.");
    return static_cast<float>(value);
}

bool FamilyFile::flag(std::string_view key, bool fallback) const {
    return checkpoint_.metadata().boolean(name(key), fallback);
}

std::string FamilyFile::text(std::string_view key, std::string_view fallback) const {
    return checkpoint_.metadata().text(name(key), fallback);
}

std::vector<int> FamilyFile::perLayer(std::string_view key, int nLayers, int low, int high, int fallback) const {
    const auto n = static_cast<size_t>(nLayers);
    const Value* value = checkpoint_.metadata().find(name(key));
    if (!value && fallback >= 0)
        return std::vector<int>(n, fallback);
    if (!value || !std::holds_alternative<std::vector<int64_t>>(*value))
        return std::vector<int>(n, required(key, low, high));
    const auto& values = std::get<std::vector<int64_t>>(*value);
    if (values.size() < n)
        throw Error("The metadata key " + name(key) + " has " + std::to_string(values.size()) + " values for " +
                    std::to_string(nLayers) + " layers.");
    std::vector<int> out;
    for (size_t i = 0; i < n; ++i) {
        if (values[i] < low || values[i] > high)
            throw Error("The metadata key " + name(key) + " has the value " + std::to_string(values[i]) +
                        " for layer " + std::to_string(i) + ", but only " + std::to_string(low) + " to " +
                        std::to_string(high) + " make sense.");
        out.push_back(static_cast<int>(values[i]));
    }
    return out;
}

// ---- what most families share

namespace {

constexpr int kMostLayers = 512, kMostHeads = 4096, kMostExperts = 4096, kMostWidth = 1 << 20;

/// Experts as the keys describe them; which layers have them, the tensors say.
ExpertConfig readExperts(const FamilyFile& file) {
    ExpertConfig e;
    e.count = file.optional("expert_count", 0, kMostExperts, 0);
    if (e.count == 0)
        return e;
    e.used = file.required("expert_used_count", 1, e.count);
    e.ffnDim = file.hasKey("expert_feed_forward_length") ? file.required("expert_feed_forward_length", 1, kMostWidth)
                                                         : file.required("feed_forward_length", 1, kMostWidth);
    const int shared = file.optional("expert_shared_count", 0, kMostExperts, 0);
    e.sharedFfnDim = file.optional("expert_shared_feed_forward_length", 0, kMostWidth,
                                   std::min<int64_t>(kMostWidth, int64_t{shared} * e.ffnDim));
    // 1: softmax, 2: sigmoid, 3: softmax over the chosen experts.
    constexpr kernels::GateKind kGates[] = {kernels::GateKind::Softmax, kernels::GateKind::Softmax,
                                            kernels::GateKind::Sigmoid, kernels::GateKind::SoftmaxOfChosen};
    e.gate = kGates[file.optional("expert_gating_func", 0, 3, 1)];
    e.groups = std::max(1, file.optional("expert_group_count", 0, e.count, 1));
    e.topGroups = std::max(1, file.optional("expert_group_used_count", 0, e.groups, 1));
    if (e.count % e.groups != 0 || e.used > e.count / e.groups * e.topGroups)
        throw Error("Its " + std::to_string(e.count) + " experts in " + std::to_string(e.groups) +
                    " groups, of which " + std::to_string(e.topGroups) + " are used, cannot give " +
                    std::to_string(e.used) + " to each token.");
    e.normalize = file.flag("expert_weights_norm", false);
    e.scale = file.number("expert_weights_scale", 0, 1e6, 1.0);
    if (e.scale == 0) // as some converters write "none"
        e.scale = 1.0f;
    return e;
}

void readLayers(const FamilyFile& file, ModelConfig& c) {
    const int all = file.required("block_count", 1, kMostLayers);
    // Layers that only guess further tokens (multi-token prediction) come last; they are not part of the model.
    c.nextnLayers = file.optional("nextn_predict_layers", 0, all - 1, 0);
    const int nLayers = all - c.nextnLayers;
    const std::vector<int> nHeads = file.perLayer("attention.head_count", nLayers, 0, kMostHeads);
    // Without grouped queries the key may be missing: as many as query heads.
    const std::vector<int> nKvHeads = file.perLayer("attention.head_count_kv", nLayers, 0, kMostHeads, nHeads[0]);
    // Files whose layers all have experts may lack it.
    const std::vector<int> ffnDim =
        file.perLayer("feed_forward_length", nLayers, 0, kMostWidth, c.experts.count > 0 ? 0 : -1);
    const std::vector<int> window = file.perLayer("attention.sliding_window", nLayers, 0, 1 << 30, 0);
    for (int i = 0; i < nLayers; ++i) {
        const auto l = static_cast<size_t>(i);
        const std::string prefix = "blk." + std::to_string(i) + ".";
        c.layers.push_back({.nHeads = nHeads[l],
                            .nKvHeads = nKvHeads[l],
                            .ffnDim = ffnDim[l],
                            .window = window[l],
                            .experts = c.experts.count > 0 && file.hasTensor(prefix + "ffn_gate_inp.weight"),
                            .fusedQkv = file.hasTensor(prefix + "attn_qkv.weight"),
                            .splitExperts = file.hasTensor(prefix + "ffn_down.0.weight")});
    }
}

/// Files that join gate and up have one tensor of twice the width.
void findFusedGates(const FamilyFile& file, ModelConfig& c) {
    for (size_t i = 0; i < c.layers.size(); ++i) {
        const std::string prefix = "blk." + std::to_string(i) + ".";
        const TensorEntry* up = file.checkpoint().find(prefix + "ffn_up.weight");
        c.layers[i].fusedGateUp =
            up && !file.hasTensor(prefix + "ffn_gate.weight") && up->rows() == 2 * int64_t{c.layers[i].ffnDim};
    }
}

} // namespace

ModelConfig commonConfig(const FamilyFile& file) {
    ModelConfig c;
    c.family = file.family();
    c.dModel = file.required("embedding_length", 1, 1 << 17);
    c.trainedContext = file.optional("context_length", 1, 1 << 27, 4096);
    c.norm = file.hasKey("attention.layer_norm_epsilon") && !file.hasKey("attention.layer_norm_rms_epsilon")
                 ? kernels::NormKind::Layer
                 : kernels::NormKind::Rms;
    c.normEps = c.norm == kernels::NormKind::Layer ? file.number("attention.layer_norm_epsilon", 0, 1, 1e-5)
                                                   : file.number("attention.layer_norm_rms_epsilon", 0, 1, 1e-5);
    c.experts = readExperts(file);
    readLayers(file, c);
    findFusedGates(file, c);

    const int heads = std::max(1, c.layers.front().nHeads);
    c.headDim = file.optional("attention.key_length", 1, 1024, std::max(1, c.dModel / heads));
    c.vHeadDim = file.optional("attention.value_length", 1, 1024, c.headDim);
    c.attentionScale = file.number("attention.scale", 1e-6, 1e6, 1.0 / std::sqrt(static_cast<double>(c.headDim)));
    c.sinks = file.hasTensor("blk.0.attn_sinks.weight");

    RopeConfig rope{.dims = file.optional("rope.dimension_count", 0, 1024, c.headDim),
                    .theta = file.number("rope.freq_base", 1, 1e12, 10000.0)};
    if (rope.dims > 0) {
        scaleRope(file, rope);
        c.ropes.push_back(std::move(rope));
    }
    if (file.text("rope.scaling.type", "") == "dynamic")
        c.mostContext = c.trainedContext; // beyond it all factors change with every token
    c.embeddingScale = file.number("embedding_scale", -1e6, 1e6, 1.0);
    c.residualScale = file.number("residual_scale", -1e6, 1e6, 1.0);
    return c;
}

void alternateWindows(const FamilyFile& file, ModelConfig& c, int period, int fallback, bool fullFirst) {
    const int window = file.optional("attention.sliding_window", 0, 1 << 30, fallback);
    const Value* pattern = file.checkpoint().metadata().find(file.name("attention.sliding_window_pattern"));
    const auto* flags = pattern ? std::get_if<std::vector<bool>>(pattern) : nullptr;
    if (flags && flags->size() < c.layers.size())
        throw Error("The metadata key " + file.name("attention.sliding_window_pattern") + " has " +
                    std::to_string(flags->size()) + " values for " + std::to_string(c.layers.size()) + " layers.");
    if (pattern && !flags)
        period = file.required("attention.sliding_window_pattern", 1, kMostLayers);
    for (size_t i = 0; i < c.layers.size(); ++i) {
        const size_t at = i % static_cast<size_t>(period);
        const bool full = at == (fullFirst ? 0 : static_cast<size_t>(period) - 1);
        c.layers[i].window = (flags ? (*flags)[i] : !full) ? window : 0;
    }
}

void addWindowRope(const FamilyFile& file, ModelConfig& c, double theta) {
    if (c.ropes.empty())
        throw Error("The metadata key " + file.name("rope.dimension_count") +
                    " is 0, but its layers turn their heads.");
    c.ropes.push_back({.dims = c.ropes.front().dims, .theta = file.number("rope.freq_base_swa", 1, 1e12, theta)});
    for (LayerConfig& layer : c.layers)
        layer.rope = layer.window > 0 ? 1 : 0;
}

// ---- rope scaling

std::vector<float> llama3RopeFactors(int dims, float theta, float factor, float lowFrequencyFactor,
                                     float highFrequencyFactor, int originalContext) {
    std::vector<float> factors;
    const double longest = static_cast<double>(originalContext) / lowFrequencyFactor;
    const double shortest = static_cast<double>(originalContext) / highFrequencyFactor;
    for (int i = 0; i < dims / 2; ++i) {
        const double frequency = std::pow(static_cast<double>(theta), -2.0 * i / dims);
        const double wave = 2 * std::numbers::pi / frequency; // tokens a turn
        if (wave < shortest)
            factors.push_back(1.0f);
        else if (wave > longest)
            factors.push_back(factor);
        else {
            const double smooth =
                (originalContext / wave - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
            factors.push_back(static_cast<float>(1.0 / ((1.0 - smooth) / factor + smooth)));
        }
    }
    return factors;
}

std::vector<float> yarnRopeFactors(int dims, float theta, const YarnRange& range) {
    // The dimension that turns so many times over the original context.
    const auto dimension = [&](double turns) {
        return dims * std::log(range.originalContext / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
    };
    double low = dimension(range.betaFast), high = dimension(range.betaSlow);
    if (range.truncate) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, dims - 1.0);
    if (low == high)
        high += 0.001;
    std::vector<float> factors;
    for (int i = 0; i < dims / 2; ++i) {
        const double stretched = std::clamp((i - low) / (high - low), 0.0, 1.0);
        factors.push_back(static_cast<float>(1.0 / (stretched / range.factor + (1.0 - stretched))));
    }
    return factors;
}

float yarnMagnitude(float factor, float multiplier) {
    return factor <= 1 ? 1.0f : 0.1f * multiplier * std::log(factor) + 1.0f;
}

namespace {

std::vector<float> factorsTensor(const FamilyFile& file, const char* name, int dims) {
    const TensorEntry* tensor = file.checkpoint().find(name);
    if (!tensor)
        throw Error(std::string("The tensor ") + name + ", which its rope scaling needs, is missing.");
    return readVector(file.checkpoint(), *tensor, dims / 2);
}

/// Phi-3's LongRoPE (Ding et al. 2024): one set of factors up to the original context, another beyond.
void longRope(const FamilyFile& file, RopeConfig& rope, int originalContext, int trainedContext) {
    rope.factors = factorsTensor(file, "rope_factors_short.weight", rope.dims);
    const std::vector<float> beyond = factorsTensor(file, "rope_factors_long.weight", rope.dims);
    rope.factors.insert(rope.factors.end(), beyond.begin(), beyond.end());
    rope.border = originalContext;
    const double stretch = static_cast<double>(trainedContext) / originalContext;
    const double magnitude = stretch <= 1 ? 1 : std::sqrt(1 + std::log(stretch) / std::log(originalContext));
    rope.attentionFactor = file.number("rope.scaling.attn_factor", 1e-6, 1e6, magnitude);
}

} // namespace

void scaleRope(const FamilyFile& file, RopeConfig& rope, bool yarnTruncates) {
    const std::string type = file.text("rope.scaling.type", "");
    // Files before the key "type" have only a linear factor, under an older name.
    const float factor = file.number("rope.scaling.factor", 0, 1e6, file.number("rope.scale_linear", 0, 1e6, 1.0));
    const int trained = file.optional("context_length", 1, 1 << 27, 4096);
    const int original = file.optional("rope.scaling.original_context_length", 1, 1 << 27, trained);
    rope.factors.clear();
    rope.border = 0;
    rope.attentionFactor = 1;
    if (file.hasTensor("rope_factors_long.weight")) {
        longRope(file, rope, original, trained);
    } else if (file.hasTensor("rope_freqs.weight")) {
        rope.factors = factorsTensor(file, "rope_freqs.weight", rope.dims);
    } else if (type == "llama3") {
        rope.factors =
            llama3RopeFactors(rope.dims, rope.theta, factor, file.number("rope.scaling.low_freq_factor", 1e-6, 1e6, 1),
                              file.number("rope.scaling.high_freq_factor", 1e-6, 1e6, 4), original);
    } else if (type == "yarn") {
        if (factor < 1)
            throw Error("The metadata key " + file.name("rope.scaling.factor") + " is " + std::to_string(factor) +
                        ", but YaRN only stretches.");
        rope.factors = yarnRopeFactors(rope.dims, rope.theta,
                                       {.factor = factor,
                                        .betaFast = file.number("rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32),
                                        .betaSlow = file.number("rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1),
                                        .originalContext = original,
                                        .truncate = file.flag("rope.scaling.yarn_truncate", yarnTruncates)});
        rope.attentionFactor = yarnMagnitude(factor) * file.number("rope.scaling.attn_factor", 1e-6, 1e6, 1.0);
    } else if (type == "linear" || type.empty()) {
        if (factor != 1.0f && factor > 0)
            rope.factors.assign(static_cast<size_t>(rope.dims / 2), factor);
    } else if (type != "none" && type != "dynamic" && type != "longrope") {
        // Dynamic scaling begins beyond mostContext; longrope without tensors of factors has none.
        throw Error("Its rope scaling is of the kind " + printable(type) + ", which this version does not know.");
    }
    for (const float f : rope.factors)
        if (!std::isfinite(f) || f == 0)
            throw Error("The factors of its rope scaling are not all finite numbers.");
}

} // namespace hearth::engine
