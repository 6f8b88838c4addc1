// The real program hearth-cli against both hubs' interfaces: search, show, pull; killed at any instant, it goes on.

#include "tests/app/downloads/download_run.h"
#include "tests/app/downloads/hub_script.h"
#include "tests/engine/core/gguf_writer.h"

#include <QElapsedTimer>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <cstddef>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <random>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <vector>

using namespace hearth::tests;

namespace {

constexpr long kMiB = 1 << 20;
const std::string kId = "somebody/Tiny-GGUF";

struct Result {
    int status = -1;
    QByteArray out, err;

    QJsonObject json() const { return QJsonDocument::fromJson(out).object(); }
};

} // namespace

class PullTest : public QObject {
    Q_OBJECT

    Result run(const QStringList& words) {
        QProcess process;
        process.setProcessEnvironment(environment_);
        process.start(QStringLiteral(HEARTH_CLI), words);
        process.waitForFinished(200'000);
        return {process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -2, process.readAllStandardOutput(),
                process.readAllStandardError()};
    }

    /// Bytes that the journals of unfinished downloads say are there; all of it once it is in the library.
    long arrived() const {
        long bytes = QFile::exists(library_ + QStringLiteral("/tiny-Q8_0.gguf")) ? long(large_->size()) : 0;
        const QStringList folders = hearth::app::workFolders(library_);
        for (const QString& folder : folders)
            if (QFile::exists(folder + QStringLiteral("/0.chunks"))) {
                hearth::app::ChunkMap map;
                map.open(folder + QStringLiteral("/0.chunks"), qint64(large_->size()));
                bytes = std::max(bytes, long(map.arrivedBytes()));
            }
        return bytes;
    }

    FaultyServer hub_, store_{"127.0.0.2"};
    HubScript script_{hub_, store_, kId};
    QTemporaryDir dir_;
    QProcessEnvironment environment_;
    Content small_ = madeContent(3 * kMiB + 77, 1), large_ = madeContent(12 * kMiB + 12'345, 2);
    QString library_;

private slots:

    void initTestCase() {
        script_.add("tiny-Q4_K_M.gguf", small_, sha256Of(*small_).toStdString());
        script_.add("tiny-Q8_0.gguf", large_, sha256Of(*large_).toStdString());
        for (int i = 1; i <= 2; ++i) {
            const Content part = madeContent(size_t(kMiB + i), unsigned(10 + i));
            script_.add("F16/tiny-F16-0000" + std::to_string(i) + "-of-00002.gguf", part,
                        sha256Of(*part).toStdString());
        }
        library_ = dir_.path() + QStringLiteral("/models");
        environment_ = QProcessEnvironment::systemEnvironment();
        for (const char* name : {"http_proxy", "https_proxy", "HTTP_PROXY", "all_proxy", "HF_TOKEN"})
            environment_.remove(QString::fromLatin1(name));
        environment_.insert(QStringLiteral("HF_ENDPOINT"), QString::fromStdString(hub_.base()));
        environment_.insert(QStringLiteral("MODELSCOPE_ENDPOINT"), QString::fromStdString(hub_.base()));
        environment_.insert(QStringLiteral("HEARTH_MODELS"), library_);
        environment_.insert(QStringLiteral("DBUS_SESSION_BUS_ADDRESS"), QStringLiteral("unix:path=/nonexistent"));
    }

    void init() {
        script_.bytesPerSecond = 0;
        script_.gated = false;
        script_.wantedToken.clear();
        hub_.forget();
        store_.forget();
        environment_.remove(QStringLiteral("HF_TOKEN"));
        QDir(library_).removeRecursively();
    }

    void search_data() {
        QTest::addColumn<QString>("hub");
        QTest::newRow("Hugging Face") << "huggingface";
        QTest::newRow("ModelScope") << "modelscope";
    }

    void search() {
        QFETCH(QString, hub);
        const Result r = run({QStringLiteral("models"), QStringLiteral("search"), QStringLiteral("Tiny"),
                              QStringLiteral("--hub"), hub, QStringLiteral("--json")});
        QCOMPARE(r.status, 0);
        const QJsonArray models = r.json()[QLatin1String("models")].toArray();
        QCOMPARE(models.size(), 1);
        QCOMPARE(models[0][QLatin1String("id")].toString(), QString::fromStdString(kId));
    }

    void show_data() { search_data(); }

    void show() {
        QFETCH(QString, hub);
        const Result r = run({QStringLiteral("models"), QStringLiteral("show"), QString::fromStdString(kId),
                              QStringLiteral("--hub"), hub, QStringLiteral("--json")});
        QVERIFY2(r.status == 0, r.err);
        const QJsonArray groups = r.json()[QLatin1String("groups")].toArray();
        QCOMPARE(groups.size(), 3);
        QCOMPARE(groups[0][QLatin1String("quant")].toString(), QStringLiteral("F16"));
        QCOMPARE(groups[0][QLatin1String("files")].toArray().size(), 2);
        QCOMPARE(groups[1][QLatin1String("bytes")].toInteger(), qint64(small_->size()));
        QVERIFY(!r.json()[QLatin1String("license")].toString().isEmpty());
    }

    void pull_data() { search_data(); }

    void pull() {
        QFETCH(QString, hub);
        const Result r = run({QStringLiteral("models"), QStringLiteral("pull"), QString::fromStdString(kId),
                              QStringLiteral("--hub"), hub});
        QVERIFY2(r.status == 0, r.err);
        QCOMPARE(QString::fromUtf8(r.out).trimmed(), library_ + QStringLiteral("/tiny-Q4_K_M.gguf"));
        QCOMPARE(DownloadRun::bytesOf(library_ + QStringLiteral("/tiny-Q4_K_M.gguf")),
                 QByteArray::fromStdString(*small_));
        // Again: nothing comes a second time.
        store_.forget();
        const Result again = run({QStringLiteral("models"), QStringLiteral("pull"), QString::fromStdString(kId),
                                  QStringLiteral("--hub"), hub});
        QCOMPARE(again.out, r.out);
        QCOMPARE(store_.sent(), 0);
    }

    void pullOfParts() {
        const Result r = run({QStringLiteral("models"), QStringLiteral("pull"), QString::fromStdString(kId + ":f16"),
                              QStringLiteral("--json")});
        QVERIFY2(r.status == 0, r.err);
        QCOMPARE(r.json()[QLatin1String("path")].toString(),
                 library_ + QStringLiteral("/tiny-F16/tiny-F16-00001-of-00002.gguf"));
    }

    /// By its header alone, over the line.
    void judgedBeforeTheDownload() {
        const auto content = std::make_shared<std::string>(hearth::test::tinyLlama().bytes());
        FaultyServer hub, store("127.0.0.2");
        HubScript script(hub, store, "x/y");
        script.add("y-F32.gguf", content, sha256Of(*content).toStdString());
        const Result r = run({QStringLiteral("models"), QStringLiteral("show"), QStringLiteral("x/y:F32"),
                              QStringLiteral("--base"), QString::fromStdString(hub.base()), QStringLiteral("--json")});
        QVERIFY2(r.status == 0, r.err);
        const QJsonObject fit = r.json()[QLatin1String("fit")].toObject();
        QCOMPARE(fit[QLatin1String("problem")].toString(), QString());
        QCOMPARE(fit[QLatin1String("family")].toString(), QStringLiteral("llama"));
        QVERIFY(fit[QLatin1String("fits")].toBool() && fit[QLatin1String("weightBytes")].toInteger() > 0);
        QVERIFY(QDir(library_).isEmpty() || !QDir(library_).exists());
    }

    void whatCannotBe_data() {
        QTest::addColumn<QStringList>("words");
        QTest::addColumn<int>("status");
        QTest::addColumn<QString>("said");
        const QString id = QString::fromStdString(kId);
        QTest::newRow("no such model") << QStringList{"pull", "nobody/nothing"} << 1 << "no such model";
        QTest::newRow("no such quant") << QStringList{"pull", id + ":Q2_K"} << 1 << "Name one with --file";
        QTest::newRow("no name") << QStringList{"show", "../../etc"} << 1 << "not the name of a model";
        QTest::newRow("no address") << QStringList{"show", id, "--base", "file:///etc"} << 1
                                    << "not an address of the web";
        QTest::newRow("nobody there") << QStringList{"show", id, "--base", "http://127.0.0.1:1"} << 1
                                      << "cannot be reached";
        QTest::newRow("no hub") << QStringList{"show", id, "--hub", "elsewhere"} << 2 << "elsewhere";
        QTest::newRow("no command") << QStringList{"fetch", id} << 2 << "no command";
        QTest::newRow("not judged") << QStringList{"show", id + ":Q4_K_M"} << 1 << "GGUF";
    }

    void whatCannotBe() {
        QFETCH(QStringList, words);
        QFETCH(int, status);
        QFETCH(QString, said);
        const Result r = run(QStringList{QStringLiteral("models")} + words);
        QVERIFY2(r.status == status, r.err);
        QVERIFY2(r.err.contains(said.toUtf8()), r.err);
        QVERIFY(r.out.isEmpty());
    }

    void gatedModels() {
        script_.gated = true;
        script_.wantedToken = "hf_right";
        const QStringList words{QStringLiteral("models"), QStringLiteral("pull"), QString::fromStdString(kId)};
        Result r = run(words);
        QCOMPARE(r.status, 1);
        QVERIFY2(r.err.contains("Accept its conditions"), r.err);
        environment_.insert(QStringLiteral("HF_TOKEN"), QStringLiteral("hf_wrong"));
        r = run(words);
        QCOMPARE(r.status, 1);
        QVERIFY2(r.err.contains("have accepted its conditions"), r.err);
        environment_.insert(QStringLiteral("HF_TOKEN"), QStringLiteral("hf_right"));
        r = run(words);
        QVERIFY2(r.status == 0, r.err);
        for (const ServerRequest& q : store_.requests())
            QVERIFY(q.header("authorization").empty());
    }

    /// Fifty kills at random instants over the whole of a download, up to three of the same one; then it is let go on
    /// to its end. HEARTH_SEED gives other instants.
    void killedAtAnyInstant() {
        constexpr int kKills = 50, kKillsOfOne = 3, kParts = 5;
        script_.bytesPerSecond = 5 * kMiB; // of each of four connections
        const unsigned seed =
            qEnvironmentVariableIsSet("HEARTH_SEED") ? qEnvironmentVariable("HEARTH_SEED").toUInt() : 20261126u;
        std::mt19937 random(seed);
        long worst = 0;
        int kills = 0, rounds = 0, killsIn[kParts + 1] = {}; // by how much was sent; the last: all, before it was in
        while (kills < kKills) {
            QDir(library_).removeRecursively();
            const long sentBefore = store_.sent();
            int killsOfRound = 0;
            for (bool killed = true; killed;) {
                const long sent = store_.sent(), had = arrived(), left = long(large_->size()) - had;
                QProcess process;
                process.setProcessEnvironment(environment_);
                process.start(QStringLiteral(HEARTH_CLI), pullLarge());
                QVERIFY(process.waitForStarted());
                const long instant = long(random() % unsigned(left + left / 20 + 1)); // bytes of the rest
                const int later = int(random() % 30);                                 // ms
                killed = false;
                if (kills < kKills && killsOfRound < kKillsOfOne) {
                    while (store_.sent() - sent < std::min(instant, left) && !process.waitForFinished(1)) {
                    }
                    killed = !process.waitForFinished(later);
                }
                if (!killed) {
                    QVERIFY(process.state() == QProcess::NotRunning || process.waitForFinished(200'000));
                    QVERIFY2(process.exitCode() == 0, process.readAllStandardError());
                    break;
                }
                ::kill(pid_t(process.processId()), SIGKILL);
                process.waitForFinished();
                ++kills;
                ++killsOfRound;
                QTest::qSleep(5); // the server notices
                const long came = store_.sent() - sent;
                ++killsIn[std::min<long>(kParts, kParts * (had + came) / long(large_->size()))];
                const long lost = came - (arrived() - had);
                worst = std::max(worst, lost);
                QVERIFY2(lost <= 8 * kMiB, qPrintable(QString::number(lost)));
                script_.generation = kills; // and the link has expired meanwhile
                QVERIFY(wholeOrNothing());
            }
            QVERIFY(isThere());
            QVERIFY(store_.sent() - sentBefore - long(large_->size()) <= killsOfRound * 8 * kMiB);
            ++rounds;
        }
        qInfo("seed %u: %d kills in %d downloads of %ld MiB, %d %d %d %d %d in the fifths of it and %d when all had "
              "come; "
              "lost at most %.2f MiB of what was sent",
              seed, kills, rounds, long(large_->size()) / kMiB, killsIn[0], killsIn[1], killsIn[2], killsIn[3],
              killsIn[4], killsIn[5], double(worst) / kMiB);
        for (int part = 0; part < kParts; ++part)
            QVERIFY2(killsIn[part] > 0, qPrintable(QStringLiteral("no kill in fifth %1").arg(part + 1)));
    }

    void killedAtTheNarrowPlaces_data() {
        QTest::addColumn<QList<int>>("calls");
#ifdef SYS_rename // older calls, which newer processors do not have
        const QList<int> renames{SYS_rename, SYS_link}, removals{SYS_unlink, SYS_rmdir};
#else
        const QList<int> renames, removals;
#endif
        QTest::newRow("the state is saved") << renames + QList<int>{SYS_renameat, SYS_linkat};
        QTest::newRow("it enters the library") << QList<int>{SYS_renameat2};
        QTest::newRow("the journal is begun") << QList<int>{SYS_ftruncate};
        QTest::newRow("the file goes to the disk") << QList<int>{SYS_fsync, SYS_fdatasync};
        QTest::newRow("the traces are removed") << removals + QList<int>{SYS_unlinkat};
    }

    /// The kernel ends the program where it asks for a certain thing; a second run brings it to its end.
    void killedAtTheNarrowPlaces() {
        QFETCH(QList<int>, calls);
        QProcess process;
        process.setProcessEnvironment(environment_);
        const std::vector<int> numbers(calls.begin(), calls.end());
        process.setChildProcessModifier([&numbers] { dieAt(numbers); });
        process.start(QStringLiteral(HEARTH_CLI), pullLarge());
        QVERIFY(process.waitForFinished(200'000));
        QVERIFY2(process.exitStatus() == QProcess::CrashExit, "it never came to that place");
        QVERIFY(wholeOrNothing());
        const Result r = run(pullLarge());
        QVERIFY2(r.status == 0, r.err);
        QVERIFY(isThere());
    }

private:
    QStringList pullLarge() const {
        return {QStringLiteral("models"), QStringLiteral("pull"), QString::fromStdString(kId + ":Q8_0")};
    }

    /// What lies there by its name is whole, or nothing.
    bool wholeOrNothing() const {
        const QByteArray seen = DownloadRun::bytesOf(library_ + QStringLiteral("/tiny-Q8_0.gguf"));
        return seen.isEmpty() || seen == QByteArray::fromStdString(*large_);
    }

    /// It is there, whole, and nothing else is.
    bool isThere() const {
        return DownloadRun::bytesOf(library_ + QStringLiteral("/tiny-Q8_0.gguf")) ==
                   QByteArray::fromStdString(*large_) &&
               QDir(library_).entryList(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot).size() == 1;
    }

    /// In the child, before the program begins: none of these calls is survived.
    static void dieAt(const std::vector<int>& numbers) {
        std::vector<sock_filter> rules{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
        for (const int number : numbers) {
            rules.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, unsigned(number), 0, 1));
            rules.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
        }
        rules.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
        sock_fprog program{};
        program.len = (unsigned short)(rules.size());
        program.filter = rules.data();
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    }
};

QTEST_GUILESS_MAIN(PullTest)
#include "pull_test.moc"
