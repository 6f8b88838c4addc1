#pragma once

#include "app/models/model_manager.h"
#include "app/models/net/network_gate.h"
#include "app/models/remote/remotes.h"
#include "ui/main_window.h"
#include "ui/models/model_rows.h"

#include <QHash>
#include <QObject>

namespace hearth::app {

/// The engines elsewhere as the page of models shows and changes them. GUI thread.
class RemoteDesk : public QObject {
    Q_OBJECT

public:
    struct Surroundings {
        ui::MainWindow& window;
        Remotes& remotes;
        NetworkGate& gate;
        ModelManager& manager;
    };

    explicit RemoteDesk(Surroundings, QObject* parent = nullptr);

    void refresh(); // an engine, the gate or the language is another
    /// Takes back what the undo bar offers. False: not one of its.
    bool undo(const QString& undoId);

signals:
    void networkChosen(bool on);

private:
    void save(const ui::RemoteEditRow&);
    void test(const QString& path);
    void onTested(const QString& path, const RemoteFindings&);
    ui::RemoteRow rowOf(const RemoteEndpoint&) const;

    Surroundings with_;
    QHash<QString, RemoteFindings> found_; // by path, in this session
    QHash<QString, QString> keyProblems_;  // likewise
};

} // namespace hearth::app
