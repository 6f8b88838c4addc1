#include "ui/label.h"

#include "ui/text_line.h"

#include <QPainter>
#include <QTextLayout>

#include <cmath>

namespace hearth::ui {

namespace {

constexpr int kLongestMinimum = 48; // px a one-line label may be squeezed to
constexpr int kPreferredWrap = 420; // px a wrapped label likes to be wide
constexpr int kMaxLines = 400;      // nobody reads further; a hostile text does not cost more

} // namespace

Label::Label(const Theme& theme, TextStyle style, Token token, Lines lines, QWidget* parent)
    : QLabel(parent), theme_(theme), style_(style), token_(token), lines_(lines) {
    setTextFormat(Qt::PlainText);
    setTextInteractionFlags(Qt::NoTextInteraction);
    if (lines == Lines::Wrapped) {
        setWordWrap(true);
        QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Preferred);
        policy.setHeightForWidth(true);
        setSizePolicy(policy);
    } else {
        setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    }
    connect(&theme, &Theme::changed, this, [this] {
        updateGeometry();
        update();
    });
}

void Label::setToken(Token token) {
    token_ = token;
    update();
}

void Label::setBold(bool bold) {
    bold_ = bold;
    updateGeometry();
    update();
}

QFont Label::labelFont() const {
    return theme_.font(style_, bold_);
}

int Label::layOut(int width, QPainter* painter, qreal* widest) const {
    const QFont font = labelFont();
    const QFontMetrics metrics(font);
    const int pitch = theme_.lineHeight(style_);
    const int baseline = (pitch - metrics.ascent() - metrics.descent()) / 2 + metrics.ascent();
    QString shown = text();
    if (lines_ == Lines::One) {
        shown = metrics.elidedText(oneLine(shown), Qt::ElideRight, width);
    } else {
        shown.replace(u'\n', QChar::LineSeparator);
    }
    QTextLayout layout(shown, font, const_cast<Label*>(this));
    layout.setFormats(hanFormats(theme_, style_, shown, bold_));
    QTextOption option;
    option.setWrapMode(lines_ == Lines::One ? QTextOption::NoWrap : QTextOption::WrapAtWordBoundaryOrAnywhere);
    layout.setTextOption(option);
    layout.setCacheEnabled(true);
    layout.beginLayout();
    int count = 0;
    while (count < kMaxLines) {
        QTextLine line = layout.createLine();
        if (!line.isValid())
            break;
        line.setLineWidth(lines_ == Lines::One ? 1e6 : width);
        const qreal spare = width - line.naturalTextWidth();
        const qreal x = (alignment() & Qt::AlignHCenter) ? spare / 2 : (alignment() & Qt::AlignRight) ? spare : 0;
        line.setPosition(QPointF(std::max(0.0, std::floor(x)), count * pitch + baseline - line.ascent()));
        if (widest)
            *widest = std::max(*widest, line.naturalTextWidth());
        ++count;
    }
    layout.endLayout();
    if (painter) {
        const int top = (alignment() & Qt::AlignVCenter) && lines_ == Lines::One ? (height() - pitch) / 2 : 0;
        painter->setPen(theme_.color(isEnabled() ? token_ : Token::Third));
        layout.draw(painter, QPointF(0, top));
    }
    return std::max(1, count);
}

bool Label::fits() const {
    if (text().isEmpty())
        return true;
    qreal widest = 0;
    const int count = layOut(lines_ == Lines::One ? QWIDGETSIZE_MAX : width(), nullptr, &widest);
    return std::ceil(widest) <= width() && count * theme_.lineHeight(style_) <= height();
}

QSize Label::sizeHint() const {
    qreal widest = 0;
    layOut(QWIDGETSIZE_MAX, nullptr, &widest);
    const int natural = static_cast<int>(std::ceil(widest)) + 1;
    if (lines_ == Lines::One)
        return {natural, theme_.lineHeight(style_)};
    const int width = std::min(natural, kPreferredWrap);
    return {width, heightForWidth(width)};
}

QSize Label::minimumSizeHint() const {
    if (lines_ == Lines::One)
        return {std::min(sizeHint().width(), kLongestMinimum), theme_.lineHeight(style_)};
    return {kLongestMinimum, theme_.lineHeight(style_)};
}

int Label::heightForWidth(int width) const {
    if (lines_ == Lines::One)
        return theme_.lineHeight(style_);
    return layOut(std::max(1, width), nullptr) * theme_.lineHeight(style_);
}

void Label::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    layOut(width(), &painter);
}

} // namespace hearth::ui
