#include "kernels/cpu/stages.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <cmath>

namespace hearth::kernels::cpu {

RowStage::RowStage(const StepView& step, int64_t capacity, int64_t work, bool outputsOnly, int rowSlots)
    : PlanStage(step), capacity_(capacity),
      rowsPerTile_(std::clamp<int64_t>(16384 / std::max<int64_t>(work, 1), 1, 64)), outputsOnly_(outputsOnly),
      slots_(rowSlots) {}

int64_t RowStage::liveRows() const {
    return std::min<int64_t>(capacity_, outputsOnly_ ? step_.live.outputs : int64_t(step_.live.rows) * slots_);
}

int64_t RowStage::tiles() const {
    return (liveRows() + rowsPerTile_ - 1) / rowsPerTile_;
}

void RowStage::run(int64_t tile, std::byte* scratch) const {
    const int64_t end = std::min(liveRows(), (tile + 1) * rowsPerTile_);
    for (int64_t r = tile * rowsPerTile_; r < end; ++r)
        runRow(r, scratch);
}

namespace {

class GatherStage : public RowStage {
public:
    GatherStage(const StepView& step, const Gather& g, Rows table, Rows out)
        : RowStage(step, out.rows, out.cols, false), table_(table), out_(out), scale_(g.scale), index_(g.index),
          accumulate_(g.accumulate), format_(quantType(table.type)) {}

private:
    int64_t indexOf(int64_t r) const {
        switch (index_) {
        case RowIndex::Token:
            return step_.ids.index(r);
        case RowIndex::Position:
            return step_.positions.index(r);
        case RowIndex::First:
            break;
        }
        return 0;
    }

    void runRow(int64_t r, std::byte* scratch) const override {
        const int64_t row = std::clamp<int64_t>(indexOf(r), 0, table_.rows - 1);
        float* out = out_.f32(r);
        if (accumulate_) {
            addTo(out, row, reinterpret_cast<float*>(scratch));
            return;
        }
        decode(row, 0, out, out_.cols);
        if (scale_ != 1.0f)
            for (int64_t i = 0; i < out_.cols; ++i)
                out[i] *= scale_;
    }

    /// n numbers of a row from the column c on.
    void decode(int64_t row, int64_t c, float* numbers, int64_t n) const {
        format_.decode(table_.row(row) + c / format_.block * format_.bytes, numbers, n);
        if (!table_.scales.data)
            return;
        const WeightScales scales = scalesFrom(table_.scales, row, c);
        for (int64_t i = 0, block = 0; i < n; ++block) {
            const float scale = scaleAt(scales, scales.data, block);
            for (const int64_t end = blockEnd(scales, block, n); i < end; ++i)
                numbers[i] *= scale;
        }
    }

    void addTo(float* out, int64_t row, float* numbers) const {
        for (int64_t c = 0; c < out_.cols; c += 256) {
            const int64_t n = std::min<int64_t>(256, out_.cols - c);
            decode(row, c, numbers, n);
            kernels().add(out + c, numbers, scale_, out + c, n);
        }
    }

    Rows table_, out_;
    float scale_;
    RowIndex index_;
    bool accumulate_;
    const QuantType& format_;
};

class PickRowsStage : public RowStage {
public:
    PickRowsStage(const StepView& step, Rows x, Rows out)
        : RowStage(step, out.rows, out.cols, true), x_(x), out_(out) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        const int64_t from = std::clamp<int64_t>(step_.outputRows.index(r), 0, x_.rows - 1);
        std::copy_n(x_.f32(from), out_.cols, out_.f32(r));
    }

    Rows x_, out_;
};

class NormStage : public RowStage {
public:
    NormStage(const StepView& step, const Norm& n, Rows x, NormConstants weight, NormConstants bias, ActivationRows out)
        : RowStage(step, x.rows, 2 * x.cols, n.outputRowsOnly), kind_(n.kind), eps_(n.eps),
          group_(n.groupCols > 0 ? n.groupCols : x.cols), x_(x), weight_(weight), bias_(bias), out_(out) {}

private:
    struct Statistics {
        float mean, inverse;
    };

    Statistics statistics(const float* x) const {
        const double n = double(group_);
        const float mean = kind_ == NormKind::Layer ? float(kernels().sumOf(x, group_) / n) : 0.0f;
        const double variance = kernels().sumOfSquares(x, group_, mean) / n;
        return {mean, float(1.0 / std::sqrt(variance + double(eps_)))};
    }

