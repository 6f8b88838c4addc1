#include "kernels/cpu/expert_stages.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace hearth::kernels::cpu {

int64_t RoutingRows::live(const StepView& step, int64_t capacity) const {
    return std::min(int64_t(step.live.rows) * rowSlots, capacity);
}

RoutingRows::Range RoutingRows::placesOf(int64_t expert, int64_t live) const {
    const int64_t begin = std::clamp<int64_t>(begins.index(expert), 0, live);
    return {begin, std::clamp<int64_t>(begins.index(expert + 1), begin, live)};
}

int64_t RoutingRows::rowAt(int64_t place) const {
    return std::clamp<int64_t>(order.index(place) / rowSlots, 0, experts.rows - 1);
}

int64_t RoutingRows::expertAt(int64_t place) const {
    const int64_t slot = std::clamp<int64_t>(order.index(place) % rowSlots, 0, rowSlots - 1);
    const auto* chosen = reinterpret_cast<const int32_t*>(experts.row(rowAt(place)));
    return std::clamp<int64_t>(chosen[slot], 0, count - 1);
}

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// NaN is the least of numbers: whatever the logits are, the choice is one of existing experts.
float ordered(float x) {
    return std::isnan(x) ? kMinusInfinity : x;
}

/// Parts of e^(x_i - max) that infinities do not make NaN.
float shareOf(float x, float max) {
    return x == max ? 1.0f : std::exp(x - max);
}

float sigmoid(float x) {
    return 1.0f / (1.0f + std::exp(-x));
}

void softmax(float* x, int64_t n) {
    const float max = *std::max_element(x, x + n);
    float sum = 0;
    for (int64_t i = 0; i < n; ++i)
        sum += x[i] = shareOf(x[i], max);
    for (int64_t i = 0; i < n; ++i)
        x[i] /= sum;
}

/// Index of the largest number that is not taken, the first of equals; `taken` has one that is not.
int64_t bestOf(const float* x, const uint8_t* taken, int64_t n) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; ++i)
        if (!taken[i] && (best < 0 || x[i] > x[best]))
            best = i;
    return best;
}

class RouteStage : public RowStage {
public:
    RouteStage(const StepView& step, const Route& r, Rows logits, const float* choiceBias, const RoutingRows& out,
               int64_t capacity)
        : RowStage(step, capacity, logits.cols * (r.rowSlots + 8), false), gate_(r.gate), slots_(r.rowSlots),
          groups_(r.groups), topGroups_(r.topGroups), groupScore_(r.groupScore), normalize_(r.normalize),
          scale_(r.scale), logits_(logits), choiceBias_(choiceBias), out_(out) {}

private:
    void runRow(int64_t r, std::byte* scratch) const override {
        const int64_t n = logits_.cols;
        auto* scores = reinterpret_cast<float*>(scratch);
        float *choice = scores + n, *groups = choice + n;
        auto* taken = reinterpret_cast<uint8_t*>(groups + groups_);
        score(logits_.f32(r), scores, n);
        for (int64_t e = 0; e < n; ++e)
            choice[e] = choiceBias_ ? ordered(scores[e] + choiceBias_[e]) : scores[e];
        std::memset(taken, 0, size_t(n + groups_));
        if (topGroups_ < groups_)
            leaveOut(choice, groups, taken, n);
        auto* experts = reinterpret_cast<int32_t*>(out_.experts.row(r));
        float* weights = out_.weights.f32(r);
        for (int s = 0; s < slots_; ++s) {
            const int64_t e = bestOf(choice, taken, n);
            taken[e] = 1;
            experts[s] = int32_t(e);
            weights[s] = scores[e];
        }
        weigh(weights);
    }

    void score(const float* logits, float* scores, int64_t n) const {
        for (int64_t e = 0; e < n; ++e)
            scores[e] = ordered(logits[e]);
        if (gate_ == GateKind::Softmax)
            softmax(scores, n);
        else if (gate_ == GateKind::Sigmoid)
            std::transform(scores, scores + n, scores, sigmoid);
    }

    /// Takes away the experts of all groups but the best.
    void leaveOut(const float* choice, float* groups, uint8_t* taken, int64_t n) const {
        const int64_t size = n / groups_;
        for (int g = 0; g < groups_; ++g)
            groups[g] = scoreOfGroup(choice + g * size, size);
        uint8_t* chosen = taken + n;
        for (int i = 0; i < topGroups_; ++i)
            chosen[bestOf(groups, chosen, groups_)] = 1;
        for (int g = 0; g < groups_; ++g)
            std::memset(taken + g * size, chosen[g] ? 0 : 1, size_t(size));
    }

