#pragma once

#include "engine/kv_cache.h"
#include "engine/kv_memory.h"
#include "engine/layers/forward.h"
#include "engine/model.h"
#include "kernels/backend.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace hearth::engine {

inline constexpr int kDecodeRows = 16; // rows of a batch of generated tokens at most
inline constexpr int kChunkRows = 512; // rows of a prefill chunk at most

/// Bytes that a model's forwards take at most beside weights and cache, for `placement`: activations, inputs, and what
/// the plans and the workers hold.
uint64_t scratchBytes(const ModelConfig&, int contextTokens, Numerics, bool floatPrompts);

/// One row of a batch: a token, where it stands, whose it is.
struct StepRow {
    TokenId id = 0;
    int position = 0;
    KvSequence sequence = 0;
};

/// Runs forwards as static plans: one for each row count in 1, 2, 4, 8, 16 of generated tokens, one for a chunk of a
/// prompt (two where latents may be expanded), one for the head over rows of a chunk. Each is built when it is first
/// used; nothing is allocated while it runs. Engine thread.
class StepRunner {
public:
    struct Options {
        kernels::Backend& backend;
        const ModelConfig& config;
        const ModelWeights& weights;
        const KvCache& cache;
        const KvMemory& memory;
        Numerics numerics = Numerics::Fast;
        bool floatPrompts = false; // products of prompt tokens on float activations in fast numerics too
        int contextTokens = 0;
    };

    explicit StepRunner(const Options&);
    ~StepRunner();
    StepRunner(const StepRunner&) = delete;
    StepRunner& operator=(const StepRunner&) = delete;

    /// Called for each wanted row in order, with its logits (nVocab), which may be changed in place.
    using OnLogits = std::function<void(size_t row, std::span<float> logits)>;

    /// Generated tokens, 1 to 16 rows of different sequences; all rows give logits. False: cancelled.
    bool decode(std::span<const StepRow>, const std::atomic<bool>* cancel, const OnLogits&);

    /// Consecutive prompt tokens of one sequence, at most kChunkRows.
    struct Chunk {
        std::span<const StepRow> rows;
        std::span<const int> wanted; // indices of rows, ascending, whose logits are given
        bool expanded = false;       // the form of latent attention
        /// 0: to the end. Else it pauses after about so long, and the same chunk given again goes on. It begins anew
        /// where another chunk came between, or `ticket`, which names the sequence's stay in the cache, is another.
        double seconds = 0;
        uint64_t ticket = 0;
    };

    kernels::RunEnd prefill(const Chunk&, const std::atomic<bool>* cancel, const OnLogits&);
    /// Bytes of everything that runs of this model have allocated beside weights and cache.
    uint64_t bytes() const;

private:
    /// A compiled forward and where its inputs and outputs lie.
    struct Forward {
        kernels::Batch batch;
        ForwardBuffers buffers;
        std::unique_ptr<kernels::Plan> plan;
    };

    Forward& decodeForward(int rows);
    Forward& chunkForward(bool expanded);
    Forward& headForward();
    Forward build(kernels::Path, int rows, int logitRows, kernels::MemoryId arena, bool expanded = false);
    void refresh();
    LayerMemory layerMemory(size_t layer, std::span<const kernels::Tensor> pageTables) const;
    ForwardParts parts(const ForwardBuffers&, std::span<const kernels::Tensor> pageTables) const;
    void writeBatch(const kernels::Batch&, std::span<const StepRow>, std::span<const int> wanted);
    void writePageTables(std::span<const StepRow>, std::span<const kernels::Tensor> tables);
    bool goesOn(const Chunk&) const;
    kernels::RunEnd runChunk(Forward&, const Chunk&, const std::atomic<bool>* cancel);
    void giveLogits(const Forward&, int row, size_t index, const OnLogits&);
    ForwardBuffers buffers(int rows, int logitRows, kernels::MemoryId memory) const;
    kernels::MemoryId arena(int rows, int logitRows);

    Options o_;
    kernels::MemoryId inputs_ = kernels::kNoMemory;
    // Views into inputs_. A chunk that pauses leaves its inputs where they are, so those of decoded tokens lie
    // elsewhere; the head, which runs when a chunk is done, shares theirs.
    kernels::Batch chunkBatch_, batch_;
    std::vector<kernels::Tensor> chunkTables_; // (groups) (1, maxPages) I32
    std::vector<kernels::Tensor> pageTables_;  // (groups) (kDecodeRows, maxPages) I32
    kernels::MemoryId decodeArena_ = kernels::kNoMemory, chunkArena_ = kernels::kNoMemory;
    std::map<int, Forward> decode_; // by row count
    std::unique_ptr<Forward> chunk_, expandedChunk_, head_;

    struct Paused {
        uint64_t ticket = 0; // 0: no chunk has paused
        bool expanded = false;
        int first = 0, rows = 0;
        std::vector<std::vector<int32_t>> tables; // (groups) the sequence's pages
    } paused_;

    uint64_t generation_ = 0;      // of the KV memory that the plans were built for
    std::vector<int32_t> staging_; // what is written to inputs_
    std::vector<float> logits_;    // (nVocab)
};

} // namespace hearth::engine
