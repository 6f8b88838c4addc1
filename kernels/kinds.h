#pragma once

#include <cstdint>

namespace hearth::kernels {

enum class NormKind : uint8_t { Rms, Layer };

enum class RopeOrder : uint8_t { Interleaved, Neox }; // pairs (2i, 2i+1) or (i, i + dims/2)

enum class ActivationKind : uint8_t { Silu, GeluErf, GeluTanh, Relu2 };

} // namespace hearth::kernels
