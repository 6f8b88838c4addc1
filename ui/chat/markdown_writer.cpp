#include "ui/chat/markdown_writer.h"

#include <QStringList>

#include <algorithm>

namespace hearth::ui {
namespace {

/// As many of `c` as the longest run of it in `text`, and one more; at least `least`.
QString fenceFor(QStringView text, QChar c, int least) {
    int longest = 0;
    int run = 0;
    for (const QChar t : text) {
        run = t == c ? run + 1 : 0;
        longest = std::max(longest, run);
    }
    return QString(std::max(least, longest + 1), c);
}

QString escaped(QStringView text) {
    QString out;
    for (const QChar c : text) {
        if (QStringView(u"\\`*_[]<>~|$").contains(c))
            out += u'\\';
        out += c;
    }
    return out;
}

/// A stretch of one style in its marks.
QString marked(QStringView text, const InlineRun* run, const InlineText& leaf) {
    if (!run || text.isEmpty())
        return escaped(text);
    if (run->style & StyleMath)
        return text.toString(); // its source, its marks included
    QString out;
    if (run->style & StyleCode) {
        const QString ticks = fenceFor(text, u'`', 1);
        const QString pad = text.startsWith(u'`') || text.endsWith(u'`') ? QStringLiteral(" ") : QString();
        out = ticks + pad + text.toString() + pad + ticks;
    } else {
        out = escaped(text);
    }
    if (run->style & StyleEmphasis)
        out = u'*' + out + u'*';
    if (run->style & StyleStrong)
        out = QStringLiteral("**") + out + QStringLiteral("**");
    if (run->style & StyleStrike)
        out = QStringLiteral("~~") + out + QStringLiteral("~~");
    if (run->link >= 0 && run->link < leaf.links.size()) {
        const QString& address = leaf.links[run->link];
        out = address == text ? u'<' + address + u'>' : u'[' + out + QStringLiteral("](") + address + u')';
    }
    return out;
}

QString partOf(const InlineText& leaf, int from, int to) {
    QString out;
    int at = from;
    for (const InlineRun& run : leaf.runs) {
        const int begin = std::clamp(run.start, at, to);
        const int end = std::clamp(run.start + run.length, begin, to);
        out += marked(QStringView(leaf.text).mid(at, begin - at), nullptr, leaf);
        out += marked(QStringView(leaf.text).mid(begin, end - begin), &run, leaf);
        at = end;
    }
    return out + marked(QStringView(leaf.text).mid(at, to - at), nullptr, leaf);
}

QString delimiterRow(QStringView columns) {
    QString out = QStringLiteral("|");
    for (const QChar c : columns)
        out += c == u'c'   ? QStringLiteral(" :-: |")
               : c == u'r' ? QStringLiteral(" --: |")
               : c == u'l' ? QStringLiteral(" :-- |")
                           : QStringLiteral(" --- |");
    return out;
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
            if (i > first)
                separate(i);
            leaf(i, first, last, begin, end, begin == 0 && end == size);
        }
        return out_;
    }

private:
    /// Blanks and marks of the containers around a leaf: for its first line, and for the others.
    void prefixes(int i, bool fromStart, QString& first, QString& rest) const {
        const Block& block = blocks_.block(i);
        QVector<const Container*> path;
        for (int c = block.container; c >= 0; c = blocks_.container(c).parent)
            path.prepend(&blocks_.container(c));
        int items = 0;
        for (const Container* c : path)
            items += c->quote ? 0 : 1;
        int item = 0;
        for (const Container* c : path) {
            if (c->quote) {
                first += QStringLiteral("> ");
                rest += QStringLiteral("> ");
                continue;
            }
            const bool begins = ++item > items - block.markers;
            QString mark = c->ordered ? QString::number(c->number) + c->delimiter + u' ' : QStringLiteral("- ");
            const QString indent(mark.size(), u' ');
            if (begins && fromStart && item == items && block.task >= 0)
                mark += block.task ? QStringLiteral("[x] ") : QStringLiteral("[ ] ");
            first += begins && fromStart ? mark : indent;
            rest += indent;
        }
    }

    void separate(int i) {
        const Block& block = blocks_.block(i);
        const Block& before = blocks_.block(i - 1);
        if (block.slice > 0 && block.root == before.root) {
            if (!block.joined)
                out_ += u'\n';
            return;
        }
        out_ += u'\n';
        if (block.markers > 0 && before.container >= 0)
            return;    // the next item
        QString blank; // a quote goes on over the blank line
        for (int c = block.container; c >= 0; c = blocks_.container(c).parent)
            if (blocks_.container(c).quote && holds(before.container, c))
                blank.prepend(QStringLiteral("> "));
        while (blank.endsWith(u' '))
            blank.chop(1);
        out_ += blank + u'\n';
    }

    bool holds(int inner, int outer) const {
        for (int c = inner; c >= 0; c = blocks_.container(c).parent)
            if (c == outer)
                return true;
        return false;
    }

    void leaf(int i, int first, int last, int begin, int end, bool whole) {
        const Block& block = blocks_.block(i);
        QString lead, rest;
        prefixes(i, begin == 0, lead, rest);
        QStringList lines = (whole ? block.text : cut(i, begin, end)).split(u'\n');
        switch (block.kind) {
        case BlockKind::Heading:
            lines = {lines.join(u' ')};
            lines.first().prepend(QString(std::max<int>(1, block.level), u'#') + u' ');
            break;
        case BlockKind::Rule:
            lines = {QStringLiteral("---")};
            break;
        case BlockKind::Code: {
            const bool sliced = i > first && block.slice > 0;
            const bool goesOn = i < last && blocks_.block(i + 1).root == block.root;
            if (!sliced) {
                fence_ = fenceFor(wholeCode(block.root), u'`', 3);
                lines.prepend(fence_ + block.info);
            }
            if (!goesOn)
                lines.append(fence_);
            if (block.joined && sliced)
                lead.clear();
            break;
        }
        case BlockKind::TableRow:
            if (whole && block.level == 0 && block.slice == 0)
                lines.append(delimiterRow(block.info));
            break;
        default:
            if (block.joined && i > first)
                lead.clear();
        }
        for (qsizetype k = 0; k < lines.size(); ++k) {
            if (k > 0)
                out_ += u'\n';
            out_ += (k == 0 ? lead : rest) + lines[k];
        }
    }

    QString cut(int i, int begin, int end) const {
        const InlineText& text = blocks_.inlines(i);
        switch (blocks_.block(i).kind) {
        case BlockKind::Code:
        case BlockKind::Literal:
        case BlockKind::Plain:
            return text.text.mid(begin, end - begin);
        default:
            return partOf(text, begin, end);
        }
    }

    QString wholeCode(int root) const {
        QString code;
        for (int i = root; i < blocks_.count() && blocks_.block(i).root == root; ++i)
            code += blocks_.block(i).text + u'\n';
        return code;
    }

    const BlockSplitter& blocks_;
    QString out_;
    QString fence_;
};

} // namespace

QString toMarkdown(const BlockSplitter& blocks, int first, int last, int from, int to) {
    return Writer(blocks).write(first, last, from, to);
}

} // namespace hearth::ui
