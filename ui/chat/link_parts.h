#pragma once

#include <QString>

#include <vector>

namespace hearth::ui {

// The parts that links are made of. Every scan begins at a place and returns where it ended; -1: it found nothing.

/// Backslash escapes and character references replaced.
QString unescaped(QStringView);

/// An address, bare or in angle brackets; `inner` gets its text without the brackets.
qsizetype scanAddress(QStringView, qsizetype at, QStringView* inner);

/// `[label]`; `inner` gets what is between the brackets, which holds no bracket and is not blank.
qsizetype scanLabel(QStringView, qsizetype at, QStringView* inner);

/// How a label is compared: case folded, its space collapsed.
QString normalizedLabel(QStringView);

/// A link definition at the start of `text` (`[label]: address "title"`): characters taken, 0 when there is none.
qsizetype parseDefinition(QStringView text, QString* label, QString* address);

/// The places of one character that is not escaped, found when first asked for and once: a search that finds nothing
/// is never repeated, which keeps `](["` linear.
class NextOf {
public:
    NextOf(QStringView s, char16_t c) : text_(s), mark_(c) {}

    qsizetype after(qsizetype from); // -1: none

private:
    QStringView text_;
    char16_t mark_;
    bool known_ = false;
    std::vector<qsizetype> at_;
};

/// Titles of links in one text: `"…"`, `'…'` or `(…)`.
class TitleScanner {
public:
    explicit TitleScanner(QStringView s)
        : text_(s), double_(s, u'"'), single_(s, u'\''), open_(s, u'('), close_(s, u')') {}

    qsizetype scan(qsizetype at);

    bool hasParenAfter(qsizetype at) { return close_.after(at) >= 0; }

private:
    QStringView text_;
    NextOf double_, single_, open_, close_;
};

} // namespace hearth::ui
