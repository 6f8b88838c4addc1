#pragma once

#include "storage/ids.h"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hearth::storage {

class Database;

enum class Role { System, User, Assistant };

enum class MessageState {
    Complete,
    Queued,      // a user's message that waits for a model
    Growing,     // a reply that is being written; found at start, it was cut off
    Interrupted, // stopped, or cut off by a crash: can be continued
    Failed,      // `note` says why
};

struct Message {
    MessageId id;
    ConversationId conversation;
    MessageId parent; // none: the root of the tree
    Role role = Role::User;
    MessageState state = MessageState::Complete;
    std::string text;
    std::string thoughts;
    double thoughtSeconds = 0;
    std::string model;     // name of the model that wrote it
    std::string remote;    // the hosts that the conversation was sent to for it; empty: it was made on this machine
    std::string note;      // an error, or why it stopped
    std::string receipt;   // JSON: sampling, seed, token counts, times; empty for user messages
    int64_t createdAt = 0; // ms since 1970, for display only
    int64_t sequence = 0;  // order within the database; grows by one with each message
};

/// `hosts` (Message::remote) with one more, once each: "gpu.example, 127.0.0.1:8080".
std::string withHost(const std::string& hosts, const std::string& host);

/// The table `messages`, a tree by `parent`, and the two in which a reply grows: its newest bytes are the one row in
/// `message_tails`, rewritten in place; when that is full it becomes a row of `message_chunks`. Storage thread only, or
/// any one thread that owns the connection (a reader's too). Throws storage::Error.
///
/// Readers are tolerant: an unknown role or state, a missing parent, a circle of parents or a damaged text never hides
/// the rest of a conversation.
class Messages {
public:
    explicit Messages(Database& db) : db_(db) {}

    /// Commits the message and makes it the conversation's active leaf, in one transaction: when this returns, it is on
    /// the disk.
    MessageId append(const Message&);
    /// The row of a reply, state Growing, made the active leaf.
    MessageId beginReply(ConversationId, MessageId parent, const std::string& model, const std::string& remote = {});
    /// Adds to the reply in one commit. It writes at most 16 KB (about 2 KB mostly) beyond the new bytes themselves,
    /// however long the reply is.
    void growReply(MessageId, std::string_view text, std::string_view thoughts);
    /// Joins the chunks into the row and indexes it, once. `state` is Complete, Interrupted or Failed.
    void finishReply(MessageId, MessageState state, double thoughtSeconds, const std::string& note,
                     const std::string& receipt);
    /// A reply that ended grows on (Continue): state Growing again, its text kept.
    void reopenReply(MessageId);
    /// The conversation was sent to this host for the reply, besides those that it was sent to before.
    void addRemote(MessageId, const std::string& host);
    /// At start: every Growing reply is joined and becomes Interrupted. Returns them.
    std::vector<MessageId> recover();

    std::optional<Message> find(MessageId) const;          // chunks joined
    std::vector<Message> branch(MessageId leaf) const;     // root first, chunks joined; without the trash
    std::vector<Message> children(MessageId parent) const; // in order
    std::vector<Message> roots(ConversationId) const;      // in order; more than one when the first message was edited
    /// The versions of a message, itself included, in order: same parent, same role, not in the trash.
    std::vector<MessageId> siblings(MessageId) const;
    /// For every message of a conversation its place among its versions and how many there are: one pass, where
    /// siblings() for each would be quadratic.
    std::unordered_map<int64_t, std::pair<int, int>> versions(ConversationId) const;
    void setState(MessageId, MessageState, const std::string& note);
    std::vector<Message> queued() const; // state Queued in conversations that are not in the trash, oldest first
    MessageId
        latestLeaf(MessageId) const; // the end of the branch that goes through it, by the newest living child each time

    /// A single message in the trash is left out of its branch, its versions, the queue and the search; what follows it
    /// stays.
    void moveToTrash(MessageId);
    void restore(MessageId);
    /// Erases messages that lie in the trash for longer than this; what followed them hangs on what came before.
    int emptyTrash(int days);

private:
    MessageId insert(const Message&, MessageState);
    void erase(MessageId);
    void endGrowth(const Message& joined, MessageState state, double thoughtSeconds, const std::string& note,
                   const std::string& receipt);

    Database& db_;
};

} // namespace hearth::storage
