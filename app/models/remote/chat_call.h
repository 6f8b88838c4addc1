#pragma once

#include "app/models/net/http_client.h"
#include "app/models/remote/chat_reply.h"
#include "app/models/remote/endpoint.h"
#include "app/models/remote/sse.h"

#include <QByteArray>
#include <QObject>
#include <QPointer>

#include <optional>

namespace hearth::app {

/// How a reply from elsewhere ended.
struct ChatEnd {
    bool complete = false;
    bool cancelled = false;
    std::string finish; // finish_reason; empty: the server did not tell
    QString problem;    // a sentence; empty where it is complete or cancelled
};

/// One POST of {base}/chat/completions and what comes back: a stream, or the whole of a reply from a server that knows
/// no streams. Reads as much at a time as leaves the window smooth. GUI thread.
class ChatCall : public QObject {
    Q_OBJECT

public:
    ChatCall(HttpClient&, const RemoteEndpoint&, const QString& key, const QByteArray& body, QObject* parent);
    ~ChatCall() override;

    void cancel(); // closes the connection; ended() follows at once

signals:
    void piece(const hearth::app::ChatPiece&); // never one that failed
    void ended(const hearth::app::ChatEnd&);   // once, and the last

private:
    enum class Form { Unknown, Stream, Whole, Page };

    void readSlice();
    void onDone();
    void conclude();
    void read(const QByteArray&);
    Form formOf(const QByteArray& beginning) const;
    bool onEvent(const SseEvent&);
    void take(const ChatPiece&);
    void stop(const QString& problem);
    void end(ChatEnd);

    RemoteEndpoint endpoint_;
    QPointer<HttpCall> call_;
    SseReader reader_;
    LeadingThoughts thoughts_;
    QByteArray whole_;                 // of a reply that is no stream, and what came before it was known what it is
    std::optional<HttpError> outcome_; // once the connection has ended; then these too:
    QByteArray rest_, type_, refusal_; // what had come and is not read yet, its type, what a refusal said
    Form form_ = Form::Unknown;
    std::string finish_;
    bool done_ = false; // [DONE]
    bool begun_ = false, any_ = false, ended_ = false, waiting_ = false;
};

} // namespace hearth::app
