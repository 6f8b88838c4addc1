#pragma once

#include "engine/tokenizer.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine::grammar {

/// The bytes of all tokens of a vocabulary that a constrained text may use, and the tree of their beginnings. Control
/// tokens, unused ones and those without bytes are not part of it. Immutable, shared; about 12 bytes a node.
class TokenTrie {
public:
    struct Node {
        uint32_t skip = 0;       // the node behind its subtree
        uint32_t tokenBegin = 0; // tokens()[tokenBegin, tokenBegin + tokenCount) end here
        uint16_t depth = 0;      // bytes from the root, at least 1
        uint8_t byte = 0;
        uint8_t tokenCount = 0; // of very many equal tokens the first 255 count
    };

    explicit TokenTrie(const Tokenizer&);

    int nVocab() const { return nVocab_; }

    /// Depth first.
    std::span<const Node> nodes() const { return nodes_; }

    std::span<const TokenId> tokens() const { return tokens_; }

    /// Empty: the token is not part of the tree.
    std::string_view bytes(TokenId id) const {
        if (id < 0 || id >= nVocab_)
            return {};
        const auto i = static_cast<size_t>(id);
        return std::string_view(bytes_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
    }

    const std::vector<TokenId>& stopIds() const { return stopIds_; }

    size_t maxDepth() const { return maxDepth_; }

private:
    void addNodes();

    int nVocab_ = 0;
    std::string bytes_;             // of all tokens, by id
    std::vector<uint32_t> offsets_; // nVocab + 1
    std::vector<TokenId> tokens_;   // in the order of their bytes
    std::vector<Node> nodes_;
    std::vector<TokenId> stopIds_; // sorted
    size_t maxDepth_ = 0;
};

/// The tree of a tokenizer, built when it is first asked for: most replies need none. Any thread.
class LazyTokenTrie {
public:
    const TokenTrie& of(const Tokenizer& tokenizer) const {
        std::call_once(once_, [&] { trie_ = std::make_unique<const TokenTrie>(tokenizer); });
        return *trie_;
    }

private:
    mutable std::once_flag once_;
    mutable std::unique_ptr<const TokenTrie> trie_;
};

} // namespace hearth::engine::grammar
