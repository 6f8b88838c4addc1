#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QFrame>
#include <QTimer>
#include <QWidget>

class QBoxLayout;
class QPushButton;
class QToolButton;

namespace hearth::ui {

class Label;

/// Inline notices, one below the other: what happened, and what can be done. No dialogs. GUI thread.
class NoticeStack : public QWidget {
    Q_OBJECT

public:
    explicit NoticeStack(const Theme&, QWidget* parent = nullptr);

    void show(const Notice&); // replaces one of the same key
    void hide(const QString& key);
    bool has(const QString& key) const;

signals:
    void action(const QString& key, const QString& actionId);
    void dismissed(const QString& key);

private:
    QWidget* find(const QString& key) const;

    const Theme& theme_;
    QBoxLayout* layout_;
};

/// The bar that takes something back, for eight seconds; while it has the mouse or the focus it stays. GUI thread.
class UndoBar : public QFrame {
    Q_OBJECT

public:
    explicit UndoBar(const Theme&, QWidget* parent = nullptr);

    void offer(const QString& text, const QString& undoId);
    void withdraw(const QString& undoId); // if it is the one that is offered

    QString undoId() const { return undoId_; }

    static constexpr int kSeconds = 8;

signals:
    void undone(const QString& undoId);
    void ended(const QString& undoId); // no longer offered: taken back, dismissed, or another one came
    void resized();                    // shown, hidden, or another text

protected:
    void paintEvent(QPaintEvent*) override;
    void changeEvent(QEvent*) override;
    void enterEvent(QEnterEvent*) override;
    void leaveEvent(QEvent*) override;

private:
    void retranslate();
    void finish();

    const Theme& theme_;
    Label* text_;
    QPushButton* undo_;
    QToolButton* close_;
    QTimer timer_;
    QString undoId_;
};

} // namespace hearth::ui
