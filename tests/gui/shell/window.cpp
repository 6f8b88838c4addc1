// The window around the conversation: sidebar, header, models, notices, undo, settings, language, layout.
#include "tests/gui/drop.h"
#include "tests/gui/fixture.h"
#include "ui/chat/chat_document.h"
#include "ui/chat/chat_view.h"
#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/conversation_panel.h"
#include "ui/drop_hint.h"
#include "ui/empty_state.h"
#include "ui/find_bar.h"
#include "ui/focus_ring.h"
#include "ui/header.h"
#include "ui/label.h"
#include "ui/links.h"
#include "ui/models/model_list.h"
#include "ui/models/model_picker.h"
#include "ui/models/models_panel.h"
#include "ui/notices.h"
#include "ui/settings/settings_panel.h"
#include "ui/sidebar.h"
#include "ui/status_line.h"
#include "ui/text_line.h"

#include <QAccessible>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QDropEvent>
#include <QLineEdit>
#include <QMenu>
#include <QMimeData>
#include <QPushButton>
#include <QSet>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>

using namespace hearth::ui;
using namespace hearth::ui::test;

class WindowTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        theme_ = std::make_unique<Theme>();
        window_ = std::make_unique<MainWindow>(*theme_);
        window_->setSettings(someSettings());
        window_->setConversations(someConversations());
        window_->setModels(someModels());
        window_->showConversation(someContent());
        window_->show();
        QVERIFY(QTest::qWaitForWindowActive(window_.get()));
        settle();
    }

    void cleanup() {
        window_.reset();
        theme_.reset();
    }

    // ---- Messages.

    void aMessageIsEditedInTheComposer() {
        showIdle();
        ChatView& view = panel().view();
        Composer& composer = panel().composer();
        composer.fill(QStringLiteral("half a thought"));
        QSignalSpy edited(window_.get(), &MainWindow::messageEdited);
        QSignalSpy sent(window_.get(), &MainWindow::messageSubmitted);
        QSignalSpy draft(window_.get(), &MainWindow::draftChanged);
        const RowId first = panel().document().message(0).id;
        const QString text = panel().document().text(first);
        view.activateAction(0, QStringLiteral("edit"));
        QCOMPARE(composer.text(), text);
        QCOMPARE(draft.size(), 1); // what stood there is kept
        QVERIFY(composer.edit().hasFocus());
        QTest::keyClicks(&composer.edit(), QStringLiteral(" more"));
        QTest::qWait(400);
        QCOMPARE(draft.size(), 1); // and what is edited is no draft
        QTest::keyClick(&composer.edit(), Qt::Key_Escape);
        QCOMPARE(composer.text(), QStringLiteral("half a thought"));
        view.activateAction(0, QStringLiteral("edit"));
        QTest::keyClicks(&composer.edit(), QStringLiteral(" more"));
        QTest::keyClick(&composer.edit(), Qt::Key_Return);
        QCOMPARE(edited.size(), 1);
        QCOMPARE(edited[0][0].toLongLong(), first);
        QCOMPARE(edited[0][1].toString(), text + QStringLiteral(" more"));
        QCOMPARE(sent.size(), 0);
        QCOMPARE(composer.text(), QStringLiteral("half a thought"));
        QTest::keyClick(&composer.edit(), Qt::Key_Return);
        QCOMPARE(sent.size(), 1);
    }

    void anEditWaitsForTheReply() {
        showIdle();
        QSignalSpy edited(window_.get(), &MainWindow::messageEdited);
        QSignalSpy sent(window_.get(), &MainWindow::messageSubmitted);
        panel().view().activateAction(0, QStringLiteral("edit"));
        window_->setGenerating(true); // what waited for the model is answered
        composer().fill(QStringLiteral("other words"));
        QTest::keyClick(&composer().edit(), Qt::Key_Return);
        QCOMPARE(edited.size() + sent.size(), 0);
        QCOMPARE(composer().text(), QStringLiteral("other words"));
        QVERIFY(panel().editing() != 0);
        QVERIFY(shows(QStringLiteral("An answer is being written. This can be sent when it is complete.")));
        window_->setGenerating(false);
        QVERIFY(!shows(QStringLiteral("An answer is being written. This can be sent when it is complete.")));
        QTest::keyClick(&composer().edit(), Qt::Key_Return);
        QCOMPARE(edited.size(), 1);
        QCOMPARE(edited[0][1].toString(), QStringLiteral("other words"));
        window_->setGenerating(true);
        panel().view().activateAction(0, QStringLiteral("edit"));
        QCOMPARE(panel().editing(), RowId(0)); // not offered meanwhile
    }

    void anEditEndsWithItsMessage() {
        showIdle();
        panel().view().activateAction(0, QStringLiteral("edit"));
        QVERIFY(panel().editing() != 0);
        panel().document().removeFrom(panel().document().message(0).id);
        QCOMPARE(panel().editing(), RowId(0));
        panel().view().activateAction(0, QStringLiteral("edit"));
        showIdle();
        QCOMPARE(panel().editing(), RowId(0));
    }

    void changedWordsOutliveTheirMessage() {
        showIdle();
        QSignalSpy draft(window_.get(), &MainWindow::draftChanged);
        composer().setText(QStringLiteral("half a thought"));
        panel().view().activateAction(0, QStringLiteral("edit"));
        panel().document().removeMessage(panel().document().message(0).id);
        QCOMPARE(panel().editing(), RowId(0));
        QCOMPARE(composer().text(), QStringLiteral("half a thought")); // nothing was changed
        showIdle();
        panel().view().activateAction(0, QStringLiteral("edit"));
        composer().fill(QStringLiteral("better words"));
        panel().document().removeMessage(panel().document().message(0).id);
        QCOMPARE(panel().editing(), RowId(0));
        QCOMPARE(composer().text(), QStringLiteral("better words"));
        QTRY_VERIFY(!draft.isEmpty());
        QCOMPARE(draft.last()[0].toString(), QStringLiteral("better words"));
        showIdle();
        composer().setText(QStringLiteral("half a thought"));
        panel().view().activateAction(0, QStringLiteral("edit"));
        composer().fill(QStringLiteral("better words"));
        MessageRow other = someMessages()[0];
        other.id = 77;
        panel().document().setMessages({other}); // another version is shown
        QCOMPARE(panel().editing(), RowId(0));
        QCOMPARE(composer().text(), QStringLiteral("better words\n\nhalf a thought"));
        // Another conversation is opened: the words are the draft of the one that is left.
        showIdle();
        panel().view().activateAction(0, QStringLiteral("edit"));
        composer().fill(QStringLiteral("even better"));
        draft.clear();
        emit list().chosen(5);
        QCOMPARE(draft.size(), 1);
        QCOMPARE(draft[0][0].toString(), QStringLiteral("even better"));
    }

    void quotingPutsLinesBeforeWhatStandsThere() {
        panel().composer().setText(QStringLiteral("And why?"));
        panel().document().setMessages({answerRow(QStringLiteral("**One** line\n\nand another"))});
        panel().view().activateAction(0, QStringLiteral("quote"));
        QCOMPARE(panel().composer().text(), QStringLiteral("> One line\n>\n> and another\n\nAnd why?"));
    }

    void menuWishesGoOut() {
        showIdle();
        QSignalSpy deleted(window_.get(), &MainWindow::messageDeleteRequested);
        QSignalSpy branched(window_.get(), &MainWindow::branchRequested);
        panel().view().activateAction(0, QStringLiteral("delete"));
        QVector<MessageRow> more = someMessages();
        more << more[0];
        more[2].id = 12;
        panel().document().setMessages(more);
        panel().view().activateAction(1, QStringLiteral("branch"));
        QCOMPARE(deleted.size(), 1);
        QCOMPARE(branched.size(), 1);
    }

    void findingByKeys() {
        QTest::keySequence(window_.get(), QKeySequence::Find);
        FindBar& find = panel().findBar();
        QVERIFY(find.isVisible());
        auto* edit = find.findChild<QLineEdit*>();
        QVERIFY(edit->hasFocus());
        QTest::keyClick(edit, Qt::Key_Escape);
        QVERIFY(!find.isVisible());
        QVERIFY(panel().view().hasFocus());
        panel().document().setMessages({}); // in an empty chat there is nothing to find
        QTest::keySequence(window_.get(), QKeySequence::Find);
        QVERIFY(!find.isVisible());
    }

    void escapeClosesTheFindBarBeforeItStopsAReply() {
        QSignalSpy stopped(window_.get(), &MainWindow::stopRequested);
        window_->setGenerating(true);
        QTest::keySequence(window_.get(), QKeySequence::Find);
        FindBar& find = panel().findBar();
        QVERIFY(find.isVisible());
        panel().view().setFocus();
        QTest::keyClick(&panel().view(), Qt::Key_Escape);
        QVERIFY(!find.isVisible());
        QCOMPARE(stopped.size(), 0);
        QTest::keyClick(&panel().view(), Qt::Key_Escape);
        QCOMPARE(stopped.size(), 1);
        QTest::keySequence(window_.get(), QKeySequence::Find);
        QVERIFY(find.isVisible());
        panel().document().setMessages({});
        QVERIFY(!find.isVisible());
        QVERIFY(!panel().view().hasFocus());
    }

    void theEmptyStateComesAndGoesWithTheOnlyMessage() {
        const MessageRow only = someMessages()[0];
        panel().document().setMessages({only});
        QVERIFY(panel().view().isVisible());
        panel().document().removeMessage(only.id);
        QVERIFY(panel().empty().isVisible());
        panel().document().insertMessage(0, only);
        QVERIFY(panel().view().isVisible());
    }

    void zoomingByKeys() {
        QSignalSpy changed(window_.get(), &MainWindow::settingsChanged);
        QTest::keySequence(window_.get(), QKeySequence(Qt::CTRL | Qt::Key_Plus));
        QCOMPARE(theme_->textSizePercent(), 110);
        QTest::keySequence(window_.get(), QKeySequence(Qt::CTRL | Qt::Key_Minus));
        QTest::keySequence(window_.get(), QKeySequence(Qt::CTRL | Qt::Key_Minus));
        QCOMPARE(theme_->textSizePercent(), 90);
        QTest::keySequence(window_.get(), QKeySequence(Qt::CTRL | Qt::Key_0));
        QCOMPARE(theme_->textSizePercent(), 100);
        QCOMPARE(changed.size(), 4);
        for (int i = 0; i < 12; ++i)
            emit panel().view().zoomRequested(1);
        QCOMPARE(theme_->textSizePercent(), 200);
        QCOMPARE(SettingsPanel::textSizeFrom(95, 1), 100);
        QCOMPARE(SettingsPanel::textSizeFrom(95, -1), 90);
        QCOMPARE(SettingsPanel::textSizeFrom(80, -1), 80);
        QCOMPARE(SettingsPanel::textSizeFrom(300, 1), 200);
    }

    // ---- The list.

    void daysAreGrouped() {
        const QDate today(2026, 3, 2);
        QCOMPARE(dayGroup(today, today).kind, DayGroup::Today);
        QCOMPARE(dayGroup(today.addDays(3), today).kind, DayGroup::Today);
        QCOMPARE(dayGroup(today.addDays(-1), today).kind, DayGroup::Yesterday);
        QCOMPARE(dayGroup(today.addDays(-2), today).kind, DayGroup::SevenDays);
        QCOMPARE(dayGroup(today.addDays(-7), today).kind, DayGroup::SevenDays);
        QCOMPARE(dayGroup(today.addDays(-8), today), (DayGroup{DayGroup::Month, 2026, 2}));
        QCOMPARE(dayGroup(QDate(2025, 2, 28), today), (DayGroup{DayGroup::Month, 2025, 2}));
    }

    void headingsStandOverTheirRows() {
        ConversationListModel model;
        model.setToday(QDate(2026, 3, 20));
        const auto at = [](int y, int m, int d) { return QDateTime(QDate(y, m, d), QTime(12, 0)); };
        model.setRows({{1, QStringLiteral("a"), at(2026, 3, 20)},
                       {2, QStringLiteral("b"), at(2026, 3, 19)},
                       {3, QStringLiteral("c"), at(2026, 3, 15)},
                       {4, QStringLiteral("d"), at(2026, 1, 2)},
                       {5, QStringLiteral("e"), at(2026, 1, 1)}});
        QStringList texts;
        for (int i = 0; i < model.rowCount(); ++i)
            texts << model.index(i).data().toString();
        QCOMPARE(texts.join(u'/'), QStringLiteral("Today/a/Yesterday/b/Previous 7 days/c/January 2026/d/e"));
        QVERIFY(!(model.flags(model.index(0)) & Qt::ItemIsSelectable));
        model.setToday(QDate(2026, 3, 21)); // midnight passes
        QCOMPARE(model.index(0).data().toString(), QStringLiteral("Yesterday"));
    }

    void stateIsAlsoAWord() {
        auto& model = list().conversations();
        QCOMPARE(model.indexOf(1).data(Qt::AccessibleTextRole).toString(),
                 QStringLiteral("How a fireplace works, generating"));
        QCOMPARE(model.indexOf(3).data(Qt::AccessibleTextRole).toString(), QStringLiteral("New chat, unread"));
        QVERIFY(model.indexOf(4).data(Qt::ToolTipRole).toString().endsWith(QStringLiteral(", interrupted")));
        QCOMPARE(model.indexOf(5).data(Qt::AccessibleTextRole).toString(), QStringLiteral("Prices of birch wood"));
    }

    void aNewConversationComesFirstAndANewerOneMovesUp() {
        auto& model = list().conversations();
        window_->updateConversation({50, QStringLiteral("fresh"), QDateTime::currentDateTime()});
        QCOMPARE(model.index(1).data().toString(), QStringLiteral("fresh"));
        ConversationRow old = someConversations()[5];
        old.updated = QDateTime::currentDateTime().addSecs(5);
        window_->updateConversation(old);
        QCOMPARE(model.index(1).data().toString(), old.title);
        ConversationRow renamed = someConversations()[4]; // only a title: the order stays
        renamed.title = QStringLiteral("Birch");
        const int before = model.indexOf(renamed.id).row();
        window_->updateConversation(renamed);
        QCOMPARE(model.indexOf(renamed.id).row(), before);
        QCOMPARE(model.indexOf(renamed.id).data().toString(), QStringLiteral("Birch"));
    }

    void searchFiltersTitles() {
        auto& model = list().conversations();
        QTest::keyClick(window_.get(), Qt::Key_K, Qt::ControlModifier);
        auto* search = qobject_cast<QLineEdit*>(named(*window_, QStringLiteral("Search chats")));
        QVERIFY(search && search->hasFocus());
        QTest::keyClicks(search, QStringLiteral("FIREPLACE"));
        QCOMPARE(model.conversationCount(), 1);
        search->setText(QStringLiteral("\u665A\u9910"));
        QCOMPARE(model.conversationCount(), 1);
        search->setText(QStringLiteral("nothing has this"));
        QCOMPARE(model.conversationCount(), 0);
        QVERIFY(shows(QStringLiteral("No chat has this in its title.")));
        QTest::keyClick(search, Qt::Key_Escape);
        QCOMPARE(model.conversationCount(), 7);
        QTest::keyClick(search, Qt::Key_Escape);
        QVERIFY(composer().edit().hasFocus());
    }

    void choosingSelects() {
        QSignalSpy chosen(window_.get(), &MainWindow::conversationSelected);
        click(5);
        QCOMPARE(chosen.size(), 1);
        QCOMPARE(chosen[0][0].value<RowId>(), RowId(5));
        click(1); // it is shown already
        QCOMPARE(chosen.size(), 1);
        list().setFocus();
        list().setCurrentIndex(list().conversations().indexOf(6));
        QCOMPARE(chosen.size(), 1); // the arrow keys only look
        QTest::keyClick(&list(), Qt::Key_Return);
        QCOMPARE(chosen.size(), 2);
    }

    void theWaitingDraftBelongsToTheConversationThatIsLeft() {
        QStringList order;
        connect(window_.get(), &MainWindow::draftChanged, this, [&](const QString& t) { order << t; });
        connect(window_.get(), &MainWindow::conversationSelected, this, [&] { order << QStringLiteral("selected"); });
        QTest::keyClicks(&composer().edit(), QStringLiteral("half a thought"));
        click(5);
        QCOMPARE(order, (QStringList{QStringLiteral("half a thought"), QStringLiteral("selected")}));
    }

    void renameInPlace() {
        QSignalSpy renamed(window_.get(), &MainWindow::conversationRenamed);
        list().setFocus();
        list().setCurrentIndex(list().conversations().indexOf(5));
        QTest::keyClick(&list(), Qt::Key_F2);
        auto* editor = list().viewport()->findChild<QLineEdit*>();
        QVERIFY(editor);
        QCOMPARE(editor->text(), QStringLiteral("Prices of birch wood"));
        // A reply that ends meanwhile moves rows: the field stays.
        ConversationRow other = someConversations()[6];
        other.updated = QDateTime::currentDateTime().addSecs(60);
        window_->updateConversation(other);
        QCOMPARE(list().viewport()->findChild<QLineEdit*>(), editor);
        editor->setText(QStringLiteral("  Birch\nwood "));
        QTest::keyClick(editor, Qt::Key_Return);
        settle();
        QCOMPARE(renamed.size(), 1);
        QCOMPARE(renamed[0][0].value<RowId>(), RowId(5));
        QCOMPARE(renamed[0][1].toString(), QStringLiteral("Birch wood"));
        QCOMPARE(list().conversations().index(1).data(ConversationListModel::IdRole).toLongLong(), RowId(7));
    }

    void renameEscapeKeepsTheTitle() {
        QSignalSpy renamed(window_.get(), &MainWindow::conversationRenamed);
        list().setFocus();
        list().setCurrentIndex(list().conversations().indexOf(5));
        QTest::keyClick(&list(), Qt::Key_F2);
        auto* editor = list().viewport()->findChild<QLineEdit*>();
        editor->setText(QStringLiteral("other"));
        QTest::keyClick(editor, Qt::Key_Escape);
        settle();
        QCOMPARE(renamed.size(), 0);
    }

    void deleteOnlyWithTheFocusInTheList() {
        QSignalSpy deleted(window_.get(), &MainWindow::conversationDeleteRequested);
        QTest::keyClicks(&composer().edit(), QStringLiteral("ab"));
        QTest::keyClick(&composer().edit(), Qt::Key_Delete);
        QCOMPARE(deleted.size(), 0);
        list().setFocus();
        list().setCurrentIndex(list().conversations().indexOf(2));
        QTest::keyClick(&list(), Qt::Key_Delete);
        QCOMPARE(deleted.size(), 1);
        QCOMPARE(deleted[0][0].value<RowId>(), RowId(2));
    }

    void removedRowsAreGone() {
        window_->removeConversation(1);
        QVERIFY(!list().conversations().indexOf(1).isValid());
        QCOMPARE(list().conversations().conversationCount(), 6);
    }

    // ---- Undo and notices.

    void undoTakesBackOnce() {
        auto* bar = window_->findChild<UndoBar*>();
        QVERIFY(!bar->isVisible());
        window_->showUndo(QStringLiteral("\u201CBirch\u201D was deleted."), QStringLiteral("trash:5"));
        QVERIFY(bar->isVisible());
        QVERIFY(bar->geometry().bottom() < bar->parentWidget()->height());
        QSignalSpy undone(window_.get(), &MainWindow::undoRequested);
        QTest::mouseClick(bar->findChild<QPushButton*>(), Qt::LeftButton);
        QCOMPARE(undone.size(), 1);
        QCOMPARE(undone[0][0].toString(), QStringLiteral("trash:5"));
        QVERIFY(!bar->isVisible());
    }

    void undoIsWithdrawnByItsNameOnly() {
        auto* bar = window_->findChild<UndoBar*>();
        window_->showUndo(QStringLiteral("Deleted."), QStringLiteral("message:1:2"));
        window_->hideUndo(QStringLiteral("branch:1:2"));
        QVERIFY(bar->isVisible());
        window_->hideUndo(QStringLiteral("message:1:2"));
        QVERIFY(!bar->isVisible());
    }

    void undoGoesAwayAfterEightSeconds() {
        auto* bar = window_->findChild<UndoBar*>();
        window_->showUndo(QStringLiteral("Deleted."), QStringLiteral("1"));
        auto* timer = bar->findChild<QTimer*>();
        QVERIFY(timer == nullptr || timer->isSingleShot()); // members are no children
        QTest::qWait(7400);
        QVERIFY(bar->isVisible());
        QTRY_VERIFY_WITH_TIMEOUT(!bar->isVisible(), 2000);
    }

    void noticesReplaceByKeyAndTellTheirAction() {
        window_->showNotice({QStringLiteral("k"), QStringLiteral("first"), {}, false});
        window_->showNotice({QStringLiteral("k"),
                             QStringLiteral("<b>second</b>"),
                             {{QStringLiteral("go"), QStringLiteral("Try again")}},
                             true});
        settle();
        QVERIFY(!shows(QStringLiteral("first")));
        QVERIFY(shows(QStringLiteral("<b>second</b>"))); // as written
        QSignalSpy acted(window_.get(), &MainWindow::noticeAction);
        for (QPushButton* button : window_->findChildren<QPushButton*>())
            if (button->text() == QStringLiteral("Try again"))
                QTest::mouseClick(button, Qt::LeftButton);
        QCOMPARE(acted.size(), 1);
        QCOMPARE(acted[0][0].toString(), QStringLiteral("k"));
        QCOMPARE(acted[0][1].toString(), QStringLiteral("go"));
        window_->hideNotice(QStringLiteral("k"));
        settle();
        QVERIFY(!shows(QStringLiteral("<b>second</b>")));
    }

    void noPlainLabelGuessesMarkup() {
        window_->showNotice({QStringLiteral("k"), QStringLiteral("<img src=x>"), {}, true});
        for (const QLabel* label : window_->findChildren<QLabel*>())
            QCOMPARE(label->textFormat(), Qt::PlainText);
        QCOMPARE(plainToolTip(QStringLiteral("<img src='http://127.0.0.1/x'>")).contains(QStringLiteral("<img")),
                 false);
    }

    void linksShowTheirAddressFirst() {
        auto* view = window_->findChild<ChatView*>();
        emit view->linkActivated(QUrl(QStringLiteral("https://bank.com@evil.example/a")));
        settle();
        QVERIFY(shows(QStringLiteral("This link leads to evil.example:\nhttps://bank.com@evil.example/a")));
        QSignalSpy acted(window_.get(), &MainWindow::noticeAction);
        for (QPushButton* button : window_->findChildren<QPushButton*>())
            if (button->text() == QStringLiteral("Copy the address"))
                QTest::mouseClick(button, Qt::LeftButton);
        QCOMPARE(QApplication::clipboard()->text(), QStringLiteral("https://bank.com@evil.example/a"));
        QCOMPARE(acted.size(), 0);
    }

    void whichLinksOpen_data() {
        QTest::addColumn<QString>("url");
        QTest::addColumn<bool>("opens");
        QTest::addColumn<QString>("host");
        QTest::newRow("https") << "https://example.org/x?y=1" << true << "example.org";
        QTest::newRow("mail") << "mailto:a@example.org" << true << "a@example.org";
        QTest::newRow("look-alike") << QStringLiteral("https://\u0430pple.com/") << true << "xn--pple-43d.com";
        QTest::newRow("file") << "file:///etc/passwd" << false << "";
        QTest::newRow("script") << "javascript:alert(1)" << false << "";
        QTest::newRow("data") << "data:text/html,x" << false << "";
        QTest::newRow("no host") << "https:///x" << false << "";
        QTest::newRow("empty") << "" << false << "";
    }

    void whichLinksOpen() {
        QFETCH(QString, url);
        QFETCH(bool, opens);
        QFETCH(QString, host);
        const LinkOffer offer = linkOffer(QUrl(url));
        QCOMPARE(offer.opens, opens);
        if (opens)
            QCOMPARE(offer.host, host);
        for (const QChar c : offer.address)
            QVERIFY(c.unicode() < 0x80);
    }

    void aLongAddressIsNotOpened() {
        const LinkOffer offer = linkOffer(QUrl(QStringLiteral("https://example.org/?q=") + QString(65536, u'a')));
        QVERIFY(!offer.opens);
        QVERIFY(offer.address.size() < 3000);
    }

    // ---- Header and composer.

    void theTitleIsEditedInPlace() {
        auto* title = window_->findChild<TitleEdit*>();
        QCOMPARE(title->text(), QStringLiteral("How a fireplace works"));
        QSignalSpy renamed(window_.get(), &MainWindow::conversationRenamed);
        title->setFocus(Qt::MouseFocusReason);
        title->selectAll();
        QTest::keyClicks(title, QStringLiteral("Chimneys"));
        QTest::keyClick(title, Qt::Key_Escape);
        QCOMPARE(renamed.size(), 0);
        QCOMPARE(title->text(), QStringLiteral("How a fireplace works"));
        title->setFocus(Qt::MouseFocusReason);
        title->selectAll();
        QTest::keyClicks(title, QStringLiteral("Chimneys"));
        QTest::keyClick(title, Qt::Key_Return);
        QCOMPARE(renamed.size(), 1);
        QCOMPARE(renamed[0][1].toString(), QStringLiteral("Chimneys"));
    }

    void escapeStopsAReply() {
        QSignalSpy stopped(window_.get(), &MainWindow::stopRequested);
        window_->setGenerating(false);
        QTest::keyClick(&composer().edit(), Qt::Key_Escape);
        QCOMPARE(stopped.size(), 0);
        window_->setGenerating(true);
        QTest::keyClick(&composer().edit(), Qt::Key_Escape);
        QCOMPARE(stopped.size(), 1);
    }

    void enterQueuesWhileGenerating() {
        QSignalSpy sent(window_.get(), &MainWindow::messageSubmitted);
        window_->setGenerating(true);
        QTest::keyClicks(&composer().edit(), QStringLiteral("and then"));
        QTest::keyClick(&composer().edit(), Qt::Key_Return);
        QCOMPARE(sent.size(), 1);
    }

    void upRecallsTheLastOwnMessage() {
        QTest::keyClick(&composer().edit(), Qt::Key_Up);
        QCOMPARE(composer().text(), QStringLiteral("How does a fireplace work?"));
    }

    void aConversationBringsItsDraft() {
        QSignalSpy draft(window_.get(), &MainWindow::draftChanged);
        ConversationContent other;
        other.row = someConversations()[4];
        other.draft = QStringLiteral("kept");
        window_->showConversation(other);
        QCOMPARE(composer().text(), QStringLiteral("kept"));
        QCOMPARE(window_->shownConversation(), RowId(5));
        QTest::qWait(400);
        QCOMPARE(draft.size(), 0);
        QVERIFY(window_->windowTitle().contains(QStringLiteral("birch")));
    }

    void theEmptyStateOffersStarters() {
        window_->showConversation({});
        window_->setCurrentModel(someModels().first().path);
        settle();
        QVERIFY(shows(QStringLiteral("Answers come from SmolLM2 135M Instruct.")));
        QVERIFY(shows(QStringLiteral(
            "A tiny model, English only, to try the program. For better answers, open a larger model file.")));
        window_->setStarterHelp(QStringLiteral("another line"));
        QVERIFY(shows(QStringLiteral("another line")));
        QSignalSpy sent(window_.get(), &MainWindow::messageSubmitted);
        for (QPushButton* button : window_->findChildren<QPushButton*>())
            if (button->isVisible() && button->text().startsWith(QStringLiteral("Explain how")))
                QTest::mouseClick(button, Qt::LeftButton);
        QCOMPARE(composer().text(), QStringLiteral("Explain how a fireplace works in three sentences"));
        QCOMPARE(sent.size(), 0);
    }

    // ---- Models.

    void thePickerSaysTheState() {
        auto* picker = window_->findChild<ModelPicker*>();
        QCOMPARE(picker->buttonText(), QStringLiteral("SmolLM2 135M Instruct"));
        window_->setCurrentModel(someModels()[2].path);
        QCOMPARE(picker->buttonText(), QStringLiteral("Llama 3.1 8B Instruct \u00B7 not loaded"));
        window_->setCurrentModel(someModels()[1].path);
        QCOMPARE(picker->buttonText(), QStringLiteral("Mistral 7B Instruct v0.3 \u00B7 loading 42\u00A0%"));
        window_->setCurrentModel(someModels()[3].path);
        QCOMPARE(picker->buttonText(), QStringLiteral("Gone \u00B7 missing"));
        window_->setCurrentModel(QStringLiteral("/nowhere/old-one.gguf"));
        QCOMPARE(picker->buttonText(), QStringLiteral("old-one \u00B7 missing"));
        window_->setCurrentModel(QString());
        QCOMPARE(picker->buttonText(), QStringLiteral("Choose a model"));
    }

    void pickingAndCancelling() {
        auto* picker = window_->findChild<ModelPicker*>();
        QSignalSpy picked(window_.get(), &MainWindow::modelPicked);
        QSignalSpy cancelled(window_.get(), &MainWindow::modelLoadCancelled);
        picker->openPopup();
        QVERIFY(picker->popup().isVisible());
        ModelList& models = picker->popup().list();
        QCOMPARE(models.count(), 4);
        QVERIFY(models.item(0)->hasFocus()); // the one in use
        QTest::keyClick(models.item(0), Qt::Key_Down);
        QVERIFY(models.item(1)->hasFocus() || models.item(1)->isAncestorOf(QApplication::focusWidget()));
        QTest::mouseClick(models.item(1)->findChild<QToolButton*>(), Qt::LeftButton);
        QCOMPARE(cancelled.size(), 1);
        QCOMPARE(cancelled[0][0].toString(), someModels()[1].path);
        QCOMPARE(picked.size(), 0);
        models.item(2)->setFocus();
        QTest::keyClick(models.item(2), Qt::Key_Return);
        QCOMPARE(picked.size(), 1);
        QCOMPARE(picked[0][0].toString(), someModels()[2].path);
        QVERIFY(!picker->popup().isVisible());
    }

    void progressKeepsTheWidgets() {
        auto* picker = window_->findChild<ModelPicker*>();
        ModelItem* item = picker->popup().list().item(1);
        QVector<ModelRow> rows = someModels();
        rows[1].progress = 0.9;
        window_->setModels(rows);
        QCOMPARE(picker->popup().list().item(1), item);
        QVERIFY(item->accessibleName().contains(QStringLiteral("Loading 90\u00A0%")));
    }

    void aDroppedModelIsOpenedAndNothingElse() {
        QTemporaryDir folder;
        const QString path = folder.filePath(QStringLiteral("A Model.GGUF"));
        QFile file(path);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.close();
        QVERIFY(QDir(folder.path()).mkdir(QStringLiteral("folder.gguf")));
        QSignalSpy opened(window_.get(), &MainWindow::modelFileOpened);
        drop({QUrl::fromLocalFile(path)});
        QCOMPARE(opened.size(), 1);
        QCOMPARE(opened[0][0].toString(), path);
        drop({QUrl(QStringLiteral("https://example.org/a.gguf"))});
        QVERIFY(shows(QStringLiteral("Only files and folders of this computer can be dropped here.")));
        drop({QUrl::fromLocalFile(QStringLiteral("/etc/hostname"))});
        QVERIFY(
            shows(QStringLiteral("\u201Chostname\u201D is no model. Drop a GGUF file here, or a folder of models.")));
        drop({QUrl::fromLocalFile(folder.filePath(QStringLiteral("folder.gguf")))}); // is brought, not opened
        QCOMPARE(opened.size(), 1);
        auto* models = window_->findChild<ModelsPanel*>();
        QVERIFY(models->isVisible());
        // On a page, where no notice of the chat is seen, the page answers.
        QSignalSpy asked(models, &ModelsPanel::importRequested);
        drop({QUrl::fromLocalFile(QStringLiteral("/etc/hostname"))});
        QCOMPARE(asked.size(), 1);
        drop({QUrl(QStringLiteral("https://example.org/a.gguf"))});
        QVERIFY(shows(QStringLiteral("Only files and folders of this computer can be dropped here.")));
    }

    // Several are all taken, or said to be left out.
    void severalThingsAreDropped() {
        QTemporaryDir folder;
        const auto url = [&](const char* name) {
            return QUrl::fromLocalFile(folder.filePath(QString::fromLatin1(name)));
        };
        for (const char* name : {"a.gguf", "b.GGUF", "notes.txt", "w.safetensors", "big-00001-of-00002.gguf",
                                 "big-00002-of-00002.gguf", "big-00001-of-00003.gguf"}) {
            QFile file(url(name).toLocalFile());
            QVERIFY(file.open(QIODevice::WriteOnly));
        }
        QVERIFY(QDir(folder.path()).mkdir(QStringLiteral("models")));
        const auto names = [&](std::initializer_list<const char*> urls, bool onPage) {
            QList<QUrl> all;
            for (const char* name : urls)
                all << url(name);
            const Dropped dropped = droppedBy(all, onPage);
            QStringList said;
            for (const QString& path : dropped.paths)
                said << QFileInfo(path).fileName();
            return QStringLiteral("%1: %2; %3").arg(int(dropped.kind)).arg(said.join(u' ')).arg(dropped.leftOut);
        };
        QCOMPARE(names({"a.gguf", "notes.txt", "b.GGUF", "a.gguf"}, false), QStringLiteral("1: a.gguf b.GGUF; 1"));
        QCOMPARE(names({"notes.txt", "w.safetensors", "b.GGUF"}, true), QStringLiteral("2: w.safetensors b.GGUF; 1"));
        QCOMPARE(names({"a.gguf", "models", "w.safetensors"}, false),
                 QStringLiteral("2: a.gguf models w.safetensors; 0"));
        QCOMPARE(names({"notes.txt", "w.safetensors"}, false), QStringLiteral("0: ; 0"));
        QCOMPARE(names({"notes.txt"}, true), QStringLiteral("2: notes.txt; 0"));
        // Parts of one model are one.
        QCOMPARE(names({"big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "big-00001-of-00003.gguf"}, true),
                 QStringLiteral("2: big-00001-of-00002.gguf big-00001-of-00003.gguf; 0"));

        QSignalSpy opened(window_.get(), &MainWindow::modelFileOpened);
        QSignalSpy listed(window_.get(), &MainWindow::modelFileListed);
        drop({url("a.gguf"), url("notes.txt"), url("b.GGUF")});
        QCOMPARE(opened.size(), 1);
        QCOMPARE(opened[0][0].toString(), url("a.gguf").toLocalFile());
        QCOMPARE(listed.size(), 1);
        QCOMPARE(listed[0][0].toString(), url("b.GGUF").toLocalFile());
        QVERIFY(shows(QStringLiteral("One other file is left out: it is no model.")));
        const auto hint = [&](const QList<QUrl>& urls) {
            QMimeData data;
            data.setUrls(urls);
            QDragEnterEvent enter(QPoint(400, 300), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
            QApplication::sendEvent(window_.get(), &enter);
            return window_->findChild<DropHint*>()->findChild<QLabel*>()->text();
        };
        QCOMPARE(
            hint({url("a.gguf"), url("b.GGUF"), url("notes.txt")}),
            QStringLiteral("Let go to use \u201Ca.gguf\u201D in this chat and to list one more. They are read where "
                           "they lie. One other file is left out: it is no model."));
        QCOMPARE(hint({url("models"), url("a.gguf"), url("b.GGUF")}),
                 QStringLiteral("Let go to bring \u201Cmodels\u201D and 2 more, one after the other. You choose how "
                                "before anything happens."));
        QDragLeaveEvent leave;
        QApplication::sendEvent(window_.get(), &leave);
    }

    void aDragIsAnsweredWhileItLasts() {
        auto* hint = window_->findChild<DropHint*>();
        QVERIFY(hint && !hint->isVisible());
        QMimeData data;
        data.setUrls({QUrl::fromLocalFile(QStringLiteral("/etc"))});
        const auto enter = [&](Qt::DropActions actions) {
            QDragEnterEvent event(QPoint(400, 300), actions, &data, Qt::LeftButton, Qt::NoModifier);
            event.setDropAction(Qt::MoveAction);
            event.setAccepted(false);
            QApplication::sendEvent(window_.get(), &event);
            return event.isAccepted() ? event.dropAction() : Qt::IgnoreAction;
        };
        // What is "moved" here would be deleted there.
        QCOMPARE(enter(Qt::MoveAction), Qt::IgnoreAction);
        QVERIFY(!hint->isVisible());
        QCOMPARE(enter(Qt::MoveAction | Qt::CopyAction), Qt::CopyAction);
        QVERIFY(hint->isVisible());
        QCOMPARE(hint->geometry(), window_->rect());
        QVERIFY(shows(QStringLiteral("Let go to bring \u201Cetc\u201D. You choose how before anything happens.")));
        QDragMoveEvent move(QPoint(410, 300), Qt::MoveAction | Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(window_.get(), &move);
        QCOMPARE(move.dropAction(), Qt::CopyAction);
        QDragLeaveEvent leave;
        QApplication::sendEvent(window_.get(), &leave);
        QVERIFY(!hint->isVisible());
        data.setUrls({QUrl::fromLocalFile(QStringLiteral("/etc/hostname"))});
        QCOMPARE(enter(Qt::CopyAction), Qt::CopyAction);
        QVERIFY(shows(QStringLiteral("\u201Chostname\u201D is not a model file.")));
        QDropEvent event(QPointF(400, 300), Qt::MoveAction | Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(window_.get(), &event);
        QVERIFY(!hint->isVisible());
        QCOMPARE(event.dropAction(), Qt::CopyAction);
    }

    void theFirstWindowFitsItsScreen() {
        QCOMPARE(MainWindow::sizeFor({1920, 1080}), QSize(1180, 780));
        QCOMPARE(MainWindow::sizeFor({800, 600}), QSize(792, 560));
        QCOMPARE(MainWindow::sizeFor({1366, 768}), QSize(1180, 728));
        QCOMPARE(MainWindow::sizeFor({320, 240}), QSize(640, 480));
    }

    // From the sidebar's foot the header is next, not the message below it.
    void tabGoesThroughTheWholeWindow() {
        window_->showConversation(ConversationContent());
        FirstRunRow first;
        first.active = true;
        window_->setFirstRun(first);
        settle();
        composer().setFocus();
        QSet<QWidget*> visited;
        for (int i = 0; i < 60 && QApplication::focusWidget(); ++i) {
            visited.insert(QApplication::focusWidget());
            QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
        }
        int stops = 0;
        for (const char* name : {"New chat", "Show or hide the sidebar", "More", "Language", "Begin", "Message"})
            stops += std::any_of(visited.begin(), visited.end(), [&](QWidget* w) {
                auto* button = qobject_cast<QAbstractButton*>(w);
                return w->accessibleName() == QLatin1String(name) || (button && button->text() == QLatin1String(name));
            });
        QCOMPARE(stops, 6);
    }

    void undoThatEndsIsToldOnce() {
        QSignalSpy ended(window_.get(), &MainWindow::undoEnded);
        window_->showUndo(QStringLiteral("One."), QStringLiteral("1"));
        window_->showUndo(QStringLiteral("Two."), QStringLiteral("2"));
        QCOMPARE(ended.size(), 1);
        QCOMPARE(ended[0][0].toString(), QStringLiteral("1"));
        window_->hideUndo(QStringLiteral("2"));
        window_->hideUndo(QStringLiteral("2"));
        QCOMPARE(ended.size(), 2);
        QCOMPARE(ended[1][0].toString(), QStringLiteral("2"));
    }

    // ---- Panels, sidebar, settings.

    void aScreenReaderOpensPages() {
        auto* models = window_->findChild<ModelsPanel*>();
        QToolButton* button = nullptr;
        for (QToolButton* one : window_->findChildren<QToolButton*>())
            if (one->isCheckable() && one->text() == QStringLiteral("Models"))
                button = one;
        QVERIFY(button && !models->isVisible());
        QAccessibleActionInterface* actions = QAccessible::queryAccessibleInterface(button)->actionInterface();
        for (int i = 0; i < 2; ++i) { // asked for again it stays open
            actions->doAction(actions->actionNames().value(0));
            QVERIFY(models->isVisible());
            QVERIFY(button->isChecked());
        }
    }

    void panelsReplaceTheConversation() {
        auto* settings = window_->findChild<SettingsPanel*>();
        QVERIFY(!settings->isVisible());
        QTest::keyClick(window_.get(), Qt::Key_Comma, Qt::ControlModifier);
        QVERIFY(settings->isVisible());
        QVERIFY(!composer().isVisible());
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Escape);
        QVERIFY(!settings->isVisible());
        QVERIFY(composer().edit().hasFocus());
    }

    void theSidebarHidesAndLiesOverNarrowWindows() {
        auto* sidebar = window_->findChild<Sidebar*>();
        QVERIFY(sidebar->isVisible());
        QCOMPARE(sidebar->width(), Sidebar::kWidth);
        QTest::keyClick(window_.get(), Qt::Key_B, Qt::ControlModifier);
        QVERIFY(!sidebar->isVisible());
        QTest::keyClick(window_.get(), Qt::Key_B, Qt::ControlModifier);
        QVERIFY(sidebar->isVisible());
        settle();
        const int wide = composer().width();
        window_->resize(700, 600);
        settle();
        QVERIFY(!sidebar->isVisible());
        const int narrow = composer().width();
        QTest::keyClick(window_.get(), Qt::Key_B, Qt::ControlModifier);
        QVERIFY(sidebar->isVisible());
        QCOMPARE(composer().width(), narrow); // it lies over
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Escape);
        QVERIFY(!sidebar->isVisible());
        window_->resize(1180, 780);
        settle();
        QVERIFY(sidebar->isVisible());
        QCOMPARE(composer().width(), wide);
    }

    void layoutIsRemembered() {
        auto* sidebar = window_->findChild<Sidebar*>();
        window_->resize(1000, 700);
        QTest::keyClick(window_.get(), Qt::Key_B, Qt::ControlModifier);
        const QByteArray layout = window_->saveLayout();
        MainWindow other(*theme_);
        other.restoreLayout(layout);
        other.show();
        QCOMPARE(other.size(), QSize(1000, 700));
        QVERIFY(!other.findChild<Sidebar*>()->isVisible());
        Q_UNUSED(sidebar)
    }

    void damagedLayoutsAreIgnored() {
        const QByteArray good = window_->saveLayout();
        const QSize size = window_->size();
        for (int cut = 0; cut < good.size(); cut += 3)
            window_->restoreLayout(good.left(cut));
        for (int at = 0; at < good.size(); ++at) {
            QByteArray bad = good;
            bad[at] = static_cast<char>(bad[at] ^ 0xFF);
            window_->restoreLayout(bad);
        }
        window_->restoreLayout(QByteArray(1 << 20, 'x'));
        QVERIFY(window_->width() >= 640 && window_->height() >= 480);
        window_->restoreLayout(good);
        QCOMPARE(window_->size(), size);
    }

    void settingsRoundTrip() {
        auto* panel = window_->findChild<SettingsPanel*>();
        QSignalSpy changed(window_.get(), &MainWindow::settingsChanged);
        SettingsRow row = someSettings();
        row.theme = ThemeChoice::Dark;
        row.textSizePercent = 125;
        row.threads = 4;
        row.backend = QStringLiteral("cpu");
        window_->setSettings(row);
        QCOMPARE(changed.size(), 0); // what comes in is not told back
        QVERIFY(theme_->isDark());
        QCOMPARE(theme_->textSizePercent(), 125);
        choose(*panel, QStringLiteral("Theme"), QStringLiteral("Light"));
        choose(*panel, QStringLiteral("Threads"), QStringLiteral("8"));
        choose(*panel, QStringLiteral("Text size"), QStringLiteral("150\u00A0%"));
        choose(*panel, QStringLiteral("Backend"), QStringLiteral("Automatic"));
        QCOMPARE(changed.size(), 4);
        const auto last = changed.last()[0].value<SettingsRow>();
        QCOMPARE(last.theme, ThemeChoice::Light);
        QCOMPARE(last.threads, 8);
        QCOMPARE(last.textSizePercent, 150);
        QCOMPARE(last.backend, QStringLiteral("auto"));
        QCOMPARE(last.modelFolder, row.modelFolder);
        QCOMPARE(last.language, row.language);
        QVERIFY(!theme_->isDark());
    }

    void howLongModelsStayIsChosen() {
        auto* panel = window_->findChild<SettingsPanel*>();
        QSignalSpy changed(window_.get(), &MainWindow::settingsChanged);
        SettingsRow row = someSettings();
        row.maxMemoryGb = 20;
        window_->setSettings(row);
        const auto last = [&] { return changed.last()[0].value<SettingsRow>(); };
        choose(*panel, QStringLiteral("Memory for models"), QStringLiteral("16\u00A0GB"));
        QCOMPARE(last().modelMemoryGb, 16);
        QCOMPARE(last().idleMinutes, kIdleAutomatic);
        for (const auto& [words, minutes] : {std::pair("After 5 minutes", 5), std::pair("After 30 minutes", 30),
                                             std::pair("After 2 hours", 120), std::pair("Never", 0)}) {
            choose(*panel, QStringLiteral("Unload unused models"), QString::fromLatin1(words));
            QCOMPARE(last().idleMinutes, minutes);
        }
        choose(*panel, QStringLiteral("Memory for models"), QStringLiteral("Automatic"));
        QCOMPARE(last().modelMemoryGb, 0);
        // More than this machine has, and a time of another version: kept.
        row.modelMemoryGb = 48;
        row.idleMinutes = 7;
        window_->setSettings(row);
        choose(*panel, QStringLiteral("Threads"), QStringLiteral("8"));
        QCOMPARE(last().modelMemoryGb, 48);
        QCOMPARE(last().idleMinutes, 7);
        for (const QComboBox* box : panel->findChildren<QComboBox*>())
            QVERIFY(box->findText(QStringLiteral("24\u00A0GB")) < 0); // 20 are there
    }

    void messagesAndComposerShareTheColumnAtEveryTextSize() {
        auto* panel = window_->findChild<ConversationPanel*>();
        window_->resize(1900, 900);
        SettingsRow row = someSettings();
        for (const int percent : {100, 150, 200, 100}) {
            row.textSizePercent = percent;
            window_->setSettings(row);
            settle();
            const int wide = std::min(680 * percent / 100, panel->view().viewport()->width() - 48);
            QCOMPARE(panel->composer().width(), wide);
            const int left = panel->composer().mapTo(panel, QPoint()).x();
            QVERIFY(std::abs(left - (panel->view().viewport()->width() - wide) / 2) <= 1);
        }
    }

    void settingsOfAnotherMachineAreKept() {
        auto* panel = window_->findChild<SettingsPanel*>();
        SettingsRow row = someSettings();
        row.threads = 48;
        row.backend = QStringLiteral("cuda");
        row.textSizePercent = 133;
        window_->setSettings(row);
        QSignalSpy changed(window_.get(), &MainWindow::settingsChanged);
        choose(*panel, QStringLiteral("Theme"), QStringLiteral("Dark"));
        const auto last = changed.last()[0].value<SettingsRow>();
        QCOMPARE(last.threads, 48);
        QCOMPARE(last.backend, QStringLiteral("cuda"));
        QCOMPARE(last.textSizePercent, 133);
    }

    void theLanguageChangesLive() {
        auto* panel = window_->findChild<SettingsPanel*>();
        QVERIFY(shows(QStringLiteral("Write a message")) ||
                composer().edit().accessibleName() == QStringLiteral("Message"));
        choose(*panel, QStringLiteral("Language"), QStringLiteral("\u7B80\u4F53\u4E2D\u6587"));
        settle();
        QVERIFY(named(*window_, QStringLiteral("\u641C\u7D22\u5BF9\u8BDD")));
        QCOMPARE(list().conversations().index(0).data().toString(), QStringLiteral("\u4ECA\u5929"));
        QCOMPARE(list().conversations().indexOf(3).data().toString(), QStringLiteral("\u65B0\u5BF9\u8BDD"));
        QCOMPARE(StatusLine::words({Phase::Reading, 0.43}), QStringLiteral("\u6B63\u5728\u9605\u8BFB 43\u00A0%"));
        SettingsRow row = panel->settings();
        row.language = QStringLiteral("en");
        window_->setSettings(row);
        settle();
        QVERIFY(named(*window_, QStringLiteral("Search chats")));
    }

    void theStatusLineIsSilentWhenIdle() {
        QCOMPARE(StatusLine::words({}), QString());
        QCOMPARE(StatusLine::figures({Phase::Idle, 0, 0, 0, 0, QStringLiteral("CPU")}), QString());
        QCOMPARE(StatusLine::words({Phase::Loading, 0.2}), QStringLiteral("Loading model 20\u00A0%"));
        QCOMPARE(StatusLine::words({Phase::Reading, 0.999}), QStringLiteral("Reading 99\u00A0%"));
        QCOMPARE(StatusLine::words({Phase::Reading, qQNaN()}), QStringLiteral("Reading 0\u00A0%"));
        QCOMPARE(StatusLine::figures({Phase::Writing, 0, 12.44, 3412, 8192, QStringLiteral("CPU")}),
                 QStringLiteral("12.4 t/s \u00B7 3,412 / 8,192 \u00B7 CPU"));
    }

    void closingTellsAndAccepts() {
        QStringList order;
        connect(window_.get(), &MainWindow::draftChanged, this, [&](const QString& t) { order << t; });
        connect(window_.get(), &MainWindow::windowClosing, this, [&] { order << QStringLiteral("closing"); });
        window_->setGenerating(true);
        QTest::keyClicks(&composer().edit(), QStringLiteral("draft"));
        QVERIFY(window_->close());
        QCOMPARE(order, (QStringList{QStringLiteral("draft"), QStringLiteral("closing")}));
    }

    void theFocusRingFollowsTheKeyboardOnly() {
        const auto rings = window_->findChildren<FocusRing*>(); // the list of models has one of its own
        const auto shown = [&] {
            const auto at = std::find_if(rings.begin(), rings.end(), [](FocusRing* r) { return r->isVisible(); });
            return at == rings.end() ? nullptr : *at;
        };
        QTest::mouseClick(&composer().edit(), Qt::LeftButton);
        QVERIFY(!shown());
        QTest::keyClick(&composer().edit(), Qt::Key_Tab);
        QTRY_VERIFY(QApplication::focusWidget() != &composer().edit());
        QVERIFY(QApplication::focusWidget());
        FocusRing* ring = shown();
        QVERIFY(ring && ring->target());
        QCOMPARE(ring->geometry(), ring->target()->geometry().adjusted(-4, -4, 4, 4));
    }

    void titlesCannotTurnTheLine() {
        QCOMPARE(oneLine(QStringLiteral("a\u202Egnp.fugg\u2066\x07\n b")), QStringLiteral("agnp.fugg b"));
        QCOMPARE(oneLine(QString(100000, u'x')).size(), 400);
    }

private:
    ConversationList& list() { return *window_->findChild<ConversationList*>(); }

    Composer& composer() { return *window_->findChild<Composer*>(); }

    bool shows(const QString& text) {
        for (const QLabel* label : window_->findChildren<QLabel*>())
            if (label->isVisible() && label->text() == text)
                return true;
        return false;
    }

    /// The conversation of the fixture with no reply running.
    void showIdle() {
        window_->showConversation(someContent());
        window_->setGenerating(false);
    }

    void click(RowId id) {
        const QRect row = list().visualRect(list().conversations().indexOf(id));
        QTest::mouseClick(list().viewport(), Qt::LeftButton, {}, row.center());
    }

    void choose(SettingsPanel& panel, const QString& field, const QString& value) {
        for (QComboBox* box : panel.findChildren<QComboBox*>()) {
            if (box->accessibleName() != field)
                continue;
            const int at = box->findText(value);
            QVERIFY2(at >= 0, qPrintable(value));
            box->setCurrentIndex(at);
            return;
        }
        QFAIL(qPrintable(field));
    }

    void drop(const QList<QUrl>& urls) {
        hearth::tests::dropOn(*window_, urls);
        settle();
    }

    ConversationPanel& panel() { return *window_->findChild<ConversationPanel*>(); }

    static MessageRow answerRow(const QString& text) {
        MessageRow row;
        row.id = 900;
        row.role = Role::Assistant;
        row.text = text;
        return row;
    }

    std::unique_ptr<Theme> theme_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(WindowTest)
#include "window.moc"
