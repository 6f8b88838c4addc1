#pragma once

#include <cstdint>

namespace hearth::kernels::cpu {

/// Type A8: 256 activations, x ~ scale * q in groups of 32, with the sums that formats of the form y = scale * q + min
/// need. A row of any length is whole blocks; what lies past its end is zero. The codes lie as the kernels that made
/// them want them: see CpuKernels::codeAt.
struct A8Block {
    float scale[8];
    float sum32[8];       // scale * (q summed over a group of 32)
    float sum16[16];      // scale * (q summed over 16), for formats with a scale for each 16 numbers
    int32_t offset16[16]; // -128 * (q summed over 16): takes away what 128 too much in each weight's code adds
    int8_t q[256];
};

static_assert(sizeof(A8Block) == 448);

/// Where in q number i of a block lies: in order; or the first eight of every group beside each other, then the second
/// eight, so that a vector of 512 bits meets all eight groups; or so that one of 256 bits meets four of them, those
/// with even numbers or those with odd ones.
static inline int inOrder(int i) {
    return i;
}

static inline int inEights(int i) {
    return i % 32 / 8 * 64 + i / 32 * 8 + i % 8;
}

static inline int inQuarters(int i) {
    return i % 32 / 8 * 64 + i / 32 % 2 * 32 + i / 64 * 8 + i % 8;
}

static inline int64_t blocksOf(int64_t cols) {
    return (cols + 255) / 256;
}

} // namespace hearth::kernels::cpu
