#include "ui/models/remote_section.h"

#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/fields.h"
#include "ui/models/model_words.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QCheckBox>
#include <QEvent>
#include <QKeyEvent>
#include <QLineEdit>
#include <QPushButton>
#include <QUrl>
#include <QVBoxLayout>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kMostOffered = 8;    // models as buttons; others can be typed
constexpr int kLongestField = 400; // characters

/// Of an address as it is typed, with or without a scheme.
QString hostOf(const QString& address) {
    const QString text = address.trimmed();
    return QUrl(text.contains(QLatin1String("://")) ? text : QStringLiteral("http://") + text).host();
}

} // namespace

RemoteEditor::RemoteEditor(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme),
      offeredLabel_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::Wrapped, this)),
      help_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::Wrapped, this)),
      problem_(new Label(theme, TextStyle::Small, Token::Error, Label::Lines::Wrapped, this)),
      offered_(new QWidget(this)), plain_(new QCheckBox(this)), save_(new QPushButton(this)),
      cancel_(new QPushButton(this)), dropKey_(new QPushButton(this)) {
    auto* fields = new FlowLayout(12);
    name_ = field(nameField_, 24, fields);
    address_ = field(addressField_, 36, fields);
    model_ = field(modelField_, 36, fields);
    context_ = field(contextField_, 20, fields);
    key_ = field(keyField_, 24, fields);
    key_->setEchoMode(QLineEdit::Password);
    context_->setMaxLength(12);
    offered_->setLayout(new FlowLayout(4));
    setButtonLook(*save_, ButtonLook::Primary);
    setButtonLook(*dropKey_, ButtonLook::Plain);
    auto* buttons = new FlowLayout(8);
    for (QPushButton* button : {save_, cancel_, dropKey_})
        buttons->addWidget(button);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 8, 0, 0);
    stack->setSpacing(12);
    stack->addLayout(fields);
    stack->addWidget(offeredLabel_);
    stack->addWidget(offered_);
    stack->addWidget(help_);
    stack->addWidget(problem_);
    stack->addWidget(plain_);
    stack->addLayout(buttons);
    problem_->hide();
    // Agreed to for one host, and asked again for another.
    connect(plain_, &QCheckBox::toggled, this, [this](bool on) {
        if (on)
            plainHost_ = hostOf(address_->text());
    });
    connect(address_, &QLineEdit::textChanged, this, [this](const QString& address) {
        if (hostOf(address) != plainHost_)
            plain_->setChecked(false);
    });
    connect(save_, &QPushButton::clicked, this, [this] { emit saved(typed()); });
    connect(cancel_, &QPushButton::clicked, this, &RemoteEditor::closed);
    connect(dropKey_, &QPushButton::clicked, this, [this] { emit keyRemoved(row_.path); });
    retranslate();
}

QLineEdit* RemoteEditor::field(LabelledField*& labelled, int characters, FlowLayout* line) {
    auto* edit = new QLineEdit;
    edit->setMaxLength(kLongestField);
    labelled = new LabelledField(theme_, edit, characters, this);
    line->addWidget(labelled);
    connect(edit, &QLineEdit::returnPressed, this, [this] { emit saved(typed()); });
    return edit;
}

void RemoteEditor::setRow(const RemoteRow& row) {
    const bool same = filled_ && row.path == row_.path;
    row_ = row;
    if (!same) {
        filled_ = true;
        name_->setText(row.name);
        address_->setText(row.address);
        model_->setText(row.model);
        context_->setText(row.contextGiven ? QString::number(row.contextTokens) : QString());
        plainHost_ = hostOf(row.address);
        plain_->setChecked(row.plainAllowed);
        plain_->setVisible(row.exposed);
    }
    refresh();
}

void RemoteEditor::setProblem(const QString& sentence, bool exposed) {
    problem_->setText(sentence);
    problem_->setVisible(!sentence.isEmpty());
    plain_->setVisible(exposed);
}

RemoteEditRow RemoteEditor::typed() const {
    return {row_.path,
            name_->text().trimmed(),
            address_->text().trimmed(),
            model_->text().trimmed(),
            key_->text().trimmed(),
            context_->text().trimmed(),
            plain_->isChecked() && plain_->isVisibleTo(this)};
}

void RemoteEditor::refresh() {
    key_->setPlaceholderText(row_.hasKey ? tr("one is in the keyring") : tr("none"));
    context_->setPlaceholderText(row_.contextTokens > 0 && !row_.contextGiven
                                     ? tr("%L1, as it says").arg(row_.contextTokens)
                                     : tr("as it says, else 4096"));
    dropKey_->setVisible(row_.hasKey);
    auto* line = offered_->layout();
    while (QLayoutItem* item = line->takeAt(0)) {
        if (item->widget()) {
            item->widget()->hide();
            item->widget()->deleteLater();
        }
        delete item;
    }
    const bool any = !row_.offered.isEmpty();
    for (const QString& model : row_.offered.mid(0, kMostOffered)) {
        auto* button = new QPushButton(oneLine(model, 60), offered_);
        button->setToolTip(plainToolTip(oneLine(model, kLongestField)));
        connect(button, &QPushButton::clicked, this, [this, model] { model_->setText(model); });
        line->addWidget(button);
    }
    offeredLabel_->setVisible(any);
    offered_->setVisible(any);
}

