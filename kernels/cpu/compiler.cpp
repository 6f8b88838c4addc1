#include "kernels/cpu/compiler.h"

#include "kernels/cpu/checker.h"
#include "kernels/cpu/expert_stages.h"
#include "kernels/cpu/recurrent_stages.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <string>
#include <utility>

namespace hearth::kernels::cpu {
namespace {

constexpr const char* kOperationNames[] = {
    "gather",    "pick rows",          "norm",      "quantize", "product", "rope",     "store kv",
    "attention", "expanded attention", "activate",  "add",      "route",   "dispatch", "experts' product",
    "combine",   "causal convolution", "delta rule"};
static_assert(std::size(kOperationNames) == std::variant_size_v<Operation>);

uint64_t attentionRowBytes(const Attention& op, int rows) {
    return op.out.f32.present() ? 0 : uint64_t(rows) * uint64_t(op.heads) * uint64_t(op.kv.vDim) * sizeof(float);
}

class Compiler {
public:
    Compiler(const OperationList& list, const Memories& memories, const CpuKernels& kernels, int threads)
        : list_(list), memories_(memories), threads_(threads), plan_(std::make_unique<CpuPlan>()) {
        plan_->step.kernels = &kernels;
        plan_->rows = list.rows;
    }

    std::unique_ptr<CpuPlan> run() {
        checkBatch();
        for (size_t i = 0; i < list_.operations.size(); ++i)
            std::visit([&](const auto& op) { prepare(checker(i), op); }, list_.operations[i]);
        plan_->partials = uninitialised(plan_->partialBytes);
        plan_->attentionRows = uninitialised(plan_->attentionRowBytes);
        plan_->states = uninitialised(plan_->stateBytes);
        for (size_t i = 0; i < list_.operations.size(); ++i)
            std::visit([&](const auto& op) { compile(checker(i), op); }, list_.operations[i]);
        plan_->rounded = aligned(plan_->roundedBytes, plan_->step.rounded);
        for (const StagePtr& stage : plan_->stages)
            plan_->work.push_back({stage.get(), 0});
        return std::move(plan_);
    }

private:
    static std::unique_ptr<std::byte[]> uninitialised(uint64_t bytes) {
        return std::unique_ptr<std::byte[]>(bytes > 0 ? new std::byte[bytes] : nullptr);
    }

    /// The same, and where in it a cache line begins.
    static std::unique_ptr<std::byte[]> aligned(uint64_t bytes, std::byte*& begin) {
        auto memory = uninitialised(bytes);
        begin = memory.get() + (64 - reinterpret_cast<uintptr_t>(memory.get()) % 64) % 64;
        return memory;
    }

    Checker checker(size_t i) const {
        return Checker(memories_,
                       "Operation " + std::to_string(i) + " (" + kOperationNames[list_.operations[i].index()] + ")");
    }

    void checkBatch() {
        const Checker c(memories_, "The batch");
        const Batch& b = list_.batch;
        c.require(list_.rows >= 1 && list_.rows <= (1 << 20), "the row capacity is ", int64_t(list_.rows));
        plan_->rowCount = c.typed(b.rowCount, "rowCount", Type::I32, 1, 1);
        const auto optional = [&](const Tensor& t, const char* name, int64_t cols, Rows& to) {
            if (!t.present())
                return;
            to = c.typed(t, name, Type::I32, 1, -1);
            c.require(to.cols >= cols, name, " has fewer columns than there are rows");
        };
        optional(b.ids, "ids", list_.rows, plan_->step.ids);
        optional(b.positions, "positions", list_.rows, plan_->step.positions);
        optional(b.sequences, "sequences", list_.rows, plan_->step.sequences);
        optional(b.ropeSets, "ropeSets", list_.rows, plan_->step.ropeSets);
        optional(b.outputRows, "outputRows", 1, plan_->step.outputRows);
        optional(b.outputCount, "outputCount", 1, plan_->outputCount);
    }

    void requireOutputs(const Checker& c) const { c.require(bool(plan_->outputCount), "the batch has no outputCount"); }

    int64_t capacity(bool outputsOnly) const { return outputsOnly ? 1 : list_.rows; }

    void add(StagePtr stage) { plan_->stages.push_back(std::move(stage)); }

    // What must be known before the first stage is made: rope tables go first, attention shares its buffers.
    template <typename Op>
    void prepare(const Checker&, const Op&) {}

