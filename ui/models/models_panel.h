#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QUrl>
#include <QWidget>

namespace hearth::ui {

class DiscoverSection;
class DownloadsSection;
class ImportSection;
class LibrarySection;
class SectionTabs;

/// The page of models: those that are there, new ones, downloads, and bringing one's own. Rows in, signals out; the
/// sections are its own affair. GUI thread.
class ModelsPanel : public QWidget {
    Q_OBJECT

public:
    explicit ModelsPanel(const Theme&, QWidget* parent = nullptr);

    enum class Section { Library, Discover, Downloads, Import };

    void show(Section);
    Section section() const;

    // Library
    void setModels(const QVector<ModelRow>&);
    void updateModel(const ModelRow&);
    void setDetails(const ModelDetailsRow&);
    void setCurrent(const QString& path);
    void setFolder(const QString& path);
    void setTrash(const QVector<TrashRow>&);
    void setJob(const JobRow&); // a move of the folder, or an import

    // Discover
    void setNetwork(const NetworkRow&);
    void setHubs(const QVector<HubRow>&);
    void setCatalog(const QVector<CatalogRow>&);
    void setSearch(const SearchRow&);   // the answer to searchRequested()
    void setHubPage(const HubPageRow&); // the answer to hubPageRequested(), and what is learnt of its files later
    void openCatalogModel(const QString& id);
    void openHubPage(const QString& hub, const QString& model);

    // Downloads
    void setDownloads(const QVector<DownloadRow>&);
    void updateDownload(const DownloadRow&);
    void setRateLimit(qint64 bytesPerSecond);

    // Bring your own
    void setStores(const QVector<StoreRow>&, bool readOthers);
    void setImportPlan(const ImportPlanRow&);
    void bring(const QStringList& paths, int leftOut = 0); // files and folders that were dropped

    LibrarySection& library() { return *library_; }

    DiscoverSection& discover() { return *discover_; }

    DownloadsSection& downloads() { return *downloads_; }

    ImportSection& import() { return *import_; }

signals:
    void picked(const QString& path);
    void loadCancelled(const QString& path);
    void unloadRequested(const QString& path);
    void openFileRequested();
    void deleteRequested(const QString& path); // into the trash; the window's undo bar offers it back
    void forgetRequested(const QString& path); // off the list, its file untouched
    void revealRequested(const QString& path);
    void defaultsChanged(const QString& path, const hearth::ui::ModelDefaultsRow&);
    void restoreRequested(const QString& trashId);
    void storeMoveRequested(const QString& toFolder);
    void jobCancelled();
    void jobDismissed(); // what it ended with was read

    void networkChosen(bool on);
    void searchRequested(const QString& hub, const QString& words);
    void hubPageRequested(const QString& hub, const QString& model);
    void hubPageClosed(); // what is still read for it can stop
    void downloadRequested(const QString& hub, const QString& model, const QString& group);
    void hubAddressChanged(const QString& hub, const QString& address); // empty: its own
    void tokenEntered(const QString& hub, const QString& token);
    void tokenRemoved(const QString& hub);
    void addressOpened(const QUrl&); // the person saw it in full

    void downloadPaused(const QString& id);
    void downloadResumed(const QString& id);
    void downloadRemoved(const QString& id); // with what has arrived; a finished one leaves the list only
    void downloadMoved(const QString& id, int position);
    void rateLimitChanged(qint64 bytesPerSecond);

    void importRequested(const QString& path, hearth::ui::ImportHow);
    void importConfirmed();
    void importDismissed();
    void otherStoresChanged(bool read);
    void folderDropped(const QString& path);

    void sectionShown(hearth::ui::ModelsPanel::Section);

protected:
    void changeEvent(QEvent*) override;
    void showEvent(QShowEvent*) override;
    bool focusNextPrevChild(bool next) override;

private:
    void retranslate();
    void connectSections();

    SectionTabs* tabs_;
    LibrarySection* library_;
    DiscoverSection* discover_;
    DownloadsSection* downloads_;
    ImportSection* import_;
};

} // namespace hearth::ui
