#include "ui/models/downloads_section.h"

#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/fields.h"
#include "ui/models/model_words.h"

#include <QEvent>
#include <QScopedValueRollback>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace hearth::ui {

namespace {

constexpr qint64 kLimits[] = {500'000, 1'000'000, 2'000'000, 5'000'000, 10'000'000, 20'000'000, 50'000'000};

} // namespace

DownloadsSection::DownloadsSection(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme),
      help_(new Label(theme, TextStyle::Interface, Token::Second, Label::Lines::Wrapped, this)),
      none_(new Label(theme, TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this)), limitBox_(new Choice),
      limitField_(new LabelledField(theme, limitBox_, 0, this)), cards_(new CardList(theme, this)) {
    connect(cards_, &CardList::acted, this, &DownloadsSection::act);
    connect(limitBox_, &QComboBox::currentIndexChanged, this, [this] {
        if (filling_)
            return;
        limit_ = limitBox_->currentData().toLongLong();
        emit rateLimitChanged(limit_);
    });
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(16);
    stack->addWidget(help_);
    stack->addWidget(limitField_, 0, Qt::AlignLeft);
    stack->addWidget(none_);
    stack->addWidget(cards_);
    retranslate();
}

void DownloadsSection::setDownloads(const QVector<DownloadRow>& rows) {
    rows_ = rows;
    refresh();
    emit countChanged();
}

void DownloadsSection::updateDownload(const DownloadRow& row) {
    const auto old = std::find_if(rows_.begin(), rows_.end(), [&](const DownloadRow& r) { return r.id == row.id; });
    if (old == rows_.end()) {
        rows_.append(row);
        setDownloads(rows_);
        return;
    }
    const bool counted = (old->state == DownloadState::Finished) != (row.state == DownloadState::Finished);
    *old = row;
    const int place = int(old - rows_.begin());
    if (Card* card = cards_->card(row.id))
        card->setRow(cardOf(row, place, int(rows_.size())));
    if (counted) {
        refresh(); // the others' places in the queue
        emit countChanged();
    }
}

void DownloadsSection::setRateLimit(qint64 bytesPerSecond) {
    limit_ = bytesPerSecond;
    retranslate();
}

int DownloadsSection::unfinished() const {
    return int(std::count_if(rows_.begin(), rows_.end(),
                             [](const DownloadRow& r) { return r.state != DownloadState::Finished; }));
}

CardRow DownloadsSection::cardOf(const DownloadRow& row, int place, int count) const {
    using State = DownloadState;
    CardRow card;
    card.id = row.id;
    card.title = row.title;
    const double part = row.total > 0 ? std::clamp(double(row.bytes) / double(row.total), 0.0, 1.0) : 0;
    const QString percent = tr("%1\u00A0%").arg(int(std::floor(part * 100)));
    const QString bytes = tr("%1 of %2").arg(bytesWords(row.bytes), bytesWords(row.total));
    card.note = row.notice;
    card.isError = row.state == State::Failed;
    const auto add = [&card](const char* id, const QString& label, bool primary = false) {
        card.actions.push_back({QString::fromLatin1(id), label, primary, true, {}});
    };
    switch (row.state) {
    case State::Waiting:
        card.state = tr("Waiting");
        card.detail = bytes;
        card.progress = part;
        add("pause", tr("Pause"));
        break;
    case State::Running:
        card.state = percent;
        card.detail = dotted({bytes, rateWords(row.bytesPerSecond),
                              row.secondsLeft >= 0 ? tr("%1 left").arg(durationWords(row.secondsLeft)) : QString()});
        card.progress = part;
        add("pause", tr("Pause"));
        break;
    case State::Checking:
        card.state = tr("Checking");
        card.detail = tr("Every byte is compared with what the hub promised.");
        card.progress = row.checked;
        break;
    case State::Paused:
        card.state = tr("Paused");
        card.detail = dotted({percent, bytes});
        card.progress = part;
        add("resume", tr("Go on"), true);
        break;
    case State::Failed:
        card.state = tr("Stopped");
        card.detail = dotted({percent, bytes});
        card.progress = part;
        if (row.gated)
            add("page", tr("Accept its licence\u2026"), true);
        add("resume", tr("Try again"), !row.gated);
        break;
    case State::Finished:
        card.state = tr("Finished");
        card.detail = bytesWords(row.total);
        add("use", tr("Use now"), true);
        add("cancel", tr("Take off the list"));
        return card;
    }
    if (place > 0)
        add("up", tr("Sooner"));
    if (place + 1 < count)
        add("down", tr("Later"));
    add("cancel", tr("Cancel and delete"));
    return card;
}

void DownloadsSection::refresh() {
    none_->setVisible(rows_.isEmpty());
    QVector<CardRow> cards;
    for (int i = 0; i < rows_.size(); ++i)
        cards.append(cardOf(rows_[i], i, int(rows_.size())));
    cards_->setCards(cards);
}

void DownloadsSection::act(const QString& id, const QString& action) {
    const auto row = std::find_if(rows_.begin(), rows_.end(), [&](const DownloadRow& r) { return r.id == id; });
    if (row == rows_.end())
        return;
    const int place = int(row - rows_.begin());
    const DownloadRow download = *row; // a slot may change the list
    if (action == u"pause")
        emit pauseRequested(id);
    else if (action == u"resume")
        emit resumeRequested(id);
    else if (action == u"cancel")
        emit cancelRequested(id);
    else if (action == u"up")
        emit moveRequested(id, place - 1);
    else if (action == u"down")
        emit moveRequested(id, place + 1);
    else if (action == u"use")
        emit useRequested(download.path);
    else if (action == u"page")
        emit pageRequested(download.hub, download.model);
}

void DownloadsSection::retranslate() {
    help_->setText(tr("Downloads go on where they stopped, after a restart too. A model enters the library when every "
                      "byte of it was checked."));
    none_->setText(tr("Nothing is being downloaded."));
    limitField_->setWords(tr("Speed at most"));
    const QScopedValueRollback<bool> guard(filling_, true);
    limitBox_->clear();
    limitBox_->addItem(tr("As fast as it goes"), qint64(0));
    for (const qint64 limit : kLimits)
        limitBox_->addItem(rateWords(double(limit)), limit);
    limitBox_->select(limit_, rateWords(double(limit_)));
    refresh();
}

void DownloadsSection::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
