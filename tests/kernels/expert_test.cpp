#include "tests/kernels/machine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

// Routing and experts through the public interface against plain arithmetic.
namespace hearth::kernels {
namespace {

using tests::decoded;
using tests::isaNames;
using tests::Machine;
using tests::randomFloats;
using tests::randomWeights;

Routing makeRouting(Machine& m, int rows, int experts, int rowSlots) {
    return {.experts = m.tensor(Type::I32, rows, rowSlots),
            .weights = m.tensor(Type::F32, rows, rowSlots),
            .order = m.tensor(Type::I32, 1, int64_t(rows) * rowSlots),
            .places = m.tensor(Type::I32, rows, rowSlots),
            .begins = m.tensor(Type::I32, 1, experts + 1)};
}

std::vector<int32_t> readIndices(Machine& m, const Tensor& t) {
    std::vector<int32_t> numbers(size_t(t.rows * t.cols));
    m.backend->read(t.memory, 0, std::as_writable_bytes(std::span(numbers)));
    return numbers;
}

struct Chosen {
    std::vector<int32_t> experts; // (rows, rowSlots)
    std::vector<float> weights;
    std::vector<int32_t> order, places, begins;
};

/// `logits` is (rows, experts); of the capacity `rows` + 3 only those rows are live.
Chosen route(Route op, const std::vector<float>& logits, int rows, int experts, const std::vector<float>& bias = {},
             int threads = 2) {
    Machine m(threads);
    const int capacity = rows + 3;
    OperationList list{.path = Path::Prefill, .rows = capacity, .batch = m.batch(capacity)};
    m.set(list.batch.rowCount, {rows});
    op.logits = m.tensor(Type::F32, capacity, experts);
    m.setPart(op.logits, logits, 0, rows);
    if (!bias.empty())
        op.choiceBias = m.floats(1, experts, bias);
    op.out = makeRouting(m, capacity, experts, op.rowSlots);
    list.operations = {op};
    m.run(list);
    Chosen c{readIndices(m, op.out.experts), m.read(op.out.weights), readIndices(m, op.out.order),
             readIndices(m, op.out.places), readIndices(m, op.out.begins)};
    const size_t live = size_t(rows * op.rowSlots);
    c.experts.resize(live), c.weights.resize(live), c.order.resize(live), c.places.resize(live);
    return c;
}

/// The sorted places are a permutation by expert, then row, then slot, and what inverts it.
void expectSorted(const Chosen& c, int rows, int experts, int rowSlots) {
    ASSERT_EQ(c.begins.front(), 0);
    ASSERT_EQ(c.begins.back(), rows * rowSlots);
    for (int e = 0; e < experts; ++e)
        for (int p = c.begins[size_t(e)]; p < c.begins[size_t(e) + 1]; ++p) {
            ASSERT_EQ(c.experts[size_t(c.order[size_t(p)])], e);
            ASSERT_EQ(c.places[size_t(c.order[size_t(p)])], p);
            const bool first = p == c.begins[size_t(e)];
            ASSERT_TRUE(first || c.order[size_t(p) - 1] < c.order[size_t(p)]);
        }
}

double plainSigmoid(double x) {
    return 1 / (1 + std::exp(-x));
}

/// One row by the words of the papers.
std::vector<std::pair<int, double>> plainRoute(const Route& op, const float* logits, int experts, const float* bias) {
    std::vector<double> scores(logits, logits + experts);
    if (op.gate == GateKind::Softmax) {
        double sum = 0;
        for (double& s : scores)
            sum += s = std::exp(s);
        for (double& s : scores)
            s /= sum;
    } else if (op.gate == GateKind::Sigmoid) {
        for (double& s : scores)
            s = plainSigmoid(s);
    }
    std::vector<double> choice = scores;
    for (int e = 0; e < experts; ++e)
        choice[size_t(e)] += bias ? double(bias[e]) : 0;
    const int size = experts / op.groups;
    std::vector<std::pair<double, int>> groups;
    for (int g = 0; g < op.groups; ++g) {
        std::vector<double> of(choice.begin() + g * size, choice.begin() + (g + 1) * size);
        std::sort(of.rbegin(), of.rend());
        groups.push_back({-(op.groupScore == GroupScore::Best || size < 2 ? of[0] : of[0] + of[1]), g});
    }
    std::sort(groups.begin(), groups.end());
    std::vector<std::pair<double, int>> candidates;
    for (int i = 0; i < op.topGroups; ++i)
        for (int e = groups[size_t(i)].second * size; e < (groups[size_t(i)].second + 1) * size; ++e)
            candidates.push_back({-choice[size_t(e)], e});
    std::sort(candidates.begin(), candidates.end());
    std::vector<std::pair<int, double>> chosen;
    double sum = 0;
    for (int s = 0; s < op.rowSlots; ++s) {
        const int e = candidates[size_t(s)].second;
        chosen.push_back({e, op.gate == GateKind::SoftmaxOfChosen ? std::exp(scores[size_t(e)]) : scores[size_t(e)]});
        sum += chosen.back().second;
    }
    for (auto& [e, weight] : chosen)
        weight *= double(op.scale) / (op.normalize || op.gate == GateKind::SoftmaxOfChosen ? sum : 1);
    return chosen;
}

TEST(Route, AgainstPlainArithmetic) {
    struct Case {
        Route op;
        int experts;
        bool bias = false;
    };

    const Case cases[] = {
        {{.rowSlots = 1}, 1},
        {{.rowSlots = 2, .normalize = true}, 8},
        {{.rowSlots = 8, .scale = 2.5f}, 60},
        {{.gate = GateKind::SoftmaxOfChosen, .rowSlots = 4}, 32},
        {{.gate = GateKind::Sigmoid, .rowSlots = 3, .normalize = true}, 17, true},
        {{.rowSlots = 3, .groups = 4, .topGroups = 2, .scale = 16.0f}, 20},
        {{.gate = GateKind::Sigmoid,
          .rowSlots = 8,
          .groups = 8,
          .topGroups = 4,
          .groupScore = GroupScore::TwoBest,
          .normalize = true,
          .scale = 2.5f},
         256,
         true},
        {{.gate = GateKind::Sigmoid, .rowSlots = 2, .groups = 5, .topGroups = 3, .groupScore = GroupScore::TwoBest}, 5},
        {{.rowSlots = 6, .groups = 2, .topGroups = 1}, 12},
    };
    for (const Case& c : cases)
        for (const int rows : {1, 2, 37}) {
            const auto logits = randomFloats(size_t(rows * c.experts), uint32_t(rows), 2.0f);
            const auto bias = c.bias ? randomFloats(size_t(c.experts), 9, 0.2f) : std::vector<float>{};
            const Chosen got = route(c.op, logits, rows, c.experts, bias);
            expectSorted(got, rows, c.experts, c.op.rowSlots);
            for (int r = 0; r < rows; ++r) {
                const auto want =
                    plainRoute(c.op, logits.data() + r * c.experts, c.experts, c.bias ? bias.data() : nullptr);
                for (int s = 0; s < c.op.rowSlots; ++s) {
                    ASSERT_EQ(got.experts[size_t(r * c.op.rowSlots + s)], want[size_t(s)].first)
                        << c.experts << " experts, row " << r << " slot " << s;
                    ASSERT_NEAR(got.weights[size_t(r * c.op.rowSlots + s)], want[size_t(s)].second, 1e-5);
                }
            }
        }
}

TEST(Route, TheLowerNumberGoesFirstAmongEquals) {
    const Chosen c = route({.rowSlots = 3}, {1, 2, 2, 1, 2, 0}, 1, 6);
    EXPECT_EQ(c.experts, (std::vector<int32_t>{1, 2, 4}));
    const Chosen groups = route({.rowSlots = 2, .groups = 3, .topGroups = 2}, {0, 1, 1, 0, 0, 1}, 1, 6);
    EXPECT_EQ(groups.experts, (std::vector<int32_t>{1, 2}));
}

TEST(Route, HardLogitsStillChooseExistingExperts) {
    const float hard[] = {NAN, INFINITY, -INFINITY, 0.0f, 3e38f};
    const Route ops[] = {
        {.rowSlots = 3},
        {.gate = GateKind::Sigmoid, .rowSlots = 3, .normalize = true},
        {.gate = GateKind::SoftmaxOfChosen, .rowSlots = 3},
        {.rowSlots = 3, .groups = 3, .topGroups = 2, .groupScore = GroupScore::TwoBest},
    };
    for (const Route& op : ops)
        for (const float all : hard)
            for (const float one : hard) {
                std::vector<float> logits(6, all);
                logits[4] = one;
                const Chosen c = route(op, logits, 1, 6, {0, 0, NAN, 0, INFINITY, -INFINITY});
                auto sorted = c.experts;
                std::sort(sorted.begin(), sorted.end());
                EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end()) << all << " " << one;
                EXPECT_TRUE(sorted.front() >= 0 && sorted.back() < 6);
                expectSorted(c, 1, 6, 3);
                for (const float w : c.weights)
                    EXPECT_TRUE(std::isfinite(w)) << all << " " << one;
            }
    EXPECT_EQ(route({.rowSlots = 2}, {NAN, -5, NAN, -6}, 1, 4).experts, (std::vector<int32_t>{1, 3})) << "NaN is least";
}

// --- The whole block ---------------------------------------------------------------------------------------------

struct Block {
    int experts = 7, rowSlots = 3, k = 96, hidden = 160, n = 96;
    Type up = Type::Q4_0, down = Type::Q8_0;
    ActivationKind kind = ActivationKind::Silu;
    bool biases = true, shared = true, accumulate = true;
};

constexpr int kMostRows = 70;

/// Inputs of all rows, and everything that they meet.
struct BlockData {
    explicit BlockData(const Block& b)
        : x(randomFloats(size_t(kMostRows * b.k), 1)), logits(randomFloats(size_t(kMostRows * b.experts), 2, 2.0f)),
          shared(randomFloats(size_t(kMostRows * b.n), 3)), sharedGate(randomFloats(kMostRows, 4)),
          out(randomFloats(size_t(kMostRows * b.n), 5)), upBias(randomFloats(size_t(b.experts * b.hidden), 6)),
          downBias(randomFloats(size_t(b.experts * b.n), 7)) {}

