#include "engine/kv_memory.h"

#include <algorithm>
#include <new>

namespace hearth::engine {

namespace {

constexpr int kFirstPages = 8; // 512 tokens

} // namespace

KvMemory::KvMemory(kernels::Backend& backend, const KvLayout& layout, int maxPages)
    : backend_(backend), pools_(layout.groups.size()) {
    for (const KvGroup& group : layout.groups) {
        pageBytes_.push_back(group.pageBytes);
        maxPages_.push_back(group.kind.tag == KvKind::Tag::State ? kStatePages : maxPages);
    }
    for (size_t g = 0; g < pools_.size(); ++g)
        ensure(static_cast<int>(g), 1);
    if (!backend.allocatesLazily())
        return;
    // All that there may be: it never moves, so plans stay and no copy takes memory beside it.
    try {
        for (size_t g = 0; g < pools_.size(); ++g)
            ensure(static_cast<int>(g), maxPages_[g]);
    } catch (const std::bad_alloc&) { // a limit on addresses: it grows as it is used
    }
}

KvMemory::~KvMemory() {
    for (const Pool& pool : pools_)
        if (pool.memory != kernels::kNoMemory)
            backend_.release(pool.memory);
}

bool KvMemory::ensure(int group, int pages) {
    Pool& pool = pools_[static_cast<size_t>(group)];
    if (pages <= pool.pages)
        return false;
    // Half as much again: few moves, and little memory that is never used.
    const int wanted = std::max({kFirstPages, pages, pool.pages + pool.pages / 2});
    const int next = std::max(pages, std::min(wanted, maxPages_[static_cast<size_t>(group)]));
    const uint64_t pageBytes = pageBytes_[static_cast<size_t>(group)];
    const kernels::MemoryId memory = backend_.allocate(static_cast<uint64_t>(next) * pageBytes);
    if (pool.pages > 0) {
        backend_.copy(memory, 0, pool.memory, 0, static_cast<uint64_t>(pool.pages) * pageBytes);
        backend_.release(pool.memory);
    }
    pool = {.memory = memory, .pages = next};
    ++generation_;
    return true;
}

void KvMemory::copyPage(int group, int from, int to) {
    ensure(group, std::max(from, to) + 1);
    const uint64_t pageBytes = pageBytes_[static_cast<size_t>(group)];
    const kernels::MemoryId id = memory(group);
    if (from >= 0)
        backend_.copy(id, static_cast<uint64_t>(to) * pageBytes, id, static_cast<uint64_t>(from) * pageBytes,
                      pageBytes);
    else
        backend_.write(id, static_cast<uint64_t>(to) * pageBytes, std::vector<std::byte>(pageBytes));
}

void KvMemory::read(int group, int page, std::span<std::byte> out) const {
    backend_.read(memory(group), static_cast<uint64_t>(page) * pageBytes_[static_cast<size_t>(group)], out);
}

void KvMemory::write(int group, int page, std::span<const std::byte> in) {
    ensure(group, page + 1);
    backend_.write(memory(group), static_cast<uint64_t>(page) * pageBytes_[static_cast<size_t>(group)], in);
}

uint64_t KvMemory::bytes() const {
    uint64_t sum = 0;
    for (size_t g = 0; g < pools_.size(); ++g)
        sum += static_cast<uint64_t>(pools_[g].pages) * pageBytes_[g];
    return sum;
}

} // namespace hearth::engine
