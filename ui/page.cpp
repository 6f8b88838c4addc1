#include "ui/page.h"

#include "ui/label.h"

#include <QCoreApplication>
#include <QEvent>
#include <QHBoxLayout>
#include <QPainter>
#include <QScrollArea>
#include <QToolButton>

namespace hearth::ui {

namespace {

constexpr int kColumn = 696; // px: the conversation's column and the room of the focus ring at both sides

} // namespace

Page::Page(const Theme& theme, const char* title, QWidget* content, QWidget* parent)
    : QWidget(parent), theme_(theme), words_(title), head_(new QWidget(this)), toggle_(new QToolButton(head_)),
      back_(new QToolButton(head_)),
      title_(new Label(theme, TextStyle::Heading3, Token::Text, Label::Lines::One, head_)),
      scroll_(new QScrollArea(this)) {
    toggle_->setIcon(theme.icon(QStringLiteral("sidebar")));
    toggle_->setFocusPolicy(Qt::TabFocus);
    back_->setIcon(theme.icon(QStringLiteral("back")));
    back_->setFocusPolicy(Qt::TabFocus);
    title_->setBold(true);
    auto* line = new QHBoxLayout(head_);
    line->setContentsMargins(12, 0, 24, 0);
    line->setSpacing(8);
    line->addWidget(toggle_);
    line->addWidget(back_);
    line->addWidget(title_, 1);

    auto* ground = new QWidget;
    content->setMaximumWidth(kColumn);
    auto* around = new QHBoxLayout(ground);
    around->setContentsMargins(16, 16, 16, 0);
    around->addStretch(1);
    around->addWidget(content, 100);
    around->addStretch(1);
    scroll_->setFrameShape(QFrame::NoFrame);
    scroll_->setWidgetResizable(true);
    scroll_->setFocusPolicy(Qt::NoFocus);
    scroll_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll_->setWidget(ground);
    ground->setAutoFillBackground(false);
    scroll_->viewport()->setAutoFillBackground(false);

    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(0);
    stack->addWidget(head_);
    stack->addWidget(scroll_, 1);
    connect(toggle_, &QToolButton::clicked, this, &Page::sidebarToggled);
    connect(back_, &QToolButton::clicked, this, &Page::closed);
    connect(&theme, &Theme::changed, this, &Page::measure);
    measure();
    retranslate();
}

void Page::takeFocus() {
    back_->setFocus(Qt::OtherFocusReason);
}

void Page::measure() {
    head_->setFixedHeight(theme_.headerHeight());
}

void Page::retranslate() {
    title_->setText(QCoreApplication::translate("hearth::ui::MainWindow", words_));
    toggle_->setToolTip(tr("Sidebar (Ctrl+B)"));
    toggle_->setAccessibleName(tr("Show or hide the sidebar"));
    back_->setToolTip(tr("Back to the chat (Esc)"));
    back_->setAccessibleName(tr("Back to the chat"));
}

void Page::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void Page::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(QRect(0, head_->height() - 1, width(), 1), theme_.color(Token::Hairline));
}

} // namespace hearth::ui
