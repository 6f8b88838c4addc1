#pragma once

#include <chrono>
#include <cstdint>

namespace hearth::storage {

/// Milliseconds since 1970. For display and for the trash; never for order.
inline int64_t nowMs() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

} // namespace hearth::storage
