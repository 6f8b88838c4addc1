// What hubs say is a stranger's word: names, lists, cards, refusals, headers.

#include "app/models/hub/hub.h"
#include "app/models/hub/remote_header.h"
#include "app/models/hub/safe_name.h"
#include "app/models/net/network_gate.h"
#include "app/models/net/secrets.h"
#include "engine/checkpoint.h"
#include "engine/engine.h"
#include "engine/error.h"
#include "tests/app/downloads/faulty_server.h"
#include "tests/engine/core/gguf_writer.h"

#include <QElapsedTimer>
#include <QTemporaryDir>
#include <QtTest>

#include <sys/resource.h>

using namespace hearth;
using namespace hearth::app;
using tests::FaultyServer;
using tests::ServerReply;
using tests::ServerRequest;

namespace {

constexpr long kMiB = 1 << 20;

ServerReply json(const std::string& text) {
    return ServerReply::text(200, text, "application/json");
}

/// A hub whose every answer is this one.
struct OneAnswer {
    explicit OneAnswer(FaultyServer::Answer answer, Hub::Kind kind = Hub::Kind::HuggingFace,
                       HttpLimits limits = {.headMs = 5000, .stallMs = 5000})
        : client(gate, limits), hub(kind, client, QString::fromStdString(server.base())) {
        server.otherwise(std::move(answer));
    }

    HubAnswer<QVector<HubFile>> files() {
        HubAnswer<QVector<HubFile>> got;
        QEventLoop loop;
        hub.files(QStringLiteral("a/b"), {}, &loop, [&](const auto& answer) {
            got = answer;
            loop.quit();
        });
        loop.exec();
        return got;
    }

    HubAnswer<QVector<HubModel>> search() {
        HubAnswer<QVector<HubModel>> got;
        QEventLoop loop;
        hub.search(QStringLiteral("x & y=1#"), 10, &loop, [&](const auto& answer) {
            got = answer;
            loop.quit();
        });
        loop.exec();
        return got;
    }

    FaultyServer server;
    NetworkGate gate{NetworkGate::State::On};
    HttpClient client;
    Hub hub;
};

long residentPeak() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss * 1024;
}

} // namespace

class HubTest : public QObject {
    Q_OBJECT

private slots:

    void namesAreNeverPaths_data() {
        QTest::addColumn<QString>("theirs");
        QTest::addColumn<QString>("ours");
        QTest::newRow("plain") << "model-Q4_K_M.gguf"
                               << "model-Q4_K_M.gguf";
        QTest::newRow("Chinese") << QStringLiteral("模型-Q4.gguf") << QStringLiteral("模型-Q4.gguf");
        QTest::newRow("up") << "../x"
                            << "x";
        QTest::newRow("up, Windows") << "..\\..\\x"
                                     << "x";
        QTest::newRow("only up") << "../.."
                                 << "model";
        QTest::newRow("absolute") << "/abs"
                                  << "abs";
        QTest::newRow("drive") << "C:\\"
                               << "model";
        QTest::newRow("drive without slash") << "C:x"
                                             << "C_x";
        QTest::newRow("stream") << "a:b"
                                << "a_b";
        QTest::newRow("device") << "CON"
                                << "_CON";
        QTest::newRow("device with an ending") << "nul.gguf"
                                               << "_nul.gguf";
        QTest::newRow("device with a blank") << "COM1 .txt"
                                             << "_COM1 .txt";
        QTest::newRow("trailing dot") << "x.gguf."
                                      << "x.gguf";
        QTest::newRow("trailing blanks") << "x.gguf . . "
                                         << "x.gguf";
        QTest::newRow("NUL") << QString(QStringLiteral("a\0b.gguf")) << "ab.gguf";
        QTest::newRow("NUL inside") << QString::fromLatin1("a\0b.gguf", 8) << "ab.gguf";
        QTest::newRow("newline") << "a\nb.gguf"
                                 << "a b.gguf";
        QTest::newRow("turned round") << QStringLiteral("model\u202Efugg.exe") << "modelfugg.exe";
        QTest::newRow("invisible") << QStringLiteral("a\u200B\u2066b.gguf") << "ab.gguf";
        QTest::newRow("invisible, beyond 16 bits")
            << QStringLiteral("a\U000E0067\U000E0067\U0010FFFDb.gguf") << "ab.gguf";
        QTest::newRow("beyond 16 bits") << QStringLiteral("\U0001F525\U00020000.gguf")
                                        << QStringLiteral("\U0001F525\U00020000.gguf");
        QTest::newRow("apart by what is invisible") << QStringLiteral("u\u200B\u0308.gguf") << QStringLiteral("ü.gguf");
        QTest::newRow("half a letter") << QString(QChar(0xD800)) + QStringLiteral("x.gguf") << "x.gguf";
        QTest::newRow("empty") << ""
                               << "model";
        QTest::newRow("hidden") << ".part"
                                << "part";
        QTest::newRow("hidden twice") << "..part"
                                      << "part";
        QTest::newRow("an option") << "--help.gguf"
                                   << "help.gguf";
        QTest::newRow("wildcards") << "a*?.gguf"
                                   << "a__.gguf";
        QTest::newRow("decomposed") << QStringLiteral("u\u0308.gguf") << QStringLiteral("ü.gguf");
    }

