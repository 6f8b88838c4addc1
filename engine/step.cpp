#include "engine/step.h"

#include "engine/latent_form.h"
#include "engine/placement.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

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

} // namespace

namespace {

/// Where the inputs of all plans lie: a batch and, for each group of the cache, page tables; for a chunk and for
/// others.
struct Inputs {
    kernels::Batch chunkBatch, batch;
    std::vector<Tensor> chunkTables, pageTables; // (groups) (1 or kDecodeRows, pages)
    uint64_t bytes = 0;

    Inputs(size_t groups, int contextTokens) {
        InputLayout layout;
        chunkBatch = layout.addBatch(kChunkRows);
        batch = layout.addBatch(kDecodeRows);
        for (size_t g = 0; g < groups; ++g) {
            chunkTables.push_back(layout.add(1, contextTokens / kPageTokens + 1));
            pageTables.push_back(layout.add(kDecodeRows, contextTokens / kPageTokens + 1));
        }
        bytes = layout.bytes();
    }
};

/// What plans hold for the attention of one layer: of its shape alone.
uint64_t planBytes(const ModelConfig& c, const LayerConfig& layer, Numerics numerics, kernels::Path path, int rows,
                   bool expanded, int64_t pages) {
    if (stateBytes(c, layer) > 0)
        return 0;
    const bool latent = layer.mixer == Mixer::Latent;
    const KvLayer kv = kvLayer(c, layer);
    const int vDim = latent ? c.latent.kvRank : kv.vDim;
    const kernels::KvView view{
        .pageTokens = kPageTokens, .kDim = kv.kDim, .vDim = vDim, .pageTable = {.rows = 1, .cols = pages}};
    if (latent && expanded)
        return kernels::cpuPlanBytes(
            kernels::ExpandedAttention{.kB = std::vector<Tensor>(static_cast<size_t>(layer.nHeads))}, rows);
    kernels::Attention attention{.kv = view, .heads = layer.nHeads};
    if (latent || numerics == Numerics::Exact)
        attention.out.f32.memory = 0; // present; else mostly only the quantizer wants it
    return kernels::cpuPlanBytes(attention, path, rows);
}

/// All that a plan of so many rows holds.
uint64_t planBytes(const ModelConfig& c, Numerics numerics, kernels::Path path, int rows, bool expanded,
                   int64_t pages) {
    uint64_t attention = 0, bytes = 0;
    for (const LayerConfig& layer : c.layers)
        attention = std::max(attention, planBytes(c, layer, numerics, path, rows, expanded, pages));
    for (const RopeConfig& rope : c.ropes)
        bytes += kernels::cpuPlanBytes(kernels::Rope{.dims = rope.dims}, rows);
    return bytes + attention;
}

/// Of the products and the attention of prompts, and of latents, where the backend multiplies bf16 fastest: floats lose
/// less when they are rounded than 8 bits do, and models that want floats get nearly all of them.
kernels::Rounding roundingOf(Numerics numerics, bool floatPrompts, bool backendRounds) {
    if (numerics == Numerics::Exact || !backendRounds)
        return kernels::Rounding::None;
    return floatPrompts ? kernels::Rounding::Split : kernels::Rounding::Whole;
}

/// Rows of the plan of chunks: none is longer than the context.
int chunkRows(int contextTokens) {
    return std::clamp(contextTokens, 2 * kDecodeRows, kChunkRows);
}

/// Of a plan of so many rows: those of chunks take no 8-bit activations where prompts are floats.
ForwardBuffers layout(const ModelConfig& config, int rows, int logitRows, kernels::MemoryId memory, Numerics numerics,
                      bool floatPrompts) {
    const bool floats = numerics == Numerics::Exact || (floatPrompts && rows > kDecodeRows);
    return layoutForward(config, rows, logitRows, memory, floats);
}

} // namespace

uint64_t scratchBytes(const ModelConfig& config, int contextTokens, Numerics numerics, bool floatPrompts) {
    const int64_t pages = contextTokens / kPageTokens + 1;
    const int rows = chunkRows(contextTokens);
    const ForwardBuffers chunk = layout(config, rows, kDecodeRows, 0, numerics, floatPrompts);
    uint64_t bytes = layout(config, kDecodeRows, kDecodeRows, 0, numerics, floatPrompts).bytes + chunk.bytes +
                     Inputs(layoutKv(kvLayers(config), Type::F32).groups.size(), contextTokens).bytes;
    for (int n = 1; n <= kDecodeRows; n *= 2)
        bytes += planBytes(config, numerics, kernels::Path::Decode, n, false, pages);
    const kernels::Rounding rounding = roundingOf(numerics, floatPrompts, kernels::cpuRoundsPrompts());
    const bool floats = floatPrompts || rounding != kernels::Rounding::None;
    const Numerics prompts = floats ? Numerics::Exact : numerics;
    const uint64_t rounded = kernels::cpuRoundedBytes(chunk.inputRows, chunk.inputCols, rounding);
    bytes += planBytes(config, prompts, kernels::Path::Prefill, rows, false, pages) + rounded;
    if (canExpandLatents(config.latent))
        bytes += planBytes(config, prompts, kernels::Path::Prefill, rows, true, pages) + rounded +
                 expansionBytes(config.latent, rows);
    return bytes;
}

