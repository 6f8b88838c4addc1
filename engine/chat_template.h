#pragma once

#include "engine/metadata.h"
#include "engine/tokenizer.h"

#include <nlohmann/json.hpp>

#include <ctime>
#include <memory>
#include <optional>
#include <string>
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
};

/// A model's chat template: a program from a stranger, run with limits on depth, steps, time and output. Immutable, any
/// thread.
class ChatTemplate {
public:
    /// From `tokenizer.chat_template`; without one, a plain form ("role: content" lines). Throws Error with line and
    /// column when it does not parse.
    static std::unique_ptr<ChatTemplate> fromMetadata(const Metadata&);
    static std::unique_ptr<ChatTemplate> fromSource(std::string source, std::string bosText, std::string eosText);
    ~ChatTemplate();

    /// The prompt, with every byte that came out of a message's content, thoughts or `variables` marked untrusted: the
    /// mark travels through the template's string operations. Throws Error: the template's own raise_exception, or a
    /// limit.
    TaggedText render(const TemplateInput&) const;
    /// `hearth-cli template`: the whole JSON object is the template's context.
    std::string renderJson(const nlohmann::ordered_json& context, std::optional<std::tm> now) const;

    const std::string& source() const;

    /// The texts that open and close a thought ("<think>", "</think>"), empty where the template knows none.
    const std::string& thoughtOpen() const;
    const std::string& thoughtClose() const;

private:
    struct Impl;
    explicit ChatTemplate(std::unique_ptr<Impl>);
    std::unique_ptr<Impl> impl_;
};

/// Tells thoughts from the answer by token id where the model has such tokens; tags that are ordinary text count only
/// at the beginning of the reply. One for each reply; engine thread.
class ThoughtSplitter {
public:
    /// `prompt`: the rendered prompt; one that ends inside an opening tag starts the reply inside a thought.
    ThoughtSplitter(const Tokenizer&, const ChatTemplate&, std::string_view prompt);
    /// True while the token belongs to a thought; `isMark` is set for the tags themselves, which are shown to nobody.
    bool push(TokenId, bool& isMark);

private:
    TokenId open_ = -1, close_ = -1;
    bool inside_ = false;
    bool begun_ = false;
};

} // namespace hearth::engine
