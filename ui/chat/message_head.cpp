// Above a message's text: the space before it, the name, the line of the thoughts.
#include "ui/chat/message_details.h"
#include "ui/chat/message_layout.h"

#include <QFontMetrics>
#include <QIcon>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kHeadIcon = 14; // px

} // namespace

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

/// Who wrote it, where that is new; that it came from elsewhere, always, and whole: the name makes room for it.
QString MessageLayout::headWords() const {
    if (isUser() || row().remote.isEmpty())
        return isUser() ? QString() : MessageDetails::speaker(row(), showName_);
    const QFontMetrics metrics(type_.font(TextStyle::Small, false));
    const QString mark = MessageDetails::leavingMark(row()), between = QStringLiteral(" · ");
    const int room = column_.width - kHeadIcon - 4 - metrics.horizontalAdvance(between + mark);
    const QString name = metrics.elidedText(singleLine(row().model), Qt::ElideRight, std::max(0, room));
    return name.isEmpty() ? mark : name + between + mark;
}

int MessageLayout::thoughtsTitleTop() const {
    return turnGap() + (headText_.isEmpty() ? 0 : type_.pitch(TextStyle::Small) + 4);
}

QRect MessageLayout::thoughtsTitleRect() const {
    const int width = QFontMetrics(type_.font(TextStyle::Interface, false)).horizontalAdvance(thoughtsTitle());
    return QRect(column_.left + kThoughtIndent + 2, thoughtsTitleTop(), width + 24, type_.pitch(TextStyle::Interface));
}

void MessageLayout::paintHead(QPainter& painter, const PaintState& state) const {
    const Theme& theme = type_.theme();
    if (!headText_.isEmpty()) {
        const int line = type_.pitch(TextStyle::Small), icon = kHeadIcon;
        int left = column_.left;
        if (!row().remote.isEmpty()) {
            theme.icon(QStringLiteral("remote"), Token::Warning)
                .paint(&painter, QRect(left, turnGap() + (line - icon) / 2, icon, icon));
            left += icon + 4;
        }
        paintLine(painter, QRect(left, turnGap(), column_.left + column_.width - left, line), TextStyle::Small,
                  row().remote.isEmpty() ? Token::Third : Token::Second, headText_);
    }
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
