#include "app/models/files/model_defaults.h"

#include "app/models/files/model_facts.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace hearth::app {
namespace {

using nlohmann::json;

constexpr int kMostContext = 1 << 24;
constexpr int kMostThreads = 1024;
constexpr std::string_view kKvTypes[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};

/// Where each of samplingKeys() goes.
struct SamplingField {
    std::string_view name;
    float engine::SamplerSettings::*number = nullptr;
    int engine::SamplerSettings::*whole = nullptr;
};

constexpr SamplingField kSampling[] = {
    {"temperature", &engine::SamplerSettings::temperature},
    {"topK", nullptr, &engine::SamplerSettings::topK},
    {"topP", &engine::SamplerSettings::topP},
    {"minP", &engine::SamplerSettings::minP},
    {"repetitionPenalty", &engine::SamplerSettings::repetitionPenalty},
};

std::optional<int> wholeAt(const json& object, const char* key, int low, int high) {
    const auto it = object.find(key);
    if (it == object.end() || !it->is_number_integer())
        return std::nullopt;
    const auto value = it->is_number_unsigned() && it->get<uint64_t>() > static_cast<uint64_t>(high)
                           ? int64_t{high} + 1
                           : it->get<int64_t>();
    return value >= low && value <= high ? std::optional(static_cast<int>(value)) : std::nullopt;
}

std::string textAt(const json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

} // namespace

bool ModelDefaults::empty() const {
    return *this == ModelDefaults{};
}

std::string ModelDefaults::toJson() const {
    json object = json::object();
    if (contextTokens)
        object["context"] = *contextTokens;
    if (threads)
        object["threads"] = *threads;
    if (!kv.empty())
        object["kv"] = kv;
    for (const auto& [name, value] : sampling)
        object["sampling"][name] = value;
    if (!systemPrompt.empty())
        object["system"] = systemPrompt;
    if (thinking)
        object["thinking"] = *thinking;
    return object.empty() ? std::string() : object.dump(-1, ' ', false, json::error_handler_t::replace);
}

ModelDefaults ModelDefaults::fromJson(std::string_view text) {
    ModelDefaults out;
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object())
        return out;
    out.contextTokens = wholeAt(object, "context", 1, kMostContext);
    out.threads = wholeAt(object, "threads", 1, kMostThreads);
    if (const std::string kv = textAt(object, "kv"); kvTypeNamed(kv))
        out.kv = kv;
    out.systemPrompt = textAt(object, "system");
    if (const auto it = object.find("thinking"); it != object.end() && it->is_boolean())
        out.thinking = it->get<bool>();
    if (const auto it = object.find("sampling"); it != object.end() && it->is_object())
        for (const SamplingKey& key : samplingKeys())
            if (const auto value = it->find(key.name);
                value != it->end() && value->is_number() && std::abs(value->get<double>()) <= 1e9)
                out.sampling.emplace_back(key.name, value->get<double>());
    return out;
}

std::span<const std::string_view> kvTypeNames() {
    return kKvTypes;
}

std::optional<engine::KvType> kvTypeNamed(std::string_view name) {
    const auto* at = std::find(std::begin(kKvTypes), std::end(kKvTypes), name);
    return at == std::end(kKvTypes) ? std::nullopt : std::optional(static_cast<engine::KvType>(at - kKvTypes));
}

engine::SamplerSettings withOwn(engine::SamplerSettings settings,
                                const std::vector<std::pair<std::string, double>>& sampling) {
    for (const auto& [name, value] : sampling)
        for (const SamplingField& field : kSampling)
            if (field.name != name)
                continue;
            else if (field.number)
                settings.*field.number = static_cast<float>(value);
            else
                settings.*field.whole = static_cast<int>(std::clamp(value, -1.0, 1e6));
    return settings.validated();
}

} // namespace hearth::app
