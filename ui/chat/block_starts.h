#pragma once

#include <QString>

namespace hearth::ui {

// What a line can begin, by its text after the indent.

/// `***`, `- - -`, `___`.
bool isRule(QStringView);

/// The level of `# heading`, 0: none; `text` gets the heading without its marks.
int headingLevel(QStringView line, QStringView* text);

/// `===` or `---` below a paragraph: the level, 0: neither.
int underlineLevel(QStringView line);

/// A fence of three or more: its length, 0: none.
int fenceLength(QStringView line);

/// The mark of an item of a list.
struct ItemMark {
    int width = 0; // characters; 0: none
    bool ordered = false;
    int number = 0;
    QChar mark; // '-', '+', '*'; of an ordered one '.' or ')'
};

ItemMark itemMark(QStringView line);

/// `---|:--:|--:` → one of "l c r -" a column; empty: no delimiter row.
QString tableAlignments(QStringView line);

/// Which of CommonMark's seven kinds of HTML block begins with `line`; 0: none. The seventh interrupts no paragraph.
int htmlStart(QStringView line, bool afterParagraph);
/// Does the line end such a block? The sixth and seventh end at a blank line.
bool htmlEnds(int kind, QStringView line);

/// A task's `[ ] ` or `[x] ` at the start of an item: 0 open, 1 done, -1: none.
int taskState(QStringView text);

} // namespace hearth::ui
