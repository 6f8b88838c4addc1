// Replies from elsewhere, against a server on loopback that does what servers should not: each fault ends in a reply or
// in one clear sentence, and what had come is kept.
#include "app/models/remote/remote_engine.h"
#include "app/models/remote/remote_probe.h"
#include "app/models/remote/remotes.h"
#include "app/models/remote/reply_router.h"
#include "tests/app/downloads/faulty_server.h"
#include "tests/app/remote/fake_secrets.h"
#include "tests/processor_time.h"

#include <nlohmann/json.hpp>

#include <QScopeGuard>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>

using namespace hearth;
using namespace hearth::app;
using tests::FakeSecrets;
using tests::FaultyServer;
using tests::ServerReply;
using tests::ServerRequest;

namespace {

const char* const kPath = "/v1/chat/completions";
const QString kName = QStringLiteral("Office");

std::string chunk(const std::string& text, const char* finish = nullptr) {
    nlohmann::json json = {{"choices", {{{"index", 0}, {"delta", {{"content", text}}}, {"finish_reason", nullptr}}}}};
    if (finish)
        json["choices"][0]["finish_reason"] = finish;
    return "data: " + json.dump() + "\n\n";
}

ServerReply stream(const std::string& body) {
    ServerReply reply = ServerReply::text(200, body, "text/event-stream");
    reply.announced = -1;
    return reply;
}

const std::string kEnd = chunk("", "stop") + "data: [DONE]\n\n";

/// What became of one reply.
struct Told {
    std::string text, thoughts, error;
    ReplyEnd end = ReplyEnd::None;
    ReplyUpdate last;
    std::string host;
    bool begun = false, about = false, counted = false;
    int promptTokens = 0, leftOut = 0, tokens = 0;
};

} // namespace

class RemoteEngineTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        server_ = std::make_unique<FaultyServer>();
        other_ = std::make_unique<FaultyServer>();
        secrets_ = std::make_unique<FakeSecrets>();
        gate_ = std::make_unique<NetworkGate>(NetworkGate::State::On);
        pipe_ = std::make_unique<TokenPipe>(std::chrono::milliseconds(1));
        told_.clear();
        connect(pipe_.get(), &TokenPipe::updated, this, [this](const ReplyUpdate& update) {
            Told& told = told_[update.reply];
            told.text += update.text;
            told.thoughts += update.thoughts;
            told.begun |= update.begun;
            told.about |= update.about;
            told.counted |= update.counted;
            told.host += update.host;
            if (update.begun) {
                told.promptTokens = update.promptTokens;
                told.leftOut = update.leftOut;
            }
            told.tokens = std::max(told.tokens, update.tokens);
            if (update.end != ReplyEnd::None) {
                QVERIFY2(told.end == ReplyEnd::None, "a reply ended twice");
                told.end = update.end;
                told.error = update.error;
                told.last = update;
            }
        });
        endpoint_ = {};
        endpoint_.id = QStringLiteral("office");
        endpoint_.name = kName;
        endpoint_.base = QUrl(QString::fromStdString(server_->base() + "/v1"));
        endpoint_.model = QStringLiteral("qwen3");
        endpoint_.on = true;
        limits_ = {.connectMs = 1500, .headMs = 1500, .stallMs = 1500, .slowBytesPerSecond = 0};
        make();
    }

    void cleanup() {
        engine_.reset();
        server_.reset();
        other_.reset();
    }

    void aReplyComesAsItIsWritten() {
        server_->on(kPath, [](const ServerRequest&) {
            return stream(
                ": ping\n\n" +
                std::string(R"(data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]})") + "\n\n" +
                R"(data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]})" + "\n\n" + chunk("Hello") +
                chunk(" 世界") + chunk("", "stop") +
                R"(data: {"choices":[],"usage":{"prompt_tokens":31,"completion_tokens":9,)" +
                R"("prompt_tokens_details":{"cached_tokens":20}}})" + "\n\ndata: [DONE]\n\n");
        });
        const Told& told = ask();
        QVERIFY2(told.end == ReplyEnd::EndOfTurn, told.error.c_str());
        QCOMPARE(told.text, std::string("Hello 世界"));
        QCOMPARE(told.thoughts, std::string("hm"));
        QVERIFY(told.begun && told.about && told.promptTokens > 0 && told.tokens > 0);
        QCOMPARE(told.host, endpoint_.host().toStdString()); // that it left this machine
        QVERIFY(told.counted);
        QCOMPARE(told.last.countedPrompt, 31);
        QCOMPARE(told.last.countedTokens, 9);
        QCOMPARE(told.last.prefilledTokens, 11);
        QVERIFY(told.last.prefillSeconds > 0);
        const ServerRequest sent = server_->requests().front();
        QCOMPARE(sent.method, std::string("POST"));
        QCOMPARE(sent.header("content-type"), std::string("application/json"));
        QCOMPARE(sent.header("authorization"), std::string());
        QCOMPARE(nlohmann::json::parse(sent.body)["messages"][0]["content"].get<std::string>(), std::string("Hi"));
        QCOMPARE(secrets_->reads, 0); // it has no key: the keyring is nobody's business
    }

    void theKeyGoesToItsAddressOnly() {
        endpoint_.hasKey = true;
        secrets_->values.insert(remoteKeyName(endpoint_), QStringLiteral("sk-1"));
        server_->on(kPath, [](const ServerRequest&) { return stream(chunk("a") + kEnd); });
        QVERIFY(ask().end == ReplyEnd::EndOfTurn);
        QVERIFY(ask().end == ReplyEnd::EndOfTurn);
        QCOMPARE(server_->requests().back().header("authorization"), std::string("Bearer sk-1"));
        QCOMPARE(secrets_->reads, 1); // once a session
        // The same engine under another address has another key, or none.
        endpoint_.base = QUrl(QString::fromStdString(other_->base() + "/v1"));
        const Told& told = ask();
        QVERIFY(told.end == ReplyEnd::Error);
        QVERIFY(QString::fromStdString(told.error).contains(QStringLiteral("key of Office")));
        QCOMPARE(other_->requests().size(), size_t(0));
    }

    void aKeyringThatFailsIsSaid() {
        endpoint_.hasKey = true;
        secrets_->problem = QStringLiteral("The keyring was not opened.");
        QCOMPARE(ask().error, std::string("The keyring was not opened."));
        QCOMPARE(server_->requests().size(), size_t(0));
    }

    // Neither the key nor what was written goes where the server would have it.
    void noRedirectIsFollowed() {
        endpoint_.hasKey = true;
        secrets_->values.insert(remoteKeyName(endpoint_), QStringLiteral("sk-1"));
        for (const int status : {301, 302, 303, 307, 308}) {
            for (const std::string& to : {other_->base() + "/v1/chat/completions", server_->base() + "/elsewhere"}) {
                server_->on(kPath, [=](const ServerRequest&) { return ServerReply::redirect(to, status); });
                const Told& told = ask();
                QVERIFY(told.end == ReplyEnd::Error);
                QVERIFY2(QString::fromStdString(told.error).contains(QString::fromStdString(to)), told.error.c_str());
            }
        }
        QCOMPARE(other_->requests().size(), size_t(0));
        QCOMPARE(server_->count("/elsewhere"), 0);
    }

    void faults_data() {
        QTest::addColumn<ServerReply>("reply");
        QTest::addColumn<QString>("text");
        QTest::addColumn<int>("end");
        QTest::addColumn<QString>("error");
        const auto row = [](const char* name, const ServerReply& reply, const char* text, ReplyEnd end,
                            const char* error = "") {
            QTest::newRow(name) << reply << QString::fromUtf8(text) << int(end) << QString::fromUtf8(error);
        };
        const std::string two = chunk("One ") + chunk("two");
        row("[DONE] missing", stream(two + chunk("", "stop")), "One two", ReplyEnd::EndOfTurn);
        row("finish_reason missing", stream(two + "data: [DONE]\n\n"), "One two", ReplyEnd::EndOfTurn);
        row("both missing", stream(two), "One two", ReplyEnd::Error, "What had come is kept");
        row("cut within a line", stream(two + "data: {\"cho"), "One two", ReplyEnd::Error, "cannot be read");
        row("its limit", stream(two + chunk("", "length") + "data: [DONE]\n\n"), "One two", ReplyEnd::MaxTokens);
        row("its filter", stream(two + chunk("", "content_filter")), "One two", ReplyEnd::Error, "filter");
        row("a tool", stream(chunk("", "tool_calls")), "", ReplyEnd::Error, "tool");
        row("an unknown reason", stream(two + chunk("", "eos")), "One two", ReplyEnd::EndOfTurn);
        row("an error midway", stream(two + "data: {\"error\":{\"message\":\"out of memory\"}}\n\n" + kEnd), "One two",
            ReplyEnd::Error, "It says: out of memory");
        row("an error as an event", stream(two + "event: error\ndata: gone\n\n"), "One two", ReplyEnd::Error,
            "It says: gone");
        row("an error field", stream(two + "error: {\"code\":500,\"message\":\"slot lost\"}\n\n"), "One two",
            ReplyEnd::Error, "It says: slot lost");
        row("strange JSON midway", stream(two + "data: <oops>\n\n" + kEnd), "One two", ReplyEnd::Error,
            "cannot be read");
        row("strange JSON at once", stream("data: hello\n\n"), "", ReplyEnd::Error,
            "no reply that this program can read");
        row("objects of something else", stream("data: {\"type\":\"ping\"}\n\n" + two + kEnd), "One two",
            ReplyEnd::EndOfTurn);
        row("nothing at all", stream(""), "", ReplyEnd::Error, "no reply that this program can read");
        row("an endless line", stream("data: " + std::string(3 << 20, 'x')), "", ReplyEnd::Error, "has no end");
        row("no stream",
            ServerReply::text(200, R"({"choices":[{"message":{"content":"One two"},"finish_reason":"stop"}]})",
                              "application/json"),
            "One two", ReplyEnd::EndOfTurn);
        row("no stream, no type", ServerReply::text(200, R"({"choices":[{"message":{"content":"One two"}}]})", ""),
            "One two", ReplyEnd::EndOfTurn);
        row("other JSON", ServerReply::text(200, R"({"hello":"world"})", "application/json"), "", ReplyEnd::Error,
            "no reply that this program can read");
        row("half a JSON", ServerReply::text(200, "{\"choices\":[{\"mess", "application/json"), "", ReplyEnd::Error,
            "no reply that this program can read");
        row("an error with 200", ServerReply::text(200, R"({"error":"model is loading"})", "application/json"), "",
            ReplyEnd::Error, "It says: model is loading");
        row("a web page", ServerReply::text(200, "<!doctype html><h1>Login</h1>", "text/html"), "", ReplyEnd::Error,
            "web page");
        row("a web page as a stream", ServerReply::text(200, "  <html>", "text/plain"), "", ReplyEnd::Error,
            "web page");
        row("a stream without a type", ServerReply::text(200, two + kEnd, "text/plain"), "One two",
            ReplyEnd::EndOfTurn);
        row("thoughts in the text", stream(chunk("<thi") + chunk("nk>hm</think>\n\n") + chunk("One two") + kEnd),
            "One two", ReplyEnd::EndOfTurn);
        ServerReply cut = ServerReply::text(200, two + kEnd, "text/event-stream");
        cut.dropAfter = long(two.size());
        row("cut with a length", cut, "One two", ReplyEnd::Error, "What had come is kept");
        ServerReply chunked;
        chunked.raw = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
                      [](const std::string& part) {
                          char size[16];
                          std::snprintf(size, sizeof size, "%zx\r\n", part.size());
                          return size + part + "\r\n";
                      }(two);
        row("cut between chunks", chunked, "One two", ReplyEnd::Error, "What had come is kept");
        ServerReply stalled = stream(two + kEnd);
        stalled.stallAfter = long(two.size());
        row("stalls midway", stalled, "One two", ReplyEnd::Error, "has stopped sending");
        row("stalls before the head", {.stallBeforeHead = true}, "", ReplyEnd::Error, "does not answer");
        row("drops before the head", {.dropBeforeHead = true}, "", ReplyEnd::Error,
            "Check that the server of Office runs");
        ServerReply noise;
        noise.raw = std::string(1, '\0') + "\xff\xfe not HTTP\r\n\r\n";
        row("no HTTP", noise, "", ReplyEnd::Error, "");
        const auto status = [&](int code, const char* said, const char* sentence) {
            row(qPrintable(QStringLiteral("status %1").arg(code)),
                ServerReply::text(code, "{\"error\":{\"message\":\"" + std::string(said) + "\"}}", "application/json"),
                "", ReplyEnd::Error, sentence);
        };
        status(401, "no", "Office wants a key");
        status(403, "no", "Office wants a key");
        status(404, "no such model", "knows no model “qwen3”");
        status(429, "slowly", "Office is busy");
        status(400, "request (9 tokens) exceeds the available context size (5 tokens)",
               "longer than what Office can read");
        status(500, "cuda", "problem of its own (500)");
        status(503, "Loading model", "still loading its model");
        ServerReply wait = ServerReply::text(429, "");
        wait.headers.emplace_back("Retry-After", "90");
        row("429 with a time", wait, "", ReplyEnd::Error, "90 seconds");
        ServerReply never = ServerReply::text(429, "");
        never.headers.emplace_back("Retry-After", "1000000000");
        row("429 with nonsense", never, "", ReplyEnd::Error, "Try again later.");
    }

    void faults() {
        QFETCH(ServerReply, reply);
        QFETCH(QString, text);
        QFETCH(int, end);
        QFETCH(QString, error);
        server_->on(kPath, [&](const ServerRequest&) { return reply; });
        const Told& told = ask();
        QCOMPARE(QString::fromStdString(told.text), text);
        QVERIFY2(told.end == ReplyEnd(end),
                 qPrintable(QString::number(int(told.end)) + QString::fromStdString(told.error)));
        const QString said = QString::fromStdString(told.error);
        QVERIFY2(said.contains(error), qPrintable(said));
        QCOMPARE(said.isEmpty(), told.end != ReplyEnd::Error);
        QVERIFY2(!said.contains(QStringLiteral("%1")), qPrintable(said));
        // The next one is not disturbed.
        server_->on(kPath, [](const ServerRequest&) { return stream(chunk("fine") + kEnd); });
        const Told& next = ask();
        QCOMPARE(next.text, std::string("fine"));
    }

    void aLengthThatFillsTheContextIsSaidSo() {
        endpoint_.contextTokens = 600;
        server_->on(kPath, [](const ServerRequest&) {
            return stream(chunk("x", "length") +
                          "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":500,\"completion_tokens\":99}}\n\n");
        });
        // The counts come behind the reason, and are waited for.
        const Told& told = ask();
        QVERIFY(told.end == ReplyEnd::ContextFull);
        QCOMPARE(told.last.countedPrompt, 500);
    }

    // Stop closes the connection, and what had come stays.
    void stopClosesTheConnection() {
        ServerReply slow = stream(std::string());
        std::string body;
        for (int i = 0; i < 2000; ++i)
            body += chunk("word ");
        slow = stream(body + kEnd);
        slow.bytesPerSecond = 8000;
        server_->on(kPath, [&](const ServerRequest&) { return slow; });
        const ReplyId id = start();
        QTRY_VERIFY(told_[id].text.size() > 20);
        QElapsedTimer clock;
        clock.start();
        cancel_->store(true);
        QTRY_VERIFY(told_[id].end == ReplyEnd::Cancelled);
        QVERIFY2(clock.elapsed() < 1000, qPrintable(QString::number(clock.elapsed())));
        QVERIFY(told_[id].error.empty());
        const size_t had = told_[id].text.size();
        QTest::qWait(400); // the server notices
        const long sent = server_->sent();
        QTest::qWait(300);
        QCOMPARE(server_->sent(), sent);
        QCOMPARE(told_[id].text.size(), had);
    }

    void stopWorksBeforeTheFirstWord() {
        server_->on(kPath, [](const ServerRequest&) { return ServerReply{.stallBeforeHead = true}; });
        const ReplyId id = start();
        QTRY_COMPARE(server_->count(kPath), 1);
        cancel_->store(true);
        QTRY_VERIFY(told_[id].end == ReplyEnd::Cancelled);
    }

    void theEndOfTheProgramEndsReplies() {
        server_->on(kPath, [](const ServerRequest&) { return ServerReply{.stallBeforeHead = true}; });
        const ReplyId id = start();
        QTRY_COMPARE(server_->count(kPath), 1);
        engine_->finish();
        pipe_->drain();
        QVERIFY(told_[id].end == ReplyEnd::Cancelled);
    }

    void whileAReplyRunsTheEngineCanGo() {
        server_->on(kPath, [](const ServerRequest&) { return ServerReply{.stallBeforeHead = true}; });
        start();
        QTRY_COMPARE(server_->count(kPath), 1);
        engine_.reset();
        QTest::qWait(50);
    }

    // Every switch: not one byte leaves.
    void nothingIsSentUnlessAllIsOn() {
        server_->on(kPath, [](const ServerRequest&) { return stream(chunk("a") + kEnd); });
        gate_->set(NetworkGate::State::Off);
        QVERIFY(QString::fromStdString(ask().error).startsWith(QStringLiteral("The network is switched off")));
        gate_->set(NetworkGate::State::NotAsked);
        QVERIFY(QString::fromStdString(ask().error).startsWith(QStringLiteral("The network was not allowed yet")));
        gate_->set(NetworkGate::State::On);
        endpoint_.on = false;
        QVERIFY(QString::fromStdString(ask().error).startsWith(QStringLiteral("Office is switched off")));
        endpoint_.on = true;
        known_ = false;
        QVERIFY(QString::fromStdString(ask().error).contains(QStringLiteral("not in the library")));
        known_ = true;
        endpoint_.base = QUrl(QStringLiteral("http://gpu.example/v1"));
        QVERIFY(QString::fromStdString(ask().error).contains(QStringLiteral("unencrypted")));
        QCOMPARE(server_->requests().size(), size_t(0));
        QVERIFY(gate_->contacted().isEmpty());
        for (const auto& [id, told] : told_)
            QCOMPARE(told.host, std::string()); // and none is marked as if it had left
    }

    void theSwitchEndsWhatRuns() {
        ServerReply stalled = stream(chunk("One") + kEnd);
        stalled.stallAfter = long(chunk("One").size());
        server_->on(kPath, [&](const ServerRequest&) { return stalled; });
        const ReplyId id = start();
        QTRY_COMPARE(told_[id].text, std::string("One"));
        gate_->set(NetworkGate::State::Off);
        QTRY_VERIFY(told_[id].end == ReplyEnd::Error);
        QVERIFY(QString::fromStdString(told_[id].error).contains(QStringLiteral("Models, Discover")));
    }

    // A host that takes no connection is given up long before a slow model is.
    void aHostThatTakesNoConnectionIsGivenUp() {
        const int full = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        QVERIFY(::bind(full, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(full, 0) == 0);
        socklen_t size = sizeof address;
        ::getsockname(full, reinterpret_cast<sockaddr*>(&address), &size);
        std::vector<int> fillers; // its queue is full: no more answers
        for (int i = 0; i < 4; ++i) {
            fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
            ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), sizeof address);
        }
        QTest::qWait(50);
        limits_.connectMs = 300;
        limits_.headMs = 60'000;
        make();
        endpoint_.base = QUrl(QStringLiteral("http://127.0.0.1:%1/v1").arg(ntohs(address.sin_port)));
        QElapsedTimer clock;
        clock.start();
        const Told& told = ask();
        QVERIFY2(QString::fromStdString(told.error).contains(QStringLiteral("cannot be reached")), told.error.c_str());
        QVERIFY(clock.elapsed() < 5000);
        for (const int filler : fillers)
            ::close(filler);
        ::close(full);
    }

    // And one that took the request may think for long.
    void aSlowFirstWordIsWaitedFor() {
        limits_.connectMs = 200;
        limits_.headMs = limits_.stallMs = 20'000;
        make();
        server_->on(kPath, [](const ServerRequest&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(900));
            return stream(chunk("late") + kEnd);
        });
        QCOMPARE(ask().text, std::string("late"));
    }

    void aFloodLeavesTheThreadFree() {
        std::string body;
        for (int i = 0; i < 60'000; ++i)
            body += chunk("word ");
        server_->on(kPath, [&](const ServerRequest&) { return stream(body + kEnd); });
        double worst = 0, looked = processorSeconds();
        QTimer beat;
        beat.setInterval(0);
        connect(&beat, &QTimer::timeout, this, [&] {
            const double now = processorSeconds();
            worst = std::max(worst, now - std::exchange(looked, now));
        });
        beat.start();
        const Told& told = ask(60'000);
        QCOMPARE(told.text.size(), size_t(60'000 * 5));
        qInfo("longest without a look at events: %.0f ms", 1e3 * worst);
        QVERIFY2(worst < 0.1, qPrintable(QString::number(worst)));
    }

    void countsAreLearntFromTheServer() {
        server_->on(kPath, [](const ServerRequest&) {
            return stream(chunk("a") +
                          "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":800,\"completion_tokens\":1}}\n\n" +
                          kEnd);
        });
        const std::string text(2400, 'x'); // about 400
        const int first = ask(10'000, text).promptTokens;
        const int second = ask(10'000, text).promptTokens;
        QVERIFY2(first < 600, qPrintable(QString::number(first)));
        QVERIFY2(std::abs(second - 800) < 20, qPrintable(QString::number(second)));
    }

    void theRouterGivesEachItsOwn() {
        struct Here : ReplySource {
            void reply(ReplyRequest request) override { models.push_back(request.model); }

            std::vector<std::string> models;
        } here, elsewhere;

        ReplyRouter router(here);
        router.reply({.model = "remote:x"});
        router.setRemote(&elsewhere);
        router.reply({.model = "/models/remote:x.gguf"});
        router.reply({.model = "remote:x"});
        QCOMPARE(here.models, (std::vector<std::string>{"remote:x", "/models/remote:x.gguf"}));
        QCOMPARE(elsewhere.models, std::vector<std::string>{"remote:x"});
    }

    // Switched off or removed in the middle of a reply: it ends there, and its key goes and comes back with it.
    void anEngineThatGoesTakesItsRepliesAndItsKey() {
        QTemporaryDir folder;
        StorageWorker storage;
        storage.open(folder.filePath(QStringLiteral("d.db")).toStdString());
        Remotes remotes(storage, *pipe_, *gate_, *secrets_, limits_);
        ServerReply stalled = stream(chunk("One") + kEnd);
        stalled.stallAfter = long(chunk("One").size());
        server_->on(kPath, [&](const ServerRequest&) { return stalled; });
        RemoteEndpoint mine = endpoint_;
        mine.id.clear();
        remotes.put(mine, QStringLiteral("sk-1"));
        const QString path = remotes.all().value(0).path(), keyName = remoteKeyName(remotes.all().value(0));
        QCOMPARE(secrets_->values.value(keyName), QStringLiteral("sk-1"));
        const auto begin = [&] {
            ReplyRequest request;
            request.id = ++last_;
            request.model = path.toStdString();
            request.prompt.messages.push_back({.role = "user", .content = "Hi", .thoughts = {}});
            request.cancel = std::make_shared<std::atomic<bool>>(false);
            remotes.engine().reply(std::move(request));
            return last_;
        };
        ReplyId id = begin();
        QTRY_COMPARE(told_[id].text, std::string("One"));
        QCOMPARE(server_->requests().back().header("authorization"), std::string("Bearer sk-1"));
        remotes.setOn(path, false);
        QTRY_VERIFY(told_[id].end == ReplyEnd::Cancelled);
        remotes.setOn(path, true);
        storage.post([path = path.toStdString()](Store& store) {
            store.models.setDefaults(path, "{\"threads\":3}");
            store.models.measured(path, 12.5, 0, 1);
        });
        id = begin();
        QTRY_COMPARE(told_[id].text, std::string("One"));
        remotes.remove(path);
        QTRY_VERIFY(told_[id].end == ReplyEnd::Cancelled);
        QVERIFY(secrets_->values.isEmpty());
        QVERIFY(storage.wait([](Store& store) { return store.remotes.all(); }).empty());
        QVERIFY(!storage.wait([&](Store& store) { return store.models.find(path.toStdString()); }));
        remotes.restore(path);
        QCOMPARE(remotes.all().size(), 1);
        QCOMPARE(secrets_->values.value(keyName), QStringLiteral("sk-1"));
        const auto rows = storage.wait([](Store& store) { return store.remotes.all(); });
        QCOMPARE(rows.size(), size_t(1));
        QVERIFY(rows[0].hasKey && rows[0].on);
        const auto remembered = storage.wait([&](Store& store) { return store.models.find(path.toStdString()); });
        QVERIFY(remembered);
        QCOMPARE(remembered->defaults, std::string("{\"threads\":3}"));
        QCOMPARE(remembered->decodeSpeed, 12.5);
        // Another address: the key does not go along.
        RemoteEndpoint moved = remotes.all().value(0);
        moved.base = QUrl(QString::fromStdString(other_->base() + "/v1"));
        remotes.put(moved);
        QVERIFY(secrets_->values.isEmpty());
        QVERIFY(!remotes.all().value(0).hasKey);
        storage.finish();
    }

    // A name that is used again is another engine: what was said to the old one is not sent to the new one.
    void anEngineOfTheSameNameIsAnother() {
        QTemporaryDir folder;
        StorageWorker storage;
        storage.open(folder.filePath(QStringLiteral("d.db")).toStdString());
        QString first;
        for (int session = 0; session < 2; ++session) {
            Remotes remotes(storage, *pipe_, *gate_, *secrets_, limits_);
            RemoteEndpoint mine = endpoint_;
            mine.id.clear();
            remotes.put(mine);
            QCOMPARE(remotes.all().size(), 1);
            const QString path = remotes.all().value(0).path();
            QVERIFY2(path.startsWith(QStringLiteral("remote:office-")), qPrintable(path));
            QVERIFY(path != first);
            first = path;
            remotes.remove(path);
        }
        storage.finish();
    }

    void aTestEndsWithWhatItTests_data() {
        QTest::addColumn<int>("how");
        QTest::newRow("switched off") << 0;
        QTest::newRow("without its key") << 1;
        QTest::newRow("changed") << 2;
        QTest::newRow("removed") << 3;
        QTest::newRow("the gate") << 4;
    }

    // Nothing more is sent, and it does not stand there as being tested.
    void aTestEndsWithWhatItTests() {
        QFETCH(int, how);
        QTemporaryDir folder;
        StorageWorker storage;
        storage.open(folder.filePath(QStringLiteral("d.db")).toStdString());
        Remotes remotes(storage, *pipe_, *gate_, *secrets_, limits_);
        server_->on("/v1/models", [](const ServerRequest&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            return ServerReply::text(200, R"({"data":[{"id":"qwen3"}]})", "application/json");
        });
        server_->on(kPath, [](const ServerRequest&) { return stream(chunk("Hello") + kEnd); });
        RemoteEndpoint mine = endpoint_;
        mine.id.clear();
        remotes.put(mine, QStringLiteral("sk-1"));
        const QString path = remotes.all().value(0).path();
        QSignalSpy tested(&remotes, &Remotes::tested);
        remotes.test(path);
        QVERIFY(remotes.isTesting(path));
        QTRY_COMPARE(server_->count("/v1/models"), 1);
        const std::function<void()> ways[] = {
            [&] { remotes.setOn(path, false); },
            [&] { remotes.dropKey(path); },
            [&] { remotes.put(*remotes.find(path), QStringLiteral("sk-2")); },
            [&] { remotes.remove(path); },
            [&] { gate_->set(NetworkGate::State::Off); },
        };
        ways[how]();
        QCOMPARE(remotes.isTesting(path), false);
        QTest::qWait(700);
        QCOMPARE(server_->count(kPath), 0);
        QCOMPARE(tested.size(), how == 4 ? 1 : 0); // the gate says why
        // And a test that is let be comes to its end.
        if (how == 2) {
            remotes.test(path);
            QTRY_COMPARE(tested.size(), 1);
            QVERIFY(!remotes.isTesting(path));
            QCOMPARE(server_->requests().back().header("authorization"), std::string("Bearer sk-2"));
        }
        storage.finish();
    }

    // A person looks at "Testing…": it does not take as long as a reply may.
    void aTestIsNotAsPatientAsAReply() {
        limits_.headMs = limits_.stallMs = 60'000;
        make();
        HttpClient impatient(*gate_, {.connectMs = 400, .headMs = 400, .stallMs = 400, .slowBytesPerSecond = 0});
        server_->on("/v1/models",
                    [](const ServerRequest&) { return ServerReply::text(404, "{\"detail\":\"Not Found\"}"); });
        server_->on(kPath, [](const ServerRequest&) { return ServerReply{.stallBeforeHead = true}; });
        QElapsedTimer clock;
        clock.start();
        QVERIFY2(probe(&impatient).problem.contains(QStringLiteral("does not answer")), "it was waited for");
        QVERIFY2(clock.elapsed() < 8000, qPrintable(QString::number(clock.elapsed())));
    }

    // Signs of life without a word, or a list that comes byte by byte: each is in time for every other limit.
    void aTestEndsWhateverDripsIn_data() {
        QTest::addColumn<bool>("list");
        QTest::newRow("comments only") << false;
        QTest::newRow("a list byte by byte") << true;
    }

    void aTestEndsWhateverDripsIn() {
        QFETCH(bool, list);
        std::string pings, models = R"({"data":[)";
        for (int i = 0; i < 1000; ++i)
            pings += ": ping\n\n", models += R"({"id":"a"},)";
        const auto slowly = [](ServerReply reply) {
            reply.bytesPerSecond = 100;
            return reply;
        };
        server_->on("/v1/models", [&](const ServerRequest&) {
            return list ? slowly(ServerReply::text(200, models, "application/json")) : ServerReply::text(404, "{}");
        });
        server_->on(kPath, [&](const ServerRequest&) { return slowly(stream(pings)); });
        QElapsedTimer clock;
        clock.start();
        const QString problem = probe(nullptr, 2000).problem;
        QVERIFY2(problem.contains(QStringLiteral("within 2 s")), qPrintable(problem));
        QVERIFY2(clock.elapsed() >= 1700 && clock.elapsed() < 8000, qPrintable(QString::number(clock.elapsed())));
        QCOMPARE(server_->count(kPath), list ? 0 : 1);
        QTRY_VERIFY(engine_->client().findChildren<HttpCall*>().isEmpty()); // nothing goes on behind it
    }

    // The system's proxy is for what is far: it learns nothing of this machine and of the own network.
    void noProxyLearnsOfWhatIsNear() {
        const QByteArray before = qgetenv("http_proxy");
        qputenv("http_proxy", QByteArray::fromStdString(other_->base()));
        const auto restore = qScopeGuard(
            [&] { before.isEmpty() ? void(qunsetenv("http_proxy")) : void(qputenv("http_proxy", before)); });
        server_->on(kPath, [](const ServerRequest&) { return stream(chunk("near") + kEnd); });
        // The one address that reaches this machine and is not known as loopback to every proxy's rules.
        endpoint_.base = QUrl(QStringLiteral("http://0.0.0.0:%1/v1").arg(server_->port()));
        QCOMPARE(ask().text, std::string("near"));
        QCOMPARE(other_->requests().size(), size_t(0));
        // What is far goes through it, so that this test would notice.
        endpoint_.base = QUrl(QStringLiteral("http://gpu.invalid/v1"));
        endpoint_.plainAllowed = true;
        ask();
        QVERIFY(other_->requests().size() > 0);
    }

    void aTestGoesTheWholeWay() {
        server_->on("/v1/models", [](const ServerRequest&) {
            return ServerReply::text(200, R"({"data":[{"id":"a","owned_by":"vllm","max_model_len":9000},{"id":"b"}]})",
                                     "application/json");
        });
        server_->on(kPath, [](const ServerRequest&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(120));
            return stream(chunk("Hello") + chunk(" you") + kEnd);
        });
        endpoint_.model.clear();
        RemoteFindings found = probe();
        QVERIFY2(found.problem.isEmpty(), qPrintable(found.problem));
        QCOMPARE(found.models.size(), size_t(2));
        QCOMPARE(found.endpoint.model, QStringLiteral("a"));
        QCOMPARE(found.endpoint.contextTokens, 9000);
        QCOMPARE(QString::fromLatin1(found.endpoint.kind->name), QStringLiteral("vLLM"));
        QVERIFY2(found.firstTokenSeconds >= 0.1, qPrintable(QString::number(found.firstTokenSeconds)));
        QCOMPARE(nlohmann::json::parse(server_->requests().back().body)["model"].get<std::string>(), std::string("a"));
        // What the person said holds.
        endpoint_.model = QStringLiteral("b");
        endpoint_.contextTokens = 2048;
        endpoint_.contextGiven = true;
        found = probe();
        QCOMPARE(found.endpoint.model, QStringLiteral("b"));
        QCOMPARE(found.endpoint.contextTokens, 2048);
        // No list: the reply tells.
        server_->on("/v1/models",
                    [](const ServerRequest&) { return ServerReply::text(404, "{\"detail\":\"Not Found\"}"); });
        QVERIFY(probe().problem.isEmpty());
        endpoint_.model.clear();
        QVERIFY(probe().problem.contains(QStringLiteral("Enter the name")));
        server_->on("/v1/models", [](const ServerRequest&) { return ServerReply::text(200, "<html>", "text/html"); });
        QVERIFY(probe().problem.contains(QStringLiteral("web page")));
        endpoint_.model = QStringLiteral("b");
        server_->on("/v1/models", [](const ServerRequest&) { return ServerReply::text(401, "{}"); });
        QVERIFY(probe().problem.contains(QStringLiteral("wants a key")));
        gate_->set(NetworkGate::State::Off);
        const size_t before = server_->requests().size();
        QVERIFY(probe().problem.contains(QStringLiteral("switched off")));
        QCOMPARE(server_->requests().size(), before);
    }

private:
    void make() {
        engine_ = std::make_unique<RemoteEngine>(
            *pipe_, *gate_, *secrets_,
            [this](const QString& id) {
                return known_ && id == endpoint_.id ? std::optional(endpoint_) : std::nullopt;
            },
            limits_);
    }

    ReplyId start(const std::string& text = "Hi") {
        ReplyRequest request;
        request.id = ++last_;
        request.model = endpoint_.path().toStdString();
        request.prompt.messages.push_back({.role = "user", .content = text, .thoughts = {}});
        request.cancel = cancel_ = std::make_shared<std::atomic<bool>>(false);
        engine_->reply(std::move(request));
        return last_;
    }

    const Told& ask(int timeout = 10'000, const std::string& text = "Hi") {
        const ReplyId id = start(text);
        if (!QTest::qWaitFor([&] { return told_[id].end != ReplyEnd::None; }, timeout))
            qWarning("the reply did not end");
        return told_[id];
    }

    RemoteFindings probe(HttpClient* client = nullptr, int mostMs = RemoteProbe::kMostMs) {
        std::optional<RemoteFindings> found;
        RemoteProbe probe(
            *engine_, *gate_, client ? *client : engine_->client(), endpoint_,
            [&](const RemoteFindings& f) { found = f; }, nullptr, mostMs);
        if (!QTest::qWaitFor([&] { return found.has_value(); }, 10'000))
            qWarning("the test did not end");
        return found.value_or(RemoteFindings{.problem = QStringLiteral("none")});
    }

    std::unique_ptr<FaultyServer> server_, other_;
    std::unique_ptr<FakeSecrets> secrets_;
    std::unique_ptr<NetworkGate> gate_;
    std::unique_ptr<TokenPipe> pipe_;
    std::unique_ptr<RemoteEngine> engine_;
    HttpLimits limits_;
    RemoteEndpoint endpoint_;
    std::map<ReplyId, Told> told_;
    std::shared_ptr<std::atomic<bool>> cancel_;
    ReplyId last_ = 0;
    bool known_ = true;
};

QTEST_GUILESS_MAIN(RemoteEngineTest)
#include "remote_engine_test.moc"
