#pragma once

#include "kernels/kinds.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

namespace hearth::kernels::cpu {

/// 1 MiB of each worker's own, for panels and rows in between; 64-byte aligned. More where Pool::reserve() was called.
inline constexpr size_t kScratchBytes = size_t(1) << 20;

/// Part of a plan between two barriers: tiles in any order, by any worker. A tile lasts at most about 100 µs and does
/// not throw, allocate or lock.
class Stage {
public:
    virtual ~Stage() = default;
    virtual void run(int64_t tile, std::byte* scratch) const = 0;
};

/// Workers that walk the stages of a plan together; the calling thread is worker 0. A stage is over when its last tile
/// is done, whoever did it: a worker that sleeps or was not scheduled holds nobody up unless it is inside a tile. A
/// waiter spins for at most 50 µs, then sleeps on a futex. Every 1.7 ms a worker lets others have its core, between
/// tiles. Between runs all pool threads sleep. One thread calls run(); the pool's threads touch nothing of a plan but
/// through a claimed tile.
class Pool {
public:
    /// Starts threads - 1 threads; fewer where the system refuses.
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int threads() const { return int(threads_.size()) + 1; }

    /// At most so many workers, the calling one included, take part from the next run on; the others sleep. 0: all.
    /// Never between the begin and the end of a run.
    void limit(int workers);

    /// Makes every worker's scratch at least so large; never between the begin and the end of a run. Throws
    /// std::bad_alloc, and then nothing has changed.
    void reserve(size_t scratchBytes);

    struct Work {
        const Stage* stage;
        int64_t tiles; // 0: skipped
    };

    /// Runs the stages in order. False when `cancel` became true before the end; it is read before every tile, and then
    /// all workers have left.
    bool run(std::span<const Work> work, const std::atomic<bool>* cancel);

    /// Where a run that paused goes on.
    struct Place {
        size_t stage = 0;
        int64_t tiles = 0; // of this stage that are still to be done, the last ones; 0: all
    };

    /// Runs from `place` on; once `seconds` have passed no further tile is begun, `place` is where to go on, and all
    /// workers have left. At least one tile is done.
    RunEnd run(std::span<const Work> work, const std::atomic<bool>* cancel, double seconds, Place& place);

private:
    struct ScratchDeleter {
        void operator()(std::byte* p) const;
    };

    using Scratch = std::unique_ptr<std::byte[], ScratchDeleter>;

    /// A worker that the system stops inside a tile, for a program that wants the same core, holds up all others until
    /// it is its turn again. So it gives its turn up itself, between two tiles and before the system would take it.
    class Turn {
    public:
        /// Whether it is to be given up; asked after every tile. `at`: of the clock, as all times here.
        bool isOver(int64_t at);
        void giveUp();

    private:
        int64_t began_ = 0, last_ = 0; // when the turn began, and when the last tile ended
    };

    struct alignas(64) Worker { // each writes its own after every tile
        Scratch scratch;        // looked at only while the worker holds a tile: between runs reserve() changes it
        Turn turn;
    };

    static Scratch makeScratch(size_t bytes);
    void workerMain(Worker& worker, uint32_t number);
    void sitOut(uint32_t workers);
    bool help(Worker& worker);
    void runTile(uint64_t tiles, Worker& worker);
    void endStage(Worker& worker);
    void publish(Worker& worker);
    void endRun();
    void pauseHere();
    RunEnd runFrom(std::span<const Work> work, const std::atomic<bool>* cancel, int64_t deadline, Place place);
    void wait(uint32_t seen);
    void wake();

    // Written by the worker that finishes a stage, read by those who claimed a tile of the next: ordered by `tiles_`.
    std::span<const Work> work_;
    size_t stage_ = 0;
    const std::atomic<bool>* cancel_ = nullptr;
    bool cancelled_ = false;
    int64_t deadline_ = 0; // of the clock, in nanoseconds; 0: none
    Place place_;          // where the run began, then where it paused
    bool paused_ = false;
    int64_t left_ = 0;                 // tiles that a pause took out of the stage; ordered by `tiles_`
    std::atomic<bool> skipped_{false}; // a tile was left out because of `cancel_`

    // Tiles of the stage that nobody has claimed yet << 32 | those not yet done. To claim is to take one of the upper
    // ones away; who finds that there was none has claimed nothing, and the number, less than 0 now, means none. One
    // word, so that a worker goes from a tile to the next by one step that other cores wait for.
    alignas(64) std::atomic<uint64_t> tiles_{0};
    alignas(64) std::atomic<uint32_t> generation_{0}; // the futex word: changes with every stage and at the end
    std::atomic<uint32_t> sleepers_{0};
    std::atomic<uint32_t> workers_{0}; // that take part; the futex word of those that do not
    std::atomic<bool> done_{true};
    std::atomic<bool> quit_{false};

    size_t scratchBytes_ = kScratchBytes;
    Worker own_;
    std::vector<Worker> helpers_;
    std::vector<std::thread> threads_;
};

} // namespace hearth::kernels::cpu
