#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hearth::engine {

/// How a stored tensor becomes one that a GGUF's converter would have written.
enum class HfForm : uint8_t {
    AsItIs,
    Squeezed, // (C, 1, K) of a depthwise convolution: (C, K)
    NegatedExp,
    Transposed, // GPT-2's Conv1D keeps (in, out)
    LowerHalf,  // the first half of the rows of each matrix
    UpperHalf,  //
    TransposedEven,
    TransposedOdd, // (E, in, 2*out), gate and up in turn, as gpt-oss keeps its experts
    EvenNumbers,
    OddNumbers, // their biases
    Mxfp4,
    Mxfp4Even,
    Mxfp4Odd, // their quantized form: nibbles, with scales under the name that follows
    GroupedQ,
    GroupedK,
    GroupedV,   // rows of q, k, v for one key head after the other (InternLM2)
    HeadsApart, // q, k, v of one head after the other become q | k | v (GPT-NeoX)
    LatentK,
    LatentV, // kv_b of MLA: for each head k without rope, which is transposed, then v
    DeltaQkv,
    DeltaZ, // q, k, v, z for one key head after the other become q | k | v and z (Qwen3-Next)
};

/// A name in a folder and the one that GGUF gives it. "{}" stands for the number of the layer, "{e}" for that of an
/// expert or head, whose tensors are stacked; a "*" at the end for "weight" or "bias". What stands before the first
/// "layers", "model." for example, is cut off first.
struct HfName {
    std::string_view stored;
    std::string_view gguf;
    HfForm form = HfForm::AsItIs;
};

enum class HfKind : uint8_t { Integer, Number, Boolean, Text };

/// A key of config.json (or several, the first that is there counts) and the metadata key under the family's prefix.
struct HfKey {
    std::string_view config; // "num_experts|num_local_experts"
    std::string_view gguf;
    HfKind kind = HfKind::Integer;
};

/// One `model_type` of config.json.
struct HfFamily {
    std::string_view modelType;
    std::string_view gguf;              // general.architecture
    std::span<const HfName> names = {}; // before kHfNames: what differs
    std::span<const HfKey> keys = {};   // after kHfKeys: what differs
    std::string_view defaults = {};     // JSON: values that a config.json may leave out
    bool permuted = false;     // a GGUF has the rows of q and k in another order, so that rope turns neighbours
    bool onePlusNorms = false; // norms multiply by 1 + weight
    bool tiledHeads = false;   // a GGUF has value heads in another order: those of one key head are not neighbours
};

/// Null: unknown.
const HfFamily* findHfFamily(std::string_view modelType);
std::span<const HfFamily> hfFamilies();

std::span<const HfName> hfNames(); // what most families have in common
std::span<const HfKey> hfKeys();

/// Tensors of a folder that no model needs: buffers that are computed, vision, heads of other tasks.
bool isNeedless(std::string_view storedName);

} // namespace hearth::engine
