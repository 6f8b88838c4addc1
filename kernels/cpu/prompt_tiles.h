#pragma once

// Attention of prompt tokens in tiles of bf16: queries, keys, weights and values are rounded, sums and the softmax are
// floats. A query is a row of both products, and has the bits that it has among any other rows. Included after
// pair_attention.h. Internal linkage on purpose.

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/bf16_512.h"

namespace hearth::kernels::cpu {
namespace {

void roundQueryRows(const CodeQueryRows& a) {
    for (int r = 0; r < a.rows; ++r)
        roundFloats(a.x + r * a.xStride, a.dims,
                    {.out = reinterpret_cast<std::byte*>(a.codes + r * a.codeStride), .step = 2 * kTileInputs});
}

void roundKeyPanel(const CodeKeys& a) {
    for (int64_t k = 0; k < codedRow(a.dims); k += 2)
        for (int n = 0; n < kPanelOutputs; n += kLanes) {
            const auto key = [&](int64_t i) { return i < a.dims ? load(a.panel + i * kPanelOutputs + n) : zero(); };
            _mm512_storeu_si512(a.codes + k * kPanelOutputs + 2 * n, pairs(rounded(key(k), key(k + 1))));
        }
}

/// 1 where a token's values are numbers after rounding, too; else NaN, and its codes are zeros.
inline float scaleOfRounded(const CodeValues& a, int token) {
    constexpr uint32_t kInfinite = 0x7f7f8000; // the least that rounds to infinity
    return topOfValues(a, token) >= kInfinite ? __builtin_nanf("") : 1.0f;
}

void roundValuePanels(const CodeValues& a) {
    for (int t = 0; t < a.room; t += 2) {
        __mmask16 live[2] = {};
        for (int i = 0; i < 2; ++i)
            if (t + i < a.tokens) {
                a.scales[t + i] = scaleOfRounded(a, t + i);
                live[i] = a.scales[t + i] == 1.0f ? 0xffff : 0;
            }
        for (int64_t slice = 0; slice < a.slices; ++slice)
            for (int n = 0; n < kPanelOutputs; n += kLanes) {
                const float* v = a.panels + slice * a.panelStride + t * kPanelOutputs + n;
                _mm512_storeu_si512(a.codes + slice * a.codeStride + t * kPanelOutputs + 2 * n,
                                    pairs(rounded(_mm512_maskz_loadu_ps(live[0], v),
                                                  _mm512_maskz_loadu_ps(live[1], v + kPanelOutputs))));
            }
    }
}

constexpr int64_t kPairsRow = 2 * kPanelOutputs; // codes of a pair of dims or tokens in a panel

/// kTall: more than 16 rows from `row` on, as configured.
template <bool kTall>
void scoreTiles(const AttendCodes& a, int row) {
    const int16_t* q = a.q + row * a.qStride;
    for (int n = 0; n < a.softmax.width; n += kPanelOutputs) {
        const int16_t* keys = a.keys + n * a.keyStride;
        Tiles::clear<0>(), Tiles::clear<1>();
        if constexpr (kTall)
            Tiles::clear<2>(), Tiles::clear<3>();
        for (int d = 0; d < a.dims; d += int(kTileInputs)) {
            Tiles::load<4>(q + d, a.qStride * 2);
            Tiles::load<6>(keys + d * kPanelOutputs, kPairsRow * 2);
            Tiles::load<7>(keys + d * kPanelOutputs + kPanelOutputs, kPairsRow * 2);
            Tiles::addProduct<0, 4, 6>(), Tiles::addProduct<1, 4, 7>();
            if constexpr (kTall) {
                Tiles::load<5>(q + kTileRows * a.qStride + d, a.qStride * 2);
                Tiles::addProduct<2, 5, 6>(), Tiles::addProduct<3, 5, 7>();
            }
        }
        float* s = a.softmax.s + row * kKeyBlock + n;
        Tiles::store<0>(s, kKeyBlock * 4), Tiles::store<1>(s + kLanes, kKeyBlock * 4);
        if constexpr (kTall) {
            s += kTileRows * kKeyBlock;
            Tiles::store<2>(s, kKeyBlock * 4), Tiles::store<3>(s + kLanes, kKeyBlock * 4);
        }
    }
}

/// A row of sums, in all slices.
inline void scaleSums(const AttendCodes& a, int row, float factor) {
    for (int64_t slice = 0; slice < a.slices; ++slice)
        for (int n = 0; n < kPanelOutputs; n += kLanes) {
            float* o = a.o + slice * a.oStride + row * kPanelOutputs + n;
            store(o, mul(load(o), splat(factor)));
        }
}

/// Keys of a block whose values are no numbers, as lanes of vectors. Not as one number of 64 bits: GCC 12 writes a mask
/// of 16 bits to the stack and reads 64 of them there.
struct InfiniteValues {
    __mmask16 lanes[kKeyBlock / kLanes] = {};
    bool any = false;

