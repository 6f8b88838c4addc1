#pragma once

#include "engine/tokenizer.h"

#include <array>
#include <span>
#include <vector>

namespace hearth::engine {

// Guessing ahead: tokens that may follow are fed together with the last one, and the model's own choice at each of
// their places decides how many of them stand. A row of a batch has the bits it has alone and a draw depends on its
// position only, so the text is the same with and without, whatever the sampling.

/// What may follow a text, and how much of its end that rests on.
struct Guess {
    std::vector<TokenId> tokens;
    int matched = 0; // last tokens of the text that occurred before; 0: nothing is guessed
};

/// Prompt lookup (Saxena 2023; Yang et al. 2023, "Inference with Reference"): the longest run of up to 8 last tokens
/// that occurs earlier, the latest of equals, and what followed it there, at most `most` tokens. A guess that reaches
/// the text's end goes on in itself. O(history).
Guess lookUp(std::span<const TokenId> history, int most);
/// The same into an object that is used again, so that nothing is allocated.
void lookUp(std::span<const TokenId> history, int most, Guess&);

/// How long a model's steps take by the number of their rows, learned from them.
class RowPace {
public:
    /// One that does not learn knows what is assumed before the first step, always.
    explicit RowPace(bool learns = true) : learns_(learns) {}

    void measured(int rows, double seconds);
    /// Time of a step with so many rows, in steps of one row. Of a number that was not seen: between what its seen
    /// neighbours say and what it would be if more rows cost little, so that it is tried where it may pay.
    double relative(int rows) const;

    /// Of a step with so many rows; 0: none was seen.
    double seconds(int rows) const { return seen_[place(rows)].seconds; }

private:
    static constexpr int kMostRows = 16; // more count as so many

    static size_t place(int rows);
    bool isSeen(int rows) const;

    struct Seen {
        int steps = 0;
        double seconds = 0; // a moving average
    };

    bool learns_;
    std::array<Seen, kMostRows> seen_;
};

/// What the step costs that a guess joins.
struct StepPrice {
    const RowPace& pace;
    int own = 1;            // rows it has without a guess
    bool readAgain = false; // after a wrong guess its rows are fed once more with the next step
};

/// Decides for one reply how many guessed tokens are worth a try, by how often such guesses were right. Right and wrong
/// are learned from guesses that were not tried, too: so it finds its way back when a text begins to repeat.
class Guesser {
public:
    /// The guess for what follows `history`, and how many of its tokens to feed, 0 to `most`.
    std::span<const TokenId> next(std::span<const TokenId> history, int most, const StepPrice&);
    /// How many tokens to have guessed by somebody who takes so long for each, in steps of one row; those are then
    /// given to tried().
    int worthAsking(int most, const StepPrice&, double stepsPerToken);
    void tried(std::span<const TokenId>);
    /// The token that followed in truth.
    void followed(TokenId);

private:
    static constexpr int kClasses = 6; // of matches: 1, 2, 3, 4 and 5, more; and what another model guessed
    static constexpr int kAsked = 5;

    struct Chance {
        double right = 0; // that a guessed token is right
        int seen = 0;     // tokens it was learned from
    };

    Chance& chance() { return chances_[static_cast<size_t>(class_)]; }

    Guess guess_;
    size_t place_ = 0; // of guess_ that is to be compared next
    int class_ = 0;
    // Between what prose has and what a polished text has; a match of one is tried only after it was right.
    std::array<Chance, kClasses> chances_{{{0.05}, {0.35}, {0.5}, {0.65}, {0.75}, {0.7}}};
    int notAsked_ = 0; // tokens since another model was asked
};

} // namespace hearth::engine
