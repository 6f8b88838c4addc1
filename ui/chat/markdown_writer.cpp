#include "ui/chat/markdown_writer.h"

#include "ui/chat/characters.h"
#include "ui/chat/inline_writer.h"

#include <QSet>
#include <QStringList>

#include <algorithm>

namespace hearth::ui {
namespace {

QString delimiterRow(QStringView columns) {
    QString out = QStringLiteral("|");
    for (const QChar c : columns)
        out += c == u'c'   ? QStringLiteral(" :-: |")
               : c == u'r' ? QStringLiteral(" --: |")
               : c == u'l' ? QStringLiteral(" :-- |")
                           : QStringLiteral(" --- |");
    return out;
}

/// A line of a paragraph of which nothing is read as the mark of a block.
QString guarded(QStringView line) {
    while (!line.isEmpty() && isBlankChar(line.front()))
        line = line.mid(1);
    QString out = line.toString();
    if (line.isEmpty())
        return out;
    qsizetype digits = 0;
    while (digits < line.size() && isAsciiDigit(line[digits]))
        ++digits;
    const auto blankAt = [&](qsizetype i) { return i >= line.size() || isBlankChar(line[i]); };
    if (digits > 0 && digits < 10 && digits < line.size() && (line[digits] == u'.' || line[digits] == u')') &&
        blankAt(digits + 1))
        return out.insert(digits, u'\\');
    const QChar c = line.front();
    const bool ruled = std::all_of(line.begin(), line.end(), [](QChar k) {
        return k == u'-' || k == u'=' || k == u'*' || k == u'_' || k == u':' || k == u'|' || isBlankChar(k);
    });
    qsizetype hashes = 0;
    while (hashes < line.size() && line[hashes] == u'#')
        ++hashes;
    const bool marks = c == u'>' || (hashes > 0 && hashes < 7 && blankAt(hashes)) ||
                       ((c == u'-' || c == u'+' || c == u'*') && blankAt(1)) || (ruled && c != u'|') ||
                       line.startsWith(u"~~~") || line.startsWith(u"$$");
    return marks ? out.prepend(u'\\') : out;
}

QStringList guarded(QStringList lines, BlockKind kind = BlockKind::Paragraph) {
    if (kind == BlockKind::Heading && lines.size() == 1) // behind its own mark
        return lines;
    for (QString& line : lines)
        line = guarded(line);
    return lines;
}

/// Ways to write a text, the nicest first.
std::vector<InlineMarks> waysOfMarking(bool cell) {
    std::vector<InlineMarks> ways;
    for (const bool verbatim : {true, false})
        for (const char16_t* strong : {u"**", u"__"})
            for (const char16_t* emphasis : {u"*", u"_"})
                ways.push_back({QString::fromUtf16(strong), QString::fromUtf16(emphasis), verbatim, cell});
    ways.push_back({QString(), QString(), false, cell});
    ways.push_back({QString(), QString(), false, cell, true});
    return ways;
}

class Writer {
public:
    explicit Writer(const BlockSplitter& blocks) : blocks_(blocks) {}

    QString write(int first, int last, int from, int to) {
        last = std::min(last, blocks_.count() - 1);
        for (int i = first; i <= last; ++i) {
            const int size = int(blocks_.inlines(i).text.size());
            const int begin = i == first ? std::clamp(from, 0, size) : 0;
            const int end = i == last && to >= 0 ? std::clamp(to, begin, size) : size;
            if (i == first)
                leaveItems(i, begin == 0);
            else
                separate(i);
            leaf({i, begin, end, begin == 0 && end == size, i == first, i == last});
        }
        return out_;
    }

private:
    /// A leaf, or what is taken of it.
    struct Taken {
        int index;
        int begin, end; // of its text as it is read
        bool whole;
        bool first, last; // of what is written
    };

    /// Items that began before what is written leave no trace: their blanks would be read as code.
    void leaveItems(int i, bool fromStart) {
        int begun = fromStart ? blocks_.block(i).markers : 0;
        for (int c = blocks_.block(i).container; c >= 0; c = blocks_.container(c).parent)
            if (!blocks_.container(c).quote && --begun < 0)
                left_.insert(c);
    }

