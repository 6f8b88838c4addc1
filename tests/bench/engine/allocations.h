#pragma once

#include <cstdint>

namespace hearth::bench {

/// Calls of malloc and its relatives since the program began, all threads. Linking this in counts them.
uint64_t allocations();
/// False: this build cannot count (a sanitizer has functions of its own).
bool allocationsAreCounted();

/// Resident memory that is nobody's file, in bytes.
uint64_t residentBytes();

} // namespace hearth::bench
