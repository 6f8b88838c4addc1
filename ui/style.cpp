#include "ui/style.h"

#include <QAbstractButton>
#include <QAbstractItemView>
#include <QApplication>
#include <QComboBox>
#include <QMenu>
#include <QPainter>
#include <QPainterPath>
#include <QStyleOption>
#include <QToolButton>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr char kLookProperty[] = "hearthLook";
constexpr int kScrollBarExtent = 12; // px; the handle is thinner
constexpr int kScrollBarMargin = 3;
constexpr int kButtonPadding = 12;
constexpr int kMenuMargin = 4;
constexpr int kMenuPadding = 12;

ButtonLook lookOf(const QWidget* widget) {
    return widget ? static_cast<ButtonLook>(widget->property(kLookProperty).toInt()) : ButtonLook::Outlined;
}

bool has(const QStyleOption& option, QStyle::StateFlag flag) {
    return option.state.testFlag(flag);
}

} // namespace

void setButtonLook(QAbstractButton& button, ButtonLook look) {
    button.setProperty(kLookProperty, static_cast<int>(look));
    button.update();
}

void drawRounded(QPainter& painter, const QRectF& rect, qreal radius, const QColor& fill, const QColor& outline) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    if (outline.isValid()) {
        painter.setPen(QPen(outline, 1));
        painter.setBrush(fill.isValid() ? QBrush(fill) : Qt::NoBrush);
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), radius - 0.5, radius - 0.5);
    } else if (fill.isValid()) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(fill);
        painter.drawRoundedRect(rect, radius, radius);
    }
    painter.restore();
}

Style::Style(const Theme& theme) : QProxyStyle(QStringLiteral("Fusion")), theme_(&theme) {
    setObjectName(QStringLiteral("hearth"));
}

void Style::refresh() {
    QEvent change(QEvent::StyleChange);
    for (QWidget* widget : QApplication::allWidgets()) {
        QApplication::sendEvent(widget, &change);
        widget->updateGeometry();
        widget->update();
    }
}

void Style::polish(QWidget* widget) {
    QProxyStyle::polish(widget);
    if (qobject_cast<QAbstractButton*>(widget) || qobject_cast<QComboBox*>(widget))
        widget->setAttribute(Qt::WA_Hover);
}

int Style::pixelMetric(PixelMetric metric, const QStyleOption* option, const QWidget* widget) const {
    if (!theme_)
        return QProxyStyle::pixelMetric(metric, option, widget);
    switch (metric) {
    case PM_ScrollBarExtent:
        return kScrollBarExtent;
    case PM_ScrollBarSliderMin:
        return 32;
    case PM_ScrollView_ScrollBarSpacing:
    case PM_ScrollView_ScrollBarOverlap:
    case PM_ButtonShiftHorizontal:
    case PM_ButtonShiftVertical:
    case PM_FocusFrameHMargin:
    case PM_FocusFrameVMargin:
    case PM_MenuHMargin:
        return 0;
    case PM_MenuVMargin:
        return kMenuMargin;
    case PM_MenuPanelWidth:
    case PM_DefaultFrameWidth:
        return 1;
    case PM_SmallIconSize:
    case PM_ButtonIconSize:
    case PM_ToolBarIconSize:
    case PM_ListViewIconSize:
        return theme_->iconSize();
    case PM_IndicatorWidth:
    case PM_IndicatorHeight:
    case PM_ExclusiveIndicatorWidth:
    case PM_ExclusiveIndicatorHeight:
        return theme_->iconSize() - 2;
    case PM_CheckBoxLabelSpacing:
    case PM_RadioButtonLabelSpacing:
        return 8;
    case PM_TextCursorWidth:
        return 1;
    default:
        return QProxyStyle::pixelMetric(metric, option, widget);
    }
}

int Style::styleHint(StyleHint hint, const QStyleOption* option, const QWidget* widget, QStyleHintReturn* data) const {
    switch (hint) {
    case SH_ComboBox_Popup: // a list below the box, not a menu over it
    case SH_EtchDisabledText:
    case SH_DitherDisabledText:
    case SH_UnderlineShortcut:
    case SH_Menu_FadeOutOnHide:
    case SH_Widget_Animation_Duration:
    case SH_DialogButtonBox_ButtonsHaveIcons:
        return 0;
    case SH_ScrollBar_LeftClickAbsolutePosition:
    case SH_Menu_MouseTracking:
    case SH_ComboBox_ListMouseTracking:
        return 1;
    default:
        return QProxyStyle::styleHint(hint, option, widget, data);
    }
}

