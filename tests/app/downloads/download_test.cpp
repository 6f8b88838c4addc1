// Downloads against a server that does everything wrong: each fault ends in the file or in one sentence, and nothing
// but whole files is ever seen in the library.

#include "tests/app/downloads/download_run.h"

#include <QSignalSpy>
#include <limits>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

using namespace hearth;
using namespace hearth::tests;
using app::DownloadStatus;

namespace {

constexpr long kMiB = 1 << 20;
const Content kFile = madeContent(5 * kMiB + 12'345, 7);
const std::string kPath = "/m/model.gguf";

ServerReply good(const ServerRequest& r) {
    return FaultyServer::file(r, kFile);
}

/// The first `times` answers go wrong.
FaultyServer::Answer first(int times, std::function<void(ServerReply&)> spoil) {
    return [=](const ServerRequest& r) {
        ServerReply reply = good(r);
        if (r.number <= times)
            spoil(reply);
        return reply;
    };
}

FaultyServer::Answer always(std::function<void(ServerReply&)> spoil) {
    return first(1 << 30, std::move(spoil));
}

FaultyServer::Answer status(int code, std::vector<std::pair<std::string, std::string>> headers = {},
                            int times = 1 << 30, const std::string& body = "no",
                            const std::string& type = "text/plain") {
    return [=](const ServerRequest& r) {
        if (r.number > times)
            return good(r);
        ServerReply reply = ServerReply::text(code, body, type);
        reply.headers.insert(reply.headers.end(), headers.begin(), headers.end());
        return reply;
    };
}

FaultyServer::Answer contentRange(const std::string& text, long shift = 0) {
    return [=](const ServerRequest& r) {
        ServerReply reply = good(r);
        for (auto& [name, value] : reply.headers)
            if (name == "Content-Range")
                value = text;
        reply.first = std::max(0l, reply.first + shift);
        return reply;
    };
}

struct Fault {
    const char* name;
    FaultyServer::Answer answer;
    const char* sentence;       // part of it; null: the file arrives
    long lostAtMost = 8 * kMiB; // bytes that the server sends in vain
};

const char* const kHtml = "<!DOCTYPE html><html><title>Welcome to Hotel WiFi</title></html>";
const char* const kLfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 5242880\n";

const std::vector<Fault>& faults() {
    using R = ServerReply;
    static const std::vector<Fault> all = {
        {"none", good, nullptr},
        {"drop at 0 %, once", first(1, [](R& r) { r.dropAfter = 0; }), nullptr},
        {"drop before the head, twice", first(2, [](R& r) { r.dropBeforeHead = true; }), nullptr},
        {"drop at 1 %, thrice", first(3, [](R& r) { r.dropAfter = r.size / 100; }), nullptr},
        {"drop at 50 %, five times", first(5, [](R& r) { r.dropAfter = r.size / 2; }), nullptr},
        {"drop at 99.9 %, always a bit further", always([](R& r) { r.dropAfter = r.size - r.size / 1000; }), nullptr},
        {"drop at 0 %, always", always([](R& r) { r.dropAfter = 0; }), "closed the connection"},
        {"stall before the head, once", first(1, [](R& r) { r.stallBeforeHead = true; }), nullptr},
        {"stall after the head, once", first(1, [](R& r) { r.stallAfter = 0; }), nullptr},
        {"stall in the middle, twice", first(2, [](R& r) { r.stallAfter = r.size / 2; }), nullptr},
        {"stall, always", always([](R& r) { r.stallAfter = 0; }), "stopped sending"},
        {"no head, always", always([](R& r) { r.stallBeforeHead = true; }), "does not answer"},
        {"one byte a second", always([](R& r) { r.bytesPerSecond = 1; }), "next to nothing"},
        {"parts ignored", [](const ServerRequest&) { return R::of(kFile); }, nullptr},
        {"parts ignored, and dropped at 50 % once",
         [](const ServerRequest& q) {
             R r = R::of(kFile);
             r.dropAfter = q.number == 1 ? r.size / 2 : -1;
             return r;
         },
         nullptr},
        {"another part", contentRange("bytes 7-2097158/5255225", 7), "other parts"},
        {"a part that overlaps", contentRange("bytes 0-5255224/5255225"), "other parts"},
        {"a part beyond the end", contentRange("bytes 5255225-6303800/5255225"), "other parts"},
        {"a part of nonsense", contentRange("bytes 9-3/5255225"), "other parts"},
        {"no part named", contentRange(""), "other parts"},
        {"several parts in one", status(206, {{"Content-Type", "multipart/byteranges; boundary=x"}}), "other parts"},
        {"416", status(416), "shorter"},
        {"length announced too large", first(2, [](R& r) { r.announced = r.size + 1000; }), nullptr},
        {"another size, 200", [](const ServerRequest&) { return R::of(madeContent(4 * kMiB, 1)); },
         "its size is another"},
        {"another size, 206", [](const ServerRequest& q) { return FaultyServer::file(q, madeContent(6 * kMiB, 1)); },
         "its size is another"},
        {"401", status(401), "access token"},
        {"403 gated", status(403, {{"X-Error-Code", "GatedRepo"}}), "Accept its conditions"},
        {"403", status(403), "refuses"},
        {"404", status(404), "no such model or file"},
        {"409 once", status(409, {}, 1), nullptr},
        {"409", status(409), "changing this file"},
        {"429 once, in a second", status(429, {{"Retry-After", "1"}}, 1), nullptr},
        {"429, in an age", status(429, {{"Retry-After", "1000000000"}}), "fewer requests"},
        {"429, 1e9", status(429, {{"Retry-After", "1e9"}}, 2), nullptr},
        {"429, negative", status(429, {{"Retry-After", "-5"}}, 2), nullptr},
        {"429, a date gone by", status(429, {{"Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"}}, 2), nullptr},
        {"429, a date far away", status(429, {{"Retry-After", "Wed, 21 Oct 2099 07:28:00 GMT"}}), "fewer requests"},
        {"500 once", status(500, {}, 1), nullptr},
        {"502 twice", status(502, {}, 2), nullptr},
        {"503 thrice", status(503, {}, 3), nullptr},
        {"504", status(504), "problem of its own"},
        {"a login page", status(200, {}, 1 << 30, kHtml, "text/html"), "web page"},
        {"a login page that says it is bytes", status(200, {}, 1 << 30, kHtml, "application/octet-stream"), "web page"},
        {"a login page as a part",
         [](const ServerRequest& q) {
             return FaultyServer::file(
                 q, std::make_shared<std::string>(std::string(kHtml) +
                                                  std::string(kFile->size() - std::string(kHtml).size(), ' ')));
         },
         "web page"},
        {"a pointer", status(200, {}, 1 << 30, kLfs), "Git LFS"},
        {"an error in JSON", status(200, {}, 1 << 30, R"({"error":"Sorry, not today"})", "application/json"),
         "not today"},
        {"204", status(204, {}, 1 << 30, ""), "something else"},
        {"no HTTP",
         [](const ServerRequest&) {
             R r;
             r.raw = "SSH-2.0-OpenSSH_9.2\r\n\r\n";
             return r;
         },
         ""},
        {"one byte wrong, once",
         [](const ServerRequest& q) {
             R r = good(q);
             r.flip = q.number <= 3 ? 3 * kMiB + 5 : -1;
             return r;
         },
         nullptr},
        {"one byte wrong, always", always([](R& r) { r.flip = 3 * kMiB + 5; }), "SHA-256"},
        {"redirect without end", [](const ServerRequest&) { return R::redirect("/m/model.gguf"); }, "without end"},
        {"redirect to a file", [](const ServerRequest&) { return R::redirect("file:///etc/passwd"); },
         "not an address of the web"},
        {"redirect to FTP", [](const ServerRequest&) { return R::redirect("ftp://127.0.0.1/x"); },
         "not an address of the web"},
        {"redirect to the machine's metadata",
         [](const ServerRequest&) { return R::redirect("http://169.254.169.254/latest"); }, "inside your own network"},
        {"redirect with a password", [](const ServerRequest&) { return R::redirect("http://a:b@127.0.0.2/x"); },
         "password"},
        {"redirect to nowhere", [](const ServerRequest&) { return R::redirect("http://"); }, ""},
    };
    return all;
}

} // namespace

class DownloadTest : public QObject {
    Q_OBJECT

private slots:

