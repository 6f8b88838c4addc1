#include "engine/drafter.h"

#include "engine/clock.h"

#include <algorithm>
#include <utility>

namespace hearth::engine {

bool sameVocabulary(const Tokenizer& a, const Tokenizer& b) {
    const auto padding = [](const Tokenizer& t, TokenId id) {
        return t.kind(id) == TokenKind::Unused || t.kind(id) == TokenKind::Control;
    };
    const TokenId both = std::min(a.size(), b.size());
    for (TokenId id = 0; id < both; ++id)
        if (a.tokenText(id) != b.tokenText(id) && !(padding(a, id) && padding(b, id)))
            return false;
    const Tokenizer& longer = a.size() > b.size() ? a : b;
    for (TokenId id = both; id < longer.size(); ++id)
        if (!padding(longer, id))
            return false;
    return both > 0;
}

void Drafter::forget() {
    if (kv_ >= 0)
        m_.cache().drop(std::exchange(kv_, -1));
}

/// Makes the cache hold a part of `history` and nothing else. False: this model cannot.
bool Drafter::follow(std::span<const TokenId> history) {
    KvCache& cache = m_.cache();
    if (kv_ >= 0 && cache.space(kv_) != m_.space(history.size()))
        forget();
    if (kv_ >= 0) {
        const std::span<const TokenId> known = cache.tokens(kv_);
        const auto parted = std::mismatch(known.begin(), known.end(), history.begin(), history.end()).first;
        // The last token is fed always: what follows it is wanted.
        const auto same = std::min<int64_t>(parted - known.begin(), static_cast<int64_t>(history.size()) - 1);
        if (same < cache.length(kv_) && !cache.truncate(kv_, static_cast<int>(same)))
            forget();
    }
    if (kv_ < 0) {
        kv_ = cache.open(m_.space(history.size()));
        if (kv_ >= 0)
            cache.reuse(kv_, history, static_cast<int>(history.size()) - 1);
    }
    return kv_ >= 0;
}

/// Feeds a chunk of what is not in the cache yet. False: more is left, or it cannot be.
bool Drafter::read(std::span<const TokenId> history, const std::atomic<bool>* cancel) {
    const int position = m_.cache().length(kv_);
    const std::span<const TokenId> rest = history.subspan(static_cast<size_t>(position));
    if (rest.size() <= kDecodeRows)
        return decode(rest, position, cancel);
    const int n = m_.pace().chunk(position, static_cast<int>(rest.size()), kSharedChunkSeconds);
    if (!m_.prepare(kv_, n))
        return false;
    std::vector<StepRow> rows;
    for (int i = 0; i < n; ++i)
        rows.push_back({.id = rest[static_cast<size_t>(i)], .position = position + i, .sequence = kv_});
    const auto begin = Clock::now();
    if (m_.runner().prefill({.rows = rows}, cancel, [](size_t, std::span<float>) {}) != kernels::RunEnd::Done)
        return false;
    m_.pace().measured(n, secondsSince(begin));
    m_.cache().commit(kv_, rest.first(static_cast<size_t>(n)));
    return false;
}

/// Feeds some tokens and keeps the logits of the last.
bool Drafter::decode(std::span<const TokenId> tokens, int position, const std::atomic<bool>* cancel) {
    if (!m_.prepare(kv_, static_cast<int>(tokens.size())))
        return false;
    std::vector<StepRow> rows;
    for (size_t i = 0; i < tokens.size(); ++i)
        rows.push_back({.id = tokens[i], .position = position + static_cast<int>(i), .sequence = kv_});
    const auto begin = Clock::now();
    const bool ran = m_.runner().decode(rows, cancel, [&](size_t i, std::span<float> logits) {
        if (i + 1 == rows.size())
            logits_.assign(logits.begin(), logits.end());
    });
    if (!ran)
        return false;
    m_.rowPace().measured(static_cast<int>(rows.size()), secondsSince(begin));
    m_.cache().commit(kv_, tokens);
    return true;
}

std::span<const TokenId> Drafter::guess(std::span<const TokenId> history, int most, int nVocab, const Draw& draw,
                                        const std::atomic<bool>* cancel) {
    const int room = m_.info().contextTokens - static_cast<int>(history.size());
    most = std::min(most, room);
    if (m_.cache().hasStates() || m_.checkpoint().changed() || most < 1 || history.empty() || !follow(history))
        return {};
    if (!read(history, cancel))
        return {};
    text_.assign(history.begin(), history.end());
    for (int i = 0; i < most; ++i) {
        if (i > 0 && !decode({&text_.back(), 1}, static_cast<int>(text_.size()) - 1, cancel))
            break;
        const size_t known = std::min(logits_.size(), static_cast<size_t>(std::max(0, nVocab)));
        const TokenId id = draw(std::span(logits_).first(known), text_);
        if (id < 0)
            break;
        text_.push_back(id);
    }
    return std::span(text_).subspan(history.size());
}

} // namespace hearth::engine
