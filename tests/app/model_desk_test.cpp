// What becomes of a loaded model when the person sets other defaults for it.
#include "app/models/model_desk.h"
#include "tests/engine/core/gguf_writer.h"

#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace hearth;
using namespace hearth::app;

class ModelDeskTest : public QObject {
    Q_OBJECT

    std::unique_ptr<QTemporaryDir> folder_;
    std::unique_ptr<TokenPipe> pipe_;
    std::unique_ptr<EngineWorker> worker_;
    std::unique_ptr<Library> library_;
    std::unique_ptr<ModelDesk> desk_;
    QHash<QString, ModelDefaults> defaults_;
    QString busy_; // the model of a reply that runs

    QString model(const char* name) const {
        QFile file(folder_->filePath(QString::fromLatin1(name)));
        if (file.open(QIODevice::WriteOnly))
            file.write(QByteArray::fromStdString(
                test::tinyLlama({.layers = 1, .dModel = 128, .nHeads = 2, .nKvHeads = 2}).bytes()));
        return file.fileName();
    }

    void load(const QString& path) {
        desk_->want(path);
        QTRY_COMPARE_WITH_TIMEOUT(desk_->loadedPath(), path, 30000);
    }

    void set(const QString& path, const ModelDefaults& defaults) {
        defaults_[path] = defaults;
        desk_->renew();
    }

    int contextOf(const QString& path) const {
        const LoadedModel* model = desk_->resident(path);
        return model ? model->info.contextTokens : -1;
    }

private slots:

    void init() {
        folder_ = std::make_unique<QTemporaryDir>();
        pipe_ = std::make_unique<TokenPipe>();
        worker_ = std::make_unique<EngineWorker>(*pipe_, LoadMark({}));
        library_ = std::make_unique<Library>();
        desk_ = std::make_unique<ModelDesk>(*worker_, *library_, LoadMark({}));
        defaults_.clear();
        busy_.clear();
        desk_->setRequestOf([this](const QString& path) { return loadRequest(path, defaults_.value(path)); });
        desk_->setInUse([this](const QString& path) { return path == busy_; });
        worker_->start({.threads = 1});
    }

    void cleanup() {
        desk_.reset();
        library_.reset();
        worker_.reset();
        pipe_.reset();
        folder_.reset();
    }

    void defaultsReachTheLoad() {
        const QString path = model("one.gguf");
        defaults_[path] = {.contextTokens = 256, .kv = "q8_0"};
        load(path);
        QCOMPARE(contextOf(path), 256);
        const uint64_t small = desk_->resident(path)->info.kvBytesPerToken;
        set(path, {});
        QTRY_COMPARE_WITH_TIMEOUT(contextOf(path), 2048, 30000);
        QVERIFY(small < desk_->resident(path)->info.kvBytesPerToken);
    }

    void theCurrentModelIsLoadedAgainAndSaysSo() {
        const QString path = model("one.gguf");
        load(path);
        QSignalSpy notice(desk_.get(), &ModelDesk::notice);
        QSignalSpy over(desk_.get(), &ModelDesk::noticeOver);
        QSignalSpy unloaded(worker_.get(), &EngineWorker::unloaded);
        set(path, {.threads = 2, .sampling = {{"temperature", 0.5}}, .systemPrompt = "x", .thinking = true});
        QTest::qWait(50);
        QCOMPARE(unloaded.size() + notice.size(), 0); // these need no load
        set(path, {.contextTokens = 512});
        QCOMPARE(notice.size(), 1);
        const auto said = notice[0][0].value<ui::Notice>();
        QVERIFY2(said.text.contains(QStringLiteral("one")) && !said.isError, qPrintable(said.text));
        QCOMPARE(desk_->loadingPath(), path);
        QTRY_COMPARE_WITH_TIMEOUT(contextOf(path), 512, 30000);
        QCOMPARE(desk_->loadingPath(), QString());
        QVERIFY(std::any_of(over.begin(), over.end(), [&](const auto& o) { return o[0].toString() == said.key; }));
        QCOMPARE(unloaded.size(), 1);
        desk_->renew();
        QCOMPARE(desk_->loadingPath(), QString()); // once is enough
    }

    void aReplyEndsFirst() {
        const QString path = model("one.gguf");
        load(path);
        busy_ = path;
        QSignalSpy notice(desk_.get(), &ModelDesk::notice);
        set(path, {.kv = "q8_0"});
        QCOMPARE(notice.size(), 1);
        QVERIFY(notice[0][0].value<ui::Notice>().text.contains(QStringLiteral("reply")));
        QCOMPARE(desk_->loadingPath(), QString());
        desk_->renew();
        QCOMPARE(notice.size(), 1); // said once
        busy_.clear();
        desk_->renew(); // as the end of a reply calls it
        QCOMPARE(desk_->loadingPath(), path);
        QTRY_COMPARE_WITH_TIMEOUT(desk_->loadingPath(), QString(), 30000);
    }

    void takenBackBeforeTheReplyEnds() {
        const QString path = model("one.gguf");
        load(path);
        busy_ = path;
        QSignalSpy over(desk_.get(), &ModelDesk::noticeOver);
        set(path, {.contextTokens = 512});
        set(path, {});
        QCOMPARE(over.size(), 1);
        busy_.clear();
        desk_->renew();
        QCOMPARE(desk_->loadingPath(), QString());
    }

    void anotherOneLeaves() {
        const QString one = model("one.gguf"), two = model("two.gguf");
        load(one);
        load(two);
        QSignalSpy unloaded(worker_.get(), &EngineWorker::unloaded);
        set(one, {.contextTokens = 512});
        QVERIFY(!desk_->resident(one)); // at once, so that what is said next asks for it
        QTRY_COMPARE(unloaded.size(), 1);
        QCOMPARE(unloaded[0][0].toString(), one);
        QCOMPARE(desk_->loadedPath(), two);
        load(one);
        QCOMPARE(contextOf(one), 512);
    }

    void whatChangesWhileItLoads() {
        const QString path = model("one.gguf");
        desk_->want(path);
        set(path, {.contextTokens = 512});
        QTRY_COMPARE_WITH_TIMEOUT(contextOf(path), 512, 30000);
    }

    void aSmallerContextThatWasChosenStays() {
        const QString path = model("one.gguf");
        const LoadMark mark(folder_->filePath(QStringLiteral("mark")).toStdString());
        QVERIFY(mark.write({path.toStdString(), LoadMark::Stage::Loading}));
        desk_ = std::make_unique<ModelDesk>(*worker_, *library_, mark);
        desk_->setRequestOf([this](const QString& p) { return loadRequest(p, defaults_.value(p)); });
        defaults_[path] = {.contextTokens = 4096};
        QVERIFY(desk_->isSuspect(path));
        desk_->act(QStringLiteral("model-suspect"), QStringLiteral("smaller"));
        QTRY_COMPARE_WITH_TIMEOUT(desk_->loadedPath(), path, 30000);
        QVERIFY(contextOf(path) < 4096);
        desk_->renew();
        QCOMPARE(desk_->loadingPath(), QString()); // it is not taken away again
    }
};

QTEST_GUILESS_MAIN(ModelDeskTest)
#include "model_desk_test.moc"
