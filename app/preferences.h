#pragma once

#include "app/engine_worker.h"
#include "app/storage_worker.h"
#include "ui/rows.h"

#include <QByteArray>
#include <QString>
#include <QStringList>

namespace hearth::app {

/// What the program remembers besides conversations, as the table `settings` keeps it.
struct Preferences {
    ui::SettingsRow settings;
    QByteArray layout;             // of the window
    storage::ConversationId shown; // the conversation in the window; none: the empty state
    QString lastModel;             // path
    QString newDraft;              // of the conversation that is not stored yet
    QStringList openedModels;      // files opened from elsewhere
};

/// Reads what is there; what is missing or makes no sense stays at its default. Storage thread.
Preferences readPreferences(Store&);

/// How long models stay, as the settings have it.
Residency residencyOf(const ui::SettingsRow&);

// Each writes its keys. Any thread; the work runs on the storage thread.
void storeSettings(StorageWorker&, const ui::SettingsRow&);
void storeLayout(StorageWorker&, const QByteArray&);
void storeShown(StorageWorker&, storage::ConversationId);
void storeLastModel(StorageWorker&, const QString&);
void storeNewDraft(StorageWorker&, const QString&);
void storeOpenedModels(StorageWorker&, const QStringList&);

} // namespace hearth::app
