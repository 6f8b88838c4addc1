#pragma once

#include "kernels/cpu/activation_block.h"
#include "kernels/cpu/weight_scales.h"
#include "kernels/kinds.h"
#include "kernels/tensor.h"

#include <cstddef>
#include <cstdint>

namespace hearth::kernels::cpu {

/// Outputs of one panel: what `unpack` lays out at once for `gemm`.
inline constexpr int kPanelOutputs = 32;
/// Inputs of one panel at most, so that it stays in the first-level cache; multiples of 256. A longer product goes
/// panel by panel through `PanelSums::acc`.
inline constexpr int64_t kPanelInputsInt8 = 512, kPanelInputsF32 = 256, kPanelInputsBf16 = 512;
/// Inputs that one step of a bf16 product takes: 16 pairs, a tile's row of 64 bytes. Rows and panels are filled up with
/// zeros to multiples of it.
inline constexpr int64_t kTileInputs = 32;
/// Keys that one step of prompt attention looks at; blocks begin at multiples of it inside a page.
inline constexpr int kKeyBlock = 64;

/// out[r][n] = x[r] . weights[n] (+ bias[n]) (+ out[r][n]). Every row has the bits that it has alone.
struct MatVec {
    const std::byte* weights; // (outputs, k), rows `weightStride` bytes apart
    uint64_t weightStride;
    int64_t outputs;
    int64_t k;
    const std::byte* x; // (rows, k) A8 or F32, rows `xStride` bytes apart
    uint64_t xStride;
    int rows;
    float* out; // (rows, outputs), rows `outStride` floats apart
    int64_t outStride;
    const float* bias; // (outputs), may be null
    bool accumulate;
    WeightScales scales = {}; // of F8_E4M3 only
};

/// The scales of a cache's blocks: a token's in some block; the next token's lies two bytes on.
struct CacheScales {
    std::byte* first = nullptr; // null: the cache has none
    uint64_t stride = 0;        // from one block's to the next's
};

/// A token's key or value, or a part of it from the first column of a block on: see CacheArea.
struct CacheRow {
    std::byte* row;
    CacheScales scales = {};
};

/// Lays out inputs [0, cols) of up to kPanelOutputs weight rows in the order that the table's own gemm reads. Missing
/// outputs become zeros. Int8 panels: cols is a multiple of 32.
struct Unpack {
    const std::byte* weights; // (outputs, cols) from the panel's first input on
    uint64_t stride;          // bytes from one weight row to the next
    int outputs;              // 1..kPanelOutputs
    int64_t cols;
    void* panel;              // at most panelBytes
    WeightScales scales = {}; // of F8_E4M3 only
    CacheScales cached = {};  // of a cache's blocks only: those of the first row and column
};

/// A panel's sums of some rows, kPanelOutputs of each. They may begin with what is added to them and end where they
/// belong, which saves a way through the second-level cache.
struct PanelSums {
    float* acc; // (rows, kPanelOutputs), rows `accStride` floats apart: from one panel to the next
    int64_t accStride;
    bool first;                   // they begin, else `acc` has what came before
    const float* begin = nullptr; // what they begin with, rows `beginStride` floats apart; null: zeros
    int64_t beginStride = 0;
    float* out = nullptr; // takes the place of `acc` for the result, rows `outStride` floats apart; may be null
    int64_t outStride = 0;
};

namespace { // each instruction set has its own copy

/// Where a row's sums come from; null: zeros.
inline const float* sumsBefore(const PanelSums& s, int64_t r) {
    return !s.first ? s.acc + r * s.accStride : s.begin ? s.begin + r * s.beginStride : nullptr;
}

/// Where they go.
inline float* sumsAfter(const PanelSums& s, int64_t r) {
    return s.out ? s.out + r * s.outStride : s.acc + r * s.accStride;
}

} // namespace

/// sums[r][n] += x[r] . panel[n]: strictly in the order of the inputs, for every row alike.
struct Gemm {
    const void* panel;
    int64_t cols;
    const std::byte* x; // (rows, cols) A8 or F32, rows `xStride` bytes apart; or BF16 as RoundedRow says
    uint64_t xStride;   // of BF16: bytes from one step to the next
    int rows;
    PanelSums sums;
};

/// Rounds a panel of floats to bf16 in the order that gemmBf16 reads: for each kTileInputs inputs (outputs / 16, pairs
/// of inputs, 16 outputs, 2).
struct RoundPanel {
    const void* panel; // (cols, kPanelOutputs) weights, as the type's unpackF32 laid them out
    int64_t cols;
    uint16_t* out;           // cols rounded up to kTileInputs, times kPanelOutputs
    uint16_t* low = nullptr; // what rounding has taken from each number, rounded; may be null
};

/// The same of quantized weights, without a panel between.
struct UnpackRounded {
    Unpack weights; // but its `panel`
    uint16_t* out;
    uint16_t* low = nullptr;
};

/// Where a row's inputs go as bf16: rows lie as (steps of kTileInputs inputs, rows, kTileInputs), so that the rows that
/// share a tile are neighbours there.
struct RoundedRow {
    std::byte* out;           // the row in its first step
    uint64_t step;            // bytes from one step to the next
    std::byte* low = nullptr; // likewise, for what rounding has taken from each number, rounded; may be null
};

/// Running softmax of one query: o is not yet divided by sum.
struct SoftmaxState {
    float max;
    float sum;
};

/// Pages that one call of `attend` may read side by side, the tokens of each that it takes in turn, and what the tokens
/// of each must be a multiple of: kernels take so many rows of a page at once.
inline constexpr int kAttendRuns = 4, kRunTurn = 4, kRunStep = 16;

/// Generated tokens: `heads` queries that share one KV head look at `tokens` keys, which lie in one run (a page or a
/// part of it) or in kAttendRuns runs of equal length: memory gives a processor that reads several streams a third
/// more. Of several runs token i is number i / (kRunTurn * kAttendRuns) * kRunTurn + i % kRunTurn of run i / kRunTurn %
/// kAttendRuns.
struct Attend {
    const float* q;                                  // (heads, kDim)
    const std::byte* k;                              // the first run: (its tokens, kDim) of the cache's type, of
                                                     // blocks their codes, rows `kStride` bytes apart
    const std::byte* v;                              // likewise, (its tokens, vDim)
    const std::byte* moreKeys[kAttendRuns - 1] = {}; // of the other runs; all of them, or none. Not for latents
    const std::byte* moreValues[kAttendRuns - 1] = {};
    int64_t kScales = 0; // of blocks: bytes from a run's first row to its scale in the first block
    int64_t vScales = 0;
    uint64_t scaleStride = 0; // from one block's scales to the next's
    int heads;
    int kDim;
    int vDim;
    uint64_t kStride;
    uint64_t vStride;
    const std::byte* next = nullptr;                 // keys that are likely to be read after these values; may be null
    const std::byte* moreNext[kAttendRuns - 1] = {}; // and of other runs, all of them or none
    int nextTokens = 0;                              // of each run
    int64_t nextScales = 0;                          // likewise kScales
    int tokens;                                      // of all runs
    float scale;
    float softCap;            // 0: none
    SoftmaxState* state;      // (heads)
    float* o;                 // (heads, vDim)
    float* scores;            // (kAttendHeads, tokens) scratch
    std::byte* scratch;       // kAttendScratchBytes, at a cache line's begin
    bool sameQueries = false; // those of the last call with this scratch: what it holds of them still stands
};

/// Prompt tokens: turns scores of a key block into weights, in place; what a row may not see becomes 0.
struct SoftmaxBlock {
    float* s; // (rows, kKeyBlock)
    int rows;
    int width;        // keys in this block, 1..kKeyBlock
    const int* begin; // (rows) first key that the row sees
    const int* end;   // (rows) one past the last; empty ranges leave the row's state as it is
    float scale;
    float softCap;
    SoftmaxState* state; // (rows)
    float* correction;   // (rows) factor for what was summed before
};

/// Codes, or bf16, of a row of so many numbers: whole steps.
constexpr int64_t codedRow(int64_t dims) {
    return (dims + 31) / 32 * 32;
}

/// Prompt tokens in 16 bits ("codes"): whole numbers, each row of them with a scale of its own, or, where there are
/// tiles, bf16, which uses no scales but those of values. Here queries.
struct CodeQueryRows {
    const float* x; // (rows, dims), rows `xStride` floats apart
    int64_t xStride;
    int rows;
    int dims;           // 1..kAttendDims
    int16_t* codes;     // (rows, codeStride)
    int64_t codeStride; // codedRow(dims); filled up with zeros
    float* scales;      // (rows)
};

/// A panel of keys as codes: (pairs of dims, kPanelOutputs, 2).
struct CodeKeys {
    const float* panel; // (dims, kPanelOutputs)
    int dims;           // 1..kAttendDims
    int16_t* codes;     // dims rounded up to 2, times kPanelOutputs; of bf16 codedRow(dims) with zeros behind the last
    float* scales;      // (kPanelOutputs)
};

/// Some tokens' values as codes, panel by panel: (pairs of tokens, kPanelOutputs, 2). Begins at an even token. The
/// scale of values that are no numbers is none either; in bf16 that of others is 1.
struct CodeValues {
    const float* panels; // (slices) of (tokens, kPanelOutputs)
    int64_t panelStride; // floats from one panel to the next
    int tokens;
    int room; // from the first of them to the next multiple of kTileInputs in their block: bf16 fills it with zeros
    int64_t slices;
    int16_t* codes; // (slices) of tokens rounded up to 2, of bf16 `room` tokens, times kPanelOutputs
    int64_t codeStride;
    float* scales; // (tokens)
};

/// Rows of queries against a block of keys and values: scores, softmax and weighted sums. What a row does not see adds
/// nothing, not even where it is no number.
struct AttendCodes {
    int dims;
    const int16_t* q; // (rows, qStride)
    int64_t qStride;  // codedRow(dims)
    const float* qScales;
    const int16_t* keys;      // panels of kPanelOutputs keys
    int64_t keyStride;        // codes of a key: codedRow(dims)
    const float* keyScales;   // (kKeyBlock)
    const int16_t* values;    // (slices) panels
    int64_t valueStride;      // codes from one panel to the next
    const float* valueScales; // (kKeyBlock)
    float* weightScales;      // (rows) scratch
    int64_t slices;
    float* o; // (slices) of (rows, kPanelOutputs), `oStride` floats apart; not yet divided by the sum
    int64_t oStride;
    SoftmaxBlock softmax; // its scores and corrections are scratch
};

/// sums[r][n] += x[r] . panel[n] of rows of codes and a panel of them, within about 1e-4 of the product of a row's and
/// an output's norms.
struct MultiplyCodes {
    const int16_t* x; // (rows, xStride)
    int64_t xStride;  // codedRow(cols); filled up with zeros
    const float* xScales;
    const int16_t* panel; // as CodeKeys::codes
    const float* panelScales;
    int64_t cols;
    int rows;
    PanelSums sums;
};

/// The kernels of that: all are there, or none; in bf16 those of products are missing.
struct CodedKernels {
    void (*queries)(const CodeQueryRows&);
    void (*inputs)(const CodeQueryRows&); // of products: faster, a norm alone sets the scale
    void (*keys)(const CodeKeys&);        // and the outputs of a product
    void (*multiply)(const MultiplyCodes&);
    void (*values)(const CodeValues&);
    void (*attend)(const AttendCodes&);