    QVector<int> pathOf(int i) const {
        QVector<int> path;
        for (int c = blocks_.block(i).container; c >= 0; c = blocks_.container(c).parent)
            path.prepend(c);
        return path;
    }

    /// Blanks and marks of the containers around a leaf: for its first line, and for the others.
    void prefixes(int i, bool fromStart, QString& first, QString& rest) const {
        const Block& block = blocks_.block(i);
        const QVector<int> path = pathOf(i);
        const auto items = std::count_if(path.begin(), path.end(), [&](int c) { return !blocks_.container(c).quote; });
        int item = 0;
        for (const int k : path) {
            const Container& c = blocks_.container(k);
            if (c.quote) {
                first += QStringLiteral("> ");
                rest += QStringLiteral("> ");
                continue;
            }
            const bool begins = ++item > items - block.markers;
            if (left_.contains(k))
                continue;
            QString mark = markOf(c);
            const QString indent(mark.size(), u' ');
            if (begins && fromStart && item == items && block.task >= 0)
                mark += block.task ? QStringLiteral("[x] ") : QStringLiteral("[ ] ");
            first += begins && fromStart ? mark : indent;
            rest += indent;
        }
    }

    bool goesOn(int i) const {
        return i > 0 && blocks_.block(i).slice > 0 && blocks_.block(i).root == blocks_.block(i - 1).root;
    }

    void separate(int i) {
        const Block& block = blocks_.block(i);
        const Block& before = blocks_.block(i - 1);
        if (goesOn(i)) {
            if (!block.joined)
                out_ += u'\n';
            return;
        }
        out_ += u'\n';
        if (isNextItem(before, block))
            return;
        // A quote goes on over the blank line.
        QString blank, upToQuote;
        for (const int c : pathOf(i)) {
            if (!holds(before.container, c))
                break;
            const Container& k = blocks_.container(c);
            if (k.quote)
                upToQuote = blank + u'>';
            blank += k.quote ? QStringLiteral("> ") : left_.contains(c) ? QString() : QString(markOf(k).size(), u' ');
        }
        out_ += upToQuote + u'\n';
    }

    static QString markOf(const Container& item) {
        return item.ordered ? QString::number(item.number) + item.delimiter + u' ' : QStringLiteral("- ");
    }

    /// An item that may follow without a blank line: beside one that holds the leaf before, or inside of it, where it
    /// could interrupt a paragraph.
    bool isNextItem(const Block& before, const Block& block) const {
        if (block.markers == 0 || before.container < 0 || before.kind == BlockKind::Literal ||
            before.kind == BlockKind::TableRow)
            return false;
        int outer = block.container;
        for (int begun = block.markers; outer >= 0; outer = blocks_.container(outer).parent)
            if (!blocks_.container(outer).quote && --begun == 0)
                break;
        if (outer < 0)
            return false;
        const Container& item = blocks_.container(outer);
        const bool interrupts = (!item.ordered || item.number == 1) && !block.text.isEmpty();
        for (int c = before.container; c >= 0; c = blocks_.container(c).parent) {
            const Container& other = blocks_.container(c);
            if (c == item.parent)
                return interrupts;
            if (!other.quote && other.parent == item.parent)
                return left_.contains(c) ? interrupts
                                         : other.ordered == item.ordered && other.delimiter == item.delimiter;
        }
        return false;
    }

    bool holds(int inner, int outer) const {
        for (int c = inner; c >= 0; c = blocks_.container(c).parent)
            if (c == outer)
                return true;
        return false;
    }

    void leaf(const Taken& t) {
        const Block& block = blocks_.block(t.index);
        QString lead, rest;
        prefixes(t.index, t.begin == 0, lead, rest);
        if (block.joined && goesOn(t.index) && !t.first)
            lead.clear();
        const QStringList lines = linesOf(t);
        for (qsizetype k = 0; k < lines.size(); ++k) {
            if (k > 0)
                out_ += u'\n';
            out_ += (k == 0 ? lead : rest) + lines[k];
        }
    }