    void everyFault_data() {
        QTest::addColumn<int>("row");
        for (size_t i = 0; i < faults().size(); ++i)
            QTest::newRow(faults()[i].name) << int(i);
    }

    void everyFault() {
        QFETCH(int, row);
        const Fault& fault = faults()[size_t(row)];
        FaultyServer server;
        server.on(kPath, fault.answer);
        app::DownloadLimits limits = quickLimits();
        const QByteArray name = fault.name;
        if (name.contains("stall") || name.contains("no head") || name.contains("one byte a"))
            limits.http = {.headMs = 400, .stallMs = 400, .slowMs = 500, .slowBytesPerSecond = 512};
        if (name.startsWith("one byte a"))
            limits.http.stallMs = 2000;
        DownloadRun run(limits);
        QVERIFY(run.run(run.request({wanted(server, kPath, kFile)})));
        if (!fault.sentence) {
            QVERIFY2(run.finished(), qPrintable(run.last.notice));
            QVERIFY(run.holds(QStringLiteral("model.gguf"), kFile));
            QCOMPARE(run.visible(), QStringList{QStringLiteral("model.gguf")});
            QVERIFY2(server.sent() - long(kFile->size()) <= fault.lostAtMost,
                     qPrintable(QString::number(server.sent())));
            QVERIFY(app::workFolders(run.library()).isEmpty());
        } else {
            QVERIFY(run.failed());
            QVERIFY2(run.last.notice.contains(QLatin1String(fault.sentence)), qPrintable(run.last.notice));
            QVERIFY2(run.last.notice.endsWith(QLatin1Char('.')) || run.last.notice.contains(QLatin1Char(':')) ||
                         run.last.notice.endsWith(QLatin1Char('?')),
                     qPrintable(run.last.notice));
            QCOMPARE(run.visible(), QStringList());
        }
    }

