#include "engine/model.h"

#include "engine/error.h"
#include "engine/models/family.h"
#include "engine/weights.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace hearth::engine {

namespace {

/// To add a family: models/<family>.cpp and a row here.
constexpr Architecture kArchitectures[] = {
    {"bert", bertConfig},
    {"cohere2", cohere2Config},
    {"command-r", cohereConfig},
    {"deepseek2", deepseekConfig},
    {"dots1", dotsConfig},
    {"ernie4_5", ernieConfig},
    {"ernie4_5-moe", ernieConfig},
    {"exaone4", exaone4Config},
    {"gemma", gemmaConfig},
    {"gemma2", gemma2Config},
    {"gemma3", gemma3Config},
    {"glm4", glm4Config},
    {"glm4moe", glm4MoeConfig},
    {"gpt-oss", gptOssConfig},
    {"gpt2", gpt2Config},
    {"gptneox", gptNeoxConfig},
    {"granite", graniteConfig},
    {"granitemoe", graniteConfig},
    {"hunyuan-dense", hunyuanConfig},
    {"internlm2", llamaConfig},
    {"lfm2", lfm2Config},
    {"lfm2moe", lfm2Config},
    {"llama", llamaConfig},
    {"minicpm", minicpmConfig},
    {"minimax-m2", minimaxConfig},
    {"modern-bert", modernBertConfig},
    {"nomic-bert", nomicBertConfig},
    {"olmo2", olmo2Config},
    {"olmoe", olmoeConfig},
    {"phi2", phi2Config},
    {"phi3", phi3Config},
    {"qwen2", qwen2Config},
    {"qwen2moe", qwen2Config},
    {"qwen3", qwen3Config},
    {"qwen35", qwen3NextConfig},
    {"qwen35moe", qwen3NextConfig},
    {"qwen3moe", qwen3Config},
    {"qwen3next", qwen3NextConfig},
    {"seed_oss", seedOssConfig},
    {"smollm3", smollm3Config},
    {"stablelm", stablelmConfig},
    {"starcoder2", starcoder2Config},
};

[[noreturn]] void senseless(const std::string& what) {
    throw Error(what + ", which makes no sense.");
}

/// An attention layer's heads.
void checkHeads(const LayerConfig& layer, const std::string& where) {
    if (layer.nHeads < 1 || layer.nKvHeads < 1 || layer.nHeads % layer.nKvHeads != 0)
        throw Error(where + " has " + std::to_string(layer.nHeads) + " heads, which " + std::to_string(layer.nKvHeads) +
                    " key-value heads cannot share evenly.");
}

void checkLayer(const ModelConfig& c, size_t i) {
    const LayerConfig& layer = c.layers[i];
    const std::string where = "Layer " + std::to_string(i);
    if (layer.mixer == Mixer::Attention)
        checkHeads(layer, where);
    if (layer.mixer == Mixer::Latent && layer.nHeads < 1)
        senseless(where + " has no heads");
    if (!layer.experts && layer.ffnDim < 1)
        senseless(where + " has a feed-forward block without width");
}

void checkConfig(ModelConfig& c) {
    if (c.headDim < 1 || c.headDim > 1024 || c.vHeadDim < 1 || c.vHeadDim > 1024)
        senseless("Its heads have " + std::to_string(c.headDim) + " numbers");
    for (LayerConfig& layer : c.layers)
        if (layer.rope >= static_cast<int>(c.ropes.size()))
            layer.rope = -1; // nothing turns
    for (size_t i = 0; i < c.layers.size(); ++i)
        checkLayer(c, i);
    const int turned = c.latent.kvRank > 0 ? c.latent.ropeDim : c.headDim;
    if (c.attentionGate && (c.headDim != c.vHeadDim || std::any_of(c.layers.begin(), c.layers.end(), [](const auto& l) {
                                return l.fusedQkv && l.mixer == Mixer::Attention;
                            })))
        throw Error("Its attention has a gate, but queries and values that do not go with one.");
    for (const RopeConfig& rope : c.ropes) {
        if (!std::isfinite(rope.attentionFactor))
            senseless("The magnitude of its rope scaling is no finite number");
        if (rope.dims < 2 || rope.dims % 2 != 0 || rope.dims > turned)
            throw Error("Its rope turns " + std::to_string(rope.dims) + " numbers of heads that have " +
                        std::to_string(turned) + ".");
        if (rope.factors.size() % static_cast<size_t>(rope.dims / 2) != 0)
            throw Error("The factors of its rope are " + std::to_string(rope.factors.size()) + ", but " +
                        std::to_string(rope.dims / 2) + " are needed.");
    }
}

/// Brings float tensors to the form that operations want.
class Binder {
public:
    Binder(const Checkpoint& checkpoint, kernels::Backend& backend, std::vector<kernels::MemoryId>& memories)
        : checkpoint_(checkpoint), backend_(backend), memories_(memories) {
        for (const std::span<const std::byte> memory : checkpoint.memories()) {
            files_.push_back(backend.adopt(memory.data(), memory.size()));
            memories_.push_back(files_.back());
        }
    }

