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
    /// Who wrote an answer and, always, that the chat left this program for it; empty: neither is to be said.
    static QString speaker(const MessageRow&, bool named);
    static QString leavingMark(const MessageRow&); // the second part alone
    static QStringList lines(const ChatDocument&, int message);
};

} // namespace hearth::ui
