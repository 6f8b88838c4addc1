#include "kernels/cpu/memories.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include <sys/mman.h>

namespace hearth::kernels::cpu {
namespace {

// From here on whole pages of the system, which it zeroes when they are first touched: what is never used takes none.
constexpr uint64_t kMapped = uint64_t(128) << 10;
constexpr uint64_t kHuge = uint64_t(4) << 20; // from here on large pages

std::byte* obtain(uint64_t bytes) {
    if (bytes > uint64_t(std::numeric_limits<int64_t>::max()))
        throw std::bad_alloc();
    if (bytes >= kMapped) {
        void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
        // A cache is read in pieces of a few KiB that lie MiBs apart: with small pages each costs a walk of the page
        // tables, which takes longer than reading it. Refused: so it is.
        if (bytes >= kHuge)
            madvise(p, bytes, MADV_HUGEPAGE);
#endif
        return static_cast<std::byte*>(p);
    }
    const size_t size = size_t(std::max<uint64_t>(bytes, 1));
    void* p = ::operator new(size, std::align_val_t(64));
    std::memset(p, 0, size);
    return static_cast<std::byte*>(p);
}

void giveBack(const Memories::Memory& m) {
    if (!m.alive || !m.own)
        return;
    if (m.bytes >= kMapped)
        munmap(m.data, m.bytes);
    else
        ::operator delete(m.data, std::align_val_t(64));
}

} // namespace

Memories::~Memories() {
    for (const Memory& m : memories_)
        giveBack(m);
}

MemoryId Memories::add(const Memory& memory) {
    const auto free = std::find_if(memories_.begin(), memories_.end(), [](const Memory& m) { return !m.alive; });
    if (free != memories_.end()) {
        *free = memory;
        return MemoryId(free - memories_.begin());
    }
    memories_.push_back(memory);
    return MemoryId(memories_.size() - 1);
}

MemoryId Memories::allocate(uint64_t bytes) {
    const Memory memory{obtain(bytes), bytes, true, true};
    try {
        return add(memory);
    } catch (...) {
        giveBack(memory);
        throw;
    }
}

MemoryId Memories::adopt(const std::byte* data, uint64_t bytes) {
    return add({const_cast<std::byte*>(data), bytes, false, true});
}

void Memories::release(MemoryId id) {
    if (!find(id))
        return;
    giveBack(memories_[id]);
    memories_[id] = {};
}

const Memories::Memory* Memories::find(MemoryId id) const {
    return id < memories_.size() && memories_[id].alive ? &memories_[id] : nullptr;
}

} // namespace hearth::kernels::cpu