void RemoteEditor::retranslate() {
    nameField_->setWords(tr("Name"));
    addressField_->setWords(tr("Address"));
    modelField_->setWords(tr("Model"));
    contextField_->setWords(tr("Context, tokens"));
    keyField_->setWords(tr("Key"));
    address_->setPlaceholderText(QStringLiteral("http://127.0.0.1:8080"));
    model_->setPlaceholderText(tr("the first that it has"));
    offeredLabel_->setText(tr("It has these models:"));
    help_->setText(tr("The key goes into the system's keyring and to this address, nowhere else. Tokens are estimated, "
                      "because its tokenizer is not known: a chat is cut to about this context."));
    plain_->setText(tr("Send what I write to this address unencrypted"));
    save_->setText(tr("Save"));
    cancel_->setText(tr("Cancel"));
    dropKey_->setText(tr("Remove the key"));
    refresh();
}

void RemoteEditor::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void RemoteEditor::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Escape)
        emit closed();
    else
        QWidget::keyPressEvent(event);
}

RemoteSection::RemoteSection(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme),
      title_(new Label(theme, TextStyle::Heading3, Token::Text, Label::Lines::Wrapped, this)),
      help_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::Wrapped, this)),
      add_(new QPushButton(this)), newBox_(new QWidget(this)), cards_(new CardList(theme, this)) {
    title_->setBold(true);
    add_->setIcon(theme.icon(QStringLiteral("plus"), Token::Text));
    auto* box = new QVBoxLayout(newBox_);
    box->setContentsMargins(0, 0, 0, 0);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(8);
    stack->addWidget(title_);
    stack->addWidget(help_);
    stack->addWidget(cards_);
    stack->addWidget(add_, 0, Qt::AlignLeft);
    stack->addWidget(newBox_);
    newBox_->hide();
    connect(add_, &QPushButton::clicked, this, [this] { openEditor({}); });
    connect(cards_, &CardList::acted, this, &RemoteSection::act);
    retranslate();
}

void RemoteSection::setRemotes(const QVector<RemoteRow>& rows, NetworkState network) {
    rows_ = rows;
    network_ = network;
    const bool gone = std::none_of(rows_.begin(), rows_.end(), [&](const RemoteRow& r) { return r.path == opened_; });
    if (editor_ && !opened_.isEmpty() && gone)
        closeEditor();
    if (defaults_ && gone)
        closeDefaults();
    refresh();
}

void RemoteSection::setCurrent(const QString& path) {
    current_ = path;
    refresh();
}

CardRow RemoteSection::cardOf(const RemoteRow& row) const {
    CardRow card;
    card.id = row.path;
    card.title = row.name;
    card.mark = row.path == current_ ? tr("In use here") : QString();
    card.state = row.testing ? tr("Testing\u2026") : row.on ? tr("On: chats leave this machine") : tr("Off");
    card.detail = dotted(
        {oneLine(row.address, 200), oneLine(row.model, 120),
         row.contextTokens > 0 ? tr("context about %1").arg(tokensWords(row.contextTokens)) : QString(), row.server});
    card.hint = sentences({row.told, row.exposed ? tr("What you write goes there unencrypted.") : QString()});
    card.note = row.problem;
    card.isError = !row.problem.isEmpty();
    const bool closed = network_ != NetworkState::On;
    if (row.on && closed && card.note.isEmpty())
        card.note = network_ == NetworkState::Off
                        ? tr("The network is switched off in this program, so nothing is sent there.")
                        : tr("The network was not allowed in this program yet, so nothing is sent there.");
    if (row.on && closed)
        card.actions.push_back({QStringLiteral("allow"), tr("Allow the network"), true, true, {}});
    if (row.on && row.path != current_)
        card.actions.push_back({QStringLiteral("use"), tr("Use in this chat"), !closed, true, {}});
    card.actions.push_back({QStringLiteral("switch"), row.on ? tr("Switch off") : tr("Switch on"), false, true, {}});
    if (row.on)
        card.actions.push_back({QStringLiteral("test"), tr("Test"), false, !row.testing && !closed, {}});
    card.actions.push_back({QStringLiteral("defaults"),
                            defaults_ && opened_ == row.path ? tr("Close its defaults") : tr("Its defaults\u2026"),
                            false,
                            true,
                            {}});
    card.actions.push_back(
        {QStringLiteral("edit"), editor_ && opened_ == row.path ? tr("Close") : tr("Change\u2026"), false, true, {}});
    card.actions.push_back({QStringLiteral("remove"), tr("Remove"), false, true, {}});
    return card;
}

