#include "engine/models/family.h"

namespace hearth::engine {

/// Seed-OSS: as Llama, with biases on q, k, v.
ModelConfig seedOssConfig(const FamilyFile& file) {
    ModelConfig c = commonConfig(file);
    c.names.ffn = "post_attention_norm";
    return c;
}

} // namespace hearth::engine
