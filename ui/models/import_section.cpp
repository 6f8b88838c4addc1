#include "ui/models/import_section.h"

#include "ui/drop_hint.h"
#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/fields.h"
#include "ui/models/model_words.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QCheckBox>
#include <QEvent>
#include <QFileDialog>
#include <QPainter>
#include <QPushButton>
#include <QScopedValueRollback>
#include <QVBoxLayout>

#include <algorithm>

namespace hearth::ui {

ImportSection::ImportSection(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), target_(new QWidget(this)), planBox_(new QWidget(this)), how_(new Choice),
      others_(new QCheckBox(this)) {
    const auto label = [&](TextStyle style, Token token, QWidget* on) {
        return new Label(theme, style, token, Label::Lines::Wrapped, on);
    };
    drop_ = label(TextStyle::Interface, Token::Text, target_);
    help_ = label(TextStyle::Small, Token::Second, target_);
    drop_->setAlignment(Qt::AlignHCenter);
    help_->setAlignment(Qt::AlignHCenter);
    file_ = new QPushButton(theme.icon(QStringLiteral("open-file"), Token::Text), QString(), target_);
    folder_ = new QPushButton(theme.icon(QStringLiteral("folder"), Token::Text), QString(), target_);
    storesTitle_ = label(TextStyle::Heading3, Token::Text, this);
    storesTitle_->setBold(true);
    storesHelp_ = label(TextStyle::Small, Token::Second, this);
    none_ = label(TextStyle::Interface, Token::Second, this);
    howField_ = new LabelledField(theme, how_, 0, planBox_);
    howHelp_ = label(TextStyle::Small, Token::Second, planBox_);
    planCards_ = new CardList(theme, planBox_);
    jobs_ = new CardList(theme, this);
    stores_ = new CardList(theme, this);

    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(8);
    buttons->addStretch(1);
    buttons->addWidget(file_);
    buttons->addWidget(folder_);
    buttons->addStretch(1);
    auto* inner = new QVBoxLayout(target_);
    inner->setContentsMargins(16, 24, 16, 24);
    inner->setSpacing(8);
    inner->addWidget(drop_);
    inner->addWidget(help_);
    inner->addSpacing(8);
    inner->addLayout(buttons);
    auto* planStack = new QVBoxLayout(planBox_);
    planStack->setContentsMargins(0, 0, 0, 0);
    planStack->setSpacing(8);
    planStack->addWidget(howField_, 0, Qt::AlignLeft);
    planStack->addWidget(howHelp_);
    planStack->addWidget(planCards_);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(16);
    stack->addWidget(target_);
    stack->addWidget(planBox_);
    stack->addWidget(jobs_);
    stack->addSpacing(8);
    stack->addWidget(storesTitle_);
    stack->addWidget(storesHelp_);
    stack->addWidget(others_);
    stack->addWidget(none_);
    stack->addWidget(stores_);

    connect(file_, &QPushButton::clicked, this, [this] {
        bring(QFileDialog::getOpenFileNames(this, tr("Bring a model file"), {}, tr("Model files (*.gguf)")));
    });
    connect(folder_, &QPushButton::clicked, this, [this] {
        const QString path = QFileDialog::getExistingDirectory(this, tr("Bring a folder of models"));
        if (!path.isEmpty())
            bring({path});
    });
    connect(how_, &QComboBox::currentIndexChanged, this, [this] {
        if (!filling_ && !row_.path.isEmpty())
            emit importRequested(row_.path, ImportHow(how_->currentData().toInt()));
    });
    connect(planCards_, &CardList::acted, this, [this](const QString&, const QString& action) {
        if (action == u"dismissAll")
            waiting_.clear();
        if (action == u"go")
            emit importConfirmed();
        else
            emit importDismissed();
    });
    connect(jobs_, &CardList::acted, this, [this](const QString&, const QString& action) {
        action == u"dismiss" ? emit jobDismissed() : emit jobCancelled();
    });
    connect(others_, &QCheckBox::toggled, this, [this](bool on) {
        if (!filling_)
            emit otherStoresChanged(on);
    });
    connect(stores_, &CardList::acted, this, [this](const QString& path, const QString& action) {
        if (action == u"drop")
            emit folderDropped(path);
        else
            emit revealRequested(path);
    });
    retranslate();
}

void ImportSection::setStores(const QVector<StoreRow>& rows, bool readOthers) {
    rows_ = rows;
    const QScopedValueRollback<bool> guard(filling_, true);
    others_->setChecked(readOthers);
    refresh();
}

void ImportSection::setPlan(const ImportPlanRow& row) {
    row_ = row;
    if (row.path.isEmpty())
        leftOut_ = 0;
    refreshPlan();
    if (row.path.isEmpty())
        askNext();
}

void ImportSection::setJob(const JobRow& job) {
    job_ = job;
    refreshPlan();
}

void ImportSection::bring(const QStringList& paths, int leftOut) {
    for (const QString& path : paths)
        waiting_.removeAll(path);
    waiting_ = paths + waiting_;
    leftOut_ = leftOut;
    askNext();
}

void ImportSection::askNext() {
    if (!waiting_.isEmpty())
        emit importRequested(waiting_.takeFirst(), ImportHow::InPlace);
}

CardRow ImportSection::storeCard(const StoreRow& row) const {
    CardRow card;
    card.id = row.path;
    card.title = row.name.isEmpty() ? oneLine(row.path, 300) : row.name;
    card.state = tr("%n model(s)", nullptr, row.models);
    card.detail =
        dotted({bytesWords(row.bytes),
                row.incomplete > 0 ? tr("%n unfinished download(s) of that program left out", nullptr, row.incomplete)
                                   : QString()});
    if (!row.name.isEmpty())
        card.hint = oneLine(row.path, 1000);
    card.actions.push_back({QStringLiteral("reveal"), tr("Show the folder"), false, true, {}});
    if (row.name.isEmpty())
        card.actions.push_back({QStringLiteral("drop"), tr("Read it no more"), false, true, {}});
    return card;
}

void ImportSection::refresh() {
    QVector<CardRow> cards;
    int others = 0;
    for (const StoreRow& row : rows_) {
        cards.append(storeCard(row));
        others += row.name.isEmpty() ? 0 : 1;
    }
    none_->setVisible(others == 0 && others_->isChecked());
    stores_->setCards(cards);
}

CardRow ImportSection::planCard() const {
    CardRow card;
    card.id = row_.path;
    card.title = row_.name.isEmpty() ? oneLine(row_.path, 300) : row_.name;
    card.detail = dotted({bytesWords(row_.bytes), row_.files > 1 ? tr("%n file(s)", nullptr, row_.files) : QString()});
    QStringList lines;
    if (row_.state == LoadState::Loading) {
        lines << tr("Looking what that would do\u2026");
    } else if (row_.problem.isEmpty()) {
        if (row_.how == ImportHow::InPlace)
            lines << tr("Nothing is copied: 0 bytes are written. It is listed as long as it lies there.");
        else
            lines << tr("%1 are written to %2.").arg(bytesWords(row_.writtenBytes), oneLine(row_.target, 600));
        if (row_.how != ImportHow::InPlace && row_.freeBytes >= 0)
            lines << tr("%1 are free there.").arg(bytesWords(row_.freeBytes));
        if (row_.how == ImportHow::Move)
            lines << tr("Afterwards it no longer lies where it lies now.");
    }
    if (!waiting_.isEmpty())
        lines << tr("%n more wait(s) for its turn.", nullptr, int(waiting_.size()));
    lines << leftOutWords(leftOut_);
    card.text = sentences(lines);
    card.hint = oneLine(row_.path, 1000);
    if (!row_.duplicateOf.isEmpty())
        card.note = tr("The same bytes are in the library already, as %1.").arg(oneLine(row_.duplicateOf, 200));
    if (!row_.problem.isEmpty()) {
        card.note = row_.problem;
        card.isError = true;
    }
    const QString words[] = {tr("Read in place"), tr("Copy"), tr("Move"), tr("Link"), tr("Link")};
    card.actions.push_back({QStringLiteral("go"),
                            words[int(row_.how)],
                            true,
                            row_.state == LoadState::Ready && row_.problem.isEmpty() && !job_.running,
                            {}});
    card.actions.push_back(
        {QStringLiteral("dismiss"), waiting_.isEmpty() ? tr("Cancel") : tr("Skip"), false, true, {}});
    if (!waiting_.isEmpty())
        card.actions.push_back({QStringLiteral("dismissAll"), tr("Cancel all"), false, true, {}});
    return card;
}

void ImportSection::refreshPlan() {
    const QScopedValueRollback<bool> guard(filling_, true);
    planBox_->setVisible(!row_.path.isEmpty());
    how_->clear();
    how_->addItem(tr("Read it in place"), int(ImportHow::InPlace));
    if (!row_.folder) {
        how_->addItem(tr("Copy it into the library"), int(ImportHow::Copy));
        how_->addItem(tr("Move it into the library"), int(ImportHow::Move));
        how_->addItem(tr("Hard link: the same file under two names"), int(ImportHow::HardLink));
        how_->addItem(tr("Symbolic link: a pointer to where it lies"), int(ImportHow::SymbolicLink));
    }
    how_->select(int(row_.how), {});
    planCards_->setCards(row_.path.isEmpty() ? QVector<CardRow>() : QVector<CardRow>{planCard()});
    jobs_->setCards(jobCards(job_, tr("%1\u00A0%"), tr("Stop"), tr("Dismiss")));
}

void ImportSection::retranslate() {
    drop_->setText(tr("Drop a model file or a folder here"));
    help_->setText(tr("GGUF files, split ones too, and folders of safetensors"));
    file_->setText(tr("Choose a file\u2026"));
    folder_->setText(tr("Choose a folder\u2026"));
    storesTitle_->setText(tr("Models that are here already"));
    storesHelp_->setText(tr("Other programs' models are used where they lie. Nothing is copied, and nothing is ever "
                            "written there."));
    others_->setText(tr("Use models of other programs"));
    none_->setText(
        tr("No other program's models were found. Ollama, LM Studio, llama.cpp, GPT4All and the Hugging Face "
           "cache are looked for."));
    howField_->setWords(tr("How it is brought"));
    howHelp_->setText(tr("Before you agree nothing is changed."));
    const QScopedValueRollback<bool> guard(filling_, true);
    refresh();
    refreshPlan();
}

void ImportSection::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void ImportSection::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    QPen pen(theme_.color(Token::Outline), 1, Qt::DashLine);
    painter.setPen(pen);
    painter.setBrush(Qt::NoBrush);
    painter.drawRoundedRect(QRectF(target_->geometry()).adjusted(0.5, 0.5, -0.5, -0.5), Theme::kCardRadius,
                            Theme::kCardRadius);
}

} // namespace hearth::ui
