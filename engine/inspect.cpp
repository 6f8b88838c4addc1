#include "engine/error.h"
#include "engine/loaded_model.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <map>

namespace hearth::engine {

namespace {

void addPlacement(Inspection& out, const Checkpoint& checkpoint, const LoadOptions& options, double readBandwidth) {
    const ModelConfig config = readModelConfig(checkpoint);
    PlacementInput input = placementInput(checkpoint, config, options);
    input.devices.push_back({.freeBytes = freeSystemMemory(), .readBandwidth = readBandwidth});
    const Placement placement = planPlacement(input);
    out.info.contextTokens = input.contextTokens;
    out.info.trainedContextTokens = config.trainedContext;
    out.info.nVocab = config.nVocab;
    out.info.kvBytesPerToken = input.kvBytesPerToken;
    out.info.kvShareOfHeads = kvShareOfHeads(config);
    out.info.embeds = !config.causal;
    out.info.embeddingSize = config.causal ? 0 : config.dModel;
    for (size_t i = 0; i < placement.tensors.size(); ++i) {
        if (i == out.tensors.size()) // made of others when the model is loaded
            out.tensors.push_back({.name = placement.tensors[i].name, .bytes = placement.tensors[i].bytes});
        out.info.bytesPerToken += placement.tensors[i].bytesPerToken;
        out.tensors[i].device = input.devices[static_cast<size_t>(placement.tensors[i].device)].name;
    }
    out.weightBytes = placement.weightBytes;
    out.kvBytes = placement.kvBytes;
    out.scratchBytes = placement.scratchBytes;
    out.totalBytes = placement.totalBytes;
    out.freeBytes = placement.freeBytes;
    out.fits = placement.fits;
    out.largestContext = placement.largestContext;
    out.predictedTokensPerSecond = placement.predictedTokensPerSecond;
}

const kernels::QuantType& quantTypeNamed(std::string_view name) {
    const kernels::QuantType* type = kernels::findQuantType(name);
    if (!type)
        throw Error("The type " + printable(name) + " is not known.");
    return *type;
}

[[noreturn]] void partialBlock(const kernels::QuantType& type, size_t size, const char* unit, int block) {
    throw Error("The input has " + std::to_string(size) + " " + unit + ", which is no multiple of " +
                std::to_string(block) + ", a block of " + std::string(type.name) + ".");
}

} // namespace

Inspection inspectFile(const LoadOptions& options, double readBandwidth) {
    return inspectHeader(Checkpoint::open(options.path, options.overrides), options, readBandwidth);
}

Inspection inspectHeader(const Checkpoint& checkpoint, const LoadOptions& options, double readBandwidth) {
    Inspection out;
    out.info = infoFrom(checkpoint, options.path);
    out.format = checkpoint.format();
    out.metadata = checkpoint.metadata();
    std::map<std::string, uint64_t> byType;
    for (const TensorEntry& tensor : checkpoint.tensors()) {
        out.tensors.push_back({.name = printable(tensor.name),
                               .type = tensor.typeName(),
                               .shape = tensor.shapeText(),
                               .bytes = tensor.storedBytes()});
        byType[tensor.typeName()] += tensor.storedBytes();
    }
    out.bytesByType.assign(byType.begin(), byType.end());
    std::stable_sort(out.bytesByType.begin(), out.bytesByType.end(),
                     [](const auto& x, const auto& y) { return x.second > y.second; });
    try {
        addPlacement(out, checkpoint, options, readBandwidth);
    } catch (const Error& error) {
        out.problem = error.what();
    }
    return out;
}

std::vector<float> dequantize(std::string_view name, std::span<const std::byte> blocks) {
    const kernels::QuantType& type = quantTypeNamed(name);
    if (blocks.size() % static_cast<size_t>(type.bytes) != 0)
        partialBlock(type, blocks.size(), "bytes", type.bytes);
    std::vector<float> numbers(blocks.size() / static_cast<size_t>(type.bytes) * static_cast<size_t>(type.block));
    if (!numbers.empty())
        type.decode(blocks.data(), numbers.data(), static_cast<int64_t>(numbers.size()));
    return numbers;
}

std::vector<std::byte> quantize(std::string_view name, std::span<const float> numbers) {
    const kernels::QuantType& type = quantTypeNamed(name);
    if (!type.encode)
        throw Error("There is no encoder for " + std::string(type.name) + ".");
    if (numbers.size() % static_cast<size_t>(type.block) != 0)
        partialBlock(type, numbers.size(), "numbers", type.block);
    std::vector<std::byte> blocks(numbers.size() / static_cast<size_t>(type.block) * static_cast<size_t>(type.bytes));
    if (!blocks.empty())
        type.encode(numbers.data(), blocks.data(), static_cast<int64_t>(numbers.size()));
    return blocks;
}

} // namespace hearth::engine
