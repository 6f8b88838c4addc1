#include "app/data_folder.h"
#include "app/first_instance.h"
#include "app/load_mark.h"
#include "app/models/library.h"
#include "app/preferences.h"
#include "app/unix_signals.h"
#include "tests/engine/core/gguf_writer.h"

#include <QDir>
#include <QFile>
#include <QLocalSocket>
#include <QProcess>
#include <QSet>
#include <QSignalSpy>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTest>
#include <QThread>

#include <csignal>
#include <unistd.h>

using namespace hearth::app;

namespace {

/// Sets a variable of the environment, and gives the old value back.
class Variable {
public:
    Variable(const char* name, const QByteArray& value)
        : name_(name), was_(qgetenv(name)), had_(qEnvironmentVariableIsSet(name)) {
        qputenv(name, value);
    }

    ~Variable() {
        if (had_)
            qputenv(name_, was_);
        else
            qunsetenv(name_);
    }

private:
    const char* name_;
    QByteArray was_;
    bool had_;
};

void writeFile(const QString& path, const QByteArray& bytes) {
    QFile file(path);
    QVERIFY(file.open(QIODevice::WriteOnly));
    QCOMPARE(file.write(bytes), qint64(bytes.size()));
}

} // namespace

class HouseTest : public QObject {
    Q_OBJECT

private slots:

    void initTestCase() { QCoreApplication::setApplicationName(QStringLiteral("hearth")); }

    void init() { folder_ = std::make_unique<QTemporaryDir>(); }

    void theDataFolder() {
        Variable none("HEARTH_DATA", "");
        {
            Variable xdg("XDG_DATA_HOME", folder_->path().toUtf8());
            const DataFolder data = findDataFolder({});
            QCOMPARE(data.problem, QString());
            QCOMPARE(data.path, folder_->path() + QStringLiteral("/hearth")); // no organization in between
            QVERIFY(QDir(data.path).exists());
        }
        {
            Variable xdg("XDG_DATA_HOME", "relative/path");
            const DataFolder data = findDataFolder({});
            QVERIFY(data.problem.contains(QStringLiteral("XDG_DATA_HOME")));
            QVERIFY(!QDir(QStringLiteral("relative")).exists());
            QCOMPARE(findDataFolder(folder_->filePath(QStringLiteral("asked"))).problem, QString());
        }
        {
            Variable here("HEARTH_DATA", folder_->filePath(QStringLiteral("a/b")).toUtf8());
            QCOMPARE(findDataFolder({}).path, folder_->filePath(QStringLiteral("a/b")));
        }
        const QString file = folder_->filePath(QStringLiteral("file"));
        writeFile(file, "x");
        QVERIFY(!findDataFolder(file + QStringLiteral("/below")).problem.isEmpty());
        QVERIFY(!findDataFolder(file).problem.isEmpty());
        QVERIFY(!findDataFolder(QStringLiteral("/proc/hearth")).problem.isEmpty());
    }

    void theMark() {
        const std::filesystem::path path = folder_->filePath(QStringLiteral("loading.mark")).toStdString();
        const LoadMark mark(path);
        QVERIFY(!mark.read());
        QFile::remove(QStringLiteral(".new"));                               // of an older build
        QVERIFY(!LoadMark({}).write({"/m.gguf", LoadMark::Stage::Loading})); // into no folder by chance
        QVERIFY(!QFile::exists(QStringLiteral(".new")));
        const std::string odd = "/models/a b\n\xff.gguf";
        for (const auto stage : {LoadMark::Stage::Loading, LoadMark::Stage::Loaded, LoadMark::Stage::Answering}) {
            QVERIFY(mark.write({odd, stage}));
            const auto entry = mark.read();
            QVERIFY(entry.has_value());
            QCOMPARE(entry->path, odd);
            QVERIFY(entry->stage == stage);
        }
        mark.clear();
        QVERIFY(!mark.read());
        for (const QByteArray& bytes : {QByteArray(), QByteArray("hearth-load 1\n"), QByteArray("hearth-load 1\nx\ny"),
                                        QByteArray("hearth-load 1\nloading\n"), QByteArray(1 << 20, 'h')}) {
            writeFile(QString::fromStdString(path.string()), bytes);
            QVERIFY(!mark.read());
        }
        QVERIFY(!LoadMark("/proc/none/mark").write({"/m", LoadMark::Stage::Loading}));
    }

