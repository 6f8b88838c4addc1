#include "tests/kernels/machine.h"

#include "kernels/kinds.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <optional>

// Every row of every table that this machine can run against plain arithmetic on decoded numbers, at odd sizes.
namespace hearth::kernels::cpu {
namespace {

using tests::availableIsas;
using tests::filledWeights;
using tests::randomFloats;
using tests::randomWeights;
using tests::testScales;
using tests::TileTest;

struct Matrix {
    int64_t rows, cols;
    std::vector<float> numbers;

    float at(int64_t r, int64_t c) const { return numbers[size_t(r * cols + c)]; }
};

Matrix decoded(Type type, const std::vector<std::byte>& weights, int64_t rows, int64_t cols) {
    return {rows, cols, tests::decoded(type, weights, rows, cols)};
}

/// Exact product of two rows, and the sum of magnitudes that bounds rounding.
struct Product {
    double value, magnitude;
};

Product dot(const Matrix& w, int64_t n, const Matrix& x, int64_t r) {
    Product p{0, 0};
    for (int64_t i = 0; i < w.cols; ++i) {
        p.value += double(w.at(n, i)) * double(x.at(r, i));
        p.magnitude += std::fabs(double(w.at(n, i)) * double(x.at(r, i)));
    }
    return p;
}

/// A8 rows and the numbers they stand for.
struct Quantized {
    std::vector<A8Block> blocks;
    Matrix values;
    uint64_t stride;
};

Quantized quantized(const CpuKernels& k, const Matrix& x) {
    Quantized q;
    q.stride = rowBytes(Type::A8, x.cols);
    q.blocks.resize(size_t(x.rows * blocksOf(x.cols)));
    q.values = x;
    for (int64_t r = 0; r < x.rows; ++r) {
        A8Block* row = q.blocks.data() + r * blocksOf(x.cols);
        k.quantize(x.numbers.data() + r * x.cols, x.cols, row);
        for (int64_t i = 0; i < x.cols; ++i)
            q.values.numbers[size_t(r * x.cols + i)] =
                row[i / 256].scale[i % 256 / 32] * float(row[i / 256].q[k.codeAt(int(i % 256))]);
    }
    return q;
}

Matrix randomMatrix(int64_t rows, int64_t cols, uint32_t seed) {
    return {rows, cols, randomFloats(size_t(rows * cols), seed)};
}

std::vector<int64_t> inputSizes(Type type) {
    if (quantType(type).block == 256)
        return {256, 512, 2304};
    if (quantType(type).block == 64)
        return {64, 128, 192, 256, 320, 448, 576, 2112};
    if (quantType(type).block == 32)
        return {32, 64, 96, 160, 256, 288, 384, 448, 576, 2080}; // every end of a chunk of 256
    return {1, 7, 16, 64, 80, 96, 112, 152, 1030, 1040, 1060};
}

void expectNear(const Product& want, float got, const std::string& what) {
    ASSERT_LE(std::fabs(double(got) - want.value), 1e-5 * want.magnitude + 1e-6)
        << what << ": " << got << " for " << want.value;
}

/// Weights (outputs, k) and activations (rows, k).
struct Operands {
    std::vector<std::byte> weights;
    Matrix x;