    void prepare(const Checker& c, const Rope& op) {
        const RopeTableSpec spec = ropeSpec(c, op);
        if (std::find(ropeSpecs_.begin(), ropeSpecs_.end(), spec) != ropeSpecs_.end())
            return;
        c.require(bool(plan_->step.positions), "the batch has no positions");
        ropeSpecs_.push_back(spec);
        plan_->ropeTables.emplace_back(size_t(list_.rows) * size_t(spec.dims));
        add(makeRopeTable(plan_->step, spec, list_.rows, plan_->ropeTables.back().data()));
    }

    void prepare(const Checker& c, const Attention& op) {
        attentionSpec(c, op);
        plan_->attentionRowBytes = std::max(plan_->attentionRowBytes, attentionRowBytes(op, list_.rows));
        if (list_.path == Path::Decode)
            plan_->partialBytes = std::max(plan_->partialBytes, partialBytes(op, list_.rows));
    }

    void prepare(const Checker& c, const ExpandedAttention& op) {
        plan_->expanded.push_back(expandedSpec(c, op));
        plan_->stateBytes = std::max(plan_->stateBytes, cpuPlanBytes(op, list_.rows));
        plan_->scratchBytes = std::max(plan_->scratchBytes, cpuWorkerBytes(op, list_.rows));
    }

    RopeTableSpec ropeSpec(const Checker& c, const Rope& op) const {
        c.require(op.heads >= 1 && op.headDim >= 2 && op.headDim <= kMaxHeadDim && op.dims >= 2 && op.dims % 2 == 0 &&
                      op.first >= 0 && op.first <= op.headDim - op.dims,
                  "its heads or dimensions are impossible");
        c.require(op.theta > 0, "theta is not positive");
        RopeTableSpec spec{.dims = op.dims, .theta = op.theta, .attentionFactor = op.attentionFactor};
        if (op.factors.present()) {
            const Rows factors = c.f32(op.factors, "factors", 1, op.dims / 2);
            spec.factors = factors.f32(0), spec.factorStride = factors.stride, spec.sets = factors.rows;
        }
        return spec;
    }

    void compile(const Checker& c, const Gather& op) {
        c.require(op.index != RowIndex::Token || bool(plan_->step.ids), "the batch has no ids");
        c.require(op.index != RowIndex::Position || bool(plan_->step.positions), "the batch has no positions");
        const Rows out = limited(c.output(op.out, "out", Type::F32, list_.rows, -1));
        const Rows table = c.raw(op.table, "the table", 1, out.cols);
        c.require(size_t(table.type) < size_t(Type::I32), "the table has no weight type");
        add(makeGather(plan_->step, op, table, out));
    }

    void compile(const Checker& c, const PickRows& op) {
        requireOutputs(c);
        c.require(bool(plan_->step.outputRows), "the batch has no outputRows");
        const Rows out = c.output(op.out, "out", Type::F32, 1, -1);
        Rows x = c.f32(op.x, "x", list_.rows, out.cols);
        c.require(!overlap(x, out), "x and out overlap");
        x.rows = list_.rows;
        add(makePickRows(plan_->step, x, out));
    }

    void compile(const Checker& c, const Norm& op) {
        if (op.outputRowsOnly)
            requireOutputs(c);
        Rows x = c.f32(op.x, "x", capacity(op.outputRowsOnly), -1);
        const int64_t group = op.groupCols > 0 ? op.groupCols : x.cols;
        c.require(op.groupCols >= 0 && x.cols % group == 0, "its groups do not fill the row");
        const auto constants = [&](const Tensor& t, const char* name) {
            const bool each = t.present() && t.cols == x.cols;
            return NormConstants{c.constants(t, name, each ? x.cols : group), each && group < x.cols ? group : 0};
        };
        const NormConstants weight = constants(op.weight, "weight"), bias = constants(op.bias, "bias");
        const ActivationRows out = c.activations(op.out, "out", capacity(op.outputRowsOnly), x.cols, true);
        c.require(group == x.cols || out.f32 || uint64_t(x.cols) * 4 <= kScratchBytes,
                  "a row is too long to be quantized alone");
        c.require(!overlap(x, out.q8), "x and out overlap");
        x.rows = std::min(x.rows, rowsOf(out));
        add(makeNorm(plan_->step, op, x, weight, bias, out));
    }

