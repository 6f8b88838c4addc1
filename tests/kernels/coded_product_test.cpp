// Products of prompts on whole numbers of 16 bits, against the same plan in floats.

#include "tests/kernels/machine.h"

#include <cmath>
#include <limits>

namespace hearth {
namespace {

using namespace kernels;
using tests::isaNames;
using tests::Machine;
using tests::randomFloats;

struct Case {
    Type type = Type::F16;
    int64_t k = 300, n = 150; // inputs, outputs
    int rows = 70;
};

struct Run {
    std::string isa;
    int threads = 1;
    int piece = 0; // rows at once; 0: all
    bool coded = true;
    bool outputsOnly = false;
};

std::vector<float> inputsOf(const Case& c) {
    return randomFloats(size_t(c.rows * c.k), 1);
}

std::vector<float> product(const Case& c, const Run& run, const std::vector<float>& x) {
    Machine m(run.threads, run.isa);
    const Tensor weight = m.weights(c.type, c.n, c.k, 7), bias = m.floats(1, c.n, randomFloats(size_t(c.n), 3));
    std::vector<float> all;
    for (int at = 0, count = 0; at < c.rows; at += count) {
        count = std::min(run.piece > 0 ? run.piece : c.rows, c.rows - at);
        OperationList list{.path = Path::Prefill, .rows = count, .batch = m.batch(count)};
        list.codedProducts = run.coded;
        if (run.outputsOnly) {
            std::vector<int32_t> rows;
            for (int i = 0; i < count; ++i)
                rows.push_back(i);
            m.set(list.batch.outputRows, rows);
            m.set(list.batch.outputCount, {count});
        }
        const Tensor out = m.tensor(Type::F32, count, c.n);
        const std::vector<float> part(x.begin() + at * c.k, x.begin() + (at + count) * c.k);
        MatMul product{.x = {.f32 = m.floats(count, c.k, part)}, .outputRowsOnly = run.outputsOnly};
        product.parts.push_back({.weight = weight, .bias = bias, .out = out});
        list.operations.push_back(product);
        m.run(list);
        const std::vector<float> numbers = m.read(out);
        all.insert(all.end(), numbers.begin(), numbers.end());
    }
    return all;
}

/// The root mean square of differences, of that of `want`.
double error(const std::vector<float>& got, const std::vector<float>& want) {
    double errors = 0, squares = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        errors += std::pow(double(got[i]) - double(want[i]), 2);
        squares += std::pow(double(want[i]), 2);
    }
    return std::sqrt(errors / squares);
}

TEST(CodedProducts, AreNearTheFloats) {
    const Case cases[] = {{},
                          {.type = Type::BF16, .k = 1},
                          {.type = Type::BF16, .k = 21, .n = 33, .rows = 9},
                          {.type = Type::F16, .k = 256, .n = 1, .rows = 1},
                          {.type = Type::Q4_1, .k = 576, .n = 1100, .rows = 520},
                          {.type = Type::Q8_0, .k = 1056},
                          {.type = Type::Q4_K, .k = 2304, .n = 64},
                          {.type = Type::BF16, .k = 511, .n = 640, .rows = 129}};
    for (const std::string& isa : isaNames())
        for (const Case& c : cases) {
            if (isa == "reference" && c.rows > 200)
                continue;
            const auto x = inputsOf(c);
            const auto want = product(c, {.isa = isa, .coded = false}, x), got = product(c, {.isa = isa}, x);
            if (!tests::takesCodes(isa)) {
                EXPECT_EQ(got, want) << isa;
                continue;
            }
            EXPECT_NE(got, want) << isa << ": codes were not taken";
            EXPECT_LT(error(got, want), 3e-4) << isa << " k " << c.k;
        }
}

TEST(CodedProducts, BitsDependOnNothing) {
    const Case c{.type = Type::Q4_1, .k = 608, .n = 700, .rows = 150};
    const auto x = inputsOf(c);
    for (const std::string& isa : isaNames()) {
        const auto whole = product(c, {.isa = isa}, x);
        for (const int piece : {0, 1, 7, 64, 130})
            EXPECT_EQ(product(c, {.isa = isa, .threads = 3, .piece = piece}, x), whole) << isa << " " << piece;
    }
}

/// Routers, whose choices may be near ties, have weights of F32; and logits are few rows of many outputs.
TEST(CodedProducts, SomeStayFloats) {
    for (const std::string& isa : isaNames()) {
        const Case floats{.type = Type::F32};
        const auto x = inputsOf(floats);
        EXPECT_EQ(product(floats, {.isa = isa}, x), product(floats, {.isa = isa, .coded = false}, x)) << isa;
        const Case logits{};
        EXPECT_EQ(product(logits, {.isa = isa, .outputsOnly = true}, x),
                  product(logits, {.isa = isa, .coded = false, .outputsOnly = true}, x))
            << isa;
    }
}

/// All numbers equal or one beside zeros, so that the limits of the sums are met; and sizes at the ends of the range.
TEST(CodedProducts, DoNotOverflow) {
    for (const std::string& isa : isaNames())
        for (const int64_t k : {1, 2, 33, 256, 300})
            for (const float size : {1.0f, -3e4f, 1e-20f, 1e15f, -1e19f, 1e30f})
                for (const bool one : {false, true}) {
                    Machine m(1, isa);
                    std::vector<std::byte> bytes(size_t(32 * k) * 2);
                    const std::vector<float> ones(size_t(32 * k), 1.0f);
                    quantType(Type::BF16).encode(ones.data(), bytes.data(), 32 * k);
                    Tensor weight = m.adopted(bytes, Type::BF16);
                    weight.rows = 32, weight.cols = k, weight.stride = uint64_t(k) * 2;
                    std::vector<float> x(size_t(k), one ? 0.0f : size);
                    x[size_t(k / 2)] = size;
                    OperationList list{.path = Path::Prefill, .rows = 1, .batch = m.batch(1)};
                    list.codedProducts = true;
                    const Tensor out = m.tensor(Type::F32, 1, 32);
                    MatMul product{.x = {.f32 = m.floats(1, k, x)}};
                    product.parts.push_back({.weight = weight, .out = out});
                    list.operations.push_back(product);
                    m.run(list);
                    const double want = one ? 1 : double(k);
                    for (const float f : m.read(out))
                        ASSERT_NEAR(double(f) / double(size), want, 2e-4 * want) << isa << " k " << k << " " << size;
                }
}

/// What is no number is seen in its row, and in no other.
TEST(CodedProducts, HideNothing) {
    const Case c{.rows = 13};
    constexpr int kAt = 5;
    const auto plain = inputsOf(c);
    for (const std::string& isa : isaNames()) {
        const auto want = product(c, {.isa = isa}, plain);
        for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
            auto x = plain;
            x[size_t(kAt * c.k + 17)] = bad;
            const auto got = product(c, {.isa = isa}, x);
            for (int r = 0; r < c.rows; ++r)
                for (int64_t i = 0; i < c.n; ++i) {
                    const size_t at = size_t(r * c.n + i);
                    if (r == kAt) {
                        ASSERT_FALSE(std::isfinite(got[at])) << isa;
                    } else {
                        ASSERT_EQ(got[at], want[at]) << isa << " row " << r;
                    }
                }
        }
    }
}

TEST(CodedProducts, OfZerosAreTheBias) {
    const Case c{.rows = 3};
    for (const std::string& isa : isaNames()) {
        const auto got = product(c, {.isa = isa}, std::vector<float>(size_t(c.rows * c.k), 0.0f));
        const auto bias = randomFloats(size_t(c.n), 3);
        for (size_t i = 0; i < got.size(); ++i)
            ASSERT_EQ(got[i], bias[i % size_t(c.n)]) << isa;
    }
}

} // namespace
} // namespace hearth
