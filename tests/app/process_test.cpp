// The real program as a process: how fast and how small it is, and what survives its violent ends. It is driven without
// hooks: a message that waits in the database is answered as soon as the model is there.
#include "storage/check.h"
#include "tests/app/starter.h"

#include <nlohmann/json.hpp>

#include <QElapsedTimer>
#include <QFile>
#include <QLocalSocket>
#include <QProcess>
#include <QRandomGenerator>
#include <QRegularExpression>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <ctime>
#include <optional>

using namespace hearth;

namespace {

constexpr int kPatience = 60000; // ms

/// A run of the program, with what it says on stderr as it comes.
class Program {
public:
    Program(const QString& folder, const QString& models, const QStringList& more = {}) {
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("offscreen"));
        environment.insert(QStringLiteral("HEARTH_MODELS"), models);
        environment.insert(QStringLiteral("XDG_RUNTIME_DIR"), folder);
        process.setProcessEnvironment(environment);
        process.start(QStringLiteral(HEARTH_BINARY),
                      QStringList{QStringLiteral("--data"), folder, QStringLiteral("--timings")} + more);
        process.waitForStarted(kPatience);
    }

    ~Program() {
        if (process.state() != QProcess::NotRunning) {
            process.kill();
            process.waitForFinished(kPatience);
        }
    }

    /// Waits for a line that contains this; its time in ms since the start. -1: it did not come.
    double waitFor(const char* what, int patience = kPatience) {
        QElapsedTimer watch;
        watch.start();
        while (watch.elapsed() < patience) {
            collect();
            for (const Line& line : lines) {
                if (line.text.contains(what))
                    return line.ms;
            }
            if (process.state() == QProcess::NotRunning)
                return -1;
            process.waitForReadyRead(5);
        }
        return -1;
    }

    void collect() {
        pending += process.readAllStandardError();
        for (;;) {
            const qsizetype end = pending.indexOf('\n');
            if (end < 0)
                return;
            const QByteArray line = pending.left(end);
            pending.remove(0, end + 1);
            const QRegularExpressionMatch match = pattern.match(QString::fromUtf8(line));
            lines.push_back({match.hasMatch() ? match.captured(1).toDouble() : -1, line});
        }
    }

    /// ms since the start of the program, on the clock of its lines.
    double now() const {
        timespec t = {};
        clock_gettime(CLOCK_BOOTTIME, &t);
        return double(t.tv_sec) * 1e3 + double(t.tv_nsec) / 1e6 - startedAt();
    }

    double startedAt() const { // ms since boot
        QFile stat(QStringLiteral("/proc/%1/stat").arg(process.processId()));
        if (!stat.open(QIODevice::ReadOnly))
            return 0;
        const QByteArray text = stat.readAll();
        const QList<QByteArray> fields = text.mid(text.lastIndexOf(')') + 2).split(' ');
        return fields.value(19).toDouble() * 1e3 / double(sysconf(_SC_CLK_TCK));
    }

    int64_t memory(const char* key) const { // bytes
        QFile status(QStringLiteral("/proc/%1/status").arg(process.processId()));
        if (!status.open(QIODevice::ReadOnly))
            return 0;
        for (const QByteArray& line : status.readAll().split('\n')) {
            if (line.startsWith(key))
                return line.mid(line.indexOf(':') + 1).simplified().split(' ').value(0).toLongLong() * 1024;
        }
        return 0;
    }

    struct Line {
        double ms = -1;
        QByteArray text;
    };

    QProcess process;
    std::vector<Line> lines;

private:
    QByteArray pending;
    QRegularExpression pattern{QStringLiteral("^hearth ([0-9.]+) ms: ")};
};

struct Kept {
    std::vector<storage::Message> branch;
    std::string problem; // of the database itself
};

} // namespace

class ProcessTest : public QObject {
    Q_OBJECT

private slots:

    void initTestCase() {
        model_ = test::starterModel();
        if (model_.isEmpty())
            QSKIP("The starter model is not there: set HEARTH_MODELS to the folder that holds it.");
        models_ = QFileInfo(model_).path();
    }

    void init() { folder_ = std::make_unique<QTemporaryDir>(); }

    void theWindowIsThereInASecondAndTheModelBehindIt() {
        double best = 1e9;
        for (int i = 0; i < 3; ++i) { // the first start fills caches of the system
            Program program(folder_->path(), models_);
            const double shown = program.waitFor("window on screen");
            QVERIFY(shown > 0);
            const double ready = program.waitFor("model ready");
            QVERIFY(ready > shown);
            qInfo("window on screen after %.0f ms, model ready after %.0f ms", shown, ready);
            best = std::min(best, shown);
            program.process.terminate();
            QVERIFY(program.process.waitForFinished(kPatience));
            QCOMPARE(program.process.exitCode(), 0);
        }
        QVERIFY2(best < 1000, "the window came late");
    }

