#include "kernels/quant/half.h"
#include "kernels/quant_types.h"
#include "tests/kernels/npy.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace hearth::kernels {
namespace {

using tests::readBytes;
using tests::readNpy;

std::string dataPath(const QuantType& type, const char* ending) {
    return std::string(HEARTH_TEST_DATA) + "/quants/" + std::string(type.name) + ending;
}

TEST(QuantTypes, DecodesTheReferenceBlocksBitForBit) {
    for (const QuantType& type : quantTypes()) {
        if (type.type == Type::F32)
            continue;
        const auto blocks = readBytes(dataPath(type, ".bin"));
        const auto want = readNpy(dataPath(type, ".npy"));
        ASSERT_FALSE(want.empty()) << type.name;
        ASSERT_EQ(blocks.size(), rowBytes(type.type, int64_t(want.size()))) << type.name;
        std::vector<float> got(want.size());
        type.decode(blocks.data(), got.data(), int64_t(got.size()));
        for (size_t i = 0; i < want.size(); ++i)
            ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(want[i]))
                << type.name << " number " << i;
    }
}

TEST(QuantTypes, EncodesTheReferenceSourcesByteForByte) {
    int tested = 0;
    for (const QuantType& type : quantTypes()) {
        const auto source = readNpy(dataPath(type, ".src.npy"));
        if (source.empty())
            continue;
        ++tested;
        ASSERT_NE(type.encode, nullptr) << type.name;
        const auto blocks = readBytes(dataPath(type, ".bin"));
        std::vector<uint8_t> got(rowBytes(type.type, int64_t(source.size())));
        type.encode(source.data(), got.data(), int64_t(source.size()));
        ASSERT_EQ(blocks.size(), 2 * got.size()) << type.name; // the second half of the blocks has a source
        for (size_t i = 0; i < got.size(); ++i)
            ASSERT_EQ(got[i], blocks[got.size() + i]) << type.name << " byte " << i;
    }
    EXPECT_EQ(tested, 5);
}

TEST(QuantTypes, EncodersTakeAnyNumber) {
    const float hard[] = {0.0f, -0.0f, 1e-45f, 1e-38f, 3e38f, -3e38f, INFINITY, -INFINITY, NAN, 65520.0f};
    for (const QuantType& type : quantTypes()) {
        if (!type.encode)
            continue;
        for (const float value : hard) {
            std::vector<float> source(32, value);
            source[3] = 1.0f;
            std::vector<uint8_t> blocks(rowBytes(type.type, 32));
            type.encode(source.data(), blocks.data(), 32); // the sanitizers watch
            type.decode(blocks.data(), source.data(), 32);
        }
        std::vector<float> zeros(32, 0.0f), back(32, 1.0f);
        std::vector<uint8_t> blocks(rowBytes(type.type, 32));
        type.encode(zeros.data(), blocks.data(), 32);
        type.decode(blocks.data(), back.data(), 32);
        EXPECT_EQ(back, zeros) << type.name;
    }
}

TEST(QuantTypes, HalvesRoundTripAndRoundToNearestEven) {
    for (uint32_t h = 0; h < 65536; ++h) {
        const float f = quant::f16ToF32(uint16_t(h));
        if (std::isnan(f))
            EXPECT_TRUE(std::isnan(quant::f16ToF32(quant::f32ToF16(f))));
        else
            ASSERT_EQ(quant::f32ToF16(f), h);
    }
    EXPECT_EQ(quant::f32ToF16(1.0f + 0x1p-11f), 0x3c00); // a tie goes to the even neighbour
    EXPECT_EQ(quant::f32ToF16(1.0f + 0x3p-11f), 0x3c02);
    EXPECT_EQ(quant::f32ToF16(65519.99f), 0x7bff);
    EXPECT_EQ(quant::f32ToF16(65520.0f), 0x7c00);
    EXPECT_EQ(quant::f32ToF16(0x1p-25f), 0); // half of the smallest subnormal
    EXPECT_EQ(quant::f32ToF16(0x1.8p-25f), 1);
    EXPECT_EQ(quant::f32ToBf16(1.0f + 0x1p-8f), 0x3f80);
    EXPECT_EQ(quant::f32ToBf16(1.0f + 0x3p-8f), 0x3f82);
    EXPECT_TRUE(std::isnan(quant::bf16ToF32(quant::f32ToBf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(QuantTypes, RowsAreFoundByNameAndNumber) {
    for (const QuantType& type : quantTypes()) {
        EXPECT_EQ(findQuantType(type.name), &type);
        EXPECT_EQ(findQuantType(type.ggmlId), &type);
        EXPECT_EQ(&quantType(type.type), &type);
    }
    EXPECT_EQ(findQuantType("Q4_X"), nullptr);
    EXPECT_EQ(findQuantType(4), nullptr); // Q4_2, long gone
    EXPECT_EQ(findQuantType(4000000000u), nullptr);
}

TEST(QuantTypes, RowBytesRefusesWhatDoesNotFillBlocks) {
    EXPECT_EQ(rowBytes(Type::Q4_K, 512), 288u);
    EXPECT_EQ(rowBytes(Type::Q4_K, 288), 0u);
    EXPECT_EQ(rowBytes(Type::Q8_0, 33), 0u);
    EXPECT_EQ(rowBytes(Type::F16, 7), 14u);
    EXPECT_EQ(rowBytes(Type::I32, 7), 28u);
    EXPECT_EQ(rowBytes(Type::A8, 1), rowBytes(Type::A8, 256));
    EXPECT_EQ(rowBytes(Type::A8, 257), 2 * rowBytes(Type::A8, 256));
    EXPECT_EQ(rowBytes(Type::F32, 0), 0u);
    EXPECT_EQ(rowBytes(Type::F32, -5), 0u);
    EXPECT_EQ(rowBytes(Type::F32, std::numeric_limits<int64_t>::max()), 0u);
    EXPECT_EQ(rowBytes(Type::Count, 32), 0u);
}

} // namespace
} // namespace hearth::kernels