    void aServerThatIsNotThere() {
        DownloadRun run;
        app::WantedFile file;
        {
            FaultyServer server;
            file = wanted(server, kPath, kFile);
        }
        QVERIFY(run.run(run.request({file})));
        QVERIFY(run.failed());
        QVERIFY2(run.last.notice.contains(QLatin1String("cannot be reached")), qPrintable(run.last.notice));
    }

    /// The hub leads to another server, which must not see the token; its links expire.
    void linksToAnotherServer() {
        FaultyServer hub, store("127.0.0.2");
        std::atomic<int> generation = 0, served = 0;
        hub.on(kPath, [&](const ServerRequest&) {
            return ServerReply::redirect(store.base() + "/x/" + std::to_string(generation));
        });
        store.otherwise([&](const ServerRequest& r) {
            if (r.path != "/x/" + std::to_string(generation) || ++served % 3 == 0) {
                ++generation; // its links hold for three requests at most
                return ServerReply::text(403, "expired");
            }
            return good(r);
        });
        DownloadRun run;
        app::DownloadRequest request = run.request({wanted(hub, kPath, kFile)});
        request.token = QStringLiteral("hf_secret");
        QVERIFY(run.run(request));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QVERIFY(run.holds(QStringLiteral("model.gguf"), kFile));
        QVERIFY(hub.count(kPath) > 1);
        for (const ServerRequest& r : hub.requests())
            QCOMPARE(r.header("authorization"), std::string("Bearer hf_secret"));
        for (const ServerRequest& r : store.requests())
            QVERIFY(r.header("authorization").empty());
        QCOMPARE(run.gate.contacted(), (QStringList{QStringLiteral("127.0.0.1"), QStringLiteral("127.0.0.2")}));
    }

    /// From a server that counts as far away, none of ours is contacted.
    void noWayIntoOwnNetwork() {
        FaultyServer far, near("127.0.0.2");
        far.on(kPath, [&](const ServerRequest&) { return ServerReply::redirect(near.base() + "/x"); });
        near.otherwise(good);
        app::DownloadLimits limits = quickLimits();
        limits.http.assumePublicOrigin = true;
        DownloadRun run(limits);
        QVERIFY(run.run(run.request({wanted(far, kPath, kFile)})));
        QVERIFY(run.failed());
        QVERIFY2(run.last.notice.contains(QLatin1String("inside your own network")), qPrintable(run.last.notice));
        QVERIFY(near.requests().empty());
    }

    void fiveHopsAreFollowedSixAreNot_data() {
        QTest::addColumn<int>("hops");
        QTest::newRow("5") << 5;
        QTest::newRow("6") << 6;
    }

