// The page of models with what is behind it: from a search to a model in use, and nothing before it is allowed.
#include "app/models/page/models_page.h"
#include "app/models/page/rows.h"
#include "tests/app/downloads/download_run.h"
#include "tests/app/downloads/hub_script.h"
#include "tests/app/models/model_tree.h"
#include "tests/engine/core/gguf_writer.h"
#include "tests/gui/drop.h"
#include "ui/empty_state.h"
#include "ui/first_run.h"
#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/discover_section.h"
#include "ui/models/downloads_section.h"
#include "ui/models/hub_page.h"
#include "ui/models/import_section.h"
#include "ui/models/library_section.h"
#include "ui/notices.h"

#include <QApplication>
#include <QDragEnterEvent>
#include <QLineEdit>
#include <QMimeData>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>
#include <QTimer>

using namespace hearth;
using namespace hearth::app;
using tests::Content;
using tests::FaultyServer;
using tests::HubScript;

namespace {

const std::string kId = "Maker/Tiny-GGUF";

/// A keyring that lies in memory.
class FakeSecrets : public Secrets {
public:
    explicit FakeSecrets(QHash<QString, QString>& values) : values_(values) {}

    /// As a real one: later, or never where whoever asked is gone.
    void read(const QString& name, QObject* context, Done done) override {
        QTimer::singleShot(30, context, [value = values_.value(name), done] { done({value, {}}); });
    }

    void write(const QString& name, const QString& value, QObject*, Done done) override {
        values_.insert(name, value);
        done({value, {}});
    }

    void remove(const QString& name, QObject*, Done done) override {
        values_.remove(name);
        done({});
    }

private:
    QHash<QString, QString>& values_;
};

} // namespace

class ModelsPageTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        tree_ = std::make_unique<TempTree>();
        fs::create_directories(tree_->path("models"));
        for (const char* name : {"XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "OLLAMA_MODELS", "HF_HOME",
                                 "HF_HUB_CACHE", "LLAMA_CACHE", "HEARTH_MODELS", "HF_ENDPOINT", "MODELSCOPE_ENDPOINT"})
            qunsetenv(name);
        qputenv("HOME", QByteArray::fromStdString(tree_->path("home")));
        hub_ = std::make_unique<FaultyServer>();
        store_ = std::make_unique<FaultyServer>();
        script_ = std::make_unique<HubScript>(*hub_, *store_, kId);
        const Content file = std::make_shared<const std::string>(test::tinyLlama({.layers = 2, .seed = 7}).bytes());
        const Content larger = std::make_shared<const std::string>(test::tinyLlama({.layers = 4, .seed = 8}).bytes());
        script_->add("tiny-Q4_K_M.gguf", file, tests::sha256Of(*file).toStdString());
        script_->add("tiny-Q8_0.gguf", larger, tests::sha256Of(*larger).toStdString());
        secrets_.clear();
        begin();
    }

    void cleanup() {
        end();
        script_.reset();
        store_.reset();
        hub_.reset();
        tree_.reset();
    }

    void fromASearchToAModelInUse() {
        panel().show(ui::ModelsPanel::Section::Discover);
        emit panel().hubAddressChanged(QStringLiteral("huggingface"), QString::fromStdString(hub_->base()));
        QVERIFY(page_->gate().state() == NetworkGate::State::NotAsked);
        QCOMPARE(hub_->requests().size(), size_t(0));
        press(panel().discover().network().card(0), "allow");
        QVERIFY(page_->gate().open());
        panel().discover().words().setText(QStringLiteral("Tiny"));
        QTest::keyClick(&panel().discover().words(), Qt::Key_Return);
        QTRY_COMPARE(panel().discover().results().count(), 1);
        press(panel().discover().results().card(0), "open");
        ui::HubPage& page = panel().discover().page();
        QTRY_COMPARE(page.page().state, ui::LoadState::Ready);
        QCOMPARE(page.page().licence, QStringLiteral("apache-2.0"));
        QCOMPARE(page.page().files.size(), 2);
        QTRY_VERIFY(page.page().files[0].fit.kind != ui::FitKind::Unknown && !page.page().files[0].judging);
        for (const ui::FileGroupRow& row : page.page().files) {
            QVERIFY2(row.fit.kind == ui::FitKind::Memory, qPrintable(row.problem + row.fit.words));
            QVERIFY(!row.fit.words.isEmpty());
        }
        // One header was read for both: they differ in their weights only.
        QVERIFY(store_->sent() <= long(1 << 20));
        QSignalSpy picked(window_.get(), &ui::MainWindow::modelPicked);
        press(page.files().card(QStringLiteral("tiny-Q4_K_M")), "download");
        const QString path = at("models/tiny-Q4_K_M.gguf");
        QTRY_VERIFY_WITH_TIMEOUT(library_->find(path), 20000);
        panel().show(ui::ModelsPanel::Section::Downloads);
        ui::Card* card = panel().downloads().cards().card(0);
        QTRY_VERIFY(card->button(QStringLiteral("use")));
        press(card, "use");
        QCOMPARE(picked.size(), 1);
        QCOMPARE(picked[0][0].toString(), path);
        QTRY_COMPARE(page.page().files[0].path, path); // the page knows that it is here
        // What it is and where it came from.
        const auto record = storage_->wait([p = path.toStdString()](Store& store) { return store.models.find(p); });
        QVERIFY(record);
        QCOMPARE(record->origin.repo, kId);
        QCOMPARE(record->origin.license, std::string("apache-2.0"));
    }

    void anAddressThatIsPasted_data() {
        QTest::addColumn<QString>("words");
        QTest::addColumn<QString>("hub"); // empty: words like any other
        QTest::newRow("a page") << "https://huggingface.co/Maker/Tiny-GGUF"
                                << "huggingface";
        QTest::newRow("files") << " huggingface.co/Maker/Tiny-GGUF/tree/main?x=1#y "
                               << "huggingface";
        QTest::newRow("short") << "https://hf.co/Maker/Tiny-GGUF/"
                               << "huggingface";
        QTest::newRow("ModelScope") << "https://www.modelscope.cn/models/Maker/Tiny-GGUF/files"
                                    << "modelscope";
        QTest::newRow("the mirror's own") << "%base/Maker/Tiny-GGUF"
                                          << "huggingface";
        QTest::newRow("elsewhere") << "https://example.com/Maker/Tiny-GGUF"
                                   << "";
        QTest::newRow("too short") << "https://huggingface.co/Maker"
                                   << "";
        QTest::newRow("a name") << "Maker/Tiny-GGUF"
                                << "";
        QTest::newRow("a look-alike") << "https://huggingface.co.example.com/Maker/Tiny-GGUF"
                                      << "";
        QTest::newRow("no name") << "https://huggingface.co/../../x"
                                 << "";
    }

    void anAddressThatIsPasted() {
        QFETCH(QString, words);
        QFETCH(QString, hub);
        for (const char* id : {"huggingface", "modelscope"})
            emit panel().hubAddressChanged(QString::fromLatin1(id), QString::fromStdString(hub_->base()));
        emit panel().networkChosen(true);
        panel().show(ui::ModelsPanel::Section::Discover);
        panel().discover().words().setText(
            words.replace(QStringLiteral("%base"), QString::fromStdString(hub_->base())));
        QTest::keyClick(&panel().discover().words(), Qt::Key_Return);
        ui::HubPage& page = panel().discover().page();
        if (hub.isEmpty()) {
            QTRY_VERIFY(hub_->count("/api/models") == 1);
            QVERIFY(page.isHidden());
            return;
        }
        QTRY_COMPARE(page.page().state, ui::LoadState::Ready);
        QCOMPARE(page.page().hub, hub);
        QCOMPARE(page.page().id, QString::fromStdString(kId));
        QCOMPARE(hub_->count("/api/models") + hub_->count("/openapi/v1/models"), 0);
    }

    void withTheNetworkOffNothingIsAsked() {
        emit panel().hubAddressChanged(QStringLiteral("huggingface"), QString::fromStdString(hub_->base()));
        for (const bool refused : {false, true}) {
            if (refused)
                emit panel().networkChosen(false);
            emit panel().searchRequested(QStringLiteral("huggingface"), QStringLiteral("Tiny"));
            emit panel().hubPageRequested(QStringLiteral("huggingface"), QString::fromStdString(kId));
            QTRY_COMPARE(panel().discover().page().page().state, ui::LoadState::Failed);
            QVERIFY(!panel().discover().page().page().problem.isEmpty());
            panel().setHubPage({});
        }
        QTest::qWait(50);
        QCOMPARE(hub_->requests().size() + store_->requests().size(), size_t(0));
    }

    void whatWasAllowedIsRemembered() {
        emit panel().hubAddressChanged(QStringLiteral("huggingface"), QString::fromStdString(hub_->base()));
        emit panel().networkChosen(true);
        emit panel().rateLimitChanged(2'000'000);
        begin();
        QTRY_VERIFY(page_->gate().open());
        emit panel().searchRequested(QStringLiteral("huggingface"), QStringLiteral("Tiny"));
        QTRY_VERIFY(!hub_->requests().empty());
        emit panel().networkChosen(false);
        begin();
        QTest::qWait(50);
        QVERIFY(page_->gate().state() == NetworkGate::State::Off);
    }

    void aGatedModelAsksForAToken() {
        script_->gated = true;
        script_->wantedToken = "secret";
        emit panel().hubAddressChanged(QStringLiteral("huggingface"), QString::fromStdString(hub_->base()));
        emit panel().networkChosen(true);
        emit panel().hubPageRequested(QStringLiteral("huggingface"), QString::fromStdString(kId));
        ui::HubPage& page = panel().discover().page();
        QTRY_COMPARE(page.page().state, ui::LoadState::Failed);
        QVERIFY(page.page().gated);
        QVERIFY(!page.page().problem.isEmpty());
        emit panel().tokenEntered(QStringLiteral("huggingface"), QStringLiteral("secret"));
        QTRY_COMPARE(page.page().state, ui::LoadState::Ready);
        QCOMPARE(secrets_.size(), 1);
        // In the next session the keyring is asked when the hub refuses, and not before.
        begin();
        emit panel().networkChosen(true);
        emit panel().hubPageRequested(QStringLiteral("huggingface"), QString::fromStdString(kId));
        QTRY_COMPARE(panel().discover().page().page().state, ui::LoadState::Ready);
        emit panel().tokenRemoved(QStringLiteral("huggingface"));
        QVERIFY(secrets_.isEmpty());
    }

    void aDownloadThatWasPausedComesBack() {
        script_->bytesPerSecond = 20'000;
        emit panel().hubAddressChanged(QStringLiteral("huggingface"), QString::fromStdString(hub_->base()));
        emit panel().networkChosen(true);
        emit panel().hubPageRequested(QStringLiteral("huggingface"), QString::fromStdString(kId));
        QTRY_COMPARE_WITH_TIMEOUT(panel().discover().page().page().state, ui::LoadState::Ready, 20000);
        press(panel().discover().page().files().card(QStringLiteral("tiny-Q8_0")), "download");
        QTRY_COMPARE(panel().downloads().cards().count(), 1);
        QTRY_VERIFY(panel().discover().page().page().files[1].queued);
        begin();
        QTRY_COMPARE(panel().downloads().cards().count(), 1);
        script_->bytesPerSecond = 0;
        QTRY_VERIFY(page_->gate().open());
        QTRY_VERIFY(panel().downloads().cards().card(0)->button(QStringLiteral("resume")));
        press(panel().downloads().cards().card(0), "resume");
        QTRY_VERIFY_WITH_TIMEOUT(library_->find(at("models/tiny-Q8_0.gguf")), 20000);
    }

    void aGatedDownloadGoesOnAfterARestart_data() {
        QTest::addColumn<bool>("keyring");
        QTest::newRow("the keyring has the token") << true;
        QTest::newRow("there is no keyring") << false;
    }

    void aGatedDownloadGoesOnAfterARestart() {
        QFETCH(bool, keyring);
        script_->gated = true;
        script_->wantedToken = "secret";
        script_->bytesPerSecond = 20'000;
        emit panel().hubAddressChanged(QStringLiteral("huggingface"), QString::fromStdString(hub_->base()));
        emit panel().networkChosen(true);
        emit panel().hubPageRequested(QStringLiteral("huggingface"), QString::fromStdString(kId));
        const auto page = [&] { return panel().discover().page().page(); };
        QTRY_COMPARE(page().state, ui::LoadState::Failed);
        emit panel().tokenEntered(QStringLiteral("huggingface"), QStringLiteral("secret"));
        QTRY_COMPARE_WITH_TIMEOUT(page().state, ui::LoadState::Ready, 20000);
        press(panel().discover().page().files().card(QStringLiteral("tiny-Q8_0")), "download");
        QTRY_VERIFY(page().files[1].queued);
        const auto card = [&] { return panel().downloads().cards().card(0); };
        begin();
        if (!keyring)
            secrets_.clear();
        script_->bytesPerSecond = 0;
        QTRY_VERIFY(page_->gate().open());
        QTRY_VERIFY(card() && card()->button(QStringLiteral("resume")));
        press(card(), "resume");
        if (!keyring) {
            QTRY_VERIFY_WITH_TIMEOUT(card()->row().isError, 20000);
            QVERIFY2(card()->row().note.contains(QStringLiteral("wants your token")), qPrintable(card()->row().note));
            QVERIFY(card()->button(QStringLiteral("page"))); // where it can be entered
            emit panel().tokenEntered(QStringLiteral("huggingface"), QStringLiteral("secret"));
            secrets_.clear(); // for this session only
            press(card(), "resume");
        }
        QTRY_VERIFY_WITH_TIMEOUT(library_->find(at("models/tiny-Q8_0.gguf")), 20000);
    }

    void modelsAreBrought() {
        tree_->write("outside/mine.gguf", test::tinyLlama({.layers = 1, .seed = 3}).bytes());
        panel().bring({at("outside")});
        QTRY_VERIFY(planCard() && planCard()->button(QStringLiteral("go"))->isEnabled());
        press(planCard(), "go"); // a folder with models: read in place
        QTRY_VERIFY(library_->find(at("outside/mine.gguf")));
        QVERIFY(!planCard());
        QCOMPARE(manager_->addedFolders(), QStringList{at("outside")});
        emit panel().folderDropped(at("outside"));
        QTRY_VERIFY(!library_->find(at("outside/mine.gguf")));

        panel().bring({at("outside/mine.gguf")});
        QTRY_VERIFY(planCard() && planCard()->button(QStringLiteral("go"))->isEnabled());
        emit panel().importRequested(at("outside/mine.gguf"), ui::ImportHow::Copy);
        QTRY_VERIFY(planCard() && planCard()->button(QStringLiteral("go"))->isEnabled());
        press(planCard(), "go");
        QTRY_VERIFY(library_->find(at("models/mine.gguf")));
        QVERIFY(QFile::exists(at("outside/mine.gguf")));

        panel().bring({at("home")});
        QTRY_VERIFY(planCard() && planCard()->row().isError); // no model there
        QVERIFY(!planCard()->button(QStringLiteral("go"))->isEnabled());
        press(planCard(), "dismiss");
        QVERIFY(!planCard());
    }

    // It may have taken a night: deleting it waits until it can no longer be taken back.
    void aCancelledDownloadComesBack() {
        ui::Card* card = beginSlowly();
        const QString folder = workFolders(at("models")).value(0);
        QVERIFY(!folder.isEmpty());
        press(card, "cancel");
        QTRY_COMPARE(downloadCards(), 0);
        auto* undo = window_->findChild<ui::UndoBar*>();
        QVERIFY(undo->isVisible() && !undo->undoId().isEmpty());
        QVERIFY(QFile::exists(folder));
        connect(window_.get(), &ui::MainWindow::undoRequested, page_.get(), &ModelsPage::undo);
        undo->findChild<QPushButton*>()->click();
        QTRY_COMPARE(downloadCards(), 1);
        QTRY_VERIFY(panel().downloads().cards().card(0)->button(QStringLiteral("pause"))); // it goes on
        QVERIFY(QFile::exists(folder));
        // Let go for good.
        press(panel().downloads().cards().card(0), "cancel");
        QTRY_COMPARE(downloadCards(), 0);
        QVERIFY(QFile::exists(folder));
        window_->hideUndo(undo->undoId());
        QTRY_VERIFY(!QFile::exists(folder));
    }

    // Whoever wants it again in the meantime has what had arrived.
    void aCancelledDownloadIsWantedAgain() {
        press(beginSlowly(), "cancel");
        QTRY_COMPARE(downloadCards(), 0);
        const QString folder = workFolders(at("models")).value(0);
        press(panel().discover().page().files().card(QStringLiteral("tiny-Q4_K_M")), "download");
        QTRY_COMPARE(downloadCards(), 1);
        QVERIFY(!window_->findChild<ui::UndoBar*>()->isVisible());
        QTest::qWait(200);
        QVERIFY(QFile::exists(folder));
    }

    // What is not finished lies among the models: it moves along, and goes on there.
    void theStoreMovesWithItsDownloads() {
        beginSlowly();
        QSignalSpy moved(manager_.get(), &ModelManager::storeMoved);
        emit panel().storeMoveRequested(at("elsewhere"));
        QTRY_COMPARE(moved.size(), 1);
        QTRY_COMPARE(downloadCards(), 1);
        QVERIFY(workFolders(at("models")).isEmpty());
        QCOMPARE(workFolders(at("elsewhere")).size(), 1);
        script_->bytesPerSecond = 0;
        press(panel().downloads().cards().card(0), "resume");
        QTRY_VERIFY_WITH_TIMEOUT(library_->find(at("elsewhere/tiny-Q4_K_M.gguf")), 20000);
        QVERIFY(!QFile::exists(at("models/tiny-Q4_K_M.gguf")));
    }

    // A move that ended half way has taken the unfinished download along: it is listed after the next start too.
    void aHalfMovedDownloadIsListedAfterARestart() {
        beginSlowly();
        tree_->write("models/z/last.gguf", test::tinyLlama({.layers = 1, .seed = 5}).bytes());
        tree_->write("elsewhere/z", "a file where a folder must be");
        QSignalSpy failed(manager_.get(), &ModelManager::jobFailed);
        emit panel().storeMoveRequested(at("elsewhere"));
        QTRY_COMPARE(failed.size(), 1);
        QTRY_COMPARE(downloadCards(), 1);
        QCOMPARE(workFolders(at("elsewhere")).size(), 1);
        begin();
        QTRY_COMPARE(downloadCards(), 1);
        script_->bytesPerSecond = 0;
        QTRY_VERIFY(page_->gate().open());
        press(panel().downloads().cards().card(0), "resume");
        QTRY_VERIFY_WITH_TIMEOUT(library_->find(at("elsewhere/tiny-Q4_K_M.gguf")), 20000);
    }

    // A second job is refused, and the first one keeps its progress and its Stop.
    void aRefusedJobLeavesTheOtherAlone() {
        tree_->write("outside/mine.gguf", test::tinyLlama({.layers = 2, .seed = 3}).bytes());
        emit panel().importRequested(at("outside/mine.gguf"), ui::ImportHow::Copy);
        QTRY_VERIFY(planCard() && planCard()->button(QStringLiteral("go"))->isEnabled());
        const auto* import = panel().findChild<ui::ImportSection*>();
        int told = 0;
        QString shown;
        connect(manager_.get(), &ModelManager::jobProgress, import, [&] {
            if (told++ > 0 || !manager_->isBusy())
                return;
            emit panel().storeMoveRequested(at("elsewhere"));
            shown = wordsOf(*import);
        });
        press(planCard(), "go");
        QTRY_VERIFY(library_->find(at("models/mine.gguf")));
        QVERIFY2(shown.contains(QStringLiteral("Bringing mine.gguf")), qPrintable(shown));
        QVERIFY2(shown.contains(QStringLiteral("Another model is being brought")), qPrintable(shown));
    }

    // Several files are all taken: each is asked about in its turn.
    void severalFilesAreBroughtOneAfterTheOther() {
        QList<QUrl> urls;
        for (const char* name : {"a.gguf", "b.gguf", "c.gguf", "d.gguf", "e.gguf"}) {
            tree_->write("outside/" + std::string(name), test::tinyLlama({.layers = 1, .seed = 3}).bytes());
            urls.append(QUrl::fromLocalFile(at("outside/") + QString::fromLatin1(name)));
        }
        drop(urls.mid(0, 3));
        const auto asksAbout = [&](const char* path) {
            return planCard() && planCard()->row().id == at(path) &&
                   planCard()->button(QStringLiteral("go"))->isEnabled();
        };
        QTRY_VERIFY(asksAbout("outside/a.gguf"));
        QVERIFY2(planCard()->row().text.contains(QStringLiteral("2 more")), qPrintable(planCard()->row().text));
        press(planCard(), "go");
        QTRY_VERIFY(asksAbout("outside/b.gguf"));
        press(planCard(), "dismiss"); // this one alone
        QTRY_VERIFY(asksAbout("outside/c.gguf"));
        press(planCard(), "go");
        QVERIFY(!planCard());
        QTRY_VERIFY(library_->find(at("outside/a.gguf")) && library_->find(at("outside/c.gguf")));
        QVERIFY(!library_->find(at("outside/b.gguf")));
        // All that wait are let go at once.
        drop(urls);
        QTRY_VERIFY(asksAbout("outside/a.gguf"));
        press(planCard(), "dismissAll");
        QVERIFY(!planCard());
    }

    // Another one that is not wanted after all does not stop the copy of the one before.
    void aDismissedPlanLeavesTheJobAlone() {
        tree_->write("outside/mine.gguf", test::tinyLlama({.layers = 2, .seed = 3}).bytes());
        fs::resize_file(tree_->path("outside/mine.gguf"), 256 << 20); // a hole: copying it takes a moment
        emit panel().importRequested(at("outside/mine.gguf"), ui::ImportHow::Copy);
        QTRY_VERIFY_WITH_TIMEOUT(planCard() && planCard()->button(QStringLiteral("go"))->isEnabled(), 60000);
        press(planCard(), "go");
        QTRY_VERIFY(manager_->isBusy());
        emit panel().importDismissed();
        QTRY_VERIFY_WITH_TIMEOUT(!manager_->isBusy(), 60000);
        QVERIFY(QFile::exists(at("models/mine.gguf")));
    }

    // What a job has said goes when the person has read it.
    void theEndOfAJobIsPutAway() {
        tree_->write("elsewhere", "a file where a folder must be");
        emit panel().storeMoveRequested(at("elsewhere"));
        const auto jobCard = [](QWidget& section) -> ui::Card* {
            for (ui::Card* card : section.findChildren<ui::Card*>())
                if (card->row().id == u"job")
                    return card;
            return nullptr;
        };
        QTRY_VERIFY(jobCard(panel().library()) && jobCard(panel().library())->row().isError);
        QVERIFY(jobCard(panel().import()));
        press(jobCard(panel().library()), "dismiss");
        QTest::qWait(10);
        QVERIFY(!jobCard(panel().library()));
        QVERIFY(!jobCard(panel().import()));
    }

    void aDeletedModelComesBack() {
        tree_->write("models/mine.gguf", test::tinyLlama({.layers = 1, .seed = 3}).bytes());
        library_->rescan();
        QTRY_VERIFY(library_->find(at("models/mine.gguf")));
        QTRY_VERIFY(card("models/mine.gguf") && card("models/mine.gguf")->button(QStringLiteral("delete")));
        press(card("models/mine.gguf"), "delete");
        QVERIFY(!QFile::exists(at("models/mine.gguf")));
        QTRY_VERIFY(!library_->find(at("models/mine.gguf")));
        const auto* undo = window_->findChild<ui::UndoBar*>();
        QVERIFY(undo && !undo->undoId().isEmpty());
        QVERIFY(page_->undo(undo->undoId()));
        QVERIFY(QFile::exists(at("models/mine.gguf")));
        QVERIFY(!page_->undo(QStringLiteral("trash:1:0"))); // a chat's
    }

    void defaultsAreKept() {
        tree_->write("models/mine.gguf", test::tinyLlama({.layers = 1, .seed = 3}).bytes());
        library_->rescan();
        QTRY_VERIFY(library_->find(at("models/mine.gguf")));
        ui::ModelDefaultsRow row;
        row.contextTokens = 4096;
        row.kv = QStringLiteral("q8_0");
        row.systemPrompt = QStringLiteral("Be brief.");
        row.thinking = false;
        row.sampling = {{QStringLiteral("temperature"), 0.5}};
        emit panel().defaultsChanged(at("models/mine.gguf"), row);
        begin();
        QTRY_VERIFY(manager_->record(at("models/mine.gguf")));
        QCOMPARE(defaultsOf(row), manager_->defaults(at("models/mine.gguf")));
        const ModelFile& file = *library_->find(at("models/mine.gguf"));
        const ui::ModelDetailsRow details = detailsRow(file, manager_->record(file.path), manager_->fit(file), 4);
        QCOMPARE(details.automaticContext, 2048);
        QCOMPARE(details.caches, (QStringList{QStringLiteral("f32"), QStringLiteral("f16"), QStringLiteral("bf16"),
                                              QStringLiteral("q8_0"), QStringLiteral("q4_0")}));
        QVERIFY(!details.thinks); // its template cannot be told
        QCOMPARE(defaultsRow(manager_->defaults(at("models/mine.gguf"))), row);
    }

    void theFirstStartComesOnce() {
        page_->open(at("."), true);
        ui::MainWindow& window = *window_;
        QTRY_VERIFY(!window.findChild<ui::EmptyState*>()->firstRun().isHidden());
        page_->endFirstRun();
        QVERIFY(window.findChild<ui::EmptyState*>()->firstRun().isHidden());
        begin();
        page_->open(at("."), true);
        QTest::qWait(50);
        QVERIFY(window_->findChild<ui::EmptyState*>()->firstRun().isHidden());
    }

    // Its file is found after the steps are shown.
    void theFirstStartNamesTheStarter() {
        page_->open(at("."), true);
        auto& steps = window_->findChild<ui::EmptyState*>()->firstRun();
        const auto named = [&] {
            const auto labels = steps.findChildren<ui::Label*>();
            return std::any_of(labels.begin(), labels.end(), [](const ui::Label* label) {
                return !label->isHidden() && label->text().contains(QStringLiteral("starter model"));
            });
        };
        QTRY_VERIFY(!steps.isHidden());
        QVERIFY(!named());
        tree_->write("models/SmolLM2-135M-Instruct.Q4_1.gguf", test::tinyLlama({.layers = 1, .seed = 3}).bytes());
        fs::resize_file(tree_->path("models/SmolLM2-135M-Instruct.Q4_1.gguf"), 98362432); // a hole
        library_->rescan();
        QTRY_VERIFY(named());
    }

    // Who reads the list, or reaches for one of it, finds it as it was: only the words are added.
    void suggestionsStayWhenTheMachineIsMeasured() {
        page_->open(at("."), true);
        auto& steps = window_->findChild<ui::EmptyState*>()->firstRun();
        QTRY_VERIFY(!steps.isHidden());
        const auto listed = [&] {
            QStringList ids;
            for (int i = 0; i < steps.suggestions().count(); ++i)
                ids << steps.suggestions().card(i)->row().id;
            return ids;
        };
        const QStringList before = listed();
        if (before.isEmpty())
            QSKIP("nothing fits this machine");
        // So slow that all of them would be.
        const Bandwidth slow{.processor = processorName(), .bytesPerSecond = 1e8, .times = 3};
        storage_->post([text = slow.toText()](Store& store) { store.settings.set(kBandwidthSetting, text); });
        manager_->open(at("models"));
        QTRY_VERIFY(manager_->bandwidth() > 0);
        emit manager_->calibrated();
        QCOMPARE(listed(), before);
        QVERIFY(steps.suggestions().card(0)->row().fit.tokensPerSecond > 0);
        emit manager_->changed({});
        library_->rescan();
        QTest::qWait(50);
        QCOMPARE(listed(), before);
    }

    void oneMirrorOfBothHubsIsNamedOnce() {
        for (const char* id : {"huggingface", "modelscope"})
            emit panel().hubAddressChanged(QString::fromLatin1(id), QStringLiteral("https://mirror.example"));
        const QString text = panel().discover().network().card(0)->row().text;
        QCOMPARE(text.count(QStringLiteral("mirror.example")), 1);
    }

