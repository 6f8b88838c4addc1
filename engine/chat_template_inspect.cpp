// What a person should know of a template from a stranger: is it a known one, and does it play tricks? Found by
// rendering short conversations and comparing, so nothing that a template does only for other words than those tried is
// seen.

#include "engine/chat_template.h"
#include "engine/chat_template_families.h"
#include "engine/chat_template_known.h"
#include "engine/error.h"
#include "engine/jinja/lexer.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>

namespace hearth::engine {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostLiterals = 400;                  // of a template that are tried as words of a message
constexpr auto kTime = std::chrono::milliseconds(400); // for all; one rendering may come on top
constexpr double kSecondsForOne = 0.1;
constexpr size_t kLongestLiteral = 200; // bytes
constexpr std::string_view kSystem = "hearthsystemword", kUser = "hearthuserword", kAnswer = "hearthanswerword",
                           kLast = "hearthlastword";

/// FNV-1a over everything but blanks: formatting does not count. Not against forgers; what a template does is probed in
/// any case.
uint64_t hashWithoutBlanks(std::string_view source) {
    uint64_t h = 0xCBF29CE484222325;
    for (const char c : source)
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    return h;
}

TemplateInput conversation(std::vector<ChatMessage> messages) {
    TemplateInput input;
    input.messages = std::move(messages);
    input.now = std::tm{.tm_mday = 1, .tm_year = 120};
    input.mostSeconds = kSecondsForOne;
    return input;
}

ChatMessage said(std::string role, std::string_view content) {
    return {.role = std::move(role), .content = std::string(content), .thoughts = {}};
}

/// Absent: the template refuses or fails.
std::optional<TaggedText> rendered(const ChatTemplate& t, const TemplateInput& input) {
    try {
        return t.render(input);
    } catch (const Error&) {
        return std::nullopt;
    }
}

/// What the template itself says: the text, with a mark in place of each part that came from messages.
std::string skeleton(const TaggedText& t) {
    std::string out;
    size_t at = 0;
    for (const TaggedText::Range& r : t.untrusted) {
        out.append(t.text, at, r.begin - at);
        out += '\0';
        at = r.end;
    }
    return out.append(t.text, at);
}

/// The marks of a family in the order in which a text has them.
std::string markOrder(std::string_view text, const ChatFamily& family) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++)
        for (size_t m = 0; m < family.marks.size(); m++)
            if (!family.marks[m].empty() && text.substr(i).starts_with(family.marks[m]))
                out += static_cast<char>('0' + m);
    return out;
}

std::string urlIn(std::string_view text) {
    for (const std::string_view scheme : {"https://", "http://", "www."})
        if (const size_t at = text.find(scheme); at != text.npos)
            return std::string(text.substr(at, std::min<size_t>(text.find_first_of(" \t\r\n\"'<>)", at) - at, 80)));
    return {};
}

class Inspector {
public:
    Inspector(const ChatTemplate& t, const Metadata& m) : template_(t), metadata_(m) {}

    std::vector<std::string> notes() {
        compareWithFamily();
        probeTurns();
        probeWords();
        return std::move(notes_);
    }

private:
    void compareWithFamily() {
        if (!publishedTemplate(template_.source()).empty())
            return;
        const ChatFamily* family = chatFamilyOfTemplate(template_.source());
        if (!family) {
            const ChatFamily& own = chatFamilyOf(metadata_);
            notes_.push_back(own.marks[0].empty()
                                 ? std::string("The chat template is of no known family.")
                                 : "The chat template does not use the turn marks of the vocabulary (" +
                                       std::string(own.name) + ").");
            return;
        }
        const auto known =
            ChatTemplate::fromSource(std::string(family->source), template_.bosText(), template_.eosText());
        bool same = true, sameMarks = true;
        for (const TemplateInput& input :
             {conversation({said("user", kUser)}),
              conversation({said("user", kUser), said("assistant", kAnswer), said("user", kLast)})}) {
            const auto ours = rendered(*known, input), theirs = rendered(template_, input);
            same = same && ours && theirs && ours->text == theirs->text;
            sameMarks = sameMarks && ours && theirs && ends(ours->text, theirs->text, *family);
        }
        if (!same)
            notes_.push_back("The chat template differs from the known ones of its family (" +
                             std::string(family->name) +
                             (sameMarks ? "); it writes the same turn marks." : "), in its turn marks, too."));
    }

    /// A template may put turns of its own before the conversation (behind a mark that begins everything).
    static bool ends(std::string_view ours, std::string_view theirs, const ChatFamily& family) {
        const std::string own = markOrder(ours, family), all = markOrder(theirs, family);
        return all.ends_with(own) || (!own.empty() && !all.empty() && own[0] == all[0] && all.ends_with(own.substr(1)));
    }

