#pragma once

#include <QProcess>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace hearth::tests {

/// Counts the sockets that a program asks the kernel for: every thread of it, and the programs that it starts. The
/// kernel tells of each call (seccomp, user notification) and goes on with it; nothing can be asked for past it.
class SocketWatch {
public:
    struct Seen {
        int local = 0;               // AF_UNIX: the display and the session bus
        int internet = 0;            // AF_INET and AF_INET6
        int others = 0;              // any other family, and rings that could ask for sockets themselves
        std::set<std::string> peers; // "127.0.0.1:8080", of connect() and sendto()
    };

    ~SocketWatch();

    /// To be called before the process starts; one process a watch.
    void follow(QProcess&);

    /// False: this kernel cannot. After the process has started.
    bool works();

    Seen seen() const;

private:
    void take(int listener);

    mutable std::mutex mutex_;
    Seen seen_;
    std::thread thread_;
    int parent_ = -1, child_ = -1; // ends of what the child sends the listener through
    std::atomic<int> state_ = 0;   // 0: nothing came yet; 1: works; -1: does not
    std::atomic<bool> stop_ = false;
};

} // namespace hearth::tests
