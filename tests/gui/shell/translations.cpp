// Every string of the window is translated, and the file of translations is what lupdate would write today.
#include "ui/language.h"

#include <QDirIterator>
#include <QFile>
#include <QProcess>
#include <QRegularExpression>
#include <QSet>
#include <QTemporaryDir>
#include <QTest>
#include <QTranslator>
#include <QXmlStreamReader>

using namespace hearth::ui;

namespace {

struct Entry {
    QString translation;
    QString type; // "" finished, else unfinished, vanished or obsolete
};

// Keyed by context, source and comment, as tr() looks a string up.
QMap<QString, Entry> entries(const QString& path) {
    QMap<QString, Entry> all;
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly))
        return all;
    QXmlStreamReader xml(&file);
    QString context, source, comment;
    Entry entry;
    while (!xml.atEnd()) {
        xml.readNext();
        if (xml.isStartElement()) {
            if (xml.name() == u"name")
                context = xml.readElementText();
            else if (xml.name() == u"message")
                source = comment = QString(), entry = {};
            else if (xml.name() == u"source")
                source = xml.readElementText();
            else if (xml.name() == u"comment")
                comment = xml.readElementText();
            else if (xml.name() == u"translation") {
                entry.type = xml.attributes().value(QLatin1String("type")).toString();
                entry.translation = xml.readElementText(QXmlStreamReader::IncludeChildElements);
            }
        } else if (xml.isEndElement() && xml.name() == u"message") {
            all[context + u'|' + source + u'|' + comment] = entry;
        }
    }
    return all;
}

} // namespace

class TranslationsTest : public QObject {
    Q_OBJECT

private slots:

    void everyStringIsTranslated_data() { languages(); }

    void everyStringIsTranslated() {
        QFETCH(QString, language);
        const auto all = entries(committed(language));
        QVERIFY(all.size() > (language == QLatin1String("en") ? 0 : 50));
        for (auto it = all.begin(); it != all.end(); ++it) {
            QVERIFY2(it->type.isEmpty(), qPrintable(it.key() + QStringLiteral(" is ") + it->type));
            QVERIFY2(!it->translation.trimmed().isEmpty(), qPrintable(it.key()));
        }
    }

    void theFileIsWhatTheSourcesSay_data() { languages(); }

    void theFileIsWhatTheSourcesSay() {
        QFETCH(QString, language);
        const QString file = committed(language);
        QTemporaryDir folder;
        const QString copy = folder.filePath(QStringLiteral("hearth_zh_CN.ts"));
        QVERIFY(QFile::copy(file, copy));
        QVERIFY(QFile::setPermissions(copy, QFile::ReadOwner | QFile::WriteOwner));
        const QString root = QStringLiteral(HEARTH_SOURCE_DIR);
        QProcess lupdate;
        QStringList arguments = {QStringLiteral("-silent"),     QStringLiteral("-I"),    root,
                                 QStringLiteral("-locations"),  QStringLiteral("none"),  QStringLiteral("-no-obsolete"),
                                 QStringLiteral("-extensions"), QStringLiteral("cpp,h"), root + QStringLiteral("/ui"),
                                 root + QStringLiteral("/app")};
        if (language == QLatin1String("en"))
            arguments << QStringLiteral("-pluralonly");
        lupdate.start(QStringLiteral(HEARTH_LUPDATE), arguments << QStringLiteral("-ts") << copy);
        QVERIFY(lupdate.waitForFinished(60000));
        QCOMPARE(lupdate.exitCode(), 0);
        const QStringList before = entries(file).keys(), after = entries(copy).keys();
        for (const QString& key : after)
            QVERIFY2(before.contains(key), qPrintable(QStringLiteral("not in the translations: ") + key));
        for (const QString& key : before)
            QVERIFY2(after.contains(key), qPrintable(QStringLiteral("no longer in the sources: ") + key));
    }

    // lupdate takes a name that it cannot resolve for a context; at run time nothing is looked up there.
    void everyContextIsOneAtRunTime() {
        QSet<QString> known;
        const QRegularExpression named(
            QStringLiteral("(?:Q_DECLARE_TR_FUNCTIONS\\(|translate\\(\\s*\"|QT_TRANSLATE_NOOP\\(\\s*\")([\\w:]+)"));
        const QRegularExpression object(QStringLiteral("class (\\w+)[^;{]*\\{\\s*Q_OBJECT"));
        for (const char* folder : {"/ui", "/app"}) {
            QDirIterator files(QStringLiteral(HEARTH_SOURCE_DIR) + QLatin1String(folder),
                               {QStringLiteral("*.h"), QStringLiteral("*.cpp")}, QDir::Files,
                               QDirIterator::Subdirectories);
            while (files.hasNext()) {
                QFile file(files.next());
                QVERIFY(file.open(QIODevice::ReadOnly));
                const QString source = QString::fromUtf8(file.readAll());
                for (auto it = named.globalMatch(source); it.hasNext();)
                    known.insert(it.next().captured(1));
                for (auto it = object.globalMatch(source); it.hasNext();) {
                    const QString name = it.next().captured(1);
                    known.insert(name);
                    known.insert(QStringLiteral("hearth::%1::%2").arg(QLatin1String(folder + 1), name));
                }
            }
        }
        const auto all = entries(committed(QStringLiteral("zh_CN")));
        for (auto it = all.begin(); it != all.end(); ++it)
            QVERIFY2(known.contains(it.key().section(u'|', 0, 0)), qPrintable(it.key()));
    }

