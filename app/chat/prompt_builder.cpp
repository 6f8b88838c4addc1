#include "app/chat/prompt_builder.h"

#include "app/chat/history.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace hearth::app {
namespace {

using engine::TaggedText;
using engine::TokenId;

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
        if (history_.hasSystem)
            input.messages.push_back(history_.messages.front());
        input.messages.insert(input.messages.end(), history_.messages.begin() + ptrdiff_t(history_.first(turns)),
                              history_.messages.end());
        input.continueLast = history_.continueLast;
        input.addGenerationPrompt = !history_.continueLast;
        if (history_.thinking)
            input.variables = engine::thinkingVariables(*history_.thinking);
        const TaggedText rendered = text_.chatTemplate->render(input);

        Prompt prompt;
        prompt.tokens = encode(rendered);
        prompt.text = rendered.text;
        prompt.leftOut = history_.leftOut(turns);
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

    const size_t candidate = firstCandidate(history, input.alreadyLeftOut, budget);
    Prompt prompt = builder.without(candidate);
    if (prompt.tokens.size() <= size_t(budget))
        return prompt;

    if (candidate + 1 < history.turnStarts.size())
        prompt = builder.without(turnsToLeaveOut(history, candidate + 1, budget,
                                                 [&](size_t turns) { return builder.without(turns).tokens.size(); }));
    if (prompt.tokens.size() > size_t(budget))
        throw PromptTooLong(int(std::min<size_t>(prompt.tokens.size(), INT32_MAX)), budget);
    return prompt;
}

} // namespace hearth::app
