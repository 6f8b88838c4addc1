#include "samples.h"
#include "tests/processor_time.h"
#include "ui/chat/block_splitter.h"

#include <QRandomGenerator>
#include <QTest>

#include <algorithm>

using namespace hearth::ui;

namespace {

/// Everything that is shown of a text, one leaf a line.
QStringList shown(const BlockSplitter& b) {
    QStringList out;
    for (int i = 0; i < b.count(); ++i) {
        const Block& block = b.block(i);
        QString path;
        for (int c = block.container; c >= 0; c = b.container(c).parent) {
            const Container& k = b.container(c);
            path = (k.quote     ? QStringLiteral(">")
                    : k.ordered ? QString::number(k.number) + k.delimiter
                                : QStringLiteral("-")) +
                   path;
        }
        static const char* kinds[] = {"p", "h", "code", "html", "math", "hr", "row", "plain"};
        QString line = QStringLiteral("%1%2 %3 m%4 t%5 s%6 j%7 [%8] ")
                           .arg(QString::fromLatin1(kinds[int(block.kind)]))
                           .arg(block.kind == BlockKind::Heading || block.kind == BlockKind::TableRow
                                    ? QString::number(block.level)
                                    : QString())
                           .arg(path)
                           .arg(block.markers)
                           .arg(block.task)
                           .arg(block.slice)
                           .arg(block.joined)
                           .arg(block.info);
        const InlineText& text = b.inlines(i);
        line += text.text;
        for (const InlineRun& r : text.runs)
            line += QStringLiteral(" {%1+%2 %3 %4}")
                        .arg(r.start)
                        .arg(r.length)
                        .arg(r.style)
                        .arg(r.link < 0 ? QString() : text.links[r.link]);
        out << line;
    }
    return out;
}

QStringList whole(const QString& text, BlockSplitter::Dialect dialect = BlockSplitter::Dialect::Markdown) {
    BlockSplitter b(dialect);
    b.feed(text);
    b.finish();
    return shown(b);
}

/// Markdown-like noise: every mark that means something, beside words in two scripts.
QString noise(QRandomGenerator& random, int pieces) {
    static const char16_t* kPieces[] = {u"\n",
                                        u"\n\n",
                                        u"- ",
                                        u"* ",
                                        u"1. ",
                                        u"2) ",
                                        u"> ",
                                        u"# ",
                                        u"## ",
                                        u"```\n",
                                        u"```cpp\n",
                                        u"~~~",
                                        u"    ",
                                        u"\t",
                                        u"---\n",
                                        u"===\n",
                                        u"| a | b |\n",
                                        u"|---|:-:|\n",
                                        u"|",
                                        u"**",
                                        u"*",
                                        u"_",
                                        u"`",
                                        u"``",
                                        u"~~",
                                        u"[",
                                        u"](",
                                        u")",
                                        u"![",
                                        u"](x \"t\")",
                                        u"[a]: http://b.c\n",
                                        u"[a]",
                                        u"<div>\n",
                                        u"</div>",
                                        u"<!--",
                                        u"-->",
                                        u"<br>",
                                        u"&amp;",
                                        u"\\",
                                        u"$x$",
                                        u"$$",
                                        u"word ",
                                        u"字",
                                        u"。",
                                        u"“",
                                        u"”",
                                        u"http://a.bc/d",
                                        u"\r\n",
                                        u"[ ] ",
                                        u"[x] ",
                                        u"  \n",
                                        u"\U0001F600",
                                        u"0",
                                        u"\u0301"};
    QString text;
    for (int i = 0; i < pieces; ++i)
        text += QString::fromUtf16(kPieces[random.bounded(int(std::size(kPieces)))]);
    return text;
}

} // namespace

class BlockSplitterTest : public QObject {
    Q_OBJECT

private slots:
    void blocks_data();
    void blocks();
    void anyChunkingGivesTheSame();
    void longTextsAreSliced();
    void cutsSpareInlineSpans();
    void frozenLeavesAreNeverReadAgain();
    void aFrozenLeafKeepsItsIdentity();
    void lateDefinitionsAreAppliedAtTheEnd();
    void undecidedLinesWait();
    void costIsWhatIsFed();
};

