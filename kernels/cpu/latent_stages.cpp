#include "kernels/cpu/latent_stages.h"

#include "kernels/cpu/coded_block.h"
#include "kernels/cpu/weight_scales.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <limits>

namespace hearth::kernels::cpu {
namespace {

constexpr int64_t kTileRows = 512;                     // that share one expansion, at most
constexpr int kQueryRows = 64;                         // of these, against one block of keys
constexpr int64_t kSpanTokens = 512, kMostSpans = 128; // a tile of 512 keys lasts a few milliseconds
constexpr int64_t kPieces = kPanelInputsF32;
constexpr int64_t kMostFill = 31; // columns behind the rope in a cache of blocks

int64_t panels(int64_t outputs) {
    return (outputs + kPanelOutputs - 1) / kPanelOutputs;
}

constexpr int64_t kStepBytes = kTileInputs * int64_t(sizeof(uint16_t)); // of a row

/// Rows that share one expansion, in a plan of so many.
int64_t expandedTileRows(int64_t rows) {
    return std::min(rows, kTileRows);
}

/// Where a tile keeps its numbers.
struct Places {
    float* kB;           // (nope, rank): k_b turned; in tiles bf16, as RoundedRow says
    float* vB;           // (panels of vDim) panels of rank inputs; in tiles bf16, as RoundPanel says
    float* latents;      // a panel of rank inputs, kPanelOutputs tokens
    uint16_t* rounded;   // the same in bf16; there for floats, too, so that an estimate need not know which
    uint16_t* byToken;   // the block's latents as rows of bf16: (steps, kKeyBlock, kTileInputs); likewise
    float* part;         // (kKeyBlock, kPanelOutputs): some columns of the block's latents
    float* keys;         // (panels of kKeyBlock) panels of nope + rope inputs, and what fills up the rope's last block
    float* values;       // (panels of vDim) panels of kKeyBlock inputs
    float* s;            // (kQueryRows, kKeyBlock)
    float* o;            // (panels of vDim, rows, kPanelOutputs)
    float* correction;   // (kQueryRows)
    SoftmaxState* state; // (rows)
    int *begin, *end;    // (kQueryRows)

    CodedBlock codes; // of `rows` queries; there for floats, too, so that an estimate need not know which

    Places(Pieces& pieces, int64_t rank, int64_t rope, int64_t nope, int64_t vDim, int64_t rows) {
        kB = pieces.take<float>(panels(rank) * kPanelOutputs * nope); // unpacked panel by panel, the last one whole
        vB = pieces.take<float>(panels(vDim) * kPanelOutputs * std::max(rank, codedRow(rank) / 2));
        latents = pieces.take<float>(kPanelOutputs * std::max(rank, nope));
        rounded = pieces.take<uint16_t>(kPanelOutputs * codedRow(rank));
        byToken = pieces.take<uint16_t>(int64_t(kKeyBlock) * codedRow(rank));
        part = pieces.take<float>(int64_t(kKeyBlock) * kPanelOutputs);
        keys = pieces.take<float>((nope + rope) * kKeyBlock + kMostFill * kPanelOutputs);
        values = pieces.take<float>(panels(vDim) * kPanelOutputs * kKeyBlock);
        s = pieces.take<float>(int64_t(kQueryRows) * kKeyBlock);
        o = pieces.take<float>(panels(vDim) * kPanelOutputs * rows);
        correction = pieces.take<float>(kQueryRows);
        state = pieces.take<SoftmaxState>(rows);
        begin = pieces.take<int>(kQueryRows);
        end = pieces.take<int>(kQueryRows);
        codes = CodedBlock(pieces, nope + rope, vDim, rows);
    }
};

/// Tiles are heads. A tile takes every row of the batch that sees keys of the span, up to tileRows_ of one sequence at
/// once: it expands a block of the span's latents to the head's keys and values, and meets them with all these rows
/// before it goes on to the next block. A query's sums run over blocks in ascending order, a key's over the latent from
/// its first number to its last, and between spans they wait in `out` and `states` as they are: so nothing depends on
/// which rows came together.
class ExpandedStage : public PlanStage {
public:
    ExpandedStage(const StepView& step, const ExpandedSpec& a, int64_t span, int64_t capacity)
        : PlanStage(step), a_(a), begin_(span * expandedSpan(a.kv)), end_(begin_ + expandedSpan(a.kv)),
          capacity_(capacity), tileRows_(expandedTileRows(capacity)),
          coded_(a.nope() + a.rope() <= kAttendDims ? codesOf(kernels(), a.coded, a.rounded) : nullptr),
          inTiles_(coded_ == &kernels().codedInTiles && kernels().gemmBf16),
          unpackLatents_(kernels().unpackKeys[size_t(a.kv.type)]),
          unpackColumns_(kernels().unpackValues[size_t(a.kv.type)]) {}

