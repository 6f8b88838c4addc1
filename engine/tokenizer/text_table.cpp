#include "engine/tokenizer/text_table.h"

#include <algorithm>
#include <cstring>

namespace hearth::engine {

namespace {

uint64_t mix(uint64_t a, uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

} // namespace

uint64_t hashBytes(std::string_view s) {
    constexpr uint64_t k = 0x9E3779B97F4A7C15;
    uint64_t h = s.size() * k + 0x2545F4914F6CDD1D;
    const char* p = s.data();
    size_t n = s.size();
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        std::memcpy(&word, p, 8);
        h = mix(h ^ word, k);
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < n; i++)
        rest = rest << 8 | static_cast<unsigned char>(p[i]);
    return mix(h ^ rest, k | 1 << 4);
}

void TextTable::reserve(size_t texts, size_t bytes) {
    ends_.reserve(texts);
    bytes_.reserve(bytes);
}

void TextTable::add(std::string_view text) {
    bytes_.append(text);
    ends_.push_back(bytes_.size());
}

void TextTable::insert(size_t id) {
    const std::string_view key = text(id);
    const uint64_t h = hashBytes(key);
    const size_t mask = slots_.size() - 1;
    for (size_t at = h & mask;; at = (at + 1) & mask) {
        Slot& slot = slots_[at];
        if (slot.id >= 0 && (slot.tag != h >> 32 || text(slot.id) != key))
            continue;
        if (slot.id < 0)
            slot = {static_cast<int32_t>(id), static_cast<uint32_t>(h >> 32)};
        break;
    }
    longest_ = std::max(longest_, key.size());
}

TokenId TextTable::find(std::string_view key) const {
    if (slots_.empty())
        return -1;
    const uint64_t h = hashBytes(key);
    const size_t mask = slots_.size() - 1;
    for (size_t at = h & mask;; at = (at + 1) & mask) {
        const Slot& slot = slots_[at];
        if (slot.id < 0)
            return -1;
        if (slot.tag == h >> 32 && text(slot.id) == key)
            return slot.id;
    }
}

} // namespace hearth::engine
