#pragma once

#include <QAccessible>

namespace hearth::ui {

class ChatView;

/// What a screen reader sees of a ChatView: a list with one child a message, named by who speaks, its text as it is
/// read, its actions. GUI thread.
class ChatAccessible {
public:
    static void install(); // once for the program; further calls do nothing
    static void contentChanged(ChatView&);
    static void contentReset(ChatView&);
};

} // namespace hearth::ui
