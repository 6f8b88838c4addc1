#include "tests/kernels/machine.h"

#include <gtest/gtest.h>

#include <cmath>

// Whole plans through the public interface.
namespace hearth::kernels {
namespace {

using tests::isaNames;
using tests::Machine;
using tests::randomFloats;

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
        const uint64_t half = uint64_t(kPageTokens) * kKvHeads * cacheRowBytes(type, kDim);
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
                                        int before = 0, Type cache = Type::F16) {
    Machine m(threads, isa);
    Layer layer(m, Path::Prefill, 256, exact, Layer::makeKv(m, cache));
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

TEST(Backend, PromptBitsOverCachesOfBlocks) {
    for (const std::string& isa : isaNames())
        for (const Type type : {Type::Q8_0, Type::Q4_0}) {
            const auto whole = prefill(1, isa, 200, 256, false, 0, type);
            EXPECT_NE(whole, prefill(1, isa, 200, 256, false)) << isa;
            EXPECT_EQ(whole, prefill(1, isa, 200, 7, false, 3, type)) << isa;
            EXPECT_EQ(whole, prefill(3, isa, 200, 64, false, 0, type)) << isa;
        }
}

class GeneratedRows : public testing::TestWithParam<Type> {};

INSTANTIATE_TEST_SUITE_P(Caches, GeneratedRows, testing::Values(Type::F32, Type::F16, Type::Q8_0, Type::Q4_0));

TEST_P(GeneratedRows, HaveTheBitsTheyHaveAlone) {
    for (const std::string& isa : isaNames()) {
        const auto decode = [&](int threads, int together) {
            Machine m(threads, isa);
            const KvView kv = Layer::makeKv(m, GetParam());
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

// --- What compile() refuses ------------------------------------------------------------------------------------------

using tests::refusal;

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

TEST(Backend, CompileRefusesScalesThatDoNotFit) {
    Machine m;
    const auto said = [&](auto change) {
        OperationList list = oneProduct(m, Type::F8_E4M3, 300);
        auto& product = std::get<MatMul>(list.operations[0]);
        change(product.parts[0].weight);
        return refusal(m, list);
    };
    EXPECT_EQ(said([](Tensor&) {}), "accepted");
    EXPECT_EQ(said([](Tensor& w) { w.scales = {}; }), "accepted"); // all 1
    const auto expect = [&](auto change, const std::string& part) {
        const std::string sentence = said(change);
        EXPECT_NE(sentence.find("weight's scales"), std::string::npos) << sentence;
        EXPECT_NE(sentence.find(part), std::string::npos) << sentence;
    };
    // 4 rows of 300 columns in blocks of 2 x 128: 3 x 3 scales, the first row of blocks begins above the weight.
    const auto blocks = [&](Tensor& w) {
        w.scales = {
            .memory = m.tensor(Type::F32, 3, 3).memory, .stride = 12, .blockRows = 2, .blockCols = 128, .firstRow = 1};
    };
    EXPECT_EQ(said(blocks), "accepted");
    const std::pair<void (*)(BlockScales&), const char*> cases[] = {
        {[](BlockScales& s) { s.memory = 12345; }, "does not exist"},
        {[](BlockScales& s) { s.offset = 4; }, "past the end"},
        {[](BlockScales& s) { s.offset = ~uint64_t{0}; }, "past the end"},
        {[](BlockScales& s) { s.stride = ~uint64_t{0} / 2; }, "past the end"},
        {[](BlockScales& s) { s.stride = 8; }, "closer together"},
        {[](BlockScales& s) { s.blockCols = 100; }, ""},
        {[](BlockScales& s) { s.blockCols = 74; }, "closer together"},
        {[](BlockScales& s) { s.blockRows = 1, s.firstRow = 0; }, "past the end"},
        {[](BlockScales& s) { s.blockRows = 0; }, "impossible blocks"},
        {[](BlockScales& s) { s.blockCols = -1; }, "impossible blocks"},
        {[](BlockScales& s) { s.firstRow = 2; }, "impossible blocks"},
        {[](BlockScales& s) { s.firstRow = -1; }, "impossible blocks"},
        {[](BlockScales& s) { s.type = Type::Q8_0; }, "not supported"},
        {[](BlockScales& s) { s.type = Type::F8_E4M3; }, "not supported"},
    };
    for (const auto& [change, part] : cases) {
        const auto broken = [&, change = change](Tensor& w) {
            blocks(w);
            change(w.scales);
        };
        if (*part == 0)
            EXPECT_EQ(said(broken), "accepted");
        else
            expect(broken, part);
    }
    expect(
        [&](Tensor& w) {
            blocks(w);
            w.type = Type::Q4_0, w.cols = 288;
        },
        "no use");
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
