// Above a message's text: the space before it, the name, the line of the thoughts.
#include "ui/chat/message_details.h"
#include "ui/chat/message_layout.h"

#include <QFontMetrics>
#include <QIcon>

namespace hearth::ui {

QString MessageLayout::thoughtsTitle() const {
    const int seconds = qRound(document_.thinkingSeconds(index_));
    if (thinking())
        return seconds > 0 ? tr("Thinking %1 s").arg(seconds) : tr("Thinking");
    return seconds > 0 ? tr("Thought for %1 s").arg(seconds) : tr("Thoughts");
}

QString MessageLayout::lastThought() const {
    const QStringView all = document_.source(index_, Part::Thoughts);
    QStringView end = all.right(400).trimmed();
    if (const qsizetype newline = end.lastIndexOf(u'\n'); newline >= 0)
        end = end.mid(newline + 1);
    const QFontMetrics metrics(type_.font(TextStyle::Interface, false));
    return metrics.elidedText(singleLine(end.toString()), Qt::ElideLeft, column_.width - kThoughtIndent - 2);
}

/// The space kept for a message's actions is part of the space below it.
int MessageLayout::turnGap() const {
    if (index_ == 0)
        return kTurnGap;
    const Role before = document_.message(index_ - 1).role;
    return before == Role::Assistant ? kTurnGap / 2 : before == Role::User ? 0 : kTurnGap;
}

int MessageLayout::thoughtsTitleTop() const {
    return turnGap() + (showName_ && !row().model.isEmpty() ? type_.pitch(TextStyle::Small) + 4 : 0);
}

QRect MessageLayout::thoughtsTitleRect() const {
    const int width = QFontMetrics(type_.font(TextStyle::Interface, false)).horizontalAdvance(thoughtsTitle());
    return QRect(column_.left + kThoughtIndent + 2, thoughtsTitleTop(), width + 24, type_.pitch(TextStyle::Interface));
}

void MessageLayout::paintHead(QPainter& painter, const PaintState& state) const {
    const Theme& theme = type_.theme();
    if (!isUser() && showName_ && !row().model.isEmpty())
        paintLine(painter, QRect(column_.left, turnGap(), column_.width, type_.pitch(TextStyle::Small)),
                  TextStyle::Small, Token::Third, row().model);
    if (isUser() || !hasThoughts())
        return;
    const int line = type_.pitch(TextStyle::Interface);
    const int top = thoughtsTitleTop();
    const int bottom = thoughtsOpen_ ? thoughtsTop() + thoughtsHeight() : top + line + (thinking() ? line : 0);
    painter.fillRect(QRect(column_.left, top, 2, bottom - top), theme.color(Token::Hairline));
    const QRect title = thoughtsTitleRect();
    const bool lit = state.hovered && state.hovered->kind == TargetKind::Thoughts && state.hovered->message == index_;
    paintLine(painter, title, TextStyle::Interface, lit ? Token::Text : Token::Second, thoughtsTitle());
    const int icon = 14;
    theme
        .icon(thoughtsOpen_ ? QStringLiteral("chevron-down") : QStringLiteral("chevron-right"),
              lit ? Token::Text : Token::Second)
        .paint(&painter, QRect(title.right() - 22, top + (line - icon) / 2, icon, icon));
    if (thinking() && !thoughtsOpen_)
        paintLine(painter, QRect(title.left(), top + line, column_.width - kThoughtIndent - 2, line),
                  TextStyle::Interface, Token::Third, lastThought());
}

} // namespace hearth::ui
