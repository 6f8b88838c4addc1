#pragma once

#include "engine/tokenizer/regex.h"
#include "engine/tokenizer/splitters.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// One published way to cut a text into words before byte-level BPE.
struct NamedPreTokenizer {
    std::string_view name;                      // as `tokenizer.ggml.pre` spells it
    std::span<const std::string_view> patterns; // one inside the other: each sees the pieces of the one before
    bool ignoreMerges = false;                  // a word that is a token is that token, whatever the merges say
    bool addBos = false;                        // where the file does not say
    bool raw = false;                           // tokens are spelled as text, not in GPT-2's byte alphabet
    bool onlyMatches = false;                   // what no pattern matches is dropped
};

/// Null: unknown.
const NamedPreTokenizer* findPreTokenizer(std::string_view name);
std::span<const NamedPreTokenizer> namedPreTokenizers();

/// What becomes of the matches of a pattern (of what lies between them, when inverted).
enum class SplitBehavior : uint8_t { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

/// Where a blank, or what stands for it, is put before a piece that does not begin with one.
enum class PrefixScheme : uint8_t { Never, First, Always };

/// Cuts a text into words, step by step, each step working on the pieces of the one before. Immutable.
class PreTokenizer {
public:
    /// The state of one run: not shared between threads.
    struct Scratch {
        std::vector<std::optional<RegexSearch>> searches; // [steps]
        std::vector<std::string> texts;                   // [steps]
    };

    void addSplit(std::string_view pattern, SplitBehavior = SplitBehavior::Isolated, bool inverted = false);
    /// Writes `blank` for each U+0020 and puts one before the piece.
    void addBlanks(std::string blank, PrefixScheme);
    /// Writes each byte as a character of GPT-2's alphabet, for the steps that follow.
    void addByteAlphabet();

    /// `first`: the text begins the whole input. Calls onWord(std::string_view), whose text lives until it returns.
    template <class OnWord>
    void run(std::string_view text, bool first, Scratch& scratch, OnWord&& onWord) const {
        scratch.searches.resize(steps_.size());
        scratch.texts.resize(steps_.size());
        runStep(0, text, first, scratch, onWord);
    }

private:
    struct Step {
        Splitter split = nullptr;           // a hand-written twin: pieces isolated, without gaps
        std::shared_ptr<const Regex> regex; // neither: the piece is rewritten
        SplitBehavior behavior = SplitBehavior::Isolated;
        bool inverted = false;
        bool byteAlphabet = false; // instead of blanks
        std::string blank;
        PrefixScheme prefix = PrefixScheme::Never;
    };

    void add(Step);

    template <class OnWord>
    void runStep(size_t index, std::string_view text, bool first, Scratch& scratch, OnWord& onWord) const {
        if (text.empty())
            return;
        if (index == steps_.size()) {
            onWord(text);
            return;
        }
        const Step& step = steps_[index];
        const auto onPiece = [&](size_t begin, size_t end) {
            runStep(index + 1, text.substr(begin, end - begin), first && begin == 0, scratch, onWord);
        };
        if (step.split) {
            for (size_t begin = 0; begin < text.size();) {
                const size_t end = step.split(text, begin, text.size());
                onPiece(begin, end);
                begin = end;
            }
        } else if (step.regex) {
            std::optional<RegexSearch>& search = scratch.searches[index];
            if (!search)
                search.emplace(*step.regex);
            search->setText(text);
            cut(step, *search, text.size(), onPiece);
        } else {
            std::string& changed = scratch.texts[index];
            rewrite(step, text, first, changed);
            runStep(index + 1, changed, first, scratch, onWord);
        }
    }

    static void rewrite(const Step&, std::string_view text, bool first, std::string& out);

    /// Matches and what lies between them, joined as the behaviour says.
    template <class OnPiece>
    static void cut(const Step& step, RegexSearch& search, size_t size, const OnPiece& onPiece) {
        PieceJoiner joiner(step.behavior);
        const auto part = [&](size_t begin, size_t end, bool match) {
            joiner.part(begin, end, match != step.inverted, onPiece);
        };
        size_t done = 0;
        for (Regex::Match m; search.next(m); done = m.end) {
            if (done < m.begin)
                part(done, m.begin, false);
            part(m.begin, m.end, true);
        }
        if (done < size)
            part(done, size, false);
        joiner.finish(onPiece);
    }

    /// Holds one piece back while its neighbour may still join it.
    class PieceJoiner {
    public:
        explicit PieceJoiner(SplitBehavior behavior) : behavior_(behavior) {}

        template <class OnPiece>
        void part(size_t begin, size_t end, bool match, const OnPiece& onPiece) {
            bool joins = false;
            switch (behavior_) {
            case SplitBehavior::Contiguous:
                joins = holding_ && match == heldIsMatch_;
                break;
            case SplitBehavior::MergedWithPrevious:
                joins = holding_ && match && !heldIsMatch_;
                break;
            case SplitBehavior::MergedWithNext:
                joins = holding_ && !match && heldIsMatch_;
                break;
            default:
                break;
            }
            if (joins) {
                end_ = end;
                heldIsMatch_ = match;
                return;
            }
            finish(onPiece);
            begin_ = begin;
            end_ = end;
            heldIsMatch_ = match;
            holding_ = !(match && behavior_ == SplitBehavior::Removed);
        }

        template <class OnPiece>
        void finish(const OnPiece& onPiece) {
            if (holding_)
                onPiece(begin_, end_);
            holding_ = false;
        }

    private:
        const SplitBehavior behavior_;
        size_t begin_ = 0, end_ = 0;
        bool holding_ = false, heldIsMatch_ = false;
    };

    std::vector<Step> steps_;
};

/// What BERT cuts at: blanks, which vanish, and signs, each a word of its own.
void addBertWords(PreTokenizer&);
// \p{P} and all that ASCII calls a sign; as the reference has it, whose tables are those of Unicode 8.
inline constexpr std::string_view kBertMark = R"([[\p{P}!-/:-@\[-`{-~]&&\p{Age=8.0}])";

} // namespace hearth::engine