    inline explicit InfiniteValues(const AttendCodes& a) {
        for (int v = 0; v * kLanes < a.softmax.width; ++v) {
            const Vec scales = loadPart(a.valueScales + v * kLanes, lesser(kLanes, a.softmax.width - v * kLanes));
            lanes[v] = _mm512_cmp_ps_mask(scales, scales, _CMP_UNORD_Q);
            any = any || lanes[v] != 0;
        }
    }

    /// Whether row i sees one.
    inline bool seenBy(const WeightRows<4>& rows, int i) const {
        bool seen = false;
        for (int v = 0; any && v < rows.kV; ++v)
            seen = seen || (rows.lanes(i, v) & lanes[v]) != 0;
        return seen;
    }
};

/// Scores of up to four rows become weights in bf16 in their place, and what was summed before is scaled.
inline void weighTileRows(const AttendCodes& a, int first, int end, const InfiniteValues& infinite) {
    FourRows four(a.softmax, first, end);
    float corrections[4];
    _mm_storeu_ps(corrections, four.rows.weigh(a.softmax.scale, a.softmax.softCap));
    for (int i = 0; i < 4 && first + i < end; ++i) {
        const auto& w = four.rows.w[i];
        for (int v = 0; v < four.rows.kV; v += 2)
            _mm512_storeu_si512(four.scores[i] + v * kLanes / 2, rounded(w[v], w[v + 1]));
        const float correction = infinite.seenBy(four.rows, i) ? __builtin_nanf("") : corrections[i];
        if (correction != 1.0f)
            scaleSums(a, four.row[i], correction);
    }
}

template <bool kTall>
void addValueTiles(const AttendCodes& a, int row) {
    constexpr int64_t kRow = kPanelOutputs * 4, kWeightsRow = kKeyBlock * 4; // bytes
    const float* weights = a.softmax.s + row * kKeyBlock;
    for (int64_t slice = 0; slice < a.slices; ++slice) {
        float *o = a.o + slice * a.oStride + row * kPanelOutputs, *below = o + kTileRows * kPanelOutputs;
        Tiles::load<0>(o, kRow), Tiles::load<1>(o + kLanes, kRow);
        if constexpr (kTall)
            Tiles::load<2>(below, kRow), Tiles::load<3>(below + kLanes, kRow);
        for (int t = 0; t < a.softmax.width; t += int(kTileInputs)) {
            const int16_t* values = a.values + slice * a.valueStride + t * kPanelOutputs;
            Tiles::load<4>(weights + t / 2, kWeightsRow);
            Tiles::load<6>(values, kPairsRow * 2);
            Tiles::load<7>(values + kPanelOutputs, kPairsRow * 2);
            Tiles::addProduct<0, 4, 6>(), Tiles::addProduct<1, 4, 7>();
            if constexpr (kTall) {
                Tiles::load<5>(weights + kTileRows * kKeyBlock + t / 2, kWeightsRow);
                Tiles::addProduct<2, 5, 6>(), Tiles::addProduct<3, 5, 7>();
            }
        }
        Tiles::store<0>(o, kRow), Tiles::store<1>(o + kLanes, kRow);
        if constexpr (kTall)
            Tiles::store<2>(below, kRow), Tiles::store<3>(below + kLanes, kRow);
    }
}

template <bool kTall>
void attendTileRows(const AttendCodes& a, int row, int end, const InfiniteValues& infinite) {
    scoreTiles<kTall>(a, row);
    for (int r = row; r < end; r += 4)
        weighTileRows(a, r, end, infinite);
    addValueTiles<kTall>(a, row);
}

void attendTiles(const AttendCodes& a) {
    const InfiniteValues infinite(a);
    forTileRows(a.softmax.rows, [&]<bool kTall>(int row, int end) { attendTileRows<kTall>(a, row, end, infinite); });
}

inline void overridePromptTiles(CpuKernels& k) {
    k.codedInTiles.queries = roundQueryRows;
    k.codedInTiles.keys = roundKeyPanel;
    k.codedInTiles.values = roundValuePanels;
    k.codedInTiles.attend = attendTiles;
}

} // namespace
} // namespace hearth::kernels::cpu
