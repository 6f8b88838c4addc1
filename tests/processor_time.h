#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>

namespace hearth {

/// Seconds of processor time that this thread has taken: what the neighbours do is not in them.
inline double processorSeconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// What hostile input may take of the processor before it is refused or read, in seconds.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kMostHostileSeconds = 6;
#else
constexpr double kMostHostileSeconds = 2;
#endif

/// What work costs on an input and on one eight times as long, in seconds.
struct Growth {
    double once = 0;
    double eight = 0;

    /// Eight times the input may cost twenty times as much and 20 ms: 8 where the cost is linear and 64 where it grows
    /// with the square. Between them lies what a neighbour does to the caches and what the kernel does for new pages;
    /// twice the input, where the two are 2 and 4, leaves no room for that.
    bool isLinear() const { return eight < 20 * once + 0.02; }
};

/// The growth of `seconds(n)`, which does the work on an input of n and says what it took; the least of up to three
/// tries, for nothing makes work cheaper than it is.
inline Growth growth(size_t n, const auto& seconds) {
    Growth g{std::min(seconds(n), seconds(n)), seconds(8 * n)}; // the first may pay for what all need
    for (int more = 0; more < 2 && !g.isLinear(); ++more)
        g = {std::min(g.once, seconds(n)), std::min(g.eight, seconds(8 * n))};
    return g;
}

} // namespace hearth
