#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QWidget>

class QPushButton;

namespace hearth::ui {

class Label;
class ModelList;

/// The page of models: what is there, what state it is in, and how to bring more. GUI thread.
class ModelsPanel : public QWidget {
    Q_OBJECT

public:
    explicit ModelsPanel(const Theme&, QWidget* parent = nullptr);

    void setModels(const QVector<ModelRow>&);
    void updateModel(const ModelRow&);
    void setCurrent(const QString& path);
    void setFolder(const QString& path);

signals:
    void picked(const QString& path);
    void loadCancelled(const QString& path);
    void openFileRequested();

protected:
    void changeEvent(QEvent*) override;

private:
    void retranslate();
    void refresh();

    Label* help_;
    Label* folder_;
    Label* none_;
    ModelList* list_;
    QPushButton* open_;
    QPushButton* reveal_;
    QString path_;
};

} // namespace hearth::ui
