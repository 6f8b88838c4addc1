#pragma once

#include <QStringView>

namespace hearth::ui {

/// Where a paragraph whose first characters are `head` is cut when it is longer than that: a function of those
/// characters only, so that the way they arrived does not matter. Best after a line, a sentence or a word that ends
/// outside of every inline span.
qsizetype cutPosition(QStringView head);

} // namespace hearth::ui
