#pragma once

#include "engine/checkpoint.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::engine {

/// What `--type` of quantize names: a type for most matrices, with better ones where errors cost most.
struct Mix {
    std::string_view name;
    kernels::Type base;
    uint32_t fileType; // general.file_type of GGUF
};

/// Null: unknown. "Q4_K" means Q4_K_M, as elsewhere.
const Mix* findMix(std::string_view name);
std::string mixNames(); // "F32, F16, ..."

/// What the choice of a tensor's type depends on besides its name.
struct MixFacts {
    int64_t layers = 0;
    int64_t headsPerKeyHead = 1;
    int64_t experts = 0;
    bool tied = false; // no output matrix: the embedding serves as one

    static MixFacts of(const Checkpoint&);
};

/// The type that a mix gives to a tensor. Rows that do not fill its blocks get one of smaller blocks.
kernels::Type mixedType(const Mix&, const MixFacts&, const TensorEntry&);

struct QuantizeOptions {
    std::string type; // a mix
    int threads = 0;  // 0: one for each usable core
    /// From 0 to 1; false stops. Called on the caller's thread.
    std::function<bool(double)> progress;
};

struct QuantizeReport {
    uint64_t numbers = 0;
    uint64_t bytes = 0;                                        // of the file
    std::vector<std::pair<std::string, uint64_t>> bytesByType; // largest first
    int requantized = 0;                                       // tensors that were quantized in the source already
    bool stopped = false;                                      // by progress: nothing was written
};

/// Writes the checkpoint as a GGUF file whose matrices have the types of a mix. The file appears when it is whole.
/// Throws Error.
QuantizeReport quantizeTo(const std::string& path, const Checkpoint&, const QuantizeOptions&);

} // namespace hearth::engine
