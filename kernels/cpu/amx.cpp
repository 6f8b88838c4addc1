// AMX with bf16 and 8 bits (Sapphire Rapids and later): AVX-512's table with the products and the attention of prompts,
// and what generated tokens look at in caches of latents or codes, in tiles, and with gathers where weights' points are
// looked up. Compiled with AVX-512's flags and AVX512_BF16: nothing with inline library code may be included here.

#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/float_kernels.h"

#include "kernels/cpu/pair_attention.h"

#include "kernels/cpu/latent_tiles.h"

#include "kernels/cpu/prompt_tiles.h"

#include "kernels/cpu/codes_512.h"

#include "kernels/cpu/code_attention.h"

#include "kernels/cpu/code_tiles.h"

#include "kernels/cpu/code_panel.h"

namespace hearth::kernels::cpu {
namespace {

static_assert(kPanelOutputs == 32 && kTileInputs == 32);

// --- Activations -----------------------------------------------------------------------------------------------------

/// 16 codes that lie in eights, from number `first` of the block on.
inline Vec codesFrom(const A8Block& block, int first) {
    const auto eight = [&](int i) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(block.q + inEights(i))); };
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_unpacklo_epi64(eight(first), eight(first + 8))));
}

void roundCodes(const A8Block* x, int64_t n, const RoundedRow& to) {
    std::byte* out = to.out;
    for (int64_t i = 0; i < n; i += kTileInputs, out += to.step) {
        const A8Block& block = x[i / 256];
        const int at = int(i % 256);
        const Vec scale = splat(block.scale[at / 32]);
        _mm512_storeu_si512(out, rounded(mul(codesFrom(block, at), scale), mul(codesFrom(block, at + 16), scale)));
    }
}

// --- Weights ---------------------------------------------------------------------------------------------------------

/// The place of a panel that is written next.
template <bool kSplit>
struct PanelPlace {
    uint16_t *out, *low;

    /// The first and the second inputs of 16 outputs.
    inline void add(Vec first, Vec second) {
        const __m512i high = rounded(first, second);
        _mm512_storeu_si512(out, pairs(high));
        out += 2 * kLanes;
        if constexpr (kSplit) {
            takeAway(high, first, second);
            _mm512_storeu_si512(low, pairs(rounded(first, second)));
            low += 2 * kLanes;
        }
    }
};

template <typename Format, bool kSplit>
void unpackRounded16(const UnpackRounded& a) {
    constexpr int kParts = 32 / Format::kGroup;
    constexpr int64_t kStep = kTileInputs * kPanelOutputs, kPair = 2 * kLanes; // numbers
    const __m512i byte = _mm512_set1_epi32(0xff);
    const int64_t groups = a.weights.cols / 32;
    for (int first = 0; first < kPanelOutputs; first += kLanes)
        for (int64_t g = 0; g < groups; g += 8) {
            const int live = groups - g < 8 ? int(groups - g) : 8;
            const TurnedRows<Format> turned(a.weights, first, g / 8, live);
            for (int j = 0; j < 2 * live; ++j)
                for (int i = 0; i < 4; ++i) {
                    const int part = j / 2 * kParts + i * 8 / Format::kGroup;
                    const Vec scale = turned.scale[part], min = turned.min[part];
                    const auto weights = [&](__m512i codes) { return fma(_mm512_cvtepi32_ps(codes), scale, min); };
                    const int64_t at = (g + j / 2) * kStep + first * kTileInputs + (4 * i + 2 * (j % 2)) * kPair;
                    PanelPlace<kSplit> to{a.out + at, kSplit ? a.low + at : nullptr};
                    const __m512i q = turned.rows.q[i][j];
                    to.add(weights(_mm512_and_si512(q, byte)),
                           weights(_mm512_and_si512(_mm512_srli_epi32(q, 8), byte)));
                    to.add(weights(_mm512_and_si512(_mm512_srli_epi32(q, 16), byte)),
                           weights(_mm512_srli_epi32(q, 24)));
                }
        }
}

