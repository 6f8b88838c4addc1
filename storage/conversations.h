#pragma once

#include "storage/ids.h"

#include <optional>
#include <string>
#include <vector>

namespace hearth::storage {

class Database;

struct Conversation {
    ConversationId id;
    std::string title; // empty: not named yet
    PersonaId persona;
    std::string model;    // the path it was last answered by; empty: none yet
    MessageId activeLeaf; // end of the branch that is shown
    std::string draft;    // what stands in its composer
    double scroll = -1;   // position in the conversation: message index + fraction; -1: at the end
    bool unread = false;
    int64_t createdAt = 0; // ms since 1970, for display; order comes from `activity`
    int64_t updatedAt = 0;
    int64_t activity = 0;  // sequence number of the last message
    int64_t deletedAt = 0; // 0: alive; else in the trash since
};

/// The table `conversations`. Storage thread only (or any one thread that owns the connection). Throws storage::Error.
class Conversations {
public:
    explicit Conversations(Database& db) : db_(db) {}

    ConversationId create(const std::string& title, const std::string& model);
    std::optional<Conversation> find(ConversationId) const;
    std::vector<Conversation> list() const; // alive, last activity first
    void rename(ConversationId, const std::string& title);
    void setModel(ConversationId, const std::string& model);
    /// The model lies elsewhere now: for all conversations, those in the trash too.
    void moveModel(const std::string& from, const std::string& to);
    void setDraft(ConversationId, const std::string& draft);
    void setScroll(ConversationId, double scroll);
    void setUnread(ConversationId, bool unread);
    void setActiveLeaf(ConversationId, MessageId);
    void moveToTrash(ConversationId);
    void restore(ConversationId);
    std::vector<Conversation> trash() const; // last activity first
    /// Removes what has been in the trash for longer than `days`; returns how many.
    int emptyTrash(int days);
    /// Removes a conversation with all its messages, at once.
    void erase(ConversationId);

private:
    Database& db_;
};

} // namespace hearth::storage
