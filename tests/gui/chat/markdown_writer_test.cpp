#include "cjk_cases.h"
#include "compositions.h"
#include "marked.h"
#include "samples.h"
#include "tests/gui/chat/standard_examples.h"
#include "ui/chat/inline_writer.h"
#include "ui/chat/markdown_writer.h"

#include <QJsonObject>
#include <QTest>

using namespace hearth::ui;
using namespace hearth::ui::test;

namespace {

struct Read {
    explicit Read(const QString& text) {
        blocks.feed(text);
        blocks.finish();
    }

    BlockSplitter blocks;
};

/// What a leaf is and lies in, without its text.
QString placeOf(const BlockSplitter& b, int i) {
    const Block& block = b.block(i);
    QString out = QStringLiteral("%1 %2 %3 %4 %5 %6 %7")
                      .arg(int(block.kind))
                      .arg(block.level)
                      .arg(block.markers)
                      .arg(block.task)
                      .arg(block.slice)
                      .arg(block.joined)
                      .arg(block.info);
    for (int c = block.container; c >= 0; c = b.container(c).parent) {
        const Container& k = b.container(c);
        out += k.quote     ? QStringLiteral(" >")
               : k.ordered ? QStringLiteral(" %1").arg(k.number) + k.delimiter
                           : QStringLiteral(" -");
    }
    return out;
}

QString listing(const BlockSplitter& b, int from = 0) {
    QString out;
    for (int i = from; i < std::min(from + 3, b.count()); ++i)
        out += placeOf(b, i) + u'[' + marked(b.inlines(i)) + QStringLiteral("]\n");
    return out;
}

} // namespace

/// What is copied as Markdown reads the same: leaves, where they lie, their text, styles and addresses.
class MarkdownWriterTest : public QObject {
    Q_OBJECT

private slots:
    void samplesAndCases();
    void theStandardsExamples();
    void compositions();
    void hostileTexts();
    void longLeaves();
    void anyStretchReadsAsItsText();
    void addresses_data();
    void addresses();
    void whatIsCutBeginsNoBlock_data();
    void whatIsCutBeginsNoBlock();
    void whatLosesItsSurroundings();

private:
    void check(const QString& text, bool styles = true);
    void checkStretches(const QString& text, QRandomGenerator&, int rounds);

    int checked_ = 0;
    int unlike_ = 0; // leaves that lost a style
};

void MarkdownWriterTest::check(const QString& text, bool styles) {
    const Read before(text);
    const BlockSplitter& b = before.blocks;
    const QString written = toMarkdown(b, 0, b.count() - 1);
    const Read again(written);
    const BlockSplitter& a = again.blocks;
    int same = 0;
    for (; same < std::min(a.count(), b.count()) && placeOf(a, same) == placeOf(b, same); ++same) {
        const bool alike = readsAlike(a.inlines(same), b.inlines(same));
        if (!alike && (styles || withoutLoneSpaces(a.inlines(same).text) != withoutLoneSpaces(b.inlines(same).text)))
            break;
        unlike_ += alike ? 0 : 1;
        ++checked_;
    }
    QVERIFY2(same == a.count() && same == b.count(),
             qPrintable(QStringLiteral("\n-- read\n%1\n-- read again\n%2\n-- written\n%3\n-- of\n%4")
                            .arg(listing(b, same), listing(a, same), written, text)));
}

void MarkdownWriterTest::samplesAndCases() {
    for (const auto& rows : {english(), chinese(), code()})
        for (const MessageRow& row : rows)
            check(row.text);
    for (const Rule& rule : kRules)
        for (const Case& c : rule.cases)
            check(QString::fromUtf16(c.source));
}

void MarkdownWriterTest::theStandardsExamples() {
    const auto all = standardExamples();
    if (!all)
        QSKIP(kNoExamples);
    QCOMPARE(all->size(), 652);
    for (const QJsonValue& value : *all)
        check(value[QStringLiteral("markdown")].toString());
}

void MarkdownWriterTest::compositions() {
    QRandomGenerator random(71);
    for (int i = 0; i < 1500; ++i)
        check(composition(random, i % 2 ? Words::Latin : Words::Mixed, i % 4), false);
    // Emphasis that stands where no mark could, which takes random text, and that must be written anew.
    QVERIFY2(checked_ > 5000 && unlike_ * 200 < checked_,
             qPrintable(QStringLiteral("%1 of %2").arg(unlike_).arg(checked_)));
}

