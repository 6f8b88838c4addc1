#pragma once

#include "kernels/tensor.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hearth::kernels::cpu {

/// The memories of the CPU backend: its own, zeroed, 64-byte aligned; and adopted ones, which are only read.
class Memories {
public:
    Memories() = default;
    ~Memories();
    Memories(const Memories&) = delete;
    Memories& operator=(const Memories&) = delete;

    struct Memory {
        std::byte* data = nullptr;
        uint64_t bytes = 0;
        bool own = false;
        bool alive = false;
    };

    MemoryId allocate(uint64_t bytes); // throws std::bad_alloc
    MemoryId adopt(const std::byte* data, uint64_t bytes);
    void release(MemoryId);             // an unknown id is ignored
    const Memory* find(MemoryId) const; // null: no such memory

private:
    MemoryId add(const Memory&);

    std::vector<Memory> memories_; // by id; ids of released ones are given out again
};

} // namespace hearth::kernels::cpu
