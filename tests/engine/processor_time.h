#pragma once

#include <ctime>

namespace hearth::engine::test {

/// Seconds of processor time that this thread has taken: what the neighbours do is not in them.
inline double processorSeconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

} // namespace hearth::engine::test
