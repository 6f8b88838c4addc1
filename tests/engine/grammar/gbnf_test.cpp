// The notation, and the automaton built from it: what is taken, what is refused and with which sentence.

#include "engine/error.h"
#include "tests/engine/grammar/vocabulary.h"
#include "tests/processor_time.h"
#include "tests/repeated.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>

namespace hearth::engine {
namespace {

using test::takes;
using test::takesBeginning;

struct Taken {
    const char* grammar;
    std::vector<std::string> yes, no;
};

TEST(Gbnf, TakesWhatItSays) {
    const Taken cases[] = {
        {"root ::= \"abc\"", {"abc"}, {"", "ab", "abcd", "abd"}},
        {"root ::= \"a\" | \"bc\"", {"a", "bc"}, {"b", "abc", ""}},
        {"root ::= \"a\"\n  | \"b\" |\n \"c\"", {"a", "b", "c"}, {"d"}},
        {"root ::= [a-c]+", {"a", "abcabc"}, {"", "d", "abd"}},
        {"root ::= [^a-c\\n]*", {"", "xyz", "中文😀"}, {"a", "x\n"}},
        {"root ::= [é-ü] \"ß\"", {"éß", "üß"}, {"eß", "é", "ýß"}},
        {"root ::= .", {"x", "中", "😀", "\n"}, {"", "xy", "\xE4\xB8", "\xFF"}},
        {"root ::= \"\\x41\\u00e9\\U0001F600\\n\\\\\\\"\"", {"Aé😀\n\\\""}, {"A"}},
        {"root ::= [\\]\\-x]", {"]", "-", "x"}, {"\\"}},
        {"root ::= [a-]+", {"a-a"}, {"b"}},
        {"root ::= \"a\"{3}", {"aaa"}, {"aa", "aaaa"}},
        {"root ::= \"ab\"{2,}", {"abab", "ababab"}, {"ab", "aba"}},
        {"root ::= \"a\"{2,4}\"b\"", {"aab", "aaaab"}, {"ab", "aaaaab"}},
        {"root ::= \"a\"{0,1000} \"b\"?", {"", "b", std::string(1000, 'a') + "b"}, {std::string(1001, 'a')}},
        {"root ::= (\"a\" | \"b\"?){2,3}", {"", "a", "ab", "bbb"}, {"abab"}},
        {"root ::= (\"a\"*){3} \"b\"", {"b", "aaaaaaab"}, {"a"}},
        {"root ::= ((\"a\"{2}){3}){2}", {std::string(12, 'a')}, {std::string(11, 'a'), std::string(13, 'a')}},
        {"# a comment\nroot ::= x-1 # another\n\n# end\nx-1 ::= ( # inside\n  \"y\"\n)", {"y"}, {"x"}},
        {"root ::= \"(\" root \")\" | \"\"", {"", "()", "((()))"}, {"(", "())"}},
        {"root ::= item (\",\" item)*\nitem ::= [0-9]{1,2} | \"[\" root \"]\"", {"1,22,[3,[4]]"}, {"1,", "[]", "123"}},
        {"root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"\"", {"", "aabc", "aaabcb"}, {"aab", "abb"}},
        {"root ::= opt opt \"x\"\nopt ::= \"a\"?", {"x", "ax", "aax"}, {"aaax"}},
        {"root ::= \"a\" dead | \"b\"\ndead ::= \"x\" dead", {"b"}, {"a", "ax"}},
        {"root ::= list\nlist ::= \"a\" list | \"a\"", {"a", std::string(5000, 'a')}, {""}},
        {"\xEF\xBB\xBFroot::=\"a\"\r\n", {"a"}, {"b"}},
    };
    for (const Taken& c : cases) {
        const auto grammar = Grammar::fromGbnf(c.grammar);
        for (const std::string& text : c.yes)
            EXPECT_TRUE(takes(*grammar, text)) << c.grammar << "\n" << text;
        for (const std::string& text : c.no)
            EXPECT_FALSE(takes(*grammar, text)) << c.grammar << "\n" << text;
    }
}

TEST(Gbnf, ABeginningThatNothingCanFollowIsNotTaken) {
    const auto grammar = Grammar::fromGbnf("root ::= \"a\" dead | \"b\" \"c\"\ndead ::= \"x\" dead");
    EXPECT_FALSE(takesBeginning(*grammar, "a"));
    EXPECT_TRUE(takesBeginning(*grammar, "b"));
}

TEST(Gbnf, SaysWhereAndWhat) {
    const std::pair<const char*, const char*> cases[] = {
        {"", "no rule named root"},
        {"x ::= \"a\"", "no rule named root"},
        {"root ::= y", "line 1, column 10: the rule y is not defined"},
        {"root ::= \"a\n", "line 1, column 10: this text is not closed"},
        {"root ::= \"é\" [a", "line 1, column 14: this class is not closed"},
        {"root ::= (\"a\"", "line 1, column 10: this bracket is not closed"},
        {"root ::= \"a\")", "line 1, column 13: this cannot stand here"},
        {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: the rule root is defined twice"},
        {"root = \"a\"", "line 1, column 6: ::= is expected"},
        {"root ::= [z-a]", "column 11: the range ends before it begins"},
        {"root ::= []", "column 10: this class is empty"},
        {"root ::= \"\\q\"", "column 11: this escape is not known"},
        {"root ::= \"\\x4\"", "column 11: this escape needs 2 hexadecimal digits"},
        {"root ::= \"\\ud800\"", "this escape is no character"},
        {"root ::= \"a\"{3,2}", "column 13: the repetition ends before it begins"},
        {"root ::= \"a\"{x}", "a repetition is {m}, {m,} or {m,n}"},
        {"root ::= \"a\"{99999999999}", "more than 1000000 repetitions"},
        {"root ::= * \"a\"", "this cannot stand here"},
        {"root ::= <think>", "references to tokens are not supported"},
        {"root ::= \"\xFF\"", "this byte is not UTF-8"},
        {"root ::= root \"a\" | \"b\"", "left-recursive: the rule root begins with itself"},
        {"root ::= a\na ::= b? a \"x\" | \"y\"\nb ::= \"z\"", "left-recursive"},
        {"root ::= (a)*\na ::= root \"x\"", "left-recursive"},
        {"root ::= (root){2}", "allows no text at all"},
        {"root ::= (root \"x\"){2} | \"y\"", "left-recursive"},
        {"root ::= \"a\" root", "allows no text at all"},
    };
    for (const auto& [grammar, part] : cases)
        try {
            Grammar::fromGbnf(grammar);
            ADD_FAILURE() << "taken: " << grammar;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << grammar << "\n" << error.what();
        }
}

// ---- against a recognizer that does it another way: sets of ends, by recursion over the tree

using Ends = std::set<size_t>;

struct Tree {
    std::string gbnf;
    std::function<Ends(const std::string&, size_t)> match;
};

class RandomGrammar {
public:
    explicit RandomGrammar(unsigned seed) : random_(seed) {}

    Tree tree(int depth) {
        switch (depth == 0 ? draw(2) : draw(8)) {
        case 0: {
            const std::string text = kTexts[draw(std::size(kTexts))];
            return {"\"" + text + "\"", [text](const std::string& s, size_t at) {
                        return s.compare(at, text.size(), text) == 0 ? Ends{at + text.size()} : Ends{};
                    }};
        }
        case 1:
            return {"[ab]", [](const std::string& s, size_t at) {
                        return at < s.size() && (s[at] == 'a' || s[at] == 'b') ? Ends{at + 1} : Ends{};
                    }};
        case 2:
        case 3:
        case 4:
            return sequence(tree(depth - 1), tree(depth - 1));
        case 5:
        case 6:
            return choice(tree(depth - 1), tree(depth - 1));
        default:
            return repeat(tree(depth - 1));
        }
    }

    std::string text() {
        std::string s;
        for (size_t n = draw(9); n > 0; --n)
            s += kLetters[draw(std::size(kLetters))];
        return s;
    }

private:
    static constexpr const char* kTexts[] = {"", "a", "b", "é", "ab", "ba"};
    static constexpr const char* kLetters[] = {"a", "b", "é"};

    size_t draw(size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random_); }

    static Tree sequence(Tree a, Tree b) {
        return {"(" + a.gbnf + " " + b.gbnf + ")", [a, b](const std::string& s, size_t at) {
                    Ends ends;
                    for (const size_t middle : a.match(s, at))
                        ends.merge(b.match(s, middle));
                    return ends;
                }};
    }

    static Tree choice(Tree a, Tree b) {
        return {"(" + a.gbnf + " | " + b.gbnf + ")", [a, b](const std::string& s, size_t at) {
                    Ends ends = a.match(s, at);
                    ends.merge(b.match(s, at));
                    return ends;
                }};
    }

    Tree repeat(Tree a) {
        const size_t min = draw(3), max = draw(2) == 0 ? 100 : min + draw(3);
        const std::string count = max == 100 ? (min == 0   ? "*"
                                                : min == 1 ? "+"
                                                           : "{2,}")
                                             : "{" + std::to_string(min) + "," + std::to_string(max) + "}";
        return {a.gbnf + count, [a, min, max](const std::string& s, size_t at) {
                    Ends now = {at}, all = min == 0 ? now : Ends{};
                    for (size_t n = 1; n <= std::min<size_t>(max, s.size() + min + 1) && !now.empty(); ++n) {
                        Ends next;
                        for (const size_t e : now)
                            next.merge(a.match(s, e));
                        now = std::move(next);
                        if (n >= min)
                            all.insert(now.begin(), now.end());
                    }
                    return all;
                }};
    }

    std::mt19937 random_;
};

TEST(Gbnf, AgreesWithAnotherRecognizer) {
    int taken = 0;
    for (unsigned seed = 0; seed < 1500; ++seed) {
        RandomGrammar random(seed);
        const Tree tree = random.tree(3);
        const auto grammar = Grammar::fromGbnf("root ::= " + tree.gbnf);
        for (int i = 0; i < 20; ++i) {
            const std::string text = random.text();
            const bool expected = tree.match(text, 0).contains(text.size());
            ASSERT_EQ(takes(*grammar, text), expected) << tree.gbnf << "\n" << text;
            taken += expected;
        }
    }
    EXPECT_GT(taken, 1000); // it is not that nothing is taken
}

// ---- hostile

double seconds(const std::function<void()>& work) {
    const double begin = processorSeconds();
    work();
    return processorSeconds() - begin;
}

TEST(Gbnf, HostileTextsEndSoon) {
    std::string chain = "root ::= r0\n", ring = "root ::= \"a\" | r0\n";
    for (int i = 0; i < 20000; ++i)
        chain += "r" + std::to_string(i) + " ::= " + (i == 19999 ? "\"x\"" : "r" + std::to_string(i + 1)) + "\n";
    for (int i = 0; i < 20000; ++i)
        ring += "r" + std::to_string(i) + " ::= r" + std::to_string((i + 1) % 20000) + "\n";
    const std::string texts[] = {
        "root ::= " + repeated("(", 100000),
        "root ::= " + repeated("(", 150) + "\"a\"" + repeated(")*", 150),
        "root ::= \"a\"" + repeated("*", 100000),
        "root ::= " + repeated("[", 100000),
        "root ::= " + repeated("\"a\" | ", 200000) + "\"a\"",
        "root ::= " + repeated("(", 60) + "[^a]" + repeated("){1000}", 60),
        "root ::= " + repeated("(", 60) + "\"a\"?" + repeated("){0,1000}", 60),
        "root ::= \"" + std::string(1900000, 'x') + "\"",
        "root ::= " + repeated("[^\\u0100-\\u0110\\u0200-\\u0210\\u0300-\\u0310]", 20000),
        chain,
        ring,
        std::string(3000000, 'x'),
        std::string("root ::= \0", 10),
        repeated("#", 1000000),
        "root ::= " + repeated("\n", 1000000) + "\"a\"",
    };
    for (const std::string& text : texts)
        EXPECT_LT(seconds([&] {
                      try {
                          const auto grammar = Grammar::fromGbnf(text);
                          takesBeginning(*grammar, "aaaa");
                      } catch (const Error&) {
                      }
                  }),
                  kMostHostileSeconds)
            << text.substr(0, 60);
}

TEST(Gbnf, AmbiguityDoesNotMultiply) {
    // Exponentially many derivations, of which each node of the stack holds all at once.
    for (const char* text : {"root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"\"", "root ::= \"a\" root root | \"a\"",
                             "root ::= x*\nx ::= \"a\" | \"aa\" | \"a\" x", "root ::= (\"a\" | \"aa\"){0,300}"})
        EXPECT_LT(seconds([&] { takesBeginning(*Grammar::fromGbnf(text), std::string(300, 'a')); }),
                  kMostHostileSeconds)
            << text;
}

TEST(Gbnf, ReadingGrowsWithTheText) {
    const Growth g = growth(2000, [](size_t n) {
        const std::string text = "root ::= x*\nx ::= " + repeated("\"ab\" [c-e] (\"f\" | \"g\")? | ", n) + "\"z\"";
        return seconds([&] { Grammar::fromGbnf(text); });
    });
    EXPECT_TRUE(g.isLinear()) << g.once << " -> " << g.eight;
}

} // namespace
} // namespace hearth::engine