    QStringList linesOf(const Taken& t) {
        switch (blocks_.block(t.index).kind) {
        case BlockKind::Rule:
            return {QStringLiteral("***")}; // behind the mark of an item `---` would be a rule of its own
        case BlockKind::Code:
            return codeLines(t);
        case BlockKind::TableRow:
            return rowLines(t);
        case BlockKind::Plain:
            return blocks_.inlines(t.index).text.mid(t.begin, t.end - t.begin).split(u'\n');
        case BlockKind::Literal:
        case BlockKind::Math:
            if (t.whole && (blocks_.block(t.index).slice == 0 || !t.first))
                return blocks_.block(t.index).text.split(u'\n');
            return textLines(t);
        case BlockKind::Heading:
        case BlockKind::Paragraph:
            return textLines(t);
        }
        return {};
    }

    QStringList codeLines(const Taken& t) {
        const Block& block = blocks_.block(t.index);
        QStringList lines = blocks_.inlines(t.index).text.mid(t.begin, t.end - t.begin).split(u'\n');
        const bool opens = t.first || !goesOn(t.index);
        if (opens && block.text.isEmpty() && t.whole && isLastSlice(t.index))
            lines.clear(); // no line at all
        if (opens) {
            fence_ = fenceFor(wholeCode(block.root), block.info.contains(u'`') ? u'~' : u'`', 3);
            lines.prepend(fence_ + infoText(block.info));
        }
        if (t.last || isLastSlice(t.index))
            lines.append(fence_);
        return lines;
    }

    /// Behind a fence escapes and references are read, too.
    static QString infoText(const QString& info) {
        QString out;
        for (const QChar c : info) {
            if (c == u'\\' || c == u'&')
                out += u'\\';
            out += c;
        }
        return out;
    }

    bool isLastSlice(int i) const { return i + 1 >= blocks_.count() || !goesOn(i + 1); }

    QString wholeCode(int root) const {
        QString code;
        for (int i = root; i < blocks_.count() && blocks_.block(i).root == root; ++i)
            code += blocks_.block(i).text + u'\n';
        return code;
    }

    /// A row, with the head that a table needs: an empty one where its own is not among what is written.
    QStringList rowLines(const Taken& t) const {
        const Block& block = blocks_.block(t.index);
        const InlineText& row = blocks_.inlines(t.index);
        const int columns = int(block.info.size());
        QStringList lines;
        const bool isHead = block.slice == 0;
        if (t.first && !isHead)
            lines << QStringLiteral("|") + QStringLiteral("  |").repeated(columns) << delimiterRow(block.info);
        QString line = block.text;
        // Addresses that were defined elsewhere are written here.
        if (!t.whole || !readsAlike(parseTableRow(line, columns), row)) {
            line = QStringLiteral("|");
            for (int c = 0; c < int(row.cells.size()); ++c) {
                const int end = c + 1 < row.cells.size() ? row.cells[c + 1] - 1 : int(row.text.size());
                const int from = std::clamp(t.begin, row.cells[c], end);
                line += u' ' + cellText(stretchOf(row, from, std::clamp(t.end, from, end))) + QStringLiteral(" |");
            }
        }
        lines << line;
        if (isHead)
            lines << delimiterRow(block.info);
        return lines;
    }

    static QString cellText(const InlineText& cell) {
        QString best;
        for (const InlineMarks& marks : waysOfMarking(true)) {
            const QString way = inlineMarkdown(cell, 0, int(cell.text.size()), marks);
            const Reading reading = readingOf(parseTableRow(QStringLiteral("| %1 |").arg(way), 1), cell);
            if (reading == Alike || (reading == TextOnly && best.isNull()))
                best = trimmedBlanks(way).toString();
            if (reading == Alike)
                break;
        }
        return best;
    }

