#pragma once

#include "ui/chat/chat_document.h"
#include "ui/chat/conversation_search.h"
#include "ui/theme.h"

#include <QAbstractScrollArea>
#include <QUrl>

#include <memory>

namespace hearth::ui {

/// Paints a ChatDocument. Work per frame is proportional to what is new: see the design's "Window". GUI thread.
class ChatView : public QAbstractScrollArea {
    Q_OBJECT

public:
    ChatView(ChatDocument&, const Theme&, QWidget* parent = nullptr);
    ~ChatView() override;

    /// Position as message index + fraction of that message above the top edge; -1: at the end, and following it.
    double scrollPosition() const;
    void setScrollPosition(double);
    bool atEnd() const;
    void scrollToEnd();

    bool hasSelection() const;
    QString selectedText() const; // plain
    QString selectedMarkdown() const;
    void copySelection();
    void selectAll();
    void clearSelection();
    TextPosition selectionStart() const; // where it was begun
    TextPosition selectionEnd() const;   // its free end, which may lie before the start
    void setSelection(const TextPosition& anchor, const TextPosition& head);
    TextPosition positionAt(QPoint) const; // of the viewport

    /// What is found is marked while a search is set.
    void setSearch(const ConversationSearch*);
    /// Brings a match into sight and marks it as the one that is looked at.
    void showMatch(int index);
    TextPosition readingPosition() const; // at the top edge

    /// A reply is prepared or written: what it answers stays as it is.
    void setReplying(bool);
    /// What is shown is only to be read, such as a model's card: nothing is offered below it.
    void setReadOnly(bool);

    const ChatDocument& document() const;

    // For tests and screen readers.
    int layoutCount() const;                          // leaves that are laid out now: those near the screen
    QRect messageRect(int index) const;               // viewport coordinates
    QRect caretRect(const TextPosition&) const;       // viewport coordinates; lays out what it needs
    QStringList visibleTargets() const;               // labels of what can be pressed, in order
    bool activateTarget(const QString& label);        // the first visible one of that label
    QStringList actionsOf(int message) const;         // names, those that can be done now
    static QString actionLabel(const QString& name);  // translated
    void activateAction(int message, const QString&); // by name
    QStringList detailsOf(int message) const;         // when and how it came to be
    int unseenLines() const;                          // that came below while the reader was elsewhere

signals:
    void regenerateRequested(hearth::ui::RowId);
    void continueRequested(hearth::ui::RowId);
    void siblingRequested(hearth::ui::RowId, int index);
    void editRequested(hearth::ui::RowId);
    void deleteRequested(hearth::ui::RowId);
    void branchRequested(hearth::ui::RowId);
    void quoteRequested(const QString& text); // plain
    void zoomRequested(int steps);            // Ctrl and the wheel
    void linkActivated(const QUrl&); // the one sink of links: the shell shows the address in full before it opens
    void linkHovered(const QString& address); // empty: none any more
    void scrollPositionChanged(double);
    void selectionChanged();

protected:
    bool viewportEvent(QEvent*) override;
    void paintEvent(QPaintEvent*) override;
    void resizeEvent(QResizeEvent*) override;
    void scrollContentsBy(int dx, int dy) override;
    void mousePressEvent(QMouseEvent*) override;
    void mouseMoveEvent(QMouseEvent*) override;
    void mouseReleaseEvent(QMouseEvent*) override;
    void mouseDoubleClickEvent(QMouseEvent*) override;
    void wheelEvent(QWheelEvent*) override;
    void keyPressEvent(QKeyEvent*) override;
    void focusInEvent(QFocusEvent*) override;
    void focusOutEvent(QFocusEvent*) override;
    void contextMenuEvent(QContextMenuEvent*) override;
    void changeEvent(QEvent*) override;
    bool focusNextPrevChild(bool next) override;
    void timerEvent(QTimerEvent*) override;

private:
    struct Private;
    std::unique_ptr<Private> d_;
};

} // namespace hearth::ui