    void bind(const Binding& binding) const {
        const TensorEntry* tensor = checkpoint_.find(binding.spec.name);
        if (!tensor)
            return;
        const bool vector = binding.kind == Binding::Kind::Vector;
        if (!tensor->parts.empty()) {
            *binding.slot = inPart(*tensor, binding);
            return;
        }
        const int64_t rows = vector ? 1 : tensor->rows(), cols = vector ? binding.spec.cols : tensor->cols();
        kernels::Tensor all = {.memory = files_[static_cast<size_t>(tensor->file)],
                               .type = tensor->type->type,
                               .offset = tensor->offset,
                               .rows = rows,
                               .cols = cols,
                               .stride = kernels::rowBytes(tensor->type->type, cols)};
        if (binding.kind != Binding::Kind::Matrix && all.type != kernels::Type::F32)
            all = upload(floats(*tensor), rows, cols);
        *binding.slot = part(all, binding, vector);
        if (all.type == kernels::Type::F8_E4M3)
            binding.slot->scales = scales(*tensor, binding.first, binding.slot->rows);
    }

    kernels::Tensor upload(const std::vector<float>& values, int64_t rows, int64_t cols) const {
        return upload(std::as_bytes(std::span(values)), kernels::Type::F32, rows, cols);
    }

    kernels::Tensor upload(std::span<const std::byte> bytes, kernels::Type type, int64_t rows, int64_t cols) const {
        const kernels::MemoryId memory = backend_.allocate(bytes.size());
        memories_.push_back(memory);
        backend_.write(memory, 0, bytes);
        return {.memory = memory, .type = type, .rows = rows, .cols = cols, .stride = kernels::rowBytes(type, cols)};
    }

    std::vector<float> floats(const TensorEntry& tensor) const {
        std::vector<float> values(static_cast<size_t>(tensor.cols() * tensor.rows()));
        checkpoint_.decode(tensor, checkpoint_.bytes(tensor), 0, tensor.rows(), values.data());
        return values;
    }

private:
    /// Of consecutive rows, which must lie in one run.
    kernels::BlockScales scales(const TensorEntry& tensor, int64_t first, int64_t count) const {
        if (first % tensor.rowsOfRun() + count > tensor.rowsOfRun())
            misused(tensor, tensor.scales.size());
        const TensorScales s = tensor.scalesFrom(first);
        return {.memory = files_[static_cast<size_t>(s.place.file)],
                .type = s.type->type,
                .offset = s.place.offset,
                .stride = s.rowBytes(),
                .blockRows = s.blockRows,
                .blockCols = s.blockCols,
                .firstRow = s.firstRow};
    }

    [[noreturn]] static void misused(const TensorEntry& tensor, size_t parts) {
        throw Error("The tensor " + tensor.name + " consists of " + std::to_string(parts) + " parts of " +
                    std::to_string(tensor.rows() / static_cast<int64_t>(parts)) + " rows, which its use does not fit.");
    }

    /// Rows of a tensor whose parts, the matrices of experts or heads, lie each in its own place.
    kernels::Tensor inPart(const TensorEntry& tensor, const Binding& binding) const {
        const int64_t rows = tensor.rows() / static_cast<int64_t>(tensor.parts.size());
        const int64_t index = binding.first / rows, first = binding.first % rows;
        if (binding.kind != Binding::Kind::Matrix || binding.count < 0 || first + binding.count > rows)
            misused(tensor, tensor.parts.size());
        const BytePlace place = tensor.parts[static_cast<size_t>(index)];
        const uint64_t stride = kernels::rowBytes(tensor.type->type, tensor.cols());
        return {.memory = files_[static_cast<size_t>(place.file)],
                .type = tensor.type->type,
                .offset = place.offset + static_cast<uint64_t>(first) * stride,
                .rows = binding.count,
                .cols = tensor.cols(),
                .stride = stride,
                .scales =
                    tensor.scales.empty() ? kernels::BlockScales{} : scales(tensor, binding.first, binding.count)};
    }

    static kernels::Tensor part(kernels::Tensor all, const Binding& binding, bool vector) {
        if (binding.count < 0)
            return all;
        all.offset += static_cast<uint64_t>(binding.first) * (vector ? sizeof(float) : all.stride);
        (vector ? all.cols : all.rows) = binding.count;
        return all;
    }