QSize Style::sizeFromContents(ContentsType type, const QStyleOption* option, const QSize& contents,
                              const QWidget* widget) const {
    QSize size = QProxyStyle::sizeFromContents(type, option, contents, widget);
    if (!theme_)
        return size;
    const int height = theme_->controlHeight();
    switch (type) {
    case CT_PushButton:
        if (const auto* button = qstyleoption_cast<const QStyleOptionButton*>(option)) {
            const int icon = button->icon.isNull() ? 0 : theme_->iconSize() + (button->text.isEmpty() ? 0 : 8);
            const int text = button->fontMetrics.size(Qt::TextShowMnemonic, button->text).width();
            return {text + icon + 2 * kButtonPadding, height};
        }
        return size;
    case CT_ToolButton:
        if (const auto* button = qstyleoption_cast<const QStyleOptionToolButton*>(option)) {
            if (button->text.isEmpty() || button->toolButtonStyle == Qt::ToolButtonIconOnly)
                return {height, height};
            const int icon = button->icon.isNull() ? 0 : theme_->iconSize() + 8;
            return {button->fontMetrics.horizontalAdvance(button->text) + icon + 2 * 8, height};
        }
        return size;
    case CT_LineEdit:
        return {size.width() + 8, height};
    case CT_ComboBox:
        return {contents.width() + kButtonPadding + 8 + theme_->iconSize() + 8, height};
    case CT_MenuItem:
        if (const auto* item = qstyleoption_cast<const QStyleOptionMenuItem*>(option)) {
            if (item->menuItemType == QStyleOptionMenuItem::Separator)
                return {size.width(), 9};
            // The text comes as "label<tab>shortcut".
            const QStringList parts = item->text.split(QLatin1Char('\t'));
            int width = 2 * (kMenuMargin + kMenuPadding) + theme_->iconSize() + 8;
            width += item->fontMetrics.size(Qt::TextShowMnemonic, parts.value(0)).width();
            if (parts.size() > 1)
                width += 24 + item->fontMetrics.horizontalAdvance(parts.value(1));
            return {width, height};
        }
        return size;
    case CT_ItemViewItem:
        return {size.width() + 16, std::max(size.height(), height)};
    default:
        return size;
    }
}

QRect Style::subElementRect(SubElement element, const QStyleOption* option, const QWidget* widget) const {
    if (element == SE_LineEditContents)
        return option->rect.adjusted(8, 1, -8, -1);
    return QProxyStyle::subElementRect(element, option, widget);
}

QRect Style::subControlRect(ComplexControl control, const QStyleOptionComplex* option, SubControl part,
                            const QWidget* widget) const {
    if (control == CC_ScrollBar) {
        const auto* bar = qstyleoption_cast<const QStyleOptionSlider*>(option);
        if (!bar)
            return {};
        const QRect r = bar->rect;
        const bool vertical = bar->orientation == Qt::Vertical;
        const int length = vertical ? r.height() : r.width();
        const qint64 range = static_cast<qint64>(bar->maximum) - bar->minimum;
        int handle = length;
        if (range > 0)
            handle = static_cast<int>(static_cast<qint64>(length) * bar->pageStep / (range + bar->pageStep));
        handle = std::min(length, std::max(handle, 32));
        const int start =
            sliderPositionFromValue(bar->minimum, bar->maximum, bar->sliderPosition, length - handle, bar->upsideDown);
        const auto along = [&](int from, int to) {
            return vertical ? QRect(r.left(), r.top() + from, r.width(), to - from)
                            : QRect(r.left() + from, r.top(), to - from, r.height());
        };
        switch (part) {
        case SC_ScrollBarGroove:
            return r;
        case SC_ScrollBarSlider:
            return along(start, start + handle);
        case SC_ScrollBarSubPage:
            return along(0, start);
        case SC_ScrollBarAddPage:
            return along(start + handle, length);
        default: // no arrows
            return {};
        }
    }
    if (control == CC_ComboBox && theme_) {
        const QRect r = option->rect;
        const int arrow = theme_->iconSize() + 8;
        if (part == SC_ComboBoxEditField)
            return r.adjusted(kButtonPadding, 1, -arrow, -1);
        if (part == SC_ComboBoxArrow)
            return {r.right() + 1 - arrow, r.top(), arrow, r.height()};
        if (part == SC_ComboBoxListBoxPopup)
            return r.translated(0, 4);
    }
    return QProxyStyle::subControlRect(control, option, part, widget);
}

