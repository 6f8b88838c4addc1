#include "app/models/model_manager.h"
#include "tests/app/models/model_tree.h"
#include "tests/engine/core/gguf_writer.h"

#include <QSignalSpy>
#include <QTest>

using namespace hearth;
using namespace hearth::app;
using namespace std::chrono_literals;

/// The library as panels drive it: with a database, in a home of its own.
class ModelManagerTest : public QObject {
    Q_OBJECT

    std::unique_ptr<TempTree> tree_;
    std::unique_ptr<StorageWorker> storage_;
    std::unique_ptr<Library> library_;
    std::unique_ptr<ModelManager> manager_;

    QString at(const char* below) const { return QString::fromStdString(tree_->path(below)); }

    QString tiny(const char* below, uint64_t seed, int layers = 1) const {
        return QString::fromStdString(tree_->write(below, test::tinyLlama({.layers = layers, .seed = seed}).bytes()));
    }

    void begin(const char* folder = "models") {
        manager_.reset();
        library_.reset();
        storage_ = std::make_unique<StorageWorker>();
        storage_->open(tree_->path("hearth.db"));
        library_ = std::make_unique<Library>();
        manager_ = std::make_unique<ModelManager>(*storage_, *library_);
        manager_->open(at(folder));
        QTRY_VERIFY(library_->scanned());
    }

    std::optional<storage::ModelRecord> stored(const QString& path) {
        return storage_->wait([path = path.toStdString()](Store& store) { return store.models.find(path); });
    }

    ImportPlan plan(const QString& path, ImportHow how) {
        QSignalSpy planned(manager_.get(), &ModelManager::importPlanned);
        manager_->planImport(path, how);
        if (!QTest::qWaitFor([&] { return !planned.isEmpty(); }))
            return {};
        return planned[0][0].value<ImportPlan>();
    }

private slots:

    void init() {
        tree_ = std::make_unique<TempTree>();
        fs::create_directories(tree_->path("models"));
        for (const char* name : {"XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "OLLAMA_MODELS", "HF_HOME",
                                 "HF_HUB_CACHE", "LLAMA_CACHE"})
            qunsetenv(name);
        qputenv("HOME", QByteArray::fromStdString(tree_->path("home")));
        tiny("models/mine.gguf", 1);
        tiny("home/.lmstudio/models/pub/repo/theirs.gguf", 2);
    }

    void cleanup() {
        manager_.reset();
        library_.reset();
        storage_.reset();
        tree_.reset();
    }

    void listsWhatIsHere() {
        begin();
        QCOMPARE(library_->files().size(), 2);
        const ModelFile* theirs = library_->find(at("home/.lmstudio/models/pub/repo/theirs.gguf"));
        QVERIFY(theirs && theirs->chats && theirs->facts);
        QVERIFY(theirs->found.store == StoreKind::LmStudio);
        tiny("added/more.gguf", 3);
        manager_->addFolder(at("added"));
        QTRY_COMPARE(library_->files().size(), 3);
        manager_->setOtherStores(false);
        QTRY_COMPARE(library_->files().size(), 2);
        begin(); // what was chosen is remembered
        QTRY_COMPARE(library_->files().size(), 2);
        QCOMPARE(manager_->addedFolders(), QStringList{at("added")});
        QVERIFY(!manager_->otherStores());
        manager_->dropFolder(at("added"));
        QTRY_COMPARE(library_->files().size(), 1);
    }

    void bringsAModelOnce() {
        begin();
        const QString source = tiny("downloads/new.gguf", 5);
        const ImportPlan first = plan(source, ImportHow::Copy);
        QVERIFY(first.problem.empty() && first.duplicateOf.empty());
        QSignalSpy imported(manager_.get(), &ModelManager::imported);
        manager_->import(first);
        QTRY_COMPARE(imported.size(), 1);
        QCOMPARE(imported[0][0].toString(), at("models/new.gguf"));
        QTRY_VERIFY(library_->find(at("models/new.gguf")));
        QCOMPARE(QString::fromStdString(plan(source, ImportHow::Copy).duplicateOf), at("models/new.gguf"));
        QSignalSpy failed(manager_.get(), &ModelManager::jobFailed);
        manager_->planImport(at("downloads/none.gguf"), ImportHow::Copy);
        QTRY_COMPARE(failed.size(), 1);
        QVERIFY(failed[0][0].toString().contains(QStringLiteral("none.gguf")));
        QVERIFY(!plan(at("home/.lmstudio/models/pub/repo/theirs.gguf"), ImportHow::Move).problem.empty());
        QCOMPARE(stored(at("models/new.gguf"))->origin.source, std::string("folder"));
        QVERIFY(storage_->wait([](Store& store) { return store.models.allHashes().size(); }) >= 1);
    }

