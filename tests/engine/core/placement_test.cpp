// What placement says that a model takes, against what is really allocated.

#include "engine/encoder.h"
#include "engine/kv_memory.h"
#include "engine/loaded_model.h"
#include "engine/step.h"
#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

using namespace hearth::engine;
using namespace hearth::test;
namespace kernels = hearth::kernels;

namespace {

/// The CPU, with a count of the bytes that are allocated.
class CountingBackend : public kernels::Backend {
public:
    uint64_t bytes() const { return bytes_; }

    uint64_t most() const { return most_; }

    std::string name() const override { return cpu_->name(); }

    std::string isa() const override { return cpu_->isa(); }

    kernels::MemoryId allocate(uint64_t bytes) override {
        const kernels::MemoryId id = cpu_->allocate(bytes);
        sizes_[id] = bytes;
        bytes_ += bytes;
        most_ = std::max(most_, bytes_);
        return id;
    }

    kernels::MemoryId adopt(const std::byte* data, uint64_t bytes) override { return cpu_->adopt(data, bytes); }

    void release(kernels::MemoryId id) override {
        bytes_ -= sizes_[id];
        sizes_.erase(id);
        cpu_->release(id);
    }

    void write(kernels::MemoryId id, uint64_t offset, std::span<const std::byte> in) override {
        cpu_->write(id, offset, in);
    }

    void read(kernels::MemoryId id, uint64_t offset, std::span<std::byte> out) const override {
        cpu_->read(id, offset, out);
    }

    void copy(kernels::MemoryId to, uint64_t toOffset, kernels::MemoryId from, uint64_t fromOffset,
              uint64_t bytes) override {
        cpu_->copy(to, toOffset, from, fromOffset, bytes);
    }

    std::unique_ptr<kernels::Plan> compile(const kernels::OperationList& list) override { return cpu_->compile(list); }

    bool run(kernels::Plan& plan, const std::atomic<bool>* cancel) override { return cpu_->run(plan, cancel); }

    double measureReadBandwidth(std::span<const std::byte> sample) override {
        return cpu_->measureReadBandwidth(sample);
    }

private:
    std::unique_ptr<kernels::Backend> cpu_ = kernels::makeCpuBackend({.threads = 1, .isa = ""});
    std::map<kernels::MemoryId, uint64_t> sizes_;
    uint64_t bytes_ = 0, most_ = 0;
};

/// A model of the reference data, open.
struct Opened {
    UnpackedFile file;
    Checkpoint checkpoint;
    ModelConfig config;