    explicit operator bool() const { return attend != nullptr; }
};

/// One token of the gated delta rule for some columns of a head's state S, (dk, columns) with rows `stateStride` floats
/// apart: S <- decay S;  S <- S + k (beta (v - S^T k))^T;  out = S^T q. Every column has the bits that it has alone.
struct DeltaStep {
    float* state;
    int64_t stateStride;
    const float* q; // (dk), normalized
    const float* k; // (dk), normalized
    const float* v; // (columns)
    float decay;
    float beta;
    float* out; // (columns)
    int dk;
    int columns;
};

/// Heads that `attend` may look at together, tokens that it sees at most, and numbers of a key.
inline constexpr int kAttendHeads = 4, kAttendTokens = 256, kAttendDims = 4096;
/// Of latents: heads that whole numbers or tiles look at together, the fewest that are worth making those, and numbers
/// of a latent at most.
inline constexpr int kLatentHeads = 16, kFewLatentHeads = 8, kLatentDims = 768;
/// Of caches of blocks in tiles: heads that are worth making those, and numbers of a key or value at most.
inline constexpr int kFewTiledHeads = 2, kTiledCodeDims = 512;
inline constexpr size_t kAttendScratchBytes = size_t(192) << 10;

/// The CPU's kernels. `referenceKernels` fills every row; each instruction set starts from another's table and
/// overrides the rows that it does faster. Rows of types that a kernel does not serve are null.
struct CpuKernels {
    static constexpr size_t kTypes = size_t(Type::Count);

