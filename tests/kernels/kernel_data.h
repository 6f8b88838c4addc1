#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/error.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <cstring>
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

/// Every instruction set that this machine has, best first; the reference is the last.
inline std::vector<cpu::Isa> availableIsas() {
    std::vector<cpu::Isa> found;
    for (const char* name : {"avx512", "avxvnni", "avx2", "reference"})
        try {
            found.push_back(cpu::chooseIsa(name));
        } catch (const BackendError&) {
        }
#if defined(HEARTH_TEST_EVEX_VNNI)
    if (found.front().name == "avx512")
        found.push_back({"avxvnni as AVX-512", cpu::avxVnniKernelsForTests()});
#endif
    return found;
}

inline std::vector<float> randomFloats(size_t n, uint32_t seed, float deviation = 1.0f) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, deviation);
    std::vector<float> out(n);
    for (float& f : out)
        f = normal(random);
    return out;
}

/// Offsets of a block's f16 fields.
inline std::vector<size_t> halfFields(Type type) {
    switch (type) {
    case Type::F16:
        return {0};
    case Type::Q4_0:
    case Type::Q5_0:
    case Type::Q8_0:
        return {0};
    case Type::Q4_1:
    case Type::Q5_1:
    case Type::Q4_K:
    case Type::Q5_K:
        return {0, 2};
    case Type::Q6_K:
        return {208};
    default:
        return {};
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
    for (size_t block = 0; block < out.size(); block += size_t(row.bytes))
        for (const size_t field : halfFields(type))
            out[block + field + 1] = std::byte(0x20 | (uint8_t(out[block + field + 1]) & 0x87)); // 2^-7 to 2^-6
    return out;
}

} // namespace hearth::tests
