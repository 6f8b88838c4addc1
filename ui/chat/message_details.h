#pragma once

#include "ui/chat/chat_document.h"

#include <QCoreApplication>
#include <QStringList>

namespace hearth::ui {

/// `text` with spaces for line ends and controls.
QString singleLine(QString text);

/// How a message came to be, known without any layout of it. GUI thread.
class MessageDetails {
    Q_DECLARE_TR_FUNCTIONS(hearth::ui::ChatView)

public:
    static QStringList lines(const ChatDocument&, int message);
};

} // namespace hearth::ui
