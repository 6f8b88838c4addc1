#pragma once

#include "kernels/cpu/kernel_table.h"

#include <string_view>

namespace hearth::kernels::cpu {

struct Isa {
    std::string_view name; // as HEARTH_ISA takes it
    CpuKernels kernels;
};

/// The best instruction set that processor *and operating system* enable, or the one called `name` (empty: the
/// environment's HEARTH_ISA, else the best). Throws BackendError when it is unknown or not to be had here.
Isa chooseIsa(std::string_view name);

/// Logical processors of which this process may use one a physical core, limited by its control group's share.
int usableCores();

} // namespace hearth::kernels::cpu
