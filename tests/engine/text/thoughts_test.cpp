// Thoughts and answer as two streams: every row of the table, with its marks as tokens and as ordinary text.

#include "engine/chat_template.h"
#include "engine/reply.h"
#include "engine/thought_marks.h"
#include "tests/engine/text/vocabulary_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

namespace hearth::engine {
namespace {

using test::metadataFromJson;
using test::tinyVocabularies;

using Ids = std::vector<TokenId>;
using Streams = std::pair<std::string, std::string>; // thoughts, answer

/// The tiny byte-level vocabulary with more tokens of one kind (3: control, 4: user-defined).
std::unique_ptr<Tokenizer> tokenizerWith(const std::vector<std::string>& more, int kind) {
    nlohmann::json m = tinyVocabularies()["gpt2"]["metadata"];
    for (const std::string& text : more) {
        m["tokenizer.ggml.tokens"].push_back(text);
        m["tokenizer.ggml.token_type"].push_back(kind);
    }
    return Tokenizer::fromMetadata(metadataFromJson(m));
}

std::unique_ptr<ChatTemplate> make(std::string source) {
    return ChatTemplate::fromSource(std::move(source), "<s>", "</s>");
}

std::unique_ptr<ChatTemplate> templateOf(const ThoughtMarks& m) {
    return make("{# " + std::string(m.templateSays.empty() ? m.close : m.templateSays) + " #}");
}

Streams split(const Tokenizer& tokenizer, const ChatTemplate& chatTemplate, std::string_view prompt, const Ids& reply) {
    ThoughtSplitter splitter(tokenizer, chatTemplate, prompt, tokenizer.encodeSpecial(prompt));
    ThoughtSplitter::Parts parts;
    for (const TokenId id : reply)
        splitter.push(id, parts);
    splitter.finish(parts);
    return {parts.thoughts, parts.answer};
}

/// A text as tokens of one byte each.
Ids bytes(const Tokenizer& tokenizer, std::string_view text) {
    Ids out;
    for (const char c : text) {
        const Ids one = tokenizer.encode({&c, 1});
        out.insert(out.end(), one.begin(), one.end());
    }
    return out;
}

/// The single tokens of control marks inside a mark: "<|open|>think<|sep|>" has two.
std::vector<std::string> tokensOf(const ThoughtMarks& m) {
    std::vector<std::string> out;
    for (const std::string_view mark : {m.open, m.close, m.answerOpen, m.answerClose, m.tail}) {
        const size_t inner = mark.find("|>");
        if (inner == mark.npos || inner + 2 == mark.size()) {
            if (!mark.empty())
                out.emplace_back(mark);
            continue;
        }
        for (size_t at = mark.find("<|"); at != mark.npos; at = mark.find("<|", at + 1))
            out.emplace_back(mark.substr(at, mark.find("|>", at) + 2 - at));
    }
    return out;
}

std::string shown(const ThoughtMarks& m, std::string_view thoughts, std::string_view answer) {
    std::string out(m.open);
    return (out.append(m.header).append(thoughts).append(m.close).append("\n\n").append(m.answerOpen) += "\n")
        .append(answer)
        .append(m.answerClose)
        .append(m.tail);
}

struct Row {
    const ThoughtMarks& marks;
    std::unique_ptr<Tokenizer> asTokens, asText;
    std::unique_ptr<ChatTemplate> chatTemplate;
};

std::vector<Row> tagRows() {
    std::vector<Row> rows;
    for (const ThoughtMarks& m : thoughtMarks())
        if (m.form == ThoughtMarks::Form::Tags)
            for (const int kind : {3, 4})
                rows.push_back({m, tokenizerWith(tokensOf(m), kind), tokenizerWith({}, 3), templateOf(m)});
    return rows;
}

// --- every row

TEST(Thoughts, EveryRowIsFoundByItsTemplate) {
    EXPECT_GE(thoughtMarks().size(), 15u);
    for (const ThoughtMarks& m : thoughtMarks())
        EXPECT_EQ(findThoughtMarks(m.templateSays.empty() ? m.close : m.templateSays, nullptr), &m) << m.family;
}

TEST(Thoughts, MarksThatAreTokens) {
    for (const Row& r : tagRows()) {
        const auto ids = [&](const std::string& text) { return r.asTokens->encodeSpecial(text); };
        const auto& t = *r.chatTemplate;
        EXPECT_EQ(split(*r.asTokens, t, "", ids(shown(r.marks, "\nhm\n", "yes"))), Streams("hm", "yes"))
            << r.marks.family;
        // The prompt ends with the opening mark.
        const std::string opened = std::string(r.marks.open) + std::string(r.marks.header);
        EXPECT_EQ(split(*r.asTokens, t, "assistant\n" + opened, ids("hm" + std::string(r.marks.close) + "yes")),
                  Streams("hm", "yes"))
            << r.marks.family;
        EXPECT_EQ(split(*r.asTokens, t, "assistant\n" + std::string(r.marks.open) + "\n", ids("hm\n\nso")),
                  Streams("hm\n\nso", ""))
            << r.marks.family;
        // It went on inside a thought, or behind one.
        EXPECT_EQ(split(*r.asTokens, t, opened + "it goes", ids(" on" + std::string(r.marks.close) + "yes")),
                  Streams(" on", "yes"))
            << r.marks.family;
        EXPECT_EQ(split(*r.asTokens, t, opened + "was" + std::string(r.marks.close) + "\n\n", ids("yes")),
                  Streams("", "yes"))
            << r.marks.family;
        EXPECT_EQ(split(*r.asTokens, t, "", ids("no thoughts")), Streams("", "no thoughts")) << r.marks.family;
        EXPECT_EQ(split(*r.asTokens, t, "", ids("  code")), Streams("", "  code")) << r.marks.family;
        // Spelled in ordinary tokens, marks are text: inside a thought, and in the answer.
        Ids reply = ids(std::string(r.marks.open) + "a ");
        const auto add = [&](const Ids& more) { reply.insert(reply.end(), more.begin(), more.end()); };
        add(bytes(*r.asTokens, r.marks.close));
        add(ids(" b" + std::string(r.marks.close)));
        add(bytes(*r.asTokens, "c " + std::string(r.marks.open) + " d"));
        EXPECT_EQ(split(*r.asTokens, t, "", reply),
                  Streams("a " + std::string(r.marks.close) + " b", "c " + std::string(r.marks.open) + " d"))
            << r.marks.family;
    }
}

TEST(Thoughts, MarksThatAreText) {
    std::mt19937 random(1);
    for (const Row& r : tagRows()) {
        const auto& t = *r.chatTemplate;
        const std::string open(r.marks.open), close(r.marks.close);
        const auto check = [&](const std::string& prompt, const std::string& reply, const Streams& want) {
            EXPECT_EQ(split(*r.asText, t, prompt, r.asText->encode(reply)), want) << r.marks.family << ": " << reply;
            EXPECT_EQ(split(*r.asText, t, prompt, bytes(*r.asText, reply)), want) << r.marks.family << ": " << reply;
        };
        check("", shown(r.marks, "\nhm\n", "yes"),
              {"hm",
               r.marks.tail.empty() ? "yes" : "yes" + std::string(r.marks.answerClose) + std::string(r.marks.tail)});
        check("", "\n" + open + "hm" + close + "yes", {"hm", "yes"});
        check("x\n" + open + "\n", "hm" + close + "\n\nyes", {"hm", "yes"});
        check("", open + "never closed\n", {"never closed\n", ""});
        check("", open + "a " + close.substr(0, close.size() - 1), {"a " + close.substr(0, close.size() - 1), ""});
        // Elsewhere they are text.
        check("", "use " + open + "x" + close, {"", "use " + open + "x" + close});
        check("", open + "a" + close + "b " + open + "c" + close, {"a", "b " + open + "c" + close});
        check("", close + " alone", {"", close + " alone"});
        check("", open.substr(0, open.size() - 1) + "!", {"", open.substr(0, open.size() - 1) + "!"});
        check("", "  code", {"", "  code"});
        check("", open.substr(0, 2), {"", open.substr(0, 2)});
    }
}

TEST(Thoughts, MarksOfTheAnswer) {
    const auto tokenizer = tokenizerWith({"<think>", "</think>"}, 4);
    const auto hunyuan = make("{{ '<answer>' }}");
    const auto say = [&](const std::string& reply) {
        return split(*tokenizer, *hunyuan, "", tokenizer->encodeSpecial(reply));
    };
    EXPECT_EQ(say("<think>\nhm\n</think>\n<answer>\nyes\n</answer>"), Streams("hm", "yes"));
    EXPECT_EQ(say("<think>hm</think>yes</answer>"), Streams("hm", "yes</answer>"));
    EXPECT_EQ(say("<answer>yes</answer>\n"), Streams("", "yes"));
    // Only at its end does the mark close the answer.
    EXPECT_EQ(say("<think>hm</think><answer>a </answer> b</answer>"), Streams("hm", "a </answer> b"));
    EXPECT_EQ(say("<think>hm</think><answer>cut off</ans"), Streams("hm", "cut off</ans"));
    EXPECT_EQ(say("<think>hm</think><ans"), Streams("hm", "<ans"));
}

TEST(Thoughts, TheVocabularySpeaksWhereTheTemplateIsSilent) {
    const auto plain = make("{{ messages[0].content }}");
    const auto thinks = tokenizerWith({"<think>", "</think>"}, 4);
    EXPECT_EQ(split(*thinks, *plain, "", thinks->encodeSpecial("<think>hm</think>yes")), Streams("hm", "yes"));
    const auto doesNot = tokenizerWith({}, 4);
    const std::string text = "<think>hm</think>yes";
    EXPECT_EQ(split(*doesNot, *plain, "", doesNot->encode(text)), Streams("", text));
}

TEST(Thoughts, TheUsersMarksInThePromptDoNotCount) {
    const auto tokenizer = tokenizerWith({"<think>", "</think>", "<|turn|>"}, 3);
    const auto t = make("{{ '</think>' }}");
    TaggedText prompt{"<|turn|>say <think> now<|turn|>", {{8, 23}}};
    ThoughtSplitter splitter(*tokenizer, *t, prompt.text, tokenizer->encode(prompt));
    EXPECT_FALSE(splitter.inside());
    // As ordinary text too, where turns have marks.
    const auto text = tokenizerWith({"<|turn|>"}, 3);
    ThoughtSplitter byText(*text, *t, prompt.text, text->encode(prompt));
    EXPECT_FALSE(byText.inside());
}

TEST(Thoughts, SeedsBudgetStaysInTheThought) {
    const std::vector<std::string> marks = {"<seed:think>", "</seed:think>", "<seed:cot_budget_reflect>",
                                            "</seed:cot_budget_reflect>"};
    const auto tokenizer = tokenizerWith(marks, 3);
    const auto t = make("{{ '<seed:think></seed:think>' }}");
    const auto ids = [&](const std::string& s) { return tokenizer->encodeSpecial(s); };
    EXPECT_EQ(split(*tokenizer, *t, "",
                    ids("<seed:think>one<seed:cot_budget_reflect>9 left</seed:cot_budget_reflect>two</seed:think>yes")),
              Streams("one9 lefttwo", "yes"));
    // No budget: the prompt closes the thought.
    EXPECT_EQ(split(*tokenizer, *t,
                    "<seed:think>\n<seed:cot_budget_reflect>none</seed:cot_budget_reflect>\n</seed:think>", ids("yes")),
              Streams("", "yes"));
}

// --- channels

struct Harmony {
    std::unique_ptr<Tokenizer> tokenizer = tokenizerWith(
        {"<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|constrain|>", "<|call|>", "<|return|>"}, 3);
    std::unique_ptr<ChatTemplate> chatTemplate = make("{{ '<|channel|>analysis<|message|>' }}");

