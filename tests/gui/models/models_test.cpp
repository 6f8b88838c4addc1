// The page of models: each state of its rows, and what a person's actions say to the application.
#include "tests/gui/drop.h"
#include "tests/gui/fixture.h"
#include "tests/gui/models/model_samples.h"
#include "ui/chat/chat_view.h"
#include "ui/composer.h"
#include "ui/empty_state.h"
#include "ui/first_run.h"
#include "ui/label.h"
#include "ui/models/card.h"
#include "ui/models/defaults_editor.h"
#include "ui/models/discover_section.h"
#include "ui/models/downloads_section.h"
#include "ui/models/fields.h"
#include "ui/models/hub_page.h"
#include "ui/models/import_section.h"
#include "ui/models/library_section.h"
#include "ui/models/model_words.h"
#include "ui/models/section_tabs.h"
#include "ui/notices.h"

#include <QAccessible>
#include <QApplication>
#include <QCheckBox>
#include <QDropEvent>
#include <QLineEdit>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QSignalSpy>
#include <QStyleOptionComboBox>
#include <QTemporaryDir>
#include <QTest>

using namespace hearth::ui;
using namespace hearth::ui::test;

using Section = ModelsPanel::Section;

class ModelsTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        theme_ = std::make_unique<Theme>();
        window_ = std::make_unique<MainWindow>(*theme_);
        window_->setSettings(someSettings());
        window_->setConversations(someConversations());
        window_->setModels(someModels());
        window_->showConversation({});
        window_->setCurrentModel(someModels().first().path);
        window_->resize(1180, 780);
        window_->show();
        QVERIFY(QTest::qWaitForWindowActive(window_.get()));
        openModels(*window_, Section::Library);
        settle();
    }

    void cleanup() {
        window_.reset();
        theme_.reset();
    }

    // ---- Sections

    void theTabsShowOneSectionEach() {
        QSignalSpy shown(&panel(), &ModelsPanel::sectionShown);
        auto* tabs = panel().findChild<SectionTabs*>();
        tabs->tab(QStringLiteral("library"))->setFocus();
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Right); // as the arrow keys do in such rows
        QCOMPARE(panel().section(), Section::Discover);
        QVERIFY(panel().discover().isVisible() && !panel().library().isVisible());
        panel().show(Section::Import);
        QVERIFY(panel().import().isVisible() && !panel().discover().isVisible());
        QCOMPARE(shown.size(), 2);
        panel().show(Section::Import);
        QCOMPARE(shown.size(), 2);
    }

    void theTabSaysHowManyDownloadsAreOpen() {
        auto* tab = panel().findChild<SectionTabs*>()->tab(QStringLiteral("downloads"));
        QCOMPARE(tab->text(), QStringLiteral("Downloads (6)"));
        panel().setDownloads({});
        QCOMPARE(tab->text(), QStringLiteral("Downloads"));
    }

    void tabGoesDownThePageAndOutAgain_data() {
        QTest::addColumn<int>("section");
        QTest::addColumn<int>("width");
        for (const int width : {640, 1180})
            for (int section = 0; section < 4; ++section)
                QTest::addRow("section %d, %d px", section, width) << section << width;
    }

    // As one reads: line after line, and to the right in a line. Everything that can be used is met, and has a name.
    void tabGoesDownThePageAndOutAgain() {
        QFETCH(int, section);
        QFETCH(int, width);
        window_->resize(width, 780);
        panel().setNetwork(someNetwork(NetworkState::On));
        panel().show(Section(section));
        panel().setImportPlan(somePlan());
        if (Section(section) == Section::Library)
            panel().library().openDefaults(someModels()[2].path);
        settle();
        auto* tabs = panel().findChild<SectionTabs*>();
        for (const char* id : {"library", "discover", "downloads", "import"})
            if (QPushButton* tab = tabs->tab(QString::fromLatin1(id)); tab->isChecked())
                tab->setFocus();
        QSet<QWidget*> met;
        QRect before;
        QWidget* at = QApplication::focusWidget();
        while (at && panel().isAncestorOf(at) && !met.contains(at)) {
            met.insert(at);
            const QRect here(at->mapTo(&panel(), QPoint()), at->size());
            const bool sameLine = !before.isNull() && here.top() < before.bottom() && here.bottom() > before.top();
            QVERIFY2(before.isNull() || (sameLine ? here.left() > before.left() : here.top() >= before.bottom()),
                     qPrintable(QAccessible::queryAccessibleInterface(at)->text(QAccessible::Name)));
            QVERIFY(!QAccessible::queryAccessibleInterface(at)->text(QAccessible::Name).isEmpty());
            before = here;
            QTest::keyClick(at, Qt::Key_Tab);
            at = QApplication::focusWidget();
        }
        QVERIFY(at && !panel().isAncestorOf(at)); // no circle inside
        for (QWidget* widget : panel().findChildren<QWidget*>())
            if (widget->isVisible() && widget->isEnabled() && (widget->focusPolicy() & Qt::TabFocus) &&
                !tabs->isAncestorOf(widget))
                QVERIFY2(met.contains(widget), qPrintable(widget->accessibleName()));
    }

    // ---- Library

    void aModelSaysWhatItIs() {
        Card* card = model(0);
        QVERIFY(says(card, QStringLiteral("licence apache-2.0")));
        QVERIFY(says(card, QStringLiteral("used today")));
        QVERIFY(says(card, QStringLiteral("184 tokens a second measured")));
        QVERIFY(says(card, QStringLiteral("ChatML")));
        QVERIFY(says(card, QStringLiteral("In use here")));
        QVERIFY(says(model(1), QStringLiteral("read in place from Ollama")));
        QVERIFY(says(model(1), QStringLiteral("Loading 42\u00A0%")));
        QVERIFY(says(model(2), QStringLiteral("Its template differs")));
        QVERIFY(says(model(2), QStringLiteral("Needs 6.9 GB of 11.2 GB")));
        QVERIFY(says(model(2), QStringLiteral("About 9.4 tokens a second")));
        QVERIFY(says(model(3), QStringLiteral("Missing")));
    }

    void whatIsOursIsDeletedAndWhatIsNotIsForgotten() {
        QSignalSpy deleted(&panel(), &ModelsPanel::deleteRequested);
        QSignalSpy forgotten(&panel(), &ModelsPanel::forgetRequested);
        QVERIFY(!model(1)->button(QStringLiteral("delete"))); // Ollama's
        QVERIFY(!model(0)->button(QStringLiteral("forget")));
        press(model(0), "delete");
        press(model(1), "forget");
        press(model(3), "forget"); // gone
        QCOMPARE(deleted.size(), 1);
        QCOMPARE(deleted[0][0].toString(), someModels()[0].path);
        QCOMPARE(forgotten.size(), 2);
        QCOMPARE(forgotten[0][0].toString(), someModels()[1].path);
    }

    void aModelIsUsedLoadedCancelledAndFreed() {
        QSignalSpy picked(window_.get(), &MainWindow::modelPicked);
        QSignalSpy cancelled(window_.get(), &MainWindow::modelLoadCancelled);
        QSignalSpy freed(&panel(), &ModelsPanel::unloadRequested);
        QVERIFY(!model(0)->button(QStringLiteral("use"))); // it is in use
        press(model(2), "use");
        press(model(1), "cancel");
        press(model(0), "unload");
        QCOMPARE(picked.size(), 1);
        QCOMPARE(picked[0][0].toString(), someModels()[2].path);
        QCOMPARE(cancelled.size(), 1);
        QCOMPARE(freed.size(), 1);
    }

    void progressKeepsTheFocus() {
        QPushButton* cancel = model(1)->button(QStringLiteral("cancel"));
        cancel->setFocus();
        ModelRow row = someModels()[1];
        row.progress = 0.9;
        window_->updateModel(row);
        QCOMPARE(model(1)->button(QStringLiteral("cancel")), cancel);
        QVERIFY(cancel->hasFocus());
        QVERIFY(says(model(1), QStringLiteral("Loading 90\u00A0%")));
    }

    void aModelThatCannotRunSaysWhy() {
        ModelDetailsRow row = someDetails()[2];
        row.problem = QStringLiteral("This family is not known: mammoth.");
        panel().setDetails(row);
        QVERIFY(says(model(2), row.problem));
        QVERIFY(!model(2)->button(QStringLiteral("use")));
        QVERIFY(model(2)->button(QStringLiteral("delete")));
    }

    // The conversation behind the page does not follow the window's size; what stands over both does.
    void undoFitsAWindowThatWasResized() {
        window_->resize(900, 600);
        settle();
        window_->showUndo(QStringLiteral("Deleted."), QStringLiteral("model:1"));
        auto* bar = window_->findChild<UndoBar*>();
        QVERIFY(bar && bar->isVisible());
        QVERIFY(bar->parentWidget()->rect().contains(bar->geometry()));
        window_->resize(1600, 1000);
        settle();
        QVERIFY(bar->parentWidget()->rect().contains(bar->geometry()));
        QVERIFY(std::abs(bar->geometry().center().x() - bar->parentWidget()->width() / 2) <= 16);
    }

    void aBrokenFileHasNoStateOfLoading() {
        ModelDetailsRow row = someDetails()[2];
        QVERIFY(says(model(2), QStringLiteral("Not loaded")));
        row.problem = QStringLiteral("It is cut short.");
        panel().setDetails(row);
        QVERIFY(!says(model(2), QStringLiteral("Not loaded")));
    }

    void whatIsInUseIsNotNeverUsed() {
        for (const int at : {0, 2}) { // loaded, and not
            ModelDetailsRow row = someDetails()[at];
            row.path = someModels()[at].path;
            row.lastUsed = {};
            panel().setDetails(row);
            QCOMPARE(says(model(at), QStringLiteral("never used")), at == 2);
        }
    }

    void theDefaultsOfAModel() {
        QSignalSpy changed(&panel(), &ModelsPanel::defaultsChanged);
        press(model(2), "defaults");
        auto* editor = model(2)->findChild<DefaultsEditor*>();
        QVERIFY(editor && editor->isVisible());
        QCOMPARE(editor->defaults().contextTokens, std::optional<int>(16384));
        // What it gets where nothing is chosen, not what it was trained for.
        QCOMPARE(choice(editor, QStringLiteral("Context"))->itemText(0), QStringLiteral("Automatic (8,192)"));
        QLineEdit* temperature = lineEdit(editor, QStringLiteral("Temperature"));
        QCOMPARE(temperature->text(), QStringLiteral("0.6"));
        QCOMPARE(lineEdit(editor, QStringLiteral("Top P"))->placeholderText(), QStringLiteral("0.95")); // its makers'
        choice(editor, QStringLiteral("Memory of the context"))->setCurrentIndex(2);
        choice(editor, QStringLiteral("Thinking"))->setCurrentIndex(2);
        auto* prompt = editor->findChild<QPlainTextEdit*>();
        prompt->setFocus();
        prompt->setPlainText(QStringLiteral("You are brief."));
        temperature->setFocus();
        temperature->setText(QStringLiteral("7"));
        QTest::keyClick(temperature, Qt::Key_Return);
        QVERIFY(says(editor, QStringLiteral("Temperature takes a number from 0 to 5.")));
        temperature->setText(QStringLiteral("0.9"));
        QTest::keyClick(temperature, Qt::Key_Return);
        const auto row = changed.last()[1].value<ModelDefaultsRow>();
        QCOMPARE(changed.last()[0].toString(), someModels()[2].path);
        QCOMPARE(row.kv, QStringLiteral("q8_0"));
        QCOMPARE(row.thinking, std::optional<bool>(false));
        QCOMPARE(row.systemPrompt, QStringLiteral("You are brief."));
        QCOMPARE(row.sampling.size(), 1);
        QCOMPARE(row.sampling[0].second, 0.9);
        // The rows that come while one types do not take the words away.
        temperature->setText(QStringLiteral("1."));
        ModelDetailsRow details = someDetails()[2];
        details.defaults = row;
        details.tokensPerSecond = 12;
        panel().setDetails(details);
        QCOMPARE(temperature->text(), QStringLiteral("1."));
        for (QPushButton* button : editor->findChildren<QPushButton*>())
            QTest::mouseClick(button, Qt::LeftButton);
        QCOMPARE(changed.last()[1].value<ModelDefaultsRow>(), ModelDefaultsRow());
        press(model(2), "defaults");
        settle();
        QVERIFY(!model(2)->findChild<DefaultsEditor*>());
    }

    void choicesShowTheirWordsWhole() {
        for (const char* words :
             {"Automatic (8,192)", "\u81EA\u52A8\uFF088,192\uFF09", "W", "\u7CBE\u786E\uFF08f16\uFF09"}) {
            Choice choice(&panel());
            choice.addItem(QString::fromUtf8(words));
            choice.ensurePolished();
            choice.resize(choice.sizeHint());
            QStyleOptionComboBox option;
            option.initFrom(&choice);
            const int room = choice.style()
                                 ->subControlRect(QStyle::CC_ComboBox, &option, QStyle::SC_ComboBoxEditField, &choice)
                                 .width();
            QVERIFY2(room >= choice.fontMetrics().horizontalAdvance(choice.currentText()), words);
        }
    }

    void onlyCachesThatItCanHaveAreOffered() {
        ModelDetailsRow details = someDetails()[2];
        details.caches = QStringList{QStringLiteral("f32"), QStringLiteral("f16"), QStringLiteral("bf16")};
        panel().setDetails(details);
        press(model(2), "defaults");
        const QComboBox* kv = choice(model(2)->findChild<DefaultsEditor*>(), QStringLiteral("Memory of the context"));
        QCOMPARE(kv->count(), 2); // automatic, f16
        QVERIFY(says(model(2), QStringLiteral("For every chat with this model. Another context, or another memory of "
                                              "it, loads the model again; the rest holds from the next reply on.")));
    }

    void aModelThatDoesNotThinkIsNotAsked() {
        press(model(0), "defaults");
        auto* editor = model(0)->findChild<DefaultsEditor*>();
        QVERIFY(!choice(editor, QStringLiteral("Thinking"))->isVisible());
    }

    void deletedOnesComeBack() {
        QSignalSpy restored(&panel(), &ModelsPanel::restoreRequested);
        Card* card = cardSaying(panel().library(), QStringLiteral("Old 3B"));
        QVERIFY(says(card, QStringLiteral("28 days")));
        press(card, "restore");
        QCOMPARE(restored[0][0].toString(), QStringLiteral("t1"));
        panel().setTrash({});
        QVERIFY(!shows(QStringLiteral("Deleted models")));
    }

    void aMoveShowsHowFarItIs() {
        QSignalSpy stopped(&panel(), &ModelsPanel::jobCancelled);
        panel().setJob({true, QStringLiteral("Moving the models"), 0.31, {}});
        Card* card = cardSaying(panel().library(), QStringLiteral("Moving the models"));
        QVERIFY(says(card, QStringLiteral("31\u00A0%")));
        press(card, "stop");
        QCOMPARE(stopped.size(), 1);
        panel().setJob({false, QStringLiteral("Moving the models"), 0, QStringLiteral("The disk is full.")});
        QVERIFY(says(cardSaying(panel().library(), QStringLiteral("Moving the models")),
                     QStringLiteral("The disk is full.")));
        panel().setJob({});
        settle();
        QVERIFY(!cardSaying(panel().library(), QStringLiteral("Moving the models")));
    }

    // A download makes it, or somebody else.
    void theModelFolderIsShownOnceItIsThere() {
        QTemporaryDir folder;
        const QString models = folder.filePath(QStringLiteral("models"));
        panel().setFolder(models);
        QPushButton* reveal = button(QStringLiteral("Show the model folder"));
        QVERIFY(reveal && !reveal->isEnabled());
        QVERIFY(QDir(folder.path()).mkdir(QStringLiteral("models")));
        panel().updateDownload(someDownloads().first());
        QVERIFY(reveal->isEnabled());
        QVERIFY(QDir(models).removeRecursively());
        panel().show(Section::Discover);
        panel().show(Section::Library);
        QVERIFY(!reveal->isEnabled());
        QVERIFY(QDir(folder.path()).mkdir(QStringLiteral("models")));
        panel().show(Section::Discover);
        panel().show(Section::Library);
        QVERIFY(reveal->isEnabled());
    }

    void theEndOfAJobIsPutAway() {
        QSignalSpy dismissed(&panel(), &ModelsPanel::jobDismissed), stopped(&panel(), &ModelsPanel::jobCancelled);
        panel().setJob({false, QStringLiteral("Moving the models"), 0, QStringLiteral("The disk is full.")});
        for (const Section section : {Section::Library, Section::Import}) {
            panel().show(section);
            QPushButton* dismiss = button(QStringLiteral("Dismiss"));
            QVERIFY(dismiss);
            dismiss->click();
        }
        QCOMPARE(dismissed.size(), 2);
        QCOMPARE(stopped.size(), 0);
    }

    // ---- Discover

    void nothingIsAskedBeforeItIsAllowed() {
        panel().show(Section::Discover);
        QSignalSpy searched(&panel(), &ModelsPanel::searchRequested);
        QSignalSpy opened(&panel(), &ModelsPanel::hubPageRequested);
        QSignalSpy chosen(&panel(), &ModelsPanel::networkChosen);
        QVERIFY(shows(QStringLiteral("Nothing has been contacted")));
        Card* network = panel().discover().network().card(0);
        QVERIFY(says(network, QStringLiteral("huggingface.co, www.modelscope.cn")));
        QVERIFY(!panel().discover().words().isEnabled());
        press(panel().discover().results().card(QStringLiteral("qwen3-4b")), "open");
        QCOMPARE(searched.size() + opened.size(), 0);
        QVERIFY(says(network, QStringLiteral("Qwen/Qwen3-4B-GGUF"))); // what waits for it
        QVERIFY(network->button(QStringLiteral("allow"))->hasFocus());
        press(network, "allow");
        QCOMPARE(chosen.size(), 1);
        QCOMPARE(chosen[0][0].toBool(), true);
        QCOMPARE(opened.size(), 0); // the application has not agreed yet
        panel().setNetwork(someNetwork(NetworkState::On));
        QCOMPARE(opened.size(), 1);
        QCOMPARE(opened[0][0].toString(), QStringLiteral("huggingface"));
        QCOMPARE(opened[0][1].toString(), QStringLiteral("Qwen/Qwen3-4B-GGUF"));
        panel().setNetwork(someNetwork(NetworkState::On));
        QCOMPARE(opened.size(), 1); // once
    }

    void theSwitchTurnsItOff() {
        panel().show(Section::Discover);
        panel().setNetwork(someNetwork(NetworkState::On));
        QSignalSpy chosen(&panel(), &ModelsPanel::networkChosen);
        Card* network = panel().discover().network().card(0);
        QVERIFY(says(network, QStringLiteral("Contacted since the start: huggingface.co")));
        press(network, "refuse");
        QCOMPARE(chosen.last()[0].toBool(), false);
        panel().setNetwork(someNetwork(NetworkState::Off));
        QVERIFY(shows(QStringLiteral("The network is off")));
        QVERIFY(!panel().discover().words().isEnabled());
    }

    void theCatalogueIsFiltered() {
        panel().show(Section::Discover);
        DiscoverSection& discover = panel().discover();
        QCOMPARE(discover.results().count(), 3);
        Choice* language = choice(&discover, QStringLiteral("Language"));
        language->setCurrentIndex(language->findData(QStringLiteral("zh")));
        QCOMPARE(discover.results().count(), 2);
        discover.findChild<QCheckBox*>()->setChecked(true);
        QCOMPARE(discover.results().count(), 1);
        QCOMPARE(discover.results().card(0)->row().id, QStringLiteral("qwen3-4b"));
        Choice* size = choice(&discover, QStringLiteral("Size"));
        size->setCurrentIndex(1);
        QCOMPARE(discover.results().count(), 0);
        QVERIFY(shows(QStringLiteral("No model of the selection is like that.")));
    }

    void aSearch() {
        panel().show(Section::Discover);
        panel().setNetwork(someNetwork(NetworkState::On));
        QSignalSpy searched(&panel(), &ModelsPanel::searchRequested);
        QSignalSpy opened(&panel(), &ModelsPanel::hubPageRequested);
        DiscoverSection& discover = panel().discover();
        choice(&discover, QStringLiteral("Hub"))->setCurrentIndex(1);
        discover.words().setFocus();
        QTest::keyClicks(&discover.words(), QStringLiteral("qwen3 8b"));
        QTest::keyClick(&discover.words(), Qt::Key_Return);
        QCOMPARE(searched.size(), 1);
        QCOMPARE(searched[0][0].toString(), QStringLiteral("modelscope"));
        QCOMPARE(searched[0][1].toString(), QStringLiteral("qwen3 8b"));
        QVERIFY(shows(QStringLiteral("Asking ModelScope\u2026")));
        SearchRow row = someSearch();
        panel().setSearch(row);
        QCOMPARE(discover.results().count(), 3);
        QVERIFY(says(discover.results().card(0), QStringLiteral("812,345 downloads")));
        QVERIFY(says(discover.results().card(1), QStringLiteral("licence not told")));
        QVERIFY(says(discover.results().card(2), QStringLiteral("Licence to accept")));
        press(discover.results().card(0), "open");
        QCOMPARE(opened.size(), 1);
        QCOMPARE(opened[0][1].toString(), QStringLiteral("Qwen/Qwen3-8B-GGUF"));
        panel().setHubPage({});
        row.models.clear();
        panel().setSearch(row);
        QVERIFY(shows(QStringLiteral("No model with files for this program is called like that. Try fewer words.")));
        row.state = LoadState::Failed;
        row.problem = QStringLiteral("huggingface.co does not answer. Try again later.");
        panel().setSearch(row);
        QVERIFY(says(discover.results().card(0), row.problem));
        press(discover.results().card(0), "again");
        QCOMPARE(searched.size(), 2);
    }

    void theFilesOfAModel() {
        openPage(somePage());
        HubPage& page = panel().discover().page();
        QSignalSpy wanted(&panel(), &ModelsPanel::downloadRequested);
        QSignalSpy used(window_.get(), &MainWindow::modelPicked);
        const char* const pills[] = {"Fits the GPU", "Fits with experts in memory", "Fits memory", "Slow",
                                     "Will not fit"};
        for (int i = 0; i < 5; ++i) {
            auto* pill = page.files().card(i)->findChild<FitPill*>();
            QVERIFY(pill->isVisible());
            QCOMPARE(pill->accessibleName(), QString::fromLatin1(pills[i]));
        }
        QCOMPARE(page.files().card(5)->findChild<FitPill*>()->accessibleName(),
                 QStringLiteral("Looking whether it fits\u2026"));
        QVERIFY(says(page.files().card(1), QStringLiteral("Suggested")));
        QVERIFY(says(page.files().card(4), QStringLiteral("2 files")));
        press(page.files().card(1), "download");
        QCOMPARE(wanted.size(), 1);
        QCOMPARE(wanted[0][1].toString(), QStringLiteral("Qwen/Qwen3-8B-GGUF"));
        QCOMPARE(wanted[0][2].toString(), QStringLiteral("Qwen3-8B-Q4_K_M"));
        press(page.files().card(0), "use");
        QCOMPARE(used[0][0].toString(), QStringLiteral("/models/qwen3-8b-q2_k.gguf"));
        press(page.files().card(2), "downloads");
        QCOMPARE(panel().section(), Section::Downloads);
    }

    void whatIsLearntOfAFileKeepsTheFocus() {
        HubPageRow row = somePage();
        openPage(row);
        QPushButton* button = panel().discover().page().files().card(5)->button(QStringLiteral("download"));
        button->setFocus();
        row.files[5].judging = false;
        row.files[5].fit = {FitKind::Slow, QStringLiteral("Needs much."), 2, false};
        panel().setHubPage(row);
        QVERIFY(button->hasFocus());
        QVERIFY(says(panel().discover().page().files().card(5), QStringLiteral("Needs much.")));
        row.files[5].problem = QStringLiteral("Part 2 of 3 is missing at the hub.");
        panel().setHubPage(row);
        QVERIFY(says(panel().discover().page().files().card(5), row.files[5].problem));
        QVERIFY(!panel().discover().page().files().card(5)->button(QStringLiteral("download")));
    }

    void theCardIsOnlyToBeRead() {
        openPage(somePage());
        auto* card = panel().discover().page().findChild<ChatView*>();
        QVERIFY(card->isVisible());
        QVERIFY(card->actionsOf(0).isEmpty());
        card->setFocus(Qt::TabFocusReason);
        settle();
        for (const QString& label : card->visibleTargets())
            QVERIFY2(label != QStringLiteral("Regenerate") && label != QStringLiteral("More"), qPrintable(label));
        // A link is shown in full and opened by another press only.
        QSignalSpy opened(&panel(), &ModelsPanel::addressOpened);
        disconnect(&panel(), &ModelsPanel::addressOpened, window_.get(), nullptr); // no browser here
        emit card->linkActivated(QUrl(QStringLiteral("https://qwen.example/qwen3")));
        QCOMPARE(opened.size(), 0);
        QVERIFY(shows(QStringLiteral("https://qwen.example/qwen3")));
        for (QPushButton* button : panel().discover().page().findChildren<QPushButton*>())
            if (button->text() == QStringLiteral("Open this address in the browser"))
                QTest::mouseClick(button, Qt::LeftButton);
        QCOMPARE(opened.size(), 1);
        QCOMPARE(opened[0][0].toUrl(), QUrl(QStringLiteral("https://qwen.example/qwen3")));
        emit card->linkActivated(QUrl(QStringLiteral("file:///etc/passwd")));
        QVERIFY(!shows(QStringLiteral("file:///etc/passwd")));
    }

    void aGatedModelTakesAToken() {
        HubPageRow row = somePage();
        row.gated = true;
        row.state = LoadState::Failed;
        row.problem = QStringLiteral("This model's licence must be accepted first.");
        openPage(row);
        HubPage& page = panel().discover().page();
        QSignalSpy entered(&panel(), &ModelsPanel::tokenEntered);
        QSignalSpy removed(&panel(), &ModelsPanel::tokenRemoved);
        QSignalSpy again(&panel(), &ModelsPanel::hubPageRequested);
        QVERIFY(shows(row.problem));
        QVERIFY(shows(QStringLiteral("No token for Hugging Face yet.")));
        QCOMPARE(page.token().echoMode(), QLineEdit::Password);
        page.token().setFocus();
        QTest::keyClicks(&page.token(), QStringLiteral(" hf_secret "));
        QTest::keyClick(&page.token(), Qt::Key_Return);
        QCOMPARE(entered.size(), 1);
        QCOMPARE(entered[0][0].toString(), QStringLiteral("huggingface"));
        QCOMPARE(entered[0][1].toString(), QStringLiteral("hf_secret"));
        QVERIFY(page.token().text().isEmpty()); // it does not stand there any longer
        QVector<HubRow> hubs = someHubs();
        hubs[0].hasToken = true;
        panel().setHubs(hubs);
        QVERIFY(shows(QStringLiteral("A token for Hugging Face is in the keyring.")));
        hubs[0].problem = QStringLiteral("The keyring does not answer.");
        panel().setHubs(hubs);
        QVERIFY(shows(hubs[0].problem));
        for (QPushButton* button : page.findChildren<QPushButton*>()) {
            if (button->text() == QStringLiteral("Remove the token") || button->text() == QStringLiteral("Try again"))
                QTest::mouseClick(button, Qt::LeftButton);
        }
        QCOMPARE(removed.size(), 1);
        QCOMPARE(again.size(), 1);
    }

    void backFromAModel() {
        openPage(somePage());
        QSignalSpy closed(&panel(), &ModelsPanel::hubPageClosed);
        QVERIFY(!panel().discover().words().isVisible());
        QTest::mouseClick(button(QStringLiteral("Back to the list")), Qt::LeftButton);
        QCOMPARE(closed.size(), 1);
        QVERIFY(panel().discover().words().isVisible());
    }

    void aHubsAddressIsChanged() {
        panel().show(Section::Discover);
        QSignalSpy changed(&panel(), &ModelsPanel::hubAddressChanged);
        QTest::mouseClick(button(QStringLiteral("Addresses of the hubs\u2026")), Qt::LeftButton);
        QLineEdit* edit = lineEdit(&panel().discover(), QStringLiteral("Hugging Face"));
        QVERIFY(edit->isVisible());
        edit->setFocus();
        edit->selectAll();
        QTest::keyClicks(edit, QStringLiteral("https://mirror.example"));
        QTest::keyClick(edit, Qt::Key_Return);
        QCOMPARE(changed.size(), 1);
        QCOMPARE(changed[0][0].toString(), QStringLiteral("huggingface"));
        QCOMPARE(changed[0][1].toString(), QStringLiteral("https://mirror.example"));
        panel().findChild<SectionTabs*>()->tab(QStringLiteral("discover"))->setFocus();
        QCOMPARE(changed.size(), 1); // said once
    }

    // ---- Downloads

    void everyStateOfADownload() {
        panel().show(Section::Downloads);
        CardList& cards = panel().downloads().cards();
        QCOMPARE(cards.count(), 7);
        QVERIFY(says(cards.card(0), QStringLiteral("2.1 GB of 5.0 GB")));
        QVERIFY(says(cards.card(0), QStringLiteral("11.4 MB a second")));
        QVERIFY(says(cards.card(0), QStringLiteral("4 minutes left")));
        QVERIFY(says(cards.card(0), QStringLiteral("41\u00A0%")));
        QVERIFY(says(cards.card(1), QStringLiteral("Checking")));
        QVERIFY(says(cards.card(2), QStringLiteral("Waiting")));
        QVERIFY(says(cards.card(3), QStringLiteral("Paused")));
        QVERIFY(says(cards.card(5), QStringLiteral("3.1 GB are missing")));
        QVERIFY(says(cards.card(6), QStringLiteral("Finished")));

        struct Press {
            int card;
            const char* action;
            void (ModelsPanel::*signal)(const QString&);
        };

        const Press presses[] = {{0, "pause", &ModelsPanel::downloadPaused},
                                 {2, "pause", &ModelsPanel::downloadPaused},
                                 {3, "resume", &ModelsPanel::downloadResumed},
                                 {5, "resume", &ModelsPanel::downloadResumed},
                                 {1, "cancel", &ModelsPanel::downloadRemoved},
                                 {6, "cancel", &ModelsPanel::downloadRemoved},
                                 {6, "use", &ModelsPanel::picked}};
        for (const Press& p : presses) {
            QSignalSpy said(&panel(), p.signal);
            press(cards.card(p.card), p.action);
            QCOMPARE(said.size(), 1);
            const DownloadRow row = someDownloads()[p.card];
            QCOMPARE(said[0][0].toString(), QByteArray(p.action) == "use" ? row.path : row.id);
        }
        QVERIFY(!cards.card(1)->button(QStringLiteral("pause"))); // nothing to pause while it is checked
    }

    void theOrderOfDownloads() {
        panel().show(Section::Downloads);
        CardList& cards = panel().downloads().cards();
        QSignalSpy moved(&panel(), &ModelsPanel::downloadMoved);
        QVERIFY(!cards.card(0)->button(QStringLiteral("up")));
        press(cards.card(2), "up");
        QCOMPARE(moved[0][0].toString(), QStringLiteral("3"));
        QCOMPARE(moved[0][1].toInt(), 1);
        press(cards.card(2), "down");
        QCOMPARE(moved[1][1].toInt(), 3);
        QVector<DownloadRow> rows = someDownloads();
        rows.move(2, 0);
        Card* card = cards.card(2);
        panel().setDownloads(rows);
        QCOMPARE(cards.card(0), card);
    }

    void aLicenceIsAcceptedOnTheModelsPage() {
        panel().setNetwork(someNetwork(NetworkState::On));
        panel().show(Section::Downloads);
        QSignalSpy opened(&panel(), &ModelsPanel::hubPageRequested);
        press(panel().downloads().cards().card(4), "page");
        QCOMPARE(opened.size(), 1);
        QCOMPARE(panel().section(), Section::Discover);
    }

    void progressOfADownloadKeepsTheButton() {
        panel().show(Section::Downloads);
        QPushButton* pause = panel().downloads().cards().card(0)->button(QStringLiteral("pause"));
        pause->setFocus();
        DownloadRow row = someDownloads()[0];
        row.bytes = 4'000'000'000;
        row.secondsLeft = 20;
        panel().updateDownload(row);
        QVERIFY(pause->hasFocus());
        QVERIFY(says(panel().downloads().cards().card(0), QStringLiteral("20 seconds left")));
    }

    void theLimitOfTheLine() {
        panel().show(Section::Downloads);
        QSignalSpy limited(&panel(), &ModelsPanel::rateLimitChanged);
        panel().setRateLimit(3'000'000); // one of another place
        Choice* limit = choice(&panel().downloads(), QStringLiteral("Speed at most"));
        QCOMPARE(limit->currentData().toLongLong(), 3'000'000);
        QCOMPARE(limited.size(), 0);
        limit->setCurrentIndex(2);
        QCOMPARE(limited.size(), 1);
        QCOMPARE(limited[0][0].toLongLong(), 1'000'000);
    }

    void noDownloads() {
        panel().show(Section::Downloads);
        panel().setDownloads({});
        QVERIFY(shows(QStringLiteral("Nothing is being downloaded.")));
    }

    // ---- Bring your own

    void theStoresThatWereFound() {
        panel().show(Section::Import);
        CardList& stores = panel().import().stores();
        QCOMPARE(stores.count(), 3);
        QVERIFY(says(stores.card(0), QStringLiteral("5 models")));
        QVERIFY(says(stores.card(0), QStringLiteral("31.2 GB")));
        QVERIFY(says(stores.card(1), QStringLiteral("1 unfinished download of that program left out")));
        QVERIFY(!stores.card(0)->button(QStringLiteral("drop")));
        QSignalSpy dropped(&panel(), &ModelsPanel::folderDropped);
        press(stores.card(2), "drop");
        QCOMPARE(dropped[0][0].toString(), QStringLiteral("/data/models"));
        QSignalSpy others(&panel(), &ModelsPanel::otherStoresChanged);
        panel().import().findChild<QCheckBox*>()->click();
        QCOMPARE(others[0][0].toBool(), false);
        panel().setStores({}, true);
        QCOMPARE(others.size(), 1);
        QVERIFY(
            shows(QStringLiteral("No other program's models were found. Ollama, LM Studio, llama.cpp, GPT4All and the "
                                 "Hugging Face cache are looked for.")));
    }

    void anImportTellsItsNumbersFirst() {
        panel().show(Section::Import);
        QSignalSpy asked(&panel(), &ModelsPanel::importRequested);
        QSignalSpy confirmed(&panel(), &ModelsPanel::importConfirmed);
        QSignalSpy dismissed(&panel(), &ModelsPanel::importDismissed);
        panel().bring({QStringLiteral("/x/model.gguf")});
        QCOMPARE(asked.size(), 1);
        QCOMPARE(asked[0][1].value<ImportHow>(), ImportHow::InPlace); // nothing is copied unless it is asked for
        ImportPlanRow plan = somePlan();
        plan.how = ImportHow::InPlace;
        panel().setImportPlan(plan);
        QVERIFY(says(planCard(), QStringLiteral("0 bytes are written")));
        Choice* how = choice(&panel().import(), QStringLiteral("How it is brought"));
        QCOMPARE(how->count(), 5);
        how->setCurrentIndex(how->findData(int(ImportHow::Copy)));
        QCOMPARE(asked.size(), 2);
        QCOMPARE(asked[1][1].value<ImportHow>(), ImportHow::Copy);
        plan.how = ImportHow::Copy;
        plan.state = LoadState::Loading;
        panel().setImportPlan(plan);
        QVERIFY(!planCard()->button(QStringLiteral("go"))->isEnabled());
        panel().setImportPlan(somePlan());
        QVERIFY(says(planCard(), QStringLiteral("4.4 GB are written to /home/somebody/.local")));
        QVERIFY(says(planCard(), QStringLiteral("88.0 GB are free there.")));
        press(planCard(), "go");
        QCOMPARE(confirmed.size(), 1);
        plan = somePlan();
        plan.duplicateOf = QStringLiteral("Mistral 7B");
        panel().setImportPlan(plan);
        QVERIFY(says(planCard(), QStringLiteral("The same bytes are in the library already, as Mistral 7B.")));
        plan.problem = QStringLiteral("The two lie on different disks.");
        panel().setImportPlan(plan);
        QVERIFY(!planCard()->button(QStringLiteral("go"))->isEnabled());
        press(planCard(), "dismiss");
        QCOMPARE(dismissed.size(), 1);
        panel().setImportPlan({});
        QVERIFY(!how->isVisible());
        QCOMPARE(asked.size(), 2); // rows say nothing
    }

    void aFolderIsReadInPlaceOnly() {
        panel().show(Section::Import);
        ImportPlanRow plan = somePlan();
        plan.folder = true;
        plan.how = ImportHow::InPlace;
        panel().setImportPlan(plan);
        QCOMPARE(choice(&panel().import(), QStringLiteral("How it is brought"))->count(), 1);
    }

    void droppedThingsAreBrought() {
        QTemporaryDir folder;
        QFile file(folder.filePath(QStringLiteral("a.gguf")));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.close();
        QSignalSpy asked(&panel(), &ModelsPanel::importRequested);
        QSignalSpy opened(window_.get(), &MainWindow::modelFileOpened);
        drop(file.fileName()); // on the page of models
        QCOMPARE(asked.size(), 1);
        QCOMPARE(opened.size(), 0);
        QCOMPARE(panel().section(), Section::Import);
        QTest::keyClick(window_.get(), Qt::Key_Escape);
        QVERIFY(!panel().isVisible());
        drop(file.fileName()); // on a chat: it is opened there
        QCOMPARE(opened.size(), 1);
        drop(folder.path());
        QCOMPARE(asked.size(), 2);
        QCOMPARE(asked[1][0].toString(), folder.path());
        QVERIFY(panel().import().isVisible());
    }

    // ---- First start

    void theFirstStart() {
        QTest::keyClick(window_.get(), Qt::Key_Escape);
        window_->setFirstRun(someFirstRun(false));
        settle();
        FirstRun& first = window_->findChild<EmptyState*>()->firstRun();
        QVERIFY(first.isVisible());
        QCOMPARE(first.suggestions().count(), 2);
        QVERIFY(shows(QStringLiteral("11.2 GB of memory are free, no GPU.")));
        QSignalSpy settings(window_.get(), &MainWindow::settingsChanged);
        first.language().setCurrentIndex(2);
        QCOMPARE(settings.size(), 1);
        QCOMPARE(settings[0][0].value<SettingsRow>().language, QStringLiteral("zh_CN"));
        settle();
        QVERIFY(first.done().text() != QStringLiteral("Begin")); // it speaks Chinese now
        first.language().setCurrentIndex(1);
        settle();
        QCOMPARE(first.done().text(), QStringLiteral("Begin"));
        QSignalSpy opened(&panel(), &ModelsPanel::hubPageRequested);
        press(first.suggestions().card(0), "open");
        QVERIFY(panel().discover().isVisible()); // the switch of the network comes first
        QCOMPARE(opened.size(), 0);
        QVERIFY(says(panel().discover().network().card(0), QStringLiteral("Qwen/Qwen3-4B-GGUF")));
        QTest::keyClick(window_.get(), Qt::Key_Escape);
        QSignalSpy finished(window_.get(), &MainWindow::firstRunFinished);
        QTest::mouseClick(&first.done(), Qt::LeftButton);
        QCOMPARE(finished.size(), 1);
        QVERIFY(!first.isVisible());
        QVERIFY(window_->findChild<Composer*>()->edit().hasFocus());
    }

    // ---- All of it

    void everythingSpeaksTheOtherLanguage() {
        panel().setNetwork(someNetwork(NetworkState::On));
        panel().setHubPage(somePage());
        for (const Section section : {Section::Library, Section::Discover, Section::Downloads, Section::Import}) {
            panel().show(section);
            SettingsRow settings = someSettings();
            settings.language = QStringLiteral("zh_CN");
            window_->setSettings(settings);
            settle();
            for (const QPushButton* button : panel().findChildren<QPushButton*>()) {
                const QString text = button->text();
                QVERIFY2(!button->isVisible() || text.isEmpty() ||
                             text.contains(QRegularExpression(QStringLiteral("[\u4E00-\u9FFF]"))),
                         qPrintable(text));
            }
            window_->setSettings(someSettings());
        }
    }

    void numbersInWords() {
        QCOMPARE(bytesWords(-1), QString());
        QCOMPARE(bytesWords(5'027'783'488), QStringLiteral("5.0 GB"));
        QCOMPARE(bytesWords(98'362'432), QStringLiteral("98 MB"));
        QCOMPARE(rateWords(0), QString());
        QCOMPARE(rateWords(std::numeric_limits<double>::quiet_NaN()), QString());
        QCOMPARE(durationWords(1), QStringLiteral("1 second"));
        QCOMPARE(durationWords(61), QStringLiteral("1 minute"));
        QCOMPARE(durationWords(3 * 3600 + 120), QStringLiteral("3 h 2 min"));
        QCOMPARE(durationWords(40'000'000'000'000), QStringLiteral("9999 days"));
        QCOMPARE(parameterWords(8.2e9), QStringLiteral("8.2\u00A0B"));
        QCOMPARE(parameterWords(30.5e9), QStringLiteral("31\u00A0B"));
        QCOMPARE(parameterWords(135e6), QStringLiteral("135\u00A0M"));
        QCOMPARE(languageWords({QStringLiteral("en"), QStringLiteral("zh"), QStringLiteral("mul")}),
                 QStringLiteral("English, \u4E2D\u6587 and more"));
        QCOMPARE(languageWords({QStringLiteral("es")}), QStringLiteral("espa\u00F1ol"));
        QCOMPARE(languageWords({QStringLiteral("mul")}), QStringLiteral("many languages"));
        QCOMPARE(languageWords({}), QString());
        const QDateTime now(QDate(2026, 11, 26), QTime(12, 0));
        QCOMPARE(usedWords({}, now), QStringLiteral("never used"));
        QCOMPARE(usedWords(now.addDays(-1), now), QStringLiteral("used yesterday"));
        QCOMPARE(usedWords(now.addDays(-3), now), QStringLiteral("used 3 days ago"));
    }

private:
    ModelsPanel& panel() { return window_->modelsPanel(); }

    Card* model(int i) { return panel().library().models().card(i); }

    Card* planCard() { return panel().import().plan().card(0); }

    void openPage(const HubPageRow& row) {
        panel().show(Section::Discover);
        panel().setNetwork(someNetwork(NetworkState::On));
        panel().setHubPage(row);
        settle();
    }

    static void press(Card* card, const char* action) {
        QVERIFY(card);
        QPushButton* button = card->button(QString::fromLatin1(action));
        QVERIFY2(button, action);
        QVERIFY(button->isEnabled());
        button->click();
    }

    static bool says(QWidget* widget, const QString& text) {
        if (!widget)
            return false;
        for (const QLabel* label : widget->findChildren<QLabel*>())
            if (label->isVisibleTo(widget) && label->text().contains(text))
                return true;
        return false;
    }

    static Card* cardSaying(QWidget& section, const QString& text) {
        for (Card* card : section.findChildren<Card*>())
            if (card->isVisibleTo(&section) && says(card, text))
                return card;
        return nullptr;
    }

    bool shows(const QString& text) {
        for (const QLabel* label : window_->findChildren<QLabel*>())
            if (label->isVisible() && label->text() == text)
                return true;
        return false;
    }

    QPushButton* button(const QString& text) {
        for (QPushButton* button : panel().findChildren<QPushButton*>())
            if (button->isVisible() && button->text() == text)
                return button;
        return nullptr;
    }

    static QLineEdit* lineEdit(QWidget* on, const QString& name) {
        for (QLineEdit* edit : on->findChildren<QLineEdit*>())
            if (edit->accessibleName() == name)
                return edit;
        return nullptr;
    }

    static Choice* choice(QWidget* on, const QString& name) {
        for (Choice* box : on->findChildren<Choice*>())
            if (box->accessibleName() == name)
                return box;
        return nullptr;
    }

    void drop(const QString& path) {
        hearth::tests::dropOn(*window_, {QUrl::fromLocalFile(path)});
        settle();
    }

    std::unique_ptr<Theme> theme_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(ModelsTest)
#include "models_test.moc"
