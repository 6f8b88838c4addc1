#pragma once

#include "ui/theme.h"

#include <QWidget>

class QScrollArea;
class QToolButton;

namespace hearth::ui {

class Label;

/// A page that replaces the conversation: its title, the way back, and what scrolls below. GUI thread.
class Page : public QWidget {
    Q_OBJECT

public:
    /// `title` is translated in the context hearth::ui::MainWindow.
    Page(const Theme&, const char* title, QWidget* content, QWidget* parent = nullptr);

    void takeFocus();

signals:
    void sidebarToggled();
    void closed();

protected:
    void changeEvent(QEvent*) override;
    void paintEvent(QPaintEvent*) override;

private:
    void retranslate();
    void measure();

    const Theme& theme_;
    const char* words_;
    QWidget* head_;
    QToolButton* toggle_;
    QToolButton* back_;
    Label* title_;
    QScrollArea* scroll_;
};

} // namespace hearth::ui
