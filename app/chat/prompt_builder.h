#pragma once

#include "engine/engine.h"

#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace hearth::app {

struct PromptInput {
    std::vector<engine::ChatMessage> messages; // oldest first; a system message, if any, stands first
    bool continueLast = false;                 // the last message is an unfinished answer
    std::optional<bool> thinking;              // whether the model shall think first; absent: as its template has it
    int alreadyLeftOut = 0; // messages that the last prompt left out; kept out, so that its prefix can be used again
};

struct Prompt {
    std::string text; // as rendered
    std::vector<engine::TokenId> tokens;
    int leftOut = 0; // oldest messages (never the system's) that did not fit
};

/// What a model has really read and written, so that the next prompt begins with the very same tokens: encoding a reply
/// again may cut it differently, and would throw the cache away. A few newest ones are kept. Engine thread.
class SpokenPrefixes {
public:
    struct Entry {
        std::string model;
        std::string text;
        std::vector<engine::TokenId> tokens;
    };

    void remember(Entry);
    /// The longest entry of this model that `text` begins with; null: none.
    const Entry* find(const std::string& model, const std::string& text) const;
    void forget(const std::string& model);

private:
    static constexpr size_t kKept = 16; // entries
    std::list<Entry> entries_;          // newest first
};

/// What a model writes behind a prompt, while it comes. Engine thread.
class SpokenReply {
public:
    void add(const engine::TokenOut&, const engine::Tokenizer&);

    bool begun() const { return begun_; }

    int tokens() const { return int(tokens_.size()); }

    const std::vector<engine::TokenId>& tokenIds() const { return tokens_; }

    /// Prompt and reply in one. Absent where the text that was shown is not what the tokens spell: the next prompt is
    /// written from that text.
    std::optional<SpokenPrefixes::Entry> behind(SpokenPrefixes::Entry prompt) const;

private:
    std::string text_;    // as shown, thoughts too
    std::string spelled_; // by the tokens, marks included
    std::vector<engine::TokenId> tokens_;
    bool begun_ = false;
};

/// The message alone is longer than the model can read; a sentence for the person.
class PromptTooLong : public std::runtime_error {
public:
    PromptTooLong(int needed, int available);
    int needed, available; // tokens
};

/// Tokens that a prompt may take of a context: the rest is kept for the reply.
int promptBudget(int contextTokens);

/// Renders and counts exactly. A history that does not fit loses its oldest whole turns, more at once than needed, so
/// that the prefix stays the same for some turns; the caller says so to the person. Pure; any thread. Throws
/// PromptTooLong and engine::Error.
Prompt buildPrompt(const engine::ModelText&, const PromptInput&, int contextTokens, const std::string& model = {},
                   const SpokenPrefixes* spoken = nullptr);

} // namespace hearth::app
