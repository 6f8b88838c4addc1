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
};

/// Activations as consumers want them: float, 8-bit, or both. An absent tensor is not written. With `q8` absent a
/// product runs on f32 activations: that is the whole difference between `exact` and `fast` numerics.
struct Activations {
    Tensor f32; // (R, K) F32
    Tensor q8;  // (R, K) A8
};

/// out[r] = table[ids[r]] * scale
struct Gather {
    Tensor table; // (nVocab, K) any type
    Tensor out;   // (R, K) F32
    float scale = 1.0f;
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
    Tensor weight; // (1, groupCols or K) F32, may be absent
    Tensor bias;   // (1, groupCols or K) F32, may be absent
    Activations out;
    bool outputRowsOnly = false; // live rows are outputCount instead of rowCount
};

/// Several products of one input: out_i = x * weight_i^T (+ bias_i) (+ out_i when `accumulate`). One operation, so
/// that q, k, v or gate, up share one reading of the activations and one barrier.
struct MatMul {
    struct Part {
        Tensor weight; // (N, K) any weight type
        Tensor bias;   // (1, N) F32, may be absent
        Tensor out;    // (R, N) F32
        bool accumulate = false;
    };

    Activations x;
    std::vector<Part> parts;
    bool outputRowsOnly = false;
};

/// Rotates the first `dims` columns of every head in place. `factors` (1, dims/2) F32 divides each frequency; all
/// scalings that do not depend on length (linear, llama3, yarn) are baked into it and `attentionFactor` by the engine.
struct Rope {
    Tensor x; // (R, H*D) F32
    int heads = 0;
    int headDim = 0;
    int dims = 0;
    RopeOrder order = RopeOrder::Interleaved;
    float theta = 10000.0f;
    Tensor factors;               // may be absent: all 1
    float attentionFactor = 1.0f; // multiplies sin and cos
};

/// Where one layer's keys and values lie inside the pages of its group. A page holds `pageTokens` tokens; within a
/// page the layer's keys are [head][token][kDim] at kOffset and its values [head][token][vDim] at vOffset.
struct KvView {
    MemoryId memory = kNoMemory;
    Type type = Type::F16;  // F32, F16, BF16 (Q8_0 and Q4_0 rows later)
    uint64_t pageBytes = 0; // from one page to the next
    uint64_t kOffset = 0;
    uint64_t vOffset = 0;
    int pageTokens = 0;
    int heads = 0; // KV heads
    int kDim = 0;
    int vDim = 0;
    Tensor pageTable; // (nSequences, maxPages) I32: page numbers by position / pageTokens
};

/// Writes k and v of each row to its page.
struct StoreKv {
    Tensor k; // (R, Hkv*kDim) F32
    Tensor v; // (R, Hkv*vDim) F32
    KvView kv;
};

/// out[r] = softmax(q K^T * scale [soft-capped]) V over the cached positions (pos - window, pos] of the row's sequence,
/// the row itself included: StoreKv ran before. Grouped heads share their keys. Splits of the key range lie at absolute
/// multiples of pageTokens, so the sum is the same for any number of threads and rows.
struct Attention {
    Tensor q;        // (R, H*kDim) F32
    Activations out; // (R, H*vDim)
    KvView kv;
    int heads = 0;
    float scale = 1.0f;
    float softCap = 0.0f; // 0: none
    int window = 0;       // 0: all
    Tensor sinks;         // (1, H) F32, may be absent
};

/// out = act(gate) * up, or act(gate) where `up` is absent.
struct Activate {
    ActivationKind kind = ActivationKind::Silu;
    Tensor gate; // (R, K) F32
    Tensor up;   // (R, K) F32, may be absent
    Activations out;
};

/// out = a + b * scale
struct Add {
    Tensor a, b, out; // (R, K) F32
    float scale = 1.0f;
};

using Operation = std::variant<Gather, PickRows, Norm, MatMul, Rope, StoreKv, Attention, Activate, Add>;

/// Rows of generated tokens take the decode path (each row has the bits it has alone, 1 to 16 rows); prompt tokens the
/// prefill path, whose bits do not depend on how a prompt is cut into chunks.
enum class Path : uint8_t { Decode, Prefill };

/// One forward, ready to be compiled by a backend. Operations run in order.
struct OperationList {
    Path path = Path::Decode;
    int rows = 1; // row capacity
    Batch batch;
    std::vector<Operation> operations;
};

} // namespace hearth::kernels