    void aStoppedCopyLeavesNothing() {
        begin();
        const QString source = QString::fromStdString(tree_->write("big.gguf", tinyGguf(1, 200 << 20)));
        const ImportPlan big = plan(source, ImportHow::Copy);
        QSignalSpy stopped(manager_.get(), &ModelManager::jobStopped);
        QSignalSpy imported(manager_.get(), &ModelManager::imported);
        QSignalSpy refused(manager_.get(), &ModelManager::jobFailed);
        QSignalSpy progress(manager_.get(), &ModelManager::jobProgress);
        manager_->import(big);
        QTRY_VERIFY(!progress.isEmpty());
        manager_->import(big); // one at a time
        QTRY_COMPARE(refused.size(), 1);
        manager_->cancelJob();
        QTRY_COMPARE(stopped.size() + imported.size(), 1);
        QVERIFY(!manager_->isBusy());
        QCOMPARE(stopped.size(), 1);
        QCOMPARE(namesIn(tree_->path("models")), std::vector<std::string>{"mine.gguf"});
    }

    void removesWithAWayBack() {
        begin();
        QSignalSpy removed(manager_.get(), &ModelManager::removed);
        QSignalSpy restored(manager_.get(), &ModelManager::restored);
        QSignalSpy failed(manager_.get(), &ModelManager::failed);
        manager_->remove(at("models/mine.gguf"));
        QCOMPARE(removed.size(), 1);
        QVERIFY(stored(at("models/mine.gguf"))->trashedAt > 0);
        QTRY_VERIFY(!library_->find(at("models/mine.gguf")));
        QSignalSpy trash(manager_.get(), &ModelManager::trashRead);
        manager_->readTrash();
        QCOMPARE(trash[0][0].value<QVector<TrashedModel>>().size(), 1);
        manager_->restore(removed[0][0].value<TrashedModel>());
        QCOMPARE(restored.size(), 1);
        QTRY_VERIFY(library_->find(at("models/mine.gguf")));
        QCOMPARE(stored(at("models/mine.gguf"))->trashedAt, int64_t(0));
        // Of other programs nothing is deleted; it can be left out of the list.
        const QString theirs = at("home/.lmstudio/models/pub/repo/theirs.gguf");
        manager_->remove(theirs);
        QCOMPARE(failed.size(), 1);
        QVERIFY(QFile::exists(theirs));
        QVERIFY(manager_->isListed(*library_->find(theirs)));
        manager_->forget(theirs);
        QVERIFY(!manager_->isListed(*library_->find(theirs)));
        QVERIFY(stored(theirs)->hidden);
        manager_->unforget(theirs);
        QVERIFY(manager_->isListed(*library_->find(theirs)));
    }

    void defaultsAreKept() {
        begin();
        ModelDefaults defaults{.contextTokens = 4096,
                               .threads = 2,
                               .kv = "q8_0",
                               .sampling = {{"temperature", 0.5}, {"topK", 20}},
                               .systemPrompt = "你好",
                               .thinking = false};
        manager_->setDefaults(at("models/mine.gguf"), defaults);
        begin();
        QTRY_VERIFY(manager_->record(at("models/mine.gguf")));
        QVERIFY(manager_->defaults(at("models/mine.gguf")) == defaults);
        QVERIFY(manager_->defaults(at("models/none.gguf")).empty());
        for (const char* nonsense :
             {"", "[", "[1]", "null", R"({"context":-5,"threads":1e9,"kv":"q1","thinking":"yes"})",
              R"({"sampling":[1],"system":7,"context":99999999999999999999})",
              R"({"sampling":{"temperature":"hot","unknown":1}})"})
            QVERIFY(ModelDefaults::fromJson(nonsense).empty());
        QVERIFY(ModelDefaults{}.toJson().empty());
    }

