// The real window with the real starter model: what a person does in the first minutes, and after the next start.
#include "app/application.h"
#include "tests/app/starter.h"
#include "tests/engine/core/gguf_writer.h"
#include "tests/gui/drop.h"
#include "ui/chat/chat_document.h"
#include "ui/chat/chat_view.h"
#include "ui/composer.h"
#include "ui/empty_state.h"
#include "ui/label.h"
#include "ui/notices.h"
#include "ui/settings/settings_panel.h"

#include <nlohmann/json.hpp>

#include <QApplication>
#include <QDir>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFile>
#include <QMimeData>
#include <QPushButton>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <set>

using namespace hearth;

namespace {

constexpr int kLoading = 60000; // ms, on a busy machine
constexpr int kReplying = 120000;

} // namespace

class WindowTest : public QObject {
    Q_OBJECT

private slots:

    void initTestCase() {
        model_ = test::starterModel();
        if (model_.isEmpty())
            QSKIP("The starter model is not there: set HEARTH_MODELS to the folder that holds it.");
        qputenv("HEARTH_MODELS", QFileInfo(model_).path().toUtf8());
        qputenv("LANGUAGE", "en");
    }

    void init() { folder_ = std::make_unique<QTemporaryDir>(); }

    void cleanup() {
        app_.reset();
        folder_.reset();
    }

    void typesSendsSeesStopsSwitchesQuitsAndFindsEverything() {
        start();
        QVERIFY(window().document().messages().isEmpty());
        waitForModel();
        QVERIFY(shownTexts().join(u' ').contains(QStringLiteral("Tiny, English only, to try the program")));

        // Types and sends; tokens arrive one after the other.
        say(QStringLiteral("Tell me a long story about a lighthouse and the sea."));
        QTRY_COMPARE_WITH_TIMEOUT(document().messages().size(), 2, kReplying);
        QCOMPARE(document().text(document().messages()[0].id),
                 QStringLiteral("Tell me a long story about a lighthouse and the sea."));
        const ui::RowId reply = document().messages()[1].id;
        std::set<qsizetype> lengths;
        QElapsedTimer watch;
        watch.start();
        while (lengths.size() < 8 && watch.elapsed() < kReplying) {
            QTest::qWait(10);
            lengths.insert(document().text(reply).size());
        }
        QVERIFY2(lengths.size() >= 8, "the reply does not grow in the window");
        QVERIFY(shown().isReplying());

        // Stops, at once.
        watch.restart();
        QTest::keyClick(&composer().edit(), Qt::Key_Escape);
        while (shown().isReplying() && watch.elapsed() < 5000)
            QCoreApplication::processEvents(QEventLoop::AllEvents, 2);
        const qint64 stopTook = watch.elapsed();
        qInfo("stop took %lld ms", (long long)stopTook);
        QVERIFY2(stopTook <= 100 * slowness(), "Stop took too long");
        const QString half = document().text(reply);
        QVERIFY(!half.isEmpty());
        QVERIFY(document().messages()[1].state == ui::MessageState::Interrupted);
        QTest::qWait(300);
        QCOMPARE(document().text(reply), half);

        // Goes on where it stopped.
        emit view().continueRequested(reply);
        QTRY_VERIFY_WITH_TIMEOUT(document().text(reply).size() > half.size() + 20, kReplying);
        QVERIFY(document().text(reply).startsWith(half));
        shown().stop();
        QTRY_VERIFY(!shown().isReplying());

        // Another version of it.
        emit view().regenerateRequested(reply);
        QTRY_VERIFY_WITH_TIMEOUT(document().messages().size() == 2 && document().messages()[1].siblingCount == 2,
                                 kReplying);
        const storage::ConversationId first = shown().id();

        // Another conversation, while that one goes on.
        emit window().newConversationRequested();
        QVERIFY(shown().id().value == 0);
        QVERIFY(app_->book().anyReplying());
        QVERIFY(row(first).state == ui::ConversationState::Generating);
        say(QStringLiteral("Name three colours."));
        QTRY_VERIFY_WITH_TIMEOUT(
            document().messages().size() == 2 && document().text(document().messages()[1].id).size() > 5, kReplying);
        const storage::ConversationId second = shown().id();
        emit window().conversationSelected(first.value);
        QTRY_COMPARE(shown().id().value, first.value);
        QTRY_VERIFY_WITH_TIMEOUT(document().text(document().messages()[1].id).size() > 30, kReplying);
        shown().stop();
        QTRY_VERIFY_WITH_TIMEOUT(!shown().isReplying(), 5000);
        emit window().conversationSelected(second.value);
        QTRY_COMPARE(shown().id().value, second.value);
        shown().stop();
        QTRY_VERIFY_WITH_TIMEOUT(!app_->book().anyReplying(), 5000);
        const QString colours = document().text(document().messages()[1].id);
        composer().fill(QStringLiteral("a draft that is not sent"));
        QTest::qWait(500); // at rest

        // Quits and starts again: everything is there, and the same conversation is shown.
        const QVector<ui::ConversationRow> rows = app_->book().rows();
        window().close();
        start();
        QCOMPARE(app_->book().rows().size(), 2);
        for (int i = 0; i < 2; ++i) {
            QCOMPARE(app_->book().rows()[i].id, rows[i].id);
            QCOMPARE(app_->book().rows()[i].title, rows[i].title);
        }
        QCOMPARE(shown().id().value, second.value);
        QCOMPARE(window().shownConversation(), second.value);
        QCOMPARE(document().messages().size(), 2);
        QCOMPARE(document().text(document().messages()[1].id), colours);
        QCOMPARE(composer().text(), QStringLiteral("a draft that is not sent"));
        emit window().conversationSelected(first.value);
        QTRY_COMPARE(shown().id().value, first.value);
        QCOMPARE(document().messages()[1].siblingCount, 2);
        emit view().siblingRequested(document().messages()[1].id, 0);
        QTRY_COMPARE(document().messages()[1].siblingIndex, 0);
        QVERIFY(document().text(document().messages()[1].id).startsWith(half));
    }