    void compile(const Checker& c, const Quantize& op) {
        const Rows x = limited(c.f32(op.x, "x", list_.rows, -1));
        const int64_t group = op.groupCols > 0 ? op.groupCols : x.cols;
        c.require(op.groupCols >= 0 && x.cols % group == 0, "its groups do not fill the row");
        const int64_t blocks = x.cols / group * blocksOf(group);
        const Rows out = c.output(op.out, "out", Type::A8, list_.rows, -1);
        c.require(blocksOf(out.cols) == blocks, "out has ", out.cols, " columns, but ", blocks,
                  " blocks of 256 are needed");
        c.require(!overlap(x, out), "x and out overlap");
        add(makeQuantize(plan_->step, x, group, out));
    }

    void compile(const Checker& c, const MatMul& op) {
        if (op.outputRowsOnly)
            requireOutputs(c);
        c.require(!op.parts.empty(), "it has no parts");
        const int64_t rows = capacity(op.outputRowsOnly);
        Product p;
        p.outputsOnly = op.outputRowsOnly;
        p.x = c.activations(op.x, "x", rows, -1, false);
        p.capacity = rowsOf(p.x);
        for (size_t i = 0; i < op.parts.size(); ++i)
            addPart(c, op.parts[i], "part " + std::to_string(i), rows, p);
        p.rounded.rounding = rounding(p.x);
        p.rounded.rows = p.capacity;
        if (p.rounded) {
            for (ProductPart& part : p.parts)
                part.rounded = p.rounded.add(p.x, part.weight.cols, part.group);
            addRoundInputs(p.x, p.rounded, p.capacity, p.outputsOnly, 1);
        }
        p.coded = list_.codedProducts;
        add(list_.path == Path::Decode ? makeMatVec(plan_->step, std::move(p), threads_)
                                       : makeGemm(plan_->step, std::move(p), threads_));
    }

    /// How a product's inputs become bf16.
    Rounding rounding(const ActivationRows& x) const {
        if (!plan_->step.kernels->gemmBf16 || list_.path != Path::Prefill)
            return Rounding::None;
        return x.q8 ? Rounding::Whole : list_.rounding;
    }

    void addRoundInputs(const ActivationRows& x, const RoundedInputs& rounded, int64_t capacity, bool outputsOnly,
                        int rowSlots) {
        plan_->roundedBytes = std::max(plan_->roundedBytes, rounded.bytes());
        add(makeRoundInputs(plan_->step, x, rounded, capacity, outputsOnly, rowSlots));
    }

    static void addPart(const Checker& c, const MatMul::Part& part, const std::string& name, int64_t rows, Product& p) {
        const Rows weight = c.raw(part.weight, name + "'s weight", 1, -1);
        c.require(size_t(weight.type) < size_t(Type::I32), name, "'s weight has no weight type");
        requireInputs(c, p.x, weight, part.group, name);
        const Rows out = c.output(part.out, name + "'s out", Type::F32, rows, weight.rows);
        c.require(!overlap(out, p.x.f32) && !overlap(out, p.x.q8), name, "'s out overlaps x");
        p.capacity = std::min(p.capacity, out.rows);
        p.parts.push_back(
            {weight, c.constants(part.bias, name + "'s bias", weight.rows), out, part.accumulate, part.group});
    }

    /// The columns of x that a weight reads, in the form in which it reads them.
    static void requireInputs(const Checker& c, const ActivationRows& x, const Rows& weight, int64_t group,
                              const std::string& name) {
        const bool int8 = usesInt8(x, weight.type);
        c.require(int8 || bool(x.f32), name, "'s weight needs float activations");
        c.require(group >= 0 && group <= kLargest, name, "'s group is ", group);
        const int64_t k = weight.cols, columns = int8 ? group * blocksOf(k) * 256 + k : (group + 1) * k;
        const Rows& from = int8 ? x.q8 : x.f32;
        c.require(from.cols >= columns, name, " reads ", columns, " columns of x, which has ", from.cols,
                  ": more are needed");
    }

    void compile(const Checker& c, const Rope& op) {
        const Rows x = c.output(op.x, "x", Type::F32, list_.rows, int64_t(op.heads) * op.headDim);
        const auto spec = std::find(ropeSpecs_.begin(), ropeSpecs_.end(), ropeSpec(c, op));
        const float* table = plan_->ropeTables[size_t(spec - ropeSpecs_.begin())].data();
        add(makeRope(plan_->step, op, limited(x), table));
    }

