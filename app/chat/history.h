#pragma once

#include "app/chat/prompt_builder.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace hearth::app {

/// The messages as templates want them, and where turns begin.
struct History {
    std::vector<engine::ChatMessage> messages;
    std::vector<int> sources;       // how many of the caller's messages each one joins
    std::vector<size_t> turnStarts; // indices of the first message of each turn, oldest first
    bool hasSystem = false;
    bool continueLast = false;
    std::optional<bool> thinking;

    size_t first(size_t turns) const; // the first message that stays when so many turns are left out
    int leftOut(size_t turns) const;  // the caller's messages that then have gone
};

/// Empty answers (stopped before their first word) are left away, and messages of one role in a row are joined: many
/// templates refuse roles that do not alternate. Pure; any thread.
History arrange(const PromptInput&);

/// Turns to leave away before anything is counted: those that the caller left out before, and what is hopeless by size.
size_t firstCandidate(const History&, int alreadyLeftOut, int budget);

/// The fewest turns to leave out, `least` of them at least, so that the rest takes at most three quarters of the
/// budget; the last turn stays. `tokens(turns)` counts what is left.
template <class Tokens>
size_t turnsToLeaveOut(const History& history, size_t least, int budget, const Tokens& tokens) {
    size_t low = least, high = history.turnStarts.empty() ? 0 : history.turnStarts.size() - 1;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (tokens(middle) <= size_t(budget) * 3 / 4)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

} // namespace hearth::app
