#include "ui/conversation_panel.h"

#include "ui/chat/chat_document.h"
#include "ui/chat/chat_view.h"
#include "ui/composer.h"
#include "ui/empty_state.h"
#include "ui/find_bar.h"
#include "ui/header.h"
#include "ui/notices.h"

#include <QCoreApplication>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QStackedWidget>
#include <QStyle>

#include <algorithm>
#include <utility>

namespace hearth::ui {

namespace {

constexpr int kMargin = 24; // px on each side of the column

const auto kEditNotice = QStringLiteral("edit");
const auto kCancel = QStringLiteral("cancel");

} // namespace

ConversationPanel::ConversationPanel(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), header_(new Header(theme, this)), notices_(new NoticeStack(theme)),
      editNotice_(new NoticeStack(theme)), document_(new ChatDocument(this)),
      view_(new ChatView(*document_, theme, this)), find_(new FindBar(theme, *view_, *document_)),
      empty_(new EmptyState(theme, this)), stack_(new QStackedWidget(this)), composer_(new Composer(theme)),
      noticeRow_(new QWidget(this)), findRow_(new QWidget(this)), composerRow_(new QWidget(this)) {
    stack_->addWidget(empty_);
    stack_->addWidget(view_);
    view_->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn); // its room is kept: nothing moves when it comes
    for (const auto& [row, content] :
         {std::pair<QWidget*, QWidget*>(noticeRow_, notices_), {findRow_, find_}, {composerRow_, composer_}}) {
        auto* line = new QVBoxLayout(row);
        line->setContentsMargins(kMargin, row == findRow_ ? 0 : 8, kMargin, row == composerRow_ ? 4 : 0);
        line->setSpacing(8);
        if (row == composerRow_)
            line->addWidget(editNotice_);
        line->addWidget(content);
    }
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(0);
    stack->addWidget(header_);
    stack->addWidget(findRow_);
    stack->addWidget(noticeRow_);
    stack->addWidget(stack_, 1);
    stack->addWidget(composerRow_);

    connect(&theme, &Theme::changed, this, &ConversationPanel::placeColumns); // the text's size may be another one
    connect(document_, &ChatDocument::reset, this, &ConversationPanel::chooseView);
    connect(document_, &ChatDocument::messageAppended, this, &ConversationPanel::chooseView);
    connect(document_, &ChatDocument::messagesRemoved, this, &ConversationPanel::chooseView);
    connect(document_, &ChatDocument::messageRemoved, this, &ConversationPanel::chooseView);
    connect(document_, &ChatDocument::messageInserted, this, &ConversationPanel::chooseView);
    connect(find_, &FindBar::closed, this, [this] {
        if (isAncestorOf(window()->focusWidget()))
            (stack_->currentWidget() == view_ ? static_cast<QWidget*>(view_) : composer_)->setFocus();
    });
    connect(editNotice_, &NoticeStack::action, this, &ConversationPanel::endEditing);
    connect(editNotice_, &NoticeStack::dismissed, this, &ConversationPanel::endEditing);
    const auto endLost = [this] {
        if (editing_ && document_->indexOf(editing_) < 0)
            abandonEditing();
    };
    connect(document_, &ChatDocument::messagesRemoved, this, endLost);
    connect(document_, &ChatDocument::messageRemoved, this, endLost);
    connect(document_, &ChatDocument::reset, this, endLost);
    connect(empty_, &EmptyState::starterChosen, composer_, &Composer::fill);
    connect(composer_, &Composer::pageKey, this, [this](int direction) {
        QKeyEvent key(QEvent::KeyPress, direction < 0 ? Qt::Key_PageUp : Qt::Key_PageDown, Qt::NoModifier);
        QCoreApplication::sendEvent(view_, &key);
    });
    composer_->setRecall([this] {
        const QVector<MessageRow>& messages = document_->messages();
        for (auto it = messages.crbegin(); it != messages.crend(); ++it)
            if (it->role == Role::User)
                return it->text;
        return QString();
    });
    chooseView();
}

void ConversationPanel::chooseView() {
    QWidget* wanted = document_->messages().isEmpty() ? static_cast<QWidget*>(empty_) : view_;
    if (stack_->currentWidget() != wanted)
        stack_->setCurrentWidget(wanted);
    if (wanted == empty_)
        find_->close(); // there is nothing to be found
}

int ConversationPanel::composerTop() const {
    return composerRow_->y() + 8;
}

void ConversationPanel::openFind() {
    if (stack_->currentWidget() == view_)
        find_->open();
}

void ConversationPanel::startEditing(RowId id, const QString& text) {
    if (!editing_) {
        composer_->flushDraft();
        kept_ = composer_->text();
    }
    editing_ = id;
    original_ = text;
    composer_->setText(text);
    composer_->setFocus();
    showEditNotice();
}

void ConversationPanel::showEditNotice() {
    editNotice_->show({kEditNotice,
                       refused_ ? tr("An answer is being written. This can be sent when it is complete.")
                                : tr("Sending this makes a new version. The old one and its answers are kept as "
                                     "another branch."),
                       {{kCancel, tr("Cancel")}},
                       false});
}

void ConversationPanel::endEditing() {
    if (!std::exchange(editing_, 0))
        return;
    refused_ = false;
    editNotice_->hide(kEditNotice);
    composer_->setText(std::exchange(kept_, {}));
    composer_->setFocus();
}

void ConversationPanel::abandonEditing() {
    if (!editing_)
        return;
    const QString words = composer_->text();
    const bool changed = words != original_ && !words.trimmed().isEmpty();
    const QString before = kept_;
    endEditing();
    if (changed)
        composer_->fill(before.isEmpty() ? words : words + QStringLiteral("\n\n") + before);
}

void ConversationPanel::refuseEdit(const QString& text) {
    composer_->setText(text);
    refused_ = true;
    showEditNotice();
}

void ConversationPanel::setReplying(bool replying) {
    composer_->setGenerating(replying);
    view_->setReplying(replying);
    if (!replying && std::exchange(refused_, false))
        showEditNotice();
}

void ConversationPanel::quote(const QString& text) {
    QString quoted;
    for (const QString& line : text.trimmed().split(u'\n'))
        quoted += (line.isEmpty() ? QStringLiteral(">") : QStringLiteral("> ") + line) + u'\n';
    composer_->fill(quoted + u'\n' + composer_->text());
}

void ConversationPanel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange && editing_)
        showEditNotice();
}

void ConversationPanel::setWindowHeight(int px) {
    composer_->setMaximumCardHeight(px / 2);
}

QRect ConversationPanel::column(int panelWidth) const {
    const int room = panelWidth - style()->pixelMetric(QStyle::PM_ScrollBarExtent);
    const int wide = std::min(kColumn * std::max(100, theme_.textSizePercent()) / 100, room - 2 * kMargin);
    return {(room - wide) / 2, 0, wide, height()};
}

void ConversationPanel::placeColumns() {
    const QRect place = column();
    for (QWidget* row : {noticeRow_, findRow_, composerRow_}) {
        QMargins margins = row->layout()->contentsMargins();
        const int room = row == findRow_ ? FindBar::kRingRoom : 0;
        margins.setLeft(place.left() - room);
        margins.setRight(width() - place.left() - place.width() - room);
        row->layout()->setContentsMargins(margins);
    }
}

void ConversationPanel::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    placeColumns();
}

} // namespace hearth::ui
