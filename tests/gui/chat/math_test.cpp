#include "html_writer.h"
#include "marked.h"

#include <QTest>

using namespace hearth::ui;
using namespace hearth::ui::test;

/// Formulas are lexed before Markdown, as runs and as blocks of their own; what is no formula stays what it is.
class MathTest : public QObject {
    Q_OBJECT

private slots:
    void runs_data();
    void runs();
    void blocks_data();
    void blocks();
    void anOpenFormulaIsShownAsSource();
    void whatIsNeverClosedIsMarkdown();
};

void MathTest::runs_data() {
    QTest::addColumn<QString>("source");
    QTest::addColumn<QString>("expected");
    const auto row = [](const char16_t* source, const char16_t* expected) {
        QTest::newRow(QString::fromUtf16(source).toUtf8().constData())
            << QString::fromUtf16(source) << QString::fromUtf16(expected);
    };
    row(u"$x$", u"<m>$x$</>");
    row(u"$a_1 * b_2$", u"<m>$a_1 * b_2$</>");
    row(u"其中$x$是$y_1$，", u"其中<m>$x$</>是<m>$y_1$</>，");
    row(u"$[a](b)$ $`c`$", u"<m>$[a](b)$</> <m>$`c`$</>");
    row(u"$$x*y*z$$ in text", u"<m>$$x*y*z$$</> in text");
    row(u"a $$x\ny$$ b", u"a <m>$$x\ny$$</> b");
    row(u"\\(x_1*y*\\) \\[z\\]", u"<m>\\(x_1*y*\\)</> <m>\\[z\\]</>");
    row(u"$\\text{5\\$}$", u"<m>$\\text{5\\$}$</>");
    row(u"**$x$**", u"<sm>$x$</>");
    row(u"[$x$](u)", u"<ma u>$x$</>");
    row(u"$x$-axis", u"<m>$x$</>-axis");
    // What is none.
    row(u"$5 and $10", u"$5 and $10");
    row(u"$5, $6 or $7.50", u"$5, $6 or $7.50");
    row(u"US$5 or CA$6", u"US$5 or CA$6");
    row(u"\\$x\\$ and \\$5", u"$x$ and $5");
    row(u"`$x$` $", u"<c>$x$</> $");
    row(u"$ x$ and $x $", u"$ x$ and $x $");
    row(u"$x\ny$", u"$x\ny$");
    row(u"$x *a*", u"$x <e>a</>");
    row(u"$$ *a*", u"$$ <e>a</>");
    row(u"$$$$ $$", u"$$$$ $$");
    row(u"\\(x *a*", u"(x <e>a</>");
    row(u"\\[x](u)", u"[x](u)");
    row(u"\\\\(x\\)", u"\\(x)");
}

void MathTest::runs() {
    QFETCH(QString, source);
    QFETCH(QString, expected);
    QCOMPARE(marked(parseInline(source)), expected);
}

