#include "engine/reply.h"

#include <algorithm>
#include <limits>

namespace hearth::engine {

namespace {

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
    if (!request_.grammar || !refusal_.empty())
        return;
    grammar_ = std::make_unique<GrammarMatcher>(request_.grammar, text_->trie.of(*text_->tokenizer));
    // The marks are shown to nobody, so they are no part of an answer; one thought may come before it.
    for (const TokenId mark : splitter_->marks())
        grammar_->exclude(mark);
    grammar_->setExtra(splitter_->opening());
    splitter_->keepAnswerWhole();
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

std::span<const TokenId> Reply::guess(int most, int nVocab, const StepPrice& price) {
    if (!request_.guessAhead)
        return {};
    most = std::min(most, text_->contextTokens - static_cast<int>(tokens_.size()));
    if (request_.maxTokens >= 0)
        most = std::min(most, request_.maxTokens - generated() - 1);
    most = std::max(0, most);
    const std::span<const TokenId> found = guesser_.next(tokens_, most, price);
    return found.empty() && drafter ? ask(most, nVocab, price) : found;
}

/// Has the other model guess, where that pays.
std::span<const TokenId> Reply::ask(int most, int nVocab, const StepPrice& price) {
    const double step = price.pace.seconds(1), token = drafter->secondsPerToken();
    const int worth = guesser_.worthAsking(most, price, step > 0 && token > 0 ? token / step : 0.1);
    if (worth == 0)
        return {};
    const auto draw = [this](std::span<float> logits, std::span<const TokenId> history) {
        return sampler_.sample(logits, history, history.size());
    };
    const std::span<const TokenId> guessed = drafter->guess(tokens_, worth, nVocab, draw, cancelFlag());
    if (!guessed.empty())
        guesser_.tried(guessed);
    return guessed;
}

std::string Reply::spelled() const {
    std::string text = request_.promptText;
    for (size_t i = static_cast<size_t>(summary_.promptTokens); i < tokens_.size() && !text.empty(); ++i)
        text_->tokenizer->appendBytes(tokens_[i], text, true);
    return text;
}

/// The next token; -1: the grammar allows none. What is not the answer is free, but the reply cannot end there: then
/// the answer would be missing.
TokenId Reply::draw(std::span<float> logits) {
    if (!grammar_ || splitter_->inAnswer())
        return sampler_.sample(logits, tokens_, tokens_.size(), grammar_.get());
    for (const TokenId stop : text_->tokenizer->stopIds())
        if (stop >= 0 && static_cast<size_t>(stop) < logits.size())
            logits[static_cast<size_t>(stop)] = -std::numeric_limits<float>::infinity();
    return sampler_.sample(logits, tokens_, tokens_.size());
}

/// The grammar goes on with a token of the answer.
void Reply::follow(TokenId id) {
    if (!splitter_->inAnswer())
        return;
    grammar_->accept(id);
    grammar_->setExtra(-1);
}

/// A token that ends a thought and begins the answer is told in two parts; only the first has its id.
void Reply::emitParts(TokenId id, std::string thoughts, std::string answer) {
    const bool thought = !thoughts.empty() || (answer.empty() && splitter_->inside());
    const bool both = !thoughts.empty() && !answer.empty();
    emit(id, thought ? std::move(thoughts) : std::move(answer), thought);
    if (both)
        emit(-1, std::move(answer), false);
}

/// The thoughts of `parts_`. What is cut inside a character ends with the thought, not after the answer.
std::string Reply::thoughtText() {
    std::string text = thoughtUtf8_.push(parts_.thoughts);
    return splitter_->inside() ? text : text + thoughtUtf8_.finish();
}

/// The answer of `parts_`, whole characters where a thought follows it.
std::string Reply::answerText() {
    std::string text = utf8_.push(parts_.answer);
    return splitter_->inside() ? text + utf8_.finish() : text;
}

std::optional<StopReason> Reply::accept(std::span<float> logits) {
    if (!begun()) {
        firstToken = Clock::now();
        summary_.prefillSeconds = secondsBetween(begin, firstToken);
    }
    if (request_.maxTokens >= 0 && generated() >= request_.maxTokens)
        return StopReason::MaxTokens; // nothing was asked for but the prompt
    const TokenId id = draw(logits);
    if (id < 0) {
        failure_ = grammar_->gaveUp() ? "The grammar is too ambiguous to be followed any further."
                                      : "The grammar allows nothing here that the model has a token for.";
        return StopReason::Error;
    }
    const std::vector<TokenId>& stops = text_->tokenizer->stopIds();
    if ((request_.stopAtEnd || grammar_) && std::binary_search(stops.begin(), stops.end(), id))
        return StopReason::EndOfTurn;
    const bool free = grammar_ && !splitter_->inAnswer();
    if (grammar_)
        follow(id);
    tokens_.push_back(id);
    guesser_.followed(id);
    parts_.clear();
    splitter_->push(id, parts_);
    if (free) // a token that ends a thought was drawn without the grammar: what it says of the answer does not count
        parts_.answer.clear();
    emitParts(id, thoughtText(), answerText());
    if (grammar_ && splitter_->inAnswer() && grammar_->isComplete())
        return StopReason::EndOfTurn;
    if (request_.maxTokens >= 0 && generated() >= request_.maxTokens)
        return StopReason::MaxTokens;
    if (tokens_.size() > static_cast<size_t>(text_->contextTokens))
        return StopReason::ContextFull;
    return std::nullopt;
}

void Reply::finish(StopReason stop, const std::string& error) {
    parts_.clear();
    const bool free = grammar_ && !splitter_->inAnswer();
    splitter_->finish(parts_);
    if (free)
        parts_.answer.clear();
    std::string thoughts = thoughtUtf8_.push(parts_.thoughts), answer = utf8_.push(parts_.answer);
    thoughts += thoughtUtf8_.finish();
    answer += utf8_.finish();
    if (!thoughts.empty() || !answer.empty())
        emitParts(-1, std::move(thoughts), std::move(answer));
    summary_.stop = stop;
    summary_.error = stop == StopReason::Error && error.empty() ? failure_ : error;
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