    void probeTurns() {
        const auto full = rendered(template_, conversation({said("system", kSystem), said("user", kUser),
                                                            said("assistant", kAnswer), said("user", kLast)}));
        const auto bare =
            rendered(template_, conversation({said("user", kUser), said("assistant", kAnswer), said("user", kLast)}));
        const auto& any = full ? full : bare;
        if (!any) {
            notes_.push_back("The chat template fails for an ordinary conversation.");
            return;
        }
        if (!full)
            notes_.push_back("The chat template refuses system instructions.");
        else if (full->text.find(kSystem) == std::string::npos)
            notes_.push_back("The chat template does not pass on system instructions.");
        if (any->text.find(kLast) == std::string::npos)
            notes_.push_back("The chat template does not pass on what the user writes.");
        else if (any->text.find(kUser) == std::string::npos || any->text.find(kAnswer) == std::string::npos)
            notes_.push_back("The chat template does not pass on earlier turns.");
        for (const auto& text : {full, bare})
            if (text)
                noteUrl(text->text);
    }

    void noteUrl(std::string_view text) {
        const std::string url = urlIn(text);
        if (!url.empty() && urls_.insert(url).second)
            notes_.push_back("The chat template adds a web address to the conversation: " + printable(url, 80) + ".");
    }

    /// The words that the template itself names are tried in messages: alone, at either end, and in the middle.
    void probeWords() {
        const auto plain = rendered(template_, conversation({said("user", kLast)}));
        if (!plain)
            return;
        noteUrl(plain->text);
        const std::string usual = skeleton(*plain);
        for (const std::string& word : words())
            for (const std::string& content : {word, word + ' ' + std::string(kLast), std::string(kLast) + ' ' + word,
                                               std::string(kUser) + ' ' + word + ' ' + std::string(kLast)}) {
                if (Clock::now() - begin_ > kTime)
                    return;
                const auto text = rendered(template_, conversation({said("user", content)}));
                if (text && skeleton(*text) == usual)
                    continue;
                notes_.push_back("The chat template acts upon the words “" + printable(word, 40) + "” in a message.");
                if (text)
                    noteUrl(text->text);
                break;
            }
    }

    /// Texts in the template that a person might write: marks are not.
    std::vector<std::string> words() const {
        std::vector<std::string> out;
        std::set<std::string> seen;
        const std::string source = jinja::normalizedSource(template_.source());
        jinja::Lexer lexer(source);
        for (jinja::Token token = lexer.next(); token.kind != jinja::Token::Kind::End; token = lexer.next()) {
            std::string s = token.kind == jinja::Token::Kind::String ? token.string : std::string();
            const size_t first = s.find_first_not_of(" \t\r\n");
            s = first == s.npos ? std::string() : s.substr(first, s.find_last_not_of(" \t\r\n") + 1 - first);
            const bool mark = s.find_first_of("<>[]{}|") != s.npos;
            if (s.size() >= 2 && s.size() <= kLongestLiteral && !mark && seen.insert(s).second)
                out.push_back(s);
            if (out.size() >= kMostLiterals)
                break;
        }
        return out;
    }

    const ChatTemplate& template_;
    const Metadata& metadata_;
    const Clock::time_point begin_ = Clock::now();
    std::vector<std::string> notes_;
    std::set<std::string> urls_;
};

} // namespace

std::string_view publishedTemplate(std::string_view source) {
    const uint64_t hash = hashWithoutBlanks(source);
    for (const PublishedTemplate& p : kPublishedTemplates)
        if (p.hash == hash)
            return p.name;
    return {};
}

std::vector<std::string> inspectTemplate(const Metadata& m) {
    const Value* source = m.find("tokenizer.chat_template");
    const Value* tokens = m.find("tokenizer.ggml.tokens");
    if (!source || !std::holds_alternative<std::string>(*source) || std::get<std::string>(*source).empty()) {
        const Value* architecture = m.find("general.architecture");
        const auto* name = architecture ? std::get_if<std::string>(architecture) : nullptr;
        if (!tokens || (name && name->find("bert") != std::string::npos)) // nobody chats with an encoder
            return {};
        const ChatFamily& family = chatFamilyOf(m);
        if (&family == &chatFamilies().back())
            return {"The file has no chat template; messages are given to the model as plain lines."};
        return {"The file has no chat template; messages are written as in " + std::string(family.name) + "."};
    }
    try {
        const auto chatTemplate = ChatTemplate::fromMetadata(m);
        return Inspector(*chatTemplate, m).notes();
    } catch (const Error& e) {
        return {e.what()};
    }
}

nlohmann::ordered_json thinkingVariables(bool think) {
    // https://huggingface.co/Qwen/Qwen3-8B#switching-between-thinking-and-non-thinking-mode, also GLM, SmolLM3, Gemma;
    // https://huggingface.co/deepseek-ai/DeepSeek-V3.1#chat-template, also Granite, Kimi
    return {{"enable_thinking", think}, {"thinking", think}};
}

bool choosesThinking(const std::string& source) {
    if (source.find("thinking") == source.npos)
        return false;
    try {
        const auto chatTemplate = ChatTemplate::fromSource(source, {}, {});
        TemplateInput input = conversation({said("user", kUser)});
        std::optional<TaggedText> texts[2];
        for (const bool think : {false, true}) {
            input.variables = thinkingVariables(think);
            texts[think] = rendered(*chatTemplate, input);
        }
        return texts[0] && texts[1] && texts[0]->text != texts[1]->text;
    } catch (const Error&) { // it does not parse
        return false;
    }
}

} // namespace hearth::engine
