#pragma once

#include <QHash>
#include <QString>
#include <QStringList>
#include <QVector>

namespace hearth::ui {

/// How a stretch of text is set; flags combine.
enum InlineStyle : quint16 {
    StylePlain = 0,
    StyleStrong = 1,
    StyleEmphasis = 2,
    StyleCode = 4,
    StyleStrike = 8,
    StyleLink = 16,
    StyleImage = 32, // its description; the picture itself is never fetched
    StyleMath = 64,  // source of a formula, verbatim
    StyleHtml = 128, // a tag, verbatim: shown as text
};

struct InlineRun {
    int start = 0;
    int length = 0;
    quint16 style = StylePlain;
    int link = -1; // index into InlineText::links
};

/// A leaf as it is read: its text with '\n' for line breaks, and the runs that are not plain, in order, apart.
struct InlineText {
    QString text;
    QVector<InlineRun> runs;
    QStringList links;       // addresses as written; opened by nobody but the person
    QVector<int> cells;      // of a table row: where each cell begins in `text`; cells are parted by one tab
    bool unresolved = false; // has brackets that a late link definition could make a link
};

/// Link definitions of a message by their normalized label.
using LinkDefinitions = QHash<QString, QString>;

/// CommonMark's inline rules with GFM's strikethrough and autolinks, the CJK-friendly rule of emphasis, and formulas
/// kept whole. HTML is text. Linear in the source.
InlineText parseInline(QStringView source, const LinkDefinitions& definitions = {});

/// The cells of a table's row, each parsed on its own. Those that the row lacks are left out, or a short row of a wide
/// table would cost as much as a full one.
InlineText parseTableRow(QStringView line, int columns, const LinkDefinitions& definitions = {});
/// Where the cells of a row lie in its source; `\|` parts nothing.
QVector<QStringView> tableCells(QStringView line);

} // namespace hearth::ui
