// The engine thread over a tiny model: what it reads of a conversation is not read again in the next session.
#include "app/engine_worker.h"
#include "tests/engine/core/gguf_writer.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QTemporaryDir>
#include <QTest>

using namespace hearth;

namespace {

constexpr int kPatience = 30000; // ms

/// One session: from the start of the thread to its end.
class Session : public QObject {
public:
    Session(const QString& folder, const QString& model) : model_(model), worker_(pipe_, app::LoadMark({})) {
        connect(&pipe_, &app::TokenPipe::updated, this, [this](const app::ReplyUpdate& update) {
            text += QString::fromStdString(update.text);
            if (update.end == app::ReplyEnd::None)
                return;
            prefilled = update.prefilledTokens;
            ended = true;
        });
        connect(
            &worker_, &app::EngineWorker::loaded, this, [this] { loaded_ = true; }, Qt::QueuedConnection);
        worker_.start({.threads = 1}, folder);
        worker_.load({model_, 0});
        wait([this] { return loaded_; });
    }

    ~Session() override { worker_.finish(); }

    /// Asks, and waits for the beginning of an answer.
    void ask(const std::string& question, int64_t conversation) {
        begin(question, conversation);
        end();
    }

    void begin(const std::string& question, int64_t conversation) {
        say({{.role = "user", .content = question}}, conversation, 0);
        wait([this] { return text.size() > 20 || ended; });
    }

    void end() {
        *cancel = true;
        wait([this] { return ended; });
    }

    /// The next turn of a conversation, answered to its end.
    void askToTheEnd(std::vector<engine::ChatMessage> messages, int64_t conversation) {
        say(std::move(messages), conversation, 100); // every token is about as likely, the end too
        wait([this] { return ended; });
    }

    static void wait(const std::function<bool()>& until) { QVERIFY(QTest::qWaitFor(until, kPatience)); }

    app::EngineWorker& worker() { return worker_; }

    QString text;
    int prefilled = -1;
    bool ended = false;
    std::shared_ptr<std::atomic<bool>> cancel;

private:
    void say(std::vector<engine::ChatMessage> messages, int64_t conversation, float temperature) {
        ended = false;
        text.clear();
        app::ReplyRequest request;
        request.id = ++last_;
        request.model = QFile::encodeName(model_).toStdString();
        request.conversation = conversation;
        request.prompt.messages = std::move(messages);
        request.sampling =
            engine::SamplerSettings{.temperature = temperature, .topK = 0, .topP = 1, .minP = 0, .seed = 3};
        request.cancel = cancel = std::make_shared<std::atomic<bool>>(false);
        worker_.reply(std::move(request));
    }

    QString model_;
    app::TokenPipe pipe_;
    app::EngineWorker worker_;
    app::ReplyId last_ = 0;
    bool loaded_ = false;
};

} // namespace

class PrefixTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        folder_ = std::make_unique<QTemporaryDir>();
        prefixes_ = folder_->filePath(QStringLiteral("prefixes"));
        model_ = folder_->filePath(QStringLiteral("tiny.gguf"));
        test::GgufWriter tiny = test::tinyLlama({});
        // An answer is written into the history in another way than it was given.
        tiny.setText("tokenizer.chat_template",
                     "{% for m in messages %}{{ m.role }}: {% if m.role == 'assistant' %}[{{ m.content }}]"
                     "{% else %}{{ m.content }}{% endif %}\n{% endfor %}assistant: ");
        const std::string bytes = tiny.bytes();
        QFile file(model_);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(bytes.data(), qint64(bytes.size()));
    }

    void theNextSessionReadsOnlyWhatIsNew() {
        {
            Session session(prefixes_, model_);
            session.ask(question(), 7);
            QVERIFY(session.prefilled > 500);
            waitForFiles(1);
        }
        Session session(prefixes_, model_);
        session.ask(question() + "More of it.", 7);
        QVERIFY2(session.prefilled >= 0 && session.prefilled <= 100, qPrintable(QString::number(session.prefilled)));
        QCOMPARE(files().size(), 1);
        QVERIFY(files().front().startsWith(QStringLiteral("7-")));
        session.ask(question(), 0); // of no conversation: nothing is kept
        QCOMPARE(files().size(), 1);
    }

    void theNextTurnIsReadAhead() {
        Session session(prefixes_, model_);
        std::vector<engine::ChatMessage> messages = {{.role = "user", .content = question()}};
        session.askToTheEnd(messages, 7);
        const auto answer = session.text.toStdString();
        QVERIFY(answer.size() > 100);
        waitForFiles(1); // whatever is done while nobody waits is done
        messages.push_back({.role = "assistant", .content = answer});
        messages.push_back({.role = "user", .content = "More of it."});
        session.askToTheEnd(messages, 7);
        QVERIFY2(session.prefilled <= 40, qPrintable(QString::number(session.prefilled)));
    }

    void aQuestionDoesNotWaitForWhatIsReadAhead() {
        Session session(prefixes_, model_);
        std::vector<engine::ChatMessage> messages = {{.role = "user", .content = question()}};
        session.askToTheEnd(messages, 7);
        messages.push_back({.role = "assistant", .content = session.text.toStdString()});
        messages.push_back({.role = "user", .content = "More of it."});
        session.askToTheEnd(messages, 7); // at once
        QVERIFY(session.ended);
        session.worker().finish(); // in the middle of it
    }

    void whatIsDeletedIsGone() {
        Session session(prefixes_, model_);
        for (const int64_t conversation : {3, 4, 33}) {
            session.ask(question() + std::to_string(conversation), conversation);
        }
        waitForFiles(3);
        session.worker().forgetConversation(3);
        waitForFiles(2);
        session.worker().keepConversations({33});
        waitForFiles(1);
        QVERIFY(files().front().startsWith(QStringLiteral("33-")));
        session.ask(question() + "33", 33);
        session.ask(question() + "3", 3); // it came back from the trash
        waitForFiles(2);
    }

    void whatIsDeletedInTheMiddleOfAReplyStaysGone() {
        Session session(prefixes_, model_);
        session.ask(question(), 5); // there is a file
        waitForFiles(1);
        session.begin(question() + "again", 5);
        session.worker().forgetConversation(5);
        session.end();
        session.ask("Hi", 0); // whatever was to be written is written
        QTest::qWait(300);
        QCOMPARE(files().size(), 0);
        for (const QFileInfo& open :
             QDir(QStringLiteral("/proc/self/fd")).entryInfoList(QDir::NoDotAndDotDot | QDir::Files | QDir::System))
            QVERIFY2(!open.symLinkTarget().contains(QStringLiteral(".kv")), qPrintable(open.symLinkTarget()));
    }

    void whoeverDeletesMayCloseAtOnce() {
        Session session(prefixes_, model_);
        session.ask(question(), 5);
        waitForFiles(1);
        session.worker().forgetConversation(5);
        session.worker().finish();
        QCOMPARE(files().size(), 0);
    }

    void withoutAFolderNothingIsKept() {
        Session session({}, model_);
        session.ask(question(), 7);
        session.worker().forgetConversation(7);
        session.ask(question(), 7);
        QCOMPARE(files().size(), 0);
    }

private:
    static std::string question() {
        std::string text;
        for (int i = 0; i < 60; ++i)
            text += "line " + std::to_string(i) + ". ";
        return text;
    }

    QStringList files() const { return QDir(prefixes_).entryList({QStringLiteral("*.kv")}, QDir::Files); }

    /// So many, and nothing is being written any more.
    void waitForFiles(int n) {
        const auto bytes = [this] {
            qint64 sum = 0;
            for (const QString& name : files())
                sum += QFileInfo(prefixes_ + QLatin1Char('/') + name).size();
            return sum;
        };
        QVERIFY(QTest::qWaitFor([&] { return files().size() == n; }, kPatience));
        for (qint64 before = -1; before != bytes();) {
            before = bytes();
            QTest::qWait(100);
        }
    }

    std::unique_ptr<QTemporaryDir> folder_;
    QString prefixes_, model_;
};

QTEST_GUILESS_MAIN(PrefixTest)
#include "prefix_test.moc"
