#include "tests/kernels/machine.h"

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/stages.h"
#include "kernels/cpu/tile_check.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <csignal>
#include <optional>
#include <thread>

// Products of prompts in tiles: on machines without them through an emulation of the instructions, so that layout,
// order, edges and choice are tested everywhere that knows AVX-512.
namespace hearth::kernels::cpu {
namespace {

using tests::randomFloats;
using tests::randomWeights;
using tests::testScales;

/// Instruction sets with tiles: the processor's and the emulated ones, where they can run.
class TileProducts : public tests::TileTest {
protected:
    void SetUp() override {
        TileTest::SetUp();
        for (const std::string& name : names)
            isas.push_back(chooseIsa(name));
        withoutTiles = std::string(tests::availableIsas().front().name);
    }

    std::vector<Isa> isas;
    std::string withoutTiles; // the instruction set that theirs rests on
};

// --- The emulation ---------------------------------------------------------------------------------------------------

#if defined(HEARTH_TEST_TILES)

TileShapes shapesOf(int m, int n, int pairs) {
    TileShapes s;
    const int rows[] = {m, m, pairs}, columns[] = {n, pairs, n};
    for (size_t t = 0; t < 3; ++t)
        s.rows[t] = uint8_t(rows[t]), s.rowBytes[t] = uint16_t(4 * columns[t]);
    return s;
}

uint16_t bitsOf(float f) {
    return uint16_t(std::bit_cast<uint32_t>(f) >> 16);
}

/// Tile 0, `c`, after a product of tiles 1 and 2, `a` and `b`.
template <typename C, typename A, typename B, typename Product>
void addTo(C& c, const A& a, const B& b, const Product& product) {
    Tiles::load<0>(c, sizeof c[0]);
    Tiles::load<1>(a, sizeof a[0]);
    Tiles::load<2>(b, sizeof b[0]);
    product();
    Tiles::store<0>(c, sizeof c[0]);
}

TEST(Emulation, MultipliesPairsAndKeepsToItsShape) {
    constexpr int kM = 3, kN = 5, kPairs = 4;
    uint16_t a[kM][2 * kPairs], b[kPairs][2 * kN];
    float c[kM + 1][kN + 1], want[kM + 1][kN + 1];
    for (int m = 0; m < kM; ++m)
        for (int k = 0; k < 2 * kPairs; ++k)
            a[m][k] = bitsOf(float(m - k));
    for (int k = 0; k < kPairs; ++k)
        for (int i = 0; i < 2 * kN; ++i)
            b[k][i] = bitsOf(float(3 * k + i));
    for (int m = 0; m <= kM; ++m)
        for (int n = 0; n <= kN; ++n) {
            c[m][n] = want[m][n] = 100;
            for (int k = 0; k < 2 * kPairs && m < kM && n < kN; ++k)
                want[m][n] += float(m - k) * float(3 * (k / 2) + 2 * n + k % 2);
        }
    Tiles::configure(shapesOf(kM, kN, kPairs));
    addTo(c, a, b, [] { Tiles::addProduct<0, 1, 2>(); });
    EXPECT_EQ(0, std::memcmp(c, want, sizeof c));
    Tiles::clear<0>();
    Tiles::store<0>(c, sizeof c[0]);
    EXPECT_EQ(c[kM - 1][kN - 1], 0.0f);
    EXPECT_EQ(c[kM][kN], 100.0f);
    Tiles::release();
}

TEST(Emulation, MultipliesFoursOfSignedBytes) {
    constexpr int kM = 3, kN = 5, kFours = 2, kK = 4 * kFours;
    int8_t a[kM][kK], b[kFours][4 * kN];
    int32_t c[kM + 1][kN], want[kM + 1][kN];
    for (int m = 0; m < kM; ++m)
        for (int k = 0; k < kK; ++k)
            a[m][k] = int8_t(40 * m - 17 * k);
    for (int k = 0; k < kFours; ++k)
        for (int i = 0; i < 4 * kN; ++i)
            b[k][i] = int8_t(127 - 13 * i - 9 * k);
    for (int m = 0; m <= kM; ++m)
        for (int n = 0; n < kN; ++n) {
            c[m][n] = want[m][n] = -100;
            for (int k = 0; k < kK && m < kM; ++k)
                want[m][n] += int(a[m][k]) * int(b[k / 4][4 * n + k % 4]);
        }
    Tiles::configure(shapesOf(kM, kN, kFours));
    addTo(c, a, b, [] { Tiles::addInts<0, 1, 2>(); });
    EXPECT_EQ(0, std::memcmp(c, want, sizeof c));
    Tiles::release();
}

TEST(Emulation, TakesTinyNumbersForZeros) {
    const float tiny = 0x1p-130f, small = 0x1p-100f;
    const float products[][3] = {{tiny, 0x1p20f, 0.0f}, {small, small, 0.0f}, {small, 0x1p-20f, 0x1p-120f}};
    for (const auto& [x, w, want] : products) {
        const uint16_t a[2] = {bitsOf(x), 0}, b[2] = {bitsOf(w), 0};
        float sum = 0;
        Tiles::configure(shapesOf(1, 1, 1));
        Tiles::load<0>(&sum, 4), Tiles::load<1>(a, 4), Tiles::load<2>(b, 4);
        Tiles::addProduct<0, 1, 2>();
        Tiles::store<0>(&sum, 4);
        EXPECT_EQ(sum, want);
    }
    Tiles::release();
}

TEST(EmulationDeathTest, TilesThatAreNotThereAreIllegal) {
    float sum = 0;
    EXPECT_EXIT(Tiles::load<0>(&sum, 4), testing::KilledBySignal(SIGILL), "");
    Tiles::configure(shapesOf(1, 1, 1));
    EXPECT_EXIT(std::thread([] { Tiles::clear<0>(); }).join(), testing::KilledBySignal(SIGILL), "") << "another thread";
    EXPECT_EXIT(Tiles::clear<3>(), testing::KilledBySignal(SIGILL), "");
    EXPECT_EXIT((Tiles::addProduct<0, 0, 2>()), testing::KilledBySignal(SIGILL), "");
    Tiles::configure(shapesOf(2, 3, 4));
    EXPECT_EXIT((Tiles::addProduct<0, 2, 1>()), testing::KilledBySignal(SIGILL), "");
    EXPECT_EXIT((Tiles::addInts<0, 2, 1>()), testing::KilledBySignal(SIGILL), "");
    Tiles::release();
    EXPECT_EXIT(Tiles::store<0>(&sum, 4), testing::KilledBySignal(SIGILL), "");
}

#endif

// --- Rounding --------------------------------------------------------------------------------------------------------

/// To nearest even, from the definition; what is below the normal numbers is zero.
float plainRounded(float f) {
    if (std::isnan(f))
        return f;
    if (std::fabs(f) < 0x1p-126f)
        return std::copysign(0.0f, f);
    const uint32_t bits = std::bit_cast<uint32_t>(f), rest = bits & 0xffff, kept = bits & 0xffff0000u;
    const bool up = rest > 0x8000 || (rest == 0x8000 && (kept & 0x10000) != 0);
    return std::bit_cast<float>(kept + (up ? 0x10000u : 0u));
}

float fromBf16(uint16_t bits) {
    return std::bit_cast<float>(uint32_t(bits) << 16);
}

constexpr uint64_t kLine = kTileInputs * 2;

/// x as rows of bf16, with what the kernels say of the numbers: from floats, or from codes.
struct RoundedRows {
    std::vector<uint16_t> bits; // (steps, rows, kTileInputs), and one step more
    std::vector<float> values;  // (rows, k)
    int64_t rows;

