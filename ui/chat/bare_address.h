#pragma once

#include <QStringView>

namespace hearth::ui {

/// An address that stands in text without marks: `www.…`, `http(s)://…`, `name@host`.
struct BareAddress {
    qsizetype start = 0;
    qsizetype end = -1; // -1: none
    QStringView prefix; // that makes a whole address of it: `http://`, `mailto:`, or nothing
};

// GFM's extended autolinks, but that CJK punctuation ends them and that they may follow a CJK character.

/// One that begins at `at` with its scheme or `www.`.
BareAddress scanBareAddress(QStringView, qsizetype at);

/// A mail address around the `@` at `at`, no part of it before `from`.
BareAddress scanBareMail(QStringView, qsizetype at, qsizetype from);

} // namespace hearth::ui
