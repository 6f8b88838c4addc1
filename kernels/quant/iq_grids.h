#pragma once

#include <cstdint>

// The grids of the IQ formats: a code is the number of a point, whose coordinates are bytes, the first lowest.
namespace hearth::kernels::quant {

template <typename Word, int kPoints>
struct Grid {
    Word point[kPoints];
};

extern const Grid<uint64_t, 256> kIq2XxsGrid; // coordinates 8, 25, 43: magnitudes, their signs stand elsewhere
extern const Grid<uint64_t, 512> kIq2XsGrid;
extern const Grid<uint64_t, 1024> kIq2SGrid;
extern const Grid<uint64_t, 2048> kIq1Grid;   // coordinates -8, 0, 8 as signed bytes
extern const Grid<uint32_t, 256> kIq3XxsGrid; // coordinates 4, 12, 20, 28, 36, 44, 52, 62
extern const Grid<uint32_t, 512> kIq3SGrid;   // coordinates 1, 3, 5 ... 15

} // namespace hearth::kernels::quant