    Streams say(const std::string& reply,
                const std::string& prompt = "<|start|>user<|message|>hi<|end|><|start|>assistant") const {
        return split(*tokenizer, *chatTemplate, prompt, tokenizer->encodeSpecial(reply));
    }
};

TEST(Thoughts, Channels) {
    const Harmony h;
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>yes"),
              Streams("hm", "yes"));
    EXPECT_EQ(h.say("<|channel|>final<|message|>yes"), Streams("", "yes"));
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>never done"), Streams("never done", ""));
    // A word to the user before a call is part of the answer; the call itself is not.
    EXPECT_EQ(
        h.say("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary<|message|>I look "
              "it up.<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}"),
        Streams("hm\n\n{}", "I look it up."));
    EXPECT_EQ(h.say(" to=functions.f<|channel|>commentary<|message|>{}"), Streams("{}", ""));
    EXPECT_EQ(h.say("<|channel|>commentary<|message|>One.<|end|><|start|>assistant<|channel|>final<|message|>Two."),
              Streams("", "One.\n\nTwo."));
    // Without channels, all is answer.
    EXPECT_EQ(h.say("plain text"), Streams("", "plain text"));
    EXPECT_EQ(h.say(" to"), Streams("", " to"));
    // The prompt ends inside a message.
    EXPECT_EQ(h.say("on<|end|><|start|>assistant<|channel|>final<|message|>yes",
                    "<|start|>assistant<|channel|>analysis<|message|>it goes "),
              Streams("on", "yes"));
    EXPECT_EQ(h.say("on", "<|start|>assistant<|channel|>final<|message|>it goes "), Streams("", "on"));
    // Spelled marks are text.
    Ids reply = h.tokenizer->encodeSpecial("<|channel|>final<|message|>a ");
    const Ids spelled = bytes(*h.tokenizer, "<|end|><|channel|>");
    reply.insert(reply.end(), spelled.begin(), spelled.end());
    EXPECT_EQ(split(*h.tokenizer, *h.chatTemplate, "", reply), Streams("", "a <|end|><|channel|>"));
}

TEST(Thoughts, MessagesOfChannelsThatBeginWithoutAMark) {
    const Harmony h;
    // A text that goes on is no conversation, so it has no header.
    EXPECT_EQ(h.say(" a time", "Once upon"), Streams("", " a time"));
    EXPECT_EQ(h.say("assistant said", "Once upon"), Streams("", "assistant said"));
    // A message behind another one.
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|><|channel|>final<|message|>yes"), Streams("hm", "yes"));
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|>assistant<|channel|>final<|message|>yes"),
              Streams("hm", "yes"));
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|>assistant to=f<|channel|>commentary<|message|>{}"),
              Streams("hm\n\n{}", ""));
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|><|message|>yes"), Streams("hm", "yes"));
}

