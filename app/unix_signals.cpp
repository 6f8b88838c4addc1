#include "app/unix_signals.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace hearth::app {
namespace {

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP};
std::atomic<int> pipeEnd = -1; // the only thing that a handler can reach

void onSignal(int) {
    const int saved = errno;
    const char byte = 1;
    if (const int fd = pipeEnd.load(); fd >= 0) [[maybe_unused]]
        const ssize_t n = ::write(fd, &byte, 1);
    errno = saved;
}

} // namespace

UnixSignals::UnixSignals(QObject* parent) : QObject(parent) {
    if (::pipe2(ends_, O_CLOEXEC | O_NONBLOCK) != 0)
        return;
    pipeEnd = ends_[1];
    notifier_ = std::make_unique<QSocketNotifier>(ends_[0], QSocketNotifier::Read);
    connect(notifier_.get(), &QSocketNotifier::activated, this, [this] {
        char bytes[16];
        while (::read(ends_[0], bytes, sizeof bytes) > 0) {
        }
        emit endAsked();
    });
    struct sigaction action = {};
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART;
    for (const int signal : kSignals)
        ::sigaction(signal, &action, nullptr);
}

UnixSignals::~UnixSignals() {
    for (const int signal : kSignals)
        ::signal(signal, SIG_DFL);
    pipeEnd = -1;
    notifier_.reset();
    for (const int end : ends_) {
        if (end >= 0)
            ::close(end);
    }
}

} // namespace hearth::app
