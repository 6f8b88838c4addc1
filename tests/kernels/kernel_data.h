#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/error.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#if defined(HEARTH_TEST_EVEX_VNNI)
namespace hearth::kernels::cpu {
CpuKernels avxVnniKernelsForTests(); // AVX-VNNI's rows in AVX-512's encoding of the same instruction
}
#endif

namespace hearth::tests {

using namespace kernels;

/// Those of some instruction sets that this machine has or emulates.
inline std::vector<cpu::Isa> isasOf(std::initializer_list<const char*> names) {
    std::vector<cpu::Isa> found;
    for (const char* name : names)
        try {
            found.push_back(cpu::chooseIsa(name));
        } catch (const BackendError&) {
        }
    return found;
}

/// Every instruction set that this machine has or emulates, best first; the reference is the last.
inline std::vector<cpu::Isa> availableIsas() {
    std::vector<cpu::Isa> found = isasOf({"avx512", "avx512-emulated", "avxvnni", "avx2", "reference"});
#if defined(HEARTH_TEST_EVEX_VNNI)
    if (found.front().name.starts_with("avx512"))
        found.push_back({"avxvnni as AVX-512", cpu::avxVnniKernelsForTests()});
#endif
    return found;
}

/// Whether an instruction set that there is takes codes of 16 bits where it may.
inline bool takesCodes(const std::string& isa) {
    return bool(cpu::chooseIsa(isa).kernels.coded);
}

inline std::vector<float> randomFloats(size_t n, uint32_t seed, float deviation = 1.0f) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, deviation);
    std::vector<float> out(n);
    for (float& f : out)
        f = normal(random);
    return out;
}

/// Where the scales of a block lie that not every pattern of bits makes a small number.
struct ScaleFields {
    Type type;
    std::vector<size_t> halves; // offsets of f16 fields
    size_t bytes = 0;           // scales of one byte at the block's begin
    uint8_t low = 0, high = 0;  // what such a byte may be
};

inline const ScaleFields& scaleFields(Type type) {
    static const ScaleFields kFields[] = {
        {.type = Type::F16, .halves = {0}},
        {.type = Type::Q4_0, .halves = {0}},
        {.type = Type::Q5_0, .halves = {0}},
        {.type = Type::Q8_0, .halves = {0}},
        {.type = Type::Q4_1, .halves = {0, 2}},
        {.type = Type::Q5_1, .halves = {0, 2}},
        {.type = Type::Q2_K, .halves = {80, 82}},
        {.type = Type::Q3_K, .halves = {108}},
        {.type = Type::Q4_K, .halves = {0, 2}},
        {.type = Type::Q5_K, .halves = {0, 2}},
        {.type = Type::Q6_K, .halves = {208}},
        {.type = Type::IQ1_S, .halves = {0}},
        {.type = Type::IQ2_XXS, .halves = {0}},
        {.type = Type::IQ2_XS, .halves = {0}},
        {.type = Type::IQ2_S, .halves = {0}},
        {.type = Type::IQ3_XXS, .halves = {0}},
        {.type = Type::IQ3_S, .halves = {0}},
        {.type = Type::IQ4_NL, .halves = {0}},
        {.type = Type::IQ4_XS, .halves = {0}},
        {.type = Type::TQ1_0, .halves = {52}},
        {.type = Type::TQ2_0, .halves = {64}},
        {.type = Type::MXFP4, .halves = {}, .bytes = 1, .low = 112, .high = 132},
        {.type = Type::NVFP4, .halves = {}, .bytes = 4, .low = 0, .high = 0x70},
        {.type = Type::Count, .halves = {}},
    };
    return *std::find_if(std::begin(kFields), std::end(kFields) - 1, [&](const auto& f) { return f.type == type; });
}

/// The upper byte of an f16 of either sign from 2^-7 to 2^-5.
inline std::byte tamed(std::byte upper) {
    return std::byte(0x20 | (uint8_t(upper) & 0x87));
}

/// Makes the scales of blocks finite and moderate.
inline void tameScales(Type type, std::vector<std::byte>& out) {
    const QuantType& row = quantType(type);
    const ScaleFields& fields = scaleFields(type);
    for (size_t block = 0; block < out.size(); block += size_t(row.bytes)) {
        for (const size_t field : fields.halves)
            out[block + field + 1] = tamed(out[block + field + 1]);
        for (size_t i = 0; i < fields.bytes; ++i)
            out[block + i] = std::byte(fields.low + uint8_t(out[block + i]) % (fields.high - fields.low + 1));
        if (type == Type::IQ1_M) { // its f16 lies in the upper nibbles of four words
            const std::byte upper = tamed((out[block + 53] >> 4) | (out[block + 55] & std::byte(0xf0)));
            out[block + 53] = (out[block + 53] & std::byte(15)) | (upper << 4);
            out[block + 55] = (out[block + 55] & std::byte(15)) | (upper & std::byte(0xf0));
        }
    }
}

