#pragma once

#include "engine/tokenizer/text_table.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

namespace hearth::engine {

/// A piece of the text on its way to a token: `id` -1 while no token has this text.
struct Symbol {
    TokenId id = -1;
    uint32_t begin = 0, length = 0; // bytes in the piece; length 0: merged into its left neighbour
};

/// What merging two neighbours would give. The lowest order is merged first, of equal ones the leftmost.
struct MergeCandidate {
    static constexpr uint32_t kNone = UINT32_MAX;
    uint32_t order = kNone;
    TokenId id = -1;
};

/// Merges in place until nothing is left to merge; the survivors keep their order. O(n log n) for every input.
/// `lookup(left, right)` gives the candidate.
template <class Lookup>
class Merger {
public:
    explicit Merger(const Lookup& lookup) : lookup_(lookup) {}

    void run(std::vector<Symbol>& symbols) {
        if (symbols.size() <= kShort)
            runShort(symbols);
        else
            runLong(symbols);
    }

private:
    static constexpr size_t kShort = 40; // below this, scanning beats a heap

    struct Entry {
        uint32_t order, left;
        uint32_t length; // bytes of both: tells whether the pair is still the same
        TokenId id;

        bool operator>(const Entry& o) const { return order != o.order ? order > o.order : left > o.left; }
    };

    void runShort(std::vector<Symbol>& s) {
        MergeCandidate candidates[kShort];
        size_t n = s.size();
        for (size_t i = 0; i + 1 < n; i++)
            candidates[i] = lookup_(s[i], s[i + 1]);
        while (n > 1) {
            size_t best = 0;
            for (size_t i = 1; i + 1 < n; i++)
                if (candidates[i].order < candidates[best].order)
                    best = i;
            if (candidates[best].order == MergeCandidate::kNone)
                break;
            s[best].id = candidates[best].id;
            s[best].length += s[best + 1].length;
            std::copy(s.begin() + best + 2, s.begin() + n, s.begin() + best + 1);
            std::copy(candidates + best + 1, candidates + n - 1, candidates + best);
            n--;
            if (best > 0)
                candidates[best - 1] = lookup_(s[best - 1], s[best]);
            if (best + 1 < n)
                candidates[best] = lookup_(s[best], s[best + 1]);
        }
        s.resize(n);
    }

    void push(const std::vector<Symbol>& s, uint32_t left, uint32_t right) {
        const MergeCandidate c = lookup_(s[left], s[right]);
        if (c.order == MergeCandidate::kNone)
            return;
        heap_.push_back({c.order, left, s[left].length + s[right].length, c.id});
        std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    }

    void runLong(std::vector<Symbol>& s) {
        const auto n = static_cast<uint32_t>(s.size());
        std::vector<uint32_t> next(n), previous(n); // n: none
        for (uint32_t i = 0; i < n; i++) {
            next[i] = i + 1;
            previous[i] = i == 0 ? n : i - 1;
        }
        heap_.clear();
        for (uint32_t i = 0; i + 1 < n; i++)
            push(s, i, i + 1);
        while (!heap_.empty()) {
            std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
            const Entry e = heap_.back();
            heap_.pop_back();
            const uint32_t right = next[e.left];
            if (s[e.left].length == 0 || right >= n || s[e.left].length + s[right].length != e.length)
                continue; // one of the two was merged meanwhile
            s[e.left].id = e.id;
            s[e.left].length = e.length;
            s[right].length = 0;
            next[e.left] = next[right];
            if (next[right] < n) {
                previous[next[right]] = e.left;
                push(s, e.left, next[right]);
            }
            if (previous[e.left] < n)
                push(s, previous[e.left], e.left);
        }
        std::erase_if(s, [](const Symbol& x) { return x.length == 0; });
    }

    const Lookup& lookup_;
    std::vector<Entry> heap_;
};

/// Remembers where in the running encode() a word was seen, so that a repeated word costs one comparison. Direct
/// mapped: memory is bounded whatever the text.
class WordCache {
public:
    explicit WordCache(size_t textBytes) {
        size_t entries = 64;
        while (entries < kMost && entries < textBytes / 16)
            entries *= 2;
        if (textBytes >= 256)
            entries_.resize(entries);
    }

    /// Copies the ids of an earlier occurrence. Otherwise remembers that the ids of `word` begin at out's end: the
    /// caller appends them and calls done().
    bool reuse(std::string_view word, std::vector<TokenId>& out) {
        open_ = nullptr;
        if (entries_.empty() || word.size() > kLongest || word.empty())
            return false;
        Entry& e = entries_[slotOf(word) & (entries_.size() - 1)];
        if (e.size == word.size() && std::memcmp(e.word, word.data(), word.size()) == 0) {
            for (uint32_t i = 0; i < e.count; i++)
                out.push_back(out[e.first + i]);
            return true;
        }
        open_ = &e;
        e.size = static_cast<uint8_t>(word.size());
        std::memcpy(e.word, word.data(), word.size());
        e.first = out.size();
        e.count = 0;
        return false;
    }

    void done(const std::vector<TokenId>& out) {
        if (open_)
            open_->count = static_cast<uint32_t>(out.size() - open_->first);
    }

private:
    static constexpr size_t kMost = 1 << 14;
    static constexpr size_t kLongest = 48; // bytes of a word worth remembering

    static uint64_t slotOf(std::string_view word) { return hashBytes(word) >> 20; }

    struct Entry {
        size_t first = 0;    // in out
        uint32_t count = 0;  // ids
        uint8_t size = 0;    // bytes; 0: empty
        char word[kLongest]; // a copy: the text may be a piece that was written for the moment
    };

    std::vector<Entry> entries_;
    Entry* open_ = nullptr;
};

} // namespace hearth::engine
