// The catalogue: each row is complete and true to our engine, and a row that is not is named.
#include "app/models/catalog/catalog.h"

#include <QFile>
#include <QRegularExpression>
#include <QTest>

using namespace hearth;
using namespace hearth::app;

class CatalogTest : public QObject {
    Q_OBJECT

private slots:

    void theOneThatComesWithTheProgram() {
        const Catalog catalog = Catalog::builtIn();
        QVERIFY2(catalog.problems.isEmpty(), qPrintable(catalog.problems.join(u'\n')));
        QVERIFY(catalog.models.size() >= 12);
        for (const CatalogModel& model : catalog.models) {
            const QByteArray name = model.id.toUtf8();
            QVERIFY2(model.checked <= QDate::currentDate().addDays(1), name.constData());
            QVERIFY2(model.checked >= QDate(2025, 1, 1), name.constData());
            QVERIFY2(model.strengthsChinese.contains(QRegularExpression(QStringLiteral("[\u4E00-\u9FFF]"))),
                     name.constData());
            QVERIFY2(!model.strengthsEnglish.contains(u'!') && !model.strengthsChinese.contains(u'\uFF01'),
                     name.constData());
            for (const auto& [hub, repo] : model.repos) {
                QVERIFY2(hub == u"huggingface" || hub == u"modelscope", name.constData());
                QVERIFY2(repo.count(u'/') == 1, name.constData());
            }
        }
        // Both languages find something small.
        for (const char* language : {"en", "zh"})
            QVERIFY(std::ranges::any_of(catalog.models, [&](const CatalogModel& m) {
                return m.languages.contains(QLatin1String(language)) && m.parameters < 2e9;
            }));
    }

    // Sizes of files and hashes come from the hub, never from here.
    void noSizesAndNoHashes() {
        QFile file(QStringLiteral(HEARTH_SOURCE_DIR "/resources/catalog.json"));
        QVERIFY(file.open(QIODevice::ReadOnly));
        const QString text = QString::fromUtf8(file.readAll());
        QVERIFY(!text.contains(QRegularExpression(QStringLiteral("[0-9a-f]{40}"))));
        QVERIFY(!text.contains(QLatin1String("\"bytes\"")) && !text.contains(QLatin1String("sha256")));
    }

