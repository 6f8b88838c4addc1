// Whom a name means, and who is asked about it: the resolver and connect() of this program are ours, so that names
// change their meaning under its hands and nothing leaves this machine.

#include "app/models/net/http_client.h"
#include "app/models/net/network_gate.h"
#include "tests/app/downloads/faulty_server.h"

#include <QTest>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <mutex>
#include <netdb.h>
#include <string>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

using namespace hearth::app;
using hearth::tests::FaultyServer;
using hearth::tests::ServerReply;
using hearth::tests::ServerRequest;

namespace {

std::mutex guard;
std::map<std::string, std::vector<std::string>> meanings; // of a name, look-up by look-up; the last one stays
std::vector<std::string> lookedUp, connected;             // "name", "name of 127.0.0.1"

std::string text(const sockaddr* address) {
    char out[INET6_ADDRSTRLEN] = "?";
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, out, sizeof out);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, out, sizeof out);
    return out;
}

} // namespace

// Qt's library takes these instead of the C library's.
extern "C" {

int getaddrinfo(const char* name, const char*, const addrinfo*, addrinfo** out) {
    const std::lock_guard lock(guard);
    lookedUp.emplace_back(name);
    auto& means = meanings[name];
    if (means.empty())
        return EAI_NONAME;
    auto* info = static_cast<addrinfo*>(std::calloc(1, sizeof(addrinfo) + sizeof(sockaddr_in)));
    auto* to = reinterpret_cast<sockaddr_in*>(info + 1);
    to->sin_family = AF_INET;
    inet_pton(AF_INET, means.front().c_str(), &to->sin_addr);
    if (means.size() > 1)
        means.erase(means.begin());
    info->ai_family = AF_INET;
    info->ai_socktype = SOCK_STREAM;
    info->ai_addrlen = sizeof(sockaddr_in);
    info->ai_addr = reinterpret_cast<sockaddr*>(to);
    *out = info;
    return 0;
}

void freeaddrinfo(addrinfo* info) {
    std::free(info);
}

int getnameinfo(const sockaddr* address, socklen_t, char*, socklen_t, char*, socklen_t, int) {
    const std::lock_guard lock(guard);
    lookedUp.push_back("name of " + text(address));
    return EAI_NONAME;
}

int connect(int socket, const sockaddr* address, socklen_t size) {
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6) {
        const std::lock_guard lock(guard);
        connected.push_back(text(address));
        if (connected.back().rfind("127.", 0) != 0) {
            errno = ENETUNREACH;
            return -1;
        }
    }
    return int(syscall(SYS_connect, socket, address, size));
}
}

class NamesTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        const std::lock_guard lock(guard);
        meanings.clear();
        lookedUp.clear();
        connected.clear();
    }

    // A redirect to an address in figures tells no name server of it.
    void figuresAreNotLookedUp() {
        FaultyServer hub, store("127.0.0.2");
        hub.on("/x", [&](const ServerRequest&) { return ServerReply::redirect(store.base() + "/y"); });
        store.on("/y", [&](const ServerRequest&) { return ServerReply::text(200, "here"); });
        const auto [error, body] = get(QString::fromStdString(hub.base() + "/x"), false);
        QVERIFY2(!error, qPrintable(error.sentence));
        QCOMPARE(body, QByteArray("here"));
        QCOMPARE(lookups(), std::vector<std::string>());
    }

    // The name is far when it is looked at, and this machine a moment later: what was looked at is what is connected
    // to.
    void aNameThatChangesItsMeaning() {
        FaultyServer hub, inside;
        const QString far = QStringLiteral("http://far.test:%1/secret").arg(inside.port());
        hub.on("/x", [&](const ServerRequest&) { return ServerReply::redirect(far.toStdString()); });
        inside.otherwise([](const ServerRequest&) { return ServerReply::text(200, "secret"); });
        means("far.test", {"198.51.100.7", "127.0.0.1"}); // RFC 5737: nobody's
        const auto [error, body] = get(QString::fromStdString(hub.base() + "/x"));
        QVERIFY(error.kind == HttpError::Kind::Connect);
        QVERIFY(body.isEmpty());
        QCOMPARE(inside.requests().size(), size_t(0));
        const std::lock_guard lock(guard);
        QVERIFY(std::find(connected.begin(), connected.end(), "198.51.100.7") != connected.end());
    }

    // From a hub far away to an address inside, whatever it is called: not contacted.
    void inwards_data() {
        QTest::addColumn<QString>("address");
        for (const char* address :
             {"127.0.0.1", "0.0.0.0", "10.1.2.3", "192.168.1.1", "172.16.0.9", "169.254.169.254", "100.64.1.1", "[::1]",
              "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"})
            QTest::newRow(address) << QString::fromLatin1(address);
    }

    void inwards() {
        QFETCH(QString, address);
        FaultyServer hub("127.0.0.3"), inside;
        QStringList hosts{address};
        if (address.count(QLatin1Char('.')) == 3 && !address.startsWith(QLatin1Char('['))) { // and by a name for it
            hosts << QStringLiteral("n%1.test").arg(QString(address).replace(QLatin1Char('.'), QLatin1Char('-')));
            means(hosts.last().toStdString(), {address.toStdString()});
        }
        for (const QString& host : std::as_const(hosts)) {
            const std::string to = QStringLiteral("http://%1:%2/").arg(host).arg(inside.port()).toStdString();
            hub.on("/x", [to](const ServerRequest&) { return ServerReply::redirect(to); });
            const HttpError error = get(QString::fromStdString(hub.base() + "/x")).error;
            QVERIFY2(error.kind == HttpError::Kind::Redirect, qPrintable(host + QLatin1Char(' ') + error.sentence));
            QVERIFY2(error.sentence.contains(QStringLiteral("your own network")), qPrintable(error.sentence));
        }
        QCOMPARE(inside.requests().size(), size_t(0));
        const std::lock_guard lock(guard);
        for (const std::string& to : connected)
            QCOMPARE(to, std::string("127.0.0.3")); // the hub itself
    }

private:
    struct Answer {
        HttpError error;
        QByteArray body;
    };

    static void means(const std::string& name, std::vector<std::string> addresses) {
        const std::lock_guard lock(guard);
        meanings[name] = std::move(addresses);
    }

    static std::vector<std::string> lookups() {
        const std::lock_guard lock(guard);
        return lookedUp;
    }

    static Answer get(const QString& url, bool fromFarAway = true) {
        NetworkGate gate(NetworkGate::State::On);
        HttpLimits limits;
        limits.assumePublicOrigin = fromFarAway;
        HttpClient client(gate, limits);
        HttpCall* call = client.start({.url = QUrl(url), .collectAtMost = 1 << 20});
        Answer answer;
        bool done = false;
        QObject::connect(call, &HttpCall::done, &client, [&] {
            answer = {call->error(), call->body()};
            done = true;
        });
        if (!QTest::qWaitFor([&] { return done; }, 20'000))
            qWarning("no answer");
        return answer;
    }
};

QTEST_GUILESS_MAIN(NamesTest)
#include "names_test.moc"