TEST(Thoughts, TextBehindAMessageOfAChannelIsNotLost) {
    const Harmony h;
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|>yes"), Streams("hm", "yes"));
    EXPECT_EQ(h.say("<|channel|>final<|message|>one<|end|>two<|start|>assistant<|channel|>final<|message|>three"),
              Streams("", "one\n\ntwo\n\nthree"));
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|>assist"), Streams("hm", "assist"));
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|>assist<|end|>"), Streams("hm", "assist"));
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|>assistants"), Streams("hm", "assistants"));
    EXPECT_EQ(h.say("<|channel|>analysis<|message|>hm<|end|>\n<|start|>assistant<|channel|>final<|message|>yes"),
              Streams("hm", "yes"));
    // It is seen as it comes.
    ThoughtSplitter splitter(*h.tokenizer, *h.chatTemplate, "", h.tokenizer->encodeSpecial("<|start|>assistant"));
    ThoughtSplitter::Parts parts;
    for (const TokenId id : h.tokenizer->encodeSpecial("<|channel|>final<|message|>one<|end|>two"))
        splitter.push(id, parts);
    EXPECT_EQ(parts.answer, "one\n\ntwo");
    EXPECT_TRUE(splitter.inAnswer());
}

TEST(Thoughts, GemmasChannelOfThoughts) {
    const auto tokenizer = tokenizerWith({"<|channel>", "<channel|>", "<|turn>", "<turn|>"}, 3);
    const auto t = make("{{ '<|channel>thought\n<channel|>' }}");
    const auto ids = [&](const std::string& s) { return tokenizer->encodeSpecial(s); };
    const std::string turn = "<|turn>model\n";
    EXPECT_EQ(split(*tokenizer, *t, turn, ids("<|channel>thought\nhm\n<channel|>yes")), Streams("hm", "yes"));
    EXPECT_EQ(split(*tokenizer, *t, turn, ids("<|channel>thought\n<channel|>yes")), Streams("", "yes"));
    // No thinking is asked for: the prompt has an empty thought.
    EXPECT_EQ(split(*tokenizer, *t, turn + "<|channel>thought\n<channel|>", ids("thought\nso")),
              Streams("", "thought\nso"));
    // A header is no thought, however little of it came.
    for (const char* header : {"", "th", "thought", "thought\n"}) {
        EXPECT_EQ(split(*tokenizer, *t, turn, ids("<|channel>" + std::string(header) + "<channel|>yes")),
                  Streams("", "yes"))
            << header;
        EXPECT_EQ(split(*tokenizer, *t, turn, ids("<|channel>" + std::string(header))), Streams("", "")) << header;
    }
    EXPECT_EQ(split(*tokenizer, *t, turn, ids("<|channel>thoughts\n<channel|>yes")), Streams("thoughts", "yes"));
    const auto file = test::sharedFolder() / "data/chat_templates/google-gemma-4-31B-it.jinja";
    if (std::filesystem::exists(file)) {
        EXPECT_EQ(findThoughtMarks(test::readFile(file), nullptr)->family, "Gemma 4");
    }
}

