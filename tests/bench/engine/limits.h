#pragma once

#include "kernels/quant_types.h"

#include <string_view>

namespace hearth::bench {

/// Bytes a second at which the product of one activation row reads weights of this type that lie in the second-level
/// cache: what the kernel itself can do. About 0.2 s.
double kernelReadRate(const kernels::QuantType&, int threads);

/// What the processor can multiply with the instructions that a row set uses for prompts.
struct Peak {
    std::string_view unit;          // "bf16 AMX"; empty: unknown
    double operationsPerSecond = 0; // a multiplication and an addition are two
};

Peak arithmeticPeak(std::string_view isa, int threads);

} // namespace hearth::bench
