#pragma once

class QWidget;

namespace hearth::ui {

/// Puts the widgets in a page that Tab stops at into the order of its layouts, which is the order one reads them in,
/// whenever they were made. For a page whose widgets come and go: to be called in its focusNextPrevChild(). GUI thread.
void orderFocus(QWidget& page);

} // namespace hearth::ui
