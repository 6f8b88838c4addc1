#pragma once

#include "kernels/kinds.h"
#include "kernels/tensor.h"

#include <array>
#include <variant>
#include <vector>

namespace hearth::kernels {

/// What a forward is made of. An operation holds only views and constants; whatever changes from step to step (token
/// ids, positions, page tables, how many rows are live) is read by the kernels from tensors of type I32, never by the
/// host while a plan runs. `rows` below is the plan's row capacity; kernels compute the first `rowCount` rows only.
///
/// Letters: R rows, H heads, D head dimension, N outputs, K inputs.

/// The step's inputs, written by the engine before each run.
struct Batch {
    Tensor rowCount;    // (1, 1) I32: live rows
    Tensor ids;         // (1, R) I32: token of each row
    Tensor positions;   // (1, R) I32: absolute position of each row in its sequence
    Tensor sequences;   // (1, R) I32: row of the page table; rows of a sequence are consecutive, positions ascending
    Tensor outputRows;  // (1, R) I32: rows whose logits are wanted
    Tensor outputCount; // (1, 1) I32
    Tensor ropeSets;    // (1, R) I32: which row of `Rope::factors` a row turns by; may be absent: 0
};

/// Activations as consumers want them: float, 8-bit, or both. An absent tensor is not written. With `q8` absent a
/// product runs on f32 activations, but see OperationList::rounding: that is the whole difference between `exact` and
/// `fast` numerics.
struct Activations {
    Tensor f32; // (R, K) F32
    Tensor q8;  // (R, K) A8
};

/// out[r] = table[index of r] * scale (+ out[r] when `accumulate`). An index beyond the table takes its last row.
struct Gather {
    Tensor table; // (nVocab or positions, K) any type
    Tensor out;   // (R, K) F32
    float scale = 1.0f;
    RowIndex index = RowIndex::Token;
    bool accumulate = false;
};

/// Copies the rows named by `Batch::outputRows` to the front of `out`.
struct PickRows {
    Tensor x;   // (R, K) F32
    Tensor out; // (R, K) F32; live rows afterwards: outputCount
};

/// Normalizes each group of `groupCols` columns by itself (0: the whole row; headDim for q/k norms).
struct Norm {
    NormKind kind = NormKind::Rms;
    float eps = 1e-5f;
    int64_t groupCols = 0;
    Tensor x;      // (R, K) F32
    Tensor weight; // (1, groupCols or K) F32, may be absent; with K columns each group has weights of its own
    Tensor bias;   // (1, groupCols or K) F32, may be absent
    Activations out;
    bool outputRowsOnly = false; // live rows are outputCount instead of rowCount
};

/// Gives floats the other forms that consumers want. Each group of `groupCols` columns (0: the whole row) begins a
/// block of 256 of its own in `out.q8`, so that a product can read one group alone.
struct Quantize {
    Tensor x; // (R, K) F32
    int64_t groupCols = 0;
    Tensor out; // (R, K / groupCols * (groupCols rounded up to 256)) A8
};

/// Several products of one input: out_i = x_i * weight_i^T (+ bias_i) (+ out_i when `accumulate`), where x_i are the
/// K_i columns of x that `group` names. One operation, so that q, k, v or gate, up share one reading of the activations
/// and one barrier; so do the heads of a product that has a matrix for each.
struct MatMul {
    struct Part {
        Tensor weight; // (N, K) any weight type
        Tensor bias;   // (1, N) F32, may be absent
        Tensor out;    // (R, N) F32
        bool accumulate = false;
        int64_t group = 0; // x is read from column group * K on in f32, group * (K rounded up to 256) on in q8
    };

