#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QWidget>

class QStackedWidget;

namespace hearth::ui {

class ChatDocument;
class ChatView;
class Composer;
class EmptyState;
class Header;
class NoticeStack;

/// One conversation: its header, what there is to notice, the messages or the empty state, the composer. GUI thread.
class ConversationPanel : public QWidget {
    Q_OBJECT

public:
    explicit ConversationPanel(const Theme&, QWidget* parent = nullptr);

    Header& header() { return *header_; }

    NoticeStack& notices() { return *notices_; }

    ChatDocument& document() { return *document_; }

    ChatView& view() { return *view_; }

    EmptyState& empty() { return *empty_; }

    Composer& composer() { return *composer_; }

    int composerTop() const;
    /// min(680 at 100 % text, width - 48), centred beside the room of the scroll bar: messages, notices and composer
    /// share it.
    QRect column() const;
    void setWindowHeight(int px); // the composer grows to half of it

    static constexpr int kColumn = 680; // px at 100 % text

protected:
    void resizeEvent(QResizeEvent*) override;

private:
    void chooseView();
    void placeColumns();

    const Theme& theme_;
    Header* header_;
    NoticeStack* notices_;
    ChatDocument* document_;
    ChatView* view_;
    EmptyState* empty_;
    QStackedWidget* stack_;
    Composer* composer_;
    QWidget* noticeRow_;
    QWidget* composerRow_;
};

} // namespace hearth::ui
