#include "kernels/cpu/guided_tiles.h"
#include "kernels/cpu/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>

namespace hearth::kernels::cpu {
namespace {

/// Writes what the stage before wrote, plus one: a tile that ran too early or twice leaves a wrong number.
class CountStage : public Stage {
public:
    CountStage(std::vector<int>& from, std::vector<int>& to) : from_(from), to_(to) {}

    void run(int64_t tile, std::byte* scratch) const override {
        scratch[0] = std::byte(tile); // scratch is the worker's own
        // Reads another tile's result of the stage before.
        to_[size_t(tile)] = from_[(size_t(tile) + 1) % from_.size()] + 1;
        EXPECT_EQ(scratch[0], std::byte(tile));
    }

private:
    std::vector<int>& from_;
    std::vector<int>& to_;
};

/// Of three tiles, with more workers, too: claims that come too late meet the next stage.
TEST(Pool, StagesRunInOrderAndEveryTileOnce) {
    for (const int threads : {1, 2, 3, 8})
        for (const int64_t tiles : {3, 13}) {
            Pool pool(threads);
            EXPECT_EQ(pool.threads(), threads);
            for (int round = 0; round < 100; ++round) {
                std::vector<int> a(size_t(tiles), 0), b(size_t(tiles), -1);
                const CountStage forth(a, b), back(b, a);
                std::vector<Pool::Work> work;
                for (int i = 0; i < 100; ++i) {
                    work.push_back({&forth, tiles});
                    work.push_back({&forth, 0}); // skipped
                    work.push_back({&back, tiles});
                }
                ASSERT_TRUE(pool.run(work, nullptr));
                ASSERT_EQ(a, std::vector<int>(size_t(tiles), 200));
            }
        }
}

/// Which threads run its tiles.
class WhoStage : public Stage {
public:
    void run(int64_t, std::byte*) const override {
        {
            const std::lock_guard lock(mutex_);
            threads_.insert(std::this_thread::get_id());
        }
        std::this_thread::sleep_for(std::chrono::microseconds(200)); // so that others come to take theirs
    }

    size_t count() {
        const std::lock_guard lock(mutex_);
        return std::exchange(threads_, {}).size();
    }

private:
    mutable std::mutex mutex_;
    mutable std::set<std::thread::id> threads_;
};

TEST(Pool, OnlySoManyTakePart) {
    Pool pool(6);
    WhoStage who;
    const std::vector<Pool::Work> work{{&who, 60}};
    const auto run = [&](int limit) {
        pool.limit(limit);
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // whoever spins still has gone to sleep
        EXPECT_TRUE(pool.run(work, nullptr));
        return who.count();
    };
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(run(1), 1u);
        EXPECT_LE(run(2), 2u);
        EXPECT_GT(run(0), 2u); // they are back
        EXPECT_LE(run(4), 4u);
        EXPECT_GT(run(100), 2u);
    }
    run(1); // ends while five sit out
}

TEST(Pool, APausedRunGoesOnAndEveryTileIsDoneOnce) {
    for (const int threads : {1, 2, 5}) {
        Pool pool(threads);
        for (int round = 0; round < 20; ++round) {
            std::vector<int> a(13, 0), b(13, -1), c(13, 5), d(13, 5);
            const CountStage forth(a, b), back(b, a), other(c, d);
            std::vector<Pool::Work> work;
            for (int i = 0; i < 50; ++i) {
                work.push_back({&forth, 13});
                work.push_back({&forth, 0});
                work.push_back({&back, 13});
            }
            const std::vector<Pool::Work> between{{&other, 13}};
            Pool::Place place;
            int pauses = 0;
            RunEnd end = RunEnd::Paused;
            for (; end == RunEnd::Paused && pauses < 100000; ++pauses) {
                end = pool.run(work, nullptr, round % 2 == 0 ? 0 : 3e-5, place);
                ASSERT_TRUE(pool.run(between, nullptr));
            }
            ASSERT_EQ(end, RunEnd::Done);
            ASSERT_GT(pauses, 1);
            for (const int value : a)
                ASSERT_EQ(value, 100);
            ASSERT_EQ(d, std::vector<int>(13, 6));
        }
    }
}

TEST(Pool, NothingToDo) {
    Pool pool(2);
    EXPECT_TRUE(pool.run({}, nullptr));
    const std::vector<Pool::Work> empty(3, Pool::Work{nullptr, 0});
    EXPECT_TRUE(pool.run(empty, nullptr));
}

class CancelStage : public Stage {
public:
    explicit CancelStage(std::atomic<bool>& cancel) : cancel_(cancel) {}

    void run(int64_t, std::byte*) const override {
        runs_.fetch_add(1);
        cancel_.store(true);
    }

