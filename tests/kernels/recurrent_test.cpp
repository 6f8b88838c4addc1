#include "tests/kernels/machine.h"

#include <gtest/gtest.h>

#include <cmath>

// Recurrent mixers through the public interface against plain arithmetic.
namespace hearth::kernels {
namespace {

using tests::isaNames;
using tests::Machine;
using tests::randomFloats;

constexpr int kSequences = 3, kPages = 5;

StateView makeState(Machine& m, uint64_t bytes) {
    StateView s{.pageBytes = bytes + 24, .offset = 16, .pageTable = m.indices({4, 0, 2}, kSequences)};
    s.memory = m.backend->allocate(s.pageBytes * kPages);
    const std::vector<float> old(size_t(s.pageBytes / 4 * kPages), NAN); // what somebody left there
    m.backend->write(s.memory, 0, std::as_bytes(std::span(old)));
    return s;
}

/// Runs of rows of a sequence, as batches: (sequence, first position, rows).
struct Run {
    int sequence, first, rows;
};

using Batches = std::vector<std::vector<Run>>;

constexpr int kLengths[kSequences] = {40, 1, 23};

/// Every sequence whole, in pieces of `chunk`, one after the other or side by side.
Batches pieces(int chunk, bool together) {
    Batches batches;
    for (int s = 0; s < kSequences; ++s)
        for (int at = 0, i = 0; at < kLengths[s]; at += chunk, ++i) {
            const Run run{s, at, std::min(chunk, kLengths[s] - at)};
            if (together && size_t(i) < batches.size())
                batches[size_t(i)].push_back(run);
            else
                batches.push_back({run});
        }
    return batches;
}

constexpr int kCapacity = 64;

/// Where position 0 of a sequence lies in data of all sequences.
int rowOf(int sequence) {
    int row = 0;
    for (int s = 0; s < sequence; ++s)
        row += kLengths[s];
    return row;
}

constexpr int kAll = 64; // rows of all sequences

/// Feeds batches through a plan: `inputs` (kAll rows each) to tensors, `out` back; all by sequence and position.
std::vector<float> feed(Machine& m, const OperationList& list, const Batches& batches,
                        const std::vector<std::pair<Tensor, const std::vector<float>*>>& inputs, const Tensor& out) {
    std::vector<float> all(size_t(kAll * out.cols));
    const auto plan = m.backend->compile(list);
    for (const auto& batch : batches) {
        std::vector<Machine::Row> rows;
        std::vector<int> from;
        for (const Run& run : batch)
            for (int i = 0; i < run.rows; ++i) {
                rows.push_back({run.first + i, run.sequence});
                from.push_back(rowOf(run.sequence) + run.first + i);
            }
        m.setRows(list.batch, rows);
        for (const auto& [tensor, numbers] : inputs)
            for (size_t r = 0; r < from.size(); ++r)
                m.backend->write(
                    tensor.memory, r * tensor.stride,
                    std::as_bytes(std::span(*numbers).subspan(size_t(from[r] * tensor.cols), size_t(tensor.cols))));
        EXPECT_TRUE(m.backend->run(*plan));
        const auto part = m.read(out);
        for (size_t r = 0; r < from.size(); ++r)
            std::copy_n(part.begin() + long(r) * out.cols, out.cols, all.begin() + long(from[r]) * out.cols);
    }
    return all;
}

/// How the same rows may be fed; the first is the plain one.
struct Feeding {
    Path path;
    int threads, chunk;
    bool together;
};

constexpr Feeding kFeedings[] = {
    {Path::Prefill, 1, 64, false}, {Path::Prefill, 2, 64, true}, {Path::Prefill, 2, 7, true},
    {Path::Prefill, 1, 1, false},  {Path::Prefill, 1, 2, true},  {Path::Decode, 1, 1, true},
    {Path::Decode, 2, 5, false},
};

// --- Causal convolution ----------------------------------------------------------------------------------------------

struct ConvCase {
    int channels = 96, kernel = 4;
    bool bias = false, silu = false;
};

struct ConvData {
    explicit ConvData(const ConvCase& c)
        : x(randomFloats(size_t(kAll * c.channels), 1)), weight(randomFloats(size_t(c.channels * c.kernel), 2)),
          bias(randomFloats(size_t(c.channels), 3)) {}