void MarkdownWriterTest::hostileTexts() {
    QRandomGenerator random(73);
    for (int i = 0; i < 1500; ++i)
        check(noise(random, Words::Mixed, 3 + i % 60), false);
    for (const QString& piece :
         {QStringLiteral("["), QStringLiteral("*a "), QStringLiteral("> "), QStringLiteral("- "), QStringLiteral("`"),
          QStringLiteral("<"), QStringLiteral("]("), QStringLiteral("|"), QStringLiteral("\\"), QStringLiteral("$"),
          QStringLiteral("![]("), QStringLiteral("&")})
        check(piece.repeated(3000), false);
}

void MarkdownWriterTest::longLeaves() {
    QString words, han, items;
    for (int i = 0; i < 900; ++i)
        words += QStringLiteral("word%1 ").arg(i);
    for (int i = 0; i < 5000; ++i)
        han += QChar(0x4E00 + (i * 37) % 20000);
    for (int i = 0; i < 200; ++i)
        items += QStringLiteral("- item %1\n\n  more `of` it\n").arg(i);
    const QString inList = QStringLiteral("- %1\n- %2").arg(words, han);
    for (const QString& text :
         {words, han, items, QStringLiteral("> ") + words, inList, QStringLiteral("```\n") + inList,
          QStringLiteral("```c\nint x;\n") + QStringLiteral("y();\n").repeated(300)})
        check(text);
}

/// Taken from anywhere to anywhere it reads as the text that was taken.
void MarkdownWriterTest::checkStretches(const QString& text, QRandomGenerator& random, int rounds) {
    const Read read(text);
    const BlockSplitter& b = read.blocks;
    for (int round = 0; round < rounds && b.count() > 0; ++round) {
        const int i = int(random.bounded(b.count()));
        const BlockKind kind = b.block(i).kind;
        const QString& leaf = b.inlines(i).text;
        if (kind == BlockKind::Code || kind == BlockKind::Rule || kind == BlockKind::TableRow || leaf.isEmpty())
            continue;
        const int from = int(random.bounded(leaf.size()));
        const int to = from + 1 + int(random.bounded(leaf.size() - from));
        const QString written = toMarkdown(b, i, i, from, to);
        const Read again(written);
        QString got;
        for (int k = 0; k < again.blocks.count(); ++k)
            got += again.blocks.inlines(k).text + u'\n';
        // Tags in lines of their own are read as text: spaces at its ends do not count.
        const QString wanted = leaf.mid(from, to - from).simplified();
        QVERIFY2(got.simplified() == wanted,
                 qPrintable(QStringLiteral("\n%1\n-- wanted\n%2\n-- written\n%3\n-- read\n%4")
                                .arg(text, wanted, written, listing(again.blocks))));
        ++checked_;
    }
}

void MarkdownWriterTest::anyStretchReadsAsItsText() {
    QRandomGenerator random(72);
    checked_ = 0;
    for (const auto& rows : {english(), chinese(), test::code()})
        for (const MessageRow& row : rows)
            checkStretches(row.text, random, 40);
    for (int i = 0; i < 1500; ++i)
        checkStretches(i % 3 == 0 ? noise(random, Words::Latin, 40)
                                  : composition(random, i % 2 ? Words::Latin : Words::Mixed, i % 4),
                       random, 6);
    QVERIFY(checked_ > 4000);
}

void MarkdownWriterTest::addresses_data() {
    QTest::addColumn<QString>("source");
    for (const char* source : {"[a](<b c>)",
                               "[a](<b)c>)",
                               "[a](<(b>)",
                               "[a](b(c)d)",
                               "[a](<>)",
                               "[a](b\\)c)",
                               "![alt](x.png)",
                               "![alt *em*](<a b.png> 't')",
                               "![](x.png)",
                               "[![in](i)](out)",
                               "[two **bold** words](u)",
                               "<http://a.bc/d>",
                               "www.a.bc",
                               "http://a.bc/x_y_z",
                               "a@b.cd",
                               "[http://a.b](http://c.d)",
                               "wow! [a](b)",
                               "wow![a](b)",
                               "[a](b&amp;copy;)",
                               "[a](<b\\>c>)",
                               "[a](b\\\\c)",
                               "***a** b*",
                               "*a **b***",
                               "**a *b* c**d",
                               "~~a *b*~~ c"})
        QTest::newRow(source) << QString::fromUtf8(source);
}

