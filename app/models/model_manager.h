#pragma once

#include "app/models/files/fit.h"
#include "app/models/files/importer.h"
#include "app/models/files/model_defaults.h"
#include "app/models/files/trash.h"
#include "app/models/library.h"
#include "app/storage_worker.h"

#include <QHash>
#include <QObject>
#include <QString>
#include <QStringList>
#include <QThreadPool>
#include <QTimer>
#include <QVector>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

namespace hearth::app {

/// In the window's language.
QString told(const Words&);

/// What a person does with the library: bring, remove, restore, move it all, set a model's defaults, ask whether it
/// fits; and what is remembered of each model. Files are copied, hashed and moved in a thread of its own, one job at a
/// time; functions and signals: GUI thread.
class ModelManager : public QObject {
    Q_OBJECT

public:
    ModelManager(StorageWorker&, Library&, QObject* parent = nullptr);
    ~ModelManager() override;

    /// Reads what is remembered and where models lie, and has the library look there. `folder`: where the library's own
    /// models lie. Empties of the trash what has lain there long.
    void open(const QString& folder);
    /// Reads the records again: replies have told of speeds.
    void refresh();

    const storage::ModelRecord* record(const QString& path) const; // null: nothing is remembered
    bool isListed(const ModelFile&) const;                         // false: it is to be hidden

    ModelDefaults defaults(const QString& path) const;
    void setDefaults(const QString& path, const ModelDefaults&);

    QStringList addedFolders() const { return added_; }

    bool otherStores() const { return otherStores_; }

    void addFolder(const QString& folder); // is read in place
    void dropFolder(const QString& folder);
    void setOtherStores(bool);

    /// `contextTokens` 0: as the model's defaults say. `givenBack`: see MachineMemory. Nothing: its header tells too
    /// little.
    std::optional<Fit> fit(const ModelFile&, int contextTokens = 0, quint64 givenBack = 0) const;
    /// Measures the machine's memory unless that was done before, in the background; then calibrated().
    void calibrate();
    /// The same, without anybody having asked, once nothing has been going on for a while: `busy` says whether
    /// something is. Later wherever it is.
    void calibrateWhenIdle(std::function<bool()> busy, std::chrono::milliseconds rest = std::chrono::seconds(5));
    /// Somebody needs the processors: what is measured just now is given up, and done after another rest.
    void postponeCalibration();

    double bandwidth() const { return bandwidth_.bytesPerSecond; } // bytes a second; 0: not measured yet

    bool isBusy() const { return busy_; } // a job runs: another one is refused

    /// What bringing a file or folder would do; answered by importPlanned() or jobFailed().
    void planImport(const QString& path, ImportHow, const QString& name = {});
    void import(const ImportPlan&); // answered by imported(), jobStopped() or jobFailed()
    /// Answered by storeMoved(), jobStopped() or jobFailed(); before the latter by storeParted() where some models lie
    /// there by then. Until all do, the other folder is read in place, so that none is missed: after a crash too.
    void moveStore(const QString& to);
    void cancelJob();

    void remove(const QString& path); // of the own folder: into the trash; then removed() or failed()
    void restore(const TrashedModel&);
    /// A model of another program, or from elsewhere: it is listed no more, and not touched.
    void forget(const QString& path);
    void unforget(const QString& path);
    void readTrash(); // then trashRead()

signals:
    void opened();                     // records are there, or cannot be read
    void changed(const QString& path); // what is remembered of it; empty: of any
    void calibrated();
    void jobProgress(double part); // 0 to 1
    void importPlanned(const hearth::app::ImportPlan&);
    void imported(const QString& path, const QString& note); // the note is mostly empty
    void storeMoved(const QString& folder);                  // the setting is to follow
    void storeParted(const QString& to);
    void modelMoved(const QString& from, const QString& to); // what names it by its path is to follow
    void jobStopped();
    void jobFailed(const QString& sentence);
    void removed(const hearth::app::TrashedModel&);
    void restored(const QString& path);
    void failed(const QString& sentence); // of what is no job
    void trashRead(const QVector<hearth::app::TrashedModel>&);

private:
    struct Outcome {
        std::function<void()> always, then; // GUI thread; the second where it is done
        QString error;
        bool stopped = false;
    };

    using Job = std::function<Outcome(const FileProgress&)>;

    void run(Job);
    void runWithHashes(std::function<Outcome(HashCache&, const FileProgress&)>);
    void remember(const QString& path, std::function<void(storage::ModelRecord&)> inMemory,
                  std::function<void(storage::Models&)> stored);
    void placesChanged();
    void follow(const QString& from, const QString& to);

    StorageWorker& storage_;
    Library& library_;
    QString folder_;
    QStringList added_;
    bool otherStores_ = true, busy_ = false, calibrating_ = false, calibratedNow_ = false;
    Bandwidth bandwidth_;
    QHash<QString, storage::ModelRecord> records_; // by path
    std::shared_ptr<std::atomic<bool>> cancel_;    // of the job that runs
    std::shared_ptr<std::atomic<bool>> stopMeasuring_;
    std::function<bool()> busyElsewhere_;
    QTimer rest_; // before it is measured unasked
    std::atomic<bool> ending_ = false;
    QThreadPool pool_; // one thread
};

} // namespace hearth::app

Q_DECLARE_METATYPE(hearth::app::ImportPlan)
Q_DECLARE_METATYPE(hearth::app::TrashedModel)
