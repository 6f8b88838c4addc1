// A conversation with a real server in a process of its own: llama.cpp's, as PyPI's `xllamacpp` has it, with the
// starter model. HEARTH_PEER names the folder of Python packages that holds it; without it this skips.
#include "app/chat/session.h"
#include "app/models/remote/remotes.h"
#include "app/models/remote/reply_router.h"
#include "tests/app/remote/fake_secrets.h"
#include "tests/app/starter.h"

#include <QProcess>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace hearth;
using namespace hearth::app;

namespace {

constexpr int kLoading = 120'000, kReplying = 180'000; // ms, on a busy machine
const QString kKey = QStringLiteral("sk-of-the-test");

} // namespace

class RemoteRealTest : public QObject {
    Q_OBJECT

private slots:

    void initTestCase() {
        model_ = test::starterModel();
        if (model_.isEmpty())
            QSKIP("The starter model is not there: set HEARTH_MODELS to the folder that holds it.");
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        if (const QString peer = qEnvironmentVariable("HEARTH_PEER"); !peer.isEmpty())
            environment.insert(QStringLiteral("PYTHONPATH"), peer);
        server_.setProcessEnvironment(environment);
        server_.setProcessChannelMode(QProcess::SeparateChannels);
        server_.setStandardErrorFile(QProcess::nullDevice());
        QProcess look;
        look.setProcessEnvironment(environment);
        look.start(QStringLiteral("python3"), {QStringLiteral("-c"), QStringLiteral("import xllamacpp")});
        if (!look.waitForFinished(60'000) || look.exitCode() != 0)
            QSKIP("xllamacpp is not there: set HEARTH_PEER to a folder made by pip install --target.");
        server_.start(QStringLiteral("python3"),
                      {QStringLiteral(HEARTH_SOURCE_DIR "/tests/app/remote/peer_server.py"), model_, kKey});
        QVERIFY(server_.waitForStarted());
        QByteArray line;
        QElapsedTimer clock;
        clock.start();
        while (!line.endsWith('\n') && clock.elapsed() < kLoading) {
            server_.waitForReadyRead(100);
            line += server_.readAllStandardOutput();
        }
        address_ = QString::fromUtf8(line).trimmed();
        QVERIFY2(address_.startsWith(QStringLiteral("http://127.0.0.1:")), qPrintable(address_));

        storage_ = std::make_unique<StorageWorker>();
        storage_->open(folder_.filePath(QStringLiteral("hearth.db")).toStdString());
        gate_ = std::make_unique<NetworkGate>(NetworkGate::State::On);
        remotes_ = std::make_unique<Remotes>(*storage_, pipe_, *gate_, secrets_);
        router_ = std::make_unique<ReplyRouter>(remotes_->engine());
        connect(&pipe_, &TokenPipe::updated, this, [this](const ReplyUpdate& update) {
            if (session_)
                session_->update(update);
        });
        RemoteEndpoint endpoint;
        endpoint.name = QStringLiteral("Peer");
        endpoint.base = *baseAddress(address_, nullptr);
        endpoint.on = true;
        remotes_->put(endpoint, kKey);
        path_ = remotes_->all().value(0).path();
    }

    void cleanupTestCase() {
        session_.reset();
        router_.reset();
        remotes_.reset();
        storage_.reset();
        server_.closeWriteChannel();
        if (!server_.waitForFinished(10'000))
            server_.kill();
        server_.waitForFinished();
    }

    // First, since it learns what the server is.
    void theTestLearnsWhatItIs() {
        QSignalSpy tested(remotes_.get(), &Remotes::tested);
        remotes_->test(path_);
        QTRY_COMPARE_WITH_TIMEOUT(tested.size(), 1, kReplying);
        const auto found = tested[0][1].value<RemoteFindings>();
        QVERIFY2(found.problem.isEmpty(), qPrintable(found.problem));
        const RemoteEndpoint* endpoint = remotes_->find(path_);
        QCOMPARE(QString::fromLatin1(endpoint->kind->name), QStringLiteral("llama.cpp"));
        QVERIFY(endpoint->model.endsWith(QStringLiteral(".gguf")));
        QCOMPARE(endpoint->contextTokens, 1024);
    }

    void aConversationOfTwoTurns() {
        begin();
        say(QStringLiteral("Name three colours."));
        const ui::MessageRow first = session_->content().messages[1];
        QVERIFY2(first.state == ui::MessageState::Complete, qPrintable(first.note));
        QVERIFY(first.text.size() > 5);
        QCOMPARE(first.model, QStringLiteral("Peer"));
        QCOMPARE(first.remote, remotes_->find(path_)->host());
        QVERIFY(!first.receipt.about && first.receipt.promptTokens > 5 && first.receipt.generatedTokens > 1);
        say(QStringLiteral("And one more?"));
        const ui::MessageRow second = session_->content().messages[3];
        QVERIFY2(second.state == ui::MessageState::Complete, qPrintable(second.note));
        QVERIFY(second.receipt.promptTokens > first.receipt.promptTokens + first.receipt.generatedTokens - 5);
        // It had the first turn in its cache: only what is new was read.
        QVERIFY2(second.receipt.prefilledTokens < second.receipt.promptTokens,
                 qPrintable(QString::number(second.receipt.prefilledTokens)));
        // The mark is on the disk.
        const auto stored = storage_->wait([id = session_->id()](Store& store) { return loadConversation(store, id); });
        QCOMPARE(messageRow(stored->branch[1]).remote, first.remote);
        QCOMPARE(messageRow(stored->branch[0]).remote, QString());
    }

    void stopAndGoOn() {
        begin();
        session_->send(QStringLiteral("Tell me a long story about a lighthouse and the sea."));
        QTRY_VERIFY_WITH_TIMEOUT(session_->content().messages.value(1).text.size() > 40, kReplying);
        QElapsedTimer clock;
        clock.start();
        session_->stop();
        QTRY_VERIFY(!session_->isReplying());
        qInfo("stop took %lld ms", (long long)clock.elapsed());
        QVERIFY(clock.elapsed() < 2000);
        const ui::MessageRow half = session_->content().messages[1];
        QVERIFY(half.state == ui::MessageState::Interrupted);
        QVERIFY(half.receipt.about); // it was not counted
        // The server has only one place: that it answers shows that it stopped too.
        session_->continueReply(half.id);
        QTRY_VERIFY_WITH_TIMEOUT(session_->content().messages[1].text.size() > half.text.size() + 20, kReplying);
        QVERIFY(session_->content().messages[1].text.startsWith(half.text));
        session_->stop();
        QTRY_VERIFY(!session_->isReplying());
    }

    void whatIsTooLongIsSaid() {
        begin();
        RemoteEndpoint larger = *remotes_->find(path_);
        larger.contextTokens = 100'000;
        remotes_->put(larger);
        say(QStringLiteral("word ").repeated(4000));
        const ui::MessageRow reply = session_->content().messages[1];
        QVERIFY(reply.state == ui::MessageState::Failed);
        QVERIFY2(reply.note.contains(QStringLiteral("longer than what Peer can read")), qPrintable(reply.note));
        larger.contextTokens = 1024;
        remotes_->put(larger);
    }

    void aWrongKeyIsSaid() {
        begin();
        remotes_->put(*remotes_->find(path_), QStringLiteral("wrong"));
        say(QStringLiteral("Hello"));
        QVERIFY2(session_->content().messages[1].note.contains(QStringLiteral("does not accept the stored key")),
                 qPrintable(session_->content().messages[1].note));
        remotes_->dropKey(path_);
        begin();
        say(QStringLiteral("Hello"));
        QVERIFY2(session_->content().messages[1].note.contains(QStringLiteral("wants a key")),
                 qPrintable(session_->content().messages[1].note));
        remotes_->put(*remotes_->find(path_), kKey);
    }

    void aServerThatDiesIsSaid() {
        begin();
        session_->send(QStringLiteral("Tell me a long story about a lighthouse and the sea."));
        QTRY_VERIFY_WITH_TIMEOUT(session_->content().messages.value(1).text.size() > 20, kReplying);
        server_.kill();
        QTRY_VERIFY_WITH_TIMEOUT(!session_->isReplying(), 20'000);
        const ui::MessageRow reply = session_->content().messages[1];
        QVERIFY2(reply.note.contains(QStringLiteral("What had come is kept")), qPrintable(reply.note));
        QVERIFY(reply.text.size() > 20);
    }

private:
    void begin() {
        SessionServices services{
            .storage = *storage_,
            .engine = *router_,
            .nextReply = [this] { return ++last_; },
            .loadedName = [this](const QString& path) { return remotes_->nameOf(path); },
            .drainPipe = [this] { pipe_.drain(); },
            // Not left to the server's chance: so small a model can talk until its context is full.
            .defaults =
                [](const QString&) {
                    return ReplyDefaults{.ownSampling = {{"temperature", 0.0}}};
                },
        };
        StoredConversation fresh;
        fresh.conversation.model = path_.toStdString();
        session_ = std::make_unique<ChatSession>(services, fresh);
    }

    void say(const QString& text) {
        const qsizetype before = session_->content().messages.size();
        session_->send(text);
        QTRY_VERIFY_WITH_TIMEOUT(session_->content().messages.size() == before + 2 && !session_->isReplying(),
                                 kReplying);
    }

    QString model_, address_, path_;
    QTemporaryDir folder_;
    QProcess server_;
    tests::FakeSecrets secrets_;
    TokenPipe pipe_;
    std::unique_ptr<StorageWorker> storage_;
    std::unique_ptr<NetworkGate> gate_;
    std::unique_ptr<Remotes> remotes_;
    std::unique_ptr<ReplyRouter> router_;
    std::unique_ptr<ChatSession> session_;
    ReplyId last_ = 0;
};

QTEST_GUILESS_MAIN(RemoteRealTest)
#include "remote_real_test.moc"