    // %1 and its like are in the translation as often as in the source; full-width punctuation ends Chinese sentences.
    void translationsKeepPlacesAndPunctuation() {
        const auto all = entries(committed(QStringLiteral("zh_CN")));
        for (auto it = all.begin(); it != all.end(); ++it) {
            const QString source = it.key().section(u'|', 1, 1);
            for (const char* place : {"%1", "%2", "%3", "%n"})
                QVERIFY2(source.count(QLatin1String(place)) == it->translation.count(QLatin1String(place)),
                         qPrintable(it.key()));
            QVERIFY2(!it->translation.contains(u'!') && !it->translation.contains(u'\uFF01'), qPrintable(it.key()));
            const bool han = it->translation.contains(QRegularExpression(QStringLiteral("[\u4E00-\u9FFF][,;?:]")));
            QVERIFY2(!han, qPrintable(QStringLiteral("half-width punctuation after Han: ") + it->translation));
        }
    }

    void theWordsOfTheProgram() {
        Language language;
        language.setChoice(QStringLiteral("zh_CN"));
        QCOMPARE(language.current(), QStringLiteral("zh_CN"));
        const auto word = [](const char* context, const char* source) {
            return QCoreApplication::translate(context, source);
        };
        QCOMPARE(word("hearth::ui::ConversationList", "interrupted"), QStringLiteral("\u5DF2\u4E2D\u65AD"));
        QVERIFY(word("hearth::ui::EmptyState",
                     "A tiny model, English only, to try the program. For better answers, open "
                     "a larger model file.")
                    .contains(QStringLiteral("\u8BD5\u7528\u5C0F\u6A21\u578B\uFF0C\u4EC5\u82F1\u8BED")));
        QVERIFY(
            word("hearth::ui::StatusLine", "Reading %1\u00A0%").startsWith(QStringLiteral("\u6B63\u5728\u9605\u8BFB")));
        language.setChoice(QStringLiteral("en"));
        QCOMPARE(word("hearth::ui::ConversationList", "interrupted"), QStringLiteral("interrupted"));
    }

    void englishHasPlurals() {
        Language language;
        language.setChoice(QStringLiteral("en"));
        const char* source = "The context is full: the model no longer reads the oldest %n message(s).";
        const auto say = [&](int n) {
            return QCoreApplication::translate("hearth::app::Application", source, nullptr, n);
        };
        QVERIFY(say(1).endsWith(QStringLiteral("the oldest message.")));
        QVERIFY(say(3).endsWith(QStringLiteral("the oldest 3 messages.")));
    }

    void theSystemsLanguageDecides() {
        QCOMPARE(Language::resolve({}, {QStringLiteral("zh-Hans-CN")}), QStringLiteral("zh_CN"));
        QCOMPARE(Language::resolve({}, {QStringLiteral("de-DE"), QStringLiteral("zh-TW")}), QStringLiteral("zh_CN"));
        QCOMPARE(Language::resolve({}, {QStringLiteral("en-US"), QStringLiteral("zh-CN")}), QStringLiteral("en"));
        QCOMPARE(Language::resolve({}, {QStringLiteral("fr-FR")}), QStringLiteral("en"));
        QCOMPARE(Language::resolve({}, {}), QStringLiteral("en"));
        QCOMPARE(Language::resolve(QStringLiteral("zh_CN"), {QStringLiteral("en-US")}), QStringLiteral("zh_CN"));
        QCOMPARE(Language::resolve(QStringLiteral("xx"), {QStringLiteral("zh-CN")}), QStringLiteral("en"));
    }

private:
    static QString committed(const QString& language) {
        return QStringLiteral(HEARTH_SOURCE_DIR "/resources/translations/hearth_%1.ts").arg(language);
    }

    static void languages() {
        QTest::addColumn<QString>("language");
        QTest::newRow("zh_CN") << QStringLiteral("zh_CN");
        QTest::newRow("en") << QStringLiteral("en"); // plurals only
    }
};

QTEST_MAIN(TranslationsTest)
#include "translations.moc"
