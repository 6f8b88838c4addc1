#include "engine/placement.h"

#include "engine/encoder.h"
#include "engine/error.h"
#include "engine/step.h"
#include "engine/weights.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace hearth::engine {

namespace {

// Weights, cache and buffers of a forward are not all, as tests/engine/core/real_memory_test measures it: heap,
// and of each token its text in header and tokenizer, with tables.
constexpr uint64_t kOfEveryModel = 2'200'000;
constexpr uint64_t kOfEveryToken = 190;
// Left free when a model is loaded: the system and this program go on.
constexpr uint64_t kSpare = uint64_t{48} << 20;

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

/// A line such as "MemAvailable:   1234 kB", in bytes.
uint64_t kilobytesIn(const char* path, std::string_view wanted, uint64_t fallback) {
    std::ifstream in(path);
    std::string key, rest;
    while (in >> key) {
        uint64_t kilobytes = 0;
        if (key == wanted && in >> kilobytes)
            return kilobytes * 1024;
        std::getline(in, rest);
    }
    return fallback;
}

/// Unknown: nothing is refused.
uint64_t meminfoAvailable() {
    return kilobytesIn("/proc/meminfo", "MemAvailable:", UINT64_MAX);
}

} // namespace

uint64_t usableBytes(uint64_t freeBytes) {
    return freeBytes > kSpare ? freeBytes - kSpare : 0;
}

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
        saturatingAdd(saturatingAdd(out.weightBytes, in.scratchBytes), saturatingAdd(in.kvWindowBytes, in.textBytes));
    const uint64_t growing = saturatingMultiply(in.kvBytesPerToken, context);
    out.kvBytes = saturatingAdd(growing, in.kvWindowBytes);
    out.scratchBytes = in.scratchBytes;
    out.totalBytes = saturatingAdd(fixed, growing);
    if (in.devices.empty())
        return out;
    const DeviceMemory& device = in.devices.front();
    out.freeBytes = device.freeBytes;
    const uint64_t usable = usableBytes(device.freeBytes);
    out.fits = out.totalBytes <= usable;
    if (out.fits)
        out.largestContext = in.contextTokens;
    else if (fixed < usable && in.kvBytesPerToken > 0)
        out.largestContext = static_cast<int>(std::min(context, (usable - fixed) / in.kvBytesPerToken));
    const double read = static_cast<double>(perToken) + static_cast<double>(growing) / 2;
    if (device.readBandwidth > 0 && read > 0)
        out.predictedTokensPerSecond = device.readBandwidth / read;
    return out;
}

int contextFor(const ModelConfig& config, int asked) {
    constexpr int kDefault = 8192, kMost = 1 << 24;
    const int most = config.mostContext > 0 ? config.mostContext : kMost;
    return std::min(asked > 0 ? std::min(asked, kMost) : std::clamp(config.trainedContext, 1, kDefault), most);
}

KvLayer kvLayer(const ModelConfig& c, const LayerConfig& layer) {
    if (const uint64_t bytes = stateBytes(c, layer); bytes > 0)
        return {.kind = {.tag = KvKind::Tag::State, .stateBytes = bytes}};
    if (layer.mixer == Mixer::Latent)
        return {.kind = {.tag = KvKind::Tag::Latent}, .heads = 1, .kDim = c.latent.kvRank + c.latent.ropeDim};
    KvKind kind;
    if (layer.window > 0)
        kind = {.tag = KvKind::Tag::Window, .window = layer.window};
    return {.kind = kind, .heads = layer.nKvHeads, .kDim = c.headDim, .vDim = c.vHeadDim};
}

std::vector<KvLayer> kvLayers(const ModelConfig& config) {
    std::vector<KvLayer> layers;
    for (const LayerConfig& layer : config.layers)
        if (config.causal)
            layers.push_back(kvLayer(config, layer));
    return layers;
}

double kvShareOfHeads(const ModelConfig& config) {
    double kept = 0, all = 0; // numbers a token
    for (size_t i = 0; config.causal && i < config.layers.size(); ++i) {
        const LayerConfig& layer = config.layers[i];
        const KvLayer kv = kvLayer(config, layer);
        if (kv.kind.tag == KvKind::Tag::State)
            continue;
        kept += static_cast<double>(kv.heads) * (kv.kDim + kv.vDim);
        all += static_cast<double>(layer.nHeads) * (config.headDim + config.vHeadDim);
    }
    return all > 0 ? kept / all : 1;
}

