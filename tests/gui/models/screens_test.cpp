// Pictures of the page of models and of the first start in both languages and themes, and that they show something.
#include "tests/gui/fixture.h"
#include "tests/gui/models/model_samples.h"
#include "ui/models/discover_section.h"
#include "ui/models/import_section.h"
#include "ui/models/library_section.h"

#include <QApplication>
#include <QDir>
#include <QDragEnterEvent>
#include <QImage>
#include <QMimeData>
#include <QPushButton>
#include <QScrollArea>
#include <QTemporaryDir>
#include <QTest>

using namespace hearth::ui;
using namespace hearth::ui::test;

namespace {

using Section = ModelsPanel::Section;

struct Screen {
    const char* name;
    void (*prepare)(MainWindow&);
};

constexpr Screen kScreens[] = {
    {"library", [](MainWindow& w) { openModels(w, Section::Library); }},
    {"defaults",
     [](MainWindow& w) {
         openModels(w, Section::Library);
         w.modelsPanel().library().openDefaults(someModels()[2].path);
     }},
    {"catalog", [](MainWindow& w) { openModels(w, Section::Discover); }},
    {"offline",
     [](MainWindow& w) {
         openModels(w, Section::Discover);
         w.modelsPanel().setNetwork(someNetwork(NetworkState::Off));
     }},
    {"search",
     [](MainWindow& w) {
         openModels(w, Section::Discover);
         w.modelsPanel().setNetwork(someNetwork(NetworkState::On));
         w.modelsPanel().setSearch(someSearch());
     }},
    {"files",
     [](MainWindow& w) {
         openModels(w, Section::Discover);
         w.modelsPanel().setNetwork(someNetwork(NetworkState::On));
         w.modelsPanel().setHubPage(somePage());
     }},
    {"gated",
     [](MainWindow& w) {
         openModels(w, Section::Discover);
         w.modelsPanel().setNetwork(someNetwork(NetworkState::On));
         HubPageRow page = somePage();
         page.gated = true;
         page.files.clear();
         w.modelsPanel().setHubPage(page);
     }},
    {"downloads", [](MainWindow& w) { openModels(w, Section::Downloads); }},
    {"import",
     [](MainWindow& w) {
         openModels(w, Section::Import);
         w.modelsPanel().setImportPlan(somePlan());
     }},
    {"several", // of which each is asked about in its turn
     [](MainWindow& w) {
         openModels(w, Section::Import);
         ImportPlanRow plan = somePlan();
         plan.how = ImportHow::InPlace;
         w.modelsPanel().bring({plan.path, QStringLiteral("/x/b.gguf"), QStringLiteral("/x/c.gguf")}, 1);
         w.modelsPanel().setImportPlan(plan);
     }},
    {"jobended",
     [](MainWindow& w) {
         openModels(w, Section::Library);
         const bool chinese = QLocale().language() == QLocale::Chinese;
         JobRow job;
         job.title = chinese ? QStringLiteral("刚才对模型做的事") : QStringLiteral("What was done with the models");
         job.problem = chinese ? QStringLiteral("磁盘已满。") : QStringLiteral("The disk is full.");
         w.modelsPanel().setJob(job);
     }},
    {"drag",
     [](MainWindow& w) {
         QTemporaryDir folder;
         QMimeData data;
         QList<QUrl> urls;
         for (const char* name : {"Qwen3-4B-Q4_K_M.gguf", "gemma-3-4b-it-Q4_K_M.gguf", "notes.txt"}) {
             QFile file(folder.filePath(QString::fromLatin1(name)));
             if (file.open(QIODevice::WriteOnly))
                 urls << QUrl::fromLocalFile(file.fileName());
         }
         data.setUrls(urls);
         QDragEnterEvent enter(QPoint(400, 300), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
         QApplication::sendEvent(&w, &enter);
     }},
    {"firstrun",
     [](MainWindow& w) {
         fillModels(w);
         w.showConversation({});
         w.setFirstRun(someFirstRun(QLocale().language() == QLocale::Chinese));
     }},
};

} // namespace

class ModelScreensTest : public QObject {
    Q_OBJECT

private slots:

    void screens_data() {
        QTest::addColumn<int>("screen");
        QTest::addColumn<bool>("dark");
        QTest::addColumn<QString>("language");
        QTest::addColumn<int>("width");
        for (int i = 0; i < int(std::size(kScreens)); ++i)
            for (const bool dark : {false, true})
                for (const char* language : {"en", "zh_CN"})
                    for (const int width : {640, 1180})
                        QTest::addRow("%s-%s-%s-%d", kScreens[i].name, language, dark ? "dark" : "light", width)
                            << i << dark << QString::fromLatin1(language) << width;
    }

    void screens() {
        QFETCH(int, screen);
        QFETCH(bool, dark);
        QFETCH(QString, language);
        QFETCH(int, width);
        Theme theme;
        MainWindow window(theme);
        SettingsRow settings = someSettings();
        settings.language = language;
        settings.theme = dark ? ThemeChoice::Dark : ThemeChoice::Light;
        window.setSettings(settings);
        window.setConversations(someConversations());
        window.setModels(someModels());
        window.setCurrentModel(someModels().first().path);
        window.resize(width, 1400);
        window.show();
        settle();
        kScreens[screen].prepare(window);
        settle();
        QTest::qWait(20);
        settle();
        const QImage image = window.grab().toImage();
        QSet<QRgb> colours;
        for (int y = 60; y < image.height(); y += 2)
            for (int x = image.width() / 2; x < image.width(); x += 2)
                colours.insert(image.pixel(x, y));
        QVERIFY2(colours.size() > 20, "the page is not drawn");
        const QString folder = qEnvironmentVariable("HEARTH_SCREENSHOTS");
        if (!folder.isEmpty()) {
            QDir().mkpath(folder);
            QVERIFY(image.save(
                QStringLiteral("%1/models-%2.png").arg(folder, QString::fromLatin1(QTest::currentDataTag()))));
        }
    }
};

QTEST_MAIN(ModelScreensTest)
#include "screens_test.moc"