void Style::drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                          const QWidget* widget) const {
    if (!theme_) {
        QProxyStyle::drawPrimitive(element, option, painter, widget);
        return;
    }
    const Theme& t = *theme_;
    switch (element) {
    case PE_FrameFocusRect: // the ring is drawn by FocusRing, around what has the focus
        return;
    case PE_PanelLineEdit:
    case PE_FrameLineEdit:
        if (const auto* frame = qstyleoption_cast<const QStyleOptionFrame*>(option); frame && frame->lineWidth <= 0)
            return;
        drawRounded(*painter, option->rect, Theme::kControlRadius, t.color(Token::Window),
                    t.color(has(*option, State_HasFocus) ? Token::Accent : Token::Outline));
        return;
    case PE_IndicatorCheckBox:
        drawCheck(*option, *painter, false);
        return;
    case PE_IndicatorRadioButton:
        drawCheck(*option, *painter, true);
        return;
    case PE_PanelMenu:
    case PE_FrameMenu:
    case PE_PanelTipLabel:
        painter->fillRect(option->rect, t.color(Token::Window));
        drawRounded(*painter, option->rect, 0.5, t.color(Token::Window), t.color(Token::Outline));
        return;
    case PE_Frame:
        if (widget && widget->inherits("QComboBoxPrivateContainer"))
            drawRounded(*painter, option->rect, 0.5, t.color(Token::Window), t.color(Token::Outline));
        return;
    case PE_PanelItemViewItem:
    case PE_PanelItemViewRow:
        if (has(*option, State_Selected) || has(*option, State_MouseOver))
            drawRounded(*painter, QRectF(option->rect).adjusted(4, 0, -4, 0), Theme::kControlRadius,
                        t.color(Token::Hover), {});
        return;
    default:
        QProxyStyle::drawPrimitive(element, option, painter, widget);
    }
}

void Style::drawCheck(const QStyleOption& option, QPainter& painter, bool round) const {
    const QRectF box = QRectF(option.rect).adjusted(1, 1, -1, -1);
    const qreal radius = round ? box.height() / 2 : 4;
    if (!has(option, State_On)) {
        drawRounded(painter, box, radius, theme_->color(has(option, State_MouseOver) ? Token::Hover : Token::Window),
                    theme_->color(Token::Outline));
        return;
    }
    drawRounded(painter, box, radius, theme_->color(Token::Accent), {});
    if (round)
        drawRounded(painter, box.adjusted(5, 5, -5, -5), radius, theme_->color(Token::OnAccent), {});
    else
        theme_->icon(QStringLiteral("check"), Token::OnAccent).paint(&painter, box.toRect());
}

void Style::drawControl(ControlElement element, const QStyleOption* option, QPainter* painter,
                        const QWidget* widget) const {
    if (theme_) {
        if (element == CE_PushButton) {
            if (const auto* button = qstyleoption_cast<const QStyleOptionButton*>(option)) {
                drawButton(*button, *painter, widget);
                return;
            }
        }
        if (element == CE_MenuItem) {
            if (const auto* item = qstyleoption_cast<const QStyleOptionMenuItem*>(option)) {
                drawMenuItem(*item, *painter);
                return;
            }
        }
        if (element == CE_MenuEmptyArea) {
            painter->fillRect(option->rect, theme_->color(Token::Window));
            return;
        }
        if (element == CE_ComboBoxLabel) {
            if (const auto* box = qstyleoption_cast<const QStyleOptionComboBox*>(option)) {
                const QRect field = subControlRect(CC_ComboBox, box, SC_ComboBoxEditField, widget);
                painter->setPen(theme_->color(has(*box, State_Enabled) ? Token::Text : Token::Third));
                painter->drawText(field, Qt::AlignVCenter | Qt::AlignLeft | Qt::TextSingleLine,
                                  box->fontMetrics.elidedText(box->currentText, Qt::ElideRight, field.width()));
                return;
            }
        }
        if (element == CE_ItemViewItem) {
            const auto* item = qstyleoption_cast<const QStyleOptionViewItem*>(option);
            if (item && widget && widget->inherits("QComboBoxListView")) {
                drawViewItem(*item, *painter, widget);
                return;
            }
        }
    }
    QProxyStyle::drawControl(element, option, painter, widget);
}