    // After Enter at most the new message and 64 tokens more are computed.
    void tenTurnsReadOnlyWhatIsNew() {
        start();
        waitForModel();
        const auto text = app_->desk().loaded()->text;
        std::vector<int> limits;
        for (int turn = 0; turn < 10; ++turn) {
            const QString message = QStringLiteral("Say something short about the number %1.").arg(turn + 1);
            limits.push_back(int(text->tokenizer->encode(message.toStdString()).size()) + 64);
            say(message);
            QTRY_COMPARE_WITH_TIMEOUT(document().messages().size(), 2 * (turn + 1), kReplying);
            // Some end by themselves, some are stopped: both must keep the cache.
            const ui::RowId reply = document().messages().last().id;
            QTRY_VERIFY_WITH_TIMEOUT(!shown().isReplying() || document().text(reply).size() > 200, kReplying);
            shown().stop();
            QTRY_VERIFY_WITH_TIMEOUT(!shown().isReplying(), 5000);
        }
        const storage::ConversationId id = shown().id();
        app_.reset();
        const auto receipts = receiptsOf(id);
        QCOMPARE(receipts.size(), size_t(10));
        for (size_t turn = 0; turn < receipts.size(); ++turn) {
            const int computed = receipts[turn].value("prefilledTokens", -1);
            const int prompt = receipts[turn].value("promptTokens", -1);
            qInfo("turn %zu: %d of %d prompt tokens computed, at most %d", turn + 1, computed, prompt, limits[turn]);
            QVERIFY(computed > 0 && computed <= limits[turn]);
        }
    }

    void aMessageSentWhileTheModelLoadsWaitsForIt() {
        start();
        say(QStringLiteral("Hello")); // at once
        QTRY_VERIFY_WITH_TIMEOUT(document().messages().size() >= 1, 5000);
        QTRY_VERIFY_WITH_TIMEOUT(
            document().messages().size() == 2 && !document().text(document().messages()[1].id).isEmpty(), kReplying);
    }

