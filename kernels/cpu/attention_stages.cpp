#include "kernels/cpu/coded_block.h"
#include "kernels/cpu/guided_tiles.h"
#include "kernels/cpu/stages.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace hearth::kernels::cpu {

std::byte* KvPages::page(int32_t sequence, int64_t pageIndex) const {
    const int64_t row = std::clamp<int64_t>(sequence, 0, table.rows - 1);
    const auto* numbers = reinterpret_cast<const int32_t*>(table.row(row));
    const int64_t column = std::clamp<int64_t>(pageIndex, 0, table.cols - 1);
    return data + uint64_t(std::clamp<int64_t>(numbers[column], 0, pages - 1)) * pageBytes;
}

CacheRow KvPages::rowOf(const CacheArea& area, std::byte* firstHead, int head, int token) const {
    const auto tokens = uint64_t(pageTokens);
    std::byte* first = firstHead + uint64_t(head) * area.bytes(tokens);
    CacheRow row{.row = first + uint64_t(token) * area.rowBytes};
    if (area.blocks > 0)
        row.scales = {.first = first + area.scaleAt(0, uint64_t(token), tokens),
                      .stride = tokens * CacheArea::kScaleBytes};
    return row;
}

CacheRow KvPages::key(std::byte* page, int head, int token) const {
    return rowOf(kArea, page + kOffset, head, token);
}

CacheRow KvPages::value(std::byte* page, int head, int token) const {
    return latent ? key(page, head, token) : rowOf(vArea, page + vOffset, head, token);
}

CacheRow KvPages::fromColumn(CacheRow row, int64_t column) const {
    const QuantType& format = quantType(type);
    const auto block = uint64_t(column / format.block);
    row.row += block * (uint64_t(format.bytes) - (kArea.blocks > 0 ? CacheArea::kScaleBytes : 0));
    row.scales.first += block * row.scales.stride;
    return row;
}

namespace {

/// The parts of the key range of generated tokens.
struct Splits {
    int64_t tokens = 0; // of one split; a multiple of pageTokens
    int64_t count = 0;  // splits of a full sequence
};

Splits splitsOf(int64_t pages, int pageTokens, int kvHeads, bool tiled) {
    // What a split begins with is often read without notice: with many heads to share out, long splits. In tiles a
    // token takes a fifth of the time, and merging all heads' sums of splits of 256 as long as half of that.
    constexpr int64_t kSplitTokens = 256, kTiledTokens = 512, kLongest = 1024, kMostSplits = 128;
    const int64_t shared = tiled ? kTiledTokens : std::clamp(kSplitTokens * kvHeads / 4, kSplitTokens, kLongest);
    const int64_t tokens = std::max(shared, (pages * pageTokens + kMostSplits - 1) / kMostSplits);
    const int64_t pagesPerSplit = (tokens + pageTokens - 1) / pageTokens;
    return {.tokens = pagesPerSplit * pageTokens, .count = (pages + pagesPerSplit - 1) / pagesPerSplit};
}

/// Whether generated tokens look at latents in tiles.
bool inTiles(const CpuKernels& k, const AttentionSpec& a) {
    return a.rounded && a.kv.latent && a.heads / a.kv.heads >= kFewLatentHeads && a.kv.kDim <= kLatentDims &&
           a.kv.vDim % 16 == 0 && k.attendRounded[size_t(a.kv.type)];
}

/// Whether they look at several pages of blocks in tiles.
bool runsInTiles(const CpuKernels& k, const AttentionSpec& a) {
    return k.attendTiles[size_t(a.kv.type)] && !a.kv.latent && a.heads / a.kv.heads >= kFewTiledHeads &&
           std::max(a.kv.kDim, a.kv.vDim) <= kTiledCodeDims && kAttendRuns * a.kv.pageTokens == kAttendTokens;
}

Splits splitsOf(const CpuKernels& k, const AttentionSpec& a) {
    return splitsOf(a.kv.table.cols, a.kv.pageTokens, a.kv.heads, inTiles(k, a));
}

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

struct Range {
    int64_t begin, end;
};

int64_t positionOf(const StepView& step, const AttentionSpec& a, int64_t r) {
    return std::clamp<int64_t>(step.positions.index(r), 0, a.kv.capacity() - 1);
}

/// Positions that a row looks at; `last` is that of its sequence's last row, for those that look both ways.
Range visible(const StepView& step, const AttentionSpec& a, int64_t r, int64_t last = 0) {
    const int64_t position = positionOf(step, a, r);
    if (!a.causal) {
        const int64_t reach = a.window > 0 ? a.window / 2 : a.kv.capacity();
        return {std::max<int64_t>(0, position - reach), std::min(last, position + reach) + 1};
    }
    return {a.window > 0 ? std::max<int64_t>(0, position - a.window + 1) : 0, position + 1};
}

/// Folds the sink, a key without a value, into a finished sum; returns the factor for the output.
float closeSoftmax(SoftmaxState state, const float* sink) {
    if (!sink)
        return state.sum != 0 ? 1.0f / state.sum : 0.0f;
    const float max = std::max(state.max, *sink);
    const float correction = std::exp(state.max - max);
    return correction / (state.sum * correction + std::exp(*sink - max));
}

/// Partial results of generated tokens: for each (row, split, head) a state, and (vDim) sums.
class Partials {
public:
    Partials(const AttentionSpec& a, const Splits& splits, int64_t rows, std::byte* data)
        : heads_(a.heads), vDim_(a.kv.vDim), splits_(splits.count), states_(reinterpret_cast<SoftmaxState*>(data)),
          sums_(reinterpret_cast<float*>(data) + rows * splits_ * heads_ * 2) {}

