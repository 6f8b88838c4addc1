#include "ui/chat/message_layout.h"

#include "ui/chat/message_details.h"

#include <QFontMetrics>

#include <algorithm>
#include <climits>
#include <utility>

namespace hearth::ui {

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
    headText_ = headWords();
    head_ = turnGap();
    middle_ = 0;
    foot_ = 0;
    noteHeight_ = 0;
    const int details = details_ ? 4 + int(MessageDetails::lines(document_, index_).size()) * small : 0;
    if (isUser()) {
        middle_ = kBubblePaddingY;
        foot_ = kBubblePaddingY + (foldable_ ? kActionHeight + 4 : 0) + details + kActionHeight;
        return;
    }
    if (!headText_.isEmpty())
        head_ += small + 4;
    if (hasThoughts()) {
        head_ += line + (thinking() && !thoughtsOpen_ ? line : 0) + (thoughtsOpen_ ? 4 : 0);
        middle_ = thinking() ? 0 : 12;
    }
    if (!noteText().isEmpty()) {
        QTextLayout note;
        noteHeight_ = 8 + std::max(kActionHeight, layNote(note) * line);
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

// Targets

Target MessageLayout::target(TargetKind kind, QRect rect, const QString& label) const {
    return {kind, index_, Part::Body, 0, 0, rect, label, {}};
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

} // namespace hearth::ui
