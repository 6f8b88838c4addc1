#pragma once

#include "ui/chat/chat_document.h"
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
    void copySelection();

signals:
    void regenerateRequested(hearth::ui::RowId);
    void continueRequested(hearth::ui::RowId);
    void siblingRequested(hearth::ui::RowId, int index);
    void linkActivated(const QUrl&); // the one sink of links: the shell shows the address in full before it opens
    void scrollPositionChanged(double);

private:
    struct Private;
    std::unique_ptr<Private> d_;
};

} // namespace hearth::ui
