#pragma once

#include "engine/model.h"

namespace hearth::engine {

/// Which form of latent attention the prompt tokens of a request take: whether the cached latents are expanded to keys
/// and values (true), or the queries take up k_b and meet the latents themselves (DeepSeek-V2, section 2.1.2). Pure, of
/// the request's new and cached tokens alone and not of how fast the machine is, so that a prompt's bits do not depend
/// on how it was cut. The engine gives a request that expands chunks of kChunkRows rows.
bool expandsLatents(const LatentConfig&, int newTokens, int cachedTokens);

/// Whether a worker's scratch holds what an expansion needs; and what it takes of all workers of this machine in plans
/// of `rows` rows.
bool canExpandLatents(const LatentConfig&);
uint64_t expansionBytes(const LatentConfig&, int rows);

/// Where a chunk ends that begins at `position` and has `wanted` rows at most, at least a page: at a multiple of the
/// page size, or with the prompt.
int chunkEnd(int position, int wanted, int end);

} // namespace hearth::engine
