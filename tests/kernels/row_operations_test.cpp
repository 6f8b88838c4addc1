#include "tests/kernels/machine.h"

#include <gtest/gtest.h>

#include <cmath>

// Operations on rows, and products of groups of columns, through the public interface against plain arithmetic.
namespace hearth::kernels {
namespace {

using tests::decoded;
using tests::isaNames;
using tests::Machine;
using tests::randomFloats;
using tests::randomWeights;

TEST(Gather, ByTokenPositionAndFirst) {
    constexpr int kTable = 6, kCols = 288;
    const Machine::Row rows[] = {{2, 0, 5}, {0, 0, 1}, {9, 0, 99}, {-4, 0, -1}};
    for (const std::string& isa : isaNames())
        for (const Type type : {Type::F32, Type::Q8_0, Type::F8_E4M3})
            for (const RowIndex index : {RowIndex::Token, RowIndex::Position, RowIndex::First})
                for (const bool accumulate : {false, true}) {
                    Machine m(2, isa);
                    OperationList list{.path = Path::Decode, .rows = 5, .batch = m.batch(5)};
                    m.setRows(list.batch, {std::begin(rows), std::end(rows)});
                    const auto before = randomFloats(5 * kCols, 2);
                    const Tensor out = m.floats(5, kCols, before);
                    list.operations = {Gather{.table = m.weights(type, kTable, kCols, 1),
                                              .out = out,
                                              .scale = 1.5f,
                                              .index = index,
                                              .accumulate = accumulate}};
                    m.run(list);
                    const auto got = m.read(out),
                               table = decoded(type, randomWeights(type, kTable, kCols, 1), kTable, kCols);
                    for (int r = 0; r < 4; ++r) {
                        const int wanted = index == RowIndex::Token      ? rows[r].id
                                           : index == RowIndex::Position ? rows[r].position
                                                                         : 0;
                        const int from = std::clamp(wanted, 0, kTable - 1);
                        for (int c = 0; c < kCols; ++c)
                            ASSERT_NEAR(got[size_t(r * kCols + c)],
                                        table[size_t(from * kCols + c)] * 1.5f +
                                            (accumulate ? before[size_t(r * kCols + c)] : 0.0f),
                                        1e-6)
                                << isa << " row " << r << " column " << c;
                    }
                    EXPECT_EQ(got.back(), before.back()) << "a row that is not live";
                }
}

TEST(Norm, WeightsOfEachGroup) {
    constexpr int kRows = 3, kCols = 60, kGroup = 20;
    for (const std::string& isa : isaNames())
        for (const NormKind kind : {NormKind::Rms, NormKind::Layer})
            for (const int weightCols : {kGroup, kCols}) {
                Machine m(1, isa);
                const auto x = randomFloats(kRows * kCols, 1), w = randomFloats(kCols, 2), b = randomFloats(kCols, 3);
                const Tensor out = m.tensor(Type::F32, kRows, kCols);
                OperationList list{.path = Path::Decode, .rows = kRows, .batch = m.batch(kRows)};
                list.operations = {Norm{.kind = kind,
                                        .groupCols = kGroup,
                                        .x = m.floats(kRows, kCols, x),
                                        .weight = m.floats(1, weightCols, {w.begin(), w.begin() + weightCols}),
                                        .bias = m.floats(1, kCols, b),
                                        .out = {.f32 = out}}};
                m.run(list);
                const auto got = m.read(out);
                for (int g = 0; g < kRows * kCols; g += kGroup) {
                    double mean = 0, squares = 0;
                    for (int i = 0; i < kGroup && kind == NormKind::Layer; ++i)
                        mean += double(x[size_t(g + i)]) / kGroup;
                    for (int i = 0; i < kGroup; ++i)
                        squares += (double(x[size_t(g + i)]) - mean) * (double(x[size_t(g + i)]) - mean) / kGroup;
                    for (int i = 0; i < kGroup; ++i) {
                        const int column = g % kCols + i;
                        const double want = (double(x[size_t(g + i)]) - mean) / std::sqrt(squares + 1e-5) *
                                                double(w[size_t(column % weightCols)]) +
                                            double(b[size_t(column)]);
                        ASSERT_NEAR(got[size_t(g + i)], want, 1e-5) << isa << " " << weightCols;
                    }
                }
            }
}

// --- Quantize, and products of groups ------------------------------------------------------------------------------

TEST(Quantize, EachGroupBeginsABlock) {
    constexpr int kRows = 3, kGroup = 80, kGroups = 4;
    for (const cpu::Isa& rowSet : tests::availableIsas()) {
        const std::string isa(rowSet.name);
        const auto codeAt = rowSet.kernels.codeAt;
        Machine m(2, isa);
        const auto numbers = randomFloats(kRows * kGroup * kGroups, 1);
        OperationList list{.path = Path::Decode, .rows = kRows, .batch = m.batch(kRows)};
        const Tensor x = m.floats(kRows, kGroup * kGroups, numbers);
        const Tensor grouped = m.tensor(Type::A8, kRows, 256 * kGroups),
                     whole = m.tensor(Type::A8, kRows, kGroup * kGroups);
        list.operations = {Quantize{.x = x, .groupCols = kGroup, .out = grouped}, Quantize{.x = x, .out = whole}};
        m.run(list);
        std::vector<cpu::A8Block> blocks(kRows * kGroups), rows(kRows * 2);
        m.backend->read(grouped.memory, 0, std::as_writable_bytes(std::span(blocks)));
        m.backend->read(whole.memory, 0, std::as_writable_bytes(std::span(rows)));
        for (int i = 0; i < kRows * kGroup * kGroups; ++i) {
            const cpu::A8Block& block = blocks[size_t(i / kGroup)];
            const float scale = block.scale[i % kGroup / 32];
            ASSERT_NEAR(float(block.q[codeAt(i % kGroup)]) * scale, numbers[size_t(i)], scale * 0.51f) << isa;
            const int column = i % (kGroup * kGroups);
            const cpu::A8Block& other = rows[size_t(i / (kGroup * kGroups) * 2 + column / 256)];
            const float otherScale = other.scale[column % 256 / 32];
            ASSERT_NEAR(float(other.q[codeAt(column % 256)]) * otherScale, numbers[size_t(i)], otherScale * 0.51f)
                << isa;
        }
        for (const cpu::A8Block& block : blocks)
            for (int i = kGroup; i < 256; ++i)
                ASSERT_TRUE(block.q[codeAt(i)] == 0 && (i < 96 || block.scale[i / 32] == 0.0f)) << "padding";
    }
}

struct GroupCase {
    Type type;
    int k, groups;
    int longerK = 0; // of one part more, which reads from column 0
};

constexpr int kMostRows = 40, kOutputs = 37;

/// A matrix for each group of columns, in one operation.
std::vector<float> runGroups(const GroupCase& c, const std::string& isa, Path path, int threads, bool exact,
                             int together) {
    Machine m(threads, isa);
    OperationList list{.path = path, .rows = together, .batch = m.batch(together)};
    const int cols = c.k * c.groups, parts = c.groups + (c.longerK > 0 ? 1 : 0);
    const auto numbers = randomFloats(size_t(kMostRows * cols), 1), bias = randomFloats(kOutputs, 2);
    const Tensor x = m.tensor(Type::F32, together, cols), out = m.tensor(Type::F32, together, kOutputs * parts);
    MatMul product;
    product.x.f32 = x;
    if (!exact) {
        product.x.f32 = {};
        product.x.q8 = m.tensor(Type::A8, together, int64_t((c.k + 255) / 256 * 256) * c.groups);
        list.operations.push_back(Quantize{.x = x, .groupCols = c.k, .out = product.x.q8});
    }
    for (int p = 0; p < parts; ++p) {
        const int k = p < c.groups ? c.k : c.longerK;
        Tensor to = out;
        to.offset = uint64_t(p * kOutputs) * 4, to.cols = kOutputs;
        product.parts.push_back({.weight = m.weights(c.type, kOutputs, k, uint32_t(10 + p)),
                                 .bias = p == 0 ? m.floats(1, kOutputs, bias) : Tensor{},
                                 .out = to,
                                 .group = p < c.groups ? c.groups - 1 - p : 0});
    }
    list.operations.push_back(product);
    const auto plan = m.backend->compile(list);
    std::vector<float> all;
    for (int at = 0; at < kMostRows; at += together) {
        const int count = std::min(together, kMostRows - at);
        m.set(list.batch.rowCount, {count});
        m.setPart(x, numbers, at, count);
        EXPECT_TRUE(m.backend->run(*plan));
        const auto part = m.read(out);
        all.insert(all.end(), part.begin(), part.begin() + long(count) * out.cols);
    }
    return all;
}

void expectGroups(const GroupCase& c, const std::string& what, const std::vector<float>& got, bool exact) {
    const int cols = c.k * c.groups, parts = c.groups + (c.longerK > 0 ? 1 : 0);
    const auto x = randomFloats(size_t(kMostRows * cols), 1), bias = randomFloats(kOutputs, 2);
    double squares = 0, errors = 0;
    for (int p = 0; p < parts; ++p) {
        const int k = p < c.groups ? c.k : c.longerK, first = p < c.groups ? (c.groups - 1 - p) * c.k : 0;
        const auto w = decoded(c.type, randomWeights(c.type, kOutputs, k, uint32_t(10 + p)), kOutputs, k);
        for (int r = 0; r < kMostRows; ++r)
            for (int n = 0; n < kOutputs; ++n) {
                double want = p == 0 ? double(bias[size_t(n)]) : 0;
                for (int i = 0; i < k; ++i)
                    want += double(w[size_t(n * k + i)]) * double(x[size_t(r * cols + first + i)]);
                const double error = double(got[size_t((r * parts + p) * kOutputs + n)]) - want;
                squares += want * want, errors += error * error;
            }
    }
    EXPECT_LT(std::sqrt(errors / squares), exact ? 1e-5 : 0.02) << what;
}

TEST(MatMul, GroupsOfColumns) {
    const GroupCase cases[] = {{Type::Q8_0, 64, 3},    {Type::Q4_K, 256, 2},        {Type::F16, 20, 5, 100},
                               {Type::F32, 33, 2, 49}, {Type::F8_E4M3, 48, 3, 130}, {Type::F8_E4M3, 610, 2},
                               {Type::Q5_1, 288, 2}};
    for (const std::string& isa : isaNames())
        for (const GroupCase& c : cases)
            for (const bool exact : {true, false})
                for (const Path path : {Path::Decode, Path::Prefill}) {
                    if (!exact && quantType(c.type).block == 1)
                        continue;
                    const std::string what = isa + " " + std::string(quantType(c.type).name);
                    const auto alone = runGroups(c, isa, path, 1, exact, 1);
                    expectGroups(c, what, alone, exact);
                    EXPECT_EQ(alone, runGroups(c, isa, path, 2, exact, 7)) << what;
                    EXPECT_EQ(alone, runGroups(c, isa, path, 2, exact, path == Path::Decode ? 16 : kMostRows)) << what;
                }
}

TEST(MatMul, GroupsBeyondTheColumnsAreRefused) {
    Machine m;
    OperationList list{.path = Path::Decode, .rows = 2, .batch = m.batch(2)};
    const auto said = [&](Activations x, int64_t group) {
        list.operations = {MatMul{
            .x = x,
            .parts = {{.weight = m.weights(Type::Q8_0, 4, 64, 1), .out = m.tensor(Type::F32, 2, 4), .group = group}}}};
        return tests::refusal(m, list);
    };
    const Activations floats{.f32 = m.tensor(Type::F32, 2, 191)}, bytes{.q8 = m.tensor(Type::A8, 2, 512)};
    EXPECT_EQ(said(floats, 1), "accepted");
    EXPECT_NE(said(floats, 2).find("more are needed"), std::string::npos);
    EXPECT_EQ(said(bytes, 1), "accepted");
    EXPECT_NE(said(bytes, 2).find("more are needed"), std::string::npos);
    for (const int64_t group : {int64_t(-1), int64_t(1) << 62})
        EXPECT_NE(said(floats, group).find("group is"), std::string::npos);
}

// --- Rope ------------------------------------------------------------------------------------------------------------

TEST(Rope, PartOfAHeadByTheRowsOwnFactors) {
    constexpr int kRows = 5, kHeads = 3, kDim = 20, kFirst = 6, kDims = 12, kSets = 2;
    const int32_t sets[] = {0, 1, 1, -7, 99}, used[] = {0, 1, 1, 0, 1};
    for (const std::string& isa : isaNames())
        for (const RopeOrder order : {RopeOrder::Interleaved, RopeOrder::Neox})
            for (const bool chosen : {true, false}) {
                Machine m(1, isa);
                OperationList list{.path = Path::Decode, .rows = kRows, .batch = m.batch(kRows)};
                m.setRows(list.batch, {{3, 0}, {3, 0}, {40, 0}, {1000, 0}, {7, 0}});
                const int positions[] = {3, 3, 40, 1000, 7};
                if (chosen)
                    list.batch.ropeSets = m.indices({std::begin(sets), std::end(sets)});
                auto factors = randomFloats(kSets * kDims / 2, 2);
                for (float& f : factors)
                    f = 1 + std::fabs(f);
                const auto before = randomFloats(kRows * kHeads * kDim, 1);
                const Tensor x = m.floats(kRows, kHeads * kDim, before);
                list.operations = {Rope{.x = x,
                                        .heads = kHeads,
                                        .headDim = kDim,
                                        .first = kFirst,
                                        .dims = kDims,
                                        .order = order,
                                        .theta = 500.0f,
                                        .factors = m.floats(kSets, kDims / 2, factors),
                                        .attentionFactor = 1.25f}};
                m.run(list);
                const auto got = m.read(x);
                std::vector<double> want(before.begin(), before.end());
                for (int r = 0; r < kRows; ++r)
                    for (int h = 0; h < kHeads; ++h)
                        for (int i = 0; i < kDims / 2; ++i) {
                            const int head = (r * kHeads + h) * kDim + kFirst;
                            const auto a = size_t(head + (order == RopeOrder::Neox ? i : 2 * i));
                            const auto b = size_t(head + (order == RopeOrder::Neox ? i + kDims / 2 : 2 * i + 1));
                            const double angle = positions[r] * std::pow(500.0, -2.0 * i / kDims) /
                                                 double(factors[size_t((chosen ? used[r] : 0) * kDims / 2 + i)]);
                            want[a] =
                                1.25 * (double(before[a]) * std::cos(angle) - double(before[b]) * std::sin(angle));
                            want[b] =
                                1.25 * (double(before[a]) * std::sin(angle) + double(before[b]) * std::cos(angle));
                        }
                for (size_t i = 0; i < want.size(); ++i)
                    ASSERT_NEAR(got[i], want[i], 5e-4) << isa << " " << i; // f32 angles of up to 1000
            }
}

TEST(Rope, PartsBeyondTheHeadAreRefused) {
    Machine m;
    OperationList list{.path = Path::Decode, .rows = 2, .batch = m.batch(2)};
    const auto said = [&](int first, int dims) {
        list.operations = {
            Rope{.x = m.tensor(Type::F32, 2, 32), .heads = 2, .headDim = 16, .first = first, .dims = dims}};
        return tests::refusal(m, list);
    };
    EXPECT_EQ(said(4, 12), "accepted");
    for (const auto& [first, dims] : {std::pair(5, 12), {-1, 4}, {2147483647, 2}, {0, 18}})
        EXPECT_NE(said(first, dims).find("impossible"), std::string::npos) << first << " " << dims;
}

// --- Activate --------------------------------------------------------------------------------------------------------

TEST(Activate, RowsOfSlots) {
    constexpr int kRows = 4, kLive = 3, kSlots = 3, kCols = 300;
    for (const Path path : {Path::Decode, Path::Prefill}) {
        Machine m(2);
        OperationList list{.path = path, .rows = kRows, .batch = m.batch(kRows)};
        m.set(list.batch.rowCount, {kLive});
        const auto gate = randomFloats(kRows * kSlots * kCols, 1), up = randomFloats(kRows * kSlots * kCols, 2);
        const Tensor out = m.tensor(Type::F32, kRows * kSlots, kCols);
        list.operations = {Activate{.kind = ActivationKind::Identity,
                                    .gate = m.floats(kRows * kSlots, kCols, gate),
                                    .up = m.floats(kRows * kSlots, kCols, up),
                                    .out = {.f32 = out},
                                    .rowSlots = kSlots}};
        m.run(list);
        const auto got = m.read(out);
        for (int i = 0; i < kRows * kSlots * kCols; ++i)
            ASSERT_EQ(got[size_t(i)], i < kLive * kSlots * kCols ? gate[size_t(i)] * up[size_t(i)] : 0.0f) << i;
        auto& op = std::get<Activate>(list.operations[0]);
        op.rowSlots = 4;
        EXPECT_NE(tests::refusal(m, list).find("gate is"), std::string::npos);
        op.rowSlots = 0;
        EXPECT_NE(tests::refusal(m, list).find("rowSlots"), std::string::npos);
        op.rowSlots = 1, op.kind = ActivationKind::ClampedSwiglu, op.up = {};
        EXPECT_NE(tests::refusal(m, list).find("two inputs"), std::string::npos);
        op.kind = ActivationKind::Count;
        EXPECT_NE(tests::refusal(m, list).find("unknown"), std::string::npos);
    }
}

} // namespace
} // namespace hearth::kernels
