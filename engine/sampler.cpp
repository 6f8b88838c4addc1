#include "engine/sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace hearth::engine {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// NaN becomes the fallback, everything else is brought into the range.
float clamped(float value, float low, float high, float fallback) {
    return std::isnan(value) ? fallback : std::clamp(value, low, high);
}

/// SplitMix64's output function (Steele, Lea, Flood 2014): a bijection that scatters neighbouring inputs.
uint64_t scattered(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/// A number in [0, 1) that depends on (seed, position) only.
double drawAt(uint64_t seed, uint64_t position) {
    return static_cast<double>(scattered(scattered(seed) ^ (position * 0xD1342543DE82EF95u)) >> 11) * 0x1.0p-53;
}

} // namespace

SamplerSettings SamplerSettings::validated() const {
    SamplerSettings s = *this;
    s.temperature = clamped(temperature, 0.0f, 100.0f, 0.0f);
    s.topK = std::max(0, topK);
    s.topP = clamped(topP, 0.0f, 1.0f, 1.0f);
    s.minP = clamped(minP, 0.0f, 1.0f, 0.0f);
    s.repetitionPenalty = clamped(repetitionPenalty, 0.01f, 100.0f, 1.0f);
    s.frequencyPenalty = clamped(frequencyPenalty, -100.0f, 100.0f, 0.0f);
    s.presencePenalty = clamped(presencePenalty, -100.0f, 100.0f, 0.0f);
    s.penaltyWindow = std::max(-1, penaltyWindow);
    return s;
}

Sampler::Sampler(const SamplerSettings& settings) : settings_(settings.validated()) {
    if (settings_.seed == 0)
        settings_.seed = scattered(static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()));
}

uint64_t Sampler::seed() const {
    return settings_.seed;
}

void Sampler::penalize(std::span<float> logits, std::span<const int32_t> history) {
    const SamplerSettings& s = settings_;
    if (s.repetitionPenalty == 1.0f && s.frequencyPenalty == 0.0f && s.presencePenalty == 0.0f)
        return;
    if (s.penaltyWindow >= 0 && history.size() > static_cast<size_t>(s.penaltyWindow))
        history = history.last(static_cast<size_t>(s.penaltyWindow));
    recent_.clear();
    for (const int32_t id : history)
        if (id >= 0 && static_cast<size_t>(id) < logits.size())
            recent_.push_back(id);
    std::sort(recent_.begin(), recent_.end());
    for (size_t begin = 0; begin < recent_.size();) {
        size_t end = begin;
        while (end < recent_.size() && recent_[end] == recent_[begin])
            ++end;
        float& logit = logits[static_cast<size_t>(recent_[begin])];
        logit = logit > 0 ? logit / s.repetitionPenalty : logit * s.repetitionPenalty;
        logit -= static_cast<float>(end - begin) * s.frequencyPenalty + s.presencePenalty;
        begin = end;
    }
}

int32_t Sampler::sample(std::span<float> logits, std::span<const int32_t> history, uint64_t position) {
    penalize(logits, history);
    // One pass: the best, and what is not a number out of the way.
    size_t best = logits.size();
    size_t firstNumber = logits.size();
    for (size_t i = 0; i < logits.size(); ++i) {
        if (std::isnan(logits[i])) {
            logits[i] = kMinusInfinity;
            continue;
        }
        if (firstNumber == logits.size())
            firstNumber = i;
        if (logits[i] > kMinusInfinity && (best == logits.size() || logits[i] > logits[best]))
            best = i;
    }
    if (best == logits.size())
        return firstNumber == logits.size() ? 0 : static_cast<int32_t>(firstNumber);
    // +infinity leaves nothing to choose: differences to it are not numbers.
    if (settings_.temperature <= 0.0f || std::isinf(logits[best]))
        return static_cast<int32_t>(best);
    return draw(logits, best, position);
}

/// Collects the ids whose logits can matter. Everything that min-p (or float's range) would remove never enters.
void Sampler::collect(std::span<const float> logits, float best) {
    // exp(x) is 0 in float below -104; with min-p, p/pMax < minP is logit/T < best/T + ln(minP).
    const float drop = settings_.minP > 0 ? std::max(-104.0f, std::log(settings_.minP)) : -104.0f;
    const float least = best + drop * settings_.temperature;
    order_.clear();
    for (size_t i = 0; i < logits.size(); ++i)
        if (logits[i] >= least)
            order_.push_back(static_cast<int32_t>(i));
}

int32_t Sampler::draw(std::span<const float> logits, size_t best, uint64_t position) {
    const float top = logits[best];
    order_.reserve(logits.size()); // once: nothing is allocated for later tokens
    weights_.reserve(logits.size());
    collect(logits, top);
    const auto before = [&](int32_t x, int32_t y) {
        const float a = logits[static_cast<size_t>(x)], b = logits[static_cast<size_t>(y)];
        return a != b ? a > b : x < y; // ties by id, so that the order is the same on every machine
    };
    const auto k = static_cast<size_t>(settings_.topK);
    if (k > 0 && order_.size() > k) {
        std::nth_element(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(k - 1), order_.end(), before);
        order_.resize(k);
    }
    weights_.clear();
    double sum = 0;
    const auto weight = [&](int32_t id) {
        return std::exp((logits[static_cast<size_t>(id)] - top) / settings_.temperature);
    };
    for (const int32_t id : order_)
        sum += static_cast<double>(weight(id));
    const double threshold = settings_.topP < 1.0f ? sum * static_cast<double>(settings_.topP) : sum;
    // The nucleus is sorted from the front in growing pieces until its weight is reached: seldom the whole list.
    double reached = 0;
    size_t sorted = 0, kept = 0;
    while (kept < order_.size() && (kept == 0 || reached < threshold)) {
        if (kept == sorted) {
            const size_t next = std::min(order_.size(), std::max<size_t>(64, sorted * 4));
            const auto from = order_.begin() + static_cast<std::ptrdiff_t>(sorted);
            const auto to = order_.begin() + static_cast<std::ptrdiff_t>(next);
            if (next < order_.size())
                std::nth_element(from, to - 1, order_.end(), before);
            std::sort(from, to, before);
            sorted = next;
        }
        weights_.push_back(weight(order_[kept]));
        reached += static_cast<double>(weights_.back());
        ++kept;
    }
    double left = drawAt(settings_.seed, position) * reached;
    for (size_t i = 0; i < kept; ++i) {
        left -= static_cast<double>(weights_[i]);
        if (left < 0)
            return order_[i];
    }
    return order_[kept - 1];
}

} // namespace hearth::engine
