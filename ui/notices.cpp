#include "ui/notices.h"

#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QAccessible>
#include <QApplication>
#include <QHBoxLayout>
#include <QPainter>
#include <QPushButton>
#include <QToolButton>

#include <utility>

namespace hearth::ui {

namespace {

void announce(QWidget* widget) {
    QAccessibleEvent alert(widget, QAccessible::Alert);
    QAccessible::updateAccessibility(&alert);
}

class NoticeBar : public QFrame {
public:
    NoticeBar(const Theme& theme, const Notice& notice, NoticeStack& stack)
        : QFrame(&stack), theme_(theme), error_(notice.isError) {
        setObjectName(notice.key);
        setAccessibleName(notice.text);
        auto* sign = new QToolButton(this); // only a picture: no focus, no name of its own
        sign->setIcon(theme.icon(error_ ? QStringLiteral("warning") : QStringLiteral("info"),
                                 error_ ? Token::Error : Token::Second));
        sign->setEnabled(true);
        sign->setAttribute(Qt::WA_TransparentForMouseEvents);
        sign->setFocusPolicy(Qt::NoFocus);
        sign->setAccessibleName(error_ ? NoticeStack::tr("Problem") : NoticeStack::tr("Notice"));
        auto* text = new Label(theme, TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this);
        text->setText(notice.text);
        auto* close = new QToolButton(this);
        close->setIcon(theme.icon(QStringLiteral("close")));
        close->setToolTip(NoticeStack::tr("Dismiss"));
        close->setAccessibleName(NoticeStack::tr("Dismiss"));
        QObject::connect(close, &QToolButton::clicked, &stack, [&stack, key = notice.key] {
            stack.hide(key);
            emit stack.dismissed(key);
        });

        auto* middle = new QVBoxLayout;
        middle->setContentsMargins(0, 6, 0, 6);
        middle->setSpacing(8);
        middle->addWidget(text);
        if (!notice.actions.isEmpty()) {
            auto* row = new FlowLayout(8);
            for (const Notice::Action& action : notice.actions) {
                auto* button = new QPushButton(action.label, this);
                QObject::connect(button, &QPushButton::clicked, &stack,
                                 [&stack, key = notice.key, id = action.id] { emit stack.action(key, id); });
                row->addWidget(button);
            }
            middle->addLayout(row);
        }
        auto* line = new QHBoxLayout(this);
        line->setContentsMargins(8, 4, 8, 4);
        line->setSpacing(8);
        line->addWidget(sign, 0, Qt::AlignTop);
        line->addLayout(middle, 1);
        line->addWidget(close, 0, Qt::AlignTop);
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        drawRounded(painter, rect(), Theme::kCodeRadius, theme_.color(Token::Surface),
                    error_ ? theme_.color(Token::Error) : theme_.color(Token::Hairline));
    }

private:
    const Theme& theme_;
    bool error_;
};

} // namespace

NoticeStack::NoticeStack(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), layout_(new QVBoxLayout(this)) {
    layout_->setContentsMargins(0, 0, 0, 0);
    layout_->setSpacing(8);
    setVisible(false);
}

QWidget* NoticeStack::find(const QString& key) const {
    for (int i = 0; i < layout_->count(); ++i)
        if (QWidget* widget = layout_->itemAt(i)->widget(); widget && widget->objectName() == key)
            return widget;
    return nullptr;
}

bool NoticeStack::has(const QString& key) const {
    return find(key) != nullptr;
}

void NoticeStack::show(const Notice& notice) {
    int place = layout_->count();
    if (QWidget* old = find(notice.key)) {
        place = layout_->indexOf(old);
        layout_->removeWidget(old);
        old->hide();
        old->deleteLater(); // its own button may have brought us here
        old->setObjectName(QString());
    }
    auto* bar = new NoticeBar(theme_, notice, *this);
    layout_->insertWidget(place, bar);
    bar->setVisible(true);
    setVisible(true);
    announce(bar);
}

void NoticeStack::hide(const QString& key) {
    QWidget* bar = find(key);
    if (!bar)
        return;
    layout_->removeWidget(bar);
    bar->setObjectName(QString());
    bar->hide();
    bar->deleteLater();
    setVisible(layout_->count() > 0);
}

UndoBar::UndoBar(const Theme& theme, QWidget* parent)
    : QFrame(parent), theme_(theme),
      text_(new Label(theme, TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this)),
      undo_(new QPushButton(this)), close_(new QToolButton(this)) {
    undo_->setIcon(theme.icon(QStringLiteral("undo"), Token::Text));
    close_->setIcon(theme.icon(QStringLiteral("close")));
    auto* line = new QHBoxLayout(this);
    line->setContentsMargins(16, 8, 8, 8);
    line->setSpacing(8);
    line->addWidget(text_, 1, Qt::AlignVCenter);
    line->addWidget(undo_);
    line->addWidget(close_);
    timer_.setSingleShot(true);
    timer_.setInterval(kSeconds * 1000);
    connect(&timer_, &QTimer::timeout, this, [this] {
        if (underMouse() || undo_->hasFocus() || close_->hasFocus())
            timer_.start();
        else
            finish();
    });
    connect(undo_, &QPushButton::clicked, this, [this] {
        const QString id = undoId_;
        emit undone(id);
        withdraw(id); // unless what was taken back offered something else
    });
    connect(close_, &QToolButton::clicked, this, &UndoBar::finish);
    retranslate();
    setVisible(false);
}

void UndoBar::offer(const QString& text, const QString& undoId) {
    const QString before = std::exchange(undoId_, undoId);
    text_->setText(oneLine(text));
    text_->setToolTip(plainToolTip(oneLine(text)));
    setAccessibleName(text_->text());
    setVisible(true);
    timer_.start();
    emit resized();
    announce(this);
    if (!before.isEmpty() && before != undoId)
        emit ended(before);
}

void UndoBar::withdraw(const QString& undoId) {
    if (!isHidden() && undoId == undoId_)
        finish();
}

void UndoBar::finish() {
    timer_.stop();
    const QString id = std::exchange(undoId_, QString());
    setVisible(false);
    emit resized();
    if (!id.isEmpty())
        emit ended(id);
}

void UndoBar::retranslate() {
    undo_->setText(tr("Undo"));
    close_->setToolTip(tr("Dismiss"));
    close_->setAccessibleName(tr("Dismiss"));
}

void UndoBar::enterEvent(QEnterEvent* event) {
    QFrame::enterEvent(event);
    if (isVisible())
        timer_.stop();
}

void UndoBar::leaveEvent(QEvent* event) {
    QFrame::leaveEvent(event);
    if (isVisible())
        timer_.start();
}

void UndoBar::changeEvent(QEvent* event) {
    QFrame::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void UndoBar::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    drawRounded(painter, rect(), Theme::kCodeRadius, theme_.color(Token::Surface), theme_.color(Token::Outline));
}

} // namespace hearth::ui
