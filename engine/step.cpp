#include "engine/step.h"

#include "engine/placement.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hearth::engine {

namespace {

using kernels::Tensor;
using kernels::Type;

/// Lays rows of integers one after the other into one memory.
class InputLayout {
public:
    Tensor add(int64_t rows, int64_t cols) {
        const uint64_t stride = static_cast<uint64_t>(cols) * sizeof(int32_t);
        const Tensor tensor{.type = Type::I32, .offset = bytes_, .rows = rows, .cols = cols, .stride = stride};
        bytes_ += (stride * static_cast<uint64_t>(rows) + 63) / 64 * 64;
        return tensor;
    }

    kernels::Batch addBatch(int rows) {
        return {.rowCount = add(1, 1),
                .ids = add(1, rows),
                .positions = add(1, rows),
                .sequences = add(1, rows),
                .outputRows = add(1, rows),
                .outputCount = add(1, 1),
                .ropeSets = add(1, rows)};
    }

    uint64_t bytes() const { return bytes_; }

private:
    uint64_t bytes_ = 0;
};

void place(kernels::Batch& batch, kernels::MemoryId memory) {
    for (Tensor* tensor : {&batch.rowCount, &batch.ids, &batch.positions, &batch.sequences, &batch.outputRows,
                           &batch.outputCount, &batch.ropeSets})
        tensor->memory = memory;
}

/// The same views for a plan of fewer rows.
kernels::Batch narrowed(kernels::Batch batch, int rows) {
    for (Tensor* tensor : {&batch.ids, &batch.positions, &batch.sequences, &batch.outputRows, &batch.ropeSets})
        tensor->cols = rows;
    return batch;
}

int rowCapacity(size_t rows) {
    int capacity = 1;
    while (capacity < static_cast<int>(rows))
        capacity *= 2;
    return capacity;
}

/// What plans read beside weights and cache.
struct Inputs {
    kernels::Batch batch, headBatch;
    std::vector<Tensor> pageTables; // (groups) (kDecodeRows, maxPages) I32
    uint64_t bytes = 0;
};

Inputs layoutInputs(size_t nGroups, int contextTokens) {
    InputLayout layout;
    Inputs in{.batch = layout.addBatch(kChunkRows), .headBatch = layout.addBatch(kDecodeRows)};
    const int64_t maxPages = contextTokens / kPageTokens + 1;
    for (size_t g = 0; g < nGroups; ++g)
        in.pageTables.push_back(layout.add(kDecodeRows, maxPages));
    in.bytes = layout.bytes();
    return in;
}

} // namespace

uint64_t scratchBytes(const ModelConfig& config, size_t nGroups, int contextTokens) {
    return layoutForward(config, kDecodeRows, kDecodeRows, 0).bytes +
           layoutForward(config, kChunkRows, kDecodeRows, 0).bytes + layoutInputs(nGroups, contextTokens).bytes;
}

StepRunner::StepRunner(const Options& options) : o_(options) {
    Inputs in = layoutInputs(o_.cache.layout().groups.size(), o_.contextTokens);
    batch_ = in.batch;
    headBatch_ = in.headBatch;
    pageTables_ = std::move(in.pageTables);
    inputs_ = o_.backend.allocate(in.bytes);
    place(batch_, inputs_);
    place(headBatch_, inputs_);
    for (Tensor& table : pageTables_)
        table.memory = inputs_;
    logits_.resize(static_cast<size_t>(o_.config.nVocab));
}

StepRunner::~StepRunner() {
    for (const kernels::MemoryId memory : {inputs_, decodeArena_, chunkArena_})
        if (memory != kernels::kNoMemory)
            o_.backend.release(memory);
}

// ---- plans

/// Plans hold views of the KV memory: when it has moved, they are built again.
void StepRunner::refresh() {
    if (generation_ == o_.memory.generation())
        return;
    decode_.clear();
    chunk_.reset();
    generation_ = o_.memory.generation();
}

kernels::MemoryId StepRunner::arena(int rows, int logitRows) {
    kernels::MemoryId& memory = rows > kDecodeRows ? chunkArena_ : decodeArena_;
    if (memory == kernels::kNoMemory)
        memory = o_.backend.allocate(layoutForward(o_.config, rows, logitRows, 0).bytes);
    return memory;
}

