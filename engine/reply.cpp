#include "engine/reply.h"

#include <algorithm>

namespace hearth::engine {

namespace {

double secondsBetween(Reply::Clock::time_point from, Reply::Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

/// Why a prompt cannot be served; empty: it can.
std::string refusalOf(std::span<const TokenId> prompt, int contextTokens, int nVocab) {
    if (prompt.empty())
        return "The prompt is empty.";
    if (prompt.size() > static_cast<size_t>(contextTokens))
        return "The prompt has " + std::to_string(prompt.size()) +
               " tokens, but the context of this model as loaded has " + std::to_string(contextTokens) + ".";
    const auto bad = std::find_if(prompt.begin(), prompt.end(), [&](TokenId id) { return id < 0 || id >= nVocab; });
    if (bad != prompt.end())
        return "The prompt holds the token " + std::to_string(*bad) + ", but the model knows only " +
               std::to_string(nVocab) + ".";
    return {};
}

} // namespace

Reply::Reply(SequenceId id, ModelId model, GenerationRequest request, std::shared_ptr<const ModelText> text, int nVocab)
    : begin(Clock::now()), firstToken(begin), id_(id), model_(model), request_(std::move(request)),
      text_(std::move(text)), tokens_(std::move(request_.prompt)), sampler_(request_.sampling) {
    summary_.promptTokens = static_cast<int>(std::min<size_t>(tokens_.size(), INT32_MAX));
    refusal_ = refusalOf(tokens_, text_->contextTokens, nVocab);
    splitter_ =
        std::make_unique<ThoughtSplitter>(*text_->tokenizer, *text_->chatTemplate, request_.promptText, tokens_);
}

void Reply::prefilled(int done, int computed) {
    if (begun())
        return; // the past of a reply that had to make room for another
    summary_.prefilledTokens += computed;
    if (request_.onPrefill)
        request_.onPrefill(done, summary_.promptTokens);
}

void Reply::emit(TokenId id, std::string text, bool thought) {
    if (request_.onToken)
        request_.onToken({.id = id, .text = std::move(text), .thought = thought});
}

/// A token that ends a thought and begins the answer is told in two parts; only the first has its id.
void Reply::emitParts(TokenId id, std::string thoughts, std::string answer) {
    const bool thought = !thoughts.empty() || (answer.empty() && splitter_->inside());
    const bool both = !thoughts.empty() && !answer.empty();
    emit(id, thought ? std::move(thoughts) : std::move(answer), thought);
    if (both)
        emit(-1, std::move(answer), false);
}

std::optional<StopReason> Reply::accept(std::span<float> logits) {
    if (!begun()) {
        firstToken = Clock::now();
        summary_.prefillSeconds = secondsBetween(begin, firstToken);
    }
    if (request_.maxTokens >= 0 && generated() >= request_.maxTokens)
        return StopReason::MaxTokens; // nothing was asked for but the prompt
    const TokenId id = sampler_.sample(logits, tokens_, tokens_.size());
    const std::vector<TokenId>& stops = text_->tokenizer->stopIds();
    if (request_.stopAtEnd && std::binary_search(stops.begin(), stops.end(), id))
        return StopReason::EndOfTurn;
    tokens_.push_back(id);
    parts_.clear();
    splitter_->push(id, parts_);
    emitParts(id, thoughtUtf8_.push(parts_.thoughts), utf8_.push(parts_.answer));
    if (request_.maxTokens >= 0 && generated() >= request_.maxTokens)
        return StopReason::MaxTokens;
    if (tokens_.size() > static_cast<size_t>(text_->contextTokens))
        return StopReason::ContextFull;
    return std::nullopt;
}

void Reply::finish(StopReason stop, const std::string& error) {
    parts_.clear();
    splitter_->finish(parts_);
    std::string thoughts = thoughtUtf8_.push(parts_.thoughts), answer = utf8_.push(parts_.answer);
    thoughts += thoughtUtf8_.finish();
    answer += utf8_.finish();
    if (!thoughts.empty() || !answer.empty())
        emitParts(-1, std::move(thoughts), std::move(answer));
    summary_.stop = stop;
    summary_.error = error;
    summary_.generatedTokens = generated();
    const auto now = Clock::now();
    if (begun())
        summary_.decodeSeconds = secondsBetween(firstToken, now);
    else if (summary_.prefillSeconds == 0)
        summary_.prefillSeconds = secondsBetween(begin, now);
    if (request_.onFinish)
        request_.onFinish(summary_);
}

} // namespace hearth::engine
