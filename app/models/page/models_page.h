#pragma once

#include "app/models/model_desk.h"
#include "app/models/model_manager.h"
#include "app/models/page/discover_desk.h"
#include "app/models/page/remote_desk.h"
#include "app/storage_worker.h"
#include "ui/main_window.h"

#include <QHash>
#include <QObject>
#include <QThreadPool>

#include <atomic>
#include <memory>
#include <optional>

namespace hearth::app {

/// The page of models: brings together what it shows and what the library, the hubs and the downloads do. Owns the gate
/// to the network, which is closed until the person opens it. GUI thread.
class ModelsPage : public QObject {
    Q_OBJECT

public:
    struct Services {
        ui::MainWindow& window;
        StorageWorker& storage;
        Library& library;
        ModelManager& manager;
        ModelDesk& desk;
        EngineWorker& engine;
        TokenPipe& pipe; // of the replies that engines elsewhere give
    };

    /// `secrets` empty: the system's keyring.
    explicit ModelsPage(Services, std::unique_ptr<Secrets> secrets = {}, DownloadLimits = {},
                        QObject* parent = nullptr);
    ~ModelsPage() override;

    /// After the first paint: reads what was allowed and set, lists downloads that have not ended. `fresh`: nothing was
    /// ever said in this program, so that the first start's steps may come.
    void open(const QString& dataFolder, bool fresh);
    void retranslate(); // the window speaks another language
    /// Takes back what the undo bar offers. False: not one of its.
    bool undo(const QString& undoId);
    /// Whoever writes a message does not need the first start's steps any more.
    void endFirstRun();

    NetworkGate& gate() { return gate_; }

    Downloader& downloads();

    Remotes& remotes() { return *remotes_; }

signals:
    void fileBrought(const QString& path); // to be listed, read where it lies

protected:
    bool eventFilter(QObject*, QEvent*) override;

private:
    struct Remembered;

    /// What the person is about to bring.
    struct Bringing {
        QString path;
        ui::ImportHow how = ui::ImportHow::InPlace;
        std::optional<ImportPlan> plan;
        int number = 0; // of the question: earlier answers are not wanted any more
    };

    void connectLibrary();
    void connectDownloads();
    void connectImports();
    void take(const Remembered&);
    void shown();
    void refreshDetails();
    void refreshStores();
    void refreshDownloads();
    void cancelDownload(const QString& id);
    void endUndo(const QString& undoId);
    void wantDownload(const DownloadRequest&);
    void beginMove(const QString& folder);
    void endMove();
    QString partedWords() const;
    MachineMemory memory() const;
    void allowNetwork(bool on);
    void onFinished(const QString& id, const QString& path);
    void showJob(const QString& problem = {});
    void ask(const QString& path, ui::ImportHow);
    void askInPlace();
    void showPlan(const ui::ImportPlanRow&);
    void confirm();
    void showFirstRun();
    QStringList unfinishedFolders() const;
    void setText(const char* key, const QString& value);

    Services with_;
    std::unique_ptr<Secrets> secrets_;
    DownloadLimits limits_;
    NetworkGate gate_;
    std::unique_ptr<Downloader> downloader_; // made when it is needed
    std::unique_ptr<DiscoverDesk> discover_;
    std::unique_ptr<Remotes> remotes_;
    std::unique_ptr<RemoteDesk> remoteDesk_;
    Bringing bringing_;
    QString jobTitle_;
    double jobProgress_ = 0;
    qint64 rateLimit_ = 0;
    QHash<QString, TrashedModel> removed_; // by undo id
    QHash<QString, bool> cancelled_;       // downloads that can still be taken back: whether they were on their way
    QVector<DownloadRequest> afterMove_;   // asked for while all models are being moved
    QString parted_;                       // the folder that only some models have come to
    bool moving_ = false;
    bool opened_ = false, first_ = false;
    QString dataFolder_;
    QVector<CatalogModel> suggested_; // of the first start, as they are listed
    std::atomic<bool> ending_ = false;
    QThreadPool pool_; // one thread
};

} // namespace hearth::app
