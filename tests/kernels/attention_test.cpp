#include "tests/kernels/machine.h"

#include <gtest/gtest.h>

#include <cmath>

// Attention through the public interface against plain arithmetic.
namespace hearth::kernels {
namespace {

using tests::isaNames;
using tests::Machine;
using tests::randomFloats;

struct AttentionCase {
    Type type = Type::F32;
    int heads = 4, kvHeads = 2, kDim = 16, vDim = 16, pageTokens = 32, window = 0;
    float softCap = 0;
    bool sinks = false;
    bool latent = false; // values are the first vDim numbers of the keys
    bool causal = true;
};

struct AttentionRun {
    std::vector<float> q, k, v, sinks, out;
};

/// As the cache keeps rows of `cols` numbers.
std::vector<float> stored(Type type, std::vector<float> numbers, int cols) {
    std::vector<float> row(size_t(cacheRowCols(type, cols)));
    std::vector<std::byte> bytes(row.size() * 4);
    for (size_t at = 0; at < numbers.size(); at += size_t(cols)) {
        std::fill(row.begin(), row.end(), 0.0f);
        std::copy_n(numbers.begin() + long(at), cols, row.begin());
        quantType(type).encode(row.data(), bytes.data(), int64_t(row.size()));
        quantType(type).decode(bytes.data(), row.data(), int64_t(row.size()));
        std::copy_n(row.begin(), cols, numbers.begin() + long(at));
    }
    return numbers;
}

/// `tokens` rows of sequence 1 through StoreKv and Attention, the last `rows` of them by `path`.
AttentionRun runAttention(const std::string& isa, const AttentionCase& c, Path path, int tokens, int rows) {
    Machine m(2, isa);
    AttentionRun r;
    r.q = randomFloats(size_t(tokens * c.heads * c.kDim), 1);
    r.k = randomFloats(size_t(tokens * c.kvHeads * c.kDim), 2);
    r.v = randomFloats(size_t(tokens * c.kvHeads * c.vDim), 3);
    r.sinks = randomFloats(size_t(c.heads), 4);
    const int maxPages = (tokens + c.pageTokens - 1) / c.pageTokens + 1;
    KvView kv{.type = c.type, .pageTokens = c.pageTokens, .heads = c.kvHeads, .kDim = c.kDim, .vDim = c.vDim};
    kv.kOffset = 64; // something else lies before
    kv.latent = c.latent;
    kv.vOffset = (kv.kOffset + uint64_t(c.pageTokens * c.kvHeads) * cacheRowBytes(c.type, c.kDim) + 3) / 4 * 4;
    kv.pageBytes = (kv.vOffset + uint64_t(c.pageTokens * c.kvHeads) * cacheRowBytes(c.type, c.vDim) + 12) / 4 * 4;
    if (c.latent)
        kv.vOffset = ~uint64_t{0}; // not read
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
        list.operations.push_back(StoreKv{
            .k = part(r.k, c.kvHeads * c.kDim), .v = c.latent ? Tensor{} : part(r.v, c.kvHeads * c.vDim), .kv = kv});
        const Tensor out = m.tensor(Type::F32, count, c.heads * c.vDim);
        if (attend)
            list.operations.push_back(Attention{.q = part(r.q, c.heads * c.kDim),
                                                .out = {.f32 = out},
                                                .kv = kv,
                                                .heads = c.heads,
                                                .scale = 0.3f,
                                                .softCap = c.softCap,
                                                .window = c.window,
                                                .causal = c.causal,
                                                .sinks = c.sinks ? m.floats(1, c.heads, r.sinks) : Tensor{}});
        m.run(list);
        return m.read(out);
    };
    if (tokens > rows)
        lists(Path::Prefill, 0, tokens - rows, false);
    r.out = lists(path, tokens - rows, rows, true);
    r.k = stored(c.type, r.k, c.kDim), r.v = stored(c.type, r.v, c.vDim);
    return r;
}

/// Value d of a head's token.
double valueOf(const AttentionCase& c, const AttentionRun& r, int token, int kvHead, int d) {
    const int dims = c.latent ? c.kDim : c.vDim;
    return double((c.latent ? r.k : r.v)[size_t((token * c.kvHeads + kvHead) * dims + d)]);
}

void expectAttention(const std::string& what, const AttentionCase& c, const AttentionRun& r, int tokens, int rows) {
    const double bound = quantType(c.type).block > 1 ? 5e-4 : 2e-5; // queries and weights of 16 bits
    for (int i = 0; i < rows; ++i)
        for (int h = 0; h < c.heads; ++h) {
            const int position = tokens - rows + i, kvHead = h / (c.heads / c.kvHeads);
            const int back = c.window == 0 ? tokens : c.causal ? c.window - 1 : c.window / 2;
            const int begin = std::max(0, position - back);
            const int last = c.causal ? position : std::min(tokens - 1, position + back);
            std::vector<double> weights;
            double sum = c.sinks ? std::exp(double(r.sinks[size_t(h)])) : 0;
            for (int t = begin; t <= last; ++t) {
                double s = 0;
                for (int d = 0; d < c.kDim; ++d)
                    s += double(r.q[size_t((position * c.heads + h) * c.kDim + d)]) *
                         double(r.k[size_t((t * c.kvHeads + kvHead) * c.kDim + d)]);
                s *= 0.3;
                weights.push_back(std::exp(c.softCap > 0 ? double(c.softCap) * std::tanh(s / double(c.softCap)) : s));
                sum += weights.back();
            }
            for (int d = 0; d < c.vDim; ++d) {
                double want = 0;
                for (int t = begin; t <= last; ++t)
                    want += weights[size_t(t - begin)] * valueOf(c, r, t, kvHead, d);
                ASSERT_NEAR(r.out[size_t((i * c.heads + h) * c.vDim + d)], want / sum, bound)
                    << what << " row " << i << " head " << h;
            }
        }
}

TEST(Attention, AgainstPlainArithmetic) {
    const AttentionCase cases[] = {
        {},
        {.type = Type::F16, .heads = 9, .kvHeads = 3, .kDim = 64, .vDim = 64, .pageTokens = 64},
        {.type = Type::BF16, .heads = 5, .kvHeads = 1, .kDim = 20, .vDim = 20, .pageTokens = 48},
        {.type = Type::F16, .heads = 6, .kvHeads = 6, .kDim = 80, .vDim = 40, .pageTokens = 7, .window = 33},
        {.heads = 4, .kvHeads = 1, .kDim = 24, .vDim = 72, .pageTokens = 256, .softCap = 2.0f, .sinks = true},
        {.type = Type::F16, .heads = 71, .kvHeads = 1, .kDim = 16, .vDim = 16, .pageTokens = 32},
        {.type = Type::F32, .heads = 2, .kvHeads = 2, .kDim = 7, .vDim = 5, .pageTokens = 600, .window = 300},
        {.type = Type::F16, .heads = 35, .kvHeads = 1, .kDim = 72, .vDim = 64, .pageTokens = 48, .latent = true},
        {.type = Type::BF16, .heads = 4, .kvHeads = 1, .kDim = 21, .vDim = 17, .pageTokens = 30, .latent = true},
        {.heads = 4, .kvHeads = 2, .kDim = 40, .vDim = 40, .pageTokens = 64, .sinks = true, .latent = true},
        {.type = Type::Q8_0, .heads = 8, .kvHeads = 2, .kDim = 64, .vDim = 64, .pageTokens = 64},
        {.type = Type::Q8_0, .heads = 7, .kvHeads = 1, .kDim = 80, .vDim = 80, .pageTokens = 48, .softCap = 2.0f},
        {.type = Type::Q8_0, .heads = 3, .kvHeads = 1, .kDim = 96, .vDim = 40, .pageTokens = 7, .window = 33},
        {.type = Type::Q8_0, .heads = 2, .kvHeads = 2, .kDim = 256, .vDim = 256, .pageTokens = 64, .window = 100},
        {.type = Type::Q8_0, .heads = 3, .kvHeads = 1, .kDim = 20, .vDim = 72, .pageTokens = 300, .sinks = true},
        {.type = Type::Q8_0, .heads = 19, .kvHeads = 1, .kDim = 144, .vDim = 128, .pageTokens = 64, .latent = true},
        {.type = Type::Q4_0, .heads = 4, .kvHeads = 1, .kDim = 128, .vDim = 128, .pageTokens = 64},
        {.type = Type::Q4_0, .heads = 6, .kvHeads = 3, .kDim = 80, .vDim = 96, .pageTokens = 600, .sinks = true},
        {.type = Type::Q4_0, .heads = 3, .kvHeads = 3, .kDim = 33, .vDim = 65, .pageTokens = 30, .softCap = 3.0f},
        {.type = Type::Q4_0, .heads = 5, .kvHeads = 1, .kDim = 96, .vDim = 64, .pageTokens = 64, .latent = true},
    };
    for (const std::string& isa : isaNames())
        for (const AttentionCase& c : cases)
            for (const Path path : {Path::Decode, Path::Prefill})
                for (const int tokens : {3, 65, 300}) {
                    if (tokens == 300 && isa == "reference" && c.heads > 5)
                        continue;
                    const int rows = path == Path::Decode ? std::min(tokens, 3) : std::min(tokens, 50);
                    const std::string what = isa + " " + std::string(quantType(c.type).name) + " heads " +
                                             std::to_string(c.heads) + " tokens " + std::to_string(tokens) +
                                             (path == Path::Decode ? " decode" : " prefill");
                    expectAttention(what, c, runAttention(isa, c, path, tokens, rows), tokens, rows);
                    if (testing::Test::HasFatalFailure())
                        return;
                }
}

TEST(Attention, EncodersLookBothWays) {
    const AttentionCase cases[] = {
        {.causal = false},
        {.type = Type::F16, .heads = 3, .kvHeads = 3, .kDim = 32, .vDim = 32, .pageTokens = 48, .causal = false},
        {.heads = 4, .kvHeads = 4, .kDim = 20, .vDim = 12, .pageTokens = 70, .window = 31, .causal = false},
        {.type = Type::F16, .heads = 2, .kvHeads = 1, .pageTokens = 600, .window = 128, .causal = false},
        {.type = Type::Q8_0, .heads = 2, .kvHeads = 1, .kDim = 64, .vDim = 80, .window = 128, .causal = false},
    };
    for (const std::string& isa : isaNames())
        for (const AttentionCase& c : cases)
            for (const int tokens : {1, 3, 65, 200}) {
                expectAttention(isa + " tokens " + std::to_string(tokens), c,
                                runAttention(isa, c, Path::Prefill, tokens, tokens), tokens, tokens);
                if (testing::Test::HasFatalFailure())
                    return;
            }
}

/// Several sequences of one encoder in a batch: (sequence, length) in turn.
std::vector<float> encode(const std::string& isa, int threads, const std::vector<std::pair<int, int>>& sequences) {
    constexpr int kDim = 24, kHeads = 2, kPageTokens = 40, kPages = 12, kMost = 300;
    Machine m(threads, isa);
    OperationList list{.path = Path::Prefill, .rows = kMost, .batch = m.batch(kMost)};
    KvView kv{.type = Type::F16, .pageTokens = kPageTokens, .heads = kHeads, .kDim = kDim, .vDim = kDim};
    kv.vOffset = kPageTokens * kHeads * kDim * 2, kv.pageBytes = 2 * kv.vOffset;
    kv.memory = m.backend->allocate(kv.pageBytes * kPages);
    kv.pageTable = m.indices({7, 1, 4, 0, 2, 3, 11, 8, 5, 6, 9, 10}, 3);
    std::vector<Machine::Row> rows;
    std::vector<float> q, k, v;
    const auto append = [&](std::vector<float>& to, int length, int seed) {
        const auto numbers = randomFloats(size_t(length) * kHeads * kDim, uint32_t(seed));
        to.insert(to.end(), numbers.begin(), numbers.end());
    };
    for (const auto& [sequence, length] : sequences) {
        for (int i = 0; i < length; ++i)
            rows.push_back({i, sequence});
        append(q, length, 3 * sequence), append(k, length, 3 * sequence + 1), append(v, length, 3 * sequence + 2);
    }
    q.resize(kMost * kHeads * kDim), k.resize(q.size()), v.resize(q.size());
    m.setRows(list.batch, rows);
    const Tensor out = m.tensor(Type::F32, kMost, kHeads * kDim);
    const auto floats = [&](const std::vector<float>& numbers) { return m.floats(kMost, kHeads * kDim, numbers); };
    list.operations = {StoreKv{.k = floats(k), .v = floats(v), .kv = kv}, Attention{.q = floats(q),
                                                                                    .out = {.f32 = out},
                                                                                    .kv = kv,
                                                                                    .heads = kHeads,
                                                                                    .scale = 0.2f,
                                                                                    .window = 50,
                                                                                    .causal = false}};
    m.run(list);
    auto all = m.read(out);
    all.resize(rows.size() * kHeads * kDim);
    return all;
}

TEST(Attention, EncodersSequencesDoNotSeeEachOther) {
    for (const std::string& isa : isaNames()) {
        std::vector<float> alone;
        for (const std::pair<int, int>& sequence : {std::pair(2, 65), {0, 1}, {1, 110}}) {
            const auto part = encode(isa, 1, {sequence});
            alone.insert(alone.end(), part.begin(), part.end());
        }
        EXPECT_EQ(encode(isa, 1, {{2, 65}, {0, 1}, {1, 110}}), alone) << isa;
        EXPECT_EQ(encode(isa, 2, {{2, 65}, {0, 1}, {1, 110}}), alone) << isa;
    }
}

TEST(Attention, CompileRefusesWhatDoesNotFit) {
    Machine m;
    KvView kv{.type = Type::F16, .pageTokens = 16, .heads = 1, .kDim = 24, .vDim = 16, .latent = true};
    kv.pageBytes = 16 * 24 * 2;
    kv.memory = m.backend->allocate(kv.pageBytes);
    kv.pageTable = m.indices({0});
    const auto said = [&](Path path, const KvView& view, bool causal) {
        OperationList list{.path = path, .rows = 2, .batch = m.batch(2)};
        list.operations = {Attention{.q = m.tensor(Type::F32, 2, 48),
                                     .out = {.f32 = m.tensor(Type::F32, 2, 2 * view.vDim)},
                                     .kv = view,
                                     .heads = 2,
                                     .causal = causal}};
        return tests::refusal(m, list);
    };
    EXPECT_EQ(said(Path::Decode, kv, true), "accepted");
    EXPECT_EQ(said(Path::Prefill, kv, false), "accepted");
    EXPECT_NE(said(Path::Decode, kv, false).find("prefill path"), std::string::npos);
    KvView longer = kv;
    longer.vDim = 25;
    EXPECT_NE(said(Path::Decode, longer, true).find("longer than its keys"), std::string::npos);
    longer = kv, longer.type = Type::Q8_0;
    EXPECT_NE(said(Path::Decode, longer, true).find("end inside a block"), std::string::npos);
    longer = kv, longer.type = Type::Q5_0;
    EXPECT_NE(said(Path::Decode, longer, true).find("not supported"), std::string::npos);
    longer = kv, longer.pageBytes -= 4;
    EXPECT_NE(said(Path::Decode, longer, true).find("does not hold"), std::string::npos);
    OperationList list{.path = Path::Decode, .rows = 2, .batch = m.batch(2)};
    list.operations = {StoreKv{.k = m.tensor(Type::F32, 2, 24), .v = m.tensor(Type::F32, 2, 16), .kv = kv}};
    EXPECT_NE(tests::refusal(m, list).find("no values of its own"), std::string::npos);
}

} // namespace
} // namespace hearth::kernels
