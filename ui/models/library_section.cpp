#include "ui/models/library_section.h"

#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/defaults_editor.h"
#include "ui/models/model_list.h"
#include "ui/models/model_words.h"
#include "ui/models/remote_section.h"
#include "ui/text_line.h"

#include <QEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QPushButton>
#include <QVBoxLayout>

#include <algorithm>

namespace hearth::ui {

LibrarySection::LibrarySection(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme),
      help_(new Label(theme, TextStyle::Interface, Token::Second, Label::Lines::Wrapped, this)),
      folderLabel_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::Wrapped, this)),
      none_(new Label(theme, TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this)),
      trashTitle_(new Label(theme, TextStyle::Heading3, Token::Text, Label::Lines::Wrapped, this)),
      open_(new QPushButton(this)), discover_(new QPushButton(this)), reveal_(new QPushButton(this)),
      move_(new QPushButton(this)), models_(new CardList(theme, this)), trashed_(new CardList(theme, this)),
      jobs_(new CardList(theme, this)), remotes_(new RemoteSection(theme, this)) {
    trashTitle_->setBold(true);
    open_->setIcon(theme.icon(QStringLiteral("open-file"), Token::Text));
    discover_->setIcon(theme.icon(QStringLiteral("search"), Token::Text));
    reveal_->setIcon(theme.icon(QStringLiteral("reveal"), Token::Text));
    move_->setIcon(theme.icon(QStringLiteral("folder"), Token::Text));
    connect(open_, &QPushButton::clicked, this, &LibrarySection::openFileRequested);
    connect(discover_, &QPushButton::clicked, this, &LibrarySection::discoverRequested);
    connect(reveal_, &QPushButton::clicked, this, [this] { emit revealRequested(folder_); });
    connect(move_, &QPushButton::clicked, this, &LibrarySection::chooseFolder);
    connect(models_, &CardList::acted, this, &LibrarySection::act);
    connect(trashed_, &CardList::acted, this, [this](const QString& id) { emit restoreRequested(id); });
    connect(jobs_, &CardList::acted, this, [this](const QString&, const QString& action) {
        action == u"dismiss" ? emit jobDismissed() : emit jobCancelled();
    });
    connect(remotes_, &RemoteSection::picked, this, &LibrarySection::picked);

    auto* buttons = new FlowLayout(8);
    for (QPushButton* button : {discover_, open_, reveal_, move_})
        buttons->addWidget(button);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(0);
    stack->addWidget(help_);
    stack->addSpacing(4);
    stack->addWidget(folderLabel_);
    stack->addSpacing(16);
    stack->addLayout(buttons);
    stack->addSpacing(16);
    stack->addWidget(jobs_);
    stack->addSpacing(8);
    stack->addWidget(none_);
    stack->addWidget(models_);
    stack->addSpacing(24);
    stack->addWidget(remotes_);
    stack->addSpacing(24);
    stack->addWidget(trashTitle_);
    stack->addSpacing(8);
    stack->addWidget(trashed_);
    retranslate();
}

void LibrarySection::setModels(const QVector<ModelRow>& rows) {
    rows_ = rows;
    refresh();
}

void LibrarySection::updateModel(const ModelRow& row) {
    const auto old = std::find_if(rows_.begin(), rows_.end(), [&](const ModelRow& r) { return r.path == row.path; });
    if (old != rows_.end())
        *old = row;
    else
        rows_.append(row);
    refresh();
}

void LibrarySection::setDetails(const ModelDetailsRow& details) {
    details_.insert(details.path, details);
    if (editor_ && opened_ == details.path)
        editor_->setDetails(details);
    refresh();
}

void LibrarySection::setCurrent(const QString& path) {
    current_ = path;
    remotes_->setCurrent(path);
    refresh();
}

void LibrarySection::setFolder(const QString& path) {
    folder_ = path;
    refresh();
}

void LibrarySection::refreshFolder() {
    reveal_->setEnabled(QFileInfo(folder_).isDir());
}

void LibrarySection::setTrash(const QVector<TrashRow>& rows) {
    trash_ = rows;
    refreshTrash();
}

void LibrarySection::setJob(const JobRow& job) {
    job_ = job;
    refreshJob();
}

