#include "ui/models/fields.h"

#include "ui/focus_ring.h"
#include "ui/label.h"
#include "ui/style.h"

#include <QEvent>
#include <QLineEdit>
#include <QPainter>
#include <QPlainTextEdit>
#include <QVBoxLayout>
#include <QWheelEvent>

#include <algorithm>

namespace hearth::ui {

Choice::Choice(QWidget* parent) : QComboBox(parent) {
    setFocusPolicy(Qt::StrongFocus);
    setSizeAdjustPolicy(QComboBox::AdjustToContents);
}

void Choice::select(const QVariant& value, const QString& otherwise) {
    int at = findData(value);
    if (at < 0) {
        addItem(otherwise, value);
        at = count() - 1;
    }
    setCurrentIndex(at);
}

/// Qt asks for room for the ink of its words; one is elided by its advance, which is wider behind a full-width bracket.
int Choice::advanceBeyondInk() const {
    const QFontMetrics metrics(font());
    int ink = 0, advance = 0;
    for (int i = 0; i < count(); ++i) {
        ink = std::max(ink, metrics.boundingRect(itemText(i)).width());
        advance = std::max(advance, metrics.horizontalAdvance(itemText(i)));
    }
    return std::max(0, advance - ink);
}

QSize Choice::sizeHint() const {
    return QComboBox::sizeHint() + QSize(advanceBeyondInk(), 0);
}

QSize Choice::minimumSizeHint() const {
    return QComboBox::minimumSizeHint() + QSize(advanceBeyondInk(), 0);
}

void Choice::wheelEvent(QWheelEvent* event) {
    event->ignore();
}

LabelledField::LabelledField(const Theme& theme, QWidget* control, int characters, QWidget* parent)
    : QWidget(parent), theme_(theme),
      label_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::One, this)), control_(control),
      characters_(characters) {
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(4);
    stack->addWidget(label_);
    stack->addWidget(control_);
    label_->setBuddy(control_);
}

void LabelledField::setWords(const QString& words) {
    label_->setText(words);
    control_->setAccessibleName(words);
    updateGeometry();
}

QSize LabelledField::sizeHint() const {
    const QFontMetrics metrics(theme_.font(TextStyle::Interface));
    const int wanted = characters_ ? metrics.horizontalAdvance(u'0') * characters_ + 24 : 0;
    const QSize own = QWidget::sizeHint();
    return {std::max({wanted, label_->sizeHint().width(), qobject_cast<QLineEdit*>(control_) ? 0 : own.width()}),
            own.height()};
}

TextBox::TextBox(const Theme& theme, int lines, QWidget* parent)
    : QFrame(parent), theme_(theme), edit_(new QPlainTextEdit(this)), lines_(lines) {
    edit_->setFrameShape(QFrame::NoFrame);
    edit_->setTabChangesFocus(true);
    edit_->viewport()->setAutoFillBackground(false);
    edit_->setProperty(kRingAroundParent, true);
    edit_->installEventFilter(this);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(4, 4, 4, 4);
    stack->addWidget(edit_);
    const auto measure = [this] { edit_->setFixedHeight(theme_.lineHeight(TextStyle::Interface) * lines_ + 8); };
    measure();
    connect(&theme, &Theme::changed, this, measure);
}

void TextBox::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    drawRounded(painter, rect(), Theme::kControlRadius, theme_.color(Token::Window),
                theme_.color(edit_->hasFocus() ? Token::Accent : Token::Outline));
}

bool TextBox::eventFilter(QObject* object, QEvent* event) {
    if (event->type() == QEvent::FocusOut)
        emit finished();
    if (event->type() == QEvent::FocusOut || event->type() == QEvent::FocusIn)
        update();
    return QFrame::eventFilter(object, event);
}

} // namespace hearth::ui
