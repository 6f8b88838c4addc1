#pragma once

#include "ui/chat/inline_parser.h"

#include <QString>

namespace hearth::ui {

/// How marks are chosen; where one way would be read otherwise another one may not.
struct InlineMarks {
    QString strong = QStringLiteral("**"), emphasis = QStringLiteral("*"); // empty: no nesting
    bool verbatim = true;                                                  // tags, formulas and `<address>` as such
    bool cell = false;                                                     // of a table: no line may end in it
    bool plain = false;                                                    // the bare text, whose marks are escaped
};

/// The stretch [from, to) of a leaf as it is read (UTF-16 units), written in Markdown. What is read of it is the
/// same but for spaces at its ends; whether its first characters are a mark of a block is the caller's affair. Pure.
QString inlineMarkdown(const InlineText&, int from, int to, const InlineMarks&);

/// The stretch alone, with its runs.
InlineText stretchOf(const InlineText&, int from, int to);

/// A text without the spaces at the ends of its lines, which Markdown cannot say.
QString withoutLoneSpaces(QStringView);

/// Whether two leaves read the same: text, styles and addresses. Lone spaces do not count, nor does a space's emphasis.
bool readsAlike(const InlineText&, const InlineText&);

/// `text` in a run of `c` that does not end in it; at least `least` of them.
QString fenceFor(QStringView text, QChar c, int least);

} // namespace hearth::ui