void BlockSplitterTest::blocks_data() {
    QTest::addColumn<QString>("source");
    QTest::addColumn<QStringList>("kinds"); // "kind path text"
    const auto row = [](const char* name, const QString& source, const QStringList& kinds) {
        QTest::newRow(name) << source << kinds;
    };
    row("paragraphs", QStringLiteral("a\nb\n\nc"), {QStringLiteral("p  a|b"), QStringLiteral("p  c")});
    row("headings", QStringLiteral("# a #\n## b\nc\n=\nd\n-\n####### e"),
        {QStringLiteral("h1  a"), QStringLiteral("h2  b"), QStringLiteral("h1  c"), QStringLiteral("h2  d"),
         QStringLiteral("p  ####### e")});
    row("list", QStringLiteral("- a\n- b\n  - c\n\n  d\n- e"),
        {QStringLiteral("p - a"), QStringLiteral("p - b"), QStringLiteral("p -- c"), QStringLiteral("p - d"),
         QStringLiteral("p - e")});
    row("ordered", QStringLiteral("3. a\n3. b\n1) c"),
        {QStringLiteral("p 3. a"), QStringLiteral("p 4. b"), QStringLiteral("p 1) c")});
    row("no list in a paragraph", QStringLiteral("in\n2024. year"), {QStringLiteral("p  in|2024. year")});
    row("quote", QStringLiteral("> a\nlazy\n> > b\n\nc"),
        {QStringLiteral("p > a|lazy"), QStringLiteral("p >> b"), QStringLiteral("p  c")});
    row("fence", QStringLiteral("```c++ x\n a\n\n```\nb"), {QStringLiteral("code   a|"), QStringLiteral("p  b")});
    row("fence in item", QStringLiteral("- x\n  ```\n  a\n   b\n  ```\n- y"),
        {QStringLiteral("p - x"), QStringLiteral("code - a| b"), QStringLiteral("p - y")});
    row("open fence", QStringLiteral("~~~\na\n```"), {QStringLiteral("code  a|```")});
    row("indented", QStringLiteral("a\n\n    b\n\n      c\n\nd"),
        {QStringLiteral("p  a"), QStringLiteral("code  b||  c"), QStringLiteral("p  d")});
    row("rule", QStringLiteral("a\n\n---\n* * *\n- - -"),
        {QStringLiteral("p  a"), QStringLiteral("hr  "), QStringLiteral("hr  "), QStringLiteral("hr  ")});
    row("html is text", QStringLiteral("<div>\n*a*\n</div>\n\nb"),
        {QStringLiteral("html  <div>|*a*|</div>"), QStringLiteral("p  b")});
    row("table", QStringLiteral("x\n| a | b |\n|--|:-:|\n| 1 | 2\n3\n\nz"),
        {QStringLiteral("p  x"), QStringLiteral("row0  a~b"), QStringLiteral("row1  1~2"), QStringLiteral("row1  3"),
         QStringLiteral("p  z")});
    row("cells", QStringLiteral("| a | b |\n| :- | -: |\n| \\| `\\|` | *c* | d |\n- e"),
        {QStringLiteral("row0  a~b"), QStringLiteral("row1  | |~c"), QStringLiteral("p - e")});
    row("a table of one column", QStringLiteral("| a |\n|---|\n| b |"),
        {QStringLiteral("row0  a"), QStringLiteral("row1  b")});
    row("a delimiter row too wide", QStringLiteral("| a |\n|---|---|"), {QStringLiteral("p  | a |||---|---|")});
    row("task alone", QStringLiteral("- [ ]\n- [x]a\n- [y] b"),
        {QStringLiteral("p - "), QStringLiteral("p - [x]a"), QStringLiteral("p - [y] b")});
    row("old line ends", QStringLiteral("# a\rb\r\rc"),
        {QStringLiteral("h1  a"), QStringLiteral("p  b"), QStringLiteral("p  c")});
    row("blank lines in code", QStringLiteral("- ```\n      \n  ```\n\n      x\n        \n      y"),
        {QStringLiteral("code -     "), QStringLiteral("code - x|  |y")});
    row("a fence's info", QStringLiteral("``` c\\+\\+&nbsp;x\ny"), {QStringLiteral("code  y")});
    row("an ideographic space", QStringLiteral("\u3000中"), {QStringLiteral("p  \u3000中")});
    row("no table", QStringLiteral("a | b\n---\nc"), {QStringLiteral("h2  a | b"), QStringLiteral("p  c")});
    QString definitions;
    for (int i = 0; i < 200; ++i)
        definitions += QStringLiteral("[%1]: http://a.bc/a/longer/path/%1 \"title\"\n").arg(i);
    row("more definitions than a slice holds", definitions + QStringLiteral("[7] [199] [x]"),
        {QStringLiteral("p  7 199 [x]")});
    row("definition", QStringLiteral("[a]: http://b \"t\"\n[a]"), {QStringLiteral("p  a")});
    row("empty item", QStringLiteral("-\n- a"), {QStringLiteral("p - "), QStringLiteral("p - a")});
    row("two marks in a line", QStringLiteral("- 1. a"), {QStringLiteral("p -1. a")});
    row("tabs", QStringLiteral("-\ta\n\n\tb"), {QStringLiteral("p - a"), QStringLiteral("p - b")});
    row("tasks", QStringLiteral("- [ ] a\n- [x] b"), {QStringLiteral("p - a"), QStringLiteral("p - b")});
    row("windows line ends", QStringLiteral("# a\r\nb\r\n"), {QStringLiteral("h1  a"), QStringLiteral("p  b")});
}

