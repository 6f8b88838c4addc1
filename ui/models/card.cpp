#include "ui/models/card.h"

#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/models/model_words.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QAccessible>
#include <QEvent>
#include <QHBoxLayout>
#include <QPainter>
#include <QPushButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace hearth::ui {

namespace {

constexpr int kPillPadding = 8, kPillIcon = 16; // px at 100 %
constexpr int kCardPadding = 12;

struct PillLook {
    const char* icon;
    Token token;
};

PillLook pillLook(FitKind kind) {
    switch (kind) {
    case FitKind::Gpu:
    case FitKind::GpuAndMemory:
    case FitKind::Memory:
        return {"check", Token::Good};
    case FitKind::Slow:
        return {"warning", Token::Warning};
    case FitKind::WillNotFit:
        return {"close", Token::Error};
    case FitKind::Unknown:
        break;
    }
    return {"info", Token::Second};
}

/// The sign before a sentence.
class Sign : public QWidget {
public:
    Sign(const Theme& theme, QWidget* parent) : QWidget(parent), theme_(theme) {}

    void setError(bool error) {
        error_ = error;
        update();
    }

    QSize sizeHint() const override { return {theme_.iconSize(), theme_.lineHeight(TextStyle::Interface)}; }

    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        const int side = theme_.iconSize();
        theme_.icon(QLatin1String(error_ ? "warning" : "info"), error_ ? Token::Error : Token::Second)
            .paint(&painter, QRect(0, (sizeHint().height() - side) / 2, side, side));
    }

private:
    const Theme& theme_;
    bool error_ = false;
};

} // namespace

FitPill::FitPill(const Theme& theme, QWidget* parent) : QWidget(parent), theme_(theme) {
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    connect(&theme, &Theme::changed, this, [this] {
        updateGeometry();
        update();
    });
    describe();
}

void FitPill::setFit(const FitRow& fit, bool judging) {
    fit_ = fit;
    judging_ = judging;
    describe();
}

void FitPill::describe() {
    if (judging_)
        words_ = tr("Looking whether it fits\u2026");
    else if (fit_.rough && fit_.kind != FitKind::Unknown)
        words_ = tr("%1 (estimate)").arg(fitName(fit_.kind));
    else
        words_ = fitName(fit_.kind);
    setAccessibleName(words_);
    updateGeometry();
    update();
}

QSize FitPill::sizeHint() const {
    const QFontMetrics metrics(theme_.font(TextStyle::Small));
    const int icon = theme_.iconSize() * kPillIcon / 20;
    return {metrics.horizontalAdvance(words_) + icon + 4 + 2 * kPillPadding + 2,
            theme_.lineHeight(TextStyle::Small) + 8};
}

void FitPill::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    const PillLook look = pillLook(judging_ ? FitKind::Unknown : fit_.kind);
    drawRounded(painter, rect(), height() / 2.0, theme_.color(Token::Surface), theme_.color(look.token));
    const int icon = theme_.iconSize() * kPillIcon / 20;
    theme_.icon(QLatin1String(look.icon), look.token)
        .paint(&painter, QRect(kPillPadding, (height() - icon) / 2, icon, icon));
    painter.setFont(theme_.font(TextStyle::Small));
    painter.setPen(theme_.color(look.token));
    const int left = kPillPadding + icon + 4;
    drawTextLine(painter, QRect(left, 0, width() - left - kPillPadding + 2, height()), words_);
}

void FitPill::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        describe();
}

ProgressLine::ProgressLine(const Theme& theme, QWidget* parent) : QWidget(parent), theme_(theme) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void ProgressLine::setProgress(double progress) {
    progress_ = std::isfinite(progress) ? std::clamp(progress, 0.0, 1.0) : 0.0;
    setAccessibleName(tr("%1\u00A0% done").arg(int(std::floor(progress_ * 100))));
    update();
}

void ProgressLine::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    drawRounded(painter, rect(), kHeight / 2.0, theme_.color(Token::Hairline), {});
    QRectF done = rect();
    done.setWidth(std::max<qreal>(kHeight, done.width() * progress_));
    if (progress_ > 0)
        drawRounded(painter, done, kHeight / 2.0, theme_.color(Token::Accent), {});
}

