#include "app/chat/session.h"

#include "app/timings.h"
#include "storage/clock.h"

#include <nlohmann/json.hpp>

#include <QFile>

#include <algorithm>
#include <tuple>
#include <utility>

namespace hearth::app {
namespace {

constexpr int kGrowthInterval = 200; // ms: with the time that storing takes, 250 of a reply are lost at most

bool hasHan(const QString& text) {
    for (const char32_t c : text.toUcs4()) {
        if (QChar::script(c) == QChar::Script_Han)
            return true;
    }
    return false;
}

/// Of a message that was just stored: the newest among its versions.
void countVersions(Store& store, StoredMessage& row) {
    row.siblingCount = std::max<int>(1, int(store.messages.siblings(row.message.id).size()));
    row.siblingIndex = row.siblingCount - 1;
}

/// What is stored of how a reply ended: its state, and its note. `closed`: the program ended, nobody stopped it.
std::pair<storage::MessageState, std::string> outcomeOf(const ReplyUpdate& last, bool closed) {
    switch (last.end) {
    case ReplyEnd::None:
    case ReplyEnd::EndOfTurn:
        break;
    case ReplyEnd::MaxTokens:
        return {storage::MessageState::Interrupted, note::kLength};
    case ReplyEnd::ContextFull:
        return {storage::MessageState::Interrupted, note::kContext};
    case ReplyEnd::Cancelled:
        return {storage::MessageState::Interrupted, closed ? note::kClosed : note::kStopped};
    case ReplyEnd::Error:
        return {storage::MessageState::Failed, last.error};
    }
    return {storage::MessageState::Complete, {}};
}

const char* roleName(ui::Role role) {
    return role == ui::Role::System ? "system" : role == ui::Role::User ? "user" : "assistant";
}

} // namespace

/// A reply that runs, from the request to its last word.
struct ChatSession::Reply {
    ReplyId id = 0;
    storage::MessageId parent;    // the user's message that it answers; 0: the end of the stored branch
    storage::MessageId versionOf; // another version of this reply, so a child of its parent
    std::string modelName, modelPath;
    std::string remote;     // the host that the conversation was sent to; empty: it was not
    bool continued = false; // grows on from what is there already
    storage::MessageState stateBefore = storage::MessageState::Complete; // of one that grows on
    std::string noteBefore;                                              // likewise
    std::shared_ptr<std::atomic<bool>> cancel = std::make_shared<std::atomic<bool>>(false);
    // The row in the database: written and read by jobs of the storage thread only, which run in order. So nothing
    // waits for the id to come back.
    std::shared_ptr<storage::MessageId> stored = std::make_shared<storage::MessageId>();
    bool rowAsked = false;        // beginRow() was called
    ui::RowId row = 0;            // 0: its id is not known yet
    QString early, earlyThoughts; // came before the row was known
    std::string unsavedText, unsavedThoughts;
    ReplyUpdate latest; // figures
    bool reading = true;
    bool ended = false;
    bool stopAsked = false;
    int64_t shownBytes = 0; // for --timings
};

ChatSession::ChatSession(SessionServices services, StoredConversation stored)
    : services_(std::move(services)), record_(std::move(stored.conversation)) {
    setRows(stored.branch);
    if (!stored.branch.empty()) {
        const storage::Message& leaf = stored.branch.back().message;
        interrupted_ = leaf.state == storage::MessageState::Interrupted && leaf.note != note::kStopped;
    }
    growth_.setInterval(kGrowthInterval);
    growth_.setTimerType(Qt::PreciseTimer);
    connect(&growth_, &QTimer::timeout, this, &ChatSession::storeGrowth);
}

ChatSession::~ChatSession() = default;

ui::ConversationRow ChatSession::row() const {
    auto state = ui::ConversationState::Idle;
    if (reply_)
        state = ui::ConversationState::Generating;
    else if (isWaiting())
        state = ui::ConversationState::Waiting;
    else if (record_.unread)
        state = ui::ConversationState::Unread;
    else if (interrupted_)
        state = ui::ConversationState::Interrupted;
    return conversationRow(record_, state);
}

ui::ConversationContent ChatSession::content() const {
    return {row(), rows_, QString::fromStdString(record_.draft), record_.scroll, model()};
}

bool ChatSession::isWaiting() const {
    return !reply_ && (wish_.kind != Wish::Kind::None || !queuedIds().empty() || !outbox_.isEmpty());
}

bool ChatSession::isBusy() const {
    return reply_ || storing_ || reloading_ || !outbox_.isEmpty() || wish_.kind != Wish::Kind::None;
}

QString ChatSession::replyingModel() const {
    return reply_ ? QString::fromStdString(reply_->modelPath) : QString();
}

bool ChatSession::owns(ReplyId reply) const {
    return reply_ && reply_->id == reply;
}

ui::StatusRow ChatSession::status() const {
    ui::StatusRow status;
    status.contextUsed = contextUsed_;
    status.about = contextAbout_;
    if (!reply_)
        return status;
    status.phase = reply_->reading ? ui::Phase::Reading : ui::Phase::Writing;
    status.progress = reply_->latest.progress;
    if (reply_->latest.seconds > 0.2)
        status.tokensPerSecond = (reply_->latest.tokens - 1) / reply_->latest.seconds;
    return status;
}

void ChatSession::addRow(const ui::MessageRow& row, storage::MessageState state, const std::string& note) {
    rows_.append(row);
    states_.push_back(state);
    notes_.push_back(note);
}

void ChatSession::setRows(const std::vector<StoredMessage>& branch) {
    rows_.clear();
    states_.clear();
    notes_.clear();
    for (const StoredMessage& one : branch)
        addRow(messageRow(one), one.message.state, one.message.note);
}

void ChatSession::retranslate() {
    for (size_t i = 0; i < notes_.size(); ++i) {
        ui::MessageRow& row = rows_[qsizetype(i)];
        const QString text = noteText(notes_[i]);
        if (text == row.note)
            continue;
        row.note = text;
        emit messageUpdated(row);
    }
}

int ChatSession::indexOf(ui::RowId id) const {
    for (qsizetype i = rows_.size(); i-- > 0;) {
        if (rows_[i].id == id)
            return int(i);
    }
    return -1;
}

std::vector<storage::MessageId> ChatSession::queuedIds() const {
    std::vector<storage::MessageId> ids;
    for (size_t i = states_.size(); i-- > 0 && rows_[qsizetype(i)].role == ui::Role::User;) {
        if (states_[i] == storage::MessageState::Queued)
            ids.push_back({rows_[qsizetype(i)].id});
    }
    return ids;
}

// ---- What the person says: stored first, then answered.

void ChatSession::send(const QString& text) {
    if (text.trimmed().isEmpty())
        return;
    wish_ = {}; // a new version that still waits for a model would put this message on another branch, out of sight
    outbox_.append(text);
    record_.draft.clear();
    takeLeft();
    storeNext();
}

/// The way back past a reply that runs is the one of all versions: "‹ ›".
void ChatSession::takeLeft() {
    if (const ui::RowId leaf = std::exchange(leftLeaf_, 0))
        emit branchTaken(leaf);
}

void ChatSession::storeNext() {
    if (storing_ || reloading_ || closing_ || outbox_.isEmpty())
        return;
    if (reply_ && !reply_->row) {
        // The answer that is being prepared stands before this message: its row must be there to be the parent.
        beginRow();
        return;
    }
    storing_ = true;
    storage::Message message;
    message.role = storage::Role::User;
    message.state = storage::MessageState::Queued; // until its reply has a row: a crash before that answers it later
    message.text = outbox_.first().toStdString();
    const std::string title = record_.title.empty() ? titleFrom(outbox_.first()).toStdString() : std::string();

    struct Result {
        storage::Conversation conversation;
        StoredMessage message;
    };

    services_.storage.call(
        this,
        [message, title, id = record_.id, model = record_.model, created = created_](Store& store) mutable {
            message.conversation = id ? id : store.conversations.create(title, model);
            *created = message.conversation;
            // Behind what is in the trash too, so that it can come back to where it stood.
            if (const auto conversation = store.conversations.find(message.conversation))
                message.parent = conversation->activeLeaf;
            message.id = store.messages.append(message);
            if (id && !title.empty())
                store.conversations.rename(id, title);
            if (id)
                store.conversations.setDraft(id, {});
            Result result;
            result.conversation = store.conversations.find(message.conversation).value_or(storage::Conversation{});
            result.message.message = store.messages.find(message.id).value_or(message);
            countVersions(store, result.message);
            return result;
        },
        [this](const Result& result) { messageStored(result.conversation, result.message); },
        [this](const QString&) {
            storing_ = false;
            const QString text = outbox_.join(QStringLiteral("\n\n")); // what was said behind it has no parent either
            outbox_.clear();
            emit rowChanged();
            emit sendFailed(text);
        });
}

void ChatSession::messageStored(const storage::Conversation& conversation, const StoredMessage& said) {
    const storage::Message& message = said.message;
    storing_ = false;
    const QString text = outbox_.takeFirst();
    const bool isNew = !record_.id;
    record_.id = conversation.id;
    if (record_.title.empty())
        record_.title = conversation.title;
    record_.updatedAt = conversation.updatedAt;
    record_.activity = conversation.activity;
    record_.scroll = -1;
    interrupted_ = false;

    const bool hanBefore = std::any_of(rows_.begin(), rows_.end(), [](const ui::MessageRow& row) {
        return row.role == ui::Role::User && hasHan(row.text);
    });
    ui::MessageRow row = messageRow(said);
    if (!reply_ && services_.loadedName(model()))
        row.state = ui::MessageState::Complete; // its reply is asked for at once
    if (isNew)
        emit stored();
    addRow(row, message.state);
    emit messageAdded(row);
    emit userMessageStored(text, !hanBefore && hasHan(text));
    emit rowChanged();
    storeNext();
    proceed();
}

// ---- Replies.

void ChatSession::proceed() {
    if (reply_ || storing_ || reloading_ || closing_)
        return;
    const bool queued = !queuedIds().empty();
    if (!queued && wish_.kind == Wish::Kind::None)
        return;
    if (!services_.loadedName(model())) {
        setQueuedShown(true);
        emit rowChanged();
        emit modelWanted();
        return;
    }
    if (startWish())
        return;
    if (queued) {
        setQueuedShown(false);
        startReply(int(rows_.size()) - 1, 0);
    }
}

bool ChatSession::startWish() {
    const Wish wish = std::exchange(wish_, Wish{});
    const int index = indexOf(wish.message);
    if (wish.kind == Wish::Kind::None || index < 0)
        return false;
    if (wish.kind == Wish::Kind::Continue) {
        startReply(index, wish.message);
        return true;
    }
    // The old version and what followed it stay in the tree as another branch.
    const bool isReply = rows_[index].role == ui::Role::Assistant;
    const int first = isReply ? index : index + 1;
    if (first < 1)
        return false;
    dropFrom(first);
    startReply(first - 1, 0);
    (isReply ? reply_->versionOf : reply_->parent) = {wish.message};
    return true;
}

/// They stay in the tree as another branch.
void ChatSession::dropFrom(int index) {
    if (index >= rows_.size())
        return;
    const ui::RowId removed = rows_[index].id;
    rows_.resize(index);
    states_.resize(size_t(index));
    notes_.resize(size_t(index));
    emit messagesRemovedFrom(removed);
}

PromptInput ChatSession::promptInput(int lastMessage, bool continueLast) const {
    PromptInput input;
    for (int i = 0; i <= lastMessage; ++i) {
        engine::ChatMessage message;
        message.role = roleName(rows_[i].role);
        message.content = rows_[i].text.toStdString();
        message.thoughts = rows_[i].thoughts.toStdString();
        input.messages.push_back(std::move(message));
    }
    input.continueLast = continueLast;
    input.alreadyLeftOut = leftOut_;
    return input;
}

void ChatSession::takeDefaults(ReplyRequest& request) const {
    if (!services_.defaults)
        return;
    ReplyDefaults defaults = services_.defaults(model());
    request.sampling = defaults.sampling;
    request.ownSampling = std::move(defaults.ownSampling);
    request.threads = defaults.threads;
    request.prompt.thinking = defaults.thinking;
    auto& messages = request.prompt.messages;
    if (!defaults.systemPrompt.empty() && (messages.empty() || messages.front().role != "system"))
        messages.insert(messages.begin(), {"system", std::move(defaults.systemPrompt), {}});
}

void ChatSession::startReply(int lastMessage, ui::RowId continued) {
    auto reply = std::make_unique<Reply>();
    reply->id = services_.nextReply();
    reply->modelPath = record_.model;
    reply->modelName = services_.loadedName(model()).value_or(QString()).toStdString();
    reply->continued = continued != 0;
    ReplyRequest request;
    request.id = reply->id;
    request.model = QFile::encodeName(model()).toStdString();
    request.prompt = promptInput(lastMessage, reply->continued);
    takeDefaults(request);
    request.conversation = id().value;
    request.cancel = reply->cancel;
    interrupted_ = false;
    reply_ = std::move(reply);
    takeLeft();
    if (continued) {
        reply_->rowAsked = true;
        reply_->row = continued;
        *reply_->stored = {continued};
        reply_->stateBefore = states_[size_t(lastMessage)];
        reply_->noteBefore = notes_[size_t(lastMessage)];
        services_.storage.post([id = storage::MessageId{continued}](Store& store) { store.messages.reopenReply(id); });
        ui::MessageRow& row = rows_[lastMessage];
        if (timings::enabled())
            reply_->shownBytes = row.text.toUtf8().size();
        row.state = ui::MessageState::Streaming;
        row.note.clear();
        notes_[size_t(lastMessage)].clear();
        states_[size_t(lastMessage)] = storage::MessageState::Growing;
        emit messageUpdated(row);
        growth_.start();
    }
    services_.engine.reply(std::move(request));
    emit replyingChanged();
    emit rowChanged();
    emit statusChanged();
}

void ChatSession::update(const ReplyUpdate& update) {
    if (!reply_ || reply_->id != update.reply)
        return;
    Reply& reply = *reply_;
    if (!update.host.empty())
        sentTo(update.host);
    if (update.begun) {
        contextUsed_ = update.promptTokens;
        contextAbout_ = reply.latest.about = update.about;
        reply.latest.promptTokens = update.promptTokens;
        leftOut_ = update.leftOut;
        if (update.leftOut > 0)
            emit historyLeftOut(update.leftOut);
    }
    if (update.read)
        reply.latest.progress = update.progress;
    if (update.tokens > 0) {
        reply.reading = false;
        contextUsed_ += update.tokens - reply.latest.tokens;
        reply.latest.tokens = update.tokens;
        reply.latest.seconds = update.seconds;
        reply.latest.thoughtSeconds = update.thoughtSeconds;
    }
    if (update.counted) {
        reply.latest.promptTokens = update.countedPrompt;
        reply.latest.tokens = update.countedTokens;
        contextUsed_ = update.countedPrompt + update.countedTokens;
        contextAbout_ = reply.latest.about = false;
    }
    reply.unsavedText += update.text;
    reply.unsavedThoughts += update.thoughts;
    if (update.tokens > 0)
        beginRow();
    appendToRow(QString::fromStdString(update.text), QString::fromStdString(update.thoughts));
    emit statusChanged();
    if (update.end != ReplyEnd::None) {
        reply.ended = true;
        reply.latest.end = update.end;
        reply.latest.error = update.error;
        reply.latest.prefilledTokens = update.prefilledTokens;
        reply.latest.prefillSeconds = update.prefillSeconds;
        finishReply();
    }
}

/// The conversation leaves this machine for the reply: that is stored now, whatever comes of it.
void ChatSession::sentTo(const std::string& host) {
    reply_->remote = host;
    if (!reply_->rowAsked) {
        beginRow();
        return;
    }
    services_.storage.post([stored = reply_->stored, host](Store& store) {
        if (*stored)
            store.messages.addRemote(*stored, host);
    });
    if (const int index = indexOf(reply_->row); index >= 0) {
        rows_[index].remote = QString::fromStdString(storage::withHost(rows_[index].remote.toStdString(), host));
        emit messageUpdated(rows_[index]);
    }
}

// The reply's row in the database, from its first token on (or earlier, where it was sent elsewhere, or a message is to
// follow it).
void ChatSession::beginRow() {
    if (reply_->rowAsked)
        return;
    reply_->rowAsked = true;
    services_.storage.call(
        this,
        [conversation = record_.id, parent = reply_->parent, versionOf = reply_->versionOf, model = reply_->modelName,
         remote = reply_->remote, stored = reply_->stored, queued = queuedIds()](Store& store) mutable {
            // As the tree has it, not as it is shown: what is in the trash stands between.
            if (const auto old = versionOf ? store.messages.find(versionOf) : std::nullopt)
                parent = old->parent;
            else if (const auto shown = store.conversations.find(conversation); shown && !parent)
                parent = shown->activeLeaf;
            *stored = store.messages.beginReply(conversation, parent, model, remote);
            for (const storage::MessageId id : queued)
                store.messages.setState(id, storage::MessageState::Complete, {});
            StoredMessage row;
            row.message = store.messages.find(*stored).value_or(storage::Message{});
            countVersions(store, row);
            return row;
        },
        [this](const StoredMessage& row) { rowBegun(row); },
        [this](const QString&) {
            // Nothing of it can be kept; failed() has said why.
            if (reply_) {
                const bool wished = reply_->versionOf || reply_->parent;
                reply_->cancel->store(true);
                reply_.reset();
                growth_.stop();
                emit replyingChanged();
                emit rowChanged();
                emit statusChanged();
                if (wished && !storing_ && !reloading_)
                    reload([](Store&) {}); // the old version is still the stored one
            }
        });
    growth_.start();
}

void ChatSession::rowBegun(const StoredMessage& stored) {
    if (!reply_ || reply_->row)
        return;
    for (size_t i = 0; i < states_.size(); ++i) {
        if (states_[i] == storage::MessageState::Queued)
            states_[i] = storage::MessageState::Complete;
    }
    setQueuedShown(false);
    ui::MessageRow row = messageRow(stored);
    row.state = ui::MessageState::Streaming;
    row.text.clear();
    row.thoughts.clear();
    row.remote = QString::fromStdString(reply_->remote); // it may have been sent since
    reply_->row = row.id;
    addRow(row, storage::MessageState::Growing);
    emit messageAdded(row);
    appendToRow(std::exchange(reply_->early, {}), std::exchange(reply_->earlyThoughts, {}));
    if (reply_->ended)
        finishReply();
    storeNext();
}

void ChatSession::appendToRow(const QString& text, const QString& thoughts) {
    if (text.isEmpty() && thoughts.isEmpty())
        return;
    if (!reply_->row) {
        reply_->early += text;
        reply_->earlyThoughts += thoughts;
        return;
    }
    const int index = indexOf(reply_->row);
    if (index < 0)
        return;
    if (!thoughts.isEmpty()) {
        rows_[index].thoughts += thoughts;
        emit thoughtsAdded(reply_->row, thoughts);
    }
    if (!text.isEmpty()) {
        rows_[index].text += text;
        emit textAdded(reply_->row, text);
        if (timings::enabled()) {
            reply_->shownBytes += text.toUtf8().size();
            timings::mark("text", reply_->row, reply_->shownBytes);
        }
    }
}

void ChatSession::storeGrowth() {
    services_.drainPipe();
    if (!reply_ || !reply_->rowAsked || (reply_->unsavedText.empty() && reply_->unsavedThoughts.empty()))
        return;
    services_.storage.post([stored = reply_->stored, text = std::exchange(reply_->unsavedText, {}),
                            thoughts = std::exchange(reply_->unsavedThoughts, {})](Store& store) {
        if (*stored)
            store.messages.growReply(*stored, text, thoughts);
    });
}

/// What a reply tells of its model's speed. Short ones tell nothing that holds.
void ChatSession::rememberSpeed(const Reply& reply) const {
    constexpr int kDecoded = 16, kPrefilled = 64; // tokens at least
    const ReplyUpdate& r = reply.latest;
    if (reply.modelPath.empty() || (r.tokens == 0 && r.end == ReplyEnd::Error))
        return;
    const double decode = r.tokens > kDecoded && r.seconds > 0 ? (r.tokens - 1) / r.seconds : 0;
    const double prefill =
        r.prefilledTokens >= kPrefilled && r.prefillSeconds > 0 ? r.prefilledTokens / r.prefillSeconds : 0;
    services_.storage.post([path = reply.modelPath, decode, prefill, now = storage::nowMs()](Store& store) {
        store.models.used(path, now);
        store.models.measured(path, decode, prefill, now);
    });
}

void ChatSession::finishReply() {
    Reply& reply = *reply_;
    const bool nothing = !reply.rowAsked;
    if (closing_ && nothing) {
        reply_.reset(); // the message stays queued and is answered at the next start
        return;
    }
    if (nothing) {
        beginRow(); // also an answer that failed or was stopped before its first word has its place, and can be asked
                    // again
    }
    if (!reply.row && !closing_)
        return; // rowBegun() comes back here

    storage::MessageState state{};
    std::string why;
    std::tie(state, why) = outcomeOf(reply.latest, closing_ && !reply.stopAsked);
    // One that could not be continued is what it was: only what went wrong is shown.
    const bool asBefore = reply.continued && reply.latest.end == ReplyEnd::Error && reply.latest.tokens == 0;
    const QString note = noteText(why);
    if (asBefore) {
        state = reply.stateBefore;
        why = reply.noteBefore;
    }
    nlohmann::json receipt = {{"model", reply.modelName},
                              {"promptTokens", reply.latest.promptTokens},
                              {"prefilledTokens", reply.latest.prefilledTokens},
                              {"prefillSeconds", reply.latest.prefillSeconds},
                              {"generatedTokens", reply.latest.tokens},
                              {"decodeSeconds", reply.latest.seconds},
                              {"leftOutMessages", leftOut_}};
    if (reply.latest.about)
        receipt["about"] = true;
    const std::string receiptText = receipt.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    const bool unread = !shown_;
    services_.storage.post([stored = reply.stored, text = std::exchange(reply.unsavedText, {}),
                            thoughts = std::exchange(reply.unsavedThoughts, {}), state, why, receiptText, unread,
                            asBefore, thoughtSeconds = reply.latest.thoughtSeconds,
                            conversation = record_.id](Store& store) {
        if (!*stored)
            return;
        if (!text.empty() || !thoughts.empty())
            store.messages.growReply(*stored, text, thoughts);
        if (const auto old = asBefore ? store.messages.find(*stored) : std::nullopt)
            store.messages.finishReply(*stored, state, old->thoughtSeconds, why, old->receipt);
        else
            store.messages.finishReply(*stored, state, thoughtSeconds, why, receiptText);
        if (unread)
            store.conversations.setUnread(conversation, true);
    });
    rememberSpeed(reply);
    growth_.stop();
    record_.unread = unread;
    const ui::RowId row = reply.row;
    const double thoughtSeconds = reply.latest.thoughtSeconds;
    reply_.reset();
    if (const int index = indexOf(row); index >= 0) {
        states_[size_t(index)] = state;
        rows_[index].state = state == storage::MessageState::Complete      ? ui::MessageState::Complete
                             : state == storage::MessageState::Interrupted ? ui::MessageState::Interrupted
                                                                           : ui::MessageState::Failed;
        rows_[index].note = note;
        if (!asBefore) {
            rows_[index].thoughtSeconds = thoughtSeconds;
            rows_[index].receipt = receiptRow(receiptText);
        }
        notes_[size_t(index)] = why;
        interrupted_ = state == storage::MessageState::Interrupted && why != note::kStopped;
        emit messageFinished(row, rows_[index].state, rows_[index].thoughtSeconds, rows_[index].note);
        emit messageUpdated(rows_[index]); // with its receipt
    }
    emit replyingChanged();
    emit rowChanged();
    emit statusChanged();
    storeNext();
    proceed();
}

void ChatSession::prepareToClose() {
    closing_ = true;
    if (!reply_)
        return;
    reply_->cancel->store(true);
    storeGrowth();
}

void ChatSession::close() {
    closing_ = true;
    wish_ = {};
    if (reply_) {
        if (!reply_->ended) {
            reply_->ended = true;
            reply_->latest.end = ReplyEnd::Cancelled;
        }
        finishReply();
    }
    storeOutbox();
}

// What was said a moment before the end: its parent is known on the storage thread only. Answered at the next start.
void ChatSession::storeOutbox() {
    const QStringList texts = outbox_.mid(storing_ ? 1 : 0);
    if (texts.isEmpty())
        return;
    services_.storage.post([texts, id = record_.id, created = created_](Store& store) {
        storage::Message message;
        message.conversation = id ? id : *created;
        message.role = storage::Role::User;
        message.state = storage::MessageState::Queued;
        for (const QString& text : texts) {
            const auto conversation = store.conversations.find(message.conversation);
            if (!conversation)
                return;
            message.parent = conversation->activeLeaf;
            message.text = text.toStdString();
            store.messages.append(message);
        }
    });
}

// Messages that wait look so only while they really wait.
void ChatSession::setQueuedShown(bool waiting) {
    for (size_t i = 0; i < states_.size(); ++i) {
        ui::MessageRow& row = rows_[qsizetype(i)];
        if (row.role != ui::Role::User)
            continue;
        const bool queued = waiting && states_[i] == storage::MessageState::Queued;
        const auto wanted = queued ? ui::MessageState::Queued : ui::MessageState::Complete;
        if (row.state != wanted) {
            row.state = wanted;
            emit messageUpdated(row);
        }
    }
}

// ---- Further wishes of the person.

void ChatSession::stop() {
    if (!reply_)
        return;
    reply_->stopAsked = true;
    reply_->cancel->store(true);
}

void ChatSession::regenerate(ui::RowId message) {
    if (reply_ || storing_ || reloading_ || indexOf(message) < 0)
        return;
    wish_ = {Wish::Kind::Regenerate, message};
    proceed();
}

void ChatSession::continueReply(ui::RowId message) {
    const int index = indexOf(message);
    if (reply_ || storing_ || reloading_ || index < 0 || rows_[index].role != ui::Role::Assistant)
        return;
    // What was said after it belongs to another branch than a longer version of it.
    if (index + 1 != rows_.size()) {
        regenerate(message);
        return;
    }
    wish_ = {Wish::Kind::Continue, message};
    proceed();
}

bool ChatSession::canChange(ui::RowId message) const {
    return !reply_ && !storing_ && !reloading_ && !closing_ && outbox_.isEmpty() && indexOf(message) >= 0;
}

void ChatSession::editMessage(ui::RowId message, const QString& text) {
    const int index = indexOf(message);
    if (text.trimmed().isEmpty())
        return;
    if (!canChange(message) || rows_[index].role != ui::Role::User) {
        emit sendFailed(text);
        return;
    }
    wish_ = {};
    storing_ = true;
    takeLeft();
    outbox_.append(text);
    std::vector<StoredRow> dropped; // to be put back where even the reload fails
    for (int i = index; i < rows_.size(); ++i)
        dropped.push_back({rows_[i], states_[size_t(i)], notes_[size_t(i)]});
    dropFrom(index);
    storage::Message version;
    version.conversation = record_.id;
    version.role = storage::Role::User;
    version.state = storage::MessageState::Queued;
    version.text = text.toStdString();
    services_.storage.call(
        this,
        [version, message](Store& store) mutable {
            const auto old = store.messages.find({message});
            version.parent = old ? old->parent : storage::MessageId{};
            version.id = store.messages.append(version);
            if (old && old->state == storage::MessageState::Queued) // only the new one is to be answered
                store.messages.setState({message}, storage::MessageState::Complete, {});
            StoredMessage row;
            row.message = store.messages.find(version.id).value_or(version);
            countVersions(store, row);
            const auto conversation = store.conversations.find(version.conversation);
            return std::pair(conversation.value_or(storage::Conversation{}), row);
        },
        [this](const std::pair<storage::Conversation, StoredMessage>& stored) {
            messageStored(stored.first, stored.second);
        },
        [this, index, dropped = std::move(dropped)](const QString&) {
            storing_ = false;
            const QString text = outbox_.join(QStringLiteral("\n\n")); // with what was said behind it
            outbox_.clear();
            // The old version stands where it stood; failed() has said why.
            if (rows_.size() == index) {
                for (const StoredRow& one : dropped)
                    addRow(one.row, one.state, one.note);
                emit reset();
            }
            reload([](Store&) {}, [this, text] { emit sendFailed(text); });
        });
}

void ChatSession::deleteMessage(ui::RowId message) {
    if (!canChange(message))
        return;
    reloading_ = true;
    services_.storage.call(
        this,
        [message, id = record_.id](Store& store) {
            return app::deleteMessage(store, id, {message}) ? loadConversation(store, id) : std::nullopt;
        },
        [this, message](const std::optional<StoredConversation>& other) {
            reloading_ = false;
            if (other) {
                takeBranch(*other);
            } else if (const int index = indexOf(message); index >= 0) {
                rows_.remove(index);
                states_.erase(states_.begin() + index);
                notes_.erase(notes_.begin() + index);
                emit messageRemoved(message);
                emit rowChanged();
            }
            emit deleted(message);
            storeNext();
            proceed();
        },
        [this](const QString&) {
            reloading_ = false;
            storeNext();
            proceed();
        });
}

void ChatSession::restoreMessage(ui::RowId message) {
    const bool idle = !reply_ && !storing_ && !reloading_ && !closing_ && outbox_.isEmpty();
    reloading_ |= idle;
    const auto done = [this, idle] {
        if (!idle)
            return;
        reloading_ = false;
        storeNext();
        proceed();
    };
    services_.storage.call(
        this,
        [message, id = record_.id, idle](Store& store) {
            app::restoreMessage(store, id, {message}, idle);
            return loadConversation(store, id);
        },
        [this, message, idle, done](const std::optional<StoredConversation>& stored) {
            if (stored && indexOf(message) < 0)
                takeRestored(*stored, message, idle);
            done();
        },
        [done](const QString&) { done(); });
}

/// Where it stood before; where another branch is shown while a reply runs it comes back unseen.
void ChatSession::takeRestored(const StoredConversation& stored, ui::RowId message, bool idle) {
    const auto& branch = stored.branch;
    const auto at = std::find_if(branch.begin(), branch.end(),
                                 [&](const StoredMessage& m) { return m.message.id.value == message; });
    const auto index = at - branch.begin();
    const auto same = [](const StoredMessage& m, const ui::MessageRow& row) { return m.message.id.value == row.id; };
    const bool fits = at != branch.end() && index <= rows_.size() &&
                      std::equal(branch.begin(), at, rows_.begin(), rows_.begin() + index, same);
    const bool alone = fits && std::equal(at + 1, branch.end(), rows_.begin() + index, rows_.end(), same);
    if (fits && (alone || !idle)) {
        rows_.insert(index, messageRow(*at));
        states_.insert(states_.begin() + index, at->message.state);
        notes_.insert(notes_.begin() + index, at->message.note);
        emit messageInserted(int(index), rows_[index]);
        emit rowChanged();
    } else if (idle) {
        takeBranch(stored);
    }
}

/// All that is shown is read anew.
void ChatSession::takeBranch(const StoredConversation& stored) {
    setRows(stored.branch);
    leftOut_ = 0;
    emit reset();
    emit rowChanged();
}

void ChatSession::branchFrom(ui::RowId message) {
    if (!canChange(message) || rows_.last().id == message || rows_[indexOf(message)].role == ui::Role::User)
        return;
    const ui::RowId leaf = rows_.last().id;
    services_.storage.post(
        [id = record_.id, message](Store& store) { store.conversations.setActiveLeaf(id, {message}); });
    wish_ = {};
    dropFrom(indexOf(message) + 1);
    leftLeaf_ = leaf;
    emit branched(message, leaf);
    emit rowChanged();
}

void ChatSession::showBranch(ui::RowId leaf) {
    if (reply_ || storing_ || reloading_)
        return;
    leftLeaf_ = 0;
    reload([id = record_.id, leaf](Store& store) {
        if (leaf)
            store.conversations.setActiveLeaf(id, {leaf});
    });
}

void ChatSession::switchSibling(ui::RowId message, int index) {
    if (reply_ || storing_ || reloading_ || indexOf(message) < 0)
        return;
    reload([id = record_.id, message, index](Store& store) { app::showSibling(store, id, {message}, index); });
}

void ChatSession::reload(std::function<void(Store&)> change, const std::function<void()>& then) {
    reloading_ = true;
    const auto done = [this, then] {
        if (then)
            then();
        storeNext();
        proceed(); // what was left unanswered on this branch
    };
    services_.storage.call(
        this,
        [id = record_.id, change = std::move(change)](Store& store) {
            change(store);
            return loadConversation(store, id);
        },
        [this, done](const std::optional<StoredConversation>& stored) {
            reloading_ = false;
            if (stored)
                takeBranch(*stored);
            done();
        },
        [this, done](const QString&) {
            reloading_ = false;
            done();
        });
}

void ChatSession::setModel(const QString& path) {
    const std::string model = path.toStdString();
    if (model == record_.model)
        return;
    record_.model = model;
    leftOut_ = 0;
    contextUsed_ = 0;
    contextAbout_ = false;
    if (record_.id)
        services_.storage.post([id = record_.id, model](Store& store) { store.conversations.setModel(id, model); });
    emit statusChanged();
}

void ChatSession::setTitle(const QString& title) {
    record_.title = title.toStdString();
    if (record_.id)
        services_.storage.post(
            [id = record_.id, text = record_.title](Store& store) { store.conversations.rename(id, text); });
    emit rowChanged();
}

void ChatSession::setDraft(const QString& draft) {
    const std::string text = draft.toStdString();
    if (text == record_.draft)
        return;
    record_.draft = text;
    if (record_.id)
        services_.storage.post([id = record_.id, text](Store& store) { store.conversations.setDraft(id, text); });
}

void ChatSession::setScroll(double scroll) {
    if (scroll == record_.scroll)
        return;
    record_.scroll = scroll;
    if (record_.id)
        services_.storage.post([id = record_.id, scroll](Store& store) { store.conversations.setScroll(id, scroll); });
}

void ChatSession::setShown(bool shown) {
    shown_ = shown;
    if (!shown || !record_.unread)
        return;
    record_.unread = false;
    services_.storage.post([id = record_.id](Store& store) { store.conversations.setUnread(id, false); });
    emit rowChanged();
}

} // namespace hearth::app