    static Operands random(Type type, int outputs, int64_t k, int rows) {
        return {randomWeights(type, outputs, k, uint32_t(k + rows)), randomMatrix(rows, k, 3)};
    }
};

/// The products of all of x with `outputs` rows of the weights from `first` on, into out; A8 where q is given.
MatVec productsOf(Type type, const std::vector<std::byte>& weights, const tests::TestScales& scales, int first,
                  int outputs, const Matrix& x, const Quantized* q, std::vector<float>& out) {
    return {.weights = weights.data() + uint64_t(first) * rowBytes(type, x.cols),
            .weightStride = rowBytes(type, x.cols),
            .outputs = outputs,
            .k = x.cols,
            .x = q ? reinterpret_cast<const std::byte*>(q->blocks.data())
                   : reinterpret_cast<const std::byte*>(x.numbers.data()),
            .xStride = q ? q->stride : uint64_t(x.cols) * 4,
            .rows = int(x.rows),
            .out = out.data(),
            .outStride = outputs,
            .bias = nullptr,
            .accumulate = false,
            .scales = scalesFrom(scales.view(), first, 0)};
}

void checkMatVec(const Isa& isa, Type type, bool int8, int64_t k, int rows, int outputs, const Operands& operands) {
    const std::string what = std::string(isa.name) + " " + std::string(quantType(type).name) + (int8 ? " A8" : " f32") +
                             " k " + std::to_string(k) + " rows " + std::to_string(rows);
    const auto& [weights, x] = operands;
    const Matrix w = decoded(type, weights, outputs, k);
    const Quantized q = quantized(isa.kernels, x);
    const auto bias = randomFloats(size_t(outputs), 5);
    const auto scales = testScales(type, outputs, k);
    std::vector<float> out(size_t(rows * outputs), 0.25f);
    const auto function = int8 ? isa.kernels.matvecInt8[size_t(type)] : isa.kernels.matvecF32[size_t(type)];
    MatVec a = productsOf(type, weights, scales, 0, outputs, x, int8 ? &q : nullptr, out);
    a.bias = bias.data();
    a.accumulate = true;
    function(a);
    for (int r = 0; r < rows; ++r)
        for (int n = 0; n < outputs; ++n) {
            Product want = dot(w, n, int8 ? q.values : x, r);
            want.value += 0.25 + double(bias[size_t(n)]);
            want.magnitude += 5;
            expectNear(want, out[size_t(r * outputs + n)], what);
        }
    // Each row has the bits that it has alone.
    for (int r = 0; r < rows; ++r) {
        std::vector<float> alone(size_t(outputs), 0.25f);
        MatVec one = a;
        one.x += uint64_t(r) * a.xStride;
        one.rows = 1;
        one.out = alone.data();
        function(one);
        ASSERT_EQ(0, std::memcmp(alone.data(), out.data() + r * outputs, size_t(outputs) * 4)) << what << " row " << r;
    }
}

/// Each product of some weight rows and some activation rows has the bits that it has alone.
void checkProductsAlone(const Isa& isa, const QuantType& type, bool int8, int64_t cols) {
    constexpr int kRows = 5, kMost = 10;
    const Matrix x = randomMatrix(kRows, cols, 3);
    const auto weights = randomWeights(type.type, kMost, cols, 7);
    const auto scales = testScales(type.type, kMost, cols);
    const Quantized q = quantized(isa.kernels, x);
    const auto run = [&](int first, int outputs) {
        std::vector<float> out(size_t(kRows) * size_t(outputs), 99.0f);
        (int8 ? isa.kernels.matvecInt8 : isa.kernels.matvecF32)[size_t(type.type)](
            productsOf(type.type, weights, scales, first, outputs, x, int8 ? &q : nullptr, out));
        return out;
    };
    for (const int outputs : {1, 3, 4, 9, kMost}) {
        const std::vector<float> all = run(0, outputs);
        for (int n = 0; n < outputs; ++n) {
            const std::vector<float> alone = run(n, 1);
            for (int r = 0; r < kRows; ++r)
                ASSERT_EQ(all[size_t(r * outputs + n)], alone[size_t(r)])
                    << isa.name << " " << type.name << (int8 ? " A8" : " f32") << " output " << n << " of " << outputs
                    << ", " << cols << " inputs";
        }
    }
}

/// Weight rows are read in streams that begin at parts of them, and four, two or none of them share a block for their
/// ends.
TEST(KernelTable, ProductsDoNotDependOnTheirNumber) {
    for (const Isa& isa : availableIsas())
        for (const QuantType& type : quantTypes())
            for (const int64_t cols : {768, 800, 832, 896, 928, 960}) {
                if (cols % type.block != 0)
                    continue;
                checkProductsAlone(isa, type, false, cols);
                if (type.block > 1)
                    checkProductsAlone(isa, type, true, cols);
                if (testing::Test::HasFatalFailure())
                    return;
            }
}

TEST(KernelTable, ProductsOfGeneratedTokens) {
    for (const Isa& isa : availableIsas())
        for (const QuantType& type : quantTypes())
            for (const int64_t k : inputSizes(type.type))
                for (const int rows : {1, 2, 3, 7, 16}) {
                    const Operands operands = Operands::random(type.type, 9, k, rows);
                    checkMatVec(isa, type.type, false, k, rows, 9, operands);
                    if (type.block > 1)
                        checkMatVec(isa, type.type, true, k, rows, 9, operands);
                    if (testing::Test::HasFatalFailure())
                        return;
                }
}

/// What a panel's sums begin with, rows `stride` numbers apart, and whether they end elsewhere.
struct Begin {
    const float* numbers = nullptr;
    int64_t stride = 0;
    bool elsewhere = false;
};

/// One panel from first to last input, in pieces of `step` inputs.
std::vector<float> panelProduct(const Isa& isa, Type type, bool int8, const std::vector<std::byte>& weights,
                                int outputs, int64_t k, int64_t step, const std::byte* x, uint64_t xStride, int rows,
                                const Begin& begin = {}) {
    constexpr int64_t kOutStride = kPanelOutputs + 5;
    std::vector<float> acc(size_t(rows) * kPanelOutputs, 99.0f), out(size_t(rows) * kOutStride, 77.0f);
    static std::vector<std::byte> panel(size_t(256) << 10);
    const QuantType& format = quantType(type);
    const auto scales = testScales(type, outputs, k);
    for (int64_t at = 0; at < k; at += step) {
        const int64_t cols = std::min(step, k - at);
        (int8 ? isa.kernels.unpackInt8
              : isa.kernels.unpackF32)[size_t(type)]({.weights = weights.data() + at / format.block * format.bytes,
                                                      .stride = rowBytes(type, k),
                                                      .outputs = outputs,
                                                      .cols = cols,
                                                      .panel = panel.data(),
                                                      .scales = scalesFrom(scales.view(), 0, at)});
        const auto gemm = int8 ? isa.kernels.gemmInt8[size_t(type)] : isa.kernels.gemmF32;
        gemm({.panel = panel.data(),
              .cols = cols,
              .x = x + (int8 ? at / 256 * int64_t(sizeof(A8Block)) : at * 4),
              .xStride = xStride,
              .rows = rows,
              .sums = {.acc = acc.data(),
                       .accStride = kPanelOutputs,
                       .first = at == 0,
                       .begin = begin.numbers,
                       .beginStride = begin.stride,
                       .out = begin.elsewhere && at + cols == k ? out.data() : nullptr,
                       .outStride = kOutStride}});
    }
    if (!begin.elsewhere)
        return acc;
    if (k <= step) {
        EXPECT_EQ(acc, std::vector<float>(acc.size(), 99.0f)) << isa.name << ": not only the result was written";
    }
    for (int r = 0; r < rows; ++r) {
        std::copy_n(out.begin() + r * kOutStride, kPanelOutputs, acc.begin() + r * kPanelOutputs);
        for (int64_t n = kPanelOutputs; n < kOutStride; ++n)
            EXPECT_EQ(out[size_t(r * kOutStride + n)], 77.0f) << isa.name << ": more than the result was written";
    }
    return acc;
}

/// The instruction sets that have tiles here: the processor's and the emulated ones.
std::vector<Isa> tiledIsas() {
    return tests::isasOf({"amx", "amx-emulated"});
}

/// AVX-512's rows with gathers: those of tiles, and its own where it is there without tiles.
std::vector<Isa> gatheringIsas() {
    std::vector<Isa> found = tiledIsas();
#if defined(__x86_64__)
    if (availableIsas().front().name == "avx512") {
        found.push_back(chooseIsa("avx512"));
        useGathers(found.back().kernels);
    }
#endif
    return found;
}

/// Points that are gathered are the same.
TEST(KernelTable, GathersGiveTheSameBits) {
    constexpr int kRows = 3, kOutputs = 9;
    const std::vector<Isa> gathering = gatheringIsas();
    if (gathering.empty())
        GTEST_SKIP() << "this processor has no AVX-512 and none is emulated, so it never runs what is tested here";
    const Isa without = availableIsas().front();
    for (const QuantType& type : quantTypes()) {
        if (!without.kernels.matvecInt8[size_t(type.type)])
            continue;
        const int64_t k = type.block == 256 ? 512 : 448;
        const auto& [weights, x] = Operands::random(type.type, kOutputs, k, kRows);
        const Quantized q = quantized(without.kernels, x);
        const auto scales = testScales(type.type, kOutputs, k);
        const auto products = [&](const Isa& isa) {
            std::vector<float> out(size_t(kRows) * kOutputs);
            isa.kernels.matvecInt8[size_t(type.type)](productsOf(type.type, weights, scales, 0, kOutputs, x, &q, out));
            return out;
        };
        const auto panel = [&](const Isa& isa) {
            return panelProduct(isa, type.type, true, weights, kOutputs, k, kPanelInputsInt8,
                                reinterpret_cast<const std::byte*>(q.blocks.data()), q.stride, kRows);
        };
        for (const Isa& isa : gathering) {
            EXPECT_EQ(products(isa), products(without)) << isa.name << " " << type.name;
            EXPECT_EQ(panel(isa), panel(without)) << isa.name << " " << type.name;
        }
    }
}

void checkGemm(const Isa& isa, Type type, bool int8, int64_t k, int rows, int outputs, const Operands& operands) {
    const std::string what = std::string(isa.name) + " " + std::string(quantType(type).name) + (int8 ? " A8" : " f32") +
                             " k " + std::to_string(k) + " rows " + std::to_string(rows) + " outputs " +
                             std::to_string(outputs);
    const auto& [weights, x] = operands;
    const Matrix w = decoded(type, weights, outputs, k);
    const Quantized q = quantized(isa.kernels, x);
    const std::byte* from = int8 ? reinterpret_cast<const std::byte*>(q.blocks.data())
                                 : reinterpret_cast<const std::byte*>(x.numbers.data());
    const uint64_t stride = int8 ? q.stride : uint64_t(k) * 4;
    const int64_t step = int8 ? kPanelInputsInt8 : kPanelInputsF32;
    const auto acc = panelProduct(isa, type, int8, weights, outputs, k, step, from, stride, rows);
    for (int r = 0; r < rows; ++r)
        for (int n = 0; n < kPanelOutputs; ++n) {
            const float got = acc[size_t(r * kPanelOutputs + n)];
            if (n >= outputs)
                ASSERT_EQ(got, 0.0f) << what;
            else
                expectNear(dot(w, n, int8 ? q.values : x, r), got, what);
            if (testing::Test::HasFatalFailure())
                return;
        }
    // Neither the rows beside it nor the cut between panels change a row's bits.
    ASSERT_EQ(acc, panelProduct(isa, type, int8, weights, outputs, k, 256, from, stride, rows)) << what;
    for (int r = 0; r < rows; ++r) {
        const auto alone =
            panelProduct(isa, type, int8, weights, outputs, k, step, from + uint64_t(r) * stride, stride, 1);
        ASSERT_EQ(0, std::memcmp(alone.data(), acc.data() + r * kPanelOutputs, kPanelOutputs * 4))
            << what << " row " << r;
    }
    // Sums that begin with numbers of their own, or the same for all rows, and end elsewhere.
    for (const int64_t beginStride : {int64_t{0}, int64_t{kPanelOutputs} + 3}) {
        const std::vector<float> numbers = randomFloats(size_t(rows) * (kPanelOutputs + 3), 5);
        const Begin begin{.numbers = numbers.data(), .stride = beginStride};
        const auto got = panelProduct(isa, type, int8, weights, outputs, k, step, from, stride, rows, begin);
        for (int r = 0; r < rows; ++r)
            for (int n = 0; n < outputs; ++n) {
                Product want = dot(w, n, int8 ? q.values : x, r);
                want.value += double(numbers[size_t(r * beginStride + n)]);
                want.magnitude += 5;
                expectNear(want, got[size_t(r * kPanelOutputs + n)], what + " with a begin");
            }
        const Begin elsewhere{.numbers = numbers.data(), .stride = beginStride, .elsewhere = true};
        ASSERT_EQ(got, panelProduct(isa, type, int8, weights, outputs, k, step, from, stride, rows, elsewhere)) << what;
        if (testing::Test::HasFatalFailure())
            return;
    }
}

TEST(KernelTable, ProductsOfPromptTokens) {
    for (const Isa& isa : availableIsas())
        for (const QuantType& type : quantTypes())
            for (const int64_t k : inputSizes(type.type))
                for (const int rows : {1, 5, 8, 17})
                    for (const int outputs : {1, 19, 32}) {
                        if (k > 1000 && rows != 17)
                            continue;
                        const Operands operands = Operands::random(type.type, outputs, k, rows);
                        checkGemm(isa, type.type, false, k, rows, outputs, operands);
                        if (type.block > 1)
                            checkGemm(isa, type.type, true, k, rows, outputs, operands);
                        if (testing::Test::HasFatalFailure())
                            return;
                    }
}

/// Where sums of 16 bits would overflow first.
TEST(KernelTable, ProductsOfTheLargestCodes) {
    constexpr int64_t kCols = 512;
    constexpr int kRows = 5, kOutputs = 3;
    for (const Isa& isa : availableIsas())
        for (const QuantType& type : quantTypes()) {
            if (type.block == 1)
                continue;
            for (const int fill : {0x00, 0x77, 0x7f, 0x80, 0x88, 0xff})
                for (const float x : {1.0f, -1.0f}) {
                    const Operands operands{filledWeights(type.type, kOutputs, kCols, std::byte(fill)),
                                            {kRows, kCols, std::vector<float>(size_t(kRows * kCols), x)}};
                    checkMatVec(isa, type.type, true, kCols, kRows, kOutputs, operands);
                    checkGemm(isa, type.type, true, kCols, kRows, kOutputs, operands);
                    if (testing::Test::HasFatalFailure())
                        return;
                }
        }
}

/// What a code of F8_E4M3 says (OCP 8-bit floating point, table 1), times a scale.
float numberOfE4M3(int code, float scale) {
    const int exponent = (code >> 3) & 15, mantissa = code & 7;
    if ((code & 0x7f) == 0x7f)
        return NAN;
    const float size = exponent == 0 ? std::ldexp(float(mantissa), -9) : std::ldexp(float(8 + mantissa), exponent - 10);
    return ((code & 0x80) != 0 ? -size : size) * scale;
}

void expectSameNumber(float got, float want, const std::string& what) {
    if (std::isnan(want))
        ASSERT_TRUE(std::isnan(got)) << what;
    else
        ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(want)) << what;
}

/// All 256 codes in every lane of a panel, with scales of every size, and cut at every number of columns.
TEST(KernelTable, CodesOfEightBitFloats) {
    std::vector<std::byte> weights(kPanelOutputs * 256);
    for (size_t i = 0; i < weights.size(); ++i)
        weights[i] = std::byte(i + i / 256 * 37);
    std::vector<float> panel(256 * kPanelOutputs);
    for (const Isa& isa : availableIsas())
        for (const float scale : {1.0f, 0.37f, -3.0f, 1e-40f, 1e30f, 0.0f})
            for (const int64_t cols : {256, 255, 100, 31, 17, 8, 1}) {
                const WeightScales all{
                    .data = reinterpret_cast<const std::byte*>(&scale), .blockRows = kPanelOutputs, .blockCols = 256};
                isa.kernels.unpackF32[size_t(Type::F8_E4M3)]({.weights = weights.data(),
                                                              .stride = 256,
                                                              .outputs = kPanelOutputs,
                                                              .cols = cols,
                                                              .panel = panel.data(),
                                                              .scales = all});
                for (int64_t i = 0; i < cols * kPanelOutputs; ++i) {
                    const int code = int(weights[size_t(i % kPanelOutputs * 256 + i / kPanelOutputs)]);
                    expectSameNumber(panel[size_t(i)], numberOfE4M3(code, scale),
                                     std::string(isa.name) + " " + std::to_string(code));
                }
                if (testing::Test::HasFatalFailure())
                    return;
            }
}

/// One activation of 1 reads one weight: its sum is that number.
TEST(KernelTable, ProductsReadEveryCodeOfEightBitFloats) {
    constexpr int kK = 70;
    const float scale = 0.37f;
    std::vector<std::byte> codes(256 * kK);
    for (size_t i = 0; i < codes.size(); ++i)
        codes[i] = std::byte(i % kK == 41 ? i / kK : 0);
    for (const Isa& isa : availableIsas())
        for (const int rows : {1, 2, 8, 11}) {
            std::vector<float> x(size_t(rows * kK), 0.0f), out(size_t(rows * 256));
            for (int r = 0; r < rows; ++r)
                x[size_t(r * kK + 41)] = float(1 << r);
            isa.kernels.matvecF32[size_t(Type::F8_E4M3)](
                {.weights = codes.data(),
                 .weightStride = kK,
                 .outputs = 256,
                 .k = kK,
                 .x = reinterpret_cast<const std::byte*>(x.data()),
                 .xStride = kK * 4,
                 .rows = rows,
                 .out = out.data(),
                 .outStride = 256,
                 .bias = nullptr,
                 .accumulate = false,
                 .scales = {.data = reinterpret_cast<const std::byte*>(&scale), .blockRows = 256, .blockCols = kK}});
            for (int i = 0; i < rows * 256; ++i) {
                const float want = numberOfE4M3(i % 256, scale) * float(1 << (i / 256));
                expectSameNumber(out[size_t(i)], want == 0 ? 0.0f : want, std::string(isa.name)); // 0 + -0 is 0
                if (testing::Test::HasFatalFailure())
                    return;
            }
        }
}

TEST(KernelTable, UnpackedEightBitFloatsHaveTheReferencesBits) {
    const CpuKernels reference = referenceKernels();
    constexpr size_t kType = size_t(Type::F8_E4M3);
    for (const Isa& isa : availableIsas())
        for (const int outputs : {1, 19, 32})
            for (const int64_t cols : {1, 7, 16, 80, 96, 152, 256}) {
                const auto weights = randomWeights(Type::F8_E4M3, outputs, cols, uint32_t(cols));
                const auto scales = testScales(Type::F8_E4M3, outputs, cols);
                std::vector<float> want(size_t(cols) * kPanelOutputs, 5.0f), got(want.size(), 7.0f);
                Unpack a{.weights = weights.data(),
                         .stride = uint64_t(cols),
                         .outputs = outputs,
                         .cols = cols,
                         .panel = want.data(),
                         .scales = scales.view()};
                reference.unpackF32[kType](a);
                a.panel = got.data();
                isa.kernels.unpackF32[kType](a);
                ASSERT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * 4)) << isa.name << " " << cols;
            }
}

