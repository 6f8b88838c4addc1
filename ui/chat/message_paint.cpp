// A message's text on the screen: its leaves with what is selected and found in them, the ember.
#include "ui/chat/message_details.h"
#include "ui/chat/message_layout.h"

#include <QIcon>

#include <algorithm>
#include <climits>

namespace hearth::ui {

void MessageLayout::paintLine(QPainter& painter, QRect rect, TextStyle style, Token token, const QString& text,
                              Qt::Alignment alignment) const {
    QTextLayout layout(singleLine(text), type_.font(style, false));
    layout.setFormats(type_.formats(layout.text(), {}, style, false));
    QTextOption option;
    option.setWrapMode(QTextOption::NoWrap);
    option.setAlignment(alignment);
    layout.setTextOption(option);
    layout.beginLayout();
    QTextLine line = layout.createLine();
    if (line.isValid()) {
        line.setLineWidth(rect.width());
        const int top = (rect.height() - type_.pitch(style)) / 2;
        line.setPosition(QPointF(0, top + type_.baseline(style) - line.ascent()));
    }
    layout.endLayout();
    painter.save();
    painter.setClipRect(rect, Qt::IntersectClip);
    painter.setPen(type_.theme().color(token));
    layout.draw(&painter, rect.topLeft());
    painter.restore();
}

void MessageLayout::paint(QPainter& painter, const PaintState& state) const {
    if (hidden())
        return;
    if (isUser()) {
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(type_.theme().color(Token::Surface));
        painter.drawRoundedRect(bubbleRect(), Theme::kCardRadius, Theme::kCardRadius);
        painter.restore();
    }
    paintHead(painter, state);
    paintPart(painter, state, Part::Thoughts);
    paintPart(painter, state, Part::Body);
    paintFoot(painter, state);
    if (growing())
        paintCaret(painter);
}

SelectedRange MessageLayout::selectedIn(Part part, int block, const PaintState& state) const {
    if (!(state.from < state.to))
        return {};
    const TextPosition begin{index_, part, block, 0};
    const TextPosition end{index_, part, block, INT_MAX};
    if (state.to < begin || state.from > end)
        return {};
    SelectedRange range;
    range.from = state.from < begin ? 0 : state.from.offset;
    range.to = state.to > end ? INT_MAX / 2 : state.to.offset;
    range.whole = state.to > end;
    return range;
}

void MessageLayout::paintPart(QPainter& painter, const PaintState& state, Part part) const {
    const int shown = shownBlocks(part);
    if (shown == 0)
        return;
    const Section& s = section(part);
    // The lower edge of code lies in the gap of the leaf that follows.
    const int first = std::max(0, s.heights.at(std::max(0, state.clip.top() - partTop(part))) - 1);
    const int left = partLeft(part);
    for (int i = first; i < shown; ++i) {
        const int top = blockTop(part, i);
        if (top > state.clip.bottom())
            break;
        const BlockLayout* layout = layoutOf(part, i);
        if (!layout)
            continue;
        painter.save();
        painter.translate(left, top);
        BlockLayout::Paint p;
        p.scrollX = scrollXOf(part, i);
        p.selected = selectedIn(part, i, state);
        p.last = isLast(part, i);
        if (!state.found.empty())
            findIn(part, i, state, p);
        p.lines = part == Part::Body && folded() ? kFoldLines : -1;
        p.clip = state.clip.translated(-left, -top);
        layout->paint(painter, p);
        painter.restore();
        if (blocks(part).block(i).kind == BlockKind::Code)
            paintCodeTools(painter, state, part, i, top);
        if (isLast(part, i) && overflowOf(part, i) > 0)
            paintSideways(painter, state, part, i, top);
    }
}

void MessageLayout::findIn(Part part, int block, const PaintState& state, BlockLayout::Paint& p) const {
    using Match = ConversationSearch::Match;
    const auto first = std::lower_bound(
        state.found.begin(), state.found.end(), std::pair(part, block),
        [](const Match& m, const std::pair<Part, int>& at) { return std::pair(m.part, m.lastBlock) < at; });
    for (auto m = first; m != state.found.end() && m->part == part && m->block <= block; ++m) {
        if (state.current && state.current->from() == m->from())
            p.current = int(p.found.size());
        p.found.append({m->block < block ? 0 : m->offset,
                        m->lastBlock > block ? int(blocks(part).inlines(block).text.size()) : m->end});
    }
}

void MessageLayout::paintTool(QPainter& painter, const PaintState& state, const Target& t, const QString& icon) const {
    const Theme& theme = type_.theme();
    const bool hovered = state.hovered && state.hovered->same(t);
    if (hovered) {
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme.color(Token::Hover));
        painter.drawRoundedRect(t.rect, Theme::kControlRadius, Theme::kControlRadius);
        painter.restore();
    }
    constexpr int size = 16;
    const QRect box(t.rect.center().x() - size / 2 + 1, t.rect.center().y() - size / 2 + 1, size, size);
    theme.icon(icon, hovered ? Token::Text : Token::Third).paint(&painter, box);
}

/// The ember: where the text grows.
std::optional<QPointF> MessageLayout::caretCentre() const {
    if (thinking()) {
        if (thoughtsOpen_)
            return std::nullopt;
        return QPointF(thoughtsTitleRect().right() + 4, thoughtsTitleTop() + type_.pitch(TextStyle::Interface) / 2.0);
    }
    const int last = std::min(section(Part::Body).heights.count(), blocks(Part::Body).count()) - 1;
    const BlockLayout* layout = layoutOf(Part::Body, last);
    if (last >= 0 && !layout)
        return std::nullopt;
    if (last < 0)
        return QPointF(column_.left + 4, bodyTop() + type_.pitch(TextStyle::Message) / 2.0);
    const QRect c = layout->caret(layout->length(), scrollXOf(Part::Body, last));
    return QPointF(c.translated(partLeft(Part::Body), blockTop(Part::Body, last)).center()) + QPointF(9, 0.5);
}

void MessageLayout::paintCaret(QPainter& painter) const {
    const std::optional<QPointF> centre = caretCentre();
    if (!centre)
        return;
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(type_.theme().color(Token::Accent));
    painter.drawEllipse(*centre, 4, 4);
    painter.restore();
}

} // namespace hearth::ui
