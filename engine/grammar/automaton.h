#pragma once

#include "engine/grammar/rules.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace hearth::engine::grammar {

using StateId = uint32_t;

/// A state of the automaton, which reads bytes.
struct State {
    // Bytes reads one byte. Split goes on at each of its targets. Call matches a rule and goes on; never the empty
    // text of a rule: where a rule may be empty, a split passes it by. Loop repeats its body. Accept ends a rule.
    enum class Kind : uint8_t { Bytes, Split, Call, Loop, Accept };

    Kind kind = Kind::Accept;
    uint8_t first = 0, last = 0; // Bytes: byte classes, both included
    StateId next = 0;            // Bytes, Call; Loop: behind it
    uint32_t index = 0;          // Call: callee; Loop: its row in loops(); Split: first of its targets
    uint32_t count = 0;          // Split
};

/// A counted repetition: its body is a callee, and the stack counts. So {0,1000} costs as much as {0,2}.
struct Loop {
    uint32_t min = 0, max = 0; // max may be kUnbounded
    uint32_t body = 0;         // callee
};

/// A rule, or the body of a counted repetition.
struct Callee {
    StateId entry = 0;
    uint32_t rank = 0; // a callee that may begin where another begins has the higher rank
};

/// A grammar compiled to a pushdown automaton over bytes. Immutable. Whatever it accepts a beginning of can be brought
/// to an end: parts that match nothing are left out.
class Automaton {
public:
    /// Throws Error: nothing matches, left recursion, too large.
    explicit Automaton(const Rules&);

    static constexpr StateId kAccept = 0;

    const State& state(StateId id) const { return states_[id]; }

    size_t size() const { return states_.size(); }

    std::span<const StateId> targets(const State& split) const {
        return std::span(targets_).subspan(split.index, split.count);
    }

    const Loop& loop(uint32_t index) const { return loops_[index]; }

    const std::vector<Callee>& callees() const { return callees_; } // 0 is the root

    bool rootMayBeEmpty() const { return rootMayBeEmpty_; }

    /// Bytes that no state tells apart are one class; classes are runs of bytes.
    uint8_t classOf(uint8_t byte) const { return classOf_[byte]; }

    uint32_t classes() const { return classes_; }

private:
    friend class Compiler;

    std::vector<State> states_;
    std::vector<StateId> targets_;
    std::vector<Loop> loops_;
    std::vector<Callee> callees_;
    std::array<uint8_t, 256> classOf_{};
    uint32_t classes_ = 0;
    bool rootMayBeEmpty_ = false;
};

} // namespace hearth::engine::grammar
