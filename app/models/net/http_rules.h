#pragma once

#include <QByteArray>
#include <QDateTime>
#include <QHostAddress>
#include <QString>
#include <QUrl>

#include <optional>

namespace hearth::app {

/// What went wrong with a request, in one sentence that a person can read.
struct HttpError {
    enum class Kind : int {
        None,
        NotAllowed, // the gate is closed
        BadAddress, // not http or https, no host, credentials inside
        Redirect,   // one that is not followed
        Connect,    // no name, nobody there, no TLS
        Stalled,    // nothing, or next to nothing, for too long
        Cut,        // the connection ended too early
        TooLarge,
        Status,  // 4xx, 5xx
        Content, // something else came than what was asked for
        Cancelled,
    };
    Kind kind = Kind::None;
    int status = 0; // of Kind::Status
    QString sentence;
    qint64 retryAfter = -1; // seconds that the server asked for; -1: it did not
    bool gated = false;     // a licence must be accepted, or a token given, first

    explicit operator bool() const { return kind != Kind::None; }

    /// The same request may well succeed later.
    bool passing() const;
};

/// How near an address is. A redirect may not lead from a farther to a nearer one.
enum class Reach : int { Loopback, LinkLocal, Private, Public };

Reach reachOf(const QHostAddress&);

/// The one that it has, or its scheme's.
int portOf(const QUrl&);

/// Scheme, host and port are the same: a credential may go along.
bool sameOrigin(const QUrl&, const QUrl&);

/// "https://hub.example", or "http://hub.example:8080".
QString originText(const QUrl&);

/// None: the address can be asked for.
HttpError addressProblem(const QUrl&);

constexpr int kMostRedirects = 5;

/// None: may be followed. `hop` counts from 1. Pure; the hosts have been resolved before.
HttpError redirectProblem(const QUrl& from, const QUrl& to, int hop, Reach origin, Reach target);

/// Seconds until `now` that a Retry-After header asks for (RFC 9110, 10.2.3); -1: none, or nonsense.
qint64 retryAfterSeconds(const QByteArray& header, const QDateTime& now);

/// "Try again in 5 minutes.": by what retryAfterSeconds() tells.
QString retryText(qint64 seconds);

/// "bytes 0-99/1000" (RFC 9110, 14.4).
struct ContentRange {
    qint64 first = 0, last = -1; // inclusive
    qint64 total = -1;           // -1: "*"
};

/// Nothing: not of this form, or impossible.
std::optional<ContentRange> parseContentRange(const QByteArray& header);

/// What a refusal is about, for its sentence.
struct StatusContext {
    int status = 0;
    QString host;
    QByteArray errorCode;    // X-Error-Code of the hub, such as GatedRepo
    QByteArray errorMessage; // X-Error-Message
    qint64 retryAfter = -1;
    bool tokenSent = false;
};

HttpError statusError(const StatusContext&);

/// Bytes came that are not the file: says what they are, by the header and their beginning.
HttpError contentError(const QString& host, const QByteArray& contentType, const QByteArray& beginning);

/// True: they cannot be the beginning of a model file.
bool looksLikeNoModel(const QByteArray& contentType, const QByteArray& beginning);

} // namespace hearth::app