    std::vector<float> x, weight, bias;
};

std::vector<float> runConv(const ConvCase& c, const std::string& isa, const Feeding& f) {
    Machine m(f.threads, isa);
    const ConvData data(c);
    OperationList list{.path = f.path, .rows = kCapacity, .batch = m.batch(kCapacity)};
    const Tensor x = m.tensor(Type::F32, kCapacity, c.channels), out = m.tensor(Type::F32, kCapacity, c.channels);
    list.operations = {CausalConv{.x = x,
                                  .weight = m.floats(c.channels, c.kernel, data.weight),
                                  .bias = c.bias ? m.floats(1, c.channels, data.bias) : Tensor{},
                                  .out = out,
                                  .silu = c.silu,
                                  .state = makeState(m, uint64_t(c.kernel - 1) * uint64_t(c.channels) * 4)}};
    return feed(m, list, pieces(f.chunk, f.together), {{x, &data.x}}, out);
}

const ConvCase kConvs[] = {
    {},
    {.channels = 7, .kernel = 2, .bias = true},
    {.channels = 1500, .kernel = 4, .bias = true, .silu = true},
    {.channels = 40, .kernel = 9, .silu = true},
};

TEST(CausalConv, AgainstPlainArithmetic) {
    for (const std::string& isa : isaNames())
        for (const ConvCase& c : kConvs) {
            const ConvData data(c);
            const auto got = runConv(c, isa, kFeedings[0]);
            for (int s = 0; s < kSequences; ++s)
                for (int r = 0; r < kLengths[s]; ++r)
                    for (int i = 0; i < c.channels; ++i) {
                        double want = c.bias ? double(data.bias[size_t(i)]) : 0;
                        for (int j = 0; j < c.kernel; ++j)
                            if (const int from = r - (c.kernel - 1) + j; from >= 0)
                                want += double(data.weight[size_t(i * c.kernel + j)]) *
                                        double(data.x[size_t((rowOf(s) + from) * c.channels + i)]);
                        if (c.silu)
                            want /= 1 + std::exp(-want);
                        ASSERT_NEAR(got[size_t((rowOf(s) + r) * c.channels + i)], want, 2e-5)
                            << isa << " sequence " << s << " row " << r << " channel " << i;
                    }
        }
}

TEST(CausalConv, BitsDoNotDependOnChunksOrThreads) {
    for (const std::string& isa : isaNames())
        for (const ConvCase& c : kConvs) {
            const auto want = runConv(c, isa, kFeedings[0]);
            for (const Feeding& f : kFeedings)
                EXPECT_EQ(runConv(c, isa, f), want)
                    << isa << " " << c.channels << " chunks of " << f.chunk << ", threads " << f.threads;
        }
}

// --- Gated delta rule ------------------------------------------------------------------------------------------------

struct DeltaCase {
    int keyHeads = 2, valueHeads = 4, kDim = 32, vDim = 32;
    bool tiled = false;
};

struct DeltaData {
    explicit DeltaData(const DeltaCase& c)
        : q(randomFloats(size_t(kAll * c.keyHeads * c.kDim), 1)),
          k(randomFloats(size_t(kAll * c.keyHeads * c.kDim), 2)),
          v(randomFloats(size_t(kAll * c.valueHeads * c.vDim), 3)), alpha(randomFloats(size_t(kAll * c.valueHeads), 4)),
          beta(randomFloats(size_t(kAll * c.valueHeads), 5)), a(randomFloats(size_t(c.valueHeads), 6)),
          dtBias(randomFloats(size_t(c.valueHeads), 7)) {
        for (float& f : a)
            f = -std::fabs(f);
        alpha[0] = 90.0f; // beyond where e^x fits
    }

