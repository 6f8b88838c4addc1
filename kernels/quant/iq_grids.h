#pragma once

#include <cstdint>

// The grids of the IQ formats: a code is the number of a point, whose coordinates are bytes, the first lowest.
namespace hearth::kernels::quant {

template <typename Word, int kPoints>
struct Grid {
    Word point[kPoints];
};

/// The same points by the numbers of their coordinates' levels, for lookups in vectors. Eight coordinates of three
/// levels: two bits each, the first coordinate's lowest.
template <int kPoints>
struct alignas(64) LevelGrid {
    uint16_t point[kPoints];
};

/// Four coordinates of eight levels: three bits each, two coordinates in a byte.
template <int kPoints>
struct alignas(64) LevelPairGrid {
    uint8_t first[kPoints], second[kPoints];
};

inline constexpr int8_t kIq1Levels[] = {-8, 0, 8}, kIq2Levels[] = {8, 25, 43}; // those of IQ2 and IQ3 are magnitudes:
inline constexpr int8_t kIq3XxsLevels[] = {4, 12, 20, 28, 36, 44, 52, 62};     // their signs stand elsewhere
inline constexpr int8_t kIq3SLevels[] = {1, 3, 5, 7, 9, 11, 13, 15};

extern const Grid<uint64_t, 256> kIq2XxsGrid;
extern const Grid<uint64_t, 512> kIq2XsGrid;
extern const Grid<uint64_t, 1024> kIq2SGrid;
extern const Grid<uint64_t, 2048> kIq1Grid; // signed bytes
extern const Grid<uint32_t, 256> kIq3XxsGrid;
extern const Grid<uint32_t, 512> kIq3SGrid;
extern const LevelGrid<256> kIq2XxsPoints;
extern const LevelGrid<512> kIq2XsPoints;
extern const LevelGrid<1024> kIq2SPoints;
extern const LevelPairGrid<256> kIq3XxsPoints;
extern const LevelPairGrid<512> kIq3SPoints;

} // namespace hearth::kernels::quant