TEST(KernelTable, QuantizingGivesTheSameBitsEverywhere) {
    const CpuKernels reference = referenceKernels();
    for (const Isa& isa : availableIsas())
        for (const int64_t n : {1, 15, 16, 31, 32, 33, 80, 256, 300, 576}) {
            auto x = randomFloats(size_t(n), uint32_t(n), 3.0f);
            for (size_t i = 0; i < x.size(); i += 37)
                x[i] = float(i % 5) * 0.5f; // exact halves of the scale, zeros
            std::vector<A8Block> want(size_t(blocksOf(n))), got(size_t(blocksOf(n)));
            std::memset(got.data(), 0x55, got.size() * sizeof(A8Block));
            reference.quantize(x.data(), n, want.data());
            isa.kernels.quantize(x.data(), n, got.data());
            for (A8Block& block : got) {
                const A8Block lain = block;
                for (int i = 0; i < 256; ++i)
                    block.q[i] = lain.q[isa.kernels.codeAt(i)];
            }
            ASSERT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(A8Block))) << isa.name << " " << n;
        }
}

TEST(KernelTable, QuantizingHardNumbers) {
    for (const Isa& isa : availableIsas())
        for (const float hard : {INFINITY, -INFINITY, NAN, 3e38f, 1e-40f, 0.0f}) {
            std::vector<float> x(64, 1.0f);
            x[5] = hard;
            A8Block block;
            isa.kernels.quantize(x.data(), 64, &block);
            EXPECT_FLOAT_EQ(block.scale[1], 1.0f / 127) << "the other group is not touched";
            EXPECT_EQ(std::isfinite(block.scale[0]), std::isfinite(hard)) << isa.name << " " << hard;
        }
}

