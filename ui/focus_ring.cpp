#include "ui/focus_ring.h"

#include <QAbstractScrollArea>
#include <QApplication>
#include <QKeyEvent>
#include <QPainter>

namespace hearth::ui {

namespace {

// What the last input was. It belongs to the person at the keyboard, hence to the process and not to a widget.
bool keyboardLast = false;

constexpr int kReach = Theme::kFocusOffset + Theme::kFocusWidth;

// What the ring goes around: a list marks its row itself, the field of the composer stands for its card.
QWidget* ringed(QWidget* focus) {
    if (focus && focus->property(kRingAroundParent).toBool())
        return focus->parentWidget();
    return qobject_cast<QAbstractScrollArea*>(focus) ? nullptr : focus;
}

} // namespace

FocusRing::FocusRing(const Theme& theme, QWidget& window) : QWidget(&window), theme_(theme), window_(window) {
    setAttribute(Qt::WA_TransparentForMouseEvents);
    setAttribute(Qt::WA_NoSystemBackground);
    setFocusPolicy(Qt::NoFocus);
    hide();
    qApp->installEventFilter(this);
    connect(qApp, &QApplication::focusChanged, this, [this](QWidget*, QWidget* now) {
        follow(keyboardLast && now && now->window() == &window_ ? ringed(now) : nullptr);
    });
    connect(&theme, &Theme::changed, this, QOverload<>::of(&QWidget::update));
}

FocusRing::~FocusRing() {
    qApp->removeEventFilter(this);
}

bool FocusRing::keyboardInUse() {
    return keyboardLast;
}

bool FocusRing::eventFilter(QObject* object, QEvent* event) {
    switch (event->type()) {
    case QEvent::KeyPress: {
        const int key = static_cast<QKeyEvent*>(event)->key();
        if (key == Qt::Key_Tab || key == Qt::Key_Backtab || key == Qt::Key_Up || key == Qt::Key_Down)
            keyboardLast = true;
        break;
    }
    case QEvent::MouseButtonPress:
        keyboardLast = false;
        follow(nullptr);
        break;
    case QEvent::Move:
    case QEvent::Resize:
    case QEvent::Show:
    case QEvent::Hide:
    case QEvent::ParentChange:
        if (object == target_)
            place();
        break;
    default:
        break;
    }
    return QWidget::eventFilter(object, event);
}

void FocusRing::follow(QWidget* widget) {
    if (target_ == widget && (widget || isHidden()))
        return;
    target_ = widget;
    place();
}

void FocusRing::place() {
    if (!target_ || !target_->isVisible() || !target_->parentWidget()) {
        hide();
        if (parentWidget() != &window_) // never die with what the ring stood beside
            setParent(&window_);
        return;
    }
    if (parentWidget() != target_->parentWidget())
        setParent(target_->parentWidget());
    setGeometry(target_->geometry().adjusted(-kReach, -kReach, kReach, kReach));
    raise();
    show();
}

void FocusRing::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(theme_.color(Token::Accent), Theme::kFocusWidth));
    const qreal inset = Theme::kFocusWidth / 2.0;
    const QVariant corner = target_ ? target_->property(kRingRadius) : QVariant();
    const qreal radius = (corner.isValid() ? corner.toInt() : Theme::kControlRadius) + Theme::kFocusOffset + inset;
    painter.drawRoundedRect(QRectF(rect()).adjusted(inset, inset, -inset, -inset), radius, radius);
}

} // namespace hearth::ui
