#include "engine/placement.h"

#include "engine/error.h"
#include "engine/step.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace hearth::engine {

namespace {

// Weights, tables and buffers of a forward are not all: tokenizer, plans, heap.
constexpr uint64_t kOverhead = uint64_t{48} << 20;

uint64_t saturatingAdd(uint64_t x, uint64_t y) {
    return x > UINT64_MAX - y ? UINT64_MAX : x + y;
}

uint64_t saturatingMultiply(uint64_t x, uint64_t y) {
    return y != 0 && x > UINT64_MAX / y ? UINT64_MAX : x * y;
}

/// The first number of a file of one number; `fallback` where it has none ("max").
uint64_t numberIn(const char* path, uint64_t fallback) {
    std::ifstream in(path);
    uint64_t value = 0;
    return in >> value ? value : fallback;
}

uint64_t meminfoAvailable() {
    std::ifstream in("/proc/meminfo");
    std::string key, unit;
    uint64_t kilobytes = 0;
    while (in >> key >> kilobytes) {
        std::getline(in, unit);
        if (key == "MemAvailable:")
            return kilobytes * 1024;
    }
    return UINT64_MAX; // unknown: nothing is refused
}

} // namespace

Placement planPlacement(const PlacementInput& in) {
    Placement out;
    out.tensors = in.tensors;
    uint64_t perToken = 0; // bytes read for each generated token
    for (const PlacedTensor& tensor : out.tensors) {
        out.weightBytes = saturatingAdd(out.weightBytes, tensor.bytes);
        perToken = saturatingAdd(perToken, tensor.bytesPerToken);
    }
    const auto context = static_cast<uint64_t>(std::max(0, in.contextTokens));
    const uint64_t fixed =
        saturatingAdd(saturatingAdd(out.weightBytes, in.scratchBytes), saturatingAdd(in.kvWindowBytes, kOverhead));
    const uint64_t growing = saturatingMultiply(in.kvBytesPerToken, context);
    out.kvBytes = saturatingAdd(growing, in.kvWindowBytes);
    out.scratchBytes = in.scratchBytes;
    out.totalBytes = saturatingAdd(fixed, growing);
    if (in.devices.empty())
        return out;
    const DeviceMemory& device = in.devices.front();
    out.freeBytes = device.freeBytes;
    out.fits = out.totalBytes <= device.freeBytes;
    if (out.fits)
        out.largestContext = in.contextTokens;
    else if (fixed < device.freeBytes && in.kvBytesPerToken > 0)
        out.largestContext = static_cast<int>(std::min(context, (device.freeBytes - fixed) / in.kvBytesPerToken));
    const double read = static_cast<double>(perToken) + static_cast<double>(growing) / 2;
    if (device.readBandwidth > 0 && read > 0)
        out.predictedTokensPerSecond = device.readBandwidth / read;
    return out;
}

int contextFor(const ModelConfig& config, int asked) {
    constexpr int kDefault = 8192, kMost = 1 << 24;
    if (asked > 0)
        return std::min(asked, kMost);
    return std::clamp(config.trainedContext, 1, kDefault);
}

std::vector<KvLayer> kvLayers(const ModelConfig& config) {
    std::vector<KvLayer> layers;
    for (const LayerConfig& layer : config.layers) {
        KvKind kind;
        if (layer.window > 0)
            kind = {.tag = KvKind::Tag::Window, .window = layer.window};
        layers.push_back({.kind = kind, .heads = layer.nKvHeads, .kDim = config.headDim, .vDim = config.vHeadDim});
    }
    return layers;
}

kernels::Type kvTypeFor(const LoadOptions& options) {
    if (options.numerics == Numerics::Exact || options.kv == KvType::F32)
        return kernels::Type::F32;
    return options.kv == KvType::BF16 ? kernels::Type::BF16 : kernels::Type::F16;
}

PlacementInput placementInput(const Checkpoint& checkpoint, const ModelConfig& config, const LoadOptions& options) {
    PlacementInput in;
    const bool tied = !checkpoint.find("output.weight");
    for (const TensorEntry& tensor : checkpoint.tensors()) {
        const bool lookedUp = tensor.name == "token_embd.weight" && !tied;
        const auto rows = static_cast<uint64_t>(std::max<int64_t>(1, tensor.rows()));
        in.tensors.push_back({.name = tensor.name,
                              .bytes = tensor.bytes,
                              .bytesPerToken = lookedUp ? tensor.bytes / rows : tensor.bytes});
    }
    in.contextTokens = contextFor(config, options.contextTokens);
    const KvLayout layout = layoutKv(kvLayers(config), kvTypeFor(options));
    in.kvBytesPerToken = layout.bytesPerToken();
    for (const KvGroup& group : layout.groups)
        if (group.kind.tag == KvKind::Tag::Window) {
            const auto tokens = std::min<int64_t>(in.contextTokens, int64_t{group.kind.window} + kPageTokens);
            const auto pages = static_cast<uint64_t>(tokens / kPageTokens + 1);
            in.kvWindowBytes = saturatingAdd(in.kvWindowBytes, saturatingMultiply(pages, group.pageBytes));
        }
    in.scratchBytes = scratchBytes(config);
    return in;
}

std::string doesNotFit(const Placement& p, std::string_view modelName, int contextTokens) {
    std::string text = printable(modelName) + " needs " + readableBytes(p.totalBytes) + " of memory (" +
                       readableBytes(p.weightBytes) + " for its weights, " + readableBytes(p.kvBytes) +
                       " for a context of " + std::to_string(contextTokens) + " tokens), but only " +
                       readableBytes(p.freeBytes) + " are free.";
    if (p.largestContext >= kPageTokens)
        text += " A context of " + std::to_string(p.largestContext / kPageTokens * kPageTokens) + " tokens would fit.";
    else
        text += " A smaller model, or one quantized to fewer bits, would fit.";
    return text;
}

uint64_t freeSystemMemory() {
    const uint64_t available = meminfoAvailable();
    const uint64_t limit = numberIn("/sys/fs/cgroup/memory.max", UINT64_MAX);
    const uint64_t used = numberIn("/sys/fs/cgroup/memory.current", 0);
    if (limit == UINT64_MAX)
        return available;
    return std::min(available, limit > used ? limit - used : 0);
}

} // namespace hearth::engine
