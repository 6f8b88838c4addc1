#pragma once

#include <cstdint>

namespace hearth::app {

/// `--timings`: what happened when, on stderr, in milliseconds since the process was started. Names and numbers only,
/// never anything that a person wrote. Any thread.
namespace timings {

void enable();
bool enabled();
double sinceStart(); // ms
void mark(const char* what);
void mark(const char* what, int64_t id, int64_t count);

} // namespace timings
} // namespace hearth::app
