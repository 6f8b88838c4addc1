#pragma once

#include "app/models/files/model_facts.h"
#include "app/models/files/model_places.h"

#include <QFileSystemWatcher>
#include <QHash>
#include <QObject>
#include <QString>
#include <QStringList>
#include <QThreadPool>
#include <QTimer>
#include <QVector>

#include <atomic>
#include <memory>

namespace hearth::app {

/// A model file or folder, as its header describes it.
struct ModelFile {
    QString path;     // absolute; its identity
    QString name;     // what a store calls it, general.name, else the file's name
    QString detail;   // "135 M · Q4_1 · 98 MB"; what is wrong with it, where it cannot be read
    qint64 bytes = 0; // of all its parts
    bool starter = false;
    bool missing = false;
    bool readable = true;                    // its header can be read, or was not read yet
    bool chats = true;                       // the engine can run it, and it writes text
    FoundModel found;                        // where it lies and whose it is
    std::shared_ptr<const ModelFacts> facts; // null: missing, or not read yet
};

/// Reads a header; never throws. Any thread.
ModelFile describeModel(const FoundModel&);
/// The starter model, by its name and size.
bool isStarterFile(const QString& path, qint64 bytes);
/// Where models lie: HEARTH_MODELS, else the setting, else `models` in the data folder.
QString modelFolder(const QString& setting, const QString& dataFolder);

/// All models the person has: those of the folder, of added folders and of other programs' stores, and those opened
/// from elsewhere, which are all read in place. Folders are searched and headers read in a thread of its own; functions
/// and signals: GUI thread.
class Library : public QObject {
    Q_OBJECT

public:
    explicit Library(QObject* parent = nullptr);
    ~Library() override;

    void setFolder(const QString& folder);

    QString folder() const { return folder_; }

    /// Folders that are read in place, and whether other programs' stores are. Before it is called: none, not.
    void setPlaces(const QStringList& addedFolders, bool otherStores);

    /// Files that shall be listed though they lie elsewhere, or are gone: opened ones, and those of conversations.
    void addFile(const QString& path);
    /// One of these is not to be listed any more.
    void dropFile(const QString& path);

    const QVector<ModelFile>& files() const { return files_; }

    const ModelFile* find(const QString& path) const; // null: not known (yet)

    bool scanned() const { return scanned_; } // once at least, all headers too

    void rescan();

signals:
    void changed();

private:
    struct Cached {
        FileStamp stamp;
        ModelFile file;
    };

    using Cache = QHash<QString, Cached>;

    void take(const QVector<ModelFile>&, const Cache&, bool whole);
    void scan(const std::vector<StoreRoot>&, const QStringList& extra, Cache known);
    std::vector<StoreRoot> roots() const;

    QString folder_;
    QStringList added_, extra_;
    bool otherStores_ = false;
    QVector<ModelFile> files_; // by name
    Cache cache_;
    bool scanned_ = false, scanning_ = false, again_ = false;
    std::atomic<bool> ending_ = false;
    QThreadPool pool_; // one thread
    QFileSystemWatcher watcher_;
    QTimer settle_;
};

} // namespace hearth::app
