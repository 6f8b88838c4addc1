#include "ui/chat/block_splitter.h"

#include "ui/chat/block_starts.h"
#include "ui/chat/characters.h"
#include "ui/chat/line_reader.h"
#include "ui/chat/link_parts.h"
#include "ui/chat/math_span.h"
#include "ui/chat/paragraph_cut.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace hearth::ui {
namespace {

/// By one look at its first characters: what is no mark of a container begins the content.
bool mayBeginMath(QStringView line) {
    qsizetype at = 0;
    while (at < line.size() && (QStringView(u" \t>-+*.)").contains(line[at]) || isAsciiDigit(line[at])))
        ++at;
    return !mathBlockCloser(line.mid(at)).isEmpty();
}

} // namespace

BlockSplitter::BlockSplitter(Dialect dialect) : dialect_(dialect) {
    // No two splitters give the same identity: the layout of a leaf outlives the splitter that cut it.
    static std::atomic<quint64> generation{0};
    nextId_ = (generation.fetch_add(1) << 32) + 1;
}

const InlineText& BlockSplitter::inlines(int i) const {
    const Stored& s = blocks_[size_t(i)];
    if (s.parsed)
        return s.inlines;
    const Block& b = s.block;
    switch (b.kind) {
    case BlockKind::Paragraph:
    case BlockKind::Heading:
        s.inlines = parseInline(b.text, definitions_);
        break;
    case BlockKind::TableRow:
        s.inlines = parseTableRow(b.text, int(b.info.size()), definitions_);
        break;
    case BlockKind::Math:
        s.inlines = {};
        s.inlines.text = b.text;
        s.inlines.runs = {{0, int(b.text.size()), StyleMath, -1}};
        break;
    default:
        s.inlines = {};
        s.inlines.text = b.text;
    }
    s.parsed = true;
    s.definitionsSeen = int(definitions_.size());
    if (i < frozen_)
        ++frozenParses_;
    return s.inlines;
}

void BlockSplitter::feed(QStringView chunk) {
    if (chunk.isEmpty())
        return;
    const int firstOpen = frozen_;
    const std::vector<Stored> tail = dropTail();
    // Lines that wait are read anew; of one line only what is new is searched for its end.
    const qsizetype searchFrom = pending_.contains(u'\n') ? 0 : pending_.size();
    append(chunk);
    takeLines(searchFrom, false);
    frozen_ = int(blocks_.size());
    frozenContainers_ = int(containers_.size());
    buildTail();
    keepIdentities(tail, firstOpen);
}

/// Every line end becomes '\n', also one that is cut in two.
void BlockSplitter::append(QStringView chunk) {
    const bool plain = !returned_ && !chunk.contains(u'\r') && !chunk.contains(QChar(0));
    if (plain) {
        pending_ += chunk;
        return;
    }
    pending_.reserve(pending_.size() + chunk.size());
    for (const QChar c : chunk) {
        const bool second = returned_ && c == u'\n';
        returned_ = c == u'\r';
        if (!second)
            pending_ += returned_ ? QChar(u'\n') : c.isNull() ? QChar(QChar::ReplacementCharacter) : c;
    }
}

/// Reads every line of `pending_` that has ended, and what is ripe of one that is long. Lines that may become a formula
/// wait until that is known.
void BlockSplitter::takeLines(qsizetype searchFrom, bool ended) {
    const QString text = std::exchange(pending_, QString());
    const QStringView all(text);
    qsizetype from = 0;
    for (;;) {
        const qsizetype newline = all.indexOf(u'\n', std::max(from, searchFrom));
        const qsizetype end = newline < 0 ? all.size() : newline;
        if (!state_.longLine) {
            const qsizetype head = affordablePrefix(all.mid(from, end - from), kLineHead);
            if (head < end - from) {
                state_.longLine = true;
                readLine(all.mid(from, head));
                from += head;
            }
        }
        if (state_.longLine) {
            appendLong(all.mid(from, end - from));
            from = end;
        }
        if (newline < 0)
            break;
        if (state_.longLine) {
            endLongLine();
        } else {
            const MathAhead math = mathAhead(all.mid(from), ended);
            if (math == MathAhead::Undecided)
                break;
            mathBegins_ = math == MathAhead::Whole;
            readLine(all.mid(from, end - from));
            mathBegins_ = false;
        }
        from = newline + 1;
    }
    pending_ = all.mid(from).toString();
}