void LibrarySection::refresh() {
    const auto isHere = [](const ModelRow& row) { return row.remote.isEmpty(); };
    none_->setVisible(std::none_of(rows_.begin(), rows_.end(), isHere));
    folderLabel_->setText(oneLine(folder_, 1000));
    folderLabel_->setVisible(!folder_.isEmpty());
    reveal_->setVisible(!folder_.isEmpty());
    refreshFolder();
    move_->setVisible(!folder_.isEmpty());
    const QDateTime now = QDateTime::currentDateTime();
    QVector<CardRow> cards;
    for (const ModelRow& model : rows_) {
        if (!isHere(model)) // they have a group of their own
            continue;
        const ModelDetailsRow details = details_.value(model.path);
        const bool known = !details.path.isEmpty();
        const bool current = model.path == current_;
        CardRow card;
        card.id = model.path;
        card.title = model.name;
        card.mark = current && details.problem.isEmpty() ? tr("In use here") : QString(); // a broken one answers nobody
        card.state = details.problem.isEmpty() ? modelStateWords(model) : QString();
        card.detail = known && !details.facts.isEmpty() ? dotted(details.facts) : oneLine(model.detail, 300);
        QStringList about;
        if (known) {
            about << (details.licence.isEmpty() ? tr("licence not told") : tr("licence %1").arg(details.licence));
            about << (details.store.isEmpty() ? (details.own ? QString() : tr("read in place"))
                                              : tr("read in place from %1").arg(details.store));
            if (details.lastUsed.isValid() || model.state == ModelState::NotLoaded) // what is loaded is in use
                about << usedWords(details.lastUsed, now);
            if (details.tokensPerSecond > 0)
                about << tr("%1 measured").arg(speedWords(details.tokensPerSecond));
        }
        card.hint = dotted(about);
        if (known && !details.templateNote.isEmpty())
            card.hint += (card.hint.isEmpty() ? QString() : QStringLiteral("\n")) + details.templateNote;
        const QString shownPath = oneLine(model.path, 1000);
        card.hint += (card.hint.isEmpty() ? QString() : QStringLiteral("\n")) + shownPath;
        card.note = details.problem;
        card.isError = !details.problem.isEmpty();
        card.showsFit = known && details.fit.kind != FitKind::Unknown && model.state == ModelState::NotLoaded;
        card.fit = details.fit;
        if (model.state == ModelState::Loading) {
            card.progress = model.progress;
            card.actions.push_back({QStringLiteral("cancel"), tr("Cancel loading"), false, true, {}});
        } else if (model.state != ModelState::Missing && details.problem.isEmpty()) {
            if (!current || model.state == ModelState::NotLoaded)
                card.actions.push_back({QStringLiteral("use"), tr("Use in this chat"), !current, true, {}});
            if (model.state == ModelState::Loaded)
                card.actions.push_back({QStringLiteral("unload"), tr("Free its memory"), false, true, {}});
        }
        if (known && details.problem.isEmpty())
            card.actions.push_back({QStringLiteral("defaults"),
                                    opened_ == model.path ? tr("Close its defaults") : tr("Its defaults\u2026"),
                                    false,
                                    true,
                                    {}});
        if (model.state != ModelState::Missing)
            card.actions.push_back({QStringLiteral("reveal"), tr("Show the file"), false, true, {}});
        if (known || model.state == ModelState::Missing) {
            if (details.own && model.state != ModelState::Missing)
                card.actions.push_back({QStringLiteral("delete"), tr("Delete"), false, true, {}});
            else
                card.actions.push_back({QStringLiteral("forget"), tr("Take off the list"), false, true, {}});
        }
        cards.append(card);
    }
    models_->setCards(cards);
}

void LibrarySection::refreshTrash() {
    trashTitle_->setVisible(!trash_.isEmpty());
    QVector<CardRow> cards;
    for (const TrashRow& row : trash_) {
        CardRow card;
        card.id = row.id;
        card.title = row.name;
        card.detail =
            dotted({bytesWords(row.bytes), tr("goes for good in %n day(s)", nullptr, std::max(0, row.daysLeft))});
        card.actions.push_back({QStringLiteral("restore"), tr("Restore"), false, true, QStringLiteral("undo")});
        cards.append(card);
    }
    trashed_->setCards(cards);
}

void LibrarySection::refreshJob() {
    jobs_->setCards(jobCards(job_, tr("%1\u00A0%"), tr("Stop"), tr("Dismiss")));
    move_->setEnabled(!job_.running);
}

void LibrarySection::act(const QString& path, const QString& action) {
    if (action == u"use")
        emit picked(path);
    else if (action == u"cancel")
        emit loadCancelled(path);
    else if (action == u"unload")
        emit unloadRequested(path);
    else if (action == u"defaults")
        openDefaults(opened_ == path ? QString() : path);
    else if (action == u"reveal")
        emit revealRequested(path);
    else if (action == u"delete")
        emit deleteRequested(path);
    else if (action == u"forget")
        emit forgetRequested(path);
}

void LibrarySection::openDefaults(const QString& path) {
    if (Card* before = models_->card(opened_); before && editor_)
        before->setExtra(nullptr);
    opened_.clear();
    if (Card* card = models_->card(path); card && details_.contains(path)) {
        opened_ = path;
        editor_ = new DefaultsEditor(theme_, card);
        editor_->setDetails(details_.value(path));
        connect(editor_, &DefaultsEditor::changed, this, [this, path](const ModelDefaultsRow& row) {
            details_[path].defaults = row;
            emit defaultsChanged(path, row);
        });
        card->setExtra(editor_);
    }
    refresh();
}

void LibrarySection::chooseFolder() {
    const QString path = QFileDialog::getExistingDirectory(this, tr("Move the models to"), folder_);
    if (!path.isEmpty() && path != folder_)
        emit storeMoveRequested(path);
}

void LibrarySection::retranslate() {
    help_->setText(tr("A model is one file (.gguf). Put it into the model folder, or open it where it lies: it is read "
                      "in place and never changed."));
    none_->setText(tr("No model here yet."));
    open_->setText(tr("Open a model file\u2026"));
    discover_->setText(tr("Discover models"));
    reveal_->setText(tr("Show the model folder"));
    move_->setText(tr("Move all models\u2026"));
    trashTitle_->setText(tr("Deleted models"));
    refresh();
    refreshTrash();
    refreshJob();
}

void LibrarySection::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refreshFolder();
}

void LibrarySection::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
