#pragma once

#include "ui/chat/chat_document.h"

#include <QAccessible>
#include <QVector>

namespace hearth::ui {

class ChatView;

/// What a screen reader sees of a ChatView: a list with one child a message, named by who speaks, its text as it is
/// read, its actions. GUI thread.
class ChatAccessible {
public:
    static void install(); // once for the program; further calls do nothing
    /// Tells what was inserted into or changed in the text of these messages.
    static void contentChanged(ChatView&, const QVector<int>& messages);
    /// `from` and `to` were selected before.
    static void selectionChanged(ChatView&, const TextPosition& from, const TextPosition& to);
    static void contentReset(ChatView&);
};

} // namespace hearth::ui