/// Do the lines of `text` begin with a formula in lines of its own? One that is not closed, or that something else
/// interrupts, is no formula: a function of the text only. `ended`: nothing follows.
BlockSplitter::MathAhead BlockSplitter::mathAhead(QStringView text, bool ended) {
    qsizetype end = text.indexOf(u'\n');
    if (!mayBeginMath(text.left(end)))
        return MathAhead::None;
    const State kept = state_;
    const size_t blocks = blocks_.size();
    const auto containers = containers_.size();
    provisional_ = mathBegins_ = true;
    readLine(text.left(end));
    MathAhead result = state_.leaf.kind == LeafKind::Math ? MathAhead::Undecided : MathAhead::None;
    while (result == MathAhead::Undecided) {
        const qsizetype from = end + 1;
        const qsizetype newline = from <= text.size() ? text.indexOf(u'\n', from) : -1;
        end = newline < 0 ? text.size() : newline;
        const bool whole = from <= text.size() && (newline >= 0 || ended);
        const QStringView line = text.mid(from, end - from); // null where nothing follows
        const bool tooMuch =
            end > kMathLength || (hasEmoji(line) && affordablePrefix(text.left(end), kMathLength) < end);
        if (tooMuch || (!whole && ended))
            result = MathAhead::None;
        if (result == MathAhead::None || !whole)
            break;
        result = mathGoesOn(line);
    }
    provisional_ = mathBegins_ = false;
    state_ = kept;
    blocks_.resize(blocks);
    containers_.resize(containers);
    return result;
}

BlockSplitter::MathAhead BlockSplitter::mathGoesOn(QStringView line) const {
    LineReader in(line);
    if (matchContainers(in) != state_.open.size() || in.blank())
        return MathAhead::None;
    const QStringView closer = mathBlockCloser(state_.leaf.text);
    if (closer != u"$$" && mathBlockCloser(in.text()) == closer) // another begins
        return MathAhead::None;
    const MathLine next = readMathLine(in.text(), closer);
    return next == MathLine::Last     ? MathAhead::Whole
           : next == MathLine::Inside ? MathAhead::Undecided
                                      : MathAhead::None;
}

void BlockSplitter::finish() {
    const int firstOpen = frozen_;
    const std::vector<Stored> tail = dropTail();
    takeLines(0, true);
    if (!pending_.isEmpty())
        readLine(pending_);
    pending_.clear();
    endLongLine();
    closeContainersTo(0);
    state_ = {};
    frozen_ = int(blocks_.size());
    frozenContainers_ = int(containers_.size());
    keepIdentities(tail, firstOpen);
    applyLateDefinitions();
}

std::vector<BlockSplitter::Stored> BlockSplitter::dropTail() {
    std::vector<Stored> tail(std::make_move_iterator(blocks_.begin() + frozen_),
                             std::make_move_iterator(blocks_.end()));
    blocks_.resize(size_t(frozen_));
    containers_.resize(frozenContainers_);
    return tail;
}

/// The open leaves as they stand: a copy of the open state reads what waits and closes, and is thrown away.
void BlockSplitter::buildTail() {
    const State kept = state_;
    provisional_ = mathBegins_ = true;
    QStringView waiting(pending_);
    for (qsizetype newline = waiting.indexOf(u'\n'); newline >= 0; newline = waiting.indexOf(u'\n')) {
        readLine(waiting.left(newline));
        waiting = waiting.mid(newline + 1);
    }
    if (!state_.longLine && !waiting.isEmpty() && !isUndecided(waiting))
        readLine(waiting);
    closeContainersTo(0);
    provisional_ = mathBegins_ = false;
    state_ = kept;
}

/// A leaf that is as it was keeps its identity and what was read of it, and so its layout.
void BlockSplitter::keepIdentities(const std::vector<Stored>& tail, int first) {
    for (size_t i = 0; i < tail.size() && size_t(first) + i < blocks_.size(); ++i) {
        Stored& now = blocks_[size_t(first) + i];
        const Stored& old = tail[i];
        const Block& a = now.block;
        const Block& b = old.block;
        if (a.kind != b.kind || a.text != b.text || a.container != b.container || a.markers != b.markers ||
            a.level != b.level || a.task != b.task || a.joined != b.joined || a.root != b.root || a.info != b.info)
            continue;
        now.block.id = b.id;
        now.inlines = old.inlines;
        now.parsed = old.parsed;
        now.definitionsSeen = old.definitionsSeen;
    }
}

