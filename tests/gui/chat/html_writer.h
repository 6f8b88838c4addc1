#pragma once

#include "ui/chat/block_splitter.h"

#include <QString>

namespace hearth::ui::test {

/// Blocks and runs as HTML, for comparing with what the standard expects. Tags that the window shows as text are
/// written as tags.
QString html(const BlockSplitter&);
QString html(const QString& markdown);

/// The same by md4c; `flags` are its own.
QString htmlByMd4c(const QString& markdown, unsigned flags);

/// HTML in a form in which two renderings of one meaning are equal. What Hearth does not keep is left out: titles, the
/// difference of soft and hard breaks and of tight and loose lists, the order in which styles nest.
QString canonical(const QString& html);

} // namespace hearth::ui::test
