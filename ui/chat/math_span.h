#pragma once

#include <QStringView>

namespace hearth::ui {

/// Formulas in one text: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`. What is between the marks is no Markdown. Searches that
/// found no end are not repeated, so that any text is read in linear time.
class MathScanner {
public:
    explicit MathScanner(QStringView s) : text_(s) {}

    /// The end of the formula whose `$` or `\` stands at `at`; -1: none begins there.
    qsizetype scan(qsizetype at);

private:
    qsizetype dollars(qsizetype at);
    qsizetype closed(QStringView closer, qsizetype from, qsizetype* none) const;

    QStringView text_;
    qsizetype none_[3] = {-1, -1, -1}; // from there on nothing closes `\(`, `\[`, `$$`
};

/// The mark that closes a formula which begins a line and stands in lines of its own; empty: none begins there.
QStringView mathBlockCloser(QStringView line);

enum class MathLine { Inside, Last, Broken }; // Broken: text follows the closing mark, so it was no block

/// A line of such a formula, from `from` on.
MathLine readMathLine(QStringView line, QStringView closer, qsizetype from = 0);

} // namespace hearth::ui
