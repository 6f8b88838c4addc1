#pragma once

#include "app/models/net/secrets.h"
#include "app/models/remote/remote_engine.h"
#include "app/models/remote/remote_probe.h"
#include "app/storage_worker.h"
#include "ui/rows.h"

#include <QHash>
#include <QObject>
#include <QVector>

#include <memory>
#include <optional>

namespace hearth::app {

/// The engines elsewhere that a person has added: kept in the database, their keys in the keyring. None is contacted by
/// this object but on a test that was asked for. GUI thread.
class Remotes : public QObject {
    Q_OBJECT

public:
    Remotes(StorageWorker&, TokenPipe&, NetworkGate&, Secrets&, HttpLimits = RemoteEngine::replyLimits(),
            QObject* parent = nullptr);
    ~Remotes() override;

    void read(); // then changed()

    const QVector<RemoteEndpoint>& all() const { return all_; } // by name

    const RemoteEndpoint* find(const QString& path) const; // by "remote:ID"; null: none

    RemoteEngine& engine() { return engine_; }

    /// The name under which it signs its replies; absent: there is none of this path.
    std::optional<QString> nameOf(const QString& path) const;
    /// As chats list models.
    QVector<ui::ModelRow> rows() const;

    /// A new one (empty id) or another version of one that is there. `key` empty: as it is.
    void put(RemoteEndpoint, const QString& key = {});
    void setOn(const QString& path, bool on);
    void dropKey(const QString& path);
    /// With its key. Both come back by restore() with what removed() told, until the program ends.
    void remove(const QString& path);
    void restore(const QString& path);
    /// Answered by tested(), unless the engine is changed, switched off or removed before.
    void test(const QString& path);
    bool isTesting(const QString& path) const;

signals:
    void changed();
    void stored(const QString& path); // by put(): a new one is listed now
    void removed(const QString& path, const QString& name);
    void tested(const QString& path, const hearth::app::RemoteFindings&);
    void keyProblem(const QString& path,
                    const QString& sentence); // the key is kept for this session only, or not at all

private:
    struct Removed {
        RemoteEndpoint endpoint;
        QString key;
        std::shared_ptr<std::optional<storage::ModelRecord>> record; // storage thread only
    };

    void keep(const RemoteEndpoint&);
    void endTest(const QString& path);
    void storeKey(const RemoteEndpoint&, const QString& key);
    RemoteEndpoint* at(const QString& path);

    StorageWorker& storage_;
    NetworkGate& gate_;
    Secrets& secrets_;
    RemoteEngine engine_;
    HttpClient testClient_;
    QVector<RemoteEndpoint> all_;
    QHash<QString, Removed> removed_;                                      // by path
    std::vector<std::pair<QString, std::unique_ptr<RemoteProbe>>> probes_; // by path
};

} // namespace hearth::app
