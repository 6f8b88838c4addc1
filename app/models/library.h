#pragma once

#include <QDateTime>
#include <QFileSystemWatcher>
#include <QHash>
#include <QObject>
#include <QString>
#include <QStringList>
#include <QThreadPool>
#include <QTimer>
#include <QVector>

namespace hearth::app {

/// A model file, as its header describes it.
struct ModelFile {
    QString path;     // absolute; its identity
    QString name;     // general.name, else the file's name
    QString detail;   // "135 M · Q4_1 · 98 MB"; what is wrong with it, where it cannot be read
    qint64 bytes = 0; // of all its parts
    bool starter = false;
    bool missing = false;
    bool readable = true; // its header can be read
};

/// Reads a header; never throws. Any thread.
ModelFile describeModelFile(const QString& path);
/// The starter model, by its name and size.
bool isStarterFile(const QString& path, qint64 bytes);
/// Where models lie: HEARTH_MODELS, else the setting, else `models` in the data folder.
QString modelFolder(const QString& setting, const QString& dataFolder);
/// *.gguf below the folder, two levels deep; of a split model the first part.
QStringList findModelFiles(const QString& folder);

/// All models the person has: those of the folder, and those opened from elsewhere, which are read in place. Headers
/// are read in a thread of its own; functions and signals: GUI thread.
class Library : public QObject {
    Q_OBJECT

public:
    explicit Library(QObject* parent = nullptr);
    ~Library() override;

    /// Files that shall be listed though they lie elsewhere, or are gone: opened ones, and those of conversations.
    void setFolder(const QString& folder);
    void addFile(const QString& path);

    const QVector<ModelFile>& files() const { return files_; }

    const ModelFile* find(const QString& path) const; // null: not known (yet)

    bool scanned() const { return scanned_; } // once at least

    void rescan();

signals:
    void changed();

private:
    struct Cached {
        qint64 bytes = 0;
        QDateTime modified;
        ModelFile file;
    };

    void take(const QVector<ModelFile>&, const QHash<QString, Cached>&);

    QString folder_;
    QStringList extra_;
    QVector<ModelFile> files_; // by name
    QHash<QString, Cached> cache_;
    bool scanned_ = false, scanning_ = false, again_ = false;
    QThreadPool pool_; // one thread
    QFileSystemWatcher watcher_;
    QTimer settle_;
};

} // namespace hearth::app