    Rows limited(Rows r) const {
        r.rows = std::min<int64_t>(r.rows, list_.rows);
        return r;
    }

    void requireSequences(const Checker& c) const {
        c.require(bool(plan_->step.positions) && bool(plan_->step.sequences),
                  "the batch has no positions or sequences");
    }

    KvPages pages(const Checker& c, const KvView& kv) const {
        requireSequences(c);
        const Memories::Memory* memory = memories_.find(kv.memory);
        c.require(memory != nullptr && memory->own, "the cache is missing or only read");
        c.require(isCacheType(kv.type), "the cache has a type that is not supported");
        c.require(kv.pageTokens >= 1 && kv.pageTokens <= kMaxPageTokens && kv.heads >= 1 && kv.heads <= 65536 &&
                      kv.kDim >= 1 && kv.kDim <= kMaxHeadDim && kv.vDim >= 1 && kv.vDim <= kMaxHeadDim,
                  "the cache has an impossible shape");
        c.require(!kv.latent || kv.vDim <= kv.kDim, "a latent cache's values are longer than its keys");
        c.require(!kv.latent || kv.vDim % quantType(kv.type).block == 0,
                  "the latents of the cache end inside a block of its type");
        const CacheArea k = cacheArea(kv.type, kv.kDim), v = kv.latent ? k : cacheArea(kv.type, kv.vDim);
        const uint64_t tokens = uint64_t(kv.pageTokens) * uint64_t(kv.heads); // below 2^33
        uint64_t keysEnd = 0, valuesEnd = 0;
        c.require(!__builtin_add_overflow(kv.kOffset, k.bytes(tokens), &keysEnd) &&
                      (kv.latent || !__builtin_add_overflow(kv.vOffset, v.bytes(tokens), &valuesEnd)) &&
                      std::max(keysEnd, valuesEnd) <= kv.pageBytes && kv.pageBytes <= memory->bytes,
                  "a page of the cache does not hold its keys and values");
        c.require(kv.pageBytes % 4 == 0 && kv.kOffset % 4 == 0 && (kv.latent || kv.vOffset % 4 == 0),
                  "the pages of the cache are not aligned to 4 bytes");
        KvPages r{.data = memory->data,
                  .pageBytes = kv.pageBytes,
                  .kOffset = kv.kOffset,
                  .vOffset = kv.vOffset,
                  .pages = int64_t(memory->bytes / kv.pageBytes),
                  .pageTokens = kv.pageTokens,
                  .heads = kv.heads,
                  .kDim = kv.kDim,
                  .vDim = kv.vDim,
                  .type = kv.type,
                  .kArea = k,
                  .vArea = v,
                  .latent = kv.latent,
                  .table = c.typed(kv.pageTable, "the page table", Type::I32, 1, -1)};
        c.require(r.table.cols <= kLargest / kv.pageTokens, "the page table is too wide");
        return r;
    }

    void compile(const Checker& c, const StoreKv& op) {
        const KvPages kv = pages(c, op.kv);
        const Rows k = c.f32(op.k, "k", list_.rows, int64_t(kv.heads) * kv.kDim);
        c.require(!kv.latent || !op.v.present(), "a latent cache has no values of its own, but v is there");
        const Rows v = kv.latent ? Rows{} : c.f32(op.v, "v", list_.rows, int64_t(kv.heads) * kv.vDim);
        add(makeStoreKv(plan_->step, limited(k), limited(v), kv));
    }

    AttentionSpec attentionSpec(const Checker& c, const Attention& op) const {
        AttentionSpec a;
        a.kv = pages(c, op.kv);
        c.require(op.heads >= 1 && op.heads <= 65536 && op.heads % a.kv.heads == 0,
                  "its heads are not a multiple of the cache's");
        a.q = c.f32(op.q, "q", list_.rows, int64_t(op.heads) * a.kv.kDim);
        a.heads = op.heads;
        a.scale = op.scale;
        a.softCap = op.softCap;
        a.window = op.window;
        a.causal = op.causal;
        a.coded = list_.codedAttention;
        a.rounded = list_.rounding == Rounding::Whole;
        c.require(op.causal || list_.path == Path::Prefill, "looking both ways needs the prefill path");
        a.sinks = c.constants(op.sinks, "sinks", op.heads);
        c.require(promptScratchBytes(a) <= kScratchBytes, "its heads are too wide");
        return a;
    }