    Activations x;
    std::vector<Part> parts;
    bool outputRowsOnly = false;
};

/// Rotates `dims` columns of every head in place, from its column `first` on. `factors` (sets, dims/2) F32 divides each
/// frequency; all scalings (linear, llama3, yarn, longrope) are baked into it and `attentionFactor` by the engine.
/// Where the scaling depends on a sequence's length there are several sets, and `Batch::ropeSets` chooses.
struct Rope {
    Tensor x; // (R, H*D) F32
    int heads = 0;
    int headDim = 0;
    int first = 0;
    int dims = 0;
    RopeOrder order = RopeOrder::Interleaved;
    float theta = 10000.0f;
    Tensor factors;               // may be absent: all 1
    float attentionFactor = 1.0f; // multiplies sin and cos
};

/// Where one layer's keys and values lie inside the pages of its group. A page holds `pageTokens` tokens; within a
/// page the layer's keys are at kOffset and its values at vOffset, a CacheArea for each head. A latent layer (MLA:
/// DeepSeek-V2, section 2.1) has no values of its own: they are the first vDim numbers of its keys.
struct KvView {
    MemoryId memory = kNoMemory;
    Type type = Type::F16;  // isCacheType
    uint64_t pageBytes = 0; // from one page to the next
    uint64_t kOffset = 0;
    uint64_t vOffset = 0;
    int pageTokens = 0;
    int heads = 0; // KV heads
    int kDim = 0;
    int vDim = 0;
    bool latent = false;
    Tensor pageTable; // (nSequences, maxPages) I32: page numbers by position / pageTokens
};

/// Where one layer's recurrent state lies: a page holds the states of one sequence.
struct StateView {
    MemoryId memory = kNoMemory;
    uint64_t pageBytes = 0; // from one page to the next
    uint64_t offset = 0;    // bytes from the start of a page, a multiple of 4
    Tensor pageTable;       // (nSequences, 1) I32: page number of each sequence
};

/// Writes k and v of each row to its page.
struct StoreKv {
    Tensor k; // (R, Hkv*kDim) F32
    Tensor v; // (R, Hkv*vDim) F32; absent where the cache is latent
    KvView kv;
};

/// out[r] = softmax(q K^T * scale [soft-capped]) V over the cached positions (pos - window, pos] of the row's sequence,
/// the row itself included: StoreKv ran before. Grouped heads share their keys. Splits of the key range lie at absolute
/// multiples of pageTokens, so the sum is the same for any number of threads and rows. Encoders look both ways
/// (`causal` false): over all rows of the sequence in this batch, or those at most window / 2 away; prefill path only.
struct Attention {
    Tensor q;        // (R, H*kDim) F32
    Activations out; // (R, H*vDim)
    KvView kv;
    int heads = 0;
    float scale = 1.0f;
    float softCap = 0.0f; // 0: none
    int window = 0;       // 0: all
    bool causal = true;
    Tensor sinks; // (1, H) F32, may be absent
};

/// The same over a latent cache of one head, [latent | rope], whose latents are expanded to each head's keys and values
/// on the way (DeepSeek-V2, section 2.1.2, equations 10 and 11): keys [kB^T latent | rope], values vB latent. One
/// expansion serves all rows of the batch; all positions up to the row's own are seen. Prefill path only.
struct ExpandedAttention {
    Tensor q;               // (R, H*(nope+rope)) F32
    Tensor out;             // (R, H*V) F32, may not overlap q
    KvView kv;              // latent; vDim is the rank
    std::vector<Tensor> kB; // (H) of (rank, nope) any weight type
    std::vector<Tensor> vB; // (H) of (V, rank) any weight type
    float scale = 1.0f;
};

/// out = act(gate) * up, or act(gate) where `up` is absent. With `rowSlots` there are so many rows for each row of the
/// batch: those that experts compute.
struct Activate {
    ActivationKind kind = ActivationKind::Silu;
    Tensor gate; // (R * rowSlots, K) F32
    Tensor up;   // (R * rowSlots, K) F32, may be absent
    Activations out;
    int rowSlots = 1;
};

/// out = a + b * scale
struct Add {
    Tensor a, b, out; // (R, K) F32
    float scale = 1.0f;
};

// ---- experts. A routing gives each row `rowSlots` experts; what experts compute lies sorted by expert, so that one
// reading of an expert's weights serves all rows that chose it. E experts, S slots.

/// Where the rows of a batch went. Written by Route, read by the other operations on experts.
struct Routing {
    Tensor experts; // (R, S) I32: chosen experts of each row, best first
    Tensor weights; // (R, S) F32: what each adds to the row's sum
    Tensor order;   // (1, R*S) I32: row * S + slot of each sorted place
    Tensor places;  // (R, S) I32: the sorted place of each slot, the inverse of `order`
    Tensor begins;  // (1, E+1) I32: first sorted place of each expert
};

/// Chooses the `rowSlots` best experts of each row by score (+ `choiceBias`), the lower number first among equals. With
/// groups, only experts of the best `topGroups` of `groups` equal groups are candidates (DeepSeek-V2, section 2.2.2:
/// by their best score; DeepSeek-V3, section 2.1.2: by the sum of their two best biased scores).
struct Route {
    Tensor logits;     // (R, E) F32
    Tensor choiceBias; // (1, E) F32, may be absent: counts for the choice, not for the weight
    GateKind gate = GateKind::Softmax;
    int rowSlots = 0;
    int groups = 1, topGroups = 1;
    GroupScore groupScore = GroupScore::Best;
    bool normalize = false; // the weights of a row are divided by their sum
    float scale = 1.0f;     // multiplies all weights
    Routing out;
};

/// out[place] = x[order[place] / S]: copies rows of activations to their sorted places.
struct Dispatch {
    Activations x; // (R, K)
    Routing routing;
    Activations out; // (R*S, K)
};

/// out[place] = x[place] * weight[e]^T (+ bias[e]) for the expert e that owns the place.
struct ExpertMatMul {
    struct Part {
        std::vector<Tensor> weights; // (E) matrices (N, K) of one type
        Tensor bias;                 // (E, N) F32, may be absent
        Tensor out;                  // (R*S, N) F32
    };

