#include "engine/chat_template_families.h"

#include <algorithm>
#include <unordered_set>

namespace hearth::engine {

namespace {

// Templates in our own words: the marks and their order are the format, nothing else is said. Families without a system
// turn get it in front of the first turn of the user.

constexpr std::string_view kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

constexpr std::string_view kPhi4 =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '<|im_sep|>' + m.content + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}";

constexpr std::string_view kKimi =
    "{% for m in messages %}{{ '<|im_' + m.role + '|>' + m.role + '<|im_middle|>' + m.content + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_assistant|>assistant<|im_middle|>' }}{% endif %}";

constexpr std::string_view kLlama3 =
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";

constexpr std::string_view kLlama4 =
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|header_start|>' + m.role + '<|header_end|>\n\n' + m.content + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|header_start|>assistant<|header_end|>\n\n' }}{% endif %}";

constexpr std::string_view kLlama2 =
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.system = '<<SYS>>\n' + m.content + '\n<</SYS>>\n\n' %}{% elif m.role == 'assistant' %}"
    "{{ ' ' + m.content + ' ' + eos_token }}{% else %}{{ bos_token + '[INST] ' + ns.system + m.content + ' [/INST]' }}"
    "{% set ns.system = '' %}{% endif %}{% endfor %}";

constexpr std::string_view kMistral =
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.system = m.content + '\n\n' %}{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}"
    "{% else %}{{ '[INST] ' + ns.system + m.content + '[/INST]' }}{% set ns.system = '' %}{% endif %}{% endfor %}";

constexpr std::string_view kMistralSystem =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ '[SYSTEM_PROMPT]' + m.content + '[/SYSTEM_PROMPT]' }}{% elif m.role == 'assistant' %}"
    "{{ m.content + eos_token }}{% else %}{{ '[INST]' + m.content + '[/INST]' }}{% endif %}{% endfor %}";

constexpr std::string_view kGemma =
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.system = m.content + '\n\n' %}{% else %}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + ns.system + m.content + "
    "'<end_of_turn>\n' }}{% set ns.system = '' %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";

constexpr std::string_view kGemma4 =
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content + '<turn|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn>model\n' }}{% endif %}";

constexpr std::string_view kPhi3 =
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";

constexpr std::string_view kGlm =
    "{{ '[gMASK]<sop>' }}{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

constexpr std::string_view kZephyr =
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";

constexpr std::string_view kTulu =
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|' + m.role + '|>\n' + m.content + (eos_token if m.role == 'assistant' else '') + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";

constexpr std::string_view kDeepSeek =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ '<｜Assistant｜>' + m.content + '<｜end▁of▁sentence｜>' }}{% elif m.role == 'user' %}"
    "{{ '<｜User｜>' + m.content }}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}";

constexpr std::string_view kDeepSeekPlain =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}{{ 'Assistant: ' + m.content + eos_token }}"
    "{% elif m.role == 'user' %}{{ 'User: ' + m.content + '\n\n' }}{% else %}{{ m.content + '\n\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

constexpr std::string_view kCommandR =
    "{{ bos_token }}{% set names = {'user': 'USER', 'assistant': 'CHATBOT', 'system': 'SYSTEM'} %}"
    "{% for m in messages %}{{ '<|START_OF_TURN_TOKEN|><|' + names.get(m.role, 'SYSTEM') + '_TOKEN|>' + m.content + "
    "'<|END_OF_TURN_TOKEN|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}";

constexpr std::string_view kGranite =
    "{% for m in messages %}"
    "{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}";

constexpr std::string_view kExaone =
    "{% for m in messages %}{{ '[|' + m.role + '|]' + m.content + ('\n' if m.role == 'user' else '[|endofturn|]\n') }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}";

constexpr std::string_view kHunyuan =
    "{{ '<｜hy_begin▁of▁sentence｜>' }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ m.content + '<｜hy_place▁holder▁no▁3｜>' }}{% elif m.role == 'assistant' %}"
    "{{ '<｜hy_Assistant｜>' + m.content + '<｜hy_place▁holder▁no▁2｜>' }}{% else %}"
    "{{ '<｜hy_User｜>' + m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜hy_Assistant｜>' }}{% endif %}";

