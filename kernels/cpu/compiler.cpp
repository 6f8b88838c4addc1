#include "kernels/cpu/compiler.h"

#include "kernels/quant_types.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace hearth::kernels::cpu {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int32_t>::max(); // of rows and columns

constexpr const char* kOperationNames[] = {"gather",   "pick rows", "norm",     "product", "rope",
                                           "store kv", "attention", "activate", "add"};
static_assert(std::size(kOperationNames) == std::variant_size_v<Operation>);

bool isFloat(Type t) {
    return t == Type::F32 || t == Type::F16 || t == Type::BF16;
}

/// Checks the tensors of one operation and resolves them to addresses.
class Checker {
public:
    Checker(const Memories& memories, std::string place) : memories_(memories), place_(std::move(place)) {}

    [[noreturn]] void fail(const std::string& what) const { throw BackendError(place_ + ": " + what + "."); }

    void require(bool ok, const std::string& what) const {
        if (!ok)
            fail(what);
    }

    /// A weight or cache table as it lies in the file, of any alignment.
    Rows raw(const Tensor& t, const std::string& name, int64_t rows, int64_t cols) const {
        require(t.present(), name + " is missing");
        const Memories::Memory* memory = memories_.find(t.memory);
        require(memory != nullptr, name + " names a memory that does not exist");
        require(t.rows >= 1 && t.rows <= kLargest && t.cols >= 1 && t.cols <= kLargest,
                name + " has an impossible shape, " + shape(t));
        require(t.rows >= rows && (cols < 0 || t.cols == cols),
                name + " is " + shape(t) + ", but at least " + std::to_string(rows) + " rows of " +
                    (cols < 0 ? "any" : std::to_string(cols)) + " are needed");
        const uint64_t row = rowBytes(t.type, t.cols);
        require(row != 0, name + " has rows of " + std::to_string(t.cols) + " numbers, which do not fill whole blocks");
        require(t.stride >= row, name + " has rows closer together than they are long");
        uint64_t end = 0;
        require(!__builtin_mul_overflow(uint64_t(t.rows - 1), t.stride, &end) &&
                    !__builtin_add_overflow(end, row, &end) && !__builtin_add_overflow(end, t.offset, &end) &&
                    end <= memory->bytes,
                name + " reaches past the end of its memory");
        return {memory->data + t.offset, t.stride, t.rows, t.cols, t.type};
    }

    Rows typed(const Tensor& t, const std::string& name, Type type, int64_t rows, int64_t cols) const {
        const Rows r = raw(t, name, rows, cols);
        require(t.type == type, name + " has the wrong type");
        require(reinterpret_cast<uintptr_t>(r.data) % 4 == 0 && r.stride % 4 == 0, name + " is not aligned to 4 bytes");
        return r;
    }

    Rows f32(const Tensor& t, const std::string& name, int64_t rows, int64_t cols) const {
        return typed(t, name, Type::F32, rows, cols);
    }

    Rows output(const Tensor& t, const std::string& name, Type type, int64_t rows, int64_t cols) const {
        const Rows r = typed(t, name, type, rows, cols);
        require(memories_.find(t.memory)->own, name + " lies in memory that is only read");
        return r;
    }

    /// One row of constants; null where the tensor is absent.
    const float* constants(const Tensor& t, const std::string& name, int64_t cols) const {
        return t.present() ? f32(t, name, 1, cols).f32(0) : nullptr;
    }

    ActivationRows activations(const Activations& a, const std::string& name, int64_t rows, int64_t cols,
                               bool written) const {
        require(a.f32.present() || a.q8.present(), name + " is missing");
        ActivationRows r;
        if (a.f32.present())
            r.f32 = written ? output(a.f32, name, Type::F32, rows, cols) : f32(a.f32, name, rows, cols);
        if (a.q8.present())
            r.q8 = written ? output(a.q8, name, Type::A8, rows, cols) : typed(a.q8, name, Type::A8, rows, cols);
        return r;
    }

    /// Columns of whichever form is there.
    static int64_t cols(const Activations& a) { return a.f32.present() ? a.f32.cols : a.q8.cols; }

    const Memories& memories() const { return memories_; }

private:
    static std::string shape(const Tensor& t) { return std::to_string(t.rows) + " x " + std::to_string(t.cols); }

    const Memories& memories_;
    std::string place_;
};

bool overlap(const Rows& a, const Rows& b) {
    if (!a || !b)
        return false;
    const std::byte* aEnd = a.row(a.rows - 1) + rowBytes(a.type, a.cols);
    const std::byte* bEnd = b.row(b.rows - 1) + rowBytes(b.type, b.cols);
    return a.data < bEnd && b.data < aEnd;
}