    Activations x; // (R*S, K)
    Routing routing;
    std::vector<Part> parts;
};

/// out[r] = sum over the row's slots of weight * y[place], in the order of the slots, (+ shared[r], times
/// sigmoid(sharedGate[r]) where that is present) (+ out[r] when `accumulate`).
struct Combine {
    Tensor y; // (R*S, K) F32
    Routing routing;
    Tensor shared;     // (R, K) F32, may be absent
    Tensor sharedGate; // (R, 1) F32, may be absent
    Tensor out;        // (R, K) F32
    bool accumulate = false;
};

// ---- recurrent mixers. Rows of a sequence are taken in their order, so that nothing depends on how a prompt is cut.
// A sequence at position 0 begins with a state of zeros.

/// Depthwise causal convolution: out[r][c] = act(sum over j of weight[c][j] * x[r - (kernel-1) + j][c] (+ bias[c])).
/// The state holds the last kernel - 1 inputs, (kernel-1, C) F32, oldest first.
struct CausalConv {
    Tensor x;      // (R, C) F32
    Tensor weight; // (C, kernel) F32
    Tensor bias;   // (1, C) F32, may be absent
    Tensor out;    // (R, C) F32, may not overlap x
    bool silu = false;
    StateView state;
};

/// Gated delta rule (Yang et al. 2024, "Gated Delta Networks", equation 10), one recurrence a value head:
///   q, k <- q / |q| / sqrt(Dk), k / |k|   (with 1e-6 under the root)
///   S <- S * exp(a * softplus(alpha + dtBias));  S <- S + k (sigmoid(beta) * (v - S^T k))^T;  out = S^T q
/// The state is (Hv, Dk, Dv) F32. Value head h reads key head h / (Hv / Hk), or h % Hk where `tiled`.
struct DeltaNet {
    Tensor q, k;        // (R, Hk*Dk) F32
    Tensor v;           // (R, Hv*Dv) F32
    Tensor alpha, beta; // (R, Hv) F32
    Tensor a;           // (1, Hv) F32: negative
    Tensor dtBias;      // (1, Hv) F32
    Tensor out;         // (R, Hv*Dv) F32
    int keyHeads = 0, valueHeads = 0;
    bool tiled = false;
    StateView state;
};

using Operation = std::variant<Gather, PickRows, Norm, Quantize, MatMul, Rope, StoreKv, Attention, ExpandedAttention,
                               Activate, Add, Route, Dispatch, ExpertMatMul, Combine, CausalConv, DeltaNet>;

/// Rows of generated tokens take the decode path (each row has the bits it has alone, 1 to 16 rows); prompt tokens the
/// prefill path, whose bits do not depend on how a prompt is cut into chunks.
enum class Path : uint8_t { Decode, Prefill };

/// One forward, ready to be compiled by a backend. Operations run in order.
struct OperationList {
    Path path = Path::Decode;
    int rows = 1; // row capacity
    Batch batch;
    std::vector<Operation> operations;
    // Of prompts, whose inputs that are there in 8 bits may always be rounded. Whole also lets attention round what it
    // multiplies: queries, keys, weights and values, and the latents and matrices that it expands; that of generated
    // tokens in latent caches only.
    Rounding rounding = Rounding::None;
    // Of prompts: what may run on whole numbers of 16 bits, or, of attention that may round, on bf16. Products by
    // weights of F32 do not, nor those of outputs only.
    bool codedAttention = false, codedProducts = false;
};

} // namespace hearth::kernels