    void namesAreNeverPaths() {
        QFETCH(QString, theirs);
        QFETCH(QString, ours);
        if (QByteArray(QTest::currentDataTag()) == "NUL")
            ours = safeFileName(theirs); // the literal ends there
        QCOMPARE(safeFileName(theirs), ours);
        QCOMPARE(safeFileName(ours), ours); // of itself the same
    }

    void longNames() {
        const QString device = QStringLiteral("CON.ggu") + QString(76, QChar(0xFFFD)) + QLatin1Char('f');
        QVERIFY(safeFileName(device).toUtf8().size() <= 200);
        const QString longest = safeFileName(QString(300, QChar(0x4E2D)) + QStringLiteral("-00002-of-00003.gguf"));
        QVERIFY(longest.toUtf8().size() <= 200);
        QVERIFY(longest.endsWith(QLatin1String("-00002-of-00003.gguf")));
        QVERIFY(safeFileName(QString(5000, QLatin1Char('a'))).size() <= 200);
        QVERIFY(safeFileName(QStringLiteral("😀").repeated(200)).toUtf8().size() <= 200);
    }

    void reach_data() {
        QTest::addColumn<QString>("address");
        QTest::addColumn<int>("reach");
        const auto row = [](const char* address, Reach reach) { QTest::newRow(address) << address << int(reach); };
        row("127.0.0.1", Reach::Loopback);
        row("127.255.0.9", Reach::Loopback);
        row("0.0.0.0", Reach::Loopback);
        row("::1", Reach::Loopback);
        row("::ffff:127.0.0.1", Reach::Loopback);
        row("169.254.169.254", Reach::LinkLocal);
        row("::ffff:169.254.169.254", Reach::LinkLocal);
        row("fe80::1", Reach::LinkLocal);
        row("224.0.0.1", Reach::LinkLocal);
        row("255.255.255.255", Reach::LinkLocal);
        row("10.1.2.3", Reach::Private);
        row("172.31.255.255", Reach::Private);
        row("172.32.0.1", Reach::Public);
        row("192.168.1.1", Reach::Private);
        row("100.64.0.1", Reach::Private);
        row("fd00::1", Reach::Private);
        row("8.8.8.8", Reach::Public);
        row("2606:4700::1", Reach::Public);
    }

    void reach() {
        QFETCH(QString, address);
        QFETCH(int, reach);
        QCOMPARE(int(reachOf(QHostAddress(address))), reach);
    }

