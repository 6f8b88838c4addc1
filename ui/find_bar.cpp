#include "ui/find_bar.h"

#include "ui/chat/chat_view.h"
#include "ui/label.h"

#include <QAccessible>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLineEdit>
#include <QLocale>
#include <QPainter>
#include <QToolButton>

namespace hearth::ui {
namespace {

constexpr qsizetype kLongestSelection = 100; // characters that are taken over from the selection

} // namespace

FindBar::FindBar(const Theme& theme, ChatView& view, const ChatDocument& document, QWidget* parent)
    : QWidget(parent), theme_(theme), view_(&view), search_(new ConversationSearch(document, this)),
      edit_(new QLineEdit(this)),
      count_(new Label(theme, TextStyle::Interface, Token::Second, Label::Lines::One, this)),
      previous_(new QToolButton(this)), next_(new QToolButton(this)), close_(new QToolButton(this)) {
    previous_->setIcon(theme.icon(QStringLiteral("chevron-up")));
    next_->setIcon(theme.icon(QStringLiteral("chevron-down")));
    close_->setIcon(theme.icon(QStringLiteral("close")));
    edit_->addAction(theme.icon(QStringLiteral("search"), Token::Third), QLineEdit::LeadingPosition);
    edit_->setMaxLength(1000);
    edit_->installEventFilter(this);
    for (QToolButton* button : {previous_, next_, close_})
        button->setFocusPolicy(Qt::TabFocus);
    auto* line = new QHBoxLayout(this);
    line->setContentsMargins(kRingRoom, 8, kRingRoom, 8);
    line->setSpacing(4);
    line->addWidget(edit_, 1);
    line->addSpacing(8);
    line->addWidget(count_);
    line->addSpacing(4);
    line->addWidget(previous_);
    line->addWidget(next_);
    line->addWidget(close_);
    connect(edit_, &QLineEdit::textChanged, this, &FindBar::look);
    connect(previous_, &QToolButton::clicked, this, [this] { step(-1); });
    connect(next_, &QToolButton::clicked, this, [this] { step(1); });
    connect(close_, &QToolButton::clicked, this, &FindBar::close);
    connect(search_, &ConversationSearch::changed, this, &FindBar::refresh);
    connect(&document, &ChatDocument::reset, this, [this] { current_ = -1; });
    retranslate();
    refresh();
    hide();
}

FindBar::~FindBar() {
    if (view_) // it may have gone before
        view_->setSearch(nullptr);
}

void FindBar::open() {
    const QString selected = view_->selectedText();
    view_->setSearch(search_);
    show();
    if (!selected.isEmpty() && selected.size() <= kLongestSelection && !selected.contains(u'\n'))
        edit_->setText(selected);
    look(edit_->text());
    edit_->setFocus(Qt::ShortcutFocusReason);
    edit_->selectAll();
}

void FindBar::close() {
    if (isHidden())
        return;
    search_->setQuery({});
    view_->setSearch(nullptr);
    hide();
    emit closed();
}

void FindBar::look(const QString& text) {
    current_ = -1;
    wanted_ = !text.isEmpty();
    search_->setQuery(text);
    refresh();
}

void FindBar::step(int direction) {
    const int count = search_->count();
    if (count == 0)
        return;
    if (current_ < 0)
        current_ = search_->firstFrom(view_->readingPosition()) - (direction > 0 ? 1 : 0);
    current_ = (current_ + direction + count) % count;
    wanted_ = false;
    view_->showMatch(current_);
    refresh();
}

/// Matches come while the conversation is looked through: the first one at or after the reader's place is gone to as
/// soon as it is known.
void FindBar::refresh() {
    const int count = search_->count();
    if (current_ >= count)
        current_ = -1;
    if (wanted_ && count > 0) {
        const int first = search_->firstFrom(view_->readingPosition());
        if (first < count || !search_->isRunning()) {
            wanted_ = false;
            current_ = first < count ? first : 0;
            view_->showMatch(current_);
        }
    }
    if (!search_->isRunning())
        wanted_ = false; // what comes later does not carry the reader away
    const QString text = countText();
    if (text != count_->text()) {
        count_->setText(text);
        edit_->setAccessibleDescription(text);
        if (!search_->isRunning()) {
            QAccessibleEvent told(edit_, QAccessible::DescriptionChanged);
            QAccessible::updateAccessibility(&told);
        }
    }
    previous_->setEnabled(count > 0);
    next_->setEnabled(count > 0);
}

QString FindBar::countText() const {
    if (search_->query().isEmpty())
        return {};
    const int count = search_->count();
    if (count == 0)
        return search_->isRunning() ? tr("Searching…") : tr("Not found");
    // There are more than are kept: "100,000+".
    const QString all = QLocale().toString(count) + (search_->isFull() ? QStringLiteral("+") : QString());
    const QString found = current_ < 0 ? tr("%L1 found").arg(all) : tr("%L1 of %L2").arg(current_ + 1).arg(all);
    return search_->isRunning() ? found + QChar(0x2026) : found;
}

void FindBar::retranslate() {
    const auto name = [](QToolButton* button, const QString& label, const QString& key) {
        button->setAccessibleName(label);
        button->setToolTip(key.isEmpty() ? label : QStringLiteral("%1 (%2)").arg(label, key));
    };
    edit_->setPlaceholderText(tr("Find in this chat"));
    edit_->setAccessibleName(tr("Find in this chat"));
    name(previous_, tr("Previous match"), QStringLiteral("Shift+F3"));
    name(next_, tr("Next match"), QStringLiteral("F3"));
    name(close_, tr("Close"), QStringLiteral("Esc"));
}

bool FindBar::eventFilter(QObject* object, QEvent* event) {
    if (object == edit_ && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        if (key->key() == Qt::Key_Return || key->key() == Qt::Key_Enter) {
            step(key->modifiers() & Qt::ShiftModifier ? -1 : 1);
            return true;
        }
        if (key->key() == Qt::Key_Escape) {
            close();
            return true;
        }
    }
    return QWidget::eventFilter(object, event);
}

void FindBar::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() != QEvent::LanguageChange)
        return;
    retranslate();
    refresh();
}

void FindBar::paintEvent(QPaintEvent*) {
    QPainter(this).fillRect(rect(), theme_.color(Token::Window));
}

} // namespace hearth::ui