Card::Card(const Theme& theme, const CardRow& row, QWidget* parent) : QFrame(parent), theme_(theme), row_(row) {
    const auto label = [&](TextStyle style, Token token, Label::Lines lines, QWidget* on) {
        return new Label(theme, style, token, lines, on);
    };
    title_ = label(TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this);
    title_->setBold(true);
    mark_ = label(TextStyle::Interface, Token::Accent, Label::Lines::One, this);
    state_ = label(TextStyle::Interface, Token::Second, Label::Lines::One, this);
    detail_ = label(TextStyle::Small, Token::Second, Label::Lines::Wrapped, this);
    text_ = label(TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this);
    noteRow_ = new QWidget(this);
    note_ = label(TextStyle::Interface, Token::Text, Label::Lines::Wrapped, noteRow_);
    hint_ = label(TextStyle::Small, Token::Second, Label::Lines::Wrapped, this);
    pill_ = new FitPill(theme, this);
    fitWords_ = label(TextStyle::Small, Token::Second, Label::Lines::Wrapped, this);
    bar_ = new ProgressLine(theme, this);
    buttonRow_ = new QWidget(this);
    buttonRow_->setLayout(new FlowLayout(8));

    auto* head = new QHBoxLayout;
    head->setSpacing(12);
    head->addWidget(title_, 1);
    head->addWidget(mark_, 0, Qt::AlignTop);
    head->addWidget(state_, 0, Qt::AlignTop);
    auto* noteLine = new QHBoxLayout(noteRow_);
    noteLine->setContentsMargins(0, 0, 0, 0);
    noteLine->setSpacing(8);
    noteLine->addWidget(new Sign(theme, noteRow_), 0, Qt::AlignTop);
    noteLine->addWidget(note_, 1);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(kCardPadding, kCardPadding, kCardPadding, kCardPadding);
    stack->setSpacing(8);
    stack->addLayout(head);
    stack->addWidget(detail_);
    stack->addWidget(text_);
    stack->addWidget(pill_, 0, Qt::AlignLeft);
    stack->addWidget(fitWords_);
    stack->addWidget(bar_);
    stack->addWidget(noteRow_);
    stack->addWidget(hint_);
    stack->addWidget(buttonRow_);
    makeButtons();
    fill();
}

void Card::setRow(const CardRow& row) {
    const auto same = [](const CardRow::Action& a, const CardRow::Action& b) {
        return a.id == b.id && a.primary == b.primary && a.icon == b.icon;
    };
    const bool buttons =
        std::equal(row_.actions.begin(), row_.actions.end(), row.actions.begin(), row.actions.end(), same);
    row_ = row;
    if (!buttons)
        makeButtons();
    fill();
}

// One of the old ones may be what called.
void Card::makeButtons() {
    for (QPushButton* button : buttons_) {
        button->hide();
        buttonRow_->layout()->removeWidget(button);
        button->deleteLater();
    }
    buttons_.clear();
    for (const CardRow::Action& action : row_.actions) {
        auto* button = new QPushButton(buttonRow_);
        if (!action.icon.isEmpty())
            button->setIcon(theme_.icon(action.icon, action.primary ? Token::OnAccent : Token::Text));
        if (action.primary)
            setButtonLook(*button, ButtonLook::Primary);
        connect(button, &QPushButton::clicked, this, [this, id = action.id] { emit acted(row_.id, id); });
        buttonRow_->layout()->addWidget(button);
        button->show();
        buttons_.push_back(button);
    }
}