    void redirects() {
        const QUrl far(QStringLiteral("https://hub.example/x"));
        const auto ok = [&](const char* to, Reach origin, Reach target, int hop = 1) {
            return !redirectProblem(far, QUrl(QString::fromLatin1(to)), hop, origin, target);
        };
        QVERIFY(ok("https://cdn.example/x", Reach::Public, Reach::Public));
        QVERIFY(ok("https://cdn.example/x", Reach::Public, Reach::Public, 5));
        QVERIFY(!ok("https://cdn.example/x", Reach::Public, Reach::Public, 6));
        QVERIFY(!ok("http://cdn.example/x", Reach::Public, Reach::Public));
        QVERIFY(!ok("file:///etc/passwd", Reach::Public, Reach::Public));
        QVERIFY(!ok("javascript:alert(1)", Reach::Public, Reach::Public));
        QVERIFY(!ok("https://u:p@cdn.example/x", Reach::Public, Reach::Public));
        for (const Reach near : {Reach::Loopback, Reach::LinkLocal, Reach::Private})
            QVERIFY(!ok("https://near.example/x", Reach::Public, near));
        QVERIFY(ok("https://near.example/x", Reach::Private, Reach::Private));
        QVERIFY(!ok("https://near.example/x", Reach::Private, Reach::Loopback));
        QVERIFY(!ok("https://169.254.169.254/x", Reach::Loopback, Reach::LinkLocal));
    }

    void retryAfter() {
        const QDateTime now = QDateTime::fromString(QStringLiteral("2015-10-21T07:27:00Z"), Qt::ISODate);
        QCOMPARE(retryAfterSeconds("120", now), 120);
        QCOMPARE(retryAfterSeconds("Wed, 21 Oct 2015 07:28:00 GMT", now), 60);
        QCOMPARE(retryAfterSeconds("Wed, 21 Oct 2015 07:20:00 GMT", now), 0);
        for (const char* nonsense : {"", "-5", "1e9", "soon", "12.5"})
            QCOMPARE(retryAfterSeconds(nonsense, now), -1);
        QVERIFY(retryAfterSeconds("999999999999999999999999", now) > 1'000'000);
    }

    void contentRanges() {
        const auto range = parseContentRange("bytes 5-9/100");
        QVERIFY(range && range->first == 5 && range->last == 9 && range->total == 100);
        QVERIFY(parseContentRange("bytes 5-9/*")->total == -1);
        for (const char* bad :
             {"", "bytes", "bytes 9-5/100", "bytes 0-100/100", "bytes -1-5/9", "bytes */100", "lines 0-1/2",
              "bytes 0-99999999999999999999/999999999999999999999", "bytes 0-9/x", "bytes 0-9"})
            QVERIFY2(!parseContentRange(bad), bad);
    }