void BlockSplitterTest::blocks() {
    QFETCH(QString, source);
    QFETCH(QStringList, kinds);
    BlockSplitter b;
    b.feed(source);
    b.finish();
    QStringList got;
    for (int i = 0; i < b.count(); ++i) {
        const QStringList words = shown(b)[i].split(u' ');
        QString text = b.inlines(i).text;
        text.replace(u'\n', u'|').replace(u'\t', u'~');
        got << words[0] + u' ' + words[1] + u' ' + text;
    }
    QCOMPARE(got, kinds);
}

void BlockSplitterTest::anyChunkingGivesTheSame() {
    QRandomGenerator random(20260101);
    QStringList texts{test::english()[1].text, test::chinese()[1].text};
    for (int i = 0; i < 400; ++i)
        texts << noise(random, 3 + random.bounded(60));
    for (const QString& text : texts) {
        const QStringList expected = whole(text);
        for (int round = 0; round < 6; ++round) {
            BlockSplitter b;
            const int most = round == 0 ? 1 : 1 + random.bounded(20);
            for (qsizetype at = 0; at < text.size();) {
                const qsizetype n = std::min<qsizetype>(1 + random.bounded(most), text.size() - at);
                b.feed(QStringView(text).mid(at, n));
                at += n;
                if (round % 2 && b.count() > 0) // looked at while it grows
                    b.inlines(random.bounded(b.count()));
            }
            b.finish();
            if (shown(b) != expected)
                qWarning().noquote() << "source:" << text;
            QCOMPARE(shown(b), expected);
        }
    }
}

void BlockSplitterTest::cutsSpareInlineSpans() {
    const QStringList spans{QStringLiteral("**bold that runs on. And on. And on some more. %1**"),
                            QStringLiteral("*lean. And leaner. %1*"),
                            QStringLiteral("`code. more; code %1`"),
                            QStringLiteral("[a link. With words %1](https://example.com/a_b)"),
                            QStringLiteral("**粗体。还是粗体。%1，仍然是**"),
                            QStringLiteral("~~gone. All of it. %1~~")};
    for (const QString& span : spans)
        for (int shift = 0; shift < 60; shift += 7) {
            QString text = QString(shift, u'x') + u' ';
            for (int i = 0; i < 200; ++i)
                text += span.arg(i) + QStringLiteral(" and 2 words. ");
            BlockSplitter blocks;
            blocks.feed(text);
            blocks.finish();
            QVERIFY(blocks.count() > 2);
            for (int i = 0; i < blocks.count(); ++i) {
                const QString shown = blocks.inlines(i).text;
                QVERIFY2(!shown.contains(u'*') && !shown.contains(u'`') && !shown.contains(u'~') &&
                             !shown.contains(u'['),
                         qPrintable(QStringLiteral("%1: …%2").arg(i).arg(shown.right(60))));
            }
        }
}

