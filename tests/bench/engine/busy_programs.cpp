#include "tests/bench/engine/busy_programs.h"

#include "engine/error.h"

#include <csignal>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hearth::bench {

namespace {

/// Between fork and the end only what a signal handler may do: other threads may have held locks.
[[noreturn]] void beBusy(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) // it ended before the line above
        _exit(0);
    for (;;)
        __asm__ volatile("");
}

} // namespace

BusyPrograms::BusyPrograms(int count) {
    const pid_t self = getpid();
    for (int i = 0; i < count; ++i) {
        const pid_t child = fork();
        if (child == 0)
            beBusy(self);
        if (child < 0) {
            end();
            throw engine::Error("A second process cannot be started.");
        }
        running_.push_back(child);
    }
}

BusyPrograms::~BusyPrograms() {
    end();
}

void BusyPrograms::end() {
    for (const pid_t child : running_) {
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
    }
    running_.clear();
}

} // namespace hearth::bench
