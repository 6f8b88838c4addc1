#include "engine/latent_form.h"

#include "engine/kv_cache.h"
#include "engine/step.h"
#include "kernels/cpu/isa.h"

#include <algorithm>

namespace hearth::engine {

namespace {

uint64_t workerBytes(const LatentConfig& m, int rows) {
    kernels::ExpandedAttention shape;
    shape.kv.kDim = m.kvRank + m.ropeDim;
    shape.kv.vDim = m.kvRank;
    shape.kB = {{.rows = m.kvRank, .cols = m.nopeDim}};
    shape.vB = {{.rows = m.vDim, .cols = m.kvRank}};
    return kernels::cpuWorkerBytes(shape, rows);
}

} // namespace

int chunkEnd(int position, int wanted, int end) {
    const int page = std::max((position + wanted) / kPageTokens, position / kPageTokens + 1);
    return std::min(page * kPageTokens, end);
}

/// Products a head. Both forms meet queries with keys, n new tokens with all those before them; the absorbed form turns
/// each new token's query and sum, the expanded form each seen token's latent once a chunk.
bool expandsLatents(const LatentConfig& m, int newTokens, int cachedTokens) {
    // Unpacking a head's matrices takes as long as expanding so many tokens.
    constexpr int64_t kUnpacking = 32, kUnpackedFor = 512;
    const int64_t n = newTokens, pairs = n * cachedTokens + n * (n + 1) / 2;
    const int64_t turning = int64_t{m.kvRank} * (m.nopeDim + m.vDim);
    int64_t expanded = 0; // tokens
    for (int at = cachedTokens, end = cachedTokens + newTokens; at < end;) {
        at = chunkEnd(at, kChunkRows, end);
        expanded += at + kUnpacking * ((at + kUnpackedFor - 1) / kUnpackedFor);
    }
    const double absorbedCost =
        static_cast<double>(n * turning) + static_cast<double>(pairs) * (2 * m.kvRank + m.ropeDim);
    const double expandedCost = static_cast<double>(expanded) * static_cast<double>(turning) +
                                static_cast<double>(pairs) * (m.nopeDim + m.ropeDim + m.vDim);
    return expandedCost < absorbedCost;
}

bool canExpandLatents(const LatentConfig& m) {
    return m.kvRank > 0 && m.ropeDim > 0 && workerBytes(m, kChunkRows) <= kernels::kMostWorkerBytes;
}

uint64_t expansionBytes(const LatentConfig& m, int rows) {
    return workerBytes(m, rows) * static_cast<uint64_t>(kernels::cpu::usableCores());
}

} // namespace hearth::engine