    SoftmaxState* state(int64_t r, int64_t split, int head) const {
        return states_ + (r * splits_ + split) * heads_ + head;
    }

    float* sums(int64_t r, int64_t split, int head) const {
        return sums_ + ((r * splits_ + split) * heads_ + head) * vDim_;
    }

private:
    int64_t heads_, vDim_, splits_;
    SoftmaxState* states_;
    float* sums_;
};

/// Bytes from a row to its scale in its first block.
int64_t scalesFrom(const CacheRow& row) {
    return row.scales.first ? row.scales.first - row.row : 0;
}

/// Tokens of each page that a call takes where it reads several side by side: the whole page, whose next keys then have
/// the longest time to come. Not where further heads read the same keys again, which the first-level cache is to hold,
/// nor where rows are long, nor of blocks, whose weights stay in registers for 64 tokens, but for tiles. 0: one page
/// after the other.
int runTokensOf(const CpuKernels& k, const AttentionSpec& a) {
    if (a.kv.latent || a.kv.pageTokens % kRunStep != 0)
        return 0;
    if (runsInTiles(k, a))
        return a.kv.pageTokens;
    constexpr uint64_t kLongRow = 512;
    const bool whole = quantType(a.kv.type).block == 1 && a.heads / a.kv.heads <= kAttendHeads &&
                       std::max(a.kv.kArea.rowBytes, a.kv.vArea.rowBytes) <= kLongRow &&
                       kAttendRuns * a.kv.pageTokens <= kAttendTokens;
    return whole ? a.kv.pageTokens : kRunStep;
}

/// Parts are (row, KV head, slice of its heads, split). Splits without a visible key are left out.
class AttendSplitsStage : public PlanStage {
public:
    AttendSplitsStage(const StepView& step, const AttentionSpec& a, std::byte* partials, int64_t capacity, int threads)
        : PlanStage(step), a_(a), splits_(splitsOf(kernels(), a)), partials_(a, splits_, capacity, partials),
          capacity_(capacity), threads_(threads), group_(a.heads / a.kv.heads), runTokens_(runTokensOf(kernels(), a)),
          tiled_(inTiles(kernels(), a)),
          attend_((tiled_ ? kernels().attendRounded : kernels().attend)[size_t(a.kv.type)]),
          attendRuns_(runsInTiles(kernels(), a) ? kernels().attendTiles[size_t(a.kv.type)] : attend_),
          tiles_(mostParts(a, splits_), threads) {}