    void chineseBringsOneHint() {
        start();
        waitForModel();
        auto* notices = window().findChild<ui::NoticeStack*>();
        QVERIFY(notices);
        say(QStringLiteral("你好"));
        QTRY_VERIFY_WITH_TIMEOUT(notices->has(QStringLiteral("starter-language")), kReplying);
        QTRY_VERIFY_WITH_TIMEOUT(shown().isReplying(), kReplying);
        shown().stop();
        QTRY_VERIFY_WITH_TIMEOUT(!shown().isReplying(), 5000);
        // It speaks the window's language, also when that changes.
        const auto offers = [notices](const QString& words) {
            const auto buttons = notices->findChildren<QPushButton*>();
            return std::any_of(buttons.begin(), buttons.end(), [&](QPushButton* b) { return b->text() == words; });
        };
        ui::SettingsRow settings;
        settings.maxThreads = 2;
        settings.language = QStringLiteral("zh_CN");
        window().setSettings(settings);
        QTRY_VERIFY_WITH_TIMEOUT(offers(QStringLiteral("打开模型文件…")), 2000);
        settings.language = QStringLiteral("en");
        window().setSettings(settings);
        QTRY_VERIFY_WITH_TIMEOUT(offers(QStringLiteral("Open a model file…")), 2000);
        window().hideNotice(QStringLiteral("starter-language"));
        say(QStringLiteral("再说一次"));
        QTRY_VERIFY_WITH_TIMEOUT(document().messages().size() >= 3, kReplying);
        QTest::qWait(100);
        QVERIFY(!notices->has(QStringLiteral("starter-language")));
    }

    void deletedConversationComesBack() {
        start();
        waitForModel();
        say(QStringLiteral("Remember this."));
        QTRY_VERIFY_WITH_TIMEOUT(document().messages().size() == 2, kReplying);
        const auto id = shown().id();
        emit window().conversationDeleteRequested(id.value);
        QVERIFY(shown().id().value == 0);
        QVERIFY(app_->book().rows().isEmpty());
        auto* undo = window().findChild<ui::UndoBar*>();
        QVERIFY(undo && undo->isVisible());
        emit undo->undone(undo->undoId());
        QTRY_COMPARE(shown().id().value, id.value);
        QCOMPARE(app_->book().rows().size(), 1);
        QCOMPARE(document().messages()[0].text, QStringLiteral("Remember this."));
    }

    // The model that was chosen before stays, now and at the next start.
    void anotherModelFileThatIsNone() {
        start();
        waitForModel();
        const QString bad = folder_->filePath(QStringLiteral("bad.gguf"));
        put(bad, "this is not a model");
        emit window().modelFileOpened(bad);
        auto* notices = window().findChild<ui::NoticeStack*>();
        QTRY_VERIFY_WITH_TIMEOUT(notices->has(QStringLiteral("model-failed")), kLoading);
        QCOMPARE(app_->desk().loadedPath(), model_); // the good one is still there
        QTRY_COMPARE(shown().model(), model_);
        say(QStringLiteral("Anyone?"));
        waitForAnswer(2);
        // What was said while it was still being tried is answered too.
        emit window().modelFileOpened(bad);
        say(QStringLiteral("And now?"));
        waitForAnswer(4);
        window().close();
        start();
        waitForModel();
        notices = window().findChild<ui::NoticeStack*>();
        QTest::qWait(100);
        QVERIFY(!notices->has(QStringLiteral("model-failed")));
        QCOMPARE(shown().model(), model_);
        // Mended meanwhile, and tried again: now it is the one.
        emit window().modelFileOpened(bad);
        QTRY_VERIFY_WITH_TIMEOUT(notices->has(QStringLiteral("model-failed")), kLoading);
        QTRY_COMPARE(shown().model(), model_);
        put(bad, QByteArray::fromStdString(test::tinyLlama({.layers = 2, .seed = 4}).bytes()));
        emit window().noticeAction(QStringLiteral("model-failed"), QStringLiteral("again"));
        QTRY_COMPARE_WITH_TIMEOUT(app_->desk().loadedPath(), bad, kLoading);
        QCOMPARE(shown().model(), bad);
    }

