#include "engine/thought_marks.h"

namespace hearth::engine {

namespace {

using Form = ThoughtMarks::Form;

// The more particular first: a template may know the marks of others, too. Rows with equal marks are one family here;
// the answer's own marks count where they come, so that a row may name more than each of its models writes.
constexpr ThoughtMarks kThoughtMarks[] = {
    {.family = "gpt-oss",
     .open = "<|channel|>analysis<|message|>",
     .close = "<|end|>",
     .templateSays = "<|channel|>analysis<|message|>",
     .form = Form::Channels},
    {.family = "Seed-OSS", .open = "<seed:think>", .close = "</seed:think>"},
    {.family = "MiniMax-M3", .open = "<mm:think>", .close = "</mm:think>"},
    {.family = "Hunyuan 3", .open = "<think:opensource>", .close = "</think:opensource>"},
    {.family = "Kimi-K3",
     .open = "<|open|>think<|sep|>",
     .close = "<|close|>think<|sep|>",
     .answerOpen = "<|open|>response<|sep|>",
     .answerClose = "<|close|>response<|sep|>",
     .tail = "<|close|>message<|sep|>",
     .templateSays = "open_tag('think')"},
    {.family = "Gemma 4", .open = "<|channel>", .close = "<channel|>", .header = "thought\n"},
    {.family = "Apertus", .open = "<|inner_prefix|>", .close = "<|inner_suffix|>"},
    {.family = "Command R", .open = "<|START_THINKING|>", .close = "<|END_THINKING|>"},
    {.family = "Magistral", .open = "[THINK]", .close = "[/THINK]"},
    {.family = "Apriel",
     .open = "Here are my reasoning steps:\n",
     .close = "[BEGIN FINAL RESPONSE]",
     .answerClose = "[END FINAL RESPONSE]"},
    {.family = "OpenThinker",
     .open = "<|begin_of_thought|>",
     .close = "<|end_of_thought|>",
     .answerOpen = "<|begin_of_solution|>",
     .answerClose = "<|end_of_solution|>"},
    {.family = "Kimi-VL", .open = "◁think▷", .close = "◁/think▷"},
    {.family = "EXAONE Deep", .open = "<thought>", .close = "</thought>"},
    {.family = "Hunyuan",
     .open = "<think>",
     .close = "</think>",
     .answerOpen = "<answer>",
     .answerClose = "</answer>",
     .templateSays = "<answer>"},
    {.family = "Granite, ERNIE",
     .open = "<think>",
     .close = "</think>",
     .answerOpen = "<response>",
     .answerClose = "</response>",
     .templateSays = "<response>"},
    // DeepSeek R1 and V3.x, Qwen3, QwQ, SmolLM3, GLM, MiniMax-M1 and M2, Kimi-K2, EXAONE 4, ERNIE, Nemotron, Phi-4, ...
    {.family = "DeepSeek R1", .open = "<think>", .close = "</think>"},
    {.family = "those that say it in full", .open = "<thinking>", .close = "</thinking>"},
};

bool isTag(const Tokenizer& tokenizer, std::string_view text) {
    const TokenId id = tokenizer.find(text);
    return id >= 0 && (tokenizer.kind(id) == TokenKind::Control || tokenizer.kind(id) == TokenKind::UserDefined);
}

bool vocabularyKnows(const Tokenizer& tokenizer, const ThoughtMarks& m) {
    if (m.form == Form::Channels)
        return isTag(tokenizer, HarmonyMarks::channel) && isTag(tokenizer, HarmonyMarks::message) &&
               isTag(tokenizer, HarmonyMarks::start);
    return isTag(tokenizer, m.open) && isTag(tokenizer, m.close);
}

} // namespace

std::span<const ThoughtMarks> thoughtMarks() {
    return kThoughtMarks;
}

const ThoughtMarks* findThoughtMarks(std::string_view source, const Tokenizer* tokenizer) {
    for (const ThoughtMarks& m : kThoughtMarks)
        if (source.find(m.templateSays.empty() ? m.close : m.templateSays) != source.npos)
            return &m;
    // Vocabularies do not tell apart those whose thoughts look alike: rows with marks around the answer are left to
    // templates.
    for (const ThoughtMarks& m : kThoughtMarks)
        if (tokenizer && m.answerOpen.empty() && vocabularyKnows(*tokenizer, m))
            return &m;
    return nullptr;
}

} // namespace hearth::engine