    void compile(const Checker& c, const Attention& op) {
        AttentionSpec a = attentionSpec(c, op);
        const int64_t cols = int64_t(a.heads) * a.kv.vDim;
        const ActivationRows out = c.activations(op.out, "out", list_.rows, cols, true);
        c.require(!overlap(a.q, out.f32) && !overlap(a.q, out.q8), "q and out overlap");
        a.out = out.f32 ? limited(out.f32)
                        : Rows{plan_->attentionRows.get(), uint64_t(cols) * 4, list_.rows, cols, Type::F32};
        if (list_.path == Path::Decode) {
            add(makeAttendSplits(plan_->step, a, plan_->partials.get(), list_.rows, threads_));
            add(makeMergeSplits(plan_->step, a, plan_->partials.get(), out.q8, list_.rows));
            return;
        }
        add(makePromptAttention(plan_->step, a, list_.rows));
        if (out.q8)
            add(makeQuantize(plan_->step, a.out, 0, out.q8));
    }

    ExpandedSpec expandedSpec(const Checker& c, const ExpandedAttention& op) const {
        c.require(list_.path == Path::Prefill, "it needs the prefill path");
        ExpandedSpec a{.q = {}, .out = {}, .kv = pages(c, op.kv), .kB = {}, .vB = {}, .scale = op.scale};
        a.coded = list_.codedAttention;
        a.rounded = list_.rounding == Rounding::Whole;
        c.require(a.kv.latent && a.kv.heads == 1 && a.kv.vDim < a.kv.kDim, "the cache holds no latents with a rope");
        const size_t heads = op.kB.size();
        c.require(heads >= 1 && heads <= 65536 && op.vB.size() == heads, "its numbers of matrices are impossible");
        const int64_t nope = op.kB.front().cols, vDim = op.vB.front().rows;
        c.require(nope >= 1 && nope <= kMaxHeadDim && vDim >= 1 && vDim <= kMaxHeadDim, "its heads are too wide");
        c.require(cpuWorkerBytes(op, list_.rows) <= kMostWorkerBytes, "a head's matrices are too large to be expanded");
        for (size_t h = 0; h < heads; ++h) {
            a.kB.push_back(weight(c, op.kB[h], "kB " + std::to_string(h), a.rank(), nope));
            a.vB.push_back(weight(c, op.vB[h], "vB " + std::to_string(h), vDim, a.rank()));
        }
        a.q = c.f32(op.q, "q", list_.rows, a.heads() * (nope + a.rope()));
        a.out = c.output(op.out, "out", Type::F32, list_.rows, a.heads() * vDim);
        c.require(!overlap(a.q, a.out), "q and out overlap");
        return a;
    }

    static Rows weight(const Checker& c, const Tensor& t, const std::string& name, int64_t rows, int64_t cols) {
        Rows r = c.raw(t, name, rows, cols);
        c.require(size_t(r.type) < size_t(Type::I32), name, " has no weight type");
        r.rows = rows;
        return r;
    }

    void compile(const Checker&, const ExpandedAttention&) {
        ExpandedSpec& a = plan_->expanded[expandedDone_++];
        a.states = reinterpret_cast<SoftmaxState*>(plan_->states.get());
        const int64_t span = expandedSpan(a.kv), spans = (a.kv.capacity() + span - 1) / span;
        for (int64_t i = 0; i < spans; ++i)
            add(makeExpandedAttention(plan_->step, a, i, list_.rows));
    }

    void compile(const Checker& c, const Activate& op) {
        c.require(size_t(op.kind) < std::size(plan_->step.kernels->activate), "the activation is unknown");
        c.require(op.kind != ActivationKind::ClampedSwiglu || op.up.present(), "this activation needs two inputs");
        const int64_t rows = placesFor(c, op.rowSlots);
        Rows gate = c.f32(op.gate, "gate", rows, -1);
        const Rows up = op.up.present() ? c.f32(op.up, "up", rows, gate.cols) : Rows{};
        const ActivationRows out = c.activations(op.out, "out", rows, gate.cols, true);
        c.require(!overlap(gate, out.q8) && !overlap(up, out.q8), "an input overlaps out");
        gate.rows = rows;
        add(makeActivate(plan_->step, list_.path, op, gate, up, out));
    }