    float scoreOfGroup(const float* choice, int64_t size) const {
        float best = kMinusInfinity, second = kMinusInfinity;
        for (int64_t i = 0; i < size; ++i)
            if (choice[i] > best)
                second = best, best = choice[i];
            else
                second = std::max(second, choice[i]);
        return groupScore_ == GroupScore::Best || size < 2 ? best : ordered(best + second);
    }

    void weigh(float* weights) const {
        if (gate_ == GateKind::SoftmaxOfChosen)
            softmax(weights, slots_);
        float sum = 0;
        for (int s = 0; s < slots_; ++s)
            sum += weights[s];
        const float divisor = normalize_ && sum > 0 ? sum : 1.0f;
        for (int s = 0; s < slots_; ++s)
            weights[s] = weights[s] / divisor * scale_;
    }

    GateKind gate_;
    int slots_, groups_, topGroups_;
    GroupScore groupScore_;
    bool normalize_;
    float scale_;
    Rows logits_;
    const float* choiceBias_;
    RoutingRows out_;
};

/// Counting sort of all rowSlots by expert, in the order of rows, then rowSlots. One tile: it is short, and all wait
/// for it.
class SortByExpertStage : public PlanStage {
public:
    SortByExpertStage(const StepView& step, const RoutingRows& out, int64_t capacity)
        : PlanStage(step), out_(out), capacity_(capacity) {}

    int64_t tiles() const override { return 1; }

    void run(int64_t, std::byte*) const override {
        auto* begins = reinterpret_cast<int32_t*>(out_.begins.data);
        auto* order = reinterpret_cast<int32_t*>(out_.order.data);
        const int64_t rows = std::min<int64_t>(step_.live.rows, capacity_);
        std::fill_n(begins, out_.count + 1, 0);
        for (int64_t r = 0; r < rows; ++r)
            for (int s = 0; s < out_.rowSlots; ++s)
                ++begins[expertOf(r, s) + 1];
        for (int64_t e = 0; e < out_.count; ++e)
            begins[e + 1] += begins[e];
        for (int64_t r = 0; r < rows; ++r) // begins[e] runs to the end of e's places, where those of e + 1 begin
            for (int s = 0; s < out_.rowSlots; ++s) {
                const int32_t place = begins[expertOf(r, s)]++;
                order[place] = int32_t(r * out_.rowSlots + s);
                reinterpret_cast<int32_t*>(out_.places.row(r))[s] = place;
            }
        std::copy_backward(begins, begins + out_.count, begins + out_.count + 1);
        begins[0] = 0;
    }

private:
    int64_t expertOf(int64_t r, int s) const {
        return std::clamp<int64_t>(reinterpret_cast<const int32_t*>(out_.experts.row(r))[s], 0, out_.count - 1);
    }

    RoutingRows out_;
    int64_t capacity_;
};

class DispatchStage : public RowStage {
public:
    DispatchStage(const StepView& step, ActivationRows x, const RoutingRows& routing, ActivationRows out,
                  int64_t capacity)
        : RowStage(step, capacity, out.f32 ? out.f32.cols : out.q8.cols, false, routing.rowSlots), x_(x),
          routing_(routing), out_(out) {}

private:
    void runRow(int64_t place, std::byte*) const override {
        const int64_t r = routing_.rowAt(place);
        if (out_.f32)
            std::memcpy(out_.f32.row(place), x_.f32.row(r), size_t(out_.f32.cols) * 4);
        if (out_.q8)
            std::memcpy(out_.q8.row(place), x_.q8.row(r), size_t(blocksOf(out_.q8.cols)) * sizeof(A8Block));
    }

    ActivationRows x_;
    RoutingRows routing_;
    ActivationRows out_;
};

/// Generated tokens: tiles are (expert, group of its weight rows), each read once for all rows that chose the expert.
class ExpertMatVecStage : public PlanStage {
public:
    ExpertMatVecStage(const StepView& step, ExpertProduct product, int threads)
        : PlanStage(step), p_(std::move(product)) {
        uint64_t total = 0; // that one token reads
        for (const ExpertPart& part : p_.parts)
            total += part.weights[0].stride * uint64_t(part.weights[0].rows) * uint64_t(p_.routing.rowSlots);
        // Tiles are alike, for an expert's do not know how many experts come after it.
        for (const ExpertPart& part : p_.parts) {
            const Rows& w = part.weights[0];
            outputsPerTile_.push_back(outputsOfTile(total / uint64_t(8 * threads), w.stride));
            tilesPerExpert_ += (w.rows + outputsPerTile_.back() - 1) / outputsPerTile_.back();
        }
    }

