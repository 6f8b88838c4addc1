#include "engine/tokenizer/pre_tokenizer.h"

#include "engine/error.h"
#include "engine/tokenizer/word_model.h"

#include <utility>

namespace hearth::engine {

namespace {

using Pattern = std::string_view;
using namespace patterns;

// The expressions that no hand-written twin has, as their makers published them.

constexpr Pattern kLineBreak = "[\r\n]";
constexpr Pattern kThreeDigits = "[0-9][0-9][0-9]";
constexpr Pattern kBloomWord = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
constexpr Pattern kFalconMarks = R"([\p{P}\$\+<=>\^~\|`]+)";
constexpr Pattern kDefaultMarks = R"([\p{P}\$\+<=>\^~\|]+)";
constexpr Pattern kDeepSeekHan = "[一-龥ࠀ-一가-퟿]+";
constexpr Pattern kDeepSeekLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1F7D}ᾀ-ᾴᾶ-ᾼ\x{1FBE}ῂ-ῄῆ-ῌῐ-\x{1FD3}ῖ-\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr Pattern kDeepSeekMarks = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";
constexpr Pattern kBlanksAtEnd = R"(\s+$)";
constexpr Pattern kManyNumbers = R"(\p{N}+)";
constexpr Pattern kJais2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
constexpr Pattern kYoutuScripts =
    "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+";
constexpr Pattern kYoutu =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kSentinel = "<sentinel:[0-9]+>";
constexpr Pattern kImageMark = "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z";
constexpr Pattern kChameleonBlanks = R"(([\t\n]|    |  ))";
constexpr Pattern kOneMark = R"([\p{P}!-/:-@\[-`{-~])";
constexpr Pattern kThousands = R"(\d{1,3}(?=(?:\d{3})*\b))";
constexpr Pattern kBetweenThousands = R"((?=(\d{3})+(?!\d)))";
constexpr Pattern kNumbersFromTheEnd = R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))";
constexpr Pattern kHan = R"(\p{Han}+)";
constexpr Pattern kKimi =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr Pattern kSeedCoder =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kAsianScripts =
    "[一-鿿㐀-䶿\\x{F900}-\\x{FAFF}぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-"
    "꧿가-힯ᄀ-ᇿ]+";
constexpr Pattern kExaoneMoe =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr Pattern kMiniCpm5 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kLines = R"([^\n]+|[\n]+)";
constexpr Pattern kNoBlanks = R"(\S+)";

constexpr Pattern kRuleDefault[] = {kDefaultMarks, kGpt2, kManyNumbers, kThreeDigits};
constexpr Pattern kRuleGpt2[] = {kGpt2};
constexpr Pattern kRuleDigitsGpt2[] = {kNumber, kGpt2};
constexpr Pattern kRuleLlama3[] = {kLlama3};
constexpr Pattern kRuleJais2[] = {kJais2};
constexpr Pattern kRuleQwen2[] = {kQwen2};
constexpr Pattern kRuleQwen35[] = {kQwen35};
constexpr Pattern kRuleGpt4o[] = {kGpt4o};
constexpr Pattern kRuleTekken[] = {kTekken};
constexpr Pattern kRuleDeepSeekLlm[] = {kLineBreak,   kDeepSeekLetters, kDeepSeekMarks,
                                        kBlanksAtEnd, kDeepSeekHan,     kManyNumbers};