    void theFirstInstanceIsRaised() {
        Variable runtime("XDG_RUNTIME_DIR", folder_->path().toUtf8());
        QVERIFY(!raiseFirstInstance(folder_->path())); // nobody there
        writeFile(instanceSocket(folder_->path()), "left by a crash");
        FirstInstance first(folder_->path());
        QSignalSpy raised(&first, &FirstInstance::raiseAsked);
        bool answered = false;
        std::unique_ptr<QThread> second(QThread::create([&] { answered = raiseFirstInstance(folder_->path()); }));
        second->start();
        QTRY_VERIFY(second->isFinished());
        QVERIFY(answered);
        QCOMPARE(raised.size(), 1);
        QLocalSocket stranger; // says something else
        stranger.connectToServer(instanceSocket(folder_->path()));
        QVERIFY(stranger.waitForConnected(1000));
        stranger.write("GET / HTTP/1.1\r\n\r\n");
        QTRY_VERIFY(stranger.state() == QLocalSocket::UnconnectedState);
        QCOMPARE(raised.size(), 1);
    }

    void socketsHaveShortNames() {
        Variable runtime("XDG_RUNTIME_DIR", "");
        const QString deep = folder_->filePath(QString(90, u'd'));
        QVERIFY(QDir().mkpath(deep));
        QVERIFY(instanceSocket(deep).size() < 108);
        QVERIFY(instanceSocket(deep) != instanceSocket(folder_->path()));
    }

    void signalsArriveAsASignal() {
        UnixSignals signals_;
        QSignalSpy asked(&signals_, &UnixSignals::endAsked);
        ::kill(::getpid(), SIGTERM);
        QTRY_COMPARE(asked.size(), 1);
        ::kill(::getpid(), SIGINT);
        QTRY_COMPARE(asked.size(), 2);
    }

    void modelsOfAFolder() {
        const auto at = [this](const char* name) { return folder_->filePath(QString::fromLatin1(name)); };
        QVERIFY(QDir().mkpath(at("below")));
        QVERIFY(QDir().mkpath(at("a.gguf"))); // a folder
        writeFile(at("b.gguf"), "not a model");
        writeFile(at("readme.txt"), "");
        writeFile(at("below/c.gguf"), "");
        writeFile(at("big-00001-of-00002.gguf"), "");
        writeFile(at("big-00002-of-00002.gguf"), "");
        const ModelFile bad = describeModel({.path = at("b.gguf").toStdString(), .store = StoreKind::Own});
        QVERIFY(!bad.readable && !bad.missing && !bad.chats);
        QVERIFY(!bad.detail.isEmpty()); // a sentence says why

        Library library;
        QSignalSpy changed(&library, &Library::changed);
        library.setFolder(folder_->path());
        library.addFile(at("elsewhere.gguf"));
        library.rescan();
        QTRY_COMPARE(changed.size(), 1);
        QCOMPARE(library.files().size(), 4);
        for (const char* name : {"b.gguf", "big-00001-of-00002.gguf", "below/c.gguf"})
            QVERIFY(library.find(at(name)));
        QVERIFY(library.find(at("elsewhere.gguf"))->missing);
        writeFile(at("new.gguf"), "");
        QTRY_VERIFY(library.find(at("new.gguf"))); // seen without being asked
        Variable models("HEARTH_MODELS", "/some/where");
        QCOMPARE(modelFolder(QStringLiteral("/else/where"), QStringLiteral("/data")), QStringLiteral("/some/where"));
    }

    // A reply names its model: two of one name have to be told apart by it.
    void modelsOfOneNameAreToldApart() {
        const auto at = [this](const char* name) { return folder_->filePath(QString::fromLatin1(name)); };
        QVERIFY(QDir().mkpath(at("one")) && QDir().mkpath(at("two")));
        const auto put = [&](const char* name, int layers) {
            const std::string bytes = hearth::test::tinyLlama({.layers = layers}).bytes();
            QFile file(at(name));
            QVERIFY(file.open(QIODevice::WriteOnly));
            QCOMPARE(file.write(bytes.data(), qint64(bytes.size())), qint64(bytes.size()));
        };
        put("one/m.gguf", 1);
        put("two/m.gguf", 2);
        writeFile(at("one/c.gguf"), "");
        writeFile(at("two/c.gguf"), "");
        writeFile(at("two/alone.gguf"), "");
        Library library;
        QSignalSpy changed(&library, &Library::changed);
        library.setFolder(folder_->path());
        library.rescan();
        QTRY_COMPARE(changed.size(), 1);
        QSet<QString> names;
        for (const ModelFile& file : library.files())
            names.insert(file.name);
        QCOMPARE(names.size(), 5);
        QVERIFY(names.contains(QStringLiteral("alone")));
        QCOMPARE(library.find(at("one/c.gguf"))->name, QStringLiteral("c \u00B7 one/c.gguf"));
        QCOMPARE(library.find(at("two/m.gguf"))->name, QStringLiteral("Tiny \u00B7 two/m.gguf"));
    }