void Card::fill() {
    const auto put = [](Label* label, const QString& text) {
        if (label->text() != text)
            label->setText(text);
        label->setVisible(!text.isEmpty());
    };
    put(title_, oneLine(row_.title, 200));
    put(mark_, row_.mark);
    put(state_, row_.state);
    put(detail_, row_.detail);
    put(text_, row_.text);
    put(hint_, row_.hint);
    put(note_, row_.note);
    noteRow_->setVisible(!row_.note.isEmpty());
    static_cast<Sign*>(noteRow_->layout()->itemAt(0)->widget())->setError(row_.isError);
    pill_->setVisible(row_.showsFit);
    pill_->setFit(row_.fit, row_.judging);
    QString words = row_.showsFit ? row_.fit.words : QString();
    if (row_.showsFit && row_.fit.tokensPerSecond > 0)
        words = sentences({words, tr("About %1 are expected.").arg(speedWords(row_.fit.tokensPerSecond))});
    put(fitWords_, words);
    bar_->setVisible(row_.progress >= 0);
    if (row_.progress >= 0)
        bar_->setProgress(row_.progress);
    buttonRow_->setVisible(!buttons_.isEmpty());
    for (int i = 0; i < buttons_.size(); ++i) {
        buttons_[i]->setText(row_.actions[i].label);
        buttons_[i]->setAccessibleName(tr("%1: %2").arg(row_.actions[i].label, oneLine(row_.title, 200)));
        buttons_[i]->setEnabled(row_.actions[i].enabled);
    }
    setAccessibleName(dotted({oneLine(row_.title, 200), row_.mark, row_.state, row_.detail,
                              row_.showsFit ? fitName(row_.fit.kind) : QString(), row_.note}));
}

QPushButton* Card::button(const QString& action) const {
    for (int i = 0; i < buttons_.size(); ++i)
        if (row_.actions[i].id == action)
            return buttons_[i];
    return nullptr;
}

void Card::setExtra(QWidget* extra) {
    if (extra_) {
        extra_->hide();
        layout()->removeWidget(extra_);
        extra_->deleteLater();
    }
    extra_ = extra;
    if (extra_) {
        layout()->addWidget(extra_);
        extra_->show();
    }
}

void Card::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    drawRounded(painter, rect(), Theme::kCodeRadius, theme_.color(Token::Window), theme_.color(Token::Hairline));
}

CardList::CardList(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), layout_(new QVBoxLayout(this)) {
    layout_->setContentsMargins(0, 0, 0, 0);
    layout_->setSpacing(8);
}

// The same things again keep their widgets and with them the focus.
void CardList::setCards(const QVector<CardRow>& rows) {
    QVector<Card*> before = std::exchange(cards_, {});
    for (int i = 0; i < rows.size(); ++i) {
        const auto old = std::find_if(before.begin(), before.end(),
                                      [&](const Card* card) { return card && card->row().id == rows[i].id; });
        Card* card = nullptr;
        if (old != before.end()) {
            card = *old;
            *old = nullptr;
            card->setRow(rows[i]);
            if (layout_->indexOf(card) != i)
                layout_->insertWidget(i, card);
        } else {
            card = new Card(theme_, rows[i], this);
            connect(card, &Card::acted, this, &CardList::acted);
            layout_->insertWidget(i, card);
            card->show();
        }
        cards_.push_back(card);
    }
    for (Card* card : before) {
        if (!card)
            continue;
        card->hide();
        layout_->removeWidget(card);
        card->deleteLater(); // its own button may have brought us here
    }
    setVisible(!cards_.isEmpty());
}

Card* CardList::card(const QString& id) const {
    for (Card* card : cards_)
        if (card->row().id == id)
            return card;
    return nullptr;
}

QVector<CardRow> jobCards(const JobRow& job, const QString& percent, const QString& stop, const QString& dismiss) {
    if (!job.running && job.problem.isEmpty())
        return {};
    CardRow card;
    card.id = QStringLiteral("job");
    card.title = job.title;
    card.note = job.problem;
    card.isError = !job.problem.isEmpty();
    if (job.running) {
        card.progress = job.progress;
        card.state = percent.arg(int(std::clamp(job.progress, 0.0, 1.0) * 100));
        card.actions.push_back({QStringLiteral("stop"), stop, false, true, {}});
    } else {
        card.actions.push_back({QStringLiteral("dismiss"), dismiss, false, true, {}});
    }
    return {card};
}

} // namespace hearth::ui
