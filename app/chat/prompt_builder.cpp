#include "app/chat/prompt_builder.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace hearth::app {
namespace {

using engine::ChatMessage;
using engine::TaggedText;
using engine::TokenId;

// More text than this for each token of the budget never fits; what exceeds it is not even rendered.
constexpr size_t kMostBytesPerToken = 128;

/// The messages as templates want them, and where turns begin.
struct History {
    std::vector<ChatMessage> messages;
    std::vector<int> sources;       // how many of the caller's messages each one joins
    std::vector<size_t> turnStarts; // indices of the first message of each turn, oldest first
    bool hasSystem = false;
    bool continueLast = false;
    std::optional<bool> thinking;
};

// Empty answers (stopped before their first word) are left away, and messages of one role in a row are joined: many
// templates refuse roles that do not alternate.
History arrange(const PromptInput& input) {
    History history;
    int carried = 0; // sources of messages that were left away
    for (const ChatMessage& message : input.messages) {
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

TaggedText tailOf(const TaggedText& whole, size_t from) {
    TaggedText tail;
    tail.text = whole.text.substr(from);
    for (const TaggedText::Range& range : whole.untrusted) {
        if (range.end > from)
            tail.untrusted.push_back({std::max(range.begin, from) - from, range.end - from});
    }
    return tail;
}

class Builder {
public:
    Builder(const engine::ModelText& text, const History& history, const std::string& model,
            const SpokenPrefixes* spoken)
        : text_(text), history_(history), model_(model), spoken_(spoken) {}

    /// The prompt without the `turns` oldest turns.
    Prompt without(size_t turns) const {
        engine::TemplateInput input;
        size_t first = 0;
        if (history_.hasSystem)
            input.messages.push_back(history_.messages.front());
        if (!history_.turnStarts.empty())
            first = history_.turnStarts[std::min(turns, history_.turnStarts.size() - 1)];
        input.messages.insert(input.messages.end(), history_.messages.begin() + ptrdiff_t(first),
                              history_.messages.end());
        input.continueLast = history_.continueLast;
        input.addGenerationPrompt = !history_.continueLast;
        if (history_.thinking)
            input.variables = engine::thinkingVariables(*history_.thinking);
        const TaggedText rendered = text_.chatTemplate->render(input);

        Prompt prompt;
        prompt.tokens = encode(rendered);
        prompt.text = rendered.text;
        for (size_t i = history_.hasSystem ? 1 : 0; i < first; ++i)
            prompt.leftOut += history_.sources[i];
        return prompt;
    }

private:
    std::vector<TokenId> encode(const TaggedText& rendered) const {
        const SpokenPrefixes::Entry* entry = spoken_ ? spoken_->find(model_, rendered.text) : nullptr;
        if (entry && !namesControls(rendered, *entry)) {
            const std::vector<TokenId> rest = text_.tokenizer->encode(tailOf(rendered, entry->text.size()));
            // Cutting the text is exact only where a control token stands: ordinary tokens could reach across.
            if (rest.empty() || text_.tokenizer->kind(rest.front()) == engine::TokenKind::Control) {
                std::vector<TokenId> tokens = entry->tokens;
                tokens.insert(tokens.end(), rest.begin(), rest.end());
                return tokens;
            }
        }
        std::vector<TokenId> tokens = text_.tokenizer->encode(rendered);
        const TokenId bos = text_.tokenizer->bos();
        if (text_.tokenizer->addBos() && bos >= 0 && (tokens.empty() || tokens.front() != bos))
            tokens.insert(tokens.begin(), bos);
        return tokens;
    }

    /// Whether what a person wrote spells a control token of the entry: equal texts may then be other tokens, and
    /// nobody's text becomes a control token.
    bool namesControls(const TaggedText& rendered, const SpokenPrefixes::Entry& entry) const {
        std::set<std::string_view> controls;
        for (const TokenId id : entry.tokens)
            if (text_.tokenizer->kind(id) == engine::TokenKind::Control && !text_.tokenizer->tokenText(id).empty())
                controls.insert(text_.tokenizer->tokenText(id));
        const std::string_view text = rendered.text;
        for (const TaggedText::Range& range : rendered.untrusted) {
            if (range.begin >= entry.text.size())
                break;
            const std::string_view written = text.substr(range.begin, range.end - range.begin);
            for (const std::string_view control : controls)
                if (written.find(control) != std::string_view::npos)
                    return true;
        }
        return false;
    }

    const engine::ModelText& text_;
    const History& history_;
    const std::string& model_;
    const SpokenPrefixes* spoken_;
};

// Turns to leave away before anything is counted: those that the caller left out before, and what is hopeless by size.
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

} // namespace

void SpokenPrefixes::remember(Entry entry) {
    entries_.remove_if([&](const Entry& old) { return old.model == entry.model && old.text == entry.text; });
    entries_.push_front(std::move(entry));
    if (entries_.size() > kKept)
        entries_.pop_back();
}

const SpokenPrefixes::Entry* SpokenPrefixes::find(const std::string& model, const std::string& text) const {
    const Entry* best = nullptr;
    for (const Entry& entry : entries_) {
        if (entry.model == model && text.starts_with(entry.text) && (!best || entry.text.size() > best->text.size()))
            best = &entry;
    }
    return best;
}

void SpokenPrefixes::forget(const std::string& model) {
    entries_.remove_if([&](const Entry& entry) { return entry.model == model; });
}

void SpokenReply::add(const engine::TokenOut& token, const engine::Tokenizer& tokenizer) {
    begun_ = true;
    text_ += token.text;
    if (token.id < 0)
        return; // text that was held back: its tokens have come
    tokens_.push_back(token.id);
    tokenizer.appendBytes(token.id, spelled_, true);
}

std::optional<SpokenPrefixes::Entry> SpokenReply::behind(SpokenPrefixes::Entry prompt) const {
    if (tokens_.empty() || spelled_ != text_)
        return std::nullopt;
    prompt.text += text_;
    prompt.tokens.insert(prompt.tokens.end(), tokens_.begin(), tokens_.end());
    return prompt;
}

PromptTooLong::PromptTooLong(int needed, int available)
    : std::runtime_error("This message needs " + std::to_string(needed) + " tokens, and the model has room for " +
                         std::to_string(available) + ". Shorten it, or choose a model with a larger context."),
      needed(needed), available(available) {}

int promptBudget(int contextTokens) {
    return contextTokens - std::min(contextTokens / 4, 1024);
}

Prompt buildPrompt(const engine::ModelText& text, const PromptInput& input, int contextTokens, const std::string& model,
                   const SpokenPrefixes* spoken) {
    const History history = arrange(input);
    const Builder builder(text, history, model, spoken);
    const int budget = promptBudget(contextTokens);
    const size_t last = history.turnStarts.empty() ? 0 : history.turnStarts.size() - 1;

    const size_t candidate = firstCandidate(history, input.alreadyLeftOut, budget);
    Prompt prompt = builder.without(candidate);
    if (prompt.tokens.size() <= size_t(budget))
        return prompt;

    // The fewest turns to leave out so that the rest takes at most three quarters of the budget; the last turn stays.
    size_t low = candidate + 1, high = last;
    if (low <= high) {
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            if (builder.without(middle).tokens.size() <= size_t(budget) * 3 / 4)
                high = middle;
            else
                low = middle + 1;
        }
        prompt = builder.without(low);
    }
    if (prompt.tokens.size() > size_t(budget))
        throw PromptTooLong(int(std::min<size_t>(prompt.tokens.size(), INT32_MAX)), budget);
    return prompt;
}

} // namespace hearth::app