    int64_t tiles() const override { return units() * tilesPerExpert_; }

    void run(int64_t tile, std::byte*) const override {
        const int64_t live = p_.routing.live(step_, p_.capacity), unit = tile / tilesPerExpert_;
        // With few places a unit is a place, and the first place of an expert stands for it.
        const int64_t expert = live < p_.routing.count ? p_.routing.expertAt(unit) : unit;
        const RoutingRows::Range places = p_.routing.placesOf(expert, live);
        if (places.begin == places.end || (live < p_.routing.count && places.begin != unit))
            return;
        int64_t group = tile % tilesPerExpert_;
        for (size_t i = 0; i < p_.parts.size(); ++i) {
            const int64_t count = (p_.parts[i].weights[0].rows + outputsPerTile_[i] - 1) / outputsPerTile_[i];
            if (group < count) {
                runPart(p_.parts[i], expert, places, group * outputsPerTile_[i], outputsPerTile_[i]);
                return;
            }
            group -= count;
        }
    }

private:
    int64_t units() const { return std::min(p_.routing.live(step_, p_.capacity), p_.routing.count); }

    void runPart(const ExpertPart& part, int64_t expert, RoutingRows::Range places, int64_t first,
                 int64_t outputs) const {
        const Rows& weight = part.weights[size_t(expert)];
        const bool int8 = usesInt8(p_.x, weight.type);
        const Rows& x = int8 ? p_.x.q8 : p_.x.f32;
        const auto function = (int8 ? kernels().matvecInt8 : kernels().matvecF32)[size_t(weight.type)];
        for (int64_t r = places.begin; r < places.end; r += kMatVecRows)
            function({.weights = weight.row(first),
                      .weightStride = weight.stride,
                      .outputs = std::min(outputs, weight.rows - first),
                      .k = weight.cols,
                      .x = x.row(r),
                      .xStride = x.stride,
                      .rows = int(std::min<int64_t>(kMatVecRows, places.end - r)),
                      .out = part.out.f32(r) + first,
                      .outStride = int64_t(part.out.stride / 4),
                      .bias = part.bias ? part.bias.f32(expert) + first : nullptr,
                      .accumulate = false,
                      .scales = scalesFrom(weight.scales, first, 0)});
    }

    ExpertProduct p_;
    std::vector<int64_t> outputsPerTile_; // by part
    int64_t tilesPerExpert_ = 0;
};

/// Prompt tokens: tiles are (block of an expert's rows, panel of its outputs). How many blocks there are is known only
/// after routing: at most one an expert more than there are whole ones.
class ExpertGemmStage : public PlanStage {
public:
    ExpertGemmStage(const StepView& step, ExpertProduct product) : PlanStage(step), p_(std::move(product)) {
        for (const ExpertPart& part : p_.parts)
            panels_ += panelsOf(part);
        blockRows_ = tileShape(p_.rounded ? PanelForm::Bf16 : PanelForm::F32, p_.parts.front().weights[0].cols,
                               p_.capacity, kPanelOutputs, 1)
                         .rows;
    }

    int64_t tiles() const override {
        const int64_t live = p_.routing.live(step_, p_.capacity);
        return (std::min(live, p_.routing.count) + live / blockRows_) * panels_;
    }

    void run(int64_t tile, std::byte* scratch) const override {
        const int64_t live = p_.routing.live(step_, p_.capacity);
        int64_t block = tile / panels_;
        for (int64_t e = 0; e < p_.routing.count; ++e) {
            const RoutingRows::Range places = p_.routing.placesOf(e, live);
            const int64_t blocks = (places.end - places.begin + blockRows_ - 1) / blockRows_;
            if (block < blocks) {
                const int64_t first = places.begin + block * blockRows_;
                runBlock(e, {first, std::min(places.end, first + blockRows_)}, tile % panels_, scratch);
                return;
            }
            block -= blocks;
        }
    }

private:
    static int64_t panelsOf(const ExpertPart& part) {
        return (part.weights[0].rows + kPanelOutputs - 1) / kPanelOutputs;
    }

