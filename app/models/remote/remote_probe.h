#pragma once

#include "app/models/remote/chat_reply.h"
#include "app/models/remote/endpoint.h"
#include "app/models/remote/remote_engine.h"

#include <QObject>
#include <QPointer>
#include <QTimer>

#include <functional>
#include <memory>

namespace hearth::app {

class ChatCall;

/// What a test of an endpoint found.
struct RemoteFindings {
    QString problem;                 // a sentence; empty: it answers
    std::vector<RemoteModel> models; // empty: it lists none
    RemoteEndpoint endpoint;         // with what it told: kind, model, context where the person gave none
    double firstTokenSeconds = 0;
};

/// Asks a server what it has, then for one word of a reply to "Hi", and breaks off there: the whole way that a chat
/// would take. Ends with the object, in which nothing more is sent. GUI thread.
class RemoteProbe : public QObject {
    Q_OBJECT

public:
    using Done = std::function<void(const RemoteFindings&)>;

    // From the first request on, whatever comes meanwhile: a sign of life is no word. Some load their model before it.
    static constexpr int kMostMs = 60'000;

    RemoteProbe(RemoteEngine&, NetworkGate&, HttpClient&, const RemoteEndpoint&, Done, QObject* parent = nullptr,
                int mostMs = kMostMs);
    ~RemoteProbe() override;

private:
    void list(const QString& key);
    void takeModels(const QByteArray& body);
    void ask(const QString& key);
    void endList();
    void end(const QString& problem);

    RemoteEngine& engine_;
    NetworkGate& gate_;
    HttpClient& client_;
    RemoteFindings found_;
    Done done_;
    QTimer limit_;
    QPointer<HttpCall> list_;
    std::unique_ptr<ChatCall> call_;
};

} // namespace hearth::app
