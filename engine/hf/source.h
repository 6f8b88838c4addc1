#pragma once

#include "engine/checkpoint.h"
#include "engine/safetensors.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hearth::engine {

/// A stored tensor as matrices of rows: the last dimension is a row, the one before counts the rows of a matrix.
struct HfSource {
    /// Of FP8; each matrix has its own.
    struct Scales {
        TensorScales first; // of the first matrix
        int64_t rows = 1;   // of blocks in a matrix

        TensorScales of(int64_t matrix, int64_t row) const;
    };

    BytePlace place;
    std::string storedType;                   // "BF16"
    const kernels::QuantType* type = nullptr; // null: what this engine cannot read
    int64_t matrices = 1, rows = 1, cols = 1;
    std::optional<Scales> scales; // present where the type is F8_E4M3

    bool fp8() const { return scales.has_value(); }

    /// Its numbers can be computed with.
    bool readable() const { return type; }

    uint64_t rowBytes() const;
    BytePlace rowPlace(int64_t matrix, int64_t row) const;
};

/// Consecutive rows of one matrix.
struct HfRows {
    HfSource source;
    int64_t matrix = 0, first = 0, count = 0;
};

/// What is done to numbers that a GGUF's converter changes.
enum class HfValue : uint8_t { AsItIs, PlusOne, NegatedExp };

/// Numbers of one row as floats.
void readHfRow(Memories files, const HfSource& source, int64_t matrix, int64_t row, float* out);

/// Fills in where a tensor that consists of these rows lies: as a view where they lie one behind the other, as
/// `entry.dims[2]` parts where it can be, else to be gathered. The type becomes that of the rows; F32 where numbers are
/// changed, or FP8 is to be gathered.
void placeRows(TensorEntry& entry, std::vector<HfRows> rows, HfValue value = HfValue::AsItIs);

/// Numbers that stand in no file.
void placeFloats(TensorEntry& entry, const std::vector<float>& values);

/// Blocks of rows, one behind the other, each turned: its columns `first`, `first + step`, ... become rows.
void placeTransposed(TensorEntry& entry, std::vector<HfRows> blocks, int64_t first = 0, int64_t step = 1);

/// Each row of a matrix with its columns in another order, as floats.
void placeColumns(TensorEntry& entry, const HfSource& source, const std::vector<int64_t>& order);

/// Every `step`th number of each row, from `first` on.
void placeEveryNth(TensorEntry& entry, const HfSource& source, int64_t first, int64_t step);

/// MXFP4 as gpt-oss ships it, (matrices, rows, cols / 32, 16) nibbles and (matrices, rows, cols / 32) scales, becomes
/// blocks of the format MXFP4. Row `first`, `first + step`, ... of each matrix.
void placeMxfp4(TensorEntry& entry, const StoredTensor& nibbles, const StoredTensor& scales, int64_t first,
                int64_t step);

} // namespace hearth::engine
