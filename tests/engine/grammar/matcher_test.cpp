// Tokens against a grammar: masks, going back, the sampler's choice, and what it costs.

#include "engine/sampler.h"
#include "tests/engine/grammar/vocabulary.h"
#include "tests/processor_time.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <functional>
#include <iostream>
#include <limits>
#include <random>

#include <sys/resource.h>

namespace hearth::engine {
namespace {

using grammar::TokenTrie;

constexpr const char* kJson = R"(
root   ::= value
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? ws "}"
array  ::= "[" ws (value ("," ws value)*)? ws "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?
ws     ::= " "? | "\n" [ \t]{0,16}
)";

bool isSet(std::span<const uint64_t> mask, TokenId id) {
    return ((mask[static_cast<size_t>(id) / 64] >> (id % 64)) & 1) != 0;
}

class Matcher : public testing::Test {
protected:
    std::vector<float> randomLogits() {
        std::normal_distribution<float> normal(0, 3);
        std::vector<float> logits(static_cast<size_t>(tokenizer.size()));
        for (float& x : logits)
            x = normal(random);
        return logits;
    }

    GrammarMatcher matcher(const char* gbnf) { return {Grammar::fromGbnf(gbnf), trie}; }

    TokenId id(std::string_view text) const { return tokenizer.find(text); }