/// (rows, cols) of valid weights: all codes and all scale bits occur, scales are small numbers of either sign.
inline std::vector<std::byte> randomWeights(Type type, int64_t rows, int64_t cols, uint32_t seed) {
    const QuantType& row = quantType(type);
    std::vector<std::byte> out(rowBytes(type, cols) * size_t(rows));
    if (type == Type::F32 || type == Type::BF16) {
        const auto numbers = randomFloats(size_t(rows * cols), seed);
        row.encode(numbers.data(), out.data(), rows * cols);
        return out;
    }
    std::mt19937 random(seed);
    for (std::byte& b : out)
        b = std::byte(random());
    if (type == Type::F8_E4M3) // no NaN
        for (std::byte& b : out)
            b = (b & std::byte(0x7f)) == std::byte(0x7f) ? b & std::byte(0xf8) : b;
    tameScales(type, out);
    return out;
}

/// Every byte but the scales' is the same: codes as large or as small as they can be.
inline std::vector<std::byte> filledWeights(Type type, int64_t rows, int64_t cols, std::byte fill) {
    std::vector<std::byte> out(rowBytes(type, cols) * size_t(rows), fill);
    tameScales(type, out);
    return out;
}

/// Scales of a weight in F8_E4M3, of any alignment: blocks, rows or all, whose first row lies inside a block.
struct TestScales {
    Type type = Type::F32;
    int64_t blockRows = 1, blockCols = 1, firstRow = 0, blocks = 1; // in a row
    std::vector<float> values;                                      // as they are stored
    std::vector<std::byte> bytes;                                   // from 1 on

    uint64_t stride() const { return rowBytes(type, blocks) + 1; }

    float at(int64_t r, int64_t c) const { return values[size_t((firstRow + r) / blockRows * blocks + c / blockCols)]; }

    cpu::WeightScales view() const {
        if (bytes.empty())
            return {};
        return {bytes.data() + 1, type, stride(), blockRows, blockCols, firstRow};
    }
};

/// The scales that all tests give a weight of this shape; none where its type has no use for them.
inline TestScales testScales(Type type, int64_t rows, int64_t cols) {
    TestScales s;
    if (type != Type::F8_E4M3)
        return s;
    const int64_t shapes[][3] = {{7, 24, 3}, {128, 128, 127}, {1, cols, 0}, {rows + 2, cols + 9, 2}};
    const auto& shape = shapes[size_t(rows / 8 + cols / 16 + 2) % std::size(shapes)];
    const Type types[] = {Type::F32, Type::BF16, Type::F16};
    s.type = types[size_t(rows + cols / 2) % std::size(types)];
    s.blockRows = shape[0], s.blockCols = shape[1], s.firstRow = shape[2];
    s.blocks = (cols - 1) / s.blockCols + 1;
    const int64_t blockRows = (s.firstRow + rows - 1) / s.blockRows + 1;
    s.values = randomFloats(size_t(s.blocks * blockRows), uint32_t(rows), 0.5f);
    s.bytes.resize(1 + s.stride() * size_t(blockRows));
    for (float& f : s.values)
        f = std::exp(f) * 0x1p-9f;
    for (int64_t r = 0; r < blockRows; ++r) {
        std::byte* row = s.bytes.data() + 1 + uint64_t(r) * s.stride();
        std::vector<std::byte> aligned(rowBytes(s.type, s.blocks));
        quantType(s.type).encode(s.values.data() + r * s.blocks, aligned.data(), s.blocks);
        std::copy(aligned.begin(), aligned.end(), row);
        quantType(s.type).decode(aligned.data(), s.values.data() + r * s.blocks, s.blocks);
    }
    return s;
}

/// (rows, cols) as numbers.
inline std::vector<float> decoded(Type type, const std::vector<std::byte>& weights, int64_t rows, int64_t cols) {
    std::vector<float> out(size_t(rows * cols));
    for (int64_t r = 0; r < rows; ++r)
        quantType(type).decode(weights.data() + uint64_t(r) * rowBytes(type, cols), out.data() + r * cols, cols);
    if (const TestScales s = testScales(type, rows, cols); !s.bytes.empty())
        for (int64_t i = 0; i < rows * cols; ++i)
            out[size_t(i)] *= s.at(i / cols, i % cols);
    return out;
}

} // namespace hearth::tests