template <bool kSplit>
void roundFloats16(const RoundPanel& a) {
    const auto* panel = static_cast<const float*>(a.panel);
    PanelPlace<kSplit> to{a.out, a.low};
    for (int64_t first = 0; first < a.cols; first += kTileInputs)
        for (int n = 0; n < kPanelOutputs; n += kLanes)
            for (int64_t i = first; i < first + kTileInputs; i += 2) {
                const auto input = [&](int64_t k) { return k < a.cols ? load(panel + k * kPanelOutputs + n) : zero(); };
                to.add(input(i), input(i + 1));
            }
}

template <typename Format>
void unpackRounded(const UnpackRounded& a) {
    (a.low ? unpackRounded16<Format, true> : unpackRounded16<Format, false>)(a);
}

void roundFloatPanel(const RoundPanel& a) {
    (a.low ? roundFloats16<true> : roundFloats16<false>)(a);
}

// --- Products --------------------------------------------------------------------------------------------------------

/// kTall: more than 16 rows from `row` on, as configured. The panel is met by all rows, but together with the rows that
/// pass by it is more than the first-level cache holds: those are loaded past it.
template <bool kTall>
void multiplyRows(const Gemm& a, int row) {
    constexpr int64_t kOutputs = 16; // floats of a tile
    constexpr int64_t kLine = 64;    // bytes of a tile's row
    const std::byte* x = a.x + row * kLine;
    const auto* w = static_cast<const std::byte*>(a.panel);
    const float* from = sumsBefore(a.sums, row);
    if (!from) {
        Tiles::clear<0>(), Tiles::clear<1>();
        if constexpr (kTall)
            Tiles::clear<2>(), Tiles::clear<3>();
    } else {
        const int64_t stride = a.sums.first ? a.sums.beginStride : a.sums.accStride;
        Tiles::load<0>(from, stride * 4), Tiles::load<1>(from + kOutputs, stride * 4);
        if constexpr (kTall) {
            from += kTileRows * stride;
            Tiles::load<2>(from, stride * 4), Tiles::load<3>(from + kOutputs, stride * 4);
        }
    }
    for (int64_t left = a.cols; left > 0; left -= kTileInputs) {
        Tiles::loadOnce<4>(x, kLine);
        Tiles::load<6>(w, kLine);
        Tiles::load<7>(w + kTileBytes, kLine);
        if constexpr (kTall)
            Tiles::loadOnce<5>(x + kTileBytes, kLine);
        Tiles::addProduct<0, 4, 6>(), Tiles::addProduct<1, 4, 7>();
        if constexpr (kTall)
            Tiles::addProduct<2, 5, 6>(), Tiles::addProduct<3, 5, 7>();
        x += a.xStride, w += 2 * kTileBytes;
    }
    const int64_t stride = a.sums.out ? a.sums.outStride : a.sums.accStride;
    float* to = sumsAfter(a.sums, row);
    Tiles::store<0>(to, stride * 4), Tiles::store<1>(to + kOutputs, stride * 4);
    if constexpr (kTall) {
        to += kTileRows * stride;
        Tiles::store<2>(to, stride * 4), Tiles::store<3>(to + kOutputs, stride * 4);
    }
}

void gemmTiles(const Gemm& a) {
    forTileRows(a.rows, [&]<bool kTall>(int row, int) { multiplyRows<kTall>(a, row); });
}

} // namespace

#if defined(HEARTH_TEST_TILES)
CpuKernels amxKernelsForTests() {
#else
CpuKernels amxKernels() {
#endif
    CpuKernels k = avx512Kernels();
    useGathers(k); // Intel slowed down those of processors before Sapphire Rapids
    forEachCodes<ByGathers>([&]<typename Format>(Type type) { k.unpackRounded[size_t(type)] = unpackRounded<Format>; });
    constexpr Type kFloats[] = {Type::F32, Type::F16, Type::BF16, Type::F8_E4M3};
    for (const Type type : kFloats)
        k.roundPanel[size_t(type)] = roundFloatPanel;
    k.gemmBf16 = gemmTiles;
    k.roundFloats = roundFloats;
    k.roundCodes = roundCodes;
    overrideCodeTiles(k);
    overrideLatentTiles(k);
    overridePromptTiles(k);
    return k;
}

} // namespace hearth::kernels::cpu