TEST(Thoughts, AnAnswerThatIsHeldToAGrammarIsWhole) {
    const auto tokenizer = tokenizerWith({"<think>", "</think>"}, 4);
    const auto asText = tokenizerWith({}, 3);
    const auto hunyuan = make("{{ '<answer>' }}");
    const std::string answer = "\n\n <answer>\nyes\n</answer>\n";
    const auto whole = [&](const Tokenizer& t, const std::string& prompt, const std::string& reply) {
        ThoughtSplitter splitter(t, *hunyuan, prompt, t.encodeSpecial(prompt));
        splitter.keepAnswerWhole();
        ThoughtSplitter::Parts parts;
        for (const TokenId id : t.encodeSpecial(reply))
            splitter.push(id, parts);
        const std::string shown = parts.answer; // at once: nothing is waited for
        splitter.finish(parts);
        EXPECT_EQ(shown, parts.answer);
        return Streams(parts.thoughts, parts.answer);
    };
    EXPECT_EQ(whole(*tokenizer, "", "<think>\nhm\n</think>" + answer), Streams("hm", answer));
    EXPECT_EQ(whole(*tokenizer, "", answer), Streams("", answer));
    EXPECT_EQ(whole(*asText, "x\n<think>\n", "hm\n</think>" + answer), Streams("hm", answer));
    EXPECT_EQ(whole(*asText, "", "<think>" + answer), Streams("", "<think>" + answer));
}

