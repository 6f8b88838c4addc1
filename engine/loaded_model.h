#pragma once

#include "engine/checkpoint.h"
#include "engine/encoder.h"
#include "engine/engine.h"
#include "engine/kv_cache.h"
#include "engine/kv_memory.h"
#include "engine/model.h"
#include "engine/placement.h"
#include "engine/prefix_file.h"
#include "engine/scheduler.h"
#include "engine/speculation.h"
#include "engine/step.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hearth::engine {

/// A model ready to run: its file, its weights as the backend sees them, its cache and its plans. Engine thread, but
/// for `text`, which is shared.
class LoadedModel {
public:
    /// Null: `progress` returned false. `freeBytes`: what it may take. Throws Error, before anything is read where it
    /// does not fit.
    static std::unique_ptr<LoadedModel> load(kernels::Backend&, const LoadOptions&,
                                             const std::function<bool(double)>& progress,
                                             uint64_t freeBytes = freeSystemMemory());
    ~LoadedModel();
    LoadedModel(const LoadedModel&) = delete;
    LoadedModel& operator=(const LoadedModel&) = delete;

    const ModelInfo& info() const { return info_; }

    const std::shared_ptr<const ModelText>& text() const { return text_; }

    const ResidentMemory& memory() const { return resident_; } // when its context is full

    const ModelConfig& config() const { return config_; }

    const Checkpoint& checkpoint() const { return checkpoint_; }

    /// Null: this model generates text. Otherwise it embeds, and has neither cache nor runner.
    Encoder* encoder() { return encoder_.get(); }

    KvCache& cache() { return *cache_; }

    StepRunner& runner() { return *runner_; }

    ChunkPace& pace() { return pace_; }

    RowPace& rowPace() { return rowPace_; }

    int threads() const { return threads_; } // that compute for it at most; 0: as the backend was made

    void setThreads(int threads) { threads_ = threads; }

    /// Which space of the cache a sequence of so many tokens belongs to: beyond the border of a rope whose factors
    /// change there, its keys are others.
    int space(size_t tokens) const;

    /// Whether a prompt of so many new tokens after so many cached ones expands latents.
    bool expands(int newTokens, int cachedTokens) const;

    /// Gives the pages that the next n tokens of the sequence need their memory. False: no page is left.
    /// Throws std::bad_alloc.
    bool prepare(KvSequence, int n);
    /// The sequence as bytes, and back; see KvCache.
    std::vector<std::byte> save(KvSequence) const;
    /// Brings back what a file has of a prompt, and stores the next page of a text there: see PrefixFile. What fails is
    /// as if there were no file.
    void restorePrefix(const std::string& file, std::span<const TokenId> prompt, const std::atomic<bool>* cancel);
    bool storePrefix(const std::string& file, std::span<const TokenId> text);
    void storeSpoken(const std::string& file, const PrefixFile::Spoken&);
    std::vector<PrefixFile::Spoken> spoken(const std::string& file);
    /// Closes the files of these paths, so that one that was deleted gives its place back.
    void closePrefixFiles(const std::function<bool(const std::string& path)>&);
    KvSequence restore(std::span<const std::byte>);

private:
    LoadedModel(kernels::Backend&, const LoadOptions&);
    void describe(const LoadOptions&, const PlacementInput&);
    void buildCache(const LoadOptions&, const Placement&);
    PrefixFile* prefixFile(const std::string& path);
    Hash128 cacheKey(const LoadOptions&, kernels::Type kvType) const;

    kernels::Backend& backend_;
    Checkpoint checkpoint_;
    ModelConfig config_;
    std::vector<kernels::MemoryId> memories_; // of the weights
    ModelWeights weights_;
    std::unique_ptr<KvMemory> memory_;
    std::unique_ptr<KvCache> cache_;
    std::unique_ptr<StepRunner> runner_;
    std::unique_ptr<Encoder> encoder_;
    ChunkPace pace_;
    RowPace rowPace_;
    int threads_ = 0;
    std::map<std::string, std::unique_ptr<PrefixFile>> prefixFiles_; // open ones; null: it cannot be used
    LatentForm latentForm_ = LatentForm::Absorbed;                   // Auto or Expanded only where that can be
    ModelInfo info_;
    ResidentMemory resident_;
    std::shared_ptr<const ModelText> text_;
};

/// The parts of ModelInfo that a header gives.
ModelInfo infoFrom(const Checkpoint&, const std::string& path);

} // namespace hearth::engine
