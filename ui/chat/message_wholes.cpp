// Code and tables in slices: what they have in common, what folds, moves sideways and is pressed.
#include "ui/chat/message_layout.h"

#include <QFontMetrics>

#include <algorithm>
#include <utility>

namespace hearth::ui {
namespace {

constexpr int kNearSlices = 256; // slices around one that can be on the screen with it

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
                             2 * BlockLayout::kCodeInset + depth * type_.scaled(BlockLayout::kListIndent);
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
