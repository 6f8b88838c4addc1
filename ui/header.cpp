#include "ui/header.h"

#include "ui/models/model_picker.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QMenu>
#include <QPainter>
#include <QToolButton>

namespace hearth::ui {

namespace {

constexpr int kMaxTitle = 200; // characters

} // namespace

TitleEdit::TitleEdit(const Theme& theme, QWidget* parent) : QLineEdit(parent), theme_(theme) {
    setMaxLength(kMaxTitle);
    setFrame(true);
    const auto applyFont = [this] { setFont(theme_.font(TextStyle::Heading3)); };
    applyFont();
    connect(&theme, &Theme::changed, this, applyFont);
    connect(this, &QLineEdit::returnPressed, this, [this] {
        finish(true);
        clearFocus();
    });
}

void TitleEdit::setTitle(const QString& title) {
    title_ = oneLine(title, kMaxTitle);
    if (!hasFocus())
        setText(shown());
    setToolTip(plainToolTip(shown()));
    update();
}

void TitleEdit::setUnnamed(const QString& words) {
    unnamed_ = words;
    setTitle(title_);
}

QSize TitleEdit::minimumSizeHint() const {
    return {64, QLineEdit::minimumSizeHint().height()};
}

void TitleEdit::finish(bool keep) {
    const QString typed = oneLine(text(), kMaxTitle);
    if (keep && !typed.isEmpty() && typed != shown()) {
        title_ = typed;
        emit renamed(typed);
    }
    setText(shown());
    setCursorPosition(0);
}

void TitleEdit::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Escape) {
        finish(false);
        clearFocus();
        return;
    }
    QLineEdit::keyPressEvent(event);
}

void TitleEdit::focusInEvent(QFocusEvent* event) {
    QLineEdit::focusInEvent(event);
    if (event->reason() != Qt::PopupFocusReason && event->reason() != Qt::ActiveWindowFocusReason)
        selectAll();
}

void TitleEdit::focusOutEvent(QFocusEvent* event) {
    if (event->reason() != Qt::PopupFocusReason && event->reason() != Qt::ActiveWindowFocusReason)
        finish(true);
    QLineEdit::focusOutEvent(event);
}

void TitleEdit::enterEvent(QEnterEvent* event) {
    QLineEdit::enterEvent(event);
    update();
}

void TitleEdit::leaveEvent(QEvent* event) {
    QLineEdit::leaveEvent(event);
    update();
}

void TitleEdit::paintEvent(QPaintEvent* event) {
    if (hasFocus()) {
        QLineEdit::paintEvent(event);
        return;
    }
    QPainter painter(this);
    if (underMouse() && isEnabled())
        drawRounded(painter, rect(), Theme::kControlRadius, theme_.color(Token::Hover), {});
    painter.setFont(theme_.font(TextStyle::Heading3));
    painter.setPen(theme_.color(Token::Text));
    drawTextLine(painter, rect().adjusted(10, 0, -10, 0), text());
}

Header::Header(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), toggle_(new QToolButton(this)), title_(new TitleEdit(theme, this)),
      picker_(new ModelPicker(theme, this)), more_(new QToolButton(this)) {
    toggle_->setIcon(theme.icon(QStringLiteral("sidebar")));
    toggle_->setFocusPolicy(Qt::TabFocus);
    more_->setIcon(theme.icon(QStringLiteral("more")));
    more_->setFocusPolicy(Qt::TabFocus);
    auto* line = new QHBoxLayout(this);
    line->setContentsMargins(12, 0, 12, 0);
    line->setSpacing(8);
    line->addWidget(toggle_);
    line->addWidget(title_, 1);
    line->addWidget(picker_, 0);
    line->addWidget(more_);
    connect(toggle_, &QToolButton::clicked, this, &Header::sidebarToggled);
    connect(more_, &QToolButton::clicked, this, &Header::openMenu);
    connect(&theme, &Theme::changed, this, &Header::measure);
    measure();
    retranslate();
}

void Header::measure() {
    setFixedHeight(theme_.headerHeight());
}

void Header::setConversation(bool exists) {
    exists_ = exists;
    title_->setEnabled(exists);
}

void Header::openMenu() {
    auto* menu = new QMenu(this);
    menu->setAttribute(Qt::WA_DeleteOnClose);
    QAction* fresh =
        menu->addAction(theme_.icon(QStringLiteral("new-chat")), tr("New chat"), this, &Header::newRequested);
    fresh->setShortcut(QKeySequence::New);
    if (exists_) {
        menu->addAction(theme_.icon(QStringLiteral("edit")), tr("Rename"), this,
                        [this] { title_->setFocus(Qt::ShortcutFocusReason); });
        menu->addSeparator();
        menu->addAction(theme_.icon(QStringLiteral("trash")), tr("Delete"), this, &Header::deleteRequested);
    }
    const QSize size = menu->sizeHint();
    menu->popup(more_->mapToGlobal(QPoint(more_->width() - size.width(), more_->height() + 4)));
}

void Header::retranslate() {
    toggle_->setToolTip(tr("Sidebar (Ctrl+B)"));
    toggle_->setAccessibleName(tr("Show or hide the sidebar"));
    title_->setUnnamed(tr("New chat"));
    title_->setAccessibleName(tr("Title of the chat"));
    more_->setToolTip(tr("More"));
    more_->setAccessibleName(tr("More"));
}

void Header::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void Header::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(QRect(0, height() - 1, width(), 1), theme_.color(Token::Hairline));
}

} // namespace hearth::ui
