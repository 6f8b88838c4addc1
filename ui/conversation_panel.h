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
class FindBar;
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

    FindBar& findBar() { return *find_; }

    void openFind(); // nothing to find in an empty conversation
    /// A message of the person comes into the composer to be said anew; what stood there waits until that is over.
    void startEditing(RowId, const QString& text);
    void endEditing();
    /// The same where nobody asked for it: words that were changed go into the draft, before what stood there.
    void abandonEditing();
    /// It cannot be sent while a reply is written: the text stays to be sent after it.
    void refuseEdit(const QString& text);

    RowId editing() const { return editing_; } // 0: a new message is written

    void quote(const QString& text); // into the composer, before what stands there

    int composerTop() const;

    /// min(680 at 100 % text, width - 48), centred beside the room of the scroll bar: messages, notices and composer
    /// share it.
    QRect column() const { return column(width()); }

    QRect column(int panelWidth) const; // while it is hidden it has an old width
    void setReplying(bool);             // Send or Stop, and what can be done with messages
    void setWindowHeight(int px);       // the composer grows to half of it

    static constexpr int kColumn = 680; // px at 100 % text

protected:
    void resizeEvent(QResizeEvent*) override;
    void changeEvent(QEvent*) override;

private:
    void chooseView();
    void placeColumns();
    void showEditNotice();

    const Theme& theme_;
    Header* header_;
    NoticeStack* notices_;
    NoticeStack* editNotice_; // above the composer
    ChatDocument* document_;
    ChatView* view_;
    FindBar* find_;
    EmptyState* empty_;
    QStackedWidget* stack_;
    Composer* composer_;
    QWidget* noticeRow_;
    QWidget* findRow_;
    QWidget* composerRow_;
    RowId editing_ = 0;
    bool refused_ = false;
    QString original_; // of the message that is edited
    QString kept_;     // what stood in the composer before the editing
};

} // namespace hearth::ui
