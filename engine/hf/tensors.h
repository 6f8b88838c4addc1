#pragma once

#include "engine/checkpoint.h"
#include "engine/hf/config.h"
#include "engine/safetensors.h"

#include <vector>

namespace hearth::engine {

/// The tensors of a folder under the names, shapes and numbers of a GGUF: views where they lie in the files as they are
/// needed, else parts or derivations. Tensors that no rule of the family names keep the names they have, so that what
/// is unknown can be told. Throws Error.
std::vector<TensorEntry> tensorsOf(const HfConfig&, const std::vector<StoredTensor>&,
                                   Checkpoint::Form = Checkpoint::Form::AsItLies);

} // namespace hearth::engine
