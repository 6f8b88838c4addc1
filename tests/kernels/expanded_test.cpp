#include "tests/kernels/machine.h"

#include <gtest/gtest.h>

#include <cmath>

// The two forms of latent attention give the same: queries that took up k_b before they met the latents, and latents
// that were expanded by k_b and v_b before they met the queries.
namespace hearth::kernels {
namespace {

using tests::decoded;
using tests::isaNames;
using tests::Machine;
using tests::randomFloats;

struct Case {
    Type cache = Type::F32, kB = Type::F32, vB = Type::F32;
    int heads = 3, rank = 64, rope = 16, nope = 32, vDim = 32, pageTokens = 64;
};

const Case kCases[] = {
    {},
    {.cache = Type::F16, .heads = 1, .rank = 96, .rope = 8, .nope = 40, .vDim = 24, .pageTokens = 48},
    {.cache = Type::BF16, .heads = 2, .rank = 20, .rope = 6, .nope = 12, .vDim = 7, .pageTokens = 30},
    {.cache = Type::F16, .kB = Type::F16, .vB = Type::BF16, .heads = 5, .rank = 33, .rope = 4, .nope = 9, .vDim = 65},
    {.cache = Type::F16,
     .kB = Type::Q8_0,
     .vB = Type::Q4_K,
     .heads = 2,
     .rank = 512,
     .rope = 64,
     .nope = 128,
     .vDim = 128},
    {.cache = Type::F16, .kB = Type::F8_E4M3, .vB = Type::F8_E4M3, .rank = 160, .nope = 50, .vDim = 70},
    {.cache = Type::BF16, .kB = Type::Q4_0, .vB = Type::IQ4_NL, .rank = 96, .nope = 64, .vDim = 48, .pageTokens = 600},
    {.cache = Type::Q8_0, .heads = 2, .rank = 96, .rope = 20, .nope = 40, .vDim = 24, .pageTokens = 48},
    {.cache = Type::Q8_0,
     .kB = Type::Q8_0,
     .vB = Type::Q4_K,
     .heads = 2,
     .rank = 512,
     .rope = 64,
     .nope = 128,
     .vDim = 128},
    {.cache = Type::Q4_0, .heads = 1, .rank = 64, .rope = 32, .nope = 16, .vDim = 33},
};

std::string nameOf(const std::string& isa, const Case& c) {
    return isa + ", cache " + std::string(quantType(c.cache).name) + ", k_b " + std::string(quantType(c.kB).name) +
           ", rank " + std::to_string(c.rank);
}

/// A sequence's latents in a cache whose pages lie in disorder, and the matrices of all heads.
class Latents {
public:
    Latents(const std::string& isa, int threads, const Case& of, int tokens)
        : m(threads, isa), c(of), tokens_(tokens),
          q(randomFloats(size_t(tokens) * size_t(c.heads * (c.nope + c.rope)), 1, 0.5f)) {
        const int maxPages = (tokens + c.pageTokens - 1) / c.pageTokens + 1;
        kv = {.type = c.cache,
              .kOffset = 64,
              .pageTokens = c.pageTokens,
              .heads = 1,
              .kDim = c.rank + c.rope,
              .vDim = c.rank,
              .latent = true};
        kv.pageBytes = (kv.kOffset + uint64_t(c.pageTokens) * cacheRowBytes(c.cache, kv.kDim) + 7) / 4 * 4;
        kv.memory = m.backend->allocate(kv.pageBytes * uint64_t(maxPages));
        std::vector<int32_t> table(size_t(maxPages) * 2, 0);
        for (int i = 0; i < maxPages; ++i)
            table[size_t(maxPages + i)] = maxPages - 1 - i;
        kv.pageTable = m.indices(table, 2);
        for (int h = 0; h < c.heads; ++h) {
            keys_.push_back(m.kept.size()); // scales lie behind some weights
            kB.push_back(m.weights(c.kB, c.rank, c.nope, uint32_t(100 + h)));
            values_.push_back(m.kept.size());
            vB.push_back(m.weights(c.vB, c.vDim, c.rank, uint32_t(200 + h)));
        }
        OperationList list = rows(Path::Prefill, 0, tokens);
        list.operations = {
            StoreKv{.k = m.floats(tokens, kv.kDim, randomFloats(size_t(tokens * kv.kDim), 2)), .kv = kv}};
        m.run(list);
    }

