#pragma once

#include "engine/tokenizer.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// The hash of bytes that the tokenizers' tables use. Not for strangers' keys in open maps: the tables are built once.
uint64_t hashBytes(std::string_view);

/// Many short texts in one block, found by id or by content. Immutable after index().
class TextTable {
public:
    void reserve(size_t texts, size_t bytes);
    void add(std::string_view text);
    /// Makes find() know the texts for which `wanted(id)` holds; of equal texts the first one wins.
    template <class Wanted>
    void index(Wanted wanted);
    /// Adds further texts to the index; those that are there already win.
    template <class Wanted>
    void indexAlso(Wanted wanted);

    size_t size() const { return ends_.size(); }

    std::string_view text(size_t id) const {
        const size_t begin = id == 0 ? 0 : ends_[id - 1];
        return {bytes_.data() + begin, ends_[id] - begin};
    }

    TokenId find(std::string_view text) const; // -1: none

    size_t longest() const { return longest_; } // bytes, of the indexed texts

private:
    struct Slot {
        int32_t id = -1;
        uint32_t tag = 0; // upper half of the hash
    };

    void insert(size_t id);

    std::string bytes_;
    std::vector<size_t> ends_; // [texts], offsets into bytes_
    std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
    size_t longest_ = 0;
};

template <class Wanted>
void TextTable::index(Wanted wanted) {
    size_t slots = 16;
    while (slots < 2 * size())
        slots *= 2;
    slots_.assign(slots, Slot{});
    longest_ = 0;
    indexAlso(wanted);
}

template <class Wanted>
void TextTable::indexAlso(Wanted wanted) {
    for (size_t id = 0; id < size(); id++)
        if (wanted(static_cast<TokenId>(id)))
            insert(id);
}

} // namespace hearth::engine
