#include "app/models/files/fit.h"

#include "engine/engine.h"
#include "engine/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>

namespace hearth::app {
namespace {

using engine::readableBytes;

uint64_t add(uint64_t x, uint64_t y) {
    return x > UINT64_MAX - y ? UINT64_MAX : x + y;
}

struct VerdictRow {
    FitVerdict verdict;
    std::string_view name;
    const char* pill;
};

constexpr VerdictRow kVerdicts[] = {
    {FitVerdict::Gpu, "gpu", QT_TRANSLATE_NOOP("Models", "Fits the GPU")},
    {FitVerdict::GpuAndMemory, "gpuAndMemory", QT_TRANSLATE_NOOP("Models", "Fits with experts in memory")},
    {FitVerdict::Memory, "memory", QT_TRANSLATE_NOOP("Models", "Fits memory")},
    {FitVerdict::Slow, "slow", QT_TRANSLATE_NOOP("Models", "Slow")},
    {FitVerdict::WillNotFit, "no", QT_TRANSLATE_NOOP("Models", "Will not fit")},
};

const VerdictRow& rowOf(FitVerdict verdict) {
    return kVerdicts[static_cast<size_t>(verdict)];
}

std::string speedText(double tokensPerSecond) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), tokensPerSecond < 10 ? "%.1f" : "%.0f", tokensPerSecond);
    return text.data();
}

/// Bytes that lie on a GPU when experts stay in memory, and those that stay.
struct Split {
    uint64_t gpu = 0, memory = 0;
    double gpuRead = 0, memoryRead = 0; // bytes a token
};

Split splitOf(const engine::PlacementInput& in, const engine::Placement& plan) {
    Split split;
    for (const engine::PlacedTensor& tensor : in.tensors)
        (tensor.expert ? split.memoryRead : split.gpuRead) += static_cast<double>(tensor.bytesPerToken);
    for (const engine::PlacedTensor& tensor : in.tensors)
        if (tensor.expert)
            split.memory = add(split.memory, tensor.bytes);
    split.gpu = plan.totalBytes - std::min(plan.totalBytes, split.memory);
    split.gpuRead += static_cast<double>(plan.kvBytes) / 2;
    return split;
}

/// The largest context for which the model fits: its cache grows evenly beside what does not.
int largestContext(const engine::PlacementInput& in, const engine::Placement& plan, uint64_t usable, int most) {
    const uint64_t growing = plan.kvBytes - std::min(plan.kvBytes, in.kvWindowBytes);
    const uint64_t fixed = plan.totalBytes - std::min(plan.totalBytes, growing);
    if (fixed > usable)
        return 0;
    if (in.kvBytesPerToken == 0)
        return most;
    return static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(most), (usable - fixed) / in.kvBytesPerToken));
}

} // namespace

Fit judgeFit(const engine::PlacementInput& question, const MachineMemory& machine, int trainedContext) {
    engine::PlacementInput in = question;
    const uint64_t free = add(machine.freeBytes, machine.givenBackBytes);
    in.devices = {{.freeBytes = free, .readBandwidth = machine.readBandwidth}};
    const engine::Placement plan = engine::planPlacement(in);
    Fit fit{.neededBytes = plan.totalBytes,
            .weightBytes = plan.weightBytes,
            .kvBytes = plan.kvBytes,
            .scratchBytes = plan.scratchBytes,
            .usableBytes = engine::usableBytes(free),
            .givenBackBytes = machine.givenBackBytes,
            .contextTokens = in.contextTokens,
            .tokensPerSecond = plan.predictedTokensPerSecond};
    fit.largestContext = largestContext(in, plan, fit.usableBytes, std::max(in.contextTokens, trainedContext));
    const Split split = splitOf(in, plan);
    const bool hasGpu = machine.gpuFreeBytes > 0;
    if (hasGpu && plan.totalBytes <= engine::usableBytes(machine.gpuFreeBytes)) {
        fit.verdict = FitVerdict::Gpu;
        if (machine.gpuBandwidth > 0 && split.gpuRead + split.memoryRead > 0)
            fit.tokensPerSecond = machine.gpuBandwidth / (split.gpuRead + split.memoryRead);
        fit.usableBytes = engine::usableBytes(machine.gpuFreeBytes);
        fit.givenBackBytes = 0;
        return fit;
    }
    if (hasGpu && split.memory > 0 && split.gpu <= engine::usableBytes(machine.gpuFreeBytes) &&
        split.memory <= fit.usableBytes) {
        fit.verdict = FitVerdict::GpuAndMemory;
        if (machine.gpuBandwidth > 0 && machine.readBandwidth > 0)
            fit.tokensPerSecond = 1 / (split.gpuRead / machine.gpuBandwidth + split.memoryRead / machine.readBandwidth);
        return fit;
    }
    if (!plan.fits) {
        fit.tokensPerSecond = 0;
        return fit;
    }
    const bool slow = fit.tokensPerSecond > 0 && fit.tokensPerSecond < kReadingSpeed;
    fit.verdict = slow ? FitVerdict::Slow : FitVerdict::Memory;
    return fit;
}

