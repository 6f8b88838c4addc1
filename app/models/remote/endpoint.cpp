#include "app/models/remote/endpoint.h"

#include "app/models/net/http_rules.h"
#include "app/models/net/sentences.h"
#include "ui/this_machine.h"

#include <QHostAddress>
#include <QRegularExpression>
#include <QUuid>

#include <algorithm>

namespace hearth::app {
namespace {

const QString kPrefix = QStringLiteral("remote:");

using Continues = RemoteKind::Continues;
using Thinking = RemoteKind::Thinking;

// Fields that are not OpenAI's own, by the servers' documents (read 2026-11-26):
//   vLLM: docs.vllm.ai, "OpenAI-Compatible Server", "Extra Parameters" of the Chat API
//   SGLang: docs.sglang.ai, "OpenAI APIs - Completions", and "Sampling Parameters"
//   llama.cpp: tools/server/README.md, POST /v1/chat/completions and POST /completion
//   Ollama: docs.ollama.com/api/openai-compatibility, "Supported request fields"
constexpr RemoteKind kKinds[] = {
    {"vllm", "vLLM", true, "repetition_penalty", Continues::Asked, Thinking::Template},
    {"sglang", "SGLang", true, "repetition_penalty", Continues::Asked, Thinking::Template},
    {"llamacpp", "llama.cpp", true, "repeat_penalty", Continues::ByItself, Thinking::Template},
    {"library", "Ollama", false, nullptr, Continues::ByItself, Thinking::Effort},
    {"", "", false, nullptr, Continues::No, Thinking::Fixed},
};

bool isNear(const QString& host) {
    if (ui::isThisMachine(host))
        return true;
    const QHostAddress address(host);
    return !address.isNull() && reachOf(address) != Reach::Public;
}

/// This machine, or an address of one's own network. What a provider shares out among strangers (RFC 6598), groups and
/// addresses of a link that nobody gave are near, but nobody's own.
bool isOwn(const QString& host) {
    if (ui::isThisMachine(host))
        return true;
    const QHostAddress address(host);
    bool isV4 = false;
    const QHostAddress v4(address.toIPv4Address(&isV4));
    const Reach reach = address.isNull() ? Reach::Public : reachOf(address);
    const bool shared = isV4 && v4.isInSubnet(QHostAddress(QStringLiteral("100.64.0.0")), 10);
    return reach == Reach::Private && !shared;
}

} // namespace

const RemoteKind& remoteKind(std::string_view ownedBy) {
    const auto* end = std::end(kKinds) - 1;
    return *std::find_if(std::begin(kKinds), end, [&](const RemoteKind& kind) { return kind.id == ownedBy; });
}

QString RemoteEndpoint::path() const {
    return kPrefix + id;
}

QString RemoteEndpoint::host() const {
    const QString host = base.host();
    const QString plain = host.contains(QLatin1Char(':')) ? QStringLiteral("[%1]").arg(host) : host;
    return base.port() >= 0 ? plain + QLatin1Char(':') + QString::number(base.port()) : plain;
}

bool isRemotePath(QStringView path) {
    return path.startsWith(kPrefix);
}

bool isRemotePath(std::string_view path) {
    return path.starts_with("remote:");
}

QString remoteId(const QString& path) {
    return isRemotePath(path) ? path.mid(kPrefix.size()) : QString();
}

RemoteEndpoint endpointOf(const storage::Remote& stored) {
    RemoteEndpoint e;
    e.id = QString::fromStdString(stored.id);
    e.name = shown(QString::fromStdString(stored.name), RemoteEndpoint::kLongestName);
    e.base = QUrl(QString::fromStdString(stored.base), QUrl::StrictMode);
    e.model = QString::fromStdString(stored.model);
    e.kind = &remoteKind(stored.kind);
    e.contextTokens = stored.contextTokens <= 0 ? RemoteEndpoint::kDefaultContext
                                                : std::clamp(stored.contextTokens, RemoteEndpoint::kLeastContext,
                                                             RemoteEndpoint::kMostContext);
    e.contextGiven = stored.contextGiven && stored.contextTokens > 0;
    e.hasKey = stored.hasKey;
    e.plainAllowed = stored.plainAllowed;
    e.on = stored.on && !addressProblem(e.base);
    return e;
}

storage::Remote storedEndpoint(const RemoteEndpoint& e) {
    return {.id = e.id.toStdString(),
            .name = e.name.toStdString(),
            .base = e.base.toString(QUrl::FullyEncoded).toStdString(),
            .model = e.model.toStdString(),
            .kind = e.kind->id,
            .contextTokens = e.contextTokens,
            .on = e.on,
            .hasKey = e.hasKey,
            .plainAllowed = e.plainAllowed,
            .contextGiven = e.contextGiven};
}

std::optional<QUrl> baseAddress(const QString& typed, QString* problem) {
    QString text = typed.trimmed();
    const auto refuse = [&](const QString& sentence) {
        if (problem)
            *problem = sentence;
        return std::nullopt;
    };
    if (text.isEmpty())
        return refuse(Network::tr("An address is missing, such as http://127.0.0.1:8080."));
    static const QRegularExpression scheme(QStringLiteral("^[A-Za-z][A-Za-z0-9+.-]*://"));
    if (!scheme.match(text).hasMatch()) {
        const QUrl guess(QStringLiteral("http://") + text, QUrl::StrictMode);
        text.prepend(isNear(guess.host()) ? QStringLiteral("http://") : QStringLiteral("https://"));
    }
    QUrl url(text, QUrl::StrictMode);
    if (const HttpError error = addressProblem(url))
        return refuse(error.sentence);
    if (url.hasQuery() || url.hasFragment())
        return refuse(Network::tr("The address ends before “?” and “#”: a key belongs into its own field."));
    QString path = url.path(QUrl::FullyEncoded);
    while (path.endsWith(QLatin1Char('/')))
        path.chop(1);
    for (const auto* end : {"/chat/completions", "/completions", "/models"})
        if (path.endsWith(QLatin1String(end)))
            path.chop(qsizetype(qstrlen(end)));
    if (path.isEmpty())
        path = QStringLiteral("/v1");
    url.setPath(path, QUrl::StrictMode);
    return url;
}

bool isExposed(const QUrl& base) {
    return base.scheme() != QLatin1String("https") && !isOwn(base.host());
}

QString newRemoteId(const QString& name) {
    QString id;
    for (const QChar c : name.toLower().left(40)) {
        if (c.isLetterOrNumber())
            id += c;
        else if (!id.isEmpty() && !id.endsWith(QLatin1Char('-')))
            id += QLatin1Char('-');
    }
    while (id.endsWith(QLatin1Char('-')))
        id.chop(1);
    if (id.isEmpty())
        id = QStringLiteral("engine");
    return id + QLatin1Char('-') + QUuid::createUuid().toString(QUuid::Id128).left(12);
}

QString remoteKeyName(const RemoteEndpoint& e) {
    return QStringLiteral("remote-key:%1:%2://%3:%4").arg(e.id, e.base.scheme(), e.base.host()).arg(portOf(e.base));
}

} // namespace hearth::app
