#pragma once

#include "app/storage_worker.h"
#include "ui/rows.h"

#include <optional>
#include <vector>

namespace hearth::app {

/// Why a reply ended early, as the database keeps it in `note`; the window shows a sentence for it.
namespace note {
inline constexpr const char* kStopped = "stopped"; // by the person
inline constexpr const char* kClosed = "closed";   // the program was closed
inline constexpr const char* kContext = "context"; // no room left
inline constexpr const char* kLength = "length";   // as long as was asked for
} // namespace note

struct StoredMessage {
    storage::Message message;
    int siblingIndex = 0;
    int siblingCount = 1;
};

/// A conversation and the branch of it that is shown.
struct StoredConversation {
    storage::Conversation conversation;
    std::vector<StoredMessage> branch; // root first
};

// Storage thread.
std::optional<StoredConversation> loadConversation(Store&, storage::ConversationId);
/// Makes the version at `index` among those of a reply the shown one, with what followed it last.
void showSibling(Store&, storage::ConversationId, storage::MessageId, int index);
/// Into the trash. Where other versions of it live the nearest one is shown instead: true.
bool deleteMessage(Store&, storage::ConversationId, storage::MessageId);
/// Out of the trash; with `show` its branch becomes the shown one if it is not on it already.
void restoreMessage(Store&, storage::ConversationId, storage::MessageId, bool show);
/// Where in the list a conversation was left: waiting or interrupted. Unread and idle come from the row itself.
ui::ConversationState leftState(Store&, const storage::Conversation&);

// Any thread.
ui::MessageRow messageRow(const StoredMessage&);
ui::ReplyReceipt receiptRow(const std::string& json);
QString noteText(const std::string& note);
ui::ConversationRow conversationRow(const storage::Conversation&, ui::ConversationState);
/// The first line of a first message, cut to the width of the list.
QString titleFrom(const QString& message);

} // namespace hearth::app
