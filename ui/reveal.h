#pragma once

#include <QString>

namespace hearth::ui {

/// Shows a file in the desktop's file manager, marked; where none answers, its folder is opened. A folder is opened.
void revealInFileManager(const QString& path);

} // namespace hearth::ui
