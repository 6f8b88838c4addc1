#include "ui/models/hub_page.h"

#include "ui/chat/chat_document.h"
#include "ui/chat/chat_view.h"
#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/links.h"
#include "ui/models/card.h"
#include "ui/models/model_words.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QEvent>
#include <QLineEdit>
#include <QPushButton>
#include <QResizeEvent>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kCardHeight = 480;      // px; the card scrolls in itself
constexpr int kCardRoom = 64;         // px that the view keeps above and below a message
constexpr int kLongestCard = 200'000; // characters that are shown
constexpr int kLongestToken = 512;    // characters

} // namespace

HubPage::HubPage(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), back_(new QPushButton(this)), retry_(new QPushButton(this)),
      open_(new QPushButton(this)), gate_(new QWidget(this)), files_(new CardList(theme, this)) {
    const auto label = [&](TextStyle style, Token token, QWidget* on) {
        return new Label(theme, style, token, Label::Lines::Wrapped, on);
    };
    title_ = label(TextStyle::Heading2, Token::Text, this);
    title_->setBold(true);
    detail_ = label(TextStyle::Interface, Token::Second, this);
    problem_ = label(TextStyle::Interface, Token::Error, this);
    state_ = label(TextStyle::Interface, Token::Second, this);
    gatedTitle_ = label(TextStyle::Interface, Token::Text, gate_);
    gatedTitle_->setBold(true);
    gated_ = label(TextStyle::Interface, Token::Text, gate_);
    tokenState_ = label(TextStyle::Small, Token::Second, gate_);
    filesTitle_ = label(TextStyle::Heading3, Token::Text, this);
    filesTitle_->setBold(true);
    cardTitle_ = label(TextStyle::Heading3, Token::Text, this);
    cardTitle_->setBold(true);
    address_ = label(TextStyle::Small, Token::Second, this);
    token_ = new QLineEdit(gate_);
    token_->setEchoMode(QLineEdit::Password);
    token_->setMaxLength(kLongestToken);
    token_->setMinimumWidth(160);
    save_ = new QPushButton(gate_);
    remove_ = new QPushButton(gate_);
    back_->setIcon(theme.icon(QStringLiteral("back"), Token::Text));
    setButtonLook(*back_, ButtonLook::Plain);

    auto* tokenLine = new FlowLayout(8);
    for (QWidget* widget :
         {static_cast<QWidget*>(token_), static_cast<QWidget*>(save_), static_cast<QWidget*>(remove_)})
        tokenLine->addWidget(widget);
    auto* gateStack = new QVBoxLayout(gate_);
    gateStack->setContentsMargins(0, 0, 0, 0);
    gateStack->setSpacing(8);
    gateStack->addWidget(gatedTitle_);
    gateStack->addWidget(gated_);
    gateStack->addLayout(tokenLine);
    gateStack->addWidget(tokenState_);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(12);
    stack->addWidget(back_, 0, Qt::AlignLeft);
    stack->addWidget(title_);
    stack->addWidget(detail_);
    stack->addWidget(problem_);
    stack->addWidget(state_);
    stack->addWidget(retry_, 0, Qt::AlignLeft);
    stack->addWidget(gate_);
    stack->addSpacing(4);
    stack->addWidget(filesTitle_);
    stack->addWidget(files_);
    stack->addSpacing(4);
    stack->addWidget(cardTitle_);
    stack->addWidget(address_);
    stack->addWidget(open_, 0, Qt::AlignLeft);

    connect(back_, &QPushButton::clicked, this, &HubPage::closed);
    connect(retry_, &QPushButton::clicked, this, &HubPage::retryRequested);
    connect(open_, &QPushButton::clicked, this,
            [this] { emit addressOpened(QUrl(link_.isEmpty() ? row_.address : link_)); });
    const auto save = [this] {
        const QString token = token_->text().trimmed();
        if (token.isEmpty())
            return;
        token_->clear();
        emit tokenEntered(token);
    };
    connect(save_, &QPushButton::clicked, this, save);
    connect(token_, &QLineEdit::returnPressed, this, save);
    connect(remove_, &QPushButton::clicked, this, &HubPage::tokenRemoved);
    connect(files_, &CardList::acted, this, [this](const QString& id, const QString& action) {
        if (action == u"download")
            emit downloadRequested(id);
        else if (action == u"downloads")
            emit downloadsRequested();
        for (const FileGroupRow& group : QVector<FileGroupRow>(row_.files))
            if (action == u"use" && group.id == id)
                emit useRequested(group.path);
    });
    retranslate();
}

void HubPage::setPage(const HubPageRow& row) {
    if (row.id != row_.id || row.hub != row_.hub)
        link_.clear();
    row_ = row;
    if (shownCard_ != row.card) {
        shownCard_ = row.card;
        MessageRow message;
        message.id = 1;
        message.role = Role::Assistant;
        message.text = row.card.left(kLongestCard);
        makeCard();
        document_->setMessages(row.card.trimmed().isEmpty() ? QVector<MessageRow>() : QVector<MessageRow>{message});
        card_->setScrollPosition(0);
        QTimer::singleShot(0, this, &HubPage::fitCard);
    }
    refresh();
}

