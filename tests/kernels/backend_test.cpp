#include "kernels/backend.h"
#include "tests/kernels/kernel_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>

// Whole plans through the public interface.
namespace hearth::kernels {
namespace {

using tests::randomFloats;
using tests::randomWeights;

std::vector<std::string> isaNames() {
    std::vector<std::string> names;
    for (const char* name : {"avx512", "avxvnni", "avx2", "reference"})
        try {
            names.push_back(makeCpuBackend({.threads = 1, .isa = name})->isa());
        } catch (const BackendError&) {
        }
    return names;
}

/// A backend with the tensors of a small attention model.
class Machine {
public:
    explicit Machine(int threads = 1, const std::string& isa = {})
        : backend(makeCpuBackend({.threads = threads, .isa = isa})) {}

    Tensor tensor(Type type, int64_t rows, int64_t cols) {
        const uint64_t stride = rowBytes(type, cols);
        return {backend->allocate(stride * uint64_t(rows)), type, 0, rows, cols, stride};
    }

    Tensor floats(int64_t rows, int64_t cols, const std::vector<float>& numbers) {
        const Tensor t = tensor(Type::F32, rows, cols);
        backend->write(t.memory, 0, std::as_bytes(std::span(numbers)));
        return t;
    }

    Tensor indices(const std::vector<int32_t>& numbers, int64_t rows = 1) {
        const Tensor t = tensor(Type::I32, rows, int64_t(numbers.size()) / rows);
        backend->write(t.memory, 0, std::as_bytes(std::span(numbers)));
        return t;
    }

    void set(const Tensor& t, const std::vector<int32_t>& numbers) {
        backend->write(t.memory, 0, std::as_bytes(std::span(numbers)));
    }

    std::vector<float> read(const Tensor& t) {
        std::vector<float> numbers(size_t(t.rows * t.cols));
        backend->read(t.memory, 0, std::as_writable_bytes(std::span(numbers)));
        return numbers;
    }

    Tensor weights(Type type, int64_t rows, int64_t cols, uint32_t seed) {
        kept.push_back(randomWeights(type, rows, cols, seed));
        return {backend->adopt(kept.back().data(), kept.back().size()), type, 0, rows, cols, rowBytes(type, cols)};
    }

    Batch batch(int rows) {
        return {.rowCount = indices({rows}),
                .ids = indices(std::vector<int32_t>(size_t(rows), 0)),
                .positions = indices(std::vector<int32_t>(size_t(rows), 0)),
                .sequences = indices(std::vector<int32_t>(size_t(rows), 0)),
                .outputRows = indices(std::vector<int32_t>(size_t(rows), 0)),
                .outputCount = indices({0})};
    }

    void run(const OperationList& list) {
        const auto plan = backend->compile(list);
        EXPECT_TRUE(backend->run(*plan));
    }

    std::unique_ptr<Backend> backend;
    std::vector<std::vector<std::byte>> kept;
};

/// A model of one layer with everything in it, to compare whole forwards bit for bit.
class Layer {
public:
    static constexpr int kVocab = 50, kHidden = 96, kHeads = 6, kKvHeads = 2, kDim = 16, kFfn = 320, kPageTokens = 48,
                         kPages = 40, kSequences = 3, kMaxPages = 12;

