// chat: a reply, streamed; or a conversation, a line of standard input a turn.

#include "app/cli/commands.h"
#include "app/cli/common.h"
#include "engine/error.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <unistd.h>

namespace hearth::cli {

using engine::Error;
using engine::StopReason;

namespace {

/// Set by Ctrl+C. The handler may touch nothing but a lock-free atomic, so it is one for the process.
std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void onInterrupt(int) {
    interrupted = true;
}

/// Ctrl+C stops the reply while it lives, and ends the program otherwise.
class InterruptGuard {
public:
    InterruptGuard() {
        interrupted = false;

        struct sigaction action {};

        action.sa_handler = onInterrupt;
        sigaction(SIGINT, &action, &before_);
    }

    ~InterruptGuard() { sigaction(SIGINT, &before_, nullptr); }

    InterruptGuard(const InterruptGuard&) = delete;

private:
    struct sigaction before_ {};
};

const char* stopName(StopReason reason) {
    constexpr const char* names[] = {"endOfTurn", "maxTokens", "contextFull", "cancelled", "error"};
    return names[static_cast<size_t>(reason)];
}

/// What the answers must look like; null: anything.
std::shared_ptr<const engine::Grammar> grammarOf(const Arguments& a) {
    if (a.has("--grammar") && a.has("--json-schema"))
        throw UsageError("Either --grammar or --json-schema can be given, not both.");
    if (a.has("--grammar"))
        return engine::Grammar::fromGbnf(readWholeFile(a.text("--grammar")));
    if (a.has("--json-schema"))
        return engine::Grammar::fromJsonSchema(readWholeFile(a.text("--json-schema")));
    return nullptr;
}

struct Reply {
    std::string text, thoughts;
    engine::GenerationSummary summary;
};

class Chat {
public:
    explicit Chat(const Arguments& a)
        : json_(a.has("--json")), temperature_(a.number("--temperature", -1, 0, 100)),
          seed_(a.whole("--seed", 0, 0, INT64_MAX)),
          maxTokens_(static_cast<int>(a.whole("--max-tokens", -1, 1, 1 << 24))), grammar_(grammarOf(a)),
          guessAhead_(a.text("--speculate") != "off"), model_(a, engine::Numerics::Fast),
          text_(model_.engine.text(model_.id)), sampling_(text_->defaultSampling) {
        if (const std::string how = a.text("--speculate", "lookup"); guessAhead_ && how != "lookup")
            draft_ = model_.loadAnother(a, how, engine::Numerics::Fast);
        if (temperature_ >= 0)
            sampling_.temperature = static_cast<float>(temperature_);
        sampling_.seed = static_cast<uint64_t>(seed_);
        if (a.has("--system"))
            input_.messages.push_back({.role = "system", .content = a.text("--system")});
    }

    /// Asks and answers one turn. False: the reply was stopped by Ctrl+C.
    bool turn(std::string prompt) {
        input_.messages.push_back({.role = "user", .content = std::move(prompt)});
        Reply reply = answer();
        const StopReason stop = reply.summary.stop;
        if (stop == StopReason::Error)
            throw Error(reply.summary.error);
        report(reply);
        input_.messages.push_back(
            {.role = "assistant", .content = std::move(reply.text), .thoughts = std::move(reply.thoughts)});
        return stop != StopReason::Cancelled;
    }

private:
    Reply answer() {
        const engine::TaggedText rendered = text_->chatTemplate->render(input_);
        engine::GenerationRequest request;
        request.prompt = text_->tokenizer->encode(rendered);
        const engine::Tokenizer& tokenizer = *text_->tokenizer;
        if (tokenizer.addBos() && (request.prompt.empty() || request.prompt.front() != tokenizer.bos()))
            request.prompt.insert(request.prompt.begin(), tokenizer.bos());
        request.promptText = rendered.text;
        request.sampling = sampling_;
        request.maxTokens = maxTokens_;
        request.grammar = grammar_;
        request.guessAhead = guessAhead_;
        request.draft = draft_;
        request.cancel = {std::shared_ptr<void>(), &interrupted}; // owned by nobody: it outlives every reply
        Reply reply;
        request.onToken = [&](const engine::TokenOut& token) { take(token, reply); };
        request.onFinish = [&](const engine::GenerationSummary& s) { reply.summary = s; };
        InterruptGuard guard;
        model_.engine.start(model_.id, std::move(request));
        while (model_.engine.step()) {
        }
        return reply;
    }

    void take(const engine::TokenOut& token, Reply& reply) {
        (token.thought ? reply.thoughts : reply.text) += token.text;
        if (json_)
            return;
        if (token.thought) {
            std::cerr << token.text << std::flush;
        } else {
            print(token.text);
            std::fflush(stdout);
        }
    }

    void report(const Reply& reply) const {
        const engine::GenerationSummary& s = reply.summary;
        if (json_)
            printJson({{"text", reply.text},
                       {"thoughts", reply.thoughts},
                       {"tokens", s.generatedTokens},
                       {"stop", stopName(s.stop)},
                       {"promptTokens", s.promptTokens},
                       {"prefilledTokens", s.prefilledTokens},
                       {"guessedTokens", s.guessedTokens},
                       {"rightGuesses", s.rightGuesses},
                       {"prefillSeconds", s.prefillSeconds},
                       {"decodeSeconds", s.decodeSeconds}});
        else
            print("\n");
        std::fflush(stdout);
        if (s.stop == StopReason::ContextFull)
            std::cerr << "The context is full; the reply ends here.\n";
    }

    const bool json_;
    // Read before the model is loaded: a wrong option is told at once.
    const double temperature_; // below 0: the model's own
    const int64_t seed_;
    const int maxTokens_; // -1: to the end of the context
    const std::shared_ptr<const engine::Grammar> grammar_;
    const bool guessAhead_;
    LoadedModel model_;
    engine::ModelId draft_ = 0;
    const std::shared_ptr<const engine::ModelText> text_;
    engine::SamplerSettings sampling_;
    engine::TemplateInput input_;
};

} // namespace

int runChat(const Arguments& a) {
    Chat chat(a);
    if (a.has("--prompt")) {
        chat.turn(a.text("--prompt"));
        return 0;
    }
    const bool terminal = isatty(STDIN_FILENO);
    std::string line;
    for (;;) {
        if (terminal)
            std::cerr << "> " << std::flush;
        if (!std::getline(std::cin, line))
            break;
        if (line.find_first_not_of(" \t\r") != std::string::npos)
            chat.turn(line);
    }
    return 0;
}

} // namespace hearth::cli
