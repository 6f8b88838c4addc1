#pragma once

#include "engine/engine.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::app {

/// What a person has set for one model; what is absent is as the model or the program has it.
struct ModelDefaults {
    std::optional<int> contextTokens;
    std::optional<int> threads;
    std::string kv;                                       // "f16", "q8_0", ...; empty: the program's
    std::vector<std::pair<std::string, double>> sampling; // names of samplingKeys()
    std::string systemPrompt;
    std::optional<bool> thinking;

    bool empty() const;
    std::string toJson() const; // empty where nothing is set
    /// What makes no sense is left out. Never throws but std::bad_alloc.
    static ModelDefaults fromJson(std::string_view);

    friend bool operator==(const ModelDefaults&, const ModelDefaults&) = default;
};

/// "f16" and so on, in the order of engine::KvType.
std::span<const std::string_view> kvTypeNames();
std::optional<engine::KvType> kvTypeNamed(std::string_view); // nothing: it is none

/// A model's own sampling with what a person has set in its place, as ModelDefaults has it.
engine::SamplerSettings withOwn(engine::SamplerSettings, const std::vector<std::pair<std::string, double>>& sampling);

} // namespace hearth::app
