#include "app/models/net/http_rules.h"

#include "app/models/net/sentences.h"

#include <QLocale>

#include <algorithm>
#include <cstdlib>

namespace hearth::app {
namespace {

using Kind = HttpError::Kind;

struct Subnet {
    const char* address;
    int bits;
    Reach reach;
};

// RFC 6890 and its successors; what is not here is public.
constexpr Subnet kSubnets[] = {
    {"127.0.0.0", 8, Reach::Loopback},   {"0.0.0.0", 8, Reach::Loopback},    {"169.254.0.0", 16, Reach::LinkLocal},
    {"224.0.0.0", 3, Reach::LinkLocal},  {"10.0.0.0", 8, Reach::Private},    {"172.16.0.0", 12, Reach::Private},
    {"192.168.0.0", 16, Reach::Private}, {"100.64.0.0", 10, Reach::Private}, {"192.0.0.0", 24, Reach::Private},
    {"198.18.0.0", 15, Reach::Private},  {"::1", 128, Reach::Loopback},      {"::", 128, Reach::Loopback},
    {"fe80::", 10, Reach::LinkLocal},    {"ff00::", 8, Reach::LinkLocal},    {"fc00::", 7, Reach::Private},
    {"fec0::", 10, Reach::Private},
};

bool isWeb(const QUrl& url) {
    return url.scheme() == QLatin1String("http") || url.scheme() == QLatin1String("https");
}

QString refusedText(const StatusContext& c) {
    const bool gated = c.errorCode.compare("GatedRepo", Qt::CaseInsensitive) == 0;
    if (gated && c.tokenSent)
        return Network::tr("%1 gives this model only to accounts that have accepted its conditions: open the model's "
                           "page there, accept them, and try again.")
            .arg(c.host);
    if (gated || (!c.tokenSent && c.status == 401))
        return Network::tr("%1 asks who you are: this model needs an account that may read it. Accept its conditions "
                           "on the model's page, and store an access token of that account here.")
            .arg(c.host);
    if (c.tokenSent)
        return Network::tr("%1 does not accept the stored access token for this.").arg(c.host);
    return Network::tr("%1 refuses this.").arg(c.host);
}

QString statusText(const StatusContext& c) {
    switch (c.status) {
    case 401:
    case 403:
        return refusedText(c);
    case 404:
    case 410:
        return Network::tr("%1 has no such model or file.").arg(c.host);
    case 409:
        return Network::tr("%1 is changing this file just now.").arg(c.host) + QLatin1Char(' ') +
               retryText(c.retryAfter);
    case 416:
        return Network::tr("%1 has another file than the one that it announced: it is shorter.").arg(c.host);
    case 429:
        return Network::tr("%1 wants fewer requests.").arg(c.host) + QLatin1Char(' ') + retryText(c.retryAfter);
    default:
        break;
    }
    if (c.status >= 500)
        return Network::tr("%1 has a problem of its own (%2).").arg(c.host).arg(c.status) + QLatin1Char(' ') +
               retryText(c.retryAfter);
    return Network::tr("%1 answered with %2, which this program does not expect.").arg(c.host).arg(c.status);
}

} // namespace

bool HttpError::passing() const {
    if (kind == Kind::Status)
        return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
    return kind == Kind::Connect || kind == Kind::Stalled || kind == Kind::Cut;
}

Reach reachOf(const QHostAddress& address) {
    bool isV4 = false;
    const quint32 v4 = address.toIPv4Address(&isV4); // those mapped into IPv6 too
    const QHostAddress plain = isV4 ? QHostAddress(v4) : address;
    for (const Subnet& subnet : kSubnets)
        if (plain.isInSubnet(QHostAddress(QString::fromLatin1(subnet.address)), subnet.bits))
            return subnet.reach;
    return Reach::Public;
}

int portOf(const QUrl& url) {
    return url.port(url.scheme() == QLatin1String("https") ? 443 : 80);
}

bool sameOrigin(const QUrl& a, const QUrl& b) {
    return a.scheme() == b.scheme() && a.host().compare(b.host(), Qt::CaseInsensitive) == 0 && portOf(a) == portOf(b);
}

QString originText(const QUrl& url) {
    QString text = url.scheme() + QStringLiteral("://") + url.host();
    if (url.port() >= 0)
        text += QLatin1Char(':') + QString::number(url.port());
    return text;
}

HttpError addressProblem(const QUrl& url) {
    if (!url.isValid() || !isWeb(url) || url.host().isEmpty())
        return {.kind = Kind::BadAddress,
                .sentence = Network::tr("%1 is not an address of the web.").arg(shown(url.toDisplayString(), 200))};
    if (!url.userInfo().isEmpty())
        return {.kind = Kind::BadAddress,
                .sentence = Network::tr("The address of %1 has a name or password inside, which is not sent.")
                                .arg(shown(url.host()))};
    return {};
}

HttpError redirectProblem(const QUrl& from, const QUrl& to, int hop, Reach origin, Reach target) {
    const auto refused = [&](const QString& why) {
        return HttpError{.kind = Kind::Redirect,
                         .sentence = why.arg(shown(from.host()), shown(to.toDisplayString(), 200))};
    };
    if (hop > kMostRedirects)
        return refused(Network::tr("%1 leads from address to address without end (%2)."));
    if (!isWeb(to) || to.host().isEmpty())
        return refused(Network::tr("%1 leads to %2, which is not an address of the web."));
    if (from.scheme() == QLatin1String("https") && to.scheme() != QLatin1String("https"))
        return refused(Network::tr("%1 leads to %2, which is not encrypted."));
    if (!to.userInfo().isEmpty())
        return refused(Network::tr("%1 leads to %2, an address with a name or password inside."));
    const bool nearer = target < origin || target == Reach::LinkLocal;
    if (nearer && from.host().compare(to.host(), Qt::CaseInsensitive) != 0)
        return refused(Network::tr("%1 leads to %2, an address inside your own network. It was not contacted."));
    return {};
}

qint64 retryAfterSeconds(const QByteArray& header, const QDateTime& now) {
    const QByteArray text = header.trimmed();
    if (text.isEmpty())
        return -1;
    if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return text.size() > 12 ? 1'000'000'000'000 : text.toLongLong();
    QByteArray date = text;
    if (date.endsWith("GMT"))
        date.replace(date.size() - 3, 3, "+0000");
    const QDateTime until = QDateTime::fromString(QString::fromLatin1(date), Qt::RFC2822Date);
    return until.isValid() ? std::max<qint64>(0, now.secsTo(until)) : -1;
}

QString retryText(qint64 seconds) {
    constexpr qint64 kHour = 3600, kDay = 24 * kHour; // beyond, nobody waits for it
    if (seconds < 0 || seconds > kDay)
        return Network::tr("Try again later.");
    if (seconds < 120)
        return Network::tr("Try again in %1 seconds.").arg(std::max<qint64>(2, seconds));
    if (seconds < 2 * kHour)
        return Network::tr("Try again in %1 minutes.").arg((seconds + 59) / 60);
    return Network::tr("Try again in %1 hours.").arg((seconds + kHour - 1) / kHour);
}

std::optional<ContentRange> parseContentRange(const QByteArray& header) {
    const QByteArray text = header.trimmed();
    if (!text.startsWith("bytes "))
        return std::nullopt;
    const auto slash = text.indexOf('/'), dash = text.indexOf('-', 6);
    if (dash < 0 || slash < dash)
        return std::nullopt;
    bool firstOk = false, lastOk = false, totalOk = true;
    ContentRange range;
    range.first = text.mid(6, dash - 6).trimmed().toLongLong(&firstOk);
    range.last = text.mid(dash + 1, slash - dash - 1).trimmed().toLongLong(&lastOk);
    const QByteArray total = text.mid(slash + 1).trimmed();
    if (total != "*")
        range.total = total.toLongLong(&totalOk);
    const bool possible = firstOk && lastOk && totalOk && range.first >= 0 && range.last >= range.first &&
                          (total == "*" || range.total > range.last);
    return possible ? std::optional(range) : std::nullopt;
}

HttpError statusError(const StatusContext& c) {
    HttpError error{.kind = Kind::Status, .status = c.status, .sentence = statusText(c), .retryAfter = c.retryAfter};
    error.gated = c.status == 401 || c.errorCode.compare("GatedRepo", Qt::CaseInsensitive) == 0;
    const QString said = shown(QString::fromUtf8(c.errorMessage), 200);
    if (!said.isEmpty() && c.status != 401)
        error.sentence += QLatin1Char(' ') + Network::tr("It says: %1").arg(said);
    return error;
}

bool looksLikeNoModel(const QByteArray& contentType, const QByteArray& beginning) {
    const QByteArray start = beginning.left(64).trimmed().toLower();
    return contentType.toLower().startsWith("text/html") || start.startsWith("<!doctype") ||
           start.startsWith("<html") || start.startsWith("version https://git-lfs") || start.startsWith("{\"");
}

HttpError contentError(const QString& host, const QByteArray& contentType, const QByteArray& beginning) {
    const QByteArray start = beginning.left(64).trimmed().toLower();
    QString sentence;
    if (start.startsWith("version https://git-lfs"))
        sentence = Network::tr("%1 gave the pointer to the file (Git LFS) instead of the file itself.").arg(host);
    else if (contentType.toLower().startsWith("text/html") || start.startsWith("<"))
        sentence =
            Network::tr("%1 gave a web page instead of the file. Does this network want a login first?").arg(host);
    else if (contentType.toLower().startsWith("application/json") || start.startsWith("{"))
        sentence = Network::tr("%1 gave a message instead of the file: %2")
                       .arg(host, shown(QString::fromUtf8(beginning.left(400)), 160));
    else
        sentence = Network::tr("%1 gave something else than the file that was asked for.").arg(host);
    return {.kind = HttpError::Kind::Content, .sentence = sentence};
}

} // namespace hearth::app
