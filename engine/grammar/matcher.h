#pragma once

#include "engine/grammar.h"
#include "engine/grammar/config_table.h"
#include "engine/grammar/token_trie.h"

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace hearth::engine {

/// Holds the answer of one sequence to a grammar, token by token. A position is the number of tokens accepted; going
/// back some way (kMaxRollback tokens at least) is free. One thread; the tree of tokens must outlive it.
class GrammarMatcher {
public:
    GrammarMatcher(std::shared_ptr<const Grammar>, const grammar::TokenTrie&);

    /// Whether the text may go on with this token; for a stop id: whether it may end here. Some 20 ns a byte where the
    /// text has been in the same situation before.
    bool allows(TokenId);
    /// The same for the whole vocabulary: bit id % 64 of word id / 64. Kept for each situation; the first time takes
    /// from some µs (a bracket must come) to some ms (any text may come). Valid until the next call.
    std::span<const uint64_t> mask();
    /// Goes on with a token. False: it is not allowed, and nothing changed. A stop id or the extra token changes
    /// nothing.
    bool accept(TokenId);

    size_t position() const { return forgotten_ + past_.size() - 1; }

    static constexpr size_t kMaxRollback = 1024;

    /// False: the position is ahead of this one or too far back, and nothing changed.
    bool rollback(size_t position);

    bool canEnd() const { return table_.canEnd(past_.back()); }

    /// The text is whole, and nothing may follow.
    bool isComplete() const { return canEnd() && !table_.canContinue(past_.back()); }

    /// Following the grammar takes too much work or memory: nothing more is allowed.
    bool gaveUp() const { return gaveUp_ || table_.gaveUp(); }

    /// A token that is allowed whatever the grammar says (it opens a thought); -1: none.
    void setExtra(TokenId id) { extra_ = id; }

    /// A token that is never allowed (its text is not shown).
    void exclude(TokenId);

private:
    void computeMask(std::vector<uint64_t>&);
    bool withinBudget();
    void tidyTable(std::span<grammar::ConfigId> path);

    std::shared_ptr<const Grammar> grammar_;
    const grammar::TokenTrie& trie_;
    grammar::ConfigTable table_;
    std::vector<grammar::ConfigId> past_; // after each token accepted, the oldest forgotten; the first was the start
    size_t forgotten_ = 0;                // entries of the past that are gone
    std::vector<TokenId> excluded_;
    TokenId extra_ = -1;
    uint64_t workBefore_ = 0; // table_.work() when the last token was accepted
    size_t tidyAt_;           // bytes of the table
    bool gaveUp_ = false;

    std::unordered_map<grammar::ConfigId, std::vector<uint64_t>> masks_; // of the grammar and the stop ids
    std::vector<uint64_t> mask_;                                         // with the extra token
    std::vector<grammar::ConfigId> path_;                                // by depth in the tree
};

} // namespace hearth::engine