    int64_t tiles() const override {
        int64_t most = 0;
        const int64_t rows = std::min<int64_t>(capacity_, step_.live.rows);
        for (int64_t r = 0; r < rows; ++r) {
            const Range range = visible(step_, a_, r);
            most = std::max(most, (range.end - 1) / splits_.tokens - range.begin / splits_.tokens + 1);
        }
        spread_ = most;
        slices_ = (group_ + kMostHeads - 1) / kMostHeads;
        // A short sequence is one split, or a few of unequal length: its heads are shared out, for other threads would
        // fall asleep meanwhile. Not to fewer than kFewLatentHeads a part, which would have other bits, and in
        // multiples of kAttendHeads, which are looked at together. In tiles eight heads take as long as sixteen: only
        // where there is nothing else for a thread.
        const int64_t fewest = tiled_ ? threads_ : 2 * threads_;
        if (threads_ > 1 && rows * a_.kv.heads * slices_ * most < fewest && group_ == slices_ * kMostHeads)
            slices_ *= kMostHeads / kFewLatentHeads;
        headsPerPart_ = (group_ + slices_ - 1) / slices_;
        tiles_.set(rows * a_.kv.heads * slices_ * most);
        return tiles_.count();
    }

    void run(int64_t tile, std::byte* scratch) const override {
        Queries queries;
        const int64_t end = tiles_.begin(tile + 1);
        for (int64_t i = tiles_.begin(tile); i < end; ++i) {
            const Part part = partOf(i);
            if (part.range.begin >= part.range.end)
                continue;
            // The next tile that a worker takes, if all workers are equally fast.
            const int64_t next = tile + threads_;
            runSplit(part,
                     i + 1 < end             ? firstKeys(i + 1)
                     : next < tiles_.count() ? firstKeys(tiles_.begin(next))
                                             : Keys{},
                     queries, scratch);
        }
    }

private:
    static constexpr int kRun = kAttendTokens; // cut at its multiples inside a page
    static constexpr size_t kScoreBytes = kAttendHeads * kRun * sizeof(float);
    static_assert(kScoreBytes + kAttendScratchBytes <= kScratchBytes);

    using AttendFn = void (*)(const Attend&);

    static constexpr int kMostHeads = kLatentHeads; // of a part; of a latent cache's one KV head there are 128
    static_assert(kMostHeads % kFewLatentHeads == 0 && kFewLatentHeads % kAttendHeads == 0);

    /// Parts of a tile at most: about 50 us of products, and of memory where few heads share what is read.
    static int64_t mostParts(const AttentionSpec& a, const Splits& splits) {
        constexpr int64_t kProducts = 1 << 20, kBytes = 1 << 19;
        const int64_t heads = std::min<int64_t>(a.heads / a.kv.heads, kMostHeads);
        const auto tokens = uint64_t(splits.tokens);
        const auto bytes = int64_t(a.kv.kArea.bytes(tokens) + (a.kv.latent ? 0 : a.kv.vArea.bytes(tokens)));
        return std::max<int64_t>(
            1, std::min(kProducts / (splits.tokens * heads * (a.kv.kDim + a.kv.vDim)), kBytes / bytes));
    }

    struct Part {
        int64_t row;
        int kvHead, slice;
        int64_t split;
        Range range;
    };

    Part partOf(int64_t part) const {
        const int64_t r = part / (a_.kv.heads * slices_ * spread_);
        const Range all = visible(step_, a_, r);
        const int64_t split = all.begin / splits_.tokens + part % spread_;
        return {
            .row = r,
            .kvHead = int(part / (slices_ * spread_) % a_.kv.heads),
            .slice = int(part / spread_ % slices_),
            .split = split,
            .range = {std::max(all.begin, split * splits_.tokens), std::min(all.end, (split + 1) * splits_.tokens)}};
    }

    /// Keys beside each other in one page, or in each of kAttendRuns pages, of which all keys are looked at.
    struct Keys {
        std::byte* pages[kAttendRuns] = {};
        int kvHead = 0;
        int runs = 0, first = 0, tokens = 0; // tokens of each run

        explicit operator bool() const { return runs > 0; }

        int all() const { return runs * tokens; }
    };

