#pragma once

#include "kernels/cpu/kernel_table.h"

namespace hearth::kernels::cpu {

/// Whether gemmBf16 and what it reads give whole numbers' products, which have one right answer, and attendTiles what
/// attend does: a processor, or what imitates it, may say that it has tiles and be wrong. Some hundred microseconds on
/// the calling thread.
bool multipliesRight(const CpuKernels&);

} // namespace hearth::kernels::cpu