double plainSigmoid(double x) {
    return 1 / (1 + std::exp(-x));
}

/// By ActivationKind, of what `up` multiplies.
constexpr double (*kPlainActivations[])(double) = {
    [](double x) { return x * plainSigmoid(x); },
    [](double x) { return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5))); },
    [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); },
    [](double x) { return x > 0 ? x * x : 0; },
    plainSigmoid,
    [](double x) { return x; },
    [](double x) { return std::min(x, 7.0) * plainSigmoid(1.702 * std::min(x, 7.0)); },
};
static_assert(std::size(kPlainActivations) == size_t(ActivationKind::Count));

TEST(KernelTable, Activations) {
    auto gate = randomFloats(77, 1, 4.0f);
    gate[0] = 100.0f, gate[1] = -100.0f, gate[2] = 0.0f, gate[3] = 1e-3f, gate[4] = -1e4f, gate[5] = 1e4f;
    const auto up = randomFloats(77, 2, 5.0f);
    for (const Isa& isa : availableIsas())
        for (size_t kind = 0; kind < size_t(ActivationKind::Count); ++kind)
            for (const bool gated : {false, true}) {
                const bool clamped = ActivationKind(kind) == ActivationKind::ClampedSwiglu;
                if (clamped && !gated)
                    continue;
                std::vector<float> out(78, 5.0f);
                isa.kernels.activate[kind](gate.data(), gated ? up.data() : nullptr, out.data(), 77);
                EXPECT_EQ(out[77], 5.0f);
                for (size_t i = 0; i < 77; ++i) {
                    const double u = double(up[i]), factor = clamped ? std::clamp(u, -7.0, 7.0) + 1 : gated ? u : 1;
                    const double want = kPlainActivations[kind](double(gate[i])) * factor;
                    ASSERT_NEAR(out[i], want, 2e-6 * (1 + std::fabs(want)))
                        << isa.name << " " << kind << " " << gate[i];
                }
            }
}

TEST(KernelTable, ActivationsOfNaNAreNaN) {
    const float nan[] = {NAN}, one[] = {1.0f};
    for (const Isa& isa : availableIsas())
        for (size_t kind = 0; kind < size_t(ActivationKind::Count); ++kind) {
            float out = 0;
            isa.kernels.activate[kind](nan, one, &out, 1);
            EXPECT_TRUE(std::isnan(out) || ActivationKind(kind) == ActivationKind::Relu2) << isa.name << " " << kind;
            isa.kernels.activate[kind](one, nan, &out, 1);
            EXPECT_TRUE(std::isnan(out)) << isa.name << " " << kind;
        }
}

/// One token of some columns of a state; see DeltaStep.
struct Delta {
    std::vector<float> state, out;
};

Delta deltaStep(const Isa& isa, int dk, int stride, int first, int columns) {
    Delta d{randomFloats(size_t(dk * stride), 1), std::vector<float>(size_t(columns) + 1, 9.0f)};
    const auto q = randomFloats(size_t(dk), 2), k = randomFloats(size_t(dk), 3, 0.2f), v = randomFloats(200, 4);
    isa.kernels.deltaStep({.state = d.state.data() + first,
                           .stateStride = stride,
                           .q = q.data(),
                           .k = k.data(),
                           .v = v.data() + first,
                           .decay = 0.75f,
                           .beta = 0.6f,
                           .out = d.out.data(),
                           .dk = dk,
                           .columns = columns});
    return d;
}

TEST(KernelTable, DeltaStep) {
    for (const Isa& isa : availableIsas())
        for (const int dk : {1, 7, 64})
            for (const int columns : {1, 7, 16, 33, 64, 100}) {
                const Delta got = deltaStep(isa, dk, 120, 11, columns);
                const auto before = randomFloats(size_t(dk * 120), 1), q = randomFloats(size_t(dk), 2);
                const auto k = randomFloats(size_t(dk), 3, 0.2f), v = randomFloats(200, 4);
                const auto at = [](int i, int c) { return size_t(i * 120 + 11 + c); };
                for (int c = 0; c < columns; ++c) {
                    double seen = 0, out = 0;
                    for (int i = 0; i < dk; ++i)
                        seen += 0.75 * double(before[at(i, c)]) * double(k[size_t(i)]);
                    for (int i = 0; i < dk; ++i) {
                        const double s = 0.75 * double(before[at(i, c)]) +
                                         double(k[size_t(i)]) * double(0.6f) * (double(v[size_t(11 + c)]) - seen);
                        ASSERT_NEAR(got.state[at(i, c)], s, 1e-5) << isa.name << " " << dk << " " << columns;
                        out += s * double(q[size_t(i)]);
                    }
                    ASSERT_NEAR(got.out[size_t(c)], out, 1e-4) << isa.name << " " << dk << " " << columns;
                    // A column has the bits that it has alone.
                    ASSERT_EQ(deltaStep(isa, dk, 120, 11 + c, 1).out[0], got.out[size_t(c)]) << isa.name;
                }
                EXPECT_EQ(got.out.back(), 9.0f);
                EXPECT_EQ(got.state[0], before[0]);
                EXPECT_EQ(got.state[at(0, columns)], before[at(0, columns)]);
            }
}