LayerMemory StepRunner::layerMemory(size_t index, std::span<const Tensor> pageTables) const {
    const ModelConfig& c = o_.config;
    const LayerConfig& layer = c.layers[index];
    const KvLayout& layout = o_.cache.layout();
    const KvPlace& at = layout.places[index];
    const uint64_t pageBytes = layout.groups[static_cast<size_t>(at.group)].pageBytes;
    const kernels::MemoryId memory = o_.memory.memory(at.group);
    Tensor table = pageTables[static_cast<size_t>(at.group)];
    if (stateBytes(c, layer) > 0)
        return {.kv = {},
                .state = {.memory = memory, .pageBytes = pageBytes, .offset = at.kOffset, .pageTable = table}};
    const KvLayer kv = kvLayer(c, layer);
    const bool latent = layer.mixer == Mixer::Latent;
    return {.kv = {.memory = memory,
                   .type = layout.type,
                   .pageBytes = pageBytes,
                   .kOffset = at.kOffset,
                   .vOffset = at.vOffset,
                   .pageTokens = kPageTokens,
                   .heads = kv.heads,
                   .kDim = kv.kDim,
                   .vDim = latent ? c.latent.kvRank : kv.vDim,
                   .latent = latent,
                   .pageTable = table},
            .state = {}};
}

ForwardParts StepRunner::parts(const ForwardBuffers& buffers, std::span<const Tensor> pageTables) const {
    ForwardParts p{.config = o_.config, .weights = o_.weights, .numerics = o_.numerics, .buffers = buffers};
    for (size_t i = 0; i < o_.config.layers.size(); ++i)
        p.memory.push_back(layerMemory(i, pageTables));
    return p;
}

StepRunner::Forward StepRunner::build(kernels::Path path, int rows, int logitRows, kernels::MemoryId arena) {
    Forward forward{.batch = narrowed(batch_, rows), .buffers = layoutForward(o_.config, rows, logitRows, arena)};
    kernels::OperationList list{.path = path, .rows = rows, .batch = forward.batch};
    ForwardParts p = parts(forward.buffers, pageTables_);
    if (path == kernels::Path::Prefill && o_.floatPrompts)
        p.numerics = Numerics::Exact; // of the products; the cache keeps its type
    addEmbedding(list, p);
    for (int layer = 0; layer < static_cast<int>(o_.config.layers.size()); ++layer)
        addLayer(list, p, layer);
    if (path == kernels::Path::Decode)
        addHead(list, p, forward.buffers.x);
    else
        addPick(list, p);
    forward.plan = o_.backend.compile(list);
    return forward;
}

StepRunner::Forward& StepRunner::decodeForward(int rows) {
    const auto found = decode_.find(rows);
    if (found != decode_.end())
        return found->second;
    return decode_.emplace(rows, build(kernels::Path::Decode, rows, rows, arena(kDecodeRows, kDecodeRows)))
        .first->second;
}

StepRunner::Forward& StepRunner::chunkForward() {
    if (!chunk_)
        chunk_ = std::make_unique<Forward>(
            build(kernels::Path::Prefill, kChunkRows, kDecodeRows, arena(kChunkRows, kDecodeRows)));
    return *chunk_;
}

/// The head over the rows that a chunk picked. It takes the decode path, whose bits do not depend on how many rows
/// there are, so that they do not depend on how the prompt was cut either.
StepRunner::Forward& StepRunner::headForward() {
    if (head_)
        return *head_;
    Forward forward{.batch = headBatch_,
                    .buffers = layoutForward(o_.config, kChunkRows, kDecodeRows, arena(kChunkRows, kDecodeRows))};
    kernels::OperationList list{.path = kernels::Path::Decode, .rows = kDecodeRows, .batch = headBatch_};
    Tensor picked = forward.buffers.picked;
    picked.rows = kDecodeRows;
    ForwardParts p = parts(forward.buffers, pageTables_);
    if (o_.floatPrompts)
        p.numerics = Numerics::Exact;
    addHead(list, p, picked);
    forward.plan = o_.backend.compile(list);
    head_ = std::make_unique<Forward>(std::move(forward));
    return *head_;
}

// ---- inputs and outputs

