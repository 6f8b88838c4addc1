#pragma once

#include "ui/chat/chat_document.h"

#include <utility>

namespace hearth::ui {

// Places in the text of a conversation, without any layout. GUI thread.

/// The word or the leaf that a place lies in.
std::pair<TextPosition, TextPosition> wordAround(const ChatDocument&, const TextPosition&);
std::pair<TextPosition, TextPosition> leafAround(const ChatDocument&, const TextPosition&);

/// The next or previous (direction 1, -1) character or word, across leaves and messages. Stays at the ends.
TextPosition movedBy(const ChatDocument&, const TextPosition&, int direction, bool words);

} // namespace hearth::ui