void BlockSplitter::applyLateDefinitions() {
    for (Stored& s : blocks_) {
        if (!s.parsed || !s.inlines.unresolved || s.definitionsSeen == int(definitions_.size()))
            continue;
        s.parsed = false;
        s.block.id = nextId_++;
    }
}

/// Could the last line still turn the line before it into a heading, or itself into something else? Then it waits,
/// so that nothing flickers.
bool BlockSplitter::isUndecided(QStringView text) const {
    if (dialect_ == Dialect::Plain || state_.leaf.kind == LeafKind::Math)
        return false;
    const QStringView line = trimmedBlanks(text);
    if (state_.leaf.kind == LeafKind::Fence)
        return !line.isEmpty() &&
               std::all_of(line.begin(), line.end(), [&](QChar c) { return c == state_.leaf.fence; });
    if (std::all_of(line.begin(), line.end(), [](QChar c) { return QStringView(u"-=*_#>+`~|:$\\ \t").contains(c); }))
        return true;
    qsizetype digits = 0;
    while (digits < line.size() && digits < 9 && isAsciiDigit(line[digits]))
        ++digits;
    if (digits > 0 && digits + 1 == line.size() && (line.back() == u'.' || line.back() == u')'))
        return true;
    // A delimiter row that is still being written.
    return state_.leaf.kind == LeafKind::Paragraph && line.startsWith(u'|') && !tableAlignments(line).isEmpty();
}

// Lines

void BlockSplitter::readLine(QStringView line) {
    if (!provisional_)
        ++linesRead_;
    if (dialect_ == Dialect::Plain) {
        state_.leaf.kind = LeafKind::Plain;
        appendLines(line, true);
        return;
    }
    LineReader in(line);
    const size_t matched = matchContainers(in);
    const bool all = matched == state_.open.size();
    if (all && continueLeaf(in))
        return;
    const bool afterParagraph = all && state_.leaf.kind == LeafKind::Paragraph;
    bool begun = false; // a container was opened on this line; what did not match is closed
    for (;;) {
        if (in.blank())
            break;
        const bool inParagraph = afterParagraph && !begun;
        const bool maybeLazy = !begun && state_.leaf.kind == LeafKind::Paragraph;
        if (in.indent() >= 4) {
            if (maybeLazy)
                break;
            begin(matched, begun);
            in.advance(4);
            state_.leaf.kind = LeafKind::Indented;
            appendLines(in.rest(), true);
            return;
        }
        if (openQuote(in, matched, begun)) {
            begun = true;
            continue;
        }
        if (openLeaf(in, matched, begun, inParagraph, maybeLazy))
            return;
        if (!openItem(in, matched, begun, inParagraph))
            break;
        begun = true;
    }
    addText(in, matched, begun);
}

/// A line that began no block: it goes on, or begins, a paragraph.
void BlockSplitter::addText(LineReader& in, size_t matched, bool begun) {
    Leaf& leaf = state_.leaf;
    const bool all = matched == state_.open.size();
    if (!begun && !all && !in.blank() && leaf.kind == LeafKind::Paragraph) { // lazy
        appendParagraph(in.text());
        return;
    }
    if (!begun && !all)
        closeContainersTo(matched);
    if (in.blank())
        return;
    if (!begun && all && leaf.kind == LeafKind::Table) {
        emitLeaf(BlockKind::TableRow, in.text().toString());
        return;
    }
    if (!begun && all && leaf.kind == LeafKind::Paragraph) {
        appendParagraph(in.text());
        return;
    }
    closeLeaf();
    leaveLists();
    leaf.kind = LeafKind::Paragraph;
    appendParagraph(in.text());
}