    void fiveHopsAreFollowedSixAreNot() {
        QFETCH(int, hops);
        FaultyServer server;
        server.on(kPath, [](const ServerRequest&) { return ServerReply::redirect("/hop/1"); });
        server.otherwise([hops](const ServerRequest& r) {
            const int hop = std::stoi(r.path.substr(5));
            return hop == hops ? good(r) : ServerReply::redirect("/hop/" + std::to_string(hop + 1), 307);
        });
        DownloadRun run;
        QVERIFY(run.run(run.request({wanted(server, kPath, kFile)})));
        QCOMPARE(run.finished(), hops == 5);
    }

    void changedWhileItWasDownloaded_data() {
        QTest::addColumn<bool>("byDate");
        QTest::addColumn<bool>("honoursIfRange");
        QTest::newRow("ETag, If-Range honoured") << false << true;
        QTest::newRow("ETag, If-Range ignored") << false << false;
        QTest::newRow("date, If-Range honoured") << true << true;
        QTest::newRow("date, If-Range ignored") << true << false;
    }

    void changedWhileItWasDownloaded() {
        QFETCH(bool, byDate);
        QFETCH(bool, honoursIfRange);
        const Content other = madeContent(kFile->size(), 8);
        FaultyServer server;
        server.on(kPath, [&](ServerRequest r) {
            const bool old = r.number <= 2;
            if (!honoursIfRange)
                r.headers.erase("if-range");
            const char* date = old ? "Wed, 21 Oct 2015 07:28:00 GMT" : "Thu, 22 Oct 2015 07:28:00 GMT";
            ServerReply reply = byDate ? FaultyServer::file(r, old ? kFile : other, "", date)
                                       : FaultyServer::file(r, old ? kFile : other, old ? "\"a\"" : "\"b\"");
            reply.bytesPerSecond = old ? 20 * kMiB : 0;
            return reply;
        });
        app::DownloadLimits limits = quickLimits();
        limits.connections = 1;
        DownloadRun run(limits);
        QVERIFY(run.run(run.request({wanted(server, kPath, other)})));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QVERIFY(run.holds(QStringLiteral("model.gguf"), other));
        QVERIFY2(run.last.notice.contains(QLatin1String("begins anew")), qPrintable(run.last.notice));
    }

    void anotherSizeWhereNoSumWasTold() {
        const Content other = madeContent(3 * kMiB, 9);
        FaultyServer server;
        server.on(kPath, [&](const ServerRequest& r) { return FaultyServer::file(r, other); });
        DownloadRun run;
        app::WantedFile file = wanted(server, "/m/data.bin", kFile);
        file.url = QUrl(QString::fromStdString(server.base() + kPath));
        file.sha256.clear();
        QVERIFY(run.run(run.request({file})));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QVERIFY(run.holds(QStringLiteral("data.bin"), other));
    }

    /// With no sum to compare, a thing that is no model does not become one.
    void withoutASumItMustBeAModel() {
        FaultyServer server;
        server.on(kPath, good);
        DownloadRun run;
        app::WantedFile file = wanted(server, kPath, kFile); // random behind its first four bytes
        file.sha256.clear();
        QVERIFY(run.run(run.request({file})));
        QVERIFY(run.failed());
        QCOMPARE(run.visible(), QStringList());
    }

