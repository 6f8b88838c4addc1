#include "cjk_cases.h"
#include "marked.h"

#include <QTest>

#include <iterator>

using namespace hearth::ui;
using namespace hearth::ui::test;

/// Emphasis, strikethrough and addresses beside Chinese, Japanese and Korean.
class CjkTest : public QObject {
    Q_OBJECT

private slots:
    void reads_data();
    void reads();
    void enough();
};

void CjkTest::reads_data() {
    QTest::addColumn<QString>("source");
    QTest::addColumn<QString>("expected");
    for (const Rule& rule : kRules)
        for (const Case& c : rule.cases)
            QTest::newRow(
                qPrintable(QStringLiteral("%1: %2").arg(QString::fromUtf8(rule.name), QString::fromUtf16(c.source))))
                << QString::fromUtf16(c.source) << QString::fromUtf16(c.expected);
}

void CjkTest::reads() {
    QFETCH(QString, source);
    QFETCH(QString, expected);
    QCOMPARE(marked(parseInline(source)), expected.remove(QStringLiteral("<s></>")));
}

void CjkTest::enough() {
    size_t emphasis = 0;
    for (const Rule& rule : kRules)
        emphasis += QByteArray(rule.name).startsWith("an address") ? 0 : rule.cases.size();
    QVERIFY2(emphasis >= 60, qPrintable(QString::number(emphasis)));
}

QTEST_GUILESS_MAIN(CjkTest)
#include "cjk_test.moc"