    void compile(const Checker& c, const Add& op) {
        const Rows out = c.output(op.out, "out", Type::F32, list_.rows, -1);
        const Rows a = c.f32(op.a, "a", list_.rows, out.cols), b = c.f32(op.b, "b", list_.rows, out.cols);
        add(makeAdd(plan_->step, a, b, limited(out), op.scale));
    }

    /// Rows of what experts compute.
    int64_t placesFor(const Checker& c, int rowSlots) const {
        c.require(rowSlots >= 1 && rowSlots <= kMaxExperts && int64_t(list_.rows) * rowSlots <= kLargest,
                  "its number of rowSlots is impossible");
        return int64_t(list_.rows) * rowSlots;
    }

    RoutingRows routing(const Checker& c, const Routing& op, bool written) const {
        const auto indices = [&](const Tensor& t, const char* name, int64_t rows, int64_t cols) {
            return written ? c.output(t, name, Type::I32, rows, cols) : c.typed(t, name, Type::I32, rows, cols);
        };
        RoutingRows r;
        r.experts = indices(op.experts, "the routing's experts", list_.rows, -1);
        c.require(r.experts.cols <= kMaxExperts, "the routing has too many rowSlots");
        r.rowSlots = int(r.experts.cols);
        const int64_t places = placesFor(c, r.rowSlots);
        r.weights = written ? c.output(op.weights, "the routing's weights", Type::F32, list_.rows, r.rowSlots)
                            : c.f32(op.weights, "the routing's weights", list_.rows, r.rowSlots);
        r.order = indices(op.order, "the routing's order", 1, -1);
        c.require(r.order.cols >= places, "the routing's order is too short");
        r.places = indices(op.places, "the routing's places", list_.rows, r.rowSlots);
        r.begins = indices(op.begins, "the routing's begins", 1, -1);
        r.count = r.begins.cols - 1;
        c.require(r.count >= r.rowSlots && r.count <= kMaxExperts, "its number of experts is impossible");
        return r;
    }

    void compile(const Checker& c, const Route& op) {
        const RoutingRows out = routing(c, op.out, true);
        c.require(op.rowSlots == out.rowSlots, "its rowSlots are not the routing's");
        const Rows logits = c.f32(op.logits, "logits", list_.rows, out.count);
        c.require(op.groups >= 1 && op.groups <= out.count && out.count % op.groups == 0 && op.topGroups >= 1 &&
                      op.topGroups <= op.groups && op.rowSlots <= out.count / op.groups * op.topGroups,
                  "its groups do not hold its rowSlots");
        c.require(routeScratchBytes(out.count, op.groups) <= kScratchBytes, "there are too many experts");
        const Rows all[] = {logits, out.experts, out.weights, out.order, out.places, out.begins};
        for (size_t i = 0; i < std::size(all); ++i)
            for (size_t j = i + 1; j < std::size(all); ++j)
                c.require(!overlap(all[i], all[j]), "its tensors overlap");
        add(makeRoute(plan_->step, op, logits, c.constants(op.choiceBias, "choiceBias", out.count), out, list_.rows));
        add(makeSortByExpert(plan_->step, out, list_.rows));
    }

    void compile(const Checker& c, const Dispatch& op) {
        const RoutingRows r = routing(c, op.routing, false);
        const ActivationRows out = c.activations(op.out, "out", placesFor(c, r.rowSlots), -1, true);
        c.require(!out.f32 || op.x.f32.present(), "x has no floats for out");
        c.require(!out.q8 || op.x.q8.present(), "x has no 8-bit numbers for out");
        ActivationRows x;
        if (out.f32)
            x.f32 = c.f32(op.x.f32, "x", list_.rows, out.f32.cols);
        if (out.q8)
            x.q8 = c.typed(op.x.q8, "x", Type::A8, list_.rows, out.q8.cols);
        for (const Rows& from : {x.f32, x.q8})
            c.require(!overlap(from, out.f32) && !overlap(from, out.q8), "x and out overlap");
        add(makeDispatch(plan_->step, x, r, out, placesFor(c, r.rowSlots)));
    }