    /// Those of a part that the next call looks at when `at` minus the part's begin were looked at; none when all were.
    Keys keysFrom(const Part& p, int64_t at) const {
        if (at >= p.range.end)
            return {};
        const int pageTokens = a_.kv.pageTokens;
        const int64_t together = int64_t(kAttendRuns) * pageTokens;
        const int64_t whole = (p.range.begin + pageTokens - 1) / pageTokens * pageTokens; // where whole pages begin
        const int64_t group = at < whole ? at : at - (at - whole) % together;
        if (runTokens_ > 0 && at >= whole && p.range.end - group >= together)
            return keysIn(p, group / pageTokens, kAttendRuns, int(at - group) / kAttendRuns, runTokens_);
        const int first = int(at % pageTokens), end = std::min(pageTokens, (first / kRun + 1) * kRun);
        return keysIn(p, at / pageTokens, 1, first, int(std::min<int64_t>(end - first, p.range.end - at)));
    }

    Keys keysIn(const Part& p, int64_t pageIndex, int runs, int first, int tokens) const {
        Keys keys{.kvHead = p.kvHead, .runs = runs, .first = first, .tokens = tokens};
        for (int r = 0; r < runs; ++r)
            keys.pages[r] = a_.kv.page(step_.sequences.index(p.row), pageIndex + r);
        return keys;
    }

    Keys firstKeys(int64_t part) const {
        const Part p = partOf(part);
        return keysFrom(p, p.range.begin);
    }

    /// Whose queries, for which kernel, the scratch holds.
    struct Queries {
        AttendFn kernel = nullptr;
        int64_t row = 0;
        int head = 0;

        bool operator==(const Queries&) const = default;
    };

    void runSplit(const Part& p, const Keys& nextSplit, Queries& queries, std::byte* scratch) const {
        const KvPages& kv = a_.kv;
        const int head = p.kvHead * group_ + p.slice * headsPerPart_;
        const int heads = std::min(headsPerPart_, group_ - p.slice * headsPerPart_);
        SoftmaxState* state = partials_.state(p.row, p.split, head);
        float* sums = partials_.sums(p.row, p.split, head);
        std::fill_n(state, heads, SoftmaxState{kMinusInfinity, 0.0f});
        std::fill_n(sums, int64_t(heads) * kv.vDim, 0.0f);
        for (int64_t at = p.range.begin; at < p.range.end;) {
            const Keys keys = keysFrom(p, at);
            const AttendFn attend = keys.runs > 1 ? attendRuns_ : attend_;
            const Queries these{attend, p.row, head};
            Keys next = keysFrom(p, at + keys.all());
            if (!next)
                next = nextSplit;
            const CacheRow key = kv.key(keys.pages[0], p.kvHead, keys.first),
                           value = kv.value(keys.pages[0], p.kvHead, keys.first),
                           nextKey = next ? kv.key(next.pages[0], next.kvHead, next.first) : CacheRow{};
            Attend call{.q = a_.q.f32(p.row) + int64_t(head) * kv.kDim,
                        .k = key.row,
                        .v = value.row,
                        .kScales = scalesFrom(key),
                        .vScales = scalesFrom(value),
                        .scaleStride = key.scales.stride,
                        .heads = heads,
                        .kDim = kv.kDim,
                        .vDim = kv.vDim,
                        .kStride = kv.kArea.rowBytes,
                        .vStride = kv.vArea.rowBytes,
                        .next = nextKey.row,
                        .nextTokens = next.tokens,
                        .nextScales = scalesFrom(nextKey),
                        .tokens = keys.all(),
                        .scale = a_.scale,
                        .softCap = a_.softCap,
                        .state = state,
                        .o = sums,
                        .scores = reinterpret_cast<float*>(scratch),
                        .scratch = scratch + kScoreBytes,
                        .sameQueries = these == queries};
            for (int r = 1; r < keys.runs; ++r) {
                call.moreKeys[r - 1] = kv.key(keys.pages[r], p.kvHead, keys.first).row;
                call.moreValues[r - 1] = kv.value(keys.pages[r], p.kvHead, keys.first).row;
            }
            for (int r = 1; r < next.runs; ++r)
                call.moreNext[r - 1] = kv.key(next.pages[r], next.kvHead, next.first).row;
            attend(call);
            queries = these;
            at += keys.all();
        }
    }