    void quants_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("quant");
        QTest::newRow("K") << "Qwen2.5-0.5B-Instruct-Q4_K_M.gguf"
                           << "Q4_K_M";
        QTest::newRow("small letters") << "qwen2.5-7b-instruct-q5_0.gguf"
                                       << "Q5_0";
        QTest::newRow("IQ") << "x.IQ2_XXS.gguf"
                            << "IQ2_XXS";
        QTest::newRow("dynamic") << "x-UD-Q2_K_XL.gguf"
                                 << "UD-Q2_K_XL";
        QTest::newRow("bf16") << "x-BF16.gguf"
                              << "BF16";
        QTest::newRow("the model's own name") << "Q8_0-tests-IQ4_XS"
                                              << "IQ4_XS";
        QTest::newRow("none") << "model.gguf"
                              << "";
        QTest::newRow("MXFP4") << "gpt-oss-20b-mxfp4.gguf"
                               << "MXFP4";
    }

    void quants() {
        QFETCH(QString, name);
        QFETCH(QString, quant);
        QCOMPARE(quantOf(name), quant);
    }

    void groups() {
        QVector<HubFile> files;
        const auto add = [&](const char* path, qint64 size) { files.append({QString::fromLatin1(path), size, {}}); };
        add("README.md", 10);
        add("m-Q8_0.gguf", 800);
        add("m-Q4_K_M.gguf", 400);
        add("Q6_K/m-Q6_K-00002-of-00003.gguf", 300);
        add("Q6_K/m-Q6_K-00001-of-00003.gguf", 300);
        add("Q6_K/m-Q6_K-00003-of-00003.gguf", 300);
        add("F16/m-F16-00001-of-00002.gguf", 1000);
        add("mmproj-F16.gguf", 50);
        add("config.json", 1);
        add("model-00001-of-00002.safetensors", 2000);
        add("model-00002-of-00002.safetensors", 2000);
        const auto groups = groupFiles(files);
        QStringList told;
        for (const HubGroup& g : groups)
            told.append(QStringLiteral("%1 %2 %3 %4%5")
                            .arg(int(g.kind))
                            .arg(g.quant)
                            .arg(g.bytes)
                            .arg(g.files.size())
                            .arg(g.complete ? QString() : QStringLiteral(" cut")));
        QCOMPARE(told, (QStringList{QStringLiteral("0 Q4_K_M 400 1"), QStringLiteral("0 Q8_0 800 1"),
                                    QStringLiteral("0 Q6_K 900 3"), QStringLiteral("0 F16 1000 1 cut"),
                                    QStringLiteral("1  4001 3"), QStringLiteral("2 F16 50 1")}));
        QCOMPARE(groups[2].files[0].path, QStringLiteral("Q6_K/m-Q6_K-00001-of-00003.gguf"));
    }

    void strangeTrees_data() {
        QTest::addColumn<QByteArray>("reply");
        QTest::addColumn<int>("files"); // -1: an error
        QTest::newRow("empty") << QByteArray("[]") << 0;
        QTest::newRow("nothing") << QByteArray() << -1;
        QTest::newRow("an object") << QByteArray("{\"error\":1}") << -1;
        QTest::newRow("cut short") << QByteArray("[{\"type\":\"file\",\"path\":\"a\"") << -1;
        QTest::newRow("nulls")
            << QByteArray(
                   "[null,{\"type\":null,\"path\":null,\"size\":null,\"lfs\":null},{\"path\":\"a\",\"lfs\":null}]")
            << 1;
        QTest::newRow("negative size") << QByteArray("[{\"type\":\"file\",\"path\":\"a\",\"size\":-5}]") << 1;
        QTest::newRow("2^63") << QByteArray("[{\"type\":\"file\",\"path\":\"a\",\"size\":9223372036854775808}]") << 1;
        QTest::newRow("1e400") << QByteArray("[{\"type\":\"file\",\"path\":\"a\",\"size\":1e300}]") << 1;
        QTest::newRow("a size of letters") << QByteArray("[{\"type\":\"file\",\"path\":\"a\",\"size\":\"many\"}]") << 1;
        QTest::newRow("twice") << QByteArray("[{\"path\":\"a\",\"size\":1},{\"path\":\"a\",\"size\":2}]") << 1;
        QTest::newRow("folders")
            << QByteArray("[{\"type\":\"directory\",\"path\":\"a\"},{\"type\":\"file\",\"path\":\"a/b\"}]") << 1;
        QTest::newRow("deep") << QByteArray(100'000, '[') + QByteArray(100'000, ']') << 0;
        QTest::newRow("deep inside") << QByteArray("[{\"path\":\"a\",\"x\":") + QByteArray(50'000, '[') +
                                            QByteArray(50'000, ']') + "}]"
                                     << 1;
    }

    void strangeTrees() {
        QFETCH(QByteArray, reply);
        QFETCH(int, files);
        OneAnswer one([&](const ServerRequest&) { return json(reply.toStdString()); });
        const auto answer = one.files();
        QCOMPARE(bool(answer.error), files < 0);
        if (files >= 0) {
            QCOMPARE(answer.value.size(), files);
            for (const HubFile& f : answer.value)
                QVERIFY(f.size >= -1 && f.size < (1ll << 53));
        }
    }

    void aMillionFiles() {
        auto reply = std::make_shared<std::string>("[");
        for (int i = 0; i < 1'000'000; ++i)
            *reply += "{\"path\":\"" + std::to_string(i) + "\"},";
        reply->back() = ']';
        OneAnswer one([&](const ServerRequest&) { return ServerReply::of(reply, "application/json"); });
        [[maybe_unused]] const long before = residentPeak();
        QElapsedTimer clock;
        clock.start();
        const auto answer = one.files();
        QVERIFY(!answer.error);
        QCOMPARE(answer.value.size(), 20'000);
#ifndef __SANITIZE_ADDRESS__ // which takes its time, and keeps what was given back
        QVERIFY2(clock.elapsed() < 8000, qPrintable(QString::number(clock.elapsed())));
        QVERIFY2(residentPeak() - before < 64 * kMiB + 2 * long(reply->size()),
                 qPrintable(QString::number((residentPeak() - before) / kMiB)));
#endif
    }

    void anEndlessReply() {
        OneAnswer one([](const ServerRequest&) {
            ServerReply reply = ServerReply::of(std::make_shared<std::string>(40 * kMiB, ' '), "application/json");
            reply.announced = -1;
            return reply;
        });
        const auto answer = one.files();
        QCOMPARE(answer.error.kind, HttpError::Kind::TooLarge);
    }

    void pagesInACircle() {
        OneAnswer one([](const ServerRequest& r) {
            const std::string cursor = r.argument("cursor");
            ServerReply reply = json("[{\"path\":\"file-" + cursor + "\",\"size\":1}]");
            const std::string next = cursor == "c" ? "a" : cursor == "b" ? "c" : cursor == "a" ? "b" : "a";
            reply.headers.emplace_back("Link", "<" + r.path + "?cursor=" + next + ">; rel=\"next\"");
            return reply;
        });
        const auto answer = one.files();
        QVERIFY(!answer.error);
        QCOMPARE(answer.value.size(), 4);
        QCOMPARE(one.server.requests().size(), size_t(4));
    }

    void pagesOfAnotherServer() {
        FaultyServer other("127.0.0.2");
        OneAnswer one([&](const ServerRequest&) {
            ServerReply reply = json("[{\"path\":\"a\"}]");
            reply.headers.emplace_back("Link", "<" + other.base() + "/next>; rel=\"next\"");
            return reply;
        });
        QCOMPARE(one.files().value.size(), 1);
        QVERIFY(other.requests().empty());
    }

    void searches() {
        OneAnswer one([](const ServerRequest&) {
            return json(
                R"([{"id":"a/b","gated":"manual","downloads":"12","tags":["license:mit",7,null],"likes":-3,"siblings":null},
                            {"id":"../../etc"},{"id":"a/b/c"},{"modelId":"c/d","gated":null,"tags":null},null,{"id":7}])");
        });
        one.hub.setToken(QStringLiteral("hf_x"));
        const auto answer = one.search();
        QVERIFY(!answer.error);
        QCOMPARE(answer.value.size(), 2);
        QCOMPARE(answer.value[0].license, QStringLiteral("mit"));
        QVERIFY(answer.value[0].gated && !answer.value[1].gated);
        QCOMPARE(answer.value[0].downloads, 12);
        QCOMPARE(answer.value[0].likes, -1);
        const ServerRequest request = one.server.requests()[0];
        QCOMPARE(request.argument("search"), std::string("x & y=1#"));
        QCOMPARE(request.header("authorization"), std::string("Bearer hf_x"));
    }

    void nothingIsContactedUnasked() {
        OneAnswer one([](const ServerRequest&) { return json("[]"); });
        for (const auto state : {NetworkGate::State::NotAsked, NetworkGate::State::Off}) {
            one.gate.set(state);
            const auto answer = one.search();
            QCOMPARE(answer.error.kind, HttpError::Kind::NotAllowed);
            QVERIFY(!answer.error.sentence.isEmpty());
        }
        QVERIFY(one.server.requests().empty());
        QVERIFY(one.gate.contacted().isEmpty());
    }

    void cards_data() {
        QTest::addColumn<QString>("theirs");
        QTest::addColumn<QString>("ours");
        QTest::newRow("plain") << "# A\n\n**b** [c](https://d)"
                               << "# A\n\n**b** [c](https://d)";
        QTest::newRow("front matter") << "---\nlicense: mit\ntags:\n- x\n---\n# A"
                                      << "# A";
        QTest::newRow("front matter that does not end") << "---\na"
                                                        << "---\na";
        QTest::newRow("picture") << "a ![logo](https://x/y.png) b"
                                 << "a logo b";
        QTest::newRow("picture by reference") << "![logo][1]\n\n[1]: https://x/y.png"
                                              << "logo\n\n[1]: https://x/y.png";
        QTest::newRow("HTML picture") << "a <img src=\"https://x/y.png\"> b"
                                      << "a  b";
        QTest::newRow("HTML around text") << "<div align=\"center\"><b>t</b></div>"
                                          << "t";
        QTest::newRow("script") << "a<script>x</script>b"
                                << "ab";
        QTest::newRow("style that does not end") << "a<style>x{background:url(https://x)}"
                                                 << "a";
        QTest::newRow("comment") << "a<!-- ![x](https://y) -->b"
                                 << "ab";
        QTest::newRow("code keeps all") << "```html\n<img src=x>\n```\n"
                                        << "```html\n<img src=x>\n```";
        QTest::newRow("less than") << "1 < 2 and <https://x>"
                                   << "1 < 2 and <https://x>";
        QTest::newRow("picture in a link") << "[![badge](https://img)](https://x)"
                                           << "[badge](https://x)";
    }

    void cards() {
        QFETCH(QString, theirs);
        QFETCH(QString, ours);
        QCOMPARE(plainCard(theirs), ours);
    }

    void cardsAreReadInLinearTime() {
        for (const char* unit : {"<b ", "![", "[", "<!--", "```\n", "![a](", "<script>", "---\n"}) {
            const auto run = [&](int n) {
                const QString text = QString::fromLatin1(unit).repeated(n);
                QElapsedTimer clock;
                clock.start();
                plainCard(text);
                return clock.elapsed();
            };
            QVERIFY2(run(50'000) < 1500, unit);
        }
    }

    void headersByParts() {
        const std::string file = test::tinyLlama().bytes();
        const auto content = std::make_shared<std::string>(file);
        FaultyServer server, store("127.0.0.2");
        server.otherwise([&](const ServerRequest&) { return ServerReply::redirect(store.base() + "/x"); });
        store.otherwise([&](const ServerRequest& r) { return FaultyServer::file(r, content); });
        const auto got = header(server.base(), qint64(file.size()));
        QVERIFY2(got.first, qPrintable(got.second.sentence));
        QVERIFY(!got.first->tensors().empty());
        const engine::Inspection inspection = engine::inspectHeader(*got.first, {});
        QVERIFY2(inspection.problem.empty(), inspection.problem.c_str());
        QVERIFY(inspection.weightBytes > 0 && inspection.fits);
    }

    /// A file of 40 GB whose header is 3 MB: little more than that is fetched.
    void onlyTheHeaderIsFetched() {
        test::GgufWriter writer = test::tinyLlama();
        for (int i = 0; i < 3000; ++i)
            writer.setText("filler." + std::to_string(i), std::string(1000, 'x'));
        const std::string file = writer.bytes();
        const qint64 announced = 40'000'000'000;
        FaultyServer server;
        server.otherwise([&](const ServerRequest& r) {
            long first = 0, last = 0;
            std::sscanf(r.header("range").c_str(), "bytes=%ld-%ld", &first, &last);
            auto part = std::make_shared<std::string>(size_t(last - first + 1), '\0');
            if (first < long(file.size()))
                *part = file.substr(size_t(first), part->size());
            part->resize(size_t(last - first + 1));
            ServerReply reply = ServerReply::of(part);
            reply.status = 206;
            reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(last) +
                                                            "/" + std::to_string(announced));
            return reply;
        });
        const auto got = header(server.base(), announced);
        QVERIFY2(got.first, qPrintable(got.second.sentence));
        QVERIFY(server.sent() > long(3'000'000) && server.sent() <= 5 * kMiB);
    }

    void headersThatAreNone_data() {
        QTest::addColumn<int>("fault");
        QTest::addColumn<QString>("said");
        QTest::newRow("parts ignored") << 0 << "gives no parts";
        QTest::newRow("a web page") << 1 << "web page";
        QTest::newRow("noise") << 2 << "GGUF";
        QTest::newRow("without end") << 3 << "larger than any";
        QTest::newRow("another part") << 4 << "other parts";
    }

    void headersThatAreNone() {
        QFETCH(int, fault);
        QFETCH(QString, said);
        constexpr long kBytes = 60 * kMiB;
        // "without end": a key whose text is as long as the file.
        std::string endless("GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0abc\10\0\0\0\0\0\0\3\0\0\0\0",
                            47);
        const auto content = std::make_shared<std::string>(fault == 3 ? endless : std::string("noise"));
        content->resize(kBytes, 'x');
        FaultyServer server;
        server.otherwise([&](const ServerRequest& r) {
            if (fault == 0)
                return ServerReply::of(content);
            if (fault == 1)
                return ServerReply::text(200, "<html>login</html>", "text/html");
            ServerReply reply = FaultyServer::file(r, content);
            if (fault == 4)
                reply.headers.back().second = "bytes 7-524294/62914560";
            return reply;
        });
        const auto got = header(server.base(), fault == 1 ? 18 : kBytes);
        QVERIFY(!got.first);
        QVERIFY2(got.second.sentence.contains(said), qPrintable(got.second.sentence));
        if (fault != 0) // one that gives all or nothing sends until the connection is closed
            QVERIFY2(server.sent() <= RemoteHeader::kMostBytes + 8 * kMiB, qPrintable(QString::number(server.sent())));
    }

    void withoutAKeyring() {
        qputenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        SystemSecrets secrets(3000);
        QString problem;
        QEventLoop loop;
        secrets.write(Secrets::hubToken(QStringLiteral("https://hub.example")), QStringLiteral("hf_x"), &loop,
                      [&](const Secrets::Answer& answer) {
                          problem = answer.problem;
                          loop.quit();
                      });
        loop.exec();
        QVERIFY(!problem.isEmpty());
        QVERIFY2(problem.contains(QLatin1String("keyring")), qPrintable(problem));
    }

private:
    std::pair<std::shared_ptr<const engine::Checkpoint>, HttpError> header(const std::string& base, qint64 bytes) {
        NetworkGate gate(NetworkGate::State::On);
        HttpClient client(gate);
        std::pair<std::shared_ptr<const engine::Checkpoint>, HttpError> got;
        QEventLoop loop;
        new RemoteHeader(client, {{QUrl(QString::fromStdString(base + "/m.gguf")), bytes}}, {}, &loop,
                         [&](std::shared_ptr<const engine::Checkpoint> checkpoint, const HttpError& error) {
                             got = {std::move(checkpoint), error};
                             loop.quit();
                         });
        loop.exec();
        return got;
    }
};

QTEST_GUILESS_MAIN(HubTest)
#include "hub_test.moc"
