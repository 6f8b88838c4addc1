#pragma once

#include "engine/clock.h"
#include "engine/drafter.h"
#include "engine/engine.h"
#include "engine/grammar/matcher.h"
#include "engine/kv_cache.h"
#include "engine/sampler.h"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace hearth::engine {

/// One sequence from its start to its end: what was asked, its tokens so far, and the text that becomes of them.
/// Engine thread.
class Reply {
public:
    Reply(SequenceId, ModelId, GenerationRequest, std::shared_ptr<const ModelText>, int nVocab);

    SequenceId id() const { return id_; }

    ModelId model() const { return model_; }

    Priority priority() const { return request_.priority; }

    const std::atomic<bool>* cancelFlag() const { return request_.cancel.get(); }

    bool cancelled() const { return request_.cancel && request_.cancel->load(std::memory_order_relaxed); }

    std::span<const TokenId> tokens() const { return tokens_; } // prompt and generated

    bool begun() const { return generated() > 0; }

    /// Prompt and reply as text, the marks of control tokens included; empty: the prompt's text is not known.
    std::string spelled() const;

    const std::string& prefixFile() const { return request_.prefixFile; }

    void forgetPrefixFile() { request_.prefixFile.clear(); }

    int generated() const { return static_cast<int>(tokens_.size()) - summary_.promptTokens; }

    /// Why the request cannot be served at all; empty: it can.
    const std::string& refusal() const { return refusal_; }

    /// Tokens worth feeding after the last one before it is known that they follow, `most` of them at most.
    std::span<const TokenId> guess(int most, int nVocab, const StepPrice&);

    /// What became of guesses: so many are fed; one of them was the token drawn.
    void guessesFed(int n) { summary_.guessedTokens += n; }

    void guessedRight() { ++summary_.rightGuesses; }

    /// Reports progress of the prompt. `computed` tokens were computed now.
    void prefilled(int done, int computed);
    /// Draws the next token and hands out its text. The answer is why the reply is over, if it is.
    std::optional<StopReason> accept(std::span<float> logits);
    /// Hands out what text is left, and the summary. The last thing that a reply does.
    void finish(StopReason, const std::string& error = {});

    std::unique_ptr<Drafter> drafter; // null: no other model guesses
    KvSequence kv = -1;               // owned by the engine: it opens and closes it
    bool started = false;             // its first chunk has been scheduled
    bool expands = false;             // its prompt expands latents, since it was admitted
    uint64_t ticket = 0;              // of its stay in the cache: another one each time it is admitted
    int behind = 0;                   // generated tokens before the last that recurrent states are to read again
    double chunkSeconds = 0;          // spent on the chunk that paused; 0: none did
    int chunkTokens = 0;              // of that chunk
    Clock::time_point begin, firstToken;

private:
    void emit(TokenId, std::string text, bool thought);
    void emitParts(TokenId, std::string thoughts, std::string answer);
    std::string thoughtText();
    std::string answerText();
    TokenId draw(std::span<float> logits);
    std::span<const TokenId> ask(int most, int nVocab, const StepPrice&);
    void follow(TokenId);

    SequenceId id_;
    ModelId model_;
    GenerationRequest request_;
    std::shared_ptr<const ModelText> text_;
    std::vector<TokenId> tokens_;
    Sampler sampler_;
    Guesser guesser_;
    Utf8Stream thoughtUtf8_, utf8_;
    std::unique_ptr<ThoughtSplitter> splitter_;
    GenerationSummary summary_;
    std::string refusal_;
    ThoughtSplitter::Parts parts_;            // of one token, reused
    std::unique_ptr<GrammarMatcher> grammar_; // null: the answer is free
    std::string failure_;                     // why accept() gave StopReason::Error, a sentence
};

} // namespace hearth::engine
