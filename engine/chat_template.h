#pragma once

#include "engine/metadata.h"
#include "engine/tokenizer.h"

#include <nlohmann/json.hpp>

#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// A turn as the templates know it.
struct ChatMessage {
    std::string role; // "system", "user", "assistant", "tool"
    std::string content;
    std::string thoughts; // reasoning_content; templates drop or keep it
};

struct TemplateInput {
    std::vector<ChatMessage> messages;
    bool addGenerationPrompt = true;
    bool continueLast = false;        // the last message is an unfinished answer: its end mark is cut off
    nlohmann::ordered_json variables; // further template variables (tools, enable_thinking, ...); an object or null
    std::optional<std::tm> now;       // for strftime_now; absent: the clock
    double mostSeconds = 1.0;         // that rendering may take
};

/// A model's chat template: a program from a stranger, run with limits on depth, steps, time and output. Immutable, any
/// thread.
class ChatTemplate {
public:
    /// From `tokenizer.chat_template`; without one, that of the family. Throws Error with line and column when it does
    /// not parse.
    static std::unique_ptr<ChatTemplate> fromMetadata(const Metadata&, const Tokenizer* = nullptr);
    /// The family's own (see chat_template_families.h), whatever the file brings.
    static std::unique_ptr<ChatTemplate> ofFamily(const Metadata&, const Tokenizer* = nullptr);
    static std::unique_ptr<ChatTemplate> fromSource(std::string source, std::string bosText, std::string eosText);
    ~ChatTemplate();

    /// The prompt, with every byte that came out of a message's content, thoughts or `variables` marked untrusted: the
    /// mark travels through the template's string operations. Throws Error: the template's own raise_exception, or a
    /// limit.
    TaggedText render(const TemplateInput&) const;
    /// `hearth-cli template`: the whole JSON object is the template's context.
    std::string renderJson(const nlohmann::ordered_json& context, std::optional<std::tm> now) const;

    const std::string& source() const;
    const std::string& bosText() const;
    const std::string& eosText() const;

    /// The texts that open and close a thought ("<think>", "</think>"), empty where the template knows none.
    const std::string& thoughtOpen() const;
    const std::string& thoughtClose() const;

private:
    struct Impl;
    explicit ChatTemplate(std::unique_ptr<Impl>);
    std::unique_ptr<Impl> impl_;
};

/// Template variables that say whether to think, by the names that templates have for it.
nlohmann::ordered_json thinkingVariables(bool think);
/// Whether they change what a template writes: it can be told to think, or not to. Takes 0.3 s at most, mostly nothing.
bool choosesThinking(const std::string& source);

/// Tells thoughts from the answer by token id where the model has such tokens; marks that are ordinary text count only
/// at the beginning of the reply. Marks, and the line breaks around thoughts, are shown to nobody. One for each reply;
/// engine thread. The tokenizer and the template must outlive it.
class ThoughtSplitter {
public:
    /// `promptText` and `prompt`: the rendered prompt; one that ends inside a thought starts the reply inside it.
    ThoughtSplitter(const Tokenizer&, const ChatTemplate&, std::string_view promptText,
                    std::span<const TokenId> prompt = {});
    ~ThoughtSplitter();

    /// What a token adds to both streams, in bytes; what may turn out to be a mark comes later.
    struct Parts {
        std::string thoughts, answer; // where both are filled, the thoughts come first

        void clear() {
            thoughts.clear();
            answer.clear();
        }
    };

    /// Appends to `out`.
    void push(TokenId, Parts& out);
    /// At the end of the reply: what was still kept back.
    void finish(Parts& out);
    /// Whether the present place of the reply is a thought.
    bool inside() const;
    /// Whether what comes next is text of the answer: no thought, no header of a message.
    bool inAnswer() const;
    /// Tokens that are marks wherever they come, so that no answer has them in its text.
    std::vector<TokenId> marks() const;
    /// The token that may open a thought before the answer; -1: none, or no more.
    TokenId opening() const;
    /// For an answer that is held to a grammar: all of its text is shown, line breaks and marks made of text included.
    /// Marks that are tokens still open and close thoughts.
    void keepAnswerWhole();

    class Stream; // one of the forms

private:
    std::unique_ptr<Stream> stream_;
};

} // namespace hearth::engine
