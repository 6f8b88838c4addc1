#include "app/chat/conversation_book.h"
#include "app/chat/session.h"

#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QTranslator>

using namespace hearth;
using namespace hearth::app;

namespace {

/// Takes requests and answers when the test says so.
class FakeEngine : public ReplySource {
public:
    void reply(ReplyRequest request) override { requests.push_back(std::move(request)); }

    std::vector<ReplyRequest> requests;
};

} // namespace

class SessionTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        folder_ = std::make_unique<QTemporaryDir>();
        QVERIFY(folder_->isValid());
        engine_ = FakeEngine();
        defaults_ = {};
        loaded_ = QStringLiteral("/m.gguf");
        reply_ = 0;
        openStorage();
    }

    void cleanup() {
        session_.reset();
        book_.reset();
        storage_.reset();
    }

    void aModelsDefaultsReachItsReplies() {
        defaults_ = {.sampling = engine::SamplerSettings{.temperature = 0.25f},
                     .threads = 3,
                     .systemPrompt = "Be brief.",
                     .thinking = false};
        newSession();
        ask(QStringLiteral("Hi"));
        const ReplyRequest& first = engine_.requests[0];
        QVERIFY(first.sampling && first.sampling->temperature == 0.25f);
        QCOMPARE(first.threads, 3);
        QCOMPARE(first.prompt.thinking, std::optional<bool>(false));
        QCOMPARE(first.prompt.messages.size(), size_t(2));
        QCOMPARE(first.prompt.messages[0].role, std::string("system"));
        QCOMPARE(first.prompt.messages[0].content, std::string("Be brief."));
        finish(ReplyEnd::EndOfTurn);
        QVERIFY(session_->content().messages[0].role == ui::Role::User); // it is none of the conversation's own
        defaults_ = {};
        ask(QStringLiteral("Again")); // the next reply has the new ones
        const ReplyRequest& second = engine_.requests.back();
        QVERIFY(!second.sampling && !second.prompt.thinking);
        QCOMPARE(second.threads, 0);
        QCOMPARE(second.prompt.messages[0].role, std::string("user"));
    }

    void aConversationsOwnSystemPromptStands() {
        defaults_.systemPrompt = "Be brief.";
        const auto id = storage_->wait([](Store& store) {
            const auto id = store.conversations.create("own", "/m.gguf");
            storage::Message message;
            message.conversation = id;
            message.role = storage::Role::System;
            message.text = "Be long.";
            store.messages.append(message);
            return id;
        });
        session_ = std::make_unique<ChatSession>(services(), load(id));
        ask(QStringLiteral("Hi"));
        const auto& messages = engine_.requests[0].prompt.messages;
        QCOMPARE(messages.size(), size_t(2));
        QCOMPARE(messages[0].content, std::string("Be long."));
    }

    // The order that matters: on the disk before the engine hears of it.
    void storesTheMessageBeforeItAsks() {
        newSession();
        bool storedFirst = false;
        connect(session_.get(), &ChatSession::messageAdded, this, [&](const ui::MessageRow& row) {
            storedFirst = engine_.requests.empty() && row.id != 0 && inDatabase(row.id) == "Hello there";
        });
        session_->send(QStringLiteral("Hello there"));
        QVERIFY(engine_.requests.empty());
        QTRY_COMPARE(engine_.requests.size(), size_t(1));
        QVERIFY(storedFirst);
        QCOMPARE(engine_.requests[0].model, std::string("/m.gguf"));
        QCOMPARE(engine_.requests[0].prompt.messages.size(), size_t(1));
        QCOMPARE(session_->row().title, QStringLiteral("Hello there"));
        QVERIFY(session_->row().state == ui::ConversationState::Generating);
    }

    void aReplyGrowsAndEnds() {
        newSession();
        ask(QStringLiteral("Hi"));
        speak("One ", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        speak("two", 2);
        QCOMPARE(session_->content().messages[1].text, QStringLiteral("One two"));
        QVERIFY(session_->content().messages[1].state == ui::MessageState::Streaming);
        finish(ReplyEnd::EndOfTurn);
        QVERIFY(!session_->isReplying());
        const auto stored = reload();
        QCOMPARE(stored.branch.size(), size_t(2));
        QCOMPARE(stored.branch[1].message.text, std::string("One two"));
        QVERIFY(stored.branch[0].message.state == storage::MessageState::Complete);
        QVERIFY(stored.branch[1].message.state == storage::MessageState::Complete);
        QVERIFY(stored.conversation.unread); // nobody looked at it
    }

    void textIsStoredWhileItGrows() {
        newSession();
        ask(QStringLiteral("Hi"));
        speak("first", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QTest::qWait(300); // one interval
        QCOMPARE(reload().branch[1].message.text, std::string("first"));
        int writes = 0;
        QString seen = QStringLiteral("first");
        QElapsedTimer timer;
        timer.start();
        for (int i = 0; timer.elapsed() < 1000; ++i) {
            speak("x", 2 + i);
            QTest::qWait(10);
            const QString now = QString::fromStdString(reload().branch[1].message.text);
            writes += now != seen;
            seen = now;
        }
        QVERIFY2(writes >= 3 && writes <= 5, qPrintable(QString::number(writes)));
        finish(ReplyEnd::EndOfTurn);
    }

    void withoutAModelItWaitsAndAsks() {
        loaded_.clear();
        newSession();
        QSignalSpy wanted(session_.get(), &ChatSession::modelWanted);
        session_->send(QStringLiteral("one"));
        session_->send(QStringLiteral("two"));
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QVERIFY(!wanted.isEmpty());
        QVERIFY(engine_.requests.empty());
        QVERIFY(session_->row().state == ui::ConversationState::Waiting);
        QVERIFY(session_->content().messages[0].state == ui::MessageState::Queued);
        loaded_ = QStringLiteral("/m.gguf");
        session_->proceed();
        QCOMPARE(engine_.requests.size(), size_t(1)); // one answer to both
        QCOMPARE(engine_.requests[0].prompt.messages.size(), size_t(2));
        QVERIFY(session_->content().messages[0].state == ui::MessageState::Complete);
    }

    void whatIsQueuedIsThereAfterACrash() {
        loaded_.clear();
        newSession();
        session_->send(QStringLiteral("wait for me"));
        QTRY_COMPARE(session_->content().messages.size(), 1);
        const storage::ConversationId id = session_->id();
        session_.reset();
        openStorage(); // as a new start does
        const auto queued = storage_->wait([](Store& store) { return store.messages.queued(); });
        QCOMPARE(queued.size(), size_t(1));
        QVERIFY(queued[0].conversation == id);
        loaded_ = QStringLiteral("/m.gguf");
        session_ = std::make_unique<ChatSession>(services(), load(id));
        session_->proceed();
        QCOMPARE(engine_.requests.size(), size_t(1));
    }

    // Said while an answer is being prepared: it follows the answer in the tree.
    void aMessageSaidMeanwhileFollowsTheReply() {
        newSession();
        ask(QStringLiteral("first"));
        session_->send(QStringLiteral("second"));
        QTRY_COMPARE(session_->content().messages.size(), 3);
        QVERIFY(session_->content().messages[1].role == ui::Role::Assistant);
        QVERIFY(session_->content().messages[2].state == ui::MessageState::Queued);
        speak("answer", 1);
        QCOMPARE(session_->content().messages[1].text, QStringLiteral("answer"));
        finish(ReplyEnd::EndOfTurn);
        QCOMPARE(engine_.requests.size(), size_t(2));
        QCOMPARE(engine_.requests[1].prompt.messages.size(), size_t(3));
        speak("more", 1);
        QTRY_COMPARE(session_->content().messages.size(), 4);
        finish(ReplyEnd::EndOfTurn);
        QCOMPARE(reload().branch.size(), size_t(4));
    }

    void stopSetsTheFlagAtOnceAndKeepsTheText() {
        newSession();
        ask(QStringLiteral("talk"));
        speak("half a", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QVERIFY(!engine_.requests[0].cancel->load());
        session_->stop();
        QVERIFY(engine_.requests[0].cancel->load());
        finish(ReplyEnd::Cancelled);
        const auto stored = reload();
        QVERIFY(stored.branch[1].message.state == storage::MessageState::Interrupted);
        QCOMPARE(stored.branch[1].message.text, std::string("half a"));
        QVERIFY(session_->row().state != ui::ConversationState::Interrupted); // it was wished
    }

    void notesSpeakTheLanguageOfTheWindow() {
        class Other : public QTranslator {
        public:
            bool isEmpty() const override { return false; }

            QString translate(const char*, const char* source, const char*, int) const override {
                return qstrcmp(source, "Stopped.") == 0 ? QStringLiteral("Halted.") : QString();
            }
        };

        newSession();
        ask(QStringLiteral("talk"));
        speak("half", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        session_->stop();
        finish(ReplyEnd::Cancelled);
        QCOMPARE(session_->content().messages[1].note, QStringLiteral("Stopped."));
        QSignalSpy updated(session_.get(), &ChatSession::messageUpdated);
        Other other;
        QCoreApplication::installTranslator(&other);
        session_->retranslate();
        QCoreApplication::removeTranslator(&other);
        QCOMPARE(session_->content().messages[1].note, QStringLiteral("Halted."));
        QCOMPARE(updated.size(), 1);
    }

    void stoppedBeforeTheFirstWordHasAPlace() {
        newSession();
        ask(QStringLiteral("talk"));
        session_->stop();
        finish(ReplyEnd::Cancelled);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QVERIFY(session_->content().messages[1].state == ui::MessageState::Interrupted);
        QVERIFY(!session_->isReplying());
    }

    void anErrorIsKeptWhereItHappened() {
        newSession();
        ask(QStringLiteral("talk"));
        pushEnd(ReplyEnd::Error, "The model is damaged.");
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QVERIFY(session_->content().messages[1].state == ui::MessageState::Failed);
        QCOMPARE(session_->content().messages[1].note, QStringLiteral("The model is damaged."));
        QCOMPARE(reload().branch[1].message.note, std::string("The model is damaged."));
    }

    void regenerateMakesASiblingAndBack() {
        newSession();
        ask(QStringLiteral("name one"));
        speak("red", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
        const ui::RowId first = session_->content().messages[1].id;
        session_->regenerate(first);
        QCOMPARE(session_->content().messages.size(), 1);
        QCOMPARE(engine_.requests.size(), size_t(2));
        QCOMPARE(engine_.requests[1].prompt.messages.size(), size_t(1));
        speak("blue", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
        const ui::MessageRow second = session_->content().messages[1];
        QCOMPARE(second.siblingCount, 2);
        QCOMPARE(second.siblingIndex, 1);
        QSignalSpy reset(session_.get(), &ChatSession::reset);
        session_->switchSibling(second.id, 0);
        QTRY_COMPARE(reset.size(), 1);
        QCOMPARE(session_->content().messages[1].id, first);
        QCOMPARE(session_->content().messages[1].text, QStringLiteral("red"));
        QCOMPARE(session_->content().messages[1].siblingCount, 2);
    }

    void anEditedMessageIsAnotherVersion() {
        newSession();
        exchange(QStringLiteral("name a colour"), "red");
        const ui::RowId question = session_->content().messages[0].id;
        session_->setDraft(QStringLiteral("half a thought"));
        session_->editMessage(question, QStringLiteral("name a number"));
        QCOMPARE(session_->content().messages.size(), 0); // what followed it is out of sight
        QTRY_COMPARE(engine_.requests.size(), size_t(2));
        QCOMPARE(engine_.requests[1].prompt.messages.size(), size_t(1));
        QCOMPARE(engine_.requests[1].prompt.messages[0].content, std::string("name a number"));
        speak("seven", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
        const ui::MessageRow now = session_->content().messages[0];
        QCOMPARE(now.siblingCount, 2);
        QCOMPARE(now.siblingIndex, 1);
        QCOMPARE(session_->content().draft, QStringLiteral("half a thought"));
        QSignalSpy reset(session_.get(), &ChatSession::reset);
        session_->switchSibling(now.id, 0);
        QTRY_COMPARE(reset.size(), 1);
        QCOMPARE(session_->content().messages[0].id, question);
        QCOMPARE(session_->content().messages[1].text, QStringLiteral("red")); // the old answer is there still
    }

    void anEditThatCannotBeDoneComesBack() {
        newSession();
        ask(QStringLiteral("talk"));
        speak("so", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QSignalSpy failed(session_.get(), &ChatSession::sendFailed);
        session_->editMessage(session_->content().messages[0].id, QStringLiteral("other words")); // a reply runs
        QCOMPARE(failed.size(), 1);
        QCOMPARE(failed[0][0].toString(), QStringLiteral("other words"));
        QCOMPARE(session_->content().messages.size(), 2);
        session_->deleteMessage(session_->content().messages[0].id);
        session_->branchFrom(session_->content().messages[0].id);
        QTest::qWait(20);
        QCOMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
    }

    void anEditThatCannotBeStoredComesBack() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        breakNewMessages();
        QSignalSpy failed(session_.get(), &ChatSession::sendFailed);
        qsizetype shownThen = 0;
        connect(session_.get(), &ChatSession::sendFailed, this,
                [&] { shownThen = session_->content().messages.size(); });
        session_->editMessage(session_->content().messages[0].id, QStringLiteral("other words"));
        session_->send(QStringLiteral("and more"));
        QTRY_COMPARE(failed.size(), 1);
        QCOMPARE(failed[0][0].toString(), QStringLiteral("other words\n\nand more"));
        QCOMPARE(shownThen, 2); // the old version stands where it stood
        QVERIFY(!session_->isBusy());
        // Where nothing can be read either, too.
        session_->editMessage(session_->content().messages[0].id, QStringLiteral("again"));
        storage_->wait([](Store& store) {
            store.database.prepare("ALTER TABLE conversations RENAME TO gone").run();
            return 0;
        });
        QTRY_COMPARE(failed.size(), 2);
        QCOMPARE(failed[1][0].toString(), QStringLiteral("again"));
        QCOMPARE(session_->content().messages.size(), 2);
        QVERIFY(!session_->isBusy());
    }

    void aDeletedMessageComesBackWhereItStood() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        exchange(QStringLiteral("two"), "second");
        const ui::RowId answer = session_->content().messages[1].id;
        QSignalSpy removed(session_.get(), &ChatSession::messageRemoved);
        QSignalSpy inserted(session_.get(), &ChatSession::messageInserted);
        session_->deleteMessage(answer);
        QTRY_COMPARE(removed.size(), 1);
        QCOMPARE(session_->content().messages.size(), 3);
        QCOMPARE(reload().branch.size(), size_t(3));
        // The model does not read it either.
        session_->send(QStringLiteral("three"));
        QTRY_COMPARE(engine_.requests.size(), size_t(3));
        for (const engine::ChatMessage& message : engine_.requests[2].prompt.messages)
            QVERIFY(message.content != "first");
        speak("third", 1);
        QTRY_COMPARE(session_->content().messages.size(), 5);
        finish(ReplyEnd::EndOfTurn);
        session_->restoreMessage(answer);
        QTRY_COMPARE(inserted.size(), 1);
        QCOMPARE(inserted[0][0].toInt(), 1);
        QCOMPARE(session_->content().messages[1].text, QStringLiteral("first"));
        QCOMPARE(reload().branch.size(), size_t(6));
    }

    void whatIsDeletedComesBackBeforeWhatWasSaidSince() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        exchange(QStringLiteral("two"), "second");
        const ui::RowId answer = session_->content().messages[3].id;
        QSignalSpy inserted(session_.get(), &ChatSession::messageInserted);
        session_->deleteMessage(answer); // the end of the branch
        QTRY_COMPARE(session_->content().messages.size(), 3);
        exchange(QStringLiteral("three"), "third");
        session_->restoreMessage(answer);
        QTRY_COMPARE(inserted.size(), 1);
        QCOMPARE(inserted[0][0].toInt(), 3);
        QCOMPARE(reload().branch.size(), size_t(6));
        // A question, and then another version of its answer: the old one is still to be found.
        const ui::RowId question = session_->content().messages[2].id;
        session_->deleteMessage(question);
        QTRY_COMPARE(session_->content().messages.size(), 5);
        session_->regenerate(answer);
        speak("other", 1);
        QTRY_COMPARE(session_->content().messages.size(), 3);
        finish(ReplyEnd::EndOfTurn);
        QCOMPARE(session_->content().messages[2].siblingCount, 2);
        session_->restoreMessage(question);
        QTRY_COMPARE(inserted.size(), 2);
        QCOMPARE(inserted[1][0].toInt(), 2);
    }

    void aNewVersionThatCannotBeStoredLeavesTheOldOne() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        breakNewMessages();
        session_->regenerate(session_->content().messages[1].id);
        speak("never kept", 1);
        QTRY_VERIFY(!session_->isReplying());
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QCOMPARE(session_->content().messages[1].text, QStringLiteral("first"));
        QVERIFY(!session_->isBusy());
    }

    // What is said while the storage works at another thing that then fails goes on all the same.
    void aFailureHoldsUpNothing() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        exchange(QStringLiteral("two"), "second");
        const QVector<ui::MessageRow> rows = session_->content().messages;
        breakStorage("message_trash", "message_id", "message_id > 0");
        session_->deleteMessage(rows[1].id);
        session_->send(QStringLiteral("meanwhile"));
        QTRY_COMPARE(engine_.requests.size(), size_t(3));
        finish(ReplyEnd::EndOfTurn);
        storage_->wait([](Store& store) {
            store.database.prepare("DROP INDEX broken").run();
            return 0;
        });
        breakStorage("conversations", "id", "active_leaf_id = " + std::to_string(rows[1].id));
        session_->showBranch(rows[1].id);
        session_->send(QStringLiteral("and again"));
        QTRY_COMPARE(engine_.requests.size(), size_t(4));
        finish(ReplyEnd::EndOfTurn);
        QVERIFY(!session_->isBusy());
        // A new version that is wished while a deletion is on its way is asked for after it.
        loaded_.clear();
        session_->send(QStringLiteral("waits"));
        QTRY_VERIFY(session_->isWaiting());
        QTRY_COMPARE(session_->content().messages.size(), 9);
        session_->deleteMessage(rows[2].id);
        loaded_ = QStringLiteral("/m.gguf");
        session_->proceed(); // the model comes while the message is deleted
        QCOMPARE(engine_.requests.size(), size_t(4));
        QTRY_COMPARE(engine_.requests.size(), size_t(5));
    }

    void theLastMessageCanBeDeletedAndTheChatGoesOn() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        QSignalSpy removed(session_.get(), &ChatSession::messageRemoved);
        session_->deleteMessage(session_->content().messages[1].id);
        QTRY_COMPARE(removed.size(), 1);
        session_->deleteMessage(session_->content().messages[0].id);
        QTRY_COMPARE(removed.size(), 2);
        QVERIFY(session_->content().messages.isEmpty());
        exchange(QStringLiteral("two"), "second");
        QCOMPARE(session_->content().messages.size(), 2);
        QCOMPARE(reload().branch.size(), size_t(2));
    }

    void aDeletedVersionLeavesItsPlaceToTheNearest() {
        newSession();
        exchange(QStringLiteral("name one"), "red");
        const ui::RowId red = session_->content().messages[1].id;
        exchange(QStringLiteral("why"), "because");
        session_->regenerate(red);
        speak("blue", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
        const ui::RowId blue = session_->content().messages[1].id;
        QSignalSpy deleted(session_.get(), &ChatSession::deleted);
        session_->deleteMessage(blue);
        QTRY_COMPARE(deleted.size(), 1);
        QCOMPARE(session_->content().messages.size(), 4); // the other version with what followed it
        QCOMPARE(session_->content().messages[1].id, red);
        QCOMPARE(session_->content().messages[1].siblingCount, 1);
        QCOMPARE(reload().branch.size(), size_t(4));
        session_->restoreMessage(blue); // undone: seen again
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QCOMPARE(session_->content().messages[1].id, blue);
        QCOMPARE(session_->content().messages[1].siblingCount, 2);
        QVERIFY(!session_->isBusy());
        // The end of a branch whose last message is in the trash.
        session_->switchSibling(blue, 0);
        QTRY_COMPARE(session_->content().messages.size(), 4);
        session_->deleteMessage(session_->content().messages[3].id);
        QTRY_COMPARE(session_->content().messages.size(), 3);
        session_->switchSibling(red, 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        session_->switchSibling(blue, 0);
        QTRY_COMPARE(session_->content().messages.size(), 3);
    }

    // The answer of the last question is gone: it can be asked for again.
    void aQuestionWhoseAnswerIsGoneIsAnsweredAgain() {
        newSession();
        exchange(QStringLiteral("name one"), "red");
        const ui::RowId red = session_->content().messages[1].id;
        session_->deleteMessage(red);
        QTRY_COMPARE(session_->content().messages.size(), 1);
        session_->regenerate(session_->content().messages[0].id);
        QCOMPARE(engine_.requests.size(), size_t(2));
        speak("blue", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
        QCOMPARE(session_->content().messages[1].siblingCount, 1);
        session_->restoreMessage(red);
        QTRY_COMPARE(session_->content().messages[1].id, red);
        QCOMPARE(session_->content().messages[1].siblingCount, 2); // as another version
    }

    void aBranchBeginsAndIsTakenBack() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        exchange(QStringLiteral("two"), "second");
        const ui::RowId answer = session_->content().messages[1].id;
        const ui::RowId leaf = session_->content().messages[3].id;
        QSignalSpy branched(session_.get(), &ChatSession::branched);
        session_->branchFrom(answer);
        QCOMPARE(session_->content().messages.size(), 2);
        QCOMPARE(branched.size(), 1);
        QCOMPARE(branched[0][1].toLongLong(), leaf);
        QCOMPARE(reload().branch.size(), size_t(2)); // and so after a new start
        session_->showBranch(leaf);
        QTRY_COMPARE(session_->content().messages.size(), 4);
        session_->branchFrom(session_->content().messages[2].id); // a question follows an answer only
        QCOMPARE(session_->content().messages.size(), 4);
        session_->branchFrom(answer);
        exchange(QStringLiteral("another two"), "another second");
        const ui::MessageRow question = session_->content().messages[2];
        QCOMPARE(question.siblingCount, 2); // the way back
        session_->switchSibling(question.id, 0);
        QTRY_COMPARE(session_->content().messages[3].text, QStringLiteral("second"));
    }

    // Its undo would be swallowed while the reply runs, so it is not offered any more.
    void aBranchThatGoesOnIsNotTakenBack() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        exchange(QStringLiteral("two"), "second");
        const ui::RowId answer = session_->content().messages[1].id;
        const ui::RowId leaf = session_->content().messages[3].id;
        QSignalSpy taken(session_.get(), &ChatSession::branchTaken);
        session_->branchFrom(answer);
        session_->showBranch(leaf);
        QTRY_COMPARE(session_->content().messages.size(), 4);
        session_->branchFrom(answer);
        QCOMPARE(taken.size(), 0);
        session_->send(QStringLiteral("other"));
        QCOMPARE(taken.size(), 1);
        QCOMPARE(taken[0][0].toLongLong(), leaf);
        QTRY_VERIFY(session_->isReplying());
        QCOMPARE(taken.size(), 1);
        finish(ReplyEnd::EndOfTurn);
        session_->branchFrom(answer);
        session_->regenerate(answer);
        QCOMPARE(taken.size(), 2);
    }

    void aReplyTellsHowItCameToBe() {
        newSession();
        exchange(QStringLiteral("one"), "first");
        QSignalSpy updated(session_.get(), &ChatSession::messageUpdated);
        QVERIFY(session_->content().messages[1].receipt.generatedTokens > 0);
        const auto stored = reload();
        QCOMPARE(messageRow(stored.branch[1]).receipt.generatedTokens,
                 session_->content().messages[1].receipt.generatedTokens);
        for (const char* damaged : {"", "[", "[1]", "{\"promptTokens\":\"x\"}", "{\"promptTokens\":-5}",
                                    "{\"promptTokens\":1e300}", "{\"promptTokens\":null}"})
            QCOMPARE(receiptRow(damaged).promptTokens, 0);
    }

    void aReplyTellsHowFastItsModelIs() {
        newSession();
        const auto record = [this] {
            return storage_->wait([](Store& store) { return store.models.find("/m.gguf"); });
        };
        ask(QStringLiteral("one"));
        speak("a few", 5);
        finish(ReplyEnd::EndOfTurn);
        QVERIFY(record() && record()->lastUsedAt > 0);
        QCOMPARE(record()->decodeSpeed, 0.0); // too short to tell
        ask(QStringLiteral("two"));
        speak("many", 41); // in 4.1 seconds
        ReplyUpdate end = endUpdate(reply_, ReplyEnd::Cancelled, nullptr);
        end.prefilledTokens = 300;
        end.prefillSeconds = 2;
        session_->update(end);
        QTRY_VERIFY(!session_->isReplying());
        QVERIFY(std::abs(record()->decodeSpeed - 40 / 4.1) < 1e-9);
        QCOMPARE(record()->prefillSpeed, 150.0);
        QVERIFY(record()->measuredAt > 0);
    }

    void continueGrowsTheSameReply() {
        newSession();
        ask(QStringLiteral("count"));
        speak("one, ", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        session_->stop();
        finish(ReplyEnd::Cancelled);
        const ui::RowId id = session_->content().messages[1].id;
        session_->continueReply(id);
        QCOMPARE(engine_.requests.size(), size_t(2));
        QVERIFY(engine_.requests[1].prompt.continueLast);
        QCOMPARE(engine_.requests[1].prompt.messages.back().content, std::string("one, "));
        speak("two", 1);
        finish(ReplyEnd::EndOfTurn);
        QCOMPARE(session_->content().messages.size(), 2);
        QCOMPARE(session_->content().messages[1].text, QStringLiteral("one, two"));
        const auto stored = reload();
        QCOMPARE(stored.branch.size(), size_t(2));
        QCOMPARE(stored.branch[1].message.text, std::string("one, two"));
        QVERIFY(stored.branch[1].message.state == storage::MessageState::Complete);
    }

    void closingKeepsTheText() {
        newSession();
        ask(QStringLiteral("talk"));
        speak("so far", 1);
        session_->prepareToClose(); // the row's id may not have come back yet
        QVERIFY(engine_.requests[0].cancel->load());
        session_->close();
        const auto stored = reload();
        QCOMPARE(stored.branch.size(), size_t(2));
        QCOMPARE(stored.branch[1].message.text, std::string("so far"));
        QVERIFY(stored.branch[1].message.state == storage::MessageState::Interrupted);
        QCOMPARE(stored.branch[1].message.note, std::string(note::kClosed));
    }

    void closedBeforeTheFirstWordItIsAnsweredNextTime() {
        newSession();
        ask(QStringLiteral("talk"));
        session_->prepareToClose();
        session_->close();
        const auto stored = reload();
        QCOMPARE(stored.branch.size(), size_t(1));
        QVERIFY(stored.branch[0].message.state == storage::MessageState::Queued);
    }

    // It left this machine: that stays, though no word of it came back.
    void whatWasSentElsewhereIsMarkedAtOnce() {
        newSession();
        ask(QStringLiteral("talk"));
        session_->update(sentUpdate(reply_, "gpu.example"));
        QTRY_COMPARE(session_->content().messages.size(), 2);
        QCOMPARE(session_->content().messages[1].remote, QStringLiteral("gpu.example"));
        QCOMPARE(reload().branch[1].message.remote, std::string("gpu.example"));
        session_->prepareToClose();
        session_->close();
        const auto stored = reload();
        QCOMPARE(stored.branch.size(), size_t(2));
        QCOMPARE(stored.branch[1].message.remote, std::string("gpu.example"));
        QVERIFY(stored.branch[1].message.state == storage::MessageState::Interrupted);
        QCOMPARE(stored.branch[1].message.note, std::string(note::kClosed));
    }

    // A message said meanwhile had its row begun before it was sent.
    void aRowThatWasThereIsMarkedToo() {
        newSession();
        ask(QStringLiteral("first"));
        session_->send(QStringLiteral("second"));
        session_->update(sentUpdate(reply_, "gpu.example")); // its id has not come back
        QTRY_COMPARE(session_->content().messages.size(), 3);
        QCOMPARE(session_->content().messages[1].remote, QStringLiteral("gpu.example"));
        QCOMPARE(reload().branch[1].message.remote, std::string("gpu.example"));
    }

    void aReplyThatCannotBeContinuedIsWhatItWas() {
        newSession();
        ask(QStringLiteral("count"));
        speak("one, ", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::MaxTokens);
        const ui::RowId id = session_->content().messages[1].id;
        const storage::Message before = reload().branch[1].message;
        QVERIFY(before.state == storage::MessageState::Interrupted && !before.receipt.empty());
        // Refused before anything was sent: nothing is marked.
        session_->continueReply(id);
        const ReplyId refused = reply_;
        pushEnd(ReplyEnd::Error, "The network is switched off.");
        QTRY_VERIFY(!session_->owns(refused));
        QCOMPARE(session_->content().messages[1].note, QStringLiteral("The network is switched off."));
        QVERIFY(session_->content().messages[1].state == ui::MessageState::Interrupted); // can be continued still
        storage::Message now = reload().branch[1].message;
        QVERIFY(now.state == before.state);
        QCOMPARE(now.note, before.note);
        QCOMPARE(now.receipt, before.receipt);
        QCOMPARE(now.text, before.text);
        QCOMPARE(now.remote, std::string());
        // Sent to one host, then to another: it went to both.
        for (const char* host : {"a.example", "b.example", "a.example"}) {
            session_->continueReply(id);
            session_->update(sentUpdate(reply_, host));
            speak("two", 1);
            finish(ReplyEnd::MaxTokens);
        }
        QCOMPARE(session_->content().messages[1].remote, QStringLiteral("a.example, b.example"));
        QCOMPARE(reload().branch[1].message.remote, std::string("a.example, b.example"));
    }

    void saidAMomentBeforeTheEnd() {
        newSession();
        session_->send(QStringLiteral("one")); // makes the conversation
        session_->send(QStringLiteral("two"));
        session_->send(QStringLiteral("three"));
        session_->prepareToClose();
        session_->close();
        const auto list = storage_->wait([](Store& store) { return store.conversations.list(); });
        QCOMPARE(list.size(), size_t(1));
        const auto stored = load(list[0].id);
        QCOMPARE(stored.branch.size(), size_t(3));
        QCOMPARE(stored.branch[1].message.text, std::string("two"));
        QCOMPARE(stored.branch[2].message.text, std::string("three"));
        QVERIFY(stored.branch[2].message.state == storage::MessageState::Queued);
        QTest::qWait(50); // the answer about "one" comes after the end, and stores nothing twice
        QCOMPARE(load(list[0].id).branch.size(), size_t(3));
    }

    void saidBehindAReplyAMomentBeforeTheEnd() {
        newSession();
        ask(QStringLiteral("first"));
        speak("so far", 1); // its row is asked for, not yet known here
        session_->send(QStringLiteral("second"));
        session_->prepareToClose();
        session_->close();
        const auto stored = reload();
        QCOMPARE(stored.branch.size(), size_t(3));
        QCOMPARE(stored.branch[1].message.text, std::string("so far"));
        QCOMPARE(stored.branch[2].message.text, std::string("second"));
    }

    // A new version waits for the model, and the person goes on: what was said last stays in sight and is answered.
    void aMessageSaidWhileANewVersionWaits() {
        newSession();
        ask(QStringLiteral("name one"));
        speak("red", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
        loaded_.clear();
        session_->regenerate(session_->content().messages[1].id);
        QCOMPARE(engine_.requests.size(), size_t(1));
        session_->send(QStringLiteral("another question"));
        QTRY_COMPARE(session_->content().messages.size(), 3);
        loaded_ = QStringLiteral("/m.gguf");
        session_->proceed();
        QCOMPARE(engine_.requests.size(), size_t(2));
        QCOMPARE(engine_.requests[1].prompt.messages.size(), size_t(3));
        QCOMPARE(session_->content().messages.size(), 3);
        QCOMPARE(session_->content().messages[2].text, QStringLiteral("another question"));
    }

    // A message that waits on another branch is answered when that branch is opened again.
    void aQueuedMessageOnAnotherBranch() {
        newSession();
        ask(QStringLiteral("name one"));
        speak("red", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
        const ui::RowId first = session_->content().messages[1].id;
        loaded_.clear();
        session_->send(QStringLiteral("later"));
        QTRY_COMPARE(session_->content().messages.size(), 3);
        session_->regenerate(first);
        loaded_ = QStringLiteral("/m.gguf");
        session_->proceed();
        QCOMPARE(session_->content().messages.size(), 1);
        speak("blue", 1);
        QTRY_COMPARE(session_->content().messages.size(), 2);
        finish(ReplyEnd::EndOfTurn);
        QCOMPARE(engine_.requests.size(), size_t(2));
        session_->switchSibling(session_->content().messages[1].id, 0);
        QTRY_COMPARE(engine_.requests.size(), size_t(3));
        QCOMPARE(engine_.requests[2].prompt.messages.back().content, std::string("later"));
    }

    void theHintComesOncePerConversation() {
        newSession();
        QVector<bool> hints;
        connect(session_.get(), &ChatSession::userMessageStored, this,
                [&](const QString&, bool first) { hints.append(first); });
        for (const QString& text : {QStringLiteral("hello"), QStringLiteral("你好"), QStringLiteral("再来")}) {
            session_->send(text);
            QTRY_VERIFY(session_->isReplying());
            speak("ok", 1);
            QTRY_COMPARE(session_->content().messages.size() % 2, 0);
            finish(ReplyEnd::EndOfTurn);
        }
        QCOMPARE(hints, QVector<bool>({false, true, false}));
    }

    void whatCannotBeStoredComesBack() {
        storage_ = std::make_unique<StorageWorker>();
        storage_->openNothing(QStringLiteral("The disk is full."));
        newSession();
        QSignalSpy failed(storage_.get(), &StorageWorker::failed);
        QSignalSpy returned(session_.get(), &ChatSession::sendFailed);
        session_->send(QStringLiteral("precious"));
        QTRY_COMPARE(returned.size(), 1);
        QCOMPARE(returned[0][0].toString(), QStringLiteral("precious"));
        QCOMPARE(failed[0][0].toString(), QStringLiteral("The disk is full."));
        QVERIFY(engine_.requests.empty());
        session_->send(QStringLiteral("both"));
        session_->send(QStringLiteral("of them"));
        QTRY_COMPARE(returned.size(), 2);
        QCOMPARE(returned[1][0].toString(), QStringLiteral("both\n\nof them"));
        QVERIFY(!session_->isBusy());
    }

    void repliesGoOnWhileAnotherConversationIsShown() {
        book_ = std::make_unique<ConversationBook>(services());
        book_->open({}, {});
        book_->showNew(loaded_, {});
        book_->shown()->send(QStringLiteral("first"));
        QTRY_VERIFY(book_->shown()->isReplying());
        const storage::ConversationId first = book_->shown()->id();
        book_->showNew(loaded_, {});
        QVERIFY(book_->shown()->id() != first);
        QVERIFY(book_->anyReplying());
        book_->update(textUpdate(1, "meanwhile", 1));
        QTest::qWait(50);
        book_->update(endUpdate(1, ReplyEnd::EndOfTurn, {}));
        QTRY_VERIFY(!book_->anyReplying());
        QCOMPARE(book_->rows()[0].id, first.value);
        QVERIFY(book_->rows()[0].state == ui::ConversationState::Unread);
        book_->show(first);
        QTRY_VERIFY(book_->shown()->id() == first);
        QCOMPARE(book_->shown()->content().messages.last().text, QStringLiteral("meanwhile"));
        QVERIFY(book_->rows()[0].state == ui::ConversationState::Idle);
    }

    void deletedAndBack() {
        book_ = std::make_unique<ConversationBook>(services());
        book_->open({}, {});
        book_->showNew(loaded_, {});
        book_->shown()->send(QStringLiteral("keep me"));
        QTRY_VERIFY(book_->shown()->isReplying());
        const storage::ConversationId id = book_->shown()->id();
        book_->update(textUpdate(1, "half", 1));
        QTest::qWait(50);
        book_->moveToTrash(id);
        QVERIFY(book_->rows().isEmpty());
        QVERIFY(engine_.requests[0].cancel->load()); // nobody reads it any more
        book_->showNew(loaded_, {});
        book_->update(endUpdate(1, ReplyEnd::Cancelled, {}));
        QVERIFY(book_->rows().isEmpty()); // its last words do not bring it back
        book_->restore(id);
        QTRY_COMPARE(book_->rows().size(), 1);
        QTRY_VERIFY(book_->shown()->id() == id);
        QCOMPARE(book_->shown()->content().messages.last().text, QStringLiteral("half"));
    }

    void titles() {
        QCOMPARE(titleFrom(QStringLiteral("  Plan a trip\nto Kyoto")), QStringLiteral("Plan a trip"));
        QVERIFY(titleFrom(QString(500, u'语')).size() <= 61);
        QCOMPARE(titleFrom(QStringLiteral("word ").repeated(40)),
                 QStringLiteral("word ").repeated(12).trimmed() + QStringLiteral("…"));
        const QString faces = titleFrom(QStringLiteral("😀").repeated(100));
        QVERIFY(!faces.chopped(1).back().isHighSurrogate());
    }

private:
    void openStorage() {
        storage_.reset();
        storage_ = std::make_unique<StorageWorker>();
        storage_->open(folder_->filePath(QStringLiteral("hearth.db")).toStdString());
    }

    SessionServices services() {
        return {*storage_,
                engine_,
                [this] { return ++reply_; },
                [this](const QString& path) -> std::optional<QString> {
                    if (path.isEmpty() || path != loaded_)
                        return std::nullopt;
                    return QStringLiteral("Fake");
                },
                [] {},
                [this](const QString&) { return defaults_; }};
    }

    void newSession() {
        StoredConversation fresh;
        fresh.conversation.model = "/m.gguf";
        session_ = std::make_unique<ChatSession>(services(), fresh);
    }

    void ask(const QString& text) {
        session_->send(text);
        QTRY_VERIFY(session_->isReplying());
    }

    static ReplyUpdate textUpdate(ReplyId id, const char* text, int tokens) {
        ReplyUpdate update;
        update.reply = id;
        update.text = text;
        update.tokens = tokens;
        update.seconds = 0.1 * tokens;
        return update;
    }

    static ReplyUpdate sentUpdate(ReplyId id, const char* host) {
        ReplyUpdate update;
        update.reply = id;
        update.begun = true;
        update.host = host;
        return update;
    }

    static ReplyUpdate endUpdate(ReplyId id, ReplyEnd end, const char* error) {
        ReplyUpdate update;
        update.reply = id;
        update.end = end;
        update.error = error ? error : "";
        return update;
    }

    /// A question and its whole answer.
    void exchange(const QString& question, const char* answer) {
        const qsizetype before = session_->content().messages.size();
        const size_t requests = engine_.requests.size();
        session_->send(question);
        QTRY_COMPARE(engine_.requests.size(), requests + 1);
        speak(answer, 1);
        QTRY_COMPARE(session_->content().messages.size(), before + 2);
        finish(ReplyEnd::EndOfTurn);
    }

    void speak(const char* text, int tokens) { session_->update(textUpdate(reply_, text, tokens)); }

    void pushEnd(ReplyEnd end, const char* error = nullptr) { session_->update(endUpdate(reply_, end, error)); }

    void finish(ReplyEnd end) {
        const ReplyId id = reply_; // the next reply may begin at once
        pushEnd(end);
        QTRY_VERIFY(!session_->owns(id));
    }

    StoredConversation load(storage::ConversationId id) {
        return *storage_->wait([id](Store& store) { return loadConversation(store, id); });
    }

    StoredConversation reload() { return load(session_->id()); }

    /// From now on a row of which this holds cannot be written: the index on it overflows.
    void breakStorage(const std::string& table, const std::string& column, const std::string& holds) {
        storage_->wait([&](Store& store) {
            store.database
                .prepare("CREATE INDEX broken ON " + table + "(CASE WHEN " + holds +
                         " THEN abs(-9223372036854775807 - 1 + 0 * " + column + ") END)")
                .run();
            return 0;
        });
    }

    void breakNewMessages() {
        breakStorage("messages", "id", "id > " + std::to_string(session_->content().messages.last().id));
    }

    std::string inDatabase(ui::RowId id) {
        return storage_->wait([id](Store& store) {
            const auto message = store.messages.find({id});
            return message ? message->text : std::string();
        });
    }

    std::unique_ptr<QTemporaryDir> folder_;
    FakeEngine engine_;
    ReplyDefaults defaults_;
    QString loaded_;
    ReplyId reply_ = 0;
    std::unique_ptr<StorageWorker> storage_;
    std::unique_ptr<ChatSession> session_;
    std::unique_ptr<ConversationBook> book_;
};

QTEST_GUILESS_MAIN(SessionTest)
#include "session_test.moc"
