#include "ui/first_run.h"

#include "ui/flow_layout.h"
#include "ui/focus_order.h"
#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/fields.h"
#include "ui/models/model_words.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QEvent>
#include <QPushButton>
#include <QScopedValueRollback>
#include <QVBoxLayout>

namespace hearth::ui {

FirstRun::FirstRun(const Theme& theme, QWidget* parent)
    : QWidget(parent), language_(new Choice(this)), suggestions_(new CardList(theme, this)),
      bring_(new QPushButton(this)), done_(new QPushButton(this)) {
    const auto title = [&] {
        auto* made = new Label(theme, TextStyle::Heading3, Token::Text, Label::Lines::Wrapped, this);
        made->setBold(true);
        return made;
    };
    const auto words = [&](TextStyle style, Token token) {
        return new Label(theme, style, token, Label::Lines::Wrapped, this);
    };
    languageTitle_ = title();
    modelTitle_ = title();
    placesTitle_ = title();
    machine_ = words(TextStyle::Interface, Token::Second);
    none_ = words(TextStyle::Interface, Token::Text);
    starter_ = words(TextStyle::Interface, Token::Text);
    places_ = words(TextStyle::Interface, Token::Text);
    bring_->setIcon(theme.icon(QStringLiteral("open-file"), Token::Text));
    setButtonLook(*done_, ButtonLook::Primary);

    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(8);
    stack->addWidget(languageTitle_);
    stack->addWidget(language_, 0, Qt::AlignLeft);
    stack->addSpacing(16);
    stack->addWidget(modelTitle_);
    stack->addWidget(machine_);
    stack->addWidget(suggestions_);
    stack->addWidget(none_);
    stack->addWidget(starter_);
    stack->addWidget(bring_, 0, Qt::AlignLeft);
    stack->addSpacing(16);
    stack->addWidget(placesTitle_);
    stack->addWidget(places_);
    stack->addSpacing(8);
    stack->addWidget(done_, 0, Qt::AlignLeft);

    connect(language_, &QComboBox::currentIndexChanged, this, [this] {
        if (filling_)
            return;
        row_.language = language_->currentData().toString();
        emit languageChosen(row_.language);
    });
    connect(suggestions_, &CardList::acted, this, [this](const QString& id) { emit modelChosen(id); });
    connect(bring_, &QPushButton::clicked, this, &FirstRun::bringRequested);
    connect(done_, &QPushButton::clicked, this, &FirstRun::finished);
    retranslate();
}

void FirstRun::setRow(const FirstRunRow& row) {
    row_ = row;
    refresh();
}

void FirstRun::refresh() {
    const QScopedValueRollback<bool> guard(filling_, true);
    language_->clear();
    language_->addItem(tr("As the system"), QString());
    language_->addItem(QStringLiteral("English"), QStringLiteral("en"));
    language_->addItem(QStringLiteral("\u7B80\u4F53\u4E2D\u6587"), QStringLiteral("zh_CN"));
    language_->select(row_.language, row_.language);
    machine_->setText(row_.machine);
    machine_->setVisible(!row_.machine.isEmpty());
    QVector<CardRow> cards;
    for (const CatalogRow& model : row_.suggestions) {
        CardRow card;
        card.id = model.id;
        card.title = model.name;
        card.state = parameterWords(model.parameters);
        card.detail = dotted({model.publisher, tr("licence %1").arg(model.licence), languageWords(model.languages, 4)});
        card.text = model.strengths;
        card.showsFit = model.fit.kind != FitKind::Unknown;
        card.fit = model.fit;
        card.actions.push_back({QStringLiteral("open"), tr("See its files"), false, true, {}});
        cards.append(card);
    }
    suggestions_->setCards(cards);
    none_->setVisible(cards.isEmpty());
    starter_->setVisible(row_.starter);
    places_->setText(
        tr("Chats and what is remembered: %1\nModels: %2\nNothing leaves this computer unless you allow it "
           "on the page of models.")
            .arg(oneLine(row_.dataFolder, 600), oneLine(row_.modelFolder, 600)));
}

void FirstRun::retranslate() {
    languageTitle_->setText(tr("1. Language"));
    language_->setAccessibleName(tr("Language"));
    modelTitle_->setText(tr("2. A model"));
    none_->setText(tr("Choose one on the page of models, or bring your own."));
    starter_->setText(tr("Or begin with the starter model, which is here already: tiny, English only, to try the "
                         "program."));
    bring_->setText(tr("Bring your own\u2026"));
    placesTitle_->setText(tr("3. What is stored where"));
    done_->setText(tr("Begin"));
    refresh();
}

void FirstRun::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    orderFocus(*this);
}

bool FirstRun::focusNextPrevChild(bool next) {
    orderFocus(*this);
    return QWidget::focusNextPrevChild(next);
}

void FirstRun::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