    void whereModelsLie() {
        Variable models("HEARTH_MODELS", "");
        QCOMPARE(modelFolder(QStringLiteral("/else/where"), QStringLiteral("/data")), QStringLiteral("/else/where"));
        QCOMPARE(modelFolder({}, QStringLiteral("/data")), QStringLiteral("/data/models"));
    }

    void preferencesComeBackAndNonsenseDoesNot() {
        const auto path = folder_->filePath(QStringLiteral("hearth.db")).toStdString();
        {
            StorageWorker storage;
            storage.open(path);
            hearth::ui::SettingsRow settings;
            settings.language = QStringLiteral("zh_CN");
            settings.theme = hearth::ui::ThemeChoice::Dark;
            settings.textSizePercent = 150;
            settings.threads = 1;
            settings.backend = QStringLiteral("cpu");
            settings.modelMemoryGb = 12;
            settings.idleMinutes = 0;
            storeSettings(storage, settings);
            storeLayout(storage, QByteArray("\0\x01layout", 8));
            storeOpenedModels(storage, {QStringLiteral("/a b.gguf"), QStringLiteral("/c.gguf")});
            const Preferences read = storage.wait(readPreferences);
            QCOMPARE(read.settings.language, settings.language);
            QVERIFY(read.settings.theme == settings.theme);
            QCOMPARE(read.settings.textSizePercent, 150);
            QCOMPARE(read.settings.backend, settings.backend);
            QCOMPARE(read.settings.modelMemoryGb, 12);
            QCOMPARE(read.settings.idleMinutes, 0);
            QVERIFY(read.settings.maxMemoryGb > 0);
            QCOMPARE(read.layout, QByteArray("\0\x01layout", 8));
            QCOMPARE(read.openedModels.size(), 2);
            storage.post([](Store& store) {
                store.settings.set("text.size", "-1e999");
                store.settings.set("engine.threads", "99999");
                store.settings.set("theme", "plaid");
                store.settings.set("window.layout", "%%%");
                store.settings.set("engine.backend", "abacus");
                store.settings.set("engine.memory", "-4");
                store.settings.set("engine.idle", "");
            });
            const Preferences odd = storage.wait(readPreferences);
            QCOMPARE(odd.settings.textSizePercent, 100);
            QVERIFY(odd.settings.threads <= odd.settings.maxThreads);
            QVERIFY(odd.settings.theme == hearth::ui::ThemeChoice::System);
            QCOMPARE(odd.settings.backend, QStringLiteral("auto"));
            QCOMPARE(odd.settings.modelMemoryGb, 0);
            QCOMPARE(odd.settings.idleMinutes, hearth::ui::kIdleAutomatic);
        }
    }

    void settingsSayHowLongModelsStay() {
        using namespace std::chrono_literals;
        hearth::ui::SettingsRow settings;
        QCOMPARE(residencyOf(settings).budgetBytes, uint64_t(0));
        QVERIFY(residencyOf(settings).idle == 30min && residencyOf(settings).currentIdle == 0s);
        settings.modelMemoryGb = 16;
        settings.idleMinutes = 5;
        QCOMPARE(residencyOf(settings).budgetBytes, uint64_t(16'000'000'000));
        QVERIFY(residencyOf(settings).idle == 5min && residencyOf(settings).currentIdle == 5min);
        settings.idleMinutes = 0;
        QVERIFY(residencyOf(settings).idle == 0s && residencyOf(settings).currentIdle == 0s);
    }

private:
    std::unique_ptr<QTemporaryDir> folder_;
};

QTEST_GUILESS_MAIN(HouseTest)
#include "house_test.moc"