    RoundedRows(const CpuKernels& kernels, const std::vector<float>& x, int64_t rowCount, int64_t k, bool codes)
        : rows(rowCount) {
        const int64_t steps = (k + kTileInputs - 1) / kTileInputs + 1;
        bits.assign(size_t(steps * rows * kTileInputs), 0x7fc0); // what is not written is NaN
        for (int64_t r = 0; r < rows; ++r) {
            const RoundedRow to{.out = reinterpret_cast<std::byte*>(&bits[at(r, 0)]), .step = step()};
            if (codes) {
                std::vector<A8Block> blocks(size_t(blocksOf(k)));
                kernels.quantize(x.data() + r * k, k, blocks.data());
                kernels.roundCodes(blocks.data(), k, to);
            } else {
                kernels.roundFloats(x.data() + r * k, k, to);
            }
            for (int64_t i = 0; i < k; ++i)
                values.push_back(fromBf16(bits[at(r, i)]));
        }
    }

    size_t at(int64_t row, int64_t column) const {
        return size_t((column / kTileInputs * rows + row) * kTileInputs + column % kTileInputs);
    }

    uint64_t step() const { return uint64_t(rows) * kLine; }

    const std::byte* from(int64_t row, int64_t column) const {
        return reinterpret_cast<const std::byte*>(&bits[at(row, column)]);
    }
};

TEST_F(TileProducts, ActivationsAreRoundedToNearestEven) {
    for (const Isa& isa : isas)
        for (const int64_t n : {1, 15, 16, 17, 31, 32, 33, 80, 256, 300, 577}) {
            std::vector<float> x = randomFloats(size_t(n), uint32_t(n), 3.0f);
            const float hard[] = {1 + 0x1p-8f, 1 + 0x3p-8f, -1 - 0x1p-8f, 1 + 0x1p-8f + 0x1p-20f,
                                  INFINITY,    -INFINITY,   3.4e38f,      1e-40f,
                                  -0.0f,       NAN};
            for (size_t i = 0; i < x.size(); i += 3)
                x[i] = hard[i / 3 % std::size(hard)];
            const RoundedRows got(isa.kernels, x, 1, n, false);
            for (int64_t i = 0; i < int64_t(got.bits.size()); ++i) {
                const float f = fromBf16(got.bits[size_t(i)]);
                if (i >= n + (kTileInputs - n % kTileInputs) % kTileInputs || (i < n && std::isnan(x[size_t(i)])))
                    ASSERT_TRUE(std::isnan(f)) << isa.name << " " << i << " of " << n;
                else
                    ASSERT_EQ(std::bit_cast<uint32_t>(f),
                              std::bit_cast<uint32_t>(i < n ? plainRounded(x[size_t(i)]) : 0.0f))
                        << isa.name << " " << i << " of " << n;
            }
        }
}

/// What rounding takes from a number, rounded; of one that has no finite rounding nothing.
float plainLow(float f) {
    const float high = plainRounded(f);
    return std::isfinite(high) ? plainRounded(f - high) : 0.0f;
}

TEST_F(TileProducts, WhatRoundingTakesIsKept) {
    for (const Isa& isa : isas)
        for (const int n : {7, 32, 45}) {
            std::vector<float> x = randomFloats(size_t(n), uint32_t(n));
            x[0] = INFINITY, x[1] = NAN, x[2] = 3.4e38f, x[3] = -0x1.ffp-100f, x[4] = 1.0f;
            std::vector<uint16_t> high(64), low(64, 0x7fc0);
            isa.kernels.roundFloats(x.data(), n,
                                    {.out = reinterpret_cast<std::byte*>(high.data()),
                                     .step = kLine,
                                     .low = reinterpret_cast<std::byte*>(low.data())});
            for (int i = 0; i < (n + 31) / 32 * 32; ++i)
                EXPECT_EQ(fromBf16(low[size_t(i)]), i < n ? plainLow(x[size_t(i)]) : 0.0f) << isa.name << " " << i;
            std::vector<float> panel(size_t(n) * kPanelOutputs);
            for (size_t i = 0; i < panel.size(); ++i)
                panel[i] = x[i % size_t(n)] * float(1 + i % 3);
            std::vector<uint16_t> w(64 * kPanelOutputs), lowW(w.size(), 0x7fc0);
            isa.kernels.roundPanel[size_t(Type::F16)](
                {.panel = panel.data(), .cols = n, .out = w.data(), .low = lowW.data()});
            for (int i = 0; i < n; ++i)
                for (int o = 0; o < kPanelOutputs; ++o) {
                    const int at = (i / 32 * 2 + o / 16) * 512 + i % 32 / 2 * 32 + o % 16 * 2 + i % 2;
                    ASSERT_EQ(fromBf16(lowW[size_t(at)]), plainLow(panel[size_t(i * kPanelOutputs + o)]))
                        << isa.name << " " << i << " " << o;
                }
        }
}

TEST_F(TileProducts, CodesOfActivationsAreRoundedToNearestEven) {
    for (const Isa& isa : isas)
        for (const int64_t k : {32, 96, 256, 544}) {
            const std::vector<float> x = randomFloats(size_t(k), uint32_t(k));
            std::vector<A8Block> blocks(size_t(blocksOf(k)));
            isa.kernels.quantize(x.data(), k, blocks.data());
            const RoundedRows got(isa.kernels, x, 1, k, true);
            for (int64_t i = 0; i < k; ++i) {
                const A8Block& b = blocks[size_t(i / 256)];
                const float plain = b.scale[i % 256 / 32] * float(b.q[isa.kernels.codeAt(int(i % 256))]);
                ASSERT_EQ(got.values[size_t(i)], plainRounded(plain)) << isa.name << " " << i;
            }
        }
}

// --- Products --------------------------------------------------------------------------------------------------------

/// A weight and rows that meet.
struct Case {
    Type type;
    int64_t k;
    int rows, outputs;
    bool codes; // the activations come from 8 bits
};

std::vector<float> panelProduct(const CpuKernels& kernels, const Case& c, const std::vector<std::byte>& weights,
                                const RoundedRows& x, int first, int rows, int64_t step) {
    const QuantType& format = quantType(c.type);
    const auto scales = testScales(c.type, c.outputs, c.k);
    std::vector<float> acc(size_t(rows) * kPanelOutputs, 99.0f);
    std::vector<std::byte> panel(size_t(128) << 10);
    std::vector<uint16_t> rounded(size_t(kPanelInputsBf16 * kPanelOutputs));
    for (int64_t at = 0; at < c.k; at += step) {
        const int64_t cols = std::min(step, c.k - at);
        const Unpack part{.weights = weights.data() + at / format.block * format.bytes,
                          .stride = rowBytes(c.type, c.k),
                          .outputs = c.outputs,
                          .cols = cols,
                          .panel = panel.data(),
                          .scales = scalesFrom(scales.view(), 0, at)};
        if (format.block > 1) {
            kernels.unpackRounded[size_t(c.type)]({.weights = part, .out = rounded.data()});
        } else {
            kernels.unpackF32[size_t(c.type)](part);
            kernels.roundPanel[size_t(c.type)]({.panel = panel.data(), .cols = cols, .out = rounded.data()});
        }
        kernels.gemmBf16({.panel = rounded.data(),
                          .cols = cols,
                          .x = x.from(first, at),
                          .xStride = x.step(),
                          .rows = rows,
                          .sums = {.acc = acc.data(), .accStride = kPanelOutputs, .first = at == 0}});
    }
    return acc;
}

/// Against sums of the rounded activations and the weights. Rounding to bf16's eight bits costs at most 2^-8 of a
/// weight, so of a sum at most 2^-8 of the products' magnitudes; adding in f32 costs less than 1e-5 of them. Against
/// weights that are rounded here only that is left, but where a format's numbers, computed in another order, fall
/// beside a tie: one unit of bf16 each.
void checkProduct(const Isa& isa, const Case& c) {
    const auto weights = randomWeights(c.type, c.outputs, c.k, uint32_t(c.k + c.rows));
    const std::vector<float> w = tests::decoded(c.type, weights, c.outputs, c.k);
    const RoundedRows x(isa.kernels, randomFloats(size_t(c.rows * c.k), 3), c.rows, c.k, c.codes);
    const std::string what = std::string(isa.name) + " " + std::string(quantType(c.type).name) + " k " +
                             std::to_string(c.k) + " rows " + std::to_string(c.rows) + " outputs " +
                             std::to_string(c.outputs);
    const auto acc = panelProduct(isa.kernels, c, weights, x, 0, c.rows, kPanelInputsBf16);
    for (int r = 0; r < c.rows; ++r)
        for (int n = 0; n < kPanelOutputs; ++n) {
            double want = 0, nearWant = 0, magnitude = 0, largest = 0;
            for (int64_t i = 0; i < c.k && n < c.outputs; ++i) {
                const double xi = double(x.values[size_t(r * c.k + i)]);
                const float wi = w[size_t(n * c.k + i)];
                want += xi * double(wi);
                nearWant += xi * double(plainRounded(wi));
                magnitude += std::fabs(xi * double(wi));
                largest = std::max(largest, std::fabs(xi * double(wi)));
            }
            const double got = double(acc[size_t(r * kPanelOutputs + n)]);
            ASSERT_LE(std::fabs(got - want), (0x1p-8 + 1e-5) * magnitude) << what;
            ASSERT_LE(std::fabs(got - nearWant), 1e-5 * magnitude + 2 * 0x1p-7 * largest) << what;
        }
    // Neither the rows beside it nor the cut between panels change a row's bits.
    ASSERT_EQ(acc, panelProduct(isa.kernels, c, weights, x, 0, c.rows, 256)) << what;
    for (int r = 0; r < c.rows; ++r) {
        const auto alone = panelProduct(isa.kernels, c, weights, x, r, 1, kPanelInputsBf16);
        ASSERT_EQ(0, std::memcmp(alone.data(), acc.data() + r * kPanelOutputs, kPanelOutputs * 4)) << what << " " << r;
    }
}

std::vector<int64_t> inputSizes(const QuantType& type) {
    const int64_t block = type.block;
    if (block == 256)
        return {256, 768};
    if (block > 1)
        return {block, 3 * block, 320, 576};
    return {1, 7, 32, 80, 152, 600};
}

TEST_F(TileProducts, EveryFormat) {
    for (const Isa& isa : isas)
        for (const QuantType& type : quantTypes())
            for (const int64_t k : inputSizes(type))
                for (const auto& [rows, outputs] : {std::pair{1, 32}, {5, 19}, {16, 1}, {17, 32}, {32, 32}, {49, 31}})
                    for (const bool codes : {false, true}) {
                        if (codes && k % 32 != 0)
                            continue;
                        checkProduct(isa, {type.type, k, rows, outputs, codes});
                        if (HasFatalFailure())
                            return;
                    }
}

/// Sums that begin with rows of other numbers, or with the same for all, and that end elsewhere.
TEST_F(TileProducts, BeginAndEndWhereTheyAreTold) {
    constexpr int kCols = 96, kStride = kPanelOutputs + 5;
    for (const Isa& isa : isas)
        for (const int rows : {1, 16, 17, 32, 49})
            for (const int64_t beginStride : {0, kStride}) {
                const RoundedRows x(isa.kernels, randomFloats(size_t(rows) * kCols, 3), rows, kCols, false);
                const auto weights = randomWeights(Type::BF16, kPanelOutputs, kCols, 5);
                std::vector<float> panel(size_t(kCols) * kPanelOutputs);
                std::vector<uint16_t> rounded(panel.size());
                isa.kernels.unpackF32[size_t(Type::BF16)]({.weights = weights.data(),
                                                           .stride = rowBytes(Type::BF16, kCols),
                                                           .outputs = kPanelOutputs,
                                                           .cols = kCols,
                                                           .panel = panel.data()});
                isa.kernels.roundPanel[size_t(Type::BF16)](
                    {.panel = panel.data(), .cols = kCols, .out = rounded.data(), .low = nullptr});
                const std::vector<float> begin = randomFloats(size_t(rows) * kStride, 9);
                std::vector<float> acc(size_t(rows) * kPanelOutputs), out(size_t(rows) * kStride, 99.0f);
                for (int r = 0; r < rows; ++r)
                    std::copy_n(begin.begin() + r * beginStride, kPanelOutputs, acc.begin() + r * kPanelOutputs);
                Gemm product{.panel = rounded.data(),
                             .cols = kCols,
                             .x = x.from(0, 0),
                             .xStride = x.step(),
                             .rows = rows,
                             .sums = {.acc = acc.data(), .accStride = kPanelOutputs, .first = false}};
                isa.kernels.gemmBf16(product);
                std::vector<float> untouched(acc.size(), 77.0f);
                product.sums.acc = untouched.data();
                product.sums.first = true;
                product.sums.begin = begin.data(), product.sums.beginStride = beginStride;
                product.sums.out = out.data(), product.sums.outStride = kStride;
                isa.kernels.gemmBf16(product);
                for (int r = 0; r < rows; ++r) {
                    for (int n = 0; n < kPanelOutputs; ++n)
                        ASSERT_EQ(out[size_t(r * kStride + n)], acc[size_t(r * kPanelOutputs + n)])
                            << isa.name << " rows " << rows << " row " << r << " output " << n;
                    for (int n = kPanelOutputs; n < kStride; ++n)
                        ASSERT_EQ(out[size_t(r * kStride + n)], 99.0f) << isa.name << " wrote beside a row";
                }
                EXPECT_EQ(untouched, std::vector<float>(acc.size(), 77.0f)) << isa.name;
            }
}

/// Whole numbers, so that each product has one right answer: several panels and steps, the last of them partial.
void expectManyPanels(const std::vector<Isa>& isas, PanelForm form) {
    constexpr int64_t kOutputs = 300, kCols = 1100, kOutStride = kOutputs + 20;
    std::vector<float> w = randomFloats(size_t(kOutputs * kCols), 5);
    for (float& f : w)
        f = std::round(f);
    const Rows weight{.data = reinterpret_cast<std::byte*>(w.data()),
                      .stride = uint64_t(kCols) * 4,
                      .rows = kOutputs,
                      .cols = kCols,
                      .type = Type::F32};
    std::vector<float> bias = randomFloats(size_t(kOutputs), 6);
    for (float& f : bias)
        f = std::round(f * 8);
    const std::unique_ptr<std::byte[]> memory(new std::byte[kScratchBytes + 64]);
    std::byte* scratch = memory.get() + 64 - reinterpret_cast<uintptr_t>(memory.get()) % 64;
    for (const Isa& isa : isas)
        for (const int64_t rows : {1, 17, 40}) {
            std::vector<float> numbers = randomFloats(size_t(rows * kCols), 7);
            for (float& f : numbers)
                f = std::round(f * 2);
            const bool floats = form == PanelForm::F32;
            std::optional<RoundedRows> x;
            if (!floats)
                x.emplace(isa.kernels, numbers, rows, kCols, false);
            for (const bool biased : {false, true})
                for (const bool accumulate : {false, true}) {
                    std::fill_n(scratch, kScratchBytes, std::byte{0xff}); // NaN
                    std::vector<float> out(size_t(rows * kOutStride), 3.0f);
                    for (int64_t output = 0; output < kOutputs; output += 8 * kPanelOutputs)
                        multiplyPanels(isa.kernels,
                                       {.weight = weight,
                                        .output = output,
                                        .outputs = 8 * kPanelOutputs,
                                        .form = form,
                                        .x = floats ? reinterpret_cast<std::byte*>(numbers.data()) : x->from(0, 0),
                                        .xStride = floats ? uint64_t(kCols) * 4 : x->step(),
                                        .low = 0,
                                        .rows = rows,
                                        .bias = biased ? bias.data() : nullptr,
                                        .out = reinterpret_cast<std::byte*>(out.data()),
                                        .outStride = kOutStride * 4,
                                        .accumulate = accumulate},
                                       scratch);
                    for (int64_t r = 0; r < rows; ++r)
                        for (int64_t n = 0; n < kOutStride; ++n) {
                            double want = n >= kOutputs || accumulate ? 3 : 0;
                            if (n < kOutputs && biased)
                                want += double(bias[size_t(n)]);
                            for (int64_t i = 0; i < kCols && n < kOutputs; ++i)
                                want += double(numbers[size_t(r * kCols + i)]) * double(w[size_t(n * kCols + i)]);
                            ASSERT_EQ(double(out[size_t(r * kOutStride + n)]), want)
                                << isa.name << " rows " << rows << " row " << r << " output " << n
                                << (biased ? " biased" : "") << (accumulate ? " accumulated" : "");
                        }
                }
        }
}

TEST_F(TileProducts, OfManyPanels) {
    expectManyPanels(isas, PanelForm::Bf16);
}

TEST(FloatProducts, OfManyPanels) {
    std::vector<Isa> all;
    for (const std::string& name : tests::isaNames())
        all.push_back(chooseIsa(name));
    expectManyPanels(all, PanelForm::F32);
}

// --- Choice ----------------------------------------------------------------------------------------------------------

TEST_F(TileProducts, AreCheckedBeforeTheyAreChosen) {
    for (const Isa& isa : isas) {
        EXPECT_TRUE(multipliesRight(isa.kernels)) << isa.name;
        static CpuKernels good;
        good = isa.kernels;
        CpuKernels wrong = good;
        wrong.gemmBf16 = [](const Gemm& a) {
            good.gemmBf16(a);
            a.sums.acc[(a.rows - 1) * a.sums.accStride + kPanelOutputs - 1] += 1;
        };
        EXPECT_FALSE(multipliesRight(wrong)) << "one sum is wrong";
        wrong.gemmBf16 = [](const Gemm& a) {
            Gemm all = a;
            all.sums.first = true;
            good.gemmBf16(all);
        };
        EXPECT_FALSE(multipliesRight(wrong)) << "sums do not go on";
        wrong = good;
        wrong.roundPanel[size_t(Type::F32)] = [](const RoundPanel& a) {
            good.roundPanel[size_t(Type::F32)](a);
            std::swap(a.out[0], a.out[1]);
        };
        EXPECT_FALSE(multipliesRight(wrong)) << "two weights changed places";
        wrong = good;
        wrong.attendTiles[size_t(Type::Q8_0)] = [](const Attend& a) {
            good.attendTiles[size_t(Type::Q8_0)](a);
            a.o[a.heads * a.vDim - 1] *= 1.1f;
        };
        EXPECT_FALSE(multipliesRight(wrong)) << "a sum of values is wrong";
    }
}

TEST(TileShape, OfBytesAndFloats) {
    for (const PanelForm form : {PanelForm::Int8, PanelForm::F32, PanelForm::Coded})
        for (const int64_t k : {1, 576, 2048, 14336, 53248})
            for (const int64_t outputs : {1, 512, 2048, 11008})
                for (const int threads : {1, 2, 16, 128}) {
                    const TileShape s = tileShape(form, k, 512, outputs, threads);
                    EXPECT_TRUE(s.rows >= 128 && s.rows <= 512) << s.rows;
                    EXPECT_EQ(s.outputs % kPanelOutputs, 0);
                    EXPECT_TRUE(s.outputs >= kPanelOutputs && s.outputs <= 4 * kPanelOutputs);
                    if (s.outputs > kPanelOutputs) {
                        EXPECT_GE(outputs / s.outputs, 4 * threads);
                    }
                    if (form != PanelForm::Coded && s.outputs > kPanelOutputs) {
                        EXPECT_LE(s.outputs * k * s.rows, 1 << 28);
                    }
                }
    EXPECT_EQ(tileShape(PanelForm::Int8, 2048, 512, 8192, 2).outputs, 128);
    EXPECT_EQ(tileShape(PanelForm::Int8, 53248, 512, 8192, 2).outputs, 32);
}

TEST(TileShape, OfTilesGivesEveryThreadSeveralShortOnes) {
    for (const int64_t k : {1, 576, 2048, 8192, 28672})
        for (const int64_t rows : {1, 100, 512, 5000})
            for (const int64_t outputs : {1, 512, 2048, 11008})
                for (const int threads : {1, 2, 16, 128}) {
                    const TileShape s = tileShape(PanelForm::Bf16, k, rows, outputs, threads);
                    EXPECT_EQ(s.rows, 512);
                    EXPECT_EQ(s.outputs % kPanelOutputs, 0);
                    EXPECT_TRUE(s.outputs >= kPanelOutputs && s.outputs <= 8 * kPanelOutputs);
                    if (s.outputs > kPanelOutputs) {
                        EXPECT_GE(outputs / s.outputs, 4 * threads);
                        EXPECT_LE(s.outputs * k * std::min<int64_t>(rows, 512), 1 << 30);
                    }
                }
    EXPECT_EQ(tileShape(PanelForm::Bf16, 2048, 512, 8192, 2).outputs, 256);
    EXPECT_EQ(tileShape(PanelForm::Bf16, 8192, 512, 4096, 2).outputs, 256);
    EXPECT_EQ(tileShape(PanelForm::Bf16, 28672, 512, 8192, 2).outputs, 64);
    EXPECT_EQ(tileShape(PanelForm::Bf16, 2048, 512, 512, 8).outputs, 32);
}

// --- Whole plans -----------------------------------------------------------------------------------------------------

using tests::Machine;

/// One product of prompts of three weights, and what it reads.
struct Plan {
    static constexpr int kRows = 70, kN = 300;

