#include "kernels/cpu/stages.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <cmath>

namespace hearth::kernels::cpu {

RowStage::RowStage(const StepView& step, int64_t capacity, int64_t work, bool outputsOnly)
    : PlanStage(step), capacity_(capacity),
      rowsPerTile_(std::clamp<int64_t>(16384 / std::max<int64_t>(work, 1), 1, 64)), outputsOnly_(outputsOnly) {}

int64_t RowStage::liveRows() const {
    return std::min<int64_t>(capacity_, outputsOnly_ ? step_.live.outputs : step_.live.rows);
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
    GatherStage(const StepView& step, Rows table, Rows out, float scale)
        : RowStage(step, out.rows, out.cols, false), table_(table), out_(out), scale_(scale),
          decode_(quantType(table.type).decode) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        const int64_t id = std::clamp<int64_t>(step_.ids.index(r), 0, table_.rows - 1);
        float* out = out_.f32(r);
        decode_(table_.row(id), out, out_.cols);
        if (scale_ != 1.0f)
            for (int64_t i = 0; i < out_.cols; ++i)
                out[i] *= scale_;
    }

    Rows table_, out_;
    float scale_;
    void (*decode_)(const void*, float*, int64_t);
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
    NormStage(const StepView& step, const Norm& n, Rows x, const float* weight, const float* bias, ActivationRows out)
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
            kernels().normalize(x + c, group_, s.mean, s.inverse, weight_, bias_, y + c);
        }
        if (out_.q8)
            kernels().quantize(y, x_.cols, out_.q8.a8(r));
    }

    /// 256 columns at a time, so that what is quantized is still in the nearest cache.
    void runWhole(const float* x, int64_t r, std::byte* scratch) const {
        const Statistics s = statistics(x);
        for (int64_t c = 0; c < x_.cols; c += 256) {
            const int64_t n = std::min<int64_t>(256, x_.cols - c);
            float* y = out_.f32 ? out_.f32.f32(r) + c : reinterpret_cast<float*>(scratch);
            kernels().normalize(x + c, n, s.mean, s.inverse, weight_ ? weight_ + c : nullptr,
                                bias_ ? bias_ + c : nullptr, y);
            if (out_.q8)
                kernels().quantize(y, n, out_.q8.a8(r) + c / 256);
        }
    }

    NormKind kind_;
    float eps_;
    int64_t group_;
    Rows x_;
    const float* weight_;
    const float* bias_;
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
        for (int i = 0; i < half; ++i) {
            const float frequency =
                spec_.factors ? frequencies_[size_t(i)] / spec_.factors[i] : frequencies_[size_t(i)];
            const double angle = double(float(step_.positions.index(r)) * frequency); // f32, as models were trained
            table[i] = float(std::cos(angle)) * spec_.attentionFactor;
            table[half + i] = float(std::sin(angle)) * spec_.attentionFactor;
        }
    }

    RopeTableSpec spec_;
    float* table_; // (capacity, dims)
    std::vector<float> frequencies_;
};

class RopeStage : public RowStage {
public:
    RopeStage(const StepView& step, const Rope& rope, Rows x, const float* table)
        : RowStage(step, x.rows, 2 * x.cols, false), x_(x), heads_(rope.heads), headDim_(rope.headDim),
          dims_(rope.dims), rotate_(kernels().rope[size_t(rope.order)]), table_(table) {}

private:
    void runRow(int64_t r, std::byte*) const override {
        for (int h = 0; h < heads_; ++h)
            rotate_(x_.f32(r) + int64_t(h) * headDim_, table_ + r * dims_, dims_ / 2);
    }

    Rows x_;
    int heads_, headDim_, dims_;
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
            store_(v_.f32(r) + int64_t(h) * kv_.vDim, kv_.value(page, h, token), kv_.vDim);
        }
    }

    Rows k_, v_;
    KvPages kv_;
    void (*store_)(const float*, std::byte*, int64_t);
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
    QuantizeStage(const StepView& step, Rows x, Rows q8) : RowStage(step, x.rows, 2 * x.cols, false), x_(x), q8_(q8) {}

private:
    void runRow(int64_t r, std::byte*) const override { kernels().quantize(x_.f32(r), x_.cols, q8_.a8(r)); }

    Rows x_, q8_;
};

/// Tiles are rows x slices of columns: one generated token is work for several threads too.
class ActivateStage : public PlanStage {
public:
    ActivateStage(const StepView& step, Path path, ActivationKind kind, Rows gate, Rows up, ActivationRows out)
        : PlanStage(step), function_(kernels().activate[size_t(kind)]), gate_(gate), up_(up), out_(out),
          slices_((gate.cols + kSlice - 1) / kSlice),
          rowsPerTile_(path == Path::Decode ? 1 : std::clamp<int64_t>(8192 / gate.cols, 1, 16)) {}

    int64_t tiles() const override {
        const int64_t rows = std::min<int64_t>(step_.live.rows, gate_.rows);
        return (rows + rowsPerTile_ - 1) / rowsPerTile_ * slices_;
    }

    void run(int64_t tile, std::byte* scratch) const override {
        const int64_t first = tile / slices_ * rowsPerTile_, begin = tile % slices_ * kSlice;
        const int64_t end = std::min<int64_t>({step_.live.rows, gate_.rows, first + rowsPerTile_});
        for (int64_t r = first; r < end; ++r)
            for (int64_t c = begin; c < std::min(begin + kSlice, gate_.cols); c += 256)
                runBlock(r, c, scratch);
    }

private:
    static constexpr int64_t kSlice = 2048;

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
    int64_t slices_, rowsPerTile_;
};

} // namespace

StagePtr makeGather(const StepView& step, Rows table, Rows out, float scale) {
    return std::make_unique<GatherStage>(step, table, out, scale);
}

StagePtr makePickRows(const StepView& step, Rows x, Rows out) {
    return std::make_unique<PickRowsStage>(step, x, out);
}

StagePtr makeNorm(const StepView& step, const Norm& n, Rows x, const float* weight, const float* bias,
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

StagePtr makeActivate(const StepView& step, Path path, ActivationKind kind, Rows gate, Rows up, ActivationRows out) {
    return std::make_unique<ActivateStage>(step, path, kind, gate, up, out);
}

StagePtr makeAdd(const StepView& step, Rows a, Rows b, Rows out, float scale) {
    return std::make_unique<AddStage>(step, a, b, out, scale);
}

StagePtr makeQuantize(const StepView& step, Rows x, Rows q8) {
    return std::make_unique<QuantizeStage>(step, x, q8);
}

} // namespace hearth::kernels::cpu
