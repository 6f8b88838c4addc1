#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace hearth::engine::grammar {

inline uint64_t hashOfWords(const uint32_t* words, size_t n) {
    uint64_t h = 0x9E3779B97F4A7C15u ^ n;
    for (size_t i = 0; i < n; ++i) {
        h = (h ^ words[i]) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    return h;
}

/// A hash of a value that consists of 32-bit fields.
template <class T>
uint64_t hashOf(std::span<const T> values) {
    static_assert(std::has_unique_object_representations_v<T> && sizeof(T) % sizeof(uint32_t) == 0);
    return hashOfWords(reinterpret_cast<const uint32_t*>(values.data()), values.size_bytes() / sizeof(uint32_t));
}

/// Lists of T, each kept once; equal lists have equal ids, counted from 0.
template <class T>
class Interner {
public:
    Interner() : slots_(64, 0) {}

    uint32_t intern(std::span<const T> list) {
        if (2 * (size() + 1) > slots_.size())
            grow();
        uint32_t& slot = slotOf(list);
        if (slot == 0) {
            values_.insert(values_.end(), list.begin(), list.end());
            ends_.push_back(values_.size());
            slot = static_cast<uint32_t>(size());
        }
        return slot - 1;
    }

    std::span<const T> operator[](uint32_t id) const {
        const size_t begin = id == 0 ? 0 : ends_[id - 1];
        return std::span(values_).subspan(begin, ends_[id] - begin);
    }

    size_t size() const { return ends_.size(); }

    size_t bytes() const {
        return values_.size() * sizeof(T) + ends_.size() * sizeof(size_t) + slots_.size() * sizeof(uint32_t);
    }

private:
    uint32_t& slotOf(std::span<const T> list) {
        size_t at = hashOf(list) & (slots_.size() - 1);
        while (slots_[at] != 0 && !equal((*this)[slots_[at] - 1], list))
            at = (at + 1) & (slots_.size() - 1);
        return slots_[at];
    }

    static bool equal(std::span<const T> a, std::span<const T> b) {
        return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
    }

    void grow() {
        slots_.assign(2 * slots_.size(), 0);
        for (uint32_t id = 0; id < size(); ++id)
            slotOf((*this)[id]) = id + 1;
    }

    std::vector<T> values_;
    std::vector<size_t> ends_;    // of each list, in values_
    std::vector<uint32_t> slots_; // open addressing: id + 1, 0: free; a power of two
};

/// A set that is emptied often.
template <class T>
class SeenSet {
public:
    SeenSet() : slots_(64) {}

    void clear() {
        ++round_;
        count_ = 0;
    }

    /// False: it was in the set.
    bool insert(const T& value) {
        if (2 * (count_ + 1) > slots_.size())
            grow();
        Slot& slot = slotOf(value);
        if (slot.round == round_)
            return false;
        slot = {value, round_};
        ++count_;
        return true;
    }

private:
    struct Slot {
        T value{};
        uint64_t round = 0; // in which it was filled; another than round_: free
    };

    Slot& slotOf(const T& value) {
        size_t at = hashOf(std::span(&value, 1)) & (slots_.size() - 1);
        while (slots_[at].round == round_ && !(slots_[at].value == value))
            at = (at + 1) & (slots_.size() - 1);
        return slots_[at];
    }

    void grow() {
        std::vector<Slot> old(2 * slots_.size());
        old.swap(slots_);
        for (const Slot& slot : old)
            if (slot.round == round_)
                slotOf(slot.value) = slot;
    }

    std::vector<Slot> slots_; // open addressing; a power of two
    uint64_t round_ = 1;
    size_t count_ = 0;
};

} // namespace hearth::engine::grammar
