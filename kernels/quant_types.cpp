#include "kernels/quant_types.h"

#include "kernels/cpu/activation_block.h"
#include "kernels/quant/formats.h"

#include <iterator>
#include <limits>

namespace hearth::kernels {
namespace {

template <typename Format>
void decodeAll(const void* blocks, float* out, int64_t n) {
    const auto* b = static_cast<const uint8_t*>(blocks);
    for (int64_t i = 0; i < n; i += Format::kBlock, b += Format::kBytes)
        Format::decode(b, out + i);
}

template <typename Format>
void encodeAll(const float* in, void* blocks, int64_t n) {
    auto* b = static_cast<uint8_t*>(blocks);
    for (int64_t i = 0; i < n; i += Format::kBlock, b += Format::kBytes)
        Format::encode(in + i, b);
}

using namespace quant;

constexpr QuantType kQuantTypes[] = {
    // type, name, ggml id, block, bytes, group, decode, encode; in the order of Type
    {Type::F32, "F32", 0, 1, 4, 1, decodeAll<F32>, encodeAll<F32>},
    {Type::F16, "F16", 1, 1, 2, 1, decodeAll<F16>, encodeAll<F16>},
    {Type::BF16, "BF16", 30, 1, 2, 1, decodeAll<BF16>, encodeAll<BF16>},
    {Type::Q4_0, "Q4_0", 2, 32, Q4_0::kBytes, 32, decodeAll<Q4_0>, encodeAll<Q4_0>},
    {Type::Q4_1, "Q4_1", 3, 32, Q4_1::kBytes, 32, decodeAll<Q4_1>, encodeAll<Q4_1>},
    {Type::Q5_0, "Q5_0", 6, 32, Q5_0::kBytes, 32, decodeAll<Q5_0>, encodeAll<Q5_0>},
    {Type::Q5_1, "Q5_1", 7, 32, Q5_1::kBytes, 32, decodeAll<Q5_1>, encodeAll<Q5_1>},
    {Type::Q8_0, "Q8_0", 8, 32, Q8_0::kBytes, 32, decodeAll<Q8_0>, encodeAll<Q8_0>},
    {Type::Q4_K, "Q4_K", 12, 256, Q4_K::kBytes, 32, decodeAll<Q4_K>, nullptr},
    {Type::Q5_K, "Q5_K", 13, 256, Q5_K::kBytes, 32, decodeAll<Q5_K>, nullptr},
    {Type::Q6_K, "Q6_K", 14, 256, Q6_K::kBytes, 16, decodeAll<Q6_K>, nullptr},
};

constexpr bool inOrder() {
    for (size_t i = 0; i < std::size(kQuantTypes); ++i)
        if (kQuantTypes[i].type != Type(i))
            return false;
    return std::size(kQuantTypes) == size_t(Type::I32);
}

static_assert(inOrder(), "quantType() looks rows up by their number");

} // namespace

std::span<const QuantType> quantTypes() {
    return kQuantTypes;
}

const QuantType* findQuantType(uint32_t ggmlId) {
    for (const QuantType& row : kQuantTypes)
        if (row.ggmlId == ggmlId)
            return &row;
    return nullptr;
}

const QuantType* findQuantType(std::string_view name) {
    for (const QuantType& row : kQuantTypes)
        if (row.name == name)
            return &row;
    return nullptr;
}

const QuantType& quantType(Type type) {
    return kQuantTypes[size_t(type) < std::size(kQuantTypes) ? size_t(type) : 0];
}

uint64_t rowBytes(Type type, int64_t cols) {
    if (cols <= 0 || cols > std::numeric_limits<int64_t>::max() / 512)
        return 0;
    if (type == Type::I32)
        return uint64_t(cols) * 4;
    if (type == Type::A8)
        return uint64_t(cpu::blocksOf(cols)) * sizeof(cpu::A8Block);
    if (size_t(type) >= std::size(kQuantTypes))
        return 0;
    const QuantType& row = quantType(type);
    return cols % row.block == 0 ? uint64_t(cols / row.block) * uint64_t(row.bytes) : 0;
}

} // namespace hearth::kernels