    const test::ListTokenizer tokenizer = test::smallVocabulary();
    const TokenTrie trie{tokenizer};
    const TokenId end = 256;
    std::mt19937 random{1};
};

TEST_F(Matcher, GoesTokenByToken) {
    GrammarMatcher m = matcher("root ::= \"{\\\"age\\\":\" [0-9]+ \"}\"");
    EXPECT_FALSE(m.allows(id("[]")));
    EXPECT_FALSE(m.allows(end));
    EXPECT_TRUE(m.accept(id("{\"")));
    EXPECT_FALSE(m.accept(id("name")));
    EXPECT_TRUE(m.accept(id("age")));
    EXPECT_TRUE(m.accept(id("\":")));
    EXPECT_TRUE(m.accept(id("12")));
    EXPECT_FALSE(m.canEnd());
    EXPECT_FALSE(m.allows(id("},")));
    EXPECT_TRUE(m.accept('}'));
    EXPECT_TRUE(m.canEnd());
    EXPECT_TRUE(m.isComplete());
    EXPECT_TRUE(m.allows(end));
    EXPECT_FALSE(m.allows('}'));
    EXPECT_EQ(m.position(), 5u);
}

TEST_F(Matcher, TokensMayCutCharacters) {
    GrammarMatcher m = matcher("root ::= \"中文\" [α-ω]");
    EXPECT_TRUE(m.accept(id("\xE4\xB8")));
    EXPECT_FALSE(m.allows(id("文")));
    EXPECT_TRUE(m.accept(id("\xAD\xE6")));
    EXPECT_TRUE(m.accept(id("\x96\x87")));
    EXPECT_FALSE(m.allows(0x80));
    EXPECT_TRUE(m.accept(0xCE));
    EXPECT_FALSE(m.allows(0x80)); // U+0380 is below alpha
    EXPECT_TRUE(m.accept(0xB1));
    EXPECT_TRUE(m.isComplete());
}

TEST_F(Matcher, TheMaskIsWhatIsAllowed) {
    for (const char* gbnf :
         {kJson, "root ::= [a-c]{2,5} | \"ab\" root", "root ::= .{0,7}", "root ::= \"hello world\"?"}) {
        GrammarMatcher m = matcher(gbnf);
        for (int step = 0; step < 60; ++step) {
            std::vector<TokenId> allowed;
            const std::vector<uint64_t> mask(m.mask().begin(), m.mask().end());
            for (TokenId t = 0; t < tokenizer.size(); ++t) {
                ASSERT_EQ(isSet(mask, t), m.allows(t)) << gbnf << " " << t;
                if (m.allows(t) && t != end)
                    allowed.push_back(t);
            }
            ASSERT_TRUE(!allowed.empty() || m.canEnd());
            if (allowed.empty())
                break;
            ASSERT_TRUE(m.accept(allowed[random() % allowed.size()]));
        }
    }
}

TEST_F(Matcher, GoesBack) {
    GrammarMatcher m = matcher(kJson);
    std::vector<TokenId> taken;
    std::vector<std::vector<uint64_t>> masks;
    for (int step = 0; step < 400; ++step) {
        if (step % 7 == 6) { // drafts that are refused
            const size_t back = taken.size() - std::min<size_t>(taken.size(), random() % 5);
            m.rollback(back);
            taken.resize(back);
            masks.resize(back);
            ASSERT_EQ(m.position(), back);
        }
        masks.emplace_back(m.mask().begin(), m.mask().end());
        std::vector<TokenId> allowed;
        for (TokenId t = 0; t < tokenizer.size(); ++t)
            if (t != end && isSet(masks.back(), t))
                allowed.push_back(t);
        if (allowed.empty())
            break;
        taken.push_back(allowed[random() % allowed.size()]);
        ASSERT_TRUE(m.accept(taken.back()));
    }
    // The same tokens without any going back.
    GrammarMatcher straight = matcher(kJson);
    for (size_t i = 0; i < taken.size(); ++i) {
        ASSERT_EQ(std::vector<uint64_t>(straight.mask().begin(), straight.mask().end()), masks[i]);
        ASSERT_TRUE(straight.accept(taken[i]));
    }
    m.rollback(0);
    EXPECT_EQ(std::vector<uint64_t>(m.mask().begin(), m.mask().end()), masks[0]);
    EXPECT_FALSE(m.rollback(1000)); // no later position than the present one
    EXPECT_EQ(m.position(), 0u);
}

TEST_F(Matcher, ExtraAndExcludedTokens) {
    GrammarMatcher m = matcher("root ::= \"ab\"+");
    m.setExtra(id("hello"));
    m.exclude(id("ab"));
    EXPECT_TRUE(m.allows(id("hello")));
    EXPECT_TRUE(isSet(m.mask(), id("hello")));
    EXPECT_FALSE(m.allows(id("ab")));
    EXPECT_FALSE(isSet(m.mask(), id("ab")));
    EXPECT_TRUE(m.accept(id("hello")));
    EXPECT_EQ(m.position(), 0u);
    m.setExtra(-1);
    EXPECT_FALSE(m.allows(id("hello")));
    EXPECT_FALSE(isSet(m.mask(), id("hello")));
    EXPECT_TRUE(m.accept('a'));
}

TEST_F(Matcher, EndsOnlyWhereTheTextMay) {
    GrammarMatcher m = matcher("root ::= [0-9]{1,3}");
    EXPECT_FALSE(m.allows(end));
    m.accept('1');
    EXPECT_TRUE(m.allows(end));
    EXPECT_TRUE(isSet(m.mask(), end));
    EXPECT_FALSE(m.isComplete());
    m.accept(id("12"));
    EXPECT_TRUE(m.isComplete());
    EXPECT_TRUE(m.accept(end));
    EXPECT_EQ(m.position(), 2u);
}

TEST_F(Matcher, KeepsItsTableSmall) {
    // Many classes and a new situation at every byte: without tidying some hundred MB.
    std::string gbnf = "root ::= (";
    for (int c = 0x21; c < 0x7F; c += 2)
        gbnf +=
            std::string(c > 0x21 ? "|" : "") + "[\\x" + "0123456789ABCDEF"[c / 16] + "0123456789ABCDEF"[c % 16] + "]";
    gbnf += "){0,150000}";
    GrammarMatcher m = matcher(gbnf.c_str());
    const auto peak = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss; // kB
    };
    const long before = peak();
    for (int i = 0; i < 150000; ++i) {
        ASSERT_TRUE(m.accept('!'));
        if (i % 10000 == 0) {
            ASSERT_TRUE(isSet(m.mask(), '#'));
        }
    }
#ifndef __SANITIZE_ADDRESS__ // whose freed memory stays for a while
    EXPECT_LT(peak() - before, 64 * 1024);
#else
    static_cast<void>(before);
#endif
    EXPECT_TRUE(m.isComplete());
    EXPECT_FALSE(m.rollback(100)); // long forgotten
    EXPECT_EQ(m.position(), 150000u);
    EXPECT_TRUE(m.rollback(150000 - GrammarMatcher::kMaxRollback));
    for (size_t i = 0; i < GrammarMatcher::kMaxRollback; ++i)
        ASSERT_TRUE(m.accept('%'));
    EXPECT_TRUE(m.isComplete());
}

TEST_F(Matcher, TooMuchAmbiguityIsToldAndEnds) {
    std::string gbnf = "root ::= x{0,100000}\nx ::= ";
    for (int i = 1; i < 60; ++i)
        gbnf += std::string(i > 1 ? " | " : "") + "[ab]{" + std::to_string(i) + "}";
    GrammarMatcher m = matcher(gbnf.c_str());
    const double begin = processorSeconds();
    for (int i = 0; i < 3000 && !m.gaveUp(); ++i) {
        m.mask();
        m.accept('a');
    }
    EXPECT_LT(processorSeconds() - begin, 20.0);
    for (int i = 0; i < 3; ++i) {
        std::vector<float> logits = randomLogits();
        Sampler({.temperature = 1, .seed = 1}).sample(logits, {}, 1, &m); // whatever it is, it comes
    }
}