    void compile(const Checker& c, const ExpertMatMul& op) {
        c.require(!op.parts.empty(), "it has no parts");
        ExpertProduct p;
        p.routing = routing(c, op.routing, false);
        p.capacity = placesFor(c, p.routing.rowSlots);
        p.x = c.activations(op.x, "x", p.capacity, -1, false);
        for (size_t i = 0; i < op.parts.size(); ++i)
            addExperts(c, op.parts[i], "part " + std::to_string(i), p);
        p.rounded.rounding = rounding(p.x);
        p.rounded.rows = p.capacity;
        if (p.rounded) {
            for (ExpertPart& part : p.parts)
                part.rounded = p.rounded.add(p.x, part.weights[0].cols, 0);
            addRoundInputs(p.x, p.rounded, p.capacity, false, p.routing.rowSlots);
        }
        add(list_.path == Path::Decode ? makeExpertMatVec(plan_->step, std::move(p), threads_)
                                       : makeExpertGemm(plan_->step, std::move(p)));
    }

    static void addExperts(const Checker& c, const ExpertMatMul::Part& part, const std::string& name,
                           ExpertProduct& p) {
        const int64_t count = p.routing.count;
        c.require(int64_t(part.weights.size()) == count, name, " has ", int64_t(part.weights.size()), " matrices for ",
                  count, " experts");
        ExpertPart experts;
        experts.weights.reserve(part.weights.size());
        const std::string weightName = name + "'s weight";
        for (const Tensor& t : part.weights) {
            const Rows w = c.raw(t, weightName, 1, -1);
            c.require(size_t(w.type) < size_t(Type::I32), weightName, " has no weight type");
            experts.weights.push_back(w);
            const Rows& first = experts.weights.front();
            c.require(w.type == first.type && w.rows == first.rows && w.cols == first.cols, name,
                      "'s experts differ in type or shape");
        }
        const Rows& weight = experts.weights.front();
        requireInputs(c, p.x, weight, 0, name);
        experts.out = c.output(part.out, name + "'s out", Type::F32, p.capacity, weight.rows);
        c.require(!overlap(experts.out, p.x.f32) && !overlap(experts.out, p.x.q8), name, "'s out overlaps x");
        if (part.bias.present())
            experts.bias = c.f32(part.bias, name + "'s bias", count, weight.rows);
        p.parts.push_back(std::move(experts));
    }

    void compile(const Checker& c, const Combine& op) {
        const RoutingRows r = routing(c, op.routing, false);
        const Rows out = limited(c.output(op.out, "out", Type::F32, list_.rows, -1));
        Rows y = c.f32(op.y, "y", placesFor(c, r.rowSlots), out.cols);
        y.rows = placesFor(c, r.rowSlots);
        c.require(!overlap(y, out), "y and out overlap");
        const Rows shared = op.shared.present() ? c.f32(op.shared, "shared", list_.rows, out.cols) : Rows{};
        const Rows gate = op.sharedGate.present() ? c.f32(op.sharedGate, "sharedGate", list_.rows, 1) : Rows{};
        c.require(!gate || shared, "sharedGate has nothing to scale");
        c.require(!overlap(gate, out), "sharedGate and out overlap");
        add(makeCombine(plan_->step, op, y, r, shared, gate, out));
    }

    StatePages statePages(const Checker& c, const StateView& view, uint64_t bytes) const {
        requireSequences(c);
        const Memories::Memory* memory = memories_.find(view.memory);
        c.require(memory != nullptr && memory->own, "the states are missing or only read");
        uint64_t end = 0;
        c.require(!__builtin_add_overflow(view.offset, bytes, &end) && end <= view.pageBytes &&
                      view.pageBytes <= memory->bytes,
                  "a page of the states does not hold ", int64_t(bytes), " bytes");
        c.require(view.offset % 4 == 0 && view.pageBytes % 4 == 0, "the states are not aligned to 4 bytes");
        return {.data = memory->data + view.offset,
                .pageBytes = view.pageBytes,
                .pages = int64_t(memory->bytes / view.pageBytes),
                .table = c.typed(view.pageTable, "the page table", Type::I32, 1, -1)};
    }