void MathTest::blocks_data() {
    QTest::addColumn<QString>("source");
    QTest::addColumn<QString>("expected"); // canonical, `/` between its lines
    const auto row = [](const char* name, const char* source, const char* expected) {
        QTest::newRow(name) << QString::fromUtf8(source) << QString::fromUtf8(expected);
    };
    row("dollars", "$$\nx = 1\n- y\n$$", "x-display|\"$$⏎x = 1⏎- y⏎$$|/x-display");
    row("brackets", "\\[\nx\n= y\n\\]\n", "x-display|\"\\[⏎x⏎= y⏎\\]|/x-display");
    row("one line", "$$x$$", "x-display|\"$$x$$|/x-display");
    row("marks beside the content", "$$ a\nb $$", "x-display|\"$$ a⏎b $$|/x-display");
    row("interrupts and is followed", "so\n$$\nx\n$$\nthen", "\"so|x-display|\"$$⏎x⏎$$|/x-display|\"then");
    row("a sentence ends with it", "$$\nx\n$$。", "x-display|\"$$⏎x⏎$$。|/x-display");
    row("in a list", "- a\n  $$\n  x\n  $$\n- b", "ul|li|\"a|x-display|\"$$⏎x⏎$$|/x-display|/li|li|\"b|/li|/ul");
    row("begins an item", "1. $$\n   x\n   $$", "ol|li|x-display|\"$$⏎x⏎$$|/x-display|/li|/ol");
    row("in a quote", "> $$\n> # x\n> $$", "blockquote|x-display|\"$$⏎# x⏎$$|/x-display|/blockquote");
    row("in a table's cell", "| a | b |\n|---|---|\n| $x_1$ | $5 |",
        "table|tr|th|\"a|/th|th|\"b|/th|/tr|tr|td|\"{ x-math}$x_1$|/td|td|\"$5|/td|/tr|/table");
    // What is none: Markdown, line by line.
    row("a blank line", "$$\nx\n\n- y\n", "\"$$⏎x|ul|li|\"y|/li|/ul");
    row("never closed", "$$\n- x\n# y", "\"$$|ul|li|\"x|/li|/ul|h1|\"y|/h1");
    row("text behind it", "$$\nx\n$$ is *it*", "\"{ x-math}$$⏎x⏎$${} is { em}it");
    row("text behind it on its line", "$$x$$ is *it*", "\"{ x-math}$$x$${} is { em}it");
    row("outside of its item", "- $$\nx\n$$", "ul|li|\"{ x-math}$$⏎x⏎$$|/li|/ul");
    row("empty", "$$$$\n\n$$ $$", "\"$$$$|\"$$ $$");
    row("another begins", "\\[ a\n\\[ b \\]\n", "\"[ a|x-display|\"\\[ b \\]|/x-display");
    row("in code", "```\n$$\nx\n```\n$$", "pre|\":$$⏎x|/pre|\"$$");
    row("in HTML", "<div>\n$$\n</div>\n\n$$", "\"<div>⏎$$⏎</div>|\"$$");
    row("escaped", "\\$$\nx\n\\$$", "\"$$⏎x⏎$$");
}

void MathTest::blocks() {
    QFETCH(QString, source);
    QFETCH(QString, expected);
    QCOMPARE(canonical(html(source)).replace(u'\n', u'|'), expected);
}

void MathTest::anOpenFormulaIsShownAsSource() {
    BlockSplitter b;
    b.feed(u"so\n\n$$\na_1 * b\n");
    QCOMPARE(b.count(), 2);
    QVERIFY(b.block(1).kind == BlockKind::Math); // no emphasis for a moment
    QCOMPARE(b.frozenCount(), 1);
    b.feed(u"c\n$");
    QVERIFY(b.block(1).kind == BlockKind::Math);
    b.feed(u"$\n");
    QCOMPARE(b.frozenCount(), 2);
    QCOMPARE(b.block(1).text, QStringLiteral("$$\na_1 * b\nc\n$$"));
    QCOMPARE(b.inlines(1).runs.size(), 1);
    QVERIFY(b.inlines(1).runs[0].style == StyleMath);
}

void MathTest::whatIsNeverClosedIsMarkdown() {
    BlockSplitter b;
    b.feed(u"$$ is the shell's number\n");
    b.feed(u"- a\n- b\n");
    QVERIFY(b.frozenCount() == 0); // it could still be one
    b.feed(u"\n");
    QCOMPARE(b.block(1).markers, quint8(1));
    // However much follows, little waits.
    QString text = QStringLiteral("\\[\n");
    while (text.size() < 20000)
        text += QStringLiteral("x and y\n");
    BlockSplitter longer;
    longer.feed(text);
    QVERIFY(longer.frozenCount() > 3);
    longer.finish();
    QVERIFY(longer.block(0).kind == BlockKind::Paragraph);
}

QTEST_GUILESS_MAIN(MathTest)
#include "math_test.moc"