constexpr std::string_view kSeed =
    "{% for m in messages %}{{ '<seed:bos>' + m.role + '\n' + m.content + '<seed:eos>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<seed:bos>assistant\n' }}{% endif %}";

constexpr std::string_view kMiniMax =
    "{{ ']~!b[' }}{% for m in messages %}"
    "{{ ']~b]' + ('ai' if m.role == 'assistant' else m.role) + '\n' + m.content + '[e~[\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ ']~b]ai\n<think>\n' }}{% endif %}";

constexpr std::string_view kErnie =
    "{{ '<|begin_of_sentence|>' }}{% for m in messages %}{% if m.role == 'user' %}{{ 'User: ' + m.content + '\n' }}"
    "{% elif m.role == 'assistant' %}{{ 'Assistant: ' + m.content + '<|end_of_sentence|>' }}"
    "{% else %}{{ m.content + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

constexpr std::string_view kHarmony =
    "{{ '<|start|>system<|message|>Reasoning: ' + reasoning_effort | default('medium') + '\n\n# Valid channels: "
    "analysis, commentary, final. Channel must be included for every message.<|end|>' }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ '<|start|>developer<|message|># Instructions\n\n' + m.content + '\n\n<|end|>' }}"
    "{% elif m.role == 'assistant' %}{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}"
    "{% else %}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}";

constexpr std::string_view kMiniCpm =
    "{% for m in messages %}{% if m.role == 'assistant' %}{{ '<AI>' + m.content }}{% elif m.role == 'user' %}"
    "{{ '<用户>' + m.content }}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<AI>' }}{% endif %}";

constexpr std::string_view kVicuna =
    "{% for m in messages %}{% if m.role == 'user' %}{{ 'USER: ' + m.content + ' ' }}"
    "{% elif m.role == 'assistant' %}{{ 'ASSISTANT: ' + m.content + eos_token }}{% else %}{{ m.content + ' ' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}";

constexpr std::string_view kAlpaca =
    "{% for m in messages %}{% if m.role == 'user' %}{{ '### Instruction:\n' + m.content + '\n\n' }}"
    "{% elif m.role == 'assistant' %}{{ '### Response:\n' + m.content + eos_token + '\n\n' }}"
    "{% else %}{{ m.content + '\n\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}";

constexpr std::string_view kPlain = "{%- for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor -%}"
                                    "{%- if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