    void runRow(int64_t r, std::byte* scratch) const override {
        const float* x = x_.f32(r);
        if (group_ == x_.cols) {
            runWhole(x, r, scratch);
            return;
        }
        float* y = out_.f32 ? out_.f32.f32(r) : reinterpret_cast<float*>(scratch);
        for (int64_t c = 0; c < x_.cols; c += group_) {
            const Statistics s = statistics(x + c);
            kernels().normalize(x + c, group_, s.mean, s.inverse, at(weight_, c), at(bias_, c), y + c);
        }
        if (out_.q8)
            kernels().quantize(y, x_.cols, out_.q8.a8(r));
    }

    /// Constants of the group that begins at column c.
    const float* at(const NormConstants& n, int64_t c) const { return n.data && n.step > 0 ? n.data + c : n.data; }

    /// 256 columns at a time, so that what is quantized is still in the nearest cache.
    void runWhole(const float* x, int64_t r, std::byte* scratch) const {
        const Statistics s = statistics(x);
        for (int64_t c = 0; c < x_.cols; c += 256) {
            const int64_t n = std::min<int64_t>(256, x_.cols - c);
            float* y = out_.f32 ? out_.f32.f32(r) + c : reinterpret_cast<float*>(scratch);
            kernels().normalize(x + c, n, s.mean, s.inverse, weight_.data ? weight_.data + c : nullptr,
                                bias_.data ? bias_.data + c : nullptr, y);
            if (out_.q8)
                kernels().quantize(y, n, out_.q8.a8(r) + c / 256);
        }
    }

    NormKind kind_;
    float eps_;
    int64_t group_;
    Rows x_;
    NormConstants weight_, bias_;
    ActivationRows out_;
};

class RopeTableStage : public RowStage {
public:
    RopeTableStage(const StepView& step, const RopeTableSpec& spec, int64_t capacity, float* table)
        : RowStage(step, capacity, 32 * spec.dims, false), spec_(spec), table_(table) {
        for (int i = 0; i < spec.dims / 2; ++i)
            frequencies_.push_back(float(1.0 / std::pow(double(spec.theta), 2.0 * i / spec.dims)));
    }

private:
    void runRow(int64_t r, std::byte*) const override {
        const int half = spec_.dims / 2;
        float* table = table_ + r * spec_.dims;
        const float* factors = factorsOf(r);
        for (int i = 0; i < half; ++i) {
            const float frequency = factors ? frequencies_[size_t(i)] / factors[i] : frequencies_[size_t(i)];
            const double angle = double(float(step_.positions.index(r)) * frequency); // f32, as models were trained
            table[i] = float(std::cos(angle)) * spec_.attentionFactor;
            table[half + i] = float(std::sin(angle)) * spec_.attentionFactor;
        }
    }

    const float* factorsOf(int64_t r) const {
        if (!spec_.factors)
            return nullptr;
        const int64_t set = step_.ropeSets ? std::clamp<int64_t>(step_.ropeSets.index(r), 0, spec_.sets - 1) : 0;
        return reinterpret_cast<const float*>(reinterpret_cast<const std::byte*>(spec_.factors) +
                                              uint64_t(set) * spec_.factorStride);
    }

    RopeTableSpec spec_;
    float* table_; // (capacity, dims)
    std::vector<float> frequencies_;
};

class RopeStage : public RowStage {
public:
    RopeStage(const StepView& step, const Rope& rope, Rows x, const float* table)
        : RowStage(step, x.rows, 2 * x.cols, false), x_(x), heads_(rope.heads), headDim_(rope.headDim),
          first_(rope.first), dims_(rope.dims), rotate_(kernels().rope[size_t(rope.order)]), table_(table) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        for (int h = 0; h < heads_; ++h)
            rotate_(x_.f32(r) + int64_t(h) * headDim_ + first_, table_ + r * dims_, dims_ / 2);
    }

    Rows x_;
    int heads_, headDim_, first_, dims_;
    void (*rotate_)(float*, const float*, int);
    const float* table_;
};

class StoreKvStage : public RowStage {
public:
    StoreKvStage(const StepView& step, Rows k, Rows v, const KvPages& kv)
        : RowStage(step, k.rows, k.cols + v.cols, false), k_(k), v_(v), kv_(kv),
          store_(kernels().store[size_t(kv.type)]) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        const int64_t position = std::clamp<int64_t>(step_.positions.index(r), 0, kv_.capacity() - 1);
        std::byte* page = kv_.page(step_.sequences.index(r), position / kv_.pageTokens);
        const int token = int(position % kv_.pageTokens);
        for (int h = 0; h < kv_.heads; ++h) {
            store_(k_.f32(r) + int64_t(h) * kv_.kDim, kv_.key(page, h, token), kv_.kDim);
            if (!kv_.latent)
                store_(v_.f32(r) + int64_t(h) * kv_.vDim, kv_.value(page, h, token), kv_.vDim);
        }
    }

    Rows k_, v_;
    KvPages kv_;
    void (*store_)(const float*, const CacheRow&, int64_t);
};