    int64_t tiles() const override {
        for (int64_t r = 0; r < liveRows(); ++r)
            if (position(r) >= begin_)
                return a_.heads();
        return 0;
    }

    void run(int64_t tile, std::byte* scratch) const override {
        Pieces pieces(scratch);
        const Places at(pieces, a_.rank(), a_.rope(), a_.nope(), a_.vDim(), tileRows_);
        unpackHead(tile, at);
        for (int64_t r = 0; r < liveRows();) { // runs of rows of one sequence that see some of the span
            if (position(r) < begin_) {
                ++r;
                continue;
            }
            int64_t next = r + 1;
            while (next < liveRows() && next - r < tileRows_ &&
                   step_.sequences.index(next) == step_.sequences.index(r) && position(next) >= begin_)
                ++next;
            runRows({.head = tile, .row = r, .rows = int(next - r)}, at);
            r = next;
        }
    }

private:
    struct Part {
        int64_t head, row;
        int rows;
    };

    int64_t liveRows() const { return std::min<int64_t>(capacity_, step_.live.rows); }

    int64_t position(int64_t r) const { return std::clamp<int64_t>(step_.positions.index(r), 0, a_.kv.capacity() - 1); }

    const float* query(const Part& p, int r) const { return a_.q.f32(p.row + r) + p.head * (a_.nope() + a_.rope()); }

    float* out(const Part& p, int r) const { return a_.out.f32(p.row + r) + p.head * a_.vDim(); }

    SoftmaxState* state(const Part& p, int r) const { return a_.states + (p.row + r) * a_.heads() + p.head; }

    void unpackHead(int64_t head, const Places& at) const {
        const Rows& k = a_.kB[size_t(head)];
        const Rows& v = a_.vB[size_t(head)];
        const int64_t nope = a_.nope(), rank = a_.rank();
        for (int64_t n = 0; n < rank; n += kPanelOutputs) {
            const int outputs = int(std::min<int64_t>(kPanelOutputs, rank - n));
            kernels().unpackF32[size_t(k.type)]({.weights = k.row(n),
                                                 .stride = k.stride,
                                                 .outputs = outputs,
                                                 .cols = nope,
                                                 .panel = at.latents,
                                                 .scales = scalesFrom(k.scales, n, 0)});
            for (int64_t i = 0; i < nope; ++i) {
                const float* inputs = at.latents + i * kPanelOutputs;
                if (inTiles_)
                    roundStep(inputs, outputs, at.kB, n, nope, i);
                else
                    std::copy_n(inputs, outputs, at.kB + i * rank + n);
            }
        }
        for (int64_t n = 0; n < a_.vDim(); n += kPanelOutputs) {
            float* panel = inTiles_ ? at.latents : at.vB + n * rank;
            kernels().unpackF32[size_t(v.type)]({.weights = v.row(n),
                                                 .stride = v.stride,
                                                 .outputs = int(std::min<int64_t>(kPanelOutputs, a_.vDim() - n)),
                                                 .cols = rank,
                                                 .panel = panel,
                                                 .scales = scalesFrom(v.scales, n, 0)});
            if (inTiles_)
                roundPanel(panel, valuePanel(at, n));
        }
    }

    /// n inputs of row `row` of `rows`, which are those of one step from input `first` on.
    void roundStep(const float* inputs, int64_t n, void* to, int64_t first, int64_t rows, int64_t row) const {
        static_assert(kPanelOutputs == kTileInputs);
        auto* out = static_cast<std::byte*>(to) + (first / kTileInputs * rows + row) * kStepBytes;
        kernels().roundFloats(inputs, n, {.out = out, .step = uint64_t(rows * kStepBytes)});
    }

    void roundPanel(const float* panel, uint16_t* out) const {
        kernels().roundPanel[size_t(Type::F32)]({.panel = panel, .cols = a_.rank(), .out = out});
    }

    /// The panel of v_b of outputs from n on, in bf16.
    uint16_t* valuePanel(const Places& at, int64_t n) const {
        return reinterpret_cast<uint16_t*>(at.vB) + n * codedRow(a_.rank());
    }

