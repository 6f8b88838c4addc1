#include "app/models/remote/remote_engine.h"

#include "app/models/net/sentences.h"
#include "app/models/remote/chat_call.h"
#include "app/models/remote/chat_request.h"
#include "app/models/remote/remote_words.h"

#include <QFile>
#include <QPointer>

#include <algorithm>
#include <chrono>

namespace hearth::app {
namespace {

constexpr int kPoll = 20;                                   // ms between looks at the flags of Stop
constexpr int kFewTokens = 100;                             // below, marks and headers distort the ratio of counts
constexpr double kSmallestScale = 0.5, kLargestScale = 3.0; // beyond, the server counts something else

using Clock = std::chrono::steady_clock;

double secondsBetween(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

} // namespace

struct RemoteEngine::Running {
    ReplyRequest request;
    RemoteEndpoint endpoint;
    std::unique_ptr<ChatCall> call;                               // null: the key is on its way
    std::unique_ptr<QObject> waits = std::make_unique<QObject>(); // for the key
    Clock::time_point asked, firstToken, thoughtsBegan;
    int aboutTokens = 0, promptTokens = -1, tokens = 0, counted = -1, cached = 0;
    double scale = 1, thoughtSeconds = 0;
    bool begun = false, inThoughts = false;
};

RemoteEngine::RemoteEngine(TokenPipe& pipe, NetworkGate& gate, Secrets& secrets, Find find, HttpLimits limits,
                           QObject* parent)
    : QObject(parent), pipe_(pipe), gate_(gate), secrets_(secrets), find_(std::move(find)), client_(gate, limits) {
    poll_.setInterval(kPoll);
    connect(&poll_, &QTimer::timeout, this, &RemoteEngine::lookForCancels);
}

RemoteEngine::~RemoteEngine() = default;

HttpLimits RemoteEngine::replyLimits() {
    constexpr int kTenMinutes = 600'000;
    return {.connectMs = 30'000, .headMs = kTenMinutes, .stallMs = kTenMinutes, .slowBytesPerSecond = 0};
}

void RemoteEngine::withKey(const RemoteEndpoint& endpoint, QObject* context, Keyed keyed) {
    const QString name = remoteKeyName(endpoint);
    if (!endpoint.hasKey || keys_.contains(name)) {
        keyed(endpoint.hasKey ? keys_.value(name) : QString(), {});
        return;
    }
    secrets_.read(name, context, [this, name, keyed, label = endpoint.name](const Secrets::Answer& answer) {
        if (answer.problem.isEmpty() && !answer.value.isEmpty()) {
            keys_.insert(name, answer.value);
            keyed(answer.value, {});
            return;
        }
        const QString lost =
            Network::tr("The key of %1 is not in the keyring. Enter it under Models, Library.").arg(label);
        keyed({}, answer.problem.isEmpty() || answer.noKeyring ? lost : answer.problem);
    });
}

void RemoteEngine::keyChanged(const RemoteEndpoint& endpoint, const QString& key) {
    if (key.isEmpty())
        keys_.remove(remoteKeyName(endpoint));
    else
        keys_.insert(remoteKeyName(endpoint), key);
}

void RemoteEngine::reply(ReplyRequest request) {
    const ReplyId id = request.id;
    if (request.cancel && request.cancel->load()) {
        endReply(id, ReplyEnd::Cancelled);
        return;
    }
    const std::optional<RemoteEndpoint> endpoint =
        find_(remoteId(QFile::decodeName(QByteArray::fromStdString(request.model))));
    QString why = endpoint ? refusal(*endpoint, gate_)
                           : Network::tr("This engine is not in the library any more. Choose another model.");
    if (why.isEmpty())
        why = cannotAsk(*endpoint, request.prompt);
    if (!why.isEmpty()) {
        endReply(id, ReplyEnd::Error, why);
        return;
    }
    running_.push_back(std::make_unique<Running>());
    Running& running = *running_.back();
    running.request = std::move(request);
    running.endpoint = *endpoint;
    poll_.start();
    withKey(*endpoint, running.waits.get(), [this, &running, id](const QString& key, const QString& problem) {
        // The keyring may have taken its time.
        const QString why = problem.isEmpty() ? refusal(running.endpoint, gate_) : problem;
        if (why.isEmpty()) {
            send(running, key);
            return;
        }
        endReply(id, ReplyEnd::Error, why);
        drop(running);
    });
}

void RemoteEngine::send(Running& running, const QString& key) {
    running.scale = scales_.value(running.endpoint.id, 1.0);
    const ChatRequest request =
        chatRequest(running.endpoint, running.request.prompt, running.request.ownSampling, running.scale);
    running.aboutTokens = request.aboutTokens;
    running.asked = Clock::now();
    pipe_.change(running.request.id, [&](ReplyUpdate& update) {
        update.begun = true;
        update.about = true;
        update.host = running.endpoint.host().toStdString();
        update.promptTokens = request.aboutTokens;
        update.leftOut = request.leftOut;
    });
    running.call = std::make_unique<ChatCall>(client_, running.endpoint, key, request.body, nullptr);
    connect(running.call.get(), &ChatCall::piece, this,
            [this, &running](const ChatPiece& piece) { onPiece(running, piece); });
    connect(running.call.get(), &ChatCall::ended, this,
            [this, &running](const ChatEnd& end) { onEnded(running, end); });
}

void RemoteEngine::onPiece(Running& running, const ChatPiece& piece) {
    running.promptTokens = std::max(running.promptTokens, piece.promptTokens);
    running.counted = std::max(running.counted, piece.tokens);
    running.cached = std::max(running.cached, piece.cachedTokens);
    if (piece.text.empty() && piece.thoughts.empty())
        return;
    const auto now = Clock::now();
    if (!std::exchange(running.begun, true)) {
        running.firstToken = running.thoughtsBegan = now;
        running.inThoughts = !piece.thoughts.empty();
    }
    if (running.inThoughts)
        running.thoughtSeconds = secondsBetween(running.thoughtsBegan, now);
    running.inThoughts = piece.text.empty();
    // Most servers send a token at a time; where it is more, its length tells.
    running.tokens += std::max(1, aboutTokens(piece.text + piece.thoughts) * 2 / 3);
    pipe_.change(running.request.id, [&](ReplyUpdate& update) {
        update.text += piece.text;
        update.thoughts += piece.thoughts;
        update.tokens = running.tokens;
        update.seconds = secondsBetween(running.firstToken, now);
        update.thoughtSeconds = running.thoughtSeconds;
    });
}

void RemoteEngine::onEnded(Running& running, const ChatEnd& result) {
    ReplyEnd end = ReplyEnd::Error;
    const int prompt = running.promptTokens > 0 ? running.promptTokens : running.aboutTokens;
    const int tokens = running.counted > 0 ? running.counted : running.tokens;
    if (result.cancelled)
        end = ReplyEnd::Cancelled;
    else if (result.complete)
        end = ReplyEnd::EndOfTurn;
    if (result.complete && result.finish == "length") { // nothing was asked for but what the context holds
        const bool full = int64_t(prompt) + tokens >= int64_t(running.endpoint.contextTokens) * 9 / 10;
        end = full ? ReplyEnd::ContextFull : ReplyEnd::MaxTokens;
    }
    if (running.promptTokens > 0 && running.aboutTokens >= kFewTokens)
        scales_.insert(running.endpoint.id, std::clamp(running.scale * running.promptTokens / running.aboutTokens,
                                                       kSmallestScale, kLargestScale));
    pipe_.change(running.request.id, [&](ReplyUpdate& update) {
        update.end = end;
        update.error = result.problem.toStdString();
        if (running.promptTokens > 0 && running.counted >= 0) {
            update.counted = true;
            update.countedPrompt = running.promptTokens;
            update.countedTokens = running.counted;
        }
        update.prefilledTokens = std::max(0, prompt - running.cached);
        update.prefillSeconds = running.begun ? secondsBetween(running.asked, running.firstToken) : 0;
    });
    drop(running);
}

void RemoteEngine::endReply(ReplyId id, ReplyEnd end, const QString& error) {
    pipe_.change(id, [&](ReplyUpdate& update) {
        update.end = end;
        update.error = error.toStdString();
    });
}

void RemoteEngine::lookForCancels() {
    std::vector<Running*> stopped;
    for (const auto& running : running_)
        if (running->request.cancel && running->request.cancel->load())
            stopped.push_back(running.get());
    for (Running* running : stopped) {
        if (running->call) {
            running->call->cancel(); // which comes to onEnded()
        } else {
            endReply(running->request.id, ReplyEnd::Cancelled);
            drop(*running);
        }
    }
}

/// It may be what is calling.
void RemoteEngine::drop(Running& running) {
    if (running.call) {
        running.call->disconnect(this);
        running.call.release()->deleteLater();
    }
    std::erase_if(running_, [&](const auto& one) { return one.get() == &running; });
    if (running_.empty())
        poll_.stop();
}

void RemoteEngine::stop(const QString& id) {
    for (const auto& running : running_)
        if (running->request.cancel && running->endpoint.id == id)
            running->request.cancel->store(true);
    lookForCancels();
}

void RemoteEngine::finish() {
    for (const auto& running : running_)
        if (running->request.cancel)
            running->request.cancel->store(true);
    lookForCancels();
}

} // namespace hearth::app
