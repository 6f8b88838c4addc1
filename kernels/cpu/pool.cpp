#include "kernels/cpu/pool.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <limits>
#include <new>
#include <system_error>

#include <linux/futex.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hearth::kernels::cpu {
namespace {

constexpr int64_t kSpinNanoseconds = 50'000;
constexpr int kNicer = 2; // the window's thread goes before the pool's
// Linux stops a thread at a tick, at the earliest after 1.4 ms with two processors and 3 with eight or more: with 250
// ticks a second after 4, with 1,000 after 2 to 3. Shorter turns give away more of the core than they must.
constexpr int64_t kTurnNanoseconds = 1'700'000;
constexpr int64_t kAwayNanoseconds = 500'000; // between two tiles: then the thread slept or was stopped
// Of Pool::tiles_.
constexpr uint64_t kClaimed = uint64_t(1) << 32, kDone = 1;

int64_t now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

void pause() {
#if defined(__x86_64__)
    _mm_pause();
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

int64_t unclaimed(uint64_t tiles) {
    return int32_t(tiles >> 32);
}

void becomeNicer() {
    const id_t self = id_t(syscall(SYS_gettid));
    errno = 0;
    const int current = getpriority(PRIO_PROCESS, self);
    if (errno == 0)
        setpriority(PRIO_PROCESS, self, current + kNicer); // refused: then it is as nice as the others
}

} // namespace

bool Pool::Turn::isOver(int64_t at) {
    if (at - last_ > kAwayNanoseconds)
        began_ = at;
    last_ = at;
    return at - began_ >= kTurnNanoseconds;
}

void Pool::Turn::giveUp() {
    sched_yield(); // where nobody waits for the core it returns at once
    began_ = last_ = now();
}

void Pool::ScratchDeleter::operator()(std::byte* p) const {
    ::operator delete[](p, std::align_val_t(64));
}

Pool::Scratch Pool::makeScratch(size_t bytes) {
    return Scratch(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t(64))));
}

Pool::Pool(int threads) : own_{makeScratch(kScratchBytes), {}} {
    const size_t helpers = size_t(std::clamp(threads, 1, 1024) - 1);
    workers_.store(uint32_t(helpers + 1));
    threads_.reserve(helpers);
    helpers_.reserve(helpers);
    for (size_t i = 0; i < helpers; ++i) {
        helpers_.push_back({makeScratch(kScratchBytes), {}});
        try {
            threads_.emplace_back([this, worker = &helpers_.back(), i] { workerMain(*worker, uint32_t(i + 1)); });
        } catch (const std::system_error&) {
            helpers_.pop_back();
            break;
        }
    }
}

Pool::~Pool() {
    quit_.store(true);
    wake();
    limit(0);
    for (std::thread& t : threads_)
        t.join();
}