    void theStoreMoves() {
        begin();
        manager_->setDefaults(at("models/mine.gguf"), {.contextTokens = 512});
        QSignalSpy moved(manager_.get(), &ModelManager::storeMoved);
        QSignalSpy followed(manager_.get(), &ModelManager::modelMoved);
        const auto chat = storage_->wait([path = at("models/mine.gguf").toStdString()](Store& store) {
            return store.conversations.create("chat", path);
        });
        QSignalSpy failed(manager_.get(), &ModelManager::jobFailed);
        manager_->moveStore(at("models/inside"));
        QTRY_COMPARE(failed.size(), 1);
        manager_->moveStore(at("elsewhere/models"));
        QTRY_COMPARE(moved.size(), 1);
        QTRY_VERIFY(library_->find(at("elsewhere/models/mine.gguf")));
        QVERIFY(!QFile::exists(at("models/mine.gguf")));
        QCOMPARE(followed.size(), 1);
        QCOMPARE(followed[0][1].toString(), at("elsewhere/models/mine.gguf"));
        QCOMPARE(QString::fromStdString(
                     storage_->wait([chat](Store& store) { return store.conversations.find(chat)->model; })),
                 at("elsewhere/models/mine.gguf"));
        QTRY_VERIFY(manager_->record(at("elsewhere/models/mine.gguf")));
        QCOMPARE(manager_->defaults(at("elsewhere/models/mine.gguf")).contextTokens.value_or(0), 512);
    }

    // A move that ends half way leaves no model unlisted: the other folder is read until all lie there.
    void aHalfMovedStoreIsWhollyListed() {
        tree_->write("models/z/last.gguf", test::tinyLlama({.layers = 1, .seed = 5}).bytes());
        tree_->write("elsewhere/z", "a file where a folder must be");
        begin();
        QTRY_VERIFY(library_->find(at("models/z/last.gguf")));
        QSignalSpy failed(manager_.get(), &ModelManager::jobFailed), parted(manager_.get(), &ModelManager::storeParted);
        QSignalSpy moved(manager_.get(), &ModelManager::storeMoved);
        manager_->setDefaults(at("models/mine.gguf"), {.contextTokens = 512});
        manager_->moveStore(at("elsewhere"));
        QTRY_COMPARE(failed.size(), 1);
        QCOMPARE(parted.size(), 1);
        QCOMPARE(parted[0][0].toString(), at("elsewhere"));
        QTRY_VERIFY(library_->find(at("elsewhere/mine.gguf")));
        QVERIFY(library_->find(at("models/z/last.gguf")));
        QCOMPARE(manager_->defaults(at("elsewhere/mine.gguf")).contextTokens.value_or(0), 512);
        begin(); // after a restart too
        QTRY_VERIFY(library_->find(at("elsewhere/mine.gguf")));
        QVERIFY(QFile::remove(at("elsewhere/z")));
        QSignalSpy whole(manager_.get(), &ModelManager::storeMoved);
        manager_->moveStore(at("elsewhere"));
        QTRY_COMPARE(whole.size(), 1);
        QVERIFY(manager_->addedFolders().isEmpty());
        QTRY_VERIFY(library_->find(at("elsewhere/z/last.gguf")));
        // Where nothing could be moved, nothing else is read either.
        manager_->moveStore(QStringLiteral("/sys/kernel"));
        QVERIFY(manager_->isBusy());
        QTRY_VERIFY(!manager_->isBusy());
        QVERIFY(manager_->addedFolders().isEmpty());
    }

