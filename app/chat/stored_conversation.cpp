#include "app/chat/stored_conversation.h"

#include <nlohmann/json.hpp>

#include <QCoreApplication>

#include <algorithm>
#include <tuple>

namespace hearth::app {
namespace {

constexpr qsizetype kTitleLength = 60; // characters

struct NoteRow {
    const char* note;
    const char* text; // translated when shown
};

constexpr NoteRow kNotes[] = {
    {note::kStopped, QT_TRANSLATE_NOOP("ChatSession", "Stopped.")},
    {note::kClosed, QT_TRANSLATE_NOOP("ChatSession", "Hearth was closed before the answer was complete.")},
    {note::kContext, QT_TRANSLATE_NOOP("ChatSession", "The context is full.")},
    {note::kLength, QT_TRANSLATE_NOOP("ChatSession", "As long as was asked for.")},
};

ui::MessageState shownState(storage::MessageState state) {
    switch (state) {
    case storage::MessageState::Complete:
        return ui::MessageState::Complete;
    case storage::MessageState::Queued:
        return ui::MessageState::Queued;
    case storage::MessageState::Growing:
        return ui::MessageState::Streaming;
    case storage::MessageState::Interrupted:
        return ui::MessageState::Interrupted;
    case storage::MessageState::Failed:
        break;
    }
    return ui::MessageState::Failed;
}

ui::Role shownRole(storage::Role role) {
    switch (role) {
    case storage::Role::System:
        return ui::Role::System;
    case storage::Role::User:
        return ui::Role::User;
    case storage::Role::Assistant:
        break;
    }
    return ui::Role::Assistant;
}

} // namespace

std::optional<StoredConversation> loadConversation(Store& store, storage::ConversationId id) {
    const std::optional<storage::Conversation> conversation = store.conversations.find(id);
    if (!conversation)
        return std::nullopt;
    StoredConversation stored{*conversation, {}};
    if (!conversation->activeLeaf)
        return stored;
    const auto versions = store.messages.versions(id);
    for (storage::Message& message : store.messages.branch(conversation->activeLeaf)) {
        StoredMessage row{std::move(message)};
        if (const auto place = versions.find(row.message.id.value); place != versions.end())
            std::tie(row.siblingIndex, row.siblingCount) = place->second;
        stored.branch.push_back(std::move(row));
    }
    return stored;
}

void showSibling(Store& store, storage::ConversationId conversation, storage::MessageId message, int index) {
    const std::vector<storage::MessageId> siblings = store.messages.siblings(message);
    if (index < 0 || size_t(index) >= siblings.size())
        return;
    store.conversations.setActiveLeaf(conversation, store.messages.latestLeaf(siblings[size_t(index)]));
}

bool deleteMessage(Store& store, storage::ConversationId conversation, storage::MessageId message) {
    const std::vector<storage::MessageId> siblings = store.messages.siblings(message);
    store.messages.moveToTrash(message);
    const auto at = std::find(siblings.begin(), siblings.end(), message);
    if (siblings.size() < 2 || at == siblings.end())
        return false;
    const storage::MessageId nearest = at != siblings.begin() ? at[-1] : at[1];
    store.conversations.setActiveLeaf(conversation, store.messages.latestLeaf(nearest));
    return true;
}

void restoreMessage(Store& store, storage::ConversationId id, storage::MessageId message, bool show) {
    store.messages.restore(message);
    const auto conversation = store.conversations.find(id);
    if (!show || !conversation)
        return;
    const std::vector<storage::Message> branch = store.messages.branch(conversation->activeLeaf);
    if (std::none_of(branch.begin(), branch.end(), [&](const storage::Message& m) { return m.id == message; }))
        store.conversations.setActiveLeaf(id, store.messages.latestLeaf(message));
}

ui::ConversationState leftState(Store& store, const storage::Conversation& conversation) {
    const std::optional<storage::Message> leaf =
        conversation.activeLeaf ? store.messages.find(conversation.activeLeaf) : std::nullopt;
    if (leaf && leaf->state == storage::MessageState::Queued)
        return ui::ConversationState::Waiting;
    if (leaf && leaf->state == storage::MessageState::Interrupted && leaf->note != note::kStopped)
        return ui::ConversationState::Interrupted;
    return conversation.unread ? ui::ConversationState::Unread : ui::ConversationState::Idle;
}

QString noteText(const std::string& note) {
    for (const NoteRow& row : kNotes) {
        if (note == row.note)
            return QCoreApplication::translate("ChatSession", row.text);
    }
    return QString::fromStdString(note);
}

// Tolerant: what is missing or of another kind is not shown.
ui::ReplyReceipt receiptRow(const std::string& text) {
    ui::ReplyReceipt row;
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object())
        return row;
    const auto number = [&](const char* key) {
        const auto found = json.find(key);
        const double value = found != json.end() && found->is_number() ? found->get<double>() : 0;
        return value > 0 && value < 1e9 ? value : 0;
    };
    row.promptTokens = int(number("promptTokens"));
    row.prefilledTokens = int(number("prefilledTokens"));
    row.prefillSeconds = number("prefillSeconds");
    row.generatedTokens = int(number("generatedTokens"));
    row.decodeSeconds = number("decodeSeconds");
    row.leftOutMessages = int(number("leftOutMessages"));
    const auto about = json.find("about");
    row.about = about != json.end() && about->is_boolean() && about->get<bool>();
    return row;
}

ui::MessageRow messageRow(const StoredMessage& stored) {
    const storage::Message& message = stored.message;
    ui::MessageRow row;
    row.id = message.id.value;
    row.role = shownRole(message.role);
    row.state = shownState(message.state);
    row.text = QString::fromStdString(message.text);
    row.thoughts = QString::fromStdString(message.thoughts);
    row.thoughtSeconds = message.thoughtSeconds;
    row.model = QString::fromStdString(message.model);
    row.remote = QString::fromStdString(message.remote);
    row.note = noteText(message.note);
    row.time = QDateTime::fromMSecsSinceEpoch(message.createdAt);
    row.receipt = receiptRow(message.receipt);
    row.siblingIndex = stored.siblingIndex;
    row.siblingCount = stored.siblingCount;
    return row;
}

ui::ConversationRow conversationRow(const storage::Conversation& conversation, ui::ConversationState state) {
    ui::ConversationRow row;
    row.id = conversation.id.value;
    row.title = QString::fromStdString(conversation.title);
    row.updated = QDateTime::fromMSecsSinceEpoch(conversation.updatedAt);
    row.state = state;
    return row;
}

QString titleFrom(const QString& message) {
    const QString line = message.trimmed().section(QLatin1Char('\n'), 0, 0).simplified();
    if (line.size() <= kTitleLength)
        return line;
    qsizetype cut = line.lastIndexOf(QLatin1Char(' '), kTitleLength);
    if (cut < kTitleLength / 2)
        cut = kTitleLength;
    if (line.at(cut - 1).isHighSurrogate())
        --cut;
    return line.left(cut).trimmed() + QStringLiteral("…");
}

} // namespace hearth::app