    // The first is used in the chat, the others are listed.
    void severalDroppedModelsAreAllTaken() {
        start();
        waitForModel();
        QList<QUrl> urls;
        QStringList paths;
        for (const char* name : {"x.gguf", "y.gguf", "z.gguf"}) {
            paths << folder_->filePath(QString::fromLatin1(name));
            put(paths.last(), QByteArray::fromStdString(test::tinyLlama({.layers = 2, .seed = 4}).bytes()));
            urls << QUrl::fromLocalFile(paths.last());
        }
        hearth::tests::dropOn(window(), urls);
        QTRY_COMPARE_WITH_TIMEOUT(app_->desk().loadedPath(), paths[0], kLoading);
        QCOMPARE(shown().model(), paths[0]);
        const auto lists = [this](const QString& path) {
            const QVector<ui::ModelRow> rows = app_->desk().rows();
            return std::any_of(rows.begin(), rows.end(), [&](const ui::ModelRow& row) { return row.path == path; });
        };
        for (const QString& path : paths)
            QTRY_VERIFY2(lists(path), qPrintable(path));
        start(); // after the next start too
        for (const QString& path : paths)
            QTRY_VERIFY2(lists(path), qPrintable(path));
    }

    // The mark of an abrupt end: nothing is loaded until the person says how.
    void aSuspectModelAsks_data() {
        QTest::addColumn<QString>("action");
        QTest::addColumn<int>("context");
        QTest::newRow("smaller") << QStringLiteral("smaller") << 2048;
        QTest::newRow("cpu") << QStringLiteral("cpu") << 8192;
        QTest::newRow("again") << QStringLiteral("again") << 8192;
    }

    void aSuspectModelAsks() {
        QFETCH(QString, action);
        QFETCH(int, context);
        const app::LoadMark mark((folder_->path() + QStringLiteral("/loading.mark")).toStdString());
        QVERIFY(mark.write({model_.toStdString(), app::LoadMark::Stage::Loading}));
        start();
        auto* notices = window().findChild<ui::NoticeStack*>();
        QTRY_VERIFY_WITH_TIMEOUT(notices->has(QStringLiteral("model-suspect")), kLoading);
        say(QStringLiteral("Hello")); // kept; loads nothing
        QTRY_COMPARE(document().messages().size(), 1);
        QTest::qWait(300);
        QVERIFY(app_->desk().loadedPath().isEmpty() && app_->desk().loadingPath().isEmpty());
        emit window().noticeAction(QStringLiteral("model-suspect"), action);
        waitForModel();
        QVERIFY(!notices->has(QStringLiteral("model-suspect")));
        QCOMPARE(app_->desk().loaded()->info.contextTokens, context);
        QTRY_COMPARE_WITH_TIMEOUT(document().messages().size(), 2, kReplying); // the message is answered now
        QVERIFY(!mark.read());
    }

    void settingsApplyWhileItRuns() {
        start();
        waitForModel();
        ui::SettingsRow settings;
        settings.threads = 1;
        settings.maxThreads = 2;
        settings.language = QStringLiteral("zh_CN");
        settings.theme = ui::ThemeChoice::Dark;
        window().setSettings(settings);
        emit window().settingsChanged(settings);
        QTRY_VERIFY_WITH_TIMEOUT(app_->desk().loadedPath().isEmpty(), 5000); // comes back with the next message
        say(QStringLiteral("Still there?"));
        QTRY_VERIFY_WITH_TIMEOUT(document().messages().size() == 2, kReplying);
        window().close();
        start();
        settings.language.clear();
        settings.theme = ui::ThemeChoice::System;
        window().setSettings(settings);
    }

