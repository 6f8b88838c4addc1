#include "ui/chat/block_splitter.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace hearth::ui {
namespace {

bool isBlankChar(QChar c) {
    return c == u' ' || c == u'\t';
}

bool isBlank(QStringView s) {
    return std::all_of(s.begin(), s.end(), isBlankChar);
}

bool isDigit(QChar c) {
    return c >= u'0' && c <= u'9';
}

bool isLetter(QChar c) {
    return (c.unicode() | 32) >= 'a' && (c.unicode() | 32) <= 'z';
}

bool isRule(QStringView s) {
    QChar mark;
    int count = 0;
    for (const QChar c : s) {
        if (isBlankChar(c))
            continue;
        if (c != u'*' && c != u'-' && c != u'_')
            return false;
        if (count > 0 && c != mark)
            return false;
        mark = c;
        ++count;
    }
    return count >= 3;
}

/// `---|:--:|--:` → one of "l c r -" a column; empty: no delimiter row.
QString tableAlignments(QStringView line) {
    if (!line.contains(u'-') || !(line.contains(u'|') || line.contains(u':')))
        return {};
    QString alignments;
    for (const QStringView cell : tableCells(line)) {
        const bool left = cell.startsWith(u':');
        const bool right = cell.endsWith(u':');
        const QStringView dashes = cell.mid(left ? 1 : 0, cell.size() - (left ? 1 : 0) - (right ? 1 : 0));
        if (dashes.isEmpty() || !std::all_of(dashes.begin(), dashes.end(), [](QChar c) { return c == u'-'; }))
            return {};
        alignments += left && right ? u'c' : left ? u'l' : right ? u'r' : u'-';
    }
    return alignments;
}

constexpr const char16_t* kBlockTags[] = {
    u"address",  u"article",    u"aside",  u"base",    u"basefont", u"blockquote", u"body",     u"caption",  u"center",
    u"col",      u"colgroup",   u"dd",     u"details", u"dialog",   u"dir",        u"div",      u"dl",       u"dt",
    u"fieldset", u"figcaption", u"figure", u"footer",  u"form",     u"frame",      u"frameset", u"h1",       u"h2",
    u"h3",       u"h4",         u"h5",     u"h6",      u"head",     u"header",     u"hr",       u"html",     u"iframe",
    u"legend",   u"li",         u"link",   u"main",    u"menu",     u"menuitem",   u"nav",      u"noframes", u"ol",
    u"optgroup", u"option",     u"p",      u"param",   u"section",  u"source",     u"summary",  u"table",    u"tbody",
    u"td",       u"tfoot",      u"th",     u"thead",   u"title",    u"tr",         u"track",    u"ul"};

constexpr const char16_t* kRawTags[] = {u"script", u"pre", u"style", u"textarea"};

/// Which of CommonMark's seven kinds of HTML block begins with `s`; 0: none.
int htmlStart(QStringView s, bool afterParagraph) {
    if (!s.startsWith(u'<') || s.size() < 2)
        return 0;
    if (s.startsWith(u"<!--"))
        return 2;
    if (s.startsWith(u"<?"))
        return 3;
    if (s.startsWith(u"<![CDATA["))
        return 5;
    if (s[1] == u'!' && s.size() > 2 && isLetter(s[2]))
        return 4;
    const bool closing = s[1] == u'/';
    qsizetype end = closing ? 2 : 1;
    const qsizetype start = end;
    while (end < s.size() && (isLetter(s[end]) || isDigit(s[end]) || (s[end] == u'-' && end > start)))
        ++end;
    const QString name = s.mid(start, end - start).toString().toLower();
    const bool ended = end >= s.size() || isBlankChar(s[end]) || s[end] == u'>';
    const auto named = [&](QStringView tag) { return tag == name; };
    if (!closing && ended && std::any_of(std::begin(kRawTags), std::end(kRawTags), named))
        return 1;
    const bool selfEnded = end + 1 < s.size() && s[end] == u'/' && s[end + 1] == u'>';
    if ((ended || selfEnded) && std::any_of(std::begin(kBlockTags), std::end(kBlockTags), named))
        return 6;
    // The seventh kind: one whole tag, alone on its line.
    const qsizetype close = s.indexOf(u'>');
    if (!afterParagraph && !name.isEmpty() && close > 0 && isBlank(s.mid(close + 1)) &&
        s.mid(1, close - 1).indexOf(u'<') < 0 && (ended || selfEnded))
        return 7;
    return 0;
}

bool htmlEnds(int kind, QStringView line) {
    switch (kind) {
    case 1:
        return std::any_of(std::begin(kRawTags), std::end(kRawTags), [&](const char16_t* tag) {
            return line.contains(QStringLiteral("</%1>").arg(QStringView(tag)), Qt::CaseInsensitive);
        });
    case 2:
        return line.contains(u"-->");
    case 3:
        return line.contains(u"?>");
    case 4:
        return line.contains(u'>');
    case 5:
        return line.contains(u"]]>");
    default:
        return false; // 6 and 7 end at a blank line
    }
}

/// Marks where an inline span may be open while a paragraph is read from its start: emphasis, code, brackets. An
/// approximation of the inline rules by one look at each character; a span taken for open only moves a cut.
class OpenSpans {
public:
    explicit OpenSpans(QStringView text) : text_(text) {}