StepRunner::StepRunner(const Options& options) : o_(options) {
    const Inputs inputs(o_.cache.layout().groups.size(), o_.contextTokens);
    chunkBatch_ = inputs.chunkBatch, chunkTables_ = inputs.chunkTables;
    batch_ = inputs.batch, pageTables_ = inputs.pageTables;
    inputs_ = o_.backend.allocate(inputs.bytes);
    place(chunkBatch_, inputs_);
    place(batch_, inputs_);
    for (std::vector<Tensor>* tables : {&chunkTables_, &pageTables_})
        for (Tensor& table : *tables)
            table.memory = inputs_;
    logits_.resize(static_cast<size_t>(o_.config.nVocab));
}

StepRunner::~StepRunner() {
    for (const kernels::MemoryId memory : {inputs_, decodeArena_, chunkArena_})
        if (memory != kernels::kNoMemory)
            o_.backend.release(memory);
}

ForwardBuffers StepRunner::buffers(int rows, int logitRows, kernels::MemoryId memory) const {
    return layout(o_.config, rows, logitRows, memory, o_.numerics, o_.floatPrompts);
}

uint64_t StepRunner::bytes() const {
    uint64_t bytes = Inputs(pageTables_.size(), o_.contextTokens).bytes;
    if (decodeArena_ != kernels::kNoMemory)
        bytes += buffers(kDecodeRows, kDecodeRows, 0).bytes;
    if (chunkArena_ != kernels::kNoMemory)
        bytes += buffers(chunkRows(o_.contextTokens), kDecodeRows, 0).bytes;
    for (const auto& [rows, forward] : decode_)
        bytes += forward.plan->bytes();
    for (const Forward* forward : {chunk_.get(), expandedChunk_.get(), head_.get()})
        bytes += forward ? forward->plan->bytes() : 0;
    return bytes;
}

// ---- plans

/// Plans hold views of the KV memory: when it has moved, they are built again.
void StepRunner::refresh() {
    if (generation_ == o_.memory.generation())
        return;
    decode_.clear();
    chunk_.reset();
    expandedChunk_.reset();
    paused_ = {};
    generation_ = o_.memory.generation();
}

