#pragma once

#include "app/chat/session.h"

#include <QObject>
#include <QSet>
#include <QVector>

#include <memory>
#include <vector>

namespace hearth::app {

/// The list of conversations, and a session for each one that is in use: the shown one, and those that generate or
/// wait. GUI thread.
class ConversationBook : public QObject {
    Q_OBJECT

public:
    ConversationBook(SessionServices, QObject* parent = nullptr);
    ~ConversationBook() override;

    /// What the database holds at the start; states are looked up a little later, behind the window.
    void open(const std::vector<storage::Conversation>&, const std::vector<storage::ConversationId>& queued);

    const QVector<ui::ConversationRow>& rows() const { return rows_; } // newest first

    ChatSession* shown() const { return shown_; }

    void show(storage::ConversationId);                       // loaded first where it is not in use
    void show(const StoredConversation&);                     // likewise, already loaded
    void showNew(const QString& model, const QString& draft); // stored with its first message
    void rename(storage::ConversationId, const QString& title);
    void moveToTrash(storage::ConversationId);
    void restore(storage::ConversationId);
    // What was offered back, whichever conversation is shown by now.
    void restoreMessage(storage::ConversationId, storage::MessageId);
    void restoreBranch(storage::ConversationId, storage::MessageId leaf);

    void update(const ReplyUpdate&);
    /// Whoever waits for this model goes on.
    void modelReady(const QString& path);
    void modelMoved(const QString& from, const QString& to);
    bool anyReplying() const;
    bool isReplyingWith(const QString& model) const;
    int waitingFor(const QString& model) const; // conversations that wait for it

    void prepareToClose(); // replies are cancelled, and what they have is stored
    void close();          // after the engine's end

signals:
    void rowChanged(const hearth::ui::ConversationRow&);
    void rowRemoved(hearth::ui::RowId);
    void rowsReset();
    /// Another conversation is shown, or the shown one is another than it was.
    void shownChanged();
    void shownStored(); // the new conversation has its id
    void trashed(hearth::ui::RowId, const QString& title);
    void modelWanted(hearth::app::ChatSession*);

private:
    ChatSession* find(storage::ConversationId) const;
    ChatSession* add(StoredConversation);
    void setShown(ChatSession*);
    void dropIdle();
    void takeRow(const ui::ConversationRow&);

    SessionServices services_;
    std::vector<std::unique_ptr<ChatSession>> sessions_;
    ChatSession* shown_ = nullptr;
    storage::ConversationId wanted_; // asked to be shown, still being loaded
    QVector<ui::ConversationRow> rows_;
    QSet<ui::RowId> trashed_; // since the start: their sessions are silent
};

} // namespace hearth::app
