#include "tests/processor_time.h"
#include "ui/chat/block_splitter.h"

#include <QTest>

#include <malloc.h>

using namespace hearth::ui;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSlower = 12;
constexpr bool kMemoryKnown = false; // the sanitizer's own heap
#else
constexpr double kSlower = 1;
constexpr bool kMemoryKnown = true;
#endif

constexpr double kSecondsPerCharacter = 0.1 / 100000; // 100 ms for 100 kB
constexpr double kSecondsPerFeed = 50e-6;             // the open tail, whose size is bounded, is read anew
constexpr double kBytesPerCharacter = 160;            // what is kept, with its runs; most texts need less than 20
constexpr double kLeast = 4 << 20;

double heapBytes() {
    const struct mallinfo2 m = mallinfo2();
    return double(m.uordblks) + double(m.hblkhd);
}

/// Cuts into leaves in pieces of `chunk` characters, parses each, and holds the whole to its bounds.
void holdToBounds(const QString& text, qsizetype chunk) {
    const double memory = heapBytes();
    const double start = hearth::processorSeconds();
    BlockSplitter b;
    for (qsizetype at = 0; at < text.size(); at += chunk)
        b.feed(QStringView(text).mid(at, chunk));
    b.finish();
    for (int i = 0; i < b.count(); ++i)
        b.inlines(i);
    const double seconds = hearth::processorSeconds() - start;
    const double bytes = heapBytes() - memory;
    const double feeds = double(text.size() / chunk);
    const double most = kSlower * (kSecondsPerCharacter * double(text.size()) + kSecondsPerFeed * feeds) + 0.05;
    QVERIFY2(seconds <= most, qPrintable(QStringLiteral("%1 s, allowed %2 s").arg(seconds).arg(most)));
    const double mostBytes = kBytesPerCharacter * double(text.size()) + kLeast;
    QVERIFY2(!kMemoryKnown || bytes <= mostBytes,
             qPrintable(QStringLiteral("%1 MB, allowed %2 MB").arg(bytes / 1e6).arg(mostBytes / 1e6)));
}

} // namespace

/// The parsing lines of the list of hostile inputs, in full size.
class HostileParsingTest : public QObject {
    Q_OBJECT

private slots:
    void repeated_data();
    void repeated();
    void shapes_data();
    void shapes();
};

void HostileParsingTest::repeated_data() {
    QTest::addColumn<QString>("unit");
    QTest::addColumn<int>("times");
    const auto row = [](const char* unit, int times) {
        QTest::newRow(QByteArray(unit).toPercentEncoding() + " x " + QByteArray::number(times))
            << QString::fromUtf8(unit) << times;
    };
    row("](([\"\n", 50000);
    row("]([\"\n", 50000);
    constexpr int kMillion = 1000000;
    for (const char* unit : {"[", "![", "*a_", "`", "<b ", "$", "| a ", "> ", "- "})
        row(unit, kMillion);
    // Of the same families, where each construct could repeat a search that fails.
    for (const char* unit : {"]",
                             "](",
                             "[a](",
                             "[a](<",
                             "[a](b \"",
                             "[a][",
                             "[^a]: ",
                             "**a ",
                             "~~a ",
                             "~a ",
                             "*_~",
                             "a**b_c~",
                             "``a`",
                             "\\`",
                             "<a@",
                             "<a:",
                             "</",
                             "<!--",
                             "<!A",
                             "<?",
                             "<![CDATA[",
                             "<a b=\"",
                             "<a b='\"",
                             "&",
                             "&a",
                             "&#1",
                             "$$",
                             "$a",
                             "$$a",
                             "$$\n",
                             "$$ a\n",
                             "\\[",
                             "\\(",
                             "\\[\n",
                             "\\[ a\n",
                             "\\]",
                             "http://",
                             "http://a.",
                             "www.",
                             "www.a.b_",
                             "(www.a.b",
                             "a@",
                             "a@b.",
                             "a@b.c ",
                             "1. ",
                             "* ",
                             "-\n",
                             "- \n\n",
                             "> - ",
                             "- > ",
                             "# ",
                             "#\n",
                             "```\n",
                             "~~~ a\n",
                             "    a\n",
                             "    \n",
                             "\t",
                             "| ",
                             "|\n",
                             "a|b\n-|-\n",
                             "|-|\n",
                             "<div>\n",
                             "[a]: b\n",
                             "[a]: b \"\n",
                             "[\\]",
                             "a\n",
                             "\r",
                             "\r\n",
                             "\\\n",
                             "  \n",
                             "\xE5\xAD\x97**\xE3\x80\x8C",
                             "\xCC\x81",
                             "\xEF\xB8\x81*"})
        row(unit, kMillion / 4);
}