    /// A paragraph or heading, or what is taken of another leaf that is read as text: as it was written if that is read
    /// the same alone, without the text around and the definitions elsewhere.
    QStringList textLines(const Taken& t) const {
        const Block& block = blocks_.block(t.index);
        const QString& all = blocks_.inlines(t.index).text;
        int begin = t.begin, end = t.end;
        while (begin < end && all[begin].isSpace())
            ++begin;
        while (end > begin && all[end - 1].isSpace())
            --end;
        const InlineText wanted = stretchOf(blocks_.inlines(t.index), begin, end);
        const bool inside = goesOn(t.index) && !t.first && block.joined; // of a line that was begun
        std::vector<QStringList> ways;
        if (t.whole) {
            ways.push_back(block.text.split(u'\n'));
            ways.push_back(guarded(ways.back(), block.kind));
        }
        for (const InlineMarks& marks : waysOfMarking(false))
            ways.push_back(guarded(inlineMarkdown(wanted, 0, int(wanted.text.size()), marks).split(u'\n'), block.kind));
        const QStringList* best = nullptr;
        for (QStringList& lines : ways) {
            if (block.kind == BlockKind::Heading && !inside)
                lines = headingLines(lines, block.level);
            const Reading reading =
                inside ? readingOf(parseInline(lines.join(u'\n')), wanted) : readingOf(lines, block, wanted);
            if (reading == Alike || (reading == TextOnly && !best))
                best = &lines;
            if (reading == Alike)
                break;
        }
        QStringList lines = best ? *best : ways.back();
        // The blank between this slice and the next.
        if (!t.last && !isLastSlice(t.index) && blocks_.block(t.index + 1).joined && block.text.endsWith(u' ') &&
            !lines.last().endsWith(u' '))
            lines.last() += u' ';
        return lines;
    }

    static QStringList headingLines(const QStringList& lines, int level) {
        if (lines.size() > 1 && level <= 2) // underlined
            return lines + QStringList{level == 1 ? QStringLiteral("===") : QStringLiteral("---")};
        QString text = trimmedBlanks(lines.join(QStringLiteral("<br>"))).toString();
        if (text.endsWith(u'#') && !text.endsWith(QStringLiteral("\\#"))) // no closing marks
            text.insert(text.size() - 1, u'\\');
        return {QString(std::clamp(level, 1, 6), u'#') + u' ' + text};
    }

    enum Reading { Otherwise, TextOnly, Alike };

    static Reading readingOf(const QStringList& lines, const Block& block, const InlineText& wanted) {
        BlockSplitter read;
        read.feed(lines.join(u'\n'));
        read.finish();
        if (read.count() == 0)
            return wanted.text.trimmed().isEmpty() ? Alike : Otherwise;
        const bool heading = block.kind == BlockKind::Heading;
        if (read.block(0).kind != (heading ? BlockKind::Heading : BlockKind::Paragraph) ||
            read.block(0).container >= 0 || (heading && read.block(0).level != block.level))
            return Otherwise;
        InlineText text;
        for (int i = 0; i < read.count(); ++i) { // marks may have made it longer than a slice
            if (read.block(i).root != 0)
                return Otherwise;
            if (i > 0)
                text.text += !read.block(i).joined                   ? QStringLiteral("\n")
                             : read.block(i - 1).text.endsWith(u' ') ? QStringLiteral(" ")
                                                                     : QString();
            for (InlineRun run : read.inlines(i).runs) {
                run.start += int(text.text.size());
                run.link += run.link >= 0 ? int(text.links.size()) : 0;
                text.runs.append(run);
            }
            text.links += read.inlines(i).links;
            text.text += read.inlines(i).text;
        }
        return readingOf(text, wanted);
    }

    static Reading readingOf(const InlineText& text, const InlineText& wanted) {
        if (readsAlike(text, wanted))
            return Alike;
        return withoutLoneSpaces(text.text) == withoutLoneSpaces(wanted.text) ? TextOnly : Otherwise;
    }

    const BlockSplitter& blocks_;
    QSet<int> left_; // containers that are not written
    QString out_;
    QString fence_;
};

} // namespace

QString toMarkdown(const BlockSplitter& blocks, int first, int last, int from, int to) {
    return Writer(blocks).write(first, last, from, to);
}

} // namespace hearth::ui
