#pragma once

#include "engine/tokenizer.h"

#include <cstdint>
#include <vector>

namespace hearth::engine {

/// Tokens that mean nothing, other ones for each salt, so that no prefix is shared.
std::vector<TokenId> madeUpTokens(int n, int nVocab, uint64_t salt);

} // namespace hearth::engine
