// The real program through whole sessions while the kernel tells of every socket that it asks for: none with the
// network off; with it on, only those to what the person named.
#include "tests/app/downloads/download_run.h"
#include "tests/app/downloads/hub_script.h"
#include "tests/app/sockets/socket_watch.h"
#include "tests/engine/core/gguf_writer.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QProcess>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <memory>

using namespace hearth::tests;

namespace {

constexpr int kPatience = 90000; // ms
const std::string kId = "Maker/Tiny-GGUF";

/// The program with a hand in it, watched.
class Session {
public:
    explicit Session(const QString& folder, const QProcessEnvironment& environment) {
        watch_.follow(process_);
        process_.setProcessEnvironment(environment);
        process_.start(QStringLiteral(HEARTH_BINARY), {QStringLiteral("--data"), folder});
        process_.waitForStarted(kPatience);
    }

    ~Session() {
        if (process_.state() != QProcess::NotRunning) {
            process_.kill();
            process_.waitForFinished(kPatience);
        }
    }

    bool isWatched() { return watch_.works(); }

    SocketWatch::Seen seen() const { return watch_.seen(); }

    /// Empty: done.
    QString act(const QString& line) {
        process_.write(line.toUtf8() + '\n');
        QElapsedTimer clock;
        clock.start();
        while (clock.elapsed() < kPatience) {
            while (process_.canReadLine()) {
                const QString said = QString::fromUtf8(process_.readLine()).trimmed();
                if (said == u"ok")
                    return {};
                if (said.startsWith(QStringLiteral("no: ")))
                    return QStringLiteral("\"%1\": %2").arg(line, said.mid(4)) + whatIsThere(line);
                qInfo("%s", qPrintable(said));
            }
            if (process_.state() == QProcess::NotRunning)
                return QStringLiteral("\"%1\": the program has ended: ").arg(line) +
                       QString::fromUtf8(process_.readAllStandardError());
            process_.waitForReadyRead(50);
        }
        return QStringLiteral("\"%1\": no answer").arg(line);
    }

    bool ended() {
        return process_.waitForFinished(kPatience) && process_.exitStatus() == QProcess::NormalExit &&
               process_.exitCode() == 0;
    }

private:
    QString whatIsThere(const QString& line) { return line == u"tell" ? QString() : act(QStringLiteral("tell")); }

    SocketWatch watch_;
    QProcess process_;
};

} // namespace

class SocketsTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        dir_ = std::make_unique<QTemporaryDir>();
        QDir(dir_->path()).mkpath(QStringLiteral("models"));
        QDir(dir_->path()).mkpath(QStringLiteral("home"));
        put(QStringLiteral("models/brought.gguf"), model(7));
        environment_ = QProcessEnvironment::systemEnvironment();
        for (const char* name : {"HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "OLLAMA_MODELS",
                                 "HF_TOKEN", "http_proxy", "https_proxy", "all_proxy", "LANGUAGE"})
            environment_.remove(QString::fromLatin1(name));
        // By a display where there is one, as a person has it.
        const bool display = environment_.contains(QStringLiteral("DISPLAY"));
        set("QT_QPA_PLATFORM", display ? QStringLiteral("xcb") : QStringLiteral("offscreen"));
        set("QT_PLUGIN_PATH", QStringLiteral(HEARTH_HAND));
        set("QT_QPA_GENERIC_PLUGINS", QStringLiteral("hearth-hand"));
        set("LANGUAGE", QStringLiteral("en"));
        set("HOME", dir_->filePath(QStringLiteral("home")));
        set("HEARTH_MODELS", dir_->filePath(QStringLiteral("models")));
        set("XDG_RUNTIME_DIR", dir_->path());
        for (const char* name : {"XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"})
            set(name, dir_->filePath(QStringLiteral("home")));
    }

    void offIsNoSocketAtAll_data() {
        QTest::addColumn<bool>("refused");
        QTest::newRow("never asked") << false;
        QTest::newRow("switched off") << true;
    }

    // Not one socket, over everything that a person does in a session, and in a second one after it.
    void offIsNoSocketAtAll() {
        QFETCH(bool, refused);
        {
            Session session(data(), environment_);
            if (!session.isWatched())
                QSKIP("this kernel does not tell of a program's calls");
            QVERIFY(does(session, {"wait 1. Language", "wait 3. What is stored where", "press Begin",
                                   "write Message|Hello, are you there?", "enter Message", "press Stop", "gone Stop",
                                   "paste Message|See https://huggingface.co/x/y and ![](http://127.0.0.1:9/i.png)",
                                   "enter Message", "press Stop", "gone Stop", "reach Models|Show or hide the sidebar",
                                   "wait brought"}));
            QVERIFY(does(session, {"press Discover", "wait Nothing has been contacted"}));
            if (refused)
                QVERIFY(does(session, {"press Keep the network off", "wait The network is off"}));
            // The catalogue's files, the field for an address, the other sections, the settings.
            QVERIFY(
                does(session, {"press Files and sizes", "wait as soon as you allow it", "press Addresses of the hubs",
                               "paste Hugging Face|http://127.0.0.1:9/hub", "enter Hugging Face",
                               "wait When the network is allowed", "press Downloads",
                               "wait Nothing is being downloaded", "press Bring your own",
                               "press Use models of other programs", "press Library", "press Its defaults",
                               "wait System prompt", "reach Settings|Show or hide the sidebar", "wait Theme", "end"}));
            QVERIFY(session.ended());
            checkNone(session);
        }
        Session again(data(), environment_);
        QVERIFY(does(again, {"reach Models|Show or hide the sidebar", "press Discover",
                             refused ? "wait The network is off" : "wait Nothing has been contacted", "end"}));
        QVERIFY(again.ended());
        checkNone(again);
    }

    // Watching ends whatever the program does: it may live on, be stopped, or leave a child behind.
    void watchingEnds_data() {
        QTest::addColumn<QString>("script");
        QTest::addColumn<bool>("stopped");
        const QString calls = QStringLiteral("import os, socket\n%1while True: socket.socket().close()");
        QTest::newRow("asks for sockets all the time") << calls.arg(QString()) << false;
        QTest::newRow("with a child that does so too") << calls.arg(QStringLiteral("os.fork()\n")) << false;
        QTest::newRow("stopped") << calls.arg(QString()) << true;
        QTest::newRow("is silent") << QStringLiteral("import time; time.sleep(60)") << false;
    }

    void watchingEnds() {
        QFETCH(QString, script);
        QFETCH(bool, stopped);
        const QString python = QStandardPaths::findExecutable(QStringLiteral("python3"));
        QVERIFY2(!python.isEmpty(), "python3 is missing: installer/dependencies lists it");
        for (int i = 0; i < 20; ++i) {
            QProcess process;
            auto watch = std::make_unique<SocketWatch>();
            watch->follow(process);
            process.start(python, {QStringLiteral("-c"), script});
            QVERIFY(process.waitForStarted(kPatience));
            if (!watch->works())
                QSKIP("this kernel does not tell of a program's calls");
            QTest::qWait(i * 10);
            if (stopped)
                ::kill(pid_t(process.processId()), SIGSTOP);
            if (i % 2 == 1) {
                process.kill();
                QVERIFY(process.waitForFinished(kPatience));
            }
            watch.reset(); // what asks from here on is told that there is no such call, and ends
            process.kill();
            QVERIFY(process.state() == QProcess::NotRunning || process.waitForFinished(kPatience));
        }
    }

    // The watch sees what there is to see, and all that it sees was named by the person: the hub, and where its link
    // leads to.
    void onIsOnlyWhatWasNamed() {
        FaultyServer hub, store("127.0.0.2"), other;
        HubScript script(hub, store, kId);
        const Content file = std::make_shared<const std::string>(model(9));
        script.add("tiny-Q4_K_M.gguf", file, sha256Of(*file).toStdString());
        set("HF_ENDPOINT", QString::fromStdString(hub.base()));
        set("MODELSCOPE_ENDPOINT", QString::fromStdString(other.base()));
        Session session(data(), environment_);
        if (!session.isWatched())
            QSKIP("this kernel does not tell of a program's calls");
        QVERIFY(does(session,
                     {"reach Models|Show or hide the sidebar", "press Discover", "wait Nothing has been contacted"}));
        QCOMPARE(session.seen().internet, 0);
        // Allowing it asks nobody yet.
        QVERIFY(does(session, {"press Allow it", "wait Nothing has been contacted since the start"}));
        QCOMPARE(session.seen().internet, 0);
        QVERIFY(does(session, {"write Search a hub|Tiny", "enter Search a hub",
                               "wait Contacted since the start: 127.0.0.1", "wait Maker/Tiny-GGUF"}));
        QVERIFY(session.seen().internet > 0);
        QVERIFY(contacted(session, {peer(hub)}));
        QVERIFY(does(session, {"press Files and sizes", "wait Fits memory", "press Download: Q4_K_M", "wait Use now",
                               "press Back to the list", "wait Contacted since the start: 127.0.0.1, 127.0.0.2",
                               "press Turn the network off", "wait The network is off", "end"}));
        QVERIFY(session.ended());
        QVERIFY(contacted(session, {peer(hub), peer(store)}));
        QCOMPARE(other.requests().size(), size_t(0));
        QVERIFY(QFile::exists(dir_->filePath(QStringLiteral("models/tiny-Q4_K_M.gguf"))));
    }

private:
    static std::string model(unsigned seed) {
        return hearth::test::tinyLlama({.layers = 2, .context = 16384, .seed = seed}).bytes();
    }

    static std::string peer(const FaultyServer& server) { return server.base().substr(7); } // without "http://"

    QString data() const { return dir_->filePath(QStringLiteral("data")); }

    void set(const char* name, const QString& value) { environment_.insert(QString::fromLatin1(name), value); }

    void put(const QString& name, const std::string& bytes) {
        QFile file(dir_->filePath(name));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(bytes.data(), qint64(bytes.size())), qint64(bytes.size()));
    }

    static bool does(Session& session, std::initializer_list<const char*> lines) {
        for (const char* line : lines)
            if (const QString why = session.act(QString::fromUtf8(line)); !why.isEmpty()) {
                qWarning("%s", qPrintable(why));
                return false;
            }
        return true;
    }

    static bool contacted(const Session& session, const std::set<std::string>& expected) {
        const SocketWatch::Seen seen = session.seen();
        for (const std::string& peer : seen.peers)
            if (!expected.contains(peer))
                qWarning("%s was contacted", peer.c_str());
        return seen.peers == expected && seen.others == 0;
    }

    static void checkNone(const Session& session) {
        const SocketWatch::Seen seen = session.seen();
        QCOMPARE(seen.internet, 0);
        QCOMPARE(seen.others, 0);
        QVERIFY(contacted(session, {}));
        qInfo("%d local sockets, no other", seen.local);
    }

    std::unique_ptr<QTemporaryDir> dir_;
    QProcessEnvironment environment_;
};

QTEST_GUILESS_MAIN(SocketsTest)
#include "sockets_test.moc"
