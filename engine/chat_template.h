#pragma once

#include "engine/metadata.h"
#include "engine/tokenizer.h"

#include <nlohmann/json.hpp>

#include <ctime>
#include <memory>
#include <optional>
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
/// at the beginning of the reply. One for each reply; engine thread. The tokenizer must outlive it.
class ThoughtSplitter {
public:
    /// `prompt`: the rendered prompt; one that ends inside an opening tag starts the reply inside a thought.
    ThoughtSplitter(const Tokenizer&, const ChatTemplate&, std::string_view prompt);
    /// True while the token belongs to a thought; `isMark` is set for the tags themselves, which are shown to nobody.
    /// Where tags are ordinary text, it is also set for tokens that may be part of one.
    bool push(TokenId, bool& isMark);
    /// After push(): text of earlier tokens that was kept back as a possible tag and is none. It stands before the
    /// pushed token's own text, and belongs where push() said. Mostly empty.
    std::string released();
    /// What comes next belongs to a thought.
    bool inside() const { return inside_; }

    // The tags where both are tokens; -1: they are not

    TokenId openToken() const { return close_ >= 0 ? open_ : -1; }

    TokenId closeToken() const { return open_ >= 0 ? close_ : -1; }

    /// At the end of the reply: what is still kept back as a possible tag. It belongs where the last push() said.
    std::string finish();

private:
    bool pushText(TokenId, bool& isMark);
    size_t tagStart(std::string_view tag) const;

    const Tokenizer* tokenizer_;
    std::string openText_, closeText_; // empty: the model has no thoughts
    TokenId open_ = -1, close_ = -1;   // -1: the tag is ordinary text
    bool inside_ = false;
    bool begun_ = false; // the reply is past the place where a thought may open by text
    std::string held_;   // text that may turn out to be a tag
    std::string released_;
};

} // namespace hearth::engine