void BlockSplitterTest::longTextsAreSliced() {
    QRandomGenerator random(7);
    QString han;
    while (han.size() < 20000)
        han += QChar(0x4E00 + random.bounded(4000));
    QString words;
    while (words.size() < 9000)
        words += random.bounded(12) ? QStringLiteral("word ") : QStringLiteral("end. ");
    QString code = QStringLiteral("```\n");
    for (int i = 0; i < 300; ++i)
        code += QStringLiteral("line %1\n").arg(i);
    const QString list = QStringLiteral("- ") + han + QStringLiteral("\n- b");
    const QString mixed = QStringLiteral("# ") + words + u'\n' + QStringLiteral("```\n") + han +
                          QStringLiteral("\r\n```\n<div>") + words + QStringLiteral("\r\n\nz");
    const QString laughter = QStringLiteral("\U0001F602").repeated(900);
    const QString emoji = QStringLiteral("haha ") + laughter + QStringLiteral("\n\n# ") + laughter +
                          QStringLiteral("\n\n| a |\n|---|\n| ") + laughter + QStringLiteral("\n\n```\n") + laughter +
                          QStringLiteral("\n") + QStringLiteral("\u2764\uFE0F\n").repeated(300);
    const QString formula = QStringLiteral("$$\n") + laughter + QStringLiteral("\n$$\n\n$$\n") +
                            (laughter.left(150) + u'\n').repeated(10) + QStringLiteral("$$\n\nend");
    const auto fewEmoji = [](const BlockSplitter& b, int from) { // pictures are dear to lay out
        for (int i = from; i < b.count(); ++i)
            if (b.block(i).text.count(QStringLiteral("\U0001F602")) > 200)
                return false;
        return true;
    };
    for (const QString& text : {han, words, code, list, mixed, emoji, formula}) {
        const QStringList expected = whole(text);
        BlockSplitter b;
        for (qsizetype at = 0; at < text.size();) {
            const qsizetype n = std::min<qsizetype>(1 + random.bounded(900), text.size() - at);
            b.feed(QStringView(text).mid(at, n));
            at += n;
            QVERIFY(fewEmoji(b, b.frozenCount()));
            // The tail stays small, however long the line or the block is.
            qsizetype open = 0;
            for (int i = b.frozenCount(); i < b.count(); ++i)
                open += b.block(i).text.size();
            QVERIFY2(open <= BlockSplitter::kSliceLength + BlockSplitter::kLineHead, qPrintable(QString::number(open)));
        }
        b.finish();
        QCOMPARE(shown(b), expected);
        QVERIFY(fewEmoji(b, 0));
        for (int i = 0; i < b.count(); ++i)
            QVERIFY(b.block(i).text.size() <= BlockSplitter::kCodeLength);
    }
    const QString family = QStringLiteral("\U0001F468\u200D\U0001F469\u200D\U0001F467");
    const QString heart = QStringLiteral("\u2764\uFE0F");
    for (const QString& picture : {family, heart}) {
        BlockSplitter b;
        b.feed(picture.repeated(300));
        b.finish();
        QVERIFY(b.count() > 1);
        for (int i = 0; i < b.count(); ++i)
            QCOMPARE(b.block(i).text.size() % picture.size(), 0);
    }
    QCOMPARE(whole(QStringLiteral("\U0001E900").repeated(600)).size(), 1); // letters of Adlam, no pictures
    QCOMPARE(whole(code).size(), 5);                                       // 300 lines in slices of 64
    // Nothing is lost where lines are cut.
    QString back;
    BlockSplitter b;
    b.feed(han);
    b.finish();
    for (int i = 0; i < b.count(); ++i)
        back += b.inlines(i).text;
    QCOMPARE(back, han);
    QCOMPARE(whole(QStringLiteral("a\nb\n\nc"), BlockSplitter::Dialect::Plain).size(), 1);
}

