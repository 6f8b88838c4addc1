#pragma once

#include <QStringView>

namespace hearth::ui {

/// Raw HTML of one text, as CommonMark recognizes it: it is shown as text, but nothing inside it is Markdown. Searches
/// that found no end are not repeated, so that any text is read in linear time.
class HtmlScanner {
public:
    explicit HtmlScanner(QStringView s) : text_(s) {}

    /// The end of the tag, comment, instruction, declaration or CDATA section at `at`; -1: none.
    qsizetype scan(qsizetype at);

private:
    qsizetype endOf(QStringView closer, qsizetype from, qsizetype* none) const;

    QStringView text_;
    qsizetype none_[4] = {-1, -1, -1, -1}; // from there on there is no end of a comment, instruction, …
};

/// An opening or closing tag; -1: none.
qsizetype scanTag(QStringView, qsizetype at);

/// `<scheme:address>` or `<name@host>`: the end, -1 when it is none. `mail`: of the second kind.
qsizetype scanAngleAddress(QStringView, qsizetype at, bool* mail);

} // namespace hearth::ui
