#pragma once

#include <chrono>

namespace hearth::engine {

using Clock = std::chrono::steady_clock;

inline double secondsBetween(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

inline double secondsSince(Clock::time_point begin) {
    return secondsBetween(begin, Clock::now());
}

} // namespace hearth::engine
