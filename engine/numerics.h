#pragma once

#include <cstdint>

namespace hearth::engine {

enum class Numerics : uint8_t { Exact, Fast }; // f32 activations and cache; or what is shipped

} // namespace hearth::engine