    AttentionSpec a_;
    Splits splits_;
    Partials partials_;
    int64_t capacity_;
    int threads_, group_, runTokens_;
    bool tiled_;
    // Set before the run by worker 0.
    mutable int64_t spread_ = 1; // splits a row of this run has at most
    mutable int slices_ = 1, headsPerPart_ = 1;
    AttendFn attend_, attendRuns_; // of one run of tokens; of kAttendRuns
    mutable GuidedTiles tiles_;    // set before the run by worker 0
};

/// Tiles are (row, some of its heads).
class MergeSplitsStage : public PlanStage {
public:
    MergeSplitsStage(const StepView& step, const AttentionSpec& a, std::byte* partials, Rows q8, int64_t capacity)
        : PlanStage(step), a_(a), splits_(splitsOf(kernels(), a)), partials_(a, splits_, capacity, partials), q8_(q8),
          capacity_(capacity), headsOfBlocks_(int(256 / std::gcd<int64_t>(256, a.kv.vDim))) {}

    int64_t tiles() const override {
        constexpr int64_t kTileSums = 16384; // numbers that a tile adds up
        int64_t most = 1;
        for (int64_t r = 0; r < rows(); ++r) {
            const Range splits = splitsOfRow(r);
            most = std::max(most, splits.end - splits.begin);
        }
        const int64_t heads = kTileSums / (most * a_.kv.vDim);
        headsPerTile_ = int(std::clamp<int64_t>(heads / headsOfBlocks_, 1, a_.heads)) * headsOfBlocks_;
        return rows() * slices();
    }

    void run(int64_t tile, std::byte*) const override {
        const int64_t r = tile / slices();
        const int head = int(tile % slices()) * headsPerTile_, end = std::min(a_.heads, head + headsPerTile_);
        const int64_t column = int64_t(head) * a_.kv.vDim;
        const Range splits = splitsOfRow(r);
        for (int h = head; h < end; ++h)
            mergeHead(r, h, splits, a_.out.f32(r) + int64_t(h) * a_.kv.vDim);
        if (q8_)
            kernels().quantize(a_.out.f32(r) + column, int64_t(end - head) * a_.kv.vDim, q8_.a8(r) + column / 256);
    }

private:
    int64_t rows() const { return std::min<int64_t>(capacity_, step_.live.rows); }

    int64_t slices() const { return (a_.heads + headsPerTile_ - 1) / headsPerTile_; }

    Range splitsOfRow(int64_t r) const {
        const Range range = visible(step_, a_, r);
        return {range.begin / splits_.tokens, (range.end - 1) / splits_.tokens + 1};
    }

    void mergeHead(int64_t r, int h, Range splits, float* out) const {
        SoftmaxState all{kMinusInfinity, 0.0f};
        for (int64_t s = splits.begin; s < splits.end; ++s)
            all.max = std::max(all.max, partials_.state(r, s, h)->max);
        for (int64_t s = splits.begin; s < splits.end; ++s) {
            const SoftmaxState part = *partials_.state(r, s, h);
            const float weight = part.max == all.max ? 1.0f : std::exp(part.max - all.max);
            const float* sums = partials_.sums(r, s, h);
            all.sum += part.sum * weight;
            if (s == splits.begin)
                std::fill_n(out, a_.kv.vDim, 0.0f);
            kernels().add(out, sums, weight, out, a_.kv.vDim);
        }
        const float factor = closeSoftmax(all, a_.sinks ? a_.sinks + h : nullptr);
        for (int i = 0; i < a_.kv.vDim; ++i)
            out[i] *= factor;
    }

    AttentionSpec a_;
    Splits splits_;
    Partials partials_;
    Rows q8_;
    int64_t capacity_;
    int headsOfBlocks_;            // whose columns are whole blocks of q8
    mutable int headsPerTile_ = 1; // set before the run by worker 0
};

constexpr int kQueries = 64;       // of a tile of prompt attention: rows x heads of one KV head
constexpr int kCodedQueries = 128; // likewise on codes, which cost more to make and take half the place
constexpr int kValueTokens = 16;   // whose values become codes at once

int64_t slicesOf(const KvPages& kv) {
    return (kv.vDim + kPanelOutputs - 1) / kPanelOutputs;
}

/// Where a tile of prompt attention keeps its numbers.
struct PromptScratch {
    float* q = nullptr;  // (queries, kDim), not of codes
    CodedBlock codes;    // those of codes
    float* s;            // (queries, kKeyBlock)
    float* o;            // (slices, queries, kPanelOutputs)
    float* keys;         // a panel of kDim inputs, whole blocks of them
    float* values;       // a panel of kKeyBlock inputs; of codes (slices) panels of kValueTokens
    float* correction;   // (queries)
    SoftmaxState* state; // (queries)
    int *begin, *end;    // (queries)