    void aSecondStartRaisesTheFirst() {
        Program first(folder_->path(), models_);
        QVERIFY(first.waitFor("window on screen") > 0);
        Program second(folder_->path(), models_);
        QVERIFY(second.process.waitForFinished(10000));
        QVERIFY(second.process.exitStatus() == QProcess::NormalExit);
        QCOMPARE(second.process.exitCode(), 0);
        QVERIFY(first.waitFor("window raised", 5000) > 0);
        QVERIFY(first.process.state() == QProcess::Running);
        first.process.terminate();
        QVERIFY(first.process.waitForFinished(kPatience));
    }

    void anotherWriterIsNamed() {
        const auto lock = storage::InstanceLock::tryTake(test::databaseIn(folder_->path()));
        QVERIFY(lock != nullptr);
        Program program(folder_->path(), models_);
        QVERIFY(program.process.waitForFinished(10000));
        QCOMPARE(program.process.exitCode(), 1);
        program.collect();
        QVERIFY(!program.lines.empty());
        QVERIFY(program.lines.back().text.contains("Another program"));
    }

    void aFolderThatCannotBeUsedGivesOneMessage() {
        const QString file = folder_->filePath(QStringLiteral("file"));
        QFile(file).open(QIODevice::WriteOnly);
        Program program(file, models_);
        QVERIFY(program.waitFor("window on screen") > 0); // the window says it too
        program.process.terminate();
        QVERIFY(program.process.waitForFinished(kPatience));
        QVERIFY(program.process.exitStatus() == QProcess::NormalExit);
        program.collect();
        int sentences = 0;
        for (const auto& line : program.lines)
            sentences += line.text.startsWith("hearth: ");
        QCOMPARE(sentences, 1);
    }

    void memoryAtAThousandTokens() {
        std::string text = "Summarize this in one sentence:";
        for (int i = 0; i < 240; ++i)
            text += " The sea was calm.";
        const test::Seed seed = seedIt(text);
        Program program(folder_->path(), models_);
        QVERIFY(waitForBytes(program, 1)); // the prompt was read then; the answer may be as short as was asked for
        const int64_t most = program.memory("VmHWM");
        const int64_t modelBytes = QFileInfo(model_).size();
        qInfo("resident at most %.0f MB, the model has %.0f MB", double(most) / 1e6, double(modelBytes) / 1e6);
        QVERIFY(most > modelBytes / 4);
        QVERIFY(most <= modelBytes + 150'000'000);
        program.process.terminate();
        QVERIFY(program.process.waitForFinished(kPatience));
        const Kept kept = read(seed.conversation);
        const auto receipt = nlohmann::json::parse(kept.branch.back().receipt, nullptr, false);
        QVERIFY(receipt.value("promptTokens", 0) >= 1000);
    }

    void sigtermWhileGeneratingKeepsTheText_data() {
        QTest::addColumn<int>("signal");
        QTest::newRow("SIGTERM") << SIGTERM;
        QTest::newRow("SIGINT") << SIGINT;
        QTest::newRow("SIGHUP") << SIGHUP;
    }

    void sigtermWhileGeneratingKeepsTheText() {
        QFETCH(int, signal);
        const test::Seed seed = seedIt("Write a long story about a mountain village.");
        int64_t shown = 0;
        {
            Program program(folder_->path(), models_);
            QVERIFY(waitForBytes(program, 50));
            ::kill(pid_t(program.process.processId()), signal);
            QVERIFY(program.process.waitForFinished(10000));
            QVERIFY(program.process.exitStatus() == QProcess::NormalExit);
            QCOMPARE(program.process.exitCode(), 0);
            program.collect();
            shown = bytesShown(program, 1e18);
        }
        const Kept kept = read(seed.conversation);
        QCOMPARE(kept.problem, std::string());
        QCOMPARE(kept.branch.size(), size_t(2));
        QVERIFY(kept.branch[1].state == storage::MessageState::Interrupted ||
                kept.branch[1].state == storage::MessageState::Complete);
        QCOMPARE(int64_t(kept.branch[1].text.size()), shown); // every byte
    }

