#pragma once

#include "ui/theme.h"

#include <QPointer>
#include <QProxyStyle>

class QAbstractButton;
class QStyleOptionButton;
class QStyleOptionComboBox;
class QStyleOptionMenuItem;
class QStyleOptionSlider;
class QStyleOptionToolButton;
class QStyleOptionViewItem;

namespace hearth::ui {

/// How a button looks beyond the default outlined one.
enum class ButtonLook { Outlined, Primary, Plain };
void setButtonLook(QAbstractButton&, ButtonLook);

/// Fusion with our shapes, measures and colours, drawn from a Theme. No style sheets. GUI thread.
class Style : public QProxyStyle {
    Q_OBJECT

public:
    explicit Style(const Theme&);

    void refresh(); // the theme changed: every widget measures and paints again

    using QProxyStyle::polish;
    using QProxyStyle::unpolish;
    void polish(QWidget*) override;
    void drawPrimitive(PrimitiveElement, const QStyleOption*, QPainter*, const QWidget*) const override;
    void drawControl(ControlElement, const QStyleOption*, QPainter*, const QWidget*) const override;
    void drawComplexControl(ComplexControl, const QStyleOptionComplex*, QPainter*, const QWidget*) const override;
    QRect subControlRect(ComplexControl, const QStyleOptionComplex*, SubControl, const QWidget*) const override;
    QRect subElementRect(SubElement, const QStyleOption*, const QWidget*) const override;
    QSize sizeFromContents(ContentsType, const QStyleOption*, const QSize&, const QWidget*) const override;
    int pixelMetric(PixelMetric, const QStyleOption*, const QWidget*) const override;
    int styleHint(StyleHint, const QStyleOption*, const QWidget*, QStyleHintReturn*) const override;

private:
    void drawButton(const QStyleOptionButton&, QPainter&, const QWidget*) const;
    void drawToolButton(const QStyleOptionToolButton&, QPainter&, const QWidget*) const;
    void drawComboBox(const QStyleOptionComboBox&, QPainter&) const;
    void drawScrollBar(const QStyleOptionSlider&, QPainter&, const QWidget*) const;
    void drawMenuItem(const QStyleOptionMenuItem&, QPainter&) const;
    void drawViewItem(const QStyleOptionViewItem&, QPainter&, const QWidget*) const;
    void drawCheck(const QStyleOption&, QPainter&, bool round) const;

    QPointer<const Theme> theme_;
};

/// A rounded rectangle with an outline of one pixel that lies inside `rect`. An invalid colour draws nothing.
void drawRounded(QPainter&, const QRectF& rect, qreal radius, const QColor& fill, const QColor& outline);

} // namespace hearth::ui
