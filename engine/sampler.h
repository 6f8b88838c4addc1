#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth::engine {

class GrammarMatcher;

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
    ///
    /// With a grammar only what it allows is in the choice, as if all else had the logit -infinity from the beginning;
    /// -1: it allows no token. What is likely is asked for one by one, the whole vocabulary only where that is not
    /// enough.
    int32_t sample(std::span<float> logits, std::span<const int32_t> history, uint64_t position,
                   GrammarMatcher* grammar = nullptr);

    uint64_t seed() const; // as drawn from the clock where the settings gave none

private:
    void penalize(std::span<float> logits, std::span<const int32_t> history);
    void collect(std::span<const float> logits, float best);
    void keepAllowed(std::span<const float> logits, GrammarMatcher&);
    int32_t draw(std::span<const float> logits, size_t best, uint64_t position, GrammarMatcher*);

    SamplerSettings settings_;
    // Reused between calls: nothing is allocated per token once they have grown.
    std::vector<int32_t> order_;
    std::vector<int32_t> recent_;
    std::vector<float> weights_;
};

} // namespace hearth::engine