void BlockSplitterTest::frozenLeavesAreNeverReadAgain() {
    QString text;
    for (int i = 0; i < 2000; ++i)
        text += QStringLiteral("- item **%1** with `code` and [a link](http://x.y)\n").arg(i);
    BlockSplitter b;
    qint64 lines = 0;
    for (qsizetype at = 0; at < text.size(); at += 7) {
        const int frozen = b.frozenCount();
        b.feed(QStringView(text).mid(at, 7));
        for (int i = std::max(0, frozen - 3); i < b.count(); ++i)
            b.inlines(i); // what a view near the end asks for
        lines = b.linesRead();
    }
    b.finish();
    QCOMPARE(lines, qint64(2000)); // each line was read once as part of frozen text
    QCOMPARE(b.count(), 2000);
    QVERIFY2(b.frozenParses() <= 2000, qPrintable(QString::number(b.frozenParses())));
    QVERIFY(b.frozenCount() == 2000);
}

void BlockSplitterTest::aFrozenLeafKeepsItsIdentity() {
    BlockSplitter b;
    b.feed(u"first paragraph\n\nsecond");
    const quint64 first = b.block(0).id;
    const quint64 open = b.block(1).id;
    b.feed(u" grows");
    QCOMPARE(b.block(0).id, first);
    QVERIFY(b.block(1).id != open);
    const quint64 now = b.block(1).id;
    b.feed(u"\n");
    QCOMPARE(b.block(1).id, now); // nothing that is shown changed
    b.finish();
    QCOMPARE(b.block(1).id, now);
}

void BlockSplitterTest::lateDefinitionsAreAppliedAtTheEnd() {
    BlockSplitter b;
    b.feed(u"see [the notes][n] and [n]\n\n[n]: https://example.com/n\n");
    QCOMPARE(b.inlines(0).links.size(), 0);
    const quint64 before = b.block(0).id;
    b.finish();
    QVERIFY(b.block(0).id != before);
    QCOMPARE(b.inlines(0).text, QStringLiteral("see the notes and n"));
    QCOMPARE(b.inlines(0).links, QStringList(2, QStringLiteral("https://example.com/n")));
    QCOMPARE(b.count(), 1);
}

void BlockSplitterTest::undecidedLinesWait() {
    // "text" never turns into a heading for the moment in which a list's dash stands alone below it.
    BlockSplitter b;
    b.feed(u"text\n");
    b.feed(u"-");
    QCOMPARE(b.count(), 1);
    QVERIFY(b.block(0).kind == BlockKind::Paragraph);
    b.feed(u" item");
    QCOMPARE(b.count(), 2);
    QCOMPARE(b.block(1).markers, quint8(1));
    BlockSplitter whole;
    whole.feed(u"text\n-");
    whole.finish(); // at the end it is what the standard says
    QVERIFY(whole.block(0).kind == BlockKind::Heading);
}

void BlockSplitterTest::costIsWhatIsFed() {
    // In a list that never ends.
    const hearth::Growth g = hearth::growth(2500, [](size_t items) {
        BlockSplitter b;
        const double start = hearth::processorSeconds();
        for (size_t i = 0; i < items; ++i) {
            b.feed(u"- an item of ");
            b.feed(u"a list that goes on\n");
        }
        return hearth::processorSeconds() - start;
    });
    QVERIFY2(g.isLinear(), qPrintable(QStringLiteral("%1 s, %2 s").arg(g.once).arg(g.eight)));
}

QTEST_GUILESS_MAIN(BlockSplitterTest)
#include "block_splitter_test.moc"