void Style::drawButton(const QStyleOptionButton& button, QPainter& painter, const QWidget* widget) const {
    const ButtonLook look = lookOf(widget);
    const bool enabled = has(button, State_Enabled);
    const bool lit = enabled && (has(button, State_MouseOver) || has(button, State_Sunken) || has(button, State_On));
    QColor ink = theme_->color(enabled ? Token::Text : Token::Third);
    if (look == ButtonLook::Primary && enabled) {
        ink = theme_->color(Token::OnAccent);
        QColor fill = theme_->color(Token::Accent);
        if (has(button, State_Sunken))
            fill = theme_->isDark() ? fill.lighter(108) : fill.darker(112);
        drawRounded(painter, button.rect, Theme::kControlRadius, fill, {});
    } else {
        const QColor fill = lit ? theme_->color(Token::Hover) : QColor();
        drawRounded(painter, button.rect, Theme::kControlRadius, fill,
                    look == ButtonLook::Plain ? QColor() : theme_->color(Token::Outline));
    }

    const int icon = button.icon.isNull() ? 0 : theme_->iconSize();
    const int gap = icon && !button.text.isEmpty() ? 8 : 0;
    const int text = button.fontMetrics.size(Qt::TextShowMnemonic, button.text).width();
    const int room = button.rect.width() - 2 * kButtonPadding;
    int x = button.rect.left() + (button.rect.width() - std::min(room, icon + gap + text)) / 2;
    if (icon) {
        const QRect place(x, button.rect.center().y() + 1 - icon / 2, icon, icon);
        button.icon.paint(&painter, place, Qt::AlignCenter, enabled ? QIcon::Normal : QIcon::Disabled);
        x += icon + gap;
    }
    painter.setPen(ink);
    const QRect place(x, button.rect.top(), button.rect.right() + 1 - kButtonPadding - x, button.rect.height());
    painter.drawText(place, Qt::AlignVCenter | Qt::AlignLeft | Qt::TextSingleLine | Qt::TextHideMnemonic,
                     button.fontMetrics.elidedText(button.text, Qt::ElideRight, place.width(), Qt::TextShowMnemonic));
}

void Style::drawToolButton(const QStyleOptionToolButton& button, QPainter& painter, const QWidget* widget) const {
    const bool enabled = has(button, State_Enabled);
    const bool lit = enabled && (has(button, State_MouseOver) || has(button, State_Sunken) || has(button, State_On));
    Token ink = enabled ? Token::Text : Token::Third;
    if (lookOf(widget) == ButtonLook::Primary && enabled) {
        ink = Token::OnAccent;
        QColor fill = theme_->color(Token::Accent);
        if (has(button, State_Sunken))
            fill = theme_->isDark() ? fill.lighter(108) : fill.darker(112);
        drawRounded(painter, button.rect, Theme::kControlRadius, fill, {});
    } else if (lit) {
        drawRounded(painter, button.rect, Theme::kControlRadius, theme_->color(Token::Hover), {});
    }

    const bool withText = button.toolButtonStyle != Qt::ToolButtonIconOnly && !button.text.isEmpty();
    const int icon = button.icon.isNull() ? 0 : theme_->iconSize();
    const QIcon::Mode mode = enabled ? QIcon::Normal : QIcon::Disabled;
    if (!withText) {
        QRect place(0, 0, icon, icon);
        place.moveCenter(button.rect.center());
        button.icon.paint(&painter, place, Qt::AlignCenter, mode);
        return;
    }
    QRect place = button.rect.adjusted(8, 0, -8, 0);
    if (icon) {
        button.icon.paint(&painter, QRect(place.left(), place.center().y() + 1 - icon / 2, icon, icon), Qt::AlignCenter,
                          mode);
        place.setLeft(place.left() + icon + 8);
    }
    painter.setPen(theme_->color(ink));
    painter.setFont(widget ? widget->font() : painter.font());
    painter.drawText(place, Qt::AlignVCenter | Qt::AlignLeft | Qt::TextSingleLine | Qt::TextHideMnemonic,
                     button.fontMetrics.elidedText(button.text, Qt::ElideRight, place.width(), Qt::TextShowMnemonic));
}

void Style::drawComboBox(const QStyleOptionComboBox& box, QPainter& painter) const {
    const bool lit = has(box, State_Enabled) && (has(box, State_MouseOver) || has(box, State_On));
    drawRounded(painter, box.rect, Theme::kControlRadius, theme_->color(lit ? Token::Hover : Token::Window),
                theme_->color(Token::Outline));
    QRect arrow = subControlRect(CC_ComboBox, &box, SC_ComboBoxArrow, nullptr);
    QRect place(0, 0, theme_->iconSize(), theme_->iconSize());
    place.moveCenter(arrow.center());
    theme_->icon(QStringLiteral("chevron-down"))
        .paint(&painter, place, Qt::AlignCenter, has(box, State_Enabled) ? QIcon::Normal : QIcon::Disabled);
}

