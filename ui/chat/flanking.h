#pragma once

#include <QStringView>

namespace hearth::ui {

/// What a run of delimiters may do.
struct Flanking {
    bool opens = false;
    bool closes = false;
};

/// CommonMark's flanking rules with the public CJK-friendly amendments
/// (github.com/tats-u/markdown-cjk-friendly, specification.md); the standard's own where no CJK character adjoins.
/// `s[from, to)` is the run. `inWords`: may open and close inside a word, as `*` may and `_` may not.
Flanking flanking(QStringView s, qsizetype from, qsizetype to, bool inWords);

} // namespace hearth::ui