/// How many of the open containers this line goes on with; their marks are consumed.
size_t BlockSplitter::matchContainers(LineReader& in) const {
    for (size_t i = 0; i < state_.open.size(); ++i) {
        const OpenContainer& c = state_.open[i];
        if (c.kind == OpenContainer::Quote) {
            if (in.indent() > 3 || in.first() != u'>')
                return i;
            in.advanceChars(1);
            if (in.spaceHere())
                in.advance(1);
        } else if (c.kind == OpenContainer::Item) {
            const bool childless = c.empty && i + 1 == state_.open.size() && state_.leaf.kind == LeafKind::None;
            if (in.blank() ? childless : in.indent() < c.contentIndent)
                return i;
            in.advance(c.contentIndent); // of a blank line what it has of it
        }
    }
    return state_.open.size();
}

/// True: the open leaf took the line. Leaves that this line ends are closed.
bool BlockSplitter::continueLeaf(LineReader& in) {
    Leaf& leaf = state_.leaf;
    switch (leaf.kind) {
    case LeafKind::Fence: {
        const QStringView text = in.text();
        qsizetype run = 0;
        while (run < text.size() && text[run] == leaf.fence)
            ++run;
        if (in.indent() <= 3 && run >= leaf.fenceLength && isBlank(text.mid(run))) {
            closeLeaf();
            return true;
        }
        in.advance(std::min(in.indent(), leaf.fenceIndent));
        appendLines(in.rest(), true);
        return true;
    }
    case LeafKind::Indented:
        if (in.blank()) {
            in.advance(4);
            if (leaf.blanks.size() < kCodeLines)
                leaf.blanks.append(in.rest());
            ++leaf.pendingBlank;
            return true;
        }
        if (in.indent() >= 4) {
            in.advance(4);
            for (int i = 0; i < leaf.pendingBlank; ++i)
                appendLines(i < leaf.blanks.size() ? leaf.blanks[i] : QString(), true);
            leaf.pendingBlank = 0;
            leaf.blanks.clear();
            appendLines(in.rest(), true);
            return true;
        }
        closeLeaf();
        return false;
    case LeafKind::Html:
        if (leaf.htmlEnd >= 6 && in.blank()) {
            closeLeaf();
            return false;
        }
        appendLines(in.rest(), true);
        if (htmlEnds(leaf.htmlEnd, in.text()))
            closeLeaf();
        return true;
    case LeafKind::Math:
        leaf.text += u'\n';
        leaf.text += in.text();
        if (readMathLine(in.text(), mathBlockCloser(leaf.text)) == MathLine::Last)
            closeLeaf();
        return true;
    default:
        if (in.blank())
            closeLeaf();
        return false;
    }
}

/// Before the first new block of a line: what the line did not go on with is closed.
void BlockSplitter::begin(size_t matched, bool begun) {
    if (!begun)
        closeContainersTo(matched);
    leaveLists();
}

void BlockSplitter::leaveLists() {
    while (!state_.open.empty() && state_.open.back().kind == OpenContainer::List)
        state_.open.pop_back();
}

int BlockSplitter::depth() const {
    return int(std::count_if(state_.open.begin(), state_.open.end(),
                             [](const OpenContainer& c) { return c.kind != OpenContainer::List; }));
}

bool BlockSplitter::openQuote(LineReader& in, size_t matched, bool begun) {
    if (in.first() != u'>' || depth() >= kMaxDepth)
        return false;
    begin(matched, begun);
    in.advanceChars(1);
    if (in.spaceHere())
        in.advance(1);
    OpenContainer quote;
    quote.node = newNode({.quote = true});
    state_.open.push_back(quote);
    return true;
}

bool BlockSplitter::openItem(LineReader& in, size_t matched, bool begun, bool inParagraph) {
    const QStringView text = in.text();
    const ItemMark m = itemMark(text);
    if (m.width == 0 || depth() >= kMaxDepth)
        return false;
    if (inParagraph && ((m.ordered && m.number != 1) || isBlank(text.mid(m.width))))
        return false;

    const int offset = in.indent();
    if (!begun)
        closeContainersTo(matched);
    in.advanceChars(m.width);
    const int spaces = in.blank() || in.indent() > 4 ? 1 : in.indent();
    if (in.spaceHere())
        in.advance(spaces);
    const bool sameList = !state_.open.empty() && state_.open.back().kind == OpenContainer::List &&
                          state_.open.back().mark == m.mark && state_.open.back().ordered == m.ordered;
    if (!sameList) {
        leaveLists();
        OpenContainer list;
        list.kind = OpenContainer::List;
        list.mark = m.mark;
        list.ordered = m.ordered;
        list.nextNumber = m.number;
        state_.open.push_back(list);
    }
    OpenContainer item;
    item.kind = OpenContainer::Item;
    item.contentIndent = offset + m.width + spaces;
    item.node = newNode({.ordered = m.ordered, .number = state_.open.back().nextNumber++, .delimiter = m.mark});
    state_.open.push_back(item);
    return true;
}

