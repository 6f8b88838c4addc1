#include "kernels/quant/half.h"
#include "kernels/quant_types.h"
#include "tests/kernels/kernel_data.h"
#include "tests/kernels/npy.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <span>
#include <string>

namespace hearth::kernels {
namespace {

using tests::readBytes;
using tests::readNpy;
using tests::sharedPath;

std::string dataPath(std::string_view file) {
    return std::string(HEARTH_TEST_DATA) + "/quants/" + std::string(file);
}

std::string name(const QuantType& type, const char* ending) {
    return std::string(type.name) + ending;
}

/// FNV-1a over the bits of the numbers.
uint64_t hashOf(std::span<const float> numbers) {
    uint64_t hash = 14695981039346656037u;
    for (const float f : numbers)
        hash = (hash ^ std::bit_cast<uint32_t>(f)) * 1099511628211u;
    return hash;
}

/// Hashes of what the reference makes of the blocks: a line for each format, name and hash.
std::map<std::string, uint64_t> referenceHashes() {
    std::ifstream in(dataPath("decoded.txt"));
    std::map<std::string, uint64_t> hashes;
    for (std::string type; in >> type;)
        in >> std::hex >> hashes[type];
    return hashes;
}

TEST(QuantTypes, DecodesTheReferenceBlocksBitForBit) {
    const auto hashes = referenceHashes();
    for (const QuantType& type : quantTypes()) {
        if (type.type == Type::F32 || type.ggmlId == kNoGgmlId)
            continue;
        const auto blocks = readBytes(dataPath(name(type, ".bin")));
        ASSERT_FALSE(blocks.empty()) << type.name;
        std::vector<float> got(blocks.size() / size_t(type.bytes) * size_t(type.block));
        type.decode(blocks.data(), got.data(), int64_t(got.size()));
        ASSERT_TRUE(hashes.contains(std::string(type.name))) << type.name;
        EXPECT_EQ(hashOf(got), hashes.at(std::string(type.name))) << type.name;
        // The numbers themselves, where they are at hand.
        const auto want = readNpy(sharedPath("quants/" + name(type, ".npy")));
        for (size_t i = 0; i < want.size(); ++i)
            ASSERT_EQ(std::bit_cast<uint32_t>(got.at(i)), std::bit_cast<uint32_t>(want[i]))
                << type.name << " number " << i;
    }
}

/// OCP 8-bit floating point, table 1.
TEST(QuantTypes, DecodesEveryFloatOfEightBits) {
    std::vector<uint8_t> codes;
    for (int i = 0; i < 256; ++i)
        codes.push_back(uint8_t(i));
    std::vector<float> got(256);
    quantType(Type::F8_E4M3).decode(codes.data(), got.data(), 256);
    const auto bits = [&](int code) { return std::bit_cast<uint32_t>(got[size_t(code)]); };
    for (int code = 0; code < 0x7f; ++code) {
        const int exponent = code >> 3, mantissa = code & 7;
        const double size =
            exponent == 0 ? std::ldexp(mantissa / 8.0, -6) : std::ldexp(1 + mantissa / 8.0, exponent - 7);
        EXPECT_EQ(double(got[size_t(code)]), size) << code;
        EXPECT_EQ(bits(code + 0x80), bits(code) | 0x80000000u) << code;
    }
    EXPECT_EQ(bits(0), 0u);
    EXPECT_EQ(got[0x7e], 448.0f);
    EXPECT_TRUE(std::isnan(got[0x7f]) && std::isnan(got[0xff]));
}

TEST(QuantTypes, EncodesTheReferenceSourcesByteForByte) {
    int tested = 0;
    for (const QuantType& type : quantTypes()) {
        const auto source = readNpy(dataPath(name(type, ".src.npy")));
        if (source.empty())
            continue;
        ++tested;
        ASSERT_NE(type.encode, nullptr) << type.name;
        const auto blocks = readBytes(dataPath(name(type, ".bin")));
        std::vector<uint8_t> got(rowBytes(type.type, int64_t(source.size())));
        type.encode(source.data(), got.data(), int64_t(source.size()));
        const size_t half = blocks.size() / 2; // what has a source, or its beginning
        ASSERT_LE(got.size(), half) << type.name;
        for (size_t i = 0; i < got.size(); ++i)
            ASSERT_EQ(got[i], blocks[half + i]) << type.name << " byte " << i;
    }
    EXPECT_EQ(tested, 8);
}

/// Root mean square of encoding and decoding.
double errorOf(const QuantType& type, std::span<const float> source) {
    std::vector<uint8_t> blocks(rowBytes(type.type, int64_t(source.size())));
    std::vector<float> back(source.size());
    type.encode(source.data(), blocks.data(), int64_t(source.size()));
    type.decode(blocks.data(), back.data(), int64_t(back.size()));
    double squares = 0;
    for (size_t i = 0; i < source.size(); ++i)
        squares += (double(back[i]) - double(source[i])) * (double(back[i]) - double(source[i]));
    return std::sqrt(squares / double(source.size()));
}

/// What llama.cpp's quantizers reach on 64 rows of 768 normal numbers, relative to their root mean square.
TEST(QuantTypes, EncodesNormalNumbersAsWellAsTheReference) {
    const std::pair<const char*, double> kRelative[] = {
        {"Q4_0", 0.08551},   {"Q5_0", 0.04267},   {"Q8_0", 0.005343}, {"Q2_K", 0.29546},
        {"Q3_K", 0.15081},   {"Q4_K", 0.07138},   {"Q5_K", 0.03599},  {"Q6_K", 0.01768},
        {"IQ4_NL", 0.07656}, {"IQ4_XS", 0.07704}, {"MXFP4", 0.11551},
    };
    std::vector<float> source;
    double squares = 0;
    for (uint32_t row = 0; row < 64; ++row) // each row with its own deviation, as the reference's
        for (const float f : tests::randomFloats(768, row, std::exp(tests::randomFloats(1, 1000 + row, 0.5f)[0]))) {
            source.push_back(f);
            squares += double(f) * double(f);
        }
    const double rms = std::sqrt(squares / double(source.size()));
    for (const auto& [type, relative] : kRelative)
        EXPECT_LE(errorOf(*findQuantType(type), source) / rms, 1.02 * relative) << type;
}

TEST(QuantTypes, EncodesTheSharedSourcesAsWellAsTheReference) {
    const std::string folder = sharedPath("quants/encode/");
    std::ifstream in(folder + "encode.json");
    if (!in)
        GTEST_SKIP() << "the shared reference data is not here";
    const nlohmann::json reference = nlohmann::json::parse(in);
    for (const auto& [name, source] : reference.at("sources").items()) {
        const auto numbers = readNpy(folder + name + ".npy");
        ASSERT_FALSE(numbers.empty());
        for (const auto& [type, want] : source.at("types").items()) {
            const double error = errorOf(*findQuantType(type), numbers), known = want.at("rmse");
            EXPECT_LE(error, 1.02 * known) << name << " " << type;
            RecordProperty(name + "_" + type, std::to_string(error / known));
        }
    }
}

TEST(QuantTypes, EncodersTakeAnyNumber) {
    const float hard[] = {0.0f, -0.0f, 1e-45f, 1e-38f, 3e38f, -3e38f, INFINITY, -INFINITY, NAN, 65520.0f};
    for (const QuantType& type : quantTypes()) {
        if (!type.encode)
            continue;
        for (const float value : hard) {
            std::vector<float> source(256, value);
            source[3] = 1.0f;
            std::vector<uint8_t> blocks(rowBytes(type.type, 256));
            type.encode(source.data(), blocks.data(), 256); // the sanitizers watch
            type.decode(blocks.data(), source.data(), 256);
        }
        std::vector<float> zeros(256, 0.0f), back(256, 1.0f);
        std::vector<uint8_t> blocks(rowBytes(type.type, 256));
        type.encode(zeros.data(), blocks.data(), 256);
        type.decode(blocks.data(), back.data(), 256);
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
        EXPECT_EQ(findQuantType(type.ggmlId), type.ggmlId == kNoGgmlId ? nullptr : &type);
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