class AddStage : public RowStage {
public:
    AddStage(const StepView& step, Rows a, Rows b, Rows out, float scale)
        : RowStage(step, out.rows, 2 * out.cols, false), a_(a), b_(b), out_(out), scale_(scale) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        kernels().add(a_.f32(r), b_.f32(r), scale_, out_.f32(r), out_.cols);
    }

    Rows a_, b_, out_;
    float scale_;
};

class QuantizeStage : public RowStage {
public:
    QuantizeStage(const StepView& step, Rows x, int64_t group, Rows q8)
        : RowStage(step, x.rows, 2 * x.cols, false), x_(x), q8_(q8), group_(group > 0 ? group : x.cols) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        A8Block* out = q8_.a8(r);
        for (int64_t c = 0; c < x_.cols; c += group_, out += blocksOf(group_))
            kernels().quantize(x_.f32(r) + c, group_, out);
    }

    Rows x_, q8_;
    int64_t group_;
};

/// Tiles are rows x slices of columns: one generated token is work for several threads too.
class ActivateStage : public PlanStage {
public:
    ActivateStage(const StepView& step, Path path, const Activate& a, Rows gate, Rows up, ActivationRows out)
        : PlanStage(step), function_(kernels().activate[size_t(a.kind)]), gate_(gate), up_(up), out_(out),
          slots_(a.rowSlots), slices_((gate.cols + kSlice - 1) / kSlice),
          rowsPerTile_(path == Path::Decode ? 1 : std::clamp<int64_t>(8192 / gate.cols, 1, 16)) {}

    int64_t tiles() const override { return (liveRows() + rowsPerTile_ - 1) / rowsPerTile_ * slices_; }

    void run(int64_t tile, std::byte* scratch) const override {
        const int64_t first = tile / slices_ * rowsPerTile_, begin = tile % slices_ * kSlice;
        const int64_t end = std::min(liveRows(), first + rowsPerTile_);
        for (int64_t r = first; r < end; ++r)
            for (int64_t c = begin; c < std::min(begin + kSlice, gate_.cols); c += 256)
                runBlock(r, c, scratch);
    }

private:
    static constexpr int64_t kSlice = 2048;

    int64_t liveRows() const { return std::min(int64_t(step_.live.rows) * slots_, gate_.rows); }

    void runBlock(int64_t r, int64_t c, std::byte* scratch) const {
        const int64_t n = std::min<int64_t>(256, gate_.cols - c);
        float* y = out_.f32 ? out_.f32.f32(r) + c : reinterpret_cast<float*>(scratch);
        function_(gate_.f32(r) + c, up_ ? up_.f32(r) + c : nullptr, y, n);
        if (out_.q8)
            kernels().quantize(y, n, out_.q8.a8(r) + c / 256);
    }

    void (*function_)(const float*, const float*, float*, int64_t);
    Rows gate_, up_;
    ActivationRows out_;
    int slots_;
    int64_t slices_, rowsPerTile_;
};

} // namespace

StagePtr makeGather(const StepView& step, const Gather& g, Rows table, Rows out) {
    return std::make_unique<GatherStage>(step, g, table, out);
}

StagePtr makePickRows(const StepView& step, Rows x, Rows out) {
    return std::make_unique<PickRowsStage>(step, x, out);
}

StagePtr makeNorm(const StepView& step, const Norm& n, Rows x, NormConstants weight, NormConstants bias,
                  ActivationRows out) {
    return std::make_unique<NormStage>(step, n, x, weight, bias, out);
}

StagePtr makeRopeTable(const StepView& step, const RopeTableSpec& spec, int64_t capacity, float* table) {
    return std::make_unique<RopeTableStage>(step, spec, capacity, table);
}

StagePtr makeRope(const StepView& step, const Rope& rope, Rows x, const float* table) {
    return std::make_unique<RopeStage>(step, rope, x, table);
}

StagePtr makeStoreKv(const StepView& step, Rows k, Rows v, const KvPages& kv) {
    return std::make_unique<StoreKvStage>(step, k, v, kv);
}

StagePtr makeActivate(const StepView& step, Path path, const Activate& a, Rows gate, Rows up, ActivationRows out) {
    return std::make_unique<ActivateStage>(step, path, a, gate, up, out);
}

StagePtr makeAdd(const StepView& step, Rows a, Rows b, Rows out, float scale) {
    return std::make_unique<AddStage>(step, a, b, out, scale);
}

StagePtr makeQuantize(const StepView& step, Rows x, int64_t groupCols, Rows q8) {
    return std::make_unique<QuantizeStage>(step, x, groupCols, q8);
}

} // namespace hearth::kernels::cpu
