#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace hearth::tests {

using Content = std::shared_ptr<const std::string>;

struct ServerRequest {
    std::string method, path, query, head, body;
    std::map<std::string, std::string> headers; // names in lower case
    int number = 0;                             // of this path, from 1

    std::string header(const std::string& name) const;
    std::string argument(const std::string& name) const;          // of the query, decoded
    std::optional<std::pair<long, long>> range(long total) const; // inclusive; nothing: none, or none that can be given
};

/// What is sent, and what goes wrong on the way.
struct ServerReply {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    Content content;
    long first = 0, size = 0; // the part of the content that is the body
    std::string raw;          // instead of all of it
    long announced = -2;      // Content-Length: -2 as it is, -1 none
    long dropAfter = -1;      // the connection is cut after so many bytes of the body
    long stallAfter = -1;     // nothing comes any more
    long bytesPerSecond = 0;  // 0: as fast as can be
    bool dropBeforeHead = false, stallBeforeHead = false;
    long flip = -1; // this byte of the content is sent otherwise

    static ServerReply text(int status, const std::string& body, const std::string& type = "text/plain");
    static ServerReply redirect(const std::string& to, int status = 302);
    static ServerReply of(Content, const std::string& type = "application/octet-stream");
};

/// An HTTP server of our own on loopback, one thread a connection, whose answers are functions.
class FaultyServer {
public:
    using Answer = std::function<ServerReply(const ServerRequest&)>;

    explicit FaultyServer(const char* address = "127.0.0.1");
    ~FaultyServer();

    int port() const { return port_; }

    std::string base() const; // "http://127.0.0.1:1234"

    void on(const std::string& path, Answer);
    /// For every path that has none of its own.
    void otherwise(Answer);

    /// A file as a good server gives it: parts, If-Range, an ETag.
    static ServerReply file(const ServerRequest&, const Content&, const std::string& etag = "\"v1\"",
                            const std::string& lastModified = {});

    std::vector<ServerRequest> requests() const;
    int count(const std::string& path) const;

    long sent() const { return sent_.load(); } // bytes of bodies, all together

    void forget(); // requests and bytes so far

private:
    void accept();
    void serve(int socket);
    bool answer(int socket, const ServerRequest&);
    bool sendBody(int socket, const ServerReply&);
    bool sendAll(int socket, const char*, size_t);
    bool sleepFor(int socket, int ms) const; // false: the other side is gone, or this is over

    std::string address_;
    int listener_ = -1, port_ = 0;
    std::atomic<bool> stop_ = false;
    std::atomic<long> sent_ = 0;
    mutable std::mutex mutex_;
    std::map<std::string, Answer> answers_;
    Answer otherwise_;
    std::map<std::string, int> counts_;
    std::vector<ServerRequest> requests_;
    std::vector<int> sockets_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

/// So many bytes from a seed, beginning as a GGUF file does.
Content madeContent(size_t bytes, unsigned seed);

} // namespace hearth::tests
