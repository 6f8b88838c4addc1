#pragma once

#include "app/models/net/http_rules.h"

#include <QElapsedTimer>
#include <QNetworkAccessManager>
#include <QNetworkReply>
#include <QObject>
#include <QPointer>
#include <QTimer>

namespace hearth::app {

class NetworkGate;
class HttpClient;

/// When a server counts as gone. The tests have shorter ones.
struct HttpLimits {
    int connectMs = 0;               // until the request is on its way; 0: as long as for the head
    int headMs = 30'000;             // from the start of a hop to its last header
    int stallMs = 30'000;            // without a byte
    int slowMs = 60'000;             // over which the speed is judged
    qint64 slowBytesPerSecond = 512; // less than this is no speed
    bool assumePublicOrigin = false; // tests: loopback counts as far away
};

struct HttpRequest {
    QUrl url;
    QByteArray method = "GET";
    QByteArray body;
    QByteArray contentType;
    QByteArray accept = "*/*";
    QString token;                          // a bearer's; goes to the url's own origin and nowhere else
    qint64 rangeFirst = -1, rangeLast = -1; // bytes, inclusive; -1: all
    QByteArray ifRange;                     // a strong ETag, or a date
    bool followRedirects = true;            // false: what is sent is for this address and no other
    /// Above 0: the body is collected, and more is an error. 0: whoever asked reads it as it comes.
    qint64 collectAtMost = 0;
};

/// What stood above the body.
struct HttpHead {
    int status = 0;
    QUrl url;                  // after all redirects
    qint64 contentLength = -1; // -1: not told
    QByteArray contentType, contentRange, etag, lastModified, link;
    QByteArray linkedEtag, linkedSize; // of the first redirect: the hub's word on the file behind it
};

/// One request with its redirects, which are followed by hand. Deletes itself after done(). On the client's thread.
class HttpCall : public QObject {
    Q_OBJECT

public:
    const HttpHead& head() const { return head_; }

    const HttpError& error() const { return error_; } // after done()

    const QByteArray& body() const { return body_; } // collected; of a refusal its beginning

    qint64 available() const { return reply_ ? reply_->bytesAvailable() : 0; }

    qint64 read(char* to, qint64 most);

    /// Milliseconds from the start of the last hop to its head.
    qint64 headMs() const { return headMs_; }

    /// Ends it with Kind::Cancelled, or with another reason. done() follows at once.
    void cancel(HttpError reason = {.kind = HttpError::Kind::Cancelled});

signals:
    void headArrived(); // 2xx of a body that is not collected
    void readable();
    void done();

private:
    friend class HttpClient;
    HttpCall(HttpClient&, HttpRequest);

    void begin();
    void send();
    void onHead();
    void onReadable();
    void onFinished();
    void onTick();
    void follow(const QUrl& target);
    void goOn(const QUrl& target, Reach origin, Reach reach);
    void end(HttpError);
    HttpError networkError() const;
    HttpError tooLarge() const;
    HttpError refusal() const;

    HttpClient& client_;
    HttpRequest request_;
    QUrl url_; // of this hop
    QPointer<QNetworkReply> reply_;
    HttpHead head_;
    HttpError error_;
    QByteArray body_;
    QTimer tick_;
    QElapsedTimer hopClock_, byteClock_, slowClock_;
    qint64 headMs_ = 0, got_ = 0, gotBefore_ = 0;
    int hop_ = 0;
    bool tokenAllowed_ = true, sent_ = false, headSeen_ = false, ended_ = false;
};

/// Sends requests by the rules of this program: HTTP/1.1, no cookies, no cache, no compression, redirects by hand,
/// every wait limited, nothing at all while the gate is closed. The only owner of a QNetworkAccessManager. One thread.
class HttpClient : public QObject {
    Q_OBJECT

public:
    explicit HttpClient(NetworkGate&, HttpLimits = {}, QObject* parent = nullptr);
    ~HttpClient() override;

    HttpCall* start(const HttpRequest&);

private:
    friend class HttpCall;

    NetworkGate& gate_;
    HttpLimits limits_;
    QNetworkAccessManager manager_;
};

} // namespace hearth::app