void RemoteSection::refresh() {
    QVector<CardRow> cards;
    for (const RemoteRow& row : rows_)
        cards.append(cardOf(row));
    cards_->setCards(cards);
    cards_->setVisible(!cards.isEmpty());
    add_->setVisible(!newBox_->isVisibleTo(this));
    for (const RemoteRow& row : rows_) {
        if (row.path != opened_)
            continue;
        if (editor_)
            editor_->setRow(row);
        if (defaults_)
            defaults_->setDetails(detailsOf(row));
    }
}

ModelDetailsRow RemoteSection::detailsOf(const RemoteRow& row) const {
    ModelDetailsRow details;
    details.path = row.path;
    details.remote = true;
    details.numbers = row.numbers;
    details.thinks = row.thinks;
    details.defaults = row.defaults;
    return details;
}

void RemoteSection::act(const QString& path, const QString& action) {
    const auto at = std::find_if(rows_.begin(), rows_.end(), [&](const RemoteRow& r) { return r.path == path; });
    if (at == rows_.end())
        return;
    if (action == u"use")
        emit picked(path);
    else if (action == u"switch")
        emit switched(path, !at->on);
    else if (action == u"test")
        emit testRequested(path);
    else if (action == u"remove")
        emit removeRequested(path);
    else if (action == u"allow")
        emit networkAllowed();
    else if (action == u"defaults" && defaults_ && opened_ == path)
        closeDefaults();
    else if (action == u"defaults")
        openDefaults(path);
    else if (action == u"edit" && editor_ && opened_ == path)
        closeEditor();
    else if (action == u"edit")
        openEditor(path);
}

void RemoteSection::openDefaults(const QString& path) {
    closeEditor();
    closeDefaults();
    Card* card = cards_->card(path);
    if (!card)
        return;
    opened_ = path;
    defaults_ = new DefaultsEditor(theme_, card);
    connect(defaults_, &DefaultsEditor::changed, this, [this, path](const ModelDefaultsRow& row) {
        for (RemoteRow& remote : rows_)
            if (remote.path == path)
                remote.defaults = row;
        emit defaultsChanged(path, row);
    });
    refresh(); // filled before it is seen
    card->setExtra(defaults_);
}

void RemoteSection::closeDefaults() {
    if (!defaults_)
        return;
    defaults_ = nullptr;
    if (Card* card = cards_->card(opened_))
        card->setExtra(nullptr);
    opened_.clear();
    refresh();
}

void RemoteSection::openEditor(const QString& path) {
    closeDefaults();
    closeEditor();
    Card* card = path.isEmpty() ? nullptr : cards_->card(path);
    if (!path.isEmpty() && !card)
        return;
    opened_ = path;
    editor_ = new RemoteEditor(theme_, card ? static_cast<QWidget*>(card) : newBox_);
    connect(editor_, &RemoteEditor::saved, this, &RemoteSection::saved);
    connect(editor_, &RemoteEditor::closed, this, &RemoteSection::closeEditor);
    connect(editor_, &RemoteEditor::keyRemoved, this, &RemoteSection::keyRemoved);
    if (card) {
        card->setExtra(editor_);
    } else {
        newBox_->layout()->addWidget(editor_);
        newBox_->show();
        editor_->setRow({});
    }
    refresh();
    editor_->name().setFocus();
}

void RemoteSection::closeEditor() {
    if (defaults_) // then there is none
        return;
    RemoteEditor* editor = editor_;
    editor_ = nullptr;
    Card* card = opened_.isEmpty() ? nullptr : cards_->card(opened_);
    const bool focused = editor && editor->isAncestorOf(focusWidget());
    if (card && editor) {
        card->setExtra(nullptr);
    } else if (editor) {
        editor->hide();
        editor->deleteLater();
        newBox_->hide();
    }
    opened_.clear();
    refresh();
    if (!focused) // where it was opened from
        return;
    if (card && card->button(QStringLiteral("edit")))
        card->button(QStringLiteral("edit"))->setFocus();
    else
        add_->setFocus();
}

void RemoteSection::setProblem(const QString& sentence, bool exposed) {
    if (editor_)
        editor_->setProblem(sentence, exposed);
}

void RemoteSection::retranslate() {
    title_->setText(tr("Engines elsewhere"));
    help_->setText(tr("A server with an OpenAI-compatible address (vLLM, SGLang, llama.cpp, Ollama) can answer as a "
                      "model. Then the whole chat is sent there for every reply, and each such reply is marked. "
                      "Nothing is contacted before you have added one and switched it on."));
    add_->setText(tr("Add an engine\u2026"));
    refresh();
}

void RemoteSection::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
