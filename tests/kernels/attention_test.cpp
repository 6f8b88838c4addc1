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
    bool coded = false;   // prompts may run on codes
    bool rounded = false; // codes, and what generated tokens look at in latents, may be bf16
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

AttentionRun randomRun(const AttentionCase& c, int tokens) {
    return {.q = randomFloats(size_t(tokens * c.heads * c.kDim), 1),
            .k = randomFloats(size_t(tokens * c.kvHeads * c.kDim), 2),
            .v = randomFloats(size_t(tokens * c.kvHeads * c.vDim), 3),
            .sinks = randomFloats(size_t(c.heads), 4),
            .out = {}};
}

/// These rows of sequence 1 through StoreKv and Attention, the last `rows` of them by `path`, at most `piece` at once.
AttentionRun runAttention(const std::string& isa, const AttentionCase& c, Path path, int tokens, int rows,
                          AttentionRun r, int piece, int threads = 2) {
    Machine m(threads, isa);
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
        list.codedAttention = c.coded;
        list.rounding = c.rounded ? Rounding::Whole : Rounding::None;
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
    for (int at = tokens - rows; at < tokens; at += piece) {
        const std::vector<float> part = lists(path, at, std::min(piece, tokens - at), true);
        r.out.insert(r.out.end(), part.begin(), part.end());
    }
    r.k = stored(c.type, r.k, c.kDim), r.v = stored(c.type, r.v, c.vDim);
    return r;
}

AttentionRun runAttention(const std::string& isa, const AttentionCase& c, Path path, int tokens, int rows) {
    return runAttention(isa, c, path, tokens, rows, randomRun(c, tokens), rows);
}

/// Value d of a head's token.
double valueOf(const AttentionCase& c, const AttentionRun& r, int token, int kvHead, int d) {
    const int dims = c.latent ? c.kDim : c.vDim;
    return double((c.latent ? r.k : r.v)[size_t((token * c.kvHeads + kvHead) * dims + d)]);
}

/// Whether an instruction set takes codes of 16 bits for that: for prompts that may, where it has products of codes,
/// and for generated tokens over latents of 16 bits that serve many heads.
bool takesCodes(const std::string& isa, const AttentionCase& c, Path path) {
    const bool latents = c.latent && quantType(c.type).bytes == 2 && c.heads / c.kvHeads >= 8;
    return path == Path::Prefill ? c.coded && tests::takesCodes(isa) : latents && isa != "reference";
}

/// A score on codes is off by 9e-6 of |q| |k|, which here is 0.3 kDim: five and a half such deviations.
double boundOf(const AttentionCase& c, bool codes) {
    return codes ? 1e-4 + 1.5e-5 * c.kDim : quantType(c.type).block > 1 ? 5e-4 : std::max(2e-5, 1e-7 * c.kDim);
}

