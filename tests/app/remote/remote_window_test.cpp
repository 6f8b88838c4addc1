// The whole program with an engine elsewhere: nothing is contacted before the person wants it, every reply that left is
// marked where it stands, and the mark stays.
#include "app/application.h"
#include "tests/app/downloads/faulty_server.h"
#include "tests/engine/core/gguf_writer.h"
#include "ui/chat/chat_document.h"
#include "ui/chat/chat_view.h"
#include "ui/composer.h"
#include "ui/header.h"
#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/library_section.h"
#include "ui/models/model_list.h"
#include "ui/models/model_picker.h"
#include "ui/models/remote_section.h"
#include "ui/status_line.h"

#include <nlohmann/json.hpp>

#include <QAccessible>
#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QFile>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QTemporaryDir>
#include <QTest>

using namespace hearth;
using tests::FaultyServer;
using tests::ServerReply;
using tests::ServerRequest;

namespace {

const char* const kPath = "/v1/chat/completions";

ServerReply streamOf(const char* text) {
    ServerReply reply =
        ServerReply::text(200,
                          "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + std::string(text) +
                              "\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
                          "text/event-stream");
    reply.announced = -1;
    return reply;
}

} // namespace

class RemoteWindowTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        folder_ = std::make_unique<QTemporaryDir>();
        qputenv("HEARTH_MODELS", folder_->filePath(QStringLiteral("none")).toUtf8());
        qputenv("HOME", folder_->path().toUtf8());
        qputenv("LANGUAGE", "en");
        server_ = std::make_unique<FaultyServer>();
        server_->on(kPath, [](const ServerRequest&) { return streamOf("A reply from elsewhere."); });
        server_->on("/v1/models", [](const ServerRequest&) {
            return ServerReply::text(
                200, R"({"data":[{"id":"qwen3","owned_by":"vllm","max_model_len":9000},{"id":"other"}]})",
                "application/json");
        });
        start();
    }

    void cleanup() {
        app_.reset();
        server_.reset();
        folder_.reset();
    }

    void fromNothingToAMarkedReply() {
        // Added, by keyboard: not on, nothing asked.
        section().addButton().setFocus();
        QTest::keyClick(&section().addButton(), Qt::Key_Space);
        ui::RemoteEditor* editor = section().editor();
        QVERIFY(editor && editor->name().hasFocus());
        QTest::keyClicks(&editor->name(), QStringLiteral("Office"));
        QTest::keyClicks(&editor->address(), QStringLiteral("127.0.0.1:%1").arg(server_->port()));
        QTest::keyClick(&editor->address(), Qt::Key_Return);
        QVERIFY(!section().editor());
        QCOMPARE(section().cards().count(), 1);
        QVERIFY(card()->row().state.contains(QStringLiteral("Off")));
        QVERIFY(!card()->button(QStringLiteral("use")));
        // Listed for chats, as what it is.
        ui::ModelItem* item = pickerItem();
        QVERIFY(item && item->accessibleName().contains(QStringLiteral("Switched off")));

        // On, but the program's network is not allowed: it says so, and a message is refused with the place of the
        // switch.
        press("switch");
        QVERIFY2(card()->row().note.contains(QStringLiteral("not allowed")), qPrintable(card()->row().note));
        emit window().modelPicked(path());
        QCOMPARE(picker().buttonText(), QStringLiteral("Office · leaves this machine"));
        say(QStringLiteral("Too early"));
        QTRY_COMPARE(document().messages().size(), 2);
        QTRY_VERIFY(document().messages()[1].note.contains(QStringLiteral("Models, Discover")));
        QVERIFY(document().messages()[1].remote.isEmpty()); // it did not leave
        QCOMPARE(server_->requests().size(), size_t(0));

        // Allowed: a test goes the whole way and learns what it is.
        openModels();
        press("allow");
        QVERIFY(app_->modelsPage().gate().open());
        press("test");
        QTRY_VERIFY2(card()->row().hint.contains(QStringLiteral("It answers")), qPrintable(card()->row().note));
        QVERIFY2(card()->row().detail.contains(QStringLiteral("qwen3")), qPrintable(card()->row().detail));
        QVERIFY2(card()->row().detail.contains(QStringLiteral("9,000")), qPrintable(card()->row().detail));
        QVERIFY(card()->row().detail.contains(QStringLiteral("vLLM")));

        emit window().newConversationRequested();
        emit window().modelPicked(path());
        say(QStringLiteral("Hello"));
        QTRY_VERIFY(document().messages().size() == 2 && !app_->book().anyReplying());
        checkMark(1);
        QCOMPARE(document().text(document().messages()[1].id), QStringLiteral("A reply from elsewhere."));
        say(QStringLiteral("Again"));
        QTRY_VERIFY(document().messages().size() == 4 && !app_->book().anyReplying());
        checkMark(3); // each one, though the model is the same
        const auto* status = window().findChild<ui::StatusLine*>();
        QVERIFY(status);
        QTRY_VERIFY2(words(*status).contains(QStringLiteral("about ")), qPrintable(words(*status)));

        // After the next start the marks are there, also when the engine is not any more.
        const QString engine = path();
        start();
        QTRY_COMPARE(document().messages().size(), 4);
        checkMark(1);
        checkMark(3);
        const size_t asked = server_->requests().size();
        QTRY_COMPARE(picker().buttonText(), QStringLiteral("Office · leaves this machine"));
        openModels();
        press("remove");
        QCOMPARE(section().cards().count(), 0);
        checkMark(3);
        say(QStringLiteral("Anybody?"));
        QTest::qWait(100);
        QCOMPARE(server_->requests().size(), asked);
        // And back, as it was.
        emit window().undoRequested(QStringLiteral("remote-engine:") + engine);
        QTRY_COMPARE(section().cards().count(), 1);
        QTRY_COMPARE(server_->requests().size(), asked + 1); // what waited is answered
    }

    void theNetworkSwitchHolds() {
        add(QStringLiteral("127.0.0.1:%1").arg(server_->port()));
        press("switch");
        press("allow");
        emit window().modelsPanel().networkChosen(false);
        QVERIFY(card()->row().note.contains(QStringLiteral("switched off")));
        emit window().modelPicked(path());
        say(QStringLiteral("Hello"));
        QTRY_COMPARE(document().messages().size(), 2);
        QTRY_VERIFY(document().messages()[1].state == ui::MessageState::Failed);
        QVERIFY(document().messages()[1].note.startsWith(QStringLiteral("The network is switched off")));
        QCOMPARE(server_->requests().size(), size_t(0));
        QVERIFY(app_->modelsPage().gate().contacted().isEmpty());
    }

    void whatIsUnencryptedNeedsAWord() {
        section().openEditor({});
        ui::RemoteEditor* editor = section().editor();
        QVERIFY(!editor->plain().isVisible());
        editor->address().setText(QStringLiteral("http://gpu.example:8000"));
        QTest::keyClick(&editor->address(), Qt::Key_Return);
        QCOMPARE(section().editor(), editor); // it is not saved
        QVERIFY(editor->plain().isVisible() && !editor->plain().isChecked());
        QCOMPARE(section().cards().count(), 0);
        editor->plain().setChecked(true);
        QTest::keyClick(&editor->address(), Qt::Key_Return);
        QCOMPARE(section().cards().count(), 1);
        QVERIFY(card()->row().hint.contains(QStringLiteral("unencrypted")));
        // Addresses that are none, and numbers that are none.
        section().openEditor({});
        editor = section().editor();
        for (const char* bad : {"", "ftp://x", "http://u:p@x", "https://x?key=1"}) {
            editor->address().setText(QString::fromLatin1(bad));
            QTest::keyClick(&editor->address(), Qt::Key_Return);
            QCOMPARE(section().cards().count(), 1);
            QVERIFY(section().editor());
        }
        editor->address().setText(QStringLiteral("https://x.example"));
        editor->key().setText(QStringLiteral("a key"));
        QTest::keyClick(&editor->address(), Qt::Key_Return);
        QVERIFY(section().editor());
        QTest::keyClick(&editor->address(), Qt::Key_Escape);
        QVERIFY(!section().editor());
        QVERIFY(section().addButton().isVisible());
    }

    // Used last, it is what the next chat has, although the library is read sooner.
    void itIsStillTheDefaultAfterAStart() {
        const QDir folder(folder_->filePath(QStringLiteral("none")));
        QVERIFY(folder.mkpath(QStringLiteral(".")));
        QFile file(folder.filePath(QStringLiteral("here.gguf")));
        const auto bytes = test::tinyLlama({.layers = 1}).bytes();
        QVERIFY(file.open(QIODevice::WriteOnly) && file.write(bytes.data(), qint64(bytes.size())) > 0);
        file.close();
        add(QStringLiteral("127.0.0.1:%1").arg(server_->port()));
        press("switch");
        press("allow");
        emit window().modelPicked(path());
        say(QStringLiteral("Hello"));
        QTRY_VERIFY(document().messages().size() == 2 && !app_->book().anyReplying());
        emit window().newConversationRequested();
        for (int i = 0; i < 8; ++i) { // which is read first is a matter of luck
            start();
            QTRY_COMPARE(picker().buttonText(), QStringLiteral("Office · leaves this machine"));
        }
    }

    // Consent is for one host.
    void anotherHostNeedsAnotherWord() {
        add(QStringLiteral("127.0.0.1:%1").arg(server_->port()));
        section().openEditor(path());
        ui::RemoteEditor* editor = section().editor();
        editor->address().setText(QStringLiteral("http://gpu.example:8000"));
        QTest::keyClick(&editor->address(), Qt::Key_Return);
        QCOMPARE(section().editor(), editor);
        editor->plain().setChecked(true);
        editor->address().setText(QStringLiteral("http://gpu.example:8001/v1")); // the same
        QVERIFY(editor->plain().isChecked());
        QTest::keyClick(&editor->address(), Qt::Key_Return);
        QVERIFY(!section().editor());
        section().openEditor(path());
        editor = section().editor();
        QVERIFY(editor->plain().isVisible() && editor->plain().isChecked());
        editor->address().setText(QStringLiteral("http://other.example:8000"));
        QTest::keyClick(&editor->address(), Qt::Key_Return);
        QCOMPARE(section().editor(), editor); // asked again
        QVERIFY(editor->plain().isVisible() && !editor->plain().isChecked());
        QVERIFY(card()->row().detail.contains(QStringLiteral("gpu.example")));
    }

    // What the server tells is not the person's word, however often the editor is opened.
    void whatTheServerTellsIsLearntAgain() {
        int context = 9000;
        server_->on("/v1/models", [&](const ServerRequest&) {
            return ServerReply::text(200,
                                     R"({"data":[{"id":"qwen3","max_model_len":)" + std::to_string(context) + "}]}",
                                     "application/json");
        });
        add(QStringLiteral("127.0.0.1:%1").arg(server_->port()));
        press("switch");
        press("allow");
        press("test");
        QTRY_VERIFY2(card()->row().detail.contains(QStringLiteral("9,000")), qPrintable(card()->row().detail));
        context = 5000;
        section().openEditor(path());
        QVERIFY(section().editor()->context().text().isEmpty());
        QVERIFY(section().editor()->context().placeholderText().contains(QStringLiteral("9,000")));
        QTest::keyClick(&section().editor()->address(), Qt::Key_Return); // which tests it
        QTRY_VERIFY2(card()->row().detail.contains(QStringLiteral("5,000")), qPrintable(card()->row().detail));
        // After the next start too; and what the person gave holds.
        context = 6000;
        start();
        QTRY_COMPARE(section().cards().count(), 1);
        press("test");
        QTRY_VERIFY2(card()->row().detail.contains(QStringLiteral("6,000")), qPrintable(card()->row().detail));
        section().openEditor(path());
        section().editor()->context().setText(QStringLiteral("2048"));
        QTest::keyClick(&section().editor()->address(), Qt::Key_Return);
        start();
        QTRY_COMPARE(section().cards().count(), 1);
        press("test");
        QTRY_VERIFY(card()->row().hint.contains(QStringLiteral("It answers")));
        QVERIFY2(card()->row().detail.contains(QStringLiteral("2,048")), qPrintable(card()->row().detail));
        section().openEditor(path());
        QCOMPARE(section().editor()->context().text(), QStringLiteral("2048"));
    }

    void aTestThatIsSwitchedOffIsOver() {
        server_->on("/v1/models", [](const ServerRequest&) { return ServerReply{.stallBeforeHead = true}; });
        add(QStringLiteral("127.0.0.1:%1").arg(server_->port()));
        press("switch");
        press("allow");
        press("test");
        QVERIFY(card()->row().state.contains(QStringLiteral("Testing")));
        press("switch");
        QVERIFY2(card()->row().state.contains(QStringLiteral("Off")), qPrintable(card()->row().state));
        press("switch");
        QVERIFY(card()->row().state.contains(QStringLiteral("Testing"))); // which tests it anew
    }

    // Every control says what it is.
    // Its own defaults: opened and closed by keyboard, stored, and sent: what was set and nothing else.
    void itsDefaultsAreSent() {
        window().resize(1180, 900);
        add(QStringLiteral("127.0.0.1:%1").arg(server_->port()));
        press("switch");
        press("allow");
        press("test"); // it is a vLLM then, which takes all there is
        QTRY_VERIFY(!card()->row().hint.isEmpty());
        const auto open = [&] {
            QPushButton* button = card()->button(QStringLiteral("defaults"));
            if (!button)
                return false;
            button->setFocus();
            QTest::keyClick(button, Qt::Key_Space);
            return section().defaults() != nullptr;
        };
        QVERIFY2(open(), "no defaults");
        const auto fields = [&] {
            QStringList names;
            for (QWidget* widget : section().defaults()->findChildren<QWidget*>())
                if (widget->isVisibleTo(section().defaults()) && widget->focusPolicy() != Qt::NoFocus &&
                    !qobject_cast<QPushButton*>(widget) && !widget->accessibleName().isEmpty())
                    names << widget->accessibleName();
            return names;
        };
        QVERIFY2(!fields().contains(QStringLiteral("Context")) && !fields().contains(QStringLiteral("Threads")),
                 qPrintable(fields().join(u' ')));
        for (const char* name : {"Thinking", "Temperature", "Top K", "System prompt"})
            QVERIFY2(fields().contains(QLatin1String(name)), qPrintable(fields().join(u' ')));
        for (QLineEdit* edit : section().defaults()->findChildren<QLineEdit*>())
            if (edit->accessibleName() == QStringLiteral("Top K")) {
                edit->setFocus();
                QTest::keyClicks(edit, QStringLiteral("7"));
                QTest::keyClick(edit, Qt::Key_Return);
            }
        for (QComboBox* box : section().defaults()->findChildren<QComboBox*>())
            if (box->accessibleName() == QStringLiteral("Thinking"))
                box->setCurrentIndex(box->findData(0));
        auto* prompt = section().defaults()->findChild<QPlainTextEdit*>();
        prompt->setFocus();
        QTest::keyClicks(prompt, QStringLiteral("Be brief."));
        section().addButton().setFocus(); // the end of typing
        press("defaults");
        QVERIFY(!section().defaults());

        start(); // after a start too
        QTRY_COMPARE(section().cards().count(), 1);
        openModels();
        QVERIFY(open());
        QCOMPARE(section().defaults()->defaults().systemPrompt, QStringLiteral("Be brief."));
        QCOMPARE(section().defaults()->defaults().thinking, std::optional<bool>(false));
        emit window().newConversationRequested();
        emit window().modelPicked(path());
        say(QStringLiteral("Hello"));
        QTRY_VERIFY(document().messages().size() == 2 && !app_->book().anyReplying());
        const auto body = nlohmann::json::parse(server_->requests().back().body);
        QVERIFY(body["top_k"] == 7 && !body.contains("temperature") && !body.contains("min_p"));
        QCOMPARE(body["messages"][0]["content"].get<std::string>(), std::string("Be brief."));
        QVERIFY(body["chat_template_kwargs"]["enable_thinking"] == false);
    }

    void everyFieldHasAName() {
        section().openEditor({});
        for (const QLineEdit* edit : section().editor()->findChildren<QLineEdit*>())
            QVERIFY(!edit->accessibleName().isEmpty());
        for (const QPushButton* button : section().findChildren<QPushButton*>())
            QVERIFY(!button->text().isEmpty());
        QVERIFY(section().editor()->key().echoMode() == QLineEdit::Password);
    }

    void screens_data() {
        QTest::addColumn<bool>("dark");
        QTest::addColumn<QString>("language");
        for (const bool dark : {false, true})
            for (const char* language : {"en", "zh_CN"})
                QTest::addRow("%s-%s", language, dark ? "dark" : "light") << dark << QString::fromLatin1(language);
    }

    // HEARTH_SCREENSHOTS=<folder> keeps the pictures.
    void screens() {
        QFETCH(bool, dark);
        QFETCH(QString, language);
        ui::SettingsRow settings;
        settings.language = language;
        settings.theme = dark ? ui::ThemeChoice::Dark : ui::ThemeChoice::Light;
        window().setSettings(settings);
        window().resize(1180, 900);
        QTest::qWait(20);
        add(QStringLiteral("127.0.0.1:%1").arg(server_->port()));
        press("switch");
        press("allow");
        press("test");
        QTRY_VERIFY(!card()->row().hint.isEmpty());
        section().openEditor(path());
        QTest::qWait(50);
        keep(QStringLiteral("page"));
        section().closeEditor();
        section().openDefaults(path());
        QTest::qWait(50);
        keep(QStringLiteral("defaults"));
        section().closeDefaults();
        press("use");
        window().showConversation(app_->book().shown()->content());
        QTest::keyClick(&window(), Qt::Key_Escape);
        server_->on(kPath, [](const ServerRequest&) { return streamOf("Paris is the capital of France."); });
        say(QStringLiteral("What is the capital of France?"));
        QTRY_VERIFY(document().messages().size() == 2 && !app_->book().anyReplying());
        ui::MessageRow far = document().messages()[1]; // how a host that is not this machine looks
        far.id = 1'000'000;
        far.remote = QStringLiteral("gpu.example");
        window().document().appendMessage(far);
        QTest::qWait(50);
        keep(QStringLiteral("chat"));
        QCOMPARE(marksPainted(dark), 2); // one at each reply, though the model is the same
        picker().openPopup();
        QTest::qWait(50);
        keep(QStringLiteral("picker"), &picker().popup());
        picker().popup().hide();
    }