    const Checkpoint& checkpoint_;
    kernels::Backend& backend_;
    std::vector<kernels::MemoryId>& memories_;
    std::vector<kernels::MemoryId> files_;
};

kernels::Type derivedType(Numerics numerics) {
    return numerics == Numerics::Exact ? kernels::Type::F32 : kernels::Type::F16;
}

/// k_b of every head, (kvRank, nopeDim), from the joint tensor, whose heads are [nope | v] of rows of kvRank.
void deriveKeys(const Checkpoint& checkpoint, const ModelConfig& c, Numerics numerics, const Binder& binder,
                size_t layer, LayerWeights& weights) {
    const TensorEntry* joint = checkpoint.find("blk." + std::to_string(layer) + ".attn_kv_b.weight");
    const auto nope = static_cast<size_t>(c.latent.nopeDim), rank = static_cast<size_t>(c.latent.kvRank);
    const kernels::QuantType& to = kernels::quantType(derivedType(numerics));
    std::vector<float> rows(nope * rank), turned(nope * rank);
    std::vector<std::byte> bytes(turned.size() * static_cast<size_t>(to.bytes));
    for (size_t h = 0; h < weights.kB.size(); ++h) {
        const size_t first = h * (nope + static_cast<size_t>(c.latent.vDim));
        checkpoint.decode(*joint, checkpoint.bytes(*joint), static_cast<int64_t>(first), c.latent.nopeDim, rows.data());
        for (size_t i = 0; i < nope; ++i)
            for (size_t j = 0; j < rank; ++j)
                turned[j * nope + i] = rows[i * rank + j];
        to.encode(turned.data(), bytes.data(), static_cast<int64_t>(turned.size()));
        weights.kB[h] = binder.upload(bytes, to.type, c.latent.kvRank, c.latent.nopeDim);
    }
}

} // namespace

std::span<const Architecture> architectures() {
    return kArchitectures;
}

ModelConfig readModelConfig(const Checkpoint& checkpoint) {
    const std::string family = checkpoint.metadata().text("general.architecture", "");
    if (family.empty())
        throw Error("This file says nothing about its architecture (general.architecture is missing). It holds " +
                    describe(checkpoint) + ".");
    const auto known = architectures();
    const auto row = std::find_if(known.begin(), known.end(), [&](const auto& a) { return a.name == family; });
    if (row == known.end())
        throw Error({Trouble::UnknownFamily, {printable(family)}},
                    "Models of the family " + printable(family) + " cannot be run by this version. The file holds " +
                        describe(checkpoint) + ".");
    try {
        const TensorEntry* embedding = checkpoint.find("token_embd.weight");
        if (!embedding)
            throw Error("The tensor token_embd.weight is missing.");
        if (embedding->rows() > (1 << 24))
            throw Error("The tensor token_embd.weight is " + embedding->shapeText() + ".");
        ModelConfig config = row->config(FamilyFile(checkpoint, family));
        config.nVocab = static_cast<int>(embedding->rows());
        checkConfig(config);
        checkTensors(checkpoint, config);
        return config;
    } catch (const Error& error) {
        Reason reason = error.reason();
        if (reason.trouble == Trouble::Other)
            reason = {Trouble::Unfit, {printable(family)}};
        throw Error(std::move(reason), std::string(error.what()) + " The file holds " + describe(checkpoint) + ".");
    }
}

uint64_t derivedBytes(const ModelConfig& c, Numerics numerics) {
    if (c.latent.kvRank == 0 || !c.latent.joint)
        return 0;
    uint64_t numbers = 0;
    for (const LayerConfig& layer : c.layers)
        numbers += static_cast<uint64_t>(layer.nHeads) * static_cast<uint64_t>(c.latent.nopeDim) *
                   static_cast<uint64_t>(c.latent.kvRank);
    return numbers * static_cast<uint64_t>(kernels::quantType(derivedType(numerics)).bytes);
}

ModelWeights bindWeights(const Checkpoint& checkpoint, const ModelConfig& config, Numerics numerics,
                         kernels::Backend& backend, std::vector<kernels::MemoryId>& memories) {
    const Binder binder(checkpoint, backend, memories);
    ModelWeights weights;
    for (size_t part = 0; part <= config.layers.size(); ++part)
        for (const Binding& binding : bindings(config, part, weights))
            binder.bind(binding);
    if (!weights.head.present())
        weights.head = weights.embedding;
    if (config.latent.joint)
        for (size_t i = 0; i < weights.layers.size(); ++i)
            deriveKeys(checkpoint, config, numerics, binder, i, weights.layers[i]);
    for (const RopeConfig& rope : config.ropes) {
        const auto cols = static_cast<int64_t>(rope.dims / 2);
        weights.ropeFactors.push_back(
            rope.factors.empty() ? kernels::Tensor{}
                                 : binder.upload(rope.factors, static_cast<int64_t>(rope.factors.size()) / cols, cols));
    }
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

} // namespace hearth::engine