void expectAttention(const std::string& what, const AttentionCase& c, const AttentionRun& r, int tokens, int rows,
                     double bound) {
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

/// Of all kinds, for comparisons with plain arithmetic.
const std::vector<AttentionCase>& allKinds() {
    static const std::vector<AttentionCase> cases = {
        {},
        {.type = Type::F16, .heads = 9, .kvHeads = 3, .kDim = 64, .vDim = 64, .pageTokens = 64},
        {.type = Type::F16, .heads = 8, .kvHeads = 2, .kDim = 64, .vDim = 72, .pageTokens = 64},
        {.type = Type::BF16, .heads = 4, .kvHeads = 1, .kDim = 128, .vDim = 128, .pageTokens = 16, .window = 190},
        {.type = Type::BF16, .heads = 5, .kvHeads = 1, .kDim = 20, .vDim = 20, .pageTokens = 48},
        {.type = Type::F16, .heads = 6, .kvHeads = 6, .kDim = 80, .vDim = 40, .pageTokens = 7, .window = 33},
        {.heads = 4, .kvHeads = 1, .kDim = 24, .vDim = 72, .pageTokens = 256, .softCap = 2.0f, .sinks = true},
        {.type = Type::F16, .heads = 71, .kvHeads = 1, .kDim = 16, .vDim = 16, .pageTokens = 32},
        {.type = Type::F32, .heads = 2, .kvHeads = 2, .kDim = 7, .vDim = 5, .pageTokens = 600, .window = 300},
        {.type = Type::F16, .heads = 35, .kvHeads = 1, .kDim = 72, .vDim = 64, .pageTokens = 48, .latent = true},
        {.type = Type::BF16, .heads = 4, .kvHeads = 1, .kDim = 21, .vDim = 17, .pageTokens = 30, .latent = true},
        {.type = Type::BF16, .heads = 11, .kvHeads = 1, .kDim = 21, .vDim = 17, .pageTokens = 300, .latent = true},
        {.type = Type::F16, .heads = 16, .kvHeads = 1, .kDim = 576, .vDim = 512, .pageTokens = 64, .latent = true},
        {.type = Type::F16,
         .heads = 8,
         .kvHeads = 1,
         .kDim = 48,
         .vDim = 40,
         .pageTokens = 7,
         .window = 33,
         .softCap = 2.0f,
         .sinks = true,
         .latent = true},
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
    return cases;
}

TEST(Attention, AgainstPlainArithmetic) {
    constexpr struct {
        Path path;
        bool coded;
        const char* name;
    } kWays[] = {{Path::Decode, false, " decode"}, {Path::Prefill, false, " prefill"}, {Path::Prefill, true, " coded"}};

    for (const std::string& isa : isaNames())
        for (AttentionCase c : allKinds())
            for (const auto& way : kWays)
                for (const int tokens : {3, 65, 300}) {
                    if (tokens == 300 && isa == "reference" && c.heads > 5)
                        continue;
                    c.coded = way.coded;
                    const int rows = way.path == Path::Decode ? std::min(tokens, 3) : std::min(tokens, 50);
                    const std::string what = isa + " " + std::string(quantType(c.type).name) + " heads " +
                                             std::to_string(c.heads) + " tokens " + std::to_string(tokens) + way.name;
                    expectAttention(what, c, runAttention(isa, c, way.path, tokens, rows), tokens, rows,
                                    boundOf(c, takesCodes(isa, c, way.path)));
                    if (testing::Test::HasFatalFailure())
                        return;
                }
}

/// Long sequences with many heads: their splits are merged in several tiles, each of some heads. Those of blocks look
/// at four pages in tiles where there are any, and at what lies before and behind without.
TEST(Attention, MergesOfManyHeads) {
    constexpr int kTokens = 1100;
    const AttentionCase cases[] = {
        {.type = Type::F16, .heads = 90, .kvHeads = 1, .kDim = 32, .vDim = 64, .pageTokens = 64, .sinks = true},
        {.type = Type::F16, .heads = 100, .kvHeads = 1, .kDim = 80, .vDim = 64, .pageTokens = 64, .latent = true},
        {.type = Type::Q8_0, .heads = 30, .kvHeads = 10, .kDim = 64, .vDim = 72, .pageTokens = 64, .window = 1000},
        {.type = Type::Q4_0, .heads = 20, .kvHeads = 4, .kDim = 96, .vDim = 64, .pageTokens = 64},
        // A tile has splits of two rows, of the same head, and of latents.
        {.type = Type::Q8_0, .heads = 4, .kvHeads = 1, .kDim = 64, .vDim = 64, .pageTokens = 64},
        {.type = Type::F16, .heads = 8, .kvHeads = 1, .kDim = 48, .vDim = 48, .pageTokens = 64, .latent = true},
    };
    for (const std::string& isa : isaNames())
        for (const AttentionCase& c : cases) {
            if (isa == "reference")
                continue;
            const AttentionRun r = runAttention(isa, c, Path::Decode, kTokens, 2, randomRun(c, kTokens), 2, 4);
            expectAttention(isa, c, r, kTokens, 2, boundOf(c, takesCodes(isa, c, Path::Decode)));
            EXPECT_EQ(runAttention(isa, c, Path::Decode, kTokens, 2, randomRun(c, kTokens), 2, 1).out, r.out) << isa;
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
        for (AttentionCase c : cases)
            for (const bool coded : {false, true})
                for (const int tokens : {1, 3, 65, 200}) {
                    c.coded = coded;
                    expectAttention(isa + " tokens " + std::to_string(tokens) + (coded ? " coded" : ""), c,
                                    runAttention(isa, c, Path::Prefill, tokens, tokens), tokens, tokens,
                                    boundOf(c, takesCodes(isa, c, Path::Prefill)));
                    if (testing::Test::HasFatalFailure())
                        return;
                }
}

/// Several sequences of one encoder in a batch: (sequence, length) in turn.
std::vector<float> encode(const std::string& isa, int threads, bool coded,
                          const std::vector<std::pair<int, int>>& sequences) {
    constexpr int kDim = 24, kHeads = 2, kPageTokens = 40, kPages = 12, kMost = 300;
    Machine m(threads, isa);
    OperationList list{.path = Path::Prefill, .rows = kMost, .batch = m.batch(kMost)};
    list.codedAttention = coded;
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
    for (const std::string& isa : isaNames())
        for (const bool coded : {false, true}) {
            std::vector<float> alone;
            for (const std::pair<int, int>& sequence : {std::pair(2, 65), {0, 1}, {1, 110}}) {
                const auto part = encode(isa, 1, coded, {sequence});
                alone.insert(alone.end(), part.begin(), part.end());
            }
            EXPECT_EQ(encode(isa, 1, coded, {{2, 65}, {0, 1}, {1, 110}}), alone) << isa;
            EXPECT_EQ(encode(isa, 2, coded, {{2, 65}, {0, 1}, {1, 110}}), alone) << isa;
        }
}

/// Instruction sets that take codes for prompts.
std::vector<std::string> codedIsas() {
    std::vector<std::string> names;
    for (const std::string& isa : isaNames())
        if (tests::takesCodes(isa))
            names.push_back(isa);
    return names;
}

/// Not from threads, nor from how a prompt is cut.
void expectBitsDependOnNothing(const std::vector<std::string>& isas, bool rounded) {
    const AttentionCase cases[] = {
        {.type = Type::F16, .heads = 9, .kvHeads = 3, .kDim = 64, .vDim = 64, .pageTokens = 64, .coded = true},
        {.type = Type::Q8_0, .heads = 3, .kvHeads = 1, .kDim = 96, .vDim = 40, .pageTokens = 7, .coded = true},
        {.heads = 5, .kvHeads = 1, .kDim = 21, .vDim = 17, .pageTokens = 30, .window = 33, .coded = true},
        {.type = Type::F16, .heads = 4, .kvHeads = 1, .softCap = 2.0f, .sinks = true, .latent = true, .coded = true},
    };
    for (const std::string& isa : isas)
        for (AttentionCase c : cases) {
            c.rounded = rounded;
            const int tokens = 300;
            const auto out = [&](int piece, int threads) {
                return runAttention(isa, c, Path::Prefill, tokens, tokens, randomRun(c, tokens), piece, threads).out;
            };
            const std::vector<float> whole = out(tokens, 1);
            for (const int piece : {tokens, 1, 64, 77})
                EXPECT_EQ(out(piece, 3), whole) << isa << " pieces of " << piece;
            AttentionCase other = c;
            (rounded ? other.rounded : other.coded) = false;
            EXPECT_NE(runAttention(isa, other, Path::Prefill, tokens, tokens).out, whole) << "codes were not taken";
        }
}

TEST(Attention, CodedBitsDependOnNothing) {
    expectBitsDependOnNothing(codedIsas(), false);
}

/// The largest sums there can be: all numbers equal, so that the bounds of the codes are met.
TEST(Attention, CodesDoNotOverflow) {
    for (const std::string& isa : codedIsas())
        for (const int dims : {1, 2, 64, 65, 128, 576}) {
            const AttentionCase c{.heads = 2, .kvHeads = 1, .kDim = dims, .vDim = dims, .coded = true};
            constexpr int kTokens = 70;
            for (const float size : {1.0f, 3e4f, 1e-20f}) {
                AttentionRun r = randomRun(c, kTokens);
                std::fill(r.q.begin(), r.q.end(), 1e-3f / size);
                std::fill(r.k.begin(), r.k.end(), size);
                std::fill(r.v.begin(), r.v.end(), -size);
                r = runAttention(isa, c, Path::Prefill, kTokens, kTokens, std::move(r), kTokens);
                for (const float f : r.out)
                    ASSERT_NEAR(f / size, -1.0f, 2e-4f) << isa << " " << dims;
            }
        }
}

/// Latents of generated tokens, 13 heads of them: all numbers equal, so that the bounds of the codes are met.
TEST(Attention, LatentCodesDoNotOverflow) {
    for (const std::string& isa : isaNames())
        for (const int dims : {1, 32, 65, 576, 768, 800}) {
            const AttentionCase c{.type = Type::F16,
                                  .heads = 13,
                                  .kvHeads = 1,
                                  .kDim = dims,
                                  .vDim = dims,
                                  .pageTokens = 64,
                                  .latent = true};
            constexpr int kTokens = 70;
            for (const float size : {1.0f, 3e4f, 1e-3f}) {
                AttentionRun r = randomRun(c, kTokens);
                std::fill(r.q.begin(), r.q.end(), 1e-3f / size);
                std::fill(r.k.begin(), r.k.end(), -size);
                r = runAttention(isa, c, Path::Decode, kTokens, 2, std::move(r), 2);
                for (const float f : r.out)
                    ASSERT_NEAR(f / size, -1.0f, 7e-4f) << isa << " " << dims; // a half keeps eleven bits
            }
        }
}

/// The sharpest there is: one latent of all the weight, whose numbers are far apart.
TEST(Attention, LatentCodesOfOneToken) {
    for (const std::string& isa : isaNames())
        for (const int tokens : {1, 64, 65, 66}) {
            const AttentionCase c{
                .type = Type::F16, .heads = 8, .kvHeads = 1, .kDim = 96, .vDim = 64, .pageTokens = 64, .latent = true};
            AttentionRun r = randomRun(c, tokens);
            std::fill(r.q.begin(), r.q.end(), 0.0f);
            for (int h = 0; h < c.heads; ++h)
                r.q[size_t((tokens - 1) * c.heads + h) * 96 + 95] = 100;
            for (int t = 0; t < tokens; ++t)
                r.k[size_t(t) * 96 + 95] = t == tokens - 1 ? 40.0f : -40.0f;
            const std::vector<float> last(r.k.end() - 96, r.k.end());
            r = runAttention(isa, c, Path::Decode, tokens, 1, std::move(r), 1);
            for (size_t i = 0; i < r.out.size(); ++i)
                ASSERT_NEAR(r.out[i], last[i % 64], 3e-3f) << isa << " " << tokens;
        }
}

/// From eight heads on latents become codes or meet tiles, and a head has the same bits among any number of them.
void expectSameBitsAmongHeads(const std::vector<std::string>& isas, bool rounded) {
    constexpr int kTokens = 100, kRows = 3, kDim = 72;
    const int kVDim = rounded ? 48 : 40; // tiles have whole sixteens of values
    for (const std::string& isa : isas) {
        const auto first = [&](int heads) {
            const AttentionCase c{.type = Type::F16,
                                  .heads = heads,
                                  .kvHeads = 1,
                                  .kDim = kDim,
                                  .vDim = kVDim,
                                  .pageTokens = 64,
                                  .latent = true,
                                  .rounded = rounded};
            const AttentionCase most{.heads = 16, .kvHeads = 1, .kDim = kDim, .vDim = kVDim};
            AttentionRun r = randomRun(most, kTokens);
            std::vector<float> q;
            for (int t = 0; t < kTokens; ++t)
                q.insert(q.end(), r.q.begin() + t * 16 * kDim, r.q.begin() + (t * 16 + heads) * kDim);
            r.q = std::move(q);
            r = runAttention(isa, c, Path::Decode, kTokens, kRows, std::move(r), kRows);
            std::vector<float> out; // of the first seven heads
            for (int row = 0; row < kRows; ++row)
                out.insert(out.end(), r.out.begin() + row * heads * kVDim, r.out.begin() + (row * heads + 7) * kVDim);
            return out;
        };
        const std::vector<float> eight = first(8);
        for (const int heads : {9, 11, 12, 15, 16})
            EXPECT_EQ(first(heads), eight) << isa << " " << heads;
        EXPECT_NE(first(7), eight) << isa << ": neither codes nor tiles were taken";
    }
}

TEST(Attention, LatentCodesOfManyHeads) {
    expectSameBitsAmongHeads(codedIsas(), false);
}

/// Many heads of one KV head are shared out where a short sequence would leave other threads without work.
TEST(Attention, HeadsSharedOutHaveTheSameBits) {
    struct Form {
        int kvHeads;
        bool latent;
        int kDim, tokens, window;
    };

    // One page after the other, and several side by side, with four heads in a vector where an instruction set does
    // that.
    constexpr Form kForms[] = {{1, true, 96, 150, 0},  {1, false, 96, 150, 0}, {2, false, 96, 150, 0},
                               {2, false, 64, 330, 0}, {8, false, 64, 330, 0}, {8, false, 128, 400, 290}};
    for (const Type type : {Type::F16, Type::BF16, Type::Q8_0})
        for (const Form& form : kForms) {
            const AttentionCase c{.type = type,
                                  .heads = 32,
                                  .kvHeads = form.kvHeads,
                                  .kDim = form.kDim,
                                  .vDim = 64,
                                  .pageTokens = 64,
                                  .window = form.window,
                                  .latent = form.latent};
            if (form.tokens > 150 && type == Type::BF16)
                continue; // as F16
            const AttentionRun run = randomRun(c, form.tokens);
            for (const std::string& isa : isaNames()) {
                if (isa == "reference" && form.tokens > 150)
                    continue;
                for (const int rows : {1, 3}) {
                    const auto out = [&](int piece, int threads) {
                        return runAttention(isa, c, Path::Decode, form.tokens, rows, run, piece, threads).out;
                    };
                    const std::string what = isa + " " + std::string(quantType(type).name) + ", " +
                                             std::to_string(form.kvHeads) + " KV heads, " + std::to_string(rows) +
                                             " rows, tokens " + std::to_string(form.tokens);
                    const std::vector<float> one = out(rows, 1);
                    for (const int threads : {2, 8})
                        EXPECT_EQ(out(rows, threads), one) << what << ", " << threads << " threads";
                    if (rows > 1) {
                        EXPECT_EQ(out(1, 2), one) << what << ", one at a time";
                    }
                }
            }
        }
}

void expectNothingHidden(const std::vector<std::string>& isas, bool rounded, int kDim) {
    const AttentionCase c{.type = Type::F16,
                          .heads = 9,
                          .kvHeads = 1,
                          .kDim = kDim,
                          .vDim = 32,
                          .pageTokens = 64,
                          .latent = true,
                          .rounded = rounded};
    constexpr int kTokens = 150, kRows = 100, kAt = 70;
    for (const std::string& isa : isas) {
        const AttentionRun plain = runAttention(isa, c, Path::Decode, kTokens, kRows);
        EXPECT_EQ(runAttention(isa, c, Path::Decode, kTokens, kRows, randomRun(c, kTokens), 7, 3).out, plain.out)
            << isa;
        for (const float bad : {std::nanf(""), INFINITY, -INFINITY})
            for (std::vector<float> AttentionRun::*where : {&AttentionRun::q, &AttentionRun::k}) {
                AttentionRun r = randomRun(c, kTokens);
                const size_t cols = (r.*where).size() / kTokens;
                (r.*where)[kAt * cols + 3] = bad;
                r = runAttention(isa, c, Path::Decode, kTokens, kRows, std::move(r), kRows);
                const bool ofQuery = where == &AttentionRun::q; // of the first head
                for (int row = 0; row < kRows; ++row)
                    for (int i = 0; i < c.heads * c.vDim; ++i) {
                        const size_t at = size_t(row * c.heads * c.vDim + i);
                        const int position = kTokens - kRows + row;
                        const bool hit = ofQuery ? position == kAt && i < c.vDim : position >= kAt && i % c.vDim == 3;
                        if (hit) {
                            ASSERT_FALSE(std::isfinite(r.out[at])) << isa << " row " << row;
                        } else if (ofQuery || position < kAt) {
                            ASSERT_EQ(r.out[at], plain.out[at]) << isa << " row " << row;
                        }
                    }
            }
    }
}

TEST(Attention, LatentCodesHideNothing) {
    expectNothingHidden(isaNames(), false, 40);
}

using TiledLatents = tests::TileTest;

/// Queries and latents of quarters below four.
void toFiveBits(AttentionRun& r) {
    for (std::vector<float> AttentionRun::*numbers : {&AttentionRun::q, &AttentionRun::k})
        for (float& f : r.*numbers)
            f = std::round(std::clamp(f * 4, -15.0f, 15.0f)) / 4;
}

/// Numbers of five bits: rounding leaves them as they are, so that only the weights are rounded. Values are below 4.
TEST_F(TiledLatents, AgainstPlainArithmetic) {
    AttentionCase c{.type = Type::F16, .kvHeads = 1, .pageTokens = 64, .latent = true, .rounded = true};

    struct {
        int kDim, vDim;
    } constexpr kDims[] = {{576, 512}, {768, 768}, {72, 48}, {32, 32}, {33, 16}};

    for (const std::string& isa : names)
        for (const Type type : {Type::F16, Type::BF16})
            for (const auto& dims : kDims)
                for (const int heads : {8, 11, 16, 35})
                    for (const int tokens : {1, 2, 15, 16, 17, 33, 64, 65, 150, 300}) {
                        c.type = type, c.heads = heads, c.kDim = dims.kDim, c.vDim = dims.vDim;
                        c.sinks = tokens == 17, c.softCap = tokens == 33 ? 2.0f : 0.0f;
                        c.window = tokens == 65 ? 40 : 0;                              // begins inside a page
                        c.pageTokens = tokens == 150 ? 100 : tokens == 300 ? 299 : 64; // more than go together
                        AttentionRun r = randomRun(c, tokens);
                        toFiveBits(r);
                        const int rows = std::min(tokens, 2);
                        r = runAttention(isa, c, Path::Decode, tokens, rows, std::move(r), rows);
                        expectAttention(isa + " " + std::to_string(dims.kDim) + " heads " + std::to_string(heads) +
                                            " tokens " + std::to_string(tokens),
                                        c, r, tokens, rows, 0x1p-7 + 1e-4);
                        if (HasFatalFailure())
                            return;
                    }
}

/// A score of rounded numbers is off by some 5e-4 of its deviation's 0.3 sqrt(kDim) times three.
TEST_F(TiledLatents, RoundWhatTheyMay) {
    for (const std::string& isa : names) {
        AttentionCase c{.type = Type::F16,
                        .heads = 16,
                        .kvHeads = 1,
                        .kDim = 576,
                        .vDim = 512,
                        .pageTokens = 64,
                        .latent = true,
                        .rounded = true};
        constexpr int kTokens = 200, kRows = 2;
        const AttentionRun r = runAttention(isa, c, Path::Decode, kTokens, kRows);
        expectAttention(isa, c, r, kTokens, kRows, 0.06);
        c.rounded = false;
        EXPECT_NE(runAttention(isa, c, Path::Decode, kTokens, kRows).out, r.out) << isa << ": nothing was rounded";
        c.rounded = true;
        EXPECT_EQ(runAttention(isa, c, Path::Decode, kTokens, kRows, randomRun(c, kTokens), 1, 3).out, r.out)
            << isa << ": bits depend on rows or threads";
    }
}

/// What tiles do not fit is not rounded at all.
TEST_F(TiledLatents, LeaveTheRestAsItIs) {
    const AttentionCase cases[] = {
        {.type = Type::F16, .heads = 7, .kDim = 72, .vDim = 48},
        {.type = Type::F16, .heads = 9, .kDim = 72, .vDim = 40},
        {.type = Type::BF16, .heads = 9, .kDim = 800, .vDim = 512},
        {.type = Type::Q8_0, .heads = 9, .kDim = 96, .vDim = 64},
        {.type = Type::F32, .heads = 9, .kDim = 96, .vDim = 64},
    };
    constexpr int kTokens = 70;
    for (const std::string& isa : names)
        for (AttentionCase c : cases) {
            c.kvHeads = 1, c.latent = true;
            const std::vector<float> plain = runAttention(isa, c, Path::Decode, kTokens, 2).out;
            c.rounded = true;
            EXPECT_EQ(runAttention(isa, c, Path::Decode, kTokens, 2).out, plain) << isa << " heads " << c.heads;
        }
}

TEST_F(TiledLatents, HaveTheSameBitsAmongHeads) {
    expectSameBitsAmongHeads(names, true);
}

TEST_F(TiledLatents, HideNothing) {
    expectNothingHidden(names, true, 40);
    expectNothingHidden(names, true, 64); // whole steps of whole pages
}

/// Of one token, whose weight is 1: a half's first eight bits, ties away from zero, and nothing below the normal
/// halves.
TEST_F(TiledLatents, RoundEveryHalf) {
    constexpr int kDim = 768;
    const AttentionCase c{.type = Type::F16,
                          .heads = 8,
                          .kvHeads = 1,
                          .kDim = kDim,
                          .vDim = kDim,
                          .pageTokens = 64,
                          .latent = true,
                          .rounded = true};
    std::vector<float> halves, rounded;
    for (const float sign : {1.0f, -1.0f})
        for (uint16_t bits = 0; bits < 0x7c00; ++bits) {
            float f;
            quantType(Type::F16).decode(reinterpret_cast<const std::byte*>(&bits), &f, 1);
            halves.push_back(sign * f);
            int exponent;
            const float eight = std::round(std::frexp(f, &exponent) * 256); // away from zero
            rounded.push_back(sign * (bits < 0x03fc   ? 0.0f
                                      : bits < 0x0400 ? 0x1p-14f
                                                      : std::ldexp(eight, exponent - 8)));
        }
    for (const std::string& isa : names)
        for (size_t first = 0; first < halves.size(); first += kDim) {
            const size_t count = std::min<size_t>(kDim, halves.size() - first);
            AttentionRun r = randomRun(c, 1);
            std::fill(r.q.begin(), r.q.end(), 0.0f);
            std::fill(r.k.begin(), r.k.end(), 0.0f);
            std::copy_n(halves.begin() + long(first), count, r.k.begin());
            r = runAttention(isa, c, Path::Decode, 1, 1, std::move(r), 1, 1);
            for (size_t i = 0; i < count; ++i)
                ASSERT_NEAR(r.out[i], rounded[first + i], std::abs(rounded[first + i]) * 2e-7f) // e^0 is 1.0000001
                    << isa << " " << halves[first + i];
        }
}

/// Longer than a split, or beginning in the second one.
TEST_F(TiledLatents, OfManySplits) {
    constexpr int kTokens = 1200;
    for (const std::string& isa : names)
        for (const int heads : {16, 35})
            for (const int window : {0, 650}) {
                const AttentionCase c{.type = Type::F16,
                                      .heads = heads,
                                      .kvHeads = 1,
                                      .kDim = 64,
                                      .vDim = 48,
                                      .pageTokens = 64,
                                      .window = window,
                                      .latent = true,
                                      .rounded = true};
                AttentionRun given = randomRun(c, kTokens);
                toFiveBits(given);
                const AttentionRun r = runAttention(isa, c, Path::Decode, kTokens, 3, given, 3, 4);
                expectAttention(isa + " heads " + std::to_string(heads), c, r, kTokens, 3, 0x1p-7 + 1e-4);
                EXPECT_EQ(runAttention(isa, c, Path::Decode, kTokens, 3, given, 1, 1).out, r.out) << isa;
            }
}

/// Beside one heavy key six thousand light ones, which together weigh as much.
void expectTailsDoNotVanish(const std::vector<std::string>& isas, bool rounded) {
    for (const std::string& isa : isas)
        for (const bool first : {true, false}) { // where the heavy one is
            AttentionCase c{.heads = 1, .kvHeads = 1, .kDim = 8, .vDim = 4, .pageTokens = 64, .coded = true};
            c.rounded = rounded;
            constexpr int kTokens = 6001;
            AttentionRun r = randomRun(c, kTokens);
            std::fill(r.k.begin(), r.k.end(), 0.0f);
            std::fill(r.q.begin(), r.q.end(), 1.0f);
            std::fill(r.v.begin(), r.v.end(), 1.0f);
            const int heavy = first ? 0 : kTokens - 1;
            r.k[size_t(heavy * c.kDim)] = std::log(6000.0f) / 0.3f;
            std::fill_n(r.v.begin() + heavy * c.vDim, c.vDim, 0.0f);
            r = runAttention(isa, c, Path::Prefill, kTokens, 1, std::move(r), 1);
            for (const float f : r.out)
                EXPECT_NEAR(f, 0.5f, rounded ? 2e-2f : 5e-4f) << isa;
        }
}

TEST(Attention, CodedTailsDoNotVanish) {
    expectTailsDoNotVanish(codedIsas(), false);
}

/// What is no number makes NaN of the rows that see it, and of no others.
void expectPromptsHideNothing(const std::vector<std::string>& isas, bool rounded) {
    AttentionCase c{.heads = 2, .kvHeads = 1, .kDim = 20, .vDim = 12, .pageTokens = 30, .coded = true};
    c.rounded = rounded;
    constexpr int kTokens = 150, kAt = 70;
    for (const std::string& isa : isas) {
        const AttentionRun plain = runAttention(isa, c, Path::Prefill, kTokens, kTokens);
        for (const float bad : {std::nanf(""), INFINITY, -INFINITY, 3.4e38f})
            for (std::vector<float> AttentionRun::*where : {&AttentionRun::q, &AttentionRun::k, &AttentionRun::v}) {
                if (bad == 3.4e38f && (!rounded || where != &AttentionRun::v))
                    continue; // only there infinite after rounding
                AttentionRun r = randomRun(c, kTokens);
                const size_t cols = (r.*where).size() / kTokens;
                (r.*where)[kAt * cols + 3] = bad;
                r = runAttention(isa, c, Path::Prefill, kTokens, kTokens, std::move(r), kTokens);
                const bool ofQuery = where == &AttentionRun::q; // of the first head
                // A score of minus infinity makes a weight of zero, where numbers have no scale that it would spoil:
                // that of a query whose number there has the other sign.
                const auto vanishes = [&](int row, int head) {
                    const float q = r.q[size_t((row * c.heads + head) * c.kDim + 3)];
                    return rounded && where == &AttentionRun::k && std::isinf(bad) && (q < 0) != (bad < 0);
                };
                for (int row = 0; row < kTokens; ++row)
                    for (int i = 0; i < c.heads * c.vDim; ++i) {
                        const size_t at = size_t(row * c.heads * c.vDim + i);
                        if (ofQuery ? row == kAt && i < c.vDim : row >= kAt)
                            ASSERT_EQ(std::isnan(r.out[at]), !vanishes(row, i / c.vDim)) << isa << " row " << row;
                        else
                            ASSERT_EQ(r.out[at], plain.out[at]) << isa << " row " << row;
                    }
            }
    }
}

TEST(Attention, CodesHideNothing) {
    expectPromptsHideNothing(codedIsas(), false);
}

using TiledPrompts = tests::TileTest;

/// Numbers of five bits: rounding leaves them as they are, so that only the weights are rounded. Values are below 4.
TEST_F(TiledPrompts, AgainstPlainArithmetic) {
    std::vector<AttentionCase> cases = allKinds();
    std::erase_if(cases, [](const AttentionCase& c) { return quantType(c.type).block > 1; }); // round once more
    cases.push_back({.type = Type::F16, .heads = 8, .kvHeads = 2, .kDim = 128, .vDim = 128, .causal = false});
    cases.push_back(
        {.heads = 4, .kvHeads = 4, .kDim = 33, .vDim = 65, .pageTokens = 70, .window = 31, .causal = false});
    for (const std::string& isa : names)
        for (AttentionCase c : cases)
            for (const int tokens : {1, 2, 17, 33, 65, 150, 300}) {
                c.coded = c.rounded = true;
                AttentionRun r = randomRun(c, tokens);
                for (std::vector<float> AttentionRun::*numbers : {&AttentionRun::q, &AttentionRun::k, &AttentionRun::v})
                    for (float& f : r.*numbers)
                        f = std::round(std::clamp(f * 4, -15.0f, 15.0f)) / 4;
                const int rows = std::min(tokens, 37), piece = c.causal ? 20 : rows;
                r = runAttention(isa, c, Path::Prefill, tokens, rows, std::move(r), piece);
                expectAttention(isa + " " + std::to_string(c.kDim) + " heads " + std::to_string(c.heads) + " tokens " +
                                    std::to_string(tokens),
                                c, r, tokens, rows, 0x1p-7 + 1e-4);
                if (HasFatalFailure())
                    return;
            }
}

TEST_F(TiledPrompts, BitsDependOnNothing) {
    expectBitsDependOnNothing(names, true);
}

TEST_F(TiledPrompts, HideNothing) {
    expectPromptsHideNothing(names, true);
}

TEST_F(TiledPrompts, TailsDoNotVanish) {
    expectTailsDoNotVanish(names, true);
}

/// Floats that may not be rounded are not.
TEST_F(TiledPrompts, OnlyRoundWhatIsCoded) {
    for (const std::string& isa : names) {
        AttentionCase c{.heads = 2, .kvHeads = 1};
        const std::vector<float> floats = runAttention(isa, c, Path::Prefill, 70, 20).out;
        c.rounded = true;
        EXPECT_EQ(runAttention(isa, c, Path::Prefill, 70, 20).out, floats) << isa;
    }
}

/// Zeros, and numbers so small that their products are none.
TEST(Attention, CodesOfNothing) {
    for (const std::string& isa : codedIsas())
        for (const float size : {0.0f, 1e-40f, 1e-37f}) {
            const AttentionCase c{.heads = 2, .kvHeads = 1, .kDim = 20, .vDim = 12, .coded = true};
            AttentionRun r = randomRun(c, 70);
            for (std::vector<float>* all : {&r.q, &r.k})
                for (float& f : *all)
                    f *= size;
            r = runAttention(isa, c, Path::Prefill, 70, 70, std::move(r), 70);
            expectAttention(isa, c, r, 70, 70, boundOf(c, true)); // all keys weigh the same
            std::fill(r.v.begin(), r.v.end(), size);
            r = runAttention(isa, c, Path::Prefill, 70, 70, std::move(r), 70);
            for (size_t i = r.out.size() / 2; i < r.out.size(); ++i)
                ASSERT_LE(std::abs(r.out[i]), 2 * size) << isa;
        }
}

/// Heads too wide for the scratch that codes take go on as floats.
TEST(Attention, WideHeadsStayFloats) {
    for (const std::string& isa : codedIsas()) {
        AttentionCase c{.heads = 2, .kvHeads = 1, .kDim = 1024, .vDim = 1024};
        const std::vector<float> floats = runAttention(isa, c, Path::Prefill, 70, 20).out;
        c.coded = true;
        EXPECT_EQ(runAttention(isa, c, Path::Prefill, 70, 20).out, floats) << isa;
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
