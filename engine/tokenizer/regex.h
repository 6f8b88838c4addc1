#pragma once

#include "engine/tokenizer/char_set.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// The expressions that tokenizers are published with, in the meaning Oniguruma gives them: classes (nested, `&&`),
/// properties, alternation, greedy, lazy and possessive quantifiers, `(?i:...)`, lookahead, one character of
/// lookbehind, anchors. No captures and no back references, so that matching is linear. Immutable; any thread.
class Regex {
public:
    /// Throws Error that quotes the expression and names what it holds that is not understood.
    explicit Regex(std::string_view pattern);
    static std::string escape(std::string_view literal);

    struct Match {
        size_t begin = 0, end = 0; // bytes
    };

private:
    friend class RegexBuilder;
    friend class RegexSearch;

    enum class Op : uint8_t { Accept, Set, Split, Look, Behind, Begin, End, LineBegin, LineEnd, Border, NoBorder };

    struct Step {
        Op op = Op::Accept;
        bool negative = false; // Look, Behind
        bool nullable = false; // a loop whose body may match nothing
        int16_t memo = -1;     // reached from several steps: failures here are remembered; -1: not
        int32_t set = 0;       // Set, Behind: index into sets_
        uint32_t next = 0;     // Split: what is tried first
        uint32_t other = 0;    // Split: tried second; Look: where its body starts
    };

    std::vector<CharSet> sets_;
    std::vector<Step> steps_;
    uint32_t start_ = 0;
    int nMemos_ = 0;
    int wordSet_ = -1;                 // of \b
    std::array<bool, 256> mayBegin_{}; // by first byte; all when the expression may match nothing
    bool mayBeEmpty_ = false;
};

/// The matches of an expression in one text, from left to right. Backtracks in the order of preference, but never
/// enters a step twice at one place: a failure there is remembered for the rest of the text. So a whole text costs at
/// most its length times the size of the expression. Not for several threads.
class RegexSearch {
public:
    explicit RegexSearch(const Regex& regex) : regex_(regex) {}

    void setText(std::string_view text);
    bool next(Regex::Match&);

private:
    using Step = Regex::Step;
    static constexpr size_t kNone = SIZE_MAX;

    struct Frame {
        uint32_t step;
        uint32_t at : 31, spent : 1; // bytes from windowBegin_; spent: nothing left to try, only a failure to note
    };

    size_t attempt(uint32_t step, size_t at, bool look);
    bool backtrack(size_t base, uint32_t& step, size_t& at);
    bool holds(const Step&, size_t at);
    bool isWord(size_t at) const;
    bool before(size_t at, int set) const;
    bool spinning(size_t base, uint32_t step, size_t at) const;
    void moveWindow(size_t from);
    size_t charEnd(const CharSet&, size_t at) const; // kNone: no member of the set there
    uint64_t* memo(size_t at);

    const Regex& regex_;
    std::string_view text_;
    size_t from_ = 0;             // where the next search begins
    size_t lastEnd_ = kNone;      // of the last match
    size_t windowBegin_ = 0;      // nothing before it is asked for again
    size_t limit_ = 0;            // nothing beyond it is looked at
    size_t memoBegin_ = 0;        // place of memos_[0]
    size_t memoEnd_ = 0;          // no memo was written from here on
    std::vector<uint64_t> memos_; // two bits a memo and place: failed, held (of lookaheads)
    std::vector<Frame> stack_;
};

} // namespace hearth::engine
