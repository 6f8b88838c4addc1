#include "engine/scheduler.h"

#include "engine/latent_form.h"
#include "engine/step.h"

#include <algorithm>
#include <cmath>

namespace hearth::engine {

void ChunkPace::measured(int tokens, double seconds) {
    if (tokens < kPageTokens / 2 || seconds <= 0)
        return; // too short to tell
    const double now = seconds / tokens;
    secondsPerToken_ = secondsPerToken_ == 0 ? now : 0.5 * (secondsPerToken_ + now);
}

int ChunkPace::chunk(int position, int pending, double targetSeconds, Chunking chunking) const {
    constexpr double kFullTiles = 4 * kPageTokens; // rows from which on products gain nothing more
    const bool pauses = chunking == Chunking::Pausing;
    const double fewest = pauses ? kFullTiles : double{kPageTokens};
    double tokens = 2 * kPageTokens; // the first chunk measures
    if (chunking == Chunking::Whole)
        tokens = kChunkRows;
    else if (secondsPerToken_ > 0)
        tokens = (pauses ? kPausingChunkSeconds : targetSeconds) / secondsPerToken_;
    tokens = std::clamp(tokens, fewest, double{kChunkRows});
    if (pauses) // in equal parts, so that no small one is left
        tokens = std::min(std::ceil(pending / std::ceil(pending / tokens)) + kPageTokens - 1, double{kChunkRows});
    const int wanted = static_cast<int>(tokens);
    return chunkEnd(position, wanted, position + pending) - position;
}

const Schedule& Scheduler::next(std::span<const Candidate> candidates,
                                const std::function<const ChunkPace&(ModelId)>& pace) {
    Schedule& schedule = schedule_;
    schedule.decode.clear();
    schedule.model = 0, schedule.prefill = 0, schedule.prefillTokens = 0;
    const bool chats = std::any_of(candidates.begin(), candidates.end(),
                                   [](const Candidate& c) { return c.priority == Priority::Chat; });
    std::vector<const Candidate*>& eligible = eligible_;
    eligible.clear();
    for (const Candidate& c : candidates)
        if (!chats || c.priority == Priority::Chat)
            eligible.push_back(&c);
    if (eligible.empty())
        return schedule;

    // The next model by number after the last one served, going round.
    ModelId lowest = eligible.front()->model, following = 0;
    for (const Candidate* c : eligible) {
        lowest = std::min(lowest, c->model);
        if (c->model > lastModel_ && (following == 0 || c->model < following))
            following = c->model;
    }
    schedule.model = lastModel_ = following != 0 ? following : lowest;
    std::erase_if(eligible, [&](const Candidate* c) { return c->model != schedule.model; });

    std::vector<SequenceId>& decoding = schedule.decode;
    for (const Candidate* c : eligible)
        if (c->decoding)
            decoding.push_back(c->id);
    if (decoding.size() > kDecodeRows) {
        std::rotate(decoding.begin(), decoding.begin() + static_cast<std::ptrdiff_t>(turn_ % decoding.size()),
                    decoding.end());
        turn_ += kDecodeRows;
        decoding.resize(kDecodeRows);
    }
    for (const Candidate* c : eligible)
        if (!c->decoding) {
            const bool alone = candidates.size() == 1 && c->priority == Priority::Chat;
            schedule.prefill = c->id;
            schedule.prefillTokens =
                pace(schedule.model)
                    .chunk(c->position, c->pending, alone ? kAloneChunkSeconds : kSharedChunkSeconds, c->chunking);
            break;
        }
    return schedule;
}

} // namespace hearth::engine
