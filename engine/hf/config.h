#pragma once

#include "engine/checkpoint.h"
#include "engine/hf/families.h"
#include "engine/metadata.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// JSON of a stranger, of bounded size, depth and number of values. Throws Error that names `name`.
nlohmann::json parseHfJson(std::string_view text, std::string_view name);

/// A model's config.json. Numbers are read with checks: wrong types and ranges throw Error.
class HfConfig {
public:
    /// Where a model that also sees has its text model inside, that one. Throws Error: no family that is known.
    explicit HfConfig(nlohmann::json);

    const HfFamily& family() const { return *family_; }

    const nlohmann::json& values() const { return values_; }

    /// The first of "a|b|c" that is there and not null; null: none is.
    const nlohmann::json* find(std::string_view keys) const;
    int64_t integer(std::string_view keys, int64_t fallback) const;
    int64_t require(std::string_view keys, int64_t low, int64_t high) const;
    double number(std::string_view keys, double fallback) const;
    bool boolean(std::string_view keys, bool fallback) const;
    std::string text(std::string_view keys, std::string_view fallback) const;

    int layers() const { return static_cast<int>(require("num_hidden_layers|n_layer", 1, 4096)); }

    int heads() const { return static_cast<int>(require("num_attention_heads|n_head", 1, 65536)); }

    int keyHeads() const;
    int headDim() const;

    /// "full_attention", "sliding_attention", "linear_attention", "conv" for each layer; empty: all are alike.
    std::vector<std::string> layerTypes() const;

private:
    nlohmann::json values_;
    const HfFamily* family_ = nullptr;
};

/// What a GGUF's converter would write of it, and where a folder's rows lie in another order.
Metadata metadataOf(const HfConfig&, Checkpoint::Form = Checkpoint::Form::AsItLies);

/// Factors of longrope scaling, one for each pair of dimensions: `key` is "long_factor" or "short_factor".
std::vector<float> ropeFactorsOf(const HfConfig&, std::string_view key);

/// Those of Llama 3's scaling, which a GGUF has as a tensor; empty: another scaling.
std::vector<float> llama3FactorsOf(const HfConfig&);

} // namespace hearth::engine
