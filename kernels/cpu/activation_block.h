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

/// Where in q number i of a block lies: as it comes.
static inline int inOrder(int i) {
    return i;
}

/// The first eight of every group beside each other, then the second eight: a vector of 512 bits meets all eight
/// groups.
static inline int inEights(int i) {
    return i % 32 / 8 * 64 + i / 32 * 8 + i % 8;
}

/// The first eight of groups 0, 2, 4, 6, those of groups 1, 3, 5, 7, then the second eight: a vector of 256 bits meets
/// four groups, in quarters.
static inline int inQuarters(int i) {
    return i % 32 / 8 * 64 + i / 32 % 2 * 32 + i / 64 * 8 + i % 8;
}

static inline int64_t blocksOf(int64_t cols) {
    return (cols + 255) / 256;
}

} // namespace hearth::kernels::cpu