    // At 50 random instants of a growing reply: no message is lost, at most 250 ms of the reply, and the next start
    // finds a sound database.
    void killedWhileStreaming() {
        const int kills =
            qEnvironmentVariableIntValue("HEARTH_KILLS") > 0 ? qEnvironmentVariableIntValue("HEARTH_KILLS") : 50;
        storage::ConversationId conversation;
        std::vector<storage::Message> before; // what was acknowledged so far
        double worst = 0;                     // ms of reply lost
        for (int i = 0; i < kills; ++i) {
            if (i % 8 == 0) { // a context does not hold more
                conversation = {};
                before.clear();
            }
            const std::string text = "Write a very long story, number " + std::to_string(i) + ".";
            const test::Seed seed = test::seedQueued(folder_->path(), model_, text, conversation);
            conversation = seed.conversation;
            double killedAt = 0;
            std::vector<Program::Line> lines;
            {
                Program program(folder_->path(), models_);
                QVERIFY2(waitForBytes(program, 1), "no reply");
                QElapsedTimer watch;
                watch.start();
                const int delay = QRandomGenerator::global()->bounded(1200);
                while (watch.elapsed() < delay)
                    program.process.waitForReadyRead(1);
                killedAt = program.now();
                ::kill(pid_t(program.process.processId()), SIGKILL);
                QVERIFY(program.process.waitForFinished(kPatience));
                program.collect();
                lines = program.lines;
            }
            const Kept kept = read(conversation);
            QVERIFY2(kept.problem.empty(), kept.problem.c_str());
            QVERIFY(kept.branch.size() >= before.size() + 2);
            for (size_t m = 0; m < before.size(); ++m)
                QCOMPARE(kept.branch[m].text, before[m].text);
            QCOMPARE(kept.branch[before.size()].text, text);
            const int64_t stored = int64_t(kept.branch.back().text.size());
            // The newest text that was shown at the kill but is not stored: since when was it on the screen?
            for (const Program::Line& line : lines) {
                if (const std::optional<int64_t> bytes = bytesOf(line.text); bytes && *bytes > stored) {
                    worst = std::max(worst, killedAt - line.ms);
                    break;
                }
            }
            before = kept.branch;
        }
        qInfo("%d kills, at most %.0f ms of a reply lost", kills, worst);
        QVERIFY2(worst <= 250, "more than 250 ms of a reply were lost");

        // The next start shows the reply as interrupted, and it can be continued.
        Program program(folder_->path(), models_);
        QVERIFY(program.waitFor("model ready") > 0);
        program.process.terminate();
        QVERIFY(program.process.waitForFinished(kPatience));
        const Kept kept = read(conversation);
        QVERIFY(kept.branch.back().state == storage::MessageState::Interrupted ||
                kept.branch.back().state == storage::MessageState::Complete);
    }

    void noCrashLoop_data() {
        QTest::addColumn<int>("signal");
        QTest::newRow("SIGKILL") << SIGKILL;
        QTest::newRow("SIGILL") << SIGILL;
    }

    // A load that took the program down is not tried again by itself.
    void noCrashLoop() {
        QFETCH(int, signal);
        const test::Seed seed = seedIt("Hello");
        const QString mark = folder_->filePath(QStringLiteral("loading.mark"));
        {
            Program program(folder_->path(), models_);
            QElapsedTimer watch;
            watch.start();
            while (!QFile::exists(mark) && watch.elapsed() < kPatience)
                QTest::qSleep(1);
            ::kill(pid_t(program.process.processId()), signal);
            QVERIFY(program.process.waitForFinished(kPatience));
            QVERIFY(program.process.exitStatus() == QProcess::CrashExit);
        }
        QVERIFY2(QFile::exists(mark), "the mark was gone before the program could be killed");
        for (int start = 0; start < 2; ++start) { // and stays so until the person says otherwise
            Program program(folder_->path(), models_);
            QVERIFY(program.waitFor("model suspected") > 0);
            QVERIFY(program.waitFor("model ready", 1500) < 0);
            QVERIFY(program.process.state() == QProcess::Running);
            program.process.terminate();
            QVERIFY(program.process.waitForFinished(kPatience));
            QCOMPARE(program.process.exitCode(), 0);
        }
        const Kept kept = read(seed.conversation);
        QCOMPARE(kept.branch.size(), size_t(1)); // the message is kept and waits
        QVERIFY(kept.branch[0].state == storage::MessageState::Queued);
    }

private:
    test::Seed seedIt(const std::string& text) { return test::seedQueued(folder_->path(), model_, text); }

    Kept read(storage::ConversationId id) {
        Kept kept;
        for (const std::string& problem : storage::check(test::databaseIn(folder_->path())).problems)
            kept.problem += problem + ' ';
        storage::Database database(test::databaseIn(folder_->path()), storage::Database::Mode::Read);
        kept.branch = storage::Messages(database).branch(storage::Conversations(database).find(id)->activeLeaf);
        return kept;
    }

    /// "text ID BYTES": so much of a reply is on the screen.
    static std::optional<int64_t> bytesOf(const QByteArray& line) {
        const qsizetype at = line.indexOf(" ms: text ");
        if (at < 0)
            return std::nullopt;
        return line.mid(at + 10).split(' ').value(1).toLongLong();
    }

    static int64_t bytesShown(const Program& program, double until) {
        int64_t bytes = 0;
        for (const Program::Line& line : program.lines) {
            if (const auto shown = bytesOf(line.text); shown && line.ms <= until)
                bytes = *shown;
        }
        return bytes;
    }

    static bool waitForBytes(Program& program, int64_t bytes) {
        QElapsedTimer watch;
        watch.start();
        while (watch.elapsed() < kPatience && program.process.state() == QProcess::Running) {
            program.process.waitForReadyRead(5);
            program.collect();
            if (bytesShown(program, 1e18) >= bytes)
                return true;
        }
        return false;
    }

    QString model_, models_;
    std::unique_ptr<QTemporaryDir> folder_;
};

QTEST_GUILESS_MAIN(ProcessTest)
#include "process_test.moc"