TEST(KernelTable, NormAddAndStore) {
    for (const Isa& isa : availableIsas())
        for (const int64_t n : {1, 15, 16, 20, 64, 250}) {
            const auto x = randomFloats(size_t(n), 1), w = randomFloats(size_t(n), 2), b = randomFloats(size_t(n), 3);
            double sum = 0, squares = 0;
            for (const float f : x)
                sum += double(f), squares += (double(f) - 0.5) * (double(f) - 0.5);
            EXPECT_NEAR(isa.kernels.sumOf(x.data(), n), sum, 1e-4) << isa.name;
            EXPECT_NEAR(isa.kernels.sumOfSquares(x.data(), n, 0.5f), squares, 1e-5 * (1 + squares))
                << isa.name << " " << n;
            std::vector<float> y(size_t(n) + 1, 7.0f), z(size_t(n) + 1, 7.0f);
            isa.kernels.normalize(x.data(), n, 0.5f, 2.0f, w.data(), b.data(), y.data());
            isa.kernels.add(x.data(), w.data(), -1.5f, z.data(), n);
            for (size_t i = 0; i < size_t(n); ++i) {
                ASSERT_NEAR(y[i], (x[i] - 0.5f) * 2.0f * w[i] + b[i], 1e-5) << isa.name;
                ASSERT_NEAR(z[i], x[i] - 1.5f * w[i], 1e-6) << isa.name;
            }
            EXPECT_EQ(y.back(), 7.0f);
            EXPECT_EQ(z.back(), 7.0f);
            for (const Type type : {Type::F32, Type::F16, Type::BF16}) {
                const size_t bytes = rowBytes(type, n);
                std::vector<std::byte> want(bytes), got(bytes + 4, std::byte(0x77));
                quantType(type).encode(x.data(), want.data(), n);
                isa.kernels.store[size_t(type)](x.data(), {.row = got.data()}, n);
                ASSERT_EQ(0, std::memcmp(want.data(), got.data(), bytes)) << isa.name;
                EXPECT_EQ(got[bytes], std::byte(0x77));
            }
        }
}

TEST(KernelTable, StoringHardNumbers) {
    const float hard[] = {0.0f,     -0.0f,           INFINITY,        -INFINITY,      NAN,
                          65519.9f, 65520.0f,        1e-8f,           6e-8f,          -3e38f,
                          3.4e38f,  1.0f + 0x1p-11f, 1.0f + 0x3p-11f, 1.0f + 0x1p-8f, 1.0f + 0x3p-8f};
    constexpr size_t kCount = std::size(hard);
    for (const Isa& isa : availableIsas())
        for (const Type type : {Type::F16, Type::BF16}) {
            uint16_t out[kCount], want[kCount];
            isa.kernels.store[size_t(type)](hard, {.row = reinterpret_cast<std::byte*>(out)}, kCount);
            quantType(type).encode(hard, want, kCount);
            for (size_t i = 0; i < kCount; ++i) {
                if (std::isnan(hard[i]))
                    EXPECT_GT(out[i] & 0x7fff, type == Type::F16 ? 0x7c00 : 0x7f80) << isa.name;
                else
                    EXPECT_EQ(out[i], want[i]) << isa.name << " " << hard[i];
            }
        }
}

/// Keys or values of one head in a page of a cache that holds just these.
struct Cached {
    CacheArea area;
    uint64_t rows;
    std::vector<std::byte> bytes;

    Cached(Type type, int count, int cols)
        : area(cacheArea(type, cols)), rows(uint64_t(count)), bytes(area.bytes(uint64_t(count))) {}

    CacheRow row(int i) {
        CacheRow at{.row = bytes.data() + uint64_t(i) * area.rowBytes};
        if (area.blocks > 0)
            at.scales = {.first = bytes.data() + area.scaleAt(0, uint64_t(i), rows), .stride = rows * 2};
        return at;
    }

    std::byte* data() { return bytes.data(); }

    int64_t scalesAt() const { return area.blocks > 0 ? int64_t(area.scaleAt(0, 0, rows)) : 0; }
};

Cached stored(const CpuKernels& k, Type type, int rows, int cols, const std::vector<float>& numbers) {
    Cached cached(type, rows, cols);
    for (int r = rows - 1; r >= 0; --r) // what one writes behind its own would be the next one's
        k.store[size_t(type)](numbers.data() + r * cols, cached.row(r), cols);
    return cached;
}

/// Keys and values in kAttendRuns runs, each in memory of its own, and not in their order.
class Runs {
public:
    Runs(const CpuKernels& k, Type type, int kDim, int vDim, const std::vector<float>& keys,
         const std::vector<float>& values)
        : tokens_(int(keys.size()) / kDim) {
        for (int run = kAttendRuns - 1; run >= 0; --run) {
            keys_.push_back(part(k, type, kDim, keys, run));
            values_.push_back(part(k, type, vDim, values, run));
        }
    }

    /// What a call looks at. Valid as long as this is.
    void show(Attend& call) {
        call.k = keys_[kAttendRuns - 1].data(), call.v = values_[kAttendRuns - 1].data();
        for (size_t run = 1; run < kAttendRuns; ++run) {
            call.moreKeys[run - 1] = keys_[kAttendRuns - 1 - run].data();
            call.moreValues[run - 1] = values_[kAttendRuns - 1 - run].data();
        }
        call.kScales = keys_[0].scalesAt(), call.vScales = values_[0].scalesAt();
        call.scaleStride = keys_[0].row(0).scales.stride;
        call.kStride = keys_[0].area.rowBytes, call.vStride = values_[0].area.rowBytes;
        call.tokens = tokens_;
    }

private:
    Cached part(const CpuKernels& k, Type type, int cols, const std::vector<float>& numbers, int run) const {
        const int rows = tokens_ / kAttendRuns;
        const auto first = numbers.begin() + run * rows * cols;
        return stored(k, type, rows, cols, {first, first + rows * cols});
    }

    int tokens_;
    std::vector<Cached> keys_, values_; // the last run first
};

/// Numbers of a cache's rows: some large, some small, and their blocks, too.
std::vector<float> cachedNumbers(int rows, int cols, uint32_t seed) {
    auto numbers = randomFloats(size_t(rows * cols), seed);
    for (int r = 0; r < rows; ++r)
        for (int i = 0; i < cols; ++i)
            numbers[size_t(r * cols + i)] *= r % 5 == 0 ? 3.0f : i / 32 % 2 == 0 ? 1.0f : 0.05f;
    return numbers;
}

/// What attend makes of a run of tokens after others.
struct Attended {
    std::vector<float> o;
    std::vector<SoftmaxState> state;
};

enum class Rows { Plain, Latent, InRuns, InTiles };

