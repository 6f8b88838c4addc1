#pragma once

#include "ui/main_window.h"
#include "ui/theme.h"

#include <QString>

namespace hearth::ui::test {

/// Rows as a person who has used the program for a while would have them.
QVector<ConversationRow> someConversations();
QVector<ModelRow> someModels();
QVector<MessageRow> someMessages();
SettingsRow someSettings();
ConversationContent someContent();

/// Runs what is posted, deletions included.
void settle();

/// A widget of the window by its accessible name; null when there is none that can be seen.
QWidget* named(QWidget& window, const QString& accessibleName);

} // namespace hearth::ui::test
