#include "app/timings.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <unistd.h>

namespace hearth::app::timings {
namespace {

std::atomic<bool> on = false;

double now() { // ms since boot
    timespec t = {};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return double(t.tv_sec) * 1e3 + double(t.tv_nsec) / 1e6;
}

// Field 22 of /proc/self/stat, in clock ticks since boot: the moment of the fork, before any of our code ran.
double readStart() {
    char text[1024] = {};
    if (FILE* file = std::fopen("/proc/self/stat", "re")) {
        [[maybe_unused]] const size_t n = std::fread(text, 1, sizeof text - 1, file);
        std::fclose(file);
    }
    const char* at = std::strrchr(text, ')'); // the name may hold blanks; field 3 follows it
    for (int field = 2; at && field < 22; ++field)
        at = std::strchr(at + 1, ' ');
    return at ? std::strtod(at, nullptr) * 1e3 / double(sysconf(_SC_CLK_TCK)) : now();
}

} // namespace

void enable() {
    on = true;
}

bool enabled() {
    return on;
}

double sinceStart() {
    static const double start = readStart();
    return now() - start;
}

void mark(const char* what) {
    if (on)
        std::fprintf(stderr, "hearth %.1f ms: %s\n", sinceStart(), what);
}

void mark(const char* what, int64_t id, int64_t count) {
    if (on)
        std::fprintf(stderr, "hearth %.1f ms: %s %lld %lld\n", sinceStart(), what, (long long)id, (long long)count);
}

} // namespace hearth::app::timings
