#include "kernels/cpu/recurrent_stages.h"

#include <algorithm>
#include <cmath>

namespace hearth::kernels::cpu {

float* StatePages::state(int32_t sequence) const {
    const int64_t row = std::clamp<int64_t>(sequence, 0, table.rows - 1);
    const int32_t page = *reinterpret_cast<const int32_t*>(table.row(row));
    return reinterpret_cast<float*>(data + uint64_t(std::clamp<int64_t>(page, 0, pages - 1)) * pageBytes);
}

namespace {

/// A stage whose tiles go through all rows, one sequence after the other.
class SequenceStage : public PlanStage {
public:
    SequenceStage(const StepView& step, int64_t capacity) : PlanStage(step), capacity_(capacity) {}

protected:
    int64_t liveRows() const { return std::min<int64_t>(capacity_, step_.live.rows); }

    /// Calls f(first row, one past the last, begins: the sequence has no past) for each sequence.
    template <typename F>
    void forEachSequence(const F& f) const {
        const int64_t rows = liveRows();
        for (int64_t r = 0; r < rows;) {
            int64_t end = r + 1;
            while (end < rows && step_.sequences.index(end) == step_.sequences.index(r))
                ++end;
            f(r, end, step_.positions.index(r) <= 0);
            r = end;
        }
    }

private:
    int64_t capacity_;
};

/// Tiles are slices of channels.
class CausalConvStage : public SequenceStage {
public:
    CausalConvStage(const StepView& step, const CausalConv& op, Rows x, Rows weight, const float* bias, Rows out,
                    const StatePages& state)
        : SequenceStage(step, std::min(x.rows, out.rows)), x_(x), weight_(weight), bias_(bias), out_(out),
          silu_(op.silu), state_(state), inputs_(int(weight.cols)) {}

    int64_t tiles() const override { return liveRows() > 0 ? (x_.cols + sliceColumns() - 1) / sliceColumns() : 0; }

    void run(int64_t tile, std::byte* scratch) const override {
        const int64_t c = tile * sliceColumns(), n = std::min(sliceColumns(), x_.cols - c);
        auto* weights = reinterpret_cast<float*>(scratch); // (kernel, n)
        for (int64_t i = 0; i < n; ++i)
            for (int j = 0; j < inputs_; ++j)
                weights[j * n + i] = weight_.f32(c + i)[j];
        forEachSequence([&](int64_t first, int64_t end, bool begins) {
            float* state = state_.state(step_.sequences.index(first)) + c;
            if (begins)
                for (int j = 0; j < inputs_ - 1; ++j)
                    std::fill_n(state + j * x_.cols, n, 0.0f);
            for (int64_t r = first; r < end; ++r)
                runRow({.state = state, .first = first, .column = c, .columns = n}, weights, r);
            // Ascending: what is read lies behind what was written.
            for (int j = 0; j < inputs_ - 1; ++j)
                std::copy_n(input(state, first, c, end - (inputs_ - 1) + j), n, state + j * x_.cols);
        });
    }

private:
    struct Slice {
        const float* state;
        int64_t first; // row of the sequence in this batch
        int64_t column, columns;
    };

    /// About 32,768 numbers a tile.
    int64_t sliceColumns() const {
        return std::clamp<int64_t>(32768 / std::max<int64_t>(liveRows(), 1) / 16 * 16, 64, 1024);
    }

    /// Columns of row r from c on; rows before `first` come from the state.
    const float* input(const float* state, int64_t first, int64_t c, int64_t r) const {
        return r < first ? state + (inputs_ - 1 + r - first) * x_.cols : x_.f32(r) + c;
    }