    void judges() {
        begin();
        const ModelFile file = *library_->find(at("models/mine.gguf"));
        const std::optional<Fit> unmeasured = manager_->fit(file);
        QVERIFY(unmeasured && unmeasured->verdict == FitVerdict::Memory);
        QCOMPARE(unmeasured->tokensPerSecond, 0.0);
        QCOMPARE(unmeasured->contextTokens, 2048);
        QSignalSpy calibrated(manager_.get(), &ModelManager::calibrated);
        manager_->calibrate();
        QTRY_COMPARE_WITH_TIMEOUT(calibrated.size(), 1, 30000);
        QVERIFY(manager_->fit(file)->tokensPerSecond > 0);
        manager_->setDefaults(file.path, {.contextTokens = 1 << 24});
        QVERIFY(manager_->fit(file)->contextTokens == 1 << 24);
        manager_->setDefaults(file.path, {});
        const uint64_t f16 = manager_->fit(file)->kvBytes;
        manager_->setDefaults(file.path, {.kv = "f32"});
        QCOMPARE(manager_->fit(file)->kvBytes, 2 * f16); // the cache's type counts
        manager_->setDefaults(file.path, {.kv = "q8_0"});
        QVERIFY(manager_->fit(file)->kvBytes != f16);
        QVERIFY(told(fitWords(*manager_->fit(file, 100))).contains(QStringLiteral("100")));
        begin();
        QTRY_VERIFY(manager_->bandwidth() > 0);
        manager_->calibrateWhenIdle([] { return false; }, 10ms);
        QTest::qWait(100);
        QCOMPARE(calibrated.size(), 1);
    }

    void measuresUnaskedWhenNobodyIsBusy() {
        begin();
        QSignalSpy calibrated(manager_.get(), &ModelManager::calibrated);
        bool busy = true;
        int asked = 0;
        manager_->calibrateWhenIdle(
            [&] {
                ++asked;
                return busy;
            },
            200ms);
        QTRY_VERIFY(asked >= 3);
        QCOMPARE(calibrated.size(), 0);
        busy = false;
        for (int i = 0; i < 30; ++i) { // whoever types is not disturbed
            manager_->postponeCalibration();
            QTest::qWait(20);
        }
        QCOMPARE(calibrated.size(), 0);
        // One that is stopped in the middle is done later.
        const int before = asked;
        QTRY_VERIFY(asked > before);
        manager_->postponeCalibration();
        QTest::qWait(150);
        QCOMPARE(manager_->bandwidth(), 0.0);
        QTRY_COMPARE_WITH_TIMEOUT(calibrated.size(), 1, 60000);
        QVERIFY(manager_->bandwidth() > 0);
        const int after = asked;
        QTest::qWait(500);
        QCOMPARE(asked, after); // it rests for good
        begin();
        QTRY_VERIFY(manager_->bandwidth() > 0); // stored
    }

    // A machine that was busy then is not taken for a slow one for ever, nor measured for ever.
    void theFastestOfThreeTimesHolds() {
        begin();
        const auto remember = [this](double bytesPerSecond, int times) {
            const Bandwidth before{.processor = processorName(), .bytesPerSecond = bytesPerSecond, .times = times};
            storage_->post([text = before.toText()](Store& store) { store.settings.set(kBandwidthSetting, text); });
            begin();
        };
        for (const int times : {1, 2, 3}) {
            remember(2e6, times); // far slower than any memory
            QTRY_COMPARE(manager_->bandwidth(), 2e6);
            QSignalSpy calibrated(manager_.get(), &ModelManager::calibrated);
            manager_->calibrate();
            if (times < 3)
                QTRY_COMPARE_WITH_TIMEOUT(calibrated.size(), 1, 30000);
            QCOMPARE(manager_->bandwidth() > 2e6, times < 3);
            manager_->calibrate(); // once in a session
            QTest::qWait(20);
            QCOMPARE(calibrated.size(), times < 3 ? 1 : 0);
        }
        remember(1e14, 1); // faster than any
        QTRY_COMPARE(manager_->bandwidth(), 1e14);
        QSignalSpy calibrated(manager_.get(), &ModelManager::calibrated);
        manager_->calibrate();
        QTRY_COMPARE_WITH_TIMEOUT(calibrated.size(), 1, 30000);
        QCOMPARE(manager_->bandwidth(), 1e14);
    }
};

QTEST_GUILESS_MAIN(ModelManagerTest)
#include "model_manager_test.moc"
