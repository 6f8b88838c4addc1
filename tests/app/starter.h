#pragma once

#include "storage/conversations.h"
#include "storage/database.h"
#include "storage/messages.h"
#include "storage/settings.h"

#include <QDir>
#include <QFileInfo>
#include <QStandardPaths>
#include <QString>
#include <QtGlobal>

#include <string>

namespace hearth::test {

/// The starter model of HEARTH_MODELS, else of the person's own model folder. Empty: it is not there.
inline QString starterModel() {
    const QString name = QStringLiteral("/SmolLM2-135M-Instruct.Q4_1.gguf");
    for (const QString& folder :
         {qEnvironmentVariable("HEARTH_MODELS"), QDir::homePath() + QStringLiteral("/.local/share/hearth/models")}) {
        if (!folder.isEmpty() && QFileInfo(folder + name).isFile())
            return folder + name;
    }
    return {};
}

/// A conversation whose last message waits for a model, as a start finds it after an abrupt end.
struct Seed {
    storage::ConversationId conversation;
    storage::MessageId message;
};

inline std::string databaseIn(const QString& folder) {
    return (folder + QStringLiteral("/hearth.db")).toStdString();
}

inline Seed seedQueued(const QString& folder, const QString& model, const std::string& text,
                       storage::ConversationId in = {}) {
    storage::Database database(databaseIn(folder), storage::Database::Mode::Write);
    storage::Conversations conversations(database);
    Seed seed;
    seed.conversation = in ? in : conversations.create("Seeded", model.toStdString());
    storage::Message message;
    message.conversation = seed.conversation;
    message.role = storage::Role::User;
    message.state = storage::MessageState::Queued;
    message.text = text;
    message.parent = conversations.find(seed.conversation)->activeLeaf;
    seed.message = storage::Messages(database).append(message);
    storage::Settings(database).set("window.conversation", std::to_string(seed.conversation.value));
    return seed;
}

} // namespace hearth::test
