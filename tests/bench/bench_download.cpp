// 1 GB from a server on loopback into a library, SHA-256 taken on the way, while the window's thread has a frame due
// every 16 ms. Prints megabytes a second from the click to the file in the library, and the longest that a frame waited
// behind its time; the goals are 400 MB/s on two cores (the server's share included) and 16 ms.

#include "app/models/download/downloader.h"
#include "app/models/net/network_gate.h"
#include "tests/app/downloads/faulty_server.h"

#include <QCoreApplication>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QTemporaryDir>
#include <QTimer>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <openssl/evp.h>
#include <sys/resource.h>

using namespace hearth;

namespace {

constexpr int kFrameMs = 16;

double processorSeconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/// How late the frames of a thread come.
class Frames : public QObject {
public:
    Frames() {
        clock_.start();
        timer_.setTimerType(Qt::PreciseTimer);
        timer_.setSingleShot(true);
        connect(&timer_, &QTimer::timeout, this, [this] {
            latest_ = std::max(latest_, double(clock_.nsecsElapsed()) / 1e6 - due_);
            next();
        });
        next();
    }

    double latestMs() const { return latest_; }

private:
    void next() {
        due_ = double(clock_.nsecsElapsed()) / 1e6 + kFrameMs;
        timer_.start(kFrameMs);
    }

    QElapsedTimer clock_;
    QTimer timer_;
    double due_ = 0, latest_ = 0; // ms
};

} // namespace

int main(int argc, char** argv) {
    QCoreApplication app(argc, argv);
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
    server.otherwise([&](const tests::ServerRequest& r) { return tests::FaultyServer::file(r, content); });
    QTemporaryDir dir;
    app::NetworkGate gate(app::NetworkGate::State::On);
    app::DownloadLimits limits;
    limits.connections = connections;
    app::Downloader downloader(gate, limits);
    const app::DownloadRequest request{.title = QStringLiteral("bench"),
                                       .folder = dir.path(),
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
    Frames frames;
    QElapsedTimer clock;
    clock.start();
    const double processor = processorSeconds();
    downloader.add(request);
    app.exec();
    const double seconds = double(clock.nsecsElapsed()) / 1e9, used = processorSeconds() - processor;
    if (path.isEmpty() || QFileInfo(path).size() != qint64(content->size())) {
        std::fprintf(stderr, "bench_download: %s\n", qPrintable(problem));
        return 1;
    }
    const double speed = double(content->size()) / 1e6 / seconds;
    if (json)
        std::printf("{\"megabytesPerSecond\":%.1f,\"frameMaxMs\":%.2f,\"processorSeconds\":%.2f,\"megabytes\":%zu}\n",
                    speed, frames.latestMs(), used, megabytes);
    else
        std::printf("%zu MB in %.2f s: %.1f MB/s (goal 400), %.2f s of processor time; a frame waited %.2f ms at most "
                    "(goal 16)\n",
                    megabytes, seconds, speed, used, frames.latestMs());
    return 0;
}