// Leaves

/// Headings, fences, formulas, HTML, rules, tables: true when the line was one and is consumed.
bool BlockSplitter::openLeaf(LineReader& in, size_t matched, bool begun, bool inParagraph, bool maybeLazy) {
    const QStringView text = in.text();
    if (openHeading(in, matched, begun) || openFence(in, matched, begun) || openMath(in, matched, begun))
        return true;
    if (const int kind = htmlStart(text, inParagraph || maybeLazy)) {
        begin(matched, begun);
        state_.leaf.kind = LeafKind::Html;
        state_.leaf.htmlEnd = kind;
        appendLines(in.rest(), true);
        if (htmlEnds(kind, text))
            closeLeaf();
        return true;
    }
    if (inParagraph && (closeAsHeading(text) || openTable(text)))
        return true;
    if (isRule(text) && !state_.longLine) {
        begin(matched, begun);
        emitLeaf(BlockKind::Rule, {});
        return true;
    }
    return false;
}

bool BlockSplitter::openHeading(LineReader& in, size_t matched, bool begun) {
    QStringView text;
    const int level = headingLevel(in.text(), &text);
    if (level == 0)
        return false;
    begin(matched, begun);
    state_.leaf.level = level;
    if (state_.longLine) {
        state_.leaf.kind = LeafKind::Heading;
        appendParagraph(text);
        return true;
    }
    emitLeaf(BlockKind::Heading, text.toString());
    state_.leaf = {};
    return true;
}

bool BlockSplitter::openFence(LineReader& in, size_t matched, bool begun) {
    const QStringView text = in.text();
    const int length = fenceLength(text);
    if (length == 0)
        return false;
    const int indent = in.indent();
    begin(matched, begun);
    state_.leaf.kind = LeafKind::Fence;
    state_.leaf.fence = text[0];
    state_.leaf.fenceLength = length;
    state_.leaf.fenceIndent = indent;
    state_.leaf.info = unescaped(trimmedBlanks(text.mid(length))).left(kInfoLength).replace(u'\t', u' ');
    return true;
}

/// A formula in lines of its own. That it is closed is known, or it is shown for now (mathBegins_).
bool BlockSplitter::openMath(LineReader& in, size_t matched, bool begun) {
    const QStringView text = in.text();
    const QStringView closer = mathBlockCloser(text);
    if (closer.isEmpty() || state_.longLine)
        return false;
    const MathLine first = readMathLine(text, closer, 2);
    const bool empty = first == MathLine::Last && trimmedBlanks(text.mid(2)).startsWith(closer);
    if (first == MathLine::Broken || empty || (first == MathLine::Inside && !mathBegins_))
        return false;
    begin(matched, begun);
    state_.leaf.kind = LeafKind::Math;
    state_.leaf.text = text.toString();
    if (first == MathLine::Last)
        closeLeaf();
    return true;
}

/// `===` or `---` below a paragraph.
bool BlockSplitter::closeAsHeading(QStringView text) {
    Leaf& leaf = state_.leaf;
    const int level = underlineLevel(text);
    if (level == 0 || leaf.root >= 0 || state_.longLine)
        return false;
    takeDefinitions(leaf.text.size());
    if (isBlank(leaf.text))
        return false;
    leaf.level = level;
    emitLeaf(BlockKind::Heading, trimmedBlanks(leaf.text).toString());
    leaf = {};
    return true;
}

bool BlockSplitter::openTable(QStringView text) {
    Leaf& leaf = state_.leaf;
    if (leaf.lastLine < 0 || state_.longLine)
        return false;
    const QString alignments = tableAlignments(text);
    const QString head = leaf.text.mid(leaf.lastLine);
    if (alignments.isEmpty() || tableCells(head).size() != alignments.size())
        return false;
    leaf.text.truncate(std::max(0, leaf.lastLine - 1));
    if (leaf.lastLine > 0)
        closeLeaf();
    leaf = {};
    leaf.kind = LeafKind::Table;
    leaf.info = alignments;
    emitLeaf(BlockKind::TableRow, head);
    return true;
}

