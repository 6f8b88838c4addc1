#pragma once

#include "ui/theme.h"

#include <QTextLayout>

class QPainter;

namespace hearth::ui {

/// One line of plain text, elided at its end, its baseline placed by the font in use and never by the fonts that stand
/// in for missing characters: Han and Latin beside each other stand level.
void drawTextLine(QPainter&, const QRect&, const QString& text, Qt::Alignment = Qt::AlignLeft);

/// Formats for interface text that mixes Han and Latin: “ ” ‘ ’ … — beside Han take the Han face, and an eighth of an
/// em stands between Han and Latin. The text itself is not touched.
QVector<QTextLayout::FormatRange> hanFormats(const Theme&, TextStyle, const QString& text, bool bold = false);

/// A title or a name as it may be shown on one line: runs of blanks and breaks become one space, control characters and
/// those that turn the direction of what follows are left out, at most `limit` characters.
QString oneLine(const QString&, int limit = 400);

/// For tool tips, which guess rich text: what looks like it is escaped, so that it is shown as written.
QString plainToolTip(const QString&);

} // namespace hearth::ui