    Machine m;
    OperationList list;
    Tensor x, q8, outs[3];

    Plan(const std::string& isa, int threads, bool eight, Rounding rounding, int64_t k = 288)
        : m(threads, isa), list{.path = Path::Prefill, .rows = kRows, .batch = m.batch(kRows), .rounding = rounding} {
        x = m.floats(kRows, k, randomFloats(size_t(kRows * k), 1));
        Activations in{.f32 = x};
        if (eight) {
            in.q8 = m.tensor(Type::A8, kRows, k);
            list.operations.push_back(Quantize{.x = x, .out = in.q8});
        }
        MatMul product{.x = in};
        const Type types[] = {Type::Q4_0, Type::F16, Type::Q8_0};
        for (size_t i = 0; i < 3; ++i) {
            outs[i] = m.tensor(Type::F32, kRows, kN);
            product.parts.push_back({.weight = m.weights(types[i], kN, k, uint32_t(i)), .out = outs[i]});
        }
        list.operations.push_back(product);
    }

    std::vector<float> run() {
        m.run(list);
        std::vector<float> all;
        for (const Tensor& out : outs) {
            const auto numbers = m.read(out);
            all.insert(all.end(), numbers.begin(), numbers.end());
        }
        return all;
    }

    uint64_t bytes() { return m.backend->compile(list)->bytes(); }
};

TEST_F(TileProducts, PlansRoundWhatTheyMay) {
    const auto exact = Plan("reference", 1, false, Rounding::None).run();
    double squares = 0;
    for (const float f : exact)
        squares += double(f) * double(f);

    constexpr struct {
        bool eight;
        Rounding rounding;
        double error; // of all sums, relative; 8 bits cost 1 %
    } kWays[] = {{true, Rounding::None, 0.012},
                 {true, Rounding::Whole, 0.003}, // from the floats that are there too
                 {false, Rounding::Whole, 0.003},
                 {false, Rounding::Split, 0x1p-16}};

    for (const Isa& isa : isas) {
        const std::string name(isa.name);
        EXPECT_EQ(Plan(name, 1, false, Rounding::None).run(), Plan(withoutTiles, 1, false, Rounding::None).run())
            << "exact: the same bits";
        for (const auto& way : kWays) {
            const auto got = Plan(name, 1, way.eight, way.rounding).run();
            double errors = 0;
            for (size_t i = 0; i < exact.size(); ++i)
                errors += std::pow(double(got[i]) - double(exact[i]), 2);
            EXPECT_GT(errors, 0);
            EXPECT_LT(std::sqrt(errors / squares), way.error) << name;
            EXPECT_EQ(got, Plan(name, 3, way.eight, way.rounding).run()) << name;
        }
    }
}

TEST_F(TileProducts, GroupsOfTheInputLieApart) {
    constexpr int kHeads = 5, kN = 40, kRows = 33;
    for (const Isa& isa : isas)
        for (const Type type : {Type::Q8_0, Type::BF16})
            for (const int64_t k : {int64_t(64), int64_t(type == Type::BF16 ? 47 : 288)}) {
                Machine m(2, std::string(isa.name));
                OperationList list{
                    .path = Path::Prefill, .rows = kRows, .batch = m.batch(kRows), .rounding = Rounding::Whole};
                const auto numbers = randomFloats(size_t(kRows * kHeads * k), 1);
                const Tensor x = m.floats(kRows, kHeads * k, numbers);
                Activations in{.f32 = x};
                if (type == Type::Q8_0) { // codes alone
                    in = {.q8 = m.tensor(Type::A8, kRows, kHeads * blocksOf(k) * 256)};
                    list.operations.push_back(Quantize{.x = x, .groupCols = k, .out = in.q8});
                }
                MatMul product{.x = in};
                for (int h = 0; h < kHeads; ++h)
                    product.parts.push_back({.weight = m.weights(type, kN, k, uint32_t(h)),
                                             .out = m.tensor(Type::F32, kRows, kN),
                                             .group = h});
                list.operations.push_back(product);
                m.run(list);
                for (int h = 0; h < kHeads; ++h) {
                    const auto w = tests::decoded(type, randomWeights(type, kN, k, uint32_t(h)), kN, k);
                    const auto got = m.read(product.parts[size_t(h)].out);
                    for (int r = 0; r < kRows; ++r)
                        for (int n = 0; n < kN; ++n) {
                            double want = 0, magnitude = 0;
                            for (int64_t i = 0; i < k; ++i) {
                                const double p =
                                    double(w[size_t(n * k + i)]) * double(numbers[size_t((r * kHeads + h) * k + i)]);
                                want += p, magnitude += std::fabs(p);
                            }
                            ASSERT_NEAR(double(got[size_t(r * kN + n)]), want, 0.012 * magnitude) << isa.name << h;
                        }
                }
            }
}

TEST_F(TileProducts, PlansTellTheBytesOfRoundedInputs) {
    for (const Isa& isa : isas)
        for (const int64_t k : {288, 2048}) {
            const auto bytes = [&](bool eight, Rounding rounding) {
                return Plan(std::string(isa.name), 1, eight, rounding, k).bytes();
            };
            const uint64_t none = Plan(withoutTiles, 1, true, Rounding::Whole, k).bytes();
            const auto rounded = [&](Rounding r) { return none + cpuRoundedBytes(Plan::kRows, uint64_t(k), r); };
            EXPECT_EQ(bytes(false, Rounding::None), none);
            EXPECT_EQ(bytes(true, Rounding::None), rounded(Rounding::Whole));
            EXPECT_EQ(bytes(false, Rounding::Whole), rounded(Rounding::Whole));
            EXPECT_EQ(bytes(false, Rounding::Split), rounded(Rounding::Split));
        }
    EXPECT_GE(cpuRoundedBytes(70, 288, Rounding::Whole), 70u * 288 * 2);
    EXPECT_LE(cpuRoundedBytes(70, 2048, Rounding::Whole), 70u * (2048 * 2 + 64) + 64);
    EXPECT_GE(cpuRoundedBytes(70, 288, Rounding::Split), 70u * 288 * 4);
    EXPECT_EQ(cpuRoundedBytes(70, 288, Rounding::None), 0u);
}

} // namespace
} // namespace hearth::kernels::cpu
