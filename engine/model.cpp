#include "engine/model.h"

#include "engine/error.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numbers>

namespace hearth::engine {

namespace {

/// To add a family: models/<family>.cpp and a row here.
constexpr Architecture kArchitectures[] = {
    {"llama", llamaConfig},
};

/// A tensor of the model and where its view goes.
struct Binding {
    TensorSpec spec;
    kernels::Tensor* slot;
};

/// The one list of what a model consists of: checks, placement and binding all walk it.
std::vector<Binding> bindings(const ModelConfig& c, ModelWeights& w) {
    std::vector<Binding> list;
    std::string prefix;
    const auto matrix = [&](const char* name, int64_t rows, int64_t cols, kernels::Tensor& weight,
                            kernels::Tensor& bias) {
        list.push_back({{prefix + name + ".weight", rows, cols}, &weight});
        list.push_back({{.name = prefix + name + ".bias", .cols = rows, .required = false, .vector = true}, &bias});
    };
    const auto norm = [&](const char* name, int64_t cols, kernels::Tensor& weight, kernels::Tensor* bias) {
        list.push_back({{.name = prefix + name + ".weight", .cols = cols, .vector = true}, &weight});
        if (bias)
            list.push_back({{.name = prefix + name + ".bias", .cols = cols, .required = false, .vector = true}, bias});
    };

    const int64_t d = c.dModel;
    list.push_back({{"token_embd.weight", c.nVocab, d}, &w.embedding});
    norm("output_norm", d, w.outputNorm, &w.outputNormBias);
    list.push_back({{.name = "output.weight", .rows = c.nVocab, .cols = d, .required = false}, &w.head});
    list.push_back({{.name = "output.bias", .cols = c.nVocab, .required = false, .vector = true}, &w.headBias});
    w.layers.resize(c.layers.size());
    for (size_t i = 0; i < c.layers.size(); ++i) {
        const LayerConfig& layer = c.layers[i];
        LayerWeights& l = w.layers[i];
        const int64_t qCols = int64_t{layer.nHeads} * c.headDim;
        const int64_t kCols = int64_t{layer.nKvHeads} * c.headDim;
        prefix = "blk." + std::to_string(i) + ".";
        if (c.preNorm) {
            norm("attn_norm", d, l.attnNorm, &l.attnNormBias);
            norm("ffn_norm", d, l.ffnNorm, &l.ffnNormBias);
        }
        if (c.postNorm) {
            norm("post_attention_norm", d, l.attnPostNorm, nullptr);
            norm("post_ffw_norm", d, l.ffnPostNorm, nullptr);
        }
        matrix("attn_q", qCols, d, l.q, l.qBias);
        matrix("attn_k", kCols, d, l.k, l.kBias);
        matrix("attn_v", int64_t{layer.nKvHeads} * c.vHeadDim, d, l.v, l.vBias);
        matrix("attn_output", d, int64_t{layer.nHeads} * c.vHeadDim, l.o, l.oBias);
        if (c.qkNorm != QkNorm::None) {
            norm("attn_q_norm", c.qkNorm == QkNorm::Head ? c.headDim : qCols, l.qNorm, nullptr);
            norm("attn_k_norm", c.qkNorm == QkNorm::Head ? c.headDim : kCols, l.kNorm, nullptr);
        }
        if (c.sinks)
            list.push_back({{.name = prefix + "attn_sinks.weight", .cols = layer.nHeads, .vector = true}, &l.sinks});
        if (c.gated)
            matrix("ffn_gate", layer.ffnDim, d, l.gate, l.gateBias);
        matrix("ffn_up", layer.ffnDim, d, l.up, l.upBias);
        matrix("ffn_down", d, layer.ffnDim, l.down, l.downBias);
    }
    return list;
}

bool isFloat(kernels::Type type) {
    return type == kernels::Type::F32 || type == kernels::Type::F16 || type == kernels::Type::BF16;
}

/// Says what does not fit about a tensor of the file; empty: it fits.
std::string misfit(const TensorEntry& tensor, const TensorSpec& spec) {
    if (tensor.cols() != spec.cols || tensor.rows() != spec.rows)
        return "is " + tensor.shapeText() + ", but " + std::to_string(spec.cols) +
               (spec.vector ? "" : " x " + std::to_string(spec.rows)) + " is needed";
    if (!tensor.type)
        return "is stored as " + tensor.typeName() + ", which this version cannot read";
    if (spec.vector && !isFloat(tensor.type->type))
        return "is stored as " + tensor.typeName() + ", but floating-point numbers are needed";
    return {};
}

void checkTensors(const Checkpoint& checkpoint, const ModelConfig& config) {
    for (const TensorSpec& spec : tensorSpecs(config)) {
        const TensorEntry* tensor = checkpoint.find(spec.name);
        if (!tensor && spec.required)
            throw Error("The tensor " + spec.name + " is missing.");
        if (tensor)
            if (const std::string what = misfit(*tensor, spec); !what.empty())
                throw Error("The tensor " + spec.name + " " + what + ".");
    }
}

void checkConfig(const ModelConfig& c) {
    for (size_t i = 0; i < c.layers.size(); ++i) {
        const LayerConfig& layer = c.layers[i];
        const std::string where = "Layer " + std::to_string(i);
        if (layer.nKvHeads > layer.nHeads || layer.nHeads % layer.nKvHeads != 0)
            throw Error(where + " has " + std::to_string(layer.nHeads) + " heads, which " +
                        std::to_string(layer.nKvHeads) + " key-value heads cannot share evenly.");
    }
    if (c.headDim < 1 || c.headDim > 1024 || c.vHeadDim < 1 || c.vHeadDim > 1024)
        throw Error("Its heads have " + std::to_string(c.headDim) + " numbers, which makes no sense.");
    if (c.ropeDims % 2 != 0 || c.ropeDims > c.headDim)
        throw Error("Its rope turns " + std::to_string(c.ropeDims) + " numbers of heads that have " +
                    std::to_string(c.headDim) + ".");
    if (!c.ropeFactors.empty() && c.ropeFactors.size() != static_cast<size_t>(c.ropeDims / 2))
        throw Error("The tensor rope_freqs.weight has " + std::to_string(c.ropeFactors.size()) + " factors, but " +
                    std::to_string(c.ropeDims / 2) + " are needed.");
}

/// Numbers of a small float tensor.
std::vector<float> readFloats(const Checkpoint& checkpoint, const TensorEntry& tensor) {
    std::vector<float> values(static_cast<size_t>(tensor.cols() * tensor.rows()));
    const std::span<const std::byte> bytes = checkpoint.bytes(tensor);
    if (bytes.size() == tensor.bytes && !bytes.empty())
        tensor.type->decode(bytes.data(), values.data(), static_cast<int64_t>(values.size()));
    else
        std::fill(values.begin(), values.end(), 1.0f); // a header without its file
    return values;
}

kernels::Tensor uploadFloats(kernels::Backend& backend, const std::vector<float>& values,
                             std::vector<kernels::MemoryId>& memories) {
    const uint64_t bytes = values.size() * sizeof(float);
    const kernels::MemoryId memory = backend.allocate(bytes);
    memories.push_back(memory);
    backend.write(memory, 0, std::as_bytes(std::span(values)));
    return {.memory = memory,
            .type = kernels::Type::F32,
            .rows = 1,
            .cols = static_cast<int64_t>(values.size()),
            .stride = bytes};
}

} // namespace

std::span<const Architecture> architectures() {
    return kArchitectures;
}

std::vector<TensorSpec> tensorSpecs(const ModelConfig& config) {
    ModelWeights unused;
    std::vector<TensorSpec> specs;
    for (Binding& binding : bindings(config, unused))
        specs.push_back(std::move(binding.spec));
    return specs;
}

ModelConfig readModelConfig(const Checkpoint& checkpoint) {
    const std::string family = checkpoint.metadata().text("general.architecture", "");
    if (family.empty())
        throw Error("This file says nothing about its architecture (general.architecture is missing). It holds " +
                    describe(checkpoint) + ".");
    const auto known = architectures();
    const auto row = std::find_if(known.begin(), known.end(), [&](const auto& a) { return a.name == family; });
    if (row == known.end())
        throw Error("Models of the family " + printable(family) + " cannot be run by this version. The file holds " +
                    describe(checkpoint) + ".");
    try {
        const TensorEntry* embedding = checkpoint.find("token_embd.weight");
        if (!embedding)
            throw Error("The tensor token_embd.weight is missing.");
        if (embedding->rows() > (1 << 24))
            throw Error("The tensor token_embd.weight is " + embedding->shapeText() + ".");
        ModelConfig config = row->config(checkpoint);
        config.nVocab = static_cast<int>(embedding->rows());
        checkConfig(config);
        checkTensors(checkpoint, config);
        return config;
    } catch (const Error& error) {
        throw Error(std::string(error.what()) + " The file holds " + describe(checkpoint) + ".");
    }
}

ModelWeights bindWeights(const Checkpoint& checkpoint, const ModelConfig& config, kernels::Backend& backend,
                         std::vector<kernels::MemoryId>& memories) {
    std::vector<kernels::MemoryId> files;
    for (const std::span<const std::byte> memory : checkpoint.memories()) {
        files.push_back(backend.adopt(memory.data(), memory.size()));
        memories.push_back(files.back());
    }
    ModelWeights weights;
    for (const Binding& binding : bindings(config, weights)) {
        const TensorEntry* tensor = checkpoint.find(binding.spec.name);
        if (!tensor)
            continue;
        if (binding.spec.vector && tensor->type->type != kernels::Type::F32)
            *binding.slot = uploadFloats(backend, readFloats(checkpoint, *tensor), memories);
        else
            *binding.slot = {.memory = files[static_cast<size_t>(tensor->file)],
                             .type = tensor->type->type,
                             .offset = tensor->offset,
                             .rows = tensor->rows(),
                             .cols = tensor->cols(),
                             .stride = kernels::rowBytes(tensor->type->type, tensor->cols())};
    }
    if (!weights.head.present())
        weights.head = weights.embedding;
    if (!config.ropeFactors.empty())
        weights.ropeFactors = uploadFloats(backend, config.ropeFactors, memories);
    return weights;
}

// ---- what a file is

uint64_t parameterCount(const Checkpoint& checkpoint) {
    unsigned __int128 count = 0;
    for (const TensorEntry& tensor : checkpoint.tensors())
        count += static_cast<unsigned __int128>(tensor.cols()) * static_cast<unsigned __int128>(tensor.rows());
    return static_cast<uint64_t>(std::min<unsigned __int128>(count, UINT64_MAX));
}

std::string mainType(const Checkpoint& checkpoint) {
    std::map<std::string, double> numbers;
    for (const TensorEntry& tensor : checkpoint.tensors())
        if (tensor.nDims > 1)
            numbers[tensor.typeName()] += static_cast<double>(tensor.cols()) * static_cast<double>(tensor.rows());
    const auto most = std::max_element(numbers.begin(), numbers.end(),
                                       [](const auto& x, const auto& y) { return x.second < y.second; });
    return most == numbers.end() ? "" : most->first;
}

std::string describe(const Checkpoint& checkpoint) {
    const auto text = [&](const char* key) {
        const Value* value = checkpoint.metadata().find(key);
        const auto* string = value ? std::get_if<std::string>(value) : nullptr;
        return string ? printable(*string) : std::string();
    };
    const std::string name = text("general.name"), family = text("general.architecture");
    const std::string type = mainType(checkpoint);
    std::string out = std::to_string(checkpoint.tensors().size()) + " tensors";
    if (!type.empty())
        out += ", most in " + type;
    if (!family.empty())
        out += ", of a " + family + " model";
    if (!name.empty())
        out += " named \"" + name + "\"";
    return out;
}

// ---- helpers of the families

int FamilyKeys::required(std::string_view key, int low, int high) const {
    return static_cast<int>(metadata_.requireInteger(name(key), low, high));
}

int FamilyKeys::optional(std::string_view key, int low, int high, int fallback) const {
    return metadata_.contains(name(key)) ? required(key, low, high) : fallback;
}

float FamilyKeys::number(std::string_view key, double low, double high, double fallback) const {
    if (!metadata_.contains(name(key)))
        return static_cast<float>(fallback);
    const double value = metadata_.requireNumber(name(key));
    if (value < low || value > high)
        throw Error("The metadata key " + name(key) + " is " + std::to_string(value) + ", which makes no sense.");
    return static_cast<float>(value);
}

std::vector<int> FamilyKeys::perLayer(std::string_view key, int nLayers, int low, int high, int fallback) const {
    const auto n = static_cast<size_t>(nLayers);
    if (!metadata_.contains(name(key)) && fallback >= 0)
        return std::vector<int>(n, fallback);
    const Value* value = metadata_.find(name(key));
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

void readRopeScaling(const Checkpoint& checkpoint, const FamilyKeys& keys, ModelConfig& c) {
    const Metadata& metadata = checkpoint.metadata();
    const std::string type = metadata.text(keys.name("rope.scaling.type"), "");
    // Files before the key "type" have only a linear factor, under an older name.
    const float factor = keys.number("rope.scaling.factor", 0, 1e6, keys.number("rope.scale_linear", 0, 1e6, 1.0));
    if (const TensorEntry* tensor = checkpoint.find("rope_freqs.weight")) {
        const std::string what = misfit(*tensor, {.name = tensor->name, .cols = c.ropeDims / 2, .vector = true});
        if (!what.empty())
            throw Error("The tensor rope_freqs.weight " + what + ".");
        c.ropeFactors = readFloats(checkpoint, *tensor);
    } else if (type == "llama3") {
        c.ropeFactors = llama3RopeFactors(c.ropeDims, c.ropeTheta, factor,
                                          keys.number("rope.scaling.low_freq_factor", 1e-6, 1e6, 1),
                                          keys.number("rope.scaling.high_freq_factor", 1e-6, 1e6, 4),
                                          keys.optional("rope.scaling.original_context_length", 1, 1 << 27, 8192));
    } else if (type == "linear" || type.empty()) {
        if (factor != 1.0f && factor > 0)
            c.ropeFactors.assign(static_cast<size_t>(c.ropeDims / 2), factor);
    } else if (type != "none") {
        throw Error("Its rope scaling is of the kind " + printable(type) + ", which this version does not know.");
    }
    for (const float f : c.ropeFactors)
        if (!std::isfinite(f) || f == 0)
            throw Error("The factors of its rope scaling are not all finite numbers.");
}

} // namespace hearth::engine