    void aModelsDefaultsHoldFromTheFirstLoadOn() {
        start();
        waitForModel();
        const engine::ModelInfo before = app_->desk().loaded()->info;
        say(QStringLiteral("Hello"));
        QTRY_VERIFY_WITH_TIMEOUT(document().messages().size() == 2 && shown().status().contextUsed > 0, kReplying);
        shown().stop();
        QTRY_VERIFY_WITH_TIMEOUT(!shown().isReplying(), 5000);
        const int alone = document().messages()[1].receipt.promptTokens;
        auto* notices = window().findChild<ui::NoticeStack*>();
        app_->manager().setDefaults(model_, {.contextTokens = 1024,
                                             .threads = 1,
                                             .kv = "q8_0",
                                             .sampling = {{"temperature", 0}},
                                             .systemPrompt = "You speak of nothing but lighthouses, the sea, the wind "
                                                             "and the gulls above the harbour, in one short sentence.",
                                             .thinking = false});
        QVERIFY(notices->has(QStringLiteral("model-renewed"))); // it says so
        QTRY_VERIFY_WITH_TIMEOUT(!notices->has(QStringLiteral("model-renewed")), kLoading);
        QCOMPARE(app_->desk().loaded()->info.contextTokens, 1024);
        QVERIFY(app_->desk().loaded()->info.kvBytesPerToken < before.kvBytesPerToken);
        QString words[2];
        for (QString& text : words) { // greedy: the same each time
            emit window().newConversationRequested();
            say(QStringLiteral("Hello"));
            QTRY_VERIFY_WITH_TIMEOUT(document().messages().size() == 2 && !shown().isReplying(), kReplying);
            QVERIFY(document().messages()[1].receipt.promptTokens > alone + 10);
            text = document().text(document().messages()[1].id);
        }
        QVERIFY(!words[0].isEmpty());
        QCOMPARE(words[0], words[1]);

        window().close();
        start();
        QSignalSpy ready(&app_->desk(), &app::ModelDesk::ready);
        waitForModel();
        QCOMPARE(app_->desk().loaded()->info.contextTokens, 1024);
        QTest::qWait(300);
        QCOMPARE(ready.size(), 1); // not loaded twice
    }

    void theMemoryOfTheSettingsHoldsAtOnce() {
        start();
        waitForModel();
        // Half a gigabyte of cache each, of which nothing is touched.
        QStringList paths;
        for (const char* name : {"one.gguf", "two.gguf"}) {
            QFile file(folder_->filePath(QString::fromLatin1(name)));
            QVERIFY(file.open(QIODevice::WriteOnly));
            file.write(QByteArray::fromStdString(
                test::tinyLlama({.layers = 32, .dModel = 256, .nHeads = 4, .nKvHeads = 4}).bytes()));
            paths.append(file.fileName());
            app_->manager().setDefaults(paths.last(), {.contextTokens = 16384});
            file.close();
            emit window().modelFileOpened(paths.last());
            QTRY_COMPARE_WITH_TIMEOUT(app_->desk().loadedPath(), paths.last(), kLoading);
        }
        if (!app_->desk().resident(paths[0]))
            QSKIP("This machine has no memory for both.");
        ui::SettingsRow settings = app_->window().findChild<ui::SettingsPanel*>()->settings();
        settings.modelMemoryGb = 1;
        emit window().settingsChanged(settings);
        QTRY_VERIFY_WITH_TIMEOUT(!app_->desk().resident(model_) && !app_->desk().resident(paths[0]), 10000);
        QVERIFY(app_->desk().resident(paths[1])); // the one in use
    }

    // For eyes: HEARTH_SCREENSHOTS names a folder.
    void screenshots() {
        const QString target = qEnvironmentVariable("HEARTH_SCREENSHOTS");
        if (target.isEmpty())
            QSKIP("HEARTH_SCREENSHOTS names no folder.");
        QDir().mkpath(target);
        start();
        waitForModel();
        const auto shoot = [&](const char* what) {
            QTest::qWait(300); // the title comes after the answer
            for (const char* language : {"en", "zh_CN"}) {
                for (const auto theme : {ui::ThemeChoice::Light, ui::ThemeChoice::Dark}) {
                    ui::SettingsRow settings;
                    settings.language = QString::fromLatin1(language);
                    settings.theme = theme;
                    settings.maxThreads = 2;
                    settings.modelFolder = QFileInfo(model_).path();
                    window().setSettings(settings);
                    emit window().settingsChanged(settings);
                    QTest::qWait(200);
                    const QString name =
                        QStringLiteral("%1/%2-%3-%4.png")
                            .arg(target, QString::fromLatin1(what), QString::fromLatin1(language),
                                 theme == ui::ThemeChoice::Dark ? QStringLiteral("dark") : QStringLiteral("light"));
                    QVERIFY(window().grab().save(name));
                }
            }
        };
        shoot("empty");
        const auto ask = [&](const char* question, int most) { // characters of the answer
            const qsizetype before = document().messages().size();
            say(QString::fromUtf8(question));
            QTRY_VERIFY_WITH_TIMEOUT(
                document().messages().size() == before + 2 &&
                    (!shown().isReplying() || document().text(document().messages().last().id).size() > most),
                kReplying);
            shown().stop();
            QTRY_VERIFY_WITH_TIMEOUT(!shown().isReplying(), 5000);
        };
        ask("Name four birds that stay in winter", 60);
        emit window().newConversationRequested();
        ask("How does a fireplace draw air?", 60);
        emit window().newConversationRequested();
        ask("Give me three tips for a cosy reading corner, as a list", 900);
        ask("Write a short Python function that counts the words in a text", 900);
        shoot("chat"); // resources/screenshots holds these
        say(QStringLiteral("你好,请介绍一下你自己。"));
        QTRY_VERIFY_WITH_TIMEOUT(
            document().messages().size() == 6 &&
                (!shown().isReplying() || document().text(document().messages()[5].id).size() > 60),
            kReplying);
        shoot("hint");
        shown().stop();
        QTRY_VERIFY_WITH_TIMEOUT(!shown().isReplying(), 5000);
    }

private:
    void start() {
        app_.reset();
        app::Application::Options options;
        options.data = app::findDataFolder(folder_->path());
        app_ = std::make_unique<app::Application>(options);
        app_->start();
        QVERIFY(QTest::qWaitForWindowExposed(&window()));
    }

