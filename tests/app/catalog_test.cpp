// The catalogue: each row is complete and true to our engine, and a row that is not is named.
#include "app/models/catalog/catalog.h"

#include <nlohmann/json.hpp>

#include <QFile>
#include <QRegularExpression>
#include <QTest>

using namespace hearth;
using namespace hearth::app;
using Json = nlohmann::json;

class CatalogTest : public QObject {
    Q_OBJECT

private slots:

    void theOneThatComesWithTheProgram() {
        const Catalog catalog = Catalog::builtIn();
        QVERIFY2(catalog.problems.isEmpty(), qPrintable(catalog.problems.join(u'\n')));
        QVERIFY(catalog.models.size() >= 8); // few, but what they say was read
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
        QTest::addColumn<QString>("place");
        QTest::addColumn<QString>("value"); // JSON; empty: it goes
        QTest::addColumn<QString>("named");
        const auto lack = [](const char* name, const char* place, const char* value, const char* named) {
            QTest::newRow(name) << QString::fromLatin1(place) << QString::fromLatin1(value)
                                << QString::fromLatin1(named);
        };
        lack("source", "/source", "", "has no source");
        lack("no address", "/source", "\"hub card\"", "source is no address");
        lack("a file's address", "/source", "\"file:///etc/passwd\"", "source is no address");
        lack("date", "/checked", "", "has no checked");
        lack("no date", "/checked", "\"lately\"", "has no date in checked");
        lack("licence", "/licence", "", "has no licence");
        lack("English", "/strengths/en", "", "has no en");
        lack("Chinese", "/strengths/zh", "\"\"", "has no zh");
        lack("strengths", "/strengths", "", "has no strengths");
        lack("family", "/family", "\"mammoth\"", "mammoth");
        lack("languages", "/languages", "[]", "has no languages");
        lack("repos", "/repos", "{}", "has no repos");
        lack("no repo", "/repos/huggingface", "\"name\"", "has no repos");
        lack("weights", "/parameters", "-1", "parameters makes no sense");
        lack("more at work than there are", "/activeParameters", "9e9", "activeParameters makes no sense");
        lack("context", "/context", "0", "context makes no sense");
        lack("thinks", "/thinks", "\"maybe\"", "thinks in a way");
        lack("name", "/name", "3", "has no name");
    }

    void aRowThatLacksSomethingIsNamed() {
        QFETCH(QString, place);
        QFETCH(QString, value);
        QFETCH(QString, named);
        Json row = rowOf("one");
        const Catalog whole = Catalog::read(catalogOf({row}));
        QVERIFY2(whole.problems.isEmpty(), qPrintable(whole.problems.join(u'\n')));
        QCOMPARE(whole.models.size(), 1);
        const Json::json_pointer at(place.toStdString());
        if (value.isEmpty())
            row[at.parent_pointer()].erase(at.back());
        else
            row[at] = Json::parse(value.toStdString());
        const Catalog catalog = Catalog::read(catalogOf({row, rowOf("two")}));
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
        QCOMPARE(Catalog::read(catalogOf({rowOf("one"), rowOf("one")})).models.size(), 1); // twice
    }

    void roughlyWhatFits() {
        CatalogModel model;
        model.parameters = model.activeParameters = 8e9;
        QCOMPARE(roughFit(model, 0, 0).kind, ui::FitKind::Unknown); // nothing is known of this machine
        QCOMPARE(roughFit(model, 16000000000, 0).kind, ui::FitKind::Memory);
        QCOMPARE(roughFit(model, 4000000000, 0).kind, ui::FitKind::WillNotFit);
        const CatalogFit slow = roughFit(model, 16000000000, 10e9);
        QCOMPARE(slow.kind, ui::FitKind::Slow);
        QVERIFY(slow.tokensPerSecond > 2 && slow.tokensPerSecond < 2.2);
        model.activeParameters = 1e9; // experts
        QCOMPARE(roughFit(model, 16000000000, 10e9).kind, ui::FitKind::Memory);
    }

    void theFirstOnesSpeakTheLanguageAndFit() {
        const QVector<CatalogModel> all = Catalog::builtIn().models;
        for (const bool chinese : {false, true})
            for (const uint64_t free : {2000000000ull, 8000000000ull, 64000000000ull}) {
                const QVector<CatalogModel> chosen = suggestions(all, free, 40e9, chinese, 3);
                QVERIFY(!chosen.isEmpty() && chosen.size() <= 3);
                for (const CatalogModel& model : chosen) {
                    QVERIFY(model.languages.contains(chinese ? QLatin1String("zh") : QLatin1String("en")));
                    QCOMPARE(roughFit(model, free, 40e9).kind, ui::FitKind::Memory);
                }
            }
        QVERIFY(suggestions(all, 100000000, 40e9, false, 3).isEmpty());
    }

private:
    static Json rowOf(const std::string& id) {
        return {{"id", id},
                {"name", "One"},
                {"publisher", "Maker"},
                {"family", "llama"},
                {"parameters", 8e9},
                {"context", 4096},
                {"thinks", "no"},
                {"licence", "mit"},
                {"languages", {"en"}},
                {"strengths", {{"en", "Good"}, {"zh", "\u597D"}}},
                {"repos", {{"huggingface", "a/b"}}},
                {"source", "https://hub.example/card"},
                {"checked", "2026-11-26"}};
    }

    static QByteArray catalogOf(const std::vector<Json>& rows) {
        return QByteArray::fromStdString(Json{{"models", rows}}.dump());
    }
};

QTEST_MAIN(CatalogTest)
#include "catalog_test.moc"
