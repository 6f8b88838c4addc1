#pragma once

#include "kernels/error.h"
#include "kernels/operation.h"

#include <atomic>
#include <memory>
#include <span>
#include <string>

namespace hearth::kernels {

/// An OperationList made ready by the backend that will run it: pointers resolved, tiles chosen, nothing left to
/// allocate.
class Plan {
public:
    virtual ~Plan() = default;

    /// Bytes that it holds beside the memories which its tensors name.
    virtual uint64_t bytes() const { return 0; }

    /// Forgets that a run paused: the next begins anew.
    virtual void restart() {}
};

/// Bytes that a CPU plan of `rows` rows holds for an operation beside the memories which its tensors name; operations
/// of one kind share them, so that the largest counts. Pure, by shapes alone: for estimates before anything is loaded.
uint64_t cpuPlanBytes(const Rope&, int rows);
uint64_t cpuPlanBytes(const Attention&, Path, int rows);
uint64_t cpuPlanBytes(const ExpandedAttention&, int rows);
/// Of products of prompts in fast numerics: (rows, cols) inputs as bf16, where the processor multiplies those.
uint64_t cpuRoundedBytes(uint64_t rows, uint64_t cols, Rounding);
/// Whether a backend made with CpuOptions{} does: asks the processor and HEARTH_ISA.
bool cpuRoundsPrompts();
/// Bytes that each worker needs for it in a plan of `rows` rows; more than kMostWorkerBytes are refused.
uint64_t cpuWorkerBytes(const ExpandedAttention&, int rows);
inline constexpr uint64_t kMostWorkerBytes = uint64_t(8) << 20;

/// A device that runs plans. Used by one thread (the engine's) only; `run` is the one call that takes time.
/// Errors are std::bad_alloc or BackendError; neither leaves the backend unusable.
class Backend {
public:
    virtual ~Backend() = default;

    virtual std::string name() const = 0; // "CPU", "CUDA": as the status line shows it
    virtual std::string isa() const = 0;  // "reference", "avx2", "avx512", ...: the rows in use

    /// Zeroed memory of the backend's own. Throws std::bad_alloc.
    virtual MemoryId allocate(uint64_t bytes) = 0;

    /// Allocated memory takes place only where it was touched: what may be needed later can be had at once.
    virtual bool allocatesLazily() const { return false; }

    /// Makes `bytes` at `data` usable as weights; the CPU reads them where they are, so they must outlive the id.
    virtual MemoryId adopt(const std::byte* data, uint64_t bytes) = 0;
    virtual void release(MemoryId) = 0;
    virtual void write(MemoryId, uint64_t offset, std::span<const std::byte>) = 0;
    virtual void read(MemoryId, uint64_t offset, std::span<std::byte>) const = 0;
    virtual void copy(MemoryId to, uint64_t toOffset, MemoryId from, uint64_t fromOffset, uint64_t bytes) = 0;

    /// Throws BackendError when an operation's shapes, types or bounds do not fit: nothing is checked while it runs.
    virtual std::unique_ptr<Plan> compile(const OperationList&) = 0;

    /// Runs the plan to its end, or to the next operation after `cancel` became true. Returns false when cancelled.
    virtual bool run(Plan&, const std::atomic<bool>* cancel = nullptr) = 0;

    /// The same in parts: once `seconds` have passed no further tile is begun, and after Paused the next such call goes
    /// on where this one ended. What the plan reads and writes must be left alone meanwhile; other plans may run. Any
    /// other end, and a plain run, begin the plan anew. A backend that cannot pause runs to the end.
    virtual RunEnd runPart(Plan& plan, const std::atomic<bool>* cancel, double /*seconds*/) {
        return run(plan, cancel) ? RunEnd::Done : RunEnd::Cancelled;
    }

    /// From the next run on at most so many threads take part; 0: as many as it was made for. What is computed does not
    /// depend on it.
    virtual void limitThreads(int /*threads*/) {}

    /// Whether it can run ExpandedAttention.
    virtual bool expandsLatents() const { return false; }

    /// Whether prompts, and latents of generated tokens, run fastest in bf16 (OperationList::rounding): then the
    /// inputs of prompts are best given as floats.
    virtual bool roundsPrompts() const { return false; }

    /// Bytes a second at which the weights can be read, all threads, measured now (about 0.1 s).
    virtual double measureReadBandwidth(std::span<const std::byte> sample) = 0;
};

struct CpuOptions {
    int threads = 0;     // 0: one a physical core that this process may use
    int mostThreads = 0; // that limitThreads() can give, where these are more
    std::string isa;     // empty: HEARTH_ISA, else the best that processor and operating system enable
};

std::unique_ptr<Backend> makeCpuBackend(const CpuOptions&);

} // namespace hearth::kernels