    void waitForModel() {
        QTRY_COMPARE_WITH_TIMEOUT(app_->desk().loadedPath(), model_, kLoading);
        QTest::qWait(20);
    }

    /// It begins, and is stopped.
    void waitForAnswer(int messages) {
        QTRY_VERIFY_WITH_TIMEOUT(
            document().messages().size() == messages &&
                (!shown().isReplying() || !document().text(document().messages().last().id).isEmpty()),
            kReplying);
        shown().stop();
        QTRY_VERIFY_WITH_TIMEOUT(!shown().isReplying(), kReplying);
    }

    void say(const QString& text) {
        ui::ComposerEdit& edit = composer().edit();
        edit.setFocus();
        for (const QChar c : text) { // key by key, as far as keys have letters
            if (c.unicode() < 128)
                QTest::keyClick(&edit, c.toLatin1());
            else
                edit.insertPlainText(QString(c));
        }
        QTest::keyClick(&edit, Qt::Key_Return);
    }

    static void put(const QString& path, const QByteArray& bytes) {
        QFile file(path);
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(bytes), qint64(bytes.size()));
    }

    ui::MainWindow& window() { return app_->window(); }

    ui::ChatDocument& document() { return window().document(); }

    ui::ChatView& view() { return *window().findChild<ui::ChatView*>(); }

    ui::Composer& composer() { return *window().findChild<ui::Composer*>(); }

    app::ChatSession& shown() { return *app_->book().shown(); }

    ui::ConversationRow row(storage::ConversationId id) {
        for (const ui::ConversationRow& row : app_->book().rows()) {
            if (row.id == id.value)
                return row;
        }
        return {};
    }

    QStringList shownTexts() {
        QStringList texts;
        for (const ui::Label* label : window().findChildren<ui::Label*>()) {
            if (label->isVisible())
                texts.append(label->text());
        }
        return texts;
    }

    std::vector<nlohmann::json> receiptsOf(storage::ConversationId id) {
        storage::Database database(test::databaseIn(folder_->path()), storage::Database::Mode::Read);
        std::vector<nlohmann::json> receipts;
        const auto conversation = storage::Conversations(database).find(id);
        for (const storage::Message& message : storage::Messages(database).branch(conversation->activeLeaf)) {
            if (message.role == storage::Role::Assistant)
                receipts.push_back(nlohmann::json::parse(message.receipt, nullptr, false));
        }
        return receipts;
    }

    // Sanitizers make everything slower than the limits of the product.
    static int slowness() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        return 20;
#else
        return 1;
#endif
    }

    QString model_;
    std::unique_ptr<QTemporaryDir> folder_;
    std::unique_ptr<app::Application> app_;
};

int main(int argc, char** argv) {
    QApplication qt(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("hearth"));
    QGuiApplication::setQuitOnLastWindowClosed(false);
    WindowTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "window_test.moc"