    PromptScratch(const KvPages& kv, bool coded, int queries, Pieces& pieces) {
        if (coded)
            codes = CodedBlock(pieces, kv.kDim, kv.vDim, queries);
        else
            q = pieces.take<float>(int64_t(queries) * kv.kDim);
        s = pieces.take<float>(int64_t(queries) * kKeyBlock);
        o = pieces.take<float>(slicesOf(kv) * queries * kPanelOutputs);
        keys = pieces.take<float>(kPanelOutputs * cacheRowCols(kv.type, kv.kDim));
        values = pieces.take<float>(kPanelOutputs * (coded ? slicesOf(kv) * kValueTokens : kKeyBlock));
        correction = pieces.take<float>(queries);
        state = pieces.take<SoftmaxState>(queries);
        begin = pieces.take<int>(queries);
        end = pieces.take<int>(queries);
    }

    static uint64_t bytes(const KvPages& kv, bool coded) {
        Pieces pieces(nullptr);
        PromptScratch(kv, coded, coded ? kCodedQueries : kQueries, pieces);
        return pieces.bytes();
    }
};

/// Tiles are (block of rows, KV head, slice of its heads). A query's sums run over key blocks in ascending order, and
/// a block without a visible key leaves them as they are: so nothing depends on which rows are in the tile.
class PromptAttentionStage : public PlanStage {
public:
    PromptAttentionStage(const StepView& step, const AttentionSpec& a, int64_t capacity)
        : PlanStage(step), a_(a), capacity_(capacity),
          coded_(PromptScratch::bytes(a.kv, true) <= kScratchBytes ? codesOf(kernels(), a.coded, a.rounded) : nullptr),
          queries_(coded_ ? kCodedQueries : kQueries), group_(a.heads / a.kv.heads),
          headsPerTile_(std::min(group_, queries_)), slices_((group_ + headsPerTile_ - 1) / headsPerTile_),
          rowsPerTile_(queries_ / headsPerTile_), unpackKeys_(kernels().unpackKeys[size_t(a.kv.type)]),
          unpackValues_(kernels().unpackValues[size_t(a.kv.type)]) {}

    int64_t tiles() const override {
        const int64_t rows = std::min<int64_t>(capacity_, step_.live.rows);
        return (rows + rowsPerTile_ - 1) / rowsPerTile_ * a_.kv.heads * slices_;
    }

    void run(int64_t tile, std::byte* scratch) const override {
        const int64_t perBlock = int64_t(a_.kv.heads) * slices_;
        // The last rows see most keys: begin with them, so that no long tile is left for the end.
        const int64_t block = (tiles() - 1 - tile) / perBlock;
        const int kvHead = int(tile % perBlock / slices_), slice = int(tile % slices_);
        const int head = kvHead * group_ + slice * headsPerTile_;
        const int heads = std::min(headsPerTile_, group_ - slice * headsPerTile_);
        const int64_t rows = std::min<int64_t>(capacity_, step_.live.rows);
        const int64_t end = std::min(rows, (block + 1) * rowsPerTile_);
        for (int64_t r = block * rowsPerTile_; r < end;) { // runs of rows of one sequence
            int64_t next = r + 1;
            while (next < end && step_.sequences.index(next) == step_.sequences.index(r))
                ++next;
            runRows({.row = r,
                     .rows = int(next - r),
                     .head = head,
                     .heads = heads,
                     .kvHead = kvHead,
                     .last = lastPosition(next - 1, rows)},
                    scratch);
            r = next;
        }
    }

private:
    struct Part {
        int64_t row;
        int rows, head, heads, kvHead;
        int64_t last; // position of the sequence's last row in this batch

        int queries() const { return rows * heads; }
    };