private:
    QString at(const char* below) const { return QString::fromStdString(tree_->path(below)); }

    ui::ModelsPanel& panel() { return window_->modelsPanel(); }

    ui::Card* planCard() { return panel().import().plan().card(0); }

    ui::Card* card(const char* below) { return panel().library().models().card(at(below)); }

    int downloadCards() { return panel().downloads().cards().count(); }

    void drop(const QList<QUrl>& urls) { hearth::tests::dropOn(*window_, urls); }

    static QString wordsOf(const QWidget& on) {
        QStringList words;
        for (const QLabel* label : on.findChildren<QLabel*>())
            words << label->text();
        return words.join(QLatin1Char('\n'));
    }

    /// The card of a download that is on its way.
    ui::Card* beginSlowly() {
        emit panel().hubAddressChanged(QStringLiteral("huggingface"), QString::fromStdString(hub_->base()));
        emit panel().networkChosen(true);
        panel().openHubPage(QStringLiteral("huggingface"), QString::fromStdString(kId));
        ui::HubPage& page = panel().discover().page();
        [&] { QTRY_VERIFY(page.page().files.size() == 2 && !page.page().files[0].judging); }();
        script_->bytesPerSecond = 2000;
        press(page.files().card(QStringLiteral("tiny-Q4_K_M")), "download");
        panel().show(ui::ModelsPanel::Section::Downloads);
        [&] {
            QTRY_VERIFY(downloadCards() == 1 && page_->downloads().rows()[0].state == DownloadStatus::State::Running &&
                        !workFolders(at("models")).isEmpty());
        }();
        return panel().downloads().cards().card(0);
    }

    static void press(ui::Card* card, const char* action) {
        QVERIFY(card);
        QPushButton* button = card->button(QString::fromLatin1(action));
        QVERIFY2(button && button->isEnabled(), action);
        button->click();
    }

    void begin() {
        end();
        storage_ = std::make_unique<StorageWorker>();
        storage_->open(tree_->path("hearth.db"));
        library_ = std::make_unique<Library>();
        manager_ = std::make_unique<ModelManager>(*storage_, *library_);
        const LoadMark mark(tree_->path("loading.mark"));
        engine_ = std::make_unique<EngineWorker>(pipe_, mark);
        desk_ = std::make_unique<ModelDesk>(*engine_, *library_, mark);
        theme_ = std::make_unique<ui::Theme>();
        window_ = std::make_unique<ui::MainWindow>(*theme_);
        ui::SettingsRow settings;
        settings.language = QStringLiteral("en");
        window_->setSettings(settings);
        DownloadLimits limits;
        limits.spaceMargin = 0;
        page_ = std::make_unique<ModelsPage>(
            ModelsPage::Services{*window_, *storage_, *library_, *manager_, *desk_, *engine_, pipe_},
            std::make_unique<FakeSecrets>(secrets_), limits);
        connect(desk_.get(), &ModelDesk::changed, window_.get(), [this] { window_->setModels(desk_->rows()); });
        connect(manager_.get(), &ModelManager::changed, desk_.get(), &ModelDesk::changed);
        connect(page_.get(), &ModelsPage::fileBrought, library_.get(), [this](const QString& path) {
            library_->addFile(path);
            library_->rescan();
        });
        desk_->setListed([this](const ModelFile& file) { return manager_->isListed(file); });
        window_->show();
        for (QAbstractButton* button : window_->findChildren<QAbstractButton*>())
            if (button->isCheckable() && button->text() == QStringLiteral("Models"))
                button->click();
        manager_->open(at("models"));
        page_->open(at("."), false);
        QTRY_VERIFY(library_->scanned());
    }

    void end() {
        page_.reset();
        window_.reset();
        theme_.reset();
        desk_.reset();
        engine_.reset();
        manager_.reset();
        library_.reset();
        if (storage_)
            storage_->finish();
        storage_.reset();
    }

    std::unique_ptr<TempTree> tree_;
    std::unique_ptr<FaultyServer> hub_, store_;
    std::unique_ptr<HubScript> script_;
    QHash<QString, QString> secrets_;
    TokenPipe pipe_;
    std::unique_ptr<StorageWorker> storage_;
    std::unique_ptr<Library> library_;
    std::unique_ptr<ModelManager> manager_;
    std::unique_ptr<EngineWorker> engine_;
    std::unique_ptr<ModelDesk> desk_;
    std::unique_ptr<ui::Theme> theme_;
    std::unique_ptr<ui::MainWindow> window_;
    std::unique_ptr<ModelsPage> page_;
};

QTEST_MAIN(ModelsPageTest)
#include "models_page_test.moc"