void Style::drawScrollBar(const QStyleOptionSlider& bar, QPainter& painter, const QWidget* widget) const {
    if (bar.maximum <= bar.minimum)
        return;
    const bool vertical = bar.orientation == Qt::Vertical;
    QRectF handle = subControlRect(CC_ScrollBar, &bar, SC_ScrollBarSlider, widget);
    const bool lit = has(bar, State_MouseOver) || has(bar, State_Sunken);
    const qreal margin = lit ? kScrollBarMargin - 0.5 : kScrollBarMargin;
    handle = vertical ? handle.adjusted(margin, 2, -margin, -2) : handle.adjusted(2, margin, -2, -margin);
    const qreal radius = std::min(handle.width(), handle.height()) / 2;
    drawRounded(painter, handle, radius, theme_->color(lit ? Token::Third : Token::Outline), {});
}

void Style::drawComplexControl(ComplexControl control, const QStyleOptionComplex* option, QPainter* painter,
                               const QWidget* widget) const {
    if (theme_) {
        if (const auto* bar = qstyleoption_cast<const QStyleOptionSlider*>(option); bar && control == CC_ScrollBar) {
            drawScrollBar(*bar, *painter, widget);
            return;
        }
        if (const auto* box = qstyleoption_cast<const QStyleOptionComboBox*>(option); box && control == CC_ComboBox) {
            drawComboBox(*box, *painter);
            return;
        }
        const auto* button = qstyleoption_cast<const QStyleOptionToolButton*>(option);
        if (button && control == CC_ToolButton) {
            drawToolButton(*button, *painter, widget);
            return;
        }
    }
    QProxyStyle::drawComplexControl(control, option, painter, widget);
}

void Style::drawMenuItem(const QStyleOptionMenuItem& item, QPainter& painter) const {
    painter.save();
    painter.fillRect(item.rect, theme_->color(Token::Window));
    if (item.menuItemType == QStyleOptionMenuItem::Separator) {
        const int y = item.rect.center().y();
        painter.fillRect(QRect(item.rect.left() + kMenuMargin, y, item.rect.width() - 2 * kMenuMargin, 1),
                         theme_->color(Token::Hairline));
        painter.restore();
        return;
    }
    const bool enabled = has(item, State_Enabled);
    const QRect row = item.rect.adjusted(kMenuMargin, 0, -kMenuMargin, 0);
    if (enabled && has(item, State_Selected))
        drawRounded(painter, row, Theme::kControlRadius, theme_->color(Token::Hover), {});
    const int icon = theme_->iconSize();
    const QRect iconPlace(row.left() + 8, row.center().y() + 1 - icon / 2, icon, icon);
    if (item.checkType != QStyleOptionMenuItem::NotCheckable && item.checked)
        theme_->icon(QStringLiteral("check"), Token::Accent).paint(&painter, iconPlace);
    else if (!item.icon.isNull())
        item.icon.paint(&painter, iconPlace, Qt::AlignCenter, enabled ? QIcon::Normal : QIcon::Disabled);

    const QStringList parts = item.text.split(QLatin1Char('\t'));
    const QRect place = row.adjusted(8 + icon + 8, 0, -kMenuPadding, 0);
    painter.setFont(item.font);
    painter.setPen(theme_->color(enabled ? Token::Text : Token::Third));
    painter.drawText(place, Qt::AlignVCenter | Qt::AlignLeft | Qt::TextSingleLine | Qt::TextHideMnemonic, parts[0]);
    if (parts.size() > 1) {
        painter.setPen(theme_->color(Token::Third));
        painter.drawText(place, Qt::AlignVCenter | Qt::AlignRight | Qt::TextSingleLine, parts[1]);
    }
    painter.restore();
}

// A row of a combo box's list: the chosen one is marked, not only coloured.
void Style::drawViewItem(const QStyleOptionViewItem& item, QPainter& painter, const QWidget*) const {
    painter.save();
    painter.fillRect(item.rect, theme_->color(Token::Window));
    if (has(item, State_Selected) || has(item, State_MouseOver))
        drawRounded(painter, QRectF(item.rect).adjusted(4, 0, -4, 0), Theme::kControlRadius,
                    theme_->color(Token::Hover), {});
    const QRect place = item.rect.adjusted(kButtonPadding, 0, -8, 0);
    painter.setFont(item.font);
    painter.setPen(theme_->color(Token::Text));
    painter.drawText(place, Qt::AlignVCenter | Qt::AlignLeft | Qt::TextSingleLine,
                     item.fontMetrics.elidedText(item.text, Qt::ElideRight, place.width()));
    painter.restore();
}

} // namespace hearth::ui