    void runBlock(int64_t expert, RoutingRows::Range places, int64_t panel, std::byte* scratch) const {
        for (const ExpertPart& part : p_.parts) {
            if (panel >= panelsOf(part)) {
                panel -= panelsOf(part);
                continue;
            }
            const Rows& weight = part.weights[size_t(expert)];
            const bool int8 = !p_.rounded && usesInt8(p_.x, weight.type);
            const Rows& x = int8 ? p_.x.q8 : p_.x.f32;
            PanelProduct product{.weight = weight,
                                 .output = panel * kPanelOutputs,
                                 .outputs = kPanelOutputs,
                                 .form = int8 ? PanelForm::Int8 : PanelForm::F32,
                                 .x = x.row(places.begin),
                                 .xStride = x.stride,
                                 .low = 0,
                                 .rows = places.end - places.begin,
                                 .bias = part.bias ? part.bias.f32(expert) : nullptr,
                                 .out = part.out.row(places.begin),
                                 .outStride = part.out.stride,
                                 .accumulate = false};
            if (p_.rounded)
                readRounded(step_, p_.rounded, places.begin, part.rounded, product);
            multiplyPanels(kernels(), product, scratch);
            return;
        }
    }

    ExpertProduct p_;
    int64_t panels_ = 0, blockRows_ = 0;
};

/// Tiles are (row, slice of its columns).
class CombineStage : public PlanStage {
public:
    CombineStage(const StepView& step, const Combine& c, Rows y, const RoutingRows& routing, Rows shared,
                 Rows sharedGate, Rows out)
        : PlanStage(step), y_(y), routing_(routing), shared_(shared), sharedGate_(sharedGate), out_(out),
          accumulate_(c.accumulate), slices_((out.cols + kSlice - 1) / kSlice) {}

    int64_t tiles() const override { return std::min<int64_t>(step_.live.rows, out_.rows) * slices_; }

    void run(int64_t tile, std::byte* scratch) const override {
        const int64_t r = tile / slices_, c = tile % slices_ * kSlice, n = std::min(kSlice, out_.cols - c);
        auto* sum = reinterpret_cast<float*>(scratch);
        std::fill_n(sum, n, 0.0f);
        const auto* places = reinterpret_cast<const int32_t*>(routing_.places.row(r));
        for (int s = 0; s < routing_.rowSlots; ++s) {
            const int64_t place = std::clamp<int64_t>(places[s], 0, y_.rows - 1);
            kernels().add(sum, y_.f32(place) + c, routing_.weights.f32(r)[s], sum, n);
        }
        if (shared_)
            kernels().add(sum, shared_.f32(r) + c, sharedGate_ ? sigmoid(*sharedGate_.f32(r)) : 1.0f, sum, n);
        float* out = out_.f32(r) + c;
        if (accumulate_)
            kernels().add(out, sum, 1.0f, out, n);
        else
            std::copy_n(sum, n, out);
    }

private:
    static constexpr int64_t kSlice = 1024;

    Rows y_;
    RoutingRows routing_;
    Rows shared_, sharedGate_, out_;
    bool accumulate_;
    int64_t slices_;
};

} // namespace

uint64_t routeScratchBytes(int64_t experts, int64_t groups) {
    return uint64_t(experts) * 9 + uint64_t(groups) * 5;
}

StagePtr makeRoute(const StepView& step, const Route& r, Rows logits, const float* choiceBias, const RoutingRows& out,
                   int64_t capacity) {
    return std::make_unique<RouteStage>(step, r, logits, choiceBias, out, capacity);
}

StagePtr makeSortByExpert(const StepView& step, const RoutingRows& out, int64_t capacity) {
    return std::make_unique<SortByExpertStage>(step, out, capacity);
}

StagePtr makeDispatch(const StepView& step, ActivationRows x, const RoutingRows& routing, ActivationRows out,
                      int64_t capacity) {
    return std::make_unique<DispatchStage>(step, x, routing, out, capacity);
}

StagePtr makeExpertMatVec(const StepView& step, ExpertProduct product, int threads) {
    return std::make_unique<ExpertMatVecStage>(step, std::move(product), threads);
}

StagePtr makeExpertGemm(const StepView& step, ExpertProduct product) {
    return std::make_unique<ExpertGemmStage>(step, std::move(product));
}

StagePtr makeCombine(const StepView& step, const Combine& c, Rows y, const RoutingRows& routing, Rows shared,
                     Rows sharedGate, Rows out) {
    return std::make_unique<CombineStage>(step, c, y, routing, shared, sharedGate, out);
}

} // namespace hearth::kernels::cpu
