#include "ui/focus_order.h"

#include <QLayout>
#include <QVector>
#include <QWidget>

namespace hearth::ui {

namespace {

void collect(QWidget* widget, QVector<QWidget*>& stops);

void collect(const QLayout* layout, QVector<QWidget*>& stops) {
    for (int i = 0; i < layout->count(); ++i) {
        QLayoutItem* item = layout->itemAt(i);
        if (item->widget())
            collect(item->widget(), stops);
        else if (item->layout())
            collect(item->layout(), stops);
    }
}

void collect(QWidget* widget, QVector<QWidget*>& stops) {
    if (widget->focusPolicy() & Qt::TabFocus)
        stops.append(widget);
    if (widget->layout())
        collect(widget->layout(), stops);
}

} // namespace

void orderFocus(QWidget& page) {
    QVector<QWidget*> stops;
    if (page.layout())
        collect(page.layout(), stops);
    for (int i = 1; i < stops.size(); ++i)
        QWidget::setTabOrder(stops[i - 1], stops[i]);
}

} // namespace hearth::ui