    void compile(const Checker& c, const CausalConv& op) {
        const Rows x = limited(c.f32(op.x, "x", list_.rows, -1));
        const Rows out = limited(c.output(op.out, "out", Type::F32, list_.rows, x.cols));
        const Rows weight = c.f32(op.weight, "weight", x.cols, -1);
        c.require(weight.cols >= 2 && weight.cols <= kMostConvInputs, "its kernel has ", weight.cols, " inputs");
        c.require(!overlap(x, out), "x and out overlap");
        const StatePages state = statePages(c, op.state, uint64_t(weight.cols - 1) * uint64_t(x.cols) * 4);
        add(makeCausalConv(plan_->step, op, x, weight, c.constants(op.bias, "bias", x.cols), out, state));
    }

    void compile(const Checker& c, const DeltaNet& op) {
        c.require(op.keyHeads >= 1 && op.valueHeads >= 1 && op.valueHeads <= 65536 && op.valueHeads % op.keyHeads == 0,
                  "its value heads are not a multiple of its key heads");
        DeltaNetSpec d{.keyHeads = op.keyHeads, .valueHeads = op.valueHeads, .tiled = op.tiled};
        d.q = c.f32(op.q, "q", list_.rows, -1);
        d.v = c.f32(op.v, "v", list_.rows, -1);
        c.require(d.q.cols % op.keyHeads == 0 && d.v.cols % op.valueHeads == 0 &&
                      d.q.cols / op.keyHeads <= kMaxHeadDim && d.v.cols / op.valueHeads <= kMaxHeadDim,
                  "its heads do not fill the rows or are too wide");
        d.kDim = int(d.q.cols / op.keyHeads), d.vDim = int(d.v.cols / op.valueHeads);
        d.k = c.f32(op.k, "k", list_.rows, d.q.cols);
        d.alpha = c.f32(op.alpha, "alpha", list_.rows, op.valueHeads);
        d.beta = c.f32(op.beta, "beta", list_.rows, op.valueHeads);
        c.require(op.a.present() && op.dtBias.present(), "a or dtBias is missing");
        d.a = c.constants(op.a, "a", op.valueHeads);
        d.dtBias = c.constants(op.dtBias, "dtBias", op.valueHeads);
        d.out = c.output(op.out, "out", Type::F32, list_.rows, d.v.cols);
        for (const Rows& from : {d.q, d.k, d.v, d.alpha, d.beta})
            c.require(!overlap(from, d.out), "an input overlaps out");
        d.state = statePages(c, op.state, uint64_t(op.valueHeads) * uint64_t(d.kDim) * uint64_t(d.vDim) * 4);
        add(makeDeltaNet(plan_->step, d, list_.rows));
    }

    static constexpr int kMaxExperts = 16384;
    static constexpr int kMaxHeadDim = cpu::kAttendDims, kMaxPageTokens = 1 << 16;

    const OperationList& list_;
    const Memories& memories_;
    int threads_;
    std::unique_ptr<CpuPlan> plan_;
    std::vector<RopeTableSpec> ropeSpecs_; // by index of plan_->ropeTables
    size_t expandedDone_ = 0;              // of plan_->expanded
};

} // namespace

uint64_t CpuPlan::bytes() const {
    uint64_t bytes = partialBytes + attentionRowBytes + stateBytes + roundedBytes;
    for (const std::vector<float>& table : ropeTables)
        bytes += table.size() * sizeof(float);
    return bytes;
}

std::unique_ptr<CpuPlan> compilePlan(const OperationList& list, const Memories& memories, const CpuKernels& kernels,
                                     int threads) {
    return Compiler(list, memories, kernels, threads).run();
}

} // namespace hearth::kernels::cpu

namespace hearth::kernels {

uint64_t cpuPlanBytes(const Rope& op, int rows) {
    return uint64_t(rows) * uint64_t(op.dims) * sizeof(float);
}

uint64_t cpuPlanBytes(const Attention& op, Path path, int rows) {
    return cpu::attentionRowBytes(op, rows) + (path == Path::Decode ? cpu::partialBytes(op, rows) : 0);
}

uint64_t cpuPlanBytes(const ExpandedAttention& op, int rows) {
    return uint64_t(rows) * op.kB.size() * sizeof(cpu::SoftmaxState);
}

uint64_t cpuWorkerBytes(const ExpandedAttention& op, int rows) {
    return cpu::expandedScratchBytes(op.kv.vDim, op.kv.kDim - op.kv.vDim, op.kB.front().cols, op.vB.front().rows, rows);
}

} // namespace hearth::kernels