// ---- the sampler

SamplerSettings settings(float temperature, int topK, float topP, float minP) {
    return {.temperature = temperature, .topK = topK, .topP = topP, .minP = minP, .seed = 7};
}

constexpr float kInf = std::numeric_limits<float>::infinity();

/// What a sampler draws from logits in which all that is forbidden has been removed before.
TokenId maskedDraw(const SamplerSettings& s, std::vector<float> logits, GrammarMatcher& m, uint64_t position) {
    for (size_t t = 0; t < logits.size(); ++t)
        if (!m.allows(static_cast<TokenId>(t)))
            logits[t] = -kInf;
    return Sampler(s).sample(logits, {}, position);
}

TEST_F(Matcher, TheSamplerChoosesAsFromMaskedLogits) {
    const SamplerSettings all[] = {
        settings(0, 0, 1, 0),          settings(1, 0, 1, 0),    settings(1, 40, 0.95f, 0.05f),
        settings(0.7f, 5, 1, 0),       settings(2, 0, 0.9f, 0), settings(1, 0, 1, 0.1f),
        settings(1.5f, 300, 0.99f, 0), settings(1, 1, 0.5f, 0), settings(5, 64, 1, 0)};
    uint64_t position = 0;
    for (const SamplerSettings& s : all)
        for (const char* gbnf : {kJson, "root ::= \"hello world\" [ab]*", "root ::= [^\\\"]*"}) {
            GrammarMatcher m = matcher(gbnf);
            for (int step = 0; step < 150 && !m.isComplete(); ++step) {
                const std::vector<float> logits = randomLogits();
                std::vector<float> copy = logits;
                const TokenId drawn = Sampler(s).sample(copy, {}, ++position, &m);
                ASSERT_EQ(drawn, maskedDraw(s, logits, m, position)) << gbnf << " step " << step;
                ASSERT_TRUE(m.allows(drawn));
                if (drawn == end)
                    break;
                m.accept(drawn);
            }
        }
}

TEST_F(Matcher, TheSamplerFollowsTheMaskedDistribution) {
    GrammarMatcher m = matcher("root ::= [ab] | \"yes\"");
    std::vector<float> logits(static_cast<size_t>(tokenizer.size()), 0.0f);
    logits['z'] = 5; // the likeliest is forbidden
    logits['a'] = std::log(3.0f);
    // a: 3, b: 1, y: 1, yes: 1
    std::map<TokenId, double> counts;
    const int n = 20000;
    for (int i = 0; i < n; ++i) {
        std::vector<float> copy = logits;
        counts[Sampler(settings(1, 0, 1, 0)).sample(copy, {}, static_cast<uint64_t>(i), &m)] += 1.0 / n;
    }
    EXPECT_EQ(counts.size(), 4u);
    EXPECT_NEAR(counts['a'], 0.5, 0.015);
    EXPECT_NEAR(counts['b'], 1.0 / 6, 0.015);
    EXPECT_NEAR(counts[id("yes")], 1.0 / 6, 0.015);
}

TEST_F(Matcher, LogitsThatAreNoNumbers) {
    GrammarMatcher m = matcher("root ::= [bc]");
    for (const float x : {kInf, -kInf, std::nanf(""), 0.0f})
        for (const float temperature : {0.0f, 1.0f}) {
            std::vector<float> logits(static_cast<size_t>(tokenizer.size()), x);
            const TokenId drawn = Sampler(settings(temperature, 40, 0.9f, 0.05f)).sample(logits, {}, 3, &m);
            EXPECT_TRUE(drawn == 'b' || drawn == 'c') << x << " " << drawn;
        }
    GrammarMatcher none{Grammar::fromGbnf("root ::= \"a\""), trie};
    none.exclude('a');
    std::vector<float> logits(static_cast<size_t>(tokenizer.size()), 1.0f);
    EXPECT_EQ(Sampler(settings(1, 40, 0.9f, 0.05f)).sample(logits, {}, 3, &none), -1);
}

// ---- cost

