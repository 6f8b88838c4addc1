#pragma once

// Scales of rows of numbers that become whole numbers of 16 bits ("codes"), so that the sums of their products stay
// within 32. Included after simd_<isa>.h. Internal linkage on purpose.

#include "kernels/cpu/kernel_table.h"

namespace hearth::kernels::cpu {
namespace {

/// Sums stay below 2^31: |q . k| <= |q| |k| (Cauchy and Schwarz), also of any part of the sum. Each code is rounded by
/// half a unit at most, of 4096 numbers, which is left free below the limit.
constexpr float kMostNorm = 46300; // of a query and a key: (46300 + 32)^2 < 2^31
constexpr float kMostPair = 32767; // of any number
static_assert(kAttendDims <= 4096);

/// 1 / scale where that is a number to work with, else 0: all codes become 0, and a scale of NaN or infinity makes NaN
/// of all that it meets.
inline Vec inversesOf(Vec scale) {
    return keepWithin(div(splat(1.0f), scale), scale, 0x1p-120f, 0x1p120f);
}

/// Scales of rows of `dims` numbers: from the sum of their squares, or, where that is out of range, the largest.
inline Vec scalesOfRows(Vec squares, Vec largest, int64_t dims) {
    const Vec most = mul(largest, squareRoot(splat(float(dims))));
    const Vec norm = withinOr(squareRoot(squares), squares, 1e-25f, 1e37f, most);
    return maximum(mul(largest, splat(1.0f / kMostPair)), mul(norm, splat(1.0f / kMostNorm))); // NaN of the norm stays
}

} // namespace
} // namespace hearth::kernels::cpu