kernels::Type kvTypeFor(const LoadOptions& options) {
    if (options.numerics == Numerics::Exact)
        return kernels::Type::F32;
    constexpr kernels::Type kTypes[] = {kernels::Type::F32, kernels::Type::F16, kernels::Type::BF16,
                                        kernels::Type::Q8_0, kernels::Type::Q4_0}; // in the order of KvType
    return kTypes[static_cast<size_t>(options.kv)];
}

namespace {

/// Heads that leave a block of the cache unfilled are filled up; latents cannot be, for the rope's part follows them.
void requireWholeLatents(const ModelConfig& config, const LoadOptions& options) {
    const kernels::QuantType& type = kernels::quantType(kvTypeFor(options));
    if (config.causal && config.latent.kvRank % type.block != 0)
        throw Error("The cache cannot be " + std::string(type.name) + ": the model's latents of " +
                    std::to_string(config.latent.kvRank) + " numbers do not fill its blocks of " +
                    std::to_string(type.block) + ". Use F16 instead.");
}

/// "blk.3.ffn_gate.7.weight"
bool isExpertOfItsOwn(const std::string& name) {
    const size_t at = name.find(".ffn_");
    return at != std::string::npos && std::count(name.begin() + static_cast<std::ptrdiff_t>(at), name.end(), '.') == 3;
}

bool isExpert(const ModelConfig& config, const std::string& name) {
    return config.experts.count > 0 && (name.find("_exps.") != std::string::npos || isExpertOfItsOwn(name));
}

/// What of a tensor is read for each generated token: a row of a table, the chosen experts, all of the others.
uint64_t bytesPerToken(const Checkpoint& checkpoint, const ModelConfig& config, const TensorEntry& tensor) {
    if (layerOf(tensor.name) >= static_cast<int>(config.layers.size()))
        return 0; // of a layer that takes no part
    const bool tied = config.causal && !checkpoint.find("output.weight");
    if ((tensor.name == "token_embd.weight" && !tied) || tensor.name == "position_embd.weight")
        return tensor.storedBytes() / static_cast<uint64_t>(std::max<int64_t>(1, tensor.rows()));
    if (!isExpert(config, tensor.name))
        return tensor.storedBytes();
    return tensor.storedBytes() / static_cast<uint64_t>(config.experts.count) *
           static_cast<uint64_t>(config.experts.used);
}

} // namespace

bool floatPrompts(const ModelConfig& config, const LoadOptions& options) {
    return options.floatPrompts.value_or(config.dModel < kSmallWidth);
}

KvSize kvSize(const ModelConfig& config, const LoadOptions& options) {
    requireWholeLatents(config, options);
    const KvLayout layout = layoutKv(kvLayers(config), kvTypeFor(options));
    KvSize size{.bytesPerToken = layout.bytesPerToken()};
    for (const KvGroup& group : layout.groups)
        if (group.kind.tag == KvKind::Tag::State) {
            size.windowBytes = saturatingAdd(size.windowBytes, saturatingMultiply(kStatePages, group.pageBytes));
        } else if (group.kind.tag == KvKind::Tag::Window) {
            const auto tokens =
                std::min<int64_t>(contextFor(config, options.contextTokens), int64_t{group.kind.window} + kPageTokens);
            const auto pages = static_cast<uint64_t>(tokens / kPageTokens + 1);
            size.windowBytes = saturatingAdd(size.windowBytes, saturatingMultiply(pages, group.pageBytes));
        }
    return size;
}

