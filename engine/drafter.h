#pragma once

#include "engine/loaded_model.h"

#include <atomic>
#include <functional>
#include <span>
#include <vector>

namespace hearth::engine {

/// Whether both know the same tokens by the same numbers, so that one can guess for the other. What pads a vocabulary
/// does not count.
bool sameVocabulary(const Tokenizer&, const Tokenizer&);

/// A smaller model that guesses what another will say (Leviathan et al. 2023, "Fast Inference from Transformers via
/// Speculative Decoding"). It keeps a cache of the same conversation and draws with the other's sampler: the draw for a
/// position depends on the seed and the position, so both mostly choose alike where they think alike. Engine thread.
class Drafter {
public:
    using Draw = std::function<TokenId(std::span<float> logits, std::span<const TokenId> history)>;

    explicit Drafter(LoadedModel& model) : m_(model) {}

    ~Drafter() { forget(); }

    Drafter(const Drafter&) = delete;
    Drafter& operator=(const Drafter&) = delete;

    const LoadedModel& model() const { return m_; }

    /// Tokens that may follow, `most` at most and below `nVocab`. None: it was cancelled, its memory is used up, or it
    /// is still reading; then it reads one chunk a call, so that no step lasts.
    std::span<const TokenId> guess(std::span<const TokenId> history, int most, int nVocab, const Draw&,
                                   const std::atomic<bool>* cancel);

    /// Seconds that a token takes here; 0: not known yet.
    double secondsPerToken() const { return m_.rowPace().seconds(1); }

private:
    bool follow(std::span<const TokenId> history);
    bool read(std::span<const TokenId> history, const std::atomic<bool>* cancel);
    bool decode(std::span<const TokenId> tokens, int position, const std::atomic<bool>* cancel);
    void forget();

    LoadedModel& m_;
    KvSequence kv_ = -1;
    std::vector<TokenId> text_; // history and what is guessed
    std::vector<float> logits_; // of the last token that was fed
};

} // namespace hearth::engine