kernels::MemoryId StepRunner::arena(int rows, int logitRows) {
    kernels::MemoryId& memory = rows > kDecodeRows ? chunkArena_ : decodeArena_;
    if (memory == kernels::kNoMemory)
        memory = o_.backend.allocate(buffers(rows, logitRows, 0).bytes);
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

StepRunner::Forward StepRunner::build(kernels::Path path, int rows, int logitRows, kernels::MemoryId arena,
                                      bool expanded) {
    const bool decodes = path == kernels::Path::Decode;
    Forward forward{.batch = narrowed(decodes ? batch_ : chunkBatch_, rows),
                    .buffers = buffers(rows, logitRows, arena)};
    kernels::OperationList list{.path = path, .rows = rows, .batch = forward.batch};
    ForwardParts p = parts(forward.buffers, decodes ? pageTables_ : chunkTables_);
    p.expanded = expanded;
    list.rounding = roundingOf(o_.numerics, o_.floatPrompts, o_.backend.roundsPrompts());
    if (!decodes)
        list.codedAttention = list.codedProducts = o_.numerics == Numerics::Fast;
    if (!decodes && (o_.floatPrompts || list.rounding != kernels::Rounding::None))
        p.numerics = Numerics::Exact; // of the products; the cache keeps its type
    addEmbedding(list, p);
    for (int layer = 0; layer < static_cast<int>(o_.config.layers.size()); ++layer)
        addLayer(list, p, layer);
    if (decodes)
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

StepRunner::Forward& StepRunner::chunkForward(bool expanded) {
    std::unique_ptr<Forward>& chunk = expanded ? expandedChunk_ : chunk_;
    const int rows = chunkRows(o_.contextTokens);
    if (!chunk)
        chunk = std::make_unique<Forward>(
            build(kernels::Path::Prefill, rows, kDecodeRows, arena(rows, kDecodeRows), expanded));
    return *chunk;
}

/// The head over the rows that a chunk picked. It takes the decode path, whose bits do not depend on how many rows
/// there are, so that they do not depend on how the prompt was cut either.
StepRunner::Forward& StepRunner::headForward() {
    if (head_)
        return *head_;
    const int rows = chunkRows(o_.contextTokens);
    Forward forward{.batch = batch_, .buffers = buffers(rows, kDecodeRows, arena(rows, kDecodeRows))};
    kernels::OperationList list{.path = kernels::Path::Decode, .rows = kDecodeRows, .batch = batch_};
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

void StepRunner::writePageTables(std::span<const StepRow> rows, std::span<const Tensor> tables) {
    uint64_t number = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
        if (i > 0 && rows[i].sequence == rows[i - 1].sequence)
            continue;
        for (size_t g = 0; g < tables.size(); ++g) {
            const std::span<const int32_t> table = o_.cache.table(rows[i].sequence, static_cast<int>(g));
            staging_.assign(table.begin(), table.end());
            for (int32_t& page : staging_)
                page = std::max(page, 0); // passed by a window: never read
            o_.backend.write(inputs_, tables[g].offset + number * tables[g].stride, std::as_bytes(std::span(staging_)));
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
    writePageTables(rows, pageTables_);
    if (!o_.backend.run(*forward.plan, cancel))
        return false;
    for (size_t i = 0; i < rows.size(); ++i)
        giveLogits(forward, static_cast<int>(i), i, onLogits);
    return true;
}

/// Whether the chunk is the one that paused, and its keys and values lie where they lay.
bool StepRunner::goesOn(const Chunk& chunk) const {
    const StepRow& first = chunk.rows.front();
    if (paused_.ticket == 0 || paused_.ticket != chunk.ticket || paused_.expanded != chunk.expanded ||
        paused_.first != first.position || paused_.rows != static_cast<int>(chunk.rows.size()))
        return false;
    for (size_t g = 0; g < paused_.tables.size(); ++g)
        if (!std::ranges::equal(paused_.tables[g], o_.cache.table(first.sequence, static_cast<int>(g))))
            return false;
    return true;
}

kernels::RunEnd StepRunner::runChunk(Forward& forward, const Chunk& chunk, const std::atomic<bool>* cancel) {
    const auto plainly = [&] {
        return o_.backend.run(*forward.plan, cancel) ? kernels::RunEnd::Done : kernels::RunEnd::Cancelled;
    };
    if (!goesOn(chunk)) {
        forward.plan->restart();
        writeBatch(forward.batch, chunk.rows, chunk.wanted);
        writePageTables(chunk.rows.first(1), chunkTables_);
    }
    paused_ = {};
    const kernels::RunEnd end =
        chunk.seconds > 0 ? o_.backend.runPart(*forward.plan, cancel, chunk.seconds) : plainly();
    if (end != kernels::RunEnd::Paused)
        return end;
    const StepRow& first = chunk.rows.front();
    paused_ = {.ticket = chunk.ticket,
               .expanded = chunk.expanded,
               .first = first.position,
               .rows = static_cast<int>(chunk.rows.size())};
    for (size_t g = 0; g < chunkTables_.size(); ++g) {
        const std::span<const int32_t> table = o_.cache.table(first.sequence, static_cast<int>(g));
        paused_.tables.emplace_back(table.begin(), table.end());
    }
    return end;
}

kernels::RunEnd StepRunner::prefill(const Chunk& of, const std::atomic<bool>* cancel, const OnLogits& onLogits) {
    const auto [rows, wanted] = std::pair(of.rows, of.wanted);
    refresh();
    Forward& chunk = chunkForward(of.expanded);
    if (const kernels::RunEnd end = runChunk(chunk, of, cancel); end != kernels::RunEnd::Done)
        return end;
    for (size_t done = 0; done < wanted.size(); done += kDecodeRows) {
        Forward& head = headForward();
        const Tensor& picked = chunk.buffers.picked;
        const size_t n = std::min<size_t>(kDecodeRows, wanted.size() - done);
        if (done > 0)
            o_.backend.copy(picked.memory, picked.offset, picked.memory, picked.offset + done * picked.stride,
                            n * picked.stride);
        writeBatch(head.batch, rows.first(n), {});
        if (!o_.backend.run(*head.plan, cancel))
            return kernels::RunEnd::Cancelled;
        for (size_t i = 0; i < n; ++i)
            giveLogits(head, static_cast<int>(i), done + i, onLogits);
    }
    return kernels::RunEnd::Done;
}

} // namespace hearth::engine
