#include "compositions.h"
#include "html_writer.h"

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QRegularExpression>
#include <QTest>

#include <md4c.h>

using namespace hearth::ui;
using namespace hearth::ui::test;

class CommonMarkTest : public QObject {
    Q_OBJECT

private slots:
    void examples();
    void agreesWithMd4c();
};

void CommonMarkTest::examples() {
    QFile file(qEnvironmentVariable("HEARTH_COMMONMARK", QStringLiteral("/usr/share/gocode/src/github.com/yuin/goldmark/_test/spec.json")));
    if (!file.open(QIODevice::ReadOnly))
        QSKIP("the examples of CommonMark are not installed");
    const QJsonArray all = QJsonDocument::fromJson(file.readAll()).array();
    int equal = 0;
    for (const QJsonValue& v : all) {
        const QJsonObject o = v.toObject();
        const QString source = o[QStringLiteral("markdown")].toString();
        const QString want = canonical(o[QStringLiteral("html")].toString());
        const QString got = canonical(html(source));
        if (got == want) {
            ++equal;
            continue;
        }
        qWarning().noquote() << "EXAMPLE" << o[QStringLiteral("example")].toInt() << o[QStringLiteral("section")].toString() << "\n----\n" << source << "\n---- want\n" << want << "\n---- got\n" << got << "\n";
    }
    qWarning() << equal << "of" << all.size();
}

void CommonMarkTest::agreesWithMd4c() {
    QRandomGenerator random(qEnvironmentVariableIntValue("SEED"));
    int bad = 0;
    const bool isNoise = qEnvironmentVariableIsSet("NOISE");
    if (qEnvironmentVariableIsSet("DUMP")) {
        QJsonArray all;
        for (int i = 0; i < 12000; ++i)
            all.append(i % 2 ? noise(random, Words::Latin, 2 + random.bounded(12)) : composition(random, Words::Latin, i % 3));
        QFile f(qEnvironmentVariable("DUMP"));
        QVERIFY(f.open(QIODevice::WriteOnly));
        f.write(QJsonDocument(all).toJson());
        return;
    }
    QMultiMap<int, QString> reports;
    for (int i = 0; i < 6000; ++i) {
        const QString source = isNoise ? noise(random, Words::Latin, 2 + random.bounded(8)) : composition(random, Words::Latin, i % 3);
        QString want = canonical(htmlByMd4c(source, MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS));
        const QString got = canonical(html(source));
        while (want.contains(QStringLiteral("blockquote\n/blockquote")))
            want.remove(QRegularExpression(QStringLiteral("\n?blockquote\n/blockquote")));
        if (want.startsWith(u'\n')) want = want.mid(1);
        if (got != want && ++bad)
            reports.insert(source.size(), QStringLiteral("DIFF\n") + source + QStringLiteral("\n---- want\n") + want + QStringLiteral("\n---- got\n") + got);
    }
    for (int n = 0; const QString& r : reports)
        if (n++ < 14)
            qWarning().noquote() << r;
    qWarning() << bad << "differ";
}

QTEST_GUILESS_MAIN(CommonMarkTest)
#include "commonmark_test.moc"