    void aRowThatLacksSomethingIsNamed_data() {
        QTest::addColumn<QByteArray>("from");
        QTest::addColumn<QByteArray>("to");
        QTest::addColumn<QString>("named");
        const auto lack = [](const char* name, const char* from, const char* to, const char* named) {
            QTest::newRow(name) << QByteArray(from) << QByteArray(to) << QString::fromLatin1(named);
        };
        lack("source", R"("source": "https://hub.example/card",)", "", "has no source");
        lack("no address", "https://hub.example/card", "hub card", "source is no address");
        lack("date", R"("checked": "2026-11-26")", R"("checked": "")", "has no checked");
        lack("no date", "2026-11-26", "lately", "has no date in checked");
        lack("licence", R"("licence": "mit",)", "", "has no licence");
        lack("English", R"("en": "Good",)", "", "has no en");
        lack("Chinese", R"(, "zh": "好")", "", "has no zh");
        lack("strengths", R"("strengths")", R"("weaknesses")", "has no strengths");
        lack("family", R"("family": "llama")", R"("family": "mammoth")", "mammoth");
        lack("languages", R"(["en"])", "[]", "has no languages");
        lack("repos", R"({"huggingface": "a/b"})", "{}", "has no repos");
        lack("weights", "8e9", "-1", "parameters makes no sense");
        lack("more at work than there are", R"("context")", R"("activeParameters": 9e9, "context")",
             "activeParameters makes no sense");
        lack("context", "4096", "0", "context makes no sense");
        lack("thinks", R"("thinks": "no")", R"("thinks": "maybe")", "thinks in a way");
    }

    void aRowThatLacksSomethingIsNamed() {
        QFETCH(QByteArray, from);
        QFETCH(QByteArray, to);
        QFETCH(QString, named);
        const Catalog whole = Catalog::read(catalogOf(kRow));
        QVERIFY2(whole.problems.isEmpty(), qPrintable(whole.problems.join(u'\n')));
        QCOMPARE(whole.models.size(), 1);
        QByteArray row = kRow;
        QVERIFY(row.contains(from));
        row.replace(from, to);
        QByteArray other = kRow;
        other.replace("\"id\": \"one\"", "\"id\": \"two\"");
        const Catalog catalog = Catalog::read(catalogOf(row + ", " + other));
        QCOMPARE(catalog.problems.size(), 1);
        QVERIFY2(catalog.problems[0].contains(QLatin1String("one")), qPrintable(catalog.problems[0]));
        QVERIFY2(catalog.problems[0].contains(named), qPrintable(catalog.problems[0]));
        QCOMPARE(catalog.models.size(), 1); // the other one stays
        QCOMPARE(catalog.models[0].id, QStringLiteral("two"));
    }

    void nonsenseIsNoCatalogue() {
        for (const char* text : {"", "[]", "{", "{\"models\": 3}", "null"}) {
            const Catalog catalog = Catalog::read(text);
            QVERIFY(catalog.models.isEmpty());
            QCOMPARE(catalog.problems.size(), 1);
        }
        QCOMPARE(Catalog::read("{\"models\": [3, null, \"x\"]}").problems.size(), 3);
        QCOMPARE(Catalog::read(catalogOf(QByteArray(kRow) + ", " + kRow)).models.size(), 1); // twice
    }

    void roughlyWhatFits() {
        CatalogModel model;
        model.parameters = model.activeParameters = 8e9;
        QCOMPARE(roughFit(model, 0, 0).kind, ui::FitKind::Unknown); // nothing is known of this machine
        QCOMPARE(roughFit(model, 16'000'000'000, 0).kind, ui::FitKind::Memory);
        QCOMPARE(roughFit(model, 4'000'000'000, 0).kind, ui::FitKind::WillNotFit);
        const CatalogFit slow = roughFit(model, 16'000'000'000, 10e9);
        QCOMPARE(slow.kind, ui::FitKind::Slow);
        QVERIFY(slow.tokensPerSecond > 2 && slow.tokensPerSecond < 2.2);
        model.activeParameters = 1e9; // experts
        QCOMPARE(roughFit(model, 16'000'000'000, 10e9).kind, ui::FitKind::Memory);
    }

    void theFirstOnesSpeakTheLanguageAndFit() {
        const QVector<CatalogModel> all = Catalog::builtIn().models;
        for (const bool chinese : {false, true})
            for (const uint64_t free : {2'000'000'000ull, 8'000'000'000ull, 64'000'000'000ull}) {
                const QVector<CatalogModel> chosen = suggestions(all, free, 40e9, chinese, 3);
                QVERIFY(!chosen.isEmpty() && chosen.size() <= 3);
                for (const CatalogModel& model : chosen) {
                    QVERIFY(model.languages.contains(chinese ? QLatin1String("zh") : QLatin1String("en")));
                    QCOMPARE(roughFit(model, free, 40e9).kind, ui::FitKind::Memory);
                }
            }
        QVERIFY(suggestions(all, 100'000'000, 40e9, false, 3).isEmpty());
    }

private:
    static constexpr const char* kRow =
        R"({"id": "one", "name": "One", "publisher": "Maker", "family": "llama", "parameters": 8e9, "context": 4096,
            "thinks": "no", "licence": "mit", "languages": ["en"], "strengths": {"en": "Good", "zh": "好"},
            "repos": {"huggingface": "a/b"}, "source": "https://hub.example/card", "checked": "2026-11-26"})";

    static QByteArray catalogOf(const QByteArray& rows) { return "{\"models\": [" + rows + "]}"; }
};

QTEST_MAIN(CatalogTest)
#include "catalog_test.moc"
