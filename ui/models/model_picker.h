#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QFrame>
#include <QWidget>

class QPushButton;
class QScrollArea;
class QToolButton;

namespace hearth::ui {

class Label;
class ModelList;

/// The list that drops down from the picker, with "Open a model file…" at its foot.
class ModelPopup : public QFrame {
    Q_OBJECT

public:
    explicit ModelPopup(const Theme&, QWidget* parent);

    ModelList& list() { return *list_; }

    void openBelow(const QWidget& anchor);

signals:
    void openFileRequested();

protected:
    void paintEvent(QPaintEvent*) override;
    void changeEvent(QEvent*) override;
    void keyPressEvent(QKeyEvent*) override;

private:
    void retranslate();

    const Theme& theme_;
    ModelList* list_;
    QScrollArea* scroll_;
    Label* none_;
    QPushButton* open_;
};

/// The model of the shown conversation: a button with its name and state that opens the list, and while it loads
/// another that cancels. GUI thread.
class ModelPicker : public QWidget {
    Q_OBJECT

public:
    explicit ModelPicker(const Theme&, QWidget* parent = nullptr);

    void setModels(const QVector<ModelRow>&);
    void updateModel(const ModelRow&);
    void setCurrent(const QString& path);
    const ModelRow* current() const; // null: none, or one that is not in the list
    QString buttonText() const;
    void openPopup();

    ModelPopup& popup() { return *popup_; }

signals:
    void picked(const QString& path);
    void loadCancelled(const QString& path);
    void openFileRequested();
    void currentChanged(); // the row of the model in use

protected:
    void changeEvent(QEvent*) override;

private:
    void refresh();

    const Theme& theme_;
    QToolButton* button_;
    QToolButton* cancel_;
    ModelPopup* popup_;
    QVector<ModelRow> rows_;
    QString path_;
};

} // namespace hearth::ui