    int64_t lastPosition(int64_t r, int64_t rows) const {
        if (!a_.causal)
            while (r + 1 < rows && step_.sequences.index(r + 1) == step_.sequences.index(r))
                ++r;
        return positionOf(step_, a_, r);
    }

    void runRows(const Part& p, std::byte* scratch) const {
        const KvPages& kv = a_.kv;
        Pieces pieces(scratch);
        const PromptScratch at(kv, coded_ != nullptr, queries_, pieces);
        Range all{std::numeric_limits<int64_t>::max(), 0};
        for (int i = 0; i < p.rows; ++i) {
            const Range range = visible(step_, a_, p.row + i, p.last);
            all = {std::min(all.begin, range.begin), std::max(all.end, range.end)};
            const float* q = a_.q.f32(p.row + i) + int64_t(p.head) * kv.kDim;
            if (coded_)
                at.codes.codeQueries(*coded_, int64_t(i) * p.heads, q, kv.kDim, p.heads);
            else
                std::copy_n(q, int64_t(p.heads) * kv.kDim, at.q + int64_t(i) * p.heads * kv.kDim);
        }
        std::fill_n(at.state, p.queries(), SoftmaxState{kMinusInfinity, 0.0f});
        std::fill_n(at.o, slicesOf(kv) * queries_ * kPanelOutputs, 0.0f);
        for (int64_t page = all.begin / kv.pageTokens; page * kv.pageTokens < all.end; ++page)
            for (int token = 0; token < kv.pageTokens; token += kKeyBlock) {
                const int64_t first = page * kv.pageTokens + token;
                const int64_t last = std::min<int64_t>(all.end - first, std::min(kKeyBlock, kv.pageTokens - token));
                if (last > 0 && first + last > all.begin)
                    runKeys(p, at, kv.page(step_.sequences.index(p.row), page), token, first, int(last));
            }
        finish(p, at);
    }

    /// Keys [token, token + width) of a page; `first` is the position of the first.
    void runKeys(const Part& p, const PromptScratch& at, std::byte* page, int token, int64_t first, int width) const {
        const KvPages& kv = a_.kv;
        for (int i = 0; i < p.rows; ++i) {
            const Range range = visible(step_, a_, p.row + i, p.last);
            const int begin = int(std::clamp<int64_t>(range.begin - first, 0, width));
            std::fill_n(at.begin + i * p.heads, p.heads, begin);
            std::fill_n(at.end + i * p.heads, p.heads, int(std::clamp<int64_t>(range.end - first, begin, width)));
        }
        const SoftmaxBlock softmax{.s = at.s,
                                   .rows = p.queries(),
                                   .width = width,
                                   .begin = at.begin,
                                   .end = at.end,
                                   .scale = a_.scale,
                                   .softCap = a_.softCap,
                                   .state = at.state,
                                   .correction = at.correction};
        for (int n = 0; n < width; n += kPanelOutputs)
            meetKeys(p, at, kv.key(page, p.kvHead, token + n), n, std::min(kPanelOutputs, width - n));
        if (coded_) {
            for (int t = 0; t < width; t += kValueTokens)
                codeValues(at, kv.value(page, p.kvHead, token + t), t, std::min(kValueTokens, width - t));
            at.codes.attend(*coded_, 0, softmax, at.o, int64_t(queries_) * kPanelOutputs);
            return;
        }
        kernels().softmaxBlock(softmax);
        addValues(p, at, kv.value(page, p.kvHead, token), width);
    }

    /// A panel of the block's keys, from its key n on: as codes, or the scores of all queries.
    void meetKeys(const Part& p, const PromptScratch& at, const CacheRow& keys, int n, int count) const {
        const KvPages& kv = a_.kv;
        unpackKeys_({.weights = keys.row,
                     .stride = kv.kArea.rowBytes,
                     .outputs = count,
                     .cols = cacheRowCols(kv.type, kv.kDim),
                     .panel = at.keys,
                     .cached = keys.scales});
        if (coded_)
            at.codes.codeKeys(*coded_, n, at.keys);
        else
            kernels().gemmF32({.panel = at.keys,
                               .cols = kv.kDim,
                               .x = reinterpret_cast<std::byte*>(at.q),
                               .xStride = uint64_t(kv.kDim) * 4,
                               .rows = p.queries(),
                               .sums = {.acc = at.s + n, .accStride = kKeyBlock, .first = true}});
    }