    using MatVecFn = void (*)(const MatVec&);
    using UnpackFn = void (*)(const Unpack&);
    using GemmFn = void (*)(const Gemm&);

    MatVecFn matvecInt8[kTypes]; // quantized weights x A8
    MatVecFn matvecF32[kTypes];  // any weights x f32
    UnpackFn unpackInt8[kTypes];
    GemmFn gemmInt8[kTypes];
    UnpackFn unpackF32[kTypes];
    GemmFn gemmF32;
    UnpackFn unpackKeys[kTypes];   // the same of a cache's keys: see CacheArea
    UnpackFn unpackValues[kTypes]; // a panel for gemmF32 from (cols tokens) rows of `outputs` values each

    // Products of prompts in bf16, where the processor has tiles for it; null elsewhere. Each sum takes kTileInputs
    // inputs at a time, from the first to the last.
    void (*roundPanel[kTypes])(const RoundPanel&);       // of floats
    void (*unpackRounded[kTypes])(const UnpackRounded&); // of quantized types
    GemmFn gemmBf16;
    // n activations to bf16, filled up with zeros to a multiple of kTileInputs.
    void (*roundFloats)(const float* x, int64_t n, const RoundedRow& out);
    void (*roundCodes)(const A8Block* x, int64_t n, const RoundedRow& out);