/// Seconds a token that the grammar adds, over documents as a model would write them: the document's own tokens are
/// the likeliest, but now and then another one is.
double secondsPerToken(const Tokenizer& tokenizer, const TokenTrie& trie, const SamplerSettings& s,
                       const std::shared_ptr<const Grammar>& grammar, std::string_view document, bool constrained) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0, 2.5f);
    std::vector<float> noise(static_cast<size_t>(tokenizer.size()) + 4096);
    for (float& x : noise)
        x = normal(random);
    std::vector<float> logits(static_cast<size_t>(tokenizer.size()));
    double total = 0;
    int tokens = 0;
    for (int round = 0; round < 2; ++round) {
        GrammarMatcher m(grammar, trie);
        Sampler sampler(s);
        std::string_view rest = document;
        while (!rest.empty()) {
            // The longest token of the document.
            TokenId next = static_cast<uint8_t>(rest[0]);
            for (size_t n = 2; n <= std::min<size_t>(rest.size(), 8); ++n)
                if (const auto found =
                        std::lower_bound(trie.tokens().begin(), trie.tokens().end(), rest.substr(0, n),
                                         [&](TokenId t, std::string_view b) { return trie.bytes(t) < b; });
                    found != trie.tokens().end() && trie.bytes(*found) == rest.substr(0, n))
                    next = *found;
            std::copy_n(noise.begin() + static_cast<std::ptrdiff_t>(random() % 4096), logits.size(), logits.begin());
            logits[static_cast<size_t>(next)] = 22;
            if (tokens % 8 == 5)
                logits[random() % logits.size()] = 25;
            const double begin = processorSeconds();
            const TokenId drawn = sampler.sample(logits, {}, static_cast<uint64_t>(tokens), constrained ? &m : nullptr);
            total += processorSeconds() - begin;
            EXPECT_TRUE(!constrained || m.allows(drawn));
            const double beginAccept = processorSeconds();
            if (constrained)
                m.accept(next);
            total += processorSeconds() - beginAccept;
            rest.remove_prefix(trie.bytes(next).size());
            ++tokens;
        }
    }
    return total / tokens;
}

TEST(GrammarCost, IsSmallBesideAStep) {
    // A token of the starter model (135 M weights) takes about 7.5 ms of processor time, one of the smallest models
    // with a vocabulary of 150,000 about 40 ms.
    std::string document = "{\"name\": \"hello world\", \"list\": [1, 2, 3, true, null]";
    for (int i = 0; i < 5; ++i)
        document += ",\n  \"k" + std::to_string(i) +
                    "\": {\"text\": \"some words and 中文 of a longer text, with a \\\"" +
                    std::string(static_cast<size_t>(i), 'x') + "\", \"n\": -12.5e3, \"more\": [[{}], [], \"\"]}";
    document += "}";
    const auto free = Grammar::fromGbnf(kJson);
    const auto counted = Grammar::fromJsonSchema(
        R"({"type": "object", "additionalProperties": {"anyOf": [{"type": "string", "maxLength": 200}, {"type": "array"},
            {"type": "object", "additionalProperties": {"anyOf": [{"type": "string", "maxLength": 300}, {"type": "array"},
             {"type": "number"}]}}]}})");
    for (const auto& [n, stepSeconds] : {std::pair{49152, 7.5e-3}, std::pair{150000, 40e-3}}) {
        const test::ListTokenizer tokenizer = test::largeVocabulary(n);
        double begin = processorSeconds();
        const TokenTrie trie(tokenizer);
        std::cout << n << " tokens: tree of " << trie.nodes().size() << " nodes in "
                  << (processorSeconds() - begin) * 1e3 << " ms\n";
        const SamplerSettings all[] = {settings(0, 0, 1, 0), settings(0.7f, 40, 0.95f, 0.05f),
                                       settings(1, 0, 0.95f, 0)};
        for (const SamplerSettings& s : all)
            for (const auto& grammar : {free, counted}) {
                const double plain = secondsPerToken(tokenizer, trie, s, grammar, document, false);
                const double held = secondsPerToken(tokenizer, trie, s, grammar, document, true);
                const double cost = held - plain;
                std::cout << "  temperature " << s.temperature << ", top-k " << s.topK
                          << (grammar == free ? ", JSON" : ", counted") << ": sampling " << plain * 1e6
                          << " us a token, the grammar adds " << cost * 1e6 << " us (" << 100 * cost / stepSeconds
                          << " % of a step)\n";
                EXPECT_LT(cost, 0.2 * stepSeconds); // four times what is wanted, for busy machines
            }
        begin = processorSeconds();
        GrammarMatcher m(free, trie);
        m.accept('"');
        m.mask();
        std::cout << "  the first mask inside a string: " << (processorSeconds() - begin) * 1e3 << " ms\n";
    }
}

} // namespace
} // namespace hearth::engine