// The more particular first.
constexpr ChatFamily kFamilies[] = {
    {.name = "gpt-oss", .marks = {"<|start|>", "<|channel|>", "<|message|>"}, .source = kHarmony},
    {.name = "Llama 3", .marks = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}, .source = kLlama3},
    {.name = "Llama 4", .marks = {"<|header_start|>", "<|header_end|>", "<|eot|>"}, .source = kLlama4},
    {.name = "Phi-4", .marks = {"<|im_start|>", "<|im_sep|>", "<|im_end|>"}, .source = kPhi4},
    {.name = "Kimi", .marks = {"<|im_middle|>", "<|im_user|>", "<|im_end|>"}, .source = kKimi},
    {.name = "ChatML", .marks = {"<|im_start|>", "<|im_end|>"}, .source = kChatMl},
    {.name = "Gemma", .marks = {"<start_of_turn>", "<end_of_turn>"}, .source = kGemma},
    {.name = "Gemma 4", .marks = {"<|turn>", "<turn|>"}, .source = kGemma4},
    {.name = "DeepSeek", .marks = {"<｜User｜>", "<｜Assistant｜>"}, .source = kDeepSeek},
    {.name = "Command R", .marks = {"<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"}, .source = kCommandR},
    {.name = "Granite", .marks = {"<|start_of_role|>", "<|end_of_role|>"}, .source = kGranite},
    {.name = "EXAONE", .marks = {"[|user|]", "[|assistant|]", "[|endofturn|]"}, .source = kExaone},
    {.name = "Hunyuan", .marks = {"<｜hy_User｜>", "<｜hy_Assistant｜>"}, .source = kHunyuan},
    {.name = "Seed-OSS", .marks = {"<seed:bos>", "<seed:eos>"}, .source = kSeed},
    {.name = "MiniMax", .marks = {"]~!b[", "]~b]", "[e~["}, .source = kMiniMax},
    {.name = "GLM", .marks = {"[gMASK]", "<sop>", "<|assistant|>"}, .source = kGlm},
    {.name = "Phi-3", .marks = {"<|user|>", "<|assistant|>", "<|end|>"}, .source = kPhi3},
    {.name = "ERNIE", .marks = {"<|begin_of_sentence|>", "<|end_of_sentence|>"}, .source = kErnie},
    {.name = "Mistral", .marks = {"[INST]", "[/INST]", "[SYSTEM_PROMPT]"}, .source = kMistralSystem},
    {.name = "Mistral 7B", .marks = {"[INST]", "[/INST]"}, .source = kMistral},
    {.name = "MiniCPM", .marks = {"<用户>", "<AI>"}, .source = kMiniCpm},
    {.name = "Llama 2", .modelSays = "llama-2", .source = kLlama2},
    {.name = "Llama 2", .modelSays = "llama 2", .source = kLlama2},
    {.name = "Mistral 7B", .modelSays = "mistral", .source = kMistral},
    {.name = "Mistral 7B", .modelSays = "mixtral", .source = kMistral},
    {.name = "Vicuna", .modelSays = "vicuna", .source = kVicuna},
    {.name = "Alpaca", .modelSays = "alpaca", .source = kAlpaca},
    {.name = "Zephyr", .modelSays = "zephyr", .source = kZephyr},
    {.name = "Tulu", .modelSays = "tulu", .source = kTulu},
    {.name = "Tulu", .modelSays = "olmo2", .source = kTulu},
    {.name = "Tulu", .modelSays = "olmoe", .source = kTulu},
    {.name = "DeepSeek V2", .modelSays = "deepseek2", .source = kDeepSeekPlain},
    {.name = "DeepSeek V2", .modelSays = "deepseek-llm", .source = kDeepSeekPlain},
    {.name = "plain", .source = kPlain},
};

const ChatFamily& plainFamily() {
    return kFamilies[std::size(kFamilies) - 1];
}

/// A row is known by its marks when `has` says so of all of them.
template <class Has>
const ChatFamily* familyByMarks(const Has& has) {
    for (const ChatFamily& family : kFamilies)
        if (!family.marks[0].empty() && std::all_of(family.marks.begin(), family.marks.end(),
                                                    [&](std::string_view m) { return m.empty() || has(m); }))
            return &family;
    return nullptr;
}

/// The text of a key in small letters; empty when it is absent or none.
std::string lowered(const Metadata& m, std::string_view key) {
    const Value* v = m.find(key);
    const auto* text = v ? std::get_if<std::string>(v) : nullptr;
    std::string out = text ? text->substr(0, 256) : std::string();
    for (char& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

} // namespace

std::span<const ChatFamily> chatFamilies() {
    return kFamilies;
}

const ChatFamily& chatFamilyOf(const Metadata& m, const Tokenizer* tokenizer) {
    std::unordered_set<std::string_view> wanted, there;
    for (const ChatFamily& family : kFamilies)
        wanted.insert(family.marks.begin(), family.marks.end());
    const Value* tokens = m.find("tokenizer.ggml.tokens");
    if (const auto* texts = tokens ? std::get_if<std::vector<std::string>>(tokens) : nullptr)
        for (const std::string& t : *texts)
            if (wanted.contains(t))
                there.insert(t);
    if (const ChatFamily* family = familyByMarks(
            [&](std::string_view mark) { return there.contains(mark) || (tokenizer && tokenizer->find(mark) >= 0); }))
        return *family;
    for (const char* key : {"general.name", "general.basename", "general.architecture"})
        for (const std::string name = lowered(m, key); const ChatFamily& family : kFamilies)
            if (!family.modelSays.empty() && name.find(family.modelSays) != std::string::npos)
                return family;
    return plainFamily();
}

const ChatFamily* chatFamilyOfTemplate(std::string_view source) {
    return familyByMarks([&](std::string_view mark) { return source.find(mark) != source.npos; });
}

} // namespace hearth::engine
