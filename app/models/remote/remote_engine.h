#pragma once

#include "app/engine_worker.h"
#include "app/models/net/http_client.h"
#include "app/models/net/network_gate.h"
#include "app/models/net/secrets.h"
#include "app/models/remote/endpoint.h"
#include "app/token_pipe.h"

#include <QHash>
#include <QObject>
#include <QTimer>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace hearth::app {

class ChatCall;
struct ChatEnd;
struct ChatPiece;

/// Asks a server elsewhere for replies: what is said about it in the pipe is as an engine of this machine says it, but
/// that counts of tokens are estimates until the server has told its own. Nothing is sent unless the endpoint is
/// switched on and the gate is open. GUI thread.
class RemoteEngine : public QObject, public ReplySource {
    Q_OBJECT

public:
    using Find = std::function<std::optional<RemoteEndpoint>(const QString& id)>;

    RemoteEngine(TokenPipe&, NetworkGate&, Secrets&, Find, HttpLimits = replyLimits(), QObject* parent = nullptr);
    ~RemoteEngine() override;

    /// A large model reads for minutes before its first word, and is slow at it.
    static HttpLimits replyLimits();

    void reply(ReplyRequest) override;
    /// Ends the replies of one endpoint: nothing more is wanted of it.
    void stop(const QString& id);
    /// Ends all that runs. The pipe then holds the last words of every reply.
    void finish();

    using Keyed = std::function<void(const QString& key, const QString& problem)>;

    /// The endpoint's key, asked of the keyring once a session; at once where it has none.
    void withKey(const RemoteEndpoint&, QObject* context, Keyed);
    /// Another one was stored, or (empty) it was removed.
    void keyChanged(const RemoteEndpoint&, const QString& key);

    HttpClient& client() { return client_; }

private:
    struct Running;

    void send(Running&, const QString& key);
    void onPiece(Running&, const ChatPiece&);
    void onEnded(Running&, const ChatEnd&);
    void endReply(ReplyId, ReplyEnd, const QString& error = {});
    void lookForCancels();
    void drop(Running&);

    TokenPipe& pipe_;
    NetworkGate& gate_;
    Secrets& secrets_;
    Find find_;
    HttpClient client_;
    std::vector<std::unique_ptr<Running>> running_;
    QHash<QString, QString> keys_;  // by their names in the keyring, for this session
    QHash<QString, double> scales_; // by id: how the server's counts differ from our estimates
    QTimer poll_;                   // the window sets a flag to stop a reply
};

} // namespace hearth::app
