#pragma once

#include "ui/chat/chat_view.h"
#include "ui/theme.h"

#include <QPointer>
#include <QWidget>

class QLineEdit;
class QToolButton;

namespace hearth::ui {

class ChatDocument;
class ConversationSearch;
class Label;

/// The line that finds a text in the conversation: how often it is there, the next and the previous place. GUI thread.
class FindBar : public QWidget {
    Q_OBJECT

public:
    FindBar(const Theme&, ChatView&, const ChatDocument&, QWidget* parent = nullptr);
    ~FindBar() override;

    static constexpr int kRingRoom = 4; // px at both sides for the ring of the focus: the bar is so much wider

    void open(); // with what is selected, if that is one short line
    void close();
    void step(int direction); // 1: the next match, -1: the previous one

    QString countText() const; // "3 of 17"

signals:
    void closed();

protected:
    void paintEvent(QPaintEvent*) override;
    void changeEvent(QEvent*) override;
    bool eventFilter(QObject*, QEvent*) override;

private:
    void retranslate();
    void refresh();
    void look(const QString& text);

    const Theme& theme_;
    QPointer<ChatView> view_;
    ConversationSearch* search_;
    QLineEdit* edit_;
    Label* count_;
    QToolButton *previous_, *next_, *close_;
    int current_ = -1;    // the match that is looked at; -1: none yet
    bool wanted_ = false; // the first match is still to be gone to
};

} // namespace hearth::ui
