// The expressions tokenizers cut their text by, against Oniguruma's answers, and the hand-written twins against the
// expressions themselves.

#include "engine/error.h"
#include "engine/tokenizer/pre_tokenizer.h"
#include "engine/tokenizer/regex.h"
#include "engine/unicode.h"
#include "tests/engine/text/vocabulary_files.h"
#include "tests/processor_time.h"
#include "tests/repeated.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace hearth::engine {
namespace {

using Ends = std::vector<size_t>;

Ends matchesOf(const Regex& regex, std::string_view text) {
    Ends out;
    RegexSearch search(regex);
    search.setText(text);
    for (Regex::Match m; search.next(m);) {
        out.push_back(m.begin);
        out.push_back(m.end);
    }
    return out;
}

PreTokenizer preTokenizerOf(const NamedPreTokenizer& named) {
    PreTokenizer p;
    for (const std::string_view pattern : named.patterns)
        p.addSplit(pattern, named.onlyMatches ? SplitBehavior::Removed : SplitBehavior::Isolated, named.onlyMatches);
    return p;
}

/// A text of characters that the expressions tell apart.
std::string randomText(std::mt19937& random) {
    static constexpr std::u32string_view parts =
        U" \n\r\t\u00A0\u3000\u2028abzABZsStTdD''\u2019.,!?/-_$+<=>^`|~()[]{}\"\\#019\u00BD\u0663\u00E9\u0301\u0323"
        U"\u4F60\u597D\u304B\u30AB\uAC00\u01C5\u02B0\u00AA\u0902\u093F\u200D\U0001F600\U0001F3FD\u017F\u212A\u0000";
    std::string text;
    for (auto n = random() % 60; n > 0; n--) {
        const char32_t c = parts[random() % parts.size()];
        for (auto times = random() % 4 == 0 ? random() % 5 : 1; times > 0; times--)
            appendUtf8(text, c);
        if (random() % 40 == 0)
            text += static_cast<char>(0x80 | random() % 128);
    }
    return text;
}

TEST(NamedPreTokenizer, CutsAsTheReferenceDoes) {
    const auto data = test::readJson(HEARTH_TEST_DATA "/text/pre_tokenizers.json");
    std::set<std::string> tested;
    for (const auto& rule : data["rules"])
        for (const auto& name : rule["names"]) {
            const NamedPreTokenizer* named = findPreTokenizer(name.get<std::string>());
            ASSERT_NE(named, nullptr) << name;
            tested.insert(name);
            const PreTokenizer p = preTokenizerOf(*named);
            PreTokenizer::Scratch scratch;
            for (size_t i = 0; i < data["texts"].size(); i++) {
                std::string text = data["texts"][i];
                for (size_t at = 0; named->raw && !named->onlyMatches && (at = text.find(' ', at)) != text.npos;)
                    text.replace(at, 1, "\xE2\x96\x81");
                Ends got;
                p.run(text, true, scratch, [&](std::string_view piece) {
                    if (named->onlyMatches)
                        got.push_back(static_cast<size_t>(piece.data() - text.data()));
                    got.push_back(static_cast<size_t>(piece.data() + piece.size() - text.data()));
                });
                EXPECT_EQ(got, rule["ends"][i].get<Ends>()) << name << ": " << data["texts"][i];
            }
        }
    for (const NamedPreTokenizer& p : namedPreTokenizers())
        EXPECT_TRUE(tested.contains(std::string(p.name))) << p.name << " has no reference";
}

TEST(KnownPattern, TwinsEqualTheirExpressions) {
    std::mt19937 random(11);
    int twins = 0;
    for (const NamedPreTokenizer& named : namedPreTokenizers())
        for (const std::string_view pattern : named.patterns) {
            const KnownPattern* known = findKnownPattern(pattern);
            if (!known)
                continue;
            twins++;
            const Regex regex(pattern);
            for (int round = 0; round < 150; round++) {
                const std::string text = randomText(random);
                Ends want, got;
                size_t done = 0;
                const Ends matches = matchesOf(regex, text);
                for (size_t i = 0; i < matches.size(); i += 2) {
                    if (done < matches[i])
                        want.push_back(matches[i]);
                    want.push_back(done = matches[i + 1]);
                }
                if (done < text.size())
                    want.push_back(text.size());
                for (size_t at = 0; at < text.size();)
                    got.push_back(at = known->split(text, at, text.size()));
                ASSERT_EQ(got, want) << pattern << "\n" << text;
            }
        }
    EXPECT_GT(twins, 10);
}

TEST(Regex, MeansWhatOnigurumaMeans) {
    const struct {
        const char *pattern, *text;
        Ends matches;
    } cases[] = {
        {"a|ab", "ab", {0, 1}},
        {"(?:a|ab)c", "abc", {0, 3}},
        {"a{2,3}", "aaaaa", {0, 3, 3, 5}},
        {"a{,2}b", "aaab", {1, 4}},
        {"a{2,}?", "aaaaa", {0, 2, 2, 4}},
        {"a{2}+", "aaaaa", {0, 4}}, // behind braces a plus repeats the whole
        {"a++a", "aaa", {}},
        {"a?+a", "aa", {0, 2}},
        {"x{a}", "x{a}", {0, 4}}, // a brace that counts nothing
        {"(?i)straSSe|k", "STRASSE\xE2\x84\xAA", {0, 7, 7, 10}},
        {"(?i:'s)x", "'Sx'SX", {0, 3}},
        {"[^\\W\\d_]+", "ab_1c", {0, 2, 4, 5}},
        {"[a-z&&[^aeiou]]+", "abcde", {1, 4}},
        {"[a&&b]|c", "abc", {2, 3}},
        {"[]a]+", "a]b", {0, 2}},
        {"[\\x41\\u0042\\x{43}]+", "ABCD", {0, 3}},
        {"\\p{^L}+", "a12b", {1, 3}},
        {"\\P{L}+", "a12b", {1, 3}},
        {"[[:alpha:][:digit:]]+", "a1-b", {0, 2, 3, 4}},
        {"(?<=a)b|(?<!a)c", "abcac", {1, 2, 2, 3}},
        {"^a|b$", "a\na\nb\nb", {0, 1, 2, 3, 4, 5, 6, 7}},
        {"\\Aa|b\\z", "aab", {0, 1, 2, 3}},
        {"\\bfoo\\b|\\Bx", "foo xfoox", {0, 3, 8, 9}},
        {"(?=(\\d{3})+(?!\\d))", "1234567", {1, 1, 4, 4}},
        {"x*", "axb", {0, 0, 1, 2, 3, 3}},
        {"(a*)*b", "aab", {0, 3}},
        {"(?:a?)*?b", "aab", {0, 3}},
        {"\\p{Script=Han}+|\\p{Latin}",
         "\xE4\xBD\xA0\xE5\xA5\xBD"
         "a",
         {0, 6, 6, 7}},
        {".+", "ab\nc", {0, 2, 3, 4}},
        {"\\w+",
         "a\xC2\xB2"
         "b",
         {0, 4}},
        {"[\\w]+",
         "a\xC2\xB2"
         "b",
         {0, 1, 3, 4}},
    };

    for (const auto& c : cases)
        EXPECT_EQ(matchesOf(Regex(c.pattern), c.text), c.matches) << c.pattern << " in " << c.text;
}

TEST(Regex, RefusesWhatItDoesNotKnow) {
    for (const char* pattern :
         {"(", ")", "[", "a{3,2}", "a{5000}", "*a", "(?>a)", "(?<n>a)", "\\1", "\\p{Nothing}", "\\p{L", "(?<=ab)c",
          "(ab)++", "\\", "[b-a]", "[[:nothing:]]", "\\k", "\\x{110000}", "(?:a{1000}){1000}"}) {
        try {
            const Regex regex(pattern);
            ADD_FAILURE() << pattern << " was accepted";
        } catch (const Error& e) {
            EXPECT_NE(std::string(e.what()).find("expression"), std::string::npos) << e.what();
        }
    }
    EXPECT_THROW(Regex(std::string(100'000, '(')), Error);
    EXPECT_THROW(Regex(std::string(50'000, '(')), Error);
    EXPECT_THROW(Regex(std::string(50'000, '[')), Error);
    EXPECT_THROW(Regex("a" + std::string(50'000, '+')), Error);
}

// What makes backtracking explode, or makes a search start over and over.
TEST(Regex, IsLinearWhateverTheExpression) {
    for (const char* pattern : {"(a*)*b", "(a|a)*b", "(a|aa)+$b", "a*a*a*a*b", "a+b|a", "(?=a*b)a", "(?!a*b)a",
                                "a(?=a*$)", "(?:a{1,3}){1,40}b", "(?:a|b|ab)*c|a", "\\s*[\\r\\n]+|a", "a*?b",
                                "(?:(?:a*)*)*b", "a{1,3}(?=(?:a{3})*\\b)", "(?:a*|b)*c"}) {
        const Regex regex(pattern);
        for (const std::string unit : {"a", "aab", " "}) {
            const Growth g = growth(20'000 / unit.size(), [&](size_t n) {
                const std::string text = repeated(unit, n);
                const double start = processorSeconds();
                matchesOf(regex, text);
                return processorSeconds() - start;
            });
            EXPECT_TRUE(g.isLinear()) << pattern << " on " << unit << ": " << g.once << " -> " << g.eight;
        }
    }
}

TEST(Regex, WindowsOfALongMatchGoOn) {
    const std::string text(3'500'000, 'a');
    const Ends matches = matchesOf(Regex("a+"), text);
    EXPECT_EQ(matches.front(), 0u);
    EXPECT_EQ(matches.back(), text.size());
    EXPECT_LE(matches.size(), 10u);
}

TEST(PreTokenizer, Behaviors) {
    const auto cut = [](SplitBehavior behavior, bool inverted, const char* text) {
        PreTokenizer p;
        p.addSplit("-", behavior, inverted);
        PreTokenizer::Scratch scratch;
        std::string out;
        p.run(text, true, scratch, [&](std::string_view piece) { out.append(piece).append("|"); });
        return out;
    };
    const char* text = "-a--b-";
    EXPECT_EQ(cut(SplitBehavior::Isolated, false, text), "-|a|-|-|b|-|");
    EXPECT_EQ(cut(SplitBehavior::Removed, false, text), "a|b|");
    EXPECT_EQ(cut(SplitBehavior::Removed, true, text), "-|-|-|-|");
    EXPECT_EQ(cut(SplitBehavior::MergedWithPrevious, false, text), "-|a-|-|b-|");
    EXPECT_EQ(cut(SplitBehavior::MergedWithNext, false, text), "-a|-|-b|-|");
    EXPECT_EQ(cut(SplitBehavior::Contiguous, false, text), "-|a|--|b|-|");
}

} // namespace
} // namespace hearth::engine