void HubPage::makeCard() {
    if (card_)
        return;
    document_ = new ChatDocument(this);
    card_ = new ChatView(*document_, theme_, this);
    card_->setReadOnly(true);
    card_->setFixedHeight(kCardHeight);
    card_->setAccessibleName(tr("Model card"));
    auto* stack = static_cast<QVBoxLayout*>(layout());
    stack->insertWidget(stack->indexOf(cardTitle_) + 1, card_);
    // A link of the card stands in full below it before it is opened.
    connect(card_, &ChatView::linkActivated, this, [this](const QUrl& url) {
        if (!linkOffer(url).opens)
            return;
        link_ = QString::fromLatin1(url.toEncoded());
        refresh();
        open_->setFocus();
    });
}

// A short card needs no room of its own to scroll in.
void HubPage::fitCard() {
    if (!card_)
        return;
    const int height = document_->count() > 0 ? card_->messageRect(0).height() : 0;
    card_->setFixedHeight(std::clamp(height + kCardRoom, 64, kCardHeight));
    card_->setScrollPosition(0);
}

void HubPage::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    if (event->size().width() != event->oldSize().width())
        QTimer::singleShot(0, this, &HubPage::fitCard);
}

void HubPage::setHub(const HubRow& hub) {
    hub_ = hub;
    refresh();
}

void HubPage::takeFocus() {
    back_->setFocus(Qt::OtherFocusReason);
}

CardRow HubPage::fileCard(const FileGroupRow& group) const {
    CardRow card;
    card.id = group.id;
    card.title = group.quant.isEmpty() ? oneLine(group.id, 200) : group.quant;
    card.mark = group.suggested ? tr("Suggested") : QString();
    card.state = bytesWords(group.bytes);
    card.detail = dotted({group.quant.isEmpty() ? QString() : oneLine(group.id, 200),
                          group.files > 1 ? tr("%n file(s)", nullptr, group.files) : QString()});
    card.note = group.problem;
    card.isError = !group.problem.isEmpty();
    card.showsFit = group.problem.isEmpty();
    card.fit = group.fit;
    card.judging = group.judging;
    if (!group.path.isEmpty())
        card.actions.push_back({QStringLiteral("use"), tr("Use now"), true, true, {}});
    else if (group.queued)
        card.actions.push_back({QStringLiteral("downloads"), tr("See its download"), false, true, {}});
    else if (group.problem.isEmpty())
        card.actions.push_back(
            {QStringLiteral("download"), tr("Download"), group.suggested, true, QStringLiteral("download")});
    return card;
}

void HubPage::refresh() {
    title_->setText(oneLine(row_.id, 200));
    const bool ready = row_.state == LoadState::Ready;
    detail_->setText(
        dotted({row_.licence.isEmpty() ? tr("licence not told") : tr("licence %1").arg(oneLine(row_.licence, 80)),
                row_.gated ? tr("asks to accept its licence first") : QString(),
                hub_.name.isEmpty() ? QString() : tr("at %1").arg(hub_.name)}));
    detail_->setVisible(ready);
    problem_->setText(row_.problem);
    problem_->setVisible(!row_.problem.isEmpty());
    state_->setText(row_.state == LoadState::Loading ? tr("Asking %1\u2026").arg(hub_.name)
                                                     : tr("No file here that this program could run."));
    state_->setVisible(row_.state == LoadState::Loading ||
                       (ready && row_.files.isEmpty() && !row_.gated && row_.problem.isEmpty()));
    retry_->setVisible(row_.state == LoadState::Failed);
    gate_->setVisible(row_.gated);
    gatedTitle_->setText(tr("Its makers want their licence accepted"));
    gated_->setText(tr("Accept it on the model's page at the hub, with an account there. Then make a token that may "
                       "read, and put it in here. It is kept in the system's keyring and told to that hub only."));
    tokenState_->setText(!hub_.problem.isEmpty() ? hub_.problem
                         : hub_.hasToken         ? tr("A token for %1 is in the keyring.").arg(hub_.name)
                                                 : tr("No token for %1 yet.").arg(hub_.name));
    tokenState_->setToken(hub_.problem.isEmpty() ? Token::Second : Token::Error);
    remove_->setVisible(hub_.hasToken);
    filesTitle_->setVisible(!row_.files.isEmpty());
    QVector<CardRow> cards;
    for (const FileGroupRow& group : row_.files)
        cards.append(fileCard(group));
    files_->setCards(cards);
    const bool hasCard = !row_.card.trimmed().isEmpty();
    cardTitle_->setVisible(hasCard);
    if (card_)
        card_->setVisible(hasCard);
    const LinkOffer offer = linkOffer(QUrl(link_.isEmpty() ? row_.address : link_));
    address_->setText(offer.address);
    address_->setVisible(offer.opens);
    open_->setVisible(offer.opens);
}

void HubPage::retranslate() {
    back_->setText(tr("Back to the list"));
    retry_->setText(tr("Try again"));
    open_->setText(tr("Open this address in the browser"));
    save_->setText(tr("Keep the token"));
    remove_->setText(tr("Remove the token"));
    token_->setPlaceholderText(tr("Token"));
    token_->setAccessibleName(tr("Token"));
    filesTitle_->setText(tr("Files"));
    cardTitle_->setText(tr("What its makers say"));
    if (card_)
        card_->setAccessibleName(tr("Model card"));
    refresh();
}

void HubPage::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