/// Heads [first, first + count) of `heads`; latent: the values are the keys' first numbers; in runs, or runs that tiles
/// look at: the tokens are those of kAttendRuns. One head alone also asks for what would come next, which must change
/// nothing.
Attended attended(const CpuKernels& k, Type type, int heads, int kDim, int vDim, int tokens, float softCap, int first,
                  int count, Rows rows = Rows::Plain) {
    const bool latent = rows == Rows::Latent;
    alignas(64) static std::byte scratch[kAttendScratchBytes];
    const auto keyNumbers = cachedNumbers(tokens, kDim, 5), valueNumbers = cachedNumbers(tokens, vDim, 6);
    Cached keys = stored(referenceKernels(), type, tokens, kDim, keyNumbers),
           values = stored(referenceKernels(), type, tokens, vDim, valueNumbers);
    const auto q = randomFloats(size_t(heads * kDim), 7);
    std::vector<float> scores(size_t(kAttendHeads * tokens));
    Attended r{.o = randomFloats(size_t(heads * vDim), 8), .state = {}};
    r.o = {r.o.begin() + first * vDim, r.o.begin() + (first + count) * vDim};
    r.state.assign(size_t(count), {0.5f, 2.0f});
    Attend call{.q = q.data() + first * kDim,
                .k = keys.data(),
                .v = latent ? keys.data() : values.data(),
                .kScales = keys.scalesAt(),
                .vScales = latent ? keys.scalesAt() : values.scalesAt(),
                .scaleStride = keys.row(0).scales.stride,
                .heads = count,
                .kDim = kDim,
                .vDim = vDim,
                .kStride = keys.area.rowBytes,
                .vStride = latent ? keys.area.rowBytes : values.area.rowBytes,
                .next = count == 1 ? keys.data() + 1 : nullptr,
                .nextTokens = count == 1 ? tokens + 37 : 0,
                .nextScales = count == 1 ? 1'000'003 : 0,
                .tokens = tokens,
                .scale = 0.2f,
                .softCap = softCap,
                .state = r.state.data(),
                .o = r.o.data(),
                .scores = scores.data(),
                .scratch = scratch};
    std::optional<Runs> runs;
    if (rows == Rows::InRuns || rows == Rows::InTiles) {
        runs.emplace(referenceKernels(), type, kDim, vDim, keyNumbers, valueNumbers);
        runs->show(call);
        for (int run = 1; run < kAttendRuns && call.next; ++run)
            call.moreNext[run - 1] = keys.data() + run;
    }
    (rows == Rows::InTiles ? k.attendTiles : k.attend)[size_t(type)](call);
    return r;
}

void expectNear(const Attended& got, const Attended& want, int vDim, const std::string& what) {
    for (size_t h = 0; h < got.state.size(); ++h) {
        ASSERT_NEAR(got.state[h].max, want.state[h].max, 1e-3) << what;
        ASSERT_NEAR(got.state[h].sum, want.state[h].sum, 1e-3 * want.state[h].sum) << what;
    }
    for (size_t i = 0; i < got.o.size(); ++i)
        ASSERT_NEAR(got.o[i], want.o[i], 5e-3 * want.state[i / size_t(vDim)].sum) << what;
}

/// Heads come in fours, and each four and what is left over have the bits that they have alone.
void expectSameAlone(const CpuKernels& k, Type type, int heads, int dim, int tokens, float cap, Rows rows,
                     const Attended& all, const std::string& what) {
    for (int h = 0; h < heads; h += kAttendHeads) {
        const auto part =
            attended(k, type, heads, dim, dim + 8, tokens, cap, h, std::min(kAttendHeads, heads - h), rows);
        ASSERT_EQ(0, std::memcmp(part.o.data(), all.o.data() + h * (dim + 8), part.o.size() * sizeof(float))) << what;
        for (size_t i = 0; i < part.state.size(); ++i) {
            ASSERT_EQ(part.state[i].max, all.state[size_t(h) + i].max) << what;
            ASSERT_EQ(part.state[i].sum, all.state[size_t(h) + i].sum) << what;
        }
    }
}

constexpr Type kCacheTypes[] = {Type::F32, Type::F16, Type::BF16, Type::Q8_0, Type::Q4_0};

TEST(KernelTable, AttendOverCaches) {
    for (const Isa& isa : availableIsas())
        for (const Type type : kCacheTypes)
            for (const int dim : {20, 64, 80, 96, 128, 256})
                for (const int heads : {1, 2, 3, 4, 5, 6, 7})
                    for (const int tokens : {1, 3, 16, 37, 64, 255, 256}) {
                        const float cap = heads == 3 ? 4.0f : 0.0f;
                        const auto got = attended(isa.kernels, type, heads, dim, dim + 8, tokens, cap, 0, heads);
                        const auto want =
                            attended(referenceKernels(), type, heads, dim, dim + 8, tokens, cap, 0, heads);
                        const std::string what = std::string(isa.name) + " " + std::string(quantType(type).name) +
                                                 " dim " + std::to_string(dim) + " heads " + std::to_string(heads) +
                                                 " tokens " + std::to_string(tokens);
                        expectNear(got, want, dim + 8, what);
                        expectSameAlone(isa.kernels, type, heads, dim, tokens, cap, Rows::Plain, got, what);
                        for (int h = 0; heads < kAttendHeads && h < heads; ++h) { // these also each on its own
                            const auto one = attended(isa.kernels, type, heads, dim, dim + 8, tokens, cap, h, 1);
                            ASSERT_EQ(0, std::memcmp(one.o.data(), got.o.data() + h * (dim + 8), size_t(dim + 8) * 4))
                                << what;
                        }
                    }
}

/// Pages side by side are the same tokens in another order.
TEST(KernelTable, AttendOverRuns) {
    for (const Isa& isa : availableIsas())
        for (const Type type : kCacheTypes)
            for (const int dim : {20, 64, 96, 192, 256, 320})
                for (const int heads : {1, 3, 4, 7})
                    for (const int tokens : {64, 192}) {
                        const float cap = heads == 3 ? 4.0f : 0.0f;
                        const std::string what = std::string(isa.name) + " " + std::string(quantType(type).name) +
                                                 " dim " + std::to_string(dim) + " heads " + std::to_string(heads) +
                                                 " tokens " + std::to_string(tokens);
                        const auto got =
                            attended(isa.kernels, type, heads, dim, dim + 8, tokens, cap, 0, heads, Rows::InRuns);
                        for (const Rows order : {Rows::Plain, Rows::InRuns})
                            expectNear(
                                got,
                                attended(referenceKernels(), type, heads, dim, dim + 8, tokens, cap, 0, heads, order),
                                dim + 8, what);
                        expectSameAlone(isa.kernels, type, heads, dim, tokens, cap, Rows::InRuns, got, what);
                    }
}

