#pragma once

#include "ui/chat/block_splitter.h"

#include <QString>

namespace hearth::ui {

/// Leaves [first, last] as Markdown that reads the same, also where nothing stands around it: every text is read again
/// before it is taken. Whole leaves keep the source they were written with if that is enough; `from` and `to` cut the
/// outer ones (offsets of the text as it is read, `to` -1: to the end), and what is left of those is written anew. Only
/// emphasis that no mark could say in its place is lost. Pure.
QString toMarkdown(const BlockSplitter&, int first, int last, int from = 0, int to = -1);

} // namespace hearth::ui
