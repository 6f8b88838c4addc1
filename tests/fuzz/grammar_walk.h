#pragma once

#include "tests/engine/grammar/vocabulary.h"

#include <cstdlib>
#include <memory>
#include <vector>

namespace hearth::test {

/// Follows a grammar with tokens chosen by `salt`. Aborts where it contradicts itself: a token in the mask that is not
/// taken, nothing allowed before the end (the vocabulary holds every byte), another mask after going back.
inline void walk(const std::shared_ptr<const engine::Grammar>& grammar, uint64_t salt) {
    using namespace engine;
    static const engine::test::ListTokenizer tokenizer = engine::test::smallVocabulary();
    static const grammar::TokenTrie trie(tokenizer);
    GrammarMatcher matcher(grammar, trie);
    const std::vector<uint64_t> first(matcher.mask().begin(), matcher.mask().end());
    for (int step = 0; step < 40 && !matcher.isComplete() && !matcher.gaveUp(); ++step) {
        const std::span<const uint64_t> mask = matcher.mask();
        std::vector<TokenId> allowed;
        for (TokenId id = 0; id < trie.nVocab(); ++id)
            if ((mask[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0 && !trie.bytes(id).empty())
                allowed.push_back(id);
        if (matcher.gaveUp())
            return;
        if (allowed.empty() && !matcher.canEnd())
            std::abort();
        if (allowed.empty())
            break;
        salt = salt * 6364136223846793005u + 1442695040888963407u;
        if (!matcher.accept(allowed[(salt >> 33) % allowed.size()]) && !matcher.gaveUp())
            std::abort();
    }
    matcher.rollback(0);
    const std::span<const uint64_t> again = matcher.mask();
    if (!matcher.gaveUp() && !std::equal(first.begin(), first.end(), again.begin(), again.end()))
        std::abort();
}

} // namespace hearth::test