    std::vector<float> x, logits, shared, sharedGate, out, upBias, downBias;
};

uint32_t seedOf(int expert, int which) {
    return uint32_t(100 + expert * 3 + which);
}

/// The block of experts of rows [0, kMostRows), `together` at a time, by one plan.
std::vector<float> runBlock(const Block& b, const std::string& isa, Path path, int threads, bool exact, int together) {
    Machine m(threads, isa);
    const BlockData data(b);
    OperationList list{.path = path, .rows = together, .batch = m.batch(together)};
    const int64_t places = int64_t(together) * b.rowSlots;
    const auto activations = [&](int64_t rows, int64_t cols) {
        Activations a;
        if (exact)
            a.f32 = m.tensor(Type::F32, rows, cols);
        else
            a.q8 = m.tensor(Type::A8, rows, cols);
        return a;
    };
    const Tensor x = m.tensor(Type::F32, together, b.k), logits = m.tensor(Type::F32, together, b.experts);
    const Tensor shared = m.tensor(Type::F32, together, b.n), sharedGate = m.tensor(Type::F32, together, 1);
    const Tensor out = m.tensor(Type::F32, together, b.n);
    const Routing routing = makeRouting(m, together, b.experts, b.rowSlots);
    const Activations sorted = activations(places, b.k), act = activations(places, b.hidden);
    Activations in{.f32 = x};
    if (!exact) {
        in.q8 = m.tensor(Type::A8, together, b.k);
        list.operations.push_back(Quantize{.x = x, .out = in.q8});
    }
    const auto part = [&](Type type, int64_t n, int64_t k, int which, const std::vector<float>& bias) {
        ExpertMatMul::Part p{.out = m.tensor(Type::F32, places, n)};
        for (int e = 0; e < b.experts; ++e)
            p.weights.push_back(m.weights(type, n, k, seedOf(e, which)));
        if (b.biases)
            p.bias = m.floats(b.experts, n, bias);
        return p;
    };
    const auto gate = part(b.up, b.hidden, b.k, 0, data.upBias), up = part(b.up, b.hidden, b.k, 1, data.upBias);
    const auto down = part(b.down, b.n, b.hidden, 2, data.downBias);
    const Operation block[] = {
        Route{.logits = logits, .rowSlots = b.rowSlots, .out = routing},
        Dispatch{.x = in, .routing = routing, .out = sorted},
        ExpertMatMul{.x = sorted, .routing = routing, .parts = {gate, up}},
        Activate{.kind = b.kind, .gate = gate.out, .up = up.out, .out = act, .rowSlots = b.rowSlots},
        ExpertMatMul{.x = act, .routing = routing, .parts = {down}},
        Combine{.y = down.out,
                .routing = routing,
                .shared = b.shared ? shared : Tensor{},
                .sharedGate = b.shared ? sharedGate : Tensor{},
                .out = out,
                .accumulate = b.accumulate},
    };
    list.operations.insert(list.operations.end(), std::begin(block), std::end(block));
    const auto plan = m.backend->compile(list);
    std::vector<float> all;
    for (int at = 0; at < kMostRows; at += together) {
        const int count = std::min(together, kMostRows - at);
        m.set(list.batch.rowCount, {count});
        m.setPart(x, data.x, at, count), m.setPart(logits, data.logits, at, count);
        m.setPart(shared, data.shared, at, count), m.setPart(sharedGate, data.sharedGate, at, count);
        m.setPart(out, data.out, at, count);
        EXPECT_TRUE(m.backend->run(*plan));
        const auto part = m.read(out);
        all.insert(all.end(), part.begin(), part.begin() + long(count) * b.n);
    }
    return all;
}

double plainActivation(ActivationKind kind, double gate, double up) {
    if (kind == ActivationKind::Silu)
        return gate * plainSigmoid(gate) * up;
    const double g = std::min(gate, 7.0);
    return g * plainSigmoid(1.702 * g) * (std::clamp(up, -7.0, 7.0) + 1);
}

std::vector<double> plainBlock(const Block& b) {
    const BlockData data(b);
    std::vector<double> all;
    std::vector<std::vector<float>> gates, ups, downs;
    for (int e = 0; e < b.experts; ++e) {
        gates.push_back(decoded(b.up, randomWeights(b.up, b.hidden, b.k, seedOf(e, 0)), b.hidden, b.k));
        ups.push_back(decoded(b.up, randomWeights(b.up, b.hidden, b.k, seedOf(e, 1)), b.hidden, b.k));
        downs.push_back(decoded(b.down, randomWeights(b.down, b.n, b.hidden, seedOf(e, 2)), b.n, b.hidden));
    }
    const auto product = [&](const std::vector<float>& w, int n, const auto& x, int k, const float* bias) {
        double sum = b.biases ? double(bias[n]) : 0;
        for (int i = 0; i < k; ++i)
            sum += double(w[size_t(n * k + i)]) * double(x[i]);
        return sum;
    };
    for (int r = 0; r < kMostRows; ++r) {
        std::vector<double> out(size_t(b.n), 0);
        const auto chosen =
            plainRoute({.rowSlots = b.rowSlots}, data.logits.data() + r * b.experts, b.experts, nullptr);
        for (const auto& [e, weight] : chosen) {
            std::vector<double> hidden;
            const float* upBias = data.upBias.data() + e * b.hidden;
            for (int n = 0; n < b.hidden; ++n)
                hidden.push_back(plainActivation(b.kind,
                                                 product(gates[size_t(e)], n, data.x.data() + r * b.k, b.k, upBias),
                                                 product(ups[size_t(e)], n, data.x.data() + r * b.k, b.k, upBias)));
            for (int n = 0; n < b.n; ++n)
                out[size_t(n)] +=
                    weight * product(downs[size_t(e)], n, hidden.data(), b.hidden, data.downBias.data() + e * b.n);
        }
        for (int n = 0; n < b.n; ++n) {
            const auto at = size_t(r * b.n + n);
            all.push_back(out[size_t(n)] + (b.accumulate ? double(data.out[at]) : 0) +
                          (b.shared ? double(data.shared[at]) * plainSigmoid(double(data.sharedGate[size_t(r)])) : 0));
        }
    }
    return all;
}

double relativeError(const std::vector<float>& got, const std::vector<double>& want) {
    double squares = 0, errors = 0;
    for (size_t i = 0; i < want.size(); ++i)
        squares += want[i] * want[i], errors += (double(got[i]) - want[i]) * (double(got[i]) - want[i]);
    return std::sqrt(errors / squares);
}

const Block kBlocks[] = {
    {},
    {.experts = 3, .rowSlots = 3, .up = Type::Q4_1, .down = Type::Q5_0, .shared = false, .accumulate = false},
    {.experts = 20,
     .rowSlots = 2,
     .k = 256,
     .hidden = 256,
     .n = 72,
     .up = Type::Q4_K,
     .down = Type::Q6_K,
     .biases = false},
    {.experts = 4, .rowSlots = 1, .k = 32, .hidden = 64, .n = 1, .kind = ActivationKind::ClampedSwiglu},
};

TEST(Experts, AgainstPlainArithmetic) {
    for (const std::string& isa : isaNames())
        for (const Block& b : kBlocks) {
            const auto want = plainBlock(b);
            for (const Path path : {Path::Decode, Path::Prefill}) {
                EXPECT_LT(relativeError(runBlock(b, isa, path, 2, true, kMostRows), want), 1e-5) << isa;
                EXPECT_LT(relativeError(runBlock(b, isa, path, 2, false, kMostRows), want), 0.03) << isa;
            }
        }
}

TEST(Experts, FloatWeights) {
    const Block blocks[] = {
        {.experts = 5, .rowSlots = 2, .k = 33, .hidden = 47, .n = 35, .up = Type::BF16, .down = Type::F32},
        {.experts = 5, .rowSlots = 2, .k = 600, .hidden = 47, .n = 35, .up = Type::F8_E4M3, .down = Type::F8_E4M3}};
    for (const std::string& isa : isaNames())
        for (const Block& b : blocks)
            for (const Path path : {Path::Decode, Path::Prefill}) {
                const auto got = runBlock(b, isa, path, 2, true, 13);
                EXPECT_LT(relativeError(got, plainBlock(b)), 1e-5) << isa;
                EXPECT_EQ(got, runBlock(b, isa, path, 1, true, 1)) << isa;
            }
}

TEST(Experts, BitsDoNotDependOnRowsBesideOrThreads) {
    for (const std::string& isa : isaNames())
        for (const Block& b : kBlocks)
            for (const bool exact : {false, true})
                for (const Path path : {Path::Decode, Path::Prefill}) {
                    const auto alone = runBlock(b, isa, path, 1, exact, 1);
                    for (const int together : {7, path == Path::Decode ? 16 : kMostRows})
                        for (const int threads : {1, 2})
                            EXPECT_EQ(alone, runBlock(b, isa, path, threads, exact, together))
                                << isa << " " << together << " rows, " << threads << " threads";
                }
}

/// More rows of one expert than one block holds.
TEST(Experts, ManyRowsOfOneExpert) {
    constexpr int kRows = 1100, kK = 64, kN = 40;
    Machine m(2);
    OperationList list{.path = Path::Prefill, .rows = kRows, .batch = m.batch(kRows)};
    const auto numbers = randomFloats(size_t(kRows) * kK, 1);
    std::vector<float> scores;
    for (int r = 0; r < kRows; ++r)
        for (int e = 0; e < 3; ++e)
            scores.push_back(e == (r % 100 == 7 ? 0 : 2) ? 1.0f : 0.0f);
    const Routing routing = makeRouting(m, kRows, 3, 1);
    const Tensor x = m.floats(kRows, kK, numbers), sorted = m.tensor(Type::F32, kRows, kK);
    ExpertMatMul::Part part{.out = m.tensor(Type::F32, kRows, kN)};
    for (int e = 0; e < 3; ++e)
        part.weights.push_back(m.weights(Type::F32, kN, kK, uint32_t(e)));
    const Tensor out = m.tensor(Type::F32, kRows, kN);
    list.operations = {Route{.logits = m.floats(kRows, 3, scores), .rowSlots = 1, .normalize = true, .out = routing},
                       Dispatch{.x = {.f32 = x}, .routing = routing, .out = {.f32 = sorted}},
                       ExpertMatMul{.x = {.f32 = sorted}, .routing = routing, .parts = {part}},
                       Combine{.y = part.out, .routing = routing, .out = out}};
    m.run(list);
    const auto got = m.read(out);
    for (int r = 0; r < kRows; ++r) {
        const auto w = decoded(Type::F32, randomWeights(Type::F32, kN, kK, r % 100 == 7 ? 0 : 2), kN, kK);
        for (int n = 0; n < kN; ++n) {
            double want = 0;
            for (int i = 0; i < kK; ++i)
                want += double(w[size_t(n * kK + i)]) * double(numbers[size_t(r * kK + i)]);
            ASSERT_NEAR(got[size_t(r * kN + n)], want, 1e-4) << r;
        }
    }
}

// --- What compile() refuses ------------------------------------------------------------------------------------------

TEST(Experts, CompileRefusesWhatDoesNotFit) {
    Machine m;
    const auto said = [&](auto op, auto change) {
        OperationList list{.path = Path::Decode, .rows = 4, .batch = m.batch(4)};
        change(op);
        list.operations = {op};
        return tests::refusal(m, list);
    };
    const auto expect = [&](auto op, auto change, const std::string& part) {
        const std::string got = said(op, change);
        EXPECT_NE(got.find(part), std::string::npos) << "said: " << got << ", expected: " << part;
    };
    const auto nothing = [](auto&) {};
    const Routing routing = makeRouting(m, 4, 6, 2);
    const Route route{.logits = m.tensor(Type::F32, 4, 6), .rowSlots = 2, .out = routing};
    expect(route, nothing, "accepted");
    expect(
        route, [](Route& r) { r.rowSlots = 3; }, "rowSlots");
    expect(
        route, [](Route& r) { r.groups = 4; }, "groups");
    expect(
        route, [](Route& r) { r.groups = 3, r.topGroups = 4; }, "groups");
    expect(
        route, [](Route& r) { r.groups = 6, r.topGroups = 1; }, "groups do not hold");
    expect(
        route, [](Route& r) { r.logits.cols = 5; }, "logits is");
    expect(
        route, [](Route& r) { r.out.begins.cols = 2; }, "number of experts");
    expect(
        route, [](Route& r) { r.out.order.cols = 7; }, "too short");
    expect(
        route, [](Route& r) { r.out.places = r.out.experts; }, "overlap");
    expect(
        route, [](Route& r) { r.out.weights = {}; }, "is missing");
    expect(
        route, [&](Route& r) { r.choiceBias = m.tensor(Type::F32, 1, 5); }, "choiceBias is");

    const Dispatch dispatch{
        .x = {.f32 = m.tensor(Type::F32, 4, 64)}, .routing = routing, .out = {.f32 = m.tensor(Type::F32, 8, 64)}};
    expect(dispatch, nothing, "accepted");
    expect(
        dispatch, [](Dispatch& d) { d.out.f32.rows = 7; }, "out is");
    expect(
        dispatch, [](Dispatch& d) { d.x.f32.cols = 32; }, "x is");
    expect(
        dispatch, [&](Dispatch& d) { d.out.q8 = m.tensor(Type::A8, 8, 64); }, "no 8-bit");
    expect(
        dispatch, [](Dispatch& d) { d.x.f32.rows = 4, d.x.f32.memory = d.out.f32.memory; }, "overlap");

    ExpertMatMul::Part part{.out = m.tensor(Type::F32, 8, 12)};
    for (int e = 0; e < 6; ++e)
        part.weights.push_back(m.weights(Type::Q8_0, 12, 64, uint32_t(e)));
    const ExpertMatMul product{.x = dispatch.out, .routing = routing, .parts = {part}};
    expect(product, nothing, "accepted");
    expect(
        product, [](ExpertMatMul& p) { p.parts.clear(); }, "no parts");
    expect(
        product, [](ExpertMatMul& p) { p.parts[0].weights.pop_back(); }, "5 matrices for 6 experts");
    expect(
        product, [](ExpertMatMul& p) { p.parts[0].weights[3].rows = 11; }, "differ");
    expect(
        product, [](ExpertMatMul& p) { p.parts[0].weights[5].offset = 1; }, "past the end");
    expect(
        product, [](ExpertMatMul& p) { p.parts[0].out.rows = 7; }, "out is");
    expect(
        product, [](ExpertMatMul& p) { p.x.f32.cols = 32; }, "more are needed");
    expect(
        product, [](ExpertMatMul& p) { p.parts[0].out = p.x.f32, p.parts[0].out.cols = 12; }, "overlaps");
    expect(
        product, [&](ExpertMatMul& p) { p.parts[0].bias = m.tensor(Type::F32, 5, 12); }, "bias is");

    const Combine combine{.y = part.out, .routing = routing, .out = m.tensor(Type::F32, 4, 12)};
    expect(combine, nothing, "accepted");
    expect(
        combine, [](Combine& c) { c.y.rows = 7; }, "y is");
    expect(
        combine, [&](Combine& c) { c.sharedGate = m.tensor(Type::F32, 4, 1); }, "nothing to scale");
    expect(
        combine, [&](Combine& c) { c.shared = m.tensor(Type::F32, 4, 11); }, "shared is");
    expect(
        combine, [](Combine& c) { c.out.memory = c.y.memory; }, "overlap");
}

TEST(Experts, BadRoutingReadsNothingOutOfBounds) {
    for (const Path path : {Path::Decode, Path::Prefill}) {
        Machine m(2);
        OperationList list{.path = path, .rows = 4, .batch = m.batch(4)};
        Routing routing = makeRouting(m, 4, 6, 2);
        const Tensor x = m.tensor(Type::F32, 4, 64), sorted = m.tensor(Type::F32, 8, 64);
        ExpertMatMul::Part part{.out = m.tensor(Type::F32, 8, 12)};
        for (int e = 0; e < 6; ++e)
            part.weights.push_back(m.weights(Type::Q8_0, 12, 64, uint32_t(e)));
        list.operations = {Dispatch{.x = {.f32 = x}, .routing = routing, .out = {.f32 = sorted}},
                           ExpertMatMul{.x = {.f32 = sorted}, .routing = routing, .parts = {part}},
                           Combine{.y = part.out, .routing = routing, .out = m.tensor(Type::F32, 4, 12)}};
        for (const int32_t bad : {-1, -2147483647, 2147483647, 100}) {
            for (const Tensor& t : {routing.experts, routing.order, routing.places, routing.begins})
                m.set(t, std::vector<int32_t>(size_t(t.rows * t.cols), bad));
            m.run(list);
        }
    }
}

} // namespace
} // namespace hearth::kernels
