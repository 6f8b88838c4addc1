#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/pool.h"
#include "kernels/operation.h"

#include <memory>
#include <vector>

namespace hearth::kernels::cpu {

/// Rows of a checked tensor. `data` is null where the tensor is absent.
struct Rows {
    std::byte* data = nullptr;
    uint64_t stride = 0; // bytes
    int64_t rows = 0;
    int64_t cols = 0;
    Type type = Type::F32;
    WeightScales scales = {}; // present where the type is F8_E4M3

    explicit operator bool() const { return data != nullptr; }

    std::byte* row(int64_t r) const { return data + uint64_t(r) * stride; }

    float* f32(int64_t r) const { return reinterpret_cast<float*>(row(r)); }

    A8Block* a8(int64_t r) const { return reinterpret_cast<A8Block*>(row(r)); }

    int32_t index(int64_t i) const { return reinterpret_cast<const int32_t*>(data)[i]; }
};

/// How many rows of this run are live; set before its first stage, the same for all workers.
struct Live {
    int rows = 0;
    int outputs = 0;
};

/// What all stages of a plan read.
struct StepView {
    const CpuKernels* kernels = nullptr;
    Live live;
    std::byte* rounded = nullptr;                         // RoundedInputs of the product that runs
    Rows ids, positions, sequences, outputRows, ropeSets; // (1, R) I32
};

/// A stage that knows how many tiles it has in this run.
class PlanStage : public Stage {
public:
    explicit PlanStage(const StepView& step) : step_(step) {}

    virtual int64_t tiles() const = 0;

protected:
    const CpuKernels& kernels() const { return *step_.kernels; }

    const StepView& step_; // the plan's own
};

/// A stage over rows that do not depend on each other.
class RowStage : public PlanStage {
public:
    /// `work`: numbers a row touches; about 16,384 make a tile. `rowSlots`: rows for each row of the batch.
    RowStage(const StepView& step, int64_t capacity, int64_t work, bool outputsOnly, int rowSlots = 1);
    int64_t tiles() const override;
    void run(int64_t tile, std::byte* scratch) const override;

protected:
    virtual void runRow(int64_t r, std::byte* scratch) const = 0;

    int64_t liveRows() const;

private:
    int64_t capacity_;
    int64_t rowsPerTile_;
    bool outputsOnly_;
    int slots_;
};

/// Output of a stage: float rows, A8 rows or both.
struct ActivationRows {
    Rows f32, q8;
};

using StagePtr = std::unique_ptr<PlanStage>;

StagePtr makeGather(const StepView&, const Gather&, Rows table, Rows out);
StagePtr makePickRows(const StepView&, Rows x, Rows out);

/// Weights or biases of a norm: `step` is 0 where all groups share them, else the columns of a group.
struct NormConstants {
    const float* data = nullptr; // may be null
    int64_t step = 0;
};

StagePtr makeNorm(const StepView&, const Norm&, Rows x, NormConstants weight, NormConstants bias, ActivationRows out);
StagePtr makeRope(const StepView&, const Rope&, Rows x, const float* table);
StagePtr makeStoreKv(const StepView&, Rows k, Rows v, const struct KvPages&);
StagePtr makeActivate(const StepView&, Path, const Activate&, Rows gate, Rows up, ActivationRows out);
StagePtr makeAdd(const StepView&, Rows a, Rows b, Rows out, float scale);
StagePtr makeQuantize(const StepView&, Rows x, int64_t groupCols, Rows q8);

/// Cosines, then sines, of every row's position for one kind of rotation: computed once a run, read by every layer.
struct RopeTableSpec {
    int dims = 0;
    float theta = 0;
    float attentionFactor = 1;
    const float* factors = nullptr; // (sets, dims/2), may be null
    uint64_t factorStride = 0;      // bytes from one set to the next
    int64_t sets = 1;

    bool operator==(const RopeTableSpec&) const = default;
};

StagePtr makeRopeTable(const StepView&, const RopeTableSpec&, int64_t capacity, float* table); // (capacity, dims)

/// The columns of its input that some parts of a product read, as bf16 from column `to` of the rounded rows on.
struct RoundedColumns {
    int64_t cols = 0;
    int64_t group = 0; // as in ProductPart
    int64_t to = 0;
    bool floats = false; // from x.f32, which is nearer than x.q8
};

/// Rows of all inputs of a product of prompts as bf16, as RoundedRow says. They lie in StepView::rounded, which all
/// products share.
struct RoundedInputs {
    Rounding rounding = Rounding::None; // None: the product reads its inputs as they are
    int64_t rows = 0;                   // that there is room for
    std::vector<RoundedColumns> columns;
    uint64_t low = 0;    // of Split: bytes from a number to what rounding has taken from it
    uint64_t stride = 0; // bytes from one step to the next

    /// Adds a part's columns where they are not there yet, and says at which column of a row they lie.
    int64_t add(const ActivationRows& x, int64_t cols, int64_t group);

    uint64_t bytesTo(int64_t column) const; // from the first column, a multiple of kTileInputs
    uint64_t bytes() const;

