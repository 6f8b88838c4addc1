#pragma once

#include "ui/theme.h"

#include <QComboBox>
#include <QFrame>
#include <QWidget>

class QPlainTextEdit;

namespace hearth::ui {

class Label;

/// The wheel scrolls the page: it never changes a choice that passes below the mouse.
class Choice : public QComboBox {
    Q_OBJECT

public:
    explicit Choice(QWidget* parent = nullptr);

    /// Chooses the entry of this value; one that is not there is added as it is.
    void select(const QVariant& value, const QString& otherwise);

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void wheelEvent(QWheelEvent*) override;

private:
    int advanceBeyondInk() const;
};

/// A control with its words above it. GUI thread.
class LabelledField : public QWidget {
    Q_OBJECT

public:
    /// `characters`: how wide it is at least, in letters of the interface; 0: as wide as there is room.
    LabelledField(const Theme&, QWidget* control, int characters, QWidget* parent = nullptr);

    void setWords(const QString&);

    QSize sizeHint() const override;

private:
    const Theme& theme_;
    Label* label_;
    QWidget* control_;
    int characters_;
};

/// A field of several lines of plain text. GUI thread.
class TextBox : public QFrame {
    Q_OBJECT

public:
    TextBox(const Theme&, int lines, QWidget* parent = nullptr);

    QPlainTextEdit& edit() { return *edit_; }

signals:
    void finished(); // the focus left

protected:
    void paintEvent(QPaintEvent*) override;
    bool eventFilter(QObject*, QEvent*) override;

private:
    const Theme& theme_;
    QPlainTextEdit* edit_;
    int lines_;
};

} // namespace hearth::ui
