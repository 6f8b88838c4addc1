#pragma once

#include "ui/theme.h"

#include <QPointer>
#include <QWidget>

namespace hearth::ui {

/// Properties of a widget: the ring goes around its parent, and the corner radius that the ring follows.
inline constexpr char kRingAroundParent[] = "hearthRingAroundParent";
inline constexpr char kRingRadius[] = "hearthRingRadius";

/// The ring around the widget that has the focus, once the focus was moved by the keyboard: 2 px in the accent, 2 px
/// off. A sibling of that widget, so that it scrolls and is cut with it. One for a window. GUI thread.
class FocusRing : public QWidget {
    Q_OBJECT

public:
    FocusRing(const Theme&, QWidget& window);
    ~FocusRing() override;

    QWidget* target() const { return target_; }

    /// True after a key that moves the focus, until the mouse is pressed: lists mark their current row by it.
    static bool keyboardInUse();

protected:
    bool eventFilter(QObject*, QEvent*) override;
    void paintEvent(QPaintEvent*) override;

private:
    void follow(QWidget*);
    void place();

    const Theme& theme_;
    QWidget& window_;
    QPointer<QWidget> target_;
};

} // namespace hearth::ui
