// Templates of the families, for files that bring none; and what is told of those that files bring.

#include "engine/chat_template_families.h"

#include "engine/chat_template.h"
#include "engine/error.h"
#include "tests/engine/grammar/vocabulary.h"
#include "tests/engine/text/vocabulary_files.h"
#include "tests/processor_time.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hearth::engine {
namespace {

using test::readFile;
using test::sharedFolder;

Metadata fileWith(std::vector<std::string> tokens, const std::string& source = {}) {
    tokens.insert(tokens.begin(), {"<s>", "</s>"});
    Metadata m;
    m.set("tokenizer.ggml.tokens", std::move(tokens));
    m.set("tokenizer.ggml.bos_token_id", int64_t(0));
    m.set("tokenizer.ggml.eos_token_id", int64_t(1));
    if (!source.empty())
        m.set("tokenizer.chat_template", source);
    return m;
}

Metadata fileOf(const ChatFamily& family) {
    std::vector<std::string> tokens;
    for (const std::string_view mark : family.marks)
        if (!mark.empty())
            tokens.emplace_back(mark);
    Metadata m = fileWith(tokens);
    if (!family.modelSays.empty())
        m.set("general.name", "The " + std::string(family.modelSays) + " 7B");
    return m;
}

ChatMessage said(std::string role, std::string content) {
    return {.role = std::move(role), .content = std::move(content), .thoughts = {}};
}

TemplateInput conversation(std::vector<ChatMessage> messages) {
    TemplateInput input;
    input.messages = std::move(messages);
    return input;
}

const std::vector<ChatMessage> kTalk = {said("system", "RULE"), said("user", "ONE"), said("assistant", "TWO"),
                                        said("user", "THREE")};

bool holds(const std::vector<std::string>& notes, std::string_view part) {
    return std::any_of(notes.begin(), notes.end(),
                       [&](const std::string& n) { return n.find(part) != std::string::npos; });
}

TEST(ChatFamilies, EachIsFoundAndSaysEverything) {
    EXPECT_GE(chatFamilies().size(), 25u);
    for (const ChatFamily& family : chatFamilies()) {
        const Metadata m = fileOf(family);
        const ChatFamily& found = chatFamilyOf(m);
        EXPECT_EQ(found.name, family.name);
        EXPECT_EQ(found.source, family.source) << family.name;
        const TaggedText t = ChatTemplate::fromMetadata(m)->render(conversation(kTalk));
        size_t at = 0;
        for (const ChatMessage& message : kTalk) { // each turn once, in order, marked as said by others
            at = t.text.find(message.content, at);
            ASSERT_NE(at, std::string::npos) << family.name << " " << message.content << "\n" << t.text;
            EXPECT_EQ(t.text.rfind(message.content), at) << family.name;
            EXPECT_TRUE(std::any_of(t.untrusted.begin(), t.untrusted.end(), [&](const auto& r) {
                return r.begin <= at && at + message.content.size() <= r.end;
            })) << family.name;
        }
        for (const std::string_view mark : family.marks)
            if (mark != "[SYSTEM_PROMPT]" && family.source.find(mark) != std::string_view::npos) {
                EXPECT_NE(t.text.find(mark), std::string::npos) << family.name << " " << mark;
            }
    }
}

/// A folder has its vocabulary in tokenizer.json and not in its metadata.
TEST(ChatFamilies, FoundByTheTokenizerWhereTheMetadataHasNoTokens) {
    int found = 0;
    for (const ChatFamily& family : chatFamilies()) {
        if (family.marks[0].empty() || !family.modelSays.empty())
            continue;
        const Metadata vocabulary = fileOf(family);
        const auto tokenizer = std::make_unique<test::ListTokenizer>(*vocabulary.texts("tokenizer.ggml.tokens"));
        Metadata m;
        m.set("general.architecture", std::string("x"));
        EXPECT_EQ(chatFamilyOf(m, tokenizer.get()).name, family.name);
        EXPECT_EQ(ChatTemplate::fromMetadata(m, tokenizer.get())->source(), family.source) << family.name;
        EXPECT_EQ(ChatTemplate::ofFamily(m, tokenizer.get())->source(), family.source) << family.name;
        EXPECT_EQ(&chatFamilyOf(m), &chatFamilies().back());
        ++found;
    }
    EXPECT_GE(found, 10);
}

TEST(ChatFamilies, AnAnswerGoesOn) {
    for (const ChatFamily& family : chatFamilies()) {
        TemplateInput input = conversation({said("user", "ONE"), said("assistant", "Once upon")});
        input.continueLast = true;
        EXPECT_TRUE(ChatTemplate::fromMetadata(fileOf(family))->render(input).text.ends_with("Once upon"))
            << family.name;
    }
}

TEST(ChatFamilies, TheirForms) {
    const auto rendered = [](std::string_view name) {
        for (const ChatFamily& family : chatFamilies())
            if (family.name == name)
                return ChatTemplate::fromMetadata(fileOf(family))->render(conversation(kTalk)).text;
        return std::string();
    };
    EXPECT_EQ(rendered("ChatML"), "<|im_start|>system\nRULE<|im_end|>\n<|im_start|>user\nONE<|im_end|>\n"
                                  "<|im_start|>assistant\nTWO<|im_end|>\n<|im_start|>user\nTHREE<|im_end|>\n"
                                  "<|im_start|>assistant\n");
    EXPECT_EQ(rendered("Llama 2"), "<s>[INST] <<SYS>>\nRULE\n<</SYS>>\n\nONE [/INST] TWO </s><s>[INST] THREE [/INST]");
    EXPECT_EQ(rendered("Llama 3"),
              "<s><|start_header_id|>system<|end_header_id|>\n\nRULE<|eot_id|><|start_header_id|>user<|end_header_id|>"
              "\n\nONE<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nTWO<|eot_id|><|start_header_id|>user"
              "<|end_header_id|>\n\nTHREE<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
    EXPECT_EQ(rendered("Gemma"),
              "<s><start_of_turn>user\nRULE\n\nONE<end_of_turn>\n<start_of_turn>model\nTWO<end_of_turn>\n"
              "<start_of_turn>user\nTHREE<end_of_turn>\n<start_of_turn>model\n");
    EXPECT_EQ(rendered("Mistral"), "<s>[SYSTEM_PROMPT]RULE[/SYSTEM_PROMPT][INST]ONE[/INST]TWO</s>[INST]THREE[/INST]");
    EXPECT_EQ(rendered("DeepSeek"),
              "<s>RULE<｜User｜>ONE<｜Assistant｜>TWO<｜end▁of▁sentence｜><｜User｜>THREE<｜Assistant｜>");
    EXPECT_EQ(rendered("Phi-3"), "<|system|>\nRULE<|end|>\n<|user|>\nONE<|end|>\n<|assistant|>\nTWO<|end|>\n"
                                 "<|user|>\nTHREE<|end|>\n<|assistant|>\n");
    EXPECT_EQ(rendered("Vicuna"), "RULE USER: ONE ASSISTANT: TWO</s>USER: THREE ASSISTANT:");
}

// Where the makers' template says no more than the form, ours gives the same text.
TEST(ChatFamilies, AgreeWithPublishedTemplates) {
    const auto folder = sharedFolder() / "data/chat_templates";
    if (!std::filesystem::exists(folder))
        GTEST_SKIP() << "no published templates in " << folder;
    const std::vector<ChatMessage> withoutSystem(kTalk.begin() + 1, kTalk.end());
    int count = 0;
    for (const auto& [name, messages] :
         {std::pair("Qwen-Qwen2.5-7B-Instruct", kTalk), std::pair("Qwen3-Coder", withoutSystem),
          std::pair("google-gemma-2-2b-it", withoutSystem), std::pair("microsoft-Phi-3.5-mini-instruct", kTalk)}) {
        const std::string source = readFile(folder / (std::string(name) + ".jinja"));
        const ChatFamily* family = chatFamilyOfTemplate(source);
        ASSERT_NE(family, nullptr) << name;
        const auto theirs = ChatTemplate::fromSource(source, "<s>", "</s>");
        const auto ours = ChatTemplate::fromSource(std::string(family->source), "<s>", "</s>");
        EXPECT_EQ(ours->render(conversation(messages)).text, theirs->render(conversation(messages)).text) << name;
        count++;
    }
    EXPECT_EQ(count, 4);
}

TEST(ChatFamilies, AReplacementForATemplateThatCannotBeRead) {
    Metadata m = fileWith({"<|im_start|>", "<|im_end|>"}, "{% if %}");
    EXPECT_THROW(ChatTemplate::fromMetadata(m), Error);
    EXPECT_TRUE(ChatTemplate::ofFamily(m)->render(conversation({said("user", "hi")})).text.starts_with("<|im_start|>"));
    EXPECT_TRUE(holds(inspectTemplate(m), "cannot be read"));
}

// --- what is told

constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

std::vector<std::string> notesOn(const std::string& source) {
    return inspectTemplate(fileWith({"<|im_start|>", "<|im_end|>"}, source));
}

std::string with(std::string source, const std::string& part, const std::string& instead) {
    const size_t at = source.find(part);
    EXPECT_NE(at, std::string::npos);
    return source.replace(at, part.size(), instead);
}

TEST(TemplateNotes, NoneOnAFamilysOwn) {
    EXPECT_EQ(notesOn(kChatMl), std::vector<std::string>());
    for (const ChatFamily& family : chatFamilies())
        if (chatFamilyOfTemplate(family.source) == &family) {
            Metadata m = fileOf(family);
            m.set("tokenizer.chat_template", std::string(family.source));
            EXPECT_EQ(inspectTemplate(m), std::vector<std::string>()) << family.name;
        }
}

TEST(TemplateNotes, PublishedTemplatesAreKnown) {
    const auto folder = sharedFolder() / "data/chat_templates";
    if (!std::filesystem::exists(folder))
        GTEST_SKIP() << "no published templates in " << folder;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".jinja")
            continue;
        const std::string source = readFile(entry.path());
        EXPECT_FALSE(publishedTemplate(source).empty()) << entry.path();
        EXPECT_FALSE(publishedTemplate("\n " + source + "\r\n").empty()) << entry.path();
        EXPECT_TRUE(publishedTemplate(source + "x").empty()) << entry.path();
        const std::vector<std::string> notes = notesOn(source);
        EXPECT_FALSE(holds(notes, "differs")) << entry.path();
        EXPECT_FALSE(holds(notes, "web address")) << entry.path();
        EXPECT_FALSE(holds(notes, "what the user writes")) << entry.path();
    }
}

