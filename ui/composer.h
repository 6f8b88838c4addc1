#pragma once

#include "ui/theme.h"

#include <QPlainTextEdit>
#include <QTimer>
#include <QToolButton>
#include <QWidget>

#include <functional>

namespace hearth::ui {

/// The text field of the composer: plain text at the fixed line pitch, keys as a chat wants them. GUI thread.
class ComposerEdit : public QPlainTextEdit {
    Q_OBJECT

public:
    explicit ComposerEdit(const Theme&, QWidget* parent = nullptr);

    void setPlaceholder(const QString&);
    bool isComposing() const; // an input method has text that is not committed yet
    bool showsPlaceholder() const;
    /// Height of the text in px at the present width, counted no further than `limit`.
    int textHeight(int limit) const;

signals:
    void submitted();
    void recallRequested(); // the up arrow in an empty field
    void pageKey(int direction);

protected:
    void keyPressEvent(QKeyEvent*) override;
    void inputMethodEvent(QInputMethodEvent*) override;
    void paintEvent(QPaintEvent*) override;
    bool canInsertFromMimeData(const QMimeData*) const override;
    void insertFromMimeData(const QMimeData*) override;

private:
    void applyFont();

    const Theme& theme_;
    QString placeholder_;
};

/// The card in which a message is written, with the one button: Send, or Stop in its place. GUI thread.
class Composer : public QWidget {
    Q_OBJECT

public:
    explicit Composer(const Theme&, QWidget* parent = nullptr);

    void setGenerating(bool);

    bool isGenerating() const { return generating_; }

    void setText(const QString&); // says nothing: the draft is known to who sets it
    void fill(const QString&);    // as if it had been typed
    QString text() const;
    /// The last message of the person, for the up arrow.
    void setRecall(std::function<QString()>);
    void setMaximumCardHeight(int px);
    /// Tells a draft that still waits for its 300 ms.
    void flushDraft();
    void dropDraft(); // forgets the wait: another conversation is shown

    ComposerEdit& edit() { return *edit_; }

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

signals:
    void submitted(const QString& text);
    void stopRequested();
    void draftChanged(const QString& text);
    void pageKey(int direction);

protected:
    void paintEvent(QPaintEvent*) override;
    void resizeEvent(QResizeEvent*) override;
    void changeEvent(QEvent*) override;
    void mousePressEvent(QMouseEvent*) override;
    bool eventFilter(QObject*, QEvent*) override;

private:
    void submit();
    void retranslate();
    void updateHeight();
    void updateButton();
    int cardHeight() const;

    const Theme& theme_;
    ComposerEdit* edit_;
    QToolButton* button_;
    QTimer draftTimer_;
    std::function<QString()> recall_;
    int maximum_ = 300, height_ = 0; // px
    bool generating_ = false;
};

} // namespace hearth::ui
