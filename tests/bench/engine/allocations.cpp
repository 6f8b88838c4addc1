#include "tests/bench/engine/allocations.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace {

std::atomic<uint64_t> count = 0;

} // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#define HEARTH_COUNTS 1

// The C library lets a program bring its own functions, and keeps its own under these names.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t bytes) {
    count.fetch_add(1, std::memory_order_relaxed);
    return __libc_malloc(bytes);
}

void* calloc(size_t n, size_t bytes) {
    count.fetch_add(1, std::memory_order_relaxed);
    return __libc_calloc(n, bytes);
}

void* realloc(void* p, size_t bytes) {
    count.fetch_add(1, std::memory_order_relaxed);
    return __libc_realloc(p, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
    count.fetch_add(1, std::memory_order_relaxed);
    return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) {
    return memalign(alignment, bytes);
}

int posix_memalign(void** out, size_t alignment, size_t bytes) {
    *out = memalign(alignment, bytes);
    return *out ? 0 : ENOMEM;
}
}
#endif

namespace hearth::bench {

uint64_t allocations() {
    return count.load(std::memory_order_relaxed);
}

bool allocationsAreCounted() {
#if defined(HEARTH_COUNTS)
    return true;
#else
    return false;
#endif
}

uint64_t residentBytes() {
    std::FILE* file = std::fopen("/proc/self/status", "r");
    if (!file)
        return 0;
    char line[256];
    unsigned long long kilobytes = 0;
    while (std::fgets(line, sizeof line, file) && std::sscanf(line, "RssAnon: %llu", &kilobytes) != 1) {
    }
    std::fclose(file);
    return kilobytes * 1024;
}

} // namespace hearth::bench