    explicit operator bool() const { return rounding != Rounding::None; }
};

/// A product whose `x` is row `first` of such rows from column `column` on.
struct PanelProduct;
void readRounded(const StepView&, const RoundedInputs&, int64_t first, int64_t column, PanelProduct&);

StagePtr makeRoundInputs(const StepView&, ActivationRows x, const RoundedInputs&, int64_t capacity, bool outputsOnly,
                         int rowSlots = 1);

inline constexpr int kMatVecRows = 16; // rows that one reading of the weights serves

/// Weight rows of a tile that should read about `bytes`, `stride` of each row: whole groups of rows that kernels take
/// at once, and neither so few that claiming the tile costs something nor so many that workers end far apart.
int64_t outputsOfTile(uint64_t bytes, uint64_t stride);

struct ProductPart {
    Rows weight;
    const float* bias = nullptr;
    Rows out;
    bool accumulate = false;
    int64_t group = 0;   // which k columns of x
    int64_t rounded = 0; // the first of them in rows of RoundedInputs
};

struct Product {
    ActivationRows x;
    std::vector<ProductPart> parts;
    RoundedInputs rounded;
    bool outputsOnly = false;
    bool coded = false;   // OperationList::codedProducts
    int64_t capacity = 0; // rows that all tensors have
};

StagePtr makeMatVec(const StepView&, Product, int threads);
StagePtr makeGemm(const StepView&, Product, int threads);

/// Quantized weights meet 8-bit activations where there are any.
bool usesInt8(const ActivationRows& x, Type weight);

/// What a panel and the activations that meet it consist of.
/// Coded: floats that become whole numbers of 16 bits in the tile.
enum class PanelForm : uint8_t { F32, Int8, Bf16, SplitBf16, Coded };

/// What one tile of a product of prompt tokens multiplies.
struct TileShape {
    int64_t rows;    // at most
    int64_t outputs; // a multiple of kPanelOutputs
};

/// For products of k inputs of `liveRows` rows by `outputs` weight rows.
TileShape tileShape(PanelForm, int64_t k, int64_t liveRows, int64_t outputs, int threads);

/// A block of rows times some rows of a weight: what products of prompt tokens are made of. Every row's sums go from
/// the first input to the last, whatever other rows are in the block.
struct PanelProduct {
    const Rows& weight;
    int64_t output;  // the first
    int64_t outputs; // at most so many, as tileShape says
    PanelForm form;
    const std::byte* x; // (rows, k) as Gemm says
    uint64_t xStride;
    uint64_t low;      // of SplitBf16: bytes from x to what rounding has taken from it
    int64_t rows;      // as tileShape says
    const float* bias; // of all outputs of the weight; may be null
    std::byte* out;    // the first row's first output (not the panel's), rows `outStride` bytes apart
    uint64_t outStride;
    bool accumulate;
};

void multiplyPanels(const CpuKernels&, const PanelProduct&, std::byte* scratch);

/// One layer's pages, checked: every page number below `pages` lies inside the memory.
struct KvPages {
    std::byte* data = nullptr;
    uint64_t pageBytes = 0, kOffset = 0, vOffset = 0;
    int64_t pages = 0;
    int pageTokens = 0, heads = 0, kDim = 0, vDim = 0;
    Type type = Type::F16;
    CacheArea kArea, vArea; // of a head; latent: the same
    bool latent = false;    // values are the first vDim numbers of the keys
    Rows table;             // (nSequences, maxPages) I32

    int64_t capacity() const { return table.cols * pageTokens; } // positions that a sequence can have

    /// Page of a position of a sequence; numbers out of range are bent into it, so that none reads out of bounds.
    std::byte* page(int32_t sequence, int64_t pageIndex) const;
    CacheRow key(std::byte* page, int head, int token) const;
    CacheRow value(std::byte* page, int head, int token) const;

    /// A key or value from a column on, the first of a block.
    CacheRow fromColumn(CacheRow, int64_t column) const;

private:
    CacheRow rowOf(const CacheArea&, std::byte* firstHead, int head, int token) const;
};

struct AttentionSpec {
    Rows q;
    Rows out; // (R, heads * vDim) F32
    KvPages kv;
    int heads = 0;
    float scale = 1;
    float softCap = 0;
    int window = 0;
    bool causal = true;
    const float* sinks = nullptr; // (heads), may be null
    bool coded = false;           // of prompts: OperationList::codedAttention
    bool rounded = false;         // OperationList::rounding: what is multiplied may be rounded to bf16
};

/// Generated tokens look at parts of the key range beside each other, which are merged in their order. Bytes of what
/// lies between, at most.
uint64_t partialBytes(const Attention&, int64_t rows);
StagePtr makeAttendSplits(const StepView&, const AttentionSpec&, std::byte* partials, int64_t capacity, int threads);
StagePtr makeMergeSplits(const StepView&, const AttentionSpec&, std::byte* partials, Rows q8, int64_t capacity);

/// Prompt tokens: blocks of rows and heads against blocks of keys with a running softmax.
uint64_t promptScratchBytes(const AttentionSpec&);
StagePtr makePromptAttention(const StepView&, const AttentionSpec&, int64_t capacity);

} // namespace hearth::kernels::cpu
