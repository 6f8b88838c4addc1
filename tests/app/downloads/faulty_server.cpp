#include "tests/app/downloads/faulty_server.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <random>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace hearth::tests {
namespace {

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

std::string decoded(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

ServerRequest parse(const std::string& head) {
    ServerRequest request;
    request.head = head;
    const size_t a = head.find(' '), b = head.find(' ', a + 1);
    request.method = head.substr(0, a);
    const std::string target = head.substr(a + 1, b - a - 1);
    const size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    request.query = mark == std::string::npos ? "" : target.substr(mark + 1);
    for (size_t at = head.find("\r\n"); at != std::string::npos && at + 2 < head.size();) {
        const size_t next = head.find("\r\n", at + 2);
        const std::string line = head.substr(at + 2, next == std::string::npos ? next : next - at - 2);
        if (const size_t colon = line.find(": "); colon != std::string::npos)
            request.headers[lower(line.substr(0, colon))] = line.substr(colon + 2);
        at = next;
    }
    return request;
}

const char* reason(int status) {
    return status == 200 ? "OK" : status == 206 ? "Partial Content" : status < 400 ? "Found" : "No";
}

} // namespace

std::string ServerRequest::header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
}

std::string ServerRequest::argument(const std::string& name) const {
    const std::string all = "&" + query + "&", key = "&" + name + "=";
    const size_t at = all.find(key);
    if (at == std::string::npos)
        return "";
    const size_t begin = at + key.size();
    return decoded(all.substr(begin, all.find('&', begin) - begin));
}

std::optional<std::pair<long, long>> ServerRequest::range(long total) const {
    long first = 0, last = total - 1;
    const std::string text = header("range");
    if (std::sscanf(text.c_str(), "bytes=%ld-%ld", &first, &last) < 1 || first >= total)
        return std::nullopt;
    return std::pair(first, std::min(last, total - 1));
}

ServerReply ServerReply::text(int status, const std::string& body, const std::string& type) {
    ServerReply reply = of(std::make_shared<std::string>(body), type);
    reply.status = status;
    return reply;
}

ServerReply ServerReply::redirect(const std::string& to, int status) {
    ServerReply reply = text(status, "gone there");
    reply.headers.emplace_back("Location", to);
    return reply;
}

ServerReply ServerReply::of(Content content, const std::string& type) {
    ServerReply reply;
    reply.size = static_cast<long>(content->size());
    reply.content = std::move(content);
    reply.headers.emplace_back("Content-Type", type);
    return reply;
}

ServerReply FaultyServer::file(const ServerRequest& request, const Content& content, const std::string& etag,
                               const std::string& lastModified) {
    ServerReply reply = ServerReply::of(content);
    const long total = reply.size;
    if (!etag.empty())
        reply.headers.emplace_back("ETag", etag);
    if (!lastModified.empty())
        reply.headers.emplace_back("Last-Modified", lastModified);
    reply.headers.emplace_back("Accept-Ranges", "bytes");
    if (request.header("range").empty())
        return reply;
    const std::string condition = request.header("if-range");
    if (!condition.empty() && condition != etag && condition != lastModified)
        return reply; // another file by now: all of it
    const auto range = request.range(total);
    if (!range) {
        reply = ServerReply::text(416, "");
        reply.headers.emplace_back("Content-Range", "bytes */" + std::to_string(total));
        return reply;
    }
    reply.status = 206;
    reply.first = range->first;
    reply.size = range->second - range->first + 1;
    reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(range->first) + "-" +
                                                    std::to_string(range->second) + "/" + std::to_string(total));
    return reply;
}

FaultyServer::FaultyServer(const char* address) : address_(address) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &where.sin_addr);
    socklen_t size = sizeof where;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&where), size) != 0 || ::listen(listener_, 64) != 0)
        throw std::runtime_error("no port on loopback");
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size);
    port_ = ntohs(where.sin_port);
    acceptor_ = std::thread([this] { accept(); });
}

FaultyServer::~FaultyServer() {
    stop_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (const int socket : sockets_)
            ::shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : threads_)
        thread.join();
    ::close(listener_);
}

std::string FaultyServer::base() const {
    return "http://" + address_ + ":" + std::to_string(port_);
}

void FaultyServer::on(const std::string& path, Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_[path] = std::move(answer);
}

void FaultyServer::otherwise(Answer answer) {
    const std::lock_guard lock(mutex_);
    otherwise_ = std::move(answer);
}

std::vector<ServerRequest> FaultyServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

int FaultyServer::count(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto it = counts_.find(path);
    return it == counts_.end() ? 0 : it->second;
}

void FaultyServer::forget() {
    const std::lock_guard lock(mutex_);
    counts_.clear();
    requests_.clear();
    sent_ = 0;
}

