#include "kernels/backend.h"
#include "kernels/cpu/compiler.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/memories.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace hearth::kernels {
namespace cpu {
namespace {

/// Touches every cache line of a sample, four streams a tile.
class ReadStage : public Stage {
public:
    static constexpr int64_t kTile = 256 << 10; // bytes

    explicit ReadStage(std::span<const std::byte> sample) : sample_(sample) {}

    int64_t tiles() const { return int64_t(sample_.size()) / kTile; }

    void run(int64_t tile, std::byte* scratch) const override {
        const std::byte* from = sample_.data() + tile * kTile;
        uint64_t sums[4] = {0, 0, 0, 0};
        for (int64_t i = 0; i < kTile / 4; i += 64)
            for (int s = 0; s < 4; ++s) {
                uint64_t word;
                std::memcpy(&word, from + s * (kTile / 4) + i, 8);
                sums[s] += word;
            }
        std::memcpy(scratch, sums, sizeof sums); // so that the reading is not optimized away
    }

private:
    std::span<const std::byte> sample_;
};

class CpuBackend : public Backend {
public:
    explicit CpuBackend(const CpuOptions& options)
        : isa_(chooseIsa(options.isa)), threads_(options.threads > 0 ? options.threads : usableCores()),
          pool_(std::max(threads_, options.mostThreads)) {
        pool_.limit(threads_);
    }

    std::string name() const override { return "CPU"; }

    std::string isa() const override { return std::string(isa_.name); }

    MemoryId allocate(uint64_t bytes) override { return memories_.allocate(bytes); }

    bool allocatesLazily() const override { return true; }

    MemoryId adopt(const std::byte* data, uint64_t bytes) override { return memories_.adopt(data, bytes); }

    void release(MemoryId id) override { memories_.release(id); }

    void write(MemoryId id, uint64_t offset, std::span<const std::byte> from) override {
        std::byte* to = place(id, offset, from.size(), true);
        if (!from.empty())
            std::memcpy(to, from.data(), from.size());
    }

    void read(MemoryId id, uint64_t offset, std::span<std::byte> to) const override {
        const std::byte* from = place(id, offset, to.size(), false);
        if (!to.empty())
            std::memcpy(to.data(), from, to.size());
    }

    void copy(MemoryId to, uint64_t toOffset, MemoryId from, uint64_t fromOffset, uint64_t bytes) override {
        std::byte* target = place(to, toOffset, bytes, true);
        const std::byte* source = place(from, fromOffset, bytes, false);
        if (bytes > 0)
            std::memmove(target, source, bytes);
    }

    std::unique_ptr<Plan> compile(const OperationList& list) override {
        auto plan = compilePlan(list, memories_, isa_.kernels, threads_);
        pool_.reserve(plan->scratchBytes);
        return plan;
    }

    bool run(Plan& plan, const std::atomic<bool>* cancel) override {
        CpuPlan& p = own(plan);
        begin(p);
        return pool_.run(p.work, cancel);
    }

    RunEnd runPart(Plan& plan, const std::atomic<bool>* cancel, double seconds) override {
        CpuPlan& p = own(plan);
        if (!p.paused)
            begin(p);
        const RunEnd end = pool_.run(p.work, cancel, seconds, p.place);
        p.paused = end == RunEnd::Paused;
        return end;
    }

    void limitThreads(int threads) override { pool_.limit(threads > 0 ? threads : threads_); }

    bool expandsLatents() const override { return true; }

    bool roundsPrompts() const override { return isa_.kernels.gemmBf16 != nullptr; }

    double measureReadBandwidth(std::span<const std::byte> sample) override {
        const ReadStage stage(sample);
        const Pool::Work work{&stage, stage.tiles()};
        if (work.tiles == 0)
            return 0;
        using Clock = std::chrono::steady_clock;
        const auto begin = Clock::now();
        double bytes = 0, seconds = 0;
        do {
            pool_.run({&work, 1}, nullptr);
            bytes += double(work.tiles) * double(ReadStage::kTile);
            seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        } while (seconds < 0.1);
        return bytes / seconds;
    }

private:
    static CpuPlan& own(Plan& plan) {
        auto* p = dynamic_cast<CpuPlan*>(&plan);
        if (!p)
            throw BackendError("The plan was compiled by another backend.");
        return *p;
    }

    /// Reads how many rows are live and how many tiles that makes.
    static void begin(CpuPlan& p) {
        const auto count = [](const Rows& r, int64_t most) {
            return r ? int(std::clamp<int64_t>(r.index(0), 0, most)) : 0;
        };
        p.paused = false;
        p.place = {};
        p.step.live.rows = count(p.rowCount, p.rows);
        p.step.live.outputs = count(p.outputCount, p.step.outputRows ? p.step.outputRows.cols : p.rows);
        for (size_t i = 0; i < p.work.size(); ++i)
            p.work[i].tiles = p.stages[i]->tiles();
    }

    std::byte* place(MemoryId id, uint64_t offset, uint64_t bytes, bool writes) const {
        const Memories::Memory* memory = memories_.find(id);
        if (!memory)
            throw BackendError("A memory that does not exist was named.");
        if (offset > memory->bytes || bytes > memory->bytes - offset)
            throw BackendError("A copy reaches past the end of its memory.");
        if (writes && !memory->own)
            throw BackendError("Memory that is only read was to be written.");
        return memory->data + offset;
    }

    Isa isa_;
    Memories memories_;
    int threads_; // unless it is said otherwise
    Pool pool_;
};

} // namespace
} // namespace cpu

std::unique_ptr<Backend> makeCpuBackend(const CpuOptions& options) {
    return std::make_unique<cpu::CpuBackend>(options);
}

} // namespace hearth::kernels