/// Whole numbers of 16 bits meet the codes in tiles as they do elsewhere, and each four heads have the bits that they
/// have alone.
TEST_F(TileTest, AttendToCodes) {
    for (const Isa& isa : tiledIsas())
        for (const Type type : {Type::Q8_0, Type::Q4_0})
            for (const int dim : {20, 32, 64, 80, 96, 128, 200, kTiledCodeDims - 8})
                for (const int heads : {1, 2, 3, 4, 5, 7, 8, 16}) {
                    const float cap = heads == 3 ? 4.0f : 0.0f;
                    const std::string what = std::string(isa.name) + " " + std::string(quantType(type).name) + " dim " +
                                             std::to_string(dim) + " heads " + std::to_string(heads);
                    const auto over = [&](const CpuKernels& k, Rows rows) {
                        return attended(k, type, heads, dim, dim + 8, kAttendTokens, cap, 0, heads, rows);
                    };
                    const auto got = over(isa.kernels, Rows::InTiles);
                    expectNear(got, over(referenceKernels(), Rows::InRuns), dim + 8, what);
                    // The same codes but where an exponential's last bits decide: not what low bytes tell.
                    const auto same = over(isa.kernels, Rows::InRuns);
                    double squares = 0;
                    for (size_t i = 0; i < got.o.size(); ++i)
                        squares +=
                            std::pow(double(got.o[i] - same.o[i]) / double(same.state[i / size_t(dim + 8)].sum), 2);
                    EXPECT_LT(std::sqrt(squares / double(got.o.size())), 3e-5) << what;
                    expectSameAlone(isa.kernels, type, heads, dim, kAttendTokens, cap, Rows::InTiles, got, what);
                }
}

/// Latents that serve many heads become codes where an instruction set has products of those (see latent_attention.h):
/// close to the reference, where a score is off by 9e-6 of |q| |k| and every fifth row is three times as large, and
/// with the same bits in every group of kFewLatentHeads and more.
TEST(KernelTable, AttendOverLatents) {
    for (const Isa& isa : availableIsas())
        for (const Type type : {Type::F16, Type::BF16})
            for (const int dim : {21, 64, 104, 576})
                for (const int heads : {8, 9, 10, 14, 16})
                    for (const int tokens : {1, 2, 7, 63, 64, 65, 130}) {
                        const int vDim = dim - dim / 8;
                        const auto over = [&](const CpuKernels& k, int first, int count) {
                            return attended(k, type, heads, dim, vDim, tokens, 0.0f, first, count, Rows::Latent);
                        };
                        const auto got = over(isa.kernels, 0, heads), want = over(referenceKernels(), 0, heads);
                        const std::string what = std::string(isa.name) + " " + std::string(quantType(type).name) +
                                                 " dim " + std::to_string(dim) + " heads " + std::to_string(heads) +
                                                 " tokens " + std::to_string(tokens);
                        for (size_t h = 0; h < size_t(heads); ++h)
                            ASSERT_NEAR(got.state[h].max, want.state[h].max, 2e-5 * dim) << what;
                        for (size_t i = 0; i < got.o.size(); ++i)
                            ASSERT_NEAR(got.o[i], want.o[i],
                                        (6e-4 + 9e-5 * dim) * (1 + want.state[i / size_t(vDim)].sum))
                                << what;
                        const auto last = over(isa.kernels, heads - kFewLatentHeads, kFewLatentHeads);
                        const float* same = got.o.data() + (heads - kFewLatentHeads) * vDim;
                        ASSERT_EQ(0, std::memcmp(last.o.data(), same, last.o.size() * sizeof(float))) << what;
                    }
}

/// A first token that has nearly all of the weight and a small value, as it often is, makes the others' no coarser.
TEST(KernelTable, ASinkCoarsensNothing) {
    constexpr int kDim = 32, kTokens = kAttendTokens;
    const auto q = randomFloats(kDim, 1);
    auto keys = randomFloats(kTokens * kDim, 2, 0.1f), values = randomFloats(kTokens * kDim, 3);
    for (size_t i = 0; i < kDim; ++i) {
        keys[i] = q[i];
        values[i] *= 1e-3f;
    }
    const auto expectFine = [&](Type type, auto attendOf, const CpuKernels& kernels, std::string_view name) {
        Runs runs(referenceKernels(), type, kDim, kDim, keys, values);
        const auto attend = [&](void (*of)(const Attend&)) {
            alignas(64) static std::byte scratch[kAttendScratchBytes];
            std::vector<float> o(kDim), scores(kAttendHeads * kTokens);
            SoftmaxState state{-INFINITY, 0.0f};
            Attend call{.q = q.data(),
                        .heads = 1,
                        .kDim = kDim,
                        .vDim = kDim,
                        .scale = 1.0f,
                        .softCap = 0,
                        .state = &state,
                        .o = o.data(),
                        .scores = scores.data(),
                        .scratch = scratch};
            runs.show(call);
            of(call);
            EXPECT_LT(state.sum, 1.02f) << "the first has nearly all";
            return o;
        };
        const auto got = attend(attendOf(kernels)), want = attend(referenceKernels().attend[size_t(type)]);
        double squares = 0, errors = 0;
        for (size_t i = 0; i < kDim; ++i) {
            squares += std::pow(double(want[i]), 2);
            errors += std::pow(double(got[i]) - double(want[i]), 2);
        }
        EXPECT_LT(std::sqrt(errors / squares), 1e-3) << name << " " << quantType(type).name;
    };
    for (const Type type : {Type::Q8_0, Type::Q4_0}) {
        for (const Isa& isa : availableIsas())
            expectFine(
                type, [&](const CpuKernels& k) { return k.attend[size_t(type)]; }, isa.kernels, isa.name);
        for (const Isa& isa : tiledIsas())
            expectFine(
                type, [&](const CpuKernels& k) { return k.attendTiles[size_t(type)]; }, isa.kernels, isa.name);
    }
}

/// Rows' codes beside each other and the scales behind them, token by token, as the format's own encoder makes both.
TEST(KernelTable, CachesOfBlocks) {
    constexpr int kTokens = 37;
    for (const Isa& isa : availableIsas())
        for (const Type type : {Type::Q8_0, Type::Q4_0})
            for (const int n : {1, 31, 32, 64, 80, 250}) {
                const std::string what = std::string(isa.name) + " " + std::to_string(n);
                const auto x = cachedNumbers(kTokens, n, uint32_t(n));
                Cached got = stored(isa.kernels, type, kTokens, n, x);
                ASSERT_EQ(got.bytes.size(), kTokens * cacheRowBytes(type, n));
                const auto cols = size_t(cacheRowCols(type, n));
                std::vector<float> padded(cols), back(kTokens * cols);
                for (size_t t = 0; t < kTokens; ++t) {
                    std::copy_n(x.begin() + long(t) * n, n, padded.begin());
                    std::vector<std::byte> blocks(cacheRowBytes(type, n));
                    quantType(type).encode(padded.data(), blocks.data(), int64_t(cols));
                    quantType(type).decode(blocks.data(), back.data() + t * cols, int64_t(cols));
                    const size_t codes = got.area.rowBytes / got.area.blocks;
                    for (size_t b = 0; b < got.area.blocks; ++b) {
                        const std::byte* want = blocks.data() + b * (codes + 2);
                        ASSERT_EQ(0, std::memcmp(want, got.data() + got.area.scaleAt(b, t, kTokens), 2)) << what;
                        ASSERT_EQ(0, std::memcmp(want + 2, got.row(int(t)).row + b * codes, codes)) << what;
                    }
                }
                for (const int outputs : {5, kPanelOutputs}) {
                    std::vector<float> panel(cols * kPanelOutputs, 7.0f);
                    isa.kernels.unpackKeys[size_t(type)]({.weights = got.row(3).row,
                                                          .stride = got.area.rowBytes,
                                                          .outputs = outputs,
                                                          .cols = int64_t(cols),
                                                          .panel = panel.data(),
                                                          .cached = got.row(3).scales});
                    for (size_t i = 0; i < panel.size(); ++i) {
                        const size_t t = i % kPanelOutputs;
                        ASSERT_EQ(panel[i], t < size_t(outputs) ? back[(3 + t) * cols + i / kPanelOutputs] : 0.0f)
                            << what;
                    }
                }
                for (size_t b = 0; b < got.area.blocks; ++b) {
                    CacheRow part = got.row(2);
                    part.row += b * (got.area.rowBytes / got.area.blocks);
                    part.scales.first += b * part.scales.stride;
                    const int outputs = std::min(n - 32 * int(b), kPanelOutputs);
                    std::vector<float> panel(5 * kPanelOutputs, 7.0f);
                    isa.kernels.unpackValues[size_t(type)]({.weights = part.row,
                                                            .stride = got.area.rowBytes,
                                                            .outputs = outputs,
                                                            .cols = 5,
                                                            .panel = panel.data(),
                                                            .cached = part.scales});
                    for (size_t i = 0; i < panel.size(); ++i) {
                        const size_t c = i % kPanelOutputs;
                        ASSERT_EQ(panel[i],
                                  c < size_t(outputs) ? back[(2 + i / kPanelOutputs) * cols + 32 * b + c] : 0.0f)
                            << what;
                    }
                }
            }
}