PlacementInput placementInput(const Checkpoint& checkpoint, const ModelConfig& config, const LoadOptions& options) {
    const KvSize kv = kvSize(config, options);
    PlacementInput in;
    for (const TensorEntry& tensor : checkpoint.tensors())
        in.tensors.push_back({.name = tensor.name,
                              .bytes = tensor.storedBytes(),
                              .bytesPerToken = bytesPerToken(checkpoint, config, tensor),
                              .expert = isExpert(config, tensor.name)});
    if (const uint64_t derived = derivedBytes(config, options.numerics); derived > 0)
        in.tensors.push_back({.name = "attn_k_b, turned", .bytes = derived, .bytesPerToken = derived, .derived = true});
    in.textBytes = kOfEveryModel + kOfEveryToken * static_cast<uint64_t>(std::max(0, config.nVocab));
    in.contextTokens = contextFor(config, options.contextTokens);
    in.kvBytesPerToken = kv.bytesPerToken;
    in.kvWindowBytes = kv.windowBytes;
    in.scratchBytes = config.causal
                          ? scratchBytes(config, in.contextTokens, options.numerics, floatPrompts(config, options))
                          : encoderBytes(config, in.contextTokens);
    return in;
}

std::string doesNotFit(const Placement& p, std::string_view modelName, int contextTokens) {
    std::string text = printable(modelName) + " needs " + readableBytes(p.totalBytes) + " of memory (" +
                       readableBytes(p.weightBytes) + " for its weights, " + readableBytes(p.kvBytes) +
                       " for a context of " + std::to_string(contextTokens) + " tokens), but only " +
                       readableBytes(usableBytes(p.freeBytes)) + " are free for it.";
    if (p.largestContext >= kPageTokens)
        text += " A context of " + std::to_string(p.largestContext / kPageTokens * kPageTokens) + " tokens would fit.";
    else
        text += " A smaller model, or one quantized to fewer bits, would fit.";
    return text;
}

Reason reasonNotToFit(const Placement& p, std::string_view modelName) {
    Reason reason{Trouble::TooLarge,
                  {printable(modelName), readableBytes(p.totalBytes), readableBytes(usableBytes(p.freeBytes))}};
    if (p.largestContext >= kPageTokens) {
        reason.trouble = Trouble::ContextTooLarge;
        reason.values.push_back(std::to_string(p.largestContext / kPageTokens * kPageTokens));
    }
    return reason;
}

uint64_t ownProcessMemory() {
    return kilobytesIn("/proc/self/status", "RssAnon:", 0);
}

uint64_t freeOfLimit(uint64_t limit, uint64_t used, std::string_view statistics) {
    // What files occupy goes when it is needed: a model that was just downloaded must not stand in its own way.
    uint64_t ofFiles = 0;
    std::istringstream lines{std::string(statistics)};
    std::string key;
    for (uint64_t bytes = 0; lines >> key >> bytes;)
        if (key == "active_file" || key == "inactive_file")
            ofFiles = saturatingAdd(ofFiles, bytes);
    used -= std::min(used, ofFiles);
    return limit > used ? limit - used : 0;
}

uint64_t freeSystemMemory() {
    const uint64_t available = meminfoAvailable();
    const uint64_t limit = numberIn("/sys/fs/cgroup/memory.max", UINT64_MAX);
    if (limit == UINT64_MAX)
        return available;
    std::ifstream in("/sys/fs/cgroup/memory.stat");
    const std::string statistics(std::istreambuf_iterator<char>(in), {});
    return std::min(available, freeOfLimit(limit, numberIn("/sys/fs/cgroup/memory.current", 0), statistics));
}

ResidentMemory residentMemory(const PlacementInput& in, const Placement& placement) {
    ResidentMemory out;
    for (const PlacedTensor& tensor : in.tensors)
        if (!tensor.derived)
            out.fileBytes = saturatingAdd(out.fileBytes, tensor.bytes);
    out.ownBytes = placement.totalBytes - std::min(placement.totalBytes, out.fileBytes);
    return out;
}

uint64_t freeBeside(const ResidentMemory& staying, const ResidentMemory& leaving, uint64_t free, uint64_t touched) {
    const uint64_t promised = saturatingAdd(staying.ownBytes, leaving.ownBytes);
    touched = std::min(touched, promised);
    // What was touched is taken to be spread over all models as their promises are.
    const double part = promised > 0 ? static_cast<double>(touched) / static_cast<double>(promised) : 0;
    const auto givenBack = static_cast<uint64_t>(part * static_cast<double>(leaving.ownBytes));
    const auto toCome = static_cast<uint64_t>((1 - part) * static_cast<double>(staying.ownBytes));
    const uint64_t all = saturatingAdd(free, givenBack), taken = saturatingAdd(staying.fileBytes, toCome);
    return all > taken ? all - taken : 0;
}

} // namespace hearth::engine
