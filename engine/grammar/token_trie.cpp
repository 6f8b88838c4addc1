#include "engine/grammar/token_trie.h"

#include <algorithm>
#include <string>

namespace hearth::engine::grammar {

namespace {

constexpr size_t kMaxTokenBytes = 1024; // longer tokens are left out: the way down the tree is kept in a table

bool isUsable(TokenKind kind) {
    return kind == TokenKind::Normal || kind == TokenKind::UserDefined || kind == TokenKind::Byte;
}

} // namespace

TokenTrie::TokenTrie(const Tokenizer& tokenizer) : nVocab_(tokenizer.size()), stopIds_(tokenizer.stopIds()) {
    std::string one;
    offsets_.push_back(0);
    for (TokenId id = 0; id < nVocab_; ++id) {
        one.clear();
        if (isUsable(tokenizer.kind(id)) && !std::binary_search(stopIds_.begin(), stopIds_.end(), id))
            tokenizer.appendBytes(id, one);
        if (!one.empty() && one.size() <= kMaxTokenBytes && bytes_.size() < UINT32_MAX - kMaxTokenBytes) {
            bytes_ += one;
            tokens_.push_back(id);
        }
        offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
    }
    std::sort(tokens_.begin(), tokens_.end(), [&](TokenId a, TokenId b) {
        const int order = bytes(a).compare(bytes(b));
        return order != 0 ? order < 0 : a < b;
    });
    addNodes();
}

/// Tokens in the order of their bytes are the tree depth first: each adds what it does not share with the one before.
void TokenTrie::addNodes() {
    std::string_view before;
    for (uint32_t i = 0; i < tokens_.size(); ++i) {
        const std::string_view now = bytes(tokens_[i]);
        const size_t most = std::min(before.size(), now.size());
        size_t depth = 0;
        while (depth < most && now[depth] == before[depth])
            ++depth;
        for (; depth < now.size(); ++depth)
            nodes_.push_back(
                {.tokenBegin = i, .depth = static_cast<uint16_t>(depth + 1), .byte = static_cast<uint8_t>(now[depth])});
        // The last node added is the token's own, also for a token with the same bytes as the one before.
        if (nodes_.back().tokenCount < UINT8_MAX)
            ++nodes_.back().tokenCount;
        maxDepth_ = std::max(maxDepth_, now.size());
        before = now;
    }
    std::vector<uint32_t> open; // nodes whose subtree has not ended, one a depth
    const auto close = [&](size_t depth, uint32_t at) {
        for (; open.size() > depth; open.pop_back())
            nodes_[open.back()].skip = at;
    };
    for (uint32_t i = 0; i < nodes_.size(); ++i) {
        close(nodes_[i].depth - size_t{1}, i);
        open.push_back(i);
    }
    close(0, static_cast<uint32_t>(nodes_.size()));
}

} // namespace hearth::engine::grammar
