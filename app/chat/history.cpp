#include "app/chat/history.h"

#include <algorithm>

namespace hearth::app {
namespace {

// More text than this for each token of the budget never fits; what exceeds it is not even rendered.
constexpr size_t kMostBytesPerToken = 128;

} // namespace

History arrange(const PromptInput& input) {
    History history;
    int carried = 0; // sources of messages that were left away
    for (const engine::ChatMessage& message : input.messages) {
        if (message.role == "assistant" && message.content.empty()) {
            ++carried;
            continue;
        }
        if (!history.messages.empty() && history.messages.back().role == message.role) {
            history.messages.back().content += "\n\n" + message.content;
            history.sources.back() += 1 + carried;
        } else {
            history.messages.push_back(message);
            history.sources.push_back(1 + carried);
        }
        carried = 0;
    }
    history.hasSystem = !history.messages.empty() && history.messages.front().role == "system";
    for (size_t i = history.hasSystem ? 1 : 0; i < history.messages.size(); ++i) {
        if (history.messages[i].role == "user" || history.turnStarts.empty())
            history.turnStarts.push_back(i);
    }
    history.continueLast =
        input.continueLast && !history.messages.empty() && history.messages.back().role == "assistant";
    history.thinking = input.thinking;
    return history;
}

size_t History::first(size_t turns) const {
    return turnStarts.empty() ? (hasSystem ? 1 : 0) : turnStarts[std::min(turns, turnStarts.size() - 1)];
}

int History::leftOut(size_t turns) const {
    int left = 0;
    for (size_t i = hasSystem ? 1 : 0; i < first(turns); ++i)
        left += sources[i];
    return left;
}

size_t firstCandidate(const History& history, int alreadyLeftOut, int budget) {
    const size_t turns = history.turnStarts.size();
    size_t candidate = 0;
    int left = 0;
    for (size_t turn = 0; turn + 1 < turns && left < alreadyLeftOut; ++turn) {
        for (size_t i = history.turnStarts[turn]; i < history.turnStarts[turn + 1]; ++i)
            left += history.sources[i];
        candidate = turn + 1;
    }
    const size_t mostBytes = size_t(budget) * kMostBytesPerToken;
    size_t bytes = 0;
    for (size_t i = history.messages.size(); i-- > 0;) {
        bytes += history.messages[i].content.size();
        if (bytes <= mostBytes)
            continue;
        while (candidate + 1 < turns && history.turnStarts[candidate] <= i)
            ++candidate;
        break;
    }
    return candidate;
}

} // namespace hearth::app
