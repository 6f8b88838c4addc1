#include "engine/encoder.h"

#include "engine/kv_cache.h"
#include "engine/layers/forward.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace hearth::engine {

namespace {

using kernels::Tensor;
using kernels::Type;

constexpr struct {
    std::string_view name;
    Pooling pooling;
} kPoolings[] = {{"none", Pooling::None}, {"mean", Pooling::Mean}, {"cls", Pooling::Cls}};

/// Plans are made for lengths of 64, 128, 256, ...
int capacityFor(size_t rows) {
    int capacity = kPageTokens;
    while (static_cast<size_t>(capacity) < rows)
        capacity *= 2;
    return capacity;
}

/// Row `index` of a table of integers that is `rows` wide.
Tensor integers(kernels::MemoryId memory, int index, int rows, int cols) {
    const uint64_t stride = static_cast<uint64_t>(rows) * sizeof(int32_t);
    return {.memory = memory,
            .type = Type::I32,
            .offset = static_cast<uint64_t>(index) * stride,
            .rows = 1,
            .cols = cols,
            .stride = stride};
}

/// Keys and values of one layer; all layers use the same pages, one after the other.
kernels::KvView keyView(const ModelConfig& c) {
    kernels::KvView kv{.type = Type::F32, .pageTokens = kPageTokens, .kDim = c.headDim, .vDim = c.vHeadDim};
    for (const LayerConfig& layer : c.layers)
        kv.heads = std::max(kv.heads, layer.nKvHeads);
    const uint64_t perNumber = static_cast<uint64_t>(kv.heads) * kPageTokens * sizeof(float);
    kv.vOffset = perNumber * static_cast<uint64_t>(kv.kDim);
    kv.pageBytes = kv.vOffset + perNumber * static_cast<uint64_t>(kv.vDim);
    return kv;
}

enum Input { RowCount, Ids, Positions, Sequences, Pages, Inputs };

uint64_t inputBytes(int rows) {
    return uint64_t{Inputs} * static_cast<uint64_t>(rows) * sizeof(int32_t);
}

} // namespace

uint64_t encoderBytes(const ModelConfig& config, int tokens) {
    // Shorter texts have forwards of their own where the one that is there is more than four times as long.
    uint64_t bytes = 0;
    for (int rows = capacityFor(static_cast<size_t>(std::max(1, tokens))); rows >= kPageTokens; rows /= 8) {
        const ForwardBuffers buffers = layoutForward(config, rows, 0, 0);
        if (kernels::cpuRoundsPrompts())
            bytes += kernels::cpuRoundedBytes(buffers.inputRows, buffers.inputCols, kernels::Rounding::Whole);
        bytes +=
            buffers.bytes + inputBytes(rows) + keyView(config).pageBytes * static_cast<uint64_t>(rows / kPageTokens);
    }
    return bytes;
}

const Pooling* findPooling(std::string_view name) {
    const auto* row =
        std::find_if(std::begin(kPoolings), std::end(kPoolings), [&](const auto& p) { return p.name == name; });
    return row == std::end(kPoolings) ? nullptr : &row->pooling;
}

Encoder::Encoder(kernels::Backend& backend, const ModelConfig& config, const ModelWeights& weights, Numerics numerics)
    : backend_(backend), config_(config), weights_(weights), numerics_(numerics) {}

Encoder::Forward Encoder::build(int rows) {
    const int pages = rows / kPageTokens;
    kernels::KvView kv = keyView(config_);
    Forward f{.inputs = Memory(backend_, inputBytes(rows)),
              .arena = Memory(backend_, layoutForward(config_, rows, 0, 0).bytes),
              .kv = Memory(backend_, kv.pageBytes * static_cast<uint64_t>(pages)),
              .batch = {},
              .out = {},
              .plan = {}};
    const auto input = [&](Input which, int cols) { return integers(f.inputs.id(), which, rows, cols); };
    f.batch = {.rowCount = input(RowCount, 1),
               .ids = input(Ids, rows),
               .positions = input(Positions, rows),
               .sequences = input(Sequences, rows), // zeros: one sequence
               .outputRows = {},
               .outputCount = {},
               .ropeSets = {}};
    std::vector<int32_t> order(static_cast<size_t>(rows));
    std::iota(order.begin(), order.end(), 0);
    backend_.write(f.inputs.id(), f.batch.positions.offset, std::as_bytes(std::span(order)));
    kv.memory = f.kv.id();
    kv.pageTable = input(Pages, pages);
    backend_.write(f.inputs.id(), kv.pageTable.offset,
                   std::as_bytes(std::span(order).first(static_cast<size_t>(pages))));

    ForwardParts parts{.config = config_,
                       .weights = weights_,
                       .numerics = numerics_,
                       .buffers = layoutForward(config_, rows, 0, f.arena.id()),
                       .memory = {}};
    for (const LayerConfig& layer : config_.layers) {
        kv.heads = layer.nKvHeads;
        parts.memory.push_back({.kv = kv, .state = {}});
    }
    kernels::OperationList list{.path = kernels::Path::Prefill,
                                .rows = rows,
                                .batch = f.batch,
                                .operations = {},
                                .codedAttention = numerics_ == Numerics::Fast,
                                .codedProducts = numerics_ == Numerics::Fast};
    addEmbedding(list, parts);
    for (int layer = 0; layer < static_cast<int>(config_.layers.size()); ++layer)
        addLayer(list, parts, layer);
    addFinalNorm(list, parts);
    f.out = parts.buffers.x;
    f.plan = backend_.compile(list);
    return f;
}

Encoder::Forward& Encoder::forward(int rows) {
    // The longest text so far stays served; shorter ones take what is there if it is not much too large.
    const auto found = forwards_.lower_bound(rows);
    if (found != forwards_.end() && found->first <= 4 * rows)
        return found->second;
    forwards_.erase(forwards_.begin(), forwards_.lower_bound(rows)); // what is shorter fits into the new one's place
    return forwards_.emplace(rows, build(rows)).first->second;
}

std::vector<float> Encoder::run(std::span<const TokenId> tokens) {
    Forward& f = forward(capacityFor(tokens.size()));
    const auto count = static_cast<int32_t>(tokens.size());
    backend_.write(f.inputs.id(), f.batch.rowCount.offset, std::as_bytes(std::span(&count, 1)));
    backend_.write(f.inputs.id(), f.batch.ids.offset, std::as_bytes(tokens));
    backend_.run(*f.plan);
    const auto dModel = static_cast<size_t>(config_.dModel);
    std::vector<float> out(tokens.size() * dModel);
    for (size_t i = 0; i < tokens.size(); ++i)
        backend_.read(f.out.memory, f.out.offset + i * f.out.stride,
                      std::as_writable_bytes(std::span(out).subspan(i * dModel, dModel)));
    return out;
}

std::vector<float> pool(std::span<const float> vectors, int dModel, Pooling pooling) {
    const auto width = static_cast<size_t>(dModel);
    if (pooling == Pooling::None)
        return {vectors.begin(), vectors.end()};
    if (pooling == Pooling::Cls)
        return {vectors.begin(), vectors.begin() + dModel};
    std::vector<double> sums(width);
    for (size_t i = 0; i < vectors.size(); ++i)
        sums[i % width] += static_cast<double>(vectors[i]);
    std::vector<float> mean;
    for (const double sum : sums)
        mean.push_back(static_cast<float>(sum * static_cast<double>(width) / static_cast<double>(vectors.size())));
    return mean;
}

} // namespace hearth::engine