constexpr Pattern kRuleDeepSeekCoder[] = {kLineBreak, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekHan, kNumber};
constexpr Pattern kRuleDeepSeek3[] = {kNumbers3, kHanKana, kDeepSeek3};
constexpr Pattern kRuleYoutu[] = {kYoutuScripts, kYoutu};
constexpr Pattern kRuleFalcon[] = {kFalconMarks, kGpt2, kThreeDigits};
constexpr Pattern kRuleBloom[] = {kBloomWord};
constexpr Pattern kRuleViking[] = {kBloomWord, kNumber};
constexpr Pattern kRuleChameleon[] = {kSentinel, kImageMark, kChameleonBlanks, kNumber, kOneMark, kGpt2};
constexpr Pattern kRuleTinyAya[] = {kThousands, kGpt4o};
constexpr Pattern kRuleSuperBpe[] = {kManyNumbers, kBetweenThousands};
constexpr Pattern kRuleKimi[] = {kHan, kKimi};
constexpr Pattern kRuleBailing[] = {kBailing};
constexpr Pattern kRuleSeedCoder[] = {kSeedCoder};
constexpr Pattern kRuleAfmoe[] = {kNumbersFromTheEnd, kAsianScripts, kDeepSeek3};
constexpr Pattern kRuleExaoneMoe[] = {kExaoneMoe};
constexpr Pattern kRuleMiniCpm5[] = {kNumbers3, kMiniCpm5};
constexpr Pattern kRuleLines[] = {kLines};
constexpr Pattern kRuleWhitespace[] = {kNoBlanks};

constexpr NamedPreTokenizer kPreTokenizers[] = {
    // name, patterns, ignore merges, add bos, raw, only matches
    {"default", kRuleDefault},
    {"gpt-2", kRuleGpt2},
    {"gpt2", kRuleGpt2},
    {"phi-2", kRuleGpt2},
    {"mpt", kRuleGpt2},
    {"olmo", kRuleGpt2},
    {"jais", kRuleGpt2},
    {"jina-es", kRuleGpt2},
    {"jina-de", kRuleGpt2},
    {"jina-v1-en", kRuleGpt2},
    {"jina-v2-es", kRuleGpt2},
    {"jina-v2-de", kRuleGpt2},
    {"jina-v2-code", kRuleGpt2},
    {"roberta-bpe", kRuleGpt2},
    {"modern-bert", kRuleGpt2},
    {"gigachat", kRuleGpt2},
    {"a.x-4.0", kRuleGpt2},
    {"mellum", kRuleGpt2},
    {"exaone4", kRuleGpt2},
    {"trillion", kRuleGpt2},
    {"granite-docling", kRuleGpt2},
    {"starcoder", kRuleDigitsGpt2},
    {"refact", kRuleDigitsGpt2},
    {"command-r", kRuleDigitsGpt2},
    {"smollm", kRuleDigitsGpt2},
    {"codeshell", kRuleDigitsGpt2},
    {"exaone", kRuleDigitsGpt2},
    {"minerva-7b", kRuleDigitsGpt2},
    {"mellum2", kRuleDigitsGpt2},
    {"llama-bpe", kRuleLlama3, true, true},
    {"llama3", kRuleLlama3, true, true},
    {"llama-v3", kRuleLlama3, true, true},
    {"falcon3", kRuleLlama3, true, true},
    {"falcon-h1", kRuleLlama3, true, true},
    {"pixtral", kRuleLlama3, true, true},
    {"midm-2.0", kRuleLlama3, true, true},
    {"lfm2", kRuleLlama3, true, true},
    {"jina-v5-nano", kRuleLlama3, true, true},
    {"smaug-bpe", kRuleLlama3},
    {"dbrx", kRuleLlama3},
    {"chatglm-bpe", kRuleLlama3},
    {"glm4", kRuleLlama3},
    {"jais-2", kRuleJais2},
    {"qwen2", kRuleQwen2},
    {"stablelm2", kRuleQwen2},
    {"deepseek-r1-qwen", kRuleQwen2},
    {"megrez", kRuleQwen2},
    {"hunyuan", kRuleQwen2},
    {"solar-open", kRuleQwen2},
    {"grok-2", kRuleQwen2},
    {"kormo", kRuleQwen2},
    {"f2llmv2", kRuleQwen2},
    {"qwen35", kRuleQwen35},
    {"gpt-4o", kRuleGpt4o},
    {"llama4", kRuleGpt4o},
    {"kanana2", kRuleGpt4o},
    {"talkie", kRuleGpt4o},
    {"minimax-m2", kRuleGpt4o},
    {"granite-embed-multi-97m", kRuleGpt4o, true},
    {"tekken", kRuleTekken, true, true},
    {"deepseek-llm", kRuleDeepSeekLlm},
    {"deepseek-coder", kRuleDeepSeekCoder},
    {"deepseek-v3", kRuleDeepSeek3},
    {"hunyuan-dense", kRuleDeepSeek3},
    {"joyai-llm", kRuleDeepSeek3},
    {"youtu", kRuleYoutu, true},
    {"falcon", kRuleFalcon},
    {"poro-chat", kRuleBloom},
    {"bloom", kRuleBloom},
    {"gpt3-finnish", kRuleBloom},
    {"viking", kRuleViking},
    {"chameleon", kRuleChameleon, false, true},
    {"tiny_aya", kRuleTinyAya},
    {"cohere2moe", kRuleTinyAya},
    {"superbpe", kRuleSuperBpe},
    {"kimi-k2", kRuleKimi},
    {"bailingmoe", kRuleBailing},
    {"bailingmoe2", kRuleBailing},
    {"llada-moe", kRuleBailing},
    {"seed-coder", kRuleSeedCoder},
    {"afmoe", kRuleAfmoe},
    {"exaone-moe", kRuleExaoneMoe},
    {"minicpm5", kRuleMiniCpm5, true},
    {"gemma4", kRuleLines, false, true, true},
    {"granite-embed-multi-311m", kRuleLines, false, false, true},
    {"sarvam-moe", kRuleLines, false, false, true},
    {"whitespace", kRuleWhitespace, false, false, true, true},
};

} // namespace