void StepRunner::writeBatch(const kernels::Batch& batch, std::span<const StepRow> rows, std::span<const int> wanted) {
    const auto write = [&](const Tensor& to, size_t n, auto value) {
        staging_.resize(n);
        for (size_t i = 0; i < n; ++i)
            staging_[i] = value(i);
        o_.backend.write(to.memory, to.offset, std::as_bytes(std::span(staging_)));
    };
    write(batch.rowCount, 1, [&](size_t) { return static_cast<int32_t>(rows.size()); });
    write(batch.ids, rows.size(), [&](size_t i) { return rows[i].id; });
    write(batch.positions, rows.size(), [&](size_t i) { return rows[i].position; });
    write(batch.ropeSets, rows.size(), [&](size_t i) { return o_.cache.space(rows[i].sequence); });
    write(batch.outputCount, 1, [&](size_t) { return static_cast<int32_t>(wanted.size()); });
    write(batch.outputRows, wanted.size(), [&](size_t i) { return wanted[i]; });
    // A row of the page table for each run of rows of one sequence.
    int32_t number = -1;
    write(batch.sequences, rows.size(), [&](size_t i) {
        if (i == 0 || rows[i].sequence != rows[i - 1].sequence)
            ++number;
        return number;
    });
}

void StepRunner::writePageTables(std::span<const StepRow> rows) {
    uint64_t number = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
        if (i > 0 && rows[i].sequence == rows[i - 1].sequence)
            continue;
        for (size_t g = 0; g < pageTables_.size(); ++g) {
            const std::span<const int32_t> table = o_.cache.table(rows[i].sequence, static_cast<int>(g));
            staging_.assign(table.begin(), table.end());
            for (int32_t& page : staging_)
                page = std::max(page, 0); // passed by a window: never read
            o_.backend.write(inputs_, pageTables_[g].offset + number * pageTables_[g].stride,
                             std::as_bytes(std::span(staging_)));
        }
        ++number;
    }
}

void StepRunner::giveLogits(const Forward& forward, int row, size_t index, const OnLogits& onLogits) {
    const Tensor& from = forward.buffers.logits;
    o_.backend.read(from.memory, from.offset + static_cast<uint64_t>(row) * from.stride,
                    std::as_writable_bytes(std::span(logits_)));
    const ModelConfig& c = o_.config;
    if (c.logitScale != 1.0f)
        for (float& x : logits_)
            x *= c.logitScale;
    if (c.logitSoftCap > 0)
        for (float& x : logits_)
            x = c.logitSoftCap * std::tanh(x / c.logitSoftCap);
    onLogits(index, logits_);
}

// ---- runs

bool StepRunner::decode(std::span<const StepRow> rows, const std::atomic<bool>* cancel, const OnLogits& onLogits) {
    refresh();
    Forward& forward = decodeForward(rowCapacity(rows.size()));
    writeBatch(forward.batch, rows, {});
    writePageTables(rows);
    if (!o_.backend.run(*forward.plan, cancel))
        return false;
    for (size_t i = 0; i < rows.size(); ++i)
        giveLogits(forward, static_cast<int>(i), i, onLogits);
    return true;
}

bool StepRunner::prefill(std::span<const StepRow> rows, std::span<const int> wanted, const std::atomic<bool>* cancel,
                         const OnLogits& onLogits) {
    refresh();
    Forward& chunk = chunkForward();
    writeBatch(chunk.batch, rows, wanted);
    writePageTables(rows.first(1));
    if (!o_.backend.run(*chunk.plan, cancel))
        return false;
    for (size_t done = 0; done < wanted.size(); done += kDecodeRows) {
        Forward& head = headForward();
        const Tensor& picked = chunk.buffers.picked;
        const size_t n = std::min<size_t>(kDecodeRows, wanted.size() - done);
        if (done > 0)
            o_.backend.copy(picked.memory, picked.offset, picked.memory, picked.offset + done * picked.stride,
                            n * picked.stride);
        writeBatch(head.batch, rows.first(n), {});
        if (!o_.backend.run(*head.plan, cancel))
            return false;
        for (size_t i = 0; i < n; ++i)
            giveLogits(head, static_cast<int>(i), done + i, onLogits);
    }
    return true;
}

} // namespace hearth::engine