void BlockSplitter::appendParagraph(QStringView text) {
    Leaf& leaf = state_.leaf;
    if (!leaf.text.isEmpty())
        leaf.text += u'\n';
    leaf.lastLine = int(leaf.text.size());
    leaf.text += text;
    cutParagraph(text);
}

void BlockSplitter::cutParagraph(QStringView added) {
    Leaf& leaf = state_.leaf;
    while (leaf.text.size() > kSliceLength || hasEmoji(added)) {
        const qsizetype most = affordablePrefix(leaf.text, kSliceLength);
        if (most == leaf.text.size())
            break;
        if (leaf.kind == LeafKind::Paragraph && leaf.root < 0 && takeDefinitions(most))
            continue;
        const qsizetype cut = cutPosition(QStringView(leaf.text).left(most));
        const bool atLineEnd = leaf.text[cut - 1] == u'\n';
        QString head = leaf.text.left(atLineEnd ? cut - 1 : cut);
        leaf.text.remove(0, cut);
        leaf.lastLine = leaf.lastLine >= cut ? leaf.lastLine - int(cut) : -1;
        emitLeaf(leaf.kind == LeafKind::Heading ? BlockKind::Heading : BlockKind::Paragraph, std::move(head));
        leaf.joined = !atLineEnd;
    }
}

/// Code, HTML and plain text: lines as they are, in slices.
void BlockSplitter::appendLines(QStringView piece, bool newLine) {
    Leaf& leaf = state_.leaf;
    if (newLine) {
        if (leaf.lines >= kCodeLines) {
            emitLeaf(kindOfLines(), std::exchange(leaf.text, QString()));
            leaf.lines = 0;
            leaf.joined = false;
        }
        if (leaf.lines > 0)
            leaf.text += u'\n';
        ++leaf.lines;
    }
    leaf.text += piece;
    while (leaf.text.size() > kCodeLength || hasEmoji(piece)) {
        const qsizetype most = affordablePrefix(leaf.text, kCodeLength);
        if (most == leaf.text.size())
            break;
        const QStringView head = QStringView(leaf.text).left(most);
        const qsizetype newline = head.lastIndexOf(u'\n');
        const qsizetype cut = newline > 0 ? newline : most;
        const int ended = int(head.left(cut).count(u'\n')) + (newline > 0 ? 1 : 0);
        QString text = leaf.text.left(cut);
        leaf.text.remove(0, newline > 0 ? cut + 1 : cut);
        leaf.lines -= ended;
        emitLeaf(kindOfLines(), std::move(text));
        leaf.joined = newline <= 0;
    }
}

BlockKind BlockSplitter::kindOfLines() const {
    return state_.leaf.kind == LeafKind::Html    ? BlockKind::Literal
           : state_.leaf.kind == LeafKind::Plain ? BlockKind::Plain
                                                 : BlockKind::Code;
}

/// More of a line of which the head was read already.
void BlockSplitter::appendLong(QStringView piece) {
    if (piece.isEmpty())
        return;
    Leaf& leaf = state_.leaf;
    switch (leaf.kind) {
    case LeafKind::Paragraph:
    case LeafKind::Heading:
        leaf.text += piece;
        cutParagraph(piece);
        break;
    case LeafKind::Fence:
        if (leaf.lines == 0) // the fence's own line: its info is long enough
            break;
        [[fallthrough]];
    case LeafKind::Html:
    case LeafKind::Indented:
    case LeafKind::Plain:
        appendLines(piece, false);
        break;
    case LeafKind::Table:
    case LeafKind::Math:
    case LeafKind::None: // the head was a whole leaf: what follows is a paragraph that goes on in its line
        closeLeaf();
        leaf.kind = LeafKind::Paragraph;
        leaf.joined = true;
        appendParagraph(piece);
        break;
    }
}

void BlockSplitter::endLongLine() {
    if (!state_.longLine)
        return;
    state_.longLine = false;
    if (state_.leaf.kind == LeafKind::Heading)
        closeLeaf();
}

// Closing