    bool any() const { return !open_.empty() || brackets_ > 0; }

    /// Reads what begins at `at`; returns where the next thing begins.
    qsizetype read(qsizetype at) {
        const QChar c = text_[at];
        if (c == u'\\')
            return at + 2;
        if (c == u'[' || c == u']') {
            brackets_ = std::max(0, brackets_ + (c == u'[' ? 1 : -1));
            // The address of a link belongs to it.
            if (c == u']' && at + 1 < text_.size() && text_[at + 1] == u'(')
                open_.push_back(u'(');
            return at + (c == u']' && at + 1 < text_.size() && text_[at + 1] == u'(' ? 2 : 1);
        }
        if (c == u')' && !open_.empty() && open_.back() == u'(')
            open_.pop_back();
        if (c != u'*' && c != u'_' && c != u'~' && c != u'`')
            return at + 1;
        qsizetype end = at;
        while (end < text_.size() && text_[end] == c)
            ++end;
        if (c == u'`')
            return afterCode(at, end);
        readDelimiters(c, at, end);
        return end;
    }

private:
    /// Code ends at a run of as many backticks; one that never comes opens nothing before the cut.
    qsizetype afterCode(qsizetype at, qsizetype end) {
        const qsizetype length = end - at;
        for (qsizetype i = text_.indexOf(u'`', end); i >= 0; i = text_.indexOf(u'`', i)) {
            const qsizetype start = i;
            while (i < text_.size() && text_[i] == u'`')
                ++i;
            if (i - start == length)
                return i;
        }
        open_.push_back(u'`');
        return text_.size();
    }

    void readDelimiters(QChar c, qsizetype at, qsizetype end) {
        const bool spaceBefore = at == 0 || text_[at - 1].isSpace();
        const bool spaceAfter = end >= text_.size() || text_[end].isSpace();
        if (c == u'_' && at > 0 && end < text_.size() && text_[at - 1].isLetterOrNumber() &&
            text_[end].isLetterOrNumber())
            return; // inside a word
        qsizetype left = end - at;
        while (!spaceBefore && left > 0 && closes(c))
            --left;
        for (; !spaceAfter && left > 0 && open_.size() < kMost; --left)
            open_.push_back(c);
    }

    bool closes(QChar c) {
        const auto it = std::find(open_.rbegin(), open_.rend(), c);
        if (it == open_.rend())
            return false;
        open_.erase(std::next(it).base(), open_.end());
        return true;
    }