    /// Values of `count` tokens, those of a slice of their columns.
    Unpack valuesOf(const CacheRow& values, int64_t slice, int count, float* panel) const {
        const int64_t column = slice * kPanelOutputs;
        const CacheRow part = a_.kv.fromColumn(values, column);
        return {.weights = part.row,
                .stride = a_.kv.vArea.rowBytes,
                .outputs = int(std::min<int64_t>(kPanelOutputs, a_.kv.vDim - column)),
                .cols = count,
                .panel = panel,
                .cached = part.scales};
    }

    /// Up to kValueTokens tokens from `t` of the block on.
    void codeValues(const PromptScratch& at, const CacheRow& values, int t, int tokens) const {
        constexpr int64_t kPanel = int64_t(kValueTokens) * kPanelOutputs;
        for (int64_t slice = 0; slice < slicesOf(a_.kv); ++slice)
            unpackValues_(valuesOf(values, slice, tokens, at.values + slice * kPanel));
        at.codes.codeValues(*coded_, t, tokens, at.values, kPanel);
    }

    void addValues(const Part& p, const PromptScratch& at, const CacheRow& values, int width) const {
        for (int64_t slice = 0; slice < slicesOf(a_.kv); ++slice) {
            float* o = at.o + slice * queries_ * kPanelOutputs;
            for (int q = 0; q < p.queries(); ++q)
                if (at.correction[q] != 1.0f)
                    for (int i = 0; i < kPanelOutputs; ++i)
                        o[q * kPanelOutputs + i] *= at.correction[q];
            unpackValues_(valuesOf(values, slice, width, at.values));
            kernels().gemmF32({.panel = at.values,
                               .cols = width,
                               .x = reinterpret_cast<std::byte*>(at.s),
                               .xStride = kKeyBlock * 4,
                               .rows = p.queries(),
                               .sums = {.acc = o, .accStride = kPanelOutputs, .first = false}});
        }
    }

    void finish(const Part& p, const PromptScratch& at) const {
        for (int q = 0; q < p.queries(); ++q) {
            const int head = p.head + q % p.heads;
            float* out = a_.out.f32(p.row + q / p.heads) + int64_t(head) * a_.kv.vDim;
            const float factor = closeSoftmax(at.state[q], a_.sinks ? a_.sinks + head : nullptr);
            scaleSlices(at.o + q * kPanelOutputs, int64_t(queries_) * kPanelOutputs, a_.kv.vDim, factor, out);
        }
    }

    AttentionSpec a_;
    int64_t capacity_;
    const CodedKernels* coded_;
    int queries_, group_, headsPerTile_, slices_;
    int64_t rowsPerTile_;
    void (*unpackKeys_)(const Unpack&);
    void (*unpackValues_)(const Unpack&);
};

} // namespace

uint64_t partialBytes(const Attention& a, int64_t rows) {
    const Splits splits = splitsOf(a.kv.pageTable.cols, a.kv.pageTokens, a.kv.heads, false); // the most there can be
    return uint64_t(rows) * uint64_t(splits.count) * uint64_t(a.heads) * (uint64_t(a.kv.vDim) + 2) * 4;
}

StagePtr makeAttendSplits(const StepView& step, const AttentionSpec& a, std::byte* partials, int64_t capacity,
                          int threads) {
    return std::make_unique<AttendSplitsStage>(step, a, partials, capacity, threads);
}

StagePtr makeMergeSplits(const StepView& step, const AttentionSpec& a, std::byte* partials, Rows q8, int64_t capacity) {
    return std::make_unique<MergeSplitsStage>(step, a, partials, q8, capacity);
}

uint64_t promptScratchBytes(const AttentionSpec& a) {
    return PromptScratch::bytes(a.kv, false); // codes are taken where there is room for them
}

StagePtr makePromptAttention(const StepView& step, const AttentionSpec& a, int64_t capacity) {
    return std::make_unique<PromptAttentionStage>(step, a, capacity);
}

} // namespace hearth::kernels::cpu
