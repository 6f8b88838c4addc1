// What the engine says of a model that it cannot open, in a Chinese window: its kind of trouble in Chinese, and its own
// sentence, which is exact.
#include "app/models/files/model_facts.h"
#include "app/models/net/engine_words.h"
#include "engine/engine.h"
#include "tests/engine/core/gguf_writer.h"
#include "ui/language.h"

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace hearth;
using namespace hearth::app;
using engine::Trouble;

namespace {

bool isChinese(const QString& text) {
    return std::any_of(text.begin(), text.end(), [](QChar c) { return c.script() == QChar::Script_Han; });
}

} // namespace

class EngineWordsTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        language_ = std::make_unique<ui::Language>();
        language_->setChoice(QStringLiteral("en"));
    }

    void cleanup() { language_.reset(); }

    void everyTroubleIsSaidInChinese() {
        const engine::Error error({Trouble::Damaged, {"a%2.gguf"}}, "a%2.gguf is not sound.");
        QCOMPARE(toldByEngine(error), QStringLiteral("a%2.gguf is not sound.")); // in English its own
        chinese();
        const QString told = toldByEngine(error);
        QVERIFY2(isChinese(told) && told.contains(QStringLiteral("a%2.gguf is not sound.")), qPrintable(told));
        QCOMPARE(toldByEngine(engine::Error("Rare.")), QStringLiteral("Rare."));
        for (int i = 1; i <= int(Trouble::NoMemory); ++i) {
            const engine::Reason reason{Trouble(i), {"one", "two", "three", "four"}};
            const QString first = toldByEngine(reason, "English.").section(u'\n', 0, 0);
            QVERIFY2(isChinese(first) && first.contains(QStringLiteral("one")) && !first.contains(u'%'),
                     qPrintable(first));
        }
        QCOMPARE(toldByEngine({Trouble::TooLarge, {}}, "English.").count(QStringLiteral("%1")),
                 1); // values are missing
    }

    void whatFilesMeet_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<int>("trouble");
        const auto file = [](const char* family) {
            test::GgufWriter w;
            if (family)
                w.setText("general.architecture", family);
            return QByteArray::fromStdString(w.bytes());
        };
        QTest::newRow("no GGUF") << QByteArray("<html>not found</html>") << int(Trouble::Damaged);
        QTest::newRow("cut short") << file("llama").left(30) << int(Trouble::Damaged);
        QTest::newRow("another family") << file("xyz") << int(Trouble::UnknownFamily);
        QTest::newRow("nothing in it") << file("llama") << int(Trouble::Unfit);
        QTest::newRow("not there") << QByteArray() << int(Trouble::CannotOpen);
    }

    void whatFilesMeet() {
        QFETCH(QByteArray, bytes);
        QFETCH(int, trouble);
        QTemporaryDir folder;
        const QString path = folder.filePath(QStringLiteral("model.gguf"));
        if (!bytes.isEmpty()) {
            QFile file(path);
            QVERIFY(file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size());
        }
        const ModelFacts facts = readModelFacts(path.toStdString());
        QCOMPARE(int(facts.reason.trouble), trouble);
        chinese();
        QVERIFY(isChinese(toldByEngine(facts.reason, facts.problem + facts.cannotRun)));
        engine::Engine engine({.backend = "cpu", .threads = 1});
        try {
            engine.load({.path = path.toStdString(), .overrides = {}});
            QFAIL("it was loaded");
        } catch (const engine::Error& error) {
            QCOMPARE(int(error.reason().trouble), trouble);
            QVERIFY2(isChinese(toldByEngine(error)), error.what());
        }
    }

private:
    void chinese() { language_->setChoice(QStringLiteral("zh_CN")); }

    std::unique_ptr<ui::Language> language_;
};

QTEST_MAIN(EngineWordsTest)
#include "engine_words_test.moc"