    void (*attend[kTypes])(const Attend&); // of types that a cache can have
    // Latents (v is k) with all of what is multiplied rounded to bf16, in tiles: up to kLatentHeads heads, kLatentDims
    // numbers of a latent, of which multiples of 16 are values; halves are rounded with ties away
    // from zero, those below the normal ones, 6e-5, to zero or the least of them, and queries from 2^63 on are
    // infinite. Null where there are no tiles, and of other types.
    void (*attendRounded[kTypes])(const Attend&);
    // Of blocks, in tiles: up to kLatentHeads heads, kTiledCodeDims numbers of a key and of a value, and kAttendTokens
    // tokens in kAttendRuns runs, no latents. Null where there are no tiles, and of other types.
    void (*attendTiles[kTypes])(const Attend&);
    void (*softmaxBlock)(const SoftmaxBlock&);
    CodedKernels coded;        // where that is faster than floats; null elsewhere
    CodedKernels codedInTiles; // in bf16, where there are tiles
    void (*store[kTypes])(const float* in, const CacheRow& out, int64_t n);

    void (*quantize)(const float* x, int64_t n, A8Block* out);
    int (*codeAt)(int i); // where in A8Block::q `quantize` puts number i of a block, and the products seek it
    double (*sumOf)(const float* x, int64_t n);
    double (*sumOfSquares)(const float* x, int64_t n, float mean); // of x - mean
    /// out = (x - mean) * inverse * weight + bias; weight and bias may be null.
    void (*normalize)(const float* x, int64_t n, float mean, float inverse, const float* weight, const float* bias,
                      float* out);
    /// By ActivationKind; up may be null, but not for ClampedSwiglu.
    void (*activate[size_t(ActivationKind::Count)])(const float* gate, const float* up, float* out, int64_t n);
    void (*add)(const float* a, const float* b, float scale, float* out, int64_t n);
    /// Rotates one head in place: `table` holds `half` cosines, then `half` sines.
    void (*rope[2])(float* x, const float* table, int half);
    void (*deltaStep)(const DeltaStep&);
};

CpuKernels referenceKernels();
#if defined(__x86_64__)
CpuKernels avx2Kernels();
CpuKernels avxVnniKernels();
CpuKernels avx512Kernels();
void useGathers(CpuKernels&); // AVX-512's products where processors gather fast
CpuKernels amxKernels();
#endif
#if defined(HEARTH_TEST_TILES)
CpuKernels amxKernelsForTests(); // tiles in plain C++
#endif

} // namespace hearth::kernels::cpu
