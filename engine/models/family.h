#pragma once

#include "engine/checkpoint.h"
#include "engine/model.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// A checkpoint as one family reads it: keys under the family's prefix, and which tensors there are.
/// Throws Error that names the key.
class FamilyFile {
public:
    FamilyFile(const Checkpoint& checkpoint, std::string family)
        : checkpoint_(checkpoint), family_(std::move(family)) {}

    const Checkpoint& checkpoint() const { return checkpoint_; }

    const std::string& family() const { return family_; }

    /// The key's full name: "block_count" is "llama.block_count".
    std::string name(std::string_view key) const { return family_ + "." + std::string(key); }

    bool hasKey(std::string_view key) const { return checkpoint_.metadata().contains(name(key)); }

    bool hasTensor(std::string_view tensor) const { return checkpoint_.find(tensor) != nullptr; }

    int required(std::string_view key, int low, int high) const;
    int optional(std::string_view key, int low, int high, int fallback) const;
    float number(std::string_view key, double low, double high, double fallback) const;
    bool flag(std::string_view key, bool fallback) const;
    std::string text(std::string_view key, std::string_view fallback) const;
    /// One value a layer, from a scalar or an array.
    std::vector<int> perLayer(std::string_view key, int nLayers, int low, int high, int fallback = -1) const;

private:
    const Checkpoint& checkpoint_;
    std::string family_;
};

/// What most families share, read from the keys that they share: sizes, heads, feed-forward widths, experts, one rope
/// over the whole head with its scaling, one window for all layers where the file has one, 1 / sqrt(headDim).
ModelConfig commonConfig(const FamilyFile&);

/// The shape of the layers' windows where they alternate: `attention.sliding_window` for all but every `period`-th
/// layer, the last of its period (the first where `fullFirst`), or as `attention.sliding_window_pattern` says.
/// `fallback`: the window where the file does not say.
void alternateWindows(const FamilyFile&, ModelConfig&, int period, int fallback = 0, bool fullFirst = false);

/// Gives layers with a window a rope of their own without scaling, its base under `rope.freq_base_swa`.
void addWindowRope(const FamilyFile&, ModelConfig&, double theta);

/// Rope scaling of the keys `rope.scaling.*` and the tensors `rope_freqs` and `rope_factors_*`, written into the rope.
/// `yarnTruncates`: the family rounds the range of YaRN's ramp to whole dimensions.
void scaleRope(const FamilyFile&, RopeConfig&, bool yarnTruncates = true);

/// Llama 3's scaling (transformers: rope_type "llama3"): long waves are stretched by `factor`, short ones stay, between
/// them a ramp. (dims / 2) divisors of the frequencies.
std::vector<float> llama3RopeFactors(int dims, float theta, float factor, float lowFrequencyFactor,
                                     float highFrequencyFactor, int originalContext);

/// YaRN (Peng et al. 2023, section 3.2): dimensions that turn more than betaFast times over the original context stay,
/// those that turn less than betaSlow times are stretched by `factor`, between them a ramp.
struct YarnRange {
    float factor = 1, betaFast = 32, betaSlow = 1;
    int originalContext = 0;
    bool truncate = true; // the ends of the ramp are whole dimensions
};

std::vector<float> yarnRopeFactors(int dims, float theta, const YarnRange&);
/// What YaRN multiplies queries and keys by (section 3.4): 0.1 * multiplier * ln(factor) + 1.
float yarnMagnitude(float factor, float multiplier = 1.0f);

/// One family: how its metadata becomes a ModelConfig.
struct Architecture {
    std::string_view name; // general.architecture
    ModelConfig (*config)(const FamilyFile&);
};

std::span<const Architecture> architectures();

// models/<family>.cpp
ModelConfig bertConfig(const FamilyFile&);
ModelConfig cohereConfig(const FamilyFile&);
ModelConfig cohere2Config(const FamilyFile&);
ModelConfig deepseekConfig(const FamilyFile&);
ModelConfig dotsConfig(const FamilyFile&);
ModelConfig ernieConfig(const FamilyFile&);
ModelConfig exaone4Config(const FamilyFile&);
ModelConfig gemmaConfig(const FamilyFile&);
ModelConfig gemma2Config(const FamilyFile&);
ModelConfig gemma3Config(const FamilyFile&);
ModelConfig glm4Config(const FamilyFile&);
ModelConfig glm4MoeConfig(const FamilyFile&);
ModelConfig gpt2Config(const FamilyFile&);
ModelConfig gptNeoxConfig(const FamilyFile&);
ModelConfig gptOssConfig(const FamilyFile&);
ModelConfig graniteConfig(const FamilyFile&);
ModelConfig hunyuanConfig(const FamilyFile&);
ModelConfig lfm2Config(const FamilyFile&);
ModelConfig llamaConfig(const FamilyFile&);
ModelConfig minicpmConfig(const FamilyFile&);
ModelConfig minimaxConfig(const FamilyFile&);
ModelConfig modernBertConfig(const FamilyFile&);
ModelConfig nomicBertConfig(const FamilyFile&);
ModelConfig olmo2Config(const FamilyFile&);
ModelConfig olmoeConfig(const FamilyFile&);
ModelConfig phi2Config(const FamilyFile&);
ModelConfig phi3Config(const FamilyFile&);
ModelConfig qwen2Config(const FamilyFile&);
ModelConfig qwen3Config(const FamilyFile&);
ModelConfig qwen3NextConfig(const FamilyFile&);
ModelConfig seedOssConfig(const FamilyFile&);
ModelConfig smollm3Config(const FamilyFile&);
ModelConfig stablelmConfig(const FamilyFile&);
ModelConfig starcoder2Config(const FamilyFile&);

} // namespace hearth::engine