    void scaleQueries(float by) {
        for (float& f : q)
            f *= by;
    }

    /// Rows [first, first + count), cut into pieces of `piece` rows.
    std::vector<float> expanded(int first, int count, int piece, bool coded, bool rounded = false) {
        std::vector<float> all;
        for (int at = first; at < first + count; at += piece) {
            const int n = std::min(piece, first + count - at), width = c.heads * (c.nope + c.rope);
            OperationList list = rows(Path::Prefill, at, n);
            list.codedAttention = coded;
            list.rounding = rounded ? Rounding::Whole : Rounding::None;
            const Tensor out = m.tensor(Type::F32, n, c.heads * c.vDim);
            list.operations = {ExpandedAttention{
                .q = m.floats(n, width, {q.begin() + long(at) * width, q.begin() + long(at + n) * width}),
                .out = out,
                .kv = kv,
                .kB = kB,
                .vB = vB,
                .scale = kScale}};
            m.run(list);
            const std::vector<float> part = m.read(out);
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }

    /// The same with the products before and after attention in double.
    std::vector<float> absorbed(int first, int count) {
        OperationList list = rows(Path::Prefill, first, count);
        const Tensor out = m.tensor(Type::F32, count, c.heads * c.rank);
        list.operations = {Attention{.q = m.floats(count, c.heads * kv.kDim, absorbedQueries(first, count)),
                                     .out = {.f32 = out},
                                     .kv = kv,
                                     .heads = c.heads,
                                     .scale = kScale}};
        m.run(list);
        const std::vector<float> summed = m.read(out);
        std::vector<float> all;
        for (int h = 0; h < c.heads; ++h)
            matrices_.push_back(decoded(c.vB, m.kept[values_[size_t(h)]], c.vDim, c.rank));
        for (int r = 0; r < count; ++r)
            for (int h = 0; h < c.heads; ++h)
                for (int d = 0; d < c.vDim; ++d) {
                    double sum = 0;
                    for (int i = 0; i < c.rank; ++i)
                        sum += double(matrices_[size_t(h)][size_t(d * c.rank + i)]) *
                               double(summed[size_t((r * c.heads + h) * c.rank + i)]);
                    all.push_back(float(sum));
                }
        return all;
    }

    OperationList rows(Path path, int first, int count) {
        OperationList list{.path = path, .rows = count, .batch = m.batch(count)};
        std::vector<Machine::Row> live;
        for (int i = 0; i < count; ++i)
            live.push_back({first + i, 1});
        m.setRows(list.batch, live);
        return list;
    }

    static constexpr float kScale = 0.1f;
    Machine m;
    Case c;
    KvView kv;
    std::vector<Tensor> kB, vB;

private:
    std::vector<float> absorbedQueries(int first, int count) {
        std::vector<float> all;
        for (int r = first; r < first + count; ++r)
            for (int h = 0; h < c.heads; ++h) {
                const float* own = q.data() + size_t(r * c.heads + h) * size_t(c.nope + c.rope);
                const std::vector<float> k = decoded(c.kB, m.kept[keys_[size_t(h)]], c.rank, c.nope);
                for (int i = 0; i < c.rank; ++i) {
                    double sum = 0;
                    for (int j = 0; j < c.nope; ++j)
                        sum += double(k[size_t(i * c.nope + j)]) * double(own[j]);
                    all.push_back(float(sum));
                }
                all.insert(all.end(), own + c.nope, own + c.nope + c.rope);
            }
        return all;
    }

    int tokens_;
    std::vector<float> q;
    std::vector<size_t> keys_, values_; // of m.kept, by head
    std::vector<std::vector<float>> matrices_;
};

double largest(const std::vector<float>& numbers) {
    double most = 0;
    for (const float f : numbers)
        most = std::max(most, double(std::abs(f)));
    return most;
}

TEST(ExpandedAttention, GivesWhatAbsorbedAttentionGives) {
    for (const std::string& isa : isaNames())
        for (const Case& c : kCases)
            for (const int tokens : {1, 65, 150, 700}) {
                if (isa == "reference" && (tokens > 150 || c.rank > 100))
                    continue;
                SCOPED_TRACE(nameOf(isa, c) + ", " + std::to_string(tokens) + " tokens");
                Latents latents(isa, 2, c, tokens);
                const int rows = std::min(tokens, 70), first = tokens - rows;
                const std::vector<float> want = latents.absorbed(first, rows);
                for (const bool coded : {false, true}) {
                    const std::vector<float> got = latents.expanded(first, rows, rows, coded);
                    ASSERT_EQ(got.size(), want.size());
                    // Scores reach hundreds here, so that their own rounding is seen in what weighs most.
                    const double bound = (coded && tests::takesCodes(isa) ? 2e-3 : 3e-5) * std::max(1.0, largest(want));
                    for (size_t i = 0; i < got.size(); ++i)
                        ASSERT_NEAR(got[i], want[i], bound) << "number " << i << (coded ? " coded" : "");
                }
            }
}

/// Not from threads, nor from how a prompt is cut, nor from how many rows share an expansion.
TEST(ExpandedAttention, BitsDependOnNothing) {
    for (const std::string& isa : isaNames())
        for (const Case& c : {kCases[0], kCases[1], kCases[6], kCases[7]}) {
            SCOPED_TRACE(nameOf(isa, c));
            const int tokens = isa == "reference" ? 150 : 1200;
            Latents one(isa, 1, c, tokens), three(isa, 3, c, tokens);
            for (const bool coded : {false, true}) {
                const std::vector<float> whole = one.expanded(0, tokens, tokens, coded);
                EXPECT_EQ(whole, three.expanded(0, tokens, tokens, coded));
                EXPECT_EQ(whole, three.expanded(0, tokens, 64, coded));
                EXPECT_EQ(whole, one.expanded(0, tokens, 7 * 64 + 5, coded));
            }
        }
}

using TiledExpansion = tests::TileTest;

/// Keys and values in tiles: their own rounding, of 1 in 512, is seen in scores of up to hundreds, hence smaller ones.
TEST_F(TiledExpansion, GivesWhatAbsorbedAttentionGives) {
    for (const std::string& isa : names)
        for (const Case& c : kCases)
            for (const int tokens : {1, 65, 700}) {
                SCOPED_TRACE(nameOf(isa, c) + ", " + std::to_string(tokens) + " tokens");
                Latents latents(isa, 2, c, tokens);
                latents.scaleQueries(0.01f);
                const int rows = std::min(tokens, 70), first = tokens - rows;
                const std::vector<float> want = latents.absorbed(first, rows);
                const std::vector<float> got = latents.expanded(first, rows, rows, true, true);
                ASSERT_EQ(got.size(), want.size());
                for (size_t i = 0; i < got.size(); ++i)
                    ASSERT_NEAR(got[i], want[i], 0.01 * std::max(1.0, largest(want))) << "number " << i;
                EXPECT_NE(got, latents.expanded(first, rows, rows, true)) << "nothing was rounded";
                EXPECT_EQ(got, latents.expanded(first, rows, 33, true, true)) << "bits depend on pieces";
            }
}

/// Rows of two sequences in one batch have the bits that they have alone.
TEST(ExpandedAttention, SequencesDoNotSeeEachOther) {
    for (const std::string& isa : isaNames()) {
        Latents latents(isa, 2, kCases[0], 100);
        Machine& m = latents.m;
        const Case& c = latents.c;
        const int width = c.heads * (c.nope + c.rope);
        const auto run = [&](const std::vector<Machine::Row>& live, uint32_t seed, bool coded) {
            const int n = int(live.size());
            OperationList list = latents.rows(Path::Prefill, 0, n);
            m.setRows(list.batch, live);
            list.codedAttention = coded;
            const Tensor out = m.tensor(Type::F32, n, c.heads * c.vDim);
            std::vector<float> q = randomFloats(size_t(100 * width), 9);
            q.erase(q.begin(), q.begin() + long(seed) * width);
            q.resize(size_t(n * width));
            list.operations = {ExpandedAttention{.q = m.floats(n, width, q),
                                                 .out = out,
                                                 .kv = latents.kv,
                                                 .kB = latents.kB,
                                                 .vB = latents.vB,
                                                 .scale = 0.1f}};
            m.run(list);
            return m.read(out);
        };
        for (const bool coded : {false, true}) {
            std::vector<float> alone = run({{97, 1}, {98, 1}}, 0, coded);
            const std::vector<float> second = run({{3, 0}, {4, 0}, {5, 0}}, 2, coded);
            alone.insert(alone.end(), second.begin(), second.end());
            EXPECT_EQ(run({{97, 1}, {98, 1}, {3, 0}, {4, 0}, {5, 0}}, 0, coded), alone) << isa;
        }
    }
}

TEST(ExpandedAttention, CompileRefusesWhatDoesNotFit) {
    Latents latents("reference", 1, {.rank = 32, .rope = 8, .nope = 16, .vDim = 16}, 4);
    const auto said = [&](Path path, auto change) {
        OperationList list = latents.rows(path, 0, 2);
        ExpandedAttention op{.q = latents.m.tensor(Type::F32, 2, 3 * 24),
                             .out = latents.m.tensor(Type::F32, 2, 3 * 16),
                             .kv = latents.kv,
                             .kB = latents.kB,
                             .vB = latents.vB};
        change(op);
        list.operations = {op};
        return tests::refusal(latents.m, list);
    };
    const auto refused = [&](const char* sentence, auto change) {
        EXPECT_NE(said(Path::Prefill, change).find(sentence), std::string::npos) << said(Path::Prefill, change);
    };
    EXPECT_EQ(said(Path::Prefill, [](auto&) {}), "accepted");
    EXPECT_NE(said(Path::Decode, [](auto&) {}).find("prefill path"), std::string::npos);
    refused("holds no latents", [](auto& op) { op.kv.latent = false; });
    refused("numbers of matrices", [](auto& op) { op.vB.pop_back(); });
    refused("numbers of matrices", [](auto& op) { op.kB.clear(), op.vB.clear(); });
    refused("kB 2", [](auto& op) { op.kB[2].rows -= 1; });
    refused("vB 1", [](auto& op) { op.vB[1].cols -= 1; });
    refused("out is", [](auto& op) { op.out.cols -= 1; });
    refused("overlap", [](auto& op) { op.out = op.q, op.out.cols = 48; });
    Latents wide("reference", 1, {.heads = 1, .rank = 2048, .rope = 8, .nope = 1024, .vDim = 16}, 1);
    OperationList list = wide.rows(Path::Prefill, 0, 1);
    list.operations = {ExpandedAttention{.q = wide.m.tensor(Type::F32, 1, 1032),
                                         .out = wide.m.tensor(Type::F32, 1, 16),
                                         .kv = wide.kv,
                                         .kB = wide.kB,
                                         .vB = wide.vB}};
    EXPECT_NE(tests::refusal(wide.m, list).find("too large to be expanded"), std::string::npos);
}

} // namespace
} // namespace hearth::kernels