    void runRows(const Part& p, const Places& at) const {
        const KvPages& kv = a_.kv;
        load(p, at);
        const int64_t end = std::min(end_, position(p.row + p.rows - 1) + 1);
        for (int64_t page = begin_ / kv.pageTokens; page * kv.pageTokens < end; ++page)
            for (int token = 0; token < kv.pageTokens; token += kKeyBlock) {
                const int64_t first = page * kv.pageTokens + token;
                const int64_t width = std::min<int64_t>(end - first, std::min(kKeyBlock, kv.pageTokens - token));
                if (width <= 0)
                    break;
                std::byte* at0 = kv.page(step_.sequences.index(p.row), page);
                for (int n = 0; n < width; n += kPanelOutputs)
                    expandKeys(kv.key(at0, 0, token + n), n, int(width), at);
                expandValues(kv.key(at0, 0, token), int(width), at);
                for (int r = 0; r < p.rows; r += kQueryRows)
                    attend(p, at, r, std::min(kQueryRows, p.rows - r), first, int(width));
            }
        save(p, at);
    }

    /// What the rows have summed over the spans before, and their queries as codes.
    void load(const Part& p, const Places& at) const {
        for (int r = 0; r < p.rows; ++r) {
            at.state[r] = begin_ == 0 ? SoftmaxState{-std::numeric_limits<float>::infinity(), 0.0f} : *state(p, r);
            for (int64_t n = 0; n < a_.vDim(); n += kPanelOutputs) {
                const int64_t count = std::min<int64_t>(kPanelOutputs, a_.vDim() - n);
                float* o = at.o + (n / kPanelOutputs * tileRows_ + r) * kPanelOutputs;
                std::fill_n(o, kPanelOutputs, 0.0f);
                if (begin_ > 0)
                    std::copy_n(out(p, r) + n, count, o);
            }
        }
        if (coded_)
            at.codes.codeQueries(*coded_, 0, query(p, 0), int64_t(a_.q.stride / 4), p.rows);
    }

    void save(const Part& p, const Places& at) const {
        for (int r = 0; r < p.rows; ++r) {
            const bool whole = position(p.row + r) < end_;
            const float factor = whole ? 1.0f / at.state[r].sum : 1.0f;
            *state(p, r) = at.state[r];
            scaleSlices(at.o + r * kPanelOutputs, tileRows_ * kPanelOutputs, a_.vDim(), factor, out(p, r));
        }
    }

    void multiply(const float* panel, int64_t cols, const float* x, int64_t xStride, int64_t rows, float* acc,
                  bool first, int64_t accStride = kPanelOutputs) const {
        kernels().gemmF32({.panel = panel,
                           .cols = cols,
                           .x = reinterpret_cast<const std::byte*>(x),
                           .xStride = uint64_t(xStride) * 4,
                           .rows = int(rows),
                           .sums = {.acc = acc, .accStride = accStride, .first = first}});
    }

    /// The same in tiles, of all inputs of a latent: x has `apart` rows in each step.
    void multiplyTiles(const uint16_t* panel, const void* x, int64_t apart, int64_t rows, float* acc) const {
        for (int64_t k = 0; k < a_.rank(); k += kPanelInputsBf16)
            kernels().gemmBf16({.panel = panel + k * kPanelOutputs,
                                .cols = std::min(kPanelInputsBf16, a_.rank() - k),
                                .x = static_cast<const std::byte*>(x) + k / kTileInputs * apart * kStepBytes,
                                .xStride = uint64_t(apart * kStepBytes),
                                .rows = int(rows),
                                .sums = {.acc = acc, .accStride = kPanelOutputs, .first = k == 0}});
    }

    /// A panel of keys, of those of the block from n on: k_b turned times a panel of latents, and below it the part
    /// that rope turned, as it is cached.
    void expandKeys(const CacheRow& latents, int n, int width, const Places& at) const {
        const KvPages& kv = a_.kv;
        const int64_t rank = a_.rank(), nope = a_.nope();
        float* keys = at.keys + n * (nope + a_.rope());
        const auto unpack = [&](const CacheRow& part, int64_t cols, float* panel) {
            unpackLatents_({.weights = part.row,
                            .stride = kv.kArea.rowBytes,
                            .outputs = std::min(kPanelOutputs, width - n),
                            .cols = cols,
                            .panel = panel,
                            .cached = part.scales});
        };
        unpack(latents, rank, at.latents);
        if (inTiles_) {
            roundPanel(at.latents, at.rounded);
            multiplyTiles(at.rounded, at.kB, nope, nope, keys);
        } else {
            for (int64_t k = 0; k < rank; k += kPieces)
                multiply(at.latents + k * kPanelOutputs, std::min(kPieces, rank - k), at.kB + k, rank, nope, keys,
                         k == 0);
        }
        // What is too much lies where the next panel begins.
        unpack(kv.fromColumn(latents, rank), cacheRowCols(kv.type, a_.rope()), keys + nope * kPanelOutputs);
        if (coded_)
            at.codes.codeKeys(*coded_, n, keys);
    }