    int runs() const { return runs_.load(); }

private:
    std::atomic<bool>& cancel_;
    mutable std::atomic<int> runs_{0};
};

/// Only the tiles that were begun run to their end: one a worker at most.
TEST(Pool, CancelEndsBeforeTheNextTile) {
    Pool pool(3);
    for (int round = 0; round < 20; ++round) {
        std::atomic<bool> cancel{false};
        const CancelStage first(cancel), second(cancel);
        const std::vector<Pool::Work> work{{&first, 100}, {&second, 100}};
        EXPECT_FALSE(pool.run(work, &cancel));
        const int runs = first.runs();
        EXPECT_GE(runs, 1);
        EXPECT_LE(runs, pool.threads());
        EXPECT_EQ(second.runs(), 0);
        EXPECT_FALSE(pool.run(work, &cancel)) << "cancelled before it begins";
        EXPECT_EQ(first.runs(), runs);
        cancel.store(false);
        EXPECT_FALSE(pool.run(work, &cancel)) << "the pool is usable afterwards";
        EXPECT_GT(first.runs(), runs);
        EXPECT_EQ(second.runs(), 0);
    }
}

class SlowStage : public Stage {
public:
    void run(int64_t tile, std::byte*) const override {
        if (tile == 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(3)); // far longer than a waiter spins
        sum_.fetch_add(tile);
    }

    int64_t sum() const { return sum_.load(); }

private:
    mutable std::atomic<int64_t> sum_{0};
};

TEST(Pool, SleepersWakeUp) {
    Pool pool(4);
    const SlowStage slow;
    const std::vector<Pool::Work> work(20, Pool::Work{&slow, 5});
    EXPECT_TRUE(pool.run(work, nullptr));
    EXPECT_EQ(slow.sum(), 20 * 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(pool.run(work, nullptr));
    EXPECT_EQ(slow.sum(), 40 * 10);
}

TEST(Pool, IdleThreadsSleep) {
    Pool pool(4);
    const SlowStage slow;
    const std::vector<Pool::Work> work(2, Pool::Work{&slow, 5});
    pool.run(work, nullptr);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto processSeconds = [] {
        timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
    };
    const double before = processSeconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_LT(processSeconds() - before, 0.02);
}

using Clock = std::chrono::steady_clock;

/// When each tile began and ended; a tile takes a tenth of a millisecond.
class TimedStage : public Stage {
public:
    explicit TimedStage(size_t tiles) : times_(tiles) {}

    void run(int64_t tile, std::byte*) const override {
        auto& [begin, end] = times_[size_t(tile)];
        begin = Clock::now();
        do
            end = Clock::now();
        while (end - begin < std::chrono::microseconds(100));
    }

    /// How often a thread of one was away for over a millisecond: inside tiles, and between them.
    std::pair<int, int> away() const {
        constexpr auto kAway = std::chrono::milliseconds(1);
        int inside = 0, between = 0;
        for (size_t i = 0; i < times_.size(); ++i) {
            inside += times_[i].second - times_[i].first > kAway;
            between += i > 0 && times_[i].first - times_[i - 1].second > kAway;
        }
        return {inside, between};
    }

private:
    mutable std::vector<std::pair<Clock::time_point, Clock::time_point>> times_;
};

TEST(Pool, LetsABusyProgramHaveTheCoreBetweenTiles) {
    std::atomic<bool> ended{false};
    const TimedStage timed(4000);
    std::thread([&] {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(sched_getcpu(), &one);
        ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
        std::thread busy([&] { // on the same core, as its starter is
            while (!ended.load(std::memory_order_relaxed)) {
            }
        });
        Pool pool(1);
        EXPECT_TRUE(pool.run(std::vector<Pool::Work>{{&timed, 4000}}, nullptr));
        ended = true;
        busy.join();
    }).join();
    const auto [inside, between] = timed.away();
    EXPECT_GE(inside + between, 20);
    if (std::thread::hardware_concurrency() > 1) { // turns of one processor alone may be shorter than ours
        EXPECT_LT(inside, between);
    }
}

/// Tiles have every part once, as many at first as they may have, never more than the one before, and, where workers
/// are to end together, one in the end.
TEST(GuidedTiles, HaveEveryPartOnce) {
    for (const int threads : {1, 2, 3, 64})
        for (const int64_t most : {1, 4, 64}) {
            GuidedTiles tiles(most, threads);
            for (const int64_t parts : {0, 1, 2, 7, 24, 128, 129, 1000, 20000, 3}) {
                tiles.set(parts);
                ASSERT_EQ(tiles.begin(0), 0);
                ASSERT_EQ(tiles.begin(tiles.count()), parts);
                int64_t before = most;
                for (int64_t t = 0; t < tiles.count(); ++t) {
                    const int64_t size = tiles.begin(t + 1) - tiles.begin(t);
                    ASSERT_GE(size, 1);
                    ASSERT_LE(size, before) << threads << " threads, " << most << ", " << parts << ", tile " << t;
                    before = size;
                }
                if (threads > 1 && parts > 0) {
                    EXPECT_EQ(before, 1);
                }
                if (parts == 20000) { // some tiles of decreasing size behind the whole ones
                    EXPECT_EQ(tiles.begin(1), most);
                    EXPECT_LE(tiles.count(), parts / most + 2 * threads * 6) << threads << " threads, " << most;
                }
            }
        }
}

} // namespace
} // namespace hearth::kernels::cpu