    std::vector<float> q, k, v, alpha, beta, a, dtBias;
};

std::vector<float> runDelta(const DeltaCase& c, const std::string& isa, const Feeding& f) {
    Machine m(f.threads, isa);
    const DeltaData data(c);
    OperationList list{.path = f.path, .rows = kCapacity, .batch = m.batch(kCapacity)};
    const auto tensor = [&](int cols) { return m.tensor(Type::F32, kCapacity, cols); };
    const Tensor q = tensor(c.keyHeads * c.kDim), k = tensor(c.keyHeads * c.kDim), v = tensor(c.valueHeads * c.vDim);
    const Tensor alpha = tensor(c.valueHeads), beta = tensor(c.valueHeads), out = tensor(c.valueHeads * c.vDim);
    list.operations = {DeltaNet{.q = q,
                                .k = k,
                                .v = v,
                                .alpha = alpha,
                                .beta = beta,
                                .a = m.floats(1, c.valueHeads, data.a),
                                .dtBias = m.floats(1, c.valueHeads, data.dtBias),
                                .out = out,
                                .keyHeads = c.keyHeads,
                                .valueHeads = c.valueHeads,
                                .tiled = c.tiled,
                                .state = makeState(m, uint64_t(c.valueHeads * c.kDim * c.vDim) * 4)}};
    return feed(m, list, pieces(f.chunk, f.together),
                {{q, &data.q}, {k, &data.k}, {v, &data.v}, {alpha, &data.alpha}, {beta, &data.beta}}, out);
}

std::vector<double> unit(const float* x, int n, double scale) {
    double squares = 1e-6;
    for (int i = 0; i < n; ++i)
        squares += double(x[i]) * double(x[i]);
    std::vector<double> out;
    for (int i = 0; i < n; ++i)
        out.push_back(double(x[i]) / std::sqrt(squares) * scale);
    return out;
}

/// (kAll, Hv * Dv), term by term as the paper writes it.
std::vector<double> plainDelta(const DeltaCase& c) {
    const DeltaData d(c);
    std::vector<double> out(size_t(kAll * c.valueHeads * c.vDim));
    for (int s = 0; s < kSequences; ++s)
        for (int h = 0; h < c.valueHeads; ++h) {
            const int keyHead = c.tiled ? h % c.keyHeads : h / (c.valueHeads / c.keyHeads);
            std::vector<double> state(size_t(c.kDim * c.vDim), 0);
            for (int r = rowOf(s); r < rowOf(s) + kLengths[s]; ++r) {
                const auto at = size_t((r * c.keyHeads + keyHead) * c.kDim), to = size_t(r * c.valueHeads + h);
                const auto q = unit(d.q.data() + at, c.kDim, 1 / std::sqrt(double(c.kDim)));
                const auto k = unit(d.k.data() + at, c.kDim, 1);
                const double x = double(d.alpha[to]) + double(d.dtBias[size_t(h)]);
                const double decay = std::exp(double(d.a[size_t(h)]) * std::log1p(std::exp(x)));
                const double beta = 1 / (1 + std::exp(-double(d.beta[to])));
                for (double& number : state)
                    number *= decay;
                for (int j = 0; j < c.vDim; ++j) {
                    double seen = 0, sum = 0;
                    for (int i = 0; i < c.kDim; ++i)
                        seen += state[size_t(i * c.vDim + j)] * k[size_t(i)];
                    const double change = beta * (double(d.v[to * size_t(c.vDim) + size_t(j)]) - seen);
                    for (int i = 0; i < c.kDim; ++i) {
                        state[size_t(i * c.vDim + j)] += k[size_t(i)] * change;
                        sum += state[size_t(i * c.vDim + j)] * q[size_t(i)];
                    }
                    out[to * size_t(c.vDim) + size_t(j)] = sum;
                }
            }
        }
    return out;
}

const DeltaCase kDeltas[] = {
    {},
    {.keyHeads = 1, .valueHeads = 1, .kDim = 7, .vDim = 5},
    {.keyHeads = 3, .valueHeads = 6, .kDim = 16, .vDim = 72, .tiled = true},
    {.keyHeads = 2, .valueHeads = 2, .kDim = 128, .vDim = 128},
};

TEST(DeltaNet, AgainstPlainArithmetic) {
    for (const std::string& isa : isaNames())
        for (const DeltaCase& c : kDeltas) {
            const auto want = plainDelta(c);
            const auto got = runDelta(c, isa, kFeedings[0]);
            for (size_t i = 0; i < want.size(); ++i)
                ASSERT_NEAR(got[i], want[i], 1e-5) << isa << " dims " << c.kDim << " " << c.vDim << " at " << i;
        }
}

TEST(DeltaNet, BitsDoNotDependOnChunksOrThreads) {
    for (const std::string& isa : isaNames())
        for (const DeltaCase& c : kDeltas) {
            const auto want = runDelta(c, isa, kFeedings[0]);
            for (const Feeding& f : kFeedings)
                EXPECT_EQ(runDelta(c, isa, f), want)
                    << isa << " " << c.vDim << " chunks of " << f.chunk << ", threads " << f.threads;
        }
}

// --- States ----------------------------------------------------------------------------------------------------------

TEST(Recurrent, CompileRefusesWhatDoesNotFit) {
    Machine m;
    const auto expect = [&](auto op, auto change, const std::string& part) {
        OperationList list{.path = Path::Decode, .rows = 4, .batch = m.batch(4)};
        change(op, list);
        list.operations = {op};
        const std::string got = tests::refusal(m, list);
        EXPECT_NE(got.find(part), std::string::npos) << "said: " << got << ", expected: " << part;
    };
    const auto nothing = [](auto&, auto&) {};
    const CausalConv conv{.x = m.tensor(Type::F32, 4, 10),
                          .weight = m.tensor(Type::F32, 10, 4),
                          .out = m.tensor(Type::F32, 4, 10),
                          .state = makeState(m, 120)};
    expect(conv, nothing, "accepted");
    expect(
        conv, [](CausalConv& c, auto&) { c.out = c.x; }, "overlap");
    expect(
        conv, [](CausalConv& c, auto&) { c.weight.rows = 9; }, "weight is");
    expect(
        conv, [&](CausalConv& c, auto&) { c.weight = m.tensor(Type::F32, 10, 1); }, "kernel");
    expect(
        conv, [&](CausalConv& c, auto&) { c.weight = m.tensor(Type::F32, 10, 100); }, "kernel");
    expect(
        conv, [&](CausalConv& c, auto&) { c.weight = m.tensor(Type::F32, 10, 6); }, "does not hold 200 bytes");
    expect(
        conv, [](CausalConv& c, auto&) { c.state.offset = ~uint64_t{0}; }, "does not hold");
    expect(
        conv, [](CausalConv& c, auto&) { c.state.offset = 2; }, "aligned");
    expect(
        conv, [](CausalConv& c, auto&) { c.state.pageBytes *= 6; }, "does not hold");
    expect(
        conv, [](CausalConv& c, auto&) { c.state.memory = kNoMemory; }, "missing");
    expect(
        conv, [](CausalConv& c, auto&) { c.state.pageTable = {}; }, "page table is missing");
    expect(
        conv, [](CausalConv&, OperationList& l) { l.batch.sequences = {}; }, "no positions or sequences");

    const Tensor heads = m.tensor(Type::F32, 1, 4), perRow = m.tensor(Type::F32, 4, 4);
    const DeltaNet delta{.q = m.tensor(Type::F32, 4, 16),
                         .k = m.tensor(Type::F32, 4, 16),
                         .v = m.tensor(Type::F32, 4, 24),
                         .alpha = perRow,
                         .beta = perRow,
                         .a = heads,
                         .dtBias = heads,
                         .out = m.tensor(Type::F32, 4, 24),
                         .keyHeads = 2,
                         .valueHeads = 4,
                         .state = makeState(m, 4 * 8 * 6 * 4)};
    expect(delta, nothing, "accepted");
    expect(
        delta, [](DeltaNet& d, auto&) { d.keyHeads = 3; }, "multiple");
    expect(
        delta, [](DeltaNet& d, auto&) { d.keyHeads = 0; }, "multiple");
    expect(
        delta, [](DeltaNet& d, auto&) { d.valueHeads = 1 << 30; }, "multiple");
    expect(
        delta, [](DeltaNet& d, auto&) { d.v.cols = 23; }, "do not fill");
    expect(
        delta, [](DeltaNet& d, auto&) { d.k.cols = 15; }, "k is");
    expect(
        delta, [](DeltaNet& d, auto&) { d.alpha.cols = 3; }, "alpha is");
    expect(
        delta, [](DeltaNet& d, auto&) { d.a = {}; }, "missing");
    expect(
        delta, [](DeltaNet& d, auto&) { d.out = d.v; }, "overlaps");
    expect(
        delta, [](DeltaNet& d, auto&) { d.state.pageBytes -= 12; }, "does not hold");
}

TEST(Recurrent, BadPagesReadNothingOutOfBounds) {
    Machine m(2);
    OperationList list{.path = Path::Decode, .rows = 4, .batch = m.batch(4)};
    StateView state = makeState(m, 120);
    list.operations = {CausalConv{.x = m.tensor(Type::F32, 4, 10),
                                  .weight = m.tensor(Type::F32, 10, 4),
                                  .out = m.tensor(Type::F32, 4, 10),
                                  .state = state}};
    m.set(state.pageTable, {-1, 2147483647, 5});
    m.setRows(list.batch, {{-3, -3}, {2147483647, 1}, {0, 2}, {5, 2147483647}});
    m.run(list);
    m.setRows(list.batch, {});
    m.run(list);
}

} // namespace
} // namespace hearth::kernels