    static constexpr size_t kMost = 64; // open at once; more than that is no emphasis
    QStringView text_;
    std::vector<QChar> open_;
    int brackets_ = 0;
};

/// Where a paragraph of more than kSliceLength characters is cut: a function of those characters only, so that the
/// way they arrived does not matter. Best after a line, a sentence or a word that ends outside of every inline span.
qsizetype cutPosition(QStringView head) {
    enum Rank { Anywhere, Space, Sentence, Line };

    constexpr int kRanks = 4;
    const qsizetype least = head.size() / 2;
    qsizetype best[2][kRanks]; // inside and outside of spans
    std::fill(&best[0][0], &best[0][0] + 2 * kRanks, qsizetype(-1));
    OpenSpans spans(head);
    for (qsizetype next = 0, i = 1; i < head.size(); ++i) {
        while (next < i)
            next = spans.read(next);
        const char16_t c = head[i - 1].unicode();
        if (i <= least || head[i] == u' ' || head[i].isLowSurrogate() || next > i)
            continue;
        const char16_t before = i > 1 ? head[i - 2].unicode() : u' ';
        const Rank rank = c == u'\n'                                                          ? Line
                          : c == u'。' || c == u'！' || c == u'？'                            ? Sentence
                          : c == u' ' && (before == u'.' || before == u'!' || before == u'?') ? Sentence
                          : c == u' ' || c == u'，' || c == u'；'                             ? Space
                                                                                              : Anywhere;
        best[spans.any() ? 0 : 1][rank] = i;
    }
    for (const int outside : {1, 0})
        for (const Rank rank : {Line, Sentence, Space})
            if (best[outside][rank] > 0)
                return best[outside][rank];
    return head.back().isHighSurrogate() ? head.size() - 1 : head.size();
}

} // namespace

/// A line being consumed, with CommonMark's tab stops of four columns.
class BlockSplitter::LineReader {
public:
    explicit LineReader(QStringView line) : line_(line) { findNext(); }

    void advance(int columns) {
        while (columns > 0 && at_ < line_.size()) {
            if (line_[at_] == u'\t') {
                const int width = 4 - (column_ % 4);
                const int rest = partial_ > 0 ? partial_ : width;
                const int take = std::min(rest, columns);
                partial_ = rest - take;
                columns -= take;
                column_ += take;
                if (partial_ == 0)
                    ++at_;
            } else {
                ++at_;
                ++column_;
                --columns;
            }
        }
        findNext();
    }

    void advanceChars(qsizetype n) {
        at_ = next_ + n;
        column_ = nextColumn_ + int(n);
        partial_ = 0;
        findNext();
    }

    bool blank() const { return next_ >= line_.size(); }

    int indent() const { return nextColumn_ - column_; }

    QStringView text() const { return line_.mid(next_); } // after the indent

    QChar first() const { return next_ < line_.size() ? line_[next_] : QChar(); }

    bool spaceHere() const { return at_ < line_.size() && isBlankChar(line_[at_]); }

    /// What is left, a half consumed tab as spaces.
    QString rest() const {
        if (partial_ > 0)
            return QString(partial_, u' ') + line_.mid(at_ + 1).toString();
        return line_.mid(at_).toString();
    }

private:
    void findNext() {
        next_ = at_;
        nextColumn_ = column_;
        int partial = partial_;
        while (next_ < line_.size() && isBlankChar(line_[next_])) {
            nextColumn_ += line_[next_] == u' ' ? 1 : partial > 0 ? partial : 4 - (nextColumn_ % 4);
            partial = 0;
            ++next_;
        }
    }

    QStringView line_;
    qsizetype at_ = 0;
    int column_ = 0;
    int partial_ = 0; // columns left of a tab that is consumed in part
    qsizetype next_ = 0;
    int nextColumn_ = 0;
};

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
    const qsizetype searchFrom = pending_.size();
    pending_ += chunk;
    if (chunk.contains(QChar(0)))
        pending_.replace(QChar(0), QChar(QChar::ReplacementCharacter));
    takeLines(searchFrom);
    frozen_ = int(blocks_.size());
    frozenContainers_ = int(containers_.size());
    buildTail();
    keepIdentities(tail, firstOpen);
}

