#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QHash>
#include <QPointer>
#include <QWidget>

class QPushButton;

namespace hearth::ui {

class Card;
class CardList;
class DefaultsEditor;
class Label;
class RemoteSection;

/// The models that are there: what each is, where it lies, how fast it was, what is set for it. GUI thread.
class LibrarySection : public QWidget {
    Q_OBJECT

public:
    explicit LibrarySection(const Theme&, QWidget* parent = nullptr);

    void setModels(const QVector<ModelRow>&);
    void updateModel(const ModelRow&); // changed, or new
    void setDetails(const ModelDetailsRow&);
    void setCurrent(const QString& path);
    void setFolder(const QString& path);
    void refreshFolder(); // it may have been made since
    void setTrash(const QVector<TrashRow>&);
    void setJob(const JobRow&);

    CardList& models() { return *models_; }

    RemoteSection& remotes() { return *remotes_; }

    void openDefaults(const QString& path); // closes those of another model; empty: none

signals:
    void picked(const QString& path);
    void loadCancelled(const QString& path);
    void unloadRequested(const QString& path);
    void openFileRequested();
    void discoverRequested();
    void deleteRequested(const QString& path);
    void forgetRequested(const QString& path);
    void revealRequested(const QString& path);
    void defaultsChanged(const QString& path, const hearth::ui::ModelDefaultsRow&);
    void restoreRequested(const QString& trashId);
    void storeMoveRequested(const QString& toFolder);
    void jobCancelled();
    void jobDismissed();

protected:
    void changeEvent(QEvent*) override;
    void showEvent(QShowEvent*) override;

private:
    void retranslate();
    void refresh();
    void refreshTrash();
    void refreshJob();
    void act(const QString& path, const QString& action);
    void chooseFolder();

    const Theme& theme_;
    QVector<ModelRow> rows_;
    QHash<QString, ModelDetailsRow> details_; // by path
    QVector<TrashRow> trash_;
    JobRow job_;
    QString current_, folder_, opened_;
    Label *help_, *folderLabel_, *none_, *trashTitle_;
    QPushButton *open_, *discover_, *reveal_, *move_;
    CardList *models_, *trashed_, *jobs_;
    RemoteSection* remotes_;
    QPointer<DefaultsEditor> editor_;
};

} // namespace hearth::ui