private:
    void start() {
        app_.reset();
        app::Application::Options options;
        options.data = app::findDataFolder(folder_->path());
        app_ = std::make_unique<app::Application>(options);
        app_->start();
        QVERIFY(QTest::qWaitForWindowExposed(&window()));
        QTest::qWait(100); // what is remembered is read
        openModels();
    }

    void openModels() {
        for (QAbstractButton* button : window().findChildren<QAbstractButton*>())
            if (button->isCheckable() && !button->isChecked() && button->text() == QStringLiteral("Models"))
                button->click();
        window().modelsPanel().show(ui::ModelsPanel::Section::Library);
    }

    void add(const QString& address) {
        section().openEditor({});
        section().editor()->name().setText(QStringLiteral("Office"));
        section().editor()->address().setText(address);
        QTest::keyClick(&section().editor()->address(), Qt::Key_Return);
        QCOMPARE(section().cards().count(), 1);
    }

    void press(const char* action) {
        QVERIFY(card());
        QPushButton* button = card()->button(QString::fromLatin1(action));
        QVERIFY2(button && button->isEnabled(), action);
        button->click();
    }

    void say(const QString& text) {
        composer().edit().setPlainText(text);
        QTest::keyClick(&composer().edit(), Qt::Key_Return);
    }

    void checkMark(int message) {
        const ui::MessageRow& row = document().messages()[message];
        const QString host = QStringLiteral("127.0.0.1:%1").arg(server_->port());
        QCOMPARE(row.remote, host);
        const QAccessibleInterface* view = QAccessible::queryAccessibleInterface(&chatView());
        QVERIFY(view);
        QString all;
        for (int i = 0; i < view->childCount(); ++i)
            if (QAccessibleInterface* child = view->child(i))
                all += child->text(QAccessible::Name) + QLatin1Char('\n');
        QVERIFY2(all.contains(QStringLiteral("Office · sent to another program, ") + host), qPrintable(all));
    }

    /// How many signs of a reply that left stand in the conversation, by the rows of pixels in their colour.
    int marksPainted(bool dark) {
        ui::Theme theme;
        theme.setChoice(dark ? ui::ThemeChoice::Dark : ui::ThemeChoice::Light);
        const QColor sign = theme.color(ui::Token::Warning);
        const auto near = [&](QRgb pixel) { // its edge is mixed with what is behind it
            return std::abs(qRed(pixel) - sign.red()) + std::abs(qGreen(pixel) - sign.green()) +
                       std::abs(qBlue(pixel) - sign.blue()) <
                   60;
        };
        const QImage image = chatView().grab().toImage();
        int marks = 0, since = 100;
        for (int y = 0; y < image.height(); ++y, ++since) {
            bool any = false;
            for (int x = 0; x < image.width() && !any; ++x)
                any = near(image.pixel(x, y));
            if (!any)
                continue;
            marks += since > 10 ? 1 : 0;
            since = 0;
        }
        return marks;
    }

    static QString words(const QWidget& widget) {
        QStringList all;
        for (const ui::Label* label : widget.findChildren<ui::Label*>())
            all << label->text();
        return all.join(QLatin1Char(' '));
    }

    void keep(const QString& name, QWidget* widget = nullptr) {
        const QImage image = (widget ? widget : &window())->grab().toImage();
        QVERIFY(!image.isNull());
        if (const QString folder = qEnvironmentVariable("HEARTH_SCREENSHOTS"); !folder.isEmpty())
            QVERIFY(image.save(
                QStringLiteral("%1/remote-%2-%3.png").arg(folder, name, QString::fromLatin1(QTest::currentDataTag()))));
    }

    QString path() { return app_->modelsPage().remotes().all().value(0).path(); }

    ui::MainWindow& window() { return app_->window(); }

    ui::ChatDocument& document() { return window().document(); }

    ui::ChatView& chatView() { return *window().findChild<ui::ChatView*>(); }

    ui::Composer& composer() { return *window().findChild<ui::Composer*>(); }

    ui::ModelPicker& picker() { return *window().findChild<ui::ModelPicker*>(); }

    ui::ModelItem* pickerItem() {
        for (ui::ModelItem* item : picker().popup().findChildren<ui::ModelItem*>())
            if (!item->row().remote.isEmpty())
                return item;
        return nullptr;
    }

    ui::RemoteSection& section() { return window().modelsPanel().library().remotes(); }

    ui::Card* card() { return section().cards().card(0); }

    std::unique_ptr<QTemporaryDir> folder_;
    std::unique_ptr<FaultyServer> server_;
    std::unique_ptr<app::Application> app_;
};

QTEST_MAIN(RemoteWindowTest)
#include "remote_window_test.moc"