    void runRow(const Slice& s, const float* weights, int64_t r) const {
        float* __restrict out = out_.f32(r) + s.column;
        for (int j = 0; j < inputs_; ++j) {
            const float* __restrict x = input(s.state, s.first, s.column, r - (inputs_ - 1) + j);
            const float* __restrict w = weights + j * s.columns;
            if (j == 0)
                for (int64_t i = 0; i < s.columns; ++i)
                    out[i] = w[i] * x[i];
            else
                for (int64_t i = 0; i < s.columns; ++i)
                    out[i] += w[i] * x[i];
        }
        if (bias_)
            for (int64_t i = 0; i < s.columns; ++i)
                out[i] += bias_[s.column + i];
        if (silu_)
            kernels().activate[size_t(ActivationKind::Silu)](out, nullptr, out, s.columns);
    }

    Rows x_, weight_;
    const float* bias_;
    Rows out_;
    bool silu_;
    StatePages state_;
    int inputs_; // of one output: `kernel`
};

/// Tiles are (value head, slice of its columns): the columns of a state do not know each other.
class DeltaNetStage : public SequenceStage {
public:
    DeltaNetStage(const StepView& step, const DeltaNetSpec& spec, int64_t capacity)
        : SequenceStage(step, capacity), d_(spec), slices_((spec.vDim + kSlice - 1) / kSlice) {}

    int64_t tiles() const override { return liveRows() > 0 ? int64_t(d_.valueHeads) * slices_ : 0; }

    void run(int64_t tile, std::byte* scratch) const override {
        const int head = int(tile / slices_), column = int(tile % slices_) * kSlice;
        const int columns = std::min(kSlice, d_.vDim - column);
        auto* q = reinterpret_cast<float*>(scratch);
        float* k = q + d_.kDim;
        forEachSequence([&](int64_t first, int64_t end, bool begins) {
            float* state = d_.state.state(step_.sequences.index(first)) + int64_t(head) * d_.kDim * d_.vDim + column;
            if (begins)
                for (int i = 0; i < d_.kDim; ++i)
                    std::fill_n(state + int64_t(i) * d_.vDim, columns, 0.0f);
            for (int64_t r = first; r < end; ++r) {
                const int64_t at = int64_t(keyHead(head)) * d_.kDim, to = int64_t(head) * d_.vDim + column;
                normalize(d_.q.f32(r) + at, 1.0 / std::sqrt(double(d_.kDim)), q);
                normalize(d_.k.f32(r) + at, 1.0, k);
                kernels().deltaStep({.state = state,
                                     .stateStride = d_.vDim,
                                     .q = q,
                                     .k = k,
                                     .v = d_.v.f32(r) + to,
                                     .decay = decay(r, head),
                                     .beta = 1.0f / (1.0f + std::exp(-d_.beta.f32(r)[head])),
                                     .out = d_.out.f32(r) + to,
                                     .dk = d_.kDim,
                                     .columns = columns});
            }
        });
    }

private:
    static constexpr int kSlice = 64;

    int keyHead(int head) const { return d_.tiled ? head % d_.keyHeads : head / (d_.valueHeads / d_.keyHeads); }

    void normalize(const float* x, double scale, float* out) const {
        const double squares = kernels().sumOfSquares(x, d_.kDim, 0.0f);
        kernels().normalize(x, d_.kDim, 0.0f, float(scale / std::sqrt(squares + 1e-6)), nullptr, nullptr, out);
    }

    float decay(int64_t r, int head) const {
        const float x = d_.alpha.f32(r)[head] + d_.dtBias[head];
        const float softplus = x > 20.0f ? x : std::log1p(std::exp(x));
        return std::exp(d_.a[head] * softplus);
    }

    DeltaNetSpec d_;
    int slices_;
};

} // namespace

StagePtr makeCausalConv(const StepView& step, const CausalConv& op, Rows x, Rows weight, const float* bias, Rows out,
                        const StatePages& state) {
    return std::make_unique<CausalConvStage>(step, op, x, weight, bias, out, state);
}

StagePtr makeDeltaNet(const StepView& step, const DeltaNetSpec& spec, int64_t capacity) {
    return std::make_unique<DeltaNetStage>(step, spec, capacity);
}

} // namespace hearth::kernels::cpu
