#pragma once

#include "kernels/cpu/kernel_table.h"

// The panels of codes that AVX-512's unpackInt8 makes. Internal linkage on purpose.
namespace hearth::kernels::cpu {
namespace {

/// 32 inputs of 32 outputs: four inputs of an output side by side, as dpbusd wants them. A weight is scale * q + min.
template <int kGroup>
struct PanelGroup {
    uint8_t q[8][kPanelOutputs][4];
    float scale[32 / kGroup][kPanelOutputs];
    float min[32 / kGroup][kPanelOutputs];
};

} // namespace
} // namespace hearth::kernels::cpu
