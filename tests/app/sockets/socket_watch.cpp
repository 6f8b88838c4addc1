#include "tests/app/sockets/socket_watch.h"

#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <iterator>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace hearth::tests {
namespace {

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr unsigned kArchitecture = 0;
#endif

constexpr int kPatience = 90000; // ms

/// In the child, between fork and exec: from here on the kernel tells of these calls. -1: it cannot.
int installFilter() {
    constexpr unsigned kNumber = offsetof(seccomp_data, nr);
    constexpr unsigned kArch = offsetof(seccomp_data, arch);
    sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), // calls by another table would go unseen
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    };
    sock_fprog program{};
    program.len = std::size(rules);
    program.filter = rules;
    if (kArchitecture == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return int(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

/// One byte, and with it the descriptor if there is one. By sendmsg(), which the filter lets pass.
void sendDescriptor(int through, int descriptor) {
    char byte = descriptor >= 0 ? 'y' : 'n';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    }
    (void)!sendmsg(through, &message, MSG_NOSIGNAL);
}

int receiveDescriptor(int through) {
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(through, &message, MSG_CMSG_CLOEXEC) != 1 || byte != 'y')
        return -1;
    const cmsghdr* head = CMSG_FIRSTHDR(&message);
    int descriptor = -1;
    if (head && head->cmsg_type == SCM_RIGHTS)
        std::memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
    return descriptor;
}

/// Whom a call names, as "127.0.0.1:8080". Empty: not on the internet.
std::string peerOf(pid_t thread, uint64_t address, uint64_t size) {
    sockaddr_storage to{};
    iovec mine{&to, std::min<size_t>(sizeof to, size)};
    iovec theirs{reinterpret_cast<void*>(address), mine.iov_len};
    if (address == 0 || process_vm_readv(thread, &mine, 1, &theirs, 1, 0) < ssize_t(sizeof(sa_family_t)))
        return {};
    char text[INET6_ADDRSTRLEN] = {};
    if (to.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(to);
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return std::string(text) + ':' + std::to_string(ntohs(v4.sin_port));
    }
    if (to.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(to);
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        return '[' + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
    }
    return {};
}

} // namespace

SocketWatch::~SocketWatch() {
    stop_ = true;
    if (parent_ >= 0)
        ::shutdown(parent_, SHUT_RDWR);
    if (thread_.joinable())
        thread_.join();
    for (const int end : {parent_, child_})
        if (end >= 0)
            ::close(end);
}

void SocketWatch::follow(QProcess& process) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        state_ = -1;
        return;
    }
    parent_ = ends[0];
    child_ = ends[1];
    process.setChildProcessModifier([through = child_] { sendDescriptor(through, installFilter()); });
    thread_ = std::thread([this] {
        const int listener = receiveDescriptor(parent_);
        state_ = listener >= 0 ? 1 : -1;
        if (listener >= 0)
            take(listener);
    });
}

bool SocketWatch::works() {
    for (int i = 0; state_ == 0 && i < kPatience; ++i) // for ever, where the process was never made
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return state_ > 0;
}

SocketWatch::Seen SocketWatch::seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
}

void SocketWatch::take(int listener) {
    while (!stop_) {
        pollfd ready{listener, POLLIN, 0};
        const int n = ::poll(&ready, 1, 100);
        if (n > 0 && !(ready.revents & POLLIN)) // nobody is left who could call
            break;
        seccomp_notif call{};
        if (n <= 0 || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
            continue;
        const auto* of = call.data.args;
        const bool sends = call.data.nr == SYS_sendto;
        const std::string peer = call.data.nr == SYS_connect ? peerOf(pid_t(call.pid), of[1], of[2])
                                 : sends                     ? peerOf(pid_t(call.pid), of[4], of[5])
                                                             : std::string();
        {
            const std::lock_guard lock(mutex_);
            if (!peer.empty())
                seen_.peers.insert(peer);
            if (call.data.nr == SYS_socket)
                ++(of[0] == AF_UNIX                        ? seen_.local
                   : of[0] == AF_INET || of[0] == AF_INET6 ? seen_.internet
                                                           : seen_.others);
            else if (call.data.nr == SYS_io_uring_setup)
                ++seen_.others;
        }
        seccomp_notif_resp answer{};
        answer.id = call.id;
        answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    ::close(listener);
}

} // namespace hearth::tests