void BlockSplitter::closeContainersTo(size_t n) {
    closeLeaf();
    while (state_.open.size() > n) {
        const OpenContainer& c = state_.open.back();
        if (c.kind == OpenContainer::Item && c.empty)
            emitLeaf(BlockKind::Paragraph, {}); // an item without text still shows its mark
        state_.open.pop_back();
    }
}

void BlockSplitter::closeLeaf() {
    Leaf& leaf = state_.leaf;
    switch (leaf.kind) {
    case LeafKind::Paragraph:
        if (leaf.root < 0)
            takeDefinitions(leaf.text.size());
        while (!leaf.text.isEmpty() && (isBlankChar(leaf.text.back()) || leaf.text.back() == u'\n'))
            leaf.text.chop(1);
        if (!leaf.text.isEmpty())
            emitLeaf(BlockKind::Paragraph, leaf.text);
        break;
    case LeafKind::Heading:
        if (!leaf.text.isEmpty())
            emitLeaf(BlockKind::Heading, trimmedBlanks(leaf.text).toString());
        break;
    case LeafKind::Math:
        emitLeaf(BlockKind::Math, leaf.text);
        break;
    case LeafKind::Fence:
        if (!leaf.text.isEmpty() || leaf.root < 0)
            emitLeaf(BlockKind::Code, leaf.text);
        break;
    case LeafKind::Plain:
    case LeafKind::Html:
    case LeafKind::Indented:
        while (leaf.text.endsWith(u'\n'))
            leaf.text.chop(1);
        if (!leaf.text.isEmpty())
            emitLeaf(kindOfLines(), leaf.text);
        break;
    case LeafKind::Table:
    case LeafKind::None:
        break;
    }
    leaf = {};
}

/// Link definitions at the start of a paragraph, of its first `limit` characters; true: there were some. What ends just
/// there may go on behind, and is left.
bool BlockSplitter::takeDefinitions(qsizetype limit) {
    Leaf& leaf = state_.leaf;
    const QStringView head = QStringView(leaf.text).left(limit);
    qsizetype taken = 0;
    QString label;
    QString address;
    while (const qsizetype n = parseDefinition(head.mid(taken), &label, &address)) {
        if (taken + n == head.size() && limit < leaf.text.size())
            break;
        taken += n;
        if (!provisional_ && !definitions_.contains(label))
            definitions_.insert(label, address);
    }
    leaf.text.remove(0, taken);
    leaf.lastLine = leaf.lastLine >= taken ? leaf.lastLine - int(taken) : -1;
    return taken > 0;
}

void BlockSplitter::emitLeaf(BlockKind kind, QString text) {
    Leaf& leaf = state_.leaf;
    Stored s;
    Block& b = s.block;
    b.id = nextId_++;
    b.kind = kind;
    for (size_t i = state_.open.size(); i-- > 0;) {
        OpenContainer& c = state_.open[i];
        if (c.kind == OpenContainer::List)
            continue;
        if (b.container < 0)
            b.container = c.node;
        if (c.kind == OpenContainer::Quote)
            continue;
        if (!c.empty)
            break;
        c.empty = false;
        ++b.markers;
    }
    if (kind == BlockKind::Paragraph && b.markers > 0)
        b.task = qint8(taskState(text));
    if (b.task >= 0)
        text = text.mid(4);
    const bool sliced = leaf.kind != LeafKind::None && kind != BlockKind::Rule;
    if (sliced && leaf.root < 0)
        leaf.root = int(blocks_.size());
    b.root = sliced ? leaf.root : int(blocks_.size());
    b.slice = sliced ? leaf.slice++ : 0;
    b.level = quint8(kind == BlockKind::TableRow ? std::min(b.slice, 1) : leaf.level);
    b.joined = leaf.joined;
    b.info = leaf.info;
    b.text = std::move(text);
    blocks_.push_back(std::move(s));
}

int BlockSplitter::newNode(Container c) {
    c.parent = -1;
    for (size_t i = state_.open.size(); i-- > 0 && c.parent < 0;)
        if (state_.open[i].kind != OpenContainer::List)
            c.parent = state_.open[i].node;
    if (c.parent >= 0) {
        const Container& parent = containers_[c.parent];
        c.depth = qint8(parent.depth + 1);
        c.listDepth = qint8(parent.listDepth + (parent.quote ? 0 : 1));
    }
    containers_.append(c);
    return int(containers_.size()) - 1;
}

} // namespace hearth::ui
