#pragma once

#include "engine/engine.h"
#include "engine/error.h"
#include "engine/kv_cache.h"
#include "engine/model.h"

#include <cstdint>
#include <string>
#include <vector>

namespace hearth::engine {

/// A memory that tensors can lie in.
struct DeviceMemory {
    std::string name = "CPU";
    uint64_t freeBytes = 0;
    double readBandwidth = 0; // bytes a second, measured; 0: unknown
};

/// A tensor as placement sees it.
struct PlacedTensor {
    std::string name;
    uint64_t bytes = 0;
    uint64_t bytesPerToken = 0; // read for each generated token: all of it, or one row of an embedding table
    bool derived = false;       // in no file: made when the model is loaded
    bool expert = false;        // of the experts: not all of it is read for a token
    int device = 0;             // answer: index into devices
};

struct PlacementInput {
    std::vector<PlacedTensor> tensors;
    int contextTokens = 0;
    uint64_t kvBytesPerToken = 0;
    uint64_t kvWindowBytes = 0; // of windows and recurrent states: does not grow with the context
    uint64_t scratchBytes = 0;
    uint64_t textBytes = 0; // tokenizer, header, and what every model takes
    std::vector<DeviceMemory> devices;
};

struct Placement {
    std::vector<PlacedTensor> tensors;
    uint64_t weightBytes = 0;
    uint64_t kvBytes = 0; // of the whole context
    uint64_t scratchBytes = 0;
    uint64_t totalBytes = 0;
    uint64_t freeBytes = 0;
    bool fits = false;
    int largestContext = 0;              // that would fit, at most the one asked for; 0: none
    double predictedTokensPerSecond = 0; // generated tokens, half of the context in use; 0: bandwidth unknown
};

/// What a model may take of the free bytes of a device: some stay free.
uint64_t usableBytes(uint64_t freeBytes);

/// Pure: what goes where, how much it takes, how fast it will be, and does it fit.
Placement planPlacement(const PlacementInput&);

/// Whether prompt tokens meet the weights as floats in fast numerics too.
bool floatPrompts(const ModelConfig&, const LoadOptions&);

/// What a cache takes.
struct KvSize {
    uint64_t bytesPerToken = 0;
    uint64_t windowBytes = 0; // of windows and recurrent states: does not grow with the context
};

/// Of a model's cache, for a load as asked for. Throws Error where its numbers cannot be of that type.
KvSize kvSize(const ModelConfig&, const LoadOptions&);

/// What placement needs to know of a model. `contextTokens` <= 0: contextFor().
PlacementInput placementInput(const Checkpoint&, const ModelConfig&, const LoadOptions&);

/// The context of a load: as asked for, else the model's own, at most 8192.
int contextFor(const ModelConfig&, int asked);

/// What a layer keeps of the past, and all layers. Encoders keep nothing.
KvLayer kvLayer(const ModelConfig&, const LayerConfig&);
std::vector<KvLayer> kvLayers(const ModelConfig&);
/// What a token takes in the cache as a share of the keys and values of every query head, which grouped queries and
/// latent attention spare; 1 where nothing is cached.
double kvShareOfHeads(const ModelConfig&);
kernels::Type kvTypeFor(const LoadOptions&);

/// A sentence for a placement that does not fit: what is needed, what is free, what would help.
std::string doesNotFit(const Placement&, std::string_view modelName, int contextTokens);

/// The same, to be said in another language.
Reason reasonNotToFit(const Placement&, std::string_view modelName);

/// Bytes that this process could still take: what the system calls available, less where a container limits it.
uint64_t freeSystemMemory();
/// Bytes of this process that no file holds. 0: not known.
uint64_t ownProcessMemory();
/// Of a container: its limit, what is used of it, and its memory.stat.
uint64_t freeOfLimit(uint64_t limit, uint64_t used, std::string_view statistics);

/// What loaded models take: files that are read in place count as free by the system, and are not; memory of their own
/// was promised to them, and is free until it is touched.
struct ResidentMemory {
    uint64_t fileBytes = 0, ownBytes = 0;
};

ResidentMemory residentMemory(const PlacementInput&, const Placement&);

/// Pure: what is free for one more model beside those that stay, when others leave. `touched`: of memory of their own,
/// all together.
uint64_t freeBeside(const ResidentMemory& staying, const ResidentMemory& leaving, uint64_t free, uint64_t touched);

} // namespace hearth::engine