    /// Panels of values: latents times panels of v_b.
    void expandValues(const CacheRow& latents, int width, const Places& at) const {
        const KvPages& kv = a_.kv;
        const int64_t rank = a_.rank();
        for (int64_t k = 0; k < rank; k += kPanelOutputs) {
            const int64_t cols = std::min<int64_t>(kPanelOutputs, rank - k);
            const CacheRow part = kv.fromColumn(latents, k);
            unpackColumns_({.weights = part.row,
                            .stride = kv.kArea.rowBytes,
                            .outputs = int(cols),
                            .cols = width,
                            .panel = at.part,
                            .cached = part.scales});
            if (inTiles_)
                for (int t = 0; t < width; ++t)
                    roundStep(at.part + int64_t(t) * kPanelOutputs, cols, at.byToken, k, kKeyBlock, t);
            else
                for (int64_t n = 0; n < panels(a_.vDim()); ++n)
                    multiply(at.vB + (n * rank + k) * kPanelOutputs, cols, at.part, kPanelOutputs, width,
                             at.values + n * kKeyBlock * kPanelOutputs, k == 0);
        }
        if (inTiles_)
            for (int64_t n = 0; n < panels(a_.vDim()); ++n)
                multiplyTiles(valuePanel(at, n * kPanelOutputs), at.byToken, kKeyBlock, width,
                              at.values + n * kKeyBlock * kPanelOutputs);
        if (coded_)
            at.codes.codeValues(*coded_, 0, width, at.values, int64_t(kKeyBlock) * kPanelOutputs);
    }

    /// Rows [r, r + rows) of the part against the block of keys that begins at position `first`.
    void attend(const Part& p, const Places& at, int r, int rows, int64_t first, int width) const {
        if (position(p.row + r + rows - 1) < first)
            return;
        for (int i = 0; i < rows; ++i) {
            at.begin[i] = 0;
            at.end[i] = int(std::clamp<int64_t>(position(p.row + r + i) + 1 - first, 0, width));
        }
        const SoftmaxBlock softmax{.s = at.s,
                                   .rows = rows,
                                   .width = width,
                                   .begin = at.begin,
                                   .end = at.end,
                                   .scale = a_.scale,
                                   .softCap = 0,
                                   .state = at.state + r,
                                   .correction = at.correction};
        if (coded_)
            at.codes.attend(*coded_, r, softmax, at.o + r * kPanelOutputs, tileRows_ * kPanelOutputs);
        else
            attendFloats(p, at, r, softmax);
    }

    void attendFloats(const Part& p, const Places& at, int r, const SoftmaxBlock& softmax) const {
        const int64_t dims = a_.nope() + a_.rope();
        const int rows = softmax.rows, width = softmax.width;
        for (int n = 0; n < width; n += kPanelOutputs)
            multiply(at.keys + n * dims, dims, query(p, r), int64_t(a_.q.stride / 4), rows, at.s + n, true, kKeyBlock);
        kernels().softmaxBlock(softmax);
        for (int64_t n = 0; n < panels(a_.vDim()); ++n) {
            float* o = at.o + (n * tileRows_ + r) * kPanelOutputs;
            for (int i = 0; i < rows; ++i)
                if (at.correction[i] != 1.0f)
                    for (int j = 0; j < kPanelOutputs; ++j)
                        o[i * kPanelOutputs + j] *= at.correction[i];
            multiply(at.values + n * kKeyBlock * kPanelOutputs, width, at.s, kKeyBlock, rows, o, false);
        }
    }

    const ExpandedSpec& a_; // the plan's own
    int64_t begin_, end_;   // positions of the span
    int64_t capacity_, tileRows_;
    const CodedKernels* coded_;
    bool inTiles_; // expansion, in bf16
    void (*unpackLatents_)(const Unpack&);
    void (*unpackColumns_)(const Unpack&);
};

} // namespace

int64_t expandedSpan(const KvPages& kv) {
    const int64_t tokens = std::max(kSpanTokens, (kv.capacity() + kMostSpans - 1) / kMostSpans);
    return (tokens + kv.pageTokens - 1) / kv.pageTokens * kv.pageTokens;
}

uint64_t expandedScratchBytes(int64_t rank, int64_t rope, int64_t nope, int64_t vDim, int64_t rows) {
    Pieces pieces(nullptr);
    Places(pieces, rank, rope, nope, vDim, expandedTileRows(rows));
    return pieces.bytes();
}

StagePtr makeExpandedAttention(const StepView& step, const ExpandedSpec& a, int64_t span, int64_t capacity) {
    return std::make_unique<ExpandedStage>(step, a, span, capacity);
}

} // namespace hearth::kernels::cpu
