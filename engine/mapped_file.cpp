#include "engine/mapped_file.h"

#include "engine/error.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hearth::engine {

namespace {

/// One mapped range, as the signal handler sees it. A slot is in use while `begin` is not 0; `end` and `cut` are
/// written before `begin`, so a handler that sees the range sees all of it.
struct Guard {
    std::atomic<uintptr_t> begin{0};
    std::atomic<uintptr_t> end{0};
    std::atomic<bool> cut{false};
};

// A signal handler has no `this`: the one table of the process, fixed in size so that the handler takes no lock.
std::array<Guard, 1024> guards;
std::mutex guardsMutex; // for those who take and free slots; never in the handler
struct sigaction previousAction;

/// Maps zero pages over what the file no longer has, and lets the faulting read go on.
void onBusError(int signal, siginfo_t* info, void* context) {
    const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    const int savedErrno = errno;
    for (Guard& guard : guards) {
        const uintptr_t begin = guard.begin.load(std::memory_order_acquire);
        const uintptr_t end = guard.end.load(std::memory_order_relaxed);
        if (begin == 0 || address < begin || address >= end)
            continue;
        const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
        const uintptr_t from = address / page * page;
        void* zeros = mmap(reinterpret_cast<void*>(from), end - from, PROT_READ,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        if (zeros == MAP_FAILED)
            break;
        guard.cut.store(true, std::memory_order_release);
        errno = savedErrno;
        return;
    }
    // Not ours: whoever stood here before, else the system's way.
    if (previousAction.sa_flags & SA_SIGINFO)
        previousAction.sa_sigaction(signal, info, context);
    else if (previousAction.sa_handler != SIG_DFL && previousAction.sa_handler != SIG_IGN)
        previousAction.sa_handler(signal);
    else
        std::signal(signal, SIG_DFL); // the read is tried again and ends the process
    errno = savedErrno;
}

int takeGuard(const std::byte* data, size_t size) {
    const std::lock_guard lock(guardsMutex);
    static const bool installed = [] {
        struct sigaction action {};
        action.sa_sigaction = onBusError;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        sigemptyset(&action.sa_mask);
        return sigaction(SIGBUS, &action, &previousAction) == 0;
    }();
    if (!installed)
        return -1;
    for (size_t i = 0; i < guards.size(); ++i)
        if (guards[i].begin.load(std::memory_order_relaxed) == 0) {
            const auto begin = reinterpret_cast<uintptr_t>(data);
            guards[i].cut.store(false, std::memory_order_relaxed);
            guards[i].end.store(begin + size, std::memory_order_relaxed);
            guards[i].begin.store(begin, std::memory_order_release);
            return static_cast<int>(i);
        }
    return -1;
}

[[noreturn]] void cannotOpen(const std::string& path, const char* why) {
    throw Error({Trouble::CannotOpen, {printable(path, 400)}},
                "The file " + printable(path, 400) + " cannot be opened: " + why + ".");
}

/// A descriptor that closes itself.
struct Descriptor {
    int fd;

    ~Descriptor() {
        if (fd >= 0)
            close(fd);
    }
};

} // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
    if (path.find('\0') != std::string::npos)
        cannotOpen(path, "its name contains a zero byte");
    // O_NONBLOCK: opening a FIFO must not wait for somebody to write to it. O_NOATIME: files of other programs are read
    // in place, and nothing is written there; only a file's owner may ask for it.
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const int quiet = open(path.c_str(), kFlags | O_NOATIME);
    const Descriptor file{quiet < 0 && errno == EPERM ? open(path.c_str(), kFlags) : quiet};
    if (file.fd < 0)
        cannotOpen(path, std::strerror(errno));

    struct stat status {};

    if (fstat(file.fd, &status) != 0)
        cannotOpen(path, std::strerror(errno));
    if (S_ISDIR(status.st_mode))
        cannotOpen(path, "it is a folder, not a file");
    if (!S_ISREG(status.st_mode))
        cannotOpen(path, "it is not an ordinary file");
    if (status.st_size == 0)
        cannotOpen(path, "it is empty");
    size_ = static_cast<size_t>(status.st_size);
    void* address = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (address == MAP_FAILED)
        cannotOpen(path, std::strerror(errno));
    data_ = static_cast<const std::byte*>(address);
    guard_ = takeGuard(data_, size_);
    if (guard_ < 0) {
        munmap(address, size_);
        cannotOpen(path, "too many model files are open");
    }
}

MappedFile::~MappedFile() {
    const std::lock_guard lock(guardsMutex);
    guards[static_cast<size_t>(guard_)].begin.store(0, std::memory_order_release);
    munmap(const_cast<std::byte*>(data_), size_);
}

bool MappedFile::truncated() const {
    return guards[static_cast<size_t>(guard_)].cut.load(std::memory_order_acquire);
}

} // namespace hearth::engine
