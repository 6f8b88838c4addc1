#include "engine/grammar/matcher.h"

#include <algorithm>
#include <utility>

namespace hearth::engine {

using grammar::ConfigId;
using grammar::ConfigTable;

namespace {

constexpr uint64_t kMaxTokenWork = 50'000'000; // for one token: some tenths of a second
constexpr size_t kTableBytes = 24 << 20;       // the table is tidied when it is larger
constexpr size_t kMaskBytes = 8 << 20;         // of all masks that are kept

void setBit(std::vector<uint64_t>& mask, TokenId id, bool on) {
    if (id < 0 || static_cast<size_t>(id) >= mask.size() * 64)
        return;
    const uint64_t bit = uint64_t{1} << (id % 64);
    uint64_t& word = mask[static_cast<size_t>(id) / 64];
    word = on ? word | bit : word & ~bit;
}

} // namespace

GrammarMatcher::GrammarMatcher(std::shared_ptr<const Grammar> grammar, const grammar::TokenTrie& trie)
    : grammar_(std::move(grammar)), trie_(trie), table_(grammar_->automaton()), past_{table_.start()},
      tidyAt_(kTableBytes) {
    path_.resize(trie_.maxDepth() + 1);
}

void GrammarMatcher::exclude(TokenId id) {
    if (id >= 0)
        excluded_.push_back(id);
    masks_.clear();
}

bool GrammarMatcher::withinBudget() {
    if (table_.work() - workBefore_ > kMaxTokenWork)
        gaveUp_ = true;
    return !gaveUp_;
}

/// Keeps the table small: what the past and `path` need stays. Masks are found again when they are asked for.
void GrammarMatcher::tidyTable(std::span<ConfigId> path) {
    if (table_.bytes() <= tidyAt_)
        return;
    std::vector<ConfigId*> live;
    for (ConfigId& id : past_)
        live.push_back(&id);
    for (ConfigId& id : path)
        live.push_back(&id);
    table_.keepOnly(live);
    masks_.clear();
    tidyAt_ = std::max(kTableBytes, 2 * table_.bytes());
}

bool GrammarMatcher::allows(TokenId id) {
    if (id == extra_ && id >= 0)
        return true;
    if (std::binary_search(trie_.stopIds().begin(), trie_.stopIds().end(), id))
        return canEnd();
    const std::string_view bytes = trie_.bytes(id);
    if (bytes.empty() || !withinBudget() || std::find(excluded_.begin(), excluded_.end(), id) != excluded_.end())
        return false;
    return table_.run(past_.back(), bytes) != ConfigTable::kDead;
}

bool GrammarMatcher::accept(TokenId id) {
    if (!allows(id))
        return false;
    const std::string_view bytes = trie_.bytes(id);
    if (id == extra_ || bytes.empty())
        return true;
    past_.push_back(table_.run(past_.back(), bytes));
    if (past_.size() > 2 * kMaxRollback) {
        past_.erase(past_.begin(), past_.begin() + kMaxRollback);
        forgotten_ += kMaxRollback;
    }
    workBefore_ = table_.work();
    tidyTable({});
    return true;
}

bool GrammarMatcher::rollback(size_t position) {
    if (position > this->position() || position < forgotten_)
        return false;
    past_.resize(position - forgotten_ + 1);
    workBefore_ = table_.work();
    return true;
}

std::span<const uint64_t> GrammarMatcher::mask() {
    tidyTable({});
    auto it = masks_.find(past_.back());
    if (it == masks_.end()) {
        std::vector<uint64_t> mask;
        computeMask(mask);
        if ((masks_.size() + 1) * mask.size() * sizeof(uint64_t) > kMaskBytes)
            masks_.clear();
        it = masks_.emplace(past_.back(), std::move(mask)).first;
    }
    if (extra_ < 0)
        return it->second;
    mask_ = it->second;
    setBit(mask_, extra_, true);
    return mask_;
}

/// Walks the tree of tokens beside the automaton. Where a beginning does not fit, its whole subtree is passed over.
void GrammarMatcher::computeMask(std::vector<uint64_t>& mask) {
    mask.assign((static_cast<size_t>(trie_.nVocab()) + 63) / 64, 0);
    const auto nodes = trie_.nodes();
    const auto tokens = trie_.tokens();
    path_[0] = past_.back();
    for (size_t i = 0; i < nodes.size();) {
        const grammar::TokenTrie::Node& node = nodes[i];
        const ConfigId config = table_.step(path_[node.depth - size_t{1}], node.byte);
        if (config == ConfigTable::kDead) {
            i = node.skip;
            continue;
        }
        path_[node.depth] = config;
        for (uint32_t t = node.tokenBegin; t < node.tokenBegin + node.tokenCount; ++t)
            setBit(mask, tokens[t], true);
        ++i;
        if (i % 64 == 0) {
            if (!withinBudget())
                break;
            tidyTable(std::span(path_).first(node.depth + size_t{1}));
        }
    }
    for (const TokenId id : trie_.stopIds())
        setBit(mask, id, canEnd());
    for (const TokenId id : excluded_)
        setBit(mask, id, false);
}

} // namespace hearth::engine
