// Below a message's text: how it ended, its details, what can be done with it.
#include "ui/chat/message_details.h"
#include "ui/chat/message_layout.h"

#include <QDateTime>
#include <QFontMetrics>
#include <QIcon>
#include <QLocale>

#include <algorithm>
#include <cmath>

namespace hearth::ui {

int MessageLayout::noteTop() const {
    return footTop() + gapBelow(blocks(Part::Body), voice(Part::Body)) + 8;
}

void MessageLayout::paintFoot(QPainter& painter, const PaintState& state) const {
    if (!isUser() && noteHeight_ > 0)
        paintNote(painter);
    for (const Target& t : footTargets(state.active))
        paintFootTarget(painter, state, t);
    if (details_) {
        const int small = type_.pitch(TextStyle::Small);
        const QStringList lines = MessageDetails::lines(document_, index_);
        int y = footLineTop() - int(lines.size()) * small;
        for (const QString& line : lines) {
            paintLine(painter, QRect(column_.left, y, column_.width, small), TextStyle::Small, Token::Third, line,
                      isUser() ? Qt::AlignRight : Qt::AlignLeft);
            y += small;
        }
    }
    paintFootLine(painter, state);
}

/// Why the answer stopped or failed; empty: it did not.
QString MessageLayout::noteText() const {
    const QString note = singleLine(row().note);
    switch (row().state) {
    case MessageState::Interrupted:
        return note.isEmpty() ? tr("Interrupted") : tr("Interrupted") + QStringLiteral(" · ") + note;
    case MessageState::Failed:
        return note.isEmpty() ? tr("The reply failed.") : note;
    default:
        return note;
    }
}

/// Returns its lines, which stand at the pitch of all others.
int MessageLayout::layNote(QTextLayout& layout) const {
    const TextStyle style = TextStyle::Interface;
    layout.setText(noteText());
    layout.setFont(type_.font(style, false));
    layout.setFormats(type_.formats(layout.text(), {}, style, false));
    QTextOption option;
    option.setWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
    layout.setTextOption(option);
    int lines = 0;
    layout.beginLayout();
    for (QTextLine line = layout.createLine(); line.isValid(); line = layout.createLine()) {
        line.setLineWidth(column_.width - 28);
        line.setPosition(QPointF(0, lines++ * type_.pitch(style) + type_.baseline(style) - line.ascent()));
    }
    layout.endLayout();
    return lines;
}

void MessageLayout::paintNote(QPainter& painter) const {
    const Theme& theme = type_.theme();
    const bool failed = row().state == MessageState::Failed;
    const Token token = failed ? Token::Error : Token::Second;
    int left = column_.left;
    if (failed) {
        theme.icon(QStringLiteral("warning"), token).paint(&painter, QRect(left, noteTop() + 4, 16, 16));
        left += 24;
    }
    QTextLayout layout;
    layNote(layout);
    painter.setPen(theme.color(token));
    layout.draw(&painter, QPointF(left, noteTop() + (kActionHeight - type_.pitch(TextStyle::Interface)) / 2));
}

/// In the line of the actions: which version this is, when it was written, whether it waits. What can be done shows
/// only under the pointer or the focus; the version and the waiting stay readable without.
void MessageLayout::paintFootLine(QPainter& painter, const PaintState& state) const {
    if (growing())
        return;
    const int y = footLineTop();
    int from = isUser() ? column_.left + column_.width : column_.left; // where the row of targets ends, to the inside
    const bool versions = row().siblingCount > 1;
    if (state.active)
        from = isUser() ? actionsLeft() - (versions ? kVersionsWidth : 0) - 4
                        : actionsLeft() + 3 * kActionWidth + (versions ? kVersionsWidth : 0) + 4;
    QStringList words;
    if (row().state == MessageState::Queued)
        words << tr("Queued");
    if (state.active && !timeText().isEmpty())
        words << timeText();
    if (versions) {
        const QString version = QStringLiteral("%1/%2").arg(row().siblingIndex + 1).arg(row().siblingCount);
        const int left = isUser() ? from + 4 + kActionWidth : actionsLeft() + 4 * kActionWidth;
        if (state.active)
            paintLine(painter, QRect(left, y, kVersionWidth, kActionHeight), TextStyle::Small, Token::Third, version,
                      Qt::AlignHCenter);
        else
            words << version;
    }
    if (words.isEmpty())
        return;
    const QRect place = isUser() ? QRect(column_.left, y, from - column_.left, kActionHeight)
                                 : QRect(from, y, column_.left + column_.width - from, kActionHeight);
    paintLine(painter, place, TextStyle::Small, Token::Third, words.join(QStringLiteral(" · ")),
              isUser() ? Qt::AlignRight : Qt::AlignLeft);
}

void MessageLayout::paintFootTarget(QPainter& painter, const PaintState& state, const Target& t) const {
    const bool lit = state.hovered && state.hovered->same(t);
    switch (t.kind) {
    case TargetKind::Fold:
        paintLine(painter, t.rect, TextStyle::Interface, lit ? Token::Text : Token::Second, t.label);
        return;
    case TargetKind::Continue:
        if (lit) {
            painter.save();
            painter.setRenderHint(QPainter::Antialiasing);
            painter.setPen(Qt::NoPen);
            painter.setBrush(type_.theme().color(Token::Hover));
            painter.drawRoundedRect(t.rect, Theme::kControlRadius, Theme::kControlRadius);
            painter.restore();
        }
        paintLine(painter, t.rect, TextStyle::Interface, Token::Accent, t.label, Qt::AlignHCenter);
        return;
    default:
        break;
    }
    const bool done = state.done && state.done->same(t);
    paintTool(painter, state, t,
              t.kind == TargetKind::Regenerate ? QStringLiteral("regenerate")
              : t.kind == TargetKind::Previous ? QStringLiteral("chevron-left")
              : t.kind == TargetKind::Next     ? QStringLiteral("chevron-right")
              : t.kind == TargetKind::Edit     ? QStringLiteral("edit")
              : t.kind == TargetKind::More     ? QStringLiteral("more")
              : done                           ? QStringLiteral("check")
                                               : QStringLiteral("copy"));
}

/// Today's messages by the hour, older ones with their day.
QString MessageLayout::timeText() const {
    const QDateTime time = row().time;
    if (!time.isValid())
        return {};
    const QLocale locale;
    const QString clock = locale.toString(time.time(), QLocale::ShortFormat);
    return time.date() == QDate::currentDate() ? clock
                                               : locale.toString(time.date(), QLocale::ShortFormat) + u' ' + clock;
}

QVector<Target> MessageLayout::footTargets(bool active) const {
    return isUser() ? userTargets(active) : answerTargets(active);
}

/// "‹ 2/3 ›": the numbers stand between, painted with the line.
void MessageLayout::appendVersions(QVector<Target>& targets, int x, int y) const {
    if (row().siblingCount < 2)
        return;
    if (row().siblingIndex > 0)
        targets.append(target(TargetKind::Previous, QRect(x, y, kActionWidth, kActionHeight), tr("Previous version")));
    x += kActionWidth + kVersionWidth;
    if (row().siblingIndex + 1 < row().siblingCount)
        targets.append(target(TargetKind::Next, QRect(x, y, kActionWidth, kActionHeight), tr("Next version")));
}

/// Flush with the bubble's right edge, the versions before them.
QVector<Target> MessageLayout::userTargets(bool active) const {
    QVector<Target> targets;
    if (foldable_) {
        const QString label = unfolded_ ? tr("Show less") : tr("Show more");
        const int width = QFontMetrics(type_.font(TextStyle::Interface, false)).horizontalAdvance(label);
        targets.append(
            target(TargetKind::Fold, QRect(partLeft(Part::Body), footTop() + 4, width + 4, kActionHeight), label));
    }
    if (!active)
        return targets;
    int x = actionsLeft();
    const int y = footLineTop();
    appendVersions(targets, x - kVersionsWidth, y);
    for (const auto& [kind, label] : {std::pair(TargetKind::Copy, tr("Copy")), std::pair(TargetKind::Edit, tr("Edit")),
                                      std::pair(TargetKind::More, tr("More"))}) {
        if (kind != TargetKind::Edit || !busy_)
            targets.append(target(kind, QRect(x, y, kActionWidth, kActionHeight), label));
        x += kActionWidth;
    }
    return targets;
}

/// The icons stand flush with the text or the bubble: their boxes reach out a little.
int MessageLayout::actionsLeft() const {
    const int out = (kActionWidth - 16) / 2;
    return isUser() ? column_.left + column_.width - 3 * kActionWidth + out : column_.left - out;
}

QVector<Target> MessageLayout::answerTargets(bool active) const {
    QVector<Target> targets;
    if (row().state == MessageState::Interrupted) {
        const QFontMetrics metrics(type_.font(TextStyle::Interface, false));
        QTextLayout note;
        layNote(note);
        const int told = int(std::ceil(note.lineAt(0).naturalTextWidth()));
        const int width = metrics.horizontalAdvance(tr("Continue")) + 16;
        const int x = std::min(column_.left + told + 8, column_.left + column_.width - width);
        targets.append(target(TargetKind::Continue, QRect(x, noteTop(), width, kActionHeight), tr("Continue")));
    }
    if (!active || growing())
        return targets;
    int x = actionsLeft();
    const int y = footLineTop();
    for (const auto& [kind, label] :
         {std::pair(TargetKind::Copy, tr("Copy")), std::pair(TargetKind::Regenerate, tr("Regenerate")),
          std::pair(TargetKind::More, tr("More"))}) {
        targets.append(target(kind, QRect(x, y, kActionWidth, kActionHeight), label));
        x += kActionWidth;
    }
    appendVersions(targets, x, y);
    return targets;
}

} // namespace hearth::ui
