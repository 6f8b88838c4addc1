#include "app/models/net/http_client.h"

#include "app/models/net/network_gate.h"
#include "app/models/net/sentences.h"

#include <QDateTime>
#include <QHostInfo>
#include <QJsonDocument>
#include <QJsonObject>
#include <QNetworkProxyFactory>

#include <algorithm>
#include <functional>
#include <memory>

namespace hearth::app {
namespace {

using Kind = HttpError::Kind;

constexpr qint64 kErrorBody = 16 << 10; // read of a refusal
constexpr qint64 kReadBuffer = 1 << 20; // a connection holds at most this much that nobody has read

/// What the system says, but never for this machine itself and what is near it: a proxy would learn what is none of
/// its business, and mostly cannot reach it.
class SystemProxies : public QNetworkProxyFactory {
public:
    QList<QNetworkProxy> queryProxy(const QNetworkProxyQuery& query) override {
        const QHostAddress address(query.peerHostName());
        if (query.peerHostName() == QLatin1String("localhost") ||
            (!address.isNull() && reachOf(address) != Reach::Public))
            return {QNetworkProxy(QNetworkProxy::NoProxy)};
        return systemProxyForQuery(query);
    }
};

/// Tells the nearest of a host's addresses; one that cannot be found is far: connecting fails by itself, or a proxy
/// knows it. What is found is kept by Qt, so that connecting takes the very addresses that were looked at. An address
/// in figures is not looked up: Qt would ask the name server for its name, which tells somebody else of it.
void findReach(const QString& host, QObject* whoAsks, std::function<void(Reach)> then) {
    if (const QHostAddress address(host); !address.isNull()) {
        then(reachOf(address));
        return;
    }
    QHostInfo::lookupHost(host, whoAsks, [then = std::move(then)](const QHostInfo& info) {
        Reach reach = Reach::Public;
        const QList<QHostAddress> addresses = info.addresses();
        for (const QHostAddress& address : addresses)
            reach = std::min(reach, reachOf(address));
        then(reach);
    });
}

QByteArray saidInBody(const QByteArray& body) {
    const QJsonObject object = QJsonDocument::fromJson(body).object();
    for (const auto* key : {"error", "message", "Message"})
        if (const QJsonValue value = object.value(QLatin1String(key)); value.isString())
            return value.toString().toUtf8();
    return {};
}

} // namespace

HttpClient::HttpClient(NetworkGate& gate, HttpLimits limits, QObject* parent)
    : QObject(parent), gate_(gate), limits_(limits), manager_(this) {
    manager_.setProxyFactory(new SystemProxies);
    manager_.setRedirectPolicy(QNetworkRequest::ManualRedirectPolicy);
    manager_.setAutoDeleteReplies(false);
}

// Requests end while what carries them is still there, and nobody is told: whoever asked may be half gone.
HttpClient::~HttpClient() {
    for (HttpCall* call : findChildren<HttpCall*>(Qt::FindDirectChildrenOnly)) {
        call->disconnect();
        call->cancel();
    }
}

HttpCall* HttpClient::start(const HttpRequest& request) {
    auto* call = new HttpCall(*this, request);
    QTimer::singleShot(0, call, &HttpCall::begin);
    return call;
}

HttpCall::HttpCall(HttpClient& client, HttpRequest request)
    : QObject(&client), client_(client), request_(std::move(request)), url_(request_.url) {
    const HttpLimits& limits = client.limits_;
    tick_.setInterval(std::clamp(std::min({limits.headMs, limits.stallMs, limits.slowMs}) / 10, 10, 1000));
    connect(&tick_, &QTimer::timeout, this, &HttpCall::onTick);
    connect(&client.gate_, &NetworkGate::changed, this, [this](bool open) {
        if (!open)
            end({.kind = Kind::NotAllowed, .sentence = client_.gate_.refusal()});
    });
}

void HttpCall::begin() {
    if (const HttpError problem = addressProblem(url_))
        end(problem);
    else
        send();
}

void HttpCall::send() {
    if (ended_)
        return;
    if (!client_.gate_.open()) {
        end({.kind = Kind::NotAllowed, .sentence = client_.gate_.refusal()});
        return;
    }
    client_.gate_.note(url_.host());
    QNetworkRequest request(url_);
    using R = QNetworkRequest;
    request.setAttribute(R::Http2AllowedAttribute, false); // Qt 6.4: CVE-2023-51714
    request.setAttribute(R::RedirectPolicyAttribute, R::ManualRedirectPolicy);
    request.setAttribute(R::CacheLoadControlAttribute, R::AlwaysNetwork);
    request.setAttribute(R::CacheSaveControlAttribute, false);
    for (const auto attribute :
         {R::CookieLoadControlAttribute, R::CookieSaveControlAttribute, R::AuthenticationReuseAttribute})
        request.setAttribute(attribute, R::Manual);
    request.setRawHeader("User-Agent", "Hearth/" HEARTH_VERSION);
    request.setRawHeader("Accept", request_.accept);
    request.setRawHeader("Accept-Encoding", "identity");
    if (!request_.contentType.isEmpty())
        request.setRawHeader("Content-Type", request_.contentType);
    if (!request_.token.isEmpty() && tokenAllowed_)
        request.setRawHeader("Authorization", "Bearer " + request_.token.toUtf8());
    if (request_.rangeFirst >= 0) {
        QByteArray range = "bytes=" + QByteArray::number(request_.rangeFirst) + '-';
        if (request_.rangeLast >= 0)
            range += QByteArray::number(request_.rangeLast);
        request.setRawHeader("Range", range);
        if (!request_.ifRange.isEmpty())
            request.setRawHeader("If-Range", request_.ifRange);
    }
    headSeen_ = sent_ = false;
    hopClock_.start();
    byteClock_.start();
    tick_.start();
    reply_ = client_.manager_.sendCustomRequest(request, request_.method, request_.body);
    reply_->setParent(this);
    reply_->setReadBufferSize(kReadBuffer);
    connect(reply_, &QNetworkReply::requestSent, this, [this] { sent_ = true; });
    connect(reply_, &QNetworkReply::metaDataChanged, this, &HttpCall::onHead);
    connect(reply_, &QNetworkReply::readyRead, this, &HttpCall::onReadable);
    connect(reply_, &QNetworkReply::finished, this, &HttpCall::onFinished);
}

void HttpCall::onHead() {
    const int status = reply_->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
    if (headSeen_ || ended_ || status < 200)
        return;
    headSeen_ = true;
    headMs_ = hopClock_.elapsed();
    byteClock_.start();
    slowClock_.start();
    const QByteArray location = reply_->rawHeader("Location");
    if (status >= 300 && status < 400 && !request_.followRedirects) {
        const QUrl target = url_.resolved(QUrl::fromEncoded(location));
        QTimer::singleShot(0, this, [this, target] {
            end({.kind = Kind::Redirect,
                 .sentence = Network::tr("%1 leads to another address, %2, which was not contacted. If that is the "
                                         "right one, enter it.")
                                 .arg(url_.host(), shown(target.toDisplayString(), 200))});
        });
        return;
    }
    if (status >= 300 && status < 400 && !location.isEmpty()) {
        if (hop_ == 0) {
            head_.linkedEtag = reply_->rawHeader("X-Linked-Etag");
            head_.linkedSize = reply_->rawHeader("X-Linked-Size");
        }
        const QUrl target = url_.resolved(QUrl::fromEncoded(location));
        QTimer::singleShot(0, this, [this, target] { follow(target); });
        return;
    }
    head_.status = status;
    head_.url = url_;
    bool told = false;
    const qint64 length = reply_->rawHeader("Content-Length").trimmed().toLongLong(&told);
    head_.contentLength = told && length >= 0 ? length : -1;
    head_.contentType = reply_->rawHeader("Content-Type");
    head_.contentRange = reply_->rawHeader("Content-Range");
    head_.etag = reply_->rawHeader("ETag");
    head_.lastModified = reply_->rawHeader("Last-Modified");
    head_.link = reply_->rawHeader("Link");
    if (status < 300 && request_.collectAtMost == 0)
        emit headArrived();
    else if (status < 300 && head_.contentLength > request_.collectAtMost)
        end(tooLarge()); // before it is here
}

void HttpCall::follow(const QUrl& target) {
    if (ended_)
        return;
    reply_->disconnect(this);
    reply_->abort();
    reply_->deleteLater();
    reply_ = nullptr;
    ++hop_;
    hopClock_.start(); // the look-up of names counts too
    headSeen_ = false;
    // The rules that need no look-up first; then both hosts are looked up, and only if they differ.
    const bool same = url_.host().compare(target.host(), Qt::CaseInsensitive) == 0;
    const HttpError problem = redirectProblem(url_, target, hop_, Reach::Public, Reach::Public);
    if (problem || same) {
        problem ? end(problem) : goOn(target, Reach::Public, Reach::Public);
        return;
    }
    findReach(target.host(), this, [this, target](Reach there) {
        if (there == Reach::Public) {
            goOn(target, Reach::Public, there);
            return;
        }
        findReach(request_.url.host(), this, [this, target, there](Reach here) {
            goOn(target, client_.limits_.assumePublicOrigin ? Reach::Public : here, there);
        });
    });
}

void HttpCall::goOn(const QUrl& target, Reach origin, Reach reach) {
    if (ended_)
        return;
    if (const HttpError problem = redirectProblem(url_, target, hop_, origin, reach)) {
        end(problem);
        return;
    }
    // Once it has left its origin, a credential does not come back: the way back may be the attack.
    if (!sameOrigin(request_.url, target))
        tokenAllowed_ = false;
    url_ = target;
    send();
}

void HttpCall::onReadable() {
    if (ended_ || !reply_)
        return;
    byteClock_.start();
    if (!headSeen_ || head_.status == 0) // a redirect's words are nobody's
        return;
    if (head_.status >= 400) {
        if (body_.size() < kErrorBody)
            body_ += reply_->read(kErrorBody - body_.size());
        else
            end(refusal());
    } else if (request_.collectAtMost > 0) {
        body_ += reply_->readAll();
        if (body_.size() > request_.collectAtMost)
            end(tooLarge());
    } else if (head_.status >= 200 && head_.status < 300) {
        emit readable();
    }
}

qint64 HttpCall::read(char* to, qint64 most) {
    const qint64 n = reply_ ? std::max<qint64>(0, reply_->read(to, most)) : 0;
    got_ += n;
    return n;
}

void HttpCall::onTick() {
    if (ended_)
        return;
    const HttpLimits& limits = client_.limits_;
    if (!headSeen_) {
        if (limits.connectMs > 0 && !sent_ && hopClock_.elapsed() > limits.connectMs)
            end({.kind = Kind::Connect, .sentence = Network::tr("%1 cannot be reached.").arg(url_.host())});
        else if (hopClock_.elapsed() > limits.headMs)
            end({.kind = Kind::Stalled, .sentence = Network::tr("%1 does not answer.").arg(url_.host())});
        return;
    }
    const bool held = request_.collectAtMost == 0 && available() > 0; // whoever reads takes its time
    if (held)
        byteClock_.start();
    if (byteClock_.elapsed() > limits.stallMs) {
        end({.kind = Kind::Stalled, .sentence = Network::tr("%1 has stopped sending.").arg(url_.host())});
        return;
    }
    if (slowClock_.elapsed() < limits.slowMs)
        return;
    const qint64 all = got_ + body_.size() + available();
    const bool slow = !held && (all - gotBefore_) * 1000 < limits.slowBytesPerSecond * slowClock_.elapsed();
    gotBefore_ = all;
    slowClock_.start();
    if (slow)
        end({.kind = Kind::Stalled, .sentence = Network::tr("%1 sends next to nothing.").arg(url_.host())});
}

HttpError HttpCall::tooLarge() const {
    return {.kind = Kind::TooLarge,
            .sentence = Network::tr("The answer of %1 is larger than any that makes sense.").arg(url_.host())};
}

HttpError HttpCall::networkError() const {
    const QString host = url_.host();
    switch (reply_->error()) {
    case QNetworkReply::HostNotFoundError:
        return {.kind = Kind::Connect,
                .sentence = Network::tr("There is no %1, or no connection to the network.").arg(host)};
    case QNetworkReply::SslHandshakeFailedError:
        return {.kind = Kind::Connect,
                .sentence = Network::tr("%1 cannot prove that it is %1. Nothing was sent to it.").arg(host)};
    case QNetworkReply::RemoteHostClosedError:
        return {.kind = Kind::Cut, .sentence = Network::tr("%1 closed the connection too early.").arg(host)};
    case QNetworkReply::ProtocolFailure:
    case QNetworkReply::ProtocolUnknownError:
    case QNetworkReply::ProtocolInvalidOperationError:
        return {.kind = Kind::Content, .sentence = Network::tr("%1 does not speak HTTP.").arg(host)};
    default:
        break;
    }
    if (headSeen_)
        return {.kind = Kind::Cut, .sentence = Network::tr("The connection to %1 broke off.").arg(host)};
    return {.kind = Kind::Connect, .sentence = Network::tr("%1 cannot be reached.").arg(host)};
}

HttpError HttpCall::refusal() const {
    StatusContext context{.status = head_.status,
                          .host = url_.host(),
                          .errorCode = reply_->rawHeader("X-Error-Code"),
                          .errorMessage = reply_->rawHeader("X-Error-Message")};
    if (context.errorMessage.isEmpty())
        context.errorMessage = saidInBody(body_);
    context.retryAfter = retryAfterSeconds(reply_->rawHeader("Retry-After"), QDateTime::currentDateTimeUtc());
    context.tokenSent = !request_.token.isEmpty() && tokenAllowed_;
    return statusError(context);
}

void HttpCall::onFinished() {
    if (ended_)
        return;
    if (headSeen_ && head_.status == 0)
        return; // a redirect, about to be followed
    onReadable();
    if (ended_)
        return;
    if (headSeen_ && head_.status >= 400)
        end(refusal());
    else if (reply_->error() != QNetworkReply::NoError)
        end(networkError());
    else if (!headSeen_)
        end({.kind = Kind::Cut, .sentence = Network::tr("%1 closed the connection too early.").arg(url_.host())});
    else if (head_.status >= 300)
        end(statusError({.status = head_.status, .host = url_.host()}));
    else if (request_.collectAtMost > 0 && head_.contentLength >= 0 && body_.size() != head_.contentLength)
        end({.kind = Kind::Cut, .sentence = Network::tr("The connection to %1 broke off.").arg(url_.host())});
    else
        end({});
}

void HttpCall::cancel(HttpError reason) {
    end(std::move(reason));
}

void HttpCall::end(HttpError error) {
    if (ended_)
        return;
    ended_ = true;
    tick_.stop();
    error_ = std::move(error);
    emit done(); // what has arrived can still be read
    if (reply_) {
        reply_->disconnect(this);
        if (reply_->isRunning())
            reply_->abort();
    }
    deleteLater();
}

} // namespace hearth::app