    Layer(Machine& m, Path path, int rows, bool exact, KvView kv) : machine_(m) {
        list_.path = path;
        list_.rows = rows;
        list_.batch = m.batch(rows);
        const Tensor hidden = m.tensor(Type::F32, rows, kHidden);
        const auto activations = [&](int64_t cols) {
            Activations a{.f32 = m.tensor(Type::F32, rows, cols)};
            if (!exact)
                a.q8 = m.tensor(Type::A8, rows, cols);
            return a;
        };
        const Activations normed = activations(kHidden), attended = activations(kHeads * kDim), act = activations(kFfn);
        const Tensor q = m.tensor(Type::F32, rows, kHeads * kDim), k = m.tensor(Type::F32, rows, kKvHeads * kDim);
        const Tensor v = m.tensor(Type::F32, rows, kKvHeads * kDim);
        const Tensor gate = m.tensor(Type::F32, rows, kFfn), up = m.tensor(Type::F32, rows, kFfn);
        const Tensor norm = m.floats(1, kHidden, randomFloats(kHidden, 11)),
                     bias = m.floats(1, kHeads * kDim, randomFloats(kHeads * kDim, 12));
        out_ = m.tensor(Type::F32, rows, kVocab);
        const Tensor picked = m.tensor(Type::F32, rows, kHidden);
        const Activations last = activations(kHidden);
        list_.operations = {
            Gather{.table = m.weights(Type::Q8_0, kVocab, kHidden, 1), .out = hidden, .scale = 3.0f},
            Norm{.x = hidden, .weight = norm, .out = normed},
            MatMul{.x = normed,
                   .parts = {{.weight = m.weights(Type::Q4_1, kHeads * kDim, kHidden, 2), .bias = bias, .out = q},
                             {.weight = m.weights(Type::F16, kKvHeads * kDim, kHidden, 3), .out = k},
                             {.weight = m.weights(Type::Q5_0, kKvHeads * kDim, kHidden, 4), .out = v}}},
            Norm{.groupCols = kDim, .x = q, .out = {.f32 = q}},
            Rope{.x = q, .heads = kHeads, .headDim = kDim, .dims = kDim},
            Rope{.x = k, .heads = kKvHeads, .headDim = kDim, .dims = kDim},
            StoreKv{.k = k, .v = v, .kv = kv},
            Attention{.q = q, .out = attended, .kv = kv, .heads = kHeads, .scale = 0.25f},
            MatMul{.x = attended,
                   .parts = {{.weight = m.weights(Type::Q5_1, kHidden, kHeads * kDim, 5),
                              .out = hidden,
                              .accumulate = true}}},
            Norm{.kind = NormKind::Layer, .x = hidden, .weight = norm, .bias = norm, .out = normed},
            MatMul{.x = normed,
                   .parts = {{.weight = m.weights(Type::Q4_0, kFfn, kHidden, 6), .out = gate},
                             {.weight = m.weights(Type::Q8_0, kFfn, kHidden, 7), .out = up}}},
            Activate{.gate = gate, .up = up, .out = act},
            MatMul{.x = act,
                   .parts = {{.weight = m.weights(Type::BF16, kHidden, kFfn, 8), .out = hidden, .accumulate = true}}},
            Add{.a = hidden, .b = hidden, .out = hidden, .scale = 0.5f},
            PickRows{.x = hidden, .out = picked},
            Norm{.x = picked, .weight = norm, .out = last, .outputRowsOnly = true},
            MatMul{.x = last,
                   .parts = {{.weight = m.weights(Type::Q8_0, kVocab, kHidden, 1), .out = out_}},
                   .outputRowsOnly = true},
        };
        plan_ = m.backend->compile(list_);
    }

    struct Row {
        int32_t id, position, sequence;
    };

    /// Logits of each row.
    std::vector<std::vector<float>> run(const std::vector<Row>& rows) {
        std::vector<int32_t> ids, positions, sequences, outputs;
        for (const Row& r : rows) {
            outputs.push_back(int32_t(ids.size()));
            ids.push_back(r.id), positions.push_back(r.position), sequences.push_back(r.sequence);
        }
        const Batch& b = list_.batch;
        machine_.set(b.rowCount, {int32_t(rows.size())});
        machine_.set(b.outputCount, {int32_t(rows.size())});
        if (!rows.empty()) {
            machine_.set(b.ids, ids), machine_.set(b.positions, positions);
            machine_.set(b.sequences, sequences), machine_.set(b.outputRows, outputs);
        }
        EXPECT_TRUE(machine_.backend->run(*plan_));
        const auto all = machine_.read(out_);
        std::vector<std::vector<float>> logits;
        for (size_t r = 0; r < rows.size(); ++r)
            logits.emplace_back(all.begin() + long(r) * kVocab, all.begin() + long(r + 1) * kVocab);
        return logits;
    }

    static KvView makeKv(Machine& m, Type type = Type::F16) {
        KvView kv{.type = type, .pageTokens = kPageTokens, .heads = kKvHeads, .kDim = kDim, .vDim = kDim};
        const uint64_t half = uint64_t(kPageTokens) * kKvHeads * kDim * uint64_t(quantType(type).bytes);
        kv.vOffset = half;
        kv.pageBytes = 2 * half;
        kv.memory = m.backend->allocate(kv.pageBytes * kPages);
        std::vector<int32_t> table;
        for (int i = 0; i < kSequences * kMaxPages; ++i)
            table.push_back((i * 7 + 3) % kPages); // scattered, no page twice
        kv.pageTable = m.indices(table, kSequences);
        return kv;
    }

