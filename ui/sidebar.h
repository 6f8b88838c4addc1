#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QWidget>

class QBoxLayout;
class QLineEdit;
class QToolButton;

namespace hearth::ui {

class ConversationList;
class Label;

/// New chat, search, the list of conversations, and at its foot the pages of the program. GUI thread.
class Sidebar : public QWidget {
    Q_OBJECT

public:
    explicit Sidebar(const Theme&, QWidget* parent = nullptr);

    ConversationList& list() { return *list_; }

    void refreshEmpty(); // after the rows changed
    void focusSearch();
    /// One entry at the foot. `title` is translated in the context hearth::ui::MainWindow.
    void addPage(const QString& id, const QString& icon, const char* title);
    void setPage(const QString& id); // the page in view; empty: a conversation

    static constexpr int kWidth = 264, kLeast = 220, kMost = 360; // px

signals:
    void newRequested();
    void pageRequested(const QString& id);
    void leftSearch(); // Escape in an empty search

protected:
    void paintEvent(QPaintEvent*) override;
    void changeEvent(QEvent*) override;
    bool eventFilter(QObject*, QEvent*) override;

private:
    struct Page {
        QString id;
        const char* title;
        QToolButton* button;
    };

    void retranslate();

    const Theme& theme_;
    QToolButton* new_;
    QLineEdit* search_;
    ConversationList* list_;
    Label* none_;
    QBoxLayout* foot_;
    bool marking_ = false; // a page is marked as open, not asked for
    QVector<Page> pages_;
};

} // namespace hearth::ui