Words pillWords(FitVerdict verdict) {
    return {rowOf(verdict).pill, {}};
}

std::string_view verdictName(FitVerdict verdict) {
    return rowOf(verdict).name;
}

Words fitWords(const Fit& fit) {
    const std::string needed = readableBytes(fit.neededBytes), usable = readableBytes(fit.usableBytes),
                      weights = readableBytes(fit.weightBytes), cache = readableBytes(fit.kvBytes),
                      context = std::to_string(fit.contextTokens), speed = speedText(fit.tokensPerSecond);
    if (fit.verdict == FitVerdict::WillNotFit && fit.largestContext >= engine::kPageTokens)
        return {
            QT_TRANSLATE_NOOP("Models", "Needs %1 for a context of %2 tokens, and %3 are free. A context of %4 tokens "
                                        "would fit."),
            {needed, context, usable, std::to_string(fit.largestContext / engine::kPageTokens * engine::kPageTokens)}};
    if (fit.verdict == FitVerdict::WillNotFit)
        return {QT_TRANSLATE_NOOP("Models",
                                  "Needs %1, and %2 are free. A smaller model, or one quantized to fewer bits, "
                                  "would fit."),
                {needed, usable}};
    if (fit.tokensPerSecond <= 0)
        return {QT_TRANSLATE_NOOP("Models", "Needs %1 of %2 that are free: %3 for its weights, %4 for a context of %5 "
                                            "tokens."),
                {needed, usable, weights, cache, context}};
    return {QT_TRANSLATE_NOOP("Models",
                              "Needs %1 of %2 that are free: %3 for its weights, %4 for a context of %5 tokens. "
                              "About %6 tokens a second."),
            {needed, usable, weights, cache, context, speed}};
}

std::string Bandwidth::toText() const {
    const nlohmann::json object = {
        {"processor", processor}, {"bytesPerSecond", bytesPerSecond}, {"measuredAt", measuredAtMs}, {"times", times}};
    return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<Bandwidth> Bandwidth::fromText(std::string_view text) {
    const nlohmann::json object = nlohmann::json::parse(text, nullptr, false);
    if (!object.is_object())
        return std::nullopt;
    try {
        Bandwidth out{.processor = object.at("processor").get<std::string>(),
                      .bytesPerSecond = object.at("bytesPerSecond").get<double>(),
                      .measuredAtMs = object.value("measuredAt", int64_t{0}),
                      .times = int(std::clamp<int64_t>(object.value("times", int64_t{1}), 1, kBandwidthTimes))};
        const bool sense = std::isfinite(out.bytesPerSecond) && out.bytesPerSecond > 1e6 && out.bytesPerSecond < 1e15;
        return sense ? std::optional(std::move(out)) : std::nullopt;
    } catch (const nlohmann::json::exception&) { // of other types than ours
        return std::nullopt;
    }
}

bool Bandwidth::holdsHere() const {
    return processor == processorName();
}

std::string processorName() {
    std::ifstream in("/proc/cpuinfo");
    std::string name = "processor";
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("model name") && line.find(": ") != std::string::npos) {
            name = engine::printable(line.substr(line.find(": ") + 2), 100);
            break;
        }
    return name + " x " + std::to_string(std::thread::hardware_concurrency());
}

Bandwidth measureBandwidth(int64_t nowMs, const std::function<bool()>& stop) {
    constexpr int kRuns = 5; // of 0.1 s: the best counts, for what a neighbour takes is not the machine's speed
    const auto begin = std::chrono::steady_clock::now();
    engine::Engine engine(engine::EngineOptions{});
    Bandwidth out{.processor = processorName(), .measuredAtMs = nowMs};
    for (int run = 0; run < kRuns && std::chrono::steady_clock::now() - begin < std::chrono::seconds(1); ++run) {
        if (stop && stop())
            return {};
        out.bytesPerSecond = std::max(out.bytesPerSecond, engine.readBandwidth());
    }
    return out;
}

} // namespace hearth::app