void MarkdownWriterTest::addresses() {
    QFETCH(QString, source);
    check(source);
    // Written anew it keeps styles and addresses, too: the first and the last character are others.
    const Read whole(QStringLiteral("x ") + source + QStringLiteral(" y"));
    const int size = int(whole.blocks.inlines(0).text.size());
    const Read again(toMarkdown(whole.blocks, 0, 0, 1, size - 1));
    QCOMPARE(again.blocks.count(), 1);
    QVERIFY2(readsAlike(again.blocks.inlines(0), stretchOf(whole.blocks.inlines(0), 1, size - 1)),
             qPrintable(toMarkdown(whole.blocks, 0, 0, 1, size - 1)));
}

void MarkdownWriterTest::whatIsCutBeginsNoBlock_data() {
    QTest::addColumn<QString>("words");
    for (const char* words :
         {"- no item", "1. no item", "12) no item", "# no heading", "> no quote", "+ no item", "=== ", "--- ",
          "~~~ no code", "| a | b", "* no item", "[x]: no definition", "<div> no html"})
        QTest::newRow(words) << QString::fromUtf8(words);
}

/// The place where a paragraph was cut, or where a selection begins, may lie before what looks like a mark.
void MarkdownWriterTest::whatIsCutBeginsNoBlock() {
    QFETCH(QString, words);
    QString text;
    while (text.size() < 1990)
        text += QStringLiteral("word ");
    text = text.left(1994).trimmed() + QStringLiteral(" end. ");
    while (text.size() < 1998)
        text.prepend(u'w');
    text += words + QStringLiteral(" and more words");
    const Read read(text);
    const BlockSplitter& b = read.blocks;
    QCOMPARE(b.count(), 2);
    QVERIFY2(b.inlines(1).text.startsWith(words.left(2).trimmed()), qPrintable(b.inlines(1).text));
    const Read slice(toMarkdown(b, 1, 1));
    QCOMPARE(slice.blocks.count(), 1);
    QCOMPARE(slice.blocks.block(0).kind, BlockKind::Paragraph);
    QCOMPARE(slice.blocks.block(0).container, -1);
    QCOMPARE(slice.blocks.inlines(0).text, b.inlines(1).text); // a tag at the start of a line is text, no longer a tag
    QVERIFY(readsAlike(slice.blocks.inlines(0), b.inlines(1)) || words.startsWith(u'<'));
    const QString whole = b.inlines(1).text;
    const Read part(toMarkdown(b, 1, 1, 0, int(whole.size()) - 6));
    QCOMPARE(part.blocks.count(), 1);
    QCOMPARE(part.blocks.inlines(0).text, whole.chopped(6));
    check(text);
}

void MarkdownWriterTest::whatLosesItsSurroundings() {
    const auto written = [](const QString& text, int first, int last, int from = 0, int to = -1) {
        const Read read(text);
        return toMarkdown(read.blocks, first, last, from, to);
    };
    // An address defined elsewhere comes along.
    QCOMPARE(written(QStringLiteral("[a][r] b\n\nc\n\n[r]: /u"), 0, 0), QStringLiteral("[a](/u) b"));
    // From the middle of an item on: what follows is not indented as code would be.
    QCOMPARE(written(QStringLiteral("- a\n  - b\n    - some words\n    - c\n  - d"), 2, 4, 5),
             QStringLiteral("words\n- c\n- d"));
    QCOMPARE(written(QStringLiteral("1. a\n\n   second\n2. b"), 1, 2), QStringLiteral("second\n\n2. b"));
    QCOMPARE(written(QStringLiteral("> a\n>\n> b c"), 1, 1, 2), QStringLiteral("> c"));
    // Rows without their head are still a table.
    QCOMPARE(written(QStringLiteral("|a|b|\n|:-|-|\n|1|2|\n|3|4|"), 1, 2),
             QStringLiteral("|  |  |\n| :-- | --- |\n|1|2|\n|3|4|"));
    QCOMPARE(written(QStringLiteral("|a|b|\n|-|-|\n|x|long *cell*|"), 2 - 1, 1, 2, 7),
             QStringLiteral("|  |  |\n| --- | --- |\n|  | long |"));
    // Half of a formula or tag is text.
    QCOMPARE(written(QStringLiteral("a $x_1$ b"), 0, 0, 0, 5), QStringLiteral("a $x_"));
}

QTEST_GUILESS_MAIN(MarkdownWriterTest)
#include "markdown_writer_test.moc"