void FaultyServer::accept() {
    while (!stop_) {
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0)
            continue;
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const std::lock_guard lock(mutex_);
        sockets_.push_back(socket);
        threads_.emplace_back([this, socket] { serve(socket); });
    }
}

void FaultyServer::serve(int socket) {
    std::string in;
    char buffer[8192];
    while (!stop_) {
        const size_t end = in.find("\r\n\r\n");
        if (end == std::string::npos) {
            const ssize_t n = ::recv(socket, buffer, sizeof buffer, 0);
            if (n <= 0)
                break;
            in.append(buffer, static_cast<size_t>(n));
            continue;
        }
        ServerRequest request = parse(in.substr(0, end));
        in.erase(0, end + 4);
        const size_t length = std::strtoul(request.header("content-length").c_str(), nullptr, 10);
        ssize_t n = 1;
        while (in.size() < length && (n = ::recv(socket, buffer, sizeof buffer, 0)) > 0)
            in.append(buffer, static_cast<size_t>(n));
        if (n <= 0)
            break;
        request.body = in.substr(0, length);
        in.erase(0, length);
        if (!answer(socket, request))
            break;
    }
    const std::lock_guard lock(mutex_);
    sockets_.erase(std::find(sockets_.begin(), sockets_.end(), socket));
    ::close(socket);
}

/// False: the connection is over.
bool FaultyServer::answer(int socket, const ServerRequest& asked) {
    ServerRequest request = asked;
    Answer answer;
    {
        const std::lock_guard lock(mutex_);
        request.number = ++counts_[request.path];
        requests_.push_back(request);
        const auto it = answers_.find(request.path);
        answer = it != answers_.end() ? it->second : otherwise_;
    }
    const ServerReply reply = answer ? answer(request) : ServerReply::text(404, "not here");
    if (reply.dropBeforeHead)
        return false;
    if (reply.stallBeforeHead)
        return sleepFor(socket, 60'000);
    if (!reply.raw.empty())
        return sendAll(socket, reply.raw.data(), reply.raw.size()) && false;
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " " + reason(reply.status) + "\r\n";
    for (const auto& [name, value] : reply.headers)
        head += name + ": " + value + "\r\n";
    const long announced = reply.announced == -2 ? reply.size : reply.announced;
    if (announced >= 0)
        head += "Content-Length: " + std::to_string(announced) + "\r\n";
    head += "\r\n";
    return sendAll(socket, head.data(), head.size()) && sendBody(socket, reply) && announced == reply.size;
}

bool FaultyServer::sendBody(int socket, const ServerReply& reply) {
    const long slice = reply.bytesPerSecond > 0 ? std::max(1l, reply.bytesPerSecond / 50) : 1 << 18;
    long done = 0;
    auto due = std::chrono::steady_clock::now();
    while (done < reply.size) {
        if (reply.dropAfter >= 0 && done >= reply.dropAfter)
            return false;
        if (reply.stallAfter >= 0 && done >= reply.stallAfter)
            return sleepFor(socket, 60'000);
        long n = std::min(slice, reply.size - done);
        if (reply.dropAfter >= 0)
            n = std::min(n, reply.dropAfter - done);
        if (reply.stallAfter >= 0)
            n = std::min(n, reply.stallAfter - done);
        const long at = reply.first + done;
        std::string changed;
        const char* bytes = reply.content->data() + at;
        if (reply.flip >= at && reply.flip < at + n) {
            changed.assign(bytes, static_cast<size_t>(n));
            changed[static_cast<size_t>(reply.flip - at)] ^= 1;
            bytes = changed.data();
        }
        if (!sendAll(socket, bytes, static_cast<size_t>(n)))
            return false;
        sent_ += n;
        done += n;
        if (reply.bytesPerSecond > 0) {
            due += std::chrono::microseconds(1'000'000 * n / reply.bytesPerSecond);
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(due - std::chrono::steady_clock::now());
            if (left.count() > 0 && !sleepFor(socket, static_cast<int>(left.count())))
                return false;
        }
    }
    return true;
}

bool FaultyServer::sendAll(int socket, const char* bytes, size_t n) {
    while (n > 0) {
        const ssize_t sent = ::send(socket, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= static_cast<size_t>(sent);
    }
    return true;
}

bool FaultyServer::sleepFor(int socket, int ms) const {
    pollfd gone{socket, POLLRDHUP, 0};
    return ::poll(&gone, 1, ms) == 0 && !stop_;
}

Content madeContent(size_t bytes, unsigned seed) {
    auto content = std::make_shared<std::string>(bytes, '\0');
    std::mt19937_64 random(seed);
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        const uint64_t word = random();
        std::memcpy(content->data() + i, &word, 8);
    }
    if (bytes >= 4)
        std::memcpy(content->data(), "GGUF", 4);
    return content;
}

} // namespace hearth::tests