int64_t rowsOf(const ActivationRows& a) {
    return a.f32 && a.q8 ? std::min(a.f32.rows, a.q8.rows) : a.f32 ? a.f32.rows : a.q8.rows;
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
        if (partialBytes_ > 0)
            plan_->partials.reset(new std::byte[partialBytes_]);
        if (attentionRowBytes_ > 0)
            plan_->attentionRows.reset(new std::byte[attentionRowBytes_]);
        for (size_t i = 0; i < list_.operations.size(); ++i)
            std::visit([&](const auto& op) { compile(checker(i), op); }, list_.operations[i]);
        for (const StagePtr& stage : plan_->stages)
            plan_->work.push_back({stage.get(), 0});
        return std::move(plan_);
    }

private:
    Checker checker(size_t i) const {
        return Checker(memories_,
                       "Operation " + std::to_string(i) + " (" + kOperationNames[list_.operations[i].index()] + ")");
    }

    void checkBatch() {
        const Checker c(memories_, "The batch");
        const Batch& b = list_.batch;
        c.require(list_.rows >= 1 && list_.rows <= (1 << 20), "the row capacity is " + std::to_string(list_.rows));
        plan_->rowCount = c.typed(b.rowCount, "rowCount", Type::I32, 1, 1);
        const auto optional = [&](const Tensor& t, const char* name, int64_t cols, Rows& to) {
            if (!t.present())
                return;
            to = c.typed(t, name, Type::I32, 1, -1);
            c.require(to.cols >= cols, std::string(name) + " has fewer columns than there are rows");
        };
        optional(b.ids, "ids", list_.rows, plan_->step.ids);
        optional(b.positions, "positions", list_.rows, plan_->step.positions);
        optional(b.sequences, "sequences", list_.rows, plan_->step.sequences);
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
        const AttentionSpec a = attentionSpec(c, op);
        if (!op.out.f32.present())
            attentionRowBytes_ =
                std::max(attentionRowBytes_, uint64_t(list_.rows) * uint64_t(a.heads) * uint64_t(a.kv.vDim) * 4);
        if (list_.path == Path::Decode)
            partialBytes_ = std::max(partialBytes_, partialBytes(a, list_.rows));
    }

    RopeTableSpec ropeSpec(const Checker& c, const Rope& op) const {
        c.require(op.heads >= 1 && op.headDim >= 2 && op.headDim <= kMaxHeadDim && op.dims >= 2 && op.dims % 2 == 0 &&
                      op.dims <= op.headDim,
                  "its heads or dimensions are impossible");
        c.require(op.theta > 0, "theta is not positive");
        return {.dims = op.dims,
                .theta = op.theta,
                .attentionFactor = op.attentionFactor,
                .factors = c.constants(op.factors, "factors", op.dims / 2)};
    }

    void compile(const Checker& c, const Gather& op) {
        c.require(bool(plan_->step.ids), "the batch has no ids");
        const Rows out = c.output(op.out, "out", Type::F32, list_.rows, -1);
        const Rows table = c.raw(op.table, "the table", 1, out.cols);
        c.require(size_t(table.type) < size_t(Type::I32), "the table has no weight type");
        add(makeGather(plan_->step, table, out, op.scale));
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
        const float* weight = c.constants(op.weight, "weight", group);
        const float* bias = c.constants(op.bias, "bias", group);
        const ActivationRows out = c.activations(op.out, "out", capacity(op.outputRowsOnly), x.cols, true);
        c.require(group == x.cols || out.f32 || uint64_t(x.cols) * 4 <= kScratchBytes,
                  "a row is too long to be quantized alone");
        c.require(!overlap(x, out.q8), "x and out overlap");
        x.rows = std::min(x.rows, rowsOf(out));
        add(makeNorm(plan_->step, op, x, weight, bias, out));
    }

    void compile(const Checker& c, const MatMul& op) {
        if (op.outputRowsOnly)
            requireOutputs(c);
        c.require(!op.parts.empty(), "it has no parts");
        const int64_t rows = capacity(op.outputRowsOnly);
        Product p;
        p.outputsOnly = op.outputRowsOnly;
        p.x = c.activations(op.x, "x", rows, Checker::cols(op.x), false);
        p.capacity = rowsOf(p.x);
        for (size_t i = 0; i < op.parts.size(); ++i)
            addPart(c, op.parts[i], "part " + std::to_string(i), rows, Checker::cols(op.x), p);
        add(list_.path == Path::Decode ? makeMatVec(plan_->step, std::move(p), threads_)
                                       : makeGemm(plan_->step, std::move(p)));
    }

    static void addPart(const Checker& c, const MatMul::Part& part, const std::string& name, int64_t rows, int64_t k,
                        Product& p) {
        const Rows weight = c.raw(part.weight, name + "'s weight", 1, k);
        c.require(size_t(weight.type) < size_t(Type::I32), name + "'s weight has no weight type");
        c.require(p.x.f32 || (p.x.q8 && !isFloat(weight.type)), name + "'s weight needs float activations");
        const Rows out = c.output(part.out, name + "'s out", Type::F32, rows, weight.rows);
        c.require(!overlap(out, p.x.f32) && !overlap(out, p.x.q8), name + "'s out overlaps x");
        p.capacity = std::min(p.capacity, out.rows);
        p.parts.push_back({weight, c.constants(part.bias, name + "'s bias", weight.rows), out, part.accumulate});
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

    KvPages pages(const Checker& c, const KvView& kv) const {
        c.require(bool(plan_->step.positions) && bool(plan_->step.sequences),
                  "the batch has no positions or sequences");
        const Memories::Memory* memory = memories_.find(kv.memory);
        c.require(memory != nullptr && memory->own, "the cache is missing or only read");
        c.require(isFloat(kv.type), "the cache has a type that is not supported");
        c.require(kv.pageTokens >= 1 && kv.pageTokens <= kMaxPageTokens && kv.heads >= 1 && kv.heads <= 65536 &&
                      kv.kDim >= 1 && kv.kDim <= kMaxHeadDim && kv.vDim >= 1 && kv.vDim <= kMaxHeadDim,
                  "the cache has an impossible shape");
        const uint64_t element = uint64_t(quantType(kv.type).bytes);
        const uint64_t tokens = uint64_t(kv.pageTokens) * uint64_t(kv.heads) * element; // below 2^47
        uint64_t keysEnd = 0, valuesEnd = 0;
        c.require(!__builtin_add_overflow(kv.kOffset, tokens * uint64_t(kv.kDim), &keysEnd) &&
                      !__builtin_add_overflow(kv.vOffset, tokens * uint64_t(kv.vDim), &valuesEnd) &&
                      std::max(keysEnd, valuesEnd) <= kv.pageBytes && kv.pageBytes <= memory->bytes,
                  "a page of the cache does not hold its keys and values");
        c.require(kv.pageBytes % 4 == 0 && kv.kOffset % 4 == 0 && kv.vOffset % 4 == 0,
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
                  .elementBytes = element,
                  .table = c.typed(kv.pageTable, "the page table", Type::I32, 1, -1)};
        c.require(r.table.cols <= kLargest / kv.pageTokens, "the page table is too wide");
        return r;
    }

    void compile(const Checker& c, const StoreKv& op) {
        const KvPages kv = pages(c, op.kv);
        const Rows k = c.f32(op.k, "k", list_.rows, int64_t(kv.heads) * kv.kDim);
        const Rows v = c.f32(op.v, "v", list_.rows, int64_t(kv.heads) * kv.vDim);
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
            add(makeAttendSplits(plan_->step, a, plan_->partials.get(), list_.rows));
            add(makeMergeSplits(plan_->step, a, plan_->partials.get(), out.q8, list_.rows));
            return;
        }
        add(makePromptAttention(plan_->step, a, list_.rows));
        if (out.q8)
            add(makeQuantize(plan_->step, a.out, out.q8));
    }

    void compile(const Checker& c, const Activate& op) {
        c.require(size_t(op.kind) < std::size(plan_->step.kernels->activate), "the activation is unknown");
        const Rows gate = c.f32(op.gate, "gate", list_.rows, -1);
        const Rows up = op.up.present() ? c.f32(op.up, "up", list_.rows, gate.cols) : Rows{};
        const ActivationRows out = c.activations(op.out, "out", list_.rows, gate.cols, true);
        c.require(!overlap(gate, out.q8) && !overlap(up, out.q8), "an input overlaps out");
        add(makeActivate(plan_->step, list_.path, op.kind, limited(gate), up, out));
    }

    void compile(const Checker& c, const Add& op) {
        const Rows out = c.output(op.out, "out", Type::F32, list_.rows, -1);
        const Rows a = c.f32(op.a, "a", list_.rows, out.cols), b = c.f32(op.b, "b", list_.rows, out.cols);
        add(makeAdd(plan_->step, a, b, limited(out), op.scale));
    }

    static constexpr int kMaxHeadDim = 4096, kMaxPageTokens = 1 << 16;

    const OperationList& list_;
    const Memories& memories_;
    int threads_;
    std::unique_ptr<CpuPlan> plan_;
    std::vector<RopeTableSpec> ropeSpecs_; // by index of plan_->ropeTables
    uint64_t partialBytes_ = 0, attentionRowBytes_ = 0;
};

} // namespace

std::unique_ptr<CpuPlan> compilePlan(const OperationList& list, const Memories& memories, const CpuKernels& kernels,
                                     int threads) {
    return Compiler(list, memories, kernels, threads).run();
}

} // namespace hearth::kernels::cpu
