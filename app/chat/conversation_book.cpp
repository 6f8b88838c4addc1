#include "app/chat/conversation_book.h"

#include <algorithm>
#include <utility>

namespace hearth::app {

ConversationBook::ConversationBook(SessionServices services, QObject* parent)
    : QObject(parent), services_(std::move(services)) {}

ConversationBook::~ConversationBook() = default;

void ConversationBook::open(const std::vector<storage::Conversation>& conversations,
                            const std::vector<storage::ConversationId>& queued) {
    rows_.clear();
    for (const storage::Conversation& conversation : conversations) {
        const bool unread = conversation.unread;
        rows_.append(
            conversationRow(conversation, unread ? ui::ConversationState::Unread : ui::ConversationState::Idle));
    }
    emit rowsReset();
    for (const storage::ConversationId id : queued) {
        services_.storage.call(
            this, [id](Store& store) { return loadConversation(store, id); },
            [this, id](const std::optional<StoredConversation>& stored) {
                if (!stored || stored->conversation.deletedAt || find(id))
                    return;
                ChatSession* session = add(*stored);
                takeRow(session->row());
                if (services_.loadedName(session->model()))
                    session->proceed();
            });
    }
    // One small look a conversation, after the window is there.
    services_.storage.call(
        this,
        [](Store& store) {
            std::vector<std::pair<int64_t, ui::ConversationState>> states;
            for (const storage::Conversation& conversation : store.conversations.list()) {
                const ui::ConversationState state = leftState(store, conversation);
                if (state == ui::ConversationState::Waiting || state == ui::ConversationState::Interrupted)
                    states.emplace_back(conversation.id.value, state);
            }
            return states;
        },
        [this](const std::vector<std::pair<int64_t, ui::ConversationState>>& states) {
            for (const auto& [id, state] : states) {
                if (find({id}))
                    continue;
                for (const ui::ConversationRow& known : std::as_const(rows_)) {
                    if (known.id != id)
                        continue;
                    ui::ConversationRow row = known;
                    row.state = state;
                    takeRow(row);
                    break;
                }
            }
        });
}

ChatSession* ConversationBook::find(storage::ConversationId id) const {
    for (const auto& session : sessions_) {
        if (id && session->id() == id)
            return session.get();
    }
    return nullptr;
}

ChatSession* ConversationBook::add(StoredConversation stored) {
    sessions_.push_back(std::make_unique<ChatSession>(services_, std::move(stored)));
    ChatSession* session = sessions_.back().get();
    connect(session, &ChatSession::rowChanged, this, [this, session] {
        if (session->id())
            takeRow(session->row());
    });
    connect(session, &ChatSession::modelWanted, this, [this, session] { emit modelWanted(session); });
    connect(session, &ChatSession::stored, this, [this, session] {
        takeRow(session->row());
        if (session == shown_)
            emit shownStored();
    });
    return session;
}

void ConversationBook::takeRow(const ui::ConversationRow& row) {
    if (trashed_.contains(row.id))
        return;
    const auto at = std::find_if(rows_.begin(), rows_.end(), [&](const auto& known) { return known.id == row.id; });
    if (at == rows_.end()) {
        rows_.prepend(row);
    } else if (row.updated > at->updated) {
        rows_.erase(at);
        rows_.prepend(row);
    } else {
        *at = row;
    }
    emit rowChanged(row);
}

void ConversationBook::setShown(ChatSession* session) {
    wanted_ = {};
    if (session == shown_)
        return;
    if (shown_)
        shown_->setShown(false);
    shown_ = session;
    shown_->setShown(true);
    emit shownChanged();
    dropIdle();
}

void ConversationBook::dropIdle() {
    std::erase_if(sessions_, [this](const auto& session) {
        return session.get() != shown_ && !session->isBusy() && !session->isWaiting();
    });
}

void ConversationBook::show(storage::ConversationId id) {
    if (ChatSession* session = find(id)) {
        setShown(session);
        return;
    }
    wanted_ = id;
    services_.storage.call(
        this, [id](Store& store) { return loadConversation(store, id); },
        [this, id](const std::optional<StoredConversation>& stored) {
            if (stored && wanted_ == id)
                show(*stored);
        });
}

void ConversationBook::show(const StoredConversation& stored) {
    ChatSession* session = find(stored.conversation.id);
    setShown(session ? session : add(stored));
}

void ConversationBook::showNew(const QString& model, const QString& draft) {
    if (shown_ && !shown_->id() && !shown_->isBusy()) {
        wanted_ = {};
        return; // an empty one is there already
    }
    StoredConversation fresh;
    fresh.conversation.model = model.toStdString();
    fresh.conversation.draft = draft.toStdString();
    setShown(add(std::move(fresh)));
}

void ConversationBook::rename(storage::ConversationId id, const QString& title) {
    if (ChatSession* session = find(id)) {
        session->setTitle(title);
        return;
    }
    services_.storage.post([id, text = title.toStdString()](Store& store) { store.conversations.rename(id, text); });
    for (ui::ConversationRow row : std::as_const(rows_)) {
        if (row.id == id.value) {
            row.title = title;
            takeRow(row);
            break;
        }
    }
}

void ConversationBook::moveToTrash(storage::ConversationId id) {
    const auto at = std::find_if(rows_.begin(), rows_.end(), [&](const auto& row) { return row.id == id.value; });
    if (at == rows_.end())
        return;
    if (ChatSession* session = find(id))
        session->stop();
    services_.storage.post([id](Store& store) { store.conversations.moveToTrash(id); });
    const QString title = at->title;
    rows_.erase(at);
    trashed_.insert(id.value);
    emit rowRemoved(id.value);
    emit trashed(id.value, title);
}

void ConversationBook::restore(storage::ConversationId id) {
    services_.storage.call(
        this,
        [id](Store& store) {
            store.conversations.restore(id);
            return store.conversations.list();
        },
        [this, id](const std::vector<storage::Conversation>& conversations) {
            QVector<ui::ConversationRow> rows;
            for (const storage::Conversation& conversation : conversations) {
                const auto known = std::find_if(rows_.begin(), rows_.end(),
                                                [&](const auto& row) { return row.id == conversation.id.value; });
                const bool unread = conversation.unread;
                rows.append(known != rows_.end() ? *known
                                                 : conversationRow(conversation, unread ? ui::ConversationState::Unread
                                                                                        : ui::ConversationState::Idle));
            }
            rows_ = rows;
            trashed_.remove(id.value);
            emit rowsReset();
            show(id);
        });
}

void ConversationBook::restoreMessage(storage::ConversationId id, storage::MessageId message) {
    if (ChatSession* session = find(id))
        session->restoreMessage(message.value);
    else
        services_.storage.post([id, message](Store& store) { app::restoreMessage(store, id, message, true); });
}

void ConversationBook::restoreBranch(storage::ConversationId id, storage::MessageId leaf) {
    if (ChatSession* session = find(id))
        session->showBranch(leaf.value);
    else
        services_.storage.post([id, leaf](Store& store) { store.conversations.setActiveLeaf(id, leaf); });
}

void ConversationBook::update(const ReplyUpdate& update) {
    for (const auto& session : sessions_) {
        if (session->owns(update.reply)) {
            session->update(update);
            return;
        }
    }
}

void ConversationBook::modelMoved(const QString& from, const QString& to) {
    for (const auto& session : sessions_) {
        if (session->model() == from)
            session->setModel(to);
    }
}

void ConversationBook::modelReady(const QString& path) {
    for (size_t i = 0; i < sessions_.size(); ++i) {
        if (sessions_[i]->model() == path && !trashed_.contains(sessions_[i]->id().value))
            sessions_[i]->proceed();
    }
}

bool ConversationBook::anyReplying() const {
    return std::any_of(sessions_.begin(), sessions_.end(), [](const auto& s) { return s->isReplying(); });
}

bool ConversationBook::isReplyingWith(const QString& model) const {
    return std::any_of(sessions_.begin(), sessions_.end(),
                       [&](const auto& s) { return s->isReplying() && s->replyingModel() == model; });
}

int ConversationBook::waitingFor(const QString& model) const {
    return int(std::count_if(sessions_.begin(), sessions_.end(),
                             [&](const auto& s) { return s->isWaiting() && s->model() == model; }));
}

void ConversationBook::prepareToClose() {
    for (const auto& session : sessions_)
        session->prepareToClose();
}

void ConversationBook::close() {
    for (const auto& session : sessions_)
        session->close();
}

} // namespace hearth::app