TEST(Thoughts, InsideIsKnownWhileItGoes) {
    const Harmony h;
    ThoughtSplitter splitter(*h.tokenizer, *h.chatTemplate, "", h.tokenizer->encodeSpecial("<|start|>assistant"));
    ThoughtSplitter::Parts parts;
    EXPECT_FALSE(splitter.inside());
    for (const TokenId id : h.tokenizer->encodeSpecial("<|channel|>analysis<|message|>hm"))
        splitter.push(id, parts);
    EXPECT_TRUE(splitter.inside());
    for (const TokenId id : h.tokenizer->encodeSpecial("<|end|><|start|>assistant<|channel|>final<|message|>y"))
        splitter.push(id, parts);
    EXPECT_FALSE(splitter.inside());
}

// Whatever ids come, in whatever order: no text of ordinary tokens is lost but the line breaks around thoughts.
TEST(Thoughts, AnyTokensInAnyOrder) {
    std::mt19937 random(7);
    for (const Row& r : tagRows()) {
        const std::vector<std::string> marks = tokensOf(r.marks);
        for (int round = 0; round < 200; round++) {
            Ids reply;
            size_t letters = 0;
            for (int i = 0; i < 12; i++) {
                const bool letter = random() % 2;
                letters += letter;
                const Ids more =
                    letter ? r.asTokens->encode("q") : r.asTokens->encodeSpecial(marks[random() % marks.size()]);
                reply.insert(reply.end(), more.begin(), more.end());
            }
            const auto [thoughts, answer] = split(*r.asTokens, *r.chatTemplate, "", reply);
            const auto count = [](const std::string& s) {
                return static_cast<size_t>(std::count(s.begin(), s.end(), 'q'));
            };
            EXPECT_EQ(count(thoughts) + count(answer), letters) << r.marks.family;
        }
    }
}

// --- stop ids

