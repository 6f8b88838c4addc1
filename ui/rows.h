#pragma once

#include <QDateTime>
#include <QString>
#include <QVector>

namespace hearth::ui {

/// Everything the window shows comes in as these rows, and goes out as signals with their ids. Plain values; GUI
/// thread.
using RowId = qint64; // 0: none

enum class ConversationState { Idle, Generating, Waiting, Unread, Interrupted };

struct ConversationRow {
    RowId id = 0;
    QString title; // empty: "New chat", translated
    QDateTime updated;
    ConversationState state = ConversationState::Idle;
};

enum class Role { System, User, Assistant };
enum class MessageState { Complete, Queued, Streaming, Interrupted, Failed };

/// How a reply came to be: what its details show. 0: not known, not shown.
struct ReplyReceipt {
    int promptTokens = 0;
    int prefilledTokens = 0; // of them, read anew: the others were in the cache
    double prefillSeconds = 0;
    int generatedTokens = 0;
    double decodeSeconds = 0;
    int leftOutMessages = 0; // of the history, for which there was no room
    bool about = false;      // the counts of tokens are estimates
};

struct MessageRow {
    RowId id = 0;
    Role role = Role::User;
    MessageState state = MessageState::Complete;
    QString text; // Markdown for answers, plain text for users
    QString thoughts;
    double thoughtSeconds = 0;
    QString model; // shown above an answer only when it changed
    QString note;  // one line below: why it failed or stopped
    QDateTime time;
    ReplyReceipt receipt;
    int siblingIndex = 0; // 0-based place among the versions of this message
    int siblingCount = 1;
    QString remote; // host that the conversation was sent to for it: said above it, always; empty: made here
};

/// What a conversation needs to be shown again as it was left.
struct ConversationContent {
    ConversationRow row;
    QVector<MessageRow> messages;
    QString draft;
    double scroll = -1; // message index + fraction; -1: the end
    QString modelPath;  // the conversation's model; empty: none
};

enum class ModelState { NotLoaded, Loading, Loaded, Missing };

struct ModelRow {
    QString path; // its identity
    QString name;
    QString detail; // "135 M · Q4_1 · 98 MB"
    ModelState state = ModelState::NotLoaded;
    double progress = 0; // while Loading, 0 to 1
    bool starter = false;
    QString remote;   // host that conversations are sent to; empty: it runs on this machine
    bool off = false; // a remote one that the person has not switched on
};

enum class Phase { Idle, Loading, Reading, Waiting, Writing };

/// The status line.
struct StatusRow {
    Phase phase = Phase::Idle;
    double progress = 0;        // Loading and Reading: 0 to 1
    double tokensPerSecond = 0; // 0: not shown
    int contextUsed = 0;
    int contextAvailable = 0; // 0: not shown
    QString backend;          // "CPU"
    QString host;             // Waiting: for whom
    bool about = false;       // contextUsed is an estimate
};

enum class ThemeChoice { System, Light, Dark };

/// Of SettingsRow::idleMinutes: the model in use stays, others leave after a while.
inline constexpr int kIdleAutomatic = -1;

struct SettingsRow {
    QString language; // "", "en", "zh_CN": empty follows the system
    ThemeChoice theme = ThemeChoice::System;
    int textSizePercent = 100; // 80 to 200
    QString modelFolder;
    int threads = 0; // 0: automatic
    int maxThreads = 1;
    QString backend = QStringLiteral("auto");
    int modelMemoryGb = 0;            // for all models together, 1e9 bytes each; 0: automatic
    int maxMemoryGb = 0;              // of this machine
    int idleMinutes = kIdleAutomatic; // after which a model that nobody uses leaves memory; 0: never
};

/// One inline line under the conversation's header or above the composer: never a dialog.
struct Notice {
    QString key;  // identity: a second notice of the same key replaces the first
    QString text; // plain

    struct Action {
        QString id;
        QString label;
    };

    QVector<Action> actions;
    bool isError = false;
};

} // namespace hearth::ui
