#include "engine/sampler.h"

#include "engine/grammar/matcher.h"

#include <algorithm>
#include <bit>
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

struct Best {
    size_t best;        // the lowest id with the largest logit above -infinity
    size_t firstNumber; // the lowest id whose logit is not NaN; both: the vocabulary's size where there is none
};

/// One pass: the best, and what is not a number out of the way.
Best findBest(std::span<float> logits) {
    Best out{logits.size(), logits.size()};
    for (size_t i = 0; i < logits.size(); ++i) {
        if (std::isnan(logits[i])) {
            logits[i] = kMinusInfinity;
            continue;
        }
        if (out.firstNumber == logits.size())
            out.firstNumber = i;
        if (logits[i] > kMinusInfinity && (out.best == logits.size() || logits[i] > logits[out.best]))
            out.best = i;
    }
    return out;
}

constexpr int kTriesBeforeMask = 2;       // the best tokens are asked for alone, then all
constexpr size_t kChecksBeforeMask = 256; // of candidates

bool isSet(std::span<const uint64_t> mask, size_t id) {
    return id / 64 < mask.size() && ((mask[id / 64] >> (id % 64)) & 1) != 0;
}

void applyMask(std::span<const uint64_t> mask, std::span<float> logits) {
    for (size_t begin = 0; begin < logits.size(); begin += 64) {
        const uint64_t word = begin / 64 < mask.size() ? mask[begin / 64] : 0;
        if (word == ~uint64_t{0})
            continue;
        const size_t end = std::min(begin + 64, logits.size());
        for (size_t id = begin; id < end; ++id)
            if (word == 0 || !isSet(mask, id))
                logits[id] = kMinusInfinity;
    }
}

/// The lowest id below `size` that is allowed; -1: none.
int32_t lowestOf(std::span<const uint64_t> mask, size_t size) {
    for (size_t i = 0; i < mask.size(); ++i)
        if (mask[i] != 0) {
            const size_t id = 64 * i + static_cast<size_t>(std::countr_zero(mask[i]));
            return id < size ? static_cast<int32_t>(id) : -1;
        }
    return -1;
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

int32_t Sampler::sample(std::span<float> logits, std::span<const int32_t> history, uint64_t position,
                        GrammarMatcher* grammar) {
    penalize(logits, history);
    Best found = findBest(logits);
    bool masked = false; // nothing that the grammar forbids is left
    for (int tries = 0; grammar && !masked && found.best < logits.size(); ++tries) {
        if (grammar->allows(static_cast<int32_t>(found.best)))
            break;
        logits[found.best] = kMinusInfinity;
        masked = tries == kTriesBeforeMask;
        if (masked)
            applyMask(grammar->mask(), logits);
        found = findBest(logits);
    }
    if (found.best == logits.size()) {
        if (grammar)
            return lowestOf(grammar->mask(), logits.size());
        return found.firstNumber == logits.size() ? 0 : static_cast<int32_t>(found.firstNumber);
    }
    // +infinity leaves nothing to choose: differences to it are not numbers.
    if (settings_.temperature <= 0.0f || std::isinf(logits[found.best]))
        return static_cast<int32_t>(found.best);
    return draw(logits, found.best, position, masked ? nullptr : grammar);
}

namespace {

/// The order of candidates: ties by id, so that it is the same on every machine.
struct Before {
    std::span<const float> logits;

    bool operator()(int32_t x, int32_t y) const {
        const float a = logits[static_cast<size_t>(x)], b = logits[static_cast<size_t>(y)];
        return a != b ? a > b : x < y;
    }
};

} // namespace

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

/// Leaves of the candidates those that the grammar allows, and with top-k at most so many of them: the best.
void Sampler::keepAllowed(std::span<const float> logits, GrammarMatcher& grammar) {
    const auto k = static_cast<size_t>(settings_.topK);
    size_t looked = 0, kept = 0;
    const auto enough = [&] { return k > 0 && kept == k; };
    while (looked < order_.size() && !enough() && looked < kChecksBeforeMask) {
        // The next best ones. Where all are looked at anyhow their order does not matter.
        size_t end = order_.size();
        if (end > kChecksBeforeMask) {
            if (k == 0)
                break;
            end = std::min(end, looked + std::max<size_t>(32, k));
            const auto from = order_.begin() + static_cast<std::ptrdiff_t>(looked);
            const auto to = order_.begin() + static_cast<std::ptrdiff_t>(end);
            std::nth_element(from, to - 1, order_.end(), Before{logits});
            std::sort(from, to, Before{logits});
        }
        for (; looked < end && (k == 0 || kept < k || end == order_.size()); ++looked)
            if (grammar.allows(order_[looked]))
                order_[kept++] = order_[looked];
    }
    if (looked == order_.size() || enough()) {
        order_.resize(kept);
        return;
    }
    // order_[kept, looked) was refused or has moved to the front.
    const std::span<const uint64_t> mask = grammar.mask();
    for (size_t i = looked; i < order_.size(); ++i)
        if (isSet(mask, static_cast<size_t>(order_[i])))
            order_[kept++] = order_[i];
    order_.resize(kept);
}

int32_t Sampler::draw(std::span<const float> logits, size_t best, uint64_t position, GrammarMatcher* grammar) {
    const float top = logits[best];
    order_.reserve(logits.size()); // once: nothing is allocated for later tokens
    weights_.reserve(logits.size());
    collect(logits, top);
    if (grammar)
        keepAllowed(logits, *grammar);
    const Before before{logits};
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
