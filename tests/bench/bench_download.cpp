// 1 GB from a server on loopback into a library, SHA-256 taken on the way, with the real page of models in the window
// at its list of downloads, all of it painted anew every 16 ms. Prints megabytes a second from the click to the file in
// the library, and of the frames the longest and the 99th of a hundred: how late they were painted, and how long any
// one event kept the window. The goals are 400 MB/s on two cores (the server's share included) and 16 ms.

#include "app/models/page/models_page.h"
#include "tests/app/downloads/faulty_server.h"
#include "ui/models/card.h"
#include "ui/models/downloads_section.h"
#include "ui/theme.h"

#include <QAbstractButton>
#include <QApplication>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QTemporaryDir>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <vector>

using namespace hearth;

namespace {

constexpr int kFrameMs = 16;

double processorSeconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double threadMs() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) * 1e3 + double(t.tv_nsec) / 1e6;
}

struct Times {
    std::vector<double> ms;

    double worst() const { return ms.empty() ? 0 : *std::max_element(ms.begin(), ms.end()); }

    double p99() const {
        if (ms.empty())
            return 0;
        std::vector<double> sorted = ms;
        std::sort(sorted.begin(), sorted.end());
        return sorted[size_t(double(sorted.size() - 1) * 0.99)];
    }
};

/// Times each event that the window's thread handles, while it is told to.
class TimedApplication : public QApplication {
public:
    using QApplication::QApplication;

    bool notify(QObject* receiver, QEvent* event) override {
        if (!timing || QThread::currentThread() != thread() || depth_ > 0) // other threads' events come here too
            return QApplication::notify(receiver, event);
        ++depth_;
        QElapsedTimer clock;
        clock.start();
        const double processor = threadMs();
        const bool handled = QApplication::notify(receiver, event);
        events.ms.push_back(double(clock.nsecsElapsed()) / 1e6);
        eventProcessor.ms.push_back(threadMs() - processor);
        --depth_;
        return handled;
    }

    std::atomic<bool> timing = false;
    Times events, eventProcessor; // wall time, and the thread's own

private:
    int depth_ = 0;
};

/// Paints all of a window every 16 ms, and knows how late that was done.
class Frames : public QObject {
public:
    explicit Frames(QWidget& window) {
        clock_.start();
        timer_.setTimerType(Qt::PreciseTimer);
        timer_.setSingleShot(true);
        connect(&timer_, &QTimer::timeout, this, [this, &window] {
            window.repaint();
            late.ms.push_back(double(clock_.nsecsElapsed()) / 1e6 - due_);
            next();
        });
        next();
    }

    Times late;

private:
    void next() {
        due_ = double(clock_.nsecsElapsed()) / 1e6 + kFrameMs;
        timer_.start(kFrameMs);
    }

    QElapsedTimer clock_;
    QTimer timer_;
    double due_ = 0; // ms
};

/// The window and what its page of models works with, without chats.
struct Program {
    explicit Program(const QString& folder, app::DownloadLimits limits) {
        const std::string below = folder.toStdString();
        std::filesystem::create_directories(below + "/models");
        storage.open(below + "/hearth.db");
        ui::SettingsRow settings;
        settings.language = QStringLiteral("en");
        window.setSettings(settings);
        window.resize(1180, 820);
        page = std::make_unique<app::ModelsPage>(
            app::ModelsPage::Services{window, storage, library, manager, desk, engine, pipe}, nullptr, limits);
        QObject::connect(&desk, &app::ModelDesk::changed, &window, [this] { window.setModels(desk.rows()); });
        window.show();
        for (QAbstractButton* button : window.findChildren<QAbstractButton*>())
            if (button->isCheckable() && button->text() == QStringLiteral("Models"))
                button->click();
        library.setFolder(folder + QStringLiteral("/models"));
        manager.open(folder + QStringLiteral("/models"));
        page->open(folder, false);
        window.modelsPanel().show(ui::ModelsPanel::Section::Downloads);
        // What is remembered of the network is read first.
        QTimer::singleShot(300, &window, [this] { emit window.modelsPanel().networkChosen(true); });
    }

    ~Program() {
        page.reset();
        storage.finish();
    }

    app::StorageWorker storage;
    app::Library library;
    app::ModelManager manager{storage, library};
    app::TokenPipe pipe;
    app::EngineWorker engine{pipe, app::LoadMark({})};
    app::ModelDesk desk{engine, library, app::LoadMark({})};
    ui::Theme theme;
    ui::MainWindow window{theme};
    std::unique_ptr<app::ModelsPage> page;
};

} // namespace

