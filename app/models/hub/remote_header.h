#pragma once

#include "app/models/hub/hub_types.h"
#include "app/models/net/http_client.h"
#include "engine/gguf.h"

#include <QObject>

#include <functional>
#include <memory>
#include <vector>

namespace hearth::app {

/// Reads the headers of a model's GGUF files at a server, by parts of a few hundred KB, and stops where each ends: what
/// is needed to judge a model before it is downloaded. On the thread of its client; deletes itself when it is over.
class RemoteHeader : public QObject {
    Q_OBJECT

public:
    static constexpr qint64 kFirstBytes = 512 << 10;
    static constexpr qint64 kMostBytes = 24 << 20; // a vocabulary of 256,000 words with its merges takes about 12 MB

    struct File {
        QUrl url;
        qint64 bytes = 0; // of all of it
    };

    /// What came of it; the checkpoint's tensors have places and sizes, and no bytes behind them. Throws nothing.
    using Done = std::function<void(std::shared_ptr<const engine::Checkpoint>, const HttpError&)>;

    /// `files`: a model's parts in their order. `context` gone: it is never told.
    RemoteHeader(HttpClient&, const QVector<File>& files, const QString& token, QObject* context, Done);
    ~RemoteHeader() override; // what it waits for is cancelled, and not told

    qint64 receivedBytes() const { return received_; }

private:
    void ask();
    void onDone(const HttpCall&);
    void next();
    void finish();
    void end(std::shared_ptr<const engine::Checkpoint>, const HttpError&);

    HttpClient& client_;
    QVector<File> files_;
    QString token_;
    QPointer<QObject> context_;
    QPointer<HttpCall> call_;
    Done done_;
    int file_ = 0; // whose header is being read
    QByteArray beginning_;
    qint64 wanted_ = kFirstBytes; // bytes of the beginning
    qint64 received_ = 0;
    std::vector<engine::GgufPart> parts_;
};

} // namespace hearth::app
