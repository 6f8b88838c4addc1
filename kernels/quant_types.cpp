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
    {Type::Q2_K, "Q2_K", 10, 256, Q2_K::kBytes, 16, decodeAll<Q2_K>, encodeAll<Q2_K>},
    {Type::Q3_K, "Q3_K", 11, 256, Q3_K::kBytes, 16, decodeAll<Q3_K>, encodeAll<Q3_K>},
    {Type::Q4_K, "Q4_K", 12, 256, Q4_K::kBytes, 32, decodeAll<Q4_K>, encodeAll<Q4_K>},
    {Type::Q5_K, "Q5_K", 13, 256, Q5_K::kBytes, 32, decodeAll<Q5_K>, encodeAll<Q5_K>},
    {Type::Q6_K, "Q6_K", 14, 256, Q6_K::kBytes, 16, decodeAll<Q6_K>, encodeAll<Q6_K>},
    {Type::IQ1_S, "IQ1_S", 19, 256, IQ1_S::kBytes, 32, decodeAll<IQ1_S>, nullptr},
    {Type::IQ1_M, "IQ1_M", 29, 256, IQ1_M::kBytes, 16, decodeAll<IQ1_M>, nullptr},
    {Type::IQ2_XXS, "IQ2_XXS", 16, 256, IQ2_XXS::kBytes, 32, decodeAll<IQ2_XXS>, nullptr},
    {Type::IQ2_XS, "IQ2_XS", 17, 256, IQ2_XS::kBytes, 16, decodeAll<IQ2_XS>, nullptr},
    {Type::IQ2_S, "IQ2_S", 22, 256, IQ2_S::kBytes, 16, decodeAll<IQ2_S>, nullptr},
    {Type::IQ3_XXS, "IQ3_XXS", 18, 256, IQ3_XXS::kBytes, 32, decodeAll<IQ3_XXS>, nullptr},
    {Type::IQ3_S, "IQ3_S", 21, 256, IQ3_S::kBytes, 32, decodeAll<IQ3_S>, nullptr},
    {Type::IQ4_NL, "IQ4_NL", 20, 32, IQ4_NL::kBytes, 32, decodeAll<IQ4_NL>, encodeAll<IQ4_NL>},
    {Type::IQ4_XS, "IQ4_XS", 23, 256, IQ4_XS::kBytes, 32, decodeAll<IQ4_XS>, encodeAll<IQ4_XS>},
    {Type::TQ1_0, "TQ1_0", 34, 256, TQ1_0::kBytes, 32, decodeAll<TQ1_0>, encodeAll<TQ1_0>},
    {Type::TQ2_0, "TQ2_0", 35, 256, TQ2_0::kBytes, 32, decodeAll<TQ2_0>, encodeAll<TQ2_0>},
    {Type::MXFP4, "MXFP4", 39, 32, MXFP4::kBytes, 32, decodeAll<MXFP4>, encodeAll<MXFP4>},
    {Type::NVFP4, "NVFP4", 40, 64, NVFP4::kBytes, 16, decodeAll<NVFP4>, nullptr},
    {Type::F8_E4M3, "F8_E4M3", kNoGgmlId, 1, F8_E4M3::kBytes, 1, decodeAll<F8_E4M3>, nullptr},
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
        if (row.ggmlId == ggmlId && ggmlId != kNoGgmlId)
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

int64_t cacheRowCols(Type type, int64_t cols) {
    const int64_t block = quantType(type).block;
    return (cols + block - 1) / block * block;
}

uint64_t cacheRowBytes(Type type, int64_t cols) {
    return rowBytes(type, cacheRowCols(type, cols));
}

CacheArea cacheArea(Type type, int64_t cols) {
    const uint64_t all = cacheRowBytes(type, cols);
    const QuantType& format = quantType(type);
    const uint64_t blocks = format.block > 1 ? all / uint64_t(format.bytes) : 0;
    return {.rowBytes = all - blocks * CacheArea::kScaleBytes, .blocks = blocks};
}

} // namespace hearth::kernels