TEST(Thoughts, EndsOfTurnAreFoundByText) {
    for (const char* text :
         {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "<|return|>",
          "<|call|>", "<|END_OF_TURN_TOKEN|>", "[|endofturn|]", "<｜end▁of▁sentence｜>", "<seed:eos>", "[e~[",
          "<|end_of_msg|>", "<|end_of_sentence|>", "<turn|>", "<|endofturn|>"}) {
        const auto tokenizer = tokenizerWith({text}, 3);
        const auto& stops = tokenizer->stopIds();
        EXPECT_TRUE(std::binary_search(stops.begin(), stops.end(), tokenizer->find(text))) << text;
    }
    // In channels, <|end|> closes a message and not the turn.
    const Harmony h;
    const auto& stops = h.tokenizer->stopIds();
    const auto isStop = [&](const char* text) {
        return std::binary_search(stops.begin(), stops.end(), h.tokenizer->find(text));
    };
    EXPECT_TRUE(isStop("<|return|>"));
    EXPECT_TRUE(isStop("<|call|>"));
    EXPECT_FALSE(isStop("<|end|>"));
}

// --- Reply

/// Logits whose greedy choice is `id`.
std::vector<float> choosing(TokenId id, int nVocab) {
    std::vector<float> logits(static_cast<size_t>(nVocab), 0.0f);
    logits[static_cast<size_t>(id)] = 1.0f;
    return logits;
}

TEST(Reply, LosesNoTextThatLooksLikeATag) {
    const auto makeText = [] {
        auto text = std::make_shared<ModelText>();
        text->tokenizer = Tokenizer::fromMetadata(metadataFromJson(tinyVocabularies()["gpt2"]["metadata"]));
        text->chatTemplate = make("{{ '<think></think>' }}");
        text->contextTokens = 1000;
        return text;
    };
    for (const std::string said : {"<thing> is a word", "  indented", "<thi", "<think>a < b</think>c", "plain"}) {
        const auto text = makeText();
        GenerationRequest request;
        request.prompt = {1};
        request.sampling.temperature = 0;
        std::string thoughts, answer;
        request.onToken = [&](const TokenOut& t) { (t.thought ? thoughts : answer) += t.text; };
        Reply reply(1, 1, std::move(request), text, text->tokenizer->size());
        for (const TokenId id : text->tokenizer->encode(said)) {
            std::vector<float> logits = choosing(id, text->tokenizer->size());
            ASSERT_FALSE(reply.accept(logits));
        }
        reply.finish(StopReason::EndOfTurn);
        const bool thinks = said.starts_with("<think>");
        EXPECT_EQ(thoughts, thinks ? "a < b" : "");
        EXPECT_EQ(answer, thinks ? "c" : said);
    }
}

/// A thought that is cut inside a character is whole, with a sign for the rest, before the answer begins.
TEST(Reply, ACharacterCutByTheEndOfAThoughtStaysThere) {
    auto text = std::make_shared<ModelText>();
    text->tokenizer = tokenizerWith({"<think>", "</think>"}, 4);
    text->chatTemplate = make("{{ '<think></think>' }}");
    text->contextTokens = 1000;
    GenerationRequest request;
    request.prompt = {1};
    request.sampling.temperature = 0;
    std::string told;
    request.onToken = [&](const TokenOut& t) {
        if (!t.text.empty())
            told += (t.thought ? "(" : "[") + t.text + (t.thought ? ")" : "]");
    };
    Reply reply(1, 1, std::move(request), text, text->tokenizer->size());
    const auto say = [&](const Ids& ids) {
        for (const TokenId id : ids) {
            std::vector<float> logits = choosing(id, text->tokenizer->size());
            ASSERT_FALSE(reply.accept(logits));
        }
    };
    say({text->tokenizer->find("<think>")});
    say(bytes(*text->tokenizer, "\xE4\xBD"));
    say({text->tokenizer->find("</think>")});
    say(bytes(*text->tokenizer, "a\xE4\xBD"));
    say({text->tokenizer->find("<think>")}); // and an answer that a thought cuts
    say(bytes(*text->tokenizer, "b"));
    reply.finish(StopReason::EndOfTurn);
    EXPECT_EQ(told, "(\xEF\xBF\xBD)[a][\xEF\xBF\xBD](b)");
}

} // namespace
} // namespace hearth::engine
