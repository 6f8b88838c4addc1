#include "ui/status_line.h"

#include "ui/label.h"
#include "ui/text_line.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLocale>

#include <algorithm>
#include <cmath>

namespace hearth::ui {

namespace {

int percent(double share) {
    return std::isfinite(share) ? static_cast<int>(std::floor(std::clamp(share, 0.0, 1.0) * 100)) : 0;
}

} // namespace

StatusLine::StatusLine(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), left_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::One, this)),
      right_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::One, this)) {
    auto* line = new QHBoxLayout(this);
    line->setContentsMargins(16, 0, 16, 0);
    line->setSpacing(16);
    line->addWidget(left_, 1);
    line->addWidget(right_, 0);
    right_->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    connect(&theme, &Theme::changed, this, &StatusLine::measure);
    measure();
}

void StatusLine::measure() {
    setFixedHeight(theme_.statusHeight());
}

QString StatusLine::words(const StatusRow& row) {
    switch (row.phase) {
    case Phase::Idle:
        return {};
    case Phase::Loading:
        return tr("Loading model %1\u00A0%").arg(percent(row.progress));
    case Phase::Reading:
        return tr("Reading %1\u00A0%").arg(percent(row.progress));
    case Phase::Waiting:
        return tr("Waiting for %1").arg(oneLine(row.host, 100));
    case Phase::Writing:
        return tr("Writing");
    }
    return {};
}

QString StatusLine::figures(const StatusRow& row) {
    const QLocale locale;
    QStringList parts;
    if (row.tokensPerSecond > 0 && std::isfinite(row.tokensPerSecond))
        parts << tr("%1 t/s").arg(locale.toString(row.tokensPerSecond, 'f', row.tokensPerSecond < 100 ? 1 : 0));
    if (row.contextAvailable > 0)
        parts << (row.about ? tr("about %1 / %2") : tr("%1 / %2"))
                     .arg(locale.toString(row.contextUsed), locale.toString(row.contextAvailable));
    if (!row.backend.isEmpty() && (!parts.isEmpty() || row.phase != Phase::Idle))
        parts << row.backend;
    return parts.join(QStringLiteral(" \u00B7 "));
}

void StatusLine::setStatus(const StatusRow& row) {
    row_ = row;
    refresh();
}

void StatusLine::refresh() {
    const auto set = [](Label& label, const QString& text) {
        if (label.text() != text)
            label.setText(text);
    };
    set(*left_, words(row_));
    set(*right_, figures(row_));
    right_->setToolTip(row_.contextAvailable > 0
                           ? tr("Speed, tokens of the context in use and available, and what computes")
                           : QString());
}

void StatusLine::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        refresh();
}

} // namespace hearth::ui