void HostileParsingTest::repeated() {
    QFETCH(QString, unit);
    QFETCH(int, times);
    holdToBounds(unit.repeated(times), 1 << 16);
    holdToBounds(u'x' + unit.repeated(times / 16) + u'x', 37); // as it is streamed
}

void HostileParsingTest::shapes_data() {
    QTest::addColumn<QString>("text");
    QTest::newRow("10,000 quotes deep") << QStringLiteral("> ").repeated(10000) + u'a';
    QTest::newRow("10,000 lists deep") << QStringLiteral("- ").repeated(10000) + u'a';
    QString stairs;
    for (int i = 0; i < 1000; ++i)
        stairs += QString(2 * i, u' ') + QStringLiteral("- a\n");
    QTest::newRow("a staircase of 1,000 lists") << stairs;
    QString quotes;
    for (int i = 0; i < 1000; ++i)
        quotes += QString(i, u'>') + QStringLiteral(" a\n");
    QTest::newRow("a staircase of 1,000 quotes") << quotes;
    QTest::newRow("a line of 1 M") << QString(1000000, u'a');
    QTest::newRow("a line of 1 M Han") << QString(1000000, u'字');
    QTest::newRow("a code line of 1 M") << QStringLiteral("```\n") + QString(1000000, u'a');
    QTest::newRow("a heading of 1 M") << QStringLiteral("# ") + QString(1000000, u'a');
    QTest::newRow("a formula of 1 M") << QStringLiteral("$$\n") + QString(1000000, u'x') + QStringLiteral("\n$$");
    QTest::newRow("a formula of 1 M lines")
        << QStringLiteral("$$\n") + QStringLiteral("x\n").repeated(500000) + QStringLiteral("$$");
    const auto table = [](int columns, int rows) {
        return QStringLiteral("| a ").repeated(columns) + u'\n' + QStringLiteral("|---").repeated(columns) + u'\n' +
               (QStringLiteral("| b ").repeated(columns) + u'\n').repeated(rows);
    };
    QTest::newRow("1,000 columns") << table(1000, 200);
    QTest::newRow("100,000 rows") << table(4, 100000);
    QTest::newRow("128 columns, rows of one cell") << table(128, 1) + QStringLiteral("a\n").repeated(5000);
    QString definitions;
    QString uses;
    for (int i = 0; i < 40000; ++i) {
        definitions += QStringLiteral("[a%1]: /b 'c'\n").arg(i);
        uses += QStringLiteral("[a%1] ").arg(i);
    }
    QTest::newRow("40,000 definitions, then uses") << definitions + u'\n' + uses;
    QTest::newRow("40,000 uses, then definitions") << uses + QStringLiteral("\n\n") + definitions;
    QTest::newRow("an entity without end") << u'&' + QString(1000000, u'a') + u';';
    QTest::newRow("a tag of 1 M") << QStringLiteral("<a ") + QStringLiteral("b='c' ").repeated(160000);
    QTest::newRow("an address of 1 M") << QStringLiteral("[a](http://b/") + QString(1000000, u'c') + u')';
}

void HostileParsingTest::shapes() {
    QFETCH(QString, text);
    holdToBounds(text, 1 << 16);
    holdToBounds(text.left(40000), 13);
}

QTEST_GUILESS_MAIN(HostileParsingTest)
#include "hostile_parsing_test.moc"