/// Reads every line of `pending_` that has ended, and what is ripe of one that is long.
void BlockSplitter::takeLines(qsizetype searchFrom) {
    const QString text = std::exchange(pending_, QString());
    const QStringView all(text);
    qsizetype from = 0;
    for (;;) {
        const qsizetype newline = all.indexOf(u'\n', std::max(from, searchFrom));
        const qsizetype end = newline < 0 ? all.size() : newline;
        if (!state_.longLine && end - from > kLineHead) {
            const qsizetype head = all[from + kLineHead - 1].isHighSurrogate() ? kLineHead - 1 : kLineHead;
            state_.longLine = true;
            readLine(all.mid(from, head));
            from += head;
        }
        if (state_.longLine) {
            // A '\r' at the very end may belong to a line end that has not arrived.
            const bool held = newline < 0 && end > from && all[end - 1] == u'\r';
            appendLong(all.mid(from, end - from - (held ? 1 : 0)));
            from = held ? end - 1 : end;
        }
        if (newline < 0)
            break;
        if (state_.longLine)
            endLongLine();
        else
            readLine(all.mid(from, end - from));
        from = newline + 1;
    }
    pending_ = all.mid(from).toString();
}

void BlockSplitter::finish() {
    const int firstOpen = frozen_;
    const std::vector<Stored> tail = dropTail();
    if (state_.longLine)
        appendLong(pending_);
    else if (!pending_.isEmpty())
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

/// The open leaves as they stand: a copy of the open state reads the last line and closes, and is thrown away.
void BlockSplitter::buildTail() {
    const State kept = state_;
    provisional_ = true;
    if (!state_.longLine && !pending_.isEmpty() && !isUndecided())
        readLine(pending_);
    closeContainersTo(0);
    provisional_ = false;
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
bool BlockSplitter::isUndecided() const {
    if (dialect_ == Dialect::Plain)
        return false;
    const QStringView line = QStringView(pending_).trimmed();
    if (state_.leaf.kind == LeafKind::Fence)
        return !line.isEmpty() &&
               std::all_of(line.begin(), line.end(), [&](QChar c) { return c == state_.leaf.fence; });
    if (std::all_of(line.begin(), line.end(), [](QChar c) { return QStringView(u"-=*_#>+`~|: \t").contains(c); }))
        return true;
    qsizetype digits = 0;
    while (digits < line.size() && digits < 9 && isDigit(line[digits]))
        ++digits;
    if (digits > 0 && digits + 1 == line.size() && (line.back() == u'.' || line.back() == u')'))
        return true;
    // A delimiter row that is still being written.
    return state_.leaf.kind == LeafKind::Paragraph && line.startsWith(u'|') && !tableAlignments(line).isEmpty();
}

// Lines

void BlockSplitter::readLine(QStringView line) {
    if (line.endsWith(u'\r'))
        line.chop(1);
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
size_t BlockSplitter::matchContainers(LineReader& in) {
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
            if (!in.blank())
                in.advance(c.contentIndent);
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
            ++leaf.pendingBlank;
            return true;
        }
        if (in.indent() >= 4) {
            in.advance(4);
            for (; leaf.pendingBlank > 0; --leaf.pendingBlank)
                appendLines({}, true);
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
    qsizetype width = 0;
    while (width < text.size() && width < 9 && isDigit(text[width]))
        ++width;
    const bool ordered = width > 0;
    const int number = ordered ? text.left(width).toInt() : 0;
    if (width >= text.size())
        return false;
    const QChar mark = text[width];
    const bool fits = ordered ? mark == u'.' || mark == u')' : mark == u'-' || mark == u'+' || mark == u'*';
    ++width;
    if (!fits || (width < text.size() && !isBlankChar(text[width])) || depth() >= kMaxDepth)
        return false;
    if (inParagraph && ((ordered && number != 1) || isBlank(text.mid(width))))
        return false;

    const int offset = in.indent();
    if (!begun)
        closeContainersTo(matched);
    in.advanceChars(width);
    const int spaces = in.blank() || in.indent() > 4 ? 1 : in.indent();
    if (in.spaceHere())
        in.advance(spaces);
    const bool sameList = !state_.open.empty() && state_.open.back().kind == OpenContainer::List &&
                          state_.open.back().mark == mark && state_.open.back().ordered == ordered;
    if (!sameList) {
        leaveLists();
        OpenContainer list;
        list.kind = OpenContainer::List;
        list.mark = mark;
        list.ordered = ordered;
        list.nextNumber = number;
        state_.open.push_back(list);
    }
    OpenContainer item;
    item.kind = OpenContainer::Item;
    item.contentIndent = offset + int(width) + spaces;
    item.node = newNode({.ordered = ordered, .number = state_.open.back().nextNumber++, .delimiter = mark});
    state_.open.push_back(item);
    return true;
}

// Leaves

/// Headings, fences, HTML, rules, tables: true when the line was one and is consumed.
bool BlockSplitter::openLeaf(LineReader& in, size_t matched, bool begun, bool inParagraph, bool maybeLazy) {
    const QStringView text = in.text();
    if (openHeading(in, matched, begun) || openFence(in, matched, begun))
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
    QStringView text = in.text();
    qsizetype level = 0;
    while (level < text.size() && text[level] == u'#')
        ++level;
    if (level < 1 || level > 6 || (level < text.size() && !isBlankChar(text[level])))
        return false;
    text = text.mid(level).trimmed();
    qsizetype end = text.size();
    while (end > 0 && text[end - 1] == u'#')
        --end;
    if (end == 0 || isBlankChar(text[end - 1]))
        text = text.left(end).trimmed();
    begin(matched, begun);
    state_.leaf.level = int(level);
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
    const QChar mark = in.first();
    if (mark != u'`' && mark != u'~')
        return false;
    qsizetype run = 0;
    while (run < text.size() && text[run] == mark)
        ++run;
    if (run < 3 || (mark == u'`' && text.mid(run).contains(u'`')))
        return false;
    const int indent = in.indent();
    begin(matched, begun);
    state_.leaf.kind = LeafKind::Fence;
    state_.leaf.fence = mark;
    state_.leaf.fenceLength = int(run);
    state_.leaf.fenceIndent = indent;
    state_.leaf.info = text.mid(run).trimmed().left(80).toString();
    return true;
}

/// `===` or `---` below a paragraph.
bool BlockSplitter::closeAsHeading(QStringView text) {
    Leaf& leaf = state_.leaf;
    const QStringView line = text.trimmed();
    const bool underline = (line.startsWith(u'=') || line.startsWith(u'-')) &&
                           std::all_of(line.begin(), line.end(), [&](QChar c) { return c == line[0]; });
    if (!underline || leaf.root >= 0 || state_.longLine)
        return false;
    takeDefinitions();
    if (leaf.text.trimmed().isEmpty())
        return false;
    leaf.level = line[0] == u'=' ? 1 : 2;
    emitLeaf(BlockKind::Heading, leaf.text.trimmed());
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
    cutParagraph();
}

void BlockSplitter::cutParagraph() {
    Leaf& leaf = state_.leaf;
    while (leaf.text.size() > kSliceLength) {
        const qsizetype cut = cutPosition(QStringView(leaf.text).left(kSliceLength));
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
    while (leaf.text.size() > kCodeLength) {
        const QStringView head = QStringView(leaf.text).left(kCodeLength);
        const qsizetype newline = head.lastIndexOf(u'\n');
        const qsizetype cut = newline > 0 ? newline : kCodeLength - (head.back().isHighSurrogate() ? 1 : 0);
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
        cutParagraph();
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
    if (state_.leaf.text.endsWith(u'\r'))
        state_.leaf.text.chop(1);
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
            takeDefinitions();
        while (!leaf.text.isEmpty() && leaf.text.back().isSpace())
            leaf.text.chop(1);
        if (!leaf.text.isEmpty())
            emitLeaf(BlockKind::Paragraph, leaf.text);
        break;
    case LeafKind::Heading:
        if (!leaf.text.isEmpty())
            emitLeaf(BlockKind::Heading, leaf.text.trimmed());
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

void BlockSplitter::takeDefinitions() {
    Leaf& leaf = state_.leaf;
    qsizetype taken = 0;
    QString label;
    QString address;
    while (const int n = parseDefinition(QStringView(leaf.text).mid(taken), &label, &address)) {
        taken += n;
        if (!provisional_ && !definitions_.contains(label))
            definitions_.insert(label, address);
    }
    leaf.text.remove(0, taken);
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
    if (kind == BlockKind::Paragraph && b.markers > 0 && text.size() >= 3 && text[0] == u'[' && text[2] == u']' &&
        (text.size() == 3 || isBlankChar(text[3])) && QStringView(u" xX").contains(text[1])) {
        b.task = text[1] == u' ' ? 0 : 1;
        text = text.mid(4);
    }
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
