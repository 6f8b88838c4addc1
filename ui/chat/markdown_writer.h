#pragma once

#include "ui/chat/block_splitter.h"

#include <QString>

namespace hearth::ui {

/// Leaves [first, last] as Markdown that reads the same. Whole leaves keep the source they were written with; `from`
/// and `to` cut the outer ones (offsets of the text as it is read, `to` -1: to the end), and what is left of those is
/// written anew. Pure.
QString toMarkdown(const BlockSplitter&, int first, int last, int from = 0, int to = -1);

} // namespace hearth::ui
