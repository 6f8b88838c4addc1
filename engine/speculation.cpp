#include "engine/speculation.h"

#include <algorithm>
#include <cmath>

namespace hearth::engine {

namespace {

constexpr int kLongestMatch = 8;

/// How many tokens before `end` equal those before the history's end.
int matchedBefore(std::span<const TokenId> history, size_t end) {
    const size_t n = history.size();
    int matched = 0;
    while (matched < kLongestMatch && static_cast<size_t>(matched) < end &&
           history[end - 1 - static_cast<size_t>(matched)] == history[n - 1 - static_cast<size_t>(matched)])
        ++matched;
    return matched;
}

/// What a step of more rows costs before it was seen: little, so that it is tried.
constexpr double kAssumedRow = 0.06;
constexpr double kWeight = 0.2; // of the newest measurement

} // namespace

void lookUp(std::span<const TokenId> history, int most, Guess& guess) {
    guess.tokens.clear();
    guess.matched = 0;
    size_t from = 0;
    for (size_t end = history.size(); end-- > 1 && guess.matched < kLongestMatch;)
        if (const int matched = matchedBefore(history, end); matched > guess.matched) {
            guess.matched = matched;
            from = end;
        }
    if (guess.matched == 0)
        return;
    for (size_t i = from; guess.tokens.size() < static_cast<size_t>(std::max(0, most)); ++i)
        guess.tokens.push_back(i < history.size() ? history[i] : guess.tokens[i - history.size()]);
}

Guess lookUp(std::span<const TokenId> history, int most) {
    Guess guess;
    lookUp(history, most, guess);
    return guess;
}

// ---- RowPace

size_t RowPace::place(int rows) {
    return static_cast<size_t>(std::clamp(rows, 1, kMostRows) - 1);
}

bool RowPace::isSeen(int rows) const {
    return seen_[place(rows)].steps >= 2; // the first builds a plan and touches its memory
}

void RowPace::measured(int rows, double seconds) {
    if (!learns_)
        return;
    Seen& seen = seen_[place(rows)];
    if (++seen.steps <= 2)
        seen.seconds = seconds;
    else
        seen.seconds += kWeight * (seconds - seen.seconds);
}

double RowPace::relative(int rows) const {
    const double one = isSeen(1) ? seconds(1) : 0;
    if (one <= 0)
        return 1 + kAssumedRow * (rows - 1);
    const auto ofSeen = [&](int n) { // more rows never take less: a bad moment of so many is forgotten by that
        double least = seconds(n);
        for (int m = n + 1; m <= kMostRows; ++m)
            if (isSeen(m))
                least = std::min(least, seconds(m));
        return std::max(1.0, least / one);
    };
    rows = std::clamp(rows, 1, kMostRows);
    int fewer = rows, more = rows;
    while (!isSeen(fewer))
        --fewer;
    if (fewer == rows)
        return ofSeen(rows);
    const double hoped = ofSeen(fewer) + kAssumedRow * (rows - fewer);
    while (more <= kMostRows && !isSeen(more))
        ++more;
    if (more > kMostRows)
        return hoped;
    const double between = std::lerp(ofSeen(fewer), ofSeen(more), double(rows - fewer) / (more - fewer));
    return std::max(ofSeen(fewer), (hoped + between) / 2);
}

// ---- Guesser

namespace {

/// How many guesses give most tokens a second, when each is right with this chance and takes so many steps to make.
/// With k guesses a step gives 1 + p + ... + p^k tokens (Leviathan et al. 2023, section 3.1).
int mostWorth(double chance, int most, const StepPrice& price, double stepsPerGuess) {
    const auto steps = [&](double rows) { return price.pace.relative(static_cast<int>(std::lround(rows))); };
    double tokens = 1, power = 1, best = 1 / steps(price.own);
    int worth = 0;
    for (int k = 1; k <= most; ++k) {
        power *= chance;
        tokens += power;
        const double again = price.readAgain ? (1 - power) * (steps(price.own + tokens) - steps(1)) : 0;
        const double speed = tokens / (steps(price.own + k) + again + k * stepsPerGuess);
        if (speed > best) {
            best = speed;
            worth = k;
        }
    }
    return worth;
}

} // namespace

std::span<const TokenId> Guesser::next(std::span<const TokenId> history, int most, const StepPrice& price) {
    lookUp(history, std::max(1, most), guess_); // one at least is compared, though nothing may be fed
    place_ = 0;
    if (guess_.tokens.empty())
        return {};
    class_ = guess_.matched <= 3 ? guess_.matched - 1 : guess_.matched <= 5 ? 3 : 4;
    return std::span(guess_.tokens).first(static_cast<size_t>(mostWorth(chance().right, most, price, 0)));
}

int Guesser::worthAsking(int most, const StepPrice& price, double stepsPerToken) {
    constexpr int kAskAgain = 64; // tokens after which one that lost is asked once more
    const int worth = mostWorth(chances_[kAsked].right, most, price, stepsPerToken);
    if (worth == 0 && ++notAsked_ >= kAskAgain)
        return std::min(most, 2);
    return worth;
}

void Guesser::tried(std::span<const TokenId> tokens) {
    guess_.tokens.assign(tokens.begin(), tokens.end());
    guess_.matched = 0;
    place_ = 0;
    class_ = kAsked;
    notAsked_ = 0;
}

void Guesser::followed(TokenId id) {
    if (place_ >= guess_.tokens.size())
        return;
    const bool right = guess_.tokens[place_] == id;
    // A mean that what was assumed before counts in as two tokens, later a moving one.
    constexpr double kAssumed = 2, kRate = 0.1;
    Chance& of = chance();
    const double rate = std::max(kRate, 1 / (kAssumed + ++of.seen));
    of.right = std::clamp(of.right + rate * ((right ? 1.0 : 0.0) - of.right), 0.02, 0.98);
    place_ = right ? place_ + 1 : guess_.tokens.size();
}

} // namespace hearth::engine
