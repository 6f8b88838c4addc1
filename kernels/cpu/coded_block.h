#pragma once

#include "kernels/cpu/kernel_table.h"

namespace hearth::kernels::cpu {

/// Pieces of a worker's scratch, one behind the other, each at a cache line's begin. With a null base they are counted
/// only.
class Pieces {
public:
    explicit Pieces(std::byte* base) : base_(base) {}

    template <typename T>
    T* take(int64_t count) {
        std::byte* p = base_ ? base_ + bytes_ : nullptr;
        bytes_ += (uint64_t(count) * sizeof(T) + 63) / 64 * 64;
        return reinterpret_cast<T*>(p);
    }

    uint64_t bytes() const { return bytes_; }

private:
    std::byte* base_;
    uint64_t bytes_ = 0;
};

/// A row of sums, (slices) of kPanelOutputs each `sliceStride` floats apart, times a factor: `dims` numbers.
inline void scaleSlices(const float* sums, int64_t sliceStride, int64_t dims, float factor, float* out) {
    for (int64_t n = 0; n < dims; n += kPanelOutputs, sums += sliceStride) {
        const int64_t count = dims - n < kPanelOutputs ? dims - n : kPanelOutputs;
        for (int64_t i = 0; i < count; ++i)
            out[n + i] = sums[i] * factor;
    }
}

/// The codes in which attention of prompts multiplies; null: floats.
inline const CodedKernels* codesOf(const CpuKernels& k, bool coded, bool rounded) {
    const CodedKernels& codes = rounded && k.codedInTiles ? k.codedInTiles : k.coded;
    return coded && codes ? &codes : nullptr;
}

/// Some queries and one block of keys and values as codes: see AttendCodes.
class CodedBlock {
public:
    CodedBlock() = default;

    CodedBlock(Pieces& pieces, int64_t dims, int64_t vDim, int64_t queries)
        : dims_(int(dims)), qStride_(codedRow(dims)), keyStride_(codedRow(dims)),
          slices_((vDim + kPanelOutputs - 1) / kPanelOutputs), q_(pieces.take<int16_t>(queries * qStride_)),
          qScales_(pieces.take<float>(queries)), keys_(pieces.take<int16_t>(keyStride_ * kKeyBlock)),
          keyScales_(pieces.take<float>(kKeyBlock)), values_(pieces.take<int16_t>(slices_ * kSlice)),
          valueScales_(pieces.take<float>(kKeyBlock)), weightScales_(pieces.take<float>(queries)) {}

    /// x: (rows, dims), rows `stride` floats apart; they become queries from `query` on.
    void codeQueries(const CodedKernels& k, int64_t query, const float* x, int64_t stride, int rows) const {
        k.queries({.x = x,
                   .xStride = stride,
                   .rows = rows,
                   .dims = dims_,
                   .codes = q_ + query * qStride_,
                   .codeStride = qStride_,
                   .scales = qScales_ + query});
    }

    /// A panel from the block's key n on, a multiple of kPanelOutputs.
    void codeKeys(const CodedKernels& k, int n, const float* panel) const {
        k.keys({.panel = panel, .dims = dims_, .codes = keys_ + n * keyStride_, .scales = keyScales_ + n});
    }

    /// The values of some tokens from `token` on, an even one; their panels lie `stride` floats apart.
    void codeValues(const CodedKernels& k, int token, int tokens, const float* panels, int64_t stride) const {
        constexpr int kStep = int(kTileInputs);
        k.values({.panels = panels,
                  .panelStride = stride,
                  .tokens = tokens,
                  .room = (token + tokens + kStep - 1) / kStep * kStep - token,
                  .slices = slices_,
                  .codes = values_ + token * kPanelOutputs,
                  .codeStride = kSlice,
                  .scales = valueScales_ + token});
    }

    /// The block's first `width` keys against queries from `query` on, whose sums are o: see AttendCodes.
    void attend(const CodedKernels& k, int64_t query, const SoftmaxBlock& softmax, float* o, int64_t oStride) const {
        k.attend({.dims = dims_,
                  .q = q_ + query * qStride_,
                  .qStride = qStride_,
                  .qScales = qScales_ + query,
                  .keys = keys_,
                  .keyStride = keyStride_,
                  .keyScales = keyScales_,
                  .values = values_,
                  .valueStride = kSlice,
                  .valueScales = valueScales_,
                  .weightScales = weightScales_,
                  .slices = slices_,
                  .o = o,
                  .oStride = oStride,
                  .softmax = softmax});
    }

private:
    static constexpr int64_t kSlice = int64_t(kKeyBlock) * kPanelOutputs; // codes of a panel of values

    int dims_ = 0;
    int64_t qStride_ = 0, keyStride_ = 0, slices_ = 0;
    int16_t* q_ = nullptr;          // (queries, qStride_)
    float* qScales_ = nullptr;      // (queries)
    int16_t* keys_ = nullptr;       // panels of kKeyBlock keys
    float* keyScales_ = nullptr;    // (kKeyBlock)
    int16_t* values_ = nullptr;     // (slices) panels
    float* valueScales_ = nullptr;  // (kKeyBlock)
    float* weightScales_ = nullptr; // (queries)
};

} // namespace hearth::kernels::cpu
