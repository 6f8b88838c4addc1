#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth::engine {

/// Sampling parameters. A value at its neutral setting switches its stage off. `validated()` clamps what is out of
/// range or NaN, so that no setting can break a reply.
struct SamplerSettings {
    float temperature = 0.7f;       // 0: greedy
    int topK = 40;                  // 0: off
    float topP = 0.95f;             // 1: off
    float minP = 0.05f;             // 0: off
    float repetitionPenalty = 1.0f; // 1: off (Keskar et al. 2019, CTRL, section 4.1)
    float frequencyPenalty = 0.0f;
    float presencePenalty = 0.0f;
    int penaltyWindow = 64; // last tokens that penalties look at; -1: all
    uint64_t seed = 0;      // 0: from the clock

    SamplerSettings validated() const;
};

/// Draws tokens for one sequence. The generator is counter-based: the draw for position p depends on (seed, p) only.
class Sampler {
public:
    explicit Sampler(const SamplerSettings&);

    /// `logits`: nVocab, changed in place. `history`: tokens of the sequence so far, for the penalties.
    /// NaN counts as -infinity; with nothing finite left the answer is the lowest id that is not NaN, else 0.
    int32_t sample(std::span<float> logits, std::span<const int32_t> history, uint64_t position);

private:
    SamplerSettings settings_;
    std::vector<int32_t> order_; // reused between calls: nothing is allocated per token
    std::vector<float> weights_;
};

} // namespace hearth::engine
