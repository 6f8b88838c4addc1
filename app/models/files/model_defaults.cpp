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
    constexpr std::string_view kTypes[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};
    if (const std::string kv = textAt(object, "kv");
        std::find(std::begin(kTypes), std::end(kTypes), kv) != std::end(kTypes))
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

} // namespace hearth::app
