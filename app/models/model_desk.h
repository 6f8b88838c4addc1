#pragma once

#include "app/engine_worker.h"
#include "app/load_mark.h"
#include "app/models/library.h"
#include "ui/rows.h"

#include <QHash>
#include <QObject>
#include <QSet>
#include <QString>
#include <QStringList>

#include <functional>
#include <optional>
#include <utility>

namespace hearth::app {

/// Which model is loaded, loading, missing or under suspicion, and what is said about it. GUI thread.
class ModelDesk : public QObject {
    Q_OBJECT

public:
    ModelDesk(EngineWorker&, Library&, LoadMark, QObject* parent = nullptr);

    /// Before the first load: the options of the engine, as the settings have them.
    void setEngineOptions(const engine::EngineOptions&);

    /// How a model shall be loaded; without it, as it recommends. Before the first load.
    void setRequestOf(std::function<LoadRequest(const QString& path)> requestOf) { requestOf_ = std::move(requestOf); }

    /// Whether a reply by a model runs.
    void setInUse(std::function<bool(const QString& path)> inUse) { inUse_ = std::move(inUse); }

    /// A model in memory that shall be loaded otherwise by now is loaded anew, as soon as no reply needs it; one that
    /// is not the current one leaves, to come back with the next message. To be called when what setRequestOf() gives
    /// may have changed, and when a reply ends.
    void renew();

    /// Which models are listed; all, unless it is said.
    void setListed(std::function<bool(const ModelFile&)> listed) { listed_ = std::move(listed); }

    QVector<ui::ModelRow> rows() const;

    const std::optional<LoadedModel>& loaded() const { return loaded_; }

    QString loadedPath() const { return loadedPath_; }

    QString loadingPath() const { return loadingPath_; }

    double loadingProgress() const { return progress_; }

    /// A model that is in memory, the current one or another; null: it is not.
    const LoadedModel* resident(const QString& path) const;
    /// The name under which a loaded model signs its replies.
    std::optional<QString> loadedName(const QString& path) const;
    QString nameOf(const QString& path) const;
    bool isStarter(const QString& path) const;

    bool isSuspect(const QString& path) const { return !path.isEmpty() && path == suspect_; }

    /// Loads unless it is loaded, loading, missing, or took the program down last time: then a notice asks.
    void want(const QString& path);
    /// Chosen by hand: loads whatever happened before.
    void pick(const QString& path);
    void cancel(const QString& path);
    /// An action of a notice that this object showed. False: not one of its.
    bool act(const QString& noticeKey, const QString& actionId);
    static QStringList noticeKeys();
    /// The notice still stands, and the window speaks another language.
    void tellAgain(const QString& noticeKey);

signals:
    void changed(); // rows
    void rowChanged(const hearth::ui::ModelRow&);
    void progressed();
    void ready(const QString& path);
    void notice(const hearth::ui::Notice&);
    void noticeOver(const QString& key);
    void fileWanted(); // the person wants to choose another file
    /// What waits for it goes on waiting. The error is empty where it was stopped.
    void loadFailed(const QString& path, const QString& error);
    void retried(const QString& path); // by the notice that told of the error

private:
    void load(const QString& path, int contextTokens = 0);
    bool isOutdated(const QString& path) const;
    void onLoaded(const QString& path, const LoadedModel&);
    void onEnded(const QString& path, const QString& error);
    void showSuspect();
    void showMissing();
    void showFailed();
    void showRenewed();
    ui::ModelRow rowOf(const ModelFile&) const;
    void tellRow(const QString& path);

    EngineWorker& engine_;
    Library& library_;
    engine::EngineOptions options_;
    std::function<LoadRequest(const QString&)> requestOf_;
    std::function<bool(const QString&)> inUse_;
    QHash<QString, LoadRequest> asked_; // by path: as requestOf_ had it at the last load
    std::function<bool(const ModelFile&)> listed_;
    std::optional<LoadedModel> loaded_;
    QHash<QString, LoadedModel> resident_; // by path
    QString loadedPath_, loadingPath_, failedPath_, missingPath_, renewedPath_;
    QString failure_; // why failedPath_ was not loaded
    QString suspect_; // the mark names it: not loaded until the person says so
    LoadMark::Stage suspectStage_ = LoadMark::Stage::Loading;
    double progress_ = 0;
};

} // namespace hearth::app
