#pragma once

#include "kernels/quant/half.h"
#include "kernels/tensor.h"

#include <cstddef>
#include <cstdint>

namespace hearth::kernels::cpu {

/// Checked BlockScales of a weight, or of a part of one.
struct WeightScales {
    const std::byte* data = nullptr; // the scale of the first number's block
    Type type = Type::F32;           // F32, F16, BF16, of any alignment
    uint64_t stride = 0;             // bytes from one row of blocks to the next
    int64_t blockRows = 1, blockCols = 1;
    int64_t firstRow = 0, firstCol = 0; // where in its block the first number lies
};

namespace { // each instruction set has its own copy

/// Of the part that begins at a row and a column.
inline WeightScales scalesFrom(WeightScales s, int64_t row, int64_t col) {
    if (!s.data)
        return s;
    const int64_t r = s.firstRow + row, c = s.firstCol + col;
    s.data += uint64_t(r / s.blockRows) * s.stride + uint64_t(c / s.blockCols) * (s.type == Type::F32 ? 4 : 2);
    s.firstRow = r % s.blockRows;
    s.firstCol = c % s.blockCols;
    return s;
}

/// The scales of a row. The division is not for the innermost loop.
inline const std::byte* scalesOfRow(const WeightScales& s, int64_t row) {
    return s.data + uint64_t((s.firstRow + row) / s.blockRows) * s.stride;
}

/// Number `block` of them, counted from the block of the first column.
inline float scaleAt(const WeightScales& s, const std::byte* ofRow, int64_t block) {
    if (s.type == Type::F32) {
        float scale;
        std::memcpy(&scale, ofRow + block * 4, 4);
        return scale;
    }
    const uint16_t bits = quant::loadU16(reinterpret_cast<const uint8_t*>(ofRow + block * 2));
    return s.type == Type::F16 ? quant::f16ToF32(bits) : quant::bf16ToF32(bits);
}

/// The first column behind that block, of `cols`.
inline int64_t blockEnd(const WeightScales& s, int64_t block, int64_t cols) {
    const int64_t end = (block + 1) * s.blockCols - s.firstCol;
    return end < cols ? end : cols;
}

} // namespace
} // namespace hearth::kernels::cpu
