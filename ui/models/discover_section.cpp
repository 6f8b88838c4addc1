#include "ui/models/discover_section.h"

#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/fields.h"
#include "ui/models/hub_page.h"
#include "ui/models/model_words.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QCheckBox>
#include <QEvent>
#include <QLineEdit>
#include <QPushButton>
#include <QScopedValueRollback>
#include <QVBoxLayout>

#include <algorithm>

namespace hearth::ui {

namespace {

/// Bounds of the choice by size, in weights.
constexpr double kSizes[] = {2e9, 5e9, 10e9, 20e9};

} // namespace

DiscoverSection::DiscoverSection(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), list_(new QWidget(this)), page_(new HubPage(theme, this)),
      network_(new CardList(theme, list_)), cards_(new CardList(theme, list_)), hub_(new Choice), language_(new Choice),
      size_(new Choice), words_(new QLineEdit), go_(new QPushButton(list_)), toCatalog_(new QPushButton(list_)),
      addresses_(new QPushButton(list_)), filters_(new QWidget(list_)), addressBox_(new QWidget(list_)) {
    const auto label = [&](TextStyle style, Token token, QWidget* on) {
        return new Label(theme, style, token, Label::Lines::Wrapped, on);
    };
    title_ = label(TextStyle::Heading3, Token::Text, list_);
    title_->setBold(true);
    state_ = label(TextStyle::Interface, Token::Second, list_);
    source_ = label(TextStyle::Small, Token::Second, list_);
    addressHelp_ = label(TextStyle::Small, Token::Second, addressBox_);
    fits_ = new QCheckBox(filters_);
    words_->setMaxLength(200);
    words_->setClearButtonEnabled(true);
    go_->setIcon(theme.icon(QStringLiteral("search"), Token::Text));
    toCatalog_->setIcon(theme.icon(QStringLiteral("back"), Token::Text));
    setButtonLook(*toCatalog_, ButtonLook::Plain);
    setButtonLook(*addresses_, ButtonLook::Plain);
    addresses_->setCheckable(true);

    hubField_ = new LabelledField(theme, hub_, 0, list_);
    wordsField_ = new LabelledField(theme, words_, 26, list_);
    languageField_ = new LabelledField(theme, language_, 0, filters_);
    sizeField_ = new LabelledField(theme, size_, 0, filters_);
    auto* searchLine = new FlowLayout(8);
    searchLine->addWidget(wordsField_);
    searchLine->addWidget(hubField_);
    searchLine->addWidget(new LabelledField(theme, go_, 0, list_)); // at the height of the fields
    auto* filterLine = new FlowLayout(12);
    filterLine->addWidget(languageField_);
    filterLine->addWidget(sizeField_);
    auto* filterStack = new QVBoxLayout(filters_);
    filterStack->setContentsMargins(0, 0, 0, 0);
    filterStack->setSpacing(12);
    filterStack->addLayout(filterLine);
    filterStack->addWidget(fits_, 0, Qt::AlignLeft);
    auto* addressStack = new QVBoxLayout(addressBox_);
    addressStack->setContentsMargins(0, 0, 0, 0);
    addressStack->setSpacing(8);
    addressStack->addWidget(addressHelp_);
    addressBox_->hide();

    auto* listStack = new QVBoxLayout(list_);
    listStack->setContentsMargins(0, 0, 0, 0);
    listStack->setSpacing(12);
    listStack->addWidget(network_);
    listStack->addLayout(searchLine);
    listStack->addSpacing(8);
    listStack->addWidget(toCatalog_, 0, Qt::AlignLeft);
    listStack->addWidget(title_);
    listStack->addWidget(filters_);
    listStack->addWidget(state_);
    listStack->addWidget(cards_);
    listStack->addWidget(source_);
    listStack->addWidget(addresses_, 0, Qt::AlignLeft);
    listStack->addWidget(addressBox_);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(0);
    stack->addWidget(list_);
    stack->addWidget(page_);
    page_->hide();

    connect(network_, &CardList::acted, this,
            [this](const QString&, const QString& action) { emit networkChosen(action == u"allow"); });
    connect(go_, &QPushButton::clicked, this, &DiscoverSection::search);
    connect(words_, &QLineEdit::returnPressed, this, &DiscoverSection::search);
    connect(toCatalog_, &QPushButton::clicked, this, [this] {
        search_ = {};
        refresh();
        words_->setFocus();
    });
    connect(addresses_, &QPushButton::toggled, addressBox_, &QWidget::setVisible);
    connect(fits_, &QCheckBox::toggled, this, &DiscoverSection::refresh);
    for (Choice* choice : {hub_, language_, size_})
        connect(choice, &QComboBox::currentIndexChanged, this, [this] {
            if (!filling_)
                refresh();
        });
    connect(cards_, &CardList::acted, this, [this](const QString& id) {
        if (search_.state == LoadState::Idle)
            openCatalogModel(id);
        else if (id == u"failed")
            search();
        else
            openModel(search_.hub, id);
    });
    connect(page_, &HubPage::closed, this, [this] {
        wanted_.clear();
        setPage({});
        emit pageClosed();
    });
    connect(page_, &HubPage::retryRequested, this, [this] { openModel(page_->page().hub, page_->page().id); });
    connect(page_, &HubPage::downloadRequested, this,
            [this](const QString& group) { emit downloadRequested(page_->page().hub, page_->page().id, group); });
    connect(page_, &HubPage::useRequested, this, &DiscoverSection::useRequested);
    connect(page_, &HubPage::downloadsRequested, this, &DiscoverSection::downloadsRequested);
    connect(page_, &HubPage::tokenEntered, this,
            [this](const QString& token) { emit tokenEntered(page_->page().hub, token); });
    connect(page_, &HubPage::tokenRemoved, this, [this] { emit tokenRemoved(page_->page().hub); });
    connect(page_, &HubPage::addressOpened, this, &DiscoverSection::addressOpened);
    retranslate();
}

void DiscoverSection::setNetwork(const NetworkRow& row) {
    networkRow_ = row;
    refresh();
    if (allowed() && !wanted_.isEmpty())
        openModel(wantedHub_, std::exchange(wanted_, {}));
}

void DiscoverSection::setHubs(const QVector<HubRow>& hubs) {
    hubs_ = hubs;
    for (const HubRow& hub : hubs) {
        auto at = std::find_if(addressFields_.begin(), addressFields_.end(),
                               [&](const AddressField& f) { return f.hub == hub.id; });
        if (at == addressFields_.end()) {
            auto* edit = new QLineEdit;
            edit->setMaxLength(400);
            edit->setMinimumWidth(120);
            auto* field = new LabelledField(theme_, edit, 0, addressBox_);
            addressBox_->layout()->addWidget(field);
            connect(edit, &QLineEdit::editingFinished, this, [this, edit, id = hub.id] {
                if (edit->isModified())
                    emit hubAddressChanged(id, edit->text().trimmed());
                edit->setModified(false);
            });
            addressFields_.push_back({hub.id, edit, field});
            at = addressFields_.end() - 1;
        }
        if (!at->edit->hasFocus() || !at->edit->isModified())
            at->edit->setText(hub.address);
        at->field->setWords(hub.name);
        if (hub.id == page_->page().hub)
            page_->setHub(hub);
    }
    fillChoices();
    refresh();
}

void DiscoverSection::setCatalog(const QVector<CatalogRow>& rows) {
    catalog_ = rows;
    fillChoices();
    refresh();
}

void DiscoverSection::setSearch(const SearchRow& row) {
    search_ = row;
    refresh();
}

void DiscoverSection::setPage(const HubPageRow& row) {
    for (const HubRow& hub : hubs_)
        if (hub.id == row.hub)
            page_->setHub(hub);
    page_->setPage(row);
    const bool shown = row.state != LoadState::Idle;
    const bool came = shown && page_->isHidden();
    page_->setVisible(shown);
    list_->setVisible(!shown);
    if (came && isVisible())
        page_->takeFocus();
}

QString DiscoverSection::hubName(const QString& id) const {
    for (const HubRow& hub : hubs_)
        if (hub.id == id)
            return hub.name;
    return id;
}

void DiscoverSection::openCatalogModel(const QString& id) {
    const auto row = std::find_if(catalog_.begin(), catalog_.end(), [&](const CatalogRow& r) { return r.id == id; });
    if (row == catalog_.end() || row->repos.isEmpty())
        return;
    std::pair<QString, QString> repo = row->repos.first();
    for (const auto& other : row->repos)
        if (other.first == hub_->currentData().toString())
            repo = other;
    openModel(repo.first, repo.second);
}

// Nothing is asked before the person allows it: the card with the switch comes first, and the page after it.
void DiscoverSection::openModel(const QString& hub, const QString& model) {
    wanted_ = model;
    wantedHub_ = hub;
    if (!allowed()) {
        setPage({});
        refresh();
        if (Card* card = network_->card(0); card && card->button(QStringLiteral("allow")))
            card->button(QStringLiteral("allow"))->setFocus(Qt::OtherFocusReason);
        return;
    }
    wanted_.clear();
    HubPageRow page;
    page.state = LoadState::Loading;
    page.hub = hub;
    page.id = model;
    setPage(page);
    emit pageRequested(hub, model);
}

void DiscoverSection::search() {
    const QString words = words_->text().trimmed();
    if (words.isEmpty() || !allowed())
        return;
    SearchRow row;
    row.state = LoadState::Loading;
    row.hub = hub_->currentData().toString();
    row.words = words;
    setSearch(row);
    emit searchRequested(row.hub, words);
}

bool DiscoverSection::passes(const CatalogRow& row) const {
    const QString language = language_->currentData().toString();
    if (!language.isEmpty() && !row.languages.contains(language))
        return false;
    const double most = size_->currentData().toDouble();
    if (most > 0 && row.parameters > most)
        return false;
    return !fits_->isChecked() || (row.fit.kind != FitKind::WillNotFit && row.fit.kind != FitKind::Slow);
}

CardRow DiscoverSection::catalogCard(const CatalogRow& row) const {
    CardRow card;
    card.id = row.id;
    card.title = row.name;
    card.state = parameterWords(row.parameters);
    card.detail = dotted({row.publisher, tr("licence %1").arg(row.licence),
                          tr("context %1").arg(tokensWords(row.context)), row.thinks ? tr("thinks first") : QString(),
                          row.activeParameters > 0 && row.activeParameters < row.parameters
                              ? tr("%1 of it at work for each token").arg(parameterWords(row.activeParameters))
                              : QString()});
    card.text = row.strengths;
    card.hint = dotted({languageWords(row.languages), row.source});
    card.showsFit = row.fit.kind != FitKind::Unknown;
    card.fit = row.fit;
    card.actions.push_back({QStringLiteral("open"), tr("Files and sizes"), false, true, {}});
    return card;
}

CardRow DiscoverSection::resultCard(const HubModelRow& row) const {
    CardRow card;
    card.id = row.id;
    card.title = oneLine(row.id, 200);
    const QLocale locale;
    card.detail = dotted(
        {row.licence.isEmpty() ? tr("licence not told") : tr("licence %1").arg(oneLine(row.licence, 80)),
         row.downloads >= 0 ? tr("%1 downloads").arg(locale.toString(row.downloads)) : QString(),
         row.likes >= 0 ? tr("%1 likes").arg(locale.toString(row.likes)) : QString(),
         row.updated.isValid() ? tr("changed on %1").arg(locale.toString(row.updated.date(), QLocale::ShortFormat))
                               : QString()});
    card.mark = row.gated ? tr("Licence to accept") : QString();
    card.actions.push_back({QStringLiteral("open"), tr("Files and sizes"), false, true, {}});
    return card;
}

void DiscoverSection::refreshNetwork() {
    CardRow card;
    card.id = QStringLiteral("network");
    const QString hosts = listed(networkRow_.hosts);
    switch (networkRow_.state) {
    case NetworkState::NotAsked:
        card.title = tr("Nothing has been contacted");
        card.text = tr("To search and to download, Hearth asks %1 and the servers where they keep their files. They "
                       "learn your address and what you look for. Chats are never sent to them.")
                        .arg(hosts);
        card.actions.push_back({QStringLiteral("allow"), tr("Allow it"), true, true, {}});
        card.actions.push_back({QStringLiteral("refuse"), tr("Keep the network off"), false, true, {}});
        break;
    case NetworkState::Off:
        card.title = tr("The network is off");
        card.text = tr("The catalogue below came with the program. Sizes and files are known when you allow Hearth to "
                       "ask %1.")
                        .arg(hosts);
        card.actions.push_back({QStringLiteral("allow"), tr("Allow it"), true, true, {}});
        break;
    case NetworkState::On:
        card.title = tr("The network is on");
        card.detail = networkRow_.contacted.isEmpty()
                          ? tr("Nothing has been contacted since the start.")
                          : tr("Contacted since the start: %1").arg(listed(networkRow_.contacted));
        card.actions.push_back({QStringLiteral("refuse"), tr("Turn the network off"), false, true, {}});
        break;
    }
    if (!wanted_.isEmpty() && !allowed()) {
        card.note = tr("The files of %1 are listed as soon as you allow it.").arg(oneLine(wanted_, 120));
        card.isError = false;
    }
    network_->setCards({card});
}

void DiscoverSection::showCatalog() {
    title_->setText(tr("A selection"));
    QVector<CardRow> cards;
    QDate oldest;
    for (const CatalogRow& row : catalog_) {
        if (row.checked.isValid() && (!oldest.isValid() || row.checked < oldest))
            oldest = row.checked;
        if (passes(row))
            cards.append(catalogCard(row));
    }
    state_->setText(catalog_.isEmpty() ? tr("The catalogue is empty.") : tr("No model of the selection is like that."));
    state_->setVisible(cards.isEmpty());
    cards_->setCards(cards);
    source_->setText(
        tr("From the makers' model cards, read on %1.").arg(QLocale().toString(oldest, QLocale::LongFormat)));
    source_->setVisible(oldest.isValid() && !cards.isEmpty());
}

void DiscoverSection::showResults() {
    title_->setText(tr("\u201C%1\u201D at %2").arg(oneLine(search_.words, 80), hubName(search_.hub)));
    source_->hide();
    QVector<CardRow> cards;
    if (search_.state == LoadState::Loading) {
        state_->setText(tr("Asking %1\u2026").arg(hubName(search_.hub)));
    } else if (search_.state == LoadState::Failed) {
        CardRow card;
        card.id = QStringLiteral("failed");
        card.title = tr("The search did not work");
        card.note = search_.problem;
        card.isError = true;
        card.actions.push_back({QStringLiteral("again"), tr("Try again"), false, true, {}});
        cards.append(card);
    } else {
        for (const HubModelRow& row : search_.models)
            cards.append(resultCard(row));
        state_->setText(tr("No model with files for this program is called like that. Try fewer words."));
    }
    state_->setVisible(cards.isEmpty());
    cards_->setCards(cards);
}

void DiscoverSection::refresh() {
    refreshNetwork();
    const bool results = search_.state != LoadState::Idle;
    filters_->setVisible(!results);
    toCatalog_->setVisible(results);
    go_->setEnabled(allowed());
    words_->setEnabled(allowed());
    words_->setPlaceholderText(allowed() ? tr("Name of a model") : tr("When the network is allowed"));
    if (results)
        showResults();
    else
        showCatalog();
}

void DiscoverSection::fillChoices() {
    const QScopedValueRollback<bool> guard(filling_, true);
    const QVariant hub = hub_->currentData(), language = language_->currentData(), size = size_->currentData();
    hub_->clear();
    for (const HubRow& row : hubs_)
        hub_->addItem(row.name, row.id);
    if (const int at = hub_->findData(hub); at >= 0)
        hub_->setCurrentIndex(at);
    language_->clear();
    language_->addItem(tr("Any language"), QString());
    QStringList codes;
    for (const CatalogRow& row : catalog_)
        codes << row.languages;
    codes.removeDuplicates();
    codes.removeAll(QStringLiteral("mul"));
    std::stable_sort(codes.begin(), codes.end(), [](const QString& a, const QString& b) {
        const auto rank = [](const QString& c) { return c == u"en" ? 0 : c == u"zh" ? 1 : 2; };
        return rank(a) != rank(b) ? rank(a) < rank(b) : a < b;
    });
    for (const QString& code : codes)
        language_->addItem(languageWords({code}), code);
    language_->setCurrentIndex(std::max(0, language_->findData(language)));
    size_->clear();
    size_->addItem(tr("Any size"), 0.0);
    for (const double most : kSizes)
        size_->addItem(tr("Up to %1").arg(parameterWords(most)), most);
    size_->setCurrentIndex(std::max(0, size_->findData(size)));
}

void DiscoverSection::retranslate() {
    wordsField_->setWords(tr("Search a hub"));
    hubField_->setWords(tr("Hub"));
    languageField_->setWords(tr("Language"));
    sizeField_->setWords(tr("Size"));
    fits_->setText(tr("Only what fits this computer"));
    go_->setText(tr("Search"));
    toCatalog_->setText(tr("Back to the selection"));
    addresses_->setText(tr("Addresses of the hubs\u2026"));
    addressHelp_->setText(tr("A mirror, or your company's own hub, can stand here. An empty field is the hub's own."));
    fillChoices();
    refresh();
}

void DiscoverSection::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
