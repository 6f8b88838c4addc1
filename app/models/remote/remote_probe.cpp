#include "app/models/remote/remote_probe.h"

#include "app/models/net/sentences.h"
#include "app/models/remote/chat_call.h"
#include "app/models/remote/chat_request.h"
#include "app/models/remote/remote_words.h"

#include <QElapsedTimer>

#include <algorithm>

namespace hearth::app {
namespace {

constexpr qint64 kLargestList = 8 << 20; // bytes

} // namespace

RemoteProbe::RemoteProbe(RemoteEngine& engine, NetworkGate& gate, HttpClient& client, const RemoteEndpoint& endpoint,
                         Done done, QObject* parent, int mostMs)
    : QObject(parent), engine_(engine), gate_(gate), client_(client), done_(std::move(done)) {
    found_.endpoint = endpoint;
    limit_.setSingleShot(true);
    limit_.setInterval(mostMs);
    connect(&limit_, &QTimer::timeout, this, [this] { end(noWordText(found_.endpoint, limit_.interval() / 1000)); });
    if (const QString why = refusal(endpoint, gate); !why.isEmpty()) {
        QTimer::singleShot(0, this, [this, why] { end(why); });
        return;
    }
    engine_.withKey(endpoint, this, [this](const QString& key, const QString& problem) {
        // The keyring may have taken its time.
        const QString why = problem.isEmpty() ? refusal(found_.endpoint, gate_) : problem;
        if (why.isEmpty())
            list(key);
        else
            QTimer::singleShot(0, this, [this, why] { end(why); });
    });
}

RemoteProbe::~RemoteProbe() {
    endList();
}

void RemoteProbe::endList() {
    if (!list_)
        return;
    list_->disconnect(this);
    list_->cancel();
}

void RemoteProbe::list(const QString& key) {
    limit_.start();
    HttpRequest request;
    request.url = found_.endpoint.base;
    request.url.setPath(found_.endpoint.base.path() + QStringLiteral("/models"));
    request.accept = "application/json";
    request.token = key;
    request.followRedirects = false;
    request.collectAtMost = kLargestList;
    HttpCall* call = list_ = client_.start(request);
    connect(call, &HttpCall::done, this, [this, call, key] {
        const HttpError& error = call->error();
        // Some have no list of models; whether the one that was named is there, the reply tells.
        const bool noList = error.kind == HttpError::Kind::Status && (error.status == 404 || error.status == 405);
        if (error && !noList) {
            end(failureText(found_.endpoint, error, call->body(), false));
            return;
        }
        if (!error)
            takeModels(call->body());
        if (found_.endpoint.model.isEmpty())
            end(!error && !readModels(call->body())
                    ? noReplyText(found_.endpoint, call->body().trimmed().startsWith('<'))
                    : Network::tr("%1 lists no models. Enter the name of the one that it has.")
                          .arg(found_.endpoint.name));
        else
            ask(key);
    });
}

void RemoteProbe::takeModels(const QByteArray& body) {
    const auto models = readModels(body);
    if (!models || models->empty())
        return;
    found_.models = *models;
    RemoteEndpoint& e = found_.endpoint;
    if (e.model.isEmpty())
        e.model = models->front().id;
    const auto at = std::find_if(models->begin(), models->end(), [&](const RemoteModel& m) { return m.id == e.model; });
    const RemoteModel& model = at == models->end() ? models->front() : *at;
    e.kind = &remoteKind(model.ownedBy);
    if (!e.contextGiven && model.contextTokens > 0)
        e.contextTokens = std::clamp(model.contextTokens, RemoteEndpoint::kLeastContext, RemoteEndpoint::kMostContext);
}

void RemoteProbe::ask(const QString& key) {
    if (const QString why = refusal(found_.endpoint, gate_); !why.isEmpty()) {
        end(why);
        return;
    }
    PromptInput input;
    input.messages.push_back({.role = "user", .content = "Hi", .thoughts = {}});
    auto clock = std::make_shared<QElapsedTimer>();
    clock->start();
    call_ = std::make_unique<ChatCall>(client_, found_.endpoint, key, chatRequest(found_.endpoint, input, {}).body,
                                       nullptr);
    connect(call_.get(), &ChatCall::piece, this, [this, clock](const ChatPiece& piece) {
        if (piece.text.empty() && piece.thoughts.empty())
            return;
        found_.firstTokenSeconds = double(clock->elapsed()) / 1000;
        call_->cancel(); // which comes to ended()
    });
    connect(call_.get(), &ChatCall::ended, this, [this](const ChatEnd& e) { end(e.problem); });
}

void RemoteProbe::end(const QString& problem) {
    found_.problem = problem;
    limit_.stop();
    endList();
    if (call_) {
        call_->disconnect(this);
        call_.release()->deleteLater();
    }
    if (const Done done = std::exchange(done_, {}))
        done(found_);
}

} // namespace hearth::app
