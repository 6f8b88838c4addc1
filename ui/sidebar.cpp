#include "ui/sidebar.h"

#include "ui/conversation_list.h"
#include "ui/label.h"
#include "ui/style.h"

#include <QAction>
#include <QCoreApplication>
#include <QKeyEvent>
#include <QKeySequence>
#include <QLineEdit>
#include <QPainter>
#include <QScopedValueRollback>
#include <QToolButton>
#include <QVBoxLayout>

namespace hearth::ui {

namespace {

QToolButton* wideButton(const Theme& theme, const QString& icon, QWidget* parent) {
    auto* button = new QToolButton(parent);
    button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    button->setIcon(theme.icon(icon));
    button->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    button->setFocusPolicy(Qt::TabFocus);
    return button;
}

} // namespace

Sidebar::Sidebar(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), new_(wideButton(theme, QStringLiteral("new-chat"), this)),
      search_(new QLineEdit(this)), list_(new ConversationList(theme, this)),
      none_(new Label(theme, TextStyle::Interface, Token::Second, Label::Lines::Wrapped, this)),
      foot_(new QVBoxLayout) {
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 8, 0, 8);
    stack->setSpacing(0);
    auto* top = new QVBoxLayout;
    top->setContentsMargins(12, 0, 12, 0);
    top->setSpacing(8);
    top->addWidget(new_);
    top->addWidget(search_);
    none_->setContentsMargins(0, 0, 0, 0);
    auto* noneRow = new QVBoxLayout;
    noneRow->setContentsMargins(20, 12, 20, 0);
    noneRow->addWidget(none_);
    foot_->setContentsMargins(12, 8, 12, 0);
    foot_->setSpacing(4);
    stack->addLayout(top);
    stack->addLayout(noneRow);
    stack->addWidget(list_, 1);
    stack->addLayout(foot_);

    search_->addAction(theme.icon(QStringLiteral("search"), Token::Third), QLineEdit::LeadingPosition);
    search_->setTextMargins(-8, 0, 0, 0); // the icon brings its own
    search_->setMaxLength(200);
    search_->installEventFilter(this);
    connect(search_, &QLineEdit::textChanged, this, [this](const QString& text) {
        list_->conversations().setFilter(text);
        refreshEmpty();
    });
    connect(new_, &QToolButton::clicked, this, &Sidebar::newRequested);
    connect(list_, &ConversationList::leftUpwards, this, [this] { search_->setFocus(Qt::BacktabFocusReason); });
    retranslate();
}

void Sidebar::refreshEmpty() {
    const bool searching = !search_->text().trimmed().isEmpty();
    none_->setVisible(list_->conversations().conversationCount() == 0);
    none_->setText(searching ? tr("No chat has this in its title.") : tr("Your chats will stand here."));
}

void Sidebar::focusSearch() {
    search_->setFocus(Qt::ShortcutFocusReason);
    search_->selectAll();
}

void Sidebar::addPage(const QString& id, const QString& icon, const char* title) {
    QToolButton* button = wideButton(theme_, icon, this);
    button->setCheckable(true);
    // Not clicked(): a screen reader toggles what can be checked, and clicks nothing.
    connect(button, &QToolButton::toggled, this, [this, id] {
        if (!marking_)
            emit pageRequested(id);
    });
    foot_->addWidget(button);
    pages_.push_back({id, title, button});
    retranslate();
}

void Sidebar::setPage(const QString& id) {
    const QScopedValueRollback<bool> guard(marking_, true);
    for (const Page& page : pages_) {
        page.button->setChecked(page.id == id);
        QFont font = theme_.font(TextStyle::Interface, page.id == id);
        page.button->setFont(font);
    }
}

void Sidebar::retranslate() {
    setAccessibleName(tr("Sidebar"));
    new_->setText(tr("New chat"));
    new_->setToolTip(tr("New chat (%1)").arg(QKeySequence(QKeySequence::New).toString(QKeySequence::NativeText)));
    search_->setPlaceholderText(tr("Search chats"));
    search_->setAccessibleName(tr("Search chats"));
    search_->setToolTip(
        tr("Search chats (%1)").arg(QKeySequence(Qt::CTRL | Qt::Key_K).toString(QKeySequence::NativeText)));
    list_->setAccessibleName(tr("Chats"));
    for (const Page& page : pages_)
        page.button->setText(QCoreApplication::translate("hearth::ui::MainWindow", page.title));
    refreshEmpty();
}

void Sidebar::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

bool Sidebar::eventFilter(QObject* object, QEvent* event) {
    if (object != search_ || event->type() != QEvent::KeyPress)
        return QWidget::eventFilter(object, event);
    switch (static_cast<QKeyEvent*>(event)->key()) {
    case Qt::Key_Escape:
        if (search_->text().isEmpty())
            emit leftSearch();
        else
            search_->clear();
        return true;
    case Qt::Key_Down:
        list_->focusFirst();
        return true;
    case Qt::Key_Return:
    case Qt::Key_Enter: // the first hit
        for (int i = 0; i < list_->conversations().rowCount(); ++i) {
            const QModelIndex index = list_->conversations().index(i);
            if (const RowId id = index.data(ConversationListModel::IdRole).toLongLong()) {
                emit list_->chosen(id);
                break;
            }
        }
        return true;
    default:
        return false;
    }
}

void Sidebar::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), theme_.color(Token::Sidebar));
    painter.fillRect(QRect(width() - 1, 0, 1, height()), theme_.color(Token::Hairline));
}

} // namespace hearth::ui