int main(int argc, char** argv) {
    qputenv("HOME", "/nonexistent"); // no other program's models are looked for
    TimedApplication app(argc, argv);
    bool json = false;
    size_t megabytes = 1000;
    int connections = app::DownloadLimits().connections;
    for (int i = 1; i < argc; ++i) {
        json |= std::strcmp(argv[i], "--json") == 0;
        if (std::strcmp(argv[i], "--megabytes") == 0 && i + 1 < argc)
            megabytes = std::max(1ul, std::strtoul(argv[++i], nullptr, 10));
        else if (std::strcmp(argv[i], "--connections") == 0 && i + 1 < argc)
            connections = std::clamp(std::atoi(argv[++i]), 1, 8);
    }
    // Thirty-two different MB over and over: making a GB of noise takes longer than the download.
    const tests::Content some = tests::madeContent(std::min<size_t>(megabytes, 32) * 1'000'000, 1);
    auto whole = std::make_shared<std::string>();
    whole->reserve(megabytes * 1'000'000);
    while (whole->size() < megabytes * 1'000'000)
        whole->append(*some, 0, std::min(some->size(), megabytes * 1'000'000 - whole->size()));
    const tests::Content content = whole;
    QByteArray sum(32, '\0');
    EVP_Digest(content->data(), content->size(), reinterpret_cast<unsigned char*>(sum.data()), nullptr, EVP_sha256(),
               nullptr);
    tests::FaultyServer server;
    server.otherwise([&](const tests::ServerRequest& r) {
        setpriority(PRIO_PROCESS, 0, 10); // this thread, which in life is on another machine
        return tests::FaultyServer::file(r, content);
    });
    const QTemporaryDir dir;
    app::DownloadLimits limits;
    limits.connections = connections;
    Program program(dir.path(), limits);
    while (!program.library.scanned() || !program.page->gate().open())
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents, 20);
    app::Downloader& downloader = program.page->downloads();
    const app::DownloadRequest request{.title = QStringLiteral("bench"),
                                       .folder = program.library.folder(),
                                       .files = {{.url = QUrl(QString::fromStdString(server.base() + "/bench.gguf")),
                                                  .name = QStringLiteral("bench.gguf"),
                                                  .bytes = qint64(content->size()),
                                                  .sha256 = sum.toHex()}}};
    QString path, problem;
    QObject::connect(&downloader, &app::Downloader::finished, &app, [&](const QString&, const QString& where) {
        path = where;
        app.quit();
    });
    QObject::connect(&downloader, &app::Downloader::failed, &app, [&](const QString&, const QString& why) {
        problem = why;
        app.quit();
    });
    int shown = 0; // how often the row said something else
    QObject::connect(&downloader, &app::Downloader::rowChanged, &app, [&] {
        const ui::Card* card = program.window.modelsPanel().downloads().cards().card(0);
        shown += card && card->isVisible() && card->row().progress > 0;
    });
    Frames frames(program.window);
    app.timing = true;
    QElapsedTimer clock;
    clock.start();
    const double processor = processorSeconds();
    downloader.add(request);
    app.exec();
    const double seconds = double(clock.nsecsElapsed()) / 1e9, used = processorSeconds() - processor;
    app.timing = false;
    if (path.isEmpty() || QFileInfo(path).size() != qint64(content->size()) || shown < 3) {
        std::fprintf(stderr, "bench_download: %s\n",
                     path.isEmpty() ? qPrintable(problem) : "the window did not show the download");
        return 1;
    }
    const double speed = double(content->size()) / 1e6 / seconds;
    if (json)
        std::printf("{\"megabytesPerSecond\":%.1f,\"frames\":%zu,\"frameLateMaxMs\":%.2f,\"frameLateP99Ms\":%.2f,"
                    "\"eventMaxMs\":%.2f,\"eventP99Ms\":%.2f,\"eventMaxProcessorMs\":%.2f,"
                    "\"processorSeconds\":%.2f,\"megabytes\":%zu}\n",
                    speed, frames.late.ms.size(), frames.late.worst(), frames.late.p99(), app.events.worst(),
                    app.events.p99(), app.eventProcessor.worst(), used, megabytes);
    else
        std::printf(
            "%zu MB in %.2f s: %.1f MB/s (goal 400), %.2f s of processor time\n%zu frames, painted %.2f ms late "
            "at most, %.2f ms of p99 (goal 16); the longest event took %.2f ms, %.2f ms of them of its own\n",
            megabytes, seconds, speed, used, frames.late.ms.size(), frames.late.worst(), frames.late.p99(),
            app.events.worst(), app.eventProcessor.worst());
    return 0;
}
