#include "compositions.h"
#include "samples.h"
#include "tests/gui/chat/standard_examples.h"
#include "ui/chat/block_splitter.h"

#include <QElapsedTimer>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTest>

#include <algorithm>

using namespace hearth::ui;
using namespace hearth::ui::test;

namespace {

/// Everything that is shown of a text: leaves, where they lie, and their runs.
QString shown(const BlockSplitter& b) {
    QString out;
    const auto add = [&](int n) { out += QString::number(n) + u' '; };
    for (int i = 0; i < b.count(); ++i) {
        const Block& block = b.block(i);
        for (const int n : {int(block.kind), int(block.level), int(block.markers), int(block.task), int(block.joined),
                            block.root, block.slice})
            add(n);
        for (int c = block.container; c >= 0; c = b.container(c).parent) {
            const Container& k = b.container(c);
            out += k.quote ? QStringLiteral(">") : QString(k.delimiter);
            add(k.number);
        }
        const InlineText& text = b.inlines(i);
        out += u'[' + block.info + u']' + text.text;
        for (const InlineRun& r : text.runs) {
            add(r.start);
            add(r.length);
            add(r.style);
            out += r.link < 0 ? QString() : text.links[r.link];
        }
        out += u'\n';
    }
    return out;
}

QString whole(const QString& text) {
    BlockSplitter b;
    b.feed(text);
    b.finish();
    return shown(b);
}

/// Fed in pieces of at most `most` units, cut anywhere: inside of surrogate pairs, line ends and combined characters.
QString inPieces(const QString& text, QRandomGenerator& random, int most, bool look) {
    BlockSplitter b;
    for (qsizetype at = 0; at < text.size();) {
        const qsizetype n = std::min<qsizetype>(1 + qsizetype(random.bounded(most)), text.size() - at);
        b.feed(QStringView(text).mid(at, n));
        at += n;
        if (look && b.count() > 0)
            b.inlines(int(random.bounded(b.count())));
    }
    b.finish();
    return shown(b);
}

} // namespace

/// Any way of cutting a text into chunks gives the leaves and runs of the whole.
class ChunksTest : public QObject {
    Q_OBJECT

private slots:
    void everyCutInTwo();
    void anyCuts_data();
    void anyCuts();
    void theStandardsExamples();

private:
    void check(const QString& text, QRandomGenerator& random, int rounds);

    int cuts_ = 0;
};

void ChunksTest::check(const QString& text, QRandomGenerator& random, int rounds) {
    const QString expected = whole(text);
    for (int round = 0; round < rounds; ++round) {
        const int most = round == 0 ? 1 : 1 + int(random.bounded(40));
        const QString got = inPieces(text, random, most, round % 2 == 1);
        QVERIFY2(got == expected,
                 qPrintable(QStringLiteral("\n%1\n-- whole\n%2\n-- in pieces\n%3").arg(text, expected, got)));
        ++cuts_;
    }
}

void ChunksTest::everyCutInTwo() {
    const QString text = QStringLiteral(
        "# 标题\r\n\r\n- **甲\U0001F600**\r  $$\r\n  x\r\n  $$\n- [ ] e\u0301 `c`\n\n| a | b |\n|---|:-:|\n"
        "| 葛\U000E0100 | $y$ |\n\n> ```c\n> 1\n> ```\n[r]\n\n[r]: /u 't'\n\n\\[ z\n\\]\n");
    const QString expected = whole(text);
    for (qsizetype cut = 1; cut < text.size(); ++cut) {
        BlockSplitter b;
        b.feed(QStringView(text).left(cut));
        for (int i = 0; i < b.count(); ++i)
            b.inlines(i);
        b.feed(QStringView(text).mid(cut));
        b.finish();
        QCOMPARE(shown(b), expected);
    }
}

void ChunksTest::anyCuts_data() {
    QTest::addColumn<int>("kind");
    QTest::newRow("samples") << 0;
    QTest::newRow("compositions") << 1;
    QTest::newRow("compositions beside CJK") << 2;
    QTest::newRow("noise") << 3;
    QTest::newRow("longer than a slice") << 4;
}

void ChunksTest::anyCuts() {
    QFETCH(int, kind);
    QRandomGenerator random(quint32(1000 + kind));
    if (kind == 0)
        for (const auto& rows : {english(), chinese(), code()})
            for (const MessageRow& row : rows)
                check(row.text, random, 4);
    for (int i = 0; i < 600 && kind > 0 && kind < 4; ++i)
        check(kind == 3 ? noise(random, Words::Mixed, 3 + int(random.bounded(60)))
                        : composition(random, kind == 1 ? Words::Latin : Words::Mixed, i % 4),
              random, 4);
    for (int i = 0; i < 12 && kind == 4; ++i) {
        QString text;
        while (text.size() < 9000)
            text += noise(random, Words::Mixed, 200).remove(u'\n').remove(u'\r') +
                    (i % 3 ? QString() : QStringLiteral("\n"));
        check(text, random, 3);
    }
    QVERIFY(cuts_ > 0);
}

void ChunksTest::theStandardsExamples() {
    const auto all = standardExamples();
    if (!all)
        QSKIP(kNoExamples);
    QCOMPARE(all->size(), 652);
    QRandomGenerator random(3);
    for (const QJsonValue& value : *all)
        check(value[QStringLiteral("markdown")].toString(), random, 4);
    qInfo("%d ways of cutting in all", cuts_);
}

QTEST_GUILESS_MAIN(ChunksTest)
#include "chunks_test.moc"
