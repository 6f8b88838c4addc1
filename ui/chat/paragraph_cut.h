#pragma once

#include <QStringView>

namespace hearth::ui {

/// Where a paragraph whose first characters are `head` is cut when it is longer than that: a function of those
/// characters only, so that the way they arrived does not matter. Best after a line, a sentence or a word that ends
/// outside of every inline span.
qsizetype cutPosition(QStringView head);

/// Whether any character may be shown as a picture; some signs that seldom are count too.
bool hasEmoji(QStringView text);

/// How many of the first characters are laid out at once: `most` at most, fewer than 201 emoji, for Qt decodes the
/// picture of an emoji anew each time it asks how wide it is, and no half of a surrogate pair or of a joined picture.
/// 0 for no text only.
qsizetype affordablePrefix(QStringView text, qsizetype most);

} // namespace hearth::ui
