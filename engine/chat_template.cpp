#include "engine/chat_template.h"

#include "engine/error.h"
#include "engine/jinja/builtins.h"
#include "engine/jinja/template.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace hearth::engine {

namespace {

using jinja::Run;
using TemplateValue = jinja::Value;

/// For files without a template: lines of "role: content", which every model can go on with.
constexpr std::string_view kPlainTemplate = "{%- for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor -%}"
                                            "{%- if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

/// What opens and closes a thought in published models. The first pair whose closing text the template knows counts.
constexpr std::pair<std::string_view, std::string_view> kThoughtMarks[] = {
    {"<think>", "</think>"},
    {"[THINK]", "[/THINK]"},
    {"<|START_THINKING|>", "<|END_THINKING|>"},
    {"<seed:think>", "</seed:think>"},
    {"<thinking>", "</thinking>"},
    {"<|inner_prefix|>", "<|inner_suffix|>"},
    {"<|begin_of_thought|>", "<|end_of_thought|>"},
};

constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool", "developer"};

/// A token's text by the key of its id; a folder has the text itself, under `textKey`.
std::string specialText(const Metadata& m, const char* key, const char* textKey) {
    const auto* tokens = m.texts("tokenizer.ggml.tokens");
    const int64_t id = m.integer(key, -1);
    return tokens && id >= 0 && id < static_cast<int64_t>(tokens->size()) ? (*tokens)[id] : m.text(textKey, "");
}

TemplateValue tagged(Run& run, std::string_view text, bool untrusted) {
    TaggedText t;
    jinja::append(t, text, untrusted);
    return run.text(std::move(t));
}

} // namespace

struct ChatTemplate::Impl {
    Impl(std::string s, std::string bos, std::string eos)
        : source(std::move(s)), program(source), bosText(std::move(bos)), eosText(std::move(eos)) {
        for (const auto& [open, close] : kThoughtMarks)
            if (thoughtClose.empty() && source.find(close) != std::string::npos) {
                thoughtOpen = open;
                thoughtClose = close;
            }
    }

    std::string source;
    jinja::Template program;
    std::string bosText, eosText;
    std::string thoughtOpen, thoughtClose;

    TaggedText render(const TemplateInput&) const;
    void fill(Run&, const TemplateInput&) const;
    TemplateValue messageValue(Run&, const ChatMessage&) const;
};

TemplateValue ChatTemplate::Impl::messageValue(Run& run, const ChatMessage& m) const {
    auto* dict = run.make<jinja::Dict>();
    const bool known = std::find(std::begin(kRoles), std::end(kRoles), m.role) != std::end(kRoles);
    dict->set(run, run.text("role"), tagged(run, m.role, !known));
    dict->set(run, run.text("content"), tagged(run, m.content, true));
    if (!m.thoughts.empty()) {
        const bool thinking =
            source.find("reasoning_content") == std::string::npos && source.find("thinking") != std::string::npos;
        dict->set(run, run.text(thinking ? "thinking" : "reasoning_content"), tagged(run, m.thoughts, true));
    }
    return dict;
}

void ChatTemplate::Impl::fill(Run& run, const TemplateInput& input) const {
    // What transformers passes always; null where there is nothing.
    run.setGlobal("tools", jinja::None{});
    run.setGlobal("documents", jinja::None{});
    if (input.variables.is_object())
        for (const auto& [key, value] : input.variables.items())
            run.setGlobal(key, jinja::valueFromJson(run, value, true));
    run.setGlobal("bos_token", run.text(bosText));
    run.setGlobal("eos_token", run.text(eosText));
    run.setGlobal("add_generation_prompt", input.addGenerationPrompt);
    std::vector<TemplateValue> messages;
    messages.reserve(input.messages.size());
    for (const ChatMessage& m : input.messages) {
        run.step();
        messages.push_back(messageValue(run, m));
    }
    run.setGlobal("messages", run.list(std::move(messages)));
}

TaggedText ChatTemplate::Impl::render(const TemplateInput& input) const {
    return program.render(input.now, [&](Run& run) { fill(run, input); });
}

namespace {

/// A word that stands nowhere in the messages.
std::string unusedWord(const TemplateInput& input) {
    for (int i = 0;; i++) {
        std::string word = "hearth-goes-on-here-" + std::to_string(i);
        const auto holds = [&](const ChatMessage& m) {
            return m.content.find(word) != std::string::npos || m.thoughts.find(word) != std::string::npos;
        };
        if (std::none_of(input.messages.begin(), input.messages.end(), holds))
            return word;
    }
}

} // namespace

/// The last message with a mark at its end; the prompt is cut there, so that whatever the template puts behind an
/// answer is not part of it.
TaggedText ChatTemplate::render(const TemplateInput& input) const {
    if (!input.continueLast || input.messages.empty())
        return impl_->render(input);
    TemplateInput open = input;
    open.addGenerationPrompt = false;
    open.continueLast = false;
    ChatMessage& last = open.messages.back();
    const std::string mark = unusedWord(input);
    const bool inThoughts = last.content.empty() && !last.thoughts.empty();
    (inThoughts ? last.thoughts : last.content) += mark;
    TaggedText out = impl_->render(open);
    size_t cut = out.text.rfind(mark);
    if (cut != std::string::npos)
        return jinja::slice(out, 0, cut);
    if (!inThoughts)
        throw Error("The chat template does not show the last answer, so it cannot be continued.");
    // The template drops thoughts: begin an answer as usual and put the thoughts into it.
    open.messages.pop_back();
    open.addGenerationPrompt = true;
    out = impl_->render(open);
    if (!impl_->thoughtOpen.empty()) {
        const std::string_view tail =
            std::string_view(out.text).substr(out.text.size() - std::min<size_t>(out.text.size(), 64));
        if (tail.find(impl_->thoughtOpen) == tail.npos)
            jinja::append(out, impl_->thoughtOpen + "\n");
        jinja::append(out, input.messages.back().thoughts, true);
    }
    return out;
}

std::string ChatTemplate::renderJson(const nlohmann::ordered_json& context, std::optional<std::tm> now) const {
    if (!context.is_object())
        throw Error("The template's variables must be one JSON object.");
    return impl_->program
        .render(now,
                [&](Run& run) {
                    run.setGlobal("bos_token", run.text(impl_->bosText));
                    run.setGlobal("eos_token", run.text(impl_->eosText));
                    for (const auto& [key, value] : context.items())
                        run.setGlobal(key, jinja::valueFromJson(run, value, true));
                })
        .text;
}

std::unique_ptr<ChatTemplate> ChatTemplate::fromMetadata(const Metadata& m) {
    std::string source = m.text("tokenizer.chat_template", "");
    if (source.empty())
        source = kPlainTemplate;
    return fromSource(std::move(source), specialText(m, "tokenizer.ggml.bos_token_id", "tokenizer.bos_token"),
                      specialText(m, "tokenizer.ggml.eos_token_id", "tokenizer.eos_token"));
}

std::unique_ptr<ChatTemplate> ChatTemplate::fromSource(std::string source, std::string bos, std::string eos) {
    return std::unique_ptr<ChatTemplate>(
        new ChatTemplate(std::make_unique<Impl>(std::move(source), std::move(bos), std::move(eos))));
}

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ChatTemplate::~ChatTemplate() = default;

const std::string& ChatTemplate::source() const {
    return impl_->source;
}

const std::string& ChatTemplate::thoughtOpen() const {
    return impl_->thoughtOpen;
}

const std::string& ChatTemplate::thoughtClose() const {
    return impl_->thoughtClose;
}

} // namespace hearth::engine
