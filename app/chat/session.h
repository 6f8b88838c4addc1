#pragma once

#include "app/chat/stored_conversation.h"
#include "app/engine_worker.h"
#include "app/storage_worker.h"
#include "app/token_pipe.h"
#include "ui/rows.h"

#include <QObject>
#include <QStringList>
#include <QTimer>
#include <QVector>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hearth::app {

/// What a model's replies are made with where the conversation has nothing of its own.
struct ReplyDefaults {
    std::optional<engine::SamplerSettings> sampling;         // absent: the model's own
    std::vector<std::pair<std::string, double>> ownSampling; // what of it the person set, as ModelDefaults has it
    int threads = 0;                                         // 0: as the engine's options say
    std::string systemPrompt;
    std::optional<bool> thinking; // absent: as the model does
};

/// What a session needs, all of it longer-lived than the session.
struct SessionServices {
    StorageWorker& storage;
    ReplySource& engine;
    std::function<ReplyId()> nextReply;                               // a fresh number
    std::function<std::optional<QString>(const QString&)> loadedName; // of a model by path; absent: not loaded
    std::function<void()> drainPipe; // so that what is stored is as new as what was generated
    std::function<ReplyDefaults(const QString&)> defaults = {}; // of a model by path; empty: nobody has any
};

/// One conversation in use: stores what the person says, asks for replies, keeps what they become. Lives on while it is
/// generating, shown or not. GUI thread.
class ChatSession : public QObject {
    Q_OBJECT

public:
    ChatSession(SessionServices, StoredConversation);
    ~ChatSession() override;

    storage::ConversationId id() const { return record_.id; } // 0: not stored yet

    const storage::Conversation& record() const { return record_; }

    QString model() const { return QString::fromStdString(record_.model); } // path; empty: none chosen

    ui::ConversationRow row() const;
    ui::ConversationContent content() const;

    bool isReplying() const { return reply_ != nullptr; }

    QString replyingModel() const; // path; empty: no reply runs

    bool isWaiting() const; // something is queued, and no reply runs
    bool isBusy() const;    // must not be dropped from memory
    ui::StatusRow status() const;

    int leftOut() const { return leftOut_; } // messages of the history that the last prompt had no room for

    // What the person does
    void send(const QString& text);
    void stop();
    void regenerate(ui::RowId reply);
    void continueReply(ui::RowId reply);
    void switchSibling(ui::RowId message, int index);
    /// A new version of what the person said; the old one and its answers stay as another branch. Comes back through
    /// sendFailed() where it cannot be done now.
    void editMessage(ui::RowId message, const QString& text);
    /// Into the trash. What follows it stays, or the nearest other version takes its place with what follows that one.
    void deleteMessage(ui::RowId message);
    void restoreMessage(ui::RowId message);
    /// What follows the message becomes another branch; the next thing said follows the message itself.
    void branchFrom(ui::RowId message);
    void showBranch(ui::RowId leaf);
    void setModel(const QString& path);
    void setTitle(const QString&);
    void setDraft(const QString&);
    void setScroll(double);
    void setShown(bool);

    // What happens
    void retranslate(); // the window speaks another language
    void proceed();     // the model may be there now: go on with what waits
    void update(const ReplyUpdate&);
    bool owns(ReplyId) const;
    /// The program is about to end: cancels the reply and stores what there is, in case it does not come to close().
    void prepareToClose();
    /// The engine has ended and the pipe is empty: stores the rest as interrupted.
    void close();
    void storeGrowth();

signals:
    void stored();     // it has an id now
    void rowChanged(); // title or state
    void replyingChanged();
    void statusChanged();
    void modelWanted();
    void reset(); // all messages are others
    void messageAdded(const hearth::ui::MessageRow&);
    void messageUpdated(const hearth::ui::MessageRow&);
    void messagesRemovedFrom(hearth::ui::RowId);
    void messageRemoved(hearth::ui::RowId); // this one alone
    void messageInserted(int index, const hearth::ui::MessageRow&);
    void deleted(hearth::ui::RowId);                               // to be offered back
    void branched(hearth::ui::RowId from, hearth::ui::RowId leaf); // the leaf that was shown before
    void branchTaken(hearth::ui::RowId leaf); // the chat went on: that leaf is no longer to be offered back
    void textAdded(hearth::ui::RowId, const QString&);
    void thoughtsAdded(hearth::ui::RowId, const QString&);
    void messageFinished(hearth::ui::RowId, hearth::ui::MessageState, double thoughtSeconds, const QString& note);
    void userMessageStored(const QString& text, bool firstWithHan); // for the hint on the starter's language
    void historyLeftOut(int messages);
    void sendFailed(const QString& text); // not stored: the person gets back all that waited

private:
    struct Reply;

    struct Wish { // what waits for the model besides queued messages
        enum class Kind { None, Regenerate, Continue } kind = Kind::None;
        ui::RowId message = 0;
    };

    struct StoredRow {
        ui::MessageRow row;
        storage::MessageState state;
        std::string note;
    };

    void addRow(const ui::MessageRow&, storage::MessageState, const std::string& note = {});
    void setRows(const std::vector<StoredMessage>&);
    void storeNext();
    void storeOutbox();
    void messageStored(const storage::Conversation&, const StoredMessage&);
    void takeLeft();
    bool canChange(ui::RowId) const;
    void dropFrom(int index);
    void takeBranch(const StoredConversation&);
    void takeRestored(const StoredConversation&, ui::RowId, bool idle);
    /// Reads the conversation anew after a change; `then` is called in any case, before what waits goes on.
    void reload(std::function<void(Store&)> change, const std::function<void()>& then = {});
    bool startWish();
    void startReply(int lastMessage, ui::RowId continued);
    void sentTo(const std::string& host);
    void beginRow();
    void rowBegun(const StoredMessage&);
    void appendToRow(const QString& text, const QString& thoughts);
    void finishReply();
    void rememberSpeed(const Reply&) const;
    void setQueuedShown(bool waiting);
    std::vector<storage::MessageId> queuedIds() const;
    int indexOf(ui::RowId) const; // -1: not here
    PromptInput promptInput(int lastMessage, bool continueLast) const;
    void takeDefaults(ReplyRequest&) const;

    SessionServices services_;
    storage::Conversation record_;
    QVector<ui::MessageRow> rows_;
    std::vector<storage::MessageState> states_; // as stored, beside rows_
    std::vector<std::string> notes_;            // likewise
    QStringList outbox_;                        // said, but not stored yet
    // The id that the first message gave: storage thread only, for what is stored before it comes back.
    std::shared_ptr<storage::ConversationId> created_ = std::make_shared<storage::ConversationId>();
    bool storing_ = false, reloading_ = false, shown_ = false, closing_ = false;
    bool interrupted_ = false; // the list says so
    Wish wish_;
    ui::RowId leftLeaf_ = 0; // of branched(), while it is offered back
    std::unique_ptr<Reply> reply_;
    QTimer growth_; // four times a second at most
    int leftOut_ = 0, contextUsed_ = 0;
    bool contextAbout_ = false; // contextUsed_ is an estimate
};

} // namespace hearth::app