    explicit Opened(const std::string& name)
        : file(findData("oracles/" + name) + "/model.gguf"), checkpoint(Checkpoint::open(file.path())),
          config(readModelConfig(checkpoint)) {}
};

/// However many sequences and snapshots there are, states take what placement says, and no more.
TEST(Placement, RecurrentStates) {
    constexpr int kContext = 512;
    for (const char* name : {"qwen3_next", "lfm2_moe"}) {
        SCOPED_TRACE(name);
        const Opened model(name);
        const LoadOptions options{.path = model.file.path(), .contextTokens = kContext, .overrides = {}};
        const PlacementInput said = placementInput(model.checkpoint, model.config, options);
        CountingBackend backend;
        KvCache::Options cacheOptions{.layout = layoutKv(kvLayers(model.config), kvTypeFor(options)),
                                      .key = {},
                                      .pages = kContext / kPageTokens,
                                      .copyPage = {}};
        KvMemory memory(backend, cacheOptions.layout, cacheOptions.pages);
        cacheOptions.copyPage = [&](int group, int from, int to) { memory.copyPage(group, from, to); };
        KvCache cache(cacheOptions);
        const auto give = [&] {
            for (size_t g = 0; g < cache.layout().groups.size(); ++g)
                memory.ensure(static_cast<int>(g), cache.highestPage(static_cast<int>(g)));
        };
        int sequences = 0;
        for (; sequences < 100; ++sequences) {
            const KvSequence s = cache.open();
            if (!cache.prepare(s, 1))
                break;
            give();
            const std::vector<TokenId> tokens = {static_cast<TokenId>(sequences)};
            cache.commit(s, tokens);
            cache.snapshot(s);
        }
        EXPECT_GE(sequences, 2);
        EXPECT_LT(sequences, 100);
        EXPECT_GT(said.kvWindowBytes, 0u);
        EXPECT_EQ(backend.bytes(), memory.bytes());
        EXPECT_EQ(memory.bytes(), said.kvWindowBytes + said.kvBytesPerToken * kContext);
    }
}

/// Texts of all lengths, the longest first: what stays allocated for the shorter ones is part of it.
TEST(Placement, Encoders) {
    constexpr struct {
        const char* name;
        int context;
    } kModels[] = {{"bert", 128}, {"modernbert", 1024}};

    for (const auto& m : kModels) {
        SCOPED_TRACE(m.name);
        const Opened model(m.name);
        const PlacementInput said = placementInput(
            model.checkpoint, model.config, {.path = model.file.path(), .contextTokens = m.context, .overrides = {}});
        CountingBackend backend;
        std::vector<kernels::MemoryId> memories;
        const ModelWeights weights = bindWeights(model.checkpoint, model.config, Numerics::Fast, backend, memories);
        const uint64_t before = backend.bytes();
        Encoder encoder(backend, model.config, weights, Numerics::Fast);
        for (const int length : {m.context, 1, m.context / 8, 1, m.context / 2, 70, 3, m.context})
            encoder.run(std::vector<TokenId>(static_cast<size_t>(std::min(length, m.context)), 5));
        EXPECT_LE(backend.most() - before, said.scratchBytes);
        EXPECT_GE(backend.most() - before, said.scratchBytes / 2);
        for (const kernels::MemoryId id : memories)
            backend.release(id);
    }
}

/// All plans of a model that generates.
TEST(Placement, Scratch) {
    const Opened model("llama");
    const LoadOptions options{.path = model.file.path(), .contextTokens = 1024, .overrides = {}};
    const PlacementInput said = placementInput(model.checkpoint, model.config, options);
    CountingBackend backend;
    std::vector<kernels::MemoryId> memories;
    const ModelWeights weights = bindWeights(model.checkpoint, model.config, Numerics::Fast, backend, memories);
    KvCache::Options cacheOptions{
        .layout = layoutKv(kvLayers(model.config), kvTypeFor(options)), .key = {}, .pages = 32, .copyPage = {}};
    KvMemory memory(backend, cacheOptions.layout, cacheOptions.pages);
    for (size_t g = 0; g < cacheOptions.layout.groups.size(); ++g)
        memory.ensure(static_cast<int>(g), cacheOptions.pages);
    KvCache cache(cacheOptions);
    const uint64_t before = backend.bytes();
    {
        StepRunner runner({.backend = backend,
                           .config = model.config,
                           .weights = weights,
                           .cache = cache,
                           .memory = memory,
                           .floatPrompts = floatPrompts(model.config, options),
                           .contextTokens = options.contextTokens});
        const KvSequence s = cache.open();
        int position = 0;
        const auto rowsFor = [&](int n) {
            EXPECT_TRUE(cache.prepare(s, n));
            std::vector<StepRow> rows;
            for (int i = 0; i < n; ++i)
                rows.push_back({.id = 7, .position = position++, .sequence = s});
            cache.commit(s, std::vector<TokenId>(static_cast<size_t>(n), 7));
            return rows;
        };
        const auto ignore = [](size_t, std::span<float>) {};
        const std::vector<int> wanted = {kChunkRows - 2, kChunkRows - 1};
        const std::vector<StepRow> chunk = rowsFor(kChunkRows);
        EXPECT_EQ(runner.prefill({.rows = chunk, .wanted = wanted}, nullptr, ignore), hearth::kernels::RunEnd::Done);
        std::vector<StepRow> batch = rowsFor(1);
        EXPECT_TRUE(runner.decode(batch, nullptr, ignore));
        batch.resize(kDecodeRows, batch.front());
        EXPECT_TRUE(runner.decode(batch, nullptr, ignore));
        EXPECT_LE(backend.most() - before, said.scratchBytes);
        EXPECT_GE(backend.most() - before, said.scratchBytes / 2);
    }
    for (const kernels::MemoryId id : memories)
        backend.release(id);
}

} // namespace