    void goesOnAfterARestart() {
        FaultyServer server;
        server.on(kPath, first(1 << 30, [](ServerReply& r) { r.bytesPerSecond = 3 * kMiB; }));
        DownloadRun run;
        const auto request = run.request({wanted(server, kPath, kFile)});
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        run.downloader->add(request);
        QTRY_VERIFY_WITH_TIMEOUT(server.sent() > 3 * kMiB, 20'000);
        run.downloader.reset();
        QCOMPARE(run.visible(), QStringList());
        server.on(kPath, good);
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        run.downloader->restore(run.library());
        QTRY_COMPARE(run.downloader->rows().size(), 1);
        QCOMPARE(run.downloader->rows()[0].state, DownloadStatus::State::Paused);
        QVERIFY(run.downloader->rows()[0].bytes > 0);
        run.downloader->resume(request.id());
        QTest::qWait(20);
        QVERIFY(run.settle(request.id()));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QVERIFY(run.holds(QStringLiteral("model.gguf"), kFile));
        QVERIFY2(server.sent() - long(kFile->size()) <= 8 * kMiB, qPrintable(QString::number(server.sent())));
    }

    /// One that waits for another, and one that was only just asked for.
    void whatHasNotBegunComesBack() {
        FaultyServer server;
        server.on(kPath, first(1 << 30, [](ServerReply& r) { r.bytesPerSecond = kMiB; }));
        server.on("/second.gguf", good);
        DownloadRun run;
        const auto one = run.request({wanted(server, kPath, kFile)}, QStringLiteral("one"));
        const auto two = run.request({wanted(server, "/second.gguf", kFile)}, QStringLiteral("two"));
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        run.downloader->add(one);
        run.downloader->add(two);
        run.downloader.reset(); // at once
        QCOMPARE(run.visible(), QStringList());
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        run.downloader->restore(run.library());
        QTRY_COMPARE(run.downloader->rows().size(), 2);
        QCOMPARE(run.downloader->rows()[0].id, one.id()); // in their order
        QCOMPARE(run.downloader->rows()[1].id, two.id());
        run.downloader->resume(two.id());
        QTest::qWait(20);
        QVERIFY(run.settle(two.id()));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
    }

    /// The secret was never written down: whoever has it is asked once the server refuses, and may take a while.
    void aTokenComesBackAfterARestart() {
        FaultyServer server;
        const auto guarded = [](const ServerRequest& r) {
            if (r.header("authorization") != "Bearer secret")
                return ServerReply::text(401, "who are you?");
            ServerReply reply = good(r);
            reply.bytesPerSecond = 3 * kMiB;
            return reply;
        };
        server.on(kPath, guarded);
        DownloadRun run;
        auto request = run.request({wanted(server, kPath, kFile)});
        request.token = QStringLiteral("secret");
        request.tokenName = QStringLiteral("of the hub");
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        run.downloader->add(request);
        QTRY_VERIFY_WITH_TIMEOUT(server.sent() > 2 * kMiB, 20'000);
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        QStringList asked;
        app::Downloader::Token answer;
        run.downloader->setTokenSource([&](const QString& name, app::Downloader::Token done) {
            asked.append(name);
            answer = std::move(done);
        });
        run.downloader->restore(run.library());
        QTRY_COMPARE(run.downloader->rows().size(), 1);
        const auto row = [&] { return run.downloader->rows()[0]; };
        run.downloader->resume(request.id());
        QTRY_COMPARE_WITH_TIMEOUT(asked.size(), 1, 20'000);
        QCOMPARE(asked[0], request.tokenName);
        QTRY_COMPARE(row().state, DownloadStatus::State::Waiting);
        QVERIFY(row().notice.contains(QStringLiteral("keyring")));
        // Paused meanwhile: the answer does not start it.
        run.downloader->pause(request.id());
        QTRY_COMPARE(row().state, DownloadStatus::State::Paused);
        answer(QStringLiteral("secret"));
        QTest::qWait(100);
        QCOMPARE(row().state, DownloadStatus::State::Paused);
        // There is none: one sentence that asks for it.
        run.downloader->resume(request.id());
        QTRY_COMPARE_WITH_TIMEOUT(asked.size(), 2, 20'000);
        answer({});
        QTRY_COMPARE(row().state, DownloadStatus::State::Failed);
        QVERIFY(row().gated);
        QVERIFY2(row().notice.contains(QStringLiteral("127.0.0.1 wants your token")), qPrintable(row().notice));
        // A wrong one is not asked for without end.
        run.downloader->resume(request.id());
        QTRY_COMPARE_WITH_TIMEOUT(asked.size(), 3, 20'000);
        answer(QStringLiteral("of yesterday"));
        QTRY_COMPARE_WITH_TIMEOUT(row().state, DownloadStatus::State::Failed, 20'000);
        QVERIFY2(row().notice.contains(QStringLiteral("does not accept")), qPrintable(row().notice));
        QCOMPARE(asked.size(), 3);
        run.downloader->resume(request.id());
        QTRY_COMPARE_WITH_TIMEOUT(asked.size(), 4, 20'000);
        answer(QStringLiteral("secret"));
        QTest::qWait(50);
        QVERIFY(run.settle(request.id()));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QVERIFY(run.holds(QStringLiteral("model.gguf"), kFile));
        QVERIFY(!DownloadRun::bytesOf(run.library() + QStringLiteral("/.hearth-") + request.id() +
                                      QStringLiteral("/state.json"))
                     .contains("secret"));
    }

    /// What the disk lost between two sessions is found and fetched, and nothing else.
    void chunksThatTheDiskLost() {
        FaultyServer server;
        server.on(kPath, first(1 << 30, [](ServerReply& r) { r.bytesPerSecond = 4 * kMiB; }));
        DownloadRun run;
        const auto request = run.request({wanted(server, kPath, kFile)});
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        run.downloader->add(request);
        QTRY_VERIFY_WITH_TIMEOUT(!run.downloader->rows().isEmpty() && run.downloader->rows()[0].bytes > 3 * kMiB + 1000,
                                 20'000);
        run.downloader.reset();
        const QString part = run.library() + QStringLiteral("/.hearth-") + request.id() + QStringLiteral("/0.part");
        QFile file(part);
        QVERIFY(file.open(QIODevice::ReadWrite));
        file.seek(1000);
        file.write("rot");
        file.close();
        server.forget();
        server.on(kPath, good);
        QVERIFY(run.run(request));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QVERIFY(run.holds(QStringLiteral("model.gguf"), kFile));
        QVERIFY(server.sent() < 4 * kMiB);
    }

    void damagedJournalsAndStates_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QByteArray>("bytes");
        QTest::newRow("empty journal") << "0.chunks" << QByteArray();
        QTest::newRow("journal of nonsense") << "0.chunks" << QByteArray(100'000, 'x');
        QTest::newRow("journal cut short") << "0.chunks" << QByteArray("HearthC1\0\0\0", 11);
        QTest::newRow("empty state") << "state.json" << QByteArray();
        QTest::newRow("state of nonsense") << "state.json" << QByteArray("{\"version\":1,\"files\":[7,null]}");
        QTest::newRow("part too short") << "0.part" << QByteArray("GGUF");
        QTest::newRow("part too long") << "0.part" << QByteArray(6 * kMiB, 'y');
    }

    void damagedJournalsAndStates() {
        QFETCH(QString, file);
        QFETCH(QByteArray, bytes);
        FaultyServer server;
        server.on(kPath, first(1 << 30, [](ServerReply& r) { r.bytesPerSecond = 4 * kMiB; }));
        DownloadRun run;
        const auto request = run.request({wanted(server, kPath, kFile)});
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        run.downloader->add(request);
        QTRY_VERIFY_WITH_TIMEOUT(server.sent() > 2 * kMiB, 20'000);
        run.downloader.reset();
        QFile damaged(run.library() + QStringLiteral("/.hearth-") + request.id() + QLatin1Char('/') + file);
        QVERIFY(damaged.open(QIODevice::WriteOnly | QIODevice::Truncate));
        damaged.write(bytes);
        damaged.close();
        server.on(kPath, good);
        QVERIFY(run.run(request));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QVERIFY(run.holds(QStringLiteral("model.gguf"), kFile));
    }

    void aStateWithNumbersBeyondAllSense() {
        FaultyServer server;
        DownloadRun run;
        app::DownloadRecord record;
        record.request = run.request({wanted(server, "/a.gguf", kFile), wanted(server, "/b.gguf", kFile)});
        for (app::WantedFile& file : record.request.files)
            file.bytes = std::numeric_limits<qint64>::max();
        record.validators.resize(2);
        record.whole = {true, true};
        record.sha256.resize(2);
        QVERIFY(QDir().mkpath(record.workFolder()) && record.save());
        app::Downloader downloader(run.gate, run.limits);
        downloader.restore(run.library());
        QTRY_COMPARE(downloader.rows().size(), 1);
        QVERIFY2(downloader.rows()[0].bytes >= 0, qPrintable(QString::number(downloader.rows()[0].bytes)));
        downloader.resume(record.request.id());
        QTRY_VERIFY(downloader.rows()[0].state == DownloadStatus::State::Failed);
        QCOMPARE(server.requests().size(), size_t(0));
    }

    void noSpaceNoByte() {
        FaultyServer server;
        server.on(kPath, good);
        app::DownloadLimits limits = quickLimits();
        limits.spaceMargin = kMiB;
        limits.freeBytes = [](const QString&) { return qint64(10 * kMiB); };
        DownloadRun run(limits);
        app::WantedFile a = wanted(server, kPath, kFile), b = a;
        b.url.setQuery(QStringLiteral("second"));
        QVERIFY(run.run(run.request({a, b}, QStringLiteral("two")))); // each would fit
        QVERIFY(run.failed());
        QVERIFY2(run.last.notice.contains(QLatin1String("not enough space")), qPrintable(run.last.notice));
        QVERIFY(server.requests().empty());
        QVERIFY(run.run(run.request({a})));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
    }

    void namesFromServers_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("ours");
        QTest::newRow("up") << "../../up.gguf"
                            << "up.gguf";
        QTest::newRow("up, the other way") << "..\\..\\up.gguf"
                                           << "up.gguf";
        QTest::newRow("absolute") << "/etc/passwd"
                                  << "passwd";
        QTest::newRow("drive") << "C:\\x.gguf"
                               << "x.gguf";
        QTest::newRow("device") << "CON"
                                << "_CON";
        QTest::newRow("nothing") << ""
                                 << "model";
        QTest::newRow("existing") << "there.gguf"
                                  << "there (2).gguf";
        QTest::newRow("in other case") << "THERE.gguf"
                                       << "THERE (2).gguf";
        QTest::newRow("a link to nowhere") << "link.gguf"
                                           << "link (2).gguf";
    }

    void namesFromServers() {
        QFETCH(QString, name);
        QFETCH(QString, ours);
        FaultyServer server;
        server.on(kPath, good);
        DownloadRun run;
        QVERIFY(QDir().mkpath(run.library()));
        QFile there(run.library() + QStringLiteral("/there.gguf"));
        QVERIFY(there.open(QIODevice::WriteOnly) && there.write("mine") == 4);
        there.close();
        const QString target = run.dir.path() + QStringLiteral("/elsewhere");
        QVERIFY(QFile::link(target, run.library() + QStringLiteral("/link.gguf")));
        app::WantedFile file = wanted(server, kPath, kFile);
        file.name = name;
        QVERIFY(run.run(run.request({file})));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QCOMPARE(run.last.path, run.library() + QLatin1Char('/') + ours);
        QVERIFY(run.holds(ours, kFile));
        QCOMPARE(DownloadRun::bytesOf(run.library() + QStringLiteral("/there.gguf")), QByteArray("mine"));
        QVERIFY(!QFile::exists(target));
    }

    void partsEnterTogether() {
        FaultyServer server;
        QVector<app::WantedFile> files;
        std::vector<Content> contents;
        for (int i = 1; i <= 3; ++i) {
            const std::string path = "/m/Q4_K_M/big-0000" + std::to_string(i) + "-of-00003.gguf";
            contents.push_back(madeContent(size_t(kMiB + i * 1000), unsigned(i)));
            server.on(path,
                      [content = contents.back()](const ServerRequest& r) { return FaultyServer::file(r, content); });
            files.append(wanted(server, path, contents.back()));
        }
        DownloadRun run;
        QVERIFY(run.run(run.request(files, QStringLiteral("big"))));
        QVERIFY2(run.finished(), qPrintable(run.last.notice));
        QCOMPARE(run.visible(), (QStringList{QStringLiteral("big/big-00001-of-00003.gguf"),
                                             QStringLiteral("big/big-00002-of-00003.gguf"),
                                             QStringLiteral("big/big-00003-of-00003.gguf")}));
        for (int i = 0; i < 3; ++i)
            QVERIFY(run.holds(run.visible()[i], contents[size_t(i)]));
        QCOMPARE(run.last.path, run.library() + QStringLiteral("/big/big-00001-of-00003.gguf"));
        server.forget();
        QVERIFY(run.run(run.request(files, QStringLiteral("big")))); // is there already
        QVERIFY(run.finished());
        QVERIFY(server.requests().empty());
    }

    void aClosedGateLetsNothingOut() {
        FaultyServer server;
        server.on(kPath, first(1 << 30, [](ServerReply& r) { r.bytesPerSecond = 2 * kMiB; }));
        DownloadRun run;
        run.gate.set(app::NetworkGate::State::Off);
        const auto request = run.request({wanted(server, kPath, kFile)});
        QVERIFY(run.run(request));
        QCOMPARE(run.last.state, DownloadStatus::State::Paused);
        QVERIFY2(run.last.notice.contains(QLatin1String("switched off")), qPrintable(run.last.notice));
        QVERIFY(server.requests().empty());
        run.gate.set(app::NetworkGate::State::On);
        run.downloader->resume(request.id());
        QTRY_VERIFY_WITH_TIMEOUT(server.sent() > 2 * kMiB, 20'000);
        run.gate.set(app::NetworkGate::State::Off); // in the middle
        QVERIFY(run.settle(request.id()));
        QCOMPARE(run.last.state, DownloadStatus::State::Paused);
        const long sent = server.sent();
        QTest::qWait(300);
        QVERIFY(server.sent() - sent < 2 * kMiB);
        QCOMPARE(run.visible(), QStringList());
    }

    void queuePauseMoveRemove() {
        FaultyServer server;
        server.otherwise(first(1 << 30, [](ServerReply& r) { r.bytesPerSecond = 4 * kMiB; }));
        DownloadRun run;
        QVector<app::DownloadRequest> requests;
        for (const char* name : {"/m/a.gguf", "/m/b.gguf", "/m/c.gguf"})
            requests.append(run.request({wanted(server, name, kFile)}));
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        app::Downloader& d = *run.downloader;
        QStringList done;
        connect(&d, &app::Downloader::finished, this,
                [&](const QString&, const QString& path) { done.append(QFileInfo(path).fileName()); });
        for (const auto& r : requests)
            d.add(r);
        QTRY_VERIFY_WITH_TIMEOUT(d.rows().size() == 3 && d.rows()[0].bytes > kMiB, 20'000);
        QCOMPARE(d.rows()[1].state, DownloadStatus::State::Waiting);
        d.move(requests[2].id(), 1); // c before b
        d.pause(requests[0].id());   // c begins
        QTRY_COMPARE(d.rows()[1].state, DownloadStatus::State::Running);
        QCOMPARE(d.rows()[1].id, requests[2].id());
        QCOMPARE(d.rows()[0].state, DownloadStatus::State::Paused);
        d.remove(requests[1].id());
        QTRY_COMPARE(d.rows().size(), 2);
        d.resume(requests[0].id());
        QTRY_COMPARE_WITH_TIMEOUT(done, (QStringList{QStringLiteral("c.gguf"), QStringLiteral("a.gguf")}), 30'000);
        QCOMPARE(run.visible(), (QStringList{QStringLiteral("a.gguf"), QStringLiteral("c.gguf")}));
        QVERIFY(app::workFolders(run.library()).isEmpty());
    }

    void theLineCanBeLimited() {
        FaultyServer server;
        server.on(kPath, good);
        DownloadRun run;
        run.downloader = std::make_unique<app::Downloader>(run.gate, run.limits);
        run.downloader->setRateLimit(4 * kMiB);
        QSignalSpy told(run.downloader.get(), &app::Downloader::rowChanged);
        QElapsedTimer clock;
        clock.start();
        QVERIFY(run.run(run.request({wanted(server, kPath, kFile)})));
        QVERIFY(run.finished());
        QVERIFY2(clock.elapsed() > 1000 && clock.elapsed() < 8000, qPrintable(QString::number(clock.elapsed())));
        QVERIFY2(told.size() <= 5 + clock.elapsed() / 80, qPrintable(QString::number(told.size())));
    }

    void twoProgramsOneDownload() {
        FaultyServer server;
        server.on(kPath, first(1 << 30, [](ServerReply& r) { r.bytesPerSecond = 2 * kMiB; }));
        DownloadRun run;
        const auto request = run.request({wanted(server, kPath, kFile)});
        app::Downloader other(run.gate, run.limits);
        other.add(request);
        QTRY_VERIFY_WITH_TIMEOUT(server.sent() > kMiB, 20'000);
        QVERIFY(run.run(request));
        QVERIFY(run.failed());
        QVERIFY2(run.last.notice.contains(QLatin1String("Another program")), qPrintable(run.last.notice));
    }

    void aFolderThatCannotBeWritten() {
        FaultyServer server;
        server.on(kPath, good);
        DownloadRun run;
        app::DownloadRequest request = run.request({wanted(server, kPath, kFile)});
        request.folder = QStringLiteral("/proc/nowhere");
        QVERIFY(run.run(request));
        QVERIFY(run.failed());
        QVERIFY(server.requests().empty());
    }
};

QTEST_GUILESS_MAIN(DownloadTest)
#include "download_test.moc"
