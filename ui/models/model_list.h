#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QAbstractButton>
#include <QWidget>

class QBoxLayout;
class QToolButton;

namespace hearth::ui {

/// The state of a model in words: "Loaded", "Loading 20 %", "Not loaded", "Missing".
QString modelStateWords(const ModelRow&);

/// One model: name, what it is, its state; while it loads a bar and a button that cancels. GUI thread.
class ModelItem : public QAbstractButton {
    Q_OBJECT

public:
    ModelItem(const Theme&, const ModelRow&, QWidget* parent = nullptr);

    void setRow(const ModelRow&);
    void setCurrent(bool);

    const ModelRow& row() const { return row_; }

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

signals:
    void cancelled(const QString& path);

protected:
    void paintEvent(QPaintEvent*) override;
    void resizeEvent(QResizeEvent*) override;
    void changeEvent(QEvent*) override;
    void keyPressEvent(QKeyEvent*) override;

private:
    void describe();

    const Theme& theme_;
    ModelRow row_;
    QToolButton* cancel_;
    bool current_ = false;
};

/// All models, one below the other; the arrow keys go from one to the next. GUI thread.
class ModelList : public QWidget {
    Q_OBJECT

public:
    explicit ModelList(const Theme&, QWidget* parent = nullptr);

    void setModels(const QVector<ModelRow>&);
    void updateModel(const ModelRow&); // changed, or new
    void setCurrent(const QString& path);

    int count() const { return static_cast<int>(items_.size()); }

    ModelItem* item(int index) const { return items_.value(index); }

    void focusCurrent();

signals:
    void picked(const QString& path);
    void loadCancelled(const QString& path);

private:
    ModelItem* add(const ModelRow&);

    const Theme& theme_;
    QBoxLayout* layout_;
    QVector<ModelItem*> items_;
    QString current_;
};

} // namespace hearth::ui
