#pragma once

#include "engine/engine.h"

#include <span>
#include <vector>

namespace hearth::engine {

/// How a prompt is cut into chunks.
enum class Chunking : uint8_t {
    Timed,   // so long that others need not wait: nothing can pause inside, because of recurrent states
    Pausing, // long enough that weights are unpacked once for many rows; it pauses for others
    Whole,   // as many rows as a chunk may have, for all of them share one expansion of latents
};

/// A sequence as the scheduler sees it.
struct Candidate {
    SequenceId id = 0;
    ModelId model = 0;
    Priority priority = Priority::Chat;
    bool decoding = false; // one generated token is to be fed; else prompt tokens are
    int position = 0;      // tokens in the cache
    int pending = 0;       // tokens not yet in the cache
    Chunking chunking = Chunking::Timed;
};

/// What one step computes: a batch of generated tokens and a chunk of one prompt, of one model.
struct Schedule {
    ModelId model = 0;
    std::vector<SequenceId> decode; // at most kDecodeRows
    SequenceId prefill = 0;         // 0: none
    int prefillTokens = 0;

    bool empty() const { return decode.empty() && prefill == 0; }
};

/// How fast a model takes prompt tokens, learned from its chunks, and how long a chunk should be for that.
class ChunkPace {
public:
    void measured(int tokens, double seconds);
    /// Tokens of the next chunk so that it ends at an absolute multiple of the page size, or with the prompt. One that
    /// pauses lasts about kPausingChunkSeconds, which is what Stop may lose; its rows fill the products' tiles.
    int chunk(int position, int pending, double targetSeconds, Chunking = Chunking::Timed) const;

    double secondsPerToken() const { return secondsPerToken_; }

private:
    double secondsPerToken_ = 0; // 0: nothing measured yet
};

/// Decides what the next step computes. A chat goes before a background job; models take turns; prompts are served in
/// the order of their arrival. Engine thread.
class Scheduler {
public:
    /// `candidates` in the order of their arrival; `pace` of a model, for the length of its chunk.
    /// The result lives until the next call: nothing is allocated for a token.
    const Schedule& next(std::span<const Candidate> candidates, const std::function<const ChunkPace&(ModelId)>& pace);

private:
    Schedule schedule_;
    std::vector<const Candidate*> eligible_; // of next()
    ModelId lastModel_ = 0;
    size_t turn_ = 0; // where a batch begins when there are more sequences than rows
};

// Seconds a chunk should last. Nobody waits for the chunk of a chat that is alone, and Stop is seen inside it; then a
// longer chunk reads the weights less often.
inline constexpr double kSharedChunkSeconds = 0.1;
inline constexpr double kAloneChunkSeconds = 0.25;
inline constexpr double kPausingChunkSeconds = 2;

} // namespace hearth::engine