/// What is no number is seen in every block that has one, and in no other.
TEST(KernelTable, CachesOfBlocksHideNothing) {
    for (const Isa& isa : availableIsas())
        for (const Type type : {Type::Q8_0, Type::Q4_0})
            for (const float hard : {float(NAN), float(INFINITY), -float(INFINITY), 3e38f, -1e9f}) {
                auto x = randomFloats(96, 1);
                x[40] = hard;
                Cached row = stored(isa.kernels, type, 1, 96, x);
                std::vector<float> back(96 * kPanelOutputs);
                isa.kernels.unpackKeys[size_t(type)]({.weights = row.data(),
                                                      .stride = row.area.rowBytes,
                                                      .outputs = 1,
                                                      .cols = 96,
                                                      .panel = back.data(),
                                                      .cached = row.row(0).scales});
                for (const size_t i : {0u, 31u, 40u, 64u, 95u})
                    EXPECT_EQ(std::isfinite(back[i * kPanelOutputs]), i != 40) << isa.name << " " << hard << " " << i;
                float o[32] = {}, scores[kAttendHeads];
                alignas(64) static std::byte scratch[kAttendScratchBytes];
                SoftmaxState state{0.0f, 1.0f};
                const std::vector<float> q(96, 1.0f);
                const auto codes = int64_t(row.area.rowBytes / row.area.blocks);
                isa.kernels.attend[size_t(type)]({.q = q.data(),
                                                  .k = row.data(),
                                                  .v = row.data() + codes, // the block
                                                  .kScales = row.scalesAt(),
                                                  .vScales = row.scalesAt() + 2 - codes,
                                                  .scaleStride = 2,
                                                  .heads = 1,
                                                  .kDim = 96,
                                                  .vDim = 32,
                                                  .kStride = row.area.rowBytes,
                                                  .vStride = row.area.rowBytes,
                                                  .tokens = 1,
                                                  .scale = 1.0f,
                                                  .softCap = 0,
                                                  .state = &state,
                                                  .o = o,
                                                  .scores = scores,
                                                  .scratch = scratch});
                EXPECT_FALSE(std::isfinite(o[3]) && std::isfinite(state.sum) && std::isfinite(state.max))
                    << isa.name << " " << hard;
            }
}

/// In tiles, too: of a head whose query is no number all, of a block whose values are none every head's, and no other.
TEST_F(TileTest, HideNothing) {
    constexpr int kDim = 96, kHeads = 3, kHardHead = 1;
    for (const Isa& isa : tiledIsas())
        for (const Type type : {Type::Q8_0, Type::Q4_0})
            for (const float hard : {float(NAN), float(INFINITY), -float(INFINITY)})
                for (const int token : {0, 70, kAttendTokens - 1})
                    for (const int where : {0, 1, 2, 3, 4}) { // a query, a key, a value of each block
                        auto q = randomFloats(kHeads * kDim, 1);
                        std::vector<float> numbers[] = {randomFloats(kAttendTokens * kDim, 2),
                                                        randomFloats(kAttendTokens * kDim, 3)};
                        if (where == 0)
                            q[kHardHead * kDim + 50] = hard;
                        else
                            numbers[where > 1][size_t(token * kDim + (where < 2 ? 3 : (where - 2) * 32 + 5))] = hard;
                        Runs runs(isa.kernels, type, kDim, kDim, numbers[0], numbers[1]);
                        alignas(64) static std::byte scratch[kAttendScratchBytes];
                        std::vector<float> o(kHeads * kDim), scores(kAttendHeads * kAttendTokens);
                        std::vector<SoftmaxState> states(kHeads, {0.0f, 0.0f});
                        Attend call{.q = q.data(),
                                    .heads = kHeads,
                                    .kDim = kDim,
                                    .vDim = kDim,
                                    .scale = 0.1f,
                                    .softCap = 0,
                                    .state = states.data(),
                                    .o = o.data(),
                                    .scores = scores.data(),
                                    .scratch = scratch};
                        runs.show(call);
                        isa.kernels.attendTiles[size_t(type)](call);
                        for (int h = 0; h < kHeads; ++h)
                            for (int i = 0; i < kDim; ++i) {
                                const bool bad = where == 0 ? h == kHardHead : where == 1 ? true : i / 32 == where - 2;
                                const SoftmaxState& state = states[size_t(h)];
                                ASSERT_EQ(std::isfinite(o[size_t(h * kDim + i)]) && std::isfinite(state.sum), !bad)
                                    << isa.name << " " << hard << " token " << token << " where " << where << " head "
                                    << h << " number " << i;
                            }
                    }
}

TEST(KernelTable, Rope) {
    for (const Isa& isa : availableIsas())
        for (const int half : {1, 4, 8, 10, 16, 32, 40})
            for (const RopeOrder order : {RopeOrder::Interleaved, RopeOrder::Neox}) {
                auto x = randomFloats(size_t(2 * half), 1);
                const auto before = x;
                std::vector<float> table(size_t(2 * half));
                for (int i = 0; i < half; ++i) {
                    table[size_t(i)] = std::cos(0.3f * float(i + 1));
                    table[size_t(half + i)] = std::sin(0.3f * float(i + 1));
                }
                isa.kernels.rope[size_t(order)](x.data(), table.data(), half);
                for (int i = 0; i < half; ++i) {
                    const auto a = size_t(order == RopeOrder::Neox ? i : 2 * i);
                    const auto b = size_t(order == RopeOrder::Neox ? i + half : 2 * i + 1);
                    const float c = table[size_t(i)], s = table[size_t(half + i)];
                    ASSERT_NEAR(x[a], before[a] * c - before[b] * s, 1e-6) << isa.name;
                    ASSERT_NEAR(x[b], before[a] * s + before[b] * c, 1e-6) << isa.name;
                }
            }
}

} // namespace
} // namespace hearth::kernels::cpu
