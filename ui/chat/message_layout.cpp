#include "ui/chat/message_layout.h"

#include <QDateTime>
#include <QFontMetrics>
#include <QIcon>
#include <QLocale>
#include <QPainterPath>

#include <algorithm>
#include <climits>

namespace hearth::ui {
namespace {

constexpr int kThoughtIndent = 12; // px from the hairline to the text
constexpr int kNearSlices = 256;   // slices around one that can be on the screen with it

QString singleLine(QString text) {
    for (QChar& c : text)
        if (c.unicode() < 0x20 || (c.unicode() >= 0x7F && c.unicode() < 0xA0))
            c = u' ';
    return text;
}

/// px of the bar that stands for `room` of `room + most` px.
int sidewaysBar(int room, int most) {
    return std::max(24, int(qint64(room) * room / std::max(1, room + most)));
}

/// Columns of the longest line of code.
int columnsOf(QStringView text) {
    int most = 0;
    int columns = 0;
    for (const QChar c : text) {
        if (c == u'\n')
            columns = 0;
        else
            columns += c == u'\t' ? 4 : c.unicode() >= 0x1100 ? 2 : 1;
        most = std::max(most, columns);
    }
    return most;
}

} // namespace

MessageLayout::MessageLayout(const ChatDocument& document, int index, const TypeSheet& type, const Column& column,
                             bool showName)
    : document_(document), index_(index), type_(type), column_(column), showName_(showName) {
    sync(column);
}

bool MessageLayout::thinking() const {
    return growing() && document_.source(index_, Part::Body).isEmpty() && hasThoughts();
}

void MessageLayout::sync(const Column& column) {
    column_ = column;
    if (hidden())
        return;
    // The ember stands in the last line, the state below it.
    const auto ember = [&] {
        const std::optional<QPointF> centre = growing() ? caretCentre() : std::nullopt;
        return std::max(0, centre ? int(centre->y()) - 6 : footTop() - 64);
    };
    dirtyFrom_ = std::min(dirtyFrom_, ember());
    const int bodyBefore = bodyTop();
    if (thoughtsOpen_)
        syncSection(Part::Thoughts);
    syncSection(Part::Body);
    measure();
    dirtyFrom_ = std::min(dirtyFrom_, ember());
    if (thinking() || thoughtsOpen_ || bodyTop() != bodyBefore)
        dirtyFrom_ = 0;
}

void MessageLayout::relayout(const Column& column) {
    column_ = column;
    for (Section& s : sections_) {
        for (auto& layout : s.layouts)
            layout.reset();
        s.frozen = 0; // every height is a guess again
        for (Whole& whole : s.wholes)
            whole.columnsOf.clear();
    }
    dirtyFrom_ = 0;
    sync(column);
}

void MessageLayout::setPlace(int index, bool showName) {
    index_ = index;
    showName_ = showName;
    dirtyFrom_ = 0;
    if (!hidden())
        measure();
}

void MessageLayout::syncSection(Part part) {
    Section& s = section(part);
    const BlockSplitter& b = blocks(part);
    const int count = b.count();
    int from = std::min(s.frozen, count);
    if (!growing()) // the end applies late definitions to leaves that were frozen long ago
        for (int i = 0; i < std::min<int>(from, int(s.layouts.size())); ++i)
            if (s.layouts[size_t(i)] && s.layouts[size_t(i)]->blockId() != b.block(i).id) {
                s.layouts[size_t(i)].reset();
                dirtyFrom_ = 0;
            }
    if (growing()) // a reply that is continued opens its last leaf again
        from = std::min(from, b.frozenCount());
    measureWholes(part, from);
    if (!growing())
        findFolds(part);
    s.heights.truncate(from);
    s.layouts.resize(size_t(count));
    for (int i = from; i < count; ++i) {
        auto& layout = s.layouts[size_t(i)];
        const Voice v = voice(part);
        const int top = partTop(part) + s.heights.total();
        std::unique_ptr<BlockLayout> before;
        if (layout && layout->blockId() != b.block(i).id)
            before = std::move(layout);
        s.heights.append(layout ? gapAbove(b, i, v) + layout->height() : guessedHeight(part, i));
        if (before) { // it was on the screen: only its lines that changed are painted again
            const BlockLayout* now = ensureLayout(part, i, before.get());
            const int change = now->firstChange(*before);
            // Another kind of leaf stood at another distance from the one before.
            dirtyFrom_ =
                std::min(dirtyFrom_, change == 0 ? top - BlockLayout::kCodePadding : top + gapAbove(b, i, v) + change);
        } else if (!layout) {
            dirtyFrom_ = std::min(dirtyFrom_, top - BlockLayout::kCodePadding);
        }
    }
    s.frozen = b.frozenCount();
    if (isUser() && part == Part::Body && count > 0) {
        const BlockLayout* first = ensureLayout(part, 0);
        foldable_ = first && first->lineCount() > kFoldLines;
    }
}

/// What the width of tables and code depends on, of the leaves from `from` on.
void MessageLayout::measureWholes(Part part, int from) {
    Section& s = section(part);
    const BlockSplitter& b = blocks(part);
    const auto startOver = [&](int root, int end) {
        for (int r = root; r < end && r < int(s.layouts.size()); ++r)
            s.layouts[size_t(r)].reset();
        if (root < s.heights.count())
            dirtyFrom_ = std::min(dirtyFrom_, blockTop(part, root));
    };
    for (int i = from; i < b.count(); ++i) {
        const Block& block = b.block(i);
        // New rows at the head of a table may change its columns.
        if (block.kind == BlockKind::TableRow && block.slice > 0 && block.slice < BlockLayout::kSampledRows)
            startOver(block.root, i);
        if (block.kind != BlockKind::Code)
            continue;
        Whole& whole = s.wholes[block.root];
        whole.streamed = whole.streamed || (growing() && whole.foldBlock < 0);
        whole.columns = std::max(whole.columns, columnsOf(block.text));
        const int depth = block.container >= 0 ? b.container(block.container).depth + 1 : 0;
        const qreal needed = whole.columns * QFontMetricsF(type_.font(TextStyle::Code, false)).horizontalAdvance(u'0') +
                             2 * BlockLayout::kCodeInset + depth * BlockLayout::kListIndent;
        if (const bool wide = needed > partWidth(part); wide != whole.wide) {
            whole.wide = wide;
            startOver(block.root, i + 1);
        }
    }
}

/// Code of many lines that is whole when it is first seen is folded.
void MessageLayout::findFolds(Part part) {
    Section& s = section(part);
    const BlockSplitter& b = blocks(part);
    if (s.foldsFor == b.count())
        return;
    s.foldsFor = b.count();
    for (int root = 0; root < b.count();) {
        int end = root + 1;
        if (b.block(root).kind != BlockKind::Code) {
            root = end;
            continue;
        }
        while (end < b.count() && b.block(end).root == root)
            ++end;
        Whole& whole = s.wholes[root];
        whole.lines = 0;
        whole.lastBlock = end - 1;
        int foldBlock = -1;
        for (int i = root; i < end; ++i) {
            const Block& block = b.block(i);
            const int before = whole.lines - (block.joined ? 1 : 0); // lines that end before this slice
            whole.lines = before + int(block.text.count(u'\n')) + 1;
            if (foldBlock < 0 && whole.lines >= kFoldCodeLines) {
                foldBlock = i;
                whole.foldLines = kFoldCodeLines - before;
            }
        }
        // Folding pays only if it hides more than the line that tells of it.
        whole.foldBlock = whole.lines > kFoldCodeLines && !whole.streamed ? foldBlock : -1;
        root = end;
    }
}

const MessageLayout::Whole* MessageLayout::wholeOf(Part part, int block) const {
    const BlockSplitter& b = blocks(part);
    const auto& wholes = section(part).wholes;
    const auto found = block >= 0 && block < b.count() ? wholes.constFind(b.block(block).root) : wholes.constEnd();
    return found == wholes.constEnd() ? nullptr : &*found;
}

bool MessageLayout::isFoldedAway(Part part, int block) const {
    const Whole* whole = wholeOf(part, block);
    return whole && whole->foldBlock >= 0 && !whole->unfolded && block > whole->foldBlock;
}

bool MessageLayout::hasFoldFoot(Part part, int block) const {
    const Whole* whole = wholeOf(part, block);
    return whole && whole->foldBlock >= 0 && block == (whole->unfolded ? whole->lastBlock : whole->foldBlock);
}

bool MessageLayout::isCodeUnfolded(Part part, int block) const {
    const Whole* whole = wholeOf(part, block);
    return whole && whole->foldBlock >= 0 && whole->unfolded;
}

int MessageLayout::guessedHeight(Part part, int block) const {
    if (isFoldedAway(part, block))
        return 0;
    const int foot = hasFoldFoot(part, block) ? BlockLayout::kCodeFoot : 0;
    const Whole* whole = wholeOf(part, block);
    if (foot > 0 && !whole->unfolded)
        return gapAbove(blocks(part), block, voice(part)) +
               (blocks(part).block(block).slice == 0 ? BlockLayout::kCodeHead : 0) +
               whole->foldLines * type_.pitch(TextStyle::Code) + foot;
    return estimatedHeight(blocks(part), block, widthOf(part, block), voice(part), type_) + foot;
}

/// Answers' tables, and code that needs it, reach to the right of the column.
int MessageLayout::widthOf(Part part, int block) const {
    const int width = partWidth(part);
    if (isUser() || part == Part::Thoughts)
        return width;
    const BlockKind kind = blocks(part).block(block).kind;
    const Whole* whole = kind == BlockKind::Code ? wholeOf(part, block) : nullptr;
    return kind == BlockKind::TableRow || (whole && whole->wide) ? std::max(width, column_.wide) : width;
}

void MessageLayout::measure() {
    const int small = type_.pitch(TextStyle::Small);
    const int line = type_.pitch(TextStyle::Interface);
    head_ = turnGap();
    middle_ = 0;
    foot_ = 0;
    noteHeight_ = 0;
    const int details = details_ ? 4 + int(detailLines().size()) * small : 0;
    if (isUser()) {
        middle_ = kBubblePaddingY;
        foot_ = kBubblePaddingY + (foldable_ ? kActionHeight + 4 : 0) + details + kActionHeight;
        return;
    }
    if (showName_ && !row().model.isEmpty())
        head_ += small + 4;
    if (hasThoughts()) {
        head_ += line + (thinking() && !thoughtsOpen_ ? line : 0) + (thoughtsOpen_ ? 4 : 0);
        middle_ = thinking() ? 0 : 12;
    }
    const bool told =
        row().state == MessageState::Interrupted || row().state == MessageState::Failed || !row().note.isEmpty();
    if (told) {
        const QFontMetrics metrics(type_.font(TextStyle::Interface, false));
        const int width = column_.width - 28;
        const QRect box = metrics.boundingRect(QRect(0, 0, width, 1 << 20), Qt::TextWordWrap, singleLine(row().note));
        const int lines = std::max(1, (box.height() + metrics.lineSpacing() - 1) / std::max(1, metrics.lineSpacing()));
        noteHeight_ = 8 + std::max(kActionHeight, lines * line);
    }
    foot_ = gapBelow(blocks(Part::Body), voice(Part::Body)) + noteHeight_ + details + 4 + kActionHeight;
}

// Geometry

int MessageLayout::partWidth(Part part) const {
    if (isUser())
        return column_.width * 85 / 100 - 2 * kBubblePaddingX;
    return part == Part::Thoughts ? column_.width - kThoughtIndent - 2 : column_.width;
}

int MessageLayout::bubbleWidth() const {
    const Section& s = section(Part::Body);
    const int most = column_.width * 85 / 100;
    if (blocks(Part::Body).count() > 1 || s.layouts.empty() || !s.layouts[0])
        return most;
    return std::clamp(s.layouts[0]->naturalWidth() + 1 + 2 * kBubblePaddingX, 48, most);
}

int MessageLayout::partLeft(Part part) const {
    if (isUser())
        return column_.left + column_.width - bubbleWidth() + kBubblePaddingX;
    return part == Part::Thoughts ? column_.left + kThoughtIndent + 2 : column_.left;
}

QRect MessageLayout::bubbleRect() const {
    const int width = bubbleWidth();
    const int fold = foldable_ ? kActionHeight + 4 : 0;
    return QRect(column_.left + column_.width - width, bodyTop() - kBubblePaddingY, width,
                 bodyHeight() + 2 * kBubblePaddingY + fold);
}

int MessageLayout::bodyHeight() const {
    const Section& s = section(Part::Body);
    if (folded())
        return kFoldLines * type_.pitch(TypeSheet::textStyle(Voice::User));
    if (s.heights.count() == 0 && growing() && !thinking())
        return type_.pitch(TextStyle::Message);
    return s.heights.total();
}

int MessageLayout::shownBlocks(Part part) const {
    if (part == Part::Thoughts && !thoughtsOpen_)
        return 0;
    const int count = section(part).heights.count();
    return part == Part::Body && folded() ? std::min(1, count) : count;
}

int MessageLayout::blockTop(Part part, int block) const {
    const Section& s = section(part);
    return partTop(part) + s.heights.top(block) + gapAbove(blocks(part), block, voice(part));
}

bool MessageLayout::isLast(Part part, int block) const {
    const BlockSplitter& b = blocks(part);
    return hasFoldFoot(part, block) || block + 1 >= b.count() || b.block(block + 1).root != b.block(block).root;
}

MessageLayout::Anchor MessageLayout::anchorAt(int y) const {
    if (thoughtsOpen_ && y >= thoughtsTop() && y < thoughtsTop() + thoughtsHeight()) {
        const int block = section(Part::Thoughts).heights.at(y - thoughtsTop());
        return {Anchor::Thoughts, block, y - thoughtsTop() - section(Part::Thoughts).heights.top(block)};
    }
    if (y < bodyTop())
        return {Anchor::Head, 0, y};
    if (y >= footTop() || section(Part::Body).heights.count() == 0)
        return {Anchor::Foot, 0, y - footTop()};
    const int block = section(Part::Body).heights.at(y - bodyTop());
    return {Anchor::Body, block, y - bodyTop() - section(Part::Body).heights.top(block)};
}

int MessageLayout::yOf(const Anchor& a) const {
    const auto top = [&](Part part) {
        const HeightIndex& h = section(part).heights;
        return partTop(part) + h.top(std::clamp(a.block, 0, h.count()));
    };
    switch (a.zone) {
    case Anchor::Head:
        return a.offset;
    case Anchor::Thoughts:
        return (thoughtsOpen_ ? top(Part::Thoughts) : thoughtsTop()) + a.offset;
    case Anchor::Body:
        return (folded() ? bodyTop() : top(Part::Body)) + a.offset;
    case Anchor::Foot:
        return footTop() + a.offset;
    }
    return 0;
}

// Laying out

const BlockLayout* MessageLayout::layoutOf(Part part, int block) const {
    const Section& s = section(part);
    return block >= 0 && block < int(s.layouts.size()) ? s.layouts[size_t(block)].get() : nullptr;
}

int MessageLayout::scrollXOf(Part part, int block) const {
    const Whole* whole = wholeOf(part, block);
    return whole ? whole->scrollX : 0;
}

/// What is open where a slice of code begins: the slices before it are read once.
CodeState MessageLayout::codeStateAt(Part part, int block) {
    const BlockSplitter& b = blocks(part);
    const Block& code = b.block(block);
    const CodeLanguage* language = code.slice > 0 ? BlockLayout::languageOf(code) : nullptr;
    if (!language)
        return {};
    std::vector<SliceEnd>& ends = section(part).wholes[code.root].ends;
    CodeState state;
    for (int i = 0; i < code.slice; ++i) {
        const Block& slice = b.block(code.root + i);
        // A slice at the end of what has arrived may yet change; then it has another id.
        if (i < int(ends.size()) && ends[size_t(i)].block != slice.id)
            ends.resize(size_t(i));
        if (i == int(ends.size()))
            ends.push_back({slice.id, stateAfter(*language, slice.text, state, slice.joined)});
        state = ends[size_t(i)].state;
    }
    return state;
}

/// The number of a slice's first line of code, from 1.
int MessageLayout::firstLineAt(Part part, int block) {
    const BlockSplitter& b = blocks(part);
    const Block& code = b.block(block);
    std::vector<int>& first = section(part).wholes[code.root].firstLines;
    while (int(first.size()) <= code.slice) {
        const int slice = int(first.size());
        if (slice == 0) {
            first.push_back(1);
            continue;
        }
        const int lines = int(b.block(code.root + slice - 1).text.count(u'\n'));
        first.push_back(first.back() + lines + (b.block(code.root + slice).joined ? 0 : 1));
    }
    return first[size_t(code.slice)];
}

/// Whether the columns of a table were measured by the rows that decide now; notes which rows those are.
bool MessageLayout::knowsColumns(Part part, int block) {
    const BlockSplitter& b = blocks(part);
    const int root = b.block(block).root;
    std::vector<quint64> rows;
    for (int i = root; i < std::min(b.count(), root + BlockLayout::kSampledRows) && b.block(i).root == root; ++i)
        rows.push_back(b.block(i).id);
    Whole& whole = section(part).wholes[root];
    return std::exchange(whole.columnsOf, rows) == rows;
}

const BlockLayout* MessageLayout::ensureLayout(Part part, int block, BlockLayout* before) {
    Section& s = section(part);
    if (block < 0 || block >= int(s.layouts.size()) || isFoldedAway(part, block))
        return nullptr;
    auto& layout = s.layouts[size_t(block)];
    if (!layout) {
        const BlockSplitter& b = blocks(part);
        const CodeState state = codeStateAt(part, block);
        const bool row = b.block(block).kind == BlockKind::TableRow;
        const bool columnsKnown = row && knowsColumns(part, block);
        const Whole* whole = wholeOf(part, block);
        const bool foot = hasFoldFoot(part, block);
        const int lines = foot && !whole->unfolded ? whole->foldLines : -1;
        const int number = whole && whole->numbers ? firstLineAt(part, block) : 0;
        layout = std::make_unique<BlockLayout>(
            LayoutRequest{b, block, widthOf(part, block), voice(part), whole && whole->wrap, type_, state, lines, foot,
                          number, before, columnsKnown ? whole->columnWidths : QVector<int>()});
        if (row)
            s.wholes[b.block(block).root].columnWidths = layout->columns();
        s.heights.set(block, gapAbove(b, block, voice(part)) + layout->height());
    }
    return layout.get();
}

int MessageLayout::ensureForward(const Anchor& from, int px) {
    int left = px;
    if (from.zone == Anchor::Head)
        left -= head_ + middle_;
    for (const Part part : {Part::Thoughts, Part::Body}) {
        const bool here = (part == Part::Thoughts) == (from.zone == Anchor::Thoughts);
        const bool past = from.zone == Anchor::Foot || (from.zone == Anchor::Body && part == Part::Thoughts);
        if (past)
            continue;
        const int start = here && from.zone != Anchor::Head ? from.block : 0;
        if (start > 0 && start < shownBlocks(part))
            ensureLayout(part, start - 1); // the lower edge of code lies in the gap of the leaf that follows
        for (int i = start; i < shownBlocks(part) && left > 0; ++i) {
            ensureLayout(part, i);
            left -= section(part).heights.height(i);
        }
    }
    return left - foot_;
}

int MessageLayout::ensureBackward(int px) {
    return ensureAbove({Anchor::Foot, 0, foot_}, px);
}

int MessageLayout::ensureAbove(const Anchor& from, int px) {
    int left = px - from.offset;
    if (from.zone == Anchor::Head)
        return left;
    for (const Part part : {Part::Body, Part::Thoughts}) {
        if (part == Part::Body && from.zone == Anchor::Thoughts)
            continue;
        const bool here = from.zone == (part == Part::Body ? Anchor::Body : Anchor::Thoughts);
        for (int i = (here ? std::min(from.block, shownBlocks(part)) : shownBlocks(part)) - 1; i >= 0 && left > 0;
             --i) {
            ensureLayout(part, i);
            left -= part == Part::Body && folded() ? bodyHeight() : section(part).heights.height(i);
        }
    }
    return left - head_ - middle_;
}

void MessageLayout::release(int top, int bottom) {
    for (const Part part : {Part::Thoughts, Part::Body}) {
        Section& s = section(part);
        if (s.heights.count() == 0)
            continue;
        const int first = s.heights.at(top - partTop(part));
        const int last = s.heights.at(bottom - partTop(part));
        for (int i = 0; i < int(s.layouts.size()); ++i)
            if ((i < first || i > last) && !(isUser() && i == 0))
                s.layouts[size_t(i)].reset();
    }
}

int MessageLayout::layoutCount() const {
    int n = 0;
    for (const Section& s : sections_)
        n += int(std::count_if(s.layouts.begin(), s.layouts.end(), [](const auto& l) { return l != nullptr; }));
    return n;
}

int MessageLayout::rightEdge(int top, int bottom) const {
    int right = column_.left + column_.width;
    if (hidden() || isUser())
        return right;
    const Section& s = section(Part::Body); // thoughts keep to the column
    const int shown = shownBlocks(Part::Body);
    for (int i = shown > 0 ? s.heights.at(std::max(0, top - bodyTop())) : 0; i < shown; ++i) {
        if (blockTop(Part::Body, i) > bottom)
            break;
        if (const BlockLayout* layout = layoutOf(Part::Body, i))
            right = std::max(right, partLeft(Part::Body) + layout->right());
    }
    return right;
}

int MessageLayout::takeDirtyFrom() {
    return std::exchange(dirtyFrom_, INT_MAX);
}

// Painting

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

/// How much of the widest line is seen, as a thin bar in the space below.
void MessageLayout::paintSideways(QPainter& painter, const PaintState& state, Part part, int block, int top) const {
    const Target t = sidewaysTarget(part, block, top);
    const bool lit = state.hovered && state.hovered->same(t);
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(type_.theme().color(lit ? Token::Third : Token::Outline));
    const QRectF bar(t.rect.x(), t.rect.center().y() - 1, t.rect.width(), lit ? 4 : 3);
    painter.drawRoundedRect(bar, bar.height() / 2, bar.height() / 2);
    painter.restore();
}

void MessageLayout::paintCodeTools(QPainter& painter, const PaintState& state, Part part, int block, int top) const {
    for (const Target& t : codeTargets(part, block, top)) {
        if (t.kind == TargetKind::FoldCode) {
            const bool lit = state.hovered && state.hovered->same(t);
            paintLine(painter, t.rect, TextStyle::Interface, lit ? Token::Text : Token::Second, t.label);
            continue;
        }
        const bool done = state.done && state.done->same(t);
        paintTool(painter, state, t,
                  t.kind == TargetKind::NumberCode ? QStringLiteral("line-numbers")
                  : t.kind == TargetKind::WrapCode ? QStringLiteral("wrap")
                  : done                           ? QStringLiteral("check")
                                                   : QStringLiteral("copy"));
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
        const QStringList lines = detailLines();
        int y = footLineTop() - int(lines.size()) * small;
        for (const QString& line : lines) {
            paintLine(painter, QRect(column_.left, y, column_.width, small), TextStyle::Small, Token::Third, line,
                      isUser() ? Qt::AlignRight : Qt::AlignLeft);
            y += small;
        }
    }
    paintFootLine(painter, state);
}

/// Why the answer stopped or failed.
void MessageLayout::paintNote(QPainter& painter) const {
    const Theme& theme = type_.theme();
    const int line = type_.pitch(TextStyle::Interface);
    const bool failed = row().state == MessageState::Failed;
    const bool interrupted = row().state == MessageState::Interrupted;
    const Token token = failed ? Token::Error : Token::Second;
    int left = column_.left;
    if (failed) {
        theme.icon(QStringLiteral("warning"), token).paint(&painter, QRect(left, noteTop() + 4, 16, 16));
        left += 24;
    }
    if (interrupted && row().note.isEmpty()) {
        paintLine(painter, QRect(left, noteTop(), column_.width, kActionHeight), TextStyle::Interface, token,
                  tr("Interrupted"));
        return;
    }
    const QString note = singleLine(row().note);
    const QString text = interrupted ? tr("Interrupted") + QStringLiteral(" · ") + note : note;
    painter.setFont(type_.font(TextStyle::Interface, false));
    painter.setPen(theme.color(token));
    painter.drawText(QRect(left, noteTop() + (kActionHeight - line) / 2, column_.width - 28, noteHeight_),
                     Qt::TextWordWrap, failed && text.isEmpty() ? tr("The reply failed.") : text);
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

QStringList MessageLayout::detailLines() const {
    const QLocale locale;
    const ReplyReceipt& r = row().receipt;
    QStringList lines;
    QStringList first;
    if (row().time.isValid())
        first << locale.toString(row().time, QLocale::ShortFormat);
    if (!isUser() && !row().model.isEmpty())
        first << singleLine(row().model);
    if (!first.isEmpty())
        lines << first.join(QStringLiteral(" · "));
    if (isUser()) {
        lines << tr("%n character(s)", nullptr, int(document_.source(index_, Part::Body).size()));
        return lines;
    }
    if (r.promptTokens > 0) {
        QString read = tr("Read %L1 tokens").arg(r.promptTokens);
        if (r.prefilledTokens > 0 && r.prefilledTokens < r.promptTokens)
            read = tr("Read %L1 tokens, %L2 of them anew").arg(r.promptTokens).arg(r.prefilledTokens);
        if (r.prefillSeconds > 0)
            read += QStringLiteral(" · ") + tr("%1 s").arg(locale.toString(r.prefillSeconds, 'f', 1));
        lines << read;
    }
    if (r.generatedTokens > 0) {
        QString wrote = tr("Wrote %L1 tokens").arg(r.generatedTokens);
        if (r.decodeSeconds > 0)
            wrote += QStringLiteral(" · ") + tr("%1 s").arg(locale.toString(r.decodeSeconds, 'f', 1)) +
                     QStringLiteral(" · ") +
                     tr("%1 tokens/s").arg(locale.toString(r.generatedTokens / r.decodeSeconds, 'f', 1));
        lines << wrote;
    }
    if (r.leftOutMessages > 0)
        lines << tr("%n oldest message(s) had no room in the context", nullptr, r.leftOutMessages);
    if (lines.isEmpty())
        lines << tr("Nothing more is known of it.");
    return lines;
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

// Targets

Target MessageLayout::target(TargetKind kind, QRect rect, const QString& label) const {
    return {kind, index_, Part::Body, 0, 0, rect, label, {}};
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
        const QString told = row().note.isEmpty() ? tr("Interrupted")
                                                  : tr("Interrupted") + QStringLiteral(" · ") + singleLine(row().note);
        const int width = metrics.horizontalAdvance(tr("Continue")) + 16;
        const int x =
            std::min(column_.left + metrics.horizontalAdvance(told) + 8, column_.left + column_.width - width);
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

QVector<Target> MessageLayout::codeTargets(Part part, int block, int top) const {
    QVector<Target> targets;
    if (hasFoldFoot(part, block)) {
        const Whole* whole = wholeOf(part, block);
        const BlockLayout* layout = layoutOf(part, block);
        const QString label = whole->unfolded ? tr("Show less") : tr("Show all %1 lines").arg(whole->lines);
        const int width = QFontMetrics(type_.font(TextStyle::Interface, false)).horizontalAdvance(label);
        Target fold = target(TargetKind::FoldCode,
                             QRect(partLeft(part) + layout->contentLeft() + BlockLayout::kCodeInset,
                                   top + layout->height() - kActionHeight + 4, width + 4, kActionHeight),
                             label);
        fold.part = part;
        fold.block = block;
        targets.append(fold);
    }
    if (blocks(part).block(block).slice > 0)
        return targets;
    const int right = partLeft(part) + widthOf(part, block) - 6;
    const int y = top + (BlockLayout::kCodeHead - kActionHeight) / 2;
    Target copy =
        target(TargetKind::CopyCode, QRect(right - kActionWidth, y, kActionWidth, kActionHeight), tr("Copy code"));
    Target wrap =
        target(TargetKind::WrapCode, QRect(right - 2 * kActionWidth, y, kActionWidth, kActionHeight), tr("Wrap lines"));
    Target numbers = target(TargetKind::NumberCode, QRect(right - 3 * kActionWidth, y, kActionWidth, kActionHeight),
                            tr("Line numbers"));
    int at = 0; // the head comes before the foot
    for (Target* t : {&numbers, &wrap, &copy}) {
        t->part = part;
        t->block = block;
        targets.insert(at++, *t);
    }
    return targets;
}

/// The bar of what is wider than its place: a target higher than it looks.
Target MessageLayout::sidewaysTarget(Part part, int block, int top) const {
    const BlockLayout* layout = layoutOf(part, block);
    const int room = layout->viewWidth();
    const int most = overflowOf(part, block);
    const int bar = sidewaysBar(room, most);
    const int at = int(qint64(room - bar) * std::min(scrollXOf(part, block), most) / most);
    // In the lower padding of code; on the last line of a table.
    const bool table = blocks(part).block(block).kind == BlockKind::TableRow;
    const int y = top + layout->height() - (table ? BlockLayout::kCodePadding / 2 : 0);
    Target t =
        target(TargetKind::Sideways, QRect(partLeft(part) + layout->viewLeft() + at, y, bar, BlockLayout::kCodePadding),
               tr("Scroll sideways"));
    t.part = part;
    t.block = block;
    return t;
}

void MessageLayout::collectTargets(QVector<Target>& out, int top, int bottom, bool active) const {
    if (hidden())
        return;
    if (!isUser() && hasThoughts())
        out.append(target(TargetKind::Thoughts, thoughtsTitleRect(), thoughtsTitle()));
    for (const Part part : {Part::Thoughts, Part::Body}) {
        const int shown = shownBlocks(part);
        const Section& s = section(part);
        for (int i = shown > 0 ? std::max(0, s.heights.at(std::max(0, top - partTop(part)))) : 0; i < shown; ++i) {
            const int y = blockTop(part, i);
            if (y > bottom)
                break;
            const BlockLayout* layout = layoutOf(part, i);
            if (!layout)
                continue;
            const BlockSplitter& b = blocks(part);
            if (b.block(i).kind == BlockKind::Code)
                out += codeTargets(part, i, y);
            if (isLast(part, i) && overflowOf(part, i) > 0)
                out += sidewaysTarget(part, i, y);
            const InlineText& text = b.inlines(i);
            for (const InlineRun& run : text.runs) {
                if (run.link < 0)
                    continue;
                for (const QRect& r : layout->rectsOf(run.start, run.start + run.length, scrollXOf(part, i)))
                    out.append({TargetKind::Link, index_, part, i, run.link, r.translated(partLeft(part), y),
                                text.text.mid(run.start, run.length), text.links[run.link]});
            }
        }
    }
    out += footTargets(active);
}

TextPosition MessageLayout::positionAt(QPoint p, bool pastEnd) const {
    const Anchor a = anchorAt(p.y());
    const Part part = a.zone == Anchor::Thoughts ? Part::Thoughts : Part::Body;
    const int count = shownBlocks(part);
    if (a.zone == Anchor::Head || count == 0)
        return {index_, Part::Body, 0, 0};
    int block = a.zone == Anchor::Foot ? count - 1 : std::min(a.block, count - 1);
    const BlockLayout* layout = layoutOf(part, block);
    if (!layout && a.zone != Anchor::Foot)
        return {index_, part, block, 0};
    const QPoint local(p.x() - partLeft(part), p.y() - blockTop(part, block));
    if (a.zone == Anchor::Foot || local.y() >= layout->height())
        return {index_, part, block, int(blocks(part).inlines(block).text.size())};
    return {index_, part, block, layout->offsetAt(local, scrollXOf(part, block), pastEnd)};
}

QRect MessageLayout::caret(const TextPosition& p) const {
    if (p.block >= section(p.part).heights.count())
        return QRect(column_.left, bodyTop(), 1, type_.pitch(TextStyle::Message));
    const int top = blockTop(p.part, p.block);
    const BlockLayout* layout = layoutOf(p.part, p.block);
    if (!layout)
        return QRect(partLeft(p.part), top, 1, type_.pitch(TextStyle::Message));
    return layout->caret(p.offset, scrollXOf(p.part, p.block)).translated(partLeft(p.part), top);
}

// What the person changes

void MessageLayout::toggleThoughts() {
    thoughtsOpen_ = !thoughtsOpen_;
    dirtyFrom_ = 0;
    sync(column_);
}

void MessageLayout::toggleFold() {
    unfolded_ = !unfolded_;
    dirtyFrom_ = 0;
    measure();
}

void MessageLayout::toggleDetails() {
    details_ = !details_;
    dirtyFrom_ = 0;
    measure();
}

void MessageLayout::reveal(Part part, int block, int offset) {
    if (part == Part::Thoughts && !thoughtsOpen_)
        toggleThoughts();
    const BlockSplitter& b = blocks(part);
    if (part == Part::Body && folded()) {
        const BlockLayout* layout = ensureLayout(Part::Body, block);
        if (block > 0 || (layout && layout->caret(offset).top() >= bodyHeight()))
            toggleFold();
    }
    const Whole* whole = wholeOf(part, block);
    if (!whole || whole->foldBlock < 0 || whole->unfolded)
        return;
    const bool hidden =
        block > whole->foldBlock ||
        (block == whole->foldBlock && QStringView(b.inlines(block).text).left(offset).count(u'\n') >= whole->foldLines);
    if (hidden)
        toggleCodeFold(part, block);
}

void MessageLayout::toggleWrap(Part part, int block) {
    const int root = blocks(part).block(block).root;
    Whole& whole = section(part).wholes[root];
    whole.wrap = !whole.wrap;
    whole.scrollX = 0;
    resetWhole(part, root);
}

void MessageLayout::toggleNumbers(Part part, int block) {
    const int root = blocks(part).block(block).root;
    Whole& whole = section(part).wholes[root];
    whole.numbers = !whole.numbers;
    resetWhole(part, root);
}

void MessageLayout::resetWhole(Part part, int root) {
    Section& s = section(part);
    for (int i = root; i < int(s.layouts.size()) && blocks(part).block(i).root == root; ++i)
        s.layouts[size_t(i)].reset();
    dirtyFrom_ = 0;
}

void MessageLayout::toggleCodeFold(Part part, int block) {
    Section& s = section(part);
    const BlockSplitter& b = blocks(part);
    const int root = b.block(block).root;
    s.wholes[root].unfolded = !s.wholes[root].unfolded;
    for (int i = root; i < int(s.layouts.size()) && b.block(i).root == root; ++i) {
        s.layouts[size_t(i)].reset();
        s.heights.set(i, guessedHeight(part, i));
    }
    dirtyFrom_ = 0;
}

bool MessageLayout::scrollSideways(QPoint p, int px) {
    const Anchor a = anchorAt(p.y());
    if (a.zone != Anchor::Body && a.zone != Anchor::Thoughts)
        return false;
    return scrollSideways(a.zone == Anchor::Thoughts ? Part::Thoughts : Part::Body, a.block, px);
}

bool MessageLayout::scrollSideways(Part part, int block, int px) {
    const int most = overflowOf(part, block);
    if (most == 0)
        return false;
    int& x = section(part).wholes[blocks(part).block(block).root].scrollX;
    const int moved = std::clamp(x + px, 0, most);
    const bool any = moved != x;
    x = moved;
    dirtyFrom_ = 0;
    return any;
}

/// px that the widest of its slices on the screen sticks out.
int MessageLayout::overflowOf(Part part, int block) const {
    const Section& s = section(part);
    const BlockSplitter& b = blocks(part);
    if (block < 0 || block >= b.count() ||
        (b.block(block).kind != BlockKind::Code && b.block(block).kind != BlockKind::TableRow))
        return 0;
    const int root = b.block(block).root;
    int most = 0;
    const int from = std::max(root, block - kNearSlices);
    const int to = std::min({int(s.layouts.size()), b.count(), block + kNearSlices});
    for (int i = from; i < to && b.block(i).root == root; ++i)
        if (s.layouts[size_t(i)])
            most = std::max(most, s.layouts[size_t(i)]->overflow());
    return most;
}

double MessageLayout::sidewaysScale(Part part, int block) const {
    const int most = overflowOf(part, block);
    const BlockLayout* layout = layoutOf(part, block);
    if (most == 0 || !layout)
        return 1;
    const int room = layout->viewWidth();
    const int bar = sidewaysBar(room, most);
    return room > bar ? double(most) / (room - bar) : 1;
}

bool MessageLayout::scrollSidewaysTo(Part part, int block, int offset) {
    const BlockLayout* layout = ensureLayout(part, block);
    if (!layout || overflowOf(part, block) == 0)
        return false;
    const int left = layout->viewLeft();
    const int right = left + layout->viewWidth();
    const int x = layout->caret(offset, scrollXOf(part, block)).x();
    if (x >= left && x <= right - 24)
        return false;
    return scrollSideways(part, block, x - (left + right) / 2);
}

QString MessageLayout::copiedCode(Part part, int block) const {
    const BlockSplitter& b = blocks(part);
    const int root = b.block(block).root;
    QString code;
    for (int i = root; i < b.count() && b.block(i).root == root; ++i) {
        if (i > root && !b.block(i).joined)
            code += u'\n';
        code += b.block(i).text;
    }
    return withoutControls(code);
}

} // namespace hearth::ui