void Pool::limit(int workers) {
    const uint32_t wanted = workers > 0 ? uint32_t(std::min(workers, threads())) : uint32_t(threads());
    if (workers_.exchange(wanted) != wanted)
        syscall(SYS_futex, &workers_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

/// Returns once the number of workers is no longer this one.
void Pool::sitOut(uint32_t workers) {
    while (workers_.load() == workers)
        syscall(SYS_futex, &workers_, FUTEX_WAIT_PRIVATE, workers, nullptr, nullptr, 0);
}

void Pool::reserve(size_t scratchBytes) {
    if (scratchBytes <= scratchBytes_)
        return;
    std::vector<Scratch> larger;
    for (size_t i = 0; i <= helpers_.size(); ++i)
        larger.push_back(makeScratch(scratchBytes));
    own_.scratch = std::move(larger.back());
    for (size_t i = 0; i < helpers_.size(); ++i)
        helpers_[i].scratch = std::move(larger[i]);
    scratchBytes_ = scratchBytes;
}

void Pool::wake() {
    generation_.fetch_add(1);
    if (sleepers_.load() > 0)
        syscall(SYS_futex, &generation_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

/// Returns once the generation is no longer `seen`.
void Pool::wait(uint32_t seen) {
    const int64_t deadline = now() + kSpinNanoseconds;
    for (int i = 1; generation_.load(std::memory_order_acquire) == seen; ++i) {
        pause();
        if (i % 64 != 0 || now() < deadline)
            continue;
        sleepers_.fetch_add(1);
        if (generation_.load() == seen)
            syscall(SYS_futex, &generation_, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
        sleepers_.fetch_sub(1);
    }
}

/// Opens the next stage that has tiles, or ends the run. Called by the one worker that finished the stage before. A
/// stage of a single tile is not offered to others: handing it over would cost more than it lasts.
void Pool::publish(Worker& worker) {
    for (; stage_ < work_.size(); ++stage_) {
        if (cancel_ && cancel_->load(std::memory_order_relaxed)) {
            cancelled_ = true;
            break;
        }
        if (stage_ != place_.stage && deadline_ != 0 && now() >= deadline_) {
            paused_ = true;
            place_ = {stage_, 0};
            break;
        }
        const Work& next = work_[stage_];
        const bool part = stage_ == place_.stage && place_.tiles > 0;
        const int64_t count = part ? place_.tiles : next.tiles;
        if (count > 1) {
            const uint64_t tiles = uint64_t(std::min<int64_t>(count, std::numeric_limits<int32_t>::max()));
            tiles_.store(tiles * (kClaimed + kDone), std::memory_order_release);
            wake();
            return;
        }
        if (count == 1)
            next.stage->run(next.tiles - 1, worker.scratch.get());
    }
    endRun();
}

void Pool::endRun() {
    done_.store(true, std::memory_order_release);
    wake();
}

/// Called by the worker that did the last tile.
void Pool::endStage(Worker& worker) {
    if (left_ > 0) {
        paused_ = true;
        place_ = {stage_, left_};
        endRun();
        return;
    }
    ++stage_;
    publish(worker);
}

/// Takes the tiles that nobody has claimed out of the stage. The caller still holds a tile, so the stage cannot end
/// before; where two workers come at once, one of them finds none.
void Pool::pauseHere() {
    uint64_t tiles = tiles_.load(std::memory_order_relaxed);
    int64_t left = 0;
    do {
        left = unclaimed(tiles);
        if (left <= 0)
            return;
    } while (
        !tiles_.compare_exchange_weak(tiles, tiles - uint64_t(left) * (kClaimed + kDone), std::memory_order_relaxed));
    left_ = left;
}

/// The tile that a claim took; `tiles`: tiles_ before. Until it is done the stage cannot end, so work_ and stage_ stand
/// still.
void Pool::runTile(uint64_t tiles, Worker& worker) {
    const Work& current = work_[stage_];
    if (cancel_ && cancel_->load(std::memory_order_relaxed))
        skipped_.store(true, std::memory_order_relaxed); // ordered by `tiles_`
    else
        current.stage->run(current.tiles - unclaimed(tiles), worker.scratch.get());
}

/// Does tiles until none is left to claim, or until others may have the core. False where there was none.
bool Pool::help(Worker& worker) {
    // Spares a step that others wait for, and keeps vain claims to one a worker and stage: the number of unclaimed
    // tiles falls no further below 0.
    if (unclaimed(tiles_.load(std::memory_order_acquire)) <= 0)
        return false;
    uint64_t tiles = tiles_.fetch_sub(kClaimed, std::memory_order_acq_rel);
    if (unclaimed(tiles) <= 0)
        return false;
    bool over = false;
    do {
        runTile(tiles, worker);
        const int64_t at = now();
        if (deadline_ != 0 && at >= deadline_)
            pauseHere();
        over = worker.turn.isOver(at); // then it holds no tile while it waits for the core
        tiles = tiles_.fetch_sub(over ? kDone : kClaimed + kDone, std::memory_order_acq_rel);
        if (uint32_t(tiles) == 1) // and so none was unclaimed
            endStage(worker);
    } while (!over && unclaimed(tiles) > 0);
    if (over)
        worker.turn.giveUp();
    return true;
}

void Pool::workerMain(Worker& worker, uint32_t number) {
    becomeNicer();
    while (!quit_.load()) {
        if (const uint32_t workers = workers_.load(); number >= workers) {
            sitOut(workers);
            continue;
        }
        const uint32_t seen = generation_.load();
        if (quit_.load())
            return;
        if (!help(worker))
            wait(seen);
    }
}

bool Pool::run(std::span<const Work> work, const std::atomic<bool>* cancel) {
    return runFrom(work, cancel, 0, {}) == RunEnd::Done;
}

RunEnd Pool::run(std::span<const Work> work, const std::atomic<bool>* cancel, double seconds, Place& place) {
    const RunEnd end = runFrom(work, cancel, now() + int64_t(std::clamp(seconds, 0.0, 1e6) * 1e9), place);
    place = place_;
    return end;
}

RunEnd Pool::runFrom(std::span<const Work> work, const std::atomic<bool>* cancel, int64_t deadline, Place place) {
    work_ = work;
    stage_ = place.stage;
    place_ = place;
    deadline_ = deadline;
    paused_ = false;
    left_ = 0;
    cancel_ = cancel;
    cancelled_ = false;
    skipped_.store(false, std::memory_order_relaxed);
    done_.store(false, std::memory_order_relaxed);
    publish(own_);
    while (!done_.load(std::memory_order_acquire)) {
        const uint32_t seen = generation_.load();
        if (!help(own_) && !done_.load(std::memory_order_acquire))
            wait(seen);
    }
    if (cancelled_ || skipped_.load(std::memory_order_relaxed))
        return RunEnd::Cancelled;
    return paused_ ? RunEnd::Paused : RunEnd::Done;
}

} // namespace hearth::kernels::cpu