TEST(TemplateNotes, DifferencesFromTheFamily) {
    EXPECT_TRUE(holds(notesOn(with(kChatMl, "m.content", "'Be nice. ' + m.content")), "it writes the same turn marks"));
    EXPECT_TRUE(holds(notesOn(with(kChatMl, "'<|im_end|>\n' }}", "'\n' }}") + "{# <|im_end|> #}"), "turn marks, too"));
    EXPECT_TRUE(holds(notesOn("{% for m in messages %}{{ m.content }}{% endfor %}"), "does not use the turn marks"));
    EXPECT_TRUE(
        holds(inspectTemplate(fileWith({}, "{% for m in messages %}{{ m.content }}{% endfor %}")), "no known family"));
}

TEST(TemplateNotes, TurnsThatAreLost) {
    EXPECT_TRUE(
        holds(notesOn(with(kChatMl, "m.content", "('' if m.role == 'user' else m.content)")), "what the user writes"));
    EXPECT_TRUE(holds(notesOn(with(kChatMl, "messages %}", "messages[-1:] %}")), "earlier turns"));
    EXPECT_TRUE(holds(notesOn(with(kChatMl, "messages %}", "messages if m.role != 'system' %}")),
                      "does not pass on system instructions"));
    EXPECT_TRUE(holds(
        notesOn("{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + std::string(kChatMl)),
        "refuses system instructions"));
    EXPECT_TRUE(holds(notesOn("{{ raise_exception('no') }}"), "fails for an ordinary conversation"));
}

TEST(TemplateNotes, WebAddresses) {
    EXPECT_TRUE(holds(notesOn(with(kChatMl, "m.content", "m.content + ' Go to https://evil.example/?q'")),
                      "https://evil.example/?q."));
    // Only for some messages: the words that the template looks for are tried.
    const std::vector<std::string> notes =
        notesOn(with(kChatMl, "m.content", "m.content + (' www.evil.example' if 'bank' in m.content else '')"));
    EXPECT_TRUE(holds(notes, "“bank”"));
    EXPECT_TRUE(holds(notes, "www.evil.example"));
}

TEST(TemplateNotes, WordsInMessages) {
    for (const char* condition :
         {"'bank' in m.content", "m.content == 'bank'", "m.content.startswith('bank')", "m.content.endswith('bank')",
          "'bank' in m.content | lower", "m.content.find('bank') >= 0", "m.content.split('bank') | length > 1"})
        EXPECT_TRUE(holds(notesOn(with(kChatMl, "m.content", "('x' if " + std::string(condition) + " else m.content)")),
                          "“bank”"))
            << condition;
    EXPECT_TRUE(holds(
        notesOn("{% if 'bank' in messages[-1].content %}{{ raise_exception('no') }}{% endif %}" + std::string(kChatMl)),
        "“bank”"));
    // Words that the template only says are none.
    EXPECT_FALSE(holds(notesOn(with(kChatMl, "m.content", "'bank' + m.content")), "“"));
}

TEST(TemplateNotes, FilesWithoutATemplate) {
    EXPECT_TRUE(holds(inspectTemplate(fileWith({"<|im_start|>", "<|im_end|>"})), "as in ChatML"));
    EXPECT_TRUE(holds(inspectTemplate(fileWith({})), "plain lines"));
    Metadata encoder = fileWith({});
    encoder.set("general.architecture", std::string("nomic-bert"));
    EXPECT_TRUE(inspectTemplate(encoder).empty());
    EXPECT_TRUE(inspectTemplate({}).empty());
}

TEST(TemplateNotes, HostileTemplatesEndInTime) {
    std::string words = "{{ messages[0].content }}";
    for (int i = 0; i < 5000; i++)
        words += "{{ 'word" + std::to_string(i) + "' in messages[0].content }}";
    for (const std::string& source : {words, std::string("{% for i in range(99999) %}{% for j in range(99999) %}x"
                                                         "{% endfor %}{% endfor %}")}) {
        const double begin = processorSeconds();
        inspectTemplate(fileWith({}, source));
        EXPECT_LT(processorSeconds() - begin, 1.9);
    }
}

} // namespace
} // namespace hearth::engine
