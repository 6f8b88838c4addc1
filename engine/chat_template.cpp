#include "engine/chat_template.h"

#include "engine/chat_template_families.h"
#include "engine/error.h"
#include "engine/jinja/builtins.h"
#include "engine/jinja/template.h"
#include "engine/thought_marks.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace hearth::engine {

namespace {

using jinja::Run;
using TemplateValue = jinja::Value;

constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool", "developer"};

/// A token's text by the key of its id; a folder has the text itself, under `textKey`.
std::string specialText(const Metadata& m, const char* key, const char* textKey) {
    const auto* tokens = m.texts("tokenizer.ggml.tokens");
    const int64_t id = m.integer(key, -1);
    return tokens && id >= 0 && id < static_cast<int64_t>(tokens->size()) ? (*tokens)[id] : m.text(textKey, "");
}

std::string bosTextOf(const Metadata& m) {
    return specialText(m, "tokenizer.ggml.bos_token_id", "tokenizer.bos_token");
}

std::string eosTextOf(const Metadata& m) {
    return specialText(m, "tokenizer.ggml.eos_token_id", "tokenizer.eos_token");
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
        if (const ThoughtMarks* marks = findThoughtMarks(source, nullptr)) {
            thoughtOpen = std::string(marks->open) + std::string(marks->header);
            thoughtClose = marks->close;
        }
        wantsParts = losesPlainText();
    }

    std::string source;
    jinja::Template program;
    std::string bosText, eosText;
    std::string thoughtOpen, thoughtClose;
    bool wantsParts = false; // a message's content as a list: [{"type": "text", "text": ...}]

    bool losesPlainText();
    TaggedText render(const TemplateInput&) const;
    void fill(Run&, const TemplateInput&) const;
    TemplateValue messageValue(Run&, const ChatMessage&) const;
    TemplateValue contentValue(Run&, const std::string&) const;
};

/// Templates of models that see pictures may know contents as lists only, and drop plain text without a word.
bool ChatTemplate::Impl::losesPlainText() {
    if (source.find("type") == std::string::npos || source.find("text") == std::string::npos)
        return false;
    const std::string word = "hearth-probe";
    const auto shows = [&](bool parts) {
        wantsParts = parts;
        try {
            TemplateInput input;
            input.mostSeconds = 0.1;
            input.messages.push_back({.role = "user", .content = word, .thoughts = {}});
            return render(input).text.find(word) != std::string::npos;
        } catch (const Error&) {
            return false;
        }
    };
    return !shows(false) && shows(true);
}

TemplateValue ChatTemplate::Impl::contentValue(Run& run, const std::string& content) const {
    if (!wantsParts)
        return tagged(run, content, true);
    auto* part = run.make<jinja::Dict>();
    part->set(run, run.text("type"), run.text("text"));
    part->set(run, run.text("text"), tagged(run, content, true));
    return run.list({TemplateValue(part)});
}

TemplateValue ChatTemplate::Impl::messageValue(Run& run, const ChatMessage& m) const {
    auto* dict = run.make<jinja::Dict>();
    const bool known = std::find(std::begin(kRoles), std::end(kRoles), m.role) != std::end(kRoles);
    dict->set(run, run.text("role"), tagged(run, m.role, !known));
    dict->set(run, run.text("content"), contentValue(run, m.content));
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
    return program.render(
        input.now, [&](Run& run) { fill(run, input); }, input.mostSeconds);
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

std::unique_ptr<ChatTemplate> ChatTemplate::fromMetadata(const Metadata& m, const Tokenizer* tokenizer) {
    std::string source = m.text("tokenizer.chat_template", "");
    if (source.empty())
        return ofFamily(m, tokenizer);
    return fromSource(std::move(source), bosTextOf(m), eosTextOf(m));
}

std::unique_ptr<ChatTemplate> ChatTemplate::ofFamily(const Metadata& m, const Tokenizer* tokenizer) {
    return fromSource(std::string(chatFamilyOf(m, tokenizer).source), bosTextOf(m), eosTextOf(m));
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

const std::string& ChatTemplate::bosText() const {
    return impl_->bosText;
}

const std::string& ChatTemplate::eosText() const {
    return impl_->eosText;
}

const std::string& ChatTemplate::thoughtOpen() const {
    return impl_->thoughtOpen;
}

const std::string& ChatTemplate::thoughtClose() const {
    return impl_->thoughtClose;
}

} // namespace hearth::engine
