#pragma once

#include "engine/kv_cache.h"
#include "kernels/backend.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace hearth::engine {

/// The bytes behind a KvCache's page numbers: one backend memory a group, so that a long context costs nothing before
/// it is used: all of it at once where the backend allocates lazily, else it grows as pages are given out. Engine
/// thread.
class KvMemory {
public:
    KvMemory(kernels::Backend&, const KvLayout&, int maxPages);
    ~KvMemory();
    KvMemory(const KvMemory&) = delete;
    KvMemory& operator=(const KvMemory&) = delete;

    /// Makes room for the pages below `pages`. True when the memory moved: plans that hold views must be built again.
    /// Throws std::bad_alloc; then nothing changed.
    bool ensure(int group, int pages);

    /// Room for so many pages, or for all that there may be: one move where there would be several.
    void reserve(int group, int pages) { ensure(group, std::min(pages, maxPages_[static_cast<size_t>(group)])); }

    void copyPage(int group, int from, int to); // from -1: zeros
    void read(int group, int page, std::span<std::byte>) const;
    void write(int group, int page, std::span<const std::byte>);

    kernels::MemoryId memory(int group) const { return pools_[static_cast<size_t>(group)].memory; }

    /// Changes whenever a memory moved.
    uint64_t generation() const { return generation_; }

    uint64_t bytes() const; // allocated now

private:
    struct Pool {
        kernels::MemoryId memory = kernels::kNoMemory;
        int pages = 0;
    };

    kernels::Backend& backend_;
    std::vector<uint64_t> pageBytes_; // (groups)
    std::vector<Pool> pools_;         // (groups)
    std::vector<int> maxPages_;       // (groups)
    uint64_t generation_ = 0;
};

} // namespace hearth::engine