    OperationList list_;
    Tensor out_;

private:
    Machine& machine_;
    std::unique_ptr<Plan> plan_;
};

std::vector<Layer::Row> prompt(int begin, int end, int sequence = 0) {
    std::vector<Layer::Row> rows;
    for (int i = begin; i < end; ++i)
        rows.push_back({(i * 31 + sequence) % Layer::kVocab, i, sequence});
    return rows;
}

/// Logits of a prompt fed in pieces of `chunk` rows.
std::vector<std::vector<float>> prefill(int threads, const std::string& isa, int tokens, int chunk, bool exact,
                                        int before = 0) {
    Machine m(threads, isa);
    Layer layer(m, Path::Prefill, 256, exact, Layer::makeKv(m));
    std::vector<std::vector<float>> logits;
    for (int at = 0; at < tokens;) {
        const int size = at == 0 && before > 0 ? before : chunk;
        const auto part = layer.run(prompt(at, std::min(tokens, at + size)));
        logits.insert(logits.end(), part.begin(), part.end());
        at += size;
    }
    return logits;
}

TEST(Backend, PromptBitsDoNotDependOnChunksOrThreads) {
    for (const std::string& isa : isaNames())
        for (const bool exact : {false, true}) {
            const auto whole = prefill(1, isa, 200, 256, exact);
            for (const float f : whole.back())
                ASSERT_TRUE(std::isfinite(f));
            EXPECT_EQ(whole, prefill(1, isa, 200, 1, exact)) << isa;
            EXPECT_EQ(whole, prefill(1, isa, 200, 7, exact, 3)) << isa;
            EXPECT_EQ(whole, prefill(2, isa, 200, 64, exact)) << isa;
            EXPECT_EQ(whole, prefill(3, isa, 200, 200, exact)) << isa;
            EXPECT_EQ(whole, prefill(4, isa, 200, 100, exact)) << isa;
        }
}

TEST(Backend, GeneratedRowsHaveTheBitsTheyHaveAlone) {
    for (const std::string& isa : isaNames()) {
        const auto decode = [&](int threads, int together) {
            Machine m(threads, isa);
            const KvView kv = Layer::makeKv(m);
            Layer prompts(m, Path::Prefill, 256, false, kv), generate(m, Path::Decode, 16, false, kv);
            prompts.run(prompt(0, 200, 0));
            prompts.run(prompt(0, 256, 1));
            prompts.run(prompt(256, 330, 1));
            prompts.run(prompt(0, 5, 2));
            std::vector<Layer::Row> rows;
            for (int i = 0; i < 6; ++i)
                rows.push_back({i, 200 + i, 0});
            for (int i = 0; i < 9; ++i)
                rows.push_back({i + 10, 330 + i, 1});
            rows.push_back({40, 5, 2});
            std::vector<std::vector<float>> logits;
            for (size_t at = 0; at < rows.size(); at += size_t(together)) {
                const auto end = rows.begin() + long(std::min(rows.size(), at + size_t(together)));
                const auto part = generate.run({rows.begin() + long(at), end});
                logits.insert(logits.end(), part.begin(), part.end());
            }
            return logits;
        };
        const auto alone = decode(1, 1);
        for (const int together : {2, 3, 4, 7, 16})
            EXPECT_EQ(alone, decode(1 + together % 4, together)) << isa << " " << together;
    }
}

TEST(Backend, PathsAndNumericsAgree) {
    for (const std::string& isa : isaNames())
        for (const bool exact : {true, false}) {
            Machine m(1, isa);
            const KvView kv = Layer::makeKv(m, Type::F32), other = Layer::makeKv(m, Type::F32);
            Layer prompts(m, Path::Prefill, 256, exact, kv), generate(m, Path::Decode, 1, exact, other);
            const auto want = prompts.run(prompt(0, 120));
            Machine r(1, "reference");
            const auto reference = Layer(r, Path::Prefill, 256, true, Layer::makeKv(r, Type::F32)).run(prompt(0, 120));
            double squares = 0, gotWant = 0, gotReference = 0;
            for (int i = 0; i < 120; ++i) {
                const auto got = generate.run(prompt(i, i + 1));
                for (size_t n = 0; n < got[0].size(); ++n) {
                    const double g = double(got[0][n]), w = double(want[size_t(i)][n]);
                    const double plain = double(reference[size_t(i)][n]);
                    squares += plain * plain;
                    gotWant += (g - w) * (g - w);
                    gotReference += (g - plain) * (g - plain);
                }
            }
            const double limit = exact ? 1e-5 : 0.03; // 8-bit activations cost about 1 % here
            EXPECT_LT(std::sqrt(gotWant / squares), limit) << isa;
            EXPECT_LT(std::sqrt(gotReference / squares), limit) << isa;
        }
}

TEST(Backend, NoLiveRowsIsFine) {
    Machine m(2);
    const KvView kv = Layer::makeKv(m);
    for (const Path path : {Path::Decode, Path::Prefill})
        EXPECT_TRUE(Layer(m, path, 16, false, kv).run({}).empty());
}

TEST(Backend, BadIndicesReadNothingOutOfBounds) {
    Machine m(2);
    KvView kv = Layer::makeKv(m);
    std::vector<int32_t> table(size_t(Layer::kSequences) * Layer::kMaxPages, 2000000000);
    table[0] = -7;
    m.set(kv.pageTable, table);
    for (const Path path : {Path::Decode, Path::Prefill}) {
        Layer layer(m, path, 16, false, kv);
        const auto logits = layer.run({{-5, -1, -1}, {1 << 30, 1 << 30, 1 << 30}, {3, 2147483647, 2}});
        EXPECT_EQ(logits.size(), 3u);
        m.set(layer.list_.batch.rowCount, {1 << 30});
        m.set(layer.list_.batch.outputCount, {-4});
        m.set(layer.list_.batch.outputRows, {-9, 1 << 30});
        m.run(layer.list_);
    }
}

TEST(Backend, CancelStopsARunAndTheNextOneIsWhole) {
    Machine m(2);
    const KvView kv = Layer::makeKv(m);
    Layer layer(m, Path::Prefill, 256, false, kv);
    const auto want = layer.run(prompt(0, 100));
    std::atomic<bool> cancel{true};
    const auto plan = m.backend->compile(layer.list_);
    EXPECT_FALSE(m.backend->run(*plan, &cancel));
    cancel = false;
    EXPECT_TRUE(m.backend->run(*plan, &cancel));
    EXPECT_EQ(layer.run(prompt(0, 100)), want);
}

// --- Attention against plain arithmetic ------------------------------------------------------------------------------

struct AttentionCase {
    Type type = Type::F32;
    int heads = 4, kvHeads = 2, kDim = 16, vDim = 16, pageTokens = 32, window = 0;
    float softCap = 0;
    bool sinks = false;
};

struct AttentionRun {
    std::vector<float> q, k, v, sinks, out;
};

/// `tokens` rows of sequence 1 through StoreKv and Attention, the last `rows` of them by `path`.
AttentionRun runAttention(const std::string& isa, const AttentionCase& c, Path path, int tokens, int rows) {
    Machine m(2, isa);
    AttentionRun r;
    r.q = randomFloats(size_t(tokens * c.heads * c.kDim), 1);
    r.k = randomFloats(size_t(tokens * c.kvHeads * c.kDim), 2);
    r.v = randomFloats(size_t(tokens * c.kvHeads * c.vDim), 3);
    r.sinks = randomFloats(size_t(c.heads), 4);
    const uint64_t element = uint64_t(quantType(c.type).bytes);
    const int maxPages = (tokens + c.pageTokens - 1) / c.pageTokens + 1;
    KvView kv{.type = c.type, .pageTokens = c.pageTokens, .heads = c.kvHeads, .kDim = c.kDim, .vDim = c.vDim};
    kv.kOffset = 64; // something else lies before
    kv.vOffset = (kv.kOffset + uint64_t(c.pageTokens * c.kvHeads * c.kDim) * element + 3) / 4 * 4;
    kv.pageBytes = (kv.vOffset + uint64_t(c.pageTokens * c.kvHeads * c.vDim) * element + 12) / 4 * 4;
    kv.memory = m.backend->allocate(kv.pageBytes * uint64_t(maxPages));
    std::vector<int32_t> table(size_t(maxPages) * 2, 0);
    for (int i = 0; i < maxPages; ++i)
        table[size_t(maxPages + i)] = maxPages - 1 - i;
    kv.pageTable = m.indices(table, 2);
    const auto lists = [&](Path p, int first, int count, bool attend) {
        OperationList list{.path = p, .rows = count, .batch = m.batch(count)};
        std::vector<int32_t> positions;
        for (int i = 0; i < count; ++i)
            positions.push_back(first + i);
        m.set(list.batch.positions, positions);
        m.set(list.batch.sequences, std::vector<int32_t>(size_t(count), 1));
        const auto part = [&](const std::vector<float>& all, int cols) {
            return m.floats(count, cols, {all.begin() + long(first) * cols, all.begin() + long(first + count) * cols});
        };
        list.operations.push_back(
            StoreKv{.k = part(r.k, c.kvHeads * c.kDim), .v = part(r.v, c.kvHeads * c.vDim), .kv = kv});
        const Tensor out = m.tensor(Type::F32, count, c.heads * c.vDim);
        if (attend)
            list.operations.push_back(Attention{.q = part(r.q, c.heads * c.kDim),
                                                .out = {.f32 = out},
                                                .kv = kv,
                                                .heads = c.heads,
                                                .scale = 0.3f,
                                                .softCap = c.softCap,
                                                .window = c.window,
                                                .sinks = c.sinks ? m.floats(1, c.heads, r.sinks) : Tensor{}});
        m.run(list);
        return m.read(out);
    };
    if (tokens > rows)
        lists(Path::Prefill, 0, tokens - rows, false);
    r.out = lists(path, tokens - rows, rows, true);
    return r;
}

double stored(Type type, float f) {
    std::byte bytes[4];
    quantType(type).encode(&f, bytes, 1);
    quantType(type).decode(bytes, &f, 1);
    return double(f);
}

void expectAttention(const std::string& what, const AttentionCase& c, const AttentionRun& r, int tokens, int rows) {
    for (int i = 0; i < rows; ++i)
        for (int h = 0; h < c.heads; ++h) {
            const int position = tokens - rows + i, kvHead = h / (c.heads / c.kvHeads);
            const int begin = c.window > 0 ? std::max(0, position - c.window + 1) : 0;
            std::vector<double> weights;
            double sum = c.sinks ? std::exp(double(r.sinks[size_t(h)])) : 0;
            for (int t = begin; t <= position; ++t) {
                double s = 0;
                for (int d = 0; d < c.kDim; ++d)
                    s += double(r.q[size_t((position * c.heads + h) * c.kDim + d)]) *
                         stored(c.type, r.k[size_t((t * c.kvHeads + kvHead) * c.kDim + d)]);
                s *= 0.3;
                weights.push_back(std::exp(c.softCap > 0 ? double(c.softCap) * std::tanh(s / double(c.softCap)) : s));
                sum += weights.back();
            }
            for (int d = 0; d < c.vDim; ++d) {
                double want = 0;
                for (int t = begin; t <= position; ++t)
                    want +=
                        weights[size_t(t - begin)] * stored(c.type, r.v[size_t((t * c.kvHeads + kvHead) * c.vDim + d)]);
                ASSERT_NEAR(r.out[size_t((i * c.heads + h) * c.vDim + d)], want / sum, 2e-5)
                    << what << " row " << i << " head " << h;
            }
        }
}

TEST(Backend, AttentionAgainstPlainArithmetic) {
    const AttentionCase cases[] = {
        {},
        {.type = Type::F16, .heads = 9, .kvHeads = 3, .kDim = 64, .vDim = 64, .pageTokens = 64},
        {.type = Type::BF16, .heads = 5, .kvHeads = 1, .kDim = 20, .vDim = 20, .pageTokens = 48},
        {.type = Type::F16, .heads = 6, .kvHeads = 6, .kDim = 80, .vDim = 40, .pageTokens = 7, .window = 33},
        {.heads = 4, .kvHeads = 1, .kDim = 24, .vDim = 72, .pageTokens = 256, .softCap = 2.0f, .sinks = true},
        {.type = Type::F16, .heads = 71, .kvHeads = 1, .kDim = 16, .vDim = 16, .pageTokens = 32},
        {.type = Type::F32, .heads = 2, .kvHeads = 2, .kDim = 7, .vDim = 5, .pageTokens = 600, .window = 300},
    };
    for (const std::string& isa : isaNames())
        for (const AttentionCase& c : cases)
            for (const Path path : {Path::Decode, Path::Prefill})
                for (const int tokens : {3, 65, 300}) {
                    if (tokens == 300 && isa == "reference" && c.heads > 9)
                        continue;
                    const int rows = path == Path::Decode ? std::min(tokens, 3) : std::min(tokens, 50);
                    const std::string what = isa + " heads " + std::to_string(c.heads) + " tokens " +
                                             std::to_string(tokens) + (path == Path::Decode ? " decode" : " prefill");
                    expectAttention(what, c, runAttention(isa, c, path, tokens, rows), tokens, rows);
                    if (testing::Test::HasFatalFailure())
                        return;
                }
}

// --- What compile() refuses ------------------------------------------------------------------------------------------

std::string refusal(Machine& m, const OperationList& list) {
    try {
        m.backend->compile(list);
    } catch (const BackendError& e) {
        return e.what();
    }
    return "accepted";
}

OperationList oneProduct(Machine& m, Type type, int64_t k) {
    OperationList list{.path = Path::Decode, .rows = 2, .batch = m.batch(2)};
    const Tensor w = m.weights(type, 4, k, 1);
    list.operations.push_back(MatMul{.x = {.f32 = m.tensor(Type::F32, 2, k), .q8 = m.tensor(Type::A8, 2, k)},
                                     .parts = {{.weight = w, .out = m.tensor(Type::F32, 2, 4)}}});
    return list;
}

TEST(Backend, CompileRefusesWhatDoesNotFit) {
    Machine m;
    const auto broken = [&](auto change) {
        OperationList list = oneProduct(m, Type::Q8_0, 64);
        change(std::get<MatMul>(list.operations[0]), list);
        return refusal(m, list);
    };
    EXPECT_EQ(broken([](MatMul&, OperationList&) {}), "accepted");
    const auto expect = [&](auto change, const std::string& part) {
        const std::string said = broken(change);
        EXPECT_NE(said.find(part), std::string::npos) << "said: " << said << ", expected: " << part;
        EXPECT_NE(said.find("Operation 0 (product): "), std::string::npos) << said;
    };
    expect([](MatMul& p, auto&) { p.parts[0].weight.rows = 5; }, "past the end");
    expect([](MatMul& p, auto&) { p.parts[0].weight.offset = 1; }, "past the end");
    expect([](MatMul& p, auto&) { p.parts[0].weight.offset = ~uint64_t{0}; }, "past the end");
    expect([](MatMul& p, auto&) { p.parts[0].weight.stride = ~uint64_t{0} / 2; }, "past the end");
    expect([](MatMul& p, auto&) { p.parts[0].weight.stride = 1; }, "closer together");
    expect([](MatMul& p,
              auto&) { p.parts[0].weight.rows = 2, p.parts[0].weight.cols = 96, p.parts[0].weight.stride = 102; },
           "are needed");
    expect([](MatMul& p, auto&) { p.parts[0].weight.rows = -1; }, "impossible shape");
    expect([](MatMul& p, auto&) { p.parts[0].weight.cols = int64_t{1} << 62; }, "impossible shape");
    expect([](MatMul& p, auto&) { p.parts[0].weight.type = Type::Q4_K; }, "whole blocks");
    expect([](MatMul& p, auto&) { p.parts[0].weight.type = Type::I32; }, "");
    expect([](MatMul& p, auto&) { p.parts[0].weight.memory = 12345; }, "does not exist");
    expect([](MatMul& p, auto&) { p.parts[0].weight.memory = kNoMemory; }, "is missing");
    expect([](MatMul& p, auto&) { p.parts[0].out.rows = 1; }, "are needed");
    expect([](MatMul& p, auto&) { p.parts[0].out.type = Type::I32; }, "wrong type");
    expect([](MatMul& p, auto&) { p.parts[0].out.offset = 2; }, "");
    expect([](MatMul& p, auto&) { p.parts[0].out = p.parts[0].weight; }, "");
    expect([](MatMul& p, auto&) { p.parts[0].out = p.x.f32, p.parts[0].weight.rows = 4; }, "");
    expect([](MatMul& p, auto&) { p.x = {}; }, "");
    expect([](MatMul& p, auto&) { p.parts.clear(); }, "no parts");
    expect([](MatMul& p, OperationList& l) { p.outputRowsOnly = true, l.batch.outputCount = {}; }, "outputCount");
    expect([&](MatMul& p, auto&) { p.x.f32 = {}, p.parts[0].weight = m.weights(Type::F16, 4, 64, 1); },
           "float activations");
    EXPECT_NE(broken([](MatMul&, OperationList& l) { l.rows = 0; }).find("row capacity"), std::string::npos);
    EXPECT_NE(broken([](MatMul&, OperationList& l) { l.batch.rowCount = {}; }).find("rowCount is missing"),
              std::string::npos);
}

TEST(Backend, CompileRefusesImpossibleCaches) {
    Machine m;
    const KvView good = Layer::makeKv(m);
    const auto with = [&](KvView kv, int heads) {
        OperationList list{.path = Path::Prefill, .rows = 2, .batch = m.batch(2)};
        list.operations.push_back(Attention{.q = m.tensor(Type::F32, 2, 16 * heads),
                                            .out = {.f32 = m.tensor(Type::F32, 2, 16 * heads)},
                                            .kv = kv,
                                            .heads = heads});
        return refusal(m, list);
    };
    EXPECT_EQ(with(good, 4), "accepted");
    EXPECT_NE(with(good, 5).find("multiple"), std::string::npos);
    KvView kv = good;
    kv.vOffset += 4;
    EXPECT_NE(with(kv, 4).find("does not hold"), std::string::npos);
    kv = good, kv.kOffset = ~uint64_t{0} - 8;
    EXPECT_NE(with(kv, 4).find("does not hold"), std::string::npos);
    kv = good, kv.pageTokens = 2000000000;
    EXPECT_NE(with(kv, 4).find("impossible"), std::string::npos);
    kv = good, kv.pageBytes = 0;
    EXPECT_NE(with(kv, 4).find("does not hold"), std::string::npos);
    kv = good, kv.memory = kNoMemory;
    EXPECT_NE(with(kv, 4).find("missing"), std::string::npos);
    kv = good, kv.type = Type::Q4_K;
    EXPECT_NE(with(kv, 4).find("not supported"), std::string::npos);
    kv = good, kv.pageTable = {};
    EXPECT_NE(with(kv, 4).find("missing"), std::string::npos);
}

TEST(Backend, InstructionSetsByName) {
    EXPECT_THROW(makeCpuBackend({.isa = "sse9"}), BackendError);
    try {
        makeCpuBackend({.isa = "sse9"});
    } catch (const BackendError& e) {
        EXPECT_NE(std::string(e.what()).find("reference"), std::string::npos) << "names what there is: " << e.what();
    }
    EXPECT_EQ(makeCpuBackend({.isa = "reference"})->isa(), "reference");
    EXPECT_EQ(makeCpuBackend({})->name(), "CPU");
    // Either there are rows for it or a sentence.
    try {
        EXPECT_EQ(makeCpuBackend({.isa = "amx"})->isa(), "amx");
    } catch (const BackendError& e) {
        EXPECT_NE(std::string(e.what()).find("amx"), std::string::npos);
    }
}

TEST(Backend, MemoriesAreCheckedAndZeroed) {
    Machine m;
    Backend& b = *m.backend;
    for (const uint64_t bytes : {uint64_t(0), uint64_t(5), uint64_t(3) << 20}) {
        const MemoryId id = b.allocate(bytes);
        std::vector<std::byte> all(bytes, std::byte(1));
        b.read(id, 0, all);
        EXPECT_EQ(all, std::vector<std::byte>(bytes));
        b.release(id);
        EXPECT_THROW(b.read(id, 0, std::span<std::byte>()), BackendError);
        b.release(id);
    }
    const std::vector<std::byte> file(10, std::byte(7));
    const MemoryId adopted = b.adopt(file.data(), file.size()), own = b.allocate(20);
    EXPECT_THROW(b.write(adopted, 0, file), BackendError);
    EXPECT_THROW(b.write(own, 11, file), BackendError);
    EXPECT_THROW(b.write(own, ~uint64_t{0}, file), BackendError);
    EXPECT_THROW(b.copy(own, 0, adopted, 5, 6), BackendError);
    b.copy(own, 10, adopted, 0, 10);
    std::byte last;
    b.read(own, 19, {&last, 1});
    EXPECT_EQ(last, std::byte(7));
    EXPECT_THROW(b.allocate(~uint64_t{0}), std::bad_alloc);
    EXPECT_THROW(b.allocate(uint64_t{1} << 60), std::bad_alloc);
}

TEST(Backend, MeasuresReadingSpeed) {
    Machine m(2);
    const std::vector<std::byte> sample(size_t(4) << 20, std::byte(1));
    EXPECT_GT(m.backend->measureReadBandwidth(sample), 1e8);
    EXPECT_EQ(m.backend->measureReadBandwidth({}), 0);
}

} // namespace
} // namespace hearth::kernels
