#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hearth {

/// `unit`, n times.
inline std::string repeated(std::string_view unit, size_t n) {
    std::string out;
    out.reserve(unit.size() * n);
    for (size_t i = 0; i < n; ++i)
        out += unit;
    return out;
}

} // namespace hearth