const NamedPreTokenizer* findPreTokenizer(std::string_view name) {
    for (const NamedPreTokenizer& p : kPreTokenizers)
        if (p.name == name)
            return &p;
    return nullptr;
}

std::span<const NamedPreTokenizer> namedPreTokenizers() {
    return kPreTokenizers;
}

void PreTokenizer::add(Step step) {
    constexpr size_t most = 64;
    if (steps_.size() >= most || step.blank.size() > 4)
        throw Error("The tokenizer's pre-tokenizer has " + (step.blank.size() > 4
                                                                ? "a blank of several characters."
                                                                : "more than " + std::to_string(most) + " steps."));
    steps_.push_back(std::move(step));
}

void PreTokenizer::addSplit(std::string_view pattern, SplitBehavior behavior, bool inverted) {
    Step step{.behavior = behavior, .inverted = inverted};
    const KnownPattern* known = behavior == SplitBehavior::Isolated && !inverted ? findKnownPattern(pattern) : nullptr;
    if (known)
        step.split = known->split;
    else
        step.regex = std::make_shared<const Regex>(pattern);
    add(std::move(step));
}

void PreTokenizer::addBlanks(std::string blank, PrefixScheme prefix) {
    add({.blank = std::move(blank), .prefix = prefix});
}

void PreTokenizer::addByteAlphabet() {
    add({.byteAlphabet = true});
}

void PreTokenizer::rewrite(const Step& step, std::string_view text, bool first, std::string& out) {
    if (step.byteAlphabet) {
        out.clear();
        for (const char c : text)
            appendByteCharacter(c, out);
        return;
    }
    const bool wanted = step.prefix == PrefixScheme::Always || (step.prefix == PrefixScheme::First && first);
    out.clear();
    if (wanted && !text.starts_with(' ') && !text.starts_with(step.blank))
        out = step.blank;
    if (step.blank == " ") {
        out.append(text);
        return;
    }
    for (const char c : text) {
        if (c == ' ')
            out.append(step.blank);
        else
            out += c;
    }
}

void addBertWords(PreTokenizer& p) {
    p.addSplit(R"(\s+)", SplitBehavior::Removed);
    p.addSplit(kBertMark);
}

} // namespace hearth::engine
