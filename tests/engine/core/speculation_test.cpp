// Guesses at what follows: where they come from, and when they are tried.

#include "engine/speculation.h"

#include <gtest/gtest.h>

#include <numeric>

using namespace hearth::engine;

namespace {

using Tokens = std::vector<TokenId>;

TEST(LookUp, NothingRepeats) {
    EXPECT_TRUE(lookUp({}, 5).tokens.empty());
    EXPECT_TRUE(lookUp(Tokens{1}, 5).tokens.empty());
    EXPECT_TRUE(lookUp(Tokens{1, 2, 3, 4}, 5).tokens.empty());
    EXPECT_EQ(lookUp(Tokens{1, 2, 3, 4}, 5).matched, 0);
}

TEST(LookUp, WhatFollowedBefore) {
    const Guess guess = lookUp(Tokens{9, 1, 2, 3, 4, 5, 6, 1, 2}, 3);
    EXPECT_EQ(guess.tokens, (Tokens{3, 4, 5}));
    EXPECT_EQ(guess.matched, 2);
    EXPECT_EQ(lookUp(Tokens{1, 2, 3, 2}, 1).tokens, Tokens{3});
    EXPECT_EQ(lookUp(Tokens{1, 2, 3, 2}, 1).matched, 1);
    EXPECT_TRUE(lookUp(Tokens{9, 1, 2, 3, 1, 2}, 0).tokens.empty());
    EXPECT_TRUE(lookUp(Tokens{9, 1, 2, 3, 1, 2}, -1).tokens.empty());
}

TEST(LookUp, TheLongestMatchThenTheLatest) {
    EXPECT_EQ(lookUp(Tokens{7, 1, 2, 30, 8, 1, 2, 40, 7, 1, 2}, 1).tokens, Tokens{30});
    EXPECT_EQ(lookUp(Tokens{1, 2, 30, 5, 1, 2, 40, 6, 1, 2}, 1).tokens, Tokens{40});
}

TEST(LookUp, ALoopGoesOnInItself) {
    EXPECT_EQ(lookUp(Tokens{1, 2, 3, 1, 2, 3, 1, 2, 3}, 7).tokens, (Tokens{1, 2, 3, 1, 2, 3, 1}));
    EXPECT_EQ(lookUp(Tokens{5, 4, 4, 4}, 4).tokens, (Tokens{4, 4, 4, 4}));
}

TEST(LookUp, IsLinear) {
    const Tokens same(200000, 3); // every place matches
    EXPECT_EQ(lookUp(same, 15).tokens.size(), 15u);
    EXPECT_EQ(lookUp(same, 15).matched, 8);
}

RowPace paceOf(double sixteenRows) {
    RowPace pace;
    for (int i = 0; i < 5; ++i)
        for (int rows = 1; rows <= 16; ++rows)
            pace.measured(rows, 1 + (sixteenRows - 1) * (rows - 1) / 15);
    return pace;
}

TEST(Guesser, ReckonsWithRowsThatAreThereAnyway) {
    const RowPace dear = paceOf(8);
    const auto tries = [&](const StepPrice& price) {
        Guesser guesser;
        Tokens text;
        for (int i = 0; i < 60; ++i)
            text.push_back(i % 6);
        return guesser.next(text, 8, price).size();
    };
    EXPECT_GT(tries({.pace = dear}), 0u);
    EXPECT_LT(tries({.pace = dear, .readAgain = true}), tries({.pace = dear}));
    EXPECT_GE(tries({.pace = dear, .own = 8}), tries({.pace = dear}));
}

TEST(RowPace, LearnsAndForgetsTheFirstStep) {
    RowPace pace;
    EXPECT_LT(pace.relative(16), 2);
    pace.measured(1, 100); // built its plan
    pace.measured(1, 1);
    for (int i = 0; i < 40; ++i)
        pace.measured(9, 4);
    EXPECT_NEAR(pace.relative(9), 4, 1e-9);
    EXPECT_NEAR(pace.seconds(9), 4, 1e-9);
    EXPECT_EQ(pace.seconds(8), 0);
    EXPECT_EQ(paceOf(0.5).relative(16), 1) << "more rows never take less";
}

TEST(RowPace, OneThatDoesNotLearnKnowsWhatIsAssumed) {
    RowPace fixed(false);
    for (int i = 0; i < 5; ++i) {
        fixed.measured(1, 1);
        fixed.measured(9, 40);
    }
    EXPECT_EQ(fixed.seconds(1), 0);
    for (int rows = 1; rows <= 16; ++rows)
        EXPECT_EQ(fixed.relative(rows), RowPace().relative(rows)) << rows;
}

TEST(RowPace, ReckonsWithEveryNumberOfRows) {
    RowPace pace;
    for (int i = 0; i < 5; ++i)
        for (const int rows : {1, 4, 12})
            pace.measured(rows, rows == 12 ? 8 : rows == 4 ? 2 : 1);
    EXPECT_GT(pace.relative(16), 8) << "more than what was seen";
    EXPECT_LT(pace.relative(16), 9) << "so little more that it is tried";
    EXPECT_GT(pace.relative(8), 2);
    EXPECT_LT(pace.relative(8), 5) << "less than what lies between its neighbours, so that it is tried";
    for (int rows = 2; rows <= 16; ++rows)
        EXPECT_GE(pace.relative(rows), pace.relative(rows - 1)) << rows;
    for (int i = 0; i < 5; ++i)
        pace.measured(8, 7);
    EXPECT_NEAR(pace.relative(8), 7, 1e-9);
    for (int i = 0; i < 5; ++i)
        pace.measured(6, 100); // something else was running
    EXPECT_NEAR(pace.relative(6), 7, 1e-9) << "no more than eight rows";
}

/// Tokens that repeat `period` numbers.
Tokens periodic(int n, int period) {
    Tokens tokens(static_cast<size_t>(n));
    for (int i = 0; i < n; ++i)
        tokens[static_cast<size_t>(i)] = 1 + i % period;
    return tokens;
}

/// Feeds a text token by token as a reply would, and gives how many were fed ahead in all.
int fedAhead(Guesser& guesser, const Tokens& text, size_t from, const RowPace& pace) {
    int fed = 0;
    for (size_t n = from; n < text.size();) {
        const auto guess = guesser.next(std::span(text).first(n), 15, {pace});
        const Tokens guessed(guess.begin(), guess.end());
        fed += static_cast<int>(guessed.size());
        size_t right = 0;
        while (right < guessed.size() && n + right < text.size() && guessed[right] == text[n + right])
            ++right;
        for (size_t i = 0; i <= right && n < text.size(); ++i)
            guesser.followed(text[n++]);
    }
    return fed;
}

TEST(Guesser, FeedsMoreTheMoreIsRight) {
    Guesser guesser;
    const RowPace cheap = paceOf(1.5);
    const Tokens text = periodic(400, 20);
    fedAhead(guesser, text, 60, cheap);
    EXPECT_EQ(guesser.next(text, 15, {cheap}).size(), 15u);
    EXPECT_EQ(guesser.next(text, 3, {cheap}).size(), 3u);
    EXPECT_TRUE(guesser.next(text, 0, {cheap}).empty());
}

TEST(Guesser, StopsWhereItLosesAndComesBack) {
    // Tokens and pairs return, what followed them the last time does not.
    Tokens wrong;
    for (int i = 0; i < 400; ++i)
        wrong.insert(wrong.end(), {1, 2 + i % 2, 1000 + i});
    Guesser guesser;
    const RowPace pace = paceOf(4);
    fedAhead(guesser, wrong, 30, pace);
    EXPECT_EQ(fedAhead(guesser, wrong, 900, pace), 0) << "still guesses though nothing comes true";
    Tokens text = wrong;
    const Tokens loop = periodic(600, 25);
    text.insert(text.end(), loop.begin(), loop.end());
    EXPECT_GT(fedAhead(guesser, text, wrong.size(), pace), 300) << "did not notice that the text repeats now";
}

TEST(Guesser, NothingIsFedWhereRowsCostAsMuchAsSteps) {
    Guesser guesser;
    EXPECT_EQ(fedAhead(guesser, periodic(300, 20), 60, paceOf(16.5)), 0);
}

} // namespace
