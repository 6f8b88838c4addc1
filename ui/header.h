#pragma once

#include "ui/theme.h"

#include <QLineEdit>
#include <QWidget>

class QMenu;
class QToolButton;

namespace hearth::ui {

class ModelPicker;

/// A title that becomes a field when it gets the focus. Enter keeps the change, Escape does not.
class TitleEdit : public QLineEdit {
    Q_OBJECT

public:
    explicit TitleEdit(const Theme&, QWidget* parent = nullptr);

    void setTitle(const QString&); // empty: an unnamed chat
    void setUnnamed(const QString& words);

    QSize minimumSizeHint() const override;

signals:
    void renamed(const QString&);

protected:
    void paintEvent(QPaintEvent*) override;
    void keyPressEvent(QKeyEvent*) override;
    void focusInEvent(QFocusEvent*) override;
    void focusOutEvent(QFocusEvent*) override;
    void enterEvent(QEnterEvent*) override;
    void leaveEvent(QEvent*) override;

private:
    void finish(bool keep);

    QString shown() const { return title_.isEmpty() ? unnamed_ : title_; }

    const Theme& theme_;
    QString title_, unnamed_;
};

/// The line above the conversation: sidebar, title, model picker, ⋯. GUI thread.
class Header : public QWidget {
    Q_OBJECT

public:
    explicit Header(const Theme&, QWidget* parent = nullptr);

    TitleEdit& title() { return *title_; }

    ModelPicker& picker() { return *picker_; }

    void setConversation(bool exists); // false: the empty state, which has no title to edit and nothing to delete

signals:
    void sidebarToggled();
    void newRequested();
    void deleteRequested();

protected:
    void changeEvent(QEvent*) override;
    void paintEvent(QPaintEvent*) override;

private:
    void retranslate();
    void measure();
    void openMenu();

    const Theme& theme_;
    QToolButton* toggle_;
    TitleEdit* title_;
    ModelPicker* picker_;
    QToolButton* more_;
    bool exists_ = false;
};

} // namespace hearth::ui
