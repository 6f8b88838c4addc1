#pragma once

#include "engine/grammar/automaton.h"
#include "engine/grammar/interner.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::engine::grammar {

/// A place to which a rule returns.
struct Frame {
    StateId state = 0;
    uint32_t count = 0;  // Loop: turns so far
    uint32_t parent = 0; // stack node

    auto operator<=>(const Frame&) const = default;
};

/// A state that reads a byte, and the stack node below it.
struct Item {
    StateId state = 0;
    uint32_t node = 0;

    auto operator<=>(const Item&) const = default;
};

using ConfigId = uint32_t;

/// Runs an automaton. A stack node is the set of all frames to which a rule may return, so stacks share what they have
/// in common and ambiguity does not multiply (as in generalized LL parsing: Scott and Johnstone 2010, but kept by
/// content instead of by position). A configuration is the set of all states the automaton may be in. What comes again
/// (the next element of a list, the next letter) is found, not computed: the configurations are a deterministic
/// automaton that is built as it is used. One thread.
class ConfigTable {
public:
    static constexpr ConfigId kDead = 0; // nothing fits any more

    /// The automaton must outlive it.
    explicit ConfigTable(const Automaton&);

    ConfigId start() const { return start_; }

    ConfigId step(ConfigId from, uint8_t byte) {
        const uint32_t byteClass = automaton_->classOf(byte);
        const ConfigId known = steps_[size_t{from} * automaton_->classes() + byteClass];
        return known != kUnknown ? known : computeStep(from, byteClass);
    }

    ConfigId run(ConfigId from, std::string_view bytes) {
        for (size_t i = 0; i < bytes.size() && from != kDead; ++i)
            from = step(from, static_cast<uint8_t>(bytes[i]));
        return from;
    }

    bool canEnd(ConfigId) const;
    bool canContinue(ConfigId) const;

    /// Work done so far, about one for each item looked at: whoever explores stops when it has grown too much.
    uint64_t work() const { return work_; }

    /// A configuration was so ambiguous that it was taken for dead.
    bool gaveUp() const { return gaveUp_; }

    size_t bytes() const;
    /// Forgets all configurations but these and the start; the ids are changed in place.
    void keepOnly(std::span<ConfigId* const> live);

private:
    static constexpr ConfigId kUnknown = UINT32_MAX;

    struct Seed {
        StateId state = 0;
        uint32_t count = 0, node = 0;

        bool operator==(const Seed&) const = default;
    };

    ConfigId computeStep(ConfigId from, uint32_t byteClass);
    ConfigId close();
    void follow(bool entering);
    void push(const Seed&);
    void returnTo(uint32_t node);
    void call(uint32_t callee, std::span<const Frame> frames);
    void enterCalled();
    ConfigId intern(std::span<const Item>);

    const Automaton* automaton_;
    Interner<Frame> nodes_;       // sorted frames; 0 is the bottom
    Interner<Item> configs_;      // sorted items; a last one with the state kEnd: the text may end
    std::vector<ConfigId> steps_; // (configs, classes)
    ConfigId start_ = kDead;
    uint64_t work_ = 0;
    bool gaveUp_ = false;

    // Of the closure under way; reused.
    std::vector<Seed> seeds_;
    SeenSet<Seed> seen_;
    std::vector<Item> items_;
    std::vector<std::vector<Frame>> frames_;            // to return to, a callee that is called
    std::vector<std::pair<uint32_t, uint32_t>> called_; // heap of (rank, callee), the lowest first
    std::vector<Frame> copied_;
};

} // namespace hearth::engine::grammar
